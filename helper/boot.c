/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot.h"

#include "change.h"
#include "engine.h"
#include "journal.h"
#include "names.h"
#include "store.h"
#include "waiting.h"

/* Nobody holds it for long; a stuck one must not delay NetworkManager. */
#define LOCK_WAIT_MS 5000

static gboolean of_this_boot(const Engine *engine)
{
    g_autoptr(Record) record = engine_load(engine->state_dir, NULL);
    return record && g_strcmp0(record->boot_id, engine->boot_id) == 0;
}

static int run(Engine *engine)
{
    g_auto(EngineResult) result = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *good = g_build_filename(engine->state_dir, NM_TRIAL_GOOD, NULL);

    store_sweep(engine->state_dir);
    store_sweep(good);
    store_sweep(engine->profile_dir);
    if (of_this_boot(engine))
        return EXIT_DONE;
    if (engine_run(engine, NULL, &result, &error) && !result.record) {
        if (!change_sweep(engine->state_dir, engine->profile_dir, NM_RUN_PROFILE_DIR, NULL))
            return EXIT_FAILED;
        waiting_mark_done(NM_TRIAL_RUN_DIR, engine->boot_id);
        return EXIT_DONE;
    }
    journal_say(JOURNAL_TROUBLE, result.record, -1, "could not be ended before NetworkManager's start: %s",
                error            ? error->message
                : result.trouble ? result.trouble
                                 : "see above");
    return EXIT_FAILED;
}

int boot_main(const char *state_dir, const char *profile_dir)
{
    g_autofree char *boot_id = engine_boot_id();
    Engine engine = {.state_dir = state_dir, .profile_dir = profile_dir, .boot_id = boot_id};
    g_autoptr(GError) error = NULL;

    journal_use_stderr();
    if (!store_make_directory(state_dir, 0700, NULL))
        return EXIT_DONE; /* nothing was ever tried here, nor could be */
    int lock = store_lock(state_dir, LOCK_WAIT_MS, &error);
    if (lock < 0) {
        journal_say(JOURNAL_TROUBLE, NULL, -1, "%s", error->message);
        return EXIT_FAILED;
    }
    int status = run(&engine);
    engine_clear(&engine);
    store_unlock(lock);
    return status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opening.h"

#include "auto-default.h"
#include "journal.h"
#include "os.h"
#include "store.h"

#include <sys/random.h>

/* The checkpoint's first timeout: should this process die before the record, it costs little. */
#define CHECKPOINT_FIRST_S 30

Record *opening_open_trial(const char *state_dir, GError **error)
{
    g_autoptr(GError) unreadable = NULL;
    Record *open = engine_load(state_dir, &unreadable);
    if (unreadable)
        plan_refuse(
            error,
            "The record of a trial cannot be read (%s). Run nm-trial agent --exit-idle to set it aside.",
            unreadable->message);
    return open;
}

gboolean opening_none_open(const char *state_dir, GError **error)
{
    GError *unreadable = NULL;
    g_autoptr(Record) open = opening_open_trial(state_dir, &unreadable);
    if (unreadable) {
        g_propagate_error(error, unreadable);
        return FALSE;
    }
    return !open ||
           plan_refuse(error, "Another trial is open: %s (\"%s\" on %s). Confirm or cancel it first.",
                       open->id, open->pair[0].candidate.id, open->pair[0].device);
}

static char *new_id(void)
{
    guint32 number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        number = g_random_int();
    return g_strdup_printf("%08x", number);
}

static void set_profile(struct record_profile *into, const Profile *profile)
{
    into->uuid = g_strdup(profile->uuid);
    into->id = g_strdup(profile->id);
    into->path = g_strdup(profile->path);
    into->data = g_memdup2(profile->data, profile->length + 1);
    into->length = profile->length;
}

Record *opening_record(const Engine *engine, const Plan *plan, const Options *options, const char *started_by)
{
    Record *record = record_new();

    record->id = new_id();
    record->trial = (struct trial){
        .state = TRIAL_TRYING,
        .confirm = options->manual ? CONFIRM_MANUAL : CONFIRM_AUTO,
        .fallback = options->fallback,
        .hold_ms = options->hold_ms,
        .n_pairs = 1,
        .pair = {{.has_replaced = plan->replaced != NULL}},
    };
    record->boot_id = g_strdup(engine->boot_id);
    record->started_by = g_strdup(started_by);
    g_strfreev(record->checks);
    record->checks = g_strdupv(plan->checks);
    record->nm_name = g_strdup(network_nm_name(engine->network));
    record->pair[0].device = g_strdup(plan->device);
    record->pair[0].priority = plan->priority;
    set_profile(&record->pair[0].candidate, plan->candidate);
    if (plan->replaced)
        set_profile(&record->pair[0].replaced, plan->replaced);
    return record;
}

/* The second net. None is possible when the candidate is active already: it would save the candidate. */
static gboolean take_checkpoint(const Engine *engine, const Plan *plan, Record *record, GError **error)
{
    const char *devices[] = {plan->nm.object, NULL};
    g_auto(NetworkCheckpoint) made = {0};

    if (g_strcmp0(plan->nm.active_uuid, plan->candidate->uuid) == 0)
        return TRUE;
    if (!network_checkpoint_create(engine->network, devices, CHECKPOINT_FIRST_S, &record->checkpoint, error))
        return FALSE;
    record->checkpoint_nm = g_strdup(network_nm_name(engine->network));
    if (!network_checkpoint_get(engine->network, record->checkpoint, &made, error))
        return FALSE;
    record->checkpoint_created_ms = made.created_ms;
    return TRUE;
}

static gboolean mark_candidate(const Plan *plan, GError **error)
{
    const struct profile_flags trying = {FALSE, PROFILE_KEEP_PRIORITY, "trying", NULL};
    gsize length = 0;
    g_autofree char *text = profile_with_flags(plan->candidate, &trying, &length, error);
    return text && store_write(plan->candidate->path, text, length, error);
}

static void say_started(const Record *record, const Plan *plan, const Options *options)
{
    g_autofree char *candidate = journal_clean(plan->candidate->id);
    g_autofree char *replaced = plan->replaced ? journal_clean(plan->replaced->id) : NULL;
    g_autofree char *checks = record->checks[0] ? g_strjoinv(", ", record->checks) : g_strdup("none");

    journal_say(JOURNAL_STARTED, record, -1,
                "trying \"%s\" in place of %s%s%s on %s, started by %s, %s, checks: %s", candidate,
                replaced ? "\"" : "", replaced ? replaced : "nothing", replaced ? "\"" : "", plan->device,
                record->started_by, options->manual ? "to be confirmed" : "judged by its checks", checks);
    if (!record->checkpoint)
        journal_say(JOURNAL_STARTED, record, 0, "no checkpoint: the candidate is active already");
    for (guint i = 0; i < plan->warnings->len; i++)
        journal_say(JOURNAL_STARTED, record, -1, "warning: %s", (char *)plan->warnings->pdata[i]);
    for (guint i = 0; i < plan->notes->len; i++)
        journal_say(JOURNAL_STARTED, record, -1, "note: %s", (char *)plan->notes->pdata[i]);
}

gboolean opening_open(const Engine *engine, const Plan *plan, const Options *options, Record *record,
                      GError **error)
{
    if (plan->auto_default && !auto_default_save(plan->replaced, plan->auto_default, engine->network, error))
        return FALSE;
    record->started_ms = os.boottime_ms();
    record->trial.deadline_ms = record->started_ms + options->timeout_ms;
    if (take_checkpoint(engine, plan, record, error) && mark_candidate(plan, error) &&
        engine_save(engine->state_dir, record, error)) {
        say_started(record, plan, options);
        return TRUE;
    }
    /* a write may have failed after its rename: what is not to count goes */
    g_autofree char *path = g_build_filename(engine->state_dir, NM_TRIAL_RECORD, NULL);
    (void)store_remove(path, NULL);
    (void)store_write(plan->candidate->path, plan->candidate->data, plan->candidate->length, NULL);
    if (record->checkpoint)
        (void)network_checkpoint_destroy(engine->network, record->checkpoint, NULL);
    return FALSE;
}

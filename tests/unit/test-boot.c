/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine with files alone, as before NetworkManager's start, and boot_main(). */
#include "boot.h"

#include "disk.h"
#include "earlier.h"
#include "history.h"
#include "names.h"
#include "sample.h"
#include "store.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Ends rightly, and twice is once. */
static void ends(const struct scenario *scenario)
{
    struct fixture *f = earlier_begin(scenario);

    disk_watch();
    disk.now_ms = EARLIER_NOW_MS;
    earlier_run_once(f);
    earlier_assert_end(f);
    g_autofree char *history = scratch_get(f->dir, NM_TRIAL_HISTORY), *same = NULL;
    int calls = disk.calls;
    earlier_run_once(f);
    g_assert_cmpint(disk.calls, ==, calls + 1); /* no more than a look for the record */
    earlier_assert_end(f);
    same = scratch_get(f->dir, NM_TRIAL_HISTORY);
    g_assert_cmpstr(same, ==, history);
    disk_unwatch();
    earlier_end(f);
}

/* What was found may be what a killed process has renamed and not synced: nothing is written before that is
 * durable. */
static void settles_first(const struct scenario *scenario)
{
    struct fixture *f = earlier_begin(scenario);
    int settled, written = -1;

    disk_watch();
    disk.now_ms = EARLIER_NOW_MS;
    Engine engine = earlier_engine(f);
    earlier_run(&engine, TRUE);
    settled = disk_logged(0, "fsync", f->dir);
    for (guint i = 0; i < disk.log->len && written < 0; i++)
        if (strstr(disk.log->pdata[i], NM_TRIAL_TEMPORARY))
            written = (int)i;
    g_assert_cmpint(settled, >=, 0);
    g_assert_true(written < 0 || settled < written);
    engine_clear(&engine);
    disk_unwatch();
    earlier_end(f);
}

static void test_settles_first(void)
{
    earlier_for_each(settles_first);
}

static void test_ends(void)
{
    earlier_for_each(ends);
}

/* Every call fails once, in turn. What then goes on: a new process, or the same one a little later. */
enum after { NEXT_BOOT, KILLED, SAME_PROCESS, N_AFTER };

/* A failing look at a file is another thing than a failing write: nobody may take "cannot tell" for "gone".
 */
static gboolean is_look(const char *call)
{
    return g_str_has_prefix(call, "read ") || g_str_has_prefix(call, "fstat ") ||
           (g_str_has_prefix(call, "openat ") && !strstr(call, ".nm-trial-new.") &&
            (g_str_has_suffix(call, KEYFILE_SUFFIX) || g_str_has_suffix(call, "/" NM_TRIAL_RECORD)));
}

/* The calls of a run that nothing disturbs. Caller unrefs. */
static GPtrArray *calls_of(const struct scenario *scenario)
{
    struct fixture *f = earlier_begin(scenario);
    Engine engine = earlier_engine(f);

    disk_watch();
    disk.now_ms = EARLIER_NOW_MS;
    earlier_run(&engine, TRUE);
    GPtrArray *calls = g_ptr_array_ref(disk.log);
    engine_clear(&engine);
    disk_unwatch();
    earlier_end(f);
    return calls;
}

static void fails_at(const struct scenario *scenario, int n, enum after after)
{
    struct fixture *f = earlier_begin(scenario);
    Engine engine = earlier_engine(f);

    disk_watch();
    disk.now_ms = EARLIER_NOW_MS;
    disk.fail_at = n;
    disk.killed = after == KILLED;
    earlier_run(&engine, FALSE);
    g_assert_cmpint(disk.calls, >=, n);
    disk.fail_at = 0;
    earlier_assert_never_lost(f);
    if (after == SAME_PROCESS) {
        disk.now_ms += TRIAL_RETRY_MS;
        earlier_run(&engine, TRUE);
    }
    engine_clear(&engine);
    disk_unwatch();
    earlier_run_once(f);
    earlier_assert_end(f);
    earlier_end(f);
}

static void fails_in_turn(const struct scenario *scenario, gboolean looks)
{
    g_autoptr(GPtrArray) calls = calls_of(scenario);

    for (guint n = 1; n <= calls->len; n++)
        for (int after = 0; is_look(calls->pdata[n - 1]) == looks && after < N_AFTER; after++) {
            g_test_message("%s: call %u fails (%d): %s", scenario->name, n, after,
                           (char *)calls->pdata[n - 1]);
            fails_at(scenario, (int)n, (enum after)after);
        }
}

static void changes_fail(const struct scenario *scenario)
{
    fails_in_turn(scenario, FALSE);
}

static void test_changes_fail(void)
{
    earlier_for_each(changes_fail);
}

static void looks_fail(const struct scenario *scenario)
{
    fails_in_turn(scenario, TRUE);
}

static void test_looks_fail(void)
{
    earlier_for_each(looks_fail);
}

/* A record that is there but is none of ours to read: nothing in it is believed, nothing waits for ever. */
static void test_unusable_records(void)
{
    for (int i = 0; i < 4; i++) {
        struct fixture *f = earlier_begin(&earlier_scenarios[0]);
        g_autofree char *path = g_build_filename(f->dir, NM_TRIAL_RECORD, NULL);
        g_autofree char *elsewhere = g_build_filename(f->dir, "elsewhere", NULL);
        g_test_message("record %d", i);
        if (i == 0) /* others may write it */
            g_assert_cmpint(g_chmod(path, 0622), ==, 0);
        else if (i == 1) /* a symbolic link */
            g_assert_true(g_rename(path, elsewhere) == 0 && symlink(elsewhere, path) == 0);
        else if (i == 2) /* a directory */
            g_assert_true(g_unlink(path) == 0 && g_mkdir(path, 0700) == 0);
        else /* larger than any record */
            g_assert_cmpint(truncate(path, STORE_FILE_MAX + 1), ==, 0);
        Engine engine = earlier_engine(f);
        earlier_run(&engine, TRUE);
        engine_clear(&engine);
        g_autoptr(Profile) candidate = earlier_profile(f, &f->record->pair[0].candidate);
        g_assert_cmpint(profile_flags_state(candidate, 0), ==, FLAGS_DEMOTED);
        earlier_assert_never_lost(f);
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
        earlier_end(f);
    }
}

/* The disk that did not answer may answer later: the record is not given up for that. */
static void test_unreadable_now(void)
{
    struct fixture *f = earlier_begin(&earlier_scenarios[0]);
    Engine engine = earlier_engine(f);
    g_auto(EngineResult) result = {0};
    g_autoptr(GError) error = NULL;

    disk_watch();
    disk.fail_at = 1;
    g_assert_false(engine_run(&engine, NULL, &result, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_IO);
    disk_unwatch();
    engine_clear(&engine);
    g_autofree char *record = scratch_get(f->dir, NM_TRIAL_RECORD), *aside = NULL;
    aside = scratch_get(f->dir, NM_TRIAL_RECORD ".bad-1");
    g_assert_nonnull(record);
    g_assert_null(aside);
    earlier_end(f);
}

/* A candidate may name what it replaces by UUID or by id, and the record that is lost knew both. */
static void test_record_lost_replaces_by_id(void)
{
    struct fixture *f = earlier_begin(&earlier_scenarios[0]);
    g_autofree char *candidate = sample_profile(1, TRUE, "trying", "profile 2");
    g_autofree char *replaced = sample_profile(2, FALSE, NULL, NULL);

    g_free(scratch_put(f->dir, "candidate-0.nmconnection", candidate));
    g_free(scratch_put(f->dir, "replaced-0.nmconnection", replaced));
    g_free(scratch_put(f->dir, NM_TRIAL_RECORD, "rubbish"));
    earlier_run_once(f);
    earlier_assert_replaced(f, 0);
    earlier_end(f);
}

/* Another slot was booted, or the device reset: what the record embeds is put nowhere, and the record goes,
 * even if that is cut off and done again. */
static void test_profiles_gone(void)
{
    static const struct scenario scenarios[] = {
        {"trying", TRIAL_TRYING, 1, GONE, GONE, .reason = "unconfirmed-reboot"},
        {"trying, two pairs", TRIAL_TRYING, 2, GONE, GONE, .reason = "unconfirmed-reboot"},
        {"trying, none replaced", TRIAL_TRYING, 1, GONE, .none = TRUE, .reason = "unconfirmed-reboot"},
        {"reverting", TRIAL_REVERTING, 1, GONE, GONE, .reason = "cancelled"},
        {"promoting", TRIAL_PROMOTING, 1, GONE, GONE, .promoted = TRUE, .reason = "confirmed"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        gboolean cut_off = TRUE;
        for (int fail_at = 1; cut_off; fail_at++) {
            struct fixture *f = earlier_begin(&scenarios[i]);
            Engine engine = earlier_engine(f);
            g_test_message("%s, killed at %d", scenarios[i].name, fail_at);
            disk_watch();
            disk.fail_at = fail_at;
            disk.killed = TRUE;
            earlier_run(&engine, FALSE);
            cut_off = disk.calls >= fail_at;
            engine_clear(&engine);
            disk_unwatch();
            earlier_run_once(f);
            g_autoptr(JsonArray) history = history_load(f->dir, NULL);
            JsonObject *entry = history_find(history, SAMPLE_ID);
            g_assert_cmpstr(json_object_get_string_member(entry, "reason"), ==, scenarios[i].reason);
            g_assert_nonnull(strstr(json_object_get_string_member(entry, "detail"), "nothing was restored"));
            g_assert_cmpint(history_promoted(entry), ==, scenarios[i].promoted);
            g_autofree char *names = scratch_names(f->dir);
            g_assert_cmpstr(names, ==, NM_TRIAL_HISTORY " other.nmconnection");
            earlier_end(f);
        }
    }
}

/* boot_main() itself */

static void test_main_ends(void)
{
    struct fixture *f = earlier_begin(&earlier_scenarios[0]);
    g_free(scratch_put(f->dir, ".nm-trial-new.trial", "left by a killed process"));
    g_assert_cmpint(boot_main(f->dir, f->dir), ==, EXIT_DONE);
    earlier_assert_end(f);
    g_assert_cmpint(boot_main(f->dir, f->dir), ==, EXIT_DONE);
    earlier_assert_end(f);
    earlier_end(f);
}

static void test_main_record_lost(void)
{
    struct fixture *f = earlier_begin(&earlier_scenarios[earlier_n_scenarios - 1]);
    g_assert_true(f->scenario->record_lost);
    g_assert_cmpint(boot_main(f->dir, f->dir), ==, EXIT_DONE);
    earlier_assert_end(f);
    earlier_end(f);
}

static void assert_untouched(const struct fixture *f, const char *record)
{
    g_autofree char *now = scratch_get(f->dir, NM_TRIAL_RECORD),
                    *history = scratch_get(f->dir, NM_TRIAL_HISTORY);
    g_autofree char *candidate = scratch_get(f->dir, "candidate-0.nmconnection");
    g_autofree char *replaced = scratch_get(f->dir, "replaced-0.nmconnection");
    g_assert_cmpstr(now, ==, record);
    g_assert_null(history);
    g_assert_cmpstr(candidate, ==, f->record->pair[0].candidate.data);
    g_assert_cmpstr(replaced, ==, f->record->pair[0].replaced.data);
}

/* NetworkManager was merely restarted: the trial goes on. */
static void test_main_same_boot(void)
{
    struct fixture *f = earlier_begin(&earlier_scenarios[0]);
    g_free(f->record->boot_id);
    f->record->boot_id = engine_boot_id();
    g_assert_true(engine_save(f->dir, f->record, NULL));
    g_autofree char *record = scratch_get(f->dir, NM_TRIAL_RECORD);
    g_assert_cmpint(boot_main(f->dir, f->dir), ==, EXIT_DONE);
    assert_untouched(f, record);
    earlier_end(f);
}

/* Somebody has the lock and does not let go: NetworkManager is not kept waiting. */
static void test_main_locked(void)
{
    struct fixture *f = earlier_begin(&earlier_scenarios[0]);
    g_autofree char *record = scratch_get(f->dir, NM_TRIAL_RECORD);
    int lock = store_lock(f->dir, 0, NULL);
    disk_watch();
    disk.tick_ms = 1000;
    g_assert_cmpint(boot_main(f->dir, f->dir), ==, EXIT_FAILED);
    g_assert_cmpint(disk.now_ms, <=, 10000);
    disk_unwatch();
    store_unlock(lock);
    assert_untouched(f, record);
    earlier_end(f);
}

/* What killed writers left, in every directory that they write to. */
static void test_main_sweeps(void)
{
    g_autoptr(Scratch) state = scratch_new(), profiles = scratch_new();
    g_autofree char *in_state = NULL, *in_profiles = NULL, *in_good = NULL;
    g_autofree char *good = g_build_filename(state, NM_TRIAL_GOOD, NULL);
    g_assert_cmpint(g_mkdir(good, 0700), ==, 0);
    g_free(scratch_put(good, ".nm-trial-new.x.nmconnection", "left"));
    g_free(scratch_put(state, ".nm-trial-new.trial", "left"));
    g_free(scratch_put(profiles, ".nm-trial-new.x.nmconnection", "left"));
    g_assert_cmpint(boot_main(state, profiles), ==, EXIT_DONE);
    in_state = scratch_names(state);
    in_profiles = scratch_names(profiles);
    in_good = scratch_names(good);
    g_assert_cmpstr(in_state, ==, NM_TRIAL_GOOD " " NM_TRIAL_LOCK);
    g_assert_cmpstr(in_profiles, ==, "");
    g_assert_cmpstr(in_good, ==, "");
}

static void test_main_nothing(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autofree char *missing = g_build_filename(dir, "missing", NULL);
    g_assert_cmpint(boot_main(missing, missing), ==, EXIT_DONE);
    g_assert_cmpint(boot_main(dir, missing), ==, EXIT_DONE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot/ends", test_ends);
    g_test_add_func("/boot/settles-first", test_settles_first);
    g_test_add_func("/boot/fails/changes", test_changes_fail);
    g_test_add_func("/boot/fails/looks", test_looks_fail);
    g_test_add_func("/boot/unusable-records", test_unusable_records);
    g_test_add_func("/boot/unreadable-now", test_unreadable_now);
    g_test_add_func("/boot/record-lost-replaces-by-id", test_record_lost_replaces_by_id);
    g_test_add_func("/boot/profiles-gone", test_profiles_gone);
    g_test_add_func("/boot/main/ends", test_main_ends);
    g_test_add_func("/boot/main/record-lost", test_main_record_lost);
    g_test_add_func("/boot/main/same-boot", test_main_same_boot);
    g_test_add_func("/boot/main/locked", test_main_locked);
    g_test_add_func("/boot/main/sweeps", test_main_sweeps);
    g_test_add_func("/boot/main/nothing", test_main_nothing);
    return g_test_run();
}

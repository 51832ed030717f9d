/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verdicts' entries: what is in one, their order and number, and that they can be read again. */
#include "history.h"

#include "disk.h"
#include "names.h"
#include "os.h"
#include "sample.h"
#include "scratch.h"

#include <glib/gstdio.h>
#include <string.h>

#define NOW_MS 95500

static void add(const Scratch *dir, const Record *record, const char *after_revert)
{
    g_autoptr(GError) error = NULL;
    gboolean done = history_add(dir, record, NOW_MS, after_revert, &error);
    g_assert_no_error(error);
    g_assert_true(done);
}

static void add_id(const Scratch *dir, int n)
{
    g_autoptr(Record) record = sample_record(dir, TRIAL_REVERTING, 1);
    g_free(record->id);
    record->id = g_strdup_printf("%08x", (guint)n);
    add(dir, record, NULL);
}

static JsonArray *load(const Scratch *dir)
{
    g_autoptr(GError) error = NULL;
    JsonArray *history = history_load(dir, &error);
    g_assert_no_error(error);
    g_assert_nonnull(history);
    return history;
}

static const char *text_of(JsonObject *entry, const char *member)
{
    return json_object_get_string_member_with_default(entry, member, NULL);
}

static void assert_ids(JsonArray *history, const int *ids, guint n)
{
    g_assert_cmpuint(json_array_get_length(history), ==, n);
    for (guint i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("%08x", (guint)ids[i]);
        g_assert_cmpstr(text_of(json_array_get_object_element(history, i), "id"), ==, id);
    }
}

static void test_none(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autoptr(JsonArray) history = load(dir);
    g_assert_cmpuint(json_array_get_length(history), ==, 0);
    g_assert_null(history_find(history, SAMPLE_ID));
}

static void test_entry(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autoptr(Record) record = sample_record(dir, TRIAL_REVERTING, 2);
    record->detail = g_strdup("no \"secrets\" were given\n");
    record->baseline = g_strdup("[{\"name\":\"nm\",\"state\":\"passing\"}]");
    g_clear_pointer(&record->pair[1].replaced.uuid, g_free); /* --replace none */
    record->trial.pair[1].has_replaced = FALSE;
    add(dir, record, "[{\"name\":\"gateway\"},{\"name\":\"nm\"}]");

    g_autoptr(JsonArray) history = load(dir);
    JsonObject *entry = history_find(history, SAMPLE_ID);
    g_assert_nonnull(entry);
    g_assert_cmpstr(text_of(entry, "verdict"), ==, "reverted");
    g_assert_cmpstr(text_of(entry, "reason"), ==, "cancelled");
    g_assert_cmpstr(text_of(entry, "detail"), ==, record->detail);
    g_assert_cmpstr(text_of(entry, "started_by"), ==, "root");
    g_assert_cmpint(json_object_get_int_member(entry, "duration_s"), ==, 75);
    g_assert_false(history_promoted(entry));
    g_assert_cmpuint(json_array_get_length(json_object_get_array_member(entry, "baseline")), ==, 1);
    g_assert_cmpuint(json_array_get_length(json_object_get_array_member(entry, "after_revert")), ==, 2);

    JsonArray *pairs = json_object_get_array_member(entry, "pairs");
    g_assert_cmpuint(json_array_get_length(pairs), ==, 2);
    JsonObject *first = json_array_get_object_element(pairs, 0),
               *second = json_array_get_object_element(pairs, 1);
    g_assert_cmpstr(text_of(first, "device"), ==, SAMPLE_DEVICE);
    g_assert_cmpstr(text_of(json_object_get_object_member(first, "candidate"), "uuid"), ==,
                    record->pair[0].candidate.uuid);
    g_assert_cmpstr(text_of(json_object_get_object_member(first, "replaced"), "id"), ==, "profile 2");
    g_assert_true(json_object_get_null_member(second, "replaced"));
}

/* Contents hold secrets; the history is shown to people. */
static void test_no_contents(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autoptr(Record) record = sample_record(dir, TRIAL_PROMOTING, 1);
    struct stat st;
    add(dir, record, NULL);
    g_autofree char *text = scratch_get(dir, NM_TRIAL_HISTORY),
                    *path = g_build_filename(dir, NM_TRIAL_HISTORY, NULL);
    g_assert_null(strstr(text, "192.0.2."));
    g_assert_cmpint(g_stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0600);
}

static void test_promoted(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autoptr(Record) record = sample_record(dir, TRIAL_PROMOTING, 1);
    add(dir, record, NULL);
    g_autoptr(JsonArray) history = load(dir);
    JsonObject *entry = history_find(history, SAMPLE_ID);
    g_assert_true(history_promoted(entry));
    g_assert_cmpstr(text_of(entry, "verdict"), ==, "promoted");
    g_assert_cmpstr(text_of(entry, "reason"), ==, "confirmed");
    g_assert_cmpstr(text_of(entry, "detail"), ==, "");
    g_assert_cmpuint(json_array_get_length(json_object_get_array_member(entry, "baseline")), ==, 0);
    g_assert_cmpuint(json_array_get_length(json_object_get_array_member(entry, "after_revert")), ==, 0);
    g_assert_null(history_find(history, "ffffffff"));
}

/* JSON-GLib takes half a surrogate pair for text, and does not read what it writes of it. */
static void test_can_be_read_again(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autoptr(Record) record = sample_record(dir, TRIAL_REVERTING, 1);
    record->baseline = g_strdup("[{\"name\":\"\\ud800\"}]");
    add(dir, record, NULL);
    g_autoptr(JsonArray) history = load(dir);
    g_assert_nonnull(history_find(history, SAMPLE_ID));
}

/* CLOCK_BOOTTIME began anew: what the difference would say is no duration. */
static void test_duration_after_reboot(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autoptr(Record) record = sample_record(dir, TRIAL_REVERTING, 1);
    record->trial.reason = REASON_UNCONFIRMED_REBOOT;
    add(dir, record, NULL);
    g_autoptr(JsonArray) history = load(dir);
    g_assert_cmpint(json_object_get_int_member(history_find(history, SAMPLE_ID), "duration_s"), ==, 0);

    record->trial.reason = REASON_TIMEOUT;
    record->started_ms = NOW_MS + 1;
    add(dir, record, NULL);
    g_autoptr(JsonArray) later = load(dir);
    g_assert_cmpint(json_object_get_int_member(history_find(later, SAMPLE_ID), "duration_s"), ==, 0);
}

static void test_newest_first(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    for (int n = 1; n <= 3; n++)
        add_id(dir, n);
    g_autoptr(JsonArray) history = load(dir);
    assert_ids(history, (const int[]){3, 2, 1}, 3);
}

/* A crash between this and the record's removal has the same trial added again. */
static void test_same_id_once(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    for (int n = 1; n <= 3; n++)
        add_id(dir, n);
    g_autoptr(Record) record = sample_record(dir, TRIAL_PROMOTING, 1);
    g_free(record->id);
    record->id = g_strdup("00000002");
    add(dir, record, NULL);
    add(dir, record, NULL);
    g_autoptr(JsonArray) history = load(dir);
    assert_ids(history, (const int[]){2, 3, 1}, 3);
    g_assert_true(history_promoted(history_find(history, "00000002")));
}

static void test_at_most_64(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    int expected[HISTORY_MAX];
    g_assert_cmpint(HISTORY_MAX, ==, 64);
    for (int n = 1; n <= HISTORY_MAX + 3; n++)
        add_id(dir, n);
    for (int i = 0; i < HISTORY_MAX; i++)
        expected[i] = HISTORY_MAX + 3 - i;
    g_autoptr(JsonArray) history = load(dir);
    assert_ids(history, expected, HISTORY_MAX);

    add_id(dir, HISTORY_MAX + 3); /* one that is there takes nobody's place */
    g_autoptr(JsonArray) same = load(dir);
    assert_ids(same, expected, HISTORY_MAX);
}

/* Nothing is guessed from it, nothing is lost, and the verdict is still written down. */
static void test_unusable_is_set_aside(void)
{
    const char *const kind = "nm-trial-history";
    gsize length = 0;
    g_autofree char *object = envelope_seal(kind, 1, "{}", 2, &length);
    g_autofree char *no_json = envelope_seal(kind, 1, "[{", 2, &length);
    g_autofree char *newer = envelope_seal(kind, 2, "[]", 2, &length);
    g_autofree char *other_kind = envelope_seal("nm-trial-record", 1, "[]", 2, &length);
    g_autofree char *nothing = envelope_seal(kind, 1, "", 0, &length);
    const char *const bad[] = {"", "rubbish", object, no_json, newer, other_kind, nothing};

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Scratch) dir = scratch_new();
        g_autofree char *path = scratch_put(dir, NM_TRIAL_HISTORY, bad[i]), *aside = NULL;
        g_autoptr(GError) error = NULL;
        g_test_message("'%s'", bad[i]);
        g_assert_null(history_load(dir, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, path));
        add_id(dir, 5);
        aside = scratch_get(dir, NM_TRIAL_HISTORY ".bad-1");
        g_assert_cmpstr(aside, ==, bad[i]);
        g_autoptr(JsonArray) history = load(dir);
        assert_ids(history, (const int[]){5}, 1);
    }
}

static void test_untrusted_is_set_aside(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autofree char *path = g_build_filename(dir, NM_TRIAL_HISTORY, NULL);
    g_autoptr(GError) error = NULL;
    add_id(dir, 1);
    g_assert_cmpint(g_chmod(path, 0622), ==, 0);
    g_assert_null(history_load(dir, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM);
    add_id(dir, 2);
    g_autoptr(JsonArray) history = load(dir);
    assert_ids(history, (const int[]){2}, 1);
}

/* Entries of a later program may be anything; they are passed over, not tripped over. */
static void test_odd_entries(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    const char *body = "[17,null,{},{\"id\":5},{\"id\":\"0000000a\",\"verdict\":7},\"text\"]";
    gsize length = 0;
    g_autofree char *sealed = envelope_seal("nm-trial-history", 1, body, strlen(body), &length);
    g_free(scratch_put(dir, NM_TRIAL_HISTORY, sealed));
    g_autoptr(JsonArray) history = load(dir);
    g_assert_null(history_find(history, SAMPLE_ID));
    g_assert_nonnull(history_find(history, "0000000a"));
    g_assert_false(history_promoted(history_find(history, "0000000a")));
    add_id(dir, 5);
    g_autoptr(JsonArray) after = load(dir);
    g_assert_nonnull(history_find(after, "00000005"));
    g_assert_nonnull(history_find(after, "0000000a"));
}

/* A call that fails may keep this entry out, but costs none of those that are there. */
static void fails(gboolean looks)
{
    for (int n = 1, reached = TRUE; reached; n++) {
        g_autoptr(Scratch) dir = scratch_new();
        g_autoptr(Record) record = sample_record(dir, TRIAL_REVERTING, 1);
        g_autoptr(GError) error = NULL;
        add_id(dir, 1);
        add_id(dir, 2);
        disk_watch();
        disk.fail_at = n;
        gboolean done = history_add(dir, record, NOW_MS, NULL, &error);
        reached = disk.calls >= n;
        const char *call = reached ? disk.log->pdata[n - 1] : "";
        gboolean look = g_str_has_prefix(call, "read ") || g_str_has_prefix(call, "fstat ") || n == 1;
        g_test_message("%s", call);
        disk_unwatch();
        g_assert_true(done == !error);
        if (look != looks)
            continue;
        g_autoptr(JsonArray) history = load(dir);
        g_assert_nonnull(history_find(history, "00000001"));
        g_assert_nonnull(history_find(history, "00000002"));
        if (done)
            g_assert_nonnull(history_find(history, SAMPLE_ID));
    }
}

static void test_changes_fail(void)
{
    fails(FALSE);
}

static void test_looks_fail(void)
{
    fails(TRUE);
}

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static void assert_untold(const Scratch *dir, const char *open, const char *id)
{
    g_autoptr(JsonObject) entry = history_untold(dir, open);
    g_assert_cmpstr(entry ? text_of(entry, "id") : NULL, ==, id);
}

static void assert_told(const Scratch *dir, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(history_told(dir, id, &error));
    g_assert_no_error(error);
}

/* Verdicts whose hooks have still to run: the oldest one first, the open trial's not yet, and whatever else
 * happens to the history, until they have; nobody but the agent sees it. */
static void test_untold(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    const char *body =
        "[{\"id\":\"0000000c\",\"untold\":true},{\"id\":\"0000000b\",\"verdict\":\"promoted\"},"
        "{\"id\":\"0000000a\",\"untold\":true},{\"untold\":true},\"untold\"]";
    gsize length = 0;
    g_autofree char *sealed = envelope_seal("nm-trial-history", 1, body, strlen(body), &length);

    assert_untold(dir, NULL, NULL);
    g_free(scratch_put(dir, NM_TRIAL_HISTORY, sealed));
    assert_untold(dir, NULL, "0000000a");
    assert_untold(dir, "0000000a", "0000000c");
    add_id(dir, 5); /* there are no hooks here: it is told */
    assert_untold(dir, NULL, "0000000a");
    assert_told(dir, "0000000a");
    assert_untold(dir, NULL, "0000000c");
    assert_untold(dir, "0000000c", NULL);
    assert_told(dir, "0000000c");
    assert_told(dir, "0000000f"); /* 64 others have come since */
    assert_untold(dir, NULL, NULL);

    g_free(scratch_put(dir, NM_TRIAL_HISTORY, sealed));
    g_autoptr(JsonArray) history = load(dir);
    g_assert_false(json_object_has_member(history_find(history, "0000000c"), "untold"));
    g_free(scratch_put(dir, NM_TRIAL_HISTORY, "rubbish"));
    assert_untold(dir, NULL, NULL);
    assert_told(dir, "0000000c");
}

/* A word that is not durable would be one too few: the disk's failure is told, and the rest stays. */
static void test_told_fails(void)
{
    const char *body = "[{\"id\":\"0000000a\",\"untold\":true}]";
    gsize length = 0;
    g_autofree char *sealed = envelope_seal("nm-trial-history", 1, body, strlen(body), &length);

    for (int n = 1, reached = TRUE; reached; n++) {
        g_autoptr(Scratch) dir = scratch_new();
        g_autoptr(GError) error = NULL;
        g_free(scratch_put(dir, NM_TRIAL_HISTORY, sealed));
        disk_watch();
        disk.fail_at = n;
        gboolean done = history_told(dir, "0000000a", &error);
        reached = disk.calls >= n;
        const char *call = reached ? disk.log->pdata[n - 1] : "";
        gboolean write = g_str_has_prefix(call, "write ") || g_str_has_prefix(call, "fsync ") ||
                         g_str_has_prefix(call, "renameat ");
        g_test_message("%s", call);
        disk_unwatch();
        g_assert_true(done == !error);
        g_assert_false(done && write);
        g_autoptr(JsonArray) history = load(dir);
        g_assert_nonnull(history_find(history, "0000000a"));
        if (done && !reached)
            assert_untold(dir, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    os.fsync = no_sync; /* hundreds of them, and test-store is about it */
    g_test_add_func("/history/none", test_none);
    g_test_add_func("/history/entry", test_entry);
    g_test_add_func("/history/no-contents", test_no_contents);
    g_test_add_func("/history/can-be-read-again", test_can_be_read_again);
    g_test_add_func("/history/promoted", test_promoted);
    g_test_add_func("/history/duration-after-reboot", test_duration_after_reboot);
    g_test_add_func("/history/newest-first", test_newest_first);
    g_test_add_func("/history/same-id-once", test_same_id_once);
    g_test_add_func("/history/at-most-64", test_at_most_64);
    g_test_add_func("/history/unusable-is-set-aside", test_unusable_is_set_aside);
    g_test_add_func("/history/untrusted-is-set-aside", test_untrusted_is_set_aside);
    g_test_add_func("/history/odd-entries", test_odd_entries);
    g_test_add_func("/history/untold", test_untold);
    g_test_add_func("/history/told-fails", test_told_fails);
    g_test_add_func("/history/fails/changes", test_changes_fail);
    g_test_add_func("/history/fails/looks", test_looks_fail);
    return g_test_run();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several files in one durable write: all or none, whatever call fails, and each of them whole at every
 * instant. */
#include "store.h"

#include "disk.h"
#include "scratch.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define N 3
#define OLD "the old content\n"

/* The second one is not there yet. */
static const struct {
    const char *name, *old, *new;
} samples[N] = {
    {"first", OLD, "the first one's new content\n"},
    {"second", NULL, "the second one's\n"},
    {"third", OLD "\n", "the third one's new content\n"},
};

struct fixture {
    Scratch *dir;
    struct store_file files[N];
    char *temporary[N];
};

static void set_up(struct fixture *f, gconstpointer data)
{
    (void)data;
    f->dir = scratch_new();
    for (int i = 0; i < N; i++) {
        g_autofree char *name = g_strconcat(".nm-trial-new.", samples[i].name, NULL);
        f->temporary[i] = g_build_filename(f->dir, name, NULL);
        f->files[i] = (struct store_file){
            .path = samples[i].old ? scratch_put(f->dir, samples[i].name, samples[i].old)
                                   : g_build_filename(f->dir, samples[i].name, NULL),
            .data = samples[i].new,
            .length = strlen(samples[i].new),
            .old = samples[i].old,
            .old_length = samples[i].old ? strlen(samples[i].old) : 0,
        };
    }
    disk_watch();
}

static void tear_down(struct fixture *f, gconstpointer data)
{
    (void)data;
    disk_unwatch();
    for (int i = 0; i < N; i++) {
        g_free((char *)f->files[i].path);
        g_free(f->temporary[i]);
    }
    scratch_free(f->dir);
}

static void again(struct fixture *f)
{
    tear_down(f, NULL);
    set_up(f, NULL);
}

static gboolean is(GBytes *content, const char *text)
{
    gsize length = 0;
    const char *data = content ? g_bytes_get_data(content, &length) : NULL;
    return data && text ? length == strlen(text) && memcmp(data, text, length) == 0 : !data && !text;
}

/* What the directory shows now, and that a power cut leaves just that. */
static void assert_all(const struct fixture *f, gboolean new)
{
    g_autofree char *names = scratch_names(f->dir);

    g_assert_cmpstr(names, ==, new ? "first second third" : "first third");
    for (int i = 0; i < N; i++) {
        g_autofree char *text = scratch_get(f->dir, samples[i].name);
        const char *expected = new ? samples[i].new : samples[i].old;
        g_autoptr(GPtrArray) left = disk_after_cut(f->files[i].path);
        g_assert_cmpstr(text, ==, expected);
        g_assert_cmpuint(left->len, ==, 1);
        g_assert_true(is(left->pdata[0], expected));
    }
}

static const struct fixture *cut;
static int cuts;

/* The power is cut now: old or new, each by itself, and never a piece. */
static void assert_each_whole(void)
{
    for (int i = 0; i < N; i++) {
        g_autoptr(GPtrArray) left = disk_after_cut(cut->files[i].path);
        for (guint j = 0; j < left->len; j++)
            g_assert_true(is(left->pdata[j], samples[i].old) || is(left->pdata[j], samples[i].new));
    }
    cuts++;
}

/* Nothing is visible before everything is durable under another name. */
static void test_protocol(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    int last_sync = -1, first_rename = G_MAXINT, last_rename = -1, syncs = 0;
    struct stat st;
    (void)data;

    g_assert_true(store_write_all(f->files, N, &error));
    g_assert_no_error(error);
    for (int i = 0; i < N; i++) {
        int wrote = disk_logged(0, "write", f->temporary[i]),
            synced = disk_logged(wrote, "fsync", f->temporary[i]),
            renamed = disk_logged(0, "renameat", f->temporary[i]);
        g_assert_cmpint(wrote, >=, 0);
        g_assert_cmpint(synced, >, wrote);
        last_sync = MAX(last_sync, synced);
        first_rename = MIN(first_rename, renamed);
        last_rename = MAX(last_rename, renamed);
        g_assert_cmpint(disk_logged(0, "write", f->files[i].path), ==, -1); /* never in place */
        g_assert_cmpint(g_stat(f->files[i].path, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0600);
    }
    g_assert_cmpint(last_sync, <, first_rename);
    for (int at = disk_logged(0, "fsync", f->dir); at >= 0; at = disk_logged(at + 1, "fsync", f->dir)) {
        g_assert_cmpint(at, >, last_rename);
        syncs++;
    }
    g_assert_cmpint(syncs, ==, 1);
    assert_all(f, TRUE); /* TRUE was said: a power cut leaves every new one */
}

static void test_power_cut(struct fixture *f, gconstpointer data)
{
    (void)data;
    cut = f;
    cuts = 0;
    disk.changed = assert_each_whole;
    disk.write_max = 7;
    g_assert_true(store_write_all(f->files, N, NULL));
    g_assert_cmpint(cuts, >=, 20);
}

/* Every call fails once, in turn, until a run completes: all is as it was, and stays so. */
static void test_fails(struct fixture *f, gconstpointer data)
{
    int failed = 0, undone = 0;
    (void)data;
    for (int n = 1;; n++, again(f)) {
        g_autoptr(GError) error = NULL;
        cut = f;
        disk.changed = assert_each_whole;
        disk.fail_at = n;
        disk.error = n % 2 ? EIO : ENOSPC;
        gboolean done = store_write_all(f->files, N, &error);
        if (disk.calls < n) {
            g_assert_true(done);
            break;
        }
        g_test_message("%s", (char *)disk.log->pdata[n - 1]);
        assert_all(f, done); /* only the directory's close fails without harm */
        if (done)
            continue;
        g_assert_true(error && error->domain == G_FILE_ERROR);
        g_assert_nonnull(strstr(error->message, f->dir));
        g_assert_null(strstr(error->message, "taking back"));
        failed++;
        undone += disk_logged(0, "renameat", f->temporary[0]) >= 0 ? 1 : 0;
    }
    g_assert_cmpint(failed, >=, 1 + N * 5 + N + 1); /* open; open, chmod, write, sync, close; rename; sync */
    g_assert_cmpint(undone, ==, N + 1);             /* at each rename, and at the directory's sync */
}

/* The process or the disk dies at that call, and no call after it succeeds. */
static void test_dies(struct fixture *f, gconstpointer data)
{
    int halves = 0;
    (void)data;
    for (int n = 1;; n++, again(f)) {
        g_autoptr(GError) error = NULL;
        cut = f;
        disk.changed = assert_each_whole;
        disk.fail_at = n;
        disk.killed = TRUE;
        (void)store_write_all(f->files, N, &error);
        assert_each_whole();
        if (disk.calls < n)
            break;
        g_autofree char *first = scratch_get(f->dir, "first"), *third = scratch_get(f->dir, "third");
        if (strcmp(first, samples[0].new) == 0 && strcmp(third, samples[2].old) == 0) {
            halves++;
            g_assert_nonnull(error); /* which says what could not be taken back */
            g_assert_nonnull(strstr(error->message, "taking back"));
        }
    }
    g_assert_cmpint(halves, ==, 2); /* the second rename and the third one */
}

static void test_undo(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    (void)data;
    g_assert_true(store_write_all(f->files, N, NULL));
    g_assert_true(store_undo_all(f->files, N, &error));
    g_assert_no_error(error);
    assert_all(f, FALSE);
}

/* One that cannot be taken back does not keep the others. */
static void test_undo_fails(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    (void)data;
    g_assert_true(store_write_all(f->files, N, NULL));
    disk.fail_at = disk.calls + 1; /* opening the directory for the last one */
    g_assert_false(store_undo_all(f->files, N, &error));
    g_assert_nonnull(strstr(error->message, "third"));
    g_autofree char *first = scratch_get(f->dir, "first"), *third = scratch_get(f->dir, "third"),
                    *second = scratch_get(f->dir, "second");
    g_assert_cmpstr(first, ==, samples[0].old);
    g_assert_null(second);
    g_assert_cmpstr(third, ==, samples[2].new);
}

#define ADD(name, function) g_test_add("/store-all/" name, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("protocol", test_protocol);
    ADD("power-cut", test_power_cut);
    ADD("fails", test_fails);
    ADD("dies", test_dies);
    ADD("undo", test_undo);
    ADD("undo-fails", test_undo_fails);
    return g_test_run();
}

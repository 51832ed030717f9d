/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One file: its durable write, its removal, its reading; each call fails, and the power is cut after each. */
#include "store.h"

#include "disk.h"
#include "os.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD "the old content\n"
#define NEW "the new content, which is longer\nand has two lines\n"
#define TEMPORARY ".nm-trial-new.profile"

struct fixture {
    Scratch *dir;
    char *path;      /* of "profile", which holds OLD */
    char *temporary; /* what store_write() makes of it first */
};

static void set_up(struct fixture *f, gconstpointer data)
{
    (void)data;
    f->dir = scratch_new();
    f->path = scratch_put(f->dir, "profile", OLD);
    f->temporary = g_build_filename(f->dir, TEMPORARY, NULL);
    disk_watch();
}

static void tear_down(struct fixture *f, gconstpointer data)
{
    (void)data;
    disk_unwatch();
    g_free(f->path);
    g_free(f->temporary);
    scratch_free(f->dir);
}

static void again(struct fixture *f)
{
    tear_down(f, NULL);
    set_up(f, NULL);
}

static void assert_content(const struct fixture *f, const char *expected)
{
    g_autofree char *text = scratch_get(f->dir, "profile");
    g_assert_cmpstr(text, ==, expected);
}

static void assert_names(const struct fixture *f, const char *expected)
{
    g_autofree char *names = scratch_names(f->dir);
    g_assert_cmpstr(names, ==, expected);
}

static void assert_error_names(const GError *error, const char *path)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == G_FILE_ERROR);
    g_assert_nonnull(strstr(error->message, path));
}

static void write_new(const struct fixture *f)
{
    g_autoptr(GError) error = NULL;
    gboolean done = store_write(f->path, NEW, strlen(NEW), &error);
    g_assert_no_error(error);
    g_assert_true(done);
}

/* The order is the whole promise: nothing is visible before it is durable, nothing is said before either. */
static void test_write_protocol(struct fixture *f, gconstpointer data)
{
    struct stat st;
    (void)data;
    write_new(f);

    int created = disk_logged(0, "openat", f->temporary), wrote = disk_logged(created, "write", f->temporary);
    int synced = disk_logged(wrote, "fsync", f->temporary),
        renamed = disk_logged(0, "renameat", f->temporary);
    int dir_synced = disk_logged(renamed, "fsync", f->dir);
    g_assert_cmpint(created, >=, 0);
    g_assert_cmpint(wrote, >, created);
    g_assert_cmpint(synced, >, wrote);
    g_assert_cmpint(disk_logged(synced, "write", f->temporary), ==, -1);
    g_assert_cmpint(renamed, >, synced);
    g_assert_cmpint(dir_synced, >, renamed);
    g_assert_cmpint(disk_logged(0, "write", f->path), ==, -1); /* never in place */
    g_assert_true(g_str_has_suffix(disk.log->pdata[renamed], f->path));
    assert_content(f, NEW);
    assert_names(f, "profile");
    g_assert_cmpint(g_stat(f->path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0600);
}

static void test_write_new_file(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(f->dir, "other", NULL), *nothing = NULL, *bytes = NULL;
    gsize length = 0;
    (void)data;

    g_assert_true(store_write(path, "", 0, &error));
    nothing = scratch_get(f->dir, "other");
    g_assert_cmpstr(nothing, ==, "");
    g_assert_true(store_write(path, "a\0b", 3, &error));
    g_assert_true(store_read(path, &bytes, &length, &error));
    g_assert_cmpmem(bytes, length, "a\0b", 3);
    assert_content(f, OLD);
}

static void test_write_in_pieces(struct fixture *f, gconstpointer data)
{
    g_autofree char *read = NULL;
    gsize length = 0;
    (void)data;
    disk.write_max = 7;
    disk.signals = TRUE;
    write_new(f);
    assert_content(f, NEW);
    g_assert_true(store_read(f->path, &read, &length, NULL)); /* read is interrupted, too */
    g_assert_cmpstr(read, ==, NEW);
}

static ssize_t write_nothing(int fd, const void *buffer, size_t size)
{
    (void)fd, (void)buffer, (void)size;
    return 0;
}

static void test_write_that_takes_nothing(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    (void)data;
    os.write = write_nothing; /* disk_unwatch() puts it back */
    g_assert_false(store_write(f->path, NEW, strlen(NEW), &error));
    assert_error_names(error, f->path);
    assert_content(f, OLD);
    assert_names(f, "profile");
}

/* A killed writer's leavings are longer than the new content, and anybody's. */
static void test_write_over_leavings(struct fixture *f, gconstpointer data)
{
    g_autofree char *left = scratch_put(f->dir, TEMPORARY, NEW NEW NEW);
    struct stat st;
    (void)data;
    g_assert_cmpint(g_chmod(left, 0666), ==, 0);
    write_new(f);
    assert_content(f, NEW);
    g_assert_cmpint(g_stat(f->path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0600);
}

static void test_write_follows_no_link(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *victim = scratch_put(f->dir, "victim", "precious"), *kept = NULL;
    (void)data;
    g_assert_cmpint(symlink(victim, f->temporary), ==, 0);
    g_assert_false(store_write(f->path, NEW, strlen(NEW), &error));
    kept = scratch_get(f->dir, "victim");
    g_assert_cmpstr(kept, ==, "precious");
    assert_content(f, OLD);
}

/* Every call fails once, in turn, until a run completes. */
static void test_write_fails(struct fixture *f, gconstpointer data)
{
    gsize write_max = GPOINTER_TO_SIZE(data);
    g_autofree char *dir_sync = NULL, *dir_close = NULL;
    int failed = 0;

    for (int n = 1;; n++, again(f)) {
        g_autoptr(GError) error = NULL;
        disk.fail_at = n;
        disk.write_max = write_max;
        disk.error = n % 2 ? EIO : ENOSPC;
        gboolean done = store_write(f->path, NEW, strlen(NEW), &error);
        if (disk.calls < n) {
            g_assert_true(done);
            g_assert_no_error(error);
            break;
        }
        const char *call = disk.log->pdata[n - 1];
        g_test_message("%s", call);
        assert_names(f, "profile");
        g_clear_pointer(&dir_sync, g_free);
        g_clear_pointer(&dir_close, g_free);
        dir_sync = g_strdup_printf("fsync %s FAILED", f->dir);
        dir_close = g_strdup_printf("close %s FAILED", f->dir);
        if (strcmp(call, dir_close) == 0) { /* all is durable by then */
            g_assert_true(done);
            assert_content(f, NEW);
            continue;
        }
        g_assert_false(done);
        assert_error_names(error, f->path);
        assert_content(f, strcmp(call, dir_sync) == 0 ? NEW : OLD);
        failed++;
    }
    g_assert_cmpint(failed, >=, 8); /* two opens, chmod, write, sync, close, rename, directory's sync */
    assert_content(f, NEW);
}

/* The power is cut after any call: the file is the old one or the new one, whole. */
static const struct fixture *cut;
static int cuts;

static void assert_whole(void)
{
    g_autoptr(GPtrArray) found = disk_after_cut(cut->path);
    for (guint i = 0; i < found->len; i++) {
        GBytes *content = found->pdata[i];
        g_assert_nonnull(content);
        g_assert_false(disk_is_torn(content));
        gsize length = g_bytes_get_size(content);
        const char *text = g_bytes_get_data(content, NULL);
        g_assert_true((length == strlen(OLD) && memcmp(text, OLD, length) == 0) ||
                      (length == strlen(NEW) && memcmp(text, NEW, length) == 0));
    }
    cuts++;
}

static void assert_only(const char *path, const char *expected)
{
    g_autoptr(GPtrArray) found = disk_after_cut(path);
    g_assert_cmpuint(found->len, ==, 1);
    GBytes *content = found->pdata[0];
    if (!expected) {
        g_assert_null(content);
        return;
    }
    g_assert_nonnull(content);
    g_assert_cmpmem(g_bytes_get_data(content, NULL), g_bytes_get_size(content), expected, strlen(expected));
}

static void test_write_power_cut(struct fixture *f, gconstpointer data)
{
    (void)data;
    cut = f;
    cuts = 0;
    disk.changed = assert_whole;
    disk.write_max = 7;
    write_new(f);
    g_assert_cmpint(cuts, >=, 10);
    assert_only(f->path, NEW); /* TRUE was said: nothing else is possible any more */
    assert_only(f->temporary, NULL);
}

/* The same, with a call that failed and the cleaning up that follows it. */
static void test_write_fails_power_cut(struct fixture *f, gconstpointer data)
{
    (void)data;
    for (int n = 1;; n++, again(f)) {
        cut = f;
        disk.changed = assert_whole;
        disk.fail_at = n;
        (void)store_write(f->path, NEW, strlen(NEW), NULL);
        assert_whole();
        if (disk.calls < n)
            break;
    }
}

static void test_remove(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    (void)data;
    g_assert_true(store_remove(f->path, &error));
    g_assert_no_error(error);
    assert_names(f, "");
    assert_only(f->path, NULL);
    g_assert_true(store_remove(f->path, &error)); /* nothing there is success */
    g_assert_no_error(error);
}

/* A removal that the last process did not sync is not durable yet: not there is no reason to leave it out. */
static void test_remove_gone_is_durable(struct fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_cmpint(os.unlinkat(AT_FDCWD, f->path, 0), ==, 0);
    g_assert_true(store_remove(f->path, NULL));
    assert_only(f->path, NULL);
}

static void test_remove_fails(struct fixture *f, gconstpointer data)
{
    int failed = 0;
    (void)data;
    for (int n = 1;; n++, again(f)) {
        g_autoptr(GError) error = NULL;
        disk.fail_at = n;
        gboolean done = store_remove(f->path, &error);
        if (disk.calls < n)
            break;
        if (done) /* only the close of the directory fails without harm */
            g_assert_true(g_str_has_prefix(disk.log->pdata[n - 1], "close "));
        else {
            assert_error_names(error, f->path);
            failed++;
        }
    }
    g_assert_cmpint(failed, ==, 3);
}

static void test_set_aside(struct fixture *f, gconstpointer data)
{
    g_autofree char *one = scratch_put(f->dir, "profile.bad-1", "one"), *aside = NULL, *text = NULL;
    g_autofree char *expected = g_strconcat(f->path, ".bad-2", NULL);
    g_autoptr(GError) error = NULL;
    (void)data;

    g_assert_true(store_set_aside(f->path, &aside, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(aside, ==, expected);
    assert_names(f, "profile.bad-1 profile.bad-2");
    text = scratch_get(f->dir, "profile.bad-1");
    g_assert_cmpstr(text, ==, "one");
    assert_only(f->path, NULL);
    assert_only(aside, OLD);

    char *untouched = aside;
    g_assert_false(store_set_aside(f->path, &untouched, &error)); /* there is none any more */
    assert_error_names(error, f->path);
    g_assert_true(untouched == aside);
    assert_names(f, "profile.bad-1 profile.bad-2");
}

static void test_set_aside_fails(struct fixture *f, gconstpointer data)
{
    int failed = 0;
    (void)data;
    for (int n = 1;; n++, again(f)) {
        g_autoptr(GError) error = NULL;
        g_autofree char *aside = NULL;
        disk.fail_at = n;
        gboolean done = store_set_aside(f->path, &aside, &error);
        if (disk.calls < n)
            break;
        g_autofree char *names = scratch_names(f->dir);
        g_assert_true(strcmp(names, "profile") == 0 || strcmp(names, "profile.bad-1") == 0);
        if (done)
            continue;
        g_assert_null(aside);
        assert_error_names(error, f->path);
        failed++;
    }
    g_assert_cmpint(failed, ==, 3);
}

static void assert_refused(gboolean (*read)(const char *, char **, gsize *, GError **), const char *path,
                           int code)
{
    g_autoptr(GError) error = NULL;
    char *untouched = (char *)"untouched"; // NOLINT: never freed
    gsize length = 17;

    g_assert_false(read(path, &untouched, &length, &error));
    assert_error_names(error, path);
    if (code >= 0)
        g_assert_cmpint(error->code, ==, code);
    g_assert_cmpint(store_unusable(error), ==, error->code != G_FILE_ERROR_NOENT); /* that may come yet */
    g_assert_true(store_has_none(error));
    g_assert_cmpstr(untouched, ==, "untouched");
    g_assert_cmpuint(length, ==, 17);
}

static void test_read(struct fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL, *missing = g_build_filename(f->dir, "missing", NULL);
    gsize length = 0;
    (void)data;
    g_assert_true(store_read_trusted(f->path, &text, &length, NULL));
    g_assert_cmpuint(length, ==, strlen(OLD));
    g_assert_cmpstr(text, ==, OLD); /* with a NUL behind it */
    assert_refused(store_read, missing, G_FILE_ERROR_NOENT);
}

static void test_read_odd_files(struct fixture *f, gconstpointer data)
{
    g_autofree char *link = g_build_filename(f->dir, "link", NULL);
    g_autofree char *fifo = g_build_filename(f->dir, "fifo", NULL);
    (void)data;
    g_assert_cmpint(symlink(f->path, link), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    assert_refused(store_read, link, G_FILE_ERROR_LOOP);
    assert_refused(store_read, fifo, -1);
    assert_refused(store_read, f->dir, G_FILE_ERROR_ISDIR);
}

static void test_read_limit(struct fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    (void)data;
    g_assert_cmpint(truncate(f->path, STORE_FILE_MAX), ==, 0);
    g_assert_true(store_read(f->path, &text, &length, NULL));
    g_assert_cmpuint(length, ==, STORE_FILE_MAX);
    g_assert_cmpint(truncate(f->path, STORE_FILE_MAX + 1), ==, 0);
    assert_refused(store_read, f->path, -1);
}

static void test_read_fails(struct fixture *f, gconstpointer data)
{
    int failed = 0;
    (void)data;
    for (int n = 1;; n++, again(f)) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        gsize length = 0;
        disk.fail_at = n;
        gboolean done = store_read_trusted(f->path, &text, &length, &error);
        if (disk.calls < n)
            break;
        if (done) {
            g_assert_cmpstr(text, ==, OLD);
            continue;
        }
        assert_error_names(error, f->path);
        g_assert_false(store_has_none(error)); /* it is the disk that failed */
        failed++;
    }
    g_assert_cmpint(failed, >=, 3);
}

static int fstat_of_another(int fd, struct stat *ret)
{
    int result = fstat(fd, ret);
    ret->st_uid = geteuid() + 1;
    return result;
}

static void test_read_trusted(struct fixture *f, gconstpointer data)
{
    static const mode_t bad[] = {0620, 0602, 0666, 0622, 0640, 0604}, good[] = {0600, 0700, 0400};
    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = NULL;
        gsize length = 0;
        g_assert_cmpint(g_chmod(f->path, bad[i]), ==, 0);
        assert_refused(store_read_trusted, f->path, G_FILE_ERROR_PERM);
        g_assert_true(store_read(f->path, &text, &length, NULL));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *text = NULL;
        gsize length = 0;
        g_assert_cmpint(g_chmod(f->path, good[i]), ==, 0);
        g_assert_true(store_read_trusted(f->path, &text, &length, NULL));
    }
    os.fstat = fstat_of_another;
    assert_refused(store_read_trusted, f->path, G_FILE_ERROR_PERM);
}

#define ADD(name, function) g_test_add("/store/" name, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("write/protocol", test_write_protocol);
    ADD("write/new-file", test_write_new_file);
    ADD("write/in-pieces", test_write_in_pieces);
    ADD("write/takes-nothing", test_write_that_takes_nothing);
    ADD("write/over-leavings", test_write_over_leavings);
    ADD("write/follows-no-link", test_write_follows_no_link);
    ADD("write/fails", test_write_fails);
    g_test_add("/store/write/fails-in-pieces", struct fixture, GSIZE_TO_POINTER(20), set_up, test_write_fails,
               tear_down);
    ADD("write/power-cut", test_write_power_cut);
    ADD("write/fails-power-cut", test_write_fails_power_cut);
    ADD("remove/removes", test_remove);
    ADD("remove/gone-is-durable", test_remove_gone_is_durable);
    ADD("remove/fails", test_remove_fails);
    ADD("set-aside/never-overwrites", test_set_aside);
    ADD("set-aside/fails", test_set_aside_fails);
    ADD("read/reads", test_read);
    ADD("read/odd-files", test_read_odd_files);
    ADD("read/limit", test_read_limit);
    ADD("read/fails", test_read_fails);
    ADD("read/trusted", test_read_trusted);
    return g_test_run();
}

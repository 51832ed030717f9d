/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories: the lock in one, their making, what a killed process has left in them. */
#include "store.h"

#include "disk.h"
#include "names.h"
#include "os.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static void set_up(Scratch **dir, gconstpointer data)
{
    (void)data;
    *dir = scratch_new();
    disk_watch();
}

static void tear_down(Scratch **dir, gconstpointer data)
{
    (void)data;
    disk_unwatch();
    scratch_free(*dir);
}

static void assert_error_names(const GError *error, const char *path)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == G_FILE_ERROR);
    g_assert_nonnull(strstr(error->message, path));
}

static void test_lock(Scratch **dir, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(*dir, NM_TRIAL_LOCK, NULL);
    (void)data;
    int lock = store_lock(*dir, 0, &error);
    g_assert_no_error(error);
    g_assert_cmpint(lock, >=, 0);

    disk.tick_ms = 10; /* time passes only with a look at the clock */
    g_assert_cmpint(store_lock(*dir, 35, &error), ==, -1);
    assert_error_names(error, path);
    g_assert_cmpint(error->code, ==, G_FILE_ERROR_AGAIN);
    g_assert_cmpint(disk.now_ms, >=, 35); /* not before */
    g_assert_cmpint(disk.now_ms, <=, 60);
    store_unlock(lock);

    lock = store_lock(*dir, 0, NULL);
    g_assert_cmpint(lock, >=, 0);
    store_unlock(lock);
}

static int held;

static int64_t release_soon(void)
{
    disk.now_ms += 10;
    if (held >= 0 && disk.now_ms > 30) {
        store_unlock(held);
        held = -1;
    }
    return disk.now_ms;
}

static void test_lock_waits(Scratch **dir, gconstpointer data)
{
    (void)data;
    held = store_lock(*dir, 0, NULL);
    g_assert_cmpint(held, >=, 0);
    os.boottime_ms = release_soon;
    int lock = store_lock(*dir, 1000, NULL);
    g_assert_cmpint(lock, >=, 0);
    g_assert_cmpint(held, ==, -1);
    store_unlock(lock);
}

static int (*watched_openat)(int dir, const char *name, int flags, mode_t mode);

static int openat_read_only(int dir, const char *name, int flags, mode_t mode)
{
    if (flags & O_CREAT) {
        errno = EROFS;
        return -1;
    }
    return watched_openat(dir, name, flags, mode);
}

static void test_lock_read_only_disk(Scratch **dir, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(*dir, NM_TRIAL_LOCK, NULL);
    (void)data;
    watched_openat = os.openat;
    os.openat = openat_read_only;
    g_assert_cmpint(store_lock(*dir, 0, &error), ==, -1);
    assert_error_names(error, path);
    g_autofree char *made = scratch_put(*dir, NM_TRIAL_LOCK, "");
    int lock = store_lock(*dir, 0, NULL);
    g_assert_cmpint(lock, >=, 0);
    g_assert_cmpint(store_lock(*dir, 0, NULL), ==, -1); /* it does lock */
    store_unlock(lock);
}

static int (*watched_flock)(int fd, int operation);

static int flock_interrupted(int fd, int operation)
{
    os.flock = watched_flock;
    (void)fd;
    (void)operation;
    errno = EINTR;
    return -1;
}

static void test_lock_interrupted(Scratch **dir, gconstpointer data)
{
    (void)data;
    watched_flock = os.flock;
    os.flock = flock_interrupted;
    int lock = store_lock(*dir, 1000, NULL);
    g_assert_cmpint(lock, >=, 0);
    store_unlock(lock);
}

/* The kernel does not do it: neither a lock that another one has, nor a read-only disk. */
static int flock_fails(int fd, int operation)
{
    (void)fd;
    (void)operation;
    errno = ENOLCK;
    return -1;
}

static void test_lock_fails(Scratch **dir, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(*dir, NM_TRIAL_LOCK, NULL);
    (void)data;
    os.flock = flock_fails;
    g_assert_cmpint(store_lock(*dir, 1000, &error), ==, -1);
    assert_error_names(error, path);
    g_assert_cmpint(disk.now_ms, ==, 0); /* nobody waits for that */
}

static void test_make_directory(Scratch **dir, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *made = g_build_filename(*dir, "good", NULL), *other = g_build_filename(*dir, "o", NULL);
    (void)data;
    g_assert_true(store_make_directory(made, 0700, NULL));
    g_assert_true(g_file_test(made, G_FILE_TEST_IS_DIR));
    int synced = disk_logged(0, "fsync", *dir);
    g_assert_cmpint(synced, >=, 0); /* or a power cut takes it away, with all that is in it */
    disk.fail_at = disk.calls + synced + 1;
    g_assert_false(store_make_directory(other, 0700, &error));
    assert_error_names(error, *dir);
    synced = (int)disk.log->len;
    g_assert_true(
        store_make_directory(other, 0700, NULL)); /* it is there, and the disk does not know it yet */
    g_assert_cmpint(disk_logged(synced, "fsync", *dir), >=, 0);
    g_free(scratch_put(other, "file", ""));
    synced = (int)disk.log->len;
    g_assert_true(store_make_directory(other, 0700, NULL)); /* it was in use */
    g_assert_cmpint(disk_logged(synced, "fsync", *dir), ==, -1);
}

static void test_make_directory_in_a_files_place(Scratch **dir, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *file = scratch_put(*dir, "good", "");
    (void)data;
    g_assert_false(store_make_directory(file, 0700, &error));
    assert_error_names(error, file);
}

static void test_settle(Scratch **dir, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *gone = g_build_filename(*dir, "gone", NULL);
    (void)data;
    g_assert_true(store_settle(*dir, NULL));
    g_assert_cmpint(disk_logged(0, "fsync", *dir), >=, 0);
    g_assert_true(store_settle(gone, NULL)); /* nothing to settle */
    disk.fail_at = disk.calls + 1;
    g_assert_false(store_settle(*dir, &error));
    assert_error_names(error, *dir);
}

static void test_sweep(Scratch **dir, gconstpointer data)
{
    static const char *const others[] = {".nm-trial-new",    "nm-trial-new.x", ".hidden",
                                         ".nm-trial-neww.x", "a.nmconnection", "b~"};
    g_autofree char *expected = NULL;
    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        g_free(scratch_put(*dir, others[i], "stays"));
    expected = scratch_names(*dir);
    g_free(scratch_put(*dir, ".nm-trial-new.profile", "goes"));
    g_free(scratch_put(*dir, ".nm-trial-new.history", "goes"));
    store_sweep(*dir);
    g_autofree char *names = scratch_names(*dir);
    g_assert_cmpstr(names, ==, expected);
    store_sweep("/nonexistent/nm-trial"); /* no directory: nothing to do */
}

#define ADD(name, function) g_test_add("/store/" name, Scratch *, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("lock/one-at-a-time", test_lock);
    ADD("lock/waits", test_lock_waits);
    ADD("lock/read-only-disk", test_lock_read_only_disk);
    ADD("lock/interrupted", test_lock_interrupted);
    ADD("lock/fails", test_lock_fails);
    ADD("make-directory/durable", test_make_directory);
    ADD("make-directory/in-a-files-place", test_make_directory_in_a_files_place);
    ADD("settle", test_settle);
    ADD("sweep/only-ours", test_sweep);
    return g_test_run();
}

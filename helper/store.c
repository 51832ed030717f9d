/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include "names.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_POLL_MS 20

static gboolean fail(const char *path, const char *doing, GError **error)
{
    int saved = errno;
    if (saved == EPERM) { /* our own finding: the kernel lets root do it */
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM,
                    "%s %s: it must belong to root, and be nobody else's to write (a profile: nor to read, "
                    "mode 0600)",
                    doing, path);
        return FALSE;
    }
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(saved), "%s %s: %s", doing, path,
                g_strerror(saved));
    return FALSE;
}

static void os_close(int fd)
{
    int saved = errno;
    if (fd >= 0)
        os.close(fd);
    errno = saved;
}

static int open_directory(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    return os.openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

static gboolean write_all(int fd, const char *data, gsize length)
{
    while (length > 0) {
        ssize_t n = os.write(fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = EIO; /* a write of something that writes nothing would never end */
            return FALSE;
        }
        data += n;
        length -= (gsize)n;
    }
    return TRUE;
}

static gboolean write_file(int directory, const char *name, const char *data, gsize length)
{
    int fd = os.openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return FALSE;
    if (os.fchmod(fd, 0600) < 0 || !write_all(fd, data, length) || os.fsync(fd) < 0) {
        os_close(fd);
        return FALSE;
    }
    return os.close(fd) == 0;
}

static char *temporary_of(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    return g_strconcat(NM_TRIAL_TEMPORARY, name, NULL);
}

static gboolean write_temporaries(int directory, const struct store_file *files, gsize n, GError **error)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *temporary = temporary_of(files[i].path);
        if (!write_file(directory, temporary, files[i].data, files[i].length))
            return fail(files[i].path, "writing", error);
    }
    return TRUE;
}

static gboolean rename_all(int directory, const struct store_file *files, gsize n, gsize *renamed,
                           GError **error)
{
    for (; *renamed < n; (*renamed)++) {
        const char *path = files[*renamed].path;
        g_autofree char *temporary = temporary_of(path), *name = g_path_get_basename(path);
        if (os.renameat(directory, temporary, directory, name) < 0)
            return fail(path, "renaming to", error);
    }
    return os.fsync(directory) == 0 || fail(files[0].path, "syncing the directory of", error);
}

/* *ret_renamed: so many of the files are new, even on FALSE. */
static gboolean write_files(const struct store_file *files, gsize n, gsize *ret_renamed, GError **error)
{
    int directory = open_directory(files[0].path);

    *ret_renamed = 0;
    if (directory < 0)
        return fail(files[0].path, "opening the directory of", error);
    gboolean done =
        write_temporaries(directory, files, n, error) && rename_all(directory, files, n, ret_renamed, error);
    for (gsize i = 0; !done && i < n; i++) {
        g_autofree char *temporary = temporary_of(files[i].path);
        (void)os.unlinkat(directory, temporary, 0); /* not there after the rename, and harmless if it stays */
    }
    os_close(directory);
    return done;
}

gboolean store_write(const char *path, const char *data, gsize length, GError **error)
{
    const struct store_file file = {.path = path, .data = data, .length = length};
    gsize renamed;
    return write_files(&file, 1, &renamed, error);
}

gboolean store_undo_all(const struct store_file *files, gsize n, GError **error)
{
    gboolean done = TRUE;
    for (gsize i = n; i-- > 0;) {
        GError **first = done ? error : NULL;
        done = (files[i].old ? store_write(files[i].path, files[i].old, files[i].old_length, first)
                             : store_remove(files[i].path, first)) &&
               done;
    }
    return done;
}

gboolean store_write_all(const struct store_file *files, gsize n, GError **error)
{
    g_autoptr(GError) failure = NULL, stays = NULL;
    gsize renamed = 0;

    if (write_files(files, n, &renamed, &failure))
        return TRUE;
    if (store_undo_all(files, renamed, &stays))
        g_propagate_error(error, g_steal_pointer(&failure));
    else
        g_set_error(error, failure->domain, failure->code, "%s; taking back what was written failed too, %s",
                    failure->message, stays->message);
    return FALSE;
}

static gboolean read_all(int fd, GString *text)
{
    char buffer[4096];
    for (;;) {
        ssize_t n = os.read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        if (text->len + (gsize)n > STORE_FILE_MAX) {
            errno = EINVAL; /* no file of ours, nor a profile, is that large */
            return FALSE;
        }
        g_string_append_len(text, buffer, n);
    }
}

/* `others`: the mode bits that make a file unfit for us, 0: anybody's will do. */
static gboolean may_read(int fd, mode_t others)
{
    struct stat st;
    if (os.fstat(fd, &st) < 0)
        return FALSE;
    if (!S_ISREG(st.st_mode))
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    else if (others && (st.st_uid != geteuid() || (st.st_mode & others) != 0))
        errno = EPERM;
    else
        return TRUE;
    return FALSE;
}

gboolean store_unusable(const GError *error)
{
    static const int codes[] = {G_FILE_ERROR_PERM, G_FILE_ERROR_ACCES, G_FILE_ERROR_LOOP, G_FILE_ERROR_INVAL,
                                G_FILE_ERROR_ISDIR};
    for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
        if (g_error_matches(error, G_FILE_ERROR, codes[i]))
            return TRUE;
    return FALSE;
}

gboolean store_has_none(const GError *error)
{
    return store_unusable(error) || g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

static gboolean read_file(const char *path, mode_t others, char **ret_data, gsize *ret_length, GError **error)
{
    /* O_NONBLOCK: somebody's FIFO must not hang us before fstat() tells that it is one */
    int fd = os.openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0)
        return fail(path, "opening", error);
    GString *text = g_string_new(NULL);
    if (!may_read(fd, others) || !read_all(fd, text)) {
        fail(path, "reading", error);
        os_close(fd);
        g_string_free(text, TRUE);
        return FALSE;
    }
    os_close(fd);
    *ret_length = text->len;
    *ret_data = g_string_free(text, FALSE);
    return TRUE;
}

gboolean store_read(const char *path, char **ret_data, gsize *ret_length, GError **error)
{
    return read_file(path, 0, ret_data, ret_length, error);
}

gboolean store_read_trusted(const char *path, char **ret_data, gsize *ret_length, GError **error)
{
    return read_file(path, 077, ret_data, ret_length, error);
}

gboolean store_read_public(const char *path, char **ret_data, gsize *ret_length, GError **error)
{
    return read_file(path, 022, ret_data, ret_length, error);
}

gboolean store_remove(const char *path, GError **error)
{
    g_autofree char *name = g_path_get_basename(path);
    gboolean done = FALSE;
    int directory = open_directory(path);

    if (directory < 0)
        return fail(path, "opening the directory of", error);
    if (os.unlinkat(directory, name, 0) < 0 && errno != ENOENT)
        fail(path, "removing", error);
    else if (os.fsync(directory) < 0)
        fail(path, "syncing the directory of", error);
    else
        done = TRUE;
    os_close(directory);
    return done;
}

gboolean store_set_aside(const char *path, char **ret_path, GError **error)
{
    for (int i = 1;; i++) {
        g_autofree char *aside = g_strdup_printf("%s.bad-%d", path, i);
        GStatBuf there;
        if (g_lstat(aside, &there) == 0)
            continue;
        int directory = open_directory(path);
        gboolean done =
            directory >= 0 && os.renameat(AT_FDCWD, path, AT_FDCWD, aside) == 0 && os.fsync(directory) == 0;
        if (!done)
            fail(path, "setting aside", error);
        os_close(directory);
        if (done)
            *ret_path = g_steal_pointer(&aside);
        return done;
    }
}

gboolean store_settle(const char *directory, GError **error)
{
    int fd = os.openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    gboolean done = fd >= 0 ? os.fsync(fd) == 0 : errno == ENOENT;
    if (!done)
        fail(directory, "syncing", error);
    os_close(fd);
    return done;
}

/* Nothing is put into a directory before it is durable: an empty one may be what a killed process has made.
 */
static gboolean holds_something(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    return dir && g_dir_read_name(dir);
}

gboolean store_make_directory(const char *path, int mode, GError **error)
{
    if (holds_something(path))
        return TRUE;
    if (g_mkdir_with_parents(path, mode) < 0)
        return fail(path, "making", error);
    g_autofree char *parent = g_path_get_dirname(path);
    return store_settle(parent, error);
}

void store_sweep(const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        if (g_str_has_prefix(name, NM_TRIAL_TEMPORARY))
            (void)os.unlinkat(AT_FDCWD, path, 0);
    }
}

int store_lock(const char *directory, gint64 wait_ms, GError **error)
{
    g_autofree char *path = g_build_filename(directory, NM_TRIAL_LOCK, NULL);
    gint64 end_ms = os.boottime_ms() + wait_ms;
    int fd = os.openat(AT_FDCWD, path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0) /* a read-only disk: flock needs no write */
        fd = os.openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) {
        fail(path, "opening", error);
        return -1;
    }
    while (os.flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || os.boottime_ms() >= end_ms) {
            fail(path, "locking", error);
            os_close(fd);
            return -1;
        }
        g_usleep(LOCK_POLL_MS * 1000); /* flock has no time limit of its own */
    }
    return fd;
}

void store_unlock(int lock)
{
    os_close(lock);
}

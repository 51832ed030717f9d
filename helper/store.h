/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that survive a power cut: the one durable write, its counterparts, and the lock. It knows nothing of
 * what is in the files. Paths are absolute; errors are G_FILE_ERROR and name the path. Only under the lock is
 * there one writer at a time; the functions themselves do not take it. */
#pragma once

#include <glib.h>

/* No profile, record or history comes near; a larger file is refused, not read. */
#define STORE_FILE_MAX (4 * 1024 * 1024)

/* Writes `path` so that after TRUE the new content, and before it the old or the new content whole, is what a
 * power cut leaves: a temporary file with a leading dot in the same directory (NM ignores it), full write,
 * fsync, rename, fsync of the directory. The file is root's with mode 0600. On FALSE the temporary file is
 * gone where that could be done; the rename may have happened if only the directory's fsync failed, so read
 * the file before relying on either. */
gboolean store_write(const char *path, const char *data, gsize length, GError **error);

/* One of several files that are written together. */
struct store_file {
    const char *path;
    const char *data;
    gsize length;
    const char *old; /* what is there now, for going back to it; NULL: no file */
    gsize old_length;
};

/* Writes files of one directory, all or none, each as store_write() does: every temporary file is durable
 * before the first rename, and one fsync of the directory follows the last. Durable on TRUE. On FALSE the
 * old files are back, durably, and the new ones gone; where that failed too, the error says so. A power cut
 * amid the renames leaves some of them old and some new, each of them whole: write together only what is
 * harmless by halves. */
gboolean store_write_all(const struct store_file *files, gsize n, GError **error);
/* The way back from files that were written; durable on TRUE. On FALSE as many as possible are back. */
gboolean store_undo_all(const struct store_file *files, gsize n, GError **error);

/* Reads a regular file, following no symbolic link in its last component. *ret_data gets a NUL that
 * *ret_length leaves out; the caller frees it. G_FILE_ERROR_NOENT: there is none. */
gboolean store_read(const char *path, char **ret_data, gsize *ret_length, GError **error);

/* Like store_read(), and refuses a file that is not the caller's own (root's) or that others may read or
 * write: NM does not load such a profile either. */
gboolean store_read_trusted(const char *path, char **ret_data, gsize *ret_length, GError **error);

/* The same for what others may read, but not write: the administrator's settings. */
gboolean store_read_public(const char *path, char **ret_data, gsize *ret_length, GError **error);

/* Whether a failure to read says that the file is there and no such file can be used: a link, a directory,
 * too large, not root's own. FALSE for one that is not there (G_FILE_ERROR_NOENT), and for a disk that may
 * answer later. */
gboolean store_unusable(const GError *error);

/* Whether a failure to read is the disk's word that there is nothing to be had: no such file, or none that
 * can be used. FALSE: it is the disk that failed. */
gboolean store_has_none(const GError *error);

/* Removes a file; durable on return. One that is not there is success. */
gboolean store_remove(const char *path, GError **error);

/* Renames a file that cannot be used to `path`.bad-N, so that nothing is lost and nobody trips over it again;
 * durable on return. *ret_path (caller frees): the new name. */
gboolean store_set_aside(const char *path, char **ret_path, GError **error);

/* Makes durable what a killed process may have renamed or removed in a directory and not synced: nobody may
 * go on from what he finds there before. One that is not there is success. */
gboolean store_settle(const char *directory, GError **error);

/* Makes a directory, and its parents, if it is not there yet; durable on TRUE. */
gboolean store_make_directory(const char *path, int mode, GError **error);

/* Removes the temporary files that killed writers left in `directory`. Best effort: they are harmless. */
void store_sweep(const char *directory);

/* Takes the lock file in `directory` (made if there is none; on a read-only disk an existing one will do).
 * Returns a descriptor that store_unlock() or the process's end releases, or -1: G_FILE_ERROR_AGAIN when
 * `wait_ms` have passed and somebody else still has it. */
int store_lock(const char *directory, gint64 wait_ms, GError **error);
void store_unlock(int lock);

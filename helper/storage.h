/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where files are kept: whether a reboot leaves them there, and who may write. It only looks. */
#pragma once

#include <glib.h>

/* Whether a reboot loses what is in an existing directory: it is in memory (tmpfs, ramfs, a disk that is
 * memory or a file there), on an overlay whose upper directory is, or that syncs nothing, or it cannot be
 * seen where. Then *ret_what says so, and *ret_mend what to do, for people; caller frees both. Also TRUE
 * where the disk does not tell (an error of its own): *ret_what says so, and *ret_mend is NULL. */
gboolean storage_is_lost(const char *directory, char **ret_what, char **ret_mend);

/* The same of whether others than root may write there, or put another directory in its place. */
gboolean storage_is_open(const char *directory, char **ret_what, char **ret_mend);

/* The first of `path` and its parents, upwards, that others than root may write or that cannot be looked at
 * (*ret_errno says why; else it is 0); NULL: none. Symbolic links are for the caller to resolve. Caller
 * frees.
 */
char *storage_open_to_others(const char *path, int *ret_errno);
#define STORAGE_CLOSE "chown root %s; chmod go-w %s" /* printf() format of what mends it */
#define STORAGE_UNSEEN "%s cannot be looked at: %s"
#define STORAGE_ASK_KERNEL "See what the kernel says of the disk: dmesg"

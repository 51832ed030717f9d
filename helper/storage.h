/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where files are kept: whether a reboot leaves them there, and who may write. It only looks. */
#pragma once

#include <glib.h>

enum storage {
    STORAGE_LASTING,
    STORAGE_IN_MEMORY,         /* tmpfs, ramfs, or a place that cannot be asked */
    STORAGE_OVERLAY_IN_MEMORY, /* an overlay whose upper directory is such a place, or cannot be seen */
};

/* What an existing directory is on. */
enum storage storage_of(const char *directory);

/* Whether nobody but root may write into the directory itself. */
gboolean storage_roots_alone(const char *directory);

/* The first of `path` and its parents, upwards, that others than root may write or that is not there; NULL:
 * none. Symbolic links are for the caller to resolve. Caller frees. */
char *storage_open_to_others(const char *path);

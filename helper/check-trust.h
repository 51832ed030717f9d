/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether root may run somebody's file: what is looked at on the way to it is what is opened. */
#pragma once

#include <glib.h>

/* Opens the executable at the absolute `path`, following symbolic links, if it and every directory on the way
 * (a link's too) belong to the caller (root) and are nobody else's to write. `root` is the directory that
 * counts as "/", for tests. Returns an O_PATH descriptor to execute (caller closes), or -1 with a
 * G_FILE_ERROR that names the place at fault. */
int check_trust_open(const char *root, const char *path, GError **error);

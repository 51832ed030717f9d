/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A directory of a test's own, and what tests do with files in it. Whatever fails here ends the test. */
#pragma once

#include "profiles.h"

#include <glib.h>

typedef char Scratch; /* the directory's path */

/* A new, empty directory; scratch_free() removes it with all that is in it. */
Scratch *scratch_new(void);
void scratch_free(Scratch *directory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scratch, scratch_free)

/* Writes a file of mode 0600 (what was there goes) and returns its path; caller frees. */
char *scratch_put(const Scratch *directory, const char *name, const char *text);

/* The file's content; NULL: there is no such file. Caller frees. */
char *scratch_get(const Scratch *directory, const char *name);

/* The names in the directory in their order, a space between; caller frees. */
char *scratch_names(const Scratch *directory);

/* The files, but no directory can be listed (G_FILE_ERROR_IO): for `profile_port`. */
struct profiles_port scratch_unlisted(void);

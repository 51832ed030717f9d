/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The administrator's own executables, checks and verdict hooks: each is a file in a directory of its kind,
 * and is run as root. So it must be root's alone (check-trust.h), or it is not run. */
#pragma once

#include <gio/gio.h>

/* Letters, digits, "_" and "-": what others leave there (".bak", "~") is none. Whether there is such a file
 * is another question. */
gboolean own_name(const char *name);

/* Whether it can be run now. FALSE with a G_FILE_ERROR that says where it must be, and how. */
gboolean own_fit(const char *directory, const char *name, GError **error);

/* How one ended, once: `well` is exit status 0; `words` for people are valid during the call only. */
typedef void (*OwnEnded)(gpointer data, gboolean well, const char *words);

/* Runs it in `context` (NULL: the default one), with `environment` and nothing else: OWN_PATH, and what it is
 * to know. `ended` may come before this returns. When `cancellable` fires, which is the caller's to do after
 * OWN_LIMIT_MS, it and all that it has started has been killed before g_cancellable_cancel() returns. */
#define OWN_LIMIT_MS 10000
/* Nothing from /usr/local: on Debian that was the group staff's to write for long. */
#define OWN_PATH "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
void own_run(const char *directory, const char *name, const char *const *environment, GMainContext *context,
             GCancellable *cancellable, OwnEnded ended, gpointer data);

/* What to tell people of one that has ended: the first line that it said and, unless it ended well, how.
 * `status` is of waitpid(); `said` may be anybody's text. Caller frees. */
char *own_words(int status, const char *said);
/* The first line of such a text that is not empty, fit for a terminal. Caller frees. */
char *own_line(const char *said);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The operator's own checks: executables in /etc/nm-trial/check.d. How they are run is check-device.h's
 * check_kind_own; this is what can be said without running one. */
#pragma once

#include <glib.h>

/* Whether that can be the name of an own check: letters, digits, "_" and "-", and not "none". Whether there
 * is such a file is another question; that of a built-in check is never looked at. */
gboolean check_own_name(const char *name);

/* Whether that check can be run now. FALSE with a G_FILE_ERROR that says where it must be, and how. */
gboolean check_own_fit(const char *name, GError **error);

/* What to tell people of a check that has ended: the first line that it said and, unless it passed, how it
 * ended. `status` is of waitpid(); `said` may be anybody's text. Caller frees. */
char *check_own_words(int status, const char *said);
/* The first line of such a text that is not empty, fit for a terminal. Caller frees. */
char *check_own_line(const char *said);

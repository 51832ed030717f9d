/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Durations as people write them: 90, 90s, 10m, 1h. */
#pragma once

#include <glib.h>

#define DURATION_MAX_MS (G_GINT64_CONSTANT(24) * 3600 * 1000)

/* FALSE with a G_OPTION_ERROR that names the `option` and what is allowed: 1 s to 24 h. *ret_ms is in
 * milliseconds. */
gboolean duration_parse(const char *option, const char *text, gint64 *ret_ms, GError **error);

/* "48 s", "12 min 5 s", "3 h 5 min": for people. Caller frees. */
char *duration_text(gint64 s);

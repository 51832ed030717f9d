/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NetworkManager's settings dictionaries (a{sa{sv}}), as GetSettings and GetAppliedConnection have them. */
#pragma once

#include <glib.h>

/* Whether two are the same but for timestamp, autoconnect, its priority, seen BSSIDs and the [user] section.
 */
gboolean settings_same(GVariant *a, GVariant *b);

/* An annotation, NULL: none. Caller frees. */
char *settings_annotation(GVariant *settings, const char *key);

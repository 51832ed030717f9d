/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NetworkManager's settings dictionaries (a{sa{sv}}), as GetSettings and GetAppliedConnection have them. */
#pragma once

#include <glib.h>

/* Whether two are the same but for timestamp, autoconnect, its priority, seen BSSIDs and the [user] section.
 */
gboolean settings_same(GVariant *a, GVariant *b);

/* Whether they are the profile's with that UUID. */
gboolean settings_of(GVariant *settings, const char *uuid);

/* An annotation, NULL: none. Caller frees. */
char *settings_annotation(GVariant *settings, const char *key);

/* Among all of NM's objects, as GetManagedObjects replies them, the path of the device with that interface of
 * its own; NULL: none. While a modem's network is up, NM itself finds it only by the interface that has the
 * addresses, not by its port. Caller frees. */
#define SETTINGS_OBJECTS "(a{oa{sa{sv}}})"
char *settings_device_among(GVariant *objects, const char *interface);

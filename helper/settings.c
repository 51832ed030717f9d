/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include "names.h"

#include <NetworkManager.h>

/* What NM or we ourselves change on a profile that runs does not count. */
static gboolean counts(const char *section, const char *key)
{
    static const struct {
        const char *section, *key;
    } passing[] = {
        {GROUP_CONNECTION, "timestamp"},
        {GROUP_CONNECTION, KEY_AUTOCONNECT},
        {GROUP_CONNECTION, KEY_PRIORITY},
        {NM_SETTING_WIRELESS_SETTING_NAME, NM_SETTING_WIRELESS_SEEN_BSSIDS},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(passing); i++)
        if (strcmp(section, passing[i].section) == 0 && strcmp(key, passing[i].key) == 0)
            return FALSE;
    return TRUE;
}

/* Whether all that counts in `a` is the same in `b`. */
static gboolean within(GVariant *a, GVariant *b)
{
    GVariantIter sections, keys;
    const char *section, *key;
    GVariant *values;

    g_variant_iter_init(&sections, a);
    while (g_variant_iter_loop(&sections, "{&s@a{sv}}", &section, &values)) {
        g_autoptr(GVariant) others = g_variant_lookup_value(b, section, G_VARIANT_TYPE_VARDICT);
        GVariant *value;
        gboolean same = TRUE;
        if (strcmp(section, GROUP_USER) == 0)
            continue;
        g_variant_iter_init(&keys, values);
        while (same && g_variant_iter_loop(&keys, "{&sv}", &key, &value)) {
            if (!counts(section, key))
                continue;
            g_autoptr(GVariant) other = others ? g_variant_lookup_value(others, key, NULL) : NULL;
            same = other && g_variant_equal(value, other);
            if (!same)
                g_variant_unref(value); /* the loop would have done it */
        }
        if (!same) {
            g_variant_unref(values);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean settings_same(GVariant *a, GVariant *b)
{
    return within(a, b) && within(b, a);
}

gboolean settings_of(GVariant *settings, const char *uuid)
{
    g_autoptr(GVariant) connection =
        g_variant_lookup_value(settings, GROUP_CONNECTION, G_VARIANT_TYPE_VARDICT);
    const char *found = NULL;
    return connection && g_variant_lookup(connection, KEY_UUID, "&s", &found) && strcmp(found, uuid) == 0;
}

char *settings_annotation(GVariant *settings, const char *key)
{
    g_autoptr(GVariant) user = g_variant_lookup_value(settings, GROUP_USER, G_VARIANT_TYPE_VARDICT);
    g_autoptr(GVariant) data = user ? g_variant_lookup_value(user, "data", G_VARIANT_TYPE("a{ss}")) : NULL;
    char *value = NULL;

    if (data)
        g_variant_lookup(data, key, "s", &value);
    return value;
}

char *settings_device_among(GVariant *objects, const char *interface)
{
    g_autoptr(GVariant) list = g_variant_get_child_value(objects, 0);
    const char *path, *name = NULL, *found = NULL;
    GVariant *interfaces;
    GVariantIter each;

    g_variant_iter_init(&each, list);
    while (g_variant_iter_loop(&each, "{&o@a{sa{sv}}}", &path, &interfaces)) {
        g_autoptr(GVariant) device =
            g_variant_lookup_value(interfaces, NM_IFACE_DEVICE, G_VARIANT_TYPE_VARDICT);
        if (device && g_variant_lookup(device, "Interface", "&s", &name) && strcmp(name, interface) == 0)
            found = path;
    }
    return g_strdup(found);
}

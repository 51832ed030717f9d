/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose settings NetworkManager's dictionaries are, and how a device is found among those that it names. */
#include "settings.h"

#define DEVICE(path, name)                                                                                   \
    "objectpath '" path "': {'org.freedesktop.NetworkManager.Device': {'Interface': <'" name                 \
    "'>, 'Real': <true>}, 'org.freedesktop.NetworkManager.Device.Modem': @a{sv} {}}"

static void among(const char *text, const char *interface, const char *expected)
{
    g_autoptr(GVariant) objects = g_variant_parse(G_VARIANT_TYPE(SETTINGS_OBJECTS), text, NULL, NULL, NULL);
    g_autofree char *found = settings_device_among(objects, interface);

    g_assert_cmpstr(found, ==, expected);
}

/* A modem's device, by the name of its port. */
static void test_among(void)
{
    const char *two =
        "({objectpath '/Settings/1': {'org.freedesktop.NetworkManager.Settings.Connection': "
        "{'Interface': <'ttyp0'>}}, " DEVICE("/Devices/2", "eth0") ", " DEVICE("/Devices/4", "ttyp0") "},)";

    among(two, "ttyp0", "/Devices/4");
    among(two, "eth0", "/Devices/2");
    among(two, "ppp0", NULL);
    among(two, "", NULL);
    among("({},)", "eth0", NULL);
    among("({objectpath '/Devices/1': {'org.freedesktop.NetworkManager.Device': {'Interface': <7>}}},)",
          "eth0", NULL);
}

static gboolean of(const char *text, const char *uuid)
{
    g_autoptr(GVariant) settings = g_variant_parse(G_VARIANT_TYPE("a{sa{sv}}"), text, NULL, NULL, NULL);
    return settings_of(settings, uuid);
}

/* What runs on a device may be another profile's by the time that it is asked. */
static void test_of(void)
{
    g_assert_true(of("{'connection': {'id': <'lan'>, 'uuid': <'1'>}, 'ipv4': {}}", "1"));
    g_assert_false(of("{'connection': {'uuid': <'2'>}}", "1"));
    g_assert_false(of("{'connection': {'uuid': <7>}}", "7"));
    g_assert_false(of("{'ipv4': {'uuid': <'1'>}}", "1"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/device-among", test_among);
    g_test_add_func("/settings/of", test_of);
    return g_test_run();
}

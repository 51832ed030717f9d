/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a device is found among those that NetworkManager names. */
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/device-among", test_among);
    return g_test_run();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What NetworkManager answers (nm.h). The first byte says what is asked. A call that succeeds has what it
 * promises, one that fails says so, and nothing that NM says harms. */
#include "nm.h"

#include "checks.h"
#include "names.h"
#include "network.h"
#include "profile.h"
#include "profiles.h"
#include "settings.h"

#include <string.h>

#define PROFILE_PATH NM_TRIAL_PROFILE_DIR "/x.nmconnection"
#define UUID "5a3b1c9e-0000-4000-8000-000000000001"
#define DEVICE "/org/freedesktop/NetworkManager/Devices/1"
#define ACTIVE "/org/freedesktop/NetworkManager/ActiveConnection/3"

/* Nothing of this machine is looked at: profiles_choose() takes NM's D-Bus socket. */
__attribute__((visibility("default"))) gboolean __wrap_g_file_test(const char *path, GFileTest test);
gboolean __wrap_g_file_test(const char *path, GFileTest test)
{
    (void)path;
    (void)test;
    return FALSE;
}

static void assert_told(gboolean done, const GError *error)
{
    g_assert_true(done == (error == NULL));
}

/* A question: that NM refuses it says nothing about what was asked. */
static void assert_answered(gboolean answered, const GError *error)
{
    assert_told(answered, error);
    g_assert_false(g_error_matches(error, BUS_ERROR, BUS_ERROR_REFUSED));
}

static void assert_path(const char *path)
{
    g_assert_true(path && g_variant_is_object_path(path));
}

static void assert_paths(char **paths)
{
    for (char **path = paths; path && *path; path++)
        assert_path(*path);
}

/* A D-Bus dictionary with a key twice is nothing to anybody. */
static gboolean has_twice(GVariant *dictionary)
{
    gsize n = g_variant_n_children(dictionary);
    g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(dictionary, i);
        g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
        g_autoptr(GVariant) value = g_variant_get_child_value(entry, 1);
        if (!g_hash_table_add(keys, g_variant_dup_string(key, NULL)) ||
            (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT) && has_twice(value)))
            return TRUE;
    }
    return FALSE;
}

static void look_at_settings(GVariant *settings, GVariant *others)
{
    g_autofree char *annotation = settings_annotation(settings, ANNOTATION_REPLACES);
    struct checks_families families = checks_families_of(settings);

    g_assert_true(g_variant_is_of_type(settings, G_VARIANT_TYPE("a{sa{sv}}")));
    g_assert_cmpuint(families.required & ~families.enabled, ==, 0);
    g_assert_cmpuint(families.enabled & ~(guint)(CHECKS_IPV4 | CHECKS_IPV6), ==, 0);
    g_assert_false(checks_families_pass(&families, 0));
    g_assert_true(!families.enabled || checks_families_pass(&families, CHECKS_IPV4 | CHECKS_IPV6));
    g_assert_true(settings_same(settings, others) == settings_same(others, settings));
    if (!has_twice(settings))
        g_assert_true(settings_same(settings, settings));
}

static void ask_profile(Network *network)
{
    g_autoptr(GError) error = NULL, other_error = NULL;
    g_auto(NetworkProfile) profile = {0};
    g_autoptr(GVariant) settings = network_get_settings(network, UUID, &profile, &error);

    assert_answered(settings != NULL, error);
    if (!settings)
        return;
    assert_path(profile.object);
    g_assert_nonnull(profile.filename);
    g_autoptr(GVariant) applied = network_applied(network, DEVICE, &other_error);
    assert_answered(applied != NULL, other_error);
    look_at_settings(settings, applied ? applied : settings);
}

static void send_signal(struct bytes *in)
{
    g_autofree char *line = fuzz_line(in);
    struct bytes rest = {(const uint8_t *)line, strlen(line)};
    const char *type = fuzz_byte(&rest) & 1 ? "(sa{sv}as)" : "(sa{sv})";
    g_autoptr(GVariant) body = *line == '(' ? nm_parse(NULL, line) : nm_value(G_VARIANT_TYPE(type), &rest);
    if (!body || !g_variant_is_of_type(body, G_VARIANT_TYPE_TUPLE))
        return;
    const struct bus_signal signal = {":1.5", DEVICE, DBUS_IFACE_PROPERTIES, "PropertiesChanged", body};
    g_assert_true(nm_signals(&signal));
}

static void on_change(gpointer data)
{
    (void)data;
}

static void ask_device(Network *network, struct bytes *in)
{
    g_autoptr(GError) error = NULL;
    g_auto(NetworkDevice) device = {0};

    network_watch(network, on_change, NULL);
    send_signal(in);
    gboolean known = network_get_device(network, "eth0", &device, &error);
    assert_answered(known, error);
    if (!known)
        return;
    assert_path(device.object);
    if (device.active)
        assert_path(device.active);
    g_assert_true(device.active || !device.active_uuid);
}

static void ask_activations(Network *network)
{
    g_autoptr(GError) error = NULL, other_error = NULL;
    g_autofree char *uuid = NULL, *interface = NULL, *active = NULL;
    g_auto(GStrv) all = network_activations(network);
    guint32 state = 0;

    assert_paths(all);
    gboolean activated = network_activation(network, ACTIVE, &uuid, &interface);
    g_assert_true(activated ? uuid && interface : !uuid && !interface);
    gboolean anywhere = network_profile_active(network, UUID, &error);
    g_assert_true(!anywhere || !error);
    assert_answered(error == NULL, error);
    assert_answered(network_active_state(network, ACTIVE, &state, &other_error), other_error);
    if (network_activate(network, "/org/freedesktop/NetworkManager/Settings/2", DEVICE, &active, NULL))
        assert_path(active);
    g_clear_error(&error);
    assert_told(network_deactivate_profile(network, UUID, &error), error);
}

static void ask_checkpoints(Network *network)
{
    g_autoptr(GError) error = NULL, other_error = NULL;
    g_auto(NetworkCheckpoint) checkpoint = {0};
    g_auto(GStrv) all = network_checkpoints(network, &error);
    const char *const devices[] = {DEVICE, NULL};
    g_autofree char *made = NULL;

    assert_answered(all != NULL, error);
    assert_paths(all);
    gboolean known = network_checkpoint_get(network, DEVICE, &checkpoint, &other_error);
    assert_answered(known, other_error);
    if (known) {
        g_assert_true(checkpoint.fires_ms >= checkpoint.created_ms);
        assert_paths(checkpoint.devices);
    }
    g_clear_error(&error);
    g_assert_true(network_checkpoint_over(network, DEVICE, &error) >= 0);
    assert_answered(error == NULL, error);
    if (network_checkpoint_create(network, devices, 10, &made, NULL))
        assert_path(made);
}

static void ask_believable(struct bytes *in)
{
    g_autofree char *line = fuzz_line(in), *why = NULL;
    struct bytes rest = {(const uint8_t *)line, strlen(line)};
    g_autoptr(GVariant) parsed = nm_parse("a{sv}", line);
    g_autoptr(GVariant) properties = parsed ? g_variant_ref(parsed) : nm_value(G_VARIANT_TYPE_VARDICT, &rest);
    gboolean plain = FALSE, believed = checks_nm_believe(properties, &plain, &why);
    gboolean enabled = FALSE;

    g_assert_true(believed == (why == NULL));
    if (believed)
        g_assert_true(g_variant_lookup(properties, "ConnectivityCheckEnabled", "b", &enabled) && enabled);
}

/* The file of a profile behind D-Bus. */
static void read_profile(void)
{
    g_autoptr(GError) error = NULL, failure = NULL;
    g_autofree char *data = NULL;
    gsize length = 0;

    if (profile_port == &profiles_files)
        profiles_choose();
    g_assert_true(profile_port == &profiles_dbus);
    g_autoptr(GError) unlisted = NULL;
    g_auto(GStrv) names = profile_port->names(NM_TRIAL_PROFILE_DIR, &unlisted);
    assert_told(names != NULL, unlisted);
    gboolean there = profile_port->read(PROFILE_PATH, &data, &length, &error);
    assert_told(there, error);
    if (!there)
        return;
    g_assert_cmpuint(strlen(data), ==, length);
    g_autoptr(Profile) profile = profile_parse(PROFILE_PATH, g_steal_pointer(&data), length, &failure);
    assert_told(profile != NULL, failure);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    g_autoptr(Network) network = network_new();
    g_autofree char *asked = fuzz_line(&in), *why = NULL;
    char what = *asked;

    nm_answers(&in);
    if (what == 'b')
        ask_believable(&in);
    else if (what == 'f')
        read_profile();
    if (what == 'b' || what == 'f')
        return 0;
    gboolean away = network_look(network, &why) == NETWORK_AWAY;
    g_assert_true(away == (why != NULL));
    if (what == 'p')
        ask_profile(network);
    else if (what == 'd')
        ask_device(network, &in);
    else if (what == 'a')
        ask_activations(network);
    else if (what == 'c')
        ask_checkpoints(network);
    (void)network_nm_pid(network);
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network.h"

#include "failures.h"
#include "names.h"
#include "os.h"
#include "settings.h"

#include <NetworkManager.h>

#define NOT_RUNNING "NetworkManager is not running as root"

struct Network {
    Bus *bus;
    char *nm_name;
    gboolean known; /* that name was root's, on the bus that we are connected to */
    gint64 until_ms;
    void (*changed)(gpointer data);
    gpointer changed_data;
    Failures *failures;
};

Network *network_new(void)
{
    Network *network = g_new0(Network, 1);
    network->failures = failures_new();
    return network;
}

static int time_limit(const Network *network)
{
    gint64 limit = NETWORK_CALL_MS;
    if (network->until_ms)
        limit = MIN(limit, network->until_ms - os.boottime_ms());
    return (int)MAX(limit, 1);
}

static void subscribe(Network *network);

Bus *network_bus(Network *network)
{
    if (network->bus && bus_is_open(network->bus))
        return network->bus;
    bus_unref(network->bus);
    network->bus = bus_open(time_limit(network));
    network->known = FALSE; /* another bus daemon counts its names from the begin */
    if (network->bus)
        subscribe(network);
    return network->bus;
}

void network_free(Network *network)
{
    if (!network)
        return;
    bus_unref(network->bus);
    g_free(network->nm_name);
    failures_free(network->failures);
    g_free(network);
}

void network_set_limit(Network *network, gint64 until_ms)
{
    network->until_ms = until_ms;
}

const char *network_nm_name(const Network *network)
{
    return network->nm_name;
}

/* Calls */

static GVariant *call_to(Network *network, const char *name, const char *path, const char *interface,
                         const char *method, GVariant *arguments, const char *reply, GError **error)
{
    Bus *bus = network_bus(network);
    GError *failure = NULL;
    GVariant *result =
        bus_call(bus, time_limit(network), name, path, interface, method, arguments, reply, &failure);
    if (failure && bus)
        g_propagate_prefixed_error(error, failure, "NetworkManager, %s: ", method);
    else if (failure)
        g_propagate_error(error, failure);
    return result;
}

/* To the NM that the last look found: a new one must not get an old one's object paths. */
GVariant *network_call(Network *network, const char *path, const char *interface, const char *method,
                       GVariant *arguments, const char *reply, GError **error)
{
    g_autoptr(GVariant) owned = arguments ? g_variant_ref_sink(arguments) : NULL;

    if (!network->nm_name) {
        g_set_error(error, BUS_ERROR, BUS_ERROR_LATER, NOT_RUNNING);
        return NULL;
    }
    return call_to(network, network->nm_name, path, interface, method, owned, reply, error);
}

GVariant *network_ask(Network *network, const char *path, const char *interface, const char *method,
                      GVariant *arguments, const char *reply, GError **error)
{
    GError *failure = NULL;
    GVariant *answer = network_call(network, path, interface, method, arguments, reply, &failure);
    if (g_error_matches(failure, BUS_ERROR, BUS_ERROR_REFUSED))
        failure->code = BUS_ERROR_LATER;
    if (failure)
        g_propagate_error(error, failure);
    return answer;
}

static gboolean gone(const GError *error)
{
    return g_error_matches(error, BUS_ERROR, BUS_ERROR_GONE);
}

gboolean network_do(Network *network, const char *path, const char *interface, const char *method,
                    GVariant *arguments, GError **error)
{
    g_autoptr(GVariant) reply = network_call(network, path, interface, method, arguments, NULL, error);
    return reply != NULL;
}

GVariant *network_properties(Network *network, const char *path, const char *interface, GError **error)
{
    g_autoptr(GVariant) reply = network_ask(network, path, DBUS_IFACE_PROPERTIES, "GetAll",
                                            g_variant_new("(s)", interface), "(a{sv})", error);
    return reply ? g_variant_get_child_value(reply, 0) : NULL;
}

GVariant *network_property(Network *network, const char *path, const char *interface, const char *name,
                           const char *type, GError **error)
{
    g_autoptr(GVariant) reply = network_ask(network, path, DBUS_IFACE_PROPERTIES, "Get",
                                            g_variant_new("(ss)", interface, name), "(v)", error);
    g_autoptr(GVariant) box = reply ? g_variant_get_child_value(reply, 0) : NULL;
    g_autoptr(GVariant) value = box ? g_variant_get_variant(box) : NULL;

    if (!value || g_variant_is_of_type(value, G_VARIANT_TYPE(type)))
        return g_steal_pointer(&value);
    g_set_error(error, BUS_ERROR, BUS_ERROR_LATER, "NetworkManager's %s is no %s", name, type);
    return NULL;
}

static char *object_or_null(const char *path)
{
    return path && strcmp(path, "/") != 0 ? g_strdup(path) : NULL;
}

/* NetworkManager as a whole */

/* What the bus itself knows of NM, by a name of its. */
static GVariant *ask_bus(Network *network, const char *method, const char *name, const char *reply)
{
    return call_to(network, DBUS_NAME, DBUS_PATH, DBUS_NAME, method, g_variant_new("(s)", name), reply, NULL);
}

static guint32 bus_number(Network *network, const char *method, const char *name, guint32 unknown)
{
    g_autoptr(GVariant) reply = ask_bus(network, method, name, "(u)");
    if (reply)
        g_variant_get(reply, "(u)", &unknown);
    return unknown;
}

guint32 network_nm_pid(Network *network)
{
    return bus_number(network, "GetConnectionUnixProcessID", NM_BUS_NAME, 0);
}

/* The bus' own policy gives the name to root alone; where that was opened, whoever has it could have us
 * promote what he likes. */
static char *owner(Network *network)
{
    char *name = NULL;
    g_autoptr(GVariant) reply = ask_bus(network, "GetNameOwner", NM_BUS_NAME, "(s)");

    if (reply)
        g_variant_get(reply, "(s)", &name);
    /* A unique name is never given again: what was root's stays so. */
    if (name && !(network->known && g_strcmp0(name, network->nm_name) == 0) &&
        bus_number(network, "GetConnectionUnixUser", name, 1) != 0)
        g_clear_pointer(&name, g_free);
    return name;
}

enum network_state network_look(Network *network, char **ret_why)
{
    const char *why = NULL;
    g_autoptr(GError) error = NULL;

    char *name = owner(network);
    g_free(network->nm_name);
    network->nm_name = name;
    network->known = name != NULL;
    g_autoptr(GVariant) startup =
        network->nm_name ? network_property(network, NM_PATH, NM_IFACE, "Startup", "b", &error) : NULL;
    if (!network->nm_name)
        why = NOT_RUNNING;
    else if (g_error_matches(error, BUS_ERROR, BUS_ERROR_LATER))
        why = "NetworkManager does not answer";
    else if (!startup || g_variant_get_boolean(startup)) /* or its objects are not there yet */
        why = "NetworkManager is still in its startup";
    if (why && ret_why)
        *ret_why = g_strdup(why);
    return why ? NETWORK_AWAY : NETWORK_READY;
}

/* Profiles */

void network_profile_clear(NetworkProfile *profile)
{
    g_clear_pointer(&profile->object, g_free);
    g_clear_pointer(&profile->filename, g_free);
}

gboolean network_get_profile(Network *network, const char *uuid, NetworkProfile *ret, GError **error)
{
    g_auto(NetworkProfile) profile = {0};
    g_autoptr(GVariant) found = network_ask(network, NM_SETTINGS_PATH, NM_IFACE_SETTINGS,
                                            "GetConnectionByUuid", g_variant_new("(s)", uuid), "(o)", error);
    if (!found)
        return FALSE;
    g_variant_get(found, "(o)", &profile.object);
    g_autoptr(GVariant) all = network_properties(network, profile.object, NM_IFACE_CONNECTION, error);
    if (!all)
        return FALSE;
    g_variant_lookup(all, "Filename", "s", &profile.filename);
    g_variant_lookup(all, "Unsaved", "b", &profile.unsaved);
    g_variant_lookup(all, "Flags", "u", &profile.flags);
    if (!profile.filename)
        profile.filename = g_strdup("");
    *ret = profile;
    profile = (NetworkProfile){0};
    return TRUE;
}

GVariant *network_get_settings(Network *network, const char *uuid, NetworkProfile *ret, GError **error)
{
    if (!network_get_profile(network, uuid, ret, error))
        return NULL;
    g_autoptr(GVariant) reply =
        network_ask(network, ret->object, NM_IFACE_CONNECTION, "GetSettings", NULL, "(a{sa{sv}})", error);
    return reply ? g_variant_get_child_value(reply, 0) : NULL;
}

gboolean network_load(Network *network, const char *const *paths, GError **error)
{
    g_autoptr(GPtrArray) said = g_ptr_array_new();

    /* A name that is no UTF-8 cannot be said over D-Bus: passed over, as NM passes over a file that is gone.
     */
    for (const char *const *path = paths; *path; path++)
        if (g_utf8_validate(*path, -1, NULL))
            g_ptr_array_add(said, (char *)*path);
    g_ptr_array_add(said, NULL);
    return network_do(network, NM_SETTINGS_PATH, NM_IFACE_SETTINGS, "LoadConnections",
                      g_variant_new("(^as)", said->pdata), error);
}

/* Devices and activations */

void network_device_clear(NetworkDevice *device)
{
    g_clear_pointer(&device->object, g_free);
    g_clear_pointer(&device->interface, g_free);
    g_clear_pointer(&device->active, g_free);
    g_clear_pointer(&device->active_uuid, g_free);
    g_clear_pointer(&device->active_id, g_free);
}

static char *device_by_port(Network *network, const char *interface, GError **error)
{
    char *object = NULL;
    g_autoptr(GVariant) objects = network_ask(network, NM_PATH_OBJECTS, DBUS_IFACE_OBJECTS,
                                              "GetManagedObjects", NULL, SETTINGS_OBJECTS, error);
    if (!objects)
        return NULL;
    object = settings_device_among(objects, interface);
    if (!object)
        g_set_error(error, BUS_ERROR, BUS_ERROR_GONE, "NetworkManager has no device %s", interface);
    return object;
}

char *network_find_device(Network *network, const char *interface, GError **error)
{
    char *object = NULL;
    g_autoptr(GError) failure = NULL;
    g_autoptr(GVariant) found = network_ask(network, NM_PATH, NM_IFACE, "GetDeviceByIpIface",
                                            g_variant_new("(s)", interface), "(o)", &failure);
    if (found)
        g_variant_get(found, "(o)", &object);
    else if (gone(failure))
        return device_by_port(network, interface, error);
    else
        g_propagate_error(error, g_steal_pointer(&failure));
    return object;
}

gboolean network_get_device_at(Network *network, const char *device_object, NetworkDevice *ret,
                               GError **error)
{
    g_auto(NetworkDevice) device = {.object = g_strdup(device_object)};
    g_autofree char *active = NULL;
    guint32 state = 0;

    g_autoptr(GVariant) all = network_properties(network, device.object, NM_IFACE_DEVICE, error);
    if (!all)
        return FALSE;
    g_variant_lookup(all, "StateReason", "(uu)", &state, &device.reason);
    guint32 failure_reason = failures_reason(network->failures, network->nm_name, device.object);
    if (failure_reason)
        device.reason = failure_reason;
    g_variant_lookup(all, "Interface", "s", &device.interface);
    g_variant_lookup(all, "ActiveConnection", "o", &active);
    device.active = object_or_null(active);
    if (device.active) {
        g_autoptr(GError) failure = NULL;
        g_autoptr(GVariant) connection =
            network_properties(network, device.active, NM_IFACE_ACTIVE, &failure);
        if (!connection && !gone(failure)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        if (connection) { /* else it has ended since: then there is none */
            g_variant_lookup(connection, "Uuid", "s", &device.active_uuid);
            g_variant_lookup(connection, "Id", "s", &device.active_id);
            g_variant_lookup(connection, "State", "u", &device.active_state);
        }
    }
    *ret = device;
    device = (NetworkDevice){0};
    return TRUE;
}

gboolean network_get_device(Network *network, const char *interface, NetworkDevice *ret, GError **error)
{
    g_autofree char *object = network_find_device(network, interface, error);
    return object && network_get_device_at(network, object, ret, error);
}

gboolean network_activate(Network *network, const char *profile_object, const char *device_object,
                          char **ret_active, GError **error)
{
    g_autoptr(GVariant) reply =
        network_call(network, NM_PATH, NM_IFACE, "ActivateConnection",
                     g_variant_new("(ooo)", profile_object, device_object, "/"), "(o)", error);
    if (!reply)
        return FALSE;
    g_variant_get(reply, "(o)", ret_active);
    return TRUE;
}

static gboolean deactivate(Network *network, const char *active, GError **error)
{
    return network_do(network, NM_PATH, NM_IFACE, "DeactivateConnection", g_variant_new("(o)", active),
                      error);
}

gboolean network_active_state(Network *network, const char *active, guint32 *ret_state, GError **error)
{
    g_autoptr(GVariant) state = network_property(network, active, NM_IFACE_ACTIVE, "State", "u", error);
    if (!state)
        return FALSE;
    g_variant_get(state, "u", ret_state);
    return TRUE;
}

GVariant *network_applied(Network *network, const char *device_object, GError **error)
{
    g_autoptr(GVariant) reply = network_ask(network, device_object, NM_IFACE_DEVICE, "GetAppliedConnection",
                                            g_variant_new("(u)", 0), "(a{sa{sv}}t)", error);
    return reply ? g_variant_get_child_value(reply, 0) : NULL;
}

/* The paths of the profile's active connections. NULL with `error`. Caller unrefs. */
static GPtrArray *activations_of(Network *network, const char *uuid, GError **error)
{
    g_autoptr(GVariant) list = network_property(network, NM_PATH, NM_IFACE, "ActiveConnections", "ao", error);
    g_auto(GStrv) paths = list ? g_variant_dup_objv(list, NULL) : NULL;
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    if (!list)
        return NULL;
    for (char **path = paths; path && *path; path++) {
        g_autoptr(GError) failure = NULL;
        g_autoptr(GVariant) active = network_property(network, *path, NM_IFACE_ACTIVE, "Uuid", "s", &failure);
        if (active && strcmp(g_variant_get_string(active, NULL), uuid) == 0)
            g_ptr_array_add(found, g_strdup(*path));
        if (!active && !gone(failure)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
    }
    return g_steal_pointer(&found);
}

char **network_activations(Network *network)
{
    g_autoptr(GVariant) list = network_property(network, NM_PATH, NM_IFACE, "ActiveConnections", "ao", NULL);
    return list ? g_variant_dup_objv(list, NULL) : NULL;
}

gboolean network_activation(Network *network, const char *active, char **ret_uuid, char **ret_interface)
{
    g_autoptr(GVariant) all = network_properties(network, active, NM_IFACE_ACTIVE, NULL);
    g_autofree char *uuid = NULL;
    g_auto(GStrv) devices = NULL;
    guint32 state = 0;

    if (!all || !g_variant_lookup(all, "State", "u", &state) ||
        state != NM_ACTIVE_CONNECTION_STATE_ACTIVATED || !g_variant_lookup(all, "Uuid", "s", &uuid) ||
        !g_variant_lookup(all, "Devices", "^ao", &devices) || !*devices)
        return FALSE;
    g_autoptr(GVariant) name = network_property(network, *devices, NM_IFACE_DEVICE, "Interface", "s", NULL);
    if (!name)
        return FALSE;
    *ret_uuid = g_steal_pointer(&uuid);
    *ret_interface = g_strdup(g_variant_get_string(name, NULL));
    return TRUE;
}

gboolean network_deactivate_profile(Network *network, const char *uuid, GError **error)
{
    g_autoptr(GPtrArray) active = activations_of(network, uuid, error);
    for (guint i = 0; active && i < active->len; i++)
        if (!deactivate(network, active->pdata[i], error))
            return FALSE;
    return active != NULL;
}

gboolean network_profile_active(Network *network, const char *uuid, GError **error)
{
    g_autoptr(GPtrArray) active = activations_of(network, uuid, error);
    return active && active->len > 0;
}

void network_forget_failures(Network *network)
{
    failures_forget(network->failures);
}

/* Signals */

#define MATCH "sender='" NM_BUS_NAME "',"
/* PropertiesChanged: of NetworkManager's signals only that one begins with an interface's name */
#define PROPERTIES_OF(interface) MATCH "arg0='" interface "'"

static void on_signal(const struct bus_signal *signal, gpointer data)
{
    Network *network = data;
    failures_hear(network->failures, signal);
}

static void on_news(gpointer data)
{
    Network *network = data;
    network->changed(network->changed_data);
}

static void subscribe(Network *network)
{
    static const char *const rules[] = {
        "sender='" DBUS_NAME "',member='NameOwnerChanged',arg0='" NM_BUS_NAME "'", PROPERTIES_OF(NM_IFACE),
        PROPERTIES_OF(NM_IFACE_DEVICE), PROPERTIES_OF(NM_IFACE_ACTIVE),
        /* Updated, Removed: where the files cannot be watched */
        MATCH "interface='" NM_IFACE_CONNECTION "'", NULL};

    if (network->changed)
        bus_follow(network->bus, rules, on_signal, on_news, network);
}

void network_watch(Network *network, void (*changed)(gpointer data), gpointer data)
{
    network->changed = changed;
    network->changed_data = data;
    if (network->bus && bus_is_open(network->bus))
        subscribe(network);
    else
        (void)network_bus(network);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of network.h, over the fake NetworkManager. Each is an operation. */
#include "fake-nm.h"
#include "fake-state.h"
#include "network.h"
#include "os.h"

#include <NetworkManager.h>
#include <string.h>

struct Network {
    char *name;
};

static gboolean is_starting(void)
{
    return os.boottime_ms() < fake.ready_ms;
}

static gboolean fail(GError **error, enum bus_error kind, const char *why)
{
    g_set_error(error, BUS_ERROR, (int)kind, "NetworkManager, %s", why);
    return FALSE;
}

/* LoadConnections, too: it answers what it has not loaded, so an error is the bus' word. */
gboolean fake_is_question(const char *call)
{
    static const char *const questions[] = {"look",
                                            "find-device",
                                            "load",
                                            "get-profile",
                                            "get-settings",
                                            "get-device",
                                            "profile-active",
                                            "active-state",
                                            "applied",
                                            "checkpoint-get",
                                            "checkpoints",
                                            "checkpoint-over",
                                            NULL};
    return g_strv_contains(questions, call);
}

/* FALSE: nobody is there who would answer, or it says no; a question that is refused is one that was not
 * answered, as in network.h. */
static gboolean ask(const Network *network, const char *call, const char *what, GError **error)
{
    gboolean refused = fake_before && fake_before(call, what);
    enum bus_error kind = fake_is_question(call) ? BUS_ERROR_LATER : BUS_ERROR_REFUSED;
    g_autofree char *now = g_strdup_printf(":1.%u", fake.bus_name);
    if (!fake.running || g_strcmp0(network->name, now) != 0)
        return fail(error, BUS_ERROR_LATER, "not running");
    return !refused || fail(error, kind, "as the simulation has it");
}

Network *network_new(void)
{
    return g_new0(Network, 1);
}

void network_free(Network *network)
{
    if (!network)
        return;
    g_free(network->name);
    g_free(network);
}

/* The checks are simulated: nobody looks at it. */
Bus *network_bus(Network *network)
{
    return (Bus *)network;
}

GVariant *network_call(Network *network, const char *path, const char *interface, const char *method,
                       GVariant *arguments, const char *reply, GError **error)
{
    g_error("%s: this call is not simulated", method);
}

GVariant *network_ask(Network *network, const char *path, const char *interface, const char *method,
                      GVariant *arguments, const char *reply, GError **error)
{
    g_error("%s: this call is not simulated", method);
}

GVariant *network_property(Network *network, const char *path, const char *interface, const char *name,
                           const char *type, GError **error)
{
    g_error("%s: this property is not simulated", name);
}

void network_set_limit(Network *network, gint64 until_ms)
{
}

enum network_state network_look(Network *network, char **ret_why)
{
    gboolean refused = fake_before && fake_before("look", "");
    g_clear_pointer(&network->name, g_free);
    if (fake.running)
        network->name = g_strdup_printf(":1.%u", fake.bus_name);
    if (fake.running && !is_starting() && !refused)
        return NETWORK_READY;
    if (ret_why)
        *ret_why = g_strdup(!fake.running ? "NetworkManager is not running"
                            : refused     ? "NetworkManager does not answer"
                                          : "NetworkManager is still in its startup");
    return NETWORK_AWAY;
}

const char *network_nm_name(const Network *network)
{
    return network->name;
}

guint32 network_nm_pid(Network *network)
{
    return fake.bus_name;
}

/* Profiles */

void network_profile_clear(NetworkProfile *profile)
{
    g_clear_pointer(&profile->object, g_free);
    g_clear_pointer(&profile->filename, g_free);
}

/* A shadow in /run is Unsaved, with Flags 1 (HACKING.md: as it was seen). */
gboolean network_get_profile(Network *network, const char *uuid, NetworkProfile *ret, GError **error)
{
    const struct storage *storage;

    if (!ask(network, "get-profile", uuid, error))
        return FALSE;
    storage = fake_find(uuid);
    if (!storage)
        return fail(error, BUS_ERROR_GONE, "no such profile");
    *ret = (NetworkProfile){
        .object = fake_object(uuid),
        .filename = g_strdup(storage->profile->path),
        .unsaved = g_str_has_prefix(storage->profile->path, "/run/"),
        .flags = g_str_has_prefix(storage->profile->path, "/run/") ? 1 : 0,
    };
    return TRUE;
}

GVariant *network_get_settings(Network *network, const char *uuid, NetworkProfile *ret, GError **error)
{
    const struct storage *storage;

    if (!network_get_profile(network, uuid, ret, error) || !ask(network, "get-settings", uuid, error))
        return NULL;
    storage = fake_find(uuid);
    if (storage)
        return fake_settings(storage);
    fail(error, BUS_ERROR_GONE, "no such profile");
    return NULL;
}

gboolean network_load(Network *network, const char *const *paths, GError **error)
{
    if (!ask(network, "load", *paths, error))
        return FALSE;
    for (; *paths; paths++)
        fake_load(*paths);
    return TRUE;
}

/* Devices and activations */

void network_device_clear(NetworkDevice *device)
{
    g_clear_pointer(&device->object, g_free);
    g_clear_pointer(&device->interface, g_free);
    g_clear_pointer(&device->active, g_free);
    g_clear_pointer(&device->active_uuid, g_free);
}

static struct device *device_of(const char *object)
{
    return g_str_has_prefix(object, "/Devices/") ? fake_device(object + strlen("/Devices/")) : NULL;
}

char *network_find_device(Network *network, const char *interface, GError **error)
{
    if (!ask(network, "find-device", interface, error))
        return NULL;
    if (fake_device(interface))
        return g_strconcat("/Devices/", interface, NULL);
    fail(error, BUS_ERROR_GONE, "no such device");
    return NULL;
}

gboolean network_get_device_at(Network *network, const char *device_object, NetworkDevice *ret,
                               GError **error)
{
    const struct device *device;

    if (!ask(network, "get-device", device_object, error))
        return FALSE;
    device = device_of(device_object);
    if (!device)
        return fail(error, BUS_ERROR_GONE, "no such device");
    *ret = (NetworkDevice){
        .object = g_strdup(device_object),
        .interface = g_strdup(device->name),
        .active = g_strdup(device->path),
        .active_uuid = g_strdup(device->uuid),
        .active_state = device->state,
        .reason = device->reason,
    };
    return TRUE;
}

gboolean network_get_device(Network *network, const char *interface, NetworkDevice *ret, GError **error)
{
    g_autofree char *object = network_find_device(network, interface, error);
    return object && network_get_device_at(network, object, ret, error);
}

void network_forget_failures(Network *network)
{
    for (guint i = 0; i < fake.n_devices; i++)
        fake.device[i].reason = 0;
}

gboolean network_activate(Network *network, const char *profile_object, const char *device_object,
                          char **ret_active, GError **error)
{
    struct device *device = device_of(device_object);
    const struct storage *storage;

    if (!ask(network, "activate", profile_object, error))
        return FALSE;
    storage = fake_by_object(profile_object);
    if (!storage || !device)
        return fail(error, BUS_ERROR_GONE, "no such profile or device");
    device->off = FALSE; /* ActivateConnection unblocks it (facts: Autoconnect) */
    g_clear_pointer(&device->blocked, g_free);
    fake_activate(device, storage);
    *ret_active = g_strdup(device->path);
    return TRUE;
}

gboolean network_deactivate_profile(Network *network, const char *uuid, GError **error)
{
    if (!ask(network, "deactivate", uuid, error))
        return FALSE;
    fake_down(uuid);
    return TRUE;
}

gboolean network_profile_active(Network *network, const char *uuid, GError **error)
{
    if (!ask(network, "profile-active", uuid, error))
        return FALSE;
    for (guint i = 0; i < fake.n_devices; i++)
        if (g_strcmp0(fake.device[i].uuid, uuid) == 0)
            return TRUE;
    return FALSE;
}

gboolean network_active_state(Network *network, const char *active, guint32 *ret_state, GError **error)
{
    if (!ask(network, "active-state", active, error))
        return FALSE;
    for (guint i = 0; i < fake.n_devices; i++)
        if (g_strcmp0(fake.device[i].path, active) == 0) {
            *ret_state = fake.device[i].state;
            return TRUE;
        }
    return fail(error, BUS_ERROR_GONE, "it has ended");
}

char **network_activations(Network *network)
{
    g_error("activations are told by the dispatcher here");
}

gboolean network_activation(Network *network, const char *active, char **ret_uuid, char **ret_interface)
{
    g_error("activations are told by the dispatcher here");
}

GVariant *network_applied(Network *network, const char *device_object, GError **error)
{
    const struct device *device = device_of(device_object);

    if (!ask(network, "applied", device_object, error))
        return NULL;
    if (!device || !device->applied) {
        fail(error, BUS_ERROR_GONE, "nothing is active");
        return NULL;
    }
    return g_variant_ref(device->applied);
}

/* Checkpoints */

static struct checkpoint *find(const char *path)
{
    for (guint i = 0; i < fake.checkpoints->len; i++) {
        struct checkpoint *checkpoint = fake.checkpoints->pdata[i];
        if (strcmp(checkpoint->path, path) == 0)
            return checkpoint;
    }
    return NULL;
}

/* While one exists, others on that device are refused (facts: Checkpoints). */
gboolean network_checkpoint_create(Network *network, const char *const *device_objects, guint32 timeout_s,
                                   char **ret_checkpoint, GError **error)
{
    struct device *devices[DEVICES_MAX] = {NULL};
    guint n = 0;

    if (!ask(network, "checkpoint-create", *device_objects, error))
        return FALSE;
    for (; *device_objects; device_objects++) {
        devices[n] = device_of(*device_objects);
        for (guint i = 0; i < fake.checkpoints->len; i++)
            if (fake_is_over(fake.checkpoints->pdata[i], devices[n]))
                return fail(error, BUS_ERROR_REFUSED, "already included in checkpoint");
        n++;
    }
    fake_changes++;
    *ret_checkpoint = g_strdup(fake_checkpoint(devices, n, timeout_s)->path);
    return TRUE;
}

void network_checkpoint_clear(NetworkCheckpoint *checkpoint)
{
    g_clear_pointer(&checkpoint->devices, g_strfreev);
}

gboolean network_checkpoint_get(Network *network, const char *checkpoint, NetworkCheckpoint *ret,
                                GError **error)
{
    const struct checkpoint *found;
    g_autoptr(GPtrArray) devices = g_ptr_array_new_with_free_func(g_free);

    if (!ask(network, "checkpoint-get", checkpoint, error))
        return FALSE;
    found = find(checkpoint);
    if (!found)
        return fail(error, BUS_ERROR_GONE, "no such checkpoint");
    for (guint i = 0; i < found->saved->len; i++) {
        const struct saved *saved = found->saved->pdata[i];
        g_ptr_array_add(devices, g_strconcat("/Devices/", saved->device->name, NULL));
    }
    g_ptr_array_add(devices, NULL);
    *ret = (NetworkCheckpoint){
        .created_ms = found->created_ms,
        .fires_ms = found->timeout_s ? found->created_ms + (gint64)found->timeout_s * 1000 : G_MAXINT64,
        .devices = g_strdupv((char **)devices->pdata),
    };
    return TRUE;
}

/* From now (facts); its timeout is counted from its creation all the same. */
gboolean network_checkpoint_move(Network *network, const char *checkpoint, guint32 timeout_s, GError **error)
{
    struct checkpoint *found;

    if (!ask(network, "checkpoint-move", checkpoint, error))
        return FALSE;
    found = find(checkpoint);
    if (!found)
        return fail(error, BUS_ERROR_GONE, "no such checkpoint");
    found->timeout_s = timeout_s + (guint32)((os.boottime_ms() - found->created_ms) / 1000);
    fake_changes++;
    return TRUE;
}

gboolean network_checkpoint_destroy(Network *network, const char *checkpoint, GError **error)
{
    struct checkpoint *found;

    if (!ask(network, "checkpoint-destroy", checkpoint, error))
        return FALSE;
    found = find(checkpoint);
    if (!found)
        return fail(error, BUS_ERROR_GONE, "no such checkpoint");
    g_ptr_array_remove(fake.checkpoints, found);
    fake_changes++;
    return TRUE;
}

char **network_checkpoints(Network *network, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (!ask(network, "checkpoints", "", error))
        return NULL;
    for (guint i = 0; i < fake.checkpoints->len; i++)
        g_ptr_array_add(paths, g_strdup(((const struct checkpoint *)fake.checkpoints->pdata[i])->path));
    g_ptr_array_add(paths, NULL);
    return g_strdupv((char **)paths->pdata);
}

gint64 network_checkpoint_over(Network *network, const char *device_object, GError **error)
{
    gint64 fires_ms = 0;

    if (!ask(network, "checkpoint-over", device_object, error))
        return 0;
    for (guint i = 0; i < fake.checkpoints->len; i++) {
        const struct checkpoint *one = fake.checkpoints->pdata[i];
        if (fake_is_over(one, device_of(device_object)))
            fires_ms =
                MAX(fires_ms, one->timeout_s ? one->created_ms + (gint64)one->timeout_s * 1000 : G_MAXINT64);
    }
    return fires_ms;
}

void network_watch(Network *network, void (*changed)(gpointer data), gpointer data)
{
}

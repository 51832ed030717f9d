/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The port to NetworkManager: its checkpoints, ours and those of others. */
#include "names.h"
#include "network.h"

gboolean network_checkpoint_create(Network *network, const char *const *device_objects, guint32 timeout_s,
                                   char **ret_checkpoint, GError **error)
{
    g_autoptr(GVariant) reply =
        network_call(network, NM_PATH, NM_IFACE, "CheckpointCreate",
                     g_variant_new("(^aouu)", device_objects, timeout_s, 0), "(o)", error);
    if (!reply)
        return FALSE;
    g_variant_get(reply, "(o)", ret_checkpoint);
    return TRUE;
}

void network_checkpoint_clear(NetworkCheckpoint *checkpoint)
{
    g_clear_pointer(&checkpoint->devices, g_strfreev);
}

gboolean network_checkpoint_get(Network *network, const char *checkpoint, NetworkCheckpoint *ret,
                                GError **error)
{
    guint32 timeout_s = 0;
    g_autoptr(GVariant) all = network_properties(network, checkpoint, NM_IFACE_CHECKPOINT, error);
    if (!all)
        return FALSE;
    *ret = (NetworkCheckpoint){0};
    g_variant_lookup(all, "Created", "x", &ret->created_ms);
    g_variant_lookup(all, "RollbackTimeout", "u", &timeout_s);
    g_variant_lookup(all, "Devices", "^ao", &ret->devices);
    ret->fires_ms = timeout_s ? ret->created_ms + (gint64)timeout_s * 1000 : G_MAXINT64;
    return TRUE;
}

gboolean network_checkpoint_move(Network *network, const char *checkpoint, guint32 timeout_s, GError **error)
{
    return network_do(network, NM_PATH, NM_IFACE, "CheckpointAdjustRollbackTimeout",
                      g_variant_new("(ou)", checkpoint, timeout_s), error);
}

gboolean network_checkpoint_destroy(Network *network, const char *checkpoint, GError **error)
{
    return network_do(network, NM_PATH, NM_IFACE, "CheckpointDestroy", g_variant_new("(o)", checkpoint),
                      error);
}

char **network_checkpoints(Network *network, GError **error)
{
    g_autoptr(GVariant) list = network_property(network, NM_PATH, NM_IFACE, "Checkpoints", "ao", error);
    return list ? g_variant_dup_objv(list, NULL) : NULL;
}

gint64 network_checkpoint_over(Network *network, const char *device_object, GError **error)
{
    g_auto(GStrv) all = network_checkpoints(network, error);
    gint64 fires_ms = 0;

    for (char **path = all; path && *path; path++) {
        g_auto(NetworkCheckpoint) found = {0};
        g_autoptr(GError) failure = NULL;
        if (network_checkpoint_get(network, *path, &found, &failure)) {
            if (found.devices && g_strv_contains((const char *const *)found.devices, device_object))
                fires_ms = MAX(fires_ms, found.fires_ms);
        } else if (!g_error_matches(failure, BUS_ERROR, BUS_ERROR_GONE)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return 0;
        }
    }
    return fires_ms;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The port to NetworkManager, over bus.h: no NMClient (it loads every profile), and no call without a time
 * limit. It reports and does what it is told; it decides nothing and remembers nothing but NM's bus name and
 * why devices failed. */
#pragma once

#include "bus.h"
#include "trial.h"

/* A call to NM ends after this at the latest: whoever holds the lock may not hold it for long. */
#define NETWORK_CALL_MS 3000

typedef struct Network Network;

/* Connects to the system bus with the first call, and again when it was lost. Caller frees. */
Network *network_new(void);
void network_free(Network *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Network, network_free)
/* The system bus, borrowed; NULL: it cannot be reached. */
Bus *network_bus(Network *network);

/* One call to the NM that the last look found. NULL with a BUS_ERROR. Caller unrefs. */
GVariant *network_call(Network *network, const char *path, const char *interface, const char *method,
                       GVariant *arguments, const char *reply, GError **error);
/* The same for a question. Where NM refuses to answer, that says nothing about what was asked
 * (BUS_ERROR_LATER); BUS_ERROR_GONE does. So do all functions below that ask. */
GVariant *network_ask(Network *network, const char *path, const char *interface, const char *method,
                      GVariant *arguments, const char *reply, GError **error);
/* The same for a method that answers nothing of interest. FALSE with a BUS_ERROR. */
gboolean network_do(Network *network, const char *path, const char *interface, const char *method,
                    GVariant *arguments, GError **error);
/* All properties of an object's interface (a{sv}), in one round trip. NULL with a BUS_ERROR. Caller
 * unrefs. */
GVariant *network_properties(Network *network, const char *path, const char *interface, GError **error);
/* One property, which has that `type`. NULL with a BUS_ERROR. Caller unrefs. */
GVariant *network_property(Network *network, const char *path, const char *interface, const char *name,
                           const char *type, GError **error);

/* No call may last beyond this CLOCK_BOOTTIME time (ms; 0: no such limit): a verdict does not wait for NM. */
void network_set_limit(Network *network, gint64 until_ms);

/* Asks how NM is: NETWORK_READY (there, its startup done, its objects exist) or NETWORK_AWAY with a reason
 * for people in *ret_why (may be NULL; caller frees). Sets the name that network_nm_name() answers. */
enum network_state network_look(Network *network, char **ret_why);
/* NM's unique bus name as of the last look, NULL: not there. Another name is another NM. Borrowed. */
const char *network_nm_name(const Network *network);
/* Its process as of now, as this machine numbers it; 0: unknown. */
guint32 network_nm_pid(Network *network);

/* How NM sees a profile. */
typedef struct {
    char *object;     /* D-Bus path */
    char *filename;   /* where it is stored, "" : nowhere */
    gboolean unsaved; /* what NM has differs from the file that it wrote */
    guint32 flags;    /* NMSettingsConnectionFlags */
} NetworkProfile;
gboolean network_get_profile(Network *network, const char *uuid, NetworkProfile *ret, GError **error);
void network_profile_clear(NetworkProfile *profile);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetworkProfile, network_profile_clear)

/* The same, and what NM has in the profile: a{sa{sv}}, without secrets. Caller unrefs. NULL with `error`:
 * *ret, which the caller clears in any case, may be filled. */
GVariant *network_get_settings(Network *network, const char *uuid, NetworkProfile *ret, GError **error);

/* Makes NM read these files (NULL-terminated paths). TRUE proves nothing about a single file: ask for the
 * profile. */
gboolean network_load(Network *network, const char *const *paths, GError **error);

/* A device and what is on it. */
typedef struct {
    char *object;
    char *interface;      /* its own; the one with its addresses may be another (a modem's) */
    char *active;         /* its active connection's path, NULL: none */
    char *active_uuid;    /* that one's profile, NULL: none */
    char *active_id;      /* ... by name, which may be anybody's text */
    guint32 active_state; /* NMActiveConnectionState */
    guint32 reason; /* NMDeviceStateReason of its last failure since network_forget_failures(), of those that
                       network_watch() makes us see; else of its last state change */
} NetworkDevice;
gboolean network_get_device(Network *network, const char *interface, NetworkDevice *ret, GError **error);
/* The device's object alone; caller frees. NULL: `error` says why. */
char *network_find_device(Network *network, const char *interface, GError **error);
/* The device behind that object. */
gboolean network_get_device_at(Network *network, const char *device_object, NetworkDevice *ret,
                               GError **error);
void network_device_clear(NetworkDevice *device);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetworkDevice, network_device_clear)

/* From here on, a device's `reason` is of what comes. */
void network_forget_failures(Network *network);

/* Starts an activation; *ret_active (caller frees) is the object to judge it by. Returns before it is done.
 */
gboolean network_activate(Network *network, const char *profile_object, const char *device_object,
                          char **ret_active, GError **error);
/* Takes a profile down wherever it is active; NM then activates what has autoconnect. Nowhere active is
 * success. */
gboolean network_deactivate_profile(Network *network, const char *uuid, GError **error);
/* Whether it is active anywhere. FALSE with `error` (may be NULL): NM does not tell. */
gboolean network_profile_active(Network *network, const char *uuid, GError **error);
/* The NMActiveConnectionState of that object; BUS_ERROR_GONE when it has ended and is forgotten. */
gboolean network_active_state(Network *network, const char *active, guint32 *ret_state, GError **error);

/* The paths of all active connections (caller frees with g_strfreev). NULL: NM does not tell. */
char **network_activations(Network *network);
/* The profile's UUID and the device's interface of one that is activated; caller frees both. FALSE: it is not
 * (yet), or has no device. */
gboolean network_activation(Network *network, const char *active, char **ret_uuid, char **ret_interface);

/* What runs on the device (a{sa{sv}}, without secrets; caller unrefs). BUS_ERROR_GONE: nothing (yet). */
GVariant *network_applied(Network *network, const char *device_object, GError **error);

/* Checkpoints. Times: CLOCK_BOOTTIME in ms; timeouts: whole seconds from now. */
typedef struct {
    gint64 created_ms;
    gint64 fires_ms; /* when NM rolls back, G_MAXINT64: never */
    char **devices;  /* D-Bus paths */
} NetworkCheckpoint;
gboolean network_checkpoint_create(Network *network, const char *const *device_objects, guint32 timeout_s,
                                   char **ret_checkpoint, GError **error);
gboolean network_checkpoint_get(Network *network, const char *checkpoint, NetworkCheckpoint *ret,
                                GError **error);
void network_checkpoint_clear(NetworkCheckpoint *checkpoint);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetworkCheckpoint, network_checkpoint_clear)
gboolean network_checkpoint_move(Network *network, const char *checkpoint, guint32 timeout_s, GError **error);
gboolean network_checkpoint_destroy(Network *network, const char *checkpoint, GError **error);
/* The paths of all checkpoints (caller frees with g_strfreev). */
char **network_checkpoints(Network *network, GError **error);
/* When the last of the checkpoints over the device fires, whosever they are; 0: there is none, or with
 * `error`: NM did not tell. */
gint64 network_checkpoint_over(Network *network, const char *device_object, GError **error);

/* Calls back, in the main context, whenever NM came or went or something about its devices, activations or
 * checkpoints has changed. What it was is for the next look to find out. */
void network_watch(Network *network, void (*changed)(gpointer data), gpointer data);

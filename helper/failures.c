/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "failures.h"

#include "names.h"

#include <NetworkManager.h>

#define DEVICE_PATH_PREFIX NM_PATH "/Devices/"
/* Any local user may send what looks like NM's signal: neither many nor long ones are kept. */
#define KEPT_MAX 64
#define PATH_MAX_LENGTH 64

struct failure {
    char *sender;
    char *device;
    guint32 reason;
};

struct Failures {
    GAsyncQueue *heard; /* struct failure; from GDBus' thread to whoever asks */
    GPtrArray *seen;    /* ... the newest first */
};

static void failure_free(gpointer data)
{
    struct failure *failure = data;
    g_free(failure->sender);
    g_free(failure->device);
    g_free(failure);
}

Failures *failures_new(void)
{
    Failures *failures = g_new0(Failures, 1);
    failures->heard = g_async_queue_new_full(failure_free);
    failures->seen = g_ptr_array_new_with_free_func(failure_free);
    return failures;
}

void failures_free(Failures *failures)
{
    g_async_queue_unref(failures->heard);
    g_ptr_array_unref(failures->seen);
    g_free(failures);
}

/* Whether the signal says that a device has failed, and why. */
static gboolean is_failure(GDBusMessage *message, guint32 *ret_reason)
{
    const char *path = g_dbus_message_get_path(message);
    GVariant *body = g_dbus_message_get_body(message);
    guint32 state = 0;

    /* one that is sent to us alone is anybody's, and many would leave no room for NM's, which are for all */
    if (g_dbus_message_get_destination(message) || !path || !g_str_has_prefix(path, DEVICE_PATH_PREFIX) ||
        strlen(path) > PATH_MAX_LENGTH ||
        g_strcmp0(g_dbus_message_get_member(message), "PropertiesChanged") != 0 || !body ||
        !g_variant_is_of_type(body, G_VARIANT_TYPE("(sa{sv}as)")))
        return FALSE;
    g_autoptr(GVariant) changed = g_variant_get_child_value(body, 1);
    return g_variant_lookup(changed, "StateReason", "(uu)", &state, ret_reason) &&
           state == NM_DEVICE_STATE_FAILED;
}

static GDBusMessage *on_message(GDBusConnection *bus, GDBusMessage *message, gboolean incoming, gpointer data)
{
    GAsyncQueue *heard = data;
    guint32 reason = 0;

    (void)bus;
    if (incoming && g_async_queue_length(heard) < KEPT_MAX && is_failure(message, &reason)) {
        struct failure *failure = g_new0(struct failure, 1);
        failure->sender = g_strdup(g_dbus_message_get_sender(message));
        failure->device = g_strdup(g_dbus_message_get_path(message));
        failure->reason = reason;
        g_async_queue_push(heard, failure);
    }
    return message;
}

void failures_follow(Failures *failures, GDBusConnection *bus)
{
    g_dbus_connection_add_filter(bus, on_message, g_async_queue_ref(failures->heard),
                                 (GDestroyNotify)g_async_queue_unref);
}

static void take(Failures *failures)
{
    struct failure *failure;
    while ((failure = g_async_queue_try_pop(failures->heard)))
        g_ptr_array_insert(failures->seen, 0, failure);
    if (failures->seen->len > KEPT_MAX)
        g_ptr_array_set_size(failures->seen, KEPT_MAX);
}

guint32 failures_reason(Failures *failures, const char *nm_name, const char *device)
{
    take(failures);
    for (guint i = 0; i < failures->seen->len; i++) {
        const struct failure *failure = failures->seen->pdata[i];
        if (g_strcmp0(failure->sender, nm_name) == 0 && strcmp(failure->device, device) == 0)
            return failure->reason;
    }
    return 0;
}

void failures_forget(Failures *failures)
{
    take(failures);
    g_ptr_array_set_size(failures->seen, 0);
}

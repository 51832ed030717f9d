/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "failures.h"

#include <NetworkManager.h>

struct Failures {
    GAsyncQueue *heard; /* GDBusMessage; from GDBus' thread to whoever asks */
    GHashTable *last;   /* device's path: the last GDBusMessage of its failure */
};

Failures *failures_new(void)
{
    Failures *failures = g_new0(Failures, 1);
    failures->heard = g_async_queue_new_full(g_object_unref);
    failures->last = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_object_unref);
    return failures;
}

void failures_free(Failures *failures)
{
    g_async_queue_unref(failures->heard);
    g_hash_table_unref(failures->last);
    g_free(failures);
}

/* Whether the signal says that a device has failed, and why. */
static gboolean is_failure(GDBusMessage *message, guint32 *ret_reason)
{
    GVariant *body = g_dbus_message_get_body(message);
    guint32 state = 0;

    if (g_strcmp0(g_dbus_message_get_member(message), "PropertiesChanged") != 0 || !body ||
        !g_variant_is_of_type(body, G_VARIANT_TYPE("(sa{sv}as)")))
        return FALSE;
    g_autoptr(GVariant) changed = g_variant_get_child_value(body, 1);
    return g_variant_lookup(changed, "StateReason", "(uu)", &state, ret_reason) &&
           state == NM_DEVICE_STATE_FAILED;
}

static GDBusMessage *on_message(GDBusConnection *bus, GDBusMessage *message, gboolean incoming, gpointer data)
{
    guint32 reason = 0;
    (void)bus;
    if (incoming && is_failure(message, &reason))
        g_async_queue_push(data, g_object_ref(message));
    return message;
}

void failures_follow(Failures *failures, GDBusConnection *bus)
{
    g_dbus_connection_add_filter(bus, on_message, g_async_queue_ref(failures->heard),
                                 (GDestroyNotify)g_async_queue_unref);
}

static void take(Failures *failures)
{
    GDBusMessage *message;
    while ((message = g_async_queue_try_pop(failures->heard)))
        if (g_dbus_message_get_path(message))
            g_hash_table_replace(failures->last, (char *)g_dbus_message_get_path(message), message);
        else
            g_object_unref(message);
}

guint32 failures_reason(Failures *failures, const char *nm_name, const char *device)
{
    guint32 reason = 0;

    take(failures);
    GDBusMessage *message = g_hash_table_lookup(failures->last, device);
    /* anybody may send a message that looks so */
    if (!message || g_strcmp0(g_dbus_message_get_sender(message), nm_name) != 0 ||
        !is_failure(message, &reason))
        return 0;
    return reason;
}

void failures_forget(Failures *failures)
{
    take(failures);
    g_hash_table_remove_all(failures->last);
}

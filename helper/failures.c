/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "failures.h"

#include "names.h"

#include <NetworkManager.h>

#define DEVICE_PATH_PREFIX NM_PATH "/Devices/"
/* Any local user may send what looks like NM's signal to all: neither many nor long ones are kept. */
#define KEPT_MAX 64
#define PATH_MAX_LENGTH 64

struct failure {
    char *sender;
    char *device;
    guint32 reason;
};

struct Failures {
    GQueue seen; /* struct failure; the newest first */
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
    return g_new0(Failures, 1);
}

void failures_forget(Failures *failures)
{
    g_queue_clear_full(&failures->seen, failure_free);
}

void failures_free(Failures *failures)
{
    failures_forget(failures);
    g_free(failures);
}

/* Whether the signal says that a device has failed, and why. */
static gboolean is_failure(const struct bus_signal *signal, guint32 *ret_reason)
{
    guint32 state = 0;

    if (!g_str_has_prefix(signal->path, DEVICE_PATH_PREFIX) || strlen(signal->path) > PATH_MAX_LENGTH ||
        strcmp(signal->member, "PropertiesChanged") != 0 ||
        !g_variant_is_of_type(signal->body, G_VARIANT_TYPE("(sa{sv}as)")))
        return FALSE;
    g_autoptr(GVariant) changed = g_variant_get_child_value(signal->body, 1);
    return g_variant_lookup(changed, "StateReason", "(uu)", &state, ret_reason) &&
           state == NM_DEVICE_STATE_FAILED;
}

void failures_hear(Failures *failures, const struct bus_signal *signal)
{
    guint32 reason = 0;

    if (!is_failure(signal, &reason))
        return;
    struct failure *failure = g_new0(struct failure, 1);
    failure->sender = g_strdup(signal->sender);
    failure->device = g_strdup(signal->path);
    failure->reason = reason;
    g_queue_push_head(&failures->seen, failure);
    if (g_queue_get_length(&failures->seen) > KEPT_MAX)
        failure_free(g_queue_pop_tail(&failures->seen));
}

guint32 failures_reason(const Failures *failures, const char *nm_name, const char *device)
{
    for (const GList *at = failures->seen.head; at; at = at->next) {
        const struct failure *failure = at->data;
        if (g_strcmp0(failure->sender, nm_name) == 0 && strcmp(failure->device, device) == 0)
            return failure->reason;
    }
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The operator's own checks: the exit status is the answer. Whatever one does (hang, flood, fork, lie), the
 * round goes on. */
#include "check-device.h"
#include "names.h"
#include "own.h"

static void begin(GTask *task)
{
    g_task_set_check_cancellable(task, FALSE); /* one that was killed has its own words for it */
    check_find_device(task);
}

static void on_ended(gpointer data, gboolean well, const char *words)
{
    g_autoptr(GTask) task = data;

    check_say(g_task_get_task_data(task), "%s", words);
    g_task_return_boolean(task, well);
}

static void found(GTask *task)
{
    const struct check *check = g_task_get_task_data(task);
    g_autofree char *id = g_strconcat("NM_TRIAL_ID=", check->id, NULL);
    g_autofree char *iface = g_strconcat("NM_TRIAL_IFACE=", check->iface, NULL);
    g_autofree char *uuid = g_strconcat("NM_TRIAL_UUID=", check->uuid, NULL);
    const char *const environment[] = {OWN_PATH, id, iface, uuid, NULL};

    own_run(NM_TRIAL_CHECK_DIR, check->name, environment, g_task_get_context(task),
            g_task_get_cancellable(task), on_ended, g_object_ref(task));
}

const struct check_kind check_kind_own = {
    .begin = begin,
    .found = found,
};

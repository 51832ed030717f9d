/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check "gateway": the default gateway on the device answers now, for each family that counts. */
#include "check-device.h"
#include "gateway.h"
#include "neighbour.h"

#include <net/if.h>
#include <sys/socket.h>

static const int families[N_FAMILIES] = {AF_INET, AF_INET6};

static void on_neighbour(GObject *source, GAsyncResult *result, gpointer data)
{
    struct question *question = data;
    struct check *check = g_task_get_task_data(question->task);
    g_autoptr(GError) error = NULL;
    gboolean good = neighbour_probe_finish(result, &error);

    (void)source;
    check_answered(question, good, check->gateway[question->family], error);
}

static void start(struct question *question)
{
    struct check *check = g_task_get_task_data(question->task);
    const char *gateway = check->gateway[question->family];

    if (gateway)
        neighbour_probe_async(if_nametoindex(check->iface), gateway, check->cancelled, on_neighbour,
                              question);
    else
        check_answered(question, FALSE, NULL, NULL);
}

static void prepare(GTask *task)
{
    struct check *check = g_task_get_task_data(task);
    int ifindex = (int)if_nametoindex(check->iface);

    for (guint i = 0; i < N_FAMILIES; i++)
        if (check_counted(check) & check_families[i].bit)
            check->gateway[i] = gateway_of(ifindex, families[i]);
    if (!check->gateway[0] && !check->gateway[1])
        check_say(check, "no default gateway on %s", check->iface);
    else
        for (guint i = 0; i < N_FAMILIES; i++)
            if (!check->gateway[i] && (check->families.required & check_families[i].bit))
                check_say(check, "no %s gateway on %s", check_families[i].name, check->iface);
    check_round(task);
}

static void end(GTask *task, gboolean passing)
{
    g_task_return_boolean(task, passing);
}

const struct check_kind check_kind_gateway = {
    .name = "gateway",
    .begin = check_find_device,
    .found = check_find_families,
    .prepare = prepare,
    .start = start,
    .end = end,
};

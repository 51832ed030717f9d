/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check "gateway": the default gateway on the device answers now, for each family that counts. */
#include <net/if.h>

#include "check-device.h"
#include "names.h"
#include "neighbour.h"

static const char *const configs[N_FAMILIES] = {"Ip4Config", "Ip6Config"};
static const char *const config_ifaces[N_FAMILIES] = {NM_IFACE_IP4, NM_IFACE_IP6};

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

static void ask_gateway(GTask *task, guint i);

static void take_gateway(GTask *task, guint i, GVariant *reply)
{
    struct check *check = g_task_get_task_data(task);
    g_autoptr(GVariant) properties = g_variant_get_child_value(reply, 0);
    const char *gateway = "";

    g_variant_lookup(properties, "Gateway", "&s", &gateway);
    /* NetworkManager writes a default route without a router as one by the zero address. */
    if (*gateway && strcmp(gateway, "0.0.0.0") != 0 && strcmp(gateway, "::") != 0)
        check->gateway[i] = g_strdup(gateway);
    ask_gateway(task, i + 1);
}

static void on_gateway4(GTask *task, GVariant *reply)
{
    take_gateway(task, 0, reply);
}

static void on_gateway6(GTask *task, GVariant *reply)
{
    take_gateway(task, 1, reply);
}

static void have_gateways(GTask *task)
{
    struct check *check = g_task_get_task_data(task);

    if (!check->gateway[0] && !check->gateway[1])
        check_say(check, "no default gateway on %s", check->iface);
    else
        for (guint i = 0; i < N_FAMILIES; i++)
            if (!check->gateway[i] && (check->families.required & check_families[i].bit))
                check_say(check, "no %s gateway on %s", check_families[i].name, check->iface);
    check_round(task);
}

static void ask_gateway(GTask *task, guint i)
{
    struct check *check = g_task_get_task_data(task);
    const char *config = "/";

    if (i == N_FAMILIES) {
        have_gateways(task);
        return;
    }
    g_variant_lookup(check->device, configs[i], "&o", &config);
    if (!(check_counted(check) & check_families[i].bit) || strcmp(config, "/") == 0)
        ask_gateway(task, i + 1);
    else
        check_ask_properties(task, config, config_ifaces[i], i == 0 ? on_gateway4 : on_gateway6);
}

static void prepare(GTask *task)
{
    ask_gateway(task, 0);
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check "nm": NetworkManager says that the device has full connectivity, for each family that counts.
 *
 * It is not believed alone: its CheckConnectivity replies as soon as *any* device is full, while a device
 * whose network died a moment ago is still full by its property, for up to 20 s. So first the host of
 * NetworkManager's page has to take a connection on this device now; what the page says is NetworkManager's
 * to judge. */
#include <sys/socket.h>

#include "check-device.h"
#include "names.h"

#define FULL 4 /* NM_CONNECTIVITY_FULL */
#define CONNECT_LIMIT_S 4
#define SETTLE_MS 1000

static const GSocketFamily socket_families[N_FAMILIES] = {G_SOCKET_FAMILY_IPV4, G_SOCKET_FAMILY_IPV6};
static const char *const properties[N_FAMILIES] = {"Ip4Connectivity", "Ip6Connectivity"};

static void on_manager(GTask *task, GVariant *reply)
{
    struct check *check = g_task_get_task_data(task);
    g_autoptr(GVariant) manager = g_variant_get_child_value(reply, 0);
    g_autofree char *why = NULL;

    if (!checks_nm_believe(manager, NULL, &why)) {
        check_say(check, "%s", why);
        g_task_return_boolean(task, FALSE);
        return;
    }
    g_variant_lookup(manager, "ConnectivityCheckUri", "s", &check->uri);
    check_find_device(task);
}

static void begin(GTask *task)
{
    check_ask_properties(task, NM_PATH, NM_IFACE, on_manager);
}

static void on_event(GSocketClient *client, GSocketClientEvent event, GSocketConnectable *connectable,
                     GIOStream *stream, gpointer data)
{
    const struct check *check = g_task_get_task_data(data);

    (void)client;
    (void)connectable;
    if (event != G_SOCKET_CLIENT_CONNECTING)
        return;
    GSocket *socket = g_socket_connection_get_socket(G_SOCKET_CONNECTION(stream));
    int fd = g_socket_get_fd(socket);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, check->iface, strlen(check->iface)) < 0)
        g_socket_close(socket, NULL); /* a connection by another device must not pass */
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    struct question *question = data;
    struct check *check = g_task_get_task_data(question->task);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_to_uri_finish(G_SOCKET_CLIENT(source), result, &error);

    if (error)
        g_prefix_error(&error, "%s does not reach %s: ", check_families[question->family].name, check->uri);
    check_answered(question, connection != NULL, check->uri, error);
}

static void start(struct question *question)
{
    struct check *check = g_task_get_task_data(question->task);
    g_autoptr(GSocketClient) client = g_socket_client_new();

    g_socket_client_set_enable_proxy(client, FALSE);
    g_socket_client_set_family(client, socket_families[question->family]);
    g_socket_client_set_timeout(client, CONNECT_LIMIT_S);
    g_signal_connect_object(client, "event", G_CALLBACK(on_event), question->task, 0);
    g_socket_client_connect_to_uri_async(client, check->uri,
                                         g_str_has_prefix(check->uri, "https:") ? 443 : 80, check->cancelled,
                                         on_connected, question);
}

/* Only families that took a connection: without one, "full" is old. */
static gboolean judge_connectivity(struct check *check)
{
    static const char *const words[] = {"unknown", "none", "behind a portal", "limited", "full"};
    gboolean passing;

    check->good = 0;
    g_string_truncate(check->output, 0);
    for (guint i = 0; i < N_FAMILIES; i++) {
        guint32 state = 0;

        g_variant_lookup(check->device, properties[i], "u", &state);
        if (!(check->connected & check_families[i].bit))
            continue;
        if (state == FULL)
            check->good |= check_families[i].bit;
        check_say(check, "%s is %s", check_families[i].name, words[MIN(state, G_N_ELEMENTS(words) - 1)]);
    }
    passing = checks_families_pass(&check->families, check->good);
    if (!passing)
        check_say(check, "full is needed");
    return passing;
}

static void look_again(GTask *task);

static gboolean on_settled(gpointer data)
{
    look_again(data);
    return G_SOURCE_REMOVE;
}

static void settle(GTask *task)
{
    GCancellable *cancellable = g_task_get_cancellable(task);
    g_autoptr(GSource) source = g_timeout_source_new(SETTLE_MS);

    if (cancellable) {
        g_autoptr(GSource) early = g_cancellable_source_new(cancellable);
        g_source_set_dummy_callback(early);
        g_source_add_child_source(source, early);
    }
    g_source_set_callback(source, on_settled, g_object_ref(task), g_object_unref);
    g_source_attach(source, g_task_get_context(task));
}

static void on_connectivity(GTask *task, GVariant *reply)
{
    struct check *check = g_task_get_task_data(task);

    g_clear_pointer(&check->device, g_variant_unref);
    g_variant_get(reply, "(@a{sv})", &check->device);
    if (judge_connectivity(check) || check->settled) {
        g_task_return_boolean(task, checks_families_pass(&check->families, check->good));
        return;
    }
    /* The device's network answers, but NetworkManager, which replies as soon as any device is full, may not
     * have heard it on this one yet. */
    check->settled = TRUE;
    settle(task);
}

static void look_again(GTask *task)
{
    struct check *check = g_task_get_task_data(task);

    check_ask_properties(task, check->path, NM_IFACE_DEVICE, on_connectivity);
}

static void on_checked(GTask *task, GVariant *reply)
{
    (void)reply; /* the best state of all devices: not this one's */
    look_again(task);
}

static void end(GTask *task, gboolean passing)
{
    struct check *check = g_task_get_task_data(task);

    if (passing) {
        check->connected = check->good;
        check_ask(task, NM_PATH, NM_IFACE, "CheckConnectivity", NULL, "(u)", on_checked);
        return;
    }
    /* NetworkManager's property is to follow, but nobody waits the 20 s that this can take. */
    bus_tell(check->bus, NM_BUS_NAME, NM_PATH, NM_IFACE, "CheckConnectivity", NULL);
    g_task_return_boolean(task, FALSE);
}

const struct check_kind check_kind_nm = {
    .name = "nm",
    .begin = begin,
    .found = check_find_families,
    .prepare = check_round,
    .start = start,
    .end = end,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a real dbus-daemon of the test's own. */
#include "bus.h"

#include "names.h"
#include "os.h"

#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#define LIMIT_MS 5000
#define SHORT_MS 100
#define LONG 70000
#define FILES 16
#define MANY 1000
#define FAIR 100
#define PATH "/x"
#define INTERFACE "x.Y"

static GTestDBus *daemon_up(void)
{
    GTestDBus *daemon = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(daemon);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(daemon), TRUE);
    return daemon;
}

static void daemon_down(GTestDBus *daemon)
{
    g_test_dbus_down(daemon);
    g_object_unref(daemon);
}

static Bus *opened(void)
{
    Bus *bus = bus_open(LIMIT_MS);
    g_assert_nonnull(bus);
    g_assert_true(bus_is_open(bus));
    return bus;
}

static GVariant *ask(Bus *bus, const char *method, GVariant *arguments, const char *reply, GError **error)
{
    return bus_call(bus, LIMIT_MS, DBUS_NAME, DBUS_PATH, DBUS_NAME, method, arguments, reply, error);
}

/* Somebody else on the bus, who never answers by himself. */
static sd_bus *other_up(const char **ret_name)
{
    sd_bus *other = NULL;
    g_assert_cmpint(sd_bus_open_system(&other), >=, 0);
    g_assert_cmpint(sd_bus_get_unique_name(other, ret_name), >=, 0);
    return other;
}

static void assert_kind(Bus *bus, const char *method, GVariant *arguments, enum bus_error kind)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(ask(bus, method, arguments, NULL, &error));
    g_assert_error(error, BUS_ERROR, (int)kind);
}

static void test_call(void)
{
    GTestDBus *daemon = daemon_up();
    g_autoptr(Bus) bus = opened();
    g_autoptr(GError) error = NULL;
    gboolean has = FALSE;

    g_autoptr(GVariant) id = ask(bus, "GetId", NULL, "(s)", &error);
    g_assert_no_error(error);
    g_autoptr(GVariant) owned = ask(bus, "NameHasOwner", g_variant_new("(s)", DBUS_NAME), "(b)", &error);
    g_assert_no_error(error);
    g_variant_get(owned, "(b)", &has);
    g_assert_true(has);
    g_assert_null(ask(bus, "GetId", NULL, "(u)", &error)); /* of another type */
    g_assert_error(error, BUS_ERROR, BUS_ERROR_LATER);
    g_clear_error(&error);
    g_assert_null(bus_call(NULL, LIMIT_MS, "x.y", "/", "x.y", "Z", g_variant_new("(u)", 1), NULL, &error));
    g_assert_error(error, BUS_ERROR, BUS_ERROR_LATER);
    g_clear_error(&error);
    g_assert_null(
        bus_call(bus, LIMIT_MS, "x.y", "no path", "x.y", "Z", g_variant_new("(u)", 1), NULL, &error));
    g_assert_error(error, BUS_ERROR, BUS_ERROR_LATER);
    assert_kind(bus, "GetNameOwner", g_variant_new("(s)", "no.body"), BUS_ERROR_LATER);
    assert_kind(bus, "NoSuchMethod", NULL, BUS_ERROR_GONE);
    assert_kind(bus, "GetId", g_variant_new("(u)", 1), BUS_ERROR_REFUSED);
    g_clear_pointer(&bus, bus_unref);
    daemon_down(daemon);
}

static void test_limit(void)
{
    GTestDBus *daemon = daemon_up();
    g_autoptr(Bus) bus = opened();
    g_autoptr(GError) error = NULL;
    const char *name = NULL;
    sd_bus *other = other_up(&name);
    gint64 began_ms = os.boottime_ms();

    g_assert_null(bus_call(bus, SHORT_MS, name, PATH, INTERFACE, "Z", NULL, NULL, &error));
    g_assert_error(error, BUS_ERROR, BUS_ERROR_LATER);
    g_assert_cmpint(os.boottime_ms() - began_ms, >=, SHORT_MS);
    g_assert_cmpint(os.boottime_ms() - began_ms, <, LIMIT_MS);
    sd_bus_close_unref(other);
    g_clear_pointer(&bus, bus_unref);
    daemon_down(daemon);
}

/* A daemon that hangs: the connection is taken, by the kernel, and nothing is said. */
static void test_hanging_daemon(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *directory = g_dir_make_tmp("nm-trial-bus-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "socket", NULL);
    g_autofree char *where = g_strconcat("unix:path=", path, NULL);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    gint64 began_ms = os.boottime_ms();

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(bind(fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", where, TRUE);
    g_assert_null(bus_open(SHORT_MS));
    g_assert_cmpint(os.boottime_ms() - began_ms, >=, SHORT_MS);
    g_assert_cmpint(os.boottime_ms() - began_ms, <, LIMIT_MS);
    close(fd);
    g_unlink(path);
    g_assert_null(bus_open(SHORT_MS)); /* nobody there */
    g_rmdir(directory);
}

/* Signals */

struct ear {
    GString *heard;
    guint changed;
};

static void on_heard(const struct bus_signal *signal, gpointer data)
{
    struct ear *ear = data;
    guint32 n = 0;

    if (strcmp(signal->interface, INTERFACE) != 0)
        return;
    g_assert_true(g_variant_is_of_type(signal->body, G_VARIANT_TYPE("(u)")));
    g_variant_get(signal->body, "(u)", &n);
    g_string_append_printf(ear->heard, "%s%u ", signal->member, n);
}

static void on_changed(gpointer data)
{
    ((struct ear *)data)->changed++;
}

static void emit(sd_bus *other, const char *to, const char *member, guint32 n)
{
    sd_bus_message *message = NULL;
    g_assert_cmpint(sd_bus_message_new_signal(other, &message, PATH, INTERFACE, member), >=, 0);
    g_assert_cmpint(sd_bus_message_append(message, "u", n), >=, 0);
    g_assert_cmpint(to ? sd_bus_send_to(other, message, to, NULL) : sd_bus_send(other, message, NULL), >=, 0);
    sd_bus_message_unref(message);
    g_assert_cmpint(sd_bus_flush(other), >=, 0);
}

static void sync_with(sd_bus *other)
{
    g_assert_cmpint(sd_bus_call_method(other, DBUS_NAME, DBUS_PATH, DBUS_NAME, "GetId", NULL, NULL, NULL), >=,
                    0);
}

static char *own_name(Bus *bus)
{
    g_autoptr(GVariant) names = ask(bus, "ListNames", NULL, "(as)", NULL);
    g_auto(GStrv) list = NULL;
    char *mine = NULL;

    g_variant_get(names, "(^as)", &list);
    for (char **name = list; *name; name++) /* the first connection there was */
        if (**name == ':' && (!mine || strcmp(*name, mine) < 0)) {
            g_free(mine);
            mine = g_strdup(*name);
        }
    return mine;
}

/* What was sent to all before an answer has been heard when the answer is there, in its order; the loop is
 * told once. */
static void test_signals(void)
{
    static const char *const rules[] = {"type='signal',interface='" INTERFACE "',member='A'",
                                        "type='signal',interface='" INTERFACE "',member='B'", NULL};
    GTestDBus *daemon = daemon_up();
    g_autoptr(Bus) bus = opened();
    g_autofree char *self = own_name(bus);
    struct ear ear = {g_string_new(NULL), 0};
    const char *name = NULL;
    sd_bus *other = other_up(&name);

    bus_follow(bus, rules, on_heard, on_changed, &ear);
    g_variant_unref(ask(bus, "GetId", NULL, "(s)", NULL));
    emit(other, NULL, "A", 1);
    emit(other, NULL, "C", 2); /* no rule lets it through */
    emit(other, self, "A", 3); /* to this connection alone */
    emit(other, NULL, "B", 4);
    sync_with(other);
    g_variant_unref(ask(bus, "GetId", NULL, "(s)", NULL));
    g_assert_cmpstr(ear.heard->str, ==, "A1 B4 ");
    g_assert_cmpuint(ear.changed, ==, 0);
    g_assert_true(g_main_context_iteration(NULL, FALSE));
    g_assert_cmpuint(ear.changed, ==, 1);
    g_assert_false(g_main_context_iteration(NULL, FALSE)); /* it is at rest */

    emit(other, NULL, "A", 5);
    while (ear.changed < 2) /* nobody calls: the loop hears it */
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpstr(ear.heard->str, ==, "A1 B4 A5 ");

    for (int i = 0; i < MANY; i++)
        emit(other, NULL, "A", 0);
    sync_with(other);
    g_string_truncate(ear.heard, 0);
    for (gsize before = 0; before < MANY * strlen("A0 "); before = ear.heard->len) {
        g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(ear.heard->len - before, <=, FAIR * strlen("A0 ")); /* others have their turn */
    }

    ear.changed = 0;
    daemon_down(daemon);
    while (ear.changed == 0) /* the bus' end, too */
        g_main_context_iteration(NULL, TRUE);
    g_assert_false(bus_is_open(bus));
    g_string_free(ear.heard, TRUE);
    sd_bus_close_unref(other);
}

/* Calls that nobody waits for */

struct answer {
    guint n;
    GVariant *reply;
    GError *error;
};

static void on_answer(GVariant *reply, const GError *error, gpointer data)
{
    struct answer *answer = data;
    g_assert_true((reply == NULL) == (error != NULL));
    answer->n++;
    answer->reply = reply ? g_variant_ref(reply) : NULL;
    answer->error = error ? g_error_copy(error) : NULL;
}

static void answer_clear(struct answer *answer)
{
    g_clear_pointer(&answer->reply, g_variant_unref);
    g_clear_error(&answer->error);
    answer->n = 0;
}

static void wait_for(const struct answer *answer)
{
    while (answer->n == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(answer->n, ==, 1);
}

static void test_async(void)
{
    GTestDBus *daemon = daemon_up();
    g_autoptr(Bus) bus = opened();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    struct answer answer = {0}, other_answer = {0};
    const char *name = NULL;
    sd_bus *other = other_up(&name);

    bus_call_async(bus, LIMIT_MS, DBUS_NAME, DBUS_PATH, DBUS_NAME, "GetId", NULL, "(s)", cancellable,
                   on_answer, &answer);
    g_assert_cmpuint(answer.n, ==, 0);
    g_variant_unref(ask(bus, "GetId", NULL, "(s)", NULL)); /* read meanwhile, told by the loop alone */
    g_assert_cmpuint(answer.n, ==, 0);
    wait_for(&answer);
    g_assert_nonnull(answer.reply);
    answer_clear(&answer);

    bus_call_async(bus, SHORT_MS, name, PATH, INTERFACE, "Z", NULL, NULL, NULL, on_answer, &answer);
    wait_for(&answer);
    g_assert_error(answer.error, BUS_ERROR, BUS_ERROR_LATER);
    answer_clear(&answer);

    bus_call_async(bus, LIMIT_MS, "x.y", "no path", INTERFACE, "Z", NULL, NULL, NULL, on_answer, &answer);
    wait_for(&answer);
    g_assert_error(answer.error, BUS_ERROR, BUS_ERROR_LATER);
    answer_clear(&answer);

    bus_call_async(bus, LIMIT_MS, name, PATH, INTERFACE, "Z", NULL, NULL, cancellable, on_answer, &answer);
    bus_call_async(bus, LIMIT_MS, name, PATH, INTERFACE, "Z", NULL, NULL, NULL, on_answer, &other_answer);
    g_cancellable_cancel(cancellable);
    g_assert_cmpuint(answer.n, ==, 0); /* from the loop alone */
    wait_for(&answer);
    g_assert_error(answer.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    answer_clear(&answer);
    bus_call_async(bus, LIMIT_MS, name, PATH, INTERFACE, "Z", NULL, NULL, cancellable, on_answer, &answer);
    wait_for(&answer); /* cancelled before it began */
    g_assert_error(answer.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    answer_clear(&answer);

    sd_bus_close_unref(other); /* without it, the call that is open has its end */
    wait_for(&other_answer);
    g_assert_error(other_answer.error, BUS_ERROR, BUS_ERROR_LATER);
    answer_clear(&other_answer);
    g_clear_pointer(&bus, bus_unref);
    daemon_down(daemon);
}

static void test_lost(void)
{
    GTestDBus *daemon = daemon_up();
    g_autoptr(Bus) bus = opened();
    g_autoptr(GError) error = NULL;
    struct answer answer = {0};
    const char *name = NULL;
    sd_bus *other = other_up(&name);

    bus_call_async(bus, LIMIT_MS, name, PATH, INTERFACE, "Z", NULL, NULL, NULL, on_answer, &answer);
    daemon_down(daemon);
    GVariant *reply;
    while ((reply = ask(bus, "GetId", NULL, "(s)", &error))) /* it takes its time to go */
        g_variant_unref(reply);
    g_assert_error(error, BUS_ERROR, BUS_ERROR_LATER);
    wait_for(&answer);
    g_assert_error(answer.error, BUS_ERROR, BUS_ERROR_LATER);
    answer_clear(&answer);
    g_assert_false(bus_is_open(bus));
    g_clear_error(&error);
    g_assert_null(ask(bus, "GetId", NULL, "(s)", &error));
    g_assert_error(error, BUS_ERROR, BUS_ERROR_LATER);
    sd_bus_close_unref(other);
}

/* Without a connection there is an answer, too, and from the loop alone. */
static void test_after_it_was_lost(void)
{
    GTestDBus *daemon = daemon_up();
    g_autoptr(Bus) bus = opened();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    struct answer answer = {0};
    gboolean open = TRUE;

    daemon_down(daemon);
    while (open) {
        g_autoptr(GVariant) reply = ask(bus, "GetId", NULL, "(s)", NULL);
        open = reply != NULL;
    }
    for (int i = 0; i < 2; i++) { /* the source is made with the first */
        bus_call_async(bus, LIMIT_MS, DBUS_NAME, DBUS_PATH, DBUS_NAME, "GetId", NULL, "(s)", cancellable,
                       on_answer, &answer);
        g_assert_cmpuint(answer.n, ==, 0);
        wait_for(&answer);
        g_assert_error(answer.error, BUS_ERROR, BUS_ERROR_LATER);
        answer_clear(&answer);
    }
    bus_tell(bus, DBUS_NAME, DBUS_PATH, DBUS_NAME, "GetId", NULL);
    g_assert_false(g_main_context_iteration(NULL, FALSE)); /* it is at rest */
}

static guint open_files(void)
{
    g_autoptr(GDir) directory = g_dir_open("/proc/self/fd", 0, NULL);
    guint n = 0;
    while (g_dir_read_name(directory))
        n++;
    return n;
}

/* A signal with file descriptors whose path is longer than sd-bus takes, dbus-daemon does. */
static void send_files(GDBusConnection *attacker, const char *to)
{
    g_autofree char *path = g_strnfill(LONG, 'x');
    g_autoptr(GUnixFDList) files = g_unix_fd_list_new();

    path[0] = '/';
    g_autoptr(GDBusMessage) message = g_dbus_message_new_signal(path, INTERFACE, "A");
    for (int i = 0; i < FILES; i++)
        g_assert_cmpint(g_unix_fd_list_append(files, STDIN_FILENO, NULL), ==, i);
    g_dbus_message_set_destination(message, to);
    g_dbus_message_set_unix_fd_list(message, files);
    g_dbus_message_set_body(message, g_variant_new("(h)", 0));
    g_assert_true(
        g_dbus_connection_send_message(attacker, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
    g_assert_true(g_dbus_connection_flush_sync(attacker, NULL, NULL));
}

/* Nobody can fill our table of open files. */
static void test_files_sent(void)
{
    GTestDBus *daemon = daemon_up();
    g_autoptr(Bus) bus = opened();
    g_autofree char *self = own_name(bus);
    g_autoptr(GDBusConnection) attacker = g_dbus_connection_new_for_address_sync(
        g_test_dbus_get_bus_address(daemon),
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
        NULL, NULL);
    guint before = open_files();

    for (int i = 0; i < 3; i++) {
        send_files(attacker, self);
        g_variant_unref(ask(bus, "GetId", NULL, "(s)", NULL));
    }
    g_assert_cmpuint(open_files(), <=, before); /* GLib closes one of its own meanwhile */
    g_assert_true(g_dbus_connection_close_sync(attacker, NULL, NULL));
    g_clear_pointer(&bus, bus_unref);
    daemon_down(daemon);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bus/call", test_call);
    g_test_add_func("/bus/limit", test_limit);
    g_test_add_func("/bus/hanging-daemon", test_hanging_daemon);
    g_test_add_func("/bus/signals", test_signals);
    g_test_add_func("/bus/async", test_async);
    g_test_add_func("/bus/lost", test_lost);
    g_test_add_func("/bus/after-it-was-lost", test_after_it_was_lost);
    g_test_add_func("/bus/files-sent", test_files_sent);
    return g_test_run();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include "names.h"
#include "os.h"
#include "variant.h"

#include <errno.h>
#include <string.h>

G_DEFINE_QUARK(nm_trial_bus_error_quark, bus_error)

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"
#define USEC_PER_MSEC 1000u
/* Messages; then the loop's other sources, a deadline, have their turn: anybody can send us many. */
#define TURN_MAX 64

/* The connection as a source of the main loop. */
struct bus_source {
    GSource source;
    Bus *bus;
    GPollFD socket;
};

struct Bus {
    guint references;
    sd_bus *sd;
    gboolean lost;             /* nothing is asked of `sd` any more */
    struct bus_source *source; /* NULL: nobody has asked for one yet */
    GQueue open;               /* struct call: sent */
    GQueue answered;           /* struct call: their callers are to be told */
    void (*heard)(const struct bus_signal *, gpointer);
    void (*changed)(gpointer);
    gpointer follower;
    gboolean news; /* `changed` is to be called */
};

struct call {
    Bus *bus;
    sd_bus_slot *slot;
    char *wanted; /* the reply's type, NULL: any */
    gboolean done;
    GVariant *reply;
    GError *error;
    /* nobody waits */
    GCancellable *cancellable;
    gulong cancelling;
    BusAnswered answered;
    gpointer data;
};

/* Errors */

static enum bus_error kind_of(const char *name)
{
    static const char *const gone[] = {"org.freedesktop.DBus.Error.UnknownObject",
                                       "org.freedesktop.DBus.Error.UnknownMethod",
                                       "org.freedesktop.DBus.Error.UnknownInterface",
                                       "org.freedesktop.NetworkManager.UnknownConnection",
                                       "org.freedesktop.NetworkManager.UnknownDevice",
                                       "org.freedesktop.NetworkManager.ConnectionNotActive",
                                       "org.freedesktop.NetworkManager.Device.NotActive",
                                       "org.freedesktop.NetworkManager.Settings.InvalidConnection",
                                       NULL};
    static const char *const later[] = {
        "org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.Timeout", NULL};

    if (strcmp(name, "org.freedesktop.systemd1.NoSuchUnit") == 0)
        return BUS_ERROR_NO_UNIT;
    if (g_strv_contains(later, name))
        return BUS_ERROR_LATER;
    return g_strv_contains(gone, name) ? BUS_ERROR_GONE : BUS_ERROR_REFUSED;
}

/* One connection, its calls and what it hears */

static void answer(struct call *call)
{
    call->done = TRUE;
    call->slot = sd_bus_slot_unref(call->slot); /* on_reply() is not called any more */
    g_queue_remove(&call->bus->open, call);
    if (call->answered)
        g_queue_push_tail(&call->bus->answered, call);
}

/* Whatever sd-bus cannot go on with, not a disconnection alone: it would fail in the same way for ever. */
static void lose(Bus *bus)
{
    struct call *call;

    if (bus->lost)
        return;
    bus->lost = TRUE;
    if (bus->source)
        g_source_remove_poll(&bus->source->source, &bus->source->socket);
    sd_bus_close(bus->sd);
    while ((call = g_queue_peek_head(&bus->open))) {
        g_set_error_literal(&call->error, BUS_ERROR, BUS_ERROR_LATER, "the connection to the bus was lost");
        answer(call);
    }
    bus->news = bus->changed != NULL;
}

static gboolean is_trouble(int r)
{
    return r < 0 && r != -EINTR && r != -EAGAIN;
}

/* Reads and takes one message. FALSE: there is none. */
static gboolean process(Bus *bus)
{
    int r = bus->lost ? 0 : sd_bus_process(bus->sd, NULL);
    if (is_trouble(r) || (!bus->lost && sd_bus_is_open(bus->sd) <= 0))
        lose(bus);
    return r > 0 && !bus->lost;
}

static void wait_for_one(Bus *bus, guint64 limit_us)
{
    if (!bus->lost && is_trouble(sd_bus_wait(bus->sd, limit_us)))
        lose(bus);
}

static void take_reply(struct call *call, sd_bus_message *message)
{
    const sd_bus_error *refused = sd_bus_message_get_error(message);

    if (refused) {
        /* of a connection that closes, sd-bus' own word: by systemd's release NoReply, or the errno's name */
        gboolean lost = sd_bus_is_open(call->bus->sd) <= 0;
        g_set_error_literal(&call->error, BUS_ERROR, lost ? BUS_ERROR_LATER : (int)kind_of(refused->name),
                            refused->message ? refused->message : refused->name);
        return;
    }
    call->reply = variant_of_message(message);
    if (call->reply && call->wanted && !g_variant_is_of_type(call->reply, G_VARIANT_TYPE(call->wanted)))
        g_clear_pointer(&call->reply, g_variant_unref);
    if (!call->reply)
        g_set_error_literal(&call->error, BUS_ERROR, BUS_ERROR_LATER, "the answer is of another type");
}

static int on_reply(sd_bus_message *message, void *data, sd_bus_error *error)
{
    struct call *call = data;

    (void)error;
    take_reply(call, message);
    answer(call);
    return 1;
}

static int on_message(sd_bus_message *message, void *data, sd_bus_error *error)
{
    Bus *bus = data;

    (void)error;
    if (!bus->changed || !sd_bus_message_is_signal(message, NULL, NULL) ||
        sd_bus_message_get_destination(message))
        return 0;
    g_autoptr(GVariant) body = variant_of_message(message);
    if (!body)
        return 0;
    const struct bus_signal signal = {sd_bus_message_get_sender(message), sd_bus_message_get_path(message),
                                      sd_bus_message_get_interface(message),
                                      sd_bus_message_get_member(message), body};
    bus->heard(&signal, bus->follower);
    bus->news = TRUE;
    return 0;
}

static int new_call(Bus *bus, const char *name, const char *path, const char *interface, const char *method,
                    GVariant *arguments, sd_bus_message **ret)
{
    sd_bus_message *message = NULL;
    int r = bus->lost ? -ENOTCONN
                      : sd_bus_message_new_method_call(bus->sd, &message, name, path, interface, method);

    if (r >= 0)
        r = sd_bus_message_set_auto_start(message, 0);
    if (r >= 0 && arguments)
        r = variant_append(message, arguments);
    if (r >= 0)
        *ret = message;
    else
        sd_bus_message_unref(message);
    return r;
}

/* What cannot be sent is answered at once. */
static void send_call(struct call *call, int limit_ms, const char *name, const char *path,
                      const char *interface, const char *method, GVariant *arguments)
{
    sd_bus_message *message = NULL;
    int r = new_call(call->bus, name, path, interface, method, arguments, &message);

    if (r >= 0)
        r = sd_bus_call_async(call->bus->sd, &call->slot, message, on_reply, call,
                              (guint64)limit_ms * USEC_PER_MSEC);
    sd_bus_message_unref(message);
    if (r >= 0) {
        g_queue_push_tail(&call->bus->open, call);
        return;
    }
    g_set_error_literal(&call->error, BUS_ERROR, BUS_ERROR_LATER, g_strerror(-r));
    answer(call);
}

static void call_clear(struct call *call)
{
    g_clear_pointer(&call->wanted, g_free);
    g_clear_pointer(&call->reply, g_variant_unref);
    g_clear_error(&call->error);
}

static gboolean is_ready(Bus *bus, gint64 until_ms)
{
    while (!bus->lost && sd_bus_is_ready(bus->sd) == 0) {
        gint64 left_ms = until_ms - os.boottime_ms();
        if (left_ms <= 0)
            return FALSE;
        if (!process(bus))
            wait_for_one(bus, (guint64)left_ms * USEC_PER_MSEC);
    }
    return !bus->lost;
}

/* As sd_bus_open_system(), but for file descriptors: sd-bus does not close those of a message that it
 * refuses, and anybody can send us such ones until we have no more to open files with (seen on 252). */
static gboolean set_up(Bus *bus)
{
    const char *address = g_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    return sd_bus_new(&bus->sd) >= 0 && sd_bus_set_address(bus->sd, address ? address : SYSTEM_BUS) >= 0 &&
           sd_bus_set_bus_client(bus->sd, TRUE) >= 0 && sd_bus_negotiate_fds(bus->sd, FALSE) >= 0 &&
           sd_bus_start(bus->sd) >= 0 && sd_bus_add_filter(bus->sd, NULL, on_message, bus) >= 0;
}

Bus *bus_open(int limit_ms)
{
    gint64 until_ms = os.boottime_ms() + limit_ms;
    g_autoptr(Bus) bus = g_new0(Bus, 1);

    bus->references = 1;
    return set_up(bus) && is_ready(bus, until_ms) ? g_steal_pointer(&bus) : NULL;
}

Bus *bus_ref(Bus *bus)
{
    bus->references++;
    return bus;
}

void bus_unref(Bus *bus)
{
    if (!bus || --bus->references > 0)
        return;
    if (bus->source) {
        g_source_destroy(&bus->source->source);
        g_source_unref(&bus->source->source);
    }
    sd_bus_close_unref(bus->sd);
    g_free(bus);
}

gboolean bus_is_open(const Bus *bus)
{
    return !bus->lost;
}

/* The main loop. What is read while somebody waits in bus_call() is told here, too. */

static void tell(struct call *call)
{
    g_cancellable_disconnect(call->cancellable, call->cancelling);
    call->answered(call->reply, call->error, call->data);
    call_clear(call);
    g_clear_object(&call->cancellable);
    bus_unref(call->bus);
    g_free(call);
}

static gboolean has_word(const Bus *bus)
{
    return bus->news || bus->answered.length > 0;
}

static gboolean prepare(GSource *source, int *ret_timeout_ms)
{
    struct bus_source *self = (struct bus_source *)source;
    const Bus *bus = self->bus;
    guint64 until_us = 0;

    *ret_timeout_ms = -1;
    if (bus->lost || has_word(bus))
        return has_word(bus);
    int events = sd_bus_get_events(bus->sd);
    if (events < 0) /* process() will see why */
        return TRUE;
    self->socket.events = (gushort)events;
    if (sd_bus_get_timeout(bus->sd, &until_us) > 0 && until_us != G_MAXUINT64) {
        gint64 left_us = (gint64)until_us - g_get_monotonic_time();
        *ret_timeout_ms = left_us <= 0 ? 0 : (int)MIN((left_us + 999) / 1000, G_MAXINT);
    }
    return *ret_timeout_ms == 0;
}

static gboolean check(GSource *source)
{
    struct bus_source *self = (struct bus_source *)source;
    int timeout_ms = -1;
    return (!self->bus->lost && self->socket.revents != 0) || prepare(source, &timeout_ms);
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    g_autoptr(Bus) bus = bus_ref(((struct bus_source *)source)->bus);
    struct call *call;

    (void)callback, (void)data;
    for (int n = 0; n < TURN_MAX && process(bus); n++)
        ;
    while ((call = g_queue_pop_head(&bus->answered)))
        tell(call);
    if (bus->news) {
        bus->news = FALSE;
        bus->changed(bus->follower);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = {prepare, check, dispatch, NULL, NULL, NULL};

static void attach(Bus *bus)
{
    if (bus->source)
        return;
    GSource *source = g_source_new(&source_functions, sizeof *bus->source);
    bus->source = (struct bus_source *)source;
    bus->source->bus = bus;
    bus->source->socket.fd = bus->lost ? -1 : sd_bus_get_fd(bus->sd);
    if (!bus->lost)
        g_source_add_poll(source, &bus->source->socket);
    g_source_attach(source, g_main_context_get_thread_default());
}

/* Calls */

GVariant *bus_call(Bus *bus, int limit_ms, const char *name, const char *path, const char *interface,
                   const char *method, GVariant *arguments, const char *reply, GError **error)
{
    g_autoptr(GVariant) owned = arguments ? g_variant_ref_sink(arguments) : NULL;

    if (!bus) {
        g_set_error_literal(error, BUS_ERROR, BUS_ERROR_LATER, "the system bus cannot be reached");
        return NULL;
    }
    struct call call = {.bus = bus, .wanted = g_strdup(reply)};
    send_call(&call, limit_ms, name, path, interface, method, owned);
    while (!call.done)
        if (!process(bus))
            wait_for_one(bus, G_MAXUINT64); /* the call has its limit */
    GVariant *result = g_steal_pointer(&call.reply);
    if (call.error)
        g_propagate_error(error, g_steal_pointer(&call.error));
    call_clear(&call);
    return result;
}

static void on_cancelled(GCancellable *cancellable, gpointer data)
{
    struct call *call = data;

    if (!call->done && g_cancellable_set_error_if_cancelled(cancellable, &call->error))
        answer(call);
}

void bus_call_async(Bus *bus, int limit_ms, const char *name, const char *path, const char *interface,
                    const char *method, GVariant *arguments, const char *reply, GCancellable *cancellable,
                    BusAnswered answered, gpointer data)
{
    g_autoptr(GVariant) owned = arguments ? g_variant_ref_sink(arguments) : NULL;
    struct call *call = g_new0(struct call, 1);

    *call = (struct call){.bus = bus_ref(bus), .wanted = g_strdup(reply), .answered = answered, .data = data};
    attach(bus);
    send_call(call, limit_ms, name, path, interface, method, owned);
    if (cancellable) {
        call->cancellable = g_object_ref(cancellable);
        call->cancelling = g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), call, NULL);
    }
}

void bus_tell(Bus *bus, const char *name, const char *path, const char *interface, const char *method,
              GVariant *arguments)
{
    g_autoptr(GVariant) owned = arguments ? g_variant_ref_sink(arguments) : NULL;
    sd_bus_message *message = NULL;

    attach(bus); /* which sends what does not go at once */
    if (new_call(bus, name, path, interface, method, owned, &message) >= 0 &&
        sd_bus_message_set_expect_reply(message, 0) >= 0)
        (void)sd_bus_send(bus->sd, message, NULL);
    sd_bus_message_unref(message);
}

void bus_follow(Bus *bus, const char *const *rules, void (*heard)(const struct bus_signal *, gpointer),
                void (*changed)(gpointer), gpointer data)
{
    bus->heard = heard;
    bus->changed = changed;
    bus->follower = data;
    for (const char *const *rule = rules; *rule; rule++)
        bus_tell(bus, DBUS_NAME, DBUS_PATH, DBUS_NAME, "AddMatch", g_variant_new("(s)", *rule));
}

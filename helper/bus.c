/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include "names.h"
#include "os.h"
#include "variant.h"

#include <errno.h>

G_DEFINE_QUARK(nm_trial_bus_error_quark, bus_error)

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
    struct bus_source *source; /* NULL: nobody has asked for one yet */
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
                                       "org.freedesktop.NetworkManager.Settings.InvalidConnection",
                                       "org.freedesktop.systemd1.NoSuchUnit",
                                       NULL};
    static const char *const later[] = {
        "org.freedesktop.DBus.Error.NoReply",        "org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.Timeout",
        "org.freedesktop.DBus.Error.Disconnected",   NULL};

    if (g_strv_contains(later, name))
        return BUS_ERROR_LATER;
    return g_strv_contains(gone, name) ? BUS_ERROR_GONE : BUS_ERROR_REFUSED;
}

static void set_errno(GError **error, int negative)
{
    g_set_error_literal(error, BUS_ERROR, BUS_ERROR_LATER, g_strerror(-negative));
}

/* Messages */

static void take_reply(struct call *call, sd_bus_message *message)
{
    const sd_bus_error *refused = sd_bus_message_get_error(message);

    if (refused) {
        g_set_error_literal(&call->error, BUS_ERROR, (int)kind_of(refused->name),
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
    call->done = TRUE;
    if (call->answered)
        g_queue_push_tail(&call->bus->answered, call);
    return 1;
}

static int on_message(sd_bus_message *message, void *data, sd_bus_error *error)
{
    Bus *bus = data;

    (void)error;
    if (!sd_bus_message_is_signal(message, NULL, NULL) || sd_bus_message_get_destination(message))
        return 0;
    g_autoptr(GVariant) body = variant_of_message(message);
    if (!body || !bus->changed)
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
    int r = sd_bus_message_new_method_call(bus->sd, &message, name, path, interface, method);

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

/* Negative: it could not be sent, and on_reply() will not be called. */
static int send_call(struct call *call, int limit_ms, const char *name, const char *path,
                     const char *interface, const char *method, GVariant *arguments)
{
    sd_bus_message *message = NULL;
    int r = new_call(call->bus, name, path, interface, method, arguments, &message);

    if (r >= 0)
        r = sd_bus_call_async(call->bus->sd, &call->slot, message, on_reply, call,
                              (guint64)limit_ms * USEC_PER_MSEC);
    sd_bus_message_unref(message);
    return r;
}

static void call_clear(struct call *call)
{
    call->slot = sd_bus_slot_unref(call->slot);
    g_clear_pointer(&call->wanted, g_free);
    g_clear_pointer(&call->reply, g_variant_unref);
    g_clear_error(&call->error);
}

/* One message, or a wait for one, for `limit_us` at most. Negative: the connection is lost. */
static int turn(Bus *bus, guint64 limit_us)
{
    int r = sd_bus_process(bus->sd, NULL);
    if (r == 0)
        r = sd_bus_wait(bus->sd, limit_us);
    return r == -EINTR || r == -EAGAIN ? 0 : r;
}

/* The connection */

static gboolean is_ready(Bus *bus, gint64 until_ms)
{
    int r = 0;
    while (r >= 0 && sd_bus_is_ready(bus->sd) == 0) {
        gint64 left_ms = until_ms - os.boottime_ms();
        if (left_ms <= 0)
            return FALSE;
        r = turn(bus, (guint64)left_ms * USEC_PER_MSEC);
    }
    return r >= 0 && sd_bus_is_ready(bus->sd) > 0;
}

Bus *bus_open(int limit_ms)
{
    gint64 until_ms = os.boottime_ms() + limit_ms;
    g_autoptr(Bus) bus = g_new0(Bus, 1);

    bus->references = 1;
    if (sd_bus_open_system(&bus->sd) < 0 || !is_ready(bus, until_ms) ||
        sd_bus_add_filter(bus->sd, NULL, on_message, bus) < 0)
        return NULL;
    return g_steal_pointer(&bus);
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
    return sd_bus_is_open(bus->sd) > 0;
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
    return bus->news || !g_queue_is_empty((GQueue *)&bus->answered);
}

static gboolean prepare(GSource *source, int *ret_timeout_ms)
{
    struct bus_source *self = (struct bus_source *)source;
    guint64 until_us = 0;
    int events = sd_bus_get_events(self->bus->sd);

    *ret_timeout_ms = -1;
    if (events < 0 || has_word(self->bus))
        return TRUE;
    self->socket.events = (gushort)events;
    if (sd_bus_get_timeout(self->bus->sd, &until_us) > 0 && until_us != G_MAXUINT64) {
        gint64 left_us = (gint64)until_us - g_get_monotonic_time();
        *ret_timeout_ms = left_us <= 0 ? 0 : (int)MIN((left_us + 999) / 1000, G_MAXINT);
    }
    return *ret_timeout_ms == 0;
}

static gboolean check(GSource *source)
{
    struct bus_source *self = (struct bus_source *)source;
    int timeout_ms = -1;
    return self->socket.revents != 0 || prepare(source, &timeout_ms);
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    g_autoptr(Bus) bus = bus_ref(((struct bus_source *)source)->bus);
    struct call *call;

    (void)callback, (void)data;
    for (int n = 0; n < TURN_MAX && sd_bus_process(bus->sd, NULL) > 0; n++)
        ;
    while ((call = g_queue_pop_head(&bus->answered)))
        tell(call);
    if (bus->news) {
        bus->news = FALSE;
        bus->changed(bus->follower);
    }
    return sd_bus_is_open(bus->sd) > 0;
}

static GSourceFuncs source_functions = {prepare, check, dispatch, NULL, NULL, NULL};

static void attach(Bus *bus)
{
    if (bus->source)
        return;
    GSource *source = g_source_new(&source_functions, sizeof *bus->source);
    bus->source = (struct bus_source *)source;
    bus->source->bus = bus;
    bus->source->socket.fd = sd_bus_get_fd(bus->sd);
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
    GVariant *result;
    int r = send_call(&call, limit_ms, name, path, interface, method, owned);

    while (r >= 0 && !call.done)
        r = turn(bus, G_MAXUINT64); /* the call has its limit */
    if (!call.done)
        set_errno(&call.error, r);
    result = g_steal_pointer(&call.reply);
    if (call.error)
        g_propagate_error(error, g_steal_pointer(&call.error));
    call_clear(&call);
    return result;
}

static void on_cancelled(GCancellable *cancellable, gpointer data)
{
    struct call *call = data;

    if (call->done)
        return;
    call->slot = sd_bus_slot_unref(call->slot); /* on_reply() is not called any more */
    call->done = g_cancellable_set_error_if_cancelled(cancellable, &call->error);
    g_queue_push_tail(&call->bus->answered, call);
}

void bus_call_async(Bus *bus, int limit_ms, const char *name, const char *path, const char *interface,
                    const char *method, GVariant *arguments, const char *reply, GCancellable *cancellable,
                    BusAnswered answered, gpointer data)
{
    g_autoptr(GVariant) owned = arguments ? g_variant_ref_sink(arguments) : NULL;
    struct call *call = g_new0(struct call, 1);

    *call = (struct call){.bus = bus_ref(bus), .wanted = g_strdup(reply), .answered = answered, .data = data};
    attach(bus);
    int r = send_call(call, limit_ms, name, path, interface, method, owned);
    if (r < 0) {
        set_errno(&call->error, r);
        call->done = TRUE;
        g_queue_push_tail(&bus->answered, call);
    } else if (cancellable) {
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to the system bus, over sd-bus, with GVariants for what is said. No thread: while a call waits
 * for its answer, signals are heard in their order. Nothing of a caller's runs while a message is looked at,
 * so a call may be made from everywhere. One thread uses a connection. */
#pragma once

#include <gio/gio.h>

#define BUS_ERROR (bus_error_quark())
GQuark bus_error_quark(void);
enum bus_error {
    BUS_ERROR_LATER,   /* no answer, not there, still starting: worth another try */
    BUS_ERROR_GONE,    /* the object that was asked for does not exist */
    BUS_ERROR_NO_UNIT, /* systemd has no such unit */
    BUS_ERROR_REFUSED, /* who was asked said no; the message is its own */
};

typedef struct Bus Bus;

/* Connects, within `limit_ms`: a bus daemon that hangs accepts and never answers. NULL: it cannot be reached.
 * Caller unrefs. */
Bus *bus_open(int limit_ms);
Bus *bus_ref(Bus *bus);
void bus_unref(Bus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bus, bus_unref)
/* FALSE: it was lost, and stays so. */
gboolean bus_is_open(const Bus *bus);

/* One call, which starts no service. Takes floating `arguments` (a tuple; NULL: none) over; `reply` is the
 * type that the answer must have (a tuple's), NULL: any. NULL with a BUS_ERROR; a `bus` that is NULL cannot
 * be reached. Caller unrefs. */
GVariant *bus_call(Bus *bus, int limit_ms, const char *name, const char *path, const char *interface,
                   const char *method, GVariant *arguments, const char *reply, GError **error);

/* The same without waiting: `answered` is called once, from the thread's default main context, with the reply
 * (borrowed) or NULL and the error: a BUS_ERROR, or G_IO_ERROR_CANCELLED soon after `cancellable` (may be
 * NULL) has fired. */
typedef void (*BusAnswered)(GVariant *reply, const GError *error, gpointer data);
void bus_call_async(Bus *bus, int limit_ms, const char *name, const char *path, const char *interface,
                    const char *method, GVariant *arguments, const char *reply, GCancellable *cancellable,
                    BusAnswered answered, gpointer data);

/* A call whose answer nobody waits for. */
void bus_tell(Bus *bus, const char *name, const char *path, const char *interface, const char *method,
              GVariant *arguments);

/* A signal to all. Borrowed. */
struct bus_signal {
    const char *sender, *path, *interface, *member;
    GVariant *body; /* a tuple */
};

/* From here on, the signals that one of the rules (D-Bus match rules; NULL-terminated) lets through: `heard`
 * is called for each in its turn, and may call nothing here; then `changed`, once for all that came together,
 * from the thread's default main context. Signals to this connection alone are left out: anybody can send
 * them. Once for a connection. */
void bus_follow(Bus *bus, const char *const *rules, void (*heard)(const struct bus_signal *, gpointer data),
                void (*changed)(gpointer data), gpointer data);

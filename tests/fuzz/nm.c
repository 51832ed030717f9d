/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of bus.h, by the linker's --wrap. */
#include "nm.h"

#include "message.h"

#include <string.h>

#pragma GCC visibility push(default)

#define DEPTH_MAX 4
#define LENGTH_MAX 4

static struct bytes *answers;
static char bus;
static void (*hear)(const struct bus_signal *, gpointer);
static gpointer follower;

void nm_answers(struct bytes *in)
{
    answers = in;
}

/* Values */

static const char *const words[] = {"Startup",
                                    "Filename",
                                    "Unsaved",
                                    "Flags",
                                    "StateReason",
                                    "Interface",
                                    "ActiveConnection",
                                    "Uuid",
                                    "State",
                                    "Devices",
                                    "Created",
                                    "RollbackTimeout",
                                    "ConnectivityCheckUri",
                                    "ConnectivityCheckAvailable",
                                    "ConnectivityCheckEnabled",
                                    "connection",
                                    "ipv4",
                                    "ipv6",
                                    "user",
                                    "data",
                                    "id",
                                    "uuid",
                                    "type",
                                    "method",
                                    "may-fail",
                                    "never-default",
                                    "timestamp",
                                    "autoconnect",
                                    "interface-name",
                                    "802-3-ethernet",
                                    "auto",
                                    "manual",
                                    "eth0",
                                    "5a3b1c9e-0000-4000-8000-000000000001",
                                    "/etc/NetworkManager/system-connections/x.nmconnection",
                                    "nm-trial.replaces",
                                    "address-data",
                                    "addresses",
                                    "psk",
                                    "802-11-wireless",
                                    "802-11-wireless-security",
                                    "http://192.0.2.1/",
                                    ""};
static const char *const paths[] = {"/", "/org/freedesktop/NetworkManager/Devices/1",
                                    "/org/freedesktop/NetworkManager/Settings/2",
                                    "/org/freedesktop/NetworkManager/ActiveConnection/3"};
static const char *const types[] = {"b", "u", "s",     "o",     "ao", "as",  "(uu)",   "x",
                                    "t", "i", "a{ss}", "a{sv}", "ay", "aau", "aa{sv}", "d",
                                    "v", "q", "y",     "au",    "g",  "()"};

static GVariant *value(const GVariantType *type, struct bytes *in, int depth);

static char *text(struct bytes *in)
{
    uint8_t n = fuzz_byte(in);
    if (n < G_N_ELEMENTS(words))
        return g_strdup(words[n]);
    size_t size = 0;
    const uint8_t *bytes = fuzz_some(in, &size);
    g_autofree char *raw = g_strndup((const char *)bytes, size);
    return g_utf8_make_valid(raw, -1);
}

static GVariant *number(const GVariantType *type, struct bytes *in)
{
    guint64 n = 0;
    uint8_t size = fuzz_byte(in) & 8;

    for (int i = 0; i <= size; i++)
        n = n << 8 | fuzz_byte(in);
    switch (*g_variant_type_peek_string(type)) {
    case 'b':
        return g_variant_new_boolean(n & 1);
    case 'y':
        return g_variant_new_byte((guchar)n);
    case 'n':
        return g_variant_new_int16((gint16)n);
    case 'q':
        return g_variant_new_uint16((guint16)n);
    case 'i':
        return g_variant_new_int32((gint32)n);
    case 'u':
        return g_variant_new_uint32((guint32)n);
    case 'x':
        return g_variant_new_int64((gint64)n);
    case 't':
        return g_variant_new_uint64(n);
    default:
        return g_variant_new_double((double)n);
    }
}

static GVariant *basic(const GVariantType *type, struct bytes *in)
{
    g_autofree char *string = NULL;

    if (g_variant_type_equal(type, G_VARIANT_TYPE_OBJECT_PATH))
        return g_variant_new_object_path(paths[fuzz_byte(in) % G_N_ELEMENTS(paths)]);
    if (g_variant_type_equal(type, G_VARIANT_TYPE_SIGNATURE))
        return g_variant_new_signature("a{sv}");
    if (!g_variant_type_equal(type, G_VARIANT_TYPE_STRING))
        return number(type, in);
    string = text(in);
    return g_variant_new_string(string);
}

static GVariant *array(const GVariantType *type, struct bytes *in, int depth)
{
    const GVariantType *element = g_variant_type_element(type);
    g_autoptr(GVariantBuilder) builder = g_variant_builder_new(type);
    int n = depth < DEPTH_MAX ? fuzz_byte(in) % (LENGTH_MAX + 1) : 0;

    for (int i = 0; i < n; i++)
        g_variant_builder_add_value(builder, value(element, in, depth + 1));
    return g_variant_builder_end(builder);
}

/* A tuple, or an entry of a dictionary. */
static GVariant *several(const GVariantType *type, struct bytes *in, int depth)
{
    g_autoptr(GVariantBuilder) builder = g_variant_builder_new(type);
    for (const GVariantType *at = g_variant_type_first(type); at; at = g_variant_type_next(at))
        g_variant_builder_add_value(builder, value(at, in, depth + 1));
    return g_variant_builder_end(builder);
}

static GVariant *value(const GVariantType *type, struct bytes *in, int depth)
{
    if (g_variant_type_is_variant(type)) {
        const char *inner = depth < DEPTH_MAX ? types[fuzz_byte(in) % G_N_ELEMENTS(types)] : "b";
        return g_variant_new_variant(value(G_VARIANT_TYPE(inner), in, depth + 1));
    }
    if (g_variant_type_is_array(type))
        return array(type, in, depth);
    if (g_variant_type_is_tuple(type) || g_variant_type_is_dict_entry(type))
        return several(type, in, depth);
    return basic(type, in);
}

GVariant *nm_value(const GVariantType *type, struct bytes *in)
{
    return g_variant_ref_sink(value(type, in, 0));
}

/* Calls */

static GVariant *error_of(const char *number, GError **error)
{
    int kind = (int)(g_ascii_strtoull(number, NULL, 10) % (BUS_ERROR_REFUSED + 1));
    g_set_error_literal(error, BUS_ERROR, kind, "no");
    return NULL;
}

GVariant *nm_parse(const char *type, const char *line)
{
    g_autofree char *valid = g_utf8_make_valid(line, -1);
    return g_variant_parse(type ? G_VARIANT_TYPE(type) : NULL, valid, NULL, NULL, NULL);
}

/* The caller's type is known to the text, or an empty list would have none; another type is as text by
 * itself. What is no D-Bus value, or of another type, is an error, as bus_call() has it. */
static GVariant *answer(const char *wanted, GError **error)
{
    g_autofree char *line = fuzz_line(answers);
    struct bytes rest = {(const uint8_t *)line + 1, *line ? strlen(line + 1) : 0};
    const char *type = wanted ? wanted : "()";

    if (*line == '!')
        return error_of(line + 1, error);
    g_autoptr(GVariant) said = *line == '=' ? nm_value(G_VARIANT_TYPE(type), &rest) : nm_parse(wanted, line);
    g_autoptr(GVariant) reply =
        said && g_variant_is_of_type(said, G_VARIANT_TYPE_TUPLE) ? message_through(said) : NULL;
    if (reply) {
        g_assert_true(g_variant_equal(reply, said));
        return g_steal_pointer(&reply);
    }
    g_set_error_literal(error, BUS_ERROR, BUS_ERROR_LATER, "no such answer");
    return NULL;
}

Bus *__wrap_bus_open(int limit_ms);
Bus *__wrap_bus_open(int limit_ms)
{
    g_assert_cmpint(limit_ms, >, 0);
    return (Bus *)&bus; /* nobody looks into it */
}

void __wrap_bus_unref(Bus *connection);
void __wrap_bus_unref(Bus *connection)
{
    (void)connection;
}

gboolean __wrap_bus_is_open(const Bus *connection);
gboolean __wrap_bus_is_open(const Bus *connection)
{
    return (const char *)connection == &bus;
}

GVariant *__wrap_bus_call(Bus *connection, int limit_ms, const char *name, const char *path,
                          const char *interface, const char *method, GVariant *arguments, const char *reply,
                          GError **error);
GVariant *__wrap_bus_call(Bus *connection, int limit_ms, const char *name, const char *path,
                          const char *interface, const char *method, GVariant *arguments, const char *reply,
                          GError **error)
{
    g_autoptr(GVariant) owned = arguments ? g_variant_ref_sink(arguments) : NULL;

    if (strcmp(method, "GetNameOwner") == 0) /* the bus' own word */
        return g_variant_ref_sink(g_variant_new("(s)", ":1.5"));
    if (strcmp(method, "GetConnectionUnixUser") == 0)
        return g_variant_ref_sink(g_variant_new("(u)", 0));
    g_assert_true(bus_is_open(connection));
    g_assert_true(g_dbus_is_name(name) && g_dbus_is_interface_name(interface) &&
                  g_dbus_is_member_name(method) && g_variant_is_object_path(path));
    g_assert_cmpint(limit_ms, >, 0);
    if (owned) {
        g_autoptr(GVariant) sent = message_through(owned);
        g_assert_true(sent && g_variant_equal(sent, owned));
    }
    return answer(reply, error);
}

void __wrap_bus_follow(Bus *connection, const char *const *rules,
                       void (*heard)(const struct bus_signal *, gpointer), void (*changed)(gpointer),
                       gpointer data);
void __wrap_bus_follow(Bus *connection, const char *const *rules,
                       void (*heard)(const struct bus_signal *, gpointer), void (*changed)(gpointer),
                       gpointer data)
{
    g_assert_true(bus_is_open(connection) && *rules && changed);
    hear = heard;
    follower = data;
}

gboolean nm_signals(const struct bus_signal *signal)
{
    if (hear)
        hear(signal, follower);
    return hear != NULL;
}

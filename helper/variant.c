/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "variant.h"

#include <errno.h>
#include <string.h>

/* What sd-bus reads and writes. */
union basic {
    guint8 byte;
    int boolean;
    guint64 number; /* or a smaller one, at the begin */
    const char *text;
};

/* A number's size in bytes, which is as it is in memory to both; 0: it is none. */
static gsize number_size(char type)
{
    static const char types[] = "yqnuixtd", sizes[] = {1, 2, 2, 4, 4, 8, 8, 8};
    const char *at = strchr(types, type);
    return at ? (gsize)sizes[at - types] : 0;
}

/* Reading. Each function takes what is next in the message; NULL: it could not. */

static GVariant *read_value(sd_bus_message *message);

static GVariant *read_basic(sd_bus_message *message, char type)
{
    const char name[] = {type, '\0'};
    gsize size = number_size(type);
    union basic value = {0};

    if (type == SD_BUS_TYPE_UNIX_FD || sd_bus_message_read_basic(message, type, &value) <= 0)
        return NULL;
    if (type == SD_BUS_TYPE_BOOLEAN)
        return g_variant_new_boolean(value.boolean);
    /* sd-bus has looked at texts, of all kinds, as GVariant would */
    g_autoptr(GBytes) bytes =
        size ? g_bytes_new(&value, size) : g_bytes_new(value.text, strlen(value.text) + 1);
    return g_variant_new_from_bytes(G_VARIANT_TYPE(name), bytes, TRUE);
}

static gboolean read_members(sd_bus_message *message, GVariantBuilder *builder)
{
    while (sd_bus_message_at_end(message, FALSE) == 0) {
        GVariant *value = read_value(message);
        if (!value)
            return FALSE;
        g_variant_builder_add_value(builder, value);
    }
    return sd_bus_message_at_end(message, FALSE) > 0;
}

/* What the container is for GVariant. Caller frees. */
static char *type_of(char container, const char *contents)
{
    switch (container) {
    case SD_BUS_TYPE_ARRAY:
        return g_strconcat("a", contents, NULL);
    case SD_BUS_TYPE_VARIANT:
        return g_strdup("v");
    case SD_BUS_TYPE_STRUCT:
        return g_strconcat("(", contents, ")", NULL);
    case SD_BUS_TYPE_DICT_ENTRY:
        return g_strconcat("{", contents, "}", NULL);
    default:
        return NULL;
    }
}

static GVariant *read_container(sd_bus_message *message, char container, const char *contents)
{
    g_autofree char *type = type_of(container, contents);

    if (!type || sd_bus_message_enter_container(message, container, contents) <= 0)
        return NULL;
    g_autoptr(GVariantBuilder) builder = g_variant_builder_new(G_VARIANT_TYPE(type));
    if (!read_members(message, builder) || sd_bus_message_exit_container(message) < 0)
        return NULL;
    return g_variant_builder_end(builder);
}

static GVariant *read_value(sd_bus_message *message)
{
    const char *contents = NULL;
    char type = 0;

    if (sd_bus_message_peek_type(message, &type, &contents) <= 0)
        return NULL;
    return contents ? read_container(message, type, contents) : read_basic(message, type);
}

GVariant *variant_of_message(sd_bus_message *message)
{
    g_autofree char *type = g_strconcat("(", sd_bus_message_get_signature(message, TRUE), ")", NULL);

    if (!g_variant_type_string_is_valid(type) || sd_bus_message_rewind(message, TRUE) < 0)
        return NULL;
    g_autoptr(GVariantBuilder) builder = g_variant_builder_new(G_VARIANT_TYPE(type));
    return read_members(message, builder) ? g_variant_ref_sink(g_variant_builder_end(builder)) : NULL;
}

/* Writing */

static int append_value(sd_bus_message *message, GVariant *value);

static int append_children(sd_bus_message *message, GVariant *value)
{
    gsize n = g_variant_n_children(value);
    int r = 0;

    for (gsize i = 0; r >= 0 && i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        r = append_value(message, child);
    }
    return r;
}

static int append_container(sd_bus_message *message, GVariant *value, char container, const char *contents)
{
    int r = sd_bus_message_open_container(message, container, contents);
    if (r >= 0)
        r = append_children(message, value);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_basic(sd_bus_message *message, GVariant *value)
{
    char type = *g_variant_get_type_string(value);
    union basic basic = {0};

    if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
        basic.boolean = g_variant_get_boolean(value);
    else if (number_size(type))
        g_variant_store(value, &basic);
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) ||
             g_variant_is_of_type(value, G_VARIANT_TYPE_OBJECT_PATH) ||
             g_variant_is_of_type(value, G_VARIANT_TYPE_SIGNATURE))
        return sd_bus_message_append_basic(message, type, g_variant_get_string(value, NULL));
    else
        return -EINVAL; /* D-Bus has none, or it is a file descriptor */
    return sd_bus_message_append_basic(message, type, &basic);
}

static int append_value(sd_bus_message *message, GVariant *value)
{
    const char *type = g_variant_get_type_string(value);
    g_autofree char *inner = strlen(type) > 2 ? g_strndup(type + 1, strlen(type) - 2) : g_strdup("");

    /* As a whole: GLib 2.84 has no bytes behind the elements of g_variant_new_bytestring()'s (a Wi-Fi's
     * SSID), and says so with a critical message for each. */
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_ARRAY) && number_size(type[1]))
        return sd_bus_message_append_array(message, type[1], g_variant_get_data(value),
                                           g_variant_get_size(value));
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_ARRAY))
        return append_container(message, value, SD_BUS_TYPE_ARRAY, type + 1);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_TUPLE))
        return append_container(message, value, SD_BUS_TYPE_STRUCT, inner);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_DICT_ENTRY))
        return append_container(message, value, SD_BUS_TYPE_DICT_ENTRY, inner);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
        g_autoptr(GVariant) boxed = g_variant_get_variant(value);
        return append_container(message, value, SD_BUS_TYPE_VARIANT, g_variant_get_type_string(boxed));
    }
    return append_basic(message, value);
}

int variant_append(sd_bus_message *message, GVariant *tuple)
{
    return append_children(message, tuple);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile.h"

#include "libnm.h"
#include "profiles.h"
#include "store.h"

#include <string.h>

/* Behind it a connection keeps its copy for profile_same(). */
#define BARE "nm-trial-bare"

void profile_free(Profile *profile)
{
    if (!profile)
        return;
    g_free(profile->path);
    g_free(profile->data);
    g_free(profile->uuid);
    g_free(profile->id);
    g_free(profile->type);
    g_free(profile->interface);
    g_clear_object(&profile->connection);
    g_free(profile);
}

/* What GKeyFile, which NM reads these files with, takes a line for. */
enum line_kind { LINE_OTHER, LINE_GROUP, LINE_KEY };

/* *ret_name, *ret_size: the group's or the key's name, within the line. */
static enum line_kind line_kind(const char *line, gsize size, const char **ret_name, gsize *ret_size)
{
    const char *end = line + size, *close;

    while (line < end && g_ascii_isspace(*line))
        line++;
    *ret_name = line;
    if (line == end || *line == '#')
        return LINE_OTHER;
    if (*line == '[') {
        close = memchr(line, ']', (gsize)(end - line));
        *ret_name = line + 1;
        *ret_size = close ? (gsize)(close - line) - 1 : 0;
        return close ? LINE_GROUP : LINE_OTHER;
    }
    close = memchr(line, '=', (gsize)(end - line));
    if (!close)
        return LINE_OTHER;
    while (close > line && g_ascii_isspace(close[-1]))
        close--;
    *ret_size = (gsize)(close - line);
    return LINE_KEY;
}

/* GKeyFile's own message quotes the line, and that may be a secret. */
static void refuse_syntax(const char *data, gsize length, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(data, "\n", -1);
    const char *name;
    gsize size;
    guint n = 0;

    while (lines[n] && (!*g_strstrip(lines[n]) || *lines[n] == '#' ||
                        line_kind(lines[n], strlen(lines[n]), &name, &size) != LINE_OTHER))
        n++;
    if (strlen(data) == length && lines[n])
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE,
                    "line %u is neither [section] nor key=value nor a comment", n + 1);
    else
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE,
                    "it is no keyfile: text of [section] and key=value lines, in UTF-8");
}

static NMConnection *parse(const char *path, const char *data, gsize length, GError **error)
{
    g_autoptr(GKeyFile) keyfile = g_key_file_new();
    g_autofree char *directory = g_path_get_dirname(path);
    g_autoptr(NMConnection) connection = NULL;

    /* GKeyFile reads a line up to a NUL in it, and its bytes would be seen by nobody else. */
    if (strlen(data) != length || !g_key_file_load_from_data(keyfile, data, length, G_KEY_FILE_NONE, NULL)) {
        refuse_syntax(data, length, error);
        return NULL;
    }
    for (const char *const *key = (const char *const[]){KEY_UUID, KEY_ID, NULL}; *key; key++) {
        g_autofree char *own = g_key_file_get_string(keyfile, GROUP_CONNECTION, *key, NULL);
        if (!own) { /* nor is one that is no UTF-8 */
            g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
                        "section [connection] has no %s= in UTF-8; give the profile one of its own", *key);
            return NULL;
        }
        /* libnm takes a new one, another one each time, for what is none. */
        if (strcmp(*key, KEY_UUID) == 0 && !profile_is_uuid(own)) {
            g_set_error_literal(
                error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                "the uuid= of section [connection] is no UUID; give the profile one of its own");
            return NULL;
        }
    }
    connection = libnm()->keyfile_read(keyfile, directory, NM_KEYFILE_HANDLER_FLAGS_NONE, NULL, NULL, error);
    if (!connection || !libnm()->connection_normalize(connection, NULL, NULL, error))
        return NULL;
    return g_steal_pointer(&connection);
}

/* What was parsed last. Each look of the engine reads the same few files again: two profiles, as they are and
 * as the record has them, for one or two devices. */
static struct parsed {
    char *path;
    GBytes *bytes;
    NMConnection *connection;
} parsed[8];

static void forget(struct parsed *entry)
{
    g_clear_pointer(&entry->path, g_free);
    g_clear_pointer(&entry->bytes, g_bytes_unref);
    g_clear_object(&entry->connection);
}

void profile_forget(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(parsed); i++)
        forget(&parsed[i]);
}

static NMConnection *parse_once(const char *path, const char *data, gsize length, GError **error)
{
    static guint next;
    g_autoptr(GBytes) bytes = g_bytes_new(data, length);

    for (gsize i = 0; i < G_N_ELEMENTS(parsed); i++)
        if (g_strcmp0(parsed[i].path, path) == 0 && g_bytes_equal(parsed[i].bytes, bytes))
            return g_object_ref(parsed[i].connection);
    NMConnection *connection = parse(path, data, length, error);
    struct parsed *entry = &parsed[next++ % G_N_ELEMENTS(parsed)];
    if (!connection)
        return NULL;
    forget(entry);
    entry->path = g_strdup(path);
    entry->bytes = g_steal_pointer(&bytes);
    entry->connection = g_object_ref(connection);
    return connection;
}

Profile *profile_parse(const char *path, char *data, gsize length, GError **error)
{
    g_autofree char *owned = data;
    NMConnection *connection = parse_once(path, data, length, error);
    if (!connection) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    NMSettingConnection *s = libnm()->connection_get_setting_connection(connection);
    Profile *profile = g_new0(Profile, 1);
    profile->path = g_strdup(path);
    profile->data = g_steal_pointer(&owned);
    profile->length = length;
    g_object_get(s, NM_SETTING_CONNECTION_UUID, &profile->uuid, NM_SETTING_CONNECTION_ID, &profile->id,
                 NM_SETTING_CONNECTION_TYPE, &profile->type, NM_SETTING_CONNECTION_INTERFACE_NAME,
                 &profile->interface, NM_SETTING_CONNECTION_AUTOCONNECT, &profile->autoconnect,
                 NM_SETTING_CONNECTION_AUTOCONNECT_PRIORITY, &profile->priority, NULL);
    profile->connection = connection;
    return profile;
}

static void skipped_free(gpointer data)
{
    struct profile_skipped *skipped = data;
    g_free(skipped->path);
    g_free(skipped->id);
    g_free(skipped->uuid);
    g_free(skipped->why);
    g_free(skipped);
}

GPtrArray *profile_skipped_new(void)
{
    return g_ptr_array_new_with_free_func(skipped_free);
}

static void skip(GPtrArray *skipped, const char *path, const GError *why)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    struct profile_skipped *entry = g_new0(struct profile_skipped, 1);
    g_autofree char *data = NULL;
    gsize length = 0;

    entry->path = g_strdup(path);
    entry->why = g_strdup(why->message);
    entry->unreadable =
        why->domain == G_FILE_ERROR && why->code != G_FILE_ERROR_NOENT && !store_unusable(why);
    if (store_read(path, &data, &length, NULL) &&
        g_key_file_load_from_data(file, data, length, G_KEY_FILE_NONE, NULL)) {
        entry->id = g_key_file_get_string(file, GROUP_CONNECTION, "id", NULL);
        entry->uuid = g_key_file_get_string(file, GROUP_CONNECTION, "uuid", NULL);
    }
    g_ptr_array_add(skipped, entry);
}

gboolean profile_all_readable(const GPtrArray *skipped, GError **error)
{
    for (guint i = 0; i < skipped->len; i++) {
        const struct profile_skipped *entry = skipped->pdata[i];
        if (entry->unreadable) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "%s", entry->why);
            return FALSE;
        }
    }
    return TRUE;
}

/* NM's own rule for names in that directory, as far as files matter to us
 * (nm_keyfile_utils_ignore_filename()). */
gboolean profile_ignored(const char *name)
{
    const char *temporary = g_strrstr(name, KEYFILE_SUFFIX ".");
    return name[0] == '.' || g_str_has_suffix(name, "~") || g_str_has_suffix(name, NM_META_SUFFIX) ||
           (temporary && strlen(temporary) == strlen(KEYFILE_SUFFIX ".") + 6);
}

GPtrArray *profile_read_directory(const char *directory, GPtrArray *skipped)
{
    GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)profile_free);
    g_autoptr(GError) failure = NULL;
    g_auto(GStrv) names = profile_port->names(directory, &failure);

    if (failure && skipped)
        skip(skipped, directory, failure);
    for (char **name = names; name && *name; name++) {
        g_autofree char *path = g_build_filename(directory, *name, NULL);
        g_autoptr(GError) error = NULL;
        char *data = NULL;
        gsize length = 0;
        if (profile_ignored(*name))
            continue;
        Profile *profile = profile_port->read(path, &data, &length, &error)
                               ? profile_parse(path, data, length, &error)
                               : NULL;
        if (profile)
            g_ptr_array_add(found, profile);
        else if (skipped)
            skip(skipped, path, error);
    }
    return found;
}

gboolean profile_mentioned(const char *directory, const char *key)
{
    g_auto(GStrv) names = profile_port->names(directory, NULL);
    gboolean found = !names;

    for (char **name = names; name && *name && !found; name++) {
        g_autofree char *path = g_build_filename(directory, *name, NULL), *data = NULL;
        gsize length = 0;
        found = !profile_ignored(*name) && profile_port->read(path, &data, &length, NULL) &&
                (strstr(data, key) || strchr(data, '\\'));
    }
    return found;
}

gboolean profile_is_uuid(const char *text)
{
    gsize length = strlen(text), dashes = 0;

    for (const char *at = text; *at; at++)
        if (*at == '-')
            dashes++;
        else if (!g_ascii_isxdigit(*at))
            return FALSE;
    return (length == 36 && dashes == 4) || (length == 40 && dashes == 0);
}

gboolean profile_named(const Profile *profile, const char *name)
{
    return strcmp(profile->uuid, name) == 0 || strcmp(profile->id, name) == 0;
}

Profile *profile_by_uuid(const GPtrArray *profiles, const char *uuid)
{
    for (guint i = 0; i < profiles->len; i++) {
        Profile *profile = profiles->pdata[i];
        if (strcmp(profile->uuid, uuid) == 0)
            return profile;
    }
    return NULL;
}

static NMSettingUser *user_setting(NMConnection *connection)
{
    return (NMSettingUser *)libnm()->connection_get_setting(connection, libnm()->setting_user_get_type());
}

const char *profile_annotation(const Profile *profile, const char *key)
{
    NMSettingUser *user = user_setting(profile->connection);
    return user ? libnm()->setting_user_get_data(user, key) : NULL;
}

char **profile_annotation_keys(const Profile *profile)
{
    g_autoptr(GPtrArray) ours = g_ptr_array_new_with_free_func(g_free);
    NMSettingUser *user = user_setting(profile->connection);
    guint n = 0;
    const char *const *keys = user ? libnm()->setting_user_get_keys(user, &n) : NULL;

    for (guint i = 0; i < n; i++)
        if (g_str_has_prefix(keys[i], ANNOTATION_PREFIX))
            g_ptr_array_add(ours, g_strdup(keys[i]));
    g_ptr_array_add(ours, NULL);
    return g_strdupv((char **)ours->pdata);
}

gboolean profile_believed(const Profile *profile)
{
    NMSettingConnection *s = libnm()->connection_get_setting_connection(profile->connection);
    return libnm()->setting_connection_get_num_permissions(s) == 0;
}

gboolean profile_asks_guard(const Profile *profile)
{
    const char *guard = profile_annotation(profile, ANNOTATION_GUARD);
    return g_strcmp0(guard, "yes") == 0 || g_strcmp0(guard, "true") == 0;
}

/* A copy of the connection without what this program changes itself. */
static NMConnection *without_flags(const Profile *profile)
{
    NMConnection *copy = libnm()->simple_connection_new_clone(profile->connection);
    g_object_set(libnm()->connection_get_setting_connection(copy), NM_SETTING_CONNECTION_AUTOCONNECT, TRUE,
                 NM_SETTING_CONNECTION_AUTOCONNECT_PRIORITY, 0, NM_SETTING_CONNECTION_TIMESTAMP, (guint64)0,
                 NULL);
    NMSettingUser *user = user_setting(copy);
    if (!user)
        return copy;
    guint left = 0;
    g_auto(GStrv) ours = profile_annotation_keys(profile);
    for (char **key = ours; *key; key++)
        libnm()->setting_user_set_data(user, *key, NULL, NULL);
    (void)libnm()->setting_user_get_keys(user, &left);
    if (left == 0) /* nothing but ours: as if there were no such section */
        libnm()->connection_remove_setting(copy, libnm()->setting_user_get_type());
    return copy;
}

/* That copy, made once for each connection. Borrowed. */
static NMConnection *bare(const Profile *profile)
{
    GObject *connection = G_OBJECT(profile->connection);
    NMConnection *copy = g_object_get_data(connection, BARE);
    if (!copy) {
        copy = without_flags(profile);
        g_object_set_data_full(connection, BARE, copy, g_object_unref);
    }
    return copy;
}

gboolean profile_same(const Profile *a, const Profile *b)
{
    return a->connection == b->connection ||
           libnm()->connection_compare(bare(a), bare(b), NM_SETTING_COMPARE_FLAG_EXACT);
}

static gboolean is(const char *name, gsize size, const char *wanted)
{
    return size == strlen(wanted) && memcmp(name, wanted, size) == 0;
}

/* Where a key stands in the text, and where it would go. Offsets; -1: nowhere. Of a key that is there twice
 * the last one counts, as for GKeyFile; a group that is there twice is one group. */
struct place {
    gssize key_start;
    gssize key_end;
    gssize insert;
    const char *eol;
};

static struct place find(const char *text, gsize length, const char *group, const char *key)
{
    struct place place = {-1, -1, -1, "\n"};
    gboolean inside = FALSE, first = TRUE;

    for (gsize start = 0, next; start < length; start = next) {
        const char *newline = memchr(text + start, '\n', length - start);
        gsize end = newline ? (gsize)(newline - text) : length, name_size = 0;
        const char *name;
        next = newline ? end + 1 : length;
        enum line_kind kind = line_kind(text + start, end - start, &name, &name_size);
        if (end > start && text[end - 1] == '\r')
            place.eol = "\r\n";
        if (kind == LINE_GROUP) {
            if (inside)
                first = FALSE;
            inside = is(name, name_size, group);
        }
        if (!inside || kind == LINE_OTHER)
            continue;
        if (first) /* behind the last key of the group's first part: comments of the next group stay with it
                    */
            place.insert = (gssize)next;
        if (kind == LINE_KEY && is(name, name_size, key)) {
            place.key_start = (gssize)start;
            place.key_end = (gssize)next;
        }
    }
    return place;
}

void profile_set_key(GString *text, const char *group, const char *key, const char *value)
{
    struct place place = find(text->str, text->len, group, key);

    if (!value) { /* every one of them: the one before the last would count next */
        while (place.key_start >= 0) {
            g_string_erase(text, place.key_start, place.key_end - place.key_start);
            place = find(text->str, text->len, group, key);
        }
        return;
    }
    gboolean at_end =
        place.key_start >= 0 ? place.key_end == (gssize)text->len : place.insert == (gssize)text->len;
    gboolean unended = text->len > 0 && text->str[text->len - 1] != '\n';
    g_autofree char *line =
        g_strconcat(key, "=", value, at_end && unended && place.key_start >= 0 ? "" : place.eol, NULL);
    if (place.key_start >= 0) {
        g_string_erase(text, place.key_start, place.key_end - place.key_start);
        g_string_insert(text, place.key_start, line);
        return;
    }
    if (unended && (at_end || place.insert < 0))
        g_string_append(text, place.eol);
    if (place.insert < 0)
        g_string_append_printf(text, "%s[%s]%s%s", place.eol, group, place.eol, line);
    else
        g_string_insert(text, at_end ? (gssize)text->len : place.insert, line);
}

char *profile_raw_value(const char *value)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_key_file_set_string(file, "x", "x", value);
    return g_key_file_get_value(file, "x", "x", NULL);
}

void profile_remove_group(GString *text, const char *group)
{
    gboolean inside = FALSE;

    for (gsize start = 0; start < text->len;) {
        const char *line = text->str + start, *newline = memchr(line, '\n', text->len - start), *name;
        gsize size = newline ? (gsize)(newline - line) + 1 : text->len - start, name_size = 0;
        if (line_kind(line, newline ? size - 1 : size, &name, &name_size) == LINE_GROUP)
            inside = is(name, name_size, group);
        if (inside)
            g_string_erase(text, (gssize)start, (gssize)size);
        else
            start += size;
    }
}

/* As the annotation is to read; NULL: it is not to be there. */
static const char *wanted_state(const struct profile_flags *flags)
{
    return *flags->state ? flags->state : NULL;
}

static void set_flags(GString *text, const Profile *profile, const struct profile_flags *flags)
{
    if (profile->autoconnect != flags->autoconnect)
        profile_set_key(text, GROUP_CONNECTION, KEY_AUTOCONNECT, flags->autoconnect ? "true" : "false");
    if (flags->priority != PROFILE_KEEP_PRIORITY && profile->priority < flags->priority) {
        g_autofree char *number = g_strdup_printf("%d", flags->priority);
        profile_set_key(text, GROUP_CONNECTION, KEY_PRIORITY, number);
    }
    if (!flags->state)
        return;
    if (g_strcmp0(profile_annotation(profile, ANNOTATION_STATE), wanted_state(flags)) != 0)
        profile_set_key(text, GROUP_USER, ANNOTATION_STATE, wanted_state(flags));
    if (g_strcmp0(profile_annotation(profile, ANNOTATION_REASON), flags->reason) != 0)
        profile_set_key(text, GROUP_USER, ANNOTATION_REASON, flags->reason);
}

static gboolean has_flags(const Profile *profile, gconstpointer wanted)
{
    const struct profile_flags *flags = wanted;
    return profile->autoconnect == flags->autoconnect &&
           (flags->priority == PROFILE_KEEP_PRIORITY || profile->priority >= flags->priority) &&
           (!flags->state ||
            g_strcmp0(profile_annotation(profile, ANNOTATION_STATE), wanted_state(flags)) == 0);
}

/* The text as the profile's new content, if `holds` of what it means and all else means the same; takes the
 * text. */
static char *read_back(const Profile *profile, GString *text,
                       gboolean (*holds)(const Profile *, gconstpointer), gconstpointer wanted,
                       gsize *ret_length, GError **error)
{
    g_autoptr(Profile) result =
        profile_parse(profile->path, g_strndup(text->str, text->len), text->len, error);
    if (result && (!holds(result, wanted) || !profile_same(profile, result)))
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE,
                    "%s: it cannot be changed without changing more; save it anew with nmcli", profile->path);
    else if (result) {
        *ret_length = text->len;
        return g_string_free(text, FALSE);
    }
    g_string_free(text, TRUE);
    return NULL;
}

char *profile_with_flags(const Profile *profile, const struct profile_flags *flags, gsize *ret_length,
                         GError **error)
{
    GString *text = g_string_new_len(profile->data, (gssize)profile->length);
    set_flags(text, profile, flags);
    return read_back(profile, text, has_flags, flags, ret_length, error);
}

struct annotations {
    const struct profile_annotation *list;
    gsize n;
};

static gboolean has_annotations(const Profile *profile, gconstpointer wanted)
{
    const struct annotations *annotations = wanted;
    for (gsize i = 0; i < annotations->n; i++)
        if (g_strcmp0(profile_annotation(profile, annotations->list[i].key), annotations->list[i].value) != 0)
            return FALSE;
    return TRUE;
}

char *profile_with_annotations(const Profile *profile, const struct profile_annotation *annotations, gsize n,
                               gsize *ret_length, GError **error)
{
    const struct annotations wanted = {annotations, n};
    GString *text = g_string_new_len(profile->data, (gssize)profile->length);

    for (gsize i = 0; i < n; i++) {
        g_autofree char *raw = annotations[i].value ? profile_raw_value(annotations[i].value) : NULL;
        profile_set_key(text, GROUP_USER, annotations[i].key, raw);
    }
    return read_back(profile, text, has_annotations, &wanted, ret_length, error);
}

enum flags_state profile_flags_state(const Profile *profile, int priority)
{
    const char *state = profile_annotation(profile, ANNOTATION_STATE);
    if (profile->autoconnect)
        return profile->priority >= priority && g_strcmp0(state, "promoted") == 0 ? FLAGS_PROMOTED
                                                                                  : FLAGS_OTHER;
    if (g_strcmp0(state, "trying") == 0)
        return FLAGS_TRYING;
    return g_strcmp0(state, "demoted") == 0 ? FLAGS_DEMOTED : FLAGS_OTHER;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile.h"

#include "keyfile.h"
#include "libnm.h"

#include <stdlib.h>
#include <string.h>

/* Behind it a connection keeps its copy for profile_same(). */
#define BARE "nm-trial-bare"

/* What libnm takes in [user] (nm-setting-user.c): with anything else it refuses the profile. */
#define ANNOTATIONS_MAX 256
#define ANNOTATION_SIZE_MAX 8192
#define ANNOTATION_KEY_MAX 255
/* some of the letters that it takes: all that ours have */
#define ANNOTATION_LETTERS "abcdefghijklmnopqrstuvwxyz-"

/* What the whole content means; each made when it is first needed. */
struct meaning {
    NMConnection *connection; /* shared by profiles of the same content: nobody changes it */
    char *rest;               /* see rest_of() */
};

void profile_free(Profile *profile)
{
    if (!profile)
        return;
    g_free(profile->path);
    g_free(profile->data);
    g_free(profile->uuid);
    g_free(profile->id);
    g_clear_pointer(&profile->annotations, g_ptr_array_unref);
    g_clear_object(&profile->meaning->connection);
    g_free(profile->meaning->rest);
    g_free(profile->meaning);
    g_free(profile);
}

/* The text as GKeyFile, with which NM reads these files, has it. NULL with `error`. */
static GKeyFile *keys_of(const char *data, gsize length, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    /* GKeyFile reads a line up to a NUL in it, and its bytes would be seen by nobody else. */
    if (strlen(data) == length && g_key_file_load_from_data(file, data, length, G_KEY_FILE_NONE, NULL))
        return g_steal_pointer(&file);
    keyfile_refuse(data, length, error);
    return NULL;
}

/* Which profile it is, in its own words. */
static gboolean read_names(Profile *profile, GKeyFile *file, GError **error)
{
    const struct {
        const char *key;
        char **value;
    } own[] = {{KEY_UUID, &profile->uuid}, {KEY_ID, &profile->id}};

    for (gsize i = 0; i < G_N_ELEMENTS(own); i++)
        if (!(*own[i].value = g_key_file_get_string(file, GROUP_CONNECTION, own[i].key, NULL))) {
            g_set_error(
                error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND, /* nor is one that is no UTF-8 */
                "section [connection] has no %s= in UTF-8; give the profile one of its own", own[i].key);
            return FALSE;
        }
    /* libnm takes a new one, another one each time, for what is none. */
    if (!profile_is_uuid(profile->uuid))
        g_set_error_literal(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                            "the uuid= of section [connection] is no UUID; give the profile one of its own");
    return profile_is_uuid(profile->uuid);
}

/* libnm makes another one of any that is not written so. */
static gboolean is_plain_uuid(const char *uuid)
{
    for (int i = 0; i < 36; i++)
        if (!uuid[i] || (i == 8 || i == 13 || i == 18 || i == 23) != (uuid[i] == '-') ||
            g_ascii_isupper(uuid[i]))
            return FALSE;
    return uuid[36] == '\0';
}

static void annotate(Profile *profile, const char *key, const char *value)
{
    g_ptr_array_add(profile->annotations, g_strdup(key));
    g_ptr_array_add(profile->annotations, g_strdup(value));
}

static gboolean read_plain_annotations(Profile *profile, GKeyFile *file)
{
    gsize n = 0;
    g_auto(GStrv) keys = g_key_file_get_keys(file, GROUP_USER, &n, NULL);

    for (char **key = keys; key && *key; key++) {
        g_autofree char *value = g_key_file_get_value(file, GROUP_USER, *key, NULL);
        const char *word = *key + strlen(ANNOTATION_PREFIX);
        if (strchr(*key, '\\') /* libnm's own way to spell a key */ || strlen(*key) > ANNOTATION_KEY_MAX)
            return FALSE;
        if (!g_str_has_prefix(*key, ANNOTATION_PREFIX) || profile_annotation(profile, *key))
            continue; /* of one that is there twice, GKeyFile has the last value, as libnm does */
        if (!*word || word[strspn(word, ANNOTATION_LETTERS)] || strchr(value, '\\') ||
            !g_utf8_validate(value, -1, NULL) || strlen(value) > ANNOTATION_SIZE_MAX)
            return FALSE;
        annotate(profile, *key, value);
    }
    return n <= ANNOTATIONS_MAX;
}

/* Its names, and what this program changes itself, where they are spelled as everybody spells them. FALSE:
 * libnm must tell. */
static gboolean read_plainly(Profile *profile, GKeyFile *file)
{
    g_autofree char *uuid = g_key_file_get_value(file, GROUP_CONNECTION, KEY_UUID, NULL);
    g_autofree char *id = g_key_file_get_value(file, GROUP_CONNECTION, KEY_ID, NULL);
    g_autofree char *on = g_key_file_get_value(file, GROUP_CONNECTION, KEY_AUTOCONNECT, NULL);
    g_autofree char *priority = g_key_file_get_value(file, GROUP_CONNECTION, KEY_PRIORITY, NULL);

    profile->autoconnect = !on || strcmp(on, "true") == 0;
    profile->priority = priority ? (int)strtol(priority, NULL, 10) : 0;
    g_autofree char *plain = g_strdup_printf("%d", profile->priority);
    return (profile->autoconnect || strcmp(on, "false") == 0) &&
           (!priority || strcmp(priority, plain) == 0) /* to libnm 010 is 8 */
           && profile->priority >= -NM_PRIORITY_MAX && profile->priority <= NM_PRIORITY_MAX &&
           is_plain_uuid(uuid) && !strchr(id, '\\') && read_plain_annotations(profile, file);
}

static NMSettingUser *user_setting(NMConnection *connection)
{
    return (NMSettingUser *)libnm()->connection_get_setting(connection, libnm()->setting_user_get_type());
}

static void read_by_libnm(Profile *profile)
{
    NMConnection *connection = profile->meaning->connection;
    NMSettingUser *user = user_setting(connection);
    guint n = 0;
    const char *const *keys = user ? libnm()->setting_user_get_keys(user, &n) : NULL;

    g_clear_pointer(&profile->uuid, g_free);
    g_clear_pointer(&profile->id, g_free);
    g_object_get(libnm()->connection_get_setting_connection(connection), NM_SETTING_CONNECTION_UUID,
                 &profile->uuid, NM_SETTING_CONNECTION_ID, &profile->id, NM_SETTING_CONNECTION_AUTOCONNECT,
                 &profile->autoconnect, NM_SETTING_CONNECTION_AUTOCONNECT_PRIORITY, &profile->priority, NULL);
    g_ptr_array_set_size(profile->annotations, 0); /* some were read plainly */
    for (guint i = 0; i < n; i++)
        if (g_str_has_prefix(keys[i], ANNOTATION_PREFIX))
            annotate(profile, keys[i], libnm()->setting_user_get_data(user, keys[i]));
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

/* `file`: what profile->data says. */
static NMConnection *understand(const Profile *profile, GKeyFile *file, GError **error)
{
    static guint next;
    g_autoptr(GBytes) bytes = g_bytes_new(profile->data, profile->length);
    g_autofree char *directory = g_path_get_dirname(profile->path);

    for (gsize i = 0; i < G_N_ELEMENTS(parsed); i++)
        if (g_strcmp0(parsed[i].path, profile->path) == 0 && g_bytes_equal(parsed[i].bytes, bytes))
            return g_object_ref(parsed[i].connection);
    g_autoptr(NMConnection) connection =
        libnm()->keyfile_read(file, directory, NM_KEYFILE_HANDLER_FLAGS_NONE, NULL, NULL, error);
    if (!connection || !libnm()->connection_normalize(connection, NULL, NULL, error))
        return NULL;
    struct parsed *entry = &parsed[next++ % G_N_ELEMENTS(parsed)];
    forget(entry);
    entry->path = g_strdup(profile->path);
    entry->bytes = g_steal_pointer(&bytes);
    entry->connection = g_object_ref(connection);
    return g_steal_pointer(&connection);
}

NMConnection *profile_connection(const Profile *profile)
{
    if (!profile->meaning->connection) {
        g_autoptr(GKeyFile) file = keys_of(profile->data, profile->length, NULL);
        profile->meaning->connection = understand(profile, file, NULL);
    }
    return profile->meaning->connection;
}

static gboolean is_own_key(const char *group, const char *key)
{
    static const char *const changed[] = {KEY_AUTOCONNECT, KEY_PRIORITY, NM_SETTING_CONNECTION_TIMESTAMP,
                                          NULL};
    return strcmp(group, GROUP_USER) == 0
               ? g_str_has_prefix(key, ANNOTATION_PREFIX)
               : strcmp(group, GROUP_CONNECTION) == 0 && g_strv_contains(changed, key);
}

/* All that the file says but for what this program changes itself: libnm's reading depends on nothing else,
 * and on the file's directory. Not g_key_file_to_data(), whose blank lines differ between releases. Caller
 * frees. */
static char *rest_from(GKeyFile *file)
{
    GString *rest = g_string_new(NULL);
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

    for (char **group = groups; *group; group++) {
        g_auto(GStrv) keys = g_key_file_get_keys(file, *group, NULL, NULL);
        gsize before = rest->len, head;
        if (strcmp(*group, GROUP_META) == 0) /* NM's own, which is no part of the profile */
            continue;
        g_string_append_printf(rest, "[%s]\n", *group);
        head = rest->len;
        for (char **key = keys; key && *key; key++) {
            g_autofree char *value = g_key_file_get_value(file, *group, *key, NULL);
            if (!is_own_key(*group, *key))
                g_string_append_printf(rest, "%s=%s\n", *key, value);
        }
        if (rest->len == head && strcmp(*group, GROUP_USER) == 0)
            g_string_truncate(rest, before); /* nothing but ours: as if there were no such section */
    }
    return g_string_free(rest, FALSE);
}

static const char *rest_of(const Profile *profile)
{
    if (!profile->meaning->rest) {
        g_autoptr(GKeyFile) file = keys_of(profile->data, profile->length, NULL);
        profile->meaning->rest = rest_from(file);
    }
    return profile->meaning->rest;
}

/* Whether they say the same, so that they mean the same whatever that is. */
static gboolean same_text(const Profile *a, const Profile *b)
{
    g_autofree char *here = g_path_get_dirname(a->path), *there = g_path_get_dirname(b->path);
    return strcmp(here, there) == 0 && (strcmp(a->data, b->data) == 0 || strcmp(rest_of(a), rest_of(b)) == 0);
}

static gboolean is_like(const Profile *profile, const Profile *const *like)
{
    for (; like && *like; like++)
        if (same_text(profile, *like))
            return TRUE;
    return FALSE;
}

/* `like` (NULL: none): see profile_parse_like(). `known`: see profile_parse_known(). */
static Profile *read_text(const char *path, char *data, gsize length, gboolean known,
                          const Profile *const *like, GError **error)
{
    g_autoptr(Profile) profile = g_new0(Profile, 1);

    profile->path = g_strdup(path);
    profile->data = data;
    profile->length = length;
    profile->annotations = g_ptr_array_new_with_free_func(g_free);
    profile->meaning = g_new0(struct meaning, 1);
    g_autoptr(GKeyFile) file = keys_of(data, length, error);
    gboolean well = file && read_names(profile, file, error);
    gboolean plain = well && (known || like) && read_plainly(profile, file);
    if (plain && like)
        profile->meaning->rest = rest_from(file);
    if (plain && (known || is_like(profile, like)))
        return g_steal_pointer(&profile);
    profile->meaning->connection = well ? understand(profile, file, error) : NULL;
    if (!profile->meaning->connection) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    read_by_libnm(profile);
    return g_steal_pointer(&profile);
}

Profile *profile_parse(const char *path, char *data, gsize length, GError **error)
{
    return read_text(path, data, length, FALSE, NULL, error);
}

Profile *profile_parse_like(const char *path, char *data, gsize length, const Profile *const *like,
                            GError **error)
{
    return read_text(path, data, length, FALSE, like, error);
}

Profile *profile_parse_known(const char *path, char *data, gsize length, GError **error)
{
    return read_text(path, data, length, TRUE, NULL, error);
}

const char *profile_type(const Profile *profile)
{
    NMConnection *connection = profile_connection(profile);
    const char *type = connection ? libnm()->connection_get_connection_type(connection) : NULL;
    return type ? type : "";
}

const char *profile_interface(const Profile *profile)
{
    NMConnection *connection = profile_connection(profile);
    return connection ? libnm()->connection_get_interface_name(connection) : NULL;
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

const char *profile_annotation(const Profile *profile, const char *key)
{
    const GPtrArray *list = profile->annotations;

    for (guint i = 0; i < list->len; i += 2)
        if (strcmp(list->pdata[i], key) == 0)
            return list->pdata[i + 1];
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **profile_annotation_keys(const Profile *profile)
{
    const GPtrArray *list = profile->annotations;
    char **keys = g_new0(char *, list->len / 2 + 1);

    for (guint i = 0; i < list->len / 2; i++)
        keys[i] = g_strdup(list->pdata[2 * i]);
    qsort(keys, list->len / 2, sizeof *keys, by_name);
    return keys;
}

gboolean profile_believed(const Profile *profile)
{
    NMConnection *connection = profile_connection(profile);
    return connection && libnm()->setting_connection_get_num_permissions(
                             libnm()->connection_get_setting_connection(connection)) == 0;
}

gboolean profile_asks_guard(const Profile *profile)
{
    const char *guard = profile_annotation(profile, ANNOTATION_GUARD);
    return g_strcmp0(guard, "yes") == 0 || g_strcmp0(guard, "true") == 0;
}

/* A copy of the connection without what this program changes itself. */
static NMConnection *without_flags(const Profile *profile)
{
    NMConnection *copy = libnm()->simple_connection_new_clone(profile_connection(profile));
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

/* That copy, made once for each connection. Borrowed; NULL: libnm does not take it any more. */
static NMConnection *bare(const Profile *profile)
{
    GObject *connection = (GObject *)profile_connection(profile);
    NMConnection *copy = connection ? g_object_get_data(connection, BARE) : NULL;
    if (connection && !copy) {
        copy = without_flags(profile);
        g_object_set_data_full(connection, BARE, copy, g_object_unref);
    }
    return copy;
}

gboolean profile_same(const Profile *a, const Profile *b)
{
    if (same_text(a, b))
        return TRUE;
    NMConnection *one = bare(a), *other = bare(b);
    return one && other && libnm()->connection_compare(one, other, NM_SETTING_COMPARE_FLAG_EXACT);
}

/* As the annotation is to read; NULL: it is not to be there. */
static const char *wanted_state(const struct profile_flags *flags)
{
    return *flags->state ? flags->state : NULL;
}

static void set_flags(GString *text, const Profile *profile, const struct profile_flags *flags)
{
    if (profile->autoconnect != flags->autoconnect)
        keyfile_set(text, GROUP_CONNECTION, KEY_AUTOCONNECT, flags->autoconnect ? "true" : "false");
    if (flags->priority != PROFILE_KEEP_PRIORITY && profile->priority < flags->priority) {
        g_autofree char *number = g_strdup_printf("%d", flags->priority);
        keyfile_set(text, GROUP_CONNECTION, KEY_PRIORITY, number);
    }
    if (!flags->state)
        return;
    if (g_strcmp0(profile_annotation(profile, ANNOTATION_STATE), wanted_state(flags)) != 0)
        keyfile_set(text, GROUP_USER, ANNOTATION_STATE, wanted_state(flags));
    if (g_strcmp0(profile_annotation(profile, ANNOTATION_REASON), flags->reason) != 0)
        keyfile_set(text, GROUP_USER, ANNOTATION_REASON, flags->reason);
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
    const Profile *const like[] = {profile, NULL};
    g_autoptr(Profile) result =
        profile_parse_like(profile->path, g_strndup(text->str, text->len), text->len, like, error);
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
        g_autofree char *raw = annotations[i].value ? keyfile_raw(annotations[i].value) : NULL;
        keyfile_set(text, GROUP_USER, annotations[i].key, raw);
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

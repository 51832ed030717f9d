/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <stdlib.h>
#include <string.h>

#define KIND "nm-trial-record"
#define GROUP_TRIAL "trial"
/* No clock gets there, and sums of a few such times do not overflow. */
#define TIME_MAX_MS (G_MAXINT64 / 4)

static const char *const confirm_names[] = {"auto", "manual"};

Record *record_new(void)
{
    Record *record = g_new0(Record, 1);
    record->checks = g_new0(char *, 1);
    return record;
}

static void profile_clear(struct record_profile *profile)
{
    g_free(profile->uuid);
    g_free(profile->id);
    g_free(profile->path);
    g_free(profile->data);
}

void record_free(Record *record)
{
    if (!record)
        return;
    for (int i = 0; i < TRIAL_PAIRS_MAX; i++) {
        profile_clear(&record->pair[i].candidate);
        profile_clear(&record->pair[i].replaced);
        g_free(record->pair[i].device);
        g_free(record->pair[i].active_path);
    }
    g_free(record->id);
    g_free(record->boot_id);
    g_free(record->started_by);
    g_strfreev(record->checks);
    g_free(record->nm_name);
    g_free(record->checkpoint);
    g_free(record->checkpoint_nm);
    g_free(record->detail);
    g_free(record->baseline);
    g_free(record);
}

gboolean record_id_valid(const char *text)
{
    return text && strlen(text) == RECORD_ID_LENGTH && strspn(text, "0123456789abcdef") == RECORD_ID_LENGTH;
}

char *record_subject(const Record *record)
{
    GString *text = g_string_new(record->id);
    g_string_append_printf(text, " %s", record->nm_name);
    for (int i = 0; i < record->trial.n_pairs; i++)
        g_string_append_printf(text, " %s", record->pair[i].active_path);
    return g_string_free(text, FALSE);
}

/* The envelope */

char *envelope_seal(const char *kind, int version, const char *body, gsize length, gsize *ret_length)
{
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)body, length);
    GString *text = g_string_new(NULL);
    g_string_printf(text, "%s %d %zu %s\n", kind, version, length, sum);
    g_string_append_len(text, body, (gssize)length);
    *ret_length = text->len;
    return g_string_free(text, FALSE);
}

static gboolean bad(GError **error, const char *what)
{
    g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE, "it is %s", what);
    return FALSE;
}

gboolean envelope_open(const char *kind, int version, const char *data, gsize length, const char **ret_body,
                       gsize *ret_length, GError **error)
{
    const char *newline = memchr(data, '\n', MIN(length, 200));
    if (!newline)
        return bad(error, length == 0 ? "empty" : "cut off or no file of ours");
    g_autofree char *line = g_strndup(data, (gsize)(newline - data));
    g_auto(GStrv) words = g_strsplit(line, " ", 5);
    const char *body = newline + 1;
    gsize body_length = length - (gsize)(body - data);
    guint64 number = 0;

    if (g_strv_length(words) != 4 || strcmp(words[0], kind) != 0)
        return bad(error, "no file of ours");
    if (!g_ascii_string_to_unsigned(words[1], 10, 1, G_MAXINT, &number, NULL))
        return bad(error, "without a version");
    if (number != (guint64)version)
        return bad(error, number > (guint64)version ? "of a newer version" : "of an unknown version");
    if (!g_ascii_string_to_unsigned(words[2], 10, 0, G_MAXINT, &number, NULL) || number != body_length)
        return bad(error, "cut off or has grown");
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)body, body_length);
    g_autofree char *wanted = g_strdup_printf("%s %d %zu %s\n", kind, version, body_length, sum);
    if (strlen(wanted) != (gsize)(body - data) || memcmp(wanted, data, strlen(wanted)) != 0)
        return bad(error, "damaged: its checksum is wrong");
    *ret_body = body;
    *ret_length = body_length;
    return TRUE;
}

/* Out */

static void put(GKeyFile *file, const char *group, const char *key, const char *value)
{
    if (value)
        g_key_file_set_string(file, group, key, value);
}

static void put_profile(GKeyFile *file, const char *group, const char *kind,
                        const struct record_profile *profile)
{
    g_autofree char *uuid = g_strconcat(kind, "-uuid", NULL), *id = g_strconcat(kind, "-id", NULL);
    g_autofree char *path = g_strconcat(kind, "-path", NULL), *data = g_strconcat(kind, "-data", NULL);

    if (!profile->uuid)
        return;
    g_autofree char *uri = g_filename_to_uri(profile->path, NULL, NULL); /* a path need not be UTF-8 */
    g_autofree char *base64 = g_base64_encode((const guchar *)profile->data, profile->length);
    put(file, group, uuid, profile->uuid);
    put(file, group, id, profile->id);
    put(file, group, path, uri);
    put(file, group, data, base64);
}

static void put_pair(GKeyFile *file, const Record *record, int i)
{
    const struct record_pair *pair = &record->pair[i];
    g_autofree char *group = g_strdup_printf("pair %d", i);

    put(file, group, "device", pair->device);
    g_key_file_set_integer(file, group, "priority", pair->priority);
    g_key_file_set_boolean(file, group, "judged", pair->judged);
    g_key_file_set_boolean(file, group, "edit", pair->edit);
    g_key_file_set_boolean(file, group, "activated", record->trial.pair[i].activated);
    g_key_file_set_boolean(file, group, "was-active", record->trial.pair[i].was_active);
    put(file, group, "active-path", pair->active_path);
    g_key_file_set_boolean(file, group, "has-replaced", pair->replaced.uuid != NULL);
    put_profile(file, group, "candidate", &pair->candidate);
    put_profile(file, group, "replaced", &pair->replaced);
}

char *record_format(const Record *record, gsize *ret_length)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    const struct trial *trial = &record->trial;
    gsize length = 0;

    put(file, GROUP_TRIAL, "id", record->id);
    put(file, GROUP_TRIAL, "state", trial_state_name(trial->state));
    put(file, GROUP_TRIAL, "reason", trial_reason_name(trial->reason));
    put(file, GROUP_TRIAL, "detail", record->detail);
    put(file, GROUP_TRIAL, "confirm", confirm_names[trial->confirm]);
    g_key_file_set_boolean(file, GROUP_TRIAL, "fallback", trial->fallback);
    put(file, GROUP_TRIAL, "boot-id", record->boot_id);
    g_key_file_set_int64(file, GROUP_TRIAL, "started-ms", record->started_ms);
    g_key_file_set_int64(file, GROUP_TRIAL, "deadline-ms", trial->deadline_ms);
    g_key_file_set_int64(file, GROUP_TRIAL, "hold-ms", trial->hold_ms);
    put(file, GROUP_TRIAL, "started-by", record->started_by);
    g_key_file_set_string_list(file, GROUP_TRIAL, "checks", (const char *const *)record->checks,
                               g_strv_length(record->checks));
    put(file, GROUP_TRIAL, "baseline", record->baseline);
    put(file, GROUP_TRIAL, "nm-name", record->nm_name);
    put(file, GROUP_TRIAL, "checkpoint", record->checkpoint);
    put(file, GROUP_TRIAL, "checkpoint-nm-name", record->checkpoint_nm);
    g_key_file_set_int64(file, GROUP_TRIAL, "checkpoint-created-ms", record->checkpoint_created_ms);
    g_key_file_set_integer(file, GROUP_TRIAL, "pairs", trial->n_pairs);
    for (int i = 0; i < trial->n_pairs; i++)
        put_pair(file, record, i);

    g_autofree char *body = g_key_file_to_data(file, &length, NULL);
    return envelope_seal(KIND, RECORD_VERSION, body, length, ret_length);
}

/* In: the first thing that is wrong stays in `error`, the rest is skipped. */

struct reader {
    GKeyFile *file;
    const char *group;
    GError *error;
};

static void wrong(struct reader *in, const char *key)
{
    if (!in->error)
        g_set_error(&in->error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                    "its value %s in [%s] is wrong", key, in->group);
}

static char *get(struct reader *in, const char *key)
{
    GError *error = NULL;
    char *value = g_key_file_get_string(in->file, in->group, key, &error);
    if (error) {
        wrong(in, key);
        g_clear_pointer(&value, g_free);
        g_error_free(error);
    }
    return value;
}

static char *get_optional(struct reader *in, const char *key)
{
    return g_key_file_has_key(in->file, in->group, key, NULL) ? get(in, key) : NULL;
}

static gint64 get_number(struct reader *in, const char *key, gint64 least, gint64 most)
{
    GError *error = NULL;
    gint64 value = g_key_file_get_int64(in->file, in->group, key, &error);
    if (error || value < least || value > most)
        wrong(in, key);
    g_clear_error(&error);
    return CLAMP(value, least, most);
}

static gboolean get_boolean(struct reader *in, const char *key)
{
    GError *error = NULL;
    gboolean value = g_key_file_get_boolean(in->file, in->group, key, &error);
    if (error)
        wrong(in, key);
    g_clear_error(&error);
    return value;
}

/* The position of the value among `n` names; 0, and wrong, when it is none of them. */
static int get_name(struct reader *in, const char *key, const char *(*name)(int), int n)
{
    g_autofree char *value = get(in, key);
    for (int i = 0; i < n; i++)
        if (g_strcmp0(value, name(i)) == 0)
            return i;
    wrong(in, key);
    return 0;
}

static const char *nth_state(int i)
{
    return trial_state_name((enum trial_state)i);
}

static const char *nth_reason(int i)
{
    return trial_reason_name((enum trial_reason)i);
}

static const char *nth_confirm(int i)
{
    return confirm_names[i];
}

static void get_profile(struct reader *in, const char *kind, struct record_profile *profile)
{
    g_autofree char *uuid = g_strconcat(kind, "-uuid", NULL), *id = g_strconcat(kind, "-id", NULL);
    g_autofree char *path = g_strconcat(kind, "-path", NULL), *data = g_strconcat(kind, "-data", NULL);

    profile->uuid = get(in, uuid);
    profile->id = get(in, id);
    g_autofree char *uri = get(in, path);
    profile->path = uri ? g_filename_from_uri(uri, NULL, NULL) : NULL; /* absolute, or none */
    if (!profile->path)
        wrong(in, path);
    g_autofree char *base64 = get(in, data);
    if (base64 && *base64) {
        gsize length = 0;
        g_autofree guchar *bytes = g_base64_decode(base64, &length);
        profile->data = g_malloc0(length + 1); /* with a NUL behind it */
        memcpy(profile->data, bytes, length);
        profile->length = length;
    }
    if (profile->length == 0)
        wrong(in, data);
}

static void get_pair(struct reader *in, Record *record, int i)
{
    struct record_pair *pair = &record->pair[i];
    struct trial_pair *t = &record->trial.pair[i];
    g_autofree char *group = g_strdup_printf("pair %d", i);

    in->group = group;
    pair->device = get(in, "device");
    pair->priority = (int)get_number(in, "priority", -999, 999);
    pair->judged = get_boolean(in, "judged");
    pair->edit = get_boolean(in, "edit");
    t->activated = get_boolean(in, "activated");
    t->was_active = get_boolean(in, "was-active");
    pair->active_path = get_optional(in, "active-path");
    get_profile(in, "candidate", &pair->candidate);
    t->has_replaced = get_boolean(in, "has-replaced");
    if (t->has_replaced)
        get_profile(in, "replaced", &pair->replaced);
    if (pair->edit && g_strcmp0(pair->candidate.uuid, pair->replaced.uuid) != 0)
        wrong(in, "edit");
    in->group = NULL;
}

static void get_trial(struct reader *in, Record *record)
{
    struct trial *trial = &record->trial;

    in->group = GROUP_TRIAL;
    record->id = get(in, "id");
    if (!record_id_valid(record->id))
        wrong(in, "id");
    trial->state = (enum trial_state)get_name(in, "state", nth_state, TRIAL_N_STATES);
    trial->reason = (enum trial_reason)get_name(in, "reason", nth_reason, TRIAL_N_REASONS);
    trial->confirm = (enum trial_confirm)get_name(in, "confirm", nth_confirm, G_N_ELEMENTS(confirm_names));
    trial->fallback = get_boolean(in, "fallback");
    trial->deadline_ms = get_number(in, "deadline-ms", 0, TIME_MAX_MS);
    trial->hold_ms = get_number(in, "hold-ms", 0, TIME_MAX_MS);
    trial->n_pairs = (int)get_number(in, "pairs", 1, TRIAL_PAIRS_MAX);
    record->detail = get_optional(in, "detail");
    record->boot_id = get(in, "boot-id");
    record->started_ms = get_number(in, "started-ms", 0, TIME_MAX_MS);
    record->started_by = get_optional(in, "started-by");
    record->baseline = get_optional(in, "baseline");
    record->nm_name = get_optional(in, "nm-name");
    record->checkpoint = get_optional(in, "checkpoint");
    record->checkpoint_nm = get_optional(in, "checkpoint-nm-name");
    record->checkpoint_created_ms = get_number(in, "checkpoint-created-ms", 0, TIME_MAX_MS);
    char **checks = g_key_file_get_string_list(in->file, GROUP_TRIAL, "checks", NULL, NULL);
    if (checks) {
        g_strfreev(record->checks);
        record->checks = checks;
    } else
        wrong(in, "checks");
}

Record *record_parse(const char *data, gsize length, GError **error)
{
    const char *body = NULL;
    gsize body_length = 0;
    if (!envelope_open(KIND, RECORD_VERSION, data, length, &body, &body_length, error))
        return NULL;

    g_autoptr(GKeyFile) file = g_key_file_new();
    if (!g_key_file_load_from_data(file, body, body_length, G_KEY_FILE_NONE, error))
        return NULL;
    g_autoptr(Record) record = record_new();
    struct reader in = {.file = file};
    get_trial(&in, record);
    for (int i = 0; i < record->trial.n_pairs; i++)
        get_pair(&in, record, i);
    if (in.error) {
        g_propagate_error(error, in.error);
        return NULL;
    }
    return g_steal_pointer(&record);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history.h"

#include "journal.h"
#include "names.h"
#include "store.h"

#define KIND "nm-trial-history"
#define VERSION 1
/* The member of an entry whose hooks have still to run. It is nobody else's to see. */
#define UNTOLD "untold"

static char *history_path(const char *state_dir)
{
    return g_build_filename(state_dir, NM_TRIAL_HISTORY, NULL);
}

static JsonArray *parse(const char *data, gsize length, GError **error)
{
    const char *body = NULL;
    gsize body_length = 0;
    g_autoptr(JsonParser) parser = json_parser_new();

    if (!envelope_open(KIND, VERSION, data, length, &body, &body_length, error) ||
        !json_parser_load_from_data(parser, body, (gssize)body_length, error))
        return NULL;
    JsonNode *root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_ARRAY(root)) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE, "it is no list");
        return NULL;
    }
    return json_array_ref(json_node_get_array(root));
}

static JsonArray *load(const char *state_dir, GError **error)
{
    g_autofree char *path = history_path(state_dir), *data = NULL;
    gsize length = 0;
    GError *failure = NULL;

    if (store_read_trusted(path, &data, &length, &failure)) {
        JsonArray *entries = parse(data, length, error);
        if (!entries)
            g_prefix_error(error, "%s cannot be used: ", path);
        return entries;
    }
    if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_error_free(failure);
        return json_array_new();
    }
    g_propagate_error(error, failure);
    return NULL;
}

static JsonObject *as_object(JsonArray *history, guint i)
{
    JsonNode *node = json_array_get_element(history, i);
    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *history_load(const char *state_dir, GError **error)
{
    JsonArray *entries = load(state_dir, error);
    for (guint i = 0; entries && i < json_array_get_length(entries); i++) {
        JsonObject *entry = as_object(entries, i);
        if (entry)
            json_object_remove_member(entry, UNTOLD);
    }
    return entries;
}

const char *history_text(JsonObject *object, const char *name)
{
    JsonNode *member = json_object_get_member(object, name);
    const char *text = member && JSON_NODE_HOLDS_VALUE(member) ? json_node_get_string(member) : NULL;
    return text ? text : "";
}

static const char *id_of(JsonObject *entry)
{
    return history_text(entry, "id");
}

JsonObject *history_find(JsonArray *history, const char *id)
{
    for (guint i = 0; i < json_array_get_length(history); i++) {
        JsonObject *entry = as_object(history, i);
        if (entry && g_strcmp0(id_of(entry), id) == 0)
            return entry;
    }
    return NULL;
}

gboolean history_promoted(JsonObject *entry)
{
    return g_strcmp0(history_text(entry, "verdict"), "promoted") == 0;
}

static gboolean names(JsonObject *pair, const char *role, const char *uuid)
{
    JsonNode *profile = json_object_get_member(pair, role);
    return profile && JSON_NODE_HOLDS_OBJECT(profile) &&
           g_strcmp0(history_text(json_node_get_object(profile), "uuid"), uuid) == 0;
}

/* What one entry makes of the profile. */
static enum history_standing standing_in(JsonObject *entry, const char *uuid)
{
    JsonNode *list = json_object_get_member(entry, "pairs");
    JsonArray *pairs = list && JSON_NODE_HOLDS_ARRAY(list) ? json_node_get_array(list) : NULL;
    gboolean promoted = history_promoted(entry);

    for (guint i = 0; pairs && i < json_array_get_length(pairs); i++) {
        JsonObject *pair = as_object(pairs, i);
        gboolean edit = pair && names(pair, "candidate", uuid) && names(pair, "replaced", uuid);
        if (edit)
            return STANDING_GOOD; /* with the one content or the other */
        if (pair && names(pair, "candidate", uuid))
            return promoted ? STANDING_GOOD : STANDING_NOT_GOOD;
        if (pair && names(pair, "replaced", uuid))
            return promoted ? STANDING_NOT_GOOD : STANDING_GOOD;
    }
    return STANDING_UNKNOWN;
}

enum history_standing history_standing(JsonArray *history, const char *uuid)
{
    enum history_standing standing = STANDING_UNKNOWN;
    for (guint i = 0; standing == STANDING_UNKNOWN && i < json_array_get_length(history); i++) {
        JsonObject *entry = as_object(history, i);
        if (entry)
            standing = standing_in(entry, uuid);
    }
    return standing;
}

void history_set_profile(JsonObject *pair, const char *name, const struct record_profile *profile)
{
    if (!profile->uuid) {
        json_object_set_null_member(pair, name);
        return;
    }
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "uuid", profile->uuid);
    json_object_set_string_member(object, "id", profile->id);
    json_object_set_object_member(pair, name, object);
}

static void set_results(JsonObject *entry, const char *name, const char *text)
{
    JsonNode *node = text ? json_from_string(text, NULL) : NULL;
    if (node)
        json_object_set_member(entry, name, node);
    else
        json_object_set_array_member(entry, name, json_array_new());
}

static JsonObject *entry_of(const Record *record, gint64 now_ms, const char *after_revert)
{
    JsonObject *entry = json_object_new();
    JsonArray *pairs = json_array_new();
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *wall_clock = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    const struct trial *trial = &record->trial;

    json_object_set_string_member(entry, "id", record->id);
    json_object_set_string_member(entry, "verdict",
                                  trial->state == TRIAL_PROMOTING ? "promoted" : "reverted");
    json_object_set_string_member(entry, "reason", trial_reason_name(trial->reason));
    json_object_set_string_member(entry, "detail", record->detail ? record->detail : "");
    for (int i = 0; i < trial->n_pairs; i++) {
        JsonObject *pair = json_object_new();
        history_set_profile(pair, "candidate", &record->pair[i].candidate);
        history_set_profile(pair, "replaced", &record->pair[i].replaced);
        json_object_set_string_member(pair, "device", record->pair[i].device);
        json_array_add_object_element(pairs, pair);
    }
    json_object_set_array_member(entry, "pairs", pairs);
    set_results(entry, "baseline", record->baseline);
    set_results(entry, "after_revert", after_revert);
    /* A trial that a reboot ended has no duration: CLOCK_BOOTTIME began anew. */
    gboolean known = trial->reason != REASON_UNCONFIRMED_REBOOT && now_ms >= record->started_ms;
    json_object_set_int_member(entry, "duration_s", known ? (now_ms - record->started_ms) / 1000 : 0);
    json_object_set_string_member(entry, "ended", wall_clock); /* as wrong as the device's wall clock is */
    json_object_set_string_member(entry, "started_by", record->started_by ? record->started_by : "");
    if (g_file_test(NM_TRIAL_HOOK_DIR, G_FILE_TEST_IS_DIR))
        json_object_set_boolean_member(entry, UNTOLD, TRUE);
    return entry;
}

static gboolean save(const char *path, JsonArray *entries, GError **error)
{
    g_autoptr(JsonNode) root = json_node_init_array(json_node_alloc(), entries);
    /* JSON-GLib makes of half a surrogate pair what it does not read again. */
    g_autofree char *text = json_to_string(root, TRUE), *body = g_utf8_make_valid(text, -1), *sealed = NULL;
    gsize length = 0;
    sealed = envelope_seal(KIND, VERSION, body, strlen(body), &length);
    return store_write(path, sealed, length, error);
}

gboolean history_add(const char *state_dir, const Record *record, gint64 now_ms, const char *after_revert,
                     GError **error)
{
    g_autofree char *path = history_path(state_dir);
    g_autoptr(GError) unusable = NULL;
    g_autoptr(JsonArray) old = load(state_dir, &unusable);
    g_autoptr(JsonArray) entries = json_array_new();

    if (!old && unusable->domain == G_FILE_ERROR && !store_unusable(unusable)) {
        g_propagate_error(error, g_steal_pointer(&unusable)); /* it may be readable later */
        return FALSE;
    }
    if (!old) {
        g_autofree char *aside = NULL;
        if (!store_set_aside(path, &aside, error))
            return FALSE;
        journal_say(JOURNAL_RECORD_BAD, NULL, -1, "%s It was set aside as %s.", unusable->message, aside);
    }
    json_array_add_object_element(entries, entry_of(record, now_ms, after_revert));
    for (guint i = 0; old && i < json_array_get_length(old) && json_array_get_length(entries) < HISTORY_MAX;
         i++) {
        JsonObject *entry = as_object(old, i);
        if (entry && g_strcmp0(id_of(entry), record->id) != 0)
            json_array_add_object_element(entries, json_object_ref(entry));
    }
    return save(path, entries, error);
}

JsonObject *history_untold(const char *state_dir, const char *open)
{
    g_autoptr(JsonArray) entries = load(state_dir, NULL);

    for (guint i = entries ? json_array_get_length(entries) : 0; i-- > 0;) {
        JsonObject *entry = as_object(entries, i);
        if (entry && json_object_get_member(entry, UNTOLD) && *id_of(entry) &&
            g_strcmp0(id_of(entry), open) != 0)
            return json_object_ref(entry);
    }
    return NULL;
}

gboolean history_told(const char *state_dir, const char *id, GError **error)
{
    g_autofree char *path = history_path(state_dir);
    g_autoptr(JsonArray) entries = load(state_dir, NULL);
    JsonObject *entry = entries ? history_find(entries, id) : NULL;

    if (!entry) /* set aside or damaged meanwhile: nobody is told by it */
        return TRUE;
    json_object_remove_member(entry, UNTOLD);
    return save(path, entries, error);
}

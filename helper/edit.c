/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "edit.h"
#include "keyfile.h"

#include "good.h"
#include "names.h"
#include "plan.h"
#include "profiles.h"
#include "store.h"

#include <glib/gstdio.h>
#include <string.h>

/* Whether the file has a profile of that UUID, whatever else is in it. */
static gboolean has_uuid(const char *path, const char *uuid)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *data = NULL, *its = NULL;
    gsize length = 0;

    if (!profile_port->read(path, &data, &length, NULL) || !strstr(data, uuid) ||
        !g_key_file_load_from_data(file, data, length, G_KEY_FILE_NONE, NULL))
        return FALSE;
    its = g_key_file_get_string(file, GROUP_CONNECTION, KEY_UUID, NULL);
    return g_strcmp0(its, uuid) == 0;
}

/* The content */

static gboolean fits(const Profile *profile, const Profile *content, GError **error)
{
    g_autofree char *device = NULL, *its = NULL;

    if (strcmp(content->uuid, profile->uuid) != 0)
        return plan_refuse(
            error,
            "the new content has the UUID %s, \"%s\" has %s. Leave uuid= out, or start the new "
            "one as a candidate of its own.",
            content->uuid, profile->id, profile->uuid);
    if (strcmp(profile_type(content), profile_type(profile)) != 0)
        return plan_refuse(error, "the new content is of type %s, \"%s\" of type %s.", profile_type(content),
                           profile->id, profile_type(profile));
    if (!plan_bound(content, &its, error) || !plan_bound(profile, &device, error))
        return FALSE;
    return strcmp(its, device) == 0 ||
           plan_refuse(error, "the new content is for %s, \"%s\" for %s.", its, profile->id, device);
}

static void add_missing(GString *text, GKeyFile *file, const char *key, const char *value)
{
    g_autofree char *raw = keyfile_raw(value);
    if (!g_key_file_has_key(file, GROUP_CONNECTION, key, NULL))
        keyfile_set(text, GROUP_CONNECTION, key, raw);
}

/* Another profile of NM's may have the name there: an automatic one, or a user's. */
static char *shadow_path(const Profile *profile, const char *run_dir)
{
    g_autofree char *base = g_path_get_basename(profile->path);
    g_autofree char *name =
        g_strconcat(base, g_str_has_suffix(base, KEYFILE_SUFFIX) ? "" : KEYFILE_SUFFIX, NULL);
    char *path = g_build_filename(run_dir, name, NULL); /* in /run, NM reads no name without the suffix */

    if (g_file_test(path, G_FILE_TEST_EXISTS) && !has_uuid(path, profile->uuid)) {
        g_free(path);
        g_autofree char *other = g_strconcat("nm-trial-", profile->uuid, KEYFILE_SUFFIX, NULL);
        path = g_build_filename(run_dir, other, NULL);
    }
    return path;
}

/* What is relative means another file where the shadow is. */
static gboolean nothing_relative(const Profile *profile, const Profile *content, GError **error)
{
    g_autoptr(Profile) there =
        profile_parse(profile->path, g_strndup(content->data, content->length), content->length, NULL);
    return (there && profile_same(there, content)) ||
           plan_refuse(
               error,
               "the new content of \"%s\" names a file (a certificate?) by a relative path. Use an absolute "
               "one.",
               profile->id);
}

Profile *edit_parse(const Profile *profile, const char *run_dir, const char *text, gsize length,
                    GError **error)
{
    g_autofree char *path = shadow_path(profile, run_dir);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) failure = NULL;
    GString *full = g_string_new_len(text, (gssize)length);

    /* what is no keyfile is profile_parse()'s to refuse */
    if (g_key_file_load_from_data(file, text, length, G_KEY_FILE_NONE, NULL)) {
        add_missing(full, file, KEY_UUID, profile->uuid);
        add_missing(full, file, KEY_ID, profile->id);
        keyfile_remove_group(full, GROUP_META);
    }
    length = full->len;
    g_autoptr(Profile) content = profile_parse(path, g_string_free(full, FALSE), length, &failure);
    if (!content)
        plan_refuse(error, "the new content of \"%s\" cannot be used%s", profile->id,
                    failure->message + (g_str_has_prefix(failure->message, path) ? strlen(path) : 0));
    return content && fits(profile, content, error) && nothing_relative(profile, content, error)
               ? g_steal_pointer(&content)
               : NULL;
}

/* The content as it is stored: with autoconnect, whatever it said, as it is to be the profile of its device.
 */
static char *with_state(const struct record_pair *pair, const char *state, gsize *ret_length, GError **error)
{
    const struct profile_flags flags = {TRUE, pair->priority, state, NULL};
    g_autoptr(Profile) content = recorded_content(pair, error);
    return content ? profile_with_flags(content, &flags, ret_length, error) : NULL;
}

/* NM goes by the key: without it, whoever modifies the profile meanwhile leaves a second file of its UUID. */
static char *as_shadow(const struct record_pair *pair, gsize *ret_length, GError **error)
{
    g_autofree char *plain = with_state(pair, "trying", ret_length, error);
    g_autofree char *own = keyfile_raw(pair->replaced.path);
    if (!plain)
        return NULL;
    GString *text = g_string_new_len(plain, (gssize)*ret_length);
    keyfile_set(text, GROUP_META, KEY_SHADOWED, own);
    *ret_length = text->len;
    return g_string_free(text, FALSE);
}

/* What is there */

/* How closely to look: at every file, or at names alone, which is how NM's own second files are known (by
 * their UUID). That costs nothing in the number of profiles. */
enum look { LOOK_AT_FILES, LOOK_AT_NAMES };

/* Every file of the directory but `own` (NULL: none is) that gives the UUID another content, or hides it. */
static gboolean add_strays(GPtrArray *strays, const char *directory, const char *uuid, const char *own,
                           enum look look, GError **error)
{
    g_auto(GStrv) names = profile_port->names(directory, error);
    g_autofree char *tombstone = g_strconcat(uuid, NM_META_SUFFIX, NULL);

    for (char **next = names; next && *next; next++) {
        const char *name = *next;
        g_autofree char *path = g_build_filename(directory, name, NULL);
        if (strcmp(name, tombstone) == 0 ||
            (g_strcmp0(path, own) != 0 && !profile_ignored(name) &&
             (look == LOOK_AT_FILES || strstr(name, uuid)) && has_uuid(path, uuid)))
            g_ptr_array_add(strays, g_steal_pointer(&path));
    }
    return names != NULL;
}

/* In both directories; `shadow` (NULL: none) is no stray either. Paths; caller unrefs. */
static GPtrArray *find_strays(const char *uuid, const char *own, const char *run_dir, const char *shadow,
                              enum look look, GError **error)
{
    g_autoptr(GPtrArray) strays = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *stored = g_path_get_dirname(own);
    return add_strays(strays, run_dir, uuid, shadow, look, error) &&
                   add_strays(strays, stored, uuid, own, look, error)
               ? g_steal_pointer(&strays)
               : NULL;
}

/* Another tool's second file of the UUID, a tombstone, and, when looking at files, our shadow. */
static GPtrArray *strays_of(const struct record_pair *pair, enum look look, GError **error)
{
    g_autofree char *run = g_path_get_dirname(pair->candidate.path);
    return find_strays(pair->replaced.uuid, pair->replaced.path, run,
                       look == LOOK_AT_NAMES ? pair->candidate.path : NULL, look, error);
}

GPtrArray *edit_strays(const char *uuid, const char *own, const char *run_dir, GError **error)
{
    return find_strays(uuid, own, run_dir, NULL, LOOK_AT_FILES, error);
}

/* Whether one of them says that somebody has deleted the profile. */
static gboolean hide_it(const GPtrArray *strays)
{
    for (guint i = 0; i < strays->len; i++)
        if (g_str_has_suffix(strays->pdata[i], NM_META_SUFFIX))
            return TRUE;
    return FALSE;
}

/* The facts */

static void trying_facts(const Record *record, int i, const Profile *shadow, enum found found,
                         const GPtrArray *strays, struct pair_facts *facts)
{
    /* in the shadow's directory, not in the profile's own: start saw to it that it means the same in both */
    g_autoptr(Profile) then = recorded_profile(&record->pair[i].candidate, NULL);
    const char *state = shadow ? profile_annotation(shadow, ANNOTATION_STATE) : NULL;

    facts->candidate_flags = g_strcmp0(state, "trying") == 0 ? FLAGS_TRYING : FLAGS_OTHER;
    if (found == FOUND_NOTHING && !record->trial.pair[i].activated)
        facts->candidate = FILE_SAME; /* it was not written yet */
    else if (found == FOUND_NOTHING)  /* `nmcli connection modify` and `delete` drop it */
        facts->candidate = hide_it(strays) ? FILE_GONE : FILE_CHANGED;
    else if (strays->len > 0)
        facts->candidate = FILE_CHANGED;
    else
        facts->candidate = shadow && then && profile_same(shadow, then) ? FILE_SAME : FILE_CHANGED;
}

gboolean edit_facts(const Record *record, int i, struct pair_facts *facts, GError **error)
{
    const struct record_pair *pair = &record->pair[i];
    GError *failure = NULL;
    enum found found_own = FOUND_NOTHING, found_shadow = FOUND_NOTHING;
    g_autoptr(Profile) good = recorded_profile(&pair->replaced, NULL);
    g_autoptr(Profile) wanted = recorded_content(pair, NULL);
    const Profile *const either[] = {good ? good : wanted, good ? wanted : NULL, NULL};
    g_autoptr(Profile) own = read_profile(pair->replaced.path, either, &found_own, &failure);
    g_autoptr(Profile) shadow = failure ? NULL : read_recorded(&pair->candidate, &found_shadow, &failure);
    enum look look = record->trial.state == TRIAL_TRYING ? LOOK_AT_NAMES : LOOK_AT_FILES;
    g_autoptr(GPtrArray) strays = failure ? NULL : strays_of(pair, look, &failure);

    if (failure) {
        g_propagate_error(error, failure);
        return FALSE;
    }
    facts->replaced_bootable =
        own && good && own->autoconnect && own->priority >= good->priority && profile_same(own, good);
    if (!own && shadow && record->trial.state == TRIAL_TRYING && profile_port == &profiles_dbus)
        facts->replaced_bootable =
            TRUE; /* NM shows only the shadow; nobody else can write what is under it */
    facts->candidate_flags = FLAGS_OTHER;
    switch (record->trial.state) {
    case TRIAL_TRYING:
        trying_facts(record, i, shadow, found_shadow, strays, facts);
        break;
    case TRIAL_PROMOTING:
        facts->candidate = own && wanted && profile_same(own, wanted) ? FILE_SAME : FILE_CHANGED;
        if (own)
            facts->candidate_flags = profile_flags_state(own, pair->priority);
        facts->replaced_retired = strays->len == 0;
        break;
    case TRIAL_REVERTING:
        facts->candidate = strays->len > 0 ? FILE_SAME : FILE_GONE;
        break;
    }
    return TRUE;
}

/* The effects */

static gboolean write_shadow(const struct record_pair *pair, GError **error)
{
    gsize length = 0;
    g_autofree char *text = as_shadow(pair, &length, error);
    return text && profile_port->write(pair->candidate.path, text, length, error);
}

static gboolean remove_strays(const struct record_pair *pair, GError **error)
{
    g_autoptr(GPtrArray) strays = strays_of(pair, LOOK_AT_FILES, error);
    for (guint i = 0; strays && i < strays->len; i++)
        if (!profile_port->remove(strays->pdata[i], error))
            return FALSE;
    return strays != NULL;
}

gboolean edit_do(const Engine *engine, const Record *record, int i, enum trial_action action, GError **error)
{
    const struct record_pair *pair = &record->pair[i];
    gsize length = 0;

    if (action == ACTION_CANDIDATE_ON) {
        g_autofree char *text = with_state(pair, "promoted", &length, error);
        g_autoptr(Profile) content = recorded_content(pair, error);
        return text && content &&
               good_promote(engine->state_dir, pair->replaced.path, content, text, length, error);
    }
    if (action == ACTION_REPLACED_RESTORE)
        return good_store(engine->state_dir, pair->replaced.path, pair->replaced.uuid, pair->replaced.data,
                          pair->replaced.length, error);
    return record->trial.state == TRIAL_TRYING ? write_shadow(pair, error) : remove_strays(pair, error);
}

gboolean edit_uncover(const Record *record, int i, GError **error)
{
    const char *shadow = record->pair[i].candidate.path;
    /* by D-Bus alone it goes with the profile's own content, which is written */
    return profile_port == &profiles_dbus || !has_uuid(shadow, record->pair[i].replaced.uuid) ||
           profile_port->remove(shadow, error);
}

gboolean edit_drop_shadows(const char *run_dir, GPtrArray *dropped, GError **error)
{
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autoptr(GPtrArray) profiles = profile_read_directory(run_dir, skipped);

    if (!profile_all_readable(skipped, error)) /* it may be one */
        return FALSE;
    while (profiles->len > 0) {
        g_autoptr(Profile) profile = g_ptr_array_steal_index(profiles, 0);
        if (g_strcmp0(profile_annotation(profile, ANNOTATION_STATE), "trying") != 0)
            continue;
        GError *failure = NULL;
        if (!profile_port->remove(profile->path, &failure)) {
            if (g_error_matches(failure, G_FILE_ERROR,
                                G_FILE_ERROR_FAILED)) { /* by D-Bus alone it stays until a reboot */
                g_error_free(failure);
                continue;
            }
            g_propagate_error(error, failure);
            return FALSE;
        }
        g_ptr_array_add(dropped, g_steal_pointer(&profile));
    }
    return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "good.h"

#include "engine.h"
#include "journal.h"
#include "names.h"
#include "profiles.h"
#include "store.h"

#include <stdlib.h>
#include <string.h>

#define KIND "nm-trial-good"
#define VERSION 1
#define GROUP_GOOD "good"
#define GROUP_FAILED "failed"

Good *good_new(const char *path, const char *uuid)
{
    Good *good = g_new0(Good, 1);
    good->path = g_strdup(path);
    good->uuid = g_strdup(uuid);
    good->failed = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return good;
}

void good_free(Good *good)
{
    if (!good)
        return;
    g_free(good->path);
    g_free(good->uuid);
    g_free(good->since);
    g_clear_pointer(&good->content, g_bytes_unref);
    g_clear_pointer(&good->waiting, g_bytes_unref);
    g_ptr_array_unref(good->failed);
    g_free(good);
}

/* Bytes, out and in */

static void put_bytes(GKeyFile *file, const char *group, const char *key, GBytes *bytes)
{
    gsize length = 0;
    if (!bytes)
        return;
    const guchar *data = g_bytes_get_data(bytes, &length);
    g_autofree char *base64 = g_base64_encode(data, length);
    g_key_file_set_string(file, group, key, base64);
}

static GBytes *get_bytes(GKeyFile *file, const char *group, const char *key)
{
    g_autofree char *base64 = g_key_file_get_string(file, group, key, NULL);
    gsize length = 0;
    g_autofree guchar *data = base64 && *base64 ? g_base64_decode(base64, &length) : NULL;
    return length > 0 ? g_bytes_new_take(g_steal_pointer(&data), length) : NULL; /* no profile is empty */
}

static char *format(const Good *good, gsize *ret_length)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *uri = g_filename_to_uri(good->path, NULL, NULL);
    gsize length = 0;

    g_key_file_set_string(file, GROUP_GOOD, "path", uri);
    g_key_file_set_string(file, GROUP_GOOD, "uuid", good->uuid);
    if (good->since)
        g_key_file_set_string(file, GROUP_GOOD, "since", good->since);
    put_bytes(file, GROUP_GOOD, "content", good->content);
    put_bytes(file, GROUP_GOOD, "waiting", good->waiting);
    for (guint i = 0; i < good->failed->len; i++) {
        g_autofree char *number = g_strdup_printf("%u", i);
        put_bytes(file, GROUP_FAILED, number, good->failed->pdata[i]);
    }
    g_autofree char *body = g_key_file_to_data(file, &length, NULL);
    return envelope_seal(KIND, VERSION, body, length, ret_length);
}

static Good *parse(const char *data, gsize length, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    const char *body = NULL;
    gsize body_length = 0;

    if (!envelope_open(KIND, VERSION, data, length, &body, &body_length, error) ||
        !g_key_file_load_from_data(file, body, body_length, G_KEY_FILE_NONE, error))
        return NULL;
    g_autofree char *uri = g_key_file_get_string(file, GROUP_GOOD, "path", NULL);
    g_autofree char *path = uri ? g_filename_from_uri(uri, NULL, NULL) : NULL;
    g_autofree char *uuid = g_key_file_get_string(file, GROUP_GOOD, "uuid", NULL);
    if (!path || !uuid || !profile_is_uuid(uuid)) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, "it names no profile");
        return NULL;
    }
    Good *good = good_new(path, uuid);
    good->since = g_key_file_get_string(file, GROUP_GOOD, "since", NULL);
    good->content = get_bytes(file, GROUP_GOOD, "content");
    good->waiting = get_bytes(file, GROUP_GOOD, "waiting");
    for (guint i = 0; i < GOOD_FAILED_MAX; i++) {
        g_autofree char *number = g_strdup_printf("%u", i);
        GBytes *failed = get_bytes(file, GROUP_FAILED, number);
        if (failed)
            g_ptr_array_add(good->failed, failed);
    }
    return good;
}

/* Files */

static char *file_of(const char *state_dir, const char *profile_path)
{
    g_autofree char *name = g_path_get_basename(profile_path);
    return g_build_filename(state_dir, NM_TRIAL_GOOD, name, NULL);
}

/* NULL without `error`: there is none, or none that can be used. NULL with `error`: the disk does not tell.
 */
static Good *load(const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *data = NULL, *aside = NULL;
    gsize length = 0;
    Good *good = NULL;

    if (store_read_trusted(path, &data, &length, &failure))
        good = parse(data, length, &failure);
    else if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return NULL;
    else if (!store_unusable(failure)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    if (!good && store_set_aside(path, &aside, error))
        journal_say(
            JOURNAL_RECORD_BAD, NULL, -1,
            "The known-good copy of a guarded profile cannot be used (%s). It was set aside as %s. Guard "
            "it anew: nm-trial guard PROFILE",
            failure->message, aside);
    return good;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean is_set_aside(const char *name)
{
    const char *number = g_strrstr(name, ".bad-");
    return number && number[5] && strspn(number + 5, "0123456789") == strlen(number + 5);
}

GPtrArray *good_list(const char *state_dir, GError **error)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)good_free);
    g_autofree char *directory = g_build_filename(state_dir, NM_TRIAL_GOOD, NULL);
    g_auto(GStrv) names = profiles_files.names(directory, error);

    if (names)
        qsort(names, g_strv_length(names), sizeof *names, by_name);
    for (char **name = names; name && *name; name++) {
        g_autofree char *path = g_build_filename(directory, *name, NULL);
        GError *failure = NULL;
        Good *good = profile_ignored(*name) || is_set_aside(*name) ? NULL : load(path, &failure);
        if (good)
            g_ptr_array_add(list, good);
        if (failure && error && !*error)
            g_propagate_error(error, failure);
        else
            g_clear_error(&failure);
    }
    return list;
}

Good *good_of(const GPtrArray *list, const char *path, const char *uuid)
{
    Good *by_uuid = NULL;

    for (guint i = 0; i < list->len; i++) {
        Good *good = list->pdata[i];
        if (strcmp(good->path, path) == 0)
            return good;
        if (strcmp(good->uuid, uuid) == 0)
            by_uuid = good;
    }
    return by_uuid;
}

gboolean good_save(const char *state_dir, const Good *good, GError **error)
{
    g_autofree char *path = file_of(state_dir, good->path), *directory = g_path_get_dirname(path);
    gsize length = 0;
    g_autofree char *text = format(good, &length);
    return store_make_directory(directory, 0700, error) && store_write(path, text, length, error);
}

gboolean good_forget(const char *state_dir, const Good *good, GError **error)
{
    g_autofree char *path = file_of(state_dir, good->path);
    return store_remove(path, error);
}

gboolean good_settle(const char *state_dir, GError **error)
{
    g_autofree char *directory = g_build_filename(state_dir, NM_TRIAL_GOOD, NULL);
    return store_settle(directory, error);
}

/* Contents */

Profile *good_parse(const Good *good, GBytes *content)
{
    gsize length = 0;
    const char *data = content ? g_bytes_get_data(content, &length) : NULL;
    return data ? profile_parse_known(good->path, g_strndup(data, length), length, NULL) : NULL;
}

Profile *good_profile(const Good *good)
{
    return good_parse(good, good->content);
}

static gboolean is(const Good *good, GBytes *content, const Profile *profile)
{
    g_autoptr(Profile) its = good_parse(good, content);
    return its && profile_same(its, profile);
}

gboolean good_failed(const Good *good, const Profile *content)
{
    for (guint i = 0; i < good->failed->len; i++)
        if (is(good, good->failed->pdata[i], content))
            return TRUE;
    return FALSE;
}

gboolean good_waits(const Good *good, const Profile *content)
{
    return is(good, good->waiting, content);
}

static void waits_no_more(Good *good, const Profile *content)
{
    if (good_waits(good, content))
        g_clear_pointer(&good->waiting, g_bytes_unref);
}

void good_set_content(Good *good, const char *data, gsize length)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();

    g_clear_pointer(&good->content, g_bytes_unref);
    good->content = g_bytes_new(data, length);
    g_free(good->since);
    good->since = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    g_autoptr(Profile) profile = good_profile(good);
    if (!profile)
        return;
    waits_no_more(good, profile);
    for (guint i = good->failed->len; i-- > 0;)
        if (is(good, good->failed->pdata[i], profile))
            g_ptr_array_remove_index(good->failed, i);
}

/* Its file was renamed, and so is its memory. */
static gboolean follow(const char *state_dir, Good *good, const char *profile_path, GError **error)
{
    g_autofree char *old = file_of(state_dir, good->path);
    g_free(good->path);
    good->path = g_strdup(profile_path);
    return good_save(state_dir, good, error) && store_remove(old, error);
}

/* The memory of that profile: by its file's name, else by its UUID; NULL: none. FALSE with `error`: the disk
 * does not tell. Caller frees. */
static gboolean load_of(const char *state_dir, const char *profile_path, const char *uuid, Good **ret,
                        GError **error)
{
    g_autofree char *path = file_of(state_dir, profile_path);
    GError *failure = NULL;
    g_autoptr(Good) good = load(path, &failure);

    if (!good && !failure) {
        g_autoptr(GPtrArray) list = good_list(state_dir, &failure);
        for (guint i = 0; !good && !failure && i < list->len; i++)
            if (strcmp(((const Good *)list->pdata[i])->uuid, uuid) == 0)
                good = g_ptr_array_steal_index(list, i);
        if (good && !follow(state_dir, good, profile_path, &failure))
            g_clear_pointer(&good, good_free);
    }
    if (failure)
        g_propagate_error(error, failure);
    *ret = g_steal_pointer(&good);
    return !failure;
}

static gboolean equal(GBytes *bytes, const char *data, gsize length)
{
    gsize size = 0;
    const void *content = g_bytes_get_data(bytes, &size);
    return size == length && memcmp(content, data, length) == 0;
}

static gboolean means_the_same(const Good *good, const char *data, gsize length)
{
    g_autoptr(GBytes) content = g_bytes_new(data, length);
    g_autoptr(Profile) known = good_profile(good);
    return known && is(good, content, known);
}

gboolean good_store(const char *state_dir, const char *path, const char *uuid, const char *data, gsize length,
                    GError **error)
{
    g_autoptr(Good) good = NULL;

    /* that the memory cannot be read keeps nobody from going back: it is the sweep's to mend */
    if (load_of(state_dir, path, uuid, &good, NULL) && good && good->content &&
        !equal(good->content, data, length) && means_the_same(good, data, length)) {
        good_set_content(good, data, length);
        if (!good_save(state_dir, good, error))
            return FALSE;
    }
    return profile_port->write(path, data, length, error);
}

static gboolean asks_for_it(const Profile *candidate)
{
    return g_strcmp0(profile_annotation(candidate, ANNOTATION_START), "boot") == 0 ||
           profile_asks_guard(candidate);
}

gboolean good_promote(const char *state_dir, const char *path, const Profile *candidate, const char *data,
                      gsize length, GError **error)
{
    g_autoptr(Good) good = NULL;

    if (!load_of(state_dir, path, candidate->uuid, &good, error))
        return FALSE;
    if (!good && asks_for_it(candidate))
        good = good_new(path, candidate->uuid);
    if (good && (good->content || asks_for_it(candidate))) {
        good_set_content(good, data, length);
        if (!good_save(state_dir, good, error))
            return FALSE;
    }
    return profile_port->write(path, data, length, error);
}

/* The own file of the profile that was tried. */
static const char *own_path(const struct record_pair *pair)
{
    return pair->edit ? pair->replaced.path : pair->candidate.path;
}

static void remember_failed(Good *good, const Profile *content, const struct record_profile *recorded)
{
    if (good_failed(good, content))
        return;
    g_ptr_array_insert(good->failed, 0, g_bytes_new(recorded->data, recorded->length));
    if (good->failed->len > GOOD_FAILED_MAX)
        g_ptr_array_set_size(good->failed, GOOD_FAILED_MAX);
}

gboolean good_close(const char *state_dir, const Record *record, GError **error)
{
    for (int i = 0; i < record->trial.n_pairs; i++) {
        const struct record_pair *pair = &record->pair[i];
        g_autoptr(Good) good = NULL;
        g_autoptr(Profile) content = recorded_content(pair, NULL);
        gboolean reverted = record->trial.state == TRIAL_REVERTING;

        if (!load_of(state_dir, own_path(pair), pair->candidate.uuid, &good, error))
            return FALSE;
        if (!content)
            continue;
        if (!good && reverted && !pair->edit && asks_for_it(content))
            good = good_new(pair->candidate.path, pair->candidate.uuid);
        if (!good)
            continue;
        if (good->content)
            waits_no_more(good, content);
        else /* a delivery: whatever its file held was what was tried */
            g_clear_pointer(&good->waiting, g_bytes_unref);
        if (reverted)
            remember_failed(good, content, &pair->candidate);
        if (!good_save(state_dir, good, error))
            return FALSE;
    }
    return TRUE;
}

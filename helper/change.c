/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change.h"

#include "edit.h"
#include "journal.h"
#include "keyfile.h"
#include "names.h"
#include "plan.h"
#include "profiles.h"
#include "store.h"

#include <string.h>

#define REASON_FAILED_BEFORE "failed-before"

struct sweep {
    const char *state_dir;
    const char *profile_dir;
    const char *run_dir;
    GPtrArray *put_back;
    gboolean well;
};

static void trouble(struct sweep *sweep, const GError *error)
{
    journal_say(JOURNAL_TROUBLE, NULL, -1, "%s", error->message);
    sweep->well = FALSE;
}

Profile *change_read(const Good *good, const char *path, GError **error)
{
    GError *failure = NULL;
    g_autofree char *data = NULL;
    gsize length = 0;

    if (!profile_port->read(path, &data, &length, &failure)) {
        if (store_has_none(failure))
            g_error_free(failure);
        else
            g_propagate_error(error, failure);
        return NULL;
    }
    GString *text = g_string_new_len(data, (gssize)length);
    keyfile_remove_group(text, GROUP_META);
    if (strstr(text->str, good->uuid) ==
        NULL) /* deleted and made anew: what refers to it goes by the old UUID */
        keyfile_set(text, GROUP_CONNECTION, KEY_UUID, good->uuid);
    length = text->len;
    g_autoptr(Profile) content = profile_parse(good->path, g_string_free(text, FALSE), length, NULL);
    return content && strcmp(content->uuid, good->uuid) == 0 ? g_steal_pointer(&content) : NULL;
}

gboolean change_remember(const char *state_dir, Good *good, const Profile *content, GError **error)
{
    if (good_waits(good, content)) /* perhaps only as a killed process has left it */
        return good_settle(state_dir, error);
    g_clear_pointer(&good->waiting, g_bytes_unref);
    good->waiting = g_bytes_new(content->data, content->length);
    return good_save(state_dir, good, error);
}

gboolean change_put_back(const Good *good, const GPtrArray *strays, GPtrArray *put_back, GError **error)
{
    gsize length = 0;
    const char *data = g_bytes_get_data(good->content, &length);

    if (!profile_port->write(good->path, data, length, error))
        return FALSE;
    for (guint i = 0; i < strays->len; i++) {
        if (!profile_port->remove(strays->pdata[i], error))
            return FALSE;
        if (put_back)
            g_ptr_array_add(put_back, g_strdup(strays->pdata[i]));
    }
    if (put_back)
        g_ptr_array_add(put_back, g_strdup(good->path));
    return TRUE;
}

/* Guarded profiles */

/* It may have been changed without another meaning, but not lose what makes it come up. */
static gboolean is_good(const Profile *own, const Profile *known)
{
    return own && strcmp(own->uuid, known->uuid) == 0 && profile_same(own, known) &&
           (own->autoconnect || !known->autoconnect) && own->priority >= known->priority;
}

/* What somebody made of the profile: in its own file, or in another of its UUID. NULL: nothing that could be
 * tried. Caller frees. */
static Profile *find_change(const Good *good, const Profile *known, const GPtrArray *strays, GError **error)
{
    GError *failure = NULL;
    g_autoptr(Profile) own = change_read(good, good->path, &failure);
    if (own && !profile_same(own, known))
        return g_steal_pointer(&own);
    for (guint i = 0; !failure && i < strays->len; i++) {
        g_autoptr(Profile) other = change_read(good, strays->pdata[i], &failure);
        if (other && !profile_same(other, known))
            return g_steal_pointer(&other);
    }
    if (failure)
        g_propagate_error(error, failure);
    return NULL;
}

/* The same content in one other file and none in its own: somebody has renamed it. */
static gboolean follow_rename(struct sweep *sweep, Good *good, const Profile *known, const GPtrArray *strays)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Profile) other = strays->len == 1 ? change_read(good, strays->pdata[0], NULL) : NULL;
    const char *path = other ? strays->pdata[0] : "";
    g_autofree char *directory = g_path_get_dirname(path);

    if (!other || !profile_same(other, known) || strcmp(directory, sweep->profile_dir) != 0)
        return FALSE;
    g_autoptr(Good) renamed = good_new(path, good->uuid);
    renamed->content = g_bytes_ref(good->content);
    renamed->since = g_strdup(good->since);
    if (good->waiting)
        renamed->waiting = g_bytes_ref(good->waiting);
    for (guint i = 0; i < good->failed->len; i++)
        g_ptr_array_add(renamed->failed, g_bytes_ref(good->failed->pdata[i]));
    if (!good_save(sweep->state_dir, renamed, &error) || !good_forget(sweep->state_dir, good, &error))
        trouble(sweep, error);
    return TRUE;
}

static void sweep_guarded(struct sweep *sweep, Good *good)
{
    g_autoptr(GError) error = NULL;
    enum found found = FOUND_NOTHING;
    g_autoptr(Profile) known = good_profile(good);
    g_autoptr(Profile) own = read_profile(good->path, (const Profile *const[]){known, NULL}, &found, &error);
    g_autoptr(GPtrArray) strays = NULL;
    const char *outcome = found == FOUND_NOTHING ? "its file was removed"
                          : found == FOUND_FOREIGN
                              ? "its file was not root's alone (mode 0600), or no regular file"
                              : "NetworkManager would not load what was in it";

    if (error) {
        trouble(sweep, error);
        return;
    }
    strays = edit_strays(good->uuid, good->path, sweep->run_dir, &error);
    if (!strays) { /* its own file is put back all the same */
        trouble(sweep, error);
        g_clear_error(&error);
        strays = g_ptr_array_new();
    }
    /* what NM does not take (any more) is not put in the way of what somebody made of it */
    if (!known || (is_good(own, known) && strays->len == 0) || !profile_connection(known) ||
        (found == FOUND_NOTHING && follow_rename(sweep, good, known, strays)))
        return;
    g_autoptr(Profile) change = find_change(good, known, strays, &error);
    if (error) {
        trouble(sweep, error);
        return;
    }
    if (change && good_failed(good, change))
        outcome = "its trial was reverted before, and it is not tried again";
    else if (change) { /* remembered first: a power cut in between must not lose it */
        outcome = "it will be tried as an edit";
        if (!change_remember(sweep->state_dir, good, change,
                             &error)) { /* rather lose the change than the device */
            outcome = "it could not be remembered, and is not tried";
            trouble(sweep, error);
        }
    } else if (own && profile_same(own, known))
        outcome = "only its autoconnect or priority was lowered";
    g_clear_error(&error);
    if (!change_put_back(good, strays, sweep->put_back, &error)) {
        trouble(sweep, error);
        return;
    }
    g_autofree char *clean = journal_clean(known->id);
    journal_say(JOURNAL_CHANGED, NULL, -1,
                "the guarded profile \"%s\" was changed: put back to what is known good; %s", clean, outcome);
}

/* Deliveries */

static gboolean is_delivery(const Profile *profile)
{
    return profile_believed(profile) && profile_annotation(profile, ANNOTATION_REPLACES) &&
           g_strcmp0(profile_annotation(profile, ANNOTATION_START), "boot") == 0;
}

/* What is to be tried, or has failed, is nothing that a device may count on. */
static gboolean is_reliable(const GPtrArray *list, const Profile *profile)
{
    const Good *known = good_of(list, profile->path, profile->uuid);
    return profile->autoconnect && profile_believed(profile) &&
           (!is_delivery(profile) || (known && known->content));
}

/* Whether its device has no other profile that a boot would bring up. Devices may not be there yet: what is
 * said to be replaced counts, wherever it is bound; and one that is bound to nothing is the last only where
 * there is none. */
static gboolean is_last(const GPtrArray *list, const GPtrArray *profiles, const Profile *profile)
{
    const char *replaces = profile_annotation(profile, ANNOTATION_REPLACES);
    g_autofree char *device = NULL;
    gboolean bound = plan_bound(profile, &device, NULL);

    for (guint i = 0; i < profiles->len; i++) {
        const Profile *other = profiles->pdata[i];
        if (other != profile && is_reliable(list, other) &&
            strcmp(profile_type(other), profile_type(profile)) == 0 &&
            (!bound || profile_named(other, replaces) || plan_fits(other, device)))
            return FALSE;
    }
    return TRUE;
}

static gboolean write_off(struct sweep *sweep, const Profile *profile, gboolean failed)
{
    const struct profile_flags flags = {FALSE, PROFILE_KEEP_PRIORITY, failed ? "demoted" : NULL,
                                        failed ? REASON_FAILED_BEFORE : NULL};
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    g_autofree char *text = profile_with_flags(profile, &flags, &length, &error);

    if (text && length == profile->length && memcmp(text, profile->data, length) == 0)
        return TRUE;
    if (text && profile_port->write(profile->path, text, length, &error)) {
        if (sweep->put_back)
            g_ptr_array_add(sweep->put_back, g_strdup(profile->path));
        return TRUE;
    }
    trouble(sweep, error);
    return FALSE;
}

static void sweep_delivery(struct sweep *sweep, const GPtrArray *list, const GPtrArray *profiles,
                           const Profile *profile)
{
    Good *known = good_of(list, profile->path, profile->uuid);
    const char *state = profile_annotation(profile, ANNOTATION_STATE);
    g_autofree char *clean = journal_clean(profile->id);
    g_autoptr(GError) error = NULL;

    /* guarded by now, or known to be demoted; that it is promoted tells of another device */
    if (!is_delivery(profile) || (known && known->content) ||
        (g_strcmp0(state, "demoted") == 0 && !profile->autoconnect))
        return;
    if (known && strcmp(known->uuid, profile->uuid) != 0) { /* another profile under its name */
        g_free(known->uuid);
        known->uuid = g_strdup(profile->uuid);
    }
    gboolean failed = known && good_failed(known, profile);
    if (profile->autoconnect && is_last(list, profiles, profile)) {
        journal_say(
            JOURNAL_CHANGED, NULL, -1,
            "\"%s\" was delivered and is not tried: it is the only profile of its device with autoconnect",
            clean);
        return;
    }
    if (!write_off(sweep, profile, failed) || (known && good_waits(known, profile)))
        return;
    if (failed) {
        journal_say(JOURNAL_CHANGED, NULL, -1,
                    "\"%s\" was delivered again: not tried, as its trial was reverted before. To try it: "
                    "nm-trial start %s",
                    clean, profile->uuid);
        return;
    }
    g_autoptr(Good) fresh = known ? NULL : good_new(profile->path, profile->uuid);
    if (!change_remember(sweep->state_dir, known ? known : fresh, profile, &error))
        trouble(sweep, error);
    else
        journal_say(JOURNAL_CHANGED, NULL, -1, "\"%s\" was delivered: it will be tried", clean);
}

gboolean change_sweep(const char *state_dir, const char *profile_dir, const char *run_dir,
                      GPtrArray *put_back)
{
    struct sweep sweep = {state_dir, profile_dir, run_dir, put_back, TRUE};
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = good_list(state_dir, &error);

    if (error)
        trouble(&sweep, error);
    for (guint i = 0; i < list->len; i++) {
        Good *good = list->pdata[i];
        if (good->content)
            sweep_guarded(&sweep, good);
    }
    if (error /* what may have failed before must not be taken for new */
        || !profile_mentioned(profile_dir, ANNOTATION_START))
        return sweep.well;
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autoptr(GPtrArray) profiles = profile_read_directory(profile_dir, skipped);
    if (!profile_all_readable(skipped, &error))
        trouble(&sweep, error);
    for (guint i = 0; i < profiles->len; i++)
        sweep_delivery(&sweep, list, profiles, profiles->pdata[i]);
    return sweep.well;
}

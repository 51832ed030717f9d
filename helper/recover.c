/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way back without a record: the profiles' own annotations say what is on trial. */
#include "edit.h"
#include "engine.h"
#include "good.h"
#include "journal.h"
#include "names.h"
#include "plan.h"
#include "profiles.h"
#include "store.h"

#define REASON_RECORD_LOST "record-lost"

static gboolean write_flags(const Engine *engine, const Profile *profile, const struct profile_flags *flags,
                            GError **error)
{
    gsize length = 0;
    g_autofree char *text = profile_with_flags(profile, flags, &length, error);
    return text && good_store(engine->state_dir, profile->path, profile->uuid, text, length, error);
}

/* By UUID or id, as the annotation may have it. */
static Profile *find(GPtrArray *profiles, const char *name)
{
    for (guint i = 0; name && i < profiles->len; i++) {
        Profile *profile = profiles->pdata[i];
        if (profile_believed(profile) && profile_named(profile, name))
            return profile;
    }
    return NULL;
}

/* The replaced profile first: at no instant is the device without an autoconnect profile. */
static gboolean demote(const Engine *engine, GPtrArray *profiles, GPtrArray *skipped,
                       const Profile *candidate, GError **error)
{
    const struct profile_flags demoted = {FALSE, PROFILE_KEEP_PRIORITY, "demoted", REASON_RECORD_LOST};
    const struct profile_flags on = {TRUE, PROFILE_KEEP_PRIORITY, NULL, NULL};
    const char *named = profile_annotation(candidate, ANNOTATION_REPLACES);
    Profile *replaced = find(profiles, named);
    g_autofree char *clean = journal_clean(candidate->id);

    if (g_strcmp0(profile_annotation(candidate, ANNOTATION_STATE), "demoted") == 0)
        return TRUE; /* by an earlier try */
    if (named && !replaced && !profile_all_readable(skipped, error))
        return FALSE; /* it may be there, and off */
    if (replaced && !replaced->autoconnect && !write_flags(engine, replaced, &on, error))
        return FALSE;
    if (!write_flags(engine, candidate, &demoted, error))
        return FALSE;
    journal_say(JOURNAL_RESTORED, NULL, -1, "demoted \"%s\", which was on trial when the record was lost",
                clean);
    return TRUE;
}

/* Is, or was in an earlier try of this recovery, on trial when the record was lost. */
static gboolean was_on_trial(const Profile *profile)
{
    const char *state = profile_annotation(profile, ANNOTATION_STATE);
    return profile_believed(profile) &&
           (g_strcmp0(state, "trying") == 0 ||
            (g_strcmp0(state, "demoted") == 0 &&
             g_strcmp0(profile_annotation(profile, ANNOTATION_REASON), REASON_RECORD_LOST) == 0));
}

static gboolean ready(Network *network, GError **error)
{
    g_autofree char *why = NULL;

    network_set_limit(network, 0);
    if (network_look(network, &why) != NETWORK_READY)
        g_set_error(error, BUS_ERROR, BUS_ERROR_LATER, "%s", why);
    return why == NULL;
}

/* Takes the candidate down; NM then brings back the device's autoconnect profile by itself. */
static gboolean take_down(Network *network, const Profile *candidate, GError **error)
{
    const char *paths[] = {candidate->path, NULL};

    if (!network) /* before NM's start: there is nothing to take down */
        return TRUE;
    return ready(network, error) && network_load(network, paths, error) &&
           network_deactivate_profile(network, candidate->uuid, error);
}

/* The profile of a dropped shadow again, with its own content. It is its device's only one perhaps: nothing
 * else would come up. */
static gboolean bring_back(Network *network, const Profile *shadow, GError **error)
{
    const char *paths[] = {shadow->path, NULL};
    g_auto(NetworkProfile) known = {0};
    g_auto(NetworkDevice) device = {0};
    g_autofree char *active = NULL, *name = NULL;
    g_autofree char *clean = journal_clean(shadow->id);

    if (!network_load(network, paths, error) || !network_get_profile(network, shadow->uuid, &known, error) ||
        !plan_bound(shadow, &name, error) || !network_get_device(network, name, &device, error) ||
        !network_activate(network, known.object, device.object, &active, error))
        return FALSE;
    journal_say(JOURNAL_RESTORED, NULL, -1,
                "dropped the new content of \"%s\", which was on trial when the record was lost", clean);
    return TRUE;
}

/* A shadow that is gone is what a later try of this recovery does not find: it goes last. */
static gboolean drop_edits(Network *network, GError **error)
{
    g_autoptr(GPtrArray) dropped = g_ptr_array_new_with_free_func((GDestroyNotify)profile_free);

    if (!network) /* the boot has dropped what was in /run */
        return TRUE;
    if (!ready(network, error) || !edit_drop_shadows(NM_RUN_PROFILE_DIR, dropped, error))
        return FALSE;
    for (guint i = 0; i < dropped->len; i++) {
        g_autoptr(GError) failure = NULL;
        if (!bring_back(network, dropped->pdata[i], &failure))
            journal_say(JOURNAL_TROUBLE, NULL, -1, "%s", failure->message);
    }
    return TRUE;
}

gboolean recover_unreadable(Engine *engine, const GError *why, GError **error)
{
    g_autofree char *path = g_build_filename(engine->state_dir, NM_TRIAL_RECORD, NULL), *aside = NULL;
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autoptr(GPtrArray) profiles = profile_read_directory(engine->profile_dir, skipped);

    /* an earlier try of this may have been killed right behind a rename */
    if (!store_settle(engine->profile_dir, error))
        return FALSE;
    for (guint i = 0; i < profiles->len; i++)
        if (was_on_trial(profiles->pdata[i]) && !demote(engine, profiles, skipped, profiles->pdata[i], error))
            return FALSE;
    for (guint i = 0; i < profiles->len; i++)
        if (was_on_trial(profiles->pdata[i]) && !take_down(engine->network, profiles->pdata[i], error))
            return FALSE;
    /* Until all of that is done the record stays: it is what brings us here again. What could not be read may
     * be what is on trial. */
    if (!profile_all_readable(skipped, error) || !drop_edits(engine->network, error) ||
        !store_set_aside(path, &aside, error))
        return FALSE;
    journal_say(JOURNAL_RECORD_BAD, NULL, -1,
                "The record of a trial cannot be used (%s). It was set aside as %s.", why->message, aside);
    return TRUE;
}

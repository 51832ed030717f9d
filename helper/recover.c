/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way back without a record: the profiles' own annotations say what is on trial. */
#include "engine.h"
#include "journal.h"
#include "names.h"
#include "store.h"

static gboolean write_flags(const Profile *profile, const struct profile_flags *flags, GError **error)
{
    gsize length = 0;
    g_autofree char *text = profile_with_flags(profile, flags, &length, error);
    return text && store_write(profile->path, text, length, error);
}

/* By UUID or id, as the annotation may have it. */
static Profile *find(GPtrArray *profiles, const char *name)
{
    for (guint i = 0; name && i < profiles->len; i++) {
        Profile *profile = profiles->pdata[i];
        if (strcmp(profile->uuid, name) == 0 || strcmp(profile->id, name) == 0)
            return profile;
    }
    return NULL;
}

/* The replaced profile first: at no instant is the device without an autoconnect profile. */
static gboolean demote(GPtrArray *profiles, const Profile *candidate, GError **error)
{
    const struct profile_flags demoted = {FALSE, PROFILE_KEEP_PRIORITY, "demoted", "record-lost"};
    const struct profile_flags on = {TRUE, PROFILE_KEEP_PRIORITY, NULL, NULL};
    Profile *replaced = find(profiles, profile_annotation(candidate, ANNOTATION_REPLACES));
    g_autofree char *clean = journal_clean(candidate->id);

    if (replaced && !replaced->autoconnect && !write_flags(replaced, &on, error))
        return FALSE;
    if (!write_flags(candidate, &demoted, error))
        return FALSE;
    journal_say(JOURNAL_RESTORED, NULL, -1, "demoted \"%s\", which was on trial when the record was lost",
                clean);
    return TRUE;
}

/* Takes the candidate down; NM then brings back the device's autoconnect profile by itself. Best effort: the
 * files are right already. */
static void take_down(Network *network, const Profile *candidate)
{
    const char *paths[] = {candidate->path, NULL};
    g_auto(NetworkDevice) device = {0};

    if (!network || network_look(network, NULL) != NETWORK_READY || !network_load(network, paths, NULL) ||
        !candidate->interface || !network_get_device(network, candidate->interface, &device, NULL))
        return;
    if (g_strcmp0(device.active_uuid, candidate->uuid) == 0)
        (void)network_deactivate(network, device.active, NULL);
}

gboolean recover_unreadable(Engine *engine, const GError *why, GError **error)
{
    g_autofree char *path = g_build_filename(engine->state_dir, NM_TRIAL_RECORD, NULL), *aside = NULL;
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autoptr(GPtrArray) profiles = profile_read_directory(engine->profile_dir, skipped);

    for (guint i = 0; i < skipped->len; i++) {
        const struct profile_skipped *entry = skipped->pdata[i];
        if (entry->unreadable) { /* it may be the one on trial: the record stays until all can be read */
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "%s", entry->why);
            return FALSE;
        }
    }
    for (guint i = 0; i < profiles->len; i++) {
        const Profile *profile = profiles->pdata[i];
        if (g_strcmp0(profile_annotation(profile, ANNOTATION_STATE), "trying") != 0)
            continue;
        if (!demote(profiles, profile, error))
            return FALSE;
        take_down(engine->network, profile);
    }
    if (!store_set_aside(path, &aside, error))
        return FALSE;
    journal_say(JOURNAL_RECORD_BAD, NULL, -1,
                "The record of a trial cannot be used (%s). It was set aside as %s.", why->message, aside);
    return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "candidate.h"

#include "history.h"
#include "journal.h"
#include "names.h"
#include "opening.h"
#include "profiles.h"
#include "store.h"
#include "verbs.h"
#include "waiting.h"

/* NMSettingsConnectionFlags: unsaved, generated, volatile, external. A profile of which one holds is not what
 * an administrator has stored. */
#define FLAGS_NOT_STORED 0xf
#define STARTED_BY "its activation"

/* The profile that came up, as it is looked at. */
typedef struct {
    Engine *engine;
    const char *uuid;
    const char *interface;
    NetworkDevice device;
    NetworkProfile known;
    Profile *profile;
    JsonArray *history; /* NULL: it cannot be read */
} Arrival;

static void arrival_clear(Arrival *arrival)
{
    network_device_clear(&arrival->device);
    network_profile_clear(&arrival->known);
    g_clear_pointer(&arrival->profile, profile_free);
    g_clear_pointer(&arrival->history, json_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Arrival, arrival_clear)

static enum candidate_fate ignore(const Arrival *arrival, const char *why)
{
    g_autofree char *clean = journal_clean(arrival->profile ? arrival->profile->id : arrival->uuid);
    journal_say(JOURNAL_IGNORED, NULL, -1, "\"%s\" came up on %s, which starts no trial: %s", clean,
                arrival->interface, why);
    return CANDIDATE_LEFT;
}

/* The history decides; what a profile says of itself counts where the history says nothing. */
static gboolean known_good(const Arrival *arrival, const Profile *profile)
{
    enum history_standing standing =
        arrival->history ? history_standing(arrival->history, profile->uuid) : STANDING_UNKNOWN;
    return standing == STANDING_GOOD ||
           (standing == STANDING_UNKNOWN && profile->autoconnect &&
            g_strcmp0(profile_annotation(profile, ANNOTATION_STATE), "promoted") == 0);
}

/* Whether it is one to go back to: one that a boot would bring up on this device, and no candidate that is
 * still to be tried, or two could chase each other. */
static gboolean leads_back(const Arrival *arrival, const Profile *profile)
{
    return profile->autoconnect && profile_believed(profile) &&
           strcmp(profile_type(profile), profile_type(arrival->profile)) == 0 &&
           strcmp(profile->uuid, arrival->uuid) != 0 && plan_fits(profile, arrival->device.interface) &&
           (!profile_annotation(profile, ANNOTATION_REPLACES) || known_good(arrival, profile));
}

/* The one that the candidate names; where that is none, the one that a boot would bring up. */
static const Profile *way_back(const Arrival *arrival, GPtrArray *profiles)
{
    const char *name = profile_annotation(arrival->profile, ANNOTATION_REPLACES);
    const Profile *best = NULL;

    for (guint i = 0; i < profiles->len; i++) {
        const Profile *profile = profiles->pdata[i];
        if (!leads_back(arrival, profile))
            continue;
        if (name && profile_named(profile, name))
            return profile;
        if (!best || profile->priority > best->priority)
            best = profile;
    }
    return best;
}

static gboolean bring_back(const Arrival *arrival, const Profile *replaced, GError **error)
{
    Network *network = arrival->engine->network;
    const char *paths[] = {replaced->path, NULL};
    g_auto(NetworkProfile) known = {0};
    g_autofree char *active = NULL;
    return network_load(network, paths, error) &&
           network_get_profile(network, replaced->uuid, &known, error) &&
           network_activate(network, known.object, arrival->device.object, &active, error);
}

/* A candidate does not run outside of a trial: nobody would take it back. */
static enum candidate_fate refuse(const Arrival *arrival, const GError *why)
{
    g_autoptr(GPtrArray) profiles = profile_read_directory(arrival->engine->profile_dir, NULL);
    const Profile *replaced = way_back(arrival, profiles);
    g_autofree char *clean = journal_clean(arrival->profile->id);
    g_autofree char *back = replaced ? journal_clean(replaced->id) : NULL;
    g_autofree char *outcome = NULL;
    g_autoptr(GError) error = NULL;

    if (!replaced)
        outcome = g_strdup("it stays up until the next boot, as no stored profile is there to go back to");
    else if (bring_back(arrival, replaced, &error))
        outcome = g_strdup_printf("back to \"%s\"", back);
    else if (g_error_matches(error, BUS_ERROR, BUS_ERROR_LATER))
        return CANDIDATE_LATER;
    else
        outcome = g_strdup_printf("back to \"%s\" failed (%s)", back, error->message);
    journal_say(JOURNAL_REFUSED, NULL, -1, "no trial of \"%s\" on %s, %s: %s", clean, arrival->interface,
                outcome, why->message);
    return CANDIDATE_LEFT;
}

/* Its own trial is under way, or the device's: that one sees to it. */
static gboolean concerns(const Record *open, const Arrival *arrival)
{
    for (int i = 0; open && i < open->trial.n_pairs; i++) {
        const struct record_pair *pair = &open->pair[i];
        gboolean own = strcmp(pair->candidate.uuid, arrival->uuid) == 0 ||
                       g_strcmp0(pair->replaced.uuid, arrival->uuid) == 0;
        if (!own && strcmp(pair->device, arrival->interface) == 0)
            (void)ignore(arrival, "the device's own trial is open");
        if (own || strcmp(pair->device, arrival->interface) == 0)
            return TRUE;
    }
    return FALSE;
}

/* A trial's replaced profile that is guarded may have come up changed; its file is the trial's until the end.
 */
static gboolean waits_for_the_end(const Record *open, const Arrival *arrival)
{
    g_autoptr(GError) unknown = NULL;
    g_autoptr(GPtrArray) list = good_list(arrival->engine->state_dir, &unknown);

    for (int i = 0; i < open->trial.n_pairs; i++) {
        const struct record_pair *pair = &open->pair[i];
        if (!pair->edit && g_strcmp0(pair->replaced.uuid, arrival->uuid) == 0 &&
            (unknown || good_of(list, pair->replaced.path, pair->replaced.uuid)))
            return TRUE;
    }
    return FALSE;
}

/* Whether it is on the device now. What is read here is NM's word, not the event's. FALSE: *ret_fate is what
 * becomes of it. */
static gboolean still_there(Arrival *arrival, enum candidate_fate *ret_fate)
{
    Network *network = arrival->engine->network;
    g_autoptr(GError) error = NULL;

    *ret_fate = CANDIDATE_LATER;
    if (network_look(network, NULL) != NETWORK_READY)
        return FALSE;
    if (network_get_device(network, arrival->interface, &arrival->device, &error) &&
        g_strcmp0(arrival->device.active_uuid, arrival->uuid) == 0 &&
        arrival->device.active_state <= NM_ACTIVE_CONNECTION_STATE_ACTIVATED && /* or still coming up */
        network_get_profile(network, arrival->uuid, &arrival->known, &error))
        return TRUE;
    if (!g_error_matches(error, BUS_ERROR, BUS_ERROR_LATER))
        *ret_fate = CANDIDATE_LEFT;
    return FALSE;
}

/* Reads the profile, if its place, its owner and its permissions let it be believed. NULL, or why not. */
static const char *read_believed(Arrival *arrival)
{
    g_autofree char *directory = g_path_get_dirname(arrival->known.filename);
    g_autoptr(GError) error = NULL;
    char *data = NULL;
    gsize length = 0;

    if ((arrival->known.flags & FLAGS_NOT_STORED) != 0 || arrival->known.unsaved ||
        strcmp(directory, arrival->engine->profile_dir) != 0)
        return "it is not stored among the system's profiles";
    if (!profile_port->read(arrival->known.filename, &data, &length, &error))
        return "its file is not root's alone, or cannot be read";
    arrival->profile = profile_parse(arrival->known.filename, data, length, &error);
    if (!arrival->profile || strcmp(arrival->profile->uuid, arrival->uuid) != 0)
        return "its file is not what NetworkManager has loaded";
    return profile_believed(arrival->profile) ? NULL : "it belongs to a user (connection.permissions)";
}

static enum candidate_fate open_trial(const Arrival *arrival)
{
    const char *const candidates[] = {arrival->uuid, NULL};
    const struct plan_request request = {.candidates = candidates};
    g_autoptr(GError) error = NULL;
    enum candidate_fate fate =
        opening_try(arrival->engine, &request, arrival->device.object, STARTED_BY, &error);
    return fate == CANDIDATE_LEFT ? refuse(arrival, error) : fate;
}

/* Whether it is the activation of a candidate, by somebody, that a trial is to follow. */
static gboolean calls_for_trial(const Arrival *arrival)
{
    return profile_annotation(arrival->profile, ANNOTATION_REPLACES) &&
           !known_good(arrival, arrival->profile);
}

/* Whether its activation is not to start its trial. One that was tried at a boot and reverted is an ordinary
 * demoted candidate from then on. */
static gboolean keeps_still(const Arrival *arrival, const Good *good)
{
    const char *start = profile_annotation(arrival->profile, ANNOTATION_START);
    gboolean tried = good && good_failed(good, arrival->profile);
    return start && (strcmp(start, "manual") == 0 || (strcmp(start, "boot") == 0 && !tried));
}

/* A profile that says that it is guarded: what comes up first is its known-good content, if it is what is
 * stored. */
static enum candidate_fate guard_if_asked(const Arrival *arrival, gboolean again)
{
    const Profile *profile = arrival->profile;
    const char *paths[] = {profile->path, NULL};
    g_autoptr(GError) error = NULL;

    if (!profile_asks_guard(profile))
        return CANDIDATE_LEFT;
    if (again) /* NM may have taken the device over with a file that somebody has changed */
        return ignore(arrival, "and is not guarded yet: it was not activated");
    if (network_load(arrival->engine->network, paths, &error) &&
        guard_profile(arrival->engine->network, profile, &error))
        return CANDIDATE_LEFT;
    return g_error_matches(error, BUS_ERROR, BUS_ERROR_LATER) ? CANDIDATE_LATER
                                                              : ignore(arrival, error->message);
}

enum candidate_fate candidate_up(Engine *engine, const Event *event)
{
    g_auto(Arrival) arrival = {.engine = engine, .uuid = event->uuid, .interface = event->interface};
    g_autoptr(Record) open = engine_load(engine->state_dir, NULL);
    g_autoptr(GError) error = NULL;
    enum candidate_fate fate;

    if (concerns(open, &arrival)) {
        if (waits_for_the_end(open, &arrival))
            return CANDIDATE_LATER;
        waiting_mark_came_up(event->uuid); /* a guarded profile that is on trial is up, too */
        return CANDIDATE_LEFT;
    }
    /* The open trial's verdict waits for nobody. */
    network_set_limit(engine->network,
                      open && open->trial.state == TRIAL_TRYING ? open->trial.deadline_ms : 0);
    if (!still_there(&arrival, &fate))
        return fate;
    g_autoptr(GPtrArray) list = good_list(engine->state_dir, &error);
    if (error)
        return CANDIDATE_LATER;
    Good *good = good_of(list, arrival.known.filename, arrival.uuid);
    gboolean coming = arrival.device.active_state != NM_ACTIVE_CONNECTION_STATE_ACTIVATED;
    if (good && good->content)
        return waiting_came_up(engine, good, arrival.known.filename, open != NULL, coming, event->again);
    if (coming) /* its own "up" follows */
        return CANDIDATE_LEFT;
    const char *doubt = read_believed(&arrival);
    if (doubt)
        return ignore(&arrival, doubt);
    arrival.history = history_load(engine->state_dir, NULL);
    if (!calls_for_trial(&arrival))
        return guard_if_asked(&arrival, event->again);
    if (keeps_still(&arrival, good))
        return ignore(&arrival, "its nm-trial.start says so. It is up untried, and nobody takes it back. To "
                                "try it: nm-trial start");
    if (event->again)
        return ignore(&arrival, "NetworkManager was restarted, and sent the event again");
    if (!opening_none_open(engine->state_dir, &error))
        return refuse(&arrival, error);
    return open_trial(&arrival);
}

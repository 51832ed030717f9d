/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gathers the facts that step() decides on: levels, never events. It changes nothing. */
#include "edit.h"
#include "engine.h"
#include "journal.h"
#include "libnm.h"
#include "names.h"
#include "os.h"
#include "profiles.h"
#include "settings.h"
#include "store.h"

Profile *read_profile(const char *path, const Profile *const *like, enum found *ret_found, GError **error)
{
    GError *failure = NULL;
    char *data = NULL;
    gsize length = 0;

    if (profile_port->read(path, &data, &length, &failure)) {
        Profile *profile = profile_parse_like(path, data, length, like, NULL);
        *ret_found = profile ? FOUND_PROFILE : FOUND_BROKEN;
        return profile;
    }
    *ret_found = store_unusable(failure) ? FOUND_FOREIGN : FOUND_NOTHING;
    if (store_has_none(failure))
        g_error_free(failure);
    else
        g_propagate_error(error, failure);
    return NULL;
}

Profile *recorded_profile(const struct record_profile *recorded, GError **error)
{
    return profile_parse_known(recorded->path, g_memdup(recorded->data, recorded->length + 1),
                               recorded->length, error);
}

Profile *read_recorded(const struct record_profile *recorded, enum found *ret_found, GError **error)
{
    g_autoptr(Profile) then = recorded_profile(recorded, NULL);
    return read_profile(recorded->path, (const Profile *const[]){then, NULL}, ret_found, error);
}

Profile *recorded_content(const struct record_pair *pair, GError **error)
{
    const struct record_profile *candidate = &pair->candidate;
    return profile_parse_known(pair->edit ? pair->replaced.path : candidate->path,
                               g_memdup(candidate->data, candidate->length + 1), candidate->length, error);
}

static gboolean candidate_facts(const Record *record, int i, struct pair_facts *facts, GError **error)
{
    const struct record_pair *pair = &record->pair[i];
    enum found found = FOUND_NOTHING;
    GError *failure = NULL;
    g_autoptr(Profile) then = recorded_profile(&pair->candidate, NULL);
    g_autoptr(Profile) now =
        read_profile(pair->candidate.path, (const Profile *const[]){then, NULL}, &found, &failure);

    facts->candidate_flags = now ? profile_flags_state(now, pair->priority) : FLAGS_OTHER;
    if (failure) {
        facts->candidate = FILE_SAME;
        g_propagate_error(error, failure);
        return FALSE;
    }
    /* What nobody can load is an edit while trying; after the verdict it is as good as none. */
    if (found == FOUND_NOTHING || (found == FOUND_BROKEN && record->trial.state != TRIAL_TRYING))
        facts->candidate = FILE_GONE;
    else
        facts->candidate = now && then && profile_same(now, then) ? FILE_SAME : FILE_CHANGED;
    return TRUE;
}

gboolean facts_from_files(const Record *record, struct facts *facts, GError **error)
{
    for (int i = 0; i < record->trial.n_pairs; i++) {
        struct pair_facts *f = &facts->pair[i];
        GError *failure = NULL;
        enum found found = FOUND_NOTHING;
        if (record->pair[i].edit) {
            if (!edit_facts(record, i, f, error))
                return FALSE;
            continue;
        }
        if (!candidate_facts(record, i, f, error))
            return FALSE;
        if (!record->trial.pair[i].has_replaced)
            continue;
        g_autoptr(Profile) replaced = read_recorded(&record->pair[i].replaced, &found, &failure);
        if (failure) {
            g_propagate_error(error, failure);
            return FALSE;
        }
        f->replaced_bootable = replaced && replaced->autoconnect;
        f->replaced_retired = !f->replaced_bootable;
    }
    return TRUE;
}

static gboolean later(const GError *error)
{
    return g_error_matches(error, BUS_ERROR, BUS_ERROR_LATER);
}

static enum activation_state from_nm(guint32 state)
{
    switch (state) {
    case NM_ACTIVE_CONNECTION_STATE_ACTIVATING:
        return ACTIVATION_PENDING;
    case NM_ACTIVE_CONNECTION_STATE_ACTIVATED:
        return ACTIVATION_ACTIVE;
    default:
        return ACTIVATION_ENDED;
    }
}

static enum holder holder_of(const Record *record, int i, const NetworkDevice *device)
{
    if (!device->active_uuid || from_nm(device->active_state) == ACTIVATION_ENDED)
        return HOLDER_NOBODY;
    if (record->pair[i].edit && record->trial.state == TRIAL_REVERTING &&
        strcmp(device->active_uuid, record->pair[i].replaced.uuid) == 0)
        return HOLDER_REPLACED; /* the same UUID: `activation` tells whether with the old content */
    if (strcmp(device->active_uuid, record->pair[i].candidate.uuid) == 0)
        return HOLDER_CANDIDATE;
    return g_strcmp0(device->active_uuid, record->pair[i].replaced.uuid) == 0 ? HOLDER_REPLACED
                                                                              : HOLDER_OTHER;
}

static const char *reason_name(guint32 reason)
{
    GEnumClass *names =
        g_type_class_ref(libnm()->device_state_reason_get_type()); /* stays for the process's life */
    const GEnumValue *value = g_enum_get_value(names, (int)reason);
    return value ? value->value_nick : "unknown";
}

/* The recorded activation, judged by its own object: the device's property lags behind. FALSE: NM is away. */
static gboolean activation(Engine *engine, const Record *record, int i, const NetworkDevice *device,
                           struct pair_facts *facts)
{
    const struct record_pair *pair = &record->pair[i];
    gboolean promoting = record->trial.state == TRIAL_PROMOTING;
    gboolean same_nm = g_strcmp0(record->boot_id, engine->boot_id) == 0 &&
                       g_strcmp0(record->nm_name, network_nm_name(engine->network)) == 0;
    enum holder target = record->trial.state == TRIAL_REVERTING ? HOLDER_REPLACED : HOLDER_CANDIDATE;
    enum activation_state on_device =
        facts->holder == target ? from_nm(device->active_state) : ACTIVATION_NONE;
    gboolean ours = record->trial.pair[i].activated && same_nm && pair->active_path;

    facts->activation = engine->failed[i] ? ACTIVATION_ENDED : ACTIVATION_NONE;
    if (ours) {
        g_autoptr(GError) error = NULL;
        guint32 state = device->active_state;
        gboolean known = device->active_uuid && strcmp(device->active, pair->active_path) == 0;
        if (known || network_active_state(engine->network, pair->active_path, &state, &error))
            facts->activation = from_nm(state);
        else if (later(error))
            return FALSE;
        else
            facts->activation = ACTIVATION_ENDED;
        if (facts->activation == ACTIVATION_ENDED && !engine->ended[i]) {
            g_auto(NetworkDevice) now = {0}; /* `device` may be from before it failed */
            (void)network_get_device(engine->network, pair->device, &now, NULL);
            engine->ended[i] = now.reason == NM_DEVICE_STATE_REASON_NONE
                                   ? g_strdup("NetworkManager does not say why")
                                   : g_strdup_printf("NetworkManager's reason: %s", reason_name(now.reason));
        }
    }
    /* Somebody, or NM itself, activated the same profile in full: as good as ours. A device that a restarted
     * NM took over is not (it merges addresses), except after a promotion, where there is nothing else to
     * merge. Nor is one that may have an edit's new content: NM's own, or a roll-back's of another tool. */
    if (pair->edit && target == HOLDER_REPLACED)
        return TRUE;
    if ((facts->activation == ACTIVATION_ENDED || facts->activation == ACTIVATION_NONE) &&
        on_device != ACTIVATION_NONE &&
        (promoting || (same_nm && (target == HOLDER_REPLACED || facts->activation == ACTIVATION_ENDED))))
        facts->activation = on_device;
    return TRUE;
}

/* Whether what runs is what is stored, and while trying, NM stores it in the file that is on trial. An edit's
 * UUID does not tell whether its promoted content is up: where NM itself activated the profile, at a boot
 * before the promotion was done, it has the old one. FALSE: NM is away. */
static gboolean compare_running(Engine *engine, const Record *record, int i, const NetworkDevice *device,
                                struct pair_facts *facts)
{
    g_auto(NetworkProfile) profile = {0};
    g_autoptr(GError) error = NULL;
    const struct record_profile *candidate = &record->pair[i].candidate;
    gboolean trying = record->trial.state == TRIAL_TRYING;

    if (!device->object) { /* it goes by another name, or is just going */
        facts->activation = ACTIVATION_PENDING;
        return TRUE;
    }
    g_autoptr(GVariant) stored = network_get_settings(engine->network, candidate->uuid, &profile, &error);
    if (!stored) {
        facts->activation = ACTIVATION_MODIFIED; /* NM does not know it any more */
        return !later(error);
    }
    g_autoptr(GVariant) applied = network_applied(engine->network, device->object, &error);
    if (!applied || !settings_of(applied, candidate->uuid)) {
        facts->activation = ACTIVATION_PENDING; /* it is just going; the next look tells */
        return !later(error);
    }
    if (settings_same(applied, stored) &&
        /* a shadow is in memory to NM */
        (!trying ||
         ((!profile.unsaved || record->pair[i].edit) && strcmp(profile.filename, candidate->path) == 0)))
        return TRUE;
    facts->activation = trying ? ACTIVATION_MODIFIED : ACTIVATION_NONE;
    if (!trying)
        facts->holder = HOLDER_NOBODY;
    return TRUE;
}

/* Whether NM's memory of a profile says of autoconnect, priority and our mark what the file says. */
static gboolean in_step(Engine *engine, const struct record_profile *stored, GError **error)
{
    g_auto(NetworkProfile) known = {0};
    gboolean autoconnect = TRUE;
    enum found found = FOUND_NOTHING;
    gint32 priority = 0;
    g_autoptr(Profile) file = read_recorded(stored, &found, NULL);

    g_autoptr(GVariant) settings = network_get_settings(engine->network, stored->uuid, &known, error);
    if (!settings)
        return !file && !later(*error);
    if (!file)
        return FALSE;
    g_autoptr(GVariant) connection =
        g_variant_lookup_value(settings, GROUP_CONNECTION, G_VARIANT_TYPE_VARDICT);
    if (connection) {
        g_variant_lookup(connection, KEY_AUTOCONNECT, "b", &autoconnect);
        g_variant_lookup(connection, KEY_PRIORITY, "i", &priority);
    }
    g_autofree char *state = settings_annotation(settings, ANNOTATION_STATE);
    return autoconnect == file->autoconnect && priority == file->priority &&
           g_strcmp0(state, profile_annotation(file, ANNOTATION_STATE)) == 0 &&
           strcmp(known.filename, file->path) == 0;
}

/* NM is not asked where its answer decides nothing: a plain profile that was just written, or is about to be,
 * is loaded anyway, and one that was tried is not loaded again. */
static gboolean staleness(Engine *engine, const Record *record, int i, struct pair_facts *facts)
{
    const struct record_pair *pair = &record->pair[i];
    g_autoptr(GError) error = NULL, other = NULL;
    gboolean sure = facts->stale && !pair->edit;

    facts->stale = !engine->load_tried[i] &&
                   (sure || !((pair->edit || in_step(engine, &pair->candidate, &error)) &&
                              (!pair->replaced.uuid || in_step(engine, &pair->replaced, &other))));
    return !later(error) && !later(other);
}

/* Of the id as much as leaves room for the rest where a line is cut. */
static char *words_of_active(const NetworkDevice *device)
{
    g_autofree char *id = journal_clean_to(device->active_id, 100);
    return g_strdup_printf("\"%s\" (%s)", id, device->active_uuid);
}

/* The end of another tool's checkpoint may have been a roll-back: what it has undone is done again, and takes
 * its time again. FALSE: NM is away. */
static gboolean foreign_checkpoint(Engine *engine, const char *device_object, int i, struct pair_facts *facts)
{
    g_autoptr(GError) error = NULL;

    gint64 fires_ms = device_object ? network_checkpoint_over(engine->network, device_object, &error) : 0;
    if (later(error))
        return FALSE;
    if (engine->foreign_fires_ms[i] != 0 && fires_ms != engine->foreign_fires_ms[i])
        engine->answered_ms = 0;
    engine->foreign_fires_ms[i] = fires_ms;
    facts->checkpoint_over = fires_ms != 0;
    return TRUE;
}

static gboolean pair_facts(Engine *engine, const Record *record, int i, struct pair_facts *facts)
{
    g_auto(NetworkDevice) device = {0};
    g_autoptr(GError) error = NULL, elsewhere = NULL;
    g_autofree char *object = network_find_device(engine->network, record->pair[i].device, &error);

    if (later(error))
        return FALSE;
    /* Before the device is looked at: where a checkpoint is gone, its roll-back is to be seen there. */
    if (record->trial.state != TRIAL_TRYING && !foreign_checkpoint(engine, object, i, facts))
        return FALSE;
    if (object && !network_get_device_at(engine->network, object, &device, &error) && later(error))
        return FALSE;
    facts->holder = holder_of(record, i, &device);
    /* A device that goes by another name now still has what was activated on it. */
    if (!device.object && network_profile_active(engine->network, record->pair[i].candidate.uuid, &elsewhere))
        facts->holder = HOLDER_CANDIDATE;
    if (elsewhere)
        return FALSE;
    if (!activation(engine, record, i, &device, facts))
        return FALSE;
    if (record->pair[i].edit && record->trial.state == TRIAL_PROMOTING && facts->holder == HOLDER_CANDIDATE &&
        facts->activation == ACTIVATION_ACTIVE && !compare_running(engine, record, i, &device, facts))
        return FALSE;
    if (record->trial.state != TRIAL_TRYING) {
        if (engine->answered_ms == 0)
            engine->answered_ms = os.boottime_ms();
        return staleness(engine, record, i, facts);
    }

    if (facts->holder != HOLDER_OTHER && facts->holder != HOLDER_REPLACED)
        engine->other_since_ms[i] = 0;
    else if (engine->other_since_ms[i] == 0)
        engine->other_since_ms[i] = os.boottime_ms();
    facts->other_since_ms = engine->other_since_ms[i];
    g_free(engine->holder[i]);
    engine->holder[i] = engine->other_since_ms[i] ? words_of_active(&device) : NULL;
    if (facts->activation == ACTIVATION_ACTIVE)
        g_clear_pointer(&engine->ended[i], g_free);
    return facts->activation != ACTIVATION_ACTIVE || compare_running(engine, record, i, &device, facts);
}

/* Ours is told by path, NM's unique name and its creation time: NM reuses paths after a restart. */
static gboolean checkpoint(Engine *engine, const Record *record, struct facts *facts)
{
    g_auto(NetworkCheckpoint) found = {0};
    g_autoptr(GError) error = NULL;
    gint64 deadline_ms = record->trial.deadline_ms;

    facts->checkpoint = CHECKPOINT_NONE;
    if (!record->checkpoint || g_strcmp0(record->checkpoint_nm, network_nm_name(engine->network)) != 0)
        return TRUE;
    if (!network_checkpoint_get(engine->network, record->checkpoint, &found, &error))
        return !later(error);
    if (found.created_ms != record->checkpoint_created_ms)
        return TRUE;
    if (facts->request == REQUEST_EXTEND)
        deadline_ms = MAX(deadline_ms, facts->request_deadline_ms);
    facts->checkpoint = found.fires_ms + TRIAL_CHECKPOINT_SLACK_MS < deadline_ms + TRIAL_CHECKPOINT_MARGIN_MS
                            ? CHECKPOINT_EARLY
                            : CHECKPOINT_SET;
    return TRUE;
}

void facts_from_network(Engine *engine, const Record *record, struct facts *facts)
{
    gboolean answered =
        network_look(engine->network, NULL) == NETWORK_READY && checkpoint(engine, record, facts);
    /* With a verdict, our checkpoint goes before anything else, and then all is asked anew. */
    gboolean first = record->trial.state != TRIAL_TRYING && facts->checkpoint != CHECKPOINT_NONE;
    /* What is about to be written is to be loaded then, whatever NM has: see staleness(). */
    gboolean to_write = record->trial.state == TRIAL_PROMOTING &&
                        trial_holds(FACT_CANDIDATE_NOT_ON, &record->trial, facts) >= 0;
    for (int i = 0; answered && !first && i < record->trial.n_pairs; i++) {
        facts->pair[i].stale |= to_write;
        answered = pair_facts(engine, record, i, &facts->pair[i]);
    }
    facts->network = answered ? NETWORK_READY : NETWORK_AWAY;
}

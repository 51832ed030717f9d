/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does what step() decided, one action at a time. Each of them can be cut off anywhere and done again. */
#include "edit.h"
#include "engine.h"
#include "good.h"
#include "journal.h"
#include "names.h"
#include "os.h"
#include "profiles.h"
#include "store.h"

/* The profile as its file has it; where there is none that NM would load, as the record has it. NULL with
 * `error`: the disk does not tell, and nothing of somebody's is overwritten on a guess. */
static Profile *current(const struct record_profile *recorded, gboolean *ret_from_record, GError **error)
{
    GError *failure = NULL;
    enum found found = FOUND_NOTHING;
    Profile *now = read_recorded(recorded, &found, &failure);

    *ret_from_record = !now && !failure;
    if (failure)
        g_propagate_error(error, failure);
    return *ret_from_record ? recorded_profile(recorded, error) : now;
}

/* `promote`: the profile must be what was on trial; an edit that came later is not what was tested. */
static gboolean write_flags(const Engine *engine, const struct record_profile *recorded,
                            const struct profile_flags *flags, gboolean promote, gboolean *ret_from_record,
                            GError **error)
{
    gsize length = 0;
    g_autoptr(Profile) then = recorded_profile(recorded, NULL);
    g_autoptr(Profile) now = current(recorded, ret_from_record, error);
    const Profile *profile = now && then && promote && !profile_same(now, then) ? then : now;
    if (!profile)
        return FALSE;
    g_autofree char *text = profile_with_flags(profile, flags, &length, error);
    if (!text)
        return FALSE;
    return promote ? good_promote(engine->state_dir, recorded->path, profile, text, length, error)
                   : good_store(engine->state_dir, recorded->path, recorded->uuid, text, length, error);
}

static gboolean candidate_flags(const Engine *engine, const Record *record, int i, enum trial_action action,
                                GError **error)
{
    gboolean on = action == ACTION_CANDIDATE_ON, trying = record->trial.state == TRIAL_TRYING,
             restored = FALSE;
    const struct profile_flags flags = {
        .autoconnect = on,
        .priority = on ? record->pair[i].priority : PROFILE_KEEP_PRIORITY,
        .state = on       ? "promoted"
                 : trying ? "trying"
                          : "demoted",
        .reason = on || trying ? NULL : trial_reason_name(record->trial.reason),
    };
    return write_flags(engine, &record->pair[i].candidate, &flags, on, &restored, error);
}

static gboolean replaced_flags(const Engine *engine, const Record *record, int i, gboolean on, GError **error)
{
    const struct record_profile *replaced = &record->pair[i].replaced;
    const struct profile_flags flags = {.autoconnect = on, .priority = PROFILE_KEEP_PRIORITY};
    gboolean from_record = FALSE;
    g_autofree char *clean = journal_clean(replaced->id);

    if (record->pair[i].edit ? !edit_do(engine, record, i, ACTION_REPLACED_RESTORE, error)
                             : !write_flags(engine, replaced, &flags, FALSE, &from_record, error))
        return FALSE;
    if (on)
        journal_say(JOURNAL_RESTORED, record, i, "%s of the replaced profile \"%s\"",
                    record->pair[i].edit ? "restored the known-good content"
                    : from_record        ? "restored the file"
                                         : "restored the autoconnect",
                    clean);
    return TRUE;
}

static gboolean load_pair(Engine *engine, const Record *record, int i, GError **error)
{
    const char *paths[] = {record->pair[i].candidate.path, record->pair[i].replaced.path, NULL};
    return network_load(engine->network, paths, error);
}

static gboolean activate(Engine *engine, Record *record, int i, gboolean candidate, GError **error)
{
    struct record_pair *pair = &record->pair[i];
    gboolean trying = record->trial.state == TRIAL_TRYING;
    /* an edit's content has its profile's own file once it is promoted */
    const struct record_profile *target =
        candidate && (trying || !pair->edit) ? &pair->candidate : &pair->replaced;
    const char *paths[] = {target->path, NULL};
    g_auto(NetworkProfile) profile = {0};
    char *active = NULL;

    if (record->trial.state == TRIAL_REVERTING && pair->edit && !edit_uncover(record, i, error))
        return FALSE;
    /* The file first: that it exists proves nothing about NM. */
    if (!network_load(engine->network, paths, error) ||
        !network_get_profile(engine->network, target->uuid, &profile, error))
        return FALSE;
    if (trying && strcmp(profile.filename, target->path) != 0) {
        g_set_error(error, BUS_ERROR, BUS_ERROR_REFUSED, "NetworkManager has %s in place of %s",
                    profile.filename, target->path);
        return FALSE;
    }
    g_autofree char *device = network_find_device(engine->network, pair->device, error);
    if (!device || !network_activate(engine->network, profile.object, device, &active, error))
        return FALSE;
    g_free(pair->active_path);
    pair->active_path = active;
    g_free(record->nm_name);
    record->nm_name = g_strdup(network_nm_name(engine->network));
    record->trial.pair[i].activated = TRUE;
    return TRUE;
}

/* An activation that NM refused is a fact about the candidate; one that it did not answer is tried again. */
static gboolean activation(Engine *engine, Record *record, int i, gboolean candidate, struct facts *facts,
                           GError **error)
{
    GError *failure = NULL;

    engine->last_try_ms[i] = os.boottime_ms();
    g_clear_pointer(&engine->failed[i], g_free);
    if (activate(engine, record, i, candidate, &failure)) {
        facts->record_behind = TRUE;
        facts->network = NETWORK_NOT_ASKED;
        return TRUE;
    }
    if (g_error_matches(failure, BUS_ERROR, BUS_ERROR_LATER))
        facts->network = NETWORK_AWAY;
    else {
        engine->failed[i] = g_strdup(failure->message);
        facts->pair[i].activation = ACTIVATION_ENDED;
    }
    g_propagate_error(error, failure);
    return FALSE;
}

static gboolean deactivate(Engine *engine, const Record *record, int i, GError **error)
{
    engine->last_try_ms[i] = os.boottime_ms();
    return network_deactivate_profile(engine->network, record->pair[i].candidate.uuid, error);
}

static gboolean move_checkpoint(Engine *engine, const Record *record, const struct facts *facts,
                                GError **error)
{
    gint64 deadline_ms = record->trial.deadline_ms;
    if (facts->request == REQUEST_EXTEND)
        deadline_ms = MAX(deadline_ms, facts->request_deadline_ms);
    gint64 left_ms = MAX(deadline_ms + TRIAL_CHECKPOINT_MARGIN_MS - os.boottime_ms(), 1000);
    return network_checkpoint_move(engine->network, record->checkpoint, (guint32)((left_ms + 999) / 1000),
                                   error);
}

/* NM said no, or did not answer: look again before anything else is decided, and not at once when it hangs.
 */
static void after_network(struct facts *facts, const GError *failure)
{
    facts->network = g_error_matches(failure, BUS_ERROR, BUS_ERROR_LATER) ? NETWORK_AWAY : NETWORK_NOT_ASKED;
}

static gboolean network_effect(Engine *engine, Record *record, enum trial_action action, int i,
                               struct facts *facts, GError **error)
{
    GError *failure = NULL;
    gboolean done;

    if (action == ACTION_LOAD) {
        done = load_pair(engine, record, i, &failure);
        /* Once, if it was answered: a file that NM refuses must not be loaded for ever. */
        engine->load_tried[i] = !g_error_matches(failure, BUS_ERROR, BUS_ERROR_LATER);
        facts->pair[i].stale = !engine->load_tried[i];
        /* Of a plain profile that has its verdict, nothing else that was asked follows from what NM has. */
        if (done && record->trial.state != TRIAL_TRYING && !record->pair[i].edit)
            return TRUE;
    } else if (action == ACTION_MOVE_CHECKPOINT) {
        done = move_checkpoint(engine, record, facts, &failure);
        if (done) {
            facts->checkpoint = CHECKPOINT_SET;
            return TRUE;
        }
    } else if (action == ACTION_DESTROY_CHECKPOINT)
        done = network_checkpoint_destroy(engine->network, record->checkpoint, &failure);
    else
        done = deactivate(engine, record, i, &failure);

    after_network(facts, failure);
    if (failure)
        g_propagate_error(error, failure);
    return done;
}

static gboolean file_effect(Engine *engine, const Record *record, enum trial_action action, int i,
                            struct facts *facts, GError **error)
{
    gboolean candidate = action == ACTION_CANDIDATE_OFF || action == ACTION_CANDIDATE_ON;
    gboolean edit = record->pair[i].edit && action != ACTION_REPLACED_RESTORE;
    gboolean done = edit        ? edit_do(engine, record, i, action, error)
                    : candidate ? candidate_flags(engine, record, i, action, error)
                                : replaced_flags(engine, record, i, action == ACTION_REPLACED_RESTORE, error);
    if (done) { /* NM's memory is behind from here on, until it has loaded the file */
        engine->load_tried[i] = FALSE;
        facts->pair[i].stale = TRUE;
    }
    return done;
}

gboolean effect(Engine *engine, Record *record, enum trial_action action, int pair, struct facts *facts,
                GError **error)
{
    switch (action) {
    case ACTION_CANDIDATE_OFF:
    case ACTION_CANDIDATE_ON:
    case ACTION_REPLACED_OFF:
    case ACTION_REPLACED_RESTORE:
        return file_effect(engine, record, action, pair, facts, error);
    case ACTION_ACTIVATE_CANDIDATE:
    case ACTION_ACTIVATE_REPLACED:
        return activation(engine, record, pair, action == ACTION_ACTIVATE_CANDIDATE, facts, error);
    case ACTION_LOAD:
    case ACTION_MOVE_CHECKPOINT:
    case ACTION_DESTROY_CHECKPOINT:
    case ACTION_DEACTIVATE_CANDIDATE:
        return network_effect(engine, record, action, pair, facts, error);
    case ACTION_WAIT:
    case ACTION_PERSIST:
    case ACTION_ASK_NETWORK:
    case ACTION_JUDGE:
    case ACTION_CLOSE:
        break;
    }
    g_assert_not_reached();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine.h"

#include "checks.h"
#include "good.h"
#include "history.h"
#include "journal.h"
#include "os.h"
#include "store.h"

#include <systemd/sd-id128.h>

/* Far more than any trial needs at once; reaching it means that the table goes in circles. */
#define STEPS_MAX (32 + 16 * TRIAL_PAIRS_MAX)

char *engine_boot_id(void)
{
    sd_id128_t id;
    char text[SD_ID128_STRING_MAX];
    return sd_id128_get_boot(&id) < 0 ? NULL : g_strdup(sd_id128_to_string(id, text));
}

void engine_result_clear(EngineResult *result)
{
    g_clear_pointer(&result->record, record_free);
    g_clear_pointer(&result->closed, g_free);
    g_clear_pointer(&result->trouble, g_free);
}

/* Forgets what was known of an earlier trial, or of this one before its verdict. */
static void forget(Engine *engine)
{
    g_clear_pointer(&engine->held, record_free);
    g_clear_pointer(&engine->held_over, g_free);
    g_clear_pointer(&engine->after_revert, g_free);
    g_clear_pointer(&engine->said, g_free);
    if (engine->network)
        network_forget_failures(engine->network);
    engine->judged = FALSE;
    engine->answered_ms = 0;
    for (int i = 0; i < TRIAL_PAIRS_MAX; i++) {
        g_clear_pointer(&engine->failed[i], g_free);
        g_clear_pointer(&engine->ended[i], g_free);
        g_clear_pointer(&engine->holder[i], g_free);
        engine->down_said[i] = FALSE;
        engine->load_tried[i] = FALSE;
        engine->last_try_ms[i] = engine->other_since_ms[i] = 0;
    }
}

void engine_clear(Engine *engine)
{
    forget(engine);
    g_clear_pointer(&engine->checks.subject, g_free);
    g_clear_pointer(&engine->checks.failing, g_free);
    g_clear_pointer(&engine->id, g_free);
}

Record *engine_load(const char *state_dir, GError **error)
{
    g_autofree char *path = g_build_filename(state_dir, NM_TRIAL_RECORD, NULL), *data = NULL;
    gsize length = 0;
    GError *failure = NULL;

    if (store_read_trusted(path, &data, &length, &failure))
        return record_parse(data, length, error);
    if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        g_error_free(failure);
    else
        g_propagate_error(error, failure);
    return NULL;
}

gboolean engine_save(const char *state_dir, const Record *record, GError **error)
{
    g_autofree char *path = g_build_filename(state_dir, NM_TRIAL_RECORD, NULL);
    gsize length = 0;
    g_autofree char *data = record_format(record, &length);
    return store_write(path, data, length, error);
}

static void trouble(Engine *engine, const Record *record, EngineResult *ret, const GError *error)
{
    if (error->domain != BUS_ERROR) /* the disk, or a file that cannot be changed: the rest goes on */
        engine->disk_failed_ms = os.boottime_ms();
    if (g_strcmp0(ret->trouble, error->message) == 0)
        return;
    if (g_strcmp0(engine->said, error->message) != 0)
        journal_say(JOURNAL_TROUBLE, record, -1, "%s", error->message);
    g_free(engine->said);
    engine->said = g_strdup(error->message);
    g_free(ret->trouble);
    ret->trouble = g_strdup(error->message);
}

/* What the disk did not take is held here, and acted on all the same: the way back above all. It holds only
 * while the record on the disk is still the one that it was held over: whatever somebody else made durable
 * since wins. */
static void hold(Engine *engine, Record *record)
{
    gsize length = 0;
    g_autoptr(Record) on_disk = engine_load(engine->state_dir, NULL);
    g_autofree char *data = record_format(record, &length);

    if (!on_disk)
        return;
    engine->held_over = record_format(on_disk, &length);
    engine->held = record_parse(data, strlen(data), NULL);
}

static Record *load(Engine *engine, gboolean *ret_behind, GError **error)
{
    g_autoptr(Record) record = engine_load(engine->state_dir, error);
    gsize length = 0;

    *ret_behind = FALSE;
    if (!record)
        return NULL;
    if (g_strcmp0(engine->id, record->id) != 0) {
        forget(engine);
        g_free(engine->id);
        engine->id = g_strdup(record->id);
    }
    g_autoptr(Record) held = g_steal_pointer(&engine->held);
    g_autofree char *held_over = g_steal_pointer(&engine->held_over);
    g_autofree char *now = held ? record_format(record, &length) : NULL;
    *ret_behind = held && g_strcmp0(now, held_over) == 0;
    Record *found = *ret_behind ? g_steal_pointer(&held) : g_steal_pointer(&record);
    if (found->trial.state != engine->state) /* by another process, which may not have come to its end */
        forget(engine);
    engine->state = found->trial.state;
    return found;
}

/* The verdict's reason in more words, where there are any. Caller frees. */
static char *detail_of(const Engine *engine, const Record *record, enum trial_reason reason)
{
    g_autofree char *text = NULL;

    if (reason == REASON_CHECK_FAILED)
        text = g_strdup(engine->checks.failing);
    if (reason == REASON_TIMEOUT)
        text =
            g_strdup(record->trial.confirm == CONFIRM_MANUAL ? "nobody has confirmed it"
                                                             : "its checks have not passed for long enough");
    if (reason == REASON_UNCONFIRMED_REBOOT)
        text = g_strdup("the device was rebooted, or its power was cut");
    for (int i = 0; i < record->trial.n_pairs && !text; i++) {
        const struct record_pair *pair = &record->pair[i];
        if (reason == REASON_ACTIVATION_FAILED)
            text = g_strdup(engine->failed[i] ? engine->failed[i] : engine->ended[i]);
        if (reason == REASON_SUPERSEDED && engine->holder[i])
            text = g_strdup_printf("%s has taken %s", engine->holder[i], pair->device);
    }
    return text ? journal_clean(text) : NULL;
}

/* What an operator wants to read at 3 a.m.: that the candidate went down, why, and who has its device. Once
 * each time. */
static void say_down(Engine *engine, const Record *record, const struct facts *facts)
{
    for (int i = 0; i < record->trial.n_pairs && record->trial.state == TRIAL_TRYING; i++) {
        const struct record_pair *pair = &record->pair[i];
        gboolean down = facts->pair[i].activation == ACTIVATION_ENDED && record->trial.pair[i].was_active;
        if (down && !engine->down_said[i])
            journal_say(JOURNAL_TROUBLE, record, i, "the candidate is not active on %s any more%s%s%s%s",
                        pair->device, engine->ended[i] ? ": " : "", engine->ended[i] ? engine->ended[i] : "",
                        engine->holder[i] ? "; it has now: " : "",
                        engine->holder[i] ? engine->holder[i] : "");
        engine->down_said[i] = down;
    }
}

/* "lan-new", or: the new content of "lan" */
static char *candidate_words(const struct record_pair *pair)
{
    g_autofree char *clean = journal_clean(pair->edit ? pair->replaced.id : pair->candidate.id);
    return g_strdup_printf("%s\"%s\"", pair->edit ? "the new content of " : "", clean);
}

/* "lan-new", "wan-new" */
static char *candidates(const Record *record)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (int i = 0; i < record->trial.n_pairs; i++) {
        g_autofree char *words = candidate_words(&record->pair[i]);
        g_string_append_printf(names, "%s%s", i ? ", " : "", words);
    }
    return g_string_free(g_steal_pointer(&names), FALSE);
}

static void say_change(const Record *record, const struct trial *before)
{
    const struct trial *now = &record->trial;
    g_autofree char *names = candidates(record);
    const char *reason = trial_reason_name(now->reason);

    if (now->state == before->state && now->deadline_ms != before->deadline_ms)
        journal_say(JOURNAL_EXTENDED, record, -1, "extended: %" G_GINT64_FORMAT " s are left",
                    (now->deadline_ms - os.boottime_ms() + 500) / 1000);
    for (int i = 0; i < now->n_pairs; i++)
        if (now->pair[i].was_active && !before->pair[i].was_active)
            journal_say(JOURNAL_ACTIVE, record, i, "the candidate is active on %s", record->pair[i].device);
    if (now->state == before->state)
        return;
    if (now->state == TRIAL_PROMOTING)
        journal_say(JOURNAL_PROMOTING, record, -1, "promoting %s: %s", names, reason);
    if (now->state == TRIAL_REVERTING)
        journal_say(JOURNAL_REVERTING, record, -1, "going back from %s: %s%s%s", names, reason,
                    record->detail ? ": " : "", record->detail ? record->detail : "");
}

/* Whose fault it was, as the old network has it now: the next step of whoever reads this depends on it. */
static char *blame(const Engine *engine, const Record *record)
{
    enum trial_reason reason = record->trial.reason;
    gboolean failed = reason == REASON_CHECK_FAILED || reason == REASON_ACTIVATION_FAILED;
    g_autofree char *seen = checks_results_words(engine->after_revert);

    if (!seen)
        return g_strdup("");
    if (!engine->outage)
        return g_strdup_printf(". The old network passes%s", failed ? ": it was the candidate" : "");
    return g_strdup_printf(". The old network fails%s (%s)",
                           failed ? " too: an outage, not only the candidate" : ": an outage", seen);
}

static void say_reverted(const Engine *engine, const Record *record, int i, const struct facts *facts)
{
    const struct record_pair *pair = &record->pair[i];
    const char *why = engine->failed[i] ? engine->failed[i] : engine->ended[i];
    gboolean last = i == record->trial.n_pairs - 1;
    g_autofree char *candidate = candidate_words(pair);
    g_autofree char *blamed = last ? blame(engine, record) : g_strdup("");
    g_autofree char *back = pair->replaced.uuid ? journal_clean(pair->replaced.id) : NULL;
    g_autofree char *where = NULL, *end = NULL;

    if (!back)
        where = g_strdup_printf("%s is without a network again", pair->device);
    else if (facts->network == NETWORK_BEFORE)
        where = g_strdup_printf("\"%s\" is stored as the profile of %s", back, pair->device);
    else if (facts->pair[i].activation == ACTIVATION_ACTIVE)
        where = g_strdup_printf("\"%s\" is back on %s", back, pair->device);
    else {
        where = g_strdup_printf("\"%s\" is the profile of %s but did not come up in a minute%s%s%s", back,
                                pair->device, why ? " (" : "", why ? why : "", why ? ")" : "");
        end = g_strdup(". The old network is down too, an outage: check the cable and the network. "
                       "NetworkManager brings it up when they are back");
    }
    journal_say(JOURNAL_REVERTED, record, i, "reverted: %s; %s is %s (%s)%s", where, candidate,
                pair->edit ? "dropped" : "demoted", trial_reason_name(record->trial.reason),
                end ? end : blamed);
}

static void say_end(const Engine *engine, const Record *record, const struct facts *facts)
{
    for (int i = 0; i < record->trial.n_pairs; i++) {
        const struct record_pair *pair = &record->pair[i];
        g_autofree char *candidate = candidate_words(pair);
        if (record->trial.state == TRIAL_PROMOTING)
            journal_say(JOURNAL_PROMOTED, record, i, "promoted: %s is the profile of %s now (%s)", candidate,
                        pair->device, trial_reason_name(record->trial.reason));
        else
            say_reverted(engine, record, i, facts);
    }
}

/* Whether the record on the disk is this one. After a failed write it may be: then it must hold, and be
 * written again. */
static gboolean on_disk(const Engine *engine, const Record *record)
{
    gsize length = 0;
    g_autoptr(Record) found = engine_load(engine->state_dir, NULL);
    g_autofree char *there = found ? record_format(found, &length) : NULL;
    g_autofree char *wanted = record_format(record, &length);
    return g_strcmp0(there, wanted) == 0;
}

/* Makes `next` durable and takes it over. Only a way back is taken over without that: see `held`. */
static gboolean persist(Engine *engine, Record *record, const struct trial *next, struct facts *facts,
                        GError **error)
{
    struct trial before = record->trial;
    gboolean verdict = next->state != before.state;

    record->trial = *next;
    if (verdict) {
        g_free(record->detail);
        record->detail = detail_of(engine, record, next->reason);
        for (int i = 0; i < next->n_pairs && next->state == TRIAL_REVERTING; i++)
            g_clear_pointer(&record->pair[i].active_path, g_free);
    }
    if (g_strcmp0(record->boot_id, engine->boot_id) !=
        0) { /* an earlier boot's NM is gone, whatever its name was */
        g_free(record->boot_id);
        record->boot_id = g_strdup(engine->boot_id);
        g_clear_pointer(&record->nm_name, g_free);
        g_clear_pointer(&record->checkpoint_nm, g_free);
    }
    gboolean saved = engine_save(engine->state_dir, record, error);
    if (!saved && (!verdict || next->state != TRIAL_REVERTING) && !on_disk(engine, record)) {
        record->trial = before;
        return FALSE;
    }
    facts->record_behind = !saved;
    facts->same_boot = TRUE;
    if (verdict) {
        forget(engine);
        engine->state = next->state;
        /* Where our checkpoint was just seen, its end is the first thing that NM is told; then all is asked
         * anew. */
        if (facts->network != NETWORK_READY || facts->checkpoint == CHECKPOINT_NONE)
            facts->network = engine->network ? NETWORK_NOT_ASKED : NETWORK_BEFORE;
    }
    say_change(record, &before);
    return saved;
}

static gboolean close_trial(Engine *engine, const Record *record, EngineResult *ret, GError **error)
{
    g_autofree char *path = g_build_filename(engine->state_dir, NM_TRIAL_RECORD, NULL);

    if (!good_close(engine->state_dir, record, error) ||
        !history_add(engine->state_dir, record, os.boottime_ms(), engine->after_revert, error) ||
        !store_remove(path, error))
        return FALSE;
    ret->closed = g_strdup(record->id);
    ret->verdict = record->trial.state;
    return TRUE;
}

static void gather(Engine *engine, const Record *record, struct facts *facts, EngineResult *ret)
{
    g_autoptr(GError) error = NULL;

    /* A verdict at the deadline must not wait for a NetworkManager that hangs. */
    if (engine->network)
        network_set_limit(engine->network,
                          record->trial.state == TRIAL_TRYING ? record->trial.deadline_ms : 0);
    facts->now_ms = os.boottime_ms();
    facts->disk_failing =
        engine->disk_failed_ms != 0 && facts->now_ms - engine->disk_failed_ms < TRIAL_RETRY_MS;
    g_autofree char *subject = record_subject(record);
    facts->checks = g_strcmp0(subject, engine->checks.subject) == 0 ? engine->checks.state : CHECKS_UNKNOWN;
    facts->passing_since_ms = engine->checks.passing_since_ms;
    facts->passing_until_ms = engine->checks.passing_until_ms;
    facts->judged_after_revert = engine->judged;
    facts->answered_ms = engine->answered_ms;
    for (int i = 0; i < record->trial.n_pairs; i++)
        facts->pair[i].last_try_ms = engine->last_try_ms[i];
    if (!facts_from_files(record, facts, &error)) { /* what cannot be read is left alone, too */
        trouble(engine, record, ret, error);
        facts->disk_failing = TRUE;
    }
}

/* Before anything follows from what was found: a process that was killed between a rename and the sync of its
 * directory has left what all can see and a power cut can take back, and what follows would stay. FALSE: the
 * disk fails, so the step is to be decided anew. Tried once in a run: the next one is soon. */
static gboolean settle(Engine *engine, const Record *record, enum trial_action action, EngineResult *ret)
{
    g_autoptr(GError) error = NULL;

    if (engine->settled || action == ACTION_WAIT || action == ACTION_ASK_NETWORK || action == ACTION_JUDGE)
        return TRUE;
    engine->settled = TRUE;
    if (store_settle(engine->state_dir, &error) && store_settle(engine->profile_dir, &error))
        return TRUE; /* what is known good is written anew, and synced, before what follows from it */
    trouble(engine, record, ret, error);
    return FALSE;
}

/* Does one step. FALSE: the run ends here, and `ret` says how. */
static gboolean one_step(Engine *engine, Record *record, struct facts *facts, EngineResult *ret)
{
    g_autoptr(GError) error = NULL;

    gather(engine, record, facts, ret);
    struct trial_step s = step(&record->trial, facts);
    if (!settle(engine, record, s.action, ret))
        return TRUE;
    switch (s.action) {
    case ACTION_WAIT:
    case ACTION_JUDGE:
        if (trial_rules[s.rule].fact == FACT_FOREIGN_CHECKPOINT) {
            error =
                g_error_new(BUS_ERROR, BUS_ERROR_LATER,
                            "another tool has a checkpoint on %s, which can undo this: waiting for its end",
                            record->pair[s.pair].device);
            trouble(engine, record, ret, error);
        }
        ret->next = s.action;
        ret->wake_ms = s.wake_ms;
        return FALSE;
    case ACTION_ASK_NETWORK:
        facts_from_network(engine, record, facts);
        say_down(engine, record, facts);
        return TRUE;
    case ACTION_PERSIST:
        if (!persist(engine, record, &s.next, facts, &error))
            trouble(engine, record, ret, error);
        return TRUE;
    case ACTION_CLOSE:
        if (close_trial(engine, record, ret, &error)) {
            say_end(engine, record, facts);
            return FALSE;
        }
        trouble(engine, record, ret, error);
        return TRUE;
    case ACTION_CANDIDATE_OFF:
    case ACTION_CANDIDATE_ON:
    case ACTION_REPLACED_OFF:
    case ACTION_REPLACED_RESTORE:
    case ACTION_LOAD:
    case ACTION_MOVE_CHECKPOINT:
    case ACTION_DESTROY_CHECKPOINT:
    case ACTION_ACTIVATE_CANDIDATE:
    case ACTION_ACTIVATE_REPLACED:
    case ACTION_DEACTIVATE_CANDIDATE:
        if (!effect(engine, record, s.action, s.pair, facts, &error))
            trouble(engine, record, ret, error);
        return TRUE;
    }
    return FALSE;
}

/* Another slot was booted, or the device reset to what it was delivered with: no profile of the trial is
 * there, and what its record embeds is not this system's to have. (An edit has but one file, which somebody
 * may have deleted: that is put back.) */
static gboolean of_another_system(const Record *record)
{
    enum found found = FOUND_NOTHING;
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < 2 * record->trial.n_pairs && found == FOUND_NOTHING && !error; i++) {
        const struct record_pair *pair = &record->pair[i / 2];
        const struct record_profile *recorded = i % 2 ? &pair->replaced : &pair->candidate;
        if (pair->edit)
            return FALSE;
        if (recorded->path)
            profile_free(read_recorded(recorded, &found, &error));
    }
    return found == FOUND_NOTHING && !error;
}

static gboolean leave_it(Engine *engine, Record *record, EngineResult *ret, GError **error)
{
    if (record->trial.state == TRIAL_TRYING) {
        record->trial.state = TRIAL_REVERTING;
        record->trial.reason = REASON_UNCONFIRMED_REBOOT;
    }
    g_free(record->detail);
    record->detail = g_strdup("its profiles are gone, so nothing was restored");
    if (!close_trial(engine, record, ret, error))
        return FALSE;
    journal_say(JOURNAL_TROUBLE, record, -1, "over: %s", record->detail);
    return TRUE;
}

gboolean engine_run(Engine *engine, const struct engine_request *request, EngineResult *ret, GError **error)
{
    GError *unreadable = NULL;
    gboolean behind = FALSE;
    g_autoptr(Record) record = load(engine, &behind, &unreadable);

    engine->settled = FALSE;
    *ret = (EngineResult){.next = ACTION_WAIT, .wake_ms = G_MAXINT64, .durable = TRUE};
    if (unreadable) {
        g_autoptr(GError) why = unreadable;
        if (why->domain == G_FILE_ERROR && !store_unusable(why)) { /* it may pass */
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
        return recover_unreadable(engine, why, error);
    }
    if (!record)
        return TRUE;
    if (!engine->boot_id) { /* any trial would look like one of an earlier boot */
        g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                            "this boot's id cannot be read (/proc/sys/kernel/random/boot_id)");
        return FALSE;
    }
    profile_forget();

    struct facts facts = {
        .same_boot = strcmp(record->boot_id, engine->boot_id) == 0,
        .record_behind = behind,
        .request = request ? request->request : REQUEST_NONE,
        .request_deadline_ms = request ? request->deadline_ms : 0,
        .network = engine->network ? NETWORK_NOT_ASKED : NETWORK_BEFORE,
    };
    if (!facts.same_boot && of_another_system(record))
        return leave_it(engine, record, ret, error);
    for (int i = 0; one_step(engine, record, &facts, ret); i++)
        if (i > STEPS_MAX) { /* rather look again later than spin under the lock */
            journal_say(JOURNAL_TROUBLE, record, -1, "no end of steps; trying again");
            ret->wake_ms = os.boottime_ms() + TRIAL_RETRY_MS;
            break;
        }
    if (ret->closed)
        return TRUE;
    ret->network_away = facts.network == NETWORK_AWAY;
    ret->active = facts.network == NETWORK_READY;
    for (int i = 0; i < record->trial.n_pairs; i++)
        ret->active = ret->active && facts.pair[i].activation == ACTIVATION_ACTIVE;
    ret->durable = !facts.record_behind;
    if (!ret->durable)
        hold(engine, record);
    ret->record = g_steal_pointer(&record);
    return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opening.h"

#include "auto-default.h"
#include "checks.h"
#include "good.h"
#include "journal.h"
#include "os.h"
#include "profiles.h"
#include "store.h"

/* The checkpoint's first timeout: should this process die before the record, it costs little. */
#define CHECKPOINT_FIRST_S 30

Record *opening_open_trial(const char *state_dir, GError **error)
{
    g_autoptr(GError) unreadable = NULL;
    Record *open = engine_load(state_dir, &unreadable);
    if (unreadable)
        plan_refuse(
            error,
            "The record of a trial cannot be read (%s). Run nm-trial agent --exit-idle to set it aside.",
            unreadable->message);
    return open;
}

gboolean opening_none_open(const char *state_dir, GError **error)
{
    GError *unreadable = NULL;
    g_autoptr(Record) open = opening_open_trial(state_dir, &unreadable);
    if (unreadable) {
        g_propagate_error(error, unreadable);
        return FALSE;
    }
    if (!open)
        return TRUE;
    g_autofree char *candidate = journal_clean(open->pair[0].candidate.id);
    return plan_refuse(error, "Another trial is open: %s (\"%s\" on %s). Confirm or cancel it first.",
                       open->id, candidate, open->pair[0].device);
}

static char *new_id(void)
{
    return g_strdup_printf("%08x", g_random_int()); /* GLib seeds it from the kernel */
}

static void set_profile(struct record_profile *into, const Profile *profile)
{
    into->uuid = g_strdup(profile->uuid);
    into->id = g_strdup(profile->id);
    into->path = g_strdup(profile->path);
    into->data = g_memdup(profile->data, profile->length + 1);
    into->length = profile->length;
}

Record *opening_record(const Engine *engine, const Plan *plan, const Options *options, const char *started_by)
{
    Record *record = record_new();

    record->id = new_id();
    record->trial = (struct trial){
        .state = TRIAL_TRYING,
        .confirm = options->manual ? CONFIRM_MANUAL : CONFIRM_AUTO,
        .fallback = options->fallback && !plan->pair[0].edit, /* one file cannot be both */
        .hold_ms = options->hold_ms,
        .n_pairs = plan->n_pairs,
    };
    record->boot_id = g_strdup(engine->boot_id);
    record->started_by = g_strdup(started_by);
    g_strfreev(record->checks);
    record->checks = g_strdupv(plan->checks);
    record->nm_name = g_strdup(network_nm_name(engine->network));
    for (int i = 0; i < plan->n_pairs; i++) {
        const PlanPair *pair = &plan->pair[i];
        record->trial.pair[i].has_replaced = pair->replaced != NULL;
        record->pair[i].device = g_strdup(pair->device);
        record->pair[i].priority = pair->priority;
        record->pair[i].judged = pair->judged;
        record->pair[i].edit = pair->edit;
        set_profile(&record->pair[i].candidate, pair->candidate);
        if (pair->replaced)
            set_profile(&record->pair[i].replaced, pair->replaced);
    }
    return record;
}

/* The second net. None is possible when a candidate is active already: it would save the candidate. */
static gboolean take_checkpoint(const Engine *engine, const Plan *plan, Record *record, GError **error)
{
    const char *devices[TRIAL_PAIRS_MAX + 1] = {NULL};
    g_auto(NetworkCheckpoint) made = {0};

    for (int i = 0; i < plan->n_pairs; i++) {
        devices[i] = plan->pair[i].nm.object;
        if (plan->pair[i].up_already)
            return TRUE;
    }
    if (!network_checkpoint_create(engine->network, devices, CHECKPOINT_FIRST_S, &record->checkpoint, error))
        return FALSE;
    record->checkpoint_nm = g_strdup(network_nm_name(engine->network));
    if (!network_checkpoint_get(engine->network, record->checkpoint, &made, error))
        return FALSE;
    record->checkpoint_created_ms = made.created_ms;
    return TRUE;
}

static gboolean unchanged(const Profile *profile, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *data = NULL;
    gsize length = 0;

    if (!profile || (profile_port->read(profile->path, &data, &length, &failure) &&
                     length == profile->length && memcmp(data, profile->data, length) == 0))
        return TRUE;
    if (!failure || store_has_none(failure))
        return plan_refuse(error, "%s was changed a moment ago; start again", profile->path);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean all_unchanged(const Plan *plan, GError **error)
{
    for (int i = 0; i < plan->n_pairs; i++) {
        const PlanPair *pair = &plan->pair[i];
        if ((!pair->edit && !unchanged(pair->candidate, error)) || /* it has no file yet */
            (!pair->auto_default && !unchanged(pair->replaced, error)))
            return FALSE;
    }
    return TRUE;
}

static gboolean mark_candidates(const Engine *engine, const Plan *plan, GError **error)
{
    const struct profile_flags trying = {FALSE, PROFILE_KEEP_PRIORITY, "trying", NULL};
    for (int i = 0; i < plan->n_pairs; i++) {
        const Profile *candidate = plan->pair[i].candidate;
        gsize length = 0;
        if (plan->pair[i].edit) /* its shadow is the engine's to write: nothing may come before the record */
            continue;
        g_autofree char *text = profile_with_flags(candidate, &trying, &length, error);
        if (!text || !good_store(engine->state_dir, candidate->path, candidate->uuid, text, length, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean save_auto_defaults(const Engine *engine, const Plan *plan, GError **error)
{
    for (int i = 0; i < plan->n_pairs; i++) {
        const PlanPair *pair = &plan->pair[i];
        if (pair->auto_default &&
            !auto_default_save(pair->replaced, pair->auto_default, engine->network, error))
            return FALSE;
    }
    return TRUE;
}

static void say_started(const Record *record, const Plan *plan, const Options *options)
{
    g_autofree char *checks = record->checks[0] ? g_strjoinv(", ", record->checks) : g_strdup("none");
    g_autofree char *before = checks_results_words(record->baseline);

    for (int i = 0; i < plan->n_pairs; i++) {
        const PlanPair *pair = &plan->pair[i];
        g_autofree char *candidate = journal_clean(pair->candidate->id);
        g_autofree char *device = journal_clean(pair->device);
        g_autofree char *replaced = pair->replaced ? journal_clean(pair->replaced->id) : NULL;
        g_autofree char *what = pair->edit ? g_strdup_printf("new content of \"%s\"", replaced)
                                : !replaced
                                    ? g_strdup_printf("\"%s\" in place of nothing", candidate)
                                    : g_strdup_printf("\"%s\" in place of \"%s\"", candidate, replaced);
        journal_say(JOURNAL_STARTED, record, i, "trying %s on %s, started by %s, %s, checks: %s", what,
                    device, record->started_by, options->manual ? "to be confirmed" : "judged by its checks",
                    checks);
    }
    if (before || !record->baseline)
        journal_say(JOURNAL_STARTED, record, -1, "before the trial: %s",
                    before               ? before
                    : record->checkpoint ? "not known"
                                         : "not known, the candidate was up already");
    if (!record->checkpoint)
        journal_say(JOURNAL_STARTED, record, -1, "no checkpoint: %s is active already",
                    plan->n_pairs == 1 ? "the candidate" : "a candidate");
    for (guint i = 0; i < plan->warnings->len; i++)
        journal_say(JOURNAL_STARTED, record, -1, "warning: %s", (char *)plan->warnings->pdata[i]);
    for (guint i = 0; i < plan->notes->len; i++)
        journal_say(JOURNAL_STARTED, record, -1, "note: %s", (char *)plan->notes->pdata[i]);
}

gboolean opening_open(const Engine *engine, const Plan *plan, const Options *options, Record *record,
                      GError **error)
{
    if (!all_unchanged(plan, error) || !save_auto_defaults(engine, plan, error))
        return FALSE;
    record->started_ms = os.boottime_ms();
    record->trial.deadline_ms = record->started_ms + options->timeout_ms;
    if (take_checkpoint(engine, plan, record, error) && mark_candidates(engine, plan, error) &&
        engine_save(engine->state_dir, record, error)) {
        say_started(record, plan, options);
        return TRUE;
    }
    /* a write may have failed after its rename: what is not to count goes */
    g_autofree char *path = g_build_filename(engine->state_dir, NM_TRIAL_RECORD, NULL);
    (void)store_remove(path, NULL);
    for (int i = 0; i < plan->n_pairs; i++) {
        const Profile *candidate = plan->pair[i].candidate;
        if (!plan->pair[i].edit)
            (void)good_store(engine->state_dir, candidate->path, candidate->uuid, candidate->data,
                             candidate->length, NULL);
    }
    if (record->checkpoint)
        (void)network_checkpoint_destroy(engine->network, record->checkpoint, NULL);
    return FALSE;
}

static gboolean is_on(const Plan *plan, const char *device, GError **error)
{
    const PlanPair *pair = &plan->pair[0];
    return !device || strcmp(pair->nm.object, device) == 0 ||
           plan_refuse(error, "\"%s\" is bound to %s and came up on another device.", pair->candidate->id,
                       pair->device);
}

enum candidate_fate opening_try(Engine *engine, const struct plan_request *what, const char *device,
                                const char *started_by, GError **error)
{
    g_auto(Options) options = {0};
    g_autoptr(GError) failure = NULL;
    struct plan_request request = *what;

    request.options = &options;
    request.profile_dir = engine->profile_dir;
    request.state_dir = engine->state_dir;
    g_autoptr(Plan) plan = plan_new(&request, engine->network, &failure);
    if (plan && is_on(plan, device, &failure)) {
        /* No baseline: nobody waits for one, and the old network may be gone already. */
        g_autoptr(Record) record = opening_record(engine, plan, &options, started_by);
        if (opening_open(engine, plan, &options, record, &failure))
            return CANDIDATE_OPENED;
    }
    if (g_error_matches(failure, PLAN_ERROR, EXIT_FAILED) ||
        g_error_matches(failure, BUS_ERROR, BUS_ERROR_LATER))
        return CANDIDATE_LATER;
    g_propagate_error(error, g_steal_pointer(&failure));
    return CANDIDATE_LEFT;
}

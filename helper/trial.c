/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trial.h"

#define TRY TRIAL_TRYING
#define PRO TRIAL_PROMOTING
#define REV TRIAL_REVERTING

/* First match wins. Above ASK_NETWORK nothing needs NetworkManager: a verdict is never late because NM hangs.
 */
const struct trial_rule trial_rules[] = {
    {TRY, FACT_REBOOTED, ACTION_PERSIST, REV, REASON_UNCONFIRMED_REBOOT},
    {TRY, FACT_DEADLINE_FAILING, ACTION_PERSIST, REV, REASON_CHECK_FAILED},
    {TRY, FACT_DEADLINE, ACTION_PERSIST, REV, REASON_TIMEOUT},
    {TRY, FACT_CANCEL, ACTION_PERSIST, REV, REASON_CANCELLED},
    {TRY, FACT_CANDIDATE_GONE, ACTION_PERSIST, REV, REASON_CANDIDATE_REMOVED},
    {TRY, FACT_CANDIDATE_CHANGED, ACTION_PERSIST, REV, REASON_CANDIDATE_CHANGED},
    {TRY, FACT_REPLACED_NOT_BOOTABLE, ACTION_REPLACED_RESTORE, TRY, REASON_NONE},
    {TRY, FACT_CANDIDATE_NOT_OFF, ACTION_CANDIDATE_OFF, TRY, REASON_NONE},
    {TRY, FACT_RECORD_BEHIND, ACTION_PERSIST, TRY, REASON_NONE},
    {TRY, FACT_NETWORK_NOT_ASKED, ACTION_ASK_NETWORK, TRY, REASON_NONE},
    {TRY, FACT_NETWORK_AWAY, ACTION_WAIT, TRY, REASON_NONE},
    {TRY, FACT_CHECKPOINT_EARLY, ACTION_MOVE_CHECKPOINT, TRY, REASON_NONE},
    {TRY, FACT_EXTEND, ACTION_PERSIST, TRY, REASON_NONE},
    {TRY, FACT_STALE, ACTION_LOAD, TRY, REASON_NONE},
    {TRY, FACT_FAILED, ACTION_PERSIST, REV, REASON_ACTIVATION_FAILED},
    {TRY, FACT_MODIFIED, ACTION_PERSIST, REV, REASON_CANDIDATE_CHANGED},
    {TRY, FACT_SUPERSEDED, ACTION_PERSIST, REV, REASON_SUPERSEDED},
    {TRY, FACT_NOT_ACTIVATED, ACTION_ACTIVATE_CANDIDATE, TRY, REASON_NONE},
    {TRY, FACT_FIRST_ACTIVE, ACTION_PERSIST, TRY, REASON_NONE},
    {TRY, FACT_CONFIRMED, ACTION_PERSIST, PRO, REASON_CONFIRMED},
    {TRY, FACT_HELD, ACTION_PERSIST, PRO, REASON_CHECKS_PASSED},
    {TRY, FACT_ALWAYS, ACTION_WAIT, TRY, REASON_NONE},

    /* The checkpoint goes before the flags: one left behind would flip them back later. One of others may do
     * so, too: until it is gone, the replaced profile stays on and the trial open, and what was undone is
     * done again. The candidate comes on before the replaced profile goes off: no instant at which a boot
     * finds neither. */
    {PRO, FACT_NETWORK_NOT_ASKED, ACTION_ASK_NETWORK, PRO, REASON_NONE},
    {PRO, FACT_NETWORK_AWAY, ACTION_WAIT, PRO, REASON_NONE},
    {PRO, FACT_CHECKPOINT, ACTION_DESTROY_CHECKPOINT, PRO, REASON_NONE},
    {PRO, FACT_CANDIDATE_NOT_ON, ACTION_CANDIDATE_ON, PRO, REASON_NONE},
    {PRO, FACT_REPLACED_NOT_RETIRED, ACTION_REPLACED_OFF, PRO, REASON_NONE},
    {PRO, FACT_DISK_FAILING, ACTION_WAIT, PRO, REASON_NONE},
    {PRO, FACT_BEFORE_NETWORK, ACTION_CLOSE, PRO, REASON_NONE},
    {PRO, FACT_STALE, ACTION_LOAD, PRO, REASON_NONE},
    {PRO, FACT_RECORD_BEHIND, ACTION_PERSIST, PRO, REASON_NONE},
    {PRO, FACT_CANDIDATE_NOT_UP, ACTION_ACTIVATE_CANDIDATE, PRO, REASON_NONE},
    {PRO, FACT_ACTIVATING, ACTION_WAIT, PRO, REASON_NONE},
    {PRO, FACT_FOREIGN_CHECKPOINT, ACTION_WAIT, PRO, REASON_NONE},
    {PRO, FACT_ALWAYS, ACTION_CLOSE, PRO, REASON_NONE},

    /* A failing disk does not delay the way back: what is on it boots the known-good profile anyway. */
    {REV, FACT_RECORD_BEHIND, ACTION_PERSIST, REV, REASON_NONE},
    {REV, FACT_REPLACED_NOT_BOOTABLE, ACTION_REPLACED_RESTORE, REV, REASON_NONE},
    {REV, FACT_CANDIDATE_NOT_DEMOTED, ACTION_CANDIDATE_OFF, REV, REASON_NONE},
    {REV, FACT_BEFORE_NETWORK, ACTION_CLOSE, REV, REASON_NONE},
    {REV, FACT_NETWORK_NOT_ASKED, ACTION_ASK_NETWORK, REV, REASON_NONE},
    {REV, FACT_NETWORK_AWAY, ACTION_WAIT, REV, REASON_NONE},
    {REV, FACT_CHECKPOINT, ACTION_DESTROY_CHECKPOINT, REV, REASON_NONE},
    {REV, FACT_STALE, ACTION_LOAD, REV, REASON_NONE},
    {REV, FACT_REPLACED_NOT_UP, ACTION_ACTIVATE_REPLACED, REV, REASON_NONE},
    {REV, FACT_CANDIDATE_STILL_UP, ACTION_DEACTIVATE_CANDIDATE, REV, REASON_NONE},
    {REV, FACT_ACTIVATING, ACTION_WAIT, REV, REASON_NONE},
    {REV, FACT_DISK_FAILING, ACTION_WAIT, REV, REASON_NONE},
    {REV, FACT_NOT_JUDGED, ACTION_JUDGE, REV, REASON_NONE},
    {REV, FACT_FOREIGN_CHECKPOINT, ACTION_WAIT, REV, REASON_NONE},
    {REV, FACT_ALWAYS, ACTION_CLOSE, REV, REASON_NONE},
};
const int trial_n_rules = (int)(sizeof trial_rules / sizeof trial_rules[0]);

/* `span` milliseconds after `since` have passed. Subtracts only where it cannot overflow. */
static bool elapsed(int64_t now_ms, int64_t since_ms, int64_t span_ms)
{
    return now_ms >= since_ms && (since_ms >= 0 || now_ms < 0) && now_ms - since_ms >= span_ms;
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* `base + span` without overflow; spans are not negative. */
static int64_t later_by(int64_t base_ms, int64_t span_ms)
{
    return base_ms > INT64_MAX - span_ms ? INT64_MAX : base_ms + span_ms;
}

static int n_pairs(const struct trial *trial)
{
    return trial->n_pairs < 0 ? 0 : trial->n_pairs > TRIAL_PAIRS_MAX ? TRIAL_PAIRS_MAX : trial->n_pairs;
}

/* NM has had its time to bring the right profile up: counted from its first answer after the verdict, or
 * after another tool's checkpoint, so that at least one attempt is made however late that comes. */
static bool given_up(const struct facts *facts)
{
    return facts->answered_ms != 0 && elapsed(facts->now_ms, facts->answered_ms, TRIAL_GIVE_UP_MS);
}

static bool may_retry(const struct facts *facts, int i)
{
    int64_t last_try_ms = facts->pair[i].last_try_ms;
    return last_try_ms == 0 || elapsed(facts->now_ms, last_try_ms, TRIAL_RETRY_MS);
}

/* The pair's profile that belongs on the device after the verdict is neither there nor on its way. */
static bool not_up(const struct trial *trial, const struct facts *facts, int i)
{
    const struct pair_facts *f = &facts->pair[i];
    if (trial->state == TRIAL_PROMOTING)
        return f->holder != HOLDER_CANDIDATE && f->activation != ACTIVATION_PENDING;
    return trial->pair[i].has_replaced &&
           (f->activation == ACTIVATION_NONE || f->activation == ACTIVATION_ENDED);
}

/* The candidate holds its device although it was reverted, and nothing will displace it: it replaced nothing,
 * or what it replaced cannot be brought up. NM's autoconnect takes over only what is free. */
static bool still_up(const struct trial *trial, const struct facts *facts, int i)
{
    return trial->state == TRIAL_REVERTING && facts->pair[i].holder == HOLDER_CANDIDATE &&
           (!trial->pair[i].has_replaced || given_up(facts));
}

/* Another tool's checkpoint is over the pair's device; ours is gone by the rules above those that ask. */
static bool foreign_checkpoint(const struct facts *facts, int i)
{
    return facts->pair[i].checkpoint_over && facts->network != NETWORK_BEFORE;
}

/* A condition of one pair. */
static bool pair_holds(enum trial_fact fact, const struct trial *trial, const struct facts *facts, int i)
{
    const struct trial_pair *p = &trial->pair[i];
    const struct pair_facts *f = &facts->pair[i];
    bool disk = !facts->disk_failing;

    switch (fact) {
    case FACT_CANDIDATE_GONE:
        return f->candidate == FILE_GONE;
    case FACT_CANDIDATE_CHANGED:
        return f->candidate == FILE_CHANGED;
    case FACT_CANDIDATE_NOT_OFF:
        return disk && f->candidate_flags != FLAGS_TRYING;
    case FACT_CANDIDATE_NOT_DEMOTED:
        return disk && f->candidate != FILE_GONE && f->candidate_flags != FLAGS_DEMOTED;
    case FACT_CANDIDATE_NOT_ON:
        return disk && (f->candidate != FILE_SAME || f->candidate_flags != FLAGS_PROMOTED);
    case FACT_REPLACED_NOT_BOOTABLE:
        return disk && p->has_replaced && !f->replaced_bootable;
    case FACT_REPLACED_NOT_RETIRED:
        return disk && p->has_replaced && !trial->fallback && !f->replaced_retired &&
               !foreign_checkpoint(facts, i);
    case FACT_STALE:
        return f->stale;
    case FACT_NOT_ACTIVATED:
        return f->activation == ACTIVATION_NONE;
    case FACT_MODIFIED:
        return f->activation == ACTIVATION_MODIFIED;
    case FACT_FAILED:
        return f->activation == ACTIVATION_ENDED && !p->was_active;
    case FACT_FIRST_ACTIVE:
        return disk && f->activation == ACTIVATION_ACTIVE && !p->was_active;
    case FACT_SUPERSEDED:
        return p->was_active && f->other_since_ms != 0 &&
               elapsed(facts->now_ms, f->other_since_ms, TRIAL_SUPERSEDED_MS);
    case FACT_CANDIDATE_NOT_UP:
    case FACT_REPLACED_NOT_UP:
        return not_up(trial, facts, i) && !given_up(facts) && may_retry(facts, i);
    case FACT_CANDIDATE_STILL_UP:
        return still_up(trial, facts, i) && may_retry(facts, i);
    case FACT_ACTIVATING:
        return still_up(trial, facts, i) ||
               ((not_up(trial, facts, i) || f->activation == ACTIVATION_PENDING) && !given_up(facts));
    case FACT_NOT_JUDGED: /* there is no old network to judge where nothing was replaced */
        return p->has_replaced && !facts->judged_after_revert;
    case FACT_FOREIGN_CHECKPOINT:
        return foreign_checkpoint(facts, i);
    case FACT_ALWAYS:
    case FACT_REBOOTED:
    case FACT_DEADLINE_FAILING:
    case FACT_DEADLINE:
    case FACT_CANCEL:
    case FACT_RECORD_BEHIND:
    case FACT_DISK_FAILING:
    case FACT_BEFORE_NETWORK:
    case FACT_NETWORK_NOT_ASKED:
    case FACT_NETWORK_AWAY:
    case FACT_CHECKPOINT:
    case FACT_CHECKPOINT_EARLY:
    case FACT_EXTEND:
    case FACT_CONFIRMED:
    case FACT_HELD:
        return false;
    }
    return false;
}

static bool all_active(const struct trial *trial, const struct facts *facts)
{
    int n = n_pairs(trial);
    /*@ loop invariant 0 <= i <= n;
        loop invariant \forall integer k; 0 <= k < i ==> facts->pair[k].activation == ACTIVATION_ACTIVE;
        loop assigns i;
        loop variant n - i; */
    for (int i = 0; i < n; i++)
        if (facts->pair[i].activation != ACTIVATION_ACTIVE)
            return false;
    return n > 0;
}

/* A condition of the whole trial. */
static bool whole_holds(enum trial_fact fact, const struct trial *trial, const struct facts *facts)
{
    bool disk = !facts->disk_failing;
    bool past = facts->now_ms >= trial->deadline_ms;
    bool passing = facts->checks == CHECKS_PASSING && all_active(trial, facts);

    switch (fact) {
    case FACT_ALWAYS:
        return true;
    case FACT_REBOOTED:
        return !facts->same_boot;
    case FACT_DEADLINE_FAILING:
        return past && facts->checks == CHECKS_FAILING;
    case FACT_DEADLINE:
        return past;
    case FACT_CANCEL:
        return facts->request == REQUEST_CANCEL;
    case FACT_RECORD_BEHIND:
        return disk && facts->record_behind;
    case FACT_DISK_FAILING:
        return facts->disk_failing;
    case FACT_BEFORE_NETWORK:
        return disk && facts->network == NETWORK_BEFORE;
    case FACT_NETWORK_NOT_ASKED:
        return facts->network == NETWORK_NOT_ASKED;
    case FACT_NETWORK_AWAY:
        /* While promoting, the files come before NM's start too. */
        return facts->network == NETWORK_AWAY ||
               (facts->network == NETWORK_BEFORE && trial->state != TRIAL_PROMOTING);
    case FACT_CHECKPOINT:
        return facts->checkpoint != CHECKPOINT_NONE;
    case FACT_CHECKPOINT_EARLY:
        return facts->checkpoint == CHECKPOINT_EARLY;
    case FACT_EXTEND:
        return disk && facts->request == REQUEST_EXTEND && trial->deadline_ms != facts->request_deadline_ms;
    case FACT_CONFIRMED:
        return disk && passing && facts->request == REQUEST_CONFIRM;
    case FACT_HELD:
        return disk && passing && trial->confirm == CONFIRM_AUTO &&
               elapsed(facts->passing_until_ms, facts->passing_since_ms, trial->hold_ms);
    case FACT_CANDIDATE_GONE:
    case FACT_CANDIDATE_CHANGED:
    case FACT_CANDIDATE_NOT_OFF:
    case FACT_CANDIDATE_NOT_DEMOTED:
    case FACT_CANDIDATE_NOT_ON:
    case FACT_REPLACED_NOT_BOOTABLE:
    case FACT_REPLACED_NOT_RETIRED:
    case FACT_STALE:
    case FACT_NOT_ACTIVATED:
    case FACT_MODIFIED:
    case FACT_FAILED:
    case FACT_FIRST_ACTIVE:
    case FACT_SUPERSEDED:
    case FACT_CANDIDATE_NOT_UP:
    case FACT_REPLACED_NOT_UP:
    case FACT_CANDIDATE_STILL_UP:
    case FACT_ACTIVATING:
    case FACT_NOT_JUDGED:
    case FACT_FOREIGN_CHECKPOINT:
        return false;
    }
    return false;
}

int trial_holds(enum trial_fact fact, const struct trial *trial, const struct facts *facts)
{
    int n = n_pairs(trial);

    if (whole_holds(fact, trial, facts))
        return 0;
    /*@ loop invariant 0 <= i <= n;
        loop invariant \forall integer k; 0 <= k < i ==> !pair_fact(fact, trial, facts, k);
        loop assigns i;
        loop variant n - i; */
    for (int i = 0; i < n; i++)
        if (pair_holds(fact, trial, facts, i))
            return i;
    return -1;
}

/* When a waiting trial has to be looked at again although nothing happened. */
static int64_t wake(const struct trial *trial, const struct facts *facts)
{
    int64_t at = later_by(facts->now_ms, TRIAL_RETRY_MS);

    if (trial->state != TRIAL_TRYING)
        return at;
    if (!facts->disk_failing && facts->network == NETWORK_READY)
        at = INT64_MAX;
    at = earlier(at, trial->deadline_ms);
    /*@ loop invariant 0 <= i <= TRIAL_PAIRS_MAX && at <= trial->deadline_ms;
        loop assigns i, at;
        loop variant TRIAL_PAIRS_MAX - i; */
    for (int i = 0; i < n_pairs(trial); i++) {
        if (facts->pair[i].other_since_ms != 0 && trial->pair[i].was_active)
            at = earlier(at, later_by(facts->pair[i].other_since_ms, TRIAL_SUPERSEDED_MS));
        /* Where the answer was behind, or wrong, no signal need follow. */
        if (facts->pair[i].activation == ACTIVATION_PENDING)
            at = earlier(at, later_by(facts->now_ms, TRIAL_RETRY_MS));
    }
    return at;
}

/* What PERSIST makes durable, beside the state and the reason that stand in the rule. */
static struct trial persisted(struct trial_rule rule, const struct trial *trial, const struct facts *facts)
{
    struct trial next = *trial;

    if (rule.fact == FACT_EXTEND)
        next.deadline_ms = facts->request_deadline_ms;
    if (rule.fact == FACT_FIRST_ACTIVE)
        /*@ loop invariant 0 <= i <= TRIAL_PAIRS_MAX;
            loop assigns i, next.pair[0 .. TRIAL_PAIRS_MAX - 1].was_active;
            loop variant TRIAL_PAIRS_MAX - i; */
        for (int i = 0; i < n_pairs(trial); i++)
            if (facts->pair[i].activation == ACTIVATION_ACTIVE)
                next.pair[i].was_active = true;
    if (rule.next != trial->state) {
        next.state = rule.next;
        next.reason = rule.reason;
        if (rule.next == TRIAL_REVERTING) /* from here on it is the replaced profile that is activated */
            /*@ loop invariant 0 <= i <= TRIAL_PAIRS_MAX;
                loop assigns i, next.pair[0 .. TRIAL_PAIRS_MAX - 1].activated;
                loop variant TRIAL_PAIRS_MAX - i; */
            for (int i = 0; i < n_pairs(trial); i++)
                next.pair[i].activated = false;
    }
    return next;
}

struct trial_step step(const struct trial *trial, const struct facts *facts)
{
    struct trial_step result = {.action = ACTION_WAIT, .next = *trial, .wake_ms = INT64_MAX, .rule = -1};

    /*@ loop invariant 0 <= r <= trial_n_rules;
        loop invariant \forall integer k; 0 <= k < r ==>
                         trial_rules[k].state != trial->state || !holds(trial_rules[k].fact, trial, facts);
        loop assigns r;
        loop variant trial_n_rules - r; */
    for (int r = 0; r < trial_n_rules; r++) {
        const struct trial_rule rule = trial_rules[r];
        int pair = rule.state == trial->state ? trial_holds(rule.fact, trial, facts) : -1;

        if (pair < 0)
            continue;
        result.action = rule.action;
        result.pair = pair;
        result.rule = r;
        if (rule.action == ACTION_PERSIST)
            result.next = persisted(rule, trial, facts);
        if (rule.action == ACTION_WAIT)
            result.wake_ms = wake(trial, facts);
        return result;
    }
    return result;
}

const char *trial_state_name(enum trial_state state)
{
    switch (state) {
    case TRIAL_TRYING:
        return "trying";
    case TRIAL_PROMOTING:
        return "promoting";
    case TRIAL_REVERTING:
        return "reverting";
    }
    return "unknown";
}

const char *trial_reason_name(enum trial_reason reason)
{
    switch (reason) {
    case REASON_NONE:
        return "none";
    case REASON_CONFIRMED:
        return "confirmed";
    case REASON_CHECKS_PASSED:
        return "checks-passed";
    case REASON_TIMEOUT:
        return "timeout";
    case REASON_CHECK_FAILED:
        return "check-failed";
    case REASON_ACTIVATION_FAILED:
        return "activation-failed";
    case REASON_SUPERSEDED:
        return "superseded";
    case REASON_CANCELLED:
        return "cancelled";
    case REASON_UNCONFIRMED_REBOOT:
        return "unconfirmed-reboot";
    case REASON_CANDIDATE_CHANGED:
        return "candidate-changed";
    case REASON_CANDIDATE_REMOVED:
        return "candidate-removed";
    }
    return "unknown";
}

const char *trial_action_name(enum trial_action action)
{
    switch (action) {
    case ACTION_WAIT:
        return "wait";
    case ACTION_PERSIST:
        return "persist";
    case ACTION_ASK_NETWORK:
        return "ask NetworkManager";
    case ACTION_CANDIDATE_OFF:
        return "candidate off";
    case ACTION_CANDIDATE_ON:
        return "candidate on";
    case ACTION_REPLACED_OFF:
        return "replaced off";
    case ACTION_REPLACED_RESTORE:
        return "restore replaced";
    case ACTION_LOAD:
        return "load";
    case ACTION_MOVE_CHECKPOINT:
        return "move checkpoint";
    case ACTION_DESTROY_CHECKPOINT:
        return "destroy checkpoint";
    case ACTION_ACTIVATE_CANDIDATE:
        return "activate candidate";
    case ACTION_ACTIVATE_REPLACED:
        return "activate replaced";
    case ACTION_DEACTIVATE_CANDIDATE:
        return "deactivate candidate";
    case ACTION_JUDGE:
        return "run checks";
    case ACTION_CLOSE:
        return "close";
    }
    return "unknown";
}

const char *trial_fact_name(enum trial_fact fact)
{
    switch (fact) {
    case FACT_ALWAYS:
        return "always";
    case FACT_REBOOTED:
        return "the machine was rebooted";
    case FACT_DEADLINE_FAILING:
        return "the deadline has passed, a check fails";
    case FACT_DEADLINE:
        return "the deadline has passed";
    case FACT_CANCEL:
        return "cancel is asked";
    case FACT_CANDIDATE_GONE:
        return "a candidate's file is gone";
    case FACT_CANDIDATE_CHANGED:
        return "a candidate's file was edited";
    case FACT_CANDIDATE_NOT_OFF:
        return "a candidate is not off and marked trying";
    case FACT_CANDIDATE_NOT_DEMOTED:
        return "a candidate is not off and marked demoted";
    case FACT_CANDIDATE_NOT_ON:
        return "a candidate is not on and marked promoted";
    case FACT_REPLACED_NOT_BOOTABLE:
        return "a replaced profile is gone or off";
    case FACT_REPLACED_NOT_RETIRED:
        return "a replaced profile is on, without fallback or a checkpoint of others";
    case FACT_RECORD_BEHIND:
        return "the record on disk is behind";
    case FACT_DISK_FAILING:
        return "the disk is failing";
    case FACT_BEFORE_NETWORK:
        return "it is before NetworkManager's start";
    case FACT_NETWORK_NOT_ASKED:
        return "NetworkManager was not asked yet";
    case FACT_NETWORK_AWAY:
        return "NetworkManager is absent, hung or starting";
    case FACT_CHECKPOINT:
        return "our checkpoint exists";
    case FACT_CHECKPOINT_EARLY:
        return "our checkpoint would fire too early";
    case FACT_STALE:
        return "NetworkManager's memory differs from a file";
    case FACT_EXTEND:
        return "extend is asked";
    case FACT_NOT_ACTIVATED:
        return "a candidate was not activated by this NetworkManager";
    case FACT_MODIFIED:
        return "what runs is not what is stored";
    case FACT_FAILED:
        return "an activation failed";
    case FACT_FIRST_ACTIVE:
        return "a candidate is active for the first time";
    case FACT_SUPERSEDED:
        return "another profile holds a device for 5 s";
    case FACT_CONFIRMED:
        return "confirm is asked, all active, all checks pass";
    case FACT_HELD:
        return "confirm=auto, all active, all checks passed for hold";
    case FACT_CANDIDATE_NOT_UP:
        return "a candidate is not on its device (for 60 s at most)";
    case FACT_REPLACED_NOT_UP:
        return "a replaced profile is not up (for 60 s at most)";
    case FACT_CANDIDATE_STILL_UP:
        return "a candidate stays up (it replaced nothing, or 60 s are over)";
    case FACT_ACTIVATING:
        return "an activation is under way";
    case FACT_NOT_JUDGED:
        return "the checks have not run on the old network";
    case FACT_FOREIGN_CHECKPOINT:
        return "another tool's checkpoint is over a device";
    }
    return "unknown";
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The promises, proved of the core as it is compiled, and of a model of what lasts: one action at a time
 * (tick) and what the boot after a cut does (recover). By value where it can be: what is said of values needs
 * no thought of memory. */
#include "contracts.h"
#include "trial.c"

/*@
  logic integer count(struct trial t) =
    t.n_pairs < 0 ? 0 : t.n_pairs > TRIAL_PAIRS_MAX ? TRIAL_PAIRS_MAX : t.n_pairs;

  // For every pair: a condition of pairs does not hold.
  predicate none(integer fact, struct trial *t, struct facts *f) =
    \forall integer i; 0 <= i < pairs(t) ==> !pair_fact(fact, t, f, i);

  predicate promoted(struct facts f, integer i) =
    f.pair[i].candidate == FILE_SAME && f.pair[i].candidate_flags == FLAGS_PROMOTED;
  predicate demoted(struct facts f, integer i) =
    f.pair[i].candidate == FILE_GONE || f.pair[i].candidate_flags == FLAGS_DEMOTED;
  predicate bootable(struct trial t, struct facts f, integer i) =
    t.pair[i].has_replaced == 0 || f.pair[i].replaced_bootable != 0;
  predicate may_be_undone(struct facts f, integer i) =
    f.pair[i].checkpoint_over != 0 && f.network != NETWORK_BEFORE;
  predicate retired(struct trial t, struct facts f, integer i) =
    t.pair[i].has_replaced == 0 || t.fallback != 0 || f.pair[i].replaced_retired != 0;

  predicate all_on(struct trial t, struct facts f) =
    \forall integer i; 0 <= i < count(t) ==> promoted(f, i);
  predicate all_demoted(struct trial t, struct facts f) =
    \forall integer i; 0 <= i < count(t) ==> demoted(f, i);
  predicate all_bootable(struct trial t, struct facts f) =
    \forall integer i; 0 <= i < count(t) ==> bootable(t, f, i);
  predicate all_retired(struct trial t, struct facts f) =
    \forall integer i; 0 <= i < count(t) ==> retired(t, f, i);

  predicate touches_files(integer action) =
    action == ACTION_CANDIDATE_ON || action == ACTION_CANDIDATE_OFF || action == ACTION_REPLACED_OFF ||
    action == ACTION_REPLACED_RESTORE;
*/

/*@ assigns \nothing;

    ensures pair: 0 <= \result.pair < TRIAL_PAIRS_MAX;

    // Promise 1, never lost: nothing loses its autoconnect before another profile of its device has it.
    ensures never_lost_off: \result.action == ACTION_REPLACED_OFF ==>
              trial.state == TRIAL_PROMOTING && all_on(trial, facts) &&
              facts.checkpoint == CHECKPOINT_NONE;
    ensures never_lost_on: \result.action == ACTION_CANDIDATE_ON ==>
              trial.state == TRIAL_PROMOTING && facts.checkpoint == CHECKPOINT_NONE;
    ensures never_lost_demoted: \result.action == ACTION_CANDIDATE_OFF ==>
              trial.state != TRIAL_PROMOTING && all_bootable(trial, facts);

    // Nor while another tool's checkpoint may undo that; nothing of the kind is left when it is over.
    ensures never_lost_undone: \result.action == ACTION_REPLACED_OFF ==> !may_be_undone(facts, \result.pair);
    ensures never_lost_after: \result.action == ACTION_CLOSE ==>
              \forall integer i; 0 <= i < count(trial) ==> !may_be_undone(facts, i);

    // Promise 2, all or nothing: decided once, for all pairs, and closed when all of them are there.
    ensures once: \result.next.state != trial.state ==>
              trial.state == TRIAL_TRYING && \result.action == ACTION_PERSIST &&
              \result.next.reason != REASON_NONE &&
              (\result.next.state == TRIAL_PROMOTING || \result.next.state == TRIAL_REVERTING);
    ensures whole: \result.action == ACTION_CLOSE ==> facts.disk_failing == 0 &&
              ((trial.state == TRIAL_PROMOTING && all_on(trial, facts) &&
                all_retired(trial, facts)) ||
               (trial.state == TRIAL_REVERTING && all_bootable(trial, facts) &&
                all_demoted(trial, facts)));

    // Promise 3, bounded: past the deadline and after a reboot there is a verdict, whatever else is the case,
    // and nobody sleeps beyond it.
    ensures bounded: trial.state == TRIAL_TRYING &&
              (facts.now_ms >= trial.deadline_ms || facts.same_boot == 0) ==>
              \result.action == ACTION_PERSIST && \result.next.state == TRIAL_REVERTING;
    ensures awake: \result.action == ACTION_WAIT && trial.state == TRIAL_TRYING ==>
              \result.wake_ms <= trial.deadline_ms;
    ensures awake_after: \result.action == ACTION_WAIT &&
              (trial.state == TRIAL_PROMOTING || trial.state == TRIAL_REVERTING) ==>
              \result.wake_ms == \min(facts.now_ms + TRIAL_RETRY_MS, INT64_MAX);

    // Promise 5, tested is what is promoted: in time, in this boot, unchanged, active, passing, and wanted.
    ensures tested_in_time: trial.state == TRIAL_TRYING && \result.next.state == TRIAL_PROMOTING ==>
              facts.same_boot != 0 && facts.now_ms < trial.deadline_ms && facts.disk_failing == 0;
    ensures tested_passing: trial.state == TRIAL_TRYING && \result.next.state == TRIAL_PROMOTING ==>
              facts.checks == CHECKS_PASSING && count(trial) > 0;
    ensures tested_active: trial.state == TRIAL_TRYING && \result.next.state == TRIAL_PROMOTING ==>
              \forall integer i; 0 <= i < count(trial) ==> facts.pair[i].activation == ACTIVATION_ACTIVE;
    ensures tested_unchanged: trial.state == TRIAL_TRYING && \result.next.state == TRIAL_PROMOTING ==>
              \forall integer i; 0 <= i < count(trial) ==>
                facts.pair[i].candidate != FILE_GONE && facts.pair[i].candidate != FILE_CHANGED;
    ensures tested_loaded: trial.state == TRIAL_TRYING && \result.next.state == TRIAL_PROMOTING ==>
              \forall integer i; 0 <= i < count(trial) ==> facts.pair[i].stale == 0;
    ensures tested_off: trial.state == TRIAL_TRYING && \result.next.state == TRIAL_PROMOTING ==>
              \forall integer i; 0 <= i < count(trial) ==> facts.pair[i].candidate_flags == FLAGS_TRYING;
    ensures tested_way_back: trial.state == TRIAL_TRYING && \result.next.state == TRIAL_PROMOTING ==>
              all_bootable(trial, facts);
    ensures wanted: trial.state == TRIAL_TRYING && \result.next.state == TRIAL_PROMOTING ==>
              facts.request == REQUEST_CONFIRM || (trial.confirm == CONFIRM_AUTO &&
              span_is_over(facts.passing_until_ms, facts.passing_since_ms, trial.hold_ms));

    // No effect before its persist: files follow a verdict that is durable; a failing disk is left alone.
    ensures persist_first: touches_files(\result.action) ==> facts.disk_failing == 0 &&
              (trial.state == TRIAL_REVERTING ==> facts.record_behind == 0);
    ensures persist_first_active: \result.action == ACTION_ACTIVATE_CANDIDATE ==>
              facts.disk_failing != 0 || facts.record_behind == 0;

    // Promise 6, recovery converges: each action is for a pair that lacks it.
    ensures lacking_on: \result.action == ACTION_CANDIDATE_ON ==>
              0 <= \result.pair < count(trial) && !promoted(facts, \result.pair);
    ensures lacking_off: \result.action == ACTION_REPLACED_OFF ==>
              0 <= \result.pair < count(trial) && !retired(trial, facts, \result.pair);
    ensures lacking_restore: \result.action == ACTION_REPLACED_RESTORE ==>
              0 <= \result.pair < count(trial) && !bootable(trial, facts, \result.pair);
    ensures lacking_demotion: \result.action == ACTION_CANDIDATE_OFF && trial.state == TRIAL_REVERTING ==>
              0 <= \result.pair < count(trial) && !demoted(facts, \result.pair);

    // Before NetworkManager's start there is always something to do that lasts, until it is over.
    ensures progress_on: trial.state == TRIAL_PROMOTING && facts.network == NETWORK_BEFORE &&
              facts.checkpoint == CHECKPOINT_NONE && facts.disk_failing == 0 ==>
              \result.action == ACTION_CANDIDATE_ON || \result.action == ACTION_REPLACED_OFF ||
              \result.action == ACTION_CLOSE;
    ensures progress_off: trial.state == TRIAL_REVERTING && facts.network == NETWORK_BEFORE &&
              facts.disk_failing == 0 && facts.record_behind == 0 ==>
              \result.action == ACTION_REPLACED_RESTORE || \result.action == ACTION_CANDIDATE_OFF ||
              \result.action == ACTION_CLOSE;
    ensures same_pairs: \result.next.n_pairs == trial.n_pairs && \result.next.fallback == trial.fallback &&
              (\forall integer i; 0 <= i < TRIAL_PAIRS_MAX ==>
                 \result.next.pair[i].has_replaced == trial.pair[i].has_replaced);
*/
static struct trial_step promised(struct trial trial, struct facts facts)
{
    const struct trial_step s = step(&trial, &facts);

    /* Each condition that holds for no pair, in plain words of the fields. */
    /* clang-format off */
#define IN_WORDS(fact, words) \
    none(fact, &trial, &facts) ==> (\forall integer i; 0 <= i < count(trial) ==> \
                                      !pair_fact(fact, &trial, &facts, i) && (words))
    /* clang-format on */
    /*@ assert facts.disk_failing == 0 ==> IN_WORDS(FACT_CANDIDATE_NOT_ON, promoted(facts, i)); */
    /*@ assert facts.disk_failing == 0 ==> IN_WORDS(FACT_CANDIDATE_NOT_DEMOTED, demoted(facts, i)); */
    /*@ assert facts.disk_failing == 0 ==> IN_WORDS(FACT_REPLACED_NOT_BOOTABLE, bootable(trial, facts, i)); */
    /*@ assert facts.disk_failing == 0 ==>
          IN_WORDS(FACT_REPLACED_NOT_RETIRED, retired(trial, facts, i) || may_be_undone(facts, i)); */
    /*@ assert facts.disk_failing == 0 ==>
          IN_WORDS(FACT_CANDIDATE_NOT_OFF, facts.pair[i].candidate_flags == FLAGS_TRYING); */
    /*@ assert IN_WORDS(FACT_FOREIGN_CHECKPOINT, !may_be_undone(facts, i)); */
    /*@ assert IN_WORDS(FACT_CANDIDATE_GONE, facts.pair[i].candidate != FILE_GONE); */
    /*@ assert IN_WORDS(FACT_CANDIDATE_CHANGED, facts.pair[i].candidate != FILE_CHANGED); */
    /*@ assert IN_WORDS(FACT_STALE, facts.pair[i].stale == 0); */
    return s;
}

/* What lasts of a trial: its record, and what the files of each pair say. */
struct durable {
    bool open;
    struct trial record;
    enum file_state candidate[TRIAL_PAIRS_MAX];
    enum flags_state flags[TRIAL_PAIRS_MAX];
    bool replaced_on[TRIAL_PAIRS_MAX];
};

/*@
  predicate is_promoted(struct durable d, integer i) =
    d.candidate[i] == FILE_SAME && d.flags[i] == FLAGS_PROMOTED;
  predicate is_demoted(struct durable d, integer i) =
    d.candidate[i] == FILE_GONE || d.flags[i] == FLAGS_DEMOTED;
  predicate is_back(struct durable d, integer i) =
    d.record.pair[i].has_replaced == 0 || d.replaced_on[i] != 0;
  predicate is_retired(struct durable d, integer i) =
    d.record.pair[i].has_replaced == 0 || d.record.fallback != 0 || d.replaced_on[i] == 0;

  // Promise 1: a boot finds the replaced profile or the promoted candidate on every device.
  predicate safe(struct durable d) =
    \forall integer i; 0 <= i < count(d.record) ==> is_back(d, i) || is_promoted(d, i);

  // Promise 2: the two ends there are.
  predicate all_promoted(struct durable d) =
    \forall integer i; 0 <= i < count(d.record) ==> is_promoted(d, i) && is_retired(d, i);
  predicate all_reverted(struct durable d) =
    \forall integer i; 0 <= i < count(d.record) ==> is_demoted(d, i) && is_back(d, i);

  // The facts of the files are what the files say.
  predicate faithful(struct durable d, struct facts f) =
    \forall integer i; 0 <= i < TRIAL_PAIRS_MAX ==>
      f.pair[i].candidate == d.candidate[i] && f.pair[i].candidate_flags == d.flags[i] &&
      (f.pair[i].replaced_bootable != 0 <==> d.replaced_on[i] != 0) &&
      (f.pair[i].replaced_retired != 0 <==> d.replaced_on[i] == 0);
*/

/*@
  logic integer left_on(struct durable d, integer i) =
    i >= count(d.record) ? 0 :
      (d.candidate[i] == FILE_SAME && d.flags[i] == FLAGS_PROMOTED ? 0 : 1) +
      (d.record.pair[i].has_replaced == 0 || d.record.fallback != 0 || d.replaced_on[i] == 0 ? 0 : 1);
  logic integer left_off(struct durable d, integer i) =
    i >= count(d.record) ? 0 :
      (d.candidate[i] == FILE_GONE || d.flags[i] == FLAGS_DEMOTED ? 0 : 1) +
      (d.record.pair[i].has_replaced == 0 || d.replaced_on[i] != 0 ? 0 : 1);
  // How many actions are left: two a pair at most, the verdict, and the end.
  logic integer left(struct durable d) =
    d.open == 0 ? 0 :
    d.record.state == TRIAL_TRYING ? 2 * TRIAL_PAIRS_MAX + 2 :
    d.record.state == TRIAL_PROMOTING ?
      1 + left_on(d, 0) + left_on(d, 1) + left_on(d, 2) + left_on(d, 3) + left_on(d, 4) + left_on(d, 5) +
      left_on(d, 6) + left_on(d, 7) :
      1 + left_off(d, 0) + left_off(d, 1) + left_off(d, 2) + left_off(d, 3) + left_off(d, 4) +
      left_off(d, 5) + left_off(d, 6) + left_off(d, 7);
*/

/* One action as it is on the disk when it is done. A power cut falls between any two of them: that each is
 * whole by itself is the store's promise, not the core's. */
/*@ requires 0 <= d.record.state < TRIAL_N_STATES;
    requires safe(d) && faithful(d, f);
    assigns \nothing;
    ensures 0 <= \result.record.state < TRIAL_N_STATES;
    ensures never_lost: safe(\result);
    ensures once: \result.record.state == d.record.state || d.record.state == TRIAL_TRYING;
    ensures whole: d.open != 0 && \result.open == 0 ==>
              (\result.record.state == TRIAL_PROMOTING && all_promoted(\result)) ||
              (\result.record.state == TRIAL_REVERTING && all_reverted(\result));
    ensures rebooted: d.record.state == TRIAL_TRYING && f.same_boot == 0 ==>
              \result.record.state == TRIAL_REVERTING && \result.open == d.open;
    ensures fewer: f.network == NETWORK_BEFORE && f.checkpoint == CHECKPOINT_NONE && f.disk_failing == 0 &&
              f.record_behind == 0 && d.open != 0 &&
              (d.record.state == TRIAL_TRYING ==> f.same_boot == 0) ==>
              0 <= left(\result) < left(d); */
static struct durable tick(struct durable d, struct facts f)
{
    const struct trial_step s = promised(d.record, f);
    struct durable next = d;

    if (s.action == ACTION_PERSIST) {
        next.record = s.next;
    } else if (s.action == ACTION_CANDIDATE_OFF) {
        next.flags[s.pair] = d.record.state == TRIAL_TRYING ? FLAGS_TRYING : FLAGS_DEMOTED;
    } else if (s.action == ACTION_CANDIDATE_ON) {
        next.candidate[s.pair] = FILE_SAME;
        next.flags[s.pair] = FLAGS_PROMOTED;
    } else if (s.action == ACTION_REPLACED_OFF) {
        next.replaced_on[s.pair] = false;
    } else if (s.action == ACTION_REPLACED_RESTORE) {
        next.replaced_on[s.pair] = true;
    } else if (s.action == ACTION_CLOSE) {
        next.open = false;
    }
    return next;
}

/* What the files say before NetworkManager's start, asked anew each time; nothing else is known there. */
/*@ assigns \nothing;
    ensures faithful(d, \result);
    ensures \result.same_boot == same_boot;
    ensures \result.network == NETWORK_BEFORE && \result.checkpoint == CHECKPOINT_NONE;
    ensures \result.disk_failing == 0 && \result.record_behind == 0; */
extern struct facts facts_at_boot(struct durable d, bool same_boot);

/* Promise 6: from whatever a cut left, and so from whatever any number of cuts in this very function leave,
 * it ends, and the verdict that was durable is how it ends. Again, it changes nothing. */
/*@ requires 0 <= d.record.state < TRIAL_N_STATES && safe(d);
    requires same_boot == 0 || d.record.state != TRIAL_TRYING;
    assigns \nothing;
    ensures over: \result.open == 0;
    ensures committed: d.open != 0 && d.record.state == TRIAL_PROMOTING ==> all_promoted(\result);
    ensures reverted: d.open != 0 && d.record.state != TRIAL_PROMOTING ==> all_reverted(\result);
    ensures never_lost: safe(\result);
    ensures again: d.open == 0 ==> \result == d; */
static struct durable recover(struct durable d, bool same_boot)
{
    struct durable now = d;

    /*@ loop invariant 0 <= now.record.state < TRIAL_N_STATES && safe(now);
        loop invariant d.record.state == TRIAL_PROMOTING <==> now.record.state == TRIAL_PROMOTING;
        loop invariant same_boot == 0 || now.record.state != TRIAL_TRYING;
        loop invariant now.open == 0 && d.open != 0 ==>
          (now.record.state == TRIAL_PROMOTING ? all_promoted(now) : all_reverted(now));
        loop invariant d.open == 0 ==> now == d;
        loop assigns same_boot, now;
        loop variant left(now); */
    while (now.open) {
        now = tick(now, facts_at_boot(now, same_boot));
        same_boot = true;
    }
    return now;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the core is proved to do: the conditions once more, as mathematics (there are no clocks that overflow
 * there), and the promises as contracts of step(). Read by Frama-C alone, in front of trial.c. */
#pragma once

#include "trial.h"

/*@
  logic integer pairs(struct trial *t) =
    t->n_pairs < 0 ? 0 : t->n_pairs > TRIAL_PAIRS_MAX ? TRIAL_PAIRS_MAX : t->n_pairs;

  predicate span_is_over(integer now, integer since, integer span) =
    now >= since && (since >= 0 || now < 0) && now - since >= span;

  predicate gave_up(struct facts *f) =
    f->answered_ms != 0 && span_is_over(f->now_ms, f->answered_ms, TRIAL_GIVE_UP_MS);

  predicate retries(struct facts *f, integer i) =
    f->pair[i].last_try_ms == 0 || span_is_over(f->now_ms, f->pair[i].last_try_ms, TRIAL_RETRY_MS);

  predicate is_not_up(struct trial *t, struct facts *f, integer i) =
    t->state == TRIAL_PROMOTING ?
      (f->pair[i].holder != HOLDER_CANDIDATE && f->pair[i].activation != ACTIVATION_PENDING) :
      (t->pair[i].has_replaced != 0 &&
       (f->pair[i].activation == ACTIVATION_NONE || f->pair[i].activation == ACTIVATION_ENDED));

  predicate is_still_up(struct trial *t, struct facts *f, integer i) =
    t->state == TRIAL_REVERTING && f->pair[i].holder == HOLDER_CANDIDATE &&
    (t->pair[i].has_replaced == 0 || gave_up(f));

  predicate is_foreign_checkpoint(struct facts *f, integer i) =
    f->pair[i].checkpoint_over != 0 && f->network != NETWORK_BEFORE;

  predicate pair_fact(integer fact, struct trial *t, struct facts *f, integer i) =
    fact == FACT_CANDIDATE_GONE ? f->pair[i].candidate == FILE_GONE :
    fact == FACT_CANDIDATE_CHANGED ? f->pair[i].candidate == FILE_CHANGED :
    fact == FACT_CANDIDATE_NOT_OFF ? f->disk_failing == 0 && f->pair[i].candidate_flags != FLAGS_TRYING :
    fact == FACT_CANDIDATE_NOT_DEMOTED ?
      f->disk_failing == 0 && f->pair[i].candidate != FILE_GONE &&
      f->pair[i].candidate_flags != FLAGS_DEMOTED :
    fact == FACT_CANDIDATE_NOT_ON ?
      f->disk_failing == 0 &&
      (f->pair[i].candidate != FILE_SAME || f->pair[i].candidate_flags != FLAGS_PROMOTED) :
    fact == FACT_REPLACED_NOT_BOOTABLE ?
      f->disk_failing == 0 && t->pair[i].has_replaced != 0 && f->pair[i].replaced_bootable == 0 :
    fact == FACT_REPLACED_NOT_RETIRED ?
      f->disk_failing == 0 && t->pair[i].has_replaced != 0 && t->fallback == 0 &&
      f->pair[i].replaced_retired == 0 && !is_foreign_checkpoint(f, i) :
    fact == FACT_STALE ? f->pair[i].stale != 0 :
    fact == FACT_NOT_ACTIVATED ? f->pair[i].activation == ACTIVATION_NONE :
    fact == FACT_MODIFIED ? f->pair[i].activation == ACTIVATION_MODIFIED :
    fact == FACT_FAILED ? f->pair[i].activation == ACTIVATION_ENDED && t->pair[i].was_active == 0 :
    fact == FACT_FIRST_ACTIVE ?
      f->disk_failing == 0 && f->pair[i].activation == ACTIVATION_ACTIVE && t->pair[i].was_active == 0 :
    fact == FACT_SUPERSEDED ?
      t->pair[i].was_active != 0 && f->pair[i].other_since_ms != 0 &&
      span_is_over(f->now_ms, f->pair[i].other_since_ms, TRIAL_SUPERSEDED_MS) :
    fact == FACT_CANDIDATE_NOT_UP || fact == FACT_REPLACED_NOT_UP ?
      is_not_up(t, f, i) && !gave_up(f) && retries(f, i) :
    fact == FACT_CANDIDATE_STILL_UP ? is_still_up(t, f, i) && retries(f, i) :
    fact == FACT_ACTIVATING ?
      is_still_up(t, f, i) ||
      ((is_not_up(t, f, i) || f->pair[i].activation == ACTIVATION_PENDING) && !gave_up(f)) :
    fact == FACT_NOT_JUDGED ? t->pair[i].has_replaced != 0 && f->judged_after_revert == 0 :
    fact == FACT_FOREIGN_CHECKPOINT ? is_foreign_checkpoint(f, i) :
    \false;

  predicate every_candidate_active(struct trial *t, struct facts *f) =
    pairs(t) > 0 && \forall integer k; 0 <= k < pairs(t) ==> f->pair[k].activation == ACTIVATION_ACTIVE;

  predicate all_pass(struct trial *t, struct facts *f) =
    f->checks == CHECKS_PASSING && every_candidate_active(t, f);

  predicate trial_fact(integer fact, struct trial *t, struct facts *f) =
    fact == FACT_ALWAYS ? \true :
    fact == FACT_REBOOTED ? f->same_boot == 0 :
    fact == FACT_DEADLINE_FAILING ? f->now_ms >= t->deadline_ms && f->checks == CHECKS_FAILING :
    fact == FACT_DEADLINE ? f->now_ms >= t->deadline_ms :
    fact == FACT_CANCEL ? f->request == REQUEST_CANCEL :
    fact == FACT_RECORD_BEHIND ? f->disk_failing == 0 && f->record_behind != 0 :
    fact == FACT_DISK_FAILING ? f->disk_failing != 0 :
    fact == FACT_BEFORE_NETWORK ? f->disk_failing == 0 && f->network == NETWORK_BEFORE :
    fact == FACT_NETWORK_NOT_ASKED ? f->network == NETWORK_NOT_ASKED :
    fact == FACT_NETWORK_AWAY ?
      f->network == NETWORK_AWAY || (f->network == NETWORK_BEFORE && t->state != TRIAL_PROMOTING) :
    fact == FACT_CHECKPOINT ? f->checkpoint != CHECKPOINT_NONE :
    fact == FACT_CHECKPOINT_EARLY ? f->checkpoint == CHECKPOINT_EARLY :
    fact == FACT_EXTEND ?
      f->disk_failing == 0 && f->request == REQUEST_EXTEND && t->deadline_ms != f->request_deadline_ms :
    fact == FACT_CONFIRMED ? f->disk_failing == 0 && all_pass(t, f) && f->request == REQUEST_CONFIRM :
    fact == FACT_HELD ?
      f->disk_failing == 0 && all_pass(t, f) && t->confirm == CONFIRM_AUTO &&
      span_is_over(f->passing_until_ms, f->passing_since_ms, t->hold_ms) :
    \false;

  predicate holds(integer fact, struct trial *t, struct facts *f) =
    trial_fact(fact, t, f) || (\exists integer k; 0 <= k < pairs(t) && pair_fact(fact, t, f, k));
*/

/*@ assigns \nothing;
    ensures \result != 0 <==> span_is_over(now_ms, since_ms, span_ms); */
static bool elapsed(int64_t now_ms, int64_t since_ms, int64_t span_ms);

/*@ assigns \nothing;
    ensures \result == \min(a_ms, b_ms); */
static int64_t earlier(int64_t a_ms, int64_t b_ms);

/*@ requires span_ms >= 0;
    assigns \nothing;
    ensures \result == \min(base_ms + span_ms, INT64_MAX); */
static int64_t later_by(int64_t base_ms, int64_t span_ms);

/*@ requires \valid_read(trial);
    assigns \nothing;
    ensures \result == pairs(trial);
    ensures 0 <= \result <= TRIAL_PAIRS_MAX; */
static int n_pairs(const struct trial *trial);

/*@ requires \valid_read(facts);
    assigns \nothing;
    ensures \result != 0 <==> gave_up(facts); */
static bool given_up(const struct facts *facts);

/*@ requires \valid_read(facts) && 0 <= i < TRIAL_PAIRS_MAX;
    assigns \nothing;
    ensures \result != 0 <==> retries(facts, i); */
static bool may_retry(const struct facts *facts, int i);

/*@ requires \valid_read(trial) && \valid_read(facts) && 0 <= i < TRIAL_PAIRS_MAX;
    assigns \nothing;
    ensures \result != 0 <==> is_not_up(trial, facts, i); */
static bool not_up(const struct trial *trial, const struct facts *facts, int i);

/*@ requires \valid_read(trial) && \valid_read(facts) && 0 <= i < TRIAL_PAIRS_MAX;
    assigns \nothing;
    ensures \result != 0 <==> is_still_up(trial, facts, i); */
static bool still_up(const struct trial *trial, const struct facts *facts, int i);

/*@ requires \valid_read(facts) && 0 <= i < TRIAL_PAIRS_MAX;
    assigns \nothing;
    ensures \result != 0 <==> is_foreign_checkpoint(facts, i); */
static bool foreign_checkpoint(const struct facts *facts, int i);

/*@ requires \valid_read(trial) && \valid_read(facts) && 0 <= i < TRIAL_PAIRS_MAX;
    assigns \nothing;
    ensures \result != 0 <==> pair_fact(fact, trial, facts, i); */
static bool pair_holds(enum trial_fact fact, const struct trial *trial, const struct facts *facts, int i);

/*@ requires \valid_read(trial) && \valid_read(facts);
    assigns \nothing;
    ensures active: \result != 0 <==> every_candidate_active(trial, facts); */
static bool all_active(const struct trial *trial, const struct facts *facts);

/*@ requires \valid_read(trial) && \valid_read(facts);
    assigns \nothing;
    ensures \result != 0 <==> trial_fact(fact, trial, facts); */
static bool whole_holds(enum trial_fact fact, const struct trial *trial, const struct facts *facts);

/*@ requires \valid_read(trial) && \valid_read(facts);
    assigns \nothing;
    ensures -1 <= \result;
    ensures \result >= 0 <==> holds(fact, trial, facts);
    ensures \result >= 0 ==> trial_fact(fact, trial, facts) ||
              (\result < pairs(trial) && pair_fact(fact, trial, facts, \result));
    ensures \result > 0 ==> \result < pairs(trial); */
int trial_holds(enum trial_fact fact, const struct trial *trial, const struct facts *facts);

/*@ requires \valid_read(trial) && \valid_read(facts);
    assigns \nothing;
    ensures in_time: trial->state == TRIAL_TRYING ==> \result <= trial->deadline_ms;
    ensures trial->state != TRIAL_TRYING ==> \result == \min(facts->now_ms + TRIAL_RETRY_MS, INT64_MAX); */
static int64_t wake(const struct trial *trial, const struct facts *facts);

/*@ requires \valid_read(trial) && \valid_read(facts);
    assigns \nothing;
    ensures \result.state == rule.next;
    ensures \result.reason == (rule.next != trial->state ? rule.reason : trial->reason);
    ensures \result.n_pairs == trial->n_pairs && \result.fallback == trial->fallback &&
            \result.confirm == trial->confirm && \result.hold_ms == trial->hold_ms;
    ensures \result.deadline_ms ==
            (rule.fact == FACT_EXTEND ? facts->request_deadline_ms : trial->deadline_ms);
    ensures \forall integer i; 0 <= i < TRIAL_PAIRS_MAX ==>
            \result.pair[i].has_replaced == trial->pair[i].has_replaced; */
static struct trial persisted(struct trial_rule rule, const struct trial *trial, const struct facts *facts);

/* What each rule says of the one that decided, each by itself: provers get lost where they instantiate. */
// clang-format off
#define AT(k) \
    ((\result.rule > (k) ==> trial_rules[k].state != trial->state || \
                              !holds(trial_rules[k].fact, trial, facts)) && \
     (\result.rule == (k) ==> trial_rules[k].state == trial->state && \
                               \result.action == trial_rules[k].action && \
                               (trial_fact(trial_rules[k].fact, trial, facts) || \
                                (0 <= \result.pair < pairs(trial) && \
                                 pair_fact(trial_rules[k].fact, trial, facts, \result.pair)))))
#define AT_4(k) (AT(k) && AT((k) + 1) && AT((k) + 2) && AT((k) + 3))
// clang-format on

/*@ requires \valid_read(trial) && \valid_read(facts);
    assigns \nothing;
    ensures total: 0 <= trial->state < TRIAL_N_STATES ==> 0 <= \result.rule < trial_n_rules;
    ensures rules: trial_n_rules == 50;
    ensures at_0: AT_4(0);
    ensures at_4: AT_4(4);
    ensures at_8: AT_4(8);
    ensures at_12: AT_4(12);
    ensures at_16: AT_4(16);
    ensures at_20: AT_4(20);
    ensures at_24: AT_4(24);
    ensures at_28: AT_4(28);
    ensures at_32: AT_4(32);
    ensures at_36: AT_4(36);
    ensures at_40: AT_4(40);
    ensures at_44: AT_4(44);
    ensures at_48: AT(48) && AT(49);
    ensures default: !(0 <= \result.rule < trial_n_rules) ==> \result.action == ACTION_WAIT;
    ensures pair: \result.pair == 0 || 0 < \result.pair < pairs(trial);
    ensures pure: \result.action != ACTION_PERSIST ==> \result.next == *trial;
    ensures persist: \result.action == ACTION_PERSIST ==>
              \result.next.state == trial_rules[\result.rule].next &&
              \result.next.reason == (\result.next.state != trial->state ?
                                        trial_rules[\result.rule].reason : trial->reason);
    ensures same_pairs: \result.next.n_pairs == trial->n_pairs && \result.next.fallback == trial->fallback &&
              (\forall integer i; 0 <= i < TRIAL_PAIRS_MAX ==>
                 \result.next.pair[i].has_replaced == trial->pair[i].has_replaced);
    ensures wake: \result.action == ACTION_WAIT && 0 <= trial->state < TRIAL_N_STATES ==>
              (trial->state == TRIAL_TRYING ==> \result.wake_ms <= trial->deadline_ms) &&
              (trial->state != TRIAL_TRYING ==>
               \result.wake_ms == \min(facts->now_ms + TRIAL_RETRY_MS, INT64_MAX)); */
struct trial_step step(const struct trial *trial, const struct facts *facts);

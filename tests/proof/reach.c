/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every state that a trial of one pair can be in, from its start to a fixed point: what lasts (the record,
 * the files) is walked from state to state; what does not (NetworkManager, the checks, the clock, whoever
 * asks) may be anything at each step, and people may edit the files in between. The proof says that no step
 * breaks a promise; this says which steps there are: no rule is dead, and from every state recovery ends. */
#include "trial.h"

#include <glib.h>
#include <stdio.h>

#define DEADLINE 100000
#define STEPS_MAX 20 /* far above what recovery takes */

/* What lasts, and the deadline's place in it, in one number. */
struct lasting {
    struct trial trial;
    gboolean behind; /* a write failed: the disk may have the record as it was before */
    enum file_state candidate;
    enum flags_state flags;
    gboolean replaced_on;
};

/* The choices for what does not last; each is a digit of one number. */
enum {
    NOW,
    BOOT,
    DISK,
    REQUEST,
    CHECKS,
    HELD,
    NETWORK,
    CHECKPOINT,
    STALE,
    ACTIVATION,
    HOLDER,
    SINCE,
    N_CHOICES
};
static const int sizes[N_CHOICES] = {3, 2, 2, 4, 3, 2, 4, 3, 2, 5, 4, 2};

static GHashTable *seen; /* keys of struct lasting */
static GQueue *fresh;
static guint64 n_steps, n_used[64];

static guint key(const struct lasting *l)
{
    const struct trial *t = &l->trial;
    const int digits[][2] = {
        {t->state, 3},     {t->confirm, 2}, {t->fallback, 2},    {t->pair[0].was_active, 2},  {l->behind, 2},
        {l->candidate, 3}, {l->flags, 4},   {l->replaced_on, 2}, {t->pair[0].has_replaced, 2}};
    guint number = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(digits); i++)
        number = number * (guint)digits[i][1] + (guint)digits[i][0];
    return number + 1; /* 0 is no key */
}

static gboolean bootable(const struct lasting *l)
{
    return !l->trial.pair[0].has_replaced || l->replaced_on ||
           (l->candidate == FILE_SAME && l->flags == FLAGS_PROMOTED);
}

static void add(struct lasting l)
{
    l.trial.reason = REASON_NONE; /* it decides nothing, and neither does when the deadline is */
    l.trial.deadline_ms = DEADLINE;
    if (!g_hash_table_add(seen, GUINT_TO_POINTER(key(&l))))
        return;
    struct lasting *copy = g_new(struct lasting, 1);
    *copy = l;
    g_queue_push_tail(fresh, copy);
}

static struct facts facts_of(const struct lasting *l, const int *c)
{
    int64_t deadline_ms = l->trial.deadline_ms;
    struct facts f = {.now_ms = deadline_ms - 1 + c[NOW],
                      .same_boot = c[BOOT],
                      .record_behind = l->behind,
                      .disk_failing = c[DISK],
                      .request = (enum trial_request)c[REQUEST],
                      .request_deadline_ms = 2 * DEADLINE,
                      .checks = (enum checks_state)c[CHECKS],
                      .passing_since_ms = deadline_ms - 2000,
                      .passing_until_ms = deadline_ms - 2000 + (c[HELD] ? 1000 : 999),
                      .judged_after_revert = c[HELD],
                      .answered_ms = c[SINCE] ? 1 : deadline_ms - 1,
                      .network = (enum network_state)c[NETWORK],
                      .checkpoint = (enum checkpoint_state)c[CHECKPOINT]};
    f.pair[0] = (struct pair_facts){.candidate = l->candidate,
                                    .candidate_flags = l->flags,
                                    .replaced_bootable = l->replaced_on,
                                    .replaced_retired = !l->replaced_on,
                                    .stale = c[STALE],
                                    .activation = (enum activation_state)c[ACTIVATION],
                                    .holder = (enum holder)c[HOLDER],
                                    .checkpoint_over = c[REQUEST] & 1, /* asked and seen at different times */
                                    .last_try_ms = c[HELD] ? deadline_ms - 1 : 0,
                                    .other_since_ms = c[SINCE] ? 1 : 0};
    return f;
}

/* What lasts after the step, and in memory. FALSE: the trial is over. */
static gboolean after(struct lasting *l, const struct trial_step *s)
{
    switch (s->action) {
    case ACTION_PERSIST:
        l->trial = s->next;
        l->behind = FALSE;
        return TRUE;
    case ACTION_CANDIDATE_OFF:
        l->flags = l->trial.state == TRIAL_TRYING ? FLAGS_TRYING : FLAGS_DEMOTED;
        return TRUE;
    case ACTION_CANDIDATE_ON:
        l->candidate = FILE_SAME;
        l->flags = FLAGS_PROMOTED;
        return TRUE;
    case ACTION_REPLACED_OFF:
    case ACTION_REPLACED_RESTORE:
        l->replaced_on = s->action == ACTION_REPLACED_RESTORE;
        return TRUE;
    case ACTION_CLOSE:
        return FALSE;
    case ACTION_WAIT:
    case ACTION_ASK_NETWORK:
    case ACTION_LOAD:
    case ACTION_MOVE_CHECKPOINT:
    case ACTION_DESTROY_CHECKPOINT:
    case ACTION_ACTIVATE_CANDIDATE:
    case ACTION_ACTIVATE_REPLACED:
    case ACTION_DEACTIVATE_CANDIDATE:
    case ACTION_JUDGE:
        return TRUE;
    }
    g_assert_not_reached();
}

/* A write that failed leaves the record as it was, or as it should be without anybody knowing (engine.c,
 * persist()). The way back is acted on from memory in both cases; anything else only in the second. */
static void add_failed(const struct lasting *l, const struct trial_step *s)
{
    struct lasting next = *l;

    if (s->action != ACTION_PERSIST)
        return;
    next.trial = s->next;
    next.behind = TRUE;
    add(next);
}

/* Promise 1 in every step, promise 2 in the last: how it ends is what was decided. */
static void check(const struct lasting *before, const struct lasting *now, gboolean open)
{
    if (bootable(before))
        g_assert_true(bootable(now));
    if (open)
        return;
    gboolean promoted = now->candidate == FILE_SAME && now->flags == FLAGS_PROMOTED;
    if (now->trial.state == TRIAL_PROMOTING)
        g_assert_true(promoted &&
                      (!now->replaced_on || now->trial.fallback || !now->trial.pair[0].has_replaced));
    else
        g_assert_true(now->trial.state == TRIAL_REVERTING && !now->behind &&
                      (now->candidate == FILE_GONE || now->flags == FLAGS_DEMOTED) &&
                      (now->replaced_on || !now->trial.pair[0].has_replaced));
}

/* People: the candidate's file is edited, removed, or marked otherwise; the replaced one is switched off or
 * on. */
static void edits(const struct lasting *l)
{
    for (int candidate = FILE_SAME; candidate <= FILE_GONE; candidate++)
        for (int flags = FLAGS_OTHER; flags <= FLAGS_PROMOTED; flags++)
            for (int on = 0; on < 2; on++) {
                struct lasting next = *l;
                next.candidate = (enum file_state)candidate;
                next.flags = (enum flags_state)flags;
                next.replaced_on = on;
                add(next);
            }
}

static void steps(const struct lasting *l)
{
    int c[N_CHOICES] = {0}, i = 0;

    while (i < N_CHOICES) {
        struct facts f = facts_of(l, c);
        struct lasting next = *l;
        struct trial_step s = step(&l->trial, &f);
        g_assert_cmpint(s.rule, >=, 0);
        n_used[s.rule]++;
        n_steps++;
        gboolean open = after(&next, &s);
        check(l, &next, open);
        if (open)
            add(next);
        add_failed(l, &s);
        for (i = 0; i < N_CHOICES && ++c[i] == sizes[i]; i++)
            c[i] = 0;
    }
}

/* Promise 6: what the boot after a power cut does ends, and says what was durable. */
static void recovers_from(struct lasting l, enum trial_state durable)
{
    int c[N_CHOICES] = {[NETWORK] = NETWORK_BEFORE};
    gboolean open = TRUE;

    l.trial.state = durable;
    l.behind = FALSE; /* the memory is gone */
    for (int i = 0; open; i++) {
        struct facts f = facts_of(&l, c);
        struct trial_step s = step(&l.trial, &f);
        struct lasting before = l;
        c[BOOT] = c[BOOT] || s.action == ACTION_PERSIST;
        open = after(&l, &s);
        check(&before, &l, open);
        g_assert_cmpint(i, <, STEPS_MAX);
    }
    g_assert_true((l.trial.state == TRIAL_PROMOTING) == (durable == TRIAL_PROMOTING));
}

static void recovers(const struct lasting *l)
{
    recovers_from(*l, l->trial.state);
    if (l->behind)
        recovers_from(*l, TRIAL_TRYING);
}

static void start(int choice)
{
    struct lasting l = {
        .trial = {.confirm = choice & 1 ? CONFIRM_AUTO : CONFIRM_MANUAL,
                  .fallback = choice & 2,
                  .deadline_ms = DEADLINE,
                  .hold_ms = 1000,
                  .n_pairs = 1,
                  .pair = {{.has_replaced = choice & 4}}},
        .flags = FLAGS_TRYING,
        .replaced_on = choice & 4,
    };
    add(l);
}

int main(void)
{
    guint unused = 0;

    seen = g_hash_table_new(NULL, NULL);
    fresh = g_queue_new();
    for (int choice = 0; choice < 8; choice++)
        start(choice);
    for (struct lasting *l; (l = g_queue_pop_head(fresh)); g_free(l)) {
        steps(l);
        edits(l);
        recovers(l);
    }
    for (int r = 0; r < trial_n_rules; r++)
        if (n_used[r] == 0) {
            unused++;
            printf("never used: rule %d, %s: %s\n", r, trial_state_name(trial_rules[r].state),
                   trial_fact_name(trial_rules[r].fact));
        }
    printf("%u states, %" G_GUINT64_FORMAT " steps from them, %d rules, %u of them unused\n",
           g_hash_table_size(seen), n_steps, trial_n_rules, unused);
    g_hash_table_unref(seen);
    g_queue_free(fresh);
    return unused ? 1 : 0;
}

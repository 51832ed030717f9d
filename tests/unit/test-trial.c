/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The core: every decision over the product of the facts, the table in HACKING.md, and a model of the disk
 * that is cut off after each durable action. `test-trial --table` prints the table for HACKING.md. */
#include "trial.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* The table */

static char *table(void)
{
    GString *text = g_string_new("| state | when | do | then |\n|---|---|---|---|\n");
    for (int i = 0; i < trial_n_rules; i++) {
        const struct trial_rule *rule = &trial_rules[i];
        g_string_append_printf(text, "| %s | %s | %s | ", trial_state_name(rule->state),
                               trial_fact_name(rule->fact), trial_action_name(rule->action));
        if (rule->next != rule->state)
            g_string_append_printf(text, "%s, %s |\n", trial_state_name(rule->next),
                                   trial_reason_name(rule->reason));
        else
            g_string_append(text, rule->action == ACTION_WAIT || rule->action == ACTION_JUDGE
                                      ? "look again |\n"
                                  : rule->action == ACTION_CLOSE ? "over |\n"
                                                                 : "next step |\n");
    }
    return g_string_free(text, FALSE);
}

static void test_documented(void)
{
    g_autofree char *path = g_build_filename(g_getenv("NM_TRIAL_SOURCE"), "HACKING.md", NULL), *text = NULL;
    g_autofree char *wanted = table();
    g_autoptr(GError) error = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, &error));
    if (!strstr(text, wanted))
        g_error("HACKING.md does not have the table of transitions as `test-trial --table` prints it");
}

static void test_names(void)
{
    for (int i = 0; i < TRIAL_N_FACTS; i++)
        g_assert_cmpstr(trial_fact_name((enum trial_fact)i), !=, "unknown");
    for (int i = 0; i < TRIAL_N_ACTIONS; i++)
        g_assert_cmpstr(trial_action_name((enum trial_action)i), !=, "unknown");
    for (int i = 0; i < TRIAL_N_REASONS; i++)
        g_assert_cmpstr(trial_reason_name((enum trial_reason)i), !=, "unknown");
    for (int i = 0; i < TRIAL_N_STATES; i++)
        g_assert_cmpstr(trial_state_name((enum trial_state)i), !=, "unknown");
    g_assert_cmpstr(trial_fact_name((enum trial_fact)TRIAL_N_FACTS), ==, "unknown");
    g_assert_cmpstr(trial_action_name((enum trial_action)TRIAL_N_ACTIONS), ==, "unknown");
    g_assert_cmpstr(trial_reason_name((enum trial_reason)TRIAL_N_REASONS), ==, "unknown");
}

/* Every rule's last one of a state holds always, so no combination is left undecided. */
static void test_total(void)
{
    for (int state = 0; state < TRIAL_N_STATES; state++) {
        const struct trial_rule *last = NULL;
        for (int i = 0; i < trial_n_rules; i++)
            if ((int)trial_rules[i].state == state)
                last = &trial_rules[i];
        g_assert_nonnull(last);
        g_assert_cmpint(last->fact, ==, FACT_ALWAYS);
    }
}

/* Every decision: the product of all facts of one pair */

#define DEADLINE 100000
#define NOW_STEPS 3

static gboolean file_action(enum trial_action action)
{
    return action == ACTION_CANDIDATE_ON || action == ACTION_CANDIDATE_OFF || action == ACTION_REPLACED_OFF ||
           action == ACTION_REPLACED_RESTORE;
}

static void check_trying(const struct trial *t, const struct facts *f, const struct trial_step *s)
{
    const struct pair_facts *p = &f->pair[0];

    g_assert_true(s->action != ACTION_CANDIDATE_ON && s->action != ACTION_REPLACED_OFF &&
                  s->action != ACTION_ACTIVATE_REPLACED && s->action != ACTION_CLOSE &&
                  s->action != ACTION_DESTROY_CHECKPOINT);
    /* Bounded: whatever hangs, past the deadline or after a reboot there is a verdict, at once. */
    if (f->now_ms >= t->deadline_ms || !f->same_boot || f->request == REQUEST_CANCEL ||
        p->candidate != FILE_SAME) {
        g_assert_cmpint(s->action, ==, ACTION_PERSIST);
        g_assert_cmpint(s->next.state, ==, TRIAL_REVERTING);
        g_assert_cmpint(s->next.reason, !=, REASON_NONE);
    }
    if (s->next.state != TRIAL_PROMOTING)
        return;
    /* Nothing is promoted that was not up, judged, unchanged, in time, and wanted. */
    g_assert_cmpint(s->action, ==, ACTION_PERSIST);
    g_assert_true(p->activation == ACTIVATION_ACTIVE && p->candidate == FILE_SAME &&
                  f->checks == CHECKS_PASSING);
    g_assert_true(f->network == NETWORK_READY && f->same_boot && f->now_ms < t->deadline_ms &&
                  !f->disk_failing);
    g_assert_true(f->request == REQUEST_CONFIRM ||
                  (t->confirm == CONFIRM_AUTO && f->passing_until_ms - f->passing_since_ms >= t->hold_ms));
    g_assert_true(p->replaced_bootable || !t->pair[0].has_replaced);
}

static void check_promoting(const struct trial *t, const struct facts *f, const struct trial_step *s)
{
    const struct pair_facts *p = &f->pair[0];

    g_assert_cmpint(s->next.state, ==, TRIAL_PROMOTING);
    g_assert_true(s->action != ACTION_CANDIDATE_OFF && s->action != ACTION_REPLACED_RESTORE &&
                  s->action != ACTION_ACTIVATE_REPLACED);
    /* The checkpoint is gone before a flag changes; the candidate is on before the replaced profile goes off.
     */
    if (s->action == ACTION_CANDIDATE_ON || s->action == ACTION_REPLACED_OFF)
        g_assert_cmpint(f->checkpoint, ==, CHECKPOINT_NONE);
    if (s->action == ACTION_REPLACED_OFF)
        g_assert_true(p->candidate_flags == FLAGS_PROMOTED && p->candidate != FILE_GONE && !t->fallback &&
                      (!p->checkpoint_over || f->network == NETWORK_BEFORE));
    if (s->action == ACTION_CLOSE)
        g_assert_true(p->candidate_flags == FLAGS_PROMOTED && p->candidate != FILE_GONE &&
                      (p->replaced_retired || t->fallback || !t->pair[0].has_replaced));
}

static void check_reverting(const struct trial *t, const struct facts *f, const struct trial_step *s)
{
    const struct pair_facts *p = &f->pair[0];

    g_assert_cmpint(s->next.state, ==, TRIAL_REVERTING);
    g_assert_true(s->action != ACTION_CANDIDATE_ON && s->action != ACTION_REPLACED_OFF &&
                  s->action != ACTION_ACTIVATE_CANDIDATE);
    /* The replaced profile is bootable before the candidate is switched off. */
    if (s->action == ACTION_CANDIDATE_OFF)
        g_assert_true(p->replaced_bootable || !t->pair[0].has_replaced);
    if (s->action == ACTION_CLOSE)
        g_assert_true((p->replaced_bootable || !t->pair[0].has_replaced) &&
                      (p->candidate == FILE_GONE || p->candidate_flags == FLAGS_DEMOTED));
    /* A failing disk does not delay the way back. */
    if (f->disk_failing && f->network == NETWORK_READY && t->pair[0].has_replaced && !p->stale &&
        f->checkpoint == CHECKPOINT_NONE && p->activation == ACTIVATION_NONE && p->last_try_ms == 0)
        g_assert_cmpint(s->action, ==, ACTION_ACTIVATE_REPLACED);
}

static void check(const struct trial *t, const struct facts *f)
{
    struct trial_step s = step(t, f);

    g_assert_cmpint(s.rule, >=, 0);
    if (s.action != ACTION_PERSIST)
        g_assert_cmpmem(&s.next, sizeof s.next, t, sizeof *t);
    if (f->disk_failing)
        g_assert_false(file_action(s.action));
    /* What another tool's checkpoint undoes after the end stays undone. */
    if (s.action == ACTION_CLOSE && f->network == NETWORK_READY)
        g_assert_false(f->pair[0].checkpoint_over);
    /* Before NM's start nothing asks it anything; and nobody waits without a time to look again. */
    if (f->network == NETWORK_BEFORE)
        g_assert_true(file_action(s.action) || s.action == ACTION_PERSIST || s.action == ACTION_CLOSE ||
                      s.action == ACTION_WAIT || f->checkpoint != CHECKPOINT_NONE);
    if (s.action == ACTION_WAIT)
        g_assert_true(s.wake_ms != INT64_MAX && s.wake_ms >= 0);
    switch (t->state) {
    case TRIAL_TRYING:
        check_trying(t, f, &s);
        break;
    case TRIAL_PROMOTING:
        check_promoting(t, f, &s);
        break;
    case TRIAL_REVERTING:
        check_reverting(t, f, &s);
        break;
    }
}

/* Calls back with each value of each coordinate: `n` coordinates with `sizes` values. */
#define N_COORDINATES 17
enum {
    C_STATE,
    C_CONFIRM,
    C_REPLACED,
    C_WAS_ACTIVE,
    C_NOW,
    C_BOOT,
    C_BEHIND,
    C_DISK,
    C_REQUEST,
    C_CHECKS,
    C_NETWORK,
    C_CHECKPOINT,
    C_CANDIDATE,
    C_FLAGS,
    C_FILES,
    C_ACTIVATION,
    C_HOLDER,
};
static const int sizes[N_COORDINATES] = {3, 2, 2, 2, NOW_STEPS, 2, 2, 2, 4, 3, 4, 2, 3, 4, 4, 5, 4};

static void set(struct trial *t, struct facts *f, const int *c)
{
    *t = (struct trial){.state = (enum trial_state)c[C_STATE],
                        .confirm = (enum trial_confirm)c[C_CONFIRM],
                        .deadline_ms = DEADLINE,
                        .hold_ms = 1000,
                        .n_pairs = 1,
                        .pair = {{.has_replaced = c[C_REPLACED], .was_active = c[C_WAS_ACTIVE]}}};
    *f = (struct facts){.now_ms = DEADLINE - 1 + c[C_NOW],
                        .same_boot = c[C_BOOT],
                        .record_behind = c[C_BEHIND],
                        .disk_failing = c[C_DISK],
                        .request = (enum trial_request)c[C_REQUEST],
                        .request_deadline_ms = 2 * DEADLINE,
                        .checks = (enum checks_state)c[C_CHECKS],
                        .passing_since_ms = DEADLINE - 2000,
                        .passing_until_ms = c[C_WAS_ACTIVE] ? DEADLINE - 1000 : DEADLINE - 1001,
                        .network = (enum network_state)c[C_NETWORK],
                        .checkpoint = c[C_CHECKPOINT] ? CHECKPOINT_SET : CHECKPOINT_NONE};
    f->pair[0] = (struct pair_facts){.candidate = (enum file_state)c[C_CANDIDATE],
                                     .candidate_flags = (enum flags_state)c[C_FLAGS],
                                     .replaced_bootable = c[C_FILES] & 1,
                                     .replaced_retired = !(c[C_FILES] & 1),
                                     .stale = c[C_FILES] >> 1,
                                     .activation = (enum activation_state)c[C_ACTIVATION],
                                     .holder = (enum holder)c[C_HOLDER],
                                     .checkpoint_over = c[C_REQUEST] & 1, /* at different times */
                                     .other_since_ms = c[C_HOLDER] > HOLDER_CANDIDATE ? DEADLINE - 6000 : 0};
}

static void test_every_decision(void)
{
    static const int zero[N_COORDINATES];
    int c[N_COORDINATES];
    struct trial t;
    struct facts f;
    guint64 n = 0;
    int i = 0;

    memcpy(c, zero, sizeof c);
    while (i < N_COORDINATES) {
        set(&t, &f, c);
        check(&t, &f);
        n++;
        for (i = 0; i < N_COORDINATES && ++c[i] == sizes[i]; i++)
            c[i] = 0;
    }
    g_test_message("%" G_GUINT64_FORMAT " combinations", n);
}

/* Times at their edges: nothing overflows (UBSan looks on), and the deadline always wins. */
static void test_extreme_times(void)
{
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, 5000, INT64_MAX - 1, INT64_MAX};
    const int n = (int)G_N_ELEMENTS(times);

    for (int i = 0; i < n * n * n * n; i++) {
        struct trial t = {.deadline_ms = times[i % n], .hold_ms = times[i / n % n], .n_pairs = i % 11 - 1};
        struct facts f = {.now_ms = times[i / n / n % n],
                          .passing_since_ms = times[i / n / n / n],
                          .passing_until_ms = times[i / n % n],
                          .same_boot = true,
                          .checks = CHECKS_PASSING,
                          .network = NETWORK_READY,
                          .answered_ms = times[i % n]};
        for (int p = 0; p < TRIAL_PAIRS_MAX; p++) {
            t.pair[p] = (struct trial_pair){.was_active = true, .activated = true};
            f.pair[p] = (struct pair_facts){.candidate_flags = FLAGS_TRYING,
                                            .activation = ACTIVATION_ACTIVE,
                                            .last_try_ms = times[i / n % n],
                                            .other_since_ms = times[i / n % n]};
        }
        for (int state = 0; state < TRIAL_N_STATES; state++) {
            t.state = (enum trial_state)state;
            struct trial_step s = step(&t, &f);
            g_assert_cmpint(s.rule, >=, 0);
            if (t.state == TRIAL_TRYING && f.now_ms >= t.deadline_ms)
                g_assert_cmpint(s.next.state, ==, TRIAL_REVERTING);
        }
    }
}

/* What every decision above leaves out, because it would multiply them: patience, several pairs, fallback */

/* A trial that is reverting: all is on the disk, and NM is to bring the old profile up. */
static void reverting(struct trial *t, struct facts *f)
{
    *t = (struct trial){.state = TRIAL_REVERTING, .n_pairs = 1, .pair = {{.has_replaced = true}}};
    *f = (struct facts){
        .now_ms = DEADLINE,
        .same_boot = true,
        .network = NETWORK_READY,
        .answered_ms = DEADLINE - 10,
        .judged_after_revert = true,
        .pair = {
            {.candidate_flags = FLAGS_DEMOTED, .replaced_bootable = true, .activation = ACTIVATION_ENDED}}};
}

static void assert_does(const struct trial *t, const struct facts *f, enum trial_action action)
{
    g_assert_cmpint(step(t, f).action, ==, action);
}

static void test_patience(void)
{
    struct trial t;
    struct facts f;

    reverting(&t, &f);
    assert_does(&t, &f, ACTION_ACTIVATE_REPLACED);
    f.pair[0].last_try_ms = f.now_ms - TRIAL_RETRY_MS + 1;
    assert_does(&t, &f, ACTION_WAIT);
    f.pair[0].last_try_ms--;
    assert_does(&t, &f, ACTION_ACTIVATE_REPLACED);
    f.answered_ms = f.now_ms - TRIAL_GIVE_UP_MS + 1;
    assert_does(&t, &f, ACTION_ACTIVATE_REPLACED);
    f.answered_ms--;
    assert_does(&t, &f, ACTION_CLOSE); /* NM's autoconnect has it from here */
    f.pair[0].activation = ACTIVATION_PENDING;
    assert_does(&t, &f, ACTION_CLOSE);
    /* ... but not while the candidate is in its way */
    f.pair[0].holder = HOLDER_CANDIDATE;
    f.pair[0].activation = ACTIVATION_ENDED;
    assert_does(&t, &f, ACTION_DEACTIVATE_CANDIDATE);
    f.pair[0].last_try_ms = f.now_ms;
    assert_does(&t, &f, ACTION_WAIT);

    reverting(&t, &f); /* --replace none */
    t.pair[0].has_replaced = false;
    assert_does(&t, &f, ACTION_CLOSE);
    f.pair[0].holder = HOLDER_CANDIDATE;
    assert_does(&t, &f, ACTION_DEACTIVATE_CANDIDATE);
}

/* "NM is at it" may be what a refused question looks like, and no signal follows that. */
static void test_looks_again(void)
{
    struct trial t;
    struct facts f;

    reverting(&t, &f);
    t.state = TRIAL_TRYING;
    t.deadline_ms = f.now_ms + 10 * TRIAL_RETRY_MS;
    f.pair[0].candidate_flags = FLAGS_TRYING;
    f.pair[0].holder = HOLDER_CANDIDATE;
    f.pair[0].activation = ACTIVATION_PENDING;
    for (int was_active = 0; was_active < 2; was_active++) {
        t.pair[0].was_active = was_active;
        assert_does(&t, &f, ACTION_WAIT);
        g_assert_cmpint(step(&t, &f).wake_ms, ==, f.now_ms + TRIAL_RETRY_MS);
    }
    f.pair[0].activation = ACTIVATION_ACTIVE;
    assert_does(&t, &f, ACTION_WAIT);
    g_assert_cmpint(step(&t, &f).wake_ms, ==, t.deadline_ms);
}

static void test_fallback(void)
{
    struct trial t;
    struct facts f;

    reverting(&t, &f);
    t.state = TRIAL_PROMOTING;
    f.pair[0].candidate_flags = FLAGS_PROMOTED;
    f.pair[0].holder = HOLDER_CANDIDATE;
    assert_does(&t, &f, ACTION_REPLACED_OFF);
    t.fallback = true;
    assert_does(&t, &f, ACTION_CLOSE);
}

static void test_several_pairs(void)
{
    struct trial t;
    struct facts f;

    reverting(&t, &f);
    t.state = TRIAL_TRYING;
    t.deadline_ms = f.now_ms + 1;
    t.n_pairs = 2;
    t.pair[1] = t.pair[0];
    f.checkpoint = CHECKPOINT_SET;
    f.pair[0].candidate_flags = FLAGS_TRYING;
    f.pair[0].activation = ACTIVATION_PENDING;
    f.pair[1] = f.pair[0];
    assert_does(&t, &f, ACTION_WAIT);
    f.pair[1].activation = ACTIVATION_ACTIVE;
    struct trial_step s = step(&t, &f);
    g_assert_cmpint(s.action, ==, ACTION_PERSIST);
    g_assert_true(s.next.pair[1].was_active && !s.next.pair[0].was_active);
    /* asked for the deadline that it has: nothing to write */
    t = s.next;
    f.request = REQUEST_EXTEND;
    f.request_deadline_ms = t.deadline_ms;
    assert_does(&t, &f, ACTION_WAIT);
}

/* A model: two devices, their four files, the record. Every durable action may be the last before the power
 * goes. */

#define PAIRS 2

struct model {
    gboolean open;
    struct trial record;
    enum flags_state candidate[PAIRS];
    gboolean replaced_on[PAIRS];
};

static struct facts facts_of(const struct model *m, gboolean same_boot, enum network_state network)
{
    struct facts f = {.now_ms = 50, .same_boot = same_boot, .network = network, .judged_after_revert = true};
    for (int i = 0; i < PAIRS; i++) {
        f.pair[i] = (struct pair_facts){.candidate_flags = m->candidate[i],
                                        .replaced_bootable = m->replaced_on[i],
                                        .replaced_retired = !m->replaced_on[i],
                                        .activation = ACTIVATION_ACTIVE,
                                        .holder = HOLDER_CANDIDATE};
    }
    return f;
}

/* Applies a decision to what is durable. FALSE: it changes nothing that lasts. */
static gboolean tick(struct model *m, const struct trial_step *s)
{
    switch (s->action) {
    case ACTION_PERSIST:
        m->record = s->next;
        return TRUE;
    case ACTION_CANDIDATE_OFF:
        m->candidate[s->pair] = m->record.state == TRIAL_TRYING ? FLAGS_TRYING : FLAGS_DEMOTED;
        return TRUE;
    case ACTION_CANDIDATE_ON:
        m->candidate[s->pair] = FLAGS_PROMOTED;
        return TRUE;
    case ACTION_REPLACED_OFF:
    case ACTION_REPLACED_RESTORE:
        m->replaced_on[s->pair] = s->action == ACTION_REPLACED_RESTORE;
        return TRUE;
    case ACTION_CLOSE:
        m->open = FALSE;
        return TRUE;
    case ACTION_WAIT:
    case ACTION_ASK_NETWORK:
    case ACTION_LOAD:
    case ACTION_MOVE_CHECKPOINT:
    case ACTION_DESTROY_CHECKPOINT:
    case ACTION_ACTIVATE_CANDIDATE:
    case ACTION_ACTIVATE_REPLACED:
    case ACTION_DEACTIVATE_CANDIDATE:
    case ACTION_JUDGE:
        return FALSE;
    }
    g_assert_not_reached();
}

/* Runs until nothing durable is left to do or `cuts` durable actions were done. Returns how many were. */
static int run(struct model *m, gboolean same_boot, enum network_state network, enum trial_request request,
               int cuts)
{
    int done = 0;
    while (m->open && done < cuts) {
        struct facts f = facts_of(m, same_boot, network);
        f.request = request;
        f.checks = request == REQUEST_CONFIRM ? CHECKS_PASSING : CHECKS_UNKNOWN;
        struct trial_step s = step(&m->record, &f);
        if (!tick(m, &s))
            break;
        same_boot = same_boot || s.action == ACTION_PERSIST;
        done++;
        for (int i = 0; i < PAIRS; i++) /* promise 1, at every instant */
            g_assert_true(m->replaced_on[i] || m->candidate[i] == FLAGS_PROMOTED);
        g_assert_cmpint(done, <, 100);
    }
    return done;
}

static gboolean all_promoted(const struct model *m)
{
    gboolean first = m->candidate[0] == FLAGS_PROMOTED;
    for (int i = 0; i < PAIRS; i++) { /* promise 2: no mix */
        g_assert_true((m->candidate[i] == FLAGS_PROMOTED) == first);
        g_assert_true(m->replaced_on[i] == !first);
        g_assert_true(first || m->candidate[i] == FLAGS_DEMOTED);
    }
    return first;
}

static void test_cut_anywhere(void)
{
    const struct model start = {
        .open = TRUE,
        .record = {.deadline_ms = 100,
                   .n_pairs = PAIRS,
                   .confirm = CONFIRM_MANUAL,
                   .pair = {{TRUE, TRUE, TRUE}, {TRUE, TRUE, TRUE}}},
        .candidate = {FLAGS_TRYING, FLAGS_TRYING},
        .replaced_on = {TRUE, TRUE},
    };
    const enum trial_request requests[] = {REQUEST_NONE, REQUEST_CONFIRM, REQUEST_CANCEL};

    for (gsize r = 0; r < G_N_ELEMENTS(requests); r++)
        for (int first = 0; first < 20; first++)
            for (int second = 0; second < 20; second++) { /* recovery is cut off, too */
                struct model m = start;
                run(&m, TRUE, NETWORK_READY, requests[r], first);
                gboolean committed = m.record.state == TRIAL_PROMOTING;
                run(&m, FALSE, NETWORK_BEFORE, REQUEST_NONE, second);
                run(&m, FALSE, NETWORK_BEFORE, REQUEST_NONE, 1000);
                g_assert_false(m.open);
                g_assert_true(all_promoted(&m) == committed); /* promise 4 */
            }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--table") == 0) {
        g_autofree char *text = table();
        fputs(text, stdout);
        return 0;
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trial/names", test_names);
    g_test_add_func("/trial/total", test_total);
    g_test_add_func("/trial/documented", test_documented);
    g_test_add_func("/trial/every-decision", test_every_decision);
    g_test_add_func("/trial/extreme-times", test_extreme_times);
    g_test_add_func("/trial/patience", test_patience);
    g_test_add_func("/trial/looks-again", test_looks_again);
    g_test_add_func("/trial/fallback", test_fallback);
    g_test_add_func("/trial/several-pairs", test_several_pairs);
    g_test_add_func("/trial/cut-anywhere", test_cut_anywhere);
    return g_test_run();
}

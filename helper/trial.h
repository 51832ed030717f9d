/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The core: what a trial is, and the one function that decides what happens to it next.
 *
 * step() is pure: time, boot id and NetworkManager's answers arrive inside `struct facts`, and everything
 * that is to be done leaves as an action. It must do no I/O, read no clock, allocate nothing and know no
 * strings, so that it can be enumerated and proved. Its decisions are the table `trial_rules` (first match
 * wins), which is also the table in HACKING.md. Comments that begin with @ are Frama-C's (tests/proof). All
 * times are CLOCK_BOOTTIME in milliseconds. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TRIAL_PAIRS_MAX 8
/* NM's checkpoint fires this long after the deadline, should all of ours be dead by then. */
#define TRIAL_CHECKPOINT_MARGIN_MS 30000
/* NM counts checkpoint timeouts in whole seconds; a difference up to this is not a difference. */
#define TRIAL_CHECKPOINT_SLACK_MS 2000
/* Another profile must have held the device for this long before the candidate counts as superseded. */
#define TRIAL_SUPERSEDED_MS 5000
/* A profile that cannot be activated now is tried again at this interval, for this long; then it is NM's own.
 */
#define TRIAL_RETRY_MS 2000
#define TRIAL_GIVE_UP_MS 60000

enum trial_state { TRIAL_TRYING, TRIAL_PROMOTING, TRIAL_REVERTING };
#define TRIAL_N_STATES 3

enum trial_confirm { CONFIRM_AUTO, CONFIRM_MANUAL };

enum trial_reason {
    REASON_NONE,
    REASON_CONFIRMED,
    REASON_CHECKS_PASSED,
    REASON_TIMEOUT,
    REASON_CHECK_FAILED,
    REASON_ACTIVATION_FAILED,
    REASON_SUPERSEDED,
    REASON_CANCELLED,
    REASON_UNCONFIRMED_REBOOT,
    REASON_CANDIDATE_CHANGED,
    REASON_CANDIDATE_REMOVED,
};
#define TRIAL_N_REASONS 11

/* What the record remembers of a pair, as far as decisions need it. */
struct trial_pair {
    bool has_replaced; /* false: `--replace none`, the device had no network */
    bool activated;    /* in trying: the candidate, in reverting: the replaced profile was handed to NM */
    bool was_active;   /* the candidate has been seen active in this trial */
};

/* The part of the record that decides. */
struct trial {
    enum trial_state state;
    enum trial_reason reason; /* of the verdict; REASON_NONE while trying */
    enum trial_confirm confirm;
    bool fallback;       /* the replaced profile keeps its autoconnect */
    int64_t deadline_ms; /* CLOCK_BOOTTIME */
    int64_t hold_ms;     /* how long the checks must pass without a break (confirm=auto) */
    int n_pairs;
    struct trial_pair pair[TRIAL_PAIRS_MAX];
};

/* Whoever asks, asks for one of these; REQUEST_NONE is a look at how things are. */
enum trial_request { REQUEST_NONE, REQUEST_CONFIRM, REQUEST_CANCEL, REQUEST_EXTEND };

/* How NetworkManager was found. */
enum network_state {
    NETWORK_NOT_ASKED, /* not yet in this step: the files alone may decide */
    NETWORK_BEFORE,    /* before its start, and it stays so: `nm-trial boot` */
    NETWORK_AWAY,      /* not there, hung, or still starting: later */
    NETWORK_READY,
};

enum file_state { FILE_SAME, FILE_CHANGED, FILE_GONE };

/* What a profile's file says of itself: its autoconnect, its priority where that matters, and our annotation.
 */
enum flags_state {
    FLAGS_OTHER,
    FLAGS_TRYING,   /* autoconnect=false, marked trying */
    FLAGS_DEMOTED,  /* autoconnect=false, marked demoted */
    FLAGS_PROMOTED, /* autoconnect=true, at the recorded priority at least, marked promoted */
};

/* What became of the activation that the record shows, and of nothing else. */
enum activation_state {
    ACTIVATION_NONE,     /* nothing was activated, or by a NetworkManager that is gone */
    ACTIVATION_PENDING,  /* NM is at it */
    ACTIVATION_ACTIVE,   /* and what runs is what is stored */
    ACTIVATION_MODIFIED, /* active, but what runs or what NM would save differs from the file */
    ACTIVATION_ENDED,    /* failed, or taken down */
};

/* Whose profile is activated on the device. */
enum holder { HOLDER_NOBODY, HOLDER_CANDIDATE, HOLDER_REPLACED, HOLDER_OTHER };

enum checkpoint_state { CHECKPOINT_NONE, CHECKPOINT_EARLY, CHECKPOINT_SET };

enum checks_state { CHECKS_UNKNOWN, CHECKS_FAILING, CHECKS_PASSING };

struct pair_facts {
    enum file_state candidate; /* its file against the record, flags left out */
    enum flags_state candidate_flags;
    bool replaced_bootable; /* the replaced profile's file is there, with autoconnect on */
    bool replaced_retired;  /* ... is there with autoconnect off, or gone */
    bool stale; /* NM has to load a profile: its memory differs from the file, or will; not tried yet */
    enum activation_state activation;
    enum holder holder;
    bool checkpoint_over;   /* after the verdict: somebody's checkpoint is over the device */
    int64_t last_try_ms;    /* this process's last activation attempt after the verdict, 0: none yet */
    int64_t other_since_ms; /* since when HOLDER_OTHER or HOLDER_REPLACED is seen in trying; 0: not */
};

struct facts {
    int64_t now_ms;
    bool same_boot;     /* the record's boot id is this boot's */
    bool record_behind; /* the record on disk is not what is in memory (its disk failed) */
    bool disk_failing;  /* a write failed a moment ago: leave the disk alone in this step */
    enum trial_request request;
    int64_t request_deadline_ms; /* REQUEST_EXTEND: the new deadline */
    enum checks_state checks;
    int64_t passing_since_ms; /* CHECKS_PASSING: since when without a break */
    int64_t
        passing_until_ms; /* ... and when the last passing look began: evidence, not mere time, fills hold */
    bool judged_after_revert; /* the checks ran once on the old network, for the log */
    int64_t answered_ms;      /* since when NM has its time after the verdict, 0: not yet */
    enum network_state network;
    enum checkpoint_state checkpoint; /* ours, EARLY: it would fire before the (asked) deadline's margin */
    struct pair_facts pair[TRIAL_PAIRS_MAX];
};

/* What the engine is to do. All but WAIT, ASK_NETWORK and CLOSE are followed by another step. */
enum trial_action {
    ACTION_WAIT,        /* nothing until `wake_ms` or until something happens */
    ACTION_PERSIST,     /* make `next` durable; only then it holds */
    ACTION_ASK_NETWORK, /* gather NetworkManager's facts, then step again */
    ACTION_CANDIDATE_OFF,
    ACTION_CANDIDATE_ON,
    ACTION_REPLACED_OFF,
    ACTION_REPLACED_RESTORE,
    ACTION_LOAD,
    ACTION_MOVE_CHECKPOINT,
    ACTION_DESTROY_CHECKPOINT,
    ACTION_ACTIVATE_CANDIDATE,
    ACTION_ACTIVATE_REPLACED,
    ACTION_DEACTIVATE_CANDIDATE,
    ACTION_JUDGE, /* run the checks once, for the log */
    ACTION_CLOSE, /* history entry, then the record goes */
};
#define TRIAL_N_ACTIONS 15

/* The conditions that rules look at; each is derived from trial and facts by trial_holds(). */
enum trial_fact {
    FACT_ALWAYS,
    FACT_REBOOTED,
    FACT_DEADLINE_FAILING,
    FACT_DEADLINE,
    FACT_CANCEL,
    FACT_CANDIDATE_GONE,
    FACT_CANDIDATE_CHANGED,
    FACT_CANDIDATE_NOT_OFF,
    FACT_CANDIDATE_NOT_DEMOTED,
    FACT_CANDIDATE_NOT_ON,
    FACT_REPLACED_NOT_BOOTABLE,
    FACT_REPLACED_NOT_RETIRED,
    FACT_RECORD_BEHIND,
    FACT_DISK_FAILING,
    FACT_BEFORE_NETWORK,
    FACT_NETWORK_NOT_ASKED,
    FACT_NETWORK_AWAY,
    FACT_CHECKPOINT,
    FACT_CHECKPOINT_EARLY,
    FACT_STALE,
    FACT_EXTEND,
    FACT_NOT_ACTIVATED,
    FACT_MODIFIED,
    FACT_FAILED,
    FACT_FIRST_ACTIVE,
    FACT_SUPERSEDED,
    FACT_CONFIRMED,
    FACT_HELD,
    FACT_CANDIDATE_NOT_UP,
    FACT_REPLACED_NOT_UP,
    FACT_CANDIDATE_STILL_UP,
    FACT_ACTIVATING,
    FACT_NOT_JUDGED,
    FACT_FOREIGN_CHECKPOINT,
};
#define TRIAL_N_FACTS 34

/* One row of the table: in `state`, when `fact` holds, do `action`; PERSIST goes to `next` with `reason`. */
struct trial_rule {
    enum trial_state state;
    enum trial_fact fact;
    enum trial_action action;
    enum trial_state next;
    enum trial_reason reason;
};
extern const struct trial_rule trial_rules[];
extern const int trial_n_rules;

struct trial_step {
    enum trial_action action;
    int pair;          /* the pair that the action is for; 0 where it is for the whole trial */
    struct trial next; /* ACTION_PERSIST: what is to be made durable; else the trial as it was */
    int64_t wake_ms;   /* ACTION_WAIT: CLOCK_BOOTTIME at which to step again, INT64_MAX: no time of its own */
    int rule;          /* index of the rule that decided */
};

/* Decides. `trial` and `facts` are read only; every value of every field is allowed (n_pairs is clamped). */
struct trial_step step(const struct trial *trial, const struct facts *facts);

/* The first pair that makes `fact` hold, 0 where it is the whole trial that does; -1: it does not hold. */
int trial_holds(enum trial_fact fact, const struct trial *trial, const struct facts *facts);

/* Names as they stand in the record, the journal and the documentation. Never NULL. */
const char *trial_state_name(enum trial_state state);
const char *trial_reason_name(enum trial_reason reason);
const char *trial_action_name(enum trial_action action);
/* A condition in words, for the table in HACKING.md. */
const char *trial_fact_name(enum trial_fact fact);

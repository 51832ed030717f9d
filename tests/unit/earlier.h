/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Trials that an earlier boot left on the disk, as many as there are ways to leave one: their files, what
 * must be so at every instant, and what must be so in the end. */
#pragma once

#include "engine.h"
#include "scratch.h"

#define EARLIER_NOW_MS 30000

/* How a profile's file is found, against what start had left. */
enum at_first { AS_STARTED, ON, OFF, EDITED, GONE, BROKEN };

struct scenario {
    const char *name;
    enum trial_state state;
    int n_pairs;
    enum at_first candidate;
    enum at_first replaced;
    gboolean fallback;
    gboolean none; /* --replace none */
    gboolean edit; /* the candidate is new content of the replaced profile. What was in /run is gone; EDITED:
                      the profile's own file has that content, a candidate that is ON: a second file has it,
                      and a tombstone hides the profile */
    gboolean record_lost;
    gboolean promoted;
    const char *reason;
};
extern const struct scenario earlier_scenarios[];
extern const gsize earlier_n_scenarios;

struct fixture {
    const struct scenario *scenario;
    Scratch *dir;     /* the state directory and the profile directory */
    Record *record;   /* as it is on the disk at first */
    char *tombstone;  /* name of the one that may hide an edit's profile, NULL: no edit */
    char *other;      /* another profile's content */
    GPtrArray *names; /* of all files that can be: the profiles in their order, then the three of the state */
};

/* Makes the files of the scenario; earlier_end() frees all. */
struct fixture *earlier_begin(const struct scenario *scenario);
void earlier_end(struct fixture *f);

/* Runs the test with each scenario. */
void earlier_for_each(void (*test)(const struct scenario *scenario));

/* An engine of a boot that is not the record's. The caller clears it. */
Engine earlier_engine(const struct fixture *f);

/* One run; undisturbed: it must end the trial without any trouble. */
void earlier_run(Engine *engine, gboolean undisturbed);

/* A whole boot: sweep and one undisturbed run. */
void earlier_run_once(const struct fixture *f);

/* How it must be in the end, whatever happened on the way. */
void earlier_assert_end(const struct fixture *f);
void earlier_assert_replaced(const struct fixture *f, int i);

/* Every device boots with a profile, if it did at first. */
void earlier_assert_never_lost(const struct fixture *f);
gboolean earlier_safe_at_first(const struct scenario *scenario);

/* Whether NetworkManager would activate a profile of that text (may be NULL) by itself. */
gboolean earlier_boots(const struct record_profile *recorded, const char *text);

/* The profile as its file is now, NULL: none. Caller frees. */
Profile *earlier_profile(const struct fixture *f, const struct record_profile *recorded);

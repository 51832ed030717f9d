/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one path that everything takes: load the record -> gather facts -> step() -> persist -> act, again and
 * again until there is nothing to do now. start's last part, confirm, cancel, extend, the agent and recovery
 * all run it, under the lock; a process that dies anywhere in it leaves a record from which the next one goes
 * on. */
#pragma once

#include "network.h"
#include "profile.h"
#include "record.h"

#include <glib.h>

/* What the checks say. It counts only while `subject` is what is on trial (record_subject()): not for another
 * trial, and not for another activation. */
struct engine_checks {
    char *subject; /* owned */
    enum checks_state state;
    gint64 passing_since_ms; /* CLOCK_BOOTTIME */
    gint64 passing_until_ms;
    char *failing; /* owned; what the failing one saw, NULL: none fails */
};

typedef struct {
    const char *state_dir;
    const char *profile_dir;
    const char *boot_id;
    Network *network; /* borrowed; NULL: before NetworkManager's start */

    /* What only this process knows; it is lost with it, and nothing but time is lost then. */
    struct engine_checks checks;
    char *after_revert; /* JSON text of the checks after a revert */
    gboolean outage;    /* ... one of them fails there */
    gboolean judged;    /* ... they have run */

    /* The engine's own; zero to begin with. */
    Record *held;           /* what the disk did not take */
    char *held_over;        /* the text of the record that was on the disk then */
    gboolean settled;       /* in this run: see settle() */
    char *id;               /* whose memory this is */
    enum trial_state state; /* ... and of which state */
    char *said;             /* the last trouble in the journal: the same one is not said again and again */
    gint64 disk_failed_ms;  /* CLOCK_BOOTTIME, 0: it works */
    gint64 answered_ms;     /* since when NM has its minute after the verdict, 0: no answer yet */
    gint64 last_try_ms[TRIAL_PAIRS_MAX]; /* the last activation attempt, 0: none yet */
    gint64 other_since_ms[TRIAL_PAIRS_MAX];
    gboolean load_tried[TRIAL_PAIRS_MAX];
    gint64 foreign_fires_ms[TRIAL_PAIRS_MAX]; /* when another tool's checkpoint does, 0: none was seen */
    char *holder[TRIAL_PAIRS_MAX]; /* the profile that has the device in place of the candidate, in words */
    gboolean down_said[TRIAL_PAIRS_MAX]; /* the journal has that the candidate is not active any more */
    char *ended[TRIAL_PAIRS_MAX];        /* an activation ended, and why */
    char *failed[TRIAL_PAIRS_MAX];       /* NM refused to activate, in its words */
} Engine;

struct engine_request {
    enum trial_request request;
    gint64 deadline_ms; /* REQUEST_EXTEND */
};

/* How things stand when the engine has nothing more to do now. */
typedef struct {
    Record *record;           /* the open trial, NULL: none is open (any more) */
    char *closed;             /* the id of the trial that this run closed, NULL: none */
    enum trial_state verdict; /* ... TRIAL_PROMOTING: promoted, TRIAL_REVERTING: reverted */
    enum trial_action
        next;       /* ACTION_WAIT, or ACTION_JUDGE: the caller is to run the checks and set `judged` */
    gint64 wake_ms; /* when to run again, CLOCK_BOOTTIME, G_MAXINT64: no time of its own */
    gboolean network_away; /* NM did not answer, is absent or starting */
    gboolean active;       /* every profile that belongs on its device now is activated there */
    gboolean durable;      /* the record that is shown is the one on disk */
    char *trouble;         /* what went wrong on the way, for people, NULL: nothing */
} EngineResult;
void engine_result_clear(EngineResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EngineResult, engine_result_clear)

void engine_clear(Engine *engine);

/* Runs. The caller holds the lock. FALSE with `error`: the record could not be read for a reason that may
 * pass (a record that is corrupt is set aside and recovered from instead). Whatever the result shows as state
 * is durable if `durable` says so; the effects up to `next` have been done or will be tried again by the next
 * run. */
gboolean engine_run(Engine *engine, const struct engine_request *request, EngineResult *ret, GError **error);

/* Reads the open trial's record without the lock (it is replaced whole). NULL without `error`: none is open.
 */
Record *engine_load(const char *state_dir, GError **error);
gboolean engine_save(const char *state_dir, const Record *record, GError **error);

/* The machine's boot id (caller frees), from the kernel by libsystemd; NULL: unknown, and then every trial
 * counts as one of an earlier boot. */
char *engine_boot_id(void);

/* Parts of the engine in files of their own. */

/* facts.c: what the files say now, and what NetworkManager says. FALSE with `error`: the disk does not tell;
 * what it did not tell counts as unchanged. */
gboolean facts_from_files(const Record *record, struct facts *facts, GError **error);
void facts_from_network(Engine *engine, const Record *record, struct facts *facts);

/* What was found at a profile's path: a profile; nothing; a file that neither NM nor we understand; one that
 * we do not touch, though NM may load it (a link) or may have loaded it before. */
enum found { FOUND_PROFILE, FOUND_NOTHING, FOUND_BROKEN, FOUND_FOREIGN };
/* The profile as its file has it now; `like` as for profile_parse_like(). NULL with `error`: the disk does
 * not tell, which is none of `found`. Caller frees. */
Profile *read_profile(const char *path, const Profile *const *like, enum found *ret_found, GError **error);
/* The same of a profile of the record, which was understood when the trial was opened. */
Profile *read_recorded(const struct record_profile *recorded, enum found *ret_found, GError **error);

/* A profile as the record has it; NULL with `error` (may be NULL) where it is none. Caller frees. */
Profile *recorded_profile(const struct record_profile *recorded, GError **error);
/* The pair's candidate, as a profile in the file that will be its own: an edit's shadow is elsewhere. */
Profile *recorded_content(const struct record_pair *pair, GError **error);

/* effects.c: does one action other than PERSIST, ASK_NETWORK, WAIT, JUDGE and CLOSE; brings `facts` up to
 * date with what it changed, or has NM asked again. An activation changes `record` too. FALSE with `error`:
 * G_FILE_ERROR: the disk failed; else NM did not do it. */
gboolean effect(Engine *engine, Record *record, enum trial_action action, int pair, struct facts *facts,
                GError **error);

/* recover.c: sets a record that cannot be read aside and secures the known-good profiles: whatever profile
 * says that it is being tried is demoted by its own annotations. Does what it can; what it did is in the
 * journal. FALSE with `error`: the record is still there (the disk failed) and it is to be run again. */
gboolean recover_unreadable(Engine *engine, const GError *why, GError **error);

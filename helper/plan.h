/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `start` is about to do, and every reason to refuse it. It looks at the files in one pass and asks NM;
 * it changes nothing. */
#pragma once

#include "network.h"
#include "options.h"
#include "profile.h"

#include <glib.h>

/* Error codes are exit codes: EXIT_USAGE, EXIT_REFUSED, EXIT_FAILED. Messages say what to do. */
#define PLAN_ERROR (plan_error_quark())
GQuark plan_error_quark(void);

struct plan_request {
    const char *const *candidates; /* UUIDs or ids, NULL-terminated */
    const char *const
        *replaces;    /* those of the command line (UUID, id, "none"), in any order; NULL: none. Where it
                         names none, the candidate's annotation does; else it is what is active now */
    const char *edit; /* no candidates, but new content for this profile (UUID or id); NULL: candidates */
    const char *text; /* ... that content, a keyfile */
    gsize length;
    Options *options; /* what was asked for; plan_new() completes it by the first candidate's
                         annotations and the device's defaults */
    const char *profile_dir;
    const char *state_dir;
    gboolean dry_run; /* not even a file that NM does not know is loaded */
};

/* A candidate and what it is to replace, on one device. */
typedef struct {
    Profile *candidate;
    Profile *replaced; /* NULL: none */
    char
        *auto_default; /* the replaced profile is NM's automatic one, in this file in /run; NULL: it is not */
    char *device;      /* interface name */
    NetworkDevice nm;  /* the same as NM has it */
    int priority;      /* that the candidate is to have at least once promoted */
    gboolean judged;   /* by the checks: a port has no network of its own, its controller has */
    gboolean edit;     /* the candidate is new content for the replaced profile (edit.h) */
    gboolean up_already; /* the candidate is what the device has now */
} PlanPair;

typedef struct {
    GPtrArray *profiles; /* all of the directory; owns those of the pairs */
    PlanPair pair[TRIAL_PAIRS_MAX];
    int n_pairs;
    char **checks;       /* that will judge; empty for none */
    GPtrArray *warnings; /* char *: what the operator should know before it begins */
    GPtrArray *notes;    /* char *: what should be on record */
} Plan;

/* Makes a plan, or refuses: NULL with a PLAN_ERROR. Caller frees. */
Plan *plan_new(const struct plan_request *request, Network *network, GError **error);
void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

/* The one profile of the directory's that has this UUID or id (borrowed from `profiles`); NULL with a
 * PLAN_ERROR that says what is wrong with what comes near. */
Profile *plan_find(GPtrArray *profiles, GPtrArray *skipped, const char *name, GError **error);

/* pairs.c: finds the candidates and their devices, in the order in which they are activated (controllers,
 * then ports by name), and then what each replaces. FALSE with a PLAN_ERROR. */
gboolean plan_find_candidates(Plan *plan, const char *const *names, GPtrArray *skipped, Network *network,
                              GError **error);
/* ... or the one pair of an edit. */
gboolean plan_find_edit(Plan *plan, const struct plan_request *request, GPtrArray *skipped, Network *network,
                        GError **error);
gboolean plan_find_replaced(Plan *plan, const char *const *names, GPtrArray *skipped, Network *network,
                            GError **error);

/* The controller that the profile is a port of, by UUID or interface name; NULL: of none. Borrowed. */
const char *plan_controller(const Profile *profile);

/* suitable.c: the refusals that concern the profiles themselves, as a table; FALSE with a PLAN_ERROR. */
gboolean plan_suitable(Plan *plan, GError **error);

/* Whether the profile could be activated on that interface, as far as name and hardware address tell. */
gboolean plan_fits(const Profile *profile, const char *interface);

/* What is asked of a profile by itself, before it is anybody's candidate. FALSE with a PLAN_ERROR. */
gboolean plan_profile_suitable(const Profile *profile, GError **error);
/* ... and that it is bound to exactly one device, by name or MAC: its interface in *ret_device; caller frees.
 */
gboolean plan_bound(const Profile *profile, char **ret_device, GError **error);
/* ... and that files in the directory are root's alone, and outlast a reboot. */
gboolean plan_directory(const char *directory, GError **error);

/* The bytes of a file that somebody names: a profile that is to be stored. NULL with a PLAN_ERROR. Caller
 * frees. */
char *plan_read(const char *file, gsize *ret_length, GError **error);

/* What may work later: sets EXIT_FAILED, with what is wrong now. Always FALSE. */
gboolean plan_later(GError **error, const GError *failure);
/* Refuses: sets EXIT_REFUSED with the message. Always FALSE. */
gboolean plan_refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

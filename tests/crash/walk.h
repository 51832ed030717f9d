/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all copies of the walking process share: what was seen, the figures, and the oracle's ear. */
#pragma once

#include "sim.h"

#include <stdio.h>

enum cut_kind {
    CUT_KILL = 'k',    /* the process dies before the operation */
    CUT_TORN = 't',    /* ... in the middle of its write */
    CUT_NETWORK = 'n', /* NetworkManager dies there */
    CUT_REFUSED = 'r', /* NetworkManager refuses that call; the process goes on */
    CUT_POWER = 'p',   /* the power is cut; `choice`: which of the disks that this may leave */
};

struct cut {
    guint op;
    enum cut_kind kind;
    guint choice;
};

/* In memory that fork() shares. */
extern struct walk_figures {
    guint64 operations, tried, disks, broken;
    guint64 cuts[4]; /* by their place in the path; [3]: all further ones */
} * walk_figures;

/* Starts the oracle. */
void walk_begin(void);
/* Prints its and our verdict; an exit code. */
int walk_end(FILE *people);

/* Tells it what the device had. */
void walk_tell_story(const struct sim_scene *scene);
/* Has it judge the files as they are, once for each distinct disk. `swept`: temporary files count, too; those
 * of a killed process stay until a boot. */
void walk_judge(const char *id, const char *moment, gboolean swept, const char *answered);

/* Whether nobody has been there with as few cuts, or fewer. */
gboolean walk_is_new(const char *where, int depth);
void walk_count(int depth);

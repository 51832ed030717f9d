/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's judge: runs the checks again and again while a candidate is active, sees every break, and tells
 * how long they have passed. It decides nothing; what it saw is also in /run/nm-trial/checks for `status`. */
#pragma once

#include "engine.h"

#include <glib.h>

typedef struct Judge Judge;

/* `changed` is called in the main context when a round of checks has ended. Caller frees; no check of its own
 * is left running then. */
Judge *judge_new(Network *network, const char *run_dir, void (*changed)(gpointer data), gpointer data);
void judge_free(Judge *judge);

/* Follows the trial: rounds run while it is trying and `active`, begin anew with another activation (a
 * restarted agent or NM included), and stop else. NULL: there is no trial. */
void judge_follow(Judge *judge, const Record *record, gboolean active);

/* Something about the network has changed: look now, not at the end of the interval. */
void judge_hurry(Judge *judge);

/* Tells the engine what the checks say, of what, and since when they have passed without a break. */
void judge_tell(const Judge *judge, struct engine_checks *ret);

/* Runs the trial's checks once, on the network that is back, for the log; the answer comes by `changed`. */
void judge_once(Judge *judge, const Record *record);
/* That answer as JSON text (caller frees), NULL: not there yet. *ret_failing: one of them fails. */
char *judge_take_once(Judge *judge, gboolean *ret_failing);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verdict hooks: the administrator's executables in /etc/nm-trial/verdict.d are told of each verdict, for an
 * alert or a dashboard. It is the agent that runs them, whoever has closed the trial, without the lock, when
 * NetworkManager is up; the history remembers whose have not run to their end, so that the next agent runs
 * them (again) where one was killed or the power was cut. Verdicts come one after the other, the hooks of one
 * at the same time. */
#pragma once

#include "network.h"

typedef struct Hooks Hooks;

/* `changed` is called when hooks have ended: to look again. Borrows all. Caller frees, which kills what runs.
 */
Hooks *hooks_new(const char *state_dir, Network *network, void (*changed)(gpointer data), gpointer data);
void hooks_free(Hooks *hooks);

/* Notes which hooks have ended, and looks whether there are more to run; with the lock held. `open` is the
 * open trial's id, NULL: none is. TRUE: the agent is still needed. */
gboolean hooks_look(Hooks *hooks, const char *open);

/* Starts what hooks_look() has found, if it can be now. Without the lock: NetworkManager is asked. */
void hooks_run(Hooks *hooks);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one process that is there while a trial is open: NM's signals, the checks and the deadline each run the
 * engine. It exists only then (`exit_idle`), or in the foreground where there is no systemd. */
#pragma once

#include "network.h"

#include <glib.h>

/* Runs until it is idle (exit_idle) or told to stop (SIGTERM, SIGINT). Returns an exit code. */
int agent_main(const char *state_dir, const char *run_dir, const char *profile_dir, gboolean exit_idle);

/* The id of the trial that a living agent has taken up, "" when it has none; NULL when no agent lives. Caller
 * frees. */
char *agent_trial(const char *run_dir);

/* Whether an agent can be had at all: one lives, or systemd has the unit. FALSE with a reason for people. */
gboolean agent_available(Network *network, const char *run_dir, char **ret_why);

/* Asks for an agent (systemd starts it; one in the foreground is there) until one lives that has taken up the
 * trial `id` (NULL: any living one will do) or `until_ms` (CLOCK_BOOTTIME) has come. An agent that lives
 * while the caller holds the lock cannot go idle before the caller lets go, so it will see whatever the
 * caller opens. */
gboolean agent_summon(Network *network, const char *run_dir, const char *id, gint64 until_ms);

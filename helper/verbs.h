/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line's verbs. Each takes its own arguments (argv[0] is the verb), talks to the person, and
 * returns an exit code of names.h. */
#pragma once

#include "engine.h"

#include <glib.h>

/* argv as main() had it, less the program's name; each says what went wrong on stderr. What is durable on
 * EXIT_DONE: README.md, "The verbs". */
int verb_start(int argc, char **argv);
int verb_stage(int argc, char **argv);
int verb_confirm(int argc, char **argv);
int verb_cancel(int argc, char **argv);
int verb_extend(int argc, char **argv);
int verb_wait(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_history(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_annotate(int argc, char **argv);
int verb_guard(int argc, char **argv);
int verb_agent(int argc, char **argv);
int verb_boot(int argc, char **argv);
int verb_event(int argc, char **argv);

/* Parses the verb's options. FALSE: it was wrong, said so, and the exit code is EXIT_USAGE. Positional
 * arguments are left in argv; more than `most` or fewer than `least` are wrong. `arguments` and `help` are
 * for --help. */
gboolean verb_parse(int *argc, char ***argv, const GOptionEntry *entries, int least, int most,
                    const char *arguments, const char *help);

/* Says "nm-trial: message" on stderr, in one line; with the lock in hand only after verb_unlock(). */
void verb_error(const char *format, ...) G_GNUC_PRINTF(1, 2);
int verb_usage(const GError *error); /* says it; returns EXIT_USAGE */

/* For a verb that changes nothing, whose output is what it was called for: its exit code, or EXIT_FAILED when
 * that could not be written, which it says. */
int verb_answered(int status);

/* Whether this is root; FALSE: it said that it must be (exit code EXIT_FAILED). */
gboolean verb_root(void);

/* What every verb that runs the engine needs. Zero it, then verb_open(); FALSE: it said why (exit code
 * EXIT_FAILED). */
typedef struct {
    char *boot_id;
    Network *network;
    Engine engine;
} VerbContext;
gboolean verb_open(VerbContext *context);
void verb_close(VerbContext *context);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VerbContext, verb_close)

/* Takes the lock for a command, with signals of the terminal's job control kept away: a stopped terminal must
 * not keep it. -1: it said why. */
int verb_lock(void);
void verb_unlock(int lock);

/* Whether a trial of that id is closed and how, by the history: EXIT_DONE promoted, EXIT_REVERTED, or
 * EXIT_NO_TRIAL when nobody knows it. */
int verb_closed(const char *id);

/* guard.c: guards the profile, with the lock held, if it may be; says so in the journal. Durable on TRUE.
 * FALSE with a PLAN_ERROR or a G_FILE_ERROR. */
gboolean guard_profile(Network *network, const Profile *profile, GError **error);

/* wait.c: follows the trial until its end, with progress on stderr. Returns EXIT_DONE, EXIT_REVERTED, ... */
int wait_for(const char *id);

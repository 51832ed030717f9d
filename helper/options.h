/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a trial is asked to be: the words of the command line, of the candidate's annotations and of the
 * device's nm-trial.conf are the same, in one table; the nearer source wins. */
#pragma once

#include "profile.h"

#include <glib.h>

/* From the weakest to the strongest. */
enum option_source { OPTION_BY_DEFAULT, OPTION_BY_DEVICE, OPTION_BY_PROFILE, OPTION_BY_COMMAND };

enum option_key {
    OPTION_REPLACES,
    OPTION_TIMEOUT,
    OPTION_HOLD,
    OPTION_CONFIRM,
    OPTION_CHECKS,
    OPTION_FALLBACK,
    OPTION_START,
    OPTION_GUARD,
};
#define OPTION_N_KEYS 8

typedef struct {
    char *replaces; /* UUID or id, "none", NULL: the profile that is active on the candidate's device */
    gint64 timeout_ms;
    gint64 hold_ms;
    gboolean manual;
    char **checks; /* names, NULL: what can be believed */
    gboolean fallback;
    enum option_source source[OPTION_N_KEYS];
} Options;

void options_clear(Options *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* Takes one value, unless a stronger source gave one already. Errors are PLAN_ERRORs: EXIT_USAGE for a word
 * of the command line, else EXIT_REFUSED; they name the key and say what is allowed. `name` as in an
 * annotation, less its prefix. */
gboolean options_set(Options *options, enum option_source source, const char *name, const char *value,
                     GError **error);

/* Takes what the profile's annotations say. Whether the profile may be believed is for the caller to know. */
gboolean options_take_profile(Options *options, const Profile *profile, GError **error);

/* Takes what the device's defaults say; without such a file nothing. One that others may write, or that has
 * anything else in it, is an error. */
gboolean options_take_file(Options *options, const char *path, GError **error);

/* Sets what nobody gave and refuses what does not go together. `type`: the candidate's
 * (connection.type), because a modem takes its time. A `hold` that is too long for a timeout that was given
 * nearer to the trial is cut to half of it. A check that is neither built in nor may be run is refused. */
gboolean options_complete(Options *options, const char *type, GError **error);

/* What is allowed as the annotation nm-trial.NAME, for people; NULL: there is no such annotation to set. */
const char *options_allowed(const char *name);

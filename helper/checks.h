/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checks that judge a candidate, each on the candidate's own device: never the global state, because a
 * second uplink must not vouch for a broken candidate. They only judge; what follows from it is the core's.
 */
#pragma once

#include "own.h"
#include "record.h"

#include "bus.h"

struct check_result {
    char *name;       /* the check */
    char *device;     /* interface name, the record's */
    gboolean passing; /* anything but a fresh, positive answer is FALSE */
    char *output;     /* one line for people: what was seen; never NULL */
};
/* Frees one, a struct check_result *: for the arrays of them. */
void check_result_free(gpointer data);

/* Whether that is a word to give as a check: a built-in one, one that the operator's own may have
 * (own.h), or "none" (TRUE), which is no check: callers leave it out of a run. */
gboolean checks_known(const char *name);

/* Runs every check of the record's trial on each of its devices that is judged, whatever is on them, at the
 * same time, in the thread's default main context. Ends within CHECKS_LIMIT_MS, whatever hangs: a check
 * without an answer by then is not passing. `bus` is the system bus (NULL: no check passes); the record is
 * needed during this call only. Own checks get their trial's id and the candidate's UUID from it. Needs
 * CAP_NET_ADMIN (gateway), CAP_NET_RAW (nm). When `cancellable` fires, own checks have been killed before
 * g_cancellable_cancel() returns. */
#define CHECKS_LIMIT_MS OWN_LIMIT_MS
void checks_run_async(Bus *bus, const Record *record, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer data);

/* Returns an array of struct check_result (owned by the caller, elements freed with it), in the order of the
 * names and, within, of the pairs; NULL with `error` only when the run was cancelled. */
GPtrArray *checks_run_finish(GAsyncResult *result, GError **error);

/* The same, waiting for the end in the default main context. For the command line. Never fails. */
GPtrArray *checks_run(Bus *bus, const Record *record);

/* An array of struct check_result as JSON text, as history shows it. Caller frees. */
char *checks_results_json(GPtrArray *results);

/* Such JSON text in words for the journal, "check nm passes on eth0: what it saw; ..."; NULL: no check ran.
 * Caller frees. */
char *checks_results_words(const char *json);

/* Whether NetworkManager's per-device connectivity can be believed: its check is enabled and has an URI
 * (without, the state is made up: activated with a default route means FULL). FALSE with a reason in *ret_why
 * (caller frees) for people; limited to 3 s. *ret_plain_http (may be NULL): the URI is plain http and can be
 * forged. */
gboolean checks_nm_believable(Bus *bus, gboolean *ret_plain_http, char **ret_why);

/* What the checks judge by, apart from asking; pure. */
enum checks_family { CHECKS_IPV4 = 1, CHECKS_IPV6 = 2 };
struct checks_families {
    guint enabled;  /* a set of enum checks_family: the profile wants a network of it, beyond the link */
    guint required; /* of those, the ones without which the profile fails (may-fail=false) */
};

/* The families of a profile as GetAppliedConnection or GetSettings returns it (a{sa{sv}}). */
struct checks_families checks_families_of(GVariant *settings);

/* Whether `good` (a set, too) is enough: every required family; where none is required, one that is enabled.
 */
gboolean checks_families_pass(const struct checks_families *families, guint good);

/* checks_nm_believable() for the properties of NetworkManager's main object (a{sv}). */
gboolean checks_nm_believe(GVariant *properties, gboolean *ret_plain_http, char **ret_why);

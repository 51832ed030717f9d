/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of the contents of a profile that is guarded, or was delivered: the known-good one,
 * those that have failed, and one that waits for its trial. A root-only file each in the state directory's
 * good/, named as the profile's own file (HACKING.md specifies its bytes); it holds secrets, and nothing of
 * them is ever logged. The caller holds the lock. */
#pragma once

#include "profile.h"
#include "record.h"

#include <glib.h>

typedef struct {
    char *path;  /* the profile's own file */
    char *uuid;  /* the profile's */
    char *since; /* when the content was last made known good, by the wall clock, NULL: never */
    GBytes
        *content; /* the known-good one: the profile is guarded. NULL: a delivery that never was promoted */
    GBytes *waiting;   /* content that is to be tried, NULL: none */
    GPtrArray *failed; /* GBytes, the newest first, GOOD_FAILED_MAX at most */
} Good;
#define GOOD_FAILED_MAX 8

/* An empty memory of the profile. Caller frees. */
Good *good_new(const char *path, const char *uuid);
void good_free(Good *good);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Good, good_free)

/* Every one there is (array of Good, owned; never NULL), in the order of the file names. One that cannot be
 * used is set aside, and the journal says so; what the disk does not give back now, one or the list of them,
 * is left out, and `error` (may be NULL) says so: then a profile that is in none may be guarded all the same.
 */
GPtrArray *good_list(const char *state_dir, GError **error);
/* The one of that profile: by its own file's name, if it is in the same directory, else by its UUID; NULL:
 * none. Borrowed from the list. */
Good *good_of(const GPtrArray *list, const char *path, const char *uuid);

/* store_settle() of all that is remembered. */
gboolean good_settle(const char *state_dir, GError **error);

/* Durable on TRUE. FALSE with a G_FILE_ERROR. */
gboolean good_save(const char *state_dir, const Good *good, GError **error);
gboolean good_forget(const char *state_dir, const Good *good, GError **error);

/* Sets the known-good content, as of now; what waits and is the same waits no more, nor has it failed. */
void good_set_content(Good *good, const char *data, gsize length);
/* The profile as it is known good, NULL: it is not. It was understood when it was stored:
 * profile_connection() is NULL where libnm does not take it any more. Caller frees. */
Profile *good_profile(const Good *good);
/* Some content of it as a profile; NULL as above. Caller frees. */
Profile *good_parse(const Good *good, GBytes *content);
/* Whether that content has failed, or waits. */
gboolean good_failed(const Good *good, const Profile *content);
gboolean good_waits(const Good *good, const Profile *content);

/* Writes a profile's own file as store_write() does, and where the profile is guarded and this means the same
 * as what is known good, that copy first: our flags and marks are no change by somebody. */
gboolean good_store(const char *state_dir, const char *path, const char *uuid, const char *data, gsize length,
                    GError **error);

/* Writes a promoted candidate's content into its profile's own file. Where that is guarded, or the candidate
 * asks for it (nm-trial.guard, or a delivery), it is the known-good content from here on. Durable on TRUE. */
gboolean good_promote(const char *state_dir, const char *path, const Profile *candidate, const char *data,
                      gsize length, GError **error);

/* A trial ends with `record` (promoting or reverting): what has failed is remembered as such, what was tried
 * waits no more. Durable on TRUE; twice is once. */
gboolean good_close(const char *state_dir, const Record *record, GError **error);

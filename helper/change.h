/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of guarded profiles, and deliveries, as their files show them. What somebody else wrote is never a
 * profile's own file for long: it is remembered (good.h), the known-good content is put back, and the other
 * one is tried as an edit when NetworkManager is up. The caller holds the lock. */
#pragma once

#include "good.h"

/* Looks at every guarded profile and every delivery of the directory, before NM reads them or when nobody did
 * so before NM's start. Adds to `put_back` (may be NULL) the paths that NM is to load again. What it finds is
 * in the journal. Durable on TRUE; FALSE: some of it could not be done, and is worth another try. */
gboolean change_sweep(const char *state_dir, const char *profile_dir, const char *run_dir,
                      GPtrArray *put_back);

/* The content of a guarded profile in that file, which may be its own or another of its UUID. NULL without
 * `error`: no profile that anybody could try. NULL with `error`: the disk does not tell. Caller frees. */
Profile *change_read(const Good *good, const char *path, GError **error);

/* Remembers the content as one that waits to be tried, unless it is what waits already. Durable on TRUE. */
gboolean change_remember(const char *state_dir, Good *good, const Profile *content, GError **error);

/* Puts the known-good content back into the profile's own file, and removes what else was found of its UUID
 * (edit_strays(); what was not looked at stays). Adds to `put_back` (may be NULL) the paths that NM is to
 * load again. Durable on TRUE. */
gboolean change_put_back(const Good *good, const GPtrArray *strays, GPtrArray *put_back, GError **error);

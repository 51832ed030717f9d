/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits in place: a trial whose candidate is new content for the profile that it replaces, under the same
 * UUID. The content is tried as a shadow, a file in NetworkManager's directory in /run that wins over the
 * profile's own: a power cut drops it. This is what the core's words mean for such a pair, as files; it asks
 * NM nothing.
 *
 *   candidate off, trying       the shadow is there, with the content that is on trial
 *   candidate on                the content is in the profile's own file, with autoconnect
 *   replaced off (promoting)    nothing hides that file any more
 *   candidate off (reverting)   the same: neither our shadow nor what others left of that UUID
 *   replaced restored           the profile's own file is as it was */
#pragma once

#include "engine.h"

/* The new content of `profile` as it is to be tried: keyfile text, with the profile's UUID and id where it
 * has none, without NM's own notes. NULL with a PLAN_ERROR: another UUID, type or device, or no profile at
 * all. Its path is the shadow's, in `run_dir`. Caller frees. */
Profile *edit_parse(const Profile *profile, const char *run_dir, const char *text, gsize length,
                    GError **error);

/* For engine.c and its parts, where the pair is an edit; as facts_from_files() and effect() have it. */
gboolean edit_facts(const Record *record, int i, struct pair_facts *facts, GError **error);
/* CANDIDATE_OFF, CANDIDATE_ON, REPLACED_OFF, REPLACED_RESTORE. Durable on TRUE (but for the shadow, which is
 * not to be). */
gboolean edit_do(const Engine *engine, const Record *record, int i, enum trial_action action, GError **error);

/* Before the profile is activated as it was: our shadow is out of its way, which a disk that is full or
 * read-only does not keep where it is. FALSE with `error`: it is still there. */
gboolean edit_uncover(const Record *record, int i, GError **error);

/* Every file of that UUID beside the profile's own, in its directory and in `run_dir`: a shadow, a second
 * file, a tombstone. Paths; caller unrefs. NULL with `error`: a directory does not tell. */
GPtrArray *edit_strays(const char *uuid, const char *own, const char *run_dir, GError **error);

/* recover.c: drops every shadow of `run_dir` that says that it is being tried, which a lost record left, and
 * adds to `dropped` its profile (as Profile, owned). FALSE with `error`: one of them is still there. */
gboolean edit_drop_shadows(const char *run_dir, GPtrArray *dropped, GError **error);

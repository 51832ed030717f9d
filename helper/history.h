/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verdicts of the last trials, newest first, as `history --json` shows them. No secrets, no contents. */
#pragma once

#include "record.h"

#include <json-glib/json-glib.h>

#define HISTORY_MAX 64

/* The array of entries (caller unrefs). No file: an empty one. NULL with `error` when it cannot be read or
 * trusted. */
JsonArray *history_load(const char *state_dir, GError **error);

/* Adds the entry of a trial that ends now (CLOCK_BOOTTIME, ms), in place of one with the same id: a crash
 * between this and the record's removal must not count twice. `after_revert`: what the checks say of the old
 * network (JSON text), NULL: not asked. Durable on TRUE. A history that cannot be used is set aside first.
 * Where there are hooks, it is untold. */
gboolean history_add(const char *state_dir, const Record *record, gint64 now_ms, const char *after_revert,
                     GError **error);

/* The oldest entry whose verdict's hooks have still to run (hooks.h), but for the trial `open` (may be NULL),
 * which is not over yet: NULL for none, and where the history cannot be used. Caller unrefs. */
JsonObject *history_untold(const char *state_dir, const char *open);
/* They have run. The caller holds the lock. Durable on TRUE. */
gboolean history_told(const char *state_dir, const char *id, GError **error);

/* A member that is text, "": there is none (a file may have anything in its place). Borrowed. */
const char *history_text(JsonObject *object, const char *name);

/* The entry of that trial (borrowed from `history`), NULL: there is none. */
JsonObject *history_find(JsonArray *history, const char *id);

/* What the newest verdict that names the profile makes of it: the profile that its device is to have
 * (promoted, or gone back to), or one that it is not to have (demoted, or replaced for good). */
enum history_standing { STANDING_UNKNOWN, STANDING_GOOD, STANDING_NOT_GOOD };
enum history_standing history_standing(JsonArray *history, const char *uuid);

/* Sets a member to a profile's UUID and id, as entries have it; null where there is none. */
void history_set_profile(JsonObject *pair, const char *name, const struct record_profile *profile);

/* Whether an entry's verdict is promoted. */
gboolean history_promoted(JsonObject *entry);

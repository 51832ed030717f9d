/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a trial looks to people and to scripts; read only. */
#pragma once

#include "network.h"
#include "record.h"

#include <json-glib/json-glib.h>

/* The trial's checks as the agent last published them, as status --json shows them: name, device, state
 * (passing, failing, unknown), since (for how many seconds), output. Caller unrefs. */
JsonArray *view_checks(const Record *record);

/* Writes the status, as `status --json` shows it, to `path`, which everybody may read: there are no secrets
 * in it. Whole or not at all, not durable. `network` NULL: NM is not asked what is active. Best effort. */
void view_publish(const char *path, const Record *record, Network *network);

/* The verdict of a closed trial in one sentence, NULL: unknown. Caller frees. */
char *view_verdict(const char *id);

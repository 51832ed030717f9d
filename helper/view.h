/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a trial looks to people and to scripts; read only. */
#pragma once

#include "network.h"
#include "record.h"
#include "terminal.h"

#include <json-glib/json-glib.h>

/* The trial's checks as the agent last published them, as status --json shows them: name, device, state
 * (passing, failing, unknown), since (for how many seconds), output. Caller unrefs. */
JsonArray *view_checks(const Record *record);

/* Writes the status, as `status --json` shows it, to `path`, which everybody may read: there are no secrets
 * in it. Whole or not at all, not durable. `network` NULL: NM is not asked what is active. Best effort. */
void view_publish(const char *path, const Record *record, Network *network);

/* How it stands, for a line that goes to `fd`: "trying, 48 s left", or, as a line for each change would be
 * one for each second, "trying". `whole`: "trial 1a2b3c4d: trying, 48 s left". Caller frees. */
char *view_head(const Record *record, int fd, gboolean whole);

/* Adds one of those checks to such a line: "nm passing on eth0 for 4 s" (`where`: on what); in brief "nm
 * passing". Where there are symbols, one says the state, too, and without `where` alone. */
void view_add_check(GString *line, JsonObject *check, int fd, gboolean brief, gboolean where);

/* Prints the verdict of a closed trial; FALSE: unknown. */
gboolean view_verdict(const char *id);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a trial looks to people and to scripts; read only. */
#pragma once

#include "record.h"

#include <json-glib/json-glib.h>

/* The trial's checks as the agent last published them, as status --json shows them: name, device, state
 * (passing, failing, unknown), since (for how many seconds), output. Caller unrefs. */
JsonArray *view_checks(const Record *record);

/* The verdict of a closed trial in one sentence, NULL: unknown. Caller frees. */
char *view_verdict(const char *id);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a trial looks to people and to scripts; read only. */
#pragma once

#include "record.h"

#include <json-glib/json-glib.h>

/* What the agent last published of that trial's checks, as status --json shows them: name, device, state,
 * since (for how many seconds), output. Empty where nothing is known. Caller unrefs. */
JsonArray *view_checks(const char *id);

/* The verdict of a closed trial in one sentence, NULL: unknown. Caller frees. */
char *view_verdict(const char *id);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Activations as NetworkManager's own signals show them, for an agent in the foreground where no dispatcher's
 * script can tell (a container): each becomes an event as the script would leave it. */
#pragma once

#include "engine.h"

typedef struct Activations Activations;

/* Nothing was seen yet. Caller frees. */
Activations *activations_new(void);
void activations_free(Activations *activations);

/* Leaves an event for each activation that was not seen before and concerns us: a profile with our
 * annotations, or a guarded one. The caller holds the lock. What NM does not tell now is seen at the next
 * look. */
void activations_look(Activations *activations, Engine *engine, const char *run_dir);

/* Whether the dispatcher's script is there to tell. */
gboolean activations_told_by_dispatcher(void);

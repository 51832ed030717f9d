/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for its trial: changes of guarded profiles, and deliveries, one at a time in the order of their
 * file names. */
#pragma once

#include "candidate.h"
#include "engine.h"
#include "good.h"

/* With the lock, and no trial open: opens the trial of the first that waits. One that is refused waits no
 * more; the journal says why. CANDIDATE_LEFT: nothing waits. */
enum candidate_fate waiting_try(Engine *engine);

/* A guarded profile has come up, from that file. Where its content is not the known-good one: that is put
 * back, and the other one is tried as an edit. `wait`: another trial is open; then the change waits, and the
 * known-good content comes up again meanwhile. `coming`: it is not up yet; the other content is tried when it
 * is, or when it has failed. `again`: nobody has activated anything. */
enum candidate_fate waiting_came_up(Engine *engine, Good *good, const char *filename, gboolean wait,
                                    gboolean coming, gboolean again);

/* Notes that the profile has come up in this boot: whoever activates it from now on is somebody, not NM at
 * its start. Best effort, in memory. */
void waiting_mark_came_up(const char *uuid);

/* Once after a boot, when NM is up already: does what `nm-trial boot` did not come to, and makes NM load what
 * was put back. Marks in `run_dir` that it is done. FALSE: NetworkManager is not ready yet, look again. */
gboolean waiting_catch_up(Engine *engine, const char *run_dir);
/* The same mark, by `nm-trial boot`. */
void waiting_mark_done(const char *run_dir, const char *boot_id);

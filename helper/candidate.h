/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Annotated candidates: what becomes of an activation that somebody made, with any tool. */
#pragma once

#include "engine.h"
#include "event.h"

enum candidate_fate {
    CANDIDATE_LEFT,   /* nothing is to be done, or it was refused; the journal has why where that matters */
    CANDIDATE_OPENED, /* its trial is open, durably; the engine goes on */
    CANDIDATE_LATER,  /* NetworkManager does not answer, or the disk does not: look again */
};

/* A profile has come up. The caller holds the lock. A refused trial's replaced profile is
 * activated again, if it is one that a boot would bring up. */
enum candidate_fate candidate_up(Engine *engine, const Event *event);

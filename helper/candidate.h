/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Annotated candidates: what becomes of an activation that somebody made, with any tool. */
#pragma once

#include "engine.h"
#include "event.h"
#include "opening.h"

/* A profile has come up: an annotated candidate, or a guarded profile. The caller holds the lock. A refused
 * candidate's replaced profile is activated again, if it is one that a boot would bring up; refused content
 * of a guarded profile gives way to what is known good. */
enum candidate_fate candidate_up(Engine *engine, const Event *event);

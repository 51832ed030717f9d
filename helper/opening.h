/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens a trial that was planned: checkpoint, candidate, record. From the record on it is the engine's, and
 * whatever the process that opened it does not live to do, the agent does. */
#pragma once

#include "engine.h"
#include "plan.h"

/* What becomes of a trial that nobody at a command line has asked for. */
enum candidate_fate {
    CANDIDATE_LEFT,   /* nothing is to be done, or it was refused; the journal has why where that matters */
    CANDIDATE_OPENED, /* its trial is open, durably; the engine goes on */
    CANDIDATE_LATER,  /* NetworkManager does not answer, or the disk does not: look again */
};

/* The open trial's record; NULL without `error`: none is open. NULL with a PLAN_ERROR: it cannot be read.
 * Caller frees. */
Record *opening_open_trial(const char *state_dir, GError **error);
/* FALSE with a PLAN_ERROR: a trial is open already, or its record cannot be read. */
gboolean opening_none_open(const char *state_dir, GError **error);

/* The record of a trial to be opened, with an id of its own and without a baseline. `started_by`: for people.
 * Caller frees. */
Record *opening_record(const Engine *engine, const Plan *plan, const Options *options,
                       const char *started_by);

/* Plans and opens a trial by what its profile and the device say; of the request, only what is to be tried
 * need be there. `device`: the D-Bus path of the one where it must be (NULL: any). CANDIDATE_LEFT with
 * `error`: refused.
 */
enum candidate_fate opening_try(Engine *engine, const struct plan_request *what, const char *device,
                                const char *started_by, GError **error);

/* Opens it; the caller holds the lock. Durable on TRUE, and the journal says so; the engine goes on from
 * there. On FALSE all is as it was. */
gboolean opening_open(const Engine *engine, const Plan *plan, const Options *options, Record *record,
                      GError **error);

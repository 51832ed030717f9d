/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* confirm, cancel and extend: an operator asks something of the open trial. Each is one run of the engine. */
#include "agent.h"
#include "checks.h"
#include "duration.h"
#include "journal.h"
#include "names.h"
#include "os.h"
#include "verbs.h"

#include <stdio.h>

#define ID_HELP "ID: as `start` printed it; without one: the open trial's.\n"
/* What is left to do after the answer is the agent's; a dead one is asked for again. */
#define SUMMON_MS 3000

/* The open trial, if it is the one that is meant. NULL: *ret_status is the exit code, and it was said why. */
static Record *open_trial(const char *id, gboolean closed_counts, int *ret_status)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Record) record = engine_load(NM_TRIAL_STATE_DIR, &error);

    *ret_status = EXIT_FAILED;
    if (error) {
        verb_error("the open trial's record cannot be read (%s). The agent will set it aside and go back.",
                   error->message);
        return NULL;
    }
    if (record && (!id || strcmp(id, record->id) == 0))
        return g_steal_pointer(&record);
    *ret_status = id && closed_counts ? verb_closed(id) : EXIT_NO_TRIAL;
    if (*ret_status == EXIT_REVERTED)
        verb_error("trial %s was reverted. See: nm-trial history", id);
    if (*ret_status != EXIT_NO_TRIAL)
        return NULL;
    if (record) {
        *ret_status = EXIT_REFUSED;
        verb_error("the open trial is %s, not %.40s. See: nm-trial status", record->id, id);
    } else
        verb_error("%s. See: nm-trial history",
                   id && closed_counts ? "no such trial is open or in the history" : "no trial is open");
    return NULL;
}

/* Runs the engine on that trial and no other. FALSE: *ret_status is the exit code. */
static gboolean run(VerbContext *context, const char *id, const struct engine_request *request,
                    gboolean closed_counts, EngineResult *ret, int *ret_status)
{
    g_autoptr(GError) error = NULL;
    int lock = verb_lock();

    *ret_status = EXIT_FAILED;
    if (lock < 0)
        return FALSE;
    g_autoptr(Record) still = open_trial(id, closed_counts, ret_status);
    /* Somebody else's promotion may be on its way and yet not on the disk: a confirm answers for it itself.
     */
    gboolean sure = !still || request->request != REQUEST_CONFIRM || still->trial.state != TRIAL_PROMOTING ||
                    engine_save(NM_TRIAL_STATE_DIR, still, &error);
    gboolean done = still && sure && engine_run(&context->engine, request, ret, &error);
    verb_unlock(lock);
    if (error)
        verb_error("%s", error->message);
    if (done && ret->record)
        (void)agent_summon(context->network, NM_TRIAL_RUN_DIR, id, os.boottime_ms() + SUMMON_MS);
    return done;
}

/* Where the trial stands after a run: its open state, or that of its verdict when the run closed it. */
static enum trial_state reached(const EngineResult *result)
{
    return result->record ? result->record->trial.state : result->verdict;
}

/* confirm */

/* Fresh results of the trial's checks. *ret_failing (caller frees): the first one that fails and what it saw.
 */
static enum checks_state judge_now(VerbContext *context, const Record *record, char **ret_failing)
{
    Bus *bus = network_bus(context->network);

    if (!record->checks[0])
        return CHECKS_PASSING;
    if (!bus) {
        *ret_failing = g_strdup("no check can run: the system bus cannot be reached");
        return CHECKS_FAILING;
    }
    g_autoptr(GPtrArray) results = checks_run(bus, record);
    for (guint i = 0; i < results->len; i++) {
        const struct check_result *result = results->pdata[i];
        if (!result->passing) {
            g_autofree char *clean = journal_clean(result->output);
            *ret_failing =
                g_strdup_printf("check %s is failing on %s: %s", result->name, result->device, clean);
            return CHECKS_FAILING;
        }
    }
    return CHECKS_PASSING;
}

static int confirm(VerbContext *context, const char *id)
{
    const struct engine_request request = {.request = REQUEST_CONFIRM};
    g_autofree char *failing = NULL;
    g_auto(EngineResult) result = {0};
    int status;

    g_autoptr(Record) record = open_trial(id, TRUE, &status);
    if (!record)
        return status;
    if (record->trial.state == TRIAL_TRYING) /* without the lock: checks take their time */
        context->engine.checks = (struct engine_checks){.subject = record_subject(record),
                                                        .state = judge_now(context, record, &failing)};
    if (!run(context, record->id, &request, TRUE, &result, &status))
        return status;
    switch (reached(&result)) {
    case TRIAL_PROMOTING:
        if (result.record && !result.durable)
            break;
        printf("Trial %s is confirmed; the candidate stays.\n", record->id);
        return EXIT_DONE;
    case TRIAL_REVERTING:
        verb_error("trial %s is reverted already (%s)", record->id,
                   result.record ? trial_reason_name(result.record->trial.reason) : "see nm-trial history");
        return EXIT_REVERTED;
    case TRIAL_TRYING:
        break;
    }
    if (result.trouble || result.network_away) {
        verb_error("not confirmed yet: %s. The trial is still open; try again.",
                   result.trouble ? result.trouble : "NetworkManager does not answer");
        return EXIT_FAILED;
    }
    verb_error("not confirmed: %s. The trial is still open; it reverts at its deadline.",
               failing ? failing : "the candidate is not (or not yet, or anew) active on its device");
    return EXIT_REFUSED;
}

int verb_confirm(int argc, char **argv)
{
    g_auto(VerbContext) context = {0};
    if (!verb_parse(
            &argc, &argv, NULL, 0, 1, "[ID]",
            "Runs the trial's checks once more and, if all pass, keeps the candidate for good. When this "
            "has\n"
            "returned 0, no power cut undoes it. A failing check: exit 4, and the trial stays open.\n" ID_HELP
            "\nExample:\n  nm-trial confirm 1a2b3c4d"))
        return EXIT_USAGE;
    return verb_open(&context) ? confirm(&context, argv[1]) : EXIT_FAILED;
}

/* cancel */

static int cancel(VerbContext *context, const char *id)
{
    const struct engine_request request = {.request = REQUEST_CANCEL};
    g_auto(EngineResult) result = {0};
    int status;

    g_autoptr(Record) record = open_trial(id, FALSE, &status);
    if (!record || !run(context, record->id, &request, FALSE, &result, &status))
        return status;
    if (reached(&result) == TRIAL_PROMOTING) {
        verb_error("trial %s is being promoted already. To go back, start a trial the other way round.",
                   record->id);
        return EXIT_REFUSED;
    }
    if (result.record && !result.durable) {
        verb_error("going back, but the disk does not take it: %s", result.trouble);
        return EXIT_FAILED;
    }
    printf("Trial %s is cancelled; going back.\n", record->id);
    return EXIT_DONE;
}

int verb_cancel(int argc, char **argv)
{
    g_auto(VerbContext) context = {0};
    if (!verb_parse(&argc, &argv, NULL, 0, 1, "[ID]",
                    "Goes back to the replaced profile now. Returns 0 once that is on disk.\n" ID_HELP
                    "\nExample:\n  nm-trial cancel"))
        return EXIT_USAGE;
    return verb_open(&context) ? cancel(&context, argv[1]) : EXIT_FAILED;
}

/* extend */

static int extend(VerbContext *context, const char *id, gint64 timeout_ms)
{
    const struct engine_request request = {.request = REQUEST_EXTEND,
                                           .deadline_ms = os.boottime_ms() + timeout_ms};
    g_auto(EngineResult) result = {0};
    int status;

    g_autoptr(Record) record = open_trial(id, FALSE, &status);
    if (!record || !run(context, record->id, &request, FALSE, &result, &status))
        return status;
    if (reached(&result) != TRIAL_TRYING) {
        verb_error("trial %s has its verdict already", record->id);
        return EXIT_REFUSED;
    }
    if (result.record->trial.deadline_ms != request.deadline_ms) {
        verb_error("not extended: %s. The old deadline stays; try again.",
                   result.trouble ? result.trouble : "NetworkManager does not answer");
        return EXIT_FAILED;
    }
    printf("Trial %s: %" G_GINT64_FORMAT " s are left.\n", record->id, timeout_ms / 1000);
    return EXIT_DONE;
}

int verb_extend(int argc, char **argv)
{
    g_auto(VerbContext) context = {0};
    g_autofree char *timeout = NULL;
    g_autoptr(GError) error = NULL;
    gint64 timeout_ms = 0;
    const GOptionEntry entries[] = {
        {"timeout", 0, 0, G_OPTION_ARG_STRING, &timeout, "New deadline, from now: 90, 90s, 10m, 1h", "DUR"},
        {0}};

    if (!verb_parse(&argc, &argv, entries, 0, 1, "[ID] --timeout DUR",
                    "Sets a new deadline, counted from now.\n" ID_HELP
                    "\nExample:\n  nm-trial extend --timeout 10m"))
        return EXIT_USAGE;
    if (!timeout) {
        verb_error("extend needs --timeout DUR, for example --timeout 10m");
        return EXIT_USAGE;
    }
    if (!duration_parse("--timeout", timeout, &timeout_ms, &error))
        return verb_usage(error);
    return verb_open(&context) ? extend(&context, argv[1], timeout_ms) : EXIT_FAILED;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start: the command line's way to a trial. */
#include "agent.h"
#include "checks.h"
#include "journal.h"
#include "judge.h"
#include "names.h"
#include "opening.h"
#include "os.h"
#include "store.h"
#include "verbs.h"

#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#define SUMMON_MS 10000
#define TERMINAL_MS 1000

/* As the command line has them. */
struct words {
    char *replace, *timeout, *hold, *confirm;
    char **checks;
    gboolean fallback, wait, dry_run;
};

static gboolean understand(const struct words *words, Options *options, GError **error)
{
    g_autofree char *checks = words->checks ? g_strjoinv(";", words->checks) : NULL;
    const struct {
        const char *name;
        const char *value;
    } given[] = {
        {"replaces", words->replace}, {"timeout", words->timeout},
        {"hold", words->hold},        {"confirm", words->confirm},
        {"checks", checks},           {"fallback", words->fallback ? "yes" : NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(given); i++)
        if (given[i].value && !options_set(options, OPTION_BY_COMMAND, given[i].name, given[i].value, error))
            return FALSE;
    return TRUE;
}

/* Who asked, for people: sudo's user where there is one. */
static char *started_by(void)
{
    const char *sudo = g_getenv("SUDO_USER");
    const struct passwd *user = getpwuid(getuid());
    return journal_clean(sudo ? sudo : user ? user->pw_name : "root");
}

/* Says it before the network changes under the caller, but waits for no stopped terminal: the lock is held.
 */
static void announce(const Record *record, const Options *options)
{
    struct pollfd terminal = {.fd = STDOUT_FILENO, .events = POLLOUT};
    g_autofree char *candidate = journal_clean(record->pair[0].candidate.id);
    g_autofree char *back =
        record->pair[0].replaced.id ? journal_clean(record->pair[0].replaced.id) : g_strdup("no network");
    g_autofree char *kept = options->manual ? g_strdup("confirmed")
                                            : g_strdup_printf("its checks pass for %" G_GINT64_FORMAT " s",
                                                              options->hold_ms / 1000);
    g_autofree char *text =
        g_strdup_printf("trial %s\n\"%s\" is on trial on %s. It stays if %s within %" G_GINT64_FORMAT
                        " s;\nelse back to \"%s\". To keep it%s: nm-trial confirm %s\n",
                        record->id, candidate, record->pair[0].device, kept, options->timeout_ms / 1000, back,
                        options->manual ? "" : " at once", record->id);

    if (poll(&terminal, 1, TERMINAL_MS) == 1 && (terminal.revents & POLLOUT) != 0)
        (void)!write(STDOUT_FILENO, text, strlen(text));
}

/* With the lock held. Returns an exit code. */
static int start_locked(VerbContext *context, const Plan *plan, const Options *options, Record *record)
{
    const struct engine_request cancel = {.request = REQUEST_CANCEL};
    g_autoptr(GError) error = NULL;
    g_auto(EngineResult) result = {0};

    /* An agent first: should this process die right after the record, somebody is there to go on. */
    if (!agent_summon(context->network, NM_TRIAL_RUN_DIR, NULL, os.boottime_ms() + SUMMON_MS)) {
        verb_error("no agent has come up to watch the trial. Nothing was changed. See: systemctl "
                   "status " NM_TRIAL_UNIT);
        return EXIT_FAILED;
    }
    if (!opening_open(&context->engine, plan, options, record, &error)) {
        verb_error("%s. No trial was started.", error->message);
        return EXIT_FAILED;
    }
    gint64 until_ms = MIN(os.boottime_ms() + SUMMON_MS, record->trial.deadline_ms);
    gboolean watched = agent_summon(context->network, NM_TRIAL_RUN_DIR, record->id, until_ms);
    if (watched)
        announce(record, options);
    else
        verb_error("no agent has taken up the trial; going back. See: systemctl status " NM_TRIAL_UNIT);
    if (!engine_run(&context->engine, watched ? NULL : &cancel, &result, &error)) {
        verb_error("%s. The agent goes on.", error->message);
        return EXIT_FAILED;
    }
    return watched ? EXIT_DONE : EXIT_FAILED;
}

static gboolean unchanged(const Profile *profile, GError **error)
{
    g_autofree char *data = NULL;
    gsize length = 0;
    return !profile ||
           (store_read_trusted(profile->path, &data, &length, NULL) && length == profile->length &&
            memcmp(data, profile->data, length) == 0) ||
           plan_refuse(error, "%s was changed a moment ago. Start again.", profile->path);
}

static int start_planned(VerbContext *context, const Plan *plan, const Options *options, gboolean wait)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *by = started_by();
    g_autoptr(Record) record = opening_record(&context->engine, plan, options, by);
    /* Without the lock, because it takes its time: how is the network that we start from? */
    g_autoptr(GPtrArray) results = checks_run(network_bus(context->network), record);
    record->baseline = judge_results_json(results);
    int lock = verb_lock(), status = EXIT_REFUSED;

    if (lock < 0)
        return EXIT_FAILED;
    if (opening_none_open(NM_TRIAL_STATE_DIR, &error) && unchanged(plan->candidate, &error) &&
        (plan->auto_default || unchanged(plan->replaced, &error)))
        status = start_locked(context, plan, options, record);
    verb_unlock(lock);
    if (error)
        verb_error("%s", error->message);
    else if (status == EXIT_DONE && wait)
        return wait_for(record->id);
    return status;
}

static void show(const Plan *plan, const Options *options)
{
    g_autofree char *candidate = journal_clean(plan->candidate->id);
    g_autofree char *replaced = journal_clean(plan->replaced ? plan->replaced->id : "nothing");
    g_autofree char *checks = plan->checks[0] ? g_strjoinv(", ", plan->checks) : g_strdup("none");

    printf("Would try \"%s\" on %s.\n  replaced  %s\n  checks    %s\n  confirm   %s\n  timeout   "
           "%" G_GINT64_FORMAT " s\n",
           candidate, plan->device, replaced, checks, options->manual ? "manual" : "auto",
           options->timeout_ms / 1000);
    if (!options->manual)
        printf("  hold      %" G_GINT64_FORMAT " s\n", options->hold_ms / 1000);
    printf("  priority  %d once promoted\n", plan->priority);
    printf("  after     \"%s\" has autoconnect %s\n", replaced,
           !plan->replaced     ? "as before"
           : options->fallback ? "on still, as a fallback"
                               : "off");
    for (guint i = 0; i < plan->warnings->len; i++)
        printf("  warning   %s\n", (char *)plan->warnings->pdata[i]);
    for (guint i = 0; i < plan->notes->len; i++)
        printf("  note      %s\n", (char *)plan->notes->pdata[i]);
    printf("Nothing was changed.\n");
}

static int start(VerbContext *context, const struct words *words, Options *options, const char *candidate)
{
    const struct plan_request request = {
        .candidate = candidate,
        .options = options,
        .profile_dir = NM_TRIAL_PROFILE_DIR,
        .state_dir = NM_TRIAL_STATE_DIR,
        .dry_run = words->dry_run,
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *why = NULL;
    g_autoptr(Plan) plan = NULL;

    if (!opening_none_open(NM_TRIAL_STATE_DIR, &error)) {
        verb_error("%s", error->message);
        return error->code;
    }
    if (!context->boot_id) {
        verb_error("the kernel does not tell its boot id (/proc/sys/kernel/random/boot_id), without which a "
                   "reboot cannot be "
                   "noticed. Nothing was changed.");
        return EXIT_REFUSED;
    }
    if (network_look(context->network, &why) != NETWORK_READY) {
        verb_error("%s. Nothing was changed; try again when it is ready.", why);
        return EXIT_FAILED;
    }
    plan = plan_new(&request, context->network, &error);
    if (!plan) {
        verb_error("%s", error->message);
        return error->code;
    }
    if (words->dry_run) {
        show(plan, options);
        return EXIT_DONE;
    }
    for (guint i = 0; i < plan->warnings->len; i++)
        verb_error("warning: %s", (char *)plan->warnings->pdata[i]);
    if (!agent_available(context->network, NM_TRIAL_RUN_DIR, &why)) {
        verb_error("nobody would watch the trial: no agent runs, and systemd cannot start one (%s). "
                   "Install " NM_TRIAL_UNIT ", or keep `nm-trial agent` running.",
                   why);
        return EXIT_REFUSED;
    }
    return start_planned(context, plan, options, words->wait);
}

static void words_clear(struct words *words)
{
    g_free(words->replace);
    g_free(words->timeout);
    g_free(words->hold);
    g_free(words->confirm);
    g_strfreev(words->checks);
}

int verb_start(int argc, char **argv)
{
    struct words words = {0};
    g_auto(Options) options = {0};
    g_auto(VerbContext) context = {0};
    g_autoptr(GError) error = NULL;
    int status = EXIT_USAGE;
    const GOptionEntry entries[] = {
        {"replace", 0, 0, G_OPTION_ARG_STRING, &words.replace, "Go back to this one; default: the active one",
         "PROFILE"},
        {"timeout", 0, 0, G_OPTION_ARG_STRING, &words.timeout, "Deadline (120s; manual 600s; modem 300s)",
         "DUR"},
        {"hold", 0, 0, G_OPTION_ARG_STRING, &words.hold, "All checks must pass for so long (10s)", "DUR"},
        {"confirm", 0, 0, G_OPTION_ARG_STRING, &words.confirm, "Who decides: checks, or an operator too",
         "auto|manual"},
        {"check", 0, 0, G_OPTION_ARG_STRING_ARRAY, &words.checks,
         "nm, gateway, none, or your own; again for more", "NAME"},
        {"fallback", 0, 0, G_OPTION_ARG_NONE, &words.fallback, "Keep the replaced one on, lower", NULL},
        {"wait", 0, 0, G_OPTION_ARG_NONE, &words.wait, "Wait: exit 0 promoted, 5 reverted", NULL},
        {"dry-run", 0, 0, G_OPTION_ARG_NONE, &words.dry_run, "Show what would be done, or why not", NULL},
        {0}};

    if (verb_parse(&argc, &argv, entries, 1, 1, "CANDIDATE",
                   "Activates the stored profile CANDIDATE (UUID or id) on probation. Until it\n"
                   "is promoted, a reboot or power cut brings the replaced profile back.\n\n"
                   "PROFILE: UUID or id; none: the device had no network. DUR: 90, 90s, 10m, 1h,\n"
                   "from 1s to 24h. Checks, by default: nm where it can be believed, else gateway.\n"
                   "Your own: an executable in " NM_TRIAL_CHECK_DIR ", by its name.\n"
                   "hold is half of timeout where 10s would be more.\n\nExamples:\n"
                   "  nm-trial start new-uplink --wait\n"
                   "  nm-trial start new-uplink --confirm manual     then: nm-trial confirm\n"
                   "  nm-trial start new-uplink --check gateway --hold 30s --dry-run")) {
        if (!understand(&words, &options, &error))
            verb_usage(error);
        else
            status = verb_open(&context) ? start(&context, &words, &options, argv[1]) : EXIT_FAILED;
    }
    words_clear(&words);
    return status;
}

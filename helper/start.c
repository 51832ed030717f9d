/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start: refuses, or opens a trial. From the record on it is the engine's; whatever this process does not
 * live to do, the agent does. */
#include "agent.h"
#include "checks.h"
#include "duration.h"
#include "journal.h"
#include "judge.h"
#include "names.h"
#include "os.h"
#include "plan.h"
#include "store.h"
#include "verbs.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#define TIMEOUT_AUTO_MS (120 * 1000)
#define TIMEOUT_MODEM_MS (300 * 1000)
#define TIMEOUT_MANUAL_MS (600 * 1000) /* RFC 6241 section 8.4: the default confirm-timeout */
#define HOLD_MS (10 * 1000)
/* The checkpoint's first timeout: should this process die before the record, it costs little. */
#define CHECKPOINT_FIRST_S 30
#define SUMMON_MS 10000
#define TERMINAL_MS 1000

struct options {
    char *replace, *timeout, *hold, *confirm;
    char **checks;
    gboolean fallback, wait, dry_run;
    /* understood */
    gint64 timeout_ms, hold_ms; /* 0: by default */
    gboolean manual;
};

static gboolean G_GNUC_PRINTF(2, 3) wrong(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    *error = g_error_new_valist(PLAN_ERROR, EXIT_USAGE, format, arguments);
    va_end(arguments);
    return FALSE;
}

static gboolean understand_checks(const struct options *options, GError **error)
{
    guint n = options->checks ? g_strv_length(options->checks) : 0;
    for (guint i = 0; i < n; i++) {
        g_autofree char *clean = journal_clean(options->checks[i]);
        if (!checks_known(options->checks[i]))
            return wrong(error, "--check %s: there is no such check. There are: nm, gateway, none.", clean);
        if (strcmp(options->checks[i], "none") == 0 && !options->manual)
            return wrong(error, "--check %s needs --confirm manual: somebody must judge.", clean);
        if (strcmp(options->checks[i], "none") == 0 && n > 1)
            return wrong(error, "--check %s excludes any other check.", clean);
    }
    return TRUE;
}

static gboolean understand(struct options *options, GError **error)
{
    if (options->confirm && strcmp(options->confirm, "auto") != 0 && strcmp(options->confirm, "manual") != 0)
        return wrong(error, "--confirm is auto or manual, not \"%.40s\".", options->confirm);
    options->manual = g_strcmp0(options->confirm, "manual") == 0;
    if ((options->timeout && !duration_parse("--timeout", options->timeout, &options->timeout_ms, error)) ||
        (options->hold && !duration_parse("--hold", options->hold, &options->hold_ms, error)))
        return FALSE;
    gint64 timeout_ms = options->timeout_ms ? options->timeout_ms
                        : options->manual   ? TIMEOUT_MANUAL_MS
                                            : TIMEOUT_AUTO_MS;
    if (options->hold_ms >= timeout_ms)
        return wrong(error,
                     "--hold %s must be shorter than --timeout: the checks could never pass for so long.",
                     options->hold);
    return understand_checks(options, error);
}

/* The times that stand in no option. */
static void complete(struct options *options, const Plan *plan)
{
    gboolean modem = strcmp(plan->candidate->type, NM_SETTING_GSM_SETTING_NAME) == 0 ||
                     strcmp(plan->candidate->type, NM_SETTING_CDMA_SETTING_NAME) == 0;
    if (!options->timeout_ms)
        options->timeout_ms = options->manual ? TIMEOUT_MANUAL_MS
                              : modem         ? TIMEOUT_MODEM_MS
                                              : TIMEOUT_AUTO_MS;
    if (!options->hold_ms)
        options->hold_ms = MIN(HOLD_MS, options->timeout_ms / 2);
}

/* Who asked, for people: sudo's user where there is one. */
static char *started_by(void)
{
    const char *sudo = g_getenv("SUDO_USER");
    const struct passwd *user = getpwuid(getuid());
    return journal_clean(sudo ? sudo : user ? user->pw_name : "root");
}

static char *new_id(void)
{
    guint32 number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        number = g_random_int();
    return g_strdup_printf("%08x", number);
}

static void set_profile(struct record_profile *into, const Profile *profile)
{
    into->uuid = g_strdup(profile->uuid);
    into->id = g_strdup(profile->id);
    into->path = g_strdup(profile->path);
    into->data = g_memdup2(profile->data, profile->length + 1);
    into->length = profile->length;
}

static Record *record_of(const VerbContext *context, const Plan *plan, const struct options *options,
                         const char *baseline)
{
    Record *record = record_new();

    record->id = new_id();
    record->trial = (struct trial){
        .state = TRIAL_TRYING,
        .confirm = options->manual ? CONFIRM_MANUAL : CONFIRM_AUTO,
        .fallback = options->fallback,
        .hold_ms = options->hold_ms,
        .n_pairs = 1,
        .pair = {{.has_replaced = plan->replaced != NULL}},
    };
    record->boot_id = g_strdup(context->boot_id);
    record->started_by = started_by();
    g_strfreev(record->checks);
    record->checks = g_strdupv(plan->checks);
    record->nm_name = g_strdup(network_nm_name(context->network));
    record->baseline = g_strdup(baseline);
    record->pair[0].device = g_strdup(plan->device);
    record->pair[0].priority = plan->priority;
    set_profile(&record->pair[0].candidate, plan->candidate);
    if (plan->replaced)
        set_profile(&record->pair[0].replaced, plan->replaced);
    return record;
}

/* The second net. None is possible when the candidate is active already: it would save the candidate. */
static gboolean take_checkpoint(VerbContext *context, const Plan *plan, Record *record, GError **error)
{
    const char *devices[] = {plan->nm.object, NULL};
    g_auto(NetworkCheckpoint) made = {0};

    if (g_strcmp0(plan->nm.active_uuid, plan->candidate->uuid) == 0) {
        journal_say(JOURNAL_STARTED, record, 0, "no checkpoint: the candidate is active already");
        return TRUE;
    }
    if (!network_checkpoint_create(context->network, devices, CHECKPOINT_FIRST_S, &record->checkpoint, error))
        return FALSE;
    record->checkpoint_nm = g_strdup(network_nm_name(context->network));
    if (!network_checkpoint_get(context->network, record->checkpoint, &made, error))
        return FALSE;
    record->checkpoint_created_ms = made.created_ms;
    return TRUE;
}

static gboolean mark_candidate(const Plan *plan, GError **error)
{
    const struct profile_flags trying = {FALSE, PROFILE_KEEP_PRIORITY, "trying", NULL};
    gsize length = 0;
    g_autofree char *text = profile_with_flags(plan->candidate, &trying, &length, error);
    return text && store_write(plan->candidate->path, text, length, error);
}

/* Checkpoint, candidate, record: from here on the trial is open. Where it fails, all is as it was. */
static gboolean open_trial(VerbContext *context, const Plan *plan, Record *record,
                           const struct options *options, GError **error)
{
    record->started_ms = os.boottime_ms();
    record->trial.deadline_ms = record->started_ms + options->timeout_ms;
    if (take_checkpoint(context, plan, record, error) && mark_candidate(plan, error) &&
        engine_save(NM_TRIAL_STATE_DIR, record, error))
        return TRUE;
    /* a write may have failed after its rename: what is not to count goes */
    g_autofree char *path = g_build_filename(NM_TRIAL_STATE_DIR, NM_TRIAL_RECORD, NULL);
    (void)store_remove(path, NULL);
    (void)store_write(plan->candidate->path, plan->candidate->data, plan->candidate->length, NULL);
    if (record->checkpoint)
        (void)network_checkpoint_destroy(context->network, record->checkpoint, NULL);
    return FALSE;
}

/* Says it before the network changes under the caller, but waits for no stopped terminal: the lock is held.
 */
static void announce(const Record *record, const struct options *options)
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

static void say_started(const Record *record, const Plan *plan, const struct options *options)
{
    g_autofree char *candidate = journal_clean(plan->candidate->id);
    g_autofree char *replaced = plan->replaced ? journal_clean(plan->replaced->id) : NULL;
    g_autofree char *checks = record->checks[0] ? g_strjoinv(", ", record->checks) : g_strdup("none");

    journal_say(JOURNAL_STARTED, record, -1,
                "trying \"%s\" in place of %s%s%s on %s, started by %s, %s, checks: %s", candidate,
                replaced ? "\"" : "", replaced ? replaced : "nothing", replaced ? "\"" : "", plan->device,
                record->started_by, options->manual ? "to be confirmed" : "judged by its checks", checks);
    for (guint i = 0; i < plan->warnings->len; i++)
        journal_say(JOURNAL_STARTED, record, -1, "warning: %s", (char *)plan->warnings->pdata[i]);
    for (guint i = 0; i < plan->notes->len; i++)
        journal_say(JOURNAL_STARTED, record, -1, "note: %s", (char *)plan->notes->pdata[i]);
}

/* With the lock held. Returns an exit code. */
static int start_locked(VerbContext *context, const Plan *plan, const struct options *options, Record *record)
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
    if ((plan->auto_default && !plan_save_auto_default(plan, context->network, &error)) ||
        !open_trial(context, plan, record, options, &error)) {
        verb_error("%s. No trial was started.", error->message);
        return EXIT_FAILED;
    }
    say_started(record, plan, options);
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

static gboolean none_open(GError **error)
{
    g_autoptr(GError) unreadable = NULL;
    g_autoptr(Record) open = engine_load(NM_TRIAL_STATE_DIR, &unreadable);
    if (unreadable)
        return plan_refuse(error,
                           "The record of a trial cannot be read (%s). Run nm-trial agent --exit-idle to "
                           "set it aside.",
                           unreadable->message);
    return !open ||
           plan_refuse(error, "Another trial is open: %s (\"%s\" on %s). Confirm or cancel it first.",
                       open->id, open->pair[0].candidate.id, open->pair[0].device);
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

static int start_planned(VerbContext *context, const Plan *plan, const struct options *options)
{
    const char *const devices[] = {plan->device, NULL};
    g_autoptr(GError) error = NULL;
    /* Without the lock, because it takes its time: how is the network that we start from? */
    g_autoptr(GPtrArray) results =
        checks_run(network_bus(context->network), (const char *const *)plan->checks, devices);
    g_autofree char *baseline = judge_results_json(results);
    g_autoptr(Record) record = record_of(context, plan, options, baseline);
    int lock = verb_lock(), status = EXIT_REFUSED;

    if (lock < 0)
        return EXIT_FAILED;
    if (none_open(&error) && unchanged(plan->candidate, &error) &&
        (plan->auto_default || unchanged(plan->replaced, &error)))
        status = start_locked(context, plan, options, record);
    verb_unlock(lock);
    if (error)
        verb_error("%s", error->message);
    else if (status == EXIT_DONE && options->wait)
        return wait_for(record->id);
    return status;
}

static void show(const Plan *plan, const struct options *options)
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

static int start(VerbContext *context, struct options *options, const char *candidate)
{
    const struct plan_request request = {
        .candidate = candidate,
        .replace = options->replace,
        .checks = options->checks,
        .profile_dir = NM_TRIAL_PROFILE_DIR,
        .state_dir = NM_TRIAL_STATE_DIR,
        .dry_run = options->dry_run,
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *why = NULL;
    g_autoptr(Plan) plan = NULL;

    if (!none_open(&error)) {
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
    complete(options, plan);
    if (options->dry_run) {
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
    return start_planned(context, plan, options);
}

static void options_clear(struct options *options)
{
    g_free(options->replace);
    g_free(options->timeout);
    g_free(options->hold);
    g_free(options->confirm);
    g_strfreev(options->checks);
}

int verb_start(int argc, char **argv)
{
    struct options options = {0};
    g_auto(VerbContext) context = {0};
    g_autoptr(GError) error = NULL;
    int status = EXIT_USAGE;
    const GOptionEntry entries[] = {
        {"replace", 0, 0, G_OPTION_ARG_STRING, &options.replace,
         "Go back to this one; default: the active one", "PROFILE"},
        {"timeout", 0, 0, G_OPTION_ARG_STRING, &options.timeout, "Deadline (120s; manual 600s; modem 300s)",
         "DUR"},
        {"hold", 0, 0, G_OPTION_ARG_STRING, &options.hold, "All checks must pass for so long (10s)", "DUR"},
        {"confirm", 0, 0, G_OPTION_ARG_STRING, &options.confirm, "Who decides: checks, or an operator too",
         "auto|manual"},
        {"check", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.checks, "nm, gateway, none; may be given again",
         "NAME"},
        {"fallback", 0, 0, G_OPTION_ARG_NONE, &options.fallback, "Keep the replaced one on, lower", NULL},
        {"wait", 0, 0, G_OPTION_ARG_NONE, &options.wait, "Wait: exit 0 promoted, 5 reverted", NULL},
        {"dry-run", 0, 0, G_OPTION_ARG_NONE, &options.dry_run, "Show what would be done, or why not", NULL},
        {0}};

    if (verb_parse(&argc, &argv, entries, 1, 1, "CANDIDATE",
                   "Activates the stored profile CANDIDATE (UUID or id) on probation. Until it\n"
                   "is promoted, a reboot or power cut brings the replaced profile back.\n\n"
                   "PROFILE: UUID or id; none: the device had no network. DUR: 90, 90s, 10m, 1h,\n"
                   "from 1s to 24h. Checks, by default: nm where it can be believed, else gateway.\n"
                   "hold is half of timeout where 10s would be more.\n\nExamples:\n"
                   "  nm-trial start new-uplink --wait\n"
                   "  nm-trial start new-uplink --confirm manual     then: nm-trial confirm\n"
                   "  nm-trial start new-uplink --check gateway --hold 30s --dry-run")) {
        if (!understand(&options, &error))
            verb_usage(error);
        else
            status = verb_open(&context) ? start(&context, &options, argv[1]) : EXIT_FAILED;
    }
    options_clear(&options);
    return status;
}

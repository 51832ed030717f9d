/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start: the command line's way to a trial. */
#include "agent.h"
#include "checks.h"
#include "journal.h"
#include "names.h"
#include "opening.h"
#include "os.h"
#include "terminal.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SUMMON_MS 10000

/* As the command line has them. */
struct words {
    char *timeout, *hold, *confirm, *edit, *from;
    char **replaces, **checks;
    gboolean fallback, wait, dry_run;
};

static gboolean understand(const struct words *words, Options *options, GError **error)
{
    g_autofree char *checks = words->checks ? g_strjoinv(";", words->checks) : NULL;
    const struct {
        const char *name;
        const char *value;
    } given[] = {
        {"timeout", words->timeout},
        {"hold", words->hold},
        {"confirm", words->confirm},
        {"checks", checks},
        {"fallback", words->fallback ? "yes" : NULL},
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
    return journal_clean(sudo ? sudo : "root");
}

/* Says it before the network changes under the caller, but waits for no stopped terminal: the lock is held.
 * FALSE: it could not be written (errno). */
static gboolean announce(const Record *record, const Options *options)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_printf(text, "trial %s\n", record->id);
    for (int i = 0; i < record->trial.n_pairs; i++) {
        const struct record_pair *pair = &record->pair[i];
        g_autofree char *candidate = journal_clean(pair->candidate.id);
        g_autofree char *device = journal_clean(pair->device);
        g_autofree char *back = journal_clean(pair->replaced.id ? pair->replaced.id : "no network");
        if (pair->edit)
            g_string_append_printf(text,
                                   "The new content of \"%s\" is on trial on %s; else back to the old one.\n",
                                   back, device);
        else
            g_string_append_printf(text, "\"%s\" is on trial on %s; else back to \"%s\".\n", candidate,
                                   device, back);
    }
    if (options->manual)
        g_string_append(text, "Kept if confirmed");
    else
        g_string_append_printf(text, "Kept if checks pass for %d s", (int)(options->hold_ms / 1000));
    g_string_append_printf(text, " within %d s%s: nm-trial confirm %s\n", (int)(options->timeout_ms / 1000),
                           options->manual ? "" : "; at once", record->id);

    if (!terminal_takes(STDOUT_FILENO))
        return TRUE;
    for (const char *at = text->str; *at;) {
        ssize_t written = write(STDOUT_FILENO, at, strlen(at));
        if (written < 0 && errno != EINTR)
            return FALSE;
        at += MAX(written, 0);
    }
    return TRUE;
}

/* With the lock held. Returns an exit code; *ret_told: somebody could read the id. */
static int start_locked(VerbContext *context, const Plan *plan, const Options *options, Record *record,
                        gboolean *ret_told)
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
        return error->domain == PLAN_ERROR ? error->code : EXIT_FAILED;
    }
    gint64 until_ms = MIN(os.boottime_ms() + SUMMON_MS, record->trial.deadline_ms);
    gboolean watched = agent_summon(context->network, NM_TRIAL_RUN_DIR, record->id, until_ms);
    *ret_told = !watched || announce(record, options);
    if (!*ret_told)
        verb_error("trial %s is open, but that could not be written to the standard output: %s", record->id,
                   g_strerror(errno));
    else if (!watched)
        verb_error("no agent has taken up the trial; going back. See: systemctl status " NM_TRIAL_UNIT);
    if (!engine_run(&context->engine, watched ? NULL : &cancel, &result, &error)) {
        verb_error("%s. The agent goes on.", error->message);
        return EXIT_FAILED;
    }
    return watched ? EXIT_DONE : EXIT_FAILED;
}

static int start_planned(VerbContext *context, const Plan *plan, const Options *options, gboolean wait)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *by = started_by();
    g_autoptr(Record) record = opening_record(&context->engine, plan, options, by);
    /* Without the lock, because it takes its time: how is the network that we start from? */
    g_autoptr(GPtrArray) results = checks_run(network_bus(context->network), record);
    record->baseline = checks_results_json(results);
    int lock = verb_lock(), status = EXIT_REFUSED;
    gboolean told = TRUE;

    if (lock < 0)
        return EXIT_FAILED;
    if (opening_none_open(NM_TRIAL_STATE_DIR, &error))
        status = start_locked(context, plan, options, record, &told);
    verb_unlock(lock);
    if (error)
        verb_error("%s", error->message);
    else if (status == EXIT_DONE && wait)
        return wait_for(record->id);
    return told ? status : EXIT_FAILED;
}

static void show_lines(const char *kind, const GPtrArray *lines)
{
    for (guint i = 0; i < lines->len; i++) {
        g_autofree char *line =
            journal_clean_to(lines->pdata[i], JOURNAL_LINE_MAX); /* with names of profiles */
        printf("  %-9s %s\n", kind, line);
    }
}

static void show_pair(const PlanPair *pair, const Options *options)
{
    g_autofree char *candidate = journal_clean(pair->candidate->id);
    g_autofree char *device = journal_clean(pair->device);
    g_autofree char *replaced = journal_clean(pair->replaced ? pair->replaced->id : "nothing");

    if (pair->edit)
        printf("Would try new content of \"%s\" on %s.\n", replaced, device);
    else
        printf("Would try \"%s\" on %s.\n  replaced  %s\n", candidate, device, replaced);
    printf("  priority  %d once promoted\n", pair->priority);
    if (pair->replaced && !pair->edit)
        printf("  after     \"%s\" has autoconnect %s\n", replaced,
               options->fallback ? "on still, as a fallback" : "off");
}

static void show(const Plan *plan, const Options *options)
{
    g_autofree char *checks = plan->checks[0] ? g_strjoinv(", ", plan->checks) : g_strdup("none");

    for (int i = 0; i < plan->n_pairs; i++)
        show_pair(&plan->pair[i], options);
    printf("  checks    %s\n  confirm   %s\n  timeout   %" G_GINT64_FORMAT " s\n", checks,
           options->manual ? "manual" : "auto", options->timeout_ms / 1000);
    if (!options->manual)
        printf("  hold      %" G_GINT64_FORMAT " s\n", options->hold_ms / 1000);
    show_lines("warning", plan->warnings);
    show_lines("note", plan->notes);
    printf("Nothing was changed.\n");
}

/* Either candidates, or an edit, which has no other way back than its own old content. */
static gboolean fit_together(const struct words *words, int n_candidates, GError **error)
{
    const char *why = NULL;

    if (words->edit && !words->from)
        why = "--edit needs --from FILE, the new content as a keyfile.";
    else if (words->from && !words->edit)
        why = "--from goes with --edit PROFILE, the profile that gets this content.";
    else if (words->edit && n_candidates > 0)
        why = "--edit tries one profile's new content, and no other candidate.";
    else if (words->edit && (words->replaces || words->fallback))
        why = "--replace and --fallback are for candidates: an edit goes back to the profile's old content.";
    else if (!words->edit && n_candidates == 0)
        why = "name the candidate, or a profile to edit. See: nm-trial start --help";
    if (why)
        g_set_error(error, PLAN_ERROR, EXIT_USAGE, "%s", why);
    return !why;
}

static int start(VerbContext *context, const struct words *words, Options *options, char **candidates)
{
    gsize length = 0;
    g_autofree char *text = NULL;
    g_autoptr(GError) unreadable = NULL;

    if (words->from) {
        text = plan_read(words->from, &length, &unreadable);
        if (!text) {
            verb_error("%s: %s", words->from, unreadable->message);
            return unreadable->code;
        }
    }
    const struct plan_request request = {
        .edit = words->edit,
        .text = text,
        .length = length,
        .candidates = (const char *const *)candidates,
        .replaces = (const char *const *)words->replaces,
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
        return error->domain == PLAN_ERROR ? error->code : EXIT_FAILED;
    }
    if (words->dry_run) {
        show(plan, options);
        return verb_answered(EXIT_DONE);
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
    g_strfreev(words->replaces);
    g_free(words->timeout);
    g_free(words->hold);
    g_free(words->confirm);
    g_free(words->edit);
    g_free(words->from);
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
        {"replace", 0, 0, G_OPTION_ARG_STRING_ARRAY, &words.replaces,
         "Go back to this one; default: the active one", "PROFILE"},
        {"edit", 0, 0, G_OPTION_ARG_STRING, &words.edit, "No candidate: new content for this one", "PROFILE"},
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &words.from, "... a keyfile", "FILE"},
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

    if (verb_parse(&argc, &argv, entries, 0, TRIAL_PAIRS_MAX, "CANDIDATE... | --edit PROFILE --from FILE",
                   "Activates the stored profile CANDIDATE (UUID or id) on probation. Until it\n"
                   "is promoted, a reboot or power cut brings the replaced profile back. Several\n"
                   "candidates, one for a device, succeed or fail together. With --edit, PROFILE keeps\n"
                   "its UUID and gets FILE's content if that proves itself.\n\n"
                   "PROFILE: UUID or id; none: the device had no network. DUR: 90, 90s, 10m, 1h,\n"
                   "from 1s to 24h. Checks, by default: nm where it can be believed, else gateway.\n"
                   "Your own: an executable in " NM_TRIAL_CHECK_DIR ", by its name.\n"
                   "hold is half of timeout where 10s would be more.\n\nExamples:\n"
                   "  nm-trial start new-uplink --wait\n"
                   "  nm-trial start new-uplink --confirm manual     then: nm-trial confirm\n"
                   "  nm-trial start new-uplink --check gateway --hold 30s --dry-run\n"
                   "  nm-trial start br-new port-new --replace br --replace port\n"
                   "  nm-trial start --edit lan --from lan-with-new-gateway.nmconnection --wait")) {
        if (!fit_together(&words, argc - 1, &error) || !understand(&words, &options, &error))
            verb_usage(error);
        else
            status = verb_open(&context) ? start(&context, &words, &options, argv + 1) : EXIT_FAILED;
    }
    words_clear(&words);
    return status;
}

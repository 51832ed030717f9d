/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verbs.h"

#include "agent.h"
#include "boot.h"
#include "history.h"
#include "journal.h"
#include "names.h"
#include "profiles.h"
#include "store.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* Longer than anybody may hold it: a few NetworkManager calls of 3 s each. */
#define LOCK_WAIT_MS 15000

/* What is said with the lock in hand waits for its end: a terminal that takes no output must not keep it. */
static GString *held_back;

void verb_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *clean =
        journal_clean_to(message, JOURNAL_LINE_MAX); /* names of profiles, words of the command line */
    if (held_back)
        g_string_append_printf(held_back, "nm-trial: %s\n", clean);
    else
        fprintf(stderr, "nm-trial: %s\n", clean);
}

int verb_usage(const GError *error)
{
    verb_error("%s", error->message);
    return EXIT_USAGE;
}

int verb_answered(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    verb_error("the answer could not be written: %s", g_strerror(errno));
    return EXIT_FAILED;
}

gboolean verb_parse(int *argc, char ***argv, const GOptionEntry *entries, int least, int most,
                    const char *arguments, const char *help)
{
    const char *verb = (*argv)[0];
    g_autofree char *name = g_strdup_printf("nm-trial %s", verb);
    g_autoptr(GOptionContext) context = g_option_context_new(arguments);
    g_autoptr(GError) error = NULL;

    g_set_prgname(name); /* the first word of --help */
    g_option_context_set_description(context, help);
    if (entries)
        g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        verb_error("%s. See: nm-trial %s --help", error->message, verb);
        return FALSE;
    }
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        memmove(&(*argv)[1], &(*argv)[2], (size_t)(*argc - 1) * sizeof(char *));
        (*argc)--;
    }
    if (*argc - 1 < least || *argc - 1 > most) {
        verb_error("%s takes %s. See: nm-trial %s --help", verb, *arguments ? arguments : "no arguments",
                   verb);
        return FALSE;
    }
    return TRUE;
}

gboolean verb_root(void)
{
    if (geteuid() == 0)
        return TRUE;
    verb_error("this needs root: it reads and writes the system's network profiles. Try it with sudo.");
    return FALSE;
}

gboolean verb_open(VerbContext *context)
{
    if (!verb_root())
        return FALSE;
    /* On a read-only disk an existing one is fine; without one nothing works, and the lock says why. */
    (void)store_make_directory(NM_TRIAL_STATE_DIR, 0700, NULL);
    (void)g_mkdir_with_parents(NM_TRIAL_RUN_DIR, 0700);
    context->boot_id = engine_boot_id();
    context->network = network_new();
    profiles_choose();
    context->engine = (Engine){
        .state_dir = NM_TRIAL_STATE_DIR,
        .profile_dir = NM_TRIAL_PROFILE_DIR,
        .boot_id = context->boot_id,
        .network = context->network,
    };
    return TRUE;
}

void verb_close(VerbContext *context)
{
    engine_clear(&context->engine);
    g_clear_pointer(&context->network, network_free);
    g_clear_pointer(&context->boot_id, g_free);
}

static void job_control(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGTTIN);
    sigaddset(&set, SIGTTOU);
    (void)sigprocmask(how, &set, NULL);
}

int verb_lock(void)
{
    g_autoptr(GError) error = NULL;
    job_control(SIG_BLOCK);
    int lock = store_lock(NM_TRIAL_STATE_DIR, LOCK_WAIT_MS, &error);
    if (lock >= 0) {
        held_back = g_string_new(NULL);
        return lock;
    }
    job_control(SIG_UNBLOCK);
    verb_error("%s. Nothing was changed; try again.", error->message);
    return -1;
}

void verb_unlock(int lock)
{
    store_unlock(lock);
    job_control(SIG_UNBLOCK);
    g_autofree char *text = g_string_free(g_steal_pointer(&held_back), FALSE);
    fputs(text, stderr);
}

int verb_closed(const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonArray) history = history_load(NM_TRIAL_STATE_DIR, &error);
    JsonObject *entry = history ? history_find(history, id) : NULL;

    if (!history)
        verb_error("%s", error->message);
    if (!entry)
        return EXIT_NO_TRIAL;
    return history_promoted(entry) ? EXIT_DONE : EXIT_REVERTED;
}

int verb_agent(int argc, char **argv)
{
    gboolean exit_idle = FALSE;
    const GOptionEntry entries[] = {
        {"exit-idle", 0, 0, G_OPTION_ARG_NONE, &exit_idle, "Exit when no trial is open (for systemd)", NULL},
        {0}};

    if (!verb_parse(&argc, &argv, entries, 0, 0, "",
                    "Watches the open trial: NetworkManager's signals, the checks, the deadline.\n"
                    "Then tries what waits: changes of guarded profiles, deliveries.\n"
                    "systemd starts it with --exit-idle whenever a trial is open. Without systemd, in a\n"
                    "container for example, keep it running: it sees activations without the "
                    "dispatcher.\n\nExample:\n  nm-trial agent"))
        return EXIT_USAGE;
    return agent_main(NM_TRIAL_STATE_DIR, NM_TRIAL_RUN_DIR, NM_TRIAL_PROFILE_DIR, exit_idle);
}

int verb_boot(int argc, char **argv)
{
    if (!verb_parse(
            &argc, &argv, NULL, 0, 0, "",
            "Ends the trial of an earlier boot with files alone, before NetworkManager reads them,\n"
            "and puts back what is known good of guarded profiles that were changed.\n"
            "nm-trial-boot.service calls it; by hand it does nothing while a trial of this boot is open.\n\n"
            "Example:\n  nm-trial boot && exec NetworkManager --no-daemon     without systemd"))
        return EXIT_USAGE;
    return boot_main(NM_TRIAL_STATE_DIR, NM_TRIAL_PROFILE_DIR);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nm-trial: the table of verbs, and nothing else. */
#include "journal.h"
#include "names.h"
#include "verbs.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *summary;
} verbs[] = {
    {"start", verb_start, "CANDIDATE [OPTION...]", "try a profile"},
    {"stage", verb_stage, "FILE...", "store candidates' files, all or none; activates nothing"},
    {"confirm", verb_confirm, "[ID]", "keep the candidate for good"},
    {"cancel", verb_cancel, "[ID]", "go back now"},
    {"extend", verb_extend, "[ID] --timeout DUR", "a new deadline, from now"},
    {"wait", verb_wait, "[ID]", "wait for the verdict: exit 0 promoted, 5 reverted"},
    {"status", verb_status, "[--json]", "what is going on"},
    {"history", verb_history, "[--json]", "the last verdicts"},
    {"doctor", verb_doctor, "[--json]", "is this device set up so that a trial can be trusted?"},
    {"annotate", verb_annotate, "PROFILE [KEY=VALUE...]", "a profile's nm-trial.* keys"},
    {"guard", verb_guard, "[PROFILE...] [--off]", "every change of the profile becomes a trial"},
    {"agent", verb_agent, "[--exit-idle]", "watch the open trial (systemd's unit calls it)"},
    {"boot", verb_boot, "", "end an earlier boot's trial (systemd's unit calls it)"},
    {"event", verb_event, "[INTERFACE UUID]", "a profile came up (the dispatcher script calls it)"},
};

static void help(FILE *to)
{
    fprintf(to, "Usage: nm-trial VERB [ARGUMENT...]\n\n"
                "Tries a NetworkManager profile on probation. It is kept only when it proved itself; a "
                "failed check,\n"
                "a timeout, a crash, a reboot or a power cut brings the last good one back.\n\n");
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        fprintf(to, "  %-8s %-22s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
    fprintf(to,
            "\nExample:\n"
            "  nm-trial doctor                            before the first trial: is this device fit?\n"
            "  nm-trial start new-uplink --wait           promoted once the checks pass, else reverted\n"
            "  nm-trial start new-uplink --confirm manual then, over the new network: nm-trial confirm\n\n"
            "Exit codes: 0 done; 1 failed; 2 usage; 3 no trial open; 4 refused; 5 the trial was reverted.\n"
            "nm-trial VERB --help tells more; nm-trial --version the version.\n");
}

/* What is opened must not become the standard output of who closed it: doctor's answer was written into an
 * eventfd. */
static void open_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", O_RDWR); /* the lowest that is free */
}

/* Libraries take words from there: GIO_EXTRA_MODULES would have us load a file. Only what is meant for us
 * stays. */
static void clear_environment(void)
{
    static const char kept[][24] = {"DBUS_SYSTEM_BUS_ADDRESS",
                                    "NOTIFY_SOCKET",
                                    "WATCHDOG_",
                                    "NM_TRIAL_BOOT_ID",
                                    "SUDO_USER",
                                    "TERM=",
                                    "NO_COLOR="};
    char **to = environ;
    for (char **from = environ; *from; from++)
        for (gsize i = 0; i < G_N_ELEMENTS(kept); i++)
            if (g_str_has_prefix(*from, kept[i])) {
                *to++ = *from;
                break;
            }
    *to = NULL;
}

int main(int argc, char **argv)
{
    if (getauxval(AT_SECURE)) {
        fputs("nm-trial: must not be set-user-ID, nor have capabilities: chmod ug-s, setcap -r\n", stderr);
        return EXIT_FAILED;
    }
    open_standard_files();
    clear_environment();
    setlocale(LC_CTYPE, "C.UTF-8"); /* names are that, whoever calls */
    umask(077);                     /* whatever this writes is root's alone */
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2) { /* help VERB: VERB --help */
        argv[1] = argv[2];
        argv[2] = (char[]){"--help"};
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return verb_answered(EXIT_DONE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("nm-trial %s\n", NM_TRIAL_VERSION);
        return verb_answered(EXIT_DONE);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (strcmp(argv[1], verbs[i].name) == 0) {
            int status = verbs[i].run(argc - 1, argv + 1);
            journal_flush();
            return status;
        }
    verb_error("there is no verb \"%.40s\". See: nm-trial --help", argv[1]);
    return EXIT_USAGE;
}

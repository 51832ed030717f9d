/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wait: follows a trial to its end by its files alone; it needs neither NetworkManager nor the lock. */
#include "journal.h"
#include "names.h"
#include "os.h"
#include "verbs.h"
#include "view.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define REDRAW_MS 250 /* so that the countdown leaves out no second */

struct waiting {
    const char *id;
    GMainLoop *loop;
    char *shown;
    int status;
};

/* "trying, 48 s left; nm passing for 4 s" */
static GString *describe(const Record *record, JsonArray *checks, gboolean brief)
{
    g_autofree char *head = view_head(record, STDERR_FILENO, FALSE);
    GString *line = g_string_new(head);

    for (guint i = 0; i < json_array_get_length(checks); i++) {
        g_string_append(line, i == 0 ? "; " : ", ");
        view_add_check(line, json_array_get_object_element(checks, i), STDERR_FILENO, brief,
                       record->trial.n_pairs > 1);
    }
    if (record->trial.state == TRIAL_TRYING && record->trial.confirm == CONFIRM_MANUAL)
        g_string_append(line, ", to be confirmed");
    return line;
}

/* Why the first that fails does, as far as there is room. */
static void add_why(GString *line, JsonArray *checks)
{
    for (guint i = 0; i < json_array_get_length(checks); i++) {
        JsonObject *check = json_array_get_object_element(checks, i);
        if (strcmp(json_object_get_string_member_with_default(check, "state", ""), "failing") == 0) {
            g_autofree char *clean =
                journal_clean(json_object_get_string_member_with_default(check, "output", ""));
            g_string_append_printf(line, ": %s", clean);
            return;
        }
    }
}

/* On a terminal one line that changes, else a line for each change. */
static void draw(struct waiting *waiting, const Record *record)
{
    gboolean able = terminal_able(STDERR_FILENO);
    int columns = terminal_columns(STDERR_FILENO) - 1; /* behind the last one some go on in the next line */
    g_autoptr(JsonArray) checks = view_checks(record);
    g_autoptr(GString) line = describe(record, checks, !able);
    g_autofree char *text = NULL;

    if (able && !terminal_fits(line->str, columns)) {
        g_string_free(line, TRUE);
        line = describe(record, checks, TRUE);
    }
    if (able)
        add_why(line, checks);
    text = able ? terminal_fit(line->str, columns) : g_strdup(line->str);
    if (g_strcmp0(text, waiting->shown) == 0)
        return;
    fprintf(stderr, able ? "\r%s\033[K" : "%s\n", text);
    g_free(waiting->shown);
    waiting->shown = g_steal_pointer(&text);
}

/* The record is gone: the history has the verdict. */
static void finish(struct waiting *waiting)
{
    waiting->status = verb_closed(waiting->id);
    if (terminal_able(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    if (!view_verdict(waiting->id)) {
        verb_error("trial %s is over, but the history does not know how", waiting->id);
        waiting->status = EXIT_FAILED;
    }
    g_main_loop_quit(waiting->loop);
}

static void look(struct waiting *waiting)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Record) record = engine_load(NM_TRIAL_STATE_DIR, &error);

    if (error)
        return; /* being set aside, or the disk has a bad moment: the next look tells */
    if (record && strcmp(record->id, waiting->id) == 0)
        draw(waiting, record);
    else
        finish(waiting);
}

static gboolean on_redraw(gpointer data)
{
    look(data);
    return G_SOURCE_CONTINUE;
}

static gboolean on_files(int fd, GIOCondition condition, gpointer data)
{
    char buffer[4096];
    (void)condition;
    while (read(fd, buffer, sizeof buffer) > 0)
        ;
    look(data);
    return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(gpointer data)
{
    struct waiting *waiting = data;
    fprintf(stderr, "\nThe trial goes on without this. To go back: nm-trial cancel %s\n", waiting->id);
    waiting->status = EXIT_FAILED;
    g_main_loop_quit(waiting->loop);
    return G_SOURCE_CONTINUE;
}

int wait_for(const char *id)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    struct waiting waiting = {.id = id, .loop = loop};
    int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    if (inotify < 0 || inotify_add_watch(inotify, NM_TRIAL_STATE_DIR, IN_MOVED_TO | IN_DELETE) < 0) {
        verb_error("cannot watch %s: %s", NM_TRIAL_STATE_DIR, g_strerror(errno));
        return EXIT_FAILED;
    }
    (void)inotify_add_watch(inotify, NM_TRIAL_RUN_DIR, IN_MOVED_TO | IN_CLOSE_WRITE);
    guint files = g_unix_fd_add(inotify, G_IO_IN, on_files, &waiting);
    guint redraw = g_timeout_add(REDRAW_MS, on_redraw, &waiting);
    guint interrupt = g_unix_signal_add(SIGINT, on_interrupt, &waiting);
    waiting.status = -1;
    look(&waiting);
    if (waiting.status < 0)
        g_main_loop_run(loop);
    g_source_remove(files);
    g_source_remove(redraw);
    g_source_remove(interrupt);
    close(inotify);
    g_free(waiting.shown);
    return waiting.status;
}

int verb_wait(int argc, char **argv)
{
    g_auto(VerbContext) context = {0};
    g_autoptr(GError) error = NULL;
    if (!verb_parse(&argc, &argv, NULL, 0, 1, "[ID]",
                    "Waits for the verdict, with progress on stderr. Exit code 0: promoted; 5: reverted.\n"
                    "ID may be of a trial that is over.\n\nExample:\n  nm-trial wait && echo kept"))
        return EXIT_USAGE;
    if (!verb_open(&context))
        return EXIT_FAILED;
    g_autoptr(Record) record = engine_load(NM_TRIAL_STATE_DIR, &error);
    const char *id = argv[1];
    if (error) {
        verb_error("the record of a trial cannot be read: %s", error->message);
        return EXIT_FAILED;
    }
    if (record && (!id || strcmp(id, record->id) == 0))
        return wait_for(record->id);
    if (id && verb_closed(id) != EXIT_NO_TRIAL)
        return wait_for(id);
    if (!record) {
        verb_error("no trial is open. See: nm-trial history");
        return EXIT_NO_TRIAL;
    }
    verb_error("the open trial is %s, not %.40s. See: nm-trial status", record->id, id);
    return EXIT_REFUSED;
}

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

#define REDRAW_MS 1000

struct waiting {
    const char *id;
    GMainLoop *loop;
    gboolean terminal; /* one line that redraws; else a line for each change */
    char *shown;
    int status;
};

/* "trying  nm: passing  gateway: failing (no answer)" */
static char *describe(const Record *record)
{
    g_autoptr(JsonArray) checks = view_checks(record);
    GString *text = g_string_new(trial_state_name(record->trial.state));

    for (guint i = 0; i < json_array_get_length(checks); i++) {
        JsonObject *check = json_array_get_object_element(checks, i);
        g_string_append_printf(text, "  %s: %s",
                               json_object_get_string_member_with_default(check, "name", "?"),
                               json_object_get_string_member_with_default(check, "state", "?"));
    }
    if (record->trial.state != TRIAL_TRYING)
        g_string_append_printf(text, "  (%s)", trial_reason_name(record->trial.reason));
    else if (record->trial.confirm == CONFIRM_MANUAL)
        g_string_append(text, "  to be confirmed");
    return g_string_free(text, FALSE);
}

static void draw(struct waiting *waiting, const Record *record)
{
    g_autofree char *text = describe(record);
    gint64 left_ms = record->trial.deadline_ms - os.boottime_ms();

    if (waiting->terminal && record->trial.state == TRIAL_TRYING)
        fprintf(stderr, "\r\033[K%.64s  %" G_GINT64_FORMAT " s left", text, MAX(left_ms + 999, 0) / 1000);
    else if (waiting->terminal)
        fprintf(stderr, "\r\033[K%.78s", text);
    else if (g_strcmp0(text, waiting->shown) != 0)
        fprintf(stderr, "%s\n", text);
    g_free(waiting->shown);
    waiting->shown = g_steal_pointer(&text);
}

/* The record is gone: the history has the verdict. */
static void finish(struct waiting *waiting)
{
    g_autofree char *text = view_verdict(waiting->id);

    waiting->status = verb_closed(waiting->id);
    if (waiting->terminal)
        fprintf(stderr, "\r\033[K");
    if (text)
        printf("%s\n", text);
    else {
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
    struct waiting waiting = {.id = id, .loop = loop, .terminal = isatty(STDERR_FILENO) == 1};
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

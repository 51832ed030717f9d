/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* event: what NetworkManager's dispatcher calls. It must be quick and it decides nothing: it leaves word for
 * the agent, and has one started where there is none. */
#include "event.h"

#include "agent.h"
#include "journal.h"
#include "names.h"
#include "os.h"
#include "profile.h"
#include "store.h"
#include "takeover.h"
#include "verbs.h"

#include <glib/gstdio.h>
#include <net/if.h>
#include <string.h>

/* Behind the interface's name, which has no space in it. */
#define AGAIN " again"
#define SUMMON_MS 5000

static void event_free(gpointer data)
{
    Event *event = data;
    g_free(event->uuid);
    g_free(event->interface);
    g_free(event);
}

static char *file_of(const char *run_dir, const char *uuid)
{
    return g_build_filename(run_dir, NM_TRIAL_EVENTS, uuid, NULL);
}

gboolean event_post(const char *run_dir, const char *uuid, const char *interface, gboolean again,
                    GError **error)
{
    g_autofree char *path = file_of(run_dir, uuid), *directory = g_path_get_dirname(path);
    g_autofree char *text = g_strconcat(interface, again ? AGAIN : "", NULL);

    if (again && g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    (void)g_mkdir_with_parents(directory, 0700);
    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

/* As the kernel has it (dev_valid_name()). */
static gboolean is_interface(const char *text)
{
    gsize length = strlen(text);
    return length > 0 && length < IFNAMSIZ && strcspn(text, "/: \t\n\v\f\r\240") == length &&
           strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static Event *read_event(const char *run_dir, const char *uuid)
{
    g_autofree char *path = file_of(run_dir, uuid), *text = NULL;
    gsize length = 0;

    if (!profile_is_uuid(uuid) || !store_read_trusted(path, &text, &length, NULL))
        return NULL;
    gboolean again = g_str_has_suffix(text, AGAIN);
    if (again)
        text[length - strlen(AGAIN)] = '\0';
    if (!is_interface(text))
        return NULL;
    Event *event = g_new0(Event, 1);
    event->uuid = g_strdup(uuid);
    event->interface = g_steal_pointer(&text);
    event->again = again;
    return event;
}

GPtrArray *event_list(const char *run_dir)
{
    GPtrArray *events = g_ptr_array_new_with_free_func(event_free);
    g_autofree char *path = g_build_filename(run_dir, NM_TRIAL_EVENTS, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        Event *event = read_event(run_dir, name);
        if (event)
            g_ptr_array_add(events, event);
    }
    return events;
}

void event_forget(const char *run_dir, const char *uuid)
{
    g_autofree char *path = file_of(run_dir, uuid);
    (void)g_unlink(path);
}

static gboolean post(Network *network, const char *interface, const char *uuid)
{
    g_autoptr(GError) error = NULL;
    /* At once: what the agent sees later may be another NetworkManager's doing. */
    gboolean again = takeover_seen(network, interface);
    int lock = verb_lock();

    if (lock < 0)
        return FALSE;
    gboolean posted = event_post(NM_TRIAL_RUN_DIR, uuid, interface, again, &error);
    verb_unlock(lock);
    if (!posted)
        verb_error("%s", error->message);
    return posted;
}

/* An agent that lives sees the word that was left for it; one that was killed is started again. */
static int hand_over(Network *network)
{
    /* Again and again: one that is just going is still active to systemd. */
    if (agent_summon(network, NM_TRIAL_RUN_DIR, NULL, os.boottime_ms() + SUMMON_MS))
        return EXIT_DONE;
    journal_say(
        JOURNAL_TROUBLE, NULL, -1,
        "no agent runs, and none has come up: nobody watches the trial. See: systemctl status " NM_TRIAL_UNIT
        ", or keep `nm-trial agent` running");
    return EXIT_FAILED;
}

int verb_event(int argc, char **argv)
{
    g_auto(VerbContext) context = {0};

    if (!verb_parse(
            &argc, &argv, NULL, 0, 2, "[INTERFACE UUID]",
            "The dispatcher script calls it. With INTERFACE and UUID: that profile has come up there, "
            "and if it is\nan annotated candidate, or a guarded profile that was changed, a trial begins. "
            "Without: a trial is open; an agent "
            "that was killed is revived.\n\nExample:\n"
            "  nm-trial event eth0 1d0f8c8e-8a41-4d4e-9e39-9c1f0a6f1c55"))
        return EXIT_USAGE;
    if (argc == 2 || (argc == 3 && (!is_interface(argv[1]) || !profile_is_uuid(argv[2])))) {
        verb_error("event takes an interface's name and a profile's UUID, or nothing");
        return EXIT_USAGE;
    }
    if (!verb_open(&context) || (argc == 3 && !post(context.network, argv[1], argv[2])))
        return EXIT_FAILED;
    return hand_over(context.network);
}

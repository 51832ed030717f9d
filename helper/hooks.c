/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hooks.h"

#include "history.h"
#include "journal.h"
#include "names.h"
#include "own.h"

struct Hooks {
    const char *state_dir;
    Network *network;
    void (*changed)(gpointer data);
    gpointer changed_data;

    char *open;        /* the trial that was open at the last look */
    JsonObject *entry; /* the verdict that is told, NULL: none */
    Record about;      /* the same for the journal: its id and its verdict */
    GCancellable *running;
    guint limit;
    guint pending;
    gboolean ended; /* they have, and the history does not know yet */
    gboolean said;  /* ... and cannot be told, which the journal has */
};

struct hook {
    Hooks *hooks;
    char *name;
};

Hooks *hooks_new(const char *state_dir, Network *network, void (*changed)(gpointer data), gpointer data)
{
    Hooks *hooks = g_new0(Hooks, 1);
    hooks->state_dir = state_dir;
    hooks->network = network;
    hooks->changed = changed;
    hooks->changed_data = data;
    return hooks;
}

static void stop(Hooks *hooks)
{
    if (hooks->running)
        g_cancellable_cancel(hooks->running);
    g_clear_object(&hooks->running);
    g_clear_handle_id(&hooks->limit, g_source_remove);
}

void hooks_free(Hooks *hooks)
{
    stop(hooks);
    g_clear_pointer(&hooks->entry, json_object_unref);
    g_free(hooks->about.id);
    g_free(hooks->open);
    g_free(hooks);
}

/* FALSE: the disk does not take it. Until it does they would run again, so nothing else is run. */
static gboolean note_end(Hooks *hooks)
{
    g_autoptr(GError) error = NULL;

    if (!history_told(hooks->state_dir, hooks->about.id, &error)) {
        if (!hooks->said)
            journal_say(JOURNAL_TROUBLE, &hooks->about, -1, "%s", error->message);
        hooks->said = TRUE;
        return FALSE;
    }
    hooks->ended = hooks->said = FALSE;
    g_clear_pointer(&hooks->entry, json_object_unref);
    g_clear_pointer(&hooks->open, g_free); /* there may be more */
    return TRUE;
}

gboolean hooks_look(Hooks *hooks, const char *open)
{
    if (hooks->ended && !note_end(hooks))
        return TRUE;
    if (hooks->entry)
        return TRUE;
    if (open && g_strcmp0(open, hooks->open) == 0) /* no trial has ended since the last look */
        return FALSE;
    g_free(hooks->open);
    hooks->open = g_strdup(open);
    if (!g_file_test(NM_TRIAL_HOOK_DIR, G_FILE_TEST_IS_DIR))
        return FALSE;
    hooks->entry = history_untold(hooks->state_dir, open);
    if (hooks->entry) {
        g_free(hooks->about.id);
        hooks->about.id = g_strdup(history_text(hooks->entry, "id"));
        hooks->about.trial.state = history_promoted(hooks->entry) ? TRIAL_PROMOTING : TRIAL_REVERTING;
    }
    return hooks->entry != NULL;
}

static void one_less(Hooks *hooks)
{
    if (--hooks->pending > 0)
        return;
    stop(hooks);
    hooks->ended = TRUE;
    hooks->changed(hooks->changed_data);
}

static void on_ended(gpointer data, gboolean well, const char *words)
{
    struct hook *hook = data;

    journal_say(well ? JOURNAL_HOOK : JOURNAL_TROUBLE, &hook->hooks->about, -1, "hook %s%s: %s", hook->name,
                well ? "" : " failed", words);
    one_less(hook->hooks);
    g_free(hook->name);
    g_free(hook);
}

static gboolean on_limit(gpointer data)
{
    Hooks *hooks = data;

    hooks->limit = 0;
    g_cancellable_cancel(hooks->running);
    return G_SOURCE_REMOVE;
}

void hooks_run(Hooks *hooks)
{
    const char *name;

    if (!hooks->entry || hooks->running || hooks->ended)
        return;
    network_set_limit(hooks->network, 0);
    if (network_look(hooks->network, NULL) != NETWORK_READY)
        return;
    g_autoptr(GDir) directory = g_dir_open(NM_TRIAL_HOOK_DIR, 0, NULL);
    g_autofree char *id = g_strconcat("NM_TRIAL_ID=", history_text(hooks->entry, "id"), NULL);
    g_autofree char *verdict = g_strconcat("NM_TRIAL_VERDICT=", history_text(hooks->entry, "verdict"), NULL);
    g_autofree char *reason = g_strconcat("NM_TRIAL_REASON=", history_text(hooks->entry, "reason"), NULL);
    const char *const environment[] = {OWN_PATH, id, verdict, reason, NULL};

    hooks->running = g_cancellable_new();
    hooks->limit = g_timeout_add(OWN_LIMIT_MS, on_limit, hooks);
    hooks->pending = 1; /* this function's */
    while (directory && (name = g_dir_read_name(directory))) {
        if (*name == '.')
            continue;
        struct hook *hook = g_new(struct hook, 1);
        *hook = (struct hook){.hooks = hooks, .name = g_strdup(name)};
        hooks->pending++;
        own_run(NM_TRIAL_HOOK_DIR, name, environment, NULL, hooks->running, on_ended, hook);
    }
    one_less(hooks);
}

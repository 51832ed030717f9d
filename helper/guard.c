/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guard: from here on, every change of a profile is a trial, whoever makes it and with what tool. */
#include "good.h"
#include "journal.h"
#include "names.h"
#include "opening.h"
#include "plan.h"
#include "profiles.h"
#include "verbs.h"

#include <stdio.h>

/* What is looked up once for all profiles of the command line. */
typedef struct {
    Network *network;
    GPtrArray *profiles;
    GPtrArray *skipped;
    GPtrArray *list; /* Good */
    GString *said;   /* for stdout, once the lock is released */
} Guarding;

static void guarding_clear(Guarding *guarding)
{
    g_clear_pointer(&guarding->profiles, g_ptr_array_unref);
    g_clear_pointer(&guarding->skipped, g_ptr_array_unref);
    g_clear_pointer(&guarding->list, g_ptr_array_unref);
    if (guarding->said)
        g_string_free(guarding->said, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Guarding, guarding_clear)

static gboolean not_on_trial(const Profile *profile, GError **error)
{
    GError *unreadable = NULL;
    g_autoptr(Record) open = opening_open_trial(NM_TRIAL_STATE_DIR, &unreadable);

    if (unreadable) {
        g_propagate_error(error, unreadable);
        return FALSE;
    }
    for (int i = 0; open && i < open->trial.n_pairs; i++)
        if (strcmp(open->pair[i].candidate.uuid, profile->uuid) == 0)
            return plan_refuse(error,
                               "\"%s\" is on trial (%s): it is not known yet whether it is good. Confirm or "
                               "cancel the trial first.",
                               profile->id, open->id);
    return TRUE;
}

/* What would be refused when it is changed is refused now. NULL with `error`; caller frees. */
static Plan *plan_of(Network *network, const Profile *profile, GError **error)
{
    g_auto(Options) options = {0};
    const struct plan_request request = {
        .edit = profile->uuid,
        .text = profile->data,
        .length = profile->length,
        .options = &options,
        .profile_dir = NM_TRIAL_PROFILE_DIR,
        .state_dir = NM_TRIAL_STATE_DIR,
        .dry_run = TRUE,
    };
    return plan_new(&request, network, error);
}

/* What is known good must be what the device would boot with, and what it runs, if it runs it. */
static gboolean may_be_guarded(Network *network, const Profile *profile, GError **error)
{
    g_autoptr(Plan) plan = not_on_trial(profile, error) ? plan_of(network, profile, error) : NULL;

    return plan &&
           (!plan->pair[0].up_already ||
            plan_refuse(error,
                        "%s does not run what \"%s\" has stored now: it is not known whether that is good. "
                        "Activate it first: nmcli connection up %s",
                        plan->pair[0].device, profile->id, profile->uuid));
}

gboolean guard_profile(Network *network, const Profile *profile, GError **error)
{
    g_autoptr(GError) unknown = NULL;
    g_autoptr(GPtrArray) list = good_list(NM_TRIAL_STATE_DIR, &unknown);
    g_autoptr(Good) fresh = good_new(profile->path, profile->uuid);
    Good *good = good_of(list, profile->path, profile->uuid);
    g_autofree char *clean = journal_clean(profile->id);

    if (!may_be_guarded(network, profile, error))
        return FALSE;
    if (unknown) {
        g_propagate_error(error, g_steal_pointer(&unknown));
        return FALSE;
    }
    if (!good) /* what has failed of it before is remembered */
        good = fresh;
    good_set_content(good, profile->data, profile->length);
    if (!good_save(NM_TRIAL_STATE_DIR, good, error))
        return FALSE;
    journal_say(JOURNAL_GUARDED, NULL, -1, "\"%s\" is guarded from now on: what it has now is known good",
                clean);
    if (!network_profile_active(network, profile->uuid, NULL))
        verb_error("warning: \"%s\" is not active now: it has not shown that it works", clean);
    return TRUE;
}

static gboolean guard(Guarding *guarding, const char *name, GError **error)
{
    const Profile *profile = plan_find(guarding->profiles, guarding->skipped, name, error);
    g_autofree char *clean = profile ? journal_clean(profile->id) : NULL;

    if (!profile || !guard_profile(guarding->network, profile, error))
        return FALSE;
    g_string_append_printf(guarding->said, "\"%s\" is guarded: a change of it by any tool is tried first.\n",
                           clean);
    return TRUE;
}

/* The annotation would guard it again at its next activation. */
static gboolean take_annotation(const Profile *profile, GError **error)
{
    const struct profile_annotation none = {ANNOTATION_GUARD, NULL};
    gsize length = 0;

    if (!profile_annotation(profile, ANNOTATION_GUARD))
        return TRUE;
    g_autofree char *text = profile_with_annotations(profile, &none, 1, &length, error);
    return text && good_store(NM_TRIAL_STATE_DIR, profile->path, profile->uuid, text, length, error);
}

static gboolean unguard(Guarding *guarding, const char *name, GError **error)
{
    Good *found = NULL;
    g_autofree char *clean = journal_clean(name);

    for (guint i = 0; i < guarding->list->len; i++) {
        Good *good = guarding->list->pdata[i];
        g_autoptr(Profile) known = good_profile(good);
        if (strcmp(good->uuid, name) == 0 || (known && strcmp(known->id, name) == 0))
            found = good;
    }
    if (!found || !found->content)
        return plan_refuse(error, "\"%s\" is not guarded. See: nm-trial guard", clean);
    const Profile *profile = profile_by_uuid(guarding->profiles, found->uuid);
    const char *const paths[] = {profile ? profile->path : NULL, NULL};
    if ((profile && !take_annotation(profile, error)) || !good_forget(NM_TRIAL_STATE_DIR, found, error))
        return FALSE;
    if (profile) /* or NM would write the annotation back with the next change */
        (void)network_load(guarding->network, paths, NULL);
    journal_say(JOURNAL_GUARDED, NULL, -1, "\"%s\" is not guarded any more", clean);
    g_string_append_printf(guarding->said, "\"%s\" is not guarded any more.\n", clean);
    return TRUE;
}

static gboolean all_may_be_guarded(const Guarding *guarding, char **names, GError **error)
{
    for (; *names; names++) {
        const Profile *profile = plan_find(guarding->profiles, guarding->skipped, *names, error);
        if (!profile || !may_be_guarded(guarding->network, profile, error))
            return FALSE;
    }
    return TRUE;
}

static int change(VerbContext *context, char **names, gboolean off)
{
    g_auto(Guarding) guarding = {.network = context->network, .said = g_string_new(NULL)};
    g_autoptr(GError) error = NULL;
    gboolean done = TRUE;
    int lock = verb_lock();

    if (lock < 0)
        return EXIT_FAILED;
    (void)network_look(context->network, NULL);
    guarding.skipped = profile_skipped_new();
    guarding.profiles = profile_read_directory(NM_TRIAL_PROFILE_DIR, guarding.skipped);
    guarding.list = good_list(NM_TRIAL_STATE_DIR, &error);
    done = !error && (off || all_may_be_guarded(&guarding, names, &error));
    for (; *names && done; names++)
        done = off ? unguard(&guarding, *names, &error) : guard(&guarding, *names, &error);
    verb_unlock(lock);
    printf("%s", guarding.said->str);
    if (done)
        return EXIT_DONE;
    verb_error("%s", error->message);
    return error->domain == PLAN_ERROR ? error->code : EXIT_FAILED;
}

static int show(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = good_list(NM_TRIAL_STATE_DIR, &error);
    guint n = 0;

    if (error) {
        verb_error("%s", error->message);
        return EXIT_FAILED;
    }

    for (guint i = 0; i < list->len; i++) {
        const Good *good = list->pdata[i];
        g_autoptr(Profile) known = good_profile(good);
        g_autofree char *clean = journal_clean(known ? known->id : good->uuid);
        if (!good->content)
            continue;
        n++;
        printf("\"%s\" (%s)\n  known good since %s%s\n", clean, good->uuid, good->since ? good->since : "?",
               good->waiting ? "; a change of it waits to be tried" : "");
        if (good->failed->len > 0)
            printf("  %u other content%s failed\n", good->failed->len,
                   good->failed->len == 1 ? " has" : "s have");
    }
    if (n == 0)
        printf("No profile is guarded.\n");
    return verb_answered(EXIT_DONE);
}

int verb_guard(int argc, char **argv)
{
    g_auto(VerbContext) context = {0};
    gboolean off = FALSE;
    const GOptionEntry entries[] = {{"off", 0, 0, G_OPTION_ARG_NONE, &off, "Guard it no more", NULL}, {0}};

    if (!verb_parse(
            &argc, &argv, entries, 0, G_MAXINT, "[PROFILE...]",
            "Guards PROFILE (UUID or id): what it has now is known good, and whoever changes it from\n"
            "here on, with nmcli, an editor or a copy at boot, has started a trial of that change.\n"
            "Without PROFILE: shows what is guarded, and since when it is known good.\n\nExamples:\n"
            "  nm-trial guard lan\n"
            "  nmcli connection modify lan ipv4.gateway 192.0.2.1 && nmcli connection up lan\n"
            "  nm-trial guard lan --off"))
        return EXIT_USAGE;
    if (off && argc == 1) {
        verb_error("--off needs the profile that is to be guarded no more. See: nm-trial guard");
        return EXIT_USAGE;
    }
    if (!verb_open(&context))
        return EXIT_FAILED;
    return argc > 1 ? change(&context, argv + 1, off) : show();
}

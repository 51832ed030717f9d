/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* annotate: shows, sets and clears a profile's nm-trial.* keys, which nmcli can neither show nor edit. */
#include "good.h"
#include "journal.h"
#include "names.h"
#include "options.h"
#include "plan.h"
#include "profiles.h"
#include "store.h"
#include "verbs.h"

#include <stdio.h>

/* Written back by nm-trial, not for people to set. */
static const char *const written_back[] = {"state", "reason", NULL};

static const char *bare(const char *key)
{
    return g_str_has_prefix(key, ANNOTATION_PREFIX) ? key + strlen(ANNOTATION_PREFIX) : key;
}

/* What is to be set and removed, in the end: KEY and VALUE in turn, VALUE NULL: removed. */
typedef struct {
    struct profile_annotation list[OPTION_N_KEYS];
    gsize n;
} Changes;

static void changes_clear(Changes *changes)
{
    for (gsize i = 0; i < changes->n; i++)
        g_free((char *)changes->list[i].key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Changes, changes_clear)

/* One KEY=VALUE, or KEY= to remove it. */
static gboolean understand(const char *word, Changes *changes, GError **error)
{
    const char *equals = strchr(word, '=');
    g_autofree char *clean = journal_clean_to(word, 40);
    g_auto(Options) unused = {0};

    if (!equals || !g_utf8_validate(word, -1, NULL)) {
        g_set_error(error, PLAN_ERROR, EXIT_USAGE, "\"%s\" is not KEY=VALUE", clean);
        return FALSE;
    }
    g_autofree char *key = g_strndup(word, (gsize)(equals - word));
    if (g_strv_contains(written_back, bare(key))) {
        g_set_error(error, PLAN_ERROR, EXIT_USAGE, "nm-trial.%s is written by nm-trial itself", bare(key));
        return FALSE;
    }
    if ((equals[1] || !options_allowed(bare(key))) &&
        !options_set(&unused, OPTION_BY_PROFILE, bare(key), equals + 1, error)) {
        (*error)->code = EXIT_USAGE; /* a word of the command line after all */
        return FALSE;
    }
    g_autofree char *full = g_strconcat(ANNOTATION_PREFIX, bare(key), NULL);
    for (gsize i = 0; i < changes->n; i++)
        if (strcmp(changes->list[i].key, full) == 0) {
            g_set_error(error, PLAN_ERROR, EXIT_USAGE, "%s is given twice", full);
            return FALSE;
        }
    changes->list[changes->n].key = g_steal_pointer(&full); /* each key once: there is room */
    changes->list[changes->n++].value = equals[1] ? equals + 1 : NULL;
    return TRUE;
}

static int show(const Profile *profile)
{
    g_auto(GStrv) keys = profile_annotation_keys(profile);
    for (char **key = keys; *key; key++) {
        g_autofree char *clean = journal_clean_to(profile_annotation(profile, *key), 8192);
        printf("%s=%s\n", *key, clean);
    }
    return verb_answered(EXIT_DONE);
}

/* Whether a trial by these annotations would understand them, and find what they name. */
static gboolean makes_sense(const Profile *profile, GPtrArray *profiles, GPtrArray *skipped, GError **error)
{
    g_auto(Options) options = {0};
    const Profile *replaced = NULL;
    g_auto(GStrv) keys = profile_annotation_keys(profile);

    if (!*keys) /* nothing is asked for any more, whatever nm-trial.conf says */
        return TRUE;
    if (!options_take_profile(&options, profile, error) ||
        !options_take_file(&options, NM_TRIAL_CONF, error) ||
        !options_complete(&options, profile_type(profile), error))
        return FALSE;
    if (!options.replaces || strcmp(options.replaces, "none") == 0)
        return TRUE;
    replaced = plan_find(profiles, skipped, options.replaces, error);
    if (!replaced)
        return FALSE;
    if (strcmp(replaced->uuid, profile->uuid) == 0)
        return plan_refuse(error, "\"%s\" cannot replace itself.", profile->id);
    return replaced->autoconnect || plan_refuse(error,
                                                "\"%s\" has autoconnect off, so a reboot would not bring it "
                                                "back: nothing to go back to. "
                                                "Name the profile that the device has now.",
                                                replaced->id);
}

static gboolean not_on_trial(const Profile *profile, GError **error)
{
    g_autoptr(GError) unreadable = NULL;
    g_autoptr(Record) open = engine_load(NM_TRIAL_STATE_DIR, &unreadable);
    for (int i = 0; open && i < open->trial.n_pairs; i++)
        if (strcmp(open->pair[i].candidate.uuid, profile->uuid) == 0)
            return plan_refuse(error, "\"%s\" is on trial (%s). Confirm or cancel it first.", profile->id,
                               open->id);
    return TRUE;
}

static gboolean write_annotations(const Profile *profile, const struct profile_annotation *list, gsize n,
                                  GPtrArray *profiles, GPtrArray *skipped, GError **error)
{
    gsize length = 0;
    g_autofree char *text = profile_with_annotations(profile, list, n, &length, error);
    if (!text)
        return FALSE;
    g_autoptr(Profile) result = profile_parse(profile->path, g_memdup(text, length + 1), length, error);
    return result && makes_sense(result, profiles, skipped, error) &&
           good_store(NM_TRIAL_STATE_DIR, profile->path, profile->uuid, text, length, error);
}

/* What is on disk holds; NM follows, now or at its next start. Without the lock: NM may hang. */
static void load(Network *network, const Profile *profile)
{
    const char *paths[] = {profile->path, NULL};
    g_auto(NetworkProfile) known = {0};
    g_autofree char *why = NULL;

    if (network_look(network, &why) != NETWORK_READY || !network_load(network, paths, NULL))
        verb_error("written; NetworkManager reads it at its next start (%s)",
                   why ? why : "it does not answer");
    else if (network_get_profile(network, profile->uuid, &known, NULL) &&
             strcmp(known.filename, profile->path) != 0)
        verb_error("warning: NetworkManager uses another copy of \"%s\" (%s) than %s", profile->id,
                   known.filename, profile->path);
}

/* Whatever of ours it has. */
static gboolean write_cleared(const Profile *profile, GPtrArray *profiles, GPtrArray *skipped, GError **error)
{
    g_auto(GStrv) present = profile_annotation_keys(profile);
    gsize n = g_strv_length(present);
    g_autofree struct profile_annotation *list = g_new0(struct profile_annotation, n + 1);

    for (gsize i = 0; i < n; i++)
        list[i].key = present[i];
    return write_annotations(profile, list, n, profiles, skipped, error);
}

/* Returns what was changed, a profile of `profiles`; NULL with `error`. */
static const Profile *annotate(const char *name, const Changes *changes, gboolean clear, GPtrArray *profiles,
                               GPtrArray *skipped, GError **error)
{
    const Profile *profile = plan_find(profiles, skipped, name, error);

    if (!profile)
        return NULL;
    if (!profile_believed(profile))
        plan_refuse(error,
                    "\"%s\" belongs to a user (connection.permissions), so its annotations are not believed. "
                    "Make it the system's: nmcli connection modify %s connection.permissions ''",
                    profile->id, profile->uuid);
    else if (not_on_trial(profile, error) &&
             (clear ? write_cleared(profile, profiles, skipped, error)
                    : write_annotations(profile, changes->list, changes->n, profiles, skipped, error)))
        return profile;
    return NULL;
}

/* What is good now is not what comes up next: between the two somebody may change it. */
static void guard_if_asked(Network *network, const Profile *before)
{
    g_autoptr(GPtrArray) profiles = profile_read_directory(NM_TRIAL_PROFILE_DIR, NULL);
    const Profile *profile = profile_by_uuid(profiles, before->uuid);
    const char *guard = profile ? profile_annotation(profile, ANNOTATION_GUARD) : NULL;
    g_autoptr(GError) error = NULL;

    if (!guard || (strcmp(guard, "yes") != 0 && strcmp(guard, "true") != 0) || !profile->autoconnect)
        return; /* a candidate is guarded when it is promoted */
    (void)network_look(network, NULL);
    if (!guard_profile(network, profile, &error))
        verb_error("\"%s\" is not guarded yet, but once it has come up. %s", profile->id, error->message);
}

static int show_or_annotate(VerbContext *context, const char *name, const Changes *changes, gboolean clear)
{
    gboolean change = clear || changes->n > 0;
    int lock = change ? verb_lock() : 0;
    if (lock < 0)
        return EXIT_FAILED;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autoptr(GPtrArray) profiles = profile_read_directory(NM_TRIAL_PROFILE_DIR, skipped);
    const Profile *profile = change ? annotate(name, changes, clear, profiles, skipped, &error)
                                    : plan_find(profiles, skipped, name, &error);
    if (profile && change)
        guard_if_asked(context->network, profile);
    if (change)
        verb_unlock(lock);
    if (!profile) {
        verb_error("%s", error->message);
        return error->domain == PLAN_ERROR ? error->code : EXIT_FAILED;
    }
    if (!change)
        return show(profile);
    load(context->network, profile);
    return EXIT_DONE;
}

static gboolean understand_all(char **words, gboolean clear, Changes *changes, GError **error)
{
    if (clear && *words) {
        g_set_error(error, PLAN_ERROR, EXIT_USAGE, "--clear removes every key and takes no KEY=VALUE");
        return FALSE;
    }
    for (; *words; words++)
        if (!understand(*words, changes, error))
            return FALSE;
    return TRUE;
}

static int run(const char *name, char **words, gboolean clear)
{
    g_auto(VerbContext) context = {0};
    g_auto(Changes) changes = {0};
    g_autoptr(GError) error = NULL;

    if (!understand_all(words, clear, &changes, &error))
        return verb_usage(error);
    return verb_open(&context) ? show_or_annotate(&context, name, &changes, clear) : EXIT_FAILED;
}

int verb_annotate(int argc, char **argv)
{
    gboolean clear = FALSE;
    const GOptionEntry entries[] = {{"clear", 0, 0, G_OPTION_ARG_NONE, &clear, "Remove them all", NULL}, {0}};

    if (!verb_parse(
            &argc, &argv, entries, 1, G_MAXINT, "PROFILE [KEY=VALUE...]",
            "Shows the profile's nm-trial.* keys, or sets them durably. KEY= removes one.\n\n"
            "replaces  the profile to go back to (UUID or id), or none. Makes this profile an\n"
            "          annotated candidate: activating it by any means starts its trial\n"
            "start     up (the default); manual: only `nm-trial start` does; boot: the next boot does\n"
            "guard     yes: once it is up, or promoted, every change of it becomes a trial\n"
            "timeout, hold, confirm, checks, fallback\n"
            "          as the options of `nm-trial start`; several checks with ; between\n\nExamples:\n"
            "  nm-trial annotate new-uplink replaces=lan confirm=manual timeout=10m\n"
            "  nmcli connection up new-uplink     and then: nm-trial confirm"))
        return EXIT_USAGE;
    return run(argv[1], argv + 2, clear);
}

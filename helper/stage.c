/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stage: candidates' files become stored profiles, all or none, and nothing is activated. Every file is
 * looked at before the first byte is written. A power cut amid the renames leaves some of them: each is whole
 * and has autoconnect off, so it changes nothing of what the next boot brings up. */
#include "auto-default.h"
#include "good.h"
#include "history.h"
#include "journal.h"
#include "names.h"
#include "opening.h"
#include "plan.h"
#include "profiles.h"
#include "store.h"
#include "verbs.h"

#include <glib/gstdio.h>
#include <stdio.h>

/* With the suffix and a temporary file's prefix, it is still a name. */
#define NAME_LENGTH_MAX 200

/* One FILE on its way. */
typedef struct {
    const char *file; /* as the command line has it */
    Profile *profile; /* what it says, at the place where it goes */
    char *text;       /* its bytes as they are to be stored */
    gsize length;
    char *device;       /* interface name */
    const Profile *old; /* what is stored there now, NULL: nothing */
} Staged;

/* NM's automatic profile of a candidate's device. */
typedef struct {
    Profile *profile;
    char *run_path;
} AutoDefault;

/* All of them, and what they are held against. */
typedef struct {
    Network *network;
    GPtrArray *files;         /* Staged */
    GPtrArray *auto_defaults; /* AutoDefault */
    GPtrArray *stored;        /* Profile, of the directory */
    GPtrArray *skipped;       /* ... and what is in it and cannot be used */
    GPtrArray *elsewhere;     /* Profile, of the other directories */
    GPtrArray *guarded;       /* Good */
    JsonArray *history;       /* NULL: it cannot be read */
    Record *open;             /* the open trial, NULL: none */
} Staging;

static void staged_free(gpointer data)
{
    Staged *staged = data;
    g_clear_pointer(&staged->profile, profile_free);
    g_free(staged->text);
    g_free(staged->device);
    g_free(staged);
}

static void auto_default_free(gpointer data)
{
    AutoDefault *found = data;
    profile_free(found->profile);
    g_free(found->run_path);
    g_free(found);
}

static void staging_clear(Staging *staging)
{
    g_clear_pointer(&staging->files, g_ptr_array_unref);
    g_clear_pointer(&staging->auto_defaults, g_ptr_array_unref);
    g_clear_pointer(&staging->stored, g_ptr_array_unref);
    g_clear_pointer(&staging->skipped, g_ptr_array_unref);
    g_clear_pointer(&staging->elsewhere, g_ptr_array_unref);
    g_clear_pointer(&staging->guarded, g_ptr_array_unref);
    g_clear_pointer(&staging->history, json_array_unref);
    g_clear_pointer(&staging->open, record_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Staging, staging_clear)

/* Each FILE by itself: nothing of the device is asked yet. */

/* Where it goes. A name that NM passes over, or that no terminal shows as it is, is nobody's intention. */
static char *target_of(const char *file, GError **error)
{
    g_autofree char *name = g_path_get_basename(file), *clean = journal_clean(name);

    if (profile_ignored(name))
        plan_refuse(
            error, "NetworkManager passes over files of such a name (hidden, a backup, or a temporary file). "
                   "Rename it.");
    else if (strlen(name) > NAME_LENGTH_MAX || strcmp(name, clean) != 0)
        plan_refuse(error, "its name is too long, or has characters in it that cannot be shown. Rename it.");
    else
        return g_strconcat(NM_TRIAL_PROFILE_DIR "/", name,
                           g_str_has_suffix(name, KEYFILE_SUFFIX) ? "" : KEYFILE_SUFFIX, NULL);
    return NULL;
}

static gboolean understand(Staged *staged, GError **error)
{
    /* What became of it elsewhere says nothing here. */
    static const struct profile_flags fresh = {FALSE, PROFILE_KEEP_PRIORITY, PROFILE_NO_STATE, NULL};
    g_autofree char *path = target_of(staged->file, error);
    g_autoptr(GError) failure = NULL;
    gsize length = 0;
    char *data = path ? plan_read(staged->file, &length, error) : NULL;

    if (!data)
        return FALSE;
    staged->profile = profile_parse(path, data, length, &failure);
    if (staged->profile)
        staged->text = profile_with_flags(staged->profile, &fresh, &staged->length, &failure);
    return staged->text || plan_refuse(error, "it cannot be stored as %s", failure->message);
}

static gboolean annotations_allowed(const Profile *profile, GError **error)
{
    g_auto(Options) options = {0};
    return options_take_profile(&options, profile, error) &&
           options_take_file(&options, NM_TRIAL_CONF, error) &&
           options_complete(&options, profile_type(profile), error);
}

static gboolean take(Staged *staged, GError **error)
{
    return understand(staged, error) && plan_profile_suitable(staged->profile, error) &&
           plan_bound(staged->profile, &staged->device, error) && annotations_allowed(staged->profile, error);
}

/* Each FILE beside the others, and beside what the device has. */

static gboolean once(const Staging *staging, Staged *staged, GError **error)
{
    for (guint i = 0; i < staging->files->len; i++) {
        const Staged *other = staging->files->pdata[i];
        if (other == staged)
            return TRUE;
        if (strcmp(other->profile->uuid, staged->profile->uuid) == 0)
            return plan_refuse(error, "%s has the same UUID. Give one of them a UUID of its own.",
                               other->file);
        if (strcmp(other->profile->path, staged->profile->path) == 0)
            return plan_refuse(error, "%s would become the same file, %s. Rename one of them.", other->file,
                               other->profile->path);
    }
    return TRUE;
}

/* A trial rests on its profiles' files, even on those that are gone: it may write them again. */
static gboolean not_on_trial(const Staging *staging, Staged *staged, GError **error)
{
    for (int i = 0; staging->open && i < staging->open->trial.n_pairs; i++) {
        const struct record_profile *its[] = {&staging->open->pair[i].candidate,
                                              &staging->open->pair[i].replaced};
        for (gsize j = 0; j < G_N_ELEMENTS(its); j++)
            if (g_strcmp0(its[j]->uuid, staged->profile->uuid) == 0 ||
                g_strcmp0(its[j]->path, staged->profile->path) == 0)
                return plan_refuse(error, "\"%s\" is part of the open trial %s. Confirm or cancel it first.",
                                   its[j]->id, staging->open->id);
    }
    return TRUE;
}

static gboolean refuse_twin(const char *path, GError **error)
{
    return plan_refuse(error, "%s has the same UUID. Give this one a UUID and an id of its own.", path);
}

/* Of two files with one UUID, NM takes the newer one, whatever is in it. */
static gboolean no_twin(const Staging *staging, Staged *staged, GError **error)
{
    const GPtrArray *const places[] = {staging->stored, staging->elsewhere};
    const Profile *profile = staged->profile;

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
        for (guint j = 0; j < places[i]->len; j++) {
            const Profile *other = places[i]->pdata[j];
            if (strcmp(other->uuid, profile->uuid) == 0 && strcmp(other->path, profile->path) != 0)
                return refuse_twin(other->path, error);
        }
    for (guint i = 0; i < staging->skipped->len; i++) {
        const struct profile_skipped *other = staging->skipped->pdata[i];
        if (g_strcmp0(other->uuid, profile->uuid) == 0 && strcmp(other->path, profile->path) != 0)
            return refuse_twin(other->path, error);
    }
    return TRUE;
}

/* What is there already must be an earlier version of it. */
static gboolean no_other_file(const Staging *staging, Staged *staged, GError **error)
{
    const Profile *profile = staged->profile;
    GStatBuf there;

    for (guint i = 0; i < staging->stored->len; i++) {
        const Profile *old = staging->stored->pdata[i];
        if (strcmp(old->path, profile->path) != 0)
            continue;
        staged->old = old;
        return strcmp(old->uuid, profile->uuid) == 0 ||
               plan_refuse(error, "%s is another profile, \"%s\". Rename this file.", old->path, old->id);
    }
    return g_lstat(profile->path, &there) < 0 ||
           plan_refuse(error,
                       "%s is there and cannot be used as a profile. Remove it first, or rename this file.",
                       profile->path);
}

/* NM may know of more than the directories show: in memory, by a link, or deleted on disk. */
static gboolean known_to_nm(const Staging *staging, Staged *staged, GError **error)
{
    const Profile *profile = staged->profile;
    g_auto(NetworkProfile) known = {0};
    g_autoptr(GError) failure = NULL;

    if (network_get_profile(staging->network, profile->uuid, &known, &failure))
        return (staged->old && strcmp(known.filename, profile->path) == 0) ||
               plan_refuse(error,
                           "NetworkManager has a profile of that UUID already (%s). Give this one a UUID and "
                           "an id of its own.",
                           *known.filename ? known.filename : "in memory");
    if (g_error_matches(failure, BUS_ERROR, BUS_ERROR_GONE))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

/* Nothing that a boot, a device or a revert may count on is overwritten; it is not asked whose content is the
 * better one. */
static gboolean not_known_good(const Staging *staging, Staged *staged, GError **error)
{
    const Profile *profile = staged->profile;
    g_autoptr(GError) failure = NULL;
    const char *why = NULL;

    Good *good = good_of(staging->guarded, profile->path, profile->uuid);
    if (good && good->content)
        why = "is guarded";
    else if (staged->old && staged->old->autoconnect)
        why = "has autoconnect on";
    else if (staging->history && history_standing(staging->history, profile->uuid) == STANDING_GOOD)
        why = "was promoted, or gone back to, by the last trial of it";
    else if (staged->old && network_profile_active(staging->network, profile->uuid, &failure))
        why = "is active";
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    else if (why)
        plan_refuse(error,
                    "the profile of that UUID %s, and a known-good profile is not overwritten. Give this one "
                    "a UUID, an id and a file name of its own.",
                    why);
    else
        return TRUE;
    return FALSE;
}

static gboolean find_auto_default(const Staging *staging, Staged *staged, GError **error)
{
    g_autofree char *run_path = NULL;
    GError *failure = NULL;
    g_autoptr(Profile) profile =
        auto_default_find(staging->network, staged->device, NULL, &run_path, &failure);

    if (failure)
        g_propagate_error(error, failure);
    for (guint i = 0; profile && i < staging->auto_defaults->len; i++) {
        const AutoDefault *other = staging->auto_defaults->pdata[i];
        if (strcmp(other->run_path, run_path) == 0)
            return TRUE;
    }
    if (profile) {
        AutoDefault *found = g_new0(AutoDefault, 1);
        found->profile = g_steal_pointer(&profile);
        found->run_path = g_steal_pointer(&run_path);
        g_ptr_array_add(staging->auto_defaults, found);
    }
    return !failure;
}

static gboolean not_in_the_way(const Staging *staging, Staged *staged, GError **error)
{
    for (guint i = 0; i < staging->auto_defaults->len; i++) {
        const AutoDefault *found = staging->auto_defaults->pdata[i];
        if (strcmp(found->profile->path, staged->profile->path) == 0)
            return plan_refuse(error, "%s is where NetworkManager's \"%s\" is to be saved. Rename this file.",
                               staged->profile->path, found->profile->id);
    }
    return TRUE;
}

/* Every rule is asked of every file before the next one. */
static gboolean (*const rules[])(const Staging *staging, Staged *staged, GError **error) = {
    once,        not_on_trial,   no_twin,           no_other_file,
    known_to_nm, not_known_good, find_auto_default, not_in_the_way};

static gboolean look(Staging *staging, GError **error)
{
    for (gsize rule = 0; rule < G_N_ELEMENTS(rules); rule++)
        for (guint i = 0; i < staging->files->len; i++) {
            Staged *staged = staging->files->pdata[i];
            if (!rules[rule](staging, staged, error)) {
                g_prefix_error(error, "%s: ", staged->file);
                return FALSE;
            }
        }
    return TRUE;
}

static gboolean gather(Staging *staging, GError **error)
{
    static const char *const places[] = {NM_RUN_PROFILE_DIR, NM_LIB_PROFILE_DIR};
    g_autofree char *why = NULL;
    g_autoptr(GError) unreadable = NULL;

    if (profile_port == &profiles_dbus)
        return plan_refuse(error, "There is no " NM_TRIAL_PROFILE_DIR
                                  " here to store a file in. Store the candidate with: nmcli "
                                  "connection add ... autoconnect no");
    if (!plan_directory(NM_TRIAL_PROFILE_DIR, error))
        return FALSE;
    staging->open = opening_open_trial(NM_TRIAL_STATE_DIR, &unreadable);
    if (unreadable) {
        g_propagate_error(error, g_steal_pointer(&unreadable));
        return FALSE;
    }
    /* The open trial's verdict waits for nobody. */
    network_set_limit(staging->network, staging->open && staging->open->trial.state == TRIAL_TRYING
                                            ? staging->open->trial.deadline_ms
                                            : 0);
    if (network_look(staging->network, &why) != NETWORK_READY) {
        g_set_error(error, PLAN_ERROR, EXIT_FAILED, "%s", why);
        return FALSE;
    }
    staging->guarded = good_list(NM_TRIAL_STATE_DIR, &unreadable);
    if (unreadable) {
        g_propagate_error(error, g_steal_pointer(&unreadable));
        return FALSE;
    }
    staging->history = history_load(NM_TRIAL_STATE_DIR, NULL);
    staging->skipped = profile_skipped_new();
    staging->stored = profile_read_directory(NM_TRIAL_PROFILE_DIR, staging->skipped);
    staging->elsewhere = g_ptr_array_new_with_free_func((GDestroyNotify)profile_free);
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
        g_ptr_array_extend_and_steal(staging->elsewhere, profile_read_directory(places[i], NULL));
    return TRUE;
}

/* From here on it is written. */

static gboolean load(const Staging *staging, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    for (guint i = 0; i < staging->files->len; i++)
        g_ptr_array_add(paths, ((const Staged *)staging->files->pdata[i])->profile->path);
    g_ptr_array_add(paths, NULL);
    return network_load(staging->network, (const char *const *)paths->pdata, error);
}

/* That a file was loaded proves nothing about it: the profile must be there. */
static gboolean taken(const Staging *staging, GError **error)
{
    for (guint i = 0; i < staging->files->len; i++) {
        const Staged *staged = staging->files->pdata[i];
        g_auto(NetworkProfile) known = {0};
        g_autoptr(GError) failure = NULL;
        if (!network_get_profile(staging->network, staged->profile->uuid, &known, &failure) &&
            !g_error_matches(failure, BUS_ERROR, BUS_ERROR_GONE)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        if (g_strcmp0(known.filename, staged->profile->path) != 0)
            return plan_refuse(error, "%s: NetworkManager refuses it. Why: journalctl -u NetworkManager",
                               staged->file);
    }
    return TRUE;
}

static gboolean save_auto_defaults(const Staging *staging, GError **error)
{
    for (guint i = 0; i < staging->auto_defaults->len; i++) {
        const AutoDefault *found = staging->auto_defaults->pdata[i];
        if (!auto_default_save(found->profile, found->run_path, staging->network, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean install(const Staging *staging, GError **error)
{
    g_autoptr(GError) stays = NULL;
    g_autofree struct store_file *files = g_new0(struct store_file, staging->files->len);

    for (guint i = 0; i < staging->files->len; i++) {
        const Staged *staged = staging->files->pdata[i];
        files[i] = (struct store_file){.path = staged->profile->path,
                                       .data = staged->text,
                                       .length = staged->length,
                                       .old = staged->old ? staged->old->data : NULL,
                                       .old_length = staged->old ? staged->old->length : 0};
    }
    if (!save_auto_defaults(staging, error) || !store_write_all(files, staging->files->len, error))
        return FALSE;
    if (load(staging, error) && taken(staging, error))
        return TRUE;
    if (!store_undo_all(files, staging->files->len, &stays))
        g_prefix_error(error, "Taking back what was written failed (%s), after: ", stays->message);
    (void)load(staging, NULL);
    return FALSE;
}

static void say(const Staging *staging)
{
    for (guint i = 0; i < staging->auto_defaults->len; i++) {
        const AutoDefault *found = staging->auto_defaults->pdata[i];
        g_autofree char *id = journal_clean(found->profile->id), *path = journal_clean(found->profile->path);
        printf("saved \"%s\" as %s: NetworkManager makes it no more beside a stored profile\n", id, path);
    }
    for (guint i = 0; i < staging->files->len; i++) {
        const Staged *staged = staging->files->pdata[i];
        g_autofree char *id = journal_clean(staged->profile->id);
        printf("staged \"%s\" (%s) as %s\n  to try it: nm-trial start %s\n", id, staged->profile->uuid,
               staged->profile->path, staged->profile->uuid);
    }
}

static gboolean take_all(Staging *staging, char **files, GError **error)
{
    staging->files = g_ptr_array_new_with_free_func(staged_free);
    staging->auto_defaults = g_ptr_array_new_with_free_func(auto_default_free);
    for (char **file = files; *file; file++) {
        Staged *staged = g_new0(Staged, 1);
        staged->file = *file;
        g_ptr_array_add(staging->files, staged);
        if (!take(staged, error)) {
            g_prefix_error(error, "%s: ", *file);
            return FALSE;
        }
    }
    return TRUE;
}

static int stage(VerbContext *context, char **files)
{
    g_auto(Staging) staging = {.network = context->network};
    g_autoptr(GError) error = NULL;

    if (take_all(&staging, files, &error)) {
        int lock = verb_lock();
        if (lock < 0)
            return EXIT_FAILED;
        gboolean done = gather(&staging, &error) && look(&staging, &error) && install(&staging, &error);
        verb_unlock(lock);
        if (done) {
            say(&staging);
            return EXIT_DONE;
        }
    }
    if (g_error_matches(error, PLAN_ERROR, EXIT_REFUSED)) {
        verb_error("%s", error->message);
        return EXIT_REFUSED;
    }
    verb_error("%s. Nothing was staged.", error->message);
    return EXIT_FAILED;
}

int verb_stage(int argc, char **argv)
{
    g_auto(VerbContext) context = {0};
    if (!verb_parse(&argc, &argv, NULL, 1, G_MAXINT, "FILE [FILE...]",
                    "Stores keyfiles as profiles with autoconnect off, in " NM_TRIAL_PROFILE_DIR ",\n"
                    "under their own names, and has NetworkManager load them: all or none. When this has\n"
                    "returned 0, they survive a power cut. Nothing is activated. Staging again overwrites a\n"
                    "candidate, never a known-good profile.\n\nExample:\n"
                    "  nm-trial stage lan-new.nmconnection && nm-trial start lan-new --wait"))
        return EXIT_USAGE;
    return verb_open(&context) ? stage(&context, argv + 1) : EXIT_FAILED;
}

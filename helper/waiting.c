/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

#include "change.h"
#include "edit.h"
#include "journal.h"
#include "names.h"
#include "opening.h"
#include "settings.h"
#include "store.h"

#define STARTED_BY_CHANGE "a change of its file"
#define STARTED_BY_DELIVERY "its delivery"

static enum candidate_fate later(const GError *error)
{
    static char *said; /* the same again and again, on a disk that stays as it is */

    if (g_strcmp0(said, error->message) != 0)
        journal_say(JOURNAL_TROUBLE, NULL, -1, "%s", error->message);
    g_free(said);
    said = g_strdup(error->message);
    return CANDIDATE_LATER;
}

/* What waits for its turn */

/* A delivery's file may have been mended, or removed, while it waited: what is in it is what is tried. */
static gboolean follow_file(const Engine *engine, Good *good, GError **error)
{
    GError *failure = NULL;
    g_autoptr(Profile) now = good->content ? NULL : change_read(good, good->path, &failure);

    if (failure) {
        g_propagate_error(error, failure);
        return FALSE;
    }
    if (now)
        return change_remember(engine->state_dir, good, now, error);
    if (good->content)
        return TRUE;
    g_clear_pointer(&good->waiting, g_bytes_unref);
    return good_save(engine->state_dir, good, error);
}

/* Whether its turn has come: an edit does not take a device from the profile that it has, and what is bound
 * to a device that is not there (yet) waits for it. FALSE, with `error` where NM has said so. */
static gboolean is_its_turn(Engine *engine, const Good *good, GError **error)
{
    g_autoptr(Profile) content = good_parse(good, good->waiting);
    g_auto(NetworkDevice) device = {0};
    g_autofree char *name = NULL;

    if (!content || !plan_bound(content, &name, NULL)) /* the plan says what is wrong with it */
        return TRUE;
    if (!network_get_device(engine->network, name, &device, error))
        return FALSE;
    if (device.active_state == NM_ACTIVE_CONNECTION_STATE_ACTIVATING) { /* whoever does that is not cut off */
        g_set_error(error, BUS_ERROR, BUS_ERROR_LATER, "its device is being activated");
        return FALSE;
    }
    if (!good->content)
        return TRUE;
    g_autoptr(Profile) known = good_profile(good), own = change_read(good, good->path, NULL);
    if (!known || !own || !profile_same(known, own)) /* changed once more: that comes first */
        return FALSE;
    return !device.active_uuid || strcmp(device.active_uuid, good->uuid) == 0;
}

static enum candidate_fate open_trial(Engine *engine, const Good *good, GError **error)
{
    const char *const candidates[] = {good->uuid, NULL};
    gsize length = 0;
    const char *text = g_bytes_get_data(good->waiting, &length);
    struct plan_request request = {.candidates = candidates};

    if (good->content) {
        request.edit = good->uuid;
        request.text = text;
        request.length = length;
    }
    enum candidate_fate fate =
        opening_try(engine, &request, NULL, good->content ? STARTED_BY_CHANGE : STARTED_BY_DELIVERY, error);
    if (fate != CANDIDATE_LEFT)
        return fate;
    /* the disk may take it later, and another tool's checkpoint has an end */
    g_auto(GStrv) checkpoints = network_checkpoints(engine->network, NULL);
    return (*error)->domain == G_FILE_ERROR || (checkpoints && *checkpoints) ? CANDIDATE_LATER : fate;
}

static void forget_refused(const Engine *engine, Good *good, const GError *why)
{
    g_autoptr(Profile) profile = good_parse(good, good->waiting);
    g_autofree char *clean = journal_clean(profile ? profile->id : good->uuid);
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&good->waiting, g_bytes_unref);
    journal_say(JOURNAL_REFUSED, NULL, -1, "no trial of %s\"%s\": %s",
                good->content ? "the new content of " : "", clean, why->message);
    if (!good_save(engine->state_dir, good, &error))
        (void)later(error);
}

enum candidate_fate waiting_try(Engine *engine)
{
    g_autoptr(GError) unknown = NULL;
    g_autoptr(GPtrArray) list = good_list(engine->state_dir, &unknown);

    network_set_limit(engine->network, 0);
    for (guint i = 0; i < list->len; i++) {
        Good *good = list->pdata[i];
        g_autoptr(GError) error = NULL, failure = NULL;
        if (!good->waiting)
            continue;
        if (network_look(engine->network, NULL) != NETWORK_READY)
            return CANDIDATE_LATER;
        if (!follow_file(engine, good, &error))
            return later(error);
        if (good->waiting && is_its_turn(engine, good, &failure)) {
            enum candidate_fate fate = open_trial(engine, good, &error);
            if (fate != CANDIDATE_LEFT)
                return fate;
            forget_refused(engine, good, error);
        } else if (g_error_matches(failure, BUS_ERROR, BUS_ERROR_LATER))
            return CANDIDATE_LATER;
    }
    return unknown ? later(unknown) : CANDIDATE_LEFT;
}

/* What has come up */

/* The known-good content on its device again, if NM runs another one there. */
static void bring_back(Engine *engine, const Profile *known, GError **error)
{
    g_auto(NetworkProfile) profile = {0};
    g_auto(NetworkDevice) device = {0};
    g_autofree char *active = NULL, *name = NULL;

    if (!plan_bound(known, &name, NULL) || !network_get_device(engine->network, name, &device, error))
        return;
    g_autoptr(GVariant) settings = network_get_settings(engine->network, known->uuid, &profile, error);
    if (!settings)
        return;
    g_autoptr(GVariant) applied = network_applied(engine->network, device.object, NULL);
    if (g_strcmp0(device.active_uuid, known->uuid) != 0 || !applied || !settings_same(applied, settings))
        (void)network_activate(engine->network, profile.object, device.object, &active, error);
}

/* As the last word on what came up. */
static enum candidate_fate settle(Engine *engine, const Profile *known)
{
    g_autoptr(GError) error = NULL;
    bring_back(engine, known, &error);
    if (g_error_matches(error, BUS_ERROR, BUS_ERROR_LATER))
        return later(error);
    if (error) /* NM says no; its autoconnect has the device then */
        (void)later(error);
    return CANDIDATE_LEFT;
}

/* Puts the known-good content back, for NM too. */
static gboolean put_back(Engine *engine, const Good *good, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) strays = edit_strays(good->uuid, good->path, NM_RUN_PROFILE_DIR, error);
    if (!strays || !change_put_back(good, strays, paths, error))
        return FALSE;
    g_ptr_array_add(paths, NULL);
    return network_load(engine->network, (const char *const *)paths->pdata, error);
}

/* The file that says that the profile was up in this boot. Caller frees. */
static char *came_up(const char *uuid)
{
    return g_build_filename(NM_TRIAL_RUN_DIR, NM_TRIAL_CAME_UP, uuid, NULL);
}

/* Whether the profile comes up for the first time in this boot: then nobody has activated it but NM itself.
 */
static gboolean is_first(const Good *good)
{
    g_autofree char *path = came_up(good->uuid);
    return !g_file_test(path, G_FILE_TEST_EXISTS);
}

void waiting_mark_came_up(const char *uuid)
{
    g_autofree char *path = came_up(uuid), *directory = g_path_get_dirname(path);
    (void)g_mkdir_with_parents(directory, 0700);
    (void)g_file_set_contents_full(path, "", 0, G_FILE_SET_CONTENTS_NONE, 0600, NULL);
}

enum candidate_fate waiting_came_up(Engine *engine, Good *good, const char *filename, gboolean wait,
                                    gboolean coming, gboolean again)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Profile) known = good_profile(good);
    g_autoptr(Profile) content = change_read(good, filename, &error);
    gboolean unasked = is_first(good) || again;
    gboolean failed = content && unasked && good_failed(good, content);

    if (error)
        return later(error);
    if (!known)
        return CANDIDATE_LEFT;
    if (content && profile_same(content, known)) {
        waiting_mark_came_up(good->uuid);
        /* perhaps only since it was put back, and NM did not answer */
        return good->waiting || wait || coming ? CANDIDATE_LEFT : settle(engine, known);
    }
    if (!profile_connection(known)) /* NM does not take it (any more) */
        return CANDIDATE_LEFT;
    /* remembered first: a power cut in between must not lose it */
    if (content && !failed && !change_remember(engine->state_dir, good, content, &error))
        return later(error);
    if (!put_back(engine, good, &error))
        return later(error);
    waiting_mark_came_up(good->uuid);
    enum candidate_fate fate = CANDIDATE_LEFT;
    if (content && !failed && !wait) {
        if (coming) /* no event tells that it does not come up: what waits is looked at again */
            return CANDIDATE_LATER;
        fate = open_trial(engine, good, &error);
    }
    if (fate == CANDIDATE_OPENED)
        return fate;
    if (error && fate == CANDIDATE_LEFT)
        forget_refused(engine, good, error);
    g_autofree char *clean = journal_clean(known->id);
    journal_say(JOURNAL_CHANGED, NULL, -1,
                "the guarded profile \"%s\" was changed: put back to what is known good; %s", clean,
                failed                    ? "its trial was reverted before, and it is not tried again"
                : !content                ? "nothing in it could be tried"
                : wait                    ? "it will be tried as an edit when the open trial has ended"
                : fate == CANDIDATE_LATER ? "it will be tried as an edit when that is possible"
                                          : "it is not tried");
    return settle(engine, known);
}

/* What nobody could do before NetworkManager's start */

static char *mark_of(const char *run_dir)
{
    return g_build_filename(run_dir, NM_TRIAL_SWEPT, NULL);
}

void waiting_mark_done(const char *run_dir, const char *boot_id)
{
    g_autofree char *path = mark_of(run_dir);
    (void)g_mkdir_with_parents(run_dir, 0755);
    (void)g_file_set_contents_full(path, boot_id ? boot_id : "", -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
                                   NULL);
}

/* Those that run with what was put back under them; one that waits is activated by its trial. */
static gboolean bring_all_back(Engine *engine)
{
    g_autoptr(GError) unknown = NULL;
    g_autoptr(GPtrArray) list = good_list(engine->state_dir, &unknown);

    for (guint i = 0; i < list->len; i++) {
        const Good *good = list->pdata[i];
        g_autoptr(Profile) known = good_profile(good);
        if (known && !good->waiting && network_profile_active(engine->network, known->uuid, NULL))
            (void)settle(engine, known);
    }
    if (unknown)
        (void)later(unknown);
    return !unknown;
}

gboolean waiting_catch_up(Engine *engine, const char *run_dir)
{
    g_autofree char *path = mark_of(run_dir), *done = NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    gsize length = 0;

    if (store_read_trusted(path, &done, &length, NULL) && g_strcmp0(done, engine->boot_id) == 0)
        return TRUE;
    network_set_limit(engine->network, 0);
    if (network_look(engine->network, NULL) != NETWORK_READY) /* perhaps it is before its start still */
        return FALSE;
    gboolean well = change_sweep(engine->state_dir, engine->profile_dir, NM_RUN_PROFILE_DIR, paths);
    g_ptr_array_add(paths, NULL);
    if (paths->len > 1 && !network_load(engine->network, (const char *const *)paths->pdata, &error))
        (void)later(error);
    else if (paths->len > 1)
        well = bring_all_back(engine) && well;
    if (well)
        waiting_mark_done(run_dir, engine->boot_id);
    return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "auto-default.h"

#include "keyfile.h"
#include "names.h"
#include "plan.h"
#include "profiles.h"

#include <errno.h>
#include <glib/gstdio.h>

/* NMSettingsConnectionIntFlags of such a profile: generated, but neither volatile nor somebody else's. */
#define FLAG_GENERATED 0x2
#define FLAG_VOLATILE 0x4
#define FLAG_EXTERNAL 0x8

/* The profile as it is to be stored: without NM's notes on where it came from. */
static Profile *as_stored(const char *run_path, GError **error)
{
    g_autofree char *data = NULL, *name = g_path_get_basename(run_path);
    g_autofree char *path = g_build_filename(NM_TRIAL_PROFILE_DIR, name, NULL);
    gsize length = 0;

    if (!profile_port->read(run_path, &data, &length, error))
        return NULL;
    GString *text = g_string_new_len(data, (gssize)length);
    keyfile_remove_group(text, GROUP_META);
    length = text->len;
    return profile_parse(path, g_string_free(text, FALSE), length, error);
}

/* *ret: whether NM has the profile from that file, and made it up. FALSE with `error`: it does not tell. */
static gboolean is_generated(Network *network, const Profile *profile, gboolean *ret, GError **error)
{
    g_auto(NetworkProfile) known = {0};
    g_autoptr(GError) failure = NULL;

    *ret = FALSE;
    if (!network_get_profile(network, profile->uuid, &known, &failure)) {
        if (g_error_matches(failure, BUS_ERROR, BUS_ERROR_GONE))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    *ret = (known.flags & (FLAG_GENERATED | FLAG_VOLATILE | FLAG_EXTERNAL)) == FLAG_GENERATED &&
           strcmp(known.filename, profile->path) == 0;
    return TRUE;
}

Profile *auto_default_find(Network *network, const char *device, const char *name, char **ret_run_path,
                           GError **error)
{
    g_autoptr(GPtrArray) profiles = profile_read_directory(NM_RUN_PROFILE_DIR, NULL);
    g_autoptr(GError) failure = NULL;
    const Profile *found = NULL;

    for (guint i = 0; !found && i < profiles->len; i++) {
        const Profile *profile = profiles->pdata[i];
        gboolean generated = FALSE;
        if (!plan_fits(profile, device) || (name && !profile_named(profile, name)))
            continue;
        if (!is_generated(network, profile, &generated, error))
            return NULL;
        found = generated ? profile : NULL;
    }
    if (!found)
        return NULL;
    g_autoptr(Profile) stored = as_stored(found->path, &failure);
    if (!stored)
        plan_refuse(error, "%s cannot be saved: %s", found->path, failure->message);
    else if (g_file_test(stored->path, G_FILE_TEST_EXISTS))
        plan_refuse(error, "\"%s\" lives in /run only, and %s is in its way. Rename one of them.", stored->id,
                    stored->path);
    else {
        *ret_run_path = g_strdup(found->path);
        return g_steal_pointer(&stored);
    }
    return NULL;
}

gboolean auto_default_save(const Profile *profile, const char *run_path, Network *network, GError **error)
{
    const char *paths[] = {profile->path, run_path, NULL};

    if (!profile_port->write(profile->path, profile->data, profile->length, error))
        return FALSE;
    /* The one in /run wins as long as it is there. */
    if (g_unlink(run_path) < 0 && errno != ENOENT) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "removing %s: %s", run_path,
                    g_strerror(errno));
        return FALSE;
    }
    return network_load(network, paths, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NM's automatic "Wired connection": it lives in /run, and a stored candidate alone keeps NM from making it
 * again at the next boot. So before it is replaced on trial it becomes a stored profile like any other. */
#include "names.h"
#include "plan.h"
#include "store.h"

#include <errno.h>
#include <glib/gstdio.h>

#define GROUP_META ".nmmeta"
/* NMSettingsConnectionIntFlags of such a profile: generated, but neither volatile nor somebody else's. */
#define FLAG_GENERATED 0x2
#define FLAG_VOLATILE 0x4
#define FLAG_EXTERNAL 0x8

/* The profile as it is to be stored: without NM's notes on where it came from. */
static Profile *as_stored(const char *run_path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *data = NULL, *name = g_path_get_basename(run_path);
    g_autofree char *path = g_build_filename(NM_TRIAL_PROFILE_DIR, name, NULL);
    gsize length = 0;

    if (!store_read_trusted(run_path, &data, &length, error) ||
        !g_key_file_load_from_data(file, data, length, G_KEY_FILE_KEEP_COMMENTS, error))
        return NULL;
    (void)g_key_file_remove_group(file, GROUP_META, NULL);
    char *text = g_key_file_to_data(file, &length, NULL);
    return profile_parse(path, text, length, error);
}

gboolean plan_find_auto_default(Plan *plan, Network *network, const char *name, GError **error)
{
    g_auto(NetworkProfile) known = {0};
    g_autoptr(GError) failure = NULL;

    if (!plan->nm.active_uuid || !network_get_profile(network, plan->nm.active_uuid, &known, NULL) ||
        (known.flags & (FLAG_GENERATED | FLAG_VOLATILE | FLAG_EXTERNAL)) != FLAG_GENERATED ||
        !g_str_has_prefix(known.filename, "/run/"))
        return TRUE;
    g_autoptr(Profile) profile = as_stored(known.filename, &failure);
    if (!profile)
        return plan_refuse(error, "%s cannot be saved: %s", known.filename, failure->message);
    if (strcmp(name, profile->uuid) != 0 && strcmp(name, profile->id) != 0)
        return TRUE;
    if (g_file_test(profile->path, G_FILE_TEST_EXISTS))
        return plan_refuse(error, "\"%s\" lives in /run only, and %s is in its way. Rename one of them.",
                           profile->id, profile->path);
    g_ptr_array_add(plan->notes, g_strdup_printf("\"%s\" lives in /run only; it is saved as %s first",
                                                 profile->id, profile->path));
    plan->auto_default = g_strdup(known.filename);
    plan->replaced = g_steal_pointer(&profile);
    g_ptr_array_add(plan->profiles, plan->replaced);
    return TRUE;
}

gboolean plan_save_auto_default(const Plan *plan, Network *network, GError **error)
{
    const char *paths[] = {plan->replaced->path, plan->auto_default, NULL};

    if (!store_write(plan->replaced->path, plan->replaced->data, plan->replaced->length, error))
        return FALSE;
    /* The one in /run wins as long as it is there. */
    if (g_unlink(plan->auto_default) < 0 && errno != ENOENT) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "removing %s: %s",
                    plan->auto_default, g_strerror(errno));
        return FALSE;
    }
    return network_load(network, paths, error);
}

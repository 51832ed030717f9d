/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activations.h"

#include "event.h"
#include "good.h"
#include "names.h"
#include "settings.h"
#include "takeover.h"

#include <unistd.h>

struct Activations {
    char *nm_name; /* whose paths these are: a restarted NM counts them anew */
    char **seen;   /* those of the active connections that were looked at */
};

Activations *activations_new(void)
{
    return g_new0(Activations, 1);
}

void activations_free(Activations *activations)
{
    if (!activations)
        return;
    g_free(activations->nm_name);
    g_strfreev(activations->seen);
    g_free(activations);
}

gboolean activations_told_by_dispatcher(void)
{
    static const char *const scripts[] = {NM_DISPATCHER_DIR "/" NM_TRIAL_SCRIPT,
                                          NM_DISPATCHER_LIB_DIR "/" NM_TRIAL_SCRIPT};
    return access(scripts[0], F_OK) == 0 || access(scripts[1], F_OK) == 0;
}

/* As the script looks at a profile's file: anything else would fill the journal with what does not concern
 * us. */
static gboolean concerns_us(Engine *engine, const char *uuid)
{
    g_auto(NetworkProfile) profile = {0};
    g_autoptr(GError) unknown = NULL;
    g_autoptr(GPtrArray) list = good_list(engine->state_dir, &unknown);

    g_autoptr(GVariant) settings = network_get_settings(engine->network, uuid, &profile, NULL);
    if (!settings)
        return FALSE;
    g_autofree char *replaces = settings_annotation(settings, ANNOTATION_REPLACES);
    g_autofree char *guard = settings_annotation(settings, ANNOTATION_GUARD);
    return replaces || guard || unknown || good_of(list, profile.filename, uuid);
}

/* TRUE: it need not be looked at again. */
static gboolean look(Engine *engine, const char *run_dir, const char *path)
{
    g_autofree char *uuid = NULL, *interface = NULL;

    if (!network_activation(engine->network, path, &uuid, &interface))
        return FALSE;
    if (concerns_us(engine, uuid))
        (void)event_post(run_dir, uuid, interface, takeover_seen(engine->network, interface), NULL);
    return TRUE;
}

void activations_look(Activations *activations, Engine *engine, const char *run_dir)
{
    g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) paths = NULL;

    if (network_look(engine->network, NULL) != NETWORK_READY ||
        !(paths = network_activations(engine->network)))
        return;
    gboolean same = g_strcmp0(activations->nm_name, network_nm_name(engine->network)) == 0;
    for (char **path = paths; *path; path++)
        if ((same && g_strv_contains((const char *const *)activations->seen, *path)) ||
            look(engine, run_dir, *path))
            g_ptr_array_add(seen, g_strdup(*path));
    g_free(activations->nm_name);
    activations->nm_name = g_strdup(network_nm_name(engine->network));
    g_strfreev(activations->seen);
    g_ptr_array_add(seen, NULL);
    activations->seen = (char **)g_ptr_array_free(g_steal_pointer(&seen), FALSE);
}

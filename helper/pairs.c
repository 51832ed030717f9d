/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which candidate goes with which device, and which profile it replaces there. */
#include "auto-default.h"
#include "edit.h"
#include "libnm.h"
#include "names.h"
#include "plan.h"
#include "profiles.h"
#include "settings.h"

/* Another file with the profile's UUID would win or lose by its time: refuse rather than guess. */
static gboolean only_one(GPtrArray *profiles, const Profile *profile, GError **error)
{
    for (guint i = 0; i < profiles->len; i++) {
        const Profile *other = profiles->pdata[i];
        if (other != profile && strcmp(other->uuid, profile->uuid) == 0)
            return plan_refuse(error, "%s and %s have the same UUID: remove one of the files.", profile->path,
                               other->path);
    }
    return TRUE;
}

/* The device */

static gboolean has_address(const char *interface, const char *address)
{
    g_autofree char *path = g_build_filename("/sys/class/net", interface, "address", NULL);
    g_autofree char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) &&
           g_ascii_strncasecmp(g_strstrip(text), address, strlen(address) + 1) == 0;
}

/* The one interface with that hardware address; NULL: none, or several. Caller frees. */
static char *by_address(const char *address)
{
    g_autoptr(GDir) dir = g_dir_open("/sys/class/net", 0, NULL);
    const char *name;
    char *found = NULL;
    int n = 0;
    while (dir && (name = g_dir_read_name(dir)))
        if (has_address(name, address)) {
            g_free(found);
            found = g_strdup(name);
            n++;
        }
    if (n != 1)
        g_clear_pointer(&found, g_free);
    return found;
}

static const char *hardware_address(const Profile *profile)
{
    NMConnection *connection = profile_connection(profile);
    if (!connection)
        return NULL;
    NMSettingWired *wired = libnm()->connection_get_setting_wired(connection);
    NMSettingWireless *wireless = libnm()->connection_get_setting_wireless(connection);
    return wired      ? libnm()->setting_wired_get_mac_address(wired)
           : wireless ? libnm()->setting_wireless_get_mac_address(wireless)
                      : NULL;
}

/* The interface that the profile is bound to, by name, by address or by both; NULL: not to exactly one.
 * Caller frees. */
static char *device_of(const Profile *profile)
{
    const char *address = hardware_address(profile);
    if (profile_interface(profile))
        return !address || has_address(profile_interface(profile), address)
                   ? g_strdup(profile_interface(profile))
                   : NULL;
    return address ? by_address(address) : NULL;
}

gboolean plan_fits(const Profile *profile, const char *interface)
{
    const char *address = hardware_address(profile);
    return (!profile_interface(profile) || strcmp(profile_interface(profile), interface) == 0) &&
           (!address || has_address(interface, address));
}

gboolean plan_bound(const Profile *profile, char **ret_device, GError **error)
{
    *ret_device = device_of(profile);
    return *ret_device ||
           plan_refuse(error,
                       "\"%s\" is not bound to exactly one device (by name or MAC). Bind it: set "
                       "connection.interface-name to the device's name.",
                       profile->id);
}

static gboolean find_device(PlanPair *pair, Network *network, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!plan_bound(pair->candidate, &pair->device, error))
        return FALSE;
    if (network_get_device(network, pair->device, &pair->nm, &failure))
        return TRUE;
    if (g_error_matches(failure, BUS_ERROR, BUS_ERROR_LATER))
        return plan_later(error, failure);
    return plan_refuse(error, "NetworkManager knows no device %s, which \"%s\" is for. See: nmcli device",
                       pair->device, pair->candidate->id);
}

/* The profile's id, where it is known; people do not know UUIDs by heart. */
static const char *label(const Plan *plan, const char *uuid)
{
    const Profile *profile = profile_by_uuid(plan->profiles, uuid);
    return profile ? profile->id : uuid;
}

/* NM's automatic profile is stored by the time that it is needed. FALSE: it is meant, and cannot be. */
static gboolean find_auto_default(Plan *plan, PlanPair *pair, Network *network, const char *name,
                                  GError **error)
{
    g_autoptr(GError) failure = NULL;

    pair->replaced = auto_default_find(network, pair->device, name, &pair->auto_default, &failure);
    if (pair->replaced) {
        g_ptr_array_add(plan->notes, g_strdup_printf("\"%s\" lives in /run only; it is saved as %s first",
                                                     pair->replaced->id, pair->replaced->path));
        g_ptr_array_add(plan->profiles, pair->replaced);
    }
    if (!failure)
        return TRUE;
    if (failure->domain == BUS_ERROR)
        return plan_later(error, failure);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

/* A new uplink: a revert leaves the device without a network. */
static gboolean no_replaced(const Plan *plan, const PlanPair *pair, GError **error)
{
    const char *active = pair->nm.active_uuid;
    return !active || strcmp(active, pair->candidate->uuid) == 0 ||
           plan_refuse(error,
                       "%s has a network now (profile \"%s\"): --replace none (nm-trial.replaces=none) is "
                       "for a device that has "
                       "none. Name that profile instead.",
                       pair->device, label(plan, active));
}

static gboolean no_itself(const PlanPair *pair, const char *name, gboolean given, GError **error)
{
    if (!name)
        return plan_refuse(
            error,
            "No profile is active on %s. Name the one to go back to: --replace PROFILE, or --replace none "
            "to go back to no network on it.",
            pair->device);
    return !profile_named(pair->candidate, name) ||
           plan_refuse(
               error,
               given ? "\"%s\" is the candidate itself. Name the profile to go back to: --replace PROFILE"
                     : "\"%s\" is what %s has now: nothing to try. If it is on trial all the same, name the "
                       "profile to go back to: --replace PROFILE",
               pair->candidate->id, pair->device);
}

/* `given`: by the command line or the candidate's annotation; NULL: what is active now. */
static gboolean find_replaced(Plan *plan, PlanPair *pair, const char *given, GPtrArray *skipped,
                              Network *network, GError **error)
{
    g_autofree char *device = NULL;
    const char *name = given ? given : pair->nm.active_uuid;

    if (g_strcmp0(given, "none") == 0)
        return no_replaced(plan, pair, error);
    if (!no_itself(pair, name, given != NULL, error) || !find_auto_default(plan, pair, network, name, error))
        return FALSE;
    if (!pair->replaced)
        pair->replaced = plan_find(plan->profiles, skipped, name, error);
    if (!pair->replaced || !only_one(plan->profiles, pair->replaced, error) ||
        !plan_bound(pair->replaced, &device, error))
        return FALSE;
    return strcmp(device, pair->device) == 0 ||
           plan_refuse(error, "\"%s\" is for %s, \"%s\" for %s. They must be for the same device.",
                       pair->candidate->id, pair->device, pair->replaced->id, device);
}

/* The pairs */

static gboolean one_for_each_device(const Plan *plan, const PlanPair *pair, GError **error)
{
    for (const PlanPair *other = plan->pair; other < pair; other++)
        if (strcmp(other->device, pair->device) == 0)
            return plan_refuse(error,
                               "\"%s\" and \"%s\" are both for %s. A trial has one candidate for a device.",
                               other->candidate->id, pair->candidate->id, pair->device);
    return TRUE;
}

/* Controllers first, then ports by name: the order in which they are activated. */
static gboolean comes_before(const PlanPair *a, const PlanPair *b)
{
    if (!a->judged && !b->judged)
        return strcmp(a->device, b->device) < 0;
    return a->judged && !b->judged;
}

static void sort(Plan *plan)
{
    for (int i = 1; i < plan->n_pairs; i++)
        for (int j = i; j > 0 && comes_before(&plan->pair[j], &plan->pair[j - 1]); j--) {
            PlanPair pair = plan->pair[j];
            plan->pair[j] = plan->pair[j - 1];
            plan->pair[j - 1] = pair;
        }
}

gboolean plan_find_candidates(Plan *plan, const char *const *names, GPtrArray *skipped, Network *network,
                              GError **error)
{
    for (; *names; names++) {
        if (plan->n_pairs == TRIAL_PAIRS_MAX)
            return plan_refuse(error, "A trial has %d candidates at most.", TRIAL_PAIRS_MAX);
        PlanPair *pair = &plan->pair[plan->n_pairs];
        pair->candidate = plan_find(plan->profiles, skipped, *names, error);
        if (!pair->candidate)
            return FALSE;
        plan->n_pairs++;
        pair->judged = !plan_controller(pair->candidate);
        if (!only_one(plan->profiles, pair->candidate, error) || !find_device(pair, network, error) ||
            !one_for_each_device(plan, pair, error))
            return FALSE;
        pair->up_already = g_strcmp0(pair->nm.active_uuid, pair->candidate->uuid) == 0;
    }
    sort(plan);
    return TRUE;
}

/* Somebody's own version until the next boot: it would be taken for ours, and go with it. */
static gboolean no_shadow(const Profile *content, GError **error)
{
    g_autoptr(GPtrArray) run = profile_read_directory(NM_RUN_PROFILE_DIR, NULL);
    const Profile *shadow = profile_by_uuid(run, content->uuid);
    return (!shadow && !g_file_test(content->path, G_FILE_TEST_EXISTS)) ||
           plan_refuse(error,
                       "\"%s\" has another version until the next boot (%s), by another tool. Save it (nmcli "
                       "connection modify %s connection.autoconnect yes), or remove that file and: nmcli "
                       "connection load %s",
                       content->id, shadow ? shadow->path : content->path, content->uuid,
                       shadow ? shadow->path : content->path);
}

/* A changed guarded profile was activated before its trial: a checkpoint would save the change. */
static gboolean runs_other_content(const PlanPair *pair, Network *network)
{
    g_auto(NetworkProfile) known = {0};

    if (g_strcmp0(pair->nm.active_uuid, pair->candidate->uuid) != 0)
        return FALSE;
    g_autoptr(GVariant) settings = network_get_settings(network, pair->candidate->uuid, &known, NULL);
    g_autoptr(GVariant) applied = settings ? network_applied(network, pair->nm.object, NULL) : NULL;
    return applied && !settings_same(applied, settings);
}

gboolean plan_find_edit(Plan *plan, const struct plan_request *request, GPtrArray *skipped, Network *network,
                        GError **error)
{
    PlanPair *pair = &plan->pair[0];

    pair->replaced = plan_find(plan->profiles, skipped, request->edit, error);
    if (!pair->replaced || !only_one(plan->profiles, pair->replaced, error))
        return FALSE;
    pair->candidate = edit_parse(pair->replaced, NM_RUN_PROFILE_DIR, request->text, request->length, error);
    if (!pair->candidate)
        return FALSE;
    plan->n_pairs = 1;
    pair->edit = TRUE;
    pair->judged = !plan_controller(pair->candidate);
    if (!no_shadow(pair->candidate, error) || !find_device(pair, network, error))
        return FALSE;
    pair->up_already = runs_other_content(pair, network);
    return TRUE;
}

/* Whether a --replace of a trial of several is meant for that pair: the profile is for its device. */
static gboolean meant_for(const Plan *plan, const PlanPair *pair, const char *name, Network *network)
{
    g_autofree char *run_path = NULL;

    if (strcmp(name, "none") == 0)
        return !pair->nm.active_uuid;
    for (guint i = 0; i < plan->profiles->len; i++) {
        const Profile *profile = plan->profiles->pdata[i];
        g_autofree char *device = profile_named(profile, name) ? device_of(profile) : NULL;
        if (g_strcmp0(device, pair->device) == 0)
            return TRUE;
    }
    g_autoptr(Profile) generated = auto_default_find(network, pair->device, name, &run_path, NULL);
    return generated != NULL;
}

/* What the candidate's annotation names; where that was replaced by another one of the kind since, that one.
 * NULL: it names none. */
static const char *annotated(Plan *plan, const PlanPair *pair)
{
    const char *name = profile_annotation(pair->candidate, ANNOTATION_REPLACES);
    const Profile *active =
        pair->nm.active_uuid ? profile_by_uuid(plan->profiles, pair->nm.active_uuid) : NULL;
    const char *its = active && active->autoconnect ? profile_annotation(active, ANNOTATION_REPLACES) : NULL;

    if (!name || !its || strcmp(its, name) != 0 || active == pair->candidate || !profile_believed(active) ||
        g_strcmp0(profile_annotation(active, ANNOTATION_STATE), "promoted") != 0)
        return name;
    g_ptr_array_add(plan->notes,
                    g_strdup_printf("\"%s\" has taken the place of \"%s\" already: it is what is replaced",
                                    active->id, name));
    return active->uuid;
}

gboolean plan_find_replaced(Plan *plan, const char *const *names, GPtrArray *skipped, Network *network,
                            GError **error)
{
    const char *given[TRIAL_PAIRS_MAX] = {NULL};

    for (; names && *names; names++) {
        int i = 0;
        while (i < plan->n_pairs &&
               (given[i] || (plan->n_pairs > 1 && !meant_for(plan, &plan->pair[i], *names, network))))
            i++;
        if (i == plan->n_pairs)
            return plan_refuse(
                error, "--replace %s: no candidate of this trial is for its device, or is left.", *names);
        given[i] = *names;
    }
    for (int i = 0; i < plan->n_pairs; i++) {
        PlanPair *pair = &plan->pair[i];
        if (!given[i])
            given[i] = annotated(plan, pair);
        if (!find_replaced(plan, pair, given[i], skipped, network, error))
            return FALSE;
    }
    return TRUE;
}

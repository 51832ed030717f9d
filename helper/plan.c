/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

#include "auto-default.h"
#include "check-own.h"
#include "checks.h"
#include "journal.h"
#include "names.h"
#include "os.h"
#include "storage.h"

G_DEFINE_QUARK(nm_trial_plan_error_quark, plan_error)

gboolean plan_refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (error)
        *error = g_error_new_valist(PLAN_ERROR, EXIT_REFUSED, format, arguments);
    va_end(arguments);
    return FALSE;
}

void plan_free(Plan *plan)
{
    if (!plan)
        return;
    g_clear_pointer(&plan->profiles, g_ptr_array_unref);
    g_clear_pointer(&plan->notes, g_ptr_array_unref);
    g_clear_pointer(&plan->warnings, g_ptr_array_unref);
    network_device_clear(&plan->nm);
    g_strfreev(plan->checks);
    g_free(plan->auto_default);
    g_free(plan->device);
    g_free(plan);
}

/* Profiles by name */

static gboolean named(const char *name, const char *uuid, const char *id)
{
    return g_strcmp0(name, uuid) == 0 || g_strcmp0(name, id) == 0;
}

/* A file that was passed over, but is the one that is meant: its own fault is the best answer. */
static gboolean refuse_skipped(GPtrArray *skipped, const char *name, GError **error)
{
    for (guint i = 0; i < skipped->len; i++) {
        const struct profile_skipped *entry = skipped->pdata[i];
        g_autofree char *base = g_path_get_basename(entry->path);
        if (g_str_has_suffix(base, KEYFILE_SUFFIX))
            base[strlen(base) - strlen(KEYFILE_SUFFIX)] = '\0';
        if (named(name, entry->uuid, entry->id) || strcmp(name, base) == 0)
            return plan_refuse(
                error,
                "%s cannot be used: %s. NetworkManager needs a complete keyfile there, owned by root, "
                "mode 0600, and no symbolic link.",
                entry->path, entry->why);
    }
    return TRUE;
}

/* Profiles that would not be there, or not the same, after a reboot. */
static gboolean refuse_elsewhere(const char *name, GError **error)
{
    static const char *const places[] = {NM_RUN_PROFILE_DIR, NM_LIB_PROFILE_DIR};
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autoptr(GPtrArray) profiles = profile_read_directory(places[i], NULL);
        for (guint j = 0; j < profiles->len; j++) {
            const Profile *profile = profiles->pdata[j];
            if (named(name, profile->uuid, profile->id))
                return plan_refuse(
                    error,
                    "\"%s\" is stored in %s, which a trial cannot rely on after a reboot. Save it first: "
                    "nmcli connection modify \"%s\" connection.autoconnect yes",
                    name, places[i], name);
        }
    }
    return TRUE;
}

Profile *plan_find(GPtrArray *profiles, GPtrArray *skipped, const char *name, GError **error)
{
    g_autofree char *clean = journal_clean(name);
    Profile *found = NULL;

    for (guint i = 0; i < profiles->len; i++) {
        Profile *profile = profiles->pdata[i];
        if (!named(name, profile->uuid, profile->id))
            continue;
        if (found) {
            plan_refuse(
                error, "Two profiles are called \"%s\": %s and %s. %s", clean, found->path, profile->path,
                strcmp(found->uuid, profile->uuid) == 0 ? "They have the same UUID: remove one of the files."
                                                        : "Name the one you mean by its UUID.");
            return NULL;
        }
        found = profile;
    }
    if (!found && refuse_skipped(skipped, name, error) && refuse_elsewhere(name, error))
        plan_refuse(error,
                    "There is no profile \"%s\" in %s. See: nmcli -f NAME,UUID,FILENAME connection show",
                    clean, NM_TRIAL_PROFILE_DIR);
    return found;
}

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
    return g_file_get_contents(path, &text, NULL, NULL) && g_ascii_strcasecmp(g_strstrip(text), address) == 0;
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
    NMSettingWired *wired = nm_connection_get_setting_wired(profile->connection);
    NMSettingWireless *wireless = nm_connection_get_setting_wireless(profile->connection);
    return wired      ? nm_setting_wired_get_mac_address(wired)
           : wireless ? nm_setting_wireless_get_mac_address(wireless)
                      : NULL;
}

/* The interface that the profile is bound to, by name, by address or by both; NULL: not to exactly one.
 * Caller frees. */
static char *device_of(const Profile *profile)
{
    const char *address = hardware_address(profile);
    if (profile->interface)
        return !address || has_address(profile->interface, address) ? g_strdup(profile->interface) : NULL;
    return address ? by_address(address) : NULL;
}

gboolean plan_fits(const Profile *profile, const char *interface)
{
    const char *address = hardware_address(profile);
    return (!profile->interface || strcmp(profile->interface, interface) == 0) &&
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

static gboolean find_device(Plan *plan, Network *network, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!plan_bound(plan->candidate, &plan->device, error))
        return FALSE;
    if (network_get_device(network, plan->device, &plan->nm, &failure))
        return TRUE;
    if (g_error_matches(failure, NETWORK_ERROR, NETWORK_ERROR_LATER)) {
        g_set_error(error, PLAN_ERROR, EXIT_FAILED, "%s. Nothing was changed; try again.", failure->message);
        return FALSE;
    }
    return plan_refuse(error, "NetworkManager knows no device %s, which \"%s\" is for. See: nmcli device",
                       plan->device, plan->candidate->id);
}

/* The profile's id, where it is known; people do not know UUIDs by heart. */
static const char *label(const Plan *plan, const char *uuid)
{
    for (guint i = 0; i < plan->profiles->len; i++) {
        const Profile *profile = plan->profiles->pdata[i];
        if (strcmp(profile->uuid, uuid) == 0)
            return profile->id;
    }
    return uuid;
}

/* NM's automatic profile is stored by the time that it is needed. FALSE: it is meant, and cannot be. */
static gboolean find_auto_default(Plan *plan, Network *network, const char *name, GError **error)
{
    g_autoptr(GError) failure = NULL;

    plan->replaced = auto_default_find(network, plan->device, name, &plan->auto_default, &failure);
    if (plan->replaced) {
        g_ptr_array_add(plan->notes, g_strdup_printf("\"%s\" lives in /run only; it is saved as %s first",
                                                     plan->replaced->id, plan->replaced->path));
        g_ptr_array_add(plan->profiles, plan->replaced);
    }
    if (!failure)
        return TRUE;
    if (failure->domain == NETWORK_ERROR)
        g_set_error(error, PLAN_ERROR, EXIT_FAILED, "%s. Nothing was changed; try again.", failure->message);
    else
        g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean find_replaced(Plan *plan, const struct plan_request *request, GPtrArray *skipped,
                              Network *network, GError **error)
{
    g_autofree char *device = NULL;
    const char *name = request->options->replaces;

    if (g_strcmp0(name, "none") == 0) {
        if (plan->nm.active_uuid && strcmp(plan->nm.active_uuid, plan->candidate->uuid) != 0)
            return plan_refuse(
                error,
                "%s has a network now (profile \"%s\"): --replace none is for a device that has none. "
                "Leave --replace out to replace that profile.",
                plan->device, label(plan, plan->nm.active_uuid));
        return TRUE;
    }
    if (!name)
        name = plan->nm.active_uuid;
    if (!name)
        return plan_refuse(
            error,
            "No profile is active on %s. Name the one to go back to: --replace PROFILE, or --replace none "
            "to go back to no network on it.",
            plan->device);
    if (strcmp(name, plan->candidate->uuid) == 0 || strcmp(name, plan->candidate->id) == 0)
        return plan_refuse(
            error,
            request->options->replaces
                ? "\"%s\" is the candidate itself. Name the profile to go back to: --replace PROFILE"
                : "\"%s\" is what %s has now: nothing to try. If it is on trial all the same, name the "
                  "profile to go back to: --replace PROFILE",
            plan->candidate->id, plan->device);
    if (!find_auto_default(plan, network, name, error))
        return FALSE;
    if (!plan->replaced)
        plan->replaced = plan_find(plan->profiles, skipped, name, error);
    if (!plan->replaced || !only_one(plan->profiles, plan->replaced, error) ||
        !plan_bound(plan->replaced, &device, error))
        return FALSE;
    return strcmp(device, plan->device) == 0 ||
           plan_refuse(error, "\"%s\" is for %s, \"%s\" for %s. They must be for the same device.",
                       plan->candidate->id, plan->device, plan->replaced->id, device);
}

/* NetworkManager's side */

static gboolean known_to_nm(const Profile *profile, Network *network, gboolean may_load, GError **error)
{
    g_auto(NetworkProfile) known = {0};
    g_autoptr(GError) failure = NULL;
    const char *paths[] = {profile->path, NULL};

    gboolean found = network_get_profile(network, profile->uuid, &known, &failure);
    if (!found && g_error_matches(failure, NETWORK_ERROR, NETWORK_ERROR_GONE)) {
        if (!may_load)
            return TRUE;
        g_clear_error(&failure);
        found = network_load(network, paths, &failure) &&
                network_get_profile(network, profile->uuid, &known, &failure);
    }
    if (g_error_matches(failure, NETWORK_ERROR, NETWORK_ERROR_LATER)) {
        g_set_error(error, PLAN_ERROR, EXIT_FAILED, "%s. Nothing was changed; try again.", failure->message);
        return FALSE;
    }
    if (!found)
        return plan_refuse(error,
                           "NetworkManager refuses %s. Its journal says why: journalctl -u NetworkManager",
                           profile->path);
    if (known.unsaved || strcmp(known.filename, profile->path) != 0)
        return plan_refuse(
            error,
            "NetworkManager has another version of \"%s\" (%s) than %s. Save it first: nmcli connection "
            "modify %s connection.autoconnect %s",
            profile->id, *known.filename ? known.filename : "in memory", profile->path, profile->uuid,
            profile->autoconnect ? "yes" : "no");
    return TRUE;
}

static gboolean no_foreign_checkpoint(const Plan *plan, Network *network, GError **error)
{
    g_auto(GStrv) all = network_checkpoints(network, NULL);

    for (char **path = all; path && *path; path++) {
        g_auto(NetworkCheckpoint) found = {0};
        if (!network_checkpoint_get(network, *path, &found, NULL) || !found.devices ||
            !g_strv_contains((const char *const *)found.devices, plan->nm.object))
            continue;
        if (found.fires_ms == G_MAXINT64)
            return plan_refuse(error,
                               "Another tool has a checkpoint on %s, without an end. Let it finish first.",
                               plan->device);
        return plan_refuse(error,
                           "Another tool has a checkpoint on %s, which ends in %" G_GINT64_FORMAT
                           " s. Let it finish, then start again.",
                           plan->device, MAX(found.fires_ms - os.boottime_ms(), 0) / 1000 + 1);
    }
    return TRUE;
}

/* The checks */

static gboolean family_has_gateway(NMSettingIPConfig *ip)
{
    const char *method = ip ? nm_setting_ip_config_get_method(ip) : NULL;
    if (!ip || nm_setting_ip_config_get_never_default(ip))
        return FALSE;
    return nm_setting_ip_config_get_gateway(ip) || g_strcmp0(method, "auto") == 0 ||
           g_strcmp0(method, "dhcp") == 0;
}

static gboolean has_gateway(const Profile *profile)
{
    return family_has_gateway(nm_connection_get_setting_ip4_config(profile->connection)) ||
           family_has_gateway(nm_connection_get_setting_ip6_config(profile->connection));
}

/* Whether that check could ever judge the candidate. `why_not_nm`: NULL, "nm" could. */
static gboolean check_fits(const Plan *plan, const char *name, const char *why_not_nm, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (strcmp(name, "none") == 0)
        return TRUE;
    if (strcmp(name, "nm") == 0)
        return !why_not_nm || plan_refuse(error, "--check nm: %s", why_not_nm);
    if (strcmp(name, "gateway") == 0)
        return has_gateway(plan->candidate) ||
               plan_refuse(error,
                           "--check gateway: \"%s\" has no gateway to ask. Use --check nm, or --check none "
                           "--confirm manual.",
                           plan->candidate->id);
    return check_own_fit(name, &failure) || plan_refuse(error, "--check %s: %s.", name, failure->message);
}

static gboolean choose_checks(Plan *plan, const struct plan_request *request, Network *network,
                              GError **error)
{
    char **checks = request->options->checks;
    gboolean by_default = !checks, plain_http = FALSE;
    g_autofree char *why = NULL;
    g_autoptr(GStrvBuilder) chosen = g_strv_builder_new();
    gboolean wants_nm = by_default || g_strv_contains((const char *const *)checks, "nm");
    gboolean nm = wants_nm && checks_nm_believable(network_bus(network), &plain_http, &why);

    if (by_default) {
        if (!nm && !has_gateway(plan->candidate))
            return plan_refuse(
                error,
                "Nothing can judge \"%s\": NetworkManager's connectivity check cannot be believed (%s), and "
                "the profile has no gateway to ask. Use --check none --confirm manual to judge by hand.",
                plan->candidate->id, why);
        g_strv_builder_add(chosen, nm ? "nm" : "gateway");
        if (!nm)
            g_ptr_array_add(plan->notes, g_strdup_printf("judged by check gateway: %s", why));
    }
    for (char **name = checks; name && *name; name++) {
        if (!check_fits(plan, *name, why, error))
            return FALSE;
        gboolean again = FALSE;
        for (char **before = checks; before < name; before++)
            again = again || strcmp(*before, *name) == 0;
        if (!again && strcmp(*name, "none") != 0)
            g_strv_builder_add(chosen, *name);
    }
    if (nm && plain_http)
        g_ptr_array_add(
            plan->notes,
            g_strdup("NetworkManager's connectivity check is plain http, which the network can forge"));
    plan->checks = g_strv_builder_end(chosen);
    return TRUE;
}

/* Whoever may write there may put any profile in our way. */
static gboolean roots_alone(const char *directory, GError **error)
{
    return storage_roots_alone(directory) ||
           plan_refuse(
               error,
               "%s can be written by others than root, so nothing in it can be trusted. Mend it: chown root "
               "%s; chmod go-w %s",
               directory, directory, directory);
}

/* A record that a reboot loses protects from nothing. */
static gboolean survives_reboot(const char *directory, GError **error)
{
    enum storage storage = storage_of(directory);
    return storage == STORAGE_LASTING ||
           plan_refuse(
               error,
               "%s is not on storage that survives a reboot%s; a trial there would protect from nothing.",
               directory,
               storage == STORAGE_OVERLAY_IN_MEMORY
                   ? " (an overlay on memory, or on a place that cannot be seen)"
                   : "");
}

gboolean plan_directory(const char *directory, GError **error)
{
    return survives_reboot(directory, error) && roots_alone(directory, error);
}

Plan *plan_new(const struct plan_request *request, Network *network, GError **error)
{
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autoptr(Plan) plan = g_new0(Plan, 1);

    plan->notes = g_ptr_array_new_with_free_func(g_free);
    plan->warnings = g_ptr_array_new_with_free_func(g_free);
    plan->profiles = profile_read_directory(request->profile_dir, skipped);
    if (!plan_directory(request->state_dir, error) || !plan_directory(request->profile_dir, error))
        return NULL;
    plan->candidate = plan_find(plan->profiles, skipped, request->candidate, error);
    if (!plan->candidate || !only_one(plan->profiles, plan->candidate, error) ||
        !options_take_profile(request->options, plan->candidate, error) ||
        !options_take_file(request->options, NM_TRIAL_CONF, error) ||
        !options_complete(request->options, plan->candidate->type, error) ||
        !find_device(plan, network, error) || !find_replaced(plan, request, skipped, network, error) ||
        !plan_suitable(plan, error) || !no_foreign_checkpoint(plan, network, error) ||
        !choose_checks(plan, request, network, error) ||
        !known_to_nm(plan->candidate, network, !request->dry_run, error) ||
        (plan->replaced && !plan->auto_default &&
         !known_to_nm(plan->replaced, network, !request->dry_run, error)))
        return NULL;
    return g_steal_pointer(&plan);
}

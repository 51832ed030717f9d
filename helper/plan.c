/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

#include "checks.h"
#include "doctor.h"
#include "journal.h"
#include "libnm.h"
#include "names.h"
#include "os.h"
#include "profiles.h"
#include "storage.h"
#include "store.h"

#include <errno.h>
#include <stdlib.h>

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

gboolean plan_later(GError **error, const GError *failure)
{
    g_set_error(error, PLAN_ERROR, EXIT_FAILED, "%s. Nothing was changed; try again.", failure->message);
    return FALSE;
}

void plan_free(Plan *plan)
{
    if (!plan)
        return;
    g_clear_pointer(&plan->profiles, g_ptr_array_unref);
    g_clear_pointer(&plan->notes, g_ptr_array_unref);
    g_clear_pointer(&plan->warnings, g_ptr_array_unref);
    for (int i = 0; i < plan->n_pairs; i++) {
        if (plan->pair[i].edit) /* it is not of the directory */
            g_clear_pointer(&plan->pair[i].candidate, profile_free);
        network_device_clear(&plan->pair[i].nm);
        g_free(plan->pair[i].auto_default);
        g_free(plan->pair[i].device);
    }
    g_strfreev(plan->checks);
    g_free(plan);
}

/* Whoever names a file means what a link leads to. */
char *plan_read(const char *file, gsize *ret_length, GError **error)
{
    g_autofree char *path = realpath(file, NULL);
    g_autoptr(GError) failure = NULL;
    char *data = NULL;

    if (!path)
        plan_refuse(error, "it cannot be read (%s).", g_strerror(errno));
    else if (!store_read(path, &data, ret_length, &failure))
        plan_refuse(error, "it cannot be read (%s). A profile is a regular file of at most %d MiB.",
                    failure->message, STORE_FILE_MAX / 1024 / 1024);
    return data;
}

/* Profiles by name */

/* A file that was passed over, but is the one that is meant: its own fault is the best answer. */
static gboolean refuse_skipped(GPtrArray *skipped, const char *name, GError **error)
{
    for (guint i = 0; i < skipped->len; i++) {
        const struct profile_skipped *entry = skipped->pdata[i];
        g_autofree char *base = g_path_get_basename(entry->path);
        if (g_str_has_suffix(base, KEYFILE_SUFFIX))
            base[strlen(base) - strlen(KEYFILE_SUFFIX)] = '\0';
        if (g_strcmp0(name, entry->uuid) == 0 || g_strcmp0(name, entry->id) == 0 || strcmp(name, base) == 0)
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
            if (profile_named(profile, name))
                return plan_refuse(
                    error,
                    "\"%s\" is stored in %s, which a trial cannot rely on after a reboot. Save it first: "
                    "nmcli connection modify \"%s\" connection.autoconnect yes",
                    name, places[i], name);
        }
    }
    return TRUE;
}

/* How well the name fits; 0: not. Users may call their own profiles what they like: those come last. */
static int fit(const Profile *profile, const char *name)
{
    if (strcmp(profile->uuid, name) == 0)
        return 3;
    if (strcmp(profile->id, name) == 0)
        return profile_believed(profile) ? 2 : 1;
    return 0;
}

/* Whether one is the other with a slip: all but two neighbouring characters at most is the same. */
static gboolean resembles(const char *id, const char *name)
{
    size_t a = strlen(id), b = strlen(name), most = MAX(a, b), least = MIN(a, b), front = 0, back = 0;

    while (front < least && id[front] == name[front])
        front++;
    while (back < least - front && id[a - 1 - back] == name[b - 1 - back])
        back++;
    return front + back + 2 >= most && (front + back) * 2 >= most;
}

static gboolean refuse_unknown(GPtrArray *profiles, const char *name, GError **error)
{
    g_autofree char *clean = journal_clean(name), *near = NULL;

    for (guint i = 0; i < profiles->len && !near; i++) {
        const Profile *profile = profiles->pdata[i];
        if (resembles(profile->id, name))
            near = g_strdup_printf("Did you mean \"%s\"? ", profile->id);
    }
    return plan_refuse(error,
                       "There is no profile \"%s\" in %s. %sSee: nmcli -f NAME,UUID,FILENAME connection show",
                       clean, NM_TRIAL_PROFILE_DIR, near ? near : "");
}

Profile *plan_find(GPtrArray *profiles, GPtrArray *skipped, const char *name, GError **error)
{
    g_autofree char *clean = journal_clean(name);
    Profile *found = NULL, *other = NULL;
    int best = 0;

    for (guint i = 0; i < profiles->len; i++) {
        Profile *profile = profiles->pdata[i];
        int fits = fit(profile, name);
        if (fits == 0 || fits < best)
            continue;
        other = fits == best ? found : NULL;
        found = profile;
        best = fits;
    }
    if (other) {
        plan_refuse(error, "Two profiles are called \"%s\": %s and %s. %s", clean, other->path, found->path,
                    best == 3 ? "They have the same UUID: remove one of the files."
                              : "Name the one you mean by its UUID.");
        return NULL;
    }
    if (!found && refuse_skipped(skipped, name, error) && refuse_elsewhere(name, error))
        refuse_unknown(profiles, name, error);
    return found;
}

/* NetworkManager's side */

static gboolean known_to_nm(const Profile *profile, Network *network, gboolean may_load, GError **error)
{
    g_auto(NetworkProfile) known = {0};
    g_autoptr(GError) failure = NULL;
    const char *paths[] = {profile->path, NULL};

    if (!g_utf8_validate(profile->path, -1, NULL))
        return plan_refuse(error,
                           "%s: NetworkManager cannot be told to load a file whose name is no UTF-8. Rename "
                           "it, then: nmcli connection reload",
                           profile->path);
    gboolean found = network_get_profile(network, profile->uuid, &known, &failure);
    if (!found && g_error_matches(failure, BUS_ERROR, BUS_ERROR_GONE)) {
        if (!may_load)
            return TRUE;
        g_clear_error(&failure);
        found = network_load(network, paths, &failure) &&
                network_get_profile(network, profile->uuid, &known, &failure);
    }
    if (g_error_matches(failure, BUS_ERROR, BUS_ERROR_LATER))
        return plan_later(error, failure);
    if (!found)
        return plan_refuse(error, "NetworkManager refuses %s. Why: journalctl -u NetworkManager",
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

static gboolean pair_known_to_nm(const PlanPair *pair, Network *network, gboolean may_load, GError **error)
{
    return (pair->edit || known_to_nm(pair->candidate, network, may_load, error)) &&
           (!pair->replaced || pair->auto_default || known_to_nm(pair->replaced, network, may_load, error));
}

static gboolean no_foreign_checkpoint(const PlanPair *pair, Network *network, GError **error)
{
    gint64 fires_ms = network_checkpoint_over(network, pair->nm.object, NULL);

    if (fires_ms == 0)
        return TRUE;
    if (fires_ms == G_MAXINT64)
        return plan_refuse(error, "Another tool has a checkpoint on %s, without an end. Let it finish first.",
                           pair->device);
    return plan_refuse(error,
                       "Another tool has a checkpoint on %s, which ends in %" G_GINT64_FORMAT
                       " s. Let it finish, then start again.",
                       pair->device, MAX(fires_ms - os.boottime_ms(), 0) / 1000 + 1);
}

/* The checks */

static gboolean family_has_gateway(NMSettingIPConfig *ip)
{
    const char *method = ip ? libnm()->setting_ip_config_get_method(ip) : NULL;
    if (!ip || libnm()->setting_ip_config_get_never_default(ip))
        return FALSE;
    return libnm()->setting_ip_config_get_gateway(ip) || g_strcmp0(method, "auto") == 0 ||
           g_strcmp0(method, "dhcp") == 0;
}

/* A link of two ends has no neighbour who could be asked. */
static gboolean has_gateway(const Profile *profile)
{
    static const char *const links[] = {NM_SETTING_GSM_SETTING_NAME, NM_SETTING_CDMA_SETTING_NAME,
                                        NM_SETTING_PPPOE_SETTING_NAME, NULL};
    if (g_strv_contains(links, profile_type(profile)))
        return FALSE;
    return family_has_gateway(libnm()->connection_get_setting_ip4_config(profile_connection(profile))) ||
           family_has_gateway(libnm()->connection_get_setting_ip6_config(profile_connection(profile)));
}

/* The first candidate that check gateway could not judge; NULL: it could judge all. */
static const Profile *without_gateway(const Plan *plan)
{
    for (int i = 0; i < plan->n_pairs; i++)
        if (plan->pair[i].judged && !has_gateway(plan->pair[i].candidate))
            return plan->pair[i].candidate;
    return NULL;
}

/* Whether that check could ever judge the candidates. `why_not_nm`: NULL, "nm" could; `stray`: the one that
 * "gateway" could not judge. */
static gboolean check_fits(const char *name, const char *why_not_nm, const Profile *stray, GError **error)
{
    if (why_not_nm && strcmp(name, "nm") == 0)
        return plan_refuse(error, "check nm: %s", why_not_nm);
    return !stray || strcmp(name, "gateway") != 0 ||
           plan_refuse(error,
                       "check gateway: \"%s\" has no gateway to ask. Use --check nm, or --check none "
                       "--confirm manual.",
                       stray->id);
}

static gboolean choose_checks(Plan *plan, const struct plan_request *request, Network *network,
                              GError **error)
{
    char **checks = request->options->checks;
    const Profile *stray = without_gateway(plan);
    gboolean by_default = !checks, plain_http = FALSE;
    g_autofree char *why = NULL;
    g_autoptr(GPtrArray) chosen = g_ptr_array_new_with_free_func(g_free);
    gboolean wants_nm = by_default || g_strv_contains((const char *const *)checks, "nm");
    gboolean nm = wants_nm && checks_nm_believable(network_bus(network), &plain_http, &why);

    if (by_default) {
        if (!nm && stray)
            return plan_refuse(
                error,
                "Nothing can judge \"%s\": NetworkManager's connectivity check cannot be believed (%s), and "
                "the profile has no gateway to ask. Use --check none --confirm manual to judge by hand.",
                stray->id, why);
        g_ptr_array_add(chosen, g_strdup(nm ? "nm" : "gateway"));
        if (!nm)
            g_ptr_array_add(plan->notes, g_strdup_printf("judged by check gateway: %s", why));
    }
    for (char **name = checks; name && *name; name++) {
        if (!check_fits(*name, why, stray, error))
            return FALSE;
        gboolean again = FALSE;
        for (char **before = checks; before < name; before++)
            again = again || strcmp(*before, *name) == 0;
        if (!again && strcmp(*name, "none") != 0)
            g_ptr_array_add(chosen, g_strdup(*name));
    }
    if (nm && plain_http)
        g_ptr_array_add(
            plan->notes,
            g_strdup("NetworkManager's connectivity check is plain http, which the network can forge"));
    g_ptr_array_add(chosen, NULL);
    plan->checks = (char **)g_ptr_array_free(g_steal_pointer(&chosen), FALSE);
    return TRUE;
}

gboolean plan_directory(const char *directory, GError **error)
{
    g_autofree char *what = NULL, *mend = NULL;
    if (!storage_is_lost(directory, &what, &mend) && !storage_is_open(directory, &what, &mend))
        return TRUE;
    if (mend)
        return plan_refuse(error, "%s, so a trial protects from nothing. Mend it: %s", what, mend);
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_IO, what);
    return FALSE;
}

/* Before 1.42, a port that its controller's new activation lets go brings the old one back at once. */
static gboolean port_can_be_tried(const PlanPair *pair, Network *network, GError **error)
{
    if (!pair->replaced || !plan_controller(pair->candidate))
        return TRUE;
    g_autoptr(GError) failure = NULL;
    g_autoptr(GVariant) version = network_property(network, NM_PATH, NM_IFACE, "Version", "s", &failure);
    if (!version)
        return plan_later(error, failure);
    const char *text = g_variant_get_string(version, NULL);
    return doctor_judge_version(text) == FINDING_OK ||
           plan_refuse(
               error,
               "\"%s\" is a port: NetworkManager %s would bring its old controller back. Update it to 1.42.",
               pair->candidate->id, text);
}

Plan *plan_new(const struct plan_request *request, Network *network, GError **error)
{
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autoptr(Plan) plan = g_new0(Plan, 1);

    plan->notes = g_ptr_array_new_with_free_func(g_free);
    plan->warnings = g_ptr_array_new_with_free_func(g_free);
    plan->profiles = profile_read_directory(request->profile_dir, skipped);
    /* what cannot be read now may be the profile that is meant, or outrank it */
    if (!profile_all_readable(skipped, error) || !plan_directory(request->state_dir, error) ||
        (profile_port != &profiles_dbus && !plan_directory(request->profile_dir, error)))
        return NULL;
    if (!(request->edit ? plan_find_edit(plan, request, skipped, network, error)
                        : plan_find_candidates(plan, request->candidates, skipped, network, error)) ||
        !options_take_profile(request->options, plan->pair[0].candidate, error) ||
        !options_take_file(request->options, NM_TRIAL_CONF, error) ||
        !options_complete(request->options, profile_type(plan->pair[0].candidate), error) ||
        (!request->edit && !plan_find_replaced(plan, request->replaces, skipped, network, error)) ||
        !plan_suitable(plan, error) || !choose_checks(plan, request, network, error))
        return NULL;
    for (int i = 0; i < plan->n_pairs; i++)
        if (!port_can_be_tried(&plan->pair[i], network, error) ||
            !no_foreign_checkpoint(&plan->pair[i], network, error) ||
            !pair_known_to_nm(&plan->pair[i], network, !request->dry_run, error))
            return NULL;
    return g_steal_pointer(&plan);
}

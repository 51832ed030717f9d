/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Profiles that a trial refuses, and why: each rule is a function, the table at the end is their order. */
#include "good.h"
#include "libnm.h"
#include "names.h"
#include "plan.h"
#include "profiles.h"

static gboolean same_type(const Plan *plan, const PlanPair *pair, GError **error)
{
    const Profile *candidate = pair->candidate, *replaced = pair->replaced;
    (void)plan;
    return strcmp(profile_type(candidate), profile_type(replaced)) == 0 ||
           plan_refuse(error, "\"%s\" is of type %s, \"%s\" of type %s. A trial replaces like by like.",
                       candidate->id, profile_type(candidate), replaced->id, profile_type(replaced));
}

static gboolean boots(const Plan *plan, const PlanPair *pair, GError **error)
{
    const Profile *replaced = pair->replaced;
    (void)plan;
    return replaced->autoconnect ||
           plan_refuse(error,
                       "\"%s\" has autoconnect off, so a reboot would not bring it back. If it is the "
                       "profile to go back "
                       "to: nmcli connection modify %s connection.autoconnect yes",
                       replaced->id, replaced->uuid);
}

static gboolean only_here(const Plan *plan, const PlanPair *pair, GError **error)
{
    const Profile *replaced = pair->replaced;
    (void)plan;
    NMSettingConnection *s = libnm()->connection_get_setting_connection(profile_connection(replaced));
    NMConnectionMultiConnect multi = libnm()->setting_connection_get_multi_connect(s);
    return multi == NM_CONNECTION_MULTI_CONNECT_DEFAULT || multi == NM_CONNECTION_MULTI_CONNECT_SINGLE ||
           plan_refuse(
               error,
               "\"%s\" may serve several devices at once (connection.multi-connect); retiring it would take "
               "the others down. Give this device a profile of its own first.",
               replaced->id);
}

static gboolean no_permissions(const Profile *profile, GError **error)
{
    return profile_believed(profile) ||
           plan_refuse(
               error,
               "\"%s\" belongs to a user (connection.permissions), who may change it at will. Make it the "
               "system's: connection.permissions must be empty.",
               profile->id);
}

/* The first secret whose flags say that it is not stored in the file. */
static gboolean find_secret(NMSetting *setting, const char *name, NMSettingSecretFlags flags, gpointer data)
{
    char **ret_name = data;
    (void)setting;
    if (!*ret_name && (flags & (NM_SETTING_SECRET_FLAG_AGENT_OWNED | NM_SETTING_SECRET_FLAG_NOT_SAVED)) != 0)
        *ret_name = g_strdup(name);
    return FALSE; /* it is not cleared */
}

static gboolean secrets_stored(const Profile *profile, GError **error)
{
    g_autofree char *name = NULL;
    g_autoptr(GPtrArray) missing = NULL;

    libnm()->connection_clear_secrets_with_flags(profile_connection(profile), find_secret, &name);
    /* What NM would ask for: it is not there at all, a WireGuard peer's, whose flags are in a list, too. */
    if (!name && libnm()->connection_need_secrets(profile_connection(profile), &missing))
        name = g_strdup(missing->pdata[0]);
    return !name ||
           plan_refuse(error,
                       "\"%s\" gets its %s from an agent, who is not there at boot. Store it (%s-flags 0).",
                       profile->id, name, name);
}

/* The word of libnm 1.42; an older one does not know such a profile at all. */
static gboolean not_ours_to_judge(const Profile *profile, GError **error)
{
    return strcmp(profile_type(profile), "loopback") != 0 ||
           plan_refuse(error, "\"%s\" is a loopback profile: no network to try or to lose.", profile->id);
}

gboolean plan_profile_suitable(const Profile *profile, GError **error)
{
    static gboolean (*const rules[])(const Profile *profile,
                                     GError **error) = {not_ours_to_judge, no_permissions, secrets_stored};
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++)
        if (!rules[i](profile, error))
            return FALSE;
    return TRUE;
}

const char *plan_controller(const Profile *profile)
{
    return libnm()->setting_connection_get_master(
        libnm()->connection_get_setting_connection(profile_connection(profile)));
}

static gboolean is_port_of(const Profile *port, const Profile *controller)
{
    const char *name = plan_controller(port);
    return name &&
           (strcmp(name, controller->uuid) == 0 || g_strcmp0(name, profile_interface(controller)) == 0);
}

static gboolean in_trial(const Plan *plan, const Profile *profile)
{
    for (int i = 0; i < plan->n_pairs; i++)
        if (profile == plan->pair[i].candidate || profile == plan->pair[i].replaced)
            return TRUE;
    return FALSE;
}

/* A port with autoconnect brings up its controller at boot, even one without. */
static gboolean ports_in_trial(const Plan *plan, const PlanPair *pair, GError **error)
{
    for (guint i = 0; i < plan->profiles->len; i++) {
        const Profile *port = plan->profiles->pdata[i];
        gboolean ours =
            is_port_of(port, pair->candidate) || (pair->replaced && is_port_of(port, pair->replaced));
        if (ours && port->autoconnect && profile_believed(port) && !in_trial(plan, port))
            return plan_refuse(
                error,
                "\"%s\" is a controller with the port \"%s\", which is not in the trial: the port could "
                "bring either up at boot. Try a controller with all its ports.",
                pair->candidate->id, port->id);
    }
    return TRUE;
}

/* A port alone has no network that could be judged. */
static gboolean controller_in_trial(const Plan *plan, const PlanPair *pair, GError **error)
{
    const char *controller = plan_controller(pair->candidate);
    for (int i = 0; i < plan->n_pairs; i++)
        if (is_port_of(pair->candidate, plan->pair[i].candidate))
            return TRUE;
    return !controller || plan_refuse(error,
                                      "\"%s\" is a port of the controller %s, which is not in the trial: "
                                      "nothing could judge it. Try both.",
                                      pair->candidate->id, controller);
}

/* Whether `other` could come up on the candidate's device whenever the candidate could. A user's own profile
 * cannot: it needs its user to be there. */
static gboolean competes(const PlanPair *pair, const Profile *other)
{
    const Profile *candidate = pair->candidate;
    if (strcmp(other->uuid, candidate->uuid) == 0 || !other->autoconnect || !profile_believed(other) ||
        strcmp(profile_type(other), profile_type(candidate)) != 0 || !plan_fits(other, pair->device))
        return FALSE;
    NMSettingWireless *a = libnm()->connection_get_setting_wireless(profile_connection(candidate));
    NMSettingWireless *b = libnm()->connection_get_setting_wireless(profile_connection(other));
    return !a || !b ||
           g_bytes_equal(libnm()->setting_wireless_get_ssid(a), libnm()->setting_wireless_get_ssid(b));
}

static gboolean not_the_last(const Plan *plan, const PlanPair *pair, GError **error)
{
    const Profile *candidate = pair->candidate;
    gboolean last = candidate->autoconnect && !pair->replaced;
    for (guint i = 0; last && i < plan->profiles->len; i++)
        last = !competes(pair, plan->profiles->pdata[i]);
    return !last || plan_refuse(error,
                                "\"%s\" is the only profile of %s with autoconnect, which a trial would "
                                "switch off. If that is "
                                "meant: nmcli connection modify %s connection.autoconnect no",
                                candidate->id, pair->device, candidate->uuid);
}

/* What a guarded profile has is not what is known good of it: it is no way back. */
static gboolean is_known_good(const Plan *plan, const PlanPair *pair, GError **error)
{
    const Profile *replaced = pair->replaced;
    g_autoptr(GError) unknown = NULL;
    g_autoptr(GPtrArray) list = good_list(NM_TRIAL_STATE_DIR, &unknown);
    const Good *good = good_of(list, replaced->path, replaced->uuid);
    g_autoptr(Profile) known = good ? good_profile(good) : NULL;

    (void)plan;
    if (unknown) {
        g_propagate_error(error, g_steal_pointer(&unknown));
        return FALSE;
    }
    return !known || profile_same(known, replaced) ||
           plan_refuse(
               error,
               "\"%s\" is guarded, and was changed since it was known good: nothing to go back to. To "
               "try "
               "the change: nmcli connection up %s. To take it for good untried: nm-trial guard %s --off",
               replaced->id, replaced->uuid, replaced->uuid);
}

/* Behind D-Bus NM names the files, after the ids: one of another name could not be found again. */
static gboolean is_named_after_id(const Profile *profile, const char *id, GError **error)
{
    g_autofree char *name = g_path_get_basename(profile->path),
                    *wanted = g_strconcat(id, KEYFILE_SUFFIX, NULL);
    return strcmp(name, wanted) == 0 ||
           plan_refuse(error,
                       "\"%s\" is in the file %s, and without NetworkManager's directories it must be called "
                       "after the id, "
                       "%s. Rename one on the host, or give this container " NM_RUN_DIR
                       " and " NM_TRIAL_PROFILE_DIR ".",
                       profile->id, name, wanted);
}

static gboolean names_fit(const Plan *plan, const PlanPair *pair, GError **error)
{
    gboolean by_dbus = profile_port == &profiles_dbus;
    gboolean shadow_by_dbus = pair->edit && !g_file_test(NM_RUN_DIR, G_FILE_TEST_IS_DIR);

    (void)plan;
    if (!by_dbus && !shadow_by_dbus)
        return TRUE;
    return is_named_after_id(pair->candidate, pair->candidate->id, error) &&
           (!pair->replaced || is_named_after_id(pair->replaced, pair->replaced->id, error));
}

/* What is asked of a pair, or of one that replaces something. */
static const struct {
    gboolean (*suitable)(const Plan *plan, const PlanPair *pair, GError **error);
    gboolean if_replaced;
} rules[] = {
    {names_fit, FALSE},           {same_type, TRUE},     {boots, TRUE},
    {is_known_good, TRUE},        {only_here, TRUE},     {ports_in_trial, FALSE},
    {controller_in_trial, FALSE}, {not_the_last, FALSE},
};

static gboolean choose_priority(const Plan *plan, PlanPair *pair, GError **error)
{
    pair->priority = pair->candidate->priority;
    for (guint i = 0; i < plan->profiles->len; i++) {
        const Profile *other = plan->profiles->pdata[i];
        if (!competes(pair, other) || other->priority < pair->priority)
            continue;
        pair->priority = other->priority + 1;
        if (pair->priority > NM_PRIORITY_MAX)
            return plan_refuse(
                error,
                "\"%s\" has the highest autoconnect-priority there is (%d): no candidate can win at boot. "
                "Lower it: nmcli connection modify %s connection.autoconnect-priority %d",
                other->id, other->priority, other->uuid, NM_PRIORITY_MAX - 1);
    }
    return TRUE;
}

static void warn(Plan *plan, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void warn(Plan *plan, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_ptr_array_add(plan->warnings, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* Not wrong, but perhaps not what was meant. */
static void add_warnings(Plan *plan, const PlanPair *pair)
{
    const Profile *candidate = pair->candidate, *replaced = pair->replaced;
    const char *active = pair->nm.active_uuid;

    if (candidate->autoconnect && !pair->edit)
        warn(plan, "\"%s\" has autoconnect on: it goes off now, and stays off unless the trial is promoted",
             candidate->id);
    /* no refusal: a fleet's role brings comments and our keys into a file by an edit */
    if (pair->edit && profile_same(candidate, replaced))
        warn(plan, "the new content says the same as \"%s\" does now: nothing new is tried", replaced->id);
    if (replaced && g_strcmp0(active, replaced->uuid) != 0 && g_strcmp0(active, candidate->uuid) != 0)
        warn(plan, "\"%s\" is not active on %s now: it has not shown that it works", replaced->id,
             pair->device);
    for (guint i = 0; replaced && i < plan->profiles->len; i++) {
        const Profile *other = plan->profiles->pdata[i];
        if (other != replaced && competes(pair, other) && other->priority > replaced->priority)
            warn(plan,
                 "\"%s\" has a higher autoconnect-priority than \"%s\" (%d > %d): a reboot brings up \"%s\"",
                 other->id, replaced->id, other->priority, replaced->priority, other->id);
    }
}

static gboolean pair_suitable(Plan *plan, PlanPair *pair, GError **error)
{
    if (!plan_profile_suitable(pair->candidate, error) ||
        (pair->replaced && !plan_profile_suitable(pair->replaced, error)))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++)
        if ((pair->replaced || !rules[i].if_replaced) && !rules[i].suitable(plan, pair, error))
            return FALSE;
    add_warnings(plan, pair);
    return choose_priority(plan, pair, error);
}

gboolean plan_suitable(Plan *plan, GError **error)
{
    for (int i = 0; i < plan->n_pairs; i++)
        if (!pair_suitable(plan, &plan->pair[i], error))
            return FALSE;
    return TRUE;
}

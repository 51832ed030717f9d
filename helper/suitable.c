/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Profiles that a trial refuses, and why: each rule is a function, the table at the end is their order. */
#include "names.h"
#include "plan.h"

static gboolean same_type(Plan *plan, const Profile *replaced, GError **error)
{
    return !replaced || strcmp(plan->candidate->type, replaced->type) == 0 ||
           plan_refuse(error, "\"%s\" is of type %s, \"%s\" of type %s. A trial replaces like by like.",
                       plan->candidate->id, plan->candidate->type, replaced->id, replaced->type);
}

static gboolean boots(Plan *plan, const Profile *replaced, GError **error)
{
    (void)plan;
    return !replaced || replaced->autoconnect ||
           plan_refuse(error,
                       "\"%s\" has autoconnect off, so a reboot would not bring it back. If it is the "
                       "profile to go back "
                       "to: nmcli connection modify %s connection.autoconnect yes",
                       replaced->id, replaced->uuid);
}

static gboolean only_here(Plan *plan, const Profile *replaced, GError **error)
{
    (void)plan;
    if (!replaced)
        return TRUE;
    NMSettingConnection *s = nm_connection_get_setting_connection(replaced->connection);
    NMConnectionMultiConnect multi = nm_setting_connection_get_multi_connect(s);
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

/* The first secret that is not stored in the file; NULL: there is none. */
static void find_secret(NMSetting *setting, const char *name, const GValue *value, GParamFlags flags,
                        gpointer data)
{
    NMSettingSecretFlags secret = NM_SETTING_SECRET_FLAG_NONE;
    const char **ret_name = data;
    (void)value;
    if ((flags & NM_SETTING_PARAM_SECRET) != 0 && nm_setting_get_secret_flags(setting, name, &secret, NULL) &&
        (secret & (NM_SETTING_SECRET_FLAG_AGENT_OWNED | NM_SETTING_SECRET_FLAG_NOT_SAVED)) != 0)
        *ret_name = name;
}

static gboolean secrets_stored(const Profile *profile, GError **error)
{
    const char *name = NULL;
    nm_connection_for_each_setting_value(profile->connection, find_secret, &name);
    return !name ||
           plan_refuse(
               error,
               "\"%s\" gets its %s from a person or an agent, who is not there at boot. Store it in the "
               "profile (%s-flags 0).",
               profile->id, name, name);
}

static gboolean not_ours_to_judge(const Profile *profile, GError **error)
{
    return strcmp(profile->type, NM_SETTING_LOOPBACK_SETTING_NAME) != 0 ||
           plan_refuse(error, "\"%s\" is a loopback profile; there is no network to lose or to try on it.",
                       profile->id);
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

static gboolean is_port_of(const Profile *port, const Profile *controller)
{
    const char *master =
        nm_setting_connection_get_master(nm_connection_get_setting_connection(port->connection));
    return master && (strcmp(master, controller->uuid) == 0 || g_strcmp0(master, controller->interface) == 0);
}

static gboolean ports_in_trial(Plan *plan, const Profile *profile, GError **error)
{
    for (guint i = 0; profile && i < plan->profiles->len; i++) {
        const Profile *port = plan->profiles->pdata[i];
        if (is_port_of(port, profile))
            return plan_refuse(
                error,
                "\"%s\" is a controller with the port \"%s\", which is not in the trial: the port could "
                "bring either controller up at boot. A trial of a controller takes in all its ports.",
                profile->id, port->id);
    }
    return TRUE;
}

/* Whether `other` could come up on the candidate's device whenever the candidate could. */
static gboolean competes(const Plan *plan, const Profile *other)
{
    const Profile *candidate = plan->candidate;
    if (other == candidate || !other->autoconnect || strcmp(other->type, candidate->type) != 0 ||
        !plan_fits(other, plan->device))
        return FALSE;
    NMSettingWireless *a = nm_connection_get_setting_wireless(candidate->connection);
    NMSettingWireless *b = nm_connection_get_setting_wireless(other->connection);
    return !a || !b || g_bytes_equal(nm_setting_wireless_get_ssid(a), nm_setting_wireless_get_ssid(b));
}

static gboolean not_the_last(Plan *plan, const Profile *candidate, GError **error)
{
    gboolean last = candidate->autoconnect && !plan->replaced;
    for (guint i = 0; last && i < plan->profiles->len; i++)
        last = !competes(plan, plan->profiles->pdata[i]);
    return !last || plan_refuse(error,
                                "\"%s\" is the only profile of %s with autoconnect, which a trial would "
                                "switch off. If that is "
                                "meant: nmcli connection modify %s connection.autoconnect no",
                                candidate->id, plan->device, candidate->uuid);
}

/* What is asked of them together: of each of the two profiles of the pair, or of the one where only that
 * makes sense. */
static const struct {
    gboolean (*suitable)(Plan *plan, const Profile *profile, GError **error);
    gboolean candidate;
    gboolean replaced;
} rules[] = {
    {same_type, FALSE, TRUE},     {boots, FALSE, TRUE},        {only_here, FALSE, TRUE},
    {ports_in_trial, TRUE, TRUE}, {not_the_last, TRUE, FALSE},
};

static gboolean choose_priority(Plan *plan, GError **error)
{
    plan->priority = plan->candidate->priority;
    for (guint i = 0; i < plan->profiles->len; i++) {
        const Profile *other = plan->profiles->pdata[i];
        if (!competes(plan, other) || other->priority < plan->priority)
            continue;
        plan->priority = other->priority + 1;
        if (plan->priority > NM_PRIORITY_MAX)
            return plan_refuse(
                error,
                "\"%s\" has the highest autoconnect-priority there is (%d); no candidate can win over it "
                "at boot. Lower it: nmcli connection modify %s connection.autoconnect-priority %d",
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
static void add_warnings(Plan *plan)
{
    const Profile *replaced = plan->replaced;

    if (plan->candidate->autoconnect)
        warn(plan, "\"%s\" has autoconnect on: it goes off now, and stays off unless the trial is promoted",
             plan->candidate->id);
    if (replaced && g_strcmp0(plan->nm.active_uuid, replaced->uuid) != 0 &&
        g_strcmp0(plan->nm.active_uuid, plan->candidate->uuid) != 0)
        warn(plan, "\"%s\" is not active on %s now: it has not shown that it works", replaced->id,
             plan->device);
    for (guint i = 0; replaced && i < plan->profiles->len; i++) {
        const Profile *other = plan->profiles->pdata[i];
        if (other != replaced && competes(plan, other) && other->priority > replaced->priority)
            warn(plan,
                 "\"%s\" has a higher autoconnect-priority than \"%s\" (%d > %d): a reboot brings up \"%s\"",
                 other->id, replaced->id, other->priority, replaced->priority, other->id);
    }
}

gboolean plan_suitable(Plan *plan, GError **error)
{
    if (!plan_profile_suitable(plan->candidate, error) ||
        (plan->replaced && !plan_profile_suitable(plan->replaced, error)))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++)
        if ((rules[i].candidate && !rules[i].suitable(plan, plan->candidate, error)) ||
            (rules[i].replaced && !rules[i].suitable(plan, plan->replaced, error)))
            return FALSE;
    add_warnings(plan);
    return choose_priority(plan, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must run for a trial: NetworkManager, its connectivity check, and what ends a trial when its caller is
 * gone. */
#include "agent.h"
#include "checks.h"
#include "doctor.h"
#include "names.h"

/* NetworkManager */

#define NM_OLDEST_MINOR 30
#define NM_REAPPLY_MINOR 42 /* has a dispatcher event for it */

enum finding_state doctor_judge_version(const char *version)
{
    char *end = NULL;
    guint64 major = g_ascii_strtoull(version, &end, 10);
    guint64 minor = *end == '.' ? g_ascii_strtoull(end + 1, NULL, 10) : 0;

    if (major > 1 || (major == 1 && minor >= NM_REAPPLY_MINOR))
        return FINDING_OK;
    return major == 1 && minor >= NM_OLDEST_MINOR ? FINDING_WARNING : FINDING_FAILURE;
}

void doctor_networkmanager(Doctor *doctor)
{
    static const char *const advice[] = {
        [FINDING_OK] = NULL,
        [FINDING_WARNING] =
            "Before 1.42 it does not tell of \"nmcli device reapply\": activate what you have changed.",
        [FINDING_FAILURE] = "It needs NetworkManager 1.30 or later. Update it.",
    };
    g_autoptr(GVariant) version =
        doctor->away ? NULL : doctor_property(doctor, NM_BUS_NAME, NM_PATH, NM_IFACE, "Version", "s");

    if (!version) {
        doctor_say(
            doctor, FINDING_FAILURE,
            g_strdup(doctor->away ? doctor->away : "NetworkManager does not tell its version"),
            g_strdup("No trial can start without it. If it has just been started, wait: nm-online -s. Else "
                     "see: systemctl status NetworkManager dbus"));
        return;
    }
    const char *text = g_variant_get_string(version, NULL);
    enum finding_state state = doctor_judge_version(text);
    doctor_say(doctor, state, g_strdup_printf("%s answers", text), g_strdup(advice[state]));
}

void doctor_connectivity(Doctor *doctor)
{
    gboolean plain_http = FALSE;
    g_autofree char *why = NULL;

    if (doctor->away)
        doctor_say(doctor, FINDING_WARNING, g_strdup("not known: NetworkManager cannot be asked"),
                   g_strdup("See networkmanager."));
    else if (!checks_nm_believable(network_bus(doctor->network), &plain_http, &why))
        doctor_say(doctor, FINDING_WARNING,
                   g_strdup_printf("trials are judged by check gateway, which proves the neighbour and not "
                                   "what is behind it: %s",
                                   why),
                   g_strdup("Write the two lines [connectivity] and uri=https://HOST/PAGE into "
                            "/etc/NetworkManager/conf.d/connectivity.conf (HOST: your own server, which "
                            "answers with \"NetworkManager is online\"), then: nmcli general "
                            "reload"));
    else if (plain_http)
        doctor_say(
            doctor, FINDING_WARNING,
            g_strdup("NetworkManager's connectivity check is plain http: the network under trial can forge "
                     "its answer"),
            g_strdup("Set an https address as uri= in the section [connectivity] of NetworkManager.conf."));
    else
        doctor_say(doctor, FINDING_OK, g_strdup("NetworkManager's connectivity check is https"), NULL);
}

/* The units */

static const struct {
    const char *name;
    const char *without; /* what happens when it does not run at boot */
    gboolean early;      /* it must have run before NetworkManager */
} units[] = {
    {NM_TRIAL_BOOT_UNIT,
     "after a power cut in a trial, NetworkManager comes up before the trial is ended: on files that nobody "
     "has put right",
     TRUE},
    {NM_TRIAL_UNIT, "nobody goes on with a trial that is still open after a boot", FALSE},
};

static gboolean installed(Doctor *doctor, gsize i)
{
    const char *name = units[i].name;
    g_autoptr(GError) error = NULL;
    g_autofree char *state = doctor_unit_state(doctor, name, &error);
    gboolean masked = state && g_str_has_prefix(state, "masked");

    if (!state)
        doctor_say(doctor, FINDING_FAILURE, g_strdup_printf("systemd has no %s: %s", name, error->message),
                   g_strdup_printf("Install nm-trial's units, then: systemctl daemon-reload; systemctl "
                                   "enable %s",
                                   name));
    else if (strcmp(state, "enabled") != 0)
        doctor_say(doctor, FINDING_FAILURE, g_strdup_printf("%s is %s: %s", name, state, units[i].without),
                   g_strdup_printf("%s%s%ssystemctl enable %s", masked ? "systemctl unmask " : "",
                                   masked ? name : "", masked ? "; " : "", name));
    return state && !masked;
}

static GVariant *unit_property(const Doctor *doctor, const char *object, const char *interface,
                               const char *property, const char *type)
{
    return doctor_property(doctor, SYSTEMD_BUS_NAME, object, interface, property, type);
}

static gboolean before_networkmanager(const Doctor *doctor, const char *object)
{
    g_autoptr(GVariant) value = unit_property(doctor, object, SYSTEMD_IFACE_UNIT, "Before", "as");
    g_autofree const char **before = NULL;

    if (value)
        g_variant_get(value, "^a&s", &before);
    return before && g_strv_contains(before, NM_UNIT);
}

/* How it is in systemd's memory, and how it fared at this boot. */
static void loaded(Doctor *doctor, gsize i)
{
    const char *name = units[i].name, *object = NULL;
    g_autoptr(GVariant) reply = doctor_call(doctor, SYSTEMD_BUS_NAME, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER,
                                            "LoadUnit", g_variant_new("(s)", name), "(o)", NULL);
    if (reply)
        g_variant_get(reply, "(&o)", &object);
    g_autoptr(GVariant) active =
        object ? unit_property(doctor, object, SYSTEMD_IFACE_UNIT, "ActiveState", "s") : NULL;
    g_autoptr(GVariant) result =
        object ? unit_property(doctor, object, SYSTEMD_IFACE_SERVICE, "Result", "s") : NULL;
    const char *state = active ? g_variant_get_string(active, NULL) : "unknown";

    if (units[i].early && object && !before_networkmanager(doctor, object))
        doctor_say(doctor, FINDING_FAILURE,
                   g_strdup_printf("%s is not ordered before %s: %s", name, NM_UNIT, units[i].without),
                   g_strdup_printf("See what changes its Before=: systemctl cat %s. Then: systemctl "
                                   "daemon-reload",
                                   name));
    if (strcmp(state, "failed") == 0)
        doctor_say(
            doctor, FINDING_FAILURE,
            g_strdup_printf("%s has failed (%s)", name, result ? g_variant_get_string(result, NULL) : "?"),
            g_strdup_printf("See why: journalctl -b -u %s. Then: systemctl restart %s", name, name));
    else if (units[i].early && strcmp(state, "inactive") == 0)
        doctor_say(doctor, FINDING_WARNING, g_strdup_printf("%s did not run at this boot", name),
                   g_strdup("If it was installed after the boot, all is well; else see: journalctl -b | "
                            "grep -i ordering"));
}

static void without_systemd(Doctor *doctor)
{
    g_autofree char *agent = agent_trial(NM_TRIAL_RUN_DIR);

    if (!agent) {
        doctor_say(
            doctor, FINDING_FAILURE,
            g_strdup("systemd does not answer and no agent runs in the foreground: nobody watches a trial"),
            g_strdup(
                "Keep it running: nm-trial agent. And before each start of NetworkManager, run: nm-trial "
                "boot"));
        return;
    }
    doctor_say(doctor, FINDING_OK, g_strdup("an agent runs in the foreground"), NULL);
    doctor_say(doctor, FINDING_WARNING,
               g_strdup("without systemd nobody can see whether nm-trial boot runs before NetworkManager"),
               g_strdup("Make sure that whatever starts NetworkManager runs this first: nm-trial boot"));
}

void doctor_units(Doctor *doctor)
{
    if (!doctor->systemd) {
        without_systemd(doctor);
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        guint before = doctor->findings->len;
        if (installed(doctor, i))
            loaded(doctor, i);
        doctor_say_well(doctor, before, g_strdup_printf("%s is enabled", units[i].name));
    }
}

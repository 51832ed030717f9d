/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done in each scene, and which profile is to be up at its end; no more about how than its words. */
#include "names.h"
#include "sim.h"

#include <string.h>

#define MANUAL " --confirm manual --check none --timeout 60s"
#define SHORTLY " --confirm manual --check none --timeout 20s"
#define EDIT "start --edit lan --from /tmp/content"
#define UUID "5a3b1c9e-0000-4000-8000-0000000000"

/* Names of profiles: an id; behind a dot what is in it. */
static const struct {
    const char *name;
    const char *id;
    const char *device;
    const char *address; /* "": by DHCP, which nobody serves */
    gboolean autoconnect;
    const char *user;
} profiles[] = {
    {"lan", "lan", "eth0", "10.99.0.10/24,10.99.0.1", TRUE, ""},
    {"lan.new", "lan", "eth0", "10.99.0.20/24,10.99.0.1", TRUE, ""},
    {"lan.dead", "lan", "eth0", "10.99.0.20/24,10.99.0.66", TRUE, ""},
    {"new", "new", "eth0", "10.99.0.20/24,10.99.0.1", FALSE, ""},
    {"new.unmarked", "new", "eth0", "10.99.0.20/24,10.99.0.1", FALSE, ""},
    {"new.edited", "new", "eth0", "10.99.0.30/24,10.99.0.1", FALSE, "nm-trial.state=trying\n"},
    {"dead", "dead", "eth0", "10.99.0.20/24,10.99.0.66", FALSE, ""},
    {"dhcp", "dhcp", "eth0", "", FALSE, ""},
    {"lan1", "lan1", "eth1", "10.99.1.10/24,10.99.1.1", TRUE, ""},
    {"new1", "new1", "eth1", "10.99.1.20/24,10.99.1.1", FALSE, ""},
    {"annotated", "annotated", "eth0", "10.99.0.20/24,10.99.0.1", FALSE,
     "nm-trial.replaces=lan\nnm-trial.hold=5s\nnm-trial.timeout=30s\n"},
    {"delivery", "delivery", "eth0", "10.99.0.20/24,10.99.0.1", FALSE,
     "nm-trial.replaces=lan\nnm-trial.start=boot\nnm-trial.hold=5s\nnm-trial.timeout=30s\n"},
    {"bystander", "bystander", "eth7", "10.99.7.10/24,10.99.7.1", TRUE, "nm-trial.state=promoted\n"},
};

#define FILES(...)                                                                                           \
    {                                                                                                        \
        __VA_ARGS__, "bystander"                                                                             \
    }
#define ETH0(candidate_)                                                                                     \
    {                                                                                                        \
        {                                                                                                    \
            "eth0", "lan", candidate_                                                                        \
        }                                                                                                    \
    }
#define EDITED(content_)                                                                                     \
    {                                                                                                        \
        {                                                                                                    \
            "eth0", "lan", NULL, content_                                                                    \
        }                                                                                                    \
    }

const struct sim_scene sim_scenes[] = {
    {"confirm",
     FILES("lan", "new"),
     ETH0("new"),
     {{0, "start new" MANUAL, 0}, {1000, "confirm", 0}},
     "confirmed",
     TRUE},
    {"timeout", FILES("lan", "new"), ETH0("new"), {{0, "start new" SHORTLY, 0}}, "timeout"},
    {"cancel",
     FILES("lan", "new"),
     ETH0("new"),
     {{0, "start new" MANUAL, 0}, {1000, "cancel", 0}},
     "cancelled"},
    {"extend",
     FILES("lan", "new"),
     ETH0("new"),
     {{0, "start new" SHORTLY, 0}, {1000, "extend --timeout 40s", 0}, {30000, "confirm", 0}},
     "confirmed",
     TRUE},
    {"checks-pass",
     FILES("lan", "new"),
     ETH0("new"),
     {{0, "start new --check nm --hold 5s --timeout 30s", 0}},
     "checks-passed",
     TRUE},
    {"checks-fail",
     FILES("lan", "dead"),
     ETH0("dead"),
     {{0, "start dead --check nm --hold 5s --timeout 30s", 0}},
     "check-failed"},
    {"activation-fails",
     FILES("lan", "dhcp"),
     ETH0("dhcp"),
     {{0, "start dhcp" MANUAL, 0}},
     "activation-failed"},
    {"two-pairs",
     FILES("lan", "new", "lan1", "new1"),
     {{"eth0", "lan", "new"}, {"eth1", "lan1", "new1"}},
     {{0, "start new new1" MANUAL, 0}, {1000, "confirm", 0}},
     "confirmed",
     TRUE},
    {"two-pairs-cancel",
     FILES("lan", "new", "lan1", "new1"),
     {{"eth0", "lan", "new"}, {"eth1", "lan1", "new1"}},
     {{0, "start new new1" MANUAL, 0}, {1000, "cancel", 0}},
     "cancelled"},
    {"fallback",
     FILES("lan", "new"),
     ETH0("new"),
     {{0, "start new --fallback" MANUAL, 0}, {1000, "confirm", 0}},
     "confirmed",
     TRUE},
    {"none",
     FILES("lan", "new1"),
     {{"eth1", NULL, "new1"}},
     {{0, "start new1 --replace none" MANUAL, 0}, {1000, "confirm", 0}},
     "confirmed",
     TRUE},
    {"none-timeout",
     FILES("lan", "new1"),
     {{"eth1", NULL, "new1"}},
     {{0, "start new1 --replace none" SHORTLY, 0}},
     "timeout"},
    {"edit-confirm",
     FILES("lan"),
     EDITED("lan.new"),
     {{0, EDIT MANUAL, 0}, {1000, "confirm", 0}},
     "confirmed",
     TRUE},
    {"edit-timeout", FILES("lan"), EDITED("lan.new"), {{0, EDIT SHORTLY, 0}}, "timeout"},
    {"edit-cancel", FILES("lan"), EDITED("lan.new"), {{0, EDIT MANUAL, 0}, {1000, "cancel", 0}}, "cancelled"},
    {"edited",
     FILES("lan", "new"),
     ETH0("new"),
     {{0, "start new" MANUAL, 0}, {1000, "put new new.edited", -1}},
     "candidate-changed",
     FALSE,
     "new"},
    {"unmarked",
     FILES("lan", "new"),
     ETH0("new"),
     {{0, "start new" MANUAL, 0}, {1000, "put new new.unmarked", -1}, {5000, "confirm", 0}},
     "confirmed",
     TRUE},
    {"removed",
     FILES("lan", "new"),
     ETH0("new"),
     {{0, "start new" MANUAL, 0}, {1000, "remove new", -1}},
     "candidate-removed",
     FALSE,
     "new"},
    {"corrupt", FILES("lan", "new"), ETH0("new"), {{0, "start new" MANUAL, 0}, {1000, "corrupt", -1}}},
    {"nm-restart",
     FILES("lan", "new"),
     ETH0("new"),
     {{0, "start new" MANUAL, 0}, {1000, "kill-nm", -1}, {9000, "confirm", 0}},
     "confirmed",
     TRUE},
    {"guarded-boot",
     FILES("lan"),
     EDITED("lan.new"),
     {{0, "guard lan", 0}, {1000, "put lan lan.new", -1}, {2000, "reboot", -1}},
     "checks-passed",
     TRUE},
    {"guarded-up",
     FILES("lan"),
     EDITED("lan.new"),
     {{0, "guard lan", 0}, {1000, "put lan lan.new", -1}, {2000, "up lan", -1}},
     "checks-passed",
     TRUE},
    {"guarded-fails",
     FILES("lan"),
     EDITED("lan.dead"),
     {{0, "guard lan", 0}, {1000, "put lan lan.dead", -1}, {2000, "reboot", -1}},
     "check-failed"},
    {"delivery", FILES("lan", "delivery"), ETH0("delivery"), {{0, "reboot", -1}}, "checks-passed", TRUE},
    {"annotated",
     FILES("lan", "annotated"),
     ETH0("annotated"),
     {{0, "up annotated", -1}},
     "checks-passed",
     TRUE},
    {"rolled-back",
     FILES("lan", "annotated"),
     ETH0("annotated"),
     {{0, "up annotated", -1}, {2000, "checkpoint eth0 15", -1}},
     "checks-passed",
     TRUE},
    {"rolled-back-edit",
     FILES("lan"),
     EDITED("lan.new"),
     {{0, "guard lan", 0},
      {1000, "put lan lan.new", -1},
      {2000, "up lan", -1},
      {4000, "checkpoint eth0 15", -1}},
     "checks-passed",
     TRUE},
    {"rolled-back-edit-fails",
     FILES("lan"),
     EDITED("lan.dead"),
     {{0, "guard lan", 0},
      {1000, "put lan lan.dead", -1},
      {2000, "up lan", -1},
      {4000, "checkpoint eth0 200", -1}},
     "check-failed"},
};
const gsize sim_n_scenes = G_N_ELEMENTS(sim_scenes);

char *sim_profile(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(profiles); i++) {
        const char *address = profiles[i].address, *user = profiles[i].user;
        if (strcmp(profiles[i].name, name) != 0)
            continue;
        return g_strdup_printf(
            "# by hand, do not lose\n[connection]\nid=%s\nuuid=%s\ntype=ethernet\n"
            "interface-name=%s\nautoconnect=%s\n\n[ipv4]\n%s%s%s\n[ipv6]\nmethod=disabled\n%s%s",
            profiles[i].id, sim_uuid(profiles[i].id), profiles[i].device,
            profiles[i].autoconnect ? "true" : "false",
            *address ? "method=manual\naddress1=" : "method=auto\nmay-fail=false\ndhcp-timeout=2\n", address,
            *address ? "\n" : "", *user ? "\n[user]\n" : "", user);
    }
    g_error("no profile %s", name);
}

char *sim_path(const char *name)
{
    g_autofree char *id = g_strndup(name, strcspn(name, "."));
    return g_strconcat(NM_TRIAL_PROFILE_DIR "/", id, KEYFILE_SUFFIX, NULL);
}

const char *sim_uuid(const char *id)
{
    static char uuid[64];
    for (gsize i = 0; i < G_N_ELEMENTS(profiles); i++)
        if (strcmp(profiles[i].id, id) == 0) {
            (void)g_snprintf(uuid, sizeof uuid, UUID "%02x", (guint)i + 16);
            return uuid;
        }
    return "";
}

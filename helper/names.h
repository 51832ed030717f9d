/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every well-known string in one place: bus names, paths, annotations, units. Nothing else. */
#pragma once

#define NM_TRIAL_IDENTIFIER "nm-trial"
#define NM_TRIAL_UNIT "nm-trial.service"
#define NM_TRIAL_BOOT_UNIT "nm-trial-boot.service"

#define NM_TRIAL_STATE_DIR "/var/lib/nm-trial"
#define NM_TRIAL_RUN_DIR "/run/nm-trial"
#define NM_TRIAL_PROFILE_DIR "/etc/NetworkManager/system-connections"

/* Where NM keeps other profiles: until the next boot, and packages' */
#define NM_RUN_DIR "/run/NetworkManager"
#define NM_RUN_PROFILE_DIR "/run/NetworkManager/system-connections"
#define NM_LIB_PROFILE_DIR "/usr/lib/NetworkManager/system-connections"

#define NM_TRIAL_CONF "/etc/nm-trial/nm-trial.conf"
#define NM_TRIAL_CHECK_DIR "/etc/nm-trial/check.d"
#define NM_TRIAL_HOOK_DIR "/etc/nm-trial/verdict.d"

/* The dispatcher script: in one of the directories, where it is a link into no-wait.d below it */
#define NM_TRIAL_SCRIPT "90-nm-trial"
#define NM_DISPATCHER_DIR "/etc/NetworkManager/dispatcher.d"
#define NM_DISPATCHER_LIB_DIR "/usr/lib/NetworkManager/dispatcher.d"
#define NM_DISPATCHER_NO_WAIT "no-wait.d"

/* In the state directory */
#define NM_TRIAL_RECORD "trial"
#define NM_TRIAL_HISTORY "history"
#define NM_TRIAL_LOCK "lock"
#define NM_TRIAL_GOOD "good"
/* In the run directory */
#define NM_TRIAL_AGENT "agent"
#define NM_TRIAL_CHECKS "checks"
#define NM_TRIAL_EVENTS "events"
#define NM_TRIAL_STATUS "status.json"
#define NM_TRIAL_CAME_UP "came-up" /* guarded profiles that have come up since the boot */
#define NM_TRIAL_SWEPT "swept"     /* the boot whose changes of guarded profiles were looked for */

/* Beginning of a temporary file's name. A leading dot: NM ignores such names. `x.tmp` or `x.nmconnection.bak`
 * would load as profiles. */
#define NM_TRIAL_TEMPORARY ".nm-trial-new."

/* NetworkManager's keyfile format (its documentation: nm-settings-keyfile) */
#define KEYFILE_SUFFIX ".nmconnection"
#define GROUP_CONNECTION "connection"
#define GROUP_USER "user"
#define GROUP_META ".nmmeta" /* NM's own notes, in its directory in /run */
#define KEY_SHADOWED "shadowed-storage"
#define NM_META_SUFFIX ".nmmeta" /* UUID.nmmeta: NM's note that there is no such profile */
#define KEY_UUID "uuid"
#define KEY_ID "id"
#define KEY_AUTOCONNECT "autoconnect"
#define KEY_PRIORITY "autoconnect-priority"
#define NM_PRIORITY_MAX 999

#define ANNOTATION_PREFIX "nm-trial."
#define ANNOTATION_REPLACES "nm-trial.replaces"
#define ANNOTATION_START "nm-trial.start"
#define ANNOTATION_GUARD "nm-trial.guard"
#define ANNOTATION_STATE "nm-trial.state"
#define ANNOTATION_REASON "nm-trial.reason"

/* D-Bus */
#define NM_BUS_NAME "org.freedesktop.NetworkManager"
#define NM_PATH "/org/freedesktop/NetworkManager"
#define NM_SETTINGS_PATH "/org/freedesktop/NetworkManager/Settings"
#define NM_IFACE "org.freedesktop.NetworkManager"
#define NM_IFACE_SETTINGS "org.freedesktop.NetworkManager.Settings"
#define NM_IFACE_CONNECTION "org.freedesktop.NetworkManager.Settings.Connection"
#define NM_IFACE_DEVICE "org.freedesktop.NetworkManager.Device"
#define NM_IFACE_ACTIVE "org.freedesktop.NetworkManager.Connection.Active"
#define NM_IFACE_CHECKPOINT "org.freedesktop.NetworkManager.Checkpoint"
#define NM_DISPATCHER_BUS_NAME "org.freedesktop.nm_dispatcher"
#define DBUS_NAME "org.freedesktop.DBus"
#define DBUS_PATH "/org/freedesktop/DBus"
#define DBUS_IFACE_PROPERTIES "org.freedesktop.DBus.Properties"
#define DBUS_IFACE_OBJECTS "org.freedesktop.DBus.ObjectManager"
#define NM_PATH_OBJECTS "/org/freedesktop"
#define SYSTEMD_BUS_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_IFACE_MANAGER "org.freedesktop.systemd1.Manager"
#define SYSTEMD_IFACE_UNIT "org.freedesktop.systemd1.Unit"
#define SYSTEMD_IFACE_SERVICE "org.freedesktop.systemd1.Service"
#define NM_UNIT "NetworkManager.service"
#define NM_DISPATCHER_UNIT "NetworkManager-dispatcher.service"
#define NM_DISPATCHER_ALIAS "dbus-org.freedesktop.nm-dispatcher.service"

/* Exit codes, the interface's */
enum nm_trial_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NO_TRIAL = 3,
    EXIT_REFUSED = 4,
    EXIT_REVERTED = 5,
};

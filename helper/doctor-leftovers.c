/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What earlier trials, other tools or a crash have left: each of it undoes or hides a profile later. */
#include "doctor.h"
#include "history.h"
#include "names.h"
#include "os.h"
#include "profile.h"
#include "profiles.h"

#include <glib/gstdio.h>

/* The open trial and the records */

static void examine_records(Doctor *doctor)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonArray) history = history_load(NM_TRIAL_STATE_DIR, &error);

    if (doctor->record)
        doctor_say(doctor, FINDING_OK,
                   g_strdup_printf("trial %s is open (%s)", doctor->record->id,
                                   trial_state_name(doctor->record->trial.state)),
                   NULL);
    if (doctor->unreadable)
        doctor_say(doctor, FINDING_FAILURE,
                   g_strdup_printf("the record of a trial cannot be read: %s", doctor->unreadable),
                   g_strdup("The agent sets it aside and goes back: systemctl start " NM_TRIAL_UNIT
                            ", or nm-trial agent where there is no systemd. Then look again."));
    if (!history)
        doctor_say(doctor, FINDING_FAILURE, g_strdup_printf("the history cannot be read: %s", error->message),
                   g_strdup("The next verdict sets it aside and begins a new one. To do so now, move it "
                            "away: " NM_TRIAL_STATE_DIR "/" NM_TRIAL_HISTORY));
}

/* Files of our own in a directory whose names begin so. */
static void examine_names(Doctor *doctor, const char *directory, const char *prefix, const char *what,
                          const char *advice)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_prefix(name, prefix))
            doctor_say(doctor, FINDING_WARNING, g_strdup_printf("%s/%s: %s", directory, name, what),
                       g_strdup(advice));
}

static void examine_guards_set_aside(Doctor *doctor)
{
    static const char directory[] = NM_TRIAL_STATE_DIR "/" NM_TRIAL_GOOD;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (strstr(name, KEYFILE_SUFFIX ".bad-"))
            doctor_say(
                doctor, FINDING_FAILURE,
                g_strdup_printf(
                    "%s/%s: what is known good of a guarded profile could not be used and was set "
                    "aside; the profile is not guarded any more",
                    directory, name),
                g_strdup(
                    "If the profile has what it is to have: nm-trial guard PROFILE. Then remove the file."));
}

static void examine_own_files(Doctor *doctor)
{
    static const char *const directories[] = {NM_TRIAL_PROFILE_DIR, NM_TRIAL_STATE_DIR};
    static const char *const records[] = {NM_TRIAL_RECORD ".bad-", NM_TRIAL_HISTORY ".bad-"};

    for (gsize i = 0; i < G_N_ELEMENTS(directories); i++)
        examine_names(doctor, directories[i], NM_TRIAL_TEMPORARY, "a write that was cut off",
                      "Nothing: the next boot removes it.");
    for (gsize i = 0; i < G_N_ELEMENTS(records); i++)
        examine_names(doctor, NM_TRIAL_STATE_DIR, records[i],
                      "this could not be used and was set aside; it may hold secrets",
                      "See what the journal says of it (journalctl -t " NM_TRIAL_IDENTIFIER
                      "), then remove it.");
    examine_guards_set_aside(doctor);
}

/* Checkpoints */

static char *interface_names(const Doctor *doctor, char **objects)
{
    GString *names = g_string_new(NULL);
    for (char **object = objects; object && *object; object++) {
        g_autoptr(GVariant) name =
            doctor_property(doctor, NM_BUS_NAME, *object, NM_IFACE_DEVICE, "Interface", "s");
        g_string_append_printf(names, "%s%s", names->len ? ", " : "",
                               name ? g_variant_get_string(name, NULL) : *object);
    }
    return g_string_free(names, FALSE);
}

static gboolean ours(const Doctor *doctor, const char *path)
{
    return doctor->record && g_strcmp0(doctor->record->checkpoint, path) == 0 &&
           g_strcmp0(doctor->record->checkpoint_nm, network_nm_name(doctor->network)) == 0;
}

static void examine_checkpoints(Doctor *doctor)
{
    g_auto(GStrv) all = doctor->away ? NULL : network_checkpoints(doctor->network, NULL);

    for (char **path = all; path && *path; path++) {
        g_auto(NetworkCheckpoint) found = {0};
        if (ours(doctor, *path) || !network_checkpoint_get(doctor->network, *path, &found, NULL))
            continue;
        g_autofree char *devices = interface_names(doctor, found.devices);
        g_autofree char *when = found.fires_ms == G_MAXINT64
                                    ? g_strdup("never")
                                    : g_strdup_printf("in %" G_GINT64_FORMAT " s",
                                                      MAX(found.fires_ms - os.boottime_ms(), 0) / 1000 + 1);
        doctor_say(doctor, FINDING_WARNING,
                   g_strdup_printf("somebody has a checkpoint on %s, which rolls back %s: it undoes what is "
                                   "changed there until then",
                                   devices, when),
                   g_strdup_printf("Let its owner finish. If nobody owns it: busctl call " NM_BUS_NAME
                                   " " NM_PATH " " NM_IFACE " CheckpointDestroy o %s",
                                   *path));
    }
}

/* Files that hide a stored profile */

static void examine_twins(Doctor *doctor)
{
    for (guint i = 0; i < doctor->profiles->len; i++) {
        const Profile *profile = doctor->profiles->pdata[i],
                      *first = profile_by_uuid(doctor->profiles, profile->uuid);
        if (first != profile)
            doctor_say(doctor, FINDING_FAILURE,
                       g_strdup_printf("%s and %s have the same UUID: NetworkManager takes the newer file, "
                                       "whatever is in it",
                                       first->path, profile->path),
                       g_strdup("Remove the one that is not meant, then: nmcli connection reload"));
    }
}

static gboolean knows_its_storage(const Profile *shadow)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    return g_key_file_load_from_data(file, shadow->data, shadow->length, G_KEY_FILE_NONE, NULL) &&
           g_key_file_has_key(file, GROUP_META, KEY_SHADOWED, NULL);
}

static void examine_shadows(Doctor *doctor)
{
    g_autoptr(GPtrArray) shadows = profile_read_directory(NM_RUN_PROFILE_DIR, NULL);

    for (guint i = 0; i < shadows->len; i++) {
        const Profile *shadow = shadows->pdata[i], *profile = profile_by_uuid(doctor->profiles, shadow->uuid);
        if (profile && !knows_its_storage(shadow))
            doctor_say(doctor, FINDING_WARNING,
                       g_strdup_printf("%s hides %s until a reboot; nmcli would then write or delete beside "
                                       "the stored file",
                                       shadow->path, profile->path),
                       g_strdup("Remove it, then: nmcli connection reload, and activate the profile again"));
    }
}

/* Whether an UUID.nmmeta says that there is no such profile: a link to /dev/null, or a file that says so. */
static gboolean tombstone(const char *path)
{
    g_autofree char *target = g_file_read_link(path, NULL), *loaded = NULL;
    g_autoptr(GKeyFile) file = g_key_file_new();

    if (target)
        return strcmp(target, "/dev/null") == 0;
    if (g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL))
        loaded = g_key_file_get_string(file, "nmmeta", "loaded-path", NULL);
    return g_strcmp0(loaded, "/dev/null") == 0;
}

static void examine_tombstones(Doctor *doctor, const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (!g_str_has_suffix(name, NM_META_SUFFIX))
            continue;
        g_autofree char *uuid = g_strndup(name, strlen(name) - strlen(NM_META_SUFFIX));
        g_autofree char *path = g_build_filename(directory, name, NULL);
        const Profile *profile = profile_by_uuid(doctor->profiles, uuid);
        if (profile && tombstone(path))
            doctor_say(
                doctor, FINDING_FAILURE,
                g_strdup_printf("%s says that %s is deleted: NetworkManager does not load it", path,
                                profile->path),
                g_strdup_printf("If the profile is meant, remove %s; else remove the profile. Then: nmcli "
                                "connection reload",
                                path));
    }
}

void doctor_leftovers(Doctor *doctor)
{
    guint before;

    examine_records(doctor);
    before = doctor->findings->len;
    examine_own_files(doctor);
    examine_checkpoints(doctor);
    examine_twins(doctor);
    examine_shadows(doctor);
    examine_tombstones(doctor, NM_TRIAL_PROFILE_DIR);
    examine_tombstones(doctor, NM_RUN_PROFILE_DIR);
    doctor_say_well(doctor, before, g_strdup("nothing was left behind"));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether what a trial writes is there after a power cut: where it is stored, and who else writes there. */
#include "doctor.h"
#include "names.h"
#include "profiles.h"
#include "storage.h"
#include "store.h"

#include <glib/gstdio.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/statvfs.h>

/* A record and the profiles that it embeds, each written beside the old one. */
#define SPACE_LEAST (1024 * 1024)
#define FILES_LEAST 16

/* The directory, or what it will be made in; links resolved. Caller frees. */
static char *existing(const char *directory)
{
    g_autofree char *path = g_strdup(directory);
    char *real;
    while (!(real = realpath(path, NULL)) && strcmp(path, "/") != 0) {
        char *parent = g_path_get_dirname(path);
        g_free(path);
        path = parent;
    }
    return real;
}

static void examine_kind(Doctor *doctor, const char *real)
{
    gboolean (*const ask[])(const char *, char **, char **) = {storage_is_lost, storage_is_open};
    char *what, *mend;

    for (gsize i = 0; i < G_N_ELEMENTS(ask); i++)
        if (ask[i](real, &what, &mend))
            doctor_say(doctor, FINDING_FAILURE, what, mend ? mend : g_strdup(STORAGE_ASK_KERNEL));
}

static void examine_room(Doctor *doctor, const char *directory, const struct statvfs *fs)
{
    guint64 free_bytes = (guint64)fs->f_bavail * fs->f_frsize;

    if (fs->f_flag & ST_RDONLY)
        doctor_say(doctor, FINDING_FAILURE,
                   g_strdup_printf("%s is read-only: no trial can be started, promoted or noted", directory),
                   g_strdup("Mount it read-write. If the kernel did this, the disk may be failing: dmesg"));
    if (free_bytes < SPACE_LEAST)
        doctor_say(doctor, FINDING_FAILURE,
                   g_strdup_printf("%s has %" G_GUINT64_FORMAT " KiB free", directory, free_bytes / 1024),
                   g_strdup("Make room: at least 1 MiB. See: df"));
    if (fs->f_files > 0 && fs->f_favail < FILES_LEAST)
        doctor_say(doctor, FINDING_FAILURE,
                   g_strdup_printf("%s has room for %" G_GUINT64_FORMAT " more files", directory,
                                   (guint64)fs->f_favail),
                   g_strdup("Remove files, however small. See: df -i"));
}

static void examine_directory(Doctor *doctor, const char *directory, const char *real)
{
    guint before = doctor->findings->len;
    gboolean there = g_file_test(directory, G_FILE_TEST_IS_DIR);
    struct statvfs fs;

    examine_kind(doctor, real);
    if (statvfs(real, &fs) == 0)
        examine_room(doctor, directory, &fs);
    doctor_say_well(doctor, before,
                    g_strdup_printf("%s %s, root's alone, with room", directory,
                                    there ? "is on lasting storage"
                                          : "will be made at the first start: on lasting storage"));
}

static void examine_both(Doctor *doctor)
{
    g_autofree char *profiles = existing(NM_TRIAL_PROFILE_DIR), *state = existing(NM_TRIAL_STATE_DIR);
    GStatBuf of_profiles, of_state;

    examine_directory(doctor, NM_TRIAL_PROFILE_DIR, profiles);
    if (g_stat(profiles, &of_profiles) == 0 && g_stat(state, &of_state) == 0 &&
        of_profiles.st_dev != of_state.st_dev)
        doctor_say(doctor, FINDING_WARNING,
                   g_strdup(NM_TRIAL_PROFILE_DIR " and " NM_TRIAL_STATE_DIR
                                                 " are on two file systems: one can be restored, wiped or "
                                                 "lost without the other"),
                   g_strdup("If the device's updates do that, put both on the same one."));
}

void doctor_storage(Doctor *doctor)
{
    g_autofree char *state = existing(NM_TRIAL_STATE_DIR);

    if (profile_port != &profiles_dbus)
        examine_both(doctor);
    else
        doctor_say(doctor, FINDING_WARNING,
                   g_strdup("there is no directory " NM_TRIAL_PROFILE_DIR
                            " here: profiles are written through "
                            "NetworkManager, which loses comments and unknown keys; the host's systemd "
                            "makes them durable; a hung NetworkManager delays a verdict"),
                   g_strdup("On a host: mkdir -p " NM_TRIAL_PROFILE_DIR
                            ". To a container give the host's, if that can be."));
    examine_directory(doctor, NM_TRIAL_STATE_DIR, state);
}

/* Others who write profiles at boot */

static const struct copier {
    const char *pattern; /* glob(7) of the files that show it */
    const char *word;    /* that one of them must hold, NULL: any */
    const char *off;     /* glob(7) of files of which one with the word `off_word` shows that it is switched
                            off; NULL: nothing would show it */
    const char *off_word;
    const char *what;
    const char *advice;
} copiers[] = {
    /* balena-net-config of balenaOS */
    {"/mnt/boot/system-connections", NULL, NULL, NULL,
     "balenaOS copies what is in there over the stored profiles before each start of NetworkManager",
     "Give a candidate a file name that is not in there; after a promotion, put the promoted file there too, "
     "or remove the replaced one from there."},
    /* cloudinit/net/network_manager.py; switching off: cloud-init's "Network configuration" */
    {NM_TRIAL_PROFILE_DIR "/cloud-init-*", NULL, "/etc/cloud/cloud.cfg.d/*.cfg", "config: disabled",
     "cloud-init wrote this profile, and may write it anew at a boot: a promotion's change is lost",
     "Switch that off: the line \"network: {config: disabled}\" in "
     "/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg"},
    /* netplan's generator runs at each boot */
    {NM_RUN_PROFILE_DIR "/netplan-*", NULL, NULL, NULL,
     "netplan makes this profile anew from its YAML at each boot: a trial can neither replace nor change it",
     "Move the device out of /etc/netplan into a stored profile, then: netplan apply"},
    /* nm-initrd-generator(8) */
    {NM_RUN_PROFILE_DIR "/*", "origin=nm-initrd-generator", NULL, NULL,
     "the initramfs made this profile from the kernel's command line, and does so at each boot: a trial can "
     "neither replace nor change it",
     "Store a profile of its own for the device, or take ip= and rd.* from the kernel's command line."},
    /* nmstate.service(8) renames what it has applied */
    {"/etc/nmstate/*.y*ml", NULL, NULL, NULL,
     "nmstate.service applies this at the next boot and changes stored profiles, a promoted one too",
     "Apply it now (nmstatectl service), or take it away before a trial."},
};

static gboolean holds(const char *path, const char *word)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    return !word || (store_read(path, &text, &length, NULL) && strstr(text, word));
}

/* The first file of a pattern that holds the word; NULL: none. Caller frees. */
static char *find_file(const char *pattern, const char *word)
{
    glob_t found;
    char *first = NULL;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; !first && i < found.gl_pathc; i++)
            if (holds(found.gl_pathv[i], word))
                first = g_strdup(found.gl_pathv[i]);
    globfree(&found);
    return first;
}

void doctor_copiers(Doctor *doctor)
{
    guint before = doctor->findings->len;
    for (gsize i = 0; i < G_N_ELEMENTS(copiers); i++) {
        const struct copier *copier = &copiers[i];
        g_autofree char *file = find_file(copier->pattern, copier->word);
        g_autofree char *off = copier->off ? find_file(copier->off, copier->off_word) : NULL;
        if (file && !off)
            doctor_say(doctor, FINDING_WARNING, g_strdup_printf("%s: %s", file, copier->what),
                       g_strdup(copier->advice));
    }
    doctor_say_well(doctor, before, g_strdup("nobody is known to write profiles at boot"));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dispatcher script, as nm-dispatcher looks at it: it passes over in silence what it does not trust. */
#include "doctor.h"
#include "names.h"
#include "storage.h"

#include <glib/gstdio.h>
#include <stdlib.h>

/* The directory that wins comes first. */
static const char *const directories[] = {NM_DISPATCHER_DIR, NM_DISPATCHER_LIB_DIR};

/* Takes `why` and `advice` over. */
static void no_activation(Doctor *doctor, enum finding_state state, char *why, char *advice)
{
    doctor_say(doctor, state,
               g_strconcat(why,
                           ": an annotated candidate's trial does not begin when it is activated (nm-trial "
                           "start works)",
                           NULL),
               advice);
    g_free(why);
}

/* The script, or a link to it, in one of the directories or a folder ("": none) of theirs; NULL: there is
 * none. Caller frees. */
static char *find_script(const char *folder)
{
    for (gsize i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autofree char *path = g_build_filename(directories[i], folder, NM_TRIAL_SCRIPT, NULL);
        GStatBuf st;
        if (g_lstat(path, &st) == 0)
            return g_steal_pointer(&path);
    }
    return NULL;
}

static void missing(Doctor *doctor)
{
    g_autofree char *unlinked = find_script(NM_DISPATCHER_NO_WAIT);
    if (unlinked)
        no_activation(
            doctor, FINDING_WARNING, g_strdup_printf("%s is there, but nothing links to it", unlinked),
            g_strdup("ln -s " NM_DISPATCHER_NO_WAIT "/" NM_TRIAL_SCRIPT " " NM_DISPATCHER_DIR
                     "/" NM_TRIAL_SCRIPT " (for one in " NM_DISPATCHER_LIB_DIR ": with its full path)"));
    else
        no_activation(doctor, FINDING_WARNING,
                      g_strdup_printf("there is no %s/%s", NM_DISPATCHER_DIR, NM_TRIAL_SCRIPT),
                      g_strdup("Install nm-trial's dispatcher script."));
}

/* Whether it is a link into no-wait.d, by nm-dispatcher's own rule. */
static gboolean at_once(const char *path)
{
    g_autofree char *target = g_file_read_link(path, NULL);
    if (!target)
        return FALSE;
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *absolute = g_canonicalize_filename(target, directory);
    g_autofree char *parent = g_path_get_dirname(absolute);
    g_autofree char *real = realpath(parent, NULL);
    return real && g_str_has_suffix(real, "/" NM_DISPATCHER_NO_WAIT);
}

/* What nm-dispatcher looks at: NULL, or why it would pass the file over. */
static const char *distrusted(const GStatBuf *st)
{
    if (st->st_uid != 0)
        return "does not belong to root";
    if (st->st_mode & 022)
        return "can be written by others than root";
    if (st->st_mode & S_ISUID)
        return "is set-user-ID";
    return st->st_mode & S_IXUSR ? NULL : "cannot be executed by its owner";
}

static void examine_file(Doctor *doctor, const char *path, const char *real, const GStatBuf *st)
{
    const char *fault = distrusted(st);
    if (fault)
        no_activation(doctor, FINDING_FAILURE,
                      g_strdup_printf("%s %s, so nm-dispatcher passes it over", real, fault),
                      g_strdup_printf("chown root:root %s; chmod 0755 %s", real, real));

    g_autofree char *directory = g_path_get_dirname(path), *real_directory = g_path_get_dirname(real);
    int code = 0;
    g_autofree char *open = storage_open_to_others(directory, &code);
    if (!open)
        open = storage_open_to_others(real_directory, &code);
    if (open && code != 0)
        doctor_say(doctor, FINDING_FAILURE, g_strdup_printf(STORAGE_UNSEEN, open, g_strerror(code)),
                   g_strdup(STORAGE_ASK_KERNEL));
    else if (open)
        doctor_say(doctor, FINDING_FAILURE,
                   g_strdup_printf("%s can be written by others than root, who may so run any program as "
                                   "root",
                                   open),
                   g_strdup_printf(STORAGE_CLOSE, open, open));
    if (!at_once(path))
        doctor_say(doctor, FINDING_WARNING,
                   g_strdup_printf("%s is no link into " NM_DISPATCHER_NO_WAIT
                                   ": other scripts that take long delay it",
                                   path),
                   g_strdup_printf("mv %s %s/" NM_DISPATCHER_NO_WAIT "/; ln -s " NM_DISPATCHER_NO_WAIT
                                   "/" NM_TRIAL_SCRIPT " %s",
                                   path, directory, path));
}

static void examine_script(Doctor *doctor, const char *path)
{
    g_autofree char *real = realpath(path, NULL), *target = g_file_read_link(path, NULL);
    GStatBuf st;

    if (g_strcmp0(target, "/dev/null") == 0 ||
        (g_stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0))
        no_activation(doctor, FINDING_WARNING,
                      g_strdup_printf("%s is empty, which switches the script off", path),
                      g_strdup_printf("If that is not meant, remove %s and install the script again.", path));
    else if (!real || g_stat(real, &st) < 0 || !S_ISREG(st.st_mode))
        no_activation(doctor, FINDING_FAILURE,
                      g_strdup_printf("%s leads to no file (%s)", path, target ? target : "no regular one"),
                      g_strdup("Install nm-trial's dispatcher script again."));
    else
        examine_file(doctor, path, real, &st);
}

/* Whether anybody would run the script. */
static void examine_service(Doctor *doctor)
{
    g_autoptr(GVariant) reply =
        doctor_call(doctor, DBUS_NAME, DBUS_PATH, DBUS_NAME, "ListActivatableNames", NULL, "(as)", NULL);
    g_autofree const char **names = NULL;
    g_autofree char *unit = NULL, *alias = NULL;

    if (reply)
        g_variant_get(reply, "(^a&s)", &names);
    if (!names || !g_strv_contains(names, NM_DISPATCHER_BUS_NAME)) {
        no_activation(doctor, FINDING_WARNING,
                      g_strdup("nm-dispatcher is not installed, or D-Bus cannot be asked"),
                      g_strdup("Install it (a part of NetworkManager)."));
        return;
    }
    if (!doctor->systemd)
        return;
    unit = doctor_unit_state(doctor, NM_DISPATCHER_UNIT, NULL);
    alias = doctor_unit_state(doctor, NM_DISPATCHER_ALIAS, NULL); /* what D-Bus has systemd start */
    if (!alias || g_str_has_prefix(alias, "masked"))
        no_activation(
            doctor, FINDING_WARNING,
            g_strdup_printf("%s is %s", NM_DISPATCHER_UNIT, unit ? unit : "not installed"),
            g_strdup("systemctl unmask " NM_DISPATCHER_UNIT "; systemctl enable " NM_DISPATCHER_UNIT));
}

void doctor_dispatcher(Doctor *doctor)
{
    guint before = doctor->findings->len;
    g_autofree char *path = find_script("");

    if (path)
        examine_script(doctor, path);
    else
        missing(doctor);
    examine_service(doctor);
    doctor_say_well(doctor, before, g_strconcat(path ? path : "", " will be run", NULL));
}

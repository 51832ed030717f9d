/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

gboolean storage_roots_alone(const char *directory)
{
    struct stat st;
    return stat(directory, &st) == 0 && st.st_uid == 0 && (st.st_mode & 022) == 0;
}

char *storage_open_to_others(const char *path)
{
    g_autofree char *here = g_strdup(path);
    for (;;) {
        if (!storage_roots_alone(here))
            return g_steal_pointer(&here);
        char *parent = g_path_get_dirname(here);
        gboolean top = strcmp(parent, here) == 0;
        g_free(here);
        here = parent;
        if (top)
            return NULL;
    }
}

static gboolean lost_at_reboot(const char *directory)
{
    struct statfs fs;
    return statfs(directory, &fs) < 0 || fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

static gboolean below(const char *path, const char *mount_point)
{
    gsize length = strlen(mount_point);
    return g_str_has_prefix(path, mount_point) &&
           (path[length] == '/' || path[length] == '\0' || strcmp(mount_point, "/") == 0);
}

/* Where an overlay keeps what is written below `directory`: the upperdir of its mount. Caller frees; NULL:
 * unknown. */
static char *overlay_upper(const char *directory)
{
    g_autofree char *text = NULL;
    size_t longest = 0;
    char *upper = NULL;

    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        /* proc(5): the fifth field is the mount point, options come last */
        g_auto(GStrv) fields = g_strsplit(*line, " ", -1);
        const char *option = strstr(*line, "upperdir=");
        if (g_strv_length(fields) < 5 || strlen(fields[4]) < longest || !below(directory, fields[4]))
            continue;
        longest = strlen(fields[4]);
        g_free(upper);
        upper = option ? g_strndup(option + strlen("upperdir="), strcspn(option + strlen("upperdir="), ",\n"))
                       : NULL;
    }
    return upper;
}

enum storage storage_of(const char *directory)
{
    struct statfs fs;
    if (lost_at_reboot(directory))
        return STORAGE_IN_MEMORY;
    if (statfs(directory, &fs) < 0 || fs.f_type != OVERLAYFS_SUPER_MAGIC)
        return STORAGE_LASTING;
    g_autofree char *real = realpath(directory, NULL);
    g_autofree char *upper = real ? overlay_upper(real) : NULL;
    return upper && !lost_at_reboot(upper) ? STORAGE_LASTING : STORAGE_OVERLAY_IN_MEMORY;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

char *storage_open_to_others(const char *path, int *ret_errno)
{
    g_autofree char *here = g_strdup(path);
    struct stat st;

    for (;;) {
        *ret_errno = stat(here, &st) == 0 ? 0 : errno;
        if (*ret_errno || st.st_uid != 0 || (st.st_mode & 022) != 0)
            return g_steal_pointer(&here);
        char *parent = g_path_get_dirname(here);
        gboolean top = strcmp(parent, here) == 0;
        g_free(here);
        here = parent;
        if (top)
            return NULL;
    }
}

static int lost_at_reboot(const char *path);

/* What the kernel says of the disk that a file is on; NULL: nothing. Caller frees. */
static char *disk_attribute(const struct statx *on, const char *name)
{
    g_autofree char *path =
        g_strdup_printf("/sys/dev/block/%u:%u/%s", on->stx_dev_major, on->stx_dev_minor, name);
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

/* A file system's disk may be memory itself (a RAM disk, zram), or a file in memory (a loop device), where
 * the file's path still leads to it: one from before the root was changed does not, and no memory's is such,
 * as a rule. */
static gboolean disk_in_memory(const struct statx *on)
{
    g_autofree char *zram = disk_attribute(on, "comp_algorithm");
    g_autofree char *file = disk_attribute(on, "loop/backing_file");
    return on->stx_dev_major == RAMDISK_MAJOR || zram ||
           (file && access(file, F_OK) == 0 && lost_at_reboot(file) != 0);
}

/* 1: yes, 0: no; or a negative errno. */
static int lost_at_reboot(const char *path)
{
    struct statfs fs;
    struct statx on;

    if (statfs(path, &fs) < 0 || statx(AT_FDCWD, path, 0, 0, &on) < 0)
        return -errno;
    return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC || disk_in_memory(&on);
}

static gboolean below(const char *path, const char *mount_point)
{
    gsize length = strlen(mount_point);
    return g_str_has_prefix(path, mount_point) &&
           (path[length] == '/' || path[length] == '\0' || strcmp(mount_point, "/") == 0);
}

/* Where an overlay keeps what is written below `directory`: the upperdir of its mount. Caller frees; NULL:
 * unknown, or nowhere for good (a volatile one syncs nothing). */
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
        /* the option is a word alone, or "fsync=volatile" (Linux 6.18, seen) */
        gboolean syncs = !strstr(*line, ",volatile") && !strstr(*line, "fsync=volatile");
        const char *option = syncs ? strstr(*line, "upperdir=") : NULL;
        if (g_strv_length(fields) < 5 || strlen(fields[4]) < longest || !below(directory, fields[4]))
            continue;
        longest = strlen(fields[4]);
        g_free(upper);
        upper = option ? g_strndup(option + strlen("upperdir="), strcspn(option + strlen("upperdir="), ",\n"))
                       : NULL;
    }
    return upper;
}

/* What the disk does not tell is nobody's fault, and may be told the next time. */
static gboolean unknown(const char *path, int code, char **ret_what, char **ret_mend)
{
    *ret_what = g_strdup_printf(STORAGE_UNSEEN, path, g_strerror(code));
    *ret_mend = NULL;
    return TRUE;
}

gboolean storage_is_lost(const char *directory, char **ret_what, char **ret_mend)
{
    g_autofree char *real = realpath(directory, NULL);
    struct statfs fs;

    if (!real || statfs(real, &fs) < 0)
        return unknown(directory, errno, ret_what, ret_mend);
    gboolean overlay = fs.f_type == OVERLAYFS_SUPER_MAGIC;
    g_autofree char *kept = overlay ? overlay_upper(real) : g_steal_pointer(&real);
    int lost = kept ? lost_at_reboot(kept) : -ENOENT;
    if (lost == 0)
        return FALSE;
    if (lost < 0 && lost != -ENOENT)
        return unknown(kept, -lost, ret_what, ret_mend);
    *ret_what = g_strdup_printf("%s is not on storage that survives a reboot (%s)", directory,
                                overlay ? "an overlay on memory, volatile, or on a place that cannot be seen"
                                        : "memory");
    *ret_mend = g_strdup("mount a part of the disk there before NetworkManager starts");
    return TRUE;
}

gboolean storage_is_open(const char *directory, char **ret_what, char **ret_mend)
{
    g_autofree char *real = realpath(directory, NULL);
    int code = errno;
    g_autofree char *open = real ? storage_open_to_others(real, &code) : g_strdup(directory);

    if (!open)
        return FALSE;
    if (code != 0)
        return unknown(open, code, ret_what, ret_mend);
    *ret_what =
        g_strdup_printf("%s can be written by others than root, and nothing in it can be trusted", open);
    *ret_mend = g_strdup_printf(STORAGE_CLOSE, open, open);
    return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DESCRIPTORS_MAX 1024

struct disk disk;

static struct os kernel;
static gboolean dead, interrupted;

struct inode {
    GString *content;
    gboolean synced;
};

/* A name in a directory: what it is for good, and what it has become since the directory was synced. */
struct name {
    struct inode *durable;
    GPtrArray *pending;
};

static GPtrArray *inodes;
static GHashTable *names; /* by absolute path */
static struct {
    char *path;
    struct inode *inode;
} opened[DESCRIPTORS_MAX];

static void inode_free(gpointer data)
{
    struct inode *inode = data;
    g_string_free(inode->content, TRUE);
    g_free(inode);
}

static void name_free(gpointer data)
{
    struct name *name = data;
    g_ptr_array_unref(name->pending);
    g_free(name);
}

static struct inode *inode_new(const char *content, gsize length)
{
    struct inode *inode = g_new0(struct inode, 1);
    inode->content = g_string_new_len(content, (gssize)length);
    g_ptr_array_add(inodes, inode);
    return inode;
}

/* To be called before the kernel changes anything there: a name that is new to the model is as it is. */
static struct name *name_at(const char *path)
{
    struct name *name = g_hash_table_lookup(names, path);
    g_autofree char *content = NULL;
    gsize length = 0;

    if (name)
        return name;
    name = g_new0(struct name, 1);
    name->pending = g_ptr_array_new();
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR) && g_file_get_contents(path, &content, &length, NULL)) {
        name->durable = inode_new(content, length);
        name->durable->synced = TRUE;
    }
    g_hash_table_insert(names, g_strdup(path), name);
    return name;
}

static struct inode *name_now(const struct name *name)
{
    return name->pending->len ? name->pending->pdata[name->pending->len - 1] : name->durable;
}

static char *path_of(int dir, const char *name)
{
    if (g_path_is_absolute(name))
        return g_strdup(name);
    g_assert_cmpint(dir, >=, 0); /* relative to a working directory: nobody's business here */
    g_assert_cmpint(dir, <, DESCRIPTORS_MAX);
    g_assert_nonnull(opened[dir].path);
    return g_build_filename(opened[dir].path, name, NULL);
}

/* Counts and logs the call; TRUE: it fails. */
static gboolean fails(const char *call, const char *path, const char *more)
{
    gboolean failing;

    disk.calls++;
    failing = (dead && disk.killed) || disk.calls == disk.fail_at;
    dead = failing && disk.killed;
    g_ptr_array_add(disk.log, g_strdup_printf("%s %s%s%s%s", call, path, more ? " " : "", more ? more : "",
                                              failing ? " FAILED" : ""));
    errno = disk.error;
    return failing;
}

static void changed(void)
{
    int saved = errno;
    if (disk.changed && !dead)
        disk.changed();
    errno = saved;
}

static gboolean interrupts(void)
{
    interrupted = disk.signals && !interrupted;
    errno = EINTR;
    return interrupted;
}

static const char *opened_path(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS_MAX && opened[fd].path ? opened[fd].path : "?";
}

static int watched_openat(int dir, const char *name, int flags, mode_t mode)
{
    g_autofree char *path = path_of(dir, name);
    struct name *entry = flags & O_DIRECTORY ? NULL : name_at(path);
    int fd;

    if (fails("openat", path, NULL))
        return -1;
    fd = kernel.openat(dir, name, flags, mode);
    if (fd < 0)
        return fd;
    g_assert_cmpint(fd, <, DESCRIPTORS_MAX);
    if (entry && !name_now(entry))
        g_ptr_array_add(entry->pending, inode_new("", 0));
    opened[fd].inode = entry ? name_now(entry) : NULL;
    if (entry && flags & O_TRUNC && opened[fd].inode->content->len) {
        g_string_truncate(opened[fd].inode->content, 0);
        opened[fd].inode->synced = FALSE;
    }
    opened[fd].path = g_steal_pointer(&path);
    changed();
    return fd;
}

static ssize_t watched_read(int fd, void *buffer, size_t size)
{
    if (fails("read", opened_path(fd), NULL) || interrupts())
        return -1;
    return kernel.read(fd, buffer, size);
}

static ssize_t watched_write(int fd, const void *buffer, size_t size)
{
    g_autofree char *count = g_strdup_printf("%zu", size);
    ssize_t n;

    if (fails("write", opened_path(fd), count) || interrupts())
        return -1;
    n = kernel.write(fd, buffer, disk.write_max ? MIN(size, disk.write_max) : size);
    if (n > 0 && opened[fd].inode) {
        g_string_append_len(opened[fd].inode->content, buffer, n);
        opened[fd].inode->synced = FALSE;
        changed();
    }
    return n;
}

static int watched_fstat(int fd, struct stat *ret)
{
    return fails("fstat", opened_path(fd), NULL) ? -1 : kernel.fstat(fd, ret);
}

static int watched_fchmod(int fd, mode_t mode)
{
    return fails("fchmod", opened_path(fd), NULL) ? -1 : kernel.fchmod(fd, mode);
}

static void sync_directory(const char *path)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        g_autofree char *directory = g_path_get_dirname(key);
        struct name *name = value;
        if (strcmp(directory, path) != 0)
            continue;
        name->durable = name_now(name);
        g_ptr_array_set_size(name->pending, 0);
    }
}

/* The kernel's own is left out: only the model tells what is durable, and tests should be quick. */
static int watched_fsync(int fd)
{
    if (fails("fsync", opened_path(fd), NULL))
        return -1;
    if (opened[fd].inode)
        opened[fd].inode->synced = TRUE;
    else
        sync_directory(opened_path(fd));
    changed();
    return 0;
}

/* As on Linux, a close that fails has closed. */
static int watched_close(int fd)
{
    gboolean failing = fails("close", opened_path(fd), NULL);
    int result = kernel.close(fd);

    g_assert_cmpint(result, ==, 0); /* twice the same, or nobody's */
    g_clear_pointer(&opened[fd].path, g_free);
    opened[fd].inode = NULL;
    errno = disk.error;
    return failing ? -1 : 0;
}

static int watched_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    g_autofree char *from_path = path_of(from_dir, from), *to_path = path_of(to_dir, to);
    struct name *source = name_at(from_path), *target = name_at(to_path);

    if (fails("renameat", from_path, to_path) || kernel.renameat(from_dir, from, to_dir, to) < 0)
        return -1;
    g_ptr_array_add(target->pending, name_now(source));
    g_ptr_array_add(source->pending, NULL);
    changed();
    return 0;
}

static int watched_unlinkat(int dir, const char *name, int flags)
{
    g_autofree char *path = path_of(dir, name);
    struct name *entry = name_at(path);

    if (fails("unlinkat", path, NULL) || kernel.unlinkat(dir, name, flags) < 0)
        return -1;
    g_ptr_array_add(entry->pending, NULL);
    changed();
    return 0;
}

static int watched_flock(int fd, int operation)
{
    return fails("flock", opened_path(fd), NULL) ? -1 : kernel.flock(fd, operation);
}

static int64_t watched_boottime_ms(void)
{
    disk.now_ms += disk.tick_ms;
    return disk.now_ms;
}

void disk_watch(void)
{
    g_assert_null(disk.log);
    disk = (struct disk){.error = EIO, .log = g_ptr_array_new_with_free_func(g_free)};
    dead = interrupted = FALSE;
    inodes = g_ptr_array_new_with_free_func(inode_free);
    names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, name_free);
    kernel = os;
    os = (struct os){
        .openat = watched_openat,
        .read = watched_read,
        .write = watched_write,
        .fstat = watched_fstat,
        .fchmod = watched_fchmod,
        .fsync = watched_fsync,
        .close = watched_close,
        .renameat = watched_renameat,
        .unlinkat = watched_unlinkat,
        .flock = watched_flock,
        .boottime_ms = watched_boottime_ms,
    };
}

void disk_unwatch(void)
{
    os = kernel;
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        if (opened[fd].path)
            g_error("descriptor %d (%s) was left open", fd, opened[fd].path);
    g_clear_pointer(&disk.log, g_ptr_array_unref);
    g_clear_pointer(&names, g_hash_table_unref);
    g_clear_pointer(&inodes, g_ptr_array_unref);
}

int disk_logged(int from, const char *call, const char *path)
{
    g_autofree char *begin = g_strconcat(call, " ", path, NULL);

    for (guint i = (guint)MAX(from, 0); i < disk.log->len; i++) {
        const char *entry = disk.log->pdata[i];
        if (g_str_has_prefix(entry, begin) && (entry[strlen(begin)] == '\0' || entry[strlen(begin)] == ' '))
            return (int)i;
    }
    return -1;
}

static void add_content(GPtrArray *found, const struct inode *inode)
{
    if (!inode)
        g_ptr_array_add(found, NULL);
    else if (inode->synced)
        g_ptr_array_add(found, g_bytes_new(inode->content->str, inode->content->len));
    else
        g_ptr_array_add(found, g_bytes_new_static(DISK_TORN, strlen(DISK_TORN)));
}

static void bytes_free(gpointer bytes)
{
    if (bytes)
        g_bytes_unref(bytes);
}

GPtrArray *disk_after_cut(const char *path)
{
    const struct name *name = name_at(path);
    GPtrArray *found = g_ptr_array_new_with_free_func(bytes_free);

    add_content(found, name->durable);
    for (guint i = 0; i < name->pending->len; i++)
        add_content(found, name->pending->pdata[i]);
    return found;
}

gboolean disk_is_torn(GBytes *content)
{
    gsize length = 0;
    const char *data = content ? g_bytes_get_data(content, &length) : NULL;

    return data && length == strlen(DISK_TORN) && memcmp(data, DISK_TORN, length) == 0;
}

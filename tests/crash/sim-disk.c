/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-disk.h"

#include "names.h"
#include "os.h"
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FD_FIRST 1000
#define FD_MAX 64
#define VOLATILE "/run/"

struct inode {
    GString *content;
    gboolean synced;
};

/* What a directory has not synced yet: a name that got an inode, or lost it; of a rename both. */
struct change {
    char *from; /* the name that goes, NULL: none */
    char *to;   /* the name that comes, NULL: none */
    struct inode *inode;
};

static GHashTable *directories;
static GHashTable *names, *durable; /* path -> inode; both own their keys */
static GPtrArray *pending;          /* struct change */
static struct {
    char *path;
    struct inode *inode; /* NULL: a directory */
    gsize offset;
} opened[FD_MAX];

guint disk_changes;
gboolean (*disk_before)(const char *call, const char *path);
void (*disk_torn)(void);

static gboolean is_volatile(const char *path)
{
    return g_str_has_prefix(path, VOLATILE);
}

static GHashTable *new_names(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static struct inode *new_inode(const char *content, gsize length, gboolean synced)
{
    struct inode *inode = g_new0(struct inode, 1); /* for the process's life: names come and go */
    inode->content = g_string_new_len(content, (gssize)length);
    inode->synced = synced;
    return inode;
}

static void apply(GHashTable *to, const struct change *change)
{
    if (change->from)
        g_hash_table_remove(to, change->from);
    if (change->to)
        g_hash_table_insert(to, g_strdup(change->to), change->inode);
}

static void add_change(const char *from, const char *to, struct inode *inode)
{
    struct change *change = g_new0(struct change, 1);

    change->from = g_strdup(from);
    change->to = g_strdup(to);
    change->inode = inode;
    apply(names, change);
    disk_changes++;
    if (!is_volatile(from ? from : to))
        g_ptr_array_add(pending, change);
}

static gboolean before(const char *call, const char *path)
{
    return disk_before && disk_before(call, path);
}

/* The system calls */

static char *path_of(int dir, const char *name)
{
    return g_path_is_absolute(name) ? g_strdup(name)
                                    : g_build_filename(opened[dir - FD_FIRST].path, name, NULL);
}

static int fail(int error)
{
    errno = error;
    return -1;
}

static int take_fd(char *path, struct inode *inode)
{
    for (int i = 0; i < FD_MAX; i++)
        if (!opened[i].path) {
            opened[i].path = path;
            opened[i].inode = inode;
            opened[i].offset = 0;
            return FD_FIRST + i;
        }
    g_error("too many descriptors");
}

static int sim_openat(int dir, const char *name, int flags, mode_t mode)
{
    g_autofree char *path = path_of(dir, name), *directory = g_path_get_dirname(path);
    struct inode *inode = g_hash_table_lookup(names, path);

    if (flags & O_DIRECTORY)
        return g_hash_table_contains(directories, path) ? take_fd(g_steal_pointer(&path), NULL)
                                                        : fail(ENOENT);
    if (g_hash_table_contains(directories, path))
        return fail(EISDIR);
    if (!inode && (!(flags & O_CREAT) || !g_hash_table_contains(directories, directory)))
        return fail(ENOENT);
    if (!inode) {
        before("create", path);
        inode = new_inode("", 0, TRUE);
        add_change(NULL, path, inode);
    } else if (flags & O_TRUNC && inode->content->len) {
        before("truncate", path);
        g_string_truncate(inode->content, 0);
        inode->synced = FALSE;
        disk_changes++;
    }
    return take_fd(g_steal_pointer(&path), inode);
}

static ssize_t sim_read(int fd, void *buffer, size_t size)
{
    const GString *content = opened[fd - FD_FIRST].inode->content;
    gsize *offset = &opened[fd - FD_FIRST].offset, n = MIN(size, content->len - *offset);

    memcpy(buffer, content->str + *offset, n);
    *offset += n;
    return (ssize_t)n;
}

static ssize_t sim_write(int fd, const void *buffer, size_t size)
{
    struct inode *inode = opened[fd - FD_FIRST].inode;
    gboolean torn = before("write", opened[fd - FD_FIRST].path);

    g_string_append_len(inode->content, buffer, (gssize)(torn ? size / 2 : size));
    inode->synced = FALSE;
    disk_changes++;
    if (torn)
        disk_torn();
    return (ssize_t)size;
}

static int sim_fstat(int fd, struct stat *ret)
{
    *ret = (struct stat){.st_mode = S_IFREG | 0600, .st_uid = geteuid()};
    return 0;
}

static int sim_fchmod(int fd, mode_t mode)
{
    return 0;
}

static gboolean is_in(const char *path, const char *directory)
{
    g_autofree char *its = path ? g_path_get_dirname(path) : NULL;
    return g_strcmp0(its, directory) == 0;
}

static void sync_directory(const char *path)
{
    for (guint i = 0; i < pending->len;) {
        struct change *change = pending->pdata[i];
        if (is_in(change->from, path) || is_in(change->to, path)) {
            apply(durable, change);
            g_ptr_array_remove_index(pending, i);
        } else
            i++;
    }
}

static int sim_fsync(int fd)
{
    before("fsync", opened[fd - FD_FIRST].path);
    disk_changes++;
    if (opened[fd - FD_FIRST].inode)
        opened[fd - FD_FIRST].inode->synced = TRUE;
    else
        sync_directory(opened[fd - FD_FIRST].path);
    return 0;
}

static int sim_close(int fd)
{
    g_clear_pointer(&opened[fd - FD_FIRST].path, g_free);
    return 0;
}

static int sim_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    g_autofree char *from_path = path_of(from_dir, from), *to_path = path_of(to_dir, to);
    struct inode *inode = g_hash_table_lookup(names, from_path);

    if (!inode)
        return fail(ENOENT);
    before("rename", to_path);
    add_change(from_path, to_path, inode);
    return 0;
}

static int sim_unlinkat(int dir, const char *name, int flags)
{
    g_autofree char *path = path_of(dir, name);

    if (!g_hash_table_contains(names, path))
        return fail(ENOENT);
    before("unlink", path);
    add_change(path, NULL, NULL);
    return 0;
}

/* One process runs at a time: nobody else has it. */
static int sim_flock(int fd, int operation)
{
    return 0;
}

static int64_t sim_boottime_ms(void)
{
    return sim_now_ms();
}

/* The calls that GLib makes, and a few that the library makes itself, by the linker's --wrap. */

#pragma GCC visibility push(default)

struct sim_dir {
    GPtrArray *found;
    guint next;
};

GDir *__wrap_g_dir_open(const char *path, guint flags, GError **error);
GDir *__wrap_g_dir_open(const char *path, guint flags, GError **error)
{
    struct sim_dir *dir;

    if (!g_hash_table_contains(directories, path)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: no such directory", path);
        return NULL;
    }
    dir = g_new0(struct sim_dir, 1);
    dir->found = disk_paths();
    for (guint i = dir->found->len; i-- > 0;)
        if (!is_in(dir->found->pdata[i], path))
            g_ptr_array_remove_index(dir->found, i);
    return (GDir *)dir;
}

const char *__wrap_g_dir_read_name(GDir *dir);
const char *__wrap_g_dir_read_name(GDir *dir)
{
    struct sim_dir *sim = (struct sim_dir *)dir;
    return sim->next < sim->found->len ? strrchr(sim->found->pdata[sim->next++], '/') + 1 : NULL;
}

void __wrap_g_dir_close(GDir *dir);
void __wrap_g_dir_close(GDir *dir)
{
    g_ptr_array_unref(((struct sim_dir *)dir)->found);
    g_free(dir);
}

gboolean __wrap_g_file_test(const char *path, GFileTest test);
gboolean __wrap_g_file_test(const char *path, GFileTest test)
{
    if (test == G_FILE_TEST_IS_DIR)
        return g_hash_table_contains(directories, path);
    return g_hash_table_contains(names, path) || g_hash_table_contains(directories, path);
}

gboolean __wrap_g_file_get_contents(const char *path, char **ret, gsize *length, GError **error);
gboolean __wrap_g_file_get_contents(const char *path, char **ret, gsize *length, GError **error)
{
    const GString *content = disk_get(path);

    if (!content) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: no such file", path);
        return FALSE;
    }
    *ret = g_strndup(content->str, content->len);
    if (length)
        *length = content->len;
    return TRUE;
}

/* GLib renames, and syncs nothing. What the program writes so is in /run. */
gboolean __wrap_g_file_set_contents_full(const char *path, const char *data, gssize length, int flags,
                                         int mode, GError **error);
gboolean __wrap_g_file_set_contents_full(const char *path, const char *data, gssize length, int flags,
                                         int mode, GError **error)
{
    before("write", path);
    add_change(NULL, path, new_inode(data, length < 0 ? strlen(data) : (gsize)length, is_volatile(path)));
    return TRUE;
}

static void add_directory(const char *path)
{
    if (g_hash_table_contains(directories, path))
        return;
    g_hash_table_add(directories, g_strdup(path));
    disk_changes++;
}

int __wrap_g_mkdir_with_parents(const char *path, int mode);
int __wrap_g_mkdir_with_parents(const char *path, int mode)
{
    add_directory(path);
    return 0;
}

int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
    add_directory(path);
    return 0;
}

int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    return sim_unlinkat(AT_FDCWD, path, 0);
}

int __wrap_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode)
{
    return 0;
}

int __wrap_lstat(const char *path, struct stat *ret);
int __wrap_lstat(const char *path, struct stat *ret)
{
    *ret = (struct stat){.st_mode = S_IFREG | 0600};
    return g_hash_table_contains(names, path) ? 0 : fail(ENOENT);
}

char *__wrap_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved)
{
    return strdup(path);
}

#pragma GCC visibility pop

/* For the simulation */

void disk_begin(const char *const *listed)
{
    directories = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (; *listed; listed++)
        g_hash_table_add(directories, g_strdup(*listed));
    names = new_names();
    durable = new_names();
    pending = g_ptr_array_new();
    os = (struct os){
        .openat = sim_openat,
        .read = sim_read,
        .write = sim_write,
        .fstat = sim_fstat,
        .fchmod = sim_fchmod,
        .fsync = sim_fsync,
        .close = sim_close,
        .renameat = sim_renameat,
        .unlinkat = sim_unlinkat,
        .flock = sim_flock,
        .boottime_ms = sim_boottime_ms,
    };
}

void disk_put(const char *path, const char *content)
{
    g_autofree char *directory = g_path_get_dirname(path);
    if (content)
        add_change(NULL, path, new_inode(content, strlen(content), TRUE));
    else
        add_change(path, NULL, NULL);
    sync_directory(directory);
}

void disk_put_lazily(const char *path, const char *content)
{
    add_change(NULL, path, new_inode(content, strlen(content), TRUE));
}

const GString *disk_get(const char *path)
{
    const struct inode *inode = g_hash_table_lookup(names, path);
    return inode ? inode->content : NULL;
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *sorted(GHashTable *of)
{
    GPtrArray *found = g_ptr_array_new();
    GHashTableIter iter;
    gpointer path;

    g_hash_table_iter_init(&iter, of);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        g_ptr_array_add(found, path);
    g_ptr_array_sort(found, by_name);
    return found;
}

GPtrArray *disk_paths(void)
{
    return sorted(names);
}

void disk_process_died(void)
{
    for (int i = 0; i < FD_MAX; i++)
        g_clear_pointer(&opened[i].path, g_free);
}

/* Of those that the cut may show, the ones whose content is not durable. Caller unrefs. */
static GPtrArray *unsynced(void)
{
    g_autoptr(GPtrArray) paths = sorted(durable);
    GPtrArray *found = g_ptr_array_new();

    for (guint i = 0; i < paths->len; i++) {
        struct inode *inode = g_hash_table_lookup(durable, paths->pdata[i]);
        if (!inode->synced)
            g_ptr_array_add(found, inode);
    }
    for (guint i = 0; i < pending->len; i++) {
        const struct change *change = pending->pdata[i];
        if (change->to && !change->inode->synced && !g_ptr_array_find(found, change->inode, NULL))
            g_ptr_array_add(found, change->inode);
    }
    return found;
}

guint disk_cuts(void)
{
    g_autoptr(GPtrArray) torn = unsynced();
    guint n = 1U << MIN(pending->len, 12);

    for (guint i = 0; i < MIN(torn->len, 6); i++)
        n *= 3;
    return n;
}

/* The names, and the inodes as they would be. Caller unrefs. */
static GHashTable *after_cut(guint choice)
{
    g_autoptr(GPtrArray) torn = unsynced(), paths = sorted(durable);
    g_autoptr(GHashTable) lengths = g_hash_table_new(NULL, NULL);
    GHashTable *left = new_names();
    GHashTableIter iter;
    gpointer value;

    for (guint i = 0; i < paths->len; i++)
        g_hash_table_insert(left, g_strdup(paths->pdata[i]), g_hash_table_lookup(durable, paths->pdata[i]));
    for (guint i = 0; i < MIN(pending->len, 12); i++, choice /= 2)
        if (choice % 2)
            apply(left, pending->pdata[i]);
    for (guint i = 0; i < MIN(torn->len, 6); i++, choice /= 3) {
        const struct inode *inode = torn->pdata[i];
        g_hash_table_insert(lengths, torn->pdata[i],
                            new_inode(inode->content->str, inode->content->len * (choice % 3) / 2, TRUE));
    }
    g_hash_table_iter_init(&iter, left);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (g_hash_table_contains(lengths, value))
            g_hash_table_iter_replace(&iter, g_hash_table_lookup(lengths, value));
    return left;
}

static void be(GHashTable *now)
{
    g_autoptr(GPtrArray) paths = sorted(now);

    g_hash_table_unref(names);
    names = now;
    g_hash_table_remove_all(durable);
    g_ptr_array_set_size(pending, 0);
    for (guint i = 0; i < paths->len; i++) {
        struct inode *inode = g_hash_table_lookup(now, paths->pdata[i]);
        inode->synced = TRUE;
        g_hash_table_insert(durable, g_strdup(paths->pdata[i]), inode);
    }
    disk_process_died();
}

void disk_cut(guint choice)
{
    be(after_cut(choice));
}

static gboolean goes(gpointer path, gpointer value, gpointer data)
{
    return is_volatile(path);
}

void disk_shut_down(void)
{
    GHashTable *left = g_hash_table_ref(names);
    g_hash_table_foreach_remove(left, goes, NULL);
    be(left);
}

static void add_names(GChecksum *sum, GHashTable *of)
{
    g_autoptr(GPtrArray) paths = sorted(of);

    for (guint i = 0; i < paths->len; i++) {
        const struct inode *inode = g_hash_table_lookup(of, paths->pdata[i]);
        g_checksum_update(sum, paths->pdata[i], (gssize)strlen(paths->pdata[i]) + 1);
        g_checksum_update(sum, (const guchar *)inode->content->str, (gssize)inode->content->len + 1);
        g_checksum_update(sum, (const guchar *)(inode->synced ? "s" : "u"), 1);
    }
    g_checksum_update(sum, (const guchar *)"--", 2);
}

char *disk_digest(void)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

    add_names(sum, names);
    add_names(sum, durable);
    for (guint i = 0; i < pending->len; i++) {
        const struct change *change = pending->pdata[i];
        g_checksum_update(sum, (const guchar *)(change->from ? change->from : "-"), -1);
        g_checksum_update(sum, (const guchar *)(change->to ? change->to : "-"), -1);
    }
    return g_strdup(g_checksum_get_string(sum));
}

char *disk_files_digest(gboolean temporaries)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autoptr(GPtrArray) paths = disk_paths();

    for (guint i = 0; i < paths->len; i++) {
        const GString *content = disk_get(paths->pdata[i]);
        if (is_volatile(paths->pdata[i]) || (!temporaries && strstr(paths->pdata[i], "/.")) ||
            g_str_has_suffix(paths->pdata[i], "/" NM_TRIAL_LOCK))
            continue;
        g_checksum_update(sum, paths->pdata[i], (gssize)strlen(paths->pdata[i]) + 1);
        g_checksum_update(sum, (const guchar *)content->str, (gssize)content->len + 1);
    }
    return g_strdup(g_checksum_get_string(sum));
}

char *disk_cut_digest(guint choice)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autoptr(GHashTable) left = after_cut(choice);

    add_names(sum, left);
    return g_strdup(g_checksum_get_string(sum));
}

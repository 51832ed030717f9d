/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check-trust.h"

#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel has it */

/* The way is gone step by step: a path that is looked at first and opened then may lead elsewhere by then. */
typedef struct {
    const char *root;
    int directory; /* where it is */
    int depth;     /* below the root, which ".." does not leave */
    int links;     /* followed so far */
    char *at;      /* where it is, for people */
    char *rest;    /* what is left to go */
} Walk;

static void walk_clear(Walk *walk)
{
    if (walk->directory >= 0)
        close(walk->directory);
    g_free(walk->at);
    g_free(walk->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Walk, walk_clear)

/* Always FALSE. */
static gboolean refuse(const char *path, int code, const char *why, GError **error)
{
    g_autofree char *clean = journal_clean(path);
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(code), "%s %s", clean, why);
    return FALSE;
}

static gboolean failed(const char *path, GError **error)
{
    int code = errno;
    g_autofree char *why = g_strdup_printf("cannot be used: %s", g_strerror(code));
    return refuse(path, code, why, error);
}

/* Why root may not rely on it; NULL: it may. */
static const char *fault_of(const struct stat *st)
{
    if (st->st_uid != geteuid())
        return "does not belong to root";
    if (st->st_mode & 022)
        return "can be written by others than root";
    if (S_ISDIR(st->st_mode))
        return NULL;
    if (!S_ISREG(st->st_mode))
        return "is no regular file";
    if (st->st_mode & (S_ISUID | S_ISGID))
        return "is set-user-ID or set-group-ID";
    return st->st_mode & S_IXUSR ? NULL : "cannot be executed by its owner";
}

/* Goes on in that directory, whose descriptor it takes over. */
static void move_to(Walk *walk, int directory, char *at, int depth)
{
    if (walk->directory >= 0)
        close(walk->directory);
    g_free(walk->at);
    walk->directory = directory;
    walk->at = at;
    walk->depth = depth;
}

static gboolean to_root(Walk *walk, GError **error)
{
    struct stat st;
    int fd = open(walk->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed("/", error);
    move_to(walk, fd, g_strdup("/"), 0);
    if (fstat(fd, &st) < 0)
        return failed("/", error);
    const char *fault = fault_of(&st);
    return !fault || refuse("/", EPERM, fault, error);
}

static gboolean up(Walk *walk, GError **error)
{
    if (walk->depth == 0)
        return TRUE;
    int fd = openat(walk->directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(walk->at, error);
    move_to(walk, fd, g_path_get_dirname(walk->at), walk->depth - 1);
    return TRUE;
}

/* The link's target takes its place on the way. Whose the link is does not matter: who made it could write
 * the directory that it is in. */
static gboolean follow(Walk *walk, int link, const char *at, GError **error)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(link, "", target, sizeof target - 1);

    if (length >= 0 && ++walk->links > LINKS_MAX) {
        errno = ELOOP;
        length = -1;
    }
    if (length < 0)
        return failed(at, error);
    target[length] = '\0';
    char *rest = g_strconcat(target, walk->rest, NULL); /* that begins with a slash, or is empty */
    g_free(walk->rest);
    walk->rest = rest;
    return target[0] != '/' || to_root(walk, error);
}

/* The next name on the way, NULL: none is left. Caller frees. */
static char *next_name(Walk *walk)
{
    const char *begin = walk->rest + strspn(walk->rest, "/");
    gsize length = strcspn(begin, "/");
    char *name = length ? g_strndup(begin, length) : NULL;
    char *rest = g_strdup(begin + length);

    g_free(walk->rest);
    walk->rest = rest;
    return name;
}

/* To the next name. *ret_file is set at the way's end. */
static gboolean go_on(Walk *walk, int *ret_file, GError **error)
{
    g_autofree char *name = next_name(walk);
    struct stat st;

    if (!name)
        return refuse(walk->at, EISDIR, "is a directory", error);
    if (strcmp(name, ".") == 0)
        return TRUE;
    if (strcmp(name, "..") == 0)
        return up(walk, error);
    g_autofree char *at = g_build_filename(walk->at, name, NULL);
    int fd = openat(walk->directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed(at, error);
    gboolean done = fstat(fd, &st) == 0 || failed(at, error);
    if (done && S_ISLNK(st.st_mode)) {
        done = follow(walk, fd, at, error);
    } else if (done && fault_of(&st)) {
        done = refuse(at, EPERM, fault_of(&st), error);
    } else if (done && S_ISDIR(st.st_mode)) {
        move_to(walk, fd, g_steal_pointer(&at), walk->depth + 1);
        return TRUE;
    } else if (done && *walk->rest) {
        done = refuse(at, ENOTDIR, "is no directory", error);
    } else if (done) {
        *ret_file = fd;
        return TRUE;
    }
    close(fd);
    return done;
}

int check_trust_open(const char *root, const char *path, GError **error)
{
    g_auto(Walk) walk = {.root = root, .directory = -1, .rest = g_strdup(path)};
    int file = -1;

    if (!to_root(&walk, error))
        return -1;
    while (file < 0)
        if (!go_on(&walk, &file, error))
            return -1;
    return file;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system calls that durability and time depend on, as a table: a test replaces an entry to make that call
 * fail, tear or lie. Nothing else in the program calls them directly. */
#pragma once

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct os {
    int (*openat)(int dir, const char *name, int flags, mode_t mode);
    ssize_t (*read)(int fd, void *buffer, size_t size);
    ssize_t (*write)(int fd, const void *buffer, size_t size);
    int (*fstat)(int fd, struct stat *ret);
    int (*fchmod)(int fd, mode_t mode);
    int (*fsync)(int fd);
    int (*close)(int fd);
    int (*renameat)(int from_dir, const char *from, int to_dir, const char *to);
    int (*unlinkat)(int dir, const char *name, int flags);
    int (*flock)(int fd, int operation);
    int64_t (*boottime_ms)(void); /* CLOCK_BOOTTIME: counts suspend, knows no wall clock */
};

/* The kernel's own, until a test says otherwise. Same arguments, results and errno as the calls of these
 * names. */
extern struct os os;

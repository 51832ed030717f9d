/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static int kernel_openat(int dir, const char *name, int flags, mode_t mode)
{
    return openat(dir, name, flags, mode);
}

static int64_t kernel_boottime_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail: the clock is as old as Linux 2.6.39 */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct os os = {
    .openat = kernel_openat,
    .read = read,
    .write = write,
    .fstat = fstat,
    .fchmod = fchmod,
    .fsync = fsync,
    .close = close,
    .renameat = renameat,
    .unlinkat = unlinkat,
    .flock = flock,
    .boottime_ms = kernel_boottime_ms,
};

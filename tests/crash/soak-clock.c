/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wall clock of tests/crash/soak's device, for want of a namespace of its own: every program there loads
 * this, by /etc/ld.so.preload. How many seconds it is off stands in a file, as it would in a clock without a
 * battery. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FOR_ALL __attribute__((visibility("default")))

static const volatile int64_t *off_s;

/* A sanitizer in the program would insist on being the first library. */
const char *__asan_default_options(void);
FOR_ALL const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0";
}

__attribute__((constructor)) static void look_up(void)
{
    int fd = open("/etc/lab/clock", O_RDONLY | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *off_s, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (map != MAP_FAILED)
        off_s = map;
}

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): libc's own are reserved
FOR_ALL int clock_gettime(clockid_t clock, struct timespec *now)
{
    long failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && off_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *off_s;
    return (int)failed;
}

FOR_ALL int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec precise;
    int failed = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return failed;
}

FOR_ALL time_t time(time_t *ret)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)

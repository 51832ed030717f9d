/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's list of addresses, by which a takeover is told from an activation. Each piece of the input is
 * an address, mostly well-formed, or any bytes. A takeover is seen only where an address of this interface is
 * older than the process, and none is younger; nothing behind a datagram's end is looked at. */
#include "fuzz.h"

#include "takeover.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sanitizer/asan_interface.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define IFINDEX 7
#define YOUNG 0x20000000 /* hundredths of a second: two months from boot */

static struct bytes *input;
static gboolean older, younger, unknown;

static union {
    struct nlmsghdr header;
    uint8_t bytes[4096];
} datagram;
static gsize filled;
static char *poisoned;
static gsize poisoned_size;

static void append_address(uint8_t kind)
{
    struct {
        struct ifaddrmsg address;
        struct rtattr attribute;
        struct ifa_cacheinfo times;
    } body = {
        .address = {.ifa_index = kind & 2 ? IFINDEX + 1 : IFINDEX},
        .attribute = {.rta_type = kind & 4 ? IFA_LABEL : IFA_CACHEINFO,
                      .rta_len = RTA_LENGTH(kind & 8 ? 4 : sizeof body.times)},
        .times = {.cstamp = kind & 16 ? YOUNG : 1},
    };
    struct nlmsghdr *header = (struct nlmsghdr *)(datagram.bytes + filled);

    if (filled + NLMSG_SPACE(sizeof body) > sizeof datagram)
        return;
    *header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof body),
                                .nlmsg_type = kind & 32 ? RTM_DELADDR : RTM_NEWADDR};
    memcpy(NLMSG_DATA(header), &body, sizeof body);
    filled += NLMSG_SPACE(sizeof body);
    if (kind & (2 | 4 | 8 | 32))
        return;
    older = older || !(kind & 16);
    younger = younger || (kind & 16);
}

static void append_anything(void)
{
    size_t size = 0;
    const uint8_t *bytes = fuzz_some(input, &size);

    if (filled + size > sizeof datagram)
        return;
    memcpy(datagram.bytes + filled, bytes, size);
    filled += size;
    unknown = TRUE;
}

int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    g_assert_true(domain == AF_NETLINK && (type & SOCK_CLOEXEC) && protocol == NETLINK_ROUTE);
    return eventfd(0, EFD_CLOEXEC);
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    (void)fd, (void)value, (void)size;
    g_assert_true(level == SOL_SOCKET && option == SO_RCVTIMEO); /* it never hangs */
    return 0;
}

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    (void)fd, (void)flags;
    g_assert_cmpuint(((const struct nlmsghdr *)data)->nlmsg_len, ==, size);
    return (ssize_t)size;
}

static void unpoison(void)
{
    if (poisoned)
        ASAN_UNPOISON_MEMORY_REGION(poisoned, poisoned_size);
    poisoned = NULL;
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
    uint8_t kind;

    (void)fd, (void)flags;
    unpoison();
    errno = EAGAIN; /* the time limit */
    if (input->left == 0)
        return -1;
    filled = 0;
    do {
        kind = fuzz_byte(input);
        if (kind & 1)
            append_anything();
        else
            append_address(kind);
    } while ((kind & 64) && input->left > 0);
    g_assert_cmpuint(size, >, filled);
    memcpy(buffer, datagram.bytes, filled);
    poisoned = (char *)buffer + filled;
    poisoned_size = size - filled;
    ASAN_POISON_MEMORY_REGION(poisoned, poisoned_size);
    return (ssize_t)filled;
}

unsigned int __wrap_if_nametoindex(const char *interface);
unsigned int __wrap_if_nametoindex(const char *interface)
{
    (void)interface;
    return IFINDEX;
}

guint32 __wrap_network_nm_pid(Network *network);
guint32 __wrap_network_nm_pid(Network *network)
{
    (void)network;
    return (guint32)getpid(); /* a process that has run for a while */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    gint64 begun_us = g_get_monotonic_time();

    input = &in;
    older = younger = unknown = FALSE;
    gboolean seen = takeover_seen(NULL, "eth0");
    unpoison();
    if (!unknown)
        g_assert_true(seen == (older && !younger));
    g_assert_cmpint(g_get_monotonic_time() - begun_us, <, G_USEC_PER_SEC);
    return 0;
}

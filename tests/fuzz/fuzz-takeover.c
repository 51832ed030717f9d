/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's list of addresses, by which a takeover is told from an activation. Each piece of the input is
 * an address, mostly well-formed, or any bytes. A takeover is seen only where an address of this interface is
 * older than the process, and none is younger; nothing behind a datagram's end is looked at. */
#include "fuzz.h"

#include "netlink.h"
#include "takeover.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define IFINDEX 7
#define YOUNG 0x20000000 /* hundredths of a second: two months from boot */

static struct bytes *input;
static gboolean older, younger, unknown;

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

    if (!netlink_append(kind & 32 ? RTM_DELADDR : RTM_NEWADDR, 0, &body, sizeof body) ||
        (kind & (2 | 4 | 8 | 32)))
        return;
    older = older || !(kind & 16);
    younger = younger || (kind & 16);
}

static void append_anything(void)
{
    size_t size = 0;
    const uint8_t *bytes = fuzz_some(input, &size);

    if (!netlink_append_bytes(bytes, size))
        return;
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
    g_assert_true(level == SOL_NETLINK || option == SO_RCVTIMEO); /* it never hangs */
    return 0;
}

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    (void)fd, (void)flags;
    g_assert_cmpuint(((const struct nlmsghdr *)data)->nlmsg_len, ==, size);
    return (ssize_t)size;
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
    uint8_t kind;

    (void)fd, (void)flags;
    netlink_end();
    errno = EAGAIN; /* the time limit */
    if (input->left == 0)
        return -1;
    netlink_begin();
    do {
        kind = fuzz_byte(input);
        if (kind & 1)
            append_anything();
        else
            append_address(kind);
    } while ((kind & 64) && input->left > 0);
    return netlink_receive(buffer, size);
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
    netlink_end();
    if (!unknown)
        g_assert_true(seen == (older && !younger));
    g_assert_cmpint(g_get_monotonic_time() - begun_us, <, G_USEC_PER_SEC);
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's list of addresses, by which a takeover is told from an activation. Each piece of the input is
 * an address, mostly well-formed, or any bytes. A takeover is seen only where an address of this interface is
 * older than the process, and none is younger; nothing behind a datagram's end is looked at. */
#include "dump.h"

#include "netlink.h"
#include "takeover.h"

#include <linux/rtnetlink.h>
#include <unistd.h>

#define IFINDEX 7
#define YOUNG 0x20000000 /* hundredths of a second: two months from boot */

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

static gboolean append(uint8_t kind)
{
    if (kind & 1)
        unknown = dump_append_anything() || unknown;
    else
        append_address(kind);
    return kind & 64;
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

    dump_begin(&in, append);
    older = younger = unknown = FALSE;
    gboolean seen = takeover_seen(NULL, "eth0");
    netlink_end();
    if (!unknown)
        g_assert_true(seen == (older && !younger));
    g_assert_cmpint(g_get_monotonic_time() - begun_us, <, G_USEC_PER_SEC);
    return 0;
}

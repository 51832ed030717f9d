/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's list of routes, in which a default gateway is looked for. Each piece of the input is a route,
 * mostly well-formed, or any bytes. What is found is the gateway of a default route of this interface in the
 * main table, the one with the lowest metric; nothing behind a datagram's end is looked at. */
#include "dump.h"

#include "gateway.h"
#include "netlink.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#define IFINDEX 7

static struct bytes *input;
static gboolean unknown, ended;
static int best; /* the metric of the best one so far, -1: none */

enum oddity {
    ODD_NONE,
    ODD_TYPE,
    ODD_FAMILY,
    ODD_DESTINATION,
    ODD_KIND,
    ODD_TABLE,
    ODD_INTERFACE,
    ODD_HOP,
};

/* Its gateway tells its metric. */
static void append_route(uint8_t kind, uint8_t metric)
{
    enum oddity odd = kind >> 3 & 7;
    struct {
        struct rtmsg route;
        struct rtattr priority_head;
        guint32 priority;
        struct rtattr table_head;
        guint32 table;
        struct rtattr hops_head;
        struct rtnexthop other;
        struct rtnexthop hop;
        struct rtattr gateway_head;
        guint8 gateway[4];
    } body = {
        .route = {.rtm_family = odd == ODD_FAMILY ? AF_INET6 : AF_INET,
                  .rtm_dst_len = odd == ODD_DESTINATION ? 1 : 0,
                  .rtm_type = odd == ODD_KIND ? RTN_BLACKHOLE : RTN_UNICAST,
                  .rtm_table = RT_TABLE_MAIN},
        .priority_head = {.rta_type = RTA_PRIORITY, .rta_len = RTA_LENGTH(sizeof body.priority)},
        .priority = metric,
        .table_head = {.rta_type = RTA_TABLE, .rta_len = RTA_LENGTH(sizeof body.table)},
        .table = odd == ODD_TABLE ? 100 : RT_TABLE_MAIN,
        .hops_head = {.rta_type = RTA_MULTIPATH,
                      .rta_len = RTA_LENGTH(2 * sizeof body.hop + RTA_LENGTH(sizeof body.gateway))},
        .other = {.rtnh_len = odd == ODD_HOP ? 3 : sizeof body.other, .rtnh_ifindex = IFINDEX + 1},
        .hop = {.rtnh_len = sizeof body.hop + RTA_LENGTH(sizeof body.gateway),
                .rtnh_ifindex = odd == ODD_INTERFACE ? IFINDEX + 2 : IFINDEX},
        .gateway_head = {.rta_type = RTA_GATEWAY, .rta_len = RTA_LENGTH(sizeof body.gateway)},
        .gateway = {10, 0, 0, metric},
    };

    if (netlink_append(odd == ODD_TYPE ? RTM_DELROUTE : RTM_NEWROUTE, 0, &body, sizeof body) &&
        odd == ODD_NONE && (best < 0 || metric < best))
        best = metric;
}

static gboolean append(uint8_t kind)
{
    if (kind & 1)
        unknown = dump_append_anything() || unknown;
    else if (kind & 2)
        append_route(kind, fuzz_byte(input));
    else
        ended = netlink_append(NLMSG_DONE, 0, "\0\0\0", 4) || ended;
    return (kind & 4) && !ended;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};

    input = &in;
    dump_begin(&in, append);
    unknown = ended = FALSE;
    best = -1;
    g_autofree char *gateway = gateway_of(IFINDEX, AF_INET), *wanted = g_strdup_printf("10.0.0.%d", best);
    netlink_end();
    if (gateway) {
        struct in_addr address;
        g_assert_cmpint(inet_pton(AF_INET, gateway, &address), ==, 1);
    }
    if (!unknown)
        g_assert_cmpstr(gateway, ==, ended && best >= 0 ? wanted : NULL);
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateway.h"

#include "rtnetlink.h"

#include <arpa/inet.h>
#include <string.h>

struct best {
    guint32 ifindex;
    int family;
    gboolean found;
    guint32 metric;
    char gateway[INET6_ADDRSTRLEN]; /* "": it has none */
};

/* What counts of a route; the attributes are the kernel's, their lengths are looked at all the same. */
struct route {
    guint32 table;
    guint32 metric;
    guint32 ifindex;
    const struct rtattr *gateway;
    const struct rtattr *hops;
};

static void read_number(const struct rtattr *attribute, guint32 *ret)
{
    if (RTA_PAYLOAD(attribute) >= sizeof *ret)
        memcpy(ret, RTA_DATA(attribute), sizeof *ret);
}

static void read_attributes(const struct rtattr *first, int left, struct route *ret)
{
    for (const struct rtattr *a = first; RTA_OK(a, left); a = RTA_NEXT(a, left))
        switch (a->rta_type) {
        case RTA_TABLE:
            read_number(a, &ret->table);
            break;
        case RTA_PRIORITY:
            read_number(a, &ret->metric);
            break;
        case RTA_OIF:
            read_number(a, &ret->ifindex);
            break;
        case RTA_GATEWAY:
            ret->gateway = a;
            break;
        case RTA_MULTIPATH:
            ret->hops = a;
            break;
        default:
            break;
        }
}

/* Of several next hops the first one through this interface. */
static void read_hops(guint32 ifindex, struct route *route)
{
    const struct rtnexthop *hop = RTA_DATA(route->hops);
    int left = (int)RTA_PAYLOAD(route->hops);

    for (; left >= (int)sizeof *hop && RTNH_OK(hop, left);
         left -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
        if ((guint32)hop->rtnh_ifindex != ifindex)
            continue;
        route->ifindex = ifindex;
        read_attributes(RTNH_DATA(hop), (int)hop->rtnh_len - (int)RTNH_LENGTH(0), route);
        return;
    }
}

static void look_at(const struct nlmsghdr *header, gpointer data)
{
    const struct rtmsg *message = NLMSG_DATA(header);
    int left = (int)RTM_PAYLOAD(header);
    struct best *best = data;
    gsize size = best->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

    if (header->nlmsg_type != RTM_NEWROUTE || left < 0 || message->rtm_family != best->family ||
        message->rtm_dst_len != 0 || message->rtm_type != RTN_UNICAST)
        return;
    struct route route = {.table = message->rtm_table};
    read_attributes(RTM_RTA(message), left, &route);
    if (route.hops)
        read_hops(best->ifindex, &route);
    if (route.table != RT_TABLE_MAIN || route.ifindex != best->ifindex ||
        (best->found && best->metric <= route.metric))
        return;
    best->found = TRUE;
    best->metric = route.metric;
    *best->gateway = '\0';
    if (route.gateway && RTA_PAYLOAD(route.gateway) == size)
        (void)inet_ntop(best->family, RTA_DATA(route.gateway), best->gateway, sizeof best->gateway);
}

char *gateway_of(int ifindex, int family)
{
    struct best best = {.ifindex = (guint32)ifindex, .family = family};
    const struct {
        struct nlmsghdr header;
        struct rtmsg message;
        struct rtattr attribute;
        guint32 ifindex;
    } request = {.header = {.nlmsg_len = sizeof request,
                            .nlmsg_type = RTM_GETROUTE,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .message = {.rtm_family = (guint8)family, .rtm_table = RT_TABLE_MAIN},
                 .attribute = {.rta_len = RTA_LENGTH(sizeof(guint32)), .rta_type = RTA_OIF},
                 .ifindex = best.ifindex};

    if (ifindex <= 0 || !rtnetlink_dump(&request, sizeof request, look_at, &best) || !*best.gateway)
        return NULL;
    return g_strdup(best.gateway);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netlink.h"

#include <linux/netlink.h>
#include <sanitizer/asan_interface.h>
#include <string.h>

static union {
    struct nlmsghdr header;
    uint8_t bytes[4096];
} datagram;
static gsize filled;
static char *poisoned;
static gsize poisoned_size;

void netlink_begin(void)
{
    filled = 0;
}

gboolean netlink_append(guint16 type, guint32 seq, const void *body, gsize size)
{
    struct nlmsghdr *header = (struct nlmsghdr *)(datagram.bytes + filled);

    if (filled + NLMSG_SPACE(size) > sizeof datagram)
        return FALSE;
    *header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(size), .nlmsg_type = type, .nlmsg_seq = seq};
    memcpy(NLMSG_DATA(header), body, size);
    filled += NLMSG_SPACE(size);
    return TRUE;
}

gboolean netlink_append_bytes(const uint8_t *bytes, gsize size)
{
    if (filled + size > sizeof datagram)
        return FALSE;
    memcpy(datagram.bytes + filled, bytes, size);
    filled += size;
    return TRUE;
}

ssize_t netlink_receive(void *buffer, gsize size)
{
    g_assert_cmpuint(size, >, filled);
    netlink_end();
    memcpy(buffer, datagram.bytes, filled);
    poisoned = (char *)buffer + filled;
    poisoned_size = size - filled;
    ASAN_POISON_MEMORY_REGION(poisoned, poisoned_size);
    return (ssize_t)filled;
}

void netlink_end(void)
{
    if (poisoned)
        ASAN_UNPOISON_MEMORY_REGION(poisoned, poisoned_size);
    poisoned = NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dump.h"

#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static struct bytes *input;
static gboolean (*append_piece)(uint8_t kind);

void dump_begin(struct bytes *from, gboolean (*append)(uint8_t kind))
{
    input = from;
    append_piece = append;
}

gboolean dump_append_anything(void)
{
    size_t size = 0;
    const uint8_t *bytes = fuzz_some(input, &size);
    return netlink_append_bytes(bytes, size);
}

int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    g_assert_true(domain == AF_NETLINK && (type & SOCK_CLOEXEC) && protocol == NETLINK_ROUTE);
    return eventfd(0, EFD_CLOEXEC);
}

/* A kernel that does not filter, and one that does, are the same to who reads. */
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    (void)fd, (void)value, (void)size;
    g_assert_true((level == SOL_SOCKET && option == SO_RCVTIMEO) || /* it never hangs */
                  (level == SOL_NETLINK && option == NETLINK_GET_STRICT_CHK));
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
    (void)fd, (void)flags;
    netlink_end();
    errno = EAGAIN; /* the time limit */
    if (input->left == 0)
        return -1;
    netlink_begin();
    while (append_piece(fuzz_byte(input)) && input->left > 0)
        ;
    return netlink_receive(buffer, size);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rtnetlink.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_S 1

struct dump {
    void (*entry)(const struct nlmsghdr *header, gpointer data);
    gpointer data;
    gboolean done;
};

/* One datagram of the answer. FALSE: it was the last one, or is none. */
static gboolean read_answer(int fd, struct dump *dump)
{
    union { /* aligned as the messages are */
        struct nlmsghdr header;
        char bytes[32768];
    } answer;
    ssize_t n = recv(fd, &answer, sizeof answer, 0);

    if (n < 0)
        return errno == EINTR;
    gint64 left = n; /* signed: what the last message lacks to its alignment is taken off, too */
    for (const struct nlmsghdr *header = &answer.header; NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
        dump->done = header->nlmsg_type == NLMSG_DONE;
        if (dump->done || header->nlmsg_type == NLMSG_ERROR)
            return FALSE;
        dump->entry(header, dump->data);
    }
    return n > 0;
}

gboolean rtnetlink_dump(const void *request, gsize size,
                        void (*entry)(const struct nlmsghdr *header, gpointer data), gpointer data)
{
    const struct timeval limit = {.tv_sec = ANSWER_S};
    const int strict = 1;
    struct dump dump = {.entry = entry, .data = data};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return FALSE;
    /* What the request asks for is all that comes; before Linux 4.20 it is the whole table. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict, sizeof strict);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        send(fd, request, size, 0) == (ssize_t)size)
        while (read_answer(fd, &dump))
            ;
    close(fd);
    return dump.done;
}

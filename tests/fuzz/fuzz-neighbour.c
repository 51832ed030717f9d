/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's answers to the gateway check. Each piece of the input is a message of a kind, mostly
 * well-formed, or a datagram of any bytes. A neighbour is said to have answered only if the kernel took the
 * question and an entry for this very address was reachable after that; nothing behind a datagram's end is
 * looked at; each question is one that the kernel would take. */
#include "fuzz.h"

#include "neighbour.h"
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define IFINDEX 7
#define ADDRESS4 "192.0.2.1"
#define ADDRESS6 "2001:db8::1"

static struct bytes *input;
static int family;
static guint32 seq;        /* of the last request */
static gboolean asked;     /* that was a question, not a look at the table */
static gboolean taken;     /* ... and the kernel took it */
static gboolean reachable; /* an entry for the address was, after that */

/* Which entry it is: the byte's bits make it another one's. */
static void append_entry(void)
{
    struct {
        struct ndmsg entry;
        struct rtattr attribute;
        uint8_t address[sizeof(struct in6_addr)];
    } body = {0};
    uint8_t wrong = fuzz_byte(input);
    gsize size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

    body.entry.ndm_family = wrong & 1 ? AF_UNSPEC : (uint8_t)family;
    body.entry.ndm_ifindex = wrong & 2 ? IFINDEX + 1 : IFINDEX;
    body.entry.ndm_flags = wrong & 4 ? NTF_PROXY : 0;
    body.entry.ndm_state = fuzz_byte(input);
    body.attribute.rta_type = wrong & 8 ? NDA_LLADDR : NDA_DST;
    body.attribute.rta_len = RTA_LENGTH(wrong & 16 ? size - 1 : size);
    (void)inet_pton(family, family == AF_INET ? ADDRESS4 : ADDRESS6, body.address);
    body.address[size - 1] ^= wrong & 32;
    netlink_append(RTM_NEWNEIGH, 0, &body, sizeof body.entry + RTA_SPACE(size));
    if (!(wrong & 63) && taken && (body.entry.ndm_state & NUD_REACHABLE))
        reachable = TRUE;
}

static void append_answer(void)
{
    static const int codes[] = {0, -EBUSY, -ENOENT, -EPERM};
    uint8_t n = fuzz_byte(input);
    struct nlmsgerr answer = {.error = codes[n & 3]};

    netlink_append(NLMSG_ERROR, seq + (n & 4), &answer, n & 8 ? 2 : sizeof answer);
    if (!(n & 15) && asked)
        taken = TRUE;
}

static void append_anything(void)
{
    size_t size = 0;
    const uint8_t *bytes = fuzz_some(input, &size);

    if (!netlink_append_bytes(bytes, size))
        return;
    taken = reachable = TRUE; /* nobody knows what it says */
}

/* As the kernel, which puts several messages into one datagram. */
static void fill(void)
{
    uint8_t kind;

    netlink_begin();
    do {
        kind = fuzz_byte(input);
        switch (kind & 7) {
        case 0:
        case 1:
            append_entry();
            break;
        case 2:
            append_answer();
            break;
        case 3:
            netlink_append(NLMSG_DONE, seq, &(int){0}, sizeof(int));
            break;
        case 4:
            append_anything();
            break;
        default:
            netlink_append(kind, seq, "", 1);
        }
    } while ((kind & 8) && input->left > 0);
}

/* In place of the kernel's, by the linker's --wrap. */

int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    g_assert_true(domain == AF_NETLINK && (type & SOCK_NONBLOCK) && protocol == NETLINK_ROUTE);
    return eventfd(1, EFD_CLOEXEC); /* there is always something to read */
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    (void)fd;
    g_assert_true(address->sa_family == AF_NETLINK && size == sizeof(struct sockaddr_nl));
    return 0;
}

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    const struct nlmsghdr *header = data;

    (void)fd;
    (void)flags;
    g_assert_cmpuint(header->nlmsg_len, ==, size);
    g_assert_cmpuint(size, >=, NLMSG_LENGTH(sizeof(struct ndmsg)));
    g_assert_true(header->nlmsg_type == RTM_GETNEIGH || header->nlmsg_type == RTM_NEWNEIGH);
    g_assert_cmpint(((const struct ndmsg *)NLMSG_DATA(header))->ndm_family, ==, family);
    seq = header->nlmsg_seq;
    if (header->nlmsg_type == RTM_NEWNEIGH) { /* asked anew: what was before is old */
        asked = TRUE;
        taken = reachable = FALSE;
    }
    return (ssize_t)size;
}

ssize_t __wrap_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
                        socklen_t *from_size);
ssize_t __wrap_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
                        socklen_t *from_size)
{
    (void)fd;
    g_assert_true((flags & MSG_DONTWAIT) && *from_size == sizeof(struct sockaddr_nl));
    netlink_end();
    errno = EIO;
    if (input->left == 0)
        return -1;
    uint8_t first = fuzz_byte(input);
    errno = ENOBUFS;
    if (first == 0xff)
        return -1;
    memset(from, 0, *from_size);
    ((struct sockaddr_nl *)from)->nl_pid = first == 0xfe ? 1 : 0;
    gboolean had_taken = taken, had_reachable = reachable;
    fill();
    if (first == 0xfe) { /* another process's: no word of it counts */
        taken = had_taken;
        reachable = had_reachable;
    }
    return netlink_receive(buffer, size);
}

static void on_probe(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    gboolean answered = neighbour_probe_finish(result, &error);

    (void)source;
    g_assert_true(answered == (error == NULL));
    if (answered)
        g_assert_true(taken && reachable);
    *(gboolean *)data = TRUE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    gboolean done = FALSE;

    family = fuzz_byte(&in) & 1 ? AF_INET6 : AF_INET;
    input = &in;
    asked = taken = reachable = FALSE;
    neighbour_probe_async(IFINDEX, family == AF_INET ? ADDRESS4 : ADDRESS6, NULL, on_probe, &done);
    while (!done)
        g_main_context_iteration(NULL, TRUE);
    netlink_end();
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "neighbour.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel asks the address that it remembers first, once a second; a router that was replaced has another
 * one and hears only broadcast or multicast. So that much time for the old address, the rest for everybody.
 */
#define REMEMBERED_MS 1200

/* NUD_PERMANENT and NUD_NOARP: the kernel never asks. */
#define NUD_SILENT (NUD_PERMANENT | NUD_NOARP)
#define NUD_HAS_ADDRESS (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

enum phase {
    PHASE_LOOKUP, /* the table is read: what does the kernel know? */
    PHASE_ASKING, /* told to ask; what comes before its acknowledgement is old */
    PHASE_WATCH, /* acknowledged: the entry is no longer reachable, unless the neighbour has answered since */
};

struct probe {
    int fd;
    GSource *readable;
    GSource *timer;
    GSource *cancelled;
    gint64 end_us;
    int ifindex;
    guint8 family;
    guint8 address[sizeof(struct in6_addr)];
    char text[INET6_ADDRSTRLEN];
    enum phase phase;
    guint32 seq;
    guint16 state;  /* the entry's, 0: there is none */
    guint8 flags;   /* the entry's; to be kept, or the kernel forgets that it is a router */
    gboolean last;  /* everybody is being asked, nothing is left to try after that */
    gboolean again; /* the table is to be read once more */
};

struct request {
    struct nlmsghdr header;
    struct ndmsg entry;
    guint8 attributes[64];
};

static void source_clear(GSource **source)
{
    if (*source)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

/* The sources hold the task, so they go as soon as it has its result. */
static void probe_stop(struct probe *probe)
{
    source_clear(&probe->readable);
    source_clear(&probe->timer);
    source_clear(&probe->cancelled);
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

static void probe_free(gpointer data)
{
    probe_stop(data);
    g_free(data);
}

static void finish(GTask *task, GError *error)
{
    g_autoptr(GTask) keep = g_object_ref(task);

    probe_stop(g_task_get_task_data(task));
    if (error)
        g_task_return_error(keep, error);
    else
        g_task_return_boolean(keep, TRUE);
}

static void finish_silent(GTask *task)
{
    struct probe *probe = g_task_get_task_data(task);

    finish(task, g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s does not answer", probe->text));
}

static void finish_errno(GTask *task, int code, const char *what)
{
    finish(task, g_error_new(G_IO_ERROR, g_io_error_from_errno(code), "%s: %s", what, g_strerror(code)));
}

static void request_attribute(struct request *request, guint16 type, const void *data, gsize size)
{
    guint8 *end = (guint8 *)request + NLMSG_ALIGN(request->header.nlmsg_len);
    struct rtattr *attribute = (struct rtattr *)end;

    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(size);
    memcpy(RTA_DATA(attribute), data, size);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

static gboolean request_send(struct probe *probe, struct request *request)
{
    request->header.nlmsg_seq = ++probe->seq;
    return send(probe->fd, request, request->header.nlmsg_len, 0) >= 0;
}

static gboolean send_lookup(struct probe *probe)
{
    struct request request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg)),
                   .nlmsg_type = RTM_GETNEIGH,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}, /* a single entry: Linux 5.1 */
        .entry = {.ndm_family = probe->family},
    };

    request_attribute(&request, NDA_IFINDEX, &probe->ifindex, sizeof(guint32));
    return request_send(probe, &request);
}

static gboolean send_change(struct probe *probe, guint16 request_flags, guint16 state, guint8 flags)
{
    struct request request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg)),
                   .nlmsg_type = RTM_NEWNEIGH,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | request_flags},
        .entry = {.ndm_family = probe->family,
                  .ndm_ifindex = probe->ifindex,
                  .ndm_state = state,
                  .ndm_flags = flags},
    };

    /* No link-layer address: the kernel keeps the one it has, which may be newer than what we read. */
    request_attribute(&request, NDA_DST, probe->address,
                      probe->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr));
    return request_send(probe, &request);
}

static GSource *watch(GTask *task, GSource *source, GSourceFunc callback)
{
    g_source_set_callback(source, callback, g_object_ref(task), g_object_unref);
    g_source_attach(source, g_task_get_context(task));
    return source;
}

static gboolean on_timer(gpointer data);

static void arm(GTask *task, gint64 ms)
{
    struct probe *probe = g_task_get_task_data(task);

    source_clear(&probe->timer);
    probe->timer = watch(task, g_timeout_source_new(MAX(ms, 0)), on_timer);
}

static void look_up(GTask *task)
{
    struct probe *probe = g_task_get_task_data(task);

    probe->again = FALSE;
    if (!send_lookup(probe))
        finish_errno(task, errno, "the kernel's neighbours cannot be read");
}

/* Asks everybody. An entry in use is failed first, or the kernel would go on with the address that it
 * remembers. */
static void ask_everybody(GTask *task)
{
    struct probe *probe = g_task_get_task_data(task);

    probe->phase = PHASE_ASKING;
    probe->last = TRUE;
    arm(task, (probe->end_us - g_get_monotonic_time()) / 1000);
    if (((probe->state & NUD_HAS_ADDRESS) && !send_change(probe, NLM_F_REPLACE, NUD_FAILED, probe->flags)) ||
        !send_change(probe, NLM_F_CREATE, NUD_NONE, NTF_USE))
        finish_errno(task, errno, "the kernel cannot be asked for a neighbour");
}

static void ask(GTask *task)
{
    struct probe *probe = g_task_get_task_data(task);

    if (!(probe->state & NUD_HAS_ADDRESS)) {
        /* A question that somebody else began fails at any moment: that is not yet ours. */
        gboolean begun = probe->state & NUD_INCOMPLETE;
        ask_everybody(task);
        probe->last = !begun;
        return;
    }
    probe->phase = PHASE_ASKING;
    arm(task, REMEMBERED_MS);
    if (!send_change(probe, NLM_F_REPLACE, NUD_PROBE, probe->flags))
        finish_errno(task, errno, "the kernel cannot be asked for a neighbour");
}

/* Everything below returns whether the probe goes on. */
static gboolean judge(GTask *task, guint16 state)
{
    struct probe *probe = g_task_get_task_data(task);

    if (state & NUD_SILENT) {
        finish(task, g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                                 "%s is never asked: its entry is permanent, or the link has no neighbours",
                                 probe->text));
        return FALSE;
    }
    if (probe->phase != PHASE_WATCH)
        return TRUE;
    if (state & NUD_REACHABLE) {
        finish(task, NULL);
        return FALSE;
    }
    if (state & NUD_FAILED) {
        if (probe->last)
            finish_silent(task);
        else
            ask_everybody(task);
        return probe->fd >= 0;
    }
    return TRUE;
}

static gboolean is_ours(struct probe *probe, struct nlmsghdr *header)
{
    const struct ndmsg *entry = NLMSG_DATA(header);
    gsize size = probe->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof *entry);

    if (left < 0 || entry->ndm_family != probe->family || entry->ndm_ifindex != probe->ifindex ||
        (entry->ndm_flags & NTF_PROXY))
        return FALSE;
    for (struct rtattr *at = (struct rtattr *)((char *)entry + NLMSG_ALIGN(sizeof *entry)); RTA_OK(at, left);
         at = RTA_NEXT(at, left))
        if (at->rta_type == NDA_DST)
            return RTA_PAYLOAD(at) == size && memcmp(RTA_DATA(at), probe->address, size) == 0;
    return FALSE;
}

static gboolean on_entry(GTask *task, struct nlmsghdr *header)
{
    struct probe *probe = g_task_get_task_data(task);
    const struct ndmsg *entry = NLMSG_DATA(header);

    if (!is_ours(probe, header))
        return TRUE;
    probe->state = entry->ndm_state;
    probe->flags = entry->ndm_flags & ~NTF_USE;
    return judge(task, probe->state);
}

static gboolean on_done(GTask *task)
{
    struct probe *probe = g_task_get_task_data(task);

    if (probe->phase == PHASE_LOOKUP)
        ask(task);
    else if (probe->again)
        look_up(task);
    return probe->fd >= 0;
}

static gboolean on_acknowledged(GTask *task, struct nlmsghdr *header)
{
    struct probe *probe = g_task_get_task_data(task);
    const struct nlmsgerr *answer = NLMSG_DATA(header);

    if (header->nlmsg_len < NLMSG_LENGTH(sizeof *answer) || header->nlmsg_seq != probe->seq)
        return TRUE;               /* of an entry that was to fail and is gone: the next answer tells */
    if (answer->error == -EBUSY) { /* still at the table; it is read again after that */
        probe->again = TRUE;
    } else if (answer->error == -ENOENT && !probe->last) {
        probe->state = NUD_NONE;
        ask_everybody(task);
    } else if (answer->error) {
        finish_errno(task, -answer->error, "the kernel refuses to ask for a neighbour");
    } else if (probe->phase == PHASE_ASKING) {
        /* The answer may have come between the request and this: read the table again. */
        probe->phase = PHASE_WATCH;
        look_up(task);
    }
    return probe->fd >= 0;
}

static gboolean on_message(GTask *task, struct nlmsghdr *header)
{
    switch (header->nlmsg_type) {
    case RTM_NEWNEIGH:
        return on_entry(task, header);
    case NLMSG_DONE:
        return on_done(task);
    case NLMSG_ERROR:
        return on_acknowledged(task, header);
    default:
        return TRUE;
    }
}

/* FALSE: the probe is over. */
static gboolean read_messages(GTask *task)
{
    struct probe *probe = g_task_get_task_data(task);
    union {
        struct nlmsghdr header;
        char bytes[32768]; /* the kernel fills a dump's buffers no further */
    } buffer;
    struct sockaddr_nl from = {0};
    socklen_t from_size = sizeof from;
    ssize_t size =
        recvfrom(probe->fd, &buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);

    if (size < 0 && errno == ENOBUFS && probe->phase != PHASE_ASKING) { /* changes were lost */
        look_up(task);
        return probe->fd >= 0;
    }
    if (size < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
        finish_errno(task, errno, "the kernel's neighbours cannot be read");
        return FALSE;
    }
    if (size < 0 || from.nl_pid != 0)
        return TRUE;

    gint64 left = size; /* signed: what the last message lacks to its alignment is taken off, too */
    for (struct nlmsghdr *header = &buffer.header; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left))
        if (!on_message(task, header))
            return FALSE;
    return TRUE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
    g_autoptr(GTask) task = g_object_ref(data);

    (void)fd;
    (void)condition;
    return read_messages(task) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean on_timer(gpointer data)
{
    g_autoptr(GTask) task = g_object_ref(data);
    struct probe *probe = g_task_get_task_data(task);

    if (g_get_monotonic_time() >= probe->end_us)
        finish_silent(task);
    else
        ask_everybody(task);
    return G_SOURCE_REMOVE;
}

static gboolean on_cancelled(GCancellable *cancellable, gpointer data)
{
    g_autoptr(GTask) task = g_object_ref(data);

    (void)cancellable;
    finish(task, g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
    return G_SOURCE_REMOVE;
}

static int neighbour_socket(void)
{
    /* The changes are subscribed to before the table is read, so that none falls in between. */
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_NEIGH};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

void neighbour_probe_async(int ifindex, const char *address, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    struct probe *probe = g_new0(struct probe, 1);

    g_task_set_task_data(task, probe, probe_free);
    probe->fd = -1;
    probe->ifindex = ifindex;
    probe->family = strchr(address, ':') ? AF_INET6 : AF_INET;
    g_strlcpy(probe->text, address, sizeof probe->text);
    probe->end_us = g_get_monotonic_time() + NEIGHBOUR_LIMIT_MS * 1000;
    if (ifindex <= 0 || inet_pton(probe->family, address, probe->address) != 1)
        return finish(task,
                      g_error_new(G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "no such neighbour: %s", address));

    probe->fd = neighbour_socket();
    if (probe->fd < 0 || !send_lookup(probe))
        return finish_errno(task, errno, "the kernel's neighbours cannot be read");
    probe->readable = watch(task, g_unix_fd_source_new(probe->fd, G_IO_IN), G_SOURCE_FUNC(on_readable));
    arm(task, NEIGHBOUR_LIMIT_MS);
    if (cancellable)
        probe->cancelled = watch(task, g_cancellable_source_new(cancellable), G_SOURCE_FUNC(on_cancelled));
}

gboolean neighbour_probe_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

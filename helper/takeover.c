/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "takeover.h"

#include "rtnetlink.h"

#include <net/if.h>
#include <stdio.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* A 32-bit kernel of 1000 Hz computes the times of its addresses wrongly from here on: jiffies * 100
 * overflows (net/ipv4/devinet.c, cstamp_delta()). */
#define NARROW_LIMIT_S 42949

static gint64 clock_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now); /* cannot fail with these clocks */
    return (gint64)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* For how long a process has run, in ms; 0: unknown. proc(5): field 22 is its start, in clock ticks. */
static gint64 process_age_ms(guint32 pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%u/stat", pid), *text = NULL;
    unsigned long long ticks = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    const char *fields = g_strrstr(text, ")"); /* the name before it may have anything in it */
    if (!fields || sscanf(fields + 1,
                          " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                          "%*s %*s %llu",
                          &ticks) != 1)
        return 0;
    return clock_ms(CLOCK_BOOTTIME) - (gint64)(ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK));
}

/* Addresses are dated in jiffies, which may be seconds behind CLOCK_MONOTONIC: what a slow boot lost is never
 * made up for. times(2) tells them, but from their start value on, 300 s before 32 bits go round; so among
 * the rates that kernels have, the one that comes nearest to the clock is the right one. */
guint32 takeover_now_cs(guint64 times_cs, guint64 monotonic_cs)
{
    static const guint64 rates[] = {24, 48, 64, 100, 128, 200, 250, 256, 300, 500, 512, 1000, 1024, 1200};
    guint32 best = (guint32)monotonic_cs, best_off = G_MAXUINT32;

    for (gsize i = 0; i < G_N_ELEMENTS(rates); i++) {
        guint32 now = (guint32)(times_cs - ((G_GUINT64_CONSTANT(1) << 32) - 300 * rates[i]) * 100 / rates[i]);
        guint32 off = (guint32)ABS((gint64)(gint32)(now - (guint32)monotonic_cs));
        if (off < best_off) {
            best = now;
            best_off = off;
        }
    }
    return best;
}

static guint32 now_cs(void)
{
    struct tms unused;
    guint64 ticks = (guint64)times(&unused);
    return takeover_now_cs(ticks * 100 / (guint64)sysconf(_SC_CLK_TCK),
                           (guint64)clock_ms(CLOCK_MONOTONIC) / 10);
}

gboolean takeover_older(guint32 address_cs, guint32 process_cs)
{
    return (gint32)(address_cs - process_cs) < 0; /* the counter goes round */
}

struct seen {
    int ifindex;
    guint32 process_cs;
    gboolean older;   /* an address is older than the process */
    gboolean younger; /* one is not */
};

static void look_at(const struct nlmsghdr *header, gpointer data)
{
    const struct ifaddrmsg *address = NLMSG_DATA(header);
    struct seen *seen = data;
    int left = (int)IFA_PAYLOAD(header);

    if (header->nlmsg_type != RTM_NEWADDR || left < 0 || (int)address->ifa_index != seen->ifindex)
        return;
    for (const struct rtattr *a = IFA_RTA(address); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type != IFA_CACHEINFO || RTA_PAYLOAD(a) < sizeof(struct ifa_cacheinfo))
            continue;
        const struct ifa_cacheinfo *times = RTA_DATA(a);
        if (takeover_older(times->cstamp, seen->process_cs))
            seen->older = TRUE;
        else
            seen->younger = TRUE;
    }
}

static void look_at_addresses(struct seen *seen)
{
    const struct {
        struct nlmsghdr header;
        struct ifaddrmsg message;
    } request = {.header = {.nlmsg_len = sizeof request,
                            .nlmsg_type = RTM_GETADDR,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};

    (void)rtnetlink_dump(&request, sizeof request, look_at, seen);
}

static gboolean times_overflow(void)
{
    struct utsname kernel;
    return sizeof(long) < 8 && uname(&kernel) == 0 && !strstr(kernel.machine, "64") &&
           clock_ms(CLOCK_MONOTONIC) / 1000 > NARROW_LIMIT_S;
}

gboolean takeover_seen(Network *network, const char *interface)
{
    struct seen seen = {.ifindex = (int)if_nametoindex(interface)};
    guint32 pid = network_nm_pid(network);
    gint64 age_ms = pid ? process_age_ms(pid) : 0;

    if (!seen.ifindex || age_ms <= 0 || times_overflow())
        return FALSE;
    seen.process_cs = now_cs() - (guint32)(age_ms / 10); /* what the machine slept since: too early by that */
    look_at_addresses(&seen);
    return seen.older && !seen.younger;
}

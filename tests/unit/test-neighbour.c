/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's own ARP/ND between two network namespaces; skipped where none can be made. */
#include "neighbour.h"

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t other; /* lives in the namespace of the gateway */
static gboolean prepared;

static gboolean sh(const char *command)
{
    return system(command) == 0;
}

static gboolean in_other(const char *command)
{
    g_autofree char *full = g_strdup_printf("nsenter -t %d -n -- %s", (int)other, command);

    return sh(full);
}

static pid_t fork_other(void)
{
    int ready[2];
    char byte;
    pid_t pid;

    if (pipe(ready) < 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    if (pid > 0 && read(ready[0], &byte, 1) != 1)
        pid = -1;
    close(ready[0]);
    return pid;
}

/* A link that is new is still asking whether its link-local address is somebody else's, and IPv6 hears
 * nothing until then. */
static gboolean settled(void)
{
    static const char address[] = "ip -6 addr show dev v? scope link -tentative | grep -q fe80";
    g_autofree char *here = g_strdelimit(g_strdup(address), "?", 'a');
    g_autofree char *there = g_strdelimit(g_strdup(address), "?", 'b');
    gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (!sh(here) || !in_other(there)) {
        if (g_get_monotonic_time() > end)
            return FALSE;
        g_usleep(20000);
    }
    return TRUE;
}

static gboolean prepare(void)
{
    g_autofree char *cable = NULL;

    if (unshare(CLONE_NEWNET) < 0 || (other = fork_other()) < 0)
        return FALSE;
    cable = g_strdup_printf("ip link add va type veth peer name vb netns %d", (int)other);
    return sh("ip link set lo up") && sh(cable) && sh("ip addr add 10.9.0.10/24 dev va") &&
           sh("ip addr add fd09::10/64 dev va nodad") && sh("ip link set va up") &&
           in_other("ip addr add 10.9.0.1/24 dev vb") && in_other("ip addr add fd09::1/64 dev vb nodad") &&
           in_other("ip link set vb up") && settled();
}

static void on_probe(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)source;
    if (!neighbour_probe_finish(result, &error))
        *(char **)data = g_strdup(error->message);
    else
        *(char **)data = g_strdup("");
}

/* NULL: it answered; else the reason. Its time must be within the two limits. */
static char *probe(const char *iface, const char *address, int least_ms, int most_ms)
{
    char *why = NULL;
    gint64 start = g_get_monotonic_time();
    gint64 ms;

    neighbour_probe_async(if_nametoindex(iface), address, NULL, on_probe, &why);
    while (!why)
        g_main_context_iteration(NULL, TRUE);
    ms = (g_get_monotonic_time() - start) / 1000;
    g_test_message("%s: '%s' after %d ms", address, why, (int)ms);
    g_assert_cmpint(ms, >=, least_ms);
    g_assert_cmpint(ms, <=, most_ms);
    if (!*why)
        g_clear_pointer(&why, g_free);
    return why;
}

static void assert_answers(const char *address, int most_ms)
{
    g_autofree char *why = probe("va", address, 0, most_ms);

    g_assert_null(why);
}

static void assert_silent(const char *address, int least_ms)
{
    g_autofree char *why = probe("va", address, least_ms, NEIGHBOUR_LIMIT_MS + 500);

    g_assert_nonnull(why);
    g_assert_nonnull(strstr(why, "does not answer"));
}

static gboolean skipped(void)
{
    if (!prepared)
        g_test_skip("needs root, ip and nsenter");
    return !prepared;
}

static void test_nonsense(void)
{
    g_autofree char *no_device = probe("nonesuch", "10.9.0.1", 0, 500);
    g_autofree char *no_address = probe("lo", "gateway", 0, 500);
    g_autofree char *too_long = probe("lo", "10.9.0.1.10.9.0.1.10.9.0.1.10.9.0.1.10.9.0.1.10.9.0.1", 0, 500);

    g_assert_nonnull(no_device);
    g_assert_nonnull(no_address);
    g_assert_nonnull(too_long);
}

static void test_answers(void)
{
    if (skipped())
        return;
    assert_answers("10.9.0.1", NEIGHBOUR_LIMIT_MS);
    assert_answers("fd09::1", NEIGHBOUR_LIMIT_MS);
}

/* The router behind the address was replaced: the kernel remembers a link-layer address that is nobody's. */
static void test_replaced(void)
{
    if (skipped())
        return;
    assert_answers("10.9.0.1", NEIGHBOUR_LIMIT_MS);
    assert_answers("fd09::1", NEIGHBOUR_LIMIT_MS);
    g_assert_true(in_other("ip link set vb address 02:00:00:00:00:99"));
    assert_answers("10.9.0.1", 3000);
    assert_answers("fd09::1", 3000);
}

/* An entry that is reachable for half a minute to come does not count. */
static void test_stale(void)
{
    if (skipped())
        return;
    assert_answers("10.9.0.1", NEIGHBOUR_LIMIT_MS);
    assert_answers("fd09::1", NEIGHBOUR_LIMIT_MS);
    g_assert_true(in_other("ip addr del 10.9.0.1/24 dev vb"));
    g_assert_true(in_other("ip addr del fd09::1/64 dev vb"));
    g_assert_true(sh("ip neigh show 10.9.0.1 dev va | grep -q REACHABLE"));
    assert_silent("10.9.0.1", 1000);
    assert_silent("fd09::1", 1000);
    assert_silent("10.9.0.1", 1000); /* now it has failed before */
    g_assert_true(in_other("ip addr add 10.9.0.1/24 dev vb"));
    g_assert_true(in_other("ip addr add fd09::1/64 dev vb nodad"));
    assert_answers("10.9.0.1", NEIGHBOUR_LIMIT_MS);
    assert_answers("fd09::1", NEIGHBOUR_LIMIT_MS);
}

static void test_never_asked(void)
{
    if (skipped())
        return;
    g_assert_true(sh("ip neigh replace 10.9.0.77 lladdr 02:00:00:00:00:77 dev va nud permanent"));
    g_autofree char *why = probe("va", "10.9.0.77", 0, NEIGHBOUR_LIMIT_MS);
    g_assert_nonnull(why);
    g_assert_true(sh("ip neigh show 10.9.0.77 dev va | grep -q PERMANENT"));
}

static void on_cancelled(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)source;
    g_assert_false(neighbour_probe_finish(result, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    *(gboolean *)data = TRUE;
}

static void test_cancelled(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    gboolean done = FALSE;

    if (skipped())
        return;
    neighbour_probe_async(if_nametoindex("va"), "10.9.0.200", cancellable, on_cancelled, &done);
    g_cancellable_cancel(cancellable);
    while (!done)
        g_main_context_iteration(NULL, TRUE);
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    prepared = prepare();
    g_test_add_func("/neighbour/nonsense", test_nonsense);
    g_test_add_func("/neighbour/answers", test_answers);
    g_test_add_func("/neighbour/replaced", test_replaced);
    g_test_add_func("/neighbour/stale", test_stale);
    g_test_add_func("/neighbour/never-asked", test_never_asked);
    g_test_add_func("/neighbour/cancelled", test_cancelled);
    status = g_test_run();
    if (other > 0) {
        kill(other, SIGKILL);
        waitpid(other, NULL, 0);
    }
    return status;
}

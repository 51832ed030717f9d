/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's own routes, in a network namespace. */
#include "gateway.h"

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define MANY 5000

static void ip(const char *arguments)
{
    g_autofree char *command = g_strconcat("ip ", arguments, NULL);
    g_assert_cmpint(system(command), ==, 0);
}

static void assert_gateway(const char *interface, int family, const char *gateway)
{
    g_autofree char *found = gateway_of((int)if_nametoindex(interface), family);
    g_assert_cmpstr(found, ==, gateway);
}

static void test_none(void)
{
    assert_gateway("va", AF_INET, NULL);
    assert_gateway("va", AF_INET6, NULL);
    assert_gateway("nobody", AF_INET, NULL);
}

static void test_the_lowest_metric(void)
{
    ip("route add default via 10.9.0.1 dev va metric 100");
    assert_gateway("va", AF_INET, "10.9.0.1");
    assert_gateway("vb", AF_INET, NULL);
    assert_gateway("va", AF_INET6, NULL);
    ip("route add default via 10.9.0.2 dev va metric 50");
    assert_gateway("va", AF_INET, "10.9.0.2");
    ip("route add default via 10.8.0.1 dev vb metric 20");
    assert_gateway("va", AF_INET, "10.9.0.2");
    assert_gateway("vb", AF_INET, "10.8.0.1");
    ip("route add default dev va metric 10"); /* without a gateway, and before the others */
    assert_gateway("va", AF_INET, NULL);
    ip("route flush default");
}

static void test_not_for_everything(void)
{
    ip("route add default via 10.9.0.1 dev va table 100");
    ip("route add 0.0.0.0/1 via 10.9.0.2 dev va");
    ip("route add unreachable default metric 5");
    assert_gateway("va", AF_INET, NULL);
    ip("route flush table 100");
    ip("route del unreachable default");
    ip("route del 0.0.0.0/1");
}

static void test_several_hops(void)
{
    ip("route add default metric 20 nexthop via 10.8.0.1 dev vb nexthop via 10.9.0.3 dev va");
    assert_gateway("va", AF_INET, "10.9.0.3");
    assert_gateway("vb", AF_INET, "10.8.0.1");
    assert_gateway("lo", AF_INET, NULL);
    ip("route flush default");
}

static void test_ipv6(void)
{
    ip("route add default via fe80::1 dev va metric 100");
    assert_gateway("va", AF_INET6, "fe80::1");
    ip("route add default via fd09::1 dev va metric 50");
    assert_gateway("va", AF_INET6, "fd09::1");
    assert_gateway("vb", AF_INET6, NULL);
    assert_gateway("va", AF_INET, NULL);
    ip("route add default metric 20 nexthop via fd08::1 dev vb nexthop via fd09::3 dev va");
    assert_gateway("va", AF_INET6, "fd09::3");
    ip("-6 route flush default");
}

/* More than one datagram of the kernel's, of this interface, too. */
static void test_many_routes(void)
{
    g_autoptr(GString) batch = g_string_new(NULL);
    FILE *pipe = popen("ip -batch -", "w");

    for (int i = 0; i < MANY; i++)
        g_string_append_printf(batch, "route add 10.%d.%d.0/24 via 10.9.0.7 dev va\n", 16 + i / 250, i % 250);
    g_string_append(batch, "route add default via 10.9.0.1 dev va metric 4000000000\n");
    g_assert_cmpint(fputs(batch->str, pipe), >=, 0);
    g_assert_cmpint(pclose(pipe), ==, 0);
    assert_gateway("va", AF_INET, "10.9.0.1");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(unshare(CLONE_NEWNET), ==, 0); /* needs root, as the tests of the whole do */
    ip("link set lo up");
    ip("link add va type veth peer name vb");
    ip("addr add 10.9.0.10/24 dev va");
    ip("addr add 10.8.0.10/24 dev vb");
    ip("addr add fd09::10/64 dev va nodad");
    ip("addr add fd08::10/64 dev vb nodad");
    ip("link set va up");
    ip("link set vb up");
    g_test_add_func("/gateway/none", test_none);
    g_test_add_func("/gateway/lowest-metric", test_the_lowest_metric);
    g_test_add_func("/gateway/not-for-everything", test_not_for_everything);
    g_test_add_func("/gateway/several-hops", test_several_hops);
    g_test_add_func("/gateway/ipv6", test_ipv6);
    g_test_add_func("/gateway/many-routes", test_many_routes);
    return g_test_run();
}

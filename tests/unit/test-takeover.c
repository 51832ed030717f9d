/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's date of an address and the start of a process, brought to one clock. */
#include "takeover.h"

static guint64 times_at(guint64 rate, guint64 jiffies_cs)
{
    return ((G_GUINT64_CONSTANT(1) << 32) - 300 * rate) * 100 / rate + jiffies_cs;
}

static void test_every_rate_is_told(void)
{
    const guint64 rates[] = {100, 250, 300, 1000};
    const guint64 uptimes_cs[] = {3000, 1311238, 8640000, 864000000};
    for (gsize i = 0; i < G_N_ELEMENTS(rates); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(uptimes_cs); j++)
            for (guint64 lost_cs = 0; lost_cs <= 1500; lost_cs += 25)
                g_assert_cmpuint(takeover_now_cs(times_at(rates[i], uptimes_cs[j]), uptimes_cs[j] + lost_cs),
                                 ==, uptimes_cs[j]);
}

static void test_after_497_days(void)
{
    guint64 uptime_cs = (G_GUINT64_CONSTANT(1) << 32) + 77;
    g_assert_cmpuint(takeover_now_cs(times_at(250, uptime_cs), uptime_cs + 30), ==, 77);
    g_assert_true(takeover_older(G_MAXUINT32 - 5, 3));
    g_assert_false(takeover_older(3, G_MAXUINT32 - 5));
}

static void test_older(void)
{
    g_assert_true(takeover_older(99, 100));
    g_assert_false(takeover_older(100, 100));
    g_assert_false(takeover_older(101, 100));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/takeover/rates", test_every_rate_is_told);
    g_test_add_func("/takeover/round", test_after_497_days);
    g_test_add_func("/takeover/older", test_older);
    return g_test_run();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Durations as people write them, and what is none. */
#include "duration.h"

static void test_good(void)
{
    static const struct {
        const char *text;
        gint64 s;
    } cases[] = {
        {"1", 1},     {"90", 90},     {"90s", 90},      {"1s", 1},        {"10m", 600},      {"1m", 60},
        {"1h", 3600}, {"24h", 86400}, {"1440m", 86400}, {"86400", 86400}, {"86400s", 86400}, {"007", 7},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gint64 ms = -1;
        g_test_message("%s", cases[i].text);
        g_assert_true(duration_parse("--timeout", cases[i].text, &ms, &error));
        g_assert_no_error(error);
        g_assert_cmpint(ms, ==, cases[i].s * 1000);
    }
}

static void test_bad(void)
{
    static const char *const cases[] = {
        "",
        "0",
        "0s",
        "0h",
        "25h",
        "86401",
        "86401s",
        "1441m",
        " 5",
        "5 ",
        "5 m",
        "1d",
        "-1",
        "+1",
        "1.5",
        "1,5",
        "1e3",
        "0x10",
        "5M",
        "5ms",
        "5sec",
        "m",
        "s5",
        "1h30m",
        "5\n",
        "\xc2\xb2",
        "٣",
        "5\xff",
        "--",
        "infinity",
        /* beyond 64 bits, and where a product would wrap around to something small */
        "9223372036854775808",
        "18446744073709551616",
        "18446744073709551617",
        "99999999999999999999999999999999",
        "5124095576030432h",
        "307445734561825861m",
        "18446744073709552",
        "4294967297h",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gint64 ms = -17;
        g_test_message("'%s'", cases[i]);
        g_assert_false(duration_parse("--hold", cases[i], &ms, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
        g_assert_true(g_str_has_prefix(error->message, "--hold "));
        g_assert_nonnull(strstr(error->message, "24 h")); /* what is allowed */
        g_assert_cmpint(ms, ==, -17);
    }
}

/* What was typed comes back on a terminal: no control characters, no end of lines, no endless line. */
static void test_message_is_clean(void)
{
    g_autofree char *endless = g_strnfill(100000, '7');
    const char *const cases[] = {"\033[2J5", "5\r\n", endless};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gint64 ms = 0;
        g_assert_false(duration_parse("--hold", cases[i], &ms, &error));
        g_assert_cmpuint(strlen(error->message), <, 200);
        for (const char *p = error->message; *p; p++)
            g_assert_false(g_ascii_iscntrl(*p));
    }
}

static void test_text(void)
{
    static const struct {
        gint64 s;
        const char *text;
    } cases[] = {
        {0, "0 s"},
        {119, "119 s"},
        {120, "2 min 0 s"},
        {725, "12 min 5 s"},
        {7199, "119 min 59 s"},
        {7200, "2 h 0 min"},
        {86399, "23 h 59 min"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = duration_text(cases[i].s);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/duration/good", test_good);
    g_test_add_func("/duration/bad", test_bad);
    g_test_add_func("/duration/message-is-clean", test_message_is_clean);
    g_test_add_func("/duration/text", test_text);
    return g_test_run();
}

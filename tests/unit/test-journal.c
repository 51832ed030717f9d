/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of others on its way to a terminal or a log. */
#include "journal.h"

#include <string.h>

static void test_clean(void)
{
    static const struct {
        const char *text, *clean;
    } cases[] = {
        {NULL, ""},
        {"", ""},
        {"lan", "lan"},
        {"b\xc3\xbcro \xe2\x82\xac", "b\xc3\xbcro \xe2\x82\xac"},
        {"a\nb", "a\\nb"},
        {"\x1b[31mred", "\\u001b[31mred"},
        {"tab\there", "tab\\u0009here"},
        {"\x7f", "\\u007f"},
        {"\xc2\x9b", "\\u009b"},                       /* the one-character CSI of C1 */
        {"right\xe2\x80\xaeleft", "right\\u202eleft"}, /* an override of the direction */
        {"broken\xff"
         "end",
         "broken\xef\xbf\xbd"
         "end"}, /* no UTF-8 */
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *clean = journal_clean(cases[i].text);
        g_assert_cmpstr(clean, ==, cases[i].clean);
    }
}

static void test_long(void)
{
    g_autofree char *text = g_strnfill(8192, 'x');
    g_autofree char *name = journal_clean(text);
    g_autofree char *line = journal_clean_to(text, 2000);
    g_assert_cmpint(strlen(name), ==, JOURNAL_NAME_MAX + strlen("..."));
    g_assert_cmpint(strlen(line), ==, 2000 + strlen("..."));
    g_assert_true(g_str_has_suffix(name, "x..."));
    text[JOURNAL_NAME_MAX] = '\0';
    g_autofree char *whole = journal_clean(text);
    g_assert_cmpstr(whole, ==, text);
}

/* Where nobody listens, and at the end of a process that has said nothing: no wait, no crash. */
static void test_flush(void)
{
    journal_flush();
    journal_say(JOURNAL_TROUBLE, NULL, -1, "one line of a unit test");
    journal_flush();
    journal_flush();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/journal/clean", test_clean);
    g_test_add_func("/journal/long", test_long);
    g_test_add_func("/journal/flush", test_flush);
    return g_test_run();
}

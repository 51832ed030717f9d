/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A keyfile's text. (How a key is set: test-profile.c, by every change of a profile's flags.) */
#include "keyfile.h"

/* Every part of that group goes, and no other byte. */
static void test_remove_group(void)
{
    static const struct {
        const char *text, *rest;
    } cases[] = {
        {"[a]\nx=1\n\n[g]\ny=2\n# of g\n[b]\nz=3\n", "[a]\nx=1\n\n[b]\nz=3\n"},
        {"[a]\nx=1\n[g]\ny=2", "[a]\nx=1\n"},
        {"[g]\r\ny=2\r\n[a]\r\nx=1\r\n[g]\r\nw=3\r\n", "[a]\r\nx=1\r\n"},
        {"# first\n[a]\nx=[g]\n", "# first\n[a]\nx=[g]\n"},
        {"[gg]\nx=1\n", "[gg]\nx=1\n"},
        {"", ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *text = g_string_new(cases[i].text);
        keyfile_remove_group(text, "g");
        g_assert_cmpstr(text->str, ==, cases[i].rest);
        g_string_free(text, TRUE);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyfile/remove-group", test_remove_group);
    return g_test_run();
}

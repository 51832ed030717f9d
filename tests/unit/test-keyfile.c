/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A keyfile's text, changed. */
#include "keyfile.h"

/* set_key alone: every other byte stays, wherever the key is. */
static void test_set_key(void)
{
    static const struct {
        const char *text;
        const char *value;
        const char *expected;
    } cases[] = {
        {"", "1", "\n[g]\nk=1\n"},
        {"[g]", "1", "[g]\nk=1\n"},
        {"[g]\nk=0\nk=0\n", NULL, "[g]\n"},
        {"[g]\nk=0\n[h]\nk=2\n[g]\nk=0", NULL, "[g]\n[h]\nk=2\n[g]\n"},
        {"[h]\nk=0\n", NULL, "[h]\nk=0\n"},
        {"[g]\n\nk2=5\n\n\n[h]\n", "1", "[g]\n\nk2=5\nk=1\n\n\n[h]\n"},
        {"[g]\r\nk=0\r\n", "1", "[g]\r\nk=1\r\n"},
        {"[gg]\nk=0\n[ g]\nk=0\n", "1", "[gg]\nk=0\n[ g]\nk=0\n\n[g]\nk=1\n"},
        {"[g]\nk[de]=0\n", "1", "[g]\nk[de]=0\nk=1\n"},
        {"[g]\nk\t=0\n", "1", "[g]\nk=1\n"},
        {"k=0\n[g]\n", "1", "k=0\n[g]\nk=1\n"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *text = g_string_new(cases[i].text);
        g_test_message("%s", cases[i].text);
        keyfile_set(text, "g", "k", cases[i].value);
        g_assert_cmpstr(text->str, ==, cases[i].expected);
        g_string_free(text, TRUE);
    }
}

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
    g_test_add_func("/keyfile/set-key", test_set_key);
    g_test_add_func("/keyfile/remove-group", test_remove_group);
    return g_test_run();
}

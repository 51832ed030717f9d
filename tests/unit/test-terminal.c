/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How wide text is, where it is broken and cut, and what only a terminal gets to see. */
#include "terminal.h"

#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define RED "\033[1;31m"
#define PLAIN "\033[0m"
#define WIDE "\u7f51\u7edc" /* two characters of two columns */
#define COMBINED "e\u0301"  /* two characters in one column */
#define ROUNDS 20000

static void test_fit(void)
{
    static const struct {
        const char *text;
        int columns;
        const char *fitted;
    } cases[] = {
        {"", 10, ""},
        {"0123456789", 10, "0123456789"},
        {"0123456789a", 10, "0123456..."},
        {"01234567" WIDE, 12, "01234567" WIDE},
        {"01234567" WIDE, 11, "01234567..."}, /* not half of one */
        {WIDE WIDE WIDE, 10, WIDE "\u7f51..."},
        {WIDE WIDE WIDE, 9, WIDE "\u7f51..."},
        {WIDE WIDE WIDE, 8, WIDE "..."},
        {COMBINED COMBINED COMBINED COMBINED, 4, COMBINED COMBINED COMBINED COMBINED},
        {COMBINED COMBINED COMBINED COMBINED COMBINED, 4, COMBINED "..."}, /* its accent stays with it */
        {RED "0123456789" PLAIN, 10, RED "0123456789" PLAIN},
        {RED "0123456789a" PLAIN, 10, RED "0123456..." PLAIN},
        {RED "012" PLAIN "3456789a", 10, RED "012" PLAIN "3456..." PLAIN},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *fitted = terminal_fit(cases[i].text, cases[i].columns);
        g_test_message("%s", cases[i].text);
        g_assert_cmpstr(fitted, ==, cases[i].fitted);
        g_assert_true(terminal_fits(fitted, cases[i].columns));
        g_assert_cmpint(terminal_fits(cases[i].text, cases[i].columns), ==,
                        strcmp(cases[i].text, fitted) == 0);
    }
}

static void test_wrap(void)
{
    static const struct {
        const char *text;
        int indent, columns;
        const char *wrapped;
    } cases[] = {
        {"one two three four", 0, 0, "one two three four"}, /* no terminal */
        {"one two three four", 2, 18, "one two three four"},
        {"one two three four", 2, 17, "one two three\n  four"},
        {"one two three four", 2, 13, "one two three\n  four"}, /* the space falls behind the last column */
        {"one two three four", 2, 12, "one two\n  three four"},
        {"      Why: one two three", 11, 21, "      Why: one two\n           three"},
        {"      Why: onetwothree", 11, 21, "      Why: onetwothre\n           e"}, /* not behind the label */
        {"0123456789abcdef", 2, 12, "0123456789ab\n  cdef"},
        {"012345678 " WIDE WIDE, 2, 13, "012345678\n  " WIDE WIDE},
        {"012345678" WIDE WIDE, 2, 12, "012345678\u7f51\n  \u7edc" WIDE},
        {RED "one two" PLAIN " three four", 2, 13, RED "one two" PLAIN " three\n  four"},
        {"one two three", 2, 3, "one two\n  three"}, /* some text, however narrow it is */
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *wrapped = terminal_wrap(cases[i].text, cases[i].indent, cases[i].columns);
        g_test_message("%s at %d", cases[i].text, cases[i].columns);
        g_assert_cmpstr(wrapped, ==, cases[i].wrapped);
    }
}

static char *without_spaces(const char *text)
{
    GString *left = g_string_new(NULL);
    for (; *text; text++)
        if (*text != ' ' && *text != '\n')
            g_string_append_c(left, *text);
    return g_string_free(left, FALSE);
}

/* Whatever the text: no line is too wide, no character is lost or cut, every line but the first is indented.
 */
static void test_wrap_any(void)
{
    static const char *const pieces[] = {"a",  "b",      "-",      " ",          " ", "/",
                                         WIDE, COMBINED, "\u00fc", "\U0001f310", RED, PLAIN};

    for (int round = 0; round < ROUNDS; round++) {
        g_autoptr(GString) text = g_string_new(NULL);
        int length = g_test_rand_int_range(0, 120), columns = g_test_rand_int_range(22, 100);
        int indent = g_test_rand_int_range(0, 13);
        for (int i = 0; i < length; i++)
            g_string_append(text, pieces[g_test_rand_int_range(0, G_N_ELEMENTS(pieces))]);
        g_autofree char *wrapped = terminal_wrap(text->str, indent, columns);
        g_autofree char *before = without_spaces(text->str), *after = without_spaces(wrapped);
        g_auto(GStrv) lines = g_strsplit(wrapped, "\n", -1);
        g_assert_cmpstr(before, ==, after);
        g_assert_true(g_utf8_validate(wrapped, -1, NULL));
        for (char **line = lines; *line; line++) {
            g_assert_true(terminal_fits(*line, columns));
            if (line != lines)
                g_assert_cmpuint(strspn(*line, " "), >=, (gsize)indent);
        }
    }
}

/* The other end of a terminal, `columns` wide. */
static int terminal_of(int columns, int *ret_master)
{
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    *ret_master = posix_openpt(O_RDWR | O_NOCTTY);
    g_assert_cmpint(grantpt(*ret_master) + unlockpt(*ret_master), ==, 0);
    int fd = open(ptsname(*ret_master), O_RDWR | O_NOCTTY);
    g_assert_cmpint(ioctl(fd, TIOCSWINSZ, &size), ==, 0);
    return fd;
}

static void assert_mark(int fd, enum terminal_colour colour, const char *expected)
{
    g_autofree char *mark = terminal_mark(fd, colour, "* ", "text");
    g_assert_cmpstr(mark, ==, expected);
}

static void test_mark(void)
{
    static const struct {
        const char *term, *no_colour, *red, *plain;
    } cases[] = {
        {"xterm", NULL, RED "* text" PLAIN, "* text"},
        {"xterm", "", RED "* text" PLAIN, "* text"}, /* empty is as if it were not there */
        {"xterm", "1", "* text", "* text"},
        {"dumb", NULL, "text", "text"},
        {NULL, NULL, "text", "text"},
    };
    int master = -1, fd = terminal_of(80, &master), pipes[2];

    g_assert_cmpint(pipe(pipes), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_unsetenv("TERM");
        g_unsetenv("NO_COLOR");
        if (cases[i].term)
            g_setenv("TERM", cases[i].term, TRUE);
        if (cases[i].no_colour)
            g_setenv("NO_COLOR", cases[i].no_colour, TRUE);
        assert_mark(fd, TERMINAL_RED, cases[i].red);
        assert_mark(fd, TERMINAL_PLAIN, cases[i].plain);
        assert_mark(pipes[1], TERMINAL_RED, "text");
        g_assert_cmpint(terminal_able(fd), ==, strlen(cases[i].plain) > strlen("text"));
        g_assert_false(terminal_able(pipes[1]));
    }
    close(fd);
    close(master);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_columns(void)
{
    int master = -1, fd = terminal_of(57, &master), pipes[2];
    struct winsize unknown = {0};

    g_assert_cmpint(pipe(pipes), ==, 0);
    g_assert_cmpint(terminal_columns(fd), ==, 57);
    g_assert_cmpint(ioctl(fd, TIOCSWINSZ, &unknown), ==, 0);
    g_assert_cmpint(terminal_columns(fd), ==, 80);
    g_assert_cmpint(terminal_columns(pipes[1]), ==, 0);
    close(fd);
    close(master);
    close(pipes[0]);
    close(pipes[1]);
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "C.UTF-8"); /* as nm-trial does */
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/terminal/fit", test_fit);
    g_test_add_func("/terminal/wrap", test_wrap);
    g_test_add_func("/terminal/wrap-any", test_wrap_any);
    g_test_add_func("/terminal/mark", test_mark);
    g_test_add_func("/terminal/columns", test_columns);
    return g_test_run();
}

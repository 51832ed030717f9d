/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define COLUMNS_USUAL 80
#define COLUMNS_LEAST 10 /* of text, however narrow it is */
#define TAKES_MS 1000
#define UNLABELLED 2 /* what such a line goes on with */
#define PLAIN "\033[0m"

gboolean terminal_able(int fd)
{
    const char *term = g_getenv("TERM");
    return isatty(fd) == 1 && term && strcmp(term, "dumb") != 0;
}

gboolean terminal_takes(int fd)
{
    struct pollfd terminal = {.fd = fd, .events = POLLOUT};
    return poll(&terminal, 1, TAKES_MS) == 1 && (terminal.revents & POLLOUT) != 0;
}

int terminal_columns(int fd)
{
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) < 0)
        return 0;
    return size.ws_col > 0 ? size.ws_col : COLUMNS_USUAL; /* a serial line does not know */
}

char *terminal_mark(int fd, enum terminal_colour colour, const char *symbol, const char *text)
{
    static const char colours[][8] = {"", "\033[32m", "\033[33m", "\033[1;31m"};
    const char *no_colour = g_getenv("NO_COLOR");

    if (!terminal_able(fd))
        return g_strdup(text);
    if ((no_colour && *no_colour) || colour == TERMINAL_PLAIN)
        return g_strconcat(symbol, text, NULL);
    return g_strconcat(colours[colour], symbol, text, PLAIN, NULL);
}

/* How many bytes of the text are no wider than that. */
static gsize fitting(const char *text, int columns)
{
    const char *p = text;
    while (*p) {
        const char *colour = *p == '\033' ? strchr(p, 'm') : NULL; /* our own: the text is clean */
        if (!colour) {
            int width = wcwidth((wchar_t)g_utf8_get_char(p));
            columns -= width < 0 ? 1 : width; /* -1: this system has no C.UTF-8 */
        }
        if (columns < 0)
            break;
        p = colour ? colour + 1 : g_utf8_next_char(p);
    }
    return (gsize)(p - text);
}

gboolean terminal_fits(const char *text, int columns)
{
    return text[fitting(text, columns)] == '\0';
}

char *terminal_fit(const char *text, int columns)
{
    if (terminal_fits(text, columns))
        return g_strdup(text);
    return g_strdup_printf("%.*s...%s", (int)fitting(text, columns - (int)strlen("...")), text,
                           strchr(text, '\033') ? PLAIN : "");
}

char *terminal_wrap(const char *text, int indent, int columns)
{
    GString *wrapped = g_string_new(NULL);
    gsize least = (gsize)indent; /* a break in what stands before it would not help */
    int room = columns;

    while (columns > 0 && !terminal_fits(text, room = MAX(room, COLUMNS_LEAST))) {
        gsize n = fitting(text, room), end = n;
        while (end > least && text[end] != ' ')
            end--;
        if (end <= least)
            end = n;
        g_string_append_printf(wrapped, "%.*s\n%*s", (int)end, text, indent, "");
        text += end + (text[end] == ' ');
        room = columns - indent;
        least = 0;
    }
    g_string_append(wrapped, text);
    return g_string_free(wrapped, FALSE);
}

void terminal_print(const char *label, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *line = g_strconcat(label, text, NULL);
    g_autofree char *wrapped =
        terminal_wrap(line, *label ? (int)strlen(label) : UNLABELLED, terminal_columns(STDOUT_FILENO));
    puts(wrapped);
}

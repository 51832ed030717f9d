/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What text looks like to a person: colours, symbols, columns. Where it goes to a file or a pipe it is plain,
 * and its lines are as long as they are. Text of others must be clean (journal.h). */
#pragma once

#include <glib.h>

enum terminal_colour { TERMINAL_PLAIN, TERMINAL_GREEN, TERMINAL_YELLOW, TERMINAL_RED };

/* Whether symbols may be shown there and a line be drawn again: a terminal that is not dumb. */
gboolean terminal_able(int fd);

/* Whether it takes output now, or within a second: a terminal that somebody has stopped does not. */
gboolean terminal_takes(int fd);

/* How wide it is now; 0: no terminal. */
int terminal_columns(int fd);

/* `symbol` and `text` in a colour, as far as that place shows colours (not with NO_COLOR) and symbols. Caller
 * frees. */
char *terminal_mark(int fd, enum terminal_colour colour, const char *symbol, const char *text);

/* Whether the text is no wider than that; colours take no room. */
gboolean terminal_fits(const char *text, int columns);

/* The text, and where it is wider than that what fits, with dots. Caller frees. */
char *terminal_fit(const char *text, int columns);

/* The text in lines that are no wider, broken at spaces or, where there is none, between two characters; all
 * but the first begin with `indent` spaces. `columns` 0: as it is. Caller frees. */
char *terminal_wrap(const char *text, int indent, int columns);

/* Prints a line to stdout behind its label (ASCII, or empty), wrapped to the width, so that it goes on under
 * where it begins. */
void terminal_print(const char *label, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A keyfile's text, changed line by line, so that every other byte stays: comments, unknown keys, order,
 * white space, line ends. GKeyFile itself would lose some of them. */
#pragma once

#include <glib.h>

/* Sets (value NULL: removes) one key, whose value is written as it is. */
void keyfile_set(GString *text, const char *group, const char *key, const char *value);

/* How GKeyFile writes that string as a value. Caller frees. */
char *keyfile_raw(const char *value);

/* Removes a group, with its comments. */
void keyfile_remove_group(GString *text, const char *group);

/* Says (G_KEY_FILE_ERROR_PARSE) where the text is no keyfile. GKeyFile's own message quotes the line, and
 * that may be a secret. */
void keyfile_refuse(const char *data, gsize length, GError **error);

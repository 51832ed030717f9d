/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keyfile.h"

#include <string.h>

/* What GKeyFile, which NM reads these files with, takes a line for. */
enum line_kind { LINE_OTHER, LINE_GROUP, LINE_KEY };

/* *ret_name, *ret_size: the group's or the key's name, within the line. */
static enum line_kind line_kind(const char *line, gsize size, const char **ret_name, gsize *ret_size)
{
    const char *end = line + size, *close;

    while (line < end && g_ascii_isspace(*line))
        line++;
    *ret_name = line;
    if (line == end || *line == '#')
        return LINE_OTHER;
    if (*line == '[') {
        close = memchr(line, ']', (gsize)(end - line));
        *ret_name = line + 1;
        *ret_size = close ? (gsize)(close - line) - 1 : 0;
        return close ? LINE_GROUP : LINE_OTHER;
    }
    close = memchr(line, '=', (gsize)(end - line));
    if (!close)
        return LINE_OTHER;
    while (close > line && g_ascii_isspace(close[-1]))
        close--;
    *ret_size = (gsize)(close - line);
    return LINE_KEY;
}

void keyfile_refuse(const char *data, gsize length, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(data, "\n", -1);
    const char *name;
    gsize size;
    guint n = 0;

    while (lines[n] && (!*g_strstrip(lines[n]) || *lines[n] == '#' ||
                        line_kind(lines[n], strlen(lines[n]), &name, &size) != LINE_OTHER))
        n++;
    if (strlen(data) == length && lines[n])
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE,
                    "line %u is neither [section] nor key=value nor a comment", n + 1);
    else
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE,
                    "it is no keyfile: text of [section] and key=value lines, in UTF-8");
}

static gboolean is(const char *name, gsize size, const char *wanted)
{
    return size == strlen(wanted) && memcmp(name, wanted, size) == 0;
}

/* Where a key stands in the text, and where it would go. Offsets; -1: nowhere. Of a key that is there twice
 * the last one counts, as for GKeyFile; a group that is there twice is one group. */
struct place {
    gssize key_start;
    gssize key_end;
    gssize insert;
    const char *eol;
};

static struct place find(const char *text, gsize length, const char *group, const char *key)
{
    struct place place = {-1, -1, -1, "\n"};
    gboolean inside = FALSE, first = TRUE;

    for (gsize start = 0, next; start < length; start = next) {
        const char *newline = memchr(text + start, '\n', length - start);
        gsize end = newline ? (gsize)(newline - text) : length, name_size = 0;
        const char *name;
        next = newline ? end + 1 : length;
        enum line_kind kind = line_kind(text + start, end - start, &name, &name_size);
        if (end > start && text[end - 1] == '\r')
            place.eol = "\r\n";
        if (kind == LINE_GROUP) {
            if (inside)
                first = FALSE;
            inside = is(name, name_size, group);
        }
        if (!inside || kind == LINE_OTHER)
            continue;
        if (first) /* behind the last key of the group's first part: comments of the next group stay with it
                    */
            place.insert = (gssize)next;
        if (kind == LINE_KEY && is(name, name_size, key)) {
            place.key_start = (gssize)start;
            place.key_end = (gssize)next;
        }
    }
    return place;
}

void keyfile_set(GString *text, const char *group, const char *key, const char *value)
{
    struct place place = find(text->str, text->len, group, key);

    if (!value) { /* every one of them: the one before the last would count next */
        while (place.key_start >= 0) {
            g_string_erase(text, place.key_start, place.key_end - place.key_start);
            place = find(text->str, text->len, group, key);
        }
        return;
    }
    gboolean at_end =
        place.key_start >= 0 ? place.key_end == (gssize)text->len : place.insert == (gssize)text->len;
    gboolean unended = text->len > 0 && text->str[text->len - 1] != '\n';
    g_autofree char *line =
        g_strconcat(key, "=", value, at_end && unended && place.key_start >= 0 ? "" : place.eol, NULL);
    if (place.key_start >= 0) {
        g_string_erase(text, place.key_start, place.key_end - place.key_start);
        g_string_insert(text, place.key_start, line);
        return;
    }
    if (unended && (at_end || place.insert < 0))
        g_string_append(text, place.eol);
    if (place.insert < 0)
        g_string_append_printf(text, "%s[%s]%s%s", place.eol, group, place.eol, line);
    else
        g_string_insert(text, at_end ? (gssize)text->len : place.insert, line);
}

char *keyfile_raw(const char *value)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_key_file_set_string(file, "x", "x", value);
    return g_key_file_get_value(file, "x", "x", NULL);
}

void keyfile_remove_group(GString *text, const char *group)
{
    gboolean inside = FALSE;

    for (gsize start = 0; start < text->len;) {
        const char *line = text->str + start, *newline = memchr(line, '\n', text->len - start), *name;
        gsize size = newline ? (gsize)(newline - line) + 1 : text->len - start, name_size = 0;
        if (line_kind(line, newline ? size - 1 : size, &name, &name_size) == LINE_GROUP)
            inside = is(name, name_size, group);
        if (inside)
            g_string_erase(text, (gssize)start, (gssize)size);
        else
            start += size;
    }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "fuzz.h"

#include "journal.h"
#include "record.h"

#include <json-glib/json-glib.h>
#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

/* Not GLib's own way to end (G_DEBUG=fatal-criticals): of the signal that it raises libFuzzer knows nothing.
 */
static GLogWriterOutput on_message(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
    g_autofree char *text = g_log_writer_format_fields(level, fields, n, FALSE);

    (void)data;
    /* libnm trips over its own assertions in odd keyfiles (an address of 70 characters, 1.42): not ours to
     * mend */
    if (!(level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) || strstr(text, "libnm-core-impl/nm-keyfile.c"))
        return G_LOG_WRITER_HANDLED;
    fprintf(stderr, "%s\n", text);
    abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    g_log_set_writer_func(on_message, NULL, NULL);
    return 0;
}

/* By the linker's --wrap: a million lines are for nobody's journal, and each field is looked at instead. */
int __wrap_sd_journal_sendv(const struct iovec *fields, int n);
int __wrap_sd_journal_sendv(const struct iovec *fields, int n)
{
    for (int i = 0; i < n; i++) {
        g_autofree char *field = g_strndup(fields[i].iov_base, fields[i].iov_len);
        const char *value = strchr(field, '=');
        g_assert_nonnull(value);
        fuzz_assert_clean(value + 1, JOURNAL_LINE_MAX);
    }
    return 0;
}

char *fuzz_file(const char *kind, int version, const uint8_t *data, size_t size, gsize *ret_length)
{
    if (size > 0 && *data == '+')
        return envelope_seal(kind, version, (const char *)data + 1, size - 1, ret_length);
    char *file = g_malloc0(size + 1);
    if (size > 0)
        memcpy(file, data, size);
    *ret_length = size;
    return file;
}

uint8_t fuzz_byte(struct bytes *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

const uint8_t *fuzz_some(struct bytes *in, size_t *ret_size)
{
    size_t wanted = fuzz_byte(in);
    const uint8_t *start = in->at;

    *ret_size = MIN(wanted, in->left);
    in->at += *ret_size;
    in->left -= *ret_size;
    return start;
}

char *fuzz_line(struct bytes *in)
{
    const uint8_t *newline = in->left ? memchr(in->at, '\n', in->left) : NULL;
    size_t length = newline ? (size_t)(newline - in->at) : in->left;
    char *line = g_strndup((const char *)in->at, length);

    in->at += newline ? length + 1 : length;
    in->left -= newline ? length + 1 : length;
    return line;
}

char *fuzz_rest(struct bytes *in)
{
    return g_strndup((const char *)in->at, in->left);
}

void fuzz_put(const char *path, const char *data, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_file_set_contents_full(path, data, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
}

gboolean fuzz_json(const char *text)
{
    __lsan_disable();
    g_autoptr(JsonNode) root = json_from_string(text, NULL);
    g_autofree char *again = root ? json_to_string(root, FALSE) : NULL;
    gboolean plain = g_strcmp0(again, text) == 0;
    if (plain)
        __lsan_enable();
    return plain;
}

void fuzz_json_end(gboolean plain)
{
    if (!plain)
        __lsan_enable();
}

void fuzz_assert_clean(const char *text, gsize most)
{
    g_assert_true(g_utf8_validate(text, -1, NULL));
    for (const char *p = text; *p; p = g_utf8_next_char(p))
        g_assert_true(g_unichar_isprint(g_utf8_get_char(p)));
    g_assert_cmpuint(strlen(text), <=, most + strlen("..."));
}

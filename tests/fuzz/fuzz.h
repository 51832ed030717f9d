/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the fuzz targets share. A target asserts what must be true of any bytes; a failed assertion, a
 * library's critical message, a sanitizer's report and an input that takes too long are finds. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* libFuzzer calls these; the first is the target, the second is in fuzz.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* The bytes of a file in an envelope (record.h). Behind a '+' stands the body, which gets a right one: else
 * nothing would come past the checksum. Anything else is the file as it is. Caller frees. */
char *fuzz_file(const char *kind, int version, const uint8_t *data, size_t size, gsize *ret_length);

/* An input that is read piece by piece; at its end all is zero, or empty. */
struct bytes {
    const uint8_t *at;
    size_t left;
};
uint8_t fuzz_byte(struct bytes *in);
/* So many bytes as a byte says, or all that is left. Borrowed. */
const uint8_t *fuzz_some(struct bytes *in, size_t *ret_size);
/* What is before the next newline, NUL-terminated, without NULs in it. Caller frees. */
char *fuzz_line(struct bytes *in);
/* All that is left. Caller frees. */
char *fuzz_rest(struct bytes *in);

/* Writes a file of mode 0600. */
void fuzz_put(const char *path, const char *data, gsize length);

/* Whether the text is as JSON-GLib writes it. Its parser (1.6) leaks what it had of many another, taken or
 * refused: a target looks for no leaks from here to fuzz_json_end() while it has one of those. */
gboolean fuzz_json(const char *text);
void fuzz_json_end(gboolean plain);

/* What may go to a terminal or a log: UTF-8, printable, of `most` bytes and the three dots at most. */
void fuzz_assert_clean(const char *text, gsize most);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of others, an own check's output too, as it may go to a terminal: valid, printable, bounded, and clean
 * text stays as it is. The first byte is a limit, an exit status and a signal. */
#include "fuzz.h"

#include "journal.h"
#include "own.h"

#include <string.h>

static void assert_stays(const char *clean)
{
    g_autofree char *again = journal_clean(clean);
    if (strlen(clean) <= JOURNAL_NAME_MAX)
        g_assert_cmpstr(again, ==, clean);
}

static void look_at_words(int status, const char *text, const char *end)
{
    g_autofree char *words = own_words(status, text);

    fuzz_assert_clean(words, JOURNAL_NAME_MAX + strlen("killed by signal 127 (as libc has it, 30 bytes): "));
    if (status) /* how it ended stands where no limit cuts it off */
        g_assert_true(g_str_has_prefix(words, end));
    g_assert_cmpuint(strlen(words), >, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    uint8_t number = fuzz_byte(&in);
    g_autofree char *text = fuzz_rest(&in);
    g_autofree char *clean = journal_clean(text), *cut = journal_clean_to(text, number);
    g_autofree char *line = own_line(text);

    fuzz_assert_clean(clean, JOURNAL_NAME_MAX);
    fuzz_assert_clean(cut, number);
    fuzz_assert_clean(line, JOURNAL_NAME_MAX);
    assert_stays(clean);
    assert_stays(line);
    look_at_words(number << 8, text, "exit status ");
    if (number > 0 && number < 127)
        look_at_words(number, text, "killed by signal ");
    return 0;
}

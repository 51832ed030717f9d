/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is taken for a duration is one of 1 s to 24 h, and what its digits and its unit say; the words about
 * any other are clean. */
#include "fuzz.h"

#include "duration.h"
#include "journal.h"

#include <string.h>

static gint64 unit_ms(char unit)
{
    return unit == 'h' ? 3600000 : unit == 'm' ? 60000 : 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    g_autofree char *text = fuzz_rest(&in);
    g_autoptr(GError) error = NULL;
    gint64 ms = -1;
    gboolean taken = duration_parse("--timeout", text, &ms, &error);

    g_assert_true(taken == (error == NULL));
    if (!taken) {
        g_assert_cmpint(ms, ==, -1);
        fuzz_assert_clean(error->message, JOURNAL_NAME_MAX);
        return 0;
    }
    gsize digits = strspn(text, "0123456789");
    g_assert_cmpint(ms, >=, 1000);
    g_assert_cmpint(ms, <=, DURATION_MAX_MS);
    g_assert_cmpuint(strlen(text), <=, digits + 1);
    g_assert_cmpint(g_ascii_strtoll(text, NULL, 10) * unit_ms(text[digits]), ==, ms);
    return 0;
}

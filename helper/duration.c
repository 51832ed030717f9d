/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "duration.h"

#include "journal.h"

#include <string.h>

gboolean duration_parse(const char *option, const char *text, gint64 *ret_ms, GError **error)
{
    gsize digits = strspn(text, "0123456789");
    const char *unit = text + digits;
    g_autofree char *number = g_strndup(text, digits);
    gint64 factor = *unit == '\0' || strcmp(unit, "s") == 0 ? 1000
                    : strcmp(unit, "m") == 0                ? 60 * 1000
                    : strcmp(unit, "h") == 0                ? 3600 * 1000
                                                            : 0;
    guint64 value = 0;

    if (factor &&
        g_ascii_string_to_unsigned(number, 10, 1, (guint64)(DURATION_MAX_MS / factor), &value, NULL)) {
        *ret_ms = (gint64)value * factor;
        return TRUE;
    }
    g_autofree char *shown = journal_clean_to(text, 40);
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "%s \"%s\" is no duration from 1 s to 24 h. Write it as 90, 90s, 10m or 1h.", option, shown);
    return FALSE;
}

char *duration_text(gint64 s)
{
    if (s < 120)
        return g_strdup_printf("%d s", (int)s);
    if (s < 2 * 3600)
        return g_strdup_printf("%d min %d s", (int)s / 60, (int)s % 60);
    return g_strdup_printf("%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of others on its way to a terminal or a log. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "journal.h"

#include "names.h"

#include <string.h>
#include <systemd/sd-journal.h>

#define HOSTILE "evil\n\x1b[31m\x7f\xc2\x9b\xff"

static GPtrArray *sent; /* the fields of the last entry, "NAME=value" */

/* In the place of libsystemd's: what goes to journald comes here. It is called in the journal's own thread,
 * which journal_flush() waits for. */
int sd_journal_sendv(const struct iovec *iov, int n)
{
    g_clear_pointer(&sent, g_ptr_array_unref);
    sent = g_ptr_array_new_with_free_func(g_free);
    for (int i = 0; i < n; i++)
        g_ptr_array_add(sent, g_strndup(iov[i].iov_base, iov[i].iov_len));
    return 0;
}

/* And in the place of what reads it: these entries, the newest last, with a second between two. */
static const char *const written[] = {
    "MESSAGE=trial 0123abcd: the oldest",
    "MESSAGE=trial 0123abcd: the candidate is active",
    "MESSAGE=of another kind",
    ("MESSAGE=trial 0123abcd: " HOSTILE),
};
static GString *matches;
static const char *wanted; /* what is to be looked for */
static gsize position;
static GMutex hanging;

int sd_journal_open(sd_journal **ret, int flags)
{
    g_mutex_lock(&hanging);
    g_mutex_unlock(&hanging);
    matches = g_string_new(NULL);
    position = 0;
    *ret = NULL;
    return 0;
}

int sd_journal_add_match(sd_journal *j, const void *data, size_t size)
{
    g_string_append_printf(matches, "%s ", (const char *)data);
    return 0;
}

int sd_journal_seek_tail(sd_journal *j)
{
    position = G_N_ELEMENTS(written);
    return 0;
}

int sd_journal_previous(sd_journal *j)
{
    return position > 0 ? (int)position-- : 0;
}

int sd_journal_get_data(sd_journal *j, const char *field, const void **data, size_t *l)
{
    g_assert_cmpstr(field, ==, "MESSAGE");
    *data = written[position];
    *l = strlen(written[position]);
    return 0;
}

int sd_journal_get_realtime_usec(sd_journal *j, uint64_t *ret)
{
    *ret = (1000000000 + position) * G_USEC_PER_SEC;
    return 0;
}

void sd_journal_close(sd_journal *j)
{
    g_assert_cmpstr(matches->str, ==, wanted);
    g_string_free(g_steal_pointer(&matches), TRUE);
}

static const char *field(const char *name)
{
    g_autofree char *start = g_strconcat(name, "=", NULL);
    for (guint i = 0; i < sent->len; i++)
        if (g_str_has_prefix(sent->pdata[i], start))
            return (char *)sent->pdata[i] + strlen(start);
    return NULL;
}

static void assert_harmless(const char *text, gsize most)
{
    g_assert_cmpuint(strlen(text), <=, most);
    g_assert_true(g_utf8_validate(text, -1, NULL));
    for (const char *p = text; *p; p = g_utf8_next_char(p))
        g_assert_true(g_unichar_isprint(g_utf8_get_char(p)));
}

static void test_clean(void)
{
    static const struct {
        const char *text, *clean;
    } cases[] = {
        {NULL, ""},
        {"", ""},
        {"lan", "lan"},
        {"b\xc3\xbcro \xe2\x82\xac", "b\xc3\xbcro \xe2\x82\xac"},
        {"a\nb", "a\\nb"},
        {"\x1b[31mred", "\\u001b[31mred"},
        {"tab\there", "tab\\u0009here"},
        {"\x7f", "\\u007f"},
        {"\xc2\x9b", "\\u009b"},                       /* the one-character CSI of C1 */
        {"right\xe2\x80\xaeleft", "right\\u202eleft"}, /* an override of the direction */
        {"broken\xff"
         "end",
         "broken\xef\xbf\xbd"
         "end"}, /* no UTF-8 */
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *clean = journal_clean(cases[i].text);
        g_assert_cmpstr(clean, ==, cases[i].clean);
    }
}

static void test_long(void)
{
    g_autofree char *text = g_strnfill(8192, 'x');
    g_autofree char *name = journal_clean(text);
    g_autofree char *line = journal_clean_to(text, 2000);
    g_assert_cmpint(strlen(name), ==, JOURNAL_NAME_MAX + strlen("..."));
    g_assert_cmpint(strlen(line), ==, 2000 + strlen("..."));
    g_assert_true(g_str_has_suffix(name, "x..."));
    text[JOURNAL_NAME_MAX] = '\0';
    g_autofree char *whole = journal_clean(text);
    g_assert_cmpstr(whole, ==, text);
}

/* The limit is one of bytes as they come out: an escape takes six for one, and is never cut in two. */
static void test_long_escapes(void)
{
    static const char *const units[] = {"\x1b", "\n", "\xe2\x82\xac", "\xf0\x9f\x8c\x90", "\xff"};
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        GString *text = g_string_new(NULL);
        for (int n = 0; n < 8192; n++)
            g_string_append(text, units[i]);
        g_autofree char *name = journal_clean(text->str);
        g_autofree char *one = journal_clean(units[i]);
        assert_harmless(name, JOURNAL_NAME_MAX + strlen("..."));
        g_assert_cmpuint(strlen(name) - strlen("..."), ==, JOURNAL_NAME_MAX / strlen(one) * strlen(one));
        g_string_free(text, TRUE);
    }
}

/* Whatever a record and a message hold, no field has a control character or is longer than a line. */
static void test_fields(void)
{
    g_autoptr(Record) record = record_new();
    GString *name = g_string_new(NULL);

    for (int i = 0; i < 1000; i++)
        g_string_append(name, HOSTILE);
    record->id = g_strdup("0123abcd");
    record->trial = (struct trial){.state = TRIAL_REVERTING, .reason = REASON_TIMEOUT, .n_pairs = 1};
    record->pair[0].candidate.uuid = g_strdup("00000000-0000-0000-0000-000000000001" HOSTILE);
    record->pair[0].device = g_strdup("e" HOSTILE);
    journal_say(JOURNAL_REVERTED, record, -1, "%s", name->str);
    journal_flush();
    g_assert_nonnull(sent);
    for (guint i = 0; i < sent->len; i++)
        assert_harmless(sent->pdata[i], strlen("NM_CONNECTION_UUID=") + JOURNAL_LINE_MAX + strlen("..."));
    g_assert_true(
        g_str_has_prefix(field("MESSAGE"), "trial 0123abcd: evil\\n\\u001b[31m\\u007f\\u009b\xef\xbf\xbd"));
    g_assert_cmpstr(field("NM_DEVICE"), ==, "eevil\\n\\u001b[31m\\u007f\\u009b\xef\xbf\xbd");
    g_assert_cmpstr(field("NM_TRIAL_ID"), ==, "0123abcd");
    g_assert_cmpstr(field("NM_TRIAL_STATE"), ==, "reverting");
    g_assert_cmpstr(field("NM_TRIAL_REASON"), ==, "timeout");
    g_assert_cmpstr(field("SYSLOG_IDENTIFIER"), ==, NM_TRIAL_IDENTIFIER);
    g_string_free(name, TRUE);
}

/* A trial without a verdict has no reason; a line about no trial has none of its fields. */
static void test_no_more_fields(void)
{
    g_autoptr(Record) record = record_new();

    record->id = g_strdup("0123abcd");
    journal_say(JOURNAL_STARTED, record, -1, "trying");
    journal_flush();
    g_assert_cmpstr(field("NM_TRIAL_STATE"), ==, "trying");
    g_assert_null(field("NM_TRIAL_REASON"));
    journal_say(JOURNAL_TROUBLE, NULL, -1, "100%% trouble");
    journal_flush();
    g_assert_cmpstr(field("MESSAGE"), ==, "100% trouble");
    g_assert_null(field("NM_TRIAL_ID"));
}

/* Where nobody listens, and at the end of a process that has said nothing: no wait, no crash. */
static void test_flush(void)
{
    journal_flush();
    journal_say(JOURNAL_TROUBLE, NULL, -1, "one line of a unit test");
    journal_flush();
    journal_flush();
}

static void assert_read(const char *id, guint most, const char *const *expected)
{
    wanted = id ? "NM_TRIAL_ID=0123abcd _UID=0 " : "SYSLOG_IDENTIFIER=nm-trial _UID=0 ";
    g_auto(GStrv) lines = journal_last(id, most);
    char **line = lines;
    for (; *expected; line++, expected++)
        g_assert_cmpstr(*line, ==, *expected);
    g_assert_null(*line);
}

/* Root's lines of that trial, the newest last, clean, and without what would stand in each. */
static void test_last(void)
{
    static const char *const expected[] = {
        "Sep 09 01:46:40 the oldest",
        "Sep 09 01:46:41 the candidate is active",
        "Sep 09 01:46:42 of another kind",
        "Sep 09 01:46:43 evil\\n\\u001b[31m\\u007f\\u009b\xef\xbf\xbd",
        NULL,
    };
    assert_read("0123abcd", 10, expected);
    assert_read("0123abcd", 2, expected + 2);
}

/* While no trial is open: of whatever was said last, and of which trial. */
static void test_last_of_all(void)
{
    static const char *const expected[] = {
        "Sep 09 01:46:41 trial 0123abcd: the candidate is active",
        "Sep 09 01:46:42 of another kind",
        "Sep 09 01:46:43 trial 0123abcd: evil\\n\\u001b[31m\\u007f\\u009b\xef\xbf\xbd",
        NULL,
    };
    assert_read(NULL, 3, expected);
}

/* A journal that hangs is left out, after a second. */
static void test_last_hangs(void)
{
    g_mutex_lock(&hanging);
    gint64 began = g_get_monotonic_time();
    assert_read("0123abcd", 5, (const char *const[]){NULL});
    g_assert_cmpint(g_get_monotonic_time() - began, >, G_USEC_PER_SEC / 2);
    g_mutex_unlock(&hanging);
}

int main(int argc, char **argv)
{
    g_setenv("TZ", "UTC", TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/journal/clean", test_clean);
    g_test_add_func("/journal/long", test_long);
    g_test_add_func("/journal/long-escapes", test_long_escapes);
    g_test_add_func("/journal/fields", test_fields);
    g_test_add_func("/journal/no-more-fields", test_no_more_fields);
    g_test_add_func("/journal/flush", test_flush);
    g_test_add_func("/journal/last", test_last);
    g_test_add_func("/journal/last-of-all", test_last_of_all);
    g_test_add_func("/journal/last-hangs", test_last_hangs); /* its thread goes on */
    int status = g_test_run();
    g_clear_pointer(&sent, g_ptr_array_unref);
    return status;
}

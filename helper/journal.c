/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "journal.h"

#include "names.h"

#include <stdio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define PATIENCE_MS 1000
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const struct {
    const char *id;
    int priority;
} events[] = {
    [JOURNAL_STARTED] = {"38d9cafbf7b44eb9ba6844753ce6355a", LOG_NOTICE},
    [JOURNAL_EXTENDED] = {"53debe57621c471188b37a66b988826c", LOG_NOTICE},
    [JOURNAL_ACTIVE] = {"cda69535ae0c4b2bad89a11eee5d7172", LOG_INFO},
    [JOURNAL_CHECK] = {"62b66a94436547f58a54c296afa95bcc", LOG_INFO},
    [JOURNAL_PROMOTING] = {"d60750b02ded475789187bf1859a27cd", LOG_NOTICE},
    [JOURNAL_PROMOTED] = {"4aae2e8d5f2541d18b5f1b4692d613e4", LOG_NOTICE},
    [JOURNAL_REVERTING] = {"d9c1165eb0f141dd9d5cd906a0746147", LOG_WARNING},
    [JOURNAL_REVERTED] = {"5f8e726c7f444d44aae9e9a2622acd4e", LOG_WARNING},
    [JOURNAL_RESTORED] = {"0887b5e7178a4723ab8392319a36ef18", LOG_WARNING},
    [JOURNAL_RECORD_BAD] = {"805edf41a3c8422d9e96d23db204445a", LOG_ERR},
    [JOURNAL_REFUSED] = {"e3b9c4f0a5d14d0f8f5a0a3c5a7d9b21", LOG_WARNING},
    [JOURNAL_IGNORED] = {"4c1f7b6ad0e24c66b7a4a1c2f9d3e870", LOG_INFO},
    [JOURNAL_GUARDED] = {"a7d0c1c2b1f84f7d9f6b2f0a8e5c3d41", LOG_NOTICE},
    [JOURNAL_CHANGED] = {"6b8e1f5c9d2a4b7e8c3f0d1a2b4c6e87", LOG_NOTICE},
    [JOURNAL_HOOK] = {"7cde3bc8a46440dfb2bb0c79570c2afe", LOG_INFO},
    [JOURNAL_TROUBLE] = {"3118ace320ec4b56bcc8062d9495db33", LOG_WARNING},
};

static gboolean to_stderr;

void journal_use_stderr(void)
{
    to_stderr = access(JOURNAL_SOCKET, W_OK) != 0 || isatty(STDERR_FILENO) == 1;
}

char *journal_clean_to(const char *text, gsize most)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
    GString *clean = g_string_new(NULL);
    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        gsize before = clean->len;
        if (c == '\n')
            g_string_append(clean, "\\n");
        else if (g_unichar_isprint(c))
            g_string_append_unichar(clean, c);
        else
            g_string_append_printf(clean, "\\u%04x", c);
        if (clean->len > most) { /* what an escape or a long character takes counts, too */
            g_string_truncate(clean, before);
            g_string_append(clean, "...");
            break;
        }
    }
    return g_string_free(clean, FALSE);
}

char *journal_clean(const char *text)
{
    return journal_clean_to(text, JOURNAL_NAME_MAX);
}

/* A device's name may hold anything but space and slash; and nobody has to think of which field it is. */
static void add(GPtrArray *fields, const char *name, const char *value)
{
    g_autofree char *clean = journal_clean_to(value, JOURNAL_LINE_MAX);
    g_ptr_array_add(fields, g_strconcat(name, "=", clean, NULL));
}

static void add_record(GPtrArray *fields, const Record *record, int pair)
{
    add(fields, "NM_TRIAL_ID", record->id);
    add(fields, "NM_TRIAL_STATE", trial_state_name(record->trial.state));
    if (record->trial.reason != REASON_NONE)
        add(fields, "NM_TRIAL_REASON", trial_reason_name(record->trial.reason));
    for (int i = 0; i < record->trial.n_pairs; i++) {
        if (pair >= 0 && pair != i)
            continue;
        add(fields, "NM_CONNECTION_UUID", record->pair[i].candidate.uuid);
        add(fields, "NM_DEVICE", record->pair[i].device);
    }
}

/* sd_journal_sendv() blocks while journald hangs or its disk does, and nobody may wait for a log with the
 * lock held or a deadline near. So a thread of its own waits. */
static GAsyncQueue *entries;
static GThread *sender;

static gpointer send_all(gpointer data)
{
    (void)data;
    for (;;) {
        g_autoptr(GPtrArray) fields = g_async_queue_pop(entries);
        if (fields->len == 0) /* the end */
            return NULL;
        g_autofree struct iovec *vector = g_new0(struct iovec, fields->len);
        for (guint i = 0; i < fields->len; i++)
            vector[i] = (struct iovec){fields->pdata[i], strlen(fields->pdata[i])};
        (void)sd_journal_sendv(vector, (int)fields->len); /* a log that is away stops nothing */
    }
}

/* Takes the fields. */
static void send(GPtrArray *fields)
{
    if (!sender) {
        entries = g_async_queue_new_full(NULL);
        sender = g_thread_new("journal", send_all, NULL);
    }
    g_async_queue_push(entries, fields);
}

void journal_flush(void)
{
    if (!sender)
        return;
    for (int waited_ms = 0; waited_ms < PATIENCE_MS && g_async_queue_length(entries) > -1; waited_ms++)
        g_usleep(1000); /* -1: all is sent, and the thread waits for more */
    if (g_async_queue_length(entries) > -1)
        return; /* it hangs; the process ends without it */
    g_async_queue_push(entries, g_ptr_array_new());
    g_thread_join(g_steal_pointer(&sender));
    g_clear_pointer(&entries, g_async_queue_unref);
}

void journal_say(enum journal_event event, const Record *record, int pair, const char *format, ...)
{
    g_autoptr(GPtrArray) fields = g_ptr_array_new_with_free_func(g_free);
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *line = g_strdup_printf("%s%s%s%s", record ? "trial " : "", record ? record->id : "",
                                            record ? ": " : "", message);
    g_autofree char *priority = g_strdup_printf("%d", events[event].priority);

    if (to_stderr) {
        g_autofree char *clean = journal_clean_to(line, JOURNAL_LINE_MAX);
        fprintf(stderr, "%s\n", clean);
    }
    add(fields, "MESSAGE", line);
    add(fields, "MESSAGE_ID", events[event].id);
    add(fields, "PRIORITY", priority);
    add(fields, "SYSLOG_IDENTIFIER", NM_TRIAL_IDENTIFIER);
    if (record)
        add_record(fields, record, pair);
    send(g_steal_pointer(&fields));
}

/* Reading: a journal on a slow disk may take its time, too. The thread may outlive who waits for it. */
static struct {
    char id[RECORD_ID_LENGTH + 1];
    guint most;
    char **lines; /* set last */
} reading;

/* "Jan 31 12:00:00 the candidate is active on eth0" */
static char *line_of(sd_journal *journal, const char *prefix)
{
    const void *data = NULL;
    size_t length = 0;
    uint64_t us = 0;

    if (sd_journal_get_data(journal, "MESSAGE", &data, &length) < 0 ||
        sd_journal_get_realtime_usec(journal, &us) < 0)
        return g_strdup("");
    g_autofree char *field = g_strndup(data, length);
    const char *message = field + strlen("MESSAGE=");
    g_autofree char *clean = journal_clean_to(
        message + (g_str_has_prefix(message, prefix) ? strlen(prefix) : 0), JOURNAL_LINE_MAX);
    g_autoptr(GDateTime) at = g_date_time_new_from_unix_local((gint64)(us / G_USEC_PER_SEC));
    g_autofree char *clock = g_date_time_format(at, "%b %d %T");
    return g_strdup_printf("%s %s", clock, clean);
}

static gpointer read_last(gpointer data)
{
    g_autofree char *match = *reading.id ? g_strconcat("NM_TRIAL_ID=", reading.id, NULL)
                                         : g_strdup("SYSLOG_IDENTIFIER=" NM_TRIAL_IDENTIFIER);
    g_autofree char *prefix = g_strdup_printf("trial %s: ", reading.id);
    GPtrArray *lines = g_ptr_array_new();
    sd_journal *journal = NULL;

    (void)data;
    if (sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM) >= 0 &&
        sd_journal_add_match(journal, match, 0) >= 0 && sd_journal_add_match(journal, "_UID=0", 0) >= 0 &&
        sd_journal_seek_tail(journal) >= 0)
        while (lines->len < reading.most && sd_journal_previous(journal) > 0)
            g_ptr_array_insert(lines, 0, line_of(journal, prefix));
    sd_journal_close(journal);
    g_ptr_array_add(lines, NULL);
    g_atomic_pointer_set(&reading.lines, (char **)g_ptr_array_free(lines, FALSE));
    return NULL;
}

char **journal_last(const char *id, guint most)
{
    g_strlcpy(reading.id, id ? id : "", sizeof reading.id);
    reading.most = most;
    GThread *reader = g_thread_new("journal", read_last, NULL);
    for (int waited_ms = 0; waited_ms < PATIENCE_MS && !g_atomic_pointer_get(&reading.lines); waited_ms++)
        g_usleep(1000);
    if (!g_atomic_pointer_get(&reading.lines)) {
        g_thread_unref(reader); /* it goes on alone */
        return g_new0(char *, 1);
    }
    g_thread_join(reader);
    return g_steal_pointer(&reading.lines);
}

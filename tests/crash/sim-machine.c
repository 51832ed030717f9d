/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the helper asks of the machine and of its own checks, by the linker's --wrap. */
#include "agent.h"
#include "checks.h"
#include "fake-nm.h"
#include "journal.h"
#include "sim.h"
#include "storage.h"

#include <string.h>

/* A profile that has this one passes no check. */
#define DEAD_GATEWAY ".66\n"

gboolean sim_passes(const Record *record)
{
    for (int i = 0; i < record->trial.n_pairs; i++) {
        const char *text = fake_runs(record->pair[i].device);
        if (!text || strstr(text, DEAD_GATEWAY))
            return FALSE;
    }
    return TRUE;
}

#pragma GCC visibility push(default)

/* Always an agent: systemd has the unit. */
gboolean __wrap_agent_available(Network *network, const char *run_dir, char **ret_why);
gboolean __wrap_agent_available(Network *network, const char *run_dir, char **ret_why)
{
    return TRUE;
}

GPtrArray *__wrap_checks_run(Bus *bus, const Record *record);
GPtrArray *__wrap_checks_run(Bus *bus, const Record *record)
{
    GPtrArray *results = g_ptr_array_new_with_free_func(check_result_free);
    struct check_result *result;

    if (!record->checks[0])
        return results;
    result = g_new0(struct check_result, 1);
    *result =
        (struct check_result){g_strdup("nm"), g_strdup("eth0"), sim_passes(record), g_strdup("simulated")};
    g_ptr_array_add(results, result);
    return results;
}

gboolean __wrap_checks_nm_believable(Bus *bus, gboolean *ret_plain_http, char **ret_why);
gboolean __wrap_checks_nm_believable(Bus *bus, gboolean *ret_plain_http, char **ret_why)
{
    *ret_plain_http = FALSE;
    return TRUE;
}

gboolean __wrap_storage_is_lost(const char *directory, char **ret_what, char **ret_mend);
gboolean __wrap_storage_is_lost(const char *directory, char **ret_what, char **ret_mend)
{
    return FALSE;
}

gboolean __wrap_storage_is_open(const char *directory, char **ret_what, char **ret_mend);
gboolean __wrap_storage_is_open(const char *directory, char **ret_what, char **ret_mend)
{
    return FALSE;
}

void __wrap_journal_say(enum journal_event event, const Record *record, int pair, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
void __wrap_journal_say(enum journal_event event, const Record *record, int pair, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    sim_say("journal: %s", text);
}

GDateTime *__wrap_g_date_time_new_now_utc(void);
GDateTime *__wrap_g_date_time_new_now_utc(void)
{
    return g_date_time_new_from_unix_utc(1700000000); /* the same always: or no two histories were */
}

gint64 __wrap_g_get_real_time(void);
gint64 __wrap_g_get_real_time(void)
{
    return sim_wall_ms() * 1000;
}

#pragma GCC visibility pop

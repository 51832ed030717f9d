/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A record that is taken has every value in its range, all that recovery needs, and says the same once it is
 * written and read again. */
#include "fuzz.h"

#include "sample.h"

#include <string.h>

#define TIME_MAX_MS (G_MAXINT64 / 4)

static void assert_time(gint64 ms)
{
    g_assert_cmpint(ms, >=, 0);
    g_assert_cmpint(ms, <=, TIME_MAX_MS);
}

static void assert_profile(const struct record_profile *profile)
{
    g_assert_true(profile->uuid && profile->id && profile->path);
    g_assert_true(g_path_is_absolute(profile->path));
    g_assert_cmpuint(profile->length, >, 0);
    g_assert_cmpint(profile->data[profile->length], ==, '\0');
}

static void assert_pair(const Record *record, int i)
{
    const struct record_pair *pair = &record->pair[i];

    g_assert_nonnull(pair->device);
    g_assert_cmpint(ABS(pair->priority), <=, 999);
    assert_profile(&pair->candidate);
    g_assert_true(record->trial.pair[i].has_replaced == (pair->replaced.uuid != NULL));
    if (pair->replaced.uuid)
        assert_profile(&pair->replaced);
    if (pair->edit)
        g_assert_cmpstr(pair->candidate.uuid, ==, pair->replaced.uuid);
}

static void assert_in_range(const Record *record)
{
    const struct trial *trial = &record->trial;

    g_assert_true(record_id_valid(record->id));
    g_assert_true(record->boot_id && record->checks);
    g_assert_cmpint(trial->state, >=, 0);
    g_assert_cmpint(trial->state, <, TRIAL_N_STATES);
    g_assert_cmpint(trial->reason, >=, 0);
    g_assert_cmpint(trial->reason, <, TRIAL_N_REASONS);
    g_assert_true(trial->confirm == CONFIRM_AUTO || trial->confirm == CONFIRM_MANUAL);
    assert_time(trial->deadline_ms);
    assert_time(trial->hold_ms);
    assert_time(record->started_ms);
    assert_time(record->checkpoint_created_ms);
    g_assert_cmpint(trial->n_pairs, >=, 1);
    g_assert_cmpint(trial->n_pairs, <=, TRIAL_PAIRS_MAX);
    for (int i = 0; i < trial->n_pairs; i++)
        assert_pair(record, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gsize length = 0, text_length = 0, again_length = 0;
    g_autofree char *file = fuzz_file("nm-trial-record", RECORD_VERSION, data, size, &length);
    g_autoptr(GError) error = NULL;
    g_autoptr(Record) record = record_parse(file, length, &error);

    g_assert_true((record == NULL) == (error != NULL));
    if (!record)
        return 0;
    assert_in_range(record);
    g_autofree char *subject = record_subject(record), *text = record_format(record, &text_length);
    g_autoptr(Record) read = record_parse(text, text_length, &error);
    g_assert_no_error(error);
    sample_assert_same(record, read);
    g_autofree char *again = record_format(read, &again_length);
    g_assert_cmpmem(text, text_length, again, again_length);
    return 0;
}

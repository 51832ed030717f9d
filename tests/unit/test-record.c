/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A record comes back as it was written; what is damaged, newer or out of range does not. */
#include "record.h"

#include "sample.h"

#include <string.h>

#define KIND "nm-trial-record"
#define DIRECTORY "/etc/NetworkManager/system-connections"

static Record *parse(const char *data, gsize length)
{
    g_autoptr(GError) error = NULL;
    Record *record = record_parse(data, length, &error);
    g_assert_no_error(error);
    g_assert_nonnull(record);
    return record;
}

static void assert_round_trip(const Record *record)
{
    gsize length = 0, again_length = 0;
    g_autofree char *data = record_format(record, &length);
    g_autoptr(Record) read = parse(data, length);
    sample_assert_same(record, read);
    g_autofree char *again = record_format(read, &again_length);
    g_assert_cmpmem(data, length, again, again_length);
}

static void set(char **text, const char *value)
{
    g_free(*text);
    *text = g_strdup(value);
}

static void set_data(struct record_profile *profile, const char *data, gsize length)
{
    g_free(profile->data);
    profile->data = g_malloc0(length + 1);
    memcpy(profile->data, data, length);
    profile->length = length;
}

/* A record in which every field has a value, and none that another field has. */
static Record *full(void)
{
    Record *record = sample_record(DIRECTORY, TRIAL_REVERTING, 2);
    set(&record->nm_name, ":1.17");
    set(&record->checkpoint, "/org/freedesktop/NetworkManager/Checkpoint/3");
    set(&record->checkpoint_nm, ":1.16");
    record->checkpoint_created_ms = 20001;
    set(&record->detail, "the Wi-Fi network could not be found");
    set(&record->baseline, "[{\"name\":\"nm\"}]");
    g_strfreev(record->checks);
    record->checks = g_strsplit("nm gateway", " ", -1);
    record->trial.confirm = CONFIRM_MANUAL;
    record->trial.fallback = TRUE;
    set(&record->pair[0].active_path, "/org/freedesktop/NetworkManager/ActiveConnection/9");
    record->trial.pair[0].activated = FALSE;
    record->trial.pair[1].was_active = FALSE;
    record->pair[1].priority = -999;
    set(&record->pair[1].device, "wlan0");
    return record;
}

static void test_round_trip(void)
{
    g_autoptr(Record) record = full();
    assert_round_trip(record);
}

static void test_round_trip_least(void)
{
    g_autoptr(Record) record = sample_record(DIRECTORY, TRIAL_TRYING, 1);
    set(&record->started_by, NULL);
    set(&record->pair[0].replaced.uuid, NULL); /* --replace none */
    set(&record->pair[0].replaced.id, NULL);
    set(&record->pair[0].replaced.path, NULL);
    g_clear_pointer(&record->pair[0].replaced.data, g_free);
    record->pair[0].replaced.length = 0;
    record->trial.pair[0].has_replaced = FALSE;
    g_assert_cmpuint(g_strv_length(record->checks), ==, 0);
    assert_round_trip(record);
}

static void test_round_trip_names(void)
{
    for (int state = 0; state < TRIAL_N_STATES; state++)
        for (int reason = 0; reason < TRIAL_N_REASONS; reason++) {
            g_autoptr(Record) record = sample_record(DIRECTORY, (enum trial_state)state, 1);
            record->trial.reason = (enum trial_reason)reason;
            assert_round_trip(record);
        }
}

static void test_round_trip_numbers(void)
{
    g_autoptr(Record) record = sample_record(DIRECTORY, TRIAL_TRYING, TRIAL_PAIRS_MAX);
    record->trial.deadline_ms = record->trial.hold_ms = record->started_ms = G_MAXINT64 / 4;
    record->checkpoint_created_ms = G_MAXINT64 / 4;
    record->pair[0].priority = 999;
    assert_round_trip(record);
    record->trial.deadline_ms = record->trial.hold_ms = record->started_ms = 0;
    assert_round_trip(record);
}

/* Whatever a person can put into a name comes back as it was. */
static void test_round_trip_odd_text(void)
{
    static const char *const odd[] = {"line\nline\r\n\ttab",
                                      " leading, trailing ",
                                      "a;b\\;c\\\\",
                                      "[trial]",
                                      "#x=y",
                                      "caf\xc3\xa9 \xe7\xbd\x91 \xf0\x9f\x93\xb6",
                                      "\\s\\n\\t",
                                      "=",
                                      "\"quoted\" 'too'"};

    for (gsize i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autoptr(Record) record = full();
        g_autofree char *path = g_strconcat(DIRECTORY "/", odd[i], NULL);
        g_test_message("%s", odd[i]);
        set(&record->started_by, odd[i]);
        set(&record->detail, odd[i]);
        set(&record->baseline, odd[i]);
        set(&record->nm_name, odd[i]);
        set(&record->pair[0].candidate.id, odd[i]);
        set(&record->pair[0].candidate.path, path);
        set(&record->pair[1].replaced.id, odd[i]);
        set(&record->pair[1].device, odd[i]);
        set(&record->checks[0], odd[i]);
        assert_round_trip(record);
    }
}

/* A file's name need not be UTF-8; a record that could not be read again would be a lost one. */
static void test_round_trip_odd_path(void)
{
    g_autoptr(Record) record = full();
    set(&record->pair[0].candidate.path, DIRECTORY "/caf\xe9.nmconnection");
    assert_round_trip(record);
}

/* A profile is restored byte for byte, whatever is in its comments. */
static void test_round_trip_odd_data(void)
{
    char every[256];
    g_autoptr(Record) record = full();
    for (int i = 0; i < 256; i++)
        every[i] = (char)(255 - i);
    set_data(&record->pair[0].candidate, every, sizeof every);
    set_data(&record->pair[0].replaced, "a\0b", 3);
    set_data(&record->pair[1].candidate, "\n", 1);
    assert_round_trip(record);
}

/* Damage. What was sealed is never read as anything else. */

static void assert_refused(const char *data, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(record_parse(data, length, &error));
    g_assert_nonnull(error);
    g_assert_true(error->domain == G_KEY_FILE_ERROR);  /* what the engine knows as "corrupt" */
    g_assert_null(strstr(error->message, "192.0.2.")); /* nothing of what is embedded */
}

static void test_every_bit_flipped(void)
{
    g_autoptr(Record) record = full();
    gsize length = 0;
    g_autofree char *data = record_format(record, &length);

    for (gsize i = 0; i < length; i++)
        for (int bit = 0; bit < 8; bit++) {
            data[i] = (char)(data[i] ^ (1 << bit));
            assert_refused(data, length);
            data[i] = (char)(data[i] ^ (1 << bit));
        }
    g_autoptr(Record) read = parse(data, length);
    sample_assert_same(record, read);
}

static void test_every_truncation(void)
{
    g_autoptr(Record) record = full();
    gsize length = 0;
    g_autofree char *data = record_format(record, &length);

    for (gsize i = 0; i < length; i++) {
        g_autofree char *part = g_memdup(data, i); /* so that ASan sees a look behind the end */
        assert_refused(part ? part : "", i);
    }
}

static void test_grown(void)
{
    g_autoptr(Record) record = full();
    gsize length = 0;
    g_autofree char *data = record_format(record, &length), *twice = g_strconcat(data, data, NULL);
    g_autofree char *grown = g_strconcat(data, "\n", NULL), *before = g_strconcat("\n", data, NULL);

    assert_refused(twice, 2 * length);
    assert_refused(grown, length + 1);
    assert_refused(data, length + 1); /* the NUL behind it */
    assert_refused(before, length + 1);
}

static void assert_refused_with(const char *data, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(record_parse(data, strlen(data), &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, words));
}

static char *seal(const char *kind, int version, const char *body)
{
    gsize length = 0;
    return envelope_seal(kind, version, body, strlen(body), &length);
}

static void test_envelope(void)
{
    g_autofree char *newer = seal(KIND, RECORD_VERSION + 1, "anything");
    g_autofree char *far = seal(KIND, G_MAXINT, "anything");
    g_autofree char *zero = seal(KIND, 0, "anything");
    g_autofree char *other = seal("nm-trial-history", RECORD_VERSION, "[]");
    g_autofree char *longer = seal(KIND "s", RECORD_VERSION, "x");
    g_autofree char *nothing = seal(KIND, RECORD_VERSION, "");
    g_autofree char *no_keyfile = seal(KIND, RECORD_VERSION, "no keyfile\n");
    g_autofree char *endless = g_strnfill(100000, 'x');

    assert_refused_with(newer, "newer version");
    assert_refused_with(far, "newer version");
    assert_refused_with(zero, "version");
    assert_refused_with(other, "no file of ours");
    assert_refused_with(longer, "no file of ours");
    assert_refused_with("", "empty");
    assert_refused_with(endless, "no file of ours");
    assert_refused_with("\n", "no file of ours");
    assert_refused(nothing, strlen(nothing));
    assert_refused(no_keyfile, strlen(no_keyfile));
    assert_refused_with(KIND " -1 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
                        "version");
    assert_refused_with(KIND " 1 18446744073709551616 x\n", "cut off");
    assert_refused_with(KIND " 1 0 \n", "checksum");
    assert_refused_with(KIND " 1 0 x y\n", "no file of ours");
}

/* Values. The checksum is right, so whoever wrote this was wrong: say where, guess nothing. */

static char *changed(const char *group, const char *key, const char *value)
{
    g_autoptr(Record) record = full();
    g_autoptr(GKeyFile) file = g_key_file_new();
    gsize length = 0;
    const char *body = NULL;
    g_autofree char *data = record_format(record, &length), *text = NULL;

    g_assert_true(envelope_open(KIND, RECORD_VERSION, data, length, &body, &length, NULL));
    g_assert_true(g_key_file_load_from_data(file, body, length, G_KEY_FILE_NONE, NULL));
    g_assert_true(g_key_file_has_key(file, group, key, NULL));
    if (value)
        g_key_file_set_value(file, group, key, value);
    else
        g_key_file_remove_key(file, group, key, NULL);
    text = g_key_file_to_data(file, NULL, NULL);
    return seal(KIND, RECORD_VERSION, text);
}

static void test_missing(void)
{
    static const char *const trial[] = {"id",
                                        "state",
                                        "reason",
                                        "confirm",
                                        "fallback",
                                        "boot-id",
                                        "started-ms",
                                        "deadline-ms",
                                        "hold-ms",
                                        "checks",
                                        "checkpoint-created-ms",
                                        "pairs"};
    static const char *const pair[] = {"device",         "priority",      "activated",      "was-active",
                                       "candidate-uuid", "candidate-id",  "candidate-path", "candidate-data",
                                       "replaced-id",    "replaced-path", "replaced-data"};

    for (gsize i = 0; i < G_N_ELEMENTS(trial); i++) {
        g_autofree char *data = changed("trial", trial[i], NULL);
        g_test_message("%s", trial[i]);
        assert_refused_with(data, trial[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(pair); i++) {
        g_autofree char *first = changed("pair 0", pair[i], NULL), *second = changed("pair 1", pair[i], NULL);
        g_test_message("%s", pair[i]);
        assert_refused_with(first, pair[i]);
        assert_refused_with(second, pair[i]);
        assert_refused_with(second, "pair 1");
    }
}

static void test_optional(void)
{
    static const char *const keys[] = {"detail",  "started-by", "baseline",
                                       "nm-name", "checkpoint", "checkpoint-nm-name"};

    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *data = changed("trial", keys[i], NULL);
        g_autoptr(Record) record = parse(data, strlen(data));
        g_assert_cmpstr(record->id, ==, SAMPLE_ID);
    }
}

static void test_out_of_range(void)
{
    static const struct {
        const char *group;
        const char *key;
        const char *values[8];
    } cases[] = {
        {"trial", "id", {"", "0123abc", "0123abcde", "0123ABCD", "0123abcg", "../../ab", "\\q"}},
        {"trial", "state", {"", "Trying", "unknown", "tryin", "trying ;", "0"}},
        {"trial", "reason", {"", "unknown", "timeouts", "1"}},
        {"trial", "confirm", {"", "automatic", "Auto", "0"}},
        {"trial", "fallback", {"", "yes", "2", "maybe"}},
        {"trial", "started-ms", {"", "-1", "x", "1.5"}},
        {"trial", "deadline-ms", {"", "-1", "x", "1e3"}},
        {"trial", "hold-ms", {"", "-1", "-9223372036854775808", "10 s"}},
        {"trial", "checkpoint-created-ms", {"-1", "never"}},
        {"trial", "pairs", {"", "0", "-1", "9", "4294967297", "two"}},
        {"pair 0", "priority", {"", "-1000", "1000", "4294967296", "x"}},
        {"pair 0", "activated", {"", "on", "3"}},
        {"pair 1", "was-active", {"", "on"}},
        {"pair 0", "candidate-path", {"", "relative", "./x", "../etc/passwd"}},
        {"pair 1", "replaced-path", {"", "relative"}},
        {"pair 0", "candidate-data", {""}},
        {"pair 1", "replaced-data", {""}},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        for (const char *const *value = cases[i].values; *value; value++) {
            g_autofree char *data = changed(cases[i].group, cases[i].key, *value);
            g_test_message("[%s] %s=%s", cases[i].group, cases[i].key, *value);
            assert_refused_with(data, cases[i].key);
            assert_refused_with(data, cases[i].group);
        }
}

/* An escape that GKeyFile does not know is no text. */
static void test_bad_escape(void)
{
    static const char *const keys[] = {"detail", "nm-name", "boot-id", "baseline"};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *data = changed("trial", keys[i], "\\q");
        g_test_message("%s", keys[i]);
        assert_refused_with(data, keys[i]);
    }
}

/* A number that no 64 bits hold is no number, and none that another one may be added to. */
static void test_overflow(void)
{
    static const char *const keys[] = {"started-ms", "deadline-ms", "hold-ms", "checkpoint-created-ms"};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *data = changed("trial", keys[i], "9223372036854775808");
        g_test_message("%s", keys[i]);
        assert_refused_with(data, keys[i]);
    }
}

/* Half a replaced profile is not "--replace none". */
static void test_half_a_profile(void)
{
    g_autofree char *data = changed("pair 0", "replaced-uuid", NULL);
    assert_refused_with(data, "replaced-uuid");
}

static void test_data_of_nothing(void)
{
    g_autofree char *candidate = changed("pair 0", "candidate-data", "!!!!");
    g_autofree char *replaced = changed("pair 1", "replaced-data", "=");
    assert_refused_with(candidate, "candidate-data");
    assert_refused_with(replaced, "replaced-data");
}

/* More pairs than there are sections. */
static void test_missing_pair(void)
{
    g_autofree char *data = changed("trial", "pairs", "3");
    assert_refused_with(data, "pair 2");
}

static void test_id_valid(void)
{
    static const char *const bad[] = {"",         "0123abc",  "0123abcde", "0123ABCD",
                                      "0123abcg", "0123 bcd", "0123abc\n"};
    g_assert_true(record_id_valid("00000000"));
    g_assert_true(record_id_valid("0123abcd"));
    g_assert_true(record_id_valid("89ef4567"));
    g_assert_false(record_id_valid(NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(record_id_valid(bad[i]));
}

/* A result of the checks is for this trial, this NetworkManager and these activations. */
static void test_subject(void)
{
    g_autoptr(Record) record = full();
    g_autofree char *subject = record_subject(record), *same = record_subject(record);
    g_assert_cmpstr(subject, ==, same);

    set(&record->nm_name, ":1.18");
    g_autofree char *other_nm = record_subject(record);
    set(&record->nm_name, ":1.17");
    set(&record->pair[1].active_path, "/org/freedesktop/NetworkManager/ActiveConnection/10");
    g_autofree char *other_activation = record_subject(record);
    set(&record->pair[1].active_path, NULL);
    set(&record->id, "89ef4567");
    g_autofree char *other_trial = record_subject(record);
    g_assert_cmpstr(subject, !=, other_nm);
    g_assert_cmpstr(subject, !=, other_activation);
    g_assert_cmpstr(subject, !=, other_trial);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/record/round-trip/full", test_round_trip);
    g_test_add_func("/record/round-trip/least", test_round_trip_least);
    g_test_add_func("/record/round-trip/names", test_round_trip_names);
    g_test_add_func("/record/round-trip/numbers", test_round_trip_numbers);
    g_test_add_func("/record/round-trip/odd-text", test_round_trip_odd_text);
    g_test_add_func("/record/round-trip/odd-path", test_round_trip_odd_path);
    g_test_add_func("/record/round-trip/odd-data", test_round_trip_odd_data);
    g_test_add_func("/record/damage/every-bit-flipped", test_every_bit_flipped);
    g_test_add_func("/record/damage/every-truncation", test_every_truncation);
    g_test_add_func("/record/damage/grown", test_grown);
    g_test_add_func("/record/damage/envelope", test_envelope);
    g_test_add_func("/record/values/missing", test_missing);
    g_test_add_func("/record/values/optional", test_optional);
    g_test_add_func("/record/values/out-of-range", test_out_of_range);
    g_test_add_func("/record/values/bad-escape", test_bad_escape);
    g_test_add_func("/record/values/overflow", test_overflow);
    g_test_add_func("/record/values/half-a-profile", test_half_a_profile);
    g_test_add_func("/record/values/data-of-nothing", test_data_of_nothing);
    g_test_add_func("/record/values/missing-pair", test_missing_pair);
    g_test_add_func("/record/id-valid", test_id_valid);
    g_test_add_func("/record/subject", test_subject);
    return g_test_run();
}

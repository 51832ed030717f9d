/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earlier.h"

#include "history.h"
#include "sample.h"
#include "store.h"

#include <string.h>

#define OTHER "other.nmconnection"

const struct scenario earlier_scenarios[] = {
    {"trying", TRIAL_TRYING, 1, .reason = "unconfirmed-reboot"},
    {"trying, two pairs", TRIAL_TRYING, 2, .reason = "unconfirmed-reboot"},
    {"trying, none replaced", TRIAL_TRYING, 1, .none = TRUE, .reason = "unconfirmed-reboot"},
    {"trying, candidate edited", TRIAL_TRYING, 1, EDITED, .reason = "unconfirmed-reboot"},
    {"trying, candidate gone", TRIAL_TRYING, 1, GONE, .reason = "unconfirmed-reboot"},
    {"trying, candidate broken", TRIAL_TRYING, 1, BROKEN, .reason = "unconfirmed-reboot"},
    {"trying, candidate on, replaced off", TRIAL_TRYING, 1, ON, OFF, .reason = "unconfirmed-reboot"},
    {"trying, candidate on, replaced gone", TRIAL_TRYING, 1, ON, GONE, .reason = "unconfirmed-reboot"},
    {"trying, replaced off", TRIAL_TRYING, 1, AS_STARTED, OFF, .reason = "unconfirmed-reboot"},
    {"trying, replaced broken", TRIAL_TRYING, 1, AS_STARTED, BROKEN, .reason = "unconfirmed-reboot"},
    {"reverting", TRIAL_REVERTING, 1, .reason = "cancelled"},
    {"reverting, two pairs", TRIAL_REVERTING, 2, .reason = "cancelled"},
    {"reverting, candidate gone", TRIAL_REVERTING, 1, GONE, .reason = "cancelled"},
    {"reverting, candidate on, replaced off", TRIAL_REVERTING, 1, ON, OFF, .reason = "cancelled"},
    {"reverting, replaced gone", TRIAL_REVERTING, 1, AS_STARTED, GONE, .reason = "cancelled"},
    {"promoting", TRIAL_PROMOTING, 1, .promoted = TRUE, .reason = "confirmed"},
    {"promoting, two pairs", TRIAL_PROMOTING, 2, .promoted = TRUE, .reason = "confirmed"},
    {"promoting, fallback", TRIAL_PROMOTING, 1, .fallback = TRUE, .promoted = TRUE, .reason = "confirmed"},
    {"promoting, none replaced", TRIAL_PROMOTING, 1, .none = TRUE, .promoted = TRUE, .reason = "confirmed"},
    {"promoting, candidate on", TRIAL_PROMOTING, 1, ON, .promoted = TRUE, .reason = "confirmed"},
    {"promoting, candidate gone", TRIAL_PROMOTING, 1, GONE, .promoted = TRUE, .reason = "confirmed"},
    {"promoting, candidate broken", TRIAL_PROMOTING, 1, BROKEN, .promoted = TRUE, .reason = "confirmed"},
    {"promoting, replaced gone", TRIAL_PROMOTING, 1, ON, GONE, .promoted = TRUE, .reason = "confirmed"},
    {"edit, trying", TRIAL_TRYING, 1, .edit = TRUE, .reason = "unconfirmed-reboot"},
    {"edit, trying, modified", TRIAL_TRYING, 1, AS_STARTED, EDITED, .edit = TRUE,
     .reason = "unconfirmed-reboot"},
    {"edit, trying, a second file", TRIAL_TRYING, 1, ON, .edit = TRUE, .reason = "unconfirmed-reboot"},
    {"edit, trying, deleted", TRIAL_TRYING, 1, ON, GONE, .edit = TRUE, .reason = "unconfirmed-reboot"},
    {"edit, trying, off", TRIAL_TRYING, 1, AS_STARTED, OFF, .edit = TRUE, .reason = "unconfirmed-reboot"},
    {"edit, reverting", TRIAL_REVERTING, 1, ON, EDITED, .edit = TRUE, .reason = "cancelled"},
    {"edit, promoting", TRIAL_PROMOTING, 1, .edit = TRUE, .promoted = TRUE, .reason = "confirmed"},
    {"edit, promoting, gone", TRIAL_PROMOTING, 1, ON, GONE, .edit = TRUE, .promoted = TRUE,
     .reason = "confirmed"},
    {"edit, promoting, written", TRIAL_PROMOTING, 1, ON, EDITED, .edit = TRUE, .promoted = TRUE,
     .reason = "confirmed"},
    {"record lost", TRIAL_TRYING, 1, .record_lost = TRUE},
    {"record lost, two pairs", TRIAL_TRYING, 2, .record_lost = TRUE},
    {"record lost, candidate on, replaced off", TRIAL_TRYING, 1, ON, OFF, .record_lost = TRUE},
    {"record lost, replaced off", TRIAL_TRYING, 1, AS_STARTED, OFF, .record_lost = TRUE},
};
const gsize earlier_n_scenarios = G_N_ELEMENTS(earlier_scenarios);

/* The files at first */

/* Another address. */
static char *edited(const char *data)
{
    char *text = g_strdup(data);
    strstr(text, "192.0.2")[2] = '3';
    return text;
}

/* The pair as an edit has it. */
static void make_edit(const char *dir, struct record_pair *pair)
{
    struct record_profile *candidate = &pair->candidate, *replaced = &pair->replaced;

    pair->edit = TRUE;
    g_free(candidate->uuid);
    g_free(candidate->path);
    g_free(candidate->data);
    candidate->uuid = g_strdup(replaced->uuid);
    candidate->path = g_build_filename(dir, "run", "replaced-0.nmconnection", NULL);
    candidate->data = edited(replaced->data);
    candidate->length = strlen(candidate->data);
}

/* What other tools may have left of an edit's UUID. */
static void put_strays(struct fixture *f, const struct record_pair *pair)
{
    g_autofree char *tombstone = g_strconcat(pair->replaced.uuid, ".nmmeta", NULL);
    if (f->scenario->candidate == ON) {
        g_free(scratch_put(f->dir, "candidate-0.nmconnection", pair->candidate.data));
        g_free(scratch_put(f->dir, tombstone, "[nmmeta]\nuuid=x\n"));
    }
    g_ptr_array_add(f->names, g_strdup("candidate-0.nmconnection"));
    f->tombstone = g_steal_pointer(&tombstone);
}

static char *text_at_first(enum at_first how, const struct record_profile *profile, int n)
{
    g_autofree char *replaces = sample_uuid(n + 1);
    gboolean candidate = n % 2 == 1;

    switch (how) {
    case AS_STARTED:
        return g_strdup(profile->data);
    case ON:
    case OFF:
        return sample_profile(n, how == ON, candidate ? "trying" : NULL, candidate ? replaces : NULL);
    case EDITED:
        return edited(profile->data);
    case BROKEN:
        return g_strdup("[connection]\nid=x\n");
    case GONE:
        break;
    }
    return NULL;
}

static void put_profile(struct fixture *f, enum at_first how, const struct record_profile *profile, int n)
{
    g_autofree char *text = text_at_first(how, profile, n), *name = g_path_get_basename(profile->path);
    if (text)
        g_free(scratch_put(f->dir, name, text));
    g_ptr_array_add(f->names, g_steal_pointer(&name));
}

struct fixture *earlier_begin(const struct scenario *scenario)
{
    struct fixture *f = g_new0(struct fixture, 1);
    gsize length = 0;

    f->scenario = scenario;
    f->dir = scratch_new();
    f->names = g_ptr_array_new_with_free_func(g_free);
    f->record = sample_record(f->dir, scenario->state, scenario->n_pairs);
    f->record->trial.fallback = scenario->fallback;
    for (int i = 0; i < scenario->n_pairs; i++) {
        struct record_pair *pair = &f->record->pair[i];
        if (scenario->edit) {
            make_edit(f->dir, pair);
            put_strays(f, pair);
        } else
            put_profile(f, scenario->candidate, &pair->candidate, 2 * i + 1);
        if (!scenario->none)
            put_profile(f, scenario->replaced, &pair->replaced, 2 * i + 2);
        else {
            f->record->trial.pair[i].has_replaced = FALSE;
            g_clear_pointer(&pair->replaced.uuid, g_free);
        }
    }
    if (f->tombstone)
        g_ptr_array_add(f->names, g_strdup(f->tombstone));
    f->other = sample_profile(17, TRUE, "promoted", NULL);
    g_free(scratch_put(f->dir, OTHER, f->other));
    g_ptr_array_add(f->names, g_strdup(OTHER));
    g_ptr_array_add(f->names, g_strdup(NM_TRIAL_RECORD));
    g_ptr_array_add(f->names, g_strdup(NM_TRIAL_RECORD ".bad-1"));
    g_ptr_array_add(f->names, g_strdup(NM_TRIAL_HISTORY));
    g_autofree char *sealed = record_format(f->record, &length);
    g_free(
        scratch_put(f->dir, NM_TRIAL_RECORD, scenario->record_lost ? "nm-trial-record 1 3 0\nrub" : sealed));
    return f;
}

void earlier_end(struct fixture *f)
{
    record_free(f->record);
    scratch_free(f->dir);
    g_free(f->other);
    g_free(f->tombstone);
    g_ptr_array_unref(f->names);
    g_free(f);
}

/* What must be so */

static Profile *profile_of(const struct record_profile *recorded, const char *text)
{
    return text ? profile_parse(recorded->path, g_strdup(text), strlen(text), NULL) : NULL;
}

Profile *earlier_profile(const struct fixture *f, const struct record_profile *recorded)
{
    g_autofree char *name = g_path_get_basename(recorded->path), *text = scratch_get(f->dir, name);
    return profile_of(recorded, text);
}

static void assert_candidate(const struct fixture *f, int i)
{
    const struct scenario *scenario = f->scenario;
    const struct record_profile *recorded = &f->record->pair[i].candidate;
    g_autoptr(Profile) now = earlier_profile(f, recorded), then = profile_of(recorded, recorded->data);
    g_autofree char *name = g_path_get_basename(recorded->path), *text = scratch_get(f->dir, name);

    if (!scenario->promoted && (scenario->candidate == GONE || scenario->candidate == BROKEN)) {
        g_assert_true((text == NULL) == (scenario->candidate == GONE)); /* nobody's any more: left as it is */
        return;
    }
    g_assert_nonnull(now);
    g_assert_cmpint(profile_flags_state(now, SAMPLE_PRIORITY), ==,
                    scenario->promoted ? FLAGS_PROMOTED : FLAGS_DEMOTED);
    g_assert_cmpstr(profile_annotation(now, ANNOTATION_REASON), ==,
                    scenario->promoted      ? NULL
                    : scenario->record_lost ? "record-lost"
                                            : scenario->reason);
    g_assert_cmpint(profile_same(now, then), ==, scenario->candidate != EDITED);
    g_assert_nonnull(strstr(text, "# by hand, do not lose\n"));
    g_assert_nonnull(strstr(text, "# the second floor\n"));
    g_assert_nonnull(strstr(text, "[vendor-x]\nsome=thing; else\n"));
}

void earlier_assert_replaced(const struct fixture *f, int i)
{
    const struct record_profile *recorded = &f->record->pair[i].replaced;
    g_autoptr(Profile) now = earlier_profile(f, recorded), then = profile_of(recorded, recorded->data);
    gboolean back = !f->scenario->promoted || f->scenario->fallback;

    if (f->scenario->edit) {
        g_autoptr(Profile) wanted =
            profile_of(&f->record->pair[i].candidate, f->record->pair[i].candidate.data);
        g_assert_nonnull(now);
        if (back)
            g_assert_cmpstr(now->data, ==, recorded->data);
        g_assert_true(profile_same(now, back ? then : wanted));
        g_assert_cmpint(profile_flags_state(now, SAMPLE_PRIORITY), ==, back ? FLAGS_OTHER : FLAGS_PROMOTED);
        g_assert_nonnull(strstr(now->data, "# by hand, do not lose\n"));
        return;
    }
    if (f->scenario->promoted && f->scenario->replaced == GONE) {
        g_assert_null(now);
        return;
    }
    g_assert_nonnull(now);
    g_assert_cmpint(now->autoconnect, ==, back);
    g_assert_true(profile_same(now, then));
    if (back)
        g_assert_cmpstr(now->data, ==, recorded->data); /* byte for byte */
}

static void assert_history(const struct fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonArray) history = history_load(f->dir, &error);

    g_assert_no_error(error);
    if (f->scenario->record_lost) {
        g_assert_cmpuint(json_array_get_length(history), ==, 0); /* nothing is known, nothing is made up */
        return;
    }
    g_assert_cmpuint(json_array_get_length(history), ==, 1);
    JsonObject *entry = history_find(history, SAMPLE_ID);
    g_assert_nonnull(entry);
    g_assert_cmpint(history_promoted(entry), ==, f->scenario->promoted);
    g_assert_cmpstr(json_object_get_string_member(entry, "reason"), ==, f->scenario->reason);
    g_assert_cmpuint(json_array_get_length(json_object_get_array_member(entry, "after_revert")), ==, 0);
}

void earlier_assert_end(const struct fixture *f)
{
    g_autofree char *record = scratch_get(f->dir, NM_TRIAL_RECORD), *other = scratch_get(f->dir, OTHER);
    g_autofree char *aside = scratch_get(f->dir, NM_TRIAL_RECORD ".bad-1"), *names = scratch_names(f->dir);

    if (f->tombstone)
        g_assert_null(strstr(names, f->tombstone));
    for (int i = 0; i < f->scenario->n_pairs; i++) {
        if (f->scenario->edit)
            g_assert_null(strstr(names, "candidate-0"));
        else
            assert_candidate(f, i);
        if (!f->scenario->none)
            earlier_assert_replaced(f, i);
    }
    g_assert_null(record);
    g_assert_cmpint(aside != NULL, ==, f->scenario->record_lost);
    g_assert_cmpstr(other, ==, f->other);
    assert_history(f);
    g_assert_null(strstr(names, ".nm-trial-new."));
    g_assert_null(strstr(names, ".bad-2"));
}

gboolean earlier_boots(const struct record_profile *recorded, const char *text)
{
    g_autoptr(Profile) profile = profile_of(recorded, text);
    return profile && profile->autoconnect;
}

/* Whether a device had a profile to boot with before anything began; if so, it has one at every instant. */
gboolean earlier_safe_at_first(const struct scenario *s)
{
    if (s->edit)
        return s->replaced == AS_STARTED && s->candidate == AS_STARTED;
    return !s->none && (s->candidate == ON || s->replaced == AS_STARTED);
}

void earlier_assert_never_lost(const struct fixture *f)
{
    for (int i = 0; earlier_safe_at_first(f->scenario) && i < f->scenario->n_pairs; i++) {
        const struct record_pair *pair = &f->record->pair[i];
        g_autofree char *candidate_name = g_path_get_basename(pair->candidate.path);
        g_autofree char *replaced_name = g_path_get_basename(pair->replaced.path);
        g_autofree char *candidate = scratch_get(f->dir, candidate_name);
        g_autofree char *replaced = scratch_get(f->dir, replaced_name);
        g_assert_true(earlier_boots(&pair->candidate, candidate) || earlier_boots(&pair->replaced, replaced));
    }
}

/* Runs */

/* Another boot than the record's: each run is one of a machine that has just come up. */
static const char *next_boot(const struct fixture *f)
{
    static const char *const ids[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"};
    g_autofree char *text = scratch_get(f->dir, NM_TRIAL_RECORD);
    return text && strstr(text, ids[0]) ? ids[1] : ids[0];
}

void earlier_run(Engine *engine, gboolean undisturbed)
{
    g_auto(EngineResult) result = {0};
    g_autoptr(GError) error = NULL;
    gboolean done = engine_run(engine, NULL, &result, &error);

    g_assert_true(done == !error);
    if (!undisturbed)
        return;
    g_assert_no_error(error);
    g_assert_null(result.record);
    g_assert_null(result.trouble);
}

Engine earlier_engine(const struct fixture *f)
{
    return (Engine){.state_dir = f->dir, .profile_dir = f->dir, .boot_id = next_boot(f)};
}

void earlier_run_once(const struct fixture *f)
{
    Engine engine = earlier_engine(f);
    store_sweep(f->dir);
    earlier_run(&engine, TRUE);
    engine_clear(&engine);
}

void earlier_for_each(void (*test)(const struct scenario *))
{
    for (gsize i = 0; i < earlier_n_scenarios; i++) {
        g_test_message("%s", earlier_scenarios[i].name);
        test(&earlier_scenarios[i]);
    }
}

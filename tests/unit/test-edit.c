/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit as files: what becomes of the new content's text, and what the core is told of every way that the
 * shadow, the profile's own file and what others left of its UUID can be found. */
#include "edit.h"

#include "names.h"
#include "plan.h"
#include "sample.h"
#include "scratch.h"

#include <string.h>

#define OWN "own.nmconnection"

static Scratch *profiles, *run;

/* Keyfile text of the profile 2; `n` tells contents apart. Caller frees. */
static char *content(int n)
{
    char *text = sample_profile(2, TRUE, NULL, NULL);
    strstr(text, "192.0.2")[4] = (char)('0' + n);
    return text;
}

static Profile *profile(void)
{
    char *text = content(1);
    g_autofree char *path = g_build_filename(profiles, OWN, NULL);
    return profile_parse(path, text, strlen(text), NULL);
}

static char *replaced(const char *text, const char *old, const char *new)
{
    g_auto(GStrv) parts = g_strsplit(text, old, 2);
    g_assert_nonnull(parts[1]);
    return g_strjoinv(new, parts);
}

/* The new content */

static Profile *parse(const char *text, GError **error)
{
    g_autoptr(Profile) own = profile();
    return edit_parse(own, run, text, strlen(text), error);
}

static void test_parse(void)
{
    g_autofree char *text = content(2), *uuid = sample_uuid(2), *line = g_strdup_printf("uuid=%s\n", uuid);
    g_autofree char *bare = replaced(text, line, ""), *barer = replaced(bare, "id=profile 2\n", "");
    g_autofree char *noted = g_strconcat(text, "\n[.nmmeta]\nshadowed-storage=/x\n", NULL);
    g_autoptr(Profile) whole = parse(text, NULL), without = parse(bare, NULL), neither = parse(barer, NULL);
    g_autoptr(Profile) notes = parse(noted, NULL);
    g_autofree char *shadow = g_build_filename(run, OWN, NULL);

    g_assert_cmpstr(whole->data, ==, text);
    g_assert_cmpstr(whole->path, ==, shadow);
    g_assert_true(profile_same(whole, without) && profile_same(whole, neither) && profile_same(whole, notes));
    g_assert_null(strstr(notes->data, "nmmeta"));
}

static void assert_refused(const char *text, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Profile) none = parse(text, &error);
    g_assert_null(none);
    g_assert_error(error, PLAN_ERROR, EXIT_REFUSED);
    g_assert_nonnull(strstr(error->message, words));
}

static void test_refused(void)
{
    g_autofree char *text = content(2), *uuid = sample_uuid(2), *other_uuid = sample_uuid(3);
    g_autofree char *stranger = replaced(text, uuid, other_uuid),
                    *type = replaced(text, "type=ethernet", "type=dummy");
    g_autofree char *device = replaced(text, "interface-name=eth0", "interface-name=eth1");
    g_autofree char *none = replaced(text, "interface-name=eth0\n", "");
    g_autofree char *certificate = g_strconcat(
        text, "\n[802-1x]\neap=tls;\nidentity=x\nca-cert=ca.pem\nclient-cert=/c.pem\nprivate-key=/k.pem\n",
        NULL);

    assert_refused(stranger, "has the UUID");
    assert_refused(type, "of type dummy");
    assert_refused(device, "for eth1");
    assert_refused(none, "not bound to exactly one device");
    assert_refused("rubbish", "cannot be used");
    assert_refused("", "cannot be used");
    assert_refused(certificate, "relative path");
}

/* A user's profile, or an automatic one, may have the name in /run. */
static void test_name_is_taken(void)
{
    g_autofree char *other = sample_profile(5, TRUE, NULL, NULL), *text = content(2), *uuid = sample_uuid(2);
    g_autofree char *wanted = g_strdup_printf("%s/nm-trial-%s.nmconnection", run, uuid);

    g_free(scratch_put(run, OWN, other));
    g_autoptr(Profile) edit = parse(text, NULL);
    g_assert_cmpstr(edit->path, ==, wanted);
    g_autofree char *there = scratch_get(run, OWN);
    g_assert_cmpstr(there, ==, other);
}

/* The facts */

struct row {
    enum trial_state state;
    gboolean activated;
    int own, shadow, twin; /* contents, 0: no such file. 1: as it was, 2: the new one, 3: another */
    gboolean tombstone;
    enum file_state candidate;
    enum flags_state flags;
    gboolean bootable, retired;
};

#define TRY TRIAL_TRYING
#define PRO TRIAL_PROMOTING
#define REV TRIAL_REVERTING

static const struct row rows[] = {
    {TRY, FALSE, 1, 0, 0, FALSE, FILE_SAME, FLAGS_OTHER, TRUE, FALSE}, /* not written yet */
    {TRY, FALSE, 1, 2, 0, FALSE, FILE_SAME, FLAGS_TRYING, TRUE, FALSE},
    {TRY, TRUE, 1, 2, 0, FALSE, FILE_SAME, FLAGS_TRYING, TRUE, FALSE},
    {TRY, TRUE, 1, 3, 0, FALSE, FILE_CHANGED, FLAGS_TRYING, TRUE, FALSE},
    {TRY, TRUE, 1, 0, 0, FALSE, FILE_CHANGED, FLAGS_OTHER, TRUE, FALSE},  /* modified: dropped, */
    {TRY, TRUE, 2, 0, 0, FALSE, FILE_CHANGED, FLAGS_OTHER, FALSE, FALSE}, /* and then written */
    {TRY, TRUE, 1, 0, 0, TRUE, FILE_GONE, FLAGS_OTHER, TRUE, FALSE},      /* deleted */
    {TRY, TRUE, 1, 2, 3, FALSE, FILE_CHANGED, FLAGS_TRYING, TRUE, FALSE}, /* a second file, as NM names it */
    {TRY, TRUE, 3, 2, 0, FALSE, FILE_SAME, FLAGS_TRYING, FALSE, FALSE},   /* its own file is to be put back */
    {TRY, TRUE, 0, 2, 0, FALSE, FILE_SAME, FLAGS_TRYING, FALSE, FALSE},
    {PRO, TRUE, 1, 2, 0, FALSE, FILE_CHANGED, FLAGS_OTHER, TRUE, FALSE},
    {PRO, TRUE, 2, 2, 0, FALSE, FILE_SAME, FLAGS_OTHER, FALSE, FALSE},
    {PRO, TRUE, 2, 0, 3, FALSE, FILE_SAME, FLAGS_OTHER, FALSE, FALSE},
    {PRO, TRUE, 2, 0, 0, TRUE, FILE_SAME, FLAGS_OTHER, FALSE, FALSE},
    {PRO, TRUE, 2, 0, 0, FALSE, FILE_SAME, FLAGS_OTHER, FALSE, TRUE},
    {REV, FALSE, 1, 2, 0, FALSE, FILE_SAME, FLAGS_OTHER, TRUE, FALSE},
    {REV, FALSE, 1, 0, 0, TRUE, FILE_SAME, FLAGS_OTHER, TRUE, FALSE},
    {REV, FALSE, 1, 0, 3, FALSE, FILE_SAME, FLAGS_OTHER, TRUE, FALSE},
    {REV, FALSE, 1, 0, 0, FALSE, FILE_GONE, FLAGS_OTHER, TRUE, FALSE},
    {REV, FALSE, 2, 0, 0, FALSE, FILE_GONE, FLAGS_OTHER, FALSE, FALSE},
};

static Record *record_of(const struct row *row)
{
    Record *record = sample_record(profiles, row->state, 1);
    struct record_pair *pair = &record->pair[0];

    pair->edit = TRUE;
    record->trial.pair[0].activated = row->activated;
    g_free(pair->candidate.uuid);
    g_free(pair->candidate.path);
    g_free(pair->candidate.data);
    g_free(pair->replaced.path);
    g_free(pair->replaced.data);
    pair->candidate.uuid = g_strdup(pair->replaced.uuid);
    pair->candidate.path = g_build_filename(run, OWN, NULL);
    pair->candidate.data = content(2);
    pair->candidate.length = strlen(pair->candidate.data);
    pair->replaced.path = g_build_filename(profiles, OWN, NULL);
    pair->replaced.data = content(1);
    pair->replaced.length = strlen(pair->replaced.data);
    return record;
}

static void put(const Scratch *directory, const char *name, int n, const char *more)
{
    g_autofree char *text = content(n), *whole = g_strconcat(text, more, NULL);
    if (n)
        g_free(scratch_put(directory, name, whole));
}

static void put_all(const struct row *row)
{
    g_autofree char *uuid = sample_uuid(2), *twin = g_strconcat("own-", uuid, KEYFILE_SUFFIX, NULL);
    g_autofree char *tombstone = g_strconcat(uuid, NM_META_SUFFIX, NULL);

    put(profiles, OWN, row->own, "");
    put(profiles, twin, row->twin, "");
    put(run, OWN, row->shadow, "nm-trial.state=trying\n");
    if (row->tombstone)
        g_free(scratch_put(run, tombstone, "[nmmeta]\n"));
}

static void clean(void)
{
    scratch_free(profiles);
    scratch_free(run);
    profiles = scratch_new();
    run = scratch_new();
}

static void test_facts(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct row *row = &rows[i];
        g_autoptr(Record) record = record_of(row);
        struct pair_facts facts = {0};

        g_test_message("row %zu", i);
        put_all(row);
        g_assert_true(edit_facts(record, 0, &facts, NULL));
        g_assert_cmpint(facts.candidate, ==, row->candidate);
        g_assert_cmpint(facts.candidate_flags, ==, row->flags);
        g_assert_cmpint(facts.replaced_bootable, ==, row->bootable);
        if (row->state == PRO)
            g_assert_cmpint(facts.replaced_retired, ==, row->retired);
        clean();
    }
}

/* A user cannot veto an edit by a file whose name has the UUID in it, nor does another profile of NM's. */
static void test_names_of_others(void)
{
    g_autoptr(Record) record = record_of(&rows[2]);
    g_autofree char *uuid = sample_uuid(2), *name = g_strconcat("x-", uuid, KEYFILE_SUFFIX, NULL);
    g_autofree char *other = sample_profile(5, TRUE, NULL, NULL);
    struct pair_facts facts = {0};

    put_all(&rows[2]);
    g_free(scratch_put(profiles, name, other));
    g_assert_true(edit_facts(record, 0, &facts, NULL));
    g_assert_cmpint(facts.candidate, ==, FILE_SAME);
}

/* The effects bring about the facts that the core waits for. */
static void test_effects(void)
{
    static const struct {
        enum trial_state state;
        enum trial_action action;
    } steps[] = {{TRY, ACTION_CANDIDATE_OFF}, {TRY, ACTION_REPLACED_RESTORE}, {PRO, ACTION_CANDIDATE_ON},
                 {PRO, ACTION_REPLACED_OFF},  {REV, ACTION_REPLACED_RESTORE}, {REV, ACTION_CANDIDATE_OFF}};
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        const struct row row = {steps[i].state, FALSE, 3, 0, 3, TRUE, 0};
        g_autoptr(Record) record = record_of(&row);
        const Engine engine = {.state_dir = profiles};
        struct pair_facts facts = {0};

        put_all(&row);
        g_assert_true(edit_do(&engine, record, 0, steps[i].action, NULL));
        g_assert_true(edit_facts(record, 0, &facts, NULL));
        if (steps[i].action == ACTION_REPLACED_RESTORE)
            g_assert_true(facts.replaced_bootable);
        if (steps[i].action == ACTION_CANDIDATE_ON)
            g_assert_cmpint(facts.candidate_flags, ==, FLAGS_PROMOTED);
        if (steps[i].action == ACTION_REPLACED_OFF)
            g_assert_true(facts.replaced_retired);
        if (steps[i].action == ACTION_CANDIDATE_OFF && steps[i].state == REV)
            g_assert_cmpint(facts.candidate, ==, FILE_GONE);
        if (steps[i].action == ACTION_CANDIDATE_OFF && steps[i].state == TRY) {
            g_autofree char *shadow = scratch_get(run, OWN);
            g_assert_cmpint(facts.candidate_flags, ==, FLAGS_TRYING);
            g_assert_nonnull(strstr(shadow, "[.nmmeta]\nshadowed-storage=/"));
        }
        clean();
    }
}

/* A directory that does not tell is not one without a second file: nothing follows from it. */
static void test_unlisted(void)
{
    static const struct row of[] = {
        {TRY, TRUE, 1, 2, 0, FALSE, 0}, {PRO, TRUE, 2, 2, 0, FALSE, 0}, {REV, TRUE, 1, 2, 0, FALSE, 0}};
    const struct profiles_port *usual = profile_port;
    const struct profiles_port failing = scratch_unlisted();

    for (gsize i = 0; i < G_N_ELEMENTS(of); i++) {
        g_autoptr(Record) record = record_of(&of[i]);
        const Engine engine = {.state_dir = profiles};
        struct pair_facts facts = {0};
        g_autoptr(GError) unknown = NULL, not_done = NULL;

        put_all(&of[i]);
        profile_port = &failing;
        g_assert_false(edit_facts(record, 0, &facts, &unknown));
        g_assert_error(unknown, G_FILE_ERROR, G_FILE_ERROR_IO);
        if (of[i].state == REV) {
            g_assert_false(edit_do(&engine, record, 0, ACTION_CANDIDATE_OFF, &not_done));
            g_assert_error(not_done, G_FILE_ERROR, G_FILE_ERROR_IO);
        }
        profile_port = usual;
        clean();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    profiles = scratch_new();
    run = scratch_new();
    g_test_add_func("/edit/unlisted", test_unlisted);
    g_test_add_func("/edit/parse", test_parse);
    g_test_add_func("/edit/refused", test_refused);
    g_test_add_func("/edit/facts", test_facts);
    g_test_add_func("/edit/effects", test_effects);
    g_test_add_func("/edit/names-of-others", test_names_of_others);
    g_test_add_func("/edit/name-is-taken", test_name_is_taken);
    int status = g_test_run();
    scratch_free(profiles);
    scratch_free(run);
    return status;
}

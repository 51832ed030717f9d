/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of guarded profiles and deliveries, before NetworkManager's start: what becomes of each, and that a
 * call that fails, or a process that is killed, at any point of it leads to the same end. */
#include "change.h"

#include "disk.h"
#include "names.h"
#include "sample.h"
#include "scratch.h"
#include "store.h"

#include <glib/gstdio.h>
#include <string.h>

#define OWN "own.nmconnection"
#define TWIN "twin.nmconnection"
#define OTHER "other.nmconnection"

enum content { NONE, GOOD, CHANGED, FAILED, OFF, RUBBISH };

struct scenario {
    const char *name;
    enum content own;
    enum content twin; /* another file of its UUID */
    gboolean tombstone;
    gboolean delivery; /* it is no guarded profile, but was delivered; the profile OTHER is its device's known
                          good */
    gboolean escaped;  /* its key is spelled as no writer does, but libnm reads it */
    enum content waits; /* in the end */
    enum content ends;  /* its own file */
};

static const struct scenario scenarios[] = {
    {"as it was", GOOD, .ends = GOOD},
    {"changed", CHANGED, .waits = CHANGED, .ends = GOOD},
    {"failed before", FAILED, .ends = GOOD},
    {"off", OFF, .ends = GOOD},
    {"rubbish", RUBBISH, .ends = GOOD},
    {"gone", NONE, .ends = GOOD},
    {"hidden", GOOD, .tombstone = TRUE, .ends = GOOD},
    {"gone and hidden", NONE, .tombstone = TRUE, .ends = GOOD},
    {"a second file", GOOD, CHANGED, .waits = CHANGED, .ends = GOOD},
    {"a second file that has failed", GOOD, FAILED, .ends = GOOD},
    {"a second file and the first gone", NONE, CHANGED, .waits = CHANGED, .ends = GOOD},
    {"changed, and a second file", CHANGED, FAILED, .waits = CHANGED, .ends = GOOD},
    {"delivered", CHANGED, .delivery = TRUE, .waits = CHANGED, .ends = CHANGED},
    {"delivered, spelled otherwise", CHANGED, .delivery = TRUE, .escaped = TRUE, .waits = CHANGED,
     .ends = CHANGED},
    {"delivered again", FAILED, .delivery = TRUE, .ends = FAILED},
};

struct fixture {
    const struct scenario *scenario;
    Scratch *state;
    Scratch *profiles;
    Scratch *run;
};

/* Keyfile text of the profile 2, or NULL. */
static char *text_of(const struct scenario *scenario, enum content content)
{
    char *text;

    if (content == NONE)
        return NULL;
    if (content == RUBBISH)
        return g_strdup("rubbish\n");
    text = sample_profile(2, content != OFF, NULL, scenario->delivery ? "other" : NULL);
    if (content == CHANGED || content == FAILED)
        strstr(text, "192.0.2")[2] = content == CHANGED ? '3' : '4';
    if (scenario->delivery) {
        GString *full = g_string_new(text);
        g_free(text);
        g_string_append(full, scenario->escaped ? "nm\\2Dtrial.start=boot\n" : "nm-trial.start=boot\n");
        text = g_string_free(full, FALSE);
    }
    return text;
}

static GBytes *bytes_of(const struct scenario *scenario, enum content content)
{
    char *text = text_of(scenario, content);
    return g_bytes_new_take(text, strlen(text));
}

static void put(const Scratch *directory, const char *name, const struct scenario *scenario,
                enum content content)
{
    g_autofree char *text = text_of(scenario, content);
    if (text)
        g_free(scratch_put(directory, name, text));
}

static struct fixture *begin(const struct scenario *scenario)
{
    struct fixture *f = g_new0(struct fixture, 1);
    g_autofree char *path = NULL, *uuid = sample_uuid(2),
                    *tombstone = g_strconcat(uuid, NM_META_SUFFIX, NULL);
    g_autofree char *other = sample_profile(1, TRUE, NULL, NULL);
    g_autoptr(Good) good = NULL;

    f->scenario = scenario;
    f->state = scratch_new();
    f->profiles = scratch_new();
    f->run = scratch_new();
    path = g_build_filename(f->profiles, OWN, NULL);
    good = good_new(path, uuid);
    if (!scenario->delivery)
        good->content = bytes_of(scenario, GOOD);
    g_ptr_array_add(good->failed, bytes_of(scenario, FAILED));
    g_assert_true(good_save(f->state, good, NULL));
    put(f->profiles, OWN, scenario, scenario->own);
    put(f->profiles, TWIN, scenario, scenario->twin);
    if (scenario->tombstone)
        g_free(scratch_put(f->profiles, tombstone, "[nmmeta]\n"));
    g_free(scratch_put(f->profiles, OTHER, other));
    return f;
}

static void end(struct fixture *f)
{
    scratch_free(f->state);
    scratch_free(f->profiles);
    scratch_free(f->run);
    g_free(f);
}

static gboolean sweep(const struct fixture *f)
{
    return change_sweep(f->state, f->profiles, f->run, NULL);
}

/* `lost`: the disk did not take the memory of the change; the device comes first. */
static void assert_end_but(const struct fixture *f, gboolean lost)
{
    g_autoptr(GPtrArray) list = good_list(f->state, NULL);
    g_autofree char *own = scratch_get(f->profiles, OWN), *wanted = text_of(f->scenario, f->scenario->ends);
    g_autofree char *other = scratch_get(f->profiles, OTHER), *same = sample_profile(1, TRUE, NULL, NULL);
    g_autofree char *names = scratch_names(f->profiles);

    g_assert_cmpuint(list->len, ==, 1);
    const Good *good = list->pdata[0];
    if (!lost || good->waiting)
        g_assert_cmpint(good->waiting != NULL, ==, f->scenario->waits != NONE);
    if (good->waiting) {
        g_autofree char *text = text_of(f->scenario, f->scenario->waits);
        g_autoptr(Profile) waiting = good_parse(good, good->waiting);
        g_autoptr(Profile) change = profile_parse(good->path, g_strdup(text), strlen(text), NULL);
        g_assert_true(waiting && change && profile_same(waiting, change));
    }
    if (f->scenario->delivery) {
        g_autoptr(Profile) now = profile_parse(good->path, g_strdup(own), strlen(own), NULL);
        g_assert_false(now->autoconnect);
        g_assert_cmpint(profile_flags_state(now, 0), ==,
                        f->scenario->own == FAILED ? FLAGS_DEMOTED : FLAGS_OTHER);
    } else
        g_assert_cmpstr(own, ==, wanted); /* byte for byte */
    g_assert_cmpstr(other, ==, same);
    g_assert_null(strstr(names, TWIN));
    g_assert_null(strstr(names, NM_META_SUFFIX));
}

static void assert_end(const struct fixture *f)
{
    assert_end_but(f, FALSE);
}

/* A device that had a profile to boot with has one at every instant. */
static void assert_never_lost(const struct fixture *f)
{
    g_autofree char *own = scratch_get(f->profiles, OWN), *path = g_build_filename(f->profiles, OWN, NULL);
    g_autoptr(Profile) profile = own ? profile_parse(path, g_strdup(own), strlen(own), NULL) : NULL;

    if (!f->scenario->delivery && (f->scenario->own == GOOD || f->scenario->own == CHANGED))
        g_assert_true(profile && profile->autoconnect);
}

static void for_each(void (*test)(const struct scenario *scenario))
{
    for (gsize i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        g_test_message("%s", scenarios[i].name);
        test(&scenarios[i]);
    }
}

static void ends(const struct scenario *scenario)
{
    struct fixture *f = begin(scenario);

    g_assert_true(sweep(f));
    assert_end(f);
    g_autofree char *names = scratch_names(f->profiles), *again = NULL;
    g_assert_true(sweep(f)); /* twice is once */
    assert_end(f);
    again = scratch_names(f->profiles);
    g_assert_cmpstr(names, ==, again);
    end(f);
}

static void test_ends(void)
{
    for_each(ends);
}

static int calls_of(const struct scenario *scenario)
{
    struct fixture *f = begin(scenario);
    disk_watch();
    g_assert_true(sweep(f));
    int calls = disk.calls;
    disk_unwatch();
    end(f);
    return calls;
}

static gboolean is_write_of_memory(const char *call)
{
    return strstr(call, "/" NM_TRIAL_GOOD) && !g_str_has_prefix(call, "read ") &&
           !g_str_has_prefix(call, "fstat ");
}

static void fails_in_turn(const struct scenario *scenario)
{
    int calls = calls_of(scenario);

    for (int n = 1; n <= calls; n++)
        for (int killed = 0; killed <= 1; killed++) {
            struct fixture *f = begin(scenario);
            g_test_message("%s: call %d of %d %s", scenario->name, n, calls,
                           killed ? "and all after it" : "");
            disk_watch();
            disk.fail_at = n;
            disk.killed = killed;
            (void)sweep(f);
            gboolean lost = !killed && is_write_of_memory(disk.log->pdata[n - 1]);
            disk_unwatch();
            assert_never_lost(f);
            store_sweep(f->state);
            store_sweep(f->profiles);
            g_assert_true(sweep(f)); /* the next boot */
            assert_end_but(f, lost);
            end(f);
        }
}

static void test_fails_in_turn(void)
{
    for_each(fails_in_turn);
}

/* What a power cut leaves after any change to the disk: the profile's own file is never torn, and what was
 * changed is remembered before it is overwritten. */
static struct fixture *cut;

static void after_cut(void)
{
    g_autofree char *own = g_build_filename(cut->profiles, OWN, NULL);
    g_autofree char *memory = g_build_filename(cut->state, NM_TRIAL_GOOD, OWN, NULL);
    g_autoptr(GPtrArray) owns = disk_after_cut(own), memories = disk_after_cut(memory);
    g_autofree char *changed = text_of(cut->scenario, CHANGED);
    gboolean overwritten = FALSE;

    for (guint i = 0; i < owns->len; i++) {
        g_assert_false(disk_is_torn(owns->pdata[i]));
        overwritten = overwritten || !owns->pdata[i] || g_bytes_get_size(owns->pdata[i]) != strlen(changed) ||
                      memcmp(g_bytes_get_data(owns->pdata[i], NULL), changed, strlen(changed)) != 0;
    }
    for (guint i = 0; i < memories->len; i++)
        g_assert_false(disk_is_torn(memories->pdata[i]));
    if (overwritten) { /* then every memory that a cut may leave knows of the change */
        const struct disk watched = disk;
        disk.changed = NULL; /* what follows is our own look, which neither fails nor counts */
        disk.fail_at = 0;
        g_autoptr(GPtrArray) list = good_list(cut->state, NULL);
        disk = watched;
        g_assert_cmpuint(memories->len, ==, 1);
        g_assert_nonnull(((const Good *)list->pdata[0])->waiting);
    }
}

static void test_remembered_first(void)
{
    cut = begin(&scenarios[1]);
    g_assert_cmpstr(cut->scenario->name, ==, "changed");
    disk_watch();
    disk.changed = after_cut;
    g_assert_true(sweep(cut));
    disk_unwatch();
    assert_end(cut);
    end(cut);
}

/* The same when a process was killed anywhere in it, and the next one goes on from what it finds. */
static void test_remembered_first_by_the_next_one(void)
{
    int calls = calls_of(&scenarios[1]);

    for (int n = 1; n <= calls; n++) {
        cut = begin(&scenarios[1]);
        disk_watch();
        disk.changed = after_cut;
        disk.fail_at = n;
        disk.killed = TRUE;
        (void)sweep(cut);
        disk.killed = FALSE;
        g_assert_true(sweep(cut));
        disk_unwatch();
        store_sweep(cut->state);
        store_sweep(cut->profiles);
        assert_end(cut);
        end(cut);
    }
}

/* A directory that does not tell: the profile's own file is put back all the same, and nobody calls it well.
 */
static void unlisted(const struct scenario *scenario)
{
    const struct profiles_port *usual = profile_port;
    const struct profiles_port failing = scratch_unlisted();
    struct fixture *f = begin(scenario);

    profile_port = &failing;
    g_assert_false(sweep(f));
    profile_port = usual;
    assert_never_lost(f);
    if (scenario->own == CHANGED && !scenario->delivery) {
        g_autofree char *own = scratch_get(f->profiles, OWN), *wanted = text_of(scenario, scenario->ends);
        g_assert_cmpstr(own, ==, wanted);
    }
    g_assert_true(sweep(f)); /* the next boot */
    assert_end(f);
    end(f);
}

static void test_unlisted(void)
{
    for_each(unlisted);
}

/* What the NM of today does not take (another slot, an older one) is not put in the way of what works. */
static void test_refused(void)
{
    static const struct scenario scenario = {"known good to another NetworkManager", CHANGED};
    struct fixture *f = begin(&scenario);
    g_autofree char *path = g_build_filename(f->profiles, OWN, NULL), *uuid = sample_uuid(2);
    g_autofree char *good_text = text_of(&scenario, GOOD), *changed = text_of(&scenario, CHANGED);
    g_autofree char *refused = g_strconcat(good_text, "[ipv6]\nmethod=none-such\n", NULL);
    g_autoptr(Good) good = good_new(path, uuid);

    good->content = g_bytes_new(refused, strlen(refused));
    g_assert_true(good_save(f->state, good, NULL));
    g_assert_true(sweep(f));
    g_autofree char *own = scratch_get(f->profiles, OWN);
    g_assert_cmpstr(own, ==, changed);
    end(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/change/unlisted", test_unlisted);
    g_test_add_func("/change/ends", test_ends);
    g_test_add_func("/change/remembered-first", test_remembered_first);
    g_test_add_func("/change/remembered-by-the-next", test_remembered_first_by_the_next_one);
    g_test_add_func("/change/fails-in-turn",
                    test_fails_in_turn); /* last: a close that fails leaves its descriptor */
    g_test_add_func("/change/refused", test_refused);
    return g_test_run();
}

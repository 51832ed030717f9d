/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of guarded profiles and deliveries: bytes and back, and what our own writes and verdicts
 * make of it. */
#include "good.h"

#include "disk.h"
#include "names.h"
#include "sample.h"
#include "scratch.h"

#include <glib/gstdio.h>
#include <string.h>

#define NAME "lan.nmconnection"

/* Keyfile text of the profile 2; `n` tells contents apart. Caller frees. */
static char *content(int n)
{
    char *text = sample_profile(2, TRUE, NULL, NULL);
    strstr(text, "192.0.2")[4] = (char)('0' + n);
    return text;
}

static Good *new_good(const char *profiles, int n)
{
    g_autofree char *path = g_build_filename(profiles, NAME, NULL), *uuid = sample_uuid(2),
                    *text = content(n);
    Good *good = good_new(path, uuid);
    good_set_content(good, text, strlen(text));
    return good;
}

/* The only one there is, as it is on the disk now. */
static Good *reload(const char *state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = good_list(state, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 1);
    return g_ptr_array_steal_index(list, 0);
}

static void assert_content(GBytes *bytes, int n)
{
    g_autofree char *text = content(n);
    g_assert_nonnull(bytes);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), text, strlen(text));
}

static Profile *profile(const char *profiles, int n)
{
    g_autofree char *path = g_build_filename(profiles, NAME, NULL);
    char *text = content(n);
    return profile_parse(path, text, strlen(text), NULL);
}

static void test_round_trip(void)
{
    g_autoptr(Scratch) state = scratch_new();
    g_autoptr(Good) good = new_good("/etc/odd \xff;name=", 1);

    for (int n = 2; n < 5; n++) {
        char *text = content(n);
        g_ptr_array_add(good->failed, g_bytes_new_take(text, strlen(text)));
    }
    good->waiting = g_bytes_ref(good->failed->pdata[2]);
    g_assert_true(good_save(state, good, NULL));
    g_autoptr(Good) same = reload(state);
    g_assert_cmpstr(same->path, ==, good->path);
    g_assert_cmpstr(same->uuid, ==, good->uuid);
    g_assert_cmpstr(same->since, ==, good->since);
    assert_content(same->content, 1);
    assert_content(same->waiting, 4);
    g_assert_cmpuint(same->failed->len, ==, 3);
    for (guint i = 0; i < 3; i++)
        assert_content(same->failed->pdata[i], (int)i + 2);
    g_assert_true(good_forget(state, good, NULL));
    g_autoptr(GPtrArray) none = good_list(state, NULL);
    g_assert_cmpuint(none->len, ==, 0);
}

/* Every byte of it, cut off and changed: it is set aside, never believed. */
static void test_damaged(void)
{
    g_autoptr(Scratch) state = scratch_new();
    g_autoptr(Good) good = new_good("/etc", 1);
    g_autofree char *directory = g_build_filename(state, NM_TRIAL_GOOD, NULL), *whole = NULL;
    g_autofree char *path = g_build_filename(directory, NAME, NULL),
                    *aside = g_strconcat(path, ".bad-1", NULL);

    g_assert_true(good_save(state, good, NULL));
    whole = scratch_get(directory, NAME);
    for (gsize i = 0; i < strlen(whole); i += 7) {
        g_autofree char *damaged = i % 2 ? g_strdup(whole) : g_strndup(whole, i);
        if (i % 2)
            damaged[i] ^= 1;
        g_free(scratch_put(directory, NAME, damaged));
        g_autoptr(GPtrArray) list = good_list(state, NULL);
        g_assert_cmpuint(list->len, ==, 0);
        g_assert_cmpint(g_unlink(aside), ==, 0);
    }
    g_free(scratch_put(directory, NAME, whole));
    g_assert_cmpint(g_chmod(path, 0644), ==, 0);
    g_autoptr(GPtrArray) readable = good_list(state, NULL); /* by others: not ours */
    g_assert_cmpuint(readable->len, ==, 0);
}

/* Our own writes: what means the same is followed, an untried change is not, a promotion is known good. */
static void test_store_and_promote(void)
{
    g_autoptr(Scratch) state = scratch_new(), profiles = scratch_new();
    g_autoptr(Good) good = new_good(profiles, 1);
    g_autofree char *uuid = sample_uuid(2), *off = sample_profile(2, FALSE, "demoted", NULL),
                    *other = content(2);

    strstr(off, "192.0.2")[4] = '1';
    g_assert_true(good_save(state, good, NULL));
    g_assert_true(good_store(state, good->path, uuid, off, strlen(off), NULL));
    g_autoptr(Good) followed = reload(state);
    g_assert_cmpmem(g_bytes_get_data(followed->content, NULL), g_bytes_get_size(followed->content), off,
                    strlen(off));
    g_assert_true(good_store(state, good->path, uuid, other, strlen(other), NULL));
    g_autoptr(Good) kept = reload(state);
    g_assert_true(g_bytes_equal(kept->content, followed->content));
    g_autofree char *file = scratch_get(profiles, NAME);
    g_assert_cmpstr(file, ==, other);

    g_autoptr(Profile) candidate = profile(profiles, 2);
    g_assert_true(good_promote(state, good->path, candidate, other, strlen(other), NULL));
    g_autoptr(Good) promoted = reload(state);
    assert_content(promoted->content, 2);
}

/* Renamed, it is still the same profile's. */
static void test_follows_a_rename(void)
{
    g_autoptr(Scratch) state = scratch_new(), profiles = scratch_new();
    g_autoptr(Good) good = new_good(profiles, 1);
    g_autofree char *path = g_build_filename(profiles, "renamed.nmconnection", NULL), *uuid = sample_uuid(2);
    g_autofree char *text = content(3);
    g_autoptr(Profile) candidate = profile(profiles, 3);

    g_assert_true(good_save(state, good, NULL));
    g_assert_true(good_promote(state, path, candidate, text, strlen(text), NULL));
    g_autoptr(Good) renamed = reload(state);
    g_assert_cmpstr(renamed->path, ==, path);
    assert_content(renamed->content, 3);
}

static Record *ended(const char *profiles, enum trial_state state, gboolean edit, int n)
{
    Record *record = sample_record(profiles, state, 1);
    struct record_pair *pair = &record->pair[0];
    struct record_profile *tried = &pair->candidate;

    pair->edit = edit;
    g_free(tried->uuid);
    g_free(tried->data);
    tried->uuid = sample_uuid(2);
    tried->data = content(n);
    tried->length = strlen(tried->data);
    g_free(edit ? pair->replaced.path : tried->path);
    *(edit ? &pair->replaced.path : &tried->path) = g_build_filename(profiles, NAME, NULL);
    return record;
}

static void wait_for(Good *good, int n)
{
    char *text = content(n);
    g_clear_pointer(&good->waiting, g_bytes_unref);
    good->waiting = g_bytes_new_take(text, strlen(text));
}

static void test_verdicts(void)
{
    g_autoptr(Scratch) state = scratch_new(), profiles = scratch_new();
    g_autoptr(Good) good = new_good(profiles, 1);

    wait_for(good, 2);
    g_assert_true(good_save(state, good, NULL));
    for (int twice = 0; twice < 2; twice++) {
        g_autoptr(Record) reverted = ended(profiles, TRIAL_REVERTING, TRUE, 2);
        g_assert_true(good_close(state, reverted, NULL));
        g_autoptr(Good) after = reload(state);
        g_autoptr(Profile) tried = profile(profiles, 2), another = profile(profiles, 3);
        g_assert_null(after->waiting);
        g_assert_cmpuint(after->failed->len, ==, 1);
        g_assert_true(good_failed(after, tried));
        g_assert_false(good_failed(after, another));
        assert_content(after->content, 1);
    }
    g_autoptr(Good) other = reload(state);
    wait_for(other, 4); /* another change came meanwhile: it goes on waiting */
    g_assert_true(good_save(state, other, NULL));
    g_autoptr(Record) reverted = ended(profiles, TRIAL_REVERTING, TRUE, 3);
    g_assert_true(good_close(state, reverted, NULL));
    g_autoptr(Good) waiting = reload(state);
    assert_content(waiting->waiting, 4);
    /* what is known good has not failed any more */
    g_autofree char *text = content(2);
    good_set_content(waiting, text, strlen(text));
    g_autoptr(Profile) tried = profile(profiles, 2);
    g_assert_false(good_failed(waiting, tried));
    g_assert_cmpuint(waiting->failed->len, ==, 1);
}

/* A delivery waits no more, whatever its file had become when it was tried. */
static void test_delivery(void)
{
    g_autoptr(Scratch) state = scratch_new(), profiles = scratch_new();
    g_autofree char *path = g_build_filename(profiles, NAME, NULL), *uuid = sample_uuid(2);
    g_autoptr(Good) good = good_new(path, uuid);

    wait_for(good, 1);
    g_assert_true(good_save(state, good, NULL));
    g_autoptr(Record) reverted = ended(profiles, TRIAL_REVERTING, FALSE, 2);
    g_assert_true(good_close(state, reverted, NULL));
    g_autoptr(Good) after = reload(state);
    g_assert_null(after->waiting);
    g_assert_null(after->content);
    g_assert_cmpuint(after->failed->len, ==, 1);
}

static void test_failed_at_most(void)
{
    g_autoptr(Scratch) state = scratch_new(), profiles = scratch_new();
    g_autoptr(Good) good = new_good(profiles, 0);

    g_assert_true(good_save(state, good, NULL));
    for (int n = 1; n < 10; n++) {
        g_autoptr(Record) reverted = ended(profiles, TRIAL_REVERTING, TRUE, n);
        g_assert_true(good_close(state, reverted, NULL));
    }
    g_autoptr(Good) after = reload(state);
    g_assert_cmpuint(after->failed->len, ==, GOOD_FAILED_MAX);
    assert_content(after->failed->pdata[0], 9);
    assert_content(after->failed->pdata[GOOD_FAILED_MAX - 1], 2);
}

/* No bytes are no content: the profile would be guarded, with nothing to put back. */
static void test_no_bytes(void)
{
    static const char body[] = "[good]\npath=file:///etc/x\nuuid=5a3b1c9e-0000-4000-8000-000000000002\n"
                               "content=W\nwaiting==\n[failed]\n0=\n";
    g_autoptr(Scratch) state = scratch_new();
    g_autofree char *directory = g_build_filename(state, NM_TRIAL_GOOD, NULL);
    gsize length = 0;
    g_autofree char *file = envelope_seal("nm-trial-good", 1, body, strlen(body), &length);

    g_assert_cmpint(g_mkdir(directory, 0700), ==, 0);
    g_autofree char *path = scratch_put(directory, "x", file);
    g_autoptr(Good) good = reload(state);
    g_assert_null(good->content);
    g_assert_null(good->waiting);
    g_assert_cmpuint(good->failed->len, ==, 0);
}

/* A disk that does not answer is no "there is none": a promotion must not go on without its copy. */
static void test_unreadable(void)
{
    g_autoptr(Scratch) state = scratch_new(), profiles = scratch_new();
    g_autoptr(Good) good = new_good(profiles, 1);
    g_autoptr(Profile) candidate = profile(profiles, 2);
    g_autofree char *text = content(2), *uuid = sample_uuid(2);
    g_autoptr(GError) error = NULL, listed = NULL;

    g_assert_true(good_save(state, good, NULL));
    disk_watch();
    disk.fail_at = 1;
    g_assert_false(good_promote(state, good->path, candidate, text, strlen(text), &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_IO);
    disk.fail_at = disk.calls + 1;
    g_autoptr(GPtrArray) list = good_list(state, &listed);
    g_assert_error(listed, G_FILE_ERROR, G_FILE_ERROR_IO);
    disk.fail_at = disk.calls + 1;
    g_assert_true(good_store(state, good->path, uuid, text, strlen(text), NULL)); /* the way back goes on */
    disk_unwatch();
    g_autofree char *own = scratch_get(profiles, NAME);
    g_assert_cmpstr(own, ==, text);
}

/* That the list cannot be had is not that nothing is guarded. */
static void test_unlisted(void)
{
    g_autoptr(Scratch) directory = scratch_new();
    g_autofree char *path = g_build_filename(directory, NM_TRIAL_GOOD, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(symlink(NM_TRIAL_GOOD, path), ==, 0); /* to itself: it cannot be opened */
    g_autoptr(GPtrArray) list = good_list(directory, &error);
    g_assert_cmpuint(list->len, ==, 0);
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_LOOP);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/good/round-trip", test_round_trip);
    g_test_add_func("/good/damaged", test_damaged);
    g_test_add_func("/good/store-and-promote", test_store_and_promote);
    g_test_add_func("/good/follows-a-rename", test_follows_a_rename);
    g_test_add_func("/good/verdicts", test_verdicts);
    g_test_add_func("/good/delivery", test_delivery);
    g_test_add_func("/good/failed-at-most", test_failed_at_most);
    g_test_add_func("/good/no-bytes", test_no_bytes);
    g_test_add_func("/good/unreadable", test_unreadable);
    g_test_add_func("/good/unlisted", test_unlisted);
    return g_test_run();
}

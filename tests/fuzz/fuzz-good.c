/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of a guarded profile: a file that is taken names a profile, is found by it, and says the
 * same once it is written and read again; any other is set aside, and is in nobody's way. */
#include "fuzz.h"

#include "good.h"
#include "scratch.h"

#include <string.h>

#define NAME "lan.nmconnection"

static Good *only(const Scratch *state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = good_list(state, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(list->len, <=, 1);
    return list->len ? g_ptr_array_steal_index(list, 0) : NULL;
}

static void assert_bytes(GBytes *a, GBytes *b)
{
    g_assert_true(a == b || (a && b && g_bytes_equal(a, b)));
}

static void assert_same(const Good *a, const Good *b)
{
    g_assert_cmpstr(a->path, ==, b->path);
    g_assert_cmpstr(a->uuid, ==, b->uuid);
    g_assert_cmpstr(a->since, ==, b->since);
    assert_bytes(a->content, b->content);
    assert_bytes(a->waiting, b->waiting);
    g_assert_cmpuint(a->failed->len, ==, b->failed->len);
    for (guint i = 0; i < a->failed->len; i++)
        assert_bytes(a->failed->pdata[i], b->failed->pdata[i]);
}

static void assert_usable(const Good *good)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    g_ptr_array_add(list, (gpointer)good);
    g_assert_true(g_path_is_absolute(good->path));
    g_assert_true(nm_utils_is_uuid(good->uuid));
    g_assert_cmpuint(good->failed->len, <=, GOOD_FAILED_MAX);
    g_assert_true(good_of(list, good->path, "") == good);
    g_assert_true(good_of(list, "/elsewhere", good->uuid) == good);
}

/* The same content as known good, waiting and failed is known good alone. */
static void promote(Good *good)
{
    g_autoptr(Profile) profile = good_parse(good, good->waiting);

    if (!profile)
        return;
    g_assert_true(good_waits(good, profile));
    good_set_content(good, profile->data, profile->length);
    g_assert_false(good_waits(good, profile));
    g_assert_false(good_failed(good, profile));
    g_autoptr(Profile) known = good_profile(good);
    g_assert_true(profile_same(known, profile));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gsize length = 0;
    g_autofree char *file = fuzz_file("nm-trial-good", 1, data, size, &length);
    g_autoptr(Scratch) state = scratch_new();
    g_autofree char *directory = g_build_filename(state, NM_TRIAL_GOOD, NULL);
    g_autofree char *path = g_build_filename(directory, NAME, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    fuzz_put(path, file, length);
    g_autoptr(Good) good = only(state);
    if (!good) {
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
        return 0;
    }
    assert_usable(good);
    if (g_str_has_suffix(good->path, "/" NAME)) {
        g_assert_true(good_save(state, good, &error));
        g_autoptr(Good) again = only(state);
        assert_same(good, again);
    }
    promote(good);
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All profiles of a directory: what NetworkManager would load, what is passed over, and why. */
#include "profiles.h"

#include "sample.h"
#include "scratch.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_read_directory(void)
{
    static const char *const ignored[] = {".hidden.nmconnection", "a.nmconnection~", "b.nmmeta",
                                          "c.nmconnection.ABCDEF", ".nm-trial-new.a.nmconnection"};
    g_autoptr(Scratch) dir = scratch_new();
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autofree char *good = sample_profile(1, TRUE, NULL, NULL), *other = sample_profile(2, TRUE, NULL, NULL);
    g_autofree char *link = g_build_filename(dir, "link.nmconnection", NULL);
    g_autofree char *directory = g_build_filename(dir, "dir.nmconnection", NULL);
    g_autofree char *path = scratch_put(dir, "good.nmconnection", good),
                    *old = scratch_put(dir, "old-name", good);
    g_autofree char *broken = scratch_put(dir, "broken.nmconnection", "[connection]\nid=lost\n");
    g_autofree char *writable = scratch_put(dir, "writable.nmconnection", other);

    for (gsize i = 0; i < G_N_ELEMENTS(ignored); i++)
        g_free(scratch_put(dir, ignored[i], good));
    g_assert_cmpint(g_chmod(writable, 0666), ==, 0);
    g_assert_cmpint(symlink(path, link), ==, 0);
    g_assert_cmpint(g_mkdir(directory, 0700), ==, 0);

    g_autoptr(GPtrArray) profiles = profile_read_directory(dir, skipped);
    g_assert_cmpuint(profiles->len, ==, 2);
    for (guint i = 0; i < profiles->len; i++) {
        const Profile *profile = profiles->pdata[i];
        g_assert_true(strcmp(profile->path, path) == 0 || strcmp(profile->path, old) == 0);
        g_assert_cmpstr(profile->id, ==, "profile 1");
        g_assert_cmpstr(profile_interface(profile), ==, SAMPLE_DEVICE);
        g_assert_cmpstr(profile_type(profile), ==, "802-3-ethernet");
    }
    g_assert_cmpuint(skipped->len, ==, 3);
    for (guint i = 0; i < skipped->len; i++) {
        const struct profile_skipped *entry = skipped->pdata[i];
        g_assert_nonnull(strstr(entry->why, entry->path));
        if (strcmp(entry->path, broken) == 0) {
            g_assert_cmpstr(entry->id, ==, "lost");
            g_assert_null(entry->uuid);
        } else if (strcmp(entry->path, writable) == 0)
            g_assert_cmpstr(entry->id, ==, "profile 2");
        else
            g_assert_cmpstr(entry->path, ==, link);
    }
    g_autoptr(GPtrArray) same = profile_read_directory(dir, NULL); /* nobody wants to know */
    g_assert_cmpuint(same->len, ==, 2);
    g_autoptr(GPtrArray) none = profile_read_directory("/nonexistent/nm-trial", skipped);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpuint(skipped->len, ==, 3);
}

/* What cannot be listed may hold what counts; what is not there holds nothing. */
static void test_read_directory_unlisted(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autofree char *file = scratch_put(dir, "file", "x"), *nowhere = g_build_filename(dir, "nowhere", NULL);
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) none = profile_read_directory(nowhere, skipped);
    g_assert_true(none->len == 0 && skipped->len == 0 && profile_all_readable(skipped, &error));
    g_assert_no_error(error);
    g_autoptr(GPtrArray) unlisted = profile_read_directory(file, skipped);
    g_assert_true(unlisted->len == 0 && skipped->len == 1 && !profile_all_readable(skipped, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_IO);
}

/* Neither reading it nor looking for its name may hang: this runs before NetworkManager's start. */
static void test_read_directory_fifo(void)
{
    g_autoptr(Scratch) dir = scratch_new();
    g_autoptr(GPtrArray) skipped = profile_skipped_new();
    g_autofree char *fifo = g_build_filename(dir, "fifo.nmconnection", NULL);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    alarm(10); /* ends the test, red */
    g_autoptr(GPtrArray) profiles = profile_read_directory(dir, skipped);
    alarm(0);
    g_assert_cmpuint(profiles->len, ==, 0);
    g_assert_cmpuint(skipped->len, ==, 1);
}

/* A look before the work: a hidden file is none. */
static void test_mentioned(void)
{
    static const struct {
        const char *name, *text;
        gboolean expected;
    } cases[] = {
        {"a.nmconnection", "[user]\nnm-trial.start=boot\n", TRUE},
        {"a.nmconnection", "[user]\nnm-trial\\2estart=boot\n", TRUE},
        {"a.nmconnection", "[user]\nnm-trial.state=boot\n", FALSE},
        {".a.nmconnection", "[user]\nnm-trial.start=boot\n", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Scratch) dir = scratch_new();
        g_autofree char *path = scratch_put(dir, cases[i].name, cases[i].text);
        g_test_message("%s", cases[i].text);
        g_assert_cmpint(profile_mentioned(dir, ANNOTATION_START), ==, cases[i].expected);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/profiles/mentioned", test_mentioned);
    g_test_add_func("/profiles/read-directory/skips", test_read_directory);
    g_test_add_func("/profiles/read-directory/unlisted", test_read_directory_unlisted);
    g_test_add_func("/profiles/read-directory/fifo", test_read_directory_fifo);
    return g_test_run();
}

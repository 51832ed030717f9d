/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the disk does not tell. (What is found on real storage: tests/integration/test_doctor.py.) */
#include "plan.h"
#include "scratch.h"
#include "storage.h"

#include <errno.h>
#include <unistd.h>

/* A link to itself: the nearest that one gets to a disk that answers with an error. */
static char *unanswered(const Scratch *directory)
{
    char *path = g_build_filename(directory, "loop", NULL);
    g_assert_cmpint(symlink("loop", path), ==, 0);
    return path;
}

static void is_not_told(void)
{
    g_autoptr(Scratch) directory = scratch_new();
    g_autofree char *path = unanswered(directory);
    gboolean (*const ask[])(const char *, char **, char **) = {storage_is_lost, storage_is_open};

    for (gsize i = 0; i < G_N_ELEMENTS(ask); i++) {
        g_autofree char *what = NULL, *mend = NULL;
        g_assert_true(ask[i](path, &what, &mend));
        g_assert_nonnull(strstr(what, g_strerror(ELOOP)));
        g_assert_null(mend);
    }
    int code = 0;
    g_autofree char *open = storage_open_to_others(path, &code);
    g_assert_cmpstr(open, ==, path);
    g_assert_cmpint(code, ==, ELOOP);
}

/* It is no refusal: that would drop for good what waits to be tried. */
static void is_a_failure_of_the_disk(void)
{
    g_autoptr(Scratch) directory = scratch_new();
    g_autofree char *path = unanswered(directory);
    g_autoptr(GError) error = NULL;

    g_assert_false(plan_directory(path, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_IO);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/storage/is-not-told", is_not_told);
    g_test_add_func("/storage/is-a-failure-of-the-disk", is_a_failure_of_the_disk);
    return g_test_run();
}

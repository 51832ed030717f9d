/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <glib/gstdio.h>

Scratch *scratch_new(void)
{
    g_autoptr(GError) error = NULL;
    char *path = g_dir_make_tmp("nm-trial-test-XXXXXX", &error);

    g_assert_no_error(error);
    return path;
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *list(const Scratch *directory)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_name);
    return names;
}

static void remove_all(const char *path)
{
    if (g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK)) {
        g_autoptr(GPtrArray) names = list(path);
        for (guint i = 0; i < names->len; i++) {
            g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
            remove_all(child);
        }
    }
    g_assert_cmpint(g_remove(path), ==, 0);
}

void scratch_free(Scratch *directory)
{
    if (directory)
        remove_all(directory);
    g_free(directory);
}

char *scratch_put(const Scratch *directory, const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(directory, name, NULL);

    (void)g_unlink(path); /* without it GLib would sync, or leave the end of what was longer */
    g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
    return path;
}

char *scratch_get(const Scratch *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

char *scratch_names(const Scratch *directory)
{
    g_autoptr(GPtrArray) names = list(directory);

    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **)names->pdata);
}

static char **cannot_list(const char *directory, GError **error)
{
    (void)directory;
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_IO, "by the test");
    return NULL;
}

struct profiles_port scratch_unlisted(void)
{
    struct profiles_port port = profiles_files;
    port.names = cannot_list;
    return port;
}

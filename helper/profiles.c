/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profiles.h"

#include "names.h"
#include "store.h"

#include <errno.h>
#include <glib/gstdio.h>

const struct profiles_port *profile_port = &profiles_files;

static char **names(const char *directory, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &failure);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    if (failure && !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    /* readdir(3) tells an error from the end by errno alone */
    while (dir && (errno = 0, name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        if (!g_file_test(path, G_FILE_TEST_IS_DIR))
            g_ptr_array_add(found, g_strdup(name));
    }
    if (dir && errno) {
        g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno), "%s: %s", directory,
                    g_strerror(errno));
        return NULL;
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

/* NM makes its directory in /run when it first needs it. */
static gboolean write_file(const char *path, const char *data, gsize length, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    if (strcmp(directory, NM_RUN_PROFILE_DIR) == 0)
        (void)g_mkdir_with_parents(directory, 0755);
    return store_write(path, data, length, error);
}

const struct profiles_port profiles_files = {store_read_trusted, write_file, store_remove, names};

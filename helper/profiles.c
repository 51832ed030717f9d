/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profiles.h"

#include "store.h"

const struct profiles_port *profile_port = &profiles_files;

static char **names(const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    g_autoptr(GStrvBuilder) found = g_strv_builder_new();
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        if (!g_file_test(path, G_FILE_TEST_IS_DIR))
            g_strv_builder_add(found, name);
    }
    return g_strv_builder_end(found);
}

const struct profiles_port profiles_files = {store_read_trusted, store_write, store_remove, names};

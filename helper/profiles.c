/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profiles.h"

#include "names.h"
#include "store.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

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

static void skipped_free(gpointer data)
{
    struct profile_skipped *skipped = data;
    g_free(skipped->path);
    g_free(skipped->id);
    g_free(skipped->uuid);
    g_free(skipped->why);
    g_free(skipped);
}

GPtrArray *profile_skipped_new(void)
{
    return g_ptr_array_new_with_free_func(skipped_free);
}

static void skip(GPtrArray *skipped, const char *path, const GError *why)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    struct profile_skipped *entry = g_new0(struct profile_skipped, 1);
    g_autofree char *data = NULL;
    gsize length = 0;

    entry->path = g_strdup(path);
    entry->why = g_strdup(why->message);
    entry->unreadable = why->domain == G_FILE_ERROR && !store_has_none(why);
    if (store_read(path, &data, &length, NULL) &&
        g_key_file_load_from_data(file, data, length, G_KEY_FILE_NONE, NULL)) {
        entry->id = g_key_file_get_string(file, GROUP_CONNECTION, "id", NULL);
        entry->uuid = g_key_file_get_string(file, GROUP_CONNECTION, "uuid", NULL);
    }
    g_ptr_array_add(skipped, entry);
}

gboolean profile_all_readable(const GPtrArray *skipped, GError **error)
{
    for (guint i = 0; i < skipped->len; i++) {
        const struct profile_skipped *entry = skipped->pdata[i];
        if (entry->unreadable) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "%s", entry->why);
            return FALSE;
        }
    }
    return TRUE;
}

/* NM's own rule for names in that directory, as far as files matter to us
 * (nm_keyfile_utils_ignore_filename()). */
gboolean profile_ignored(const char *name)
{
    const char *temporary = g_strrstr(name, KEYFILE_SUFFIX ".");
    return name[0] == '.' || g_str_has_suffix(name, "~") || g_str_has_suffix(name, NM_META_SUFFIX) ||
           (temporary && strlen(temporary) == strlen(KEYFILE_SUFFIX ".") + 6);
}

GPtrArray *profile_read_directory(const char *directory, GPtrArray *skipped)
{
    GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)profile_free);
    g_autoptr(GError) failure = NULL;
    g_auto(GStrv) names = profile_port->names(directory, &failure);

    if (failure && skipped)
        skip(skipped, directory, failure);
    for (char **name = names; name && *name; name++) {
        g_autofree char *path = g_build_filename(directory, *name, NULL);
        g_autoptr(GError) error = NULL;
        char *data = NULL;
        gsize length = 0;
        if (profile_ignored(*name))
            continue;
        Profile *profile = profile_port->read(path, &data, &length, &error)
                               ? profile_parse(path, data, length, &error)
                               : NULL;
        if (profile)
            g_ptr_array_add(found, profile);
        else if (skipped)
            skip(skipped, path, error);
    }
    return found;
}

gboolean profile_mentioned(const char *directory, const char *key)
{
    g_auto(GStrv) names = profile_port->names(directory, NULL);
    gboolean found = !names;

    for (char **name = names; name && *name && !found; name++) {
        g_autofree char *path = g_build_filename(directory, *name, NULL), *data = NULL;
        gsize length = 0;
        found = !profile_ignored(*name) && profile_port->read(path, &data, &length, NULL) &&
                (strstr(data, key) || strchr(data, '\\'));
    }
    return found;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the profiles' files are: in NetworkManager's directories, which is how it is on a host and in a
 * container that was given them; or behind NetworkManager itself, where there is nothing but its D-Bus
 * socket. All that touches a profile's file does it here; paths are the host's in both cases, and so are
 * errors (G_FILE_ERROR). */
#pragma once

#include <glib.h>

/* One of the two. Each function is as the one of store.h that it stands for. */
struct profiles_port {
    gboolean (*read)(const char *path, char **ret_data, gsize *ret_length, GError **error);
    gboolean (*write)(const char *path, const char *data, gsize length, GError **error);
    gboolean (*remove)(const char *path, GError **error);
    /* The names of the files in a directory, without the directories in it; of one that is not there, none.
     * NULL-terminated; caller frees. NULL with `error`: it cannot be read to its end. */
    char **(*names)(const char *directory, GError **error);
};
extern const struct profiles_port *profile_port;

/* The files themselves: the port to begin with. */
extern const struct profiles_port profiles_files;
/* profiles-dbus.c: through NetworkManager, and durable by the host's systemd. */
extern const struct profiles_port profiles_dbus;
/* The same for what is in /run alone. */
extern const struct profiles_port profiles_mixed;

/* Takes the files where NetworkManager's directories are here, else the D-Bus socket, for the process's life.
 */
void profiles_choose(void);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the profiles' files are: in NetworkManager's directories, which is how it is on a host and in a
 * container that was given them; or behind NetworkManager itself, where there is nothing but its D-Bus
 * socket. All that touches a profile's file does it here; paths are the host's in both cases, and so are
 * errors (G_FILE_ERROR). */
#pragma once

#include "profile.h"

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

/* Every profile that NM would load from the directory (array of Profile, owned). Files that nobody may be
 * trusted with or that cannot be understood are left out; each is reported to `skipped` (may be NULL), an
 * array of struct profile_skipped that the caller made with profile_skipped_new(); so is the directory itself
 * where its names cannot be read, and then no profile is returned. */
struct profile_skipped {
    char *path;
    char *id; /* what a plain look at the file shows, NULL: nothing */
    char *uuid;
    char *why;
    gboolean unreadable; /* the disk does not tell: it may well be a profile */
};
GPtrArray *profile_read_directory(const char *directory, GPtrArray *skipped);
GPtrArray *profile_skipped_new(void);

/* Whether nothing was passed over because it could not be read: whatever is in it counts. FALSE with a
 * G_FILE_ERROR: the first that could not. */
gboolean profile_all_readable(const GPtrArray *skipped, GError **error);

/* Whether some profile in the directory may have that key: its bytes have it, or a backslash, by which a
 * keyfile can spell a key otherwise. A look before the work of profile_read_directory(), which has libnm
 * loaded. A file that cannot be read has nothing in it; a directory that cannot be listed may have it. */
gboolean profile_mentioned(const char *directory, const char *key);

/* Whether NM passes over a file of that name in a directory of profiles: a hidden one, a backup, a temporary
 * one. */
gboolean profile_ignored(const char *name);

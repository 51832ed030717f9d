/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A profile's file: what it says, what that means (by libnm), and the same with other flags. It writes no
 * file itself. */
#pragma once

#include "names.h"
#include "trial.h"

#include <NetworkManager.h>
#include <glib.h>

typedef struct {
    char *path; /* absolute */
    char *data; /* the file's bytes, NUL-terminated */
    gsize length;
    char *uuid;
    char *id;
    gboolean autoconnect;
    int priority;            /* connection.autoconnect-priority */
    GPtrArray *annotations;  /* the nm-trial.* keys of [user], each before its value */
    struct meaning *meaning; /* profile.c's own */
} Profile;

/* Takes the bytes of a file over for good (also on failure). Errors (NM_CONNECTION_ERROR, G_KEY_FILE_ERROR)
 * say what is wrong with the file in words: not a keyfile, no uuid or id of its own (libnm and NM would each
 * make up another one), or refused by libnm. Caller frees with profile_free(). */
Profile *profile_parse(const char *path, char *data, gsize length, GError **error);

/* The same. Where the content says what one of `like` does (NULL-terminated; each was understood before, and
 * is in the same directory), but for what this program changes itself, libnm is not asked, nor loaded: it is
 * two thirds of a start. So it is with most looks at the files of a trial. */
Profile *profile_parse_like(const char *path, char *data, gsize length, const Profile *const *like,
                            GError **error);

/* The same of bytes that were understood before they were stored, by root alone: a record's, a known-good
 * copy's. */
Profile *profile_parse_known(const char *path, char *data, gsize length, GError **error);

void profile_free(Profile *profile);

/* What was parsed is remembered, some contents of it, until this: to libnm a certificate by its bare name is
 * a path only where that file exists, and files come and go. */
void profile_forget(void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Profile, profile_free)

/* Whether libnm takes it for a profile's UUID (nm_utils_is_uuid()): older ones have 40 digits. It is not
 * libnm's own word, as an event in the middle of a trial would load it for that alone. */
gboolean profile_is_uuid(const char *text);

/* Whether that is how a person names the profile: its UUID or its id. */
gboolean profile_named(const Profile *profile, const char *name);
/* The first of them (Profile) with that UUID; NULL: none. Borrowed. */
Profile *profile_by_uuid(const GPtrArray *profiles, const char *uuid);

/* What libnm makes of it, secrets included; borrowed, and nobody changes it. NULL only of known content (and
 * what was like it) that the libnm of today does not take. */
NMConnection *profile_connection(const Profile *profile);

/* connection.type, "" where there is no connection; connection.interface-name, NULL: none. Borrowed. */
const char *profile_type(const Profile *profile);
const char *profile_interface(const Profile *profile);

/* An annotation of the profile's [user] section, NULL: none. Owned by the profile. */
const char *profile_annotation(const Profile *profile, const char *key);

/* The keys of our own annotations that it has, with their prefix, NULL-terminated. Caller frees. */
char **profile_annotation_keys(const Profile *profile);

/* Whether its annotations may be believed: one with permissions is a user's own, who may write into it what
 * he likes. (That the file is root's alone, store_read_trusted() has seen.) */
gboolean profile_believed(const Profile *profile);

/* Whether its annotation asks for it to be guarded. */
gboolean profile_asks_guard(const Profile *profile);

/* Whether two profiles mean the same to NetworkManager, secrets included, but for what this program changes
 * itself: autoconnect, autoconnect-priority and the nm-trial.* annotations. Comments and keys that NM does
 * not know do not count. */
gboolean profile_same(const Profile *a, const Profile *b);

/* What a trial's profile is to say of itself. */
struct profile_flags {
    gboolean autoconnect;
    int priority;       /* at least this; PROFILE_KEEP_PRIORITY: as it is */
    const char *state;  /* nm-trial.state, NULL: no annotation is touched; PROFILE_NO_STATE: removed */
    const char *reason; /* nm-trial.reason, NULL: removed (with a state) */
};
#define PROFILE_KEEP_PRIORITY G_MININT
#define PROFILE_NO_STATE ""

/* The profile's bytes with the flags changed and every other byte as it was: comments, unknown keys, order,
 * white space, line ends. The result was read back and means the same as before but for the flags. NULL with
 * `error` (a defect or a hostile file). Caller frees. */
char *profile_with_flags(const Profile *profile, const struct profile_flags *flags, gsize *ret_length,
                         GError **error);

/* One annotation to be set; value NULL: removed. */
struct profile_annotation {
    const char *key; /* with its prefix */
    const char *value;
};
/* The profile's bytes with those annotations, and every other byte as it was; read back as above. NULL with
 * `error`: NM would not have such a value, or the file is hostile. Caller frees. */
char *profile_with_annotations(const Profile *profile, const struct profile_annotation *annotations, gsize n,
                               gsize *ret_length, GError **error);

/* How the file's flags look to a trial that would promote it at `priority`. */
enum flags_state profile_flags_state(const Profile *profile, int priority);

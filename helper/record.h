/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The record: everything that a trial needs to end rightly, as bytes (HACKING.md specifies them) and back. It
 * embeds the profiles' content, so that recovery needs nothing else. It holds secrets: the file is root's
 * alone, and nothing of an embedded profile is ever logged. */
#pragma once

#include "trial.h"

#include <glib.h>

#define RECORD_VERSION 1
#define RECORD_ID_LENGTH 8

/* A profile as it was when the trial started. */
struct record_profile {
    char *uuid;
    char *id;
    char *path;
    char *data;
    gsize length;
};

struct record_pair {
    struct record_profile candidate;
    struct record_profile replaced; /* all NULL with `--replace none` */
    char *device;                   /* interface name */
    int priority;      /* autoconnect-priority that the candidate is to have at least once promoted */
    gboolean judged;   /* by the checks: a port has no network of its own */
    gboolean edit;     /* the candidate is new content for the replaced profile (see edit.h) */
    char *active_path; /* D-Bus path that ActivateConnection returned, NULL: nothing activated (see
                          `activated`) */
};

typedef struct {
    char *id;
    struct trial trial;
    char *boot_id;
    gint64 started_ms;            /* CLOCK_BOOTTIME */
    char *started_by;             /* for people */
    char **checks;                /* names, NULL-terminated, may be empty */
    char *nm_name;                /* NM's unique bus name that the activations belong to */
    char *checkpoint;             /* D-Bus path, NULL: none */
    char *checkpoint_nm;          /* NM's unique bus name that made it */
    gint64 checkpoint_created_ms; /* its Created property, CLOCK_BOOTTIME */
    char *detail;                 /* more about the reason, for people, NULL: nothing */
    char *baseline;               /* what the checks said of the old network: JSON text, NULL: not asked */
    struct record_pair pair[TRIAL_PAIRS_MAX];
} Record;

/* An empty one, with an empty list of checks. Caller frees. */
Record *record_new(void);
void record_free(Record *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)

/* The record's bytes; caller frees. Never fails. */
char *record_format(const Record *record, gsize *ret_length);

/* Reads a record's bytes; caller frees with record_free(). NULL with a G_KEY_FILE_ERROR that says why:
 * truncated, a wrong checksum, a newer version, a value out of its range. Nothing is guessed. */
Record *record_parse(const char *data, gsize length, GError **error);

/* What the trial's checks judge: this trial's activations under the NM that made them, as text. A result that
 * was had on another subject does not count. Caller frees. */
char *record_subject(const Record *record);

/* Whether `text` looks like a trial's id. */
gboolean record_id_valid(const char *text);

/* The bytes' envelope, shared with the history: "<kind> <version> <length> <SHA-256>\n" and then the body. */
char *envelope_seal(const char *kind, int version, const char *body, gsize length, gsize *ret_length);
/* Points *ret_body into `data`. */
gboolean envelope_open(const char *kind, int version, const char *data, gsize length, const char **ret_body,
                       gsize *ret_length, GError **error);

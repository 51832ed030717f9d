/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One check on one device at a time: what the kinds of check share. For checks.c.
 *
 * All find the device first. "nm" and "gateway" then read what its profile asks for, and ask something of
 * each family that counts, on the device itself and at the same time: the round. An own check is run. They
 * differ in a struct check_kind. */
#pragma once

#include <gio/gio.h>

#include "checks.h"

#define N_FAMILIES 2

/* Whether there is such a check ("none" is not one). */
gboolean check_device_known(const char *name);

/* Checks the device of the record's `pair`. Has no limit of its own; when `cancellable` fires, it ends. */
void check_device_async(Bus *bus, const char *name, const Record *record, int pair, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer data);

/* TRUE: passing. *ret_output says what was seen, whether it passes or not (caller frees); it is untouched
 * only when FALSE comes with `error`, the cancellation. */
gboolean check_device_finish(GAsyncResult *result, char **ret_output, GError **error);

/* The rest is between check-device.c and the kinds. A GTask's data is its struct check; each function below
 * either starts the next call or gives the task its result. */

struct question {
    GTask *task;
    guint family; /* index into check_families */
};

struct check_kind {
    const char *name;                           /* NULL: any other */
    void (*begin)(GTask *task);                 /* comes to check_find_device() */
    void (*found)(GTask *task);                 /* the device is known, and activated */
    void (*prepare)(GTask *task);               /* device and families are known; comes to check_round() */
    void (*start)(struct question *question);   /* comes to check_answered() */
    void (*end)(GTask *task, gboolean passing); /* the round is over: returns a result */
};
extern const struct check_kind check_kind_nm;
extern const struct check_kind check_kind_gateway;
extern const struct check_kind check_kind_own;

struct check {
    const struct check_kind *kind;
    Bus *bus;
    char *iface;      /* once the device is found, the one that has the addresses (NM's IpInterface) */
    char *path;       /* the device's */
    GVariant *device; /* its properties */
    struct checks_families families;
    guint good;      /* a set of enum checks_family: those that have passed */
    GString *output; /* what was seen */
    void (*next)(GTask *task, GVariant *reply);
    /* the round */
    GCancellable *cancelled; /* ends what is no longer needed */
    GSource *stop;
    guint pending;
    /* nm */
    char *uri;
    guint connected; /* the families that took a connection in the round */
    gboolean settled;
    /* gateway */
    char *gateway[N_FAMILIES]; /* NULL: none */
    /* an own check */
    char *name;
    char *id;   /* the trial's */
    char *uuid; /* the candidate's */
};

extern const struct check_family {
    enum checks_family bit;
    const char *name;
} check_families[N_FAMILIES];

/* Adds to what was seen, for people. */
void check_say(struct check *check, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The families that count: an optional one that is down says nothing while another is required. */
guint check_counted(const struct check *check);

/* Calls NetworkManager and goes on with next(); a call that fails is the end of the check, but for the search
 * of the device. */
void check_ask(GTask *task, const char *path, const char *iface, const char *method, GVariant *arguments,
               const char *reply_type, void (*next)(GTask *task, GVariant *reply));
void check_ask_properties(GTask *task, const char *path, const char *iface,
                          void (*next)(GTask *task, GVariant *reply));

/* Finds the device, then comes to the kind's found(). */
void check_find_device(GTask *task);
/* Finds the families that its profile asks for, then comes to the kind's prepare(). */
void check_find_families(GTask *task);
/* Asks each family that counts, at the same time. */
void check_round(GTask *task);

/* The question's answer, once; `what` answered, or `error` (may be NULL) says why not. Frees the question. */
void check_answered(struct question *question, gboolean good, const char *what, GError *error);

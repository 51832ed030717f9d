/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb doctor: is this device set up so that a trial can be trusted? Each examination looks at one thing
 * and says what it found; none changes anything. */
#pragma once

#include "network.h"
#include "record.h"

#include <gio/gio.h>

enum finding_state { FINDING_OK, FINDING_WARNING, FINDING_FAILURE };

struct finding {
    const char *name; /* the examination's */
    enum finding_state state;
    char *text;   /* what was found */
    char *advice; /* what to do, "": nothing */
};

typedef struct {
    const char *name; /* the examination under way */
    Network *network;
    char *away;          /* why NetworkManager cannot be asked, NULL: it answers */
    gboolean systemd;    /* it answers on D-Bus */
    GPtrArray *profiles; /* Profile: what is stored in the profile directory */
    GPtrArray *skipped;  /* struct profile_skipped: what cannot be used there */
    Record *record;      /* the open trial, NULL: none, or its record cannot be read */
    char *unreadable;    /* why it cannot, NULL: it can */
    GPtrArray *findings; /* struct finding */
} Doctor;

/* Adds a finding. Takes `text` and `advice` (NULL: none) over, and cleans what is not for a terminal. */
void doctor_say(Doctor *doctor, enum finding_state state, char *text, char *advice);
/* Adds "all is well" if the examination has found nothing since there were `before` findings. Takes `text`
 * over. */
void doctor_say_well(Doctor *doctor, guint before, char *text);

/* bus_call() on the doctor's bus, within NETWORK_CALL_MS; the error's message (`error` may be NULL) is for
 * people. */
GVariant *doctor_call(const Doctor *doctor, const char *name, const char *path, const char *interface,
                      const char *method, GVariant *arguments, const char *reply, GError **error);
/* One property, or NULL: it cannot be had, or is of another type. Caller unrefs. */
GVariant *doctor_property(const Doctor *doctor, const char *name, const char *path, const char *interface,
                          const char *property, const char *type);
/* "enabled", "masked", ... as systemctl is-enabled says; NULL with `error` (may be NULL): there is no such
 * unit. Caller frees. */
char *doctor_unit_state(const Doctor *doctor, const char *unit, GError **error);

/* How far a version of NetworkManager can be trusted: older than 1.30 nobody has tried it, older than 1.42 it
 * does not tell of a reapply. */
enum finding_state doctor_judge_version(const char *version);

/* The examinations, in files of their own. Each adds at least one finding. */
void doctor_networkmanager(Doctor *doctor); /* doctor-system.c */
void doctor_connectivity(Doctor *doctor);
void doctor_units(Doctor *doctor);
void doctor_dispatcher(Doctor *doctor);  /* doctor-dispatcher.c */
void doctor_executables(Doctor *doctor); /* doctor-executables.c */
void doctor_storage(Doctor *doctor);     /* doctor-storage.c */
void doctor_copiers(Doctor *doctor);
void doctor_profiles(Doctor *doctor);  /* doctor-profiles.c */
void doctor_leftovers(Doctor *doctor); /* doctor-leftovers.c */

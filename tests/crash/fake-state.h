/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the fake NetworkManager has in memory; shared by fake-nm.c, its behaviour, and fake-port.c, the
 * functions of network.h. */
#pragma once

#include "profile.h"

#define DEVICES_MAX 4

/* A file that it has loaded. */
struct storage {
    Profile *profile;
};

struct device {
    const char *name;
    char *uuid;    /* of what is activated or being so, NULL: nothing */
    char *text;    /* ... the file's text then */
    char *path;    /* ... its active connection's D-Bus path */
    char *blocked; /* the profile that autoconnect does not take again, NULL: none */
    GVariant *applied;
    guint32 state;   /* NMActiveConnectionState */
    guint32 reason;  /* of its last failure */
    gint64 done_ms;  /* when the activation ends, 0: none is under way */
    gboolean fails;  /* ... that way */
    gboolean off;    /* disconnected: autoconnect leaves it alone */
    gboolean merged; /* taken over with another content than what runs */
};

/* What a checkpoint has of a device; uuid NULL: nothing was up. */
struct saved {
    struct device *device;
    char *uuid;
    char *file;
    char *text;
};

struct checkpoint {
    char *path;
    gint64 created_ms;
    guint32 timeout_s;
    GPtrArray *saved;
};

extern struct fake {
    gboolean running;
    gint64 ready_ms; /* when its startup ends */
    guint bus_name;
    guint activations, checkpoint_number;
    GPtrArray *storages;    /* struct storage */
    GPtrArray *checkpoints; /* struct checkpoint */
    struct device device[DEVICES_MAX];
    guint n_devices;
} fake;

/* What it goes by for that UUID, or that D-Bus path; NULL: it knows none. */
struct storage *fake_find(const char *uuid);
struct storage *fake_by_object(const char *object);
/* Caller frees. */
char *fake_object(const char *uuid);
/* As GetSettings has it; caller unrefs. */
GVariant *fake_settings(const struct storage *storage);
/* NULL: there is none. */
struct device *fake_device(const char *name);
void fake_activate(struct device *device, const struct storage *storage);
void fake_take_down(struct device *device);
void fake_autoconnect(void);
/* Whether it is over the device. */
gboolean fake_is_over(const struct checkpoint *checkpoint, const struct device *device);
struct checkpoint *fake_checkpoint(struct device **devices, guint n, guint32 timeout_s);

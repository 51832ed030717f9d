/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every operation, simulated: the real engine, record, store and verbs over a disk in memory (sim-disk.h) and
 * a fake NetworkManager (fake-nm.h). sim.c walks, sim-world.c lives, sim-scenes.c says what happens. */
#pragma once

#include "record.h"

#include <glib.h>

/* What a step of a scene does, at a time. */
struct sim_step {
    gint64 at_ms; /* after the scene's beginning */
    /* a command line of nm-trial ("start new ..."), or of the world: "put PATH CONTENT-NAME", "remove PATH",
     * "up UUID-NAME", "kill-nm", "reboot", "corrupt" (the record) */
    const char *command;
    int exit; /* what nm-trial must answer when nothing is cut, -1: the world does it */
};

#define SIM_STEPS_MAX 6
#define SIM_FILES_MAX 5
#define SIM_DEVICES_MAX 2

struct sim_scene {
    const char *name;
    const char *files[SIM_FILES_MAX]; /* names of profiles in sim_profile() that are stored at first */
    struct {
        const char *device;
        const char *good;      /* id, NULL: the device has no network */
        const char *candidate; /* id; NULL: `content` */
        const char *content;   /* an edit: the name of good's new content */
    } pair[SIM_DEVICES_MAX];
    struct sim_step steps[SIM_STEPS_MAX];
    const char *verdict; /* the history's reason when nothing is cut; NULL: no trial is closed */
    gboolean promoted;
    const char *hands; /* id of a profile that somebody else changes meanwhile, NULL: nobody does */
};
extern const struct sim_scene sim_scenes[];
extern const gsize sim_n_scenes;

/* The text of a profile of that name. Caller frees. */
char *sim_profile(const char *name);
/* Where a profile of that name is stored. Caller frees. */
char *sim_path(const char *name);
const char *sim_uuid(const char *id);

/* The clocks: CLOCK_BOOTTIME, and the wall's, which somebody sets back by an hour in the middle of it. */
gint64 sim_now_ms(void);
gint64 sim_wall_ms(void);

/* What the checks see of the trial's devices now. */
gboolean sim_passes(const Record *record);

/* sim-world.c */

enum sim_who { SIM_NOBODY, SIM_OPERATOR, SIM_AGENT, SIM_BOOT };

/* Who runs now. */
enum sim_who world_running(void);
/* Makes the world of the scene; `seed` is the order of what comes at the same time. */
void world_begin(const struct sim_scene *scene, guint32 seed);
/* Lives until nothing is left to happen. */
void world_live(void);
/* What was running is dead, or everything is (a power cut has been done to the disk): to be followed by
 * world_live(). */
void world_process_died(void);
void world_power_off(void);
/* Nobody but NetworkManager does anything for so long. */
void world_pause(gint64 ms);
/* NetworkManager dies, and is started again. */
void world_network_died(void);
/* The machine is shut down and boots. */
void world_boot_again(void);
/* Whether what runs there is what its file has. */
gboolean world_runs_what_is_stored(const char *device);
/* Which command has answered 0: confirm, cancel; NULL: none. */
const char *world_answered(void);
/* Everything but files and NetworkManager that decides what can come. Caller frees. */
char *world_digest(void);
/* The same of what a power cut leaves. Caller frees. */
char *world_digest_after_cut(void);

/* sim.c */

/* A promise is broken. */
void sim_broken(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* For people, in a replay. */
void sim_say(const char *format, ...) G_GNUC_PRINTF(1, 2);
gboolean sim_undisturbed(void);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A NetworkManager in memory, behind the functions of network.h, which it has in the place of network.c. It
 * behaves as the real one was seen to (the project's facts; each behaviour names its own), and in nothing
 * beyond what nm-trial relies on; test-conform runs the same script on both. */
#pragma once

#include <glib.h>

/* It sees these devices (NULL-terminated names). It does not run yet. */
void fake_begin(const char *const *devices);

/* It starts on what is on the disk: with the machine (nothing is up yet), or again (it takes over what is).
 */
void fake_boot(void);
void fake_start_again(void);
/* It dies: its memory is gone, the devices go on. */
void fake_die(void);
gboolean fake_running(void);
/* So is the machine. */
void fake_power_off(void);

/* When something comes to its end in it (CLOCK_BOOTTIME, ms), G_MAXINT64: nothing. fake_pass() does what is
 * due by now. */
gint64 fake_next_ms(void);
void fake_pass(void);

/* `nmcli connection up`, by somebody. */
void fake_up(const char *uuid);
/* The same for `nmcli connection down`, and what another tool has written and loaded. */
void fake_down(const char *uuid);
void fake_load(const char *path);
/* Another tool's checkpoint over a device, unless there is one. */
void fake_checkpoint_of_others(const char *device, guint32 timeout_s);

/* The UUID of what is up on a device, NULL: nothing is, or not yet. Borrowed. */
const char *fake_active(const char *device);
/* The file's text of what runs there. Borrowed; NULL: nothing. */
const char *fake_runs(const char *device);
/* Whether it took the device over with another content than what had been activated. */
gboolean fake_merged(const char *device);
/* The UUID of the profile that a boot on this disk would bring up there; NULL: none. Caller frees. */
char *fake_would_boot(const char *device);
guint fake_checkpoints(void);
/* A profile of whose flags it has something else than the file says; caller frees the path. NULL: none. */
char *fake_behind(void);

/* Changes of its memory, so far. */
extern guint fake_changes;
/* Of all that it knows. Caller frees. */
char *fake_digest(void);
/* What it tells of each profile that has come up; `again`: it was restarted, and took it over. */
extern void (*fake_came_up)(const char *uuid, const char *device, gboolean again);
/* Whether a call of that name only asks: the trial must end as it would have without a refusal of it. */
gboolean fake_is_question(const char *call);
/* What it asks before each call; TRUE: it refuses it. */
extern gboolean (*fake_before)(const char *call, const char *what);

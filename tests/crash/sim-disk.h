/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk in memory, in the place of the system calls (os.h) and of the few that GLib makes: it knows what a
 * power cut leaves. (tests/unit/disk.c keeps real files, which a fork() would share.) What is in /run is in
 * memory, and gone with the power. */
#pragma once

#include <glib.h>

/* Puts the disk, empty but for these directories (NULL-terminated), in the place of the kernel's. */
void disk_begin(const char *const *listed);

/* A file that is there, durably, by somebody else; NULL: it is removed. */
void disk_put(const char *path, const char *content);
/* As NM writes: the file is synced and renamed, the directory is not synced. */
void disk_put_lazily(const char *path, const char *content);
/* What a file has now; NULL: there is none. Borrowed. */
const GString *disk_get(const char *path);
/* The paths of all files, sorted. Borrowed strings; caller unrefs. */
GPtrArray *disk_paths(void);

/* The process is gone: its descriptors are closed. */
void disk_process_died(void);
/* Everything becomes durable: a clean shutdown. /run is emptied. */
void disk_shut_down(void);

/* How many disks a power cut may leave now. Entries that were not synced are there or not, each by itself (a
 * rename is one); content that was not synced is empty, half, or all there. */
guint disk_cuts(void);
/* Cuts the power: of those, that one. */
void disk_cut(guint choice);

/* Of all that decides what can come: the files, and what of them is not durable. Caller frees. */
char *disk_digest(void);
/* Of the files that last, as they are now, without the lock; `temporaries`: those, too. Caller frees. */
char *disk_files_digest(gboolean temporaries);
/* Of the files that a cut would leave. Caller frees. */
char *disk_cut_digest(guint choice);

/* Calls that changed something, so far. */
extern guint disk_changes;

/* What the disk asks before each call that changes something. TRUE: a write stops half way, and then
 * disk_torn() is called. */
extern gboolean (*disk_before)(const char *call, const char *path);
extern void (*disk_torn)(void);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of system calls (os.h), watched: every call is written down, the n-th can fail, and a model of
 * the disk knows what a power cut would leave. The files themselves are real ones. */
#pragma once

#include <glib.h>

struct disk {
    /* What is to happen; the test sets it. */
    int fail_at;           /* that call fails (1: the first), 0: none */
    int error;             /* ... with this errno */
    gboolean killed;       /* ... and so does every call after it: the process ended there; FALSE again: the
                              next one runs */
    gsize write_max;       /* a write takes this many bytes at most, 0: all */
    gboolean signals;      /* every other read and write is interrupted */
    gint64 now_ms;         /* CLOCK_BOOTTIME */
    gint64 tick_ms;        /* by how much each look at the clock moves it */
    void (*changed)(void); /* called after every call that changes what a power cut may leave */
    /* What has happened. */
    int calls;
    GPtrArray *log; /* char *: "call path...", " FAILED" behind it if it did */
};
extern struct disk disk;

/* Puts the watch in place of the kernel's calls, or puts those back. All of `disk` begins at zero (the error
 * is EIO). Files that are there are durable, and so is what the test itself writes. */
void disk_watch(void);
void disk_unwatch(void);

/* The position in the log of the first entry at or behind `from` that begins with `call path`; -1: none. */
int disk_logged(int from, const char *call, const char *path);

/* What a power cut at this instant may leave at the path: an array of GBytes * (caller unrefs; the elements
 * go with it). NULL: no file. DISK_TORN: a file of which nobody can say what is in it. Directory entries that
 * were not synced are there or not, each by itself; content that was not synced is torn. */
#define DISK_TORN "\001torn"
GPtrArray *disk_after_cut(const char *path);
gboolean disk_is_torn(GBytes *content);

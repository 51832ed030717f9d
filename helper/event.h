/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Activations that the dispatcher reported and that nobody has looked at yet: a file each in the run
 * directory, named by the profile's UUID. They are hints: a lost one costs nothing but the trial that it
 * would have started, and what one says is looked up before it is believed. */
#pragma once

#include <glib.h>

typedef struct {
    char *uuid;
    char *interface;
    gboolean again; /* a restarted NetworkManager sent it: nobody has activated anything */
} Event;

/* Leaves an event. The caller holds the lock, so that an agent that is about to go sees it first. One that is
 * sent `again` does not take the place of one that waits. Not durable: a reboot ends every activation. FALSE
 * with a G_FILE_ERROR. */
gboolean event_post(const char *run_dir, const char *uuid, const char *interface, gboolean again,
                    GError **error);

/* Those that are there (array of Event, owned), without what is none: the directory is root's, but a name is
 * checked all the same. */
GPtrArray *event_list(const char *run_dir);

/* It has been dealt with. */
void event_forget(const char *run_dir, const char *uuid);

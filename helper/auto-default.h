/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NM's automatic "Wired connection": it lives in /run, and a stored candidate alone keeps NM from making it
 * again at the next boot. So before a candidate of its device is stored or tried, it becomes a stored profile
 * like any other. */
#pragma once

#include "network.h"
#include "profile.h"

/* The device's automatic profile, active or not, as it is to be stored; *ret_run_path is its file now. `name`
 * (UUID or id; NULL: any) is the one that is meant. NULL without `error`: there is none. NULL with a
 * PLAN_ERROR: it cannot be stored; with a BUS_ERROR: NM does not tell. Caller frees both. */
Profile *auto_default_find(Network *network, const char *device, const char *name, char **ret_run_path,
                           GError **error);

/* Stores it. Durable on TRUE, and NM uses the stored one; the device's activation goes on. On FALSE nothing
 * is lost: the profile is in one place or both. */
gboolean auto_default_save(const Profile *profile, const char *run_path, Network *network, GError **error);

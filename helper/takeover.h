/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a restarted NetworkManager has only taken a running device over. It then sends `up` again, as if
 * somebody had activated the profile, and no property of its own tells the difference (seen on 1.42.4). */
#pragma once

#include "network.h"

/* TRUE: no address of the interface is younger than NetworkManager's process, so nothing was activated on it
 * since. FALSE where that cannot be told: no address, or a process that cannot be seen from here. */
gboolean takeover_seen(Network *network, const char *interface);

/* Its arithmetic, for its test. Hundredths of a second since boot in jiffies, the lower 32 bits, as in struct
 * ifa_cacheinfo; takeover_now_cs() has them from what times(2) and CLOCK_MONOTONIC tell. */
guint32 takeover_now_cs(guint64 times_cs, guint64 monotonic_cs);
gboolean takeover_older(guint32 address_cs, guint32 process_cs);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a device failed. NM goes on to the device's next profile at once, and the reason is gone with that: who
 * asks for it, asks too late. So NM's signals are kept as they are heard (bus.h): they come before
 * every answer that NM gave after them. */
#pragma once

#include "bus.h"

typedef struct Failures Failures;

/* Caller frees. */
Failures *failures_new(void);
void failures_free(Failures *failures);

/* Keeps the signal (borrowed) if it says that a device has failed. */
void failures_hear(Failures *failures, const struct bus_signal *signal);

/* The NMDeviceStateReason of that device's (D-Bus path) last failure under the NM of that unique bus name
 * since failures_forget(); 0, "none": none was seen. */
guint32 failures_reason(const Failures *failures, const char *nm_name, const char *device);
void failures_forget(Failures *failures); /* all that was seen so far */

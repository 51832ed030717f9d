/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's tables of addresses and routes, read over rtnetlink. */
#pragma once

#include <glib.h>
#include <linux/rtnetlink.h>

/* Sends `request` (a whole message with NLM_F_DUMP, `size` bytes) and has `entry` see each message of the
 * answer, in the kernel's order; it may be more than what was asked for. Waits for it: the kernel answers at
 * once, and no longer than a second. FALSE: the answer did not come to its end. */
gboolean rtnetlink_dump(const void *request, gsize size,
                        void (*entry)(const struct nlmsghdr *header, gpointer data), gpointer data);

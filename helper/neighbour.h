/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks one neighbour on one interface for a fresh sign of life, over the kernel's own ARP/ND (rtnetlink): no
 * ICMP, no cached entry counts. Works for IPv4 and IPv6; the kernel's entry ends as the answer made it. Needs
 * CAP_NET_ADMIN. */
#pragma once

#include <gio/gio.h>

#define NEIGHBOUR_LIMIT_MS 5000

/* `address` is an IPv4 or IPv6 literal on interface index `ifindex`. Ends within NEIGHBOUR_LIMIT_MS. */
void neighbour_probe_async(int ifindex, const char *address, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer data);

/* TRUE: the neighbour answered just now. FALSE with `error`: it did not, or could not be asked. */
gboolean neighbour_probe_finish(GAsyncResult *result, GError **error);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The default gateway of an interface as the kernel has it now. NetworkManager's own word on it (the Gateway
 * of its IP4Config and IP6Config) is the kernel's, but up to 333 ms old, and older on a machine that is busy
 * (nm-ip-config.c, NOTIFY_PLATFORM_RATELIMIT_MSEC): just after an activation it is that of the network
 * before. */
#pragma once

#include <glib.h>

/* Of `family`, AF_INET or AF_INET6; which route counts is as in NM: a unicast one to everywhere, in the main
 * table, with the lowest metric. NULL: there is none, or it has no gateway, or the kernel cannot be asked.
 * Caller frees. */
char *gateway_of(int ifindex, int family);

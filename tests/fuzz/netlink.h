/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A datagram as the kernel sends it: several messages in one. Whoever reads behind its end is found. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

/* An empty one. */
void netlink_begin(void);
/* One more message, or bytes as they are; `body` is `size` bytes. FALSE: there is no room, and it is left
 * out. */
gboolean netlink_append(guint16 type, guint32 seq, const void *body, gsize size);
gboolean netlink_append_bytes(const uint8_t *bytes, gsize size);
/* As recv(): copies it into `buffer`, which must be larger. What is behind it may not be touched before
 * netlink_end(). */
ssize_t netlink_receive(void *buffer, gsize size);
/* Lets go of the last buffer; without one it does nothing. */
void netlink_end(void);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's answer to rtnetlink_dump(), from the input; for the targets whose WRAP_ has its four calls. */
#pragma once

#include "fuzz.h"

#include <glib.h>

/* Each datagram is made of pieces: `append` adds one to it by its first byte, and says whether there is to be
 * another. With the input the answer ends. */
void dump_begin(struct bytes *input, gboolean (*append)(uint8_t kind));
/* Bytes as they are, from the input. FALSE: there is no room. */
gboolean dump_append_anything(void);

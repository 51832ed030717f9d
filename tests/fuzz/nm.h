/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A NetworkManager made of bytes: each call over D-Bus is answered by the next line of the input. The line is
 *     GVariant text       the reply, if it has the type that the caller asks for; else that is an error
 *     !N                  an error, the N-th of bus.h's
 *     =BYTES              a reply of that type, made of the bytes: known keys and words, values of any type
 *     ?ANYTHING           the bus is gone
 * Replies, and what is asked, pass through a message of sd-bus. */
#pragma once

#include "fuzz.h"

#include "bus.h"

/* GVariant text of that type, NULL: any. NULL: it is none. Caller unrefs. */
GVariant *nm_parse(const char *type, const char *text);

/* Begins anew with the input's lines; it must outlive the calls. */
void nm_answers(struct bytes *in);

/* A value of that type, made of the bytes. Caller unrefs (not floating). */
GVariant *nm_value(const GVariantType *type, struct bytes *in);

/* Whoever follows the bus hears it; FALSE: nobody does. */
gboolean nm_signals(const struct bus_signal *signal);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A NetworkManager made of bytes: each call over D-Bus is answered by the next line of the input. The line is
 *     GVariant text       the reply, if it has the type that the caller asks GDBus for; else that is an error
 *     !N                  a D-Bus error, the N-th of a list
 *     =BYTES              a reply of that type, made of the bytes: known keys and words, values of any type
 *     ?ANYTHING           the bus is gone
 * Replies are in normal form and UTF-8, as all is that GDBus has read from a socket. */
#pragma once

#include "fuzz.h"

#include <gio/gio.h>

/* GVariant text of that type, NULL: any. NULL: it is none. Caller unrefs. */
GVariant *nm_parse(const char *type, const char *text);

/* Begins anew with the input's lines; it must outlive the calls. */
void nm_answers(struct bytes *in);

/* A value of that type, made of the bytes. Caller unrefs (not floating). */
GVariant *nm_value(const GVariantType *type, struct bytes *in);

/* The last filter that was added to the bus, with a message that says what it is given; FALSE: there is none.
 */
gboolean nm_signals(GDBusMessage *message);

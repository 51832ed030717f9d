/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values through a D-Bus message and back, without a bus. */
#pragma once

#include <glib.h>

/* What comes out of a message that the tuple was put into. NULL: sd-bus takes no such value. Caller unrefs.
 */
GVariant *message_through(GVariant *tuple);

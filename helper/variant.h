/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-bus' messages and GVariants: the same values, twice spelled. File descriptors are in neither: nobody
 * here sends or takes one. */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* The values that are still to be read in the message, as a tuple. NULL: it cannot be read, or has a file
 * descriptor. Caller unrefs. */
GVariant *variant_of_message(sd_bus_message *message);

/* Appends each value of the tuple. Negative: an errno, as sd-bus says it. */
int variant_append(sd_bus_message *message, GVariant *tuple);

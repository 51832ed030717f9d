/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message.h"

#include "variant.h"

#include <sys/socket.h>

#define COOKIE 1

/* Messages belong to a connection. Nobody is at the other end of this one. */
static sd_bus *connection(void)
{
    static sd_bus *bus;
    int ends[2];

    if (bus)
        return bus;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(bus, ends[0], ends[0]), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    return bus;
}

GVariant *message_through(GVariant *tuple)
{
    sd_bus_message *message = NULL;
    GVariant *result = NULL;

    g_assert_cmpint(sd_bus_message_new_signal(connection(), &message, "/x", "x.Y", "Z"), >=, 0);
    if (variant_append(message, tuple) >= 0 && sd_bus_message_seal(message, COOKIE, 0) >= 0)
        result = variant_of_message(message);
    sd_bus_message_unref(message);
    return result;
}

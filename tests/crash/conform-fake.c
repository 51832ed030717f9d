/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The conformance script's world, with the fake NetworkManager of the simulation. */
#include "conform.h"

#include "fake-nm.h"
#include "sim-disk.h"
#include "sim.h"

#include <stdio.h>

static const struct sim_scene scene = {"conform", {"lan"}};

void sim_broken(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_logv(NULL, G_LOG_LEVEL_ERROR, format, arguments);
    va_end(arguments);
}

void sim_say(const char *format, ...)
{
}

gboolean sim_undisturbed(void)
{
    return TRUE;
}

void host_begin(void)
{
    world_begin(&scene, 0);
}

void host_pause(gint64 ms)
{
    world_pause(ms);
}

void host_kill_network(guint pid)
{
    fake_die();
    host_pause(500);
    fake_start_again();
    host_pause(2500);
}

gboolean host_boot(void)
{
    disk_shut_down();
    fake_power_off();
    fake_boot();
    host_pause(3000);
    return TRUE;
}

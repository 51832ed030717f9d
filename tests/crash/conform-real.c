/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same with a real one, in the lab, where time passes by itself; conform restarts what is killed here. */
#include "conform.h"

#include <signal.h>

void host_begin(void)
{
}

void host_pause(gint64 ms)
{
    g_usleep((gulong)ms * 1000);
}

void host_kill_network(guint pid)
{
    (void)kill((pid_t)pid, SIGKILL);
    host_pause(3000);
}

gboolean host_boot(void)
{
    return FALSE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the script of conform.c needs of the machine: the real one, or the simulated. */
#pragma once

#include <glib.h>

/* eth0 and eth1 are there; "lan" is stored and active on eth0. Nothing to do on the real one: the test has
 * made it so. */
void host_begin(void);
void host_pause(gint64 ms);
/* Kills NetworkManager with SIGKILL; returns when the next one is ready. */
void host_kill_network(guint pid);
/* Cuts the power and boots; FALSE: that is the caller's to do, and to run the rest. */
gboolean host_boot(void);

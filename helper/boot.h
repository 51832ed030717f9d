/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `nm-trial boot`: before NetworkManager reads the profiles, with files alone, it ends the trial of an
 * earlier boot. */
#pragma once

/* A trial of this boot is left alone (NM was merely restarted; the agent has it). Returns an exit code; a
 * failure keeps nobody from starting, and the agent does the same later. */
int boot_main(const char *state_dir, const char *profile_dir);

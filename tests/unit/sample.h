/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Profiles and records as trials have them, for tests to begin with. */
#pragma once

#include "record.h"

#define SAMPLE_ID "0123abcd"
#define SAMPLE_DEVICE "eth0"
#define SAMPLE_PRIORITY 7
#define SAMPLE_BOOT "11111111111111111111111111111111"

/* The text of an Ethernet profile with comments, an unknown section and a key of somebody else's in [user].
 * `n` tells profiles apart: it is in the UUID, in the id and in the address. `state` (nm-trial.state) may be
 * NULL. Caller frees. */
char *sample_profile(int n, gboolean autoconnect, const char *state, const char *replaces);

/* The UUID of the profile `n`; caller frees. */
char *sample_uuid(int n);

/* A record of an earlier boot in that state: the pair `i` has the candidate 2 * i + 1 and replaces 2 * i + 2,
 * "candidate-<i>.nmconnection" and "replaced-<i>.nmconnection" in `directory`, both as start leaves them.
 * Caller frees. */
Record *sample_record(const char *directory, enum trial_state state, int n_pairs);

/* Both say the same, in every field. */
void sample_assert_same(const Record *a, const Record *b);

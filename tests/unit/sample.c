/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sample.h"

#include <string.h>

char *sample_uuid(int n)
{
    return g_strdup_printf("5a3b1c9e-0000-4000-8000-%012d", n);
}

char *sample_profile(int n, gboolean autoconnect, const char *state, const char *replaces)
{
    g_autofree char *uuid = sample_uuid(n);
    GString *text = g_string_new("# by hand, do not lose\n");

    g_string_append_printf(
        text,
        "[connection]\nid=profile %d\nuuid=%s\ntype=ethernet\ninterface-name=%s\n"
        "autoconnect=%s\n\n# the second floor\n[ethernet]\n\n[vendor-x]\nsome=thing; else\n\n"
        "[ipv4]\nmethod=manual\naddress1=192.0.2.%d/24\n\n[user]\nsite.owner=me\n",
        n, uuid, SAMPLE_DEVICE, autoconnect ? "true" : "false", n);
    if (replaces)
        g_string_append_printf(text, "nm-trial.replaces=%s\n", replaces);
    if (state)
        g_string_append_printf(text, "nm-trial.state=%s\n", state);
    return g_string_free(text, FALSE);
}

static void profile(struct record_profile *p, int n, const char *directory, const char *name, char *text)
{
    p->uuid = sample_uuid(n);
    p->id = g_strdup_printf("profile %d", n);
    p->path = g_build_filename(directory, name, NULL);
    p->data = text;
    p->length = strlen(text);
}

Record *sample_record(const char *directory, enum trial_state state, int n_pairs)
{
    Record *record = record_new();
    struct trial *trial = &record->trial;

    record->id = g_strdup(SAMPLE_ID);
    record->boot_id = g_strdup(SAMPLE_BOOT);
    record->started_ms = 20000;
    record->started_by = g_strdup("root");
    trial->state = state;
    trial->reason = state == TRIAL_TRYING      ? REASON_NONE
                    : state == TRIAL_PROMOTING ? REASON_CONFIRMED
                                               : REASON_CANCELLED;
    trial->deadline_ms = 140000;
    trial->hold_ms = 10000;
    trial->n_pairs = n_pairs;
    for (int i = 0; i < n_pairs; i++) {
        struct record_pair *pair = &record->pair[i];
        g_autofree char *candidate = g_strdup_printf("candidate-%d.nmconnection", i);
        g_autofree char *replaced = g_strdup_printf("replaced-%d.nmconnection", i);
        g_autofree char *replaces = sample_uuid(2 * i + 2);
        pair->device = g_strdup(SAMPLE_DEVICE);
        pair->priority = SAMPLE_PRIORITY;
        pair->judged = TRUE;
        profile(&pair->candidate, 2 * i + 1, directory, candidate,
                sample_profile(2 * i + 1, FALSE, "trying", replaces));
        profile(&pair->replaced, 2 * i + 2, directory, replaced, sample_profile(2 * i + 2, TRUE, NULL, NULL));
        trial->pair[i] = (struct trial_pair){.has_replaced = TRUE, .activated = TRUE, .was_active = TRUE};
    }
    return record;
}

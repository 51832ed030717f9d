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

static void assert_profile(const struct record_profile *a, const struct record_profile *b)
{
    g_assert_cmpstr(a->uuid, ==, b->uuid);
    g_assert_cmpstr(a->id, ==, b->id);
    g_assert_cmpstr(a->path, ==, b->path);
    g_assert_cmpmem(a->data, a->length, b->data, b->length);
    if (b->data)
        g_assert_cmpint(b->data[b->length], ==, '\0'); /* as record.h says of none, but readers rely on it */
}

void sample_assert_same(const Record *a, const Record *b)
{
    g_assert_cmpstr(a->id, ==, b->id);
    g_assert_cmpint(a->trial.state, ==, b->trial.state);
    g_assert_cmpint(a->trial.reason, ==, b->trial.reason);
    g_assert_cmpint(a->trial.confirm, ==, b->trial.confirm);
    g_assert_cmpint(a->trial.fallback, ==, b->trial.fallback);
    g_assert_cmpint(a->trial.deadline_ms, ==, b->trial.deadline_ms);
    g_assert_cmpint(a->trial.hold_ms, ==, b->trial.hold_ms);
    g_assert_cmpint(a->trial.n_pairs, ==, b->trial.n_pairs);
    g_assert_cmpstr(a->boot_id, ==, b->boot_id);
    g_assert_cmpint(a->started_ms, ==, b->started_ms);
    g_assert_cmpstr(a->started_by, ==, b->started_by);
    g_assert_true(g_strv_equal((const char *const *)a->checks, (const char *const *)b->checks));
    g_assert_cmpstr(a->nm_name, ==, b->nm_name);
    g_assert_cmpstr(a->checkpoint, ==, b->checkpoint);
    g_assert_cmpstr(a->checkpoint_nm, ==, b->checkpoint_nm);
    g_assert_cmpint(a->checkpoint_created_ms, ==, b->checkpoint_created_ms);
    g_assert_cmpstr(a->detail, ==, b->detail);
    g_assert_cmpstr(a->baseline, ==, b->baseline);
    for (int i = 0; i < a->trial.n_pairs; i++) {
        const struct record_pair *p = &a->pair[i], *q = &b->pair[i];
        g_assert_cmpint(a->trial.pair[i].has_replaced, ==, b->trial.pair[i].has_replaced);
        g_assert_cmpint(a->trial.pair[i].activated, ==, b->trial.pair[i].activated);
        g_assert_cmpint(a->trial.pair[i].was_active, ==, b->trial.pair[i].was_active);
        g_assert_cmpstr(p->device, ==, q->device);
        g_assert_cmpint(p->judged, ==, q->judged);
        g_assert_cmpint(p->edit, ==, q->edit);
        g_assert_cmpint(p->priority, ==, q->priority);
        g_assert_cmpstr(p->active_path, ==, q->active_path);
        assert_profile(&p->candidate, &q->candidate);
        assert_profile(&p->replaced, &q->replaced);
    }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A history that is taken can be looked through, and takes one entry more in front: of an id there is one at
 * most, of entries 64, and the others stay as they were. */
#include "fuzz.h"

#include "history.h"
#include "names.h"
#include "sample.h"
#include "scratch.h"

#include <string.h>

#define UUID "5a3b1c9e-0000-4000-8000-000000000001" /* the sample's candidate */

static const char *id_of(JsonArray *history, guint i)
{
    JsonNode *node = json_array_get_element(history, i);
    return JSON_NODE_HOLDS_OBJECT(node) ? history_text(json_node_get_object(node), "id") : NULL;
}

static void look_through(JsonArray *history)
{
    for (guint i = 0; i < json_array_get_length(history); i++) {
        const char *id = id_of(history, i);
        JsonObject *entry = id ? history_find(history, id) : NULL;
        g_assert_true(!id || entry);
        if (entry)
            (void)history_promoted(entry);
    }
    (void)history_standing(history, UUID);
}

/* What JSON-GLib took for text and would not take again is made valid. */
static char *text_of(JsonArray *history, guint i)
{
    g_autofree char *text = json_to_string(json_array_get_element(history, i), FALSE);
    return g_utf8_make_valid(text, -1);
}

/* The entries of the old history are those behind the first of the new one, but for the id that it replaces
 * and those that were too many. */
static void assert_follow(JsonArray *old, JsonArray *history)
{
    guint at = 1;

    for (guint i = 0; i < json_array_get_length(old) && at < HISTORY_MAX; i++) {
        if (!JSON_NODE_HOLDS_OBJECT(json_array_get_element(old, i)) ||
            g_strcmp0(id_of(old, i), SAMPLE_ID) == 0)
            continue;
        g_assert_cmpuint(at, <, json_array_get_length(history));
        g_autofree char *before = text_of(old, i), *after = text_of(history, at++);
        g_assert_cmpstr(before, ==, after);
    }
    g_assert_cmpuint(json_array_get_length(history), ==, at);
}

static void add(const Scratch *state, JsonArray *old)
{
    g_autoptr(Record) record = sample_record(state, TRIAL_PROMOTING, 1);
    g_autoptr(GError) error = NULL;

    g_assert_true(history_add(state, record, 21000, "[]", &error));
    g_assert_no_error(error);
    g_autoptr(JsonArray) history = history_load(state, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(id_of(history, 0), ==, SAMPLE_ID);
    g_assert_cmpint(history_standing(history, UUID), ==, STANDING_GOOD);
    if (old)
        assert_follow(old, history);
}

static void look_at_file(const char *file, gsize length)
{
    g_autoptr(Scratch) state = scratch_new();
    g_autofree char *path = g_build_filename(state, NM_TRIAL_HISTORY, NULL);
    g_autoptr(GError) error = NULL;

    fuzz_put(path, file, length);
    g_autoptr(JsonArray) history = history_load(state, &error);
    g_assert_true((history == NULL) == (error != NULL));
    if (history)
        look_through(history);
    add(state, history); /* what cannot be used is set aside */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gsize length = 0;
    g_autofree char *file = fuzz_file("nm-trial-history", 1, data, size, &length);
    const char *newline = memchr(file, '\n', length);
    gboolean plain = fuzz_json(newline ? newline + 1 : "");

    look_at_file(file, length);
    fuzz_json_end(plain);
    return 0;
}

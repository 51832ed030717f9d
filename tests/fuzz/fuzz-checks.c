/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checks' results as JSON, and that in words; each line of the input is a name, a device or an output.
 * What a check says comes through whole, whatever it says; and any other JSON text makes words, or none, and
 * no harm. */
#include "fuzz.h"

#include "checks.h"
#include "history.h"
#include "journal.h"
#include "sample.h"
#include "scratch.h"

#include <string.h>

#define RESULTS_MAX 8

/* As checks.c fills it: what others say was cleaned, or came over D-Bus and is UTF-8. */
static struct check_result *next(struct bytes *in)
{
    struct check_result *result = g_new0(struct check_result, 1);
    g_autofree char *device = fuzz_line(in), *output = fuzz_line(in), *name = fuzz_line(in);

    result->passing = fuzz_byte(in) & 1;
    result->name = journal_clean(name);
    result->device = g_utf8_make_valid(device, -1);
    result->output = g_utf8_make_valid(output, -1);
    return result;
}

static void assert_said(const struct check_result *result, JsonArray *list, guint i, const char *words)
{
    JsonObject *object = json_array_get_object_element(list, i);

    g_assert_cmpstr(json_object_get_string_member(object, "name"), ==, result->name);
    g_assert_cmpstr(json_object_get_string_member(object, "device"), ==, result->device);
    g_assert_cmpstr(json_object_get_string_member(object, "output"), ==, result->output);
    g_assert_cmpstr(json_object_get_string_member(object, "state"), ==,
                    result->passing ? "passing" : "failing");
    g_autofree char *line =
        g_strdup_printf("check %s %s on %s: %s", result->name, result->passing ? "passes" : "fails",
                        result->device, result->output);
    g_assert_nonnull(strstr(words, line));
}

static void as_results(struct bytes *in)
{
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func(check_result_free);
    g_autoptr(GError) error = NULL;

    while (in->left > 0 && results->len < RESULTS_MAX)
        g_ptr_array_add(results, next(in));
    g_autofree char *json = checks_results_json(results), *words = checks_results_words(json);
    g_autoptr(JsonNode) root = json_from_string(json, &error);
    g_assert_no_error(error);
    JsonArray *list = json_node_get_array(root);
    g_assert_cmpuint(json_array_get_length(list), ==, results->len);
    g_assert_true((words == NULL) == (results->len == 0));
    for (guint i = 0; i < results->len; i++)
        assert_said(results->pdata[i], list, i, words);
}

static void as_baseline(struct bytes *in)
{
    g_autoptr(Scratch) state = scratch_new();
    g_autoptr(Record) record = sample_record(state, TRIAL_REVERTING, 1);
    g_autofree char *text = fuzz_rest(in);
    g_autoptr(GError) error = NULL;

    record->baseline = g_utf8_make_valid(text, -1); /* as all that a GKeyFile gives */
    gboolean plain = fuzz_json(record->baseline);
    g_assert_true(history_add(state, record, 21000, record->baseline, &error));
    g_autoptr(JsonArray) history = history_load(state, &error);
    g_assert_no_error(error);
    JsonObject *entry = history_find(history, SAMPLE_ID);
    g_assert_true(json_object_has_member(entry, "baseline") && json_object_has_member(entry, "after_revert"));
    fuzz_json_end(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};

    if (size > 0 && (*data == '[' || *data == '{'))
        as_baseline(&in);
    else
        as_results(&in);
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "judge.h"

#include "checks.h"
#include "journal.h"
#include "names.h"
#include "os.h"

#include <json-glib/json-glib.h>

/* Rounds are at most this far apart; NM's signals bring them forward. */
#define INTERVAL_MAX_MS 5000
#define INTERVAL_MIN_MS 250
/* A burst of signals makes one round. */
#define HURRY_MS 100

struct seen {
    char *name;
    char *device;
    gboolean passing;
    gint64 since_ms;
    char *output;
};

struct Judge {
    Network *network;
    char *file;
    void (*changed)(gpointer data);
    gpointer changed_data;

    char *subject;  /* the activations that are judged, NULL: none */
    Record *record; /* whose they are: a copy */
    guint interval_ms;
    GCancellable *round; /* under way */
    guint timer;
    gboolean hurried; /* once more after this round */
    enum checks_state state;
    gint64 passing_since_ms; /* end of the first passing round since the last break */
    gint64 passing_until_ms; /* start of the last passing round */
    gint64 round_ms;         /* start of this one */
    gint64 hold_ms;          /* 0: nobody waits for it */
    GPtrArray *seen;

    GCancellable *once;
    char *once_results;
    gboolean once_failing;
};

static void seen_free(gpointer data)
{
    struct seen *seen = data;
    g_free(seen->name);
    g_free(seen->device);
    g_free(seen->output);
    g_free(seen);
}

Judge *judge_new(Network *network, const char *run_dir, void (*changed)(gpointer data), gpointer data)
{
    Judge *judge = g_new0(Judge, 1);
    judge->network = network;
    judge->file = g_build_filename(run_dir, NM_TRIAL_CHECKS, NULL);
    judge->changed = changed;
    judge->changed_data = data;
    judge->seen = g_ptr_array_new_with_free_func(seen_free);
    return judge;
}

static void cancel(GCancellable **cancellable)
{
    if (*cancellable)
        g_cancellable_cancel(*cancellable);
    g_clear_object(cancellable);
}

static void stop(Judge *judge)
{
    cancel(&judge->round);
    g_clear_handle_id(&judge->timer, g_source_remove);
    g_clear_pointer(&judge->subject, g_free);
    g_clear_pointer(&judge->record, record_free);
    g_ptr_array_set_size(judge->seen, 0);
    judge->hurried = FALSE;
    judge->state = CHECKS_UNKNOWN;
    judge->passing_since_ms = 0;
}

void judge_free(Judge *judge)
{
    stop(judge);
    cancel(&judge->once);
    g_free(judge->once_results);
    g_free(judge->file);
    g_ptr_array_unref(judge->seen);
    g_free(judge);
}

/* For `status`: no secrets, no durability; whole or not at all. */
static void publish(const Judge *judge)
{
    g_autoptr(JsonObject) object = json_object_new();
    JsonArray *list = json_array_new();

    for (guint i = 0; i < judge->seen->len; i++) {
        const struct seen *seen = judge->seen->pdata[i];
        JsonObject *check = json_object_new();
        json_object_set_string_member(check, "name", seen->name);
        json_object_set_string_member(check, "device", seen->device);
        json_object_set_string_member(check, "state", seen->passing ? "passing" : "failing");
        json_object_set_int_member(check, "since_ms", seen->since_ms);
        json_object_set_string_member(check, "output", seen->output);
        json_array_add_object_element(list, check);
    }
    json_object_set_string_member(object, "id", judge->record->id);
    json_object_set_array_member(object, "checks", list);
    g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
    g_autofree char *text = json_to_string(root, FALSE);
    (void)g_file_set_contents_full(judge->file, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL);
}

/* Takes one result in; a change is worth a line in the journal. TRUE: it says something else than before. */
static gboolean note(Judge *judge, guint i, const struct check_result *result)
{
    gboolean first = i >= judge->seen->len;
    if (first)
        g_ptr_array_add(judge->seen, g_new0(struct seen, 1));
    struct seen *seen = judge->seen->pdata[i];
    gboolean turned = first || seen->passing != result->passing;
    gboolean changed = turned || strcmp(seen->output, result->output) != 0;

    if (turned) {
        g_free(seen->name);
        g_free(seen->device);
        seen->name = g_strdup(result->name);
        seen->device = g_strdup(result->device);
        seen->passing = result->passing;
        seen->since_ms = os.boottime_ms();
        journal_say(JOURNAL_CHECK, judge->record, -1, "check %s %s on %s: %s", result->name,
                    result->passing ? "passes" : "fails", result->device, result->output);
    }
    g_free(seen->output);
    seen->output = g_strdup(result->output);
    return changed;
}

/* TRUE: it is news. */
static gboolean take_round(Judge *judge, GPtrArray *results)
{
    gboolean passing = TRUE, changed = judge->state == CHECKS_UNKNOWN;

    for (guint i = 0; i < results->len; i++) {
        const struct check_result *result = results->pdata[i];
        changed = note(judge, i, result) || changed;
        passing = passing && result->passing;
    }
    if (passing && judge->state != CHECKS_PASSING)
        judge->passing_since_ms = os.boottime_ms();
    judge->passing_until_ms = judge->round_ms;
    judge->state = passing ? CHECKS_PASSING : CHECKS_FAILING;
    publish(judge);
    return changed;
}

static void start_round(Judge *judge);

static gboolean on_timer(gpointer data)
{
    Judge *judge = data;
    judge->timer = 0;
    start_round(judge);
    return G_SOURCE_REMOVE;
}

static void schedule(Judge *judge, guint in_ms)
{
    g_clear_handle_id(&judge->timer, g_source_remove);
    judge->timer = g_timeout_add(in_ms, on_timer, judge);
}

/* The round that fills hold begins just then: a break right before it is seen. */
static guint next_in(const Judge *judge)
{
    gint64 in_ms = judge->hurried ? HURRY_MS : judge->interval_ms;
    if (judge->state == CHECKS_PASSING && judge->hold_ms > 0)
        in_ms = MIN(in_ms, judge->passing_since_ms + judge->hold_ms - os.boottime_ms());
    return (guint)MAX(in_ms, 1);
}

static void on_round(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GPtrArray) results = checks_run_finish(result, NULL);
    Judge *judge = data;
    (void)source;

    if (!results)
        return; /* cancelled: `data` may be gone or about something else by now */
    g_clear_object(&judge->round);
    gboolean changed = take_round(judge, results);
    /* no check to run: it passes, and stays so */
    if (results->len > 0)
        schedule(judge, next_in(judge));
    judge->hurried = FALSE;
    if (changed || judge->hold_ms > 0) /* else nobody waits for more of the same */
        judge->changed(judge->changed_data);
}

static void start_round(Judge *judge)
{
    judge->round = g_cancellable_new();
    judge->round_ms = os.boottime_ms();
    checks_run_async(network_bus(judge->network), judge->record, judge->round, on_round, judge);
}

static Record *copy(const Record *record)
{
    gsize length = 0;
    g_autofree char *text = record_format(record, &length);
    return record_parse(text, length, NULL);
}

void judge_follow(Judge *judge, const Record *record, gboolean active)
{
    if (!record || !active || record->trial.state != TRIAL_TRYING || !network_bus(judge->network)) {
        stop(judge);
        return;
    }
    g_autofree char *subject = record_subject(record);
    if (g_strcmp0(subject, judge->subject) == 0)
        return;
    stop(judge);
    judge->subject = g_steal_pointer(&subject);
    judge->record = copy(record);
    judge->interval_ms =
        (guint)CLAMP(record->trial.confirm == CONFIRM_AUTO ? record->trial.hold_ms / 4 : INTERVAL_MAX_MS,
                     INTERVAL_MIN_MS, INTERVAL_MAX_MS);
    judge->hold_ms = record->trial.confirm == CONFIRM_AUTO ? record->trial.hold_ms : 0;
    start_round(judge);
}

void judge_hurry(Judge *judge)
{
    if (!judge->subject)
        return;
    if (judge->round)
        judge->hurried = TRUE;
    else if (judge->timer)
        schedule(judge, HURRY_MS);
}

void judge_tell(const Judge *judge, struct engine_checks *ret)
{
    g_free(ret->subject);
    ret->subject = g_strdup(judge->subject);
    ret->state = judge->state;
    g_clear_pointer(&ret->failing, g_free);
    for (guint i = 0; i < judge->seen->len && !ret->failing; i++) {
        const struct seen *seen = judge->seen->pdata[i];
        if (!seen->passing)
            ret->failing = g_strdup_printf("check %s on %s: %s", seen->name, seen->device, seen->output);
    }
    ret->passing_since_ms = judge->passing_since_ms;
    ret->passing_until_ms = judge->passing_until_ms;
}

static void on_once(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GPtrArray) results = checks_run_finish(result, NULL);
    Judge *judge = data;
    (void)source;

    if (!results)
        return;
    g_clear_object(&judge->once);
    judge->once_results = checks_results_json(results);
    judge->once_failing = FALSE;
    for (guint i = 0; i < results->len; i++)
        if (!((const struct check_result *)results->pdata[i])->passing)
            judge->once_failing = TRUE;
    judge->changed(judge->changed_data);
}

void judge_once(Judge *judge, const Record *record)
{
    if (judge->once)
        return;
    judge->once = g_cancellable_new();
    checks_run_async(network_bus(judge->network), record, judge->once, on_once, judge);
}

char *judge_take_once(Judge *judge, gboolean *ret_failing)
{
    *ret_failing = judge->once_failing;
    return g_steal_pointer(&judge->once_results);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status and history: what is going on, and what went before. */
#include "view.h"

#include "agent.h"
#include "duration.h"
#include "history.h"
#include "journal.h"
#include "names.h"
#include "os.h"
#include "store.h"
#include "verbs.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#define STATUS_SCHEMA 1
#define JOURNAL_LINES 5
/* Labels of one width */
#define NEXT "      Next: "
#define MORE "            "

/* What the agent published last; NULL: nothing of this trial. */
static JsonArray *published(const char *id)
{
    g_autofree char *path = g_build_filename(NM_TRIAL_RUN_DIR, NM_TRIAL_CHECKS, NULL), *text = NULL;
    g_autoptr(JsonParser) parser = json_parser_new();
    gsize length = 0;

    if (!store_read_trusted(path, &text, &length, NULL) ||
        !json_parser_load_from_data(parser, text, (gssize)length, NULL) ||
        !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser)))
        return NULL;
    JsonObject *root = json_node_get_object(json_parser_get_root(parser));
    if (g_strcmp0(json_object_get_string_member_with_default(root, "id", NULL), id) != 0)
        return NULL;
    return json_array_ref(json_object_get_array_member(root, "checks"));
}

/* Before the first round has ended the checks are known by name alone. */
static JsonArray *unknown(const Record *record)
{
    JsonArray *checks = json_array_new();
    for (char **name = record->checks; *name; name++)
        for (int i = 0; i < record->trial.n_pairs; i++) {
            if (!record->pair[i].judged)
                continue;
            JsonObject *check = json_object_new();
            json_object_set_string_member(check, "name", *name);
            json_object_set_string_member(check, "device", record->pair[i].device);
            json_object_set_string_member(check, "state", "unknown");
            json_object_set_int_member(check, "since_ms", record->started_ms);
            json_object_set_string_member(check, "output", "");
            json_array_add_object_element(checks, check);
        }
    return checks;
}

JsonArray *view_checks(const Record *record)
{
    JsonArray *checks = published(record->id);

    if (!checks)
        checks = unknown(record);
    for (guint i = 0; i < json_array_get_length(checks); i++) {
        JsonObject *check = json_array_get_object_element(checks, i);
        gint64 since_ms = json_object_get_int_member_with_default(check, "since_ms", 0);
        json_object_set_int_member(check, "since", MAX(os.boottime_ms() - since_ms, 0) / 1000);
        json_object_remove_member(check, "since_ms");
    }
    return checks;
}

/* NULL: the pair has none in that role. */
static JsonObject *profile_of(JsonObject *pair, const char *role)
{
    JsonNode *profile = json_object_get_member(pair, role);
    return profile && JSON_NODE_HOLDS_OBJECT(profile) ? json_node_get_object(profile) : NULL;
}

char *view_head(const Record *record, int fd, gboolean whole)
{
    const struct trial *trial = &record->trial;
    gboolean trying = trial->state == TRIAL_TRYING;
    const char *state = trial_state_name(trial->state), *id = whole ? record->id : "";
    g_autofree char *watched = agent_trial(NM_TRIAL_RUN_DIR);
    g_autofree char *left = duration_text(MAX(trial->deadline_ms - os.boottime_ms() + 999, 0) / 1000);
    g_autofree char *what = g_strconcat(whole ? "trial " : "", id, whole ? ": " : "", state, NULL);
    g_autofree char *mark = terminal_mark(fd,
                                          trying                            ? TERMINAL_YELLOW
                                          : trial->state == TRIAL_PROMOTING ? TERMINAL_GREEN
                                                                            : TERMINAL_RED,
                                          "\u25cf ", what);
    GString *line = g_string_new(mark);

    if (!trying)
        g_string_append_printf(line, " (%s)", trial_reason_name(trial->reason));
    else if (whole || terminal_able(fd))
        g_string_append_printf(line, ", %s left", left);
    if (!watched)
        g_string_append(line, ", no agent");
    return g_string_free(line, FALSE);
}

void view_add_check(GString *line, JsonObject *check, int fd, gboolean brief, gboolean where)
{
    const char *state = history_text(check, "state");
    gboolean passing = strcmp(state, "passing") == 0, failing = strcmp(state, "failing") == 0;
    gboolean word = where || !terminal_able(fd);
    g_autofree char *text = g_strconcat(history_text(check, "name"), word ? " " : NULL, state, NULL);
    g_autofree char *mark = terminal_mark(fd,
                                          passing   ? TERMINAL_GREEN
                                          : failing ? TERMINAL_RED
                                                    : TERMINAL_PLAIN,
                                          passing   ? "\u2713 "
                                          : failing ? "\u2717 "
                                                    : "? ",
                                          text);
    g_autofree char *device = journal_clean(history_text(check, "device"));
    g_autofree char *since = duration_text(json_object_get_int_member_with_default(check, "since", 0));

    g_string_append(line, mark);
    if (where)
        g_string_append_printf(line, " on %s", device);
    if (!brief)
        g_string_append_printf(line, " for %s", since);
}

/* "new-uplink" in place of "lan" on eth0 */
static void print_pairs(const char *label, const char *more, JsonArray *pairs)
{
    for (guint i = 0; pairs && i < json_array_get_length(pairs); i++) {
        JsonObject *pair = json_array_get_object_element(pairs, i);
        JsonObject *candidate = profile_of(pair, "candidate"), *replaced = profile_of(pair, "replaced");
        g_autofree char *to = journal_clean(candidate ? history_text(candidate, "id") : "?");
        g_autofree char *from = journal_clean(replaced ? history_text(replaced, "id") : "nothing");
        g_autofree char *device = journal_clean(history_text(pair, "device"));
        const char *quote = replaced ? "\"" : "";
        if (candidate && replaced &&
            strcmp(history_text(candidate, "uuid"), history_text(replaced, "uuid")) == 0)
            terminal_print(label, "new content of \"%s\" on %s", from, device);
        else
            terminal_print(label, "\"%s\" in place of %s%s%s on %s", to, quote, from, quote, device);
        label = more;
    }
}

/* "2026-01-31T12:00:00Z  1a2b3c4d  reverted (check-failed)", and a line for each pair and for the detail. */
static void print_entry(const char *label, JsonObject *entry)
{
    g_autofree char *detail = journal_clean(history_text(entry, "detail"));
    g_autofree char *verdict =
        g_strdup_printf("%s (%s)", history_text(entry, "verdict"), history_text(entry, "reason"));
    g_autofree char *mark =
        terminal_mark(STDOUT_FILENO, history_promoted(entry) ? TERMINAL_GREEN : TERMINAL_RED, "", verdict);
    const char *more = *label ? MORE : "  ";

    terminal_print(label, "%s  %s  %s", history_text(entry, "ended"), history_text(entry, "id"), mark);
    print_pairs(more, more, json_object_get_array_member(entry, "pairs"));
    if (*detail)
        terminal_print(more, "%s", detail);
}

gboolean view_verdict(const char *id)
{
    g_autoptr(JsonArray) history = history_load(NM_TRIAL_STATE_DIR, NULL);
    JsonObject *entry = history ? history_find(history, id) : NULL;
    if (entry)
        print_entry("", entry);
    return entry != NULL;
}

/* status */

static JsonArray *pairs_of(const Record *record, Network *network)
{
    JsonArray *pairs = json_array_new();
    gboolean there = network && network_look(network, NULL) == NETWORK_READY;

    for (int i = 0; i < record->trial.n_pairs; i++) {
        g_auto(NetworkDevice) device = {0};
        JsonObject *pair = json_object_new();
        gboolean known = there && network_get_device(network, record->pair[i].device, &device, NULL);
        history_set_profile(pair, "candidate", &record->pair[i].candidate);
        history_set_profile(pair, "replaced", &record->pair[i].replaced);
        json_object_set_string_member(pair, "device", record->pair[i].device);
        if (known && device.active_uuid)
            json_object_set_string_member(pair, "active", device.active_uuid);
        else
            json_object_set_null_member(pair, "active");
        json_array_add_object_element(pairs, pair);
    }
    return pairs;
}

static void add_checkpoint(JsonObject *status, const Record *record, Network *network)
{
    g_auto(NetworkCheckpoint) found = {0};

    if (network && record && record->checkpoint &&
        g_strcmp0(record->checkpoint_nm, network_nm_name(network)) == 0 &&
        network_checkpoint_get(network, record->checkpoint, &found, NULL) &&
        found.created_ms == record->checkpoint_created_ms) {
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "path", record->checkpoint);
        json_object_set_int_member(object, "fires_s", MAX(found.fires_ms - os.boottime_ms(), 0) / 1000);
        json_object_set_object_member(status, "checkpoint", object);
    } else
        json_object_set_null_member(status, "checkpoint");
}

/* The schema is the interface's; README.md documents it. */
static JsonObject *status_object(const Record *record, gboolean unreadable, Network *network)
{
    JsonObject *status = json_object_new();
    g_autoptr(JsonArray) history = history_load(NM_TRIAL_STATE_DIR, NULL);
    gboolean trying = record && record->trial.state == TRIAL_TRYING;

    json_object_set_int_member(status, "schema", STATUS_SCHEMA);
    json_object_set_string_member(status, "state",
                                  record       ? trial_state_name(record->trial.state)
                                  : unreadable ? "unreadable"
                                               : "none");
    /* Every member is always there; null (or an empty list) where no trial is open. */
    json_object_set_string_member(status, "id", record ? record->id : NULL);
    json_object_set_string_member(status, "reason",
                                  record && !trying ? trial_reason_name(record->trial.reason) : NULL);
    json_object_set_int_member(
        status, "deadline_s", trying ? MAX(record->trial.deadline_ms - os.boottime_ms() + 999, 0) / 1000 : 0);
    json_object_set_boolean_member(status, "needs_confirm",
                                   trying && record->trial.confirm == CONFIRM_MANUAL);
    json_object_set_string_member(status, "started_by", record ? record->started_by : NULL);
    json_object_set_array_member(status, "pairs", record ? pairs_of(record, network) : json_array_new());
    json_object_set_array_member(status, "checks", record ? view_checks(record) : json_array_new());
    add_checkpoint(status, record, network);
    if (history && json_array_get_length(history) > 0)
        json_object_set_object_member(status, "last",
                                      json_object_ref(json_array_get_object_element(history, 0)));
    else
        json_object_set_null_member(status, "last");
    return status;
}

/* JSON-GLib escapes what JSON must have escaped; a terminal takes more than that for a command. It stands in
 * strings only, where JSON's own escape means the same. */
static char *json_text(JsonNode *node)
{
    g_autofree char *json = json_to_string(node, TRUE), *valid = g_utf8_make_valid(json, -1);
    g_autoptr(GString) text = g_string_new(NULL);

    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (c == '\n' || g_unichar_isprint(c))
            g_string_append_unichar(text, c);
        else if (c < 0x10000)
            g_string_append_printf(text, "\\u%04x", c);
        else /* RFC 8259: a surrogate pair */
            g_string_append_printf(text, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
    }
    g_string_append(text, "\n");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void print_json(JsonNode *node)
{
    g_autofree char *text = json_text(node);
    printf("%s", text);
}

void view_publish(const char *path, const Record *record, Network *network)
{
    g_autoptr(JsonObject) status = status_object(record, FALSE, network);
    g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), status);
    g_autofree char *text = json_text(root);

    if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL))
        (void)g_chmod(path, 0644); /* the umask is for everything else */
}

/* What it was, since when, what is known of it and what to do, each beside its label */

static void print_open(const Record *record)
{
    const struct trial *trial = &record->trial;
    gboolean trying = trial->state == TRIAL_TRYING;
    g_autofree char *head = view_head(record, STDOUT_FILENO, TRUE);
    g_autofree char *since = duration_text((os.boottime_ms() - record->started_ms) / 1000);
    g_autofree char *by = journal_clean(record->started_by), *why = journal_clean(record->detail);
    g_autoptr(JsonArray) pairs = pairs_of(record, NULL), checks = view_checks(record);
    g_autofree char *watched = agent_trial(NM_TRIAL_RUN_DIR);
    const char *label = "    Checks: ";

    terminal_print("", "%s", head);
    print_pairs("      What: ", MORE, pairs);
    terminal_print("     Since: ", "%s ago, started by %s", since, by);
    for (guint i = 0; i < json_array_get_length(checks); i++, label = MORE) {
        JsonObject *check = json_array_get_object_element(checks, i);
        g_autofree char *output = journal_clean(history_text(check, "output"));
        g_autoptr(GString) line = g_string_new(NULL);
        view_add_check(line, check, STDOUT_FILENO, FALSE, TRUE);
        terminal_print(label, "%s%s%s", line->str, *output ? ": " : "", output);
    }
    if (*why)
        terminal_print("       Why: ", "%s", why);
    if (!watched)
        terminal_print(NEXT, "systemctl start " NM_TRIAL_UNIT);
    if (!trying)
        terminal_print(NEXT, "nm-trial wait %s", record->id);
    else if (trial->confirm == CONFIRM_MANUAL)
        terminal_print(NEXT, "kept if confirmed: nm-trial confirm %s", record->id);
    else
        terminal_print(NEXT, "kept if the checks pass for %d s; at once: nm-trial confirm %s",
                       (int)(trial->hold_ms / 1000), record->id);
    if (trying)
        terminal_print(MORE, "to go back now: nm-trial cancel %s", record->id);
}

static void print_status(const Record *record, gboolean unreadable)
{
    g_autoptr(JsonArray) history = record ? NULL : history_load(NM_TRIAL_STATE_DIR, NULL);
    JsonObject *last =
        history && json_array_get_length(history) > 0 ? json_array_get_object_element(history, 0) : NULL;

    if (record)
        print_open(record);
    else if (unreadable)
        terminal_print(
            "", "A trial is open, but its record cannot be read; the agent sets it aside and goes back.");
    else {
        g_autofree char *head = terminal_mark(STDOUT_FILENO, TERMINAL_PLAIN, "\u25cb ", "No trial is open.");
        terminal_print("", "%s", head);
    }
    if (last)
        print_entry("      Last: ", last);
    if (!record) {
        terminal_print(NEXT, "nm-trial start CANDIDATE --wait");
        terminal_print("       Log: ", "journalctl -x -t " NM_TRIAL_IDENTIFIER);
    }
    /* with none open, what was refused a moment ago is among them */
    g_auto(GStrv) lines = journal_last(record ? record->id : NULL, JOURNAL_LINES);
    for (char **line = lines; *line; line++)
        terminal_print("", "%s%s", line == lines ? "\n" : "", *line);
}

int verb_status(int argc, char **argv)
{
    g_auto(VerbContext) context = {0};
    g_autoptr(GError) error = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {{"json", 0, 0, G_OPTION_ARG_NONE, &json, "For scripts", NULL}, {0}};

    if (!verb_parse(
            &argc, &argv, entries, 0, 0, "",
            "Shows the open trial: its state, what is left of its time, its checks, and the last verdict.\n\n"
            "Example:\n  nm-trial status --json | jq -r .state"))
        return EXIT_USAGE;
    if (!verb_open(&context))
        return EXIT_FAILED;
    g_autoptr(Record) record = engine_load(NM_TRIAL_STATE_DIR, &error);
    if (error)
        verb_error("the record of a trial cannot be read: %s", error->message);
    if (json) {
        g_autoptr(JsonObject) status = status_object(record, error != NULL, context.network);
        g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), status);
        print_json(root);
    } else
        print_status(record, error != NULL);
    return verb_answered(EXIT_DONE);
}

int verb_history(int argc, char **argv)
{
    g_auto(VerbContext) context = {0};
    g_autoptr(GError) error = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {{"json", 0, 0, G_OPTION_ARG_NONE, &json, "For scripts", NULL}, {0}};

    if (!verb_parse(&argc, &argv, entries, 0, 0, "",
                    "Shows the last 64 verdicts, newest first.\n\nExample:\n"
                    "  nm-trial history --json | jq -r '.[0].reason'"))
        return EXIT_USAGE;
    if (!verb_open(&context))
        return EXIT_FAILED;
    g_autoptr(JsonArray) history = history_load(NM_TRIAL_STATE_DIR, &error);
    if (!history) {
        verb_error("%s", error->message);
        return EXIT_FAILED;
    }
    if (json) {
        g_autoptr(JsonNode) root = json_node_init_array(json_node_alloc(), history);
        print_json(root);
        return verb_answered(EXIT_DONE);
    }
    if (json_array_get_length(history) == 0)
        printf("No trial has ended yet.\n");
    for (guint i = 0; i < json_array_get_length(history); i++)
        print_entry("", json_array_get_object_element(history, i));
    return verb_answered(EXIT_DONE);
}

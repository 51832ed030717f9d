/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "checks.h"

#include "check-device.h"
#include "names.h"

#include <json-glib/json-glib.h>

#define BELIEVABLE_LIMIT_MS 3000

/* A run, and the one check in it that a callback is for. */
struct run {
    GPtrArray *results; /* struct check_result; `output` is NULL as long as there is no answer */
    GCancellable *cancellable;
    GSource *limit;
    gulong stop;
    gboolean cancelled;
    guint pending;
};

struct waiter {
    GTask *task;
    struct check_result *result;
};

gboolean checks_known(const char *name)
{
    return strcmp(name, "none") == 0 || check_device_known(name);
}

void check_result_free(gpointer data)
{
    struct check_result *result = data;

    g_free(result->name);
    g_free(result->device);
    g_free(result->output);
    g_free(result);
}

static void source_clear(GSource **source)
{
    if (*source)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void run_free(gpointer data)
{
    struct run *run = data;

    source_clear(&run->limit);
    g_clear_pointer(&run->results, g_ptr_array_unref);
    g_object_unref(run->cancellable);
    g_free(run);
}

/* The run is over when every check has ended, the cancelled ones too: nothing of it is left in the main
 * context. */
static void run_end(GTask *task)
{
    struct run *run = g_task_get_task_data(task);

    if (--run->pending > 0)
        return;
    source_clear(&run->limit);
    g_cancellable_disconnect(g_task_get_cancellable(task), run->stop);
    if (run->cancelled)
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the checks were cancelled");
    else
        g_task_return_pointer(task, g_steal_pointer(&run->results), (GDestroyNotify)g_ptr_array_unref);
}

static void on_checked(GObject *source, GAsyncResult *answer, gpointer data)
{
    g_autofree struct waiter *waiter = data;
    g_autoptr(GTask) task = waiter->task;
    struct check_result *result = waiter->result;

    (void)source;
    result->passing = check_device_finish(answer, &result->output, NULL);
    if (!result->output)
        result->output = g_strdup_printf("no answer within %d s", CHECKS_LIMIT_MS / 1000);
    run_end(task);
}

static void start(GTask *task, Bus *bus, const char *name, const Record *record, int pair)
{
    struct run *run = g_task_get_task_data(task);
    struct check_result *result = g_new0(struct check_result, 1);
    struct waiter *waiter;

    result->name = g_strdup(name);
    result->device = g_strdup(record->pair[pair].device);
    g_ptr_array_add(run->results, result);
    if (!check_device_known(name)) {
        result->output = g_strdup("there is no such check");
        return;
    }
    waiter = g_new(struct waiter, 1);
    *waiter = (struct waiter){.task = g_object_ref(task), .result = result};
    run->pending++;
    check_device_async(bus, name, record, pair, run->cancellable, on_checked, waiter);
}

static gboolean on_limit(gpointer data)
{
    struct run *run = g_task_get_task_data(data);

    g_cancellable_cancel(run->cancellable);
    return G_SOURCE_REMOVE;
}

/* Passed on at once: the main loop may be over, and own checks are to be killed all the same. */
static void on_stop(GCancellable *cancellable, gpointer data)
{
    struct run *run = g_task_get_task_data(data);

    (void)cancellable;
    run->cancelled = TRUE;
    g_cancellable_cancel(run->cancellable);
}

void checks_run_async(Bus *bus, const Record *record, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    struct run *run = g_new0(struct run, 1);

    g_task_set_task_data(task, run, run_free);
    run->results = g_ptr_array_new_with_free_func(check_result_free);
    run->cancellable = g_cancellable_new();
    run->pending = 1; /* this function's */
    /* Neither holds a reference: run_end() ends them before the task can go. */
    run->limit = g_timeout_source_new(CHECKS_LIMIT_MS);
    g_source_set_callback(run->limit, on_limit, task, NULL);
    g_source_attach(run->limit, g_task_get_context(task));
    if (cancellable)
        run->stop = g_cancellable_connect(cancellable, G_CALLBACK(on_stop), task, NULL);
    for (char **name = record->checks; *name; name++)
        for (int pair = 0; pair < record->trial.n_pairs; pair++)
            if (record->pair[pair].judged)
                start(task, bus, *name, record, pair);
    run_end(task);
}

GPtrArray *checks_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void on_run(GObject *source, GAsyncResult *result, gpointer data)
{
    (void)source;
    *(GPtrArray **)data = checks_run_finish(result, NULL);
}

GPtrArray *checks_run(Bus *bus, const Record *record)
{
    GPtrArray *results = NULL;

    checks_run_async(bus, record, NULL, on_run, &results);
    while (!results)
        g_main_context_iteration(NULL, TRUE);
    return results;
}

char *checks_results_json(GPtrArray *results)
{
    g_autoptr(JsonArray) list = json_array_new();
    g_autoptr(JsonNode) root = json_node_init_array(json_node_alloc(), list);

    for (guint i = 0; i < results->len; i++) {
        const struct check_result *result = results->pdata[i];
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "name", result->name);
        json_object_set_string_member(object, "device", result->device);
        json_object_set_string_member(object, "state", result->passing ? "passing" : "failing");
        json_object_set_string_member(object, "output", result->output);
        json_array_add_object_element(list, object);
    }
    return json_to_string(root, FALSE);
}

char *checks_results_words(const char *json)
{
    g_autoptr(JsonNode) root = json ? json_from_string(json, NULL) : NULL;
    JsonArray *results = root && JSON_NODE_HOLDS_ARRAY(root) ? json_node_get_array(root) : NULL;
    GString *words = g_string_new(NULL);

    for (guint i = 0; results && i < json_array_get_length(results); i++) {
        JsonObject *result = json_array_get_object_element(results, i);
        g_string_append_printf(
            words, "%scheck %s %s on %s: %s", i == 0 ? "" : "; ",
            json_object_get_string_member(result, "name"),
            strcmp(json_object_get_string_member(result, "state"), "passing") == 0 ? "passes" : "fails",
            json_object_get_string_member(result, "device"), json_object_get_string_member(result, "output"));
    }
    return g_string_free(words, words->len == 0);
}

gboolean checks_nm_believe(GVariant *properties, gboolean *ret_plain_http, char **ret_why)
{
    const char *uri = NULL;
    gboolean available = FALSE;
    gboolean enabled = FALSE;

    g_variant_lookup(properties, "ConnectivityCheckUri", "&s", &uri);
    g_variant_lookup(properties, "ConnectivityCheckAvailable", "b", &available);
    g_variant_lookup(properties, "ConnectivityCheckEnabled", "b", &enabled);
    if (!available || !uri || !*uri) {
        *ret_why = g_strdup(
            "NetworkManager has no page to ask for, so it takes any default route for a network; set "
            "uri= in [connectivity] of NetworkManager.conf");
        return FALSE;
    }
    if (!enabled) {
        *ret_why =
            g_strdup_printf("NetworkManager's connectivity check is off; in [connectivity] of "
                            "NetworkManager.conf, enabled= must not be false, interval= not 0 and uri= (now "
                            "%s) a http address with a host name",
                            uri);
        return FALSE;
    }
    if (ret_plain_http)
        *ret_plain_http = g_ascii_strncasecmp(uri, "https:", strlen("https:")) != 0;
    return TRUE;
}

gboolean checks_nm_believable(Bus *bus, gboolean *ret_plain_http, char **ret_why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) properties = NULL;
    g_autoptr(GVariant) reply =
        bus_call(bus, BELIEVABLE_LIMIT_MS, NM_BUS_NAME, NM_PATH, DBUS_IFACE_PROPERTIES, "GetAll",
                 g_variant_new("(s)", NM_IFACE), "(a{sv})", &error);

    if (!reply) {
        *ret_why = g_strdup_printf("NetworkManager does not answer: %s", error->message);
        return FALSE;
    }
    properties = g_variant_get_child_value(reply, 0);
    return checks_nm_believe(properties, ret_plain_http, ret_why);
}

/* Sets the family's bits where the profile wants more of it than the link. */
static void add_family(GVariant *settings, const char *section, enum checks_family family,
                       struct checks_families *families)
{
    g_autoptr(GVariant) values = g_variant_lookup_value(settings, section, G_VARIANT_TYPE_VARDICT);
    const char *method = "disabled";
    gboolean may_fail = TRUE; /* what NetworkManager leaves out has its default */
    gboolean never_default = FALSE;

    if (!values)
        return;
    g_variant_lookup(values, "method", "&s", &method);
    g_variant_lookup(values, "may-fail", "b", &may_fail);
    g_variant_lookup(values, "never-default", "b", &never_default);
    /* "shared" makes the device the router of others, "ignore" leaves the family to the kernel. */
    if (strcmp(method, "auto") != 0 && strcmp(method, "manual") != 0 && strcmp(method, "dhcp") != 0)
        return;
    families->enabled |= family;
    if (!may_fail && !never_default)
        families->required |= family;
}

struct checks_families checks_families_of(GVariant *settings)
{
    struct checks_families families = {0, 0};

    add_family(settings, "ipv4", CHECKS_IPV4, &families);
    add_family(settings, "ipv6", CHECKS_IPV6, &families);
    return families;
}

gboolean checks_families_pass(const struct checks_families *families, guint good)
{
    if (families->required)
        return (good & families->required) == families->required;
    return (good & families->enabled) != 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check-device.h"

#include "names.h"
#include "own.h"
#include "settings.h"

#define ACTIVATED 100 /* NM_DEVICE_STATE_ACTIVATED */

static const struct check_kind *const kinds[] = {&check_kind_nm, &check_kind_gateway};

const struct check_family check_families[N_FAMILIES] = {{CHECKS_IPV4, "IPv4"}, {CHECKS_IPV6, "IPv6"}};

static const struct check_kind *find_kind(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return own_name(name) && strcmp(name, "none") != 0 ? &check_kind_own : NULL;
}

gboolean check_device_known(const char *name)
{
    return find_kind(name) != NULL;
}

static void check_free(gpointer data)
{
    struct check *check = data;

    if (check->stop)
        g_source_destroy(check->stop);
    g_clear_pointer(&check->stop, g_source_unref);
    bus_unref(check->bus);
    g_object_unref(check->cancelled);
    g_clear_pointer(&check->device, g_variant_unref);
    g_free(check->iface);
    g_free(check->uri);
    g_free(check->path);
    for (guint i = 0; i < N_FAMILIES; i++)
        g_free(check->gateway[i]);
    g_free(check->name);
    g_free(check->id);
    g_free(check->uuid);
    g_string_free(check->output, TRUE);
    g_free(check);
}

void check_say(struct check *check, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *words = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_string_append_printf(check->output, "%s%s", check->output->len ? ", " : "", words);
}

guint check_counted(const struct check *check)
{
    return check->families.required ? check->families.required : check->families.enabled;
}

static void on_path(GTask *task, GVariant *reply);

static void on_answer(GVariant *reply, const GError *error, gpointer data)
{
    g_autoptr(GTask) task = data;
    struct check *check = g_task_get_task_data(task);

    if (g_task_return_error_if_cancelled(task))
        return;
    if (!reply && check->next != on_path) {
        check_say(check, "%s: %s", check->iface, error->message);
        g_task_return_boolean(task, FALSE);
        return;
    }
    check->next(task, reply);
}

void check_ask(GTask *task, const char *path, const char *iface, const char *method, GVariant *arguments,
               const char *reply_type, void (*next)(GTask *task, GVariant *reply))
{
    struct check *check = g_task_get_task_data(task);
    g_autoptr(GVariant) owned = arguments ? g_variant_ref_sink(arguments) : NULL;

    if (!check->bus) {
        check_say(check, "the system bus cannot be reached");
        g_task_return_boolean(task, FALSE);
        return;
    }
    check->next = next;
    bus_call_async(check->bus, CHECKS_LIMIT_MS * 2, NM_BUS_NAME, path, iface, method, owned, reply_type,
                   g_task_get_cancellable(task), on_answer, g_object_ref(task));
}

void check_ask_properties(GTask *task, const char *path, const char *iface,
                          void (*next)(GTask *task, GVariant *reply))
{
    check_ask(task, path, DBUS_IFACE_PROPERTIES, "GetAll", g_variant_new("(s)", iface), "(a{sv})", next);
}

/* The round */

static void round_end(GTask *task)
{
    struct check *check = g_task_get_task_data(task);

    if (!g_task_return_error_if_cancelled(task))
        check->kind->end(task, checks_families_pass(&check->families, check->good));
}

void check_answered(struct question *question, gboolean good, const char *what, GError *error)
{
    g_autoptr(GTask) task = question->task;
    struct check *check = g_task_get_task_data(task);
    g_autofree char *other = NULL;

    /* IPv4 is told first, whichever has answered first: where NetworkManager's page is an IPv4 literal, IPv6
     * has no way to it, which is known at once and decides nothing. */
    if (question->family == 0) {
        other = g_strdup(check->output->str);
        g_string_truncate(check->output, 0);
    }
    if (good) {
        check->good |= check_families[question->family].bit;
        check_say(check, "%s answers", what);
    } else if (error && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        check_say(check, "%s", error->message);
    }
    if (other && *other)
        check_say(check, "%s", other);
    g_free(question);
    if (checks_families_pass(&check->families, check->good))
        g_cancellable_cancel(check->cancelled);
    if (--check->pending == 0)
        round_end(task);
}

static gboolean on_stop(GCancellable *cancellable, gpointer data)
{
    (void)cancellable;
    g_cancellable_cancel(data);
    return G_SOURCE_REMOVE;
}

void check_round(GTask *task)
{
    struct check *check = g_task_get_task_data(task);
    GCancellable *cancellable = g_task_get_cancellable(task);

    if (cancellable) {
        check->stop = g_cancellable_source_new(cancellable);
        g_source_set_callback(check->stop, G_SOURCE_FUNC(on_stop), g_object_ref(check->cancelled),
                              g_object_unref);
        g_source_attach(check->stop, g_task_get_context(task));
    }
    check->pending = 1; /* this function's */
    for (guint i = 0; i < N_FAMILIES; i++) {
        struct question *question;

        if (!(check_counted(check) & check_families[i].bit))
            continue;
        question = g_new(struct question, 1);
        *question = (struct question){.task = g_object_ref(task), .family = i};
        check->pending++;
        check->kind->start(question);
    }
    if (--check->pending == 0)
        round_end(task);
}

/* Every check begins here: which device, is it activated, what does its profile ask for? */

static void on_applied(GTask *task, GVariant *reply)
{
    struct check *check = g_task_get_task_data(task);
    g_autoptr(GVariant) settings = g_variant_get_child_value(reply, 0);

    check->families = checks_families_of(settings);
    if (!check->families.enabled) {
        check_say(check, "the profile on %s has neither IPv4 nor IPv6 beyond the link", check->iface);
        g_task_return_boolean(task, FALSE);
    } else {
        check->kind->prepare(task);
    }
}

void check_find_families(GTask *task)
{
    struct check *check = g_task_get_task_data(task);

    check_ask(task, check->path, NM_IFACE_DEVICE, "GetAppliedConnection", g_variant_new("(u)", 0),
              "(a{sa{sv}}t)", on_applied);
}

static void on_device(GTask *task, GVariant *reply)
{
    struct check *check = g_task_get_task_data(task);
    const char *interface = "";
    guint32 state = 0;

    g_variant_get(reply, "(@a{sv})", &check->device);
    g_variant_lookup(check->device, "State", "u", &state);
    if (state != ACTIVATED) {
        check_say(check, "%s is not activated", check->iface);
        g_task_return_boolean(task, FALSE);
        return;
    }
    if (g_variant_lookup(check->device, "IpInterface", "&s", &interface) && *interface) {
        g_free(check->iface);
        check->iface = g_strdup(interface);
    }
    check->kind->found(task);
}

static void on_objects(GTask *task, GVariant *reply)
{
    struct check *check = g_task_get_task_data(task);

    check->path = settings_device_among(reply, check->iface);
    if (check->path) {
        check_ask_properties(task, check->path, NM_IFACE_DEVICE, on_device);
    } else {
        check_say(check, "NetworkManager knows no device %s", check->iface);
        g_task_return_boolean(task, FALSE);
    }
}

/* NULL: not by this name, or not at all. */
static void on_path(GTask *task, GVariant *reply)
{
    struct check *check = g_task_get_task_data(task);

    if (reply) {
        g_variant_get(reply, "(o)", &check->path);
        check_ask_properties(task, check->path, NM_IFACE_DEVICE, on_device);
    } else {
        check_ask(task, NM_PATH_OBJECTS, DBUS_IFACE_OBJECTS, "GetManagedObjects", NULL, SETTINGS_OBJECTS,
                  on_objects);
    }
}

void check_find_device(GTask *task)
{
    struct check *check = g_task_get_task_data(task);

    check_ask(task, NM_PATH, NM_IFACE, "GetDeviceByIpIface", g_variant_new("(s)", check->iface), "(o)",
              on_path);
}

void check_device_async(Bus *bus, const char *name, const Record *record, int pair, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    struct check *check = g_new0(struct check, 1);

    check->bus = bus ? bus_ref(bus) : NULL;
    check->iface = g_strdup(record->pair[pair].device);
    check->name = g_strdup(name);
    check->id = g_strdup(record->id);
    check->uuid = g_strdup(record->pair[pair].candidate.uuid);
    check->kind = find_kind(name);
    check->cancelled = g_cancellable_new();
    check->output = g_string_new(NULL);
    g_task_set_task_data(task, check, check_free);
    check->kind->begin(task);
}

gboolean check_device_finish(GAsyncResult *result, char **ret_output, GError **error)
{
    GTask *task = G_TASK(result);
    struct check *check = g_task_get_task_data(task);
    g_autoptr(GError) local = NULL;
    gboolean passing = g_task_propagate_boolean(task, &local);

    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    *ret_output = g_strdup(check->output->str);
    return passing;
}

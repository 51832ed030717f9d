/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The profiles behind NetworkManager's D-Bus socket. NM's writers are not durable: after each write the
 * host's systemd runs `sync -f` for us, and what it says counts. A profile that has a shadow shows only that;
 * comments and keys that NM does not know are not there. */
#include "profiles.h"

#include "libnm.h"
#include "names.h"
#include "network.h"
#include "os.h"
#include "profile.h"

#define UPDATE_TO_DISK 0x1
#define UPDATE_IN_MEMORY 0x2
#define UPDATE_NO_REAPPLY 0x40
#define SYNC_MS 15000
#define LOOK_MS 20

static Network *nm; /* one of its own: the others' time limits are for what may fail */

void profiles_choose(void)
{
    gboolean stored = g_file_test(NM_TRIAL_PROFILE_DIR, G_FILE_TEST_IS_DIR);

    if (stored && g_file_test(NM_RUN_DIR, G_FILE_TEST_IS_DIR))
        return;
    nm = network_new();
    profile_port = stored ? &profiles_mixed : &profiles_dbus;
}

/* As a disk that does not answer: nothing is guessed, and it is tried again. */
static gboolean fail(const GError *failure, const char *path, GError **error)
{
    gboolean refused = g_error_matches(failure, BUS_ERROR, BUS_ERROR_REFUSED);
    int code = failure->domain != BUS_ERROR
                   ? G_FILE_ERROR_INVAL /* the host's NM knows more than this libnm */
               : refused ? G_FILE_ERROR_FAILED
                         : G_FILE_ERROR_AGAIN;
    g_set_error(error, G_FILE_ERROR, code, "%s: %s", path, failure->message);
    return FALSE;
}

static gboolean in(const char *path, const char *directory)
{
    g_autofree char *its = g_path_get_dirname(path);
    return strcmp(its, directory) == 0;
}

/* The file of a profile, "" : none. NULL with `error`. Caller frees. */
static char *filename_of(const char *object, GError **error)
{
    g_autoptr(GVariant) name = network_property(nm, object, NM_IFACE_CONNECTION, "Filename", "s", error);
    return name ? g_strdup(g_variant_get_string(name, NULL)) : NULL;
}

static gboolean answers(GError **error)
{
    if (network_look(nm, NULL) == NETWORK_READY)
        return TRUE;
    g_set_error(error, BUS_ERROR, BUS_ERROR_LATER, "NetworkManager does not answer");
    return FALSE;
}

static char **objects(GError **error)
{
    g_autoptr(GVariant) reply = NULL;
    char **paths = NULL;

    if (answers(error))
        reply = network_ask(nm, NM_SETTINGS_PATH, NM_IFACE_SETTINGS, "ListConnections", NULL, "(ao)", error);
    if (reply)
        g_variant_get(reply, "(^ao)", &paths);
    return paths;
}

/* NULL without `error`: no profile is in that file. Caller frees. */
static char *object_in(const char *path, GError **error)
{
    g_auto(GStrv) all = objects(error);

    for (char **object = all; object && *object; object++) {
        g_autoptr(GError) failure = NULL;
        g_autofree char *filename = filename_of(*object, &failure);
        if (g_strcmp0(filename, path) == 0)
            return g_strdup(*object);
        if (failure && !g_error_matches(failure, BUS_ERROR, BUS_ERROR_GONE)) { /* it may be the one */
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
    }
    return NULL;
}

/* FALSE with `error`: NM did not answer. A section that can have no secrets is an error to it, and no matter.
 */
static gboolean add_secrets(NMConnection *connection, const char *object, GVariant *settings, GError **error)
{
    GVariantIter sections;
    const char *section;

    g_variant_iter_init(&sections, settings);
    while (g_variant_iter_next(&sections, "{&s@a{sv}}", &section, NULL)) {
        g_autoptr(GError) failure = NULL;
        g_autoptr(GVariant) reply = network_call(nm, object, NM_IFACE_CONNECTION, "GetSecrets",
                                                 g_variant_new("(s)", section), "(a{sa{sv}})", &failure);
        g_autoptr(GVariant) secrets = reply ? g_variant_get_child_value(reply, 0) : NULL;
        if (secrets)
            (void)libnm()->connection_update_secrets(connection, section, secrets, NULL);
        else if (g_error_matches(failure, BUS_ERROR, BUS_ERROR_LATER)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
    return TRUE;
}

static NMConnection *connection_of(const char *object, GError **error)
{
    g_autoptr(GVariant) reply =
        network_ask(nm, object, NM_IFACE_CONNECTION, "GetSettings", NULL, "(a{sa{sv}})", error);
    g_autoptr(GVariant) settings = reply ? g_variant_get_child_value(reply, 0) : NULL;
    g_autoptr(NMConnection) connection =
        settings ? libnm()->simple_connection_new_from_dbus(settings, error) : NULL;

    if (!connection || !add_secrets(connection, object, settings, error))
        return NULL;
    g_object_set(libnm()->connection_get_setting_connection(connection), NM_SETTING_CONNECTION_TIMESTAMP,
                 (guint64)0, NULL);
    return g_steal_pointer(&connection);
}

static gboolean read_text(const char *path, char **ret_data, gsize *ret_length, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *object = object_in(path, &failure);
    g_autoptr(NMConnection) connection = object ? connection_of(object, &failure) : NULL;
    g_autoptr(GKeyFile) file =
        connection ? libnm()->keyfile_write(connection, NM_KEYFILE_HANDLER_FLAGS_NONE, NULL, NULL, &failure)
                   : NULL;

    if (failure)
        return fail(failure, path, error);
    if (!file) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: NetworkManager has no such profile", path);
        return FALSE;
    }
    *ret_data = g_key_file_to_data(file, ret_length, NULL);
    return TRUE;
}

static char **names(const char *directory, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_auto(GStrv) all = objects(&failure);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    if (!all) {
        (void)fail(failure, directory, error);
        return NULL;
    }
    for (char **object = all; *object; object++) {
        g_autofree char *filename = filename_of(*object, NULL);
        if (filename && *filename && in(filename, directory))
            g_ptr_array_add(found, g_path_get_basename(filename));
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

/* Durability */

static GVariant *ask_systemd(const char *path, const char *interface, const char *method, GVariant *arguments,
                             const char *reply, GError **error)
{
    return bus_call(network_bus(nm), NETWORK_CALL_MS, SYSTEMD_BUS_NAME, path, interface, method, arguments,
                    reply, error);
}

static GVariant *sync_unit(const char *name, const char *directory)
{
    const char *const words[] = {"sync", "-f", directory, NULL};
    GVariantBuilder properties;

    g_variant_builder_init(&properties, G_VARIANT_TYPE("a(sv)"));
    g_variant_builder_add(&properties, "(sv)", "Type", g_variant_new_string("oneshot"));
    g_variant_builder_add(&properties, "(sv)", "Description",
                          g_variant_new_string("Make a network profile durable, for nm-trial"));
    g_variant_builder_add(&properties, "(sv)", "ExecStart",
                          g_variant_new_parsed("[(%s, %^as, false)]", "/bin/sync", words));
    return g_variant_new("(ssa(sv)@a(sa(sv)))", name, "fail", &properties,
                         g_variant_new_parsed("@a(sa(sv)) []"));
}

/* Only systemd's own word that there is no such job says that it has ended. */
static gboolean runs(const char *job)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GVariant) state =
        ask_systemd(job, DBUS_IFACE_PROPERTIES, "Get",
                    g_variant_new("(ss)", "org.freedesktop.systemd1.Job", "State"), "(v)", &failure);
    return state || !g_error_matches(failure, BUS_ERROR, BUS_ERROR_GONE);
}

/* A unit that has ended well is forgotten at once; whatever else is the answer, it is no success. */
static gboolean has_ended_well(const char *name)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GVariant) unit = ask_systemd(SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "GetUnit",
                                           g_variant_new("(s)", name), "(o)", &failure);
    if (!unit)
        return g_error_matches(failure, BUS_ERROR, BUS_ERROR_NO_UNIT);
    g_autoptr(GVariant) reset = ask_systemd(SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "ResetFailedUnit",
                                            g_variant_new("(s)", name), NULL, NULL);
    return FALSE;
}

static gboolean sync_directory(const char *path, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *name = g_strdup_printf("nm-trial-sync-%08x.service", g_random_int());
    gint64 end_ms = os.boottime_ms() + SYNC_MS;
    g_autoptr(GError) failure = NULL;
    const char *job = NULL;
    g_autoptr(GVariant) started = ask_systemd(SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "StartTransientUnit",
                                              sync_unit(name, directory), "(o)", &failure);

    if (!started) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO,
                    "%s is not durable: the host's systemd cannot sync it (%s)", path, failure->message);
        return FALSE;
    }
    g_variant_get(started, "(&o)", &job);
    gboolean ended;
    while (!(ended = !runs(job)) && os.boottime_ms() < end_ms)
        g_usleep(LOOK_MS * 1000);
    if (ended && has_ended_well(name))
        return TRUE;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "%s is not durable: the host's `sync -f` has failed",
                path);
    return FALSE;
}

/* Writing */

static gboolean update(const Profile *profile, gboolean to_disk, GError **error)
{
    g_auto(NetworkProfile) known = {0};
    g_autoptr(GError) gone = NULL;
    GVariant *settings =
        libnm()->connection_to_dbus(profile_connection(profile), NM_CONNECTION_SERIALIZE_ALL);
    g_autoptr(GVariant) owned = g_variant_ref_sink(settings), reply = NULL;
    guint32 flags = UPDATE_NO_REAPPLY | (to_disk ? UPDATE_TO_DISK : UPDATE_IN_MEMORY);

    if (!answers(error))
        return FALSE;
    if (network_get_profile(nm, profile->uuid, &known, &gone))
        reply = network_call(nm, known.object, NM_IFACE_CONNECTION, "Update2",
                             g_variant_new("(@a{sa{sv}}ua{sv})", owned, flags, NULL), "(a{sv})", error);
    else if (to_disk && g_error_matches(gone, BUS_ERROR, BUS_ERROR_GONE))
        reply =
            network_call(nm, NM_SETTINGS_PATH, NM_IFACE_SETTINGS, "AddConnection2",
                         g_variant_new("(@a{sa{sv}}ua{sv})", owned, UPDATE_TO_DISK, NULL), "(oa{sv})", error);
    else
        g_propagate_error(error, g_steal_pointer(&gone));
    return reply != NULL;
}

static gboolean write_text(const char *path, const char *data, gsize length, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gboolean to_disk = !in(path, NM_RUN_PROFILE_DIR);
    g_autoptr(Profile) profile = profile_parse(path, g_strndup(data, length), length, error);

    if (!profile)
        return FALSE;
    if (!update(profile, to_disk, &failure))
        return fail(failure, path, error);
    return !to_disk || sync_directory(path, error);
}

/* NM has one profile for a UUID: what was written into it has replaced whatever else there was, a shadow too.
 * To delete anything would delete the profile. */
static gboolean remove_profile(const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *object = object_in(path, &failure);

    if (failure)
        return fail(failure, path, error);
    if (!object || !in(path, NM_RUN_PROFILE_DIR))
        return TRUE;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s cannot be removed through NetworkManager alone",
                path);
    return FALSE;
}

const struct profiles_port profiles_dbus = {read_text, write_text, remove_profile, names};

/* The stored ones as files, and what is in /run behind D-Bus: a container that was given the one directory
 * only. */

/* Asked each time: on a host, NM's directory comes with NM. */
static const struct profiles_port *port_for(const char *directory)
{
    gboolean away =
        strcmp(directory, NM_RUN_PROFILE_DIR) == 0 && !g_file_test(NM_RUN_DIR, G_FILE_TEST_IS_DIR);
    return away ? &profiles_dbus : &profiles_files;
}

static gboolean mixed_read(const char *path, char **ret_data, gsize *ret_length, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    return port_for(directory)->read(path, ret_data, ret_length, error);
}

static gboolean mixed_write(const char *path, const char *data, gsize length, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    return port_for(directory)->write(path, data, length, error);
}

/* A shadow goes when NM writes the profile's own content to disk; then that file gets its bytes back. */
static gboolean drop_shadow(const char *path, GError **error)
{
    g_autofree char *data = NULL;
    gsize length = 0;
    g_autoptr(GError) failure = NULL;

    if (!read_text(path, &data, &length, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    g_autoptr(Profile) shadow = profile_parse(path, g_steal_pointer(&data), length, error);
    g_autoptr(GPtrArray) stored = profile_read_directory(NM_TRIAL_PROFILE_DIR, NULL);
    const Profile *own = shadow ? profile_by_uuid(stored, shadow->uuid) : NULL;

    if (!own) {
        if (shadow)
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                        "%s hides no stored profile, and cannot be removed", path);
        return FALSE;
    }
    if (!update(own, TRUE, &failure))
        return fail(failure, path, error);
    return profiles_files.write(own->path, own->data, own->length, error);
}

static gboolean mixed_remove(const char *path, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    return port_for(directory) == &profiles_dbus ? drop_shadow(path, error)
                                                 : profiles_files.remove(path, error);
}

static char **mixed_names(const char *directory, GError **error)
{
    return port_for(directory)->names(directory, error);
}

const struct profiles_port profiles_mixed = {mixed_read, mixed_write, mixed_remove, mixed_names};

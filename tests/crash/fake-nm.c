/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-nm.h"

#include "fake-state.h"
#include "names.h"
#include "network.h"
#include "os.h"
#include "profile.h"
#include "profiles.h"
#include "sim-disk.h"

#include <NetworkManager.h>
#include <string.h>

/* Seen: a static profile is up in 60 ms. A DHCP profile that gets no answer fails after its timeout, 45 s by
 * default; less here, so that it ends before a deadline. */
#define UP_MS 60
#define NO_LEASE_MS 2000
#define STARTUP_MS 300

struct fake fake;
guint fake_changes;
gboolean (*fake_before)(const char *call, const char *what);
void (*fake_came_up)(const char *uuid, const char *device, gboolean again);

/* Profiles */

static void storage_free(gpointer data)
{
    struct storage *storage = data;
    profile_free(storage->profile);
    g_free(storage);
}

static gboolean in_run(const char *path)
{
    return g_str_has_prefix(path, NM_RUN_PROFILE_DIR "/");
}

/* A shadow in /run wins over a newer /etc (facts: Files first). */
struct storage *fake_find(const char *uuid)
{
    struct storage *found = NULL;
    for (guint i = 0; i < fake.storages->len; i++) {
        struct storage *storage = fake.storages->pdata[i];
        if (strcmp(storage->profile->uuid, uuid) == 0 && (!found || in_run(storage->profile->path)))
            found = storage;
    }
    return found;
}

struct storage *fake_by_object(const char *object)
{
    for (guint i = 0; i < fake.storages->len; i++) {
        const struct storage *storage = fake.storages->pdata[i];
        g_autofree char *its = fake_object(storage->profile->uuid);
        if (strcmp(its, object) == 0)
            return fake_find(storage->profile->uuid);
    }
    return NULL;
}

char *fake_object(const char *uuid)
{
    return g_strdup_printf("/Settings/%s", uuid);
}

GVariant *fake_settings(const struct storage *storage)
{
    return g_variant_ref_sink(
        nm_connection_to_dbus(profile_connection(storage->profile), NM_CONNECTION_SERIALIZE_NO_SECRETS));
}

static Profile *read_file(const char *path)
{
    const GString *text = disk_get(path);
    return text ? profile_parse(path, g_strndup(text->str, text->len), text->len, NULL) : NULL;
}

static void drop_storage(const char *path)
{
    for (guint i = 0; i < fake.storages->len; i++) {
        const struct storage *storage = fake.storages->pdata[i];
        if (strcmp(storage->profile->path, path) == 0) {
            g_ptr_array_remove_index(fake.storages, i);
            return;
        }
    }
}

/* An invalid file is refused, and the old version stays (facts: Files first). */
static void load_file(const char *path)
{
    Profile *profile = read_file(path);

    if (!profile && disk_get(path))
        return;
    drop_storage(path);
    if (!profile)
        return;
    struct storage *storage = g_new0(struct storage, 1);
    storage->profile = profile;
    g_ptr_array_add(fake.storages, storage);
}

/* A load looks at what it knows of that profile, too: either path brings back what is in /etc. */
static void drop_gone(void)
{
    for (guint i = 0; i < fake.storages->len;) {
        const struct storage *storage = fake.storages->pdata[i];
        if (!disk_get(storage->profile->path))
            g_ptr_array_remove_index(fake.storages, i);
        else
            i++;
    }
}

char *fake_behind(void)
{
    for (guint i = 0; i < fake.storages->len; i++) {
        const struct storage *storage = fake.storages->pdata[i];
        const Profile *has = storage->profile;
        g_autoptr(Profile) file = read_file(has->path);
        if (file && (file->autoconnect != has->autoconnect || file->priority != has->priority))
            return g_strdup(has->path);
    }
    return NULL;
}

/* A start reads all files; one that is invalid is dropped, and names are passed over as NM does (facts). */
static void read_all(void)
{
    g_autoptr(GPtrArray) paths = disk_paths();

    g_ptr_array_set_size(fake.storages, 0);
    for (guint i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        g_autofree char *directory = g_path_get_dirname(path), *name = g_path_get_basename(path);
        if ((strcmp(directory, NM_TRIAL_PROFILE_DIR) == 0 || strcmp(directory, NM_RUN_PROFILE_DIR) == 0) &&
            !profile_ignored(name) && !g_str_has_suffix(name, NM_META_SUFFIX))
            load_file(path);
    }
}

/* Devices */

struct device *fake_device(const char *name)
{
    for (guint i = 0; i < fake.n_devices; i++)
        if (strcmp(fake.device[i].name, name) == 0)
            return &fake.device[i];
    return NULL;
}

static void clear(struct device *device)
{
    g_clear_pointer(&device->uuid, g_free);
    g_clear_pointer(&device->text, g_free);
    g_clear_pointer(&device->path, g_free);
    g_clear_pointer(&device->applied, g_variant_unref);
    device->state = 0;
    device->done_ms = 0;
    device->merged = FALSE;
    fake_changes++;
}

/* Nobody serves DHCP here. */
static gboolean gets_no_lease(const Profile *profile)
{
    NMSettingIPConfig *ip = nm_connection_get_setting_ip4_config(profile_connection(profile));
    return ip && g_strcmp0(nm_setting_ip_config_get_method(ip), "auto") == 0;
}

static void remember(struct device *device, const struct storage *storage)
{
    device->uuid = g_strdup(storage->profile->uuid);
    device->text = g_strdup(storage->profile->data);
    device->applied = fake_settings(storage);
    device->path = g_strdup_printf("/ActiveConnection/%u", ++fake.activations);
}

void fake_activate(struct device *device, const struct storage *storage)
{
    clear(device);
    remember(device, storage);
    device->state = NM_ACTIVE_CONNECTION_STATE_ACTIVATING;
    device->fails = gets_no_lease(storage->profile);
    device->done_ms = os.boottime_ms() + (device->fails ? NO_LEASE_MS : UP_MS);
}

static gboolean fits(const struct storage *storage, const struct device *device)
{
    const char *name = profile_interface(storage->profile);
    return !name || strcmp(name, device->name) == 0;
}

/* By priority, then (times are not modelled: after a switch they are often the same second) by UUID. What
 * failed, or was taken down by hand, is blocked for that device (facts: Autoconnect). */
static struct storage *best(const struct device *device)
{
    struct storage *found = NULL;
    for (guint i = 0; i < fake.storages->len; i++) {
        const struct storage *any = fake.storages->pdata[i];
        struct storage *storage = fake_find(any->profile->uuid);
        const Profile *profile = storage->profile;
        if (!profile->autoconnect || !fits(storage, device) || g_strcmp0(device->blocked, profile->uuid) == 0)
            continue;
        if (!found || profile->priority > found->profile->priority ||
            (profile->priority == found->profile->priority &&
             strcmp(profile->uuid, found->profile->uuid) < 0))
            found = storage;
    }
    return found;
}

/* An active profile is never replaced by autoconnect; a device that idles takes what turned to autoconnect at
 * once (facts). */
void fake_autoconnect(void)
{
    for (guint i = 0; i < fake.n_devices; i++) {
        struct device *device = &fake.device[i];
        const struct storage *storage = device->uuid || device->off ? NULL : best(device);
        if (storage)
            fake_activate(device, storage);
    }
}

void fake_take_down(struct device *device)
{
    g_free(device->blocked);
    device->blocked = g_strdup(device->uuid);
    clear(device);
    fake_autoconnect();
}

/* A profile that is not there any more goes down (facts: never unlink and then rewrite). */
static void take_down_the_lost(void)
{
    for (guint i = 0; i < fake.n_devices; i++)
        if (fake.device[i].uuid && !fake_find(fake.device[i].uuid))
            clear(&fake.device[i]);
    fake_autoconnect();
}

void fake_load(const char *path)
{
    load_file(path);
    drop_gone();
    take_down_the_lost();
    fake_changes++;
}

/* Checkpoints */

static void checkpoint_free(gpointer data)
{
    struct checkpoint *checkpoint = data;
    g_ptr_array_unref(checkpoint->saved);
    g_free(checkpoint->path);
    g_free(checkpoint);
}

static void saved_free(gpointer data)
{
    struct saved *saved = data;
    g_free(saved->uuid);
    g_free(saved->file);
    g_free(saved->text);
    g_free(saved);
}

static void save(struct checkpoint *checkpoint, struct device *device)
{
    struct saved *saved = g_new0(struct saved, 1);
    const struct storage *storage = device->uuid ? fake_find(device->uuid) : NULL;

    saved->device = device;
    if (storage) {
        saved->uuid = g_strdup(device->uuid);
        saved->file = g_strdup(storage->profile->path);
        saved->text = g_strdup(storage->profile->data);
    }
    g_ptr_array_add(checkpoint->saved, saved);
}

struct checkpoint *fake_checkpoint(struct device **devices, guint n, guint32 timeout_s)
{
    struct checkpoint *checkpoint = g_new0(struct checkpoint, 1);

    checkpoint->saved = g_ptr_array_new_with_free_func(saved_free);
    checkpoint->path = g_strdup_printf("/Checkpoint/%u", ++fake.checkpoint_number);
    checkpoint->created_ms = os.boottime_ms();
    checkpoint->timeout_s = timeout_s;
    for (guint i = 0; i < n; i++)
        save(checkpoint, devices[i]);
    g_ptr_array_add(fake.checkpoints, checkpoint);
    return checkpoint;
}

gboolean fake_is_over(const struct checkpoint *checkpoint, const struct device *device)
{
    for (guint i = 0; i < checkpoint->saved->len; i++)
        if (((const struct saved *)checkpoint->saved->pdata[i])->device == device)
            return TRUE;
    return FALSE;
}

void fake_checkpoint_of_others(const char *device, guint32 timeout_s)
{
    struct device *found = fake_device(device);

    for (guint i = 0; i < fake.checkpoints->len; i++)
        if (fake_is_over(fake.checkpoints->pdata[i], found))
            return;
    (void)fake_checkpoint(&found, 1, timeout_s);
    fake_changes++;
}

/* Restores the content on disk, a flipped autoconnect too, and activates it; inactive profiles are left as
 * they are. NM's writers do not sync the directory (facts: Checkpoints, Durability). */
static void roll_back(const struct checkpoint *checkpoint)
{
    for (guint i = 0; i < checkpoint->saved->len; i++) {
        const struct saved *saved = checkpoint->saved->pdata[i];
        if (!saved->uuid) {
            clear(saved->device);
            saved->device->off = TRUE;
            continue;
        }
        const GString *now = disk_get(saved->file);
        if (!now || strcmp(now->str, saved->text) != 0)
            disk_put_lazily(saved->file, saved->text);
        load_file(saved->file);
        fake_activate(saved->device, fake_find(saved->uuid));
    }
}

/* Its life */

void fake_begin(const char *const *devices)
{
    fake = (struct fake){.storages = g_ptr_array_new_with_free_func(storage_free),
                         .checkpoints = g_ptr_array_new_with_free_func(checkpoint_free)};
    for (; *devices; devices++)
        fake.device[fake.n_devices++].name = *devices;
}

gboolean fake_running(void)
{
    return fake.running;
}

static void start(void)
{
    fake.running = TRUE;
    fake.ready_ms = os.boottime_ms() + STARTUP_MS;
    fake.bus_name++;
    fake.activations = fake.checkpoint_number = 0; /* paths are reused (facts: Checkpoints) */
    read_all();
    fake_changes++;
}

void fake_boot(void)
{
    start();
    fake_autoconnect();
}

void fake_die(void)
{
    fake.running = FALSE;
    g_ptr_array_set_size(fake.storages, 0);
    g_ptr_array_set_size(fake.checkpoints, 0); /* gone without a trace (facts) */
    for (guint i = 0; i < fake.n_devices; i++) {
        g_clear_pointer(&fake.device[i].blocked, g_free);
        if (fake.device[i].state == NM_ACTIVE_CONNECTION_STATE_ACTIVATING)
            clear(&fake.device[i]);
    }
    fake_changes++;
}

void fake_power_off(void)
{
    fake_die();
    for (guint i = 0; i < fake.n_devices; i++) {
        clear(&fake.device[i]);
        fake.device[i].off = FALSE;
    }
    fake.bus_name = 0;
}

/* It takes running devices over, also with an autoconnect=no profile, and merges what is on them with the
 * profile; what is applied equals what is stored then (facts: Restart, takeover). */
static void take_over(struct device *device, const struct storage *storage)
{
    g_autofree char *text = g_strdup(device->text);
    gboolean merged = device->merged;

    g_autoptr(Profile) then = profile_parse(storage->profile->path, g_strdup(text), strlen(text), NULL);
    clear(device);
    remember(device, storage);
    device->state = NM_ACTIVE_CONNECTION_STATE_ACTIVATED;
    device->merged = merged || !then || !profile_same(then, storage->profile);
    if (fake_came_up) /* `up` is sent again for every active profile (facts: Dispatcher) */
        fake_came_up(device->uuid, device->name, TRUE);
}

void fake_start_again(void)
{
    start();
    for (guint i = 0; i < fake.n_devices; i++) {
        struct device *device = &fake.device[i];
        const struct storage *storage = device->uuid ? fake_find(device->uuid) : NULL;
        if (storage)
            take_over(device, storage);
        else if (device->uuid)
            clear(device);
    }
    fake_autoconnect();
}

gint64 fake_next_ms(void)
{
    gint64 next_ms = G_MAXINT64;

    if (!fake.running)
        return next_ms;
    if (fake.ready_ms > os.boottime_ms())
        next_ms = fake.ready_ms;
    for (guint i = 0; i < fake.n_devices; i++)
        if (fake.device[i].done_ms)
            next_ms = MIN(next_ms, fake.device[i].done_ms);
    for (guint i = 0; i < fake.checkpoints->len; i++) {
        const struct checkpoint *checkpoint = fake.checkpoints->pdata[i];
        if (checkpoint->timeout_s)
            next_ms = MIN(next_ms, checkpoint->created_ms + (gint64)checkpoint->timeout_s * 1000);
    }
    return next_ms;
}

/* A candidate that fails: NM goes back to the autoconnect profile at once, by itself (facts). */
static void end_activation(struct device *device)
{
    device->done_ms = 0;
    fake_changes++;
    if (!device->fails) {
        device->state = NM_ACTIVE_CONNECTION_STATE_ACTIVATED;
        if (fake_came_up)
            fake_came_up(device->uuid, device->name, FALSE);
        return;
    }
    device->reason = NM_DEVICE_STATE_REASON_IP_CONFIG_UNAVAILABLE;
    fake_take_down(device);
}

void fake_pass(void)
{
    gint64 now_ms = os.boottime_ms();

    for (guint i = 0; i < fake.n_devices; i++)
        if (fake.device[i].done_ms && fake.device[i].done_ms <= now_ms)
            end_activation(&fake.device[i]);
    for (guint i = 0; i < fake.checkpoints->len;) {
        struct checkpoint *checkpoint = fake.checkpoints->pdata[i];
        if (!checkpoint->timeout_s ||
            checkpoint->created_ms + (gint64)checkpoint->timeout_s * 1000 > now_ms) {
            i++;
            continue;
        }
        roll_back(checkpoint);
        g_ptr_array_remove_index(fake.checkpoints, i);
        fake_changes++;
    }
}

/* By somebody */

void fake_up(const char *uuid)
{
    const struct storage *storage = fake_find(uuid);
    for (guint i = 0; storage && i < fake.n_devices; i++)
        if (fits(storage, &fake.device[i])) {
            fake.device[i].off = FALSE;
            fake_activate(&fake.device[i], storage);
            return;
        }
}

void fake_down(const char *uuid)
{
    for (guint i = 0; i < fake.n_devices; i++)
        if (g_strcmp0(fake.device[i].uuid, uuid) == 0)
            fake_take_down(&fake.device[i]);
}

/* Looked at from outside */

const char *fake_active(const char *device)
{
    const struct device *found = fake_device(device);
    return found->state == NM_ACTIVE_CONNECTION_STATE_ACTIVATED ? found->uuid : NULL;
}

const char *fake_runs(const char *device)
{
    return fake_device(device)->text;
}

gboolean fake_merged(const char *device)
{
    return fake_device(device)->merged;
}

char *fake_would_boot(const char *device)
{
    GPtrArray *now = g_steal_pointer(&fake.storages);
    struct device fresh = {.name = device};
    const struct storage *storage;

    fake.storages = g_ptr_array_new_with_free_func(storage_free);
    read_all();
    storage = best(&fresh);
    char *uuid = storage ? g_strdup(storage->profile->uuid) : NULL;
    g_ptr_array_unref(fake.storages);
    fake.storages = now;
    return uuid;
}

guint fake_checkpoints(void)
{
    return fake.checkpoints->len;
}

char *fake_digest(void)
{
    g_autoptr(GString) all = g_string_new(NULL);

    g_string_append_printf(all, "%d %u %u %u %" G_GINT64_FORMAT "\n", fake.running, fake.bus_name,
                           fake.activations, fake.checkpoint_number, fake.ready_ms);
    for (guint i = 0; i < fake.storages->len; i++) {
        const struct storage *storage = fake.storages->pdata[i];
        g_string_append_printf(all, "%s\n%s\n", storage->profile->path, storage->profile->data);
    }
    for (guint i = 0; i < fake.n_devices; i++) {
        const struct device *device = &fake.device[i];
        g_string_append_printf(all, "%s %s %s %u %" G_GINT64_FORMAT " %d %d %s\n%s\n", device->name,
                               device->uuid, device->path, device->state, device->done_ms, device->merged,
                               device->off, device->blocked, device->text);
    }
    for (guint i = 0; i < fake.checkpoints->len; i++) {
        const struct checkpoint *checkpoint = fake.checkpoints->pdata[i];
        g_string_append_printf(all, "%s %" G_GINT64_FORMAT " %u\n", checkpoint->path, checkpoint->created_ms,
                               checkpoint->timeout_s);
    }
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, all->str, (gssize)all->len);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same script on the fake NetworkManager and, through network.c, on a real one: a line for each thing
 * that is seen. tests/crash/conform compares. */
#include "conform.h"

#include "names.h"
#include "network.h"
#include "sim.h"
#include "store.h"

#include <NetworkManager.h>
#include <stdio.h>
#include <string.h>

#define SHADOW NM_RUN_PROFILE_DIR "/lan.nmconnection"
#define SETTLED_MS 1500

static Network *network;

static const char *kind(const GError *error)
{
    return !error                           ? "done"
           : error->code == BUS_ERROR_GONE  ? "gone"
           : error->code == BUS_ERROR_LATER ? "later"
                                            : "refused";
}

static void write_text(const char *path, const char *text)
{
    g_autoptr(GError) error = NULL;
    if (!store_write(path, text, strlen(text), &error))
        g_error("%s", error->message);
}

/* `flags`: put in place of the profile's autoconnect line; NULL: as it is. */
static void put(const char *name, const char *flags)
{
    g_autofree char *path = sim_path(name), *text = sim_profile(name);
    if (flags) {
        char *line = strstr(text, "autoconnect="), *rest = strchr(line, '\n');
        g_autofree char *all = g_strdup_printf("%.*s%s%s", (int)(line - text), text, flags, rest);
        write_text(path, all);
    } else
        write_text(path, text);
}

static void load(const char *path)
{
    const char *paths[] = {path, NULL};
    g_autoptr(GError) error = NULL;
    (void)network_load(network, paths, &error);
    printf("  load: %s\n", kind(error));
}

static void load_profile(const char *name)
{
    g_autofree char *path = sim_path(name);
    load(path);
}

static char *address_of(GVariant *settings)
{
    g_autoptr(GVariant) ip = g_variant_lookup_value(settings, "ipv4", G_VARIANT_TYPE_VARDICT);
    g_autoptr(GVariant) list =
        ip ? g_variant_lookup_value(ip, "address-data", G_VARIANT_TYPE("aa{sv}")) : NULL;
    g_autoptr(GVariant) first =
        list && g_variant_n_children(list) ? g_variant_get_child_value(list, 0) : NULL;
    char *address = NULL;
    if (first)
        g_variant_lookup(first, "address", "s", &address);
    return address ? address : g_strdup("none");
}

static void see_profile(const char *id)
{
    g_auto(NetworkProfile) profile = {0};
    g_autoptr(GError) error = NULL;
    gboolean autoconnect = TRUE;
    gint32 priority = 0;

    g_autoptr(GVariant) settings = network_get_settings(network, sim_uuid(id), &profile, &error);
    if (!settings) {
        printf("  profile %s: %s\n", id, kind(error));
        return;
    }
    g_autoptr(GVariant) connection = g_variant_lookup_value(settings, "connection", G_VARIANT_TYPE_VARDICT);
    g_variant_lookup(connection, "autoconnect", "b", &autoconnect);
    g_variant_lookup(connection, "autoconnect-priority", "i", &priority);
    g_autofree char *address = address_of(settings);
    printf("  profile %s: %s autoconnect=%d priority=%d unsaved=%d flags=%u %s\n", id, profile.filename,
           autoconnect, priority, profile.unsaved, profile.flags, address);
}

static const char *id_of(const char *uuid)
{
    static const char *const ids[] = {"lan", "new", "dhcp", "lan1"};
    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
        if (g_strcmp0(uuid, sim_uuid(ids[i])) == 0)
            return ids[i];
    return uuid ? "another" : "nothing";
}

static void see_device(const char *interface)
{
    g_auto(NetworkDevice) device = {0};
    g_autoptr(GError) error = NULL;

    if (!network_get_device(network, interface, &device, &error)) {
        printf("  device %s: %s\n", interface, kind(error));
        return;
    }
    g_autoptr(GVariant) applied = device.active ? network_applied(network, device.object, NULL) : NULL;
    g_autofree char *address = applied ? address_of(applied) : g_strdup("nothing applied");
    printf("  device %s: %s state=%u %s\n", interface, id_of(device.active_uuid), device.active_state,
           address);
}

/* Returns the activation's path; caller frees. */
static char *activate(const char *id)
{
    g_auto(NetworkProfile) profile = {0};
    g_auto(NetworkDevice) device = {0};
    g_autoptr(GError) error = NULL;
    char *active = NULL;

    if (network_get_profile(network, sim_uuid(id), &profile, &error) &&
        network_get_device(network, "eth0", &device, &error))
        (void)network_activate(network, profile.object, device.object, &active, &error);
    printf("  activate %s: %s\n", id, kind(error));
    return active;
}

static void up(const char *id)
{
    g_autofree char *active = activate(id);
    host_pause(SETTLED_MS);
    see_device("eth0");
}

static void see_activation(const char *active)
{
    guint32 state = 0;
    g_autoptr(GError) error = NULL;
    gboolean known = network_active_state(network, active, &state, &error);
    gboolean up_still = known && state <= NM_ACTIVE_CONNECTION_STATE_ACTIVATED;
    printf("  that activation: %s\n", up_still ? "there" : "ended");
}

static char *checkpoint(guint32 timeout_s)
{
    g_auto(NetworkDevice) device = {0};
    g_autoptr(GError) error = NULL;
    char *made = NULL;

    (void)network_get_device(network, "eth0", &device, NULL);
    const char *devices[] = {device.object, NULL};
    (void)network_checkpoint_create(network, devices, timeout_s, &made, &error);
    printf("  checkpoint of %u s: %s\n", timeout_s, kind(error));
    return made;
}

static void see_checkpoint(const char *path)
{
    g_auto(NetworkCheckpoint) found = {0};
    g_auto(NetworkDevice) device = {0};
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) all = network_checkpoints(network, NULL);

    if (network_checkpoint_get(network, path, &found, &error))
        printf("  it fires in %d s, has %u device\n", (int)((found.fires_ms - found.created_ms) / 1000),
               g_strv_length(found.devices));
    else
        printf("  it is %s\n", kind(error));
    printf("  checkpoints: %u\n", all ? g_strv_length(all) : 0);
    (void)network_get_device(network, "eth0", &device, NULL);
    gint64 over_ms = network_checkpoint_over(network, device.object, NULL);
    printf("  over the device: %s\n", !over_ms ? "none" : over_ms == found.fires_ms ? "this" : "another");
}

/* The script */

static void files(void)
{
    printf("a file that is not loaded is not there\n");
    put("new", NULL);
    see_profile("new");
    load_profile("new");
    see_profile("new");
    printf("activated, the other one goes\n");
    up("new");
    printf("a changed file counts when it is loaded, and the device keeps what it has\n");
    put("new", "autoconnect=true\nautoconnect-priority=7");
    see_profile("new");
    load_profile("new");
    see_profile("new");
    see_device("eth0");
    printf("what is no profile is refused\n");
    g_autofree char *path = sim_path("new");
    write_text(path, "rubbish\n");
    load(path);
    see_profile("new");
    put("new", "autoconnect=false");
    load(path);
    see_profile("new");
    printf("a path that is not there\n");
    load(NM_TRIAL_PROFILE_DIR "/nobody.nmconnection");
}

static void activations(void)
{
    printf("one that gets no lease fails, and the autoconnect profile comes back\n");
    put("dhcp", NULL);
    load_profile("dhcp");
    g_autofree char *active = activate("dhcp");
    host_pause(300);
    see_activation(active);
    host_pause(6000);
    see_activation(active);
    see_device("eth0");
    printf("taken down, likewise\n");
    up("new");
    (void)network_deactivate_profile(network, sim_uuid("new"), NULL);
    host_pause(SETTLED_MS);
    see_device("eth0");
    printf("a profile whose file is gone goes down when that is loaded\n");
    up("new");
    g_autofree char *path = sim_path("new");
    (void)store_remove(path, NULL);
    see_device("eth0");
    load(path);
    host_pause(SETTLED_MS);
    see_profile("new");
    see_device("eth0");
    put("new", NULL);
    load(path);
}

static void shadow(void)
{
    g_autofree char *text = sim_profile("lan.new"), *meta = NULL;

    printf("a shadow wins\n");
    meta =
        g_strdup_printf("%s\n[.nmmeta]\nshadowed-storage=" NM_TRIAL_PROFILE_DIR "/lan.nmconnection\n", text);
    write_text(SHADOW, meta);
    load(SHADOW);
    see_profile("lan");
    see_device("eth0");
    up("lan");
    printf("over a newer file, too\n");
    put("lan", "autoconnect=true\nautoconnect-priority=3");
    load_profile("lan");
    see_profile("lan");
    printf("and it goes when it is unlinked and either path loaded\n");
    (void)store_remove(SHADOW, NULL);
    load_profile("lan");
    see_profile("lan");
    see_device("eth0");
    put("lan", NULL);
    load_profile("lan");
    up("lan");
}

static void checkpoints(void)
{
    printf("a checkpoint, and a second one\n");
    g_autofree char *made = checkpoint(3), *other = checkpoint(3);
    see_checkpoint(made);
    up("new");
    printf("moved, from now\n");
    (void)network_checkpoint_move(network, made, 3, NULL);
    host_pause(2000);
    see_device("eth0");
    host_pause(3000);
    see_device("eth0");
    see_checkpoint(made);
    printf("it flips a flag back\n");
    g_autofree char *flag = checkpoint(2);
    put("lan", "autoconnect=false");
    load_profile("lan");
    see_profile("lan");
    host_pause(4000);
    see_profile("lan");
    printf("destroyed\n");
    g_autofree char *gone = checkpoint(30);
    (void)network_checkpoint_destroy(network, gone, NULL);
    see_checkpoint(gone);
}

static void restart(void)
{
    printf("a restart: the active profile stays, checkpoints go, what was loaded is read anew\n");
    put("lan", NULL);
    load_profile("lan");
    up("new");
    g_autofree char *made = checkpoint(30);
    g_autofree char *name = g_strdup(network_nm_name(network));
    put("lan", "autoconnect=true\nautoconnect-priority=5");
    see_profile("lan");
    host_kill_network(network_nm_pid(network));
    see_device("eth0");
    gboolean ready = network_look(network, NULL) == NETWORK_READY;
    printf("  look: %d, another name: %d\n", ready, g_strcmp0(name, network_nm_name(network)) != 0);
    see_profile("lan");
    see_device("eth0");
    see_checkpoint(made);
    put("lan", NULL);
    put("new", "autoconnect=true\nautoconnect-priority=7");
}

static void booted(void)
{
    printf("a boot: the highest priority\n");
    (void)network_look(network, NULL);
    see_device("eth0");
    see_profile("lan");
}

int main(int argc, char **argv)
{
    gboolean after_boot = argc > 1 && strcmp(argv[1], "--booted") == 0;

    if (argc > 2) { /* --profile NAME: for the test, which stores it */
        g_autofree char *text = sim_profile(argv[2]);
        return printf("%s", text) < 0;
    }
    host_begin();
    network = network_new();
    if (!after_boot) {
        printf("look: %d\n", network_look(network, NULL) == NETWORK_READY);
        files();
        activations();
        shadow();
        checkpoints();
        restart();
        fflush(stdout);
        if (!host_boot())
            return 0;
    }
    booted();
    network_free(network);
    return 0;
}

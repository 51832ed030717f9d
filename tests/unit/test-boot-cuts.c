/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Power cuts before NetworkManager's start: from every state of the disk that a cut can leave, on to every
 * one that another cut leaves while that is recovered from, until there is no new one. A world is one content
 * per name. */
#include "disk.h"
#include "earlier.h"

#include <glib/gstdio.h>

static struct fixture *cut;
static GHashTable *seen; /* digests */
static GQueue *worlds;   /* that are to be looked at */

/* The history tells the time of day, and the envelope its sum: what else is in it tells worlds apart. */
static char *digest(const GPtrArray *world)
{
    static GRegex *regex;
    GString *all = g_string_new(NULL);

    if (!regex)
        regex = g_regex_new("^nm-trial-history .*\n|\"ended\"[^\n]*", G_REGEX_MULTILINE, 0, NULL);
    for (guint i = 0; i < world->len; i++)
        g_string_append_printf(all, "%s\n--\n", world->pdata[i] ? (char *)world->pdata[i] : "none");
    g_autofree char *text = g_regex_replace_literal(regex, all->str, (gssize)all->len, 0, "", 0, NULL);
    g_string_free(all, TRUE);
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
}

static void assert_world_boots(const GPtrArray *world)
{
    for (int i = 0; earlier_safe_at_first(cut->scenario) && i < cut->scenario->n_pairs; i++)
        g_assert_true(earlier_boots(&cut->record->pair[i].candidate, world->pdata[2 * i]) ||
                      earlier_boots(&cut->record->pair[i].replaced, world->pdata[2 * i + 1]));
}

/* A rename is atomic on every file system that is journalled: a record that is being set aside is under one
 * of its two names. (The names are the last but two and the last but one.) */
static gboolean possible(const GPtrArray *world)
{
    gboolean there = world->pdata[world->len - 3] != NULL, aside = world->pdata[world->len - 2] != NULL;
    return !cut->scenario->record_lost || there != aside;
}

static void add_world(GPtrArray *world)
{
    assert_world_boots(world);
    if (possible(world) && g_hash_table_add(seen, digest(world)))
        g_queue_push_tail(worlds, world);
    else
        g_ptr_array_unref(world);
}

/* Every combination of what the names may be. */
static void add_worlds(void)
{
    g_autoptr(GPtrArray) choices = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    guint n = 1;

    for (guint i = 0; i < cut->names->len; i++) {
        g_autofree char *path = g_build_filename(cut->dir, cut->names->pdata[i], NULL);
        GPtrArray *found = disk_after_cut(path);
        g_ptr_array_add(choices, found);
        n *= found->len;
    }
    for (guint k = 0; k < n; k++) {
        GPtrArray *world = g_ptr_array_new_with_free_func(g_free);
        guint rest = k;
        for (guint i = 0; i < choices->len; i++) {
            GPtrArray *found = choices->pdata[i];
            GBytes *content = found->pdata[rest % found->len];
            gsize length = content ? g_bytes_get_size(content) : 0;
            rest /= found->len;
            g_assert_false(disk_is_torn(content)); /* no file of ours, ever */
            g_ptr_array_add(world, content ? g_strndup(g_bytes_get_data(content, NULL), length) : NULL);
        }
        add_world(world);
    }
}

static void build_world(const GPtrArray *world)
{
    for (guint i = 0; i < world->len; i++) {
        g_autofree char *path = g_build_filename(cut->dir, cut->names->pdata[i], NULL);
        if (world->pdata[i])
            g_free(scratch_put(cut->dir, cut->names->pdata[i], world->pdata[i]));
        else
            (void)g_unlink(path);
    }
}

static void power_cuts(const struct scenario *scenario)
{
    int n = 0;

    cut = earlier_begin(scenario);
    seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    worlds = g_queue_new();
    disk_watch();
    add_worlds();
    disk_unwatch();
    for (GPtrArray *world; (world = g_queue_pop_head(worlds)); n++) {
        build_world(world);
        disk_watch();
        disk.now_ms = EARLIER_NOW_MS;
        disk.changed = add_worlds;
        earlier_run_once(cut);
        disk_unwatch();
        earlier_assert_end(cut);
        g_ptr_array_unref(world);
    }
    g_test_message("%s: %d states of the disk", scenario->name, n);
    g_assert_cmpint(n, >=, 3);
    g_assert_cmpint(n, <, 1000);
    g_hash_table_unref(seen);
    g_queue_free(worlds);
    earlier_end(cut);
}

static void test_power_cuts(void)
{
    earlier_for_each(power_cuts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-cuts/all", test_power_cuts);
    return g_test_run();
}

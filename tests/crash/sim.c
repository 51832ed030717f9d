/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk: one counter over all operations; at each of them a copy of this process (fork) takes each cut
 * that is possible there, and lives on, with cuts of its own up to the depth. What was seen already is not
 * walked again. Every distinct disk goes to the oracle, invariants.py. */
#include "sim.h"

#include "fake-nm.h"
#include "history.h"
#include "names.h"
#include "sim-disk.h"
#include "walk.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIFE_S 60 /* of one path in real time: one that never ends is broken */
#define CUTS_MAX 8
#define WALK_ODDS 15 /* a cut in so many operations */
#define POWER_CHOICES 48

static struct {
    const struct sim_scene *scene;
    guint32 seed;
    int depth, depth_max; /* cuts so far, and at most */
    struct cut cut[CUTS_MAX];
    int replayed; /* cuts of `cut` that are still to come, in a replay */
    gboolean replay;
    GRand *walk;        /* a random walk takes its cuts by this; NULL: none */
    guint op, seen;     /* the counter; the changes at the last place for a cut */
    gboolean refused;   /* this call is */
    gboolean disturbed; /* by a cut that may change how it ends */
    guint every;        /* of the second cuts only one in so many; 1: all */
    FILE *people;
    sigjmp_buf top;
} sim;

/* Said */

static char *replay_id(void)
{
    g_autoptr(GString) id = g_string_new(NULL);
    g_string_append_printf(id, "%s:%u:", sim.scene->name, sim.seed);
    for (int i = 0; i < sim.depth; i++)
        g_string_append_printf(id, "%s%u%c%u", i ? "," : "", sim.cut[i].op, sim.cut[i].kind,
                               sim.cut[i].choice);
    return g_string_free(g_steal_pointer(&id), FALSE);
}

void sim_broken(const char *format, ...)
{
    g_autofree char *id = replay_id();
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    walk_figures->broken++;
    fprintf(sim.people, "%s: %s\n    sim --replay %s\n", id, text, id);
    fflush(sim.people);
}

void sim_say(const char *format, ...)
{
    va_list arguments;
    if (!sim.replay)
        return;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    fprintf(sim.people, "%8" G_GINT64_FORMAT " ms  %s\n", sim_now_ms(), text);
}

gboolean sim_undisturbed(void)
{
    return !sim.disturbed;
}

/* Cuts */

static void show_disk(const char *moment, gboolean swept)
{
    g_autofree char *id = replay_id();
    walk_judge(id, moment, swept, world_answered());
}

static void on_torn(void)
{
    siglongjmp(sim.top, 1);
}

/* TRUE: the write that comes is to stop half way. Does not return where the process dies before it. */
static gboolean take(const struct cut *cut)
{
    sim_say("== cut %u%c%u", cut->op, cut->kind, cut->choice);
    if (cut->kind == CUT_TORN)
        return TRUE;
    if (cut->kind == CUT_REFUSED) {
        sim.refused = TRUE;
        return FALSE;
    }
    if (cut->kind == CUT_NETWORK) {
        world_network_died();
        return FALSE;
    }
    if (cut->kind == CUT_POWER) {
        disk_cut(cut->choice);
        show_disk("cut", TRUE);
        world_power_off();
    }
    siglongjmp(sim.top, cut->kind == CUT_POWER ? 2 : 1);
}

static gboolean remember(const struct cut *cut)
{
    sim.cut[sim.depth++] = *cut;
    sim.seen = 0;
    sim.disturbed |= cut->kind != CUT_REFUSED;
    return take(cut);
}

/* A copy takes the cut; this process goes on when the copy's life is over. TRUE only in the copy. */
static gboolean branch(const struct cut *cut, gboolean *ret_torn)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();

    if (pid == 0) {
        (void)alarm(LIFE_S * (guint)(sim.depth_max - sim.depth == 1 ? 1 : 60));
        walk_count(sim.depth + 1);
        *ret_torn = remember(cut);
        return TRUE;
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        g_error("fork: %s", g_strerror(errno));
    if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0) {
        sim.cut[sim.depth++] = *cut;
        sim_broken("the process ended with %s %d", WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        sim.depth--;
    }
    return FALSE;
}

/* Whether that cut leads anywhere new. */
static gboolean is_new(const struct cut *cut)
{
    g_autofree char *disk = cut->kind == CUT_POWER ? disk_cut_digest(cut->choice) : disk_digest();
    g_autofree char *network = cut->kind == CUT_POWER ? NULL : fake_digest();
    g_autofree char *rest = cut->kind == CUT_POWER ? world_digest_after_cut() : world_digest();
    g_autofree char *all =
        g_strdup_printf("%s%c%s%s%s", sim.scene->name, cut->kind, disk, network ? network : "", rest);
    return walk_is_new(all, sim.depth + 1);
}

static gboolean try_cut(enum cut_kind kind, guint choice, gboolean *ret_torn)
{
    const struct cut cut = {sim.op, kind, choice};
    if ((kind != CUT_REFUSED && !is_new(&cut)) ||
        (sim.depth > 0 && sim.every > 1 && walk_figures->tried++ % sim.every))
        return FALSE;
    return branch(&cut, ret_torn);
}

static gboolean all_cuts(gboolean at_write, gboolean at_network, gboolean *ret_torn)
{
    guint n = disk_cuts(), step = MAX(1, n / POWER_CHOICES);

    if (try_cut(CUT_KILL, 0, ret_torn) || (at_write && try_cut(CUT_TORN, 0, ret_torn)) ||
        (at_network && fake_running() && try_cut(CUT_NETWORK, 0, ret_torn)))
        return TRUE;
    for (guint choice = 0; choice < n; choice += step)
        if (try_cut(CUT_POWER, choice, ret_torn))
            return TRUE;
    return FALSE;
}

static gboolean random_cut(gboolean at_write, gboolean at_network)
{
    static const enum cut_kind kinds[] = {CUT_KILL, CUT_POWER, CUT_POWER, CUT_TORN, CUT_NETWORK, CUT_REFUSED};
    struct cut cut = {.op = sim.op, .kind = kinds[g_rand_int_range(sim.walk, 0, G_N_ELEMENTS(kinds))]};

    if (g_rand_int_range(sim.walk, 0, WALK_ODDS) || sim.depth >= sim.depth_max ||
        (cut.kind == CUT_TORN && !at_write) ||
        ((cut.kind == CUT_NETWORK || cut.kind == CUT_REFUSED) && (!at_network || !fake_running())))
        return FALSE;
    if (cut.kind == CUT_POWER)
        cut.choice = (guint)g_rand_int_range(sim.walk, 0, (gint32)disk_cuts());
    walk_count(sim.depth + 1);
    return remember(&cut);
}

/* The counter. TRUE: a write stops half way. */
static gboolean operation(const char *call, const char *what, gboolean at_network)
{
    gboolean torn = FALSE, at_write = strcmp(call, "write") == 0 && world_running() != SIM_NOBODY;
    guint changes = disk_changes + fake_changes + 1;

    if (world_running() == SIM_NOBODY) /* another tool's, or NetworkManager's own: not ours to be cut in */
        return FALSE;
    sim.op++;
    if (sim.depth == 0 && !sim.walk)
        walk_figures->operations++;
    sim_say("%4u %s %s", sim.op, call, what);
    if (sim.replayed > 0) {
        const struct cut cut = sim.cut[sim.depth];
        if (cut.op != sim.op)
            return FALSE;
        sim.replayed--;
        return remember(&cut);
    }
    if (sim.walk)
        return random_cut(at_write, at_network);
    /* a refusal hits whoever asks, and what it knows so far: once for each question */
    if (at_network && sim.depth == 0 && !sim.replay && try_cut(CUT_REFUSED, 0, &torn))
        return FALSE;
    /* where nothing has changed since, a cut leaves what the last one left */
    if (sim.replay || sim.depth >= sim.depth_max || (sim.seen == changes && !at_write))
        return FALSE;
    sim.seen = changes;
    (void)all_cuts(at_write, at_network, &torn);
    return torn;
}

static gboolean on_disk(const char *call, const char *path)
{
    return operation(call, path, FALSE);
}

static gboolean on_network(const char *call, const char *what)
{
    (void)operation(call, what, TRUE);
    if (!sim.refused)
        return FALSE;
    sim.refused = FALSE;
    sim.disturbed |= !fake_is_question(call) || world_running() != SIM_AGENT;
    return TRUE;
}

/* The end of a life */

static void check_network(void)
{
    for (int i = 0; i < SIM_DEVICES_MAX && sim.scene->pair[i].device; i++) {
        const char *device = sim.scene->pair[i].device, *active = fake_active(device);
        g_autofree char *wanted = fake_would_boot(device);
        g_autofree char *path = NULL;
        if (g_strcmp0(active, wanted) != 0)
            sim_broken("promise 2: %s has %s, a boot would bring up %s", device, active ? active : "nothing",
                       wanted ? wanted : "nothing");
        if (active && fake_merged(device))
            sim_broken("promise 2: %s has addresses of both profiles", device);
        if (active && !world_runs_what_is_stored(device))
            sim_broken("promise 2: %s does not run what is stored", device);
    }
    g_autofree char *behind = fake_behind();
    if (behind)
        sim_broken("NetworkManager has not loaded what %s says", behind);
    if (fake_checkpoints() > 0)
        sim_broken("a checkpoint is left, and fires at some time");
}

static void check_story(void)
{
    g_autoptr(JsonArray) history = history_load(NM_TRIAL_STATE_DIR, NULL);
    JsonObject *last =
        history && json_array_get_length(history) ? json_array_get_object_element(history, 0) : NULL;
    const char *reason = last ? json_object_get_string_member(last, "reason") : NULL;

    if (g_strcmp0(reason, sim.scene->verdict) != 0 || (last && history_promoted(last) != sim.scene->promoted))
        sim_broken("undisturbed, it ended with %s, not %s", reason ? reason : "nothing", sim.scene->verdict);
}

static gboolean was_refused(void)
{
    for (int i = 0; i < sim.depth; i++)
        if (sim.cut[i].kind == CUT_REFUSED)
            return TRUE;
    return FALSE;
}

/* Promise 6: doing it twice is doing it once. */
static void check_twice(void)
{
    if (was_refused()) /* a delivery whose trial NetworkManager refused is tried again */
        world_boot_again();
    g_autofree char *before = disk_files_digest(FALSE);
    world_boot_again();
    g_autofree char *after = disk_files_digest(FALSE);
    if (strcmp(before, after) != 0)
        sim_broken("promise 6: one more boot changed the files");
    show_disk("end", TRUE);
    check_network();
}

static void live(void)
{
    int how = sigsetjmp(sim.top, 0);
    if (how == 1)
        world_process_died();
    world_live();
    show_disk("end", FALSE);
    check_network();
    if (sim_undisturbed())
        check_story();
    sim.depth_max = 0; /* no more cuts */
    check_twice();
}

static void begin(const struct sim_scene *scene, guint32 seed)
{
    sim.scene = scene;
    sim.seed = seed;
    sim.op = sim.seen = 0;
    disk_before = NULL;
    fake_before = NULL;
    world_begin(scene, seed);
    walk_tell_story(scene);
    disk_before = on_disk;
    disk_torn = on_torn;
    fake_before = on_network;
}

/* In a process of its own: a life leaves much behind. */
static void live_apart(const struct sim_scene *scene, guint32 seed, GRand *walk)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();

    if (pid == 0) {
        sim.walk = walk;
        begin(scene, seed);
        live();
        fflush(NULL);
        _exit(0);
    }
    sim.scene = scene;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        sim_broken("the process ended with status %d", status);
}

static void walk_scene(const struct sim_scene *scene, int depth, guint walks, guint32 seed)
{
    struct walk_figures before = *walk_figures, *f = walk_figures;

    sim.depth_max = depth;
    f->operations = f->tried = 0;
    live_apart(scene, 0, NULL);
    sim.depth_max = CUTS_MAX;
    for (guint i = 0; i < walks; i++) {
        g_autoptr(GRand) random = g_rand_new_with_seed(seed + i);
        live_apart(scene, seed + i, random);
    }
    fprintf(sim.people,
            "%-18s %10" G_GUINT64_FORMAT " %8" G_GUINT64_FORMAT " %8" G_GUINT64_FORMAT " %8" G_GUINT64_FORMAT
            " %6u %8" G_GUINT64_FORMAT " %6" G_GUINT64_FORMAT "\n",
            scene->name, f->operations, f->cuts[1] - before.cuts[1], f->cuts[2] - before.cuts[2],
            f->cuts[3] - before.cuts[3], walks, f->disks - before.disks, f->broken - before.broken);
    fflush(sim.people);
}

/* SCENE:SEED:n1k0,n2p3,... */
static gboolean replay(const char *id)
{
    g_auto(GStrv) words = g_strsplit(id, ":", 3);
    g_auto(GStrv) cuts = g_strv_length(words) == 3 ? g_strsplit(words[2], ",", CUTS_MAX) : NULL;

    for (int i = 0; cuts && cuts[i] && *cuts[i]; i++, sim.replayed++)
        if (sscanf(cuts[i], "%u%c%u", &sim.cut[i].op, (char *)&sim.cut[i].kind, &sim.cut[i].choice) != 3)
            return FALSE;
    for (gsize i = 0; cuts && i < sim_n_scenes; i++)
        if (strcmp(sim_scenes[i].name, words[0]) == 0) {
            sim.replay = TRUE;
            live_apart(&sim_scenes[i], (guint32)g_ascii_strtoull(words[1], NULL, 10), NULL);
            return TRUE;
        }
    return FALSE;
}

static gboolean is_asked_for(const char *name, char **names)
{
    return !*names || g_strv_contains((const char *const *)names, name);
}

int main(int argc, char **argv)
{
    g_autofree char *replayed = NULL;
    gboolean in_full = FALSE;
    int walks = 5, seed = 1, depth = 2, every = 40;
    const GOptionEntry entries[] = {
        {"replay", 0, 0, G_OPTION_ARG_STRING, &replayed, "One path, as a failure prints it",
         "SCENE:SEED:CUTS"},
        {"long", 0, 0, G_OPTION_ARG_NONE, &in_full, "Depth 2 in full, and more walks", NULL},
        {"walks", 0, 0, G_OPTION_ARG_INT, &walks, "Random walks in each scene (5)", "N"},
        {"seed", 0, 0, G_OPTION_ARG_INT, &seed, "Of the first walk (1)", "N"},
        {"depth", 0, 0, G_OPTION_ARG_INT, &depth, "Cuts in a path, but for walks (2)", "N"},
        {"every", 0, 0, G_OPTION_ARG_INT, &every, "Of the cuts behind the first take one in so many (40)",
         "N"},
        {0}};
    g_autoptr(GOptionContext) context = g_option_context_new("[SCENE...]");

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, NULL))
        return 2;
    sim.every = in_full ? 1 : (guint)every;
    sim.people = fdopen(dup(STDOUT_FILENO), "w");
    walk_begin();
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
        return 1;
    if (replayed)
        return replay(replayed) ? walk_end(sim.people) : 2;
    fprintf(sim.people, "seed %d\n%-18s %10s %8s %8s %8s %6s %8s %6s\n", seed, "scene", "operations", "cuts",
            "second", "further", "walks", "disks", "broken");
    for (gsize i = 0; i < sim_n_scenes; i++)
        if (is_asked_for(sim_scenes[i].name, argv + 1))
            walk_scene(&sim_scenes[i], depth, in_full && walks == 5 ? 100 : (guint)walks, (guint32)seed);
    return walk_end(sim.people);
}

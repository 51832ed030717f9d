/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The world around the disk and NetworkManager: a clock that jumps to what comes next, an operator with a
 * script, an agent that systemd starts again, and the boot. The agent's loop is agent.c's, with the checks'
 * rounds in the place of its judge. */
#include "boot.h"
#include "candidate.h"
#include "checks.h"
#include "event.h"
#include "fake-nm.h"
#include "history.h"
#include "names.h"
#include "profiles.h"
#include "sim-disk.h"
#include "sim.h"
#include "store.h"
#include "verbs.h"
#include "waiting.h"

#include <string.h>

#define BOOT_MS 30000
#define AGAIN_MS 100 /* RestartSec */
#define NM_BACK_MS 500
#define RETRY_MS 2000
#define ROUND_MS 50
#define VERDICT_MS 500 /* promise 3 */
#define PATIENCE_MS 1000000

static struct {
    const struct sim_scene *scene;
    GRand *rand;
    gint64 now_ms, begin_ms, limit_ms;
    enum sim_who running;
    enum { BOOT_FILES, BOOT_NETWORK, ALIVE } phase;
    int boot;
    gboolean operator_lives;
    guint step;
    gint64 nm_back_ms; /* when systemd starts it again, 0: it runs */
    const char *answered;
    gboolean agent_lives;
    gint64 agent_ms; /* when it looks next, or is started again; G_MAXINT64: never */
    Engine engine;
    char *subject; /* of the checks */
    gint64 round_ms, since_ms;
    guint seen_changes; /* of NetworkManager and the disk, at the agent's last look */
    char boot_id[33];
} world;

gint64 sim_now_ms(void)
{
    return world.now_ms;
}

gint64 sim_wall_ms(void)
{
    gint64 hour_ms = 3600 * 1000, year_ms = 24 * 365 * hour_ms;
    return 50 * year_ms + world.now_ms - (world.now_ms > world.begin_ms + 500 ? hour_ms : 0);
}

enum sim_who world_running(void)
{
    return world.running;
}

const char *world_answered(void)
{
    return world.answered;
}

/* What the helper asks of the machine, by the linker's --wrap */

#pragma GCC visibility push(default)

char *__wrap_engine_boot_id(void);
char *__wrap_engine_boot_id(void)
{
    return g_strdup(world.boot_id);
}

static void start_agent(void)
{
    if (world.agent_lives)
        return;
    world.agent_lives = TRUE;
    world.agent_ms = world.now_ms;
}

gboolean __wrap_agent_summon(Network *network, const char *run_dir, const char *id, gint64 until_ms);
gboolean __wrap_agent_summon(Network *network, const char *run_dir, const char *id, gint64 until_ms)
{
    start_agent();
    return TRUE;
}

guint32 __wrap_g_random_int(void);
guint32 __wrap_g_random_int(void)
{
    return 0x51310000 + (guint32)world.boot;
}

#pragma GCC visibility pop

/* The agent */

/* As judge_follow(): a round when the profiles are up, and the one that fills hold. */
static void follow_checks(const Record *record, gboolean active)
{
    g_autofree char *subject =
        record && active && record->trial.state == TRIAL_TRYING ? record_subject(record) : NULL;

    if (g_strcmp0(subject, world.subject) == 0)
        return;
    g_free(world.subject);
    world.subject = g_steal_pointer(&subject);
    world.since_ms = 0;
    world.round_ms = world.subject ? world.now_ms + ROUND_MS : 0;
}

static void tell_checks(void)
{
    struct engine_checks *checks = &world.engine.checks;
    g_autoptr(Record) record = engine_load(NM_TRIAL_STATE_DIR, NULL);
    gboolean passing = record && (!record->checks[0] || sim_passes(record));

    g_free(checks->subject);
    g_clear_pointer(&checks->failing, g_free);
    checks->subject = g_strdup(world.subject);
    checks->state = CHECKS_UNKNOWN;
    if (!world.subject || world.now_ms < world.round_ms)
        return;
    checks->state = passing ? CHECKS_PASSING : CHECKS_FAILING;
    if (!passing)
        checks->failing = g_strdup("check nm on eth0: simulated");
    if (!passing)
        world.since_ms = 0;
    else if (!world.since_ms)
        world.since_ms = world.now_ms;
    checks->passing_since_ms = world.since_ms;
    checks->passing_until_ms = world.now_ms;
}

static void wake_agent(gint64 at_ms)
{
    world.agent_ms = MIN(world.agent_ms, at_ms);
}

static gboolean look_at_events(void)
{
    g_autoptr(GPtrArray) events = event_list(NM_TRIAL_RUN_DIR);
    gboolean again = FALSE;

    for (guint i = 0; i < events->len; i++) {
        const Event *event = events->pdata[i];
        enum candidate_fate fate = candidate_up(&world.engine, event);
        if (fate == CANDIDATE_OPENED)
            wake_agent(world.now_ms);
        if (fate == CANDIDATE_LATER)
            again = TRUE;
        else
            event_forget(NM_TRIAL_RUN_DIR, event->uuid);
    }
    return again;
}

static gboolean look_at_waiting(void)
{
    enum candidate_fate fate = waiting_try(&world.engine);
    if (fate == CANDIDATE_OPENED)
        wake_agent(world.now_ms);
    return fate == CANDIDATE_LATER;
}

static void after_run(const EngineResult *result, gboolean again)
{
    if (result->record) {
        follow_checks(result->record, result->active);
        wake_agent(MIN(result->wake_ms, world.now_ms + 10 * RETRY_MS));
        if (world.subject && world.now_ms < world.round_ms)
            wake_agent(world.round_ms);
        if (world.since_ms && result->record->trial.confirm == CONFIRM_AUTO)
            wake_agent(MAX(world.since_ms + result->record->trial.hold_ms, world.now_ms + ROUND_MS));
        if (result->next != ACTION_JUDGE)
            return;
        world.engine.after_revert = g_strdup("[]");
        world.engine.judged = TRUE;
        wake_agent(world.now_ms + ROUND_MS);
        return;
    }
    follow_checks(NULL, FALSE);
    if (again || world.agent_ms != G_MAXINT64) {
        wake_agent(world.now_ms + RETRY_MS);
        return;
    }
    world.agent_lives = FALSE; /* idle */
    engine_clear(&world.engine);
    g_clear_pointer(&world.engine.network, network_free);
}

static void run_agent(void)
{
    g_auto(EngineResult) result = {0};
    g_autoptr(GError) error = NULL;
    gboolean again;

    world.running = SIM_AGENT;
    world.agent_ms = G_MAXINT64;
    if (!world.engine.network)
        world.engine = (Engine){.state_dir = NM_TRIAL_STATE_DIR,
                                .profile_dir = NM_TRIAL_PROFILE_DIR,
                                .boot_id = world.boot_id,
                                .network = network_new()};
    int lock = store_lock(NM_TRIAL_STATE_DIR, 0, NULL);
    tell_checks();
    if (!engine_run(&world.engine, NULL, &result, &error)) {
        store_unlock(lock);
        wake_agent(world.now_ms + RETRY_MS); /* it may pass */
        world.seen_changes = fake_changes + disk_changes;
        world.running = SIM_NOBODY;
        return;
    }
    again = !result.record && !waiting_catch_up(&world.engine, NM_TRIAL_RUN_DIR);
    again = look_at_events() || again;
    if (!result.record && world.agent_ms == G_MAXINT64)
        again = look_at_waiting() || again;
    store_unlock(lock);
    after_run(&result, again);
    world.seen_changes = fake_changes + disk_changes;
    world.running = SIM_NOBODY;
}

/* The operator */

/* As the dispatcher's script: a guarded profile or a candidate has come up; the agent is to look. */
static void on_came_up(const char *uuid, const char *device, gboolean again)
{
    g_autoptr(GPtrArray) stored = profile_read_directory(NM_TRIAL_PROFILE_DIR, NULL);
    const Profile *profile = profile_by_uuid(stored, uuid);
    g_autofree char *name = profile ? g_path_get_basename(profile->path) : NULL;
    g_autofree char *good = name ? g_build_filename(NM_TRIAL_STATE_DIR, NM_TRIAL_GOOD, name, NULL) : NULL;

    if (disk_get(NM_TRIAL_STATE_DIR "/" NM_TRIAL_RECORD))
        start_agent();
    if (!profile || (!disk_get(good) && !profile_annotation(profile, ANNOTATION_REPLACES)))
        return;
    (void)event_post(NM_TRIAL_RUN_DIR, uuid, device, again, NULL);
    start_agent();
    wake_agent(world.now_ms);
}

static int run_verb(const char *command)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"start", verb_start},
                 {"confirm", verb_confirm},
                 {"cancel", verb_cancel},
                 {"extend", verb_extend},
                 {"guard", verb_guard}};
    char **words = g_strsplit(command, " ", -1);
    int argc = (int)g_strv_length(words);

    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (strcmp(verbs[i].name, words[0]) == 0)
            return verbs[i].run(argc, words);
    return -1;
}

static char *replace_once(const char *text, const char *old, const char *new)
{
    g_auto(GStrv) parts = g_strsplit(text, old, 2);
    return g_strjoinv(new, parts);
}

/* It says "promoting" now, rightly but for its checksum. */
static void corrupt_record(void)
{
    const char *path = NM_TRIAL_STATE_DIR "/" NM_TRIAL_RECORD;
    const GString *text = disk_get(path);
    g_auto(GStrv) parts = text ? g_strsplit(text->str, "\n", 2) : NULL;
    g_auto(GStrv) head = parts ? g_strsplit(parts[0], " ", 4) : NULL;

    if (!text)
        return;
    g_autofree char *state = replace_once(parts[1], "state=trying", "state=promoting");
    g_autofree char *body = replace_once(state, "reason=none", "reason=confirmed");
    g_autofree char *all = g_strdup_printf("%s %s %zu %s\n%s", head[0], head[1], strlen(body), head[3], body);
    disk_put(path, all);
}

static void act(char **words)
{
    g_autofree char *content = NULL, *path = words[1] ? sim_path(words[1]) : NULL;

    if (strcmp(words[0], "put") == 0) {
        content = sim_profile(words[2]);
        disk_put(path, content);
    } else if (strcmp(words[0], "remove") == 0)
        disk_put(path, NULL);
    else if (strcmp(words[0], "up") == 0) { /* nmcli loads and activates */
        fake_load(path);
        fake_up(sim_uuid(words[1]));
    } else if (strcmp(words[0], "checkpoint") == 0) /* over a device, for so many seconds */
        fake_checkpoint_of_others(words[1], (guint32)atoi(words[2]));
    else if (strcmp(words[0], "corrupt") == 0)
        corrupt_record();
    else if (strcmp(words[0], "kill-nm") == 0) {
        fake_die();
        world.nm_back_ms = world.now_ms + NM_BACK_MS;
    } else if (strcmp(words[0], "reboot") == 0) {
        disk_shut_down();
        world_power_off();
    }
}

static void run_operator(void)
{
    const struct sim_step *step = &world.scene->steps[world.step];
    g_auto(GStrv) words = g_strsplit(step->command, " ", -1);

    world.step++;
    sim_say("-- %s", step->command);
    if (step->exit < 0) {
        act(words);
        return;
    }
    world.running = SIM_OPERATOR;
    int status = run_verb(step->command);
    world.running = SIM_NOBODY;
    sim_say("-- %s: %d", step->command, status);
    if (sim_undisturbed() && status != step->exit)
        sim_broken("%s answered %d, not %d, although nothing was cut", step->command, status, step->exit);
    world.operator_lives =
        world.operator_lives && status == step->exit; /* or there is nothing to go on from */
    if (status == EXIT_DONE && (strcmp(words[0], "confirm") == 0 || strcmp(words[0], "cancel") == 0))
        world.answered = g_strcmp0(words[0], "confirm") == 0 ? "confirm" : "cancel";
}

/* Time */

static gint64 operator_ms(void)
{
    const struct sim_step *step = &world.scene->steps[world.step];
    return world.operator_lives && world.step < SIM_STEPS_MAX && step->command ? world.begin_ms + step->at_ms
                                                                               : G_MAXINT64;
}

static gint64 next_ms(void)
{
    gint64 next = MIN(operator_ms(), fake_next_ms());
    if (world.agent_lives)
        next = MIN(next, world.agent_ms);
    if (world.nm_back_ms)
        next = MIN(next, world.nm_back_ms);
    return next;
}

/* Promise 3: by its deadline and half a second a trial has a durable verdict. */
static void check_bounded(gint64 next)
{
    g_autoptr(Record) record = engine_load(NM_TRIAL_STATE_DIR, NULL);

    if (record && record->trial.state == TRIAL_TRYING && strcmp(record->boot_id, world.boot_id) == 0 &&
        next > record->trial.deadline_ms + VERDICT_MS)
        sim_broken("promise 3: no verdict %" G_GINT64_FORMAT " ms after the deadline",
                   next - record->trial.deadline_ms);
}

/* An event for each change, as the agent hears it. */
static void wake_by_change(void)
{
    if (world.agent_lives && world.engine.network && fake_changes + disk_changes != world.seen_changes)
        wake_agent(world.now_ms);
}

/* One thing that is due; what comes first of several is the seed's. */
static void next_thing(void)
{
    gboolean first = g_rand_boolean(world.rand);

    if (world.nm_back_ms && world.nm_back_ms <= world.now_ms) {
        world.nm_back_ms = 0;
        fake_start_again();
    } else if (fake_next_ms() <= world.now_ms)
        fake_pass();
    else if (operator_ms() <= world.now_ms && (first || world.agent_ms > world.now_ms || !world.agent_lives))
        run_operator();
    else if (world.agent_lives && world.agent_ms <= world.now_ms)
        run_agent();
    wake_by_change();
}

static void live(void)
{
    while (world.phase == ALIVE) {
        gint64 next = next_ms();
        if (next == G_MAXINT64 || next > world.limit_ms)
            return;
        check_bounded(next);
        world.now_ms = MAX(world.now_ms, next);
        next_thing();
    }
}

static void set_boot_id(void)
{
    memset(world.boot_id, 'a' + world.boot % 16, 32); /* few of them: or no two disks were alike */
}

void world_live(void)
{
    while (world.phase != ALIVE || next_ms() <= world.limit_ms) {
        if (world.phase == BOOT_FILES) {
            world.running = SIM_BOOT;
            (void)boot_main(NM_TRIAL_STATE_DIR, NM_TRIAL_PROFILE_DIR);
            world.running = SIM_NOBODY;
            if (disk_get(NM_TRIAL_STATE_DIR "/" NM_TRIAL_RECORD))
                sim_broken("promise 3: nm-trial boot has left an earlier boot's trial open");
            world.phase = BOOT_NETWORK;
        }
        if (world.phase == BOOT_NETWORK) {
            world.phase = ALIVE;
            fake_boot();
            start_agent(); /* the unit is enabled */
        }
        live();
        if (world.phase == ALIVE)
            break;
    }
}

void world_process_died(void)
{
    disk_process_died();
    if (world.running == SIM_OPERATOR)
        world.operator_lives = FALSE;
    if (world.running == SIM_BOOT)
        world.phase = BOOT_NETWORK;
    if (world.running == SIM_AGENT) {
        world.engine = (Engine){0};
        world.agent_ms = world.now_ms + AGAIN_MS;
        g_clear_pointer(&world.subject, g_free);
        world.since_ms = world.round_ms = 0;
    }
    world.running = SIM_NOBODY;
    wake_by_change();
}

void world_power_off(void)
{
    world.boot++;
    set_boot_id();
    world.now_ms = BOOT_MS;
    world.limit_ms = BOOT_MS + PATIENCE_MS;
    world.phase = BOOT_FILES;
    world.running = SIM_NOBODY;
    world.operator_lives = world.agent_lives = FALSE;
    world.engine = (Engine){0};
    world.agent_ms = G_MAXINT64;
    world.nm_back_ms = 0;
    g_clear_pointer(&world.subject, g_free);
    world.since_ms = world.round_ms = 0;
    fake_power_off();
}

static const char good_dir[] = NM_TRIAL_STATE_DIR "/" NM_TRIAL_GOOD;
static const char *const directories[] = {"/",
                                          "/etc",
                                          "/etc/NetworkManager",
                                          NM_TRIAL_PROFILE_DIR,
                                          "/run",
                                          NM_RUN_DIR,
                                          NM_RUN_PROFILE_DIR,
                                          "/var/lib",
                                          "/var/lib/NetworkManager",
                                          NM_TRIAL_STATE_DIR,
                                          good_dir,
                                          "/tmp",
                                          NULL};
static const char *const devices[] = {"eth0", "eth1", NULL};

void world_begin(const struct sim_scene *scene, guint32 seed)
{
    disk_begin(directories);
    fake_begin(devices);
    fake_came_up = on_came_up;
    world.scene = scene;
    world.rand = g_rand_new_with_seed(seed);
    world.now_ms = world.begin_ms = 100000;
    world.limit_ms = world.begin_ms + PATIENCE_MS;
    world.phase = ALIVE;
    world.operator_lives = TRUE;
    world.agent_ms = G_MAXINT64;
    set_boot_id();
    for (int i = 0; i < SIM_FILES_MAX && scene->files[i]; i++) {
        g_autofree char *text = sim_profile(scene->files[i]), *path = sim_path(scene->files[i]);
        disk_put(path, text);
    }
    g_autofree char *content = scene->pair[0].content ? sim_profile(scene->pair[0].content) : NULL;
    if (content)
        disk_put("/tmp/content", content);
    fake_boot();
    for (int i = 0; i < 2; i++, world.now_ms = MAX(world.now_ms, fake_next_ms()), fake_pass())
        ;
    world.begin_ms = world.now_ms;
}

void world_pause(gint64 ms)
{
    gint64 end_ms = world.now_ms + ms;

    for (gint64 next = fake_next_ms(); next <= end_ms; next = fake_next_ms()) {
        world.now_ms = MAX(world.now_ms, next);
        fake_pass();
    }
    world.now_ms = end_ms;
}

void world_network_died(void)
{
    fake_die();
    world.nm_back_ms = world.now_ms + NM_BACK_MS;
}

void world_boot_again(void)
{
    disk_shut_down();
    world_power_off();
    world_live();
}

gboolean world_runs_what_is_stored(const char *device)
{
    const char *uuid = fake_active(device), *text = fake_runs(device);
    g_autoptr(Profile) runs = profile_parse("/running", g_strdup(text), strlen(text), NULL);
    g_autoptr(GPtrArray) stored = profile_read_directory(NM_TRIAL_PROFILE_DIR, NULL);
    const Profile *profile = profile_by_uuid(stored, uuid);
    return runs && profile && profile_same(runs, profile);
}

char *world_digest_after_cut(void)
{
    return g_strdup_printf("%s %d", world.answered ? world.answered : "-", world.boot % 16);
}

char *world_digest(void)
{
    return g_strdup_printf("%d %d %d %u %d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %s %s %" G_GINT64_FORMAT
                           " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
                           world.running, world.phase, world.operator_lives, world.step, world.agent_lives,
                           world.agent_ms, world.now_ms, world.answered ? world.answered : "-",
                           world.subject ? world.subject : "-", world.round_ms, world.since_ms,
                           world.nm_back_ms);
}

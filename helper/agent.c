/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include "activations.h"
#include "candidate.h"
#include "hooks.h"
#include "journal.h"
#include "judge.h"
#include "names.h"
#include "os.h"
#include "profiles.h"
#include "store.h"
#include "view.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* Somebody else has the lock: flock tells nobody that it is free again. */
#define BUSY_MS 10
/* After a failure that is not the trial's, and while the bus is away. */
#define RETRY_MS 2000
#define ALIVE_TRIES 10

struct agent {
    Engine engine;
    const char *run_dir;
    gboolean exit_idle;
    Network *network;
    Judge *judge;
    Hooks *hooks;
    Activations *activations; /* NULL: the dispatcher's script tells */
    GMainLoop *loop;
    int alive; /* the locked file that says which trial this process has */
    int timer;
    int inotify;
    guint queued;
    gboolean ready;
    char *said; /* the last failure in the journal */
    int status;
};

static void run(struct agent *agent);

static gboolean on_queued(gpointer data)
{
    struct agent *agent = data;
    agent->queued = 0;
    run(agent);
    return G_SOURCE_REMOVE;
}

/* Events make a run, not one each. */
static void queue(gpointer data)
{
    struct agent *agent = data;
    if (!agent->queued)
        agent->queued = g_timeout_add(0, on_queued, agent);
}

static void wake_at(const struct agent *agent, gint64 at_ms)
{
    struct itimerspec when = {0};
    if (at_ms != G_MAXINT64) {
        at_ms = MAX(at_ms, 1); /* 0 would disarm it */
        when.it_value.tv_sec = at_ms / 1000;
        when.it_value.tv_nsec = at_ms % 1000 * 1000000;
    }
    (void)timerfd_settime(agent->timer, TFD_TIMER_ABSTIME, &when, NULL); /* cannot fail with these values */
}

static void retry_in(const struct agent *agent, gint64 in_ms)
{
    wake_at(agent, os.boottime_ms() + in_ms);
}

/* Tells `start` which trial this process has. Without the lock: `start` holds it while it waits for this. */
static void take_up(const struct agent *agent)
{
    g_autoptr(Record) record = engine_load(agent->engine.state_dir, NULL);
    if (ftruncate(agent->alive, 0) == 0 && record)
        (void)!pwrite(agent->alive, record->id, strlen(record->id), 0);
}

static void idle(struct agent *agent)
{
    judge_follow(agent->judge, NULL, FALSE);
    wake_at(agent, G_MAXINT64);
    if (!agent->exit_idle)
        return;
    close(
        agent->alive); /* still under the lock: from here on `start` knows that it must ask for another one */
    agent->alive = -1;
    g_main_loop_quit(agent->loop);
}

static void judge_if_asked(struct agent *agent, const EngineResult *result)
{
    if (result->next != ACTION_JUDGE)
        return;
    g_free(agent->engine.after_revert);
    agent->engine.after_revert = judge_take_once(agent->judge, &agent->engine.outage);
    agent->engine.judged = agent->engine.after_revert != NULL || !network_bus(agent->network);
    if (agent->engine.judged)
        queue(agent);
    else
        judge_once(agent->judge, result->record);
}

/* What came up since the last look. TRUE: some of it must be looked at again. */
static gboolean look_at_events(struct agent *agent)
{
    g_autoptr(GPtrArray) events = event_list(agent->run_dir);
    gboolean again = FALSE;

    for (guint i = 0; i < events->len; i++) {
        const Event *event = events->pdata[i];
        enum candidate_fate fate = candidate_up(&agent->engine, event);
        if (fate == CANDIDATE_OPENED)
            queue(agent);
        if (fate == CANDIDATE_LATER)
            again = TRUE;
        else
            event_forget(agent->run_dir, event->uuid);
    }
    return again;
}

/* TRUE: something waits that cannot be tried yet. */
static gboolean look_at_waiting(struct agent *agent)
{
    enum candidate_fate fate = waiting_try(&agent->engine);
    if (fate == CANDIDATE_OPENED)
        queue(agent);
    return fate == CANDIDATE_LATER;
}

/* FALSE: what is on the disk cannot be read now. */
static gboolean run_locked(struct agent *agent, EngineResult *result)
{
    g_autoptr(GError) error = NULL;

    judge_tell(agent->judge, &agent->engine.checks);
    if (!engine_run(&agent->engine, NULL, result, &error)) {
        if (g_strcmp0(agent->said, error->message) != 0)
            journal_say(JOURNAL_TROUBLE, NULL, -1, "%s", error->message);
        g_free(agent->said);
        agent->said = g_strdup(error->message);
        retry_in(agent, RETRY_MS);
        return FALSE;
    }
    gboolean again = !result->record && !waiting_catch_up(&agent->engine, agent->run_dir);
    if (agent->activations)
        activations_look(agent->activations, &agent->engine, agent->run_dir);
    again = look_at_events(agent) || again;
    if (!result->record && !agent->queued)
        again = look_at_waiting(agent) || again;
    again = hooks_look(agent->hooks, result->record ? result->record->id : NULL) || again;
    if (result->record) {
        judge_follow(agent->judge, result->record, result->active);
        wake_at(agent, network_bus(agent->network) ? result->wake_ms
                                                   : MIN(result->wake_ms, os.boottime_ms() + RETRY_MS));
        judge_if_asked(agent, result);
    } else if (again || agent->queued)
        retry_in(agent, RETRY_MS);
    else
        idle(agent);
    return TRUE;
}

/* Without the lock: NM is asked what is active, and may take its time. */
static void publish(const struct agent *agent, const EngineResult *result)
{
    g_autofree char *path = g_build_filename(agent->run_dir, NM_TRIAL_STATUS, NULL);
    view_publish(path, result->record, result->network_away ? NULL : agent->network);
}

/* Before each look, as directories may come later than the agent (NetworkManager's in /run, after a boot): to
 * watch a thing twice is to watch it once. */
static void watch(const struct agent *agent)
{
    g_autofree char *events = g_build_filename(agent->run_dir, NM_TRIAL_EVENTS, NULL);
    const struct {
        const char *path;
        guint32 mask;
    } watched[] = {
        {events, IN_MOVED_TO},
        {agent->engine.state_dir, IN_MOVED_TO | IN_DELETE},
        {agent->engine.profile_dir, IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE},
        {NM_RUN_PROFILE_DIR, IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(watched); i++)
        (void)inotify_add_watch(agent->inotify, watched[i].path, watched[i].mask);
}

static void run(struct agent *agent)
{
    g_auto(EngineResult) result = {0};

    watch(agent);
    take_up(agent);
    int lock = store_lock(agent->engine.state_dir, 0, NULL);
    if (lock < 0) {
        retry_in(agent, BUSY_MS);
        return;
    }
    gboolean known = run_locked(agent, &result);
    store_unlock(lock);
    if (known)
        publish(agent, &result);
    hooks_run(agent->hooks);
    if (!agent->ready)
        (void)sd_notify(0, "READY=1");
    agent->ready = TRUE;
}

/* Events */

static void on_network(gpointer data)
{
    struct agent *agent = data;
    judge_hurry(agent->judge);
    queue(agent);
}

static gboolean on_timer(int fd, GIOCondition condition, gpointer data)
{
    guint64 times;
    (void)condition;
    (void)!read(fd, &times, sizeof times);
    run(data); /* at once: this may be the deadline */
    return G_SOURCE_CONTINUE;
}

static gboolean on_files(int fd, GIOCondition condition, gpointer data)
{
    char buffer[4096];
    (void)condition;
    while (read(fd, buffer, sizeof buffer) > 0)
        ;
    queue(data);
    return G_SOURCE_CONTINUE;
}

static gboolean on_signal(gpointer data)
{
    struct agent *agent = data;
    g_main_loop_quit(agent->loop);
    return G_SOURCE_CONTINUE;
}

static gboolean on_watchdog(gpointer data)
{
    (void)data;
    (void)sd_notify(0, "WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

static int only_agent(const char *run_dir)
{
    g_autofree char *path = g_build_filename(run_dir, NM_TRIAL_AGENT, NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    for (int i = 0; fd >= 0 && i < ALIVE_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        g_usleep(BUSY_MS * 1000); /* whoever looks for an agent holds it for an instant */
    }
    journal_say(JOURNAL_TROUBLE, NULL, -1, "%s: %s", path,
                fd >= 0 ? "another agent is running already" : g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static gboolean set_up(struct agent *agent)
{
    guint64 watchdog_us = 0;

    g_autofree char *events = g_build_filename(agent->run_dir, NM_TRIAL_EVENTS, NULL);
    g_autoptr(GError) error = NULL;
    if (g_mkdir_with_parents(events, 0700) < 0 || g_chmod(agent->run_dir, 0755) < 0 ||
        !store_make_directory(agent->engine.state_dir, 0700, &error))
        journal_say(JOURNAL_TROUBLE, NULL, -1, "%s", error ? error->message : agent->run_dir);
    agent->alive = only_agent(agent->run_dir);
    agent->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    agent->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (agent->timer < 0 || agent->inotify < 0)
        journal_say(JOURNAL_TROUBLE, NULL, -1, "no timer, no inotify: %s", g_strerror(errno));
    if (agent->alive < 0 || agent->timer < 0 || agent->inotify < 0)
        return FALSE;
    g_unix_fd_add(agent->timer, G_IO_IN, on_timer, agent);
    g_unix_fd_add(agent->inotify, G_IO_IN, on_files, agent);
    g_unix_signal_add(SIGTERM, on_signal, agent);
    g_unix_signal_add(SIGINT, on_signal, agent);
    if (sd_watchdog_enabled(0, &watchdog_us) > 0)
        g_timeout_add((guint)(watchdog_us / 2000), on_watchdog, NULL);
    return TRUE;
}

int agent_main(const char *state_dir, const char *run_dir, const char *profile_dir, gboolean exit_idle)
{
    /* the unit's word: in its sandbox, a container's own is not to be seen */
    const char *told = g_getenv("NM_TRIAL_BOOT_ID");
    g_autofree char *boot_id = told ? g_strdup(told) : engine_boot_id();
    g_autoptr(Network) network = network_new();
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    struct agent agent = {
        .engine = {.state_dir = state_dir,
                   .profile_dir = profile_dir,
                   .boot_id = boot_id,
                   .network = network},
        .run_dir = run_dir,
        .exit_idle = exit_idle,
        .network = network,
        .loop = loop,
    };

    journal_use_stderr();
    profiles_choose();
    if (!exit_idle && !activations_told_by_dispatcher())
        agent.activations = activations_new();
    agent.judge = judge_new(network, run_dir, queue, &agent);
    agent.hooks = hooks_new(state_dir, network, queue, &agent);
    if (!boot_id)
        journal_say(JOURNAL_TROUBLE, NULL, -1, "this boot's id cannot be read; trying again");
    if (boot_id && set_up(&agent)) {
        run(&agent); /* before it waits for the bus: the deadline may have passed */
        network_watch(network, on_network, &agent);
        queue(&agent);        /* what happened before anybody listened */
        if (agent.alive >= 0) /* else it was idle at once */
            g_main_loop_run(loop);
    } else
        agent.status = EXIT_FAILED;
    g_clear_handle_id(&agent.queued, g_source_remove);
    hooks_free(agent.hooks);
    judge_free(agent.judge);
    activations_free(agent.activations);
    engine_clear(&agent.engine);
    g_free(agent.said);
    return agent.status;
}

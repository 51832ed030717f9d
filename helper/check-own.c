/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An own check runs in a session of its own, with a bare environment; its exit status is the answer. Whatever
 * it does (hang, flood, fork, lie), it ends in time with all that it has started, and the round goes on. */
#include "check-own.h"

#include "check-device.h"
#include "check-trust.h"
#include "journal.h"
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* So much of what it says is kept. The rest is read all the same, or it would wait for us. */
#define SAID_MAX 4096
/* Nothing from /usr/local: on Debian that was the group staff's to write for long. */
#define CHECK_PATH "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
#define CANNOT_RUN 126 /* as shells have it */

/* Names and words */

gboolean check_own_name(const char *name)
{
    return *name && strcmp(name, "none") != 0 &&
           strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-") == strlen(name);
}

static int open_check(const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(NM_TRIAL_CHECK_DIR, name, NULL);
    return check_trust_open("/", path, error);
}

gboolean check_own_fit(const char *name, GError **error)
{
    g_autoptr(GError) failure = NULL;
    int file = open_check(name, &failure);

    if (file >= 0) {
        close(file);
        return TRUE;
    }
    g_set_error(error, failure->domain, failure->code,
                "%s. A check of your own is an executable file %s/%s; it and every directory above it must "
                "belong to root and be nobody else's to write (chown root, chmod 0755)",
                failure->message, NM_TRIAL_CHECK_DIR, name);
    return FALSE;
}

char *check_own_line(const char *said)
{
    g_auto(GStrv) lines = g_strsplit(said, "\n", -1);
    for (char **line = lines; *line; line++)
        if (*g_strstrip(*line))
            return journal_clean(*line);
    return g_strdup("");
}

char *check_own_words(int status, const char *said)
{
    g_autofree char *line = check_own_line(said), *end = NULL;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && *line)
        return g_steal_pointer(&line);
    if (WIFEXITED(status))
        end = g_strdup_printf("exit status %d", WEXITSTATUS(status));
    else
        end = g_strdup_printf("killed by signal %d (%s)", WTERMSIG(status), g_strsignal(WTERMSIG(status)));
    return *line ? g_strdup_printf("%s: %s", end, line) : g_steal_pointer(&end);
}

/* The process */

struct launch {
    int file;
    int input;
    int output;
    pid_t parent;
    char **arguments;
    char **environment;
};

/* Between fork() and exec only what is safe in a process of several threads, and no word of the C library's
 * errors is. */
static void say_why(int code)
{
    static const struct {
        int code;
        const char *text;
    } reasons[] = {
        {ENOENT, "cannot be run: the interpreter that its first line names is not there\n"},
        {ENOEXEC, "cannot be run: it is no program, nor does it begin with #! and an interpreter\n"},
        {EACCES, "cannot be run: not on this file system, or its interpreter cannot be executed\n"},
        {0, "cannot be run\n"},
    };
    gsize i = 0;
    while (reasons[i].code && reasons[i].code != code)
        i++;
    (void)!write(STDOUT_FILENO, reasons[i].text, strlen(reasons[i].text));
}

/* The agent is the last to go when memory is short (OOMScoreAdjust=); what it checks with is not. */
static void be_killed_first(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, "0", 1);
}

static void set_signals_back(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* KILL and STOP are what they are */
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void G_GNUC_NORETURN become(const struct launch *launch)
{
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would end it else */
    if (getppid() != launch->parent)
        _exit(CANNOT_RUN);
    set_signals_back();
    be_killed_first();
    umask(077);
    if (chdir("/") == 0 && dup2(launch->input, STDIN_FILENO) >= 0 &&
        dup2(launch->output, STDOUT_FILENO) >= 0 && dup2(launch->output, STDERR_FILENO) >= 0) {
        fexecve(launch->file, launch->arguments, launch->environment);
        if (errno == ENOENT) { /* a script: its interpreter opens it by the descriptor, which must stay */
            (void)fcntl(launch->file, F_SETFD, 0);
            fexecve(launch->file, launch->arguments, launch->environment);
        }
        say_why(errno);
    }
    _exit(CANNOT_RUN);
}

/* What whoever called nm-trial left open is not the check's. */
static void close_on_exec(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        int fd = (int)g_ascii_strtoull(name, NULL, 10);
        if (fd > STDERR_FILENO)
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}

/* Starts it; -1 with errno. *ret_said: what it says comes out there. */
static pid_t spawn(const struct check *check, int file, int *ret_said)
{
    g_autofree char *path = g_build_filename(NM_TRIAL_CHECK_DIR, check->name, NULL);
    g_autofree char *id = g_strconcat("NM_TRIAL_ID=", check->id, NULL);
    g_autofree char *iface = g_strconcat("NM_TRIAL_IFACE=", check->iface, NULL);
    g_autofree char *uuid = g_strconcat("NM_TRIAL_UUID=", check->uuid, NULL);
    struct launch launch = {
        .file = file,
        .input = open("/dev/null", O_RDONLY | O_CLOEXEC),
        .parent = getpid(),
        .arguments = (char *[]){path, NULL},
        .environment = (char *[]){(char[]){CHECK_PATH}, id, iface, uuid, NULL},
    };
    int ends[2];
    pid_t pid = -1;

    if (launch.input >= 0 && pipe2(ends, O_CLOEXEC) == 0) {
        launch.output = ends[1];
        *ret_said = ends[0];
        close_on_exec();
        pid = fork();
        if (pid == 0)
            become(&launch);
        int code = errno;
        close(ends[1]);
        if (pid < 0)
            close(ends[0]);
        errno = code;
    }
    if (launch.input >= 0)
        close(launch.input);
    return pid;
}

/* The run */

struct run {
    GTask *task; /* NULL: it has its result, and the process is still to be reaped */
    pid_t pid;
    gboolean killed; /* by us */
    int fd;          /* what it says */
    GString *said;
    GSource *saying;
    GSource *stop;
    gulong killer;
};

static void source_clear(GSource **source)
{
    if (*source)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

/* Gives the task its result. */
static void give(struct run *run, gboolean passing, const char *words)
{
    g_autoptr(GTask) task = g_steal_pointer(&run->task);

    source_clear(&run->saying);
    source_clear(&run->stop);
    g_cancellable_disconnect(g_task_get_cancellable(task), run->killer);
    close(run->fd);
    check_say(g_task_get_task_data(task), "%s", words);
    g_task_return_boolean(task, passing);
}

static void run_free(gpointer data)
{
    struct run *run = data;

    g_string_free(run->said, TRUE);
    g_free(run);
}

/* FALSE: nothing more can be read, now (errno EAGAIN) or ever. */
static gboolean take_said(struct run *run)
{
    char buffer[SAID_MAX];
    ssize_t n = read(run->fd, buffer, sizeof buffer);

    if (n > 0)
        g_string_append_len(run->said, buffer, MIN(n, (ssize_t)(SAID_MAX - run->said->len)));
    else if (n == 0)
        errno = EPIPE;
    return n > 0;
}

static gboolean on_said(int fd, GIOCondition condition, gpointer data)
{
    (void)fd;
    (void)condition;
    return take_said(data) || errno == EAGAIN || errno == EINTR;
}

static void give_killed(struct run *run)
{
    g_autofree char *line = check_own_line(run->said->str);
    g_autofree char *words =
        g_strdup_printf("no end within %d s, killed%s%s", CHECKS_LIMIT_MS / 1000, *line ? ": " : "", line);
    give(run, FALSE, words);
}

static void on_end(GPid pid, int status, gpointer data)
{
    struct run *run = data;

    if (run->task && run->killed)
        give_killed(run);
    if (!run->task)
        return;
    (void)kill(-pid, SIGKILL); /* what it left behind; it may hold our pipe open, too */
    while (run->said->len < SAID_MAX && take_said(run))
        ;
    g_autofree char *words = check_own_words(status, run->said->str);
    give(run, WIFEXITED(status) && WEXITSTATUS(status) == 0, words);
}

/* At once, and not from the main loop, which may be over: an agent that ends leaves no check behind. */
static void on_cancelled(GCancellable *cancellable, gpointer data)
{
    struct run *run = data;

    (void)cancellable;
    run->killed = TRUE;
    if (kill(-run->pid, SIGKILL) < 0)
        (void)kill(run->pid, SIGKILL); /* it has no session of its own yet */
}

/* The result does not wait for the reaping: nothing can kill a process that waits for a dead disk. */
static gboolean on_stop(GCancellable *cancellable, gpointer data)
{
    (void)cancellable;
    give_killed(data);
    return G_SOURCE_REMOVE;
}

static void watch(GTask *task, pid_t pid, int said)
{
    struct run *run = g_new0(struct run, 1);
    GMainContext *context = g_task_get_context(task);
    GCancellable *cancellable = g_task_get_cancellable(task);
    g_autoptr(GSource) end = g_child_watch_source_new(pid);

    run->task = g_object_ref(task);
    run->pid = pid;
    run->fd = said;
    run->said = g_string_new(NULL);
    (void)g_unix_set_fd_nonblocking(said, TRUE, NULL); /* cannot fail on a pipe */
    run->saying = g_unix_fd_source_new(said, G_IO_IN);
    g_source_set_priority(run->saying, G_PRIORITY_LOW); /* a flood delays no verdict */
    g_source_set_callback(run->saying, G_SOURCE_FUNC(on_said), run, NULL);
    g_source_attach(run->saying, context);
    g_source_set_callback(end, G_SOURCE_FUNC(on_end), run, run_free);
    g_source_attach(end, context);
    run->stop = g_cancellable_source_new(cancellable);
    g_source_set_callback(run->stop, G_SOURCE_FUNC(on_stop), run, NULL);
    g_source_attach(run->stop, context);
    run->killer = g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), run, NULL);
}

/* The kind */

static void begin(GTask *task)
{
    g_task_set_check_cancellable(task, FALSE); /* one that was killed has its own words for it */
    check_find_device(task);
}

/* It is looked at before each run: somebody may have changed it since the trial began. */
static void found(GTask *task)
{
    struct check *check = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    int said = -1, file = open_check(check->name, &error);
    pid_t pid;

    if (file < 0) {
        check_say(check, "%s", error->message);
        g_task_return_boolean(task, FALSE);
        return;
    }
    pid = spawn(check, file, &said);
    if (pid < 0) {
        check_say(check, "cannot be started: %s", g_strerror(errno));
        g_task_return_boolean(task, FALSE);
    } else {
        watch(task, pid, said);
    }
    close(file);
}

const struct check_kind check_kind_own = {
    .begin = begin,
    .found = found,
};

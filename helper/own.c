/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* It runs in a session of its own, with a bare environment. Whatever it does (hang, flood, fork, lie), it
 * ends in time with all that it has started. */
#include "own.h"

#include "check-trust.h"
#include "journal.h"

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
#define CANNOT_RUN 126 /* as shells have it */

/* Names and words */

gboolean own_name(const char *name)
{
    return *name && strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-") == strlen(name);
}

/* What is opened is what was looked at, and it is looked at before each run: somebody may have changed it. */
static int open_own(const char *directory, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autoptr(GError) failure = NULL;
    int file = -1;

    if (own_name(name))
        file = check_trust_open("/", path, &failure);
    else
        g_set_error(&failure, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s has more in its name than letters, digits, \"_\" and \"-\"", path);
    if (file < 0)
        g_set_error(
            error, failure->domain, failure->code,
            "%s. %s is to be an executable file; it and every directory above it must belong to root and "
            "be nobody else's to write (chown root, chmod 0755)",
            failure->message, path);
    return file;
}

gboolean own_fit(const char *directory, const char *name, GError **error)
{
    int file = open_own(directory, name, error);

    if (file >= 0)
        close(file);
    return file >= 0;
}

char *own_line(const char *said)
{
    g_auto(GStrv) lines = g_strsplit(said, "\n", -1);
    for (char **line = lines; *line; line++)
        if (*g_strstrip(*line))
            return journal_clean(*line);
    return g_strdup("");
}

char *own_words(int status, const char *said)
{
    g_autofree char *line = own_line(said), *end = NULL;

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
    const char *const *arguments;
    const char *const *environment;
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
        fexecve(launch->file, (char **)launch->arguments, (char **)launch->environment);
        if (errno == ENOENT) { /* a script: its interpreter opens it by the descriptor, which must stay */
            (void)fcntl(launch->file, F_SETFD, 0);
            fexecve(launch->file, (char **)launch->arguments, (char **)launch->environment);
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
static pid_t spawn(const char *path, const char *const *environment, int file, int *ret_said)
{
    struct launch launch = {
        .file = file,
        .input = open("/dev/null", O_RDONLY | O_CLOEXEC),
        .parent = getpid(),
        .arguments = (const char *[]){path, NULL},
        .environment = environment,
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
    OwnEnded ended; /* NULL: it was told, and the process is still to be reaped */
    gpointer data;
    pid_t pid;
    gboolean killed; /* by us */
    int fd;          /* what it says */
    GString *said;
    GSource *saying;
    GSource *stop;
    GCancellable *cancellable;
    gulong killer;
};

static void source_clear(GSource **source)
{
    if (*source)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void tell(struct run *run, gboolean well, const char *words)
{
    OwnEnded ended = g_steal_pointer(&run->ended);

    source_clear(&run->saying);
    source_clear(&run->stop);
    g_cancellable_disconnect(run->cancellable, run->killer);
    g_clear_object(&run->cancellable);
    close(run->fd);
    ended(run->data, well, words);
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

static void tell_killed(struct run *run)
{
    g_autofree char *line = own_line(run->said->str);
    g_autofree char *words =
        g_strdup_printf("no end within %d s, killed%s%s", OWN_LIMIT_MS / 1000, *line ? ": " : "", line);
    tell(run, FALSE, words);
}

static void on_end(GPid pid, int status, gpointer data)
{
    struct run *run = data;

    if (run->ended && run->killed)
        tell_killed(run);
    if (!run->ended)
        return;
    (void)kill(-pid, SIGKILL); /* what it left behind; it may hold our pipe open, too */
    while (run->said->len < SAID_MAX && take_said(run))
        ;
    g_autofree char *words = own_words(status, run->said->str);
    tell(run, WIFEXITED(status) && WEXITSTATUS(status) == 0, words);
}

/* At once, and not from the main loop, which may be over: an agent that ends leaves none behind. */
static void on_cancelled(GCancellable *cancellable, gpointer data)
{
    struct run *run = data;

    (void)cancellable;
    run->killed = TRUE;
    if (kill(-run->pid, SIGKILL) < 0)
        (void)kill(run->pid, SIGKILL); /* it has no session of its own yet */
}

/* The word does not wait for the reaping: nothing can kill a process that waits for a dead disk. */
static gboolean on_stop(GCancellable *cancellable, gpointer data)
{
    (void)cancellable;
    tell_killed(data);
    return G_SOURCE_REMOVE;
}

static void watch(struct run *run, GMainContext *context)
{
    g_autoptr(GSource) end = g_child_watch_source_new(run->pid);

    run->said = g_string_new(NULL);
    (void)g_unix_set_fd_nonblocking(run->fd, TRUE, NULL); /* cannot fail on a pipe */
    run->saying = g_unix_fd_source_new(run->fd, G_IO_IN);
    g_source_set_priority(run->saying, G_PRIORITY_LOW); /* a flood delays no verdict */
    g_source_set_callback(run->saying, G_SOURCE_FUNC(on_said), run, NULL);
    g_source_attach(run->saying, context);
    g_source_set_callback(end, G_SOURCE_FUNC(on_end), run, run_free);
    g_source_attach(end, context);
    run->stop = g_cancellable_source_new(run->cancellable);
    g_source_set_callback(run->stop, G_SOURCE_FUNC(on_stop), run, NULL);
    g_source_attach(run->stop, context);
    run->killer = g_cancellable_connect(run->cancellable, G_CALLBACK(on_cancelled), run, NULL);
}

void own_run(const char *directory, const char *name, const char *const *environment, GMainContext *context,
             GCancellable *cancellable, OwnEnded ended, gpointer data)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autoptr(GError) error = NULL;
    int said = -1, file = open_own(directory, name, &error);

    if (file < 0) {
        ended(data, FALSE, error->message);
        return;
    }
    pid_t pid = spawn(path, environment, file, &said);
    if (pid < 0) {
        g_autofree char *words = g_strdup_printf("cannot be started: %s", g_strerror(errno));
        ended(data, FALSE, words);
    } else {
        struct run *run = g_new(struct run, 1);
        *run = (struct run){
            .ended = ended, .data = data, .pid = pid, .fd = said, .cancellable = g_object_ref(cancellable)};
        watch(run, context);
    }
    close(file);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bar that nm-trial is measured against: the D-Bus calls and the fsyncs that each job cannot do without,
 * and nothing else. It decides nothing, checks nothing and remembers nothing that it could be asked for; what
 * it is to do, it is told by its arguments. With `watch` and `time` it is the clock, too. */
#define _GNU_SOURCE /* environ */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define NM "org.freedesktop.NetworkManager"
#define NM_PATH "/org/freedesktop/NetworkManager"
#define NM_SETTINGS NM_PATH "/Settings"
#define STATE_ACTIVATED 2
#define TO_DISK_NO_REAPPLY 0x41u

static void check(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "bare: %s: %s\n", what, strerror(result == -1 ? errno : -result));
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Files */

static void sync_path(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    check(fd, path);
    check(fsync(fd), path);
    close(fd);
}

static void sync_directory_of(const char *path)
{
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", path);
    sync_path(dirname(copy), O_DIRECTORY);
}

/* The content of `from`, durable under `to`. */
static void put(const char *from, const char *to)
{
    static char data[1 << 20];
    char temporary[4096], copy[4096];

    int source = open(from, O_RDONLY | O_CLOEXEC);
    check(source, from);
    ssize_t length = read(source, data, sizeof data);
    check((int)length, from);
    close(source);
    snprintf(copy, sizeof copy, "%s", to);
    snprintf(temporary, sizeof temporary, "%s/.bare", dirname(copy));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd, temporary);
    check(write(fd, data, (size_t)length) == length ? 0 : -1, temporary);
    check(fsync(fd), temporary);
    close(fd);
    check(rename(temporary, to), to);
    sync_directory_of(to);
}

static void drop(const char *path)
{
    check(unlink(path), path);
    sync_directory_of(path);
}

/* NetworkManager */

static sd_bus *bus;

static sd_bus_message *call(const char *path, const char *interface, const char *method, const char *types,
                            ...)
{
    sd_bus_message *message = NULL, *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    va_list arguments;

    check(sd_bus_message_new_method_call(bus, &message, NM, path, interface, method), method);
    va_start(arguments, types);
    check(sd_bus_message_appendv(message, types, arguments), method);
    va_end(arguments);
    if (sd_bus_call(bus, message, 0, &error, &reply) < 0) {
        fprintf(stderr, "bare: %s: %s\n", method, error.message);
        exit(1);
    }
    sd_bus_message_unref(message);
    return reply;
}

/* Lives as long as the reply, which is as long as this process. */
static const char *object(sd_bus_message *reply)
{
    const char *path = NULL;
    check(sd_bus_message_read(reply, "o", &path), "a reply");
    return path;
}

static const char *device_of(const char *interface)
{
    return object(call(NM_PATH, NM, "GetDeviceByIpIface", "s", interface));
}

static const char *profile_of(const char *uuid)
{
    return object(call(NM_SETTINGS, NM ".Settings", "GetConnectionByUuid", "s", uuid));
}

static const char *checkpoint(const char *device, const char *seconds)
{
    return object(call(NM_PATH, NM, "CheckpointCreate", "aouu", 1, device, (uint32_t)atoi(seconds), 0u));
}

static void load(const char *first, const char *second)
{
    call(NM_SETTINGS, NM ".Settings", "LoadConnections", "as", second ? 2 : 1, first, second);
}

static void activate(const char *uuid, const char *device)
{
    call(NM_PATH, NM, "ActivateConnection", "ooo", profile_of(uuid), device, "/");
}

/* The jobs. A record is a file that is put where it is to be; its content is somebody else's business. */

static void job_start(char **a) /* RECORD TO MARKED CANDIDATE UUID INTERFACE; prints the checkpoint */
{
    const char *device = device_of(a[5]);
    printf("%s\n", checkpoint(device, "60"));
    put(a[2], a[3]);
    put(a[0], a[1]);
    load(a[3], NULL);
    activate(a[4], device);
}

static void job_revert(char **a) /* RECORD TO MARKED CANDIDATE UUID INTERFACE CHECKPOINT */
{
    put(a[0], a[1]);
    put(a[2], a[3]);
    load(a[3], NULL);
    call(NM_PATH, NM, "CheckpointDestroy", "o", a[6]);
    activate(a[4], device_of(a[5]));
    drop(a[1]);
}

static void job_confirm(char **a) /* RECORD TO: as far as the answer */
{
    put(a[0], a[1]);
}

static void job_promote(char **a) /* RECORD TO ON CANDIDATE OFF REPLACED CHECKPOINT */
{
    put(a[0], a[1]);
    call(NM_PATH, NM, "CheckpointDestroy", "o", a[6]);
    put(a[2], a[3]);
    put(a[4], a[5]);
    load(a[3], a[5]);
    drop(a[1]);
}

static void job_boot(char **a) /* RECORD TO MARKED CANDIDATE HISTORY TO */
{
    put(a[0], a[1]);
    put(a[2], a[3]);
    put(a[4], a[5]);
    drop(a[1]);
}

/* What there is without nm-trial: NetworkManager's own writer, and then what makes it durable. The whole
 * profile is given, so that it need not be asked for. */
static void update(const char *uuid, const char *id, const char *address, int autoconnect, const char *file)
{
    call(profile_of(uuid), NM ".Settings.Connection", "Update2", "a{sa{sv}}ua{sv}", 3, "connection", 5, "id",
         "s", id, "uuid", "s", uuid, "type", "s", "802-3-ethernet", "interface-name", "s", "eth0",
         "autoconnect", "b", autoconnect, "ipv4", 3, "method", "s", "manual", "gateway", "s", "10.99.0.1",
         "address-data", "aa{sv}", 1, 2, "address", "s", address, "prefix", "u", 24u, "ipv6", 1, "method",
         "s", "disabled", TO_DISK_NO_REAPPLY, 0);
    sync_path(file, 0);
    sync_directory_of(file);
}

static void job_update(char **a) /* UUID ID ADDRESS FILE, of what goes on, then of what goes off */
{
    update(a[0], a[1], a[2], 1, a[3]);
    update(a[4], a[5], a[6], 0, a[7]);
}

static void job_up(char **a) /* UUID INTERFACE */
{
    activate(a[0], device_of(a[1]));
}

static void job_checkpoint(char **a) /* INTERFACE SECONDS; prints it */
{
    printf("%s\n", checkpoint(device_of(a[0]), a[1]));
}

static void job_rollback(char **a) /* CHECKPOINT */
{
    call(NM_PATH, NM, "CheckpointRollback", "o", a[0]);
}

static void job_destroy(char **a) /* CHECKPOINT */
{
    call(NM_PATH, NM, "CheckpointDestroy", "o", a[0]);
}

/* The clock: one line for each activation that is done. */

static int on_state(sd_bus_message *message, void *data, sd_bus_error *error)
{
    uint32_t state = 0;
    (void)data;
    (void)error;
    check(sd_bus_message_read(message, "u", &state), "a signal");
    if (state == STATE_ACTIVATED) {
        printf("%" PRId64 "\n", now_us());
        fflush(stdout);
    }
    return 0;
}

static void job_watch(char **a)
{
    (void)a;
    check(sd_bus_match_signal(bus, NULL, NM, NULL, NM ".Connection.Active", "StateChanged", on_state, NULL),
          "a match");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int more = sd_bus_process(bus, NULL);
        check(more, "the bus");
        if (more == 0)
            check(sd_bus_wait(bus, UINT64_MAX), "the bus");
    }
}

/* TIMES COMMAND...: begin and end of each run in us, its status, its CPU time in us. What it prints goes to
 * stderr. */
static int job_time(int times, char **command)
{
    posix_spawn_file_actions_t to_stderr;
    posix_spawn_file_actions_init(&to_stderr);
    posix_spawn_file_actions_adddup2(&to_stderr, STDERR_FILENO, STDOUT_FILENO);
    for (int i = 0; i < times; i++) {
        int status = 0;
        struct rusage usage = {0};
        pid_t child = 0;
        int64_t begin = now_us();
        check(-posix_spawn(&child, command[0], &to_stderr, NULL, command, environ), command[0]);
        check(wait4(child, &status, 0, &usage), "wait4");
        printf("%" PRId64 " %" PRId64 " %d %" PRId64 "\n", begin, now_us(),
               WIFEXITED(status) ? WEXITSTATUS(status) : 255,
               (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
                   usage.ru_stime.tv_usec);
    }
    return 0;
}

static const struct {
    const char *name;
    int arguments;
    void (*run)(char **arguments);
} jobs[] = {
    {"start", 6, job_start},     {"revert", 7, job_revert},
    {"confirm", 2, job_confirm}, {"promote", 7, job_promote},
    {"update", 8, job_update},   {"checkpoint", 2, job_checkpoint},
    {"destroy", 1, job_destroy}, {"rollback", 1, job_rollback},
    {"watch", 0, job_watch},     {"boot", 6, job_boot},
    {"up", 2, job_up},
};

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "time") == 0)
        return job_time(atoi(argv[2]), argv + 3);
    for (size_t i = 0; argc > 1 && i < sizeof jobs / sizeof *jobs; i++)
        if (strcmp(argv[1], jobs[i].name) == 0 && argc - 2 == jobs[i].arguments) {
            if (jobs[i].run != job_boot && jobs[i].run != job_confirm)
                check(sd_bus_open_system(&bus), "the system bus");
            jobs[i].run(argv + 2);
            return 0;
        }
    fputs("bare: no such job, or not its number of arguments\n", stderr);
    return 2;
}

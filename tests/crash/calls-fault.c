/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a command and does one fault at the N-th system call of its main thread that counts, by ptrace:
 *
 *     calls-fault LOG FAULT N COMMAND...
 *
 * FAULT: none; kill-before, kill-after; EIO, ENOSPC, EINTR in the call's place (but a close is done, too);
 * short: a write of half of its bytes. LOG gets one line for each call that counts: its number, name and
 * path; a call that is faulted is its last or has "!". What counts: calls that touch files, sockets, timers,
 * threads. What does not: waiting, memory, the descriptors that wake other threads (their number differs from
 * run to run), and the system's own files that every program reads. strace could do most of this, but neither
 * counts by what a descriptor is nor shortens a write. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where a call has what it touches. */
enum place { NOTHING, FD, PATH, AT };

#define CALL(name, place)                                                                                    \
    {                                                                                                        \
        SYS_##name, place, #name                                                                             \
    }
static const struct call {
    long number;
    enum place place;
    const char *name;
} calls[] = {
    CALL(openat, AT),
    CALL(read, FD),
    CALL(pread64, FD),
    CALL(write, FD),
    CALL(pwrite64, FD),
    CALL(ftruncate, FD),
    CALL(fsync, FD),
    CALL(fdatasync, FD),
    CALL(close, FD),
    CALL(fchmod, FD),
    CALL(fchmodat, AT),
    CALL(fstat, FD),
    CALL(newfstatat, AT),
    CALL(statx, AT),
    CALL(faccessat, AT),
    CALL(flock, FD),
    CALL(getdents64, FD),
    CALL(renameat, AT),
    CALL(renameat2, AT),
    CALL(unlinkat, AT),
    CALL(mkdirat, AT),
    CALL(readlinkat, AT),
    CALL(statfs, PATH),
    CALL(inotify_init1, NOTHING),
    CALL(inotify_add_watch, FD),
    CALL(timerfd_create, NOTHING),
    CALL(timerfd_settime, FD),
    CALL(socket, NOTHING),
    CALL(connect, FD),
    CALL(sendmsg, FD),
    CALL(sendto, FD),
    CALL(recvmsg, FD),
    CALL(getrandom, NOTHING),
    CALL(clone, NOTHING),
    CALL(clone3, NOTHING),
#ifdef SYS_open /* what newer machines do not have */
    CALL(open, PATH),
    CALL(stat, PATH),
    CALL(lstat, PATH),
    CALL(access, PATH),
    CALL(rename, PATH),
    CALL(unlink, PATH),
    CALL(mkdir, PATH),
    CALL(chmod, PATH),
    CALL(readlink, PATH),
#endif
};

static const char *const not_ours[] = {
    "/usr/", "/lib",     "/etc/ld.so",          "/etc/gnutls", "/etc/locale.alias", "/proc/filesystems",
    "/sys/", "/selinux", "anon_inode:[eventfd]"};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "calls-fault: %s: %s\n", what, strerror(errno));
    exit(99);
}

static void __attribute__((format(printf, 2, 3))) print(char into[4096], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(into, 4096, format, arguments); /* a path that is cut off is only harder to read */
    va_end(arguments);
}

static void link_of(pid_t pid, long fd, char into[4096])
{
    char link[64];
    snprintf(link, sizeof link, fd == AT_FDCWD ? "/proc/%d/cwd" : "/proc/%d/fd/%ld", pid, fd);
    ssize_t n = readlink(link, into, 4095);
    into[n > 0 ? n : 0] = '\0';
}

static void text_at(pid_t pid, unsigned long address, char into[4096])
{
    char memory[64];
    snprintf(memory, sizeof memory, "/proc/%d/mem", pid);
    int fd = open(memory, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? pread(fd, into, 4095, (off_t)address) : -1;
    into[n > 0 ? n : 0] = '\0';
    close(fd);
}

static void touched(pid_t pid, const struct call *call, const uint64_t *args, char path[4096])
{
    char name[4096] = "", directory[4096];

    path[0] = '\0';
    if (call->place == FD)
        link_of(pid, (int)args[0], path);
    else if (call->place == PATH)
        text_at(pid, args[0], path);
    else if (call->place == AT) {
        text_at(pid, args[1], name);
        link_of(pid, (int)args[0], directory);
        if (name[0] == '/')
            print(path, "%s", name);
        else if (name[0])
            print(path, "%s/%s", directory, name);
        else
            print(path, "%s", directory);
    }
}

static int counts(const char *path)
{
    for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
        if (strncmp(path, not_ours[i], strlen(not_ours[i])) == 0)
            return 0;
    return 1;
}

/* What differs between machines: the registers. */

#if defined(__x86_64__)
typedef struct user_regs_struct registers;
#define NUMBER orig_rax
#define RESULT rax
#define THIRD rdx
#elif defined(__aarch64__)
typedef struct user_regs_struct registers;
#define NUMBER regs[8]
#define RESULT regs[0]
#define THIRD regs[2]
#else
#error "calls-fault: the registers of this machine"
#endif

static void get(pid_t pid, registers *into)
{
    struct iovec all = {into, sizeof *into};
    if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &all) < 0)
        die("reading registers");
}

static void set(pid_t pid, registers *from)
{
    struct iovec all = {from, sizeof *from};
    if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &all) < 0)
        die("writing registers");
}

static void skip_call(pid_t pid)
{
#if defined(__aarch64__)
    int none = -1;
    struct iovec number = {&none, sizeof none};
    if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &number) < 0)
        die("skipping a call");
#else
    registers r;
    get(pid, &r);
    r.NUMBER = (unsigned long)-1;
    set(pid, &r);
#endif
}

/* The fault */

static struct {
    const char *name;
    int error; /* EIO and the like, else 0 */
    long at;
    long n;      /* calls so far */
    int pending; /* its exit is to be faulted */
    FILE *log;
} fault;

static void kill_it(pid_t pid)
{
    if (kill(pid, SIGKILL) < 0)
        die("kill");
}

static void at_entry(pid_t pid, const struct __ptrace_syscall_info *info)
{
    const struct call *call = NULL;
    char path[4096];

    for (size_t i = 0; i < sizeof calls / sizeof *calls && !call; i++)
        if ((uint64_t)calls[i].number == info->entry.nr)
            call = &calls[i];
    if (!call)
        return;
    touched(pid, call, info->entry.args, path);
    if (!counts(path))
        return;
    int now = ++fault.n == fault.at;
    const char *more = call->number == SYS_openat && (info->entry.args[2] & O_CREAT) ? "+create" : "";
    fprintf(fault.log, "%ld %s%s %s%s\n", fault.n, call->name, more, path[0] ? path : "-", now ? " !" : "");
    if (!now)
        return;
    fflush(fault.log);
    if (strcmp(fault.name, "kill-before") == 0)
        kill_it(pid);
    else if (strcmp(fault.name, "short") == 0 && info->entry.args[2] > 1) {
        registers r;
        get(pid, &r);
        r.THIRD /= 2;
        set(pid, &r);
    } else if (fault.error && call->number != SYS_close) /* Linux closes, whatever it answers */
        skip_call(pid);
    fault.pending = fault.error != 0 || strcmp(fault.name, "kill-after") == 0;
}

static void at_exit_of_call(pid_t pid)
{
    if (!fault.pending)
        return;
    fault.pending = 0;
    if (!fault.error) {
        kill_it(pid);
        return;
    }
    registers r;
    get(pid, &r);
    r.RESULT = (unsigned long)-fault.error;
    set(pid, &r);
}

/* The signal that the process is to be given when it goes on. */
static int stopped(pid_t pid, int status, int *running)
{
    int signal = WSTOPSIG(status);

    if (status >> 16 == PTRACE_EVENT_EXEC)
        *running = 1; /* what came before was this program's own */
    if (status >> 16)
        return 0;
    if (signal != (SIGTRAP | 0x80))
        return signal;
    struct __ptrace_syscall_info info;
    if (*running && ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0) {
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
            at_entry(pid, &info);
        else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
            at_exit_of_call(pid);
    }
    return 0;
}

static pid_t begin(char **command)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 || raise(SIGSTOP) != 0)
            die("being traced");
        execvp(command[0], command);
        die(command[0]);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid ||
        ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC) < 0)
        die("tracing");
    return pid;
}

static int run(char **command)
{
    int status, signal = 0, running = 0;
    pid_t pid = begin(command);

    for (;;) {
        if (ptrace(PTRACE_SYSCALL, pid, 0, signal) < 0 && errno != ESRCH) /* killed a moment ago */
            die("going on");
        if (waitpid(pid, &status, __WALL) != pid)
            die("waiting");
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
            return 128 + WTERMSIG(status);
        signal = stopped(pid, status, &running);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int error;
    } known[] = {{"none", 0},  {"kill-before", 0}, {"kill-after", 0}, {"short", 0},
                 {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EINTR", EINTR}};

    for (size_t i = 0; argc > 4 && i < sizeof known / sizeof *known; i++)
        if (strcmp(argv[2], known[i].name) == 0) {
            fault.name = known[i].name;
            fault.error = known[i].error;
        }
    if (!fault.name) {
        fprintf(stderr, "calls-fault LOG none|kill-before|kill-after|EIO|ENOSPC|EINTR|short N COMMAND...\n");
        return 99;
    }
    fault.at = strtol(argv[3], NULL, 10);
    fault.log = fopen(argv[1], "we");
    if (!fault.log)
        die(argv[1]);
    int status = run(argv + 4);
    return fclose(fault.log) == 0 ? status : 99;
}

/* proc.c - see proc.h. */
#include "tests/farm/farm/proc.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define KERNEL_BOOT_ID "/proc/sys/kernel/random/boot_id"

static volatile sig_atomic_t stop_asked;

static void on_stop(int number)
{
    (void)number;
    stop_asked = 1;
}

void proc_catch_stop(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool proc_stop_asked(void)
{
    return stop_asked != 0;
}

void proc_ignore_stop(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    stop_asked = 0;
}

static void sleep_ms(unsigned ms)
{
    poll(NULL, 0, (int)ms);
}

enum error_code proc_poll(bool (*done)(void *arg), void *arg, unsigned timeout_ms, const char *what,
                          struct error *err)
{
    uint64_t end_ms = clock_boot_ms() + timeout_ms;
    while (!done(arg)) {
        if (proc_stop_asked())
            return error_set(err, ERR_STATE, "interrupted while waiting until %s", what);
        if (clock_boot_ms() >= end_ms)
            return error_set(err, ERR_TIMEOUT, "waited %u s until %s", timeout_ms / 1000, what);
        sleep_ms(50);
    }
    return ERR_NONE;
}

/* --- pid files --- */

static bool read_pid(const struct farm *f, const char *name, uint32_t *pid, uint64_t *created)
{
    char path[PATH_MAX];
    farm_path(path, f, "pids/%s", name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    int got = fscanf(file, "%" SCNu32 " %" SCNu64, pid, created);
    fclose(file);
    return got == 2;
}

static bool is_same(uint32_t pid, uint64_t created)
{
    struct os_process process;
    return os_process_find(pid, &process, NULL) == ERR_NONE && process.created == created;
}

pid_t proc_pid(const struct farm *f, const char *name)
{
    uint32_t pid;
    uint64_t created;
    return read_pid(f, name, &pid, &created) && is_same(pid, created) ? (pid_t)pid : 0;
}

static enum error_code write_pid(const struct farm *f, const char *name, pid_t pid,
                                 struct error *err)
{
    char path[PATH_MAX], line[64];
    struct os_process process;
    enum error_code code = os_process_find((uint32_t)pid, &process, err);
    if (code != ERR_NONE)
        return error_set(err, ERR_STATE, "%s ended as soon as it was started", name);
    farm_path(path, f, "pids/%s", name);
    text_format(line, sizeof(line), "%d %" PRIu64 "\n", (int)pid, process.created);
    return os_write_file(path, line, strlen(line), 0644, err);
}

/* A descriptor of the very process, whose pid cannot be anybody else's while it is held. */
static int hold(const struct farm *f, const char *name)
{
    uint32_t pid;
    uint64_t created;
    if (!read_pid(f, name, &pid, &created))
        return -1;
    int fd = pidfd_open((pid_t)pid, 0);
    if (fd >= 0 && is_same(pid, created))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

enum error_code proc_signal(const struct farm *f, const char *name, int number, struct error *err)
{
    int fd = hold(f, name);
    if (fd < 0)
        return error_set(err, ERR_NOT_FOUND, "%s does not run", name);
    enum error_code code = ERR_NONE;
    if (pidfd_send_signal(fd, number, NULL, 0) != 0)
        code = error_errno(err, errno, "signal %s", name);
    close(fd);
    return code;
}

bool proc_wait(const struct farm *f, const char *name, unsigned timeout_ms)
{
    int fd = hold(f, name);
    if (fd < 0)
        return true;
    struct pollfd end = {.fd = fd, .events = POLLIN};
    bool ended = poll(&end, 1, (int)timeout_ms) == 1;
    close(fd);
    return ended;
}

bool proc_stop(const struct farm *f, const char *name, unsigned timeout_ms)
{
    if (proc_signal(f, name, SIGTERM, NULL) != ERR_NONE || proc_wait(f, name, timeout_ms))
        return true;
    proc_signal(f, name, SIGKILL, NULL);
    proc_wait(f, name, 5000);
    return false;
}

/* --- starting --- */

static int open_log(const struct farm *f, const char *name)
{
    char path[PATH_MAX];
    farm_path(path, f, "logs/%s.log", name);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static bool bind_boot_id(const char *boot_id)
{
    return !boot_id ||
           (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
            mount(boot_id, KERNEL_BOOT_ID, NULL, MS_BIND, NULL) == 0);
}

/* In the child: never returns. The errno of a failed exec goes through the pipe. */
static void become(const char *const *argv, const char *boot_id, int log, int tell)
{
    int null = open("/dev/null", O_RDONLY);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    if (dup2(null, 0) >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0) {
        /* Descriptors inherited by accident (a test runner's, a shell's) must not live on. */
        dup2(tell, 3);
        fcntl(3, F_SETFD, FD_CLOEXEC);
        tell = 3;
        close_range(4, ~0u, 0);
        if (bind_boot_id(boot_id))
            execv(argv[0], (char *const *)argv);
    }
    int why = errno;
    if (write(tell, &why, sizeof(why)) < 0)
        _exit(126);
    _exit(127);
}

/* The pid, or -1 with err. */
static pid_t spawn(const struct farm *f, const char *name, const char *const *argv,
                   const char *boot_id, struct error *err)
{
    int tell[2];
    int why = 0;
    int log = open_log(f, name);
    if (log < 0 || pipe2(tell, O_CLOEXEC) != 0) {
        error_errno(err, errno, "log of %s", name);
        if (log >= 0)
            close(log);
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(argv, boot_id, log, tell[1]);
    close(log);
    close(tell[1]);
    if (pid < 0) {
        error_errno(err, errno, "fork");
    } else if (read(tell[0], &why, sizeof(why)) == sizeof(why)) {
        waitpid(pid, NULL, 0);
        error_errno(err, why, "start %s", argv[0]);
        pid = -1;
    }
    close(tell[0]);
    return pid;
}

enum error_code proc_start(const struct farm *f, const char *name, const char *const *argv,
                           struct error *err)
{
    return proc_start_booted(f, name, argv, NULL, err);
}

enum error_code proc_start_booted(const struct farm *f, const char *name, const char *const *argv,
                                  const char *boot_id, struct error *err)
{
    struct error why = {0};
    if (proc_pid(f, name))
        return error_set(err, ERR_EXISTS, "%s runs already (pid %d)", name, (int)proc_pid(f, name));
    pid_t pid = spawn(f, name, argv, boot_id, &why);
    if (pid < 0)
        return error_set(err, why.code, "%s", why.text);
    return write_pid(f, name, pid, err);
}

enum error_code proc_rename(const struct farm *f, const char *name, const char *to,
                            struct error *err)
{
    char old[PATH_MAX], new[PATH_MAX];
    if (!proc_pid(f, name))
        return error_set(err, ERR_NOT_FOUND, "%s does not run", name);
    if (proc_pid(f, to))
        return error_set(err, ERR_EXISTS, "%s runs already (pid %d)", to, (int)proc_pid(f, to));
    farm_path(old, f, "pids/%s", name);
    farm_path(new, f, "pids/%s", to);
    return os_move_file(old, new, err);
}

/* --- many short ones --- */

/* True when all have ended; fills codes[i] (-1: a signal). */
static bool reap(const pid_t *pids, int *codes, bool *ended, unsigned count)
{
    bool all = true;
    for (unsigned i = 0; i < count; i++) {
        int status;
        if (!ended[i] && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
            ended[i] = true;
            codes[i] = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        all = all && ended[i];
    }
    return all;
}

static void kill_rest(const pid_t *pids, const bool *ended, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (ended[i])
            continue;
        kill(-pids[i], SIGKILL); /* its own group, since it has its own session */
        waitpid(pids[i], NULL, 0);
    }
}

static enum error_code job_failed(const struct farm *f, const struct proc_job *job, int code,
                                  struct error *err)
{
    proc_show_log(f, job->name, 15);
    return error_set(err, ERR_STATE, "%s: '%s %s' %s %d", job->name, job->argv[0],
                     job->argv[1] ? job->argv[1] : "",
                     code < 0 ? "was killed," : "ended with exit code", code);
}

enum error_code proc_run_all(const struct farm *f, const struct proc_job *jobs, unsigned count,
                             unsigned timeout_ms, struct error *err)
{
    pid_t pids[FARM_SERVERS_MAX];
    int codes[FARM_SERVERS_MAX] = {0};
    bool ended[FARM_SERVERS_MAX] = {false};
    enum error_code code = ERR_NONE;
    unsigned started = 0;
    must(count <= FARM_SERVERS_MAX);
    for (; started < count && code == ERR_NONE; started++) {
        struct error why = {0};
        pids[started] = spawn(f, jobs[started].name, jobs[started].argv, NULL, &why);
        if (pids[started] < 0) {
            code = error_set(err, why.code, "%s", why.text);
            break;
        }
    }
    uint64_t end_ms = clock_boot_ms() + timeout_ms;
    while (!reap(pids, codes, ended, started) && clock_boot_ms() < end_ms && !proc_stop_asked())
        sleep_ms(10);
    for (unsigned i = 0; i < started && code == ERR_NONE; i++) {
        if (!ended[i])
            code = error_set(err, ERR_TIMEOUT, "%s did not end within %u s", jobs[i].name,
                             timeout_ms / 1000);
        else if (codes[i] != 0)
            code = job_failed(f, &jobs[i], codes[i], err);
    }
    kill_rest(pids, ended, started);
    return code;
}

/* Only of what this very process started. */
static void show_end(const struct farm *f, const char *name)
{
    uint32_t pid;
    uint64_t created;
    int status;
    if (!read_pid(f, name, &pid, &created) || waitpid((pid_t)pid, &status, WNOHANG) != (pid_t)pid)
        return;
    if (WIFSIGNALED(status))
        fprintf(stderr, "  %s was ended by signal %d\n", name, WTERMSIG(status));
    else
        fprintf(stderr, "  %s ended with exit code %d\n", name, WEXITSTATUS(status));
}

void proc_show_log(const struct farm *f, const char *name, unsigned lines)
{
    char path[PATH_MAX];
    char *log;
    size_t len;
    show_end(f, name);
    farm_path(path, f, "logs/%s.log", name);
    if (os_read_file(path, (size_t)64 << 20, &log, &len, NULL) != ERR_NONE || len == 0) {
        fprintf(stderr, "  (%s is empty or missing)\n", path);
        return;
    }
    const char *at = log + len;
    unsigned found = 0;
    while (at > log && !(at[-1] == '\n' && at < log + len && ++found == lines))
        at--;
    fprintf(stderr, "  the end of %s:\n%s%s", path, at, log[len - 1] == '\n' ? "" : "\n");
    free(log);
}

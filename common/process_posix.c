/* process_posix.c - see process.h.
 *
 * posix_spawn rather than fork: the program has threads, and everything between fork and exec
 * would have to be safe in a signal handler. The child stays a zombie until the end of
 * process_run, so neither its pid nor its group can be given to anybody else while we may kill.
 */
#include "common/process.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_EXIT_FD     3    /* where the child finds the descriptor for its exit code */
#define OUR_FDS_FROM      10   /* above the numbers that the child's descriptors get */
#define REST_OF_OUTPUT_MS 500  /* for what is still in the pipe after the child has ended */
#define REAP_MS           5000 /* SIGKILL works at once, except on a process stuck in the kernel */
#define TICK_MS           20   /* between looks at the child where there is no pidfd */

struct run {
    const struct process_call *call;
    pid_t pid;
    int pidfd;     /* -1: this kernel has none */
    int output_fd; /* read ends; -1 once at their end */
    int exit_fd;
    int input_fd; /* write end of its stdin; -1: all is written, or it reads no more */
    size_t input_done;
    bool ended; /* the child has exited, and is a zombie */
    bool cancelled;
    uint64_t started_ms, deadline_ms;
    struct text output;
    char exit_text[16];
    size_t exit_len;
};

/* ---- starting ---- */

/* The end that stays here, the reading one or the other, never blocks. */
static int pipe_above(int *read_end, int *write_end, bool we_read)
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0)
        return errno;
    int errnum = 0;
    *read_end = fcntl(low[0], F_DUPFD_CLOEXEC, OUR_FDS_FROM);
    if (*read_end < 0)
        errnum = errno;
    *write_end = fcntl(low[1], F_DUPFD_CLOEXEC, OUR_FDS_FROM);
    if (*write_end < 0)
        errnum = errno;
    close(low[0]);
    close(low[1]);
    if (!errnum && fcntl(we_read ? *read_end : *write_end, F_SETFL, O_NONBLOCK) != 0)
        errnum = errno;
    return errnum;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool same_name(const char *entry, const char *other)
{
    size_t len = strcspn(entry, "=");
    return strncmp(entry, other, len) == 0 && (other[len] == '=' || other[len] == '\0');
}

static bool is_replaced(const struct process_call *call, const char *entry)
{
    if (call->exit_fd_env && same_name(entry, call->exit_fd_env))
        return true;
    for (size_t i = 0; call->env && call->env[i]; i++)
        if (same_name(entry, call->env[i]))
            return true;
    return false;
}

/* Our environment with the additions; the array and `exit_entry` are the caller's to free. */
static char **build_env(const struct process_call *call, char **exit_entry)
{
    size_t ours = 0, added = 0, count = 0;
    while (environ[ours])
        ours++;
    while (call->env && call->env[added])
        added++;
    char **env = must_alloc(ours + added + 2, sizeof(*env));
    for (size_t i = 0; i < ours; i++)
        if (!is_replaced(call, environ[i]))
            env[count++] = environ[i];
    for (size_t i = 0; i < added; i++)
        env[count++] = (char *)call->env[i];
    *exit_entry = NULL;
    if (call->exit_fd_env) {
        struct text entry = {0};
        text_addf(&entry, "%s=%d", call->exit_fd_env, CHILD_EXIT_FD);
        *exit_entry = text_take(&entry);
        env[count++] = *exit_entry;
    }
    return env;
}

/* 0 or an errno value. */
static int fill_actions(posix_spawn_file_actions_t *actions, int input_fd, int output_fd,
                        int exit_fd)
{
    int bad = input_fd >= 0
                  ? posix_spawn_file_actions_adddup2(actions, input_fd, 0)
                  : posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (!bad)
        bad = posix_spawn_file_actions_adddup2(actions, output_fd, 1);
    if (!bad)
        bad = posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
    if (!bad && exit_fd >= 0)
        bad = posix_spawn_file_actions_adddup2(actions, exit_fd, CHILD_EXIT_FD);
    if (!bad)
        bad = posix_spawn_file_actions_addclosefrom_np(actions, exit_fd >= 0 ? CHILD_EXIT_FD + 1
                                                                             : CHILD_EXIT_FD);
    return bad;
}

/* A group of its own, and signals as a program expects to find them: we ignore SIGPIPE and block
 * others, and both would be inherited. */
static int fill_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    int bad = posix_spawnattr_setpgroup(attributes, 0);
    if (!bad)
        bad = posix_spawnattr_setsigmask(attributes, &none);
    if (!bad)
        bad = posix_spawnattr_setsigdefault(attributes, &all);
    if (!bad)
        bad = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                       POSIX_SPAWN_SETSIGDEF);
    return bad;
}

static int spawn(const struct process_call *call, int input_fd, int output_fd, int exit_fd,
                 pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    must(posix_spawn_file_actions_init(&actions) == 0);
    must(posix_spawnattr_init(&attributes) == 0);
    char *exit_entry;
    char **env = build_env(call, &exit_entry);
    int bad = fill_actions(&actions, input_fd, output_fd, exit_fd);
    if (!bad)
        bad = fill_attributes(&attributes);
    if (!bad)
        bad =
            posix_spawn(pid, call->argv[0], &actions, &attributes, (char *const *)call->argv, env);
    free(exit_entry);
    free(env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return bad;
}

static enum error_code not_started(const struct process_call *call, int errnum, struct error *err)
{
    if (errnum == ENOEXEC)
        return error_set(err, ERR_DENIED, "cannot start %s: it is not a program", call->argv[0]);
    return error_errno(err, errnum, "cannot start %s", call->argv[0]);
}

static enum error_code start(struct run *run, struct error *err)
{
    int input_read = -1, output_write = -1, exit_write = -1;
    int bad = pipe_above(&run->output_fd, &output_write, true);
    if (!bad && run->call->exit_fd_env)
        bad = pipe_above(&run->exit_fd, &exit_write, true);
    if (!bad && run->call->input)
        bad = pipe_above(&input_read, &run->input_fd, false);
    if (!bad)
        bad = spawn(run->call, input_read, output_write, exit_write, &run->pid);
    close_fd(&input_read);
    close_fd(&output_write);
    close_fd(&exit_write);
    if (bad)
        return not_started(run->call, bad, err);
    run->pidfd = pidfd_open(run->pid, 0);
    return ERR_NONE;
}

/* ---- while it runs ---- */

/* False: more than the limit came. */
static bool read_output(struct run *run)
{
    char piece[16384];
    while (run->output_fd >= 0) {
        ssize_t got = read(run->output_fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0) {
            close_fd(&run->output_fd);
            return true;
        }
        bool fits = (size_t)got <= run->call->output_max_bytes - run->output.len;
        if (fits)
            text_add_bytes(&run->output, piece, (size_t)got);
        if (run->call->secret)
            explicit_bzero(piece, sizeof(piece));
        if (!fits)
            return false;
    }
    return true;
}

/* Writes what its pipe takes. A child that closed its stdin wants no more of it. SIGPIPE is held
 * back in this thread alone, and taken if it came: the caller may not ignore it. */
static void write_input(struct run *run)
{
    sigset_t pipe_signal, before;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    while (run->input_fd >= 0) {
        size_t left = run->call->input_len - run->input_done;
        ssize_t put =
            left ? write(run->input_fd, (const char *)run->call->input + run->input_done, left) : 0;
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            break;
        if (put < 0 && errno == EPIPE && !sigismember(&before, SIGPIPE))
            sigtimedwait(&pipe_signal, NULL, &(struct timespec){0});
        if (put <= 0)
            close_fd(&run->input_fd);
        else
            run->input_done += (size_t)put;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Growing would leave what was there before in freed memory. */
static void reserve_output(struct run *run)
{
    run->output.cap = run->call->output_max_bytes + 1;
    run->output.data = must_alloc(run->output.cap, 1);
}

/* Keeps what fits; exit_len at its limit marks a text that is too long to be a number of ours. */
static void read_exit_text(struct run *run)
{
    char piece[64];
    while (run->exit_fd >= 0) {
        ssize_t got = read(run->exit_fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close_fd(&run->exit_fd);
            return;
        }
        size_t room = sizeof(run->exit_text) - 1 - run->exit_len;
        size_t len = (size_t)got < room ? (size_t)got : room;
        memcpy(run->exit_text + run->exit_len, piece, len);
        run->exit_len += len;
    }
}

/* Looks without reaping. A child that is no longer ours to wait for has ended as well. */
static bool has_ended(struct run *run)
{
    siginfo_t info = {.si_pid = 0};
    if (run->ended)
        return true;
    if (waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        run->ended = info.si_pid == run->pid;
    else
        run->ended = errno == ECHILD;
    return run->ended;
}

/* Waits for output, an exit code, the child's end or the deadline, whichever comes first. */
static void wait_for_news(struct run *run, uint64_t deadline_ms)
{
    uint64_t now = clock_boot_ms();
    uint64_t left = deadline_ms > now ? deadline_ms - now : 0;
    uint64_t most = run->pidfd < 0 ? TICK_MS : 60000;
    struct pollfd fds[] = {
        {.fd = run->output_fd, .events = POLLIN},
        {.fd = run->exit_fd, .events = POLLIN},
        {.fd = run->ended ? -1 : run->pidfd, .events = POLLIN},
        {.fd = run->ended ? -1 : run->input_fd, .events = POLLOUT},
        {.fd = run->call->cancel_fd > 0 && !run->cancelled ? run->call->cancel_fd : -1,
         .events = POLLIN},
    };
    if (poll(fds, sizeof(fds) / sizeof(fds[0]), (int)(left < most ? left : most)) > 0)
        run->cancelled = run->cancelled || fds[4].revents;
}

/* Also the child by itself, should it have left its group. */
static void kill_group(const struct run *run)
{
    kill(-run->pid, SIGKILL);
    kill(run->pid, SIGKILL);
}

/* Reads until the child has ended and its output too, or ERR_TIMEOUT, ERR_NOMEM. */
static enum error_code watch(struct run *run, struct error *err)
{
    uint64_t deadline_ms = run->deadline_ms;
    for (;;) {
        bool ended_before = run->ended;
        bool ended = has_ended(run); /* before reading, so that what it wrote last is seen */
        if (!read_output(run))
            return error_set(err, ERR_NOMEM, "%s printed more than %zu bytes and was killed",
                             run->call->argv[0], run->call->output_max_bytes);
        read_exit_text(run);
        if (!ended)
            write_input(run);
        if (ended && run->output_fd < 0)
            return ERR_NONE;
        uint64_t now = clock_boot_ms();
        if (ended && !ended_before && now + REST_OF_OUTPUT_MS < deadline_ms)
            deadline_ms = now + REST_OF_OUTPUT_MS;
        if (now >= deadline_ms && ended) {
            kill_group(run); /* a descendant holds stdout open; the child itself is done */
            return ERR_NONE;
        }
        if (now >= deadline_ms)
            return error_set(err, ERR_TIMEOUT,
                             "%s did not end within %" PRIu64 " ms and was killed",
                             run->call->argv[0], run->call->timeout_ms);
        wait_for_news(run, deadline_ms);
        if (run->cancelled && !has_ended(run))
            return error_set(err, ERR_UNAVAILABLE, "%s was killed: this program is stopping",
                             run->call->argv[0]);
    }
}

/* ---- at the end ---- */

/* Reaps the child; false if it cannot be killed, since the kernel holds it. It is then left a
 * zombie-to-be: to wait longer would block the worker for as long. */
static bool reap(struct run *run, siginfo_t *info)
{
    uint64_t deadline_ms = clock_boot_ms() + REAP_MS;
    close_fd(&run->output_fd);
    close_fd(&run->exit_fd);
    close_fd(&run->input_fd);
    while (!has_ended(run) && clock_boot_ms() < deadline_ms)
        wait_for_news(run, deadline_ms);
    int done;
    do
        done = waitid(P_PID, (id_t)run->pid, info, WEXITED | WNOHANG);
    while (done != 0 && errno == EINTR);
    return done == 0 && info->si_pid == run->pid;
}

static uint32_t exit_code_of(struct run *run, const siginfo_t *info)
{
    uint64_t told;
    if (info->si_code != CLD_EXITED)
        return 128u + (uint32_t)info->si_status;
    run->exit_text[run->exit_len] = '\0';
    run->exit_text[strcspn(run->exit_text, "\r\n")] = '\0';
    if (text_parse_u64(run->exit_text, 0, UINT32_MAX, &told))
        return (uint32_t)told;
    return (uint32_t)info->si_status;
}

enum error_code process_run(const struct process_call *call, struct process_result *out,
                            struct error *err)
{
    must(call->argv && call->argv[0] && call->timeout_ms > 0);
    struct run run = {.call = call, .pidfd = -1, .output_fd = -1, .exit_fd = -1, .input_fd = -1};
    run.started_ms = clock_boot_ms();
    run.deadline_ms = call->timeout_ms < UINT64_MAX - run.started_ms
                          ? run.started_ms + call->timeout_ms
                          : UINT64_MAX;
    siginfo_t info = {.si_pid = 0};
    if (call->secret)
        reserve_output(&run);
    enum error_code code = start(&run, err);
    if (code)
        goto out;
    code = watch(&run, err);
    if (code)
        kill_group(&run);
    if (!reap(&run, &info) && !code)
        code = error_set(err, ERR_IO, "%s ended, but its exit code was taken by somebody else",
                         call->argv[0]);
    if (code)
        goto out;
    *out = (struct process_result){
        .exit_code = exit_code_of(&run, &info),
        .signalled = info.si_code != CLD_EXITED,
        .output_len = run.output.len,
        .elapsed_ms = clock_boot_ms() - run.started_ms,
    };
    out->output = text_take(&run.output);
out:
    close_fd(&run.pidfd);
    close_fd(&run.output_fd);
    close_fd(&run.exit_fd);
    close_fd(&run.input_fd);
    if (call->secret && run.output.len > 0)
        explicit_bzero(run.output.data, run.output.len);
    text_reset(&run.output);
    return code;
}

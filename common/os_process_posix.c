/* os_process_posix.c - see os.h: the processes of this machine, as /proc shows them.
 *
 * Every process is read through one descriptor of its directory: when it ends, reads fail, so that
 * a pid that is used again meanwhile cannot mix two processes into one.
 */
#include "common/os.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/types.h>
#include <unistd.h>

#define ARGUMENTS_MAX ((size_t)128 << 10) /* longer command lines are cut here */

/* Opens /proc/PID; -1 with errno. */
static int open_process(uint32_t pid)
{
    char path[32];
    text_format(path, sizeof(path), "/proc/%" PRIu32, pid);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Reads up to size - 1 bytes of dir/name; -1 if the process is gone or may not be read. */
static ssize_t read_entry(int dir, const char *name, char *out, size_t size)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = 0;
    while (len < size - 1) {
        ssize_t got = read(fd, out + len, size - 1 - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            close(fd);
            return -1;
        }
        if (got == 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    out[len] = '\0';
    return (ssize_t)len;
}

/* /proc/PID/stat: the name stands in parentheses and may itself hold some, so reading begins after
 * the last one; then state is field 3, utime 14, stime 15, starttime 22, rss 24. Source: proc(5).
 */
static bool read_stat(int dir, struct os_process *out)
{
    char line[1024];
    if (read_entry(dir, "stat", line, sizeof(line)) <= 0)
        return false;
    const char *fields = strrchr(line, ')');
    char state;
    uint64_t user, system, created, pages;
    if (!fields || sscanf(fields + 1,
                          " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                          " %*d %*d %*d %*d %*d %*d %" SCNu64 " %*u %" SCNu64,
                          &state, &user, &system, &created, &pages) != 5)
        return false;
    if (state == 'Z' || state == 'X')
        return false;
    out->created = created;
    out->cpu_ms = (user + system) * (1000 / (uint64_t)sysconf(_SC_CLK_TCK));
    out->memory_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t born_ms = created * (1000 / (uint64_t)sysconf(_SC_CLK_TCK)), now_ms = clock_boot_ms();
    out->age_ms = now_ms > born_ms ? now_ms - born_ms : 1;
    return true;
}

/* /proc/PID/statm: size, resident, shared (files and shared memory), in pages. Source: proc(5). */
static void read_private(int dir, struct os_process *out)
{
    char line[256];
    uint64_t resident, shared;
    out->private_bytes = 0;
    if (read_entry(dir, "statm", line, sizeof(line)) > 0 &&
        sscanf(line, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) == 2 && resident > shared)
        out->private_bytes = (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What one walk over all processes needs, allocated once. */
struct walk {
    const char *image; /* as asked for */
    char *image_real;  /* the same without symbolic links; NULL: no such file now */
    char *arguments;   /* ARGUMENTS_MAX bytes */
    const char **argv; /* into arguments */
    size_t argv_cap;
};

static void split_arguments(struct walk *w, size_t len)
{
    size_t count = 0;
    if (!w->argv) {
        w->argv_cap = 16;
        w->argv = must_alloc(w->argv_cap, sizeof(*w->argv));
    }
    for (size_t at = 0; at < len; at += strlen(w->arguments + at) + 1) {
        if (count + 2 > w->argv_cap) {
            w->argv_cap *= 2;
            w->argv = must_realloc(w->argv, w->argv_cap, sizeof(*w->argv));
        }
        w->argv[count++] = w->arguments + at;
    }
    w->argv[count] = NULL;
}

static bool has_executable(const struct walk *w, int dir)
{
    char real[PATH_MAX];
    ssize_t len = readlinkat(dir, "exe", real, sizeof(real) - 1);
    if (len < 0)
        return false;
    real[len] = '\0';
    return strcmp(real, w->image) == 0 || (w->image_real && strcmp(real, w->image_real) == 0);
}

/* In the middle of an exec the arguments are empty for some microseconds, while the executable is
 * known already (seen on Linux 6): then they are read again. They may also stay empty, where a
 * program wiped them. */
#define EXEC_TRIES 1000

/* True, with the arguments in w, if the process runs the image. */
static bool runs_image(struct walk *w, int dir)
{
    bool executable = has_executable(w, dir);
    ssize_t len = read_entry(dir, "cmdline", w->arguments, ARGUMENTS_MAX);
    for (int i = 0; executable && len == 0 && i < EXEC_TRIES; i++) {
        sched_yield();
        len = read_entry(dir, "cmdline", w->arguments, ARGUMENTS_MAX);
    }
    if (len < 0)
        return false;
    split_arguments(w, (size_t)len);
    return executable || (w->argv[0] && strcmp(w->argv[0], w->image) == 0);
}

/* True, with out filled, if the process runs the image and is still there. */
static bool read_process(struct walk *w, uint32_t pid, struct os_process *out)
{
    int dir = open_process(pid);
    if (dir < 0)
        return false;
    bool found = false;
    if (runs_image(w, dir)) {
        *out = (struct os_process){.pid = pid, .argv = w->argv};
        found = read_stat(dir, out);
        read_private(dir, out);
    }
    close(dir);
    return found;
}

enum error_code os_processes(const char *image_path,
                             int (*each)(const struct os_process *process, void *arg), void *arg,
                             int *stopped, struct error *err)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return error_errno(err, errno, "cannot list the processes in /proc");
    struct walk w = {.image = image_path, .image_real = realpath(image_path, NULL)};
    w.arguments = must_alloc(ARGUMENTS_MAX, 1);
    enum error_code code = ERR_NONE;
    int result = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(proc);
        if (!entry && errno != 0)
            code = error_errno(err, errno, "cannot list the processes in /proc");
        uint64_t pid;
        struct os_process process;
        if (!entry || result != 0)
            break;
        if (text_parse_u64(entry->d_name, 1, INT_MAX, &pid) &&
            read_process(&w, (uint32_t)pid, &process))
            result = each(&process, arg);
    }
    closedir(proc);
    free(w.argv);
    free(w.arguments);
    free(w.image_real);
    if (!code && stopped)
        *stopped = result;
    return code;
}

static enum error_code no_process(uint32_t pid, struct error *err)
{
    return error_set(err, ERR_NOT_FOUND, "there is no process %" PRIu32, pid);
}

enum error_code os_process_find(uint32_t pid, struct os_process *out, struct error *err)
{
    if (pid == 0 || pid > INT_MAX)
        return no_process(pid, err);
    int dir = open_process(pid);
    if (dir < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot look at process %" PRIu32, pid);
    if (dir < 0)
        return no_process(pid, err);
    struct os_process process = {.pid = pid};
    bool found = read_stat(dir, &process);
    read_private(dir, &process);
    close(dir);
    if (!found)
        return no_process(pid, err);
    *out = process;
    return ERR_NONE;
}

enum error_code os_process_kill(uint32_t pid, uint64_t created, struct error *err)
{
    if (pid == 0 || pid > INT_MAX)
        return no_process(pid, err);
    /* The descriptor is taken first: whatever pid means afterwards, it names this process. */
    int fd = pidfd_open((pid_t)pid, 0);
    if (fd < 0)
        return errno == ESRCH ? no_process(pid, err)
                              : error_errno(err, errno, "cannot reach process %" PRIu32, pid);
    struct os_process now;
    enum error_code code = os_process_find(pid, &now, err);
    if (!code && now.created != created)
        code = error_set(err, ERR_NOT_FOUND,
                         "process %" PRIu32 " has ended and its number is used by another", pid);
    if (!code && pidfd_send_signal(fd, SIGKILL, NULL, 0) != 0)
        code = errno == ESRCH ? no_process(pid, err)
                              : error_errno(err, errno, "cannot kill process %" PRIu32, pid);
    close(fd);
    return code;
}

#include "tests/lab/base/lab_os.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <iconv.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static bool program_of(const char *pid, char out[LAB_PATH_MAX])
{
    char link[280]; /* a name from readdir has up to 255 bytes */
    snprintf(link, sizeof link, "/proc/%s/exe", pid);
    ssize_t n = readlink(link, out, LAB_PATH_MAX - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    return true;
}

void lab_os_begin(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
}

bool lab_os_own_folder(char out[LAB_PATH_MAX], struct error *err)
{
    if (!program_of("self", out)) {
        error_errno(err, errno, "/proc/self/exe");
        return false;
    }
    *strrchr(out, '/') = '\0';
    return true;
}

bool lab_os_real(const char *path, char out[LAB_PATH_MAX])
{
    char *real = realpath(path, NULL);
    bool ok = real && text_copy(out, LAB_PATH_MAX, real);
    free(real);
    return ok;
}

bool lab_os_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool lab_os_temp(const char *prefix, char out[LAB_PATH_MAX], struct error *err)
{
    const char *base = getenv("TMPDIR");
    text_format(out, LAB_PATH_MAX, "%s/%sXXXXXX", base ? base : "/tmp", prefix);
    if (mkdtemp(out))
        return true;
    error_errno(err, errno, "%s", out);
    return false;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void lab_os_remove(const char *path)
{
    nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

uint64_t lab_os_created(uint32_t pid)
{
    char path[64], stat[1024];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, stat, sizeof stat - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    stat[n] = '\0';
    /* Field 22, counted after the name, which may hold blanks and parentheses (proc(5)). */
    char *at = strrchr(stat, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

struct lab_id lab_os_self(void)
{
    uint32_t pid = (uint32_t)getpid();
    return (struct lab_id){pid, lab_os_created(pid)};
}

int lab_os_handed(size_t i)
{
    return 3 + (int)i;
}

static void actions_fill(posix_spawn_file_actions_t *actions, const int *high, size_t count)
{
    posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
    for (size_t i = 0; i < count; i++)
        posix_spawn_file_actions_adddup2(actions, high[i], 3 + (int)i);
    /* Not even what our caller left open: a server that holds its starter's pipe keeps it waiting.
     */
    posix_spawn_file_actions_addclosefrom_np(actions, 3 + (int)count);
}

bool lab_os_spawn(const char *const *argv, const int *keep, size_t keep_count, bool detach,
                  uint32_t *pid, struct error *err)
{
    int high[4];
    must(keep_count <= 4);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    /* Out of the way of 3, 4, ..., so that no dup2 overwrites one still to be copied. */
    for (size_t i = 0; i < keep_count; i++)
        high[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, 16);
    actions_fill(&actions, high, keep_count);
    sigset_t none, standard;
    sigemptyset(&none);
    sigfillset(&standard);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &standard);
    posix_spawnattr_setflags(&attr, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                            (detach ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP)));
    pid_t child = 0;
    int rc = posix_spawn(&child, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, environ);
    for (size_t i = 0; i < keep_count; i++)
        close(high[i]);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    if (rc != 0) {
        error_errno(err, rc, "start %s", argv[0]);
        return false;
    }
    *pid = (uint32_t)child;
    return true;
}

bool lab_os_reap(struct lab_end *out)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0)
        return false;
    out->pid = (uint32_t)pid;
    out->aborted = WIFSIGNALED(status);
    out->code = out->aborted ? WTERMSIG(status) : WEXITSTATUS(status);
    out->killed = out->aborted && (out->code == SIGKILL || out->code == SIGTERM);
    return true;
}

void lab_os_reap_all(void)
{
    for (int i = 0; i < 200; i++) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 && errno == ECHILD)
            return;
        if (pid == 0)
            lab_os_sleep_ms(5);
    }
}

static void *wait_for_power(void *arg)
{
    struct pollfd p = {.fd = (int)(intptr_t)arg, .events = POLLIN};
    for (;;) {
        if (poll(&p, 1, -1) > 0)
            _exit(LAB_EXIT_FAILED);
    }
    return NULL;
}

void lab_os_end_with(int power_fd)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    must(pthread_create(&thread, NULL, wait_for_power, (void *)(intptr_t)power_fd) == 0);
    pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void lab_os_sleep_ms(uint64_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

int lab_os_power(struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        error_errno(err, errno, "pipe2");
        return -1;
    }
    return ends[0]; /* ends[1] is closed by this process's end alone */
}

int lab_os_try_lock(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && lockf(fd, F_TLOCK, 0) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void lab_os_unlock(int lock)
{
    close(lock);
}

bool lab_os_stderr_to(const char *path, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
        error_errno(err, errno, "%s", path);
        return false;
    }
    close(fd);
    return true;
}

void lab_os_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void lab_os_no_core(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

void lab_os_suspend(uint32_t pid, bool yes)
{
    kill((pid_t)pid, yes ? SIGSTOP : SIGCONT);
}

void lab_os_adopt_orphans(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int lab_os_exit_code(unsigned code)
{
    const char *fd = getenv("FARMHAND_EXIT_FD");
    if (fd && *fd)
        dprintf(atoi(fd), "%u", code);
    return (int)(code & 0xff);
}

unsigned lab_os_kill_folder(const char *folder)
{
    unsigned killed = 0;
    size_t len = strlen(folder);
    DIR *dir = opendir("/proc");
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char program[LAB_PATH_MAX];
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (pid <= 1 || pid == getpid() || !program_of(e->d_name, program))
            continue;
        if (strncmp(program, folder, len) != 0 || program[len] != '/' ||
            strchr(program + len + 1, '/'))
            continue;
        if (kill(pid, SIGKILL) == 0)
            killed++;
    }
    if (dir)
        closedir(dir);
    return killed;
}

void *lab_os_map(const char *path, size_t bytes, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    void *memory = MAP_FAILED;
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 &&
        ((size_t)st.st_size >= bytes || ftruncate(fd, (off_t)bytes) == 0))
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        error_errno(err, errno, "%s", path);
    if (fd >= 0)
        close(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

bool lab_os_append(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    ssize_t n = write(fd, bytes, len);
    close(fd);
    return n == (ssize_t)len;
}

static bool copy_program(const char *from, const char *to, struct error *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (in < 0 || fstat(in, &st) != 0) {
        error_errno(err, errno, "%s", from);
        if (in >= 0)
            close(in);
        return false;
    }
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    off_t left = st.st_size;
    while (out >= 0 && left > 0) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);
        if (n <= 0)
            break;
        left -= n;
    }
    bool ok = out >= 0 && left == 0;
    if (!ok)
        error_errno(err, errno, "%s", to);
    if (out >= 0 && close(out) != 0)
        ok = false;
    close(in);
    return ok;
}

/* In another shape than it came: nothing similar is known for these bytes. */
static void skip_one(char **from, size_t *left, char **to, size_t *room)
{
    ++*from;
    --*left;
    *(*to)++ = '?';
    --*room;
}

char *lab_os_encode(const char *code_page, const char *text, size_t len, size_t *out_len)
{
    char target[64], *from = (char *)(uintptr_t)text;
    snprintf(target, sizeof target, "%s//TRANSLIT", code_page);
    iconv_t cd = iconv_open(target, "UTF-8");
    if (cd == (iconv_t)-1)
        return NULL;
    size_t room = len * 4 + 16, left = len, size = room;
    char *bytes = must_alloc(size, 1), *to = bytes;
    while (left && iconv(cd, &from, &left, &to, &room) == (size_t)-1 && left)
        skip_one(&from, &left, &to, &room);
    iconv_close(cd);
    *out_len = size - room;
    return bytes;
}

bool lab_os_link(const char *from, const char *to, struct error *err)
{
    unlink(to);
    return link(from, to) == 0 || copy_program(from, to, err);
}

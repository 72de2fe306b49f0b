/* service_posix.c - see service.h.
 *
 * The signal handler writes one byte into a pipe; a thread of ours reads it and does the rest, so
 * that nothing of the program runs in a handler. Blocking the signals everywhere and fetching them
 * with sigwait would do without the pipe, but fails as soon as a library has started a thread
 * before us (nng does with its first call).
 */
#include "common/service.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static atomic_bool g_stopping;
static int g_handler_fd = -1; /* the only way for a handler to find its pipe; set once, before it */

struct waiter {
    void (*wake)(void *arg);
    void *arg;
    int read_fd;
};

static void set_action(void (*action)(int))
{
    struct sigaction set = {.sa_handler = action, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &set, NULL);
    sigaction(SIGINT, &set, NULL);
}

static void on_signal(int which)
{
    int saved_errno = errno;
    unsigned char byte = (unsigned char)which;
    ssize_t done = write(g_handler_fd, &byte, 1); /* of use once; after that nobody reads */
    (void)done;
    errno = saved_errno;
}

/* One line of sd_notify's protocol to NOTIFY_SOCKET; a name that begins with @ is an abstract
 * address. Source: sd_notify(3). */
static void notify(const char *line)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (*path != '/' && *path != '@') ||
        !text_copy(address.sun_path, sizeof(address.sun_path), path))
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (*path == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (sendto(fd, line, strlen(line), MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0)
        log_warn("notify_failed", LOG_TEXT("socket", path), LOG_INT("errno", errno));
    close(fd);
}

/* The first signal asks to stop; the second, from a person who waits in vain, ends at once. */
static void *wait_for_signal(void *arg)
{
    struct waiter *waiter = arg;
    unsigned char which = 0;
    while (read(waiter->read_fd, &which, 1) != 1)
        must(errno == EINTR);
    set_action(SIG_DFL);
    log_info("stop_requested", LOG_TEXT("signal", which == SIGINT ? "SIGINT" : "SIGTERM"));
    notify("STOPPING=1");
    atomic_store(&g_stopping, true);
    if (waiter->wake)
        waiter->wake(waiter->arg);
    close(waiter->read_fd);
    free(waiter);
    return NULL;
}

static int start_thread(struct waiter *waiter)
{
    pthread_attr_t detached;
    pthread_t thread;
    must(pthread_attr_init(&detached) == 0);
    must(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
    int bad = pthread_create(&thread, &detached, wait_for_signal, waiter);
    pthread_attr_destroy(&detached);
    return bad;
}

enum error_code service_start(void (*wake)(void *arg), void *arg, struct error *err)
{
    must(g_handler_fd < 0); /* once per process */
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_errno(err, errno, "cannot wait for signals");
    struct waiter *waiter = must_alloc(1, sizeof(*waiter));
    *waiter = (struct waiter){.wake = wake, .arg = arg, .read_fd = ends[0]};
    int bad = start_thread(waiter);
    if (bad) {
        close(ends[0]);
        close(ends[1]);
        free(waiter);
        return error_errno(err, bad, "cannot wait for signals");
    }
    g_handler_fd = ends[1];
    set_action(on_signal);
    signal(SIGPIPE, SIG_IGN);
    return ERR_NONE;
}

bool service_stopping(void)
{
    return atomic_load(&g_stopping);
}

/* systemd stops a unit for a shutdown in no other way than for an administrator. */
bool service_shutting_down(void)
{
    return false;
}

void service_ready(void)
{
    notify("READY=1");
}

/* Source: sd_notify(3), EXTEND_TIMEOUT_USEC. */
void service_progress(unsigned within_ms)
{
    char line[64];
    text_format(line, sizeof(line), "EXTEND_TIMEOUT_USEC=%llu", within_ms * 1000ull);
    notify(line);
}

_Noreturn void service_run(const struct service_name *name, int argc, char **argv,
                           int (*program)(int argc, char **argv))
{
    (void)name;
    int end = program(argc, argv);
    fflush(NULL);
    _exit(end);
}

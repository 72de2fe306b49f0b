/* service_posix.c - see service.h.
 *
 * SIGTERM and SIGINT are blocked in every thread and fetched by one of ours, so that no code of
 * ours runs in a signal handler.
 */
#include "common/service.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static atomic_bool g_stopping;

struct waiter {
    void (*wake)(void *arg);
    void *arg;
    sigset_t signals;
};

static void fill_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
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
static void *wait_for_signals(void *arg)
{
    struct waiter *waiter = arg;
    int which = 0;
    if (sigwait(&waiter->signals, &which) == 0) {
        log_info("stop_requested", LOG_TEXT("signal", which == SIGINT ? "SIGINT" : "SIGTERM"));
        notify("STOPPING=1");
        atomic_store(&g_stopping, true);
        if (waiter->wake)
            waiter->wake(waiter->arg);
        struct sigaction by_default = {.sa_handler = SIG_DFL};
        sigaction(SIGTERM, &by_default, NULL);
        sigaction(SIGINT, &by_default, NULL);
        pthread_sigmask(SIG_UNBLOCK, &waiter->signals, NULL);
        for (;;)
            pause();
    }
    return NULL;
}

enum error_code service_start(void (*wake)(void *arg), void *arg, struct error *err)
{
    struct waiter *waiter = must_alloc(1, sizeof(*waiter)); /* lives as long as the process */
    *waiter = (struct waiter){.wake = wake, .arg = arg};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    fill_signals(&waiter->signals);
    int bad = pthread_sigmask(SIG_BLOCK, &waiter->signals, NULL);
    pthread_attr_t detached;
    pthread_t thread;
    must(pthread_attr_init(&detached) == 0);
    must(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
    if (!bad)
        bad = pthread_create(&thread, &detached, wait_for_signals, waiter);
    pthread_attr_destroy(&detached);
    if (!bad)
        return ERR_NONE;
    free(waiter);
    return error_errno(err, bad, "cannot wait for signals");
}

bool service_stopping(void)
{
    return atomic_load(&g_stopping);
}

void service_ready(void)
{
    notify("READY=1");
}

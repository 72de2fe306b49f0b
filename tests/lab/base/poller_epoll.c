#include "tests/lab/base/poller.h"

#include "common/must.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct poller {
    int epoll_fd, signal_fd;
    void (*on_signal)(enum loop_signal signal, void *arg);
    void *signal_arg;
};

struct poller *poller_open(struct error *err)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        error_errno(err, errno, "epoll_create1");
        return NULL;
    }
    struct poller *p = must_alloc(1, sizeof *p);
    p->epoll_fd = fd;
    p->signal_fd = -1;
    return p;
}

void poller_close(struct poller *p)
{
    if (p->signal_fd >= 0)
        close(p->signal_fd);
    close(p->epoll_fd);
    free(p);
}

static struct epoll_event event_of(int fd, unsigned events)
{
    uint32_t bits = (events & LOOP_READ ? (uint32_t)EPOLLIN : 0) |
                    (events & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
    return (struct epoll_event){.events = bits, .data.fd = fd};
}

void poller_add(struct poller *p, int fd, unsigned events)
{
    struct epoll_event e = event_of(fd, events);
    must(epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0);
}

void poller_change(struct poller *p, int fd, unsigned events)
{
    struct epoll_event e = event_of(fd, events);
    must(epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, fd, &e) == 0);
}

void poller_remove(struct poller *p, int fd)
{
    epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

bool poller_signals(struct poller *p, void (*each)(enum loop_signal signal, void *arg), void *arg,
                    struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (p->signal_fd < 0) {
        error_errno(err, errno, "signalfd");
        return false;
    }
    p->on_signal = each;
    p->signal_arg = arg;
    poller_add(p, p->signal_fd, LOOP_READ);
    return true;
}

static void read_signals(struct poller *p)
{
    struct signalfd_siginfo info;
    while (read(p->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        p->on_signal(info.ssi_signo == SIGCHLD ? LOOP_CHILD_ENDED : LOOP_ASKED_TO_END,
                     p->signal_arg);
}

void poller_wait(struct poller *p, int timeout_ms,
                 bool (*ready)(int fd, unsigned events, void *arg), void *arg)
{
    struct epoll_event events[64];
    int n = epoll_wait(p->epoll_fd, events, 64, timeout_ms);
    for (int i = 0; i < n; i++) {
        unsigned told = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? LOOP_READ : 0) |
                        (events[i].events & EPOLLOUT ? LOOP_WRITE : 0);
        if (events[i].data.fd == p->signal_fd)
            read_signals(p);
        else if (!ready(events[i].data.fd, told, arg))
            return;
    }
}

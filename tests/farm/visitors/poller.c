/* poller.c - see poller.h. */
#include "tests/farm/visitors/poller.h"

#include "common/must.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ROUND 256

struct poller {
    int fd;
};

struct poller *poller_open(struct error *err)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        error_errno(err, errno, "epoll_create1");
        return NULL;
    }
    struct poller *p = must_alloc(1, sizeof(*p));
    p->fd = fd;
    return p;
}

void poller_close(struct poller *p)
{
    if (!p)
        return;
    close(p->fd);
    free(p);
}

bool poller_add(struct poller *p, int fd, struct source *source)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = source};
    return epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool poller_wait(struct poller *p)
{
    struct epoll_event events[ROUND];
    int count = epoll_wait(p->fd, events, ROUND, -1);
    for (int i = 0; i < count; i++) {
        struct source *source = events[i].data.ptr;
        source->ready(source);
    }
    return count < ROUND;
}

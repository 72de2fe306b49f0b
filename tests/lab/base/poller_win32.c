/* poller_win32.c - WSAPoll over an array; ended children and Ctrl-C wake it through a socket. */
#include "tests/lab/base/poller.h"

#include "common/must.h"
#include "common/sys_win32.h"
#include "tests/lab/base/lab_os_win32.h"
#include "tests/lab/base/socket.h"

#include <stdlib.h>
#include <string.h>

#define NO_SOCKET_MS 50

struct poller {
    WSAPOLLFD *items;
    size_t count, cap;
    int wake[2]; /* [0] is polled; [1] is written to by other threads; -1: no signals */
    volatile LONG children, ending;
    void (*on_signal)(enum loop_signal signal, void *arg);
    void *signal_arg;
};

/* The one poller of the process that hears signals: a console handler has no argument. */
static struct poller *hearing;

struct poller *poller_open(struct error *err)
{
    (void)err;
    struct poller *p = must_alloc(1, sizeof *p);
    p->wake[0] = p->wake[1] = -1;
    return p;
}

void poller_close(struct poller *p)
{
    if (hearing == p)
        hearing = NULL;
    free(p->items);
    free(p);
}

static WSAPOLLFD item_of(int fd, unsigned events)
{
    return (WSAPOLLFD){.fd = (SOCKET)fd,
                       .events = (SHORT)((events & LOOP_READ ? POLLRDNORM : 0) |
                                         (events & LOOP_WRITE ? POLLWRNORM : 0))};
}

static WSAPOLLFD *find(struct poller *p, int fd)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].fd == (SOCKET)fd)
            return &p->items[i];
    }
    return NULL;
}

void poller_add(struct poller *p, int fd, unsigned events)
{
    must(!find(p, fd));
    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->items = must_realloc(p->items, p->cap, sizeof *p->items);
    }
    p->items[p->count++] = item_of(fd, events);
}

void poller_change(struct poller *p, int fd, unsigned events)
{
    WSAPOLLFD *item = find(p, fd);
    must(item != NULL);
    *item = item_of(fd, events);
}

void poller_remove(struct poller *p, int fd)
{
    WSAPOLLFD *item = find(p, fd);
    if (item)
        *item = p->items[--p->count];
}

static void wake(struct poller *p)
{
    socket_send(p->wake[1], "w", 1);
}

static void child_ended(void *arg)
{
    struct poller *p = arg;
    InterlockedExchange(&p->children, 1);
    wake(p);
}

static BOOL WINAPI console_asks(DWORD what)
{
    (void)what;
    if (!hearing)
        return FALSE;
    InterlockedExchange(&hearing->ending, 1);
    wake(hearing);
    return TRUE;
}

bool poller_signals(struct poller *p, void (*each)(enum loop_signal signal, void *arg), void *arg,
                    struct error *err)
{
    if (!socket_pair(p->wake, err))
        return false;
    p->on_signal = each;
    p->signal_arg = arg;
    hearing = p;
    poller_add(p, p->wake[0], LOOP_READ);
    lab_os_on_child_end(child_ended, p);
    SetConsoleCtrlHandler(console_asks, TRUE);
    return true;
}

static void told(struct poller *p)
{
    char bytes[64];
    while (socket_receive(p->wake[0], bytes, sizeof bytes) > 0)
        ;
    if (InterlockedExchange(&p->children, 0))
        p->on_signal(LOOP_CHILD_ENDED, p->signal_arg);
    if (InterlockedExchange(&p->ending, 0))
        p->on_signal(LOOP_ASKED_TO_END, p->signal_arg);
}

void poller_wait(struct poller *p, int timeout_ms,
                 bool (*ready)(int fd, unsigned events, void *arg), void *arg)
{
    size_t count = p->count;
    if (count == 0) { /* WSAPoll refuses an empty array */
        Sleep(timeout_ms < 0 ? NO_SOCKET_MS : (DWORD)timeout_ms);
        return;
    }
    WSAPOLLFD *round = must_alloc(count, sizeof *round); /* callbacks change the items */
    memcpy(round, p->items, count * sizeof *round);
    int n = WSAPoll(round, (ULONG)count, timeout_ms);
    for (size_t i = 0; n > 0 && i < count; i++) {
        SHORT got = round[i].revents;
        int fd = (int)round[i].fd;
        unsigned events = (got & (POLLRDNORM | POLLHUP | POLLERR | POLLNVAL) ? LOOP_READ : 0) |
                          (got & POLLWRNORM ? LOOP_WRITE : 0);
        if (!events || !find(p, fd)) /* an earlier callback has let it go */
            continue;
        if (fd == p->wake[0])
            told(p);
        else if (!ready(fd, events, arg))
            break;
    }
    free(round);
}

/* poller.h - which descriptors are ready, and what the system tells: the part of loop.c that has a
 * body per system (poller_epoll.c, poller_win32.c). Only loop.c includes this.
 */
#ifndef LAB_BASE_POLLER_H
#define LAB_BASE_POLLER_H

#include "tests/lab/base/loop.h"

struct poller;

struct poller *poller_open(struct error *err); /* NULL on failure */
void poller_close(struct poller *p);
void poller_add(struct poller *p, int fd, unsigned events);
void poller_change(struct poller *p, int fd, unsigned events);
void poller_remove(struct poller *p, int fd);

/* As loop_signals(); `each` is called inside poller_wait(). */
bool poller_signals(struct poller *p, void (*each)(enum loop_signal signal, void *arg), void *arg,
                    struct error *err);

/* Waits timeout_ms at most (-1: for ever) and calls back for what is ready, until it says false. */
void poller_wait(struct poller *p, int timeout_ms,
                 bool (*ready)(int fd, unsigned events, void *arg), void *arg);

#endif

/* poller.h - waits for many descriptors at once and calls back. One thread. Over epoll(7).
 *
 * Edge-triggered: a callback works until the system says EAGAIN. A callback may close its own
 * descriptor, and only its own.
 */
#ifndef FARM_VISITORS_POLLER_H
#define FARM_VISITORS_POLLER_H

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>

/* The first member of whatever waits for a descriptor. */
struct source {
    void (*ready)(struct source *source);
};

struct poller;

struct poller *poller_open(struct error *err); /* NULL on failure */
void poller_close(struct poller *p);
/* For reading and writing; forgotten when the descriptor is closed. false: errno tells. */
bool poller_add(struct poller *p, int fd, struct source *source);
/* Blocks until something is ready, then calls back. False: more was ready than fits one round. */
bool poller_wait(struct poller *p);

#endif

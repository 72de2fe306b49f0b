/* loop.h - waits for descriptors, timers and signals, and calls back; one thread, no busy waiting.
 *
 * What the system does is in poller.h. Callbacks may watch, forget, arm and disarm anything, also
 * themselves; memory that a callback might still be looking at is released with loop_defer().
 * Time is clock_boot_ms() of common/clock.h.
 */
#ifndef LAB_BASE_LOOP_H
#define LAB_BASE_LOOP_H

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>

#define LOOP_READ  1u
#define LOOP_WRITE 2u

struct loop;

struct loop_timer {
    void (*fire)(void *arg);
    void *arg;
    uint64_t due_ms;
    size_t place; /* 1 + index in the loop's heap; 0: not armed */
};

struct loop *loop_open(struct error *err); /* NULL on failure */
void loop_close(struct loop *loop);

/* `ready` gets LOOP_READ, LOOP_WRITE or both; a hang-up is told as LOOP_READ. */
void loop_watch(struct loop *loop, int fd, unsigned events,
                void (*ready)(unsigned events, void *arg), void *arg);
void loop_change(struct loop *loop, int fd, unsigned events);
void loop_forget(struct loop *loop, int fd); /* before close() */

void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t due_ms); /* again: moves it */
void loop_disarm(struct loop *loop, struct loop_timer *timer);               /* harmless if idle */

enum loop_signal {
    LOOP_CHILD_ENDED,  /* one or more: lab_os_reap() tells which */
    LOOP_ASKED_TO_END, /* SIGTERM, SIGINT; Ctrl-C and the like on Windows */
};
/* Calls back for each, inside the loop; they no longer end the process by themselves. Once per
 * process. */
bool loop_signals(struct loop *loop, void (*each)(enum loop_signal signal, void *arg), void *arg,
                  struct error *err);

void loop_defer(struct loop *loop, void (*call)(void *arg), void *arg); /* after this round */
void loop_run(struct loop *loop);                                       /* until loop_stop() */
void loop_stop(struct loop *loop);

#endif

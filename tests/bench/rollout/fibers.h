/* fibers.h - many threads of a program as fibers of one.
 *
 * Ten thousand agents on one machine are twenty thousand threads, nearly all of them asleep; the
 * kernel then spends most of its time on looking for whom to wake. Here what would be a thread is
 * a fiber: it runs until it waits on one of nng's conditions, and then another one does. A program
 * that links this with `ld --wrap` for nng_cv_* and pthread_create keeps its own code unchanged.
 * nng's own threads stay threads, and may wake fibers.
 */
#ifndef FARMHAND_BENCH_FIBERS_H
#define FARMHAND_BENCH_FIBERS_H

/* One more, begun by fibers_run; on the thread that will call it, or in a fiber. */
void fibers_add(void *(*run)(void *arg), void *arg);
/* In a fiber: the others that may run come first. */
void fibers_yield(void);
/* Runs them all on this thread, for ever. */
void fibers_run(void) __attribute__((noreturn));

#endif

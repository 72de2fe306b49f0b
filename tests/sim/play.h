/* play.h - many histories, on several processes.
 *
 * Each is known by a number (a seed, or the step at which somebody dies) that `options` turns into
 * what to play. The processes take the next number as they become free; whichever finds what, the
 * failure with the lowest number is found in every order, since all below it are played to their
 * end. A process that dies is a failure of the history it was at.
 */
#ifndef FARMHAND_TESTS_SIM_PLAY_H
#define FARMHAND_TESTS_SIM_PLAY_H

#include "tests/sim/world.h"

#define PLAY_JOBS_MAX     64
#define PLAY_FAILURES_MAX 32
/* Each process takes one number past the last before it ends: those must not begin anew at 0. */
#define PLAY_NUMBER_MAX (UINT64_MAX - PLAY_JOBS_MAX - 1)

struct play_figures {
    uint64_t histories, runs, acts, crashes, events;
    uint64_t strikes[FAULT_BITS]; /* by kind */
    uint64_t deeds[DEED_COUNT];   /* of others */
};

struct play_failure {
    uint64_t number;
    char text[700];
};

struct play {
    void (*options)(const void *arg, uint64_t number, struct world_options *out);
    const void *arg;
    uint64_t first, last; /* both included, at most PLAY_NUMBER_MAX */
    uint64_t until_ms;    /* by play_clock_ms: nothing is begun after it; 0: until the last */
    unsigned jobs;        /* 1: in this process, unless `apart` */
    bool apart;           /* a process of its own in any case */
    bool collect;         /* goes on after a failure */
    /* what came of it */
    struct play_figures figures;
    struct play_failure failures[PLAY_FAILURES_MAX]; /* by number */
    size_t failure_count;       /* those beyond PLAY_FAILURES_MAX are counted, not kept */
    uint64_t next;              /* all before it were played, if it did not end at a failure */
    struct world_result result; /* of the last history, if there was one only */
};

/* Begins with what make_templates (main.c) put on the simulated disks. Blocks until all is played.
 */
void play_all(struct play *p);
uint64_t play_clock_ms(void);
void play_add(struct play_figures *sum, const struct play_figures *more);
/* "net 12, crash 3, ..." of kinds that struck. */
const char *play_strikes(const struct play_figures *figures, char *out, size_t size);
/* The same of what others did. */
const char *play_deeds(const struct play_figures *figures, char *out, size_t size);
const char *fault_name(size_t bit); /* 0..FAULT_BITS-1 */

#endif

/* chaos.h - a farm with traffic, rolling recycles, faults at random, and the people who look after
 * it: what the parts of this test share.
 */
#ifndef E2E_CHAOS_CHAOS_H
#define E2E_CHAOS_CHAOS_H

#include "tests/e2e/chaos/books.h"
#include "tests/e2e/chaos/proxy.h"
#include "tests/e2e/chaos/watch.h"
#include "tests/e2e/harness.h"

#define CHAOS_SERVERS 4
#define CHAOS_ALL     ((1u << CHAOS_SERVERS) - 1)

struct figures {
    unsigned runs, takeovers, freezes, undrains, resolved, resumed, put_right;
};

struct chaos {
    struct harness *h;
    struct proxy *proxy;
    struct watch *watch;
    struct books *books;
    char scratch[64];          /* a directory of this test's own: stores, copies */
    char data_dir[96];         /* the coordinator's, in scratch */
    bool is_small;             /* data_dir is a small file system of its own */
    unsigned coordinator_port; /* where the proxy leads */
    unsigned plan_seed;        /* faults are drawn from this one alone */
    unsigned people_seed;      /* what people choose, from another: how often depends on timing */
    struct figures figures;
    unsigned wrong; /* broken promises found */

    /* What faults tell the people. */
    bool asleep;               /* the coordinator is stopped: asking would only wait */
    bool must_freeze;          /* agents know a higher fence than the coordinator in service */
    bool freeze_missed;        /* told once */
    bool owes_takeover;        /* it said it is frozen: only a person ends that, no restart */
    bool runs_wanted;          /* people start new runs */
    uint64_t strange_until_ms; /* drains of a store that is gone may be about: nobody's */

    /* The people's own. */
    uint64_t looked_ms, frozen_since_ms, unfrozen_since_ms, incident_since_ms, unknown_since_ms,
        undrain_ms, started_ms;
    uint64_t orphan_since_ms[CHAOS_SERVERS];
    bool frozen, calm; /* as the last look at the farm found it */
};

#define STRANGE_MS 30000 /* how long drains of a store that is gone may be about */

/* people.c: one look at the farm, at most four times a second, and what a person would do then.
 * Calls chaos_wrong() for what nobody should ever see. */
void people_tend(struct chaos *c);
/* The last fault is over: people go on until the farm is calm. False: not within limit_ms. */
bool people_wait_calm(struct chaos *c, unsigned limit_ms);
/* Commands of the final store as well; compares every server's count. */
void people_audit(struct chaos *c);

/* storm.c: draws a plan of `count` faults and carries it out, tending the farm meanwhile. */
void storm_run(struct chaos *c, unsigned count);

/* A broken promise: told, noted in the diary, and the test ends as failed soon. */
void chaos_wrong(struct chaos *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

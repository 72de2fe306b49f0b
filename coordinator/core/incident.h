/* incident.h - one trouble of one server or pool, from its first sign to its end, as a plain
 * struct.
 *
 * Four kinds. What a failed run left behind (`rule` is ""): it holds lease and drained places
 * until a later run puts them back. The storm brake, and the evidence of a kill by hand, see below.
 * And what a rule of remediation found (see remedy.h), or a person put into quarantine: it lives
 * through the phases below, and holds a lease only where a run of its own failed or took the server
 * out.
 *
 *   opened -> observed | proposed | blocked -> acting -> proving -> (next rung: acting) -> ...
 *                                    ^          |         |
 *                                    +----------+         +-> returning -> closed
 *   ... -> quarantined | called (given up: a person) -> returning -> closed
 */
#ifndef FARMHAND_COORDINATOR_INCIDENT_H
#define FARMHAND_COORDINATOR_INCIDENT_H

#include "coordinator/balancer/balancer.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>

#define INCIDENT_TEXT_MAX 512 /* bytes of a sentence, NUL included */
#define INCIDENT_RULE_MAX 64

/* The storm brake: an incident of the farm as a whole. While it is open no rule acts by itself. */
#define INCIDENT_STORM "storm"
#define INCIDENT_FARM  "*" /* in the server's place; no server is called so */

/* The evidence kept before a person ended a worker: closed as it is opened, only its story counts.
 */
#define INCIDENT_KILL "worker-kill"

enum incident_phase {
    INCIDENT_LEFT,        /* by a failed run; no rule looks after it */
    INCIDENT_OPENED,      /* what is to be done is decided with the next turn */
    INCIDENT_OBSERVED,    /* the rule only looks */
    INCIDENT_PROPOSED,    /* waits for a person's word */
    INCIDENT_BLOCKED,     /* would act, and may not yet: `why` */
    INCIDENT_ACTING,      /* its run is going on */
    INCIDENT_PROVING,     /* the run is over: has it helped? */
    INCIDENT_RETURNING,   /* what was taken out is put back by its run */
    INCIDENT_QUARANTINED, /* out of rotation and left alone, until a person or time ends it */
    INCIDENT_CALLED,      /* given up: a person has to look */
};
#define INCIDENT_PHASE_COUNT 10

/* What keeps an act from being done. The sentence beside it is for people. */
enum incident_guard {
    GUARD_NONE,      /* it may be done */
    GUARD_STALE,     /* what is known is too old */
    GUARD_PURPOSE,   /* it is down, or off line, on purpose */
    GUARD_IDENTITY,  /* an account that each try could lock */
    GUARD_YOUNG,     /* the worker is younger than it has to be */
    GUARD_NOBODY,    /* there is no worker to end */
    GUARD_CAUSE,     /* so many show it that the cause lies elsewhere */
    GUARD_STORM,     /* so much was done within the hour, or the brake is on */
    GUARD_FLAPPING,  /* it comes and goes */
    GUARD_COOL_DOWN, /* of the server or of the rule */
    GUARD_MINIMUM,   /* healthy servers that have to stay */
    GUARD_DECLARED_OUT,
    GUARD_MAINTENANCE,
    GUARD_WINDOW,
    GUARD_RUN,    /* it is on the list of a run */
    GUARD_LEASE,  /* somebody else has it */
    GUARD_BUDGET, /* others are out; or not even that can be said now */
    GUARD_BEGUN,  /* its run was begun a moment ago, and ended with nothing done */
};
#define INCIDENT_GUARD_COUNT 18

struct incident {
    uint64_t id;
    char server[WIRE_NAME_MAX];
    char pool[WIRE_NAME_MAX];     /* "": the server as a whole */
    char kind[32];                /* "gate-failed", "act-failed", "rule", "quarantine", "storm" */
    char text[INCIDENT_TEXT_MAX]; /* what is wrong, as it was seen first */
    uint64_t run;                 /* that left it, or its own latest one; 0: none yet */
    struct balancer_entry places[BALANCER_ENTRIES_MAX]; /* still out, ours to put back */
    uint32_t place_count;
    int64_t opened_wall_ms, closed_wall_ms;
    /* of rules and quarantine */
    char rule[INCIDENT_RULE_MAX];
    enum incident_phase phase;
    uint32_t rung;         /* of the ladder: the one in hand, or the next to try */
    int64_t phase_wall_ms; /* since when */
    int64_t acted_wall_ms; /* when its latest act began; 0: never */
    int64_t until_wall_ms; /* QUARANTINED, the brake: its end, 0: a person's word. BLOCKED: not
                              before */
    bool alarmed;          /* it was said that it is blocked for long */
    bool aborting;         /* its run got no turn within the rung's time and is told to end */
    char approved_by[128]; /* a person's word for the rung in hand; "": none */
    char why[INCIDENT_TEXT_MAX]; /* what it waits for, or what was done last */
    enum incident_guard guard;   /* BLOCKED: by what */
};

/* One line of its story: kept for good, only added to. */
struct incident_note {
    uint64_t incident;
    int64_t wall_ms;
    /* "seen", "decided", "would", "blocked", "action", "proof", "word", "end", ... */
    char kind[24];
    char text[INCIDENT_TEXT_MAX];
};

const char *incident_phase_name(enum incident_phase phase);
const char *incident_guard_name(enum incident_guard guard); /* NONE: "" */

#endif

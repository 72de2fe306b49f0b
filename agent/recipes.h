/* recipes.h - recycle, start and stop of a pool, and the kill of one worker, as steps over driver
 * calls. Those of services are in recovery.h, and driven from here too.
 *
 * Pure: knows no driver, journal, clock or network. A recipe says what it wants next
 * (recipe_next), is told what came of it, and writes what it learns into the record it was given.
 *
 *   LOOK ──► BEGIN ──► AUTOSTART ──► ACT ◄──► RELOOK
 *    │     (journal)   (if needed)    │
 *    │                                ▼
 *    ├──────── resumed ───────────► WATCH ──► PROBE ──► CONFIRM ──► END
 *    │                                ▲   (if asked)      │
 *    └──► END: refused, nothing to do └───────────────────┘ a newcomer died meanwhile
 *
 * True everywhere: before BEGIN only reading calls are made, and an end there is REFUSED or NOTHING
 * (or FAILED by the probe of a pool that was started already). After BEGIN it is DONE, FAILED,
 * NOTHING where the last worker ended by itself, or, for a resumed recipe, DONE or INTERRUPTED.
 * ACT is carried out at most once: an order whose effect is not known is never given again, the
 * watch decides by what it sees. Setting autoStart may be repeated.
 *
 * Watching is late but right: a worker that ignores its stop is waited for until the pool's own
 * limits have passed. Workers are read from the process list at first every 50 ms, then ever
 * rarer up to 500 ms; the pool's state, which costs a tool, at most every 5 s once settled.
 */
#ifndef FARMHAND_AGENT_RECIPES_H
#define FARMHAND_AGENT_RECIPES_H

#include "agent/call.h"
#include "agent/record.h"

#include <stdbool.h>
#include <stdint.h>

struct recipe_limits {
    uint64_t margin_ms;      /* added to a pool's own limits */
    uint64_t stop_ms;        /* an ordered stop, in all, before the margin */
    uint64_t transition_ms;  /* how long a pool may stay Starting or Stopping before we begin */
    uint64_t probe_retry_ms; /* how long a failing probe is tried again */
    /* of services (agent/recovery.h) */
    uint64_t service_stop_ms; /* W3SVC and WAS, each: draining alone may take 90 s */
    uint64_t dependent_ms;    /* any other, to stop or to start */
    uint64_t killed_ms;       /* until the services of a killed host are seen stopped */
    uint64_t service_start_ms;
    uint64_t service_look_ms; /* until the services and pools can be read */
    uint64_t site_ms;         /* until a site answers after the start */
    uint64_t silent_ms;       /* no site may answer before services that run are taken for sick */
    unsigned pool_tries;      /* starts of one pool that should run */
};
/* 10 s, 120 s, 30 s, 10 s; 100 s, 30 s, 15 s, 2 min, 1 min, 1 min, 2. */
void recipe_limits_init(struct recipe_limits *limits);

enum recipe_want {
    RECIPE_CALL,  /* make `call`, then recipe_on_result */
    RECIPE_WAIT,  /* ask again at `until_ms`, or after any event */
    RECIPE_BEGIN, /* make the record durable as BEGUN, then recipe_on_begun or recipe_refuse */
    RECIPE_END,   /* the record holds outcome, cause, detail and proof */
};
struct recipe_next {
    enum recipe_want want;
    struct call call;
    uint64_t until_ms;
};

struct recipe;

/* For a record in RECORD_RECEIVED. The record is lent for the recipe's life and filled in. */
struct recipe *recipe_new(struct record *record, const struct recipe_limits *limits,
                          uint64_t now_ms);
/* For a record found in RECORD_BEGUN after a restart of the agent. A start is done again, since it
 * only gives back. Recycle and stop act no more: they look, watch within the limits, and end DONE
 * where the proof is complete, INTERRUPTED otherwise. */
struct recipe *recipe_resume(struct record *record, const struct recipe_limits *limits,
                             uint64_t now_ms);
void recipe_free(struct recipe *r); /* NULL is fine; the record stays */

struct recipe_next recipe_next(struct recipe *r, uint64_t now_ms);
void recipe_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms);
void recipe_on_begun(struct recipe *r, uint64_t now_ms);
/* The agent forbids it at BEGIN (expired meanwhile, journal not writable): REFUSED. */
void recipe_refuse(struct recipe *r, enum cause cause, const char *detail, uint64_t now_ms);

/* What a fresh recipe for this record makes of a look at the pool (CALL_LOOK_POOL), and does not do:
 * DONE (it would act), NOTHING or REFUSED, and a sentence. Of pools alone, without SET. */
enum outcome recipe_rehearse(const struct record *record, const struct recipe_limits *limits,
                             const struct call_result *look, uint64_t now_ms, enum cause *cause,
                             char *text, size_t size_bytes);

/* The word for a failed driver call (its code is not ERR_NONE). */
enum cause recipe_cause(enum error_code code);

/* What is being done, for people: "waiting for 2 old workers". Lent until the next call. */
const char *recipe_text(const struct recipe *r);
/* When the recipe began to run, or to run again. */
uint64_t recipe_since_ms(const struct recipe *r);

#endif

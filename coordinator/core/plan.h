/* plan.h - from an operator's words to a frozen list of targets, and to what will happen. Pure.
 */
#ifndef FARMHAND_COORDINATOR_PLAN_H
#define FARMHAND_COORDINATOR_PLAN_H

#include "common/error.h"
#include "coordinator/core/fleet.h"
#include "coordinator/core/rollout.h"
#include "coordinator/core/windows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan_request {
    enum rollout_action action;
    const char *pool; /* a name, or which ones: see selector.h */
    const char *selector;
    const char *actor;
    const char *reason;
    uint32_t expect;     /* 0: any number */
    const char *shown;   /* the plan as it was shown, JSON, to be kept with the run; NULL: none */
    const char *targets; /* "web01,web02": exactly these keys, as a plan showed them; NULL: any */
    const char *waves;   /* "1,5,20%"; NULL or "": all in one */
    const char *order;   /* a label; NULL or "": by name */
    const char *approve_by; /* who has to approve it; NULL or "": nobody */
    uint64_t approve_within_ms;
    const char *window;            /* hours, or the name of some; NULL or "": any time */
    const struct windows *windows; /* what names mean; NULL: there are none */
    const char *own_server;        /* the coordinator runs on it: it comes last; NULL: on none */
    uint64_t now_ms;               /* by the clock of places: is that server out already? */
    struct rollout_options options;
    uint64_t hold_max_ms; /* HOLD, CYCLE: others may have a server so long; 0: as long as asked */
    bool dump;            /* WORKER_KILL: a dump of that worker belongs to its evidence */
    const char *hold_key; /* HOLD: SHA-256 of the token that releases it, hexadecimal; NULL: none */
    /* UNWARM: are settings of before kept for that pool? NULL: not looked at. */
    bool (*has_former)(const void *ctx, const char *server, const char *pool);
    const void *former_ctx;
    const struct rollout *retry; /* take up what this ended run left, in place of a selection */
};

/* Checks every word and option, freezes the selection in its order. ERR_INVALID (with what to
 * do), ERR_NOT_FOUND: the pool is on none of the selected servers that we know. *out is a run in
 * RUN_RUNNING with id 0; rollout_free it. */
enum error_code plan_make(const struct plan_request *request, const struct fleet *fleet,
                          int64_t wall_ms, struct rollout **out, struct error *err);

/* The options of a retry, where nothing else is asked for: those of the former run. But what it
 * went on after has passed as a canary, and a person who said so is not asked a second time. */
struct rollout_options plan_options_again(const struct rollout *former);

/* How a target is called where its run is told: the server, with "/POOL" where the run was asked
 * for more pools than one by name. */
#define PLAN_KEY_MAX (2 * WIRE_NAME_MAX)
const char *plan_key(const struct rollout *run, size_t target, char out[PLAN_KEY_MAX]);

/* Are these options good by themselves, whatever the servers? ERR_INVALID says what is wrong. */
enum error_code plan_check_options(const struct rollout_options *o, struct error *err);

/* May one act take so long? What others hold keeps a place in the budget, and nobody else gets it
 * meanwhile: how long that may be is the administrator's word (0: as long as asked). Our own acts
 * take minutes. */
enum error_code plan_check_limit(enum rollout_action action, uint64_t limit_ms,
                                 uint64_t hold_max_ms, struct error *err);

enum plan_will { PLAN_ACT, PLAN_SKIP, PLAN_WAIT, PLAN_FAIL };
struct plan_target {
    enum plan_will will;
    char why[ROLLOUT_STEP_MAX]; /* "" for PLAN_ACT without a remark */
    uint32_t workers;
    bool kept; /* by a person's word on its server, or by who has that: beyond this run's doing */
};
/* What would happen to one target, as far as its server and pool tell now: who else has that
 * server, and the budget, are the brain's (coordinator_foresee). */
void plan_foresee(const struct rollout *run, size_t target, const struct fleet *fleet,
                  uint64_t now_ms, struct plan_target *out);

/* Sentences for people: gates, warnings (no overlap, cold start, shared configuration, nothing
 * behind a balancer...). Lent for the call. */
void plan_gates(const struct rollout *run, void (*each)(void *arg, const char *sentence),
                void *arg);
/* How many at once and in which waves; max_out is what the budget allows. own_server: as in the
 * request. */
void plan_order(const struct rollout *run, const char *own_server, uint32_t max_out,
                void (*each)(void *arg, const char *sentence), void *arg);
/* The hours of the run, and whether it would wait for them now. */
void plan_hours(const struct rollout *run, const struct windows *windows, int64_t wall_ms,
                void (*each)(void *arg, const char *sentence), void *arg);
void plan_warnings(const struct rollout *run, const struct fleet *fleet,
                   void (*each)(void *arg, const char *sentence), void *arg);

#endif

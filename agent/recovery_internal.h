/* recovery_internal.h - what the files of the services' recipe share; nobody else includes it.
 *
 *   recovery.c        life, moves, what is wanted next, how it ends
 *   recovery_judge.c  the first looks: is anything wrong, and may anything be done
 *   recovery_stop.c   the stop half, down to killing a host
 *   recovery_start.c  the start half, pools and proof
 */
#ifndef FARMHAND_AGENT_RECOVERY_INTERNAL_H
#define FARMHAND_AGENT_RECOVERY_INTERNAL_H

#include "agent/recovery.h"
#include "agent/services.h"
#include "common/format.h"

enum recovery_step {
    RECOVERY_LOOK,
    RECOVERY_JUDGE,
    RECOVERY_JUDGE_PROBE,
    RECOVERY_BEGIN,
    RECOVERY_GUARD,
    RECOVERY_DISABLE, /* a stop that stays */
    RECOVERY_STOP,
    RECOVERY_STOPPED,
    RECOVERY_STUCK, /* really? */
    RECOVERY_HOST,
    RECOVERY_KILL,
    RECOVERY_KILLED,
    RECOVERY_ORPHANS,
    RECOVERY_ORPHAN,
    RECOVERY_ENABLE,
    RECOVERY_START,
    RECOVERY_STARTED,
    RECOVERY_SEE,
    RECOVERY_REST,
    RECOVERY_REST_UP,
    RECOVERY_POOLS,
    RECOVERY_VERDICT,
    RECOVERY_POOL_START,
    RECOVERY_PROBE,
    RECOVERY_HANDOVER, /* to a guardian that goes on trying */
    RECOVERY_RELEASE,
    RECOVERY_END,
};

/* A pool that should run. */
struct recovery_pool {
    char name[WIRE_NAME_MAX];
    enum pool_state state;
    unsigned tries;
    bool judged;   /* its events were asked for */
    bool given_up; /* not started any more, and why is told */
    bool blind;    /* its events cannot be read */
};

/* The services as last read, with names of its own. */
struct recovery_view {
    bool known;
    char names[SERVICES_MAX][WIRE_NAME_MAX];
    struct service services[SERVICES_MAX];
    size_t service_count;
    struct service_need needs[4 * SERVICES_MAX];
    size_t need_count;
    char barred[WIRE_TEXT_MAX / 2];
};

struct recovery {
    struct record *record;
    struct recipe_limits limits;
    enum recovery_step step;
    bool resumed;
    uint64_t since_ms, entered_ms, retry_at_ms;
    unsigned tries; /* of the step in hand */

    struct recovery_view view;
    uint64_t looked_ms; /* the services were read, to judge them */
    bool sure;          /* something is wrong: the look before the begin is all that lacks */
    bool up_at_first;   /* W3SVC ran when we looked first */
    bool stops;         /* there is a stop half */
    bool pools_only;    /* nothing of WAS and W3SVC is touched */
    bool finishes;      /* resumed, and what was stopping is waited for, then ended */
    char reason[WIRE_TEXT_MAX / 4]; /* what is wrong, for the headline */

    /* names in hand: to be stopped, or to be started */
    char order[SERVICES_MAX][WIRE_NAME_MAX];
    size_t order_count, order_at;
    uint64_t order_ms; /* since when the one in hand is waited for */
    bool asked_again;

    bool guarded;
    bool unguarded; /* none could be started, and it was down as it was */
    unsigned kills;
    struct driver_host host;
    struct worker orphans[64]; /* their pool is not looked at */
    size_t orphan_count, orphan_at, orphans_ended;
    unsigned orphan_rounds;
    const char *enabling; /* the service whose start type is set */
    uint64_t start_ms;    /* since when W3SVC is being started; 0: not yet */
    unsigned start_refusals;

    struct recovery_pool *pools;
    size_t pool_count, pool_at;
    uint64_t pools_ms, probe_ms; /* since when; 0: not yet */
    bool any_probe;              /* some pool had something to probe */
    char last_probe[WIRE_TEXT_MAX / 4];

    /* how it will end */
    enum outcome outcome;
    enum cause cause;
    char headline[WIRE_TEXT_MAX / 4];
    char findings[WIRE_TEXT_MAX];
    char text[96];
};

#define RECOVERY_WAS "WAS"
#define RECOVERY_WEB "W3SVC"

/* recovery.c */
void recovery_enter(struct recovery *r, enum recovery_step step, uint64_t now_ms, const char *fmt,
                    ...) FORMAT_PRINTF(4, 5);
/* Adds a finding. */
void recovery_say(struct recovery *r, const char *fmt, ...) FORMAT_PRINTF(2, 3);
/* Remembers why it cannot end well; the first one stays. */
void recovery_fails(struct recovery *r, enum cause cause, const char *fmt, ...) FORMAT_PRINTF(3, 4);
/* Ends here and now: nothing was begun. */
void recovery_end_unbegun(struct recovery *r, uint64_t now_ms, enum outcome outcome,
                          enum cause cause, const char *fmt, ...) FORMAT_PRINTF(5, 6);
/* The last rung is over: the guardian is sent away, then the end. */
void recovery_wind_up(struct recovery *r, uint64_t now_ms, const char *fmt, ...)
    FORMAT_PRINTF(3, 4);
void recovery_take_services(struct recovery *r, const struct driver_view *view);
struct services_graph recovery_graph(const struct recovery *r);
enum service_state recovery_state(const struct recovery *r, const char *name);
bool recovery_is_disabled(const struct recovery *r, const char *name);
/* Adds a name to a list of lines; false: it does not fit. There already: true. */
bool recovery_list_add(char *list, size_t size_bytes, const char *name);
void recovery_take_pools(struct recovery *r, const struct driver_view *view);
/* The next pool that is started and may be probed, from pool_at on; NULL: none. */
struct recovery_pool *recovery_probe_pool(struct recovery *r);

/* recovery_judge.c */
void recovery_looked(struct recovery *r, const struct call_result *result, uint64_t now_ms);
void recovery_judged(struct recovery *r, const struct call_result *result, uint64_t now_ms);
void recovery_judge_probed(struct recovery *r, const struct call_result *result, uint64_t now_ms);
/* What shall run in the end, from the record: names to be started beside W3SVC and WAS. */
struct services_order recovery_rest(const struct recovery *r, char names[][WIRE_NAME_MAX]);

/* recovery_stop.c */
void recovery_stop_half(struct recovery *r, uint64_t now_ms); /* just begun */
/* No guardian stands by, and the services were read once more. */
void recovery_stop_unguarded(struct recovery *r, uint64_t now_ms);
/* WAS or W3SVC stops still, as the process before ordered it; false: neither does. */
bool recovery_finish_stop(struct recovery *r, uint64_t now_ms);
void recovery_stop_on_result(struct recovery *r, const struct call_result *result, uint64_t now_ms);
const char *recovery_stopping(const struct recovery *r); /* the service in hand */

/* recovery_start.c */
void recovery_start_half(struct recovery *r, uint64_t now_ms);
void recovery_rest_half(struct recovery *r, uint64_t now_ms); /* from the dependents on */
void recovery_start_on_result(struct recovery *r, const struct call_result *result,
                              uint64_t now_ms);

#endif

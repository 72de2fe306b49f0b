/* recovery_start.c - see recovery.h: the start half, pools and proof. It may run twice. */
#include "agent/recovery_internal.h"

#include "common/text.h"

#include <string.h>

#define START_AGAIN_MS 2000
#define START_REFUSALS                                                                             \
    3 /* of a start that somebody has to help first: it may be a passing state                     \
       */
#define SET_START_TRIES 3
#define SET_START_MS    1000
#define POOLS_AGAIN_MS  1000
#define POOL_SETTLE_MS  3000 /* a pool that cannot run is stopped again within */
#define PROBE_AGAIN_MS  1000

/* ---- ENABLE ---- */

static const char *to_enable(const struct recovery *r)
{
    return recovery_is_disabled(r, RECOVERY_WAS)   ? RECOVERY_WAS
           : recovery_is_disabled(r, RECOVERY_WEB) ? RECOVERY_WEB
                                                   : NULL;
}

static void start_web(struct recovery *r, uint64_t now_ms)
{
    r->start_ms = r->start_ms ? r->start_ms : now_ms;
    recovery_enter(r, RECOVERY_START, now_ms, "starting W3SVC, and WAS with it");
}

/* What may not be enabled was left alone before anything was begun (recovery_judge.c); meanwhile a
 * person may have disabled it: then the start says so. */
void recovery_start_half(struct recovery *r, uint64_t now_ms)
{
    const struct record *record = r->record;
    bool undoes = record->verb == VERB_SERVICE_START && record->former != SVC_START_UNKNOWN;
    r->enabling = record->enable || undoes ? to_enable(r) : NULL;
    if (r->enabling)
        recovery_enter(r, RECOVERY_ENABLE, now_ms, "enabling %s", r->enabling);
    else
        start_web(r, now_ms);
}

static void give_up_start(struct recovery *r, enum cause cause, const char *why, uint64_t now_ms)
{
    recovery_fails(r, cause, "W3SVC did not start: %.180s", why);
    recovery_wind_up(r, now_ms, "%s", "");
}

static struct service *service_of(struct recovery *r, const char *name)
{
    for (size_t i = 0; i < r->view.service_count; i++)
        if (text_equal_nocase(r->view.names[i], name))
            return &r->view.services[i];
    return NULL;
}

static void enabled(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code != ERR_NONE && result->code != ERR_EXISTS) {
        if (r->tries < SET_START_TRIES && result->code != ERR_DENIED)
            r->retry_at_ms = now_ms + SET_START_MS;
        else
            give_up_start(r, recipe_cause(result->code), result->text, now_ms);
        return;
    }
    struct service *service = service_of(r, r->enabling);
    recovery_say(r, "%s was disabled and is %s now", r->enabling,
                 service_start_name(result->call.start));
    if (service)
        service->start = result->call.start;
    r->enabling = to_enable(r);
    if (r->enabling)
        recovery_enter(r, RECOVERY_ENABLE, now_ms, "enabling %s", r->enabling);
    else
        start_web(r, now_ms);
}

/* ---- START, STARTED, SEE ---- */

static bool start_time_is_over(const struct recovery *r, uint64_t now_ms)
{
    return now_ms - r->start_ms >= r->limits.service_start_ms;
}

static void start_ordered(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    switch (result->code) {
    case ERR_NONE:
    case ERR_EXISTS:
    case ERR_TIMEOUT:
        recovery_enter(r, RECOVERY_STARTED, now_ms, "waiting for W3SVC to run");
        return;
    case ERR_STATE:
        r->start_refusals++;
        break;
    default:
        break;
    }
    if (result->code == ERR_BUSY && start_time_is_over(r, now_ms)) {
        /* It stops still, and may not be ended: when it has stopped, we are not there any more. */
        recovery_fails(r, recipe_cause(result->code), "W3SVC did not start: %.180s", result->text);
        recovery_enter(r, RECOVERY_HANDOVER, now_ms, "leaving the start to a guardian");
        return;
    }
    if (r->start_refusals >= START_REFUSALS || start_time_is_over(r, now_ms)) {
        give_up_start(r,
                      result->code == ERR_STATE ? CAUSE_SERVICE_DOWN : recipe_cause(result->code),
                      result->text, now_ms);
        return;
    }
    if (result->code == ERR_BUSY && r->resumed && r->record->stops && !r->finishes)
        recovery_enter(r, RECOVERY_LOOK, now_ms, "looking whether WAS sticks in its stop");
    r->retry_at_ms = now_ms + START_AGAIN_MS;
}

static void start_watched(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code == ERR_NONE) {
        recovery_enter(r, RECOVERY_SEE, now_ms, "looking at the services");
    } else if (start_time_is_over(r, now_ms)) {
        give_up_start(r, CAUSE_SERVICE_DOWN, result->text, now_ms);
    } else if (result->code == ERR_STATE) { /* it ended instead: once more */
        recovery_enter(r, RECOVERY_START, now_ms, "starting W3SVC once more");
        r->retry_at_ms = now_ms + START_AGAIN_MS;
    } else if (result->code != ERR_TIMEOUT) {
        r->retry_at_ms = now_ms + START_AGAIN_MS;
    }
}

static void seen(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    char took[TEXT_DURATION_MAX];
    bool known = result->code == ERR_NONE && result->view.services_known;
    if (known)
        recovery_take_services(r, &result->view);
    bool up = known && recovery_state(r, RECOVERY_WAS) == SVC_RUNNING &&
              recovery_state(r, RECOVERY_WEB) == SVC_RUNNING;
    if (up) {
        recovery_say(r, "WAS and W3SVC run, after %s",
                     text_format_duration(took, now_ms - r->start_ms));
        recovery_rest_half(r, now_ms);
    } else if (start_time_is_over(r, now_ms)) {
        give_up_start(r, CAUSE_SERVICE_DOWN,
                      known ? "it ran for a moment, and does not now" : result->text, now_ms);
    } else if (known) {
        recovery_enter(r, RECOVERY_START, now_ms, "starting W3SVC once more");
        r->retry_at_ms = now_ms + START_AGAIN_MS;
    } else {
        r->retry_at_ms = now_ms + START_AGAIN_MS;
    }
}

/* ---- REST: what ran before; it fails nothing ---- */

static void look_at_pools(struct recovery *r, uint64_t now_ms)
{
    r->pools_ms = r->pools_ms ? r->pools_ms : now_ms;
    recovery_enter(r, RECOVERY_POOLS, now_ms, "looking at the pools");
}

static void rest_next(struct recovery *r, uint64_t now_ms)
{
    while (r->order_at < r->order_count && recovery_state(r, r->order[r->order_at]) == SVC_RUNNING)
        r->order_at++;
    if (r->order_at == r->order_count) {
        look_at_pools(r, now_ms);
        return;
    }
    r->order_ms = now_ms;
    recovery_enter(r, RECOVERY_REST, now_ms, "starting %.60s", r->order[r->order_at]);
}

static int say_if_disabled(const char *name, void *arg)
{
    struct recovery *r = arg;
    if (*name && recovery_is_disabled(r, name))
        recovery_say(r, "%s ran before and is disabled now: left alone", name);
    return 0;
}

void recovery_rest_half(struct recovery *r, uint64_t now_ms)
{
    char names[SERVICES_MAX][WIRE_NAME_MAX];
    struct services_order rest = recovery_rest(r, names);
    r->order_count = rest.count;
    r->order_at = 0;
    for (size_t i = 0; i < rest.count; i++)
        text_copy(r->order[i], sizeof(r->order[i]), rest.names[i]);
    text_split(r->record->services, '\n', say_if_disabled, r);
    rest_next(r, now_ms);
}

static void rest_over(struct recovery *r, const char *failure, uint64_t now_ms)
{
    if (failure)
        recovery_say(r, "%s ran before and did not start: %s", r->order[r->order_at], failure);
    else
        recovery_say(r, "%s runs", r->order[r->order_at]);
    r->order_at++;
    rest_next(r, now_ms);
}

static void rest_ordered(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    bool taken =
        result->code == ERR_NONE || result->code == ERR_EXISTS || result->code == ERR_TIMEOUT;
    /* That will not be otherwise in a moment; anything else may. */
    bool lasts = result->code == ERR_STATE || result->code == ERR_NOT_FOUND ||
                 result->code == ERR_DENIED || result->code == ERR_INVALID;
    bool in_time = now_ms - r->order_ms < r->limits.dependent_ms;
    if (taken)
        recovery_enter(r, RECOVERY_REST_UP, now_ms, "waiting for %.60s to run",
                       r->order[r->order_at]);
    else if (!lasts && in_time)
        r->retry_at_ms = now_ms + START_AGAIN_MS;
    else
        rest_over(r, result->text, now_ms);
}

static void rest_watched(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    bool in_time = now_ms - r->order_ms < r->limits.dependent_ms;
    if (result->code == ERR_NONE)
        rest_over(r, NULL, now_ms);
    else if (result->code == ERR_STATE || result->code == ERR_NOT_FOUND || !in_time)
        rest_over(r, result->text, now_ms);
    else if (result->code != ERR_TIMEOUT)
        r->retry_at_ms = now_ms + START_AGAIN_MS;
}

/* ---- POOLS, VERDICT, POOL_START ---- */

static void probe_first(struct recovery *r, uint64_t now_ms)
{
    r->pool_at = 0;
    r->probe_ms = now_ms;
    r->any_probe = false;
    recovery_enter(r, RECOVERY_PROBE, now_ms, "asking whether a site answers");
    if (!recovery_probe_pool(r))
        recovery_wind_up(r, now_ms, "WAS and W3SVC run; no pool that should run has a site to ask");
}

static void give_up_pool(struct recovery *r, struct recovery_pool *pool, enum cause cause,
                         const char *why)
{
    pool->given_up = true;
    recovery_fails(r, cause, "pool %.80s does not run: %s", pool->name, why);
    recovery_say(r, "pool %s was not started again: %s", pool->name, why);
}

/* The next pool that should run and is stopped: its events first, then a start, a few times. */
static void pools_next(struct recovery *r, uint64_t now_ms)
{
    for (r->pool_at = 0; r->pool_at < r->pool_count; r->pool_at++) {
        struct recovery_pool *pool = &r->pools[r->pool_at];
        if (pool->state != POOL_STATE_STOPPED || pool->given_up)
            continue;
        if (!pool->judged) {
            recovery_enter(r, RECOVERY_VERDICT, now_ms, "reading why pool %.60s stopped",
                           pool->name);
            return;
        }
        if (pool->tries < (pool->blind ? 1 : r->limits.pool_tries)) {
            recovery_enter(r, RECOVERY_POOL_START, now_ms, "starting pool %.60s", pool->name);
            return;
        }
        give_up_pool(r, pool, CAUSE_RAPID_FAIL, "it stopped again each time it was started");
    }
    probe_first(r, now_ms);
}

static bool any_in_transition(const struct recovery *r)
{
    for (size_t i = 0; i < r->pool_count; i++)
        if (r->pools[i].state != POOL_STATE_STARTED && r->pools[i].state != POOL_STATE_STOPPED)
            return true;
    return false;
}

static void pools_seen(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    bool in_time = now_ms - r->pools_ms < r->limits.service_look_ms;
    if (result->code != ERR_NONE || !result->view.pools_known) {
        if (in_time) {
            r->retry_at_ms = now_ms + POOLS_AGAIN_MS;
            return;
        }
        recovery_fails(r, result->code ? recipe_cause(result->code) : CAUSE_DRIVER,
                       "the services run, but the pools could not be read: %.150s",
                       result->code ? result->text : result->view.trouble);
        recovery_wind_up(r, now_ms, "%s", "");
        return;
    }
    recovery_take_pools(r, &result->view);
    if (any_in_transition(r) && in_time)
        r->retry_at_ms = now_ms + POOLS_AGAIN_MS;
    else
        pools_next(r, now_ms);
}

static void verdict_read(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    struct recovery_pool *pool = &r->pools[r->pool_at];
    pool->judged = true;
    pool->blind = result->code != ERR_NONE;
    if (!pool->blind && result->verdict.identity) {
        char why[96];
        text_format(why, sizeof(why), "its identity is invalid (event %u), which is never retried",
                    (unsigned)result->verdict.event);
        give_up_pool(r, pool, CAUSE_IDENTITY, why);
    }
    pools_next(r, now_ms);
}

static void pool_started(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    struct recovery_pool *pool = &r->pools[r->pool_at];
    pool->tries++;
    pool->judged = false; /* why it stopped this time is asked anew */
    if (result->code == ERR_NONE || result->code == ERR_EXISTS)
        recovery_say(r, "pool %s was started", pool->name);
    else
        recovery_say(r, "pool %s could not be started: %s", pool->name, result->text);
    r->pools_ms = now_ms;
    look_at_pools(r, now_ms);
    r->retry_at_ms = now_ms + POOL_SETTLE_MS;
}

/* ---- PROBE ---- */

static void none_answers(struct recovery *r, uint64_t now_ms)
{
    if (!r->any_probe) {
        recovery_wind_up(r, now_ms, "WAS and W3SVC run; no pool that should run has a site to ask");
    } else if (now_ms - r->probe_ms < r->limits.site_ms) {
        r->retry_at_ms = now_ms + PROBE_AGAIN_MS;
        r->pool_at = 0;
        recovery_probe_pool(r);
    } else {
        recovery_fails(r, CAUSE_PROBE, "the services run, but no site answers: %.150s",
                       r->last_probe);
        recovery_wind_up(r, now_ms, "%s", "");
    }
}

static void probed(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    struct record *record = r->record;
    bool has_site = result->code != ERR_NOT_FOUND;
    r->any_probe = r->any_probe || has_site;
    record->probed = record->probed || has_site;
    if (has_site) {
        record->probe_status = result->code == ERR_NONE ? result->probe.status : 0;
        record->probe_ms = result->code == ERR_NONE ? result->probe.elapsed_ms : 0;
        text_format(r->last_probe, sizeof(r->last_probe), "%.200s",
                    result->code == ERR_NONE ? result->probe.detail : result->text);
    }
    if (result->code == ERR_NONE && result->probe.passed) {
        recovery_wind_up(r, now_ms,
                         "WAS and W3SVC run, the pools that should run do, and a site "
                         "answers");
        return;
    }
    r->pool_at++;
    if (!recovery_probe_pool(r))
        none_answers(r, now_ms);
}

void recovery_start_on_result(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    switch (r->step) {
    case RECOVERY_ENABLE:
        enabled(r, result, now_ms);
        return;
    case RECOVERY_START:
        start_ordered(r, result, now_ms);
        return;
    case RECOVERY_STARTED:
        start_watched(r, result, now_ms);
        return;
    case RECOVERY_SEE:
        seen(r, result, now_ms);
        return;
    case RECOVERY_REST:
        rest_ordered(r, result, now_ms);
        return;
    case RECOVERY_REST_UP:
        rest_watched(r, result, now_ms);
        return;
    case RECOVERY_POOLS:
        pools_seen(r, result, now_ms);
        return;
    case RECOVERY_VERDICT:
        verdict_read(r, result, now_ms);
        return;
    case RECOVERY_POOL_START:
        pool_started(r, result, now_ms);
        return;
    default: /* PROBE: recovery_on_result gives no other here */
        probed(r, result, now_ms);
        return;
    }
}

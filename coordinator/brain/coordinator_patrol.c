/* Rules that judge by probes or executing requests have their pools asked, one after another:
 * agents do not probe by themselves. A question costs an agent's thread a moment, so it is asked
 * only where nothing else is under way, and only as often as the configuration says. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define PATROL_TURN_MS  250  /* between two looks for what is due... */
#define PATROL_ASKS_MAX 20   /* ...and so many questions come of each */
#define PROBE_LIMIT_MS  5000 /* what hangs must not hold the agent's only thread for long */
#define UNANSWERED_MS   60000

static uint64_t probe_every_ms(const struct coordinator *c)
{
    return remedy_guards_of(c->remedy)->probe_every_ms;
}

static bool judges_by_asking(const struct remedy_rule *rule)
{
    for (size_t i = 0; i < rule->condition_count; i++) {
        enum remedy_fact fact = rule->conditions[i].fact;
        if (fact == FACT_PROBE || fact == FACT_OLDEST_REQUEST) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const struct coordinator *c, const struct fleet_server *s, const char *pool)
{
    const struct remedy_rule *rule;
    for (size_t i = 0; (rule = remedy_rule_at(c->remedy, i)); i++) {
        if (judges_by_asking(rule) && pools_match(rule->pools, pool) &&
            selector_match(rule->servers, s->name, s->labels, s->label_count)) {
            return true;
        }
    }
    return false;
}

static struct fleet_probe *probe_of(struct fleet_server *s, const char *pool)
{
    for (size_t i = 0; i < s->probe_count; i++) {
        if (text_equal_nocase(s->probes[i].pool, pool)) {
            return &s->probes[i];
        }
    }
    s->probes = must_realloc(s->probes, s->probe_count + 1, sizeof *s->probes);
    struct fleet_probe *p = &s->probes[s->probe_count++];
    *p = (struct fleet_probe){.failures = -1, .oldest_ms = -1, .executing = -1};
    text_copy(p->pool, sizeof p->pool, pool);
    return p;
}

static void ask_pool(struct coordinator *c, struct fleet_server *s, struct fleet_probe *p)
{
    struct session *session = s->session;
    struct pending q = {
        .command = {
            .verb = VERB_OBSERVE, .probe = true, .requests = true, .limit_ms = PROBE_LIMIT_MS}};
    text_copy(q.pool, sizeof q.pool, p->pool);
    q.command.id = session_next_id(c, session);
    struct ask *a = ask_new(c);
    a->patrol = true;
    text_copy(a->server, sizeof a->server, s->name);
    text_copy(a->pool, sizeof a->pool, p->pool);
    c->spec.ports.random_id(c->spec.ports.ctx, &a->nonce);
    q.command.nonce = a->nonce;
    p->asked_ms = c->now_ms;
    session_send(c, session, &q);
}

/* Asked again so long after the last answer: an agent that is slow to answer is asked less. */
static bool is_due(const struct coordinator *c, const struct fleet_probe *p)
{
    bool outstanding = p->asked_ms > p->seen_ms;
    return !p->asked_ms || (outstanding ? c->now_ms - p->asked_ms >= UNANSWERED_MS
                                        : c->now_ms - p->seen_ms >= probe_every_ms(c));
}

/* What a run has in hand is asked by it. What an incident keeps out is asked on: it may be well. */
static bool is_in_hand(const struct coordinator *c, const char *server)
{
    for (size_t i = 0; i < c->lease_count; i++) {
        if (c->leases[i].owner == LEASE_RUN && text_equal_nocase(c->leases[i].server, server)) {
            return true;
        }
    }
    return false;
}

/* Of one server; true: a question was asked. */
static bool patrol_server(struct coordinator *c, struct fleet_server *s)
{
    const struct state *whole = fleet_whole(s);
    struct session *session = s->session;
    if (s->presence != PRESENCE_FRESH || !whole || !session || session->queue_count ||
        is_in_hand(c, s->name) || fleet_services_down(s)) {
        return false;
    }
    for (size_t i = 0; i < whole->pool_count; i++) {
        const struct pool *pool = &whole->pools[i];
        if (pool->state != POOL_STATE_STARTED || !is_wanted(c, s, pool->name)) {
            continue;
        }
        struct fleet_probe *p = probe_of(s, pool->name);
        if (is_due(c, p)) {
            ask_pool(c, s, p);
            return true; /* one at a time of each server */
        }
    }
    return false;
}

void patrol_turn(struct coordinator *c)
{
    size_t count = fleet_count(c->fleet), asked = 0;
    if (!probe_every_ms(c) || c->now_ms < c->patrol_ms + PATROL_TURN_MS || c->frozen[0] ||
        coordinator_settling(c, c->now_ms)) {
        return;
    }
    c->patrol_ms = c->now_ms;
    for (size_t i = 0; i < count && asked < PATROL_ASKS_MAX; i++) {
        asked += patrol_server(c, fleet_at(c->fleet, c->patrol_at++ % count));
    }
}

void patrol_seen(struct coordinator *c, const struct ask *a, const struct observation *seen)
{
    struct fleet_server *s = fleet_find(c->fleet, a->server);
    struct fleet_probe *p = s ? probe_of(s, a->pool) : NULL;
    if (!s) {
        return;
    }
    p->seen_ms = c->now_ms;
    if (seen->cause == CAUSE_EXPIRED || seen->cause == CAUSE_BUSY) {
        return; /* nothing was looked at */
    }
    if (!seen->probed || seen->cause != CAUSE_NONE || !seen->services_up) {
        p->failures = -1; /* nothing to probe, or something else is wrong */
    } else {
        p->failures = seen->probe_passed ? 0 : p->failures < 0 ? 1 : p->failures + 1;
    }
    text_copy(p->offline, sizeof p->offline, seen->offline ? seen->offline : "");
    p->executing = seen->requests_known ? (int64_t)seen->executing : -1;
    p->oldest_ms = seen->requests_known ? (int64_t)seen->oldest_ms : -1;
}

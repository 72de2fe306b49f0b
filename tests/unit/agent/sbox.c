/* sbox.c - see sbox.h. */
#include "tests/unit/agent/sbox.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>

#define TOOL_MS 20

void sbox_init(struct sbox *b)
{
    static const char *const names[] = {"WAS", "W3SVC", "NetTcpActivator", "Spooler"};
    memset(b, 0, sizeof(*b));
    for (int i = 0; i < SBOX_SERVICES; i++)
        b->services[i] =
            (struct sbox_service){.name = names[i],
                                  .state = SVC_RUNNING,
                                  .start = SVC_START_AUTO,
                                  .stop_takes = 1000,
                                  .start_takes = 500,
                                  .host = i == SBOX_TCP || i == SBOX_OTHER ? 800 : 700};
    b->services[SBOX_WAS].start = SVC_START_DEMAND;
    b->pools[0] = (struct sbox_pool){"Shop", POOL_STATE_STARTED, true, true, false, 0, 0, 0};
    b->pools[1] = (struct sbox_pool){"Api", POOL_STATE_STARTED, true, true, false, 0, 0, 0};
    b->barred = "";
}

static void stopped(struct sbox *b, int i)
{
    b->services[i].state = SVC_STOPPED;
    for (size_t k = 0; i == SBOX_WAS && k < 2; k++)
        b->pools[k].state = POOL_STATE_UNKNOWN;
    b->silent = b->silent && !(i == SBOX_WAS && b->silent_heals);
}

static void running(struct sbox *b, int i)
{
    b->services[i].state = SVC_RUNNING;
    for (size_t k = 0; i == SBOX_WAS && k < 2; k++)
        b->pools[k].state = b->pools[k].auto_start ? POOL_STATE_STARTED : POOL_STATE_STOPPED;
}

void sbox_all_stopped(struct sbox *b)
{
    for (int i = 0; i < SBOX_OTHER; i++)
        stopped(b, i);
}

void sbox_let(struct sbox *b, uint64_t now_ms)
{
    for (int i = 0; i < SBOX_SERVICES; i++) {
        struct sbox_service *s = &b->services[i];
        if (s->until_ms == SBOX_STUCK || now_ms < s->until_ms)
            continue;
        if (s->state == SVC_STOP_PENDING)
            stopped(b, i);
        if (s->state == SVC_START_PENDING &&
            (i != SBOX_WEB || b->services[SBOX_WAS].state == SVC_RUNNING))
            running(b, i);
    }
    for (size_t k = 0; k < 2; k++)
        if (b->pools[k].dies_ms && now_ms >= b->pools[k].dies_ms &&
            b->pools[k].state == POOL_STATE_STARTED) {
            b->pools[k].state = POOL_STATE_STOPPED;
            b->pools[k].dies_ms = 0;
        }
}

bool sbox_serves(const struct sbox *b)
{
    return b->services[SBOX_WAS].state == SVC_RUNNING && b->services[SBOX_WEB].state == SVC_RUNNING;
}

static int index_of(const char *name)
{
    struct sbox names;
    sbox_init(&names);
    for (int i = 0; i < SBOX_SERVICES; i++)
        if (text_equal_nocase(names.services[i].name, name))
            return i;
    return -1;
}

static enum error_code fail(struct call_result *out, enum error_code code, const char *text)
{
    out->code = code;
    text_copy(out->text, sizeof(out->text), text);
    return code;
}

static void pend(struct sbox_service *s, enum service_state state, uint64_t takes, uint64_t now_ms)
{
    s->state = state;
    s->until_ms = takes == SBOX_STUCK ? SBOX_STUCK : now_ms + takes;
}

static void start_one(struct sbox *b, int i, uint64_t now_ms)
{
    struct sbox_service *s = &b->services[i];
    if (s->state != SVC_STOPPED)
        return;
    s->starts++;
    pend(s, SVC_START_PENDING, s->start_takes, now_ms);
}

static void start(struct sbox *b, int i, uint64_t now_ms, struct call_result *out)
{
    struct sbox_service *s = &b->services[i], *was = &b->services[SBOX_WAS];
    bool needs_was = i == SBOX_WEB || i == SBOX_TCP;
    if (s->start == SVC_START_DISABLED)
        fail(out, ERR_STATE, "1058: it is disabled");
    else if (s->start_answer)
        fail(out, s->start_answer, "start refused");
    else if (s->state == SVC_RUNNING || s->state == SVC_START_PENDING)
        fail(out, ERR_EXISTS, "1056: it runs");
    else if (s->state == SVC_STOP_PENDING || (needs_was && was->state == SVC_STOP_PENDING))
        fail(out, ERR_BUSY, "1068: WAS is stopping");
    else if (needs_was && was->start == SVC_START_DISABLED && was->state == SVC_STOPPED)
        fail(out, ERR_STATE, "1068: WAS is disabled");
    if (out->code)
        return;
    if (needs_was)
        start_one(b, SBOX_WAS, now_ms);
    start_one(b, i, now_ms);
}

static void stop(struct sbox *b, int i, uint64_t now_ms, struct call_result *out)
{
    struct sbox_service *s = &b->services[i];
    bool dependents = i == SBOX_WAS && (b->services[SBOX_WEB].state != SVC_STOPPED ||
                                        b->services[SBOX_TCP].state != SVC_STOPPED);
    if (s->stop_answer)
        fail(out, s->stop_answer, s->stop_answer == ERR_DENIED ? "5: Access denied" : "1061");
    else if (s->state == SVC_STOPPED)
        fail(out, ERR_EXISTS, "1062");
    else if (dependents)
        fail(out, ERR_STATE, "1051: dependents run");
    else if (s->state != SVC_RUNNING)
        fail(out, ERR_BUSY, "1061: in transition");
    if (out->code)
        return;
    s->stops++;
    pend(s, SVC_STOP_PENDING, s->stop_takes, now_ms);
}

static uint64_t wait_for(struct sbox *b, int i, const struct call *call, uint64_t now_ms,
                         struct call_result *out)
{
    for (uint64_t t = now_ms; t <= now_ms + call->timeout_ms; t += 50) {
        sbox_let(b, t);
        enum service_state state = b->services[i].state;
        if (state == call->state)
            return t;
        if (call->state == SVC_RUNNING && state == SVC_STOPPED) {
            fail(out, ERR_STATE, "it ended with 1067");
            return t;
        }
    }
    char text[80];
    text_format(text, sizeof(text), "it is %s", service_state_name(b->services[i].state));
    fail(out, ERR_TIMEOUT, text);
    return now_ms + call->timeout_ms;
}

static void look_services(struct sbox *b, struct call_result *out)
{
    for (int i = 0; i < SBOX_OTHER; i++)
        b->seen[i] = (struct service){.name = b->services[i].name,
                                      .state = b->services[i].state,
                                      .start = b->services[i].start,
                                      .pid = b->services[i].host};
    b->needs[0] = (struct service_need){"W3SVC", "WAS"};
    b->needs[1] = (struct service_need){"NetTcpActivator", "WAS"};
    out->view.services_known = true;
    out->view.services = b->seen;
    out->view.service_count = SBOX_OTHER;
    out->view.needs = b->needs;
    out->view.need_count = 2;
    out->view.barred = b->barred;
    out->view.trouble = "";
}

static void look_pools(struct sbox *b, struct call_result *out)
{
    for (size_t i = 0; i < 2; i++)
        b->seen_pools[i] = (struct pool){.name = b->pools[i].name,
                                         .state = b->pools[i].state,
                                         .auto_start = b->pools[i].auto_start};
    out->view.pools_known = true;
    out->view.pools = b->seen_pools;
    out->view.pool_count = 2;
}

static void beat(struct sbox *b, struct call_result *out)
{
    for (unsigned i = 0; i < b->left; i++)
        b->seen_workers[i] = (struct worker){.pool = "Shop", .pid = 900 + i, .created = 5};
    out->view.workers_known = true;
    out->view.workers = b->seen_workers;
    out->view.worker_count = b->left;
    out->view.trouble = "";
}

static void lodgers(struct sbox *b, int i, struct call_result *out)
{
    if (b->services[i].state == SVC_STOPPED)
        return;
    out->lodgers.pid = b->services[i].host;
    out->lodgers.created = 1;
    for (int k = 0; k < SBOX_SERVICES; k++) {
        bool there = b->services[k].host == b->services[i].host || (k == SBOX_OTHER && b->stranger);
        if (!there || b->services[k].state == SVC_STOPPED)
            continue;
        struct driver_lodger *one = &out->lodgers.lodgers[out->lodgers.lodger_count++];
        text_copy(one->service, sizeof(one->service), b->services[k].name);
        one->expendable = k != SBOX_OTHER;
        if (k == SBOX_WAS && b->on_death)
            text_copy(one->on_death, sizeof(one->on_death), b->on_death);
    }
}

static void kill_host(struct sbox *b, int i, struct call_result *out)
{
    uint32_t host = b->services[i].host;
    if (b->kill_answer) {
        fail(out, b->kill_answer, "cannot be ended");
        return;
    }
    b->kills++;
    b->left = b->orphans;
    for (int k = 0; k < SBOX_SERVICES; k++)
        if (b->services[k].host == host)
            stopped(b, k);
}

static void start_pool(struct sbox *b, const char *name, uint64_t now_ms)
{
    for (size_t i = 0; i < 2; i++) {
        if (!text_equal(b->pools[i].name, name))
            continue;
        b->pools[i].state = POOL_STATE_STARTED;
        b->pools[i].starts++;
        b->pools[i].dies_ms = b->pools[i].dies ? now_ms + 1000 : 0;
    }
}

static void probe(struct sbox *b, const char *name, struct call_result *out)
{
    for (size_t i = 0; i < 2; i++) {
        if (!text_equal(b->pools[i].name, name))
            continue;
        if (!b->pools[i].site) {
            fail(out, ERR_NOT_FOUND, "nothing to probe");
            return;
        }
        bool answers = sbox_serves(b) && b->pools[i].state == POOL_STATE_STARTED && !b->silent;
        out->probe = (struct driver_probe){
            .answered = answers, .passed = answers, .status = answers ? 200 : 0, .elapsed_ms = 3};
        text_copy(out->probe.detail, sizeof(out->probe.detail), answers ? "200" : "refused");
    }
}

static void verdict(struct sbox *b, const char *name, struct call_result *out)
{
    if (b->no_events) {
        fail(out, ERR_UNAVAILABLE, "no events here");
        return;
    }
    for (size_t i = 0; i < 2; i++)
        if (text_equal(b->pools[i].name, name))
            out->verdict = (struct driver_verdict){.identity = b->pools[i].event == 5057,
                                                   .rapid_fail = b->pools[i].event == 5002,
                                                   .event = b->pools[i].event};
}

static void guard(struct sbox *b, const struct call *call, struct call_result *out)
{
    if (b->no_guardian) {
        fail(out, ERR_IO, "cannot start a process");
        return;
    }
    b->guarded = true;
    b->guards++;
    b->guard_within_ms = call->within_ms;
    text_copy(b->guarded_services, sizeof(b->guarded_services), call->services);
}

void sbox_guardian_acts(struct sbox *b, uint64_t now_ms)
{
    struct call_result result = {0};
    start(b, SBOX_WEB, now_ms, &result);
    b->guarded = false;
}

uint64_t sbox_call(struct sbox *b, const struct call *call, uint64_t now_ms,
                   struct call_result *out)
{
    int i = call->service[0] ? index_of(call->service) : -1;
    uint64_t over_ms = now_ms + TOOL_MS;
    memset(out, 0, sizeof(*out));
    out->call = *call;
    sbox_let(b, now_ms);
    switch (call->kind) {
    case CALL_SERVICES:
        if (b->manager_down)
            fail(out, ERR_UNAVAILABLE, "no service manager");
        else
            look_services(b, out);
        break;
    case CALL_LOOK:
        look_services(b, out);
        if (b->appcmd_hangs)
            out->view.trouble = "pools: appcmd did not answer";
        else
            look_pools(b, out);
        break;
    case CALL_BEAT:
        beat(b, out);
        break;
    case CALL_SERVICE_START:
        start(b, i, now_ms, out);
        break;
    case CALL_SERVICE_STOP:
        stop(b, i, now_ms, out);
        break;
    case CALL_SERVICE_WAIT:
        return wait_for(b, i, call, now_ms, out);
    case CALL_SERVICE_HOST:
        lodgers(b, i, out);
        break;
    case CALL_SERVICE_KILL_HOST:
        kill_host(b, i, out);
        break;
    case CALL_SERVICE_SET_START:
        b->services[i].start = call->start;
        break;
    case CALL_WORKER_KILL:
        b->worker_kills++;
        b->left -= b->left > 0;
        break;
    case CALL_START:
        start_pool(b, call->pool, now_ms);
        break;
    case CALL_PROBE:
        probe(b, call->pool, out);
        break;
    case CALL_VERDICT:
        verdict(b, call->pool, out);
        break;
    case CALL_GUARD:
        guard(b, call, out);
        break;
    case CALL_GUARD_END:
        b->guarded = false;
        break;
    default:
        fail(out, ERR_INVALID, "not here");
        break;
    }
    return over_ms;
}

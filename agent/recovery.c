/* recovery.c - see recovery.h: life, moves, what is wanted next, how it ends. */
#include "agent/recovery.h"

#include "agent/recovery_internal.h"
#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_SLICE_MS  2000  /* of a wait: observations are answered in between */
#define GUARD_SPARE_MS 30000 /* between the last possible end of the stop half and the guardian */

/* ---- moves ---- */

#define TO(step) (1u << RECOVERY_##step)
#define START_HALF                                                                                 \
    (TO(ENABLE) | TO(START) | TO(REST) | TO(POOLS) | TO(PROBE) | TO(RELEASE) | TO(END))

static bool move_is_allowed(enum recovery_step from, enum recovery_step to)
{
    static const unsigned allowed[] = {
        [RECOVERY_LOOK] = TO(JUDGE) | TO(BEGIN) | TO(GUARD) | TO(STOP) | START_HALF,
        [RECOVERY_JUDGE] = TO(JUDGE_PROBE) | TO(LOOK) | TO(BEGIN) | TO(END),
        [RECOVERY_JUDGE_PROBE] = TO(LOOK) | TO(BEGIN) | TO(END),
        [RECOVERY_BEGIN] = TO(GUARD) | TO(DISABLE) | TO(ORPHANS) | START_HALF,
        [RECOVERY_GUARD] = TO(LOOK) | TO(STOP) | TO(STOPPED) | START_HALF,
        [RECOVERY_DISABLE] = TO(STOP) | TO(RELEASE) | TO(END),
        [RECOVERY_STOP] = TO(STOP) | TO(STOPPED) | TO(STUCK) | TO(ORPHANS) | START_HALF,
        [RECOVERY_STOPPED] = TO(STOP) | TO(STOPPED) | TO(STUCK) | TO(ORPHANS) | START_HALF,
        [RECOVERY_STUCK] = TO(HOST) | TO(ORPHANS) | START_HALF,
        [RECOVERY_HOST] = TO(KILL) | TO(KILLED) | START_HALF,
        [RECOVERY_KILL] = TO(KILLED) | START_HALF,
        [RECOVERY_KILLED] = TO(HOST) | TO(ORPHANS) | START_HALF,
        [RECOVERY_ORPHANS] = TO(ORPHAN) | START_HALF,
        [RECOVERY_ORPHAN] = TO(ORPHAN) | TO(ORPHANS) | START_HALF,
        [RECOVERY_ENABLE] = TO(ENABLE) | TO(START) | TO(RELEASE) | TO(END),
        [RECOVERY_START] = TO(STARTED) | TO(LOOK) | TO(HANDOVER) | TO(RELEASE) | TO(END),
        [RECOVERY_STARTED] = TO(START) | TO(SEE) | TO(RELEASE) | TO(END),
        [RECOVERY_SEE] = TO(START) | TO(REST) | TO(POOLS) | TO(RELEASE) | TO(END),
        [RECOVERY_REST] = TO(REST) | TO(REST_UP) | TO(POOLS),
        [RECOVERY_REST_UP] = TO(REST) | TO(REST_UP) | TO(POOLS),
        [RECOVERY_POOLS] = TO(VERDICT) | TO(POOL_START) | TO(PROBE) | TO(RELEASE) | TO(END),
        [RECOVERY_VERDICT] = TO(VERDICT) | TO(POOL_START) | TO(POOLS) | TO(PROBE),
        [RECOVERY_POOL_START] = TO(POOLS),
        [RECOVERY_PROBE] = TO(RELEASE) | TO(END),
        [RECOVERY_HANDOVER] = TO(END),
        [RECOVERY_RELEASE] = TO(END),
        [RECOVERY_END] = 0,
    };
    return (allowed[from] & 1u << to) != 0;
}

void recovery_enter(struct recovery *r, enum recovery_step step, uint64_t now_ms, const char *fmt,
                    ...)
{
    va_list args;
    must(move_is_allowed(r->step, step));
    r->step = step;
    r->entered_ms = now_ms;
    r->tries = 0;
    r->retry_at_ms = 0;
    va_start(args, fmt);
    vsnprintf(r->text, sizeof(r->text), fmt, args);
    va_end(args);
}

/* ---- what is told ---- */

static const char *rung_name(enum recovery_step step)
{
    switch (step) {
    case RECOVERY_LOOK:
    case RECOVERY_JUDGE:
    case RECOVERY_JUDGE_PROBE:
        return "look";
    case RECOVERY_BEGIN:
        return "begin";
    case RECOVERY_GUARD:
    case RECOVERY_HANDOVER:
    case RECOVERY_RELEASE:
        return "guardian";
    case RECOVERY_DISABLE:
    case RECOVERY_ENABLE:
        return "start-type";
    case RECOVERY_STOP:
    case RECOVERY_STOPPED:
    case RECOVERY_STUCK:
        return "stop";
    case RECOVERY_HOST:
    case RECOVERY_KILL:
    case RECOVERY_KILLED:
        return "kill";
    case RECOVERY_ORPHANS:
    case RECOVERY_ORPHAN:
        return "orphans";
    case RECOVERY_START:
    case RECOVERY_STARTED:
    case RECOVERY_SEE:
        return "start";
    case RECOVERY_REST:
    case RECOVERY_REST_UP:
        return "dependents";
    case RECOVERY_POOLS:
    case RECOVERY_VERDICT:
    case RECOVERY_POOL_START:
        return "pools";
    case RECOVERY_PROBE:
        return "probe";
    case RECOVERY_END:
        break;
    }
    return "end";
}

void recovery_say(struct recovery *r, const char *fmt, ...)
{
    char raw[WIRE_TEXT_MAX], clean[WIRE_TEXT_MAX / 3];
    va_list args;
    va_start(args, fmt);
    vsnprintf(raw, sizeof(raw), fmt, args);
    va_end(args);
    clean_text(clean, sizeof(clean), raw);
    record_add_finding(r->record, rung_name(r->step), clean);
    size_t used = strlen(r->findings);
    text_format(r->findings + used, sizeof(r->findings) - used, "%s%s", used ? "; " : "", clean);
}

void recovery_fails(struct recovery *r, enum cause cause, const char *fmt, ...)
{
    va_list args;
    if (r->outcome == OUTCOME_FAILED)
        return;
    r->outcome = OUTCOME_FAILED;
    r->cause = cause;
    va_start(args, fmt);
    vsnprintf(r->headline, sizeof(r->headline), fmt, args);
    va_end(args);
}

/* A resumed act is never called refused or failed: it was begun, and what became of it is told. */
static void set_outcome(struct recovery *r)
{
    struct record *record = r->record;
    bool well = r->outcome == OUTCOME_DONE || r->outcome == OUTCOME_NOTHING;
    record->outcome = !r->resumed ? r->outcome : well ? OUTCOME_DONE : OUTCOME_INTERRUPTED;
    record->cause = record->outcome == OUTCOME_DONE ? CAUSE_NONE : r->cause;
}

static void end(struct recovery *r, uint64_t now_ms)
{
    struct record *record = r->record;
    char raw[2 * WIRE_TEXT_MAX];
    set_outcome(r);
    const char *prefix = !r->resumed                       ? ""
                         : record->outcome == OUTCOME_DONE ? "finished after the agent's restart: "
                                                           : "the agent was restarted in the "
                                                             "middle, and then: ";
    text_format(raw, sizeof(raw), "%s%s%s%s", prefix, r->headline,
                r->findings[0] ? ". In turn: " : "", r->findings);
    clean_text(record->detail, sizeof(record->detail), raw);
    record->elapsed_ms = now_ms - r->since_ms;
    recovery_enter(r, RECOVERY_END, now_ms, "done");
}

void recovery_end_unbegun(struct recovery *r, uint64_t now_ms, enum outcome outcome,
                          enum cause cause, const char *fmt, ...)
{
    va_list args;
    r->outcome = outcome;
    r->cause = cause;
    va_start(args, fmt);
    vsnprintf(r->headline, sizeof(r->headline), fmt, args);
    va_end(args);
    end(r, now_ms);
}

void recovery_wind_up(struct recovery *r, uint64_t now_ms, const char *fmt, ...)
{
    if (r->outcome != OUTCOME_FAILED) {
        va_list args;
        r->outcome = OUTCOME_DONE;
        r->cause = CAUSE_NONE;
        va_start(args, fmt);
        vsnprintf(r->headline, sizeof(r->headline), fmt, args);
        va_end(args);
    }
    /* After a restart a guardian of the process before may still stand by. */
    if (r->guarded || r->resumed)
        recovery_enter(r, RECOVERY_RELEASE, now_ms, "sending the guardian away");
    else
        end(r, now_ms);
}

/* ---- the services as last read ---- */

static const char *own_name(const struct recovery_view *view, const char *name)
{
    for (size_t i = 0; i < view->service_count; i++)
        if (text_equal_nocase(view->names[i], name))
            return view->names[i];
    return NULL;
}

void recovery_take_services(struct recovery *r, const struct driver_view *from)
{
    struct recovery_view *view = &r->view;
    view->known = true;
    view->service_count = view->need_count = 0;
    for (size_t i = 0; i < from->service_count && i < SERVICES_MAX; i++) {
        text_copy(view->names[i], sizeof(view->names[i]), from->services[i].name);
        view->services[i] = from->services[i];
        view->services[i].name = view->names[i];
        view->service_count++;
    }
    for (size_t i = 0; i < from->need_count; i++) {
        const char *service = own_name(view, from->needs[i].service);
        const char *needs = own_name(view, from->needs[i].needs);
        if (service && needs && view->need_count < sizeof(view->needs) / sizeof(view->needs[0]))
            view->needs[view->need_count++] = (struct service_need){service, needs};
    }
    clean_text(view->barred, sizeof(view->barred), from->barred ? from->barred : "");
}

struct services_graph recovery_graph(const struct recovery *r)
{
    return (struct services_graph){.services = r->view.services,
                                   .service_count = r->view.service_count,
                                   .needs = r->view.needs,
                                   .need_count = r->view.need_count};
}

enum service_state recovery_state(const struct recovery *r, const char *name)
{
    struct services_graph graph = recovery_graph(r);
    const struct service *service = services_find(&graph, name);
    return service ? service->state : SVC_UNKNOWN;
}

bool recovery_is_disabled(const struct recovery *r, const char *name)
{
    struct services_graph graph = recovery_graph(r);
    const struct service *service = services_find(&graph, name);
    return service && service->start == SVC_START_DISABLED;
}

/* ---- lists of names, one a line ---- */

static bool list_has(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = list; *line;) {
        size_t here = strcspn(line, "\n");
        char one[WIRE_NAME_MAX];
        if (here == len && here < sizeof(one)) {
            memcpy(one, line, here);
            one[here] = '\0';
            if (text_equal_nocase(one, name))
                return true;
        }
        line += here + (line[here] == '\n');
    }
    return false;
}

bool recovery_list_add(char *list, size_t size_bytes, const char *name)
{
    size_t used = strlen(list);
    if (list_has(list, name))
        return true;
    if (used + strlen(name) + 2 > size_bytes)
        return false;
    return text_format(list + used, size_bytes - used, "%s%s", used ? "\n" : "", name);
}

bool recovery_healthy(const struct driver_view *view, char *out, size_t size_bytes)
{
    struct services_graph graph = {.services = view->services,
                                   .service_count = view->service_count,
                                   .needs = view->needs,
                                   .need_count = view->need_count};
    const struct service *was = services_find(&graph, RECOVERY_WAS);
    const struct service *web = services_find(&graph, RECOVERY_WEB);
    out[0] = '\0';
    if (!view->services_known || !was || !web || was->state != SVC_RUNNING ||
        web->state != SVC_RUNNING)
        return false;
    for (size_t i = 0; i < graph.service_count; i++)
        if (graph.services[i].state == SVC_RUNNING &&
            services_is_expendable(&graph, graph.services[i].name))
            recovery_list_add(out, size_bytes, graph.services[i].name);
    return true;
}

static int line_is_in(const char *line, void *arg)
{
    return list_has(arg, line) || *line == '\0' ? 0 : 1;
}

bool recovery_set_within(const char *few, const char *many)
{
    return text_split(few, '\n', line_is_in, (void *)many) == 0;
}

/* ---- pools ---- */

void recovery_take_pools(struct recovery *r, const struct driver_view *view)
{
    struct recovery_pool *pools = must_alloc(view->pool_count, sizeof(*pools));
    size_t count = 0;
    for (size_t i = 0; i < view->pool_count; i++) {
        if (!view->pools[i].auto_start)
            continue;
        struct recovery_pool *pool = &pools[count++];
        for (size_t k = 0; k < r->pool_count; k++)
            if (text_equal_nocase(r->pools[k].name, view->pools[i].name))
                *pool = r->pools[k];
        text_copy(pool->name, sizeof(pool->name), view->pools[i].name);
        pool->state = view->pools[i].state;
    }
    free(r->pools);
    r->pools = pools;
    r->pool_count = count;
}

struct recovery_pool *recovery_probe_pool(struct recovery *r)
{
    while (r->pool_at < r->pool_count && r->pools[r->pool_at].state != POOL_STATE_STARTED)
        r->pool_at++;
    return r->pool_at < r->pool_count ? &r->pools[r->pool_at] : NULL;
}

/* ---- life ---- */

struct recovery *recovery_new(struct record *record, const struct recipe_limits *limits,
                              uint64_t now_ms)
{
    must(verb_is_of_services(record->verb) && record->state != RECORD_ENDED);
    struct recovery *r = must_alloc(1, sizeof(*r));
    r->record = record;
    r->limits = *limits;
    r->resumed = record->state == RECORD_BEGUN;
    r->since_ms = r->entered_ms = now_ms;
    text_copy(r->text, sizeof(r->text), "looking at the services");
    return r;
}

void recovery_free(struct recovery *r)
{
    if (r)
        free(r->pools);
    free(r);
}

/* ---- what next ---- */

/* When the guardian steps in: after every rung of the stop half may have run its full time. */
static uint64_t guard_within(const struct recovery *r)
{
    const struct recipe_limits *l = &r->limits;
    return 2 * l->service_stop_ms + r->order_count * l->dependent_ms + 3 * l->killed_ms +
           GUARD_SPARE_MS;
}

static void aim(struct recovery *r, struct call *call)
{
    const char *service = "";
    switch (call->kind) {
    case CALL_SERVICE_STOP:
    case CALL_SERVICE_HOST:
    case CALL_SERVICE_KILL_HOST:
        service = recovery_stopping(r);
        break;
    case CALL_SERVICE_START:
        service = r->step == RECOVERY_START ? RECOVERY_WEB : r->order[r->order_at];
        break;
    case CALL_SERVICE_WAIT:
        service = r->step == RECOVERY_STARTED ? RECOVERY_WEB : r->order[r->order_at];
        call->state = r->step == RECOVERY_STOPPED ? SVC_STOPPED : SVC_RUNNING;
        call->timeout_ms = WAIT_SLICE_MS;
        break;
    case CALL_SERVICE_SET_START:
        service = r->step == RECOVERY_DISABLE ? RECOVERY_WAS : r->enabling;
        call->start = r->step == RECOVERY_DISABLE ? SVC_START_DISABLED
                      : r->record->former == SVC_START_DEMAND && text_equal(service, RECOVERY_WAS)
                          ? SVC_START_DEMAND
                          : SVC_START_AUTO;
        break;
    default: /* the others name no service */
        break;
    }
    text_copy(call->service, sizeof(call->service), service);
    if (call->kind == CALL_SERVICE_KILL_HOST) {
        call->pid = r->host.pid;
        call->created = r->host.created;
    } else if (call->kind == CALL_WORKER_KILL) {
        call->pid = r->orphans[r->orphan_at].pid;
        call->created = r->orphans[r->orphan_at].created;
    } else if (call->kind == CALL_GUARD) {
        call->services = r->record->services;
        call->within_ms = r->step == RECOVERY_HANDOVER ? 0 : guard_within(r);
    } else if (call->kind == CALL_PROBE || call->kind == CALL_VERDICT || call->kind == CALL_START) {
        text_copy(call->pool, sizeof(call->pool), r->pools[r->pool_at].name);
    }
}

static enum call_kind call_kind_of(const struct recovery *r)
{
    static const enum call_kind kinds[] = {
        [RECOVERY_LOOK] = CALL_SERVICES,
        [RECOVERY_JUDGE] = CALL_LOOK,
        [RECOVERY_JUDGE_PROBE] = CALL_PROBE,
        [RECOVERY_GUARD] = CALL_GUARD,
        [RECOVERY_DISABLE] = CALL_SERVICE_SET_START,
        [RECOVERY_STOP] = CALL_SERVICE_STOP,
        [RECOVERY_STOPPED] = CALL_SERVICE_WAIT,
        [RECOVERY_STUCK] = CALL_SERVICES,
        [RECOVERY_HOST] = CALL_SERVICE_HOST,
        [RECOVERY_KILL] = CALL_SERVICE_KILL_HOST,
        [RECOVERY_KILLED] = CALL_SERVICES,
        [RECOVERY_ORPHANS] = CALL_BEAT,
        [RECOVERY_ORPHAN] = CALL_WORKER_KILL,
        [RECOVERY_ENABLE] = CALL_SERVICE_SET_START,
        [RECOVERY_START] = CALL_SERVICE_START,
        [RECOVERY_STARTED] = CALL_SERVICE_WAIT,
        [RECOVERY_SEE] = CALL_SERVICES,
        [RECOVERY_REST] = CALL_SERVICE_START,
        [RECOVERY_REST_UP] = CALL_SERVICE_WAIT,
        [RECOVERY_POOLS] = CALL_LOOK,
        [RECOVERY_VERDICT] = CALL_VERDICT,
        [RECOVERY_POOL_START] = CALL_START,
        [RECOVERY_PROBE] = CALL_PROBE,
        [RECOVERY_HANDOVER] = CALL_GUARD,
        [RECOVERY_RELEASE] = CALL_GUARD_END,
        [RECOVERY_END] = CALL_NONE,
    };
    return kinds[r->step];
}

struct recipe_next recovery_next(struct recovery *r, uint64_t now_ms)
{
    if (r->step == RECOVERY_END)
        return (struct recipe_next){.want = RECIPE_END};
    if (r->step == RECOVERY_BEGIN)
        return (struct recipe_next){.want = RECIPE_BEGIN};
    if (now_ms < r->retry_at_ms)
        return (struct recipe_next){.want = RECIPE_WAIT, .until_ms = r->retry_at_ms};
    struct recipe_next next = {.want = RECIPE_CALL, .call = {.kind = call_kind_of(r)}};
    aim(r, &next.call);
    return next;
}

static void handed_over(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code == ERR_NONE)
        recovery_say(r, "a guardian goes on trying to start it, for a quarter of an hour");
    else
        recovery_say(r, "no guardian goes on trying to start it: %s", result->text);
    end(r, now_ms);
}

static void released(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code != ERR_NONE && result->code != ERR_NOT_FOUND)
        recovery_say(r, "the guardian could not be told: %s", result->text);
    else if (result->code == ERR_NONE && result->text[0])
        recovery_say(r, "%s", result->text); /* it acted, or stood by for nothing */
    end(r, now_ms);
}

void recovery_on_result(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    r->tries++;
    switch (r->step) {
    case RECOVERY_LOOK:
        recovery_looked(r, result, now_ms);
        return;
    case RECOVERY_JUDGE:
        recovery_judged(r, result, now_ms);
        return;
    case RECOVERY_JUDGE_PROBE:
        recovery_judge_probed(r, result, now_ms);
        return;
    case RECOVERY_GUARD:
    case RECOVERY_DISABLE:
    case RECOVERY_STOP:
    case RECOVERY_STOPPED:
    case RECOVERY_STUCK:
    case RECOVERY_HOST:
    case RECOVERY_KILL:
    case RECOVERY_KILLED:
    case RECOVERY_ORPHANS:
    case RECOVERY_ORPHAN:
        recovery_stop_on_result(r, result, now_ms);
        return;
    case RECOVERY_ENABLE:
    case RECOVERY_START:
    case RECOVERY_STARTED:
    case RECOVERY_SEE:
    case RECOVERY_REST:
    case RECOVERY_REST_UP:
    case RECOVERY_POOLS:
    case RECOVERY_VERDICT:
    case RECOVERY_POOL_START:
    case RECOVERY_PROBE:
        recovery_start_on_result(r, result, now_ms);
        return;
    case RECOVERY_HANDOVER:
        handed_over(r, result, now_ms);
        return;
    case RECOVERY_RELEASE:
        released(r, result, now_ms);
        return;
    case RECOVERY_BEGIN:
    case RECOVERY_END:
        break;
    }
    must(!"a result for a recipe that asked for none");
}

void recovery_on_begun(struct recovery *r, uint64_t now_ms)
{
    must(r->step == RECOVERY_BEGIN);
    r->record->state = RECORD_BEGUN;
    if (r->reason[0])
        recovery_say(r, "%s", r->reason);
    recovery_stop_half(r, now_ms);
}

void recovery_refuse(struct recovery *r, enum cause cause, const char *detail, uint64_t now_ms)
{
    must(r->step == RECOVERY_BEGIN);
    recovery_end_unbegun(r, now_ms, OUTCOME_REFUSED, cause, "%s", detail);
}

const char *recovery_text(const struct recovery *r)
{
    return r->text;
}

uint64_t recovery_since_ms(const struct recovery *r)
{
    return r->since_ms;
}

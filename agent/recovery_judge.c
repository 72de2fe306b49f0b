/* recovery_judge.c - see recovery.h: is anything wrong, and may anything be done about it? */
#include "agent/recovery_internal.h"

#include "common/text.h"

#include <string.h>

#define READ_TRIES     3
#define READ_RETRY_MS  1000
#define RESUME_LOOK_MS 5000 /* after a boot the manager may need a while */
#define PROBE_GAP_MS   1000
#define LOOK_OLD_MS    2000 /* nothing is begun on a look that is older */

/* ---- what shall run in the end ---- */

static int take_line(const char *line, void *arg)
{
    struct services_order *lines = arg;
    if (*line && lines->count < SERVICES_MAX)
        lines->names[lines->count++] = line;
    return 0;
}

struct lines {
    const struct recovery *r;
    char (*names)[WIRE_NAME_MAX];
    size_t count;
};

static int copy_line(const char *line, void *arg)
{
    struct lines *lines = arg;
    bool core = text_equal_nocase(line, RECOVERY_WAS) || text_equal_nocase(line, RECOVERY_WEB);
    if (*line && !core && lines->count < SERVICES_MAX)
        text_copy(lines->names[lines->count++], WIRE_NAME_MAX, line);
    return 0;
}

struct services_order recovery_rest(const struct recovery *r, char names[][WIRE_NAME_MAX])
{
    struct lines lines = {.r = r, .names = names};
    struct services_order wanted = {.count = 0};
    struct services_graph graph = recovery_graph(r);
    text_split(r->record->services, '\n', copy_line, &lines);
    for (size_t i = 0; i < lines.count; i++)
        take_line(names[i], &wanted);
    return services_start_order(&graph, wanted.names, wanted.count);
}

/* The last healthy set, and what runs now: what was started since is not forgotten. */
static void note_what_runs(struct recovery *r)
{
    struct services_graph graph = recovery_graph(r);
    char *list = r->record->services;
    for (size_t i = 0; i < graph.service_count; i++) {
        const struct service *service = &graph.services[i];
        if (services_is_up(service->state) && services_is_expendable(&graph, service->name))
            recovery_list_add(list, RECORD_SERVICES_MAX, service->name);
    }
    recovery_list_add(list, RECORD_SERVICES_MAX, RECOVERY_WAS);
    recovery_list_add(list, RECORD_SERVICES_MAX, RECOVERY_WEB);
}

static bool rest_is_missing(const struct recovery *r)
{
    char names[SERVICES_MAX][WIRE_NAME_MAX];
    struct services_order rest = recovery_rest(r, names);
    for (size_t i = 0; i < rest.count; i++)
        if (recovery_state(r, rest.names[i]) != SVC_RUNNING)
            return true;
    return false;
}

static void begin(struct recovery *r, uint64_t now_ms)
{
    note_what_runs(r);
    r->record->stops = r->stops && r->record->verb != VERB_SERVICE_STOP;
    recovery_enter(r, RECOVERY_BEGIN, now_ms, "writing the journal");
}

/* ---- LOOK ---- */

static void look_failed(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    bool final = result->code == ERR_DENIED;
    if (r->resumed && now_ms - r->since_ms < r->limits.service_look_ms && !final) {
        r->retry_at_ms = now_ms + RESUME_LOOK_MS;
        return;
    }
    if ((r->resumed || r->unguarded) && r->record->verb != VERB_SERVICE_STOP) {
        if (!r->start_ms) /* else it was said */
            recovery_say(r, "the services cannot be read: %s", result->text);
        recovery_start_half(r, now_ms); /* whatever can be read: they are started */
        return;
    }
    if (!r->resumed && !final && r->tries < READ_TRIES) {
        r->retry_at_ms = now_ms + READ_RETRY_MS;
        return;
    }
    recovery_end_unbegun(r, now_ms, OUTCOME_REFUSED, recipe_cause(result->code),
                         "the services cannot be read: %s",
                         result->text[0] ? result->text : "no service manager");
}

static const char *disabled_one(const struct recovery *r)
{
    return recovery_is_disabled(r, RECOVERY_WAS)   ? RECOVERY_WAS
           : recovery_is_disabled(r, RECOVERY_WEB) ? RECOVERY_WEB
                                                   : NULL;
}

static bool may_enable(const struct recovery *r)
{
    const struct record *record = r->record;
    bool undoes = record->verb == VERB_SERVICE_START && record->former != SVC_START_UNKNOWN;
    return record->enable || undoes;
}

/* True: left alone, and said so. */
static bool is_left_alone(struct recovery *r, uint64_t now_ms)
{
    const struct record *record = r->record;
    const char *disabled = disabled_one(r);
    if (r->view.barred[0]) {
        recovery_end_unbegun(r, now_ms, OUTCOME_REFUSED, CAUSE_ON_PURPOSE,
                             "left alone, nothing was changed: %.400s", r->view.barred);
        return true;
    }
    if (recovery_state(r, RECOVERY_WAS) == SVC_ABSENT ||
        recovery_state(r, RECOVERY_WEB) == SVC_ABSENT) {
        recovery_end_unbegun(r, now_ms, OUTCOME_REFUSED, CAUSE_UNSUPPORTED,
                             "there is no WAS or no W3SVC on this server");
        return true;
    }
    if (!disabled || record->verb == VERB_SERVICE_STOP || may_enable(r))
        return false;
    if (record->former != SVC_START_UNKNOWN)
        recovery_end_unbegun(
            r, now_ms, OUTCOME_REFUSED, CAUSE_ON_PURPOSE,
            "left alone, nothing was changed: %s is disabled, kept down by %.300s; "
            "`service start` brings it back",
            disabled, record->kept_by);
    else
        recovery_end_unbegun(r, now_ms, OUTCOME_REFUSED, CAUSE_ON_PURPOSE,
                             "left alone, nothing was changed: %s is disabled, so a person or a "
                             "tool keeps it down; --enable sets it to start by itself again",
                             disabled);
    return true;
}

static bool both_run(const struct recovery *r)
{
    return recovery_state(r, RECOVERY_WAS) == SVC_RUNNING &&
           recovery_state(r, RECOVERY_WEB) == SVC_RUNNING;
}

static bool both_stopped(const struct recovery *r)
{
    return recovery_state(r, RECOVERY_WAS) == SVC_STOPPED &&
           recovery_state(r, RECOVERY_WEB) == SVC_STOPPED;
}

static void decide_recover(struct recovery *r, uint64_t now_ms)
{
    if (both_run(r) && r->sure) {
        begin(r, now_ms);
        return;
    }
    if (both_run(r) && !r->record->force) {
        recovery_enter(r, RECOVERY_JUDGE, now_ms, "looking whether anything is wrong");
        return;
    }
    r->pools_only = false;
    r->stops = !both_stopped(r);
    if (r->stops)
        text_format(r->reason, sizeof(r->reason), "WAS was %s, W3SVC %s",
                    service_state_name(recovery_state(r, RECOVERY_WAS)),
                    service_state_name(recovery_state(r, RECOVERY_WEB)));
    else
        text_copy(r->reason, sizeof(r->reason), "WAS and W3SVC were stopped");
    begin(r, now_ms);
}

static void decide_restart(struct recovery *r, uint64_t now_ms)
{
    r->stops = true;
    if (both_run(r))
        begin(r, now_ms);
    else
        recovery_end_unbegun(r, now_ms, OUTCOME_REFUSED, CAUSE_SERVICE_DOWN,
                             "WAS is %s and W3SVC is %s: a restart begins from services that run, "
                             "`service recover` is for the rest",
                             service_state_name(recovery_state(r, RECOVERY_WAS)),
                             service_state_name(recovery_state(r, RECOVERY_WEB)));
}

static void decide_stop(struct recovery *r, uint64_t now_ms)
{
    struct services_graph graph = recovery_graph(r);
    const struct service *was = services_find(&graph, RECOVERY_WAS);
    bool disabled = was && was->start == SVC_START_DISABLED;
    r->stops = true;
    if (disabled && both_stopped(r)) {
        recovery_end_unbegun(r, now_ms, OUTCOME_NOTHING, CAUSE_ALREADY,
                             "the services are stopped and WAS is disabled already");
        return;
    }
    if (was && !disabled)
        r->record->former = was->start;
    begin(r, now_ms);
}

static void decide_start(struct recovery *r, uint64_t now_ms)
{
    if (both_run(r) && !disabled_one(r) && !rest_is_missing(r)) {
        recovery_end_unbegun(r, now_ms, OUTCOME_NOTHING, CAUSE_ALREADY,
                             "WAS and W3SVC run already");
        return;
    }
    begin(r, now_ms);
}

/* What was begun by a process that is gone: no stop is ordered any more, and what it ordered is
 * seen to its end. */
static void decide_resumed(struct recovery *r, uint64_t now_ms)
{
    bool stopped = both_stopped(r) && recovery_is_disabled(r, RECOVERY_WAS);
    if (r->record->verb != VERB_SERVICE_STOP) {
        if (!r->record->stops || r->finishes || !recovery_finish_stop(r, now_ms))
            recovery_start_half(r, now_ms);
        return;
    }
    if (stopped)
        recovery_end_unbegun(r, now_ms, OUTCOME_DONE, CAUSE_NONE, "stopped; WAS is disabled");
    else
        recovery_end_unbegun(
            r, now_ms, OUTCOME_FAILED, CAUSE_TIMEOUT,
            "WAS is %s and %s, W3SVC is %s: `service stop` again, or `service start`",
            service_state_name(recovery_state(r, RECOVERY_WAS)),
            recovery_is_disabled(r, RECOVERY_WAS) ? "disabled" : "not disabled",
            service_state_name(recovery_state(r, RECOVERY_WEB)));
}

void recovery_looked(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code != ERR_NONE || !result->view.services_known) {
        look_failed(r, result, now_ms);
        return;
    }
    recovery_take_services(r, &result->view);
    r->looked_ms = now_ms;
    r->up_at_first = recovery_state(r, RECOVERY_WEB) == SVC_RUNNING;
    if (is_left_alone(r, now_ms))
        return;
    if (r->unguarded) {
        recovery_stop_unguarded(r, now_ms);
        return;
    }
    if (r->resumed) {
        decide_resumed(r, now_ms);
        return;
    }
    switch (r->record->verb) {
    case VERB_SERVICE_RECOVER:
        decide_recover(r, now_ms);
        return;
    case VERB_SERVICE_RESTART:
        decide_restart(r, now_ms);
        return;
    case VERB_SERVICE_STOP:
        decide_stop(r, now_ms);
        return;
    default: /* SERVICE_START: recovery_new takes no other */
        decide_start(r, now_ms);
        return;
    }
}

/* ---- JUDGE: both services run; is anything wrong? ---- */

static void wrong(struct recovery *r, bool pools_only, const char *reason, uint64_t now_ms)
{
    r->pools_only = pools_only;
    r->stops = !pools_only;
    clean_text(r->reason, sizeof(r->reason), reason);
    r->sure = true;
    if (now_ms - r->looked_ms <= LOOK_OLD_MS)
        begin(r, now_ms);
    else /* meanwhile a person may have taken them down on purpose */
        recovery_enter(r, RECOVERY_LOOK, now_ms, "looking at the services once more");
}

static void nothing_wrong(struct recovery *r, const char *and_so, uint64_t now_ms)
{
    if (rest_is_missing(r))
        wrong(r, true, "a service that ran before does not run", now_ms);
    else
        recovery_end_unbegun(r, now_ms, OUTCOME_NOTHING, CAUSE_ALREADY,
                             "WAS and W3SVC run, the pools that should run do%s: left alone",
                             and_so);
}

static void probe_first(struct recovery *r, uint64_t now_ms)
{
    r->pool_at = 0;
    r->probe_ms = now_ms;
    if (recovery_probe_pool(r))
        recovery_enter(r, RECOVERY_JUDGE_PROBE, now_ms, "asking whether a site answers");
    else
        nothing_wrong(r, "", now_ms);
}

void recovery_judged(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    char reason[WIRE_TEXT_MAX / 4];
    if (result->code != ERR_NONE || !result->view.pools_known) {
        if (r->tries < READ_TRIES) {
            r->retry_at_ms = now_ms + READ_RETRY_MS;
            return;
        }
        text_format(reason, sizeof(reason), "the pools could not be read though WAS runs: %.150s",
                    result->code != ERR_NONE ? result->text : result->view.trouble);
        wrong(r, false, reason, now_ms);
        return;
    }
    recovery_take_pools(r, &result->view);
    for (size_t i = 0; i < r->pool_count; i++) {
        if (r->pools[i].state != POOL_STATE_STOPPED)
            continue;
        text_format(reason, sizeof(reason), "pool %.100s was stopped though autoStart is on",
                    r->pools[i].name);
        wrong(r, true, reason, now_ms);
        return;
    }
    probe_first(r, now_ms);
}

/* The last pool was asked, and no site answered. */
static void none_answers(struct recovery *r, uint64_t now_ms)
{
    char reason[WIRE_TEXT_MAX / 4];
    if (!r->any_probe) {
        nothing_wrong(r, ", there is no site to probe", now_ms);
        return;
    }
    if (now_ms - r->probe_ms < r->limits.silent_ms) {
        r->pool_at = 0;
        r->retry_at_ms = now_ms + PROBE_GAP_MS;
        return;
    }
    text_format(reason, sizeof(reason), "the services ran but no site answered: %.150s",
                r->last_probe);
    wrong(r, false, reason, now_ms);
}

void recovery_judge_probed(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    bool passed = result->code == ERR_NONE && result->probe.passed;
    if (passed) {
        nothing_wrong(r, ", a site answers", now_ms);
        return;
    }
    r->any_probe = r->any_probe || result->code != ERR_NOT_FOUND;
    if (result->code != ERR_NOT_FOUND)
        text_format(r->last_probe, sizeof(r->last_probe), "%.200s",
                    result->code == ERR_NONE ? result->probe.detail : result->text);
    r->pool_at++;
    if (!recovery_probe_pool(r))
        none_answers(r, now_ms);
    if (r->step == RECOVERY_JUDGE_PROBE)
        recovery_probe_pool(r); /* stand on the next that is started */
}

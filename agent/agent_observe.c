/* agent_observe.c - see agent_internal.h: fresh answers to OBSERVE, of a pool or of the server. */
#include "agent/agent_internal.h"

#include "agent/setting.h"
#include "common/must.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct answer *agent_new_observation(const struct command *command)
{
    struct answer *answer = must_alloc(1, sizeof(*answer));
    answer->kind = AGENT_OBSERVATION;
    text_copy(answer->pool, sizeof(answer->pool), command->pool);
    answer->observation.id = command->id;
    answer->observation.nonce = command->nonce;
    answer->observation.pool.name = answer->pool;
    answer->observation.pool.queued = -1;
    answer->observation.detail = answer->detail;
    answer->observation.would_text = answer->would;
    answer->observation.settings = answer->settings;
    answer->observation.requests = answer->requests;
    answer->observation.offline = answer->offline;
    answer->observation.dump = answer->dump;
    answer->observation.piece = "";
    return answer;
}

void agent_end_observation(struct agent *a, struct answer *answer, enum cause cause,
                           const char *detail, uint64_t now_ms)
{
    answer->observation.cause = cause;
    clean_text(answer->detail, sizeof(answer->detail), detail);
    answer->until_ms = now_ms + ANSWER_MS;
    agent_add_answer(a, answer);
}

void agent_refuse_observe(struct agent *a, const struct command *command, enum cause cause,
                          const char *detail, uint64_t now_ms)
{
    agent_end_observation(a, agent_new_observation(command), cause, detail, now_ms);
}

void agent_observe(struct agent *a, const struct arriving *arriving, uint64_t now_ms)
{
    const struct command *command = &arriving->command;
    if (a->observe_count == OBSERVES_MAX) {
        agent_refuse_observe(a, command, CAUSE_BUSY, "too many observations wait already", now_ms);
        return;
    }
    struct observe *observe = must_alloc(1, sizeof(*observe));
    observe->command = *command;
    text_copy(observe->pool, sizeof(observe->pool), command->pool);
    observe->command.pool = observe->pool;
    text_copy(observe->settings, sizeof(observe->settings), command->settings);
    observe->command.settings = observe->settings;
    text_copy(observe->piece_of, sizeof(observe->piece_of),
              command->piece_of ? command->piece_of : "");
    observe->command.piece_of = observe->piece_of;
    observe->command.actor = "";
    observe->command.reason = "";
    observe->answer = agent_new_observation(command);
    a->observes[a->observe_count++] = observe;
}

static bool is_up(const struct driver_view *view, const char *name, bool *listed)
{
    for (size_t i = 0; i < view->service_count; i++) {
        if (!text_equal_nocase(view->services[i].name, name))
            continue;
        *listed = true;
        return view->services[i].state == SVC_RUNNING;
    }
    return true;
}

/* By the services where they are known; else IIS itself says it, by the pool's state (IIS.md: it
 * is Unknown when WAS or W3SVC is down). */
static bool services_up(const struct driver_view *view, const struct pool *pool)
{
    bool listed = false;
    bool up = view->services_known && is_up(view, "WAS", &listed);
    up = up && is_up(view, "W3SVC", &listed);
    return pool->state != POOL_STATE_UNKNOWN && (up || !listed);
}

/* A pool without a name for all that should run. */
static struct pool whole_pool(const struct driver_view *view)
{
    struct pool whole = {.state = POOL_STATE_STARTED, .auto_start = true, .queued = -1};
    for (size_t i = 0; i < view->pool_count; i++) {
        const struct pool *pool = &view->pools[i];
        if (pool->auto_start && pool->state != POOL_STATE_STARTED &&
            whole.state == POOL_STATE_STARTED)
            whole.state = pool->state;
    }
    if (!view->pools_known)
        whole.state = POOL_STATE_UNKNOWN;
    return whole;
}

/* Its services, pools and workers; which pools may be probed is kept for then. */
static void take_server_view(struct observe *observe, const struct driver_view *view)
{
    struct answer *answer = observe->answer;
    struct observation *told = &answer->observation;
    bool listed = false;
    bool up = view->services_known && is_up(view, "WAS", &listed) && is_up(view, "W3SVC", &listed);
    told->pool = whole_pool(view);
    told->pool.name = "";
    told->services_up = up && listed;
    size_t count = view->worker_count < WIRE_WORKERS_MAX ? view->worker_count : WIRE_WORKERS_MAX;
    answer->workers.items = must_alloc(count, sizeof(*answer->workers.items));
    for (size_t i = 0; i < count; i++) {
        struct worker *row = &answer->workers.items[i];
        *row = view->workers[i];
        row->pool = "*"; /* whose they are is in the reports */
    }
    answer->workers.count = count;
    told->workers = answer->workers.items;
    told->worker_count = count;
    observe->probe_names = must_alloc(view->pool_count, sizeof(*observe->probe_names));
    for (size_t i = 0; i < view->pool_count; i++)
        if (view->pools[i].auto_start && view->pools[i].state == POOL_STATE_STARTED)
            observe->probe_names[observe->probe_count++] = must_copy(view->pools[i].name);
}

static void take_pool_view(struct answer *answer, const struct driver_view *view)
{
    struct observation *told = &answer->observation;
    clean_text(answer->pool, sizeof(answer->pool), view->pools[0].name);
    told->pool = view->pools[0];
    told->pool.name = answer->pool;
    told->services_up = services_up(view, &told->pool);
    answer->workers.items = must_alloc(view->worker_count, sizeof(*answer->workers.items));
    for (size_t i = 0; i < view->worker_count && answer->workers.count < WIRE_WORKERS_MAX; i++) {
        if (!text_equal_nocase(view->workers[i].pool, answer->pool))
            continue;
        answer->workers.items[answer->workers.count] = view->workers[i];
        answer->workers.items[answer->workers.count++].pool = answer->pool;
    }
    told->workers = answer->workers.items;
    told->worker_count = answer->workers.count;
    for (size_t i = 0; i < view->figure_count; i++) {
        const struct pool_figures *f = &view->figures[i];
        if (f->rejected >= 0 && text_equal_nocase(f->pool, answer->pool)) {
            told->rejected_known = true;
            told->rejected = (uint64_t)f->rejected;
        }
    }
}

/* ---- rehearsals: what a verb would come to ---- */

static void would(struct observe *observe, enum outcome outcome, enum cause cause, const char *text)
{
    struct observation *told = &observe->answer->observation;
    told->would = outcome;
    told->would_cause = cause;
    clean_text(observe->answer->would, sizeof(observe->answer->would), text);
}

/* This server's own say, as it would be asked now. */
static bool is_vetoed(struct agent *a, struct observe *observe, uint64_t now_ms)
{
    char why[WIRE_TEXT_MAX];
    if (veto_allows(a->veto, observe->command.rehearse, observe->command.pool, now_ms, why,
                    sizeof(why)))
        return false;
    would(observe, OUTCOME_REFUSED, CAUSE_DENIED_BY_AGENT, why);
    return true;
}

static void rehearse(struct agent *a, struct observe *observe, const struct call_result *look,
                     uint64_t now_ms)
{
    enum verb verb = observe->command.rehearse;
    enum cause cause = CAUSE_NONE;
    char text[WIRE_TEXT_MAX] = "";
    if (verb == VERB_NONE || is_vetoed(a, observe, now_ms))
        return;
    if (verb_is_of_services(verb)) {
        would(observe, OUTCOME_DONE, CAUSE_NONE,
              observe->answer->observation.services_up ? "WAS and W3SVC run"
                                                       : "WAS or W3SVC does not run");
        return;
    }
    if (verb != VERB_RECYCLE && verb != VERB_START && verb != VERB_STOP && verb != VERB_WORKER_KILL)
        return;
    struct command command = observe->command;
    command.verb = verb;
    command.actor = command.reason = "";
    struct record *record = record_new(&command);
    enum outcome outcome =
        recipe_rehearse(record, &a->settings.recipe, look, now_ms, &cause, text, sizeof(text));
    record_free(record);
    would(observe, outcome, cause, text);
}

/* The settings as they are, and what SET would change; the veto is told beside that. */
static void rehearse_set(struct agent *a, struct observe *observe, const struct call_result *read,
                         uint64_t now_ms)
{
    char to[SETTING_TEXT_MAX], from[SETTING_TEXT_MAX], missing[WIRE_NAME_MAX] = "";
    char said[WIRE_TEXT_MAX - 80], text[WIRE_TEXT_MAX];
    size_t count = 0;
    if (read->code != ERR_NONE) {
        would(observe, OUTCOME_REFUSED, recipe_cause(read->code), read->text);
        return;
    }
    clean_text(observe->answer->settings, sizeof(observe->answer->settings), read->settings);
    if (is_vetoed(a, observe, now_ms))
        return;
    if (!setting_differ(observe->command.settings, read->settings, to, from, &count, missing)) {
        text_format(text, sizeof(text), "there is no setting %s of this pool here", missing);
        would(observe, OUTCOME_REFUSED, CAUSE_UNSUPPORTED, text);
    } else if (count == 0) {
        would(observe, OUTCOME_NOTHING, CAUSE_ALREADY, "everything is set as asked already");
    } else {
        bool refuses = observe->shared_config && !observe->command.force;
        setting_say(to, from, said, sizeof(said));
        text_format(text, sizeof(text), "%s%s",
                    refuses ? "it takes --shared, since others read this configuration: "
                            : "would set ",
                    said);
        would(observe, refuses ? OUTCOME_REFUSED : OUTCOME_DONE,
              refuses ? CAUSE_SHARED_CONFIG : CAUSE_NONE, text);
    }
}

void agent_observe_free(struct observe *observe)
{
    for (size_t i = 0; i < observe->probe_count; i++)
        free(observe->probe_names[i]);
    free(observe->probe_names);
    free(observe);
}

static void observe_ends(struct agent *a, enum cause cause, const char *detail, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    a->observe_count--;
    memmove(a->observes, a->observes + 1, a->observe_count * sizeof(*a->observes));
    agent_end_observation(a, observe->answer, cause, detail, now_ms);
    agent_observe_free(observe);
}

/* A worker stands still for its dump: not more often than anything else that is disruptive. */
static bool dump_is_due(struct agent *a, struct answer *answer, uint64_t now_ms)
{
    char why[WIRE_TEXT_MAX], left[TEXT_DURATION_MAX];
    uint64_t again_ms = a->dumped_ms + a->settings.veto.cool_down_ms;
    if (a->dumped_ms == 0 || now_ms >= again_ms) {
        a->dumped_ms = now_ms ? now_ms : 1;
        return true;
    }
    text_format(why, sizeof(why),
                "it is too soon after the last one: wait %s (cool_down of the agent's "
                "[allow])",
                text_format_duration(left, again_ms - now_ms));
    clean_text(answer->dump, sizeof(answer->dump), why);
    return false;
}

/* Looked, probed, listed; the dump comes last, since its worker stands still meanwhile. */
static void observe_last(struct agent *a, const char *detail, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    if (observe->command.dump && observe->pool[0] && observe->command.worker_pid &&
        dump_is_due(a, observe->answer, now_ms)) {
        observe->dumping = true;
        clean_text(observe->answer->detail, sizeof(observe->answer->detail), detail);
        return;
    }
    observe_ends(a, CAUSE_NONE, detail, now_ms);
}

/* Its requests are listed after the probe, where they are asked for. */
static void observe_finish(struct agent *a, const char *detail, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    if (observe->command.requests && observe->pool[0]) {
        observe->listing = true;
        clean_text(observe->answer->detail, sizeof(observe->answer->detail), detail);
        return;
    }
    observe_last(a, detail, now_ms);
}

static void observe_dumped(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    struct answer *answer = a->observes[0]->answer;
    char detail[WIRE_TEXT_MAX];
    bool made = result->code == ERR_NONE;
    text_copy(detail, sizeof(detail), answer->detail);
    answer->observation.dump_bytes = made ? result->bytes : 0;
    clean_text(answer->dump, sizeof(answer->dump), made ? result->call.file : result->text);
    observe_ends(a, CAUSE_NONE, detail, now_ms);
}

static void observe_got_piece(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    struct answer *answer = a->observes[0]->answer;
    if (result->code != ERR_NONE) {
        observe_ends(a, recipe_cause(result->code), result->text, now_ms);
        return;
    }
    answer->piece = must_copy(result->piece);
    answer->observation.piece = answer->piece;
    answer->observation.dump_bytes = result->bytes;
    observe_ends(a, CAUSE_NONE, "", now_ms);
}

static void observe_listed(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    struct answer *answer = a->observes[0]->answer;
    struct observation *told = &answer->observation;
    char detail[WIRE_TEXT_MAX];
    text_copy(detail, sizeof(detail), answer->detail);
    told->requests_known = result->code == ERR_NONE;
    told->executing = told->requests_known ? result->requests.count : 0;
    told->oldest_ms = told->requests_known ? result->requests.oldest_ms : 0;
    clean_text(answer->requests, sizeof(answer->requests),
               told->requests_known ? result->requests.text : result->text);
    a->observes[0]->listing = false;
    observe_last(a, detail, now_ms);
}

static void observe_looked(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    const struct driver_view *view = &result->view;
    if (result->code == ERR_NONE && observe->pool[0] == '\0') {
        take_server_view(observe, view);
        observe->looked = true;
        rehearse(a, observe, result, now_ms);
        if (!observe->command.probe || observe->probe_count == 0)
            observe_finish(a, view->trouble ? view->trouble : "", now_ms);
        return;
    }
    if (result->code != ERR_NONE) {
        observe_ends(a, recipe_cause(result->code), result->text, now_ms);
        return;
    }
    if (!view->pools_known || view->pool_count == 0 || !view->workers_known) {
        observe_ends(a, CAUSE_DRIVER,
                     view->trouble && *view->trouble ? view->trouble : "the pool could not be read",
                     now_ms);
        return;
    }
    take_pool_view(observe->answer, view);
    observe->shared_config = view->config_shared;
    observe->looked = true;
    rehearse(a, observe, result, now_ms);
    if (observe->command.rehearse == VERB_SET)
        return; /* its settings are asked for next */
    if (!observe->command.probe)
        observe_finish(a, "", now_ms);
}

static void observe_probed(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    struct observation *told = &observe->answer->observation;
    bool more = observe->pool[0] == '\0' && ++observe->probe_at < observe->probe_count;
    bool fails = result->code != ERR_NONE || !result->probe.passed;
    if (more && fails) { /* another site may answer */
        told->probed = told->probed || result->code != ERR_NOT_FOUND;
        return;
    }
    if (result->code == ERR_NOT_FOUND && told->probed) {
        observe_finish(a, "no site answers", now_ms);
        return;
    }
    if (result->code == ERR_NOT_FOUND) {
        observe_finish(a, "the pool has nothing to probe", now_ms);
        return;
    }
    bool probed = result->code == ERR_NONE;
    told->probed = true;
    told->probe_passed = probed && result->probe.passed;
    told->probe_status = probed ? result->probe.status : 0;
    told->probe_ms = probed ? result->probe.elapsed_ms : 0;
    if (probed && !told->probe_passed && told->probe_status && observe->command.requests &&
        observe->pool[0]) {
        observe->asks_offline = true;
        clean_text(observe->answer->detail, sizeof(observe->answer->detail), result->probe.detail);
        return;
    }
    observe_finish(a, probed ? result->probe.detail : result->text, now_ms);
}

/* What cannot be known is not told: then it is a failed probe like any. */
static void observe_judged(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    char detail[WIRE_TEXT_MAX];
    text_copy(detail, sizeof(detail), observe->answer->detail);
    observe->asks_offline = false;
    if (result->code == ERR_NONE)
        clean_text(observe->answer->offline, sizeof(observe->answer->offline), result->text);
    observe_finish(a, detail, now_ms);
}

void agent_observe_on_result(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    must(a->observe_count > 0);
    if (result->call.kind == CALL_DUMP) {
        observe_dumped(a, result, now_ms);
    } else if (result->call.kind == CALL_PIECE) {
        observe_got_piece(a, result, now_ms);
    } else if (result->call.kind == CALL_REQUESTS) {
        observe_listed(a, result, now_ms);
    } else if (result->call.kind == CALL_OFFLINE) {
        observe_judged(a, result, now_ms);
    } else if (result->call.kind == CALL_SETTINGS) {
        a->observes[0]->settings_read = true;
        rehearse_set(a, a->observes[0], result, now_ms);
        observe_ends(a, CAUSE_NONE, "", now_ms);
    } else if (result->call.kind == CALL_PROBE)
        observe_probed(a, result, now_ms);
    else
        observe_looked(a, result, now_ms);
}

struct call agent_observe_call(const struct agent *a)
{
    const struct observe *observe = a->observes[0];
    bool whole = observe->pool[0] == '\0';
    struct call call = {.kind = observe->piece_of[0]    ? CALL_PIECE
                                : observe->dumping      ? CALL_DUMP
                                : observe->listing      ? CALL_REQUESTS
                                : observe->asks_offline ? CALL_OFFLINE
                                : observe->looked       ? CALL_PROBE
                                : whole                 ? CALL_LOOK
                                                        : CALL_LOOK_POOL};
    if (observe->looked && !observe->dumping && observe->command.rehearse == VERB_SET &&
        !observe->settings_read)
        call.kind = CALL_SETTINGS;
    const char *pool =
        whole && observe->looked ? observe->probe_names[observe->probe_at] : observe->pool;
    text_copy(call.pool, sizeof(call.pool), pool);
    if (call.kind == CALL_DUMP) {
        call.pid = observe->command.worker_pid;
        call.created = observe->command.worker_created;
        text_format(call.file, sizeof(call.file), "incident-%" PRIu64 "-%" PRIu32 ".dmp",
                    observe->command.run, call.pid);
    } else if (call.kind == CALL_PIECE) {
        text_copy(call.file, sizeof(call.file), observe->piece_of);
        call.offset = observe->command.piece_at;
    } else if (call.kind == CALL_PROBE) {
        call.timeout_ms = observe->command.limit_ms; /* 0: the driver's own */
    }
    return call;
}

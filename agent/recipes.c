/* recipes.c - see recipes.h: life, moves, ends, and what is wanted next. */
#include "agent/recipes.h"

#include "agent/recipe_internal.h"
#include "agent/recovery.h"
#include "agent/setting.h"
#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void recipe_limits_init(struct recipe_limits *limits)
{
    *limits = (struct recipe_limits){
        .margin_ms = 10000,
        .stop_ms = 120000,
        .transition_ms = 30000,
        .probe_retry_ms = 10000,
        .service_stop_ms = 100000,
        .dependent_ms = 30000,
        .killed_ms = 15000,
        .service_start_ms = 120000,
        .service_look_ms = 60000,
        .site_ms = 60000,
        .silent_ms = 10000,
        .pool_tries = 2,
    };
}

/* ---- moves ---- */

static bool move_is_allowed(enum recipe_step from, enum recipe_step to)
{
    static const unsigned allowed[] = {
        [RECIPE_STEP_LOOK] = 1u << RECIPE_STEP_BEGIN | 1u << RECIPE_STEP_WATCH |
                             1u << RECIPE_STEP_PROBE | 1u << RECIPE_STEP_AUTOSTART |
                             1u << RECIPE_STEP_ACT | 1u << RECIPE_STEP_END,
        [RECIPE_STEP_BEGIN] = 1u << RECIPE_STEP_AUTOSTART | 1u << RECIPE_STEP_ACT |
                              1u << RECIPE_STEP_PROBE | 1u << RECIPE_STEP_END,
        [RECIPE_STEP_AUTOSTART] =
            1u << RECIPE_STEP_ACT | 1u << RECIPE_STEP_WATCH | 1u << RECIPE_STEP_END,
        [RECIPE_STEP_ACT] =
            1u << RECIPE_STEP_RELOOK | 1u << RECIPE_STEP_WATCH | 1u << RECIPE_STEP_END,
        [RECIPE_STEP_RELOOK] = 1u << RECIPE_STEP_ACT | 1u << RECIPE_STEP_END,
        [RECIPE_STEP_WATCH] = 1u << RECIPE_STEP_PROBE | 1u << RECIPE_STEP_END,
        [RECIPE_STEP_PROBE] = 1u << RECIPE_STEP_CONFIRM | 1u << RECIPE_STEP_END,
        [RECIPE_STEP_CONFIRM] = 1u << RECIPE_STEP_WATCH | 1u << RECIPE_STEP_END,
        [RECIPE_STEP_END] = 0,
    };
    return (allowed[from] & 1u << to) != 0;
}

static const char *act_text(const struct recipe *r)
{
    switch (r->act) {
    case CALL_RECYCLE:
        return "recycling";
    case CALL_START:
        return "starting";
    case CALL_STOP:
        return "stopping";
    case CALL_WORKER_KILL:
        return "ending the worker";
    default: /* the other calls are no acts of a recipe */
        return "acting";
    }
}

static const char *step_text(const struct recipe *r)
{
    switch (r->step) {
    case RECIPE_STEP_LOOK:
        return "looking at the pool";
    case RECIPE_STEP_BEGIN:
        return "writing the journal";
    case RECIPE_STEP_AUTOSTART:
        return r->record->verb == VERB_START ? "setting autoStart to true"
                                             : "setting autoStart to false";
    case RECIPE_STEP_ACT:
        return act_text(r);
    case RECIPE_STEP_RELOOK:
        return "looking again";
    case RECIPE_STEP_WATCH:
        return "watching";
    case RECIPE_STEP_PROBE:
        return "probing";
    case RECIPE_STEP_CONFIRM:
        return "confirming";
    case RECIPE_STEP_END:
        return "done";
    }
    return "?";
}

void recipe_enter(struct recipe *r, enum recipe_step step, uint64_t now_ms)
{
    must(move_is_allowed(r->step, step));
    r->step = step;
    r->tries = 0;
    r->retry_at_ms = 0;
    text_copy(r->text, sizeof(r->text), step_text(r));
    if (step == RECIPE_STEP_WATCH)
        recipe_watch_enter(r, now_ms);
}

/* A resumed act is never called refused or failed: it was begun, and what became of it is told. */
static enum outcome outcome_of(const struct recipe *r, enum outcome outcome)
{
    if (!r->resumed)
        return outcome;
    return outcome == OUTCOME_DONE || outcome == OUTCOME_NOTHING ? OUTCOME_DONE
                                                                 : OUTCOME_INTERRUPTED;
}

static const char *prefix_of(const struct recipe *r)
{
    if (!r->resumed)
        return "";
    return r->record->outcome == OUTCOME_DONE ? "proved after the agent's restart: "
                                              : "the agent was restarted in the middle, and then: ";
}

void recipe_finish(struct recipe *r, uint64_t now_ms, enum outcome outcome, enum cause cause,
                   const char *fmt, ...)
{
    struct record *record = r->record;
    char raw[WIRE_TEXT_MAX];
    va_list args;
    record->outcome = outcome_of(r, outcome);
    record->cause = record->outcome == OUTCOME_DONE ? CAUSE_NONE : cause;
    size_t used = strlen(prefix_of(r));
    text_copy(raw, sizeof(raw), prefix_of(r));
    va_start(args, fmt);
    vsnprintf(raw + used, sizeof(raw) - used, fmt, args);
    va_end(args);
    clean_text(record->detail, sizeof(record->detail), raw);
    record->elapsed_ms = now_ms - r->since_ms;
    recipe_enter(r, RECIPE_STEP_END, now_ms);
}

enum cause recipe_cause(enum error_code code)
{
    switch (code) {
    case ERR_NOT_FOUND:
        return CAUSE_UNKNOWN_POOL;
    case ERR_DENIED:
        return CAUSE_NOT_ELEVATED;
    case ERR_UNAVAILABLE:
        return CAUSE_SERVICE_DOWN;
    case ERR_TIMEOUT:
    case ERR_BUSY:
        return CAUSE_TIMEOUT;
    default: /* the sentence says more than a word could */
        return CAUSE_DRIVER;
    }
}

void recipe_note(struct recipe *r, const struct call_result *result)
{
    clean_text(r->trouble, sizeof(r->trouble), result->text);
}

/* ---- the way in ---- */

static struct recipe *recipe_at_look(struct record *record, const struct recipe_limits *limits,
                                     uint64_t now_ms)
{
    struct recipe *r = must_alloc(1, sizeof(*r));
    if (verb_is_of_services(record->verb)) {
        r->recovery = recovery_new(record, limits, now_ms);
        return r;
    }
    if (record->verb == VERB_SET) {
        r->setting = record->state == RECORD_BEGUN ? setting_resume(record, limits, now_ms)
                                                   : setting_new(record, limits, now_ms);
        return r;
    }
    must(record->verb == VERB_RECYCLE || record->verb == VERB_START || record->verb == VERB_STOP ||
         record->verb == VERB_WORKER_KILL);
    r->record = record;
    r->limits = *limits;
    r->since_ms = now_ms;
    r->step = RECIPE_STEP_LOOK;
    r->probe_wanted = record->probe && record->verb != VERB_STOP;
    text_copy(r->text, sizeof(r->text), step_text(r));
    return r;
}

struct recipe *recipe_new(struct record *record, const struct recipe_limits *limits,
                          uint64_t now_ms)
{
    must(record->state == RECORD_RECEIVED);
    return recipe_at_look(record, limits, now_ms);
}

struct recipe *recipe_resume(struct record *record, const struct recipe_limits *limits,
                             uint64_t now_ms)
{
    must(record->state == RECORD_BEGUN);
    struct recipe *r = recipe_at_look(record, limits, now_ms);
    r->resumed = true;
    return r;
}

void recipe_free(struct recipe *r)
{
    if (r) {
        recovery_free(r->recovery);
        setting_free(r->setting);
    }
    free(r);
}

/* ---- what next ---- */

static struct recipe_next call_of(const struct recipe *r, enum call_kind kind, uint64_t now_ms)
{
    struct recipe_next next = {.want = RECIPE_CALL, .call = {.kind = kind}};
    text_copy(next.call.pool, sizeof(next.call.pool), r->record->pool);
    next.call.pid = r->record->worker_pid;
    next.call.created = r->record->worker_created;
    next.call.on = kind == CALL_SET_AUTOSTART && r->record->verb == VERB_START;
    if (r->record->limit_ms && r->deadline_ms)
        next.call.timeout_ms = r->deadline_ms > now_ms + 1000 ? r->deadline_ms - now_ms : 1000;
    return next;
}

static enum call_kind call_kind_of(const struct recipe *r)
{
    switch (r->step) {
    case RECIPE_STEP_LOOK:
    case RECIPE_STEP_RELOOK:
        return CALL_LOOK_POOL;
    case RECIPE_STEP_AUTOSTART:
        return CALL_SET_AUTOSTART;
    case RECIPE_STEP_ACT:
        return r->act;
    case RECIPE_STEP_PROBE:
        return CALL_PROBE;
    case RECIPE_STEP_CONFIRM:
        return CALL_BEAT;
    case RECIPE_STEP_BEGIN:
    case RECIPE_STEP_WATCH:
    case RECIPE_STEP_END:
        break;
    }
    return CALL_NONE;
}

struct recipe_next recipe_next(struct recipe *r, uint64_t now_ms)
{
    if (r->recovery)
        return recovery_next(r->recovery, now_ms);
    if (r->setting)
        return setting_next(r->setting, now_ms);
    if (r->step == RECIPE_STEP_END)
        return (struct recipe_next){.want = RECIPE_END};
    if (r->step == RECIPE_STEP_BEGIN)
        return (struct recipe_next){.want = RECIPE_BEGIN};
    if (now_ms < r->retry_at_ms)
        return (struct recipe_next){.want = RECIPE_WAIT, .until_ms = r->retry_at_ms};
    enum call_kind kind = call_kind_of(r);
    if (r->step == RECIPE_STEP_WATCH) {
        struct recipe_next next = recipe_watch_next(r, now_ms);
        if (next.want == RECIPE_WAIT)
            return next;
        kind = next.call.kind;
    }
    return call_of(r, kind, now_ms);
}

void recipe_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    if (r->recovery) {
        recovery_on_result(r->recovery, result, now_ms);
        return;
    }
    if (r->setting) {
        setting_on_result(r->setting, result, now_ms);
        return;
    }
    switch (r->step) {
    case RECIPE_STEP_LOOK:
        recipe_look_on_result(r, result, now_ms);
        return;
    case RECIPE_STEP_AUTOSTART:
        recipe_autostart_on_result(r, result, now_ms);
        return;
    case RECIPE_STEP_ACT:
        recipe_act_on_result(r, result, now_ms);
        return;
    case RECIPE_STEP_RELOOK:
        recipe_relook_on_result(r, result, now_ms);
        return;
    case RECIPE_STEP_WATCH:
        recipe_watch_on_result(r, result, now_ms);
        return;
    case RECIPE_STEP_PROBE:
        recipe_probe_on_result(r, result, now_ms);
        return;
    case RECIPE_STEP_CONFIRM:
        recipe_confirm_on_result(r, result, now_ms);
        return;
    case RECIPE_STEP_BEGIN:
    case RECIPE_STEP_END:
        break;
    }
    must(!"a result for a recipe that asked for none");
}

void recipe_on_begun(struct recipe *r, uint64_t now_ms)
{
    if (r->recovery) {
        recovery_on_begun(r->recovery, now_ms);
        return;
    }
    if (r->setting) {
        setting_on_begun(r->setting, now_ms);
        return;
    }
    must(r->step == RECIPE_STEP_BEGIN);
    r->record->state = RECORD_BEGUN;
    recipe_set_deadline(r, now_ms);
    if (r->set_autostart)
        recipe_enter(r, RECIPE_STEP_AUTOSTART, now_ms);
    else
        recipe_enter(r, r->act == CALL_NONE ? RECIPE_STEP_PROBE : RECIPE_STEP_ACT, now_ms);
}

void recipe_refuse(struct recipe *r, enum cause cause, const char *detail, uint64_t now_ms)
{
    if (r->recovery) {
        recovery_refuse(r->recovery, cause, detail, now_ms);
        return;
    }
    if (r->setting) {
        setting_refuse(r->setting, cause, detail, now_ms);
        return;
    }
    must(r->step == RECIPE_STEP_BEGIN);
    recipe_finish(r, now_ms, OUTCOME_REFUSED, cause, "%s", detail);
}

const char *recipe_text(const struct recipe *r)
{
    if (r->setting)
        return setting_text(r->setting);
    return r->recovery ? recovery_text(r->recovery) : r->text;
}

uint64_t recipe_since_ms(const struct recipe *r)
{
    if (r->setting)
        return setting_since_ms(r->setting);
    return r->recovery ? recovery_since_ms(r->recovery) : r->since_ms;
}

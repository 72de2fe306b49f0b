/* desk_run.c - requests that change something: their bodies, field by field. See desk.h. */
#include "coordinator/desk_internal.h"

#include "common/text.h"
#include "coordinator/share.h"
#include "coordinator/words.h"

#include <inttypes.h>
#include <string.h>

#define DAY_MS         (24ULL * 60 * 60 * 1000)
#define DECLARE_MAX_MS (366 * DAY_MS)
#define SERVERS_MAX    100000

/* ---- bodies ----
 * A table says which fields an object may have and of which kind; what is not in it is an error
 * that names the field. */

enum field_kind {
    FIELD_TEXT,
    FIELD_BOOL,
    FIELD_U32,
    FIELD_U64,
    FIELD_WORD,
    FIELD_OBJECT,
    FIELD_SHARE
};

struct field {
    const char *name;
    enum field_kind kind;
    void *out; /* const char **, bool *, uint32_t *, uint64_t *, the enum *, json_t **, share * */
    uint64_t min, max;
    bool (*parse)(const char *word, void *out); /* WORD */
    const char *expected;                       /* WORD: "stop, pause or continue" */
};

#define NUMBER(field, of, to, from, until)                                                         \
    {                                                                                              \
        .name = (field), .kind = (of), .out = (to), .min = (from), .max = (until)                  \
    }
#define U32(field, to, from, until) NUMBER(field, FIELD_U32, to, from, until)
#define U64(field, to, from, until) NUMBER(field, FIELD_U64, to, from, until)
#define TEXT(field, to)                                                                            \
    {                                                                                              \
        .name = (field), .kind = FIELD_TEXT, .out = (to)                                           \
    }
#define BOOL(field, to)                                                                            \
    {                                                                                              \
        .name = (field), .kind = FIELD_BOOL, .out = (to)                                           \
    }
#define SHARE(field, to, from)                                                                     \
    {                                                                                              \
        .name = (field), .kind = FIELD_SHARE, .out = (to), .min = (from), .max = SHARE_NUMBER_MAX  \
    }
#define OBJECT(field, to)                                                                          \
    {                                                                                              \
        .name = (field), .kind = FIELD_OBJECT, .out = (to)                                         \
    }
#define WORD(field, to, by, words)                                                                 \
    {                                                                                              \
        .name = (field), .kind = FIELD_WORD, .out = (to), .parse = (by), .expected = (words)       \
    }

static enum error_code wrong(const char *where, const struct field *f, struct error *err)
{
    const char *what = f->expected;
    char range[96];
    if (f->kind == FIELD_U32 || f->kind == FIELD_U64) {
        text_format(range, sizeof(range), "a number from %" PRIu64 " to %" PRIu64, f->min, f->max);
        what = range;
    } else if (f->kind == FIELD_SHARE) {
        text_format(range, sizeof(range),
                    "a number from %" PRIu64 " to %" PRIu64 ", or a text such as \"20%%\"", f->min,
                    f->max);
        what = range;
    } else if (!what) {
        what = f->kind == FIELD_BOOL ? "true or false"
                                     : (f->kind == FIELD_TEXT ? "a text" : "an object");
    }
    return error_set(err, ERR_INVALID, "%s%s: expected %s", where, f->name, what);
}

static bool take_number(const struct field *f, const json_t *value, uint64_t *out)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < f->min ||
        (uint64_t)number > f->max)
        return false;
    *out = (uint64_t)number;
    return true;
}

/* A text with a NUL inside would be cut where C ends it. */
static bool take_text(const json_t *value, const char **out)
{
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return false;
    *out = json_string_value(value);
    return true;
}

/* 5 or "20%". */
static bool take_share(const struct field *f, const json_t *value)
{
    struct share share = {0};
    uint64_t number;
    const char *word;
    if (take_number(f, value, &number))
        share.number = (uint32_t)number;
    else if (!take_text(value, &word) || !share_parse(word, &share) || !share.percent ||
             share.number < f->min)
        return false;
    *(struct share *)f->out = share;
    return true;
}

static bool take_field(const struct field *f, json_t *value)
{
    const char *word;
    uint64_t number;
    switch (f->kind) {
    case FIELD_TEXT:
        return take_text(value, f->out);
    case FIELD_BOOL:
        *(bool *)f->out = json_is_true(value);
        return json_is_boolean(value);
    case FIELD_U32:
        if (!take_number(f, value, &number))
            return false;
        *(uint32_t *)f->out = (uint32_t)number;
        return true;
    case FIELD_U64:
        return take_number(f, value, f->out);
    case FIELD_WORD:
        return take_text(value, &word) && f->parse(word, f->out);
    case FIELD_OBJECT:
        *(json_t **)f->out = value;
        return json_is_object(value);
    case FIELD_SHARE:
        return take_share(f, value);
    }
    return false;
}

static enum error_code take_object(json_t *object, const char *where, const struct field *fields,
                                   size_t count, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (i < count && !text_equal(fields[i].name, key))
            i++;
        if (i == count)
            return error_set(err, ERR_INVALID, "%s%.60s: there is no such field: see API.md", where,
                             key);
        if (!take_field(&fields[i], value))
            return wrong(where, &fields[i], err);
    }
    return ERR_NONE;
}

/* The body's values are lent from *out_body, which the caller drops. */
static enum error_code take_body(struct asking *a, const struct field *fields, size_t count,
                                 json_t **out_body, struct error *err)
{
    json_error_t at;
    const struct api_request *r = a->request;
    const char *text = r->body_len > 0 ? r->body : "{}";
    json_t *body = json_loads(text, JSON_REJECT_DUPLICATES, &at);
    *out_body = body;
    if (!body)
        return error_set(err, ERR_INVALID, "the body is not JSON: line %d, column %d: %.100s",
                         at.line, at.column, at.text);
    if (!json_is_object(body))
        return error_set(err, ERR_INVALID, "the body is not a JSON object");
    return take_object(body, "", fields, count, err);
}

#define COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

/* ---- starting a run ---- */

static bool parse_action(const char *word, void *out)
{
    return rollout_action_parse(word, out);
}

static bool parse_on_failure(const char *word, void *out)
{
    return on_failure_parse(word, out);
}

static bool parse_unreachable(const char *word, void *out)
{
    return on_unreachable_parse(word, out);
}

static bool parse_on_drain_limit(const char *word, void *out)
{
    return on_drain_limit_parse(word, out);
}

static enum error_code take_options(json_t *object, struct plan_request *q, struct error *err)
{
    struct rollout_options *o = &q->options;
    struct share batch = {.number = o->batch};
    const struct field fields[] = {
        SHARE("batch", &batch, 1),
        TEXT("waves", &q->waves),
        U32("canary", &o->canary, 0, SERVERS_MAX),
        BOOL("pause_after_canary", &o->pause_after_canary),
        U64("bake_ms", &o->bake_ms, 0, 30 * DAY_MS),
        TEXT("order", &q->order),
        TEXT("approve_by", &q->approve_by),
        U64("approve_within_ms", &q->approve_within_ms, 60000, 30 * DAY_MS),
        U32("max_unavailable", &o->max_unavailable, 0, SERVERS_MAX),
        U64("soak_ms", &o->soak_ms, 0, DAY_MS),
        U64("limit_ms", &o->limit_ms, 1000, DAY_MS),
        BOOL("drain", &o->drain),
        U64("drain_limit_ms", &o->drain_limit_ms, 0, DAY_MS),
        WORD("on_drain_limit", &o->on_drain_limit, parse_on_drain_limit, "fail or proceed"),
        U32("gate_passes", &o->gate_passes, 1, 1000),
        U64("gate_min_ms", &o->gate_min_ms, 0, DAY_MS),
        U64("gate_deadline_ms", &o->gate_deadline_ms, 1000, DAY_MS),
        U64("gate_interval_ms", &o->gate_interval_ms, 100, DAY_MS),
        WORD("on_failure", &o->on_failure, parse_on_failure, "stop, pause or continue"),
        U32("max_failures", &o->max_failures, 0, SERVERS_MAX),
        WORD("unreachable", &o->unreachable, parse_unreachable, "fail, skip or wait"),
        U32("expect", &q->expect, 1, SERVERS_MAX),
        BOOL("start_idle", &o->start_idle),
        BOOL("keep_autostart", &o->keep_autostart),
    };
    enum error_code code = take_object(object, "options.", fields, COUNT(fields), err);
    if (batch.percent)
        o->batch_percent = batch.number;
    else
        o->batch = batch.number;
    return code;
}

static enum error_code check_given(const struct plan_request *q, bool action_given,
                                   struct error *err)
{
    if (!action_given)
        return error_set(err, ERR_INVALID, "action is missing: recycle, start, stop or undrain");
    if (!q->pool[0])
        return error_set(err, ERR_INVALID, "pool is missing: the name of the pool");
    if (!q->selector[0])
        return error_set(err, ERR_INVALID, "on is missing: which servers, such as all or farm=web");
    return ERR_NONE;
}

/* Strings of *q are lent from *out_body. */
static enum error_code take_run(struct asking *a, struct plan_request *q, bool *dry_run,
                                json_t **out_body, struct error *err)
{
    enum rollout_action action = (enum rollout_action)ROLLOUT_ACTION_COUNT; /* none */
    json_t *options = NULL;
    *q = (struct plan_request){.pool = "",
                               .selector = "",
                               .reason = "",
                               .own_server = coordinator_own_server(a->desk->brain),
                               .actor = a->request->actor,
                               .options = *coordinator_defaults(a->desk->brain)};
    const struct field fields[] = {
        WORD("action", &action, parse_action, "recycle, start, stop or undrain"),
        TEXT("pool", &q->pool),
        TEXT("on", &q->selector),
        TEXT("reason", &q->reason),
        TEXT("targets", &q->targets),
        BOOL("dry_run", dry_run),
        OBJECT("options", &options),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), out_body, err);
    if (!code)
        code = check_given(q, action != (enum rollout_action)ROLLOUT_ACTION_COUNT, err);
    if (!code && options)
        code = take_options(options, q, err);
    q->action = action;
    return code;
}

static void show_plan(struct asking *a, const struct plan_request *q)
{
    struct error err;
    struct rollout *plan = NULL;
    if (plan_make(q, coordinator_fleet(a->desk->brain), a->view.wall_ms, &plan, &err)) {
        desk_refuse(a, &err);
        return;
    }
    desk_answer(a, 200, json_pack("{s:o}", "plan", view_plan(&a->view, plan)));
    rollout_free(plan);
}

static void begin_run(struct asking *a, const struct plan_request *q)
{
    struct error err;
    uint64_t id = 0;
    if (coordinator_start_run(a->desk->brain, q, a->view.now_ms, a->view.wall_ms, &id, &err))
        desk_refuse(a, &err);
    else
        desk_answer_run(a, 201, id, true);
}

void desk_start_run(struct asking *a)
{
    struct error err;
    struct plan_request q;
    bool dry_run = false;
    json_t *body = NULL;
    if (take_run(a, &q, &dry_run, &body, &err))
        desk_refuse(a, &err);
    else if (dry_run)
        show_plan(a, &q);
    else
        begin_run(a, &q);
    json_decref(body);
}

/* ---- a run that is there ---- */

static void request_run(struct asking *a, enum rollout_request what)
{
    struct error err;
    const char *reason = "";
    json_t *body = NULL;
    const struct field fields[] = {TEXT("reason", &reason)};
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code)
        code = coordinator_request(a->desk->brain, a->id, what, a->request->actor, reason,
                                   a->view.now_ms, a->view.wall_ms, &err);
    if (code)
        desk_refuse(a, &err);
    else
        desk_answer_run(a, 200, a->id, false);
    json_decref(body);
}

void desk_pause(struct asking *a)
{
    request_run(a, REQUEST_PAUSE);
}

void desk_resume(struct asking *a)
{
    request_run(a, REQUEST_RESUME);
}

void desk_approve(struct asking *a)
{
    struct error err;
    const char *reason = "";
    json_t *body = NULL;
    const struct field fields[] = {TEXT("reason", &reason)};
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code)
        code = coordinator_approve(a->desk->brain, a->id, a->request->actor, reason, a->view.now_ms,
                                   a->view.wall_ms, &err);
    if (code)
        desk_refuse(a, &err);
    else
        desk_answer_run(a, 200, a->id, false);
    json_decref(body);
}

void desk_abort(struct asking *a)
{
    request_run(a, REQUEST_ABORT);
}

static bool parse_settled(const char *word, void *out)
{
    enum outcome *as = out;
    if (text_equal(word, "done"))
        *as = OUTCOME_DONE;
    else if (text_equal(word, "failed"))
        *as = OUTCOME_FAILED;
    else if (text_equal(word, "not-executed"))
        *as = OUTCOME_UNHEARD;
    else
        return false;
    return true;
}

void desk_resolve(struct asking *a)
{
    struct error err;
    const char *reason = "", *server = "";
    enum outcome as = OUTCOME_NONE;
    json_t *body = NULL;
    const struct field fields[] = {
        TEXT("reason", &reason),
        TEXT("server", &server),
        WORD("as", &as, parse_settled, "done, failed or not-executed"),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code && (as == OUTCOME_NONE || !server[0]))
        code = error_set(&err, ERR_INVALID,
                         "server and as are required: which target, and whether "
                         "it was done, failed or not-executed");
    if (!code)
        code = coordinator_resolve(a->desk->brain, a->id, server, as, a->request->actor, reason,
                                   a->view.now_ms, a->view.wall_ms, &err);
    if (code)
        desk_refuse(a, &err);
    else
        desk_answer_run(a, 200, a->id, false);
    json_decref(body);
}

/* ---- servers ---- */

static void answer_server(struct asking *a, enum error_code code, const struct error *err)
{
    const struct fleet_server *s = code ? NULL : desk_server(a);
    if (code)
        desk_refuse(a, err);
    else if (s)
        desk_answer(a, 200, view_server(&a->view, s, true));
}

void desk_declare_out(struct asking *a)
{
    struct error err = {0};
    const char *reason = "";
    uint64_t for_ms = 0;
    json_t *body = NULL;
    if (!desk_server(a))
        return;
    const struct field fields[] = {
        TEXT("reason", &reason),
        U64("for_ms", &for_ms, 1000, DECLARE_MAX_MS),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code && for_ms == 0)
        code = error_set(&err, ERR_INVALID, "for_ms is missing: how long it is declared out");
    if (!code)
        code = coordinator_declare_out(a->desk->brain, a->name, for_ms, a->request->actor, reason,
                                       a->view.now_ms, a->view.wall_ms, &err);
    answer_server(a, code, &err);
    json_decref(body);
}

void desk_release(struct asking *a)
{
    struct error err = {0};
    const char *reason = "";
    json_t *body = NULL;
    if (!desk_server(a))
        return;
    const struct field fields[] = {TEXT("reason", &reason)};
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code)
        code = coordinator_release(a->desk->brain, a->name, a->request->actor, reason,
                                   a->view.now_ms, a->view.wall_ms, &err);
    answer_server(a, code, &err);
    json_decref(body);
}

void desk_takeover(struct asking *a)
{
    struct error err = {0};
    const char *reason = "";
    json_t *body = NULL;
    const struct field fields[] = {TEXT("reason", &reason)};
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code)
        code = coordinator_takeover(a->desk->brain, a->request->actor, reason, a->view.now_ms,
                                    a->view.wall_ms, &err);
    if (code)
        desk_refuse(a, &err);
    else
        desk_answer(
            a, 200,
            json_pack("{s:I}", "fence", (json_int_t)coordinator_fence(a->desk->brain).number));
    json_decref(body);
}

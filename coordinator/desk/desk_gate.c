/* desk_gate.c - who comes from afar, and what they may do. See desk_internal.h and operators.h. */
#include "coordinator/desk/desk_body.h"

#include "common/log.h"
#include "common/text.h"
#include "coordinator/store/audit_words.h"
#include "proto/token.h"

#include <stdlib.h>
#include <string.h>

/* ---- who is it ---- */

bool gate_may_try(struct asking *a)
{
    uint64_t wait_ms = throttle_wait_ms(a->desk->throttle, a->request->network, a->view.now_ms);
    char left[TEXT_DURATION_MAX];
    if (wait_ms == 0)
        return true;
    struct text why = {0};
    text_addf(&why, "too many wrong tokens came from %s: wait %s", a->request->address,
              text_format_duration(left, wait_ms));
    desk_answer(a, 429, view_error("busy", text_get(&why)));
    text_reset(&why);
    return false;
}

static bool is_joining(const struct asking *a)
{
    return text_equal(a->request->path, "/v1/join") && text_equal(a->request->method, "POST");
}

/* For those who read it later: a secret that stands where a name belongs is not kept. */
static void say_path(const char *path, char *out, size_t size)
{
    struct text said = {0};
    while (*path) {
        size_t len = strcspn(path, "/");
        if (token_begins(path))
            text_add(&said, "(a token)");
        else
            text_add_bytes(&said, path, len);
        path += len;
        if (*path)
            text_add_bytes(&said, path++, 1);
    }
    text_format(out, size, "%s", text_get(&said));
    text_reset(&said);
}

/* A change that somebody known asked for, and may not: for the audit trail. Beyond what refusals.h
 * lets in the log alone has it, since each row is synced to the disk. */
static void note_refusal(struct asking *a, const struct operator_right *who, const char *why)
{
    struct desk *d = a->desk;
    uint64_t left_out;
    char path[WIRE_NAME_MAX], what[WIRE_NAME_MAX + 16], all[AUDIT_WORDS_MAX];
    say_path(a->request->path, path, sizeof(path));
    log_warn("operator_refused", LOG_TEXT("operator", who->name),
             LOG_TEXT("address", a->request->address), LOG_TEXT("path", path),
             LOG_TEXT("why", why));
    if (text_equal(a->request->method, "GET") ||
        !refusals_take(&d->refusals, who->id, a->view.now_ms, &left_out))
        return;
    text_format(what, sizeof(what), "%s %s", a->request->method, path);
    text_copy(all, sizeof(all), why);
    if (left_out > 0)
        text_format(all, sizeof(all), "%.400s (and %llu requests before it)", why,
                    (unsigned long long)left_out);
    coordinator_refused(d->brain, who->name, what, all, a->view.now_ms, a->view.wall_ms);
}

/* By the token, if there is one; else by the certificate. */
static bool know(struct asking *a)
{
    struct error err = {0};
    bool wrong = false;
    const struct api_request *r = a->request;
    const struct operator_right *who = NULL;
    enum error_code code =
        r->bearer[0] != '\0'
            ? operators_find(a->desk->operators, r->bearer, a->view.wall_ms, &who, &wrong, &err)
            : operators_find_certificate(a->desk->operators, r->certificate, r->certificate_len,
                                         a->view.wall_ms, &who, &wrong, &err);
    if (code == ERR_NONE) {
        throttle_right(a->desk->throttle, a->request->network);
        a->who = who;
        a->request->actor = who->name;
        return true;
    }
    if (wrong)
        throttle_wrong(a->desk->throttle, a->request->network, a->view.now_ms);
    if (who) /* it was revoked, or its time is over: somebody has it still */
        note_refusal(a, who, err.text);
    else
        log_warn("operator_refused", LOG_TEXT("address", a->request->address),
                 LOG_TEXT("why", err.text));
    desk_answer(a, 401, view_error("denied", err.text));
    return false;
}

/* Before anything is looked at that they asked for. Joining has tokens of its own. */
bool gate_enter(struct asking *a)
{
    if (!a->request->far || is_joining(a))
        return true;
    if (!gate_may_try(a))
        return false;
    if ((a->request->bearer[0] != '\0' || a->request->certificate) && a->desk->operators)
        return know(a);
    desk_answer(a, 401,
                view_error("denied",
                           "from afar a token is needed, or a certificate: `farmhand operator "
                           "create` on the coordinator makes one"));
    return false;
}

/* ---- may they ---- */

static bool is_theirs(const struct asking *a, const char *server)
{
    const struct fleet_server *s = fleet_find(coordinator_fleet(a->desk->brain), server);
    return s && selector_match(a->who->servers, s->name, s->labels, s->label_count);
}

/* The first target that is not theirs; NULL: all are. */
static const char *foreign_target(const struct asking *a, const struct rollout *run)
{
    for (size_t i = 0; i < run->target_count; i++)
        if (!is_theirs(a, run->targets[i].server))
            return run->targets[i].server;
    return NULL;
}

static bool refuse_scope(struct asking *a, const char *what)
{
    char why[AUDIT_WORDS_MAX];
    text_format(why, sizeof(why), "what %s may do is for the servers %.100s alone: %.150s is not",
                a->who->name, a->who->servers, what);
    note_refusal(a, a->who, why);
    desk_refuse_as(a, ERR_DENIED, "%s", why);
    return false;
}

static bool refuse_farm(struct asking *a)
{
    return refuse_scope(a, "what is asked, the farm as a whole,");
}

static bool is_bound(const struct asking *a)
{
    return a->who && !text_equal(a->who->servers, "all");
}

bool gate_run(struct asking *a, const struct rollout *run)
{
    const char *foreign = is_bound(a) ? foreign_target(a, run) : NULL;
    return !foreign || refuse_scope(a, foreign);
}

static bool incident_fits(struct asking *a)
{
    struct incident n;
    if (store_find_incident(a->desk->store, a->id, &n, NULL))
        return true; /* there is none, or no store: it will be refused with its own words */
    if (text_equal(n.server, INCIDENT_FARM))
        return refuse_farm(a);
    return is_theirs(a, n.server) || refuse_scope(a, n.server);
}

static bool scope_fits(struct asking *a, enum gate_scope scope)
{
    const struct rollout *run;
    switch (scope) {
    case GATE_ANY:
    case GATE_BODY:
        return true;
    case GATE_SERVER:
        return is_theirs(a, a->name) || refuse_scope(a, a->name);
    case GATE_RUN:
        run = coordinator_run_find(a->desk->brain, a->id);
        return !run || gate_run(a, run);
    case GATE_INCIDENT:
        return incident_fits(a);
    case GATE_FARM:
        break;
    }
    return refuse_farm(a);
}

bool gate_role(struct asking *a, enum role needed, enum gate_scope scope)
{
    if (!a->who)
        return true;
    /* A path that forgot to say so: what is not read changes something. */
    if (needed == ROLE_VIEWER && !text_equal(a->request->method, "GET"))
        needed = ROLE_OPERATOR;
    if (a->who->role < needed) {
        char why[AUDIT_WORDS_MAX];
        text_format(why, sizeof(why), "%s is %s: that takes %s", a->who->name,
                    role_name(a->who->role), role_name(needed));
        note_refusal(a, a->who, why);
        desk_refuse_as(a, ERR_DENIED, "%s", why);
        return false;
    }
    return !is_bound(a) || scope_fits(a, scope);
}

/* What cannot be planned is refused here: never let through, to be planned in another way later. */
bool gate_plan(struct asking *a, const struct plan_request *q)
{
    struct error err;
    struct rollout *plan = NULL;
    if (!is_bound(a))
        return true;
    if (plan_make(q, coordinator_fleet(a->desk->brain), a->view.wall_ms, &plan, &err)) {
        desk_refuse(a, &err);
        return false;
    }
    bool fits = gate_run(a, plan);
    rollout_free(plan);
    return fits;
}

/* ---- their tokens ---- */

static bool has_operators(struct asking *a)
{
    if (a->desk->operators)
        return true;
    desk_refuse_as(
        a, ERR_UNAVAILABLE,
        "this coordinator runs without TLS (without_tls in coordinator.conf): nobody comes "
        "from afar");
    return false;
}

static json_t *view_operator(const struct asking *a, const struct operator_right *o)
{
    const char *spent = operator_right_spent(o, a->view.wall_ms);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:o}", "id", o->id, "name",
                     o->name, "by", o->certificate ? "certificate" : "token", "role",
                     role_name(o->role), "servers", o->servers, "created_at",
                     view_time(o->created_ms), "expires_at", view_time(o->expires_ms), "revoked_at",
                     view_time(o->revoked_ms), "created_by", o->created_by, "spent",
                     spent ? json_string(spent) : json_null());
}

void desk_get_operators(struct asking *a)
{
    if (!desk_no_args(a) || !has_operators(a))
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < operators_count(a->desk->operators); i++)
        json_array_append_new(list, view_operator(a, operators_at(a->desk->operators, i)));
    desk_answer(a, 200, json_pack("{s:o}", "operators", list));
}

static bool parse_role(const char *word, void *out)
{
    return role_parse(word, out);
}

/* Told once: the token, or else the certificate, which is freed. */
static void tell_operator(struct asking *a, const struct operator_right *right,
                          char token[TOKEN_TEXT_MAX], char *pem)
{
    json_t *told = view_operator(a, right);
    json_object_set_new(told, pem ? "certificate" : "token", json_string(pem ? pem : token));
    json_object_set_new(told, "url", json_string(a->desk->join_url));
    json_object_set_new(told, "ca", json_string(a->desk->ca_pem));
    desk_answer(a, 201, told);
    text_wipe(token, TOKEN_TEXT_MAX);
    free(pem);
}

/* For a signing request a certificate. */
static enum error_code make_operator(struct asking *a, const struct operators_wish *w,
                                     const char *request, struct error *err)
{
    const struct operator_right *right = NULL;
    char token[TOKEN_TEXT_MAX] = "", *pem = NULL;
    struct operators *o = a->desk->operators;
    enum error_code code =
        request[0] ? operators_certify(o, w, request, a->view.wall_ms, &pem, &right, err)
                   : operators_create(o, w, a->view.wall_ms, token, &right, err);
    if (code)
        return code;
    tell_operator(a, right, token, pem);
    return ERR_NONE;
}

void desk_create_operator(struct asking *a)
{
    struct error err = {0};
    const char *request = "";
    json_t *body = NULL;
    struct operators_wish w = {
        .name = "", .servers = "all", .reason = "", .actor = a->request->actor};
    if (!has_operators(a))
        return;
    const struct field fields[] = {
        TEXT("name", &w.name),       WORD("role", &w.role, parse_role, "viewer, operator or admin"),
        TEXT("servers", &w.servers), U64("for_ms", &w.for_ms, 1000, 366ULL * DESK_DAY_MS),
        TEXT("reason", &w.reason),   TEXT("request", &request),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    code = code ? code : want_reason(w.reason, &err);
    code = code ? code : make_operator(a, &w, request, &err);
    if (code)
        desk_refuse(a, &err);
    json_decref(body);
}

/* What they came by goes on for a while, and their streams with it, no longer. */
static enum error_code renew(struct asking *a, const struct operators_renewal *r, struct error *err)
{
    const struct operator_right *right = NULL;
    char token[TOKEN_TEXT_MAX] = "", *pem = NULL;
    enum error_code code =
        operators_renew(a->desk->operators, r, a->view.wall_ms, token, &pem, &right, err);
    if (code)
        return code;
    api_follow_until(a->desk->api, r->id, a->view.now_ms + r->overlap_ms);
    tell_operator(a, right, token, pem);
    return ERR_NONE;
}

void desk_renew_operator(struct asking *a)
{
    struct error err = {0};
    json_t *body = NULL;
    struct operators_renewal r = {.id = a->name,
                                  .request = "",
                                  .overlap_ms = 7 * DESK_DAY_MS,
                                  .actor = a->request->actor,
                                  .reason = ""};
    if (!has_operators(a))
        return;
    const struct field fields[] = {
        U64("for_ms", &r.for_ms, 1000, 366ULL * DESK_DAY_MS),
        U64("overlap_ms", &r.overlap_ms, 1000, 30ULL * DESK_DAY_MS),
        TEXT("reason", &r.reason),
        TEXT("request", &r.request),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    code = code ? code : want_reason(r.reason, &err);
    code = code ? code : renew(a, &r, &err);
    if (code)
        desk_refuse(a, &err);
    json_decref(body);
}

void desk_revoke_operator(struct asking *a)
{
    struct error err = {0};
    const char *reason = "";
    json_t *body = NULL;
    if (!has_operators(a))
        return;
    const struct field fields[] = {TEXT("reason", &reason)};
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    code = code ? code : want_reason(reason, &err);
    code = code ? code
                : operators_revoke(a->desk->operators, a->name, a->request->actor, reason,
                                   a->view.wall_ms, &err);
    if (code) {
        desk_refuse(a, &err);
    } else {
        api_cut(a->desk->api, a->name); /* the next request is looked at anew; a stream is none */
        desk_answer(a, 200, json_pack("{s:s}", "revoked", a->name));
    }
    json_decref(body);
}

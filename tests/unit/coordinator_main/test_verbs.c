/* Every path that changes something, from the desk's own list: an admin does it, and the audit
 * trail says who, when, from where, what, why, what was before and is after, and what came of it; a
 * viewer, an admin of other servers, and somebody whose token was revoked are refused, and that
 * stands there too. A new path without a row here fails. The stores lie in memory. */
#include "tests/unit/coordinator/farm.h"

#include "common/log.h"
#include "common/must.h"
#include "coordinator/desk/desk.h"
#include "tests/unit/coordinator_store/files_memory.h"
#include "tests/unit/link/certs.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS 3600000
#define GIB     (UINT64_C(1024) * 1024 * 1024)
#define THERE   "192.0.2.7"
#define WHY     "because it is a test"

static struct ca *ca;
static char *request_pem;

struct counter {
    struct farm farm;
    struct remedy_rule rule;
    struct members *members;
    struct enrol *enrol;
    struct operators *operators;
    struct notices *notices;
    struct throttle throttle;
    struct desk desk;
    char viewer[TOKEN_TEXT_MAX], bound[TOKEN_TEXT_MAX], admin[TOKEN_TEXT_MAX];
    char revoked[TOKEN_TEXT_MAX], join[TOKEN_TEXT_MAX];
    char otto_id[MEMBER_ID_HEX], join_id[MEMBER_ID_HEX];
    char hold[HOLD_TOKEN_MAX];
    int status; /* of the last answer */
    char said[4096];
};

/* ---- the desk's HTTP server ---- */

static struct counter *answering;

const char *api_arg(const struct api_request *request, const char *name)
{
    (void)request, (void)name;
    return NULL;
}

const char *api_unknown_arg(const struct api_request *request, const char *const *known)
{
    (void)request, (void)known;
    return NULL;
}

void api_answer(struct api *api, struct api_request *request, int status, char *json)
{
    (void)api, (void)request;
    answering->status = status;
    text_copy(answering->said, sizeof(answering->said), json);
    free(json);
}

bool api_follow(struct api *api, struct api_request *request, uint64_t since, uint64_t run,
                const char *server)
{
    (void)api, (void)request, (void)since, (void)run, (void)server;
    return false;
}

void api_follow_as(struct api *api, struct api_request *request, const char *who, uint64_t until_ms)
{
    (void)api, (void)request, (void)who, (void)until_ms;
}

void api_follow_until(struct api *api, const char *who, uint64_t until_ms)
{
    (void)api, (void)who, (void)until_ms;
}

void api_cut(struct api *api, const char *who)
{
    (void)api, (void)who;
}

void api_feed(struct api *api, struct api_request *request, uint64_t seq, const char *json)
{
    (void)api, (void)request, (void)seq, (void)json;
}

void api_fed(struct api *api, struct api_request *request, bool caught_up)
{
    (void)api, (void)request, (void)caught_up;
}

bool api_is_followed(struct api *api, uint64_t run, const char *server)
{
    (void)api, (void)run, (void)server;
    return true;
}

void api_publish(struct api *api, uint64_t seq, uint64_t run, const char *server, const char *json)
{
    (void)api, (void)seq, (void)run, (void)server, (void)json;
}

/* ---- a desk and its farm ---- */

static void on_event(void *ctx, const struct event *event)
{
    (void)ctx, (void)event;
}

static void on_joined(void *ctx, const struct member *m)
{
    (void)ctx, (void)m;
}

static void on_cut(void *ctx, const char *name)
{
    (void)ctx, (void)name;
}

static void on_notice(void *arg, size_t target, const struct notifier_result *result)
{
    (void)arg, (void)target, (void)result;
}

static void check(enum error_code code, const struct error *err)
{
    if (code)
        fail_msg("%s", err->text);
}

/* A rule that proposes, and makes a dump. */
static void begin_farm(struct counter *k)
{
    k->rule = farm_rule("leak", "memory > 2G", "recycle 60s, call");
    k->rule.mode = REMEDY_PROPOSE;
    k->rule.dump = true;
    farm_begin(&k->farm, 3);
    farm_crash(&k->farm);
    farm_set_rules(&k->farm, &k->rule, 1);
    farm_start(&k->farm);
    farm_run(&k->farm, 1500);
}

static void open_enrol(struct counter *k)
{
    struct error err = {0};
    const struct join_right *right = NULL;
    k->members = members_new();
    const struct enrol_spec spec = {.store = k->farm.store,
                                    .ca = ca,
                                    .members = k->members,
                                    .life_ms = HOUR_MS,
                                    .event = on_event,
                                    .joined = on_joined,
                                    .cut = on_cut};
    check(enrol_open(&spec, &k->enrol, &err), &err);
    const struct enrol_wish wish = {.names = "web*",
                                    .labels = "",
                                    .uses = 9,
                                    .for_ms = HOUR_MS,
                                    .actor = "anna",
                                    .reason = "new servers"};
    check(enrol_create(k->enrol, &wish, WALL(&k->farm), k->join, &right, &err), &err);
    text_copy(k->join_id, sizeof(k->join_id), right->id);
}

static const struct operator_right *let_in(struct counter *k, const char *name, enum role role,
                                           const char *servers, char token[TOKEN_TEXT_MAX])
{
    struct error err = {0};
    const struct operator_right *right = NULL;
    const struct operators_wish wish = {
        .name = name, .role = role, .servers = servers, .actor = "anna", .reason = "new here"};
    check(operators_create(k->operators, &wish, WALL(&k->farm), token, &right, &err), &err);
    return right;
}

static void open_operators(struct counter *k)
{
    struct error err = {0};
    char token[TOKEN_TEXT_MAX], id[MEMBER_ID_HEX];
    const struct operators_spec spec = {.store = k->farm.store, .event = on_event};
    check(operators_open(&spec, &k->operators, &err), &err);
    let_in(k, "vera", ROLE_VIEWER, "all", k->viewer);
    let_in(k, "bert", ROLE_ADMIN, "web03", k->bound);
    let_in(k, "adam", ROLE_ADMIN, "all", k->admin);
    text_copy(k->otto_id, sizeof(k->otto_id), let_in(k, "otto", ROLE_OPERATOR, "all", token)->id);
    text_copy(id, sizeof(id), let_in(k, "rita", ROLE_ADMIN, "all", k->revoked)->id);
    check(operators_revoke(k->operators, id, "anna", "left", WALL(&k->farm), &err), &err);
}

static void open_notices(struct counter *k)
{
    static const char *const argv[] = {"/bin/true", NULL};
    static const struct notices_target target = {
        .notifier = {.name = "ops", .argv = argv, .timeout_ms = 1000},
        .kinds = 1u << NOTICE_RUN_STARTED,
        .keep_ms = HOUR_MS};
    struct error err = {0};
    const struct notices_spec spec = {.targets = &target,
                                      .count = 1,
                                      .store = k->farm.store,
                                      .brain = k->farm.brain,
                                      .coordinator = "centre",
                                      .done = on_notice,
                                      .now_ms = k->farm.now_ms,
                                      .wall_ms = WALL(&k->farm)};
    check(notices_open(&spec, &k->notices, &err), &err);
}

static void open_counter(struct counter *k)
{
    memset(k, 0, sizeof(*k));
    vfs_reset(1);
    begin_farm(k);
    open_enrol(k);
    open_operators(k);
    open_notices(k);
    k->desk = (struct desk){.brain = k->farm.brain,
                            .store = k->farm.store,
                            .enrol = k->enrol,
                            .operators = k->operators,
                            .notices = k->notices,
                            .throttle = &k->throttle,
                            .ca_pem = ca_pem(ca),
                            .join_url = "https://farm.example:7601",
                            .agents_port = 7600};
}

static void close_counter(struct counter *k)
{
    notices_close(k->notices);
    enrol_close(k->enrol);
    members_free(k->members);
    operators_close(k->operators);
    farm_end(&k->farm);
}

static void ask(struct counter *k, const char *token, const char *path, const char *body)
{
    struct api_request r = {.method = "POST",
                            .path = path,
                            .actor = "",
                            .far = true,
                            .address = THERE,
                            .network = THERE,
                            .bearer = token,
                            .body = body,
                            .body_len = strlen(body),
                            .server = ""};
    answering = k;
    k->status = 0;
    desk_take(&k->desk, &r, k->farm.now_ms, WALL(&k->farm));
    must(k->status != 0);
}

static void do_well(struct counter *k, const char *path, const char *body)
{
    ask(k, k->admin, path, body);
    if (k->status >= 300)
        fail_msg("%s: %d %s", path, k->status, k->said);
}

/* ---- what has to be there before ---- */

#define RUN                                                                                        \
    "{\"action\": \"recycle\", \"pool\": \"Shop\", \"on\": \"web01\", \"reason\": \"" WHY "\"}"
#define REASON "{\"reason\": \"" WHY "\"}"

static void another_was_in_charge(struct counter *k)
{
    k->farm.agents[1].fence = (struct fence){.number = 99};
    farm_run(&k->farm, 30000);
    must(coordinator_frozen(k->farm.brain) != NULL);
}

static void web01_is_declared_out(struct counter *k)
{
    do_well(k, "/v1/servers/web01/declare-out", "{\"reason\": \"dead\", \"for_ms\": 60000}");
}

static void join_as(struct counter *k, const char *name, int status)
{
    json_t *body =
        json_pack("{s:s, s:s, s:s}", "token", k->join, "name", name, "request", request_pem);
    char *text = json_dumps(body, 0);
    ask(k, "", "/v1/join", text);
    must(k->status == status);
    free(text);
    json_decref(body);
}

static void db01_waits(struct counter *k)
{
    join_as(k, "db01", 202);
}

static void web07_has_joined(struct counter *k)
{
    join_as(k, "web07", 200);
}

static void run_goes_on(struct counter *k)
{
    k->farm.agents[0].act_ms = 60000;
    do_well(k, "/v1/runs", RUN);
    farm_run(&k->farm, 1000);
}

static void run_is_paused(struct counter *k)
{
    run_goes_on(k);
    do_well(k, "/v1/runs/1/pause", REASON);
}

static void run_waits_for_approval(struct counter *k)
{
    struct plan_request q = farm_request(&k->farm, ROLLOUT_RECYCLE, "web01");
    q.approve_by = "anyone";
    q.approve_within_ms = HOUR_MS;
    must(farm_ask(&k->farm, &q) == 1);
}

static void act_is_unknown(struct counter *k)
{
    do_well(k, "/v1/runs", RUN);
    while (k->farm.agents[0].acts == 0)
        farm_run(&k->farm, 10);
    k->farm.agents[0].dead = true;
    farm_run(&k->farm, 60000);
}

static void run_was_aborted(struct counter *k)
{
    do_well(k, "/v1/runs", RUN);
    do_well(k, "/v1/runs/1/abort", REASON);
    farm_run_to_end(&k->farm, 600000);
}

static void web01_is_held(struct counter *k)
{
    do_well(k, "/v1/holds", "{\"server\": \"web01\", \"for_ms\": 60000, \"reason\": \"v2\"}");
    const char *token = strstr(k->said, "\"token\":\"");
    must(token != NULL);
    text_format(k->hold, sizeof(k->hold), "%.32s", token + strlen("\"token\":\""));
    farm_run(&k->farm, 5000);
}

static void something_is_proposed(struct counter *k)
{
    k->farm.agents[0].memory_bytes = 3 * GIB;
    k->farm.agents[0].dump = "a picture";
    farm_run(&k->farm, 10000);
    must(coordinator_incident_count(k->farm.brain) == 1);
}

static void dump_was_made(struct counter *k)
{
    something_is_proposed(k);
    do_well(k, "/v1/incidents/1/approve", REASON);
    farm_run(&k->farm, 20000);
}

/* ---- the table ---- */

static const struct deed {
    const char *pattern;     /* as the desk has it */
    const char *path, *body; /* $O, $J: numbers of otto's token and of one to join by; $T, $C: the
                              * latter and a signing request. NULL: no body but the reason */
    void (*prepare)(struct counter *k);
    const char *action, *object, *before, *after; /* globs; action NULL: it changes nothing */
    const char *why;                              /* NULL: WHY */
    const char *actor;                            /* NULL: adam; else nobody has to be known */
} deeds[] = {
    {"/v1/takeover", "/v1/takeover", NULL, another_was_in_charge, "takeover", "fence *",
     "fence *, frozen: *", "fence *, in charge", NULL, NULL},
    {"/v1/servers/NAME/declare-out", "/v1/servers/web01/declare-out",
     "{\"reason\": \"" WHY "\", \"for_ms\": 60000}", NULL, "server.declare-out", "web01",
     "in the farm", "declared out until * by adam: " WHY, NULL, NULL},
    {"/v1/servers/NAME/release", "/v1/servers/web01/release", NULL, web01_is_declared_out,
     "server.release", "web01", "declared out until * by adam: dead", "in the farm", NULL, NULL},
    {"/v1/servers/NAME/maintenance", "/v1/servers/web01/maintenance",
     "{\"reason\": \"" WHY "\", \"for_ms\": 60000}", NULL, "server.maintenance-on", "web01",
     "not in maintenance", "in maintenance until * by adam: " WHY, NULL, NULL},
    {"/v1/rehearsals", "/v1/rehearsals", RUN, NULL, NULL, NULL, NULL, NULL, NULL, NULL},
    {"/v1/servers/NAME/approve", "/v1/servers/db01/approve", NULL, db01_waits, "server.approve",
     "db01", "key * waits: the token is for web?", "key * may join", NULL, NULL},
    {"/v1/servers/NAME/remove", "/v1/servers/web07/remove", NULL, web07_has_joined, "server.remove",
     "web07", "member, profile observe,*", "removed, profile observe,*", NULL, NULL},
    /* One that never joined: it stands in the list alone. */
    {"/v1/servers/NAME/remove", "/v1/servers/web02/remove", NULL, NULL, "server.unlist", "web02",
     "in the farm", "not in the list of servers", NULL, NULL},
    {"/v1/tokens", "/v1/tokens",
     "{\"for\": \"x\", \"uses\": 1, \"for_ms\": 60000, \"reason\": \"" WHY "\"}", NULL,
     "token.create", "????????????????", "", "for x, profile observe*good", NULL, NULL},
    {"/v1/tokens/NAME/revoke", "/v1/tokens/$J/revoke", NULL, NULL, "token.revoke",
     "????????????????", "for web?,*: good", "for web?,*: was revoked", NULL, NULL},
    {"/v1/operators", "/v1/operators",
     "{\"name\": \"nina\", \"role\": \"viewer\", \"reason\": \"" WHY "\"}", NULL, "operator.create",
     "nina (*)", "", "viewer, servers all, until revoked: good", NULL, NULL},
    {"/v1/operators/NAME/renew", "/v1/operators/$O/renew", NULL, NULL, "operator.renew", "otto (*)",
     "operator, servers all, until revoked: good", "operator, servers all, until *good", NULL,
     NULL},
    {"/v1/operators/NAME/revoke", "/v1/operators/$O/revoke", NULL, NULL, "operator.revoke",
     "otto (*)", "operator, servers all, *: good", "operator, servers all, *: was revoked", NULL,
     NULL},
    {"/v1/join", "/v1/join", "{\"token\": \"$T\", \"name\": \"web08\", \"request\": \"$C\"}", NULL,
     "server.join", "web08", "no member", "member, profile observe,*", THERE, "token * of anna"},
    {"/v1/holds", "/v1/holds",
     "{\"server\": \"web01\", \"for_ms\": 60000, \"reason\": \"" WHY "\"}", NULL, "hold", "run 1",
     "1 in the farm", "run 1 is to: hold, on 1 target (web01)", NULL, NULL},
    {"/v1/holds/release", "/v1/holds/release", "{\"server\": \"web01\", \"reason\": \"" WHY "\"}",
     web01_is_held, "hold.release", "run 1 web01", "acting*", "*", NULL, NULL},
    {"/v1/servers/NAME/quarantine", "/v1/servers/web01/quarantine", NULL, NULL, "server.quarantine",
     "web01", "in rotation", "act*: put into quarantine by adam: " WHY, NULL, NULL},
    {"/v1/incidents/ID/approve", "/v1/incidents/1/approve", NULL, something_is_proposed,
     "incident.approve", "incident 1 on web01", "proposed, rung 1: *",
     "*, rung 1, approved by adam*", NULL, NULL},
    {"/v1/incidents/ID/dump", "/v1/incidents/1/dump", "{\"reason\": \"" WHY "\", \"at\": 0}",
     dump_was_made, "incident.fetch", "incident 1 on web01: *", "", "its pieces are handed out",
     NULL, NULL},
    {"/v1/incidents/ID/dismiss", "/v1/incidents/1/dismiss", NULL, something_is_proposed,
     "incident.dismiss", "incident 1 on web01", "proposed, rung 1: *", "closed", NULL, NULL},
    {"/v1/runs", "/v1/runs", RUN, NULL, "pool.recycle", "run 1", "Shop Started autoStart=yes on 1",
     "run 1 is to: recycle pool Shop, on 1 target (web01)", NULL, NULL},
    {"/v1/runs/ID/pause", "/v1/runs/1/pause", NULL, run_goes_on, "run.pause", "run 1", "running",
     "paused (person)", NULL, NULL},
    {"/v1/runs/ID/resume", "/v1/runs/1/resume", NULL, run_is_paused, "run.resume", "run 1",
     "paused (person)", "running", NULL, NULL},
    {"/v1/runs/ID/abort", "/v1/runs/1/abort", NULL, run_goes_on, "run.abort", "run 1", "running",
     "abort*", NULL, NULL},
    {"/v1/runs/ID/approve", "/v1/runs/1/approve", NULL, run_waits_for_approval, "run.approve",
     "run 1", "paused (approval)", "running", NULL, NULL},
    {"/v1/runs/ID/resolve", "/v1/runs/1/resolve",
     "{\"server\": \"web01\", \"as\": \"done\", \"reason\": \"" WHY "\"}", act_is_unknown,
     "run.resolve", "run 1 web01", "unknown*", "settled as done", NULL, NULL},
    {"/v1/runs/ID/set", "/v1/runs/1/set",
     "{\"reason\": \"" WHY "\", \"options\": {\"limit_ms\": 11000}}", run_goes_on, "run.set",
     "run 1", "limit_ms 10000", "limit_ms 11000", NULL, NULL},
    {"/v1/runs/ID/retry", "/v1/runs/1/retry", NULL, run_was_aborted, "pool.recycle", "run 2",
     "Shop Started autoStart=yes on 1", "run 2 is to: recycle pool Shop, on 1 target (web01)", NULL,
     NULL},
    {"/v1/notices/NAME/test", "/v1/notices/ops/test", "", NULL, "notice.test", "ops", "", "",
     "a test", NULL},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- one verb ---- */

static void add_escaped(struct text *t, const char *s)
{
    for (; *s; s++)
        text_add(t, *s == '\n' ? "\\n" : (const char[]){*s, '\0'});
}

static char *fill_in(const struct counter *k, const char *text)
{
    struct text t = {0};
    for (const char *c = text; *c; c++) {
        const char *what = *c != '$'     ? NULL
                           : c[1] == 'O' ? k->otto_id
                           : c[1] == 'J' ? k->join_id
                           : c[1] == 'T' ? k->join
                           : c[1] == 'C' ? request_pem
                                         : NULL;
        if (what)
            add_escaped(&t, what), c++;
        else
            text_add_bytes(&t, c, 1);
    }
    return text_take(&t);
}

struct wanted {
    const struct deed *deed;
    const char *actor, *action, *object, *before, *after, *why, *result;
    int64_t wall_ms;
    bool met;
    struct text rows; /* what there was, for people */
};

static void look_at(void *arg, const struct audit_row *row)
{
    struct wanted *w = arg;
    text_addf(&w->rows, "  %s at %lld from %s: %s, %s: %s [%s -> %s] %s\n", row->actor,
              (long long)row->wall_ms, row->origin, row->action, row->object, row->reason,
              row->before, row->after, row->result);
    w->met |= text_glob_match(w->actor, row->actor) && row->wall_ms == w->wall_ms &&
              text_equal(row->origin, THERE) && text_equal(row->action, w->action) &&
              text_glob_match(w->object, row->object) && text_equal(row->reason, w->why) &&
              text_glob_match(w->before, row->before) && text_glob_match(w->after, row->after) &&
              text_glob_match(w->result, row->result);
}

static uint64_t last_row(const struct counter *k)
{
    uint64_t last = 0;
    must(store_audit_last(k->farm.store, &last, NULL) == ERR_NONE);
    return last;
}

static void expect_row(const struct counter *k, uint64_t after, struct wanted *w)
{
    must(store_load_audit(k->farm.store, after, SIZE_MAX, look_at, w, NULL) == ERR_NONE);
    if (!w->met)
        fail_msg("%s: no row of %s, %s, %s: '%s' -> '%s', %s in\n%s", w->deed->path, w->actor,
                 w->action, w->object, w->before, w->after, w->result, text_get(&w->rows));
    text_reset(&w->rows);
}

static void expect_refused(struct counter *k, const struct deed *v, const char *path,
                           const char *body, const char *token, const char *who, int status)
{
    uint64_t before = last_row(k);
    char object[300], result[300];
    ask(k, token, path, body);
    if (k->status != status)
        fail_msg("%s at %s: %d %s", who, path, k->status, k->said);
    text_format(object, sizeof(object), "POST %s", path);
    text_format(result, sizeof(result), "refused: *%s*", who);
    struct wanted w = {.deed = v,
                       .actor = who,
                       .action = "request",
                       .object = object,
                       .before = "",
                       .after = "",
                       .why = "it was refused",
                       .result = result,
                       .wall_ms = WALL(&k->farm)};
    expect_row(k, before, &w);
    if (last_row(k) != before + 1)
        fail_msg("%s at %s: more was written than the refusal", who, path);
}

static void try_deed(struct counter *k, const struct deed *v)
{
    open_counter(k);
    if (v->prepare)
        v->prepare(k);
    char *path = fill_in(k, v->path), *body = fill_in(k, v->body ? v->body : REASON);
    if (!v->actor) {
        expect_refused(k, v, path, body, k->viewer, "vera", 403);
        expect_refused(k, v, path, body, k->bound, "bert", 403);
        expect_refused(k, v, path, body, k->revoked, "rita", 401);
    }
    uint64_t before = last_row(k);
    struct wanted w = {.deed = v,
                       .actor = v->actor ? v->actor : "adam",
                       .action = v->action,
                       .object = v->object,
                       .before = v->before,
                       .after = v->after,
                       .why = v->why ? v->why : WHY,
                       .result = "done",
                       .wall_ms = WALL(&k->farm)};
    do_well(k, path, body);
    if (v->action)
        expect_row(k, before, &w);
    else
        assert_int_equal(last_row(k), before);
    free(path);
    free(body);
    close_counter(k);
}

/* ---- all of them ---- */

static const struct deed *find_deed(const char *pattern)
{
    for (size_t i = 0; i < COUNT(deeds); i++)
        if (text_equal(deeds[i].pattern, pattern))
            return &deeds[i];
    return NULL;
}

static bool is_there(const char *pattern)
{
    const struct desk_path *p;
    for (size_t i = 0; (p = desk_path_at(i)) != NULL; i++)
        if (text_equal(p->pattern, pattern) && !text_equal(p->method, "GET"))
            return true;
    return false;
}

static void every_path_that_changes_something_is_tried(void **state)
{
    const struct desk_path *p;
    (void)state;
    for (size_t i = 0; (p = desk_path_at(i)) != NULL; i++)
        if (!text_equal(p->method, "GET") && !find_deed(p->pattern))
            fail_msg("%s %s has no row in the table of this test", p->method, p->pattern);
    for (size_t i = 0; i < COUNT(deeds); i++)
        if (!is_there(deeds[i].pattern))
            fail_msg("%s: the desk has no such path", deeds[i].pattern);
}

static void each_is_audited_and_refused_to_others(void **state)
{
    static struct counter k;
    (void)state;
    for (size_t i = 0; i < COUNT(deeds); i++)
        try_deed(&k, &deeds[i]);
}

/* A reason is asked for wherever something changes, and it is one line. */
static void nothing_changes_without_a_reason(void **state)
{
    static const char *const none[] = {"", " ", "two\\nlines", "\\u0007"};
    static struct counter k;
    (void)state;
    for (size_t i = 0; i < COUNT(deeds); i++) {
        const struct deed *v = &deeds[i];
        if (v->why || v->actor || !v->action)
            continue;
        open_counter(&k);
        if (v->prepare)
            v->prepare(&k);
        char *path = fill_in(&k, v->path), *body = fill_in(&k, v->body ? v->body : REASON);
        uint64_t before = last_row(&k);
        for (size_t n = 0; n < COUNT(none); n++) {
            const char *at = strstr(body, WHY);
            struct text other = {0};
            text_addf(&other, "%.*s%s%s", (int)(at - body), body, none[n], at + strlen(WHY));
            ask(&k, k.admin, path, text_get(&other));
            if (k.status != 400 || !strstr(k.said, "reason") || last_row(&k) != before)
                fail_msg("%s %s: %d %s", path, text_get(&other), k.status, k.said);
            text_reset(&other);
        }
        free(path);
        free(body);
        close_counter(&k);
    }
}

/* ---- those who have servers of their own ---- */

static void ask_as(struct counter *k, const char *token, const char *path, const char *body,
                   int status)
{
    ask(k, token, path, body);
    if (k->status != status)
        fail_msg("%s %s: %d %s", path, body, k->status, k->said);
}

static void their_own_server_may_be_held_and_given_back(void **state)
{
    static struct counter k;
    (void)state;
    open_counter(&k);
    ask_as(&k, k.bound, "/v1/holds",
           "{\"server\": \"web03\", \"for_ms\": 60000, \"reason\": \"v2\"}", 201);
    farm_run(&k.farm, 5000);
    ask_as(&k, k.bound, "/v1/holds/release", "{\"server\": \"web03\", \"reason\": \"done\"}", 200);
    close_counter(&k);
}

/* The token of a hold is no way around: it was given to somebody else. */
static void anothers_hold_is_not_released_by_its_token(void **state)
{
    static struct counter k;
    char body[128];
    (void)state;
    open_counter(&k);
    web01_is_held(&k);
    ask(&k, k.admin, "/v1/holds/release", "{\"token\": \"none\"}");
    assert_int_equal(k.status, 404);
    text_format(body, sizeof(body), "{\"token\": \"%s\"}", k.hold);
    ask_as(&k, k.bound, "/v1/holds/release", body, 403);
    ask_as(&k, k.admin, "/v1/holds/release", body, 200);
    close_counter(&k);
}

static void their_own_servers_incident_is_theirs(void **state)
{
    static const char *const words[] = {"/v1/incidents/1/approve", "/v1/incidents/1/dismiss"};
    static struct counter k;
    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        open_counter(&k);
        k.farm.agents[2].memory_bytes = 3 * GIB;
        farm_run(&k.farm, 10000);
        ask_as(&k, k.bound, words[i], REASON, 200);
        close_counter(&k);
    }
}

/* The brake on all of the farm. */
static void incident_of_the_farm_is_nobodys_own(void **state)
{
    static struct counter k;
    struct error err;
    struct incident storm = {.opened_wall_ms = 1};
    (void)state;
    open_counter(&k);
    text_copy(storm.server, sizeof(storm.server), INCIDENT_FARM);
    text_copy(storm.kind, sizeof(storm.kind), INCIDENT_STORM);
    check(store_begin(k.farm.store, &err), &err);
    check(store_open_incident(k.farm.store, &storm, &err), &err);
    check(store_commit(k.farm.store, &err), &err);
    must(storm.id == 1);
    ask_as(&k, k.bound, "/v1/incidents/1/dismiss", REASON, 403);
    assert_non_null(strstr(k.said, "the farm as a whole"));
    close_counter(&k);
}

#define UNWARM(on)                                                                                 \
    "{\"action\": \"unwarm\", \"pool\": \"Shop\", \"on\": \"" on "\", \"reason\": \"" WHY "\"}"

/* What is asked has another plan for the brain than for who looks at the door: web02 has nothing
 * left to put back, so that one server is expected, and it is somebody else's. */
static void plan_at_the_door_is_the_plan(void **state)
{
    static struct counter k;
    (void)state;
    open_counter(&k);
    k.farm.agents[0].former = k.farm.agents[1].former = "startMode=OnDemand";
    do_well(&k, "/v1/runs",
            "{\"action\": \"warm\", \"pool\": \"Shop\", \"on\": \"web01,web02\", \"reason\": \"" WHY
            "\"}");
    farm_run_to_end(&k.farm, 60000);
    k.farm.agents[0].former = k.farm.agents[1].former = NULL;
    do_well(&k, "/v1/runs", UNWARM("web01,web02"));
    do_well(&k, "/v1/runs/2/abort", REASON);
    farm_run_to_end(&k.farm, 60000);
    do_well(&k, "/v1/runs", UNWARM("web02"));
    farm_run_to_end(&k.farm, 60000);
    must(coordinator_has_former(k.farm.brain, "web01", "Shop") &&
         !coordinator_has_former(k.farm.brain, "web02", "Shop"));
    ask_as(&k, k.bound, "/v1/runs/2/retry",
           "{\"reason\": \"" WHY "\", \"options\": {\"expect\": 1}}", 403);
    assert_non_null(strstr(k.said, "web01 is not"));
    close_counter(&k);
}

/* ---- refusals ---- */

struct counted {
    size_t vera, bert;
    uint64_t last_ms;
    char result[512];
};

static void count_row(void *arg, const struct audit_row *row)
{
    struct counted *c = arg;
    if (!text_equal(row->action, "request"))
        return;
    c->vera += text_equal(row->actor, "vera");
    c->bert += text_equal(row->actor, "bert");
    if (text_equal(row->actor, "vera"))
        text_copy(c->result, sizeof(c->result), row->result);
}

static void who_asks_without_end_hides_nobody(void **state)
{
    static struct counter k;
    struct counted c = {0};
    (void)state;
    open_counter(&k);
    for (int i = 0; i < 1000; i++)
        ask(&k, k.viewer, "/v1/takeover", REASON);
    ask(&k, k.bound, "/v1/takeover", REASON);
    must(store_load_audit(k.farm.store, 0, SIZE_MAX, count_row, &c, NULL) == ERR_NONE);
    assert_int_equal(c.vera, REFUSALS_A_MINUTE);
    assert_int_equal(c.bert, 1);
    farm_run(&k.farm, 61000);
    ask(&k, k.viewer, "/v1/takeover", REASON);
    c = (struct counted){0};
    must(store_load_audit(k.farm.store, 0, SIZE_MAX, count_row, &c, NULL) == ERR_NONE);
    assert_int_equal(c.vera, REFUSALS_A_MINUTE + 1);
    assert_non_null(strstr(c.result, "(and 990 requests before it)"));
    close_counter(&k);
}

static void find_secret(void *arg, const struct audit_row *row)
{
    const struct counter *k = arg;
    const char *const all[] = {row->actor,  row->action, row->object, row->reason,
                               row->before, row->after,  row->result};
    for (size_t i = 0; i < COUNT(all); i++)
        if (strstr(all[i], k->join + 5))
            fail_msg("row %llu holds the token: %s", (unsigned long long)row->id, all[i]);
}

/* Somebody pastes the token where its number belongs. */
static void secret_in_a_path_is_not_kept(void **state)
{
    static struct counter k;
    char path[TOKEN_TEXT_MAX + 32];
    (void)state;
    open_counter(&k);
    text_format(path, sizeof(path), "/v1/tokens/%s/revoke", k.join);
    ask(&k, k.viewer, path, REASON);
    assert_int_equal(k.status, 403);
    ask(&k, k.admin, path, REASON);
    assert_int_equal(k.status, 404);
    must(store_load_audit(k.farm.store, 0, SIZE_MAX, find_secret, &k, NULL) == ERR_NONE);
    close_counter(&k);
}

static void find_pause(void *arg, const struct audit_row *row)
{
    if (text_equal(row->action, "run.pause"))
        text_copy(arg, 64, row->origin);
}

/* It holds at once, and is written when that works again: by then nobody asks for anything. */
static void word_that_is_written_late_says_where_it_came_from(void **state)
{
    static struct counter k;
    char origin[64] = "(none)";
    (void)state;
    open_counter(&k);
    run_goes_on(&k);
    vfs_set_trouble(FILES_DISK, VFS_FULL);
    do_well(&k, "/v1/runs/1/pause", REASON);
    vfs_set_trouble(FILES_DISK, VFS_FINE);
    farm_run(&k.farm, 20000);
    must(store_load_audit(k.farm.store, 0, SIZE_MAX, find_pause, origin, NULL) == ERR_NONE);
    assert_string_equal(origin, THERE);
    close_counter(&k);
}

static void drop_line(void *arg, enum log_level level, const char *line, size_t len)
{
    (void)arg, (void)level, (void)line, (void)len;
}

static int begin_all(void **state)
{
    char *key;
    (void)state;
    log_set_sink(drop_line, NULL);
    ca = certs_farm();
    certs_request(&key, &request_pem);
    free(key);
    return 0;
}

static int end_all(void **state)
{
    (void)state;
    ca_close(ca);
    free(request_pem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_that_changes_something_is_tried),
        cmocka_unit_test(each_is_audited_and_refused_to_others),
        cmocka_unit_test(nothing_changes_without_a_reason),
        cmocka_unit_test(their_own_server_may_be_held_and_given_back),
        cmocka_unit_test(anothers_hold_is_not_released_by_its_token),
        cmocka_unit_test(their_own_servers_incident_is_theirs),
        cmocka_unit_test(incident_of_the_farm_is_nobodys_own),
        cmocka_unit_test(plan_at_the_door_is_the_plan),
        cmocka_unit_test(who_asks_without_end_hides_nobody),
        cmocka_unit_test(secret_in_a_path_is_not_kept),
        cmocka_unit_test(word_that_is_written_late_says_where_it_came_from),
    };
    return cmocka_run_group_tests_name("verbs", tests, begin_all, end_all);
}

/* desk.c - see desk.h: paths, servers, pools and events. What changes runs is in desk_run.c. */
#include "coordinator/desk/desk.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/desk/desk_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_DEFAULT 100
#define EVENTS_MAX     1000
#define RUNS_DEFAULT   50
#define RUNS_MAX       1000

/* ---- answering ---- */

static int status_of(enum error_code code)
{
    switch (code) {
    case ERR_NONE:
        return 200;
    case ERR_INVALID:
        return 400;
    case ERR_DENIED:
        return 403;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_EXISTS:
    case ERR_STATE:
    case ERR_BUSY:
        return 409;
    case ERR_TIMEOUT:
    case ERR_UNREACHABLE:
    case ERR_UNAVAILABLE:
    case ERR_FULL:
    case ERR_IO:
        return 503;
    case ERR_CORRUPT:
    case ERR_NEWER:
    case ERR_NOMEM:
        return 500;
    }
    return 500;
}

void desk_answer(struct asking *a, int status, json_t *json)
{
    must(json != NULL);
    char *text = json_dumps(json, JSON_COMPACT);
    must(text != NULL);
    json_decref(json);
    api_answer(a->desk->api, a->request, status, text);
    a->request = NULL;
}

void desk_refuse(struct asking *a, const struct error *err)
{
    desk_answer(a, status_of(err->code), view_error(error_code_name(err->code), err->text));
}

void desk_refuse_as(struct asking *a, enum error_code code, const char *fmt, ...)
{
    struct error err;
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    error_set(&err, code, "%s", text);
    desk_refuse(a, &err);
}

/* ---- parameters ---- */

/* false: answered already. */
bool desk_only_args(struct asking *a, const char *const *known)
{
    const char *unknown = api_unknown_arg(a->request, known);
    if (!unknown)
        return true;
    struct text list = {0};
    for (size_t i = 0; known[i]; i++)
        text_addf(&list, "%s%s", i > 0 ? ", " : "", known[i]);
    desk_refuse_as(a, ERR_INVALID, "unknown parameter \"%.80s\": %s%s", unknown,
                   list.len ? "expected one of " : "this call takes none", text_get(&list));
    text_reset(&list);
    return false;
}

bool desk_no_args(struct asking *a)
{
    return desk_only_args(a, (const char *const[]){NULL});
}

bool desk_number_arg(struct asking *a, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
    const char *text = api_arg(a->request, name);
    if (!text || text_parse_u64(text, min, max, out))
        return true;
    desk_refuse_as(a, ERR_INVALID, "%s=%.40s: expected a number from %" PRIu64 " to %" PRIu64, name,
                   text, min, max);
    return false;
}

/* The selector of ?on=, "all" where it is missing; NULL: answered already. */
static const char *selector_arg(struct asking *a)
{
    struct error err;
    const char *on = api_arg(a->request, "on");
    if (!on)
        on = "all";
    if (selector_check(on, &err) == ERR_NONE)
        return on;
    desk_refuse(a, &err);
    return NULL;
}

/* ---- status, servers, pools ---- */

static void get_status(struct asking *a)
{
    if (!desk_only_args(a, (const char *const[]){NULL}))
        return;
    json_t *status =
        view_status(&a->view, a->desk->started_wall_ms, archive_trouble(a->desk->archive));
    json_object_set_new(status, "notices", desk_notices(a));
    desk_answer(a, 200, status);
}

static void each_selected(struct asking *a, const char *on,
                          void (*each)(struct asking *a, const struct fleet_server *s, void *arg),
                          void *arg)
{
    const struct fleet *fleet = coordinator_fleet(a->desk->brain);
    for (size_t i = 0; i < fleet_count(fleet); i++) {
        const struct fleet_server *s = fleet_at(fleet, i);
        if (selector_match(on, s->name, s->labels, s->label_count))
            each(a, s, arg);
    }
}

static void add_server(struct asking *a, const struct fleet_server *s, void *arg)
{
    json_array_append_new(arg, view_server(&a->view, s, false));
}

static void get_servers(struct asking *a)
{
    if (!desk_only_args(a, (const char *const[]){"on", NULL}))
        return;
    const char *on = selector_arg(a);
    if (!on)
        return;
    json_t *list = json_array();
    each_selected(a, on, add_server, list);
    desk_answer(a, 200, json_pack("{s:o}", "servers", list));
}

const struct fleet_server *desk_server(struct asking *a)
{
    const struct fleet_server *s = fleet_find(coordinator_fleet(a->desk->brain), a->name);
    if (!s)
        desk_refuse_as(a, ERR_NOT_FOUND,
                       "no server is called %.100s: `farmhand server list` shows all", a->name);
    return s;
}

static void get_server(struct asking *a)
{
    const struct fleet_server *s =
        desk_only_args(a, (const char *const[]){NULL}) ? desk_server(a) : NULL;
    if (s)
        desk_answer(a, 200, view_server(&a->view, s, true));
}

struct pool_list {
    json_t *list;
    const char *glob;
};

static void add_pools(struct asking *a, const struct fleet_server *s, void *arg)
{
    const struct pool_list *p = arg;
    const struct state *whole = fleet_whole(s);
    for (size_t i = 0; whole && i < whole->pool_count; i++)
        if (text_glob_match(p->glob, whole->pools[i].name))
            json_array_append_new(p->list, view_pool(&a->view, s, &whole->pools[i]));
}

static void get_pools(struct asking *a)
{
    if (!desk_only_args(a, (const char *const[]){"on", "pool", NULL}))
        return;
    const char *on = selector_arg(a);
    if (!on)
        return;
    const char *glob = api_arg(a->request, "pool");
    struct pool_list p = {json_array(), glob && glob[0] != '\0' ? glob : "*"};
    each_selected(a, on, add_pools, &p);
    desk_answer(a, 200, json_pack("{s:o}", "pools", p.list));
}

/* ---- runs, to look at ---- */

static void add_run(void *arg, const struct store_run_row *row)
{
    struct asking *a = arg;
    const struct rollout *live = coordinator_run_find(a->desk->brain, row->run.id);
    struct rollout_counts counts = row->counts;
    if (live) /* newer than the store while that cannot be written */
        rollout_count(live, &counts);
    json_array_append_new(a->list, view_run(&a->view, live ? live : &row->run, &counts));
}

static void get_runs(struct asking *a)
{
    struct error err;
    uint64_t limit = RUNS_DEFAULT;
    if (!desk_only_args(a, (const char *const[]){"limit", NULL}) ||
        !desk_number_arg(a, "limit", 1, RUNS_MAX, &limit))
        return;
    a->list = json_array();
    if (!store_list_runs(a->desk->store, limit, add_run, a, &err)) {
        desk_answer(a, 200, json_pack("{s:o}", "runs", a->list));
        return;
    }
    json_decref(a->list);
    desk_refuse(a, &err);
}

static void add_step(void *arg, const struct store_step *step)
{
    view_add_step(arg, step);
}

/* What is kept of it for good: each step of each target, and the plan as it was; and who retries
 * it. */
static enum error_code add_story(struct asking *a, uint64_t id, json_t *run, struct error *err)
{
    char *plan = NULL;
    uint64_t retry = 0;
    enum error_code code = store_load_steps(a->desk->store, id, add_step, run, err);
    code = code ? code : store_load_plan(a->desk->store, id, &plan, err);
    code = code ? code : store_find_retry(a->desk->store, id, &retry, err);
    json_object_set_new(run, "retried_by", retry ? json_integer((json_int_t)retry) : json_null());
    json_t *json = plan ? json_loads(plan, 0, NULL) : NULL;
    json_object_set_new(run, "plan", json ? json : json_null());
    free(plan);
    return code;
}

/* With its story; NULL: it was refused instead. */
static json_t *tell_run(struct asking *a, uint64_t id)
{
    struct error err;
    struct rollout *loaded = NULL;
    const struct rollout *run = coordinator_run_find(a->desk->brain, id);
    if (!run && store_load_run(a->desk->store, id, &loaded, &err)) {
        desk_refuse(a, &err);
        return NULL;
    }
    json_t *json = view_run(&a->view, run ? run : loaded, NULL);
    rollout_free(loaded);
    if (add_story(a, id, json, &err)) {
        json_decref(json);
        desk_refuse(a, &err);
        return NULL;
    }
    return json;
}

void desk_answer_run(struct asking *a, int status, uint64_t id, bool wrapped)
{
    json_t *run = tell_run(a, id);
    if (run)
        desk_answer(a, status, wrapped ? json_pack("{s:o}", "run", run) : run);
}

void desk_answer_set(struct asking *a, uint64_t id, json_t *changes)
{
    json_t *run = tell_run(a, id);
    if (!run)
        return;
    json_object_set(run, "changes", changes);
    desk_answer(a, 200, run);
}

static void get_run(struct asking *a)
{
    if (desk_only_args(a, (const char *const[]){NULL}))
        desk_answer_run(a, 200, a->id, false);
}

/* ---- events ---- */

static void add_event(void *arg, const struct event *event)
{
    struct asking *a = arg;
    json_array_append_new(a->list, view_event(event));
    while (json_array_size(a->list) > a->limit)
        json_array_remove(a->list, 0);
}

static void list_events(struct asking *a, const struct history_query *query)
{
    struct error err;
    uint64_t last = 0;
    a->list = json_array();
    a->limit = query->limit;
    if (!archive_events(a->desk->archive, query, add_event, a, &err) &&
        !store_last_event(a->desk->store, &last, &err)) {
        desk_answer(a, 200, json_pack("{s:o, s:I}", "events", a->list, "last", (json_int_t)last));
        return;
    }
    json_decref(a->list);
    desk_refuse(a, &err);
}

static void feed_event(void *arg, const struct event *event)
{
    struct asking *a = arg;
    json_t *json = view_event(event);
    char *text = json_dumps(json, JSON_COMPACT);
    must(text != NULL);
    api_feed(a->desk->api, a->request, event->seq, text);
    a->limit++;
    free(text);
    json_decref(json);
}

/* The next page for a follower that is behind. When the page is not full it has caught up: nothing
 * can be published in between, since that is done by this thread too. */
static void feed(struct asking *a)
{
    struct error err;
    struct api_request *r = a->request;
    struct history_query query = {.since = r->fed_seq,
                                  .run = r->run,
                                  .server = r->server[0] ? r->server : NULL,
                                  .limit = API_FOLLOW_PAGE};
    a->limit = 0; /* counts what was fed */
    enum error_code code = archive_events(a->desk->archive, &query, feed_event, a, &err);
    api_fed(a->desk->api, r, code != ERR_NONE || a->limit < API_FOLLOW_PAGE);
    a->request = NULL;
}

/* Who may be cut off, or runs out of time, while the stream goes on. */
static void follow_as(struct asking *a)
{
    if (!a->who)
        return;
    int64_t left_ms = a->who->expires_ms - a->view.wall_ms;
    uint64_t until_ms = UINT64_MAX;
    if (a->who->expires_ms != 0)
        until_ms = a->view.now_ms + (left_ms > 0 ? (uint64_t)left_ms : 0);
    api_follow_as(a->desk->api, a->request, a->who->id, until_ms);
}

static void follow_events(struct asking *a, const struct history_query *query)
{
    struct error err;
    uint64_t since = query->since;
    bool from_now = api_arg(a->request, "since") == NULL;
    if (from_now && store_last_event(a->desk->store, &since, &err)) {
        desk_refuse(a, &err);
        return;
    }
    if (!api_follow(a->desk->api, a->request, since, query->run,
                    query->server ? query->server : "")) {
        a->request = NULL;
        return;
    }
    follow_as(a);
    feed(a);
    a->request = NULL;
}

static void get_events(struct asking *a)
{
    static const char *const known[] = {"since", "run", "server", "limit", "follow", NULL};
    struct history_query query = {0};
    uint64_t limit = EVENTS_DEFAULT, follow = 0;
    if (!desk_only_args(a, known) || !desk_number_arg(a, "since", 0, INT64_MAX, &query.since) ||
        !desk_number_arg(a, "run", 0, INT64_MAX, &query.run) ||
        !desk_number_arg(a, "limit", 1, EVENTS_MAX, &limit) ||
        !desk_number_arg(a, "follow", 0, 1, &follow))
        return;
    const char *server = api_arg(a->request, "server");
    query.server = server && server[0] != '\0' ? server : NULL;
    query.limit = limit;
    query.last = api_arg(a->request, "since") == NULL;
    if (follow)
        follow_events(a, &query);
    else
        list_events(a, &query);
}

void desk_publish(struct desk *d, const struct event *event)
{
    const char *server = event->server ? event->server : "";
    if (!d->api || !api_is_followed(d->api, event->run, server))
        return;
    json_t *json = view_event(event);
    char *text = json_dumps(json, JSON_COMPACT);
    must(text != NULL);
    api_publish(d->api, event->seq, event->run, server, text);
    free(text);
    json_decref(json);
}

/* ---- paths ---- */

static const struct path {
    struct desk_path is;
    void (*act)(struct asking *a);
    enum role role; /* the least that may, from afar */
    enum gate_scope scope;
} paths[] = {
    {{"GET", "/v1/status"}, get_status, ROLE_VIEWER, GATE_ANY},
    {{"POST", "/v1/takeover"}, desk_takeover, ROLE_ADMIN, GATE_FARM},
    {{"GET", "/v1/servers"}, get_servers, ROLE_VIEWER, GATE_ANY},
    {{"GET", "/v1/servers/NAME"}, get_server, ROLE_VIEWER, GATE_ANY},
    {{"POST", "/v1/servers/NAME/declare-out"}, desk_declare_out, ROLE_OPERATOR, GATE_SERVER},
    {{"POST", "/v1/servers/NAME/release"}, desk_release, ROLE_OPERATOR, GATE_SERVER},
    {{"POST", "/v1/servers/NAME/maintenance"}, desk_maintenance, ROLE_OPERATOR, GATE_SERVER},
    {{"POST", "/v1/rehearsals"}, desk_rehearse, ROLE_OPERATOR, GATE_BODY},
    {{"GET", "/v1/rehearsals/ID"}, desk_get_rehearsal, ROLE_VIEWER, GATE_ANY},
    {{"GET", "/v1/recycles"}, desk_get_recycles, ROLE_VIEWER, GATE_ANY},
    {{"POST", "/v1/servers/NAME/approve"}, desk_approve_server, ROLE_ADMIN, GATE_FARM},
    {{"POST", "/v1/servers/NAME/remove"}, desk_remove_server, ROLE_ADMIN, GATE_FARM},
    {{"GET", "/v1/members"}, desk_get_members, ROLE_ADMIN, GATE_ANY},
    {{"GET", "/v1/tokens"}, desk_get_tokens, ROLE_ADMIN, GATE_ANY},
    {{"POST", "/v1/tokens"}, desk_create_token, ROLE_ADMIN, GATE_FARM},
    {{"POST", "/v1/tokens/NAME/revoke"}, desk_revoke_token, ROLE_ADMIN, GATE_FARM},
    {{"GET", "/v1/operators"}, desk_get_operators, ROLE_ADMIN, GATE_ANY},
    {{"POST", "/v1/operators"}, desk_create_operator, ROLE_ADMIN, GATE_FARM},
    {{"POST", "/v1/operators/NAME/renew"}, desk_renew_operator, ROLE_ADMIN, GATE_FARM},
    {{"POST", "/v1/operators/NAME/revoke"}, desk_revoke_operator, ROLE_ADMIN, GATE_FARM},
    {{"POST", "/v1/join"}, desk_join, ROLE_VIEWER, GATE_FARM},
    {{"GET", "/v1/holds"}, desk_get_holds, ROLE_VIEWER, GATE_ANY},
    {{"POST", "/v1/holds"}, desk_hold, ROLE_OPERATOR, GATE_BODY},
    {{"POST", "/v1/holds/release"}, desk_release_hold, ROLE_OPERATOR, GATE_BODY},
    {{"POST", "/v1/servers/NAME/quarantine"}, desk_quarantine, ROLE_OPERATOR, GATE_SERVER},
    {{"GET", "/v1/servers/NAME/why"}, desk_get_why, ROLE_VIEWER, GATE_ANY},
    {{"GET", "/v1/incidents"}, desk_get_incidents, ROLE_VIEWER, GATE_ANY},
    {{"GET", "/v1/incidents/ID"}, desk_get_incident, ROLE_VIEWER, GATE_ANY},
    {{"POST", "/v1/incidents/ID/approve"}, desk_approve_incident, ROLE_OPERATOR, GATE_INCIDENT},
    /* What a worker had in its memory. */
    {{"POST", "/v1/incidents/ID/dump"}, desk_fetch_dump, ROLE_ADMIN, GATE_INCIDENT},
    {{"POST", "/v1/incidents/ID/dismiss"}, desk_dismiss_incident, ROLE_OPERATOR, GATE_INCIDENT},
    {{"GET", "/v1/pools"}, get_pools, ROLE_VIEWER, GATE_ANY},
    {{"GET", "/v1/runs"}, get_runs, ROLE_VIEWER, GATE_ANY},
    {{"POST", "/v1/runs"}, desk_start_run, ROLE_OPERATOR, GATE_BODY},
    {{"GET", "/v1/runs/ID"}, get_run, ROLE_VIEWER, GATE_ANY},
    {{"POST", "/v1/runs/ID/pause"}, desk_pause, ROLE_OPERATOR, GATE_RUN},
    {{"POST", "/v1/runs/ID/resume"}, desk_resume, ROLE_OPERATOR, GATE_RUN},
    {{"POST", "/v1/runs/ID/abort"}, desk_abort, ROLE_OPERATOR, GATE_RUN},
    {{"POST", "/v1/runs/ID/approve"}, desk_approve, ROLE_OPERATOR, GATE_RUN},
    {{"POST", "/v1/runs/ID/resolve"}, desk_resolve, ROLE_OPERATOR, GATE_RUN},
    {{"POST", "/v1/runs/ID/set"}, desk_set, ROLE_OPERATOR, GATE_RUN},
    {{"POST", "/v1/runs/ID/retry"}, desk_retry, ROLE_OPERATOR, GATE_RUN},
    {{"GET", "/v1/audit"}, desk_get_audit, ROLE_OPERATOR, GATE_ANY},
    {{"GET", "/v1/events"}, get_events, ROLE_VIEWER, GATE_ANY},
    {{"GET", "/v1/notices"}, desk_get_notices, ROLE_VIEWER, GATE_ANY},
    {{"POST", "/v1/notices/NAME/test"}, desk_test_notice, ROLE_ADMIN, GATE_FARM},
};

const struct desk_path *desk_path_at(size_t index)
{
    return index < sizeof(paths) / sizeof(paths[0]) ? &paths[index].is : NULL;
}

/* One part of the path against one of the pattern. */
static bool part_fits(struct asking *a, const char *pattern, size_t pattern_len, const char *part,
                      size_t len)
{
    char text[WIRE_NAME_MAX] = "";
    if (len >= sizeof(text))
        return false;
    memcpy(text, part, len);
    if (pattern_len == 4 && strncmp(pattern, "NAME", 4) == 0)
        return len > 0 && text_copy(a->name, sizeof(a->name), text);
    if (pattern_len == 2 && strncmp(pattern, "ID", 2) == 0)
        return text_parse_u64(text, 1, INT64_MAX, &a->id);
    return len == pattern_len && strncmp(pattern, part, len) == 0;
}

static bool path_fits(struct asking *a, const char *pattern, const char *path)
{
    for (;;) {
        size_t pattern_len = strcspn(pattern, "/"), len = strcspn(path, "/");
        if (!part_fits(a, pattern, pattern_len, path, len))
            return false;
        pattern += pattern_len;
        path += len;
        if (*pattern == '\0' || *path == '\0')
            return *pattern == *path;
        pattern++;
        path++;
    }
}

static void dispatch(struct asking *a)
{
    bool other_method = false;
    if (!gate_enter(a))
        return;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (!path_fits(a, paths[i].is.pattern, a->request->path))
            continue;
        if (text_equal(paths[i].is.method, a->request->method)) {
            if (gate_role(a, paths[i].role, paths[i].scope))
                paths[i].act(a);
            return;
        }
        other_method = true;
    }
    if (other_method)
        desk_answer(a, 405, view_error("invalid", "this path is not for that method: see API.md"));
    else
        desk_refuse_as(a, ERR_NOT_FOUND, "there is nothing at %.200s: see API.md for what there is",
                       a->request->path);
}

void desk_take(struct desk *d, struct api_request *request, uint64_t now_ms, int64_t wall_ms)
{
    struct asking a = {.desk = d,
                       .request = request,
                       .view = {.brain = d->brain,
                                .now_ms = now_ms,
                                .wall_ms = wall_ms,
                                .map = d->map,
                                .map_ctx = d->map_ctx}};
    store_audit_origin(d->store, request->far ? request->address : "socket");
    if (request->hungry)
        feed(&a);
    else
        dispatch(&a);
    store_audit_origin(d->store, "");
    must(a.request == NULL); /* answered once, on every way */
}

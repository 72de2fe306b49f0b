/* desk_run.c - requests that change something: their bodies, field by field. See desk.h. */
#include "coordinator/desk/desk_body.h"

#include "common/text.h"
#include "coordinator/core/words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS         (24ULL * 60 * 60 * 1000)
#define DECLARE_MAX_MS (366 * DAY_MS)

/* ---- starting a run ---- */

#define ACTION_WORDS                                                                               \
    "recycle, start, stop, undrain, service-recover, service-restart, service-stop, "              \
    "service-start, worker-kill, hold, cycle, quarantine, warm or unwarm"

static bool parse_action(const char *word, void *out)
{
    return rollout_action_parse(word, out);
}

static enum error_code check_given(const struct plan_request *q, bool action_given,
                                   struct error *err)
{
    if (!action_given)
        return error_set(err, ERR_INVALID, "action is missing: " ACTION_WORDS);
    if (!q->pool[0] && !rollout_action_of_server(q->action) && q->action != ROLLOUT_UNDRAIN)
        return error_set(err, ERR_INVALID, "pool is missing: the name of the pool");
    if (!q->selector[0])
        return error_set(err, ERR_INVALID, "on is missing: which servers, such as all or farm=web");
    return ERR_NONE;
}

bool desk_has_former(const void *brain, const char *server, const char *pool)
{
    return coordinator_has_former(brain, server, pool);
}

/* Strings of *q are lent from *out_body. */
enum error_code desk_take_run(struct asking *a, struct plan_request *q, bool *dry_run,
                              json_t **out_body, struct error *err)
{
    enum rollout_action action = (enum rollout_action)ROLLOUT_ACTION_COUNT; /* none */
    json_t *options = NULL;
    *q = (struct plan_request){.pool = "",
                               .selector = "",
                               .reason = "",
                               .own_server = coordinator_own_server(a->desk->brain),
                               .windows = coordinator_windows(a->desk->brain),
                               .hold_max_ms = coordinator_hold_max_ms(a->desk->brain),
                               .now_ms = a->view.now_ms,
                               .actor = a->request->actor,
                               .has_former = desk_has_former,
                               .former_ctx = a->desk->brain,
                               .options = *coordinator_defaults(a->desk->brain)};
    const struct field fields[] = {
        WORD("action", &action, parse_action, ACTION_WORDS),
        TEXT("pool", &q->pool),
        TEXT("on", &q->selector),
        TEXT("reason", &q->reason),
        TEXT("targets", &q->targets),
        BOOL("dry_run", dry_run),
        OBJECT("options", &options),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), out_body, err);
    q->action = action;
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

/* What a person would have been shown a moment ago; NULL: the run will be refused. To be freed. */
static char *dump_plan(struct asking *a, const struct plan_request *q)
{
    struct rollout *plan = NULL;
    if (plan_make(q, coordinator_fleet(a->desk->brain), a->view.wall_ms, &plan, NULL))
        return NULL;
    json_t *json = view_plan(&a->view, plan);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    rollout_free(plan);
    return text;
}

static void begin_run(struct asking *a, const struct plan_request *request)
{
    struct error err;
    uint64_t id = 0;
    char *shown = dump_plan(a, request);
    struct plan_request with_plan = *request, *q = &with_plan;
    q->shown = shown;
    if (coordinator_start_run(a->desk->brain, q, a->view.now_ms, a->view.wall_ms, &id, &err))
        desk_refuse(a, &err);
    else
        desk_answer_run(a, 201, id, true);
    free(shown);
}

void desk_plan_or_begin(struct asking *a, const struct plan_request *q, bool dry_run)
{
    if (!gate_plan(a, q))
        return;
    if (dry_run)
        show_plan(a, q);
    else
        begin_run(a, q);
}

void desk_start_run(struct asking *a)
{
    struct error err;
    struct plan_request q;
    bool dry_run = false;
    json_t *body = NULL;
    if (desk_take_run(a, &q, &dry_run, &body, &err))
        desk_refuse(a, &err);
    else
        desk_plan_or_begin(a, &q, dry_run);
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

void desk_maintenance(struct asking *a)
{
    struct error err = {0};
    const char *reason = "";
    bool on = true;
    uint64_t for_ms = 0;
    json_t *body = NULL;
    if (!desk_server(a))
        return;
    const struct field fields[] = {
        TEXT("reason", &reason),
        BOOL("on", &on),
        U64("for_ms", &for_ms, 1000, DECLARE_MAX_MS),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code && on != (for_ms != 0))
        code = error_set(&err, ERR_INVALID,
                         on ? "for_ms is missing: how long nobody is to touch it"
                            : "for_ms is not for the end of a maintenance");
    if (!code)
        code = coordinator_maintenance(a->desk->brain, a->name, for_ms, a->request->actor, reason,
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

/* desk_hold.c - see desk_internal.h: servers in the hands of other tools. */
#include "coordinator/desk/desk_body.h"

#include "common/text.h"

#define HOLD_DEFAULT_REASON "given back by its token"

void desk_get_holds(struct asking *a)
{
    bool expired;
    if (desk_no_args(a))
        desk_answer(a, 200, json_pack("{s:o}", "holds", view_holds(&a->view, &expired)));
}

static enum error_code take_hold(struct asking *a, struct plan_request *q, json_t **out_body,
                                 struct error *err)
{
    json_t *options = NULL;
    uint64_t for_ms = 0;
    *q = (struct plan_request){.action = ROLLOUT_HOLD,
                               .pool = "",
                               .selector = "",
                               .reason = "",
                               .windows = coordinator_windows(a->desk->brain),
                               .hold_max_ms = coordinator_hold_max_ms(a->desk->brain),
                               .actor = a->request->actor,
                               .options = *coordinator_defaults(a->desk->brain)};
    const struct field fields[] = {
        TEXT("server", &q->selector),
        TEXT("reason", &q->reason),
        U64("for_ms", &for_ms, 1000, DESK_HOLD_MAX_MS),
        OBJECT("options", &options),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), out_body, err);
    if (!code && options)
        code = take_options(options, q, err);
    if (!code && (!q->selector[0] || for_ms == 0))
        code = error_set(err, ERR_INVALID,
                         "server and for_ms are required: which one, and how long it is needed");
    q->options.limit_ms = for_ms;
    return code;
}

static void begin_hold(struct asking *a, const struct plan_request *q)
{
    struct error err;
    char token[HOLD_TOKEN_MAX];
    uint64_t id = 0;
    if (coordinator_start_hold(a->desk->brain, q, a->view.now_ms, a->view.wall_ms, &id, token,
                               &err))
        desk_refuse(a, &err);
    else
        desk_answer(a, 201, json_pack("{s:I, s:s}", "run", (json_int_t)id, "token", token));
}

void desk_hold(struct asking *a)
{
    struct error err;
    struct plan_request q;
    json_t *body = NULL;
    if (take_hold(a, &q, &body, &err))
        desk_refuse(a, &err);
    else if (gate_plan(a, &q))
        begin_hold(a, &q);
    json_decref(body);
}

static void release_hold(struct asking *a, const struct hold_release *release, const char *reason)
{
    struct error err;
    uint64_t id = 0;
    const struct rollout *held = coordinator_find_hold(a->desk->brain, release);
    if (held && !gate_run(a, held))
        return;
    if (coordinator_release_hold(a->desk->brain, release, a->request->actor, reason, a->view.now_ms,
                                 a->view.wall_ms, &id, &err))
        desk_refuse(a, &err);
    else
        desk_answer_run(a, 200, id, false);
}

/* With a token nothing needs to be explained: it was given for this. */
void desk_release_hold(struct asking *a)
{
    struct error err;
    struct hold_release release = {.token = "", .server = ""};
    const char *reason = "";
    json_t *body = NULL;
    const struct field fields[] = {
        TEXT("token", &release.token),
        TEXT("server", &release.server),
        TEXT("reason", &reason),
        BOOL("failed", &release.failed),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code && (release.token[0] != '\0') == (release.server[0] != '\0'))
        code = error_set(&err, ERR_INVALID, "either token or server: which hold is released");
    if (!code && release.token[0] && !reason[0])
        reason = HOLD_DEFAULT_REASON;
    if (code)
        desk_refuse(a, &err);
    else
        release_hold(a, &release, reason);
    json_decref(body);
}

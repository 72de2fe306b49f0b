/* desk_steer.c - see desk_internal.h: what is asked about a run that is there. */
#include "coordinator/desk/desk_body.h"

#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- pause, resume, abort ---- */

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

/* ---- resolve ---- */

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

/* ---- set ---- */

/* What targets carry from their plan on cannot be another while they are under way. */
static enum error_code check_live(const json_t *options, struct error *err)
{
    static const char *const frozen[] = {
        "waves", "canary", "order",      "approve_by",     "approve_within_ms",
        "drain", "expect", "start_idle", "keep_autostart",
    };
    for (size_t i = 0; i < COUNT(frozen); i++)
        if (json_object_get(options, frozen[i]))
            return error_set(err, ERR_INVALID,
                             "options.%s is part of the plan and stays as it is: abort the run, "
                             "and retry it otherwise",
                             frozen[i]);
    if (json_object_size(options) == 0)
        return error_set(err, ERR_INVALID, "options is missing: what is to be set, such as batch");
    return ERR_NONE;
}

/* [{"option", "was", "is"}]: what differs. */
static json_t *list_changes(const struct rollout_options *from, const struct rollout_options *to)
{
    const char *key;
    json_t *value, *was = view_options(from), *is = view_options(to), *list = json_array();
    json_object_foreach(is, key, value)
    {
        json_t *former = json_object_get(was, key);
        if (!json_equal(former, value))
            json_array_append_new(
                list, json_pack("{s:s, s:O, s:O}", "option", key, "was", former, "is", value));
    }
    json_decref(was);
    json_decref(is);
    return list;
}

/* One side of them for the audit trail: "batch 1, soak_ms 10000" */
static void tell_side(const json_t *changes, const char *side, struct text *out)
{
    size_t i;
    json_t *change;
    json_array_foreach(changes, i, change)
    {
        char *said = json_dumps(json_object_get(change, side), JSON_ENCODE_ANY);
        text_addf(out, "%s%s %s", i ? ", " : "",
                  json_string_value(json_object_get(change, "option")), said ? said : "?");
        free(said);
    }
}

/* *out_changes: see list_changes; the caller drops it, also after a failure. */
static enum error_code set_options(struct asking *a, const struct rollout *run, json_t *options,
                                   const char *reason, json_t **out_changes, struct error *err)
{
    struct text was = {0}, is = {0};
    struct plan_request q = {.options = run->options};
    enum error_code code = check_live(options, err);
    code = code ? code : take_options(options, &q, err);
    code = code ? code
                : plan_check_limit(run->action, q.options.limit_ms,
                                   coordinator_hold_max_ms(a->desk->brain), err);
    if (code)
        return code;
    if (q.options.batch_percent) {
        struct share share = {.number = q.options.batch_percent, .percent = true};
        uint32_t batch = share_of(share, run->target_count);
        q.options.batch = batch ? batch : 1;
    }
    if (q.window && q.window[0])
        code =
            windows_resolve(coordinator_windows(a->desk->brain), q.window, q.options.window, err);
    else if (q.window)
        q.options.window[0] = '\0';
    if (code)
        return code;
    *out_changes = list_changes(&run->options, &q.options);
    tell_side(*out_changes, "was", &was);
    tell_side(*out_changes, "is", &is);
    if (is.len == 0)
        code = error_set(err, ERR_STATE, "run %llu has these options already",
                         (unsigned long long)run->id);
    code = code ? code
                : coordinator_set(a->desk->brain, a->id, &q.options, text_get(&was), text_get(&is),
                                  a->request->actor, reason, a->view.now_ms, a->view.wall_ms, err);
    text_reset(&was);
    text_reset(&is);
    return code;
}

void desk_set(struct asking *a)
{
    struct error err;
    const char *reason = "";
    json_t *body = NULL, *options = NULL, *changes = NULL;
    const struct field fields[] = {TEXT("reason", &reason), OBJECT("options", &options)};
    const struct rollout *run = coordinator_run_find(a->desk->brain, a->id);
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code && (!run || run_state_ended(run->state)))
        code = error_set(&err, ERR_STATE, "run %llu is not running: it has ended, or never was",
                         (unsigned long long)a->id);
    code = code ? code : set_options(a, run, options, reason, &changes, &err);
    if (code)
        desk_refuse(a, &err);
    else
        desk_answer_set(a, a->id, changes);
    json_decref(changes);
    json_decref(body);
}

/* ---- retry ---- */

/* The same words as the former run, but for what the body says otherwise. */
static struct plan_request request_again(struct asking *a, const struct rollout *parent)
{
    return (struct plan_request){.action = parent->action,
                                 .pool = parent->pool,
                                 .selector = parent->selector,
                                 .reason = "",
                                 .actor = a->request->actor,
                                 .own_server = coordinator_own_server(a->desk->brain),
                                 .windows = coordinator_windows(a->desk->brain),
                                 .hold_max_ms = coordinator_hold_max_ms(a->desk->brain),
                                 .now_ms = a->view.now_ms,
                                 .has_former = desk_has_former,
                                 .former_ctx = a->desk->brain,
                                 .window = parent->options.window,
                                 .waves = parent->options.waves,
                                 .order = parent->options.order_by,
                                 .options = plan_options_again(parent),
                                 .retry = parent};
}

/* The second who asks, or one whose answer got lost, would take the same servers once more. What a
 * retry left is the retry's own to be retried. */
static enum error_code check_first(struct asking *a, uint64_t id, struct error *err)
{
    uint64_t retry = 0, next = 0;
    enum error_code code = store_find_retry(a->desk->store, id, &retry, err);
    uint64_t last = next = retry;
    while (!code && next) { /* ids grow from retry to retry */
        last = next;
        code = store_find_retry(a->desk->store, last, &next, err);
    }
    if (code || !retry)
        return code;
    char by[64] = "";
    if (last != retry)
        text_format(by, sizeof(by), " and what that left last by run %" PRIu64, last);
    const struct rollout *open = coordinator_run_find(a->desk->brain, last);
    if (open && !run_state_ended(open->state))
        return error_set(err, ERR_EXISTS,
                         "run %" PRIu64 " was retried already, by run %" PRIu64
                         "%s, which has not ended: `farmhand run watch %" PRIu64 "`",
                         id, retry, by, last);
    return error_set(err, ERR_EXISTS,
                     "run %" PRIu64 " was retried already, by run %" PRIu64
                     "%s: `farmhand run retry %" PRIu64 "` takes up what that left, if anything",
                     id, retry, by, last);
}

static void retry_run(struct asking *a, const struct rollout *parent)
{
    struct error err;
    bool dry_run = false;
    json_t *body = NULL, *options = NULL;
    struct plan_request q = request_again(a, parent);
    const struct field fields[] = {
        TEXT("reason", &q.reason),
        TEXT("targets", &q.targets),
        BOOL("dry_run", &dry_run),
        OBJECT("options", &options),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code && parent->action == ROLLOUT_HOLD)
        code = error_set(&err, ERR_STATE,
                         "run %llu was a hold: nobody would have the token of another one. Take "
                         "the server again: `farmhand hold run` or `hold acquire`",
                         (unsigned long long)parent->id);
    code = code ? code : check_first(a, parent->id, &err);
    if (!code && options)
        code = take_options(options, &q, &err);
    if (code)
        desk_refuse(a, &err);
    else
        desk_plan_or_begin(a, &q, dry_run);
    json_decref(body);
}

void desk_retry(struct asking *a)
{
    struct error err;
    struct rollout *loaded = NULL;
    const struct rollout *parent = coordinator_run_find(a->desk->brain, a->id);
    if (!parent && store_load_run(a->desk->store, a->id, &loaded, &err))
        desk_refuse(a, &err);
    else
        retry_run(a, parent ? parent : loaded);
    rollout_free(loaded);
}

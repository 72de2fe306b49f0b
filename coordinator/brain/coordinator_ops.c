/* What operators ask of runs, and who is in charge. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

enum error_code check_reason(const char *reason, struct error *err)
{
    if (!reason || !reason[strspn(reason, " \t")]) {
        return error_set(err, ERR_INVALID, "a reason is required: say why this is done");
    }
    if (strlen(reason) > 255 || !wire_text_is_clean(reason)) {
        return error_set(err, ERR_INVALID, "the reason: at most 255 bytes, no control characters");
    }
    return ERR_NONE;
}

enum error_code check_writable(const struct coordinator *c, struct error *err)
{
    if (c->frozen[0]) {
        return error_set(err, ERR_UNAVAILABLE, "frozen: %s", c->frozen);
    }
    if (c->store_trouble[0]) {
        return error_set(err, ERR_UNAVAILABLE,
                         "the store cannot be written, nothing new begins: %s", c->store_trouble);
    }
    return ERR_NONE;
}

/* ---- runs ---- */

static int compare_targets(const void *a, const void *b)
{
    const struct rollout_target *left = *(const struct rollout_target *const *)a,
                                *right = *(const struct rollout_target *const *)b;
    int order = text_compare_nocase(left->server, right->server);
    return order != 0 ? order : text_compare_nocase(left->pool, right->pool);
}

/* The targets in an order in which one is found; to be freed. */
static const struct rollout_target **sort_targets(const struct rollout *run)
{
    const struct rollout_target **sorted = must_alloc(run->target_count + 1, sizeof *sorted);
    for (size_t i = 0; i < run->target_count; i++) {
        sorted[i] = &run->targets[i];
    }
    qsort(sorted, run->target_count, sizeof *sorted, compare_targets);
    return sorted;
}

static const struct rollout_target *find_held(const struct rollout *r,
                                              const struct rollout_target **fresh, size_t count)
{
    for (size_t i = 0; !run_state_ended(r->state) && i < r->target_count; i++) {
        const struct rollout_target *t = &r->targets[i];
        if (!target_state_ended(t->state) &&
            bsearch(&t, fresh, count, sizeof *fresh, compare_targets)) {
            return t;
        }
    }
    return NULL;
}

static enum error_code check_overlap(const struct coordinator *c, const struct rollout *fresh,
                                     struct error *err)
{
    const struct rollout_target **sorted = sort_targets(fresh), *held = NULL;
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < c->run_count && !held; i++) {
        const struct rollout *r = c->runs[i];
        held = find_held(r, sorted, fresh->target_count);
        if (held) {
            code = error_set(err, ERR_EXISTS,
                             "run %llu holds %s (pool %s, by %s: %.120s); wait for it, or "
                             "`farmhand run abort %llu`",
                             (unsigned long long)r->id, held->server, held->pool, r->actor,
                             r->reason, (unsigned long long)r->id);
        }
    }
    free(sorted);
    return code;
}

/* What asked for it, in the same transaction. */
static enum error_code insert_with(struct coordinator *c, const struct rollout *run,
                                   struct remedy_change *with, struct error *err)
{
    if (!with) {
        return ERR_NONE;
    }
    with->incident.run = run->id;
    enum error_code code = remedies_write(c, with, err);
    if (code == ERR_NONE && text_equal(with->incident.kind, INCIDENT_KILL)) {
        code = evidence_tell_kept(c, &with->incident, err);
    }
    return code != ERR_NONE ? code : events_write(c, err);
}

static const char *autostart_wish(const struct rollout *run)
{
    if (run->options.keep_autostart)
        return ", autoStart stays";
    if (run->action == ROLLOUT_STOP)
        return ", autoStart=no";
    return run->action == ROLLOUT_START ? ", autoStart=yes" : "";
}

/* What the pools are like before the run, and what it is to make of them: each target's own end
 * stands in the run's story. */
static enum error_code write_begun(struct coordinator *c, const struct rollout *run,
                                   const char *object, struct error *err)
{
    char action[64], before[AUDIT_WORDS_MAX], after[AUDIT_WORDS_MAX];
    text_format(action, sizeof action, "%s%s", run->pool[0] ? "pool." : "",
                rollout_action_name(run->action));
    text_format(after, sizeof after, "run %llu is to: %s%s%s, on %zu target%s (%.200s)%s",
                (unsigned long long)run->id, rollout_action_name(run->action),
                run->pool[0] ? " pool " : "", run->pool, run->target_count,
                run->target_count == 1 ? "" : "s", run->selector, autostart_wish(run));
    if (!audit_of_pools(before, c->fleet, run)[0]) { /* whole servers */
        audit_of_servers(before, c->fleet, run, c->wall_ms);
    }
    const struct audit_row said = {.wall_ms = c->wall_ms,
                                   .actor = run->actor,
                                   .action = action,
                                   .object = object,
                                   .reason = run->reason,
                                   .before = before,
                                   .after = after};
    return store_add_audit(c->spec.store, &said, err);
}

static enum error_code insert_run(struct coordinator *c, struct rollout *run, const char *shown,
                                  struct remedy_change *with, struct error *err)
{
    struct store *s = c->spec.store;
    const struct waiting before = events_waiting(c);
    enum error_code code = store_begin(s, err);
    code = code != ERR_NONE ? code : store_insert_run(s, run, err);
    code = code != ERR_NONE ? code : insert_with(c, run, with, err);
    code = code != ERR_NONE || !shown ? code : store_save_plan(s, run->id, shown, err);
    char object[WIRE_NAME_MAX + 64], text[900];
    text_format(object, sizeof object, "run %llu", (unsigned long long)run->id);
    char retry[48] = "";
    if (run->parent) {
        text_format(retry, sizeof retry, ", a retry of run %llu", (unsigned long long)run->parent);
    }
    text_format(text, sizeof text, "%s %s%s%s on %zu server%s (%s%s): %s", run->actor,
                rollout_action_name(run->action), run->pool[0] ? " pool " : "", run->pool,
                run->target_count, run->target_count == 1 ? "" : "s", run->selector, retry,
                run->reason);
    code = code != ERR_NONE ? code : write_begun(c, run, object, err);
    struct event event = {.wall_ms = c->wall_ms,
                          .kind = "run.created",
                          .run = run->id,
                          .pool = run->pool,
                          .actor = run->actor,
                          .text = text};
    struct event asks = {.wall_ms = c->wall_ms,
                         .kind = "run.approval",
                         .run = run->id,
                         .pool = run->pool,
                         .actor = run->actor,
                         .text = run->why};
    bool waits = (run->pause_causes & PAUSE_APPROVAL) != 0;
    code = code != ERR_NONE ? code : store_add_event(s, &event, err);
    code = code != ERR_NONE || !waits ? code : store_add_event(s, &asks, err);
    code = code != ERR_NONE ? code : store_commit(s, err);
    if (code != ERR_NONE) {
        store_rollback(s);
        events_undo(c, &before);
        return code;
    }
    if (with) {
        events_told(c);
        remedies_install(c, with);
    }
    c->spec.ports.event(c->spec.ports.ctx, &event);
    if (waits) {
        c->spec.ports.event(c->spec.ports.ctx, &asks);
    }
    return ERR_NONE;
}

bool knows_former(const void *coordinator, const char *server, const char *pool)
{
    return former_of(coordinator, server, pool) != NULL;
}

enum error_code coordinator_start_run(struct coordinator *c, const struct plan_request *request,
                                      uint64_t now_ms, int64_t wall_ms, uint64_t *out_id,
                                      struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    return runs_begin(c, request, NULL, out_id, err);
}

enum error_code runs_begin(struct coordinator *c, const struct plan_request *request,
                           struct remedy_change *with, uint64_t *out_id, struct error *err)
{
    enum error_code code = check_writable(c, err);
    if (code == ERR_NONE && coordinator_settling(c, c->now_ms)) {
        code = error_set(err, ERR_UNAVAILABLE,
                         "the coordinator has just started and is still hearing from its agents: "
                         "try again in a few seconds");
    }
    struct rollout *run = NULL;
    struct plan_request q = *request;
    q.now_ms = c->now_ms;
    q.has_former = knows_former;
    q.former_ctx = c;
    code = code != ERR_NONE ? code : plan_make(&q, c->fleet, c->wall_ms, &run, err);
    code = code != ERR_NONE ? code : check_overlap(c, run, err);
    struct remedy_change kill;
    bool by_hand = code == ERR_NONE && run->action == ROLLOUT_WORKER_KILL && !with;
    if (by_hand) {
        kill = evidence_of_kill(c, run, request->dump);
        with = &kill;
    }
    if (code == ERR_NONE) {
        code = insert_run(c, run, request->shown, with, err);
        if (code != ERR_NONE) {
            store_failed(c, err);
        }
    }
    if (code != ERR_NONE) {
        rollout_free(run);
        return code;
    }
    c->runs = must_realloc(c->runs, c->run_count + 1, sizeof(struct rollout *));
    c->runs[c->run_count++] = run;
    *out_id = run->id;
    log_info("run_created", LOG_UINT("run", run->id), LOG_TEXT("actor", run->actor),
             LOG_TEXT("action", rollout_action_name(run->action)), LOG_TEXT("pool", run->pool),
             LOG_UINT("targets", run->target_count), LOG_TEXT("reason", run->reason));
    if (by_hand) {
        evidence_await(c, &kill);
    }
    runs_drive(c);
    return ERR_NONE;
}

static enum error_code find_open(const struct coordinator *c, uint64_t id, struct rollout **out,
                                 struct error *err)
{
    *out = runs_find(c, id);
    if (*out && !run_state_ended((*out)->state)) {
        return ERR_NONE;
    }
    return error_set(err, ERR_STATE, "run %llu is not running: it has ended, or never was",
                     (unsigned long long)id);
}

/* A person's word, in the open transaction: audit row and event. */
static enum error_code write_word(struct coordinator *c, const struct audit_row *said,
                                  struct event *event, struct error *err)
{
    enum error_code code = store_add_audit(c->spec.store, said, err);
    return code != ERR_NONE ? code : store_add_event(c->spec.store, event, err);
}

static enum error_code end_word(struct coordinator *c, enum error_code code,
                                const struct event *event, struct error *err)
{
    code = code != ERR_NONE ? code : store_commit(c->spec.store, err);
    if (code != ERR_NONE) {
        store_rollback(c->spec.store);
        store_failed(c, err);
        return code;
    }
    c->spec.ports.event(c->spec.ports.ctx, event);
    return ERR_NONE;
}

/* ---- the one in charge ---- */

static enum error_code save_takeover(struct coordinator *c, const struct fence *fence,
                                     const char *actor, const char *reason, struct error *err)
{
    char object[64], text[900], before[AUDIT_WORDS_MAX], after[AUDIT_WORDS_MAX];
    text_format(object, sizeof object, "fence %llu", (unsigned long long)fence->number);
    text_format(before, sizeof before, "fence %llu, frozen: %s",
                (unsigned long long)c->spec.fence.number, c->frozen);
    text_format(after, sizeof after, "%s, in charge", object);
    const struct audit_row said = {.wall_ms = c->wall_ms,
                                   .actor = actor,
                                   .action = "takeover",
                                   .object = object,
                                   .reason = reason,
                                   .before = before,
                                   .after = after};
    text_format(text, sizeof text, "%s: takeover, %s: %s", actor, object, reason);
    struct event event = {.wall_ms = c->wall_ms, .kind = "audit", .actor = actor, .text = text};
    enum error_code code = store_begin(c->spec.store, err);
    code = code != ERR_NONE ? code : store_write_fence(c->spec.store, fence, c->wall_ms, err);
    const struct store_freeze over = {0};
    code = code != ERR_NONE ? code : store_save_freeze(c->spec.store, &over, err);
    code = code != ERR_NONE ? code : write_word(c, &said, &event, err);
    return end_word(c, code, &event, err);
}

enum error_code coordinator_takeover(struct coordinator *c, const char *actor, const char *reason,
                                     uint64_t now_ms, int64_t wall_ms, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    enum error_code code = check_reason(reason, err);
    if (code == ERR_NONE && !c->frozen[0]) {
        code = error_set(err, ERR_STATE,
                         "this coordinator is in charge already: there is nothing to take over");
    }
    if (code == ERR_NONE && c->store_trouble[0]) {
        code = error_set(err, ERR_UNAVAILABLE, "the store cannot be written: %s", c->store_trouble);
    }
    struct fence fence = c->spec.fence;
    /* Ours may be the higher one: every restart while frozen took a number. */
    fence.number = (fence.number > c->highest_fence ? fence.number : c->highest_fence) + 1;
    code = code != ERR_NONE ? code : save_takeover(c, &fence, actor, reason, err);
    if (code != ERR_NONE) {
        return code;
    }
    log_warn("takeover", LOG_TEXT("actor", actor), LOG_UINT("fence", fence.number));
    c->spec.fence = fence;
    c->frozen[0] = '\0';
    c->freeze_unsaved = false;
    sessions_restart(c);
    c->started_ms = now_ms; /* settles as after a start: another had the farm until now */
    for (size_t i = 0; i < c->run_count; i++) {
        rollout_restart(c->runs[i], now_ms);
    }
    runs_set_pause(c, PAUSE_FENCE, false);
    runs_drive(c);
    return ERR_NONE;
}

/* ---- runs in hand ---- */

static const char *request_name(enum rollout_request what)
{
    switch (what) {
    case REQUEST_PAUSE:
        return "run.pause";
    case REQUEST_RESUME:
        return "run.resume";
    case REQUEST_ABORT:
        return "run.abort";
    }
    return "?";
}

void word_of_run(struct coordinator *c, const struct rollout *r,
                 const struct rollout_change *change, const char *action, const char *actor,
                 const char *reason)
{
    char before[AUDIT_WORDS_MAX], after[AUDIT_WORDS_MAX];
    word_add(c, actor, action, r->id, NULL, reason, audit_of_run(before, r->state, r->pause_causes),
             audit_of_change(after, r, change));
}

enum error_code coordinator_request(struct coordinator *c, uint64_t id, enum rollout_request what,
                                    const char *actor, const char *reason, uint64_t now_ms,
                                    int64_t wall_ms, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct rollout *r;
    enum error_code code = find_open(c, id, &r, err);
    code = code != ERR_NONE ? code : check_reason(reason, err);
    /* Stopping is never refused: with a store that cannot write it holds at least in memory, and it
     * is written, word and deed, when that works again. */
    if (code == ERR_NONE && what == REQUEST_RESUME) {
        code = check_writable(c, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct rollout_view view = runs_view(c);
    struct rollout_change change;
    rollout_on_request(r, what, actor, &view, now_ms, &change);
    word_of_run(c, r, &change, request_name(what), actor, reason);
    runs_apply(c, r, &change);
    runs_drive(c);
    return ERR_NONE;
}

enum error_code coordinator_approve(struct coordinator *c, uint64_t id, const char *actor,
                                    const char *reason, uint64_t now_ms, int64_t wall_ms,
                                    struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct rollout *r;
    const struct coordinator_ports *ports = &c->spec.ports;
    enum error_code code = find_open(c, id, &r, err);
    code = code != ERR_NONE ? code : check_reason(reason, err);
    code = code != ERR_NONE ? code : check_writable(c, err);
    code = code != ERR_NONE
               ? code
               : rollout_may_approve(r, actor, ports->in_group, ports->ctx, wall_ms, err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct waiting before = events_waiting(c);
    struct rollout_change change;
    rollout_approve(r, actor, &change);
    word_of_run(c, r, &change, "run.approve", actor, reason);
    if (!runs_apply(c, r, &change)) {
        events_undo(c, &before);
        return check_writable(c, err);
    }
    runs_drive(c);
    return ERR_NONE;
}

enum error_code coordinator_set(struct coordinator *c, uint64_t id,
                                const struct rollout_options *options, const char *was,
                                const char *is, const char *actor, const char *reason,
                                uint64_t now_ms, int64_t wall_ms, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct rollout *r;
    enum error_code code = find_open(c, id, &r, err);
    code = code != ERR_NONE ? code : check_reason(reason, err);
    code = code != ERR_NONE ? code : check_writable(c, err);
    code = code != ERR_NONE ? code : plan_check_options(options, err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct waiting before = events_waiting(c);
    word_add(c, actor, "run.set", id, NULL, reason, was, is);
    struct rollout_change change;
    rollout_on_set(r, options, &change);
    if (!runs_apply(c, r, &change)) {
        events_undo(c, &before);
        return check_writable(c, err);
    }
    runs_drive(c);
    return ERR_NONE;
}

enum error_code coordinator_resolve(struct coordinator *c, uint64_t id, const char *server,
                                    enum outcome as, const char *actor, const char *reason,
                                    uint64_t now_ms, int64_t wall_ms, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct rollout *r;
    enum error_code code = find_open(c, id, &r, err);
    code = code != ERR_NONE ? code : check_reason(reason, err);
    code = code != ERR_NONE ? code : check_writable(c, err);
    size_t at = 0; /* of its pools one at a time is in hand */
    while (code == ERR_NONE && at < r->target_count &&
           !(text_equal_nocase(r->targets[at].server, server) &&
             r->targets[at].state == TARGET_UNKNOWN)) {
        at++;
    }
    if (code == ERR_NONE && at == r->target_count) {
        code = error_set(err, ERR_STATE, "%s is not unknown in run %llu: nothing to resolve",
                         server, (unsigned long long)id);
    }
    if (code != ERR_NONE) {
        return code;
    }
    const struct waiting before = events_waiting(c);
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    text_format(is, sizeof is, "settled as %s", outcome_name(as));
    word_add(c, actor, "run.resolve", id, r->targets[at].server, reason,
             audit_of_target(was, &r->targets[at]), is);
    struct rollout_view view = runs_view(c);
    struct rollout_change change;
    rollout_resolve(r, at, as, actor, &view, now_ms, &change);
    if (!runs_apply(c, r, &change) && !change.restoring) {
        events_undo(c, &before);
        return check_writable(c, err);
    }
    runs_drive(c);
    return ERR_NONE;
}

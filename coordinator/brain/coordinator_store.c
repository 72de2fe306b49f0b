/* Transactions of the brain, and what is done while the store cannot write. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define STORE_RETRY_MS  1000
#define EVENTS_WAIT_MS  50 /* what reports tell of is written together, so late at most */
#define EVENTS_TOGETHER 500
#define EVENTS_KEPT     4096 /* while the store cannot write; older ones are lost, and said so */

/* ---- events ---- */

static void event_release(struct event *e)
{
    free((char *)e->kind);
    free((char *)e->server);
    free((char *)e->pool);
    free((char *)e->actor);
    free((char *)e->text);
    free((char *)e->from);
    free((char *)e->to);
}

void event_add(struct coordinator *c, const struct event *event)
{
    if (c->event_count >= EVENTS_KEPT) {
        log_warn("event_lost", LOG_TEXT("kind", event->kind), LOG_TEXT("text", event->text));
        return;
    }
    c->events = must_realloc(c->events, c->event_count + 1, sizeof *c->events);
    c->events[c->event_count++] = (struct event){
        .wall_ms = c->wall_ms,
        .kind = must_copy(event->kind),
        .run = event->run,
        .server = must_copy(event->server),
        .pool = must_copy(event->pool),
        .actor = must_copy(event->actor),
        .text = must_copy(event->text),
        .from = must_copy(event->from),
        .to = must_copy(event->to),
    };
}

void word_add(struct coordinator *c, const char *actor, const char *action, uint64_t run,
              const char *server, const char *reason, const char *before, const char *after)
{
    c->words = must_realloc(c->words, c->word_count + 1, sizeof *c->words);
    struct word *w = &c->words[c->word_count++];
    *w = (struct word){.wall_ms = c->wall_ms};
    text_copy(w->origin, sizeof w->origin, store_audit_origin_now(c->spec.store));
    text_copy(w->actor, sizeof w->actor, actor);
    text_copy(w->action, sizeof w->action, action);
    text_copy(w->reason, sizeof w->reason, reason);
    text_copy(w->before, sizeof w->before, before ? before : "");
    text_copy(w->after, sizeof w->after, after ? after : "");
    if (run) {
        text_format(w->object, sizeof w->object, "run %llu%s%s", (unsigned long long)run,
                    server ? " " : "", server ? server : "");
    } else {
        text_copy(w->object, sizeof w->object, server);
    }
    char text[2100];
    bool changed = w->before[0] && w->after[0];
    text_format(text, sizeof text, "%s: %s %s: %s%s%s%s%s%s", actor, action, w->object, reason,
                changed ? " [" : "", changed ? w->before : "", changed ? " -> " : "",
                changed ? w->after : "", changed ? "]" : "");
    const struct event event = {
        .kind = "audit", .run = run, .server = server, .actor = actor, .text = text};
    event_add(c, &event);
}

void coordinator_refused(struct coordinator *c, const char *actor, const char *what,
                         const char *why, uint64_t now_ms, int64_t wall_ms)
{
    turn_begin(c, now_ms, wall_ms);
    word_add(c, actor, "request", 0, what, "it was refused", NULL, NULL);
    struct word *w = &c->words[c->word_count - 1];
    text_format(w->result, sizeof w->result, "refused: %s", why);
    events_flush(c);
}

struct waiting events_waiting(const struct coordinator *c)
{
    return (struct waiting){c->event_count, c->word_count};
}

void events_undo(struct coordinator *c, const struct waiting *since)
{
    while (c->event_count > since->events) {
        event_release(&c->events[--c->event_count]);
    }
    c->word_count = c->word_count < since->words ? c->word_count : since->words;
}

enum error_code events_write(struct coordinator *c, struct error *err)
{
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < c->word_count && code == ERR_NONE; i++) {
        const struct word *w = &c->words[i];
        const struct audit_row said = {.wall_ms = w->wall_ms,
                                       .actor = w->actor,
                                       .origin = w->origin,
                                       .action = w->action,
                                       .object = w->object,
                                       .reason = w->reason,
                                       .before = w->before,
                                       .after = w->after,
                                       .result = w->result[0] ? w->result : NULL};
        code = store_add_audit(c->spec.store, &said, err);
    }
    for (size_t i = 0; i < c->event_count && code == ERR_NONE; i++) {
        code = store_add_event(c->spec.store, &c->events[i], err);
    }
    return code;
}

/* They are durable now: tell those who follow, and forget them. */
void events_told(struct coordinator *c)
{
    for (size_t i = 0; i < c->event_count; i++) {
        c->spec.ports.event(c->spec.ports.ctx, &c->events[i]);
        event_release(&c->events[i]);
    }
    c->event_count = c->word_count = 0;
    c->events_due_ms = 0;
}

enum error_code events_commit(struct coordinator *c, enum error_code code,
                              const struct waiting *since, struct error *err)
{
    code = code != ERR_NONE ? code : events_write(c, err);
    code = code != ERR_NONE ? code : store_commit(c->spec.store, err);
    if (code == ERR_NONE) {
        events_told(c);
        return code;
    }
    store_rollback(c->spec.store);
    if (since) {
        events_undo(c, since);
    }
    store_failed(c, err);
    return code;
}

void coordinator_tell(struct coordinator *c, const struct event *event, uint64_t now_ms,
                      int64_t wall_ms)
{
    turn_begin(c, now_ms, wall_ms);
    event_add(c, event);
    events_flush(c);
}

void events_soon(struct coordinator *c)
{
    if (c->event_count >= EVENTS_TOGETHER) {
        events_flush(c);
    } else if (c->event_count && !c->events_due_ms) {
        c->events_due_ms = c->now_ms + EVENTS_WAIT_MS;
    }
}

void events_flush(struct coordinator *c)
{
    if (c->event_count + c->word_count == 0) {
        c->events_due_ms = 0;
        return;
    }
    if (c->store_trouble[0]) {
        return;
    }
    struct error err;
    events_commit(c, store_begin(c->spec.store, &err), NULL, &err);
}

void events_forget(struct coordinator *c)
{
    for (size_t i = 0; i < c->event_count; i++) {
        event_release(&c->events[i]);
    }
    free(c->events);
    free(c->words);
    c->events = NULL;
    c->words = NULL;
    c->event_count = c->word_count = 0;
}

void event_live(struct coordinator *c, const struct event *event)
{
    struct event live = *event;
    live.wall_ms = c->wall_ms;
    c->spec.ports.event(c->spec.ports.ctx, &live);
}

void fleet_told(void *coordinator, const struct fleet_change *change)
{
    struct coordinator *c = coordinator;
    const struct event event = {.kind = change->kind,
                                .server = change->server,
                                .pool = change->pool,
                                .text = change->text,
                                .from = change->from,
                                .to = change->to};
    event_add(c, &event);
}

/* ---- trouble ---- */

enum error_code write_server(struct coordinator *c, const struct fleet_server *s, struct error *err)
{
    struct store_server row = {.incarnation = s->incarnation,
                               .first_seen_wall_ms = c->wall_ms,
                               .declared_out_until_ms = s->declared_out_until_ms};
    text_copy(row.name, sizeof row.name, s->name);
    text_copy(row.declared_out_reason, sizeof row.declared_out_reason, s->declared_out_reason);
    text_copy(row.declared_out_by, sizeof row.declared_out_by, s->declared_out_by);
    text_copy(row.blocked_why, sizeof row.blocked_why, s->blocked_why);
    return store_save_server(c->spec.store, &row, err);
}

void store_failed(struct coordinator *c, const struct error *err)
{
    bool first = !c->store_trouble[0];
    text_format(c->store_trouble, sizeof c->store_trouble, "%.250s", err->text);
    if (first) { /* what is asked meanwhile does not put off the next try */
        c->store_retry_ms = c->now_ms + STORE_RETRY_MS;
        log_error("store_trouble", LOG_TEXT("error", err->text),
                  LOG_TEXT("effect", "no new disruptive step begins; what was begun is finished"));
    }
}

void note_unsaved(struct coordinator *c, const struct rollout *r,
                  const struct rollout_change *change)
{
    c->unsaved = true;
    story_keep(c, r, change);
    kept_mirror(c, r, change, false);
    former_mirror(c, r, change, false);
    const struct rollout_target *was = &r->targets[change->target_index];
    if (!change->target_changed || !was->holds || change->target.holds) {
        return;
    }
    size_t n = c->unsaved_drop_count;
    c->unsaved_drops = must_realloc(c->unsaved_drops, n + 1, sizeof *c->unsaved_drops);
    c->unsaved_drops[n] = (struct lease){0};
    text_copy(c->unsaved_drops[n].server, WIRE_NAME_MAX, was->server);
    text_copy(c->unsaved_drops[n].pool, WIRE_NAME_MAX, was->pool);
    const struct lease *whole = was->pool[0] ? lease_exact(c, was->server, "") : NULL;
    if (whole) { /* it was lent: see lent_by */
        c->unsaved_drops[n] = *whole;
    }
    c->unsaved_drop_count++;
}

static enum error_code write_whole_run(struct coordinator *c, const struct rollout *r,
                                       struct error *err)
{
    enum error_code code = store_save_run(c->spec.store, r, err);
    for (size_t i = 0; i < r->target_count && code == ERR_NONE; i++) {
        code = store_save_target(c->spec.store, r->id, &r->targets[i], err);
    }
    return code;
}

/* Everything that was installed without being saved, in one transaction. */
static enum error_code write_unsaved(struct coordinator *c, struct error *err)
{
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < c->run_count && code == ERR_NONE; i++) {
        code = write_whole_run(c, c->runs[i], err);
    }
    for (size_t i = 0; i < c->unsaved_drop_count && code == ERR_NONE; i++) {
        const struct lease *l = &c->unsaved_drops[i];
        code = l->owner_id
                   ? store_move_lease(c->spec.store, l->server, l->pool, l->owner, l->owner_id, err)
                   : store_drop_lease(c->spec.store, l->server, l->pool, err);
    }
    code = code != ERR_NONE ? code : story_write_kept(c, err);
    code = code != ERR_NONE ? code : kept_write_unsaved(c, err);
    code = code != ERR_NONE ? code : formers_write_unsaved(c, err);
    return code != ERR_NONE ? code : events_write(c, err);
}

void store_try_again(struct coordinator *c)
{
    if (!c->store_trouble[0] || c->now_ms < c->store_retry_ms) {
        return;
    }
    c->store_retry_ms = c->now_ms + STORE_RETRY_MS;
    struct error err;
    if (store_probe(c->spec.store, &err) != ERR_NONE ||
        store_begin(c->spec.store, &err) != ERR_NONE || write_unsaved(c, &err) != ERR_NONE ||
        store_commit(c->spec.store, &err) != ERR_NONE) {
        store_rollback(c->spec.store);
        text_format(c->store_trouble, sizeof c->store_trouble, "%.250s", err.text);
        return;
    }
    c->store_trouble[0] = '\0';
    c->unsaved = false;
    c->unsaved_drop_count = 0;
    story_kept(c);
    kept_saved(c);
    formers_saved(c);
    log_info("store_again", LOG_TEXT("effect", "runs go on"));
    events_told(c);
}

/* ---- one change of a run ---- */

static enum error_code write_commands(struct coordinator *c, const struct rollout *r,
                                      const struct rollout_change *change, struct error *err)
{
    if (!change->target_changed) {
        return ERR_NONE;
    }
    const struct rollout_target *t = &change->target;
    const struct rollout_target *was = &r->targets[change->target_index];
    bool act_ended = (was->state == TARGET_ACTING || was->state == TARGET_UNKNOWN) &&
                     t->state == TARGET_GATING && was->command.seq;
    if (act_ended) {
        enum error_code code =
            store_end_command(c->spec.store, was->server, &was->command, t->outcome, err);
        if (code != ERR_NONE && code != ERR_NOT_FOUND) {
            return code;
        }
    }
    for (size_t i = 0; i < change->effect_count; i++) {
        if (change->effects[i].kind != EFFECT_COMMAND) {
            continue;
        }
        struct store_command command = {.id = t->command,
                                        .verb = change->effects[i].verb,
                                        .run = r->id,
                                        .target_order = t->order,
                                        .sent_wall_ms = c->wall_ms};
        text_copy(command.server, sizeof command.server, t->server);
        text_copy(command.pool, sizeof command.pool, t->pool);
        return store_insert_command(c->spec.store, &command, err);
    }
    return ERR_NONE;
}

static void add_target_events(struct coordinator *c, const struct rollout *r,
                              const struct rollout_change *change)
{
    const struct rollout_target *t = &change->target;
    if (change->target_changed && change->from != t->state) {
        const char *more = t->detail[0] && target_state_ended(t->state) ? t->detail : t->step;
        const struct event event = {.kind = "target.state",
                                    .run = r->id,
                                    .server = t->server,
                                    .pool = t->pool,
                                    .text = more[0] ? more : target_state_name(t->state),
                                    .from = target_state_name(change->from),
                                    .to = target_state_name(t->state)};
        event_add(c, &event);
    }
    if (change->target_changed && change->from == TARGET_ACTING && t->state == TARGET_UNKNOWN &&
        rollout_action_by_others(r->action)) {
        const struct event event = {.kind = "hold.expired",
                                    .run = r->id,
                                    .server = t->server,
                                    .actor = r->actor,
                                    .text = change->why};
        event_add(c, &event);
    }
}

static void add_run_events(struct coordinator *c, const struct rollout *r,
                           const struct rollout_change *change)
{
    if (change->wave != r->wave || (change->wave_over && !r->wave_over)) {
        const struct event event = {.kind = "run.wave",
                                    .run = r->id,
                                    .pool = r->pool,
                                    .text = change->why,
                                    .to = r->wave_over ? "begun" : "ended"};
        event_add(c, &event);
    }
    bool paused = change->pause_causes != 0, was_paused = r->pause_causes != 0;
    if (change->run_state == r->state && change->pause_causes == r->pause_causes) {
        return;
    }
    bool ended = run_state_ended(change->run_state);
    const char *word =
        paused && change->run_state == RUN_RUNNING ? "paused" : run_state_name(change->run_state);
    struct text said = {0};
    text_add(&said, word);
    for (unsigned bit = 0; paused && !ended && bit < 32; bit++) {
        if (change->pause_causes & (1U << bit)) {
            text_addf(&said, "%s %s", said.len > strlen(word) ? "," : ":",
                      pause_cause_name((enum pause_cause)(1U << bit)));
        }
    }
    const struct event event = {
        .kind = ended ? "run.ended" : "run.state",
        .run = r->id,
        .pool = r->pool,
        .text = change->why[0] ? change->why : text_get(&said),
        .from = was_paused && r->state == RUN_RUNNING ? "paused" : run_state_name(r->state),
        .to = word};
    event_add(c, &event);
    text_reset(&said);
}

/* The run's new header, as a row; targets are not looked at. */
static enum error_code write_header(struct coordinator *c, const struct rollout *r,
                                    const struct rollout_change *change, struct error *err)
{
    struct rollout header = *r;
    header.state = change->run_state;
    header.pause_causes = change->pause_causes;
    memcpy(header.troubles, change->troubles, sizeof header.troubles);
    memcpy(header.troubles_in_wave, change->troubles_in_wave, sizeof header.troubles_in_wave);
    header.options = change->options_changed ? change->options : r->options;
    header.wave = change->wave;
    header.wave_over = change->wave_over;
    text_copy(header.why, sizeof header.why, change->why);
    header.ended_wall_ms = run_state_ended(change->run_state) ? c->wall_ms : 0;
    return store_save_run(c->spec.store, &header, err);
}

static enum error_code write_change(struct coordinator *c, const struct rollout *r,
                                    const struct rollout_change *change, struct leasing *l,
                                    struct error *err)
{
    enum error_code code = ERR_NONE;
    if (change->target_changed) {
        code = write_leasing(c, r, &change->target, l, err);
        code = code != ERR_NONE || !change->target_saved
                   ? code
                   : store_save_target(c->spec.store, r->id, &change->target, err);
        code = code != ERR_NONE ? code : write_commands(c, r, change, err);
        code = code != ERR_NONE || !change->target_saved ? code : story_write(c, r, change, err);
        code = code != ERR_NONE ? code : kept_write(c, r, change, err);
        code = code != ERR_NONE ? code : former_write(c, r, change, err);
    }
    if (code == ERR_NONE && change->run_changed) {
        code = write_header(c, r, change, err);
    }
    return code != ERR_NONE ? code : events_write(c, err);
}

/* Incidents that this change opens, or takes over to solve. */
static void add_incident_events(struct coordinator *c, const struct rollout *r,
                                const struct rollout_change *change, const struct leasing *l)
{
    const struct rollout_target *t = &change->target;
    struct event event = {.run = r->id, .server = t->server, .pool = r->pool, .actor = r->actor};
    struct incident own;
    for (size_t k = 0; k < l->inherited_count; k++) {
        char text[ROLLOUT_STEP_MAX + 64];
        text_format(text, sizeof text,
                    "incident %llu is taken over by run %llu, which puts it back",
                    (unsigned long long)l->inherited[k], (unsigned long long)r->id);
        event.kind = "incident.closed";
        event.text = text;
        const struct incident *n = incident_by_id(c, l->inherited[k]);
        if (n->phase == INCIDENT_LEFT && (t->pool[0] || !n->pool[0])) {
            event_add(c, &event);
        }
    }
    for (uint32_t k = 0; l->settles && k < t->taken_count; k++) {
        const struct incident *n = incident_by_id(c, t->taken[k]);
        char text[WIRE_NAME_MAX + 96];
        if (n->phase != INCIDENT_LEFT || !rollout_solved(t, k)) {
            continue;
        }
        text_format(text, sizeof text, "incident %llu is over: pool %s proved in run %llu",
                    (unsigned long long)n->id, n->pool, (unsigned long long)r->id);
        struct event over = {.kind = "incident.closed",
                             .run = r->id,
                             .server = n->server,
                             .pool = n->pool,
                             .actor = r->actor,
                             .text = text};
        event_add(c, &over);
    }
    if (l->to_incident && !find_own(c, r, &own)) {
        event.kind = "incident.opened";
        event.text = t->detail;
        event_add(c, &event);
    }
}

bool save_change(struct coordinator *c, struct rollout *r, struct rollout_change *change)
{
    struct error err;
    struct leasing l = plan_leasing(c, r, change);
    const struct waiting before = events_waiting(c);
    add_target_events(c, r, change);
    add_run_events(c, r, change);
    add_incident_events(c, r, change, &l);
    enum error_code code = c->store_trouble[0] ? error_set(&err, ERR_IO, "%s", c->store_trouble)
                                               : store_begin(c->spec.store, &err);
    code = code != ERR_NONE ? code : write_change(c, r, change, &l, &err);
    code = code != ERR_NONE ? code : store_commit(c->spec.store, &err);
    bool kept_anyway = change->restoring && !l.incident && !l.settles;
    if (code == ERR_NONE) {
        mirror_leasing(c, r, &change->target, &l);
        kept_mirror(c, r, change, true);
        former_mirror(c, r, change, true);
        events_told(c);
        return true;
    }
    store_rollback(c->spec.store);
    if (!kept_anyway) {
        events_undo(c, &before);
    }
    if (kept_anyway && (l.drop || l.give_back)) {
        mirror_leasing(c, r, &change->target, &l);
    }
    store_failed(c, &err);
    return false;
}

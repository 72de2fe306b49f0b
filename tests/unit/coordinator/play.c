#include "tests/unit/coordinator/play.h"

#include "common/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY_MS 20

static void line(struct play *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(struct play *p, const char *fmt, ...)
{
    text_addf(&p->transcript, "%5.1fs ", (double)p->now_ms / 1000);
    va_list args;
    va_start(args, fmt);
    text_vaddf(&p->transcript, fmt, args);
    va_end(args);
    text_add(&p->transcript, "\n");
}

static struct play_server *find(struct play *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->servers[i].name, name) == 0) {
            return &p->servers[i];
        }
    }
    return NULL;
}

static enum presence presence(void *ctx, const char *server, char *why, size_t size)
{
    struct play_server *s = find(ctx, server);
    text_copy(why, size, presence_name(s->presence));
    return s->presence;
}

static size_t count_held(const struct rollout *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->target_count; i++) {
        count += r->targets[i].holds;
    }
    return count;
}

static bool may_take(void *ctx, const struct rollout *r, const struct rollout_target *t, char *why,
                     size_t size)
{
    struct play *p = ctx;
    struct play_server *s = find(p, t->server);
    bool full = p->room && count_held(r) >= p->room;
    text_copy(why, size,
              s->blocked ? "held by run 9"
              : full     ? "the budget is used"
                         : "the store cannot be written");
    return !s->blocked && !full && !p->refuse_saves;
}

static bool room_beside(void *ctx, const struct rollout *r, const struct rollout_target *t,
                        const size_t *ahead, size_t count)
{
    (void)t;
    (void)ahead;
    const struct play *p = ctx;
    return !p->room || count_held(r) + count < p->room;
}

static bool closed(void *ctx, const struct rollout *r, char *why, size_t size)
{
    (void)r;
    text_copy(why, size, "outside the window: it opens at ten");
    return ((struct play *)ctx)->closed;
}

static bool hands_off(void *ctx, const char *server, char *why, size_t size)
{
    text_copy(why, size, "in maintenance: patching");
    return find(ctx, server)->maintained;
}

static bool boot(void *ctx, const char *server, struct wire_id *out)
{
    *out = (struct wire_id){{find(ctx, server)->boot}};
    return out->bytes[0] != 0;
}

static struct rollout_view view(struct play *p)
{
    return (struct rollout_view){.ctx = p,
                                 .presence = presence,
                                 .may_take = may_take,
                                 .room_beside = room_beside,
                                 .closed = closed,
                                 .hands_off = hands_off,
                                 .boot = boot,
                                 .settling = p->settling,
                                 .wall_ms = (int64_t)p->now_ms + 1 + p->wall_jump_ms};
}

static void mail(struct play *p, struct play_letter letter, uint64_t in_ms)
{
    for (size_t i = 0; i < PLAY_MAIL; i++) {
        if (!p->mail[i].used) {
            letter.used = true;
            letter.at_ms = p->now_ms + in_ms;
            p->mail[i] = letter;
            return;
        }
    }
    fail_msg("too much mail");
}

/* ---- effects happen to the invented world ---- */

static void act(struct play *p, size_t i, const struct rollout_target *t)
{
    struct play_server *s = &p->servers[i];
    if (s->dead || s->deaf) {
        return;
    }
    s->acts++;
    s->act_while_serving = s->act_while_serving || (s->behind && s->admin == BALANCER_READY);
    s->journal_has = true;
    if (s->act_outcome == OUTCOME_DONE && p->run->action == ROLLOUT_STOP) {
        s->pool = POOL_STATE_STOPPED;
        s->auto_start = false;
        s->workers = 0;
        s->up = false;
    } else if (s->act_outcome == OUTCOME_DONE && rollout_action_stops(p->run->action)) {
        s->services_down = true;
        s->up = false;
    } else if (s->act_outcome == OUTCOME_DONE) {
        s->services_down = false;
        s->pool = POOL_STATE_STARTED;
        s->generation++;
        s->workers = s->workers ? s->workers : 1;
        s->probe_status = s->probe_after ? s->probe_after : 200;
    }
    mail(p,
         (struct play_letter){.server = i, .kind = 3, .outcome = s->act_outcome, .id = t->command},
         s->act_ms);
}

static void balance(struct play *p, size_t i, const struct rollout_effect *e)
{
    struct play_server *s = &p->servers[i];
    if (!p->balancer_broken && e->op == BALANCER_OP_DRAIN) {
        s->admin = BALANCER_DRAIN;
        s->drains++;
    } else if (!p->balancer_broken && e->op == BALANCER_OP_READY) {
        s->admin = BALANCER_READY;
        s->readies++;
    }
    mail(p, (struct play_letter){.server = i, .kind = 2, .ticket = e->ticket, .op = e->op},
         LATENCY_MS);
}

static void perform(struct play *p, const struct rollout_change *c)
{
    for (size_t k = 0; k < c->effect_count; k++) {
        const struct rollout_effect *e = &c->effects[k];
        struct play_server *s = &p->servers[c->target_index];
        switch (e->kind) {
        case EFFECT_OBSERVE:
            if (!s->dead) {
                mail(p,
                     (struct play_letter){.server = c->target_index,
                                          .kind = 1,
                                          .ticket = e->ticket,
                                          .probe = e->probe},
                     s->answers_ms ? s->answers_ms : LATENCY_MS);
            }
            break;
        case EFFECT_QUERY:
            if (!s->dead) {
                mail(p,
                     (struct play_letter){.server = c->target_index,
                                          .kind = 3,
                                          .id = c->target.command,
                                          .outcome =
                                              s->journal_has ? s->act_outcome : OUTCOME_UNHEARD},
                     LATENCY_MS);
            }
            break;
        case EFFECT_COMMAND:
            act(p, c->target_index, &c->target);
            break;
        case EFFECT_BALANCER:
            balance(p, c->target_index, e);
            break;
        case EFFECT_INCIDENT:
            line(p, "%s incident: %s", s->name, c->target.detail);
            break;
        case EFFECT_NONE:
            fail_msg("an effect of no kind");
        }
    }
}

/* What a turn looks at is exactly what is in hand, and nothing before `open_from` is open. */
static void expect_listed(const struct rollout *r)
{
    size_t listed = 0, open = r->target_count;
    for (size_t i = 0; i < r->target_count; i++) {
        if (r->targets[i].state != TARGET_WAITING && !target_state_ended(r->targets[i].state)) {
            assert_true(listed < r->in_hand_count && r->in_hand[listed++] == i);
        }
        if (open == r->target_count && !target_state_ended(r->targets[i].state)) {
            open = i;
        }
    }
    assert_int_equal(listed, r->in_hand_count);
    assert_int_equal(open, r->open_from);
}

/* Save, install, perform: what the brain does. */
static void take(struct play *p, struct rollout_change *c)
{
    if (!c->any) {
        return;
    }
    must(!(c->disruptive && c->restoring));
    for (size_t k = 0; k < c->effect_count; k++) {
        if (c->effects[k].kind == EFFECT_COMMAND) {
            c->target.command = (struct command_id){.fence = {.number = 1}, .seq = p->next_seq++};
        }
        bool acts =
            c->effects[k].kind == EFFECT_COMMAND && !rollout_action_restores(p->run->action);
        assert_true(!acts || (c->disruptive && c->target_saved)); /* save, then send */
    }
    if (p->refuse_saves && !c->restoring) {
        rollout_throw_away(p->run, c);
        return;
    }
    p->saves += c->target_saved || c->run_changed;
    if (c->target_changed && c->from != c->target.state) {
        line(p, "%s %s -> %s%s%s", c->target.server, target_state_name(c->from),
             target_state_name(c->target.state), c->target.detail[0] ? ": " : "", c->target.detail);
    }
    if (c->run_state != p->run->state || c->pause_causes != p->run->pause_causes) {
        line(p, "run %s%s%s", c->pause_causes ? "paused" : run_state_name(c->run_state),
             c->why[0] ? ": " : "", c->why);
    }
    rollout_install(p->run, c);
    expect_listed(p->run);
    perform(p, c);
}

/* ---- answers come back ---- */

static void deliver_observation(struct play *p, const struct play_letter *l)
{
    const struct play_server *s = &p->servers[l->server];
    struct worker workers[8];
    for (uint32_t i = 0; i < s->workers; i++) {
        workers[i] = (struct worker){.pool = "Shop",
                                     .pid = s->generation * 10 + i,
                                     .created = s->generation,
                                     .memory_bytes = s->memory_bytes};
    }
    struct observation seen = {.detail = "",
                               .pool = {.name = "Shop",
                                        .state = s->pool,
                                        .auto_start = s->auto_start,
                                        .queued = s->queued},
                               .workers = workers,
                               .worker_count = s->workers,
                               .rejected_known = !s->no_figures,
                               .rejected = s->rejected,
                               .services_up = !s->services_down,
                               .probed = l->probe && s->pool == POOL_STATE_STARTED,
                               .probe_passed = s->probe_status == 200,
                               .probe_status = s->probe_status,
                               .probe_ms = s->probe_ms};
    struct rollout_view v = view(p);
    struct rollout_change c;
    rollout_on_observation(p->run, l->server, l->ticket, &seen, &v, p->now_ms, &c);
    take(p, &c);
}

static void deliver_balancer(struct play *p, const struct play_letter *l)
{
    struct play_server *s = &p->servers[l->server];
    struct balancer_answer a = {.ticket = l->ticket, .op = l->op, .entry_count = s->behind};
    if (p->balancer_broken) {
        a.code = ERR_UNREACHABLE;
        text_copy(a.text, sizeof a.text, "its socket is gone");
    }
    a.entries[0] = (struct balancer_entry){.balancer = "lb",
                                           .backend = "shop",
                                           .admin = s->admin,
                                           .up = s->up,
                                           .sessions = s->sessions,
                                           .others_serving = s->others};
    text_copy(a.entries[0].name, sizeof a.entries[0].name, s->name);
    if (s->other_differs) {
        a.entries[a.entry_count] = a.entries[0];
        text_copy(a.entries[a.entry_count].balancer, BALANCER_NAME_MAX, "lb2");
        a.entries[a.entry_count++].admin =
            s->admin == BALANCER_READY ? BALANCER_DRAIN : BALANCER_READY;
    }
    if (s->admin == BALANCER_DRAIN && s->sessions && s->sessions < 1000) {
        s->sessions--;
    }
    struct rollout_view v = view(p);
    struct rollout_change c;
    rollout_on_balancer(p->run, l->server, &a, &v, p->now_ms, &c);
    take(p, &c);
}

static void deliver_result(struct play *p, const struct play_letter *l)
{
    const struct play_server *s = &p->servers[l->server];
    struct result result = {
        .id = l->id, .pool = "Shop", .outcome = l->outcome, .cause = s->act_cause, .detail = ""};
    struct rollout_view v = view(p);
    struct rollout_change c;
    rollout_on_result(p->run, l->server, &result, &v, p->now_ms, &c);
    take(p, &c);
}

static void deliver_due(struct play *p)
{
    for (size_t i = 0; i < PLAY_MAIL; i++) {
        struct play_letter l = p->mail[i];
        if (!l.used || l.at_ms > p->now_ms) {
            continue;
        }
        p->mail[i].used = false;
        if (p->servers[l.server].dead && l.kind != 2) {
            continue; /* it died before it could answer */
        }
        if (l.kind == 1) {
            deliver_observation(p, &l);
        } else if (l.kind == 2) {
            deliver_balancer(p, &l);
        } else {
            deliver_result(p, &l);
        }
    }
}

static void turn(struct play *p)
{
    deliver_due(p);
    for (int n = 0;; n++) {
        assert_true(n < 1000); /* a loop of its own making */
        struct rollout_view v = view(p);
        struct rollout_change c;
        rollout_next(p->run, &v, p->now_ms, &c);
        if (!c.any || (p->refuse_saves && !c.restoring)) {
            return;
        }
        take(p, &c);
    }
}

void play_begin(struct play *p, enum rollout_action action, size_t count)
{
    *p = (struct play){.count = count, .next_seq = 1};
    p->run = rollout_new(count);
    p->run->id = 7;
    p->run->action = action;
    text_copy(p->run->pool, sizeof p->run->pool, "Shop");
    p->run->options = (struct rollout_options){.batch = 1,
                                               .limit_ms = 60000,
                                               .drain = true,
                                               .drain_limit_ms = 30000,
                                               .gate_passes = 2,
                                               .gate_min_ms = 500,
                                               .gate_deadline_ms = 10000,
                                               .gate_interval_ms = 500};
    rollout_policies(&p->run->options, ON_FAILURE_STOP, 0);
    for (size_t i = 0; i < count; i++) {
        struct play_server *s = &p->servers[i];
        *s = (struct play_server){.presence = PRESENCE_FRESH,
                                  .pool = POOL_STATE_STARTED,
                                  .auto_start = true,
                                  .workers = 1,
                                  .boot = 1,
                                  .generation = 1,
                                  .probe_status = 200,
                                  .act_ms = 1000,
                                  .act_outcome = OUTCOME_DONE,
                                  .behind = true,
                                  .up = true,
                                  .others = (uint32_t)count - 1};
        text_format(s->name, sizeof s->name, "web%02zu", i + 1);
        text_copy(p->run->targets[i].server, sizeof p->run->targets[i].server, s->name);
        p->run->targets[i].order = (uint32_t)i;
        text_copy(p->run->targets[i].pool, sizeof p->run->targets[i].pool, "Shop");
    }
}

void play_until(struct play *p, uint64_t ms)
{
    for (; p->now_ms < ms; p->now_ms += 100) {
        turn(p);
    }
}

void play_to_end(struct play *p, uint64_t limit_ms)
{
    for (; !run_state_ended(p->run->state); p->now_ms += 100) {
        if (p->now_ms > limit_ms) {
            fail_msg("it never ended:\n%s", play_transcript(p));
        }
        turn(p);
    }
}

void play_request(struct play *p, enum rollout_request request)
{
    struct rollout_view v = view(p);
    struct rollout_change c;
    rollout_on_request(p->run, request, "anna", &v, p->now_ms, &c);
    take(p, &c);
}

void play_resolve(struct play *p, size_t server, enum outcome as)
{
    struct rollout_view v = view(p);
    struct rollout_change c;
    rollout_resolve(p->run, server, as, "anna", &v, p->now_ms, &c);
    take(p, &c);
}

void play_set(struct play *p, const struct rollout_options *options)
{
    struct rollout_change c;
    rollout_on_set(p->run, options, &c);
    take(p, &c);
}

bool play_release(struct play *p, size_t server, bool failed)
{
    struct rollout_change c;
    rollout_on_release(p->run, server, failed, failed ? "deploy failed" : "deployed", p->now_ms,
                       &c);
    take(p, &c);
    return c.any;
}

void play_restart(struct play *p)
{
    memset(p->mail, 0, sizeof p->mail);
    line(p, "coordinator restarted");
    rollout_restart(p->run, p->now_ms);
}

void play_end(struct play *p)
{
    rollout_free(p->run);
    text_reset(&p->transcript);
}

const char *play_transcript(const struct play *p)
{
    return text_get(&p->transcript);
}

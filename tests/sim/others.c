/* others.c - see others.h. */
#include "tests/sim/others.h"

#include "common/text.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#include <string.h>

#define LOOK_MS    1000
#define SETTLE_MS  15000 /* after the last fault a person settles what nobody gives back */
#define GIVE_UP_MS 240000
#define APPROVER   "bert"

const char *const others_deed_names[DEED_COUNT] = {"held",    "deployed", "rebooted",
                                                   "expired", "cycled",   "maintained",
                                                   "ran-out", "approved", "unapproved"};

static bool is_calm(const struct world *w)
{
    return w->faults_over;
}

static bool is_calm_for(const struct world *w, uint64_t ms)
{
    return w->faults_over && w->now_ms > w->calm_since_ms + ms;
}

static bool chance(struct world *w, uint32_t permille)
{
    return rng_chance(&w->others.rng, permille);
}

static uint64_t between(struct world *w, uint64_t min, uint64_t max)
{
    return rng_between(&w->others.rng, min, max);
}

static const struct view_run *run_of(const struct view *v, uint64_t id)
{
    for (size_t i = 0; i < v->run_count; i++)
        if (v->runs[i].id == id)
            return &v->runs[i];
    return NULL;
}

static const struct view_target *target_of(const struct view *v, uint64_t run, int server)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].run == run && v->targets[i].server == server)
            return &v->targets[i];
    return NULL;
}

/* ---- tools that hold a server ---- */

static void tool_begins(struct world *w, struct tool *t)
{
    *t = (struct tool){.server = (int)(rng_next(&w->others.rng) % w->servers)};
    uint64_t for_ms = between(w, 4000, 40000);
    if (centre_start_hold(w, 0, w->iis[t->server].name, for_ms, t->token, &t->run))
        t->state = TOOL_WAITS;
}

static void stop_pools(struct world *w, int server)
{
    for (size_t k = 0; k < w->pools; k++)
        iis_foreign_stop(world_iis(w, world_unit_at(server, k)), w->now_ms);
}

static void start_pools(struct world *w, int server, int status)
{
    for (size_t k = 0; k < w->pools; k++) {
        struct iis *s = world_iis(w, world_unit_at(server, k));
        iis_mend(s, w->now_ms);
        s->next_status = status;
        iis_answers(s, status);
    }
}

/* It is theirs: they begin. */
static void tool_works(struct world *w, struct tool *t)
{
    static const enum tool_work works[] = {WORK_NOTHING, WORK_DEPLOY, WORK_DEPLOY, WORK_DEPLOY,
                                           WORK_REBOOT,  WORK_REBOOT, WORK_FORGET, WORK_DIE};
    const char *name = w->iis[t->server].name;
    w->others.deeds[DEED_HELD]++;
    t->state = TOOL_WORKS;
    t->work = works[rng_next(&w->others.rng) % 8];
    t->done_ms = w->now_ms + between(w, 500, 15000);
    switch (t->work) {
    case WORK_DEPLOY:
    case WORK_DIE:
        world_say(w, "%s: a tool stops its pools to deploy", name);
        stop_pools(w, t->server);
        break;
    case WORK_REBOOT:
        node_crash(w, t->server, "a tool starts its machine anew", true);
        w->others.deeds[DEED_REBOOTED]++;
        break;
    case WORK_NOTHING:
    case WORK_FORGET:
        break;
    }
}

static void tool_is_done(struct world *w, struct tool *t)
{
    const char *name = w->iis[t->server].name;
    bool bad = chance(w, 200);
    t->failed = chance(w, 150);
    t->state = TOOL_GIVES_BACK;
    if (t->work == WORK_DEPLOY) {
        world_say(w, "%s: a tool has deployed what %s", name, bad ? "answers 500" : "works");
        start_pools(w, t->server, bad ? 500 : 200);
        w->others.deeds[DEED_DEPLOYED]++;
    } else if (t->work == WORK_FORGET || t->work == WORK_DIE) {
        world_say(w, "%s: its tool %s", name, t->work == WORK_DIE ? "dies" : "forgets it");
        t->state = TOOL_GONE;
    }
}

static void tool_gives_back(struct world *w, struct tool *t)
{
    struct release_wish wish = {.token = t->token, .run = t->run, .failed = t->failed};
    enum release_answer answer = centre_release_hold(w, 0, t->server, &wish);
    if (answer != RELEASE_TRY_AGAIN)
        t->state = TOOL_IDLE;
}

/* Whoever has another token has no say. */
static void try_another_token(struct world *w, const struct tool *t)
{
    struct release_wish wish = {.token = "0123456789abcdef0123456789abcdef"};
    if (centre_release_hold(w, 0, t->server, &wish) == RELEASE_TAKEN)
        world_violate(w, "%s: given back by a token that nobody was given", w->iis[t->server].name);
}

static void tool_waits(struct world *w, struct tool *t, const struct view_target *target)
{
    if (text_equal(target->state, "acting"))
        tool_works(w, t);
    else if (text_equal(target->state, "unknown"))
        t->state = TOOL_GIVES_BACK; /* it was told too late */
    else if (is_calm_for(w, GIVE_UP_MS) || chance(w, 15))
        tool_gives_back(w, t); /* it waits no longer */
}

static void tool_turn(struct world *w, struct tool *t, const struct view *v)
{
    const struct view_run *r = v ? run_of(v, t->run) : NULL;
    const struct view_target *target = v ? target_of(v, t->run, t->server) : NULL;
    if (t->state != TOOL_IDLE && v && (!r || !target || view_run_ended(r)))
        t->state = TOOL_IDLE; /* a person ended it, or the store forgot it */
    switch (t->state) {
    case TOOL_IDLE:
        if (!is_calm(w) && v && chance(w, 60))
            tool_begins(w, t);
        break;
    case TOOL_WAITS:
        if (target)
            tool_waits(w, t, target);
        break;
    case TOOL_WORKS:
        if (chance(w, 50))
            try_another_token(w, t);
        if (w->now_ms >= t->done_ms)
            tool_is_done(w, t);
        break;
    case TOOL_GIVES_BACK:
        tool_gives_back(w, t);
        break;
    case TOOL_GONE:
        break;
    }
}

static bool has_tool(const struct world *w, uint64_t run)
{
    for (size_t i = 0; i < TOOLS_MAX; i++) {
        const struct tool *t = &w->others.tools[i];
        if (t->run == run && t->state != TOOL_IDLE && t->state != TOOL_GONE)
            return true;
    }
    return false;
}

/* What nobody gives back any more: a person does, or says what became of it. */
static void settle_one(struct world *w, const struct view_target *t)
{
    struct release_wish wish = {.run = t->run, .failed = chance(w, 300)};
    uint64_t run = t->run;
    int server = t->server;
    bool unknown = text_equal(t->state, "unknown");
    switch (between(w, 0, 3)) {
    case 0:
        centre_request(w, 0, run, REQ_ABORT);
        return;
    case 1:
        if (unknown) {
            centre_resolve(w, 0, run, w->iis[server].name, RESOLVE_NOT_EXECUTED);
            return;
        }
        break;
    case 2:
        if (unknown) {
            centre_resolve(w, 0, run, w->iis[server].name, RESOLVE_DONE);
            return;
        }
        break;
    default:
        break;
    }
    if (text_equal(t->action, "hold"))
        centre_release_hold(w, 0, server, &wish);
}

static void settle_holds(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < v->target_count; i++) {
        const struct view_target *t = &v->targets[i];
        bool theirs = text_equal(t->state, "acting") || text_equal(t->state, "unknown");
        bool first_look = text_equal(t->state, "unknown") && !is_calm(w);
        if (!view_by_others(t->action) || !theirs || has_tool(w, t->run))
            continue;
        if (!is_calm_for(w, SETTLE_MS) && !(first_look && chance(w, 60)))
            continue;
        settle_one(w, t);
        return; /* the view is another one now */
    }
}

static void count_expired(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (text_equal(v->targets[i].action, "hold") &&
            text_equal(v->targets[i].state, "unknown") &&
            v->targets[i].run > w->others.counted_run[DEED_EXPIRED]) {
            w->others.counted_run[DEED_EXPIRED] = v->targets[i].run;
            w->others.deeds[DEED_EXPIRED]++;
        }
}

/* ---- reboots that others do ---- */

static bool any_cycle(const struct view *v)
{
    for (size_t i = 0; i < v->run_count; i++)
        if (text_equal(v->runs[i].action, "cycle") && !view_run_ended(&v->runs[i]))
            return true;
    return false;
}

static void wish_cycle(struct world *w, const struct view *v)
{
    if (is_calm(w) || any_cycle(v) || !chance(w, 20))
        return;
    struct run_wish wish = {
        .kind = ASK_CYCLE,
        .pool = "",
        .selector = chance(w, 500) ? "all" : w->iis[rng_next(&w->others.rng) % w->servers].name,
        .batch = (uint32_t)between(w, 1, 2),
        .limit_ms = between(w, 25000, 60000)};
    centre_start_run(w, 0, &wish);
}

static void cycle_turn(struct world *w, const struct view_target *t)
{
    uint64_t *run = &w->others.cycles[t->server].run;
    uint64_t *at_ms = &w->others.cycles[t->server].reboot_ms;
    if (*run != t->run) {
        *run = t->run;
        *at_ms = w->now_ms + between(w, 0, 12000);
        if (chance(w, 200))
            node_crash(w, t->server, "killed", false); /* which is no reboot */
        if (chance(w, 120))
            *at_ms += 100000; /* whoever was to do it forgets it for a while */
    }
    if (*at_ms && w->now_ms >= *at_ms && node_up(w->nodes[t->server])) {
        node_crash(w, t->server, "somebody starts its machine anew", true);
        w->others.deeds[DEED_CYCLED]++;
        *at_ms = 0;
    }
}

static void cycles_turn(struct world *w, const struct view *v)
{
    wish_cycle(w, v);
    for (size_t i = 0; i < v->target_count; i++) {
        const struct view_target *t = &v->targets[i];
        if (text_equal(t->action, "cycle") &&
            (text_equal(t->state, "acting") || text_equal(t->state, "unknown")))
            cycle_turn(w, t);
    }
}

/* ---- hands off ---- */

static void maintenance_turn(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < w->servers; i++) {
        bool is = v->servers[i].maintenance_until_ms != 0;
        if (!is && w->others.maintained[i] && !w->others.ended_early[i])
            w->others.deeds[DEED_RAN_OUT]++;
        w->others.maintained[i] = is;
        w->others.ended_early[i] = w->others.ended_early[i] && is;
        if (is && (is_calm_for(w, 4000) || chance(w, 10))) {
            w->others.ended_early[i] = true;
            centre_maintenance(w, 0, w->iis[i].name, 0);
            return; /* the view is another one now */
        }
    }
    if (!is_calm(w) && chance(w, 40)) {
        const char *name = w->iis[rng_next(&w->others.rng) % w->servers].name;
        if (centre_maintenance(w, 0, name, between(w, 2000, 30000)))
            w->others.deeds[DEED_MAINTAINED]++;
    }
}

/* ---- a second person ---- */

const char *others_approver(struct world *w)
{
    return w->others.on && chance(w, 300) ? APPROVER : NULL;
}

static void approval_turn(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < v->run_count; i++) {
        uint64_t id = v->runs[i].id;
        if (view_run_ended(&v->runs[i]) || !strstr(v->runs[i].causes, "approval"))
            continue;
        if (chance(w, 100) && centre_approve(w, 0, id, chance(w, 500) ? "anna" : "carl"))
            world_violate(w, "run %u is approved by somebody who may not", (unsigned)id);
        if (is_calm_for(w, SETTLE_MS) || chance(w, 70))
            w->others.deeds[DEED_APPROVED] += centre_approve(w, 0, id, APPROVER);
        return;
    }
}

static void count_unapproved(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < v->run_count; i++)
        if (view_run_ended(&v->runs[i]) && strstr(v->runs[i].why, "nobody approved it") &&
            v->runs[i].id > w->others.counted_run[DEED_UNAPPROVED]) {
            w->others.counted_run[DEED_UNAPPROVED] = v->runs[i].id;
            w->others.deeds[DEED_UNAPPROVED]++;
        }
}

/* ---- all of them ---- */

static void look(struct world *w, const struct due *d)
{
    static void (*const turns[])(struct world * w, const struct view *v) = {
        settle_holds,     count_expired, cycles_turn,
        maintenance_turn, approval_turn, count_unapproved};
    (void)d;
    for (size_t i = 0; i < TOOLS_MAX; i++)
        tool_turn(w, &w->others.tools[i], oracle_view(w, 0));
    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
        const struct view *v = oracle_view(w, 0);
        if (v)
            turns[i](w, v);
    }
    world_at(w, w->now_ms + LOOK_MS, look, 0, 0, NULL, 0);
}

void others_begin(struct world *w)
{
    w->others.rng = rng_of(w->options.seed, 11);
    w->others.on = (w->options.faults & FAULT_OTHERS) != 0 && !w->options.hour;
    if (w->others.on)
        world_at(w, w->now_ms + LOOK_MS, look, 0, 0, NULL, 0);
}

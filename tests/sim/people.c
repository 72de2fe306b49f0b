/* people.c - see world.h: operators. They want some runs; while things break they meddle; and when
 * the last fault is over they mend what only people can, and wait until everything has ended.
 */
#include "common/text.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#include <string.h>

#define LOOK_MS        2000
#define FIRST_RUN_MS   7000
#define HEAL_AFTER_MS  4000
#define UNDRAIN_MS     20000 /* between two tries */
#define GIVE_UP_MS     600000
#define APPROVE_MS     30000
#define LATE_MS        300000 /* so long they wait for the hours of a run */
#define RECOVERIES_MAX 12
#define LEAVE_MS       60000 /* so long a recipe that dies at every step has for itself */
#define MEDDLE_MS      60000 /* after the last fault they leave things alone by then */

static const struct view_run *an_open_run(const struct view *v)
{
    for (size_t i = v->run_count; i-- > 0;)
        if (!view_run_ended(&v->runs[i]))
            return &v->runs[i];
    return NULL;
}

/* Those of other tools go on beside their own. */
static bool any_own_run(const struct view *v)
{
    for (size_t i = v->run_count; i-- > 0;)
        if (!view_run_ended(&v->runs[i]) && !view_by_others(v->runs[i].action))
            return true;
    return false;
}

/* ---- wishes ---- */

/* Down, or silent. */
static bool some_are_ill(const struct world *w)
{
    for (size_t i = 0; i < w->servers; i++)
        if (!scm_is_well(&w->scm[i]) || !w->lb.lines[i].up)
            return true;
    return false;
}

static enum ask_kind a_kind(struct world *w)
{
    if (w->options.services && w->options.crash_actor != ACTOR_NONE)
        return ASK_RESTART;
    if (w->options.services && (some_are_ill(w) || rng_chance(&w->people, 500)))
        return some_are_ill(w) || rng_chance(&w->people, 300) ? ASK_RECOVER : ASK_RESTART;
    if (w->options.warm && rng_chance(&w->people, 600))
        return rng_chance(&w->people, 600) ? ASK_WARM : ASK_UNWARM;
    if (w->runs_begun == 0)
        return ASK_RECYCLE;
    if (!(w->options.faults & FAULT_PEOPLE) || rng_chance(&w->people, 600))
        return ASK_RECYCLE;
    return rng_chance(&w->people, 500) ? ASK_STOP : ASK_START;
}

/* In waves, some of them, with a canary before or a rest between. */
static void want_waves(struct world *w, struct run_wish *wish)
{
    static const char *const waves[] = {"1", "1,2", "50%", "2,1", "1,100%"};
    uint64_t kind = rng_between(&w->people, 0, 9);
    if (kind < 3) {
        wish->waves = waves[rng_next(&w->people) % 5];
    } else if (kind < 5) {
        wish->canary = 1;
        wish->pause_after_canary = rng_chance(&w->people, 500);
    }
    if (kind < 5 && rng_chance(&w->people, 400))
        wish->bake_ms = rng_between(&w->people, 500, 8000);
}

static const char *a_pool(struct world *w)
{
    static const char *const pools[] = {"Shop", "*", "*", "Api", "*,!Shop", "Shop,Api"};
    return w->pools > 1 ? pools[rng_next(&w->people) % 6] : pools[0];
}

static void want(struct world *w, struct run_wish *wish)
{
    if (world_is_plain(w))
        return;
    want_waves(w, wish);
    if (rng_chance(&w->people, 250))
        wish->soak_ms = rng_between(&w->people, 300, 5000);
    wish->quick_gate = rng_chance(&w->people, 300);
    if (groups_label(&w->groups, 0) && rng_chance(&w->people, 400))
        wish->order = "zone";
    if (rng_chance(&w->people, 200))
        hours_of_run(&w->people, centre_wall_ms(w->centres[0]), wish->hours, sizeof(wish->hours));
    wish->approver = others_approver(w);
    wish->approve_ms = APPROVE_MS;
}

static void want_services(struct world *w, struct run_wish *wish)
{
    if (wish->kind != ASK_RECOVER && wish->kind != ASK_RESTART)
        return;
    wish->pool = "";
    if (wish->kind == ASK_RECOVER && rng_chance(&w->people, 400))
        wish->max_unavailable = (uint32_t)rng_between(&w->people, 1, 4);
}

static void wish(struct world *w)
{
    const struct view *v = oracle_view(w, 0);
    char one[16];
    if (!v || w->runs_begun >= w->runs_wanted || w->now_ms < FIRST_RUN_MS || any_own_run(v))
        return;
    bool all = w->runs_begun == 0 || rng_chance(&w->people, 600);
    text_copy(one, sizeof(one), w->iis[rng_next(&w->people) % w->servers].name);
    struct run_wish wish = {.kind = a_kind(w),
                            .pool = a_pool(w),
                            .selector = all ? "all" : one,
                            .batch = (uint32_t)rng_between(&w->people, 1, 3)};
    want(w, &wish);
    want_services(w, &wish);
    w->counting = true;
    w->runs_begun += centre_start_run(w, 0, &wish);
}

/* Services that are down are no run's to wait for: they are recovered beside it. */
static void recover(struct world *w)
{
    const struct view *v = oracle_view(w, 0);
    if (!w->options.services || !v || w->now_ms < FIRST_RUN_MS || !some_are_ill(w) ||
        w->recoveries == RECOVERIES_MAX || !rng_chance(&w->people, 200))
        return;
    for (size_t i = 0; i < v->run_count; i++)
        if (!view_run_ended(&v->runs[i]) && text_equal(v->runs[i].action, "service-recover"))
            return;
    struct run_wish wish = {.kind = ASK_RECOVER, .selector = "all", .batch = 1};
    want_services(w, &wish);
    w->counting = true;
    w->recoveries += centre_start_run(w, 0, &wish);
}

/* ---- meddling ---- */

static void meddle(struct world *w)
{
    const struct view *v = oracle_view(w, 0);
    const struct view_run *r = v ? an_open_run(v) : NULL;
    if (w->options.nobody_meddles || (w->faults_over && w->now_ms > w->calm_since_ms + MEDDLE_MS))
        return;
    if (!r || !(w->options.faults & FAULT_PEOPLE) || !rng_chance(&w->people, 200))
        return;
    uint64_t id = r->id;
    uint64_t what = rng_between(&w->people, 0, 9);
    if (what == 0) {
        centre_request(w, 0, id, REQ_ABORT);
    } else if (what <= 4) {
        centre_request(w, 0, id, REQ_PAUSE);
    } else if (what <= 8) {
        centre_request(w, 0, id, REQ_RESUME);
    } else {
        for (size_t i = 0; i < v->target_count; i++)
            if (v->targets[i].run == id && text_equal(v->targets[i].state, "unknown")) {
                centre_resolve(w, 0, id, w->iis[v->targets[i].server].name, RESOLVE_FAILED);
                return;
            }
    }
}

/* A machine that is known to be dead shall not hold up the farm. */
static void declare(struct world *w)
{
    if (w->options.nobody_meddles || w->faults_over || !(w->options.faults & FAULT_PEOPLE) ||
        !rng_chance(&w->people, 40))
        return;
    int at = (int)(rng_next(&w->people) % w->servers);
    centre_declare_out(w, 0, w->iis[at].name, rng_between(&w->people, 5000, 60000));
}

/* ---- mending, when nothing breaks any more ---- */

static void mend_servers(struct world *w)
{
    for (size_t i = 0; i < w->servers; i++) {
        if (w->options.crash_actor == ACTOR_NONE || w->now_ms > w->calm_since_ms + LEAVE_MS)
            scm_mend(w, (int)i);
        for (size_t k = 0; k < w->pools; k++)
            iis_mend(world_iis(w, world_unit_at((int)i, k)), w->now_ms);
        for (size_t b = 0; b < lb_backends(w); b++) {
            int line = world_unit_at((int)i, b);
            if (w->lb.lines[line].foreign || oracle_is_forgotten(w, line))
                lb_foreign(w, line, BALANCER_READY);
        }
    }
}

static void resume_runs(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < v->run_count; i++)
        if (!view_run_ended(&v->runs[i]) &&
            (strstr(v->runs[i].causes, "person") || strstr(v->runs[i].causes, "failures") ||
             strstr(v->runs[i].causes, "canary"))) {
            centre_request(w, 0, v->runs[i].id, REQ_RESUME);
            return;
        }
}

/* Its hours come tomorrow perhaps: a clock has jumped. */
static void end_late_runs(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < v->run_count; i++)
        if (!view_run_ended(&v->runs[i]) && strstr(v->runs[i].causes, "window") &&
            text_equal(v->runs[i].state, "running")) {
            centre_request(w, 0, v->runs[i].id, REQ_ABORT);
            return;
        }
}

static void settle_unknown(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (text_equal(v->targets[i].state, "unknown") &&
            oracle_journal_was_lost(w, v->targets[i].server)) {
            centre_resolve(w, 0, v->targets[i].run, w->iis[v->targets[i].server].name,
                           RESOLVE_FAILED);
            return;
        }
}

static bool has_open_target(const struct view *v, int server)
{
    for (size_t i = 0; i < v->target_count; i++) {
        bool ended = view_target_ended(&v->targets[i]);
        for (size_t k = 0; k < v->run_count && !ended; k++)
            ended = v->runs[k].id == v->targets[i].run && view_run_ended(&v->runs[k]);
        if (!ended && v->targets[i].server == server)
            return true;
    }
    return false;
}

/* It may be what the server as a whole waits for. */
static bool start_what_stands_still(struct world *w, int server)
{
    for (size_t k = 0; k < w->pools; k++)
        if (world_iis(w, world_unit_at(server, k))->pool.state == POOL_STATE_STOPPED)
            return centre_start_run(w, 0,
                                    &(struct run_wish){.kind = ASK_START,
                                                       .pool = iis_pool_names[k],
                                                       .selector = w->iis[server].name,
                                                       .batch = 1});
    return false;
}

/* The oldest; where its server has one as a whole, that, since those of pools stand behind it. */
static const struct view_incident *an_incident(const struct view *v)
{
    for (size_t i = 0; i < v->incident_count; i++)
        if (v->incidents[i].server == v->incidents[0].server && v->incidents[i].part == PART_WHOLE)
            return &v->incidents[i];
    return v->incident_count ? &v->incidents[0] : NULL;
}

/* By one of the server, or of a pool that has put it into quarantine. */
static bool is_held_as_a_whole(const struct view *v, int server)
{
    for (size_t i = 0; i < v->hold_count; i++)
        if (!v->holds[i].by_run && v->holds[i].server == server && v->holds[i].whole)
            return true;
    return false;
}

/* A pool that is stopped on purpose cannot pass a gate: it is started, which settles the incident
 * as well. A run that waits behind the incident is ended first. */
static void settle_incidents(struct world *w, const struct view *v)
{
    const struct view_incident *incident = an_incident(v);
    if (!incident)
        return;
    int server = incident->server;
    if (has_open_target(v, server)) {
        const struct view_run *r = an_open_run(v);
        if (r)
            centre_request(w, 0, r->id, REQ_ABORT);
        return;
    }
    int unit = incident->unit;
    if (incident->part == PART_WHOLE || is_held_as_a_whole(v, server)) {
        if (!start_what_stands_still(w, server))
            centre_start_run(
                w, 0,
                &(struct run_wish){
                    .kind = ASK_UNDRAIN, .pool = "", .selector = w->iis[server].name, .batch = 1});
        return;
    }
    bool stopped = world_iis(w, unit)->pool.state == POOL_STATE_STOPPED;
    centre_start_run(w, 0,
                     &(struct run_wish){.kind = stopped ? ASK_START : ASK_UNDRAIN,
                                        .pool = iis_pool_names[unit >= MACHINES_MAX],
                                        .selector = w->iis[server].name,
                                        .batch = 1});
}

/* Where people have stopped pools for good, too few servers may be left for a run to go on. */
static bool some_pool_is_off(struct world *w)
{
    for (size_t i = 0; i < w->servers * w->pools; i++) {
        const struct iis *s = world_iis(w, world_unit_at((int)(i / w->pools), i % w->pools));
        if (s->pool.state == POOL_STATE_STOPPED && !s->pool.auto_start)
            return true;
    }
    return false;
}

static void give_up(struct world *w, const struct view *v)
{
    const struct view_run *r = an_open_run(v);
    if (r)
        centre_request(w, 0, r->id, REQ_ABORT);
}

static void mend(struct world *w)
{
    uint64_t calm_ms = w->now_ms - w->calm_since_ms;
    const struct view *v = oracle_view(w, 0);
    if (!w->faults_over || calm_ms < HEAL_AFTER_MS)
        return;
    mend_servers(w);
    if (!v)
        return;
    if (calm_ms % UNDRAIN_MS < LOOK_MS) {
        settle_incidents(w, v);
        for (size_t i = 0; i < w->servers; i++)
            centre_release(w, 0, w->iis[i].name);
        centre_takeover(w, 0);
    }
    if ((v = oracle_view(w, 0)))
        resume_runs(w, v);
    if (calm_ms > LATE_MS && (v = oracle_view(w, 0)))
        end_late_runs(w, v);
    if (calm_ms > GIVE_UP_MS && some_pool_is_off(w) && (v = oracle_view(w, 0)))
        give_up(w, v);
    if (calm_ms > 60000 && (v = oracle_view(w, 0)))
        settle_unknown(w, v);
}

static bool all_ended(struct world *w)
{
    const struct view *v = oracle_view(w, 0);
    if (!v || !w->faults_over || w->runs_begun < w->runs_wanted || an_open_run(v) ||
        v->incident_count || v->hold_count)
        return false;
    for (size_t i = 0; i < w->servers * w->pools; i++) {
        int server = (int)(i / w->pools), unit = world_unit_at(server, i % w->pools);
        if (!lb_all_ready(w, server) || !scm_is_well(&w->scm[server]) ||
            (oracle_should_run(w, unit) && !iis_serves(world_iis(w, unit), w->now_ms)))
            return false;
    }
    return w->now_ms > w->calm_since_ms + HEAL_AFTER_MS;
}

static void look(struct world *w, const struct due *d)
{
    (void)d;
    w->people_done = all_ended(w); /* first: what is asked below shows in the store later */
    if (!w->people_done) {
        meddle(w);
        declare(w);
        wish(w);
        recover(w);
        mend(w);
    }
    world_at(w, w->now_ms + LOOK_MS, look, 0, 0, NULL, 0);
}

void people_begin(struct world *w)
{
    uint32_t max = w->options.crash_actor != ACTOR_NONE ? 1 : w->options.runs_max;
    w->runs_wanted = w->options.script ? 0 : rng_between(&w->people, 1, RUNS_WANTED_MAX);
    w->runs_wanted = max && w->runs_wanted > max ? max : w->runs_wanted;
    world_at(w, w->now_ms + LOOK_MS, look, 0, 0, NULL, 0);
}

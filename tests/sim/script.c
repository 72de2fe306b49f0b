/* script.c - see script.h. */
#include "tests/sim/script.h"

#include "common/text.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#include <string.h>

#define FIRST_MS     7000 /* everybody has been heard by then */
#define LOOK_MS      100
#define ASK_AGAIN_MS 1000
#define PATIENCE_MS  300000
#define SLEEP_MS     35000 /* longer than a command may take: its outcome is unknown by then */
#define NAP_MS       15000 /* longer than a command may wait, and not so long */
#define LATE_MS      39000 /* a second before the minute is over, by every clock */
#define PAUSE_MS     6000
#define TAKEN_MS     8000 /* so long somebody who took over stays in charge */
#define TWIN_STARTS  4 /* of the second coordinator's number, above all that the first one takes */

/* What has to come to pass in a history in which nobody dies: a script that misses what it is about
 * proves nothing. */
enum script_sight {
    SAW_DONE = 1,
    SAW_INCIDENT = 2,
    SAW_UNKNOWN = 4,
    SAW_PAUSED = 8,
    SAW_ABORTED = 16,
    SAW_STOPPED = 32,
    SAW_FROZEN = 64,
    SAW_WINDOW = 128,
    SAW_SET = 256,
    SAW_SET_BACK = 512,
};
static const char *const sights[] = {"a run that is done",
                                     "an incident",
                                     "an unknown outcome",
                                     "a paused run",
                                     "an abort",
                                     "a pool that is stopped for good",
                                     "a frozen coordinator",
                                     "a run out of its hours",
                                     "settings that were changed",
                                     "settings that were put back"};

/* Not to be seen: the farm is one with two backends, see world_options.apart. */
#define IN_APART 0x10000u

struct script_step {
    const char *what;
    bool (*over)(struct world *w, const struct view *v);
    void (*ask)(struct world *w, const struct view *v); /* NULL: it is waited for */
};

#define STEPS_MAX 8

struct script {
    const char *name, *about;
    uint32_t sees; /* and IN_APART */
    struct script_step steps[STEPS_MAX];
};

/* ---- what stands in the store ---- */

static const struct view_target *first_target(const struct view *v)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].run == 1 && v->targets[i].server == 0)
            return &v->targets[i];
    return NULL;
}

static const struct view_run *run_at(const struct view *v, uint64_t id)
{
    for (size_t i = 0; i < v->run_count; i++)
        if (v->runs[i].id == id)
            return &v->runs[i];
    return NULL;
}

static bool run_ended(const struct view *v, uint64_t id)
{
    const struct view_run *r = run_at(v, id);
    return r && view_run_ended(r);
}

static bool first_is_ordered(struct world *w, const struct view *v)
{
    const struct view_target *t = first_target(v);
    (void)w;
    return t && t->command.seq != 0;
}

static bool first_run_ended(struct world *w, const struct view *v)
{
    (void)w;
    return run_ended(v, 1);
}

/* ---- a run of all ---- */

static void ask_run_of(struct world *w, enum ask_kind kind, size_t pool, const char *selector)
{
    w->counting = true;
    centre_start_run(
        w, 0,
        &(struct run_wish){
            .kind = kind, .pool = iis_pool_names[pool], .selector = selector, .batch = 1});
}

static void ask_run(struct world *w, enum ask_kind kind, const char *selector)
{
    ask_run_of(w, kind, 0, selector);
}

static bool run_stands(struct world *w, const struct view *v)
{
    (void)w;
    return run_at(v, 1) != NULL;
}

static void ask_recycle(struct world *w, const struct view *v)
{
    (void)v;
    ask_run(w, ASK_RECYCLE, "all");
}

/* ---- incident: a gate fails ---- */

/* The worker that lives is well; the one that the recycle brings is not. */
static void ask_bad_recycle(struct world *w, const struct view *v)
{
    w->iis[0].next_status = 500;
    ask_recycle(w, v);
}

/* Or the recycle never came about. */
static bool incident_stands(struct world *w, const struct view *v)
{
    const struct view_target *t = first_target(v);
    (void)w;
    return v->incident_count > 0 || (t && view_target_ended(t));
}

static bool incident_is_settled(struct world *w, const struct view *v)
{
    return v->incident_count == 0 && w->lb.lines[0].admin == BALANCER_READY;
}

static bool an_undrain_is_open(const struct view *v)
{
    for (size_t i = 0; i < v->run_count; i++)
        if (text_equal(v->runs[i].action, "undrain") && !view_run_ended(&v->runs[i]))
            return true;
    return false;
}

static void mend_and_undrain(struct world *w, const struct view *v)
{
    iis_mend(&w->iis[0], w->now_ms);
    if (!an_undrain_is_open(v))
        ask_run(w, ASK_UNDRAIN, w->iis[0].name);
}

/* ---- unknown: a machine falls asleep with its command ---- */

static bool first_has_acted(struct world *w, const struct view *v)
{
    (void)v;
    return oracle_acts(w) > 0;
}

static bool first_sleeps(struct world *w, const struct view *v)
{
    (void)v;
    return w->script.asked_ms != 0;
}

static void put_first_to_sleep(struct world *w, const struct view *v)
{
    (void)v;
    node_sleep(w, 0, SLEEP_MS, false);
}

static bool first_is_unknown(struct world *w, const struct view *v)
{
    const struct view_target *t = first_target(v);
    (void)w;
    return t && (text_equal(t->state, "unknown") || view_target_ended(t));
}

static bool first_is_known(struct world *w, const struct view *v)
{
    return first_is_ordered(w, v) && !text_equal(first_target(v)->state, "unknown");
}

static void settle_as_failed(struct world *w, const struct view *v)
{
    (void)v;
    centre_resolve(w, 0, 1, w->iis[0].name, RESOLVE_FAILED);
}

static void settle_as_not_executed(struct world *w, const struct view *v)
{
    (void)v;
    centre_resolve(w, 0, 1, w->iis[0].name, RESOLVE_NOT_EXECUTED);
}

/* ---- hours: they end while a command is under way that will not be begun in its time ---- */

static bool first_is_drained(struct world *w, const struct view *v)
{
    (void)v;
    return w->lb.lines[0].foreign;
}

/* By somebody else: the run has nothing to drain, and orders at once. */
static void drain_first(struct world *w, const struct view *v)
{
    (void)v;
    lb_foreign(w, 0, BALANCER_DRAIN);
}

static bool it_is_late(struct world *w, const struct view *v)
{
    (void)v;
    return w->now_ms >= LATE_MS;
}

/* For this minute, and from the next but one on. */
static void ask_late_recycle(struct world *w, const struct view *v)
{
    int64_t minute = (WALL_ZERO + (int64_t)LATE_MS) / 60000;
    struct run_wish wish = {
        .kind = ASK_RECYCLE, .pool = iis_pool_names[0], .selector = "all", .batch = 1};
    (void)v;
    hours_of_minutes(wish.hours, sizeof(wish.hours), minute, 1, 1);
    w->counting = true;
    centre_start_run(w, 0, &wish);
}

static void let_first_nap(struct world *w, const struct view *v)
{
    (void)v;
    node_sleep(w, 0, NAP_MS, false);
}

static void end_drain(struct world *w, const struct view *v)
{
    const struct view_target *t = first_target(v);
    if (t && view_target_ended(t) && w->lb.lines[0].foreign)
        lb_foreign(w, 0, BALANCER_READY);
}

/* ---- pause, resume, abort ---- */

static bool is_paused(struct world *w, const struct view *v)
{
    const struct view_run *r = run_at(v, 1);
    (void)w;
    return r && (strstr(r->causes, "person") || view_run_ended(r));
}

static bool is_not_paused(struct world *w, const struct view *v)
{
    const struct view_run *r = run_at(v, 1);
    (void)w;
    return r && !strstr(r->causes, "person");
}

static bool has_rested(struct world *w, const struct view *v)
{
    (void)v;
    return w->now_ms >= w->script.begun_ms + PAUSE_MS;
}

static bool is_aborted(struct world *w, const struct view *v)
{
    const struct view_run *r = run_at(v, 1);
    (void)w;
    return r && (text_equal(r->state, "aborting") || view_run_ended(r));
}

static void pause_run(struct world *w, const struct view *v)
{
    (void)v;
    centre_request(w, 0, 1, REQ_PAUSE);
}

static void resume_run(struct world *w, const struct view *v)
{
    (void)v;
    centre_request(w, 0, 1, REQ_RESUME);
}

static void abort_run(struct world *w, const struct view *v)
{
    (void)v;
    centre_request(w, 0, 1, REQ_ABORT);
}

/* ---- a pool is stopped, and started ---- */

static void ask_stop(struct world *w, const struct view *v)
{
    (void)v;
    ask_run(w, ASK_STOP, w->iis[0].name);
}

static void ask_start(struct world *w, const struct view *v)
{
    (void)v;
    ask_run(w, ASK_START, w->iis[0].name);
}

static bool second_run_stands(struct world *w, const struct view *v)
{
    (void)w;
    return run_at(v, 2) != NULL;
}

static bool second_run_ended(struct world *w, const struct view *v)
{
    (void)w;
    return run_ended(v, 2);
}

/* ---- pools are kept warm, and left as they were before ---- */

static bool all_are_as_before(struct world *w)
{
    for (size_t i = 0; i < w->servers * w->pools; i++)
        if (!iis_is_as_its_owner_set_it(
                world_iis(w, world_unit_at((int)(i / w->pools), i % w->pools))))
            return false;
    return true;
}

static void ask_warm(struct world *w, const struct view *v)
{
    (void)v;
    ask_run(w, ASK_WARM, "all");
}

/* Refused where nothing was changed: then nothing is to be put back. */
static bool put_back_begins(struct world *w, const struct view *v)
{
    return second_run_stands(w, v) || all_are_as_before(w);
}

static void ask_unwarm(struct world *w, const struct view *v)
{
    (void)v;
    ask_run(w, ASK_UNWARM, "all");
}

static bool put_back_ended(struct world *w, const struct view *v)
{
    return second_run_ended(w, v) || (!second_run_stands(w, v) && all_are_as_before(w));
}

/* ---- two pools, each with a backend of its own ---- */

static void ask_stop_of_other(struct world *w, const struct view *v)
{
    (void)v;
    ask_run_of(w, ASK_STOP, 1, w->iis[0].name);
}

/* ---- a second coordinator, and takeover ---- */

static void begin_twin(struct world *w, const struct view *v)
{
    (void)v;
    w->counting = true;
    centre_twin(w, TWIN_STARTS);
}

static bool twin_is_up(struct world *w, const struct view *v)
{
    (void)v;
    return w->centres[1] && centre_up(w->centres[1]);
}

static bool all_met_the_twin(struct world *w, const struct view *v)
{
    (void)v;
    for (size_t i = 0; i < w->servers; i++)
        if (!w->pipes[i].id || w->pipes[i].centre != 1)
            return false;
    return true;
}

/* Who dials again finds either. */
static void move_agents(struct world *w, const struct view *v)
{
    (void)v;
    for (size_t i = 0; i < w->servers; i++)
        if (w->pipes[i].id && w->pipes[i].centre != 1)
            net_close(w, w->pipes[i].id);
}

static bool twin_is_gone(struct world *w, const struct view *v)
{
    (void)v;
    return !twin_is_up(w, v) && centre_frozen(w->centres[0]);
}

static void end_twin(struct world *w, const struct view *v)
{
    if (has_rested(w, v) && twin_is_up(w, v))
        centre_retire(w, 1);
}

static bool is_in_charge(struct world *w, const struct view *v)
{
    (void)v;
    return centre_up(w->centres[0]) && !centre_frozen(w->centres[0]);
}

static void take_over(struct world *w, const struct view *v)
{
    (void)v;
    w->script.crashes = centre_crash_count(w->centres[0]);
    centre_takeover(w, 0);
}

/* Once is enough, unless it died of it: then it may have been for nothing, and is said again. */
static bool stays_in_charge(struct world *w, const struct view *v)
{
    if (centre_frozen(w->centres[0])) {
        w->script.begun_ms = w->now_ms;
        if (centre_crash_count(w->centres[0]) == w->script.crashes)
            world_violate(w, "somebody said takeover, and the coordinator is frozen again");
        take_over(w, v);
    }
    return is_in_charge(w, v) && w->now_ms >= w->script.begun_ms + TAKEN_MS;
}

#define RECYCLE                                                                                    \
    {                                                                                              \
        "a recycle of all begins", run_stands, ask_recycle                                         \
    }
#define ORDERED                                                                                    \
    {                                                                                              \
        "the first server is told to", first_is_ordered, NULL                                      \
    }
#define RUN_ENDS                                                                                   \
    {                                                                                              \
        "the run ends", first_run_ended, NULL                                                      \
    }

static const struct script scripts[] = {
    {"incident",
     "a gate fails; its server is mended and undrained while the run waits",
     SAW_INCIDENT | SAW_DONE,
     {{"a recycle begins that cannot prove well", run_stands, ask_bad_recycle},
      {"its gate fails", incident_stands, NULL},
      {"somebody mends and undrains it", incident_is_settled, mend_and_undrain},
      RUN_ENDS}},
    {"unknown",
     "a machine falls asleep after its act; somebody settles it as failed",
     SAW_UNKNOWN,
     {RECYCLE,
      {"the first server acts", first_has_acted, NULL},
      {"its machine falls asleep", first_sleeps, put_first_to_sleep},
      {"the outcome is unknown", first_is_unknown, NULL},
      {"somebody settles it", first_is_known, settle_as_failed}}},
    {"unheard",
     "a machine falls asleep with its command; it is settled as never executed",
     SAW_UNKNOWN,
     {RECYCLE,
      ORDERED,
      {"its machine falls asleep", first_sleeps, put_first_to_sleep},
      {"the outcome is unknown", first_is_unknown, NULL},
      {"somebody settles it", first_is_known, settle_as_not_executed}}},
    {"abort",
     "a run is aborted while its first server is in hand",
     SAW_ABORTED,
     {RECYCLE, ORDERED, {"somebody aborts it", is_aborted, abort_run}, RUN_ENDS}},
    {"pause",
     "a run is paused while its first server is in hand, and resumed",
     SAW_PAUSED | SAW_DONE,
     {RECYCLE,
      ORDERED,
      {"somebody pauses it", is_paused, pause_run},
      {"it rests", has_rested, NULL},
      {"somebody resumes it", is_not_paused, resume_run},
      RUN_ENDS}},
    {"stop",
     "a pool is stopped for good on one server, and started again",
     SAW_STOPPED | SAW_DONE,
     {{"a stop begins", run_stands, ask_stop},
      RUN_ENDS,
      {"a start begins", second_run_stands, ask_start},
      {"it ends", second_run_ended, NULL}}},
    {"apart",
     "a pool with a backend of its own is stopped on one server, another recycled on all",
     SAW_STOPPED | SAW_DONE | IN_APART,
     {{"a stop begins", run_stands, ask_stop_of_other},
      RUN_ENDS,
      {"a recycle of the other begins on all", second_run_stands, ask_recycle},
      {"it ends", second_run_ended, NULL}}},
    {"warm",
     "settings that keep a pool warm are made on all servers, and put back",
     SAW_DONE | SAW_SET | SAW_SET_BACK,
     {{"a pool is to be kept warm", run_stands, ask_warm},
      RUN_ENDS,
      {"it is to be as before", put_back_begins, ask_unwarm},
      {"that run ends", put_back_ended, NULL}}},
    {"hours",
     "a run's hours end before its agent can begin",
     SAW_WINDOW | SAW_DONE,
     {{"somebody else drains the first server", first_is_drained, drain_first},
      {"the hours are nearly over", it_is_late, NULL},
      {"a recycle of all begins", run_stands, ask_late_recycle},
      ORDERED,
      {"its machine falls asleep", first_sleeps, let_first_nap},
      {"it is done, undrained, and the run ends", first_run_ended, end_drain}}},
    {"takeover",
     "a second coordinator speaks to all and goes; the first takes over, and runs",
     SAW_FROZEN | SAW_DONE,
     {{"a second coordinator starts", twin_is_up, begin_twin},
      {"all agents meet it", all_met_the_twin, move_agents},
      {"it goes, and the first one hears of it", twin_is_gone, end_twin},
      {"somebody says takeover", is_in_charge, take_over},
      {"that holds", stays_in_charge, NULL},
      RECYCLE,
      RUN_ENDS}},
    {"twins",
     "the same, while the first server of a run is in hand",
     SAW_FROZEN,
     {RECYCLE,
      ORDERED,
      {"a second coordinator starts", twin_is_up, begin_twin},
      {"all agents meet it", all_met_the_twin, move_agents},
      {"it goes, and the first one hears of it", twin_is_gone, end_twin},
      {"somebody says takeover", is_in_charge, take_over},
      {"that holds", stays_in_charge, NULL},
      RUN_ENDS}},
};
#define SCRIPTS (sizeof(scripts) / sizeof(scripts[0]))

const struct script *script_at(size_t index)
{
    return index < SCRIPTS ? &scripts[index] : NULL;
}

const struct script *script_find(const char *name)
{
    for (size_t i = 0; i < SCRIPTS; i++)
        if (text_equal(scripts[i].name, name))
            return &scripts[i];
    return NULL;
}

const char *script_name(const struct script *script)
{
    return script->name;
}

const char *script_about(const struct script *script)
{
    return script->about;
}

bool script_is_apart(const struct script *script)
{
    return script && (script->sees & IN_APART);
}

/* ---- playing ---- */

static void see(struct world *w, const struct view *v)
{
    uint32_t *saw = &w->script.saw;
    *saw |= v->incident_count ? SAW_INCIDENT : 0;
    *saw |= centre_frozen(w->centres[0]) ? SAW_FROZEN : 0;
    for (size_t k = 0; k < w->pools; k++) {
        const struct pool *p = &world_iis(w, world_unit_at(0, k))->pool;
        *saw |= p->state == POOL_STATE_STOPPED && !p->auto_start ? SAW_STOPPED : 0;
    }
    if (!all_are_as_before(w))
        *saw |= SAW_SET;
    else if (*saw & SAW_SET)
        *saw |= SAW_SET_BACK;
    for (size_t i = 0; i < v->run_count; i++) {
        *saw |= strstr(v->runs[i].causes, "person") ? SAW_PAUSED : 0;
        *saw |= strstr(v->runs[i].causes, "window") ? SAW_WINDOW : 0;
        *saw |= text_equal(v->runs[i].state, "done") ? SAW_DONE : 0;
        *saw |= text_equal(v->runs[i].state, "aborted") ? SAW_ABORTED : 0;
    }
    for (size_t i = 0; i < v->target_count; i++)
        *saw |= text_equal(v->targets[i].state, "unknown") ? SAW_UNKNOWN : 0;
}

static void end_script(struct world *w)
{
    uint32_t missed = w->options.script->sees & ~w->script.saw;
    for (size_t i = 0; !w->options.crash_at && i < sizeof(sights) / sizeof(sights[0]); i++)
        if (missed >> i & 1)
            world_violate(w, "the script never saw what it is about: %s", sights[i]);
    world_say(w, "script: over");
    if (w->centres[1])
        centre_retire(w, 1);
    w->faults_over = true;
    w->calm_since_ms = w->now_ms;
    people_begin(w);
}

static void next_step(struct world *w)
{
    w->script.step++;
    w->script.begun_ms = w->now_ms;
    w->script.asked_ms = 0;
}

static const struct script_step *step_of(const struct world *w)
{
    const struct script *script = w->options.script;
    bool over = w->script.step == STEPS_MAX || !script->steps[w->script.step].what;
    return over ? NULL : &script->steps[w->script.step];
}

static void take_steps(struct world *w, const struct view *v)
{
    const struct script_step *step;
    while ((step = step_of(w)) && step->over(w, v)) {
        world_say(w, "script: %s", step->what);
        next_step(w);
    }
    if (step && step->ask &&
        (!w->script.asked_ms || w->now_ms >= w->script.asked_ms + ASK_AGAIN_MS)) {
        w->script.asked_ms = w->now_ms;
        step->ask(w, v);
    } else if (step && w->now_ms > w->script.begun_ms + PATIENCE_MS) {
        world_violate(w, "the script waits in vain: %s", step->what);
    }
}

static void look(struct world *w, const struct due *d)
{
    const struct view *v = oracle_view(w, 0);
    (void)d;
    if (v && w->now_ms >= FIRST_MS) {
        see(w, v);
        take_steps(w, v);
    }
    /* What a lost journal leaves open is for people to settle. */
    if (step_of(w) && !oracle_journal_was_lost(w, 0))
        world_at(w, w->now_ms + LOOK_MS, look, 0, 0, NULL, 0);
    else
        end_script(w);
}

void script_begin(struct world *w)
{
    w->script.begun_ms = w->now_ms;
    world_at(w, w->now_ms + LOOK_MS, look, 0, 0, NULL, 0);
}

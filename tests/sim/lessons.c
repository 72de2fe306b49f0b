/* lessons.c - see lessons.h. */
#include "tests/sim/lessons.h"

#include "common/must.h"
#include "common/text.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#include <inttypes.h>
#include <string.h>

#define LOOK_MS  100
#define BEGIN_MS 8000 /* everybody has spoken by then */
#define LONG_MS  900000
#define STORM_MS 15000

/* What a lesson looks at: the farm, what stands in the store (NULL: nobody has it open), the run
 * that was asked for last. */
struct scene {
    struct world *w;
    const struct view *v;
    const struct view_run *run;
};

struct lesson {
    const char *name;
    size_t servers;
    uint32_t max_out;
    bool rough; /* messages come twice, and pipes break now and then */
    /* One scene after the other; each says true when it is over. */
    bool (*scenes[8])(const struct scene *s);
};

/* ---- words of a lesson ---- */

static const struct view_target *target(const struct scene *s, int server)
{
    for (size_t i = 0; i < s->v->target_count; i++)
        if (s->run && s->v->targets[i].run == s->run->id && s->v->targets[i].server == server)
            return &s->v->targets[i];
    return NULL;
}

static bool is(const struct scene *s, int server, const char *state)
{
    const struct view_target *t = target(s, server);
    return t && text_equal(t->state, state);
}

static bool ended(const struct scene *s)
{
    return s->run && view_run_ended(s->run);
}

static void expect(const struct scene *s, bool what, const char *said)
{
    if (!what)
        world_violate(s->w, "%s: %s", lesson_name(s->w->options.lesson), said);
}

static void expect_state(const struct scene *s, int server, const char *state)
{
    const struct view_target *t = target(s, server);
    if (!t || !text_equal(t->state, state))
        world_violate(s->w, "%s: %s is %s, and should be %s", lesson_name(s->w->options.lesson),
                      s->w->iis[server].name, t ? t->state : "no target", state);
}

/* How often each server was acted upon. */
static void expect_acts(const struct scene *s, const char *digits)
{
    for (int i = 0; digits[i]; i++)
        if (oracle_acts_on(s->w, i) != (uint64_t)(digits[i] - '0'))
            world_violate(s->w, "%s: %s was acted upon %" PRIu64 " times, and should be %c times",
                          lesson_name(s->w->options.lesson), s->w->iis[i].name,
                          oracle_acts_on(s->w, i), digits[i]);
}

static void expect_targets(const struct scene *s, size_t count)
{
    size_t is_count = 0;
    for (size_t i = 0; i < s->v->target_count; i++)
        is_count += s->run && s->v->targets[i].run == s->run->id;
    if (is_count != count)
        world_violate(s->w, "%s: the run is of %zu servers, and should be of %zu",
                      lesson_name(s->w->options.lesson), is_count, count);
}

static bool ask(const struct scene *s, const struct run_wish *wish)
{
    s->w->runs_begun += centre_start_run(s->w, 0, wish);
    return s->w->runs_begun > s->w->lesson_runs;
}

static bool recycle(const struct scene *s, const struct run_wish *more)
{
    struct run_wish wish = *more;
    wish.kind = ASK_RECYCLE;
    wish.pool = "Shop";
    wish.selector = wish.selector ? wish.selector : "all";
    wish.batch = wish.batch ? wish.batch : 1;
    return s->w->now_ms >= BEGIN_MS && ask(s, &wish);
}

static bool retry(const struct scene *s)
{
    return s->run && centre_retry(s->w, 0, s->run->id);
}

/* As the balancer and visitors see it. */
static size_t out_of_service(const struct world *w)
{
    size_t out = 0;
    for (size_t i = 0; i < w->servers; i++)
        out += w->lb.lines[i].admin != BALANCER_READY || !w->lb.lines[i].up;
    return out;
}

static uint64_t since(const struct scene *s)
{
    return s->w->now_ms - s->w->lesson_since_ms;
}

/* ---- Ansible: a rolling play dies at the third server, and its next start begins at the top ----
 */

static bool ansible_begins(const struct scene *s)
{
    s->w->iis[2].next_status = 500; /* what is started there from now on */
    return recycle(s, &(struct run_wish){.stops = true});
}

static bool ansible_dies(const struct scene *s)
{
    if (!ended(s))
        return false;
    expect_state(s, 0, "done");
    expect_state(s, 1, "done");
    expect_state(s, 2, "failed");
    expect_state(s, 3, "waiting");
    iis_mend(&s->w->iis[2], s->w->now_ms);
    centre_crash(s->w, 0, "it need not be the same coordinator");
    return true;
}

static bool again(const struct scene *s)
{
    return retry(s);
}

static bool ansible_ends(const struct scene *s)
{
    if (!ended(s))
        return false;
    expect_targets(s, 3);
    expect(s, text_equal(s->run->state, "done"), "the retry failed");
    expect_acts(s, "11211");
    return true;
}

/* ---- Salt: a minion dies in its batch, and the batch waits for it without a word ---- */

static bool salt_begins(const struct scene *s)
{
    return recycle(s, &(struct run_wish){.batch = 2, .bears_unknown = 1});
}

static bool salt_minion_dies(const struct scene *s)
{
    if (!oracle_acts_on(s->w, 0))
        return false;
    node_sleep(s->w, 0, 200000, false);
    return true;
}

static bool salt_batch_goes_on(const struct scene *s)
{
    if (!is(s, 0, "unknown") || !is(s, 1, "done") || !is(s, 2, "done") || !is(s, 3, "done"))
        return false;
    expect(s, since(s) < 190000, "the others waited for the one that died");
    expect(s, !ended(s), "it ended, and nobody knows what became of the one that died");
    return true;
}

static bool salt_minion_is_back(const struct scene *s)
{
    if (!ended(s))
        return false;
    expect(s, text_equal(s->run->state, "done"), "its journal did not settle it");
    expect_acts(s, "1111");
    return true;
}

/* ---- AWX: a restart of the controller calls jobs that run failed ---- */

static bool plain_begins(const struct scene *s)
{
    return recycle(s, &(struct run_wish){.stops = true});
}

static bool awx_dies_in_the_act(const struct scene *s)
{
    if (!oracle_acts_on(s->w, 0) || !is(s, 0, "acting"))
        return false;
    centre_crash(s->w, 0, "killed while a job runs");
    return true;
}

static bool awx_ends(const struct scene *s)
{
    expect(s, !is(s, 0, "failed"), "what ran was called failed");
    if (!ended(s))
        return false;
    expect(s, text_equal(s->run->state, "done"), "it was not done");
    expect_acts(s, "11");
    return true;
}

/* ---- Nomad: a restart goes on though the last one is not healthy ---- */

static bool nomad_begins(const struct scene *s)
{
    s->w->iis[0].next_status = 500;
    return plain_begins(s);
}

static bool nomad_stops_at_the_unhealthy(const struct scene *s)
{
    if (!ended(s))
        return false;
    expect(s, text_equal(s->run->state, "failed"), "it did not fail");
    expect(s, s->w->lb.lines[0].admin == BALANCER_DRAIN, "the unhealthy one is in rotation");
    expect_acts(s, "100");
    return true;
}

/* ---- Nomad: it lives in the terminal that started it ---- */

static bool nomad_nobody_is_there(const struct scene *s)
{
    if (!oracle_acts_on(s->w, 1))
        return false;
    centre_crash(s->w, 0, "and its terminal with it");
    return true;
}

static bool nomad_nobody_is_there_again(const struct scene *s)
{
    if (!oracle_acts_on(s->w, 2))
        return false;
    centre_crash(s->w, 0, "once more");
    return true;
}

static bool nomad_ends(const struct scene *s)
{
    if (!ended(s))
        return false;
    expect(s, text_equal(s->run->state, "done"), "it was not done");
    expect_acts(s, "1111");
    return true;
}

/* ---- Rundeck: retry takes those that failed, and forgets those that were never reached ---- */

static bool rundeck_begins(const struct scene *s)
{
    if (s->w->now_ms < BEGIN_MS)
        return false;
    node_sleep(s->w, 1, 130000, false);
    return true;
}

static bool rundeck_one_is_silent(const struct scene *s)
{
    return since(s) > 30000 && recycle(s, &(struct run_wish){.skips_silent = true});
}

static bool rundeck_is_given_up(const struct scene *s)
{
    if (!oracle_acts_on(s->w, 2))
        return false;
    centre_request(s->w, 0, s->run->id, REQ_ABORT);
    return true;
}

static bool rundeck_has_ended(const struct scene *s)
{
    if (!ended(s) || s->w->now_ms < BEGIN_MS + 160000) /* web02 is back */
        return false;
    expect_state(s, 0, "done");
    expect_state(s, 1, "skipped");
    expect_state(s, 2, "done");
    return true;
}

static bool rundeck_ends(const struct scene *s)
{
    if (!ended(s))
        return false;
    expect_targets(s, 2);
    expect(s, text_equal(s->run->state, "done"), "the retry failed");
    expect_acts(s, "1111");
    return true;
}

/* ---- Kubernetes: a disruption budget does not restrain the roll-out itself ---- */

static bool kubernetes_one_is_out(const struct scene *s)
{
    if (s->w->now_ms < BEGIN_MS)
        return false;
    iis_hang(&s->w->iis[4], s->w->now_ms); /* nobody's doing */
    return true;
}

static bool kubernetes_begins(const struct scene *s)
{
    return since(s) > 10000 &&
           recycle(s, &(struct run_wish){.selector = "web01,web02,web03,web04", .batch = 4});
}

static bool kubernetes_never_two_more(const struct scene *s)
{
    expect(s, out_of_service(s->w) <= 2, "more are out than the budget allows");
    if (!ended(s))
        return false;
    expect(s, text_equal(s->run->state, "done"), "it was not done");
    expect_acts(s, "11110");
    return true;
}

/* ---- kured: its lock stays when its holder is gone, and everybody waits for it without a word
 * ---- */

#define KURED_MS 20000

static bool kured_takes_the_lock(const struct scene *s)
{
    struct tool *t = &s->w->others.tools[0];
    if (s->w->now_ms < BEGIN_MS ||
        !centre_start_hold(s->w, 0, "web01", KURED_MS, t->token, &t->run))
        return false;
    s->w->lesson_run = t->run;
    return true;
}

static bool kured_holder_is_gone(const struct scene *s)
{
    return is(s, 0, "acting");
}

static bool kured_others_wait(const struct scene *s)
{
    struct run_wish wish = {
        .kind = ASK_CYCLE, .pool = "", .selector = "web02,web03", .batch = 2, .limit_ms = 60000};
    return ask(s, &wish);
}

static bool kured_lock_is_over(const struct scene *s)
{
    if (!is(s, 0, "unknown"))
        return false;
    expect(s, since(s) < KURED_MS + 8000, "nobody was told in time");
    expect(s, strstr(s->run->causes, "unknown") != NULL, "its run does not say what it waits for");
    return true;
}

/* Nobody knows what became of it: it stays out, and in the budget, until somebody says. */
static bool kured_nobody_guesses(const struct scene *s)
{
    expect(s, is(s, 0, "unknown"), "it was settled by nobody");
    expect(s, out_of_service(s->w) == 1, "others were taken beside it");
    if (since(s) < 60000)
        return false;
    struct release_wish wish = {.run = s->w->lesson_run};
    return centre_release_hold(s->w, 0, 0, &wish) == RELEASE_TAKEN;
}

static bool kured_others_go_on(const struct scene *s)
{
    size_t booted = 0;
    expect(s, out_of_service(s->w) <= 1, "two are out at once");
    for (size_t i = 0; i < s->v->target_count; i++) {
        const struct view_target *t = &s->v->targets[i];
        if (text_equal(t->action, "cycle") && text_equal(t->state, "acting") &&
            !s->w->booted_ms[t->server])
            node_crash(s->w, t->server, "somebody starts its machine anew", true);
        booted += text_equal(t->action, "cycle") && text_equal(t->state, "done");
    }
    return booted == 2 && ended(s);
}

/* ---- bad luck ---- */

#define HOURS_MS 18000000

/* Ours goes ahead while the first is in hand, then far behind; that of a server the other way. */
static bool clocks_jump_ahead(const struct scene *s)
{
    if (!oracle_acts_on(s->w, 0))
        return false;
    world_say(s->w, "clocks jump: ours ahead, that of web02 behind");
    centre_jump(s->w->centres[0], HOURS_MS);
    node_jump(s->w->nodes[1], -HOURS_MS);
    return true;
}

static bool clocks_jump_behind(const struct scene *s)
{
    if (!oracle_acts_on(s->w, 1))
        return false;
    world_say(s->w, "clocks jump: ours behind, that of web03 ahead");
    centre_jump(s->w->centres[0], -2 * HOURS_MS);
    node_jump(s->w->nodes[2], HOURS_MS);
    return true;
}

/* Nobody was late, nothing was unknown, no act was repeated or left out. */
static bool three_are_done(const struct scene *s)
{
    for (int i = 0; i < 3; i++)
        expect(s, !is(s, i, "failed") && !is(s, i, "unknown"), "it did not simply go on");
    if (!ended(s))
        return false;
    expect(s, text_equal(s->run->state, "done"), "it was not done");
    expect_acts(s, "111");
    return true;
}

static bool socket_goes(const struct scene *s)
{
    if (!is(s, 0, "acting"))
        return false;
    world_say(s->w, "lb: its socket is gone");
    s->w->lb.down_until_ms = s->w->now_ms + 120000;
    return true;
}

/* The act is finished, the server waits to be seen in rotation (which may have been done: it was
 * told and gave no answer), and nobody else is touched. */
static bool socket_is_gone(const struct scene *s)
{
    expect(s, !is(s, 0, "done") && !is(s, 0, "failed"), "it ended, and is not put back");
    if (since(s) < 115000)
        return false;
    expect_acts(s, "100");
    return true;
}

/* Before the command arrives, while it is carried out, after that and before its end is heard. */
static bool cut_at(const struct scene *s, int server, bool when)
{
    if (when)
        net_cut(s->w, server);
    return when;
}

static bool link_cut_before(const struct scene *s)
{
    return cut_at(s, 0, is(s, 0, "draining"));
}

static bool link_cut_in_the_act(const struct scene *s)
{
    return cut_at(s, 1, is(s, 1, "acting") && oracle_acts_on(s->w, 1) == 0);
}

static bool link_cut_after(const struct scene *s)
{
    return cut_at(s, 2, oracle_acts_on(s->w, 2) == 1 && is(s, 2, "acting"));
}

static bool every_cut_is_settled(const struct scene *s)
{
    if (!ended(s))
        return false;
    expect(s, text_equal(s->run->state, "done"), "it was not done");
    expect_acts(s, "111");
    return true;
}

static bool patient_begins(const struct scene *s)
{
    return recycle(s, &(struct run_wish){.limit_ms = 120000, .drain_ms = 120000});
}

/* ---- all of them ---- */

static const struct lesson lessons[LESSONS_COUNT] = {
    {"ansible_play_that_dies_at_the_third_begins_at_the_top",
     5,
     1,
     true,
     {ansible_begins, ansible_dies, again, ansible_ends}},
    {"salt_batch_hangs_on_a_dead_minion",
     4,
     2,
     false,
     {salt_begins, salt_minion_dies, salt_batch_goes_on, salt_minion_is_back}},
    {"awx_restart_reaps_jobs_that_run", 2, 1, true, {plain_begins, awx_dies_in_the_act, awx_ends}},
    {"nomad_restart_ignores_health_checks",
     3,
     1,
     true,
     {nomad_begins, nomad_stops_at_the_unhealthy}},
    {"nomad_restart_lives_in_the_terminal",
     4,
     1,
     true,
     {plain_begins, nomad_nobody_is_there, nomad_nobody_is_there_again, nomad_ends}},
    {"rundeck_retry_forgets_nodes_never_reached",
     4,
     2,
     false,
     {rundeck_begins, rundeck_one_is_silent, rundeck_is_given_up, rundeck_has_ended, again,
      rundeck_ends}},
    {"kubernetes_budget_does_not_restrain_the_rollout",
     5,
     2,
     true,
     {kubernetes_one_is_out, kubernetes_begins, kubernetes_never_two_more}},
    {"kured_lock_outlives_its_holder",
     3,
     1,
     false,
     {kured_takes_the_lock, kured_holder_is_gone, kured_others_wait, kured_lock_is_over,
      kured_nobody_guesses, kured_others_go_on}},
    {"clocks_jump_by_hours_on_either_side",
     3,
     1,
     true,
     {plain_begins, clocks_jump_ahead, clocks_jump_behind, three_are_done}},
    {"balancer_socket_is_gone_in_the_middle",
     3,
     1,
     true,
     {plain_begins, socket_goes, socket_is_gone, three_are_done}},
    {"link_is_cut_before_in_and_after_the_act",
     3,
     1,
     false,
     {patient_begins, link_cut_before, link_cut_in_the_act, link_cut_after, every_cut_is_settled}},
};

const struct lesson *lesson_at(size_t index)
{
    must(index < LESSONS_COUNT);
    return &lessons[index];
}

const struct lesson *lesson_find(const char *name)
{
    for (size_t i = 0; i < LESSONS_COUNT; i++)
        if (text_equal(lessons[i].name, name))
            return &lessons[i];
    return NULL;
}

const char *lesson_name(const struct lesson *l)
{
    return l->name;
}

size_t lesson_servers(const struct lesson *l)
{
    return l->servers;
}

static struct scene scene_now(struct world *w)
{
    struct scene s = {.w = w, .v = oracle_view(w, 0)};
    for (size_t i = 0; s.v && i < s.v->run_count; i++)
        if (w->lesson_run ? s.v->runs[i].id == w->lesson_run : true)
            s.run = &s.v->runs[i];
    return s;
}

static void look(struct world *w, const struct due *d)
{
    const struct lesson *l = w->options.lesson;
    struct scene s = scene_now(w);
    (void)d;
    if (s.v && l->scenes[w->lesson_scene](&s)) {
        world_say(w, "lesson: scene %zu is over", w->lesson_scene + 1);
        w->lesson_scene++;
        w->lesson_since_ms = w->now_ms;
        w->lesson_runs = w->runs_begun;
    }
    if (w->lesson_scene == 8 || !l->scenes[w->lesson_scene])
        w->people_done = true;
    else if (w->now_ms > LONG_MS)
        world_violate(w, "%s: stands still in scene %zu", l->name, w->lesson_scene + 1);
    world_at(w, w->now_ms + LOOK_MS, look, 0, 0, NULL, 0);
}

/* Agents dial again at once: slower networks fail gates, which is another story. */
static void break_pipes(struct world *w, const struct due *d)
{
    (void)d;
    for (size_t i = 0; i < w->machines; i++)
        if (w->pipes[i].id)
            net_close(w, w->pipes[i].id);
    world_at(w, w->now_ms + STORM_MS, break_pipes, 0, 0, NULL, 0);
}

void lesson_begin(struct world *w)
{
    const struct lesson *l = w->options.lesson;
    struct rng rng = rng_of(w->options.seed, 12);
    w->groups.all[0].max_out = l->max_out;
    w->groups.rest.max_out.value = l->max_out;
    if (l->rough && rng_chance(&rng, 500)) {
        w->double_permille = (uint32_t)rng_between(&rng, 0, 300);
        world_at(w, BEGIN_MS + rng_between(&rng, 0, STORM_MS), break_pipes, 0, 0, NULL, 0);
    }
    world_at(w, w->now_ms + LOOK_MS, look, 0, 0, NULL, 0);
}

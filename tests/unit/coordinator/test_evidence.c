/* What a server is taken upon, and for how long that holds. Each scenario is named after what must
 * hold; the first ones are on the stage, the others in the brain. */
#include "tests/unit/coordinator/farm.h"
#include "tests/unit/coordinator/play.h"

#include "common/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE 60000

/* ---- both answers are needed, and both of now ---- */

/* Its agent answered, and died; seconds later the balancer can be read, too. */
static void server_is_not_taken_on_what_its_agent_said_before_it_died(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.balancer_broken = true;
    play_until(&p, 300);
    p.servers[0].dead = true; /* its presence still says fresh */
    play_until(&p, 10000);
    p.balancer_broken = false;
    play_until(&p, 20000);
    assert_int_equal(p.run->targets[0].state, TARGET_CHECKING);
    assert_int_equal(p.servers[0].drains, 0);
    p.servers[0].dead = false;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

/* The other way round: where it stood ten seconds ago says nothing of who serves now. */
static void server_is_not_taken_on_where_it_stood_before_the_balancer_was_lost(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].dead = true;
    play_until(&p, 300);
    p.balancer_broken = true;
    play_until(&p, 10000);
    p.servers[0].dead = false;
    play_until(&p, 20000);
    assert_int_equal(p.run->targets[0].state, TARGET_CHECKING);
    assert_false(p.run->targets[0].holds);
    p.balancer_broken = false;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

/* ---- the machine slept ---- */

/* Until its agent has answered what it is asked before it is taken, and nobody has read that yet.
 */
static void let_it_answer(struct farm *f, uint64_t run)
{
    for (int i = 0; i < 500; i++) {
        for (size_t k = 0; k < FARM_LETTERS; k++) {
            if (f->letters[k].used && f->letters[k].agent == 0 &&
                f->letters[k].message->kind == AGENT_OBSERVATION) {
                assert_int_equal(coordinator_run_find(f->brain, run)->targets[0].state,
                                 TARGET_CHECKING);
                return;
            }
        }
        farm_run(f, 10);
    }
    fail_msg("nothing is asked of web01:\n%s", farm_events(f));
}

/* What waits in the buffers as it wakes is the first that is heard then: an answer of an hour ago,
 * to a question that is still open. Meanwhile web02 has died, and nobody knows. */
static void answer_from_before_a_sleep_takes_no_server(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    uint64_t run = farm_recycle(&f, "web01");
    let_it_answer(&f, run);
    f.agents[1].dead = true;
    f.now_ms += 60 * MINUTE;
    farm_run(&f, 10000);
    assert_int_equal(f.agents[0].acts, 0);
    assert_int_equal(coordinator_run_find(f.brain, run)->targets[0].state, TARGET_WAITING);
    f.agents[1].dead = false;
    farm_run_to_end(&f, MINUTE);
    assert_int_equal(f.agents[0].acts, 1);
    farm_end(&f);
}

/* Whatever a run was waiting for: no agent was asked in that time, so nobody was late. */
static void sleep_is_not_held_against_a_server(void **state)
{
    (void)state;
    const enum target_state when[] = {TARGET_CHECKING, TARGET_DRAINING,  TARGET_ACTING,
                                      TARGET_GATING,   TARGET_RETURNING, TARGET_SOAKING};
    for (size_t i = 0; i < sizeof when / sizeof *when; i++) {
        struct farm f;
        farm_begin_balanced(&f, 3, 1);
        struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "web01");
        q.options.soak_ms = 1000;
        uint64_t run = farm_ask(&f, &q);
        while (coordinator_run_find(f.brain, run)->targets[0].state != when[i]) {
            farm_run(&f, 10);
        }
        f.now_ms += 60 * MINUTE;
        farm_run_to_end(&f, MINUTE);
        assert_int_equal(coordinator_incident_count(f.brain), 0);
        farm_expect_event(&f, "run.ended: 1 done");
        assert_int_equal(f.agents[0].acts, 1);
        assert_int_equal(f.agents[0].admin, BALANCER_READY);
        farm_end(&f);
    }
}

/* A disk that holds it up for seconds, again and again: deadlines come later by that, and they
 * come. */
static void machine_that_stands_still_all_the_time_comes_to_its_deadlines(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 1);
    f.agents[0].probe_status = 500;
    uint64_t run = farm_recycle(&f, "web01");
    while (coordinator_run_find(f.brain, run)->targets[0].state != TARGET_GATING) {
        farm_run(&f, 10);
    }
    for (int i = 0; i < 30 && coordinator_run_count(f.brain); i++) {
        farm_run(&f, 500);
        f.now_ms += 3500;
    }
    assert_int_equal(coordinator_run_count(f.brain), 0);
    assert_int_equal(coordinator_incident_count(f.brain), 1);
    farm_end(&f);
}

/* ---- the disk was full as it was to be saved ---- */

/* The reading that lets it act is used up, and what it led to could not be saved: it is read again
 * with the next poll, not as late as a balancer is asked again that never answered. */
static void what_could_not_be_saved_is_asked_again_at_once(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 2, 1);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "web01");
    q.options.drain_limit_ms = 2 * MINUTE;
    uint64_t run = farm_ask(&f, &q);
    while (!coordinator_run_find(f.brain, run)->targets[0].told) {
        farm_run(&f, 10);
    }
    files_disk_is_full(true);
    farm_run(&f, 3000);
    int sent = f.acts_sent;
    enum target_state is = coordinator_run_find(f.brain, run)->targets[0].state;
    files_disk_is_full(false);
    assert_int_equal(sent, 0);
    assert_int_equal(is, TARGET_DRAINING);
    farm_run(&f, 5000);
    assert_int_equal(f.agents[0].acts, 1);
    farm_run_to_end(&f, MINUTE);
    farm_end(&f);
}

/* ---- what was said once is not said anew ---- */

/* The farm does not tell progress by itself. */
static void tape_progress(struct farm *f)
{
    struct farm_agent *a = &f->agents[0];
    const struct agent_message m = {.version = WIRE_VERSION,
                                    .agent = a->name,
                                    .incarnation = {{a->incarnation}},
                                    .boot = {{a->boot}},
                                    .start_no = a->start_no,
                                    .seq = 1,
                                    .kind = AGENT_PROGRESS,
                                    .progress = {.id = a->act_id, .step = "stopping"}};
    farm_tape(f, &m);
}

static bool is_taped(const struct farm *f, enum agent_message_kind kind)
{
    for (size_t i = 0; i < f->taped; i++) {
        if (f->tape[i].kind == kind) {
            return true;
        }
    }
    return false;
}

/* A run is taped, then another one walks over the same servers; replayed: with all that was said in
 * the first one said again, ten times a second. What followers are told of it. */
static char *second_walk(bool replayed)
{
    struct farm f;
    farm_begin_balanced(&f, 2, 1);
    f.taping = true;
    farm_recycle(&f, "all");
    farm_run_to_end(&f, MINUTE);
    f.taping = false;
    tape_progress(&f);
    for (int kind = AGENT_LISTEN; kind <= AGENT_OBSERVATION; kind++) {
        assert_true(is_taped(&f, (enum agent_message_kind)kind));
    }
    uint64_t run = farm_recycle(&f, "all");
    for (int i = 0; coordinator_run_count(f.brain); i++) {
        assert_true(i < 600);
        if (replayed) {
            farm_replay(&f);
        }
        farm_run(&f, 100);
    }
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    for (size_t i = 0; i < f.count; i++) {
        assert_int_equal(f.agents[i].acts, 2);
    }
    assert_int_equal(f.acts_in_rotation, 0);
    assert_false(f.stranger_commanded);
    char *told = must_copy(farm_events(&f));
    farm_end(&f);
    return told;
}

/* Listen, report, progress, result and observation: nothing of it takes an answer away, passes a
 * gate, ends an act, or is told. */
static void replayed_messages_change_nothing(void **state)
{
    (void)state;
    char *quiet = second_walk(false), *replayed = second_walk(true);
    assert_string_equal(quiet, replayed);
    free(quiet);
    free(replayed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_is_not_taken_on_what_its_agent_said_before_it_died),
        cmocka_unit_test(server_is_not_taken_on_where_it_stood_before_the_balancer_was_lost),
        cmocka_unit_test(answer_from_before_a_sleep_takes_no_server),
        cmocka_unit_test(sleep_is_not_held_against_a_server),
        cmocka_unit_test(machine_that_stands_still_all_the_time_comes_to_its_deadlines),
        cmocka_unit_test(what_could_not_be_saved_is_asked_again_at_once),
        cmocka_unit_test(replayed_messages_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* samples.c - see samples.h. */
#include "samples.h"

#include "common/must.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

struct wire_id sample_id(uint8_t first)
{
    struct wire_id id;
    for (uint8_t i = 0; i < sizeof(id.bytes); i++)
        id.bytes[i] = (uint8_t)(first + i);
    return id;
}

void sample_places(struct balancer_entry *places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct balancer_entry *e = &places[i];
        text_format(e->balancer, sizeof(e->balancer), "lb%u", i);
        text_format(e->backend, sizeof(e->backend), "shop-%u \"q\" \xc3\xbc", i);
        text_format(e->name, sizeof(e->name), "srv%u", i + 40);
        e->admin = (enum balancer_admin)(i % 3);
        e->up = i % 2 == 0;
        e->sessions = UINT32_MAX - i;
        e->others_serving = 7 + i;
    }
}

void sample_target(struct rollout_target *t, uint32_t order)
{
    text_format(t->server, sizeof(t->server), "web%02u", order);
    text_format(t->pool, sizeof(t->pool), "Shop %u", order % 3);
    t->sessions_left = order + 9;
    t->order = order;
    t->state = (enum target_state)(order % TARGET_STATE_COUNT);
    t->holds = true;
    t->back = order % 2 == 1;
    t->act_failed = order % 2 == 0;
    t->attempts = 3;
    t->command = (struct command_id){{41, sample_id(9)}, 42};
    t->outcome = (enum outcome)(order % OUTCOME_COUNT);
    t->cause = (enum cause)(order % CAUSE_COUNT);
    text_copy(t->step, sizeof(t->step), "waiting for 2 old workers");
    text_copy(t->detail, sizeof(t->detail), "200 after 3 tries; it's \"fine\"");
    t->place_count = BALANCER_ENTRIES_MAX;
    sample_places(t->places, t->place_count);
    t->baseline_count = ROLLOUT_BASELINE_MAX;
    t->after_count = 2;
    for (uint32_t i = 0; i < t->baseline_count; i++) {
        t->baseline_pid[i] = UINT32_MAX - i;
        t->baseline_created[i] = UINT64_MAX - 3 * i;
    }
    t->after_pid[0] = 51;
    t->after_pid[1] = 52;
    t->probe_status = -1;
    t->probe_ms = 61;
    t->gap_ms = 62;
    t->orphans_allowed = true;
    t->started_wall_ms = 1790000000001;
    t->ended_wall_ms = 1790000000002;
    t->wave = order + 3;
    t->before = (struct measure){true, true, 12, -1, true, 41, 7340032};
    t->after = (struct measure){.taken = order % 2 == 1, .queued = 3 * (order % 2)};
    t->put_off = order % 3 == 0;
    t->taken_count = order % 3;
    for (uint32_t k = 0; k < t->taken_count; k++) {
        t->taken[k] = 10 * order + k + 1;
    }
    t->taken_left = order % 3 ? 1 : 0;
    t->trouble = (enum trouble)(order % ROLLOUT_TROUBLES);
    text_copy(t->zone, sizeof(t->zone), "b\xc3\xbc");
}

struct rollout *sample_run(size_t target_count)
{
    struct rollout *run = rollout_new(target_count);
    run->action = ROLLOUT_STOP;
    text_copy(run->pool, sizeof(run->pool), "Shop & S\xc3\xb6hne");
    text_copy(run->selector, sizeof(run->selector), "farm=web,!zone=b");
    text_copy(run->actor, sizeof(run->actor), "anna");
    text_copy(run->reason, sizeof(run->reason), "leaks since Tuesday; Robert'); DROP TABLE run;--");
    run->options = (struct rollout_options){
        .batch = 2,
        .max_unavailable = 3,
        .soak_ms = 1001,
        .limit_ms = 1002,
        .drain = true,
        .drain_limit_ms = 1003,
        .on_drain_limit = DRAIN_LIMIT_PROCEED,
        .gate_passes = 4,
        .gate_min_ms = 1004,
        .gate_deadline_ms = 1005,
        .gate_interval_ms = 1006,
        .policies = {{.then = ON_FAILURE_CONTINUE, .run = {5, false}},
                     {.then = ON_FAILURE_STOP, .run = {10, true}},
                     {.then = ON_FAILURE_PAUSE,
                      .run = {100, true},
                      .wave_limited = true,
                      .wave = {3, false}},
                     {.then = ON_FAILURE_PAUSE, .run = {0, false}}},
        .unreachable = UNREACHABLE_WAIT,
        .start_idle = true,
        .keep_autostart = false,
        .batch_percent = 7,
        .waves = "1,5,20%",
        .canary = 2,
        .pause_after_canary = true,
        .bake_ms = 1007,
        .order_by = "zone",
        .approve_by = "bert,@ops",
        .approve_until_ms = 1234567890123,
        .gate_latency = {150, true, true},
        .gate_queue = {0, false, true},
        .gate_errors = {7, false, true},
        .window = "22:00-05:00 @Europe/Berlin",
        .enable = true,
        .all_servers = true,
        .worker_pid = 4711,
        .worker_created = 133000000000000000,
    };
    run->state = RUN_STOPPING;
    run->pause_causes = PAUSE_PERSON | PAUSE_STORE;
    text_copy(run->why, sizeof(run->why), "web03 failed");
    run->created_wall_ms = 1790000000003;
    for (uint32_t k = 0; k < ROLLOUT_TROUBLES; k++) {
        run->troubles[k] = 6 + k;
        run->troubles_in_wave[k] = 2 + k;
    }
    run->wave = 8;
    run->wave_over = true;
    for (size_t i = 0; i < target_count; i++)
        sample_target(&run->targets[i], (uint32_t)i);
    return run;
}

struct store_command sample_command(uint64_t run)
{
    struct store_command c = {
        .id = {{5, sample_id(7)}, 8},
        .server = "web01",
        .pool = "Shop",
        .verb = VERB_STOP,
        .run = run,
        .target_order = 1,
        .sent_wall_ms = 1790000000009,
        .outcome = OUTCOME_NONE,
    };
    return c;
}

struct store *sample_store(const char *path, struct fence *out_fence)
{
    struct store_spec spec = {.path = path, .instance = sample_id(1), .wall_ms = 1790000000000};
    struct store *s = NULL;
    struct fence fence;
    struct error err = {0};
    if (store_open(&spec, &s, out_fence ? out_fence : &fence, &err))
        fprintf(stderr, "%s\n", err.text);
    must(s != NULL);
    return s;
}

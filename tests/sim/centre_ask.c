/* centre_ask.c - see world.h: what operators ask of a coordinator. */
#include "common/text.h"
#include "tests/sim/centre_impl.h"
#include "tests/sim/oracle.h"

bool centre_start_run(struct world *w, int index, const struct run_wish *wish)
{
    static const enum rollout_action actions[] = {ROLLOUT_RECYCLE, ROLLOUT_START, ROLLOUT_STOP,
                                                  ROLLOUT_UNDRAIN};
    struct centre *c = w->centres[index];
    struct error err = {0};
    uint64_t id = 0;
    if (!centre_up(c) || centre_asleep(c))
        return false;
    struct plan_request q = {.action = actions[wish->kind],
                             .pool = wish->pool,
                             .selector = wish->selector,
                             .actor = "anna",
                             .reason = "simulated",
                             .waves = wish->waves,
                             .order = wish->order,
                             .window = wish->hours,
                             .windows = &w->hours.windows,
                             .options = centre_defaults()};
    q.options.batch = wish->batch;
    q.options.canary = wish->canary;
    q.options.pause_after_canary = wish->pause_after_canary;
    q.options.bake_ms = wish->bake_ms;
    q.options.soak_ms = wish->soak_ms;
    q.options.gate_min_ms = wish->quick_gate ? 0 : q.options.gate_min_ms;
    enum error_code code = coordinator_start_run(c->brain, &q, centre_clock(c), centre_wall_ms(c), &id, &err);
    if (code)
        world_say(w, "c%d: no run: %s", index, err.text);
    centre_after(c);
    return code == ERR_NONE;
}

void centre_request(struct world *w, int index, uint64_t run, enum request_kind what)
{
    static const enum rollout_request requests[] = {REQUEST_PAUSE, REQUEST_RESUME, REQUEST_ABORT};
    static const char *const words[] = {"pauses", "resumes", "aborts"};
    struct centre *c = w->centres[index];
    struct error err = {0};
    if (!centre_up(c) || w->now_ms < c->asleep_until_ms)
        return;
    world_say(w, "c%d: somebody %s run %u", index, words[what], (unsigned)run);
    coordinator_request(c->brain, run, requests[what], "anna", "simulated", centre_clock(c), centre_wall_ms(c),
                        &err);
    centre_after(c);
}

void centre_resolve(struct world *w, int index, uint64_t run, const char *server,
                    enum resolve_kind as)
{
    static const enum outcome outcomes[] = {OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_UNHEARD};
    struct centre *c = w->centres[index];
    struct error err = {0};
    if (!centre_up(c) || w->now_ms < c->asleep_until_ms)
        return;
    world_say(w, "c%d: somebody settles %s of run %u as %s", index, server, (unsigned)run,
              outcome_name(outcomes[as]));
    oracle_resolved(w, index, run, centre_server(w, server), as == RESOLVE_NOT_EXECUTED);
    coordinator_resolve(c->brain, run, server, outcomes[as], "anna", "simulated", centre_clock(c),
                        centre_wall_ms(c), &err);
    centre_after(c);
}

void centre_takeover(struct world *w, int index)
{
    struct centre *c = w->centres[index];
    struct error err = {0};
    if (!centre_frozen(c) || w->now_ms < c->asleep_until_ms)
        return;
    world_say(w, "c%d: somebody says takeover", index);
    if (coordinator_takeover(c->brain, "anna", "simulated", centre_clock(c), centre_wall_ms(c), &err))
        world_say(w, "c%d: no takeover: %s", index, err.text);
    centre_after(c);
}

void centre_declare_out(struct world *w, int index, const char *server, uint64_t for_ms)
{
    struct centre *c = w->centres[index];
    struct error err = {0};
    if (!centre_up(c) || w->now_ms < c->asleep_until_ms)
        return;
    if (coordinator_declare_out(c->brain, server, for_ms, "anna", "simulated", centre_clock(c), centre_wall_ms(c),
                                &err) == ERR_NONE)
        world_say(w, "c%d: somebody declares %s out for %u ms", index, server, (unsigned)for_ms);
    centre_after(c);
}

void centre_release(struct world *w, int index, const char *server)
{
    struct centre *c = w->centres[index];
    struct error err = {0};
    if (!centre_up(c) || w->now_ms < c->asleep_until_ms)
        return;
    oracle_released(w, index, centre_server(w, server));
    if (coordinator_release(c->brain, server, "anna", "simulated", centre_clock(c), centre_wall_ms(c), &err) ==
        ERR_NONE)
        world_say(w, "c%d: somebody releases %s", index, server);
    centre_after(c);
}

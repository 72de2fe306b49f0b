/* centre_ask.c - see world.h: what operators ask of a coordinator. */
#include "common/text.h"
#include "tests/sim/centre_impl.h"
#include "tests/sim/oracle.h"

bool centre_start_run(struct world *w, int index, const struct run_wish *wish)
{
    static const enum rollout_action actions[] = {
        ROLLOUT_RECYCLE,         ROLLOUT_START, ROLLOUT_STOP,
        ROLLOUT_UNDRAIN,         ROLLOUT_CYCLE, ROLLOUT_SERVICE_RECOVER,
        ROLLOUT_SERVICE_RESTART, ROLLOUT_WARM,  ROLLOUT_UNWARM};
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
                             .approve_by = wish->approver,
                             .approve_within_ms = wish->approve_ms,
                             .options = centre_defaults()};
    q.options.batch = wish->batch;
    q.options.canary = wish->canary;
    q.options.max_unavailable = wish->max_unavailable;
    q.options.pause_after_canary = wish->pause_after_canary;
    q.options.bake_ms = wish->bake_ms;
    q.options.soak_ms = wish->soak_ms;
    if (wish->stops)
        rollout_policies(&q.options, ON_FAILURE_STOP, 0);
    if (wish->skips_silent)
        q.options.unreachable = UNREACHABLE_SKIP;
    q.options.policies[TROUBLE_UNKNOWN].run.number += wish->bears_unknown;
    q.options.limit_ms = wish->limit_ms ? wish->limit_ms : q.options.limit_ms;
    q.options.drain_limit_ms = wish->drain_ms ? wish->drain_ms : q.options.drain_limit_ms;
    if (wish->drain_ms) /* a link that was cut is mended after half a minute */
        q.options.gate_deadline_ms = wish->drain_ms;
    q.options.gate_min_ms = wish->quick_gate ? 0 : q.options.gate_min_ms;
    enum error_code code =
        coordinator_start_run(c->brain, &q, centre_clock(c), centre_wall_ms(c), &id, &err);
    if (code)
        world_say(w, "c%d: no run: %s", index, err.text);
    centre_after(c);
    return code == ERR_NONE;
}

bool centre_retry(struct world *w, int index, uint64_t run)
{
    struct centre *c = w->centres[index];
    struct rollout *former = NULL;
    struct error err = {0};
    uint64_t id = 0;
    if (!centre_up(c) || centre_asleep(c) ||
        store_load_run(c->store, run, &former, &err) != ERR_NONE)
        return false;
    struct plan_request q = {.action = former->action,
                             .pool = former->pool,
                             .selector = former->selector,
                             .actor = "anna",
                             .reason = "simulated",
                             .windows = &w->hours.windows,
                             .options = former->options,
                             .retry = former};
    enum error_code code =
        coordinator_start_run(c->brain, &q, centre_clock(c), centre_wall_ms(c), &id, &err);
    world_say(w, "c%d: run %u is tried again%s%s", index, (unsigned)run, code ? ": " : "",
              code ? err.text : "");
    rollout_free(former);
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
    if (what == REQ_ABORT)
        oracle_aborted(w, index, run);
    coordinator_request(c->brain, run, requests[what], "anna", "simulated", centre_clock(c),
                        centre_wall_ms(c), &err);
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
    if (coordinator_takeover(c->brain, "anna", "simulated", centre_clock(c), centre_wall_ms(c),
                             &err))
        world_say(w, "c%d: no takeover: %s", index, err.text);
    centre_after(c);
}

void centre_declare_out(struct world *w, int index, const char *server, uint64_t for_ms)
{
    struct centre *c = w->centres[index];
    struct error err = {0};
    if (!centre_up(c) || w->now_ms < c->asleep_until_ms)
        return;
    if (coordinator_declare_out(c->brain, server, for_ms, "anna", "simulated", centre_clock(c),
                                centre_wall_ms(c), &err) == ERR_NONE)
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
    if (coordinator_release(c->brain, server, "anna", "simulated", centre_clock(c),
                            centre_wall_ms(c), &err) == ERR_NONE)
        world_say(w, "c%d: somebody releases %s", index, server);
    centre_after(c);
}

/* ---- what other tools ask, and second persons ---- */

bool centre_start_hold(struct world *w, int index, const char *server, uint64_t for_ms,
                       char token[TOKEN_MAX], uint64_t *out_run)
{
    _Static_assert(TOKEN_MAX == HOLD_TOKEN_MAX, "a tool keeps it as it is");
    struct centre *c = w->centres[index];
    struct error err = {0};
    if (!centre_up(c) || centre_asleep(c))
        return false;
    struct plan_request q = {.action = ROLLOUT_HOLD,
                             .pool = "",
                             .selector = server,
                             .actor = "deploy",
                             .reason = "simulated",
                             .windows = &w->hours.windows,
                             .options = centre_defaults()};
    q.options.limit_ms = for_ms;
    enum error_code code = coordinator_start_hold(c->brain, &q, centre_clock(c), centre_wall_ms(c),
                                                  out_run, token, &err);
    world_say(w, "c%d: a tool asks for %s, for %u ms%s%s", index, server, (unsigned)for_ms,
              code ? ": " : "", code ? err.text : "");
    centre_after(c);
    return code == ERR_NONE;
}

enum release_answer centre_release_hold(struct world *w, int index, int server,
                                        const struct release_wish *wish)
{
    struct centre *c = w->centres[index];
    struct error err = {0};
    uint64_t run = 0;
    if (!centre_up(c) || centre_asleep(c))
        return RELEASE_TRY_AGAIN;
    if (wish->run)
        oracle_given_back(w, index, wish->run, server);
    struct hold_release release = {.token = wish->token ? wish->token : "",
                                   .server = wish->token ? "" : w->iis[server].name,
                                   .failed = wish->failed};
    enum error_code code =
        coordinator_release_hold(c->brain, &release, wish->token ? "deploy" : "anna", "simulated",
                                 centre_clock(c), centre_wall_ms(c), &run, &err);
    world_say(w, "c%d: %s is given back%s%s%s", index, w->iis[server].name,
              wish->failed ? " as failed" : "", code ? ": " : "", code ? err.text : "");
    centre_after(c);
    return code == ERR_NONE                             ? RELEASE_TAKEN
           : code == ERR_NOT_FOUND || code == ERR_STATE ? RELEASE_OF_NONE
                                                        : RELEASE_TRY_AGAIN;
}

bool centre_maintenance(struct world *w, int index, const char *server, uint64_t for_ms)
{
    struct centre *c = w->centres[index];
    struct error err = {0};
    if (!centre_up(c) || centre_asleep(c))
        return false;
    enum error_code code = coordinator_maintenance(c->brain, server, for_ms, "anna", "simulated",
                                                   centre_clock(c), centre_wall_ms(c), &err);
    if (code == ERR_NONE)
        world_say(w, "c%d: maintenance of %s, for %u ms", index, server, (unsigned)for_ms);
    centre_after(c);
    return code == ERR_NONE;
}

bool centre_approve(struct world *w, int index, uint64_t run, const char *actor)
{
    struct centre *c = w->centres[index];
    struct error err = {0};
    if (!centre_up(c) || centre_asleep(c))
        return false;
    if (text_equal(actor, "bert"))
        oracle_approved(w, index, run);
    enum error_code code = coordinator_approve(c->brain, run, actor, "simulated", centre_clock(c),
                                               centre_wall_ms(c), &err);
    world_say(w, "c%d: %s approves run %u%s%s", index, actor, (unsigned)run, code ? ": " : "",
              code ? err.text : "");
    centre_after(c);
    return code == ERR_NONE;
}

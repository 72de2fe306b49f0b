/* What a plan would come to, in the words of the agents: each that can be asked looks afresh and
 * says what it would do, whether the pool is there, and whether its own guards would refuse.
 *
 * Nothing is saved and nothing is changed. Some are asked at a time, so that a farm of ten thousand
 * is no storm; who has not answered in time is told as that.
 */
#include "coordinator/brain/coordinator_impl.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/core/warm.h"

#include <stdlib.h>

#define AT_A_TIME 100
#define ANSWER_MS 20000 /* one look may take several calls of appcmd */
#define KEPT_MS   120000

static struct rehearsal *find(struct coordinator *c, uint64_t id)
{
    for (size_t i = 0; i < REHEARSALS && id; i++) {
        if (c->rehearsals[i].id == id) {
            return &c->rehearsals[i];
        }
    }
    return NULL;
}

static void end(struct rehearsal *h)
{
    for (size_t i = 0; h->plan && i < h->plan->target_count; i++) {
        free(h->answers[i].settings);
    }
    free(h->answers);
    rollout_free(h->plan);
    *h = (struct rehearsal){0};
}

void rehearsals_close(struct coordinator *c)
{
    for (size_t i = 0; i < REHEARSALS; i++) {
        end(&c->rehearsals[i]);
    }
}

static void say(struct rehearsal *h, size_t target, enum outcome would, enum cause cause,
                const char *text)
{
    struct rehearsed *a = &h->answers[target];
    h->answered += !a->answered;
    a->answered = true;
    a->would = would;
    a->cause = cause;
    wire_clean_text(a->text, sizeof a->text, text);
}

static void ask(struct coordinator *c, struct rehearsal *h, size_t target)
{
    const struct rollout *plan = h->plan;
    const struct rollout_target *t = &plan->targets[target];
    const struct fleet_server *server = fleet_find(c->fleet, t->server);
    struct session *s = session_find(c, t->server);
    if (!server || server->presence != PRESENCE_FRESH || !s) {
        say(h, target, OUTCOME_NONE, CAUSE_NONE, "its agent cannot be asked now");
        return;
    }
    struct pending p = {.command = {.verb = VERB_OBSERVE}};
    p.command.rehearse = rollout_action_verb(plan->action);
    p.command.settings = settings_for(c, plan, target);
    p.command.keep_autostart = plan->options.keep_autostart;
    p.command.start_idle = plan->options.start_idle;
    p.command.worker_pid = plan->options.worker_pid;
    p.command.worker_created = plan->options.worker_created;
    p.command.force = plan->options.shared;
    p.command.id = session_next_id(c, s);
    text_copy(p.pool, sizeof p.pool, t->pool);
    text_copy(p.actor, sizeof p.actor, plan->actor);
    struct ask *a = ask_new(c);
    a->rehearsal = h->id;
    a->target = target;
    text_copy(a->server, sizeof a->server, t->server);
    c->spec.ports.random_id(c->spec.ports.ctx, &a->nonce);
    p.command.nonce = a->nonce;
    if (!session_send(c, s, &p)) {
        say(h, target, OUTCOME_NONE, CAUSE_BUSY, "its agent is asked too much already");
    }
}

static void go_on(struct coordinator *c, struct rehearsal *h)
{
    while (h->asked < h->plan->target_count && h->asked - h->answered < AT_A_TIME) {
        ask(c, h, h->asked++);
    }
}

enum error_code coordinator_rehearse(struct coordinator *c, const struct plan_request *request,
                                     uint64_t now_ms, int64_t wall_ms, uint64_t *out_id,
                                     struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct rollout *plan = NULL;
    struct plan_request q = *request;
    q.has_former = knows_former;
    q.former_ctx = c;
    enum error_code code = plan_make(&q, c->fleet, wall_ms, &plan, err);
    if (code == ERR_NONE && c->frozen[0]) {
        code = error_set(err, ERR_UNAVAILABLE, "frozen: %s", c->frozen);
    }
    if (code != ERR_NONE) {
        rollout_free(plan);
        return code;
    }
    struct rehearsal *h = &c->rehearsals[c->next_rehearsal % REHEARSALS];
    end(h);
    *h = (struct rehearsal){.id = ++c->next_rehearsal, .plan = plan, .begun_ms = now_ms};
    h->answers = must_alloc(plan->target_count, sizeof *h->answers);
    go_on(c, h);
    *out_id = h->id;
    return ERR_NONE;
}

void rehearse_on_observation(struct coordinator *c, const struct ask *asked,
                             const struct observation *seen)
{
    struct rehearsal *h = find(c, asked->rehearsal);
    if (!h || asked->target >= h->plan->target_count || h->answers[asked->target].answered) {
        return;
    }
    struct rehearsed *a = &h->answers[asked->target];
    if (seen->cause != CAUSE_NONE) {
        say(h, asked->target, OUTCOME_REFUSED, seen->cause,
            seen->detail[0] ? seen->detail : cause_name(seen->cause));
    } else {
        say(h, asked->target, seen->would, seen->would_cause, seen->would_text);
        a->settings = seen->settings[0] ? must_copy(seen->settings) : NULL;
    }
    h->begun_ms = c->now_ms; /* it goes on */
    go_on(c, h);
}

void rehearse_on_time(struct coordinator *c)
{
    for (size_t i = 0; i < REHEARSALS; i++) {
        struct rehearsal *h = &c->rehearsals[i];
        if (!h->id || c->now_ms - h->begun_ms < ANSWER_MS) {
            continue;
        }
        for (size_t k = 0; k < h->asked; k++) {
            if (!h->answers[k].answered) {
                say(h, k, OUTCOME_NONE, CAUSE_TIMEOUT, "its agent did not answer in time");
            }
        }
        go_on(c, h);
        if (c->now_ms - h->begun_ms > KEPT_MS) {
            end(h);
        }
    }
}

bool coordinator_rehearsal(const struct coordinator *c, uint64_t id, const struct rollout **plan,
                           const struct rehearsed **answers, bool *complete)
{
    const struct rehearsal *h = find((struct coordinator *)c, id);
    if (!h) {
        return false;
    }
    *plan = h->plan;
    *answers = h->answers;
    *complete = h->answered == h->plan->target_count;
    return true;
}

/* What answers of the balancer bring. */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"
#include "coordinator/core/words.h"

#include <string.h>

/* Places that are ours already: an incident left them to us. */
struct ours {
    struct balancer_entry places[BALANCER_ENTRIES_MAX];
    size_t count;
};

static void find_ours(const struct rollout_target *t, const struct rollout_view *view,
                      struct ours *out)
{
    out->count = view->inherited ? view->inherited(view->ctx, t->server, t->pool, out->places,
                                                   BALANCER_ENTRIES_MAX)
                                 : 0;
}

bool places_inherit_more(const struct rollout_target *t, const struct rollout_view *view)
{
    struct ours ours;
    find_ours(t, view, &ours);
    return ours.count != t->inherits;
}

static bool is_ours(const struct ours *ours, const struct balancer_entry *place)
{
    return balancer_find_place(ours->places, ours->count, place) != NULL;
}

/* Several balancers in front of one farm: what one says is ready and another is not, nobody may
 * build on. A drain of ours that reached only some of them is not meant. NULL: they agree. */
static const struct balancer_entry *find_dissent(const struct balancer_answer *answer,
                                                 const struct ours *ours,
                                                 const struct balancer_entry **other)
{
    for (size_t i = 0; i < answer->entry_count; i++) {
        for (size_t k = i + 1; k < answer->entry_count; k++) {
            const struct balancer_entry *a = &answer->entries[i], *b = &answer->entries[k];
            if (balancer_same_line(a, b) &&
                (a->admin == BALANCER_READY) != (b->admin == BALANCER_READY) && !is_ours(ours, a) &&
                !is_ours(ours, b)) {
                *other = b;
                return a;
            }
        }
    }
    return NULL;
}

/* What we would take out (ready now), and what is ours already: also where the balancer forgot our
 * drain, since it may be told again at this very moment. A drain by somebody else is left alone: it
 * is neither. */
static void note_places(const struct rollout *r, struct rollout_target *t,
                        const struct balancer_answer *answer, const struct ours *ours)
{
    bool takes = r->options.drain && !rollout_action_restores(r->action);
    t->place_count = 0;
    for (size_t i = 0; i < answer->entry_count; i++) {
        const struct balancer_entry *e = &answer->entries[i];
        const struct balancer_entry *own = balancer_find_place(ours->places, ours->count, e);
        bool inherited = own && (e->admin != BALANCER_READY || balancer_forgot(own, e));
        if ((takes && e->admin == BALANCER_READY) || inherited) {
            t->places[t->place_count++] = *e;
        }
    }
}

static void places_checking(const struct rollout *r, struct rollout_change *c,
                            const struct balancer_answer *answer, const struct rollout_view *view,
                            uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    if (answer->code != ERR_NONE) {
        change_say(c, "balancer: %.240s", answer->text);
        return;
    }
    struct ours ours;
    find_ours(t, view, &ours);
    const struct balancer_entry *one, *other = NULL;
    if (!rollout_action_restores(r->action) && (one = find_dissent(answer, &ours, &other))) {
        change_say(c, "balancers disagree about %s/%s: %s says %s, %s says %s", one->backend,
                   one->name, one->balancer, balancer_admin_name(one->admin), other->balancer,
                   balancer_admin_name(other->admin));
        return; /* asked again; said as the reason when its time is over */
    }
    note_places(r, t, answer, &ours);
    t->inherits = (uint32_t)ours.count;
    for (uint32_t k = 0; k < t->place_count && !rollout_action_restores(r->action); k++) {
        const struct balancer_entry *e = &t->places[k];
        if (e->admin == BALANCER_READY && e->up && e->others_serving == 0) {
            change_enter(
                c, TARGET_WAITING, now_ms, "blocked: no other server would serve backend %s%s",
                e->backend,
                rollout_action_stops(r->action) ? "; if it is to end everywhere: --no-drain" : "");
            c->target_saved = false;
            t->turned_back = true;
            return;
        }
    }
    t->places_seen_ms = now_ms;
    change_decide_take(r, c, view, now_ms);
}

static void note_lives(struct rollout_target *t, const struct balancer_answer *answer)
{
    for (uint32_t k = 0; k < t->place_count && answer->op == BALANCER_OP_DRAIN; k++) {
        const struct balancer_entry *e =
            balancer_find_place(answer->entries, answer->entry_count, &t->places[k]);
        t->places[k].life = e ? e->life : t->places[k].life;
    }
}

static bool forgot_any(const struct rollout_target *t, const struct balancer_answer *answer)
{
    for (uint32_t k = 0; k < t->place_count && t->told; k++) {
        const struct balancer_entry *e =
            balancer_find_place(answer->entries, answer->entry_count, &t->places[k]);
        if (e && balancer_forgot(&t->places[k], e)) {
            return true;
        }
    }
    return false;
}

static void places_draining(const struct rollout *r, struct rollout_change *c,
                            const struct balancer_answer *answer, const struct rollout_view *view,
                            uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    char why[ROLLOUT_STEP_MAX] = "";
    if (answer->code != ERR_NONE) {
        change_say(c, "balancer: %.240s", answer->text);
        return;
    }
    t->told = t->told || answer->op == BALANCER_OP_DRAIN;
    note_lives(t, answer);
    if (forgot_any(t, answer)) {
        t->told = false; /* and is told again, as after a restart of ours */
        t->quiet = 0;
        change_say(c, "balancer %.60s was reloaded and forgot the drain: draining again",
                   t->places[0].balancer);
        return;
    }
    uint32_t sessions = 0, check_left_ms = 0;
    for (uint32_t k = 0; k < t->place_count; k++) {
        const struct balancer_entry *e =
            balancer_find_place(answer->entries, answer->entry_count, &t->places[k]);
        if (t->told && (!e || e->admin == BALANCER_READY)) {
            change_fail_act(r, c, CAUSE_NONE, now_ms, "%s/%s %s while it was drained",
                            t->places[k].backend, t->places[k].name,
                            e ? "was set ready by somebody else" : "vanished from the balancer");
            c->target.cause = CAUSE_DRIVER;
            return;
        }
        sessions += e ? e->sessions : 0;
        check_left_ms = e && e->check_left_ms > check_left_ms ? e->check_left_ms : check_left_ms;
    }
    t->sessions_left = sessions;
    t->quiet = sessions || check_left_ms ? 0 : t->quiet + 1;
    if (check_left_ms && !sessions) {
        change_say(c, "draining: the balancer's own check has %us left to see it",
                   (check_left_ms + 999) / 1000);
    } else {
        change_say(c, "draining: %u session%s left", sessions, sessions == 1 ? "" : "s");
    }
    if (!t->told || t->quiet < QUIET_READS || r->state != RUN_RUNNING) {
        return;
    }
    if (window_forbids(r, t, view, why, sizeof why)) {
        change_put_off(r, c, now_ms, why);
    } else {
        change_command(r, c, view, now_ms);
    }
}

static void places_returning(const struct rollout *r, struct rollout_change *c,
                             const struct balancer_answer *answer, const struct rollout_view *view,
                             uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    if (answer->code != ERR_NONE) {
        change_say(c, "balancer: %.220s; trying again", answer->text);
        return;
    }
    t->told = t->told || answer->op == BALANCER_OP_READY;
    bool dark = rollout_action_stops(r->action) && !t->act_failed;
    bool all_ready = true, all_up = true, any_up = false;
    for (uint32_t k = 0; k < t->place_count; k++) {
        const struct balancer_entry *e =
            balancer_find_place(answer->entries, answer->entry_count, &t->places[k]);
        all_ready = all_ready && (!e || e->admin == BALANCER_READY);
        all_up = all_up && (!e || e->up);
        any_up = any_up || (e && e->up);
    }
    if (dark && !t->told) {
        change_say(c, "waiting until the balancer sees it down");
        if (!any_up) { /* ready again by name only: its own check keeps visitors away */
            change_ask_balancer(c, BALANCER_OP_READY, now_ms);
        }
        return;
    }
    change_say(c, "put back, waiting for the balancer to see it up");
    if (t->told && all_ready && (all_up || dark)) {
        change_soak(r, c, view, now_ms);
    }
}

void rollout_on_balancer(const struct rollout *r, size_t i, const struct balancer_answer *answer,
                         const struct rollout_view *view, uint64_t now_ms, struct rollout_change *c)
{
    change_begin(r, c);
    if (i >= r->target_count || !answer->ticket || r->targets[i].place_ticket != answer->ticket) {
        return;
    }
    struct rollout_target *t = change_edit(r, c, i);
    t->place_ticket = 0;
    switch (t->state) {
    case TARGET_CHECKING:
        places_checking(r, c, answer, view, now_ms);
        break;
    case TARGET_DRAINING:
        places_draining(r, c, answer, view, now_ms);
        break;
    case TARGET_RETURNING:
        places_returning(r, c, answer, view, now_ms);
        break;
    default:
        break;
    }
}

/* remedy.c - what is due: incidents open, climb their ladder, and close. See remedy.h. */
#include "coordinator/core/remedy_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define CLOSE_MAX 64 /* incidents that wait, looked at closely with each turn */

/* ---- life ---- */

struct remedy *remedy_new(const struct remedy_rule *rules, size_t count,
                          const struct remedy_guards *guards, uint64_t now_ms)
{
    struct remedy *m = must_alloc(1, sizeof *m);
    m->rules = rules;
    m->rule_count = count;
    m->guards = *guards;
    m->born_ms = now_ms;
    m->memo = must_alloc(1, sizeof *m->memo);
    m->memo->shows = must_alloc(count + 1, sizeof *m->memo->shows);
    return m;
}

void remedy_free(struct remedy *m)
{
    if (m) {
        free(m->watches);
        free(m->slots);
        free(m->memo->shows);
        free(m->memo);
        free(m->past);
        free(m);
    }
}

const struct remedy_rule *remedy_rule_at(const struct remedy *m, size_t index)
{
    return m && index < m->rule_count ? &m->rules[index] : NULL;
}

const struct remedy_rule *remedy_rule_find(const struct remedy *m, const char *name)
{
    for (size_t i = 0; m && i < m->rule_count; i++) {
        if (text_equal(m->rules[i].name, name)) {
            return &m->rules[i];
        }
    }
    return NULL;
}

const struct remedy_guards *remedy_guards_of(const struct remedy *m)
{
    return &m->guards;
}

void remedy_remember(struct remedy *m, const char *rule, const char *server, const char *pool,
                     int64_t wall_ms, bool acted)
{
    size_t drop = 0;
    while (drop < m->past_count &&
           (wall_ms - m->past[drop].wall_ms > PAST_MS || m->past_count - drop >= PAST_MAX)) {
        drop++;
    }
    m->past_count -= drop;
    if (drop && m->past_count) {
        memmove(m->past, m->past + drop, m->past_count * sizeof *m->past);
    }
    m->past = must_realloc(m->past, m->past_count + 1, sizeof *m->past);
    struct past *p = &m->past[m->past_count++];
    *p = (struct past){.wall_ms = wall_ms, .acted = acted};
    text_copy(p->rule, sizeof p->rule, rule);
    text_copy(p->server, sizeof p->server, server);
    text_copy(p->pool, sizeof p->pool, pool);
}

void remedy_released(struct remedy *m, int64_t wall_ms)
{
    m->released_wall_ms = wall_ms > m->released_wall_ms ? wall_ms : m->released_wall_ms;
}

/* ---- the phases ---- */

static void begin_change(struct remedy_change *c, const struct incident *n)
{
    *c = (struct remedy_change){.incident = *n};
}

/* Nothing was begun that could have changed anything. */
static bool never_began(const struct remedy_run *run)
{
    return run->state == TARGET_ABORTED || run->state == TARGET_SKIPPED ||
           run->state == TARGET_WAITING || run->cause == CAUSE_EXPIRED || run->cause == CAUSE_BUSY;
}

static void act_ended(const struct remedy *m, struct remedy_change *c,
                      const struct remedy_rule *rule, const struct remedy_run *run,
                      const struct remedy_view *view)
{
    struct incident *n = &c->incident;
    const char *detail = run->detail && run->detail[0] ? run->detail : "its run is gone";
    unsigned long long id = n->run;
    change_note(c, view->wall_ms, "proof", "run %llu: %s", id, detail);
    if (run->state == TARGET_DONE && run->apart) { /* whatever its rung is called by now */
        change_phase(c, INCIDENT_QUARANTINED, view->wall_ms);
        c->kind = "incident.quarantined";
        n->until_wall_ms = rule->quarantine_ms ? view->wall_ms + (int64_t)rule->quarantine_ms : 0;
        text_copy(n->why, sizeof n->why, "in quarantine: it kept failing");
    } else if (run->state == TARGET_DONE || run->state == TARGET_NOTHING) {
        change_phase(c, INCIDENT_PROVING, view->wall_ms);
        text_format(n->why, sizeof n->why, "run %llu is done: is the trouble gone?", id);
    } else if (run->cause == CAUSE_IDENTITY || run->cause == CAUSE_ON_PURPOSE) {
        change_call(c, view->wall_ms, detail); /* never tried again */
    } else if (never_began(run)) {
        change_phase(c, INCIDENT_BLOCKED, view->wall_ms);
        n->guard = GUARD_BEGUN;
        n->until_wall_ms = view->wall_ms + (int64_t)m->guards.retry_ms;
        text_format(n->why, sizeof n->why, "run %llu: %.400s", id, detail);
    } else {
        rung_climb(c, rule, "the act failed", view);
    }
}

static bool due_acting(const struct remedy *m, struct remedy_change *c,
                       const struct remedy_rule *rule, const struct remedy_view *view)
{
    struct incident *n = &c->incident;
    struct remedy_run run = view->run(view->ctx, n->run, n->server);
    uint64_t limit_ms = rule->rungs[n->rung].limit_ms;
    if (!run.open) {
        act_ended(m, c, rule, &run, view);
        return true;
    }
    if (run.waiting && !n->aborting && view->wall_ms - n->acted_wall_ms >= (int64_t)limit_ms) {
        n->aborting = true;
        c->effect = REMEDY_ABORT;
        change_note(c, view->wall_ms, "decided", "run %llu got no turn in time: it is ended",
                    (unsigned long long)n->run);
        return true;
    }
    return false;
}

static bool due_returning(const struct remedy *m, struct remedy_change *c,
                          const struct remedy_view *view)
{
    struct incident *n = &c->incident;
    struct remedy_run run = view->run(view->ctx, n->run, n->server);
    if (run.open) {
        return false;
    }
    bool back = run.state == TARGET_DONE || run.state == TARGET_NOTHING;
    if (back && !view->holds(view->ctx, n->id)) { /* else its own pool has not proved */
        change_close(c, view->wall_ms, "solved, and back in rotation");
    } else {
        char why[INCIDENT_TEXT_MAX];
        const char *left = back ? "its pool has not proved" : run.detail ? run.detail : "?";
        text_format(why, sizeof why, "it could not be put back: %.400s", left);
        change_call(c, view->wall_ms, why);
        n->until_wall_ms = view->wall_ms + 10 * (int64_t)m->guards.retry_ms;
    }
    return true;
}

/* A person's quarantine: its run has taken the server out, or could not. */
static bool due_apart(struct remedy_change *c, const struct remedy_view *view)
{
    struct incident *n = &c->incident;
    struct remedy_run run = view->run(view->ctx, n->run, n->server);
    if (run.open) {
        return false;
    }
    if (run.state == TARGET_DONE) {
        change_phase(c, INCIDENT_QUARANTINED, view->wall_ms);
        c->kind = "incident.quarantined";
        change_note(c, view->wall_ms, "proof", "run %llu: %s", (unsigned long long)n->run,
                    run.detail);
    } else {
        char how[INCIDENT_TEXT_MAX];
        text_format(how, sizeof how, "it could not be taken out: %.400s", run.detail);
        change_close(c, view->wall_ms, how);
    }
    return true;
}

static void give_back(struct remedy_change *c, int64_t wall_ms, const char *why)
{
    change_phase(c, INCIDENT_RETURNING, wall_ms);
    c->kind = "incident.action";
    c->effect = REMEDY_GIVE_BACK;
    text_copy(c->incident.why, sizeof c->incident.why, why);
    change_note(c, wall_ms, "action", "%s: what was taken out is put back", why);
}

static void end_well(struct remedy_change *c, const struct remedy_view *view)
{
    struct incident *n = &c->incident;
    if (view->holds(view->ctx, n->id)) {
        give_back(c, view->wall_ms, "the trouble is gone");
        return;
    }
    char how[160];
    text_format(how, sizeof how,
                n->acted_wall_ms ? "solved: the trouble is gone after run %llu"
                                 : "over: the trouble went away by itself",
                (unsigned long long)n->run);
    change_close(c, view->wall_ms, how);
}

static bool is_clear(const struct remedy *m, const struct watch *w, const struct incident *n,
                     const struct remedy_view *view, uint64_t now_ms)
{
    uint64_t age_ms = 0;
    if (!view->fresh(view->ctx, n->server, &age_ms) || age_ms > m->guards.max_age_ms) {
        return false; /* silence is not health */
    }
    uint64_t since_ms = w ? w->clear_ms : m->born_ms; /* no look of this life showed it */
    bool seen = !w || now_ms - w->last_ms <= m->guards.max_age_ms;
    return seen && since_ms && now_ms - since_ms >= m->guards.clear_ms;
}

static bool due_quarantined(struct remedy_change *c, const struct remedy_view *view)
{
    struct incident *n = &c->incident;
    if (!n->until_wall_ms || view->wall_ms < n->until_wall_ms) {
        return false;
    }
    n->until_wall_ms = 0;
    if (view->holds(view->ctx, n->id)) {
        give_back(c, view->wall_ms, "the time of its quarantine is over");
    } else {
        change_close(c, view->wall_ms, "the time of its quarantine is over");
    }
    return true;
}

/* ---- the storm brake ---- */

static bool is_storm(const struct incident *n)
{
    return text_equal(n->kind, INCIDENT_STORM);
}

/* It was reached, and one more would be done: from now on nothing is, whatever the hour says. */
static void open_storm(const struct remedy *m, struct remedy_change *c, int64_t wall_ms)
{
    struct incident *n = &c->incident;
    *c = (struct remedy_change){.any = true, .opens = true, .kind = "incident.given-up"};
    text_copy(n->server, sizeof n->server, INCIDENT_FARM);
    text_copy(n->kind, sizeof n->kind, INCIDENT_STORM);
    n->phase = INCIDENT_CALLED;
    n->opened_wall_ms = n->phase_wall_ms = wall_ms;
    n->until_wall_ms = m->guards.storm_ms ? wall_ms + (int64_t)m->guards.storm_ms : 0;
    text_format(n->text, sizeof n->text,
                "remediation has acted %u times within an hour, and no more is let",
                m->guards.max_per_hour);
    text_format(n->why, sizeof n->why,
                "no rule acts by itself%s: `farmhand incident dismiss` of this one releases the "
                "brake, `incident approve` lets a single act through",
                n->until_wall_ms ? " for now" : " any more");
    change_note(c, wall_ms, "given-up", "%s: %s", n->text, n->why);
}

static bool due_storm(struct remedy_change *c, int64_t wall_ms)
{
    int64_t until_ms = c->incident.until_wall_ms;
    if (!until_ms || wall_ms < until_ms) {
        return false;
    }
    change_close(c, wall_ms, "released: the time of the brake is over");
    return true;
}

static bool due_open(const struct remedy *m, struct remedy_change *c,
                     const struct remedy_rule *rule, const struct watch *w,
                     const struct remedy_view *view, uint64_t now_ms)
{
    struct incident *n = &c->incident;
    if (n->phase == INCIDENT_CALLED && view->wall_ms < n->until_wall_ms) {
        return false; /* a moment ago it could not be put back */
    }
    if (is_clear(m, w, n, view, now_ms)) {
        end_well(c, view);
        return true;
    }
    bool shows = w && watch_shows(w);
    if (n->phase == INCIDENT_PROVING) {
        int64_t limit_ms = (int64_t)rule->rungs[n->rung].limit_ms;
        if (shows && view->wall_ms - n->acted_wall_ms >= limit_ms) {
            rung_climb(c, rule, "the trouble is still there", view);
        }
    } else if (n->phase == INCIDENT_BLOCKED && view->wall_ms < n->until_wall_ms) {
        return false; /* a moment ago it never began */
    } else if (n->phase != INCIDENT_CALLED && shows) {
        rung_decide(m, c, rule, w, view, now_ms);
    }
    return c->any;
}

static bool due_incident(const struct remedy *m, const struct incident *n,
                         const struct remedy_view *view, uint64_t now_ms, struct remedy_change *c)
{
    const struct remedy_rule *rule = remedy_rule_find(m, n->rule);
    begin_change(c, n);
    if (view->taken && view->taken(view->ctx, n->id)) {
        return false;
    }
    if (is_storm(n)) {
        return due_storm(c, view->wall_ms);
    }
    if (n->phase == INCIDENT_QUARANTINED) {
        return due_quarantined(c, view);
    }
    if (n->phase == INCIDENT_RETURNING) {
        return due_returning(m, c, view);
    }
    if (!n->rule[0] || n->phase == INCIDENT_LEFT) {
        return n->phase == INCIDENT_ACTING && due_apart(c, view);
    }
    if (!rule || n->rung >= rule->rung_count) {
        bool busy = n->phase == INCIDENT_ACTING && view->run(view->ctx, n->run, n->server).open;
        if (busy || n->phase == INCIDENT_CALLED) {
            return false;
        }
        if (view->holds(view->ctx, n->id)) {
            change_call(c, view->wall_ms, "its rule is no longer configured");
        } else {
            change_close(c, view->wall_ms, "its rule is no longer configured");
        }
        return true;
    }
    if (n->phase == INCIDENT_ACTING) {
        return due_acting(m, c, rule, view);
    }
    const struct watch *w = watch_find(m, (size_t)(rule - m->rules), n->server, n->pool);
    return due_open(m, c, rule, w, view, now_ms);
}

/* ---- a trouble that is new ---- */

static void note_storm(const struct remedy *m, const struct incident *incidents, size_t count)
{
    m->memo->storm = 0;
    for (size_t i = 0; i < count; i++) {
        m->memo->storm = is_storm(&incidents[i]) ? incidents[i].id : m->memo->storm;
    }
}

/* Which troubles have their incident already; thousands of them in an outage. */
static void mark_told(const struct remedy *m, const struct incident *incidents, size_t count)
{
    m->memo->round++;
    for (size_t i = 0; i < count; i++) {
        const struct remedy_rule *rule = remedy_rule_find(m, incidents[i].rule);
        struct watch *w =
            rule ? watch_find(m, (size_t)(rule - m->rules), incidents[i].server, incidents[i].pool)
                 : NULL;
        if (w) {
            w->told = m->memo->round;
        }
    }
}

/* The trouble of a server's services explains those of its pools. */
static bool is_explained(const struct remedy *m, const struct watch *w,
                         const struct incident *incidents, size_t count)
{
    for (size_t i = 0; w->pool[0] && i < count; i++) {
        const struct incident *n = &incidents[i];
        const struct remedy_rule *rule = remedy_rule_find(m, n->rule);
        if (rule && rule->of_server && text_equal_nocase(n->server, w->server)) {
            return true;
        }
    }
    return false;
}

/* Something is being done there, or ours keeps it out: what is seen meanwhile is part of it. */
static bool is_in_hand(const struct watch *w, const struct incident *incidents, size_t count,
                       const struct remedy_view *view)
{
    for (size_t i = 0; i < count; i++) {
        const struct incident *n = &incidents[i];
        bool meets = !w->pool[0] || !n->pool[0] || text_equal_nocase(n->pool, w->pool);
        bool busy = n->phase == INCIDENT_ACTING || n->phase == INCIDENT_PROVING ||
                    n->phase == INCIDENT_RETURNING;
        if (meets && text_equal_nocase(n->server, w->server) && n->phase != INCIDENT_LEFT &&
            (busy || view->holds(view->ctx, n->id))) {
            return true;
        }
    }
    return false;
}

static void open_incident(const struct remedy *m, const struct watch *w,
                          const struct remedy_view *view, struct remedy_change *c)
{
    const struct remedy_rule *rule = &m->rules[w->rule];
    struct incident *n = &c->incident;
    char span[TEXT_DURATION_MAX];
    *c = (struct remedy_change){.any = true, .opens = true, .kind = "incident.opened"};
    text_copy(n->server, sizeof n->server, w->server);
    text_copy(n->pool, sizeof n->pool, w->pool);
    text_copy(n->kind, sizeof n->kind, "rule");
    text_copy(n->rule, sizeof n->rule, rule->name);
    text_copy(n->text, sizeof n->text, w->text);
    n->opened_wall_ms = n->phase_wall_ms = view->wall_ms;
    n->phase = INCIDENT_OPENED;
    text_copy(n->why, sizeof n->why, "opened: what is to be done is decided next");
    change_note(c, view->wall_ms, "seen", "%s (rule %s, for %s, on %u of %u looks)", w->text,
                rule->name, text_format_duration(span, rule->for_ms), rule->samples_of,
                rule->samples_in);
    c->wants_evidence = true;
    c->wants_dump = rule->dump;
}

static bool open_next(const struct remedy *m, const struct incident *incidents, size_t count,
                      const struct remedy_view *view, uint64_t now_ms, struct remedy_change *c)
{
    mark_told(m, incidents, count);
    for (size_t i = 0; i < m->watch_count; i++) {
        const struct watch *w = &m->watches[i];
        uint64_t age_ms = 0;
        if (!watch_fires(m, w, now_ms) || w->on_purpose || w->told == m->memo->round ||
            is_explained(m, w, incidents, count) || is_in_hand(w, incidents, count, view) ||
            !view->fresh(view->ctx, w->server, &age_ms)) {
            continue;
        }
        open_incident(m, w, view, c);
        return true;
    }
    return false;
}

void remedy_next(const struct remedy *m, const struct incident *incidents, size_t count,
                 const struct remedy_view *view, uint64_t now_ms, struct remedy_change *out)
{
    *out = (struct remedy_change){0};
    if (view->settling) {
        return;
    }
    /* In an outage thousands are blocked, and each would ask for budget, leases and groups: some of
     * them are looked at closely, in turn; those that have something in hand always. */
    size_t first = count ? m->memo->next % count : 0, looked = 0;
    m->memo->next = 0;
    note_storm(m, incidents, count);
    for (size_t k = 0; k < count; k++) {
        const struct incident *n = &incidents[(first + k) % count];
        bool asks = n->phase == INCIDENT_BLOCKED || n->phase == INCIDENT_PROPOSED ||
                    n->phase == INCIDENT_OBSERVED;
        if (asks && looked++ >= CLOSE_MAX) {
            m->memo->next = looked == CLOSE_MAX + 1 ? (first + k) % count : m->memo->next;
            continue;
        }
        bool due = due_incident(m, n, view, now_ms, out) && out->any;
        if (out->storms && !m->memo->storm) {
            open_storm(m, out, view->wall_ms);
            due = true;
        }
        if (due) {
            m->memo->next = first;
            return;
        }
    }
    *out = (struct remedy_change){0};
    open_next(m, incidents, count, view, now_ms, out);
}

void remedy_install(struct remedy *m, const struct remedy_change *c, int64_t wall_ms)
{
    const struct incident *n = &c->incident;
    bool acts = c->effect == REMEDY_BEGIN && c->act != REMEDY_CALL;
    if (n->rule[0] && (c->opens || acts)) {
        remedy_remember(m, n->rule, n->server, n->pool, wall_ms, acts);
    }
    if (is_storm(n) && c->closes) {
        remedy_released(m, wall_ms);
    }
}

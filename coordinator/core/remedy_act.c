/* remedy_act.c - the rung in hand: done, said, proposed or blocked; the next one; a person. */
#include "coordinator/core/remedy_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- how a change is put together ---- */

void change_note(struct remedy_change *c, int64_t wall_ms, const char *kind, const char *fmt, ...)
{
    must(c->note_count < REMEDY_NOTES_MAX);
    struct incident_note *note = &c->notes[c->note_count++];
    char text[2 * INCIDENT_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    *note = (struct incident_note){.incident = c->incident.id, .wall_ms = wall_ms};
    text_copy(note->kind, sizeof note->kind, kind);
    wire_clean_text(note->text, sizeof note->text, text);
    c->any = true;
}

void change_phase(struct remedy_change *c, enum incident_phase phase, int64_t wall_ms)
{
    c->any = true;
    if (c->incident.phase != phase) {
        c->incident.phase = phase;
        c->incident.phase_wall_ms = wall_ms;
        c->incident.alarmed = false;
        c->incident.guard = GUARD_NONE;
    }
}

void change_close(struct remedy_change *c, int64_t wall_ms, const char *how)
{
    c->any = c->closes = true;
    c->kind = "incident.closed";
    c->incident.closed_wall_ms = wall_ms;
    text_copy(c->incident.why, sizeof c->incident.why, how);
    change_note(c, wall_ms, "end", "%s", how);
}

void change_call(struct remedy_change *c, int64_t wall_ms, const char *why)
{
    change_phase(c, INCIDENT_CALLED, wall_ms);
    c->kind = "incident.given-up";
    text_copy(c->incident.why, sizeof c->incident.why, why);
    change_note(c, wall_ms, "given-up", "%s; a person has to look", why);
}

/* ---- the act of the rung in hand ---- */

/* Ages and counts in the sentence change with every look; who has the server does not. */
static bool is_news(const struct incident *n, enum incident_guard guard, const char *why)
{
    return n->phase != INCIDENT_BLOCKED || n->guard != guard ||
           (guard == GUARD_LEASE && strcmp(n->why, why) != 0);
}

static void stay_blocked(struct remedy_change *c, const struct remedy *m, const char *act,
                         enum incident_guard guard, const char *why, int64_t wall_ms)
{
    struct incident *n = &c->incident;
    bool news = is_news(n, guard, why);
    bool late = n->phase == INCIDENT_BLOCKED && !n->alarmed &&
                wall_ms - n->phase_wall_ms >= (int64_t)m->guards.blocked_alarm_ms;
    if (!news && !late) {
        return;
    }
    if (late) {
        char span[TEXT_DURATION_MAX];
        n->alarmed = true;
        c->kind = "incident.blocked-long";
        change_note(c, wall_ms, "blocked", "for %s it would %s, and may not: %s",
                    text_format_duration(span, (uint64_t)(wall_ms - n->phase_wall_ms)), act, why);
    } else {
        bool first = n->phase != INCIDENT_BLOCKED;
        change_phase(c, INCIDENT_BLOCKED, wall_ms);
        c->kind = first ? "incident.blocked" : NULL;
        change_note(c, wall_ms, "blocked", "would %s, and may not yet: %s", act, why);
    }
    n->guard = guard;
    text_copy(n->why, sizeof n->why, why);
}

static void act(struct remedy_change *c, const struct remedy_rule *rule, const struct watch *w,
                const char *said, int64_t wall_ms)
{
    struct incident *n = &c->incident;
    const struct remedy_rung *rung = &rule->rungs[n->rung];
    change_phase(c, INCIDENT_ACTING, wall_ms);
    n->acted_wall_ms = wall_ms;
    n->aborting = false;
    n->until_wall_ms = 0;
    c->kind = "incident.action";
    c->effect = REMEDY_BEGIN;
    c->act = rung->act;
    c->limit_ms = rung->limit_ms;
    c->worker_pid = w ? w->worker_pid : 0;
    c->worker_created = w ? w->worker_created : 0;
    text_copy(n->why, sizeof n->why, said);
    change_note(c, wall_ms, "action", "%s (rung %u of %zu%s%s)", said, n->rung + 1,
                rule->rung_count, n->approved_by[0] ? ", approved by " : "", n->approved_by);
    text_copy(c->approved_by, sizeof c->approved_by, n->approved_by);
    text_copy(n->approved_by, sizeof n->approved_by, "");
}

static void only_say(struct remedy_change *c, const struct remedy_rule *rule, const char *said,
                     bool allowed, const char *why, int64_t wall_ms)
{
    bool observe = rule->mode == REMEDY_OBSERVE;
    enum incident_phase phase = observe ? INCIDENT_OBSERVED : INCIDENT_PROPOSED;
    if (c->incident.phase == phase && c->incident.id) {
        return;
    }
    change_phase(c, phase, wall_ms);
    c->kind = c->kind ? c->kind : observe ? NULL : "incident.proposed";
    text_format(c->incident.why, sizeof c->incident.why,
                observe ? "rule %s only observes: auto would %s%s%s"
                        : "rule %s proposes to %s: `farmhand incident approve` lets it%s%s",
                rule->name, said, allowed ? "" : ", but not yet: ", allowed ? "" : why);
    change_note(c, wall_ms, observe ? "would" : "proposed", "%s%s%s", said,
                allowed ? "" : "; not yet: ", allowed ? "" : why);
}

void rung_decide(const struct remedy *m, struct remedy_change *c, const struct remedy_rule *rule,
                 const struct watch *w, const struct remedy_view *view, uint64_t now_ms)
{
    struct incident *n = &c->incident;
    const struct remedy_rung *rung = &rule->rungs[n->rung];
    char said[WIRE_NAME_MAX * 2 + 64], why[INCIDENT_TEXT_MAX] = "";
    remedy_say_act(rung->act, n->server, n->pool, said, sizeof said);
    if (rung->act == REMEDY_CALL && (rule->mode != REMEDY_OBSERVE || n->approved_by[0])) {
        change_call(c, view->wall_ms, "its ladder ends here");
        return;
    }
    enum incident_guard guard = rung->act == REMEDY_CALL
                                    ? GUARD_NONE
                                    : guards_ask(m, n, rule, rung->act, w, view, now_ms, why);
    bool lets = rule->mode == REMEDY_AUTO || n->approved_by[0];
    if (!lets) {
        only_say(c, rule, said, guard == GUARD_NONE, why, view->wall_ms);
    } else if (guard != GUARD_NONE) {
        c->storms = guard == GUARD_STORM;
        stay_blocked(c, m, said, guard, why, view->wall_ms);
    } else {
        act(c, rule, w, said, view->wall_ms);
    }
}

/* What was tried did not help: the next rung, or a person. */
void rung_climb(struct remedy_change *c, const struct remedy_rule *rule, const char *why,
                const struct remedy_view *view)
{
    struct incident *n = &c->incident;
    if (n->rung + 1 >= rule->rung_count) {
        change_call(c, view->wall_ms, why);
        return;
    }
    n->rung++;
    change_phase(c, INCIDENT_OPENED, view->wall_ms); /* decided anew with the next turn */
    text_format(n->why, sizeof n->why, "next: %s", remedy_act_name(rule->rungs[n->rung].act));
    change_note(c, view->wall_ms, "decided", "%s; next on its ladder: %s", why,
                remedy_act_name(rule->rungs[n->rung].act));
}

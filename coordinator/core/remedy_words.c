/* remedy_words.c - people's words about incidents, and what is seen in sentences. */
#include "coordinator/core/remedy_impl.h"

#include "common/text.h"

#include <string.h>

enum error_code remedy_approve(const struct remedy *m, const struct incident *n, const char *actor,
                               const char *reason, int64_t wall_ms, struct remedy_change *out,
                               struct error *err)
{
    *out = (struct remedy_change){.incident = *n};
    bool waits = n->phase == INCIDENT_PROPOSED || n->phase == INCIDENT_BLOCKED ||
                 n->phase == INCIDENT_OBSERVED;
    const struct remedy_rule *rule = remedy_rule_find(m, n->rule);
    if (!rule || !waits) {
        return error_set(err, ERR_STATE, "incident %llu proposes nothing: it is %s",
                         (unsigned long long)n->id, incident_phase_name(n->phase));
    }
    char said[WIRE_NAME_MAX * 2 + 64];
    remedy_say_act(rule->rungs[n->rung].act, n->server, n->pool, said, sizeof said);
    text_copy(out->incident.approved_by, sizeof out->incident.approved_by, actor);
    change_note(out, wall_ms, "word", "%s lets it %s: %.300s", actor, said, reason);
    return ERR_NONE;
}

enum error_code remedy_dismiss(const struct incident *n, const char *actor, const char *reason,
                               bool holds, int64_t wall_ms, struct remedy_change *out,
                               struct error *err)
{
    *out = (struct remedy_change){.incident = *n};
    if (holds || n->phase == INCIDENT_ACTING || n->phase == INCIDENT_RETURNING) {
        return error_set(err, ERR_STATE,
                         holds ? "incident %llu keeps %s out of rotation: `farmhand server "
                                 "undrain` or `release` puts it back and ends it"
                               : "incident %llu has a run on %s in hand: wait for it, or abort it",
                         (unsigned long long)n->id, n->server);
    }
    out->closes = true;
    out->kind = "incident.closed";
    out->incident.closed_wall_ms = wall_ms;
    text_format(out->incident.why, sizeof out->incident.why, "dismissed by %s: %.300s", actor,
                reason);
    change_note(out, wall_ms, "end", "%s", out->incident.why);
    return ERR_NONE;
}

void remedy_quarantine(const char *server, uint64_t for_ms, const char *actor, const char *reason,
                       int64_t wall_ms, struct remedy_change *out)
{
    *out = (struct remedy_change){.opens = true, .kind = "incident.opened"};
    struct incident *n = &out->incident;
    text_copy(n->server, sizeof n->server, server);
    text_copy(n->kind, sizeof n->kind, "quarantine");
    text_copy(n->text, sizeof n->text, reason);
    n->opened_wall_ms = n->acted_wall_ms = wall_ms;
    n->until_wall_ms = for_ms ? wall_ms + (int64_t)for_ms : 0;
    change_phase(out, INCIDENT_ACTING, wall_ms);
    text_format(n->why, sizeof n->why, "put into quarantine by %s: %.300s", actor, reason);
    out->effect = REMEDY_BEGIN;
    out->act = REMEDY_QUARANTINE;
    out->wants_evidence = true;
    change_note(out, wall_ms, "word", "%s", n->why);
}

enum error_code remedy_release(const struct incident *n, const char *actor, const char *reason,
                               int64_t wall_ms, struct remedy_change *out, struct error *err)
{
    *out = (struct remedy_change){.incident = *n};
    if (n->phase != INCIDENT_QUARANTINED && n->phase != INCIDENT_CALLED) {
        return error_set(err, ERR_STATE, "%s is not in quarantine", n->server);
    }
    change_phase(out, INCIDENT_RETURNING, wall_ms);
    out->incident.until_wall_ms = 0;
    out->kind = "incident.action";
    out->effect = REMEDY_GIVE_BACK;
    text_format(out->incident.why, sizeof out->incident.why, "released by %s: %.300s", actor,
                reason);
    change_note(out, wall_ms, "word", "%s", out->incident.why);
    return ERR_NONE;
}

void remedy_explain(const struct remedy *m, const char *server, uint64_t now_ms,
                    void (*each)(void *arg, const char *sentence), void *arg)
{
    for (size_t i = 0; m && i < m->watch_count; i++) {
        const struct watch *w = &m->watches[i];
        const struct remedy_rule *rule = &m->rules[w->rule];
        char text[2 * INCIDENT_TEXT_MAX], span[TEXT_DURATION_MAX], left[TEXT_DURATION_MAX];
        if (!w->since_ms || !text_equal_nocase(w->server, server)) {
            continue;
        }
        uint64_t shown_ms = now_ms - w->since_ms;
        if (w->on_purpose) {
            text_format(text, sizeof text, "%s%s%s. Nothing is done: %s", w->pool,
                        w->pool[0] ? ": " : "", w->text, w->held);
        } else if (shown_ms < rule->for_ms) {
            text_format(
                text, sizeof text,
                "%s%s%s, for %s now. Rule %s waits %s more before it takes it for a trouble",
                w->pool, w->pool[0] ? ": " : "", w->text,
                text_format_duration(span, shown_ms / 1000 * 1000), rule->name,
                text_format_duration(left, (rule->for_ms - shown_ms + 999) / 1000 * 1000));
        } else {
            continue; /* an incident tells it */
        }
        each(arg, text);
    }
}

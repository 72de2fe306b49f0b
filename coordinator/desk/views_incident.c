/* views_incident.c - see views.h: incidents with their stories, and why a server is as it is. */
#include "coordinator/desk/views.h"

#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>

static json_t *id_or_null(uint64_t id)
{
    return id ? json_integer((json_int_t)id) : json_null();
}

json_t *view_incident(const struct view *v, const struct incident *n)
{
    const struct remedy_rule *rule = remedy_rule_find(coordinator_remedy(v->brain), n->rule);
    bool open = n->closed_wall_ms == 0;
    json_t *json = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                             id_or_null(n->id), "server", n->server, "pool", view_string(n->pool),
                             "kind", view_string(n->kind), "text", view_string(n->text), "run",
                             id_or_null(n->run), "opened_at", view_time(n->opened_wall_ms),
                             "closed_at", view_time(n->closed_wall_ms), "why", view_string(n->why));
    must(json != NULL);
    json_object_set_new(json, "rule", n->rule[0] ? json_string(n->rule) : json_null());
    json_object_set_new(json, "phase",
                        json_string(open ? incident_phase_name(n->phase) : "closed"));
    json_object_set_new(
        json, "guard", open && n->guard ? json_string(incident_guard_name(n->guard)) : json_null());
    json_object_set_new(json, "since", view_time(n->phase_wall_ms));
    json_object_set_new(json, "until",
                        n->phase == INCIDENT_QUARANTINED ? view_time(n->until_wall_ms)
                                                         : json_null());
    json_object_set_new(json, "mode",
                        rule ? json_string(remedy_mode_name(rule->mode)) : json_null());
    json_object_set_new(json, "rung", rule ? json_integer(n->rung + 1) : json_null());
    json_object_set_new(json, "next",
                        rule && n->rung < rule->rung_count
                            ? json_string(remedy_act_name(rule->rungs[n->rung].act))
                            : json_null());
    return json;
}

json_t *view_note(const struct incident_note *note)
{
    return json_pack("{s:o, s:o, s:o}", "at", view_time(note->wall_ms), "kind",
                     view_string(note->kind), "text", view_string(note->text));
}

/* ---- why ---- */

static void FORMAT_PRINTF(2, 3) say(json_t *list, const char *fmt, ...)
{
    char text[3 * INCIDENT_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    json_array_append_new(list, view_string(text));
}

static void say_presence(const struct view *v, const struct fleet_server *s, json_t *list)
{
    char why[256] = "", age[TEXT_DURATION_MAX];
    uint64_t age_ms = s->heard_ms ? v->now_ms - s->heard_ms : 0;
    if (s->quarantined) {
        say(list, "%s is not trusted: %s.", s->name, s->quarantine_why);
    } else if (!s->heard_ms) {
        say(list, "Nothing was ever heard of %s.", s->name);
    } else {
        say(list, "%s was heard %s ago.", s->name, text_format_duration(age, age_ms));
    }
    if (s->declared_out_until_ms > v->wall_ms) {
        say(list,
            "It is declared out: %s (by %s). It leaves the budget, and nothing is done to it.",
            s->declared_out_reason, s->declared_out_by);
    }
    if (fleet_is_out(s, NULL, v->now_ms, why, sizeof why)) {
        say(list, "It is out of service: %s.", why);
    }
}

/* What a person had stopped to stay stopped: who, when and why. Of services that others had
 * disabled before, no agent knows how WAS was started: --enable is what brings those back. */
static void say_kept(const struct view *v, const struct fleet_server *s, json_t *list)
{
    char at[TEXT_TIME_MAX], back[TEXT_TIME_MAX];
    for (size_t i = 0; i < coordinator_kept_count(v->brain); i++) {
        const struct kept_pool *k = coordinator_kept_at(v->brain, i);
        bool of_pool = k->pool[0] != '\0';
        if (!text_equal_nocase(k->server, s->name)) {
            continue;
        }
        say(list,
            "%s%s%s %s to stay so, by %s with run %llu at %s: %s. `farmhand %s start %s%s--on "
            "%s%s` undoes it.",
            of_pool ? "Pool " : "Its web services were", k->pool, of_pool ? " was" : "",
            k->found_down ? "disabled by others, and told" : "stopped on purpose,", k->actor,
            (unsigned long long)k->run, text_format_time(at, k->since_wall_ms), k->reason,
            of_pool ? "pool" : "service", k->pool, of_pool ? " " : "", s->name,
            k->found_down ? " --enable" : "");
        if (k->back_wall_ms) {
            say(list, "Something else has undone it: %s, seen at %s.", k->back_how,
                text_format_time(back, k->back_wall_ms));
        }
    }
}

/* A gate of the whole server says that some pool does not run: here is which. */
static void say_pools(const struct fleet_server *s, json_t *list)
{
    const struct state *whole = fleet_whole(s);
    for (size_t i = 0; whole && s->presence == PRESENCE_FRESH && i < whole->pool_count; i++) {
        const struct pool *p = &whole->pools[i];
        if (p->state == POOL_STATE_STOPPED && p->auto_start && !fleet_services_down(s)) {
            say(list,
                "Pool %s is Stopped, and is to run: once it is known why, `farmhand pool start %s "
                "--on %s` starts it.",
                p->name, p->name, s->name);
        }
    }
}

static void say_incident(const struct incident *n, json_t *list)
{
    char at[TEXT_TIME_MAX];
    say(list, "Incident %llu%s%s%s%s, since %s: %s.", (unsigned long long)n->id,
        n->rule[0] ? ", rule " : "", n->rule, n->pool[0] ? ", pool " : "", n->pool,
        text_format_time(at, n->opened_wall_ms), n->text);
    if (n->acted_wall_ms && n->run) {
        say(list, "Tried last: run %llu, begun %s.", (unsigned long long)n->run,
            text_format_time(at, n->acted_wall_ms));
    }
    switch (n->phase) {
    case INCIDENT_LEFT:
        say(list,
            "Run %llu left it so; a recycle, a recovery or `farmhand server undrain %s` proves "
            "it and puts it back.",
            (unsigned long long)n->run, n->server);
        return;
    case INCIDENT_BLOCKED:
        say(list, "Waited for: %s.", n->why);
        return;
    case INCIDENT_PROPOSED:
        say(list, "Waited for: a person's word. %s.", n->why);
        return;
    case INCIDENT_QUARANTINED:
        say(list,
            "It is in quarantine, out of rotation, and left alone %s%s: `farmhand server release "
            "%s` ends that.",
            n->until_wall_ms ? "until " : "without an end",
            n->until_wall_ms ? text_format_time(at, n->until_wall_ms) : "", n->server);
        return;
    case INCIDENT_CALLED:
        say(list, "Given up: %s. A person has to look; nothing more is tried.", n->why);
        return;
    case INCIDENT_OPENED:
    case INCIDENT_OBSERVED:
    case INCIDENT_ACTING:
    case INCIDENT_PROVING:
    case INCIDENT_RETURNING:
        say(list, "Now: %s.", n->why);
        return;
    }
}

static bool say_incidents(const struct view *v, const struct fleet_server *s, json_t *list)
{
    bool any = false;
    for (size_t i = 0; i < coordinator_incident_count(v->brain); i++) {
        const struct incident *n = coordinator_incident_at(v->brain, i);
        if (text_equal_nocase(n->server, s->name)) {
            say_incident(n, list);
            any = true;
        }
    }
    return any;
}

static bool say_runs(const struct view *v, const struct fleet_server *s, json_t *list)
{
    bool any = false;
    for (size_t i = 0; i < coordinator_run_count(v->brain); i++) {
        const struct rollout *r = coordinator_run_at(v->brain, i);
        for (size_t k = 0; k < r->target_count; k++) {
            const struct rollout_target *t = &r->targets[k];
            if (!text_equal_nocase(t->server, s->name) || target_state_ended(t->state)) {
                continue;
            }
            any = true;
            say(list, "Run %llu (%s%s%s, by %s: %.200s) has it as %s%s%s.",
                (unsigned long long)r->id, rollout_action_name(r->action), t->pool[0] ? " " : "",
                t->pool, r->actor, r->reason, target_state_name(t->state), t->step[0] ? ": " : "",
                t->step);
        }
    }
    return any;
}

static void say_seen(void *arg, const char *sentence)
{
    say(arg, "%s.", sentence);
}

json_t *view_why(const struct view *v, const struct fleet_server *s)
{
    char why[INCIDENT_TEXT_MAX] = "";
    json_t *list = json_array();
    say_presence(v, s, list);
    size_t before = json_array_size(list);
    say_kept(v, s, list);
    say_pools(s, list);
    say_incidents(v, s, list);
    say_runs(v, s, list);
    remedy_explain(coordinator_remedy(v->brain), s->name, v->now_ms, say_seen, list);
    if (json_array_size(list) == before) {
        say(list, "Nothing is wrong with it that is known, and nothing is waited for.");
    }
    if (!coordinator_may_take(v->brain, s->name, v->now_ms, why, sizeof why)) {
        say(list, "It could not be taken out now: %s.", why);
    }
    return list;
}

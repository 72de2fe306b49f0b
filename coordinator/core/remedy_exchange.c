/* remedy_exchange.c - other rules while incidents are open: what differs, and what becomes of what
 * is under way. */
#include "coordinator/core/remedy_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define NOT_THERE "not there"

/* ---- what differs, as people read it ---- */

enum field { /* of a rule, as in the file */
             FIELD_MODE,
             FIELD_WHEN,
             FIELD_FOR,
             FIELD_SAMPLES,
             FIELD_ACTIONS,
             FIELD_SERVERS,
             FIELD_POOLS,
             FIELD_WINDOW,
             FIELD_COOL_DOWN,
             FIELD_WORKER_AGE,
             FIELD_CAUSE,
             FIELD_QUARANTINE,
             FIELD_DUMP,
};
#define FIELD_COUNT 13

static void add_duration(struct text *out, const char *key, uint64_t ms)
{
    char span[TEXT_DURATION_MAX];
    text_addf(out, "%s %s", key, text_format_duration(span, ms));
}

static void add_ladder(struct text *out, const struct remedy_rule *rule)
{
    text_addf(out, "actions");
    for (size_t i = 0; i < rule->rung_count; i++) {
        char span[TEXT_DURATION_MAX];
        text_addf(out, "%s %s", i ? "," : "", remedy_act_name(rule->rungs[i].act));
        if (rule->rungs[i].act < REMEDY_QUARANTINE) { /* the others have none */
            text_addf(out, " %s", text_format_duration(span, rule->rungs[i].limit_ms));
        }
    }
}

static void add_field(struct text *out, const struct remedy_rule *rule, enum field field)
{
    char share[SHARE_TEXT_MAX];
    switch (field) {
    case FIELD_MODE:
        text_addf(out, "mode %s", remedy_mode_name(rule->mode));
        return;
    case FIELD_WHEN:
        text_addf(out, "when %s", rule->when);
        return;
    case FIELD_FOR:
        add_duration(out, "for", rule->for_ms);
        return;
    case FIELD_SAMPLES:
        text_addf(out, "samples %u/%u", rule->samples_of, rule->samples_in);
        return;
    case FIELD_ACTIONS:
        add_ladder(out, rule);
        return;
    case FIELD_SERVERS:
        text_addf(out, "servers %s", rule->servers);
        return;
    case FIELD_POOLS:
        text_addf(out, "pools %s", rule->pools);
        return;
    case FIELD_WINDOW:
        text_addf(out, "window %s", rule->window[0] ? rule->window : "any time");
        return;
    case FIELD_COOL_DOWN:
        add_duration(out, "cool_down", rule->cool_down_ms);
        return;
    case FIELD_WORKER_AGE:
        add_duration(out, "min_worker_age", rule->min_worker_age_ms);
        return;
    case FIELD_CAUSE:
        text_addf(out, "common_cause %s", share_format(share, rule->common_cause));
        return;
    case FIELD_QUARANTINE:
        add_duration(out, "quarantine", rule->quarantine_ms);
        return;
    case FIELD_DUMP:
        text_addf(out, "dump %s", rule->dump ? "yes" : "no");
        return;
    }
}

enum brake { /* of the guards, as in the file */
             BRAKE_MIN_HEALTHY,
             BRAKE_COOL_DOWN,
             BRAKE_PER_HOUR,
             BRAKE_STORM,
             BRAKE_FLAP_MAX,
             BRAKE_FLAP_WITHIN,
             BRAKE_MAX_AGE,
             BRAKE_LEAST,
             BRAKE_CLEAR,
             BRAKE_RETRY,
             BRAKE_ALARM,
             BRAKE_PROBE,
};
#define BRAKE_COUNT 12

static void add_brake(struct text *out, const struct remedy_guards *g, enum brake brake)
{
    char share[SHARE_TEXT_MAX];
    switch (brake) {
    case BRAKE_MIN_HEALTHY:
        text_addf(out, "min_healthy %s", share_format(share, g->min_healthy));
        return;
    case BRAKE_COOL_DOWN:
        add_duration(out, "server_cool_down", g->server_cool_down_ms);
        return;
    case BRAKE_PER_HOUR:
        text_addf(out, "max_per_hour %u", g->max_per_hour);
        return;
    case BRAKE_STORM:
        add_duration(out, "storm_lasts", g->storm_ms);
        return;
    case BRAKE_FLAP_MAX:
        text_addf(out, "flap_max %u", g->flap_max);
        return;
    case BRAKE_FLAP_WITHIN:
        add_duration(out, "flap_within", g->flap_ms);
        return;
    case BRAKE_MAX_AGE:
        add_duration(out, "max_age", g->max_age_ms);
        return;
    case BRAKE_LEAST:
        text_addf(out, "common_least %u", g->common_least);
        return;
    case BRAKE_CLEAR:
        add_duration(out, "clear", g->clear_ms);
        return;
    case BRAKE_RETRY:
        add_duration(out, "retry", g->retry_ms);
        return;
    case BRAKE_ALARM:
        add_duration(out, "blocked_alarm", g->blocked_alarm_ms);
        return;
    case BRAKE_PROBE:
        add_duration(out, "probe_every", g->probe_every_ms);
        return;
    }
}

/* Both, as far as they differ. */
struct pair {
    struct text was, is;
};

static void add_pair(struct pair *p, struct text *was, struct text *is)
{
    if (strcmp(text_get(was), text_get(is)) != 0) {
        text_addf(&p->was, "%s%s", text_get(&p->was)[0] ? "; " : "", text_get(was));
        text_addf(&p->is, "%s%s", text_get(&p->is)[0] ? "; " : "", text_get(is));
    }
    text_reset(was);
    text_reset(is);
}

static void end_pair(struct pair *p, const char *of, const char *name, remedy_difference_fn each,
                     void *arg)
{
    char what[INCIDENT_RULE_MAX + 16];
    text_format(what, sizeof what, "%s%s", of, name);
    if (text_get(&p->was)[0] || text_get(&p->is)[0]) {
        each(arg, what, text_get(&p->was), text_get(&p->is));
    }
    text_reset(&p->was);
    text_reset(&p->is);
}

/* was, is: NULL, there is none. */
static void tell_rule(const struct remedy_rule *was, const struct remedy_rule *is,
                      remedy_difference_fn each, void *arg)
{
    struct pair p = {0};
    for (int field = 0; field < FIELD_COUNT; field++) {
        struct text a = {0}, b = {0};
        if (was) {
            add_field(&a, was, (enum field)field);
        }
        if (is) {
            add_field(&b, is, (enum field)field);
        }
        add_pair(&p, &a, &b);
    }
    if (!was || !is) {
        struct text *none = was ? &p.is : &p.was;
        text_reset(none);
        text_addf(none, "%s", NOT_THERE);
    }
    end_pair(&p, "rule ", was ? was->name : is->name, each, arg);
}

static const struct remedy_rule *find_in(const struct remedy_rule *rules, size_t count,
                                         const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(rules[i].name, name)) {
            return &rules[i];
        }
    }
    return NULL;
}

void remedy_differences(const struct remedy *m, const struct remedy_rule *rules, size_t count,
                        const struct remedy_guards *guards, remedy_difference_fn each, void *arg)
{
    struct pair p = {0};
    for (int brake = 0; brake < BRAKE_COUNT; brake++) {
        struct text a = {0}, b = {0};
        add_brake(&a, &m->guards, (enum brake)brake);
        add_brake(&b, guards, (enum brake)brake);
        add_pair(&p, &a, &b);
    }
    end_pair(&p, "guards", "", each, arg);
    for (size_t i = 0; i < m->rule_count; i++) {
        tell_rule(&m->rules[i], find_in(rules, count, m->rules[i].name), each, arg);
    }
    for (size_t i = 0; i < count; i++) {
        if (!remedy_rule_find(m, rules[i].name)) {
            tell_rule(NULL, &rules[i], each, arg);
        }
    }
}

/* ---- what is under way ---- */

static bool is_undecided(const struct incident *n)
{
    return n->phase == INCIDENT_OPENED || n->phase == INCIDENT_OBSERVED ||
           n->phase == INCIDENT_PROPOSED || n->phase == INCIDENT_BLOCKED;
}

/* The rung in hand means another act now: what was proposed, or approved, is not what would be
 * done. A ladder that is shorter ends with its last rung. */
bool remedy_reconsider(const struct remedy *m, const struct remedy_rule *rules, size_t count,
                       const struct incident *n, int64_t wall_ms, struct remedy_change *out)
{
    const struct remedy_rule *was = remedy_rule_find(m, n->rule);
    const struct remedy_rule *is = find_in(rules, count, n->rule);
    if (!was || !is || n->rung >= was->rung_count) {
        return false; /* one whose rule is gone ends by itself: see remedy_next */
    }
    uint32_t rung = n->rung < is->rung_count ? n->rung : (uint32_t)is->rung_count - 1;
    enum remedy_act act = is->rungs[rung].act;
    bool another = act != was->rungs[n->rung].act;
    if (rung == n->rung && !(another && is_undecided(n))) {
        return false;
    }
    *out = (struct remedy_change){.any = true, .incident = *n};
    out->incident.rung = rung;
    if (another && is_undecided(n)) {
        out->incident.approved_by[0] = '\0';
        change_phase(out, INCIDENT_OPENED, wall_ms);
        text_format(out->incident.why, sizeof out->incident.why, "next: %s", remedy_act_name(act));
    }
    change_note(out, wall_ms, "decided", "the ladder of its rule is another now: rung %u, %s%s",
                rung + 1, remedy_act_name(act),
                n->approved_by[0] && another ? "; what was approved is not done" : "");
    return true;
}

/* Do both look at the same, in the same way? */
static bool sees_alike(const struct remedy_rule *a, const struct remedy_rule *b)
{
    return text_equal(a->when, b->when) && a->samples_of == b->samples_of &&
           a->samples_in == b->samples_in && text_equal(a->servers, b->servers) &&
           text_equal(a->pools, b->pools);
}

void remedy_exchange(struct remedy *m, const struct remedy_rule *rules, size_t count,
                     const struct remedy_guards *guards, uint64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->watch_count; i++) {
        const struct remedy_rule *was = &m->rules[m->watches[i].rule];
        const struct remedy_rule *is = find_in(rules, count, was->name);
        if (is && sees_alike(was, is)) {
            m->watches[kept] = m->watches[i];
            m->watches[kept++].rule = (size_t)(is - rules);
        }
    }
    m->watch_count = kept;
    m->rules = rules;
    m->rule_count = count;
    m->guards = *guards;
    m->born_ms = now_ms; /* what no watch tells of has to be clear for its time from now on */
    watches_sort(m);
    free(m->memo->shows);
    m->memo->shows = must_alloc(count + 1, sizeof *m->memo->shows);
}

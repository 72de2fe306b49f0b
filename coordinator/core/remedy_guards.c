/* remedy_guards.c - may something be done now? All guards are on by default; each says why not in a
 * sentence that names what would have to change. */
#include "coordinator/core/remedy_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_MS 3600000

/* ---- of the trouble itself: no person's word gets past these ---- */

static bool age_allows(const struct remedy *m, const struct incident *n,
                       const struct remedy_view *view, char *why)
{
    uint64_t age_ms = 0;
    char a[TEXT_DURATION_MAX], b[TEXT_DURATION_MAX];
    if (!view->fresh(view->ctx, n->server, &age_ms)) {
        text_format(why, INCIDENT_TEXT_MAX,
                    "stale: %s is silent, and what is not known is not acted on", n->server);
        return false;
    }
    if (age_ms > m->guards.max_age_ms) {
        text_format(why, INCIDENT_TEXT_MAX, "stale: what is known of %s is %s old, the limit is %s",
                    n->server, text_format_duration(a, age_ms),
                    text_format_duration(b, m->guards.max_age_ms));
        return false;
    }
    return true;
}

static bool ends_workers(enum remedy_act act)
{
    return act == REMEDY_RECYCLE || act == REMEDY_KILL_WORKER || act == REMEDY_RESTART_SERVICES;
}

static enum incident_guard ask_trouble(const struct remedy *m, const struct remedy_rule *rule,
                                       enum remedy_act act, const struct watch *w, uint64_t now_ms,
                                       char *why)
{
    char a[TEXT_DURATION_MAX], b[TEXT_DURATION_MAX];
    if (!w) {
        text_copy(why, INCIDENT_TEXT_MAX,
                  "stale: it was not looked at since the coordinator "
                  "started");
        return GUARD_STALE;
    }
    if (now_ms - w->last_ms > m->guards.max_age_ms) {
        text_format(why, INCIDENT_TEXT_MAX, "stale: it was last looked at %s ago",
                    text_format_duration(a, now_ms - w->last_ms));
        return GUARD_STALE;
    }
    if (w->on_purpose) {
        text_copy(why, INCIDENT_TEXT_MAX, w->held);
        return GUARD_PURPOSE;
    }
    if (w->identity && act != REMEDY_QUARANTINE && act != REMEDY_CALL) {
        text_format(why, INCIDENT_TEXT_MAX,
                    "identity: the account of pool %s is not accepted, and each try may lock it: a "
                    "person has to mend it",
                    w->pool);
        return GUARD_IDENTITY;
    }
    if (ends_workers(act) && w->has_worker && w->worker_age_ms < rule->min_worker_age_ms) {
        text_format(why, INCIDENT_TEXT_MAX, "young: its worker is %s old, it is left alone for %s",
                    text_format_duration(a, w->worker_age_ms),
                    text_format_duration(b, rule->min_worker_age_ms));
        return GUARD_YOUNG;
    }
    if (act == REMEDY_KILL_WORKER && !w->worker_pid) {
        text_copy(why, INCIDENT_TEXT_MAX, "nothing: there is no worker to end");
        return GUARD_NOBODY;
    }
    return GUARD_NONE;
}

bool remedy_enough_stay(const struct remedy *m, uint32_t serving, uint32_t total, char *why)
{
    const struct share least = m->guards.min_healthy;
    uint64_t needed =
        least.percent ? ((uint64_t)total * least.number + 99) / 100 : (uint64_t)least.number;
    needed = needed < total || !total ? needed : total - 1; /* else nothing could ever be done */
    if (serving < needed + 1) {
        char said[SHARE_TEXT_MAX];
        text_format(why, INCIDENT_TEXT_MAX,
                    "minimum: %u of %u servers are healthy, at least %llu (%s) have to stay so",
                    serving, total, (unsigned long long)needed, share_format(said, least));
        return false;
    }
    return true;
}

static bool healthy_allows(const struct remedy *m, const struct incident *n,
                           const struct remedy_view *view, char *why)
{
    uint32_t serving = 0, total = 0;
    bool itself = false;
    for (size_t at = 0; view->healthy(view->ctx, at, n->server, n->pool, &serving, &total, &itself);
         at++) {
        if (itself && !remedy_enough_stay(m, serving, total, why)) {
            return false;
        }
    }
    return true;
}

/* ---- brakes: they call a person, whose word lifts them ---- */

static bool same_subject(const struct past *p, const struct incident *n)
{
    return strcmp(p->rule, n->rule) == 0 && text_equal_nocase(p->server, n->server) &&
           text_equal_nocase(p->pool, n->pool);
}

struct tally {
    uint32_t acted_in_hour, opened;
    int64_t server_ms, rule_ms; /* the latest act there, by another incident; 0: none */
};

static struct tally tally_past(const struct remedy *m, const struct incident *n, int64_t wall_ms)
{
    struct tally t = {0};
    for (size_t i = 0; i < m->past_count; i++) {
        const struct past *p = &m->past[i];
        int64_t age_ms = wall_ms - p->wall_ms;
        if (!p->acted) {
            t.opened += age_ms <= (int64_t)m->guards.flap_ms && same_subject(p, n);
            continue;
        }
        t.acted_in_hour += age_ms <= HOUR_MS && p->wall_ms > m->released_wall_ms;
        bool own = same_subject(p, n) && p->wall_ms >= n->opened_wall_ms;
        if (!own && text_equal_nocase(p->server, n->server)) {
            t.server_ms = p->wall_ms;
        }
        if (!own && strcmp(p->rule, n->rule) == 0) {
            t.rule_ms = p->wall_ms;
        }
    }
    return t;
}

static bool is_cool(int64_t at_ms, uint64_t span_ms, int64_t wall_ms, char left[TEXT_DURATION_MAX])
{
    int64_t until = at_ms + (int64_t)span_ms;
    if (!at_ms || wall_ms >= until) {
        return true;
    }
    text_format_duration(left, (uint64_t)((until - wall_ms + 999) / 1000 * 1000));
    return false;
}

static bool cool_downs_allow(const struct remedy *m, const struct incident *n,
                             const struct remedy_rule *rule, const struct tally *t, int64_t wall_ms,
                             char *why)
{
    char left[TEXT_DURATION_MAX];
    if (!is_cool(t->server_ms, m->guards.server_cool_down_ms, wall_ms, left)) {
        text_format(why, INCIDENT_TEXT_MAX,
                    "cool-down: something was done on %s a moment ago, %s more are waited",
                    n->server, left);
        return false;
    }
    if (!is_cool(t->rule_ms, rule->cool_down_ms, wall_ms, left)) {
        text_format(why, INCIDENT_TEXT_MAX,
                    "cool-down: rule %s acted elsewhere a moment ago, %s more are waited",
                    rule->name, left);
        return false;
    }
    return true;
}

/* It shows the trouble with its last look, or did for good a moment ago: when a common cause begins
 * the first to be found is no case of its own, and when it ends neither is the last. */
static bool shows_lately(const struct remedy *m, const struct watch *w, size_t rule,
                         uint64_t now_ms)
{
    bool shows = (w->bits & 1) && now_ms - w->last_ms <= m->guards.max_age_ms;
    bool did = w->shown_ms && now_ms - w->shown_ms <= m->guards.clear_ms;
    return w->rule == rule && (shows || did) && !w->on_purpose;
}

static int compare_names(const void *a, const void *b)
{
    return text_compare_nocase(*(const char *const *)a, *(const char *const *)b);
}

/* Servers, however many of their pools do. */
static uint32_t count_shows(const struct remedy *m, size_t rule, uint64_t now_ms)
{
    struct shows *memo = &m->memo->shows[rule];
    if (memo->looks == m->looks && memo->now_ms == now_ms) {
        return memo->count;
    }
    const char **names = must_alloc(m->watch_count + 1, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < m->watch_count; i++) {
        if (shows_lately(m, &m->watches[i], rule, now_ms)) {
            names[count++] = m->watches[i].server;
        }
    }
    qsort(names, count, sizeof *names, compare_names);
    *memo = (struct shows){.looks = m->looks, .now_ms = now_ms};
    for (size_t i = 0; i < count; i++) {
        memo->count += i == 0 || compare_names(&names[i - 1], &names[i]) != 0;
    }
    free(names);
    return memo->count;
}

static bool cause_allows(const struct remedy *m, const struct remedy_rule *rule,
                         const struct remedy_view *view, uint64_t now_ms, char *why)
{
    uint32_t shows = count_shows(m, (size_t)(rule - m->rules), now_ms);
    size_t fresh = view->fresh_count(view->ctx, rule->servers);
    char said[SHARE_TEXT_MAX];
    if (shows >= m->guards.common_least && shows > share_of(rule->common_cause, fresh)) {
        text_format(
            why, INCIDENT_TEXT_MAX,
            "common cause: %u of %zu servers show it at once (more than %s): the cause lies "
            "elsewhere, and acting here would not mend it",
            shows, fresh, share_format(said, rule->common_cause));
        return false;
    }
    return true;
}

static bool storm_allows(const struct remedy *m, const struct tally *t, char *why)
{
    if (m->memo->storm) {
        text_format(why, INCIDENT_TEXT_MAX,
                    "storm: the brake is on (incident %llu) until a person has looked and says "
                    "`farmhand incident dismiss %llu`",
                    (unsigned long long)m->memo->storm, (unsigned long long)m->memo->storm);
        return false;
    }
    if (m->guards.max_per_hour && t->acted_in_hour >= m->guards.max_per_hour) {
        text_format(why, INCIDENT_TEXT_MAX,
                    "storm: %u remediations within the hour, no more than %u: a person "
                    "has to look",
                    t->acted_in_hour, m->guards.max_per_hour);
        return false;
    }
    return true;
}

static enum incident_guard ask_brakes(const struct remedy *m, const struct incident *n,
                                      const struct remedy_rule *rule,
                                      const struct remedy_view *view, uint64_t now_ms, char *why)
{
    const struct tally t = tally_past(m, n, view->wall_ms);
    char span[TEXT_DURATION_MAX];
    if (!cause_allows(m, rule, view, now_ms, why)) {
        return GUARD_CAUSE;
    }
    if (!storm_allows(m, &t, why)) {
        return GUARD_STORM;
    }
    if (m->guards.flap_max && t.opened > m->guards.flap_max) {
        text_format(why, INCIDENT_TEXT_MAX,
                    "flapping: it came and went %u times within %s: a person has to look", t.opened,
                    text_format_duration(span, m->guards.flap_ms));
        return GUARD_FLAPPING;
    }
    return cool_downs_allow(m, n, rule, &t, view->wall_ms, why) ? GUARD_NONE : GUARD_COOL_DOWN;
}

enum incident_guard guards_ask(const struct remedy *m, const struct incident *n,
                               const struct remedy_rule *rule, enum remedy_act act,
                               const struct watch *w, const struct remedy_view *view,
                               uint64_t now_ms, char *why)
{
    if (!age_allows(m, n, view, why)) {
        return GUARD_STALE;
    }
    enum incident_guard guard = ask_trouble(m, rule, act, w, now_ms, why);
    if (guard == GUARD_NONE && !n->approved_by[0]) {
        guard = ask_brakes(m, n, rule, view, now_ms, why);
    }
    if (guard != GUARD_NONE) {
        return guard;
    }
    if (!healthy_allows(m, n, view, why)) {
        return GUARD_MINIMUM;
    }
    return view->may_act(view->ctx, rule, act, n->server, n->pool, why);
}

/* remedy_watch.c - looks at servers and pools: does a rule's condition hold, and since when. */
#include "coordinator/core/remedy_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define MIB (1024.0 * 1024)

/* ---- finding one: a hash of rule and names, names without case ---- */

static size_t slot_of(const struct remedy *m, size_t rule, const char *server, const char *pool)
{
    uint32_t hash = text_hash_nocase(TEXT_HASH_BEGIN ^ (uint32_t)rule, server);
    hash = text_hash_nocase(text_hash_nocase(hash, "/"), pool);
    size_t at = hash & (m->slot_count - 1);
    while (m->slots[at]) {
        const struct watch *w = &m->watches[m->slots[at] - 1];
        if (w->rule == rule && text_equal_nocase(w->server, server) &&
            text_equal_nocase(w->pool, pool)) {
            break;
        }
        at = (at + 1) & (m->slot_count - 1);
    }
    return at;
}

struct watch *watch_find(const struct remedy *m, size_t rule, const char *server, const char *pool)
{
    if (!m->slot_count) {
        return NULL;
    }
    uint32_t found = m->slots[slot_of(m, rule, server, pool)];
    return found ? &m->watches[found - 1] : NULL;
}

void watches_sort(struct remedy *m)
{
    if (!m->watch_cap) {
        return;
    }
    free(m->slots);
    m->slot_count = 2 * m->watch_cap; /* a power of two, never more than half full */
    m->slots = must_alloc(m->slot_count, sizeof *m->slots);
    for (size_t i = 0; i < m->watch_count; i++) {
        const struct watch *w = &m->watches[i];
        m->slots[slot_of(m, w->rule, w->server, w->pool)] = (uint32_t)i + 1;
    }
}

static struct watch *watch_add(struct remedy *m, size_t rule, const struct remedy_seen *seen,
                               uint64_t now_ms)
{
    if (m->watch_count == m->watch_cap) {
        m->watch_cap = m->watch_cap ? 2 * m->watch_cap : 16;
        m->watches = must_realloc(m->watches, m->watch_cap, sizeof *m->watches);
        watches_sort(m);
    }
    struct watch *w = &m->watches[m->watch_count++];
    *w = (struct watch){.rule = rule, .clear_ms = now_ms};
    text_copy(w->server, sizeof w->server, seen->server);
    text_copy(w->pool, sizeof w->pool, seen->pool);
    m->slots[slot_of(m, rule, w->server, w->pool)] = (uint32_t)m->watch_count;
    return w;
}

/* ---- one condition ---- */

/* The lowest reading within the window, and room for this one. A counter that fell was begun anew.
 */
static int64_t rejected_since(struct watch *w, int64_t now, uint64_t window_ms, uint64_t now_ms)
{
    while (w->marks && (now_ms - w->mark_ms[0] > window_ms || w->mark[w->marks - 1] > now)) {
        w->marks--;
        memmove(w->mark_ms, w->mark_ms + 1, w->marks * sizeof w->mark_ms[0]);
        memmove(w->mark, w->mark + 1, w->marks * sizeof w->mark[0]);
    }
    bool due = !w->marks || now_ms - w->mark_ms[w->marks - 1] >= window_ms / REJECTED_MARKS;
    if (due && w->marks < REJECTED_MARKS) {
        w->mark_ms[w->marks] = now_ms;
        w->mark[w->marks++] = now;
    }
    return w->marks ? now - w->mark[0] : 0;
}

static uint64_t count_events(const struct remedy_seen *seen, const struct remedy_condition *c)
{
    uint64_t count = 0;
    for (size_t i = 0; i < seen->event_count; i++) {
        count += seen->events[i].kind == c->event && seen->events[i].age_ms <= c->window_ms;
    }
    return count;
}

static bool more(int64_t is, const struct remedy_condition *c)
{
    return is >= 0 && (uint64_t)is > c->more_than;
}

static bool queue_holds(const struct remedy_condition *c, const struct remedy_seen *seen)
{
    if (!c->percent) {
        return more(seen->queued, c);
    }
    return seen->queued >= 0 && seen->queue_limit > 0 &&
           (uint64_t)seen->queued * 100 > c->more_than * (uint64_t)seen->queue_limit;
}

/* With a sentence that says what is seen, whether it holds or not. */
static bool holds(struct watch *w, const struct remedy_condition *c, const struct remedy_seen *seen,
                  uint64_t now_ms, char *out, size_t size)
{
    char a[TEXT_DURATION_MAX], b[TEXT_DURATION_MAX];
    int64_t count;
    switch (c->fact) {
    case FACT_SERVICES:
        text_copy(out, size, "WAS or W3SVC does not run");
        return seen->services_down;
    case FACT_POOL:
        text_copy(out, size, "the pool is stopped, though it should run");
        return seen->state == POOL_STATE_STOPPED && seen->auto_start;
    case FACT_AUTOSTART:
        text_copy(out, size, "autoStart is off");
        return !seen->auto_start;
    case FACT_QUEUE:
        text_format(out, size, "%lld requests wait, of %lld that may", (long long)seen->queued,
                    (long long)seen->queue_limit);
        return queue_holds(c, seen);
    case FACT_REJECTED:
        count = seen->rejected < 0 ? -1 : rejected_since(w, seen->rejected, c->window_ms, now_ms);
        text_format(out, size, "%lld requests were rejected within %s", (long long)count,
                    text_format_duration(a, c->window_ms));
        return more(count, c);
    case FACT_OLDEST_REQUEST:
        text_format(out, size, "a request has been executing for %s, more than %s",
                    text_format_duration(a, seen->oldest_ms < 0 ? 0 : (uint64_t)seen->oldest_ms),
                    text_format_duration(b, c->more_than));
        return more(seen->oldest_ms, c);
    case FACT_MEMORY:
        text_format(out, size, "a worker has %.0f MiB, more than %.0f MiB",
                    (double)seen->memory_bytes / MIB, (double)c->more_than / MIB);
        return seen->memory_bytes > c->more_than;
    case FACT_PRIVATE:
        text_format(out, size, "a worker has %.0f MiB of its own, more than %.0f MiB",
                    (double)seen->private_bytes / MIB, (double)c->more_than / MIB);
        return seen->private_bytes > c->more_than;
    case FACT_CPU:
        text_format(out, size, "a worker uses %u %% of a processor, more than %llu %%",
                    seen->cpu_permille / 10, (unsigned long long)c->more_than / 10);
        return seen->cpu_permille > c->more_than;
    case FACT_PROBE:
        text_format(out, size, "the probe failed %lld times in a row",
                    (long long)seen->probe_failures);
        return more(seen->probe_failures, c);
    case FACT_EVENT:
        count = (int64_t)count_events(seen, c);
        text_format(out, size, "%lld events of kind %s within %s", (long long)count,
                    event_kind_name(c->event), text_format_duration(a, c->window_ms));
        return more(count, c);
    }
    return false;
}

/* ---- a look ---- */

static bool all_hold(struct watch *w, const struct remedy_rule *rule,
                     const struct remedy_seen *seen, uint64_t now_ms)
{
    char text[INCIDENT_TEXT_MAX] = "", one[160];
    bool all = true;
    for (size_t i = 0; i < rule->condition_count; i++) {
        bool is = holds(w, &rule->conditions[i], seen, now_ms, one, sizeof one);
        size_t len = strlen(text);
        text_format(text + len, sizeof text - len, "%s%s", len ? "; " : "", one);
        all = all && is;
    }
    if (all || !w->since_ms) {
        text_copy(w->text, sizeof w->text, text);
    }
    return all;
}

static uint32_t count_bits(uint32_t bits, uint32_t last)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < last && i < 32; i++) {
        count += bits >> i & 1;
    }
    return count;
}

static void note_worker(struct watch *w, const struct remedy_seen *seen)
{
    w->has_worker = seen->has_worker;
    w->worker_age_ms = seen->worker_age_ms;
    w->worker_pid = seen->worker_pid;
    w->worker_created = seen->worker_created;
    w->on_purpose = seen->on_purpose != NULL;
    w->identity = false;
    for (size_t i = 0; i < seen->event_count && seen->state != POOL_STATE_STARTED; i++) {
        w->identity = w->identity || seen->events[i].kind == EVENT_IDENTITY;
    }
    text_format(w->held, sizeof w->held, "%s%s", seen->on_purpose ? seen->on_purpose : "",
                seen->on_purpose ? ": left alone" : "");
}

static void take_look(const struct remedy_rule *rule, struct watch *w, bool is, uint64_t now_ms)
{
    w->bits = w->bits << 1 | (is ? 1 : 0);
    w->looks = w->looks < REMEDY_LOOKS_MAX ? w->looks + 1 : w->looks;
    w->last_ms = now_ms;
    bool shown = count_bits(w->bits, rule->samples_in) >= rule->samples_of;
    w->since_ms = !shown ? 0 : w->since_ms ? w->since_ms : now_ms;
    w->shown_ms = shown ? now_ms : w->shown_ms;
    bool none = count_bits(w->bits, rule->samples_in) == 0;
    w->clear_ms = !none ? 0 : w->clear_ms ? w->clear_ms : now_ms;
}

static bool counts_by_itself(const struct remedy_rule *rule)
{
    for (size_t i = 0; i < rule->condition_count; i++) {
        if (rule->conditions[i].fact == FACT_REJECTED) {
            return true;
        }
    }
    return false;
}

static bool concerns(const struct remedy_rule *rule, const struct remedy_seen *seen)
{
    return rule->of_server == !seen->pool[0] &&
           selector_match(rule->servers, seen->server, seen->labels, seen->label_count) &&
           (rule->of_server || pools_match(rule->pools, seen->pool));
}

void remedy_look(struct remedy *m, const struct remedy_seen *seen, uint64_t now_ms)
{
    m->looks++;
    for (size_t i = 0; i < m->rule_count; i++) {
        const struct remedy_rule *rule = &m->rules[i];
        if (!concerns(rule, seen)) {
            continue;
        }
        struct watch *w = watch_find(m, i, seen->server, seen->pool), spare = {.rule = i};
        bool keeps = w != NULL;
        if (!w && counts_by_itself(rule)) {
            w = watch_add(m, i, seen, now_ms);
            keeps = true;
        }
        w = w ? w : &spare;
        bool is = all_hold(w, rule, seen, now_ms);
        if (!keeps && !is) {
            continue;
        }
        if (!keeps) {
            char text[INCIDENT_TEXT_MAX];
            text_copy(text, sizeof text, w->text);
            w = watch_add(m, i, seen, now_ms);
            text_copy(w->text, sizeof w->text, text);
        }
        note_worker(w, seen);
        take_look(rule, w, is, now_ms);
    }
}

bool watch_shows(const struct watch *w)
{
    return w->since_ms && (w->bits & 1);
}

bool watch_fires(const struct remedy *m, const struct watch *w, uint64_t now_ms)
{
    return watch_shows(w) && now_ms - w->since_ms >= m->rules[w->rule].for_ms &&
           now_ms - w->last_ms <= m->guards.max_age_ms;
}

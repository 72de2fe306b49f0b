/* What agents report of servers and pools, as remedy looks at it. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/text.h"

#define PROBE_SPARE_MS 20000
#define LOOK_EVENTS    WIRE_EVENTS_MAX

/* Why the services of a server are down on purpose; NULL: they are not. */
static const char *kept_down(const struct coordinator *c, const struct fleet_server *s, char *out,
                             size_t size)
{
    const struct state *whole = fleet_whole(s);
    const struct kept_pool *wish = kept_services(c, s->name);
    for (size_t i = 0; whole && i < whole->service_count; i++) {
        const struct service *v = &whole->services[i];
        bool core = text_equal_nocase(v->name, "WAS") || text_equal_nocase(v->name, "W3SVC");
        if (core && v->start == SVC_START_DISABLED) {
            if (wish) {
                text_format(out, size, "%s is disabled%s: %.100s %s with run %llu (%.300s)",
                            v->name, wish->found_down ? ", by others" : "", wish->actor,
                            wish->found_down ? "had it stay so" : "took it down",
                            (unsigned long long)wish->run, wish->reason);
            } else {
                text_format(out, size, "%s is disabled, so a person or a tool keeps it down",
                            v->name);
            }
            return out;
        }
    }
    return NULL;
}

static void add_worker(const struct fleet_server *s, const struct worker *w, uint64_t now_ms,
                       struct remedy_seen *seen)
{
    uint64_t age_ms = fleet_worker_age_ms(s, w, now_ms);
    for (size_t i = 0; i < s->figure_count; i++) {
        const struct fleet_figure *f = &s->figures[i];
        if (f->pid == w->pid && f->created == w->created) {
            seen->cpu_permille =
                f->cpu_permille > seen->cpu_permille ? f->cpu_permille : seen->cpu_permille;
        }
    }
    if (!seen->has_worker || w->memory_bytes >= seen->memory_bytes) {
        seen->memory_bytes = w->memory_bytes;
        seen->worker_pid = w->pid;
        seen->worker_created = w->created;
    }
    seen->private_bytes =
        seen->private_bytes > w->private_bytes ? seen->private_bytes : w->private_bytes;
    seen->worker_age_ms =
        seen->has_worker && seen->worker_age_ms < age_ms ? seen->worker_age_ms : age_ms;
    seen->has_worker = true;
}

/* What was not asked for three rounds is not known any more. `why` has room for the reason why it
 * is to be left alone. */
static void add_probe(const struct coordinator *c, const struct fleet_server *s, const char *pool,
                      struct remedy_seen *seen, char *why, size_t size)
{
    uint64_t life_ms = 3 * remedy_guards_of(c->remedy)->probe_every_ms + PROBE_SPARE_MS;
    for (size_t i = 0; i < s->probe_count; i++) {
        if (text_equal_nocase(s->probes[i].pool, pool) &&
            c->now_ms - s->probes[i].seen_ms <= life_ms) {
            seen->probe_failures = s->probes[i].failures;
            seen->oldest_ms = s->probes[i].oldest_ms;
            if (s->probes[i].offline[0]) {
                text_format(why, size, "an app_offline.htm lies in the folder of %s: a deployment",
                            s->probes[i].offline);
                seen->on_purpose = why;
            }
        }
    }
}

static void look_at_pool(struct coordinator *c, const struct fleet_server *s,
                         const struct pool *pool)
{
    const struct state *latest = fleet_latest(s);
    struct remedy_event events[LOOK_EVENTS];
    char why[256];
    struct remedy_seen seen = {.server = s->name,
                               .pool = pool->name,
                               .labels = s->labels,
                               .label_count = s->label_count,
                               .state = pool->state,
                               .auto_start = pool->auto_start,
                               .queued = pool->queued,
                               .queue_limit = pool->queue_length,
                               .rejected = -1,
                               .oldest_ms = -1,
                               .probe_failures = -1,
                               .events = events};
    for (size_t i = 0; i < latest->figure_count; i++) {
        if (text_equal_nocase(latest->figures[i].pool, pool->name)) {
            seen.queued = latest->figures[i].queued;
            seen.rejected = latest->figures[i].rejected;
        }
    }
    for (size_t i = 0; i < latest->event_count && seen.event_count < LOOK_EVENTS; i++) {
        const struct server_event *e = &latest->events[i];
        if (text_equal_nocase(e->pool, pool->name)) {
            events[seen.event_count++] = (struct remedy_event){event_kind_of(e->id), e->age_ms};
        }
    }
    for (size_t i = 0; i < latest->worker_count; i++) {
        if (text_equal_nocase(latest->workers[i].pool, pool->name)) {
            add_worker(s, &latest->workers[i], c->now_ms, &seen);
        }
    }
    if (pool->state == POOL_STATE_STARTED) { /* else it is not asked, and the answer is of before */
        add_probe(c, s, pool->name, &seen, why, sizeof why);
    }
    remedy_look(c->remedy, &seen, c->now_ms);
}

void remedies_look(struct coordinator *c, const struct fleet_server *s)
{
    const struct state *whole = fleet_whole(s);
    char why[INCIDENT_TEXT_MAX];
    if (!whole || !fleet_latest(s) || s->quarantined) {
        return;
    }
    bool down = fleet_services_down(s);
    struct remedy_seen seen = {.server = s->name,
                               .pool = "",
                               .labels = s->labels,
                               .label_count = s->label_count,
                               .services_down = down,
                               .on_purpose = down ? kept_down(c, s, why, sizeof why) : NULL,
                               .queued = -1,
                               .rejected = -1,
                               .oldest_ms = -1,
                               .probe_failures = -1};
    remedy_look(c->remedy, &seen, c->now_ms);
    for (size_t i = 0; i < whole->pool_count && !down; i++) {
        look_at_pool(c, s, &whole->pools[i]);
    }
}

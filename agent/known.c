/* known.c - see known.h. */
#include "agent/known.h"

#include "agent/record.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* Texts that are freed together. */
struct texts {
    char **items;
    size_t count, room;
};

#define TROUBLE_MAX (WIRE_TEXT_MAX / 2 - 8) /* two of them are told in one text */

struct look {
    struct texts texts;
    struct pool *pools;
    struct site *sites;
    struct service *services;
    size_t pool_count, site_count, service_count;
    const char *identity;
    bool shared;
    char trouble[TROUBLE_MAX];
};

struct beat {
    struct texts texts;
    struct worker *workers;
    size_t count;
    char trouble[TROUBLE_MAX];
};

/* Figures of pools and events, as the driver last gave them. */
struct signs {
    struct texts texts;
    struct pool_figures *figures;
    size_t figure_count;
    uint64_t figures_read_ms;
    struct server_event *events;
    size_t event_count;
    uint64_t events_read_ms;
};

struct known {
    bool has_look, has_workers;
    struct look look;
    struct beat beat;
    struct signs signs;
    struct server_event told[WIRE_EVENTS_MAX]; /* of the state last asked for */
    uint64_t read_ms;                          /* of the workers */
    struct call_host host, told_host;
    uint32_t told_permille;      /* of the processors, with told_host */
    char trouble[WIRE_TEXT_MAX]; /* of the state last asked for */
};

static const char *keep(struct texts *texts, const char *s, size_t max_bytes)
{
    char clean[WIRE_TEXT_MAX];
    clean_text(clean, max_bytes < sizeof(clean) ? max_bytes : sizeof(clean), s ? s : "");
    if (texts->count == texts->room) {
        texts->room = texts->room ? 2 * texts->room : 64;
        texts->items = must_realloc(texts->items, texts->room, sizeof(*texts->items));
    }
    return texts->items[texts->count++] = must_copy(clean);
}

static void texts_reset(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct texts){0};
}

static void look_reset(struct look *look)
{
    texts_reset(&look->texts);
    free(look->pools);
    free(look->sites);
    free(look->services);
    *look = (struct look){0};
}

static void beat_reset(struct beat *beat)
{
    texts_reset(&beat->texts);
    free(beat->workers);
    *beat = (struct beat){0};
}

static void signs_reset(struct signs *signs)
{
    texts_reset(&signs->texts);
    free(signs->figures);
    free(signs->events);
    *signs = (struct signs){0};
}

struct known *known_new(void)
{
    return must_alloc(1, sizeof(struct known));
}

void known_free(struct known *k)
{
    if (!k)
        return;
    look_reset(&k->look);
    beat_reset(&k->beat);
    signs_reset(&k->signs);
    free(k);
}

/* ---- copies ---- */

static size_t at_most(size_t count, size_t max, const char *what, struct text *trouble)
{
    if (count <= max)
        return count;
    text_addf(trouble, "%s%zu of %zu %s are told", trouble->len ? "; " : "", max, count, what);
    return max;
}

static void copy_pools(struct look *look, const struct pool *from, size_t count, bool known,
                       struct text *trouble)
{
    look->pool_count = at_most(count, WIRE_POOLS_MAX, "pools", trouble);
    look->pools = must_alloc(look->pool_count, sizeof(*look->pools));
    for (size_t i = 0; i < look->pool_count; i++) {
        look->pools[i] = from[i];
        look->pools[i].name = keep(&look->texts, from[i].name, WIRE_NAME_MAX);
        if (known)
            continue;
        look->pools[i].state = POOL_STATE_UNKNOWN;
        look->pools[i].queued = -1;
    }
}

static void copy_sites(struct look *look, const struct site *from, size_t count,
                       struct text *trouble)
{
    look->site_count = at_most(count, WIRE_SITES_MAX, "sites", trouble);
    look->sites = must_alloc(look->site_count, sizeof(*look->sites));
    for (size_t i = 0; i < look->site_count; i++) {
        look->sites[i] = from[i];
        look->sites[i].name = keep(&look->texts, from[i].name, WIRE_NAME_MAX);
        look->sites[i].bindings = keep(&look->texts, from[i].bindings, WIRE_TEXT_MAX);
        look->sites[i].pool = keep(&look->texts, from[i].pool, WIRE_NAME_MAX);
    }
}

static void copy_services(struct look *look, const struct service *from, size_t count, bool known,
                          struct text *trouble)
{
    look->service_count = at_most(count, WIRE_SERVICES_MAX, "services", trouble);
    look->services = must_alloc(look->service_count, sizeof(*look->services));
    for (size_t i = 0; i < look->service_count; i++) {
        look->services[i] = from[i];
        look->services[i].name = keep(&look->texts, from[i].name, WIRE_NAME_MAX);
        if (known)
            continue;
        look->services[i].state = SVC_UNKNOWN;
        look->services[i].pid = 0;
    }
}

/* What the view does not know comes from the look before, its states unknown. */
static struct look new_look(const struct look *old, const struct driver_view *view)
{
    struct look look = {0};
    struct text trouble = {0};
    text_add(&trouble, view->trouble ? view->trouble : "");
    copy_pools(&look, view->pools_known ? view->pools : old->pools,
               view->pools_known ? view->pool_count : old->pool_count, view->pools_known, &trouble);
    copy_sites(&look, view->sites_known ? view->sites : old->sites,
               view->sites_known ? view->site_count : old->site_count, &trouble);
    copy_services(&look, view->services_known ? view->services : old->services,
                  view->services_known ? view->service_count : old->service_count,
                  view->services_known, &trouble);
    look.identity = keep(&look.texts, view->config_identity, WIRE_NAME_MAX);
    look.shared = view->config_shared;
    clean_text(look.trouble, sizeof(look.trouble), text_get(&trouble));
    text_reset(&trouble);
    return look;
}

/* ---- what counts as a change ---- */

static bool same_pool(const struct pool *a, const struct pool *b)
{
    return text_equal(a->name, b->name) && a->state == b->state && a->auto_start == b->auto_start &&
           a->start_mode == b->start_mode && a->overlap == b->overlap && a->orphans == b->orphans &&
           a->max_processes == b->max_processes && a->queue_length == b->queue_length &&
           a->startup_limit_ms == b->startup_limit_ms &&
           a->shutdown_limit_ms == b->shutdown_limit_ms &&
           a->idle_timeout_ms == b->idle_timeout_ms && a->rapid_fail == b->rapid_fail &&
           a->rapid_fail_crashes == b->rapid_fail_crashes &&
           a->rapid_fail_interval_ms == b->rapid_fail_interval_ms;
}

static bool same_site(const struct site *a, const struct site *b)
{
    return text_equal(a->name, b->name) && a->id == b->id && a->started == b->started &&
           text_equal(a->bindings, b->bindings) && text_equal(a->pool, b->pool);
}

static bool same_service(const struct service *a, const struct service *b)
{
    return text_equal(a->name, b->name) && a->state == b->state && a->start == b->start &&
           a->pid == b->pid;
}

static bool same_look(const struct look *a, const struct look *b)
{
    if (a->pool_count != b->pool_count || a->site_count != b->site_count ||
        a->service_count != b->service_count || a->shared != b->shared ||
        !text_equal(a->identity, b->identity) || !text_equal(a->trouble, b->trouble))
        return false;
    for (size_t i = 0; i < a->pool_count; i++)
        if (!same_pool(&a->pools[i], &b->pools[i]))
            return false;
    for (size_t i = 0; i < a->site_count; i++)
        if (!same_site(&a->sites[i], &b->sites[i]))
            return false;
    for (size_t i = 0; i < a->service_count; i++)
        if (!same_service(&a->services[i], &b->services[i]))
            return false;
    return true;
}

static bool has_worker(const struct beat *beat, const struct worker *worker)
{
    for (size_t i = 0; i < beat->count; i++)
        if (beat->workers[i].pid == worker->pid && beat->workers[i].created == worker->created &&
            text_equal(beat->workers[i].pool, worker->pool))
            return true;
    return false;
}

/* Usually in the same order as before; a full comparison only where they are not. */
static bool same_workers(const struct beat *a, const struct beat *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        bool same_place = a->workers[i].pid == b->workers[i].pid &&
                          a->workers[i].created == b->workers[i].created &&
                          text_equal(a->workers[i].pool, b->workers[i].pool);
        if (!same_place && !has_worker(b, &a->workers[i]))
            return false;
    }
    return true;
}

/* ---- taking in ---- */

/* True: it is another trouble than before. */
static bool set_trouble(char trouble[TROUBLE_MAX], const char *what, const char *why)
{
    char said[TROUBLE_MAX];
    char clean[TROUBLE_MAX];
    text_format(said, sizeof(said), "%s: %s", what, why);
    clean_text(clean, sizeof(clean), said);
    if (text_equal(trouble, clean))
        return false;
    text_copy(trouble, TROUBLE_MAX, clean);
    return true;
}

static bool take_workers(struct known *k, const struct driver_view *view, uint64_t now_ms)
{
    struct beat beat = {0};
    struct text trouble = {0};
    beat.count = at_most(view->worker_count, WIRE_WORKERS_MAX, "workers", &trouble);
    beat.workers = must_alloc(beat.count, sizeof(*beat.workers));
    for (size_t i = 0; i < beat.count; i++) {
        beat.workers[i] = view->workers[i];
        beat.workers[i].pool = keep(&beat.texts, view->workers[i].pool, WIRE_NAME_MAX);
    }
    clean_text(beat.trouble, sizeof(beat.trouble), text_get(&trouble));
    text_reset(&trouble);
    bool changed = !k->has_workers || !same_workers(&beat, &k->beat) ||
                   !text_equal(beat.trouble, k->beat.trouble);
    beat_reset(&k->beat);
    k->beat = beat;
    k->has_workers = true;
    k->read_ms = now_ms;
    return changed;
}

static bool has_event(const struct signs *signs, const struct server_event *event)
{
    for (size_t i = 0; i < signs->event_count; i++)
        if (signs->events[i].record == event->record && signs->events[i].id == event->id)
            return true;
    return false;
}

static void copy_figures(struct signs *signs, const struct driver_view *view)
{
    size_t count = view->figure_count < WIRE_POOLS_MAX ? view->figure_count : WIRE_POOLS_MAX;
    signs->figures = must_alloc(count, sizeof(*signs->figures));
    for (; signs->figure_count < count; signs->figure_count++) {
        struct pool_figures *row = &signs->figures[signs->figure_count];
        *row = view->figures[signs->figure_count];
        row->pool = keep(&signs->texts, row->pool, WIRE_NAME_MAX);
    }
}

static void copy_events(struct signs *signs, const struct driver_view *view)
{
    size_t count = view->event_count < WIRE_EVENTS_MAX ? view->event_count : WIRE_EVENTS_MAX;
    size_t skipped = view->event_count - count;
    signs->events = must_alloc(count, sizeof(*signs->events));
    for (; signs->event_count < count; signs->event_count++) {
        struct server_event *row = &signs->events[signs->event_count];
        *row = view->events[skipped + signs->event_count];
        row->pool = keep(&signs->texts, row->pool, WIRE_NAME_MAX);
    }
}

/* True: one of the events was not there before. */
static bool take_signs(struct known *k, const struct driver_view *view, uint64_t now_ms)
{
    struct signs signs = {.events_read_ms = now_ms};
    uint64_t age_ms = view->figures_age_ms;
    bool news = false;
    copy_figures(&signs, view);
    copy_events(&signs, view);
    signs.figures_read_ms = now_ms > age_ms ? now_ms - age_ms : 0;
    for (size_t i = 0; i < signs.event_count; i++)
        news = news || !has_event(&k->signs, &signs.events[i]);
    signs_reset(&k->signs);
    k->signs = signs;
    return news;
}

static void take_host(struct known *k, const struct call_host *host)
{
    if (host->cpu_total_ms > 0 || host->memory_total_bytes > 0)
        k->host = *host;
}

bool known_take_look(struct known *k, const struct call_result *result, uint64_t now_ms)
{
    take_host(k, &result->host);
    if (result->code != ERR_NONE)
        return set_trouble(k->look.trouble, "the server could not be looked at", result->text);
    struct look look = new_look(&k->look, &result->view);
    bool changed = !k->has_look || !same_look(&look, &k->look);
    look_reset(&k->look);
    k->look = look;
    k->has_look = true;
    if (result->view.workers_known)
        take_workers(k, &result->view, now_ms);
    return take_signs(k, &result->view, now_ms) || changed;
}

bool known_take_beat(struct known *k, const struct call_result *result, uint64_t now_ms)
{
    take_host(k, &result->host);
    if (result->code == ERR_NONE && result->view.workers_known)
        return take_signs(k, &result->view, now_ms) | take_workers(k, &result->view, now_ms);
    return set_trouble(k->beat.trouble, "workers could not be read",
                       result->text[0]        ? result->text
                       : result->view.trouble ? result->view.trouble
                                              : "");
}

bool known_has_workers(const struct known *k)
{
    return k->has_workers;
}

bool known_has_look(const struct known *k)
{
    return k->has_look;
}

/* ---- telling ---- */

/* Where nothing was counted since, the share told last is the best that is known: 0 would say that
 * the server is idle. */
static uint32_t cpu_permille(const struct known *k)
{
    uint64_t busy = k->host.cpu_busy_ms - k->told_host.cpu_busy_ms;
    uint64_t total = k->host.cpu_total_ms - k->told_host.cpu_total_ms;
    bool sane = k->host.cpu_total_ms > k->told_host.cpu_total_ms && busy <= total;
    if (total == 0)
        return k->told_permille;
    return sane ? (uint32_t)(busy * 1000 / total) : 0;
}

static struct host host_of(const struct known *k)
{
    return (struct host){
        .processors = k->host.processors,
        .cpu_permille = cpu_permille(k),
        .memory_total_bytes = k->host.memory_total_bytes,
        .memory_available_bytes = k->host.memory_available_bytes,
        .uptime_ms = k->host.uptime_ms,
    };
}

static void add_trouble(struct text *all, const char *one)
{
    if (*one)
        text_addf(all, "%s%s", all->len ? "; " : "", one);
}

static void tell_signs(struct known *k, struct state *state, uint64_t now_ms)
{
    const struct signs *signs = &k->signs;
    state->figures = signs->figures;
    state->figure_count = signs->figure_count;
    state->figures_age_ms = now_ms - signs->figures_read_ms;
    state->events = k->told;
    for (size_t i = 0; i < signs->event_count; i++) {
        struct server_event event = signs->events[i];
        event.age_ms += now_ms - signs->events_read_ms;
        if (event.age_ms <= EVENTS_TOLD_MS)
            k->told[state->event_count++] = event;
    }
}

struct state known_state(struct known *k, bool whole, const char *held, uint64_t now_ms)
{
    struct text trouble = {0};
    add_trouble(&trouble, held);
    add_trouble(&trouble, k->beat.trouble);
    add_trouble(&trouble, k->look.trouble);
    text_copy(k->trouble, sizeof(k->trouble), text_get(&trouble));
    text_reset(&trouble);
    whole = whole && k->has_look;
    struct state state = {
        .whole = whole,
        .config_identity = k->look.identity ? k->look.identity : "",
        .config_shared = k->look.shared,
        .trouble = k->trouble,
        .age_ms = now_ms - k->read_ms,
        .services = whole ? k->look.services : NULL,
        .service_count = whole ? k->look.service_count : 0,
        .pools = whole ? k->look.pools : NULL,
        .pool_count = whole ? k->look.pool_count : 0,
        .sites = whole ? k->look.sites : NULL,
        .site_count = whole ? k->look.site_count : 0,
        .workers = k->beat.workers,
        .worker_count = k->beat.count,
        .host = host_of(k),
    };
    tell_signs(k, &state, now_ms);
    return state;
}

void known_told(struct known *k)
{
    k->told_permille = cpu_permille(k);
    k->told_host = k->host;
}

/* view.c - see view.h. */
#include "agent/drivers/view.h"

#include "common/must.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)16 * 1024)
#define NEEDS_MAX   ((size_t)16 * WIRE_SERVICES_MAX) /* dependencies; never sent */
#define ALIGNMENT   sizeof(max_align_t)

/* ---- memory that goes in one go ---- */

struct block {
    struct block *next;
    size_t used, size;
    max_align_t bytes[];
};

struct hold {
    struct block *newest;
};

struct hold *hold_new(void)
{
    return must_alloc(1, sizeof(struct hold));
}

static struct block *block_with_room(struct hold *hold, size_t size)
{
    struct block *block = hold->newest;
    if (block && block->size - block->used >= size)
        return block;
    size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    block = must_alloc(1, sizeof(*block) + room);
    block->size = room;
    block->next = hold->newest;
    hold->newest = block;
    return block;
}

void *hold_alloc(struct hold *hold, size_t size_bytes)
{
    size_t size = (size_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct block *block = block_with_room(hold, size);
    void *taken = (char *)block->bytes + block->used;
    block->used += size;
    return taken;
}

char *hold_copy(struct hold *hold, const char *s)
{
    size_t len = strlen(s);
    char *copy = hold_alloc(hold, len + 1);
    memcpy(copy, s, len);
    return copy;
}

void hold_free(struct hold *hold)
{
    if (!hold)
        return;
    for (struct block *block = hold->newest, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(hold);
}

/* ---- rows ---- */

void view_init(struct view *v)
{
    *v = (struct view){.hold = hold_new()};
}

void view_reset(struct view *v)
{
    hold_free(v->hold);
    free(v->pools);
    free(v->sites);
    free(v->services);
    free(v->needs);
    free(v->workers);
    free(v->figures);
    free(v->events);
    text_reset(&v->trouble);
    *v = (struct view){0};
}

static bool is_name(const char *s)
{
    size_t len = s ? strlen(s) : 0;
    return len > 0 && len < WIRE_NAME_MAX && wire_text_is_clean(s);
}

/* Room for one more row of `size` bytes; NULL, and counted, if that would be more than `max`. */
static void *more(struct view *v, void *rows, size_t *room, size_t count, size_t max, size_t size)
{
    if (count >= max) {
        v->left_out++;
        return NULL;
    }
    if (count < *room)
        return rows;
    *room = *room ? *room * 2 : 16;
    return must_realloc(rows, *room, size);
}

static bool refuse(struct view *v)
{
    v->left_out++;
    return false;
}

bool view_add_pool(struct view *v, const struct pool *pool)
{
    if (!is_name(pool->name))
        return refuse(v);
    void *rows = more(v, v->pools, &v->pool_room, v->pool_count, WIRE_POOLS_MAX, sizeof(*pool));
    if (!rows)
        return false;
    v->pools = rows;
    struct pool *row = &v->pools[v->pool_count++];
    *row = *pool;
    row->name = hold_copy(v->hold, pool->name);
    return true;
}

/* Bindings are a list with commas; a list too long for the wire ends after a whole one. */
static char *copy_bindings(struct hold *hold, const char *bindings)
{
    char cut[WIRE_TEXT_MAX];
    bool fits = text_copy(cut, sizeof(cut), bindings);
    char *comma = fits ? NULL : strrchr(cut, ',');
    if (comma)
        *comma = '\0';
    return hold_copy(hold, cut);
}

bool view_add_site(struct view *v, const struct site *site)
{
    bool pool_fits = site->pool[0] == '\0' || is_name(site->pool);
    if (!is_name(site->name) || !pool_fits || !wire_text_is_clean(site->bindings))
        return refuse(v);
    void *rows = more(v, v->sites, &v->site_room, v->site_count, WIRE_SITES_MAX, sizeof(*site));
    if (!rows)
        return false;
    v->sites = rows;
    struct site *row = &v->sites[v->site_count++];
    *row = *site;
    row->name = hold_copy(v->hold, site->name);
    row->bindings = copy_bindings(v->hold, site->bindings);
    row->pool = hold_copy(v->hold, site->pool);
    return true;
}

bool view_add_service(struct view *v, const struct service *service)
{
    if (!is_name(service->name))
        return refuse(v);
    void *rows = more(v, v->services, &v->service_room, v->service_count, WIRE_SERVICES_MAX,
                      sizeof(*service));
    if (!rows)
        return false;
    v->services = rows;
    struct service *row = &v->services[v->service_count++];
    *row = *service;
    row->name = hold_copy(v->hold, service->name);
    return true;
}

bool view_add_need(struct view *v, const char *service, const char *needs)
{
    if (!is_name(service) || !is_name(needs))
        return refuse(v);
    void *rows = more(v, v->needs, &v->need_room, v->need_count, NEEDS_MAX, sizeof(*v->needs));
    if (!rows)
        return false;
    v->needs = rows;
    v->needs[v->need_count++] =
        (struct service_need){hold_copy(v->hold, service), hold_copy(v->hold, needs)};
    return true;
}

bool view_add_worker(struct view *v, const struct worker *worker)
{
    if (!is_name(worker->pool))
        return refuse(v);
    void *rows =
        more(v, v->workers, &v->worker_room, v->worker_count, WIRE_WORKERS_MAX, sizeof(*worker));
    if (!rows)
        return false;
    v->workers = rows;
    struct worker *row = &v->workers[v->worker_count++];
    *row = *worker;
    row->pool = hold_copy(v->hold, worker->pool);
    return true;
}

bool view_add_figures(struct view *v, const struct pool_figures *figures)
{
    if (!is_name(figures->pool))
        return refuse(v);
    void *rows =
        more(v, v->figures, &v->figure_room, v->figure_count, WIRE_POOLS_MAX, sizeof(*figures));
    if (!rows)
        return false;
    v->figures = rows;
    struct pool_figures *row = &v->figures[v->figure_count++];
    *row = *figures;
    row->pool = hold_copy(v->hold, figures->pool);
    return true;
}

bool view_add_event(struct view *v, const struct server_event *event)
{
    if (event->pool[0] != '\0' && !is_name(event->pool))
        return refuse(v);
    void *rows =
        more(v, v->events, &v->event_room, v->event_count, WIRE_EVENTS_MAX, sizeof(*event));
    if (!rows)
        return false;
    v->events = rows;
    struct server_event *row = &v->events[v->event_count++];
    *row = *event;
    row->pool = hold_copy(v->hold, event->pool);
    return true;
}

/* ---- trouble and the end ---- */

void view_trouble(struct view *v, const char *part, const char *reason)
{
    if (v->trouble.len > 0)
        text_add(&v->trouble, "; ");
    text_addf(&v->trouble, "%s: %s", part, reason);
}

void view_finish(struct view *v, struct driver_view *out)
{
    if (v->left_out > 0) {
        struct text reason = {0};
        text_addf(&reason, "%zu rows left out: too many, or a name that cannot be told",
                  v->left_out);
        view_trouble(v, "view", text_get(&reason));
        text_reset(&reason);
    }
    char *trouble = hold_alloc(v->hold, WIRE_TEXT_MAX);
    wire_clean_text(trouble, WIRE_TEXT_MAX, text_get(&v->trouble));
    out->trouble = trouble;
    out->pools = v->pools;
    out->pool_count = v->pool_count;
    out->sites = v->sites;
    out->site_count = v->site_count;
    out->services = v->services;
    out->service_count = v->service_count;
    out->needs = v->needs;
    out->need_count = v->need_count;
    out->workers = v->workers;
    out->worker_count = v->worker_count;
    out->figures = v->figures;
    out->figure_count = v->figure_count;
    out->events = v->events;
    out->event_count = v->event_count;
    out->hold = v->hold;
    text_reset(&v->trouble);
    *v = (struct view){0};
}

void driver_view_reset(struct driver_view *view)
{
    if (!view)
        return;
    free((void *)view->pools);
    free((void *)view->sites);
    free((void *)view->services);
    free((void *)view->needs);
    free((void *)view->workers);
    free((void *)view->figures);
    free((void *)view->events);
    hold_free(view->hold);
    *view = (struct driver_view){0};
}

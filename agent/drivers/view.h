/* view.h - how a driver builds a driver_view: rows are copied in one by one, then handed over.
 *
 * Keeps the bounds of the wire (proto/messages.h), so that whatever a driver saw can be sent: a row
 * whose name is too long, empty, not UTF-8 or holds control characters is left out, and `trouble`
 * says so; longer texts are cut. Knows nothing of where rows come from. Never blocks.
 */
#ifndef FARMHAND_AGENT_DRIVERS_VIEW_H
#define FARMHAND_AGENT_DRIVERS_VIEW_H

#include "agent/driver.h"
#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>

struct hold; /* memory that is released in one go */
struct hold *hold_new(void);
void *hold_alloc(struct hold *hold, size_t size_bytes); /* zeroed, aligned for anything */
char *hold_copy(struct hold *hold, const char *s);
void hold_free(struct hold *hold); /* NULL is fine */

struct view {
    struct hold *hold; /* of the strings of all rows */
    struct pool *pools;
    size_t pool_count, pool_room;
    struct site *sites;
    size_t site_count, site_room;
    struct service *services;
    size_t service_count, service_room;
    struct service_need *needs;
    size_t need_count, need_room;
    struct worker *workers;
    size_t worker_count, worker_room;
    struct pool_figures *figures;
    size_t figure_count, figure_room;
    struct server_event *events;
    size_t event_count, event_room;
    struct text trouble;
    size_t left_out; /* rows that could not be taken */
};

void view_init(struct view *v);
void view_reset(struct view *v);

/* Rows: their strings are copied. false: left out (and counted in left_out). */
bool view_add_pool(struct view *v, const struct pool *pool);
bool view_add_site(struct view *v, const struct site *site);
bool view_add_service(struct view *v, const struct service *service);
bool view_add_need(struct view *v, const char *service, const char *needs);
bool view_add_worker(struct view *v, const struct worker *worker);
bool view_add_figures(struct view *v, const struct pool_figures *figures);
bool view_add_event(struct view *v, const struct server_event *event);

/* Adds "part: reason" to trouble. */
void view_trouble(struct view *v, const char *part, const char *reason);

/* Moves everything into *out, whose other fields stay as they are; v is as after view_init without
 * its memory: neither init nor reset is needed afterwards. */
void view_finish(struct view *v, struct driver_view *out);

#endif

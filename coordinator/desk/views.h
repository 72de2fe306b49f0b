/* views.h - what the coordinator knows, as the JSON of API.md.
 *
 * Reads the brain's state and changes nothing; every value of a server comes with its age. For the
 * brain thread. All values returned are new references (json_decref).
 */
#ifndef FARMHAND_COORDINATOR_VIEWS_H
#define FARMHAND_COORDINATOR_VIEWS_H

#include "coordinator/brain/coordinator.h"

#include <jansson.h>

struct view {
    const struct coordinator *brain;
    uint64_t now_ms;
    int64_t wall_ms;
    /* Where (server, pool) stands in rotation; NULL: no balancer. */
    size_t (*map)(void *ctx, const char *server, const char *pool, struct balancer_entry *out,
                  size_t max);
    void *map_ctx;
};

/* history_trouble NULL: fine. */
json_t *view_status(const struct view *v, int64_t started_wall_ms, const char *history_trouble);
/* whole: with pools, sites and backends; else as the list has it. */
json_t *view_server(const struct view *v, const struct fleet_server *s, bool whole);
json_t *view_pool(const struct view *v, const struct fleet_server *s, const struct pool *pool);
/* counts NULL: they are taken from the targets, which are shown. */
json_t *view_run(const struct view *v, const struct rollout *run,
                 const struct rollout_counts *counts);
/* Adds a step to its target in what view_run gave. */
void view_add_step(json_t *run, const struct store_step *step);
/* Servers in the hands of others. *expired: some for longer than was said. */
json_t *view_holds(const struct view *v, bool *expired);
json_t *view_options(const struct rollout_options *options);
json_t *view_plan(const struct view *v, const struct rollout *plan);
/* The groups of the budget: all, or those that a plan's targets are in. */
json_t *view_budgets(const struct view *v, const struct rollout *plan);
json_t *view_groups_of(const struct view *v, const char *server); /* their names */
json_t *view_incident(const struct view *v, const struct incident *n);
json_t *view_note(const struct incident_note *note);
/* Sentences: what is wrong with that server, what was tried, what is waited for. */
json_t *view_why(const struct view *v, const struct fleet_server *s);
json_t *view_event(const struct event *event);
json_t *view_error(const char *code, const char *text);

/* Adds queued, rejected and figures_age_ms to a pool. */
void view_add_figures(const struct view *v, const struct fleet_server *s, const struct pool *p,
                      json_t *pool);
/* Entries of the server's event log; of one pool, or all (NULL). */
json_t *view_server_events(const struct view *v, const struct fleet_server *s, const char *pool);

json_t *view_time(int64_t wall_ms);    /* null for 0 */
json_t *view_text(const char *text);   /* null for NULL */
json_t *view_string(const char *text); /* what is not UTF-8 becomes '?' */

#endif

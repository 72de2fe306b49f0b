/* services.h - which services are stopped, in which order, what may be killed, what is started
 * again.
 *
 * Pure: reads what a driver saw (agent/driver.h) and remembers nothing. Names are compared without
 * case, as Windows does. Results are names lent from the input. A circle of dependencies, which no
 * system should have, ends: each service stands in a result once, and none is left out.
 */
#ifndef FARMHAND_AGENT_SERVICES_H
#define FARMHAND_AGENT_SERVICES_H

#include "agent/driver.h"

#include <stdbool.h>
#include <stddef.h>

struct services_graph {
    const struct service *services;
    size_t service_count;
    const struct service_need *needs;
    size_t need_count;
};

#define SERVICES_MAX WIRE_SERVICES_MAX

/* An order of names, at most SERVICES_MAX. */
struct services_order {
    const char *names[SERVICES_MAX];
    size_t count;
};

/* NULL: not among them. */
const struct service *services_find(const struct services_graph *graph, const char *name);

/* `name` cannot run without `needs`, directly or through others. */
bool services_depends(const struct services_graph *graph, const char *name, const char *needs);

/* Runs, or is on its way to: it has to be stopped, and to be started again. */
bool services_is_up(enum service_state state);

/* To stop all of `names`: they and all that depend on them, those left out that are stopped
 * already. Who depends comes before whom it depends on. */
struct services_order services_stop_order(const struct services_graph *graph,
                                          const char *const *names, size_t count);

/* To start again what ran before: who is depended on comes first. Left out: what is unknown here or
 * absent, and what is disabled, since a person or a tool did that. What runs already stays in: the
 * state may be old, and asking again harms nothing. */
struct services_order services_start_order(const struct services_graph *graph,
                                           const char *const *ran, size_t count);

/* Whether it may die with WAS: WAS, W3SVC, or one that depends on WAS. Source: IIS.md section 4. */
bool services_is_expendable(const struct services_graph *graph, const char *name);

enum services_host {
    SERVICES_HOST_NONE,   /* there is no process */
    SERVICES_HOST_OURS,   /* nobody but expendable services lives in it */
    SERVICES_HOST_SHARED, /* somebody else does: never killed */
    SERVICES_HOST_REBOOTS, /* its end would restart the machine, by a failure action: never killed */
};
/* `strangers` ("Spooler, MSMQ", cut where it does not fit; of REBOOTS the one whose action it is) may
 * be NULL. */
enum services_host services_judge_host(const struct driver_host *host, char *strangers,
                                       size_t size_bytes);

#endif

/* desk.h - the operators' desk: requests of the API become calls of the brain, and what it knows
 * becomes their answers. One table of paths; API.md says what each means. For the brain thread.
 */
#ifndef FARMHAND_COORDINATOR_DESK_H
#define FARMHAND_COORDINATOR_DESK_H

#include "coordinator/api/api.h"
#include "coordinator/brain/coordinator.h"
#include "coordinator/desk/refusals.h"
#include "coordinator/desk/throttle.h"
#include "coordinator/enrol/enrol.h"
#include "coordinator/enrol/operators.h"
#include "coordinator/notices/notices.h"
#include "coordinator/store/archive.h"

#include <stdint.h>

struct desk {
    struct coordinator *brain;
    struct store *store;
    struct archive *archive;
    struct notices *notices; /* NULL: nobody is told */
    struct api *api;
    struct enrol *enrol;         /* NULL: without TLS, nobody joins */
    struct operators *operators; /* who may come from afar; NULL: nobody */
    struct throttle *throttle;   /* of those who do */
    const char *ca_pem;          /* that they check us by */
    const char *join_url;        /* where agents join: "https://farm.example:7601" */
    uint16_t agents_port;
    int64_t started_wall_ms;
    size_t (*map)(void *ctx, const char *server, const char *pool, struct balancer_entry *out,
                  size_t max); /* NULL: no balancer */
    void *map_ctx;
    struct refusals refusals; /* to people who are known */
};

/* What there is; NULL: index is past the last. */
struct desk_path {
    const char *method, *pattern; /* NAME and ID stand for one part each */
};
const struct desk_path *desk_path_at(size_t index);

/* Answers it, or makes it a follower and feeds it. */
void desk_take(struct desk *d, struct api_request *request, uint64_t now_ms, int64_t wall_ms);
/* To those who follow. */
void desk_publish(struct desk *d, const struct event *event);

#endif

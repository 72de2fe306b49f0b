/* balancer_map.h - the balancer's map as one thing: checked, copied, released. Inside of balancer
 * only; everybody else uses coordinator/balancer/balancer.h. Does no I/O. */
#ifndef FARMHAND_COORDINATOR_BALANCER_MAP_H
#define FARMHAND_COORDINATOR_BALANCER_MAP_H

#include "common/error.h"
#include "coordinator/balancer/balancer.h"

#include <stdbool.h>
#include <stddef.h>

struct balancer_config {
    const struct balancer_place *places;
    size_t place_count;
    const struct balancer_backend *backends;
    size_t backend_count;
};

/* A deep copy; ERR_INVALID when something in it cannot be right (the text says what). */
enum error_code balancer_config_copy(const struct balancer_config *from, struct balancer_config *to,
                                     struct error *err);
void balancer_config_release(struct balancer_config *c); /* what balancer_config_copy made */

#endif

/* driver.h - the contract between the agent and whatever runs the web server.
 *
 * A driver is a table of functions chosen by name ("iis"; later "systemd", "command"). Every call
 * blocks and happens on the agent's one worker thread, never two at a time. A driver decides
 * nothing: it reads, or does the one thing it was told, within its deadline, and says truthfully
 * what came of it. Whether and when is the recipes' business.
 *
 * Codes that recipes decide by:
 *   ERR_NOT_FOUND    no such pool or service
 *   ERR_STATE        the pool or service is in the wrong state (recycle of a stopped pool,
 *                    start of a disabled service)
 *   ERR_EXISTS       it is already as asked (started, stopped)
 *   ERR_BUSY         in transition or locked: nothing was done, the same call may go through later
 *   ERR_DENIED       not elevated; nothing was done
 *   ERR_UNAVAILABLE  WAS or a feature is not there: the answer is unknown
 *   ERR_TIMEOUT      the deadline passed: whether it was done is not known
 *   ERR_CORRUPT      the answer could not be read; for an act: whether it was done is not known
 * Anything else: failed; for an act: whether it was done is not known.
 * Outputs are owned by the caller and released with driver_*_reset; untouched on failure.
 * Strings are UTF-8. Secrets (a pool identity's password) never leave a driver, not in err either.
 */
#ifndef FARMHAND_AGENT_DRIVER_H
#define FARMHAND_AGENT_DRIVER_H

#include "common/error.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct driver;

/* What is there, in the shapes of messages.h; all memory belongs to `hold`. A part that is not
 * *known* could not be read: its empty list means nothing, least of all "none". */
struct driver_view {
    bool pools_known, sites_known, services_known, workers_known;
    const struct pool *pools;
    size_t pool_count;
    const struct site *sites;
    size_t site_count;
    const struct service *services;
    size_t service_count;
    const struct worker *workers;
    size_t worker_count;
    const char *config_identity; /* equal on servers that share their configuration */
    bool config_shared;
    const char *trouble;         /* which parts could not be read, and why; "" */
    void *hold;
};
void driver_view_reset(struct driver_view *view);

struct driver_probe {
    bool answered;         /* an HTTP status came (or, for TCP, the connection was accepted) */
    bool passed;           /* by the expectation configured for the pool */
    int32_t status;        /* 0: none */
    uint32_t elapsed_ms;
    char detail[160];
};

struct driver_ops {
    const char *name;

    /* Cheap, for every beat: workers from the process list, no tool is started. Latency of a
     * change: the beat. */
    enum error_code (*workers)(struct driver *d, struct driver_view *out, struct error *err);

    /* True if pools, sites or services may differ from the last `look`: configuration file or
     * service state changed. Cheap. */
    bool (*changed)(struct driver *d);

    /* Everything, freshly asked. Starts tools: after a change, and rarely otherwise. A part that
     * cannot be read is said in `trouble`, the rest is still given. */
    enum error_code (*look)(struct driver *d, uint64_t timeout_ms, struct driver_view *out,
                            struct error *err);

    /* One pool, freshly asked: its row (pool_count is 1), then its workers; beside them the
     * services and the configuration's identity, as in `look`. ERR_NOT_FOUND: no such pool. The
     * row's name is as the server writes it, whatever the case of `pool`. */
    enum error_code (*look_pool)(struct driver *d, const char *pool, uint64_t timeout_ms,
                                 struct driver_view *out, struct error *err);

    enum error_code (*pool_recycle)(struct driver *d, const char *pool, uint64_t timeout_ms,
                                    struct error *err);
    enum error_code (*pool_start)(struct driver *d, const char *pool, uint64_t timeout_ms,
                                  struct error *err);
    /* Blocks until the workers have gone, as appcmd does, or until the time-out. */
    enum error_code (*pool_stop)(struct driver *d, const char *pool, uint64_t timeout_ms,
                                 struct error *err);
    enum error_code (*pool_set_autostart)(struct driver *d, const char *pool, bool on,
                                          uint64_t timeout_ms, struct error *err);

    /* Executing requests of a pool. ERR_UNAVAILABLE: cannot be known here, which is never "0". */
    enum error_code (*requests)(struct driver *d, const char *pool, uint64_t timeout_ms,
                                uint32_t *out_count, struct error *err);

    /* A request on a fresh connection to a site of the pool. ERR_NOT_FOUND: the pool has nothing
     * to probe. A refused connection is an answer (answered == false), not an error. */
    enum error_code (*probe)(struct driver *d, const char *pool, uint64_t timeout_ms,
                             struct driver_probe *out, struct error *err);

    void (*close)(struct driver *d); /* NULL is fine */
};

/* A time-out of 0 everywhere means the driver's own limit for that call.
 * Embedded first in every driver's own struct. */
struct driver {
    const struct driver_ops *ops;
};

#endif

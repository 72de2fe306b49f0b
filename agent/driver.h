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

/* `service` cannot run without `needs`. */
struct service_need {
    const char *service, *needs;
};

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
    const struct service_need *needs; /* who depends on whom, among the services */
    size_t need_count;
    const struct worker *workers;
    size_t worker_count;
    const struct pool_figures *figures; /* none: they cannot be had, or not now */
    size_t figure_count;
    uint64_t figures_age_ms;           /* they may be some seconds older than the rest */
    bool events_known;                 /* the event log could be read */
    const struct server_event *events; /* the latest, oldest first; age_ms as of this reading */
    size_t event_count;
    const char *config_identity; /* equal on servers that share their configuration */
    bool config_shared;
    const char *trouble; /* which parts could not be read, and why; "" */
    const char *barred;  /* of `services` alone: why the services of this machine must not be
                            touched now: it shuts down, waits for a reboot, is a container that ends
                            with W3SVC; "" */
    void *hold;
};
void driver_view_reset(struct driver_view *view);

/* The process that hosts a service, and who lives in it. Where `more` is true the list is cut. */
#define DRIVER_LODGERS_MAX 32
#define DRIVER_ACTION_MAX  12
struct driver_lodger {
    char service[WIRE_NAME_MAX];
    bool expendable; /* WAS, W3SVC, or one that depends on WAS: it stops with them anyway */
    /* What the system does when its process ends unasked: "restart", "reboot", "run" (a program);
     * "": nothing, or it is not known. */
    char on_death[DRIVER_ACTION_MAX];
};
struct driver_host {
    uint32_t pid; /* 0: the service has no process now; then the rest is empty */
    uint64_t created;
    struct driver_lodger lodgers[DRIVER_LODGERS_MAX];
    size_t lodger_count;
    bool more;
};

struct driver_dump_limits {
    uint64_t timeout_ms;
    uint64_t max_bytes;
    uint64_t keep_free_bytes; /* of the disk, after the dump */
    bool full;                /* with all its memory; else stacks, threads, modules and handles */
};

/* Why WAS disabled a pool, by the newest of its events since the pool last ran. */
struct driver_verdict {
    bool identity;   /* events 5021, 5057: its identity is invalid, each try may lock the account */
    bool rapid_fail; /* event 5002 */
    uint32_t event;  /* that one; 0: none was found */
};

struct driver_probe {
    bool answered;  /* an HTTP status came (or, for TCP, the connection was accepted) */
    bool passed;    /* by the expectation configured for the pool */
    int32_t status; /* 0: none */
    uint32_t elapsed_ms;
    char detail[160];
};

/* Executing requests of a pool. */
struct driver_requests {
    uint32_t count;
    uint64_t oldest_ms;       /* 0: none executes */
    char text[WIRE_TEXT_MAX]; /* the oldest: "30.4s GET /a (client 10.0.0.7, ExecuteRequestHandler);
                                 ..." */
};

/* One fact of a pool, or ("") of the server; everything is lent for the call. */
typedef void driver_each_fact(void *arg, const char *pool, const char *key, const char *value);

struct driver_ops {
    const char *name;

    /* Cheap, for every beat: workers from the process list, figures and events as often as that
     * is cheap. Latency of a change of workers: the beat. */
    enum error_code (*workers)(struct driver *d, struct driver_view *out, struct error *err);

    /* True if pools, sites or services may differ from the last `look`: configuration file or
     * service state changed. Cheap. */
    bool (*changed)(struct driver *d);

    /* Everything, freshly asked. Starts tools: after a change, and rarely otherwise. A part that
     * cannot be read is said in `trouble`, the rest is still given. */
    enum error_code (*look)(struct driver *d, uint64_t timeout_ms, struct driver_view *out,
                            struct error *err);

    /* One pool, freshly asked: its row (pool_count is 1), then its workers; beside them the
     * services, figures, events and the configuration's identity, as in `look`. ERR_NOT_FOUND: no
     * such pool. The row's name is as the server writes it, whatever the case of `pool`. */
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

    /* The settings of a pool that may be changed, as agent/setting.h writes them; those that this
     * server does not tell are left out. NULL: this driver has none. ERR_FULL: too many. */
    enum error_code (*pool_settings)(struct driver *d, const char *pool, uint64_t timeout_ms,
                                     char *out, size_t size_bytes, struct error *err);
    /* Changes some of them. On a failure it is not known which were changed. */
    enum error_code (*pool_configure)(struct driver *d, const char *pool, const char *settings,
                                      uint64_t timeout_ms, struct error *err);

    /* Executing requests of a pool. ERR_UNAVAILABLE: cannot be known here, which is never "0". */
    enum error_code (*requests)(struct driver *d, const char *pool, uint64_t timeout_ms,
                                uint32_t *out_count, struct error *err);

    /* The same with how long the oldest has been executing and the oldest few in words. NULL where
     * a driver cannot list them. */
    enum error_code (*executing)(struct driver *d, const char *pool, uint64_t timeout_ms,
                                 struct driver_requests *out, struct error *err);

    /* Which applications of the pool their own people took off line: an app_offline.htm lies in
     * their folder, so a deployment is going on (IIS.md section 8). "": none. NULL where a driver
     * cannot know. */
    enum error_code (*offline)(struct driver *d, const char *pool, uint64_t timeout_ms, char *out,
                               size_t size_bytes, struct error *err);

    /* A request on a fresh connection to a site of the pool. ERR_NOT_FOUND: the pool has nothing
     * to probe. A refused connection is an answer (answered == false), not an error. */
    enum error_code (*probe)(struct driver *d, const char *pool, uint64_t timeout_ms,
                             struct driver_probe *out, struct error *err);

    /* ---- services ----
     * Any service of the system by its name. What to stop, in which order, what may be killed and
     * what is started again: agent/services.h. NULL where a driver has no services.
     * ERR_UNAVAILABLE: no service manager, or it does not answer. */

    /* The services that matter to a web server, freshly asked, who needs whom, and `barred`;
     * nothing else. WAS and W3SVC are among them, SVC_ABSENT where they are missing. */
    enum error_code (*services)(struct driver *d, uint64_t timeout_ms, struct driver_view *out,
                                struct error *err);
    /* Asks one service to start, and gives back when that was taken: watch it with service_wait.
     * What it depends on is started as well. ERR_EXISTS: it runs, or starts already. ERR_STATE:
     * somebody has to change something first (disabled, logon refused, the machine shuts down):
     * never tried again as it is. ERR_BUSY: the manager is locked by another start, or what it
     * depends on did not start or is stopping. */
    enum error_code (*service_start)(struct driver *d, const char *name, uint64_t timeout_ms,
                                     struct error *err);
    /* Asks one service to stop, and gives back when that was taken. ERR_EXISTS: it is stopped.
     * ERR_STATE: others that depend on it run still (stop them first), or it takes no stop.
     * ERR_BUSY: it takes no stop now, since it is starting or stopping already. */
    enum error_code (*service_stop)(struct driver *d, const char *name, uint64_t timeout_ms,
                                    struct error *err);
    /* Blocks until the service is in that state (RUNNING or STOPPED). ERR_TIMEOUT: it is not, and
     * the text says how it stands. ERR_STATE: waited for RUNNING, and it ended STOPPED; the text
     * has its exit code. ERR_NOT_FOUND. */
    enum error_code (*service_wait)(struct driver *d, const char *name, enum service_state state,
                                    uint64_t timeout_ms, struct error *err);
    /* Who lives in its process, ours or not, freshly asked. */
    enum error_code (*service_host)(struct driver *d, const char *name, uint64_t timeout_ms,
                                    struct driver_host *out, struct error *err);
    /* Ends that process, at once and without mercy, if it still hosts `name` and nobody but
     * expendable services. ERR_STATE: strangers live in it (named), or another process hosts the
     * service now. ERR_EXISTS: that process is gone already. Nothing was done for either. */
    enum error_code (*service_kill_host)(struct driver *d, const char *name, uint32_t pid,
                                         uint64_t created, uint64_t timeout_ms, struct error *err);
    /* Whether the system starts it by itself: AUTO, DEMAND or DISABLED. */
    enum error_code (*service_set_start)(struct driver *d, const char *name,
                                         enum service_start start, uint64_t timeout_ms,
                                         struct error *err);

    /* Ends one worker process, if it still is one of the pool's (any pool's where `pool` is "", for
     * orphans of a dead host). ERR_NOT_FOUND: it is gone, or was none. */
    enum error_code (*worker_kill)(struct driver *d, const char *pool, uint32_t pid,
                                   uint64_t created, struct error *err);

    /* A dump of one worker into `path`, an absolute one that does not exist yet; readable by
     * SYSTEM and Administrators alone. The worker stands still meanwhile. ERR_NOT_FOUND: it is
     * gone, or was none. ERR_FULL: beyond a limit of size or disk. ERR_UNAVAILABLE: cannot be made
     * here. No file is left after a failure. */
    enum error_code (*worker_dump)(struct driver *d, const char *pool, uint32_t pid,
                                   uint64_t created, const char *path,
                                   const struct driver_dump_limits *limits, uint64_t *out_bytes,
                                   struct error *err);

    /* Everything that doctor may want to know, as text (agent/doctor.h has the keys); reads only.
     * What cannot be had is left out or told as another fact. NULL: this driver has none. */
    enum error_code (*facts)(struct driver *d, uint64_t timeout_ms, driver_each_fact *each,
                             void *arg, struct error *err);

    /* Why a pool that is Stopped was stopped. ERR_UNAVAILABLE: the events cannot be read. */
    enum error_code (*verdict)(struct driver *d, const char *pool, uint64_t timeout_ms,
                               struct driver_verdict *out, struct error *err);

    void (*close)(struct driver *d); /* NULL is fine */
};

/* A time-out of 0 everywhere means the driver's own limit for that call.
 * Embedded first in every driver's own struct. */
struct driver {
    const struct driver_ops *ops;
};

#endif

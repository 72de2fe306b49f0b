/* iis_driver.h - what the files of the iis driver share; nobody else includes it.
 *
 *   iis_look.c      reads the server
 *   iis_signs.c     figures and events of pools
 *   iis.c           acts on pools, keeps the driver's life
 *   iis_services.c  acts on services and processes
 *   iis_configure.c settings of pools
 *   iis_facts.c     what doctor wants to know
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_DRIVER_H
#define FARMHAND_AGENT_DRIVERS_IIS_DRIVER_H

#include "agent/drivers/iis.h"
#include "agent/drivers/iis_appcmd.h"
#include "agent/drivers/iis_config.h"
#include "agent/drivers/scm.h"
#include "agent/drivers/view.h"

struct iis {
    struct driver base;
    const struct iis_settings *settings; /* lent */
    struct scm *scm;

    /* the last look, for `changed` */
    bool looked, troubled;
    uint64_t looked_ms;
    struct iis_config_stamp config;
    uint64_t services_stamp, workers_stamp;
    uint64_t services_asked_ms;

    /* what the system counts, and its latest events */
    struct scm_counters figures;
    uint64_t figures_ms;
    struct event_ring events;
    bool events_known;       /* the log could be read the last time */
    uint64_t signs_asked_ms; /* 0: never */

    /* its sites, for probes; good while the configuration is the same */
    struct driver_view sites;
    struct iis_config_stamp sites_config;

    /* a request was listed under this configuration: an empty list means none, and not that the
     * Request Monitor feature is missing */
    bool monitor_seen;
    struct iis_config_stamp monitor_config;
};

static inline struct iis *iis_of(struct driver *d)
{
    return (struct iis *)d;
}

static inline struct iis_appcmd iis_appcmd_of(const struct iis *iis)
{
    return (struct iis_appcmd){iis->settings, iis->scm};
}

/* Of clock_boot_ms; timeout_ms 0: the driver's own limit. */
uint64_t iis_deadline(uint64_t timeout_ms, uint64_t own_ms);
/* Of clock_boot_ms; 0: it has passed. */
uint64_t iis_time_left(uint64_t deadline_ms);

/* ERR_NOT_FOUND, with the name in the text. */
enum error_code iis_no_pool(const char *pool, struct error *err);

/* The calls of the contract that read the server. */
enum error_code iis_workers(struct driver *d, struct driver_view *out, struct error *err);
bool iis_changed(struct driver *d);
enum error_code iis_look(struct driver *d, uint64_t timeout_ms, struct driver_view *out,
                         struct error *err);
enum error_code iis_look_pool(struct driver *d, const char *pool, uint64_t timeout_ms,
                              struct driver_view *out, struct error *err);

/* iis_signs.c */
void iis_read_signs(struct iis *iis, uint64_t deadline_ms);
void iis_ask_events(struct iis *iis, uint64_t limit_ms);
void iis_read_signs_if_due(struct iis *iis); /* as often as services are asked for */
void iis_tell_signs(const struct iis *iis, struct view *view, struct driver_view *out);

/* The pool that a worker's command line names, lent; NULL: it is no worker. */
const char *iis_pool_of(const char *const *argv);

/* iis_services.c */
enum error_code iis_services(struct driver *d, uint64_t timeout_ms, struct driver_view *out,
                             struct error *err);
enum error_code iis_verdict(struct driver *d, const char *pool, uint64_t timeout_ms,
                            struct driver_verdict *out, struct error *err);
enum error_code iis_service_start(struct driver *d, const char *name, uint64_t timeout_ms,
                                  struct error *err);
enum error_code iis_service_stop(struct driver *d, const char *name, uint64_t timeout_ms,
                                 struct error *err);
enum error_code iis_service_wait(struct driver *d, const char *name, enum service_state state,
                                 uint64_t timeout_ms, struct error *err);
enum error_code iis_service_host(struct driver *d, const char *name, uint64_t timeout_ms,
                                 struct driver_host *out, struct error *err);
enum error_code iis_service_kill_host(struct driver *d, const char *name, uint32_t pid,
                                      uint64_t created, uint64_t timeout_ms, struct error *err);
enum error_code iis_service_set_start(struct driver *d, const char *name, enum service_start start,
                                      uint64_t timeout_ms, struct error *err);
enum error_code iis_worker_kill(struct driver *d, const char *pool, uint32_t pid, uint64_t created,
                                struct error *err);
enum error_code iis_worker_dump(struct driver *d, const char *pool, uint32_t pid, uint64_t created,
                                const char *path, const struct driver_dump_limits *limits,
                                uint64_t *out_bytes, struct error *err);

/* iis_configure.c */
enum error_code iis_pool_settings(struct driver *d, const char *pool, uint64_t timeout_ms,
                                  char *out, size_t size_bytes, struct error *err);
enum error_code iis_pool_configure(struct driver *d, const char *pool, const char *settings,
                                   uint64_t timeout_ms, struct error *err);

/* iis_facts.c */
/* iis_facts_apps.c */
enum error_code iis_offline(struct driver *d, const char *pool, uint64_t timeout_ms, char *out,
                            size_t size_bytes, struct error *err);

enum error_code iis_facts(struct driver *d, uint64_t timeout_ms, driver_each_fact *each, void *arg,
                          struct error *err);

/* Makes sure that iis->sites is that of the configuration in force. */
enum error_code iis_refresh_sites(struct iis *iis, uint64_t deadline_ms, struct error *err);

#endif

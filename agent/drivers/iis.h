/* iis.h - the driver for Internet Information Services: appcmd for pools and sites, the process
 * list for workers, a back end (scm.h) for services, HTTP for probes.
 *
 * The driver does not know the lab from the real thing: only paths and the service back end differ.
 * Here are its settings, so that whoever reads the configuration can fill them field by field:
 * texts and lists are as common/config.h allocates them (malloc), durations in milliseconds.
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_H
#define FARMHAND_AGENT_DRIVERS_IIS_H

#include "agent/driver.h"
#include "common/config.h"
#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the health of one pool is asked: the section [probe POOLNAME], or [probe *] for every pool
 * without its own. */
struct iis_probe {
    char *pool;                /* name or "*"; set by iis_settings_add_probe */
    char *url;                 /* key url; NULL: the first http binding (https where there is none)
                                  of a site whose root application is in the pool, path "/" */
    char *connect_to;          /* key connect_to, "127.0.0.1:18081"; NULL: where the URL leads; a
                                  binding on every address is probed on 127.0.0.1 */
    struct config_list status; /* key status, each "401" or "200-299"; empty: 200-399 */
    uint64_t timeout_ms;       /* key timeout */
    struct config_list warm_up; /* key warm_up: paths of the site, or URLs, that must answer as well
                                   before a new worker counts as warm */
    uint64_t warm_up_limit_ms;  /* key warm_up_limit: how long they may take to */
    bool tcp_only;             /* key tcp_only: an accepted connection is a pass */
    bool unique;               /* key unique: adds a query parameter that no cache has seen; for
                                  sites where an unknown parameter is harmless */
    bool off;                  /* key off: the pool has nothing to probe */
    struct iis_probe *next;    /* in the order of the file */
};

/* The section [iis]. */
struct iis_settings {
    char *appcmd;               /* key appcmd: path of appcmd.exe; on Windows IIS's own */
    char *worker;               /* key worker: image path of the worker processes; the same */
    int service_backend;        /* key service_backend: index into scm_names (CONFIG_CHOICE) */
    char *service_tool;         /* key service_tool: what the lab's back end runs */
    char *config;               /* key config: path of applicationHost.config, the same;
                                   redirection.config is looked for beside it */
    char *code_page;            /* key code_page, "CP437": of appcmd's output where it is not
                                   Unicode; NULL: told apart (CP850 or Windows-1252) */
    uint64_t appcmd_timeout_ms; /* key appcmd_timeout: for any one call of a tool but a stop */
    uint64_t stop_timeout_ms;   /* key stop_timeout: for a stop, which waits for the workers */
    uint64_t services_every_ms; /* key services_every: how often the back end is asked, where that
                                   starts a tool */
    struct iis_probe *probes;

    /* Without a key: where the back end remembers how far it read the event log; NULL: nowhere. */
    char *state_dir;

    /* Without keys: when `changed` asks for another look by itself. */
    uint64_t look_again_ms;   /* after a look that could not read everything */
    uint64_t look_workers_ms; /* workers that come and go ask for a look no faster than this */
};

/* Names of the service back ends in the order of the index, NULL at the end: "none", "lab",
 * and on Windows "windows". */
extern const char *const scm_names[];

/* What holds without a configuration: 30 s, 120 s, 2 s, the back end "none" ("windows" there), no
 * texts, no probes.
 */
void iis_settings_init(struct iis_settings *settings);

/* A new probe for `pool` with its defaults (5 s), owned by `settings`. NULL and ERR_EXISTS: there
 * is one already; the address stays valid when others are added. */
struct iis_probe *iis_settings_add_probe(struct iis_settings *settings, const char *pool,
                                         struct error *err);

/* Whether the values go together, beyond what a table of keys can say: required paths absolute,
 * URLs, addresses, statuses. ERR_INVALID: the text names section, key and what was expected. Reads
 * no file. */
enum error_code iis_settings_check(const struct iis_settings *settings, struct error *err);

/* One value each, for the line it stands on: appcmd, worker, config, service_tool; url; connect_to;
 * one part of status. ERR_INVALID: the text holds the value and what was expected. */
enum error_code iis_settings_check_path(const char *path, struct error *err);
enum error_code iis_settings_check_url(const char *url, struct error *err);
enum error_code iis_settings_check_address(const char *address, struct error *err);
enum error_code iis_settings_check_warm_up(const char *address, struct error *err);
enum error_code iis_settings_check_status(const char *status, struct error *err);

/* Frees every text, list and probe; the struct is as after iis_settings_init. */
void iis_settings_reset(struct iis_settings *settings);

/* Opens the driver. `settings` is lent and must outlive it. Starts nothing and reads nothing but
 * memory; ERR_INVALID as iis_settings_check says. *out is released by its ops->close. */
enum error_code iis_open(const struct iis_settings *settings, struct driver **out,
                         struct error *err);

#endif

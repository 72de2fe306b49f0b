/* settings.h - coordinator.conf: read, checked as a whole, kept for the life of the program.
 *
 * What each key means and what is taken where it is missing stands in
 * deploy/coordinator.conf.sample. Blocks on reading the file. Everything in here is owned by the
 * struct, until settings_release.
 */
#ifndef FARMHAND_COORDINATOR_SETTINGS_H
#define FARMHAND_COORDINATOR_SETTINGS_H

#include "common/config.h"
#include "common/error.h"
#include "coordinator/balancer/balancer.h"
#include "coordinator/core/budget.h"
#include "coordinator/core/rollout.h"
#include "coordinator/core/selector.h"
#include "coordinator/core/windows.h"
#include "coordinator/notices/notices.h"
#include "coordinator/settings/remediation.h"
#include "coordinator/settings/zones.h"

#include <stddef.h>
#include <stdint.h>

struct settings_server {
    char *name;
    struct config_list given; /* "zone=a", cut at the sign */
    struct selector_label *labels;
    size_t label_count;
};

/* Of [budget] the first two alone. */
struct settings_budget {
    char *max_out, *min_in_service; /* "2", "10%" */
    char *name, *servers, *backend;
};

/* A [haproxy NAME], a [command NAME] or a [keepalive NAME]. */
struct settings_balancer {
    const char *kind; /* see balancer_kind.h */
    char *name;
    char *address;          /* haproxy */
    struct config_list run; /* command: its program and arguments */
    const char **argv;      /* the same, NULL-terminated */
    uint64_t timeout_ms;
    uint64_t check_ms; /* keepalive */
};

struct settings_backend {
    char *name;
    char *pools, *name_of;
    struct config_list balancers; /* one place on each */
    struct config_list renamed;
    const char **renamed_pairs; /* the same, NULL-terminated */
};

/* A [notice NAME]; see notifier.h. */
struct settings_notice {
    char *name;
    char *url, *secret_file;
    struct config_list run, on;
    const char **argv; /* `run`, NULL-terminated */
    uint64_t timeout_ms, keep_ms;
    uint32_t kinds; /* of `on`: bits 1 << enum notice_kind */
};

struct settings_window {
    char *name;
    char *hours;
};

struct settings_blackout {
    char *name;
    char *from, *until, *reason;
};

/* Read as the file has them; see settings_options. */
struct settings_defaults {
    uint64_t soak_ms, limit_ms, gate_passes, gate_min_ms, gate_deadline_ms, gate_interval_ms,
        drain_limit_ms;
    int on_drain_limit, unreachable;
};

enum settings_plain { SETTINGS_TLS, SETTINGS_LOOPBACK_ONLY };

struct settings {
    char *listen, *socket, *data_dir;
    char *remediation_file; /* NULL: nothing is watched for remediation */
    struct remediation remediation;
    char *https;   /* ADDRESS:PORT; "none" */
    char *address; /* by which agents and operators are told to come; NULL: this machine's name */
    uint64_t certificate_life_ms, own_certificate_life_ms;
    bool audit_syslog; /* each audit row goes to the system's log too */
    char *window;      /* the name of the one that holds for every run; NULL: none */
    char *time_zone;   /* of windows that name none, and of blackouts; NULL: UTC */
    char *own_server;  /* NULL: the one that is called as this machine, if there is one */
    uint64_t silent_after_ms, settle_ms, keep_history_ms;
    uint64_t max_hold_ms;                                 /* others may have a server so long */
    uint64_t handshakes, handshakes_of_one, https_of_one; /* at once; of one address */
    int log_level;                                        /* enum log_level */
    int without_tls;                                      /* enum settings_plain: of `listen` */
    struct settings_budget budget;                        /* of the default group */
    struct settings_budget *budgets;
    size_t budget_count;
    struct settings_defaults defaults;
    struct settings_server *servers;
    size_t server_count;
    struct settings_balancer *balancers;
    size_t balancer_count;
    struct settings_backend *backends;
    size_t backend_count;
    struct settings_notice *notices;
    size_t notice_count;
    struct settings_window *windows;
    size_t window_count;
    struct settings_blackout *blackouts;
    size_t blackout_count;
    /* The same as runs ask for them: settings_hours.c. */
    struct zones *zones;
    struct windows hours;
};

/* On failure *out holds nothing. Every error goes to `report`, one line each, as config_read does
 * it; err says how many there are. */
enum error_code settings_read(const char *path, struct settings *out,
                              void (*report)(void *arg, const char *line), void *arg,
                              struct error *err);
enum error_code settings_parse(const char *content, const char *name, struct settings *out,
                               void (*report)(void *arg, const char *line), void *arg,
                               struct error *err);
void settings_release(struct settings *s);

/* When runs may do something: fills s->hours from what was read, and reads the zones; each mistake
 * is told by `complain`. settings_release gives it back. */
void settings_hours(struct settings *s, void (*complain)(void *arg, const char *line), void *arg);
void settings_release_hours(struct settings *s);

/* What a run gets where its request says nothing. */
struct rollout_options settings_options(const struct settings *s);

/* The groups of the budget, strings lent from the settings: budget_count named ones, which are the
 * caller's to free, and the default one. */
struct budget_rule *settings_budgets(const struct settings *s);
struct budget_rule settings_budget(const struct settings *s);

/* The map of the balancers, lent from the settings; both arrays are the caller's to free. A backend
 * that stands on several balancers is given once for each. */
struct balancer_place *settings_places(const struct settings *s);
struct balancer_backend *settings_backends(const struct settings *s, size_t *count);
/* Who is told of runs and incidents, lent from the settings; the array is the caller's to free. */
struct notices_target *settings_notices(const struct settings *s);

#endif

/* scm.h - what the system itself tells and does of a server's services, and the counters of its
 * pools, through a back end chosen by name.
 *
 * "none": there is no service manager to ask. "lab": the lab's sc tool, which answers in JSON.
 * "windows": the service control manager of Windows. A back end knows how to ask; what its codes
 * mean stands in scm_codes.h, which services count and how long is waited here. Calls block, on the
 * agent's worker thread alone.
 */
#ifndef FARMHAND_AGENT_DRIVERS_SCM_H
#define FARMHAND_AGENT_DRIVERS_SCM_H

#include "agent/driver.h"
#include "agent/drivers/event_log.h"
#include "common/error.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scm_row {
    char name[WIRE_NAME_MAX];
    enum service_state state;
    enum service_start start;
    uint32_t pid;        /* of the process that hosts it; 0: none */
    uint32_t exit_code;  /* of its last end, as the system tells it */
    uint32_t checkpoint; /* grows while a start or stop goes on */
    char on_death[DRIVER_ACTION_MAX]; /* as struct driver_lodger has it, where the rows tell it */
};

/* `service` cannot run without `needs`. */
struct scm_need {
    char service[WIRE_NAME_MAX], needs[WIRE_NAME_MAX];
};

struct scm_rows {
    struct scm_row *items;
    size_t count;
    bool known; /* false: this back end cannot tell (no rows) */
    struct scm_need *needs;
    size_t need_count;
    char barred[256]; /* why services must not be touched now (driver_view.barred); "" */
};
void scm_rows_reset(struct scm_rows *rows);
const struct scm_row *scm_rows_find(const struct scm_rows *rows, const char *name); /* or NULL */
/* Equal while nothing of the rows changed; order does not matter. */
uint64_t scm_rows_stamp(const struct scm_rows *rows);

void scm_rows_add(struct scm_rows *rows, const struct scm_row *row);
void scm_rows_need(struct scm_rows *rows, const char *service, const char *needs);
/* Of all the services of a system leaves those that matter to a web server: IIS's own, and whatever
 * depends on WAS or W3SVC, however far, with what these need. WAS and W3SVC are added as SVC_ABSENT
 * where they are missing. At most WIRE_SERVICES_MAX are left, IIS's own first. */
void scm_rows_keep_ours(struct scm_rows *rows);

/* Of all the services leaves the one named `name` and those that live in process `pid` (0: only
 * that one). ERR_NOT_FOUND: there is no service of that name. */
enum error_code scm_rows_lodgers(const struct scm_rows *all, const char *name, uint32_t pid,
                                 struct scm_rows *out, struct error *err);

/* Windows' numbers: SERVICE_STATUS.dwCurrentState, QUERY_SERVICE_CONFIG.dwStartType. */
enum service_state scm_state_of(uint32_t number);
enum service_start scm_start_of(uint32_t number);

/* What the system counts for one pool. */
struct scm_counter {
    char pool[WIRE_NAME_MAX];
    int64_t queued;   /* requests that wait for a worker; -1: not known */
    int64_t rejected; /* answered 503 since the queue exists; -1: not known */
};
struct scm_counters {
    struct scm_counter *items;
    size_t count;
};
void scm_counters_reset(struct scm_counters *counters);
int64_t scm_counters_queued(const struct scm_counters *counters, const char *pool); /* or -1 */
/* The row of that pool, made where there is none yet; NULL: no more are taken. */
struct scm_counter *scm_counters_row(struct scm_counters *counters, const char *pool);
/* One reading of a performance counter; what is no pool's is left out. */
enum scm_figure { SCM_FIGURE_QUEUED, SCM_FIGURE_REJECTED };
void scm_counters_take(struct scm_counters *counters, const char *instance, enum scm_figure figure,
                       int64_t value);
/* Whether an instance of a performance counter is a pool: not "_Total", and not "---1" and the
 * like, queues that belong to no pool (IIS.md section 6). */
bool scm_is_pool_instance(const char *instance);

struct scm;
struct scm_ops {
    const char *name;
    bool starts_tool; /* a query costs a process: do not make one on every beat */

    /* tool: [iis] service_tool, NULL where not given. state_dir: where it may remember how far it
     * has read the event log, NULL: nowhere. Both copied. Reads nothing. */
    enum error_code (*open)(const char *tool, const char *state_dir, struct scm **out,
                            struct error *err);

    /* The services that matter to a web server (scm_rows_keep_ours). ERR_UNAVAILABLE: the manager
     * gave no answer; ERR_TIMEOUT; ERR_DENIED; ERR_CORRUPT: it cannot be read. */
    enum error_code (*query)(struct scm *scm, uint64_t timeout_ms, struct scm_rows *out,
                             struct error *err);
    /* Every service that lives in a process, ours or not, and the one named `name` wherever it
     * lives. pid 0: only that one. ERR_NOT_FOUND: there is no service of that name. */
    enum error_code (*lodgers)(struct scm *scm, const char *name, uint32_t pid, uint64_t timeout_ms,
                               struct scm_rows *out, struct error *err);

    /* As service_start, service_stop and service_set_start of agent/driver.h. */
    enum error_code (*start)(struct scm *scm, const char *name, uint64_t timeout_ms,
                             struct error *err);
    enum error_code (*stop)(struct scm *scm, const char *name, uint64_t timeout_ms,
                            struct error *err);
    enum error_code (*set_start)(struct scm *scm, const char *name, enum service_start start,
                                 uint64_t timeout_ms, struct error *err);
    /* Returns when the service may have left that state, or after `most_ms`; sooner is allowed. */
    void (*await_change)(struct scm *scm, const char *name, enum service_state state,
                         uint64_t most_ms);

    /* Counters of the pools. ERR_UNAVAILABLE where there are none, or WAS does not run. */
    enum error_code (*counters)(struct scm *scm, uint64_t timeout_ms, struct scm_counters *out,
                                struct error *err);

    /* Entries of the event log that came since the last call, over restarts of the agent where it
     * remembers; else since about an hour. ERR_UNAVAILABLE where there is no such log. */
    enum error_code (*events)(struct scm *scm, uint64_t timeout_ms, struct event_entries *out,
                              struct error *err);

    void (*close)(struct scm *scm); /* NULL is fine */
};

/* Embedded first in every back end's own struct. */
struct scm {
    const struct scm_ops *ops;
};

extern const struct scm_ops scm_none_ops, scm_lab_ops;
#ifdef _WIN32
extern const struct scm_ops scm_windows_ops;
#endif

/* By the index that scm_names (agent/drivers/iis.h) has; NULL: out of range. */
const struct scm_ops *scm_ops_get(int index);

/* ---- the same for every back end (scm_act.c); codes and texts as agent/driver.h says ---- */

enum error_code scm_wait(struct scm *scm, const char *name, enum service_state wanted,
                         uint64_t timeout_ms, struct error *err);
enum error_code scm_host(struct scm *scm, const char *name, uint64_t timeout_ms,
                         struct driver_host *out, struct error *err);
enum error_code scm_kill_host(struct scm *scm, const char *name, uint32_t pid, uint64_t created,
                              uint64_t timeout_ms, struct error *err);

/* How a wait stands, by what was just read. Pure. */
enum scm_waiting { SCM_WAIT_MORE, SCM_WAIT_OVER, SCM_WAIT_ENDED };
/* `moved`: since the wait began it was seen in another state than STOPPED. ENDED: waited for
 * RUNNING, and it stopped instead. */
enum scm_waiting scm_judge_wait(const struct scm_row *row, enum service_state wanted, bool moved);

/* What the lab's tool prints (for scm_lab.c, and tests): every service. */
enum error_code scm_lab_parse(const char *json, size_t len, struct scm_rows *out,
                              struct error *err);
enum error_code scm_lab_parse_counters(const char *json, size_t len, struct scm_counters *out,
                                       struct error *err);
/* One JSON object a line. Those above `after` (a line's number is its record) are given; fewer
 * lines than that: it is another log, and all are given. A line that cannot be read is left out. */
void scm_lab_parse_events(const char *lines, size_t len, uint64_t after, struct event_entries *out);

#endif

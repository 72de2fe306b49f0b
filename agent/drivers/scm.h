/* scm.h - what the system itself tells of a server: its services, and the counters of its pools,
 * through a back end chosen by name.
 *
 * "none": there is no service manager to ask. "lab": the lab's sc tool, which answers in JSON. A
 * back end for Windows' own service manager comes beside them. Only reading so far; acts join the
 * table with the recovery of services. Calls block, on the agent's worker thread alone.
 */
#ifndef FARMHAND_AGENT_DRIVERS_SCM_H
#define FARMHAND_AGENT_DRIVERS_SCM_H

#include "common/error.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scm_row {
    char name[WIRE_NAME_MAX];
    enum service_state state;
    enum service_start start;
    uint32_t pid; /* of the process that hosts it; 0: none */
};

struct scm_rows {
    struct scm_row *items;
    size_t count;
    bool known; /* false: this back end cannot tell (no rows) */
};
void scm_rows_reset(struct scm_rows *rows);
const struct scm_row *scm_rows_find(const struct scm_rows *rows, const char *name); /* or NULL */
/* Equal while nothing of the rows changed; order does not matter. */
uint64_t scm_rows_stamp(const struct scm_rows *rows);

/* What the system counts for one pool. */
struct scm_counter {
    char pool[WIRE_NAME_MAX];
    int64_t queued; /* requests that wait for a worker */
};
struct scm_counters {
    struct scm_counter *items;
    size_t count;
};
void scm_counters_reset(struct scm_counters *counters);
int64_t scm_counters_queued(const struct scm_counters *counters, const char *pool); /* or -1 */

struct scm;
struct scm_ops {
    const char *name;
    bool starts_tool; /* a query costs a process: do not make one on every beat */

    /* tool: [iis] service_tool, NULL where not given; copied. Reads nothing. */
    enum error_code (*open)(const char *tool, struct scm **out, struct error *err);

    /* The services that matter to a web server: those of IIS, and whatever depends on WAS or W3SVC.
     * WAS and W3SVC are always there, as SVC_ABSENT if they do not exist. ERR_UNAVAILABLE: the
     * manager gave no answer; ERR_TIMEOUT; ERR_DENIED; ERR_CORRUPT: it cannot be read. */
    enum error_code (*query)(struct scm *scm, uint64_t timeout_ms, struct scm_rows *out,
                             struct error *err);

    /* Counters of the pools. ERR_UNAVAILABLE where there are none, or WAS does not run. */
    enum error_code (*counters)(struct scm *scm, uint64_t timeout_ms, struct scm_counters *out,
                                struct error *err);

    void (*close)(struct scm *scm); /* NULL is fine */
};

/* Embedded first in every back end's own struct. */
struct scm {
    const struct scm_ops *ops;
};

extern const struct scm_ops scm_none_ops, scm_lab_ops;

/* By the index that scm_names (agent/drivers/iis.h) has; NULL: out of range. */
const struct scm_ops *scm_ops_get(int index);

/* What the lab's tool prints (for scm_lab.c, and tests). */
enum error_code scm_lab_parse(const char *json, size_t len, struct scm_rows *out,
                              struct error *err);
enum error_code scm_lab_parse_counters(const char *json, size_t len, struct scm_counters *out,
                                       struct error *err);

#endif

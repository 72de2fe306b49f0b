/* record.h - what the agent knows of one command: its request, how far it came, its proof.
 *
 * The same struct lives in memory, goes into the journal and comes back from it. Pure: no SQLite,
 * no clock. Texts are fit for the wire (see clean_text).
 *
 *   RECEIVED ──► BEGUN ──► ENDED        RECEIVED: nothing was done yet
 *       └───────────────────►           BEGUN: durable before the first call that acts
 */
#ifndef FARMHAND_AGENT_RECORD_H
#define FARMHAND_AGENT_RECORD_H

#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_SERVICES_MAX 4096 /* bytes, NUL included */

#define RECORD_FINDINGS_MAX 4096

enum record_state { RECORD_RECEIVED, RECORD_BEGUN, RECORD_ENDED };

/* Workers of one pool, owned; `pool` of each points to the record's own pool name. */
struct record_workers {
    struct worker *items;
    size_t count;
};

struct record {
    /* the request */
    struct command_id id;
    enum verb verb;
    char pool[WIRE_NAME_MAX];
    bool keep_autostart, start_idle, probe;
    uint64_t limit_ms; /* 0: the agent's own limits */
    uint64_t run;
    char actor[WIRE_NAME_MAX];
    char reason[WIRE_TEXT_MAX];
    bool enable, force;  /* of services */
    uint32_t worker_pid; /* WORKER_KILL */
    uint64_t worker_created;
    char settings[WIRE_TEXT_MAX];        /* SET */
    char former_settings[WIRE_TEXT_MAX]; /* SET: what is changed, as it was before */
    /* What is kept of services, before the first of them is stopped: which shall run in the end,
     * one a line, and how WAS was started before a person took it down (UNKNOWN: nobody did). */
    char services[RECORD_SERVICES_MAX];
    enum service_start former;
    char kept_by[WIRE_TEXT_MAX]; /* who keeps it down, and why; not in the journal */
    bool stops; /* begun with a stop half: what sticks in its stop may be ended, by a resumed one
                   too */
    /* how far */
    enum record_state state;
    bool acknowledged; /* the coordinator has the result, durably */
    /* the end; before it, OUTCOME_NONE */
    enum outcome outcome;
    enum cause cause;
    char detail[WIRE_TEXT_MAX];
    /* Of services: what each rung found or did, one a line, "RUNG TEXT"; and the same as it goes
     * over the wire, leading into what record_tell_findings makes of it. */
    char findings[RECORD_FINDINGS_MAX];
    char told[RECORD_FINDINGS_MAX];
    struct finding finding_items[WIRE_FINDINGS_MAX];
    size_t finding_count;
    uint64_t elapsed_ms; /* from its arrival, or from the agent's restart */
    /* the proof */
    struct record_workers before, after;
    bool baseline_gone, orphaned, probed;
    int32_t probe_status;
    uint32_t probe_ms, gap_ms;
};

/* Adds one; what does not fit is left out. */
void record_add_finding(struct record *record, const char *rung, const char *text);
/* Lines became items, and lead into this very record: after a copy, and after it was read. */
void record_tell_findings(struct record *record);

/* A new one in RECORD_RECEIVED. record_free takes NULL. */
struct record *record_new(const struct command *command);
struct record *record_copy(const struct record *record);
void record_free(struct record *record);

/* Replaces a worker list by those of `workers` that belong to the record's pool (ASCII case
 * ignored, as Windows does); at most WIRE_WORKERS_MAX are kept. */
void record_set_workers(struct record *record, struct record_workers *list,
                        const struct worker *workers, size_t count);

/* As it goes over the wire; pointers lead into the record. */
struct result record_result(const struct record *record);

/* Copies outside text so that the codec takes it: bytes that are not UTF-8 and control characters
 * become a blank or '?', runs of blanks one; cut at a whole character. Returns out. */
const char *clean_text(char *out, size_t size_bytes, const char *s);

#endif

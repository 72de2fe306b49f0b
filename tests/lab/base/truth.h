/* truth.h - what was really done to this server, kept by the lab for itself.
 *
 * Two parts, both of which survive the death of any program: lines in truth.jsonl, written by
 * whoever did the deed when it was done; and the tally, shared memory with the counts that change
 * with every request. LAB.md gives the format that comes out. Losing a line is a failure of the
 * lab, so it is said on stderr.
 */
#ifndef LAB_BASE_TRUTH_H
#define LAB_BASE_TRUTH_H

#include "tests/lab/base/lab_os.h"

#include <jansson.h>

#define TALLY_WORKERS 512
#define TALLY_POOLS   512
#define TALLY_NAME    72

enum reject { /* http.sys's reasons for a 503; REJECT_SILENT: the connection was cut instead */
              REJECT_APP_OFFLINE,
              REJECT_QUEUE_FULL,
              REJECT_DISABLED,
              REJECT_SILENT,
              REJECT_COUNT
};
const char *reject_name(enum reject reason);

struct tally_worker {
    uint32_t pid; /* 0: free */
    uint64_t created;
    uint64_t served, lost, inside; /* inside: handed over, not answered yet */
    char pool[TALLY_NAME];
};

struct tally_pool {
    char name[TALLY_NAME]; /* "": free */
    uint64_t served, lost, rejected[REJECT_COUNT];
};

struct tally {
    struct tally_worker workers[TALLY_WORKERS];
    struct tally_pool pools[TALLY_POOLS];
};

struct tally *tally_open(const char *server_dir, struct error *err); /* mapped for good */
struct tally_pool *tally_pool(struct tally *t, const char *name);
struct tally_worker *tally_worker(struct tally *t, struct lab_id id, const char *pool);

/* Adds the times to `fields` (stolen) and appends it as what it says under "what". */
void truth_write(const char *server_dir, const char *what, json_t *fields);
/* The Windows event log of this server: System, Microsoft-Windows-WAS. pool may be NULL. */
void truth_event(const char *server_dir, unsigned event_id, const char *pool, uint32_t pid);
json_t *truth_id(struct lab_id id); /* {"pid","created"} */

/* The worker has ended: its line, from its tally, which is free afterwards. */
void truth_worker_end(const char *server_dir, struct tally_worker *worker, const char *how,
                      int code);
/* The host process has died ("host-died"), or the whole server ("power"): so end all that were in
 * its care. */
void truth_all_end(const char *server_dir, struct tally *t, const char *how);

/* The whole, as LAB.md says. NULL on failure. */
json_t *truth_sum(const char *server_dir, const char *server_name, bool with_log,
                  struct error *err);

#endif

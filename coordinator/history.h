/* history.h - what happened and how things were: events and samples, for people.
 *
 * history.db, SQLite, synchronous=NORMAL. Nothing is decided from it. Events come from the store's
 * outbox and are applied idempotently, with their watermark in the same transaction; samples come
 * straight from reports. Rows are keyed (wall_ms, server) WITHOUT ROWID; `latest` holds the newest
 * sample per server. Used by the brain thread (writes are batched); a damaged or full history
 * never stops a run.
 */
#ifndef FARMHAND_COORDINATOR_HISTORY_H
#define FARMHAND_COORDINATOR_HISTORY_H

#include "common/error.h"
#include "coordinator/store.h"

#include <stddef.h>
#include <stdint.h>

struct history;

enum error_code history_open(const char *path, struct history **out, struct error *err);
void history_close(struct history *h);

/* The last outbox row that is in here. */
uint64_t history_watermark(const struct history *h);
/* Applies rows in order; those up to the watermark are passed over. One transaction. */
enum error_code history_begin(struct history *h, struct error *err);
enum error_code history_add_event(struct history *h, const struct event *event, struct error *err);
struct history_sample {
    int64_t wall_ms;
    const char *server;
    uint32_t cpu_permille;
    uint64_t memory_available_bytes;
    uint32_t pools_started, workers;
};
enum error_code history_add_sample(struct history *h, const struct history_sample *sample,
                                   struct error *err);
enum error_code history_commit(struct history *h, struct error *err); /* synced when it returns */

struct history_query {
    uint64_t since;     /* events with seq above this */
    uint64_t run;       /* 0: any */
    const char *server; /* NULL: any */
    size_t limit;
};
enum error_code history_events(struct history *h, const struct history_query *query,
                               void (*each)(void *arg, const struct event *event), void *arg,
                               struct error *err);
/* Removes events and samples older than that, a bounded number per call; *more: call again. */
enum error_code history_forget(struct history *h, int64_t before_wall_ms, bool *more,
                               struct error *err);

#endif

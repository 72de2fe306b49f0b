/* history.h - what happened and how things were: events and samples, for people.
 *
 * history.db, SQLite. Nothing is decided from it. Events come from the store's outbox and are
 * applied idempotently, with their watermark in the same transaction; samples come straight from
 * reports. Samples are keyed (wall_ms, server) WITHOUT ROWID; `latest` holds the newest per server.
 * synchronous=FULL: the outbox forgets rows on this file's word, and with NORMAL a commit is not
 * on the disk yet. That is one sync per transaction, so writers batch. Used by the brain thread; a
 * damaged or full history never stops a run: the outbox keeps what could not be written.
 */
#ifndef FARMHAND_COORDINATOR_HISTORY_H
#define FARMHAND_COORDINATOR_HISTORY_H

#include "common/error.h"
#include "coordinator/store/store.h"

#include <stddef.h>
#include <stdint.h>

struct history;

enum error_code history_open(const char *path, struct history **out, struct error *err);
void history_close(struct history *h);

/* A damaged file makes room for a new one: it and what belongs to it get the name PATH.damaged-TIME
 * (in out_moved), where a person may look at it. The history must be closed. */
#define HISTORY_PATH_MAX 512
enum error_code history_move_aside(const char *path, int64_t wall_ms,
                                   char out_moved[HISTORY_PATH_MAX], struct error *err);

/* The last outbox row that is in here, as of the last commit. */
uint64_t history_watermark(const struct history *h);

/* Between begin and commit: once something failed the rest does nothing, and commit tells the first
 * failure and rolls back. */
enum error_code history_begin(struct history *h, struct error *err);
/* In order of seq; those up to the watermark are passed over. */
enum error_code history_add_event(struct history *h, const struct event *event, struct error *err);
struct history_sample {
    int64_t wall_ms;
    const char *server;
    uint32_t cpu_permille;
    uint64_t memory_available_bytes;
    uint32_t pools_started, workers;
};
/* A second one of the same server and millisecond replaces the first. */
enum error_code history_add_sample(struct history *h, const struct history_sample *sample,
                                   struct error *err);
enum error_code history_commit(struct history *h, struct error *err); /* synced when it returns */

/* Takes what waits in the store's outbox over, at most `limit` rows, and lets the store forget it.
 * Killed between the two it is done again without harm. *more: call again. */
enum error_code history_take_outbox(struct history *h, struct store *s, size_t limit, bool *more,
                                    struct error *err);

struct history_query {
    uint64_t since;     /* events with seq above this */
    uint64_t run;       /* 0: any */
    const char *server; /* NULL: any */
    size_t limit;
    bool last; /* of more than limit, the last ones instead of the first */
};
/* Oldest first. */
enum error_code history_events(struct history *h, const struct history_query *query,
                               void (*each)(void *arg, const struct event *event), void *arg,
                               struct error *err);
/* The newest sample of each server. */
enum error_code history_latest(struct history *h,
                               void (*each)(void *arg, const struct history_sample *sample),
                               void *arg, struct error *err);
/* Removes events and samples older than that, a bounded number per call; *more: call again. */
enum error_code history_forget(struct history *h, int64_t before_wall_ms, bool *more,
                               struct error *err);

#endif

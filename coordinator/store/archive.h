/* archive.h - keeps history.db going: batches, retries, makes room for a new file when the old one
 * is damaged. Nothing that goes wrong here stops anything else; archive_trouble says it.
 *
 * Used by the brain thread; blocks for the disk.
 */
#ifndef FARMHAND_COORDINATOR_ARCHIVE_H
#define FARMHAND_COORDINATOR_ARCHIVE_H

#include "coordinator/store/history.h"
#include "coordinator/store/store.h"

#include <stdint.h>

#define ARCHIVE_FLUSH_MS 250 /* events wait at most so long in the outbox */

struct archive;

struct archive_spec {
    const char *path;    /* copied */
    struct store *store; /* borrowed; its outbox is taken over from here on */
    uint64_t keep_ms;    /* older events, samples and evidence are forgotten */
    uint64_t now_ms;
    int64_t wall_ms;
};

/* Also lifts the store's event counter above what the history has. */
struct archive *archive_open(const struct archive_spec *spec);
void archive_close(struct archive *a); /* flushes first */

/* There is something in the outbox. */
void archive_note_event(struct archive *a, uint64_t now_ms);
/* Written with the next batch. */
void archive_note_sample(struct archive *a, const struct history_sample *sample, uint64_t now_ms);
void archive_on_time(struct archive *a, uint64_t now_ms, int64_t wall_ms);
uint64_t archive_wake_ms(const struct archive *a);

const char *archive_trouble(const struct archive *a); /* NULL: fine */

/* As history_events, with those that still wait in the outbox. With query->last more than `limit`
 * may come: the last `limit` of them are meant. */
enum error_code archive_events(struct archive *a, const struct history_query *query,
                               void (*each)(void *arg, const struct event *event), void *arg,
                               struct error *err);

#endif

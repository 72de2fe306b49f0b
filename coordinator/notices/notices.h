/* notices.h - tells others of runs and incidents: [notice NAME] sections.
 *
 * Rows come into the store with their events; here they are taken up, handed to the thread of their
 * section (notifier.h) when they are due (notice.h), and dropped once they were delivered. Used by
 * the brain thread; blocks for the disk only. What goes wrong is logged, told as an event and shown
 * in the status; it never holds up anything else.
 */
#ifndef FARMHAND_COORDINATOR_NOTICES_H
#define FARMHAND_COORDINATOR_NOTICES_H

#include "coordinator/brain/coordinator.h"
#include "coordinator/core/notice.h"
#include "coordinator/notices/notifier.h"
#include "coordinator/store/store.h"

#include <stddef.h>
#include <stdint.h>

struct notices;

struct notices_target {
    struct notifier_target notifier;
    uint32_t kinds; /* bits 1 << enum notice_kind */
    uint64_t keep_ms;
};

struct notices_spec {
    const struct notices_target *targets; /* lent, for its life */
    size_t count;
    struct store *store;       /* borrowed; told here which events are wanted */
    struct coordinator *brain; /* borrowed; for events */
    const char *coordinator;   /* how it calls itself, for people; lent */
    /* On a notifier's thread: to be posted, and to come back as notices_done. */
    void (*done)(void *arg, size_t target, const struct notifier_result *result);
    void *arg;
    uint64_t now_ms;
    int64_t wall_ms;
};

enum error_code notices_open(const struct notices_spec *spec, struct notices **out,
                             struct error *err);
/* Ends the threads; nothing is posted any more once this returns. NULL is fine. */
void notices_close(struct notices *n);

/* An event was made: there may be rows for us. */
void notices_note_event(struct notices *n);
void notices_done(struct notices *n, size_t target, const struct notifier_result *result,
                  uint64_t now_ms, int64_t wall_ms);
void notices_on_time(struct notices *n, uint64_t now_ms, int64_t wall_ms);
uint64_t notices_wake_ms(const struct notices *n, uint64_t now_ms);

/* A notice of kind notice.test, at once, whatever waits. *id: its number. ERR_NOT_FOUND: no section
 * of that name. */
enum error_code notices_test(struct notices *n, const char *name, const char *actor,
                             uint64_t now_ms, int64_t wall_ms, uint64_t *id, struct error *err);

size_t notices_count(const struct notices *n); /* NULL: 0 */
const struct notices_target *notices_target_at(const struct notices *n, size_t index);
const struct notice_queue *notices_queue_at(const struct notices *n, size_t index);

#endif

/* link_outbox.h - what waits for its turn on the agent's link. Pure; bounded whatever happens.
 *
 * First to last: results, observations, renewals, progress, reports. A result stays until it was
 * acknowledged; one that was tried in vain waits its retry time, so that it holds up nothing else.
 * Progress: the newest only. Reports: the newest, and the newest whole one if that is another,
 * sent first. Times are boot milliseconds.
 */
#ifndef FARMHAND_AGENT_LINK_OUTBOX_H
#define FARMHAND_AGENT_LINK_OUTBOX_H

#include "common/error.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_RESULTS      64
#define OUTBOX_OBSERVATIONS 16

struct outbox_result {
    struct agent_message *message; /* NULL: free */
    uint64_t due_ms;
    uint64_t order;
};

struct link_outbox {
    uint64_t retry_ms;
    uint64_t next_order;
    struct outbox_result results[OUTBOX_RESULTS];
    struct agent_message *observations[OUTBOX_OBSERVATIONS]; /* oldest first */
    size_t observation_count;
    struct agent_message *renew, *progress, *whole, *report;
};

void outbox_init(struct link_outbox *box, uint64_t retry_ms);
void outbox_reset(struct link_outbox *box);

/* Takes ownership, on failure too. A result with the id and nonce of one that waits replaces it.
 * ERR_FULL: a result for which there is no room; an observation pushes out the oldest instead. */
enum error_code outbox_put(struct link_outbox *box, struct agent_message *message, uint64_t now_ms,
                           struct error *err);

/* The next to send, yours until outbox_settle; NULL: nothing is due. */
struct agent_message *outbox_take(struct link_outbox *box, uint64_t now_ms);

/* How the sending of a taken message ended; ownership returns. What was not acknowledged is kept
 * if it is a result, or a report that nothing newer has replaced. */
void outbox_settle(struct link_outbox *box, struct agent_message *message, bool acknowledged,
                   uint64_t now_ms);

/* When a result that waits becomes due; UINT64_MAX: none waits. */
uint64_t outbox_due_ms(const struct link_outbox *box);
/* Everything that waits for its retry is due at once: the connection is new. */
void outbox_hurry(struct link_outbox *box);

#endif

/* allowance.h - how much one agent may say: so many messages and bytes a second, some at once.
 * Pure.
 *
 * What an agent needs is far below: a listen, a report, an answer now and then; the most are the
 * pieces of a dump, which are 128 KiB each. What is above is not decoded, so that one agent that
 * was taken over takes no more of the coordinator's one brain than these figures cost.
 */
#ifndef FARMHAND_COORDINATOR_LINK_ALLOWANCE_H
#define FARMHAND_COORDINATOR_LINK_ALLOWANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALLOWANCE_MESSAGES      100 /* a second */
#define ALLOWANCE_MESSAGES_ONCE 400 /* after it has said little for a while */
#define ALLOWANCE_BYTES         (4u << 20)
#define ALLOWANCE_BYTES_ONCE    (8u << 20)

/* A bucket that leaks; zeroed: empty. */
struct allowance {
    uint64_t counted_ms;
    uint64_t messages_milli, bytes; /* in it, as of then */
};

/* False: that is too much now, and is not counted. */
bool allowance_take(struct allowance *a, size_t bytes, uint64_t now_ms);

#endif

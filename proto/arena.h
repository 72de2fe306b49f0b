/* arena.h - memory that is taken piece by piece and released at once, up to a cap.
 *
 * For what grows with bytes from outside: nothing can make it take more than its cap. Pieces are
 * zeroed and aligned for any type. Not for several threads at once. Does not block.
 */
#ifndef FARMHAND_PROTO_ARENA_H
#define FARMHAND_PROTO_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t cap_bytes;
    size_t taken_bytes; /* of the system, headers included; never above cap_bytes */
    bool exhausted;     /* some arena_take said no */
};

void arena_init(struct arena *arena, size_t cap_bytes);
void arena_reset(struct arena *arena); /* releases every piece; the arena is as after init */

/* NULL: over the cap, or the system has no memory; `exhausted` is set. size_bytes may be 0. */
void *arena_take(struct arena *arena, size_t size_bytes);

#endif

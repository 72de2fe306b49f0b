/* throttle.h - slows down whoever tries tokens. Pure: time comes with each call. An address is one
 * as door.h names it, so that whoever has a network of IPv6 has no more tries than others.
 *
 * Secrets have 192 bits: nobody guesses one. This keeps the tries from costing anything, and from
 * filling the log. Five wrong ones from an address are free, then it waits 1 s, 2 s, 4 s up to a
 * minute; a right one takes one of them back, a quarter of an hour without one forgets all. Memory
 * is bounded: the address whose last try is the longest ago is forgotten first.
 */
#ifndef FARMHAND_COORDINATOR_THROTTLE_H
#define FARMHAND_COORDINATOR_THROTTLE_H

#include <stdint.h>

#define THROTTLE_FREE      5
#define THROTTLE_WAIT_MAX  60000
#define THROTTLE_FORGET_MS (15 * 60 * 1000)
#define THROTTLE_ADDRESSES 512

struct throttle {
    struct {
        char address[64]; /* "": free */
        uint32_t wrong;
        uint64_t last_ms;
    } items[THROTTLE_ADDRESSES];
};

/* So long must the address wait before it is listened to; 0: not. */
uint64_t throttle_wait_ms(const struct throttle *t, const char *address, uint64_t now_ms);
void throttle_wrong(struct throttle *t, const char *address, uint64_t now_ms);
/* Not all are forgiven: else whoever has one token tries others between two uses of it. */
void throttle_right(struct throttle *t, const char *address);

#endif

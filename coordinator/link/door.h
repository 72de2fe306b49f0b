/* door.h - how many may be at the door at once, by address: at the agents' port handshakes that are
 * not done, over HTTPS connections. Pure.
 *
 * A handshake costs a descriptor and some memory before anybody has proved anything. So one address
 * has so many at most, and all together have a bound; what is above is sent away at once, and comes
 * again (agents wait between their tries). Whoever has taken more than half of what there is gets
 * less patience, so that those who open handshakes and leave them do not sit there for long.
 *
 * Over IPv6 an address is its network of 64 bits, since that is what one machine is given. What all
 * programs of this machine share, 127.0.0.1 and ::1, is bound by the total alone, as is an address
 * that is not known. One thread at a time.
 */
#ifndef FARMHAND_COORDINATOR_DOOR_H
#define FARMHAND_COORDINATOR_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOOR_OF_ONE      64
#define DOOR_TOTAL       8192
#define DOOR_ADDRESS_MAX 64

struct door;
struct door_address; /* one that has some */

/* 0: the figures above. */
struct door *door_new(uint32_t of_one, uint32_t total);
void door_free(struct door *d); /* all have left; NULL is fine */

/* v4, v6: the bytes of an address; the other is NULL, or both. IPv4 within IPv6 is IPv4. */
void door_name(const uint8_t v4[4], const uint8_t v6[16], char out[DOOR_ADDRESS_MAX]);

/* NULL: too many. */
struct door_address *door_enter(struct door *d, const char *name);
void door_leave(struct door *d, struct door_address *of);
/* It has more than half of what one may have, or all have together. */
bool door_is_crowded(const struct door *d, const struct door_address *of);

#endif

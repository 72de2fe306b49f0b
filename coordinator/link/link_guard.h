/* link_guard.h - which pipes of the agents' port are worth decoding. Pure: no socket, no clock.
 *
 * A pipe that sent bytes that are no message is quarantined for its life: closing it would only
 * make the peer come back at once (nng's dialers do). When an address keeps coming back with
 * garbage, its new pipes wait before they are listened to. Pipes that proved themselves are never
 * touched by what others at their address do, since over loopback all agents share one.
 *
 *            understood                 not understood
 *   FRESH ---------------> PROVEN -----------------------> QUARANTINED   (until the pipe ends)
 *     |                                                         ^
 *     +-----------------------not understood--------------------+
 *
 * All pipes of one name share an allowance (allowance.h), and are so many at most.
 *
 * Memory: one record per open pipe, up to the limit, one per name that has any, and
 * LINK_GUARD_ADDRESSES addresses; the one with the fewest strikes is forgotten first. Times are
 * boot milliseconds. One thread at a time.
 */
#ifndef FARMHAND_COORDINATOR_LINK_GUARD_H
#define FARMHAND_COORDINATOR_LINK_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_GUARD_ADDRESSES 256
#define LINK_GUARD_STRIKES   8     /* from here on an address is in disfavour */
#define LINK_GUARD_FORGET_MS 10000 /* one strike is forgotten in this time */
#define LINK_GUARD_WAIT_MS   2000  /* age a fresh pipe of such an address needs to be heard */
#define LINK_GUARD_REPORT_MS 10000 /* one report per address in this time */
#define LINK_GUARD_PIPES     16    /* of one name: those that nng never saw the end of count, too */
#define LINK_GUARD_SILENT_MS 1000
#define LINK_PEER_MAX        64 /* bytes of an address text, NUL included */

struct link_guard;

struct link_guard *link_guard_new(size_t pipes_max);
void link_guard_free(struct link_guard *guard);

/* A new pipe. address: what strikes are counted by ("127.0.0.1"); peer: for people
 * ("127.0.0.1:4711"). false: too many pipes, close it. */
bool link_guard_add(struct link_guard *guard, uint32_t pipe, const char *address, const char *peer,
                    uint64_t now_ms);

/* What should be told of an address now, at most once in LINK_GUARD_REPORT_MS. */
struct link_guard_report {
    bool due;
    const char *why; /* of link_guard_admit: a sentence */
    char peer[LINK_PEER_MAX];
    uint64_t dropped; /* messages of that address not taken since the last report */
};

/* The pipe ended. True if it was proven: only then did anybody hear of it. A fresh pipe that ends
 * counts as a strike, unless it has a name: nng closes pipes that send more than the limit without
 * a word. */
bool link_guard_remove(struct link_guard *guard, uint32_t pipe, uint64_t now_ms,
                       struct link_guard_report *report);

/* Is a message of this pipe, of so many bytes, to be decoded? Unknown pipes are not: messages may
 * come after the end of their pipe was told. */
bool link_guard_admit(struct link_guard *guard, uint32_t pipe, size_t bytes, uint64_t now_ms,
                      struct link_guard_report *report);

/* It was understood. False: the pipe ended meanwhile or is quarantined, drop it. */
bool link_guard_good(struct link_guard *guard, uint32_t pipe);

/* It was not. */
void link_guard_bad(struct link_guard *guard, uint32_t pipe, uint64_t now_ms,
                    struct link_guard_report *report);

/* The name on the peer's certificate, once per pipe; "": none. Where that name has too many it
 * gives the one that is to be closed: the oldest that has been silent for LINK_GUARD_SILENT_MS
 * (most likely its end was never told), or else this very one. 0: none. */
uint32_t link_guard_set_name(struct link_guard *guard, uint32_t pipe, const char *name,
                             uint64_t now_ms);
/* Lent until the pipe ends. */
const char *link_guard_name(const struct link_guard *guard, uint32_t pipe);
/* Pipes of that name, case ignored; pipes of which nothing came for idle_ms, whatever their state.
 * At most max; each gives the count. */
size_t link_guard_named(const struct link_guard *guard, const char *name, uint32_t *out,
                        size_t max);
size_t link_guard_idle(const struct link_guard *guard, uint64_t now_ms, uint64_t idle_ms,
                       uint32_t *out, size_t max);

const char *link_guard_peer(const struct link_guard *guard, uint32_t pipe); /* "" if unknown */
size_t link_guard_pipes(const struct link_guard *guard);
size_t link_guard_quarantined(const struct link_guard *guard);

#endif

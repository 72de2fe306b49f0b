/* known.h - what was last read of this server, and how to tell it.
 *
 * Keeps its own copy of the driver's views, fit for the wire (clean texts, counts within bounds).
 * A part that could not be read keeps its last rows with their states unknown. Pure.
 */
#ifndef FARMHAND_AGENT_KNOWN_H
#define FARMHAND_AGENT_KNOWN_H

#include "agent/call.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>

#define EVENTS_TOLD_MS (UINT64_C(24) * 60 * 60 * 1000)

struct known;
struct known *known_new(void);
void known_free(struct known *k); /* NULL is fine */

/* A whole look, or its failure (code and text in the result). True: pools, sites, services, the
 * configuration's identity or the trouble differ from before. Queue lengths alone are no change. */
bool known_take_look(struct known *k, const struct call_result *result, uint64_t now_ms);

/* The workers of all pools, or why they could not be read. True: the set of workers (pool, pid,
 * created), or the trouble, differs, or there are new events. */
bool known_take_beat(struct known *k, const struct call_result *result, uint64_t now_ms);

bool known_has_workers(const struct known *k);
bool known_has_look(const struct known *k); /* one succeeded: a whole state can be told */

/* The state as of now; events of the last EVENTS_TOLD_MS alone. `held` is what holds the worker
 * thread, or "". Pointers live until the next call of this module. */
struct state known_state(struct known *k, bool whole, const char *held, uint64_t now_ms);
/* That state was taken by the coordinator: the processor's share counts from here. */
void known_told(struct known *k);

#endif

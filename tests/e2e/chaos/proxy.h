/* proxy.h - a small TCP proxy between agents and coordinator, one link (port) per agent.
 *
 * A thread of its own moves the bytes. A link can be cut (every connection is reset, new ones are
 * hung up at once), held (connections stand, not a byte passes until the hold is over: then all of
 * it arrives late), or delayed by a fixed time each way. It can be led to another port.
 * The calls do not block; what they ask is in force within 10 ms.
 */
#ifndef E2E_CHAOS_PROXY_H
#define E2E_CHAOS_PROXY_H

#include "common/error.h"

#define PROXY_LINKS_MAX 8

struct proxy;

enum proxy_mode { PROXY_PASS, PROXY_CUT, PROXY_HOLD };

enum error_code proxy_open(unsigned links, unsigned to_port, struct proxy **out, struct error *err);
void proxy_close(struct proxy *p); /* NULL is fine */

unsigned proxy_port(const struct proxy *p, unsigned link); /* where the agent dials */
/* delay_ms holds in PROXY_PASS. */
void proxy_set(struct proxy *p, unsigned link, enum proxy_mode mode, unsigned delay_ms);
/* Connections of that link are reset; new ones go to to_port. */
void proxy_lead(struct proxy *p, unsigned link, unsigned to_port);

#endif

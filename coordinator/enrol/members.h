/* members.h - who is let in at the agents' port, for the threads that shake hands there.
 *
 * Written by the brain thread (enrol.h), read by nng's; a lock of its own, never held for long.
 */
#ifndef FARMHAND_COORDINATOR_MEMBERS_H
#define FARMHAND_COORDINATOR_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

struct members;

struct members *members_new(void);
void members_free(struct members *m); /* NULL is fine */

/* From now on: that name with certificates issued at or after since_ms. */
void members_allow(struct members *m, const char *name, int64_t since_ms);
void members_forbid(struct members *m, const char *name);
/* A name that was never allowed is not let in. Case is ignored. */
bool members_admit(struct members *m, const char *name, int64_t issued_ms);
/* With any certificate. */
bool members_has(struct members *m, const char *name);

#endif

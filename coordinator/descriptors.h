/* descriptors.h - how many files and connections this process may have open.
 *
 * Outside systemd a process starts with 1,024, which is fewer than a farm of a thousand servers
 * needs. Children inherit the limit, so it is raised to what is of use and not to what the system
 * would give (some programs close every descriptor there could be, one after the other).
 */
#ifndef FARMHAND_COORDINATOR_DESCRIPTORS_H
#define FARMHAND_COORDINATOR_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

#define DESCRIPTORS_WANTED 65536 /* as in deploy/systemd */

/* Raises the soft limit, to the hard one at most; gives what holds now. */
uint64_t descriptors_raise(void);
/* What so many servers need: a connection each, a second one while they renew, and what there is
 * beside them (operators, strangers at the door, stores, balancers). */
uint64_t descriptors_needed(size_t servers);

#endif

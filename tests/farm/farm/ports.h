/* ports.h - a block of ports for one farm, that no other farm on this machine takes meanwhile.
 *
 * Found by binding, and kept by a note in a folder of /tmp for as long as the farm's farm.json
 * exists; so a server that is down for a while keeps its port. All below the range from which the
 * system takes ports for outgoing connections, since visitors need many of those.
 */
#ifndef FARM_FARM_PORTS_H
#define FARM_FARM_PORTS_H

#include "common/error.h"

#define PORTS_COMMON 8 /* the farm's own, before the servers' */

enum error_code ports_reserve(const char *farm_dir, unsigned servers, unsigned *base,
                              struct error *err);
void ports_release(const char *farm_dir, unsigned base);

#endif

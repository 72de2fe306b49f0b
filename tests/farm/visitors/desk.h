/* desk.h - where one asks the visitors: a unix socket, one word a line, one JSON document a line.
 *
 *   report          what they saw so far
 *   phase NAME      from now on count in another phase; answers {"phase": NAME}
 *
 * Never blocks, never trusts: a client that does not read or sends nonsense is hung up on.
 */
#ifndef FARM_VISITORS_DESK_H
#define FARM_VISITORS_DESK_H

#include "tests/farm/visitors/crowd.h"

struct desk;

/* Replaces a socket that a dead predecessor left at `path` (at most 107 bytes). */
struct desk *desk_open(struct poller *poller, struct crowd *crowd, const char *path,
                       struct error *err);
void desk_close(struct desk *d); /* removes the socket */

#endif

/* keepalive.h - the file that tells a balancer's own check whether this server takes visitors.
 *
 * There: in rotation. Taken away it is kept beside itself (PATH.drained), so that what the owner
 * wrote into it, its rights and its owner come back with it. Blocks on local files only. Knows
 * nothing of commands.
 */
#ifndef FARMHAND_AGENT_KEEPALIVE_H
#define FARMHAND_AGENT_KEEPALIVE_H

#include "common/error.h"

#include <stdbool.h>

/* Is it there? ERR_DENIED, ERR_IO: that could not be seen. */
enum error_code keepalive_look(const char *path, bool *present, struct error *err);
/* Gone, durably. Fine if it is gone already. */
enum error_code keepalive_remove(const char *path, struct error *err);
/* There, durably: the one that was taken away, or a new one with a line of ours. Fine, and left as
 * it is, if it is there already. */
enum error_code keepalive_put(const char *path, struct error *err);

#endif

/* dumps.h - dumps that belong to evidence: made when the coordinator asks and this server's owner
 * allows it, kept within limits, the oldest out first, and read in pieces.
 *
 * For the worker thread: blocks. Files lie in DATA_DIR/dumps; they hold secrets, so only SYSTEM and
 * Administrators (elsewhere: the agent's user) may read them.
 */
#ifndef FARMHAND_AGENT_DUMPS_H
#define FARMHAND_AGENT_DUMPS_H

#include "agent/call.h"
#include "agent/driver.h"

#include <stdbool.h>
#include <stdint.h>

#define DUMPS_KEPT_MAX 64

struct dumps_spec {
    const char *data_dir; /* lent */
    bool allowed;
    uint64_t kept; /* at most so many files */
    struct driver_dump_limits limits;
};

/* CALL_DUMP and CALL_PIECE are for this module. */
bool dumps_is_call(enum call_kind kind);
/* Owned by the caller: worker_result_free. */
struct call_result *dumps_call(const struct dumps_spec *spec, struct driver *driver,
                               const struct call *call);

#endif

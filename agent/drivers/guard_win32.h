/* guard_win32.h - calls of Windows that may hang, within a deadline.
 *
 * The service manager, the event log and the counters answer by RPC, and none of these calls takes
 * a time limit: a wedged server would hold the agent's worker thread for ever, at the very time it
 * is needed. So they are made on a thread of their own. One that is late goes on by itself; what it
 * finds is dropped.
 */
#ifndef FARMHAND_AGENT_DRIVERS_GUARD_WIN32_H
#define FARMHAND_AGENT_DRIVERS_GUARD_WIN32_H

#include "common/error.h"

#include <stdint.h>

/* One call. Embedded first in a struct from must_alloc that holds all its input and output, and
 * nothing that belongs to anybody else. */
struct guard_call {
    uint32_t (*run)(struct guard_call *call); /* on the other thread; what it gives back is kept */
    void (*release)(struct guard_call *call); /* frees the whole struct */
};

/* Runs it. ERR_NONE: it ended in time; *result is what `run` gave back, and the call is yours
 * again. Otherwise the call was, or will be, released: ERR_TIMEOUT: it still runs. ERR_UNAVAILABLE:
 * so many are late already that no more are begun. */
enum error_code guard_run(struct guard_call *call, uint64_t timeout_ms, const char *what,
                          uint32_t *result, struct error *err);

#endif

/* iis_lock.h - one change of IIS's configuration at a time, over all processes of a machine.
 *
 * Two commits collide, and the loser's is lost (IIS.md section 2). Whoever writes by other means
 * does not know this lock: that is what the repeats of iis_codes.h are for. A body per system;
 * outside Windows there is nothing to share.
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_LOCK_H
#define FARMHAND_AGENT_DRIVERS_IIS_LOCK_H

#include "common/error.h"

#include <stdint.h>

struct iis_lock {
    void *handle;
};

/* Blocks up to timeout_ms. ERR_BUSY: somebody else holds it. ERR_DENIED: its place is not to be
 * trusted, or this process is no administrator's; the text says why. A process that dies gives it
 * back. */
enum error_code iis_lock_take(struct iis_lock *lock, uint64_t timeout_ms, struct error *err);
void iis_lock_give(struct iis_lock *lock);

#endif

/* dump.h - a picture of a process's memory in a file, for those who look for the cause later.
 *
 * A dump holds secrets: nobody but SYSTEM and Administrators may read the file. A process stands
 * still while it is dumped, so time is bounded; and so is the size, and what must stay free on the
 * disk. A body per system: outside Windows it is ERR_UNAVAILABLE.
 */
#ifndef FARMHAND_AGENT_DRIVERS_DUMP_H
#define FARMHAND_AGENT_DRIVERS_DUMP_H

#include "agent/driver.h"
#include "common/error.h"

#include <stdint.h>

/* Writes `path`, which must not exist (ERR_EXISTS), of the process if created still matches
 * (ERR_NOT_FOUND). ERR_FULL: it would not fit, or grew above the limit. ERR_TIMEOUT.
 * ERR_UNAVAILABLE: a 32-bit process, which this 64-bit program cannot picture rightly. After a
 * failure no file is left. Blocks up to limits->timeout_ms, and some seconds more. Source:
 * MiniDumpWriteDump. */
enum error_code dump_process(uint32_t pid, uint64_t created, const char *path,
                             const struct driver_dump_limits *limits, uint64_t *out_bytes,
                             struct error *err);

#endif

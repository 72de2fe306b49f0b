/* counters_win32.h - performance counters of application pools, by PDH.
 *
 * Read under their English names, since counters are translated. What is a pool among the instances
 * is decided in scm.c, on every system.
 */
#ifndef FARMHAND_AGENT_DRIVERS_COUNTERS_WIN32_H
#define FARMHAND_AGENT_DRIVERS_COUNTERS_WIN32_H

#include "agent/drivers/scm.h"

struct counters_reader;

/* *reader: NULL at first; kept by the caller for the next call, which then is cheap. Blocks up to
 * timeout_ms. ERR_UNAVAILABLE: there are no such counters (no IIS, or they are broken). */
enum error_code counters_read(struct counters_reader **reader, uint64_t timeout_ms,
                              struct scm_counters *out, struct error *err);
/* The names of instances that are no pool (scm_is_pool_instance), with blanks between, for people; cut
 * to fit. */
enum error_code counters_others(uint64_t timeout_ms, char *out, size_t size_bytes,
                                struct error *err);
void counters_close(struct counters_reader *reader); /* NULL is fine */

#endif

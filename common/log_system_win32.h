/* log_system_win32.h - the log of a service of Windows: a rotating file for all of it, the event
 * log for what somebody should look at.
 */
#ifndef FARMHAND_COMMON_LOG_SYSTEM_WIN32_H
#define FARMHAND_COMMON_LOG_SYSTEM_WIN32_H

#include "common/log.h"
#include "common/service.h"

#include <stdbool.h>
#include <stdint.h>

/* From here on lines go there. Never fails: without its directory, or with_files false, the event
 * log is all there is. stderr becomes a file beside it, for what is said by others than the log. */
void log_system_start(const struct service_name *name, bool with_files);

/* Events a minute that reach the event log at most; what is above is in the file. Pure. */
struct log_rate {
    uint64_t tokens_ms; /* 60,000 / LOG_RATE_PER_MINUTE of them make one event */
    uint64_t last_ms;
};
#define LOG_RATE_PER_MINUTE 30
void log_rate_init(struct log_rate *rate, uint64_t now_ms);
bool log_rate_take(struct log_rate *rate, uint64_t now_ms);

#endif

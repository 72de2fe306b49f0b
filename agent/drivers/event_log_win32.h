/* event_log_win32.h - entries about pools from the event log of Windows, by a subscription.
 *
 * The XML that it renders is read by event_log.c, on every system.
 */
#ifndef FARMHAND_AGENT_DRIVERS_EVENT_LOG_WIN32_H
#define FARMHAND_AGENT_DRIVERS_EVENT_LOG_WIN32_H

#include "agent/drivers/bookmark.h"
#include "agent/drivers/event_log.h"

struct events_reader;

/* What came since the last call; at first, since the bookmark, or within the last hour where there
 * is none. *reader: NULL at first, kept by the caller. Writes the bookmark. Blocks up to
 * timeout_ms. ERR_UNAVAILABLE, ERR_DENIED: the log cannot be read. */
enum error_code events_read(struct events_reader **reader, struct bookmark *mark,
                            uint64_t timeout_ms, struct event_entries *out, struct error *err);
void events_close(struct events_reader *reader); /* NULL is fine */

#endif

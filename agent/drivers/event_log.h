/* event_log.h - entries of the system's event log as they are read, and the last of them.
 *
 * A back end (scm.h) brings them: the lab's from its events.jsonl, Windows' rendered as XML. The
 * XML is read here, on every system, so that recorded entries of real servers test it.
 */
#ifndef FARMHAND_AGENT_DRIVERS_EVENT_LOG_H
#define FARMHAND_AGENT_DRIVERS_EVENT_LOG_H

#include "agent/driver.h"
#include "common/error.h"
#include "proto/messages.h"

#include <stddef.h>
#include <stdint.h>

struct event_entry {
    uint64_t record;
    int64_t wall_ms; /* of the system that wrote it */
    uint32_t id, pid, code;
    char pool[WIRE_NAME_MAX]; /* "" or "*": of no pool, or of all */
};

struct event_entries {
    struct event_entry *items; /* oldest first */
    size_t count;
};
void event_entries_add(struct event_entries *entries, const struct event_entry *entry);
void event_entries_reset(struct event_entries *entries);

/* One event as EvtRender(EvtRenderEventXml) gives it, in UTF-8. Fields are found by their names
 * AppPoolID and ProcessID; where a provider names none, by their order (pool, then pid). Source:
 * "Event Schema" of the Windows Event Log; IIS.md section 5. ERR_CORRUPT: no event, or one without
 * id or time. */
enum error_code event_parse(const char *utf8, size_t len, struct event_entry *out,
                            struct error *err);

/* "6D000780", little-endian, is 0x8007006D; 0 for anything shorter or other. */
uint32_t event_binary_code(const char *hex);

/* ---- the last ones, oldest first ---- */

struct event_ring {
    struct event_entry items[WIRE_EVENTS_MAX];
    size_t count;
};
/* Entries that are there already (record and id) are left out. */
void event_ring_add(struct event_ring *ring, const struct event_entries *entries);

/* Why WAS disabled that pool, by the newest of its entries. Pure. */
struct driver_verdict event_ring_verdict(const struct event_ring *ring, const char *pool);

#endif

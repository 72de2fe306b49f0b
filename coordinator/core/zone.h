/* zone.h - local time of a place, from a compiled file of the IANA time zone database. Pure.
 *
 * Reads version 2 and later of the format (RFC 8536): the transitions, and for times after the
 * last one the rule in the footer (a POSIX TZ string). Leap seconds are not counted, as clocks do
 * not count them.
 */
#ifndef FARMHAND_COORDINATOR_ZONE_H
#define FARMHAND_COORDINATOR_ZONE_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zone;

/* ERR_CORRUPT: not such a file, or cut. Bounds are checked: the bytes may come from anywhere. */
enum error_code zone_parse(const void *bytes, size_t len, struct zone **out, struct error *err);
void zone_free(struct zone *z);

/* Seconds that local time is ahead of UTC at that moment (seconds since 1970). z NULL: UTC. */
int32_t zone_offset_s(const struct zone *z, int64_t utc_s);

/* The moment when local clocks show `local_s` (seconds since 1970 as if they were UTC); the first
 * of two where clocks go back, the moment of the jump where they skip it. */
int64_t zone_to_utc_s(const struct zone *z, int64_t local_s);

/* Europe/Berlin, UTC: letters, digits, '_', '+', '-', and '/' between parts; no way out of the
 * directory. */
bool zone_name_ok(const char *name);

#define ZONE_BYTES_MAX (256 * 1024)

#endif

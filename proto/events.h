/* events.h - what the entries of Windows' event log about pools mean.
 *
 * Sources: Microsoft's event pages of the providers Microsoft-Windows-WAS, -IIS-W3SVC and
 * -IIS-W3SVC-WP; IIS.md section 5. Pure.
 */
#ifndef FARMHAND_PROTO_EVENTS_H
#define FARMHAND_PROTO_EVENTS_H

#include <stdint.h>

enum event_kind {
    EVENT_OTHER,
    EVENT_RAPID_FAIL,   /* the pool was disabled: its workers failed too often */
    EVENT_IDENTITY,     /* its identity is invalid: each try may lock the account */
    EVENT_CANNOT_START, /* the pool was disabled: its worker cannot start */
    EVENT_CRASH,        /* a worker ended unexpectedly */
    EVENT_HANG,         /* a worker did not answer a ping */
    EVENT_START_LIMIT,  /* a worker was not ready in time */
    EVENT_STOP_LIMIT,   /* a worker did not end in time; expected of a forced recycle */
    EVENT_RECYCLED,     /* by a limit, a schedule, an administrator, a change */
    EVENT_IDLE,         /* a worker ended since nobody asked: harmless */
    EVENT_CONFIG,       /* the configuration, or a module, cannot be used */
    EVENT_LISTENER,     /* a site or a protocol cannot listen */
};
#define EVENT_KIND_COUNT 12

enum event_kind event_kind_of(uint32_t id);

/* A few words for people; "event N is not known to us" has none: "". */
const char *event_words(uint32_t id);

/* "rapid-fail", "identity", ...: stable, for JSON and rules. */
const char *event_kind_name(enum event_kind kind);

#endif

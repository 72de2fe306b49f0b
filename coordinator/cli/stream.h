/* stream.h - events as they happen, on a thread of their own that reconnects by itself.
 *
 * When the connection breaks (the coordinator was restarted) it dials again twice a second and goes
 * on after the last event seen; after a while without one answer it gives up.
 */
#ifndef FARMHAND_CLI_STREAM_H
#define FARMHAND_CLI_STREAM_H

#include "coordinator/cli/way.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum stream_news {
    STREAM_NOTHING, /* the time to wait is over */
    STREAM_EVENT,   /* *event: yours */
    STREAM_LOST,    /* the connection broke; told once until it is back */
    STREAM_BACK,    /* it is back: what was missed comes now */
    STREAM_GONE,    /* given up */
    STREAM_REFUSED, /* the coordinator does not want to (*event: its error object) */
};

#define STREAM_GIVE_UP_MS 60000

struct stream;

/* query: "run=7", or ""; since: events after this number. */
struct stream *stream_open(const struct way *way, const char *query, uint64_t since,
                           uint64_t give_up_ms);
/* Returns at once; the thread ends by itself within a second or so. */
void stream_close(struct stream *s);

/* Waits for news, at most wait_ms. */
enum stream_news stream_next(struct stream *s, uint64_t wait_ms, json_t **event);

/* Server-sent events, taken apart as they come in pieces (HTML standard, 9.2.6). Pure. */
struct sse {
    char *line;
    size_t len, cap;
    char *data; /* of the event so far */
    size_t data_len, data_cap;
    bool too_long;
};
/* Calls `each` with the data of every event completed; false when a line is over 1 MiB. */
bool sse_feed(struct sse *s, const char *bytes, size_t len,
              void (*each)(void *arg, const char *data), void *arg);
void sse_reset(struct sse *s);

#endif

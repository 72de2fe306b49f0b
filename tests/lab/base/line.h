/* line.h - JSON objects, one a line, over a stream; and a blocking call for the clients.
 *
 * Objects handed to *_send and line_call are released here ("stolen").
 */
#ifndef LAB_BASE_LINE_H
#define LAB_BASE_LINE_H

#include "tests/lab/base/stream.h"

#include <jansson.h>

struct line {
    struct stream stream;
    void (*on_object)(struct line *line, json_t *object); /* lent for the call */
    void (*on_end)(struct line *line);                    /* closed already */
    void *owner;
};

void line_open(struct line *line, struct loop *loop, int fd); /* set callbacks and owner first */
void line_send(struct line *line, json_t *object);
void line_close(struct line *line);

/* Connects to the local socket, sends, waits for one object; timeout_ms 0: for ever. NULL on
 * failure: ERR_NOT_FOUND or ERR_UNREACHABLE when nobody listens, ERR_TIMEOUT, ERR_CORRUPT. */
json_t *line_call(const char *socket_path, json_t *request, uint64_t timeout_ms, struct error *err);

json_t *line_load(const char *path); /* what a file of JSON holds; NULL: it cannot be read */

#endif

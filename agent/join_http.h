/* join_http.h - one HTTP request and its answer as bytes: nothing more than joining needs. Pure. */
#ifndef FARMHAND_AGENT_JOIN_HTTP_H
#define FARMHAND_AGENT_JOIN_HTTP_H

#include "common/error.h"
#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* https://HOST:PORT and nothing behind it; without a port 7601. ERR_INVALID says what was expected.
 */
struct join_where {
    char host[256];
    char port[8];
};
enum error_code join_where_parse(const char *url, struct join_where *out, struct error *err);

/* A POST of JSON, with "Connection: close". */
void join_request(struct text *out, const char *host, const char *path, const char *json);
/* The whole answer, read until the end of the connection. ERR_CORRUPT: none of HTTP/1.1 with a
 * Content-Length, or cut. body is lent from `bytes`, which must be NUL-terminated. */
enum error_code join_reply(const char *bytes, size_t len, int *status, const char **body,
                           struct error *err);

/* When the answer was made, by the other side's clock: its Date. false: it does not say. */
bool join_reply_date(const char *bytes, int64_t *wall_ms);

#endif

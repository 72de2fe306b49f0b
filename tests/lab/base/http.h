/* http.h - reads HTTP/1.x requests out of a buffer. Pure. Source: RFC 9112.
 *
 * Both http.sys's and the worker's side use it: the worker is handed the same bytes.
 */
#ifndef LAB_BASE_HTTP_H
#define LAB_BASE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX   16384      /* bytes; more is 400 */
#define HTTP_BODY_MAX   (8u << 20) /* bytes; more is 413 */
#define HTTP_TARGET_MAX 2048

struct http_request {
    char method[16];
    char target[HTTP_TARGET_MAX]; /* path and query as sent */
    char host[256];               /* without port; "" if there is none */
    char cookie[512];
    size_t head_len; /* bytes, empty line included */
    size_t body_len; /* by Content-Length */
    bool chunked, keep_alive, no_store, expects_continue;
};

/* 0: needs more bytes. < 0: malformed, answer with the status -result. > 0: out is filled. */
int http_parse(const char *bytes, size_t len, struct http_request *out);

/* A chunked body: bytes it takes altogether, 0: not all there yet, -1: malformed. If it is whole
 * and `out` is not NULL the content is written there (at most len bytes) and its length told. */
long http_chunked(const char *bytes, size_t len, char *out, size_t *out_len);

/* Value of ?name=N in a target. */
long http_query_number(const char *target, const char *name, long otherwise);
const char *http_status_text(int status);

#endif

/* http.h - an HTTP client for one request at a time: probes of web sites, and the operator's
 * command. Over libcurl. Blocks: for worker threads and command lines, never the brain.
 */
#ifndef FARMHAND_COMMON_HTTP_H
#define FARMHAND_COMMON_HTTP_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_call {
    const char *method;         /* "GET", "POST", ... */
    const char *url;            /* http:// or https:// */
    const char *unix_socket;    /* path, or NULL */
    const char *connect_to;     /* "127.0.0.1:8080": connect there whatever the URL's host says
                                   (Host and SNI stay the URL's); NULL: the URL's own */
    const char *const *headers; /* "Name: value", NULL-terminated; NULL: none */
    const void *body;           /* NULL: none */
    size_t body_len;
    uint64_t timeout_ms;       /* for everything, must be > 0; above INT_MAX: no limit */
    size_t response_max_bytes; /* more is ERR_NOMEM */
    const char *ca_file;       /* PEM: what signs certificates; NULL: the system's own */
    const char *identity_file; /* PEM: our own key and certificate; NULL: none */
    bool any_certificate;      /* probes through loopback: certificates need not match */
    /* If set: called with each piece of the body as it comes (a stream of events), while the status
     * is 2xx; body is then not kept. Any other status brings its body as without this. Return false
     * to stop: http_request gives ERR_NONE. */
    bool (*on_data)(void *arg, const char *bytes, size_t len);
    void *on_data_arg;
    /* If set: asked about once a second, with on_data_arg; false stops in the same way. */
    bool (*go_on)(void *arg);
};

struct http_reply {
    int status; /* 200, 503, ... */
    char *body; /* NUL-terminated, free() it */
    size_t body_len;
    uint64_t elapsed_ms; /* from the start of connecting to the last byte */
};

/* A fresh connection every time, never a proxy from the environment, redirects not followed.
 * ERR_UNREACHABLE: refused, reset or closed before the end, unknown host; ERR_TIMEOUT; ERR_DENIED:
 * the socket or the certificate; ERR_CORRUPT: what answered was not HTTP. Any HTTP status is
 * ERR_NONE. */
enum error_code http_request(const struct http_call *call, struct http_reply *out,
                             struct error *err);

/* Can identity_file be shown? Not over the TLS of Windows (Schannel), which takes no PEM. */
bool http_shows_identity(void);

/* Once per process, before threads start. */
void http_start(void);

#endif

/* fake_haproxy.h - a runtime API that answers from a script: for the answers that a real HAProxy
 * gives only on a bad day. One connection per step, in order; then every connection is refused. */
#ifndef FARMHAND_TESTS_FAKE_HAPROXY_H
#define FARMHAND_TESTS_FAKE_HAPROXY_H

#include <stddef.h>

enum fake_end {
    FAKE_CLOSE, /* answer, then close, as HAProxy does */
    FAKE_HANG,  /* answer (or not), then keep the connection open and say nothing */
    FAKE_RESET, /* answer, then reset the connection (TCP) */
};

struct fake_step {
    const char *expect; /* the command line, without its end; NULL: any */
    const char *answer; /* NULL: none */
    enum fake_end end;
};

struct fake_haproxy;

/* Listens on a unix socket at `path`, or with NULL on a free TCP port of 127.0.0.1. */
struct fake_haproxy *fake_haproxy_open(const char *path, const struct fake_step *steps,
                                       size_t count);
const char *fake_haproxy_address(const struct fake_haproxy *f);
/* Ends it and fails the test if a command was not the expected one or steps are left. */
void fake_haproxy_close(struct fake_haproxy *f);
void fake_haproxy_drop(struct fake_haproxy *f); /* ends it, whatever it saw */

#endif

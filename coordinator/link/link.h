/* link.h - nng to the agents: bytes become events, answers become bytes. Knows no fleet.
 *
 * A raw REP socket that agents dial (DESIGN: one open request per agent is the address of its next
 * command). Events come on nng's threads, one at a time and in order: after LINK_GONE nothing more
 * is told of that pipe. The receiver copies, hands over and leaves; it must not call this module.
 *
 * What does not decode is dropped and its pipe quarantined, see link_guard.h. What nng is known to
 * do, and what is done about it:
 * - an end of a pipe may never be told, over TLS more often than not: see link_sweep();
 * - messages may come after the end of their pipe was told: they are dropped here;
 * - a reply to a pipe that is gone, or that has 64 replies waiting, is lost without a word.
 */
#ifndef FARMHAND_COORDINATOR_LINK_H
#define FARMHAND_COORDINATOR_LINK_H

#include "common/error.h"
#include "coordinator/link/link_guard.h"
#include "proto/messages.h"

#include <stddef.h>
#include <stdint.h>

#define LINK_HEADER_MAX 80
#define LINK_PIPES_MAX  20000 /* connections at a time; more are closed */

/* How to answer one request: its pipe and what nng put before it. By value, good for one answer. */
struct link_peer {
    uint32_t pipe;
    uint8_t bytes[LINK_HEADER_MAX];
    uint32_t len;
};

enum link_event_kind {
    LINK_MESSAGE,  /* message, peer, address */
    LINK_GONE,     /* peer.pipe: a pipe that had sent at least one message has ended */
    LINK_BAD_PEER, /* address, why, dropped: at most one per address in 10 s, and one of the door */
};

struct link_event {
    enum link_event_kind kind;
    struct agent_message *message; /* yours now: codec_free_agent */
    struct link_peer peer;
    const char *address; /* "127.0.0.1:4711", "ipc pid 4711"; lent for the call */
    const char *why;     /* a sentence; lent for the call */
    uint64_t dropped;    /* messages of that address not taken since it was last told; at the door,
                          * connections of all */
};
typedef void link_on_event(void *arg, const struct link_event *event);

struct link;
struct link_tls;

struct link_spec {
    const char *url;            /* wire_check_url() must accept it (port 0: any) */
    const struct link_tls *tls; /* link_tls.h; for a tls+tcp:// url. Lent for the call */
    link_on_event *on_event;
    void *arg;
    uint32_t idle_ms; /* link_sweep closes a pipe that said nothing for so long; 0: 60,000 */
};

/* Listens. ERR_EXISTS: somebody else does. Events may come before it returns. Over TLS each pipe
 * has the name of its certificate, and a message that gives another is none: its pipe is
 * quarantined. */
enum error_code link_open(const struct link_spec *spec, struct link **out, struct error *err);
/* After it returned no event comes. Blocks until nng's threads are done with the socket, 2 s at
 * most: when a message arrives in the moment of closing, nng 1.5.2 may never finish
 * (common/nng_close.h). Its threads then stay; a program that ends leaves by _exit after flushing.
 * NULL is fine. */
void link_close(struct link *link);

const char *link_url(const struct link *link); /* with the real port */

/* Any thread; never waits for a peer. ERR_INVALID: does not encode (our own fault, the text names
 * the field). ERR_FULL: nng's queue is full, it was dropped. ERR_NONE is no promise that it
 * arrives: see above. */
enum error_code link_reply(struct link *link, const struct link_peer *to,
                           const struct coordinator_message *message, struct error *err);

/* Ends a connection; LINK_GONE follows if it was known. An unknown pipe is fine. For peers that are
 * silent: nng's flaw that link_close() knows hits here too if the peer speaks in that moment, and
 * then no end of any pipe is told any more. */
void link_close_pipe(struct link *link, uint32_t pipe);

/* Over TLS: whoever comes from now on is shown this certificate (chain_pem and key_pem; nothing
 * else of it is looked at). Connections that stand are left alone. On failure nothing has changed.
 */
enum error_code link_renew(struct link *link, const struct link_tls *own, struct error *err);

/* Over TLS: ends every connection under that name, at once. */
void link_close_named(struct link *link, const char *name);
/* Ends connections whose end nng never told, and any that have nothing to say: every agent speaks
 * within 30 s (its listen is answered after 20 s at most). To be called now and then. */
void link_sweep(struct link *link);

struct link_figures {
    size_t pipes, quarantined;  /* now */
    uint64_t messages, dropped; /* since link_open */
};
void link_figures(struct link *link, struct link_figures *out);

#endif

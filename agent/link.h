/* link.h - nng to the coordinator: requests go out, answers come back. Decides nothing.
 *
 * The agent dials. Two requests may be open at a time: the parked *listen*, whose answer is the
 * next command, and one for everything else, taken in turn from a bounded queue (link_outbox.h says
 * in which order and what may be dropped). Events come on nng's threads; the receiver copies,
 * hands over and leaves; it must not call this module.
 *
 *             connected: LINK_UP                    the pipe ended: LINK_DOWN
 *   (down) ---------------------> (up) ------------------------------------------> (down)
 *                                   |  a listen unanswered after its limit, or an
 *                                   +--answer that does not decode: closes the pipe
 *
 * nng's own resend is off: a request that is open when the pipe ends has failed, and the brain
 * writes a fresh listen on AGENT_LINK_UP. The link numbers what it sends: `seq` of a message is set
 * as it leaves, so that it grows in the order of sending, repeats included.
 */
#ifndef FARMHAND_AGENT_LINK_H
#define FARMHAND_AGENT_LINK_H

#include "common/error.h"
#include "proto/messages.h"

#include <stdint.h>

enum agent_link_event_kind {
    AGENT_LINK_UP,     /* connected: send a listen and a whole report */
    AGENT_LINK_DOWN,   /* not any more; nng goes on trying */
    AGENT_LINK_ANSWER, /* answer to `request` */
    AGENT_LINK_FAILED, /* `request` got no answer: see error. A result is kept and tried again,
                          a report too if nothing newer waits; the rest is gone */
};

struct agent_link_event {
    enum agent_link_event_kind kind;
    enum agent_message_kind request;    /* ANSWER, FAILED */
    struct command_id id;               /* of a progress, result or observation; else zero */
    uint64_t listen_no;                 /* of a listen; else 0 */
    uint64_t seq;                       /* that request was sent with */
    struct coordinator_message *answer; /* ANSWER: yours now, codec_free_coordinator */
    const struct error *error;          /* FAILED: lent for the call */
};
typedef void agent_link_on_event(void *arg, const struct agent_link_event *event);

/* Who we are, and whom we believe. PEM; lent for the call that takes them. */
struct agent_link_tls {
    const char *ca_pem; /* the coordinator's certificate must come from this one, and say
                           WIRE_COORDINATOR_NAME */
    const char *cert_pem, *key_pem;
};

/* 0 stands for the default in each. */
struct agent_link_spec {
    const char *url;                  /* wire_check_url() must accept it */
    const struct agent_link_tls *tls; /* for a tls+tcp:// url */
    uint32_t reconnect_min_ms;        /* 1,000; the first dial comes at random within it */
    uint32_t reconnect_max_ms;        /* 60,000 */
    uint32_t listen_limit_ms;         /* 30,000; the coordinator answers within 20,000 */
    uint32_t request_limit_ms;        /* 10,000; for all other requests */
    uint32_t result_retry_ms;         /* 5,000; between tries of one result */
    uint32_t redial_ms; /* 30,000 above reconnect_max_ms; so long without a connection: the dialer
                           is made anew, since nng 1.5.2 may never dial again: over TLS after a
                           handshake that got stuck, and see common/nng_reset.h */
    agent_link_on_event *on_event;
    void *arg;
};

struct agent_link;

/* Starts dialling; a coordinator that is not there is no error, AGENT_LINK_UP comes when it is. */
enum error_code agent_link_open(const struct agent_link_spec *spec, struct agent_link **out,
                                struct error *err);
/* From now on under another certificate: a second connection is made under it, AGENT_LINK_UP comes
 * when it stands, and only then the first one ends. While that does not succeed the first goes on.
 * Any thread. */
enum error_code agent_link_renew(struct agent_link *link, const struct agent_link_tls *tls,
                                 struct error *err);
/* After it returned no event comes; what still waited is dropped. NULL is fine. Blocks until nng's
 * threads are done with the socket, 2 s at most: when a message arrives in the moment of closing,
 * nng 1.5.2 may never finish (common/nng_close.h). Its threads then stay; a program that ends
 * leaves by _exit after flushing. */
void agent_link_close(struct agent_link *link);

/* Opens the listen; an open one is given up for it, silently. Any thread, never blocks. The
 * message is copied. ERR_UNREACHABLE: not connected, wait for AGENT_LINK_UP. ERR_INVALID: does not
 * encode, the text names the field. */
enum error_code agent_link_listen(struct agent_link *link, const struct agent_message *message,
                                  struct error *err);

/* Queues anything but a listen, connected or not. Any thread, never blocks. The message is copied.
 * A result is settled by AGENT_LINK_ANSWER with COORDINATOR_ACK. ERR_INVALID as above; ERR_FULL:
 * too many results wait, send it again when one was acknowledged (it is in the journal). */
enum error_code agent_link_send(struct agent_link *link, const struct agent_message *message,
                                struct error *err);

enum agent_link_state { AGENT_LINK_STATE_DOWN, AGENT_LINK_STATE_UP };
enum agent_link_state agent_link_state(struct agent_link *link);

#endif

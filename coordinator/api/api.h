/* api.h - HTTP for operators on a unix socket, and HTTPS from afar: requests to the brain, answers
 * and events back.
 *
 * One thread of libmicrohttpd does the talking. A whole request is copied and delivered to the
 * brain, its connection waits (suspended); the brain answers and the connection goes on. Events go
 * to followers as server-sent events over a bounded queue each. Knows nothing of what a path means;
 * API.md does. Who asks is the user of the socket's peer; from afar nobody is known until the desk
 * has looked at the token in the request's Authorization header.
 *
 * All functions are for the brain thread, none blocks, but for api_open and api_close.
 */
#ifndef FARMHAND_COORDINATOR_API_H
#define FARMHAND_COORDINATOR_API_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_BODY_MAX       (256 * 1024) /* bytes of a request's body */
#define API_ACTOR_MAX      128
#define API_COMMENT_MS     15000 /* a stream that has nothing to say says so this often */
#define API_FOLLOW_PAGE    100   /* events to feed at once while a follower is behind */
#define API_OF_ONE_ADDRESS 16

struct api;

/* One request, lent to the brain from its delivery until api_answer, api_fed or api_drop. */
struct api_request {
    const char *method;
    const char *path;    /* decoded */
    const char *actor;   /* from afar: "" */
    bool far;            /* over HTTPS */
    const char *address; /* of who asks from afar, without a port; "" */
    const char *network; /* the same as door.h names it: 64 bits of an IPv6 address; "" */
    const char *bearer;  /* the token of "Authorization: Bearer ..."; "": none */
    /* The client's own certificate, DER, whose key it has proved to have; by whom it was signed is
     * not looked at here. NULL: it showed none. */
    const uint8_t *certificate;
    size_t certificate_len;
    const char *body; /* NUL-terminated, never NULL */
    size_t body_len;
    /* false: a new request. true: this one follows (api_follow was called) and has read what it was
     * fed: feed more, from fed_seq on. */
    bool hungry;
    uint64_t fed_seq;
    uint64_t run;       /* what api_follow was given */
    const char *server; /* "": any */
};
/* The value of ?name=..., NULL: not given. */
const char *api_arg(const struct api_request *request, const char *name);
/* The first ?name that is not among `known` (NULL-terminated); NULL: all are. */
const char *api_unknown_arg(const struct api_request *request, const char *const *known);

/* HTTPS: all lent for api_open. */
struct api_far {
    const char *listen; /* "0.0.0.0:7601", "[::]:7601" */
    const char *chain_pem, *key_pem;
    const char *ca_pem; /* whose clients' certificates are asked for; none has to be shown */
};

struct api_spec {
    const char *socket;
    const struct api_far *far; /* NULL: the socket alone */
    /* On the HTTP thread: hand it to the brain. false: no room, the client is told to come again
     * and the request is gone. */
    bool (*deliver)(void *arg, struct api_request *request);
    void *arg;
    uint32_t connections_max;    /* 0: 256; as many again from afar */
    uint32_t of_one_address_max; /* of them, from afar; 0: API_OF_ONE_ADDRESS */
    uint32_t followers_max;      /* 0: half of the connections */
    uint32_t idle_s;             /* a client that neither sends nor reads; 0: 30 */
    uint32_t request_ms; /* from afar: for handshake and request to be there whole; a sixth of it
                          * where an address, or all together, have many; 0: 60000 */
    size_t follower_queue_bytes; /* 0: 256 KiB */
};

/* Takes over a socket file that nobody listens on; ERR_EXISTS: somebody does, or it is no socket.
 */
enum error_code api_open(const struct api_spec *spec, struct api **out, struct error *err);
/* Everybody still waiting is told that the coordinator stops. Requests that were delivered and not
 * answered may only be dropped from here on. */
void api_close(struct api *a); /* NULL is fine */

/* Over HTTPS whoever connects from now on is shown this certificate; connections and streams that
 * stand go on. On failure nothing has changed. Without HTTPS there is nothing to do. */
enum error_code api_renew(struct api *a, const char *chain_pem, const char *key_pem,
                          struct error *err);

/* The port that api_far got; 0: none. */
uint16_t api_port(const struct api *a);

/* json is taken (malloc'd); the request ends. */
void api_answer(struct api *a, struct api_request *request, int status, char *json);
/* Without an answer; only after api_close (letters left in a mailbox). */
void api_drop(struct api_request *request);

/* The request becomes a stream of the events of run (0: any) and server ("": any). It stays lent:
 * feed it the events above `since`, then call api_fed. false: too many follow, 503 was answered and
 * the request ended. */
bool api_follow(struct api *a, struct api_request *request, uint64_t since, uint64_t run,
                const char *server);
/* Whose stream it is, for api_cut, and the moment at which it ends by itself (UINT64_MAX: never).
 */
void api_follow_as(struct api *a, struct api_request *request, const char *who, uint64_t until_ms);
/* Streams of that one end at until_ms, if not before. */
void api_follow_until(struct api *a, const char *who, uint64_t until_ms);
/* All streams of that one end now. */
void api_cut(struct api *a, const char *who);
void api_feed(struct api *a, struct api_request *request, uint64_t seq, const char *json);
/* The request ends for the brain. caught_up: from now on it gets what is published; else it is
 * delivered again, hungry, when the client has read what was fed. */
void api_fed(struct api *a, struct api_request *request, bool caught_up);

/* Whether anyone would get that event: if not, it need not be put into words. */
bool api_is_followed(struct api *a, uint64_t run, const char *server);
/* An event for all who follow its run and server. seq 0: it is not numbered. A follower whose queue
 * is full is cut: its last event is of type "cut" and says from where to follow again. */
void api_publish(struct api *a, uint64_t seq, uint64_t run, const char *server, const char *json);

/* Comment lines that are due, and the end of those who take too long; to be called each second or
 * so; when the next will be (UINT64_MAX: nobody follows). */
void api_on_time(struct api *a, uint64_t now_ms);
uint64_t api_wake_ms(struct api *a);

#endif

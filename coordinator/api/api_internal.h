/* api_internal.h - what api.c and api_follow.c share; nobody else includes it.
 *
 * A struct exchange is one HTTP request from its first header to the end of its answer, and, when
 * it follows, the queue of its stream. It has up to two owners, counted in refs: MHD's connection,
 * and the brain while the request is lent to it. All fields below `lock` in struct api and the
 * changing ones here are touched under api->lock.
 *
 * Suspending: only MHD's thread suspends, under the lock, and sets `suspended`. Only the brain
 * resumes: it clears `suspended` under the lock, which gives it the right to resume once, and calls
 * MHD after the lock, since MHD has locks of its own. MHD frees no suspended connection, so the
 * pointer is good until then. (microhttpd.h: suspend only from the access handler or the content
 * reader; never stop the daemon while a connection is suspended; a suspended connection has no
 * time-out, and its client's end is not noticed.)
 */
#ifndef FARMHAND_COORDINATOR_API_INTERNAL_H
#define FARMHAND_COORDINATOR_API_INTERNAL_H

#include "common/text.h"
#include "coordinator/api/api.h"
#include "coordinator/api/api_socket.h"
#include "coordinator/link/door.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#define API_ARGS_MAX          16
#define API_BEARER_MAX        256
#define API_CERT_MAX          8192
#define EXCHANGE_HEADER_BYTES (32 * 1024) /* MHD's memory per connection: headers and buffers */

/* One that came from afar, under api->lock. */
struct far_connection {
    struct api *api;
    int fd;
    uint64_t since_ms; /* it came, or has read its last answer */
    bool waits;        /* its request is there whole: for the brain, or the answer is on its way */
    struct door_address *at_door;
    struct far_connection *next, *prev;
};

struct exchange {
    struct api_request request; /* what the brain sees; first, so that it is found from there */
    struct api *api;
    struct MHD_Connection *connection;
    atomic_int refs;

    /* The request, written by MHD's thread before it is delivered. */
    char *method, *path;
    char actor[API_ACTOR_MAX];
    struct far_connection *from; /* NULL: at the socket */
    bool far;
    char address[64], network[DOOR_ADDRESS_MAX];
    char bearer[API_BEARER_MAX];
    uint8_t *certificate; /* NULL: none */
    size_t certificate_len;
    struct text body;
    struct {
        char *name, *value;
    } args[API_ARGS_MAX];
    size_t arg_count;
    int refused;             /* status, with a text: refused before it was delivered */
    const char *refused_why; /* static */
    bool begun;              /* the headers were seen */

    /* Under the lock. */
    bool suspended;
    bool lent; /* the brain has it */
    bool answered;
    int status;
    char *json;

    /* Followers, under the lock too. */
    bool follows, live, ended;
    struct text queue;     /* bytes of the stream */
    size_t queue_read;     /* of them, taken by MHD already */
    uint64_t last_push_ms; /* 0: not yet known */
    char server[256];
    char who[64];      /* whose stream it is; "": nobody's who could be cut off */
    uint64_t until_ms; /* it ends then; UINT64_MAX: not by itself */

    struct exchange *next, *prev; /* among api->all */
    struct exchange *next_resume; /* in a chain of those to resume; belongs to the brain */
    bool draining;                /* api_close waits for its end */
};

struct api {
    struct MHD_Daemon *daemon;
    struct MHD_Daemon *far; /* NULL: none */
    uint16_t port;          /* of far */
    struct api_own *own;    /* newest first, under the lock; api_far.c */
    char *far_ca;           /* NULL: nobody's certificate is asked for */
    struct door *door;      /* of connections from afar, under the lock; NULL: no far */
    struct far_connection *connections;
    struct api_socket socket;
    struct api_spec spec;
    pthread_mutex_t lock;
    pthread_cond_t drained; /* an exchange that api_close waits for has ended */
    bool stopping;
    struct exchange *all; /* every one whose connection is there */
    uint32_t follower_count;
    uint64_t now_ms; /* as of the last api_on_time */
};

struct exchange *exchange_of(const struct api_request *request);
void exchange_unref(struct exchange *x);
/* With the lock held: takes the right to resume into the chain, with a reference. */
void exchange_claim(struct exchange *x, struct exchange **chain);
/* Without the lock: resumes all of the chain. */
void exchange_resume(struct exchange *chain);

/* MHD's thread: a piece of a request from afar, and its end. */
enum MHD_Result exchange_on_far_access(void *arg, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *bytes, size_t *len, void **of_request);
void exchange_on_completed(void *arg, struct MHD_Connection *connection, void **of_request,
                           enum MHD_RequestTerminationCode why);

/* api_far.c. far_free: what a failed far_start left, too; after the daemon's end. far_of: NULL, not
 * from afar. far_turn, lock held: it begins or ends to wait for us. far_sweep, lock held. */
struct far_connection *far_of(struct MHD_Connection *connection);
void far_turn(struct far_connection *c, bool waits);
void far_sweep(struct api *a, uint64_t now_ms);
enum error_code far_start(struct api *a, const struct api_far *far, struct error *err);
void far_free(struct api *a);

/* api_follow.c. MHD's thread: queues the stream's response. */
enum MHD_Result follow_start(struct exchange *x);
/* Lock held: its stream ends with what is queued and this event. */
void follow_end(struct exchange *x, const char *type, const char *why);

#endif

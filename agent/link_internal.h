/* link_internal.h - what the files of the agent's link share; nobody else includes it.
 *
 *   link.c        requests and their answers, the pipe that carries them, life
 *   link_dial.c   who dials: dialers and their certificates
 *
 * What stands below `lock` is read and written under it, on any of nng's threads. The lock is not
 * held where nng may wait for a callback of ours: in closing a dialer.
 */
#ifndef FARMHAND_AGENT_LINK_INTERNAL_H
#define FARMHAND_AGENT_LINK_INTERNAL_H

#include "agent/link.h"
#include "agent/link_outbox.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/supplemental/util/platform.h>

#define LINK_URL_MAX 512

/* One request at a time, and what becomes of it. */
struct lane {
    struct agent_link *link;
    nng_ctx ctx;
    nng_aio *aio;
    uint64_t limit_ms;
    struct agent_message *message; /* being sent or waiting for its answer; NULL: idle */
    bool telling; /* what came of the last one; until that is done the next one waits */
    bool receiving;
    bool given_up; /* what comes is not waited for any more */
    bool hushed;   /* and its end is not told: the connection was replaced by a newer one */
    uint64_t deadline_ms;
};

struct agent_link {
    struct agent_link_spec spec;
    nng_socket socket;
    nng_dialer first;
    nng_aio *dial;  /* waits for the first dial */
    nng_aio *retry; /* waits until a result is due again */
    nng_aio *leave; /* waits, for no time, to end the dialer that was replaced */
    nng_aio *watch; /* looks now and then whether the dialer is stuck */
    char url[LINK_URL_MAX];

    nng_mtx *lock; /* what follows */
    bool closing;
    nng_tls_config *config;    /* of `dialer`; NULL: without TLS */
    uint64_t up_ms;            /* when it was last connected, or the dialer made */
    nng_dialer dialer, former; /* id 0: none; the former one ends once the other is connected */
    uint32_t pipe;             /* 0: down */
    uint32_t coming;           /* of the renewed certificate, about to take over; 0: none */
    uint64_t seq;
    struct lane listener, sender;
    struct agent_message *next_listen; /* for when the open one has been given up */
    struct link_outbox outbox;
    uint64_t retry_at_ms; /* UINT64_MAX: the retry timer rests */
};

/* link.c: gives the code. */
enum error_code link_nng_error(struct error *err, int rv, const char *what);

/* link_dial.c, in this order. Makes the timers of dialling, stopped and freed with the others. */
void link_dial_init(struct agent_link *link);
/* Makes the dialer that begins, by url and spec.tls, lent for the call. Gives nng's code. */
int link_dial_first(struct agent_link *link);
/* Dials at random within reconnect_min_ms, and from then on looks whether it got stuck. */
void link_dial_start(struct agent_link *link);

#endif

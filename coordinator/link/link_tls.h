/* link_tls.h - TLS of the agents' port: OpenSSL as an engine of nng, so that the peer can be named.
 *
 * nng 1.5.2 verifies certificates but cannot tell whose they are. Its engine interface is public
 * (nng/supplemental/tls/engine.h), and NNG_OPT_TLS_VERIFIED of a pipe calls the engine on the
 * calling thread: there ours tells the name as well. OpenSSL instead of nng's own mbedTLS engine,
 * since that one takes one lock for its random numbers and falls over when thousands reconnect.
 *
 * TLS 1.2 and 1.3, P-256 or X25519, authenticated ciphers with forward secrecy alone; no
 * compression, renegotiation, session cache or tickets: every connection proves itself afresh, so
 * that a removed agent is refused by its next handshake. Certificates name their server in one DNS
 * entry of subjectAltName (ca.h makes them so).
 *
 * A connection that never becomes a pipe would stay for ever: nng 1.5.2 gives such a one 10 s, and
 * then cancels in a way that has no effect while nothing is being sent or received (tls_cancel in
 * its tls_common.c). A peer that says nothing, or is reset in the wrong moment, would cost a
 * descriptor each. So the engine knows its connections, and link_tls_sweep ends what is overdue.
 *
 * The engine belongs to the whole process, once link_tls_config was called; it can dial too.
 */
#ifndef FARMHAND_COORDINATOR_LINK_TLS_H
#define FARMHAND_COORDINATOR_LINK_TLS_H

#include "coordinator/link/door.h"
#include "proto/messages.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include <stdbool.h>
#include <stdint.h>

/* What a certificate that our CA signed says. */
struct link_cert {
    char name[WIRE_NAME_MAX];
    int64_t issued_wall_ms; /* from its serial number; 0: it is none of ours */
};

struct link_tls {
    const char *ca_pem, *chain_pem, *key_pem; /* lent for the call that takes this */
    /* On nng's threads, in the handshake, of a certificate that the CA signed, that is for clients
     * and within its time. False: refused, the peer is told it is revoked. NULL: all are let in.
     * Asked again by link.c as the connection becomes a pipe, under a lock of its own. */
    bool (*admit)(void *arg, const struct link_cert *cert);
    void *arg;
    uint32_t of_one_address, handshakes; /* at once, before they are done: door.h; 0: as there */
};

/* A server's configuration. *out is the caller's: nng_tls_config_free. Gives nng's codes. */
int link_tls_config(const struct link_tls *tls, nng_tls_config **out);
/* Who is at the other end; false: not over TLS, or not verified. Any thread. */
bool link_tls_peer(nng_pipe pipe, struct link_cert *out);
/* Ends what came in limit_ms ago or earlier and has not been asked for by link_tls_peer since: no
 * pipe came of it. LINK_TLS_CROWDED_MS is enough for an address that has many, or when all have. */
#define LINK_TLS_CROWDED_MS 3000
void link_tls_sweep(uint64_t now_ms, uint64_t limit_ms);
/* Those who were sent away at the door, of all listeners, since this was last asked. */
struct link_tls_refused {
    uint64_t count;
    char last[DOOR_ADDRESS_MAX];
};
void link_tls_refused(struct link_tls_refused *out);
/* Connections that are no pipe yet. */
size_t link_tls_pending(void);

#endif

/* api_far.c - see api.h: the front from afar, over TLS.
 *
 * libmicrohttpd takes one certificate when it starts and cannot be given another. GnuTLS can, per
 * session: each connection gets what is newest as it begins. Former ones are kept until the end,
 * since sessions point to them; they are few, a certificate lives for years.
 */
#include "coordinator/api/api_internal.h"

#include "common/clock.h"
#include "common/must.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct api_own {
    struct api_own *former;
    gnutls_certificate_credentials_t credentials;
};

/* GnuTLS, as Debian builds libmicrohttpd. TLS 1.2 needs forward secrecy and an AEAD. */
#define FAR_PRIORITIES                                                                             \
    "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+ECDHE-ECDSA:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:"    \
    "+AEAD:+COMP-NULL:+GROUP-SECP256R1:+GROUP-X25519:+SIGN-ECDSA-SHA256:"                          \
    "+SIGN-ECDSA-SECP256R1-SHA256:%SERVER_PRECEDENCE:%SAFE_RENEGOTIATION"

static gnutls_datum_t datum_of(const char *pem)
{
    return (gnutls_datum_t){.data = (unsigned char *)(uintptr_t)pem, .size = (unsigned)strlen(pem)};
}

/* ca_pem NULL: nobody's certificate is asked for. */
static enum error_code make_own(const char *chain_pem, const char *key_pem, const char *ca_pem,
                                struct api_own **out, struct error *err)
{
    struct api_own *own = must_alloc(1, sizeof(*own));
    const gnutls_datum_t chain = datum_of(chain_pem), key = datum_of(key_pem);
    int rv = gnutls_certificate_allocate_credentials(&own->credentials);
    if (rv >= 0)
        rv = gnutls_certificate_set_x509_key_mem(own->credentials, &chain, &key,
                                                 GNUTLS_X509_FMT_PEM);
    if (rv >= 0 && ca_pem) {
        const gnutls_datum_t ca = datum_of(ca_pem);
        rv = gnutls_certificate_set_x509_trust_mem(own->credentials, &ca, GNUTLS_X509_FMT_PEM);
    }
    if (rv >= 0) {
        *out = own;
        return ERR_NONE;
    }
    if (own->credentials)
        gnutls_certificate_free_credentials(own->credentials);
    free(own);
    return error_set(err, ERR_CORRUPT, "the coordinator's own certificate: %s",
                     gnutls_strerror(rv));
}

/* ---- connections ---- */

/* MHD's thread: is there room for one more from there? It is counted when it stands, on this thread
 * as well. libmicrohttpd's own count of an address takes an IPv6 address whole. */
static enum MHD_Result on_accept(void *arg, const struct sockaddr *address, socklen_t len)
{
    struct api *a = arg;
    char name[DOOR_ADDRESS_MAX];
    (void)len;
    api_socket_network(address, name);
    pthread_mutex_lock(&a->lock);
    struct door_address *at = door_enter(a->door, name);
    if (at)
        door_leave(a->door, at);
    pthread_mutex_unlock(&a->lock);
    return at ? MHD_YES : MHD_NO;
}

/* Lock held. */
static struct far_connection *begin(struct api *a, struct MHD_Connection *connection)
{
    char name[DOOR_ADDRESS_MAX];
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *address =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct far_connection *c = must_alloc(1, sizeof(*c));
    *c = (struct far_connection){.api = a, .fd = fd ? fd->connect_fd : -1, .next = a->connections};
    c->since_ms = clock_boot_ms();
    api_socket_network(address ? address->client_addr : NULL, name);
    c->at_door = door_enter(a->door, name);
    if (a->connections)
        a->connections->prev = c;
    a->connections = c;
    return c;
}

/* Lock held; libmicrohttpd closes its descriptor after this. */
static void end(struct far_connection *c)
{
    struct api *a = c->api;
    if (c->at_door)
        door_leave(a->door, c->at_door);
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        a->connections = c->next;
    free(c);
}

/* MHD's thread, before the handshake and after the end. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct api *a = arg;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    pthread_mutex_lock(&a->lock);
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *context = begin(a, connection);
    if (what == MHD_CONNECTION_NOTIFY_STARTED && info && info->tls_session)
        gnutls_credentials_set(info->tls_session, GNUTLS_CRD_CERTIFICATE, a->own->credentials);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED && *context) {
        end(*context);
        *context = NULL;
    }
    pthread_mutex_unlock(&a->lock);
}

struct far_connection *far_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

void far_turn(struct far_connection *c, bool waits)
{
    if (!c)
        return;
    c->waits = waits;
    c->since_ms = clock_boot_ms();
}

/* Who sends a byte now and then is not idle, and would have its place for ever. */
void far_sweep(struct api *a, uint64_t now_ms)
{
    for (struct far_connection *c = a->connections; c; c = c->next) {
        bool crowded = c->at_door && door_is_crowded(a->door, c->at_door);
        uint64_t limit_ms = crowded ? a->spec.request_ms / 6 : a->spec.request_ms;
        if (!c->waits && now_ms >= c->since_ms && now_ms - c->since_ms >= limit_ms)
            shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees the end of it, and closes */
    }
}

static struct MHD_Daemon *start(struct api *a, const struct api_far *far, int fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TLS, 0, on_accept, a,
        exchange_on_far_access, a, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
        exchange_on_completed, a, MHD_OPTION_NOTIFY_CONNECTION, on_connection, a,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)a->spec.connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)a->spec.idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)EXCHANGE_HEADER_BYTES, MHD_OPTION_HTTPS_MEM_CERT, far->chain_pem,
        MHD_OPTION_HTTPS_MEM_KEY, far->key_pem, MHD_OPTION_HTTPS_PRIORITIES, FAR_PRIORITIES,
        far->ca_pem ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, far->ca_pem, MHD_OPTION_END);
}

enum error_code far_start(struct api *a, const struct api_far *far, struct error *err)
{
    struct api_far_socket s;
    enum error_code code = make_own(far->chain_pem, far->key_pem, far->ca_pem, &a->own, err);
    code = code ? code : api_socket_far(far->listen, &s, err);
    if (code)
        return code;
    a->far_ca = far->ca_pem ? must_copy(far->ca_pem) : NULL;
    a->door = door_new(a->spec.of_one_address_max, a->spec.connections_max);
    a->far = start(a, far, s.fd);
    if (a->far) {
        a->port = s.port;
        return ERR_NONE;
    }
    close(s.fd);
    return error_set(err, ERR_IO, "cannot start the HTTPS server on %s", far->listen);
}

enum error_code api_renew(struct api *a, const char *chain_pem, const char *key_pem,
                          struct error *err)
{
    struct api_own *own = NULL;
    if (!a->far)
        return ERR_NONE;
    enum error_code code = make_own(chain_pem, key_pem, a->far_ca, &own, err);
    if (code)
        return code;
    pthread_mutex_lock(&a->lock);
    own->former = a->own;
    a->own = own;
    pthread_mutex_unlock(&a->lock);
    return ERR_NONE;
}

void far_free(struct api *a)
{
    while (a->own) {
        struct api_own *own = a->own;
        a->own = own->former;
        gnutls_certificate_free_credentials(own->credentials);
        free(own);
    }
    door_free(a->door);
    free(a->far_ca);
}

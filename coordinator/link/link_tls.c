/* link_tls.c - see link_tls.h. What the functions of an engine must do stands in
 * nng/supplemental/tls/engine.h. */
#include "coordinator/link/link_tls.h"

#include "common/clock.h"
#include "common/text.h"
#include "coordinator/enrol/openssl.h"
#include "coordinator/link/door.h"

#include <nng/supplemental/tls/engine.h>

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CIPHERS_1_2                                                                                \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"
#define GROUPS     "P-256:X25519"
#define RECORD_MAX 16384
#define ISSUED_LEN 8 /* bytes of the serial number that tell the time of issue */

/* nng allocates both, zeroed, by the sizes in the tables at the end. */
struct nng_tls_engine_config {
    SSL_CTX *ctx;
    pthread_mutex_t own_lock; /* our certificate may change while connections are made */
    struct door *door;        /* under door_lock; NULL: it dials */
    bool server;
    char *name; /* of the server to be dialled */
    bool (*admit)(void *arg, const struct link_cert *cert);
    void *arg;
};

struct nng_tls_engine_conn {
    void *tls; /* nng's end of it; an nng_stream, see close_stream */
    SSL *ssl;
    struct nng_tls_engine_config *config;
    struct door_address *at_door; /* under door_lock; NULL: not, or not any more */
    atomic_bool stands;           /* it has become a pipe */

    struct nng_tls_engine_conn *next, *prev; /* among those that came in; under pending_lock */
    bool listed;
    atomic_bool ended; /* its time is up */
    uint64_t since_ms;
};

/* nng asks whether a peer is verified with its own lock of that connection held, and the sweep asks
 * nng with pending_lock held: so doors have a lock of their own, and nothing is called with that.
 */
static pthread_mutex_t door_lock = PTHREAD_MUTEX_INITIALIZER;
static struct link_tls_refused refused; /* under door_lock */
static pthread_mutex_t pending_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nng_tls_engine_conn *pending;
static nng_aio *prod; /* under pending_lock too */

/* nng passes nothing of ours to an engine: what a configuration is to know, and what a pipe is to
 * tell, is handed over on the thread that asks for it. */
static _Thread_local const struct link_tls *making;
static _Thread_local struct link_cert *telling;

static BIO_METHOD *bio_method;

/* ---- bytes: OpenSSL's BIO over nng's buffers ---- */

static int on_bio_write(BIO *bio, const char *bytes, int len)
{
    size_t size = (size_t)len;
    BIO_clear_retry_flags(bio);
    int rv = nng_tls_engine_send(BIO_get_data(bio), (const uint8_t *)bytes, &size);
    if (rv == NNG_EAGAIN)
        BIO_set_retry_write(bio);
    return rv == 0 ? (int)size : -1;
}

static int on_bio_read(BIO *bio, char *bytes, int len)
{
    size_t size = (size_t)len;
    BIO_clear_retry_flags(bio);
    int rv = nng_tls_engine_recv(BIO_get_data(bio), (uint8_t *)bytes, &size);
    if (rv == NNG_EAGAIN)
        BIO_set_retry_read(bio);
    return rv == 0 ? (int)size : -1;
}

static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int on_bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* ---- certificates ---- */

static void read_name(X509 *cert, struct link_cert *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    const GENERAL_NAME *first =
        sk_GENERAL_NAME_num(names) > 0 ? sk_GENERAL_NAME_value(names, 0) : NULL;
    out->name[0] = '\0';
    if (first && first->type == GEN_DNS) {
        const char *text = (const char *)ASN1_STRING_get0_data(first->d.dNSName);
        size_t len = (size_t)ASN1_STRING_length(first->d.dNSName);
        if (len < sizeof(out->name) && strlen(text) == len) /* no NUL within */
            text_copy(out->name, sizeof(out->name), text);
    }
    GENERAL_NAMES_free(names);
}

/* Serial numbers of our CA begin with the time of issue, see ca.h. */
static void read_issued(X509 *cert, struct link_cert *out)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    const uint8_t *bytes = ASN1_STRING_get0_data(serial);
    uint64_t issued = 0;
    int len = ASN1_STRING_length(serial);
    /* Leading zeros are not kept: the last eight bytes are the random ones. */
    for (int i = 0; i < len - ISSUED_LEN; i++)
        issued = issued << 8 | bytes[i];
    out->issued_wall_ms = issued <= INT64_MAX ? (int64_t)issued : 0;
}

static void read_cert(X509 *cert, struct link_cert *out)
{
    read_name(cert, out);
    read_issued(cert, out);
}

/* OpenSSL has judged; this adds who is let in. */
static int on_verify(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct nng_tls_engine_config *config = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct link_cert cert;
    if (!good || X509_STORE_CTX_get_error_depth(store) != 0 || !config->admit)
        return good;
    read_cert(X509_STORE_CTX_get_current_cert(store), &cert);
    if (config->admit(config->arg, &cert))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED);
    return 0;
}

/* ---- configurations ---- */

static int set_context(SSL_CTX *ctx)
{
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
                   SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
                   SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) == 1 &&
                   SSL_CTX_set1_groups_list(ctx, GROUPS) == 1
               ? 0
               : NNG_ECRYPTO;
}

static int config_init(nng_tls_engine_config *config, nng_tls_mode mode)
{
    config->server = mode == NNG_TLS_MODE_SERVER;
    if (pthread_mutex_init(&config->own_lock, NULL) != 0)
        return NNG_ENOMEM;
    config->ctx = SSL_CTX_new(config->server ? TLS_server_method() : TLS_client_method());
    if (!config->ctx)
        return NNG_ENOMEM;
    if (making) {
        config->admit = making->admit;
        config->arg = making->arg;
    }
    if (config->server)
        config->door =
            making ? door_new(making->of_one_address, making->handshakes) : door_new(0, 0);
    SSL_CTX_set_app_data(config->ctx, config);
    SSL_CTX_set_verify(config->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
    return set_context(config->ctx);
}

static void config_fini(nng_tls_engine_config *config)
{
    pthread_mutex_destroy(&config->own_lock);
    door_free(config->door);
    SSL_CTX_free(config->ctx);
    free(config->name);
}

static int config_server(nng_tls_engine_config *config, const char *name)
{
    free(config->name);
    config->name = strdup(name);
    return config->name ? 0 : NNG_ENOMEM;
}

/* Nothing but mutual TLS is spoken, whatever is asked for: nng asks for less at every listener that
 * it makes, before ours replaces its configuration. */
static int config_auth(nng_tls_engine_config *config, nng_tls_auth_mode mode)
{
    (void)config, (void)mode;
    return 0;
}

static int config_ca(nng_tls_engine_config *config, const char *pem, const char *crl)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool taken = cert && !crl &&
                 X509_STORE_add_cert(SSL_CTX_get_cert_store(config->ctx), cert) == 1 &&
                 SSL_CTX_add_client_CA(config->ctx, cert) == 1;
    X509_free(cert);
    BIO_free(bio);
    ERR_clear_error();
    return taken ? 0 : NNG_ECRYPTO;
}

/* What stands behind the first. NULL: no memory. */
static STACK_OF(X509) * read_above(BIO *bio)
{
    STACK_OF(X509) *above = sk_X509_new_null();
    X509 *cert;
    while (above && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (sk_X509_push(above, cert) <= 0)
            X509_free(cert);
    return above;
}

/* Once more while connections come in: those that stand keep what they began with, and a pair that
 * does not belong together changes nothing. */
static int config_own(nng_tls_engine_config *config, const char *chain, const char *key,
                      const char *password)
{
    BIO *chain_bio = BIO_new_mem_buf(chain, -1), *key_bio = BIO_new_mem_buf(key, -1);
    X509 *cert = chain_bio ? PEM_read_bio_X509(chain_bio, NULL, NULL, NULL) : NULL;
    STACK_OF(X509) *above = cert ? read_above(chain_bio) : NULL;
    EVP_PKEY *pkey =
        key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, (void *)(uintptr_t)password) : NULL;
    bool used = cert && above && pkey && X509_check_private_key(cert, pkey) == 1;
    pthread_mutex_lock(&config->own_lock);
    used = used && SSL_CTX_use_cert_and_key(config->ctx, cert, pkey, above, 1) == 1;
    pthread_mutex_unlock(&config->own_lock);
    sk_X509_pop_free(above, X509_free);
    X509_free(cert);
    EVP_PKEY_free(pkey);
    BIO_free(chain_bio);
    BIO_free(key_bio);
    ERR_clear_error();
    return used ? 0 : NNG_ECRYPTO;
}

static int config_version(nng_tls_engine_config *config, nng_tls_version min, nng_tls_version max)
{
    bool set = min >= NNG_TLS_1_2 && max >= min &&
               SSL_CTX_set_min_proto_version(config->ctx, min >= NNG_TLS_1_3 ? TLS1_3_VERSION
                                                                             : TLS1_2_VERSION) &&
               SSL_CTX_set_max_proto_version(config->ctx,
                                             max >= NNG_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    return set ? 0 : NNG_ENOTSUP;
}

/* ---- connections that came in ---- */

static void list_add(struct nng_tls_engine_conn *conn)
{
    pthread_mutex_lock(&pending_lock);
    conn->since_ms = clock_boot_ms();
    conn->next = pending;
    if (pending)
        pending->prev = conn;
    pending = conn;
    conn->listed = true;
    pthread_mutex_unlock(&pending_lock);
}

static void list_remove(struct nng_tls_engine_conn *conn)
{
    pthread_mutex_lock(&pending_lock);
    if (conn->listed) {
        if (conn->next)
            conn->next->prev = conn->prev;
        if (conn->prev)
            conn->prev->next = conn->next;
        else
            pending = conn->next;
        conn->listed = false;
    }
    pthread_mutex_unlock(&pending_lock);
}

/* What nng hands to an engine is its struct tls_conn, which begins with the stream (tls_common.c,
 * in all of 1.x). It is not closed from here: that would be told as NNG_ECLOSED, which the listener
 * takes for its own end, and nobody would be let in any more. Instead the engine is made to say
 * that time is up, to all who wait for it: nng asks it whenever something more is to be sent or
 * received.
 */
static void time_is_up(struct nng_tls_engine_conn *conn)
{
    uint8_t byte = 0;
    const nng_iov iov = {.iov_buf = &byte, .iov_len = 1};
    atomic_store(&conn->ended, true);
    nng_aio_set_iov(prod, 1, &iov);
    nng_stream_send((nng_stream *)conn->tls, prod);
    nng_aio_wait(prod); /* it has no callback: nng ends it right there */
    nng_aio_set_iov(prod, 1, &iov);
    nng_stream_recv((nng_stream *)conn->tls, prod);
    nng_aio_wait(prod);
}

static bool is_crowded(const struct nng_tls_engine_conn *c)
{
    pthread_mutex_lock(&door_lock);
    bool crowded = c->at_door && door_is_crowded(c->config->door, c->at_door);
    pthread_mutex_unlock(&door_lock);
    return crowded;
}

/* The lock keeps each from being freed meanwhile; nng tells the end on another thread. */
void link_tls_sweep(uint64_t now_ms, uint64_t limit_ms)
{
    pthread_mutex_lock(&pending_lock);
    for (struct nng_tls_engine_conn *c = pending; c; c = c->next) {
        uint64_t age_ms = now_ms - c->since_ms;
        if (!atomic_load(&c->ended) && !atomic_load(&c->stands) &&
            (age_ms >= limit_ms || (age_ms >= LINK_TLS_CROWDED_MS && is_crowded(c))))
            time_is_up(c);
    }
    pthread_mutex_unlock(&pending_lock);
}

void link_tls_refused(struct link_tls_refused *out)
{
    pthread_mutex_lock(&door_lock);
    *out = refused;
    refused.count = 0;
    pthread_mutex_unlock(&door_lock);
}

size_t link_tls_pending(void)
{
    size_t count = 0;
    pthread_mutex_lock(&pending_lock);
    for (const struct nng_tls_engine_conn *c = pending; c; c = c->next)
        count += !atomic_load(&c->stands);
    pthread_mutex_unlock(&pending_lock);
    return count;
}

/* ---- connections ---- */

static void name_of(void *tls, char out[DOOR_ADDRESS_MAX])
{
    nng_sockaddr sa = {0};
    if (nng_stream_get_addr(tls, NNG_OPT_REMADDR, &sa) != 0)
        sa.s_family = NNG_AF_UNSPEC;
    door_name(sa.s_family == NNG_AF_INET ? (const uint8_t *)&sa.s_in.sa_addr : NULL,
              sa.s_family == NNG_AF_INET6 ? sa.s_in6.sa_addr : NULL, out);
}

/* Too many of that address, or of all: it is sent away before it has cost anything. */
static bool enter_door(struct nng_tls_engine_conn *conn)
{
    char name[DOOR_ADDRESS_MAX];
    name_of(conn->tls, name);
    pthread_mutex_lock(&door_lock);
    conn->at_door = door_enter(conn->config->door, name);
    bool entered = conn->at_door != NULL;
    if (!entered) {
        refused.count++;
        text_copy(refused.last, sizeof(refused.last), name);
    }
    pthread_mutex_unlock(&door_lock);
    return entered;
}

static void leave_door(struct nng_tls_engine_conn *conn)
{
    pthread_mutex_lock(&door_lock);
    if (conn->at_door)
        door_leave(conn->config->door, conn->at_door);
    conn->at_door = NULL;
    pthread_mutex_unlock(&door_lock);
}

static int conn_init(nng_tls_engine_conn *conn, void *tls, nng_tls_engine_config *config)
{
    conn->tls = tls;
    conn->config = config;
    if (config->server && !enter_door(conn))
        return NNG_ECONNABORTED; /* after which a listener goes on at once, see nng's listener.c */
    pthread_mutex_lock(&config->own_lock);
    conn->ssl = SSL_new(config->ctx);
    pthread_mutex_unlock(&config->own_lock);
    BIO *bio = conn->ssl ? BIO_new(bio_method) : NULL;
    if (!bio)
        return NNG_ENOMEM;
    BIO_set_data(bio, tls);
    SSL_set_bio(conn->ssl, bio, bio);
    if (config->server)
        SSL_set_accept_state(conn->ssl);
    else
        SSL_set_connect_state(conn->ssl);
    if (!config->server && (!config->name || SSL_set1_host(conn->ssl, config->name) != 1 ||
                            SSL_set_tlsext_host_name(conn->ssl, config->name) != 1))
        return NNG_ECRYPTO; /* without a name anybody of the farm would do */
    if (config->server)
        list_add(conn);
    return 0;
}

static void conn_fini(nng_tls_engine_conn *conn)
{
    list_remove(conn);
    leave_door(conn);
    SSL_free(conn->ssl);
    conn->ssl = NULL;
}

static void conn_close(nng_tls_engine_conn *conn)
{
    if (conn->ssl && SSL_is_init_finished(conn->ssl))
        SSL_shutdown(conn->ssl);
    ERR_clear_error();
}

static int translate(nng_tls_engine_conn *conn, int result)
{
    int rv;
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        rv = NNG_EAGAIN;
        break;
    case SSL_ERROR_ZERO_RETURN:
    case SSL_ERROR_SYSCALL:
        rv = NNG_ECONNRESET; /* after which a listener goes on at once, see nng's listener.c */
        break;
    default:
        rv = SSL_is_init_finished(conn->ssl) ? NNG_ECRYPTO : NNG_EPEERAUTH;
    }
    ERR_clear_error();
    return rv;
}

static int conn_handshake(nng_tls_engine_conn *conn)
{
    if (atomic_load(&conn->ended))
        return NNG_ETIMEDOUT;
    ERR_clear_error();
    int result = SSL_do_handshake(conn->ssl);
    return result == 1 ? 0 : translate(conn, result);
}

static int conn_recv(nng_tls_engine_conn *conn, uint8_t *bytes, size_t *size)
{
    if (atomic_load(&conn->ended))
        return NNG_ETIMEDOUT;
    ERR_clear_error();
    int result = SSL_read(conn->ssl, bytes, *size > INT_MAX ? INT_MAX : (int)*size);
    if (result <= 0)
        return translate(conn, result);
    *size = (size_t)result;
    return 0;
}

static int conn_send(nng_tls_engine_conn *conn, const uint8_t *bytes, size_t *size)
{
    if (atomic_load(&conn->ended))
        return NNG_ETIMEDOUT;
    ERR_clear_error();
    int result = SSL_write(conn->ssl, bytes, *size > RECORD_MAX ? RECORD_MAX : (int)*size);
    if (result <= 0)
        return translate(conn, result);
    *size = (size_t)result;
    return 0;
}

/* nng asks under the connection's lock. */
static bool conn_verified(nng_tls_engine_conn *conn)
{
    X509 *cert = conn->ssl ? SSL_get0_peer_certificate(conn->ssl) : NULL;
    bool verified =
        cert && SSL_is_init_finished(conn->ssl) && SSL_get_verify_result(conn->ssl) == X509_V_OK;
    if (verified && telling) {
        read_cert(cert, telling);
        atomic_store(&conn->stands, true);
        leave_door(conn);
    }
    return verified;
}

/* ---- the engine ---- */

static nng_tls_engine_config_ops config_ops = {.size = sizeof(struct nng_tls_engine_config),
                                               .init = config_init,
                                               .fini = config_fini,
                                               .server = config_server,
                                               .auth = config_auth,
                                               .ca_chain = config_ca,
                                               .own_cert = config_own,
                                               .version = config_version};
static nng_tls_engine_conn_ops conn_ops = {.size = sizeof(struct nng_tls_engine_conn),
                                           .init = conn_init,
                                           .fini = conn_fini,
                                           .close = conn_close,
                                           .handshake = conn_handshake,
                                           .recv = conn_recv,
                                           .send = conn_send,
                                           .verified = conn_verified};
static nng_tls_engine engine = {.version = NNG_TLS_ENGINE_VERSION,
                                .config_ops = &config_ops,
                                .conn_ops = &conn_ops,
                                .name = "openssl",
                                .description = "OpenSSL that names the peer",
                                .fips_mode = false};
static int registered;

/* nng registers its own engine when it starts, and the last one counts: it is started first. */
static void register_engine(void)
{
    (void)nng_tls_engine_name();
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nng");
    registered = bio_method && nng_aio_alloc(&prod, NULL, NULL) == 0 &&
                         BIO_meth_set_write(bio_method, on_bio_write) == 1 &&
                         BIO_meth_set_read(bio_method, on_bio_read) == 1 &&
                         BIO_meth_set_ctrl(bio_method, on_bio_ctrl) == 1 &&
                         BIO_meth_set_create(bio_method, on_bio_create) == 1
                     ? nng_tls_engine_register(&engine)
                     : NNG_ENOMEM;
}

int link_tls_config(const struct link_tls *tls, nng_tls_config **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    nng_tls_config *config = NULL;
    pthread_once(&once, register_engine);
    int rv = registered;
    making = tls;
    rv = rv ? rv : nng_tls_config_alloc(&config, NNG_TLS_MODE_SERVER);
    making = NULL;
    rv = rv ? rv : nng_tls_config_ca_chain(config, tls->ca_pem, NULL);
    rv = rv ? rv : nng_tls_config_own_cert(config, tls->chain_pem, tls->key_pem, NULL);
    if (rv && config)
        nng_tls_config_free(config);
    if (!rv)
        *out = config;
    return rv;
}

bool link_tls_peer(nng_pipe pipe, struct link_cert *out)
{
    struct link_cert cert = {.name = ""};
    bool verified = false;
    telling = &cert;
    int rv = nng_pipe_get_bool(pipe, NNG_OPT_TLS_VERIFIED, &verified);
    telling = NULL;
    if (rv != 0 || !verified || cert.name[0] == '\0')
        return false;
    *out = cert;
    return true;
}

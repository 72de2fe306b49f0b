/* join_tls.c - see join_tls.h. */
#include "agent/join_tls.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "proto/pem.h"
#include "proto/url.h"

#include <mbedtls/base64.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 30000
#define REPLY_MAX  65536

struct connection {
    mbedtls_net_context net;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
};

static int random_bytes(void *arg, unsigned char *out, size_t len)
{
    (void)arg;
    return os_random(out, len, NULL) == ERR_NONE ? 0 : MBEDTLS_ERR_NET_INVALID_CONTEXT;
}

static enum error_code failed(struct error *err, enum error_code code, int rv, const char *what)
{
    char why[128] = "";
    mbedtls_strerror(rv, why, sizeof(why));
    return error_set(err, code, "%s: %s", what, why);
}

/* ---- who is there ---- */

static void fingerprint_of(const mbedtls_x509_crt *cert, uint8_t out[SHA256_BYTES])
{
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, cert->raw.p, cert->raw.len);
    sha256_end(&hash, out);
}

static const mbedtls_x509_crt *find_ca(const mbedtls_x509_crt *chain,
                                       const uint8_t fingerprint[SHA256_BYTES])
{
    uint8_t found[SHA256_BYTES];
    for (const mbedtls_x509_crt *c = chain; c; c = c->next) {
        fingerprint_of(c, found);
        if (memcmp(found, fingerprint, SHA256_BYTES) == 0)
            return c;
    }
    return NULL;
}

static char *pem_of(const mbedtls_x509_crt *cert)
{
    struct text out = {0};
    size_t len = 0;
    unsigned char *base64 = must_alloc(cert->raw.len * 2 + 8, 1);
    must(mbedtls_base64_encode(base64, cert->raw.len * 2 + 8, &len, cert->raw.p, cert->raw.len) ==
         0);
    pem_add(&out, PEM_CERTIFICATE, (const char *)base64);
    free(base64);
    return text_take(&out);
}

static enum error_code judge(mbedtls_x509_crt *chain, const uint8_t fingerprint[SHA256_BYTES],
                             char **ca_pem, struct error *err)
{
    const mbedtls_x509_crt *found = find_ca(chain, fingerprint);
    mbedtls_x509_crt ca;
    uint32_t flags = 0;
    if (!found)
        return error_set(err, ERR_DENIED,
                         "whoever answers there is not the coordinator that this token is from: "
                         "its CA is another one. Nothing was told to it");
    mbedtls_x509_crt_init(&ca);
    int rv = mbedtls_x509_crt_parse_der(&ca, found->raw.p, found->raw.len);
    rv = rv ? rv
            : mbedtls_x509_crt_verify(chain, &ca, NULL, WIRE_COORDINATOR_NAME, &flags, NULL, NULL);
    rv = rv ? rv
            : mbedtls_x509_crt_check_extended_key_usage(chain, MBEDTLS_OID_SERVER_AUTH,
                                                        MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
    mbedtls_x509_crt_free(&ca);
    if (flags & (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE))
        return error_set(
            err, ERR_DENIED,
            "the coordinator's certificate is not good at this time: is this machine's "
            "clock right?");
    if (rv != 0)
        return error_set(err, ERR_DENIED,
                         "whoever answers there belongs to the farm, but is not its coordinator");
    *ca_pem = pem_of(found);
    return ERR_NONE;
}

/* ---- the connection ---- */

static void connection_init(struct connection *c)
{
    mbedtls_net_init(&c->net);
    mbedtls_ssl_init(&c->ssl);
    mbedtls_ssl_config_init(&c->config);
}

static void connection_close(struct connection *c)
{
    mbedtls_ssl_close_notify(&c->ssl);
    mbedtls_ssl_free(&c->ssl);
    mbedtls_ssl_config_free(&c->config);
    mbedtls_net_free(&c->net);
}

/* Verification is optional here because it is done by judge(), against a CA that the other side has
 * yet to show. */
static int prepare(struct connection *c)
{
    int rv = mbedtls_ssl_config_defaults(&c->config, MBEDTLS_SSL_IS_CLIENT,
                                         MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (rv)
        return rv;
    mbedtls_ssl_conf_min_version(&c->config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_authmode(&c->config, MBEDTLS_SSL_VERIFY_OPTIONAL);
    mbedtls_ssl_conf_rng(&c->config, random_bytes, NULL);
    mbedtls_ssl_conf_read_timeout(&c->config, TIMEOUT_MS);
    rv = mbedtls_ssl_setup(&c->ssl, &c->config);
    rv = rv ? rv : mbedtls_ssl_set_hostname(&c->ssl, WIRE_COORDINATOR_NAME);
    mbedtls_ssl_set_bio(&c->ssl, &c->net, mbedtls_net_send, NULL, mbedtls_net_recv_timeout);
    return rv;
}

static enum error_code shake_hands(struct connection *c, struct error *err)
{
    int rv = prepare(c);
    while (rv == 0 && (rv = mbedtls_ssl_handshake(&c->ssl)) != 0 &&
           (rv == MBEDTLS_ERR_SSL_WANT_READ || rv == MBEDTLS_ERR_SSL_WANT_WRITE))
        rv = 0;
    return rv ? failed(err, ERR_UNREACHABLE, rv, "no TLS came about with the coordinator")
              : ERR_NONE;
}

static enum error_code send_all(struct connection *c, const char *bytes, struct error *err)
{
    size_t len = strlen(bytes), sent = 0;
    while (sent < len) {
        int rv = mbedtls_ssl_write(&c->ssl, (const unsigned char *)bytes + sent, len - sent);
        if (rv < 0 && rv != MBEDTLS_ERR_SSL_WANT_READ && rv != MBEDTLS_ERR_SSL_WANT_WRITE)
            return failed(err, ERR_UNREACHABLE, rv, "the request could not be sent");
        sent += rv > 0 ? (size_t)rv : 0;
    }
    return ERR_NONE;
}

static enum error_code read_all(struct connection *c, char **out, size_t *out_len,
                                struct error *err)
{
    char *bytes = must_alloc(REPLY_MAX + 1, 1);
    size_t len = 0;
    int rv = 1;
    while (len < REPLY_MAX) {
        rv = mbedtls_ssl_read(&c->ssl, (unsigned char *)bytes + len, REPLY_MAX - len);
        if (rv == MBEDTLS_ERR_SSL_WANT_READ || rv == MBEDTLS_ERR_SSL_WANT_WRITE)
            continue;
        if (rv <= 0)
            break;
        len += (size_t)rv;
    }
    bool ended =
        rv == 0 || rv == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || rv == MBEDTLS_ERR_SSL_CONN_EOF;
    if (!ended) {
        free(bytes);
        return rv > 0 ? error_set(err, ERR_CORRUPT, "the coordinator's answer is too long")
                      : failed(err, ERR_UNREACHABLE, rv, "no answer came");
    }
    bytes[len] = '\0';
    *out = bytes;
    *out_len = len;
    return ERR_NONE;
}

enum error_code join_exchange(const char *host, const char *port,
                              const uint8_t fingerprint[SHA256_BYTES], const char *request,
                              char **reply, size_t *reply_len, char **ca_pem, struct error *err)
{
    struct connection c;
    char *ca = NULL;
    connection_init(&c);
    int rv = mbedtls_net_connect(&c.net, host, port, MBEDTLS_NET_PROTO_TCP);
    enum error_code code = rv ? failed(err, ERR_UNREACHABLE, rv, "nobody answers there") : ERR_NONE;
    code = code ? code : shake_hands(&c, err);
    code = code ? code
                : judge((mbedtls_x509_crt *)(uintptr_t)mbedtls_ssl_get_peer_cert(&c.ssl),
                        fingerprint, &ca, err);
    code = code ? code : send_all(&c, request, err);
    code = code ? code : read_all(&c, reply, reply_len, err);
    if (code)
        error_wrap(err, "%s port %s", host, port);
    connection_close(&c);
    if (code)
        free(ca);
    else
        *ca_pem = ca;
    return code;
}

enum error_code join_fingerprint(const char *ca_pem, uint8_t out[SHA256_BYTES], struct error *err)
{
    mbedtls_x509_crt ca;
    mbedtls_x509_crt_init(&ca);
    int rv = mbedtls_x509_crt_parse(&ca, (const unsigned char *)ca_pem, strlen(ca_pem) + 1);
    if (rv == 0)
        fingerprint_of(&ca, out);
    mbedtls_x509_crt_free(&ca);
    return rv ? failed(err, ERR_CORRUPT, rv, "the CA's certificate cannot be read") : ERR_NONE;
}

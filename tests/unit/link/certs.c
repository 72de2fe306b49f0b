/* certs.c - see certs.h. */
#include "tests/unit/link/certs.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/enrol/openssl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define AT_A_TIME 200

struct ca *certs_farm(void)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", NULL};
    char dir[] = "/tmp/farmhand-ca-XXXXXX", command[64];
    struct error err = {0};
    struct ca *ca = NULL;
    must(mkdtemp(dir) != NULL);
    if (ca_make(dir, hosts, clock_wall_ms(), &err) != ERR_NONE ||
        ca_open(dir, 0, clock_wall_ms(), &ca, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    must(system(command) == 0);
    return ca;
}

static char *take_text(BIO *bio)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = must_alloc((size_t)len + 1, 1);
    memcpy(text, bytes, (size_t)len);
    BIO_free(bio);
    return text;
}

void certs_request(char **key_pem, char **request_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    BIO *key_bio = BIO_new(BIO_s_mem()), *bio = BIO_new(BIO_s_mem());
    must(key && request && X509_REQ_set_pubkey(request, key) == 1 &&
         X509_REQ_sign(request, key, EVP_sha256()) > 0);
    must(PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    must(PEM_write_bio_X509_REQ(bio, request) == 1);
    *key_pem = take_text(key_bio);
    *request_pem = take_text(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
}

static struct certs make(const struct ca *ca, const char *name, uint64_t life_ms, bool operator)
{
    struct certs c = {NULL, NULL};
    struct ca_issued issued;
    struct error err = {0};
    char *request;
    certs_request(&c.key_pem, &request);
    int64_t now_ms = clock_wall_ms();
    enum error_code code = operator
                               ? ca_sign_operator(ca, request, name, life_ms, now_ms, &issued, &err)
                               : ca_sign(ca, request, name, life_ms, now_ms, 0, &issued, &err);
    if (code != ERR_NONE)
        fail_msg("%s", err.text);
    c.cert_pem = issued.pem;
    free(request);
    return c;
}

struct certs certs_make(const struct ca *ca, const char *name, uint64_t life_ms)
{
    return make(ca, name, life_ms, false);
}

struct certs certs_make_operator(const struct ca *ca, const char *name, uint64_t life_ms)
{
    return make(ca, name, life_ms, true);
}

void certs_free(struct certs *c)
{
    free(c->cert_pem);
    free(c->key_pem);
    *c = (struct certs){NULL, NULL};
}

/* ---- peers ---- */

static SSL_CTX *context(const struct certs *own, const char *ca_pem)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    BIO *cert_bio = BIO_new_mem_buf(own->cert_pem, -1),
        *key_bio = BIO_new_mem_buf(own->key_pem, -1);
    BIO *ca_bio = BIO_new_mem_buf(ca_pem, -1);
    X509 *cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
    X509 *root = PEM_read_bio_X509(ca_bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    must(ctx && SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
         X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root) == 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    EVP_PKEY_free(key);
    X509_free(cert);
    X509_free(root);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    BIO_free(ca_bio);
    return ctx;
}

int certs_connect(const char *url)
{
    return certs_connect_from(url, 1);
}

int certs_connect_from(const char *url, unsigned host)
{
    const char *colon = strrchr(url, ':');
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(0x7f000000 + host)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0);
    must(host == 1 || bind(fd, (const struct sockaddr *)&from, sizeof(from)) == 0);
    for (int i = 0; connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0; i++) {
        must(i < 1000); /* the backlog is full */
        clock_sleep_ms(10);
    }
    return fd;
}

int certs_listen(char *url, size_t size_bytes)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    must(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 8) == 0);
    must(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    snprintf(url, size_bytes, "tls+tcp://127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

int certs_accept(int listening)
{
    int fd = accept(listening, NULL, NULL);
    must(fd >= 0);
    return fd;
}

static void reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

static size_t client_hello(char *bytes, size_t size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    must(ctx && ssl && in && out);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    must(SSL_do_handshake(ssl) != 1); /* it waits for the answer */
    int len = BIO_read(out, bytes, (int)size);
    must(len > 0 && (size_t)len < size);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return (size_t)len;
}

/* By a child, which holds its parent still. Only system calls. */
void certs_vanish(const char *url, bool tls, size_t count)
{
    char hello[4096];
    size_t len = tls ? client_hello(hello, sizeof(hello)) : 0;
    int status = 0;
    pid_t parent = getpid(), child = fork();
    must(child >= 0);
    if (child == 0) {
        bool well = kill(parent, SIGSTOP) == 0;
        for (size_t i = 0; i < count; i++) {
            int fd = certs_connect_from(url, 2 + (unsigned)i); /* none is one too many of its own */
            well = well && send(fd, hello, len, MSG_NOSIGNAL) == (ssize_t)len &&
                   shutdown(fd, SHUT_WR) == 0;
            reset(fd);
        }
        kill(parent, SIGCONT);
        _exit(well ? 0 : 1);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The header of a REQ socket, see nng's sp.c: "\0SP\0", the protocol 48, two zeros. */
static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 48, 0, 0};
static const uint8_t half_a_message[12] = {0, 0, 0, 0, 0, 0, 0, 100, 0x80, 0, 0, 1};

void certs_drop(const char *url, const struct certs *own, const char *ca_pem, size_t count)
{
    SSL_CTX *ctx = context(own, ca_pem);
    for (size_t i = 0; i < count; i++) {
        uint8_t answer[8];
        int fd = certs_connect(url);
        SSL *ssl = SSL_new(ctx);
        must(ssl && SSL_set_fd(ssl, fd) == 1);
        if (SSL_connect(ssl) != 1 || SSL_write(ssl, hello, sizeof(hello)) != sizeof(hello) ||
            SSL_read(ssl, answer, sizeof(answer)) != sizeof(answer))
            fail_msg("connection %zu did not come about", i);
        if (i % 4 == 3)
            SSL_write(ssl, half_a_message, sizeof(half_a_message));
        if (i % 2)
            reset(fd);
        else
            close(fd);
        SSL_free(ssl);
    }
    SSL_CTX_free(ctx);
}

bool certs_shakes_from(const char *url, unsigned host, const struct certs *own, const char *ca_pem,
                       char out[65])
{
    SSL_CTX *ctx = context(own, ca_pem);
    SSL *ssl = SSL_new(ctx);
    uint8_t digest[32];
    unsigned len = sizeof(digest);
    int fd = certs_connect_from(url, host);
    must(ssl && SSL_set_fd(ssl, fd) == 1);
    bool shook = SSL_connect(ssl) == 1;
    if (shook) {
        must(X509_digest(SSL_get0_peer_certificate(ssl), EVP_sha256(), digest, &len) == 1);
        text_to_hex(out, digest, len);
    }
    close(fd);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return shook;
}

void certs_shown(const char *url, const struct certs *own, const char *ca_pem, char out[65])
{
    if (!certs_shakes_from(url, 1, own, ca_pem, out))
        fail_msg("there was no handshake");
}

static size_t crowd(const char *url, size_t count, SSL_CTX *ctx)
{
    SSL *all[AT_A_TIME];
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        all[i] = SSL_new(ctx);
        must(all[i] && SSL_set_fd(all[i], certs_connect(url)) == 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (i % 3 == 2) {
            (void)!write(SSL_get_fd(all[i]), "\x16\x03\x01\x02\x00\x01", 6);
            continue;
        }
        done += SSL_connect(all[i]) == 1;
    }
    for (size_t i = 0; i < count; i++) {
        close(SSL_get_fd(all[i]));
        SSL_free(all[i]);
    }
    return done;
}

void certs_storm(const char *url, size_t count, const struct certs *own, const char *ca_pem)
{
    SSL_CTX *ctx = context(own, ca_pem);
    size_t done = 0, asked = 0;
    for (size_t left = count; left > 0;) {
        size_t now = left < AT_A_TIME ? left : AT_A_TIME;
        done += crowd(url, now, ctx);
        asked += now - now / 3;
        left -= now;
    }
    SSL_CTX_free(ctx);
    if (done != asked)
        fail_msg("%zu of %zu handshakes came about", done, asked);
}

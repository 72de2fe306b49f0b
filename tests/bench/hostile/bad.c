/* bad.c - one agent that was taken over, and strangers: what they can do to a coordinator.
 *
 *     bench-bad MODE URL HTTPS_PORT DIR      its identity in DIR/identity; until SIGTERM
 *
 * Modes, each as fast as it goes:
 *   reports     small messages that decode, over four connections, no answer is read
 *   huge        the same with reports of almost the most a message may be
 *   junk        bytes that are no message
 *   handshakes  TLS handshakes with its certificate, 16 at a time, closed at once
 *   strangers   TLS handshakes without a certificate
 *   half-open   3,000 connections to the agents' port that never say a word
 *   door        500 such from one address that is not the others' (127.0.0.2)
 *   https-door  the same at the operators' port
 *   tokens      wrong tokens over HTTPS, 16 connections
 */
#include "agent/identity.h"
#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/enrol/openssl.h"
#include "proto/codec.h"
#include "proto/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 4
#define AT_ONCE     16
#define HALF_OPEN   3000
#define AT_THE_DOOR 500
#define ROWS        3500 /* workers of a report that is almost 1 MiB */

static struct identity id;
static const char *url;
static unsigned https_port;

/* From 127.0.0.HOST: only the first is this machine's own for the coordinator's limits. */
static int connect_from(unsigned host, unsigned port)
{
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(0x7f000000 + host)};
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = 20};
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if ((host == 1 || bind(fd, (const struct sockaddr *)&from, sizeof(from)) == 0) &&
        connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int connect_to(unsigned port)
{
    return connect_from(1, port);
}

static unsigned agents_port(void)
{
    return (unsigned)strtoul(strrchr(url, ':') + 1, NULL, 10);
}

/* ---- messages ---- */

static void make_report(size_t rows, uint8_t **bytes, size_t *len)
{
    char name[WIRE_NAME_MAX];
    struct worker *workers = must_alloc(rows + 1, sizeof(*workers));
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (size_t i = 0; i < rows; i++)
        workers[i] = (struct worker){.pool = name, .pid = (uint32_t)i + 1, .created = i + 1};
    struct agent_message m = {.version = WIRE_VERSION,
                              .agent = id.name,
                              .kind = AGENT_REPORT,
                              .incarnation = {{9}},
                              .boot = {{9}},
                              .start_no = 1,
                              .seq = 1};
    m.report.state = (struct state){
        .config_identity = "own", .trouble = "", .workers = workers, .worker_count = rows};
    struct error err = {0};
    if (codec_encode_agent(&m, bytes, len, &err) != ERR_NONE) {
        fprintf(stderr, "bench-bad: %s\n", err.text);
        _exit(1);
    }
    free(workers);
}

static nng_socket dial(void)
{
    nng_socket s;
    nng_dialer dialer;
    nng_tls_config *config;
    must(nng_req0_open_raw(&s) == 0 && nng_dialer_create(&dialer, s, url) == 0);
    must(nng_tls_config_alloc(&config, NNG_TLS_MODE_CLIENT) == 0);
    must(nng_tls_config_server_name(config, WIRE_COORDINATOR_NAME) == 0);
    must(nng_tls_config_ca_chain(config, id.ca_pem, NULL) == 0);
    must(nng_tls_config_own_cert(config, id.cert_pem, id.key_pem, NULL) == 0);
    must(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config) == 0);
    must(nng_dialer_start(dialer, NNG_FLAG_NONBLOCK) == 0);
    return s;
}

struct flood {
    const uint8_t *bytes;
    size_t len;
};

static void *pour(void *arg)
{
    const struct flood *f = arg;
    nng_socket s = dial();
    for (uint32_t n = 1;; n++) {
        nng_msg *msg;
        must(nng_msg_alloc(&msg, 0) == 0 && nng_msg_append(msg, f->bytes, f->len) == 0);
        must(nng_msg_header_append_u32(msg, n | 0x80000000u) == 0); /* of REQ: which request */
        if (nng_sendmsg(s, msg, 0) != 0)
            nng_msg_free(msg);
    }
    return NULL;
}

static void flood(size_t rows, bool junk)
{
    static struct flood f;
    uint8_t *bytes = NULL;
    pthread_t threads[CONNECTIONS];
    make_report(rows, &bytes, &f.len);
    for (size_t i = 0; junk && i < f.len; i++)
        bytes[i] = (uint8_t)(i * 37);
    f.bytes = bytes;
    for (size_t i = 0; i < CONNECTIONS; i++)
        must(pthread_create(&threads[i], NULL, pour, &f) == 0);
    pause();
}

/* ---- handshakes ---- */

static SSL_CTX *context(bool with_certificate)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    BIO *cert = BIO_new_mem_buf(id.cert_pem, -1), *key = BIO_new_mem_buf(id.key_pem, -1);
    must(ctx != NULL);
    if (with_certificate)
        must(SSL_CTX_use_certificate(ctx, PEM_read_bio_X509(cert, NULL, NULL, NULL)) == 1 &&
             SSL_CTX_use_PrivateKey(ctx, PEM_read_bio_PrivateKey(key, NULL, NULL, NULL)) == 1);
    BIO_free(cert);
    BIO_free(key);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    return ctx;
}

static void *shake(void *arg)
{
    for (;;) {
        int fd = connect_to(agents_port());
        SSL *ssl = SSL_new(arg);
        if (fd >= 0) {
            SSL_set_fd(ssl, fd);
            (void)SSL_connect(ssl);
            close(fd);
        } else {
            usleep(1000);
        }
        SSL_free(ssl);
    }
    return NULL;
}

static void *guess(void *arg)
{
    static const char request[] = "GET /v1/status HTTP/1.1\r\nHost: f\r\nAuthorization: Bearer "
                                  "fho1.AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAAAAAA\r\n\r\n";
    char answer[4096];
    for (;;) {
        int fd = connect_to(https_port);
        SSL *ssl = SSL_new(arg);
        if (fd >= 0) {
            SSL_set_fd(ssl, fd);
            if (SSL_connect(ssl) == 1)
                while (SSL_write(ssl, request, sizeof(request) - 1) > 0 &&
                       SSL_read(ssl, answer, sizeof(answer)) > 0)
                    ;
            close(fd);
        } else {
            usleep(1000);
        }
        SSL_free(ssl);
    }
    return NULL;
}

static void many(void *(*what)(void *), bool with_certificate)
{
    pthread_t threads[AT_ONCE];
    SSL_CTX *ctx = context(with_certificate);
    for (size_t i = 0; i < AT_ONCE; i++)
        must(pthread_create(&threads[i], NULL, what, ctx) == 0);
    pause();
}

/* Those that are closed are opened again. */
static void half_open(size_t count, unsigned host, unsigned port)
{
    static struct pollfd all[HALF_OPEN];
    const struct rlimit files = {HALF_OPEN + 64, HALF_OPEN + 64};
    must(setrlimit(RLIMIT_NOFILE, &files) == 0);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct pollfd){.fd = connect_from(host, port), .events = POLLIN};
    for (;;) {
        poll(all, count, 1000);
        for (size_t i = 0; i < count; i++) {
            if (all[i].fd >= 0 && !all[i].revents)
                continue;
            if (all[i].fd >= 0)
                close(all[i].fd);
            all[i].fd = connect_from(host, port);
        }
    }
}

int main(int argc, char **argv)
{
    struct error err = {0};
    if (argc != 5) {
        fprintf(stderr, "usage: bench-bad MODE URL HTTPS_PORT DIR\n");
        return 2;
    }
    const char *mode = argv[1];
    url = argv[2];
    https_port = (unsigned)strtoul(argv[3], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    if (identity_read(argv[4], &id, &err) != ERR_NONE) {
        fprintf(stderr, "bench-bad: %s\n", err.text);
        return 1;
    }
    if (text_equal(mode, "reports"))
        flood(1, false);
    else if (text_equal(mode, "huge"))
        flood(ROWS, false);
    else if (text_equal(mode, "junk"))
        flood(100, true);
    else if (text_equal(mode, "handshakes"))
        many(shake, true);
    else if (text_equal(mode, "strangers"))
        many(shake, false);
    else if (text_equal(mode, "half-open"))
        half_open(HALF_OPEN, 1, agents_port());
    else if (text_equal(mode, "door"))
        half_open(AT_THE_DOOR, 2, agents_port());
    else if (text_equal(mode, "https-door"))
        half_open(AT_THE_DOOR, 2, https_port);
    else if (text_equal(mode, "tokens"))
        many(guess, false);
    fprintf(stderr, "bench-bad: no mode is called %s\n", mode);
    return 2;
}

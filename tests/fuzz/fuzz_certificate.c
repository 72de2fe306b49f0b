/* fuzz_certificate.c - certificates and signing requests that somebody has changed.
 *
 * An input is a list of edits to a good one, so that it fits whatever keys were made: its first
 * byte says which (c: a certificate for the agent, r: a request for the CA), then four bytes each:
 * where (two), what is done there (set, cut from here, doubled), and with which byte.
 *
 * The agent takes no certificate but what its CA signed: the signed part is in it, byte by byte. A
 * request is taken or refused with a reason, and gives the key that signed it.
 */
#include "fuzz.h"

#include "agent/identity.h"
#include "common/keypair.h"
#include "common/must.h"
#include "coordinator/enrol/ca.h"
#include "coordinator/enrol/openssl.h"
#include "proto/pem.h"
#include "tests/unit/link/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DER_MAX 4096
#define EDIT    4

struct der {
    uint8_t bytes[DER_MAX];
    size_t len;
};

static struct identity mine;
static struct der certificate, request;
static uint8_t *signed_part;
static int signed_len;

/* ---- good ones, made once ---- */

static void keep_certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    uint8_t *to = certificate.bytes;
    must(cert && i2d_X509(cert, NULL) <= DER_MAX);
    certificate.len = (size_t)i2d_X509(cert, &to);
    signed_len = i2d_re_X509_tbs(cert, &signed_part);
    must(signed_len > 0);
    X509_free(cert);
    BIO_free(bio);
}

static void keep_request(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    uint8_t *to = request.bytes;
    must(req && i2d_X509_REQ(req, NULL) <= DER_MAX);
    request.len = (size_t)i2d_X509_REQ(req, &to);
    X509_REQ_free(req);
    BIO_free(bio);
}

static void begin(void)
{
    struct ca *ca = certs_farm();
    struct error err = {0};
    struct ca_issued issued;
    struct identity_cert times;
    char *request_pem;
    mine = (struct identity){.name = must_copy("web01"),
                             .coordinator = must_copy("tls+tcp://h:1"),
                             .ca_pem = must_copy(ca_pem(ca))};
    must(keypair_make("web01", &mine.key_pem, &request_pem, &err) == ERR_NONE);
    must(ca_sign(ca, request_pem, "web01", 3600000, 1790000000000, 0, &issued, &err) == ERR_NONE);
    mine.cert_pem = issued.pem;
    must(identity_check(&mine, &times, &err) == ERR_NONE);
    keep_certificate(mine.cert_pem);
    keep_request(request_pem);
    free(request_pem);
    ca_close(ca);
}

/* ---- changed ones ---- */

static void edit(struct der *d, const uint8_t *how)
{
    size_t at = ((size_t)how[0] << 8 | how[1]) % (d->len ? d->len : 1);
    if (d->len == 0)
        return;
    switch (how[2] % 4) {
    case 0:
        d->bytes[at] = how[3];
        break;
    case 1:
        d->len = at;
        break;
    case 2: /* without so many bytes */
        at = at + how[3] < d->len ? at : 0;
        d->len -= how[3] < d->len ? how[3] : 0;
        memmove(d->bytes + at, d->bytes + at + how[3], d->len - at);
        break;
    default:
        if (d->len + how[3] > DER_MAX || at + how[3] > d->len)
            return;
        memmove(d->bytes + at + how[3], d->bytes + at, d->len - at);
        d->len += how[3];
    }
}

static char *pem_of(const struct der *d, const char *kind)
{
    static char base64[2 * DER_MAX];
    struct text pem = {0};
    EVP_EncodeBlock((unsigned char *)base64, d->bytes, (int)d->len);
    pem_add(&pem, kind, base64);
    return text_take(&pem);
}

static void judge_certificate(const struct der *d)
{
    struct identity changed = mine;
    struct identity_cert times;
    struct error err = {0};
    changed.cert_pem = pem_of(d, PEM_CERTIFICATE);
    if (identity_check(&changed, &times, &err) == ERR_NONE)
        must(memmem(d->bytes, d->len, signed_part, (size_t)signed_len) != NULL);
    else
        must(err.text[0]);
    free(changed.cert_pem);
}

static void judge_request(const struct der *d)
{
    uint8_t hash[SHA256_BYTES];
    struct error err = {0};
    char *pem = pem_of(d, PEM_REQUEST);
    if (ca_request_read(pem, hash, &err) != ERR_NONE)
        must(err.code == ERR_INVALID && err.text[0]);
    free(pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct der changed;
    if (!mine.name)
        begin();
    if (size == 0)
        return 0;
    changed = data[0] == 'c' ? certificate : request;
    for (size_t at = 1; at + EDIT <= size; at += EDIT)
        edit(&changed, data + at);
    if (data[0] == 'c')
        judge_certificate(&changed);
    else
        judge_request(&changed);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    static const uint8_t seeds[][1 + 2 * EDIT] = {
        {'c', 0, 0, 0, 0x30, 0, 0, 0, 0x30}, /* nothing changes */
        {'r', 0, 0, 0, 0x30, 0, 0, 0, 0x30}, {'c', 1, 0, 0, 0x7f, 0, 4, 0, 0x30},
        {'r', 0, 90, 1, 0, 0, 20, 2, 3},     {'c', 0, 40, 3, 5, 0, 2, 0, 0xff},
    };
    if (n >= sizeof(seeds) / sizeof(seeds[0]))
        return NULL;
    *size = sizeof(seeds[0]);
    uint8_t *copy = must_alloc(*size, 1);
    memcpy(copy, seeds[n], *size);
    return copy;
}

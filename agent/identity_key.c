/* identity_key.c - see identity.h: keys, requests and certificates, over mbedTLS 2.28. */
#include "agent/identity.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include <stdlib.h>
#include <string.h>

#define PEM_MAX    4096
#define COMMON_MAX 64 /* bytes of a common name, RFC 5280 appendix A */

static enum error_code mbedtls_failed(struct error *err, int rv, const char *what)
{
    char why[128] = "";
    mbedtls_strerror(rv, why, sizeof(why));
    return error_set(err, ERR_IO, "%s: %s (mbedTLS -0x%04x)", what, why, (unsigned)-rv);
}

/* The kernel's random bytes, for mbedTLS. */
static int random_bytes(void *arg, unsigned char *out, size_t len)
{
    (void)arg;
    return os_random(out, len, NULL) == ERR_NONE ? 0 : MBEDTLS_ERR_ECP_RANDOM_FAILED;
}

/* ---- a key and its request ---- */

static int make_pk(mbedtls_pk_context *pk)
{
    int rv = mbedtls_pk_setup(pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    return rv ? rv
              : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*pk), random_bytes,
                                    NULL);
}

static int write_request(mbedtls_pk_context *pk, const char *name, char out[PEM_MAX])
{
    char common[COMMON_MAX + 1], subject[COMMON_MAX + 8];
    mbedtls_x509write_csr csr;
    text_copy(common, sizeof(common), name); /* the coordinator goes by what it was told instead */
    text_format(subject, sizeof(subject), "CN=%s", common);
    mbedtls_x509write_csr_init(&csr);
    mbedtls_x509write_csr_set_md_alg(&csr, MBEDTLS_MD_SHA256);
    mbedtls_x509write_csr_set_key(&csr, pk);
    int rv = mbedtls_x509write_csr_set_subject_name(&csr, subject);
    rv = rv ? rv
            : mbedtls_x509write_csr_pem(&csr, (unsigned char *)out, PEM_MAX, random_bytes, NULL);
    mbedtls_x509write_csr_free(&csr);
    return rv;
}

enum error_code identity_make_key(const char *name, char **key_pem, char **request_pem,
                                  struct error *err)
{
    char key[PEM_MAX], request[PEM_MAX];
    mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    int rv = make_pk(&pk);
    rv = rv ? rv : mbedtls_pk_write_key_pem(&pk, (unsigned char *)key, sizeof(key));
    rv = rv ? rv : write_request(&pk, name, request);
    mbedtls_pk_free(&pk);
    enum error_code code = rv ? mbedtls_failed(err, rv, "a key cannot be made") : ERR_NONE;
    if (code == ERR_NONE) {
        *key_pem = must_copy(key);
        *request_pem = must_copy(request);
    }
    text_wipe(key, sizeof(key));
    return code;
}

/* ---- looking at a certificate ---- */

static int64_t time_of(const mbedtls_x509_time *t)
{
    char text[TEXT_TIME_MAX];
    int64_t ms = 0;
    text_format(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", t->year, t->mon, t->day,
                t->hour, t->min, t->sec);
    text_parse_time(text, &ms);
    return ms;
}

static bool bears_name(const mbedtls_x509_crt *cert, const char *name)
{
    for (const mbedtls_x509_sequence *s = &cert->subject_alt_names; s; s = s->next)
        if (s->buf.len == strlen(name) && memcmp(s->buf.p, name, s->buf.len) == 0)
            return true;
    return false;
}

struct parsed {
    mbedtls_pk_context key;
    mbedtls_x509_crt cert, ca;
};

static int parse_all(struct parsed *p, const struct identity *id)
{
    int rv = mbedtls_pk_parse_key(&p->key, (const unsigned char *)id->key_pem,
                                  strlen(id->key_pem) + 1, NULL, 0);
    rv = rv ? rv
            : mbedtls_x509_crt_parse(&p->cert, (const unsigned char *)id->cert_pem,
                                     strlen(id->cert_pem) + 1);
    return rv ? rv
              : mbedtls_x509_crt_parse(&p->ca, (const unsigned char *)id->ca_pem,
                                       strlen(id->ca_pem) + 1);
}

static enum error_code judge(struct parsed *p, const char *name, struct error *err)
{
    uint32_t flags = 0;
    mbedtls_x509_crt_verify(&p->cert, &p->ca, NULL, NULL, &flags, NULL, NULL);
    flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
    if (flags != 0)
        return error_set(err, ERR_DENIED, "the certificate is not from the farm's CA");
    if (mbedtls_pk_check_pair(&p->cert.pk, &p->key) != 0)
        return error_set(err, ERR_DENIED, "the certificate is for another key than ours");
    if (!bears_name(&p->cert, name))
        return error_set(err, ERR_DENIED, "the certificate is not for %s", name);
    return ERR_NONE;
}

enum error_code identity_check(const struct identity *id, struct identity_cert *out,
                               struct error *err)
{
    struct parsed p;
    mbedtls_pk_init(&p.key);
    mbedtls_x509_crt_init(&p.cert);
    mbedtls_x509_crt_init(&p.ca);
    int rv = parse_all(&p, id);
    enum error_code code = rv ? mbedtls_failed(err, rv, "key or certificate cannot be read")
                              : judge(&p, id->name, err);
    if (code == ERR_NONE)
        *out = (struct identity_cert){.from_ms = time_of(&p.cert.valid_from),
                                      .until_ms = time_of(&p.cert.valid_to)};
    mbedtls_pk_free(&p.key);
    mbedtls_x509_crt_free(&p.cert);
    mbedtls_x509_crt_free(&p.ca);
    return code;
}

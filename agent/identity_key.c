/* identity_key.c - see identity.h: certificates, over mbedTLS 2.28. */
#include "agent/identity.h"

#include "common/keypair.h"
#include "common/text.h"

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include <string.h>

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
    enum error_code code =
        rv ? keypair_error(err, rv, "key or certificate cannot be read") : judge(&p, id->name, err);
    if (code == ERR_NONE)
        *out = (struct identity_cert){.from_ms = time_of(&p.cert.valid_from),
                                      .until_ms = time_of(&p.cert.valid_to)};
    mbedtls_pk_free(&p.key);
    mbedtls_x509_crt_free(&p.cert);
    mbedtls_x509_crt_free(&p.ca);
    return code;
}

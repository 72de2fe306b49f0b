/* ca_operator.c - see ca.h: what an operator's certificate says, and whether it is one of ours. */
#include "coordinator/enrol/ca_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

static enum error_code denied(struct error *err, const char *why)
{
    ERR_clear_error();
    return error_set(err, ERR_DENIED, "the certificate is not taken: %s", why);
}

/* Signed by the farm's CA, and its time is now. */
static enum error_code check_chain(const struct ca *ca, X509 *cert, int64_t wall_ms,
                                   struct error *err)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    must(store && ctx && X509_STORE_add_cert(store, ca->cert) == 1 &&
         X509_STORE_CTX_init(ctx, store, cert, NULL) == 1);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)(wall_ms / 1000));
    enum error_code code = ERR_NONE;
    if (X509_verify_cert(ctx) != 1)
        code = denied(err, X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return code;
}

/* For operators, and for nothing else. */
static bool is_for_operators(X509 *cert)
{
    char use[128] = "";
    EXTENDED_KEY_USAGE *uses = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    bool one = sk_ASN1_OBJECT_num(uses) == 1;
    if (one)
        OBJ_obj2txt(use, sizeof(use), sk_ASN1_OBJECT_value(uses, 0), 1);
    EXTENDED_KEY_USAGE_free(uses);
    return one && text_equal(use, CA_OPERATOR_USE);
}

static bool read_name(X509 *cert, char out[CA_NAME_MAX])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    const GENERAL_NAME *first =
        sk_GENERAL_NAME_num(names) == 1 ? sk_GENERAL_NAME_value(names, 0) : NULL;
    char uri[CA_NAME_MAX + sizeof(CA_OPERATOR_URI)] = "";
    if (first && first->type == GEN_URI) {
        const ASN1_STRING *text = first->d.uniformResourceIdentifier;
        size_t len = (size_t)ASN1_STRING_length(text);
        const char *bytes = (const char *)ASN1_STRING_get0_data(text);
        if (len < sizeof(uri) && !memchr(bytes, '\0', len))
            memcpy(uri, bytes, len);
    }
    GENERAL_NAMES_free(names);
    return text_starts(uri, CA_OPERATOR_URI) &&
           text_copy(out, CA_NAME_MAX, uri + strlen(CA_OPERATOR_URI)) && out[0] != '\0';
}

static void hash_key(X509 *cert, uint8_t out[SHA256_BYTES])
{
    uint8_t *der = NULL;
    struct sha256 hash;
    int len = i2d_PUBKEY(X509_get0_pubkey(cert), &der);
    must(len > 0);
    sha256_begin(&hash);
    sha256_add(&hash, der, (size_t)len);
    sha256_end(&hash, out);
    OPENSSL_free(der);
}

enum error_code ca_operator_read(const struct ca *ca, const uint8_t *der, size_t len,
                                 int64_t wall_ms, char name[CA_NAME_MAX],
                                 uint8_t key_hash[SHA256_BYTES], struct error *err)
{
    const uint8_t *at = der;
    char found[CA_NAME_MAX] = "";
    X509 *cert = len <= CA_REQUEST_MAX ? d2i_X509(NULL, &at, (long)len) : NULL;
    if (!cert || at != der + len || !X509_get0_pubkey(cert)) {
        X509_free(cert);
        return denied(err, "it cannot be read");
    }
    enum error_code code = check_chain(ca, cert, wall_ms, err);
    if (!code && !is_for_operators(cert))
        code = denied(err, "it is no operator's");
    if (!code && !read_name(cert, found))
        code = denied(err, "it names nobody");
    if (!code) {
        hash_key(cert, key_hash);
        text_copy(name, CA_NAME_MAX, found);
    }
    X509_free(cert);
    return code;
}

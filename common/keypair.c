/* keypair.c - see keypair.h. mbedTLS 2.28. */
#include "common/keypair.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_csr.h>

#include <string.h>

#define PEM_MAX    4096
#define COMMON_MAX 64 /* bytes of a common name, RFC 5280 appendix A */

enum error_code keypair_error(struct error *err, int rv, const char *what)
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
    text_copy(common, sizeof(common), name);
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

enum error_code keypair_make(const char *name, char **key_pem, char **request_pem,
                             struct error *err)
{
    char key[PEM_MAX], request[PEM_MAX];
    mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    int rv = make_pk(&pk);
    rv = rv ? rv : mbedtls_pk_write_key_pem(&pk, (unsigned char *)key, sizeof(key));
    rv = rv ? rv : write_request(&pk, name, request);
    mbedtls_pk_free(&pk);
    enum error_code code = rv ? keypair_error(err, rv, "a key cannot be made") : ERR_NONE;
    if (code == ERR_NONE) {
        *key_pem = must_copy(key);
        *request_pem = must_copy(request);
    }
    text_wipe(key, sizeof(key));
    return code;
}

/* ---- do they belong together? ---- */

bool keypair_is_one(const char *key_pem, const char *request_pem)
{
    mbedtls_pk_context key;
    mbedtls_x509_csr request;
    mbedtls_pk_init(&key);
    mbedtls_x509_csr_init(&request);
    int rv =
        mbedtls_pk_parse_key(&key, (const unsigned char *)key_pem, strlen(key_pem) + 1, NULL, 0);
    rv = rv ? rv
            : mbedtls_x509_csr_parse(&request, (const unsigned char *)request_pem,
                                     strlen(request_pem) + 1);
    rv = rv ? rv : mbedtls_pk_check_pair(&request.pk, &key);
    mbedtls_x509_csr_free(&request);
    mbedtls_pk_free(&key);
    return rv == 0;
}

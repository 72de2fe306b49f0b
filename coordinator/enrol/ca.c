/* ca.c - see ca.h. */
#include "coordinator/enrol/ca_internal.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "proto/url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS      (24LL * 60 * 60 * 1000)
#define CA_DAYS     7300 /* 20 years: the root of every agent's trust */
#define OWN_LIFE_MS (730 * DAY_MS)
#define BACKDATE_MS (5 * 60 * 1000)
#define FILE_MAX    65536
#define SERIAL_LEN  16
#define COMMON_MAX  64 /* ub-common-name, RFC 5280 appendix A */

/* ---- errors and texts ---- */

static enum error_code openssl_error(struct error *err, const char *what)
{
    char why[256] = "no reason given";
    unsigned long number = ERR_get_error();
    if (number)
        ERR_error_string_n(number, why, sizeof(why));
    ERR_clear_error();
    return error_set(err, ERR_IO, "%s: %s", what, why);
}

static char *bio_text(BIO *bio)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = must_alloc((size_t)len + 1, 1);
    memcpy(text, bytes, (size_t)len);
    return text;
}

static char *cert_text(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    must(bio && PEM_write_bio_X509(bio, cert) == 1);
    char *text = bio_text(bio);
    BIO_free(bio);
    return text;
}

static char *key_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    must(bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    char *text = bio_text(bio);
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    text_wipe(bytes, (size_t)len);
    BIO_free(bio);
    return text;
}

static X509 *parse_cert(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return cert;
}

static EVP_PKEY *parse_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

/* ---- what a certificate says ---- */

struct wanted {
    const char *name;        /* subject; cut to what it may hold */
    const char *alternative; /* subjectAltName as OpenSSL writes it, or NULL */
    const char *basic, *use, *extended;
    EVP_PKEY *key;
    int64_t from_ms, until_ms, issued_ms;
};

static bool set_serial(X509 *cert, int64_t issued_ms)
{
    uint8_t bytes[SERIAL_LEN];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)issued_ms >> (8 * (7 - i)));
    must(os_random(bytes + 8, SERIAL_LEN - 8, NULL) == ERR_NONE);
    BIGNUM *number = BN_bin2bn(bytes, SERIAL_LEN, NULL);
    bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return set;
}

static bool set_names(X509 *cert, const X509 *issuer, const char *name)
{
    char common[COMMON_MAX + 1];
    text_copy(common, sizeof(common), name);
    X509_NAME *subject = X509_get_subject_name(cert);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)common, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) == 1;
}

static bool set_times(X509 *cert, const struct wanted *w)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(w->from_ms / 1000)) &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(w->until_ms / 1000));
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    if (!value)
        return true;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool added = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

/* issuer NULL: signs itself. */
static X509 *make_cert(const struct wanted *w, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *cert = X509_new();
    X509 *by = issuer ? issuer : cert;
    bool made = cert && X509_set_version(cert, X509_VERSION_3) == 1 &&
                set_serial(cert, w->issued_ms) && set_names(cert, issuer, w->name) &&
                set_times(cert, w) && X509_set_pubkey(cert, w->key) == 1 &&
                add_extension(cert, by, NID_basic_constraints, w->basic) &&
                add_extension(cert, by, NID_key_usage, w->use) &&
                add_extension(cert, by, NID_ext_key_usage, w->extended) &&
                add_extension(cert, by, NID_subject_key_identifier, "hash") &&
                add_extension(cert, by, NID_authority_key_identifier, issuer ? "keyid" : NULL) &&
                add_extension(cert, by, NID_subject_alt_name, w->alternative) &&
                X509_sign(cert, issuer_key, EVP_sha256()) > 0;
    if (made)
        return cert;
    X509_free(cert);
    return NULL;
}

/* ---- files ---- */

static enum error_code write_in(const char *dir, const char *name, const char *text, unsigned mode,
                                struct error *err)
{
    char path[CA_PATH_BYTES];
    if (!text_format(path, sizeof(path), "%s/%s", dir, name))
        return error_set(err, ERR_INVALID, "%s: the path is too long", dir);
    return os_write_file(path, text, strlen(text), mode, err);
}

static enum error_code read_in(const char *dir, const char *name, char **out, struct error *err)
{
    char path[CA_PATH_BYTES];
    if (!text_format(path, sizeof(path), "%s/%s", dir, name))
        return error_set(err, ERR_INVALID, "%s: the path is too long", dir);
    return os_read_file(path, FILE_MAX, out, NULL, err);
}

static void forget(char *secret)
{
    if (secret)
        text_wipe(secret, strlen(secret));
    free(secret);
}

/* ---- making ---- */

static void add_host(struct text *out, const char *host)
{
    uint8_t address[16];
    bool is_address =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    text_addf(out, ",%s:%s", is_address ? "IP" : "DNS", host);
}

static enum error_code check_hosts(const char *const *hosts, struct error *err)
{
    for (size_t i = 0; hosts[i]; i++)
        if (hosts[i][0] == '\0' || strpbrk(hosts[i], ",;=/ \t"))
            return error_set(err, ERR_INVALID, "\"%s\" is neither a host's name nor an address",
                             hosts[i]);
    return ERR_NONE;
}

/* Clocks differ: good from a little before now. */
static int64_t backdate_ms(uint64_t life_ms)
{
    return life_ms / 10 < BACKDATE_MS ? (int64_t)(life_ms / 10) : BACKDATE_MS;
}

/* alternative: the names, as OpenSSL writes them. */
static enum error_code make_own(const char *dir, X509 *ca_cert, EVP_PKEY *ca_key,
                                const char *alternative, uint64_t life_ms, int64_t wall_ms,
                                struct error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    const struct wanted w = {.name = WIRE_COORDINATOR_NAME,
                             .alternative = alternative,
                             .basic = "critical,CA:FALSE",
                             .use = "critical,digitalSignature",
                             .extended = "serverAuth",
                             .key = key,
                             .from_ms = wall_ms - backdate_ms(life_ms),
                             .until_ms = wall_ms + (int64_t)life_ms,
                             .issued_ms = wall_ms};
    X509 *cert = key ? make_cert(&w, ca_cert, ca_key) : NULL;
    if (!cert) {
        EVP_PKEY_free(key);
        return openssl_error(err, "the coordinator's certificate cannot be made");
    }
    char *own = cert_text(cert), *above = cert_text(ca_cert), *key_pem = key_text(key);
    struct text chain = {0};
    text_addf(&chain, "%s%s", own, above);
    enum error_code code = write_in(dir, "coordinator.key", key_pem, 0600, err);
    code = code ? code : write_in(dir, "coordinator.crt", text_get(&chain), 0644, err);
    text_reset(&chain);
    forget(key_pem);
    free(own);
    free(above);
    X509_free(cert);
    EVP_PKEY_free(key);
    return code;
}

static X509 *make_root(EVP_PKEY *key, int64_t wall_ms)
{
    uint8_t random[4];
    char name[COMMON_MAX], hex[2 * sizeof(random) + 1];
    must(os_random(random, sizeof(random), NULL) == ERR_NONE);
    text_to_hex(hex, random, sizeof(random));
    text_format(name, sizeof(name), "Farmhand CA %s", hex); /* two farms' roots look different */
    const struct wanted w = {.name = name,
                             .basic = "critical,CA:TRUE,pathlen:0",
                             .use = "critical,keyCertSign,cRLSign",
                             .key = key,
                             .from_ms = wall_ms - DAY_MS,
                             .until_ms = wall_ms + CA_DAYS * DAY_MS,
                             .issued_ms = wall_ms};
    return make_cert(&w, NULL, key);
}

static enum error_code check_vacant(const char *dir, struct error *err)
{
    char *pem = NULL;
    enum error_code code = read_in(dir, "ca.crt", &pem, err);
    free(pem);
    if (code == ERR_NOT_FOUND)
        return ERR_NONE;
    if (code)
        return code;
    return error_set(err, ERR_EXISTS,
                     "%s has a CA already: a new one would lock out every agent. To begin anew, "
                     "move that directory away first, and let all agents join again",
                     dir);
}

enum error_code ca_make(const char *dir, const char *const *hosts, int64_t wall_ms,
                        struct error *err)
{
    struct text alternative = {0};
    enum error_code code = check_hosts(hosts, err);
    code = code ? code : os_make_dir(dir, 0700, err);
    code = code ? code : check_vacant(dir, err);
    if (code)
        return code;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *root = key ? make_root(key, wall_ms) : NULL;
    if (!root) {
        EVP_PKEY_free(key);
        return openssl_error(err, "the CA cannot be made");
    }
    text_add(&alternative, "DNS:" WIRE_COORDINATOR_NAME);
    for (size_t i = 0; hosts[i]; i++)
        add_host(&alternative, hosts[i]);
    char *pem = cert_text(root), *key_pem = key_text(key);
    /* ca.crt last: it is what says that there is a CA. */
    code = make_own(dir, root, key, text_get(&alternative), OWN_LIFE_MS, wall_ms, err);
    code = code ? code : write_in(dir, "ca.key", key_pem, 0600, err);
    code = code ? code : write_in(dir, "ca.crt", pem, 0644, err);
    text_reset(&alternative);
    forget(key_pem);
    free(pem);
    X509_free(root);
    EVP_PKEY_free(key);
    return code;
}

/* ---- opening ---- */

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm tm;
    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* The names of a certificate, as add_host writes them. */
static void names_of(X509 *cert, struct text *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char address[INET6_ADDRSTRLEN];
        const char *sign = out->len ? "," : "";
        if (name->type == GEN_DNS)
            text_addf(out, "%sDNS:%.255s", sign,
                      (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        else if (name->type == GEN_IPADD &&
                 inet_ntop(ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6,
                           ASN1_STRING_get0_data(name->d.iPAddress), address, sizeof(address)))
            text_addf(out, "%sIP:%s", sign, address);
    }
    GENERAL_NAMES_free(names);
}

/* When the coordinator's own is to be made anew; a shorter life that is configured holds for the
 * one that is there, too. */
static enum error_code note_own(struct ca *ca, const char *chain, const char *key_pem,
                                struct error *err)
{
    X509 *own = parse_cert(chain);
    EVP_PKEY *key = parse_key(key_pem);
    if (!own) {
        EVP_PKEY_free(key);
        return error_set(err, ERR_CORRUPT,
                         "%s/coordinator.crt is no certificate: put it back from a backup",
                         ca->dir);
    }
    int64_t from = seconds_of(X509_get0_notBefore(own)),
            until = seconds_of(X509_get0_notAfter(own)), life = (int64_t)(ca->own_life_ms / 1000);
    if (life > until - from)
        life = until - from;
    bool fit = key && X509_check_private_key(own, key) == 1;
    ERR_clear_error();
    ca->own_due_ms = fit ? from * 1000 + life * 1000 / 3 * 2 : INT64_MIN;
    ca->own_until_ms = until * 1000;
    X509_free(own);
    EVP_PKEY_free(key);
    return ERR_NONE;
}

static enum error_code read_own(struct ca *ca, struct error *err)
{
    char *chain = NULL, *key = NULL;
    enum error_code code = read_in(ca->dir, "coordinator.crt", &chain, err);
    code = code ? code : read_in(ca->dir, "coordinator.key", &key, err);
    code = code ? code : note_own(ca, chain, key, err);
    if (code) {
        forget(key);
        free(chain);
        return code;
    }
    free(ca->chain_pem);
    forget(ca->own_key_pem);
    ca->chain_pem = chain;
    ca->own_key_pem = key;
    return ERR_NONE;
}

enum error_code ca_renew_own(struct ca *ca, int64_t wall_ms, bool *renewed, struct error *err)
{
    struct text names = {0};
    *renewed = false;
    if (wall_ms < ca->own_due_ms)
        return ERR_NONE;
    X509 *own = parse_cert(ca->chain_pem);
    must(own != NULL); /* note_own saw to it */
    names_of(own, &names);
    X509_free(own);
    enum error_code code =
        make_own(ca->dir, ca->cert, ca->key, text_get(&names), ca->own_life_ms, wall_ms, err);
    code = code ? code : read_own(ca, err);
    text_reset(&names);
    *renewed = code == ERR_NONE;
    return code;
}

int64_t ca_own_until_ms(const struct ca *ca)
{
    return ca->own_until_ms;
}

static enum error_code read_root(struct ca *ca, const char *dir, struct error *err)
{
    char *key = NULL;
    enum error_code code = read_in(dir, "ca.crt", &ca->pem, err);
    if (code == ERR_NOT_FOUND)
        return error_set(
            err, code,
            "%s/ca.crt is not there: this coordinator has no CA yet. Make it once with "
            "`farmhand-coordinator init`",
            dir);
    code = code ? code : read_in(dir, "ca.key", &key, err);
    if (code)
        return code;
    ca->cert = parse_cert(ca->pem);
    ca->key = parse_key(key);
    forget(key);
    if (!ca->cert || !ca->key || X509_check_private_key(ca->cert, ca->key) != 1)
        return error_set(
            err, ERR_CORRUPT,
            "%s: ca.crt and ca.key do not belong together: put them back from a backup", dir);
    return ERR_NONE;
}

enum error_code ca_open(const char *dir, uint64_t own_life_ms, int64_t wall_ms, struct ca **out,
                        struct error *err)
{
    bool renewed;
    struct ca *ca = must_alloc(1, sizeof(*ca));
    ca->own_life_ms = own_life_ms ? own_life_ms : OWN_LIFE_MS;
    enum error_code code = text_copy(ca->dir, sizeof(ca->dir), dir)
                               ? ERR_NONE
                               : error_set(err, ERR_INVALID, "%s: the path is too long", dir);
    code = code ? code : read_root(ca, dir, err);
    code = code ? code : read_own(ca, err);
    code = code ? code : ca_renew_own(ca, wall_ms, &renewed, err);
    if (code)
        ca_close(ca);
    else
        *out = ca;
    return code;
}

void ca_close(struct ca *ca)
{
    if (!ca)
        return;
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    forget(ca->own_key_pem);
    free(ca->pem);
    free(ca->chain_pem);
    free(ca);
}

const char *ca_pem(const struct ca *ca)
{
    return ca->pem;
}

const char *ca_chain_pem(const struct ca *ca)
{
    return ca->chain_pem;
}

const char *ca_key_pem(const struct ca *ca)
{
    return ca->own_key_pem;
}

void ca_fingerprint(const struct ca *ca, uint8_t out[SHA256_BYTES])
{
    unsigned len = SHA256_BYTES;
    must(X509_digest(ca->cert, EVP_sha256(), out, &len) == 1 && len == SHA256_BYTES);
}

/* ---- requests of agents and operators ---- */

static bool is_p256(EVP_PKEY *key)
{
    char group[32] = "";
    return key && EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           (text_equal(group, "prime256v1") || text_equal(group, "P-256"));
}

static enum error_code parse_request(const char *pem, X509_REQ **out, struct error *err)
{
    if (strlen(pem) > CA_REQUEST_MAX)
        return error_set(err, ERR_INVALID, "the signing request is larger than %d bytes",
                         CA_REQUEST_MAX);
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    EVP_PKEY *key = request ? X509_REQ_get0_pubkey(request) : NULL;
    bool good = is_p256(key) && X509_REQ_verify(request, key) == 1;
    ERR_clear_error();
    if (good) {
        *out = request;
        return ERR_NONE;
    }
    X509_REQ_free(request);
    return error_set(err, ERR_INVALID,
                     "the signing request is none of a P-256 key, or its signature is wrong");
}

enum error_code ca_request_read(const char *pem, uint8_t key_hash[SHA256_BYTES], struct error *err)
{
    X509_REQ *request = NULL;
    uint8_t *der = NULL;
    struct sha256 hash;
    enum error_code code = parse_request(pem, &request, err);
    if (code)
        return code;
    int len = i2d_PUBKEY(X509_REQ_get0_pubkey(request), &der);
    must(len > 0);
    sha256_begin(&hash);
    sha256_add(&hash, der, (size_t)len);
    sha256_end(&hash, key_hash);
    OPENSSL_free(der);
    X509_REQ_free(request);
    return ERR_NONE;
}

/* alternative, extended: whose certificate it is, in OpenSSL's words. */
static enum error_code sign_as(const struct ca *ca, const char *pem, const char *name,
                               const char *alternative, const char *extended, uint64_t life_ms,
                               int64_t wall_ms, int64_t after_ms, struct ca_issued *out,
                               struct error *err)
{
    X509_REQ *request = NULL;
    enum error_code code = parse_request(pem, &request, err);
    if (code)
        return code;
    const struct wanted w = {.name = name,
                             .alternative = alternative,
                             .basic = "critical,CA:FALSE",
                             .use = "critical,digitalSignature",
                             .extended = extended,
                             .key = X509_REQ_get0_pubkey(request),
                             .from_ms = wall_ms - backdate_ms(life_ms),
                             .until_ms = wall_ms + (int64_t)life_ms,
                             .issued_ms = wall_ms > after_ms ? wall_ms : after_ms + 1};
    X509 *cert = make_cert(&w, ca->cert, ca->key);
    X509_REQ_free(request);
    if (!cert)
        return openssl_error(err, "the certificate cannot be made");
    *out = (struct ca_issued){
        .pem = cert_text(cert), .issued_wall_ms = w.issued_ms, .until_wall_ms = w.until_ms};
    X509_free(cert);
    return ERR_NONE;
}

enum error_code ca_sign(const struct ca *ca, const char *pem, const char *name, uint64_t life_ms,
                        int64_t wall_ms, int64_t after_ms, struct ca_issued *out, struct error *err)
{
    char alternative[300];
    must(text_format(alternative, sizeof(alternative), "DNS:%s", name));
    return sign_as(ca, pem, name, alternative, "clientAuth", life_ms, wall_ms, after_ms, out, err);
}

enum error_code ca_sign_operator(const struct ca *ca, const char *pem, const char *name,
                                 uint64_t life_ms, int64_t wall_ms, struct ca_issued *out,
                                 struct error *err)
{
    char alternative[300], common[CA_NAME_MAX + 16];
    must(text_format(alternative, sizeof(alternative), "URI:" CA_OPERATOR_URI "%s", name));
    /* With a blank: some take a common name for a host's where no other name is given. */
    text_format(common, sizeof(common), "operator %s", name);
    return sign_as(ca, pem, common, alternative, CA_OPERATOR_USE, life_ms, wall_ms, 0, out, err);
}

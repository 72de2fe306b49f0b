/* The farm's certificate authority: what it makes, keeps, and signs. */
#include "coordinator/enrol/ca.h"

#include "common/os.h"
#include "common/text.h"
#include "coordinator/enrol/openssl.h"
#include "tests/unit/link/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define DAY_MS INT64_C(86400000)
#define NOW_MS (INT64_C(20700) * DAY_MS) /* in 2026 */

static const char *const hosts[] = {"farm.example", "192.0.2.7", NULL};
static char dir[64];

static int make_dir(void **state)
{
    struct error err = {0};
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/farmhand-test-ca-XXXXXX");
    if (!mkdtemp(dir) || ca_make(dir, hosts, NOW_MS, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    return 0;
}

static int remove_dir(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static struct ca *open_at(int64_t wall_ms)
{
    struct ca *ca = NULL;
    struct error err = {0};
    if (ca_open(dir, 0, wall_ms, &ca, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    return ca;
}

static X509 *parse(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

static void keys_are_for_their_owner_alone(void **state)
{
    static const char *const keys[] = {"ca.key", "coordinator.key"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        struct stat info;
        snprintf(path, sizeof(path), "%s/%s", dir, keys[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
}

static void second_ca_is_not_made_over_the_first(void **state)
{
    struct error err = {0};
    (void)state;
    assert_int_equal(ca_make(dir, hosts, NOW_MS, &err), ERR_EXISTS);
    assert_non_null(strstr(err.text, "lock out every agent"));
}

static void missing_ca_tells_how_it_is_made(void **state)
{
    struct ca *ca = NULL;
    struct error err = {0};
    (void)state;
    assert_int_equal(ca_open("/nonexistent", 0, NOW_MS, &ca, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "farmhand-coordinator init"));
}

static void coordinator_is_known_by_its_names(void **state)
{
    struct ca *ca = open_at(NOW_MS);
    X509 *own = parse(ca_chain_pem(ca));
    (void)state;
    assert_int_equal(X509_check_host(own, "farmhand-coordinator", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(own, "farm.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(own, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_host(own, "web01", 0, 0, NULL), 0);
    assert_int_equal(X509_check_purpose(own, X509_PURPOSE_SSL_SERVER, 0), 1);
    assert_int_equal(X509_check_purpose(own, X509_PURPOSE_SSL_CLIENT, 0), 0);
    X509_free(own);
    ca_close(ca);
}

static void own_certificate_is_renewed_in_its_last_third(void **state)
{
    struct ca *ca = open_at(NOW_MS);
    (void)state;
    char *first = strdup(ca_chain_pem(ca));
    ca_close(ca);
    ca = open_at(NOW_MS + 480 * DAY_MS);
    assert_string_equal(ca_chain_pem(ca), first);
    ca_close(ca);
    ca = open_at(NOW_MS + 490 * DAY_MS);
    assert_string_not_equal(ca_chain_pem(ca), first);
    X509 *own = parse(ca_chain_pem(ca));
    assert_int_equal(X509_check_ip_asc(own, "192.0.2.7", 0), 1); /* its names stay */
    X509_free(own);
    ca_close(ca);
    free(first);
}

static void own_certificate_is_renewed_while_it_runs(void **state)
{
    bool renewed = true;
    struct error err = {0};
    struct ca *ca = NULL;
    (void)state;
    assert_int_equal(ca_open(dir, 90 * DAY_MS, NOW_MS + 490 * DAY_MS, &ca, &err), ERR_NONE);
    char *first = strdup(ca_chain_pem(ca));
    assert_int_equal(ca_renew_own(ca, NOW_MS + 549 * DAY_MS, &renewed, &err), ERR_NONE);
    assert_false(renewed);
    /* The shorter life holds for the one that is there. */
    assert_int_equal(ca_renew_own(ca, NOW_MS + 551 * DAY_MS, &renewed, &err), ERR_NONE);
    assert_true(renewed);
    assert_string_not_equal(ca_chain_pem(ca), first);
    assert_int_equal(ca_own_until_ms(ca), NOW_MS + 641 * DAY_MS);
    ca_close(ca);
    free(first);
}

/* A full disk, say: what there is goes on. */
static void renewal_that_fails_changes_nothing(void **state)
{
    bool renewed = true;
    struct error err = {0};
    struct ca *ca = NULL;
    char away[80];
    (void)state;
    assert_int_equal(ca_open(dir, 90 * DAY_MS, NOW_MS + 551 * DAY_MS, &ca, &err), ERR_NONE);
    char *first = strdup(ca_chain_pem(ca));
    snprintf(away, sizeof(away), "%s-away", dir);
    assert_int_equal(rename(dir, away), 0);
    assert_int_not_equal(ca_renew_own(ca, NOW_MS + 700 * DAY_MS, &renewed, &err), ERR_NONE);
    assert_false(renewed);
    assert_string_equal(ca_chain_pem(ca), first);
    assert_int_equal(rename(away, dir), 0);
    assert_int_equal(ca_renew_own(ca, NOW_MS + 700 * DAY_MS, &renewed, &err), ERR_NONE);
    assert_true(renewed);
    ca_close(ca);
    free(first);
}

/* It was stopped between the two files. */
static void key_and_certificate_that_do_not_fit_are_made_anew(void **state)
{
    char path[96], *key, *request;
    struct ca *ca = open_at(NOW_MS + 700 * DAY_MS);
    struct error err = {0};
    (void)state;
    char *first = strdup(ca_chain_pem(ca));
    ca_close(ca);
    certs_request(&key, &request);
    snprintf(path, sizeof(path), "%s/coordinator.key", dir);
    assert_int_equal(os_write_file(path, key, strlen(key), 0600, &err), ERR_NONE);
    ca = open_at(NOW_MS + 700 * DAY_MS);
    assert_string_not_equal(ca_chain_pem(ca), first);
    X509 *own = parse(ca_chain_pem(ca));
    assert_int_equal(X509_check_host(own, "farm.example", 0, 0, NULL), 1);
    X509_free(own);
    ca_close(ca);
    free(first);
    free(key);
    free(request);
}

static void agents_certificate_names_it_and_is_for_clients(void **state)
{
    char name[200], *key, *request;
    struct ca *ca = open_at(NOW_MS);
    struct ca_issued issued;
    struct error err = {0};
    (void)state;
    memset(name, 'w', sizeof(name)); /* longer than a common name may be */
    name[sizeof(name) - 1] = '\0';
    for (size_t i = 50; i < sizeof(name) - 1; i += 50)
        name[i] = '.';
    certs_request(&key, &request);
    assert_int_equal(ca_sign(ca, request, name, 1000 * 3600, NOW_MS, 0, &issued, &err), ERR_NONE);
    X509 *cert = parse(issued.pem), *root = parse(ca_pem(ca));
    assert_int_equal(X509_verify(cert, X509_get0_pubkey(root)), 1);
    assert_int_equal(X509_check_host(cert, name, 0, 0, NULL), 1);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0), 1);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 0);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_int_equal(issued.until_wall_ms, NOW_MS + 1000 * 3600);
    X509_free(cert);
    X509_free(root);
    free(issued.pem);
    free(request);
    free(key);
    ca_close(ca);
}

static void request_refused(const char *request)
{
    struct error err = {0};
    uint8_t hash[SHA256_BYTES];
    assert_int_equal(ca_request_read(request, hash, &err), ERR_INVALID);
}

static void requests_of_other_shapes_are_refused(void **state)
{
    char *key, *request;
    (void)state;
    certs_request(&key, &request);
    uint8_t hash[SHA256_BYTES];
    assert_int_equal(ca_request_read(request, hash, NULL), ERR_NONE);
    char *line = strchr(request, '\n') + 20; /* within the key or its signature */
    for (int i = 0; i < 200 && line[i]; i += 7) {
        char kept = line[i];
        if (kept == '\n' || kept == '-')
            continue;
        line[i] = kept == 'A' ? 'B' : 'A';
        request_refused(request);
        line[i] = kept;
    }
    request_refused("");
    request_refused(key);
    char *huge = malloc(CA_REQUEST_MAX + 2);
    memset(huge, 'A', CA_REQUEST_MAX + 1);
    huge[CA_REQUEST_MAX + 1] = '\0';
    request_refused(huge);
    free(huge);
    free(key);
    free(request);
}

/* ---- operators ---- */

/* DER of a certificate; returns its length. */
static size_t der_of(const char *pem, uint8_t out[4096])
{
    X509 *cert = parse(pem);
    uint8_t *at = out;
    int len = i2d_X509(cert, NULL);
    assert_true(len > 0 && len < 4096 - 8);
    i2d_X509(cert, &at);
    X509_free(cert);
    return (size_t)len;
}

static enum error_code read_at(const struct ca *ca, const char *pem, int64_t wall_ms, char *name,
                               struct error *err)
{
    uint8_t der[4096], key[SHA256_BYTES];
    size_t len = der_of(pem, der);
    return ca_operator_read(ca, der, len, wall_ms, name, key, err);
}

static char *sign_operator(const struct ca *ca, const char *request, uint64_t life_ms)
{
    struct ca_issued issued;
    struct error err = {0};
    if (ca_sign_operator(ca, request, "anna", life_ms, NOW_MS, &issued, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    return issued.pem;
}

static void operators_certificate_names_them_and_is_for_nothing_else(void **state)
{
    struct ca *ca = open_at(NOW_MS);
    char *key, *request, name[CA_NAME_MAX];
    uint8_t der[4096], hash[SHA256_BYTES], asked[SHA256_BYTES];
    struct error err = {0};
    (void)state;
    certs_request(&key, &request);
    char *pem = sign_operator(ca, request, DAY_MS);
    size_t len = der_of(pem, der);
    assert_int_equal(ca_operator_read(ca, der, len, NOW_MS, name, hash, &err), ERR_NONE);
    assert_string_equal(name, "anna");
    assert_int_equal(ca_request_read(request, asked, &err), ERR_NONE);
    assert_memory_equal(hash, asked, sizeof(hash));
    X509 *cert = parse(pem);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0), 0);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 0);
    assert_int_equal(X509_check_host(cert, "anna", 0, 0, NULL), 0);
    X509_free(cert);
    free(pem);
    free(key);
    free(request);
    ca_close(ca);
}

static void operators_certificate_has_its_time(void **state)
{
    struct ca *ca = open_at(NOW_MS);
    char *key, *request, name[CA_NAME_MAX] = "";
    struct error err = {0};
    (void)state;
    certs_request(&key, &request);
    char *pem = sign_operator(ca, request, DAY_MS);
    assert_int_equal(read_at(ca, pem, NOW_MS + DAY_MS + 2000, name, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "expired"));
    assert_int_equal(read_at(ca, pem, NOW_MS - DAY_MS / 2, name, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "not yet valid"));
    assert_string_equal(name, ""); /* untouched */
    free(pem);
    free(key);
    free(request);
    ca_close(ca);
}

static void others_certificates_are_no_operators(void **state)
{
    struct ca *ca = open_at(NOW_MS), *other = certs_farm();
    char *key, *request, name[CA_NAME_MAX];
    struct ca_issued agent;
    struct error err = {0};
    (void)state;
    certs_request(&key, &request);
    assert_int_equal(ca_sign(ca, request, "anna", DAY_MS, NOW_MS, 0, &agent, &err), ERR_NONE);
    assert_int_equal(read_at(ca, agent.pem, NOW_MS, name, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "it is no operator's"));
    assert_int_equal(read_at(ca, ca_chain_pem(ca), NOW_MS, name, &err), ERR_DENIED);
    assert_int_equal(read_at(ca, ca_pem(ca), NOW_MS, name, &err), ERR_DENIED);
    char *forged = sign_operator(other, request, DAY_MS); /* the same words, by another CA */
    assert_int_equal(read_at(ca, forged, NOW_MS, name, &err), ERR_DENIED);
    assert_null(strstr(err.text, "no operator's"));
    free(forged);
    free(agent.pem);
    free(key);
    free(request);
    ca_close(other);
    ca_close(ca);
}

/* Each bit of a good one: whatever is changed, its signature is not good any more. */
static void changed_certificate_is_refused(void **state)
{
    struct ca *ca = open_at(NOW_MS);
    char *key, *request, name[CA_NAME_MAX];
    uint8_t der[4096], hash[SHA256_BYTES];
    (void)state;
    certs_request(&key, &request);
    char *pem = sign_operator(ca, request, DAY_MS);
    size_t len = der_of(pem, der);
    for (size_t i = 0; i < 8 * len; i += 3) {
        der[i / 8] ^= (uint8_t)(1 << i % 8);
        if (ca_operator_read(ca, der, len, NOW_MS, name, hash, NULL) == ERR_NONE)
            fail_msg("bit %zu of byte %zu", i % 8, i / 8);
        der[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_int_equal(ca_operator_read(ca, der, len + 1, NOW_MS, name, hash, NULL), ERR_DENIED);
    assert_int_equal(ca_operator_read(ca, der, len - 1, NOW_MS, name, hash, NULL), ERR_DENIED);
    assert_int_equal(ca_operator_read(ca, der, 0, NOW_MS, name, hash, NULL), ERR_DENIED);
    free(pem);
    free(key);
    free(request);
    ca_close(ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_certificate_names_them_and_is_for_nothing_else),
        cmocka_unit_test(operators_certificate_has_its_time),
        cmocka_unit_test(others_certificates_are_no_operators),
        cmocka_unit_test(changed_certificate_is_refused),
        cmocka_unit_test(keys_are_for_their_owner_alone),
        cmocka_unit_test(second_ca_is_not_made_over_the_first),
        cmocka_unit_test(missing_ca_tells_how_it_is_made),
        cmocka_unit_test(coordinator_is_known_by_its_names),
        cmocka_unit_test(own_certificate_is_renewed_in_its_last_third),
        cmocka_unit_test(own_certificate_is_renewed_while_it_runs),
        cmocka_unit_test(renewal_that_fails_changes_nothing),
        cmocka_unit_test(key_and_certificate_that_do_not_fit_are_made_anew),
        cmocka_unit_test(agents_certificate_names_it_and_is_for_clients),
        cmocka_unit_test(requests_of_other_shapes_are_refused),
    };
    return cmocka_run_group_tests_name("ca", tests, make_dir, remove_dir);
}

/* Who an agent is: its key and certificate, the file they are in, when they are renewed, and what
 * it takes for an answer while it joins. The CA is the coordinator's own (OpenSSL); keys are
 * mbedTLS's. */
#include "agent/identity.h"
#include "agent/join_http.h"
#include "agent/join_key.h"
#include "agent/renewal.h"
#include "common/keypair.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "coordinator/enrol/ca.h"
#include "proto/pem.h"
#include "tests/unit/link/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define DAY_MS INT64_C(86400000)
#define NOW_MS (INT64_C(20700) * DAY_MS)
#define LIFE   (90 * DAY_MS)

static struct ca *farm, *other;
static char dir[64];

static char *sign(const struct ca *ca, const char *request, const char *name, int64_t at_ms)
{
    struct ca_issued issued;
    struct error err = {0};
    if (ca_sign(ca, request, name, LIFE, at_ms, 0, &issued, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    return issued.pem;
}

static struct identity identity_of(const struct ca *ca, const char *name)
{
    struct identity id = {.name = must_copy(name),
                          .coordinator = must_copy("tls+tcp://farm.example:7600"),
                          .profile = PROFILE_OPERATE,
                          .ca_pem = must_copy(ca_pem(farm))};
    struct error err = {0};
    char *request = NULL;
    if (keypair_make(name, &id.key_pem, &request, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    id.cert_pem = sign(ca, request, name, NOW_MS);
    free(request);
    return id;
}

static void identity_survives_its_file(void **state)
{
    struct identity id = identity_of(farm, "web01"), back;
    struct error err = {0};
    struct stat info;
    char path[96];
    (void)state;
    assert_int_equal(identity_write(dir, &id, &err), ERR_NONE);
    snprintf(path, sizeof(path), "%s/identity", dir);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(identity_read(dir, &back, &err), ERR_NONE);
    assert_string_equal(back.name, "web01");
    assert_string_equal(back.coordinator, id.coordinator);
    assert_int_equal(back.profile, PROFILE_OPERATE);
    assert_string_equal(back.key_pem, id.key_pem);
    assert_string_equal(back.cert_pem, id.cert_pem);
    assert_string_equal(back.ca_pem, id.ca_pem);
    identity_reset(&id);
    identity_reset(&back);
    assert_int_equal(identity_read("/nonexistent", &back, &err), ERR_NOT_FOUND);
}

static void what_is_missing_is_named(void **state)
{
    struct identity id;
    struct error err = {0};
    (void)state;
    assert_int_equal(identity_parse("name = web01\n", &id, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "coordinator is missing"));
    assert_int_equal(identity_parse("", &id, &err), ERR_CORRUPT);
}

static void certificate_must_fit_key_name_and_ca(void **state)
{
    struct identity id = identity_of(farm, "web01"), wrong = identity_of(other, "web01");
    struct identity_cert cert;
    struct error err = {0};
    (void)state;
    assert_int_equal(identity_check(&id, &cert, &err), ERR_NONE);
    assert_int_equal(cert.until_ms, NOW_MS + LIFE);
    assert_int_equal(cert.from_ms, NOW_MS - 5 * 60 * 1000);
    assert_int_equal(identity_check(&wrong, &cert, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "not from the farm's CA"));
    free(id.name);
    id.name = must_copy("web02");
    assert_int_equal(identity_check(&id, &cert, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "not for web02"));
    free(id.name);
    id.name = must_copy("web01");
    free(id.key_pem);
    id.key_pem = must_copy(wrong.key_pem);
    assert_int_equal(identity_check(&id, &cert, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "another key"));
    identity_reset(&id);
    identity_reset(&wrong);
}

static void renewal_is_due_in_the_last_third(void **state)
{
    struct identity id = identity_of(farm, "web01");
    struct renewal r;
    struct error err = {0};
    char *request = NULL;
    (void)state;
    assert_int_equal(renewal_init(&r, &id, dir, &err), ERR_NONE);
    int64_t due_ms = NOW_MS + 60 * DAY_MS;
    assert_false(renewal_is_due(&r, 1000, due_ms - 10 * 60 * 1000));
    assert_true(renewal_is_due(&r, 1000, due_ms));
    assert_int_equal(renewal_wake_ms(&r, 1000, due_ms + DAY_MS), 1000);
    assert_true(renewal_wake_ms(&r, 1000, NOW_MS) > 1000 + 59 * (uint64_t)DAY_MS);
    /* Asked, and no answer comes: again in an hour at the latest. */
    assert_int_equal(renewal_ask(&r, 1000, due_ms, &request, &err), ERR_NONE);
    assert_false(renewal_is_due(&r, 2000, due_ms));
    assert_true(renewal_is_due(&r, 1000 + 3600000, due_ms));
    free(request);
    renewal_reset(&r);
    identity_reset(&id);
    assert_int_equal(renewal_init(&r, NULL, dir, &err), ERR_NONE); /* without TLS */
    assert_int_equal(renewal_wake_ms(&r, 0, NOW_MS), UINT64_MAX);
}

/* The inside of its PEM, for `request`; to be freed. */
static char *certify(const struct ca *ca, const char *request, const char *name)
{
    struct text pem = {0}, inside = {0};
    pem_add(&pem, PEM_REQUEST, request);
    char *cert = sign(ca, text_get(&pem), name, NOW_MS + 61 * DAY_MS);
    must(pem_inside(cert, PEM_CERTIFICATE, 0, &inside));
    free(cert);
    text_reset(&pem);
    return text_take(&inside);
}

static void only_a_certificate_that_fits_replaces_the_old_one(void **state)
{
    struct identity id = identity_of(farm, "web01"), kept;
    struct renewal r;
    struct error err = {0};
    char *request = NULL;
    (void)state;
    char *former = must_copy(id.cert_pem);
    must(identity_write(dir, &id, &err) == ERR_NONE);
    must(renewal_init(&r, &id, dir, &err) == ERR_NONE);
    assert_int_equal(renewal_take(&r, "QUJD", &err), ERR_STATE); /* nobody asked */
    must(renewal_ask(&r, 0, NOW_MS + 61 * DAY_MS, &request, &err) == ERR_NONE);
    char *foreign = certify(other, request, "web01"), *named = certify(farm, request, "web02"),
         *good = certify(farm, request, "web01");
    assert_int_not_equal(renewal_take(&r, "QUJD", &err), ERR_NONE);
    assert_int_equal(renewal_take(&r, foreign, &err), ERR_DENIED);
    assert_int_equal(renewal_take(&r, named, &err), ERR_DENIED);
    assert_string_equal(id.cert_pem, former);
    assert_int_equal(renewal_take(&r, good, &err), ERR_NONE);
    assert_string_not_equal(id.cert_pem, former);
    assert_int_equal(identity_read(dir, &kept, &err), ERR_NONE);
    assert_string_equal(kept.cert_pem, id.cert_pem);
    assert_string_equal(kept.key_pem, id.key_pem);
    assert_false(renewal_is_due(&r, 0, NOW_MS + 62 * DAY_MS));
    free(foreign), free(named), free(good), free(request), free(former);
    renewal_reset(&r);
    identity_reset(&id);
    identity_reset(&kept);
}

static void bad_reply(const char *bytes)
{
    int status;
    const char *body;
    if (join_reply(bytes, strlen(bytes), &status, &body, NULL) != ERR_CORRUPT)
        fail_msg("taken: %s", bytes);
}

/* ---- the key of who has no certificate yet ---- */

static void take_key(const char *name, const char *token, struct join_key *out)
{
    struct error err = {0};
    if (join_key_take(dir, name, token, out, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    assert_true(keypair_is_one(out->key_pem, out->request_pem));
}

static bool is_the_same(const struct join_key *a, const struct join_key *b)
{
    return strcmp(a->key_pem, b->key_pem) == 0 && strcmp(a->request_pem, b->request_pem) == 0;
}

static void key_of_an_attempt_is_kept_until_it_is_certified(void **state)
{
    struct join_key first, again, other_token, other_name, after;
    struct stat info;
    char path[96];
    (void)state;
    take_key("web01", "0123456789abcdef", &first);
    snprintf(path, sizeof(path), "%s/joining", dir);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    take_key("web01", "0123456789abcdef", &again);
    assert_true(is_the_same(&first, &again));
    /* Another token is another attempt, maybe of another farm: it sees no key of this one. */
    take_key("web01", "fedcba9876543210", &other_token);
    assert_false(is_the_same(&first, &other_token));
    take_key("web02", "fedcba9876543210", &other_name);
    assert_false(is_the_same(&other_token, &other_name));
    assert_int_equal(join_key_drop(dir, NULL), ERR_NONE);
    assert_int_equal(stat(path, &info), -1);
    take_key("web02", "fedcba9876543210", &after);
    assert_false(is_the_same(&other_name, &after));
    join_key_reset(&first), join_key_reset(&again), join_key_reset(&other_token);
    join_key_reset(&other_name), join_key_reset(&after);
}

/* Else the token would be spent for a request whose key nobody has. */
static void damaged_key_is_made_anew(void **state)
{
    struct join_key first, another, again;
    struct text mixed = {0};
    char path[96];
    (void)state;
    snprintf(path, sizeof(path), "%s/joining", dir);
    take_key("web01", "0123456789abcdef", &first);
    take_key("web02", "0123456789abcdef", &another);
    const char *const files[] = {"", "name = web01\n", first.request_pem, NULL};
    text_addf(&mixed, "name = web01\ntoken = 0123456789abcdef\n%s%s", first.key_pem,
              another.request_pem);
    for (size_t i = 0; i < 4; i++) {
        const char *text = files[i] ? files[i] : text_get(&mixed);
        assert_int_equal(os_write_file(path, text, strlen(text), 0600, NULL), ERR_NONE);
        take_key("web01", "0123456789abcdef", &again);
        assert_false(is_the_same(&first, &again));
        join_key_reset(&again);
    }
    join_key_reset(&first), join_key_reset(&another);
    text_reset(&mixed);
}

/* Nothing is told to a coordinator before the key is there for good. */
static void key_that_cannot_be_kept_is_none(void **state)
{
    struct join_key k;
    struct error err = {0};
    (void)state;
    assert_int_not_equal(join_key_take("/nonexistent", "web01", "0123456789abcdef", &k, &err),
                         ERR_NONE);
    assert_non_null(strstr(err.text, "/nonexistent/joining"));
}

static void answers_are_whole_or_none(void **state)
{
    static const char good[] = "HTTP/1.1 202 Accepted\r\nX: y\r\ncontent-length: 2\r\n\r\n{}";
    int status;
    const char *body;
    (void)state;
    assert_int_equal(join_reply(good, sizeof(good) - 1, &status, &body, NULL), ERR_NONE);
    assert_int_equal(status, 202);
    assert_string_equal(body, "{}");
    bad_reply("");
    bad_reply("HTTP/1.1 200 OK\r\n\r\n{}");
    bad_reply("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"); /* cut */
    bad_reply("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}");
    bad_reply("HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\n{}");
    bad_reply("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}");
    bad_reply("SSH-2.0-OpenSSH_9.2\r\n\r\n");
}

static void where_to_join_is_read(void **state)
{
    struct join_where w;
    static const char *const bad[] = {
        "http://h:1",    "https://",     "https://h:0",  "https://h:1/x",   "https://u@h:1",
        "https://h:1:2", "farm.example", "https://[::1", "https://h:70000", "https://h h:1"};
    (void)state;
    assert_int_equal(join_where_parse("https://farm.example:7", &w, NULL), ERR_NONE);
    assert_string_equal(w.host, "farm.example");
    assert_string_equal(w.port, "7");
    assert_int_equal(join_where_parse("https://[2001:db8::1]", &w, NULL), ERR_NONE);
    assert_string_equal(w.host, "2001:db8::1");
    assert_string_equal(w.port, "7601");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (join_where_parse(bad[i], &w, NULL) == ERR_NONE)
            fail_msg("%s was taken", bad[i]);
}

static int setup(void **state)
{
    (void)state;
    farm = certs_farm();
    other = certs_farm();
    strcpy(dir, "/tmp/farmhand-identity-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[96];
    (void)state;
    ca_close(farm);
    ca_close(other);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_survives_its_file),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(certificate_must_fit_key_name_and_ca),
        cmocka_unit_test(renewal_is_due_in_the_last_third),
        cmocka_unit_test(only_a_certificate_that_fits_replaces_the_old_one),
        cmocka_unit_test(key_of_an_attempt_is_kept_until_it_is_certified),
        cmocka_unit_test(damaged_key_is_made_anew),
        cmocka_unit_test(key_that_cannot_be_kept_is_none),
        cmocka_unit_test(answers_are_whole_or_none),
        cmocka_unit_test(where_to_join_is_read),
    };
    return cmocka_run_group_tests_name("agent_identity", tests, setup, teardown);
}

/* Tokens, profiles and PEM: what is printed is read, what is spoiled is told. */
#include "common/text.h"
#include "proto/pem.h"
#include "proto/profile.h"
#include "proto/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct join_token sample(void)
{
    struct join_token t = {.profile = PROFILE_OPERATE};
    memset(t.ca, 0xc5, sizeof(t.ca));
    memset(t.id, 0x07, sizeof(t.id));
    for (size_t i = 0; i < sizeof(t.secret); i++)
        t.secret[i] = (uint8_t)(i * 11);
    return t;
}

static void tokens_come_back_as_they_were(void **state)
{
    struct join_token t = sample(), back;
    struct operator_token o = {.id = {1, 2, 3}, .secret = {9, 8, 7}}, again;
    char text[TOKEN_TEXT_MAX], padded[TOKEN_TEXT_MAX + 8];
    (void)state;
    join_token_print(&t, text);
    assert_true(text_starts(text, "fhj1."));
    snprintf(padded, sizeof(padded), " %s\r\n", text);
    assert_int_equal(join_token_parse(padded, &back, NULL), ERR_NONE);
    assert_memory_equal(&back, &t, sizeof(t));
    operator_token_print(&o, text);
    assert_int_equal(operator_token_parse(text, &again, NULL), ERR_NONE);
    assert_memory_equal(&again, &o, sizeof(o));
}

/* Any one letter changed, lost or added: and the secret is not repeated. */
static void spoiled_token_is_told_and_never_repeated(void **state)
{
    struct join_token t = sample(), back;
    char text[TOKEN_TEXT_MAX], bad[TOKEN_TEXT_MAX + 2];
    struct error err = {0};
    (void)state;
    join_token_print(&t, text);
    for (size_t i = 0; i < strlen(text); i++) {
        strcpy(bad, text);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        assert_int_equal(join_token_parse(bad, &back, &err), ERR_INVALID);
        assert_null(strstr(err.text, bad + 5));
        memmove(bad + i, bad + i + 1, strlen(bad + i));
        assert_int_equal(join_token_parse(bad, &back, &err), ERR_INVALID);
    }
    snprintf(bad, sizeof(bad), "%sA", text);
    assert_int_equal(join_token_parse(bad, &back, &err), ERR_INVALID);
    assert_int_equal(join_token_parse("", &back, &err), ERR_INVALID);
    assert_int_equal(join_token_parse("fhj1.", &back, &err), ERR_INVALID);
    assert_int_equal(join_token_parse("fho1.AAAA", &back, &err), ERR_INVALID);
}

static void unknown_profile_is_one_of_a_newer_version(void **state)
{
    struct join_token t = sample(), back;
    char text[TOKEN_TEXT_MAX];
    (void)state;
    t.profile = (enum profile)PROFILE_COUNT;
    join_token_print(&t, text);
    assert_int_equal(join_token_parse(text, &back, NULL), ERR_NEWER);
}

static void each_verb_has_its_profile(void **state)
{
    enum profile p;
    (void)state;
    assert_int_equal(profile_needed(VERB_OBSERVE), PROFILE_OBSERVE);
    assert_int_equal(profile_needed(VERB_READY), PROFILE_OBSERVE); /* gives back alone */
    assert_int_equal(profile_needed(VERB_DRAIN), PROFILE_OPERATE);
    assert_int_equal(profile_needed(VERB_RECYCLE), PROFILE_OPERATE);
    assert_int_equal(profile_needed(VERB_START), PROFILE_OPERATE);
    assert_int_equal(profile_needed(VERB_SERVICE_START), PROFILE_OPERATE_SERVICES);
    assert_int_equal(profile_needed((enum verb)999), PROFILE_OPERATE_SERVICES);
    for (int i = 0; i < PROFILE_COUNT; i++) {
        assert_true(profile_parse(profile_name((enum profile)i), &p));
        assert_int_equal(p, i);
    }
    assert_false(profile_parse("Operate", &p));
    assert_false(profile_parse("", &p));
}

static void pem_is_cut_and_put_together(void **state)
{
    struct text out = {0}, inside = {0};
    char body[150];
    (void)state;
    memset(body, 'Q', sizeof(body));
    body[sizeof(body) - 1] = '\0';
    pem_add(&out, PEM_CERTIFICATE, body);
    pem_add(&out, PEM_CERTIFICATE, "Zm9v");
    assert_true(pem_inside(text_get(&out), PEM_CERTIFICATE, 0, &inside));
    assert_string_equal(text_get(&inside), body);
    assert_true(pem_inside(text_get(&out), PEM_CERTIFICATE, 1, &inside));
    assert_string_equal(text_get(&inside), "Zm9v");
    assert_false(pem_inside(text_get(&out), PEM_CERTIFICATE, 2, &inside));
    assert_false(pem_inside(text_get(&out), PEM_REQUEST, 0, &inside));
    assert_false(pem_inside("-----BEGIN CERTIFICATE-----\nZm9v\n", PEM_CERTIFICATE, 0, &inside));
    assert_false(pem_inside("-----BEGIN CERTIFICATE-----\nZm?v\n-----END CERTIFICATE-----",
                            PEM_CERTIFICATE, 0, &inside));
    text_reset(&out);
    text_reset(&inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_come_back_as_they_were),
        cmocka_unit_test(spoiled_token_is_told_and_never_repeated),
        cmocka_unit_test(unknown_profile_is_one_of_a_newer_version),
        cmocka_unit_test(each_verb_has_its_profile),
        cmocka_unit_test(pem_is_cut_and_put_together),
    };
    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}

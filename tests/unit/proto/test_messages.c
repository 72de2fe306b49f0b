/* The words and helpers of messages.h, and where the two sides may meet. */
#include "proto/messages.h"
#include "proto/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void names_are_known_and_others_are_a_question_mark(void **state)
{
    (void)state;
    assert_string_equal(verb_name(VERB_RECYCLE), "recycle");
    assert_string_equal(outcome_name(OUTCOME_UNHEARD), "unheard");
    assert_string_equal(cause_name(CAUSE_DENIED_BY_AGENT), "denied-by-agent");
    assert_string_equal(pool_state_name(POOL_STATE_STOPPING), "Stopping");
    assert_string_equal(start_mode_name(START_MODE_ALWAYS_RUNNING), "AlwaysRunning");
    assert_string_equal(service_state_name(SVC_STOP_PENDING), "STOP_PENDING");
    assert_string_equal(service_start_name(SVC_START_DISABLED), "DISABLED");
    assert_string_equal(verb_name((enum verb)VERB_COUNT), "?");
    assert_string_equal(cause_name((enum cause) - 1), "?");
    for (int i = 0; i < CAUSE_COUNT; i++)
        assert_string_not_equal(cause_name((enum cause)i), "?");
}

static void only_what_takes_capacity_is_disruptive(void **state)
{
    (void)state;
    assert_true(verb_is_disruptive(VERB_RECYCLE));
    assert_true(verb_is_disruptive(VERB_STOP));
    assert_true(verb_is_disruptive(VERB_SERVICE_RECOVER));
    assert_true(verb_is_disruptive(VERB_SERVICE_STOP));
    assert_true(verb_is_disruptive(VERB_WORKER_KILL));
    assert_false(verb_is_disruptive(VERB_START));
    assert_false(verb_is_disruptive(VERB_SERVICE_START));
    assert_false(verb_is_disruptive(VERB_OBSERVE));
    assert_false(verb_is_disruptive(VERB_QUERY));
    assert_true(verb_is_disruptive((enum verb)99)); /* unknown: may do anything */
}

static void ids_differ_in_any_part(void **state)
{
    struct command_id a = {.fence = {.number = 1}, .seq = 2}, b = a;
    (void)state;
    assert_true(command_id_equal(&a, &b));
    b.fence.instance.bytes[15] = 1;
    assert_false(command_id_equal(&a, &b));
    assert_false(fence_equal(&a.fence, &b.fence));
    assert_true(wire_id_is_zero(&a.fence.instance));
    assert_false(wire_id_is_zero(&b.fence.instance));
    b = a;
    b.seq = 3;
    assert_false(command_id_equal(&a, &b));
}

static void cleaned(const char *text, size_t size, const char *expected)
{
    char out[64];
    assert_string_equal(wire_clean_text(out, size, text), expected);
    assert_true(wire_text_is_clean(out));
}

static void text_from_elsewhere_is_made_clean(void **state)
{
    (void)state;
    cleaned("plain", 64, "plain");
    cleaned("two\r\nlines\x1b[0m", 64, "two  lines [0m");
    cleaned("Z\x81rich", 64, "Z?rich"); /* code page 850 */
    cleaned("a\xc2\x85z", 64, "a z");   /* C1 */
    cleaned("gr\xc3\xbc\xc3\x9f", 7, "gr\xc3\xbc\xc3\x9f");
    cleaned("gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc"); /* no half character */
    cleaned("cut\xe2\x82", 64, "cut??");
    cleaned("abc", 1, "");
}

static void url(const char *text, bool any_port, enum error_code expected)
{
    struct error err = {0};
    enum error_code code = wire_check_url(text, any_port, &err);
    if (code != expected)
        fail_msg("%s gave %s: %s", text, error_code_name(code), err.text);
    if (code != ERR_NONE && !strstr(err.text, text))
        fail_msg("%s is not named: %s", text, err.text);
}

static void without_tls_only_this_machine_is_accepted(void **state)
{
    static const char *const good[] = {"tcp://127.0.0.1:7411", "tcp://127.255.0.9:1",
                                       "tcp://[::1]:65535", "ipc:///run/farmhand/agents"};
    static const char *const away[] = {
        "tcp://0.0.0.0:7411",    "tcp://10.0.0.1:7411",       "tcp://*:7411",
        "tcp://localhost:7411",  "tcp://127.0.0.1.evil:7411", "tcp://127.1:7411",
        "tcp://0127.0.0.1:7411", "tcp://127.0.0.256:7411",    "tcp://[::]:7411",
        "tcp://128.0.0.1:7411",  "tcp://u@127.0.0.1:7411",    "tcp://127.0.0.1.1:7411",
        "tcp://[::1%eth0]:7411", "tcp://0x7f000001:7411"};
    static const char *const wrong[] = {"",
                                        "127.0.0.1:7411",
                                        "tls+tcp://127.0.0.1",
                                        "tls+tcp://:7411",
                                        "tls+tcp://a b:7411",
                                        "tls+tcp://u@h:7411",
                                        "tls+tcp://[::1:7411",
                                        "tls+tcp://[x]:7411",
                                        "tls+tcp://h:0",
                                        "tls+tcp://h:7411/x",
                                        "ws://127.0.0.1:7411",
                                        "tcp://127.0.0.1",
                                        "tcp://:7411",
                                        "tcp://127.0.0.1:",
                                        "tcp://127.0.0.1:0",
                                        "tcp://127.0.0.1:65536",
                                        "tcp://127.0.0.1:7411/x",
                                        "tcp://[::1:7411",
                                        "ipc://relative"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        url(good[i], false, ERR_NONE);
    for (size_t i = 0; i < sizeof(away) / sizeof(away[0]); i++)
        url(away[i], false, ERR_DENIED);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        url(wrong[i], false, ERR_INVALID);
    url("tcp://127.0.0.1:0", true, ERR_NONE);
}

static void tls_goes_anywhere(void **state)
{
    static const char *const good[] = {"tls+tcp://farm.example:7600", "tls+tcp://10.0.0.1:7600",
                                       "tls+tcp://[2001:db8::1]:7600", "tls+tcp://0.0.0.0:7600"};
    char host[32];
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        url(good[i], false, ERR_NONE);
        assert_true(wire_url_has_tls(good[i]));
    }
    assert_false(wire_url_has_tls("tcp://127.0.0.1:7411"));
    assert_true(wire_url_host(good[0], host, sizeof(host)));
    assert_string_equal(host, "farm.example");
    assert_true(wire_url_host(good[2], host, sizeof(host)));
    assert_string_equal(host, "2001:db8::1");
    assert_false(wire_url_host(good[0], host, 12));
}

static void name_of_a_server_is_no_option_and_nobody_elses(void **state)
{
    static const char *const good[] = {"web01", "1", "WEB-01.farm_a.example", "all-1", "overall"};
    static const char *const wrong[] = {
        "", "-f", ".web", "_web", "we b", "we/b", "all", "ALL", "farmhand-coordinator"};
    struct error err;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(wire_check_server_name(good[i], &err), ERR_NONE);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(wire_check_server_name(wrong[i], &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "letters, digits"));
    }
}

static void socket_path_must_fit(void **state)
{
    char text[200] = "ipc:///";
    (void)state;
    memset(text + 7, 'x', 106);
    url(text, false, ERR_NONE);
    text[7 + 106] = 'x';
    url(text, false, ERR_INVALID);
}

static void names_that_could_lead_astray_are_refused(void **state)
{
    (void)state;
    assert_true(wire_server_name_ok("web-01.farm_a"));
    assert_false(wire_server_name_ok(""));
    assert_false(wire_server_name_ok("web 01"));
    assert_false(wire_server_name_ok("web01\n"));
    assert_false(wire_server_name_ok("../web"));
    assert_false(wire_server_name_ok("w*"));
    char long_name[WIRE_NAME_MAX + 1];
    memset(long_name, 'w', sizeof(long_name));
    long_name[WIRE_NAME_MAX] = '\0';
    assert_false(wire_server_name_ok(long_name));
    assert_true(wire_server_name_ok(long_name + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_known_and_others_are_a_question_mark),
        cmocka_unit_test(only_what_takes_capacity_is_disruptive),
        cmocka_unit_test(ids_differ_in_any_part),
        cmocka_unit_test(text_from_elsewhere_is_made_clean),
        cmocka_unit_test(names_that_could_lead_astray_are_refused),
        cmocka_unit_test(without_tls_only_this_machine_is_accepted),
        cmocka_unit_test(tls_goes_anywhere),
        cmocka_unit_test(name_of_a_server_is_no_option_and_nobody_elses),
        cmocka_unit_test(socket_path_must_fit),
    };
    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}

/* Services through the lab's tool, and without a service manager. */
#include "agent/drivers/iis.h"
#include "agent/drivers/scm.h"
#include "agent/drivers/scm_codes.h"
#include "agent/drivers/scm_machine.h"
#include "common/text.h"
#include "tests/unit/drivers_tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAS                                                                                        \
    "{\"name\":\"WAS\",\"display\":\"x\",\"state\":4,\"state_name\":\"RUNNING\",\"pid\":4711,"     \
    "\"created\":99120,\"start_type\":3,\"depends\":[],\"future\":{\"a\":[1,2]}}"
#define MORE                                                                                       \
    "{\"name\":\"W3SVC\",\"state\":3,\"pid\":4711,\"start_type\":2,\"depends\":[\"HTTP\",\"WAS\"]" \
    "},"                                                                                           \
    "{\"name\":\"Spooler\",\"state\":4,\"pid\":5,\"start_type\":2,\"depends\":[\"RPCSS\"]},"       \
    "{\"name\":\"MyListener\",\"state\":1,\"pid\":0,\"start_type\":4,\"depends\":[\"was\"]}"

static enum error_code parse(const char *json, struct scm_rows *out, struct error *err)
{
    enum error_code code = scm_lab_parse(json, strlen(json), out, err);
    if (!code)
        scm_rows_keep_ours(out);
    return code;
}

static void services_of_a_web_server_are_taken_others_left(void **state)
{
    (void)state;
    struct scm_rows rows;
    assert_int_equal(parse("{\"code\":0,\"services\":[" WAS "," MORE "]}", &rows, NULL), ERR_NONE);
    assert_true(rows.known);
    assert_int_equal(rows.count, 3);
    const struct scm_row *was = scm_rows_find(&rows, "was");
    assert_int_equal(was->state, SVC_RUNNING);
    assert_int_equal(was->start, SVC_START_DEMAND);
    assert_int_equal(was->pid, 4711);
    assert_int_equal(scm_rows_find(&rows, "W3SVC")->state, SVC_STOP_PENDING);
    assert_int_equal(scm_rows_find(&rows, "MyListener")->start, SVC_START_DISABLED);
    assert_null(scm_rows_find(&rows, "Spooler"));
    scm_rows_reset(&rows);
}

static void was_and_w3svc_are_told_even_if_absent(void **state)
{
    (void)state;
    struct scm_rows rows;
    assert_int_equal(parse("{\"code\":0,\"services\":[]}", &rows, NULL), ERR_NONE);
    assert_int_equal(rows.count, 2);
    assert_int_equal(scm_rows_find(&rows, "WAS")->state, SVC_ABSENT);
    assert_int_equal(scm_rows_find(&rows, "W3SVC")->state, SVC_ABSENT);
    scm_rows_reset(&rows);
}

static void who_depends_on_was_through_others_is_taken_with_its_needs(void **state)
{
    (void)state;
    struct scm_rows rows;
    assert_int_equal(parse("{\"code\":0,\"services\":[" WAS ","
                           "{\"name\":\"Far\",\"state\":4,\"depends\":[\"Near\",\"Spooler\"]},"
                           "{\"name\":\"Near\",\"state\":4,\"depends\":[\"was\"]},"
                           "{\"name\":\"Loop\",\"state\":4,\"depends\":[\"Loop\"]},"
                           "{\"name\":\"Spooler\",\"state\":4,\"depends\":[\"RPCSS\"]}]}",
                           &rows, NULL),
                     ERR_NONE);
    assert_non_null(scm_rows_find(&rows, "Far"));
    assert_non_null(scm_rows_find(&rows, "Near"));
    assert_null(scm_rows_find(&rows, "Loop"));
    assert_null(scm_rows_find(&rows, "Spooler"));
    assert_int_equal(rows.need_count, 3);
    scm_rows_reset(&rows);
}

static void wait_is_over_when_the_state_is_there_and_not_before(void **state)
{
    (void)state;
    static const struct {
        enum service_state is, wanted;
        uint32_t exit_code;
        bool moved;
        enum scm_waiting waiting;
    } cases[] = {
        {SVC_RUNNING, SVC_RUNNING, 0, false, SCM_WAIT_OVER},
        {SVC_START_PENDING, SVC_RUNNING, 0, true, SCM_WAIT_MORE},
        {SVC_STOPPED, SVC_RUNNING, 0, false, SCM_WAIT_MORE}, /* its turn has not come yet */
        {SVC_STOPPED, SVC_RUNNING, 0, true, SCM_WAIT_ENDED},
        {SVC_STOPPED, SVC_RUNNING, 1067, false, SCM_WAIT_ENDED},
        {SVC_STOPPED, SVC_STOPPED, 1067, true, SCM_WAIT_OVER},
        {SVC_STOP_PENDING, SVC_STOPPED, 0, true, SCM_WAIT_MORE},
        {SVC_RUNNING, SVC_STOPPED, 0, true, SCM_WAIT_MORE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scm_row row = {.state = cases[i].is, .exit_code = cases[i].exit_code};
        if (scm_judge_wait(&row, cases[i].wanted, cases[i].moved) != cases[i].waiting)
            fail_msg("case %zu", i);
    }
}

static void codes_mean_what_they_mean_to_each_act(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        enum error_code query, start, stop, config;
    } cases[] = {
        {0, ERR_NONE, ERR_NONE, ERR_NONE, ERR_NONE},
        {5, ERR_DENIED, ERR_DENIED, ERR_DENIED, ERR_DENIED},
        {1051, ERR_UNAVAILABLE, ERR_IO, ERR_STATE, ERR_IO},
        {1052, ERR_UNAVAILABLE, ERR_IO, ERR_STATE, ERR_IO},
        {1053, ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_TIMEOUT, ERR_TIMEOUT},
        {1055, ERR_UNAVAILABLE, ERR_BUSY, ERR_BUSY, ERR_BUSY},
        {1056, ERR_UNAVAILABLE, ERR_EXISTS, ERR_IO, ERR_IO},
        {1058, ERR_UNAVAILABLE, ERR_STATE, ERR_IO, ERR_IO},
        {1060, ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_NOT_FOUND},
        {1061, ERR_UNAVAILABLE, ERR_BUSY, ERR_BUSY, ERR_BUSY},
        {0x80070425, ERR_UNAVAILABLE, ERR_BUSY, ERR_BUSY, ERR_BUSY},
        {2147943461u, ERR_UNAVAILABLE, ERR_BUSY, ERR_BUSY, ERR_BUSY},
        {1062, ERR_UNAVAILABLE, ERR_IO, ERR_EXISTS, ERR_IO},
        {1066, ERR_UNAVAILABLE, ERR_IO, ERR_IO, ERR_IO},
        {1067, ERR_UNAVAILABLE, ERR_IO, ERR_IO, ERR_IO},
        {1068, ERR_UNAVAILABLE, ERR_BUSY, ERR_IO, ERR_IO},
        {1069, ERR_UNAVAILABLE, ERR_STATE, ERR_IO, ERR_IO},
        {1072, ERR_STATE, ERR_STATE, ERR_STATE, ERR_STATE},
        {1115, ERR_UNAVAILABLE, ERR_STATE, ERR_STATE, ERR_STATE},
        {4242, ERR_UNAVAILABLE, ERR_IO, ERR_IO, ERR_IO},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const enum error_code expected[SCM_ACT_COUNT] = {cases[i].query, cases[i].start,
                                                         cases[i].stop, cases[i].config};
        for (int act = 0; act < SCM_ACT_COUNT; act++)
            if (scm_code_error(cases[i].code, (enum scm_act)act, "X", NULL) != expected[act])
                fail_msg("code %u, act %d", cases[i].code, act);
    }
}

static void code_is_told_with_name_number_and_what_to_do(void **state)
{
    (void)state;
    struct error err;
    scm_code_error(0x80070425, SCM_STOP, "WAS", &err);
    assert_non_null(strstr(err.text, "service WAS"));
    assert_non_null(strstr(err.text, "1061"));
    scm_code_error(4242, SCM_START, "WAS", &err);
    assert_non_null(strstr(err.text, "net helpmsg"));
    assert_false(scm_code_is_known(4242, SCM_START));
    assert_true(scm_code_is_known(1069, SCM_START));
}

static void refusals_and_rubbish_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum error_code code;
    } cases[] = {
        {"{\"code\":5,\"message\":\"Zugriff verweigert\"}", ERR_DENIED},
        {"{\"code\":1055,\"services\":[]}", ERR_UNAVAILABLE},
        {"", ERR_CORRUPT},
        {"[]", ERR_CORRUPT},
        {"{\"services\":[]}", ERR_CORRUPT},
        {"{\"code\":0}", ERR_CORRUPT},
        {"{\"code\":0,\"services\":[" WAS, ERR_CORRUPT},
        {"{\"code\":0,\"services\":[" WAS ",{\"name\":\"X\"}]}", ERR_CORRUPT},
        {"{\"code\":0,\"services\":[{\"state\":4}]}", ERR_CORRUPT},
        {"{\"code\":0,\"services\":[{\"name\":\"WAS\",\"state\":4,\"pid\":-1}]}", ERR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scm_rows rows = {.count = 77};
        struct error err;
        if (parse(cases[i].json, &rows, &err) != cases[i].code)
            fail_msg("%s", cases[i].json);
        assert_int_equal(rows.count, 77);
        assert_null(strstr(err.text, "Zugriff"));
    }
}

static void stamp_changes_with_any_fact_and_not_with_the_order(void **state)
{
    (void)state;
    struct scm_row rows_a[] = {{"WAS", SVC_RUNNING, SVC_START_AUTO, 1, 0, 0, ""},
                               {"W3SVC", SVC_RUNNING, SVC_START_AUTO, 1, 0, 0, ""}};
    struct scm_row rows_b[] = {rows_a[1], rows_a[0]};
    struct scm_rows a = {.items = rows_a, .count = 2, .known = true};
    struct scm_rows b = {.items = rows_b, .count = 2, .known = true};
    assert_int_equal(scm_rows_stamp(&a), scm_rows_stamp(&b));
    rows_b[0].pid = 2;
    assert_int_not_equal(scm_rows_stamp(&a), scm_rows_stamp(&b));
    rows_b[0].pid = 1;
    rows_b[1].state = SVC_STOPPED;
    assert_int_not_equal(scm_rows_stamp(&a), scm_rows_stamp(&b));
}

static void back_end_without_a_manager_knows_nothing(void **state)
{
    (void)state;
    struct scm *scm;
    struct scm_rows rows;
    const struct scm_ops *ops = scm_ops_get(0);
    assert_string_equal(ops->name, scm_names[0]);
    assert_int_equal(ops->open(NULL, NULL, &scm, NULL), ERR_NONE);
    assert_int_equal(ops->query(scm, 1000, &rows, NULL), ERR_NONE);
    assert_false(rows.known);
    assert_int_equal(rows.count, 0);
    struct scm_counters counters;
    assert_int_equal(ops->counters(scm, 1000, &counters, NULL), ERR_UNAVAILABLE);
    assert_int_equal(ops->start(scm, "WAS", 1000, NULL), ERR_UNAVAILABLE);
    assert_int_equal(ops->stop(scm, "WAS", 1000, NULL), ERR_UNAVAILABLE);
    assert_int_equal(ops->set_start(scm, "WAS", SVC_START_AUTO, 1000, NULL), ERR_UNAVAILABLE);
    assert_int_equal(scm_wait(scm, "WAS", SVC_RUNNING, 1000, NULL), ERR_UNAVAILABLE);
    ops->close(scm);
    assert_null(scm_ops_get(-1));
    assert_null(scm_ops_get(2));
}

static void every_name_has_its_back_end(void **state)
{
    (void)state;
    for (int i = 0; scm_names[i]; i++)
        assert_string_equal(scm_ops_get(i)->name, scm_names[i]);
}

static void expect_query(const char *script, uint64_t timeout_ms, enum error_code expected)
{
    char *folder = tool_folder_new();
    char *path = tool_path(folder, "sc");
    struct scm *scm;
    struct scm_rows rows;
    struct error err;
    if (script)
        tool_script(folder, "sc", script);
    assert_int_equal(scm_lab_ops.open(path, NULL, &scm, NULL), ERR_NONE);
    enum error_code code = scm_lab_ops.query(scm, timeout_ms, &rows, &err);
    if (code != expected)
        fail_msg("%s: %s instead of %s", script ? script : "-", error_code_name(code),
                 error_code_name(expected));
    if (!code)
        scm_rows_reset(&rows);
    scm_lab_ops.close(scm);
    free(path);
    tool_folder_remove(folder);
}

static void expect_barred(struct scm_machine machine, const char *words)
{
    char out[256] = "?";
    scm_machine_barred(&machine, out, sizeof(out));
    if (words[0] == '\0')
        assert_string_equal(out, "");
    else
        assert_non_null(strstr(out, words));
}

static void machine_that_is_about_something_else_bars_its_services(void **state)
{
    (void)state;
    expect_barred((struct scm_machine){0}, "");
    expect_barred((struct scm_machine){.renames = true}, "");
    expect_barred((struct scm_machine){.reboot_setup = true}, "a reboot of the machine is pending");
    expect_barred((struct scm_machine){.reboot_updates = true}, "Windows Update");
    expect_barred((struct scm_machine){.container = true}, "container");
    expect_barred((struct scm_machine){.shutting_down = true, .reboot_updates = true},
                  "shutting down");
}

static void tool_is_asked_in_json(void **state)
{
    (void)state;
    expect_query("[ \"$*\" = '--json query' ] && echo '{\"code\":0,\"services\":[]}'", 5000,
                 ERR_NONE);
}

static void tool_that_fails_is_told(void **state)
{
    (void)state;
    struct error err;
    struct scm *scm;
    expect_query(NULL, 5000, ERR_UNAVAILABLE);
    expect_query("sleep 30", 50, ERR_TIMEOUT);
    expect_query("yes", 5000, ERR_CORRUPT);
    expect_query("code 5", 5000, ERR_DENIED);
    expect_query("code 1053", 5000, ERR_UNAVAILABLE);
    expect_query("true", 5000, ERR_CORRUPT);
    expect_query("true", 0, ERR_TIMEOUT);
    assert_int_equal(scm_lab_ops.open(NULL, NULL, &scm, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "service_tool"));
}

static void counters_of_pools_are_read(void **state)
{
    (void)state;
    static const char good[] =
        "{\"code\":0,\"pools\":[{\"name\":\"Shop\",\"queue\":7,\"active\":1,\"rejected\":3},"
        "{\"name\":\"Api\",\"queue\":0,\"workers\":[]}],\"sites\":[]}";
    static const char *const bad[] = {"", "{\"code\":0}",
                                      "{\"code\":0,\"pools\":[{\"name\":\"x\"}]}",
                                      "{\"code\":0,\"pools\":[{\"name\":\"x\",\"queue\":-1}]}"};
    struct scm_counters counters;
    assert_int_equal(scm_lab_parse_counters(good, sizeof(good) - 1, &counters, NULL), ERR_NONE);
    assert_int_equal(scm_counters_queued(&counters, "shop"), 7);
    assert_int_equal(scm_counters_queued(&counters, "Api"), 0);
    assert_int_equal(scm_counters_queued(&counters, "Nope"), -1);
    assert_int_equal(scm_counters_row(&counters, "SHOP")->rejected, 3);
    assert_int_equal(scm_counters_row(&counters, "Api")->rejected, -1);
    scm_counters_reset(&counters);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(scm_lab_parse_counters(bad[i], strlen(bad[i]), &counters, NULL),
                         ERR_CORRUPT);
    assert_int_equal(scm_lab_parse_counters("{\"code\":50}", 11, &counters, NULL), ERR_UNAVAILABLE);
}

static void queues_that_belong_to_no_pool_are_left_out(void **state)
{
    (void)state;
    /* As the counter set "HTTP Service Request Queues" lists them on a server. */
    static const char *const pools[] = {"DefaultAppPool", "Shop", "-", "--x", "---", "1",
                                        "B\xC3\xBCro"};
    static const char *const others[] = {"---1", "---2", "-17", "_Total", "_total", ""};
    for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
        assert_true(scm_is_pool_instance(pools[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(scm_is_pool_instance(others[i]));
    struct scm_counters counters = {0};
    scm_counters_take(&counters, "Shop", SCM_FIGURE_QUEUED, 4);
    scm_counters_take(&counters, "---1", SCM_FIGURE_QUEUED, 9);
    scm_counters_take(&counters, "shop", SCM_FIGURE_REJECTED, 5);
    scm_counters_take(&counters, "Api", SCM_FIGURE_REJECTED, -1); /* nobody counts below 0 */
    assert_int_equal(counters.count, 1);
    assert_int_equal(counters.items[0].queued, 4);
    assert_int_equal(counters.items[0].rejected, 5);
    scm_counters_reset(&counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_of_a_web_server_are_taken_others_left),
        cmocka_unit_test(was_and_w3svc_are_told_even_if_absent),
        cmocka_unit_test(who_depends_on_was_through_others_is_taken_with_its_needs),
        cmocka_unit_test(wait_is_over_when_the_state_is_there_and_not_before),
        cmocka_unit_test(codes_mean_what_they_mean_to_each_act),
        cmocka_unit_test(code_is_told_with_name_number_and_what_to_do),
        cmocka_unit_test(refusals_and_rubbish_are_errors),
        cmocka_unit_test(stamp_changes_with_any_fact_and_not_with_the_order),
        cmocka_unit_test(back_end_without_a_manager_knows_nothing),
        cmocka_unit_test(every_name_has_its_back_end),
        cmocka_unit_test(counters_of_pools_are_read),
        cmocka_unit_test(queues_that_belong_to_no_pool_are_left_out),
        cmocka_unit_test(machine_that_is_about_something_else_bars_its_services),
        cmocka_unit_test(tool_is_asked_in_json),
        cmocka_unit_test(tool_that_fails_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

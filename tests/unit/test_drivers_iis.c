/* The whole driver, with scripts that play appcmd and sc: what it asks, what it makes of answers,
 * and that no password gets out. */
#include "agent/drivers/iis.h"
#include "common/http.h"
#include "common/must.h"
#include "common/text.h"
#include "tests/unit/drivers_tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POOLS                                                                                      \
    "<appcmd><APPPOOL APPPOOL.NAME=\"Shop\" state=\"Started\"><add name=\"Shop\" "                 \
    "startMode=\"AlwaysRunning\"><processModel password=\"hunter2\" maxProcesses=\"2\"/></add>"    \
    "</APPPOOL></appcmd>"
#define SITES                                                                                      \
    "<appcmd><SITE SITE.NAME=\"Web\" SITE.ID=\"1\" bindings=\"http/127.0.0.1:1:\" "                \
    "state=\"Started\"/></appcmd>"
#define APPS                                                                                       \
    "<appcmd><APP path=\"/\" APP.NAME=\"Web/\" APPPOOL.NAME=\"Shop\" SITE.NAME=\"Web\"/></appcmd>"
#define SERVICES                                                                                   \
    "{\"code\":0,\"services\":[{\"name\":\"WAS\",\"state\":4,\"pid\":7,\"start_type\":2},"         \
    "{\"name\":\"W3SVC\",\"state\":4,\"pid\":7,\"start_type\":2}]}"

/* A server that works; scripts note what they were asked in `calls`. */
#define APPCMD_WORKS                                                                               \
    "echo \"$*\" >> \"$HERE/calls\"\n"                                                             \
    "case \"$1 $2\" in\n"                                                                          \
    "'list apppool') cat \"$HERE/pools\";;\n"                                                      \
    "'list site') cat \"$HERE/sites\";;\n"                                                         \
    "'list app') cat \"$HERE/apps\";;\n"                                                           \
    "'list request') cat \"$HERE/requests\";;\n"                                                   \
    "esac"

struct box {
    char *folder;
    struct iis_settings settings;
    struct driver *driver;
};

static void put(struct box *box, const char *name, const char *text)
{
    tool_write(box->folder, name, text, strlen(text));
}

static int open_box(void **state)
{
    struct box *box = must_alloc(1, sizeof(*box));
    box->folder = tool_folder_new();
    put(box, "pools", POOLS);
    put(box, "sites", SITES);
    put(box, "apps", APPS);
    put(box, "requests", "");
    put(box, "services", SERVICES);
    put(box, "applicationHost.config", "<configuration/>");
    tool_script(box->folder, "appcmd", APPCMD_WORKS);
    put(box, "counters", "{\"code\":0,\"pools\":[{\"name\":\"Shop\",\"queue\":7}]}");
    tool_script(
        box->folder, "sc",
        "if [ \"$1\" = counters ]; then cat \"$HERE/counters\"; else cat \"$HERE/services\"; fi");
    iis_settings_init(&box->settings);
    box->settings.appcmd = tool_path(box->folder, "appcmd");
    box->settings.worker = tool_path(box->folder, "w3wp.exe");
    box->settings.config = tool_path(box->folder, "applicationHost.config");
    box->settings.service_tool = tool_path(box->folder, "sc");
    box->settings.service_backend = 1;
    box->settings.services_every_ms = 1;
    must(iis_open(&box->settings, &box->driver, NULL) == ERR_NONE);
    *state = box;
    return 0;
}

static int close_box(void **state)
{
    struct box *box = *state;
    box->driver->ops->close(box->driver);
    iis_settings_reset(&box->settings);
    tool_folder_remove(box->folder);
    free(box);
    return 0;
}

/* appcmd prints `file` and ends with `code`. */
static void appcmd_says(struct box *box, const char *output, uint32_t code)
{
    char line[100];
    put(box, "output", output);
    text_format(line, sizeof(line), "echo \"$*\" >> \"$HERE/calls\"\ncat \"$HERE/output\"\ncode %u",
                code);
    tool_script(box->folder, "appcmd", line);
}

static void expect_calls(struct box *box, const char *expected)
{
    char *calls = tool_read(box->folder, "calls");
    assert_string_equal(calls, expected);
    free(calls);
    put(box, "calls", "");
}

static enum error_code act(struct box *box, const char *verb, uint64_t timeout_ms,
                           struct error *err)
{
    const struct driver_ops *ops = box->driver->ops;
    struct error ignored;
    if (!err)
        err = &ignored;
    if (text_equal(verb, "recycle"))
        return ops->pool_recycle(box->driver, "Shop", timeout_ms, err);
    if (text_equal(verb, "start"))
        return ops->pool_start(box->driver, "Shop", timeout_ms, err);
    if (text_equal(verb, "stop"))
        return ops->pool_stop(box->driver, "Shop", timeout_ms, err);
    return ops->pool_set_autostart(box->driver, "Shop", false, timeout_ms, err);
}

/* ---- what it asks ---- */

static void acts_are_asked_by_name_and_not_through_a_shell(void **state)
{
    struct box *box = *state;
    const struct driver_ops *ops = box->driver->ops;
    assert_int_equal(act(box, "recycle", 9000, NULL), ERR_NONE);
    assert_int_equal(act(box, "start", 9000, NULL), ERR_NONE);
    assert_int_equal(act(box, "stop", 0, NULL), ERR_NONE);
    assert_int_equal(act(box, "set", 9000, NULL), ERR_NONE);
    assert_int_equal(ops->pool_set_autostart(box->driver, "Shop", true, 9000, NULL), ERR_NONE);
    assert_int_equal(ops->pool_recycle(box->driver, "/in; rm \"x\" $(y)", 9000, NULL), ERR_NONE);
    expect_calls(box, "recycle apppool /apppool.name:Shop\n"
                      "start apppool /apppool.name:Shop\n"
                      "stop apppool /apppool.name:Shop\n"
                      "set apppool /apppool.name:Shop /autoStart:false\n"
                      "set apppool /apppool.name:Shop /autoStart:true\n"
                      "recycle apppool /apppool.name:/in; rm \"x\" $(y)\n");
}

static void names_that_no_pool_has_never_reach_appcmd(void **state)
{
    struct box *box = *state;
    const struct driver_ops *ops = box->driver->ops;
    char too_long[WIRE_NAME_MAX + 1];
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    const char *const names[] = {"", "a\nb", "\xFF", "$=*", "$<>Shop", too_long};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct driver_view view;
        uint32_t count;
        assert_int_equal(ops->pool_recycle(box->driver, names[i], 9000, NULL), ERR_NOT_FOUND);
        assert_int_equal(ops->look_pool(box->driver, names[i], 9000, &view, NULL), ERR_NOT_FOUND);
        assert_int_equal(ops->requests(box->driver, names[i], 9000, &count, NULL), ERR_NOT_FOUND);
    }
    expect_calls(box, "");
}

static void look_gives_everything_in_three_calls(void **state)
{
    struct box *box = *state;
    struct tool_worker worker = tool_worker_start(box->settings.worker, "Shop");
    struct driver_view view;
    assert_int_equal(box->driver->ops->look(box->driver, 9000, &view, NULL), ERR_NONE);
    assert_string_equal(view.trouble, "");
    assert_true(view.pools_known && view.sites_known && view.services_known && view.workers_known);
    assert_int_equal(view.pool_count, 1);
    assert_int_equal(view.pools[0].max_processes, 2);
    assert_int_equal(view.pools[0].queued, 7);
    assert_int_equal(view.site_count, 1);
    assert_string_equal(view.sites[0].pool, "Shop");
    assert_int_equal(view.service_count, 2);
    assert_int_equal(view.worker_count, 1);
    assert_int_equal(view.workers[0].pid, worker.pid);
    assert_string_equal(view.workers[0].pool, "Shop");
    assert_false(view.config_shared);
    expect_calls(box, "list apppool /xml /config:*\nlist app /xml\nlist site /xml\n");
    driver_view_reset(&view);
    tool_worker_end(&worker);
}

static void look_at_one_pool_brings_its_workers_and_the_services(void **state)
{
    struct box *box = *state;
    struct tool_worker mine = tool_worker_start(box->settings.worker, "Shop");
    struct tool_worker other = tool_worker_start(box->settings.worker, "Other");
    struct driver_view view;
    assert_int_equal(box->driver->ops->look_pool(box->driver, "SHOP", 9000, &view, NULL), ERR_NONE);
    assert_int_equal(view.pool_count, 1);
    assert_string_equal(view.pools[0].name, "Shop");
    assert_int_equal(view.worker_count, 1);
    assert_int_equal(view.workers[0].pid, mine.pid);
    assert_true(view.services_known);
    assert_int_equal(view.service_count, 2);
    expect_calls(box, "list apppool /apppool.name:SHOP /xml /config:*\n");
    driver_view_reset(&view);
    tool_worker_end(&mine);
    tool_worker_end(&other);
}

static void workers_are_read_without_any_tool(void **state)
{
    struct box *box = *state;
    struct tool_worker a = tool_worker_start(box->settings.worker, "Shop");
    struct tool_worker b = tool_worker_start(box->settings.worker, "With Blank");
    struct driver_view view;
    assert_int_equal(box->driver->ops->workers(box->driver, &view, NULL), ERR_NONE);
    assert_true(view.workers_known);
    assert_false(view.pools_known);
    assert_int_equal(view.worker_count, 2);
    for (size_t i = 0; i < 2; i++) {
        bool is_a = view.workers[i].pid == (uint32_t)a.pid;
        assert_string_equal(view.workers[i].pool, is_a ? "Shop" : "With Blank");
        assert_true(view.workers[i].created > 0);
    }
    driver_view_reset(&view);
    tool_worker_end(&a);
    tool_worker_end(&b);
    assert_int_equal(box->driver->ops->workers(box->driver, &view, NULL), ERR_NONE);
    assert_int_equal(view.worker_count, 0);
    driver_view_reset(&view);
    expect_calls(box, "");
}

/* ---- what it makes of answers ---- */

static void exit_codes_decide_and_not_words(void **state)
{
    struct box *box = *state;
    static const struct {
        const char *verb;
        uint32_t code;
        enum error_code means;
    } cases[] = {
        {"start", 1056, ERR_EXISTS},   {"stop", 1062, ERR_EXISTS},
        {"recycle", 1062, ERR_STATE},  {"recycle", 4312, ERR_STATE},
        {"stop", 1061, ERR_BUSY},      {"recycle", 1168, ERR_NOT_FOUND},
        {"recycle", 5, ERR_DENIED},    {"recycle", 87, ERR_INVALID},
        {"start", 183, ERR_IO},        {"recycle", 1726, ERR_IO},
        {"stop", 2147549190u, ERR_IO}, {"set", 0, ERR_NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        appcmd_says(box,
                    "ERROR ( message:\x9A"
                    "berall Erfolg, successfully recycled )\r\n",
                    cases[i].code);
        enum error_code code = act(box, cases[i].verb, 9000, &err);
        if (code != cases[i].means)
            fail_msg("%s %u: %s", cases[i].verb, cases[i].code, error_code_name(code));
        if (code)
            assert_non_null(strstr(err.text, "\xC3\x9C"
                                             "berall Erfolg"));
    }
}

static void hresult_speaks_where_the_exit_code_is_vague(void **state)
{
    struct box *box = *state;
    appcmd_says(box, "ERROR ( hresult:80070425, message:...\r\n)\r\n", 1);
    assert_int_equal(act(box, "stop", 9000, NULL), ERR_BUSY);
    appcmd_says(box, "ERROR ( hresult:80070005, message:...\r\n)\r\n", 0);
    assert_int_equal(act(box, "stop", 9000, NULL), ERR_NONE);
}

static void fifty_is_denied_where_was_runs(void **state)
{
    struct box *box = *state;
    struct error err;
    appcmd_says(box, "", 50);
    assert_int_equal(act(box, "recycle", 9000, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "elevated"));
    put(box, "services", "{\"code\":0,\"services\":[]}");
    assert_int_equal(act(box, "recycle", 9000, &err), ERR_UNAVAILABLE);
}

static void locked_file_is_tried_again(void **state)
{
    struct box *box = *state;
    tool_script(box->folder, "appcmd",
                "echo x >> \"$HERE/calls\"\n[ $(wc -l < \"$HERE/calls\") -lt 2 ] && code 32\n"
                "code 0");
    assert_int_equal(act(box, "set", 9000, NULL), ERR_NONE);
    expect_calls(box, "x\nx\n");
    appcmd_says(box, "", 32);
    /* The fourth try begins after 1750 ms and has two seconds left; there is no time for a fifth. */
    assert_int_equal(act(box, "set", 3700, NULL), ERR_BUSY);
}

static void appcmd_that_hangs_is_ended_at_the_deadline(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    struct error err;
    tool_script(box->folder, "appcmd", "exec sleep 60");
    assert_int_equal(act(box, "recycle", 50, &err), ERR_TIMEOUT);
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Shop", 50, &view, &err),
                     ERR_TIMEOUT);
    assert_int_equal(box->driver->ops->look(box->driver, 2000, &view, &err), ERR_NONE);
    assert_false(view.pools_known);
    assert_false(view.sites_known);
    assert_true(view.workers_known);
    assert_true(view.services_known);
    assert_non_null(strstr(view.trouble, "pools: appcmd list"));
    assert_non_null(strstr(view.trouble, "not asked"));
    driver_view_reset(&view);
}

static void appcmd_that_is_missing_is_not_a_missing_pool(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    struct error err;
    free(box->settings.appcmd);
    box->settings.appcmd = tool_path(box->folder, "none-such");
    assert_int_equal(act(box, "recycle", 9000, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "none-such"));
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Shop", 9000, &view, &err),
                     ERR_UNAVAILABLE);
}

static void endless_output_is_ended(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    struct error err;
    tool_script(box->folder, "appcmd", "exec yes '<APPPOOL APPPOOL.NAME=\"x\"/>'");
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Shop", 30000, &view, &err),
                     ERR_CORRUPT);
    assert_int_equal(act(box, "recycle", 30000, &err), ERR_CORRUPT);
}

static void half_an_answer_is_corrupt_and_said_so(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    struct error err;
    put(box, "pools", "<appcmd><APPPOOL APPPOOL.NAME=\"Shop\" state=\"Star");
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Shop", 9000, &view, &err),
                     ERR_CORRUPT);
    assert_int_equal(box->driver->ops->look(box->driver, 9000, &view, &err), ERR_NONE);
    assert_false(view.pools_known);
    assert_true(view.sites_known);
    assert_non_null(strstr(view.trouble, "pools: "));
    driver_view_reset(&view);
}

static void unknown_pool_is_not_found(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    struct error err;
    appcmd_says(box, "", 1);
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Nope", 9000, &view, &err),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "Nope"));
    appcmd_says(box, "<appcmd></appcmd>", 0);
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Nope", 9000, &view, &err),
                     ERR_NOT_FOUND);
    appcmd_says(box, POOLS, 0); /* a filter that was not heard */
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Nope", 9000, &view, &err),
                     ERR_NOT_FOUND);
    appcmd_says(box, "Microsoft (R) appcmd, usage: ...", 1);
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Nope", 9000, &view, &err),
                     ERR_CORRUPT);
}

static void failure_told_in_xml_is_a_failure(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    appcmd_says(box,
                "<appcmd><ERROR hresult=\"80070005\" message=\"Zugriff verweigert\"/></appcmd>", 0);
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Shop", 9000, &view, NULL),
                     ERR_DENIED);
    appcmd_says(box, "<appcmd><ERROR message=\"?\"/></appcmd>", 0);
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Shop", 9000, &view, NULL), ERR_IO);
    appcmd_says(box, "<appcmd><ERROR message=\"?\"/></appcmd>", 1);
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Shop", 9000, &view, NULL),
                     ERR_NOT_FOUND);
}

static void lists_are_never_quoted(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    struct error err = {0};
    uint32_t count;
    appcmd_says(box, "ERROR ( message:visitor 10.9.8.7 )", 5);
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Shop", 9000, &view, &err),
                     ERR_DENIED);
    assert_null(strstr(err.text, "visitor"));
    assert_int_equal(box->driver->ops->requests(box->driver, "Shop", 9000, &count, &err),
                     ERR_DENIED);
    assert_null(strstr(err.text, "visitor"));
}

static void appcmd_ended_by_somebody_leaves_the_outcome_open(void **state)
{
    struct box *box = *state;
    struct error err = {0};
    tool_script(box->folder, "appcmd", "kill -9 $$");
    assert_int_equal(act(box, "recycle", 9000, &err), ERR_IO);
    assert_non_null(strstr(err.text, "from outside"));
}

static void password_gets_out_nowhere(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    struct error err = {0};
    static const uint32_t codes[] = {0, 5, 13, 50, 87, 12345};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        appcmd_says(box, "<appcmd><APPPOOL password=\"hunter2\"><add password=\"hunter2\" <",
                    codes[i]);
        assert_int_not_equal(box->driver->ops->look_pool(box->driver, "Shop", 500, &view, &err),
                             ERR_NONE);
        assert_null(strstr(err.text, "hunter2"));
        enum error_code code = act(box, "recycle", 500, &err);
        if (code)
            assert_null(strstr(err.text, "hunter2"));
        assert_int_equal(box->driver->ops->look(box->driver, 3000, &view, &err), ERR_NONE);
        assert_null(strstr(view.trouble, "hunter2"));
        driver_view_reset(&view);
    }
}

static void requests_are_counted_or_unknown_but_never_guessed(void **state)
{
    struct box *box = *state;
    const struct driver_ops *ops = box->driver->ops;
    uint32_t count = 77;
    /* an empty list before any request was ever seen: the monitor may be missing */
    assert_int_equal(ops->requests(box->driver, "Shop", 9000, &count, NULL), ERR_UNAVAILABLE);
    assert_int_equal(count, 77);
    put(box, "requests",
        "REQUEST \"7\" (url:GET /a,b, time:3 msec, client:c, stage:s, module:m)\r\n"
        "REQUEST \"8\" (url:GET /, time:4 msec, client:c, stage:s, module:m)\r\n");
    assert_int_equal(ops->requests(box->driver, "Shop", 9000, &count, NULL), ERR_NONE);
    assert_int_equal(count, 2);
    expect_calls(box, "list request /apppool.name:Shop\nlist request /apppool.name:Shop\n");
    put(box, "requests", "");
    assert_int_equal(ops->requests(box->driver, "Shop", 9000, &count, NULL), ERR_NONE);
    assert_int_equal(count, 0);
    put(box, "applicationHost.config", "<configuration ></configuration>");
    count = 2;
    assert_int_equal(ops->requests(box->driver, "Shop", 9000, &count, NULL), ERR_UNAVAILABLE);
    appcmd_says(box, "ERROR ( hresult:80070032, message:... )", 50);
    assert_int_equal(ops->requests(box->driver, "Shop", 9000, &count, NULL), ERR_UNAVAILABLE);
    appcmd_says(box, "ERROR ( message:no such object type )", 0);
    assert_int_equal(ops->requests(box->driver, "Shop", 9000, &count, NULL), ERR_CORRUPT);
    assert_int_equal(count, 2);
}

/* ---- whether another look is due ---- */

static void look_once(struct box *box)
{
    struct driver_view view;
    assert_int_equal(box->driver->ops->look(box->driver, 9000, &view, NULL), ERR_NONE);
    driver_view_reset(&view);
}

static void look_is_due_when_files_or_services_changed(void **state)
{
    struct box *box = *state;
    const struct driver_ops *ops = box->driver->ops;
    assert_true(ops->changed(box->driver)); /* never looked */
    look_once(box);
    assert_false(ops->changed(box->driver));
    put(box, "applicationHost.config", "<configuration></configuration>");
    assert_true(ops->changed(box->driver));
    look_once(box);
    assert_false(ops->changed(box->driver));
    put(box, "redirection.config", "<configuration/>");
    assert_true(ops->changed(box->driver));
    look_once(box);
    box->settings.services_every_ms = 0;
    assert_false(ops->changed(box->driver));
    put(box, "services", "{\"code\":0,\"services\":[]}");
    assert_true(ops->changed(box->driver));
    look_once(box);
    assert_false(ops->changed(box->driver));
}

static void services_are_not_asked_on_every_beat(void **state)
{
    struct box *box = *state;
    box->settings.services_every_ms = 3600 * 1000;
    look_once(box);
    put(box, "services", "{\"code\":0,\"services\":[]}");
    assert_false(box->driver->ops->changed(box->driver));
}

static void look_is_due_again_after_trouble_but_not_at_once(void **state)
{
    struct box *box = *state;
    put(box, "pools", "<half");
    look_once(box);
    assert_false(box->driver->ops->changed(box->driver));
    box->settings.look_again_ms = 0;
    assert_true(box->driver->ops->changed(box->driver));
    put(box, "pools", POOLS);
    look_once(box);
    assert_false(box->driver->ops->changed(box->driver));
}

static void look_is_due_when_workers_come_and_go_but_not_at_once(void **state)
{
    struct box *box = *state;
    look_once(box);
    struct tool_worker worker = tool_worker_start(box->settings.worker, "Shop");
    assert_false(box->driver->ops->changed(box->driver));
    box->settings.look_workers_ms = 0;
    assert_true(box->driver->ops->changed(box->driver));
    look_once(box);
    assert_false(box->driver->ops->changed(box->driver));
    tool_worker_end(&worker);
    assert_true(box->driver->ops->changed(box->driver));
}

static void shared_configuration_is_told(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    put(box, "redirection.config",
        "<configuration><configurationRedirection enabled=\"true\" path=\"/srv/farm\"/>"
        "</configuration>");
    assert_int_equal(box->driver->ops->look_pool(box->driver, "Shop", 9000, &view, NULL), ERR_NONE);
    assert_true(view.config_shared);
    assert_string_equal(view.config_identity, "share:/srv/farm");
    driver_view_reset(&view);
    put(box, "redirection.config", "<configuration>");
    assert_int_equal(box->driver->ops->look(box->driver, 9000, &view, NULL), ERR_NONE);
    assert_true(view.config_shared);
    assert_non_null(strstr(view.trouble, "redirection.config"));
    driver_view_reset(&view);
}

static void nothing_readable_at_all_is_an_error(void **state)
{
    struct box *box = *state;
    struct driver_view view;
    struct error err;
    tool_script(box->folder, "appcmd", "code 5");
    tool_script(box->folder, "sc", "code 5");
    assert_int_equal(box->driver->ops->look(box->driver, 9000, &view, &err), ERR_NONE);
    assert_true(view.workers_known); /* the process list is always there on Linux */
    assert_false(view.pools_known || view.sites_known || view.services_known);
    assert_non_null(strstr(view.trouble, "access denied"));
    driver_view_reset(&view);
}

/* ---- probes ---- */

static void probe_finds_its_address_in_the_sites_once(void **state)
{
    struct box *box = *state;
    struct driver_probe probe;
    struct error err;
    assert_int_equal(box->driver->ops->probe(box->driver, "Shop", 3000, &probe, &err), ERR_NONE);
    assert_false(probe.answered); /* nobody listens on port 1 */
    expect_calls(box, "list app /xml\nlist site /xml\n");
    assert_int_equal(box->driver->ops->probe(box->driver, "Shop", 3000, &probe, &err), ERR_NONE);
    expect_calls(box, "");
    assert_int_equal(box->driver->ops->probe(box->driver, "Api", 3000, &probe, &err),
                     ERR_NOT_FOUND);
}

#define IN_BOX(test) cmocka_unit_test_setup_teardown(test, open_box, close_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOX(acts_are_asked_by_name_and_not_through_a_shell),
        IN_BOX(names_that_no_pool_has_never_reach_appcmd),
        IN_BOX(look_gives_everything_in_three_calls),
        IN_BOX(look_at_one_pool_brings_its_workers_and_the_services),
        IN_BOX(workers_are_read_without_any_tool),
        IN_BOX(exit_codes_decide_and_not_words),
        IN_BOX(hresult_speaks_where_the_exit_code_is_vague),
        IN_BOX(fifty_is_denied_where_was_runs),
        IN_BOX(locked_file_is_tried_again),
        IN_BOX(appcmd_that_hangs_is_ended_at_the_deadline),
        IN_BOX(appcmd_that_is_missing_is_not_a_missing_pool),
        IN_BOX(endless_output_is_ended),
        IN_BOX(half_an_answer_is_corrupt_and_said_so),
        IN_BOX(unknown_pool_is_not_found),
        IN_BOX(failure_told_in_xml_is_a_failure),
        IN_BOX(lists_are_never_quoted),
        IN_BOX(appcmd_ended_by_somebody_leaves_the_outcome_open),
        IN_BOX(password_gets_out_nowhere),
        IN_BOX(requests_are_counted_or_unknown_but_never_guessed),
        IN_BOX(look_is_due_when_files_or_services_changed),
        IN_BOX(services_are_not_asked_on_every_beat),
        IN_BOX(look_is_due_again_after_trouble_but_not_at_once),
        IN_BOX(look_is_due_when_workers_come_and_go_but_not_at_once),
        IN_BOX(shared_configuration_is_told),
        IN_BOX(nothing_readable_at_all_is_an_error),
        IN_BOX(probe_finds_its_address_in_the_sites_once),
    };
    http_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

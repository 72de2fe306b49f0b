/* appcmd against IIS.md section 2: commands, output, exit codes, and output that is spoilt. */
#include "tests/lab/check/box.h"

#include "common/clock.h"
#include "common/text.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHOP "/apppool.name:Shop"

static int open_box(void **state)
{
    struct box *b = calloc(1, sizeof *b);
    *state = b;
    box_open(b, "startMode=\"AlwaysRunning\" managedRuntimeVersion=\"v4.0\"",
             "<processModel identityType=\"SpecificUser\" userName=\"FARM\\shop\" "
             "password=\"s3cret&amp;\" />",
             "[server]\nappcmd_delay_ms = 20\n");
    return 0;
}

static int close_box(void **state)
{
    box_close(*state);
    free(*state);
    return 0;
}

static void lists_print_the_known_shapes(void **state)
{
    struct box *b = *state;
    char wanted[200];
    box_appcmd(b, 0, "APPPOOL \"Shop\" (MgdVersion:v4.0,MgdMode:Integrated,state:Started)", "list",
               "apppool", NULL);
    box_appcmd(b, 0,
               "    <APPPOOL APPPOOL.NAME=\"Shop\" PipelineMode=\"Integrated\" "
               "RuntimeVersion=\"v4.0\" state=\"Started\" />\n",
               "list", "apppool", "/xml", NULL);
    box_appcmd(b, 0, "<appcmd>", "list", "apppools", "/xml", NULL);
    box_appcmd(b, 0, "<WP WP.NAME=\"", "list", "wp", "/xml", NULL);
    box_appcmd(b, 0, "(applicationPool:Shop)", "list", "wp", NULL);
    snprintf(wanted, sizeof wanted,
             "<SITE SITE.NAME=\"Shop\" SITE.ID=\"1\" bindings=\"http/*:%u:\" state=\"Started\" />",
             b->port);
    box_appcmd(b, 0, wanted, "list", "site", "/xml", NULL);
    snprintf(wanted, sizeof wanted, "SITE \"Shop\" (id:1,bindings:http/*:%u:,state:Started)",
             b->port);
    box_appcmd(b, 0, wanted, "list", "site", NULL);
    box_appcmd(b, 0,
               "<APP path=\"/api\" APP.NAME=\"Shop/api\" APPPOOL.NAME=\"Api\" SITE.NAME=\"Shop\" "
               "/>",
               "list", "app", "/xml", NULL);
}

static void nothing_found_is_exit_1(void **state)
{
    struct box *b = *state;
    box_appcmd(b, 1, "<appcmd>\n</appcmd>", "list", "apppool", "/xml", "/apppool.name:Nope", NULL);
    box_appcmd(b, 1, NULL, "list", "wp", "/apppool.name:Api", NULL);
    box_appcmd(b, 1, NULL, "list", "request", NULL);
    box_appcmd(b, 1, "APPCMD (command)", "/?", NULL);
}

static void whole_configuration_shows_defaults_and_the_password(void **state)
{
    struct box *b = *state;
    box_appcmd(b, 0, "password=\"s3cret&amp;\"", "list", "apppool", "/xml", "/config:*", SHOP,
               NULL);
    box_appcmd(b, 0,
               "<periodicRestart memory=\"0\" privateMemory=\"0\" requests=\"0\" "
               "time=\"1.05:00:00\">",
               "list", "apppool", "/xml", "/config:*", NULL);
    box_appcmd(b, 0, "password=\"s3cret&amp;\"", "list", "apppool", "/text:*", SHOP, NULL);
}

static void unknown_objects_are_1168(void **state)
{
    struct box *b = *state;
    static const char *const verbs[] = {"recycle", "start", "stop"};
    for (size_t i = 0; i < 3; i++)
        box_appcmd(b, 1168,
                   "ERROR ( message:Cannot find APPPOOL object with identifier \"Nope\". )",
                   verbs[i], "apppool", "/apppool.name:Nope", NULL);
    box_appcmd(b, 1168, NULL, "set", "apppool", "/apppool.name:Nope", "/autoStart:false", NULL);
}

static void wrong_usage_is_87(void **state)
{
    struct box *b = *state;
    box_appcmd(b, 87, "ERROR (", "dance", "apppool", NULL);
    box_appcmd(b, 87, "ERROR (", "list", "teapot", NULL);
    box_appcmd(b, 87, "ERROR (", "recycle", "site", NULL);
    box_appcmd(b, 87, "ERROR (", "recycle", "apppool", NULL);
    box_appcmd(b, 87, "ERROR (", "recycle", "apppool", SHOP, "/frobnicate:1", NULL);
    box_appcmd(b, 87, "ERROR (", "set", "apppool", SHOP, "/noSuch:1", NULL);
    box_appcmd(b, 87, "ERROR (", "set", "apppool", SHOP, NULL);
    box_appcmd(b, 13, "hresult:8007000d", "set", "apppool", SHOP, "/queueLength:9", NULL);
}

static void stop_and_start_say_what_they_did(void **state)
{
    struct box *b = *state;
    box_appcmd(b, 1056, "hresult:80070420", "start", "apppool", SHOP, NULL);
    box_appcmd(b, 0, "\"Shop\" successfully stopped\n", "stop", "apppool", SHOP, NULL);
    box_appcmd(b, 1062, "ERROR ( hresult:80070426, message:Command execution failed.\n", "stop",
               "apppool", SHOP, NULL);
    box_appcmd(b, 1062, "80070426", "recycle", "apppool", SHOP, NULL);
    box_appcmd(b, 0, "state:Stopped", "list", "apppool", SHOP, NULL);
    box_appcmd(b, 0, "\"Shop\" successfully started.\n", "start", "apppool", SHOP, NULL);
    box_appcmd(b, 0, "\"Shop\" successfully recycled\n", "recycle", "apppool", SHOP, NULL);
    assert_int_equal(box_count(b, "pools/Shop/stops"), 1);
    assert_int_equal(box_count(b, "pools/Shop/starts"), 1);
}

static void started_pool_may_be_told_as_success(void **state)
{
    struct box *b = *state;
    box_fault(b, "start-started-ok", "on", NULL);
    box_appcmd(b, 0, "successfully started.", "start", "apppool", SHOP, NULL);
    box_fault(b, "start-started-ok", "off", NULL);
}

static void set_writes_the_configuration(void **state)
{
    struct box *b = *state;
    box_appcmd(b, 0, "APPPOOL object \"Shop\" changed", "set", "apppool", SHOP, "/autoStart:false",
               NULL);
    box_appcmd(b, 0, "autoStart=\"false\"", "list", "apppool", "/xml", "/config:*", SHOP, NULL);
    box_appcmd(b, 0, "changed", "set", "apppool", "Shop", "/autoStart:true",
               "/failure.rapidFailProtectionMaxCrashes:7", NULL);
    box_appcmd(b, 0, "rapidFailProtectionMaxCrashes=\"7\"", "list", "apppool", "/xml", "/config:*",
               SHOP, NULL);
    assert_int_equal(box_count(b, "pools/Shop/recycles_by/config"), 0);
}

static void some_settings_recycle_at_once(void **state)
{
    struct box *b = *state;
    long before = box_count(b, "pools/Shop/recycles_by/config");
    box_appcmd(b, 0, "changed", "set", "apppool", SHOP, "/processModel.idleTimeout:00:00:00", NULL);
    assert_int_equal(box_count(b, "pools/Shop/recycles_by/config"), before + 1);
    assert_true(box_event(b, 5080));
}

static void *set_thread(void *arg)
{
    unsigned *code = malloc(sizeof *code);
    *code = box_run(arg, NULL, "appcmd", "set", "apppool", "/apppool.name:Api", "/queueLength:500",
                    NULL);
    return code;
}

/* Four at once; how many of them came too late. */
static unsigned collide(struct box *b)
{
    pthread_t threads[4];
    unsigned done = 0, busy = 0;
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, set_thread, b);
    for (size_t i = 0; i < 4; i++) {
        void *code;
        pthread_join(threads[i], &code);
        done += *(unsigned *)code == 0;
        busy += *(unsigned *)code == 32;
        free(code);
    }
    assert_int_equal(done + busy, 4);
    assert_true(done >= 1);
    return busy;
}

/* A machine that is busy may run them one after the other: then once more. */
static void commits_of_two_processes_collide(void **state)
{
    struct box *b = *state;
    for (int i = 0; collide(b) == 0; i++)
        assert_true(i < 50);
    box_fault(b, "config-locked", "on", NULL);
    box_appcmd(b, 32, "hresult:80070020", "set", "apppool", SHOP, "/queueLength:500", NULL);
    box_fault(b, "config-locked", "off", NULL);
}

/* For longer than 300 ms. */
static bool request_runs(struct box *b, void *arg)
{
    (void)arg;
    return box_run(b, NULL, "appcmd", "list", "request", "/elapsed:300", NULL) == 0;
}

static void requests_are_listed_while_they_run(void **state)
{
    struct box *b = *state;
    struct visitors *v = box_visitors(b, 1, "/slow?ms=8000&list=a,b");
    assert_true(box_until(b, request_runs, NULL));
    box_appcmd(b, 0, "/slow?ms=8000&list=a,b, time:", "list", "request", "/elapsed:300", NULL);
    box_appcmd(b, 0, "client:localhost, stage:ExecuteRequestHandler, module:", "list", "request",
               NULL);
    box_appcmd(b, 1, NULL, "list", "request", "/elapsed:9000", NULL);
    box_fault(b, "no-request-monitor", "on", "--value", "empty", NULL);
    box_appcmd(b, 1, NULL, "list", "request", NULL);
    box_fault(b, "no-request-monitor", "on", "--value", "50", NULL);
    box_appcmd(b, 50, "ERROR", "list", "request", NULL);
    box_fault(b, "no-request-monitor", "off", NULL);
    assert_int_equal(box_visitors_end(v).failures, 0);
}

static void delay_is_as_configured(void **state)
{
    struct box *b = *state;
    uint64_t before = clock_boot_ms();
    box_appcmd(b, 0, NULL, "list", "apppool", NULL);
    assert_true(clock_boot_ms() - before >= 20);
    box_fault(b, "appcmd-slow", "on", "--scope", "list-wp", "--value", "300", NULL);
    before = clock_boot_ms();
    box_appcmd(b, 0, NULL, "list", "wp", NULL);
    assert_true(clock_boot_ms() - before >= 300);
    box_fault(b, "all", "off", NULL);
}

static char *spoilt(struct box *b, const char *kind, const char *xml, unsigned *code)
{
    char *out = NULL;
    box_fault(b, "appcmd-output", "on", "--scope", "list", "--value", kind, NULL);
    *code = box_run(b, &out, "appcmd", "list", "apppool", xml, NULL);
    box_fault(b, "appcmd-output", "off", "--scope", "list", NULL);
    return out;
}

static void output_can_be_spoilt(void **state)
{
    struct box *b = *state;
    unsigned code;
    char *out = spoilt(b, "half", "/xml", &code);
    assert_null(strstr(out, "</appcmd>"));
    assert_non_null(strstr(out, "<appcmd>"));
    free(out);
    out = spoilt(b, "bom", "/xml", &code);
    assert_memory_equal(out, "\xef\xbb\xbf<?xml", 8);
    free(out);
    out = spoilt(b, "crlf", "/xml", &code);
    assert_non_null(strstr(out, "<appcmd>\r\n"));
    free(out);
    out = spoilt(b, "utf16", "/xml", &code);
    assert_memory_equal(out, "\xff\xfe<\0?\0", 6);
    free(out);
    out = spoilt(b, "empty", "/xml", &code);
    assert_string_equal(out, "");
    assert_int_equal(code, 0);
    free(out);
    out = spoilt(b, "nomatch1", "/xml", &code);
    assert_int_equal(code, 1);
    free(out);
    out = spoilt(b, "huge", "/xml", &code);
    assert_true(strlen(out) >= (64u << 20));
    free(out);
}

static void messages_come_in_another_language(void **state)
{
    struct box *b = *state;
    char *out = NULL;
    box_fault(b, "appcmd-language", "on", "--value", "de-cp850", NULL);
    assert_int_equal(box_run(b, &out, "appcmd", "set", "apppool", SHOP, "/autoStart:true", NULL),
                     0);
    assert_non_null(strstr(out, "ge\x84ndert")); /* a with dots is 0x84 in code page 850 */
    free(out);
    assert_int_equal(box_run(b, &out, "appcmd", "start", "apppool", SHOP, NULL), 1056);
    assert_non_null(strstr(out, "hresult:80070420"));
    assert_null(strstr(out, "ERROR"));
    free(out);
    box_fault(b, "appcmd-language", "on", "--value", "de-cp1252", NULL);
    box_appcmd(b, 0, "ge\xe4ndert", "set", "apppool", SHOP, "/autoStart:true", NULL);
    box_fault(b, "appcmd-language", "off", NULL);
}

static void errors_can_be_forced(void **state)
{
    struct box *b = *state;
    box_fault(b, "access-denied", "on", NULL);
    box_appcmd(b, 5, "hresult:80070005", "list", "apppool", NULL);
    box_fault(b, "access-denied", "off", NULL);
    box_fault(b, "appcmd-error", "on", "--scope", "recycle", "--value", "2147549190", NULL);
    box_appcmd(b, 2147549190u, "hresult:80010006", "recycle", "apppool", SHOP, NULL);
    box_appcmd(b, 0, NULL, "list", "apppool", NULL);
    box_fault(b, "appcmd-error", "off", "--scope", "recycle", NULL);
    box_fault(b, "config-broken", "on", NULL);
    box_appcmd(b, 13, "8007000d", "list", "apppool", NULL);
    box_fault(b, "config-broken", "off", NULL);
    box_fault(b, "recycle-idle-4312", "on", NULL);
    box_appcmd(b, 4312, "800710d8", "recycle", "apppool", "/apppool.name:Api", NULL);
    box_fault(b, "recycle-idle-4312", "off", NULL);
    box_appcmd(b, 0, "recycled", "recycle", "apppool", "/apppool.name:Api", NULL);
}

static void *hang_thread(void *arg)
{
    box_run(arg, NULL, "appcmd", "list", "wp", NULL);
    return NULL;
}

static void appcmd_hangs_until_the_fault_ends(void **state)
{
    struct box *b = *state;
    pthread_t thread;
    uint64_t before = clock_boot_ms();
    box_fault(b, "appcmd-hangs", "on", NULL);
    pthread_create(&thread, NULL, hang_thread, b);
    box_sleep(400);
    box_fault(b, "appcmd-hangs", "off", NULL);
    pthread_join(thread, NULL);
    assert_true(clock_boot_ms() - before >= 400);
}

static void without_was_it_is_50_and_states_are_unknown(void **state)
{
    struct box *b = *state;
    box_sc(b, 0, "stop", "W3SVC", NULL);
    while (box_service(b, "W3SVC", "state") != 1)
        box_sleep(20);
    box_appcmd(b, 0, "state=\"Unknown\"", "list", "apppool", "/xml", NULL);
    box_sc(b, 0, "stop", "WAS", NULL);
    while (box_service(b, "WAS", "state") != 1)
        box_sleep(20);
    box_appcmd(b, 0, "state=\"Unknown\"", "list", "apppool", "/xml", NULL);
    box_appcmd(b, 0, "state=\"Unknown\"", "list", "site", "/xml", NULL);
    box_appcmd(b, 50, "The WAS service is not available", "list", "wp", NULL);
    box_appcmd(b, 50, "ERROR ( message:", "recycle", "apppool", SHOP, NULL);
    box_appcmd(b, 50, NULL, "start", "apppool", SHOP, NULL);
    box_sc(b, 0, "start", "W3SVC", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_print_the_known_shapes),
        cmocka_unit_test(nothing_found_is_exit_1),
        cmocka_unit_test(whole_configuration_shows_defaults_and_the_password),
        cmocka_unit_test(unknown_objects_are_1168),
        cmocka_unit_test(wrong_usage_is_87),
        cmocka_unit_test(stop_and_start_say_what_they_did),
        cmocka_unit_test(started_pool_may_be_told_as_success),
        cmocka_unit_test(set_writes_the_configuration),
        cmocka_unit_test(some_settings_recycle_at_once),
        cmocka_unit_test(commits_of_two_processes_collide),
        cmocka_unit_test(requests_are_listed_while_they_run),
        cmocka_unit_test(delay_is_as_configured),
        cmocka_unit_test(output_can_be_spoilt),
        cmocka_unit_test(messages_come_in_another_language),
        cmocka_unit_test(errors_can_be_forced),
        cmocka_unit_test(appcmd_hangs_until_the_fault_ends),
        cmocka_unit_test(without_was_it_is_50_and_states_are_unknown),
    };
    return cmocka_run_group_tests(tests, open_box, close_box);
}

/* appcmd's answers, as recorded and as a hostile server could give them. */
#include "agent/drivers/iis_decode.h"
#include "agent/drivers/iis_parse.h"
#include "agent/drivers/iis_xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<appcmd>\n"
#define TAIL "</appcmd>\n"

/* Attributes as `list apppool /xml /config:*` gives them. */
#define SHOP                                                                                       \
    "<APPPOOL APPPOOL.NAME=\"Shop\" PipelineMode=\"Integrated\" RuntimeVersion=\"v4.0\" "          \
    "state=\"Started\">\n"                                                                         \
    "  <add name=\"Shop\" queueLength=\"500\" autoStart=\"true\" enable32BitAppOnWin64=\"false\" " \
    "startMode=\"AlwaysRunning\">\n"                                                               \
    "    <processModel identityType=\"SpecificUser\" userName=\"F\\svc\" password=\"hunter2\" "    \
    "idleTimeout=\"00:00:00\" maxProcesses=\"3\" shutdownTimeLimit=\"00:00:30\" "                  \
    "startupTimeLimit=\"00:02:00\" pingingEnabled=\"true\" />\n"                                   \
    "    <recycling disallowOverlappingRotation=\"true\" logEventOnRecycle=\"Time, Memory\">\n"    \
    "      <periodicRestart memory=\"0\" time=\"1.05:00:00\"><schedule><add value=\"03:00:00\"/>"  \
    "</schedule></periodicRestart>\n"                                                              \
    "    </recycling>\n"                                                                           \
    "    <failure orphanWorkerProcess=\"true\" rapidFailProtection=\"false\"\n"                    \
    "      rapidFailProtectionMaxCrashes=\"7\" rapidFailProtectionInterval=\"00:10:00\"/>\n"       \
    "    <cpu limit=\"0\" action=\"NoAction\" />\n"                                                \
    "  </add>\n"                                                                                   \
    "</APPPOOL>\n"
#define PLAIN "<APPPOOL state=\"Stopped\" APPPOOL.NAME=\"Plain\"><add name=\"Plain\"/></APPPOOL>\n"

struct parsed {
    struct view view;
    struct iis_failure failure;
    struct error err;
};

static enum error_code pools(struct parsed *p, const char *xml)
{
    memset(p, 0, sizeof(*p));
    view_init(&p->view);
    return iis_parse_pools(xml, strlen(xml), &p->view, &p->failure, &p->err);
}

static void expect_corrupt(const char *xml)
{
    struct parsed p;
    if (pools(&p, xml) != ERR_CORRUPT)
        fail_msg("taken: %s", xml);
    assert_int_equal(p.view.pool_count, 0);
    assert_true(strlen(p.err.text) > 0);
    assert_null(strstr(p.err.text, "hunter2"));
    view_reset(&p.view);
}

static void pools_are_read_with_their_settings(void **state)
{
    (void)state;
    struct parsed p;
    assert_int_equal(pools(&p, HEAD SHOP PLAIN TAIL), ERR_NONE);
    assert_int_equal(p.view.pool_count, 2);
    const struct pool *shop = &p.view.pools[0];
    assert_string_equal(shop->name, "Shop");
    assert_int_equal(shop->state, POOL_STATE_STARTED);
    assert_true(shop->auto_start);
    assert_int_equal(shop->start_mode, START_MODE_ALWAYS_RUNNING);
    assert_false(shop->overlap);
    assert_true(shop->orphans);
    assert_int_equal(shop->max_processes, 3);
    assert_int_equal(shop->queue_length, 500);
    assert_int_equal(shop->queued, -1);
    assert_int_equal(shop->startup_limit_ms, 120000);
    assert_int_equal(shop->shutdown_limit_ms, 30000);
    assert_int_equal(shop->idle_timeout_ms, 0);
    assert_false(shop->rapid_fail);
    assert_int_equal(shop->rapid_fail_crashes, 7);
    assert_int_equal(shop->rapid_fail_interval_ms, 10 * 60 * 1000);
    view_reset(&p.view);
}

static void what_is_not_said_is_the_default_of_iis(void **state)
{
    (void)state;
    struct parsed p;
    assert_int_equal(pools(&p, HEAD PLAIN TAIL), ERR_NONE);
    const struct pool *plain = &p.view.pools[0];
    assert_int_equal(plain->state, POOL_STATE_STOPPED);
    assert_true(plain->auto_start);
    assert_int_equal(plain->start_mode, START_MODE_ON_DEMAND);
    assert_true(plain->overlap);
    assert_false(plain->orphans);
    assert_int_equal(plain->max_processes, 1);
    assert_int_equal(plain->queue_length, 1000);
    assert_int_equal(plain->startup_limit_ms, 90000);
    assert_int_equal(plain->shutdown_limit_ms, 90000);
    assert_int_equal(plain->idle_timeout_ms, 20 * 60 * 1000);
    assert_true(plain->rapid_fail);
    assert_int_equal(plain->rapid_fail_crashes, 5);
    assert_int_equal(plain->rapid_fail_interval_ms, 5 * 60 * 1000);
    view_reset(&p.view);
}

static void nothing_is_none(void **state)
{
    (void)state;
    static const char *const empty[] = {"", " \r\n", "<appcmd></appcmd>", HEAD TAIL,
                                        "<?xml version=\"1.0\"?>\r\n<appcmd>\r\n</appcmd>\r\n"};
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        struct parsed p;
        assert_int_equal(pools(&p, empty[i]), ERR_NONE);
        assert_int_equal(p.view.pool_count, 0);
        assert_false(p.failure.told);
        view_reset(&p.view);
    }
}

static void unknown_parts_and_line_ends_do_not_matter(void **state)
{
    (void)state;
    struct parsed p;
    assert_int_equal(
        pools(&p,
              HEAD "<WHATEVER new=\"1\"><add autoStart=\"maybe\"/></WHATEVER>\r\n"
                   "<APPPOOL\r\n\tfuture=\"x\" state=\"Stopping\" APPPOOL.NAME=\"A &amp; B\">\r\n"
                   "<add autoStart=\"false\" shiny=\"yes\"><novelty idleTimeout=\"?\"/></add>"
                   "</APPPOOL>" TAIL),
        ERR_NONE);
    assert_int_equal(p.view.pool_count, 1);
    assert_string_equal(p.view.pools[0].name, "A & B");
    assert_int_equal(p.view.pools[0].state, POOL_STATE_STOPPING);
    assert_false(p.view.pools[0].auto_start);
    view_reset(&p.view);
}

static void state_that_nobody_knows_is_unknown(void **state)
{
    (void)state;
    struct parsed p;
    assert_int_equal(pools(&p, HEAD "<APPPOOL APPPOOL.NAME=\"A\" state=\"Unknown\"><add/></APPPOOL>"
                                    "<APPPOOL APPPOOL.NAME=\"B\"><add/></APPPOOL>" TAIL),
                     ERR_NONE);
    assert_int_equal(p.view.pools[0].state, POOL_STATE_UNKNOWN);
    assert_int_equal(p.view.pools[1].state, POOL_STATE_UNKNOWN);
    view_reset(&p.view);
}

static void half_an_answer_is_corrupt_wherever_it_ends(void **state)
{
    (void)state;
    static const char whole[] = HEAD SHOP PLAIN "</appcmd>";
    for (size_t len = 1; len < sizeof(whole) - 1; len++) {
        struct view view;
        struct iis_failure failure;
        struct error err;
        view_init(&view);
        if (iis_parse_pools(whole, len, &view, &failure, &err) != ERR_CORRUPT)
            fail_msg("taken after %zu bytes", len);
        assert_int_equal(view.pool_count, 0);
        view_reset(&view);
    }
}

static void other_documents_are_corrupt(void **state)
{
    (void)state;
    expect_corrupt("no XML at all");
    expect_corrupt("<html><body/></html>");
    expect_corrupt(HEAD SHOP TAIL "<appcmd/>");
    expect_corrupt(HEAD "<APPPOOL state=\"Started\"><add/></APPPOOL>" TAIL);
    expect_corrupt(HEAD "<APPPOOL APPPOOL.NAME=\"A\" state=\"Started\" />" TAIL);
    expect_corrupt(HEAD "<APPPOOL APPPOOL.NAME=\"A\"><add autoStart=\"perhaps\"/></APPPOOL>" TAIL);
    expect_corrupt(HEAD "<APPPOOL APPPOOL.NAME=\"A\"><add startMode=\"Never\"/></APPPOOL>" TAIL);
    expect_corrupt(HEAD "<APPPOOL APPPOOL.NAME=\"A\"><add queueLength=\"-1\"/></APPPOOL>" TAIL);
    expect_corrupt(HEAD "<APPPOOL APPPOOL.NAME=\"A\"><add><processModel password=\"hunter2\" "
                        "shutdownTimeLimit=\"soon\"/></add></APPPOOL>" TAIL);
}

static void entities_are_refused(void **state)
{
    (void)state;
    expect_corrupt("<!DOCTYPE appcmd [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">"
                   "<!ENTITY c \"&b;&b;&b;&b;\">]><appcmd>&c;</appcmd>");
    expect_corrupt("<!DOCTYPE appcmd SYSTEM \"file:///etc/passwd\"><appcmd/>");
    expect_corrupt("<appcmd>&undeclared;</appcmd>");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct text deep = {0};
    text_add(&deep, "<appcmd>");
    for (int i = 0; i < 100; i++)
        text_add(&deep, "<a>");
    for (int i = 0; i < 100; i++)
        text_add(&deep, "</a>");
    text_add(&deep, "</appcmd>");
    expect_corrupt(text_get(&deep));
    text_reset(&deep);
}

static void names_that_cannot_be_told_are_left_out(void **state)
{
    (void)state;
    struct parsed p;
    struct text xml = {0};
    text_add(&xml, HEAD "<APPPOOL APPPOOL.NAME=\"a&#10;b\"><add/></APPPOOL>"
                        "<APPPOOL APPPOOL.NAME=\"\"><add/></APPPOOL><APPPOOL APPPOOL.NAME=\"");
    for (int i = 0; i < 300; i++)
        text_add(&xml, "x");
    text_add(&xml, "\"><add/></APPPOOL>" PLAIN TAIL);
    assert_int_equal(pools(&p, text_get(&xml)), ERR_NONE);
    assert_int_equal(p.view.pool_count, 1);
    assert_int_equal(p.view.left_out, 3);
    struct driver_view out = {0};
    view_finish(&p.view, &out);
    assert_non_null(strstr(out.trouble, "3 rows left out"));
    driver_view_reset(&out);
    text_reset(&xml);
}

static void more_pools_than_the_wire_takes_are_left_out(void **state)
{
    (void)state;
    struct parsed p;
    struct text xml = {0};
    text_add(&xml, HEAD);
    for (int i = 0; i < WIRE_POOLS_MAX + 5; i++)
        text_addf(&xml, "<APPPOOL APPPOOL.NAME=\"p%d\"><add/></APPPOOL>", i);
    text_add(&xml, TAIL);
    assert_int_equal(pools(&p, text_get(&xml)), ERR_NONE);
    assert_int_equal(p.view.pool_count, WIRE_POOLS_MAX);
    assert_int_equal(p.view.left_out, 5);
    view_reset(&p.view);
    text_reset(&xml);
}

static void failure_inside_the_xml_is_told(void **state)
{
    (void)state;
    struct parsed p;
    assert_int_equal(pools(&p, HEAD "<ERROR hresult=\"0x80070005\" message=\"Zugriff\"/>" TAIL),
                     ERR_NONE);
    assert_true(p.failure.told);
    assert_int_equal(p.failure.code, 5);
    view_reset(&p.view);
    assert_int_equal(pools(&p, HEAD "<ERROR message=\"Nichts gefunden\"/>" TAIL), ERR_NONE);
    assert_true(p.failure.told);
    assert_int_equal(p.failure.code, 0);
    view_reset(&p.view);
}

static void sites_know_the_pool_of_their_root(void **state)
{
    (void)state;
    static const char apps[] = HEAD
        "<APP path=\"/\" APP.NAME=\"Default Web Site/\" APPPOOL.NAME=\"Shop\" "
        "SITE.NAME=\"Default Web Site\" />"
        "<APP path=\"/api\" APP.NAME=\"Default Web Site/api\" APPPOOL.NAME=\"Api\" "
        "SITE.NAME=\"Default Web Site\" />"
        "<APP path=\"/\" APP.NAME=\"Second/\" APPPOOL.NAME=\"Other\" SITE.NAME=\"Second\" />" TAIL;
    static const char sites[] =
        HEAD "<SITE SITE.NAME=\"Second\" SITE.ID=\"2\" bindings=\"\" state=\"Stopped\" />"
             "<SITE SITE.NAME=\"Default Web Site\" SITE.ID=\"1\" "
             "bindings=\"http/*:80:,https/*:443:\" state=\"Started\" />"
             "<SITE SITE.NAME=\"Bare\" SITE.ID=\"3\" state=\"Unknown\" />" TAIL;
    struct iis_roots roots = {0};
    struct parsed p = {0};
    view_init(&p.view);
    assert_int_equal(iis_parse_roots(apps, sizeof(apps) - 1, &roots, &p.failure, &p.err), ERR_NONE);
    assert_int_equal(roots.count, 2);
    assert_int_equal(iis_parse_sites(sites, sizeof(sites) - 1, &roots, &p.view, &p.failure, &p.err),
                     ERR_NONE);
    assert_int_equal(p.view.site_count, 3);
    assert_string_equal(p.view.sites[0].pool, "Other");
    assert_false(p.view.sites[0].started);
    assert_string_equal(p.view.sites[1].pool, "Shop");
    assert_string_equal(p.view.sites[1].bindings, "http/*:80:,https/*:443:");
    assert_int_equal(p.view.sites[1].id, 1);
    assert_true(p.view.sites[1].started);
    assert_string_equal(p.view.sites[2].pool, "");
    iis_roots_reset(&roots);
    view_reset(&p.view);
}

static void broken_sites_and_apps_are_corrupt(void **state)
{
    (void)state;
    static const char site[] =
        HEAD "<SITE SITE.NAME=\"A\" SITE.ID=\"1\"/><SITE SITE.NAME=\"B\"/>" TAIL;
    static const char app[] = HEAD "<APP path=\"/\" APPPOOL.NAME=\"P\"/>" TAIL;
    struct iis_roots roots = {0};
    struct parsed p = {0};
    view_init(&p.view);
    assert_int_equal(iis_parse_sites(site, sizeof(site) - 1, &roots, &p.view, &p.failure, &p.err),
                     ERR_CORRUPT);
    assert_int_equal(p.view.site_count, 0);
    assert_int_equal(iis_parse_roots(app, sizeof(app) - 1, &roots, &p.failure, &p.err),
                     ERR_CORRUPT);
    assert_int_equal(roots.count, 0);
    iis_roots_reset(&roots);
    view_reset(&p.view);
}

static void bindings_too_long_end_after_a_whole_one(void **state)
{
    (void)state;
    struct text bindings = {0};
    while (bindings.len < 3000)
        text_add(&bindings, "http/*:80:a.example,");
    struct view view;
    view_init(&view);
    struct site site = {"S", 1, true, text_get(&bindings), "P"};
    assert_true(view_add_site(&view, &site));
    const char *kept = view.sites[0].bindings;
    assert_true(strlen(kept) < WIRE_TEXT_MAX);
    assert_string_equal(kept + strlen(kept) - strlen("a.example"), "a.example");
    view_reset(&view);
    text_reset(&bindings);
}

struct seen {
    uint32_t count;
    char url[200], client[50], stage[50], module[50];
    uint64_t elapsed_ms;
};

static void on_request(const struct iis_request *request, void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    text_copy(seen->url, sizeof(seen->url), request->url);
    text_copy(seen->client, sizeof(seen->client), request->client);
    text_copy(seen->stage, sizeof(seen->stage), request->stage);
    text_copy(seen->module, sizeof(seen->module), request->module);
    seen->elapsed_ms = request->elapsed_ms;
}

static enum error_code requests(const char *text, struct seen *seen)
{
    uint32_t count = 4711;
    struct error err;
    memset(seen, 0, sizeof(*seen));
    enum error_code code = iis_parse_requests(text, strlen(text), on_request, seen, &count, &err);
    if (code == ERR_NONE)
        assert_int_equal(count, seen->count);
    else
        assert_int_equal(count, 4711);
    return code;
}

static void requests_are_parsed_from_the_right(void **state)
{
    (void)state;
    struct seen seen;
    assert_int_equal(
        requests("REQUEST \"7000000780000548\" (url:GET /test.aspx, time:30465 msec, "
                 "client:localhost, stage:ExecuteRequestHandler, module:ManagedPipelineHandler)\r\n"
                 "REQUEST \"7000000780000549\" (url:GET /a, time:1 msec, client:x, stage:y, "
                 "module:z)?q=(1), time:77 msec, client:::1, stage:S, module:M)\r\n",
                 &seen),
        ERR_NONE);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.url, "GET /a, time:1 msec, client:x, stage:y, module:z)?q=(1)");
    assert_int_equal(seen.elapsed_ms, 77);
    assert_string_equal(seen.client, "::1");
    assert_string_equal(seen.stage, "S");
    assert_string_equal(seen.module, "M");
}

static void no_requests_are_none(void **state)
{
    (void)state;
    struct seen seen;
    assert_int_equal(requests("", &seen), ERR_NONE);
    assert_int_equal(requests("\r\n\r\n", &seen), ERR_NONE);
    assert_int_equal(seen.count, 0);
}

static void lines_that_are_no_requests_are_corrupt(void **state)
{
    (void)state;
    struct seen seen;
    assert_int_equal(requests("ERROR ( message:Unknown command )", &seen), ERR_CORRUPT);
    assert_int_equal(requests("REQUEST \"70000", &seen), ERR_CORRUPT);
    assert_int_equal(requests("REQUEST \"7\" (url:GET /a, time:3 msec, client:c, sta", &seen),
                     ERR_CORRUPT);
    assert_int_equal(requests("REQUEST \"7\" (url:GET /a)", &seen), ERR_CORRUPT);
    assert_int_equal(requests("REQUEST \"7\"", &seen), ERR_CORRUPT);
}

/* xorshift: the same damage every time, and on every machine. */
static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void damage(char *bytes, size_t len, uint32_t *random)
{
    static const char signs[] = "<>&\"'/=;![]\0\x81\xFF\r\n)(";
    for (uint32_t hits = 1 + next_random(random) % 4; hits > 0; hits--) {
        uint32_t at = next_random(random) % (uint32_t)len;
        bytes[at] = signs[next_random(random) % (sizeof(signs) - 1)];
    }
}

static void damaged_answers_are_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char whole[] = HEAD SHOP PLAIN TAIL;
    static const char request[] = "REQUEST \"7\" (url:GET /a, time:3 msec, client:c, stage:s, "
                                  "module:m)\r\nREQUEST \"8\" (url:GET /, time:4 msec, "
                                  "client:c, stage:s, module:m)\r\n";
    uint32_t random = 20261122;
    for (int i = 0; i < 3000; i++) {
        char bytes[sizeof(whole)];
        char *utf8;
        size_t len;
        memcpy(bytes, whole, sizeof(whole));
        damage(bytes, sizeof(whole) - 1, &random);
        if (iis_decode(bytes, sizeof(whole) - 1, NULL, &utf8, &len, NULL) == ERR_NONE) {
            struct parsed p;
            enum error_code code = pools(&p, utf8);
            assert_true(code == ERR_NONE || code == ERR_CORRUPT);
            if (code)
                assert_int_equal(p.view.pool_count, 0);
            else if (!p.failure.told)
                assert_in_range(p.view.pool_count + p.view.left_out, 0, 2);
            view_reset(&p.view);
            iis_wipe_free(utf8, len);
        }
        memcpy(bytes, request, sizeof(request));
        damage(bytes, sizeof(request) - 1, &random);
        uint32_t count = 0;
        if (iis_parse_requests(bytes, sizeof(request) - 1, NULL, NULL, &count, NULL) == ERR_NONE)
            assert_in_range(count, 0, 2);
    }
}

static void time_spans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"00:01:30", 90000},        {"1.05:00:00", 29 * 3600000ull},           {"00:00:00", 0},
        {"00:00:01.5000000", 1500}, {"10675199.02:48:05", 922337203685000ull},
    };
    static const char *const bad[] = {
        "",          "90",       "00:90",  "24:00:00", "0:60:0",    "00:00:60",         "00:00:00x",
        "00:00:00.", "-1:00:00", "1.:0:0", "a",        " 00:00:00", "00:00:00.12345678"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t ms = 7;
        if (!iis_parse_span(good[i].text, &ms) || ms != good[i].ms)
            fail_msg("%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t ms = 7;
        if (iis_parse_span(bad[i], &ms) || ms != 7)
            fail_msg("%s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_are_read_with_their_settings),
        cmocka_unit_test(what_is_not_said_is_the_default_of_iis),
        cmocka_unit_test(nothing_is_none),
        cmocka_unit_test(unknown_parts_and_line_ends_do_not_matter),
        cmocka_unit_test(state_that_nobody_knows_is_unknown),
        cmocka_unit_test(half_an_answer_is_corrupt_wherever_it_ends),
        cmocka_unit_test(other_documents_are_corrupt),
        cmocka_unit_test(entities_are_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(names_that_cannot_be_told_are_left_out),
        cmocka_unit_test(more_pools_than_the_wire_takes_are_left_out),
        cmocka_unit_test(failure_inside_the_xml_is_told),
        cmocka_unit_test(sites_know_the_pool_of_their_root),
        cmocka_unit_test(broken_sites_and_apps_are_corrupt),
        cmocka_unit_test(bindings_too_long_end_after_a_whole_one),
        cmocka_unit_test(requests_are_parsed_from_the_right),
        cmocka_unit_test(no_requests_are_none),
        cmocka_unit_test(lines_that_are_no_requests_are_corrupt),
        cmocka_unit_test(damaged_answers_are_taken_whole_or_not_at_all),
        cmocka_unit_test(time_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

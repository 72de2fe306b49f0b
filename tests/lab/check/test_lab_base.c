/* The lab's own readers: HTTP, XML, the schema, settings, bindings. No server, no clock. */
#include "tests/lab/base/http.h"
#include "tests/lab/base/iisconf.h"
#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/schema.h"
#include "tests/lab/base/settings.h"
#include "tests/lab/base/truth.h"
#include "tests/lab/base/xml.h"

#include "common/os.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *bytes, struct http_request *out)
{
    return http_parse(bytes, strlen(bytes), out);
}

static void request_is_read(void **state)
{
    struct http_request r;
    (void)state;
    assert_true(parse("POST /a?b=1 HTTP/1.1\r\nHost: x:80\r\ncontent-length:  5 \r\n"
                      "Cache-Control: no-store\r\n\r\nhello",
                      &r) > 0);
    assert_string_equal(r.method, "POST");
    assert_string_equal(r.target, "/a?b=1");
    assert_string_equal(r.host, "x");
    assert_int_equal(r.body_len, 5);
    assert_true(r.keep_alive && r.no_store && !r.chunked);
    assert_true(parse("GET / HTTP/1.0\r\n\r\n", &r) > 0);
    assert_false(r.keep_alive);
    assert_true(parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", &r) > 0);
    assert_false(r.keep_alive);
}

static void half_a_request_waits(void **state)
{
    struct http_request r;
    (void)state;
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: x\r\n", &r), 0);
    assert_int_equal(parse("", &r), 0);
}

static void bad_requests_are_refused(void **state)
{
    struct http_request r;
    char *big = malloc(HTTP_HEAD_MAX + 10);
    (void)state;
    assert_int_equal(parse("GARBAGE\r\n\r\n", &r), -400);
    assert_int_equal(parse("GET nowhere HTTP/1.1\r\n\r\n", &r), -400);
    assert_int_equal(parse("GET / HTTP/2.0\r\n\r\n", &r), -505);
    assert_int_equal(parse("GET / HTTP/1.1\r\nno colon\r\n\r\n", &r), -400);
    assert_int_equal(parse("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", &r), -400);
    assert_int_equal(parse("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", &r), -413);
    memset(big, 'a', HTTP_HEAD_MAX + 9);
    big[HTTP_HEAD_MAX + 9] = '\0';
    assert_int_equal(parse(big, &r), -400);
    free(big);
}

static void chunks_are_joined(void **state)
{
    const char *whole = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\nNEXT";
    char out[64];
    size_t len = 0;
    (void)state;
    long used = http_chunked(whole, strlen(whole), out, &len);
    assert_int_equal(used, (long)strlen(whole) - 4);
    assert_int_equal(len, 11);
    assert_memory_equal(out, "hello world", 11);
    assert_int_equal(http_chunked(whole, 12, out, &len), 0);
    assert_int_equal(http_chunked("zz\r\n", 4, out, &len), -1);
    assert_int_equal(http_chunked("1\r\nabc\r\n", 8, out, &len), -1);
}

static void spans_are_printed_as_iis_does(void **state)
{
    uint64_t ms = 0;
    char out[32];
    (void)state;
    assert_true(schema_parse_span("29:00:00", &ms));
    schema_format_span(out, ms);
    assert_string_equal(out, "1.05:00:00");
    assert_true(schema_parse_span("1.05:00:00", &ms));
    assert_int_equal(ms, 29 * 3600 * 1000);
    schema_format_span(out, 90000);
    assert_string_equal(out, "00:01:30");
    assert_false(schema_parse_span("00:61:00", &ms));
    assert_false(schema_parse_span("5", &ms));
    assert_false(schema_parse_span("00:00:10x", &ms));
}

static bool normal(const char *path, const char *value, const char *wanted)
{
    char out[128] = "";
    const struct schema_attribute *a = schema_find(path);
    assert_non_null(a);
    bool ok = schema_normal(a, value, out, sizeof out);
    return wanted ? ok && strcmp(out, wanted) == 0 : !ok;
}

static void values_follow_the_schema(void **state)
{
    (void)state;
    assert_true(normal("autoStart", "False", "false"));
    assert_true(normal("AUTOSTART", "maybe", NULL));
    assert_true(normal("queueLength", "10", "10"));
    assert_true(normal("queueLength", "9", NULL));
    assert_true(normal("queueLength", "65536", NULL));
    assert_true(normal("startMode", "alwaysrunning", "AlwaysRunning"));
    assert_true(normal("startMode", "Sometimes", NULL));
    assert_true(normal("recycling.periodicRestart.time", "29:00:00", "1.05:00:00"));
    assert_true(normal("recycling.logEventOnRecycle", "Time, Requests", "Time, Requests"));
    assert_true(normal("recycling.logEventOnRecycle", "Time, Lunch", NULL));
    assert_null(schema_find("noSuchThing"));
    assert_null(schema_find("idleTimeout")); /* it is processModel.idleTimeout */
}

static void xml_survives_a_round(void **state)
{
    const char *text = "<a><!-- why --><b x=\"1 &amp; &quot;2&quot;\"/><c>words</c></a>";
    struct text out = {0};
    struct error err = {0};
    (void)state;
    struct xml *root = xml_parse(text, strlen(text), &err);
    assert_non_null(root);
    assert_string_equal(xml_get(xml_child(root, "b"), "x"), "1 & \"2\"");
    xml_set(xml_make(xml_child(root, "b"), "new"), "y", "<3");
    xml_write(root, &out);
    xml_free(root);
    root = xml_parse(out.data, out.len, &err);
    assert_non_null(root);
    assert_string_equal(xml_get(xml_path(root, "b/new"), "y"), "<3");
    assert_string_equal(xml_child(root, "c")->content, "words");
    assert_non_null(strstr(out.data, "<!-- why -->"));
    xml_free(root);
    text_reset(&out);
}

static void broken_xml_is_an_error(void **state)
{
    struct error err = {0};
    (void)state;
    assert_null(xml_parse("<a><b></a>", 10, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_null(xml_parse("", 0, &err));
}

static void bindings_are_split(void **state)
{
    struct binding b;
    (void)state;
    assert_true(iisconf_binding("127.0.0.1:18081:shop.test", "127.0.0.9", &b));
    assert_string_equal(b.address, "127.0.0.1");
    assert_string_equal(b.host, "shop.test");
    assert_int_equal(b.port, 18081);
    assert_true(iisconf_binding("*:80:", "127.0.0.9", &b));
    assert_string_equal(b.address, "127.0.0.9");
    assert_string_equal(b.host, "");
    assert_false(iisconf_binding("*:0:", "127.0.0.9", &b));
    assert_false(iisconf_binding("*:80", "127.0.0.9", &b));
    assert_false(iisconf_binding("*:https:", "127.0.0.9", &b));
}

struct dir {
    char path[LAB_PATH_MAX];
};

static int make_dir(void **state)
{
    struct dir *d = calloc(1, sizeof *d);
    *state = d;
    return lab_os_temp("lab-base.", d->path, NULL) ? 0 : -1;
}

static int drop_dir(void **state)
{
    struct dir *d = *state;
    lab_os_remove(d->path);
    free(d);
    return 0;
}

static void put(const struct dir *d, const char *file, const char *text)
{
    char path[LAB_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", d->path, file);
    assert_int_equal(os_write_file(path, text, strlen(text), 0644, NULL), ERR_NONE);
}

static void settings_are_found_by_kind_name_and_key(void **state)
{
    const struct dir *d = *state;
    put(d, "lab.conf",
        "[server]\nname = web01 ; mine\nthreads = 7\n[pool My Pool]\nthreads=3\n"
        "[fault worker-slow My Pool]\nvalue = 40\n");
    struct settings *s = settings_open(d->path, NULL);
    uint64_t value = 0;
    assert_non_null(s);
    assert_string_equal(settings_get(s, "server", NULL, "name"), "web01");
    assert_int_equal(settings_number(s, "my pool", "threads", 1), 3);
    assert_int_equal(settings_number(s, "Other", "threads", 1), 7);
    assert_int_equal(settings_number(s, "Other", "nothing", 1), 1);
    assert_true(fault_number(s, "worker-slow", "My Pool", 1, &value));
    assert_int_equal(value, 40);
    assert_false(fault_on(s, "worker-slow", "Other"));
    settings_close(s);
}

static void bad_settings_name_their_line(void **state)
{
    const struct dir *d = *state;
    struct error err = {0};
    put(d, "lab.conf", "[server]\nname\n");
    assert_null(settings_open(d->path, &err));
    assert_non_null(strstr(err.text, "lab.conf:2"));
    put(d, "lab.conf", "name = x\n");
    assert_null(settings_open(d->path, &err));
    put(d, "lab.conf", "[server\n");
    assert_null(settings_open(d->path, &err));
}

static void faults_are_switched_while_others_look(void **state)
{
    const struct dir *d = *state;
    put(d, "lab.conf", "[fault appcmd-slow]\n");
    struct settings *s = settings_open(d->path, NULL);
    assert_string_equal(fault_value(s, "appcmd-slow", "list", "5000"), "5000");
    assert_int_equal(fault_switch(d->path, "appcmd-slow", NULL, NULL, false, 0, NULL), ERR_NONE);
    assert_false(fault_on(s, "appcmd-slow", "list"));
    assert_int_equal(fault_switch(d->path, "worker-500", "Shop", "all", true, 0, NULL), ERR_NONE);
    assert_string_equal(fault_value(s, "worker-500", "shop", "new"), "all");
    assert_false(fault_on(s, "worker-500", "Api"));
    assert_false(fault_on(s, "worker-500", NULL));
    assert_int_equal(fault_switch(d->path, "worker-500", "Shop", NULL, false, 0, NULL), ERR_NONE);
    assert_false(fault_on(s, "worker-500", "Shop"));
    assert_int_equal(fault_switch(d->path, "worker-500", NULL, NULL, true, 3600, NULL), ERR_NONE);
    assert_true(fault_on(s, "worker-500", "Api"));
    assert_int_equal(fault_switch(d->path, "no-such", NULL, NULL, true, 0, NULL), ERR_INVALID);
    settings_close(s);
}

static void pool_settings_fall_back_to_defaults(void **state)
{
    const struct dir *d = *state;
    struct iisconf c;
    struct pool_settings p;
    put(d, "applicationHost.config",
        "<configuration><system.applicationHost><applicationPools>"
        "<add name=\"A\"><processModel idleTimeout=\"00:00:07\" /></add><add name=\"B\" "
        "queueLength=\"0\"/>"
        "<applicationPoolDefaults autoStart=\"false\"><processModel idleTimeout=\"00:00:09\" />"
        "</applicationPoolDefaults></applicationPools></system.applicationHost></configuration>");
    assert_int_equal(iisconf_read(&c, d->path, NULL), ERR_NONE);
    iisconf_pool_settings(&c, iisconf_pool(&c, "a"), &p);
    assert_int_equal(p.idle_ms, 7000);
    assert_false(p.auto_start);
    assert_int_equal(p.shutdown_ms, 90000);
    assert_true(p.overlaps && p.pings && p.rapid_fail);
    iisconf_pool_settings(&c, iisconf_pool(&c, "B"), &p);
    assert_int_equal(p.idle_ms, 9000);
    assert_int_equal(p.queue_length, 1000); /* out of bounds: the default */
    assert_null(iisconf_pool(&c, "C"));
    iisconf_reset(&c);
}

static void commit_refuses_a_file_that_changed(void **state)
{
    const struct dir *d = *state;
    const char *text = "<configuration><system.applicationHost><applicationPools><add name=\"A\"/>"
                       "</applicationPools></system.applicationHost></configuration>";
    struct iisconf first, second;
    put(d, "applicationHost.config", text);
    assert_int_equal(iisconf_read(&first, d->path, NULL), ERR_NONE);
    assert_int_equal(iisconf_read(&second, d->path, NULL), ERR_NONE);
    xml_set(iisconf_pool(&first, "A"), "autoStart", "false");
    assert_int_equal(iisconf_commit(&first, NULL), ERR_NONE);
    assert_true(iisconf_stale(&second, d->path));
    assert_int_equal(iisconf_commit(&second, NULL), ERR_BUSY);
    assert_int_equal(iisconf_commit(&first, NULL), ERR_NONE);
    iisconf_reset(&first);
    iisconf_reset(&second);
}

static void truth_outlives_its_writer(void **state)
{
    const struct dir *d = *state;
    struct tally *t = tally_open(d->path, NULL);
    struct lab_id id = {77, 1234};
    assert_non_null(t);
    truth_write(d->path, "worker_start",
                json_pack("{s:s, s:o}", "pool", "Shop", "worker", truth_id(id)));
    struct tally_worker *w = tally_worker(t, id, "Shop");
    w->served = 5;
    w->inside = 2;
    json_t *sum = truth_sum(d->path, "web01", false, NULL), *pool, *worker;
    pool = json_object_get(json_object_get(sum, "pools"), "Shop");
    worker = json_array_get(json_object_get(pool, "workers"), 0);
    assert_int_equal(json_integer_value(json_object_get(worker, "served")), 5);
    assert_true(json_is_null(json_object_get(worker, "how")));
    json_decref(sum);
    truth_all_end(d->path, t, "host-died");
    sum = truth_sum(d->path, "web01", true, NULL);
    pool = json_object_get(json_object_get(sum, "pools"), "Shop");
    worker = json_array_get(json_object_get(pool, "workers"), 0);
    assert_string_equal(json_string_value(json_object_get(worker, "how")), "host-died");
    assert_int_equal(json_integer_value(json_object_get(worker, "lost")), 2);
    assert_int_equal(json_integer_value(json_object_get(pool, "lost")), 2);
    assert_int_equal(json_array_size(json_object_get(sum, "log")), 2);
    json_decref(sum);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_read),
        cmocka_unit_test(half_a_request_waits),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(chunks_are_joined),
        cmocka_unit_test(spans_are_printed_as_iis_does),
        cmocka_unit_test(values_follow_the_schema),
        cmocka_unit_test(xml_survives_a_round),
        cmocka_unit_test(broken_xml_is_an_error),
        cmocka_unit_test(bindings_are_split),
        IN_DIR(settings_are_found_by_kind_name_and_key),
        IN_DIR(bad_settings_name_their_line),
        IN_DIR(faults_are_switched_while_others_look),
        IN_DIR(pool_settings_fall_back_to_defaults),
        IN_DIR(commit_refuses_a_file_that_changed),
        IN_DIR(truth_outlives_its_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

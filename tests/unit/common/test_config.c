/* test_config.c - a configuration is read whole, or every mistake in it is named with its line. */
#include "tests/unit/common/testing.h"

#include "common/config.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

struct listen {
    char *address;
    bool strict;
    uint64_t port, idle_ms, body_bytes;
    int mode;
};

struct backend {
    char *name;
    char *url;
    struct config_list servers;
};

struct settings {
    struct listen listen;
    struct backend backends[4];
    size_t backend_count;
};

static const char *const modes[] = {"fast", "safe", NULL};

static enum error_code no_star(const char *value, struct error *err)
{
    return strchr(value, '*') ? error_set(err, ERR_INVALID, "%s has a star", value) : ERR_NONE;
}

static const struct config_key keys[] = {
    {.section = "listen",
     .key = "address",
     .type = CONFIG_TEXT,
     .offset = offsetof(struct listen, address),
     .required = true,
     .expected = "an address such as 127.0.0.1",
     .check = no_star},
    {.section = "listen",
     .key = "strict",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct listen, strict)},
    {.section = "listen",
     .key = "port",
     .type = CONFIG_UINT,
     .offset = offsetof(struct listen, port),
     .min = 1,
     .max = 65535},
    {.section = "listen",
     .key = "idle",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct listen, idle_ms),
     .min = 1000,
     .max = 3600000},
    {.section = "listen",
     .key = "body",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct listen, body_bytes)},
    {.section = "listen",
     .key = "mode",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct listen, mode),
     .choices = modes},
    {.section = "backend *",
     .key = "url",
     .type = CONFIG_TEXT,
     .offset = offsetof(struct backend, url),
     .required = true},
    {.section = "backend *",
     .key = "servers",
     .type = CONFIG_LIST,
     .offset = offsetof(struct backend, servers),
     .check = no_star},
};

static void *find_fields(void *target, const char *section, const char *name, struct error *err)
{
    struct settings *settings = target;
    if (text_equal(section, "listen"))
        return &settings->listen;
    assert_string_equal(section, "backend *");
    if (settings->backend_count == 4) {
        error_set(err, ERR_INVALID, "%s is one backend too many, 4 are possible", name);
        return NULL;
    }
    struct backend *backend = &settings->backends[settings->backend_count++];
    backend->name = must_copy(name);
    return backend;
}

static const struct config_schema schema = {keys, sizeof(keys) / sizeof(keys[0]), find_fields};

static void release(struct settings *settings)
{
    config_release(&schema, "listen", &settings->listen);
    for (size_t i = 0; i < settings->backend_count; i++) {
        config_release(&schema, "backend *", &settings->backends[i]);
        free(settings->backends[i].name);
    }
}

static void collect(void *arg, const char *line)
{
    text_addf(arg, "%s\n", line);
}

/* Parses and gives the report, which the caller frees; "" when nothing is wrong. */
static char *report_of(const char *content)
{
    struct settings settings = {0};
    struct text report = {0};
    struct error err = {0};
    enum error_code code =
        config_parse(content, "a.conf", &schema, &settings, collect, &report, &err);
    assert_int_equal(code, report.len ? ERR_INVALID : ERR_NONE);
    release(&settings);
    return text_take(&report);
}

static void assert_report(const char *content, const char *expected)
{
    char *report = report_of(content);
    assert_string_equal(report, expected);
    free(report);
}

static void every_type_is_read(void **state)
{
    (void)state;
    struct settings s = {.listen = {.address = must_copy("default"), .port = 8420}};
    struct error err = {0};
    const char *content = "\xEF\xBB\xBF; a comment\r\n"
                          "# another\n"
                          "[listen]\n"
                          "  address = 10.0.0.1:7  ; where\r\n"
                          "strict=YES\n"
                          "idle = 90s\n"
                          "body = 64K\n"
                          "mode = Safe\n"
                          "\n"
                          "[backend  shop front]\n"
                          "url = http://x/?a=b;c#d\n"
                          "servers = web01, web02 ,web03\n"
                          "[backend api]\n"
                          "url = u";
    assert_code(config_parse(content, "a.conf", &schema, &s, NULL, NULL, &err), ERR_NONE, &err);
    assert_string_equal(s.listen.address, "10.0.0.1:7");
    assert_true(s.listen.strict);
    assert_int_equal(s.listen.port, 8420); /* not in the file: kept */
    assert_int_equal(s.listen.idle_ms, 90000);
    assert_int_equal(s.listen.body_bytes, 65536);
    assert_int_equal(s.listen.mode, 1);
    assert_int_equal(s.backend_count, 2);
    assert_string_equal(s.backends[0].name, "shop front");
    assert_string_equal(s.backends[0].url, "http://x/?a=b;c#d");
    assert_int_equal(s.backends[0].servers.count, 3);
    assert_string_equal(s.backends[0].servers.items[1], "web02");
    assert_string_equal(s.backends[1].name, "api");
    release(&s);
    assert_null(s.listen.address);
    assert_int_equal(s.backends[0].servers.count, 0);
}

static void words_for_bool(void **state)
{
    (void)state;
    static const char *const words[] = {"yes", "true", "on", "no", "False", "OFF"};
    for (size_t i = 0; i < 6; i++) {
        struct settings s = {.listen.strict = i >= 3};
        char content[100];
        snprintf(content, sizeof(content), "[listen]\naddress=x\nstrict=%s", words[i]);
        assert_int_equal(config_parse(content, "a", &schema, &s, NULL, NULL, NULL), ERR_NONE);
        assert_int_equal(s.listen.strict, i < 3);
        release(&s);
    }
}

#define ADDRESS "[listen]\naddress = a\n"

static void wrong_values_say_what_was_expected(void **state)
{
    (void)state;
    assert_report(ADDRESS "strict = maybe", "a.conf:3: strict = maybe: expected yes or no\n");
    assert_report(ADDRESS "port = 80x",
                  "a.conf:3: port = 80x: expected a number, from 1 to 65535\n");
    assert_report(ADDRESS "port = 0", "a.conf:3: port = 0: expected a number, from 1 to 65535\n");
    assert_report(ADDRESS "port = 65536",
                  "a.conf:3: port = 65536: expected a number, from 1 to 65535\n");
    assert_report(ADDRESS "idle = 30",
                  "a.conf:3: idle = 30: expected a duration such as 250ms, 30s, 5m or 2h, from 1s "
                  "to 1h\n");
    assert_report(ADDRESS "idle = 2h", "a.conf:3: idle = 2h: expected a duration such as 250ms, "
                                       "30s, 5m or 2h, from 1s to 1h\n");
    assert_report(ADDRESS "body = big",
                  "a.conf:3: body = big: expected a size in bytes such as 4096, 64K or 10M\n");
    assert_report(ADDRESS "mode = slow", "a.conf:3: mode = slow: expected one of fast, safe\n");
    assert_report(ADDRESS "[backend b]\nurl=u\nservers = a,,b",
                  "a.conf:5: servers = a,,b: expected names with commas between them\n");
    assert_report("[listen]\naddress =\n",
                  "a.conf:2: address has no value: expected an address such as 127.0.0.1\n");
}

static void unknown_and_repeated_names_are_errors(void **state)
{
    (void)state;
    assert_report(ADDRESS "adress = b", "a.conf:3: unknown key adress in [listen]: expected one of "
                                        "address, strict, port, idle, body, mode\n");
    assert_report(ADDRESS "[listn]\nx = y",
                  "a.conf:3: unknown section [listn]: expected one of [listen], [backend NAME]\n");
    assert_report(
        ADDRESS "[backend]\nurl = y",
        "a.conf:3: unknown section [backend]: expected one of [listen], [backend NAME]\n");
    assert_report(ADDRESS "address = b", "a.conf:3: address was given before, on line 2\n");
    assert_report(ADDRESS "\n" ADDRESS, "a.conf:4: [listen] was given before, on line 1\n");
    assert_report(ADDRESS "[backend b]\nurl=u\n[backend b]\nurl=u",
                  "a.conf:5: [backend b] was given before, on line 3\n");
}

static void missing_things_are_named_where_they_belong(void **state)
{
    (void)state;
    assert_report("\n[listen]\nport = 5\n[backend b]\n",
                  "a.conf:2: [listen] lacks the key address: expected an address such as "
                  "127.0.0.1\n"
                  "a.conf:4: [backend b] lacks the key url: expected a text\n");
    assert_report("", "a.conf:1: the section [listen] with the key address is missing: expected an "
                      "address such as 127.0.0.1\n");
    assert_report("address = x\n" ADDRESS, "a.conf:1: address stands before the first [section]\n");
}

static void lines_of_no_shape_are_errors(void **state)
{
    (void)state;
    assert_report(ADDRESS "just words", "a.conf:3: expected [section] or key = value\n");
    assert_report(ADDRESS "= value", "a.conf:3: expected [section] or key = value\n");
    assert_report(ADDRESS "[backend x", "a.conf:3: a section is written as [name] on a line of its "
                                        "own\n");
    assert_report(ADDRESS "[]", "a.conf:3: a section is written as [name] on a line of its own\n");
    assert_report(ADDRESS "mode = fa\x01st",
                  "a.conf:3: there is a control character on this line: remove it\n");
    assert_report(ADDRESS "mode = \xE4",
                  "a.conf:3: this line is not UTF-8 text: save the file as UTF-8\n");
}

static void what_a_key_checks_itself_is_told_with_its_line(void **state)
{
    (void)state;
    assert_report("[listen]\nport = 1\naddress = *\n", "a.conf:3: address: * has a star\n");
    assert_report("[listen]\naddress = a\n[backend b]\nurl = u\nservers = web01, w*, *2\n",
                  "a.conf:5: servers: w* has a star\na.conf:5: servers: *2 has a star\n");
}

static void a_refused_section_is_one_error_with_its_reason(void **state)
{
    (void)state;
    assert_report(ADDRESS "[backend 1]\nurl=u\n[backend 2]\nurl=u\n[backend 3]\nurl=u\n"
                          "[backend 4]\nurl=u\n[backend 5]\nno = matter\n",
                  "a.conf:11: [backend 5]: 5 is one backend too many, 4 are possible\n");
}

static void all_errors_are_told_and_the_first_is_in_the_error(void **state)
{
    (void)state;
    struct settings s = {0};
    struct error err = {0};
    assert_code(
        config_parse("[listen]\nport = x\nmode = y\n", "a.conf", &schema, &s, NULL, NULL, &err),
        ERR_INVALID, &err);
    assert_string_equal(err.text, "a.conf holds 3 errors; the first: a.conf:2: port = x: expected "
                                  "a number, from 1 to 65535");
    release(&s);
    assert_code(config_parse(ADDRESS "port = x", "a.conf", &schema, &s, NULL, NULL, &err),
                ERR_INVALID, &err);
    assert_string_equal(err.text, "a.conf:3: port = x: expected a number, from 1 to 65535");
    release(&s);
}

static void long_lines_and_names_are_whole(void **state)
{
    (void)state;
    struct settings s = {0};
    struct error err = {0};
    char value[3001], content[8000];
    memset(value, 'v', 3000);
    value[3000] = '\0';
    snprintf(content, sizeof(content), "[listen]\naddress = %s\n[backend %s]\nurl=u\n", value,
             value);
    assert_code(config_parse(content, "a.conf", &schema, &s, NULL, NULL, &err), ERR_NONE, &err);
    assert_string_equal(s.listen.address, value);
    assert_string_equal(s.backends[0].name, value);
    release(&s);
    snprintf(content, sizeof(content), ADDRESS "mode = %s", value);
    char *report = report_of(content);
    assert_true(strlen(report) < 200); /* an error shows the beginning only */
    free(report);
}

static void files_are_read_and_their_faults_told(void **state)
{
    struct settings s = {0};
    struct error err = {0};
    const char *path = in_dir(state, "f.conf");
    assert_code(config_read(path, &schema, &s, NULL, NULL, &err), ERR_NOT_FOUND, &err);
    assert_contains(err.text, "f.conf");
    assert_code(os_write_file(path, ADDRESS, strlen(ADDRESS), 0600, &err), ERR_NONE, &err);
    assert_code(config_read(path, &schema, &s, NULL, NULL, &err), ERR_NONE, &err);
    assert_string_equal(s.listen.address, "a");
    assert_code(os_write_file(path, "[listen]\nport=x\n", 16, 0600, &err), ERR_NONE, &err);
    assert_code(config_read(path, &schema, &s, NULL, NULL, &err), ERR_INVALID, &err);
    assert_contains(err.text, "f.conf:2: port");
    assert_code(os_write_file(path, "[list\0en]", 9, 0600, &err), ERR_NONE, &err);
    assert_code(config_read(path, &schema, &s, NULL, NULL, &err), ERR_INVALID, &err);
    assert_contains(err.text, "NUL");
    size_t large = (size_t)2 << 20;
    char *zeros = calloc(large, 1);
    assert_code(os_write_file(path, zeros, large, 0600, &err), ERR_NONE, &err);
    free(zeros);
    assert_code(config_read(path, &schema, &s, NULL, NULL, &err), ERR_NOMEM, &err);
    release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(words_for_bool),
        cmocka_unit_test(wrong_values_say_what_was_expected),
        cmocka_unit_test(unknown_and_repeated_names_are_errors),
        cmocka_unit_test(missing_things_are_named_where_they_belong),
        cmocka_unit_test(lines_of_no_shape_are_errors),
        cmocka_unit_test(what_a_key_checks_itself_is_told_with_its_line),
        cmocka_unit_test(a_refused_section_is_one_error_with_its_reason),
        cmocka_unit_test(all_errors_are_told_and_the_first_is_in_the_error),
        cmocka_unit_test(long_lines_and_names_are_whole),
        cmocka_unit_test(files_are_read_and_their_faults_told),
    };
    return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}

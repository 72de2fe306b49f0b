/* Settings of the iis driver: defaults, what is refused, and which configuration a server reads. */
#include "agent/drivers/iis.h"
#include "agent/drivers/iis_config.h"
#include "common/must.h"
#include "common/text.h"
#include "tests/unit/drivers_tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void good(struct iis_settings *s)
{
    iis_settings_init(s);
    s->appcmd = must_copy("C:\\Windows\\System32\\inetsrv\\appcmd.exe");
    s->worker = must_copy("/srv/web01/inetsrv/w3wp.exe");
    s->config = must_copy("\\\\share\\applicationHost.config");
}

static void expect_refused(struct iis_settings *s, const char *words)
{
    struct error err = {0};
    struct driver *driver = NULL;
    assert_int_equal(iis_settings_check(s, &err), ERR_INVALID);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    assert_int_equal(iis_open(s, &driver, NULL), ERR_INVALID);
    assert_null(driver);
    iis_settings_reset(s);
}

static void defaults_hold_without_a_configuration(void **state)
{
    (void)state;
    struct iis_settings s;
    iis_settings_init(&s);
    assert_int_equal(s.appcmd_timeout_ms, 30000);
    assert_int_equal(s.stop_timeout_ms, 120000);
    assert_string_equal(scm_names[s.service_backend], "none");
    struct iis_probe *probe = iis_settings_add_probe(&s, "*", NULL);
    assert_int_equal(probe->timeout_ms, 5000);
    iis_settings_reset(&s);
    assert_null(s.probes);
}

static void good_settings_open(void **state)
{
    (void)state;
    struct iis_settings s;
    struct driver *driver = NULL;
    good(&s);
    assert_int_equal(iis_open(&s, &driver, NULL), ERR_NONE);
    assert_string_equal(driver->ops->name, "iis");
    driver->ops->close(driver);
    iis_settings_reset(&s);
}

static void second_section_for_a_pool_is_refused(void **state)
{
    (void)state;
    struct iis_settings s;
    struct error err;
    good(&s);
    struct iis_probe *first = iis_settings_add_probe(&s, "Shop", &err);
    struct iis_probe *second = iis_settings_add_probe(&s, "Api", &err);
    assert_ptr_equal(first->next, second);
    assert_null(iis_settings_add_probe(&s, "shop", &err));
    assert_int_equal(err.code, ERR_EXISTS);
    iis_settings_reset(&s);
}

static void impossible_values_are_refused_by_name(void **state)
{
    (void)state;
    struct iis_settings s;
    good(&s);
    free(s.appcmd);
    s.appcmd = NULL;
    expect_refused(&s, "[iis] appcmd is missing");
    good(&s);
    free(s.worker);
    s.worker = must_copy("w3wp.exe");
    expect_refused(&s, "[iis] worker: w3wp.exe: expected an absolute path");
    good(&s);
    free(s.config);
    s.config = NULL;
    expect_refused(&s, "[iis] config");
    good(&s);
    s.service_backend = 1;
    expect_refused(&s, "[iis] service_tool");
    good(&s);
    s.service_backend = 9;
    expect_refused(&s, "[iis] service_backend");
    good(&s);
    s.stop_timeout_ms = 0;
    expect_refused(&s, "stop_timeout");
    good(&s);
    s.code_page = must_copy("CP-none-such");
    expect_refused(&s, "[iis] code_page = CP-none-such");
}

static void impossible_probes_are_refused_by_name(void **state)
{
    (void)state;
    struct iis_settings s;
    good(&s);
    iis_settings_add_probe(&s, "Shop", NULL)->url = must_copy("shop.example/health");
    expect_refused(&s, "[probe Shop] url: shop.example/health");
    good(&s);
    iis_settings_add_probe(&s, "Shop", NULL)->url = must_copy("http://shop.example/#top");
    expect_refused(&s, "[probe Shop] url");
    good(&s);
    iis_settings_add_probe(&s, "Shop", NULL)->connect_to = must_copy("127.0.0.1");
    expect_refused(&s, "[probe Shop] connect_to: 127.0.0.1");
    good(&s);
    iis_settings_add_probe(&s, "Shop", NULL)->timeout_ms = 0;
    expect_refused(&s, "[probe Shop] timeout");
    static const char *const statuses[] = {"20", "2xx", "200-", "300-200", "600", "200-999"};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        good(&s);
        struct iis_probe *probe = iis_settings_add_probe(&s, "*", NULL);
        probe->status.items = must_alloc(1, sizeof(char *));
        probe->status.items[0] = must_copy(statuses[i]);
        probe->status.count = 1;
        expect_refused(&s, "[probe *] status");
    }
}

/* ---- shared configuration ---- */

static char *config_in(const char *folder)
{
    tool_write(folder, "applicationHost.config", "<configuration/>", 16);
    return tool_path(folder, "applicationHost.config");
}

static void redirect(const char *folder, const char *attributes)
{
    struct text xml = {0};
    text_addf(&xml,
              "<?xml version=\"1.0\"?>\r\n<configuration>\r\n<configSections/>"
              "<configurationRedirection %s/></configuration>",
              attributes);
    tool_write(folder, "redirection.config", xml.data, xml.len);
    text_reset(&xml);
}

static void server_without_redirection_reads_its_own(void **state)
{
    (void)state;
    char *folder = tool_folder_new();
    char *config = config_in(folder);
    struct iis_config c;
    assert_int_equal(iis_config_read(config, &c, NULL), ERR_NONE);
    assert_false(c.shared);
    assert_true(text_starts(c.identity, "host:"));
    redirect(folder, "enabled=\"false\" path=\"\\\\files\\farm\"");
    assert_int_equal(iis_config_read(config, &c, NULL), ERR_NONE);
    assert_false(c.shared);
    redirect(folder, "");
    assert_int_equal(iis_config_read(config, &c, NULL), ERR_NONE);
    assert_false(c.shared);
    free(config);
    tool_folder_remove(folder);
}

static void shared_configuration_has_one_identity_whatever_its_spelling(void **state)
{
    (void)state;
    char *folder = tool_folder_new();
    char *config = config_in(folder);
    struct iis_config a, b;
    redirect(folder,
             "enabled=\"true\" path=\"\\\\Files\\Farm\\\" userName=\"u\" password=\"hunter2\"");
    assert_int_equal(iis_config_read(config, &a, NULL), ERR_NONE);
    assert_true(a.shared);
    assert_string_equal(a.identity, "share:\\\\files\\farm");
    redirect(folder, "path=\"\\\\FILES/farm\" enabled=\"True\"");
    assert_int_equal(iis_config_read(config, &b, NULL), ERR_NONE);
    assert_string_equal(a.identity, b.identity);
    free(config);
    tool_folder_remove(folder);
}

static void unreadable_redirection_counts_as_shared(void **state)
{
    (void)state;
    static const char *const broken[] = {"enabled=\"true\"", "enabled=\"true\" path=\"\"",
                                         "enabled=\"yes\" path=\"x\"", "enabled=\"true",
                                         "enabled=\"true\" password=\"hunter2\" <"};
    char *folder = tool_folder_new();
    char *config = config_in(folder);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct iis_config c;
        struct error err;
        redirect(folder, broken[i]);
        assert_int_equal(iis_config_read(config, &c, &err), ERR_CORRUPT);
        assert_true(c.shared);
        assert_non_null(strstr(err.text, "redirection.config"));
        assert_null(strstr(err.text, "hunter2"));
    }
    free(config);
    tool_folder_remove(folder);
}

static void very_long_folders_stay_different(void **state)
{
    (void)state;
    char *folder = tool_folder_new();
    char *config = config_in(folder);
    struct iis_config c[2];
    for (int i = 0; i < 2; i++) {
        struct text attributes = {0};
        text_add(&attributes, "enabled=\"true\" path=\"/");
        for (int n = 0; n < 400; n++)
            text_add(&attributes, "x");
        text_addf(&attributes, "%d\"", i);
        redirect(folder, text_get(&attributes));
        assert_int_equal(iis_config_read(config, &c[i], NULL), ERR_NONE);
        text_reset(&attributes);
    }
    assert_string_not_equal(c[0].identity, c[1].identity);
    free(config);
    tool_folder_remove(folder);
}

static void any_of_the_files_changes_the_stamp(void **state)
{
    (void)state;
    char *folder = tool_folder_new();
    char *other = tool_folder_new();
    char *config = config_in(folder);
    struct iis_config_stamp first = iis_config_stamp(config);
    struct iis_config_stamp again = iis_config_stamp(config);
    assert_true(iis_config_stamp_equal(&first, &again));
    tool_write(folder, "applicationHost.config", "<configuration />", 17);
    again = iis_config_stamp(config);
    assert_false(iis_config_stamp_equal(&first, &again));
    struct text attributes = {0};
    text_addf(&attributes, "enabled=\"true\" path=\"%s\"", other);
    redirect(folder, text_get(&attributes));
    first = iis_config_stamp(config);
    assert_false(iis_config_stamp_equal(&first, &again));
    tool_write(other, "applicationHost.config", "<configuration/>", 16);
    again = iis_config_stamp(config);
    assert_false(iis_config_stamp_equal(&first, &again));
    text_reset(&attributes);
    free(config);
    tool_folder_remove(folder);
    tool_folder_remove(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_without_a_configuration),
        cmocka_unit_test(good_settings_open),
        cmocka_unit_test(second_section_for_a_pool_is_refused),
        cmocka_unit_test(impossible_values_are_refused_by_name),
        cmocka_unit_test(impossible_probes_are_refused_by_name),
        cmocka_unit_test(server_without_redirection_reads_its_own),
        cmocka_unit_test(shared_configuration_has_one_identity_whatever_its_spelling),
        cmocka_unit_test(unreadable_redirection_counts_as_shared),
        cmocka_unit_test(very_long_folders_stay_different),
        cmocka_unit_test(any_of_the_files_changes_the_stamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

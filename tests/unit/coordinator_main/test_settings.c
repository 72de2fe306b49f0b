/* test_settings.c - coordinator.conf: what is taken, and that every mistake is told. */
#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/settings/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void gather(void *arg, const char *line)
{
    text_addf(arg, "%s\n", line);
}

static struct settings parse(const char *content)
{
    struct settings s;
    struct error err = {0};
    if (settings_parse(content, "x.conf", &s, NULL, NULL, &err))
        fail_msg("%s", err.text);
    return s;
}

/* Each of `parts` (NULL-terminated) stands in what is reported. */
static void assert_told(const char *content, const char *const *parts)
{
    struct settings s;
    struct error err = {0};
    struct text told = {0};
    assert_int_equal(settings_parse(content, "x.conf", &s, gather, &told, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "x.conf"));
    for (; *parts; parts++)
        if (!strstr(text_get(&told), *parts))
            fail_msg("\"%s\" is not in: %s", *parts, text_get(&told));
    text_reset(&told);
}

#define TELLS(content, ...) assert_told(content, (const char *const[]){__VA_ARGS__, NULL})

static void empty_file_has_defaults(void **state)
{
    (void)state;
    struct settings s = parse("");
    assert_string_equal(s.listen, "tls+tcp://0.0.0.0:7600");
    assert_string_equal(s.socket, "/run/farmhand/farmhand.sock");
    assert_string_equal(s.data_dir, "/var/lib/farmhand");
    assert_int_equal(s.silent_after_ms, 45000);
    assert_int_equal(s.settle_ms, 10000);
    assert_int_equal(s.log_level, LOG_LEVEL_INFO);
    assert_int_equal(settings_budget(&s).max_out.value, 1);
    assert_int_equal(settings_budget(&s).min_in_service.value, 0);
    assert_int_equal(s.budget_count, 0);
    struct rollout_options o = settings_options(&s);
    assert_int_equal(o.batch, 1);
    assert_int_equal(o.soak_ms, 10000);
    assert_int_equal(o.limit_ms, 300000);
    assert_true(o.drain);
    assert_int_equal(o.drain_limit_ms, 120000);
    assert_int_equal(o.on_drain_limit, DRAIN_LIMIT_FAIL);
    assert_int_equal(o.gate_passes, 3);
    assert_int_equal(o.gate_min_ms, 3000);
    assert_int_equal(o.gate_deadline_ms, 120000);
    assert_int_equal(o.gate_interval_ms, 1000);
    assert_int_equal(o.policies[TROUBLE_FAILED].then, ON_FAILURE_STOP);
    assert_int_equal(o.policies[TROUBLE_UNKNOWN].then, ON_FAILURE_PAUSE);
    assert_int_equal(o.unreachable, UNREACHABLE_FAIL);
    settings_release(&s);
}

static void every_key_is_taken(void **state)
{
    (void)state;
    struct settings s = parse("[coordinator]\nlisten = tcp://127.0.0.1:0\nsocket = /a/b.sock\n"
                              "without_tls = loopback-only\n"
                              "data_dir = /c\nsilent_after = 4s\nsettle = 2s\nkeep_history = 1d\n"
                              "log_level = warn\n"
                              "[budget]\nmax_out = 2\nmin_in_service = 3\n"
                              "[defaults]\nsoak = 1s\nlimit = 2s\ngate_passes = 4\n"
                              "gate_min = 5s\ngate_deadline = 6s\ngate_interval = 700ms\n"
                              "drain_limit = 8s\non_drain_limit = proceed\nunreachable = wait\n");
    assert_string_equal(s.listen, "tcp://127.0.0.1:0");
    assert_string_equal(s.socket, "/a/b.sock");
    assert_string_equal(s.data_dir, "/c");
    assert_int_equal(s.silent_after_ms, 4000);
    assert_int_equal(s.settle_ms, 2000);
    assert_int_equal(s.keep_history_ms, 86400000);
    assert_int_equal(s.log_level, LOG_LEVEL_WARN);
    assert_int_equal(settings_budget(&s).max_out.value, 2);
    assert_int_equal(settings_budget(&s).min_in_service.value, 3);
    struct rollout_options o = settings_options(&s);
    assert_int_equal(o.soak_ms, 1000);
    assert_int_equal(o.limit_ms, 2000);
    assert_int_equal(o.gate_passes, 4);
    assert_int_equal(o.gate_min_ms, 5000);
    assert_int_equal(o.gate_deadline_ms, 6000);
    assert_int_equal(o.gate_interval_ms, 700);
    assert_int_equal(o.drain_limit_ms, 8000);
    assert_int_equal(o.on_drain_limit, DRAIN_LIMIT_PROCEED);
    assert_int_equal(o.unreachable, UNREACHABLE_WAIT);
    settings_release(&s);
}

static void servers_and_balancers_are_taken(void **state)
{
    (void)state;
    struct settings s =
        parse("[server web01]\nlabels = farm=web, zone=a\n[server web02]\n"
              "[haproxy lb1]\naddress = /run/lb1.sock\n"
              "[haproxy lb2]\naddress = 127.0.0.1:9999\ntimeout = 500ms\n"
              "[backend shop]\nbalancers = lb2\npools = Shop*\nname = iis-{server}\n"
              "renamed = web01:srv1, web02:srv2\n[backend api]\nbalancers = lb1, arr\n"
              "[command arr]\nrun = /opt/arr, --farm, Shop\n");
    assert_int_equal(s.server_count, 2);
    assert_string_equal(s.servers[0].name, "web01");
    assert_int_equal(s.servers[0].label_count, 2);
    assert_string_equal(s.servers[0].labels[1].key, "zone");
    assert_string_equal(s.servers[0].labels[1].value, "a");
    assert_int_equal(s.servers[1].label_count, 0);
    struct balancer_place *places = settings_places(&s);
    assert_string_equal(places[0].address, "/run/lb1.sock");
    assert_int_equal(places[0].timeout_ms, 3000);
    assert_string_equal(places[1].name, "lb2");
    assert_int_equal(places[1].timeout_ms, 500);
    assert_string_equal(places[1].kind, "haproxy");
    assert_string_equal(places[2].kind, "command");
    assert_string_equal(places[2].argv[0], "/opt/arr");
    assert_string_equal(places[2].argv[2], "Shop");
    assert_null(places[2].argv[3]);
    assert_int_equal(places[2].timeout_ms, 20000);
    size_t backend_count;
    struct balancer_backend *backends = settings_backends(&s, &backend_count);
    assert_int_equal(backend_count, 3);
    assert_string_equal(backends[1].balancer, "lb1");
    assert_string_equal(backends[2].balancer, "arr");
    assert_string_equal(backends[2].backend, "api");
    assert_string_equal(backends[0].balancer, "lb2");
    assert_string_equal(backends[0].backend, "shop");
    assert_string_equal(backends[0].pool_glob, "Shop*");
    assert_string_equal(backends[0].name_of, "iis-{server}");
    assert_string_equal(backends[0].renamed[1], "web02:srv2");
    assert_null(backends[0].renamed[2]);
    assert_string_equal(backends[1].pool_glob, "*");
    assert_string_equal(backends[1].name_of, "{server}");
    assert_null(backends[1].renamed[0]);
    free(places);
    free(backends);
    settings_release(&s);
}

static void groups_of_the_budget_are_named(void **state)
{
    (void)state;
    struct settings s = parse("[haproxy lb1]\naddress = /x\n[backend shop]\nbalancers = lb1\n"
                              "[budget]\nmax_out = 3\nmin_in_service = 25%\n"
                              "[budget zone-a]\nservers = farm=web,zone=a\nmax_out = 10%\n"
                              "[budget shop]\nbackend = shop\nmin_in_service = 2\n");
    struct budget_rule *rules = settings_budgets(&s), rest = settings_budget(&s);
    assert_int_equal(s.budget_count, 2);
    assert_string_equal(rules[0].name, "zone-a");
    assert_string_equal(rules[0].selector, "farm=web,zone=a");
    assert_null(rules[0].backend);
    assert_int_equal(rules[0].max_out.value, 10);
    assert_true(rules[0].max_out.percent);
    assert_int_equal(rules[0].min_in_service.value, 0);
    assert_string_equal(rules[1].backend, "shop");
    assert_null(rules[1].selector);
    assert_int_equal(rules[1].max_out.value, 1);
    assert_int_equal(rules[1].min_in_service.value, 2);
    assert_null(rest.name);
    assert_int_equal(rest.max_out.value, 3);
    assert_true(rest.min_in_service.percent);
    free(rules);
    settings_release(&s);
}

static void mistakes_on_a_line_are_told_with_it(void **state)
{
    (void)state;
    TELLS("[coordinator]\nlissen = x\n", "x.conf:2", "lissen");
    TELLS("[coordinador]\n", "x.conf:1", "coordinador");
    TELLS("[coordinator]\nsettle = 10\n", "x.conf:2", "settle", "duration");
    TELLS("[coordinator]\nsilent_after = 1ms\n", "x.conf:2", "silent_after");
    TELLS("[budget]\nmax_out = 0\n", "x.conf:2", "max_out");
    TELLS("[budget]\nmax_out = one\n", "x.conf:2", "max_out");
    TELLS("[budget]\nmax_out = 0%\n", "x.conf:2", "max_out");
    TELLS("[budget]\nmax_out = 101%\n", "x.conf:2", "101%", "10%");
    TELLS("[budget]\nmin_in_service = half\n", "x.conf:2", "half");
    TELLS("[budget a]\nservers = web*,\n", "x.conf:2", "servers", "empty part");
    TELLS("[budget a]\nservers = web*\nmax_out = %\n", "x.conf:3", "max_out");
    TELLS("[budget a]\nservres = web*\n", "x.conf:2", "servres");
    TELLS("[defaults]\nunreachable = panic\n", "x.conf:2", "fail", "skip", "wait");
    TELLS("[coordinator]\nlog_level = loud\n", "x.conf:2", "debug");
    TELLS("[server we/b]\n", "x.conf:1", "we/b", "letters");
    TELLS("[haproxy lb1]\ntimeout = 3s\n", "x.conf:1", "address");
    TELLS("[backend shop]\n", "x.conf:1", "balancers");
    TELLS("[command arr]\n", "x.conf:1", "run");
}

static void all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    TELLS("[coordinator]\nsettle = 10\nlistne = x\n[budget]\nmax_out = 0\n", "x.conf:2", "x.conf:3",
          "x.conf:5");
}

static void mistakes_of_one_value_are_told_with_their_line(void **state)
{
    (void)state;
    TELLS("[coordinator]\nsettle = 1\nlisten = tcp://0.0.0.0:7600\nsocket = s\n"
          "[server web01]\nlabels = zone=a, zone\n[haproxy lb1]\naddress = /x\n"
          "[backend shop]\nbalancers = lb1\nname = srv\nrenamed = web01\n",
          "x.conf:2:", "x.conf:3: listen: tcp://0.0.0.0:7600",
          "x.conf:4: socket:", "x.conf:6: labels: \"zone\"",
          "x.conf:11: name:", "x.conf:12: renamed:");
}

static void mistakes_between_lines_are_told_with_their_section(void **state)
{
    (void)state;
    TELLS("[coordinator]\nlisten = tcp://0.0.0.0:7600\n", "listen", "0.0.0.0");
    TELLS("[coordinator]\nlisten = tcp://10.1.2.3:7600\n", "listen");
    TELLS("[coordinator]\nlisten = tcp://127.0.0.1:7600\n", "without TLS",
          "without_tls = loopback-only");
    TELLS("[coordinator]\nwithout_tls = loopback-only\n", "does not go with");
    TELLS("[coordinator]\nwithout_tls = yes\n", "without_tls");
    TELLS("[coordinator]\nsocket = farmhand.sock\ndata_dir = here\n", "socket", "data_dir",
          "absolute");
    TELLS("[defaults]\ngate_min = 10s\ngate_deadline = 5s\n", "gate_min is longer");
    TELLS("[defaults]\ngate_passes = 10\ngate_deadline = 5s\n", "gate_passes times");
    TELLS("[server web01]\nlabels = zone\n", "labels", "\"zone\"", "KEY=VALUE");
    TELLS("[server web01]\nlabels = =a\n", "KEY=VALUE");
    TELLS("[server web01]\nlabels = zone=\n", "KEY=VALUE");
    TELLS("[server web01]\nlabels = a=b=c\n", "KEY=VALUE");
    TELLS("[server web01]\nlabels = zone=a, Zone=b\n", "given twice");
    TELLS("[backend shop]\nbalancers = lb9\n", "backend shop", "no section [haproxy lb9]");
    TELLS("[keepalive f]\n", "x.conf:1", "check");
    TELLS("[command arr]\nrun = arr\n", "[command arr] run", "absolute path");
    TELLS("[command lb]\nrun = /x\n[haproxy lb]\naddress = /y\n", "[haproxy lb]",
          "a [command lb] already");
    TELLS("[haproxy lb1]\naddress = /x\n[backend shop]\nbalancers = lb1\nname = srv\n", "{server}");
    TELLS("[budget a]\nmax_out = 2\n", "budget a", "neither servers nor backend");
    TELLS("[budget a]\nservers = all\nbackend = shop\n[haproxy lb1]\naddress = /x\n"
          "[backend shop]\nbalancers = lb1\n",
          "budget a", "both servers and backend");
    TELLS("[budget a]\nbackend = shop\n", "budget a", "no section [backend shop]");
    TELLS("[haproxy lb1]\naddress = /x\n[backend shop]\nbalancers = lb1\nrenamed = web01\n",
          "SERVER:NAME");
}

static void notices_are_taken(void **state)
{
    (void)state;
    struct settings s = parse("[notice ops]\nurl = https://chat.example/hook\n"
                              "[notice pager]\nrun = /opt/page, --now\non = run.ended\n"
                              "timeout = 30s\nkeep = 2h\n");
    struct notices_target *targets = settings_notices(&s);
    assert_string_equal(targets[0].notifier.url, "https://chat.example/hook");
    assert_int_equal(targets[0].notifier.timeout_ms, 10000);
    assert_int_equal(targets[0].keep_ms, 86400000);
    for (size_t i = 0; notice_words[i]; i++)
        assert_int_equal(targets[0].kinds >> notice_kind_parse(notice_words[i]) & 1u,
                         !text_equal(notice_words[i], "audit"));
    assert_null(targets[1].notifier.url);
    assert_string_equal(targets[1].notifier.argv[1], "--now");
    assert_int_equal(targets[1].kinds, 1u << NOTICE_RUN_ENDED);
    assert_int_equal(targets[1].keep_ms, 7200000);
    free(targets);
    settings_release(&s);
    s = parse("[notice siem]\nurl = https://siem.example/in\non = audit\n");
    targets = settings_notices(&s);
    assert_int_equal(targets[0].kinds, 1u << NOTICE_AUDIT);
    assert_int_equal(targets[0].keep_ms, 30 * 86400000LL);
    free(targets);
    settings_release(&s);
    TELLS("[notice a]\nurl = https://x\non = audit, run.ended\n", "audit stands alone");
    TELLS("[notice a]\n", "[notice a]", "either url or run");
    TELLS("[notice a]\nurl = https://x\nrun = /y\n", "either url or run");
    TELLS("[notice a]\nrun = y\n", "absolute path");
    TELLS("[notice a]\nurl = ftp://x\n", "x.conf:2", "https://");
    TELLS("[notice a]\nrun = /y\non = run.exploded\n", "x.conf:3", "incident.opened");
    TELLS("[notice a]\nrun = /y\nsecret_file = /z\n", "only what goes to a url");
    TELLS("[notice a]\nurl = https://x\nsecret_file = /nowhere/key\n", "/nowhere/key");
}

static void missing_file_is_told(void **state)
{
    (void)state;
    struct settings s;
    struct error err = {0};
    assert_int_equal(settings_read("/nowhere/coordinator.conf", &s, NULL, NULL, &err),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nowhere/coordinator.conf"));
}

static void windows_and_blackouts_are_taken(void **state)
{
    (void)state;
    struct settings s = parse("[coordinator]\nwindow = Night\ntime_zone = Europe/Berlin\n"
                              "[window night]\nhours = Mon-Fri 22:00-05:00, Sat 00:00-24:00\n"
                              "[window early]\nhours = Sun 02:00-06:00 @UTC\n"
                              "[blackout xmas]\nfrom = 2026-12-23 12:00\nuntil = 2027-01-04 06:00\n"
                              "reason = sales\n");
    char text[WINDOW_TEXT_MAX], why[300];
    assert_int_equal(windows_resolve(&s.hours, "early", text, NULL), ERR_NONE);
    assert_string_equal(text, "Sun 02:00-06:00 @UTC");
    assert_string_equal(s.hours.always, "Mon-Fri 22:00-05:00, Sat 00:00-24:00 @Europe/Berlin");
    int64_t at;
    assert_true(text_parse_time("2026-12-23T11:00:00Z", &at)); /* noon in Berlin */
    assert_true(windows_closed(&s.hours, "", at, why, sizeof(why)));
    assert_non_null(strstr(why, "blackout xmas (sales) until Mon 2027-01-04 06:00 Europe/Berlin"));
    assert_true(windows_closed(&s.hours, "", at - 1, why, sizeof(why)));
    assert_non_null(strstr(why, "outside the window Mon-Fri"));
    settings_release(&s);
}

static void windows_that_cannot_be_are_told(void **state)
{
    (void)state;
    TELLS("[coordinator]\nwindow = nite\n", "window = nite", "is no window of the configuration");
    TELLS("[coordinator]\ntime_zone = Mars/Base\n", "time_zone = Mars/Base", "tzdata");
    TELLS("[window night]\nhours = 25:00-26:00\n", "[window night] hours = 25:00-26:00",
          "is no part of a window");
    TELLS("[window night]\nhours = 22:00-05:00 @Mars/Base\n", "Mars/Base is not known");
    TELLS("[blackout x]\nfrom = 2026-12-23\nuntil = 2027-01-04 06:00\nreason = y\n",
          "[blackout x] from and until: expected local time");
    TELLS("[blackout x]\nfrom = 2026-12-23 12:00\nuntil = 2026-12-23 12:00\nreason = y\n",
          "[blackout x] it ends before it begins");
    TELLS("[blackout x]\nfrom = 2026-12-23 12:00\nuntil = 2026-12-24 12:00\n", "reason");
}

static void sample_is_good_and_says_the_defaults(void **state)
{
    (void)state;
    struct settings s, d = parse("");
    struct error err = {0};
    if (settings_read(SAMPLE_PATH, &s, NULL, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_equal(s.server_count, 2);
    settings_release(&s);
    /* With every "#key = value" line switched on it says the same as an empty file. */
    char *content = NULL;
    size_t len = 0;
    FILE *file = fopen(SAMPLE_PATH, "r");
    must(file && getdelim(&content, &len, '\0', file) > 0);
    fclose(file);
    for (char *p = content; (p = strstr(p, "\n#")); p++)
        if (p[2] != ' ')
            p[1] = ' ';
    s = parse(content);
    assert_string_equal(s.listen, d.listen);
    assert_string_equal(s.socket, d.socket);
    assert_string_equal(s.data_dir, d.data_dir);
    assert_int_equal(s.silent_after_ms, d.silent_after_ms);
    assert_int_equal(s.settle_ms, d.settle_ms);
    assert_int_equal(s.keep_history_ms, d.keep_history_ms);
    assert_int_equal(s.log_level, d.log_level);
    assert_string_equal(s.budget.max_out, d.budget.max_out);
    assert_string_equal(s.budget.min_in_service, d.budget.min_in_service);
    assert_memory_equal(&s.defaults, &d.defaults, sizeof(d.defaults));
    free(content);
    settings_release(&s);
    settings_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_file_has_defaults),
        cmocka_unit_test(every_key_is_taken),
        cmocka_unit_test(servers_and_balancers_are_taken),
        cmocka_unit_test(groups_of_the_budget_are_named),
        cmocka_unit_test(mistakes_on_a_line_are_told_with_it),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(mistakes_of_one_value_are_told_with_their_line),
        cmocka_unit_test(mistakes_between_lines_are_told_with_their_section),
        cmocka_unit_test(notices_are_taken),
        cmocka_unit_test(missing_file_is_told),
        cmocka_unit_test(windows_and_blackouts_are_taken),
        cmocka_unit_test(windows_that_cannot_be_are_told),
        cmocka_unit_test(sample_is_good_and_says_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

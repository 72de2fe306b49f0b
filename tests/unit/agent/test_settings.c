/* test_settings.c - the configuration file: the sample, what holds without it, and its errors. */
#include "tests/unit/common/testing.h"

#include "agent/settings.h"
#include "common/process.h"
#include "common/text.h"

static const char least[] = "[agent]\n"
                            "coordinator = tcp://127.0.0.1:7600\n"
                            "without_tls = loopback-only\n"
                            "[iis]\n"
                            "appcmd = /lab/appcmd\n"
                            "worker = /lab/w3wp.exe\n"
                            "config = /lab/applicationHost.config\n";

static void add_line(void *arg, const char *line)
{
    text_addf(arg, "%s\n", line);
}

/* The file is `least` with more at its end; the error has to hold `part`. */
static void assert_refused(const char *more, const char *part)
{
    struct error err = {0};
    struct settings settings;
    struct text content = {0}, lines = {0};
    text_addf(&content, "%s%s", least, more);
    enum error_code code =
        settings_parse(text_get(&content), "a.conf", &settings, add_line, &lines, &err);
    if (code == ERR_NONE || !strstr(text_get(&lines), part) || !strstr(text_get(&lines), "a.conf"))
        fail_msg("%s\ngave %s: %s", more, error_code_name(code), text_get(&lines));
    text_reset(&content);
    text_reset(&lines);
}

static void least_settings_have_defaults_and_allow_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    struct settings settings;
    assert_code(settings_parse(least, "a.conf", &settings, NULL, NULL, &err), ERR_NONE, &err);
    assert_int_equal(settings.heartbeat_ms, 15000);
    assert_int_equal(settings.beat_ms, 1000);
    assert_int_equal(settings.look_every_ms, 300000);
    assert_string_equal(settings.data_dir, "/var/lib/farmhand-agent");
    assert_true(settings.name[0] != '\0');
    struct agent_settings agent = settings_for_agent(&settings);
    assert_int_equal(agent.veto.profile, PROFILE_OBSERVE);
    assert_int_equal(agent.recipe.stop_ms, 120000);
    settings_reset(&settings);
}

static struct settings parse(const char *content)
{
    struct error err = {0};
    struct settings settings;
    assert_code(settings_parse(content, "a.conf", &settings, NULL, NULL, &err), ERR_NONE, &err);
    return settings;
}

#define IIS "[iis]\nappcmd = /a\nworker = /b\nconfig = /c\n"

static void what_joining_left_holds_where_the_file_is_silent(void **state)
{
    (void)state;
    struct error err = {0};
    struct identity id = {.name = (char[]){"web07"},
                          .coordinator = (char[]){"tls+tcp://farm.example:7600"},
                          .profile = PROFILE_OPERATE};
    struct settings s = parse(IIS);
    assert_code(settings_apply(&s, NULL, &err), ERR_STATE, &err);
    assert_contains(err.text, "farmhand-agent join");
    assert_code(settings_apply(&s, &id, &err), ERR_NONE, &err);
    assert_string_equal(s.name, "web07");
    assert_string_equal(s.coordinator, "tls+tcp://farm.example:7600");
    struct agent_settings agent = settings_for_agent(&s);
    assert_int_equal(agent.veto.profile, PROFILE_OPERATE);
    assert_true(agent.veto.verbs[VERB_RECYCLE]);
    assert_string_equal(agent.veto.pools[0], "*");
    settings_reset(&s);
    s = parse("[agent]\nname = web08\n" IIS);
    assert_code(settings_apply(&s, &id, &err), ERR_INVALID, &err);
    assert_contains(err.text, "web07");
    settings_reset(&s);
}

static void owners_own_words_go_before_the_token(void **state)
{
    (void)state;
    struct error err = {0};
    struct identity id = {.name = (char[]){"web07"},
                          .coordinator = (char[]){"tls+tcp://farm.example:7600"},
                          .profile = PROFILE_OPERATE_SERVICES};
    struct settings s = parse("[agent]\nprofile = observe\n[allow]\nverbs = recycle\n" IIS);
    assert_code(settings_apply(&s, &id, &err), ERR_NONE, &err);
    assert_int_equal(settings_for_agent(&s).veto.profile, PROFILE_OBSERVE);
    settings_reset(&s);
    s = parse("[allow]\nverbs = recycle, start\n" IIS); /* a list is a word too */
    assert_code(settings_apply(&s, &id, &err), ERR_NONE, &err);
    assert_int_equal(settings_for_agent(&s).veto.profile, PROFILE_OPERATE);
    assert_int_equal(settings_for_agent(&s).veto.pool_count, 0);
    settings_reset(&s);
}

static void everything_given_arrives(void **state)
{
    (void)state;
    struct error err = {0};
    struct settings settings;
    struct text content = {0};
    text_addf(&content, "%s%s", least,
              "stop_timeout = 3m\n"
              "[allow]\nverbs = recycle, Stop\npools = a*, !ab\ncool_down = 5s\nmax_per_hour = 3\n"
              "[probe Shop]\nurl = http://shop/health\nstatus = 200, 401\n"
              "[probe *]\ntcp_only = yes\n");
    assert_code(settings_parse(text_get(&content), "a.conf", &settings, NULL, NULL, &err), ERR_NONE,
                &err);
    struct agent_settings agent = settings_for_agent(&settings);
    assert_true(agent.veto.verbs[VERB_RECYCLE] && agent.veto.verbs[VERB_STOP]);
    assert_false(agent.veto.verbs[VERB_START]);
    assert_int_equal(agent.veto.pool_count, 2);
    assert_string_equal(agent.veto.pools[1], "!ab");
    assert_int_equal(agent.veto.cool_down_ms, 5000);
    assert_int_equal(agent.veto.max_per_hour, 3);
    assert_int_equal(agent.recipe.stop_ms, 180000);
    assert_string_equal(settings.iis.probes->pool, "Shop");
    assert_int_equal(settings.iis.probes->status.count, 2);
    assert_true(settings.iis.probes->next->tcp_only);
    settings_reset(&settings);
    text_reset(&content);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    assert_refused("[agent]\n", "[agent]");
    assert_refused("appcmdd = x\n", "appcmdd");
    assert_refused("[aloow]\n", "aloow");
    assert_refused("[allow]\nverbs = recycle, destroy\n", "there is no verb destroy");
    assert_refused("[allow]\nmax_per_hour = many\n", "max_per_hour");
    assert_refused("[allow]\ncool_down = 10\n", "cool_down");
    assert_refused("[allow]\ndump_wait = 41s\n", "1s to 40s: the coordinator waits a minute");
    assert_refused("stop_timeout = 1ms\n", "stop_timeout");
    assert_refused("service_backend = magic\n", "service_backend");
    assert_refused("service_backend = lab\n", "service_tool");
    assert_refused("[probe Shop]\n[probe shop]\n", "probe shop");
    assert_refused("[probe Shop]\nurl = ftp://x/\n", "url");
    assert_refused("[probe Shop]\ntcp_only = maybe\n", "tcp_only");
}

static void assert_refused_alone(const char *content, const char *part)
{
    struct error err = {0};
    struct settings settings;
    struct text lines = {0};
    enum error_code code = settings_parse(content, "a.conf", &settings, add_line, &lines, &err);
    if (code == ERR_NONE || !strstr(text_get(&lines), part))
        fail_msg("%s\ngave %s: %s", content, error_code_name(code), text_get(&lines));
    text_reset(&lines);
}

static void what_is_missing_or_impossible_is_told(void **state)
{
    (void)state;
    assert_refused_alone("[agent]\ncoordinator = tcp://127.0.0.1:1\n" IIS,
                         "without_tls = loopback-only");
    assert_refused_alone("[agent]\ncoordinator = tls+tcp://h:1\nwithout_tls = loopback-only\n" IIS,
                         "does not go with");
    assert_refused_alone("[agent]\nprofile = root\n" IIS, "profile");
    assert_refused_alone("[agent]\nwithout_tls = loopback-only\ncoordinator = tcp://127.0.0.1:1\n",
                         "appcmd");
    assert_refused_alone("[agent]\ncoordinator = tcp://192.0.2.1:7600\n" IIS, "coordinator");
    assert_refused_alone("[agent]\ncoordinator = nonsense\n" IIS, "coordinator");
    assert_refused_alone("[agent]\nwithout_tls = loopback-only\ncoordinator = "
                         "tcp://127.0.0.1:1\nreconnect_min = 10s\n"
                         "reconnect_max = 5s\n" IIS,
                         "reconnect_min is above");
    assert_refused_alone(
        "[agent]\nwithout_tls = loopback-only\ncoordinator = tcp://127.0.0.1:1\ndata_dir =\n" IIS,
        "data_dir");
    assert_refused_alone("[agent]\nwithout_tls = loopback-only\ncoordinator = tcp://127.0.0.1:1\n"
                         "[iis]\nappcmd = appcmd\nworker = /b\nconfig = /c\n",
                         "appcmd");
}

static void what_one_value_says_wrong_is_told_with_its_line(void **state)
{
    (void)state;
    static const char content[] = "[agent]\nname = Web 01!\ncoordinator = tcp://192.0.2.1:7600\n"
                                  "[allow]\nverbs = recycle, destroy\n"
                                  "[iis]\nappcmd = appcmd\nworker = /b\nconfig = /c\n"
                                  "[probe Shop]\nurl = ftp://x/\nstatus = 200, 99999\n";
    assert_refused_alone(content, "a.conf:2: name: \"Web 01!\"");
    assert_refused_alone(content, "a.conf:3: coordinator: ");
    assert_refused_alone(content, "a.conf:5: verbs: there is no verb destroy");
    assert_refused_alone(content, "a.conf:7: appcmd: appcmd: expected an absolute path");
    assert_refused_alone(content, "a.conf:11: url: ");
    assert_refused_alone(content, "a.conf:12: status: 99999");
}

static void a_file_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct error err = {0};
    struct settings settings;
    assert_code(settings_read("/no/such/agent.conf", &settings, NULL, NULL, &err), ERR_NOT_FOUND,
                &err);
    assert_contains(err.text, "/no/such/agent.conf");
}

/* ---- the program's options ---- */

static uint32_t run_agent(const char *const *words, char **output)
{
    struct error err = {0};
    struct process_result result;
    const char *argv[6] = {FARMHAND_AGENT};
    for (size_t i = 0; words[i]; i++)
        argv[i + 1] = words[i];
    const struct process_call call = {.argv = argv, .timeout_ms = 20000, .output_max_bytes = 65536};
    assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
    *output = result.output;
    return result.exit_code;
}

#define RUN(output, ...) run_agent((const char *const[]){__VA_ARGS__, NULL}, output)

static void the_sample_passes_the_check(void **state)
{
    (void)state;
    char *output;
    uint32_t code = RUN(&output, "--config", SAMPLE, "--check");
    assert_int_equal(code, 0);
    assert_contains(output, "the configuration is right");
    free(output);
}

static void options_answer_or_are_refused(void **state)
{
    (void)state;
    char *output;
    assert_int_equal(RUN(&output, "--help"), 0);
    assert_contains(output, "usage: farmhand-agent");
    free(output);
    assert_int_equal(RUN(&output, "--version"), 0);
    assert_contains(output, FARMHAND_VERSION);
    free(output);
    assert_int_equal(RUN(&output, "--nonsense"), 2);
    free(output);
    assert_int_equal(RUN(&output, "word"), 2);
    free(output);
    assert_int_equal(RUN(&output, "--config", "/no/such/file", "--check"), 2);
    free(output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_settings_have_defaults_and_allow_nothing),
        cmocka_unit_test(what_joining_left_holds_where_the_file_is_silent),
        cmocka_unit_test(owners_own_words_go_before_the_token),
        cmocka_unit_test(everything_given_arrives),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(what_is_missing_or_impossible_is_told),
        cmocka_unit_test(what_one_value_says_wrong_is_told_with_its_line),
        cmocka_unit_test(a_file_that_is_not_there_is_told),
        cmocka_unit_test(the_sample_passes_the_check),
        cmocka_unit_test(options_answer_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

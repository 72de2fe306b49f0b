/* remediation.conf: what may stand in it, and that the file that ships is right and only observes.
 */
#include "common/text.h"
#include "coordinator/settings/remediation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void sample_is_good_and_only_observes(void **state)
{
    (void)state;
    struct remediation r, d;
    struct error err = {0};
    if (remediation_read(SAMPLE_PATH, NULL, &r, NULL, NULL, &err))
        fail_msg("%s", err.text);
    assert_true(r.count >= 8);
    for (size_t i = 0; i < r.count; i++) {
        assert_int_equal(r.rules[i].mode, REMEDY_OBSERVE);
        assert_true(r.rules[i].rung_count > 0);
    }
    remediation_release(&r);

    /* With every "#key = value" line switched on it has the same guards as no file. */
    char *content = NULL;
    size_t len = 0;
    FILE *file = fopen(SAMPLE_PATH, "r");
    assert_true(file && getdelim(&content, &len, '\0', file) > 0);
    fclose(file);
    for (char *p = content; (p = strstr(p, "\n#")); p++)
        if (p[2] != ' ' && p[2] != '\n')
            p[1] = ' ';
    if (remediation_parse(content, "sample", NULL, &r, NULL, NULL, &err))
        fail_msg("%s", err.text);
    remediation_default(&d);
    assert_memory_equal(&r.guards, &d.guards, sizeof(d.guards));
    free(content);
    remediation_release(&r);
}

static void rules_have_what_the_file_says(void **state)
{
    (void)state;
    struct remediation r;
    struct error err = {0};
    static const char file[] = "[guards]\nrule_cool_down = 7m\nmin_worker_age = 90s\n"
                               "[rule leak]\nwhen = memory > 2G, queue > 50%\nfor = 5m\n"
                               "samples = 4/5\nactions = recycle 10m, kill-worker 5m, quarantine\n"
                               "mode = auto\nservers = farm=web\npools = Shop\nquarantine = 2h\n"
                               "window = 22:00-05:00\ndump = yes\n"
                               "[rule other]\nwhen = crash > 2 in 10m\nactions = recycle 1m\n"
                               "cool_down = 1m\ncommon_cause = 3\n";
    if (remediation_parse(file, "test", NULL, &r, NULL, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_equal(r.count, 2);
    const struct remedy_rule *leak = &r.rules[0], *other = &r.rules[1];
    assert_string_equal(leak->name, "leak");
    assert_int_equal(leak->condition_count, 2);
    assert_int_equal(leak->conditions[0].fact, FACT_MEMORY);
    assert_true(leak->conditions[0].more_than == 2ull << 30);
    assert_true(leak->conditions[1].percent);
    assert_int_equal(leak->for_ms, 300000);
    assert_int_equal(leak->samples_of, 4);
    assert_int_equal(leak->samples_in, 5);
    assert_int_equal(leak->rung_count, 3);
    assert_int_equal(leak->rungs[1].act, REMEDY_KILL_WORKER);
    assert_int_equal(leak->rungs[1].limit_ms, 300000);
    assert_int_equal(leak->mode, REMEDY_AUTO);
    assert_string_equal(leak->servers, "farm=web");
    assert_int_equal(leak->quarantine_ms, 7200000);
    assert_int_equal(leak->cool_down_ms, 420000);
    assert_int_equal(leak->min_worker_age_ms, 90000);
    assert_non_null(strstr(leak->window, "22:00-05:00"));
    assert_true(leak->dump);
    assert_int_equal(other->mode, REMEDY_OBSERVE);
    assert_string_equal(other->servers, "all");
    assert_int_equal(other->conditions[0].event, EVENT_CRASH);
    assert_int_equal(other->conditions[0].window_ms, 600000);
    assert_int_equal(other->cool_down_ms, 60000);
    assert_int_equal(other->common_cause.number, 3);
    remediation_release(&r);
}

static void expect_mistake(const char *content, const char *told)
{
    struct remediation r;
    struct error err = {0};
    assert_int_not_equal(remediation_parse(content, "test", NULL, &r, NULL, NULL, &err), ERR_NONE);
    if (!strstr(err.text, told))
        fail_msg("no '%s' in: %s", told, err.text);
}

static void keep_line(void *arg, const char *line)
{
    text_addf(arg, "%s\n", line);
}

/* At once, whatever kind they are of: nobody mends a file twice at night. */
static void all_mistakes_are_told_together(void **state)
{
    (void)state;
    struct remediation r;
    struct error err = {0};
    struct text told = {0};
    static const char *const parts[] = {"test:2: unknown key min_helthy",
                                        "test:3: common_cause: \"most\"", "[rule x] when: 'memroy'",
                                        "[rule x] actions: 'reboot'",
                                        "test:8: [rule y] lacks the key when"};
    static const char file[] = "[guards]\nmin_helthy = 50%\ncommon_cause = most\n"
                               "[rule x]\nwhen = memroy > 2G\nactions = reboot 5m\n\n"
                               "[rule y]\nactions = recycle 5m\n";
    assert_int_not_equal(remediation_parse(file, "test", NULL, &r, keep_line, &told, &err),
                         ERR_NONE);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text_get(&told), parts[i]))
            fail_msg("no '%s' in:\n%s", parts[i], text_get(&told));
    text_reset(&told);
}

static void mistakes_are_told_with_their_rule(void **state)
{
    (void)state;
    expect_mistake("[rule x]\nactions = recycle 5m\n", "when");
    expect_mistake("[rule x]\nwhen = memory > 2G\n", "actions");
    expect_mistake("[rule x]\nwhen = memory > many\nactions = recycle 5m\n",
                   "[rule x] when: 'memory > many': expected such as memory > 2G");
    expect_mistake("[rule x]\nwhen = memory > 2G\nactions = recycle\n",
                   "[rule x] actions: 'recycle': needs a time limit");
    expect_mistake("[rule x]\nwhen = services = down\nactions = recycle 5m\n",
                   "recycle is for a pool, and the condition is of the server");
    expect_mistake("[rule x]\nwhen = memory > 2G\nactions = recycle 5m\nsamples = 9/3\n",
                   "[rule x] samples: '9/3'");
    expect_mistake("[rule x]\nwhen = memory > 2G\nactions = recycle 5m\nmode = yes\n", "mode");
    expect_mistake("[rule x]\nwhen = memory > 2G\nactions = recycle 5m\nwindow = never\n",
                   "[rule x] window = never");
    expect_mistake("[rule a b]\nwhen = memory > 2G\nactions = recycle 5m\n",
                   "cannot be a rule's name");
    expect_mistake("[guards]\nmin_healthy = most\n", "min_healthy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_is_good_and_only_observes),
        cmocka_unit_test(rules_have_what_the_file_says),
        cmocka_unit_test(all_mistakes_are_told_together),
        cmocka_unit_test(mistakes_are_told_with_their_rule),
    };
    return cmocka_run_group_tests_name("remediation_conf", tests, NULL, NULL);
}

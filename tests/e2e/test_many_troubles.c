/* Many troubles at once: a farm of eight real lab servers under traffic, rules in auto. Five of
 * them break in five ways, and no person is asked. What visitors lost meanwhile is told. */
#include "tests/e2e/remedies.h"

#include "common/clock.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct harness *h;

static const char rules[] = REMEDIES_GUARDS
    "[rule dead]\nwhen = services = down\nfor = 2s\nsamples = 2/3\n"
    "actions = recover-services 1m, recover-services 1m, quarantine\nmode = auto\n"
    "[rule stopped]\nwhen = pool = stopped\nfor = 2s\nsamples = 2/3\n"
    "actions = start 30s, start 30s, call\nmode = auto\n"
    "[rule leak]\nwhen = private-memory > 60M\nfor = 2s\nsamples = 2/3\nactions = recycle 1m, "
    "call\n"
    "mode = auto\n"
    "[rule sick]\nwhen = probe-failures > 2\nfor = 2s\nsamples = 2/3\npools = Shop\n"
    "actions = recycle 20s, kill-worker 30s, restart-services 1m, quarantine\nmode = auto\n";

static int bring_up(void **state)
{
    (void)state;
    char given[128];
    text_format(given, sizeof(given), "coordinator.remediation=%s", remedies_file(rules));
    h = harness_up(
        (const char *const[]){"--servers", "8", REMEDIES_FARM, "--coordinator", given, NULL});
    harness_wait_fresh(h, 8, 30000);
    return 0;
}

static void tell_losses(void)
{
    json_t *seen = harness_seen(h, "five troubles");
    print_message("five servers of eight in trouble: %lld of %lld requests lost\n",
                  (long long)json_integer_value(json_object_get(seen, "failed")),
                  (long long)json_integer_value(json_object_get(seen, "sent")));
    json_decref(seen);
}

/* A leak, a hang, a pool dead by rapid-fail, services stopped, a WAS that sticks in its stop. */
static void five_troubles_are_put_right_without_a_person(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *server;
    } all[] = {{"leak", "web01"},
               {"sick", "web02"},
               {"stopped", "web03"},
               {"dead", "web04"},
               {"dead", "web05"}};
    harness_phase(h, "five troubles");
    FARM(h, "fault", "web05", "was-stuck", "on");
    REMEDIES_SC(h, "web05", "stop", "W3SVC");
    REMEDIES_SC(h, "web04", "stop", "W3SVC");
    FARM(h, "fault", "web03", "worker-crashes", "on", "--scope", "Shop", "--value", "150");
    FARM(h, "fault", "web02", "worker-hangs", "on", "--scope", "Shop");
    FARM(h, "fault", "web01", "worker-leaks", "20", "--scope", "Shop", "--value", "10000");
    REMEDIES_SC(h, "web04", "stop", "WAS");
    remedies_wait_for_rapid_fail(h, "web03", "Shop");
    FARM(h, "fault", "web03", "worker-crashes", "off", "--scope", "Shop");
    json_decref(remedies_wait(h, "sick", "web02", "acting", 60000));
    FARM(h, "fault", "web02", "worker-hangs", "off", "--scope", "Shop"); /* for workers to come */
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        json_t *one = remedies_wait(h, all[i].rule, all[i].server, "closed", 120000);
        remedies_expect_note(h, one, "end", "solved");
        json_decref(one);
    }
    harness_wait_all_up(h, 20000);
    tell_losses();
    harness_phase(h, "after");
    harness_sleep_ms(3000);
    harness_nothing_lost(h, "after");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_troubles_are_put_right_without_a_person),
    };
    int failed = cmocka_run_group_tests_name("e2e_many_troubles", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    remedies_forget();
    return failed;
}

/* farmhand pool warm, and plans with the agents' own words, against a scripted coordinator. */
#include "cli_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ANSWERED(would, text) ANSWERED_ALL(would, "null", text, "")
#define ANSWERED_ALL(would, cause, text, warnings)                                                 \
    "{\"plan\":{\"action\":\"warm\",\"pool\":\"Shop\",\"on\":\"all\",\"targets\":[{\"order\":1,"   \
    "\"server\":\"web01\",\"pool\":\"Shop\",\"will\":\"warm\",\"why\":\"\",\"drain\":[],"          \
    "\"workers\":1,"                                                                               \
    "\"agent\":{\"would\":\"" would "\",\"cause\":" cause ",\"text\":\"" text                      \
    "\",\"settings\":\"\"}}],"                                                                     \
    "\"gates\":[],\"warnings\":[" warnings                                                         \
    "],\"budgets\":[],\"estimate_ms\":90000},\"complete\":true}"
#define RECYCLES                                                                                   \
    "{\"recycles\":[{\"server\":\"web01\",\"pool\":\"Shop\",\"gap_ms\":0,\"probe_ms\":40},"        \
    "{\"server\":\"web01\",\"pool\":\"Shop\",\"gap_ms\":1800,\"probe_ms\":12},"                    \
    "{\"server\":\"web02\",\"pool\":\"Shop\",\"gap_ms\":9999,\"probe_ms\":9999}]}"

static void check_says_what_is_missing_and_how_large_the_gap_was(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"POST /v1/rehearsals", 202, "{\"rehearsal\":3}", 0},
        {"GET /v1/rehearsals/3", 200, "{\"plan\":{\"targets\":[]},\"complete\":false}", 1},
        {"GET /v1/rehearsals/3", 200,
         ANSWERED("done", "would set startMode OnDemand -> AlwaysRunning"), 1},
        {"GET /v1/rehearsals/3", 200, ANSWERED("nothing", "everything is set as asked already"), 0},
        {"GET /v1/recycles", 200, RECYCLES, 0},
        {"GET /v1/runs", 200, "{\"runs\":[]}", 0},
    };
    serve(b, routes, 6, NULL, 0);
    run(b, "pool|warm|Shop|--on|all|--check");
    assert_ended(b, 1);
    assert_has(&b->out, "cold");
    assert_has(&b->out, "1800 ms");
    assert_has(&b->out, "startMode OnDemand -> AlwaysRunning");
    assert_lacks(&b->out, "9999");
    assert_asked(b, "POST /v1/rehearsals {\"action\":\"warm\",\"pool\":\"Shop\",\"on\":\"all\"",
                 true);
    run(b, "pool|warm|Shop|--on|all|--check");
    assert_ended(b, 0);
    assert_has(&b->out, "warm");
    run(b, "pool|warm|Shop|--on|all");
    assert_ended(b, 2);
    assert_has(&b->err, "one of --check, --apply and --undo");
    run(b, "pool|warm|Shop|--on|all|--apply|--undo");
    assert_ended(b, 2);
}

/* What --apply will be refused for is said before. */
static void check_tells_that_the_configuration_is_shared(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"POST /v1/rehearsals", 202, "{\"rehearsal\":3}", 0},
        {"GET /v1/rehearsals/3", 200,
         ANSWERED_ALL("refused", "\"shared-config\"", "it takes --shared: startMode",
                      "\"web01, web02 share one configuration\""),
         0},
        {"GET /v1/recycles", 200, RECYCLES, 0},
    };
    serve(b, routes, 3, NULL, 0);
    run(b, "pool|warm|Shop|--on|all|--check");
    assert_ended(b, 1);
    assert_has(&b->out, "cold");
    assert_has(&b->out, "it takes --shared: startMode");
    assert_has(&b->out, "\nWith --apply: web01, web02 share one configuration\n");
}

static void apply_and_undo_are_runs(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {{"POST /v1/rehearsals", 404, "{}", 0},
                                        {"GET /v1/runs", 200, "{\"runs\":[]}", 0},
                                        {"POST /v1/runs", 200, PLAN, 0}};
    serve(b, routes, 3, NULL, 0);
    run(b, "pool|warm|Shop|--on|all|--apply|--shared|--dry-run");
    assert_ended(b, 0);
    assert_asked(b,
                 "{\"action\":\"warm\",\"pool\":\"Shop\",\"on\":\"all\",\"reason\":\"plan only\","
                 "\"options\":{\"shared\":true},\"dry_run\":true}",
                 true);
    run(b, "pool|warm|Shop|--on|all|--undo|--dry-run");
    assert_ended(b, 0);
    assert_asked(b, "{\"action\":\"unwarm\"", true);
}

/* The agents' own words stand in the plan; who cannot be asked leaves it as it was. */
static void dry_run_shows_what_agents_say_and_how_long_it_takes(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"POST /v1/rehearsals", 202, "{\"rehearsal\":3}", 0},
        {"GET /v1/rehearsals/3", 200, ANSWERED("refused", "this pool cools down for 9s more"), 0},
        {"GET /v1/runs", 200, "{\"runs\":[]}", 0},
        {"POST /v1/runs", 200, PLAN, 0},
    };
    serve(b, routes, 4, NULL, 0);
    run(b, "pool|recycle|Shop|--on|all|--dry-run");
    assert_ended(b, 0);
    assert_has(&b->out, "refuses: this pool cools down for 9s more");
    assert_has(&b->out, "time: about 1m30s, by what such servers took");
    assert_asked(b, "\"dry_run\":true}\nPOST /v1/rehearsals", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(check_says_what_is_missing_and_how_large_the_gap_was),
        TEST(check_tells_that_the_configuration_is_shared),
        TEST(apply_and_undo_are_runs),
        TEST(dry_run_shows_what_agents_say_and_how_long_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* farmhand hold ... and server cycle, against a scripted coordinator. */
#include "cli_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define HELD                                                                                       \
    "{\"id\":7,\"state\":\"running\",\"ended\":false,\"targets\":[{\"server\":\"web03\","          \
    "\"state\":"                                                                                   \
    "\"acting\",\"step\":\"in the hands of anna\"}]}"
#define GIVEN_BACK                                                                                 \
    "{\"id\":7,\"state\":\"done\",\"ended\":true,\"targets\":[{\"server\":\"web03\",\"state\":"    \
    "\"done\",\"step\":\"\"}]}"
#define TOKEN "00112233445566778899aabbccddeeff"

static const struct fake_route hold_routes[] = {
    {"POST /v1/holds/release", 200, GIVEN_BACK, 0},
    {"POST /v1/holds", 201, "{\"run\":7,\"token\":\"" TOKEN "\"}", 0},
    {"GET /v1/runs/7", 200, HELD, 1},
    {"GET /v1/runs/7", 200, GIVEN_BACK, 0},
    {"GET /v1/runs", 200, "{\"runs\":[]}", 0},
    {"GET /v1/events", 200, "{\"events\":[],\"last\":0}", 0},
};

static void command_runs_while_its_server_is_held(void **state)
{
    struct bench *b = *state;
    serve(b, hold_routes, 6, NULL, 0);
    run(b, "hold|run|web03|--for|30m|--reason|v2|--|sh|-c|echo $FARMHAND_HOLD_SERVER --json "
           "$FARMHAND_HOLD_TOKEN");
    assert_ended(b, 0);
    assert_has(&b->out, "web03 --json " TOKEN "\n");
    assert_asked(b,
                 "POST /v1/holds {\"server\":\"web03\",\"for_ms\":1800000,\"reason\":\"v2\","
                 "\"options\":{}}",
                 true);
    assert_asked(b,
                 "POST /v1/holds/release {\"token\":\"" TOKEN
                 "\",\"reason\":\"its command ended with 0\",\"failed\":false}",
                 true);
}

static void server_is_given_back_though_the_command_failed(void **state)
{
    struct bench *b = *state;
    serve(b, hold_routes, 6, NULL, 0);
    run(b, "hold|run|web03|--for|30m|--reason|v2|--|sh|-c|exit 9");
    assert_ended(b, 1);
    assert_has(&b->err, "its command ended with 9");
    assert_asked(b, "\"reason\":\"its command ended with 9\",\"failed\":true}", true);
}

static void server_is_given_back_though_the_command_never_began(void **state)
{
    struct bench *b = *state;
    serve(b, hold_routes, 6, NULL, 0);
    run(b, "hold|run|web03|--for|30m|--reason|v2|--|/no/such/program");
    assert_ended(b, 1);
    assert_has(&b->err, "/no/such/program could not be started");
    assert_asked(b, "\"failed\":true}", true);
}

static void acquired_hold_prints_its_token(void **state)
{
    struct bench *b = *state;
    serve(b, hold_routes, 6, NULL, 0);
    run(b, "hold|acquire|web03|--for|30m|--reason|v2|--no-drain");
    assert_ended(b, 0);
    assert_string_equal(text_get(&b->out), TOKEN "\n");
    assert_asked(b, "\"options\":{\"drain\":false}", true);
    run(b, "hold|release|" TOKEN "|--detach");
    assert_ended(b, 0);
    assert_asked(b, "POST /v1/holds/release {\"token\":\"" TOKEN "\",\"failed\":false}", true);
    run(b, "hold|release|web03|--failed|--reason|broke");
    assert_ended(b, 0);
    assert_asked(b, "{\"server\":\"web03\",\"failed\":true,\"reason\":\"broke\"}", true);
    run(b, "hold|run|web03|--for|30m|--reason|v2");
    assert_ended(b, 2);
    assert_has(&b->err, "which command?");
}

/* Its turn did not come within --wait: nothing is left behind. */
static void hold_that_is_not_to_be_had_is_given_up(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"POST /v1/holds/release", 200, GIVEN_BACK, 0},
        {"POST /v1/holds", 201, "{\"run\":7,\"token\":\"" TOKEN "\"}", 0},
        {"GET /v1/runs/7", 200,
         "{\"id\":7,\"ended\":false,\"targets\":[{\"server\":\"web03\",\"state\":\"waiting\","
         "\"step\":"
         "\"blocked: budget 1/1 used by web01\"}]}",
         0},
        {"GET /v1/runs", 200, "{\"runs\":[]}", 0},
    };
    serve(b, routes, 4, NULL, 0);
    run(b, "hold|acquire|web03|--for|30m|--reason|v2|--wait|500ms");
    assert_ended(b, 1);
    assert_has(&b->err, "web03: blocked: budget 1/1 used by web01\n");
    assert_has(&b->err, "not to be had within 500ms");
    assert_asked(b, "POST /v1/holds/release {\"token\":\"" TOKEN "\"", true);
}

/* The same for a person: by name, without a token. */
static void person_drains_a_server_and_gives_it_back(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        hold_routes[0],
        {"GET /v1/holds", 200, "{\"holds\":[{\"server\":\"WEB03\",\"state\":\"held\"}]}", 0},
        hold_routes[1],
        hold_routes[2],
        hold_routes[3],
        hold_routes[4],
        hold_routes[5],
        {"POST /v1/runs", 200, PLAN, 0},
    };
    serve(b, routes, 8, NULL, 0);
    run(b, "server|drain|web03|--for|2h|--reason|new board");
    assert_ended(b, 0);
    assert_has(&b->out, "web03 is out of rotation for at most 2h: farmhand server undrain web03\n");
    assert_lacks(&b->out, TOKEN);
    run(b, "server|undrain|web03|--dry-run");
    assert_ended(b, 0);
    assert_has(&b->out, "would be given back");
    assert_asked(b, "POST /v1/holds/release", false);
    run(b, "server|undrain|web03|--reason|done");
    assert_ended(b, 0);
    assert_asked(
        b, "POST /v1/holds/release {\"server\":\"web03\",\"failed\":false,\"reason\":\"done\"}",
        true);
    /* Nobody has it: what failed runs left out there is put back, of the whole server. */
    run(b, "server|undrain|web01|--dry-run");
    assert_ended(b, 0);
    assert_asked(b, "POST /v1/runs {\"action\":\"undrain\",\"pool\":\"\",\"on\":\"web01\"", true);
}

static void cycle_waits_for_reboots_of_others(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {{"GET /v1/runs", 200, "{\"runs\":[]}", 0},
                                        {"POST /v1/runs", 200, PLAN, 0}};
    serve(b, routes, 2, NULL, 0);
    run(b, "server|cycle|--on|all|--dry-run");
    assert_ended(b, 2);
    assert_has(&b->err, "--wait-reboot");
    run(b, "server|cycle|--on|all|--wait-reboot|--for|2h|--dry-run");
    assert_ended(b, 0);
    assert_asked(b,
                 "{\"action\":\"cycle\",\"pool\":\"\",\"on\":\"all\",\"reason\":\"plan only\","
                 "\"options\":{\"limit_ms\":7200000},\"dry_run\":true}",
                 true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(command_runs_while_its_server_is_held),
        TEST(server_is_given_back_though_the_command_failed),
        TEST(server_is_given_back_though_the_command_never_began),
        TEST(acquired_hold_prints_its_token),
        TEST(hold_that_is_not_to_be_had_is_given_up),
        TEST(person_drains_a_server_and_gives_it_back),
        TEST(cycle_waits_for_reboots_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

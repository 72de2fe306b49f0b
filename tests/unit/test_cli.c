/* The program farmhand itself, through pipes and on a terminal, against a scripted coordinator. */
#include "cli_bench.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <jansson.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- answers ---- */

#define STATUS(health)                                                                             \
    "{\"coordinator\":{\"version\":\"0.1.0\",\"started_at\":\"2026-11-22T18:00:00Z\","             \
    "\"fence\":3,\"settling\":false,\"frozen\":null,\"store\":\"ok\"},\"servers\":{\"total\":8,"   \
    "\"fresh\":7,\"silent\":1},\"budgets\":[{\"group\":null,\"servers\":8,"                        \
    "\"limit\":1,\"used\":3,\"out\":[{\"server\":\"web02\",\"why\":\"its pools are down\"},"       \
    "{\"server\":\"web07\",\"why\":\"silent\"},"                                                   \
    "{\"server\":\"web08\",\"why\":\"its pools are "                                               \
    "down\"}],\"held\":[]}],\"runs\":[],\"incidents\":[],\"health\":\"" health "\"}"
#define SERVERS                                                                                    \
    "{\"servers\":[{\"name\":\"web01\\u001b[2J\",\"presence\":\"fresh\",\"why\":\"\","             \
    "\"age_ms\":700,\"in_rotation\":true,\"labels\":{\"zone\":\"a\"},\"pool_count\":2,"            \
    "\"pools_started\":2,\"host\":{\"cpu_permille\":123}},{\"name\":\"web02\","                    \
    "\"presence\":\"silent\",\"why\":\"no report for three minutes, is its agent running?\","      \
    "\"age_ms\":null,\"in_rotation\":null,\"pool_count\":2,\"pools_started\":1}]}"
#define RUN(state, ended, counts, target)                                                          \
    "{\"id\":7,\"action\":\"recycle\",\"pool\":\"Shop\",\"on\":\"all\",\"reason\":\"patch\","      \
    "\"actor\":\"anna\",\"state\":\"" state "\",\"ended\":" ended ",\"pause_causes\":[],"          \
    "\"why\":\"the why\",\"created_at\":\"2026-11-22T20:00:00.000Z\","                             \
    "\"ended_at\":\"2026-11-22T20:01:30.000Z\",\"counts\":{\"total\":1," counts "},"               \
    "\"targets\":[{\"server\":\"web01\",\"order\":1," target "}]}"
#define TARGET_WAITING "\"state\":\"waiting\",\"step\":\"\",\"started_at\":null"
#define TARGET_DONE                                                                                \
    "\"state\":\"done\",\"step\":\"\",\"started_at\":\"2026-11-22T20:00:01.000Z\","                \
    "\"elapsed_ms\":24000,\"in_rotation_again\":true,\"proof\":{\"before\":[4711],"                \
    "\"after\":[4892],\"probe_status\":200,\"probe_ms\":12,\"gap_ms\":0}"
#define TARGET_FAILED                                                                              \
    "\"state\":\"failed\",\"detail\":\"answered 500\",\"started_at\":\"2026-11-22T20:00:01.000Z\"" \
    ",\"elapsed_ms\":24000,\"in_rotation_again\":false,\"proof\":null"
#define RUNNING RUN("running", "false", "\"waiting\":1", TARGET_WAITING)
#define DONE    RUN("done", "true", "\"done\":1", TARGET_DONE)

#define EVENT(seq, kind, server, from, to, words)                                                  \
    "id: " seq "\ndata: {\"seq\":" seq ",\"at\":\"2026-11-22T20:00:0" seq ".000Z\",\"kind\":"      \
    "\"" kind "\",\"run\":7,\"server\":" server ",\"pool\":\"Shop\",\"actor\":null,\"text\":"      \
    "\"" words "\",\"from\":\"" from "\",\"to\":\"" to "\"}\n\n"
#define EVENT_DRAIN                                                                                \
    EVENT("1", "target.state", "\"web01\"", "waiting", "draining", "12 sessions left")
#define EVENT_ACT EVENT("2", "target.state", "\"web01\"", "draining", "acting", "recycling")
#define EVENT_END EVENT("3", "run.ended", "null", "running", "done", "run 7 ended")

static const char *const whole_stream[] = {": hello\n\n", EVENT_DRAIN, EVENT_ACT, EVENT_END, NULL};
static const struct fake_script whole[] = {{.chunks = whole_stream}};

/* A run that is asked for, begins, and has ended when it is looked at again. */
static const struct fake_route recycling[] = {
    {"POST /v1/runs/7", 200, RUNNING, 0},
    {"POST /v1/runs", 200, PLAN, 1},
    {"POST /v1/runs", 201, "{\"run\":" RUNNING "}", 0},
    {"GET /v1/runs/7", 200, RUNNING, 1},
    {"GET /v1/runs/7", 200, DONE, 0},
    {"GET /v1/runs", 200, "{\"runs\":[]}", 0},
};
#define RECYCLE "pool|recycle|Shop|--on|all|--reason|patch"

/* ---- looking ---- */

static void status_tells_health_by_its_exit_code(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {{"GET /v1/status", 200, STATUS("healthy"), 1},
                                        {"GET /v1/status", 200, STATUS("degraded"), 0}};
    serve(b, routes, 2, NULL, 0);
    run(b, "status");
    assert_ended(b, 0);
    assert_has(&b->out, "8: 7 answering, 1 silent");
    assert_has(&b->out, "web02, web08: its pools are down; web07 silent\n"); /* once, not twice */
    run(b, "status");
    assert_ended(b, 1);
    run(b, "status|--json");
    assert_ended(b, 1);
    json_t *got = json_loads(text_get(&b->out), 0, NULL);
    assert_non_null(got);
    json_decref(got);
}

/* Web services that a person stopped are said, since the server is missed; a pool is only where
 * something brought it back. */
static void status_says_who_had_what_stopped(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"GET /v1/status", 200,
         "{\"health\":\"degraded\",\"kept_stopped\":["
         "{\"server\":\"web01\",\"pool\":\"\",\"run\":7,\"by\":\"anna\",\"reason\":\"new disk\","
         "\"since\":\"2026-11-22T20:00:00.000Z\",\"back_since\":null,\"back_how\":\"\"},"
         "{\"server\":\"web02\",\"pool\":\"Shop\",\"run\":8,\"by\":\"bert\",\"reason\":\"old\","
         "\"since\":\"2026-11-22T20:00:00.000Z\",\"back_since\":null,\"back_how\":\"\"},"
         "{\"server\":\"web03\",\"pool\":\"Shop\",\"run\":9,\"by\":\"bert\",\"reason\":\"old\","
         "\"since\":\"2026-11-22T20:00:00.000Z\",\"back_since\":\"2026-11-22T21:00:00.000Z\","
         "\"back_how\":\"it runs again\"},"
         "{\"server\":\"web04\",\"pool\":\"\",\"run\":6,\"by\":\"anna\",\"reason\":\"stay\","
         "\"found_down\":true,\"since\":\"2026-11-22T20:00:00.000Z\",\"back_since\":null,"
         "\"back_how\":\"\"}]}",
         0}};
    serve(b, routes, 1, NULL, 0);
    run(b, "status");
    assert_ended(b, 1);
    assert_has(&b->out,
               "Stopped     web01: run 7 stopped its web services to stay stopped (by anna: new "
               "disk); since 2026-11-22 20:00:00");
    assert_has(&b->out, "Shop on web03: it runs again, though run 9 stopped it to stay stopped (by "
                        "bert: old); seen 2026-11-22 21:00:00");
    assert_has(&b->out, "web04: run 6 was to keep web services down that others had disabled (by "
                        "anna: stay); since 2026-11-22 20:00:00");
    assert_null(strstr(text_get(&b->out), "web02"));
}

static void nobody_there_is_exit_3_and_says_what_to_do(void **state)
{
    struct bench *b = *state;
    run(b, "status");
    assert_ended(b, 3);
    assert_has(&b->err, "Is farmhand-coordinator running?");
    assert_has(&b->err, b->socket);
    run(b, "run|abort|7|--reason|x"); /* nothing was sent: not "unknown" */
    assert_ended(b, 3);
    run(b, "status|--socket=/nonexistent/s");
    assert_ended(b, 3);
    assert_has(&b->err, "/nonexistent/s");
}

static void refusals_keep_the_coordinators_words(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"GET /v1/runs/9", 404, "{\"error\":{\"code\":\"not-found\",\"text\":\"no run 9\"}}", 0},
        {"GET /v1/servers", 400, "{\"error\":{\"code\":\"invalid\",\"text\":\"bad selector\"}}", 0},
        {"GET /v1/status", 503, "oops", 0},
        {"GET /v1/pools", 200, "{\"pools\":[", 0},
    };
    serve(b, routes, 4, NULL, 0);
    run(b, "run|show|9");
    assert_ended(b, 1);
    assert_has(&b->err, "farmhand: no run 9");
    run(b, "server|list|--json");
    assert_ended(b, 2);
    assert_has(&b->out, "\"code\": \"invalid\"");
    run(b, "status");
    assert_ended(b, 1);
    assert_has(&b->err, "answered 503");
    run(b, "pool|list");
    assert_ended(b, 1);
    assert_has(&b->err, "not this coordinator");
}

static void selection_without_a_server_is_an_error(void **state)
{
    struct bench *b = *state;
    static const struct fake_route routes[] = {{"GET /v1/servers", 200, "{\"servers\":[]}", 0}};
    serve(b, routes, 1, NULL, 0);
    run(b, "server|list|--on|zone=q");
    assert_ended(b, 1);
    assert_has(&b->err, "'zone=q' selects no server");
    run(b, "server|list");
    assert_ended(b, 0);
}

static void tables_are_safe_plain_and_fit(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {{"GET /v1/servers", 200, SERVERS, 0}};
    serve(b, routes, 1, NULL, 0);
    run(b, "server|list");
    assert_ended(b, 0);
    assert_has(&b->out, "web01?[2J");
    assert_lacks(&b->out, "\x1b");
    assert_has(&b->out, "is its agent running?");
    setenv("COLUMNS", "60", 1);
    run(b, "server|list");
    unsetenv("COLUMNS");
    assert_lacks(&b->out, "is its agent running?");
    for (char *save = NULL, *l = strtok_r(b->out.data, "\n", &save); l;
         l = strtok_r(NULL, "\n", &save))
        assert_in_range(text_columns(l), 1, 60);
}

static void colour_is_for_terminals_that_want_it(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {{"GET /v1/servers", 200, SERVERS, 0}};
    serve(b, routes, 1, NULL, 0);
    unsetenv("NO_COLOR");
    run_at_terminal(b, "server|list", NULL, 0);
    assert_has(&b->out, "\x1b[32mfresh");
    assert_lacks(&b->out, "\x1b[2J");
    setenv("NO_COLOR", "1", 1);
    run_at_terminal(b, "server|list", NULL, 0);
    unsetenv("NO_COLOR");
    assert_lacks(&b->out, "\x1b");
}

static void empty_pool_selection_is_a_failure(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"GET /v1/pools?on=all&pool=Shpo", 200, "{\"pools\":[]}", 0}};
    serve(b, routes, 1, NULL, 0);
    run(b, "pool|show|Shpo");
    assert_ended(b, 1);
    assert_has(&b->err, "no pool Shpo");
}

/* ---- changing ---- */

static void change_without_reason_or_terminal_is_refused(void **state)
{
    struct bench *b = *state;
    serve(b, recycling, COUNT(recycling), whole, 1);
    run(b, "pool|recycle|Shop|--on|all");
    assert_ended(b, 2);
    assert_has(&b->err, "--reason TEXT is needed");
    run(b, "pool|recycle|Shop|--on|all|--reason|  ");
    assert_ended(b, 2);
    assert_asked(b, "POST", false);
}

static void dump_is_not_fetched_without_a_reason(void **state)
{
    struct bench *b = *state;
    serve(b, recycling, COUNT(recycling), whole, 1);
    run(b, "incident|fetch|4|--to|/tmp/farmhand-never-written");
    assert_ended(b, 2);
    assert_has(&b->err, "--reason TEXT is needed");
}

/* A switch that is needed has no value to be told of. */
static void service_stop_without_stay_is_refused(void **state)
{
    struct bench *b = *state;
    serve(b, recycling, COUNT(recycling), whole, 1);
    run(b, "service|stop|--on|all|--reason|x");
    assert_ended(b, 2);
    assert_has(&b->err, "--stay is needed: until `service start`");
    assert_asked(b, "POST", false);
}

static void dry_run_prints_the_plan_and_changes_nothing(void **state)
{
    struct bench *b = *state;
    serve(b, recycling, COUNT(recycling), whole, 1);
    run(b, "pool|recycle|Shop|--on|all|--dry-run");
    assert_ended(b, 0);
    assert_has(&b->out, "1  web01   recycle        1  shop/web01");
    assert_has(&b->out, "the pool is stopped");
    assert_has(&b->out, "gate: the probe passes 3 times");
    assert_has(&b->out, "warning: sessions are lost");
    assert_has(&b->out, "rule: stops after the 1st failure");
    assert_asked(b, "\"dry_run\":true", true);
    assert_asked(b, "\"reason\":\"patch\"", false);
    char *asked = fake_api_asked(b->api);
    assert_null(strstr(strstr(asked, "POST /v1/runs ") + 1, "POST /v1/runs "));
    free(asked);
}

/* Sixty servers of which the same is said, and two in between that differ. */
static void long_plan_is_folded(void **state)
{
    struct bench *b = *state;
    struct text answer = {0};
    text_add(&answer,
             "{\"plan\":{\"action\":\"recycle\",\"pool\":\"Shop\",\"on\":\"all\",\"targets\":[");
    for (int i = 1; i <= 60; i++)
        text_addf(&answer,
                  "%s{\"server\":\"web%02d\",\"will\":\"%s\",\"workers\":2,\"why\":\"%s\"}",
                  i > 1 ? "," : "", i, i == 30 || i == 31 ? "skip" : "recycle",
                  i == 30 || i == 31 ? "idle" : "");
    text_add(&answer, "]}}");
    const struct fake_route route = {"POST /v1/runs", 200, text_get(&answer), 0};
    serve(b, &route, 1, NULL, 0);
    run(b, "pool|recycle|Shop|--on|all|--dry-run");
    assert_ended(b, 0);
    assert_has(&b->out, " 3  web03");
    assert_lacks(&b->out, "web04  recycle");
    assert_has(&b->out, "4 to 28: web04, web05, web06,");
    assert_has(&b->out, "... 25 more  recycle       50");
    assert_has(&b->out, "29  web29");
    assert_has(&b->out, "30  web30        skip");
    assert_has(&b->out, "31  web31        skip");
    assert_has(&b->out, "... 25 more");
    assert_has(&b->out, "60  web60");
    text_reset(&answer);
}

static void piped_run_is_a_line_per_event_then_its_story(void **state)
{
    struct bench *b = *state;
    serve(b, recycling, COUNT(recycling), whole, 1);
    run(b, RECYCLE "|--batch=2|--no-drain");
    assert_ended(b, 0);
    assert_has(&b->out, "2026-11-22 20:00:01  web01       waiting → draining: 12 sessions left\n");
    assert_has(&b->out, "2026-11-22 20:00:02  web01       draining → acting: recycling\n");
    assert_has(&b->out, "ended after 1m30s: the why");
    assert_lacks(&b->out, "\x1b");
    /* What the plan showed is what is asked for: two targets, or nothing. */
    assert_asked(b, "\"options\":{\"batch\":2,\"drain\":false},\"targets\":\"web01,web02\"", true);
}

static void run_is_set_and_its_rest_retried(void **state)
{
    struct bench *b = *state;
    static const struct fake_route routes[] = {
        {"POST /v1/runs/7/set", 200,
         "{\"id\":7,\"state\":\"running\",\"why\":\"\",\"changes\":["
         "{\"option\":\"batch\",\"was\":1,\"is\":\"25%\"},"
         "{\"option\":\"soak_ms\",\"was\":10000,\"is\":0},"
         "{\"option\":\"max_failures\",\"was\":\"0\",\"is\":\"3,1/wave\"},"
         "{\"option\":\"gate_latency\",\"was\":\"\",\"is\":\"2000\"},"
         "{\"option\":\"gate_memory\",\"was\":\"1048576\",\"is\":\"150%\"},"
         "{\"option\":\"gate_interval_ms\",\"was\":500,\"is\":1000}]}",
         0},
        {"POST /v1/runs/7/retry", 200, PLAN, 1},
        {"POST /v1/runs/7/retry", 201, "{\"run\":" RUNNING "}", 0},
    };
    serve(b, routes, COUNT(routes), NULL, 0);
    run(b, "run|set|7|--reason=hurry");
    assert_ended(b, 2);
    assert_has(&b->err, "what is to be set?");
    run(b, "run|set|7|--batch=25%|--max-failures=3,1/wave|--soak=0s|--reason=hurry");
    assert_ended(b, 0);
    assert_asked(b,
                 "POST /v1/runs/7/set {\"options\":{\"batch\":\"25%\",\"soak_ms\":0,"
                 "\"max_failures\":\"3,1/wave\"},\"reason\":\"hurry\"}",
                 true);
    assert_has(&b->out, "run 7: running\n"
                        "  batch 1 → 25%\n"
                        "  soak 10s → 0s\n"
                        "  max-failures 0 → 3,1/wave\n"
                        "  gate-latency none → 2s\n"
                        "  gate-memory 1.0 MiB → 150%\n"
                        "  gate_interval_ms 500ms → 1s\n");
    run(b, "run|set|7|--batch=25%|--reason=hurry|--json");
    assert_ended(b, 0);
    assert_has(&b->out, "\"option\": \"batch\"");
    run(b, "run|set|7|--waves=1|--reason=hurry");
    assert_ended(b, 2);
    run(b, "run|retry|7|--reason=mended|--detach");
    assert_ended(b, 0);
    assert_asked(b, "\"targets\":\"web01,web02\"", true);
    assert_has(&b->out, "farmhand run watch 7");
}

static void token_in_place_of_its_number_goes_nowhere(void **state)
{
    struct bench *b = *state;
    static const char *const verbs[] = {"token|revoke|fhj1.AAAA", "operator|revoke|fho1.AAAA",
                                        "operator|renew|fho1.AAAA"};
    char line[64];
    serve(b, NULL, 0, NULL, 0);
    for (size_t i = 0; i < COUNT(verbs); i++) {
        snprintf(line, sizeof(line), "%s|--reason=lost", verbs[i]);
        run(b, line);
        assert_ended(b, 2);
        assert_has(&b->err, "its number is wanted");
        assert_lacks(&b->err, "AAAA");
    }
    assert_asked(b, "AAAA", false);
}

static void detached_run_is_not_watched(void **state)
{
    struct bench *b = *state;
    serve(b, recycling, COUNT(recycling), whole, 1);
    run(b, RECYCLE "|--detach|--expect=2");
    assert_ended(b, 0);
    assert_has(&b->out, "farmhand run watch 7");
    assert_asked(b, "GET /v1/events", false);
}

static void json_watch_is_a_line_per_event_and_the_run_last(void **state)
{
    struct bench *b = *state;
    serve(b, recycling, COUNT(recycling), whole, 1);
    run(b, RECYCLE "|--json");
    assert_ended(b, 0);
    json_t *last = NULL;
    size_t lines = 0;
    for (char *save = NULL, *l = strtok_r(b->out.data, "\n", &save); l;
         l = strtok_r(NULL, "\n", &save), lines++) {
        json_decref(last);
        last = json_loads(l, 0, NULL);
        assert_non_null(last);
    }
    assert_int_equal(lines, 4);
    assert_string_equal(json_string_value(json_object_get(last, "state")), "done");
    json_decref(last);
}

/* The run has ended long before its events come over a slow connection. */
static void lines_of_a_run_that_has_ended_are_waited_for(void **state)
{
    struct bench *b = *state;
    static const struct fake_script late[] = {{.chunks = whole_stream, .late_ms = 800}};
    static const struct fake_route routes[] = {{"GET /v1/runs/7", 200, DONE, 0}};
    serve(b, routes, 1, late, 1);
    run(b, "run|watch|7");
    assert_ended(b, 0);
    assert_has(&b->out, "12 sessions left");
    assert_has(&b->out, "run 7 ended");
}

static void broken_stream_is_taken_up_where_it_broke(void **state)
{
    struct bench *b = *state;
    /* The second connection tells the first event again: it is not shown twice. */
    static const char *const first[] = {
        EVENT_DRAIN,
        "event: end\ndata: {\"seq\":null,\"kind\":\"stream.end\",\"text\":\"bye\"}\n\n", NULL};
    static const char *const second[] = {EVENT_DRAIN, EVENT_ACT, EVENT_END, NULL};
    static const struct fake_script scripts[] = {{.chunks = first}, {.chunks = second}};
    static const struct fake_route routes[] = {{"GET /v1/runs/7", 200, RUNNING, 3},
                                               {"GET /v1/runs/7", 200, DONE, 0}};
    serve(b, routes, 2, scripts, 2);
    run(b, "run|watch|7");
    assert_ended(b, 0);
    assert_has(&b->err, "the connection to the coordinator is lost; the run goes on there");
    assert_has(&b->err, "connected again");
    assert_asked(b, "GET /v1/events?follow=1&since=1&run=7", true);
    assert_lacks(&b->out, "bye");
    const char *once = strstr(text_get(&b->out), "12 sessions left");
    assert_non_null(once);
    assert_null(strstr(once + 1, "12 sessions left"));
}

#define TARGET_BLOCKED "\"state\":\"waiting\",\"step\":\"blocked: budget 1/1 used by web02\""

/* The step was told before the stream began, and is not kept. */
static void run_that_is_blocked_already_says_what_for(void **state)
{
    struct bench *b = *state;
    static const char *const nothing[] = {": hello\n\n", NULL};
    static const char *const end[] = {EVENT_END, NULL};
    static const struct fake_script scripts[] = {{.chunks = nothing}, {.chunks = end}};
    static const struct fake_route routes[] = {
        {"GET /v1/runs/7", 200, RUN("running", "false", "\"waiting\":1", TARGET_BLOCKED), 2},
        {"GET /v1/runs/7", 200, DONE, 0}};
    serve(b, routes, 2, scripts, 2);
    run(b, "run|watch|7");
    assert_ended(b, 0);
    assert_has(&b->err, "run 7 waits: web01: blocked: budget 1/1 used by web02");
}

static void exit_code_is_the_runs(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"GET /v1/runs/1", 200, RUN("failed", "true", "\"failed\":1", TARGET_FAILED), 0},
        {"GET /v1/runs/2", 200, RUN("partial", "true", "\"failed\":1", TARGET_FAILED), 0},
        {"GET /v1/runs/3", 200, RUN("failed", "true", "\"unknown\":1", TARGET_WAITING), 0},
        {"GET /v1/runs/4", 200, DONE, 0},
    };
    const int codes[] = {1, 4, 5, 0};
    serve(b, routes, 4, NULL, 0);
    for (int i = 0; i < 4; i++) {
        char line[32];
        text_format(line, sizeof(line), "run|show|%d", i + 1);
        run(b, line);
        assert_ended(b, codes[i]);
    }
    run(b, "run|show|1");
    assert_has(&b->out, "asked for by anna at 2026-11-22 20:00:00: \"patch\"");
    assert_has(&b->out, "answered 500; not put back by this run");
    assert_has(&b->out, "farmhand server undrain web01 --pool Shop --reason");
    run(b, "run|show|4");
    assert_has(&b->out, "workers 4711 → 4892, probe answered 200 in 12ms; in rotation again");
    run(b, "run|show|seven");
    assert_ended(b, 2);
}

static void change_without_an_answer_is_unknown(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {{"POST /v1/runs/7/abort", 0, "", 0}, /* hangs up */
                                        {"GET /v1/runs", 200, "{\"runs\":[]}", 0}};
    serve(b, routes, 2, NULL, 0);
    run(b, "run|abort|7|--reason|enough");
    assert_ended(b, 5);
    assert_has(&b->err, "whether the change was taken is not known");
}

static void verbs_say_what_the_api_expects(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {{"POST /v1/runs/7/", 200, RUNNING, 0},
                                        {"POST /v1/servers/", 200, "{}", 0},
                                        {"GET /v1/runs", 200, "{\"runs\":[]}", 0},
                                        {"POST /v1/runs", 200, PLAN, 0}};
    const struct {
        const char *line, *asked;
    } cases[] = {
        {"run|pause|7|--reason|lunch", "POST /v1/runs/7/pause {\"reason\":\"lunch\"}"},
        {"run|resume|7|--reason|back", "POST /v1/runs/7/resume {\"reason\":\"back\"}"},
        {"run|abort|7|--reason|no", "POST /v1/runs/7/abort {\"reason\":\"no\"}"},
        {"run|approve|7|--reason|looked", "POST /v1/runs/7/approve {\"reason\":\"looked\"}"},
        {"run|resolve|7|web01|--as|done|--reason|saw it",
         "/resolve {\"server\":\"web01\",\"as\":\"done\",\"reason\":\"saw it\"}"},
        {"server|declare-out|web 1/x|--for|2h|--reason|dead",
         "POST /v1/servers/web 1/x/declare-out {\"for_ms\":7200000,\"reason\":\"dead\"}"},
        {"server|release|web01|--reason|ok", "POST /v1/servers/web01/release {\"reason\":\"ok\"}"},
        {"server|maintenance|on|web01|--for|2h|--reason|patching",
         "POST /v1/servers/web01/maintenance {\"for_ms\":7200000,\"reason\":\"patching\"}"},
        {"server|maintenance|off|web01|--reason|patched",
         "POST /v1/servers/web01/maintenance {\"on\":false,\"reason\":\"patched\"}"},
        {"server|undrain|web01|--pool|Shop|--dry-run|--gate-passes|2",
         "{\"action\":\"undrain\",\"pool\":\"Shop\",\"on\":\"web01\",\"reason\":\"plan only\","
         "\"options\":{\"gate_passes\":2},\"dry_run\":true}"},
        {"pool|stop|Shop|--on|all|--keep-autostart|--dry-run",
         "\"action\":\"stop\",\"pool\":\"Shop\",\"on\":\"all\",\"reason\":\"plan only\","
         "\"options\":{\"keep_autostart\":true}"},
    };
    serve(b, routes, 4, NULL, 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        run(b, cases[i].line);
        assert_ended(b, 0);
        assert_asked(b, cases[i].asked, true);
    }
}

/* Each is a word of its own in the audit trail; a selection of nobody is an error. */
static void maintenance_of_a_selection_is_a_word_for_each(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"GET /v1/servers?on=nobody", 200, "{\"servers\":[]}", 0},
        {"GET /v1/servers", 200, "{\"servers\":[{\"name\":\"web01\"},{\"name\":\"web02\"}]}", 0},
        {"POST /v1/servers/web02/", 409, "{\"error\":{\"code\":\"state\",\"text\":\"it is not\"}}",
         0},
        {"POST /v1/servers/", 200, "{}", 0}};
    serve(b, routes, COUNT(routes), NULL, 0);
    run(b, "server|maintenance|on|--on|zone=a|--for|2h|--reason|patching");
    assert_ended(b, 4); /* one of them was refused */
    assert_has(&b->out, "web01 is in maintenance for 2h");
    assert_asked(b, "GET /v1/servers?on=zone=a", true);
    assert_asked(
        b, "POST /v1/servers/web01/maintenance {\"for_ms\":7200000,\"reason\":\"patching\"}", true);
    assert_asked(
        b, "POST /v1/servers/web02/maintenance {\"for_ms\":7200000,\"reason\":\"patching\"}", true);
    run(b, "server|maintenance|off|--on|nobody|--reason|done");
    assert_ended(b, 1);
    assert_has(&b->err, "'nobody' selects no server");
    run(b, "server|maintenance|on|--on|zone=a|--for|2h");
    assert_ended(b, 2);
    run(b, "server|maintenance|on|web01|--on|zone=a|--for|2h|--reason|patching");
    assert_ended(b, 2);
}

/* ---- events ---- */

static void events_are_listed_and_followed(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"GET /v1/events?limit=1", 200, "{\"events\":[],\"last\":0}", 1},
        {"GET /v1/events", 200,
         "{\"events\":[{\"seq\":5,\"at\":\"2026-11-22T20:00:00Z\",\"kind\":\"server.presence\","
         "\"run\":null,\"server\":\"web09\",\"text\":\"fell silent\"}],\"last\":5}",
         0},
    };
    serve(b, routes, 2, whole, 1);
    run(b, "events|--follow|--limit=2|--server|web01");
    assert_ended(b, 0);
    assert_has(&b->out, "draining → acting: recycling\n");
    assert_asked(b, "GET /v1/events?follow=1&since=0&server=web01", true);
    run(b, "events|--since|4|--run|7");
    assert_ended(b, 0);
    assert_has(&b->out, "2026-11-22 20:00:00  web09       fell silent\n");
    assert_asked(b, "GET /v1/events?since=4&run=7", true);
}

/* ---- a person at a terminal ---- */

static void person_is_asked_why_and_whether(void **state)
{
    struct bench *b = *state;
    serve(b, recycling, COUNT(recycling), whole, 1);
    const struct typed no[] = {{"Why?", "patch day\n"}, {"1 server, go? [y/N]", "n\n"}};
    run_at_terminal(b, "pool|recycle|Shop|--on|all", no, 2);
    assert_ended(b, 4);
    assert_has(&b->out, "nothing was changed");
    assert_asked(b, "\"reason\":\"patch day\"", true);
    assert_asked(b, "targets", false); /* only the plan was asked for */
}

static void person_sees_a_picture_and_the_story(void **state)
{
    struct bench *b = *state;
    /* Looked at twice while it runs, so that there is something to draw. */
    static const struct fake_route routes[] = {{"GET /v1/runs/7", 200, RUNNING, 2},
                                               {"GET /v1/runs/7", 200, DONE, 0}};
    static const char *const all[] = {EVENT_DRAIN, EVENT_ACT, NULL};
    static const char *const end[] = {EVENT_END, NULL};
    static const struct fake_script scripts[] = {{.chunks = all}, {.chunks = end}};
    serve(b, routes, 2, scripts, 2);
    run_at_terminal(b, "run|watch|7", NULL, 0);
    assert_ended(b, 0);
    assert_has(&b->out, "Run 7: recycle Shop on all");
    assert_has(&b->out, "0/1");
    assert_has(&b->out, "1 being worked on");
    assert_has(&b->out, "A\r\x1b[J"); /* redrawn in place */
    assert_has(&b->out, "workers 4711");
}

static void interrupt_asks_and_pauses_and_detaches(void **state)
{
    struct bench *b = *state;
    static const struct fake_route routes[] = {{"POST /v1/runs/7/pause", 200, RUNNING, 0},
                                               {"GET /v1/runs/7", 200, RUNNING, 0}};
    static const char *const quiet[] = {EVENT_DRAIN, NULL};
    static const struct fake_script scripts[] = {{.chunks = quiet}};
    serve(b, routes, 2, scripts, 1);
    const struct typed keys[] = {{"12 sessions", "\x03"}, {"[d]etach", "p\n"}, {"0/1", "\x03"},
                                 {"[d]etach", "\n"},      {"0/1", "\x03"},     {"[d]etach", "d\n"}};
    run_at_terminal(b, "run|watch|7", keys, COUNT(keys));
    assert_ended(b, 0);
    assert_has(&b->out, "Run 7 goes on. To see it again: farmhand run watch 7");
    assert_asked(b, "POST /v1/runs/7/pause {\"reason\":", true);
    assert_asked(b, "POST /v1/runs/7/abort", false);
}

/* ---- words ---- */

static void usage_goes_where_it_belongs(void **state)
{
    struct bench *b = *state;
    run(b, "--help");
    assert_ended(b, 0);
    assert_has(&b->out, "farmhand pool recycle POOL");
    run(b, "pool|recycle|--help");
    assert_ended(b, 0);
    assert_has(&b->out, "--on-failure stop|pause|continue");
    run(b, "run|--help");
    assert_ended(b, 0);
    assert_lacks(&b->out, "farmhand pool");
    run(b, "--version");
    assert_ended(b, 0);
    assert_has(&b->out, "farmhand " FARMHAND_VERSION);
    run(b, "run");
    assert_ended(b, 2);
    run(b, "pool|recylce|Shop");
    assert_ended(b, 2);
    assert_has(&b->err, "did you mean \"pool recycle\"?");
}

static void full_disk_is_not_success(void **state)
{
    struct bench *b = *state;
    char line[256];
    const struct fake_route routes[] = {{"GET /v1/servers", 200, SERVERS, 0}};
    serve(b, routes, 1, NULL, 0);
    text_format(line, sizeof(line), "FARMHAND_SOCKET=%s %s server list >/dev/full 2>&1", b->socket,
                FARMHAND_PROGRAM);
    int status = system(line);
    assert_int_equal(WEXITSTATUS(status), 1);
}

int main(void)
{
    unsetenv("COLUMNS");
    unsetenv("NO_COLOR");
    unsetenv("LC_ALL");
    const struct CMUnitTest tests[] = {
        TEST(status_tells_health_by_its_exit_code),
        TEST(status_says_who_had_what_stopped),
        TEST(nobody_there_is_exit_3_and_says_what_to_do),
        TEST(refusals_keep_the_coordinators_words),
        TEST(tables_are_safe_plain_and_fit),
        TEST(colour_is_for_terminals_that_want_it),
        TEST(empty_pool_selection_is_a_failure),
        TEST(change_without_reason_or_terminal_is_refused),
        TEST(dump_is_not_fetched_without_a_reason),
        TEST(service_stop_without_stay_is_refused),
        TEST(dry_run_prints_the_plan_and_changes_nothing),
        TEST(long_plan_is_folded),
        TEST(piped_run_is_a_line_per_event_then_its_story),
        TEST(run_is_set_and_its_rest_retried),
        TEST(token_in_place_of_its_number_goes_nowhere),
        TEST(detached_run_is_not_watched),
        TEST(json_watch_is_a_line_per_event_and_the_run_last),
        TEST(lines_of_a_run_that_has_ended_are_waited_for),
        TEST(broken_stream_is_taken_up_where_it_broke),
        TEST(selection_without_a_server_is_an_error),
        TEST(run_that_is_blocked_already_says_what_for),
        TEST(exit_code_is_the_runs),
        TEST(change_without_an_answer_is_unknown),
        TEST(verbs_say_what_the_api_expects),
        TEST(maintenance_of_a_selection_is_a_word_for_each),
        TEST(events_are_listed_and_followed),
        TEST(person_is_asked_why_and_whether),
        TEST(person_sees_a_picture_and_the_story),
        TEST(interrupt_asks_and_pauses_and_detaches),
        TEST(usage_goes_where_it_belongs),
        TEST(full_disk_is_not_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

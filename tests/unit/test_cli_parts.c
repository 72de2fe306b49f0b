/* The parts of the operator's command that need no coordinator: safe text, tables, options, the
 * event stream's syntax, the picture of a run. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/signs.h"
#include "coordinator/cli/stream.h"
#include "coordinator/cli/table.h"

#include "common/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct terminal plain = {.unicode = true};
static const struct terminal coloured = {.unicode = true, .colour = true, .redraw = true};
static const struct terminal ascii = {0};

static void assert_text(struct text *t, const char *expected)
{
    char *got = must_copy(text_get(t));
    text_reset(t);
    if (strcmp(got, expected) != 0)
        fail_msg("got:\n%s\nexpected:\n%s", got, expected);
    free(got);
}

/* ---- text ---- */

static void outside_text_cannot_move_the_cursor(void **state)
{
    (void)state;
    struct text t = {0};
    text_add_safe(&t, "a\x1b[2Jb\r\x07\x7f\tc\xff\xc2\x9b"
                      "31m\xe2\x80\xae");
    assert_text(&t, "a?[2Jb??? c??31m?");
    say_styled(&t, &coloured, STYLE_RED, "x\x1b[0m");
    assert_text(&t, "\x1b[31mx?[0m\x1b[0m");
    say_styled(&t, &plain, STYLE_RED, "x");
    assert_text(&t, "x");
}

static void cutting_counts_columns(void **state)
{
    (void)state;
    struct text t = {0};
    assert_int_equal(say_cut(&t, &plain, "web01", 5), 5);
    assert_text(&t, "web01");
    assert_int_equal(say_cut(&t, &plain, "web-server", 5), 5);
    assert_text(&t, "web-…");
    assert_int_equal(say_cut(&t, &plain, "日本語", 4), 3); /* a half of a wide one does not fit */
    assert_text(&t, "日…");
    assert_int_equal(say_cut(&t, &ascii, "web-server", 5), 5);
    assert_text(&t, "web-~");
    assert_int_equal(say_cut(&t, &plain, "web", 0), 0);
    assert_text(&t, "");
}

static void wrapping_breaks_between_words(void **state)
{
    (void)state;
    struct text t = {0};
    say_wrapped(&t, "one two three four five six", 2, 22);
    assert_text(&t, "one two three four\n  five six");
    say_wrapped(&t, "a-word-that-is-longer-than-the-line", 0, 20);
    assert_text(&t, "a-word-that-is-longe\nr-than-the-line");
}

static void figures_are_readable(void **state)
{
    (void)state;
    char bytes[SAY_BYTES_MAX], length[TEXT_DURATION_MAX], at[SAY_TIME_MAX];
    assert_string_equal(say_bytes(bytes, 512), "512 B");
    assert_string_equal(say_bytes(bytes, 1536 * 1024), "1.5 MiB");
    assert_string_equal(say_bytes(bytes, UINT64_MAX), "16 EiB");
    assert_string_equal(say_duration(length, 190999), "3m10s");
    assert_string_equal(say_duration(length, -5), "0s");
    assert_string_equal(say_time(at, "2026-11-22T20:13:23.123Z"), "2026-11-22 20:13:23");
    assert_string_equal(say_time(at, "yesterday"), "-");
    assert_string_equal(say_time(at, NULL), "-");
}

/* ---- tables ---- */

static const struct table_column columns[] = {
    {"SERVER", 9, 6, false}, {"N", 8, 1, true}, {"WHY", 1, 5, false}};

static struct table *some_table(void)
{
    struct table *t = table_open(columns, 3);
    table_cell(t, STYLE_PLAIN, "web01");
    table_cell(t, STYLE_PLAIN, "7");
    table_cell(t, STYLE_GREEN, "because it is so");
    table_cell(t, STYLE_PLAIN, "日本");
    table_cellf(t, STYLE_PLAIN, "%d", 12);
    return t; /* the last cell is missing */
}

static void table_fits_by_cutting_the_least_important(void **state)
{
    (void)state;
    struct text out = {0};
    struct table *t = some_table();
    table_lay(t, &plain, 20, &out);
    assert_text(&out, "SERVER   N  WHY\nweb01    7  because…\n日本    12  -\n");
    table_lay(t, &plain, TERMINAL_UNLIMITED, &out);
    assert_text(&out, "SERVER   N  WHY\nweb01    7  because it is so\n日本    12  -\n");
    table_close(t);
}

static void colour_takes_no_columns(void **state)
{
    (void)state;
    struct text out = {0};
    struct table *t = some_table();
    table_lay(t, &coloured, 20, &out);
    assert_non_null(strstr(text_get(&out), "\x1b[32mbecause…\x1b[0m"));
    text_reset(&out);
    table_close(t);
}

static void events_are_told_in_words(void **state)
{
    (void)state;
    struct text out = {0};
    json_t *events = json_loads(
        "[{\"id\":5002,\"kind\":\"rapid-fail\",\"text\":\"rapid-fail protection disabled the "
        "pool\",\"pool\":\"Shop\",\"pid\":0,\"age_ms\":65000},"
        "{\"id\":4242,\"kind\":\"other\",\"text\":\"\",\"pool\":\"Shop\",\"pid\":9,\"age_ms\":0}]",
        0, NULL);
    struct table *t = signs_open(false);
    assert_int_equal(signs_add(t, NULL, events), 2);
    table_lay(t, &plain, TERMINAL_UNLIMITED, &out);
    assert_text(&out, "POOL  EVENT  MEANING                                  WORKER    AGO\n"
                      "Shop   5002  rapid-fail protection disabled the pool       -  1m05s\n"
                      "Shop   4242  not known to Farmhand                         9     0s\n");
    table_close(t);
    json_decref(events);
}

/* ---- options ---- */

static const struct cli_verb *const groups[] = {cli_verbs_status, cli_verbs_server, cli_verbs_pool,
                                                cli_verbs_run,    cli_verbs_events, NULL};

static enum error_code parse(struct cli *cli, struct error *err, const char *line)
{
    static char words[512];
    static char program[] = "farmhand";
    char *argv[64] = {program};
    int argc = 1;
    must(text_copy(words, sizeof(words), line));
    for (char *save = NULL, *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    *cli = (struct cli){0};
    *err = (struct error){0};
    return cli_parse(cli, groups, argc, argv, err);
}

static void options_stand_anywhere(void **state)
{
    (void)state;
    struct cli cli;
    struct error err;
    assert_int_equal(parse(&cli, &err, "--on=farm=web pool --batch 2 recycle --json Shop"),
                     ERR_NONE);
    assert_string_equal(cli.verb->name, "recycle");
    assert_string_equal(cli.words[0], "Shop");
    assert_string_equal(cli_value(&cli, OPT_ON, ""), "farm=web");
    assert_int_equal(cli_count(&cli, OPT_BATCH, 0), 2);
    assert_true(cli_has(&cli, OPT_JSON));
    assert_int_equal(parse(&cli, &err, "pool show -- --odd"), ERR_NONE);
    assert_string_equal(cli.words[0], "--odd");
}

static void bad_usage_says_what_was_meant(void **state)
{
    (void)state;
    const struct {
        const char *line, *says;
    } cases[] = {
        {"statsu", "did you mean \"status\"?"},
        {"frobnicate", "\"farmhand --help\" lists them"},
        {"pool recylce Shop", "did you mean \"pool recycle\"?"},
        {"pool xyzzy Shop", "see \"farmhand pool --help\""},
        {"status --jsno", "did you mean --json?"},
        {"pool recycle Shop --on all --max-unavail 3", "did you mean --max-unavailable?"},
        {"pool list --batch 3", "no option --batch here"},
        {"status --colour", "\"farmhand status --help\""},
        {"status -j", "no option -j"},
        {"pool recycle --on all", "something is missing: farmhand pool recycle POOL"},
        {"pool recycle Shop", "--on SELECTOR is needed"},
        {"server cycle --on all", "--wait-reboot is needed: until"},
        {"status now", "\"now\" is one word too many"},
        {"pool recycle Shop --on", "--on needs a value: --on SELECTOR"},
        {"pool recycle Shop --on --json", "--on needs a value"},
        {"pool recycle Shop --on all --on web01", "--on is given twice"},
        {"pool recycle Shop --on all --batch=two",
         "--batch needs a number or a percentage, not \"two\""},
        {"pool recycle Shop --on all --batch=-1", "--batch needs a number"},
        {"pool recycle Shop --on all --batch=101%", "--batch needs a number or a percentage"},
        {"pool recycle Shop --on all --soak 30", "--soak needs a length such as"},
        {"pool recycle Shop --on all --on-failure=explode", "is one of stop|pause|continue"},
        {"pool recycle Shop --on all --on-failure=sto", "is one of stop|pause|continue"},
        {"pool recycle Shop --on=", "--on needs a text"},
        {"status --json=yes", "--json takes no value"},
        {"run resolve 7 web01", "--as done|failed|not-executed is needed"},
        {"a b c d e f g h i j", "too many words"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli cli;
        struct error err;
        if (parse(&cli, &err, cases[i].line) != ERR_INVALID || !strstr(err.text, cases[i].says))
            fail_msg("\"%s\" gave \"%s\", expected \"%s\"", cases[i].line, err.text, cases[i].says);
    }
}

static void run_options_become_what_the_api_knows(void **state)
{
    (void)state;
    struct cli cli;
    struct error err;
    assert_int_equal(
        parse(&cli, &err,
              "pool recycle Shop --on all --batch 2 --max-unavailable 3 --soak 30s --timeout 2m "
              "--no-drain --drain-timeout 1m --on-drain-timeout proceed --gate-passes 3 --gate-min "
              "2s --gate-deadline 60s --on-failure pause --max-failures 1 --unreachable skip "
              "--expect 8 --start-idle"),
        ERR_NONE);
    json_t *got = cli_run_options(&cli);
    json_t *want =
        json_pack("{s:i,s:i,s:i,s:i,s:b,s:i,s:s,s:i,s:i,s:i,s:s,s:i,s:s,s:i,s:b}", "batch", 2,
                  "max_unavailable", 3, "soak_ms", 30000, "limit_ms", 120000, "drain", 0,
                  "drain_limit_ms", 60000, "on_drain_limit", "proceed", "gate_passes", 3,
                  "gate_min_ms", 2000, "gate_deadline_ms", 60000, "on_failure", "pause",
                  "max_failures", 1, "unreachable", "skip", "expect", 8, "start_idle", 1);
    assert_non_null(want);
    assert_true(json_equal(got, want));
    json_decref(got);
    json_decref(want);
}

static void shape_of_a_run_becomes_what_the_api_knows(void **state)
{
    (void)state;
    struct cli cli;
    struct error err;
    assert_int_equal(
        parse(&cli, &err,
              "pool recycle Shop --on all --batch 20% --waves 1,5,20% --canary 2 "
              "--pause-after-canary --bake 10m --order zone --gate-latency 500ms --gate-queue 5 "
              "--gate-memory 2G --window night"),
        ERR_NONE);
    json_t *got = cli_run_options(&cli);
    json_t *want = json_pack("{s:s,s:s,s:i,s:b,s:i,s:s,s:s,s:i,s:s,s:s}", "batch", "20%", "waves",
                             "1,5,20%", "canary", 2, "pause_after_canary", 1, "bake_ms", 600000,
                             "order", "zone", "gate_latency", "500", "gate_queue", 5, "gate_memory",
                             "2147483648", "window", "night");
    assert_non_null(want);
    assert_true(json_equal(got, want));
    json_decref(got);
    json_decref(want);
}

/* ---- server-sent events ---- */

static void collect(void *arg, const char *data)
{
    text_addf(arg, "<%s>", data);
}

static void events_arrive_in_any_pieces(void **state)
{
    (void)state;
    static const char stream[] = ": hello\n\nid: 1\ndata: {\"seq\":1}\n\nid: 2\r\ndata:two\r\n"
                                 "data: lines\r\n\r\nevent: x\n\n: bye\n\ndata: cut";
    for (size_t piece = 1; piece < sizeof(stream); piece++) {
        struct sse s = {0};
        struct text got = {0};
        for (size_t at = 0; at < sizeof(stream) - 1; at += piece) {
            size_t len = sizeof(stream) - 1 - at < piece ? sizeof(stream) - 1 - at : piece;
            assert_true(sse_feed(&s, stream + at, len, collect, &got));
        }
        sse_reset(&s);
        assert_text(&got, "<{\"seq\":1}><two\nlines>");
    }
}

static void endless_line_is_refused(void **state)
{
    (void)state;
    struct sse s = {0};
    struct text got = {0};
    char block[4096];
    bool taken = true;
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 1000 && taken; i++)
        taken = sse_feed(&s, block, sizeof(block), collect, &got);
    assert_false(taken);
    sse_reset(&s);
    text_reset(&got);
}

static void way_to_the_coordinator_is_found(void **state)
{
    struct way way;
    struct error err = {0};
    const char *headers[WAY_HEADERS_MAX];
    struct http_call call = {0};
    (void)state;
    assert_int_equal(way_find(&(struct way_words){.socket = "/a"}, &way, &err), ERR_NONE);
    assert_string_equal(way_name(&way), "/a");
    setenv("FARMHAND_TOKEN", " fho1.secret\n", 1);
    struct way_words far = {.coordinator = "https://farm.example:7601/", .ca = "/ca.crt"};
    assert_int_equal(way_find(&far, &way, &err), ERR_NONE);
    assert_string_equal(way_name(&way), "https://farm.example:7601");
    assert_string_equal(way.base, "https://farmhand-coordinator"); /* the name in its certificate */
    assert_string_equal(way.connect_to, "farm.example:7601");
    way_go(&way, "Accept: x", headers, &call);
    assert_string_equal(headers[1], "Authorization: Bearer fho1.secret");
    assert_null(call.unix_socket);
    assert_string_equal(call.ca_file, "/ca.crt");
    /* A secret goes over TLS, to a host, or nowhere. */
    static const char *const bad[] = {"http://farm.example:7601", "farm.example", "https://",
                                      "https://u@h", "https://h/v1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        far.coordinator = bad[i];
        if (way_find(&far, &way, &err) == ERR_NONE && way.base[8])
            fail_msg("%s was taken", bad[i]);
        assert_null(strstr(err.text, "secret"));
    }
    far = (struct way_words){.coordinator = "https://farm.example:7601"};
    assert_int_equal(way_find(&far, &way, &err), ERR_NONE); /* by the system's CAs */
    assert_string_equal(way.base, "https://farm.example:7601");
    assert_string_equal(way.connect_to, "");
    far.coordinator = "https://h";
    setenv("FARMHAND_TOKEN", "", 1);
    assert_int_equal(way_find(&far, &way, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "token"));
    unsetenv("FARMHAND_TOKEN");
}

static void silence_for_too_long_is_given_up(void **state)
{
    (void)state;
    json_t *event;
    struct stream *s = stream_open(
        &(struct way){.base = "http://farmhand", .unix_socket = "/nonexistent/farmhand.sock"}, "",
        0, 1);
    assert_int_equal(stream_next(s, 30000, &event), STREAM_LOST);
    assert_int_equal(stream_next(s, 30000, &event), STREAM_GONE);
    stream_close(s);
}

/* ---- the picture ---- */

static json_t *some_run(void)
{
    json_t *run = json_loads(
        "{\"id\":7,\"action\":\"recycle\",\"pool\":\"Shop\",\"on\":\"all\",\"state\":\"running\","
        "\"created_at\":\"2026-11-22T20:00:00.000Z\",\"why\":\"\",\"targets\":["
        "{\"server\":\"web01\",\"state\":\"done\",\"elapsed_ms\":20000,"
        "\"ended_at\":\"2026-11-22T20:00:20.000Z\",\"step\":\"\","
        "\"proof\":{\"before\":[11],\"after\":[12],\"probe_status\":200,\"probe_ms\":5}},"
        "{\"server\":\"web02\",\"state\":\"waiting\",\"step\":\"\"},"
        "{\"server\":\"web03\",\"state\":\"waiting\",\"step\":\"\"},"
        "{\"server\":\"web04\",\"state\":\"waiting\",\"step\":\"\"}]}",
        0, NULL);
    must(run != NULL);
    return run;
}

static void apply(struct progress *p, const char *kind, const char *server, const char *from,
                  const char *to, const char *at, const char *words)
{
    json_t *event = json_pack("{s:s,s:s?,s:s?,s:s?,s:s,s:s}", "kind", kind, "server", server,
                              "from", from, "to", to, "at", at, "text", words);
    must(event != NULL);
    progress_event(p, event);
    json_decref(event);
}

/* 2026-11-22T20:00:30Z */
static int64_t half_a_minute(void)
{
    int64_t ms;
    must(text_parse_time("2026-11-22T20:00:30Z", &ms));
    return ms;
}

static void picture_shows_bar_counts_and_servers(void **state)
{
    (void)state;
    struct progress p = {0};
    struct text out = {0};
    json_t *run = some_run();
    progress_set(&p, run);
    apply(&p, "target.state", "web02", "waiting", "draining", "2026-11-22T20:00:20.000Z",
          "12 sessions left");
    apply(&p, "target.step", "web02", NULL, NULL, "2026-11-22T20:00:25.000Z", "3 sessions left");
    progress_lay(&p, &plain, 60, 20, half_a_minute(), &out);
    assert_text(&out, "Run 7: recycle Shop on all  running\n"
                      "█████░░░░░░░░░░░░░░░  1/4  30s, about 50s left\n"
                      "1 being worked on · 1 done · 2 waiting\n"
                      " ▸ web02  draining  10s     3 sessions left\n"
                      " ✓ web01  done      20s     workers 11 → 12, probe answered…\n");
    json_decref(run);
    progress_reset(&p);
}

static void failures_stay_in_sight_in_a_small_window(void **state)
{
    (void)state;
    struct progress p = {0};
    struct text out = {0};
    json_t *run = some_run();
    progress_set(&p, run);
    for (int i = 2; i <= 4; i++) {
        char name[8];
        text_format(name, sizeof(name), "web0%d", i);
        apply(&p, "target.state", name, "waiting", i == 4 ? "acting" : "failed",
              "2026-11-22T20:00:21.000Z", "500\x1b[2J");
    }
    apply(&p, "run.state", NULL, "running", "stopping", "2026-11-22T20:00:22.000Z",
          "a server failed");
    progress_lay(&p, &ascii, 50, 7, half_a_minute(), &out);
    assert_text(&out, "Run 7: recycle Shop on all  stopping\n"
                      "#######...  3/4  30s\n"
                      "2 failed, 1 being worked on, 1 done\n"
                      "a server failed\n"
                      " x web02  failed            500?[2J\n"
                      " x web03  failed            500?[2J\n"
                      " > web04  acting    9s      500?[2J\n");
    json_decref(run);
    progress_reset(&p);
}

static void no_picture_is_wider_than_its_window(void **state)
{
    (void)state;
    struct progress p = {.note = "a note that is longer than the window is wide, by far, surely"};
    json_t *run = some_run();
    progress_set(&p, run);
    for (size_t wide = 20; wide < 130; wide++) {
        struct text out = {0};
        progress_lay(&p, &plain, wide, 6, half_a_minute(), &out);
        size_t lines = 0;
        for (char *save = NULL, *l = strtok_r(out.data, "\n", &save); l;
             l = strtok_r(NULL, "\n", &save), lines++)
            assert_in_range(text_columns(l), 0, wide);
        assert_in_range(lines, 4, 6);
        text_reset(&out);
    }
    json_decref(run);
    progress_reset(&p);
}

/* ---- ends ---- */

static void exit_code_tells_the_end_of_a_run(void **state)
{
    (void)state;
    const struct {
        const char *run;
        int code;
    } cases[] = {
        {"{\"state\":\"done\",\"ended\":true}", CLI_DONE},
        {"{\"state\":\"running\",\"ended\":false}", CLI_DONE},
        {"{\"state\":\"failed\",\"ended\":true}", CLI_FAILED},
        {"{\"state\":\"partial\",\"ended\":true}", CLI_PARTIAL},
        {"{\"state\":\"aborted\",\"ended\":true}", CLI_PARTIAL},
        {"{\"state\":\"failed\",\"ended\":true,\"counts\":{\"unknown\":1}}", CLI_UNKNOWN},
        {"{\"state\":\"marvellous\",\"ended\":true}", CLI_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *run = json_loads(cases[i].run, 0, NULL);
        assert_non_null(run);
        assert_int_equal(cli_exit_of_run(run), cases[i].code);
        json_decref(run);
    }
}

static void advice_can_be_pasted_into_a_shell(void **state)
{
    (void)state;
    struct cli cli = {.terminal = plain};
    struct text out = {0};
    json_t *run = json_loads(
        "{\"id\":7,\"action\":\"recycle\",\"pool\":\"It's $(x)\",\"on\":\"farm=web\","
        "\"state\":\"paused\",\"pause_causes\":[\"unknown\",\"failures\"],\"targets\":["
        "{\"server\":\"web01\",\"state\":\"failed\",\"started_at\":\"2026-11-22T20:00:00Z\"},"
        "{\"server\":\"a;b\",\"state\":\"unknown\",\"started_at\":\"2026-11-22T20:00:00Z\"}]}",
        0, NULL);
    cli_add_advice(&cli, run, &out);
    assert_non_null(strstr(text_get(&out), "server undrain web01 --pool 'It'\\''s $(x)' --reason"));
    assert_non_null(strstr(text_get(&out), "run resolve 7 'a;b' --as"));
    assert_non_null(strstr(text_get(&out), "run resume 7 --reason"));
    text_reset(&out);
    json_decref(run);
}

static void advice_fits_what_the_run_waits_for(void **state)
{
    (void)state;
    struct cli cli = {.terminal = plain};
    struct text out = {0};
    json_t *run = json_loads("{\"id\":7,\"action\":\"recycle\",\"state\":\"paused\","
                             "\"pause_causes\":[\"approval\"],\"targets\":[]}",
                             0, NULL);
    cli_add_advice(&cli, run, &out);
    assert_non_null(strstr(text_get(&out), "run approve 7 --reason"));
    json_decref(run);
    text_reset(&out);
    run =
        json_loads("{\"id\":8,\"action\":\"hold\",\"state\":\"failed\",\"ended\":true,\"targets\":["
                   "{\"server\":\"web01\",\"state\":\"failed\",\"in_rotation_again\":true}]}",
                   0, NULL);
    cli_add_advice(&cli, run, &out);
    assert_int_equal(out.len, 0);
    json_decref(run);
    run = json_loads(
        "{\"id\":9,\"action\":\"recycle\",\"state\":\"failed\",\"ended\":true,"
        "\"targets\":[{\"key\":\"web01/Shop\",\"server\":\"web01\",\"state\":\"waiting\"}]}",
        0, NULL);
    cli_add_advice(&cli, run, &out);
    assert_non_null(strstr(text_get(&out), "1 target is left over"));
    text_reset(&out);
    json_decref(run);
}

/* Who did not drain still has the workers it had: "-> none" would say that they are gone. */
static void workers_that_were_not_touched_are_not_told_gone(void **state)
{
    (void)state;
    struct text out = {0};
    json_t *target = json_loads("{\"attempts\":0,\"proof\":{\"before\":[11],\"after\":[],"
                                "\"probe_status\":200,\"probe_ms\":2}}",
                                0, NULL);
    cli_add_proof(&plain, target, &out);
    assert_text(&out, "probe answered 200 in 2ms");
    json_object_set_new(target, "attempts", json_integer(1));
    cli_add_proof(&plain, target, &out);
    assert_text(&out, "workers 11 → none, probe answered 200 in 2ms");
    json_decref(target);
}

static void expect_own(const struct cli_verb *verb, const char *said, const char *own)
{
    struct text out = {0};
    struct cli cli = {.verb = verb};
    cli_add_own_words(&cli, said, &out);
    assert_text(&out, own);
}

/* A person wrote options, and is told of options. */
static void refusals_name_options(void **state)
{
    (void)state;
    static const struct cli_verb recycle = {.options = CLI_RUN_OPTIONS};
    static const struct cli_verb cycle = {.options = (CLI_RUN_OPTIONS | OPT(FOR)) & ~OPT(TIMEOUT)};
    expect_own(&recycle, "options.batch: expected a number from 1 to 9, or a text such as \"20%\"",
               "--batch: expected a number from 1 to 9, or a text such as \"20%\"");
    expect_own(&recycle, "options.limit_ms: expected a number from 1000 to 86400000",
               "--timeout: expected a length from 1s to 1d");
    expect_own(&recycle, "options.gate_passes: expected a number from 1 to 1000",
               "--gate-passes: expected a number from 1 to 1000");
    expect_own(&recycle, "gate_deadline (5000ms) must be longer than gate_min (9000ms)",
               "--gate-deadline (5000ms) must be longer than --gate-min (9000ms)");
    expect_own(&recycle, "pause_after_canary needs a canary: --canary 1",
               "--pause-after-canary needs a canary: --canary 1");
    expect_own(&recycle, "limit_ms: one act is waited for 1d at most, not 2d",
               "--timeout: one act is waited for 1d at most, not 2d");
    expect_own(&cycle, "options.limit_ms: expected a number from 1000 to 86400000",
               "--for: expected a length from 1s to 1d");
    expect_own(&cycle, "for_ms: expected a number from 1000 to 3600000",
               "--for: expected a length from 1s to 1h");
    expect_own(&recycle, "no pool 'gate_min': batch, order and max_hold stay as they are",
               "no pool 'gate_min': batch, order and max_hold stay as they are");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outside_text_cannot_move_the_cursor),
        cmocka_unit_test(cutting_counts_columns),
        cmocka_unit_test(wrapping_breaks_between_words),
        cmocka_unit_test(figures_are_readable),
        cmocka_unit_test(table_fits_by_cutting_the_least_important),
        cmocka_unit_test(colour_takes_no_columns),
        cmocka_unit_test(events_are_told_in_words),
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(bad_usage_says_what_was_meant),
        cmocka_unit_test(run_options_become_what_the_api_knows),
        cmocka_unit_test(shape_of_a_run_becomes_what_the_api_knows),
        cmocka_unit_test(events_arrive_in_any_pieces),
        cmocka_unit_test(endless_line_is_refused),
        cmocka_unit_test(way_to_the_coordinator_is_found),
        cmocka_unit_test(silence_for_too_long_is_given_up),
        cmocka_unit_test(picture_shows_bar_counts_and_servers),
        cmocka_unit_test(failures_stay_in_sight_in_a_small_window),
        cmocka_unit_test(no_picture_is_wider_than_its_window),
        cmocka_unit_test(exit_code_tells_the_end_of_a_run),
        cmocka_unit_test(advice_can_be_pasted_into_a_shell),
        cmocka_unit_test(advice_fits_what_the_run_waits_for),
        cmocka_unit_test(workers_that_were_not_touched_are_not_told_gone),
        cmocka_unit_test(refusals_name_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

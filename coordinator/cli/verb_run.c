/* verb_run.c - farmhand run ...: list, look at, follow and steer runs. */
#include "coordinator/cli/listing.h"

#include "common/clock.h"

#include <stdio.h>

static int bad_id(struct cli *cli)
{
    return cli_fail(cli, CLI_USAGE,
                    "\"%s\" is no run: runs have numbers, \"farmhand run list\" "
                    "shows them",
                    cli->words[0]);
}

static bool parse_id(const struct cli *cli, uint64_t *id)
{
    return text_parse_u64(cli->words[0], 1, INT64_MAX, id);
}

/* ---- list ---- */

static void add_ended(struct table *t, const json_t *run)
{
    char length[TEXT_DURATION_MAX];
    int64_t from, to = clock_wall_ms();
    bool known = text_parse_time(cli_text(run, "created_at"), &from);
    if (cli_true(run, "ended"))
        known = known && text_parse_time(cli_text(run, "ended_at"), &to);
    table_cell(t, STYLE_PLAIN, known ? say_duration(length, to - from) : NULL);
}

static void add_run(struct table *t, const json_t *run)
{
    char at[SAY_TIME_MAX];
    const json_t *counts = json_object_get(run, "counts");
    const char *state = cli_text(run, "state");
    int64_t ended =
        cli_number(counts, "done") + cli_number(counts, "nothing") + cli_number(counts, "skipped");
    table_cellf(t, STYLE_BOLD, "%lld", (long long)cli_number(run, "id"));
    table_cell(t, cli_style_of_run(state), state);
    table_cellf(t, STYLE_PLAIN, "%lld/%lld", (long long)ended,
                (long long)cli_number(counts, "total"));
    table_cellf(t, STYLE_PLAIN, "%s %s", cli_text(run, "action"), cli_text(run, "pool"));
    table_cell(t, STYLE_PLAIN, cli_text(run, "on"));
    table_cell(t, STYLE_DIM, say_time(at, cli_text(run, "created_at")));
    add_ended(t, run);
    table_cell(t, STYLE_PLAIN, cli_text(run, "actor"));
    table_cell(t, STYLE_PLAIN, cli_text(run, "reason"));
}

static int run_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        {"RUN", 9, 3, true},    {"STATE", 8, 6, false}, {"DONE", 7, 3, true},
        {"WHAT", 6, 12, false}, {"ON", 4, 6, false},    {"BEGUN (UTC)", 2, 10, false},
        {"TOOK", 5, 4, true},   {"WHO", 3, 4, false},   {"WHY", 1, 8, false},
    };
    static const struct cli_listing listing = {
        columns, 9, add_run,
        "No run yet. To plan one: farmhand pool recycle POOL --on all --dry-run"};
    struct text path = {0};
    text_add(&path, "/v1/runs");
    cli_add_query(&path, "limit", cli_value(cli, OPT_LIMIT, "20"));
    int code = cli_show_listing(cli, text_get(&path), "runs", &listing);
    text_reset(&path);
    return code;
}

/* ---- show, watch ---- */

static int run_show(struct cli *cli)
{
    uint64_t id;
    char path[64];
    json_t *answer = NULL;
    if (!parse_id(cli, &id))
        return bad_id(cli);
    text_format(path, sizeof(path), "/v1/runs/%llu", (unsigned long long)id);
    int code = cli_get(cli, path, &answer);
    if (code == CLI_DONE) {
        const json_t *inside = json_object_get(answer, "run");
        const json_t *run = json_is_object(inside) ? inside : answer;
        if (!cli_print_json(cli, run))
            cli_print_story(cli, run, true);
        code = cli_exit_of_run(run);
    }
    json_decref(answer);
    return code;
}

static int run_watch(struct cli *cli)
{
    uint64_t id;
    return parse_id(cli, &id) ? cli_watch_run(cli, (int64_t)id) : bad_id(cli);
}

/* ---- pause, resume, abort, resolve, set ---- */

/* As the command line calls it. */
static const char *option_of(const char *api)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        struct cli_option_words words = cli_option_words((enum cli_option)i);
        if (words.api && text_equal(words.api, api))
            return words.name;
    }
    return api;
}

/* A length, a size, a number or words. */
static void add_value(struct text *out, const char *option, const json_t *value)
{
    char said[TEXT_DURATION_MAX], size[SAY_BYTES_MAX];
    uint64_t number = 0;
    const char *word = json_string_value(value);
    bool counted = word && text_parse_u64(word, 0, INT64_MAX, &number);
    if (json_is_integer(value) && text_glob_match("*_ms", option))
        text_add(out, say_duration(said, json_integer_value(value)));
    else if (counted && text_equal(option, "gate_latency"))
        text_add(out, say_duration(said, (int64_t)number));
    else if (counted && text_equal(option, "gate_memory"))
        text_add(out, say_bytes(size, number));
    else if (json_is_integer(value))
        text_addf(out, "%lld", (long long)json_integer_value(value));
    else if (word)
        text_add_safe(out, *word ? word : "none");
    else
        text_add(out, json_is_true(value) ? "yes" : "no");
}

/* Of run set: "  soak 10s -> 0s", a line for each option that is another now. */
static void say_changes(const struct cli *cli, const json_t *changes)
{
    size_t i;
    const json_t *change;
    struct text lines = {0};
    json_array_foreach(changes, i, change)
    {
        const char *option = cli_text(change, "option");
        text_add(&lines, "  ");
        text_add_safe(&lines, option_of(option));
        text_add(&lines, " ");
        add_value(&lines, option, json_object_get(change, "was"));
        text_addf(&lines, " %s ", say_arrow(&cli->terminal));
        add_value(&lines, option, json_object_get(change, "is"));
        text_add(&lines, "\n");
    }
    cli_print(&lines);
    text_reset(&lines);
}

static void say_state(const json_t *answer)
{
    const json_t *inside = json_object_get(answer, "run");
    const json_t *run = json_is_object(inside) ? inside : answer;
    struct text line = {0}, safe = {0};
    text_addf(&line, "run %lld: %s%s%s", (long long)cli_number(run, "id"), cli_text(run, "state"),
              *cli_text(run, "why") ? ": " : "", cli_text(run, "why"));
    text_add_safe(&safe, text_get(&line));
    text_add(&safe, "\n");
    cli_print(&safe);
    text_reset(&line);
}

static int steer(struct cli *cli, const char *what, json_t *fields)
{
    uint64_t id;
    char path[64];
    json_t *answer = NULL;
    if (!parse_id(cli, &id))
        return bad_id(cli);
    text_format(path, sizeof(path), "/v1/runs/%llu/%s", (unsigned long long)id, what);
    int code = cli_change(cli, path, fields, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        say_state(answer);
        say_changes(cli, json_object_get(answer, "changes"));
    }
    json_decref(answer);
    return code;
}

static int run_pause(struct cli *cli)
{
    return steer(cli, "pause", NULL);
}

static int run_resume(struct cli *cli)
{
    return steer(cli, "resume", NULL);
}

static int run_approve(struct cli *cli)
{
    return steer(cli, "approve", NULL);
}

static int run_abort(struct cli *cli)
{
    return steer(cli, "abort", NULL);
}

static int run_resolve(struct cli *cli)
{
    json_t *fields =
        json_pack("{s:s,s:s}", "server", cli->words[1], "as", cli_value(cli, OPT_AS, ""));
    int code = fields ? steer(cli, "resolve", fields)
                      : cli_fail(cli, CLI_USAGE, "the server's name is not UTF-8");
    json_decref(fields);
    return code;
}

static int run_set(struct cli *cli)
{
    json_t *options = cli_run_options(cli);
    if (json_object_size(options) == 0) {
        json_decref(options);
        return cli_fail(cli, CLI_USAGE, "what is to be set? for example --batch 3");
    }
    json_t *fields = json_pack("{s:o}", "options", options);
    int code = steer(cli, "set", fields);
    json_decref(fields);
    return code;
}

static int run_retry(struct cli *cli)
{
    uint64_t id;
    return parse_id(cli, &id) ? cli_retry_run(cli, id) : bad_id(cli);
}

const struct cli_verb cli_verbs_run[] = {
    {"run", "list", "", 0, 0, OPT(LIMIT), 0, "Runs, the newest first", NULL, run_list},
    {"run", "show", "ID", 1, 1, 0, 0, "The story of one run: who, why, each server, what to do",
     "The exit code is the run's: 0 done or not ended yet, 1 failed, 4 partly done or aborted, 5 "
     "not settled.",
     run_show},
    {"run", "watch", "ID", 1, 1, 0, 0, "Follow a run to its end",
     "On a terminal a picture that is redrawn in place; Ctrl-C asks: detach, pause or abort. "
     "Elsewhere one line\nper event, with --json one JSON object per event and the run as the last "
     "line. When the coordinator is\nrestarted it connects again; after 60 s without it: exit 3, "
     "and the run goes on there.",
     run_watch},
    {"run", "pause", "ID", 1, 1, OPT(REASON), 0, "Begin no further server until resumed", NULL,
     run_pause},
    {"run", "resume", "ID", 1, 1, OPT(REASON), 0, "Go on with a paused run", NULL, run_resume},
    {"run", "approve", "ID", 1, 1, OPT(REASON), 0, "Let a run begin that waits for a second person",
     "Only those that its --approve-by names may, and never the one who started it.", run_approve},
    {"run", "abort", "ID", 1, 1, OPT(REASON), 0,
     "End a run: what was begun is finished and put back", NULL, run_abort},
    {"run", "set", "ID", 1, 1, CLI_LIVE_OPTIONS | OPT(REASON), 0,
     "Change a run while it is going on: batch, soak, limits, what is borne",
     "It says what was and what is now; that counts from the next step on, and stands in the audit "
     "trail. What was planned (servers, "
     "waves, order) stays.\n--window 00:00-24:00 takes its hours away: it goes on at once.",
     run_set},
    {"run", "retry", "ID", 1, 1,
     (CLI_RUN_OPTIONS & ~OPT(ON)) | OPT(START_IDLE) | OPT(KEEP_AUTOSTART), 0,
     "A new run over what an ended one left: failed, aborted, not reached, never begun",
     "Servers that were done, had nothing to do, or were left out stay out, and no others come in. "
     "Options are those\nof the former run, unless given; but a canary that it went on after is "
     "not "
     "asked for again, nor the pause\nafter it. The plan is printed first; with --dry-run that is "
     "all.",
     run_retry},
    {"run", "resolve", "ID SERVER", 2, 2, OPT(AS) | OPT(REASON), OPT(AS),
     "Say what really happened on a server whose outcome is unknown",
     "Look at the server first. Until this is settled the server keeps its place in the budget: "
     "nothing is guessed.",
     run_resolve},
    {0},
};

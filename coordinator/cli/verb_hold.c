/* verb_hold.c - farmhand hold ...: room for other tools, with budget, drain and proof around them.
 *
 *   acquire: asked -> waits for its turn and its drain -> held: the token is printed, exit 0
 *                  -> refused, skipped, or --wait is over: given up, exit 1
 *   run:     acquire -> the command -> release, whatever became of it -> the run's end
 */
#include "coordinator/cli/child.h"
#include "coordinator/cli/listing.h"

#include "common/clock.h"
#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS         300
#define WAIT_DEFAULT_MS (30 * 60 * 1000)
#define SILENCE_MS      60000 /* without an answer while it waits: a restart takes less */
#define RELEASE_TRY_MS  2000
#define RELEASE_MS      60000 /* a release that does not arrive is tried so long */
#define TOKEN_LENGTH    32

/* ---- list ---- */

static void add_hold(struct table *t, const json_t *hold)
{
    char at[SAY_TIME_MAX];
    const char *state = cli_text(hold, "state");
    bool expired = text_equal(state, "expired");
    table_cell(t, STYLE_BOLD, cli_text(hold, "server"));
    table_cell(t, expired ? STYLE_RED : STYLE_PLAIN, state);
    table_cell(t, STYLE_PLAIN, cli_text(hold, "by"));
    table_cell(t, expired ? STYLE_RED : STYLE_PLAIN,
               cli_is_null(hold, "until") ? NULL : say_time(at, cli_text(hold, "until")));
    table_cellf(t, STYLE_DIM, "%lld", (long long)cli_number(hold, "run"));
    table_cell(t, STYLE_PLAIN, cli_text(hold, "reason"));
}

static int hold_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        {"SERVER", 9, 8, false},      {"STATE", 8, 8, false}, {"WHO", 6, 4, false},
        {"UNTIL (UTC)", 7, 9, false}, {"RUN", 5, 3, true},    {"WHY", 1, 8, false},
    };
    static const struct cli_listing listing = {columns, 6, add_hold, NULL};
    json_t *answer = NULL;
    int code = cli_get(cli, "/v1/holds", &answer);
    const json_t *holds = cli_list(answer, "holds");
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        if (json_array_size(holds) > 0)
            cli_print_listing(cli, &listing, holds);
        else
            fprintf(stderr, "nobody holds a server\n");
    }
    json_decref(answer);
    return code;
}

/* ---- release ---- */

static bool is_token(const char *word)
{
    return strlen(word) == TOKEN_LENGTH && strspn(word, "0123456789abcdef") == TOKEN_LENGTH;
}

static int post_release(struct cli *cli, json_t *body, int64_t *run)
{
    json_t *answer = NULL;
    int code = cli_post(cli, "/v1/holds/release", body, true, &answer);
    *run = cli_number(answer, "id");
    json_decref(answer);
    return code;
}

static int watch_or_say(struct cli *cli, int64_t run)
{
    if (!cli_has(cli, OPT_DETACH))
        return cli_watch_run(cli, run);
    if (!cli_has(cli, OPT_JSON))
        printf("released: run %lld proves it and puts it back\n", (long long)run);
    return CLI_DONE;
}

static int hold_release(struct cli *cli)
{
    int64_t run = 0;
    bool token = is_token(cli->words[0]);
    char *reason = NULL;
    if (!token || cli_has(cli, OPT_REASON)) {
        reason = cli_reason(cli);
        if (!reason)
            return CLI_USAGE;
    }
    json_t *body = json_pack("{s:s, s:b}", token ? "token" : "server", cli->words[0], "failed",
                             (int)cli_has(cli, OPT_FAILED));
    must(body != NULL);
    if (reason)
        json_object_set_new(body, "reason", json_string(reason));
    int code = post_release(cli, body, &run);
    json_decref(body);
    free(reason);
    return code == CLI_DONE ? watch_or_say(cli, run) : code;
}

/* ---- acquire ---- */

struct hold {
    struct cli *cli;
    int64_t run;
    char token[TOKEN_LENGTH + 1];
    char step[512];       /* what it waits for: told when it is another */
    uint64_t answered_ms; /* the last answer of the coordinator */
};

static int ask_for_hold(struct hold *h)
{
    struct cli *cli = h->cli;
    json_t *answer = NULL;
    uint64_t for_ms = cli_duration_ms(cli, OPT_FOR);
    char *reason = for_ms ? cli_reason(cli) : NULL;
    if (!reason)
        return for_ms ? CLI_USAGE
                      : cli_fail(cli, CLI_USAGE, "--for 0 would end at once: give a length");
    json_t *body = json_pack("{s:s, s:I, s:s, s:o}", "server", cli->words[0], "for_ms",
                             (json_int_t)for_ms, "reason", reason, "options", cli_run_options(cli));
    must(body != NULL);
    int code = cli_post(cli, "/v1/holds", body, true, &answer);
    h->run = cli_number(answer, "run");
    text_copy(h->token, sizeof(h->token), cli_text(answer, "token"));
    json_decref(answer);
    json_decref(body);
    free(reason);
    return code;
}

static void give_up(struct hold *h)
{
    int64_t run;
    json_t *body =
        json_pack("{s:s, s:s}", "token", h->token, "reason", "not waited for any longer");
    h->cli->quiet = true;
    post_release(h->cli, body, &run);
    h->cli->quiet = false;
    json_decref(body);
}

/* What it waits for, for those who look. */
static void say_step(struct hold *h, const json_t *run, const json_t *target)
{
    const char *step = *cli_text(target, "step") ? cli_text(target, "step") : cli_text(run, "why");
    if (text_equal(step, h->step) || cli_has(h->cli, OPT_JSON) || !*step)
        return;
    struct text line = {0};
    text_copy(h->step, sizeof(h->step), step);
    text_add_safe(&line, step);
    fprintf(stderr, "%s: %s\n", h->cli->words[0], text_get(&line));
    text_reset(&line);
}

/* The run is kept while a coordinator starts anew: it is asked again for a while. */
static int ask_for_run(struct hold *h, json_t **run)
{
    char path[64];
    uint64_t now_ms = clock_boot_ms();
    text_format(path, sizeof(path), "/v1/runs/%lld", (long long)h->run);
    h->cli->quiet = now_ms < h->answered_ms + SILENCE_MS;
    int code = cli_get(h->cli, path, run);
    bool patient = h->cli->quiet && code == CLI_UNREACHABLE;
    h->cli->quiet = false;
    if (code != CLI_UNREACHABLE)
        h->answered_ms = now_ms;
    return patient ? CLI_DONE : code;
}

/* One look; *over: it is held (CLI_DONE), or never will be. */
static int look(struct hold *h, bool *over)
{
    json_t *run = NULL;
    int code = ask_for_run(h, &run);
    const json_t *target = json_array_get(cli_list(run, "targets"), 0);
    *over = code != CLI_DONE || text_equal(cli_text(target, "state"), "acting");
    if (!*over && cli_true(run, "ended")) {
        *over = true;
        const char *why = cli_text(target, "detail");
        code = cli_fail(h->cli, CLI_FAILED, "%s is not to be had: %s", h->cli->words[0],
                        *why ? why : cli_text(run, "why"));
    } else if (!*over && run) {
        say_step(h, run, target);
    }
    json_decref(run);
    return code;
}

static int acquire(struct hold *h)
{
    struct cli *cli = h->cli;
    uint64_t wait_ms = cli_has(cli, OPT_WAIT) ? cli_duration_ms(cli, OPT_WAIT) : WAIT_DEFAULT_MS;
    uint64_t until_ms = clock_boot_ms() + wait_ms;
    char length[TEXT_DURATION_MAX];
    bool over = false;
    int code = ask_for_hold(h);
    h->answered_ms = clock_boot_ms();
    terminal_catch_interrupt();
    while (code == CLI_DONE && !over) {
        code = look(h, &over);
        if (over)
            break;
        bool stopped = terminal_interrupted();
        if (stopped || clock_boot_ms() >= until_ms) {
            give_up(h);
            code = cli_fail(cli, stopped ? CLI_PARTIAL : CLI_FAILED,
                            stopped ? "given up: %s was not taken"
                                    : "%s was not to be had within %s (--wait): given up",
                            cli->words[0], text_format_duration(length, wait_ms));
            break;
        }
        clock_sleep_ms(LOOK_MS);
    }
    if (over && code == CLI_UNREACHABLE)
        fprintf(stderr,
                "The hold is kept there: farmhand hold release %s gives it up once the coordinator "
                "is back\n",
                cli->words[0]);
    terminal_leave();
    return code;
}

static int hold_acquire(struct cli *cli)
{
    struct hold h = {.cli = cli};
    int code = acquire(&h);
    if (code != CLI_DONE)
        return code;
    json_t *answer = json_pack("{s:s, s:I, s:s}", "server", cli->words[0], "run", (json_int_t)h.run,
                               "token", h.token);
    if (!cli_print_json(cli, answer))
        printf("%s\n", h.token);
    json_decref(answer);
    return code;
}

/* A person takes it, for themselves: the name is enough to give it back. */
int cli_server_drain(struct cli *cli)
{
    char length[TEXT_DURATION_MAX];
    struct hold h = {.cli = cli};
    int code = acquire(&h);
    if (code != CLI_DONE)
        return code;
    json_t *answer = json_pack("{s:s, s:I}", "server", cli->words[0], "run", (json_int_t)h.run);
    if (!cli_print_json(cli, answer))
        printf("%s is out of rotation for at most %s: farmhand server undrain %s\n", cli->words[0],
               text_format_duration(length, cli_duration_ms(cli, OPT_FOR)), cli->words[0]);
    json_decref(answer);
    return code;
}

int cli_server_hold(struct cli *cli, const char *server, bool *held)
{
    json_t *answer = NULL;
    size_t i;
    const json_t *hold;
    int code = cli_get(cli, "/v1/holds", &answer);
    *held = false;
    json_array_foreach(cli_list(answer, "holds"), i, hold)
    {
        *held = *held || text_equal_nocase(cli_text(hold, "server"), server);
    }
    json_decref(answer);
    return code;
}

int cli_server_give_back(struct cli *cli)
{
    if (cli_has(cli, OPT_DRY_RUN)) {
        printf("%s is held: it would be given back, and put back once it has proved well\n",
               cli->words[0]);
        return CLI_DONE;
    }
    return hold_release(cli);
}

/* ---- run ---- */

/* The command is over, so its server has to be given back: not arriving once is no reason. */
static int release_after(struct hold *h, bool failed, const char *reason)
{
    int64_t run = h->run;
    uint64_t until_ms = clock_boot_ms() + RELEASE_MS;
    json_t *body =
        json_pack("{s:s, s:s, s:b}", "token", h->token, "reason", reason, "failed", (int)failed);
    must(body != NULL);
    int code;
    for (;;) {
        bool last = clock_boot_ms() >= until_ms;
        h->cli->quiet = !last;
        h->cli->reached = true; /* that nothing came back is no news: a release may be repeated */
        code = post_release(h->cli, body, &run);
        h->cli->quiet = false;
        if (last || (code != CLI_UNREACHABLE && code != CLI_UNKNOWN))
            break;
        clock_sleep_ms(RELEASE_TRY_MS);
    }
    json_decref(body);
    if (code == CLI_DONE)
        return cli_watch_run(h->cli, h->run);
    return cli_fail(h->cli, CLI_UNKNOWN,
                    "%s is not given back: `farmhand hold release %s` does it, `farmhand run show "
                    "%lld` tells how it stands",
                    h->cli->words[0], h->cli->words[0], (long long)h->run);
}

static int run_command(struct hold *h, int *exit_code)
{
    struct error err = {0};
    char token[80], server[320], run[64];
    text_format(token, sizeof(token), "FARMHAND_HOLD_TOKEN=%s", h->token);
    text_format(server, sizeof(server), "FARMHAND_HOLD_SERVER=%s", h->cli->words[0]);
    text_format(run, sizeof(run), "FARMHAND_HOLD_RUN=%lld", (long long)h->run);
    const char *const env[] = {token, server, run, NULL};
    fflush(stdout);
    if (child_run(h->cli->rest, env, exit_code, &err) == ERR_NONE)
        return CLI_DONE;
    return cli_fail(h->cli, CLI_FAILED, "%s", err.text);
}

static int hold_run(struct cli *cli)
{
    struct hold h = {.cli = cli};
    char reason[128];
    int exit_code = 127;
    if (!cli->rest || !cli->rest[0])
        return cli_fail(cli, CLI_USAGE,
                        "which command? farmhand hold run %s --for 30m -- COMMAND ARGUMENTS",
                        cli->words[0]);
    int code = acquire(&h);
    if (code != CLI_DONE)
        return code;
    if (run_command(&h, &exit_code) == CLI_DONE)
        text_format(reason, sizeof(reason), "its command ended with %d", exit_code);
    else
        text_copy(reason, sizeof(reason), "its command could not be started");
    code = release_after(&h, exit_code != 0, reason);
    if (exit_code != 0 && code != CLI_UNKNOWN)
        code = cli_fail(cli, CLI_FAILED, "%s", reason);
    return code;
}

#define HOLD_OPTIONS                                                                               \
    (OPT(FOR) | OPT(REASON) | OPT(WAIT) | OPT(NO_DRAIN) | OPT(DRAIN_TIMEOUT) |                     \
     OPT(ON_DRAIN_TIMEOUT) | OPT(GATE_PASSES) | OPT(GATE_MIN) | OPT(GATE_DEADLINE) | OPT(SOAK) |   \
     OPT(MAX_UNAVAILABLE) | OPT(WINDOW))

#define LOUDLY                                                                                     \
    "After --for it expires: the server is not returned, since nobody knows what became of it; "   \
    "it stays out and in the budget,\nthe status says so, and a notice goes out. A release that "  \
    "comes late still gives it back."

const struct cli_verb cli_verbs_hold[] = {
    {"hold", "list", "", 0, 0, 0, 0, "Servers in the hands of other tools", NULL, hold_list},
    {"hold", "acquire", "SERVER", 1, 1, HOLD_OPTIONS, OPT(FOR),
     "Take a server for another tool, and print the token that releases it",
     "Waits until the budget has room and the server is drained, at most --wait (30m). " LOUDLY,
     hold_acquire},
    {"hold", "release", "SERVER|TOKEN", 1, 1, OPT(REASON) | OPT(FAILED) | OPT(DETACH), 0,
     "Give a held server back: it has to prove itself, and returns to rotation",
     "With its token no reason is needed. One that is still waited for is given up.\nThe exit code "
     "is that of the run: 0 when the server is back in service.",
     hold_release},
    {"hold", "run", "SERVER -- COMMAND...", 1, 1, HOLD_OPTIONS, OPT(FOR),
     "Take a server, run a command, give the server back",
     "The command has this terminal, and finds FARMHAND_HOLD_SERVER, FARMHAND_HOLD_RUN and "
     "FARMHAND_HOLD_TOKEN in its environment.\nWhatever becomes of it the server is given back: "
     "proved by its probe, and only then in rotation again.\nThe exit code is 0 when the command "
     "ended with 0 and the server is back, 1 when either failed.\n" LOUDLY,
     hold_run},
    {0},
};

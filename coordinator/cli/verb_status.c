/* verb_status.c - farmhand status: the farm at a glance. */
#include "coordinator/cli/cli.h"

#include "common/clock.h"

#include <stdio.h>

/* A line with a head of its own width, wrapped under itself. */
static void add_line(const struct cli *cli, const char *head, enum style style, const char *words,
                     struct text *out)
{
    struct text wrapped = {0};
    size_t wide = text_columns(head);
    say_styled(out, &cli->terminal, STYLE_BOLD, head);
    say_spaces(out, wide < 12 ? 12 - wide : 1);
    say_wrapped(&wrapped, words, 12, cli_columns(cli));
    if (style == STYLE_PLAIN || !cli->terminal.colour)
        text_add(out, text_get(&wrapped));
    else /* a styled text stands on one line */
        say_styled(out, &cli->terminal, style, words);
    text_add(out, "\n");
    text_reset(&wrapped);
}

static void add_health(const struct cli *cli, const json_t *status, struct text *out)
{
    const char *health = cli_text(status, "health");
    const json_t *c = json_object_get(status, "coordinator");
    bool healthy = text_equal(health, "healthy");
    struct text words = {0};
    char length[TEXT_DURATION_MAX];
    int64_t began;
    add_line(cli, "Farm", healthy ? STYLE_GREEN : STYLE_YELLOW, *health ? health : "unknown", out);
    text_addf(&words, "version %s", cli_text(c, "version"));
    if (text_parse_time(cli_text(c, "started_at"), &began))
        text_addf(&words, ", up %s", say_duration(length, clock_wall_ms() - began));
    if (cli_true(c, "settling"))
        text_add(&words, ", settling: nothing is concluded yet");
    add_line(cli, "Coordinator", STYLE_PLAIN, text_get(&words), out);
    if (!cli_is_null(c, "frozen"))
        add_line(cli, "Frozen", STYLE_RED, cli_text(c, "frozen"), out);
    if (*cli_text(c, "store") && !text_equal(cli_text(c, "store"), "ok"))
        add_line(cli, "Store", STYLE_RED, cli_text(c, "store"), out);
    text_reset(&words);
}

static void add_servers(const struct cli *cli, const json_t *status, struct text *out)
{
    static const char *const keys[] = {"fresh", "silent", "down", "quarantined", "declared_out"};
    static const char *const said[] = {"answering", "silent", "down", "quarantined",
                                       "declared out"};
    const json_t *servers = json_object_get(status, "servers");
    struct text words = {0};
    text_addf(&words, "%lld", (long long)cli_number(servers, "total"));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (cli_number(servers, keys[i]) > 0)
            text_addf(&words, "%s %lld %s", i && words.len > 4 ? "," : ":",
                      (long long)cli_number(servers, keys[i]), said[i]);
    add_line(cli, "Servers", STYLE_PLAIN, text_get(&words), out);
    text_reset(&words);
}

/* Has one before it the same to say? */
static bool was_said(const json_t *list, size_t at, const char *what)
{
    for (size_t i = 0; i < at; i++)
        if (text_equal(cli_text(json_array_get(list, i), what),
                       cli_text(json_array_get(list, at), what)))
            return true;
    return false;
}

/* "; web01 silent for 12s; web02, web03: its services do not run": what is said of several is said
 * once. */
static void add_each(const json_t *list, const char *what, struct text *words)
{
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        const char *said = cli_text(json_array_get(list, i), what);
        size_t servers = 0;
        if (was_said(list, i, what))
            continue;
        for (size_t k = i; k < count; k++) {
            const json_t *one = json_array_get(list, k);
            if (text_equal(cli_text(one, what), said))
                text_addf(words, "%s %s", servers++ ? "," : ";", cli_text(one, "server"));
        }
        text_addf(words, "%s %s", servers > 1 ? ":" : "", said);
    }
}

static void add_budget(const struct cli *cli, const json_t *budget, struct text *out)
{
    struct text words = {0}, held = {0};
    size_t i;
    const json_t *one;
    if (!cli_is_null(budget, "group"))
        text_addf(&words, "%s: ", cli_text(budget, "group"));
    text_addf(&words, "%lld of %lld may be out, in use: %lld",
              (long long)cli_number(budget, "limit"), (long long)cli_number(budget, "servers"),
              (long long)cli_number(budget, "used"));
    if (cli_number(budget, "min_in_service") > 0)
        text_addf(&words, ", in service: %lld of at least %lld",
                  (long long)cli_number(budget, "in_service"),
                  (long long)cli_number(budget, "min_in_service"));
    if (cli_number(budget, "declared_out") > 0)
        text_addf(&words, ", declared out: %lld", (long long)cli_number(budget, "declared_out"));
    add_each(cli_list(budget, "out"), "why", &words);
    add_line(cli, "Budget", STYLE_PLAIN, text_get(&words), out);
    json_array_foreach(cli_list(budget, "held"), i, one)
        text_addf(&held, "%s%s by %s", i ? ", " : "", cli_text(one, "server"), cli_text(one, "by"));
    if (held.len > 0)
        add_line(cli, "Held", STYLE_PLAIN, text_get(&held), out);
    text_reset(&words);
    text_reset(&held);
}

static void add_budgets(const struct cli *cli, const json_t *status, struct text *out)
{
    size_t i;
    const json_t *one;
    json_array_foreach(cli_list(status, "budgets"), i, one) add_budget(cli, one, out);
}

static void add_runs(const struct cli *cli, const json_t *status, struct text *out)
{
    size_t i;
    const json_t *run;
    struct text words = {0};
    json_array_foreach(cli_list(status, "runs"), i, run)
    {
        const json_t *counts = json_object_get(run, "counts");
        text_addf(&words, "%lld  %s %s on %s  %s  %lld/%lld", (long long)cli_number(run, "id"),
                  cli_text(run, "action"), cli_text(run, "pool"), cli_text(run, "on"),
                  cli_text(run, "state"), (long long)cli_number(counts, "done"),
                  (long long)cli_number(counts, "total"));
        if (*cli_text(run, "why"))
            text_addf(&words, "  %s", cli_text(run, "why"));
        add_line(cli, "Run", STYLE_PLAIN, text_get(&words), out);
        text_reset(&words);
    }
}

static void add_incidents(const struct cli *cli, const json_t *status, struct text *out)
{
    size_t i;
    const json_t *one;
    struct text words = {0};
    char at[SAY_TIME_MAX];
    json_array_foreach(cli_list(status, "incidents"), i, one)
    {
        text_addf(&words, "%s", cli_text(one, "server"));
        if (*cli_text(one, "pool"))
            text_addf(&words, " %s", cli_text(one, "pool"));
        text_addf(&words, ": %s (since %s)",
                  *cli_text(one, "text") ? cli_text(one, "text") : cli_text(one, "kind"),
                  say_time(at, cli_text(one, "opened_at")));
        add_line(cli, "Incident", STYLE_PLAIN, text_get(&words), out);
        text_reset(&words);
    }
}

static void add_holds(const struct cli *cli, const json_t *status, struct text *out)
{
    size_t i;
    const json_t *one;
    struct text words = {0};
    char until[SAY_TIME_MAX];
    json_array_foreach(cli_list(status, "holds"), i, one)
    {
        bool expired = text_equal(cli_text(one, "state"), "expired");
        text_addf(&words, "%s %s, by %s: %s", cli_text(one, "server"), cli_text(one, "state"),
                  cli_text(one, "by"), cli_text(one, "reason"));
        if (!cli_is_null(one, "until"))
            text_addf(&words, " (%s %s; run %lld)", expired ? "its time was over at" : "until",
                      say_time(until, cli_text(one, "until")), (long long)cli_number(one, "run"));
        add_line(cli, "Hold", expired ? STYLE_RED : STYLE_PLAIN, text_get(&words), out);
        text_reset(&words);
    }
}

/* Pools that stayed stopped are as they should be; a server without its web services is missed. */
static void add_kept(const struct cli *cli, const json_t *status, struct text *out)
{
    size_t i;
    const json_t *one;
    struct text words = {0};
    char at[SAY_TIME_MAX];
    json_array_foreach(cli_list(status, "kept_stopped"), i, one)
    {
        bool back = !cli_is_null(one, "back_since"), of_pool = *cli_text(one, "pool");
        bool found_down = cli_true(one, "found_down");
        if (!back && of_pool)
            continue;
        if (of_pool)
            text_addf(&words, "%s on ", cli_text(one, "pool"));
        text_addf(&words, "%s: ", cli_text(one, "server"));
        if (back)
            text_addf(&words, "%s, though ", cli_text(one, "back_how"));
        text_addf(&words, "run %lld %s %s (by %s: %s); %s %s", (long long)cli_number(one, "run"),
                  found_down ? "was to keep" : "stopped",
                  found_down ? "web services down that others had disabled"
                  : of_pool  ? "it to stay stopped"
                             : "its web services to stay stopped",
                  cli_text(one, "by"), cli_text(one, "reason"), back ? "seen" : "since",
                  say_time(at, cli_text(one, back ? "back_since" : "since")));
        add_line(cli, back ? "Came back" : "Stopped", back ? STYLE_RED : STYLE_PLAIN,
                 text_get(&words), out);
        text_reset(&words);
    }
}

static void add_maintenance(const struct cli *cli, const json_t *status, struct text *out)
{
    size_t i;
    const json_t *one;
    struct text words = {0};
    char until[SAY_TIME_MAX];
    json_array_foreach(cli_list(status, "maintenance"), i, one)
    {
        text_addf(&words, "%s until %s: %s (by %s)", cli_text(one, "server"),
                  say_time(until, cli_text(one, "until")), cli_text(one, "reason"),
                  cli_text(one, "by"));
        add_line(cli, "Maintenance", STYLE_PLAIN, text_get(&words), out);
        text_reset(&words);
    }
}

/* Only those in trouble: the others are nobody's concern here. */
static void add_notices(const struct cli *cli, const json_t *status, struct text *out)
{
    size_t i;
    const json_t *one;
    struct text words = {0};
    json_array_foreach(cli_list(status, "notices"), i, one)
    {
        if (!*cli_text(one, "trouble") && cli_number(one, "given_up") == 0)
            continue;
        text_addf(&words, "%s: %lld waiting, %lld given up", cli_text(one, "name"),
                  (long long)cli_number(one, "waiting"), (long long)cli_number(one, "given_up"));
        if (*cli_text(one, "trouble"))
            text_addf(&words, "; %s", cli_text(one, "trouble"));
        add_line(cli, "Notice", STYLE_PLAIN, text_get(&words), out);
        text_reset(&words);
    }
}

static int run_status(struct cli *cli)
{
    json_t *status = NULL;
    struct text out = {0};
    int code = cli_get(cli, "/v1/status", &status);
    if (code != CLI_DONE)
        return code;
    if (!cli_print_json(cli, status)) {
        add_health(cli, status, &out);
        add_servers(cli, status, &out);
        add_budgets(cli, status, &out);
        add_runs(cli, status, &out);
        add_incidents(cli, status, &out);
        add_kept(cli, status, &out);
        add_holds(cli, status, &out);
        add_maintenance(cli, status, &out);
        add_notices(cli, status, &out);
        cli_print(&out);
    }
    code = text_equal(cli_text(status, "health"), "healthy") ? CLI_DONE : CLI_FAILED;
    json_decref(status);
    return code;
}

static int run_takeover(struct cli *cli)
{
    json_t *answer = NULL;
    struct text line = {0};
    int code = cli_change(cli, "/v1/takeover", NULL, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        text_addf(&line, "This coordinator is in charge, under fence %lld\n",
                  (long long)cli_number(answer, "fence"));
        cli_print(&line);
    }
    json_decref(answer);
    return code;
}

const struct cli_verb cli_verbs_status[] = {
    {"status", NULL, "", 0, 0, 0, 0, "The farm at a glance",
     "The exit code is 0 when the farm is healthy, 1 when it is degraded.", run_status},
    {"takeover", NULL, "", 0, 0, OPT(REASON), 0, "Put a frozen coordinator in charge",
     "A coordinator freezes when agents know a higher fence than its own: another one runs, or "
     "its\n"
     "store was restored from an older copy. Stop the other one first; then this one goes on.",
     run_takeover},
    {0},
};

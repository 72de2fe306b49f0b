/* story.c - a run told as a story: who, why, when, each server with its proof, and what to do. */
#include "coordinator/cli/cli.h"

#include "common/clock.h"

#include <stdio.h>
#include <string.h>

enum mark cli_mark_of_target(const char *state)
{
    if (text_equal(state, "done"))
        return MARK_DONE;
    if (text_equal(state, "failed") || text_equal(state, "aborted"))
        return MARK_FAILED;
    if (text_equal(state, "unknown"))
        return MARK_UNKNOWN;
    if (text_equal(state, "waiting"))
        return MARK_WAITING;
    if (text_equal(state, "skipped") || text_equal(state, "nothing"))
        return MARK_SKIPPED;
    return MARK_WORKING;
}

const char *cli_target_name(const json_t *target)
{
    const char *key = cli_text(target, "key");
    return *key ? key : cli_text(target, "server");
}

enum style cli_style_of_run(const char *state)
{
    if (text_equal(state, "done"))
        return STYLE_GREEN;
    if (text_equal(state, "failed") || text_equal(state, "aborted"))
        return STYLE_RED;
    if (text_equal(state, "running"))
        return STYLE_CYAN;
    return STYLE_YELLOW;
}

int cli_exit_of_run(const json_t *run)
{
    const char *state = cli_text(run, "state");
    if (cli_number(json_object_get(run, "counts"), "unknown") > 0)
        return CLI_UNKNOWN;
    if (text_equal(state, "done"))
        return CLI_DONE;
    if (text_equal(state, "partial") || text_equal(state, "aborted"))
        return CLI_PARTIAL;
    if (text_equal(state, "failed"))
        return CLI_FAILED;
    return cli_true(run, "ended") ? CLI_UNKNOWN : CLI_DONE;
}

/* ---- proof ---- */

static void add_pids(const json_t *list, struct text *out)
{
    size_t i;
    const json_t *pid;
    if (json_array_size(list) == 0)
        text_add(out, "none");
    json_array_foreach(list, i, pid)
        text_addf(out, "%s%lld", i ? "," : "", (long long)json_integer_value(pid));
}

static void add_part(struct text *out, size_t begin, const char *part)
{
    text_addf(out, "%s%s", out->len > begin ? ", " : "", part);
}

void cli_add_proof(const struct terminal *t, const json_t *target, struct text *out)
{
    const json_t *proof = json_object_get(target, "proof");
    const json_t *attempts = json_object_get(target, "attempts");
    char part[96], length[TEXT_DURATION_MAX];
    size_t begin = out->len;
    if (!json_is_object(proof))
        return;
    size_t before = json_array_size(cli_list(proof, "before"));
    size_t after = json_array_size(cli_list(proof, "after"));
    bool untouched = after == 0 && attempts && json_integer_value(attempts) == 0;
    if (before + after > 0 && !untouched) {
        text_add(out, "workers ");
        add_pids(cli_list(proof, "before"), out);
        text_addf(out, " %s ", say_arrow(t));
        add_pids(cli_list(proof, "after"), out);
    }
    if (!cli_is_null(proof, "probe_status")) {
        int64_t status = cli_number(proof, "probe_status");
        if (status > 0) { /* 0: not probed, or no answer; the detail tells which */
            text_format(part, sizeof(part), "probe answered %lld in %s", (long long)status,
                        say_duration(length, cli_number(proof, "probe_ms")));
            add_part(out, begin, part);
        }
    }
    if (cli_number(proof, "gap_ms") > 0) {
        text_format(part, sizeof(part), "%s without a worker",
                    say_duration(length, cli_number(proof, "gap_ms")));
        add_part(out, begin, part);
    }
}

static void add_sentence(struct text *out, const char *sentence)
{
    if (*sentence)
        text_addf(out, "%s%s", out->len ? "; " : "", sentence);
}

/* Everything known about one server, in a sentence. */
static void add_what(const struct terminal *t, const json_t *target, struct text *out)
{
    const char *state = cli_text(target, "state");
    enum mark mark = cli_mark_of_target(state);
    bool ended = mark != MARK_WAITING && mark != MARK_WORKING;
    struct text proof = {0};
    cli_add_proof(t, target, &proof);
    add_sentence(out, cli_text(target, "detail"));
    if (!ended || (!*cli_text(target, "detail") && proof.len == 0))
        add_sentence(out, cli_text(target, "step"));
    add_sentence(out, text_get(&proof));
    text_reset(&proof);
    if (cli_number(target, "sessions_left") > 0 && cli_number(target, "attempts") > 0) {
        text_addf(&proof, "%lld sessions were left in it when the drain came to its limit",
                  (long long)cli_number(target, "sessions_left"));
        add_sentence(out, text_get(&proof));
        text_reset(&proof);
    }
    if (!ended || mark == MARK_SKIPPED)
        return;
    if (cli_true(target, "in_rotation_again"))
        add_sentence(out, "in rotation again");
    else if ((mark == MARK_FAILED || mark == MARK_UNKNOWN) && !cli_is_null(target, "started_at"))
        add_sentence(out, "not put back by this run");
}

/* ---- targets ---- */

static size_t widest_server(const json_t *targets)
{
    size_t i, widest = 6;
    const json_t *target;
    json_array_foreach(targets, i, target)
    {
        size_t wide = text_columns(cli_target_name(target));
        widest = wide > widest ? wide : widest;
    }
    return widest < 30 ? widest : 30;
}

#define STATE_COLUMNS 9
#define TOOK_COLUMNS  7

static void add_padded(struct text *out, const struct terminal *t, enum style style, const char *s,
                       size_t columns)
{
    struct text cut = {0};
    size_t taken = say_cut(&cut, t, s, columns);
    say_styled(out, t, style, text_get(&cut));
    say_spaces(out, columns - taken + 2);
    text_reset(&cut);
}

static void add_target(const struct cli *cli, const json_t *target, size_t server_columns,
                       struct text *out)
{
    char took[TEXT_DURATION_MAX] = "";
    const char *state = cli_text(target, "state");
    enum mark mark = cli_mark_of_target(state);
    enum style style = say_mark_style(mark);
    struct text what = {0};
    if (cli_number(target, "elapsed_ms") > 0)
        say_duration(took, cli_number(target, "elapsed_ms"));
    text_add(out, "  ");
    say_styled(out, &cli->terminal, style, say_mark(&cli->terminal, mark));
    text_add(out, " ");
    add_padded(out, &cli->terminal, STYLE_PLAIN, cli_target_name(target), server_columns);
    add_padded(out, &cli->terminal, style, state, STATE_COLUMNS);
    add_padded(out, &cli->terminal, STYLE_DIM, took, TOOK_COLUMNS);
    add_what(&cli->terminal, target, &what);
    size_t columns = cli_columns(cli);
    say_wrapped(out, text_get(&what), 4 + server_columns + STATE_COLUMNS + TOOK_COLUMNS + 6,
                columns > 0 ? columns : 80);
    text_add(out, "\n");
    text_reset(&what);
}

/* What was found or kept on the way, under its server: by the rungs of a recovery, before a kill.
 */
static void add_findings(const struct cli *cli, const json_t *target, struct text *out)
{
    size_t i;
    const json_t *one;
    json_array_foreach(cli_list(target, "findings"), i, one)
    {
        char head[48];
        text_format(head, sizeof(head), "      %-10s  ", cli_text(one, "rung"));
        say_styled(out, &cli->terminal, STYLE_DIM, head);
        say_wrapped(out, cli_text(one, "text"), 18, cli_columns(cli) ? cli_columns(cli) : 80);
        text_add(out, "\n");
    }
}

/* Each step with its time, under its server. */
static void add_steps(const struct cli *cli, const json_t *target, struct text *out)
{
    size_t i;
    const json_t *step;
    json_array_foreach(cli_list(target, "steps"), i, step)
    {
        char at[SAY_TIME_MAX];
        struct text line = {0};
        text_addf(&line, "%s %s %s", cli_text(step, "from"), say_arrow(&cli->terminal),
                  cli_text(step, "to"));
        if (*cli_text(step, "text"))
            text_addf(&line, ": %s", cli_text(step, "text"));
        text_add(out, "      ");
        say_styled(out, &cli->terminal, STYLE_DIM, say_time(at, cli_text(step, "at")));
        text_add(out, "  ");
        say_wrapped(out, text_get(&line), 8, cli_columns(cli) ? cli_columns(cli) : 80);
        text_add(out, "\n");
        text_reset(&line);
    }
}

/* What a run counts: servers, or pools on them where it has several of one server. */
static const char *counted(const json_t *run)
{
    const json_t *first = json_array_get(cli_list(run, "targets"), 0);
    const char *key = cli_text(first, "key");
    return *key && !text_equal(key, cli_text(first, "server")) ? "target" : "server";
}

static void add_counts(const json_t *run, struct text *out)
{
    static const char *const words[] = {"done",    "nothing", "skipped", "failed",
                                        "aborted", "unknown", "active",  "waiting"};
    static const char *const said[] = {
        "done",     "had nothing to do", "skipped",         "failed",
        "given up", "not settled",       "being worked on", "not begun yet"};
    const json_t *counts = json_object_get(run, "counts");
    int64_t total = cli_number(counts, "total");
    text_addf(out, "  %lld %s%s", (long long)total, counted(run), total == 1 ? "" : "s");
    const char *before = ": ";
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        int64_t n = cli_number(counts, words[i]);
        bool never = text_equal(words[i], "waiting") && cli_true(run, "ended");
        if (n > 0)
            text_addf(out, "%s%lld %s", before, (long long)n, never ? "never begun" : said[i]);
        if (n > 0)
            before = ", ";
    }
    text_add(out, "\n");
}

/* ---- advice ---- */

static void add_command(const struct cli *cli, const char *why, const char *command,
                        struct text *out)
{
    text_add(out, "  ");
    say_wrapped(out, why, 2, cli_columns(cli));
    text_add(out, "\n    ");
    say_styled(out, &cli->terminal, STYLE_BOLD, command);
    text_add(out, "\n");
}

/* A word that is safe to paste into a shell, whatever a server or pool is called. */
static void add_word(struct text *out, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,=";
    struct text safe = {0};
    text_add_safe(&safe, word);
    const char *s = text_get(&safe);
    if (*s && s[strspn(s, plain)] == '\0') {
        text_add(out, s);
    } else {
        text_add(out, "'");
        for (; *s; s++)
            if (*s == '\'')
                text_add(out, "'\\''");
            else
                text_add_bytes(out, s, 1);
        text_add(out, "'");
    }
    text_reset(&safe);
}

static void advise_target(const struct cli *cli, const json_t *run, const json_t *target,
                          struct text *out)
{
    struct text why = {0}, command = {0};
    const char *server = cli_text(target, "server"), *state = cli_text(target, "state");
    bool begun = !cli_is_null(target, "started_at");
    if (text_equal(state, "unknown")) {
        text_addf(&why, "%s: nobody knows yet whether it was done. Look at the server, then say:",
                  server);
        text_addf(&command, "farmhand run resolve %lld ", (long long)cli_number(run, "id"));
        add_word(&command, server);
        text_add(&command, " --as done|failed|not-executed --reason \"...\"");
    } else if (text_equal(state, "failed") && begun && !cli_true(target, "in_rotation_again")) {
        text_addf(
            &why,
            "%s was not put back. If it is out of rotation, put it back once it is well:", server);
        text_add(&command, "farmhand server undrain ");
        add_word(&command, server);
        const char *pool =
            *cli_text(target, "pool") ? cli_text(target, "pool") : cli_text(run, "pool");
        if (*pool) {
            text_add(&command, " --pool ");
            add_word(&command, pool);
        }
        text_add(&command, " --reason \"...\"");
    }
    if (why.len > 0)
        add_command(cli, text_get(&why), text_get(&command), out);
    text_reset(&why);
    text_reset(&command);
}

static bool has_cause(const json_t *run, const char *cause)
{
    size_t i;
    const json_t *one;
    json_array_foreach(cli_list(run, "pause_causes"), i,
                       one) if (text_equal(json_string_value(one), cause)) return true;
    return false;
}

/* What a retry would take up. */
static int64_t count_left(const json_t *run)
{
    int64_t left = 0;
    size_t i;
    const json_t *target;
    json_array_foreach(cli_list(run, "targets"), i, target)
    {
        const char *state = cli_text(target, "state");
        left += text_equal(state, "waiting") || text_equal(state, "failed") ||
                text_equal(state, "aborted") ||
                text_equal(cli_text(target, "trouble"), "unreachable");
    }
    return left;
}

static void advise_retry(const struct cli *cli, const json_t *run, struct text *out)
{
    char why[160], command[160];
    int64_t left = count_left(run), by = cli_number(run, "retried_by");
    if (by > 0) {
        text_format(command, sizeof(command), "farmhand run show %lld", (long long)by);
        add_command(cli, "What it left was taken up by another run. How that went:", command, out);
        return;
    }
    if (left == 0 || text_equal(cli_text(run, "action"), "hold"))
        return;
    text_format(why, sizeof(why),
                "%lld %s%s left over: failed, given up, not reached or never touched. Once the "
                "cause is mended:",
                (long long)left, counted(run), left == 1 ? " is" : "s are");
    text_format(command, sizeof(command), "farmhand run retry %lld --reason \"...\"",
                (long long)cli_number(run, "id"));
    add_command(cli, why, command, out);
}

void cli_add_advice(const struct cli *cli, const json_t *run, struct text *out)
{
    size_t i;
    const json_t *target;
    char command[160];
    const char *state = cli_text(run, "state");
    long long id = (long long)cli_number(run, "id");
    json_array_foreach(cli_list(run, "targets"), i, target) advise_target(cli, run, target, out);
    if (text_equal(state, "paused") &&
        (has_cause(run, "person") || has_cause(run, "failures") || has_cause(run, "canary"))) {
        text_format(command, sizeof(command), "farmhand run resume %lld --reason \"...\"", id);
        add_command(cli, "The run is paused. To go on:", command, out);
    }
    if (text_equal(state, "paused") && has_cause(run, "approval")) {
        text_format(command, sizeof(command), "farmhand run approve %lld --reason \"...\"", id);
        add_command(cli, "The run has not begun. To let it begin, one of those who may:", command,
                    out);
    }
    if (cli_true(run, "ended") && !text_equal(state, "done"))
        advise_retry(cli, run, out);
}

/* ---- the story ---- */

static void add_head(const struct cli *cli, const json_t *run, struct text *out)
{
    struct text line = {0};
    char at[SAY_TIME_MAX];
    text_addf(&line, "Run %lld: %s%s%s on %s", (long long)cli_number(run, "id"),
              cli_text(run, "action"), *cli_text(run, "pool") ? " " : "", cli_text(run, "pool"),
              cli_text(run, "on"));
    say_styled(out, &cli->terminal, STYLE_BOLD, text_get(&line));
    text_add(out, "   ");
    say_styled(out, &cli->terminal, cli_style_of_run(cli_text(run, "state")),
               cli_text(run, "state"));
    text_add(out, "\n  ");
    text_reset(&line);
    if (cli_number(run, "parent") > 0)
        text_addf(&line, "takes up what run %lld left; ", (long long)cli_number(run, "parent"));
    text_addf(&line, "asked for by %s at %s: \"%s\"", cli_text(run, "actor"),
              say_time(at, cli_text(run, "created_at")), cli_text(run, "reason"));
    say_wrapped(out, text_get(&line), 2, cli_columns(cli));
    text_add(out, "\n");
    text_reset(&line);
}

static void add_end(const struct cli *cli, const json_t *run, struct text *out)
{
    struct text line = {0};
    char length[TEXT_DURATION_MAX];
    int64_t from = 0, to = clock_wall_ms();
    bool ended = cli_true(run, "ended");
    bool known = text_parse_time(cli_text(run, "created_at"), &from);
    if (ended)
        known = known && text_parse_time(cli_text(run, "ended_at"), &to);
    if (known)
        text_addf(&line, "%s %s", ended ? "ended after" : "under way for",
                  say_duration(length, to - from));
    else
        text_add(&line, ended ? "ended" : "under way");
    if (*cli_text(run, "why"))
        text_addf(&line, ": %s", cli_text(run, "why"));
    text_add(out, "  ");
    say_wrapped(out, text_get(&line), 2, cli_columns(cli));
    text_add(out, "\n");
    text_reset(&line);
}

/* What a person has to know of a server, also where the rest is told in numbers. */
static bool is_trouble(const char *state)
{
    enum mark mark = cli_mark_of_target(state);
    return mark == MARK_FAILED || mark == MARK_UNKNOWN || text_equal(state, "aborted");
}

/* Where it lies is what the one who ended a worker wants to know, however well that went. */
static bool keeps_evidence(const json_t *target)
{
    const json_t *first = json_array_get(cli_list(target, "findings"), 0);
    return first && text_equal(cli_text(first, "rung"), "evidence");
}

void cli_print_story(const struct cli *cli, const json_t *run, bool whole)
{
    struct text out = {0}, advice = {0};
    size_t i;
    const json_t *target, *targets = cli_list(run, "targets");
    size_t server_columns = widest_server(targets);
    add_head(cli, run, &out);
    add_end(cli, run, &out);
    add_counts(run, &out);
    text_add(&out, "\n");
    json_array_foreach(targets, i, target) if (whole || keeps_evidence(target) ||
                                               is_trouble(cli_text(target, "state")))
    {
        add_target(cli, target, server_columns, &out);
        add_findings(cli, target, &out);
        if (whole)
            add_steps(cli, target, &out);
    }
    cli_add_advice(cli, run, &advice);
    if (advice.len > 0) {
        text_add(&out, "\n");
        say_styled(&out, &cli->terminal, STYLE_BOLD, "What to do next");
        text_addf(&out, "\n%s", text_get(&advice));
    }
    cli_print(&out);
    text_reset(&advice);
}

/* verb_warm.c - farmhand pool warm: what keeps a pool from a recycle that nobody notices. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/table.h"

#include "common/must.h"

#include <stdio.h>

/* ---- --check ---- */

/* The recycles of that pool on that server: how many, and the worst of them. */
struct past {
    size_t count;
    int64_t gap_ms, probe_ms;
};

static struct past past_of(const json_t *recycles, const json_t *target)
{
    struct past past = {0};
    size_t i;
    const json_t *one;
    json_array_foreach(recycles, i, one)
    {
        if (past.count == 5 || !text_equal(cli_text(one, "server"), cli_text(target, "server")) ||
            !text_equal_nocase(cli_text(one, "pool"), cli_text(target, "pool")))
            continue;
        past.count++;
        if (cli_number(one, "gap_ms") > past.gap_ms)
            past.gap_ms = cli_number(one, "gap_ms");
        if (cli_number(one, "probe_ms") > past.probe_ms)
            past.probe_ms = cli_number(one, "probe_ms");
    }
    return past;
}

static bool is_warm(const json_t *agent)
{
    return text_equal(cli_text(agent, "would"), "nothing");
}

static void add_target(struct table *t, const json_t *target, const json_t *recycles)
{
    const json_t *agent = json_object_get(target, "agent");
    const char *would = cli_text(agent, "would"), *text = cli_text(agent, "text");
    struct past past = past_of(recycles, target);
    bool known = text_equal(would, "nothing") || text_equal(would, "done") ||
                 text_equal(cli_text(agent, "cause"), "shared-config");
    table_cell(t, STYLE_BOLD, cli_text(target, "server"));
    table_cell(t, STYLE_PLAIN, cli_text(target, "pool"));
    table_cell(t, is_warm(agent) ? STYLE_GREEN : STYLE_YELLOW,
               is_warm(agent) ? "warm"
               : known        ? "cold"
                              : "unknown");
    if (past.count == 0)
        table_cell(t, STYLE_DIM, NULL);
    else
        table_cellf(t, past.gap_ms > 0 ? STYLE_YELLOW : STYLE_PLAIN, "%lld ms",
                    (long long)past.gap_ms);
    if (past.count == 0)
        table_cell(t, STYLE_DIM, NULL);
    else
        table_cellf(t, STYLE_PLAIN, "%lld ms", (long long)past.probe_ms);
    if (is_warm(agent))
        table_cell(t, STYLE_DIM, NULL);
    else
        table_cell(t, known ? STYLE_PLAIN : STYLE_YELLOW,
                   *text ? text : "its agent said nothing of it");
}

static void print_check(const struct cli *cli, const json_t *plan, const json_t *recycles)
{
    static const struct table_column columns[] = {
        {"SERVER", 9, 8, false}, {"POOL", 8, 6, false},        {"IT IS", 7, 7, false},
        {"GAP", 6, 5, true},     {"FIRST ANSWER", 5, 6, true}, {"WHAT IS MISSING", 1, 20, false},
    };
    struct text out = {0};
    size_t i;
    const json_t *target;
    struct table *t = table_open(columns, 6);
    json_array_foreach(cli_list(plan, "targets"), i, target) add_target(t, target, recycles);
    table_lay(t, &cli->terminal, cli_columns(cli), &out);
    table_close(t);
    json_array_foreach(cli_list(plan, "warnings"), i, target)
    {
        text_add(&out, "\nWith --apply: ");
        text_add_safe(&out, json_string_value(target));
        text_add(&out, "\n");
    }
    text_add(&out,
             "\nGap and first answer are the worst of the last five recycles. The addresses of "
             "applicationInitialization are\nthe application's own: `farmhand-agent doctor` "
             "on a server tells whether it has any.\n");
    cli_print(&out);
}

static int exit_of(const json_t *plan)
{
    size_t i;
    const json_t *target;
    int code = CLI_DONE;
    json_array_foreach(cli_list(plan, "targets"), i, target)
    {
        if (!is_warm(json_object_get(target, "agent")))
            code = CLI_FAILED;
    }
    return code;
}

static int warm_check(struct cli *cli)
{
    json_t *recycles = NULL;
    int code;
    json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "action", "warm", "pool", cli->words[0], "on",
                             cli_value(cli, OPT_ON, ""), "reason", "check only");
    must(body != NULL);
    json_t *plan = cli_rehearse(cli, body, &code);
    if (code == CLI_DONE)
        code = cli_get(cli, "/v1/recycles", &recycles);
    if (code == CLI_DONE) {
        json_object_set(plan, "recycles", cli_list(recycles, "recycles"));
        if (!cli_print_json(cli, plan))
            print_check(cli, plan, cli_list(recycles, "recycles"));
        code = exit_of(plan);
    }
    json_decref(recycles);
    json_decref(plan);
    json_decref(body);
    return code;
}

int cli_pool_warm(struct cli *cli)
{
    int given = cli_has(cli, OPT_CHECK) + cli_has(cli, OPT_APPLY) + cli_has(cli, OPT_UNDO);
    if (given != 1)
        return cli_fail(cli, CLI_USAGE, "say one of --check, --apply and --undo");
    if (cli_has(cli, OPT_CHECK))
        return warm_check(cli);
    return cli_start_run(cli, cli_has(cli, OPT_APPLY) ? "warm" : "unwarm", cli->words[0],
                         cli_value(cli, OPT_ON, ""));
}

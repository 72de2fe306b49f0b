/* verb_operator.c - farmhand operator ...: who may come from afar, and as what. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/table.h"

#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>

static void add_operator(struct table *t, const json_t *one)
{
    char at[SAY_TIME_MAX];
    const char *spent = cli_text(one, "spent");
    table_cell(t, STYLE_BOLD, cli_text(one, "name"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "role"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "servers"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "id"));
    table_cell(t, STYLE_PLAIN,
               cli_is_null(one, "expires_at") ? "never"
                                              : say_time(at, cli_text(one, "expires_at")));
    table_cell(t, STYLE_PLAIN, cli_text(one, "created_by"));
    table_cell(t, *spent ? STYLE_DIM : STYLE_GREEN, *spent ? spent : "good");
}

static int operator_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        {"OPERATOR", 9, 6, false}, {"ROLE", 7, 6, false},           {"SERVERS", 6, 6, false},
        {"TOKEN", 5, 16, false},   {"EXPIRES (UTC)", 4, 10, false}, {"MADE BY", 3, 5, false},
        {"STATE", 8, 8, false},
    };
    json_t *answer = NULL;
    int code = cli_get(cli, "/v1/operators", &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        struct text out = {0};
        struct table *t = table_open(columns, 7);
        size_t i;
        const json_t *one;
        json_array_foreach(cli_list(answer, "operators"), i, one) add_operator(t, one);
        table_lay(t, &cli->terminal, cli_columns(cli), &out);
        table_close(t);
        if (json_array_size(cli_list(answer, "operators")) == 0)
            printf("Nobody comes from afar: \"farmhand operator create NAME\" lets somebody\n");
        else
            cli_print(&out);
        text_reset(&out);
    }
    json_decref(answer);
    return code;
}

static void print_token(const json_t *answer)
{
    struct text out = {0};
    const char *url = cli_text(answer, "url");
    text_addf(&out, "The token of %s (%s, servers ", cli_text(answer, "name"),
              cli_text(answer, "role"));
    say_safe(&out, cli_text(answer, "servers"));
    text_addf(&out,
              "), told this once:\n\n%s\n\nInto a file that they alone can read, and the farm's CA "
              "into another, ca.crt:\n\n%s\nThen: farmhand --coordinator %s --token-file FILE --ca "
              "ca.crt status\n",
              cli_text(answer, "token"), cli_text(answer, "ca"),
              *url ? url : "https://COORDINATOR:7601");
    cli_print(&out);
    text_reset(&out);
}

static int operator_create(struct cli *cli)
{
    char *reason = cli_reason(cli);
    json_t *answer = NULL;
    if (!reason)
        return CLI_USAGE;
    json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "name", cli->words[0], "role",
                             cli_value(cli, OPT_ROLE, "viewer"), "servers",
                             cli_value(cli, OPT_SERVERS, "all"), "reason", reason);
    must(body != NULL);
    if (cli_has(cli, OPT_EXPIRES))
        json_object_set_new(body, "for_ms",
                            json_integer((json_int_t)cli_duration_ms(cli, OPT_EXPIRES)));
    int code = cli_post(cli, "/v1/operators", body, true, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer))
        print_token(answer);
    json_decref(body);
    json_decref(answer);
    free(reason);
    return code;
}

static int operator_revoke(struct cli *cli)
{
    struct text path = {0};
    json_t *answer = NULL;
    text_add(&path, "/v1/operators/");
    cli_add_escaped(&path, cli->words[0]);
    text_add(&path, "/revoke");
    int code = cli_change(cli, text_get(&path), NULL, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer))
        printf("That token is good for nothing any more\n");
    json_decref(answer);
    text_reset(&path);
    return code;
}

const struct cli_verb cli_verbs_operator[] = {
    {"operator", "create", "NAME", 1, 1, OPT(ROLE) | OPT(SERVERS) | OPT(EXPIRES) | OPT(REASON), 0,
     "Let somebody use this coordinator from afar: makes their token",
     "Roles: viewer looks; operator also starts, steers and ends runs; admin also lets servers and "
     "people "
     "in, and takes over.\nWith --servers what they change is those servers' alone; they see the "
     "whole "
     "farm.",
     operator_create},
    {"operator", "list", "", 0, 0, 0, 0, "Who may come from afar, and as what", NULL,
     operator_list},
    {"operator", "revoke", "TOKEN", 1, 1, OPT(REASON), 0, "End a token, by its number", NULL,
     operator_revoke},
    {0},
};

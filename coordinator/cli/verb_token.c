/* verb_token.c - farmhand token ..., and the servers that join by one: waiting, approved, removed.
 */
#include "coordinator/cli/listing.h"

#include "common/must.h"
#include "proto/token.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR_MS (60 * 60 * 1000)

/* ---- tokens ---- */

static void add_token(struct table *t, const json_t *one)
{
    char at[SAY_TIME_MAX];
    const char *spent = cli_text(one, "spent");
    table_cell(t, STYLE_BOLD, cli_text(one, "id"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "for"));
    table_cell(t, STYLE_PLAIN, *cli_text(one, "labels") ? cli_text(one, "labels") : NULL);
    table_cell(t, STYLE_PLAIN, cli_text(one, "profile"));
    table_cellf(t, STYLE_PLAIN, "%lld of %lld", (long long)cli_number(one, "used"),
                (long long)cli_number(one, "uses"));
    table_cell(t, STYLE_PLAIN, say_time(at, cli_text(one, "expires_at")));
    table_cell(t, STYLE_PLAIN, cli_text(one, "created_by"));
    table_cell(t, *spent ? STYLE_DIM : STYLE_GREEN, *spent ? spent : "good");
}

static int token_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        {"TOKEN", 9, 16, false},  {"FOR", 6, 5, false},   {"LABELS", 3, 6, false},
        {"PROFILE", 5, 7, false}, {"USED", 7, 6, false},  {"EXPIRES (UTC)", 6, 10, false},
        {"MADE BY", 2, 5, false}, {"STATE", 8, 8, false},
    };
    static const struct cli_listing listing = {
        columns, 8, add_token, "There is no token: \"farmhand token create --for NAME\" makes one"};
    return cli_show_listing(cli, "/v1/tokens", "tokens", &listing);
}

static void print_line(const json_t *answer)
{
    struct text out = {0};
    char at[SAY_TIME_MAX];
    const char *url = cli_text(answer, "url");
    text_addf(&out, "Token %s, for ", cli_text(answer, "id"));
    text_add_safe(&out, cli_text(answer, "for"));
    text_addf(&out,
              ", %lld time%s, until %s UTC, in the profile %s. On each server, as "
              "administrator:\n\nfarmhand-agent join %s %s\n\nIt is told this once.\n",
              (long long)cli_number(answer, "uses"), cli_number(answer, "uses") == 1 ? "" : "s",
              say_time(at, cli_text(answer, "expires_at")), cli_text(answer, "profile"),
              *url ? url : "https://COORDINATOR:7601", cli_text(answer, "token"));
    cli_print(&out);
    text_reset(&out);
}

static int token_create(struct cli *cli)
{
    char *reason = cli_reason(cli);
    json_t *answer = NULL;
    if (!reason)
        return CLI_USAGE;
    uint64_t for_ms = cli_has(cli, OPT_EXPIRES) ? cli_duration_ms(cli, OPT_EXPIRES) : HOUR_MS;
    json_t *body = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:s}", "for", cli_value(cli, OPT_FOR_NAMES, ""), "labels",
        cli_value(cli, OPT_LABEL, ""), "profile", cli_value(cli, OPT_PROFILE, "observe"), "uses",
        (json_int_t)cli_count(cli, OPT_USES, 1), "for_ms", (json_int_t)for_ms, "reason", reason);
    must(body != NULL);
    int code = cli_post(cli, "/v1/tokens", body, true, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer))
        print_line(answer);
    json_decref(body);
    json_decref(answer);
    free(reason);
    return code;
}

bool cli_is_secret(struct cli *cli, const char *list)
{
    if (!token_begins(cli->words[0]))
        return false;
    cli_fail(cli, CLI_USAGE,
             "that is the token itself, which is a secret: its number is wanted, as `%s` shows it",
             list);
    return true;
}

/* POST to /v1/KIND/WORD/VERB with a reason; `fields` is taken. */
static int change(struct cli *cli, const char *kind, const char *verb, json_t *fields,
                  json_t **answer)
{
    struct text path = {0};
    text_addf(&path, "/v1/%s/", kind);
    cli_add_escaped(&path, cli->words[0]);
    text_addf(&path, "/%s", verb);
    int code = cli_change(cli, text_get(&path), fields, answer);
    json_decref(fields);
    text_reset(&path);
    return code;
}

static int token_revoke(struct cli *cli)
{
    json_t *answer = NULL;
    if (cli_is_secret(cli, "farmhand token list"))
        return CLI_USAGE;
    int code = change(cli, "tokens", "revoke", json_object(), &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer))
        printf(
            "Nobody joins by it any more. Servers that did stay: \"farmhand server remove\" shuts "
            "them out\n");
    json_decref(answer);
    return code;
}

const struct cli_verb cli_verbs_token[] = {
    {"token", "create", "", 0, 0,
     OPT(FOR_NAMES) | OPT(LABEL) | OPT(USES) | OPT(EXPIRES) | OPT(PROFILE) | OPT(REASON),
     OPT(FOR_NAMES), "Make a token that lets servers join, and print the line for them",
     "A server whose name it is not for, or whose name has joined already, waits for \"farmhand "
     "server "
     "approve\".\nThe profile is the server's own word afterwards: agent.conf may say another.",
     token_create},
    {"token", "list", "", 0, 0, 0, 0, "Tokens, and what is left of them", NULL, token_list},
    {"token", "revoke", "TOKEN", 1, 1, OPT(REASON), 0, "Let nobody join by it any more", NULL,
     token_revoke},
    {0},
};

/* ---- servers ---- */

static void add_waiting(struct table *t, const json_t *one)
{
    char at[SAY_TIME_MAX];
    bool approved = !cli_is_null(one, "approved_at");
    table_cell(t, STYLE_BOLD, cli_text(one, "name"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "address"));
    table_cellf(t, STYLE_PLAIN, "%.12s", cli_text(one, "key"));
    table_cell(t, STYLE_DIM, say_time(at, cli_text(one, "asked_at")));
    table_cell(t, STYLE_PLAIN,
               approved ? "approved: it has to ask once more" : cli_text(one, "why"));
}

int cli_server_waiting(struct cli *cli)
{
    static const struct table_column columns[] = {
        {"SERVER", 9, 6, false},       {"FROM", 7, 7, false},          {"KEY", 5, 12, false},
        {"ASKED (UTC)", 4, 10, false}, {"WHY IT WAITS", 8, 12, false},
    };
    static const struct cli_listing listing = {columns, 5, add_waiting, "No server waits"};
    json_t *answer = NULL;
    int code = cli_get(cli, "/v1/members", &answer);
    const json_t *waiting = cli_list(answer, "waiting");
    if (code == CLI_DONE && !cli_print_json(cli, waiting))
        cli_print_listing(cli, &listing, waiting);
    json_decref(answer);
    return code;
}

int cli_server_approve(struct cli *cli)
{
    json_t *answer = NULL, *fields = json_object();
    if (cli_has(cli, OPT_KEY))
        json_object_set_new(fields, "key", json_string(cli_value(cli, OPT_KEY, "")));
    int code = change(cli, "servers", "approve", fields, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer))
        printf("It is let in when it asks the next time; a \"farmhand-agent join\" that still "
               "waits does "
               "so by itself\n");
    json_decref(answer);
    return code;
}

int cli_server_remove(struct cli *cli)
{
    json_t *answer = NULL;
    int code = change(cli, "servers", "remove", json_object(), &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        struct text out = {0};
        text_add(&out, "It is cut, and not let in any more. ");
        text_add_safe(&out, cli_true(answer, "listed") ? cli_text(answer, "why")
                                                       : "It has left the list of servers");
        text_add(&out, "\n");
        cli_print(&out);
        text_reset(&out);
    }
    json_decref(answer);
    return code;
}

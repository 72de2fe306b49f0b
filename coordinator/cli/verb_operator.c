/* verb_operator.c - farmhand operator ...: who may come from afar, and as what. */
#include "coordinator/cli/listing.h"

#include "common/keypair.h"
#include "common/must.h"
#include "common/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX 8192

/* What is there already may be a key that is in use. */
static enum error_code write_new(const char *path, const char *text, unsigned mode,
                                 struct error *err)
{
    struct os_file_id id;
    enum error_code code = os_file_id(path, &id, err);
    if (code == ERR_NONE && id.modified_ns != 0)
        code =
            error_set(err, ERR_EXISTS, "%s is there already: name another, or move it away", path);
    return code ? code : os_write_file(path, text, strlen(text), mode, err);
}

static void add_operator(struct table *t, const json_t *one)
{
    char at[SAY_TIME_MAX];
    const char *spent = cli_text(one, "spent");
    table_cell(t, STYLE_BOLD, cli_text(one, "name"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "role"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "servers"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "by"));
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
        {"OPERATOR", 9, 6, false}, {"ROLE", 7, 6, false},    {"SERVERS", 6, 6, false},
        {"BY", 2, 5, false},       {"NUMBER", 5, 16, false}, {"EXPIRES (UTC)", 4, 10, false},
        {"MADE BY", 3, 5, false},  {"STATE", 8, 8, false},
    };
    static const struct cli_listing listing = {
        columns, 8, add_operator,
        "Nobody comes from afar: \"farmhand operator create NAME\" lets somebody"};
    return cli_show_listing(cli, "/v1/operators", "operators", &listing);
}

static void print_token(const json_t *answer)
{
    struct text out = {0};
    const char *url = cli_text(answer, "url");
    text_addf(&out, "The token of %s (%s, servers ", cli_text(answer, "name"),
              cli_text(answer, "role"));
    text_add_safe(&out, cli_text(answer, "servers"));
    text_addf(&out,
              "), told this once:\n\n%s\n\nInto a file that they alone can read, and the farm's CA "
              "into another, ca.crt:\n\n%s\nThen: farmhand --coordinator %s --token-file FILE --ca "
              "ca.crt status\n",
              cli_text(answer, "token"), cli_text(answer, "ca"),
              *url ? url : "https://COORDINATOR:7601");
    cli_print(&out);
    text_reset(&out);
}

/* Into the file, or where there is none, out. */
static int tell_certificate(struct cli *cli, const json_t *answer)
{
    struct text out = {0};
    struct error err = {0};
    const char *url = cli_text(answer, "url"), *pem = cli_text(answer, "certificate");
    const char *to = cli_has(cli, OPT_TO) ? cli_value(cli, OPT_TO, "") : NULL;
    if (to && write_new(to, pem, 0644, &err) != ERR_NONE)
        return cli_fail(cli, CLI_FAILED, "%s; it is revoked with: farmhand operator revoke %s",
                        err.text, cli_text(answer, "id"));
    text_addf(&out, "The certificate of %s (%s, servers ", cli_text(answer, "name"),
              cli_text(answer, "role"));
    text_add_safe(&out, cli_text(answer, "servers"));
    text_addf(&out, ") until %s", cli_text(answer, "expires_at"));
    if (to)
        text_addf(&out, " is in %s.\n", to);
    else
        text_addf(&out, ":\n\n%s\n", pem);
    text_addf(&out,
              "They put it behind their key in one file: cat FILE >>%s.pem\nThe farm's CA, into "
              "ca.crt:\n\n%s\nThen: farmhand --coordinator %s --identity %s.pem --ca ca.crt "
              "status\n",
              cli_text(answer, "name"), cli_text(answer, "ca"),
              *url ? url : "https://COORDINATOR:7601", cli_text(answer, "name"));
    cli_print(&out);
    text_reset(&out);
    return CLI_DONE;
}

/* Of --request; NULL: answered already. */
static char *read_request(struct cli *cli)
{
    struct error err = {0};
    char *pem = NULL;
    if (os_read_file(cli_value(cli, OPT_REQUEST, ""), REQUEST_MAX, &pem, NULL, &err) == ERR_NONE)
        return pem;
    cli_fail(cli, CLI_USAGE, "--request: %s", err.text);
    return NULL;
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
    char *request = cli_has(cli, OPT_REQUEST) ? read_request(cli) : NULL;
    if (request)
        json_object_set_new(body, "request", json_string(request));
    int code = request || !cli_has(cli, OPT_REQUEST)
                   ? cli_post(cli, "/v1/operators", body, true, &answer)
                   : CLI_USAGE;
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        if (request)
            code = tell_certificate(cli, answer);
        else
            print_token(answer);
    }
    json_decref(body);
    json_decref(answer);
    free(request);
    free(reason);
    return code;
}

static int operator_renew(struct cli *cli)
{
    if (cli_is_secret(cli, "farmhand operator list"))
        return CLI_USAGE;
    char *reason = cli_reason(cli);
    struct text path = {0};
    json_t *answer = NULL;
    if (!reason)
        return CLI_USAGE;
    json_t *body = json_pack("{s:s}", "reason", reason);
    must(body != NULL);
    if (cli_has(cli, OPT_EXPIRES))
        json_object_set_new(body, "for_ms",
                            json_integer((json_int_t)cli_duration_ms(cli, OPT_EXPIRES)));
    if (cli_has(cli, OPT_FOR))
        json_object_set_new(body, "overlap_ms",
                            json_integer((json_int_t)cli_duration_ms(cli, OPT_FOR)));
    char *request = cli_has(cli, OPT_REQUEST) ? read_request(cli) : NULL;
    if (request)
        json_object_set_new(body, "request", json_string(request));
    text_add(&path, "/v1/operators/");
    cli_add_escaped(&path, cli->words[0]);
    text_add(&path, "/renew");
    int code = request || !cli_has(cli, OPT_REQUEST)
                   ? cli_post(cli, text_get(&path), body, true, &answer)
                   : CLI_USAGE;
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        code = request ? tell_certificate(cli, answer) : (print_token(answer), CLI_DONE);
        printf("\nThe former, %s, ends by itself: `farmhand operator list` says when\n",
               cli->words[0]);
    }
    json_decref(body);
    json_decref(answer);
    text_reset(&path);
    free(request);
    free(reason);
    return code;
}

/* On the machine of who wants a certificate: the key never leaves it. */
static int operator_request(struct cli *cli)
{
    struct error err = {0};
    char *key = NULL, *request = NULL;
    struct text key_path = {0}, request_path = {0};
    const char *name = cli->words[0];
    text_addf(&key_path, "%s.pem", cli_value(cli, OPT_TO, name));
    text_addf(&request_path, "%s.csr", cli_value(cli, OPT_TO, name));
    enum error_code code = keypair_make(name, &key, &request, &err);
    code = code ? code : write_new(text_get(&key_path), key, 0600, &err);
    code = code ? code : write_new(text_get(&request_path), request, 0644, &err);
    if (code == ERR_NONE)
        printf("%s has your key: it stays here. Give %s to an administrator of the farm:\n"
               "  farmhand operator create %s --request FILE --role ROLE\n"
               "and put the certificate that you get behind the key: cat FILE >>%s\n",
               text_get(&key_path), text_get(&request_path), name, text_get(&key_path));
    if (key)
        text_wipe(key, strlen(key));
    free(key);
    free(request);
    text_reset(&key_path);
    text_reset(&request_path);
    return code == ERR_NONE ? CLI_DONE : cli_fail(cli, CLI_FAILED, "%s", err.text);
}

bool cli_verb_is_local(const struct cli_verb *verb)
{
    return verb->run == operator_request;
}

static int operator_revoke(struct cli *cli)
{
    if (cli_is_secret(cli, "farmhand operator list"))
        return CLI_USAGE;
    struct text path = {0};
    json_t *answer = NULL;
    text_add(&path, "/v1/operators/");
    cli_add_escaped(&path, cli->words[0]);
    text_add(&path, "/revoke");
    int code = cli_change(cli, text_get(&path), NULL, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer))
        printf("What they came by is good for nothing any more\n");
    json_decref(answer);
    text_reset(&path);
    return code;
}

const struct cli_verb cli_verbs_operator[] = {
    {"operator", "create", "NAME", 1, 1,
     OPT(ROLE) | OPT(SERVERS) | OPT(EXPIRES) | OPT(REASON) | OPT(REQUEST) | OPT(TO), 0,
     "Let somebody use this coordinator from afar: makes their token or certificate",
     "Roles: viewer looks; operator also starts, steers and ends runs; admin also lets servers and "
     "people "
     "in, and takes over.\nWith --servers what they change is those servers' alone (runs, holds, "
     "incidents), and nothing that is about\nthe whole farm, which they see.\nWith --request, what "
     "`farmhand operator request` made on their machine, they get a "
     "certificate\n(for 90 days), --to a file. What it allows stands at the coordinator: "
     "`operator revoke` ends it at once.",
     operator_create},
    {"operator", "request", "NAME", 1, 1, OPT(TO), 0,
     "Make your key, and the request for a certificate that an administrator signs",
     "Writes NAME.pem (the key, which stays on this machine) and NAME.csr; --to gives them another "
     "name.\nAsks no coordinator.",
     operator_request},
    {"operator", "list", "", 0, 0, 0, 0, "Who may come from afar, and as what", NULL,
     operator_list},
    {"operator", "renew", "NUMBER", 1, 1,
     OPT(FOR) | OPT(EXPIRES) | OPT(REASON) | OPT(REQUEST) | OPT(TO), 0,
     "Make another token or certificate for somebody, before the one of that number ends",
     "Name, role and servers stay. The former is good for 7 days more, or --for so long (30d at "
     "most), so that there\nis time to bring the new one to where it is used. With --request "
     "(`farmhand operator request`, a new key)\nthey get a certificate, else a token, good for as "
     "long as the former was made for, or as --expires says.",
     operator_renew},
    {"operator", "revoke", "NUMBER", 1, 1, OPT(REASON), 0,
     "End a token or certificate, by its number", NULL, operator_revoke},
    {0},
};

/* talk.c - one question to the coordinator, one answer; what to say when there is none. */
#include "coordinator/cli/cli.h"

#include "common/http.h"
#include "common/must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 30000
#define ANSWER_MAX (64 * 1024 * 1024) /* 10,000 servers with everything known */

void cli_add_escaped(struct text *path, const char *part)
{
    for (; *part; part++) {
        unsigned char c = (unsigned char)*part;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-_.~", c);
        if (plain)
            text_add_bytes(path, part, 1);
        else
            text_addf(path, "%%%02X", c);
    }
}

void cli_add_query(struct text *path, const char *name, const char *value)
{
    if (!value)
        return;
    text_addf(path, "%c%s=", strchr(text_get(path), '?') ? '&' : '?', name);
    cli_add_escaped(path, value);
}

/* ---- printing ---- */

size_t cli_columns(const struct cli *cli)
{
    size_t columns, rows;
    terminal_size(&cli->terminal, &columns, &rows);
    return columns;
}

void cli_print(struct text *t)
{
    fputs(text_get(t), stdout);
    text_reset(t);
}

/* On a terminal everything beyond ASCII is escaped too: JSON may hold what would move its cursor.
 */
static size_t json_flags(const struct cli *cli, size_t flags)
{
    return flags | JSON_ENCODE_ANY | (cli->terminal.output ? JSON_ENSURE_ASCII : 0);
}

bool cli_print_json(const struct cli *cli, const json_t *value)
{
    if (!cli_has(cli, OPT_JSON))
        return false;
    json_dumpf(value, stdout, json_flags(cli, JSON_INDENT(2)));
    fputc('\n', stdout);
    return true;
}

void cli_print_json_line(const struct cli *cli, const json_t *value)
{
    json_dumpf(value, stdout, json_flags(cli, JSON_COMPACT));
    fputc('\n', stdout);
    fflush(stdout);
}

static const char *exit_word(int code)
{
    static const char *const words[] = {"none",        "failed",  "usage",
                                        "unreachable", "partial", "unknown"};
    must(code >= 0 && code <= CLI_UNKNOWN);
    return words[code];
}

static void print_error(struct cli *cli, const char *code, const char *words)
{
    struct text line = {0};
    if (cli->quiet)
        return;
    fflush(stdout);
    text_add(&line, "farmhand: ");
    text_add_safe(&line, words);
    fprintf(stderr, "%s\n", text_get(&line));
    text_reset(&line);
    if (!cli_has(cli, OPT_JSON))
        return;
    json_t *error = json_pack("{s:{s:s,s:s}}", "error", "code", code, "text", words);
    cli_print_json(cli, error);
    json_decref(error);
}

int cli_fail(struct cli *cli, int code, const char *fmt, ...)
{
    struct text words = {0};
    va_list args;
    va_start(args, fmt);
    text_vaddf(&words, fmt, args);
    va_end(args);
    print_error(cli, exit_word(code), text_get(&words));
    text_reset(&words);
    return code;
}

/* ---- fields ---- */

const char *cli_text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

int64_t cli_number(const json_t *object, const char *key)
{
    return (int64_t)json_number_value(json_object_get(object, key));
}

bool cli_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool cli_is_null(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value);
}

json_t *cli_list(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

/* ---- asking ---- */

static int no_answer(struct cli *cli, const struct error *err, bool change)
{
    if (change && cli->reached && err->code != ERR_DENIED)
        return cli_fail(cli, CLI_UNKNOWN,
                        "the coordinator did not answer (%s): whether the change was taken is not "
                        "known. Look with \"farmhand status\" and \"farmhand run list\" before "
                        "doing it again",
                        err->text);
    if (err->code == ERR_DENIED && !cli->way.unix_socket)
        return cli_fail(
            cli, CLI_UNREACHABLE,
            "what answers at %s cannot prove that it is the coordinator (%s): is --ca the "
            "farm's CA (data_dir/tls/ca.crt there)? Without --ca the name in its certificate "
            "counts (farmhand-coordinator init --name)?",
            way_name(&cli->way), err->text);
    if (err->code == ERR_DENIED)
        return cli_fail(cli, CLI_UNREACHABLE,
                        "you may not use the socket %s: try as root, or join the group that owns "
                        "it",
                        way_name(&cli->way));
    if (err->code == ERR_TIMEOUT)
        return cli_fail(cli, CLI_UNREACHABLE,
                        "the coordinator at %s does not answer (%s): is it stuck? see its log",
                        way_name(&cli->way), err->text);
    return cli_fail(cli, CLI_UNREACHABLE,
                    "no coordinator at %s (%s). Is farmhand-coordinator running? Another socket: "
                    "--socket PATH or FARMHAND_SOCKET",
                    way_name(&cli->way), err->text);
}

static int refused(struct cli *cli, int status, const json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    const char *words = cli_text(error, "text");
    const char *code = cli_text(error, "code");
    struct text own = {0};
    if (!*words)
        text_addf(&own, "the coordinator answered %d without saying why", status);
    else if (status == 400)
        cli_add_own_words(cli, words, &own);
    else
        text_add(&own, words);
    print_error(cli, *code ? code : "failed", text_get(&own));
    text_reset(&own);
    return status == 400 ? CLI_USAGE : CLI_FAILED;
}

static int take_reply(struct cli *cli, struct http_reply *reply, bool change, json_t **out)
{
    json_error_t broken;
    json_t *answer = json_loadb(reply->body ? reply->body : "", reply->body_len, 0, &broken);
    free(reply->body);
    cli->reached = true;
    int code = CLI_DONE;
    if (reply->status < 200 || reply->status > 299)
        code = refused(cli, reply->status, answer);
    else if (!json_is_object(answer))
        code = cli_fail(cli, change ? CLI_UNKNOWN : CLI_FAILED,
                        "what answers at %s is not this coordinator, or of another version: %s",
                        way_name(&cli->way), answer ? "not an object" : broken.text);
    if (code == CLI_DONE && out)
        *out = answer;
    else
        json_decref(answer);
    return code;
}

static int ask(struct cli *cli, const char *method, const char *path, const char *body, bool change,
               json_t **out)
{
    struct text url = {0};
    const char *headers[WAY_HEADERS_MAX];
    text_addf(&url, "%s%s", cli->way.base, path);
    struct http_call call = {.method = method,
                             .url = text_get(&url),
                             .body = body,
                             .body_len = body ? strlen(body) : 0,
                             .timeout_ms = TIMEOUT_MS,
                             .response_max_bytes = ANSWER_MAX};
    struct http_reply reply = {0};
    struct error err = {0};
    way_go(&cli->way, body ? "Content-Type: application/json" : NULL, headers, &call);
    enum error_code code = http_request(&call, &reply, &err);
    text_reset(&url);
    return code == ERR_NONE ? take_reply(cli, &reply, change, out) : no_answer(cli, &err, change);
}

int cli_get(struct cli *cli, const char *path, json_t **out)
{
    return ask(cli, "GET", path, NULL, false, out);
}

/* A change is preceded by a question that changes nothing, unless one was answered already: so "it
 * never left" and "it left, and nothing came back" are told apart. */
int cli_post(struct cli *cli, const char *path, json_t *body, bool change, json_t **out)
{
    if (change && !cli->reached) {
        int code = cli_get(cli, "/v1/runs?limit=1", NULL);
        if (!cli->reached)
            return code;
    }
    char *bytes = json_dumps(body, JSON_COMPACT);
    must(bytes != NULL);
    int code = ask(cli, "POST", path, bytes, change, out);
    free(bytes);
    return code;
}

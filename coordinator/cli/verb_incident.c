/* verb_incident.c - farmhand incident ... and farmhand why: troubles, what was done about them, and
 * why a server is as it is. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/listing.h"
#include "coordinator/cli/table.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static enum style style_of_phase(const char *phase)
{
    if (text_equal(phase, "closed"))
        return STYLE_DIM;
    if (text_equal(phase, "called") || text_equal(phase, "quarantined") ||
        text_equal(phase, "left"))
        return STYLE_RED;
    return text_equal(phase, "acting") || text_equal(phase, "proving") ? STYLE_CYAN : STYLE_YELLOW;
}

static void add_incident(struct table *t, const json_t *one, bool would)
{
    char at[SAY_TIME_MAX];
    table_cellf(t, STYLE_BOLD, "%lld", (long long)cli_number(one, "id"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "server"));
    table_cell(t, STYLE_PLAIN, *cli_text(one, "pool") ? cli_text(one, "pool") : NULL);
    table_cell(t, STYLE_PLAIN,
               *cli_text(one, "rule") ? cli_text(one, "rule") : cli_text(one, "kind"));
    table_cell(t, style_of_phase(cli_text(one, "phase")), cli_text(one, "phase"));
    table_cell(t, STYLE_DIM, say_time(at, cli_text(one, would ? "would_at" : "opened_at")));
    table_cell(t, STYLE_PLAIN, would ? cli_text(one, "would") : cli_text(one, "text"));
}

static void add_open(struct table *t, const json_t *one)
{
    add_incident(t, one, false);
}

static void add_would(struct table *t, const json_t *one)
{
    add_incident(t, one, true);
}

static void print_list(const struct cli *cli, const json_t *list, bool would)
{
    const struct table_column columns[] = {
        {"ID", 9, 2, true},
        {"SERVER", 8, 8, false},
        {"POOL", 6, 6, false},
        {"RULE", 7, 6, false},
        {"PHASE", 7, 7, false},
        {would ? "DECIDED (UTC)" : "OPENED (UTC)", 3, 10, false},
        {would ? "AUTO WOULD" : "WHAT IS WRONG", 9, 20, false},
    };
    const struct cli_listing listing = {
        columns, 7, would ? add_would : add_open,
        would ? "No rule that observes would have done anything in the last week."
              : "No incident."};
    cli_print_listing(cli, &listing, list);
}

static int incident_list(struct cli *cli)
{
    struct text path = {0};
    json_t *answer = NULL;
    bool would = cli_has(cli, OPT_WOULD);
    text_add(&path, "/v1/incidents");
    cli_add_query(&path, "would", would ? "1" : NULL);
    cli_add_query(&path, "all", cli_has(cli, OPT_ALL) ? "1" : NULL);
    int code = cli_get(cli, text_get(&path), &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer))
        print_list(cli, cli_list(answer, "incidents"), would);
    json_decref(answer);
    text_reset(&path);
    return code;
}

/* ---- one ---- */

static void add_field(const struct cli *cli, const char *name, const char *value, struct text *out)
{
    if (!*value)
        return;
    char head[16];
    text_format(head, sizeof(head), "  %-10s", name);
    say_styled(out, &cli->terminal, STYLE_DIM, head);
    say_wrapped(out, value, 12, cli_columns(cli));
    text_add(out, "\n");
}

static void add_story(const struct cli *cli, const json_t *incident, struct text *out)
{
    size_t i;
    const json_t *note;
    char at[SAY_TIME_MAX], head[64];
    text_add(out, "\n");
    json_array_foreach(cli_list(incident, "story"), i, note)
    {
        const char *kind = cli_text(note, "kind");
        bool loud = text_equal(kind, "action") || text_equal(kind, "given-up");
        text_format(head, sizeof(head), "  %s  %-9s ", say_time(at, cli_text(note, "at")), kind);
        say_styled(out, &cli->terminal, loud ? STYLE_BOLD : STYLE_DIM, head);
        say_wrapped(out, cli_text(note, "text"), 33, cli_columns(cli));
        text_add(out, "\n");
    }
}

static void print_incident(const struct cli *cli, const json_t *one)
{
    struct text out = {0};
    char words[512], at[SAY_TIME_MAX];
    text_format(words, sizeof(words), "Incident %lld  %s%s%s  ", (long long)cli_number(one, "id"),
                cli_text(one, "server"), *cli_text(one, "pool") ? " " : "", cli_text(one, "pool"));
    say_styled(&out, &cli->terminal, STYLE_BOLD, words);
    say_styled(&out, &cli->terminal, style_of_phase(cli_text(one, "phase")),
               cli_text(one, "phase"));
    text_add(&out, "\n");
    add_field(cli, "wrong", cli_text(one, "text"), &out);
    add_field(cli, "rule", cli_text(one, "rule"), &out);
    add_field(cli, "mode", cli_text(one, "mode"), &out);
    bool closed = !cli_is_null(one, "closed_at");
    if (!closed)
        add_field(cli, "next", cli_text(one, "next"), &out);
    add_field(cli, "now", cli_text(one, "why"), &out);
    add_field(cli, "opened", say_time(at, cli_text(one, "opened_at")), &out);
    if (closed)
        add_field(cli, "closed", say_time(at, cli_text(one, "closed_at")), &out);
    if (!cli_is_null(one, "until"))
        add_field(cli, "until", say_time(at, cli_text(one, "until")), &out);
    add_story(cli, one, &out);
    cli_print(&out);
}

/* "/v1/incidents/ID" + what; false: said already. */
static bool incident_path(struct cli *cli, const char *what, struct text *path)
{
    uint64_t id;
    if (!text_parse_u64(cli->words[0], 1, INT64_MAX, &id)) {
        cli_fail(cli, CLI_USAGE, "'%s' is no number of an incident: `farmhand incident list`",
                 cli->words[0]);
        return false;
    }
    text_addf(path, "/v1/incidents/%llu%s", (unsigned long long)id, what);
    return true;
}

static int incident_show(struct cli *cli)
{
    struct text path = {0};
    json_t *answer = NULL;
    if (!incident_path(cli, "", &path))
        return CLI_USAGE;
    int code = cli_get(cli, text_get(&path), &answer);
    const json_t *one = json_object_get(answer, "incident");
    if (code == CLI_DONE && !cli_print_json(cli, one))
        print_incident(cli, one);
    json_decref(answer);
    text_reset(&path);
    return code;
}

static int change(struct cli *cli, const char *what, const char *said)
{
    struct text path = {0};
    json_t *answer = NULL;
    if (!incident_path(cli, what, &path))
        return CLI_USAGE;
    int code = cli_change(cli, text_get(&path), NULL, &answer);
    const json_t *one = json_object_get(answer, "incident");
    if (code == CLI_DONE && !cli_print_json(cli, one))
        printf("Incident %s %s\n", cli->words[0], said);
    json_decref(answer);
    text_reset(&path);
    return code;
}

static int incident_approve(struct cli *cli)
{
    return change(cli, "/approve", "may do what it proposes, as budget and guards allow");
}

static int incident_dismiss(struct cli *cli)
{
    return change(cli, "/dismiss", "is closed");
}

/* ---- fetch ---- */

#define PIECE_WAIT_MS 60000 /* an agent that is silent so long is given up */
#define PIECE_LOOK_NS (50 * 1000000L)

/* One piece from byte `at` on; *out is the answer when it came. */
static int ask_piece(struct cli *cli, const char *path, int64_t at, const char *reason,
                     json_t **out)
{
    uint64_t until_ms = clock_boot_ms() + PIECE_WAIT_MS;
    while (clock_boot_ms() < until_ms) {
        json_t *body = json_pack("{s:s, s:I}", "reason", reason, "at", (json_int_t)at);
        int code = cli_post(cli, path, body, false, out);
        if (code != CLI_DONE || !cli_true(*out, "waiting"))
            return code;
        json_decref(*out);
        *out = NULL;
        nanosleep(&(struct timespec){.tv_nsec = PIECE_LOOK_NS}, NULL);
    }
    return cli_fail(cli, CLI_FAILED, "its agent gave no answer for %d s", PIECE_WAIT_MS / 1000);
}

static bool write_piece(FILE *file, const char *hex, int64_t *at)
{
    size_t len = strlen(hex) / 2;
    uint8_t *bytes = must_alloc(len + 1, 1);
    bool good = text_from_hex(hex, bytes, len) && fwrite(bytes, 1, len, file) == len;
    *at += (int64_t)len;
    free(bytes);
    return good;
}

static int fetch_all(struct cli *cli, const char *path, const char *reason, FILE *file)
{
    int64_t at = 0, whole = 1;
    while (at < whole) {
        json_t *answer = NULL;
        int64_t before = at;
        int code = ask_piece(cli, path, at, reason, &answer);
        bool good = code == CLI_DONE && write_piece(file, cli_text(answer, "piece"), &at);
        whole = cli_number(answer, "bytes");
        json_decref(answer);
        if (code != CLI_DONE)
            return code;
        if (!good || at == before)
            return cli_fail(cli, CLI_FAILED,
                            "the dump ended after %lld of %lld bytes, or cannot "
                            "be written",
                            (long long)at, (long long)whole);
    }
    return CLI_DONE;
}

/* Only its owner may read it, and nothing is written over. NULL: said already. */
static FILE *new_file(struct cli *cli, const char *path)
{
    struct os_file_id there;
    struct error err = {0};
    if (os_file_id(path, &there, NULL) == ERR_NONE && there.modified_ns != 0) {
        cli_fail(cli, CLI_FAILED, "%s is there already: name another file", path);
        return NULL;
    }
    if (os_write_file(path, "", 0, 0600, &err) != ERR_NONE) {
        cli_fail(cli, CLI_FAILED, "%s", err.text);
        return NULL;
    }
    FILE *file = fopen(path, "r+b");
    if (!file)
        cli_fail(cli, CLI_FAILED, "%s: %s", path, strerror(errno));
    return file;
}

static int incident_fetch(struct cli *cli)
{
    struct text path = {0};
    const char *to = cli_value(cli, OPT_TO, "");
    if (!incident_path(cli, "/dump", &path))
        return CLI_USAGE;
    char *reason = cli_reason(cli);
    FILE *file = reason ? new_file(cli, to) : NULL;
    int code = !reason ? CLI_USAGE
               : file  ? fetch_all(cli, text_get(&path), reason, file)
                       : CLI_FAILED;
    if (file && fclose(file) != 0 && code == CLI_DONE)
        code = cli_fail(cli, CLI_FAILED, "%s: %s", to, strerror(errno));
    if (file && code != CLI_DONE)
        remove(to);
    if (code == CLI_DONE)
        printf("The dump is in %s; it holds secrets of the application\n", to);
    free(reason);
    text_reset(&path);
    return code;
}

const struct cli_verb cli_verbs_incident[] = {
    {"incident", "list", "", 0, 0, OPT(WOULD) | OPT(ALL), 0,
     "Troubles that are open, and what is done about them",
     "--would shows what rules that only observe would have done in the last week, had they been "
     "set to auto.",
     incident_list},
    {"incident", "show", "ID", 1, 1, 0, 0,
     "One incident with its whole story: evidence, decisions, acts, proofs, end", NULL,
     incident_show},
    {"incident", "approve", "ID", 1, 1, OPT(REASON), 0,
     "Let a rule do what it proposes, or what it would do",
     "Of a rule that only observes it holds for this one act. It also lifts the brakes that call "
     "a\n"
     "person: storm, flapping, common cause, cool-down. Budget, leases, the minimum of healthy "
     "servers, stale data and\n"
     "broken identities still hold it.",
     incident_approve},
    {"incident", "fetch", "ID", 1, 1, OPT(TO) | OPT(REASON), OPT(TO),
     "Bring the dump of a worker that belongs to the evidence",
     "Made before anything was done, where the rule says dump = yes and the server's agent.conf "
     "dumps = yes. It lies on the server\nuntil newer ones take its place. Who fetches it stands "
     "in "
     "the audit trail.",
     incident_fetch},
    {"incident", "dismiss", "ID", 1, 1, OPT(REASON), 0,
     "Close an incident that is none; release the storm brake", NULL, incident_dismiss},
    {0},
};

/* ---- why ---- */

static int why(struct cli *cli)
{
    struct text path = {0}, out = {0};
    json_t *answer = NULL;
    size_t i;
    const json_t *sentence;
    text_add(&path, "/v1/servers/");
    cli_add_escaped(&path, cli->words[0]);
    text_add(&path, "/why");
    int code = cli_get(cli, text_get(&path), &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        json_array_foreach(cli_list(answer, "sentences"), i, sentence)
        {
            say_wrapped(&out, json_string_value(sentence), 2, cli_columns(cli));
            text_add(&out, "\n");
        }
        cli_print(&out);
    }
    json_decref(answer);
    text_reset(&path);
    return code;
}

const struct cli_verb cli_verbs_why[] = {
    {"why", NULL, "SERVER", 1, 1, 0, 0,
     "Why a server is out, blocked or left alone: what is wrong, tried and waited for", NULL, why},
    {0},
};

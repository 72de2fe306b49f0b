/* verb_incident.c - farmhand incident ... and farmhand why: troubles, what was done about them, and
 * why a server is as it is. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/table.h"

#include <stdio.h>

static enum style style_of_phase(const char *phase)
{
    if (text_equal(phase, "closed"))
        return STYLE_DIM;
    if (text_equal(phase, "called") || text_equal(phase, "quarantined") || text_equal(phase, "left"))
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

static void print_list(const struct cli *cli, const json_t *list, bool would)
{
    const struct table_column columns[] = {
        {"ID", 9, 2, true},     {"SERVER", 8, 8, false}, {"POOL", 6, 6, false},
        {"RULE", 7, 6, false},  {"PHASE", 7, 7, false},  {would ? "DECIDED (UTC)" : "OPENED (UTC)", 3, 10, false},
        {would ? "AUTO WOULD" : "WHAT IS WRONG", 9, 20, false},
    };
    struct text out = {0};
    struct table *t = table_open(columns, 7);
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) add_incident(t, one, would);
    if (json_array_size(list) > 0)
        table_lay(t, &cli->terminal, cli_columns(cli), &out);
    else
        text_add(&out, would ? "No rule that observes would have done anything in the last week.\n"
                             : "No incident.\n");
    table_close(t);
    cli_print(&out);
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
    add_field(cli, "next", cli_text(one, "next"), &out);
    add_field(cli, "now", cli_text(one, "why"), &out);
    add_field(cli, "opened", say_time(at, cli_text(one, "opened_at")), &out);
    if (!cli_is_null(one, "closed_at"))
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

const struct cli_verb cli_verbs_incident[] = {
    {"incident", "list", "", 0, 0, OPT(WOULD) | OPT(ALL), 0,
     "Troubles that are open, and what is done about them",
     "--would shows what rules that only observe would have done in the last week, had they been "
     "set to auto.",
     incident_list},
    {"incident", "show", "ID", 1, 1, 0, 0,
     "One incident with its whole story: evidence, decisions, acts, proofs, end", NULL,
     incident_show},
    {"incident", "approve", "ID", 1, 1, OPT(REASON), 0, "Let a rule do what it proposes",
     "It also lifts the brakes that call a person: storm, flapping, common cause, cool-down. "
     "Budget, leases, the minimum of\nhealthy servers, stale data and broken identities still "
     "hold it.",
     incident_approve},
    {"incident", "dismiss", "ID", 1, 1, OPT(REASON), 0, "Close an incident that is none", NULL,
     incident_dismiss},
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

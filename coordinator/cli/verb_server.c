/* verb_server.c - farmhand server ...: look at servers, declare them out, release and put back. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/listing.h"
#include "coordinator/cli/signs.h"
#include "coordinator/cli/table.h"

#include <stdio.h>

static enum style style_of_presence(const char *presence)
{
    if (text_equal(presence, "fresh"))
        return STYLE_GREEN;
    return text_equal(presence, "declared-out") ? STYLE_DIM : STYLE_YELLOW;
}

static const char *rotation_word(const json_t *server)
{
    if (cli_is_null(server, "in_rotation"))
        return NULL;
    return cli_true(server, "in_rotation") ? "in" : "out";
}

static void add_labels(const json_t *server, struct text *out)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(server, "labels"), key, value)
        text_addf(out, "%s%s=%s", out->len ? "," : "", key,
                  json_string_value(value) ? json_string_value(value) : "?");
}

static void add_maintenance(const json_t *m, struct text *out)
{
    char until[SAY_TIME_MAX];
    if (json_is_object(m))
        text_addf(out, "%sin maintenance until %s: %s (by %s)", out->len ? "; " : "",
                  say_time(until, cli_text(m, "until")), cli_text(m, "reason"), cli_text(m, "by"));
}

/* What a person should know about it: trouble first. */
static void add_remark(const json_t *server, struct text *out)
{
    const char *const keys[] = {"out", "why", "trouble"};
    const char *held = cli_text(server, "held_by");
    for (size_t i = 0; i < 3; i++)
        if (*cli_text(server, keys[i]))
            text_addf(out, "%s%s", out->len ? "; " : "", cli_text(server, keys[i]));
    add_maintenance(json_object_get(server, "maintenance"), out);
    if (*held)
        text_addf(out, "%sheld by %s", out->len ? "; " : "", held);
}

static void add_age(struct table *t, const json_t *server)
{
    char length[TEXT_DURATION_MAX];
    if (cli_is_null(server, "age_ms"))
        table_cell(t, STYLE_YELLOW, "never");
    else
        table_cell(t, STYLE_DIM, say_duration(length, cli_number(server, "age_ms")));
}

static void add_server(struct table *t, const json_t *server)
{
    struct text labels = {0}, remark = {0};
    const char *presence = cli_text(server, "presence");
    const char *rotation = rotation_word(server);
    add_labels(server, &labels);
    add_remark(server, &remark);
    table_cell(t, STYLE_BOLD, cli_text(server, "name"));
    table_cell(t, style_of_presence(presence), presence);
    add_age(t, server);
    table_cell(t, rotation && text_equal(rotation, "out") ? STYLE_YELLOW : STYLE_PLAIN, rotation);
    table_cellf(t,
                cli_number(server, "pools_started") < cli_number(server, "pool_count")
                    ? STYLE_YELLOW
                    : STYLE_PLAIN,
                "%lld/%lld", (long long)cli_number(server, "pools_started"),
                (long long)cli_number(server, "pool_count"));
    table_cellf(t, STYLE_PLAIN, "%lld %%",
                (long long)cli_number(json_object_get(server, "host"), "cpu_permille") / 10);
    table_cell(t, STYLE_DIM, text_get(&labels));
    table_cell(t, STYLE_PLAIN, text_get(&remark));
    text_reset(&labels);
    text_reset(&remark);
}

/* on NULL: all, and there may be none. Those that are selected have to be there. */
static int servers_selected(struct cli *cli, const char *on, json_t **answer)
{
    struct text path = {0};
    text_add(&path, "/v1/servers");
    cli_add_query(&path, "on", on ? on : "all");
    int code = cli_get(cli, text_get(&path), answer);
    text_reset(&path);
    if (code == CLI_DONE && on && json_array_size(cli_list(*answer, "servers")) == 0)
        code = cli_fail(cli, CLI_FAILED,
                        "'%s' selects no server: `farmhand server list` shows their names and "
                        "labels",
                        on);
    return code;
}

static int server_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        {"SERVER", 9, 8, false}, {"STATE", 8, 6, false},   {"AGE", 5, 5, true},
        {"LB", 6, 3, false},     {"POOLS", 7, 5, true},    {"CPU", 4, 4, true},
        {"LABELS", 2, 6, false}, {"REMARK", 1, 18, false},
    };
    static const struct cli_listing listing = {columns, 8, add_server, NULL};
    json_t *answer = NULL;
    int code = servers_selected(cli, cli_value(cli, OPT_ON, NULL), &answer);
    const json_t *servers = cli_list(answer, "servers");
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        if (json_array_size(servers) > 0)
            cli_print_listing(cli, &listing, servers);
        else
            fprintf(stderr, "no servers: has an agent been started? it reports by itself\n");
    }
    json_decref(answer);
    return code;
}

/* ---- show ---- */

static void add_fact(const struct cli *cli, const char *head, const char *fact, struct text *out)
{
    if (!*fact)
        return;
    text_addf(out, "  %-14s", head);
    say_wrapped(out, fact, 16, cli_columns(cli));
    text_add(out, "\n");
}

static void add_host(const struct cli *cli, const json_t *server, struct text *out)
{
    const json_t *host = json_object_get(server, "host");
    char total[SAY_BYTES_MAX], left[SAY_BYTES_MAX], up[TEXT_DURATION_MAX];
    struct text s = {0};
    if (!json_is_object(host))
        return;
    text_addf(&s, "%lld processors at %lld %%, %s of %s memory available, up %s",
              (long long)cli_number(host, "processors"),
              (long long)cli_number(host, "cpu_permille") / 10,
              say_bytes(left, (uint64_t)cli_number(host, "memory_available_bytes")),
              say_bytes(total, (uint64_t)cli_number(host, "memory_total_bytes")),
              say_duration(up, cli_number(host, "uptime_ms")));
    add_fact(cli, "host", text_get(&s), out);
    text_reset(&s);
}

static void add_services(const struct cli *cli, const json_t *server, struct text *out)
{
    struct text s = {0};
    size_t i;
    const json_t *one;
    json_array_foreach(cli_list(server, "services"), i, one)
        text_addf(&s, "%s%s %s", i ? ", " : "", cli_text(one, "name"), cli_text(one, "state"));
    add_fact(cli, "services", text_get(&s), out);
    text_reset(&s);
}

static void add_backends(const struct cli *cli, const json_t *server, struct text *out)
{
    size_t i;
    const json_t *one;
    struct text s = {0};
    json_array_foreach(cli_list(server, "backends"), i, one)
    {
        text_addf(&s, "%s/%s: %s, %s, %lld session%s", cli_text(one, "backend"),
                  cli_text(one, "name"), cli_text(one, "admin"),
                  cli_true(one, "up") ? "up" : "down", (long long)cli_number(one, "sessions"),
                  cli_number(one, "sessions") == 1 ? "" : "s");
        add_fact(cli, i ? "" : "balancer", text_get(&s), out);
        text_reset(&s);
    }
}

static void add_pools(const struct cli *cli, const json_t *server, struct text *out)
{
    static const struct table_column columns[] = {
        {"POOL", 9, 8, false}, {"STATE", 8, 7, false},      {"WORKERS", 7, 6, false},
        {"AUTO", 5, 4, false}, {"START MODE", 1, 4, false}, {"QUEUE", 4, 3, true},
    };
    size_t i, k;
    const json_t *pool, *worker;
    struct table *t = table_open(columns, 6);
    json_array_foreach(cli_list(server, "pools"), i, pool)
    {
        struct text pids = {0};
        const char *state = cli_text(pool, "state");
        json_array_foreach(cli_list(pool, "workers"), k, worker)
            text_addf(&pids, "%s%lld", k ? "," : "", (long long)cli_number(worker, "pid"));
        table_cell(t, STYLE_BOLD, cli_text(pool, "name"));
        table_cell(t, text_equal(state, "Started") ? STYLE_GREEN : STYLE_YELLOW, state);
        table_cell(t, STYLE_PLAIN, text_get(&pids));
        table_cell(t, STYLE_PLAIN, cli_true(pool, "auto_start") ? "yes" : "no");
        table_cell(t, STYLE_DIM, cli_text(pool, "start_mode"));
        if (cli_is_null(pool, "queued"))
            table_cell(t, STYLE_DIM, NULL);
        else
            table_cellf(t, STYLE_PLAIN, "%lld", (long long)cli_number(pool, "queued"));
        text_reset(&pids);
    }
    if (i > 0) {
        text_add(out, "\n");
        table_lay(t, &cli->terminal, cli_columns(cli), out);
    }
    table_close(t);
}

static void add_sites(const struct cli *cli, const json_t *server, struct text *out)
{
    static const struct table_column columns[] = {
        {"SITE", 9, 8, false},
        {"STATE", 8, 7, false},
        {"POOL", 5, 6, false},
        {"BINDINGS", 2, 10, false},
    };
    size_t i;
    const json_t *site;
    struct table *t = table_open(columns, 4);
    json_array_foreach(cli_list(server, "sites"), i, site)
    {
        bool started = cli_true(site, "started");
        table_cell(t, STYLE_BOLD, cli_text(site, "name"));
        table_cell(t, started ? STYLE_GREEN : STYLE_YELLOW, started ? "Started" : "Stopped");
        table_cell(t, STYLE_PLAIN, cli_text(site, "pool"));
        table_cell(t, STYLE_DIM, cli_text(site, "bindings"));
    }
    if (i > 0) {
        text_add(out, "\n");
        table_lay(t, &cli->terminal, cli_columns(cli), out);
    }
    table_close(t);
}

static void add_events(const struct cli *cli, const json_t *server, struct text *out)
{
    struct table *t = signs_open(false);
    if (signs_add(t, NULL, cli_list(server, "events")) > 0) {
        text_add(out, "\n");
        table_lay(t, &cli->terminal, cli_columns(cli), out);
    }
    table_close(t);
}

static void add_budgets(const struct cli *cli, const json_t *server, struct text *out)
{
    struct text names = {0};
    size_t i;
    const json_t *one;
    json_array_foreach(cli_list(server, "budgets"), i, one)
        text_addf(&names, "%s%s", i ? ", " : "", json_string_value(one));
    add_fact(cli, "budgets", text_get(&names), out);
    add_fact(cli, "blocked", cli_text(server, "blocked"), out);
    text_reset(&names);
}

static void print_server(const struct cli *cli, const json_t *server)
{
    struct text out = {0}, labels = {0}, remark = {0}, seen = {0};
    char length[TEXT_DURATION_MAX];
    const char *presence = cli_text(server, "presence"), *rotation = rotation_word(server);
    add_labels(server, &labels);
    add_remark(server, &remark);
    say_styled(&out, &cli->terminal, STYLE_BOLD, cli_text(server, "name"));
    text_add(&out, "  ");
    say_styled(&out, &cli->terminal, style_of_presence(presence), presence);
    if (!cli_is_null(server, "age_ms"))
        text_addf(&seen, "  seen %s ago", say_duration(length, cli_number(server, "age_ms")));
    text_addf(&out, "%s%s%s\n", text_get(&seen), rotation ? ", rotation: " : "",
              rotation ? rotation : "");
    add_fact(cli, "remark", text_get(&remark), &out);
    add_budgets(cli, server, &out);
    add_fact(cli, "labels", text_get(&labels), &out);
    add_fact(cli, "address", cli_text(server, "address"), &out);
    add_host(cli, server, &out);
    add_services(cli, server, &out);
    add_backends(cli, server, &out);
    if (cli_true(server, "config_shared"))
        add_fact(cli, "configuration", "shared with other servers", &out);
    add_pools(cli, server, &out);
    add_sites(cli, server, &out);
    add_events(cli, server, &out);
    cli_print(&out);
    text_reset(&labels);
    text_reset(&remark);
    text_reset(&seen);
}

static void server_path(const struct cli *cli, const char *what, struct text *path)
{
    text_add(path, "/v1/servers/");
    cli_add_escaped(path, cli->words[0]);
    text_add(path, what);
}

static int server_show(struct cli *cli)
{
    struct text path = {0};
    json_t *answer = NULL;
    server_path(cli, "", &path);
    int code = cli_get(cli, text_get(&path), &answer);
    text_reset(&path);
    if (code == CLI_DONE) {
        const json_t *inside = json_object_get(answer, "server");
        const json_t *server = json_is_object(inside) ? inside : answer;
        if (!cli_print_json(cli, server))
            print_server(cli, server);
    }
    json_decref(answer);
    return code;
}

/* ---- changes ---- */

static int change_server(struct cli *cli, const char *what, json_t *fields, const char *said)
{
    struct text path = {0}, line = {0};
    json_t *answer = NULL;
    server_path(cli, what, &path);
    int code = cli_change(cli, text_get(&path), fields, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        text_add_safe(&line, cli->words[0]);
        text_addf(&line, " %s\n", said);
        cli_print(&line);
    }
    json_decref(answer);
    text_reset(&path);
    return code;
}

static int server_declare_out(struct cli *cli)
{
    char said[96], length[TEXT_DURATION_MAX];
    uint64_t for_ms = cli_duration_ms(cli, OPT_FOR);
    if (for_ms == 0)
        return cli_fail(cli, CLI_USAGE, "--for 0 would end at once: give a length such as 2h");
    json_t *fields = json_pack("{s:I}", "for_ms", (json_int_t)for_ms);
    text_format(said, sizeof(said), "is declared out for %s: it no longer blocks the farm",
                text_format_duration(length, for_ms));
    int code = change_server(cli, "/declare-out", fields, said);
    json_decref(fields);
    return code;
}

static int server_quarantine(struct cli *cli)
{
    uint64_t for_ms = cli_has(cli, OPT_FOR) ? cli_duration_ms(cli, OPT_FOR) : 0;
    json_t *fields = for_ms ? json_pack("{s:I}", "for_ms", (json_int_t)for_ms) : json_object();
    int code = change_server(cli, "/quarantine", fields,
                             "goes into quarantine: `farmhand why` tells how far it is");
    json_decref(fields);
    return code;
}

static int server_release(struct cli *cli)
{
    return change_server(cli, "/release", NULL, "is released");
}

/* ---- maintenance ---- */

static int maintenance_list(struct cli *cli)
{
    json_t *status = NULL;
    struct text out = {0};
    size_t i;
    const json_t *one;
    int code = cli_get(cli, "/v1/status", &status);
    const json_t *list = cli_list(status, "maintenance");
    if (code == CLI_DONE && !cli_print_json(cli, list)) {
        json_array_foreach(list, i, one)
        {
            struct text line = {0};
            add_maintenance(one, &line);
            text_add_safe(&out, cli_text(one, "server"));
            text_addf(&out, "  %s\n", text_get(&line));
            text_reset(&line);
        }
        if (json_array_size(list) == 0)
            fprintf(stderr, "no server is in maintenance\n");
        cli_print(&out);
    }
    json_decref(status);
    return code;
}

static int maintenance_on(struct cli *cli)
{
    char said[128], length[TEXT_DURATION_MAX];
    uint64_t for_ms = cli_has(cli, OPT_FOR) ? cli_duration_ms(cli, OPT_FOR) : 0;
    if (for_ms == 0)
        return cli_fail(cli, CLI_USAGE,
                        "--for LENGTH is needed: how long nobody is to touch it, such as 2h");
    json_t *fields = json_pack("{s:I}", "for_ms", (json_int_t)for_ms);
    text_format(said, sizeof(said), "is in maintenance for %s: runs skip it",
                text_format_duration(length, for_ms));
    int code = change_server(cli, "/maintenance", fields, said);
    json_decref(fields);
    return code;
}

static int maintenance_off(struct cli *cli)
{
    if (cli_has(cli, OPT_FOR))
        return cli_fail(cli, CLI_USAGE, "--for is for `maintenance on`");
    json_t *fields = json_pack("{s:b}", "on", 0);
    int code = change_server(cli, "/maintenance", fields, "is out of maintenance: runs take it");
    json_decref(fields);
    return code;
}

/* Those that the selection names now, one after the other: each is a word of its own, and one that
 * is refused does not keep the others from theirs. */
static int maintenance_of_many(struct cli *cli, int (*change)(struct cli *cli))
{
    json_t *answer = NULL;
    size_t i, refused = 0, count;
    const json_t *server;
    int worst = CLI_DONE;
    if (!cli_has(cli, OPT_REASON))
        return cli_fail(cli, CLI_USAGE, "--on needs --reason: why nobody is to touch them");
    int code = servers_selected(cli, cli_value(cli, OPT_ON, ""), &answer);
    count = json_array_size(cli_list(answer, "servers"));
    json_array_foreach(cli_list(answer, "servers"), i, server)
    {
        cli->words[0] = cli_text(server, "name");
        int one = change(cli);
        worst = one != CLI_DONE ? one : worst;
        refused += one != CLI_DONE;
    }
    json_decref(answer);
    if (code != CLI_DONE)
        return code;
    return refused > 0 && refused < count ? CLI_PARTIAL : worst;
}

static int server_maintenance(struct cli *cli)
{
    const char *what = cli->words[0];
    bool on = text_equal(what, "on"), named = cli->word_count == 2, many = cli_has(cli, OPT_ON);
    if (text_equal(what, "list") && !named && !many)
        return maintenance_list(cli);
    if ((!on && !text_equal(what, "off")) || named == many)
        return cli_fail(cli, CLI_USAGE,
                        "say `maintenance on NAME --for LENGTH`, `maintenance off NAME`, with "
                        "--on SELECTOR in place of NAME for several, or `maintenance list`");
    if (many)
        return maintenance_of_many(cli, on ? maintenance_on : maintenance_off);
    cli->words[0] = cli->words[1];
    return on ? maintenance_on(cli) : maintenance_off(cli);
}

/* ---- cycle ---- */

#define CYCLE_DEFAULT_MS (60 * 60 * 1000)

static int server_cycle(struct cli *cli)
{
    uint64_t for_ms = cli_has(cli, OPT_FOR) ? cli_duration_ms(cli, OPT_FOR) : CYCLE_DEFAULT_MS;
    json_t *more = json_pack("{s:I}", "limit_ms", (json_int_t)for_ms);
    return cli_start_run_with(cli, "cycle", "", cli_value(cli, OPT_ON, ""), more);
}

/* What a person drained is given back; what failed runs left out, of one pool or of the server as a
 * whole, a run proves and puts back. */
static int server_undrain(struct cli *cli)
{
    bool held = false;
    int code = cli_has(cli, OPT_POOL) ? CLI_DONE : cli_server_hold(cli, cli->words[0], &held);
    if (code != CLI_DONE)
        return code;
    return held ? cli_server_give_back(cli)
                : cli_start_run(cli, "undrain", cli_value(cli, OPT_POOL, ""), cli->words[0]);
}

const struct cli_verb cli_verbs_server[] = {
    {"server", "list", "", 0, 0, OPT(ON), 0, "Servers, how fresh they are and what is the matter",
     NULL, server_list},
    {"server", "show", "NAME", 1, 1, 0, 0, "One server with everything known", NULL, server_show},
    {"server", "declare-out", "NAME", 1, 1, OPT(FOR) | OPT(REASON), OPT(FOR),
     "Say that a server is out: it leaves the budget for a while",
     "One dead machine then no longer blocks the farm; it still counts against the minimum in "
     "service.\nIt ends by itself after --for, or with \"farmhand server release\".",
     server_declare_out},
    {"server", "quarantine", "NAME", 1, 1, OPT(FOR) | OPT(REASON), 0,
     "Take a server out of rotation and leave it alone",
     "A run drains it as the budget allows; from then on it leaves the budget, but counts against "
     "the minimum in service, and no\nrun and no rule touches it. It ends after --for, or with "
     "\"farmhand server release\": then its probe must pass first.",
     server_quarantine},
    {"server", "release", "NAME", 1, 1, OPT(REASON), 0,
     "End a quarantine (its new journal is approved) or a declaration", NULL, server_release},
    {"server", "maintenance", "on|off|list [NAME]", 1, 2, OPT(FOR) | OPT(REASON) | OPT(ON), 0,
     "Nobody touches a server for a while, or may again",
     "Runs look at it before every step: they skip the server and say so, what is in hand there is "
     "finished.\nWhether it serves counts in the budget as always. It ends by itself after --for, "
     "and that is told.",
     server_maintenance},
    {"server", "waiting", "", 0, 0, 0, 0, "Servers that asked to join, and wait for a person", NULL,
     cli_server_waiting},
    {"server", "approve", "NAME", 1, 1, OPT(REASON) | OPT(KEY), 0, "Let a server in that waits",
     "Compare its address, and its key if somebody else may want that name. If a server of that "
     "name "
     "has joined before, its\nformer key is worth nothing from then on.",
     cli_server_approve},
    {"server", "remove", "NAME", 1, 1, OPT(REASON), 0,
     "Shut a server out: it is cut at once, and its certificate is worth nothing any more",
     "It leaves the list as well, unless a run, a hold or an incident still has it. It may join "
     "again "
     "with a token.",
     cli_server_remove},
    {"server", "cycle", "", 0, 0, (CLI_RUN_OPTIONS & ~OPT(TIMEOUT)) | OPT(WAIT_REBOOT) | OPT(FOR),
     OPT(ON) | OPT(WAIT_REBOOT),
     "Drain servers one after the other while others reboot them, and put them back",
     "Each is drained, and then waited for until its machine has started anew (whoever starts it: "
     "an updater, a person),\nat most --for (1h); it has to prove itself before it is put back and "
     "the next one begins. One that does not\nstart anew in time stays out, and the run pauses.",
     server_cycle},
    {"server", "drain", "NAME", 1, 1,
     OPT(FOR) | OPT(REASON) | OPT(WAIT) | OPT(DRAIN_TIMEOUT) | OPT(ON_DRAIN_TIMEOUT) | OPT(WINDOW),
     OPT(FOR), "Take a server out of rotation for a while, as budget and balancer allow",
     "A hold without a token (see \"farmhand hold\"): \"farmhand server undrain NAME\" gives it "
     "back, once its "
     "probe passes.\nAfter --for it expires loudly and stays out.",
     cli_server_drain},
    {"server", "undrain", "NAME", 1, 1,
     (CLI_RUN_OPTIONS & ~OPT(ON) & ~OPT(NO_DRAIN) & ~OPT(DRAIN_TIMEOUT) & ~OPT(ON_DRAIN_TIMEOUT)) |
         OPT(POOL),
     0, "Put a server back that was drained, or that a failed run left out of rotation",
     "Its probe must pass first. What a person drained is given back; what failed runs left out a "
     "run puts back:\nof the server as a whole and of each of its pools, each by a proof of its "
     "own, or with --pool of that one alone.",
     server_undrain},
    {0},
};

/* verb_service.c - farmhand service ... and worker ...: the web services of servers, and the last
 * resort for one worker. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/table.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- list ---- */

static enum style style_of_service(const char *state, bool core)
{
    if (text_equal(state, "RUNNING"))
        return STYLE_GREEN;
    return core ? STYLE_RED : STYLE_YELLOW;
}

static bool is_core(const char *name)
{
    return text_equal_nocase(name, "WAS") || text_equal_nocase(name, "W3SVC");
}

/* False: not one that rests on WAS, or is WAS. */
static bool add_services(struct table *t, const json_t *server)
{
    size_t i;
    const json_t *one;
    char length[TEXT_DURATION_MAX];
    json_array_foreach(cli_list(server, "services"), i, one)
    {
        const char *state = cli_text(one, "state");
        table_cell(t, STYLE_BOLD, cli_text(server, "name"));
        table_cell(t, STYLE_PLAIN, cli_text(one, "name"));
        table_cell(t, style_of_service(state, is_core(cli_text(one, "name"))), state);
        table_cell(t, text_equal(cli_text(one, "start"), "DISABLED") ? STYLE_YELLOW : STYLE_DIM,
                   cli_text(one, "start"));
        if (cli_number(one, "pid") > 0)
            table_cellf(t, STYLE_DIM, "%lld", (long long)cli_number(one, "pid"));
        else
            table_cell(t, STYLE_DIM, NULL);
        table_cell(t, STYLE_DIM,
                   cli_is_null(server, "age_ms")
                       ? "never"
                       : say_duration(length, cli_number(server, "age_ms")));
    }
    return i > 0;
}

static void print_services(const struct cli *cli, const json_t *servers)
{
    static const struct table_column columns[] = {
        {"SERVER", 9, 8, false}, {"SERVICE", 8, 8, false}, {"STATE", 7, 7, false},
        {"START", 5, 6, false},  {"PID", 3, 5, true},      {"AGE", 2, 3, true},
    };
    struct text out = {0};
    struct table *t = table_open(columns, 6);
    size_t i, told = 0;
    const json_t *server;
    json_array_foreach(servers, i, server) told += add_services(t, server);
    if (told > 0)
        table_lay(t, &cli->terminal, cli_columns(cli), &out);
    else
        text_add(&out, "No agent has told of services there.\n");
    table_close(t);
    cli_print(&out);
}

static int service_list(struct cli *cli)
{
    struct text path = {0};
    json_t *answer = NULL;
    text_add(&path, "/v1/servers");
    cli_add_query(&path, "on", cli_value(cli, OPT_ON, "all"));
    int code = cli_get(cli, text_get(&path), &answer);
    text_reset(&path);
    if (code == CLI_DONE && json_array_size(cli_list(answer, "servers")) == 0)
        code = cli_fail(cli, CLI_FAILED,
                        "'%s' selects no server: `farmhand server list` shows their names and "
                        "labels",
                        cli_value(cli, OPT_ON, "all"));
    else if (code == CLI_DONE && !cli_print_json(cli, answer))
        print_services(cli, cli_list(answer, "servers"));
    json_decref(answer);
    return code;
}

/* ---- changes ---- */

static int service_recover(struct cli *cli)
{
    return cli_start_run(cli, "service-recover", "", cli_value(cli, OPT_ON, ""));
}

static int service_restart(struct cli *cli)
{
    return cli_start_run(cli, "service-restart", "", cli_value(cli, OPT_ON, ""));
}

static int service_stop(struct cli *cli)
{
    return cli_start_run(cli, "service-stop", "", cli_value(cli, OPT_ON, ""));
}

static int service_start(struct cli *cli)
{
    return cli_start_run(cli, "service-start", "", cli_value(cli, OPT_ON, ""));
}

#define WATCHED                                                                                    \
    "The plan is printed first: targets in order, gates, warnings. On a terminal it then asks, "   \
    "unless --yes.\nThe run is watched to its end; the exit code is the run's. Ctrl-C asks: "      \
    "detach, pause or abort."

const struct cli_verb cli_verbs_service[] = {
    {"service", "list", "", 0, 0, OPT(ON), 0, "WAS, W3SVC and what depends on them, per server",
     NULL, service_list},
    {"service", "recover", "", 0, 0, CLI_RUN_OPTIONS | OPT(ENABLE) | OPT(ALL_SERVERS), OPT(ON),
     "Bring dead, stuck or silent web services back",
     "Servers whose agents say that they are down come first: they cost no budget. One at a time; "
     "--max-unavailable N does\nup to N side by side, after one alone. Healthy servers are left "
     "alone, and so is what a person, a tool or a pending\nreboot keeps down: that is said. WAS "
     "and "
     "W3SVC get a hundred seconds each to stop, then their process is ended if\nnobody else lives "
     "in it; then W3SVC is started, whatever happened, and what ran before.\n\n" WATCHED,
     service_recover},
    {"service", "restart", "", 0, 0, CLI_RUN_OPTIONS, OPT(ON),
     "Restart healthy web services, drained first: in place of IISRESET",
     "The way of `service recover`, from services that run. A recycle of a pool costs "
     "less.\n\n" WATCHED,
     service_restart},
    {"service", "stop", "", 0, 0, CLI_RUN_OPTIONS | OPT(STAY), OPT(ON) | OPT(STAY),
     "Take web services down on purpose",
     "WAS is disabled first, so that they stay down over restarts until `service start`; --stay "
     "says that this is meant.\n\n" WATCHED,
     service_stop},
    {"service", "start", "", 0, 0, CLI_RUN_OPTIONS | OPT(ENABLE), OPT(ON),
     "Start web services, and undo `service stop`",
     "WAS gets the start type back that it had. What others disabled stays so without "
     "--enable.\n\n" WATCHED,
     service_start},
    {0},
};

/* ---- workers ---- */

static int get_workers(struct cli *cli, const char *pool, json_t **answer)
{
    struct text path = {0};
    text_add(&path, "/v1/pools");
    cli_add_query(&path, "on", cli_value(cli, OPT_ON, "all"));
    cli_add_query(&path, "pool", pool);
    int code = cli_get(cli, text_get(&path), answer);
    text_reset(&path);
    return code;
}

static size_t add_workers(struct table *t, const json_t *pool)
{
    char bytes[SAY_BYTES_MAX], length[TEXT_DURATION_MAX];
    size_t i;
    const json_t *worker;
    json_array_foreach(cli_list(pool, "workers"), i, worker)
    {
        table_cell(t, STYLE_BOLD, cli_text(pool, "server"));
        table_cell(t, STYLE_PLAIN, cli_text(pool, "name"));
        table_cellf(t, STYLE_PLAIN, "%lld", (long long)cli_number(worker, "pid"));
        table_cellf(t, STYLE_PLAIN, "%lld %%", (long long)cli_number(worker, "cpu_permille") / 10);
        table_cell(t, STYLE_PLAIN, say_duration(length, cli_number(worker, "cpu_ms")));
        table_cell(t, STYLE_PLAIN, say_bytes(bytes, (uint64_t)cli_number(worker, "memory_bytes")));
        bool told = !cli_is_null(worker, "private_bytes"),
             timed = !cli_is_null(worker, "running_ms");
        uint64_t own = told ? (uint64_t)cli_number(worker, "private_bytes") : 0;
        table_cell(t, STYLE_PLAIN, told ? say_bytes(bytes, own) : NULL);
        table_cell(t, STYLE_PLAIN,
                   timed ? say_duration(length, cli_number(worker, "running_ms")) : NULL);
        table_cell(t, STYLE_DIM, say_duration(length, cli_number(pool, "age_ms")));
    }
    return i;
}

static int worker_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        {"SERVER", 9, 8, false}, {"POOL", 8, 8, false},    {"WORKER", 7, 5, true},
        {"CPU", 6, 5, true},     {"CPU TIME", 3, 5, true}, {"MEMORY", 5, 5, true},
        {"OWN", 5, 5, true},     {"RUNS", 4, 4, true},     {"AGE", 2, 3, true},
    };
    json_t *answer = NULL;
    int code = get_workers(cli, cli_value(cli, OPT_POOL, NULL), &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        struct text out = {0};
        struct table *t = table_open(columns, 9);
        size_t i, count = 0;
        const json_t *pool;
        json_array_foreach(cli_list(answer, "pools"), i, pool) count += add_workers(t, pool);
        if (count > 0)
            table_lay(t, &cli->terminal, cli_columns(cli), &out);
        else
            text_add(&out, "No worker there: the pools are idle, or stopped.\n");
        table_close(t);
        cli_print(&out);
    }
    json_decref(answer);
    return code;
}

static const json_t *find_worker(const json_t *pools, int64_t pid)
{
    size_t i, k;
    const json_t *pool, *worker;
    json_array_foreach(pools, i, pool) json_array_foreach(cli_list(pool, "workers"), k, worker)
    {
        if (cli_number(worker, "pid") == pid)
            return worker;
    }
    return NULL;
}

/* A pid alone may be another process's by the time it is read: the creation time goes with it. */
static int worker_kill(struct cli *cli)
{
    uint64_t pid = 0;
    const char *pool = cli_value(cli, OPT_POOL, "");
    json_t *answer = NULL;
    if (!text_parse_u64(cli->words[0], 1, UINT32_MAX, &pid))
        return cli_fail(cli, CLI_USAGE, "'%s' is no process id: `farmhand worker list` shows them",
                        cli->words[0]);
    int code = get_workers(cli, pool, &answer);
    const json_t *worker =
        code == CLI_DONE ? find_worker(cli_list(answer, "pools"), (int64_t)pid) : NULL;
    if (code == CLI_DONE && !worker)
        code = cli_fail(cli, CLI_FAILED, "pool %s has no worker %s there: `farmhand worker list`",
                        pool, cli->words[0]);
    if (code == CLI_DONE)
        code = cli_start_run_with(cli, "worker-kill", pool, cli_value(cli, OPT_ON, ""),
                                  json_pack("{s:I,s:I}", "worker_pid", (json_int_t)pid,
                                            "worker_created",
                                            (json_int_t)cli_number(worker, "created")));
    json_decref(answer);
    return code;
}

const struct cli_verb cli_verbs_worker[] = {
    {"worker", "list", "", 0, 0, OPT(ON) | OPT(POOL), 0, "Worker processes and their figures", NULL,
     worker_list},
    {"worker", "kill", "PID", 1, 1, CLI_RUN_OPTIONS | OPT(POOL) | OPT(DUMP), OPT(ON) | OPT(POOL),
     "End one worker process: the last resort",
     "Requests in it are lost; WAS starts another. It counts towards rapid-fail protection: where "
     "that could stop the pool, the\nagent refuses. --on has to select one server.\nEvidence "
     "first: "
     "its figures, the last events, the executing requests and, with --dump, a dump (where the\n"
     "server's agent.conf says dumps = yes) are kept with an incident of their own; the result "
     "says "
     "its number, and\n`incident show` and `incident fetch` read it.\n\n" WATCHED,
     worker_kill},
    {0},
};

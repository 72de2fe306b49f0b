/* verb_pool.c - farmhand pool ...: look at pools, recycle, start and stop them over the farm. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/listing.h"
#include "coordinator/cli/signs.h"
#include "coordinator/cli/table.h"

#include <stdio.h>

static enum style style_of_pool(const char *state)
{
    if (text_equal(state, "Started"))
        return STYLE_GREEN;
    return text_equal(state, "Stopped") ? STYLE_RED : STYLE_YELLOW;
}

static void add_age(struct table *t, const json_t *object)
{
    char length[TEXT_DURATION_MAX];
    if (cli_is_null(object, "age_ms"))
        table_cell(t, STYLE_YELLOW, "never");
    else
        table_cell(t, cli_number(object, "age_ms") > 60000 ? STYLE_YELLOW : STYLE_DIM,
                   say_duration(length, cli_number(object, "age_ms")));
}

static uint64_t memory_of(const json_t *workers)
{
    uint64_t sum = 0;
    size_t i;
    const json_t *worker;
    json_array_foreach(workers, i, worker) sum += (uint64_t)cli_number(worker, "memory_bytes");
    return sum;
}

static void add_queue(struct table *t, const json_t *pool)
{
    if (cli_is_null(pool, "queued"))
        table_cell(t, STYLE_DIM, NULL);
    else
        table_cellf(t, cli_number(pool, "queued") > 0 ? STYLE_YELLOW : STYLE_PLAIN, "%lld",
                    (long long)cli_number(pool, "queued"));
}

static void add_rejected(struct table *t, const json_t *pool)
{
    if (cli_is_null(pool, "rejected"))
        table_cell(t, STYLE_DIM, NULL);
    else
        table_cellf(t, cli_number(pool, "rejected") > 0 ? STYLE_YELLOW : STYLE_PLAIN, "%lld",
                    (long long)cli_number(pool, "rejected"));
}

static void add_pool(struct table *t, const json_t *pool)
{
    char bytes[SAY_BYTES_MAX];
    const json_t *workers = cli_list(pool, "workers");
    const char *state = cli_text(pool, "state");
    table_cell(t, STYLE_BOLD, cli_text(pool, "server"));
    table_cell(t, STYLE_PLAIN, cli_text(pool, "name"));
    table_cell(t, style_of_pool(state), state);
    table_cellf(t, STYLE_PLAIN, "%zu", json_array_size(workers));
    table_cell(t, STYLE_PLAIN,
               json_array_size(workers) ? say_bytes(bytes, memory_of(workers)) : NULL);
    add_queue(t, pool);
    add_rejected(t, pool);
    table_cell(t, cli_true(pool, "auto_start") ? STYLE_PLAIN : STYLE_YELLOW,
               cli_true(pool, "auto_start") ? "yes" : "no");
    table_cell(t, STYLE_DIM, cli_text(pool, "start_mode"));
    add_age(t, pool);
}

static void print_pools(const struct cli *cli, const json_t *pools)
{
    static const struct table_column columns[] = {
        {"SERVER", 9, 8, false},  {"POOL", 8, 8, false},  {"STATE", 7, 7, false},
        {"WORKERS", 6, 3, true},  {"MEMORY", 3, 5, true}, {"QUEUE", 5, 3, true},
        {"REJECTED", 2, 4, true}, {"AUTO", 4, 4, false},  {"START MODE", 1, 4, false},
        {"AGE", 2, 3, true},
    };
    static const struct cli_listing listing = {columns, 10, add_pool, NULL};
    cli_print_listing(cli, &listing, pools);
}

/* Pools of --on, of this name or glob; none found is a failure: nothing is silently empty. */
static int get_pools(struct cli *cli, const char *glob, json_t **answer)
{
    struct text path = {0};
    text_add(&path, "/v1/pools");
    cli_add_query(&path, "on", cli_value(cli, OPT_ON, "all"));
    cli_add_query(&path, "pool", glob);
    int code = cli_get(cli, text_get(&path), answer);
    text_reset(&path);
    if (code == CLI_DONE && json_array_size(cli_list(*answer, "pools")) == 0)
        code = cli_fail(cli, CLI_FAILED,
                        "no pool%s%s on %s: \"farmhand pool list\" shows those there are",
                        glob ? " " : "", glob ? glob : "", cli_value(cli, OPT_ON, "all"));
    return code;
}

static int pool_list(struct cli *cli)
{
    json_t *answer = NULL;
    int code = get_pools(cli, cli->word_count ? cli->words[0] : NULL, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer))
        print_pools(cli, cli_list(answer, "pools"));
    json_decref(answer);
    return code;
}

/* ---- show ---- */

static void add_worker(struct table *t, const json_t *pool, const json_t *worker)
{
    char bytes[SAY_BYTES_MAX], length[TEXT_DURATION_MAX];
    table_cell(t, STYLE_BOLD, cli_text(pool, "server"));
    table_cellf(t, STYLE_PLAIN, "%lld", (long long)cli_number(worker, "pid"));
    table_cellf(t, STYLE_PLAIN, "%lld.%lld %%", (long long)cli_number(worker, "cpu_permille") / 10,
                (long long)cli_number(worker, "cpu_permille") % 10);
    table_cell(t, STYLE_PLAIN, say_duration(length, cli_number(worker, "cpu_ms")));
    table_cell(t, STYLE_PLAIN, say_bytes(bytes, (uint64_t)cli_number(worker, "memory_bytes")));
    add_age(t, pool);
}

static void print_workers(const struct cli *cli, const json_t *pools)
{
    static const struct table_column columns[] = {
        {"SERVER", 9, 8, false},  {"WORKER", 8, 5, true}, {"CPU", 7, 5, true},
        {"CPU TIME", 3, 5, true}, {"MEMORY", 6, 5, true}, {"AGE", 2, 3, true},
    };
    struct text out = {0};
    struct table *t = table_open(columns, 6);
    size_t i, k, count = 0;
    const json_t *pool, *worker;
    json_array_foreach(pools, i, pool) json_array_foreach(cli_list(pool, "workers"), k, worker)
    {
        add_worker(t, pool, worker);
        count++;
    }
    text_add(&out, "\n");
    if (count > 0)
        table_lay(t, &cli->terminal, cli_columns(cli), &out);
    else
        text_add(&out, "No worker anywhere: the pool is idle, or stopped.\n");
    table_close(t);
    cli_print(&out);
}

static void print_events(const struct cli *cli, const json_t *pools)
{
    struct text out = {0};
    struct table *t = signs_open(true);
    size_t i, count = 0;
    const json_t *pool;
    json_array_foreach(pools, i, pool) count +=
        signs_add(t, cli_text(pool, "server"), cli_list(pool, "events"));
    if (count > 0) {
        text_add(&out, "\n");
        table_lay(t, &cli->terminal, cli_columns(cli), &out);
        cli_print(&out);
    }
    table_close(t);
    text_reset(&out);
}

static int pool_show(struct cli *cli)
{
    json_t *answer = NULL;
    int code = get_pools(cli, cli->words[0], &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        print_pools(cli, cli_list(answer, "pools"));
        print_workers(cli, cli_list(answer, "pools"));
        print_events(cli, cli_list(answer, "pools"));
    }
    json_decref(answer);
    return code;
}

/* ---- changes ---- */

static int pool_recycle(struct cli *cli)
{
    return cli_start_run(cli, "recycle", cli->words[0], cli_value(cli, OPT_ON, ""));
}

static int pool_start(struct cli *cli)
{
    return cli_start_run(cli, "start", cli->words[0], cli_value(cli, OPT_ON, ""));
}

static int pool_stop(struct cli *cli)
{
    return cli_start_run(cli, "stop", cli->words[0], cli_value(cli, OPT_ON, ""));
}

#define WATCHED                                                                                    \
    "The plan is printed first: targets in order, gates, warnings. On a terminal it then asks, "   \
    "unless --yes.\nSeveral pools: Shop,Api or Sh* or '*,!Shop' (all but one); those of a server " \
    "come one after "                                                                              \
    "the other.\nThe run is watched to its end; the exit code is the run's. Ctrl-C asks: "         \
    "detach, pause or abort."

const struct cli_verb cli_verbs_pool[] = {
    {"pool", "list", "[GLOB]", 0, 1, OPT(ON), 0, "Pools of all servers, or of those selected", NULL,
     pool_list},
    {"pool", "show", "POOL", 1, 1, OPT(ON), 0, "One pool on every server, with its workers", NULL,
     pool_show},
    {"pool", "recycle", "POOL|GLOB,!GLOB", 1, 1, CLI_RUN_OPTIONS | OPT(START_IDLE), OPT(ON),
     "Give a pool new workers, one server at a time",
     "Each server is drained from its balancers, recycled, proved (every old worker gone, a new "
     "one "
     "answering),\nand put back before the next one begins. It stops at the first "
     "failure.\n\n" WATCHED,
     pool_recycle},
    {"pool", "start", "POOL|GLOB,!GLOB", 1, 1, CLI_RUN_OPTIONS | OPT(KEEP_AUTOSTART) | OPT(SHARED),
     OPT(ON), "Start a pool, and let it start with its server again", WATCHED, pool_start},
    {"pool", "stop", "POOL|GLOB,!GLOB", 1, 1, CLI_RUN_OPTIONS | OPT(KEEP_AUTOSTART) | OPT(SHARED),
     OPT(ON), "Stop a pool so that it stays stopped",
     "autoStart is set to false first: otherwise the pool comes back with the next restart of WAS "
     "or of the server.\nFrom then on it is looked at after each of them, and the status and a "
     "notice "
     "tell when something brought it back.\n\n" WATCHED,
     pool_stop},
    {"pool", "warm", "POOL|GLOB,!GLOB", 1, 1,
     CLI_RUN_OPTIONS | OPT(CHECK) | OPT(APPLY) | OPT(UNDO) | OPT(SHARED), OPT(ON),
     "What keeps a pool from a recycle that nobody notices, and the remedy",
     "--check asks every agent what is missing (startMode, idle time-out, overlap, a start-up "
     "limit "
     "below 90s; of each\napplication preload and doAppInitAfterRestart) and shows how large the "
     "gap was at the last recycles; exit code 1 when\nsomething is. --apply sets it, one server at "
     "a time, drained and proved, since IIS may recycle the pool for it; what was\nbefore is kept, "
     "and --undo puts it back.\n\n" WATCHED,
     cli_pool_warm},
    {0},
};

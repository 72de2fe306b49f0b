/* scm_lab.c - the services of a lab server: its `sc --json query` and `sc counters`, see
 * tests/lab/LAB.md. */
#include "agent/drivers/scm.h"

#include "common/must.h"
#include "common/process.h"
#include "common/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX   ((size_t)1 << 20) /* bytes */
#define QUERY_MAX_MS 10000             /* the tool answers in milliseconds, or something is wrong */

struct scm_lab {
    struct scm base;
    char *tool;
};

/* Those that a web server is made of; on a real one hundreds of others run. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"HTTP",     "WAS",        "W3SVC",    "NetMsmqActivator",
                                        "IISADMIN", "FTPSVC",     "WMSVC",    "NetPipeActivator",
                                        "W3LOGSVC", "AppHostSvc", "MSFTPSVC", "NetTcpActivator"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_equal_nocase(name, names[i]))
            return true;
    return false;
}

static bool depends_on_ours(const json_t *service)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(service, "depends"), i, name)
    {
        const char *text = json_string_value(name);
        if (text && (text_equal_nocase(text, "WAS") || text_equal_nocase(text, "W3SVC")))
            return true;
    }
    return false;
}

/* The numbers of Windows' SERVICE_STATUS. */
static enum service_state state_of(json_int_t number)
{
    switch (number) {
    case 1:
        return SVC_STOPPED;
    case 2:
        return SVC_START_PENDING;
    case 3:
        return SVC_STOP_PENDING;
    case 4:
        return SVC_RUNNING;
    case 5: /* CONTINUE_PENDING */
    case 6: /* PAUSE_PENDING */
    case 7:
        return SVC_PAUSED;
    default:
        return SVC_UNKNOWN;
    }
}

static enum service_start start_of(json_int_t number)
{
    switch (number) {
    case 2:
        return SVC_START_AUTO;
    case 3:
        return SVC_START_DEMAND;
    case 4:
        return SVC_START_DISABLED;
    default:
        return SVC_START_UNKNOWN;
    }
}

static void add_row(struct scm_rows *rows, const struct scm_row *row)
{
    rows->items = must_realloc(rows->items, rows->count + 1, sizeof(*row));
    rows->items[rows->count++] = *row;
}

/* False: the row has no name or no state. */
static bool read_row(const json_t *service, struct scm_rows *rows)
{
    const char *name = json_string_value(json_object_get(service, "name"));
    const json_t *state = json_object_get(service, "state");
    json_int_t pid = json_integer_value(json_object_get(service, "pid"));
    if (!name || !json_is_integer(state) || pid < 0 || pid > UINT32_MAX)
        return false;
    if ((!is_ours(name) && !depends_on_ours(service)) || rows->count >= WIRE_SERVICES_MAX)
        return true;
    struct scm_row row = {
        .state = state_of(json_integer_value(state)),
        .start = start_of(json_integer_value(json_object_get(service, "start_type"))),
        .pid = (uint32_t)pid,
    };
    if (text_copy(row.name, sizeof(row.name), name))
        add_row(rows, &row);
    return true;
}

static void add_if_absent(struct scm_rows *rows, const char *name)
{
    struct scm_row row = {.state = SVC_ABSENT};
    if (scm_rows_find(rows, name))
        return;
    text_copy(row.name, sizeof(row.name), name);
    add_row(rows, &row);
}

static enum error_code refused(json_int_t number, struct error *err)
{
    enum error_code code = number == 5 ? ERR_DENIED : ERR_UNAVAILABLE;
    return error_set(err, code, "the service manager answered with %lld", (long long)number);
}

/* The answer as JSON, with the array `list`; the caller gives back *root. */
static enum error_code read_answer(const char *json, size_t len, const char *list, json_t **root,
                                   struct error *err)
{
    *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *number = json_object_get(*root, "code");
    if (json_is_integer(number) && json_integer_value(number) != 0)
        return refused(json_integer_value(number), err);
    if (!json_is_integer(number) || !json_is_array(json_object_get(*root, list)))
        return error_set(err, ERR_CORRUPT, "the service manager's answer cannot be read");
    return ERR_NONE;
}

enum error_code scm_lab_parse(const char *json, size_t len, struct scm_rows *out, struct error *err)
{
    json_t *root;
    struct scm_rows rows = {.known = true};
    enum error_code code = read_answer(json, len, "services", &root, err);
    const json_t *services = json_object_get(root, "services");
    for (size_t i = 0; !code && i < json_array_size(services); i++)
        if (!read_row(json_array_get(services, i), &rows))
            code = error_set(err, ERR_CORRUPT, "a service has no name or no state");
    if (!code) {
        add_if_absent(&rows, "WAS");
        add_if_absent(&rows, "W3SVC");
        *out = rows;
        rows = (struct scm_rows){0};
    }
    scm_rows_reset(&rows);
    json_decref(root);
    return code;
}

static bool read_counter(const json_t *pool, struct scm_counters *counters)
{
    const char *name = json_string_value(json_object_get(pool, "name"));
    const json_t *queue = json_object_get(pool, "queue");
    struct scm_counter counter = {.queued = json_integer_value(queue)};
    if (!name || !json_is_integer(queue) || counter.queued < 0)
        return false;
    if (counters->count >= WIRE_POOLS_MAX || !text_copy(counter.pool, sizeof(counter.pool), name))
        return true;
    counters->items = must_realloc(counters->items, counters->count + 1, sizeof(counter));
    counters->items[counters->count++] = counter;
    return true;
}

enum error_code scm_lab_parse_counters(const char *json, size_t len, struct scm_counters *out,
                                       struct error *err)
{
    json_t *root;
    struct scm_counters counters = {0};
    enum error_code code = read_answer(json, len, "pools", &root, err);
    const json_t *pools = json_object_get(root, "pools");
    for (size_t i = 0; !code && i < json_array_size(pools); i++)
        if (!read_counter(json_array_get(pools, i), &counters))
            code = error_set(err, ERR_CORRUPT, "the counters of a pool cannot be read");
    if (!code) {
        *out = counters;
        counters = (struct scm_counters){0};
    }
    scm_counters_reset(&counters);
    json_decref(root);
    return code;
}

static enum error_code lab_open(const char *tool, struct scm **out, struct error *err)
{
    if (!tool)
        return error_set(err, ERR_INVALID,
                         "[iis] service_tool: the back end lab needs the path of the lab's sc");
    struct scm_lab *lab = must_alloc(1, sizeof(*lab));
    lab->base.ops = &scm_lab_ops;
    lab->tool = must_copy(tool);
    *out = &lab->base;
    return ERR_NONE;
}

/* Runs the tool; *out is the caller's to free. */
static enum error_code ask(struct scm *scm, const char *const *args, uint64_t timeout_ms,
                           struct process_result *out, struct error *err)
{
    struct scm_lab *lab = (struct scm_lab *)scm;
    const char *argv[] = {lab->tool, args[0], args[1], NULL};
    struct process_call call = {
        .argv = argv,
        .timeout_ms = timeout_ms < QUERY_MAX_MS ? timeout_ms : QUERY_MAX_MS,
        .output_max_bytes = ANSWER_MAX,
        .exit_fd_env = "FARMHAND_EXIT_FD",
    };
    if (timeout_ms == 0)
        return error_set(err, ERR_TIMEOUT, "no time left to ask the service manager");
    enum error_code code = process_run(&call, out, err);
    if (code == ERR_NOT_FOUND)
        return error_set(err, ERR_UNAVAILABLE,
                         "there is no service manager at %s: check [iis] service_tool", lab->tool);
    if (code == ERR_NOMEM)
        return error_set(err, ERR_CORRUPT, "the service manager's answer is too long");
    if (code)
        return code;
    if (out->output_len == 0 && out->exit_code != 0)
        code = refused(out->exit_code, err);
    if (code)
        free(out->output);
    return code;
}

static enum error_code lab_query(struct scm *scm, uint64_t timeout_ms, struct scm_rows *out,
                                 struct error *err)
{
    const char *const args[] = {"--json", "query"};
    struct process_result result;
    enum error_code code = ask(scm, args, timeout_ms, &result, err);
    if (code)
        return code;
    code = scm_lab_parse(result.output, result.output_len, out, err);
    free(result.output);
    return code;
}

static enum error_code lab_counters(struct scm *scm, uint64_t timeout_ms, struct scm_counters *out,
                                    struct error *err)
{
    const char *const args[] = {"counters", NULL};
    struct process_result result;
    enum error_code code = ask(scm, args, timeout_ms, &result, err);
    if (code)
        return code;
    code = scm_lab_parse_counters(result.output, result.output_len, out, err);
    free(result.output);
    return code;
}

static void lab_close(struct scm *scm)
{
    struct scm_lab *lab = (struct scm_lab *)scm;
    if (lab)
        free(lab->tool);
    free(lab);
}

const struct scm_ops scm_lab_ops = {
    .name = "lab",
    .starts_tool = true,
    .open = lab_open,
    .query = lab_query,
    .counters = lab_counters,
    .close = lab_close,
};

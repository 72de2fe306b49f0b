/* scm_lab.c - the services of a lab server: its `sc --json query` and `sc counters`, see
 * tests/lab/LAB.md. */
#include "agent/drivers/bookmark.h"
#include "agent/drivers/scm.h"
#include "agent/drivers/scm_codes.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/process.h"
#include "common/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX   ((size_t)1 << 20) /* bytes */
#define QUERY_MAX_MS 10000             /* the tool answers in milliseconds, or something is wrong */
#define POLL_MS      100               /* between two looks at a service that is waited for */
#define ARGS_MAX     4

struct scm_lab {
    struct scm base;
    char *tool;
    struct bookmark *mark;
};

static void read_needs(const json_t *service, const char *name, struct scm_rows *rows)
{
    size_t i;
    json_t *needs;
    json_array_foreach(json_object_get(service, "depends"), i, needs)
    {
        if (json_string_value(needs))
            scm_rows_need(rows, name, json_string_value(needs));
    }
}

static uint32_t number_of(const json_t *service, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(service, key));
    return number < 0 || number > UINT32_MAX ? 0 : (uint32_t)number;
}

/* False: the row has no name or no state. */
static bool read_row(const json_t *service, struct scm_rows *rows)
{
    const char *name = json_string_value(json_object_get(service, "name"));
    const json_t *state = json_object_get(service, "state");
    json_int_t pid = json_integer_value(json_object_get(service, "pid"));
    if (!name || !json_is_integer(state) || pid < 0 || pid > UINT32_MAX)
        return false;
    struct scm_row row = {
        .state = scm_state_of(number_of(service, "state")),
        .start = scm_start_of(number_of(service, "start_type")),
        .pid = (uint32_t)pid,
        .exit_code = number_of(service, "exit_code"),
        .checkpoint = number_of(service, "checkpoint"),
    };
    const char *on_death = json_string_value(json_object_get(service, "on_failure"));
    text_copy(row.on_death, sizeof(row.on_death), on_death ? on_death : "");
    if (!text_copy(row.name, sizeof(row.name), name))
        return true;
    scm_rows_add(rows, &row);
    read_needs(service, name, rows);
    return true;
}

/* The answer as JSON, with the array `list`; the caller gives back *root. */
static enum error_code read_answer(const char *json, size_t len, const char *list, json_t **root,
                                   struct error *err)
{
    *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *number = json_object_get(*root, "code");
    if (json_is_integer(number) && json_integer_value(number) != 0)
        return scm_code_error((uint32_t)json_integer_value(number), SCM_QUERY, NULL, err);
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
    const char *barred = json_string_value(json_object_get(root, "barred"));
    wire_clean_text(rows.barred, sizeof(rows.barred), barred ? barred : "");
    if (!code) {
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
    const json_t *rejected = json_object_get(pool, "rejected");
    if (!name || !json_is_integer(queue) || json_integer_value(queue) < 0)
        return false;
    struct scm_counter *counter = scm_counters_row(counters, name);
    if (!counter)
        return true;
    counter->queued = json_integer_value(queue);
    if (json_is_integer(rejected) && json_integer_value(rejected) >= 0)
        counter->rejected = json_integer_value(rejected);
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

/* ---- events ---- */

static bool read_event(const char *line, size_t len, struct event_entry *out)
{
    json_t *o = json_loadb(line, len, 0, NULL);
    const json_t *data = json_object_get(o, "data");
    const char *pool = json_string_value(json_object_get(data, "AppPoolID"));
    out->id = number_of(o, "id");
    out->pid = number_of(data, "ProcessID");
    out->wall_ms = json_integer_value(json_object_get(o, "wall_ms"));
    wire_clean_text(out->pool, sizeof(out->pool), pool ? pool : "");
    json_decref(o);
    return out->id != 0 && out->wall_ms > 0;
}

static uint64_t count_lines(const char *lines, size_t len)
{
    uint64_t count = 0;
    for (const char *at = lines; (at = memchr(at, '\n', (size_t)(lines + len - at))); at++)
        count++;
    return count;
}

void scm_lab_parse_events(const char *lines, size_t len, uint64_t after, struct event_entries *out)
{
    const char *end = lines + len, *stop;
    uint64_t no = 0;
    if (count_lines(lines, len) < after)
        after = 0;
    for (const char *at = lines; (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1) {
        struct event_entry entry = {.record = ++no};
        if (no > after && read_event(at, (size_t)(stop - at), &entry))
            event_entries_add(out, &entry);
    }
}

static enum error_code lab_open(const char *tool, const char *state_dir, struct scm **out,
                                struct error *err)
{
    if (!tool)
        return error_set(err, ERR_INVALID,
                         "[iis] service_tool: the back end lab needs the path of the lab's sc");
    struct scm_lab *lab = must_alloc(1, sizeof(*lab));
    lab->base.ops = &scm_lab_ops;
    lab->tool = must_copy(tool);
    lab->mark = bookmark_new(state_dir);
    *out = &lab->base;
    return ERR_NONE;
}

/* ---- the tool ---- */

/* Runs the tool; *out is the caller's to free. args: NULL-terminated, ARGS_MAX at most. */
static enum error_code run(struct scm *scm, const char *const *args, uint64_t timeout_ms,
                           struct process_result *out, struct error *err)
{
    struct scm_lab *lab = (struct scm_lab *)scm;
    const char *argv[ARGS_MAX + 2] = {lab->tool};
    for (size_t i = 0; args[i]; i++) {
        must(i < ARGS_MAX);
        argv[i + 1] = args[i];
    }
    struct process_call call = {
        .argv = argv,
        .timeout_ms = timeout_ms,
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
    return code;
}

static enum error_code ask(struct scm *scm, const char *const *args, uint64_t timeout_ms,
                           struct process_result *out, struct error *err)
{
    enum error_code code =
        run(scm, args, timeout_ms < QUERY_MAX_MS ? timeout_ms : QUERY_MAX_MS, out, err);
    if (code)
        return code;
    if (out->output_len == 0 && out->exit_code != 0)
        code = scm_code_error(out->exit_code, SCM_QUERY, NULL, err);
    if (code)
        free(out->output);
    return code;
}

static enum error_code query_all(struct scm *scm, uint64_t timeout_ms, struct scm_rows *out,
                                 struct error *err)
{
    const char *const args[] = {"--json", "query", NULL};
    struct process_result result;
    enum error_code code = ask(scm, args, timeout_ms, &result, err);
    if (code)
        return code;
    code = scm_lab_parse(result.output, result.output_len, out, err);
    free(result.output);
    return code;
}

static enum error_code lab_query(struct scm *scm, uint64_t timeout_ms, struct scm_rows *out,
                                 struct error *err)
{
    enum error_code code = query_all(scm, timeout_ms, out, err);
    if (!code)
        scm_rows_keep_ours(out);
    return code;
}

static enum error_code lab_lodgers(struct scm *scm, const char *name, uint32_t pid,
                                   uint64_t timeout_ms, struct scm_rows *out, struct error *err)
{
    struct scm_rows all;
    enum error_code code = query_all(scm, timeout_ms, &all, err);
    if (code)
        return code;
    code = scm_rows_lodgers(&all, name, pid, out, err);
    scm_rows_reset(&all);
    return code;
}

/* The tool answers when the manager took it, with its code. */
static enum error_code act(struct scm *scm, enum scm_act which, const char *name,
                           const char *const *args, uint64_t timeout_ms, struct error *err)
{
    struct process_result result;
    enum error_code code = run(scm, args, timeout_ms, &result, err);
    if (code)
        return code;
    free(result.output);
    return scm_code_error(result.exit_code, which, name, err);
}

static enum error_code lab_start(struct scm *scm, const char *name, uint64_t timeout_ms,
                                 struct error *err)
{
    const char *const args[] = {"start", name, NULL};
    return act(scm, SCM_START, name, args, timeout_ms, err);
}

static enum error_code lab_stop(struct scm *scm, const char *name, uint64_t timeout_ms,
                                struct error *err)
{
    const char *const args[] = {"stop", name, NULL};
    return act(scm, SCM_STOP, name, args, timeout_ms, err);
}

static enum error_code lab_set_start(struct scm *scm, const char *name, enum service_start start,
                                     uint64_t timeout_ms, struct error *err)
{
    static const char *const words[] = {[SVC_START_AUTO] = "auto",
                                        [SVC_START_DEMAND] = "demand",
                                        [SVC_START_DISABLED] = "disabled"};
    must(start != SVC_START_UNKNOWN);
    const char *const args[] = {"config", name, "start=", words[start], NULL};
    return act(scm, SCM_CONFIG, name, args, timeout_ms, err);
}

static void lab_await_change(struct scm *scm, const char *name, enum service_state state,
                             uint64_t most_ms)
{
    (void)scm, (void)name, (void)state;
    clock_sleep_ms((uint32_t)(most_ms < POLL_MS ? most_ms : POLL_MS));
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

static enum error_code lab_events(struct scm *scm, uint64_t timeout_ms, struct event_entries *out,
                                  struct error *err)
{
    struct scm_lab *lab = (struct scm_lab *)scm;
    const char *const args[] = {"events", NULL};
    struct process_result result;
    uint64_t after = 0;
    enum error_code code = ask(scm, args, timeout_ms, &result, err);
    if (code)
        return code;
    char *mark = bookmark_read(lab->mark);
    text_parse_u64(mark ? mark : "", 0, INT64_MAX, &after);
    free(mark);
    struct event_entries entries = {0};
    scm_lab_parse_events(result.output, result.output_len, after, &entries);
    if (entries.count > 0) {
        char text[24];
        text_format(text, sizeof(text), "%" PRIu64, entries.items[entries.count - 1].record);
        bookmark_write(lab->mark, text);
    }
    free(result.output);
    *out = entries;
    return ERR_NONE;
}

static void lab_close(struct scm *scm)
{
    struct scm_lab *lab = (struct scm_lab *)scm;
    if (lab) {
        free(lab->tool);
        bookmark_free(lab->mark);
    }
    free(lab);
}

const struct scm_ops scm_lab_ops = {
    .name = "lab",
    .starts_tool = true,
    .open = lab_open,
    .query = lab_query,
    .lodgers = lab_lodgers,
    .start = lab_start,
    .stop = lab_stop,
    .set_start = lab_set_start,
    .await_change = lab_await_change,
    .counters = lab_counters,
    .events = lab_events,
    .close = lab_close,
};

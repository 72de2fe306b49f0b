#include "tests/lab/check/box.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/process.h"
#include "common/text.h"
#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/socket.h"
#include "tests/lab/base/words.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUN_MS     60000
#define UNTIL_MS   60000
#define OUTPUT_MAX (80u << 20)

void box_sleep(uint64_t ms)
{
    lab_os_sleep_ms(ms);
}

/* One that has ended but was not reaped by whoever inherited it does not count. */
bool box_alive(uint32_t pid)
{
    struct os_process process;
    return os_process_find(pid, &process, NULL) == ERR_NONE;
}

void box_kill(uint32_t pid)
{
    struct os_process process;
    struct error err = {0};
    assert_true(pid > 1);
    if (os_process_find(pid, &process, &err) != ERR_NONE ||
        os_process_kill(pid, process.created, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

unsigned box_free_port(void)
{
    int fd = socket_listen_tcp("127.0.0.1", 0, NULL);
    unsigned port = socket_port(fd);
    socket_close(fd);
    assert_true(port > 0);
    return port;
}

static void program_path(const struct box *b, const char *program, char *out, size_t size)
{
    text_format(out, size, "%s/inetsrv/%s" LAB_EXE, b->dir, program);
}

static unsigned run(const char *const *argv, char **out)
{
    struct process_call call = {.argv = argv,
                                .timeout_ms = RUN_MS,
                                .output_max_bytes = OUTPUT_MAX,
                                .exit_fd_env = "FARMHAND_EXIT_FD"};
    struct process_result result = {0};
    struct error err = {0};
    if (process_run(&call, &result, &err) != ERR_NONE)
        fail_msg("%s: %s", argv[0], err.text);
    if (out)
        *out = result.output;
    else
        free(result.output);
    return result.exit_code;
}

static size_t words(const char **argv, size_t at, va_list args)
{
    const char *word;
    while ((word = va_arg(args, const char *)))
        argv[at++] = word;
    argv[at] = NULL;
    return at;
}

unsigned box_run(struct box *b, char **out, const char *program, ...)
{
    char path[400];
    const char *argv[24] = {path};
    va_list args;
    program_path(b, program, path, sizeof path);
    va_start(args, program);
    words(argv, 1, args);
    va_end(args);
    return run(argv, out);
}

void box_appcmd(struct box *b, unsigned code, const char *wanted, ...)
{
    char path[400], *out = NULL;
    const char *argv[24] = {path};
    va_list args;
    program_path(b, "appcmd", path, sizeof path);
    va_start(args, wanted);
    words(argv, 1, args);
    va_end(args);
    unsigned got = run(argv, &out);
    if (got != code || (wanted && !strstr(out, wanted)))
        fail_msg("appcmd %s %s: exit %u, wanted %u and \"%s\" in:\n%s", argv[1],
                 argv[3] ? argv[3] : "", got, code, wanted ? wanted : "", out);
    free(out);
}

void box_sc(struct box *b, unsigned code, ...)
{
    char path[400], *out = NULL;
    const char *argv[24] = {path};
    va_list args;
    program_path(b, "sc", path, sizeof path);
    va_start(args, code);
    words(argv, 1, args);
    va_end(args);
    unsigned got = run(argv, &out);
    if (got != code)
        fail_msg("sc %s %s: exit %u, wanted %u:\n%s", argv[1], argv[2], got, code, out);
    free(out);
}

void box_fault(struct box *b, ...)
{
    char path[400];
    const char *argv[24] = {path, "fault"};
    va_list args;
    program_path(b, "lab-sc", path, sizeof path);
    va_start(args, b);
    words(argv, 2, args);
    va_end(args);
    assert_int_equal(run(argv, NULL), 0);
}

static const char CONFIG[] =
    "<configuration>\n<system.applicationHost>\n<applicationPools>\n"
    "<add name=\"Shop\" %s>%s</add>\n<add name=\"Api\" startMode=\"OnDemand\" />\n"
    "</applicationPools>\n<sites>\n<site name=\"Shop\" id=\"1\">\n"
    "<application path=\"/\" applicationPool=\"Shop\"><virtualDirectory path=\"/\" "
    "physicalPath=\"sites/Shop\" /></application>\n"
    "<application path=\"/api\" applicationPool=\"Api\" />\n"
    "<bindings><binding protocol=\"http\" bindingInformation=\"*:%u:\" /></bindings>\n"
    "</site>\n</sites>\n</system.applicationHost>\n</configuration>\n";

static void write_file(const char *path, const char *text)
{
    assert_int_equal(os_write_file(path, text, strlen(text), 0644, NULL), ERR_NONE);
}

void box_make(struct box *b, const char *attributes, const char *elements, const char *lab)
{
    char config[300], conf[300];
    struct text text = {0};
    char root[LAB_PATH_MAX];
    assert_true(lab_os_temp("lab-check.", root, NULL));
    assert_true(text_copy(b->root, sizeof b->root, root));
    b->port = box_free_port();
    snprintf(b->dir, sizeof b->dir, "%s/web01", b->root);
    snprintf(config, sizeof config, "%s/config", b->root);
    snprintf(conf, sizeof conf, "%s/conf", b->root);
    text_addf(&text, CONFIG, attributes ? attributes : "startMode=\"AlwaysRunning\"",
              elements ? elements : "", b->port);
    write_file(config, text_get(&text));
    text_reset(&text);
    text_addf(&text, "[server]\nname = web01\nappcmd_delay_ms = 0\nworker_start_ms = 30\n%s",
              lab ? lab : "");
    write_file(conf, text_get(&text));
    text_reset(&text);
    const char *argv[] = {
        LAB_PROGRAMS "/lab-sc" LAB_EXE, "create", b->dir, "--config", config, "--lab", conf, NULL};
    assert_int_equal(run(argv, NULL), 0);
}

/* On Windows what process_run() starts is a job, which ends as a whole: a server that is to stay is
 * started apart, and waited for. */
static void start_apart(const char *dir)
{
    const char *argv[] = {LAB_PROGRAMS "/lab-sc" LAB_EXE, "run", dir, NULL};
    struct error err = {0};
    uint32_t pid;
    if (!lab_os_spawn(argv, NULL, 0, true, &pid, &err))
        fail_msg("%s", err.text);
}

void box_up(struct box *b)
{
    bool is_windows = LAB_EXE[0] != '\0';
    const char *verb = is_windows ? "wait" : "up";
    const char *argv[] = {LAB_PROGRAMS "/lab-sc" LAB_EXE, verb, b->dir, NULL};
    char *out = NULL;
    if (is_windows)
        start_apart(b->dir);
    if (run(argv, &out) != 0)
        fail_msg("%s: %s", verb, out);
    free(out);
}

void box_open(struct box *b, const char *attributes, const char *elements, const char *lab)
{
    box_make(b, attributes, elements, lab);
    box_up(b);
}

void box_down(struct box *b)
{
    const char *argv[] = {LAB_PROGRAMS "/lab-sc" LAB_EXE, "down", b->dir, NULL};
    assert_int_equal(run(argv, NULL), 0);
}

/* What the server's own programs wrote when something inside them was broken. */
static bool is_broken(const char *log)
{
    return strstr(log, "Sanitizer") || strstr(log, "runtime error:") ||
           strstr(log, "a promise inside the program");
}

void box_close(struct box *b)
{
    char path[400], *log = NULL;
    box_down(b);
    snprintf(path, sizeof path, "%s/lab.log", b->dir);
    os_read_file(path, OUTPUT_MAX, &log, NULL, NULL);
    lab_os_remove(b->root);
    bool broken = log && is_broken(log);
    if (broken)
        print_error("%s\n", log);
    free(log);
    assert_false(broken);
}

json_t *box_truth(struct box *b)
{
    char *out = NULL;
    assert_int_equal(box_run(b, &out, "lab-sc", "truth", NULL), 0);
    json_t *truth = json_loads(out, 0, NULL);
    free(out);
    assert_true(json_is_object(truth));
    return truth;
}

long box_count(struct box *b, const char *path)
{
    json_t *truth = box_truth(b), *at = truth;
    char copy[256], *rest = copy, *part;
    text_copy(copy, sizeof copy, path);
    while ((part = words_next(&rest, "/")))
        at = json_object_get(at, part);
    long value = (long)json_integer_value(at);
    json_decref(truth);
    return value;
}

static json_t *workers_of(const json_t *truth, const char *pool)
{
    return json_object_get(json_object_get(json_object_get(truth, "pools"), pool), "workers");
}

bool box_worker_ready(struct box *b, const char *pool, uint32_t pid)
{
    json_t *truth = box_truth(b), *worker;
    bool ready = false;
    size_t i;
    json_array_foreach(workers_of(truth, pool), i, worker)
    {
        if (json_integer_value(json_object_get(worker, "pid")) == pid)
            ready = json_is_object(json_object_get(worker, "ready"));
    }
    json_decref(truth);
    return ready;
}

unsigned box_ended(struct box *b, const char *pool, const char *how)
{
    json_t *truth = box_truth(b), *worker;
    unsigned count = 0;
    size_t i;
    json_array_foreach(workers_of(truth, pool), i, worker)
    {
        const char *word = json_string_value(json_object_get(worker, "how"));
        count += word && strcmp(word, how) == 0;
    }
    json_decref(truth);
    return count;
}

bool box_event(struct box *b, unsigned event_id)
{
    char *out = NULL, wanted[32];
    snprintf(wanted, sizeof wanted, "\"id\":%u", event_id);
    box_run(b, &out, "lab-sc", "events", NULL);
    bool found = strstr(out, wanted) != NULL;
    free(out);
    return found;
}

json_int_t box_service(struct box *b, const char *name, const char *field)
{
    char *out = NULL;
    assert_int_equal(box_run(b, &out, "sc", "--json", "query", name, NULL), 0);
    json_t *answer = json_loads(out, 0, NULL);
    free(out);
    json_t *service = json_array_get(json_object_get(answer, "services"), 0);
    assert_non_null(service);
    json_int_t value = json_integer_value(json_object_get(service, field));
    json_decref(answer);
    return value;
}

size_t box_workers(struct box *b, const char *pool, uint32_t *pids, size_t max)
{
    char filter[128], *out = NULL;
    size_t count = 0;
    snprintf(filter, sizeof filter, "/apppool.name:%s", pool);
    box_run(b, &out, "appcmd", "list", "wp", filter, NULL);
    for (const char *at = out; (at = strstr(at, "WP \"")) && count < max; at += 4)
        pids[count++] = (uint32_t)strtoul(at + 4, NULL, 10);
    free(out);
    return count;
}

bool box_until(struct box *b, bool (*holds)(struct box *b, void *arg), void *arg)
{
    uint64_t start = clock_boot_ms();
    do {
        if (holds(b, arg))
            return true;
        box_sleep(20);
    } while (clock_boot_ms() - start < UNTIL_MS);
    return holds(b, arg);
}

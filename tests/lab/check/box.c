#include "tests/lab/check/box.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/process.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define RUN_MS     60000
#define OUTPUT_MAX (80u << 20)

void box_sleep(uint64_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* One that has ended but was not reaped by whoever inherited it does not count. */
bool box_alive(uint32_t pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    FILE *f = fopen(path, "re");
    bool there = f && fgets(line, sizeof line, f);
    if (f)
        fclose(f);
    return there && !strstr(line, ") Z ");
}

void box_kill(uint32_t pid)
{
    assert_true(pid > 1);
    kill((pid_t)pid, SIGKILL);
}

unsigned box_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
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
    snprintf(path, sizeof path, "%s/inetsrv/%s", b->dir, program);
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
    snprintf(path, sizeof path, "%s/inetsrv/appcmd", b->dir);
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
    snprintf(path, sizeof path, "%s/inetsrv/sc", b->dir);
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
    snprintf(path, sizeof path, "%s/inetsrv/lab-sc", b->dir);
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
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

void box_make(struct box *b, const char *attributes, const char *elements, const char *lab)
{
    char config[300], conf[300];
    struct text text = {0};
    snprintf(b->root, sizeof b->root, "/tmp/lab-check.XXXXXX");
    assert_non_null(mkdtemp(b->root));
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
        LAB_PROGRAMS "/lab-sc", "create", b->dir, "--config", config, "--lab", conf, NULL};
    assert_int_equal(run(argv, NULL), 0);
}

void box_up(struct box *b)
{
    const char *argv[] = {LAB_PROGRAMS "/lab-sc", "up", b->dir, NULL};
    char *out = NULL;
    if (run(argv, &out) != 0)
        fail_msg("up: %s", out);
    free(out);
}

void box_open(struct box *b, const char *attributes, const char *elements, const char *lab)
{
    box_make(b, attributes, elements, lab);
    box_up(b);
}

void box_down(struct box *b)
{
    const char *argv[] = {LAB_PROGRAMS "/lab-sc", "down", b->dir, NULL};
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
    const char *argv[] = {"/bin/rm", "-rf", b->root, NULL};
    char path[400], *log = NULL;
    box_down(b);
    snprintf(path, sizeof path, "%s/lab.log", b->dir);
    os_read_file(path, OUTPUT_MAX, &log, NULL, NULL);
    run(argv, NULL);
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
    while ((part = strsep(&rest, "/")))
        at = json_object_get(at, part);
    long value = (long)json_integer_value(at);
    json_decref(truth);
    return value;
}

unsigned box_ended(struct box *b, const char *pool, const char *how)
{
    json_t *truth = box_truth(b), *worker;
    unsigned count = 0;
    size_t i;
    json_t *workers =
        json_object_get(json_object_get(json_object_get(truth, "pools"), pool), "workers");
    json_array_foreach(workers, i, worker)
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

bool box_until(struct box *b, uint64_t ms, bool (*holds)(struct box *b, void *arg), void *arg)
{
    uint64_t start = clock_boot_ms();
    do {
        if (holds(b, arg))
            return true;
        box_sleep(20);
    } while (clock_boot_ms() - start < ms);
    return holds(b, arg);
}

/* harness.c - see harness.h. Built on the parts of lab-farm. */
#include "tests/e2e/harness.h"

#include "tests/farm/farm/ask.h"
#include "tests/farm/farm/programs.h"

#include "common/clock.h"
#include "common/http.h"
#include "common/must.h"
#include "common/os.h"
#include "common/process.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WORDS_MAX 64

void harness_sleep_ms(unsigned ms)
{
    poll(NULL, 0, (int)ms);
}

/* --- programs --- */

/* A program's path, or the test fails with what to build. */
static void find(enum program program, char out[PATH_MAX])
{
    struct error err = {0};
    if (programs_find(program, out, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

static pid_t spawn(const char *const *argv, const char *out_path)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    if (out_path) {
        int fd = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        int null = open("/dev/null", O_RDONLY);
        dup2(null, 0);
        dup2(fd, 1);
        dup2(fd, 2);
        close_range(3, ~0u, 0);
    }
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

/* argv = head..., words..., NULL. */
static void join(const char **argv, const char *const *head, const char *const *words)
{
    size_t count = 0;
    for (; *head; head++)
        argv[count++] = *head;
    for (; *words && count < WORDS_MAX - 1; words++)
        argv[count++] = *words;
    argv[count] = NULL;
}

/* The exit code; -1: a signal ended it, or (killed here) the time was over. */
static int wait_end(pid_t pid, unsigned timeout_ms)
{
    int status;
    uint64_t end_ms = clock_boot_ms() + timeout_ms;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_boot_ms() >= end_ms) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        harness_sleep_ms(10);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_farm(const char *dir, const char *verb, const char *const *words)
{
    char tool[PATH_MAX];
    const char *argv[WORDS_MAX];
    find(PROGRAM_FARM, tool);
    join(argv, (const char *const[]){tool, verb, "--dir", dir, NULL}, words);
    return wait_end(spawn(argv, NULL), 180000);
}

int harness_farm(struct harness *h, const char *const *words)
{
    return run_farm(h->farm.dir, words[0], words + 1);
}

struct harness_cli harness_cli_start(struct harness *h, const char *const *words)
{
    char tool[PATH_MAX], socket[108];
    const char *argv[WORDS_MAX];
    struct harness_cli cli = {0};
    find(PROGRAM_FARMHAND, tool);
    farm_socket(socket, &h->farm, "farmhand");
    farm_path(cli.path, &h->farm, "logs/cli-%u.out", ++h->runs);
    setenv("FARMHAND_SOCKET", socket, 1);
    join(argv, (const char *const[]){tool, NULL}, words);
    cli.pid = spawn(argv, cli.path);
    assert_true(cli.pid > 0);
    return cli;
}

void harness_cli_wait(struct harness_cli *cli, unsigned timeout_ms)
{
    size_t len;
    struct error err = {0};
    cli->code = wait_end(cli->pid, timeout_ms);
    if (os_read_file(cli->path, (size_t)16 << 20, &cli->out, &len, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    if (cli->code < 0)
        fail_msg("farmhand was ended by a signal, or not done after %u s:\n%s", timeout_ms / 1000,
                 cli->out);
}

struct harness_cli harness_cli(struct harness *h, const char *const *words)
{
    struct harness_cli cli = harness_cli_start(h, words);
    harness_cli_wait(&cli, 120000);
    return cli;
}

void harness_cli_free(struct harness_cli *cli)
{
    free(cli->out);
    cli->out = NULL;
}

void harness_cli_expect(struct harness_cli *cli, int code, const char *words)
{
    if (cli->code != code || !strstr(cli->out, words))
        fail_msg("exit code %d (expected %d, with '%s'):\n%s", cli->code, code, words, cli->out);
    harness_cli_free(cli);
}

/* --- life --- */

struct harness *harness_up(const char *const *options)
{
    char dir[PATH_MAX], self[16];
    const char *words[WORDS_MAX];
    struct error err = {0};
    struct harness *h = must_alloc(1, sizeof(*h));
    text_copy(h->base, sizeof(h->base), "/tmp/farmhand-e2e-XXXXXX");
    if (!mkdtemp(h->base))
        fail_msg("%s: %s", h->base, strerror(errno));
    text_format(dir, sizeof(dir), "%s/farm", h->base);
    text_format(self, sizeof(self), "%d", (int)getpid());
    join(words, (const char *const[]){"--quiet", "--while", self, NULL}, options);
    if (run_farm(dir, "up", words) != 0)
        fail_msg("the farm did not start; its logs are in %s/logs", dir);
    if (farm_load(&h->farm, dir, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    return h;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void harness_down(struct harness *h, bool keep)
{
    if (!h)
        return;
    run_farm(h->farm.dir, "down", (const char *const[]){"--quiet", NULL});
    if (keep)
        fprintf(stderr, "the farm's files stay in %s\n", h->farm.dir);
    else
        nftw(h->base, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
    free(h);
}

/* --- the coordinator --- */

json_t *harness_get(struct harness *h, const char *path)
{
    return ask_coordinator(&h->farm, path, NULL);
}

json_t *harness_post(struct harness *h, const char *path, json_t *body, int *status)
{
    char socket[108], url[512];
    struct http_reply reply = {0};
    farm_socket(socket, &h->farm, "farmhand");
    text_format(url, sizeof(url), "http://coordinator%s", path);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    assert_non_null(text);
    struct http_call call = {.method = "POST",
                             .url = url,
                             .unix_socket = socket,
                             .headers =
                                 (const char *const[]){"Content-Type: application/json", NULL},
                             .body = text,
                             .body_len = strlen(text),
                             .timeout_ms = 10000,
                             .response_max_bytes = (size_t)4 << 20};
    enum error_code code = http_request(&call, &reply, NULL);
    json_t *answer = code == ERR_NONE ? json_loads(reply.body, 0, NULL) : NULL;
    *status = code == ERR_NONE ? reply.status : 0;
    free(reply.body);
    free(text);
    return answer;
}

static void print_json(const char *what, const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    fprintf(stderr, "%s: %s\n", what, text ? text : "(nothing)");
    free(text);
}

const char *harness_word(const json_t *object, const char *key)
{
    const char *word = json_string_value(json_object_get(object, key));
    return word ? word : "";
}

long long harness_run(struct harness *h, const char *action, const char *pool, const char *on,
                      json_t *options)
{
    int status;
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "action", action, "pool", pool, "on", on, "reason",
                  "end-to-end test", "options", options ? options : json_object());
    json_t *answer = harness_post(h, "/v1/runs", body, &status);
    long long id = json_integer_value(json_object_get(json_object_get(answer, "run"), "id"));
    if (status != 201 || id <= 0) {
        print_json("answer", answer);
        fail_msg("the run was not taken: status %d", status);
    }
    json_decref(answer);
    return id;
}

static json_t *get_run(struct harness *h, long long id)
{
    char path[64];
    text_format(path, sizeof(path), "/v1/runs/%lld", id);
    json_t *answer = harness_get(h, path);
    /* Told bare or inside "run". */
    json_t *inside = json_incref(json_object_get(answer, "run"));
    if (!inside)
        return answer;
    json_decref(answer);
    return inside;
}

json_t *harness_run_end(struct harness *h, long long id, unsigned timeout_ms)
{
    uint64_t end_ms = clock_boot_ms() + timeout_ms;
    for (;;) {
        json_t *run = get_run(h, id);
        if (json_is_true(json_object_get(run, "ended")))
            return run;
        if (clock_boot_ms() >= end_ms) {
            print_json("run", run);
            json_decref(run);
            fail_msg("run %lld had not ended after %u s", id, timeout_ms / 1000);
        }
        json_decref(run);
        harness_sleep_ms(100);
    }
}

const json_t *harness_target(const json_t *run, const char *server)
{
    size_t i;
    json_t *target;
    json_array_foreach(json_object_get(run, "targets"), i, target)
    {
        if (strcmp(harness_word(target, "server"), server) == 0)
            return target;
    }
    print_json("run", run);
    fail_msg("the run has no target %s", server);
    return NULL;
}

static bool is_one_of(const char *word, const char *words)
{
    char padded[512], wanted[96];
    text_format(padded, sizeof(padded), " %s ", words);
    text_format(wanted, sizeof(wanted), " %s ", word);
    return strstr(padded, wanted) != NULL;
}

void harness_wait_target(struct harness *h, long long id, const char *server, const char *states,
                         unsigned timeout_ms)
{
    uint64_t end_ms = clock_boot_ms() + timeout_ms;
    for (;;) {
        json_t *run = get_run(h, id);
        bool reached = run && is_one_of(harness_word(harness_target(run, server), "state"), states);
        if (!reached && clock_boot_ms() >= end_ms) {
            print_json("run", run);
            json_decref(run);
            fail_msg("%s was not '%s' after %u s", server, states, timeout_ms / 1000);
        }
        json_decref(run);
        if (reached)
            return;
        harness_sleep_ms(30);
    }
}

void harness_wait_fresh(struct harness *h, unsigned fresh, unsigned timeout_ms)
{
    uint64_t end_ms = clock_boot_ms() + timeout_ms;
    for (;;) {
        json_t *status = harness_get(h, "/v1/status");
        const json_t *servers = json_object_get(status, "servers");
        const json_t *coordinator = json_object_get(status, "coordinator");
        bool ready = coordinator && !json_is_true(json_object_get(coordinator, "settling")) &&
                     json_integer_value(json_object_get(servers, "fresh")) == fresh;
        if (!ready && clock_boot_ms() >= end_ms) {
            print_json("status", status);
            json_decref(status);
            fail_msg("not %u fresh servers after %u s", fresh, timeout_ms / 1000);
        }
        json_decref(status);
        if (ready)
            return;
        harness_sleep_ms(100);
    }
}

/* --- the truth --- */

json_t *harness_truth(struct harness *h, const char *server)
{
    unsigned index;
    struct error err = {0};
    json_t *truth = NULL;
    if (farm_server_find(&h->farm, server, &index, &err) == ERR_NONE)
        truth = ask_truth(&h->farm, index, &err);
    if (!truth)
        fail_msg("%s", err.text);
    return truth;
}

long long harness_recycles(struct harness *h, const char *server, const char *pool)
{
    json_t *truth = harness_truth(h, server);
    const json_t *by =
        json_object_get(json_object_get(json_object_get(truth, "pools"), pool), "recycles_by");
    long long count = json_integer_value(json_object_get(by, "admin"));
    json_decref(truth);
    return count;
}

size_t harness_identity_tries(struct harness *h, const char *server)
{
    char tool[PATH_MAX], dir[PATH_MAX];
    struct error err = {0};
    struct process_result result = {0};
    size_t count = 0;
    farm_path(tool, &h->farm, "servers/%s/inetsrv/lab-sc", server);
    farm_path(dir, &h->farm, "servers/%s", server);
    const char *argv[] = {tool, "--server", dir, "truth", "--log", NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 30000, .output_max_bytes = 16 << 20};
    if (process_run(&call, &result, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    for (const char *at = result.output; (at = strstr(at, "identity_try")); at++)
        count++;
    free(result.output);
    return count;
}

void harness_phase(struct harness *h, const char *name)
{
    char line[128];
    struct error err = {0};
    text_format(line, sizeof(line), "phase %s", name);
    json_t *answer = ask_visitors(&h->farm, line, &err);
    for (int i = 0; !answer && i < 100; i++) { /* on a busy machine they listen late */
        harness_sleep_ms(100);
        answer = ask_visitors(&h->farm, line, &err);
    }
    if (!answer)
        fail_msg("%s", err.text);
    json_decref(answer);
}

json_t *harness_seen(struct harness *h, const char *phase)
{
    for (int tries = 0; tries < 300; tries++) { /* a visitor may wait long for his answer */
        struct error err = {0};
        json_t *report = ask_visitors(&h->farm, "report", &err);
        if (!report)
            fail_msg("%s", err.text);
        size_t i;
        json_t *tally, *found = NULL;
        json_array_foreach(json_object_get(report, "phases"), i, tally)
        {
            if (strcmp(harness_word(tally, "name"), phase) == 0)
                found = tally;
        }
        bool settled = json_integer_value(json_object_get(found, "pending")) == 0 ||
                       json_is_true(json_object_get(found, "open"));
        json_incref(found);
        json_decref(report);
        if (found && settled)
            return found;
        json_decref(found);
        harness_sleep_ms(100);
    }
    fail_msg("the visitors have no settled phase '%s'", phase);
    return NULL;
}

/* Until enough of them have come to judge by. */
static void wait_for_visitors(struct harness *h, const char *phase)
{
    for (int tries = 0; tries < 200; tries++) {
        json_t *seen = harness_seen(h, phase);
        long long sent = json_integer_value(json_object_get(seen, "sent"));
        json_decref(seen);
        if (sent >= 10)
            return;
        harness_sleep_ms(50);
    }
}

void harness_nothing_lost(struct harness *h, const char *phase)
{
    wait_for_visitors(h, phase);
    harness_phase(h, "between");
    json_t *seen = harness_seen(h, phase);
    long long sent = json_integer_value(json_object_get(seen, "sent"));
    long long failed = json_integer_value(json_object_get(seen, "failed"));
    if (failed > 0 || sent < 10)
        print_json("visitors", seen);
    json_decref(seen);
    if (failed > 0)
        fail_msg("visitors lost %lld of %lld requests", failed, sent);
    assert_true(sent >= 10);
}

struct looking {
    const char *backend, *server;
    char *out;
    unsigned lines, up;
};

static void look_line(void *arg, const char *backend, const char *server, const char *status,
                      const char *sessions)
{
    struct looking *l = arg;
    (void)sessions;
    l->lines++;
    l->up += strcmp(status, "UP") == 0;
    if (l->out && strcmp(backend, l->backend) == 0 && strcmp(server, l->server) == 0)
        text_copy(l->out, 32, status);
}

void harness_balancer(struct harness *h, const char *backend, const char *server, char out[32])
{
    struct error err = {0};
    struct looking l = {.backend = backend, .server = server, .out = out};
    out[0] = '\0';
    if (ask_balancer(&h->farm, look_line, &l, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    assert_true(out[0] != '\0');
}

void harness_expect_balancer(struct harness *h, const char *backend, const char *server,
                             const char *word)
{
    char status[32];
    bool up = strcmp(word, "UP") == 0; /* as its checks find; what we ordered is so at once */
    uint64_t end_ms = clock_boot_ms() + 20000;
    harness_balancer(h, backend, server, status);
    while (up && strcmp(status, word) != 0 && clock_boot_ms() < end_ms) {
        harness_sleep_ms(50);
        harness_balancer(h, backend, server, status);
    }
    assert_string_equal(status, word);
}

void harness_wait_all_up(struct harness *h, unsigned timeout_ms)
{
    uint64_t end_ms = clock_boot_ms() + timeout_ms;
    for (;;) {
        struct error err = {0};
        struct looking l = {0};
        if (ask_balancer(&h->farm, look_line, &l, &err) == ERR_NONE &&
            l.lines == 2 * h->farm.servers && l.up == l.lines)
            return;
        if (clock_boot_ms() >= end_ms)
            fail_msg("only %u of %u server lines are up after %u s", l.up, l.lines,
                     timeout_ms / 1000);
        harness_sleep_ms(100);
    }
}

/* --- looking for bytes in files --- */

static const char *sought;
static bool was_found;

static int look_into(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    char *bytes;
    size_t len;
    (void)st;
    (void)where;
    if (kind != FTW_F || os_read_file(path, (size_t)256 << 20, &bytes, &len, NULL) != ERR_NONE)
        return 0;
    if (memmem(bytes, len, sought, strlen(sought))) {
        fprintf(stderr, "found in %s\n", path);
        was_found = true;
    }
    free(bytes);
    return 0;
}

bool harness_finds(struct harness *h, const char *folder, const char *bytes)
{
    char path[PATH_MAX];
    farm_path(path, &h->farm, "%s", folder);
    sought = bytes;
    was_found = false;
    nftw(path, look_into, 32, FTW_PHYS);
    return was_found;
}

/* test_program.c - farmhand-coordinator as a process: started, started twice, killed, told to stop.
 * It says that it is ready on NOTIFY_SOCKET, so nothing here sleeps. */
#include "tests/unit/coordinator_api/client.h"
#include "tests/unit/coordinator_store/files.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct files files;
    char config[512], socket[512], log[512], notify[512];
    int notify_fd;
    pid_t pid;          /* of the coordinator that runs, 0: none */
    rlim_t descriptors; /* that the system would let it have; 0: as many as us */
};

static int open_notify(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && text_copy(address.sun_path, sizeof(address.sun_path), path));
    must(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    return fd;
}

static void write_config(struct fixture *f, const char *more)
{
    struct text t = {0};
    text_addf(&t,
              "[coordinator]\nlisten = tcp://127.0.0.1:0\nwithout_tls = loopback-only\nsocket = "
              "%s\ndata_dir = %s/data\n"
              "settle = 0\n%s",
              f->socket, f->files.dir, more);
    must(os_write_file(f->config, t.data, t.len, 0600, NULL) == ERR_NONE);
    text_reset(&t);
}

static int set_up(void **state)
{
    struct fixture *f = must_alloc(1, sizeof(*f));
    files_open(&f->files);
    text_format(f->config, sizeof(f->config), "%s/c.conf", f->files.dir);
    text_format(f->socket, sizeof(f->socket), "%s/api.sock", f->files.dir);
    text_format(f->log, sizeof(f->log), "%s/log", f->files.dir);
    text_format(f->notify, sizeof(f->notify), "%s/notify", f->files.dir);
    f->notify_fd = open_notify(f->notify);
    write_config(f, "");
    *state = f;
    return 0;
}

static int end_by(struct fixture *f, int which)
{
    int status = 0;
    must(kill(f->pid, which) == 0);
    must(waitpid(f->pid, &status, 0) == f->pid);
    f->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->pid)
        end_by(f, SIGKILL);
    close(f->notify_fd);
    files_close(&f->files);
    free(f);
    return 0;
}

static pid_t spawn(struct fixture *f, const char *const *args)
{
    pid_t pid = fork();
    must(pid >= 0);
    if (pid > 0)
        return pid;
    const char *argv[8] = {PROGRAM};
    for (size_t i = 0; args[i] && i < 6; i++)
        argv[i + 1] = args[i];
    int fd = open(f->log, O_CREAT | O_WRONLY | O_APPEND, 0600);
    const struct rlimit few = {256, f->descriptors};
    if (f->descriptors && setrlimit(RLIMIT_NOFILE, &few) != 0)
        _exit(98);
    setenv("NOTIFY_SOCKET", f->notify, 1);
    dup2(fd, 1);
    dup2(fd, 2);
    execv(PROGRAM, (char *const *)argv);
    _exit(99);
}

/* Runs to its end: exit code. */
static int run(struct fixture *f, const char *const *args)
{
    int status = 0;
    pid_t pid = spawn(f, args);
    must(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define RUN(f, ...) run(f, (const char *const[]){__VA_ARGS__, NULL})

static void assert_logged(struct fixture *f, const char *part)
{
    size_t len = 0;
    char *log = (char *)files_read(f->log, &len);
    if (!strstr(log, part))
        fail_msg("\"%s\" is not in: %s", part, log);
    free(log);
}

static void assert_not_logged(struct fixture *f, const char *part)
{
    size_t len = 0;
    char *log = (char *)files_read(f->log, &len);
    if (strstr(log, part))
        fail_msg("\"%s\" is in: %s", part, log);
    free(log);
}

static void start(struct fixture *f)
{
    char word[64] = "";
    f->pid = spawn(f, (const char *const[]){"--config", f->config, NULL});
    while (!strstr(word, "READY=1")) {
        ssize_t got = recv(f->notify_fd, word, sizeof(word) - 1, 0);
        if (got < 0)
            assert_logged(f, "that it is ready (it never said so)");
        word[got] = '\0';
    }
}

/* The answer's body to GET target; free with text_reset. */
static struct text get(struct fixture *f, const char *target)
{
    struct text body = {0};
    struct client c = client_open(f->socket);
    client_ask(&c, "GET", target, NULL);
    assert_int_equal(client_answer(&c, &body), 200);
    client_close(&c);
    return body;
}

static void assert_fence(struct fixture *f, int number)
{
    char part[32];
    struct text status = get(f, "/v1/status");
    text_format(part, sizeof(part), "\"fence\":%d,", number);
    if (!strstr(text_get(&status), part))
        fail_msg("%s is not in: %s", part, text_get(&status));
    text_reset(&status);
}

static void serves_until_it_is_told_to_stop(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_fence(f, 1);
    assert_int_equal(end_by(f, SIGTERM), 0);
    assert_int_equal(access(f->socket, F_OK), -1);
    assert_logged(f, "event=coordinator_stops");
}

static void killed_it_starts_again_over_what_it_left(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(end_by(f, SIGKILL), 128 + SIGKILL);
    assert_int_equal(access(f->socket, F_OK), 0);
    start(f);
    assert_fence(f, 2);
    struct text events = get(f, "/v1/events?since=0");
    assert_non_null(strstr(text_get(&events), "fence 1,"));
    assert_non_null(strstr(text_get(&events), "fence 2,"));
    text_reset(&events);
    assert_int_equal(end_by(f, SIGINT), 0);
}

static void second_one_on_the_same_data_is_refused(void **state)
{
    struct fixture *f = *state;
    char pid[32];
    start(f);
    assert_int_equal(RUN(f, "--config", f->config), 1);
    text_format(pid, sizeof(pid), "%d", (int)f->pid);
    assert_logged(f, "another coordinator runs on");
    assert_logged(f, pid);
    assert_fence(f, 1); /* and the first one is not disturbed */
}

static void stops_while_somebody_follows(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct client c = client_open(f->socket);
    client_ask(&c, "GET", "/v1/events?follow=1&since=0", NULL);
    assert_true(client_read_until(&c, "coordinator.started"));
    assert_int_equal(end_by(f, SIGTERM), 0);
    client_read_rest(&c);
    assert_non_null(strstr(c.unread.data, "stream.end"));
    client_close(&c);
}

static void check_reads_everything_and_ends(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "--config", f->config, "--check"), 0);
    assert_logged(f, "the configuration is right");
    assert_int_equal(access(f->socket, F_OK), -1);
    write_config(f, "lissen = x\n[budget]\nmax_out = none\n");
    assert_int_equal(RUN(f, "--config", f->config, "--check"), 2);
    assert_logged(f, "c.conf:7: ");
    assert_logged(f, "c.conf:9: ");
    assert_int_equal(RUN(f, "--config", "/nowhere/c.conf"), 2);
    assert_logged(f, "/nowhere/c.conf");
    assert_int_equal(RUN(f, "--config", SAMPLE_PATH, "--check"), 0);
}

static void options_are_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "--help"), 0);
    assert_logged(f, "usage: farmhand-coordinator");
    assert_int_equal(RUN(f, "--version"), 0);
    assert_logged(f, "farmhand-coordinator " FARMHAND_VERSION);
    assert_int_equal(RUN(f, "--frobnicate"), 2);
    assert_int_equal(RUN(f, "stray"), 2);
    assert_logged(f, "unexpected argument stray");
}

static void what_prevents_the_start_is_told(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(end_by(f, SIGTERM), 0);
    files_overwrite(files_path(&f->files, "data/state.db"), 0, "This is no database at all.....");
    assert_int_equal(RUN(f, "--config", f->config), 1);
    assert_logged(f, "event=start_failed");
    assert_logged(f, "state.db");
    assert_logged(f, "put a backup in its");
}

static void damaged_history_does_not_prevent_the_start(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(end_by(f, SIGTERM), 0);
    files_overwrite(files_path(&f->files, "data/history.db"), 0, "This is no database at all....");
    start(f);
    assert_logged(f, "event=history_damaged");
    struct text status = get(f, "/v1/status");
    assert_non_null(strstr(text_get(&status), "\"store\":\"ok\""));
    text_reset(&status);
}

/* The soft limit, as the kernel tells it. */
static unsigned long descriptors_of(pid_t pid)
{
    struct rlimit limit;
    must(prlimit(pid, RLIMIT_NOFILE, NULL, &limit) == 0);
    return (unsigned long)limit.rlim_cur;
}

/* Two servers: each wants two, and 1,024 are beside them. */
static void descriptors_are_raised_and_too_few_are_told(void **state)
{
    struct fixture *f = *state;
    write_config(f, "[server web01]\nlabels = a=b\n[server web02]\nlabels = a=b\n");
    f->descriptors = 1028;
    start(f);
    assert_int_equal(descriptors_of(f->pid), 1028);
    assert_int_equal(end_by(f, SIGTERM), 0);
    assert_not_logged(f, "few_descriptors");
    f->descriptors = 1027;
    start(f);
    assert_int_equal(descriptors_of(f->pid), 1027);
    assert_logged(f, "level=warn event=few_descriptors limit=1027 needed=1028 servers=2");
    assert_int_equal(end_by(f, SIGTERM), 0);
}

static void write_rules(struct fixture *f, const char *content)
{
    must(os_write_file(files_path(&f->files, "rules.conf"), content, strlen(content), 0600, NULL) ==
         ERR_NONE);
}

/* A file with mistakes is told with all of them, and changes nothing. */
static void rules_are_read_anew_when_sighup_asks(void **state)
{
    struct fixture *f = *state;
    char more[600];
    text_format(more, sizeof(more), "remediation = %s\n", files_path(&f->files, "rules.conf"));
    write_config(f, more);
    write_rules(f, "[rule leak]\nwhen = memory > 2G\nactions = recycle 5m, call\n");
    start(f);
    struct client c = client_open(f->socket);
    client_ask(&c, "GET", "/v1/events?follow=1&since=0", NULL);
    assert_true(client_read_until(&c, "coordinator.started"));
    write_rules(f, "[rule leak]\nwhen = mammary > 2G\nactions = recycle 5m, kall\nmode = auto\n");
    must(kill(f->pid, SIGHUP) == 0);
    assert_true(client_read_until(&c, "the rules from before stay in force"));
    assert_true(client_read_until(&c, "kall"));
    assert_logged(f, "event=rules_refused");
    assert_logged(f, "mammary");
    write_rules(f, "[rule leak]\nwhen = memory > 2G\nactions = recycle 5m, call\nmode = auto\n");
    must(kill(f->pid, SIGHUP) == 0);
    assert_true(client_read_until(&c, "[mode observe -> mode auto]"));
    client_close(&c);
    struct text trail = get(f, "/v1/audit");
    assert_non_null(strstr(text_get(&trail), "\"remediation.rules\""));
    text_reset(&trail);
    assert_int_equal(end_by(f, SIGTERM), 0);
}

/* Nothing to read is no end. */
static void sighup_without_a_file_of_rules_is_told(void **state)
{
    struct fixture *f = *state;
    start(f);
    must(kill(f->pid, SIGHUP) == 0);
    assert_fence(f, 1);
    assert_int_equal(end_by(f, SIGTERM), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(serves_until_it_is_told_to_stop),
        CASE(killed_it_starts_again_over_what_it_left),
        CASE(second_one_on_the_same_data_is_refused),
        CASE(stops_while_somebody_follows),
        CASE(check_reads_everything_and_ends),
        CASE(options_are_told),
        CASE(what_prevents_the_start_is_told),
        CASE(damaged_history_does_not_prevent_the_start),
        CASE(descriptors_are_raised_and_too_few_are_told),
        CASE(rules_are_read_anew_when_sighup_asks),
        CASE(sighup_without_a_file_of_rules_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The visitors against servers that misbehave: every loss is seen, and called by its name. */
#include "tests/farm/visitors/crowd.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUESTS 24

/* A server that does to every request what its path says, one after the other, then hangs up;
 * on /stay it keeps the connection for as many as come. */
static void serve(int fd)
{
    char bytes[4096];
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof(bytes) - 1, 0)) > 0) {
        const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Lab-Server: box\r\n"
                             "Connection: close\r\n\r\nok";
        struct linger hard = {1, 0};
        bytes[got] = '\0';
        if (strstr(bytes, " /hang "))
            return; /* the descriptor stays open */
        if (strstr(bytes, " /reset "))
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        if (strstr(bytes, " /reset ") || strstr(bytes, " /nothing "))
            break;
        if (strstr(bytes, " /half "))
            answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
        if (strstr(bytes, " /busy "))
            answer = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        if (strstr(bytes, " /chat "))
            answer = "220 mail.example ready\r\n";
        if (strstr(bytes, " /missing "))
            answer = "HTTP/1.1 404 Gone\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        if (strstr(bytes, " /stay "))
            answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Lab-Server: box\r\n\r\nok";
        send(fd, answer, strlen(answer), MSG_NOSIGNAL);
        if (!strstr(bytes, " /stay "))
            break;
    }
    close(fd);
}

static int listen_anywhere(struct sockaddr_in *at)
{
    socklen_t len = sizeof(*at);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

static pid_t start_server(struct sockaddr_in *at)
{
    int listener = listen_anywhere(at);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            int fd = accept(listener, NULL, NULL);
            if (fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve(fd);
                pause();
            }
            close(fd);
        }
    }
    close(listener);
    return pid;
}

/* Only who hangs is waited for in vain: a busy machine answers late, and that is no time-out. */
static unsigned patience_ms(const char *path)
{
    return strcmp(path, "/hang") == 0 ? 400 : 30000;
}

/* What REQUESTS visits of the path came to. */
static json_t *visit(const struct sockaddr_in *to, const char *path)
{
    struct error err = {0};
    struct crowd_options options = {.to = *to,
                                    .host = "x",
                                    .rate = 1000,
                                    .timeout_ms = patience_ms(path),
                                    .paths = {{path, 1}},
                                    .path_count = 1};
    struct poller *poller = poller_open(&err);
    struct crowd *crowd = crowd_open(poller, &options, &err);
    assert_non_null(crowd);
    json_t *report = NULL;
    while (!crowd_is_over(crowd)) {
        crowd_turn(crowd, poller_wait(poller));
        json_decref(report);
        report = crowd_report(crowd);
        const json_t *total = json_object_get(report, "total");
        if (json_integer_value(json_object_get(total, "sent")) >= REQUESTS)
            crowd_stop(crowd);
    }
    json_decref(report);
    report = crowd_report(crowd);
    json_t *total = json_incref(json_object_get(report, "total"));
    json_decref(report);
    crowd_close(crowd);
    poller_close(poller);
    return total;
}

static json_int_t number(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

/* All visits of the path failed in that way; NULL: none failed. */
static void expect(const struct sockaddr_in *to, const char *path, const char *failure)
{
    json_t *total = visit(to, path);
    json_int_t sent = number(total, "sent");
    json_int_t failed = failure ? sent : 0;
    if (failure && number(json_object_get(total, "failures"), failure) != sent)
        json_dumpf(total, stderr, JSON_INDENT(1));
    assert_true(sent >= REQUESTS);
    assert_int_equal(number(total, "failed"), failed);
    assert_int_equal(number(total, "answered"), sent - failed);
    if (failure)
        assert_int_equal(number(json_object_get(total, "failures"), failure), sent);
    assert_int_equal(number(total, "pending"), 0);
    json_decref(total);
}

static void every_loss_is_called_by_its_name(void **state)
{
    struct sockaddr_in at;
    (void)state;
    pid_t server = start_server(&at);
    expect(&at, "/", NULL);
    expect(&at, "/stay", NULL);
    expect(&at, "/missing", NULL); /* an answer, though not a pleasant one */
    expect(&at, "/busy", "5xx");
    expect(&at, "/reset", "reset");
    expect(&at, "/nothing", "reset");
    expect(&at, "/half", "reset");
    expect(&at, "/chat", "broken");
    expect(&at, "/hang", "timeout");
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static void refused_connection_is_a_loss(void **state)
{
    struct sockaddr_in at;
    (void)state;
    close(listen_anywhere(&at)); /* nobody listens there now */
    expect(&at, "/", "refused");
}

static void third_is_posts_and_half_is_kept_alive(void **state)
{
    struct sockaddr_in at;
    (void)state;
    pid_t server = start_server(&at);
    json_t *total = visit(&at, "/stay");
    json_int_t sent = number(total, "sent");
    json_int_t posts = number(json_object_get(total, "posts"), "sent");
    json_int_t kept = number(json_object_get(total, "kept"), "sent");
    assert_true(posts * 3 >= sent - 3 && posts * 3 <= sent + 3);
    assert_true(kept * 2 >= sent - 2 && kept * 2 <= sent + 2);
    assert_int_equal(number(json_object_get(total, "servers"), "box"), sent);
    json_decref(total);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_loss_is_called_by_its_name),
        cmocka_unit_test(refused_connection_is_a_loss),
        cmocka_unit_test(third_is_posts_and_half_is_kept_alive),
    };
    return cmocka_run_group_tests_name("crowd", tests, NULL, NULL);
}

/* test_http.c - requests against a small server of our own: it says what it is told to, byte by
 * byte, so that it can also be wrong. */
#include "tests/unit/common/testing.h"

#include "common/clock.h"
#include "common/http.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Takes connections one after the other: reads a request, answers, closes. */
struct server {
    int listener;
    int port;
    pthread_t thread;
    const char *answer;
    size_t answer_len;
    bool hold;          /* after the answer, keep the connection until the client closes it */
    bool reset;         /* end by a reset instead of an orderly close */
    char request[4096]; /* the last one */
    int connections;
};

/* Until the end of the header and of a body with Content-Length. */
static void read_request(struct server *s, int fd)
{
    size_t len = 0;
    s->request[0] = '\0';
    while (len < sizeof(s->request) - 1) {
        const char *end = strstr(s->request, "\r\n\r\n");
        const char *length = strstr(s->request, "Content-Length: ");
        size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
        if (end && len >= (size_t)(end + 4 - s->request) + body)
            return;
        ssize_t got = recv(fd, s->request + len, sizeof(s->request) - 1 - len, 0);
        if (got <= 0)
            return;
        len += (size_t)got;
        s->request[len] = '\0';
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        s->connections++;
        read_request(s, fd);
        send(fd, s->answer, s->answer_len, MSG_NOSIGNAL);
        char rest[64];
        while (s->hold && recv(fd, rest, sizeof(rest), 0) > 0)
            continue;
        struct linger now = {.l_onoff = 1};
        if (s->reset)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(fd);
    }
}

static void start_serving(struct server *s, const char *answer)
{
    s->answer = answer;
    s->answer_len = strlen(answer);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void start_tcp(struct server *s, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
    s->port = ntohs(address.sin_port);
    start_serving(s, answer);
}

static void stop_server(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static struct http_call call_to(const struct server *s)
{
    static char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/health?x=1", s->port);
    return (struct http_call){
        .method = "GET", .url = url, .timeout_ms = 20000, .response_max_bytes = 1000};
}

static void a_request_brings_status_and_body(void **state)
{
    (void)state;
    struct server s = {0};
    start_tcp(&s, OK_HELLO);
    struct http_call call = call_to(&s);
    struct http_reply reply;
    struct error err = {0};
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "hello");
    assert_int_equal(reply.body_len, 5);
    assert_true(reply.elapsed_ms < 20000);
    free(reply.body);
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    free(reply.body);
    stop_server(&s);
    assert_int_equal(s.connections, 2); /* a fresh one each time */
    assert_true(text_starts(s.request, "GET /health?x=1 HTTP/1.1\r\n"));
    assert_contains(s.request, "User-Agent: farmhand/");
}

static void method_headers_and_body_are_sent(void **state)
{
    (void)state;
    struct server s = {0};
    start_tcp(&s, "HTTP/1.1 204 No Content\r\n\r\n");
    static const char *const headers[] = {"Content-Type: application/json", "X-Reason: weekly",
                                          NULL};
    struct http_call call = call_to(&s);
    call.method = "POST";
    call.headers = headers;
    call.body = "{\"a\":1}";
    call.body_len = 7;
    struct http_reply reply;
    struct error err = {0};
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    assert_int_equal(reply.status, 204);
    assert_string_equal(reply.body, "");
    free(reply.body);
    assert_true(text_starts(s.request, "POST /health"));
    assert_contains(s.request, "Content-Type: application/json\r\n");
    assert_contains(s.request, "X-Reason: weekly\r\n");
    assert_contains(s.request, "\r\n\r\n{\"a\":1}");
    assert_null(strstr(s.request, "Expect:"));
    call = call_to(&s);
    call.method = "POST";
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    free(reply.body);
    assert_contains(s.request, "Content-Length: 0\r\n");
    assert_null(strstr(s.request, "Content-Type"));
    call.method = "DELETE";
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    free(reply.body);
    assert_true(text_starts(s.request, "DELETE /health"));
    call.method = "HEAD";
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    free(reply.body);
    assert_true(text_starts(s.request, "HEAD /health"));
    stop_server(&s);
}

static void any_status_is_an_answer_and_redirects_are_not_followed(void **state)
{
    (void)state;
    struct server s = {0};
    struct http_reply reply;
    struct error err = {0};
    start_tcp(&s, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nQueueFull");
    struct http_call call = call_to(&s);
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    assert_int_equal(reply.status, 503);
    assert_string_equal(reply.body, "QueueFull");
    free(reply.body);
    stop_server(&s);
    s = (struct server){0};
    start_tcp(&s, "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n");
    call = call_to(&s);
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    assert_int_equal(reply.status, 302);
    free(reply.body);
    stop_server(&s);
    assert_int_equal(s.connections, 1);
}

/* The address is the caller's, the Host the URL's; a proxy of the environment is passed by. */
static void the_way_is_the_callers(void **state)
{
    (void)state;
    struct server s = {0};
    start_tcp(&s, OK_HELLO);
    char to[64];
    snprintf(to, sizeof(to), "127.0.0.1:%d", s.port);
    struct http_call call = call_to(&s);
    call.url = "http://shop.example:8080/";
    call.connect_to = to;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    struct http_reply reply;
    struct error err = {0};
    enum error_code code = http_request(&call, &reply, &err);
    unsetenv("http_proxy");
    assert_code(code, ERR_NONE, &err);
    free(reply.body);
    stop_server(&s);
    assert_contains(s.request, "Host: shop.example:8080\r\n");
}

static void a_unix_socket_works_and_its_absence_is_told(void **state)
{
    struct server s = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[64];
    snprintf(path, sizeof(path), "/tmp/farmhand-http-%ld", (long)getpid());
    text_copy(address.sun_path, sizeof(address.sun_path), path);
    s.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    start_serving(&s, OK_HELLO);
    struct http_call call = call_to(&s);
    call.url = "http://farmhand/v1/status";
    call.unix_socket = path;
    struct http_reply reply;
    struct error err = {0};
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    assert_string_equal(reply.body, "hello");
    free(reply.body);
    stop_server(&s);
    unlink(path);
    assert_code(http_request(&call, &reply, &err), ERR_UNREACHABLE, &err);
    assert_contains(err.text, path);
    (void)state;
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    struct server s = {0};
    start_tcp(&s, OK_HELLO);
    stop_server(&s); /* its port is free again */
    struct http_call call = call_to(&s);
    struct http_reply reply = {.status = 77};
    struct error err = {0};
    assert_code(http_request(&call, &reply, &err), ERR_UNREACHABLE, &err);
    assert_contains(err.text, call.url);
    call.url = "http://no-such-host.invalid/";
    assert_code(http_request(&call, &reply, &err), ERR_UNREACHABLE, &err);
    assert_int_equal(reply.status, 77);
}

static void half_an_answer_is_unreachable(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        bool reset;
        enum error_code code;
    } cases[] = {
        {"", false, ERR_UNREACHABLE},
        {"", true, ERR_UNREACHABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", false, ERR_UNREACHABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true, ERR_UNREACHABLE},
        {"what is this\r\n\r\n", false, ERR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server s = {.reset = cases[i].reset};
        start_tcp(&s, cases[i].answer);
        struct http_call call = call_to(&s);
        struct http_reply reply;
        struct error err = {0};
        enum error_code code = http_request(&call, &reply, &err);
        stop_server(&s);
        if (code != cases[i].code)
            fail_msg("case %zu: %s: %s", i, error_code_name(code), err.text);
    }
}

static void silence_ends_at_the_deadline(void **state)
{
    (void)state;
    struct server s = {.hold = true};
    start_tcp(&s, "");
    struct http_call call = call_to(&s);
    call.timeout_ms = 150;
    struct http_reply reply;
    struct error err = {0};
    uint64_t before = clock_boot_ms();
    assert_code(http_request(&call, &reply, &err), ERR_TIMEOUT, &err);
    assert_true(clock_boot_ms() - before >= 149);
    assert_true(clock_boot_ms() - before < 10000);
    stop_server(&s);
}

static void a_body_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct server s = {0};
    start_tcp(&s, OK_HELLO);
    struct http_call call = call_to(&s);
    struct http_reply reply;
    struct error err = {0};
    call.response_max_bytes = 5;
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    free(reply.body);
    call.response_max_bytes = 4;
    assert_code(http_request(&call, &reply, &err), ERR_NOMEM, &err);
    assert_contains(err.text, "4 bytes");
    stop_server(&s);
}

static void wrong_calls_are_refused(void **state)
{
    (void)state;
    struct http_reply reply;
    struct error err = {0};
    static const char *const urls[] = {"", "shop", "file:///etc/passwd", "ftp://x/",
                                       "http://[::1/"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct http_call call = {
            .method = "GET", .url = urls[i], .timeout_ms = 1000, .response_max_bytes = 10};
        assert_code(http_request(&call, &reply, &err), ERR_INVALID, &err);
    }
    static const char *const headers[] = {"X: a\r\nY: b", NULL};
    struct http_call call = {.method = "GET",
                             .url = "http://127.0.0.1/",
                             .headers = headers,
                             .timeout_ms = 1000,
                             .response_max_bytes = 10};
    assert_code(http_request(&call, &reply, &err), ERR_INVALID, &err);
}

static void plain_http_under_https_is_unreachable(void **state)
{
    (void)state;
    struct server s = {0};
    start_tcp(&s, "HTTP/1.1 400 Bad Request\r\n\r\n");
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", s.port);
    struct http_call call = call_to(&s);
    call.url = url;
    call.any_certificate = true;
    struct http_reply reply;
    struct error err = {0};
    /* the server waits for the end of a header that never comes */
    call.timeout_ms = 300;
    enum error_code code = http_request(&call, &reply, &err);
    stop_server(&s);
    assert_true(code == ERR_UNREACHABLE || code == ERR_TIMEOUT);
}

/* ---- streams ---- */

struct heard {
    struct text text;
    size_t stop_at;
    int asked;
};

static bool hear(void *arg, const char *bytes, size_t len)
{
    struct heard *heard = arg;
    text_add_bytes(&heard->text, bytes, len);
    return heard->text.len < heard->stop_at;
}

static bool ask_once(void *arg)
{
    struct heard *heard = arg;
    heard->asked++;
    return heard->text.len == 0;
}

#define STREAM "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n"

static void a_stream_is_heard_until_the_caller_stops(void **state)
{
    (void)state;
    struct server s = {.hold = true};
    start_tcp(&s, STREAM);
    struct heard heard = {.stop_at = 6};
    struct http_call call = call_to(&s);
    call.on_data = hear;
    call.on_data_arg = &heard;
    call.response_max_bytes = 0; /* of no matter to a stream */
    call.timeout_ms = UINT64_MAX;
    struct http_reply reply;
    struct error err = {0};
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    assert_int_equal(reply.status, 200);
    assert_string_equal(heard.text.data, "onetwo");
    assert_int_equal(reply.body_len, 0);
    free(reply.body);
    text_reset(&heard.text);
    heard = (struct heard){.stop_at = SIZE_MAX};
    call.go_on = ask_once; /* the server says no more: only this can end it */
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    assert_string_equal(heard.text.data, "onetwo");
    assert_true(heard.asked > 0);
    free(reply.body);
    text_reset(&heard.text);
    stop_server(&s);
}

static void the_body_of_a_refused_stream_is_kept(void **state)
{
    (void)state;
    struct server s = {0};
    start_tcp(&s, "HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nno run");
    struct heard heard = {.stop_at = SIZE_MAX};
    struct http_call call = call_to(&s);
    call.on_data = hear;
    call.on_data_arg = &heard;
    struct http_reply reply;
    struct error err = {0};
    assert_code(http_request(&call, &reply, &err), ERR_NONE, &err);
    assert_int_equal(reply.status, 404);
    assert_string_equal(reply.body, "no run");
    assert_int_equal(heard.text.len, 0);
    free(reply.body);
    stop_server(&s);
}

static int start_library(void **state)
{
    (void)state;
    http_start();
    return 0;
}

static void certificate_from_a_file_is_shown_here(void **state)
{
    (void)state;
    assert_true(http_shows_identity());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_from_a_file_is_shown_here),
        cmocka_unit_test(a_request_brings_status_and_body),
        cmocka_unit_test(method_headers_and_body_are_sent),
        cmocka_unit_test(any_status_is_an_answer_and_redirects_are_not_followed),
        cmocka_unit_test(the_way_is_the_callers),
        cmocka_unit_test(a_unix_socket_works_and_its_absence_is_told),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(half_an_answer_is_unreachable),
        cmocka_unit_test(silence_ends_at_the_deadline),
        cmocka_unit_test(a_body_over_the_limit_is_refused),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(plain_http_under_https_is_unreachable),
        cmocka_unit_test(a_stream_is_heard_until_the_caller_stops),
        cmocka_unit_test(the_body_of_a_refused_stream_is_kept),
    };
    return cmocka_run_group_tests(tests, start_library, NULL);
}

/* test_api.c - the API's HTTP side over a real socket; the test is the brain. */
#include "client.h"

#include "common/clock.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "coordinator/api/api.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64], path[96];
    struct api *api;
    struct api_spec spec;
    struct mailbox *box;
    struct error err;
};

static void drop_letter(void *letter)
{
    api_drop(letter);
}

static bool deliver(void *arg, struct api_request *request)
{
    return mailbox_post(((struct fixture *)arg)->box, request);
}

static void start(struct fixture *f, size_t box_size)
{
    f->box = mailbox_open(box_size, drop_letter);
    f->spec.socket = f->path;
    f->spec.deliver = deliver;
    f->spec.arg = f;
    if (api_open(&f->spec, &f->api, &f->err))
        fail_msg("%s", f->err.text);
}

static void stop(struct fixture *f)
{
    api_close(f->api);
    mailbox_close(f->box);
    f->api = NULL;
    f->box = NULL;
}

static int set_up(void **state)
{
    struct fixture *f = must_alloc(1, sizeof(*f));
    text_copy(f->dir, sizeof(f->dir), "/tmp/farmhand-api-XXXXXX");
    must(mkdtemp(f->dir) != NULL);
    text_format(f->path, sizeof(f->path), "%s/api.sock", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    stop(f);
    unlink(f->path);
    must(rmdir(f->dir) == 0);
    free(f);
    return 0;
}

/* What the brain gets next; fails the test after 10 s. */
static struct api_request *next_request(struct fixture *f)
{
    struct api_request *r = mailbox_take(f->box, clock_boot_ms() + 10000);
    assert_non_null(r);
    return r;
}

static void assert_no_request(struct fixture *f)
{
    assert_null(mailbox_take(f->box, 0));
}

static void assert_has(const struct text *t, const char *part)
{
    if (!strstr(text_get(t), part))
        fail_msg("\"%s\" is not in: %.300s", part, text_get(t));
}

/* ---- requests and answers ---- */

static void request_reaches_the_brain_whole(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client c = client_open(f->path);
    client_ask(&c, "POST", "/v1/runs/7/pause?on=zone%3Da%2Cweb*&empty=&flag",
               "{\"reason\": \"x\"}");
    struct api_request *r = next_request(f);
    assert_string_equal(r->method, "POST");
    assert_string_equal(r->path, "/v1/runs/7/pause");
    assert_string_equal(r->body, "{\"reason\": \"x\"}");
    assert_int_equal(r->body_len, 15);
    assert_false(r->hungry);
    assert_string_equal(api_arg(r, "on"), "zone=a,web*");
    assert_string_equal(api_arg(r, "empty"), "");
    assert_string_equal(api_arg(r, "flag"), "");
    assert_null(api_arg(r, "off"));
    assert_string_equal(api_unknown_arg(r, (const char *const[]){"on", "empty", NULL}), "flag");
    assert_null(api_unknown_arg(r, (const char *const[]){"on", "empty", "flag", NULL}));
    api_answer(f->api, r, 409, must_copy("{\"error\": 1}"));
    struct text body = {0};
    assert_int_equal(client_answer(&c, &body), 409);
    assert_string_equal(text_get(&body), "{\"error\": 1}");
    text_reset(&body);
    client_close(&c);
}

static void actor_is_the_user_of_the_peer(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client c = client_open(f->path);
    client_ask(&c, "GET", "/", NULL);
    struct api_request *r = next_request(f);
    const struct passwd *me = getpwuid(geteuid());
    char uid[32];
    text_format(uid, sizeof(uid), "uid %u", (unsigned)geteuid());
    assert_string_equal(r->actor, me ? me->pw_name : uid);
    api_answer(f->api, r, 200, must_copy("{}"));
    assert_int_equal(client_answer(&c, NULL), 200);
    client_close(&c);
}

static void connection_serves_several_requests(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client c = client_open(f->path);
    for (int i = 0; i < 3; i++) {
        client_ask(&c, "GET", "/v1/status", NULL);
        struct api_request *r = next_request(f);
        assert_string_equal(r->body, "");
        api_answer(f->api, r, 200, must_copy("{}"));
        assert_int_equal(client_answer(&c, NULL), 200);
    }
    client_close(&c);
}

#define CLIENTS       24
#define ASKS_PER_EACH 20

struct asker {
    const char *path;
    int number;
    int good;
    pthread_t thread;
};

static void *ask_often(void *arg)
{
    struct asker *a = arg;
    struct client c = client_open(a->path);
    for (int i = 0; i < ASKS_PER_EACH; i++) {
        char target[64], mine[64];
        struct text body = {0};
        text_format(target, sizeof(target), "/%d/%d", a->number, i);
        text_format(mine, sizeof(mine), "{\"you\": \"/%d/%d\"}", a->number, i);
        client_ask(&c, "GET", target, NULL);
        if (client_answer(&c, &body) == 200 && text_equal(text_get(&body), mine))
            a->good++;
        text_reset(&body);
    }
    client_close(&c);
    return NULL;
}

static void many_ask_at_once_and_each_gets_its_own_answer(void **state)
{
    struct fixture *f = *state;
    start(f, 64);
    struct asker askers[CLIENTS] = {0};
    for (int i = 0; i < CLIENTS; i++) {
        askers[i].path = f->path;
        askers[i].number = i;
        must(pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]) == 0);
    }
    for (int i = 0; i < CLIENTS * ASKS_PER_EACH; i++) {
        struct api_request *r = next_request(f);
        struct text json = {0};
        text_addf(&json, "{\"you\": \"%s\"}", r->path);
        api_answer(f->api, r, 200, text_take(&json));
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].good, ASKS_PER_EACH);
    }
}

/* ---- clients that behave badly ---- */

static void half_a_request_disturbs_nobody_and_is_closed(void **state)
{
    struct fixture *f = *state;
    f->spec.idle_s = 1;
    start(f, 8);
    struct client half = client_open(f->path), half_body = client_open(f->path);
    client_send(&half, "POST /v1/runs HTTP/1.1\r\nConte", 29);
    client_send(&half_body, "POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", 55);
    struct client whole = client_open(f->path);
    client_ask(&whole, "GET", "/v1/status", NULL);
    struct api_request *r = next_request(f);
    assert_string_equal(r->path, "/v1/status");
    api_answer(f->api, r, 200, must_copy("{}"));
    assert_int_equal(client_answer(&whole, NULL), 200);
    client_read_rest(&half); /* ends, or the test's time does */
    client_read_rest(&half_body);
    assert_no_request(f);
    client_close(&whole);
    client_close(&half);
    client_close(&half_body);
}

static char *body_of(size_t len)
{
    char *body = must_alloc(len + 1, 1);
    memset(body, 'x', len);
    return body;
}

static void body_over_the_limit_is_refused(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client c = client_open(f->path);
    char *body = body_of(300 * 1024);
    struct text answer = {0};
    client_ask(&c, "POST", "/v1/runs", body);
    assert_int_equal(client_answer(&c, &answer), 413);
    assert_has(&answer, "256 KiB");
    assert_no_request(f);
    client_close(&c);
    text_reset(&answer);
    free(body);
}

static void body_at_the_limit_is_taken(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client c = client_open(f->path);
    char *body = body_of(API_BODY_MAX);
    client_ask(&c, "POST", "/v1/runs", body);
    struct api_request *r = next_request(f);
    assert_int_equal(r->body_len, API_BODY_MAX);
    assert_string_equal(r->body, body);
    api_answer(f->api, r, 200, must_copy("{}"));
    assert_int_equal(client_answer(&c, NULL), 200);
    client_close(&c);
    free(body);
}

static void endless_body_is_cut_off(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client c = client_open(f->path);
    char *piece = body_of(65536);
    const char *head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    bool open = client_send(&c, head, strlen(head));
    int pieces = 0;
    for (; open && pieces < 1000; pieces++)
        open = client_send(&c, "10000\r\n", 7) && client_send(&c, piece, 65536) &&
               client_send(&c, "\r\n", 2);
    assert_false(open);
    assert_no_request(f);
    client_close(&c);
    free(piece);
}

static void assert_refused(struct fixture *f, const char *target, const char *body, int status)
{
    struct client c = client_open(f->path);
    struct text answer = {0};
    client_ask(&c, "GET", target, body);
    assert_int_equal(client_answer(&c, &answer), status);
    assert_has(&answer, "\"error\"");
    assert_no_request(f);
    client_close(&c);
    text_reset(&answer);
}

static void text_that_is_not_clean_is_refused(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    assert_refused(f, "/v1/servers/%FF", NULL, 400);
    assert_refused(f, "/v1/servers/a%0Ab", NULL, 400);
    assert_refused(f, "/v1/servers?on=%C3%28", NULL, 400);
    assert_refused(f, "/v1/servers?%1B=1", NULL, 400);
    assert_refused(f, "/v1/servers", "\xff\xfe", 400);
    assert_refused(f, "/?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17", NULL, 400);
}

static void full_mailbox_is_told(void **state)
{
    struct fixture *f = *state;
    start(f, 1);
    struct client first = client_open(f->path), second = client_open(f->path);
    client_ask(&first, "GET", "/first", NULL);
    client_ask(&second, "GET", "/second", NULL);
    /* Nothing is taken out yet, so one of them finds no room. */
    struct pollfd fds[2] = {{first.fd, POLLIN, 0}, {second.fd, POLLIN, 0}};
    assert_int_equal(poll(fds, 2, 10000), 1);
    struct client *out = fds[0].revents ? &first : &second, *in = fds[0].revents ? &second : &first;
    struct text answer = {0};
    assert_int_equal(client_answer(out, &answer), 503);
    assert_has(&answer, "ask again");
    api_answer(f->api, next_request(f), 200, must_copy("{}"));
    assert_int_equal(client_answer(in, NULL), 200);
    text_reset(&answer);
    client_close(&first);
    client_close(&second);
}

static void client_that_left_gets_its_answer_into_the_void(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client c = client_open(f->path);
    client_ask(&c, "GET", "/gone", NULL);
    struct api_request *r = next_request(f);
    client_close(&c);
    api_answer(f->api, r, 200, must_copy("{}"));
    struct client d = client_open(f->path);
    client_ask(&d, "GET", "/here", NULL);
    r = next_request(f);
    assert_string_equal(r->path, "/here");
    api_answer(f->api, r, 200, must_copy("{}"));
    assert_int_equal(client_answer(&d, NULL), 200);
    client_close(&d);
}

/* ---- followers ---- */

/* A follower that has caught up. */
static struct client follow(struct fixture *f, uint64_t run, const char *server)
{
    struct client c = client_open(f->path);
    client_ask(&c, "GET", "/v1/events?follow=1", NULL);
    struct api_request *r = next_request(f);
    assert_true(api_follow(f->api, r, 0, run, server));
    api_fed(f->api, r, true);
    assert_true(client_read_until(&c, "\r\n\r\n"));
    return c;
}

static void follower_catches_up_page_by_page_and_is_live_then(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client c = client_open(f->path);
    client_ask(&c, "GET", "/v1/events?follow=1&since=4", NULL);
    struct api_request *r = next_request(f);
    assert_true(api_follow(f->api, r, 4, 0, ""));
    api_publish(f->api, 99, 0, "", "{\"early\": 1}"); /* in history by now: it will be fed */
    api_feed(f->api, r, 5, "{\"n\": 5}");
    api_feed(f->api, r, 6, "{\"n\": 6}");
    api_fed(f->api, r, false);
    r = next_request(f);
    assert_true(r->hungry);
    assert_int_equal(r->fed_seq, 6);
    api_feed(f->api, r, 7, "{\"n\": 7}");
    api_fed(f->api, r, true);
    api_publish(f->api, 8, 0, "", "{\"n\": 8}");
    api_publish(f->api, 0, 0, "", "{\"n\": \"step\"}");
    assert_true(client_read_until(&c, "step"));
    assert_has(&c.unread, "text/event-stream");
    assert_has(&c.unread, "id: 5\ndata: {\"n\": 5}\n\n"); /* in one piece of the stream or two */
    assert_has(&c.unread, "id: 6\ndata: {\"n\": 6}\n\n");
    assert_has(&c.unread, "id: 7\ndata: {\"n\": 7}\n\n");
    assert_has(&c.unread, "id: 8\ndata: {\"n\": 8}\n\n");
    assert_has(&c.unread, "\ndata: {\"n\": \"step\"}\n\n");
    assert_null(strstr(c.unread.data, "early"));
    client_close(&c);
}

static void follower_of_nothing_new_asks_at_once_for_the_next_page(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client c = client_open(f->path);
    client_ask(&c, "GET", "/v1/events?follow=1&since=4", NULL);
    struct api_request *r = next_request(f);
    assert_true(api_follow(f->api, r, 4, 0, ""));
    api_fed(f->api, r, false); /* a page of which the filter left nothing */
    r = next_request(f);
    assert_true(r->hungry);
    api_fed(f->api, r, true);
    api_publish(f->api, 5, 0, "", "{\"n\": 5}");
    assert_true(client_read_until(&c, "{\"n\": 5}"));
    client_close(&c);
}

static void follower_gets_its_run_and_server_alone(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client of_run = follow(f, 7, ""), of_server = follow(f, 0, "web01");
    assert_false(api_is_followed(f->api, 6, "web02"));
    assert_true(api_is_followed(f->api, 6, "web01"));
    api_publish(f->api, 1, 6, "web02", "{\"n\": \"one\"}");
    api_publish(f->api, 2, 7, "web02", "{\"n\": \"two\"}");
    api_publish(f->api, 3, 6, "web01", "{\"n\": \"three\"}");
    api_publish(f->api, 4, 7, "web01", "{\"n\": \"four\"}");
    assert_true(client_read_until(&of_run, "four"));
    assert_true(client_read_until(&of_server, "four"));
    assert_has(&of_run.unread, "two");
    assert_null(strstr(of_run.unread.data, "one"));
    assert_null(strstr(of_run.unread.data, "three"));
    assert_has(&of_server.unread, "three");
    assert_null(strstr(of_server.unread.data, "two"));
    client_close(&of_run);
    client_close(&of_server);
}

static void follower_that_stops_reading_is_cut(void **state)
{
    struct fixture *f = *state;
    f->spec.follower_queue_bytes = 64 * 1024;
    start(f, 8);
    struct client slow = follow(f, 0, ""), quick = follow(f, 0, "");
    char *filler = body_of(4000);
    struct text json = {0};
    text_addf(&json, "{\"filler\": \"%s\"}", filler);
    for (uint64_t seq = 1; seq <= 400; seq++) { /* 1.6 MB: more than queue and socket hold */
        char id[32];
        api_publish(f->api, seq, 0, "", json.data);
        text_format(id, sizeof(id), "id: %" PRIu64 "\n", seq);
        assert_true(client_read_until(&quick, id));
        text_reset(&quick.unread);
    }
    client_read_rest(&slow);
    assert_has(&slow.unread, "id: 1\n");
    assert_has(&slow.unread, "event: cut\ndata: {\"seq\": null, \"kind\": \"stream.cut\"");
    assert_true(slow.unread.len < 1000 * 1024);
    assert_null(strstr(slow.unread.data, "id: 400\n"));
    text_reset(&json);
    free(filler);
    client_close(&slow);
    client_close(&quick);
}

static void quiet_stream_says_so_every_15_seconds(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    api_on_time(f->api, 1000);
    assert_true(api_wake_ms(f->api) == UINT64_MAX);
    struct client c = follow(f, 0, "");
    assert_int_equal(api_wake_ms(f->api), 16000);
    api_on_time(f->api, 15999);
    api_publish(f->api, 1, 0, "", "{}");
    assert_true(client_read_until(&c, "data: {}\n\n"));
    assert_null(strstr(c.unread.data, ":\n\n"));
    api_on_time(f->api, 15999 + API_COMMENT_MS);
    assert_true(client_read_until(&c, "\n:\n\n"));
    client_close(&c);
}

static void too_many_followers_are_refused(void **state)
{
    struct fixture *f = *state;
    f->spec.followers_max = 2;
    start(f, 8);
    struct client a = follow(f, 0, ""), b = follow(f, 0, "");
    struct client c = client_open(f->path);
    client_ask(&c, "GET", "/v1/events?follow=1", NULL);
    assert_false(api_follow(f->api, next_request(f), 0, 0, ""));
    assert_int_equal(client_answer(&c, NULL), 503);
    client_close(&a);
    client_close(&b);
    /* Who left makes room, as soon as the next event finds that out. */
    for (bool room = false; !room;) {
        api_publish(f->api, 1, 0, "", "{}");
        client_ask(&c, "GET", "/v1/events?follow=1", NULL);
        struct api_request *r = next_request(f);
        room = api_follow(f->api, r, 0, 0, "");
        if (room)
            api_fed(f->api, r, true);
        else
            assert_int_equal(client_answer(&c, NULL), 503);
    }
    client_close(&c);
}

/* ---- stopping ---- */

static void stop_answers_those_who_wait(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client waits = client_open(f->path), delivered = client_open(f->path);
    client_ask(&delivered, "GET", "/delivered", NULL);
    struct api_request *r = next_request(f);
    client_ask(&waits, "GET", "/in-the-mailbox", NULL);
    struct client follows = client_open(f->path);
    client_ask(&follows, "GET", "/v1/events?follow=1", NULL);
    /* Requests come in any order: find the follower's. */
    struct api_request *one = next_request(f), *two = next_request(f);
    struct api_request *follower = text_equal(one->path, "/v1/events") ? one : two;
    assert_true(api_follow(f->api, follower, 0, 0, ""));
    api_fed(f->api, follower, true);
    assert_true(client_read_until(&follows, "\r\n\r\n"));
    api_close(f->api);
    f->api = NULL;
    assert_int_equal(client_answer(&delivered, NULL), 503);
    assert_int_equal(client_answer(&waits, NULL), 503);
    client_read_rest(&follows);
    assert_has(&follows.unread, "event: end\n");
    assert_int_equal(access(f->path, F_OK), -1);
    api_drop(r);
    api_drop(follower == one ? two : one);
    client_close(&waits);
    client_close(&delivered);
    client_close(&follows);
}

static void stop_does_not_wait_for_clients_that_do_nothing(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    struct client half = client_open(f->path), silent = client_open(f->path);
    client_send(&half, "POST /v1/ru", 11);
    struct client stuck = follow(f, 0, "");
    char *filler = body_of(200000);
    struct text json = {0};
    text_addf(&json, "{\"filler\": \"%s\"}", filler);
    for (int i = 0; i < 5; i++)
        api_publish(f->api, 1, 0, "", json.data);
    uint64_t began_ms = clock_boot_ms();
    stop(f);
    assert_true(clock_boot_ms() - began_ms < 5000);
    text_reset(&json);
    free(filler);
    client_close(&half);
    client_close(&silent);
    client_close(&stuck);
}

/* ---- the socket ---- */

static int bound_socket(const char *path, bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    text_copy(address.sun_path, sizeof(address.sun_path), path);
    must(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    if (listening)
        must(listen(fd, 1) == 0);
    return fd;
}

static enum error_code try_open(struct fixture *f, const char *path)
{
    struct api_spec spec = {.socket = path, .deliver = deliver, .arg = f};
    struct api *api = NULL;
    enum error_code code = api_open(&spec, &api, &f->err);
    assert_int_equal(code == ERR_NONE, api != NULL);
    api_close(api);
    return code;
}

static void socket_left_by_a_crash_is_taken_over(void **state)
{
    struct fixture *f = *state;
    close(bound_socket(f->path, true));
    assert_int_equal(access(f->path, F_OK), 0);
    start(f, 8);
    struct stat info;
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0660);
    stop(f);
    assert_int_equal(access(f->path, F_OK), -1);
}

static void socket_in_use_is_left_alone(void **state)
{
    struct fixture *f = *state;
    int fd = bound_socket(f->path, true);
    assert_int_equal(try_open(f, f->path), ERR_EXISTS);
    assert_non_null(strstr(f->err.text, "another process listens"));
    assert_int_equal(access(f->path, F_OK), 0);
    close(fd);
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->path, "w");
    must(file != NULL);
    fclose(file);
    assert_int_equal(try_open(f, f->path), ERR_EXISTS);
    assert_non_null(strstr(f->err.text, "is no socket"));
    assert_int_equal(access(f->path, F_OK), 0);
}

static void path_that_cannot_be_is_told(void **state)
{
    struct fixture *f = *state;
    char long_path[200];
    memset(long_path, 'x', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(try_open(f, long_path), ERR_INVALID);
    assert_int_equal(try_open(f, ""), ERR_INVALID);
    assert_int_equal(try_open(f, "/nowhere/at/all/api.sock"), ERR_NOT_FOUND);
    assert_non_null(strstr(f->err.text, "directory"));
}

static void socket_of_a_successor_is_not_removed(void **state)
{
    struct fixture *f = *state;
    start(f, 8);
    unlink(f->path);
    int fd = bound_socket(f->path, true);
    stop(f);
    assert_int_equal(access(f->path, F_OK), 0);
    close(fd);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(request_reaches_the_brain_whole),
        CASE(actor_is_the_user_of_the_peer),
        CASE(connection_serves_several_requests),
        CASE(many_ask_at_once_and_each_gets_its_own_answer),
        CASE(half_a_request_disturbs_nobody_and_is_closed),
        CASE(body_over_the_limit_is_refused),
        CASE(body_at_the_limit_is_taken),
        CASE(endless_body_is_cut_off),
        CASE(text_that_is_not_clean_is_refused),
        CASE(full_mailbox_is_told),
        CASE(client_that_left_gets_its_answer_into_the_void),
        CASE(follower_catches_up_page_by_page_and_is_live_then),
        CASE(follower_of_nothing_new_asks_at_once_for_the_next_page),
        CASE(follower_gets_its_run_and_server_alone),
        CASE(follower_that_stops_reading_is_cut),
        CASE(quiet_stream_says_so_every_15_seconds),
        CASE(too_many_followers_are_refused),
        CASE(stop_answers_those_who_wait),
        CASE(stop_does_not_wait_for_clients_that_do_nothing),
        CASE(socket_left_by_a_crash_is_taken_over),
        CASE(socket_in_use_is_left_alone),
        CASE(file_that_is_no_socket_is_left_alone),
        CASE(path_that_cannot_be_is_told),
        CASE(socket_of_a_successor_is_not_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

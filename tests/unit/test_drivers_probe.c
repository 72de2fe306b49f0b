/* Where a pool is probed, what passes, and what real sockets on loopback answer. */
#include "agent/drivers/iis_probe.h"
#include "agent/drivers/tcp.h"
#include "common/http.h"
#include "common/must.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct iis_probe *add(struct iis_settings *s, const char *pool)
{
    struct iis_probe *probe = iis_settings_add_probe(s, pool, NULL);
    assert_non_null(probe);
    return probe;
}

static void add_status(struct iis_probe *probe, const char *word)
{
    struct config_list *list = &probe->status;
    list->items = must_realloc(list->items, list->count + 1, sizeof(char *));
    list->items[list->count++] = must_copy(word);
}

/* ---- targets ---- */

static void bindings_are_taken_apart_from_the_right(void **state)
{
    (void)state;
    const char *cursor = "net.tcp/808:*,http/*:80:,https/[::1]:443:shop.example,http/10.0.0.1:x:,"
                         "http/127.0.0.1:18081:";
    struct iis_binding b;
    assert_true(iis_binding_next(&cursor, &b));
    assert_string_equal(b.scheme, "http");
    assert_string_equal(b.ip, "*");
    assert_int_equal(b.port, 80);
    assert_string_equal(b.host, "");
    assert_true(iis_binding_next(&cursor, &b));
    assert_string_equal(b.scheme, "https");
    assert_string_equal(b.ip, "::1");
    assert_string_equal(b.host, "shop.example");
    assert_true(iis_binding_next(&cursor, &b));
    assert_string_equal(b.ip, "127.0.0.1");
    assert_int_equal(b.port, 18081);
    assert_false(iis_binding_next(&cursor, &b));
}

static const struct site sites[] = {
    {"A", 1, true, "net.tcp/808:*", "Queue"},
    {"B", 2, true, "https/*:443:b.example,http/*:8080:b.example", "Shop"},
    {"C", 3, true, "https/[::]:8443:", "Secure"},
    {"D", 4, true, "http/10.1.2.3:80:*.wild.example", "Wild"},
};
#define SITES sites, sizeof(sites) / sizeof(sites[0])

static void pool_without_a_section_is_probed_by_its_binding(void **state)
{
    (void)state;
    struct iis_settings s;
    struct iis_target t;
    iis_settings_init(&s);
    assert_int_equal(iis_probe_target(&s, "shop", SITES, &t, NULL), ERR_NONE);
    assert_string_equal(t.url, "http://b.example:8080/");
    assert_string_equal(t.connect_to, "127.0.0.1:8080");
    assert_int_equal(iis_probe_target(&s, "Secure", SITES, &t, NULL), ERR_NONE);
    assert_string_equal(t.url, "https://[::1]:8443/");
    assert_string_equal(t.connect_to, "[::1]:8443");
    assert_int_equal(iis_probe_target(&s, "Wild", SITES, &t, NULL), ERR_NONE);
    assert_string_equal(t.url, "http://10.1.2.3:80/");
}

static void pool_without_http_has_nothing_to_probe(void **state)
{
    (void)state;
    struct iis_settings s;
    struct iis_target t;
    struct error err;
    iis_settings_init(&s);
    assert_int_equal(iis_probe_target(&s, "Queue", SITES, &t, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "[probe Queue]"));
    assert_int_equal(iis_probe_target(&s, "Nobody", NULL, 0, &t, &err), ERR_NOT_FOUND);
    add(&s, "Shop")->off = true;
    assert_int_equal(iis_probe_target(&s, "Shop", SITES, &t, &err), ERR_NOT_FOUND);
    iis_settings_reset(&s);
}

static void own_section_comes_before_the_star(void **state)
{
    (void)state;
    struct iis_settings s;
    struct iis_target t;
    iis_settings_init(&s);
    add(&s, "*")->url = must_copy("http://any.example/");
    struct iis_probe *shop = add(&s, "Shop");
    shop->url = must_copy("http://shop.example/health");
    shop->connect_to = must_copy("127.0.0.1:18081");
    assert_int_equal(iis_probe_target(&s, "SHOP", NULL, 0, &t, NULL), ERR_NONE);
    assert_string_equal(t.url, "http://shop.example/health");
    assert_string_equal(t.connect_to, "127.0.0.1:18081");
    assert_ptr_equal(t.expect, shop);
    assert_int_equal(iis_probe_target(&s, "Api", NULL, 0, &t, NULL), ERR_NONE);
    assert_string_equal(t.url, "http://any.example/");
    assert_string_equal(t.connect_to, "");
    iis_settings_reset(&s);
}

static void sites_are_needed_only_where_the_section_does_not_say(void **state)
{
    (void)state;
    struct iis_settings s;
    iis_settings_init(&s);
    struct iis_probe *probe = add(&s, "A");
    assert_true(iis_probe_needs_sites(NULL));
    assert_true(iis_probe_needs_sites(probe));
    probe->tcp_only = true;
    assert_true(iis_probe_needs_sites(probe));
    probe->connect_to = must_copy("127.0.0.1:1");
    assert_false(iis_probe_needs_sites(probe));
    probe = add(&s, "B");
    probe->url = must_copy("http://x/");
    assert_false(iis_probe_needs_sites(probe));
    iis_settings_reset(&s);
}

static void statuses_pass_by_the_section(void **state)
{
    (void)state;
    struct iis_settings s;
    iis_settings_init(&s);
    struct iis_probe *probe = add(&s, "A");
    assert_true(iis_probe_status_passes(NULL, 200));
    assert_true(iis_probe_status_passes(probe, 399));
    assert_false(iis_probe_status_passes(probe, 401));
    assert_false(iis_probe_status_passes(NULL, 500));
    add_status(probe, "401");
    add_status(probe, "200-204");
    assert_true(iis_probe_status_passes(probe, 401));
    assert_true(iis_probe_status_passes(probe, 204));
    assert_false(iis_probe_status_passes(probe, 205));
    assert_false(iis_probe_status_passes(probe, 301));
    iis_settings_reset(&s);
}

static void addresses(void **state)
{
    (void)state;
    char out[100], host[100];
    uint16_t port = 0;
    assert_true(iis_probe_url_address("http://a.example/x:9", out, sizeof(out)));
    assert_string_equal(out, "a.example:80");
    assert_true(iis_probe_url_address("https://[::1]/", out, sizeof(out)));
    assert_string_equal(out, "[::1]:443");
    assert_true(iis_probe_url_address("http://127.0.0.1:81", out, sizeof(out)));
    assert_string_equal(out, "127.0.0.1:81");
    assert_false(iis_probe_url_address("ftp://x/", out, sizeof(out)));
    assert_false(iis_probe_url_address("http:///x", out, sizeof(out)));
    assert_false(iis_probe_url_address("http://me:secret@x/", out, sizeof(out)));
    assert_false(iis_probe_url_address("http://x:99999/", out, sizeof(out)));
    assert_true(iis_probe_parse_address("[::1]:80", host, sizeof(host), &port));
    assert_string_equal(host, "::1");
    assert_int_equal(port, 80);
    assert_false(iis_probe_parse_address("::1:80", host, sizeof(host), &port));
    assert_false(iis_probe_parse_address("x:0", host, sizeof(host), &port));
    assert_false(iis_probe_parse_address(":80", host, sizeof(host), &port));
    assert_false(iis_probe_parse_address("x", host, sizeof(host), &port));
}

/* ---- asking a server of the test's own ---- */

struct server {
    int fd;
    uint16_t port;
    const char *answer; /* sent to everyone; NULL: nothing, until the other side leaves */
    char request[4096];
    pthread_t thread;
};

static int listen_anywhere(uint16_t *port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(any);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    *port = ntohs(any.sin_port);
    return fd;
}

static void *serve_one(void *arg)
{
    struct server *s = arg;
    int client = accept(s->fd, NULL, NULL);
    size_t used = 0;
    while (client >= 0 && used < sizeof(s->request) - 1) {
        ssize_t got = read(client, s->request + used, sizeof(s->request) - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
        s->request[used] = '\0';
        if (s->answer && strstr(s->request, "\r\n\r\n")) {
            ssize_t sent = write(client, s->answer, strlen(s->answer));
            (void)sent;
            break;
        }
    }
    if (client >= 0)
        close(client);
    return NULL;
}

static void server_start(struct server *s, const char *answer)
{
    *s = (struct server){.answer = answer};
    s->fd = listen_anywhere(&s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve_one, s), 0);
}

static void server_end(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static struct iis_target target_at(uint16_t port)
{
    struct iis_target t = {0};
    text_copy(t.url, sizeof(t.url), "http://shop.example/health");
    text_format(t.connect_to, sizeof(t.connect_to), "127.0.0.1:%u", (unsigned)port);
    return t;
}

static void good_answer_passes_on_a_request_no_cache_may_answer(void **state)
{
    (void)state;
    struct server server;
    struct driver_probe probe;
    server_start(&server, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    struct iis_target t = target_at(server.port);
    assert_int_equal(iis_probe_run(&t, 5000, &probe, NULL), ERR_NONE);
    server_end(&server);
    assert_true(probe.answered);
    assert_true(probe.passed);
    assert_int_equal(probe.status, 204);
    assert_non_null(strstr(server.request, "GET /health HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request, "Host: shop.example\r\n"));
    assert_non_null(strstr(server.request, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(server.request, "X-Farmhand-Probe: "));
}

static void unique_probe_carries_a_parameter(void **state)
{
    (void)state;
    struct server server;
    struct driver_probe probe;
    server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    struct iis_target t = target_at(server.port);
    t.unique = true;
    assert_int_equal(iis_probe_run(&t, 5000, &probe, NULL), ERR_NONE);
    server_end(&server);
    assert_true(probe.passed);
    assert_non_null(strstr(server.request, "GET /health?farmhand-probe="));
}

static void wrong_status_is_an_answer_that_does_not_pass(void **state)
{
    (void)state;
    struct server server;
    struct driver_probe probe;
    server_start(&server, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    struct iis_target t = target_at(server.port);
    assert_int_equal(iis_probe_run(&t, 5000, &probe, NULL), ERR_NONE);
    server_end(&server);
    assert_true(probe.answered);
    assert_false(probe.passed);
    assert_int_equal(probe.status, 500);
    assert_non_null(strstr(probe.detail, "500"));
}

static void refused_silent_and_babbling_servers_do_not_answer(void **state)
{
    (void)state;
    struct server server;
    struct driver_probe probe;
    uint16_t port;
    close(listen_anywhere(&port));
    struct iis_target t = target_at(port);
    assert_int_equal(iis_probe_run(&t, 5000, &probe, NULL), ERR_NONE);
    assert_false(probe.answered);
    assert_false(probe.passed);
    assert_int_equal(probe.status, 0);
    assert_true(strlen(probe.detail) > 0);

    server_start(&server, NULL);
    t = target_at(server.port);
    assert_int_equal(iis_probe_run(&t, 100, &probe, NULL), ERR_NONE);
    server_end(&server);
    assert_false(probe.answered);

    server_start(&server, "220 smtp.example ready\r\n");
    t = target_at(server.port);
    assert_int_equal(iis_probe_run(&t, 5000, &probe, NULL), ERR_NONE);
    server_end(&server);
    assert_false(probe.answered);
}

/* The site answers, and what warms it up does not yet: no pass, and it is said which. */
static void warm_up_has_to_answer_too(void **state)
{
    (void)state;
    for (int good = 0; good < 2; good++) {
        struct server site, shop;
        struct driver_probe probe;
        char url[64], *urls[1] = {url};
        server_start(&site, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        server_start(&shop, good ? "HTTP/1.1 204 Fine\r\nContent-Length: 0\r\n\r\n"
                                 : "HTTP/1.1 503 Cold\r\nContent-Length: 0\r\n\r\n");
        text_format(url, sizeof(url), "http://127.0.0.1:%u/cart", (unsigned)shop.port);
        const struct iis_probe section = {.warm_up = {.items = urls, .count = 1}};
        struct iis_target t = target_at(site.port);
        t.expect = &section;
        assert_int_equal(iis_probe_run(&t, 5000, &probe, NULL), ERR_NONE);
        server_end(&site);
        server_end(&shop);
        assert_true(probe.answered);
        assert_int_equal(probe.passed, good);
        if (!good)
            assert_non_null(strstr(probe.detail, "/cart answered 503"));
    }
}

static void tcp_probe_passes_when_somebody_accepts(void **state)
{
    (void)state;
    struct driver_probe probe;
    uint16_t port;
    int fd = listen_anywhere(&port);
    struct iis_target t = target_at(port);
    t.tcp_only = true;
    assert_int_equal(iis_probe_run(&t, 1000, &probe, NULL), ERR_NONE);
    assert_true(probe.answered);
    assert_true(probe.passed);
    assert_int_equal(probe.status, 0);
    close(fd);
    assert_int_equal(iis_probe_run(&t, 1000, &probe, NULL), ERR_NONE);
    assert_false(probe.answered);
    assert_false(probe.passed);
}

static void tcp_probe_looks_no_name_up(void **state)
{
    (void)state;
    struct driver_probe probe;
    struct error err;
    uint32_t elapsed;
    struct iis_target t = {.tcp_only = true};
    text_copy(t.url, sizeof(t.url), "http://shop.example/");
    assert_int_equal(iis_probe_run(&t, 1000, &probe, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "shop.example"));
    assert_int_equal(tcp_connect("no address", 80, 1000, &elapsed, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bindings_are_taken_apart_from_the_right),
        cmocka_unit_test(pool_without_a_section_is_probed_by_its_binding),
        cmocka_unit_test(pool_without_http_has_nothing_to_probe),
        cmocka_unit_test(own_section_comes_before_the_star),
        cmocka_unit_test(sites_are_needed_only_where_the_section_does_not_say),
        cmocka_unit_test(statuses_pass_by_the_section),
        cmocka_unit_test(addresses),
        cmocka_unit_test(good_answer_passes_on_a_request_no_cache_may_answer),
        cmocka_unit_test(unique_probe_carries_a_parameter),
        cmocka_unit_test(wrong_status_is_an_answer_that_does_not_pass),
        cmocka_unit_test(refused_silent_and_babbling_servers_do_not_answer),
        cmocka_unit_test(warm_up_has_to_answer_too),
        cmocka_unit_test(tcp_probe_passes_when_somebody_accepts),
        cmocka_unit_test(tcp_probe_looks_no_name_up),
    };
    http_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The front from afar, over TLS: what is not asked is not waited for, and who may crowd it. */
#include "coordinator/api/api.h"
#include "coordinator/api/api_socket.h"

#include "common/clock.h"
#include "common/http.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "tests/unit/link/certs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUEST_MS 1800
#define PATIENT_MS 60000

struct front {
    char dir[64], socket[108], ca_file[108], connect_to[64];
    struct ca *ca;
    struct api *api;
};

/* Nobody is there: a request that is good is told to come again. */
static bool deliver(void *arg, struct api_request *request)
{
    (void)arg, (void)request;
    return false;
}

static int open_front(void **state, uint32_t request_ms)
{
    struct front *f = must_alloc(1, sizeof(*f));
    struct error err = {0};
    strcpy(f->dir, "/tmp/farmhand-far-XXXXXX");
    must(mkdtemp(f->dir) != NULL);
    text_format(f->socket, sizeof(f->socket), "%s/s", f->dir);
    text_format(f->ca_file, sizeof(f->ca_file), "%s/ca.crt", f->dir);
    f->ca = certs_farm();
    must(os_write_file(f->ca_file, ca_pem(f->ca), strlen(ca_pem(f->ca)), 0600, &err) == ERR_NONE);
    const struct api_far far = {.listen = "127.0.0.1:0",
                                .chain_pem = ca_chain_pem(f->ca),
                                .key_pem = ca_key_pem(f->ca),
                                .ca_pem = ca_pem(f->ca)};
    const struct api_spec spec = {.socket = f->socket,
                                  .far = &far,
                                  .deliver = deliver,
                                  .of_one_address_max = 8,
                                  .request_ms = request_ms};
    if (api_open(&spec, &f->api, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    text_format(f->connect_to, sizeof(f->connect_to), "127.0.0.1:%u", api_port(f->api));
    http_start();
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    return open_front(state, REQUEST_MS);
}

static int set_up_patient(void **state)
{
    return open_front(state, PATIENT_MS);
}

static int tear_down(void **state)
{
    struct front *f = *state;
    api_close(f->api);
    ca_close(f->ca);
    unlink(f->ca_file);
    rmdir(f->dir);
    free(f);
    return 0;
}

/* ---- what is asked ---- */

static int ask(struct front *f, const char *method, const char *type)
{
    struct http_reply reply = {0};
    struct error err = {0};
    const char *const headers[] = {type, NULL};
    const struct http_call call = {.method = method,
                                   .url = "https://farmhand-coordinator/v1/takeover",
                                   .headers = headers,
                                   .body = "{}",
                                   .body_len = 2,
                                   .timeout_ms = 20000,
                                   .response_max_bytes = 4096,
                                   .ca_file = f->ca_file,
                                   .connect_to = f->connect_to};
    if (http_request(&call, &reply, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    free(reply.body);
    return reply.status;
}

/* What a page may send from a browser that has an operator's certificate is none of it. */
static void change_is_asked_for_in_json_alone(void **state)
{
    struct front *f = *state;
    assert_int_equal(ask(f, "POST", "Content-Type: application/json"), 503);
    assert_int_equal(ask(f, "POST", "Content-Type: Application/JSON; charset=utf-8"), 503);
    assert_int_equal(ask(f, "POST", "Content-Type: text/plain"), 415);
    assert_int_equal(ask(f, "POST", "Content-Type: application/x-www-form-urlencoded"), 415);
    assert_int_equal(ask(f, "POST", "Content-Type: application/jsonp"), 415);
    assert_int_equal(ask(f, "POST", "Content-Type: text/plain; application/json"), 415);
    assert_int_equal(ask(f, "POST", "Content-Type:"), 415); /* libcurl: none at all */
}

/* ---- who only takes a place ---- */

static int connect_from(const struct front *f, unsigned host)
{
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host)};
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(api_port(f->api)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && bind(fd, (const struct sockaddr *)&from, sizeof(from)) == 0 &&
         connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

static bool is_over(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

static size_t count_over(const int *fds, size_t count)
{
    size_t over = 0;
    for (size_t i = 0; i < count; i++)
        over += is_over(fds[i]);
    return over;
}

/* Each sends a byte of its handshake now and then, until one is sent away. The front is told that
 * it were at_ms; 0: as late as it is. */
static void trickle(struct front *f, const int *fds, size_t count, uint64_t at_ms)
{
    static const char hello[] = "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03";
    uint64_t begun_ms = clock_boot_ms();
    for (size_t i = 0; count_over(fds, count) == 0; i++) {
        if (clock_boot_ms() - begun_ms > 20000)
            fail_msg("it was let for ever");
        for (size_t k = 0; k < count; k++)
            send(fds[k], i < sizeof(hello) - 1 ? &hello[i] : "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        clock_sleep_ms(20);
        api_on_time(f->api, at_ms ? at_ms : clock_boot_ms());
    }
}

static void request_that_never_comes_whole_is_not_waited_for(void **state)
{
    struct front *f = *state;
    uint64_t begun_ms = clock_boot_ms();
    int fd = connect_from(f, 2);
    trickle(f, &fd, 1, 0);
    assert_true(clock_boot_ms() - begun_ms >= REQUEST_MS);
    close(fd);
    assert_int_equal(ask(f, "POST", "Content-Type: application/json"), 503);
}

/* Half the time of others has gone by, however slow this machine is. */
static void who_has_many_is_waited_for_less(void **state)
{
    struct front *f = *state;
    int fds[6];
    uint64_t half_ms = clock_boot_ms() + PATIENT_MS / 2;
    for (size_t i = 0; i < 6; i++)
        fds[i] = connect_from(f, 2);
    trickle(f, fds, 6, half_ms); /* as soon as enough of them stand there */
    for (size_t i = 0; i < 6; i++)
        close(fds[i]);
}

static void one_address_has_so_many_places(void **state)
{
    struct front *f = *state;
    int fds[20], other;
    for (size_t i = 0; i < 20; i++)
        fds[i] = connect_from(f, 2);
    for (int i = 0; i < 1000 && count_over(fds, 20) < 12; i++)
        clock_sleep_ms(10);
    assert_int_equal(count_over(fds, 20), 12);
    other = connect_from(f, 3);
    clock_sleep_ms(50);
    assert_false(is_over(other));
    close(other);
    for (size_t i = 0; i < 20; i++)
        close(fds[i]);
    /* Their places are free again. */
    for (int i = 0; i < 1000; i++) {
        int fd = connect_from(f, 2);
        clock_sleep_ms(20);
        bool over = is_over(fd);
        close(fd);
        if (!over)
            return;
    }
    fail_msg("nobody from there is let in any more");
}

static void network_of(const char *text, char out[DOOR_ADDRESS_MAX])
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6};
    must(inet_pton(AF_INET6, text, &in.sin6_addr) == 1);
    api_socket_network((const struct sockaddr *)&in, out);
}

/* One machine is given 2^64 addresses: they count as one. */
static void addresses_of_one_network_are_one(void **state)
{
    char one[DOOR_ADDRESS_MAX], two[DOOR_ADDRESS_MAX], other[DOOR_ADDRESS_MAX];
    (void)state;
    network_of("2001:db8:1:2::1", one);
    network_of("2001:db8:1:2:ffff::7", two);
    network_of("2001:db8:1:3::1", other);
    assert_string_equal(one, two);
    assert_string_not_equal(one, other);
    network_of("::ffff:192.0.2.7", other);
    assert_string_equal(other, "192.0.2.7");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(change_is_asked_for_in_json_alone),
        CASE(request_that_never_comes_whole_is_not_waited_for),
        cmocka_unit_test_setup_teardown(who_has_many_is_waited_for_less, set_up_patient, tear_down),
        CASE(one_address_has_so_many_places),
        cmocka_unit_test(addresses_of_one_network_are_one),
    };
    return cmocka_run_group_tests_name("api_far", tests, NULL, NULL);
}

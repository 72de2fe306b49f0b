/* TLS between the two ends: who is let in, who is named, who is cut. Certificates are made afresh.
 *
 * In this process the agents' side runs over OpenSSL as well (an engine belongs to the process);
 * e2e_enrol has it over mbedTLS, with real programs. */
#include "rig.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/enrol/ca.h"
#include "coordinator/link/link_tls.h"
#include "proto/url.h"
#include "tests/unit/link/certs.h"

#include <dirent.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#define ANY_PORT    "tls+tcp://127.0.0.1:0"
#define DROPS       200
#define STORM       3000
#define MEMORY_MORE (256 * 1024)
#define DAY_MS      (24ULL * 60 * 60 * 1000)

/* nng 1.5.2 never frees a dialer that was stuck in a handshake, though it closes its connection:
 * some forty kilobytes each time that a coordinator hangs for two minutes. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:nng_dialer_create\nleak:libnng.so\n";
}

static struct ca *farm, *other;       /* two farms that know nothing of each other */
static _Atomic(const char *) removed; /* the name that is not let in any more */
/* Each is, as soon as it has shown its certificate: it is asked for twice. */
static atomic_bool removed_meanwhile;
static atomic_uint asked;

static bool admit(void *arg, const struct link_cert *cert)
{
    (void)arg;
    const char *name = removed;
    if (removed_meanwhile)
        return asked++ % 2 == 0;
    return cert->issued_wall_ms > 0 && !(name && text_equal(cert->name, name));
}

static struct link_tls tls_of(const struct ca *ca)
{
    return (struct link_tls){.ca_pem = ca_pem(ca),
                             .chain_pem = ca_chain_pem(ca),
                             .key_pem = ca_key_pem(ca),
                             .admit = admit};
}

static void centre_over(struct centre *c, const struct ca *ca, uint32_t idle_ms)
{
    const struct link_tls tls = tls_of(ca);
    centre_open_spec(c, (struct link_spec){.url = ANY_PORT, .tls = &tls, .idle_ms = idle_ms});
}

static void agent_as(struct agent *a, struct centre *c, const struct certs *own, const char *ca)
{
    const struct agent_link_tls tls = {
        .ca_pem = ca, .cert_pem = own->cert_pem, .key_pem = own->key_pem};
    agent_open(a, link_url(c->link), (struct agent_link_spec){.tls = &tls, .redial_ms = 1000});
}

static void hears_listen(struct centre *c, struct agent *a, unsigned no)
{
    agent_listen(a, no);
    assert_int_equal(centre_answer(c, COORDINATOR_NOTHING), AGENT_LISTEN);
    agent_note_free(agent_wait(a, AGENT_LINK_ANSWER));
}

static void hears(struct centre *c, struct agent *a)
{
    agent_note_free(agent_wait(a, AGENT_LINK_UP));
    hears_listen(c, a, 1);
}

/* Nobody was let in: no pipe ever stands, though the agent tries again and again. */
static void hears_nothing(struct centre *c, struct agent *a)
{
    clock_sleep_ms(300);
    struct link_figures figures;
    link_figures(c->link, &figures);
    assert_int_equal(figures.pipes, 0);
    assert_int_equal(agent_link_state(a->link), AGENT_LINK_STATE_DOWN);
}

/* Ends all that are at the door. */
static void clear_the_door(void)
{
    for (int i = 0; i < 1000 && link_tls_pending() > 0; i++) {
        link_tls_sweep(clock_boot_ms(), 0);
        clock_sleep_ms(10);
    }
    assert_int_equal(link_tls_pending(), 0);
}

/* Nobody stands at the door any more: nng 1.5.2 never frees a connection whose negotiation ends
 * while its listener closes, and it would be counted for ever. */
static void close_quietly(struct centre *c)
{
    clear_the_door();
    centre_close(c);
}

static void own_name_is_heard(void **state)
{
    struct centre c;
    struct agent a;
    struct certs web01 = certs_make(farm, "web01", DAY_MS);
    (void)state;
    centre_over(&c, farm, 0);
    agent_as(&a, &c, &web01, ca_pem(farm));
    hears(&c, &a);
    agent_close(&a);
    close_quietly(&c);
    certs_free(&web01);
}

static void name_of_another_is_not(void **state)
{
    struct centre c;
    struct agent a;
    struct certs web02 = certs_make(farm, "web02", DAY_MS);
    (void)state;
    centre_over(&c, farm, 0);
    agent_as(&a, &c, &web02, ca_pem(farm));
    agent_note_free(agent_wait(&a, AGENT_LINK_UP));
    agent_listen(&a, 1); /* as web01 */
    struct centre_note *n = centre_wait(&c, LINK_BAD_PEER);
    assert_non_null(strstr(n->why, "its certificate is of web02, and it says to be web01"));
    centre_note_free(n);
    assert_int_equal(centre_waiting(&c), 0);
    agent_close(&a);
    close_quietly(&c);
    certs_free(&web02);
}

static void refused_with(struct certs own, const char *agents_ca)
{
    struct centre c;
    struct agent a;
    centre_over(&c, farm, 0);
    agent_as(&a, &c, &own, agents_ca);
    hears_nothing(&c, &a);
    agent_close(&a);
    close_quietly(&c);
    certs_free(&own);
}

static void refused(const struct ca *signer, const char *name, uint64_t life_ms,
                    const char *agents_ca)
{
    refused_with(certs_make(signer, name, life_ms), agents_ca);
}

/* Of the same farm, under the very name of a server: an operator's key plays no agent. */
static void operators_certificate_is_none_of_an_agent(void **state)
{
    (void)state;
    refused_with(certs_make_operator(farm, "web01", DAY_MS), ca_pem(farm));
}

static void another_farms_agent_is_refused(void **state)
{
    (void)state;
    refused(other, "web01", DAY_MS, ca_pem(farm));
}

static void another_farms_coordinator_is_refused(void **state)
{
    (void)state;
    refused(farm, "web01", DAY_MS, ca_pem(other));
}

static void certificate_past_its_time_is_refused(void **state)
{
    (void)state;
    refused(farm, "web01", 0, ca_pem(farm)); /* good until now */
}

/* The key of an agent must not be good for playing the coordinator, whatever name it has. */
static void agents_certificate_is_none_of_a_coordinator(void **state)
{
    struct centre c;
    struct agent a;
    struct certs stolen = certs_make(farm, WIRE_COORDINATOR_NAME, DAY_MS);
    struct certs web01 = certs_make(farm, "web01", DAY_MS);
    const struct link_tls tls = {
        .ca_pem = ca_pem(farm), .chain_pem = stolen.cert_pem, .key_pem = stolen.key_pem};
    (void)state;
    centre_open_spec(&c, (struct link_spec){.url = ANY_PORT, .tls = &tls});
    agent_as(&a, &c, &web01, ca_pem(farm));
    hears_nothing(&c, &a);
    agent_close(&a);
    close_quietly(&c);
    certs_free(&stolen);
    certs_free(&web01);
}

static void removed_agent_is_cut_at_once_and_not_let_in_again(void **state)
{
    struct centre c;
    struct agent a;
    struct certs web01 = certs_make(farm, "web01", DAY_MS);
    (void)state;
    centre_over(&c, farm, 0);
    agent_as(&a, &c, &web01, ca_pem(farm));
    hears(&c, &a);
    removed = "web01";
    link_close_named(c.link, "WEB01");
    centre_note_free(centre_wait(&c, LINK_GONE));
    agent_note_free(agent_wait(&a, AGENT_LINK_DOWN));
    hears_nothing(&c, &a);
    removed = NULL;
    agent_note_free(agent_wait(&a, AGENT_LINK_UP)); /* it went on trying */
    agent_close(&a);
    close_quietly(&c);
    certs_free(&web01);
}

/* It was let in, and finishes its handshake when it has been removed, and its connections cut. */
static void agent_that_is_removed_in_its_handshake_does_not_stay(void **state)
{
    struct centre c;
    struct agent a;
    struct certs web01 = certs_make(farm, "web01", DAY_MS);
    (void)state;
    asked = 0;
    removed_meanwhile = true;
    centre_over(&c, farm, 0);
    agent_as(&a, &c, &web01, ca_pem(farm));
    for (uint64_t until_ms = clock_boot_ms() + WAIT_MS; asked < 4; clock_sleep_ms(5))
        assert_true(clock_boot_ms() < until_ms); /* it is sent away, and comes again */
    struct link_figures figures;
    link_figures(c.link, &figures);
    assert_int_equal(figures.pipes, 0);
    agent_close(&a);
    removed_meanwhile = false;
    close_quietly(&c);
    certs_free(&web01);
}

static void renewed_certificate_takes_over_without_a_gap(void **state)
{
    struct centre c;
    struct agent a;
    struct certs first = certs_make(farm, "web01", DAY_MS),
                 second = certs_make(farm, "web01", DAY_MS);
    struct error err = {0};
    (void)state;
    centre_over(&c, farm, 0);
    agent_as(&a, &c, &first, ca_pem(farm));
    hears(&c, &a);
    const struct agent_link_tls tls = {
        .ca_pem = ca_pem(farm), .cert_pem = second.cert_pem, .key_pem = second.key_pem};
    assert_int_equal(agent_link_renew(a.link, &tls, &err), ERR_NONE);
    struct agent_note *n;
    while ((n = agent_wait_any(&a))->kind != AGENT_LINK_UP) {
        assert_int_not_equal(n->kind, AGENT_LINK_DOWN);
        agent_note_free(n);
    }
    agent_note_free(n);
    centre_settle_pipes(&c, 1);
    hears_listen(&c, &a, 2);
    agent_close(&a);
    close_quietly(&c);
    certs_free(&first);
    certs_free(&second);
}

/* One that is not let in: the link goes on under the former one. */
static void renewal_that_fails_costs_nothing(void **state)
{
    struct centre c;
    struct agent a;
    struct certs first = certs_make(farm, "web01", DAY_MS),
                 bad = certs_make(other, "web01", DAY_MS);
    struct error err = {0};
    (void)state;
    centre_over(&c, farm, 0);
    agent_as(&a, &c, &first, ca_pem(farm));
    hears(&c, &a);
    const struct agent_link_tls tls = {
        .ca_pem = ca_pem(farm), .cert_pem = bad.cert_pem, .key_pem = bad.key_pem};
    assert_int_equal(agent_link_renew(a.link, &tls, &err), ERR_NONE);
    clock_sleep_ms(300);
    hears_listen(&c, &a, 2);
    agent_close(&a);
    close_quietly(&c);
    certs_free(&first);
    certs_free(&bad);
}

static void wait_for_pending(size_t count)
{
    for (int i = 0; i < 1000 && link_tls_pending() != count; i++)
        clock_sleep_ms(10);
    assert_int_equal(link_tls_pending(), count);
}

/* Of the same farm: whoever is there stays, whoever comes is shown the new one. */
static void own_certificate_changes_under_a_link_that_stands(void **state)
{
    static const char *const hosts[] = {NULL};
    struct centre c;
    struct agent a, later;
    struct error err = {0};
    char dir[] = "/tmp/farmhand-ca-XXXXXX", command[64], before[65], after[65];
    bool renewed = false;
    struct ca *ca = NULL;
    (void)state;
    must(mkdtemp(dir) != NULL);
    int64_t now_ms = clock_wall_ms(), then_ms = now_ms - 21 * (int64_t)DAY_MS;
    assert_int_equal(ca_make(dir, hosts, then_ms, &err), ERR_NONE);
    assert_int_equal(ca_open(dir, 30 * DAY_MS, then_ms, &ca, &err), ERR_NONE);
    struct certs web01 = certs_make(ca, "web01", DAY_MS);
    centre_over(&c, ca, 0);
    agent_as(&a, &c, &web01, ca_pem(ca));
    hears(&c, &a);
    certs_shown(link_url(c.link), &web01, ca_pem(ca), before);
    assert_int_equal(ca_renew_own(ca, now_ms, &renewed, &err), ERR_NONE);
    assert_true(renewed);
    /* One that does not belong together is refused, and nothing has changed. */
    struct link_tls own = tls_of(ca);
    own.key_pem = web01.key_pem;
    assert_int_equal(link_renew(c.link, &own, &err), ERR_CORRUPT);
    certs_shown(link_url(c.link), &web01, ca_pem(ca), after);
    assert_string_equal(before, after);
    own = tls_of(ca);
    assert_int_equal(link_renew(c.link, &own, &err), ERR_NONE);
    hears_listen(&c, &a, 2);
    assert_int_equal(agent_waiting(&a), 0); /* it was not cut, nor told anything */
    certs_shown(link_url(c.link), &web01, ca_pem(ca), after);
    assert_string_not_equal(before, after);
    agent_as(&later, &c, &web01, ca_pem(ca));
    agent_note_free(agent_wait(&later, AGENT_LINK_UP));
    clear_the_door(); /* who looked and left */
    agent_close(&a);
    agent_close(&later);
    close_quietly(&c);
    certs_free(&web01);
    ca_close(ca);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    must(system(command) == 0);
}

/* ---- nothing is left over ---- */

static size_t count_in(const char *dir)
{
    DIR *d = opendir(dir);
    size_t count = 0;
    must(d != NULL);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

struct use {
    size_t fds, threads;
    size_t memory_bytes; /* allocated */
};

static struct use used(void)
{
    return (struct use){count_in("/proc/self/fd"), count_in("/proc/self/task"),
                        mallinfo2().uordblks};
}

static void expect_nothing_left(struct centre *c, size_t pipes, const struct use *before)
{
    struct link_figures figures = {0};
    struct use now = {0};
    for (int i = 0; i < WAIT_MS / 50; i++) {
        link_sweep(c->link);
        link_figures(c->link, &figures);
        now = used();
        if (figures.pipes == pipes && now.fds <= before->fds)
            break;
        clock_sleep_ms(50);
    }
    assert_int_equal(figures.pipes, pipes);
    if (now.fds > before->fds)
        fail_msg("%zu descriptors, %zu before", now.fds, before->fds);
    assert_true(now.threads <= before->threads);
    if (now.memory_bytes > before->memory_bytes + (16 << 20))
        fail_msg("%llu bytes of memory more",
                 (unsigned long long)(now.memory_bytes - before->memory_bytes));
}

static void abrupt_ends_leave_nothing(void **state)
{
    struct centre c;
    struct agent a;
    struct certs web01 = certs_make(farm, "web01", DAY_MS);
    (void)state;
    centre_over(&c, farm, 1000);
    certs_drop(link_url(c.link), &web01, ca_pem(farm), DROPS); /* warms up */
    struct use before = used();
    expect_nothing_left(&c, 0, &before);
    before = used();
    certs_drop(link_url(c.link), &web01, ca_pem(farm), DROPS);
    expect_nothing_left(&c, 0, &before);
    agent_as(&a, &c, &web01, ca_pem(farm));
    hears(&c, &a); /* and it listens as before */
    agent_close(&a);
    close_quietly(&c);
    certs_free(&web01);
}

static void storm_of_handshakes_leaves_nothing(void **state)
{
    struct centre c;
    struct agent a;
    struct certs web01 = certs_make(farm, "web01", DAY_MS);
    (void)state;
    centre_over(&c, farm, 1000);
    certs_storm(link_url(c.link), STORM / 10, &web01, ca_pem(farm));
    struct use before = used();
    expect_nothing_left(&c, 0, &before);
    before = used();
    certs_storm(link_url(c.link), STORM, &web01, ca_pem(farm));
    agent_as(&a, &c, &web01, ca_pem(farm)); /* in the middle of what is left of it */
    hears(&c, &a);
    agent_close(&a);
    expect_nothing_left(&c, 0, &before);
    close_quietly(&c);
    certs_free(&web01);
}

/* Whoever connects and says nothing is sent away: nng would keep it. */
static void silent_peers_do_not_stay(void **state)
{
    struct centre c;
    int fds[50];
    char byte;
    (void)state;
    clear_the_door(); /* of who was refused above, and tried again */
    centre_over(&c, farm, 1000);
    for (size_t i = 0; i < 50; i++)
        fds[i] = certs_connect(link_url(c.link));
    wait_for_pending(50);
    for (uint64_t until_ms = clock_boot_ms() + WAIT_MS; link_tls_pending() > 0;
         clock_sleep_ms(10)) {
        assert_true(clock_boot_ms() < until_ms);
        link_sweep(c.link);
    }
    for (size_t i = 0; i < 50; i++) {
        assert_true(read(fds[i], &byte, 1) <= 0);
        close(fds[i]);
    }
    close_quietly(&c);
}

/* nng closes those it refuses on a thread of its own. */
static void wait_for_sent_away(const int *fds, size_t count, size_t expected)
{
    size_t over = 0;
    char byte;
    for (int i = 0; i < 1000; i++) {
        over = 0;
        for (size_t k = 0; k < count; k++)
            over += recv(fds[k], &byte, 1, MSG_DONTWAIT) == 0;
        if (over == expected)
            return;
        clock_sleep_ms(10);
    }
    fail_msg("%zu of %zu were sent away, not %zu", over, count, expected);
}

/* 500 of one address that never say a word; agents of fifty other addresses come all the same. */
static void one_address_does_not_stand_in_the_door_for_others(void **state)
{
    struct centre c;
    struct agent a;
    int fds[500];
    char shown[65];
    struct certs web01 = certs_make(farm, "web01", DAY_MS);
    (void)state;
    clear_the_door();
    centre_over(&c, farm, 0);
    agent_as(&a, &c, &web01, ca_pem(farm));
    hears(&c, &a);
    for (size_t i = 0; i < 500; i++)
        fds[i] = certs_connect_from(link_url(c.link), 2);
    wait_for_pending(DOOR_OF_ONE);
    assert_false(certs_shakes_from(link_url(c.link), 2, &web01, ca_pem(farm), shown));
    for (unsigned i = 0; i < 50; i++)
        assert_true(certs_shakes_from(link_url(c.link), 10 + i, &web01, ca_pem(farm), shown));
    hears_listen(&c, &a, 2); /* and those that are in stay in */
    wait_for_sent_away(fds, 500, 500 - DOOR_OF_ONE);
    link_sweep(c.link);
    struct centre_note *n = centre_wait(&c, LINK_BAD_PEER);
    assert_string_equal(n->address, "127.0.0.2");
    assert_non_null(strstr(n->why, "too many handshakes at once"));
    assert_true(n->dropped >= 500 - DOOR_OF_ONE);
    centre_note_free(n);
    clear_the_door();
    for (size_t i = 0; i < 500; i++)
        close(fds[i]);
    assert_true(certs_shakes_from(link_url(c.link), 2, &web01, ca_pem(farm), shown));
    clear_the_door();
    agent_close(&a);
    close_quietly(&c);
    certs_free(&web01);
}

/* Whoever reaches the port can do this, with no certificate: see common/nng_reset.h. */
static void peers_that_vanish_leave_the_door_open(void **state)
{
    struct centre c;
    struct agent a;
    struct certs web01 = certs_make(farm, "web01", DAY_MS);
    (void)state;
    centre_over(&c, farm, 0);
    for (int i = 0; i < 5; i++)
        certs_vanish(link_url(c.link), true, 20);
    agent_as(&a, &c, &web01, ca_pem(farm));
    hears(&c, &a);
    agent_close(&a);
    close_quietly(&c);
    certs_free(&web01);
}

static void peers_that_vanish_leave_the_door_open_without_tls(void **state)
{
    struct centre c;
    struct agent a;
    (void)state;
    centre_open(&c, "tcp://127.0.0.1:0");
    for (int i = 0; i < 5; i++)
        certs_vanish(link_url(c.link), false, 20);
    agent_open(&a, link_url(c.link), (struct agent_link_spec){0});
    hears(&c, &a);
    agent_close(&a);
    centre_close(&c);
}

/* A coordinator that takes connections and says nothing, as one that is stopped does: the agent
 * goes on when the next one answers there. */
static void stuck_handshake_does_not_hold_the_agent(void **state)
{
    struct centre c;
    struct agent a;
    char url[64], bytes[1024];
    struct certs web01 = certs_make(farm, "web01", DAY_MS);
    const struct agent_link_tls tls = {
        .ca_pem = ca_pem(farm), .cert_pem = web01.cert_pem, .key_pem = web01.key_pem};
    (void)state;
    int deaf = certs_listen(url, sizeof(url));
    agent_open(&a, url, (struct agent_link_spec){.tls = &tls, .redial_ms = 1500});
    int taken = certs_accept(deaf);
    close(deaf);
    const struct link_tls own = tls_of(farm);
    centre_open_spec(&c, (struct link_spec){.url = url, .tls = &own});
    hears(&c, &a);
    const struct timeval limit = {.tv_sec = WAIT_MS / 1000};
    setsockopt(taken, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ssize_t got;
    while ((got = read(taken, bytes, sizeof(bytes))) > 0) /* its hello, then the end */
        ;
    assert_int_equal(got, 0);
    close(taken);
    agent_close(&a);
    close_quietly(&c);
    certs_free(&web01);
}

static int make_farms(void **state)
{
    (void)state;
    farm = certs_farm();
    other = certs_farm();
    return 0;
}

static int drop_farms(void **state)
{
    (void)state;
    ca_close(farm);
    ca_close(other);
    return 0;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as all our programs do: a peer may send us away in its handshake */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_name_is_heard),
        cmocka_unit_test(name_of_another_is_not),
        cmocka_unit_test(operators_certificate_is_none_of_an_agent),
        cmocka_unit_test(another_farms_agent_is_refused),
        cmocka_unit_test(another_farms_coordinator_is_refused),
        cmocka_unit_test(certificate_past_its_time_is_refused),
        cmocka_unit_test(agents_certificate_is_none_of_a_coordinator),
        cmocka_unit_test(removed_agent_is_cut_at_once_and_not_let_in_again),
        cmocka_unit_test(agent_that_is_removed_in_its_handshake_does_not_stay),
        cmocka_unit_test(renewed_certificate_takes_over_without_a_gap),
        cmocka_unit_test(renewal_that_fails_costs_nothing),
        cmocka_unit_test(own_certificate_changes_under_a_link_that_stands),
        cmocka_unit_test(silent_peers_do_not_stay),
        cmocka_unit_test(one_address_does_not_stand_in_the_door_for_others),
        cmocka_unit_test(peers_that_vanish_leave_the_door_open),
        cmocka_unit_test(peers_that_vanish_leave_the_door_open_without_tls),
        cmocka_unit_test(stuck_handshake_does_not_hold_the_agent),
        cmocka_unit_test(abrupt_ends_leave_nothing),
        cmocka_unit_test(storm_of_handshakes_leaves_nothing),
    };
    return cmocka_run_group_tests_name("link_tls", tests, make_farms, drop_farms);
}

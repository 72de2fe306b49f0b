/* healthy.c - agents that behave, and what they feel.
 *
 *     bench-healthy DIR COUNT URL SOCKET     identities in DIR/s00000/identity ..., see run
 *
 * Each has the agent's own link: a parked listen, and a report five times a second. For every line
 * "SECONDS" on standard input it prints one line: answers, then how long they took (median and 99th
 * of 100, in microseconds), answers that did not come, then the same two of an operator's GET
 * /v1/status at the socket, 20 times a second, and of a connection that one agent makes anew each
 * second (TLS handshake included).
 */
#include "agent/identity.h"
#include "agent/link.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "proto/codec.h"
#include "tests/unit/coordinator_api/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REPORT_MS  200
#define STATUS_MS  50
#define CONNECT_MS 1000
#define TIMES_MAX  200000

/* ---- what was measured ---- */

struct times {
    pthread_mutex_t lock;
    uint32_t us[TIMES_MAX];
    size_t count;
};

static struct times answers = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct times statuses = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct times connects = {.lock = PTHREAD_MUTEX_INITIALIZER};
static atomic_size_t lost;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void note(struct times *t, uint64_t us)
{
    pthread_mutex_lock(&t->lock);
    if (t->count < TIMES_MAX)
        t->us[t->count++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    pthread_mutex_unlock(&t->lock);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_and_reset(struct times *t)
{
    pthread_mutex_lock(&t->lock);
    qsort(t->us, t->count, sizeof(t->us[0]), compare);
    printf(" %u %u", t->count ? t->us[t->count / 2] : 0, t->count ? t->us[t->count * 99 / 100] : 0);
    t->count = 0;
    pthread_mutex_unlock(&t->lock);
}

/* ---- agents ---- */

struct one {
    char name[16];
    struct identity id;
    struct agent_link *link;
    uint64_t sent_us; /* 0: none is open */
    uint64_t opened_us;
    bool up, whole_sent;
    uint64_t listen_no;
    pthread_mutex_t lock;
};

static struct agent_message message_of(const struct one *o, enum agent_message_kind kind)
{
    struct agent_message m = {
        .version = WIRE_VERSION, .agent = o->name, .kind = kind, .start_no = 1};
    size_t len = strlen(o->name);
    memcpy(m.incarnation.bytes, o->name, len);
    memcpy(m.boot.bytes, o->name, len);
    return m;
}

static void listen_again(struct one *o)
{
    struct agent_message m = message_of(o, AGENT_LISTEN);
    m.listen.listen_no = ++o->listen_no;
    (void)agent_link_listen(o->link, &m, NULL);
}

static void report(struct one *o)
{
    const struct service services[] = {{"WAS", SVC_RUNNING, SVC_START_AUTO, 5},
                                       {"W3SVC", SVC_RUNNING, SVC_START_AUTO, 5}};
    const struct pool pool = {.name = "Shop", .state = POOL_STATE_STARTED, .queued = -1};
    const struct worker worker = {.pool = "Shop", .pid = 7, .created = 7};
    struct agent_message m = message_of(o, AGENT_REPORT);
    m.report.state = (struct state){.whole = !o->whole_sent,
                                    .config_identity = o->name,
                                    .trouble = "",
                                    .workers = &worker,
                                    .worker_count = 1};
    if (m.report.state.whole) {
        m.report.state.services = services;
        m.report.state.service_count = 2;
        m.report.state.pools = &pool;
        m.report.state.pool_count = 1;
    }
    o->whole_sent = true;
    o->sent_us = now_us();
    (void)agent_link_send(o->link, &m, NULL);
}

static void on_event(void *arg, const struct agent_link_event *event)
{
    struct one *o = arg;
    pthread_mutex_lock(&o->lock);
    o->up = event->kind == AGENT_LINK_UP || (event->kind != AGENT_LINK_DOWN && o->up);
    if (event->kind == AGENT_LINK_UP && o->opened_us) {
        note(&connects, now_us() - o->opened_us);
        o->opened_us = 0;
    }
    if (event->kind == AGENT_LINK_ANSWER && event->request == AGENT_REPORT) {
        if (o->sent_us) /* else it was given up, and sent again by the link */
            note(&answers, now_us() - o->sent_us);
        o->whole_sent = event->answer->kind != COORDINATOR_RESEND_WHOLE;
        o->sent_us = 0;
    }
    if (event->kind == AGENT_LINK_FAILED && event->request == AGENT_REPORT) {
        atomic_fetch_add(&lost, 1);
        o->sent_us = 0;
    }
    if (event->kind == AGENT_LINK_ANSWER)
        codec_free_coordinator(event->answer);
    pthread_mutex_unlock(&o->lock);
}

static void open_link(struct one *o, const char *url)
{
    struct error err = {0};
    const struct agent_link_tls tls = {
        .ca_pem = o->id.ca_pem, .cert_pem = o->id.cert_pem, .key_pem = o->id.key_pem};
    const struct agent_link_spec spec = {.url = url,
                                         .tls = &tls,
                                         .reconnect_min_ms = 1,
                                         .request_limit_ms = 30000,
                                         .on_event = on_event,
                                         .arg = o};
    o->opened_us = now_us();
    if (agent_link_open(&spec, &o->link, &err) != ERR_NONE) {
        fprintf(stderr, "bench-healthy: %s: %s\n", o->name, err.text);
        _exit(1);
    }
}

static void open_one(struct one *o, unsigned at, const char *dir, const char *url)
{
    char path[4096];
    struct error err = {0};
    text_format(o->name, sizeof(o->name), "s%05u", at);
    text_format(path, sizeof(path), "%s/%s", dir, o->name);
    pthread_mutex_init(&o->lock, NULL);
    if (identity_read(path, &o->id, &err) != ERR_NONE) {
        fprintf(stderr, "bench-healthy: %s\n", err.text);
        _exit(1);
    }
    open_link(o, url);
}

struct crowd {
    struct one *all;
    size_t count;
    const char *url, *socket;
};

/* The last one is left to connect_often. */
static void *report_often(void *arg)
{
    struct crowd *c = arg;
    for (;;) {
        for (size_t i = 0; i + 1 < c->count; i++) {
            struct one *o = &c->all[i];
            pthread_mutex_lock(&o->lock);
            if (o->up && !o->sent_us) {
                if (o->listen_no == 0)
                    listen_again(o);
                report(o);
            }
            pthread_mutex_unlock(&o->lock);
            usleep((useconds_t)(REPORT_MS * 1000 / c->count)); /* not all in one moment */
        }
    }
    return NULL;
}

static void *connect_often(void *arg)
{
    struct crowd *c = arg;
    struct one *o = &c->all[c->count - 1];
    for (;;) {
        uint64_t until_ms = clock_boot_ms() + 30000;
        while (!o->up && clock_boot_ms() < until_ms)
            usleep(1000);
        usleep(CONNECT_MS * 1000);
        agent_link_close(o->link);
        o->up = false;
        open_link(o, c->url);
    }
    return NULL;
}

/* ---- an operator ---- */

static void *ask_often(void *arg)
{
    const struct crowd *c = arg;
    for (;;) {
        uint64_t began_us = now_us();
        struct client client = client_open(c->socket);
        client_ask(&client, "GET", "/v1/status", NULL);
        if (client_answer(&client, NULL) == 200)
            note(&statuses, now_us() - began_us);
        else
            atomic_fetch_add(&lost, 1);
        client_close(&client);
        usleep(STATUS_MS * 1000);
    }
    return NULL;
}

static void start(void *(*what)(void *), struct crowd *c)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, what, c) == 0);
}

static void measure(double seconds)
{
    usleep(500000); /* what was before is over */
    pthread_mutex_lock(&answers.lock);
    answers.count = 0;
    pthread_mutex_unlock(&answers.lock);
    statuses.count = connects.count = 0;
    atomic_store(&lost, 0);
    usleep((useconds_t)(seconds * 1e6));
    printf("%zu", answers.count);
    print_and_reset(&answers);
    printf(" %zu", atomic_load(&lost));
    print_and_reset(&statuses);
    print_and_reset(&connects);
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    uint64_t count = 0;
    char line[64];
    if (argc != 5 || !text_parse_u64(argv[2], 2, 10000, &count)) {
        fprintf(stderr, "usage: bench-healthy DIR COUNT URL SOCKET\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_ERROR);
    struct crowd c = {must_alloc(count, sizeof(struct one)), count, argv[3], argv[4]};
    for (unsigned i = 0; i < count; i++)
        open_one(&c.all[i], i, argv[1], argv[3]);
    start(report_often, &c);
    start(connect_often, &c);
    start(ask_often, &c);
    while (fgets(line, sizeof(line), stdin))
        measure(strtod(line, NULL));
    _exit(0);
}

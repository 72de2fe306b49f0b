/* visit.c - the HTTP side of box.h: single requests and visitors. */
#include "tests/lab/check/box.h"

#include "common/must.h"
#include "common/text.h"
#include "tests/lab/base/socket.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAUSE_MS 4
#define LIMIT_MS 20000

static void take_header(const char *head, const char *name, char *out, size_t size)
{
    const char *at = strstr(head, name);
    size_t len = at ? strcspn(at + strlen(name), "\r") : 0;
    out[0] = '\0';
    if (len < size)
        snprintf(out, size, "%.*s", (int)len, at ? at + strlen(name) : "");
}

/* One answer from the connection; false: it ended before. */
static bool read_answer(int fd, struct reply *r)
{
    char bytes[16384], word[32];
    size_t len = 0, want = SIZE_MAX;
    const char *body = NULL;
    while (len < want && len < sizeof bytes - 1) {
        long n = socket_take(fd, bytes + len, sizeof bytes - 1 - len, LIMIT_MS);
        if (n <= 0)
            return false;
        len += (size_t)n;
        bytes[len] = '\0';
        const char *end = strstr(bytes, "\r\n\r\n");
        if (!end || body)
            continue;
        body = end + 4;
        take_header(bytes, "Content-Length: ", word, sizeof word);
        want = (size_t)(body - bytes) + strtoul(word, NULL, 10);
    }
    r->status = atoi(bytes + 9);
    take_header(bytes, "X-Lab-Pid: ", word, sizeof word);
    r->pid = (uint32_t)strtoul(word, NULL, 10);
    take_header(bytes, "X-Lab-Reason: ", r->reason, sizeof r->reason);
    text_copy(r->body, sizeof r->body, body ? body : "");
    return true;
}

static struct reply exchange(int fd, const char *method, const char *path, const char *headers,
                             const char *body)
{
    struct reply r = {.status = -2};
    struct text out = {0};
    text_addf(&out, "%s %s HTTP/1.1\r\nHost: shop.test\r\n%s", method, path,
              headers ? headers : "");
    if (body)
        text_addf(&out, "Content-Length: %zu\r\n", strlen(body));
    text_addf(&out, "\r\n%s", body ? body : "");
    bool sent = socket_put(fd, out.data, out.len);
    text_reset(&out);
    if (!sent || !read_answer(fd, &r))
        r.status = -2;
    return r;
}

struct reply box_send(struct box *b, const char *method, const char *path, const char *headers,
                      const char *body)
{
    struct reply r = {.status = -1};
    int fd = socket_connect_tcp(b->port, NULL);
    if (fd < 0)
        return r;
    r = exchange(fd, method, path, headers, body);
    socket_close(fd);
    return r;
}

struct reply box_get(struct box *b, const char *path)
{
    return box_send(b, "GET", path, NULL, NULL);
}

struct visitors {
    unsigned port;
    char path[256];
    pthread_t threads[16];
    unsigned count;
    atomic_bool stop;
    atomic_uint requests, failures, kept_broken, turn;
};

/* Every second visitor keeps its connection; every third request is a POST. */
static void *visit(void *arg)
{
    struct visitors *v = arg;
    bool keeps = atomic_fetch_add(&v->turn, 1) % 2 == 0;
    int fd = -1;
    for (unsigned n = 0; !atomic_load(&v->stop); n++) {
        bool fresh = fd < 0;
        if (fresh)
            fd = socket_connect_tcp(v->port, NULL);
        struct reply r = {.status = -1};
        if (fd >= 0)
            r = n % 3 == 0 ? exchange(fd, "POST", v->path, NULL, "order=1")
                           : exchange(fd, "GET", v->path, NULL, NULL);
        atomic_fetch_add(&v->requests, 1);
        if (r.status != 200)
            atomic_fetch_add(&v->failures, 1);
        if (r.status == -2 && !fresh)
            atomic_fetch_add(&v->kept_broken, 1);
        if (fd >= 0 && (!keeps || r.status != 200)) {
            socket_close(fd);
            fd = -1;
        }
        box_sleep(PAUSE_MS);
    }
    if (fd >= 0)
        socket_close(fd);
    return NULL;
}

struct visitors *box_visitors(struct box *b, unsigned threads, const char *path)
{
    struct visitors *v = must_alloc(1, sizeof *v);
    v->port = b->port;
    v->count = threads;
    text_copy(v->path, sizeof v->path, path);
    for (unsigned i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&v->threads[i], NULL, visit, v), 0);
    return v;
}

struct visited box_visitors_end(struct visitors *v)
{
    atomic_store(&v->stop, true);
    for (unsigned i = 0; i < v->count; i++)
        pthread_join(v->threads[i], NULL);
    struct visited result = {atomic_load(&v->requests), atomic_load(&v->failures),
                             atomic_load(&v->kept_broken)};
    free(v);
    return result;
}

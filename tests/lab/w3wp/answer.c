/* answer.c - what the paths of LAB.md do. */
#include "tests/lab/w3wp/w3wp.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct answer {
    struct w3wp *w;
    uint64_t id;
    int status;
    struct text head, body;
    struct loop_timer timer;
};

static void send_now(void *arg)
{
    struct answer *a = arg;
    struct w3wp *w = a->w;
    struct text all = {0};
    w->served++;
    text_addf(&all,
              "Content-Type: text/plain\r\nX-Lab-Server: %s\r\nX-Lab-Pool: %s\r\nX-Lab-Pid: %u\r\n"
              "X-Lab-Created: %llu\r\nX-Lab-Served: %llu\r\n",
              w->server, w->pool, w->self.pid, (unsigned long long)w->self.created,
              (unsigned long long)w->served);
    text_add(&all, text_get(&a->head));
    text_add(&all, "\r\n");
    text_add_bytes(&all, a->body.data, a->body.len);
    frame_send(&w->was, FRAME_ANSWER, a->id, (uint64_t)a->status, all.data, all.len);
    text_reset(&all);
    text_reset(&a->head);
    text_reset(&a->body);
    free(a);
    w3wp_answered(w);
}

/* In-process session state: known by a cookie, gone with the process. */
static void answer_session(struct answer *a, const struct http_request *r)
{
    struct w3wp *w = a->w;
    const char *at = strstr(r->cookie, "LabSession=");
    unsigned long key = at ? strtoul(at + 11, NULL, 16) : 0;
    for (size_t i = 0; i < w->session_count; i++) {
        if (w->sessions[i].key != key)
            continue;
        text_addf(&a->body, "kept %u\n", ++w->sessions[i].visits);
        return;
    }
    os_random(&key, sizeof key, NULL);
    w->sessions = must_realloc(w->sessions, w->session_count + 1, sizeof *w->sessions);
    w->sessions[w->session_count++] = (struct session){key, 0};
    text_addf(&a->head, "Set-Cookie: LabSession=%lx; Path=/\r\n", key);
    text_add(&a->body, "new\n");
}

static void burn(long ms)
{
    uint64_t until = clock_boot_ms() + (uint64_t)(ms > 0 ? ms : 0);
    while (clock_boot_ms() < until)
        ;
}

static bool for_ever(struct w3wp *w)
{
    (void)w;
    return true;
}

/* The path below that of the application decides: its last part. Returns the delay in ms. */
static uint64_t by_path(struct answer *a, const struct http_request *r, const char *body,
                        size_t body_len)
{
    char path[HTTP_TARGET_MAX];
    text_copy(path, sizeof path, r->target);
    path[strcspn(path, "?")] = '\0';
    const char *last = strrchr(path, '/') + 1;
    long ms = http_query_number(r->target, "ms", 1000);
    if (strcmp(last, "crash") == 0)
        _exit(255);
    if (strcmp(last, "hang") == 0)
        w3wp_hang(a->w, for_ever);
    if (strcmp(last, "health") == 0)
        text_add(&a->body, "ok\n");
    else if (strcmp(last, "echo") == 0)
        text_add_bytes(&a->body, body, body_len);
    else if (strcmp(last, "session") == 0)
        answer_session(a, r);
    else if (strcmp(last, "status") == 0)
        a->status = (int)http_query_number(r->target, "code", 200);
    else if (strcmp(last, "burn") == 0)
        burn(ms);
    else
        text_addf(&a->body, "%s from %s, pool %s, worker %u, %zu bytes received\n", path,
                  a->w->server, a->w->pool, a->w->self.pid, body_len);
    return strcmp(last, "slow") == 0 && ms > 0 ? (uint64_t)ms : 0;
}

static bool is_offline(struct answer *a, const char *root)
{
    char path[LAB_PATH_MAX + 32], *page = NULL;
    size_t len = 0;
    snprintf(path, sizeof path, "%s/app_offline.htm", root);
    if (os_read_file(path, 65536, &page, &len, NULL) != ERR_NONE)
        return false;
    a->status = 503;
    text_add_bytes(&a->body, page, len);
    free(page);
    return true;
}

static bool is_sick(struct w3wp *w)
{
    const char *kind = fault_value(w->settings, "worker-500", w->pool, "new");
    return kind && (w->born_sick || strcmp(kind, "all") == 0);
}

/* One file stands for the database of many servers: they lose it, and have it back, at one moment.
 */
static bool lacks_database(struct w3wp *w)
{
    const char *path = settings_get(w->settings, "server", NULL, "database");
    return path && access(path, F_OK) != 0;
}

static uint64_t fault_delay(struct w3wp *w)
{
    uint64_t slow = 0, cold = 0;
    fault_number(w->settings, "worker-slow", w->pool, 500, &slow);
    if (w->served == 0 && w->inside == 1)
        fault_number(w->settings, "worker-cold", w->pool, 2000, &cold);
    return slow + cold;
}

void w3wp_answer(struct w3wp *w, uint64_t id, const char *payload, size_t len)
{
    struct http_request r;
    struct answer *a = must_alloc(1, sizeof *a);
    *a = (struct answer){.w = w, .id = id, .status = 200};
    a->timer = (struct loop_timer){.fire = send_now, .arg = a};
    char root[LAB_PATH_MAX];
    size_t root_len = (size_t)((const char *)memchr(payload, '\n', len) - payload);
    snprintf(root, sizeof root, "%.*s", (int)root_len, payload);
    const char *head = payload + root_len + 1;
    size_t rest = len - root_len - 1;
    w->inside++;
    must(http_parse(head, rest, &r) > 0);
    uint64_t delay = fault_delay(w);
    if (is_sick(w)) {
        a->status = 500;
        text_add(&a->body, "HTTP Error 500.30 - ASP.NET Core app failed to start\n");
    } else if (lacks_database(w)) {
        a->status = 500;
        text_add(&a->body, "HTTP Error 500 - the database does not answer\n");
    } else if (!is_offline(a, root)) {
        delay += by_path(a, &r, head + r.head_len, rest - r.head_len);
    }
    if (delay)
        loop_arm(w->loop, &a->timer, clock_boot_ms() + delay);
    else
        send_now(a);
}

/* truth_sum.c - reads truth.jsonl and the tally back into one document (LAB.md, "Truth"). */
#include "tests/lab/base/truth.h"

#include "common/must.h"
#include "common/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (256u << 20)

struct sum {
    json_t *pools, *services, *hosts, *log;
    bool with_log;
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static json_t *times(const json_t *line)
{
    return json_pack("{s:O, s:O}", "wall_ms", json_object_get(line, "wall_ms"), "boot_ms",
                     json_object_get(line, "boot_ms"));
}

static void count(json_t *object, const char *key, json_int_t more)
{
    json_int_t now = json_integer_value(json_object_get(object, key));
    json_object_set_new(object, key, json_integer(now + more));
}

static json_t *pool_of(struct sum *sum, const char *name)
{
    json_t *pool = json_object_get(sum->pools, name);
    if (pool)
        return pool;
    pool =
        json_pack("{s:i,s:{},s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:{},s:i,s:[]}", "recycles", 0,
                  "recycles_by", "starts", 0, "stops", 0, "crashes", 0, "kills", 0, "rapid_fails",
                  0, "served", 0, "lost", 0, "rejected", "identity_tries", 0, "workers");
    json_object_set_new(sum->pools, name, pool);
    return pool;
}

static json_t *service_of(struct sum *sum, const char *name)
{
    json_t *service = json_object_get(sum->services, name);
    if (!service) {
        service = json_pack("{s:i,s:i,s:i}", "starts", 0, "stops", 0, "died", 0);
        json_object_set_new(sum->services, name, service);
    }
    return service;
}

/* The newest entry with that identity. */
static json_t *process_of(json_t *list, const json_t *id)
{
    for (size_t i = json_array_size(list); i-- > 0;) {
        json_t *p = json_array_get(list, i);
        if (json_equal(json_object_get(p, "pid"), json_object_get(id, "pid")) &&
            json_equal(json_object_get(p, "created"), json_object_get(id, "created")))
            return p;
    }
    return NULL;
}

static json_t *add_process(json_t *list, const json_t *id, const json_t *line)
{
    json_t *p = json_pack("{s:O, s:O, s:o, s:n, s:n}", "pid", json_object_get(id, "pid"), "created",
                          json_object_get(id, "created"), "started", times(line), "ended", "how");
    json_array_append_new(list, p);
    return p;
}

static void worker_line(struct sum *sum, const char *what, const json_t *line)
{
    json_t *pool = pool_of(sum, text_of(line, "pool"));
    json_t *workers = json_object_get(pool, "workers"), *id = json_object_get(line, "worker");
    json_t *worker = process_of(workers, id);
    if (strcmp(what, "worker_start") == 0) {
        worker = add_process(workers, id, line);
        json_object_set_new(worker, "ready", json_null());
        count(worker, "served", 0);
        count(worker, "lost", 0);
    } else if (!worker) {
        return;
    } else if (strcmp(what, "worker_ready") == 0) {
        json_object_set_new(worker, "ready", times(line));
    } else if (strcmp(what, "worker_end") == 0) {
        json_object_set_new(worker, "ended", times(line));
        json_object_set(worker, "how", json_object_get(line, "how"));
        json_object_set(worker, "served", json_object_get(line, "served"));
        json_object_set(worker, "lost", json_object_get(line, "lost"));
        if (strcmp(text_of(line, "how"), "crashed") == 0)
            count(pool, "crashes", 1);
        if (strcmp(text_of(line, "how"), "killed") == 0)
            count(pool, "kills", 1);
    } else if (strcmp(what, "worker_gone") == 0) {
        json_object_set_new(worker, "gone", times(line));
    }
}

static void pool_line(struct sum *sum, const char *what, const json_t *line)
{
    json_t *pool = pool_of(sum, text_of(line, "pool"));
    if (strcmp(what, "recycle") == 0) {
        count(pool, "recycles", 1);
        count(json_object_get(pool, "recycles_by"), text_of(line, "by"), 1);
    } else if (strcmp(what, "pool_start") == 0) {
        count(pool, "starts", 1);
    } else if (strcmp(what, "pool_stop") == 0) {
        count(pool, "stops", 1);
    } else if (strcmp(what, "rapid_fail") == 0) {
        count(pool, "rapid_fails", 1);
    } else if (strcmp(what, "identity_try") == 0) {
        count(pool, "identity_tries", 1);
    }
}

static void service_line(struct sum *sum, const char *what, const json_t *line)
{
    json_t *service = service_of(sum, text_of(line, "service"));
    if (strcmp(what, "service_start") == 0)
        count(service, "starts", 1);
    else if (strcmp(what, "service_stop") == 0)
        count(service, "stops", 1);
    else if (strcmp(what, "service_died") == 0)
        count(service, "died", 1);
}

static void host_line(struct sum *sum, const char *what, const json_t *line)
{
    json_t *id = json_object_get(line, "host"), *host = process_of(sum->hosts, id);
    if (strcmp(what, "host_start") == 0) {
        host = add_process(sum->hosts, id, line);
        json_object_set(host, "host", json_object_get(line, "name"));
    } else if (host) {
        json_object_set_new(host, "ended", times(line));
        json_object_set(host, "how", json_object_get(line, "how"));
    }
}

/* A boot: whatever was not ended before had its power cut. */
static void boot_line(struct sum *sum, const json_t *line)
{
    size_t i;
    json_t *host;
    json_array_foreach(sum->hosts, i, host)
    {
        if (!json_is_null(json_object_get(host, "ended")))
            continue;
        json_object_set_new(host, "ended", times(line));
        json_object_set_new(host, "how", json_string("power"));
    }
}

static void one_line(struct sum *sum, json_t *line)
{
    const char *what = text_of(line, "what");
    if (json_object_get(line, "worker"))
        worker_line(sum, what, line);
    else if (json_object_get(line, "pool"))
        pool_line(sum, what, line);
    else if (json_object_get(line, "service"))
        service_line(sum, what, line);
    else if (json_object_get(line, "host"))
        host_line(sum, what, line);
    else if (strcmp(what, "boot") == 0)
        boot_line(sum, line);
    if (sum->with_log)
        json_array_append(sum->log, line);
}

static void live_workers(struct sum *sum, const struct tally *t)
{
    for (size_t i = 0; i < TALLY_WORKERS; i++) {
        const struct tally_worker *w = &t->workers[i];
        if (!w->pid)
            continue;
        json_t *id = truth_id((struct lab_id){w->pid, w->created});
        json_t *worker = process_of(json_object_get(pool_of(sum, w->pool), "workers"), id);
        if (worker) {
            json_object_set_new(worker, "served", json_integer((json_int_t)w->served));
            json_object_set_new(worker, "lost", json_integer((json_int_t)w->lost));
        }
        json_decref(id);
    }
}

static void pool_tallies(struct sum *sum, const struct tally *t)
{
    for (size_t i = 0; i < TALLY_POOLS && t->pools[i].name[0]; i++) {
        const struct tally_pool *p = &t->pools[i];
        json_t *pool = pool_of(sum, p->name);
        json_object_set_new(pool, "served", json_integer((json_int_t)p->served));
        json_object_set_new(pool, "lost", json_integer((json_int_t)p->lost));
        for (int r = 0; r < REJECT_COUNT; r++) {
            if (p->rejected[r])
                count(json_object_get(pool, "rejected"), reject_name((enum reject)r),
                      (json_int_t)p->rejected[r]);
        }
    }
}

/* A last line without its end is being written just now, and is left for the next reader. */
static void read_lines(struct sum *sum, char *text, size_t len)
{
    for (char *end; (end = memchr(text, '\n', len)); text = end + 1) {
        size_t line_len = (size_t)(end - text);
        json_t *line = json_loadb(text, line_len, 0, NULL);
        if (json_is_object(line))
            one_line(sum, line);
        json_decref(line);
        len -= line_len + 1;
    }
}

json_t *truth_sum(const char *server_dir, const char *server_name, bool with_log, struct error *err)
{
    char path[LAB_PATH_MAX + 16], *text = NULL;
    size_t len = 0;
    snprintf(path, sizeof path, "%s/truth.jsonl", server_dir);
    enum error_code code = os_read_file(path, FILE_MAX_BYTES, &text, &len, err);
    if (code != ERR_NONE && code != ERR_NOT_FOUND)
        return NULL;
    const struct tally *t = tally_open(server_dir, err);
    struct sum sum = {json_object(), json_object(), json_array(), json_array(), with_log};
    if (t && text)
        read_lines(&sum, text, len);
    free(text);
    if (t) {
        live_workers(&sum, t);
        pool_tallies(&sum, t);
    }
    json_t *whole = json_pack("{s:s, s:o, s:o, s:o}", "server", server_name, "pools", sum.pools,
                              "services", sum.services, "hosts", sum.hosts);
    if (with_log)
        json_object_set(whole, "log", sum.log);
    json_decref(sum.log);
    if (!t)
        json_decref(whole);
    return t ? whole : NULL;
}

#include "tests/lab/base/truth.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *reject_name(enum reject reason)
{
    switch (reason) {
    case REJECT_APP_OFFLINE:
        return "AppOffline";
    case REJECT_QUEUE_FULL:
        return "QueueFull";
    case REJECT_DISABLED:
        return "Disabled";
    case REJECT_SILENT:
        return "Cut";
    case REJECT_COUNT:
        break;
    }
    return "N/A";
}

struct tally *tally_open(const char *server_dir, struct error *err)
{
    char path[LAB_PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/tally", server_dir);
    return lab_os_map(path, sizeof(struct tally), err);
}

struct tally_pool *tally_pool(struct tally *t, const char *name)
{
    for (size_t i = 0; i < TALLY_POOLS; i++) {
        struct tally_pool *p = &t->pools[i];
        if (!p->name[0])
            text_copy(p->name, sizeof p->name, name);
        if (strcmp(p->name, name) == 0)
            return p;
    }
    return &t->pools[TALLY_POOLS - 1];
}

struct tally_worker *tally_worker(struct tally *t, struct lab_id id, const char *pool)
{
    size_t at = 0;
    while (at < TALLY_WORKERS - 1 && t->workers[at].pid)
        at++;
    struct tally_worker *w = &t->workers[at];
    *w = (struct tally_worker){.pid = id.pid, .created = id.created};
    text_copy(w->pool, sizeof w->pool, pool);
    return w;
}

static void append(const char *server_dir, const char *file, json_t *fields)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", server_dir, file);
    json_object_set_new(fields, "wall_ms", json_integer(clock_wall_ms()));
    json_object_set_new(fields, "boot_ms", json_integer((json_int_t)clock_boot_ms()));
    char *text = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    must(text != NULL);
    size_t len = strlen(text);
    text[len] = '\n';
    if (!lab_os_append(path, text, len + 1))
        fprintf(stderr, "lab: %s: a line was lost: %.*s\n", path, (int)len, text);
    free(text);
}

void truth_write(const char *server_dir, const char *what, json_t *fields)
{
    must(fields != NULL);
    json_object_set_new(fields, "what", json_string(what));
    append(server_dir, "truth.jsonl", fields);
}

void truth_event(const char *server_dir, unsigned event_id, const char *pool, uint32_t pid)
{
    json_t *fields =
        json_pack("{s:i, s:s, s:{s:s?, s:I}}", "id", (int)event_id, "provider",
                  "Microsoft-Windows-WAS", "data", "AppPoolID", pool, "ProcessID", (json_int_t)pid);
    append(server_dir, "events.jsonl", fields);
}

json_t *truth_id(struct lab_id id)
{
    return json_pack("{s:I, s:I}", "pid", (json_int_t)id.pid, "created", (json_int_t)id.created);
}

void truth_worker_end(const char *server_dir, struct tally_worker *worker, const char *how,
                      int code)
{
    struct lab_id id = {worker->pid, worker->created};
    truth_write(server_dir, "worker_end",
                json_pack("{s:s, s:o, s:s, s:i, s:I, s:I}", "pool", worker->pool, "worker",
                          truth_id(id), "how", how, "code", code, "served",
                          (json_int_t)worker->served, "lost",
                          (json_int_t)(worker->lost + worker->inside)));
    *worker = (struct tally_worker){0};
}

void truth_all_end(const char *server_dir, struct tally *t, const char *how)
{
    for (size_t i = 0; i < TALLY_WORKERS; i++) {
        if (!t->workers[i].pid)
            continue;
        tally_pool(t, t->workers[i].pool)->lost += t->workers[i].inside;
        truth_worker_end(server_dir, &t->workers[i], how, 0);
    }
}

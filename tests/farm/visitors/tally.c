/* tally.c - see tally.h. */
#include "tests/farm/visitors/tally.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define SERVERS_MAX 256
#define SHOWN_MAX   50 /* failures kept with all their details */

struct second {
    uint32_t at; /* seconds since the tally's start */
    uint32_t due, failed[FAILURE_KINDS];
    uint64_t slowest_us, delay_us;
};

struct counts {
    uint64_t sent, answered, failed[FAILURE_KINDS];
};

struct server {
    char name[64];
    uint64_t answers;
};

struct tally {
    char name[64];
    uint64_t start_us, end_us; /* end 0: open */
    int64_t wall_ms;
    struct counts gets, posts, fresh, kept, all;
    uint64_t statuses[600];
    struct histogram latency; /* of answered requests, from due */
    struct histogram delay;   /* sent - due */
    uint64_t late, late_failed;
    struct server servers[SERVERS_MAX];
    size_t server_count;
    struct second *seconds; /* in order of time */
    size_t second_count, second_cap;
    json_t *slowest, *shown;
    uint64_t slowest_us;
};

const char *failure_name(enum failure kind)
{
    static const char *const names[FAILURE_KINDS] = {
        [FAILURE_NONE] = "none",   [FAILURE_REFUSED] = "refused", [FAILURE_RESET] = "reset",
        [FAILURE_STATUS] = "5xx",  [FAILURE_TIMEOUT] = "timeout", [FAILURE_BROKEN] = "broken",
        [FAILURE_OWN] = "visitor",
    };
    must((size_t)kind < FAILURE_KINDS);
    return names[kind];
}

struct tally *tally_new(const char *name, uint64_t start_us, int64_t wall_ms)
{
    struct tally *t = must_alloc(1, sizeof(*t));
    text_copy(t->name, sizeof(t->name), name);
    t->start_us = start_us;
    t->wall_ms = wall_ms;
    t->shown = json_array();
    must(t->shown != NULL);
    return t;
}

void tally_free(struct tally *t)
{
    if (!t)
        return;
    json_decref(t->shown);
    json_decref(t->slowest);
    free(t->seconds);
    free(t);
}

static struct second *add_second(struct tally *t, size_t place, uint32_t at)
{
    if (t->second_count == t->second_cap) {
        t->second_cap = t->second_cap ? t->second_cap * 2 : 64;
        t->seconds = must_realloc(t->seconds, t->second_cap, sizeof(*t->seconds));
    }
    memmove(t->seconds + place + 1, t->seconds + place,
            (t->second_count - place) * sizeof(*t->seconds));
    t->second_count++;
    t->seconds[place] = (struct second){.at = at};
    return &t->seconds[place];
}

/* The record of the second in which `due_us` lies; nearly always one of the last few. */
static struct second *second_of(struct tally *t, uint64_t due_us)
{
    uint32_t at = due_us > t->start_us ? (uint32_t)((due_us - t->start_us) / 1000000) : 0;
    size_t place = t->second_count;
    while (place > 0 && t->seconds[place - 1].at > at)
        place--;
    if (place > 0 && t->seconds[place - 1].at == at)
        return &t->seconds[place - 1];
    return add_second(t, place, at);
}

static void count_server(struct tally *t, const char *name)
{
    if (name[0] == '\0')
        name = "(unknown)";
    size_t i = 0;
    while (i < t->server_count && strcmp(t->servers[i].name, name) != 0)
        i++;
    if (i == SERVERS_MAX)
        return;
    if (i == t->server_count) {
        text_copy(t->servers[i].name, sizeof(t->servers[i].name), name);
        t->server_count++;
    }
    t->servers[i].answers++;
}

void tally_sent(struct tally *t, bool post, bool kept, uint64_t due_us, uint64_t sent_us)
{
    uint64_t delay_us = sent_us > due_us ? sent_us - due_us : 0;
    t->all.sent++;
    (post ? &t->posts : &t->gets)->sent++;
    (kept ? &t->kept : &t->fresh)->sent++;
    histogram_add(&t->delay, delay_us);
    if (delay_us >= TALLY_LATE_US)
        t->late++;
    struct second *second = second_of(t, due_us);
    second->due++;
    if (delay_us > second->delay_us)
        second->delay_us = delay_us;
}

static void count_end(struct counts *counts, enum failure failure)
{
    if (failure == FAILURE_NONE)
        counts->answered++;
    else
        counts->failed[failure]++;
}

static json_t *time_json(const struct tally *t, uint64_t us)
{
    char text[TEXT_TIME_MAX];
    int64_t since_ms = us > t->start_us ? (int64_t)((us - t->start_us) / 1000) : 0;
    return json_string(text_format_time(text, t->wall_ms + since_ms));
}

static double ms(uint64_t us)
{
    return (double)(us / 10) / 100.0; /* two decimals */
}

static json_t *visit_json(const struct tally *t, const struct visit *v)
{
    uint64_t delay_us = v->sent_us > v->due_us ? v->sent_us - v->due_us : 0;
    json_t *json =
        json_pack("{s:o, s:I, s:s, s:s, s:b, s:f, s:f, s:s}", "due_at", time_json(t, v->due_us),
                  "number", (json_int_t)v->number, "method", v->post ? "POST" : "GET", "path",
                  v->path, "kept", v->kept, "ms", ms(v->over_us - v->due_us), "own_delay_ms",
                  ms(delay_us), "failure", failure_name(v->failure));
    must(json != NULL);
    if (v->status)
        json_object_set_new(json, "status", json_integer(v->status));
    if (v->server[0])
        json_object_set_new(json, "server", json_string(v->server));
    if (v->error)
        json_object_set_new(json, "error", json_string(strerror(v->error)));
    return json;
}

static void keep_slowest(struct tally *t, const struct visit *v)
{
    uint64_t took_us = v->over_us - v->due_us;
    if (t->slowest && took_us <= t->slowest_us)
        return;
    json_decref(t->slowest);
    t->slowest = visit_json(t, v);
    t->slowest_us = took_us;
}

void tally_over(struct tally *t, const struct visit *v)
{
    struct second *second = second_of(t, v->due_us);
    uint64_t took_us = v->over_us - v->due_us;
    count_end(&t->all, v->failure);
    count_end(v->post ? &t->posts : &t->gets, v->failure);
    count_end(v->kept ? &t->kept : &t->fresh, v->failure);
    if (v->status > 0 && v->status < 600)
        t->statuses[v->status]++;
    if (v->status > 0)
        count_server(t, v->server);
    if (took_us > second->slowest_us)
        second->slowest_us = took_us;
    keep_slowest(t, v);
    if (v->failure == FAILURE_NONE) {
        histogram_add(&t->latency, took_us);
        return;
    }
    second->failed[v->failure]++;
    if (v->sent_us - v->due_us >= TALLY_LATE_US)
        t->late_failed++;
    if (json_array_size(t->shown) < SHOWN_MAX)
        json_array_append_new(t->shown, visit_json(t, v));
}

void tally_close(struct tally *t, uint64_t now_us)
{
    t->end_us = now_us;
}

static uint64_t failed(const struct counts *c)
{
    uint64_t sum = 0;
    for (size_t i = FAILURE_NONE + 1; i < FAILURE_KINDS; i++)
        sum += c->failed[i];
    return sum;
}

uint64_t tally_pending(const struct tally *t)
{
    return t->all.sent - t->all.answered - failed(&t->all);
}

static json_t *failures_json(const struct counts *c)
{
    json_t *json = json_object();
    for (size_t i = FAILURE_NONE + 1; i < FAILURE_KINDS; i++)
        json_object_set_new(json, failure_name(i), json_integer((json_int_t)c->failed[i]));
    return json;
}

static json_t *counts_json(const struct counts *c)
{
    return json_pack("{s:I, s:I, s:I}", "sent", (json_int_t)c->sent, "answered",
                     (json_int_t)c->answered, "failed", (json_int_t)failed(c));
}

static json_t *times_json(const struct histogram *h)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "p50", ms(histogram_permille(h, 500)), "p90",
                     ms(histogram_permille(h, 900)), "p99", ms(histogram_permille(h, 990)), "max",
                     ms(h->max_us));
}

static json_t *delay_json(const struct tally *t)
{
    json_t *json = times_json(&t->delay);
    json_object_set_new(json, "late", json_integer((json_int_t)t->late));
    json_object_set_new(json, "late_and_failed", json_integer((json_int_t)t->late_failed));
    return json;
}

static json_t *statuses_json(const struct tally *t)
{
    json_t *json = json_object();
    char name[8];
    for (size_t i = 0; i < sizeof(t->statuses) / sizeof(t->statuses[0]); i++) {
        if (t->statuses[i] == 0)
            continue;
        text_format(name, sizeof(name), "%zu", i);
        json_object_set_new(json, name, json_integer((json_int_t)t->statuses[i]));
    }
    return json;
}

static json_t *servers_json(const struct tally *t)
{
    json_t *json = json_object();
    for (size_t i = 0; i < t->server_count; i++)
        json_object_set_new(json, t->servers[i].name,
                            json_integer((json_int_t)t->servers[i].answers));
    return json;
}

static json_t *second_json(const struct tally *t, const struct second *s)
{
    json_t *json =
        json_pack("{s:o, s:i, s:i, s:f, s:f}", "at", time_json(t, t->start_us + s->at * 1000000ull),
                  "second", (int)s->at, "due", (int)s->due, "slowest_ms", ms(s->slowest_us),
                  "own_delay_ms", ms(s->delay_us));
    for (size_t i = FAILURE_NONE + 1; i < FAILURE_KINDS; i++)
        if (s->failed[i])
            json_object_set_new(json, failure_name(i), json_integer((json_int_t)s->failed[i]));
    return json;
}

/* Only the seconds worth a look: those with a failure, or in which the visitors were held up. */
static json_t *seconds_json(const struct tally *t)
{
    json_t *json = json_array();
    for (size_t i = 0; i < t->second_count; i++) {
        const struct second *s = &t->seconds[i];
        uint64_t bad = 0;
        for (size_t k = FAILURE_NONE + 1; k < FAILURE_KINDS; k++)
            bad += s->failed[k];
        if (bad > 0 || s->delay_us >= TALLY_LATE_US)
            json_array_append_new(json, second_json(t, s));
    }
    return json;
}

json_t *tally_json(const struct tally *t, uint64_t now_us)
{
    uint64_t end_us = t->end_us ? t->end_us : now_us;
    json_t *json =
        json_pack("{s:s, s:o, s:I, s:b, s:I, s:I, s:I, s:I}", "name", t->name, "started_at",
                  time_json(t, t->start_us), "duration_ms",
                  (json_int_t)((end_us - t->start_us) / 1000), "open", t->end_us == 0, "sent",
                  (json_int_t)t->all.sent, "answered", (json_int_t)t->all.answered, "failed",
                  (json_int_t)failed(&t->all), "pending", (json_int_t)tally_pending(t));
    must(json != NULL);
    json_object_set_new(json, "failures", failures_json(&t->all));
    json_object_set_new(json, "statuses", statuses_json(t));
    json_object_set_new(json, "gets", counts_json(&t->gets));
    json_object_set_new(json, "posts", counts_json(&t->posts));
    json_object_set_new(json, "fresh", counts_json(&t->fresh));
    json_object_set_new(json, "kept", counts_json(&t->kept));
    json_object_set_new(json, "latency_ms", times_json(&t->latency));
    json_object_set_new(json, "own_delay_ms", delay_json(t));
    json_object_set_new(json, "servers", servers_json(t));
    json_object_set_new(json, "slowest", t->slowest ? json_incref(t->slowest) : json_null());
    json_object_set_new(json, "seconds", seconds_json(t));
    json_object_set_new(json, "failed_visits", json_incref(t->shown));
    return json;
}

/* people.c - see chaos.h. They know what farmhand tells them, the balancer, and the manual. */
#include "tests/e2e/chaos/chaos.h"

#include "tests/farm/farm/ask.h"
#include "tests/farm/farm/proc.h"

#include "common/clock.h"
#include "common/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define LOOK_EVERY_MS   250
#define GAP_MS          1500 /* not looked for so long: what was seen before is no evidence */
#define ASK_AGAIN_MS    1000 /* after a run was refused */
#define TAKEOVER_MS     1500 /* from seeing a freeze to `takeover` */
#define FREEZE_LIMIT_MS 5000 /* all agents fresh, and still not frozen */
#define ORPHAN_MS       5000 /* drained, and nobody says it is his */
#define UNDRAIN_MS      2000
#define RESOLVE_MS      25000 /* unknown for so long: a person looks for himself */

void chaos_wrong(struct chaos *c, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    c->wrong++;
    fprintf(stderr, "WRONG: %s\n", text);
    watch_note(c->watch, "WRONG: %s", text);
}

static uint64_t since(uint64_t *at_ms, bool holds, uint64_t now_ms)
{
    *at_ms = !holds ? 0 : *at_ms ? *at_ms : now_ms;
    return holds ? now_ms - *at_ms : 0;
}

static bool post(struct chaos *c, const char *path, json_t *body)
{
    int status;
    json_t *answer = harness_post(c->h, path, body, &status);
    watch_note(c->watch, "person: %s: %d %s", path, status,
               harness_word(json_object_get(answer, "error"), "text"));
    json_decref(answer);
    return status >= 200 && status < 300;
}

/* --- fences --- */

static void take_over(struct chaos *c, uint64_t now_ms)
{
    c->owes_takeover = false; /* also if its answer is lost */
    if (!post(c, "/v1/takeover", json_pack("{s:s}", "reason", "the other one is gone")))
        return;
    c->figures.takeovers++;
    c->frozen_since_ms = 0;
    c->strange_until_ms = now_ms + STRANGE_MS;
}

static void look_at_fence(struct chaos *c, const json_t *status, uint64_t now_ms)
{
    const json_t *self = json_object_get(status, "coordinator");
    bool settled = !json_is_true(json_object_get(self, "settling"));
    long long fresh =
        json_integer_value(json_object_get(json_object_get(status, "servers"), "fresh"));
    c->frozen = json_is_string(json_object_get(self, "frozen"));
    bool saved = strcmp(harness_word(self, "store"), "ok") == 0;
    if (c->owes_takeover && !c->frozen)
        chaos_wrong(c, "it was frozen, and goes on without a takeover");
    c->owes_takeover = c->frozen && (c->owes_takeover || saved);
    if (c->frozen && c->must_freeze) {
        c->must_freeze = false;
        c->figures.freezes++;
        watch_note(c->watch, "frozen: %s", harness_word(self, "frozen"));
    }
    bool all = c->must_freeze && settled && fresh == CHAOS_SERVERS;
    if (since(&c->unfrozen_since_ms, all, now_ms) > FREEZE_LIMIT_MS && !c->freeze_missed) {
        c->freeze_missed = true;
        chaos_wrong(c, "agents know a higher fence and all are fresh, but it is not frozen");
    }
    if (since(&c->frozen_since_ms, c->frozen, now_ms) > TAKEOVER_MS)
        take_over(c, now_ms);
}

/* --- drains that are nobody's --- */

static bool names(const json_t *list, const char *server)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (strcmp(harness_word(item, "server"), server) == 0)
            return true;
    }
    return false;
}

static void put_right(struct chaos *c, const char *server)
{
    static const char *const backends[] = {"shop", "api"};
    char socket[108], line[128];
    farm_socket(socket, &c->h->farm, "haproxy");
    for (size_t i = 0; i < 2; i++) {
        text_format(line, sizeof(line), "set server %s/%s state ready", backends[i], server);
        free(ask_line(socket, line, false, NULL));
    }
    c->figures.put_right++;
    watch_note(c->watch, "person: %s set ready in the balancer", server);
}

static void look_for_orphans(struct chaos *c, const json_t *status, uint64_t now_ms)
{
    char server[FARM_NAME_MAX];
    const json_t *held =
        json_object_get(json_array_get(json_object_get(status, "budgets"), 0), "held");
    const json_t *incidents = json_object_get(status, "incidents");
    struct watch_seen seen = watch_look(c->watch);
    for (unsigned i = 0; i < CHAOS_SERVERS; i++) {
        farm_server_name(server, i);
        bool orphan = seen.answered && (seen.now & 1u << i) && !names(held, server) &&
                      !names(incidents, server);
        if (since(&c->orphan_since_ms[i], orphan, now_ms) < ORPHAN_MS)
            continue;
        c->orphan_since_ms[i] = 0;
        if (now_ms >= c->strange_until_ms)
            chaos_wrong(c, "%s is drained and neither a run nor an incident owns it", server);
        put_right(c, server);
    }
}

/* --- runs and incidents --- */

static bool has_cause(const json_t *run, const char *cause)
{
    size_t i;
    json_t *word;
    json_array_foreach(json_object_get(run, "pause_causes"), i, word)
    {
        if (strcmp(json_string_value(word), cause) == 0)
            return true;
    }
    return false;
}

/* Has the lab seen a recycle of that pool since then? */
static bool was_recycled(struct chaos *c, const char *server, const char *pool, int64_t since_ms)
{
    size_t i;
    json_t *line;
    bool found = false;
    json_t *truth = harness_truth(c->h, server);
    json_array_foreach(json_object_get(truth, "log"), i, line)
    {
        found = found || (strcmp(harness_word(line, "what"), "recycle") == 0 &&
                          strcmp(harness_word(line, "pool"), pool) == 0 &&
                          json_integer_value(json_object_get(line, "wall_ms")) >= since_ms);
    }
    json_decref(truth);
    return found;
}

static void settle_unknown(struct chaos *c, long long id)
{
    char path[64];
    size_t i;
    json_t *target;
    text_format(path, sizeof(path), "/v1/runs/%lld", id);
    json_t *answer = harness_get(c->h, path);
    const json_t *inside = json_object_get(answer, "run");
    const json_t *run = inside ? inside : answer;
    text_format(path, sizeof(path), "/v1/runs/%lld/resolve", id);
    json_array_foreach(json_object_get(run, "targets"), i, target)
    {
        int64_t started_ms = 0;
        const char *server = harness_word(target, "server");
        if (strcmp(harness_word(target, "state"), "unknown") != 0)
            continue;
        text_parse_time(harness_word(target, "started_at"), &started_ms);
        const char *as = was_recycled(c, server, harness_word(run, "pool"), started_ms)
                             ? "done"
                             : "not-executed";
        watch_note(c->watch, "unknown: run %lld %s as %s: %s", id, server, as,
                   harness_word(target, "step"));
        c->figures.resolved += post(
            c, path, json_pack("{s:s, s:s, s:s}", "server", server, "as", as, "reason", "looked"));
    }
    json_decref(answer);
}

/* True if a run is open that people wait for. */
static bool look_at_runs(struct chaos *c, const json_t *status, uint64_t now_ms)
{
    char path[64];
    size_t i;
    json_t *run;
    long long unknown = 0;
    const json_t *runs = json_object_get(status, "runs");
    json_array_foreach(runs, i, run)
    {
        long long id = json_integer_value(json_object_get(run, "id"));
        text_format(path, sizeof(path), "/v1/runs/%lld/resume", id);
        if (has_cause(run, "failures"))
            c->figures.resumed += post(c, path, json_pack("{s:s}", "reason", "goes on"));
        if (has_cause(run, "unknown"))
            unknown = id;
    }
    if (since(&c->unknown_since_ms, unknown != 0, now_ms) > RESOLVE_MS) {
        settle_unknown(c, unknown);
        c->unknown_since_ms = 0;
    }
    return json_array_size(runs) > 0;
}

/* What a failed run left out is proved and put back. */
static void look_at_incidents(struct chaos *c, const json_t *status, uint64_t now_ms)
{
    const json_t *first = json_array_get(json_object_get(status, "incidents"), 0);
    if (since(&c->incident_since_ms, first != NULL, now_ms) < UNDRAIN_MS ||
        now_ms < c->undrain_ms + UNDRAIN_MS)
        return;
    c->undrain_ms = now_ms;
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:s}", "action", "undrain", "pool", harness_word(first, "pool"),
                  "on", harness_word(first, "server"), "reason", "put right");
    c->figures.undrains += post(c, "/v1/runs", body);
}

static void start_run(struct chaos *c, uint64_t now_ms)
{
    static const char *const absent[] = {"wait", "wait", "fail", "skip"};
    static const char *const failed[] = {"continue", "pause", "stop"};
    json_t *options = json_pack("{s:s, s:s}", "unreachable", absent[rand_r(&c->people_seed) % 4],
                                "on_failure", failed[rand_r(&c->people_seed) % 3]);
    const char *pool = rand_r(&c->people_seed) % 3 ? "Shop" : "Api";
    json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:o}", "action", "recycle", "pool", pool, "on",
                             "all", "reason", "chaos", "options", options);
    c->started_ms = now_ms;
    c->figures.runs += post(c, "/v1/runs", body);
}

static bool is_calm(struct chaos *c, const json_t *status, bool running)
{
    struct watch_seen seen = watch_look(c->watch);
    return !running && !c->must_freeze && strcmp(harness_word(status, "health"), "healthy") == 0 &&
           !json_is_true(json_object_get(json_object_get(status, "coordinator"), "settling")) &&
           seen.answered && seen.down == 0;
}

static void forget(struct chaos *c)
{
    c->unfrozen_since_ms = 0;
    c->unknown_since_ms = 0;
    for (unsigned i = 0; i < CHAOS_SERVERS; i++)
        c->orphan_since_ms[i] = 0;
}

void people_tend(struct chaos *c)
{
    uint64_t now_ms = clock_boot_ms();
    if (c->asleep || now_ms < c->looked_ms + LOOK_EVERY_MS)
        return;
    if (now_ms > c->looked_ms + GAP_MS)
        forget(c);
    c->looked_ms = now_ms;
    c->calm = false;
    json_t *status = harness_get(c->h, "/v1/status");
    const json_t *self = json_object_get(status, "coordinator");
    if (!self) {
        json_decref(status);
        return;
    }
    look_at_fence(c, status, now_ms);
    if (!c->frozen && !json_is_true(json_object_get(self, "settling"))) {
        bool running = look_at_runs(c, status, now_ms);
        look_for_orphans(c, status, now_ms);
        look_at_incidents(c, status, now_ms);
        if (!running && c->runs_wanted && !c->must_freeze &&
            now_ms > c->started_ms + ASK_AGAIN_MS) {
            start_run(c, now_ms);
            running = true;
        }
        c->calm = is_calm(c, status, running);
    }
    json_decref(status);
}

bool people_wait_calm(struct chaos *c, unsigned limit_ms)
{
    uint64_t end_ms = clock_boot_ms() + limit_ms;
    while (!c->calm && clock_boot_ms() < end_ms) {
        people_tend(c);
        harness_sleep_ms(50);
    }
    return c->calm;
}

/* --- the count --- */

static void audit_pool(struct chaos *c, const char *server, const char *pool, unsigned *total)
{
    struct books_sum sum = books_sum(c->books, server, pool);
    long long counted = harness_recycles(c->h, server, pool);
    *total += (unsigned)counted;
    watch_note(c->watch, "%s %s: %lld recycles; stores: %u done, %u perhaps", server, pool, counted,
               sum.done, sum.perhaps);
    if (counted < sum.done || counted > sum.done + sum.perhaps)
        chaos_wrong(c, "%s: %s was recycled %lld times, stores know of %u (and %u perhaps)", server,
                    pool, counted, sum.done, sum.perhaps);
    if (sum.perhaps)
        fprintf(stderr, "%s: %s: the end of %u commands is in no store\n", server, pool,
                sum.perhaps);
}

void people_audit(struct chaos *c)
{
    char name[FARM_NAME_MAX], path[160];
    unsigned total = 0;
    struct error err = {0};
    assert_int_equal(FARM(c->h, "kill", "coordinator", "--signal", "TERM"), 0);
    assert_true(proc_wait(&c->h->farm, "coordinator", 10000));
    text_format(path, sizeof(path), "%s/state.db", c->data_dir);
    if (books_add(c->books, path, &err) != ERR_NONE)
        chaos_wrong(c, "%s", err.text);
    for (unsigned i = 0; i < CHAOS_SERVERS; i++) {
        farm_server_name(name, i);
        audit_pool(c, name, "Shop", &total);
        audit_pool(c, name, "Api", &total);
    }
    fprintf(stderr, "recycles: %u, as the lab counted\n", total);
}

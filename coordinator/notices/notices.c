/* notices.c - see notices.h. */
#include "coordinator/notices/notices.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/notices/audit_view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_AGAIN_MS 5000 /* before the store is asked again after a failure */

struct line {
    struct notices *all;
    size_t index;
    const struct notices_target *target;
    struct notice_queue queue;
    struct notifier *notifier;
};

struct notices {
    struct notices_spec spec;
    struct store_notice_rule *rules;
    struct line *lines;
    uint64_t taken; /* the last row that was taken up */
    bool dirty;     /* there may be more */
    uint64_t store_again_ms;
    uint64_t *strangers; /* rows whose section is gone, to be dropped */
    size_t stranger_count;
    uint64_t now_ms;
    int64_t wall_ms;
};

/* ---- events of its own ---- */

FORMAT_PRINTF(4, 5)
static void tell(struct notices *n, const struct line *line, const char *kind, const char *fmt, ...)
{
    char words[400], text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    text_format(text, sizeof(text), "notice %s: %s", line->target->notifier.name, words);
    const struct event event = {.kind = kind, .text = text};
    log_warn("notice", LOG_TEXT("kind", kind), LOG_TEXT("text", text));
    coordinator_tell(n->spec.brain, &event, n->now_ms, n->wall_ms);
}

/* ---- rows ---- */

/* What cannot be dropped now comes again after a restart: told twice, never lost. */
static void drop_row(struct notices *n, uint64_t id)
{
    struct error err = {0};
    if (store_drop_notice(n->spec.store, id, &err) != ERR_NONE)
        log_warn("notice_not_dropped", LOG_UINT("id", id), LOG_TEXT("error", err.text));
}

static void take_row(void *arg, const struct store_notice *row)
{
    struct notices *n = arg;
    const struct notice_row taken = {.id = row->id,
                                     .wall_ms = row->event.wall_ms,
                                     .urgent =
                                         text_equal(row->kind, notice_kind_name(NOTICE_TEST))};
    n->taken = row->id > n->taken ? row->id : n->taken;
    for (size_t i = 0; i < n->spec.count; i++) {
        if (text_equal(n->lines[i].target->notifier.name, row->name)) {
            notice_add(&n->lines[i].queue, &taken);
            return;
        }
    }
    n->strangers = must_realloc(n->strangers, n->stranger_count + 1, sizeof(*n->strangers));
    n->strangers[n->stranger_count++] = row->id;
}

static void take_rows(struct notices *n)
{
    struct error err = {0};
    if (!n->dirty || n->now_ms < n->store_again_ms)
        return;
    n->dirty = false;
    enum error_code code = store_load_notices(n->spec.store, n->taken, take_row, n, &err);
    if (n->stranger_count > 0)
        log_warn("notices_dropped", LOG_UINT("count", n->stranger_count),
                 LOG_TEXT("why", "their [notice] section is not in the configuration any more"));
    while (n->stranger_count > 0)
        drop_row(n, n->strangers[--n->stranger_count]);
    if (code == ERR_NONE)
        return;
    log_error("notices_not_read", LOG_TEXT("error", err.text));
    n->dirty = true;
    n->store_again_ms = n->now_ms + STORE_AGAIN_MS;
}

/* ---- what is sent ---- */

struct body {
    struct notices *all;
    char *json; /* NULL: none */
    struct error *err;
};

static json_t *word(const char *text)
{
    json_t *json = text && text[0] ? json_string(text) : NULL;
    return json ? json : json_null();
}

static void make_audit(void *arg, const struct audit_row *row)
{
    json_t **out = arg;
    json_decref(*out);
    *out = view_audit(row);
}

/* What is told of an event stands in its row; of the audit trail, in the trail. */
static void make_body(void *arg, const struct store_notice *row)
{
    struct body *body = arg;
    char at[TEXT_TIME_MAX];
    const struct event *e = &row->event;
    json_t *audit = NULL;
    if (row->audit && store_load_audit(body->all->spec.store, row->audit - 1, 1, make_audit, &audit,
                                       body->err) != ERR_NONE)
        return;
    json_t *json = json_pack(
        "{s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)row->id,
        "kind", row->kind, "at", text_format_time(at, e->wall_ms), "coordinator",
        body->all->spec.coordinator, "run", e->run ? json_integer((json_int_t)e->run) : json_null(),
        "server", word(e->server), "pool", word(e->pool), "actor", word(e->actor), "text",
        word(e->text), "from", word(e->from), "to", word(e->to));
    must(json != NULL);
    if (audit)
        json_object_set_new(json, "audit", audit);
    body->json = json_dumps(json, JSON_COMPACT);
    json_decref(json);
}

static void send_next(struct notices *n, struct line *line)
{
    struct error err = {0};
    struct body body = {.all = n, .err = &err};
    uint64_t id = notice_next(&line->queue, n->now_ms);
    if (!id)
        return;
    if (store_find_notice(n->spec.store, id, make_body, &body, &err) == ERR_NONE && body.json)
        notifier_give(line->notifier, id, body.json);
    else
        notice_done(&line->queue, err.text, n->now_ms, n->wall_ms);
    free(body.json);
}

static void give_up_old(struct notices *n, struct line *line)
{
    size_t count = 0;
    for (uint64_t id; (id = notice_give_up(&line->queue, n->wall_ms)); count++)
        drop_row(n, id);
    if (count > 0)
        tell(n, line, "notice.dropped", "%zu given up, undelivered: %s", count,
             line->queue.trouble[0] ? line->queue.trouble : "too many came at once");
}

/* ---- life ---- */

static void on_done(void *arg, const struct notifier_result *result)
{
    const struct line *line = arg;
    const struct notices_spec *spec = &line->all->spec;
    spec->done(spec->arg, line->index, result);
}

enum error_code notices_open(const struct notices_spec *spec, struct notices **out,
                             struct error *err)
{
    struct notices *n = must_alloc(1, sizeof(*n));
    n->spec = *spec;
    n->now_ms = spec->now_ms;
    n->wall_ms = spec->wall_ms;
    n->dirty = true;
    n->rules = must_alloc(spec->count + 1, sizeof(*n->rules));
    n->lines = must_alloc(spec->count + 1, sizeof(*n->lines));
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < spec->count && code == ERR_NONE; i++) {
        const struct notices_target *target = &spec->targets[i];
        struct line *line = &n->lines[i];
        n->rules[i] = (struct store_notice_rule){target->notifier.name, target->kinds};
        *line = (struct line){.all = n,
                              .index = i,
                              .target = target,
                              .queue = {.keep_ms = target->keep_ms,
                                        .in_order = (target->kinds & 1u << NOTICE_AUDIT) != 0}};
        code = notifier_open(&target->notifier, on_done, line, &line->notifier, err);
    }
    if (code != ERR_NONE) {
        notices_close(n);
        return code;
    }
    store_notify(spec->store, n->rules, spec->count);
    *out = n;
    return ERR_NONE;
}

void notices_close(struct notices *n)
{
    if (!n)
        return;
    store_notify(n->spec.store, NULL, 0);
    for (size_t i = 0; i < n->spec.count; i++) {
        notifier_close(n->lines[i].notifier);
        notice_queue_reset(&n->lines[i].queue);
    }
    free(n->lines);
    free(n->strangers);
    free(n->rules);
    free(n);
}

void notices_note_event(struct notices *n)
{
    if (n)
        n->dirty = true;
}

void notices_done(struct notices *n, size_t target, const struct notifier_result *result,
                  uint64_t now_ms, int64_t wall_ms)
{
    struct line *line = &n->lines[target];
    const char *trouble = result->code == ERR_NONE ? NULL : result->text;
    n->now_ms = now_ms;
    n->wall_ms = wall_ms;
    must(line->queue.under_way == result->id);
    uint32_t failures = line->queue.failures;
    if (!trouble)
        drop_row(n, result->id);
    if (!notice_done(&line->queue, trouble, now_ms, wall_ms))
        return;
    if (trouble)
        tell(n, line, "notice.failing", "%s; it is tried again", trouble);
    else
        tell(n, line, "notice.works", "delivered again, after %" PRIu32 " failure%s", failures,
             failures == 1 ? "" : "s");
}

void notices_on_time(struct notices *n, uint64_t now_ms, int64_t wall_ms)
{
    if (!n)
        return;
    n->now_ms = now_ms;
    n->wall_ms = wall_ms;
    take_rows(n);
    for (size_t i = 0; i < n->spec.count; i++) {
        give_up_old(n, &n->lines[i]);
        send_next(n, &n->lines[i]);
    }
}

uint64_t notices_wake_ms(const struct notices *n, uint64_t now_ms)
{
    uint64_t wake = UINT64_MAX;
    for (size_t i = 0; n && i < n->spec.count; i++) {
        uint64_t at = notice_wake_ms(&n->lines[i].queue, now_ms);
        wake = at < wake ? at : wake;
    }
    if (n && n->dirty) {
        uint64_t at = n->store_again_ms > now_ms ? n->store_again_ms : now_ms;
        wake = at < wake ? at : wake;
    }
    return wake;
}

enum error_code notices_test(struct notices *n, const char *name, const char *actor,
                             uint64_t now_ms, int64_t wall_ms, uint64_t *id, struct error *err)
{
    const struct event event = {
        .wall_ms = wall_ms, .actor = actor, .text = "a test: this is how notices arrive"};
    bool known = false;
    for (size_t i = 0; i < notices_count(n); i++)
        known = known || text_equal(n->lines[i].target->notifier.name, name);
    if (!known)
        return error_set(err, ERR_NOT_FOUND,
                         "there is no [notice %.60s]: `farmhand notice list` shows what there is",
                         name);
    struct store *s = n->spec.store;
    enum error_code code = store_begin(s, err);
    code = code ? code : store_add_notice(s, name, notice_kind_name(NOTICE_TEST), &event, err);
    const struct audit_row said = {.wall_ms = wall_ms,
                                   .actor = actor,
                                   .action = "notice.test",
                                   .object = name,
                                   .reason = "a test"};
    code = code ? code : store_add_audit(s, &said, err);
    code = code ? code : store_commit(s, err);
    if (code != ERR_NONE) {
        store_rollback(s);
        return code;
    }
    n->dirty = true;
    code = store_last_notice(s, id, err);
    notices_on_time(n, now_ms, wall_ms);
    return code;
}

size_t notices_count(const struct notices *n)
{
    return n ? n->spec.count : 0;
}

const struct notices_target *notices_target_at(const struct notices *n, size_t index)
{
    must(index < notices_count(n));
    return n->lines[index].target;
}

const struct notice_queue *notices_queue_at(const struct notices *n, size_t index)
{
    must(index < notices_count(n));
    return &n->lines[index].queue;
}

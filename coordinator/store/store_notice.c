/* store_notice.c - what is still to be told to others. See store.h. */
#include "coordinator/store/store_internal.h"

#include "coordinator/core/notice.h"

#include <inttypes.h>

void store_notify(struct store *s, const struct store_notice_rule *rules, size_t count)
{
    s->rules = rules;
    s->rule_count = count;
}

/* audit: the row of the trail that it tells; 0: none. */
static void insert(struct store *s, const char *name, const char *kind, const struct event *event,
                   uint64_t audit)
{
    struct binding b = binding_of(s, SQL_INSERT_NOTICE);
    bind_text(&b, name);
    bind_text(&b, kind);
    bind_int(&b, event->wall_ms);
    bind_uint(&b, event->run);
    bind_text(&b, event->server);
    bind_text(&b, event->pool);
    bind_text(&b, event->actor);
    bind_text(&b, event->text);
    bind_text(&b, event->from);
    bind_text(&b, event->to);
    bind_reference(&b, audit);
    store_run_write(s, SQL_INSERT_NOTICE);
}

void store_write_notices(struct store *s, const struct event *event)
{
    if (s->rule_count == 0)
        return;
    enum notice_kind kind = notice_of_event(event->kind, event->from, event->to);
    for (size_t i = 0; kind != NOTICE_NONE && i < s->rule_count && !s->first.code; i++)
        if (s->rules[i].kinds & 1u << kind)
            insert(s, s->rules[i].name, notice_kind_name(kind), event, 0);
}

void store_write_audit_notices(struct store *s, const struct audit_row *row)
{
    const struct event event = {.wall_ms = row->wall_ms, .actor = row->actor};
    for (size_t i = 0; i < s->rule_count && !s->first.code; i++)
        if (s->rules[i].kinds & 1u << NOTICE_AUDIT)
            insert(s, s->rules[i].name, notice_kind_name(NOTICE_AUDIT), &event, row->id);
}

enum error_code store_add_notice(struct store *s, const char *name, const char *kind,
                                 const struct event *event, struct error *err)
{
    if (store_may_write(s))
        insert(s, name, kind, event, 0);
    return store_tell(s, err);
}

/* NULL for the words that the event did not have is "" here. */
static void read_notice(struct row *r, struct store_notice *n)
{
    n->id = row_uint(r, "id", INT64_MAX);
    r->id = n->id;
    n->name = row_word(r);
    n->kind = row_word(r);
    n->event.wall_ms = row_int(r);
    n->event.run = row_uint(r, "run", INT64_MAX);
    n->event.server = row_word(r);
    n->event.pool = row_word(r);
    n->event.actor = row_word(r);
    n->event.text = row_word(r);
    n->event.from = row_word(r);
    n->event.to = row_word(r);
    n->audit = row_uint(r, "audit", INT64_MAX);
}

enum error_code store_load_notices(struct store *s, uint64_t after,
                                   void (*each)(void *arg, const struct store_notice *n), void *arg,
                                   struct error *err)
{
    struct binding b = binding_of(s, SQL_NOTICES);
    bind_uint(&b, after);
    struct row r = row_of(s, SQL_NOTICES, "notice", err);
    while (row_next(&r)) {
        struct store_notice notice = {0};
        read_notice(&r, &notice);
        if (!r.code)
            each(arg, &notice);
    }
    return r.code;
}

enum error_code store_find_notice(struct store *s, uint64_t id,
                                  void (*each)(void *arg, const struct store_notice *n), void *arg,
                                  struct error *err)
{
    struct binding b = binding_of(s, SQL_ONE_NOTICE);
    bind_uint(&b, id);
    struct row r = row_of(s, SQL_ONE_NOTICE, "notice", err);
    if (!row_next(&r))
        return r.code ? r.code
                      : error_set(err, ERR_NOT_FOUND, "notice %" PRIu64 " is not in the store", id);
    struct store_notice notice = {0};
    read_notice(&r, &notice);
    if (!r.code)
        each(arg, &notice);
    db_reset(s->db, SQL_ONE_NOTICE);
    return r.code;
}

enum error_code store_drop_notice(struct store *s, uint64_t id, struct error *err)
{
    struct binding b = binding_of(s, SQL_DROP_NOTICE);
    bind_uint(&b, id);
    return db_run(s->db, SQL_DROP_NOTICE, err);
}

enum error_code store_last_notice(struct store *s, uint64_t *out_id, struct error *err)
{
    struct row r = row_of(s, SQL_LAST_NOTICE, "notice", err);
    if (row_next(&r)) {
        *out_id = row_uint(&r, "id", INT64_MAX);
        db_reset(s->db, SQL_LAST_NOTICE);
    }
    return r.code;
}

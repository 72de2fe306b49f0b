/* store_words.c - what people said of servers, until they or time take it back. See store.h. */
#include "coordinator/store/store_internal.h"

enum error_code store_save_maintenance(struct store *s, const struct store_maintenance *m,
                                       struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    enum schema_statement statement = m->until_ms ? SQL_SAVE_MAINTENANCE : SQL_END_MAINTENANCE;
    struct binding b = binding_of(s, statement);
    bind_text(&b, m->server);
    if (m->until_ms) {
        bind_int(&b, m->until_ms);
        bind_text(&b, m->reason);
        bind_text(&b, m->by);
    }
    store_run_write(s, statement);
    return store_tell(s, err);
}

enum error_code store_load_maintenance(struct store *s,
                                       void (*each)(void *arg, const struct store_maintenance *m),
                                       void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_MAINTENANCE, "maintenance", err);
    while (row_next(&r)) {
        struct store_maintenance m = {0};
        row_text(&r, "server", m.server, sizeof(m.server));
        r.name = m.server;
        m.until_ms = row_int(&r);
        row_text(&r, "reason", m.reason, sizeof(m.reason));
        row_text(&r, "actor", m.by, sizeof(m.by));
        if (!r.code)
            each(arg, &m);
    }
    return r.code;
}

/* ---- what is to stay stopped ---- */

enum error_code store_save_kept(struct store *s, const struct kept_pool *k, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_SAVE_KEPT);
    bind_text(&b, k->server);
    bind_text(&b, k->pool);
    bind_uint(&b, k->run);
    bind_text(&b, k->actor);
    bind_text(&b, k->reason);
    bind_int(&b, k->since_wall_ms);
    bind_id(&b, &k->boot);
    bind_uint(&b, k->was_pid);
    bind_int(&b, k->checked_wall_ms);
    bind_int(&b, k->back_wall_ms);
    bind_text(&b, k->back_how);
    bind_bool(&b, k->found_down);
    store_run_write(s, SQL_SAVE_KEPT);
    return store_tell(s, err);
}

enum error_code store_drop_kept(struct store *s, const char *server, const char *pool,
                                struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_DROP_KEPT);
    bind_text(&b, server);
    bind_text(&b, pool);
    store_run_write(s, SQL_DROP_KEPT);
    return store_tell(s, err);
}

enum error_code store_load_kept(struct store *s, void (*each)(void *arg, const struct kept_pool *k),
                                void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_KEPT, "what is to stay stopped", err);
    while (row_next(&r)) {
        struct kept_pool k = {0};
        r.name = NULL;
        row_text(&r, "server", k.server, sizeof(k.server));
        r.name = k.server;
        row_text(&r, "pool", k.pool, sizeof(k.pool));
        k.run = row_uint(&r, "run", INT64_MAX);
        row_text(&r, "actor", k.actor, sizeof(k.actor));
        row_text(&r, "reason", k.reason, sizeof(k.reason));
        k.since_wall_ms = row_int(&r);
        row_id(&r, "boot", &k.boot);
        k.was_pid = row_u32(&r, "was_pid");
        k.checked_wall_ms = row_int(&r);
        k.back_wall_ms = row_int(&r);
        row_text(&r, "back_how", k.back_how, sizeof(k.back_how));
        k.found_down = row_bool(&r, "found_down");
        if (!r.code)
            each(arg, &k);
    }
    return r.code;
}

/* ---- settings as they were ---- */

enum error_code store_save_former(struct store *s, const struct former *f, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    enum schema_statement statement = f->settings[0] ? SQL_SAVE_FORMER : SQL_DROP_FORMER;
    struct binding b = binding_of(s, statement);
    bind_text(&b, f->server);
    bind_text(&b, f->pool);
    if (f->settings[0]) {
        bind_uint(&b, f->run);
        bind_text(&b, f->settings);
    }
    store_run_write(s, statement);
    return store_tell(s, err);
}

enum error_code store_load_former(struct store *s, void (*each)(void *arg, const struct former *f),
                                  void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_FORMER, "former settings", err);
    while (row_next(&r)) {
        struct former f = {0};
        row_text(&r, "server", f.server, sizeof(f.server));
        r.name = f.server;
        row_text(&r, "pool", f.pool, sizeof(f.pool));
        f.run = row_uint(&r, "run", INT64_MAX);
        row_text(&r, "settings", f.settings, sizeof(f.settings));
        if (!r.code)
            each(arg, &f);
    }
    return r.code;
}

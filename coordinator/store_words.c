/* store_words.c - what people said of servers, until they or time take it back. See store.h. */
#include "coordinator/store_internal.h"

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

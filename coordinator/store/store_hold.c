/* store_hold.c - leases, commands and servers in the store. See store.h. */
#include "coordinator/store/store_internal.h"

#include "common/text.h"
#include "coordinator/core/words.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- leases ---- */

/* Fills s->first if somebody holds what excludes this lease. */
static void refuse_if_held(struct store *s, const struct lease *lease)
{
    struct binding b = binding_of(s, SQL_LEASE_HOLDER);
    bind_text(&b, lease->server);
    bind_text(&b, lease->pool);
    struct row r = row_of(s, SQL_LEASE_HOLDER, "lease", &s->first);
    r.name = lease->server;
    if (!row_next(&r))
        return;
    char pool[WIRE_NAME_MAX];
    enum lease_owner owner = LEASE_RUN;
    row_text(&r, "pool", pool, sizeof(pool));
    ROW_WORD(&r, "owner", lease_owner, &owner);
    uint64_t id = row_uint(&r, "owner_id", INT64_MAX);
    if (!r.code)
        error_set(&s->first, ERR_EXISTS, "%s%s%s is held by %s %" PRIu64, lease->server,
                  pool[0] ? ", pool " : "", pool, lease_owner_name(owner), id);
    db_reset(s->db, SQL_LEASE_HOLDER);
}

enum error_code store_take_lease(struct store *s, const struct lease *lease, struct error *err)
{
    if (store_may_write(s))
        refuse_if_held(s, lease);
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_INSERT_LEASE);
    bind_text(&b, lease->server);
    bind_text(&b, lease->pool);
    bind_text(&b, lease_owner_name(lease->owner));
    bind_uint(&b, lease->owner_id);
    bind_int(&b, lease->since_wall_ms);
    store_run_write(s, SQL_INSERT_LEASE);
    return store_tell(s, err);
}

enum error_code store_move_lease(struct store *s, const char *server, const char *pool,
                                 enum lease_owner owner, uint64_t owner_id, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    char what[2 * WIRE_NAME_MAX + 32];
    text_format(what, sizeof(what), "a lease on %s, pool \"%s\"", server, pool);
    struct binding b = binding_of(s, SQL_MOVE_LEASE);
    bind_text(&b, server);
    bind_text(&b, pool);
    bind_text(&b, lease_owner_name(owner));
    bind_uint(&b, owner_id);
    store_run_one(s, SQL_MOVE_LEASE, what);
    return store_tell(s, err);
}

enum error_code store_drop_lease(struct store *s, const char *server, const char *pool,
                                 struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_DROP_LEASE);
    bind_text(&b, server);
    bind_text(&b, pool);
    store_run_write(s, SQL_DROP_LEASE);
    return store_tell(s, err);
}

enum error_code store_load_leases(struct store *s, void (*each)(void *arg, const struct lease *l),
                                  void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_LEASES, "lease", err);
    while (row_next(&r)) {
        struct lease lease = {0};
        r.name = NULL;
        row_text(&r, "server", lease.server, sizeof(lease.server));
        r.name = lease.server;
        row_text(&r, "pool", lease.pool, sizeof(lease.pool));
        ROW_WORD(&r, "owner", lease_owner, &lease.owner);
        lease.owner_id = row_uint(&r, "owner_id", INT64_MAX);
        lease.since_wall_ms = row_int(&r);
        if (!r.code)
            each(arg, &lease);
    }
    return r.code;
}

/* ---- commands ---- */

/* Ids come back from agents: one whose numbers do not fit a row was never sent by us. */
static bool could_be_ours(const struct command_id *id)
{
    return id->seq <= INT64_MAX && id->fence.number <= INT64_MAX;
}

static void bind_command_id(struct binding *b, const char *server, const struct command_id *id)
{
    bind_text(b, server);
    bind_uint(b, id->fence.number);
    bind_id(b, &id->fence.instance);
    bind_uint(b, id->seq);
}

enum error_code store_insert_command(struct store *s, const struct store_command *c,
                                     struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_INSERT_COMMAND);
    bind_command_id(&b, c->server, &c->id);
    bind_text(&b, c->pool);
    bind_text(&b, verb_name(c->verb));
    bind_reference(&b, c->run);
    bind_uint(&b, c->target_order);
    bind_int(&b, c->sent_wall_ms);
    bind_text(&b, outcome_name(c->outcome));
    store_run_write(s, SQL_INSERT_COMMAND);
    return store_tell(s, err);
}

static enum error_code not_sent(const char *server, const struct command_id *id, struct error *err)
{
    return error_set(err, ERR_NOT_FOUND,
                     "no command %" PRIu64 " under fence %" PRIu64 " was sent to %s from here",
                     id->seq, id->fence.number, server);
}

enum error_code store_end_command(struct store *s, const char *server, const struct command_id *id,
                                  enum outcome outcome, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    bool found = false;
    if (could_be_ours(id)) {
        struct binding b = binding_of(s, SQL_END_COMMAND);
        bind_command_id(&b, server, id);
        bind_text(&b, outcome_name(outcome));
        store_run_write(s, SQL_END_COMMAND);
        found = !s->first.code && db_changes(s->db) == 1;
    }
    if (s->first.code || found)
        return store_tell(s, err);
    return not_sent(server, id, err); /* an answer, not a failure: the transaction goes on */
}

static void read_command(struct row *r, struct store_command *c)
{
    row_text(r, "server", c->server, sizeof(c->server));
    row_text(r, "pool", c->pool, sizeof(c->pool));
    ROW_WORD(r, "verb", verb, &c->verb);
    c->run = row_uint(r, "run", INT64_MAX);
    c->target_order = row_u32(r, "place");
    c->sent_wall_ms = row_int(r);
    ROW_WORD(r, "outcome", outcome, &c->outcome);
}

enum error_code store_find_command(struct store *s, const char *server, const struct command_id *id,
                                   struct store_command *out, struct error *err)
{
    if (!could_be_ours(id))
        return not_sent(server, id, err);
    struct binding b = binding_of(s, SQL_FIND_COMMAND);
    bind_command_id(&b, server, id);
    struct row r = row_of(s, SQL_FIND_COMMAND, "command", err);
    r.id = id->seq;
    r.name = server;
    struct store_command found = {.id = *id};
    bool got = row_next(&r);
    if (got)
        read_command(&r, &found);
    db_reset(s->db, SQL_FIND_COMMAND);
    if (!r.code && !got)
        return not_sent(server, id, err);
    if (!r.code)
        *out = found;
    return r.code;
}

/* ---- servers ---- */

enum error_code store_save_server(struct store *s, const struct store_server *server,
                                  struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_SAVE_SERVER);
    bind_text(&b, server->name);
    bind_id(&b, &server->incarnation);
    bind_int(&b, server->first_seen_wall_ms);
    bind_int(&b, server->declared_out_until_ms);
    bind_text(&b, server->declared_out_reason);
    bind_text(&b, server->declared_out_by);
    bind_text(&b, server->blocked_why);
    store_run_write(s, SQL_SAVE_SERVER);
    return store_tell(s, err);
}

enum error_code store_load_servers(struct store *s,
                                   void (*each)(void *arg, const struct store_server *server),
                                   void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_SERVERS, "server", err);
    while (row_next(&r)) {
        struct store_server server = {0};
        r.name = NULL;
        row_text(&r, "name", server.name, sizeof(server.name));
        r.name = server.name;
        row_id(&r, "incarnation", &server.incarnation);
        server.first_seen_wall_ms = row_int(&r);
        server.declared_out_until_ms = row_int(&r);
        row_text(&r, "declared_out_reason", server.declared_out_reason,
                 sizeof(server.declared_out_reason));
        row_text(&r, "declared_out_by", server.declared_out_by, sizeof(server.declared_out_by));
        row_text(&r, "blocked_why", server.blocked_why, sizeof(server.blocked_why));
        if (!r.code)
            each(arg, &server);
    }
    return r.code;
}

/* oracle_view.c - see oracle.h: what stands committed in a coordinator's store, read by SQL of our
 * own through a connection of our own.
 */
#include "tests/sim/oracle_impl.h"

#include "common/must.h"
#include "common/text.h"
#include "tests/sim/vfs.h"

#include <sqlite3.h>
#include <string.h>

/* A bit for each of the balancer's backends in which there is a place. */
#define IN_BACKENDS(places)                                                                        \
    "((instr(" #places ", '\"shop\"') > 0) + 2 * (instr(" #places ", '\"api\"') > 0))"

static const char *const queries[] = {
    [Q_TARGETS] = "SELECT t.run, t.server, t.state, t.holds, "
                  " " IN_BACKENDS(t.places) " * NOT t.back,"
                                            " t.command_fence, t.command_seq, r.action, t.wave, "
                                            "t.pool, t.command_instance,"
                                            " t.act_failed"
                                            " FROM target t JOIN run r ON r.id = t.run",
    [Q_RUNS] = "SELECT id, state, pause_causes, action, batch, wave, bake_ms, order_by <> '',"
               " pause_after_canary, hours, actor = 'remediation', limit_ms, approve_until_ms, why"
               " FROM run",
    [Q_LEASES] = "SELECT server, owner, owner_id, pool FROM lease",
    [Q_INCIDENTS] = "SELECT id, server, " IN_BACKENDS(
        places) ", pool, phase = 'left', phase = 'quarantined' FROM incident"
                " WHERE closed_how IS NULL",
    [Q_LAST] = "SELECT last_event, coalesce((SELECT max(id) FROM audit), 0), freeze_why <> ''"
               " FROM self",
    [Q_COMMAND] = "SELECT c.verb, t.state, t.holds, t.command_seq, t.command_fence,"
                  " (SELECT count(*) FROM lease l WHERE l.server = c.server AND l.owner = 'run'"
                  " AND l.owner_id = c.run), self.fence_number, self.fence_instance = ?3,"
                  " self.freeze_why <> '', t.server = c.server AND t.pool = c.pool, c.pool, c.run,"
                  " r.action"
                  " FROM command c JOIN target t ON t.run = c.run AND t.place = c.place"
                  " JOIN run r ON r.id = c.run, self"
                  " WHERE c.server = ?1 AND c.fence_number = ?2 AND c.fence_instance = ?3"
                  " AND c.seq = ?4",
    [Q_HAS_COMMAND] = "SELECT 1 FROM command WHERE server = ?1 AND fence_number = ?2"
                      " AND fence_instance = ?3 AND seq = ?4",
    [Q_EVENT] = "SELECT count(*) FROM outbox WHERE seq > ?1 AND kind = 'target.state'"
                " AND server = ?2 AND to_word = ?3",
    [Q_RUN_EVENT] = "SELECT count(*) FROM outbox WHERE seq > ?1 AND run = ?2"
                    " AND kind IN ('run.state', 'run.ended')",
    [Q_SERVERS] = "SELECT name, declared_out_until_ms, blocked_why <> '', incarnation FROM server",
    [Q_MAINTENANCE] = "SELECT server, until_ms FROM maintenance",
    [Q_EXPIRED] = "SELECT count(*) FROM outbox WHERE seq > ?1 AND kind = 'hold.expired'"
                  " AND run = ?2 AND server = ?3",
    [Q_FORMER] = "SELECT settings FROM former WHERE server = ?1 AND pool = ?2",
    [Q_WORDS] = "SELECT action, object FROM audit WHERE id > ?1",
};

/* ---- reading ---- */

void oracle_attach(struct world *w, int centre)
{
    struct store_seen *s = &w->oracle->stores[centre];
    char path[64];
    text_format(path, sizeof(path), "%s/state.db", centre_disk(w->centres[centre]));
    must(sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE, VFS_NAME) == SQLITE_OK);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    for (size_t i = 0; i < QUERY_COUNT; i++)
        if (sqlite3_prepare_v2(s->db, queries[i], -1, &s->statements[i], NULL) != SQLITE_OK)
            world_violate(w, "the oracle cannot read the store: %s", sqlite3_errmsg(s->db));
    s->syncs = 0;
    s->attached_ms = w->now_ms;
    s->reopened = true;
    oracle_gate_forget(w, centre);
}

void oracle_detach(struct world *w, int centre)
{
    struct store_seen *s = &w->oracle->stores[centre];
    for (size_t i = 0; i < QUERY_COUNT; i++) {
        sqlite3_finalize(s->statements[i]);
        s->statements[i] = NULL;
    }
    sqlite3_close(s->db);
    s->db = NULL;
}

static int server_of(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->servers; i++)
        if (text_equal(w->iis[i].name, name))
            return (int)i;
    return -1;
}

const char *oracle_word(struct sqlite3_stmt *q, int column)
{
    const char *text = (const char *)sqlite3_column_text(q, column);
    return text ? text : "";
}

static void read_id(sqlite3_stmt *q, int column, struct wire_id *out)
{
    must(sqlite3_column_bytes(q, column) == (int)sizeof(out->bytes));
    memcpy(out->bytes, sqlite3_column_blob(q, column), sizeof(out->bytes));
}

static int part_of(const char *pool)
{
    return pool[0] == '\0' ? PART_WHOLE : text_equal(pool, iis_pool_names[1]);
}

static void read_targets(const struct world *w, struct store_seen *s)
{
    sqlite3_stmt *q = s->statements[Q_TARGETS];
    struct view *v = &s->view;
    v->target_count = 0;
    while (sqlite3_step(q) == SQLITE_ROW) {
        must(v->target_count < VIEW_TARGETS);
        struct view_target *t = &v->targets[v->target_count++];
        *t = (struct view_target){.run = (uint64_t)sqlite3_column_int64(q, 0),
                                  .server = server_of(w, oracle_word(q, 1)),
                                  .holds = sqlite3_column_int(q, 3) != 0,
                                  .places = (unsigned)sqlite3_column_int(q, 4),
                                  .command = {{(uint64_t)sqlite3_column_int64(q, 5)},
                                              (uint64_t)sqlite3_column_int64(q, 6)},
                                  .act_failed = sqlite3_column_int(q, 11) != 0,
                                  .part = part_of(oracle_word(q, 9)),
                                  .wave = (uint32_t)sqlite3_column_int(q, 8)};
        t->unit = world_unit(t->server, oracle_word(q, 9));
        read_id(q, 10, &t->command.fence.instance);
        text_copy(t->state, sizeof(t->state), oracle_word(q, 2));
        text_copy(t->action, sizeof(t->action), oracle_word(q, 7));
    }
    sqlite3_reset(q);
}

static void read_runs(struct store_seen *s)
{
    sqlite3_stmt *q = s->statements[Q_RUNS];
    struct view *v = &s->view;
    v->run_count = 0;
    while (sqlite3_step(q) == SQLITE_ROW) {
        must(v->run_count < VIEW_RUNS); /* what is not seen is not judged */
        struct view_run *r = &v->runs[v->run_count++];
        *r = (struct view_run){.id = (uint64_t)sqlite3_column_int64(q, 0),
                               .batch = (uint32_t)sqlite3_column_int(q, 4),
                               .wave = (uint32_t)sqlite3_column_int(q, 5),
                               .bake_ms = (uint64_t)sqlite3_column_int64(q, 6),
                               .by_zone = sqlite3_column_int(q, 7) != 0,
                               .pauses_after_canary = sqlite3_column_int(q, 8) != 0};
        text_copy(r->state, sizeof(r->state), oracle_word(q, 1));
        text_copy(r->causes, sizeof(r->causes), oracle_word(q, 2));
        text_copy(r->action, sizeof(r->action), oracle_word(q, 3));
        text_copy(r->hours, sizeof(r->hours), oracle_word(q, 9));
        r->remedies = sqlite3_column_int(q, 10) != 0;
        r->limit_ms = (uint64_t)sqlite3_column_int64(q, 11);
        r->approve_until_ms = sqlite3_column_int64(q, 12);
        text_copy(r->why, sizeof(r->why), oracle_word(q, 13));
    }
    sqlite3_reset(q);
}

static void read_holds(const struct world *w, struct store_seen *s)
{
    sqlite3_stmt *q = s->statements[Q_LEASES];
    struct view *v = &s->view;
    v->hold_count = v->incident_count = 0;
    while (sqlite3_step(q) == SQLITE_ROW && v->hold_count < VIEW_HOLDS)
        v->holds[v->hold_count++] = (struct view_hold){
            .server = server_of(w, oracle_word(q, 0)),
            .unit = world_unit(server_of(w, oracle_word(q, 0)), oracle_word(q, 3)),
            .by_run = text_equal(oracle_word(q, 1), "run"),
            .whole = oracle_word(q, 3)[0] == '\0',
            .owner = (uint64_t)sqlite3_column_int64(q, 2)};
    sqlite3_reset(q);
    q = s->statements[Q_INCIDENTS];
    while (sqlite3_step(q) == SQLITE_ROW && v->incident_count < VIEW_HOLDS)
        v->incidents[v->incident_count++] = (struct view_incident){
            .id = (uint64_t)sqlite3_column_int64(q, 0),
            .server = server_of(w, oracle_word(q, 1)),
            .unit = world_unit(server_of(w, oracle_word(q, 1)), oracle_word(q, 3)),
            .part = part_of(oracle_word(q, 3)),
            .left = sqlite3_column_int(q, 4) != 0,
            .places = (unsigned)sqlite3_column_int(q, 2),
            .apart = sqlite3_column_int(q, 5) != 0};
    sqlite3_reset(q);
}

static void read_servers(const struct world *w, struct store_seen *s)
{
    sqlite3_stmt *q = s->statements[Q_SERVERS];
    struct view_server *servers = s->view.servers;
    memset(servers, 0, sizeof(s->view.servers));
    while (sqlite3_step(q) == SQLITE_ROW) {
        int at = server_of(w, oracle_word(q, 0));
        if (at < 0)
            continue;
        servers[at].declared_until_ms = sqlite3_column_int64(q, 1);
        servers[at].blocked = sqlite3_column_int(q, 2) != 0;
        read_id(q, 3, &servers[at].incarnation);
    }
    sqlite3_reset(q);
    q = s->statements[Q_MAINTENANCE];
    while (sqlite3_step(q) == SQLITE_ROW) {
        int at = server_of(w, oracle_word(q, 0));
        if (at >= 0)
            servers[at].maintenance_until_ms = sqlite3_column_int64(q, 1);
    }
    sqlite3_reset(q);
}

static void read_words(struct store_seen *s)
{
    sqlite3_stmt *q = s->statements[Q_WORDS];
    struct view *v = &s->view;
    v->word_count = 0;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)(s->valid ? s->former.last_audit : v->last_audit));
    while (sqlite3_step(q) == SQLITE_ROW) {
        must(v->word_count < VIEW_WORDS);
        struct view_word *word = &v->words[v->word_count++];
        text_copy(word->action, sizeof(word->action), oracle_word(q, 0));
        text_copy(word->object, sizeof(word->object), oracle_word(q, 1));
    }
    sqlite3_reset(q);
}

void oracle_read_view(const struct world *w, struct store_seen *s)
{
    sqlite3_stmt *q = s->statements[Q_LAST];
    sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL);
    read_targets(w, s);
    read_runs(s);
    read_holds(w, s);
    read_servers(w, s);
    if (sqlite3_step(q) == SQLITE_ROW) {
        s->view.last_event = (uint64_t)sqlite3_column_int64(q, 0);
        s->view.last_audit = (uint64_t)sqlite3_column_int64(q, 1);
        s->view.frozen = sqlite3_column_int(q, 2) != 0;
    }
    sqlite3_reset(q);
    read_words(s);
    sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
}

const struct view *oracle_view(struct world *w, int centre)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    return s->db && s->valid ? &s->view : NULL;
}

bool view_run_ended(const struct view_run *r)
{
    return text_equal(r->state, "done") || text_equal(r->state, "partial") ||
           text_equal(r->state, "failed") || text_equal(r->state, "aborted");
}

bool view_by_others(const char *action)
{
    return text_equal(action, "hold") || text_equal(action, "cycle");
}

bool view_target_ended(const struct view_target *t)
{
    return text_equal(t->state, "done") || text_equal(t->state, "failed") ||
           text_equal(t->state, "nothing") || text_equal(t->state, "skipped") ||
           text_equal(t->state, "aborted");
}

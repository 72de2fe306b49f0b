/* journal.c - see journal.h. */
#include "agent/journal_internal.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* Numbers that come over the wire use all 64 bits; SQLite's are signed: they are stored as the
 * same bits and never compared in SQL, but for `id`, which is ours. Only ever appended to. */
static const char *const migrations[] = {
    "CREATE TABLE self ("
    " one INTEGER PRIMARY KEY CHECK (one = 1),"
    " incarnation BLOB NOT NULL CHECK (length(incarnation) = 16),"
    " start_no INTEGER NOT NULL,"
    " fence_number INTEGER NOT NULL,"
    " fence_instance BLOB NOT NULL CHECK (length(fence_instance) = 16),"
    " last_seq INTEGER NOT NULL" /* last command received under that fence */
    ") STRICT;"
    "CREATE TABLE command ("
    " id INTEGER PRIMARY KEY," /* in the order of arrival */
    " fence_number INTEGER NOT NULL,"
    " fence_instance BLOB NOT NULL CHECK (length(fence_instance) = 16),"
    " seq INTEGER NOT NULL,"
    " verb INTEGER NOT NULL," /* as in messages.h, like outcome and cause */
    " pool TEXT NOT NULL,"
    " keep_autostart INTEGER NOT NULL,"
    " start_idle INTEGER NOT NULL,"
    " probe INTEGER NOT NULL,"
    " limit_ms INTEGER NOT NULL,"
    " run INTEGER NOT NULL,"
    " actor TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2)," /* received, begun, ended */
    " received_wall_ms INTEGER NOT NULL,"
    " begun_wall_ms INTEGER,"
    " ended_wall_ms INTEGER,"
    " acknowledged INTEGER NOT NULL,"
    " outcome INTEGER NOT NULL,"
    " cause INTEGER NOT NULL,"
    " detail TEXT NOT NULL,"
    " elapsed_ms INTEGER NOT NULL,"
    " baseline_gone INTEGER NOT NULL,"
    " orphaned INTEGER NOT NULL,"
    " probed INTEGER NOT NULL,"
    " probe_status INTEGER NOT NULL,"
    " probe_ms INTEGER NOT NULL,"
    " gap_ms INTEGER NOT NULL,"
    " UNIQUE (fence_number, fence_instance, seq)"
    ") STRICT;"
    "CREATE INDEX command_open ON command (id) WHERE acknowledged = 0;"
    "CREATE INDEX command_begun ON command (begun_wall_ms) WHERE begun_wall_ms IS NOT NULL;"
    "CREATE TABLE worker (" /* of the proof */
    " command INTEGER NOT NULL REFERENCES command (id) ON DELETE CASCADE,"
    " after INTEGER NOT NULL," /* 0: the baseline */
    " place INTEGER NOT NULL,"
    " pid INTEGER NOT NULL,"
    " created INTEGER NOT NULL,"
    " cpu_ms INTEGER NOT NULL,"
    " memory_bytes INTEGER NOT NULL,"
    " PRIMARY KEY (command, after, place)"
    ") STRICT, WITHOUT ROWID;",
    /* services */
    "ALTER TABLE self ADD COLUMN healthy TEXT NOT NULL DEFAULT '';" /* names, one a line */
    "ALTER TABLE command ADD COLUMN enable INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE command ADD COLUMN force INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE command ADD COLUMN worker_pid INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE command ADD COLUMN worker_created INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE command ADD COLUMN services TEXT NOT NULL DEFAULT '';" /* shall run in the end */
    "ALTER TABLE command ADD COLUMN former INTEGER NOT NULL DEFAULT 0;" /* start type of WAS */,
    /* settings of pools */
    "ALTER TABLE command ADD COLUMN settings TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE command ADD COLUMN former_settings TEXT NOT NULL DEFAULT '';",
    "ALTER TABLE command ADD COLUMN findings TEXT NOT NULL DEFAULT '';" /* of services, by rung */,
    /* The audit trail, see audit.h: ids are never given twice, rows go from the front alone, and
     * only those that the anchor stands for. */
    "CREATE TABLE audit ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at_ms INTEGER NOT NULL,"
    " fence INTEGER NOT NULL,"
    " instance TEXT NOT NULL CHECK (length(instance) = 32),"
    " seq INTEGER NOT NULL,"
    " run INTEGER NOT NULL,"
    " verb TEXT NOT NULL,"
    " pool TEXT NOT NULL,"
    " actor TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " decision TEXT NOT NULL CHECK (decision <> ''),"
    " detail TEXT NOT NULL,"
    " hash TEXT NOT NULL CHECK (length(hash) = 64)"
    ") STRICT;"
    "CREATE TABLE audit_anchor ("
    " one INTEGER PRIMARY KEY CHECK (one = 1),"
    " id INTEGER NOT NULL,"
    " hash TEXT NOT NULL CHECK (length(hash) = 64)"
    ") STRICT;"
    "INSERT INTO audit_anchor VALUES"
    " (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');"
    "CREATE TRIGGER audit_stays BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;"
    "CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit"
    " WHEN OLD.id > (SELECT id FROM audit_anchor)"
    " BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;",
    /* of services, see record.h */
    "ALTER TABLE command ADD COLUMN stops INTEGER NOT NULL DEFAULT 0;",
};

#define COLUMNS                                                                                    \
    "fence_number, fence_instance, seq, verb, pool, keep_autostart, start_idle, probe, limit_ms, " \
    "run, actor, reason, state, acknowledged, outcome, cause, detail, elapsed_ms, baseline_gone, " \
    "orphaned, probed, probe_status, probe_ms, gap_ms, enable, force, worker_pid, "                \
    "worker_created, "                                                                             \
    "services, former, settings, former_settings, findings, stops"
#define COLUMN_COUNT 34

static const char *const statements[] = {
    [SQL_MAKE_SELF] = "INSERT OR IGNORE INTO self (one, incarnation, start_no, fence_number,"
                      " fence_instance, last_seq) VALUES (1, ?1, 0, 0, zeroblob(16), 0)",
    [SQL_COUNT_START] = "UPDATE self SET start_no = start_no + 1",
    [SQL_SELF] =
        "SELECT incarnation, start_no, fence_number, fence_instance, last_seq, healthy FROM self",
    [SQL_FENCE] = "UPDATE self SET last_seq = iif(fence_number = ?1 AND fence_instance = ?2, "
                  "last_seq, 0), fence_number = ?1, fence_instance = ?2",
    [SQL_LAST] = "UPDATE self SET last_seq = ?3 WHERE fence_number = ?1 AND fence_instance = ?2",
    [SQL_HEALTHY] = "UPDATE self SET healthy = ?1",
    /* The newest act that keeps services down or brings them back: verbs as in messages.h, a stop
     * counts from when it was begun, the others when they ended well. */
    [SQL_KEPT] = "SELECT verb, former, actor, reason FROM command WHERE begun_wall_ms IS NOT NULL"
                 " AND (verb = 8 OR (verb IN (6, 9) AND outcome = 1)) ORDER BY id DESC LIMIT 1",
    [SQL_PUT] = "INSERT INTO command (" COLUMNS ", received_wall_ms, begun_wall_ms, ended_wall_ms)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
                " ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31,"
                " ?32, ?33, ?34, ?35, iif(?13 = 1, ?35, NULL), iif(?13 = 2, ?35, NULL))"
                " ON CONFLICT (fence_number, fence_instance, seq) DO UPDATE SET"
                " state = excluded.state, acknowledged = excluded.acknowledged,"
                " outcome = excluded.outcome, cause = excluded.cause, detail = excluded.detail,"
                " elapsed_ms = excluded.elapsed_ms, baseline_gone = excluded.baseline_gone,"
                " orphaned = excluded.orphaned, probed = excluded.probed,"
                " probe_status = excluded.probe_status, probe_ms = excluded.probe_ms,"
                " gap_ms = excluded.gap_ms, services = excluded.services,"
                " former = excluded.former, former_settings = excluded.former_settings,"
                " findings = excluded.findings, stops = excluded.stops,"
                " begun_wall_ms = coalesce(begun_wall_ms, excluded.begun_wall_ms),"
                " ended_wall_ms = coalesce(ended_wall_ms, excluded.ended_wall_ms)",
    [SQL_ACKNOWLEDGE] = "UPDATE command SET acknowledged = 1"
                        " WHERE fence_number = ?1 AND fence_instance = ?2 AND seq = ?3",
    [SQL_ID] = "SELECT id FROM command"
               " WHERE fence_number = ?1 AND fence_instance = ?2 AND seq = ?3",
    [SQL_FIND] = "SELECT " COLUMNS ", id FROM command"
                 " WHERE fence_number = ?1 AND fence_instance = ?2 AND seq = ?3",
    [SQL_OPEN] = "SELECT " COLUMNS ", id FROM command WHERE acknowledged = 0 ORDER BY id",
    [SQL_ACTS] = "SELECT verb, pool, begun_wall_ms FROM command"
                 " WHERE begun_wall_ms > ?1 ORDER BY begun_wall_ms",
    [SQL_NO_WORKERS] = "DELETE FROM worker WHERE command = ?1",
    [SQL_ADD_WORKER] = "INSERT INTO worker VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_WORKERS] = "SELECT pid, created, cpu_ms, memory_bytes FROM worker"
                    " WHERE command = ?1 AND after = ?2 ORDER BY place",
    [SQL_PRUNE] = "DELETE FROM worker WHERE command IN (SELECT id FROM command"
                  " WHERE acknowledged = 1 AND id <= (SELECT max(id) FROM command) - ?1)",
    [SQL_ROTATION] = "SELECT verb FROM command WHERE verb IN (?1, ?2)"
                     " AND begun_wall_ms IS NOT NULL ORDER BY id DESC LIMIT 1",
    [SQL_ADD_AUDIT] = "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
                      " ?13)",
    /* The end: of the rows, or where none is left, of what the anchor stands for. */
    [SQL_LAST_AUDIT] = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0),"
                       " coalesce((SELECT hash FROM audit ORDER BY id DESC LIMIT 1),"
                       " (SELECT hash FROM audit_anchor))",
    [SQL_AUDIT] =
        "SELECT id, at_ms, fence, instance, seq, run, verb, pool, actor, reason, decision,"
        " detail, hash FROM audit WHERE id > ?1 ORDER BY id",
    [SQL_ANCHOR] = "SELECT id, hash FROM audit_anchor",
    [SQL_MOVE_ANCHOR] = "UPDATE audit_anchor SET (id, hash) ="
                        " (SELECT id, hash FROM audit WHERE id = ?1)",
    [SQL_PRUNE_AUDIT] = "DELETE FROM audit WHERE id <= ?1",
};

/* ---- life ---- */

static enum error_code make_self(struct journal *j, struct error *err)
{
    uint8_t incarnation[16];
    enum error_code code = os_random(incarnation, sizeof(incarnation), err);
    if (code != ERR_NONE)
        return code;
    db_bind_blob(j->db, SQL_MAKE_SELF, 1, incarnation, sizeof(incarnation));
    return db_run(j->db, SQL_MAKE_SELF, err);
}

static enum error_code open_db(const char *path, const char *vfs, bool only_read, struct journal *j,
                               struct error *err)
{
    const struct db_spec spec = {
        .path = path,
        .any_tables = only_read, /* its trail is judged by its hashes */
        .only_read = only_read,
        .migrations = migrations,
        .migration_count = sizeof(migrations) / sizeof(migrations[0]),
        .statements = statements,
        .statement_count = sizeof(statements) / sizeof(statements[0]),
        .full_sync = true,
        .vfs = vfs,
    };
    return db_open(&spec, &j->db, err);
}

enum error_code journal_open(const char *path, const char *vfs, struct journal **out,
                             struct error *err)
{
    struct journal *j = must_alloc(1, sizeof(*j));
    enum error_code code = open_db(path, vfs, false, j, err);
    if (code == ERR_NONE)
        code = make_self(j, err);
    if (code != ERR_NONE) {
        journal_close(j);
        return code;
    }
    *out = j;
    return ERR_NONE;
}

enum error_code journal_open_to_read(const char *path, struct journal **out, struct error *err)
{
    struct journal *j = must_alloc(1, sizeof(*j));
    enum error_code code = open_db(path, NULL, true, j, err);
    if (code != ERR_NONE)
        journal_close(j);
    else
        *out = j;
    return code;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    db_close(j->db);
    free(j);
}

/* ---- numbers and ids ---- */

static void bind(struct journal *j, int statement, int at, uint64_t value)
{
    db_bind_int(j->db, statement, at, (int64_t)value);
}

static uint64_t column(struct journal *j, int statement, int at)
{
    return (uint64_t)db_int(j->db, statement, at);
}

static void bind_id(struct journal *j, int statement, const struct command_id *id)
{
    bind(j, statement, 1, id->fence.number);
    db_bind_blob(j->db, statement, 2, id->fence.instance.bytes, sizeof(id->fence.instance.bytes));
    bind(j, statement, 3, id->seq);
}

static void column_wire_id(struct journal *j, int statement, int at, struct wire_id *out)
{
    size_t len = 0;
    const void *bytes = db_blob(j->db, statement, at, &len);
    memset(out, 0, sizeof(*out));
    if (bytes && len == sizeof(out->bytes))
        memcpy(out->bytes, bytes, len);
}

/* ---- writing ---- */

static void bind_record(struct journal *j, const struct record *r, int64_t wall_ms)
{
    bind_id(j, SQL_PUT, &r->id);
    db_bind_int(j->db, SQL_PUT, 4, r->verb);
    db_bind_text(j->db, SQL_PUT, 5, r->pool);
    db_bind_int(j->db, SQL_PUT, 6, r->keep_autostart);
    db_bind_int(j->db, SQL_PUT, 7, r->start_idle);
    db_bind_int(j->db, SQL_PUT, 8, r->probe);
    bind(j, SQL_PUT, 9, r->limit_ms);
    bind(j, SQL_PUT, 10, r->run);
    db_bind_text(j->db, SQL_PUT, 11, r->actor);
    db_bind_text(j->db, SQL_PUT, 12, r->reason);
    db_bind_int(j->db, SQL_PUT, 13, r->state);
    db_bind_int(j->db, SQL_PUT, 14, r->acknowledged);
    db_bind_int(j->db, SQL_PUT, 15, r->outcome);
    db_bind_int(j->db, SQL_PUT, 16, r->cause);
    db_bind_text(j->db, SQL_PUT, 17, r->detail);
    bind(j, SQL_PUT, 18, r->elapsed_ms);
    db_bind_int(j->db, SQL_PUT, 19, r->baseline_gone);
    db_bind_int(j->db, SQL_PUT, 20, r->orphaned);
    db_bind_int(j->db, SQL_PUT, 21, r->probed);
    db_bind_int(j->db, SQL_PUT, 22, r->probe_status);
    db_bind_int(j->db, SQL_PUT, 23, r->probe_ms);
    db_bind_int(j->db, SQL_PUT, 24, r->gap_ms);
    db_bind_int(j->db, SQL_PUT, 25, r->enable);
    db_bind_int(j->db, SQL_PUT, 26, r->force);
    db_bind_int(j->db, SQL_PUT, 27, r->worker_pid);
    bind(j, SQL_PUT, 28, r->worker_created);
    db_bind_text(j->db, SQL_PUT, 29, r->services);
    db_bind_int(j->db, SQL_PUT, 30, r->former);
    db_bind_text(j->db, SQL_PUT, 31, r->settings);
    db_bind_text(j->db, SQL_PUT, 32, r->former_settings);
    db_bind_text(j->db, SQL_PUT, 33, r->findings);
    db_bind_int(j->db, SQL_PUT, 34, r->stops);
    db_bind_int(j->db, SQL_PUT, 35, wall_ms);
}

static enum error_code put_workers(struct journal *j, int64_t command, int after,
                                   const struct record_workers *list, struct error *err)
{
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < list->count && code == ERR_NONE; i++) {
        db_bind_int(j->db, SQL_ADD_WORKER, 1, command);
        db_bind_int(j->db, SQL_ADD_WORKER, 2, after);
        db_bind_int(j->db, SQL_ADD_WORKER, 3, (int64_t)i);
        db_bind_int(j->db, SQL_ADD_WORKER, 4, list->items[i].pid);
        bind(j, SQL_ADD_WORKER, 5, list->items[i].created);
        bind(j, SQL_ADD_WORKER, 6, list->items[i].cpu_ms);
        bind(j, SQL_ADD_WORKER, 7, list->items[i].memory_bytes);
        code = db_run(j->db, SQL_ADD_WORKER, err);
    }
    return code;
}

static enum error_code command_row(struct journal *j, const struct command_id *id, int64_t *out,
                                   struct error *err)
{
    bool got = false;
    bind_id(j, SQL_ID, id);
    enum error_code code = db_row(j->db, SQL_ID, &got, err);
    if (code != ERR_NONE || !got)
        return code != ERR_NONE ? code : error_set(err, ERR_NOT_FOUND, "no such command");
    *out = db_int(j->db, SQL_ID, 0);
    db_reset(j->db, SQL_ID);
    return ERR_NONE;
}

static enum error_code write_last(struct journal *j, const struct command_id *id, struct error *err)
{
    bool got = false;
    enum error_code code = db_row(j->db, SQL_SELF, &got, err);
    if (code != ERR_NONE)
        return code;
    bool grows = got && id->seq > column(j, SQL_SELF, 4);
    db_reset(j->db, SQL_SELF);
    if (!grows)
        return ERR_NONE;
    bind_id(j, SQL_LAST, id);
    return db_run(j->db, SQL_LAST, err);
}

static enum error_code write_record(struct journal *j, const struct record *record, int64_t wall_ms,
                                    struct error *err)
{
    int64_t row = 0;
    bind_record(j, record, wall_ms);
    enum error_code code = db_run(j->db, SQL_PUT, err);
    if (code == ERR_NONE)
        code = command_row(j, &record->id, &row, err);
    if (code == ERR_NONE) {
        db_bind_int(j->db, SQL_NO_WORKERS, 1, row);
        code = db_run(j->db, SQL_NO_WORKERS, err);
    }
    if (code == ERR_NONE)
        code = put_workers(j, row, 0, &record->before, err);
    if (code == ERR_NONE)
        code = put_workers(j, row, 1, &record->after, err);
    return code == ERR_NONE ? write_last(j, &record->id, err) : code;
}

static enum error_code write_fence(struct journal *j, const struct fence *fence, struct error *err)
{
    bind(j, SQL_FENCE, 1, fence->number);
    db_bind_blob(j->db, SQL_FENCE, 2, fence->instance.bytes, sizeof(fence->instance.bytes));
    return db_run(j->db, SQL_FENCE, err);
}

static enum error_code write_one(struct journal *j, const struct journal_write *write,
                                 int64_t wall_ms, struct error *err)
{
    switch (write->kind) {
    case JOURNAL_FENCE:
        return write_fence(j, &write->fence, err);
    case JOURNAL_LAST:
        return write_last(j, &write->id, err);
    case JOURNAL_RECEIVED:
    case JOURNAL_BEGUN:
    case JOURNAL_ENDED:
        return write_record(j, write->record, wall_ms, err);
    case JOURNAL_NOTED:
        return ERR_NONE; /* its row of the audit trail is all */
    case JOURNAL_HEALTHY:
        db_bind_text(j->db, SQL_HEALTHY, 1, write->healthy);
        return db_run(j->db, SQL_HEALTHY, err);
    case JOURNAL_ACKNOWLEDGED:
        bind_id(j, SQL_ACKNOWLEDGE, &write->id);
        return db_run(j->db, SQL_ACKNOWLEDGE, err);
    }
    return error_set(err, ERR_INVALID, "the journal does not know such a write");
}

enum error_code journal_write(struct journal *j, const struct journal_write *write, int64_t wall_ms,
                              struct error *err)
{
    /* Lost with the power, its result is sent once more, and acknowledged again. */
    bool may_be_lost = write->kind == JOURNAL_ACKNOWLEDGED;
    enum error_code code = db_sync(j->db, !may_be_lost, err);
    if (code == ERR_NONE)
        code = db_begin(j->db, err);
    if (code != ERR_NONE)
        return code;
    code = write_one(j, write, wall_ms, err);
    if (code == ERR_NONE)
        code = journal_audit(j, write, wall_ms, err);
    if (code == ERR_NONE)
        return db_commit(j->db, err);
    db_rollback(j->db);
    return code;
}

/* ---- reading ---- */

static struct record *record_of_row(struct journal *j, int statement, int64_t *row)
{
    struct command empty = {.pool = "", .actor = "", .reason = ""};
    struct record *r = record_new(&empty);
    r->id.fence.number = column(j, statement, 0);
    column_wire_id(j, statement, 1, &r->id.fence.instance);
    r->id.seq = column(j, statement, 2);
    r->verb = (enum verb)db_int(j->db, statement, 3);
    text_copy(r->pool, sizeof(r->pool), db_text(j->db, statement, 4));
    r->keep_autostart = db_int(j->db, statement, 5) != 0;
    r->start_idle = db_int(j->db, statement, 6) != 0;
    r->probe = db_int(j->db, statement, 7) != 0;
    r->limit_ms = column(j, statement, 8);
    r->run = column(j, statement, 9);
    text_copy(r->actor, sizeof(r->actor), db_text(j->db, statement, 10));
    text_copy(r->reason, sizeof(r->reason), db_text(j->db, statement, 11));
    r->state = (enum record_state)db_int(j->db, statement, 12);
    r->acknowledged = db_int(j->db, statement, 13) != 0;
    r->outcome = (enum outcome)db_int(j->db, statement, 14);
    r->cause = (enum cause)db_int(j->db, statement, 15);
    text_copy(r->detail, sizeof(r->detail), db_text(j->db, statement, 16));
    r->elapsed_ms = column(j, statement, 17);
    r->baseline_gone = db_int(j->db, statement, 18) != 0;
    r->orphaned = db_int(j->db, statement, 19) != 0;
    r->probed = db_int(j->db, statement, 20) != 0;
    r->probe_status = (int32_t)db_int(j->db, statement, 21);
    r->probe_ms = (uint32_t)db_int(j->db, statement, 22);
    r->gap_ms = (uint32_t)db_int(j->db, statement, 23);
    r->enable = db_int(j->db, statement, 24) != 0;
    r->force = db_int(j->db, statement, 25) != 0;
    r->worker_pid = (uint32_t)db_int(j->db, statement, 26);
    r->worker_created = column(j, statement, 27);
    text_copy(r->services, sizeof(r->services), db_text(j->db, statement, 28));
    r->former = (enum service_start)db_int(j->db, statement, 29);
    text_copy(r->settings, sizeof(r->settings), db_text(j->db, statement, 30));
    text_copy(r->former_settings, sizeof(r->former_settings), db_text(j->db, statement, 31));
    text_copy(r->findings, sizeof(r->findings), db_text(j->db, statement, 32));
    r->stops = db_int(j->db, statement, 33) != 0;
    record_tell_findings(r);
    *row = db_int(j->db, statement, COLUMN_COUNT);
    return r;
}

static enum error_code read_workers(struct journal *j, int64_t row, int after,
                                    struct record *record, struct record_workers *list,
                                    struct error *err)
{
    struct worker *workers = NULL;
    size_t count = 0;
    bool got = true;
    db_bind_int(j->db, SQL_WORKERS, 1, row);
    db_bind_int(j->db, SQL_WORKERS, 2, after);
    enum error_code code = db_row(j->db, SQL_WORKERS, &got, err);
    while (code == ERR_NONE && got) {
        workers = must_realloc(workers, count + 1, sizeof(*workers));
        workers[count++] = (struct worker){.pool = record->pool,
                                           .pid = (uint32_t)db_int(j->db, SQL_WORKERS, 0),
                                           .created = column(j, SQL_WORKERS, 1),
                                           .cpu_ms = column(j, SQL_WORKERS, 2),
                                           .memory_bytes = column(j, SQL_WORKERS, 3)};
        code = db_row(j->db, SQL_WORKERS, &got, err);
    }
    if (code == ERR_NONE)
        record_set_workers(record, list, workers, count);
    free(workers);
    return code;
}

static enum error_code read_proof(struct journal *j, int64_t row, struct record *record,
                                  struct error *err)
{
    enum error_code code = read_workers(j, row, 0, record, &record->before, err);
    return code == ERR_NONE ? read_workers(j, row, 1, record, &record->after, err) : code;
}

enum error_code journal_find(struct journal *j, const struct command_id *id, struct record **out,
                             struct error *err)
{
    bool got = false;
    int64_t row = 0;
    bind_id(j, SQL_FIND, id);
    enum error_code code = db_row(j->db, SQL_FIND, &got, err);
    if (code != ERR_NONE)
        return code;
    struct record *record = got ? record_of_row(j, SQL_FIND, &row) : NULL;
    if (got)
        db_reset(j->db, SQL_FIND);
    if (record)
        code = read_proof(j, row, record, err);
    if (code != ERR_NONE) {
        record_free(record);
        return code;
    }
    *out = record;
    return ERR_NONE;
}

/* ---- start ---- */

static void remember(struct agent_memory *memory, struct record *record)
{
    bool ended = record->state == RECORD_ENDED;
    struct record ***list = ended ? &memory->unacknowledged : &memory->open;
    size_t *count = ended ? &memory->unacknowledged_count : &memory->open_count;
    *list = must_realloc(*list, *count + 1, sizeof(**list));
    (*list)[(*count)++] = record;
}

/* Rows first, proofs after, since one statement at a time is being read. */
static enum error_code load_records(struct journal *j, struct agent_memory *memory,
                                    struct error *err)
{
    struct record **records = NULL;
    int64_t *rows = NULL;
    size_t count = 0;
    bool got = true;
    enum error_code code = db_row(j->db, SQL_OPEN, &got, err);
    while (code == ERR_NONE && got) {
        records = must_realloc(records, count + 1, sizeof(struct record *));
        rows = must_realloc(rows, count + 1, sizeof(*rows));
        records[count] = record_of_row(j, SQL_OPEN, &rows[count]);
        count++;
        code = db_row(j->db, SQL_OPEN, &got, err);
    }
    for (size_t i = 0; i < count; i++) {
        if (code == ERR_NONE)
            code = read_proof(j, rows[i], records[i], err);
        remember(memory, records[i]);
    }
    free(records);
    free(rows);
    return code;
}

static enum error_code load_acts(struct journal *j, int64_t wall_ms, uint64_t within_ms,
                                 struct agent_memory *memory, struct error *err)
{
    struct veto_act *acts = NULL;
    bool got = true;
    db_bind_int(j->db, SQL_ACTS, 1, wall_ms - (int64_t)within_ms);
    enum error_code code = db_row(j->db, SQL_ACTS, &got, err);
    while (code == ERR_NONE && got) {
        int64_t age_ms = wall_ms - db_int(j->db, SQL_ACTS, 2);
        enum verb verb = (enum verb)db_int(j->db, SQL_ACTS, 0);
        if (verb_is_disruptive(verb) && !verb_is_of_rotation(verb)) {
            acts = must_realloc(acts, memory->act_count + 1, sizeof(*acts));
            struct veto_act *act = &acts[memory->act_count++];
            text_copy(act->pool, sizeof(act->pool), db_text(j->db, SQL_ACTS, 1));
            act->age_ms = age_ms > 0 ? (uint64_t)age_ms : 0; /* the clock may have jumped back */
        }
        code = db_row(j->db, SQL_ACTS, &got, err);
    }
    memory->acts = acts;
    return code;
}

static enum error_code load_self(struct journal *j, struct agent_memory *memory, struct error *err)
{
    bool got = false;
    enum error_code code = db_row(j->db, SQL_SELF, &got, err);
    if (code != ERR_NONE)
        return code;
    if (!got)
        return error_set(err, ERR_CORRUPT,
                         "the journal has lost its own description: move it "
                         "away, the agent then starts with a new one");
    column_wire_id(j, SQL_SELF, 0, &memory->incarnation);
    memory->start_no = column(j, SQL_SELF, 1);
    memory->fence.number = column(j, SQL_SELF, 2);
    column_wire_id(j, SQL_SELF, 3, &memory->fence.instance);
    memory->last = (struct command_id){.fence = memory->fence, .seq = column(j, SQL_SELF, 4)};
    text_copy(memory->healthy, sizeof(memory->healthy), db_text(j->db, SQL_SELF, 5));
    db_reset(j->db, SQL_SELF);
    return ERR_NONE;
}

static enum error_code load_rotation(struct journal *j, struct agent_memory *memory,
                                     struct error *err)
{
    bool got = false;
    db_bind_int(j->db, SQL_ROTATION, 1, VERB_DRAIN);
    db_bind_int(j->db, SQL_ROTATION, 2, VERB_READY);
    enum error_code code = db_row(j->db, SQL_ROTATION, &got, err);
    memory->drained = got && db_int(j->db, SQL_ROTATION, 0) == VERB_DRAIN;
    if (got)
        db_reset(j->db, SQL_ROTATION);
    return code;
}

static enum error_code load_kept(struct journal *j, struct agent_memory *memory, struct error *err)
{
    bool got = false;
    enum error_code code = db_row(j->db, SQL_KEPT, &got, err);
    if (code != ERR_NONE || !got)
        return code;
    if (db_int(j->db, SQL_KEPT, 0) == VERB_SERVICE_STOP) {
        memory->kept = (enum service_start)db_int(j->db, SQL_KEPT, 1);
        text_format(memory->kept_by, sizeof(memory->kept_by), "%s (%.700s)",
                    db_text(j->db, SQL_KEPT, 2), db_text(j->db, SQL_KEPT, 3));
    }
    db_reset(j->db, SQL_KEPT);
    return ERR_NONE;
}

static enum error_code count_start(struct journal *j, struct error *err)
{
    enum error_code code = db_begin(j->db, err);
    if (code != ERR_NONE)
        return code;
    db_bind_int(j->db, SQL_PRUNE, 1, JOURNAL_PROOFS);
    code = db_run(j->db, SQL_PRUNE, err);
    if (code == ERR_NONE)
        code = db_run(j->db, SQL_COUNT_START, err);
    if (code == ERR_NONE)
        return db_commit(j->db, err);
    db_rollback(j->db);
    return code;
}

enum error_code journal_start(struct journal *j, int64_t wall_ms, uint64_t acts_within_ms,
                              struct agent_memory *out, struct error *err)
{
    struct agent_memory memory = {0};
    enum error_code code = count_start(j, err);
    if (code == ERR_NONE)
        code = load_self(j, &memory, err);
    if (code == ERR_NONE)
        code = load_kept(j, &memory, err);
    if (code == ERR_NONE)
        code = load_records(j, &memory, err);
    if (code == ERR_NONE)
        code = load_acts(j, wall_ms, acts_within_ms, &memory, err);
    if (code == ERR_NONE)
        code = load_rotation(j, &memory, err);
    if (code != ERR_NONE) {
        journal_memory_reset(&memory);
        return code;
    }
    *out = memory;
    return ERR_NONE;
}

void journal_memory_reset(struct agent_memory *memory)
{
    for (size_t i = 0; i < memory->open_count; i++)
        record_free(memory->open[i]);
    for (size_t i = 0; i < memory->unacknowledged_count; i++)
        record_free(memory->unacknowledged[i]);
    free(memory->open);
    free(memory->unacknowledged);
    free((void *)memory->acts);
    *memory = (struct agent_memory){0};
}

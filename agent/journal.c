/* journal.c - see journal.h. Its tables and statements, and all but the records of commands. */
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

void journal_bind(struct journal *j, int statement, int at, uint64_t value)
{
    db_bind_int(j->db, statement, at, (int64_t)value);
}

uint64_t journal_number(struct journal *j, int statement, int at)
{
    return (uint64_t)db_int(j->db, statement, at);
}

void journal_bind_id(struct journal *j, int statement, const struct command_id *id)
{
    journal_bind(j, statement, 1, id->fence.number);
    db_bind_blob(j->db, statement, 2, id->fence.instance.bytes, sizeof(id->fence.instance.bytes));
    journal_bind(j, statement, 3, id->seq);
}

void journal_wire_id(struct journal *j, int statement, int at, struct wire_id *out)
{
    size_t len = 0;
    const void *bytes = db_blob(j->db, statement, at, &len);
    memset(out, 0, sizeof(*out));
    if (bytes && len == sizeof(out->bytes))
        memcpy(out->bytes, bytes, len);
}

/* ---- writing ---- */

static enum error_code write_last(struct journal *j, const struct command_id *id, struct error *err)
{
    bool got = false;
    enum error_code code = db_row(j->db, SQL_SELF, &got, err);
    if (code != ERR_NONE)
        return code;
    bool grows = got && id->seq > journal_number(j, SQL_SELF, 4);
    db_reset(j->db, SQL_SELF);
    if (!grows)
        return ERR_NONE;
    journal_bind_id(j, SQL_LAST, id);
    return db_run(j->db, SQL_LAST, err);
}

static enum error_code write_fence(struct journal *j, const struct fence *fence, struct error *err)
{
    journal_bind(j, SQL_FENCE, 1, fence->number);
    db_bind_blob(j->db, SQL_FENCE, 2, fence->instance.bytes, sizeof(fence->instance.bytes));
    return db_run(j->db, SQL_FENCE, err);
}

static enum error_code write_one(struct journal *j, const struct journal_write *write,
                                 int64_t wall_ms, struct error *err)
{
    enum error_code code;
    switch (write->kind) {
    case JOURNAL_FENCE:
        return write_fence(j, &write->fence, err);
    case JOURNAL_LAST:
        return write_last(j, &write->id, err);
    case JOURNAL_RECEIVED:
    case JOURNAL_BEGUN:
    case JOURNAL_ENDED:
        code = journal_write_record(j, write->record, wall_ms, err);
        return code == ERR_NONE ? write_last(j, &write->record->id, err) : code;
    case JOURNAL_NOTED:
        return ERR_NONE; /* its row of the audit trail is all */
    case JOURNAL_HEALTHY:
        db_bind_text(j->db, SQL_HEALTHY, 1, write->healthy);
        return db_run(j->db, SQL_HEALTHY, err);
    case JOURNAL_ACKNOWLEDGED:
        journal_bind_id(j, SQL_ACKNOWLEDGE, &write->id);
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

/* ---- start ---- */

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
    journal_wire_id(j, SQL_SELF, 0, &memory->incarnation);
    memory->start_no = journal_number(j, SQL_SELF, 1);
    memory->fence.number = journal_number(j, SQL_SELF, 2);
    journal_wire_id(j, SQL_SELF, 3, &memory->fence.instance);
    memory->last =
        (struct command_id){.fence = memory->fence, .seq = journal_number(j, SQL_SELF, 4)};
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
        code = journal_load_records(j, &memory, err);
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

/* journal_record.c - records of commands, as rows of the journal: written, found, loaded. Columns
 * are bound and read in the order of JOURNAL_COLUMNS. See journal.h. */
#include "agent/journal_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>

/* ---- writing ---- */

static void bind_record(struct journal *j, const struct record *r, int64_t wall_ms)
{
    journal_bind_id(j, SQL_PUT, &r->id);
    db_bind_int(j->db, SQL_PUT, 4, r->verb);
    db_bind_text(j->db, SQL_PUT, 5, r->pool);
    db_bind_int(j->db, SQL_PUT, 6, r->keep_autostart);
    db_bind_int(j->db, SQL_PUT, 7, r->start_idle);
    db_bind_int(j->db, SQL_PUT, 8, r->probe);
    journal_bind(j, SQL_PUT, 9, r->limit_ms);
    journal_bind(j, SQL_PUT, 10, r->run);
    db_bind_text(j->db, SQL_PUT, 11, r->actor);
    db_bind_text(j->db, SQL_PUT, 12, r->reason);
    db_bind_int(j->db, SQL_PUT, 13, r->state);
    db_bind_int(j->db, SQL_PUT, 14, r->acknowledged);
    db_bind_int(j->db, SQL_PUT, 15, r->outcome);
    db_bind_int(j->db, SQL_PUT, 16, r->cause);
    db_bind_text(j->db, SQL_PUT, 17, r->detail);
    journal_bind(j, SQL_PUT, 18, r->elapsed_ms);
    db_bind_int(j->db, SQL_PUT, 19, r->baseline_gone);
    db_bind_int(j->db, SQL_PUT, 20, r->orphaned);
    db_bind_int(j->db, SQL_PUT, 21, r->probed);
    db_bind_int(j->db, SQL_PUT, 22, r->probe_status);
    db_bind_int(j->db, SQL_PUT, 23, r->probe_ms);
    db_bind_int(j->db, SQL_PUT, 24, r->gap_ms);
    db_bind_int(j->db, SQL_PUT, 25, r->enable);
    db_bind_int(j->db, SQL_PUT, 26, r->force);
    db_bind_int(j->db, SQL_PUT, 27, r->worker_pid);
    journal_bind(j, SQL_PUT, 28, r->worker_created);
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
        journal_bind(j, SQL_ADD_WORKER, 5, list->items[i].created);
        journal_bind(j, SQL_ADD_WORKER, 6, list->items[i].cpu_ms);
        journal_bind(j, SQL_ADD_WORKER, 7, list->items[i].memory_bytes);
        code = db_run(j->db, SQL_ADD_WORKER, err);
    }
    return code;
}

static enum error_code command_row(struct journal *j, const struct command_id *id, int64_t *out,
                                   struct error *err)
{
    bool got = false;
    journal_bind_id(j, SQL_ID, id);
    enum error_code code = db_row(j->db, SQL_ID, &got, err);
    if (code != ERR_NONE || !got)
        return code != ERR_NONE ? code : error_set(err, ERR_NOT_FOUND, "no such command");
    *out = db_int(j->db, SQL_ID, 0);
    db_reset(j->db, SQL_ID);
    return ERR_NONE;
}

enum error_code journal_write_record(struct journal *j, const struct record *record,
                                     int64_t wall_ms, struct error *err)
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
    return code;
}

/* ---- reading ---- */

static struct record *record_of_row(struct journal *j, int statement, int64_t *row)
{
    struct command empty = {.pool = "", .actor = "", .reason = ""};
    struct record *r = record_new(&empty);
    r->id.fence.number = journal_number(j, statement, 0);
    journal_wire_id(j, statement, 1, &r->id.fence.instance);
    r->id.seq = journal_number(j, statement, 2);
    r->verb = (enum verb)db_int(j->db, statement, 3);
    text_copy(r->pool, sizeof(r->pool), db_text(j->db, statement, 4));
    r->keep_autostart = db_int(j->db, statement, 5) != 0;
    r->start_idle = db_int(j->db, statement, 6) != 0;
    r->probe = db_int(j->db, statement, 7) != 0;
    r->limit_ms = journal_number(j, statement, 8);
    r->run = journal_number(j, statement, 9);
    text_copy(r->actor, sizeof(r->actor), db_text(j->db, statement, 10));
    text_copy(r->reason, sizeof(r->reason), db_text(j->db, statement, 11));
    r->state = (enum record_state)db_int(j->db, statement, 12);
    r->acknowledged = db_int(j->db, statement, 13) != 0;
    r->outcome = (enum outcome)db_int(j->db, statement, 14);
    r->cause = (enum cause)db_int(j->db, statement, 15);
    text_copy(r->detail, sizeof(r->detail), db_text(j->db, statement, 16));
    r->elapsed_ms = journal_number(j, statement, 17);
    r->baseline_gone = db_int(j->db, statement, 18) != 0;
    r->orphaned = db_int(j->db, statement, 19) != 0;
    r->probed = db_int(j->db, statement, 20) != 0;
    r->probe_status = (int32_t)db_int(j->db, statement, 21);
    r->probe_ms = (uint32_t)db_int(j->db, statement, 22);
    r->gap_ms = (uint32_t)db_int(j->db, statement, 23);
    r->enable = db_int(j->db, statement, 24) != 0;
    r->force = db_int(j->db, statement, 25) != 0;
    r->worker_pid = (uint32_t)db_int(j->db, statement, 26);
    r->worker_created = journal_number(j, statement, 27);
    text_copy(r->services, sizeof(r->services), db_text(j->db, statement, 28));
    r->former = (enum service_start)db_int(j->db, statement, 29);
    text_copy(r->settings, sizeof(r->settings), db_text(j->db, statement, 30));
    text_copy(r->former_settings, sizeof(r->former_settings), db_text(j->db, statement, 31));
    text_copy(r->findings, sizeof(r->findings), db_text(j->db, statement, 32));
    r->stops = db_int(j->db, statement, 33) != 0;
    record_tell_findings(r);
    *row = db_int(j->db, statement, JOURNAL_COLUMN_COUNT);
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
                                           .created = journal_number(j, SQL_WORKERS, 1),
                                           .cpu_ms = journal_number(j, SQL_WORKERS, 2),
                                           .memory_bytes = journal_number(j, SQL_WORKERS, 3)};
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
    journal_bind_id(j, SQL_FIND, id);
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

/* ---- loading ---- */

static void remember(struct agent_memory *memory, struct record *record)
{
    bool ended = record->state == RECORD_ENDED;
    struct record ***list = ended ? &memory->unacknowledged : &memory->open;
    size_t *count = ended ? &memory->unacknowledged_count : &memory->open_count;
    *list = must_realloc(*list, *count + 1, sizeof(**list));
    (*list)[(*count)++] = record;
}

/* Rows first, proofs after, since one statement at a time is being read. */
enum error_code journal_load_records(struct journal *j, struct agent_memory *memory,
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

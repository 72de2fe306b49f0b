/* journal_internal.h - what the files of the journal share; nobody else includes it.
 *
 *   journal.c          tables, statements, life, the transaction of a write, what a start loads
 *   journal_record.c   records of commands as rows
 *   journal_audit.c    the audit trail
 */
#ifndef FARMHAND_AGENT_JOURNAL_INTERNAL_H
#define FARMHAND_AGENT_JOURNAL_INTERNAL_H

#include "agent/journal.h"
#include "common/db.h"

/* Of journal.c, which has their SQL. */
enum statement {
    SQL_MAKE_SELF,
    SQL_COUNT_START,
    SQL_SELF,
    SQL_FENCE,
    SQL_LAST,
    SQL_HEALTHY,
    SQL_KEPT,
    SQL_PUT,
    SQL_ACKNOWLEDGE,
    SQL_ID,
    SQL_FIND,
    SQL_OPEN,
    SQL_ACTS,
    SQL_NO_WORKERS,
    SQL_ADD_WORKER,
    SQL_WORKERS,
    SQL_PRUNE,
    SQL_ROTATION,
    SQL_ADD_AUDIT,
    SQL_LAST_AUDIT,
    SQL_AUDIT,
    SQL_ANCHOR,
    SQL_MOVE_ANCHOR,
    SQL_PRUNE_AUDIT,
};

struct journal {
    struct db *db;
};

/* Of a record: so many are bound and read, in the order that journal.c lists them. A SELECT adds
 * the row's id behind them. */
#define JOURNAL_COLUMN_COUNT 34

/* journal.c: numbers use all 64 bits, SQLite's are signed. Parameters count from 1, columns from 0.
 */
void journal_bind(struct journal *j, int statement, int at, uint64_t value);
uint64_t journal_number(struct journal *j, int statement, int at);
/* The first three parameters. */
void journal_bind_id(struct journal *j, int statement, const struct command_id *id);
void journal_wire_id(struct journal *j, int statement, int at, struct wire_id *out);

/* journal_record.c. Inserts the row with its proof, in the open transaction, or brings what may
 * change of it up to date. */
enum error_code journal_write_record(struct journal *j, const struct record *record,
                                     int64_t wall_ms, struct error *err);
/* Adds every record that was not acknowledged, oldest first: ended ones to `unacknowledged`, the
 * rest to `open`, whose they are then, on failure too. */
enum error_code journal_load_records(struct journal *j, struct agent_memory *memory,
                                     struct error *err);

/* journal_audit.c: the row of the audit trail that the write asks for, in the open transaction. */
enum error_code journal_audit(struct journal *j, const struct journal_write *write, int64_t wall_ms,
                              struct error *err);

#endif

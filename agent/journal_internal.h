/* journal_internal.h - what the files of the journal share; nobody else includes it. */
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

/* journal_audit.c: the row of the audit trail that the write asks for, in the open transaction. */
enum error_code journal_audit(struct journal *j, const struct journal_write *write, int64_t wall_ms,
                              struct error *err);

#endif

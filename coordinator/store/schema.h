/* schema.h - the tables of state.db and every statement that is run on them.
 *
 * A contract: migrations are only ever appended, since files of every older version are out there.
 * Choices are stored as their stable words, times as milliseconds since 1970 UTC (0: not yet),
 * random ids as 16 bytes. Lists that belong to one row and are only read and written with it (the
 * places and workers of a target) are compact JSON in a column: one row per save instead of a
 * hundred, and still readable with any SQLite shell. Names in a lease compare without regard to
 * ASCII case, as Windows compares them, so that no spelling gets past it.
 */
#ifndef FARMHAND_COORDINATOR_SCHEMA_H
#define FARMHAND_COORDINATOR_SCHEMA_H

#include <stddef.h>

extern const char *const schema_migrations[];
extern const size_t schema_migration_count;

enum schema_statement {
    SQL_READ_FENCE,
    SQL_FIRST_FENCE,
    SQL_NEXT_FENCE,
    SQL_SAVE_FREEZE,
    SQL_FREEZE,
    SQL_PROBE,
    SQL_INSERT_RUN,
    SQL_UPDATE_RUN,
    SQL_OPEN_RUNS,
    SQL_ONE_RUN,
    SQL_LIST_RUNS,
    SQL_COUNT_TARGETS,
    SQL_COUNT_STATES,
    SQL_INSERT_TARGET,
    SQL_UPDATE_TARGET,
    SQL_TARGETS,
    SQL_INSERT_STEP,
    SQL_STEPS,
    SQL_INSERT_PLAN,
    SQL_PLAN,
    SQL_LEASE_HOLDER,
    SQL_INSERT_LEASE,
    SQL_MOVE_LEASE,
    SQL_DROP_LEASE,
    SQL_LEASES,
    SQL_INSERT_COMMAND,
    SQL_END_COMMAND,
    SQL_FIND_COMMAND,
    SQL_INSERT_INCIDENT,
    SQL_CLOSE_INCIDENT,
    SQL_PLACES_OF_INCIDENT,
    SQL_OPEN_INCIDENTS,
    SQL_SAVE_INCIDENT,
    SQL_LIST_INCIDENTS,
    SQL_ONE_INCIDENT,
    SQL_INSERT_NOTE,
    SQL_NOTES,
    SQL_RECENT_NOTES,
    SQL_FORGET_EVIDENCE,
    SQL_SAVE_SERVER,
    SQL_DROP_SERVER,
    SQL_SERVERS,
    SQL_SAVE_MAINTENANCE,
    SQL_END_MAINTENANCE,
    SQL_MAINTENANCE,
    SQL_SAVE_KEPT,
    SQL_DROP_KEPT,
    SQL_KEPT,
    SQL_SAVE_FORMER,
    SQL_DROP_FORMER,
    SQL_FORMER,
    SQL_TIMES,
    SQL_RETRY,
    SQL_NEXT_EVENT,
    SQL_RAISE_EVENT,
    SQL_LAST_EVENT,
    SQL_INSERT_OUTBOX,
    SQL_OUTBOX,
    SQL_OUTBOX_DONE,
    SQL_INSERT_NOTICE,
    SQL_NOTICES,
    SQL_ONE_NOTICE,
    SQL_DROP_NOTICE,
    SQL_LAST_NOTICE,
    SQL_INSERT_AUDIT,
    SQL_LAST_AUDIT,
    SQL_AUDIT,
    SQL_SAVE_JOIN_RIGHT,
    SQL_JOIN_RIGHTS,
    SQL_SAVE_MEMBER,
    SQL_MEMBERS,
    SQL_SAVE_JOINING,
    SQL_DROP_JOINING,
    SQL_JOINING,
    SQL_SAVE_OPERATOR,
    SQL_OPERATORS,
    SCHEMA_STATEMENT_COUNT
};

/* SQL by enum schema_statement. */
extern const char *const schema_statements[SCHEMA_STATEMENT_COUNT];

#endif

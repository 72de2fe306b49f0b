/* journal.h - the agent's memory over restarts: who it is, whom it obeys, what it was told to do
 * and what came of it. SQLite through common/db, synced at every write but one: that a result was
 * acknowledged is synced with the next, since after a power cut it is only sent and acknowledged
 * again.
 *
 * A journal has an incarnation, random when the file is made: commands name the one they are meant
 * for, so that what belonged to a lost, cloned or restored journal is not carried out. Each
 * decision leaves a row in its audit trail, in the same transaction. Ids of commands are never
 * deleted: the answer "I never heard of it" has to be true. Only the workers in the proofs of old
 * acknowledged commands go (all but the newest JOURNAL_PROOFS).
 *
 * One thread. Every call blocks on the disk. Errors say what to do.
 */
#ifndef FARMHAND_AGENT_JOURNAL_H
#define FARMHAND_AGENT_JOURNAL_H

#include "agent/agent.h"
#include "agent/audit.h"
#include "common/error.h"

#include <stdint.h>

#define JOURNAL_PROOFS 1000

struct journal;

/* Opens or creates. ERR_NEWER: written by a newer agent, nothing was changed. ERR_CORRUPT,
 * ERR_FULL, ERR_DENIED, ERR_BUSY as db_open says. `vfs`: NULL, or a test's own. */
enum error_code journal_open(const char *path, const char *vfs, struct journal **out,
                             struct error *err);
/* Beside an agent that runs: nothing is made or changed. ERR_NOT_FOUND: there is no journal;
 * ERR_STATE: of an older agent, which has to be started once. */
enum error_code journal_open_to_read(const char *path, struct journal **out, struct error *err);
void journal_close(struct journal *j); /* NULL is fine */

/* Counts one more start of the process, durably, and tells what the agent has to know.
 * `acts_within_ms`: how far back disruptive acts matter. The memory is the caller's:
 * journal_memory_reset frees what agent_new has not taken. */
enum error_code journal_start(struct journal *j, int64_t wall_ms, uint64_t acts_within_ms,
                              struct agent_memory *out, struct error *err);
void journal_memory_reset(struct agent_memory *memory);

/* One transaction, synced when it returns. On failure nothing of it is written. */
enum error_code journal_write(struct journal *j, const struct journal_write *write, int64_t wall_ms,
                              struct error *err);

/* The audit trail (audit.h): where it begins and the highest id ever given; then rows above
 * `after`, oldest first, lent for the call. */
enum error_code journal_audit_ends(struct journal *j, struct audit_anchor *out, uint64_t *last,
                                   struct error *err);
enum error_code journal_audit_rows(struct journal *j, uint64_t after,
                                   void (*each)(void *arg, const struct audit_line *line),
                                   void *arg, struct error *err);

/* *out: the record, record_free it; NULL with ERR_NONE: never heard of. */
enum error_code journal_find(struct journal *j, const struct command_id *id, struct record **out,
                             struct error *err);

#endif

/* journal_audit.c - the audit trail in the journal. See journal.h and audit.h. */
#include "agent/journal_internal.h"

#include "common/text.h"

#include <string.h>

/* ---- reading ---- */

static void take_hash(struct journal *j, int statement, int at, char out[SHA256_HEX])
{
    const char *hash = db_text(j->db, statement, at);
    text_copy(out, SHA256_HEX, hash ? hash : "");
}

static enum error_code find_end(struct journal *j, uint64_t *last, char hash[SHA256_HEX],
                                struct error *err)
{
    bool got = false;
    enum error_code code = db_row(j->db, SQL_LAST_AUDIT, &got, err);
    if (code != ERR_NONE)
        return code;
    *last = (uint64_t)db_int(j->db, SQL_LAST_AUDIT, 0);
    take_hash(j, SQL_LAST_AUDIT, 1, hash);
    db_reset(j->db, SQL_LAST_AUDIT);
    return ERR_NONE;
}

static enum error_code find_anchor(struct journal *j, struct audit_anchor *out, struct error *err)
{
    bool got = false;
    enum error_code code = db_row(j->db, SQL_ANCHOR, &got, err);
    if (code == ERR_NONE && !got)
        code = error_set(err, ERR_CORRUPT, "the audit trail has lost its anchor");
    if (code != ERR_NONE)
        return code;
    out->id = (uint64_t)db_int(j->db, SQL_ANCHOR, 0);
    take_hash(j, SQL_ANCHOR, 1, out->hash);
    db_reset(j->db, SQL_ANCHOR);
    return ERR_NONE;
}

enum error_code journal_audit_ends(struct journal *j, struct audit_anchor *out, uint64_t *last,
                                   struct error *err)
{
    char hash[SHA256_HEX];
    enum error_code code = find_anchor(j, out, err);
    return code != ERR_NONE ? code : find_end(j, last, hash, err);
}

static const char *word(struct journal *j, int at)
{
    const char *text = db_text(j->db, SQL_AUDIT, at);
    return text ? text : "";
}

enum error_code journal_audit_rows(struct journal *j, uint64_t after,
                                   void (*each)(void *arg, const struct audit_line *line),
                                   void *arg, struct error *err)
{
    bool got = true;
    db_bind_int(j->db, SQL_AUDIT, 1, after < INT64_MAX ? (int64_t)after : INT64_MAX);
    enum error_code code = db_row(j->db, SQL_AUDIT, &got, err);
    while (code == ERR_NONE && got) {
        const struct audit_line line = {.id = (uint64_t)db_int(j->db, SQL_AUDIT, 0),
                                        .wall_ms = db_int(j->db, SQL_AUDIT, 1),
                                        .fence = (uint64_t)db_int(j->db, SQL_AUDIT, 2),
                                        .instance = word(j, 3),
                                        .seq = (uint64_t)db_int(j->db, SQL_AUDIT, 4),
                                        .run = (uint64_t)db_int(j->db, SQL_AUDIT, 5),
                                        .verb = word(j, 6),
                                        .pool = word(j, 7),
                                        .actor = word(j, 8),
                                        .reason = word(j, 9),
                                        .decision = word(j, 10),
                                        .detail = word(j, 11),
                                        .hash = word(j, 12)};
        each(arg, &line);
        code = db_row(j->db, SQL_AUDIT, &got, err);
    }
    return code;
}

/* ---- writing ---- */

static enum error_code insert(struct journal *j, const struct audit_line *line, struct error *err)
{
    db_bind_int(j->db, SQL_ADD_AUDIT, 1, (int64_t)line->id);
    db_bind_int(j->db, SQL_ADD_AUDIT, 2, line->wall_ms);
    db_bind_int(j->db, SQL_ADD_AUDIT, 3, (int64_t)line->fence);
    db_bind_text(j->db, SQL_ADD_AUDIT, 4, line->instance);
    db_bind_int(j->db, SQL_ADD_AUDIT, 5, (int64_t)line->seq);
    db_bind_int(j->db, SQL_ADD_AUDIT, 6, (int64_t)line->run);
    db_bind_text(j->db, SQL_ADD_AUDIT, 7, line->verb);
    db_bind_text(j->db, SQL_ADD_AUDIT, 8, line->pool);
    db_bind_text(j->db, SQL_ADD_AUDIT, 9, line->actor);
    db_bind_text(j->db, SQL_ADD_AUDIT, 10, line->reason);
    db_bind_text(j->db, SQL_ADD_AUDIT, 11, line->decision);
    db_bind_text(j->db, SQL_ADD_AUDIT, 12, line->detail);
    db_bind_text(j->db, SQL_ADD_AUDIT, 13, line->hash);
    return db_run(j->db, SQL_ADD_AUDIT, err);
}

/* The anchor first: only what it stands for may go. */
static enum error_code prune(struct journal *j, uint64_t last, struct error *err)
{
    struct audit_anchor anchor;
    enum error_code code = find_anchor(j, &anchor, err);
    if (code != ERR_NONE || last - anchor.id < AUDIT_ROWS_KEPT + AUDIT_ROWS_SLACK)
        return code;
    db_bind_int(j->db, SQL_MOVE_ANCHOR, 1, (int64_t)(last - AUDIT_ROWS_KEPT));
    code = db_run(j->db, SQL_MOVE_ANCHOR, err);
    if (code != ERR_NONE)
        return code;
    db_bind_int(j->db, SQL_PRUNE_AUDIT, 1, (int64_t)(last - AUDIT_ROWS_KEPT));
    return db_run(j->db, SQL_PRUNE_AUDIT, err);
}

static enum error_code add(struct journal *j, const struct audit_line *said, struct error *err)
{
    char before[SHA256_HEX], hash[SHA256_HEX];
    struct audit_line line = *said;
    enum error_code code = find_end(j, &line.id, before, err);
    if (code != ERR_NONE)
        return code;
    line.id++;
    audit_line_hash(before, &line, hash);
    line.hash = hash;
    code = insert(j, &line, err);
    return code == ERR_NONE ? prune(j, line.id, err) : code;
}

static enum error_code add_fence(struct journal *j, const struct fence *fence, int64_t wall_ms,
                                 struct error *err)
{
    char instance[2 * sizeof(fence->instance.bytes) + 1];
    text_to_hex(instance, fence->instance.bytes, sizeof(fence->instance.bytes));
    const struct audit_line line = {.wall_ms = wall_ms,
                                    .fence = fence->number,
                                    .instance = instance,
                                    .verb = "",
                                    .pool = "",
                                    .actor = "",
                                    .reason = "",
                                    .decision = "obeys",
                                    .detail = "a coordinator with that fence is in charge"};
    return add(j, &line, err);
}

static const char *decision_on(const struct record *r)
{
    if (r->state == RECORD_BEGUN)
        return "begun";
    return r->state == RECORD_ENDED ? outcome_name(r->outcome) : "told";
}

static enum error_code add_record(struct journal *j, const struct record *r, int64_t wall_ms,
                                  struct error *err)
{
    const struct wire_id *id = &r->id.fence.instance;
    char instance[2 * sizeof(id->bytes) + 1], detail[WIRE_TEXT_MAX + 64];
    bool has_cause = r->state == RECORD_ENDED && r->cause != CAUSE_NONE;
    text_to_hex(instance, id->bytes, sizeof(id->bytes));
    text_format(detail, sizeof(detail), "%s%s%s", has_cause ? cause_name(r->cause) : "",
                has_cause && r->detail[0] ? ": " : "", r->detail);
    const struct audit_line line = {.wall_ms = wall_ms,
                                    .fence = r->id.fence.number,
                                    .instance = instance,
                                    .seq = r->id.seq,
                                    .run = r->run,
                                    .verb = verb_name(r->verb),
                                    .pool = r->pool,
                                    .actor = r->actor,
                                    .reason = r->reason,
                                    .decision = decision_on(r),
                                    .detail = detail};
    return add(j, &line, err);
}

enum error_code journal_audit(struct journal *j, const struct journal_write *write, int64_t wall_ms,
                              struct error *err)
{
    switch (write->kind) {
    case JOURNAL_FENCE:
        return add_fence(j, &write->fence, wall_ms, err);
    case JOURNAL_BEGUN:
    case JOURNAL_ENDED:
    case JOURNAL_NOTED:
        return add_record(j, write->record, wall_ms, err);
    case JOURNAL_LAST:
    case JOURNAL_RECEIVED:
    case JOURNAL_ACKNOWLEDGED:
    case JOURNAL_HEALTHY:
        return ERR_NONE;
    }
    return ERR_NONE;
}

/* store_incident.c - incidents and their stories in the store. See store.h. */
#include "coordinator/store/store_internal.h"

#include "common/text.h"
#include "coordinator/core/words.h"

#include <inttypes.h>
#include <stdlib.h>

/* What changes between its phases; in the order of both statements. */
static void bind_life(struct binding *b, const struct incident *i)
{
    bind_int(b, i->phase_wall_ms);
    bind_int(b, i->acted_wall_ms);
    bind_int(b, i->until_wall_ms);
    bind_bool(b, i->alarmed);
    bind_bool(b, i->aborting);
    bind_text(b, i->approved_by);
    bind_text(b, i->why);
    bind_text(b, incident_guard_name(i->guard));
}

enum error_code store_open_incident(struct store *s, struct incident *incident, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    char *places = places_format(s, incident->places, incident->place_count);
    if (!places)
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_INSERT_INCIDENT);
    bind_text(&b, incident->server);
    bind_text(&b, incident->pool);
    bind_text(&b, incident->kind);
    bind_text(&b, incident->text);
    bind_reference(&b, incident->run);
    bind_text(&b, places);
    bind_int(&b, incident->opened_wall_ms);
    bind_text(&b, incident->rule);
    bind_text(&b, incident_phase_name(incident->phase));
    bind_uint(&b, incident->rung);
    bind_life(&b, incident);
    store_run_write(s, SQL_INSERT_INCIDENT);
    if (!s->first.code)
        incident->id = (uint64_t)db_last_id(s->db);
    free(places);
    return store_tell(s, err);
}

enum error_code store_close_incident(struct store *s, uint64_t id, int64_t wall_ms, const char *how,
                                     struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    char what[48];
    text_format(what, sizeof(what), "an open incident %" PRIu64, id);
    struct binding b = binding_of(s, SQL_CLOSE_INCIDENT);
    bind_uint(&b, id);
    bind_int(&b, wall_ms);
    bind_text(&b, how);
    store_run_one(s, SQL_CLOSE_INCIDENT, what);
    return store_tell(s, err);
}

enum error_code store_save_places(struct store *s, const struct incident *incident,
                                  struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    char what[48];
    char *places = places_format(s, incident->places, incident->place_count);
    if (!places)
        return store_tell(s, err);
    text_format(what, sizeof(what), "an open incident %" PRIu64, incident->id);
    struct binding b = binding_of(s, SQL_PLACES_OF_INCIDENT);
    bind_uint(&b, incident->id);
    bind_text(&b, places);
    store_run_one(s, SQL_PLACES_OF_INCIDENT, what);
    free(places);
    return store_tell(s, err);
}

enum error_code store_save_incident(struct store *s, const struct incident *incident,
                                    struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    char what[48];
    text_format(what, sizeof(what), "an open incident %" PRIu64, incident->id);
    struct binding b = binding_of(s, SQL_SAVE_INCIDENT);
    bind_uint(&b, incident->id);
    bind_reference(&b, incident->run);
    bind_text(&b, incident_phase_name(incident->phase));
    bind_uint(&b, incident->rung);
    bind_life(&b, incident);
    store_run_one(s, SQL_SAVE_INCIDENT, what);
    return store_tell(s, err);
}

static void read_incident(struct row *r, struct incident *i)
{
    i->id = row_uint(r, "id", INT64_MAX);
    r->id = i->id;
    row_text(r, "server", i->server, sizeof(i->server));
    row_text(r, "pool", i->pool, sizeof(i->pool));
    row_text(r, "kind", i->kind, sizeof(i->kind));
    row_text(r, "text", i->text, sizeof(i->text));
    i->run = row_uint(r, "run", INT64_MAX);
    row_places(r, i->places, &i->place_count);
    i->opened_wall_ms = row_int(r);
    i->closed_wall_ms = row_int(r);
    row_text(r, "rule", i->rule, sizeof(i->rule));
    ROW_WORD(r, "phase", incident_phase, &i->phase);
    i->rung = row_u32(r, "rung");
    i->phase_wall_ms = row_int(r);
    i->acted_wall_ms = row_int(r);
    i->until_wall_ms = row_int(r);
    i->alarmed = row_bool(r, "alarmed");
    i->aborting = row_bool(r, "aborting");
    row_text(r, "approved_by", i->approved_by, sizeof(i->approved_by));
    row_text(r, "why", i->why, sizeof(i->why));
    ROW_WORD(r, "guard", incident_guard, &i->guard);
}

enum error_code store_load_open_incidents(struct store *s,
                                          void (*each)(void *arg, const struct incident *i),
                                          void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_OPEN_INCIDENTS, "incident", err);
    while (row_next(&r)) {
        struct incident incident = {0};
        read_incident(&r, &incident);
        if (!r.code)
            each(arg, &incident);
    }
    return r.code;
}

static enum error_code each_incident(struct row *r,
                                     void (*each)(void *arg, const struct incident *i), void *arg)
{
    while (row_next(r)) {
        struct incident incident = {0};
        read_incident(r, &incident);
        if (!r->code)
            each(arg, &incident);
    }
    return r->code;
}

enum error_code store_list_incidents(struct store *s, int64_t since_wall_ms, size_t limit,
                                     void (*each)(void *arg, const struct incident *i), void *arg,
                                     struct error *err)
{
    struct row r = row_of(s, SQL_LIST_INCIDENTS, "incident", err);
    db_bind_int(s->db, SQL_LIST_INCIDENTS, 1, since_wall_ms);
    db_bind_uint(s->db, SQL_LIST_INCIDENTS, 2, limit);
    return each_incident(&r, each, arg);
}

static void take_one(void *arg, const struct incident *i)
{
    *(struct incident *)arg = *i;
}

enum error_code store_find_incident(struct store *s, uint64_t id, struct incident *out,
                                    struct error *err)
{
    struct incident found = {0};
    struct row r = row_of(s, SQL_ONE_INCIDENT, "incident", err);
    db_bind_uint(s->db, SQL_ONE_INCIDENT, 1, id);
    enum error_code code = each_incident(&r, take_one, &found);
    if (!code && !found.id)
        return error_set(err, ERR_NOT_FOUND,
                         "no incident %" PRIu64 ": `farmhand incident list` shows their numbers",
                         id);
    if (!code)
        *out = found;
    return code;
}

/* ---- stories ---- */

enum error_code store_add_note(struct store *s, const struct incident_note *note, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_INSERT_NOTE);
    bind_uint(&b, note->incident);
    bind_int(&b, note->wall_ms);
    bind_text(&b, note->kind);
    bind_text(&b, note->text);
    store_run_write(s, SQL_INSERT_NOTE);
    return store_tell(s, err);
}

static void read_note(struct row *r, struct incident_note *note)
{
    note->wall_ms = row_int(r);
    row_text(r, "kind", note->kind, sizeof(note->kind));
    row_text(r, "text", note->text, sizeof(note->text));
}

enum error_code store_load_notes(struct store *s, uint64_t incident,
                                 void (*each)(void *arg, const struct incident_note *note),
                                 void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_NOTES, "note of incident", err);
    db_bind_uint(s->db, SQL_NOTES, 1, incident);
    r.id = incident;
    while (row_next(&r)) {
        struct incident_note note = {.incident = incident};
        read_note(&r, &note);
        if (!r.code)
            each(arg, &note);
    }
    return r.code;
}

enum error_code store_recent_notes(struct store *s, const char *kind, int64_t since_wall_ms,
                                   void (*each)(void *arg, const struct incident *i,
                                                const struct incident_note *note),
                                   void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_RECENT_NOTES, "note of incident", err);
    db_bind_text(s->db, SQL_RECENT_NOTES, 1, kind);
    db_bind_int(s->db, SQL_RECENT_NOTES, 2, since_wall_ms);
    while (row_next(&r)) {
        struct incident incident = {0};
        struct incident_note note = {0};
        read_note(&r, &note);
        read_incident(&r, &incident);
        note.incident = incident.id;
        if (!r.code)
            each(arg, &incident, &note);
    }
    return r.code;
}

#define FORGET_ROWS 1000 /* as many as others can wait for */

enum error_code store_forget_evidence(struct store *s, int64_t before_wall_ms, bool *more,
                                      struct error *err)
{
    *more = false;
    enum error_code code = store_begin(s, err);
    if (code)
        return code;
    struct binding b = binding_of(s, SQL_FORGET_EVIDENCE);
    bind_int(&b, before_wall_ms);
    bind_int(&b, FORGET_ROWS);
    store_run_write(s, SQL_FORGET_EVIDENCE);
    bool again = !s->first.code && db_changes(s->db) == FORGET_ROWS;
    code = store_tell(s, err);
    code = code ? code : store_commit(s, err);
    if (code)
        store_rollback(s);
    else
        *more = again;
    return code;
}

/* history.c - see history.h. */
#include "coordinator/store/history.h"

#include "common/db.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define FORGET_ROWS 1000 /* of each kind, per call */

struct history {
    struct db *db;
    uint64_t watermark; /* committed */
    uint64_t applied;   /* in the transaction that is open */
    bool begun;
    struct error first; /* of this transaction */
};

/* ---- tables; migrations are only ever appended ---- */

static const char *const migrations[] = {
    "CREATE TABLE watermark (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;"
    "INSERT INTO watermark (one, seq) VALUES (1, 0);"
    "CREATE TABLE event ("
    "  seq INTEGER PRIMARY KEY,"
    "  wall_ms INTEGER NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  run INTEGER NOT NULL,"
    "  server TEXT, pool TEXT, actor TEXT, text TEXT, from_word TEXT, to_word TEXT"
    ") STRICT;"
    "CREATE INDEX event_run ON event (run, seq) WHERE run > 0;"
    "CREATE INDEX event_server ON event (server, seq) WHERE server IS NOT NULL;"
    "CREATE TABLE sample ("
    "  wall_ms INTEGER NOT NULL,"
    "  server TEXT NOT NULL,"
    "  cpu_permille INTEGER NOT NULL,"
    "  memory_available INTEGER NOT NULL,"
    "  pools_started INTEGER NOT NULL,"
    "  workers INTEGER NOT NULL,"
    "  PRIMARY KEY (wall_ms, server)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE latest ("
    "  server TEXT PRIMARY KEY,"
    "  wall_ms INTEGER NOT NULL,"
    "  cpu_permille INTEGER NOT NULL,"
    "  memory_available INTEGER NOT NULL,"
    "  pools_started INTEGER NOT NULL,"
    "  workers INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;",
};

enum statement {
    READ_WATERMARK,
    SET_WATERMARK,
    ADD_EVENT,
    ADD_SAMPLE,
    SET_LATEST,
    LATEST,
    EVENTS,
    EVENTS_OF_RUN,
    EVENTS_OF_SERVER,
    EVENTS_OF_BOTH,
    LAST_EVENTS,
    LAST_EVENTS_OF_RUN,
    LAST_EVENTS_OF_SERVER,
    LAST_EVENTS_OF_BOTH,
    FORGET_EVENTS,
    FORGET_SAMPLES,
    STATEMENT_COUNT
};

#define EVENT_COLUMNS  "seq, wall_ms, kind, run, server, pool, actor, text, from_word, to_word"
#define SAMPLE_COLUMNS "server, wall_ms, cpu_permille, memory_available, pools_started, workers"

/* Both give the oldest first: the first ones above ?1, or the last ones. */
#define OF_RUN    " AND run > 0 AND run = ?3"
#define OF_SERVER " AND server = ?4"
#define FIRST(filter)                                                                              \
    "SELECT " EVENT_COLUMNS " FROM event WHERE seq > ?1" filter " ORDER BY seq LIMIT ?2"
#define LAST(filter)                                                                               \
    "SELECT * FROM (SELECT " EVENT_COLUMNS " FROM event WHERE seq > ?1" filter                     \
    " ORDER BY seq DESC LIMIT ?2) ORDER BY seq"

static const char *const statements[STATEMENT_COUNT] = {
    [READ_WATERMARK] = "SELECT seq FROM watermark",
    [SET_WATERMARK] = "UPDATE watermark SET seq = ?1",
    [ADD_EVENT] = "INSERT INTO event (" EVENT_COLUMNS ")"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [ADD_SAMPLE] = "INSERT OR REPLACE INTO sample (" SAMPLE_COLUMNS ")"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SET_LATEST] = "INSERT INTO latest (" SAMPLE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                   " ON CONFLICT (server) DO UPDATE SET wall_ms = ?2, cpu_permille = ?3,"
                   " memory_available = ?4, pools_started = ?5, workers = ?6"
                   " WHERE ?2 >= wall_ms",
    [LATEST] = "SELECT " SAMPLE_COLUMNS " FROM latest ORDER BY server",
    [EVENTS] = FIRST(""),
    [EVENTS_OF_RUN] = FIRST(OF_RUN),
    [EVENTS_OF_SERVER] = FIRST(OF_SERVER),
    [EVENTS_OF_BOTH] = FIRST(OF_RUN OF_SERVER),
    [LAST_EVENTS] = LAST(""),
    [LAST_EVENTS_OF_RUN] = LAST(OF_RUN),
    [LAST_EVENTS_OF_SERVER] = LAST(OF_SERVER),
    [LAST_EVENTS_OF_BOTH] = LAST(OF_RUN OF_SERVER),
    /* Only the oldest are looked at, so that a call is short whether there is much to do or none.
     */
    [FORGET_EVENTS] = "DELETE FROM event WHERE wall_ms < ?1"
                      " AND seq IN (SELECT seq FROM event ORDER BY seq LIMIT ?2)",
    [FORGET_SAMPLES] = "DELETE FROM sample WHERE (wall_ms, server) IN"
                       " (SELECT wall_ms, server FROM sample WHERE wall_ms < ?1"
                       "  ORDER BY wall_ms LIMIT ?2)",
};

/* ---- opening ---- */

static enum error_code read_watermark(struct history *h, struct error *err)
{
    bool got = false;
    enum error_code code = db_row(h->db, READ_WATERMARK, &got, err);
    if (code)
        return code;
    if (!got)
        return error_set(err, ERR_CORRUPT, "the history has lost its watermark");
    h->watermark = db_uint(h->db, READ_WATERMARK, 0);
    db_reset(h->db, READ_WATERMARK);
    return ERR_NONE;
}

enum error_code history_open(const char *path, struct history **out, struct error *err)
{
    struct db_spec file = {
        .path = path,
        .migrations = migrations,
        .migration_count = sizeof(migrations) / sizeof(migrations[0]),
        .statements = statements,
        .statement_count = STATEMENT_COUNT,
        .full_sync = true,
    };
    struct history *h = must_alloc(1, sizeof(*h));
    enum error_code code = db_open(&file, &h->db, err);
    if (!code)
        code = read_watermark(h, err);
    if (code)
        history_close(h);
    else
        *out = h;
    return code;
}

void history_close(struct history *h)
{
    if (!h)
        return;
    db_close(h->db);
    free(h);
}

/* "20261122T201323.123Z": a time that every file system takes in a name. */
static void format_stamp(char out[TEXT_TIME_MAX], int64_t wall_ms)
{
    char time[TEXT_TIME_MAX];
    text_format_time(time, wall_ms);
    size_t len = 0;
    for (const char *c = time; *c; c++)
        if (*c != '-' && *c != ':')
            out[len++] = *c;
    out[len] = '\0';
}

enum error_code history_move_aside(const char *path, int64_t wall_ms,
                                   char out_moved[HISTORY_PATH_MAX], struct error *err)
{
    /* The file last, so that it never stands beside a log that is not its own. */
    static const char *const parts[] = {"-wal", "-shm", ""};
    char stamp[TEXT_TIME_MAX], from[HISTORY_PATH_MAX], to[HISTORY_PATH_MAX];
    format_stamp(stamp, wall_ms);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!text_format(from, sizeof(from), "%s%s", path, parts[i]) ||
            !text_format(to, sizeof(to), "%s.damaged-%s%s", path, stamp, parts[i]))
            return error_set(err, ERR_INVALID, "%s: the path is too long", path);
        enum error_code code = os_move_file(from, to, err);
        if (code && code != ERR_NOT_FOUND)
            return code;
    }
    text_copy(out_moved, HISTORY_PATH_MAX, to);
    return ERR_NONE;
}

uint64_t history_watermark(const struct history *h)
{
    return h->watermark;
}

/* ---- writing ---- */

static enum error_code tell(const struct history *h, struct error *err)
{
    if (h->first.code && err)
        *err = h->first;
    return h->first.code;
}

enum error_code history_begin(struct history *h, struct error *err)
{
    must(!db_in_transaction(h->db));
    h->begun = true;
    h->first.code = ERR_NONE;
    h->applied = h->watermark;
    db_begin(h->db, &h->first);
    return tell(h, err);
}

enum error_code history_add_event(struct history *h, const struct event *event, struct error *err)
{
    must(h->begun);
    if (h->first.code || event->seq <= h->applied)
        return tell(h, err);
    struct db *db = h->db;
    db_bind_uint(db, ADD_EVENT, 1, event->seq);
    db_bind_int(db, ADD_EVENT, 2, event->wall_ms);
    db_bind_text(db, ADD_EVENT, 3, event->kind);
    db_bind_uint(db, ADD_EVENT, 4, event->run);
    db_bind_text(db, ADD_EVENT, 5, event->server);
    db_bind_text(db, ADD_EVENT, 6, event->pool);
    db_bind_text(db, ADD_EVENT, 7, event->actor);
    db_bind_text(db, ADD_EVENT, 8, event->text);
    db_bind_text(db, ADD_EVENT, 9, event->from);
    db_bind_text(db, ADD_EVENT, 10, event->to);
    if (!db_run(db, ADD_EVENT, &h->first))
        h->applied = event->seq;
    return tell(h, err);
}

static void write_sample(struct history *h, enum statement statement,
                         const struct history_sample *sample)
{
    struct db *db = h->db;
    db_bind_text(db, statement, 1, sample->server);
    db_bind_int(db, statement, 2, sample->wall_ms);
    db_bind_int(db, statement, 3, sample->cpu_permille);
    /* As agents tell it: more than a row holds is as good as all there is. */
    uint64_t memory = sample->memory_available_bytes;
    db_bind_uint(db, statement, 4, memory < INT64_MAX ? memory : INT64_MAX);
    db_bind_int(db, statement, 5, sample->pools_started);
    db_bind_int(db, statement, 6, sample->workers);
    db_run(db, statement, &h->first);
}

enum error_code history_add_sample(struct history *h, const struct history_sample *sample,
                                   struct error *err)
{
    must(h->begun);
    if (!h->first.code)
        write_sample(h, ADD_SAMPLE, sample);
    if (!h->first.code)
        write_sample(h, SET_LATEST, sample);
    return tell(h, err);
}

enum error_code history_commit(struct history *h, struct error *err)
{
    must(h->begun);
    h->begun = false;
    if (!h->first.code && h->applied != h->watermark) {
        db_bind_uint(h->db, SET_WATERMARK, 1, h->applied);
        db_run(h->db, SET_WATERMARK, &h->first);
    }
    if (!h->first.code)
        db_commit(h->db, &h->first);
    else
        db_rollback(h->db);
    if (!h->first.code)
        h->watermark = h->applied;
    return tell(h, err);
}

struct take {
    struct history *history;
    size_t count;
    uint64_t last; /* seq */
};

static void take_one(void *arg, const struct event *event)
{
    struct take *take = arg;
    take->count++;
    take->last = event->seq;
    history_add_event(take->history, event, NULL);
}

enum error_code history_take_outbox(struct history *h, struct store *s, size_t limit, bool *more,
                                    struct error *err)
{
    struct take take = {.history = h};
    *more = false;
    enum error_code code = history_begin(h, err);
    if (!code)
        code = store_outbox(s, 0, limit, take_one, &take, err);
    if (code) {
        db_rollback(h->db);
        h->begun = false;
        return code;
    }
    code = history_commit(h, err);
    if (!code && take.count > 0)
        code = store_outbox_done(s, take.last, err);
    *more = !code && take.count == limit;
    return code;
}

/* ---- reading ---- */

static void read_event(struct db *db, int statement, struct event *out)
{
    out->seq = db_uint(db, statement, 0);
    out->wall_ms = db_int(db, statement, 1);
    out->kind = db_text(db, statement, 2);
    out->run = db_uint(db, statement, 3);
    out->server = db_text(db, statement, 4);
    out->pool = db_text(db, statement, 5);
    out->actor = db_text(db, statement, 6);
    out->text = db_text(db, statement, 7);
    out->from = db_text(db, statement, 8);
    out->to = db_text(db, statement, 9);
}

/* The four of each kind stand in this order in the enum. */
static int events_statement(const struct history_query *query)
{
    int first = query->last ? LAST_EVENTS : EVENTS;
    return first + (query->run != 0 ? 1 : 0) + (query->server ? 2 : 0);
}

enum error_code history_events(struct history *h, const struct history_query *query,
                               void (*each)(void *arg, const struct event *event), void *arg,
                               struct error *err)
{
    if (query->since > INT64_MAX || query->run > INT64_MAX)
        return ERR_NONE; /* no event has such a number */
    int statement = events_statement(query);
    db_bind_uint(h->db, statement, 1, query->since);
    db_bind_uint(h->db, statement, 2, query->limit < INT64_MAX ? query->limit : INT64_MAX);
    if (query->run != 0)
        db_bind_uint(h->db, statement, 3, query->run);
    if (query->server)
        db_bind_text(h->db, statement, 4, query->server);
    bool got = false;
    enum error_code code = db_row(h->db, statement, &got, err);
    while (!code && got) {
        struct event event;
        read_event(h->db, statement, &event);
        each(arg, &event);
        code = db_row(h->db, statement, &got, err);
    }
    return code;
}

enum error_code history_latest(struct history *h,
                               void (*each)(void *arg, const struct history_sample *sample),
                               void *arg, struct error *err)
{
    bool got = false;
    enum error_code code = db_row(h->db, LATEST, &got, err);
    while (!code && got) {
        struct history_sample sample = {
            .server = db_text(h->db, LATEST, 0),
            .wall_ms = db_int(h->db, LATEST, 1),
            .cpu_permille = (uint32_t)db_int(h->db, LATEST, 2),
            .memory_available_bytes = db_uint(h->db, LATEST, 3),
            .pools_started = (uint32_t)db_int(h->db, LATEST, 4),
            .workers = (uint32_t)db_int(h->db, LATEST, 5),
        };
        each(arg, &sample);
        code = db_row(h->db, LATEST, &got, err);
    }
    return code;
}

/* ---- forgetting ---- */

static void forget(struct history *h, enum statement statement, int64_t before_wall_ms, bool *more)
{
    if (h->first.code)
        return;
    db_bind_int(h->db, statement, 1, before_wall_ms);
    db_bind_int(h->db, statement, 2, FORGET_ROWS);
    if (!db_run(h->db, statement, &h->first) && db_changes(h->db) == FORGET_ROWS)
        *more = true;
}

enum error_code history_forget(struct history *h, int64_t before_wall_ms, bool *more,
                               struct error *err)
{
    bool again = false;
    history_begin(h, NULL);
    forget(h, FORGET_EVENTS, before_wall_ms, &again);
    forget(h, FORGET_SAMPLES, before_wall_ms, &again);
    enum error_code code = history_commit(h, err);
    *more = !code && again;
    return code;
}

/* archive.c - see archive.h. */
#include "coordinator/store/archive.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "proto/messages.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS  1000
#define RETRY_MS    5000
#define FORGET_MS   (60 * 60 * 1000) /* how often old rows are looked for */
#define SAMPLES_MAX 20000            /* waiting; a farm's worth of several seconds */
#define NOT_DUE     UINT64_MAX

struct waiting_sample {
    struct history_sample sample; /* server points to name */
    char name[WIRE_NAME_MAX];
};

struct archive {
    char *path;
    struct store *store;
    struct history *history; /* NULL: not to be had now */
    uint64_t keep_ms;
    uint64_t flush_at_ms, forget_at_ms;
    char trouble[256]; /* "": none */
    struct waiting_sample *samples;
    size_t sample_count, sample_cap;
};

/* ---- trouble ---- */

static void note_trouble(struct archive *a, const struct error *err, uint64_t now_ms)
{
    if (a->trouble[0] == '\0')
        log_error("history_trouble", LOG_TEXT("error", err->text),
                  LOG_TEXT("effect", "runs go on; events wait in state.db until it works again"));
    text_format(a->trouble, sizeof(a->trouble), "history: %s", err->text);
    a->flush_at_ms = now_ms + RETRY_MS;
}

static void note_good(struct archive *a)
{
    if (a->trouble[0] != '\0')
        log_info("history_again", LOG_TEXT("file", a->path));
    a->trouble[0] = '\0';
}

/* What the file held is lost to queries, not to people: it is kept beside the new one. */
static enum error_code make_room(struct archive *a, const struct error *damage, int64_t wall_ms,
                                 struct error *err)
{
    char moved[HISTORY_PATH_MAX];
    enum error_code code = history_move_aside(a->path, wall_ms, moved, err);
    if (!code)
        log_error("history_damaged", LOG_TEXT("error", damage->text), LOG_TEXT("moved_to", moved),
                  LOG_TEXT("effect", "a new history begins; runs and audit are not touched"));
    return code;
}

static enum error_code open_file(struct archive *a, int64_t wall_ms, struct error *err)
{
    enum error_code code = history_open(a->path, &a->history, err);
    if (code == ERR_CORRUPT) {
        struct error damage = *err;
        code = make_room(a, &damage, wall_ms, err);
        if (!code)
            code = history_open(a->path, &a->history, err);
    }
    if (!code)
        code = store_pass_events(a->store, history_watermark(a->history), err);
    return code;
}

/* ---- writing ---- */

static enum error_code write_samples(struct archive *a, struct error *err)
{
    if (a->sample_count == 0)
        return ERR_NONE;
    history_begin(a->history, NULL);
    for (size_t i = 0; i < a->sample_count; i++)
        history_add_sample(a->history, &a->samples[i].sample, NULL);
    enum error_code code = history_commit(a->history, err);
    a->sample_count = 0; /* in either case: newer ones are worth more than a queue of old ones */
    return code;
}

static enum error_code write_events(struct archive *a, struct error *err)
{
    enum error_code code = ERR_NONE;
    for (bool more = true; more && !code;)
        code = history_take_outbox(a->history, a->store, BATCH_ROWS, &more, err);
    return code;
}

/* A store that cannot be written now is no trouble of the history: the next time does it. */
static bool forget_evidence(struct archive *a, int64_t before_wall_ms)
{
    struct error err = {0};
    bool more = false;
    if (store_forget_evidence(a->store, before_wall_ms, &more, &err))
        log_warn("evidence_not_forgotten", LOG_TEXT("error", err.text));
    return more;
}

static enum error_code forget_old(struct archive *a, uint64_t now_ms, int64_t wall_ms,
                                  struct error *err)
{
    if (now_ms < a->forget_at_ms)
        return ERR_NONE;
    bool more = false;
    int64_t before_wall_ms = wall_ms - (int64_t)a->keep_ms;
    enum error_code code = history_forget(a->history, before_wall_ms, &more, err);
    bool again = forget_evidence(a, before_wall_ms);
    a->forget_at_ms = now_ms + (more || again ? ARCHIVE_FLUSH_MS : FORGET_MS);
    return code;
}

static void flush(struct archive *a, uint64_t now_ms, int64_t wall_ms)
{
    struct error err = {0};
    enum error_code code = a->history ? ERR_NONE : open_file(a, wall_ms, &err);
    a->flush_at_ms = NOT_DUE;
    if (!code)
        code = write_events(a, &err);
    if (!code)
        code = write_samples(a, &err);
    if (!code)
        code = forget_old(a, now_ms, wall_ms, &err);
    if (!code) {
        note_good(a);
        return;
    }
    note_trouble(a, &err, now_ms);
    if (code == ERR_CORRUPT) { /* opened anew with the next try, which finds the damage */
        history_close(a->history);
        a->history = NULL;
    }
}

/* ---- life ---- */

struct archive *archive_open(const struct archive_spec *spec)
{
    struct archive *a = must_alloc(1, sizeof(*a));
    a->path = must_copy(spec->path);
    a->store = spec->store;
    a->keep_ms = spec->keep_ms;
    flush(a, spec->now_ms, spec->wall_ms);
    return a;
}

void archive_close(struct archive *a)
{
    if (!a)
        return;
    struct error err = {0};
    if (a->history && (write_events(a, &err) || write_samples(a, &err)))
        log_warn("history_trouble", LOG_TEXT("error", err.text),
                 LOG_TEXT("effect", "events wait in state.db until the next start"));
    history_close(a->history);
    free(a->samples);
    free(a->path);
    free(a);
}

static void be_due(struct archive *a, uint64_t at_ms)
{
    if (at_ms < a->flush_at_ms && a->trouble[0] == '\0')
        a->flush_at_ms = at_ms;
}

void archive_note_event(struct archive *a, uint64_t now_ms)
{
    be_due(a, now_ms + ARCHIVE_FLUSH_MS);
}

void archive_note_sample(struct archive *a, const struct history_sample *sample, uint64_t now_ms)
{
    if (a->sample_count == SAMPLES_MAX)
        return;
    if (a->sample_count == a->sample_cap) {
        a->sample_cap = a->sample_cap ? 2 * a->sample_cap : 64;
        a->samples = must_realloc(a->samples, a->sample_cap, sizeof(*a->samples));
        for (size_t i = 0; i < a->sample_count; i++)
            a->samples[i].sample.server = a->samples[i].name;
    }
    struct waiting_sample *w = &a->samples[a->sample_count++];
    w->sample = *sample;
    text_copy(w->name, sizeof(w->name), sample->server);
    w->sample.server = w->name;
    be_due(a, now_ms + 4 * ARCHIVE_FLUSH_MS);
}

void archive_on_time(struct archive *a, uint64_t now_ms, int64_t wall_ms)
{
    if (now_ms >= archive_wake_ms(a))
        flush(a, now_ms, wall_ms);
}

uint64_t archive_wake_ms(const struct archive *a)
{
    if (a->trouble[0] != '\0' || a->flush_at_ms < a->forget_at_ms)
        return a->flush_at_ms;
    return a->forget_at_ms;
}

const char *archive_trouble(const struct archive *a)
{
    return a->trouble[0] != '\0' ? a->trouble : NULL;
}

/* ---- reading ---- */

struct passing {
    const struct history_query *query;
    void (*each)(void *arg, const struct event *event);
    void *arg;
    size_t left;
};

static void pass_on(void *arg, const struct event *event)
{
    struct passing *p = arg;
    const struct history_query *q = p->query;
    if (p->left == 0 || (q->run != 0 && q->run != event->run) ||
        (q->server && !text_equal(q->server, event->server)))
        return;
    p->left--;
    p->each(p->arg, event);
}

enum error_code archive_events(struct archive *a, const struct history_query *query,
                               void (*each)(void *arg, const struct event *event), void *arg,
                               struct error *err)
{
    struct passing p = {query, each, arg, query->limit};
    uint64_t after = query->since;
    enum error_code code = ERR_NONE;
    if (a->history) {
        code = history_events(a->history, query, pass_on, &p, err);
        if (history_watermark(a->history) > after)
            after = history_watermark(a->history);
    }
    if (query->last)
        p.left = SIZE_MAX; /* the newest of all are the last of these */
    if (!code && p.left > 0)
        code = store_outbox(a->store, after, SIZE_MAX, pass_on, &p, err);
    return code;
}

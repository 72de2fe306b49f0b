/* notice.c - see notice.h. */
#include "coordinator/core/notice.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- kinds ---- */

static const char *const kind_names[NOTICE_KIND_COUNT] = {
    [NOTICE_NONE] = "none",
    [NOTICE_RUN_STARTED] = "run.started",
    [NOTICE_WAVE_DONE] = "wave.done",
    [NOTICE_RUN_PAUSED] = "run.paused",
    [NOTICE_RUN_RESUMED] = "run.resumed",
    [NOTICE_RUN_FAILURE] = "run.failure",
    [NOTICE_RUN_APPROVAL] = "run.approval",
    [NOTICE_RUN_ENDED] = "run.ended",
    [NOTICE_INCIDENT_OPENED] = "incident.opened",
    [NOTICE_INCIDENT_CLOSED] = "incident.closed",
    [NOTICE_HOLD_EXPIRED] = "hold.expired",
    [NOTICE_POOL_CAME_BACK] = "pool.came-back",
    [NOTICE_SERVICES_CAME_BACK] = "services.came-back",
    [NOTICE_INCIDENT_ACTION] = "incident.action",
    [NOTICE_INCIDENT_PROPOSED] = "incident.proposed",
    [NOTICE_INCIDENT_BLOCKED] = "incident.blocked",
    [NOTICE_INCIDENT_BLOCKED_LONG] = "incident.blocked-long",
    [NOTICE_INCIDENT_QUARANTINED] = "incident.quarantined",
    [NOTICE_INCIDENT_GIVEN_UP] = "incident.given-up",
    [NOTICE_TEST] = "notice.test",
    [NOTICE_AUDIT] = "audit",
};

const char *const notice_words[] = {"run.started",
                                    "wave.done",
                                    "run.paused",
                                    "run.resumed",
                                    "run.failure",
                                    "run.approval",
                                    "run.ended",
                                    "incident.opened",
                                    "incident.closed",
                                    "hold.expired",
                                    "pool.came-back",
                                    "services.came-back",
                                    "incident.action",
                                    "incident.proposed",
                                    "incident.blocked",
                                    "incident.blocked-long",
                                    "incident.quarantined",
                                    "incident.given-up",
                                    "audit",
                                    NULL};

const char *notice_kind_name(enum notice_kind kind)
{
    return (unsigned)kind < NOTICE_KIND_COUNT ? kind_names[kind] : "?";
}

enum notice_kind notice_kind_parse(const char *word)
{
    for (int kind = NOTICE_NONE + 1; kind < NOTICE_KIND_COUNT; kind++)
        if (text_equal(word, kind_names[kind]))
            return (enum notice_kind)kind;
    return NOTICE_NONE;
}

static enum notice_kind of_state(const char *from, const char *to)
{
    if (text_equal(to, "stopping"))
        return NOTICE_RUN_FAILURE;
    if (text_equal(to, "paused"))
        return NOTICE_RUN_PAUSED;
    return text_equal(from, "paused") && text_equal(to, "running") ? NOTICE_RUN_RESUMED
                                                                   : NOTICE_NONE;
}

enum notice_kind notice_of_event(const char *kind, const char *from, const char *to)
{
    from = from ? from : "";
    to = to ? to : "";
    if (text_equal(kind, "run.created"))
        return NOTICE_RUN_STARTED;
    if (text_equal(kind, "run.state"))
        return of_state(from, to);
    if (text_equal(kind, "run.wave"))
        return text_equal(to, "ended") ? NOTICE_WAVE_DONE : NOTICE_NONE;
    /* The others are called alike on both sides. */
    enum notice_kind same = notice_kind_parse(kind);
    return same == NOTICE_RUN_ENDED || same == NOTICE_RUN_APPROVAL ||
                   (same >= NOTICE_INCIDENT_OPENED && same < NOTICE_TEST)
               ? same
               : NOTICE_NONE;
}

/* ---- the queue ---- */

void notice_queue_reset(struct notice_queue *q)
{
    free(q->rows);
    *q = (struct notice_queue){0};
}

void notice_add(struct notice_queue *q, const struct notice_row *row)
{
    if (q->count == q->room) {
        q->room = q->room ? 2 * q->room : 16;
        q->rows = must_realloc(q->rows, q->room, sizeof(*q->rows));
    }
    q->rows[q->count++] = *row;
}

static void remove_at(struct notice_queue *q, size_t at)
{
    q->count--;
    memmove(q->rows + at, q->rows + at + 1, (q->count - at) * sizeof(*q->rows));
}

uint64_t notice_give_up(struct notice_queue *q, int64_t wall_ms)
{
    size_t most = q->in_order ? NOTICE_AUDIT_MAX : NOTICE_QUEUE_MAX;
    for (size_t i = 0; i < q->count; i++) {
        const struct notice_row *row = &q->rows[i];
        bool old = wall_ms - row->wall_ms > (int64_t)q->keep_ms;
        if (!old && q->count <= most && q->in_order)
            return 0; /* those behind are younger */
        if (row->id == q->under_way || (!old && q->count <= most))
            continue;
        uint64_t id = row->id;
        remove_at(q, i);
        q->given_up++;
        return id;
    }
    return 0;
}

/* The next by merit: tests first, then those tried least unless the order counts, then the oldest.
 * NULL: none. */
static struct notice_row *best_of(const struct notice_queue *q)
{
    struct notice_row *best = NULL;
    for (size_t i = 0; i < q->count; i++) {
        struct notice_row *row = &q->rows[i];
        bool better = !best || (row->urgent && !best->urgent) ||
                      (row->urgent == best->urgent && row->tries < best->tries && !q->in_order);
        best = better ? row : best;
    }
    return best;
}

uint64_t notice_next(struct notice_queue *q, uint64_t now_ms)
{
    if (q->under_way)
        return 0;
    struct notice_row *row = best_of(q);
    bool at_once = row && row->urgent && row->tries == 0;
    if (!row || (now_ms < q->not_before_ms && !at_once))
        return 0;
    q->under_way = row->id;
    return row->id;
}

static uint64_t pause_after(uint32_t failures)
{
    uint64_t pause_ms = NOTICE_FIRST_MS;
    for (uint32_t i = 1; i < failures && pause_ms < NOTICE_LONGEST_MS; i++)
        pause_ms *= 2;
    return pause_ms < NOTICE_LONGEST_MS ? pause_ms : NOTICE_LONGEST_MS;
}

static size_t find(const struct notice_queue *q, uint64_t id)
{
    size_t at = 0;
    while (at < q->count && q->rows[at].id != id)
        at++;
    must(at < q->count); /* the one under way is never given up */
    return at;
}

bool notice_done(struct notice_queue *q, const char *trouble, uint64_t now_ms, int64_t wall_ms)
{
    must(q->under_way);
    size_t at = find(q, q->under_way);
    bool news = trouble ? q->failures == 0 : q->failures > 0;
    text_copy(q->trouble, sizeof(q->trouble), trouble ? trouble : "");
    if (trouble) {
        q->rows[at].tries++;
        q->rows[at].urgent = false;
        q->failures++;
        q->last_failed = q->under_way;
        q->failed_wall_ms = wall_ms;
        q->not_before_ms = now_ms + pause_after(q->failures);
    } else {
        q->failures = 0;
        q->delivered++;
        q->last_delivered = q->under_way;
        q->delivered_wall_ms = wall_ms;
        q->not_before_ms = now_ms;
        remove_at(q, at);
    }
    q->under_way = 0;
    return news;
}

uint64_t notice_wake_ms(const struct notice_queue *q, uint64_t now_ms)
{
    if (q->under_way || q->count == 0)
        return UINT64_MAX;
    return q->not_before_ms > now_ms ? q->not_before_ms : now_ms;
}

/* link_guard.c - see link_guard.h. */
#include "coordinator/link/link_guard.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/link/allowance.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024 /* power of two */

#define NOT_UNDERSTOOD "goes on sending what is not understood; not listened to"
#define TOO_MUCH                                                                                   \
    "says far more than an agent has to say; what is above its allowance is not listened to"

enum pipe_state { PIPE_FRESH, PIPE_PROVEN, PIPE_QUARANTINED };

/* One that has pipes. */
struct guarded_name {
    struct guarded_name *next;
    char *name;
    size_t pipes;
    uint32_t latest[LINK_GUARD_PIPES]; /* of them, oldest first; the others are to be closed */
    size_t latest_count;
    struct allowance allowance;
};

struct guarded_pipe {
    struct guarded_pipe *next;
    uint32_t id;
    enum pipe_state state;
    uint64_t added_ms, heard_ms;
    struct guarded_name *of;    /* by its certificate; NULL: of nobody */
    struct allowance allowance; /* of nobody */
    char address[LINK_PEER_MAX], peer[LINK_PEER_MAX];
};

struct guarded_address {
    char name[LINK_PEER_MAX]; /* "": free */
    uint32_t strikes;
    uint64_t counted_ms; /* strikes are as of then */
    bool reported;
    uint64_t reported_ms;
    uint64_t dropped;
};

struct link_guard {
    size_t pipes_max, pipe_count, quarantined_count;
    struct guarded_pipe *buckets[BUCKETS];
    struct guarded_name *names[BUCKETS];
    struct guarded_address addresses[LINK_GUARD_ADDRESSES];
};

struct link_guard *link_guard_new(size_t pipes_max)
{
    struct link_guard *g = must_alloc(1, sizeof(*g));
    g->pipes_max = pipes_max;
    return g;
}

/* The place that leads to the pipe, or to the end of its bucket. */
static struct guarded_pipe **find_place(const struct link_guard *g, uint32_t id)
{
    struct guarded_pipe **place = (struct guarded_pipe **)&g->buckets[id % BUCKETS];
    while (*place && (*place)->id != id)
        place = &(*place)->next;
    return place;
}

/* ---- names ---- */

/* The place that leads to the name's record, or to the end of its bucket. */
static struct guarded_name **find_name(struct link_guard *g, const char *name)
{
    struct guarded_name **place = &g->names[text_hash_nocase(TEXT_HASH_BEGIN, name) % BUCKETS];
    while (*place && !text_equal_nocase((*place)->name, name))
        place = &(*place)->next;
    return place;
}

static void forget_latest(struct guarded_name *of, uint32_t pipe)
{
    for (size_t i = 0; i < of->latest_count; i++) {
        if (of->latest[i] != pipe)
            continue;
        of->latest_count--;
        memmove(of->latest + i, of->latest + i + 1, (of->latest_count - i) * sizeof(of->latest[0]));
        return;
    }
}

static void leave_name(struct link_guard *g, struct guarded_pipe *p)
{
    struct guarded_name *of = p->of;
    p->of = NULL;
    if (!of)
        return;
    forget_latest(of, p->id);
    if (--of->pipes > 0)
        return;
    *find_name(g, of->name) = of->next;
    free(of->name);
    free(of);
}

/* To be closed for a new one; pipes that speak are not, see link_close_pipe. 0: all speak. */
static uint32_t find_silent(const struct link_guard *g, const struct guarded_name *of,
                            uint64_t now_ms)
{
    for (size_t i = 0; i < of->latest_count; i++) {
        const struct guarded_pipe *p = *find_place(g, of->latest[i]);
        if (now_ms - p->heard_ms >= LINK_GUARD_SILENT_MS)
            return p->id;
    }
    return 0;
}

static struct guarded_name *make_name(struct link_guard *g, const char *name)
{
    struct guarded_name **place = find_name(g, name);
    if (!*place) {
        *place = must_alloc(1, sizeof(**place));
        (*place)->name = must_copy(name);
    }
    return *place;
}

uint32_t link_guard_set_name(struct link_guard *g, uint32_t pipe, const char *name, uint64_t now_ms)
{
    struct guarded_pipe *p = *find_place(g, pipe);
    uint32_t silent = 0;
    must(p != NULL && !p->of);
    if (name[0] == '\0')
        return 0;
    p->of = make_name(g, name);
    p->of->pipes++;
    if (p->of->latest_count == LINK_GUARD_PIPES) {
        silent = find_silent(g, p->of, now_ms);
        if (silent == 0)
            return pipe;
        forget_latest(p->of, silent);
    }
    p->of->latest[p->of->latest_count++] = pipe;
    return silent;
}

const char *link_guard_name(const struct link_guard *g, uint32_t pipe)
{
    const struct guarded_pipe *p = *find_place(g, pipe);
    return p && p->of ? p->of->name : "";
}

void link_guard_free(struct link_guard *g)
{
    for (size_t i = 0; g && i < BUCKETS; i++) {
        struct guarded_pipe *next;
        for (struct guarded_pipe *p = g->buckets[i]; p; p = next) {
            next = p->next;
            leave_name(g, p);
            free(p);
        }
    }
    free(g);
}

/* ---- addresses ---- */

static void forget_strikes(struct guarded_address *a, uint64_t now_ms)
{
    uint64_t forgiven = (now_ms - a->counted_ms) / LINK_GUARD_FORGET_MS;
    a->strikes = forgiven >= a->strikes ? 0 : a->strikes - (uint32_t)forgiven;
    a->counted_ms += forgiven * LINK_GUARD_FORGET_MS;
}

static struct guarded_address *find_address(struct link_guard *g, const char *name)
{
    for (size_t i = 0; i < LINK_GUARD_ADDRESSES; i++) {
        if (text_equal(g->addresses[i].name, name))
            return &g->addresses[i];
    }
    return NULL;
}

/* The address's record; made in the place of the one with the fewest strikes, if need be. */
static struct guarded_address *make_address(struct link_guard *g, const char *name, uint64_t now_ms)
{
    struct guarded_address *a = find_address(g, name);
    if (a)
        return a;
    a = &g->addresses[0];
    for (size_t i = 0; i < LINK_GUARD_ADDRESSES && a->name[0]; i++) {
        struct guarded_address *other = &g->addresses[i];
        if (other->name[0])
            forget_strikes(other, now_ms);
        if (!other->name[0] || other->strikes < a->strikes)
            a = other;
    }
    *a = (struct guarded_address){.counted_ms = now_ms};
    text_copy(a->name, sizeof(a->name), name);
    return a;
}

static bool in_disfavour(struct link_guard *g, const char *name, uint64_t now_ms)
{
    struct guarded_address *a = find_address(g, name);
    if (!a)
        return false;
    forget_strikes(a, now_ms);
    return a->strikes >= LINK_GUARD_STRIKES;
}

static void report_if_due(struct guarded_address *a, const struct guarded_pipe *p, uint64_t now_ms,
                          struct link_guard_report *report)
{
    if (a->reported && now_ms - a->reported_ms < LINK_GUARD_REPORT_MS)
        return;
    report->due = true;
    report->dropped = a->dropped;
    text_copy(report->peer, sizeof(report->peer), p->peer);
    a->reported = true;
    a->reported_ms = now_ms;
    a->dropped = 0;
}

static struct guarded_address *strike(struct link_guard *g, const struct guarded_pipe *p,
                                      uint64_t now_ms)
{
    struct guarded_address *a = make_address(g, p->address, now_ms);
    forget_strikes(a, now_ms);
    if (a->strikes < 2 * LINK_GUARD_STRIKES) /* so that the end of disfavour is in sight */
        a->strikes++;
    return a;
}

/* ---- pipes ---- */

bool link_guard_add(struct link_guard *g, uint32_t pipe, const char *address, const char *peer,
                    uint64_t now_ms)
{
    struct guarded_pipe **place = find_place(g, pipe);
    must(!*place);
    if (g->pipe_count >= g->pipes_max)
        return false;
    struct guarded_pipe *p = must_alloc(1, sizeof(*p));
    p->id = pipe;
    p->added_ms = p->heard_ms = now_ms;
    text_copy(p->address, sizeof(p->address), address);
    text_copy(p->peer, sizeof(p->peer), peer);
    *place = p;
    g->pipe_count++;
    return true;
}

bool link_guard_remove(struct link_guard *g, uint32_t pipe, uint64_t now_ms,
                       struct link_guard_report *report)
{
    struct guarded_pipe **place = find_place(g, pipe);
    struct guarded_pipe *p = *place;
    *report = (struct link_guard_report){0};
    if (!p)
        return false;
    bool proven = p->state == PIPE_PROVEN;
    if (p->state == PIPE_QUARANTINED)
        g->quarantined_count--;
    if (p->state == PIPE_FRESH && link_guard_name(g, pipe)[0] == '\0') {
        struct guarded_address *a = strike(g, p, now_ms);
        if (a->strikes >= LINK_GUARD_STRIKES)
            report_if_due(a, p, now_ms, report);
    }
    *place = p->next;
    g->pipe_count--;
    leave_name(g, p);
    free(p);
    return proven;
}

static bool is_heard(struct link_guard *g, const struct guarded_pipe *p, uint64_t now_ms)
{
    if (p->state == PIPE_PROVEN)
        return true;
    bool young = now_ms - p->added_ms < LINK_GUARD_WAIT_MS;
    return p->state == PIPE_FRESH && !(young && in_disfavour(g, p->address, now_ms));
}

bool link_guard_admit(struct link_guard *g, uint32_t pipe, size_t bytes, uint64_t now_ms,
                      struct link_guard_report *report)
{
    *report = (struct link_guard_report){0};
    struct guarded_pipe *p = *find_place(g, pipe);
    if (!p)
        return false;
    p->heard_ms = now_ms;
    bool heard = is_heard(g, p, now_ms);
    if (heard && allowance_take(p->of ? &p->of->allowance : &p->allowance, bytes, now_ms))
        return true;
    struct guarded_address *a = make_address(g, p->address, now_ms);
    a->dropped++;
    report->why = heard ? TOO_MUCH : NOT_UNDERSTOOD;
    report_if_due(a, p, now_ms, report);
    return false;
}

bool link_guard_good(struct link_guard *g, uint32_t pipe)
{
    struct guarded_pipe *p = *find_place(g, pipe);
    if (!p || p->state == PIPE_QUARANTINED)
        return false;
    p->state = PIPE_PROVEN;
    return true;
}

void link_guard_bad(struct link_guard *g, uint32_t pipe, uint64_t now_ms,
                    struct link_guard_report *report)
{
    *report = (struct link_guard_report){0};
    struct guarded_pipe *p = *find_place(g, pipe);
    if (!p || p->state == PIPE_QUARANTINED)
        return;
    p->state = PIPE_QUARANTINED;
    g->quarantined_count++;
    struct guarded_address *a = strike(g, p, now_ms);
    a->dropped++;
    report_if_due(a, p, now_ms, report);
}

size_t link_guard_named(const struct link_guard *g, const char *name, uint32_t *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct guarded_pipe *p = g->buckets[i]; p && count < max; p = p->next)
            if (p->of && text_equal_nocase(p->of->name, name))
                out[count++] = p->id;
    return count;
}

size_t link_guard_idle(const struct link_guard *g, uint64_t now_ms, uint64_t idle_ms, uint32_t *out,
                       size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct guarded_pipe *p = g->buckets[i]; p && count < max; p = p->next)
            if (now_ms - p->heard_ms >= idle_ms)
                out[count++] = p->id;
    return count;
}

const char *link_guard_peer(const struct link_guard *g, uint32_t pipe)
{
    const struct guarded_pipe *p = *find_place(g, pipe);
    return p ? p->peer : "";
}

size_t link_guard_pipes(const struct link_guard *g)
{
    return g->pipe_count;
}

size_t link_guard_quarantined(const struct link_guard *g)
{
    return g->quarantined_count;
}

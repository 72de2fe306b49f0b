/* link_guard.c - see link_guard.h. */
#include "coordinator/link/link_guard.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>

#define BUCKETS 1024 /* power of two */

enum pipe_state { PIPE_FRESH, PIPE_PROVEN, PIPE_QUARANTINED };

struct guarded_pipe {
    struct guarded_pipe *next;
    uint32_t id;
    enum pipe_state state;
    uint64_t added_ms, heard_ms;
    char *name; /* on its certificate; NULL: none */
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
    struct guarded_address addresses[LINK_GUARD_ADDRESSES];
};

struct link_guard *link_guard_new(size_t pipes_max)
{
    struct link_guard *g = must_alloc(1, sizeof(*g));
    g->pipes_max = pipes_max;
    return g;
}

void link_guard_free(struct link_guard *g)
{
    for (size_t i = 0; g && i < BUCKETS; i++) {
        struct guarded_pipe *next;
        for (struct guarded_pipe *p = g->buckets[i]; p; p = next) {
            next = p->next;
            free(p->name);
            free(p);
        }
    }
    free(g);
}

/* The place that leads to the pipe, or to the end of its bucket. */
static struct guarded_pipe **find_place(const struct link_guard *g, uint32_t id)
{
    struct guarded_pipe **place = (struct guarded_pipe **)&g->buckets[id % BUCKETS];
    while (*place && (*place)->id != id)
        place = &(*place)->next;
    return place;
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
    free(p->name);
    free(p);
    return proven;
}

bool link_guard_admit(struct link_guard *g, uint32_t pipe, uint64_t now_ms,
                      struct link_guard_report *report)
{
    *report = (struct link_guard_report){0};
    struct guarded_pipe *p = *find_place(g, pipe);
    if (!p)
        return false;
    p->heard_ms = now_ms;
    if (p->state == PIPE_PROVEN)
        return true;
    bool young = now_ms - p->added_ms < LINK_GUARD_WAIT_MS;
    if (p->state == PIPE_FRESH && !(young && in_disfavour(g, p->address, now_ms)))
        return true;
    struct guarded_address *a = make_address(g, p->address, now_ms);
    a->dropped++;
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

void link_guard_set_name(struct link_guard *g, uint32_t pipe, const char *name)
{
    struct guarded_pipe *p = *find_place(g, pipe);
    must(p != NULL);
    free(p->name);
    p->name = must_copy(name);
}

const char *link_guard_name(const struct link_guard *g, uint32_t pipe)
{
    const struct guarded_pipe *p = *find_place(g, pipe);
    return p && p->name ? p->name : "";
}

size_t link_guard_named(const struct link_guard *g, const char *name, uint32_t *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct guarded_pipe *p = g->buckets[i]; p && count < max; p = p->next)
            if (p->name && text_equal_nocase(p->name, name))
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

/* lb.c - see lb.h. */
#include "tests/sim/lb.h"

#include "common/must.h"
#include "common/text.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#include <string.h>

#define CHECK_MS 700 /* between its own health checks */

static const char *const backends[] = {"shop", "api"};

size_t lb_backends(const struct world *w)
{
    return w->options.apart ? 2 : 1;
}

int lb_line_of(const struct world *w, int unit)
{
    return w->options.apart ? unit : world_machine(unit);
}

static int server_of(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->servers; i++)
        if (text_equal_nocase(w->iis[i].name, name))
            return (int)i;
    return -1;
}

int lb_line_named(const struct world *w, const struct balancer_entry *entry)
{
    int server = server_of(w, entry->name);
    for (size_t b = 0; b < lb_backends(w) && server >= 0; b++)
        if (text_equal(entry->backend, backends[b]))
            return world_unit_at(server, b);
    return -1;
}

bool lb_is_serving(const struct lb_line *line)
{
    return line->admin == BALANCER_READY && line->up;
}

bool lb_all_ready(const struct world *w, int server)
{
    for (size_t b = 0; b < lb_backends(w); b++)
        if (w->lb.lines[world_unit_at(server, b)].admin != BALANCER_READY)
            return false;
    return true;
}

static void entry_of(const struct world *w, int at, struct balancer_entry *out)
{
    size_t backend = at >= MACHINES_MAX;
    int server = world_machine(at);
    const struct lb_line *line = &w->lb.lines[at];
    *out = (struct balancer_entry){.admin = line->admin,
                                   .up = line->up,
                                   .sessions = line->sessions,
                                   .life = 1 + w->lb.reloads};
    text_copy(out->balancer, sizeof(out->balancer), "lb");
    text_copy(out->backend, sizeof(out->backend), backends[backend]);
    text_copy(out->name, sizeof(out->name), w->iis[server].name);
    for (size_t i = 0; i < w->servers; i++)
        out->others_serving +=
            (int)i != server && lb_is_serving(&w->lb.lines[world_unit_at((int)i, backend)]);
}

size_t lb_map(const struct world *w, const char *server, const char *pool,
              struct balancer_entry *out, size_t max)
{
    int at = server_of(w, server);
    size_t count = 0;
    for (size_t b = 0; b < lb_backends(w) && at >= 0 && count < max; b++)
        if (!pool[0] || lb_backends(w) == 1 || text_equal_nocase(pool, iis_pool_names[b]))
            entry_of(w, world_unit_at(at, b), &out[count++]);
    return count;
}

/* ---- its own life ---- */

/* Its check is a page of the site, and that has applications in each of the server's pools; or in
 * the one alone that stands there. */
static bool answers(struct world *w, int server, size_t backend)
{
    bool well = true;
    for (size_t k = 0; k < w->pools; k++)
        if (lb_backends(w) == 1 || k == backend)
            well = iis_serves(world_iis(w, world_unit_at(server, k)), w->now_ms) && well;
    return well;
}

static void check_backend(struct world *w, size_t backend)
{
    for (size_t i = 0; i < w->servers; i++) {
        struct lb_line *line = &w->lb.lines[world_unit_at((int)i, backend)];
        line->up = answers(w, (int)i, backend);
        line->sessions = lb_is_serving(line) ? 4 : line->sessions / 2;
    }
}

static void check(struct world *w, const struct due *d)
{
    (void)d;
    for (size_t b = 0; b < lb_backends(w); b++)
        check_backend(w, b);
    world_at(w, w->now_ms + CHECK_MS, check, 0, 0, NULL, 0);
}

void lb_begin(struct world *w)
{
    w->lb = (struct lb){0};
    for (size_t i = 0; i < LB_LINES; i++)
        w->lb.lines[i] = (struct lb_line){.up = true, .sessions = 4};
    world_at(w, w->now_ms + CHECK_MS, check, 0, 0, NULL, 0);
}

/* ---- requests ---- */

struct asked {
    uint64_t life;
    struct balancer_request request;
};

static void set(struct world *w, int at, enum balancer_admin admin)
{
    struct lb_line *line = &w->lb.lines[at];
    if (line->admin != admin)
        line->changed_ms = w->now_ms;
    line->admin = admin;
}

static void drain_line(struct world *w, int centre, int at)
{
    struct lb_line *line = &w->lb.lines[at];
    if (line->admin == BALANCER_READY) {
        if (!line->forgotten)
            oracle_drained(w, centre, at);
        line->ours = line->claimed = true;
        line->drained_ms = w->now_ms;
        world_say(w, "lb: %s drained", world_unit_name(w, at));
    } else if (w->now_ms < line->changed_ms + 2500 || line->unanswered) {
        /* Somebody was quicker, since it was read: that cannot be seen. And what was told without
         * an answer may have been done: whoever finds it done cannot tell by whom. */
        line->claimed = true;
    }
    line->forgotten = line->unanswered = false;
    set(w, at, BALANCER_DRAIN);
}

static void ready_line(struct world *w, int centre, int at)
{
    struct lb_line *line = &w->lb.lines[at];
    if (line->admin != BALANCER_READY)
        world_say(w, "lb: %s ready", world_unit_name(w, at));
    oracle_ready(w, centre, at, line->claimed, line->foreign);
    line->ours = line->claimed = line->foreign = line->forgotten = line->unanswered = false;
    set(w, at, BALANCER_READY);
}

/* What is told now gets no answer, done or not. */
static void note_unanswered(struct world *w, const struct balancer_request *q)
{
    for (size_t i = 0; i < q->place_count; i++) {
        int at = lb_line_named(w, &q->places[i]);
        if (at < 0)
            continue;
        w->lb.lines[at].unanswered = true;
        if (q->op == BALANCER_OP_READY) /* it will be told again, whoever has drained it by then */
            w->lb.lines[at].claimed = true;
    }
}

static void carry_out(struct world *w, int centre, const struct balancer_request *q)
{
    for (size_t i = 0; i < q->place_count; i++) {
        int at = lb_line_named(w, &q->places[i]);
        if (at < 0)
            continue;
        if (q->op == BALANCER_OP_DRAIN)
            drain_line(w, centre, at);
        else if (q->op == BALANCER_OP_READY)
            ready_line(w, centre, at);
    }
}

static void answer(struct world *w, const struct due *d)
{
    const struct asked *asked = d->data;
    const struct balancer_request *q = &asked->request;
    struct balancer_answer a = {.ticket = asked->request.ticket, .op = asked->request.op};
    if (w->now_ms < w->lb.down_until_ms) {
        if (q->op != BALANCER_OP_READ && rng_chance(&w->lb_rng, 300))
            carry_out(w, d->who, q);
        if (q->op != BALANCER_OP_READ)
            note_unanswered(w, q);
        a.code = ERR_UNREACHABLE;
        text_copy(a.text, sizeof(a.text), "no answer on its socket");
    } else {
        carry_out(w, d->who, q);
        a.entry_count = lb_map(w, q->server, q->pool, a.entries, BALANCER_ENTRIES_MAX);
    }
    centre_lb_answer(w, d->who, asked->life, &a);
}

void lb_ask(struct world *w, int centre, uint64_t life, const struct balancer_request *request)
{
    struct asked asked = {.life = life, .request = *request};
    uint64_t at_ms = w->now_ms + rng_between(&w->lb_rng, 1, 20);
    uint64_t *busy = &w->lb.busy_until_ms[centre];
    at_ms = at_ms > *busy ? at_ms : *busy;
    *busy = at_ms;
    world_at(w, at_ms, answer, centre, 0, &asked, sizeof(asked));
}

/* ---- others ---- */

void lb_reload(struct world *w)
{
    world_say(w, "lb: reloaded, its drains are forgotten");
    w->lb.reloads++;
    for (size_t i = 0; i < w->servers * lb_backends(w); i++) {
        int at = world_unit_at((int)(i % w->servers), i / w->servers);
        struct lb_line *line = &w->lb.lines[at];
        line->forgotten = line->forgotten || line->ours;
        line->ours = line->foreign = false;
        set(w, at, BALANCER_READY);
    }
}

void lb_foreign(struct world *w, int at, enum balancer_admin admin)
{
    struct lb_line *line = &w->lb.lines[at];
    world_say(w, "lb: somebody sets %s %s", world_unit_name(w, at),
              admin == BALANCER_READY ? "ready" : "drain");
    line->foreign = admin != BALANCER_READY && !line->ours;
    if (admin == BALANCER_READY)
        line->ours = line->forgotten = false;
    set(w, at, admin);
}

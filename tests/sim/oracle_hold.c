/* oracle_hold.c - see oracle.h: servers in the hands of others, servers that nobody is to touch,
 * and runs that wait for a second person. Judged by who gave what back, which machine was really
 * started anew, and by what stands in the store.
 */
#include "tests/sim/oracle_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define LATE_MS 6000 /* so much later a time that is over is told, by one who is able to */

static const struct view_target *target_of(const struct view *v, uint64_t run, int server)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].run == run && v->targets[i].server == server)
            return &v->targets[i];
    return NULL;
}

static struct handed *handed_of(struct oracle *o, int centre, uint64_t run, int server, bool make)
{
    for (size_t i = 0; i < o->handed_count; i++)
        if (o->handed[i].centre == centre && o->handed[i].run == run &&
            o->handed[i].server == server)
            return &o->handed[i];
    if (!make)
        return NULL;
    o->handed = must_realloc(o->handed, o->handed_count + 1, sizeof(*o->handed));
    struct handed *h = &o->handed[o->handed_count++];
    *h = (struct handed){.centre = centre, .run = run, .server = server};
    return h;
}

static bool in_their_hands(const struct view_target *t)
{
    return view_by_others(t->action) &&
           (text_equal(t->state, "acting") || text_equal(t->state, "unknown"));
}

void oracle_given_back(struct world *w, int centre, uint64_t run, int server)
{
    const struct view_target *t = target_of(&w->oracle->stores[centre].view, run, server);
    if (!t || !in_their_hands(t))
        return; /* it is out of their hands already */
    struct handed *h = handed_of(w->oracle, centre, run, server, true);
    h->word_ms = h->word_ms > h->since_ms ? h->word_ms : w->now_ms;
}

void oracle_aborted(struct world *w, int centre, uint64_t run)
{
    const struct view *v = &w->oracle->stores[centre].view;
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].run == run && view_by_others(v->targets[i].action))
            oracle_given_back(w, centre, run, v->targets[i].server);
}

bool oracle_hold_has_word(struct world *w, int centre, const struct view_target *t)
{
    const struct handed *h = handed_of(w->oracle, centre, t->run, t->server, false);
    return view_by_others(t->action) && h && h->word_ms;
}

void oracle_approved(struct world *w, int centre, uint64_t run)
{
    w->oracle->stores[centre].approved[run % APPROVED_KEPT] = run;
}

/* ---- a store becomes another one ---- */

/* What the copy has in their hands was handed over by the store that it is a copy of, its own or
 * the first one's; what was said since is forgotten, and other numbers of runs are given again. */
void oracle_hold_meet_copy(struct world *w, int centre)
{
    struct oracle *o = w->oracle;
    struct store_seen *s = &o->stores[centre];
    memset(s->approved, 0, sizeof(s->approved));
    s->able_since_ms = 0;
    for (size_t i = 0, count = o->handed_count; i < count; i++) {
        const struct handed former = o->handed[i];
        if (former.centre != 0)
            continue;
        const struct view_target *t = target_of(&s->view, former.run, former.server);
        bool kept = t && in_their_hands(t);
        if (centre == 0 && !kept)
            o->handed[i].run = 0; /* none has that number */
        if (!kept)
            continue;
        struct handed *h = handed_of(o, centre, former.run, former.server, true);
        *h = former;
        h->centre = centre;
        h->word_ms = 0;
    }
}

/* ---- handed over ---- */

/* They work on it from now on: it must be out of rotation, and its time begins. */
void oracle_hold_handed(struct world *w, int centre, const struct view_target *t)
{
    const struct view_run *r = oracle_run_of(&w->oracle->stores[centre].view, t->run);
    struct handed *h = handed_of(w->oracle, centre, t->run, t->server, true);
    *h = (struct handed){.centre = centre,
                         .run = t->run,
                         .server = t->server,
                         .taken_ms = w->oracle->pools[t->unit].taken_ms[centre],
                         .since_ms = w->now_ms,
                         .since_wall_ms = centre_wall_ms(w->centres[centre]),
                         .seen_late = w->oracle->stores[centre].reopened,
                         .limit_ms = r ? r->limit_ms : 0};
    bool lb_told = w->now_ms > w->oracle->lb_away_ms + EVIDENCE_MS;
    for (size_t b = 0; b < lb_backends(w); b++) {
        const struct lb_line *line = &w->lb.lines[world_unit_at(t->server, b)];
        if (lb_told && lb_is_serving(line) && w->now_ms > line->changed_ms + EVIDENCE_MS)
            world_violate(w, "%s is handed to others, and it is in rotation",
                          w->iis[t->server].name);
    }
}

/* ---- and left ---- */

static bool was_aborted(const struct store_seen *s, uint64_t run)
{
    const struct view_run *r = oracle_run_of(&s->view, run);
    return r && (text_equal(r->state, "aborting") || text_equal(r->state, "aborted"));
}

/* Its machine was started anew, where that was waited for (it may have been on its way when the
 * server was taken). */
static bool is_anew(struct world *w, int centre, const struct view_target *was)
{
    const struct handed *h = handed_of(w->oracle, centre, was->run, was->server, false);
    uint64_t booted_ms = w->booted_ms[was->server];
    uint64_t taken_ms = h ? h->taken_ms : w->oracle->pools[was->unit].taken_ms[centre];
    return text_equal(was->action, "cycle") && booted_ms && booted_ms + EVIDENCE_MS > taken_ms;
}

/* So it is, or somebody said that it is over. */
static bool is_over(struct world *w, int centre, const struct view_target *was)
{
    return is_anew(w, centre, was) || oracle_hold_has_word(w, centre, was) ||
           was_aborted(&w->oracle->stores[centre], was->run);
}

/* Its time must be over, by one clock or the other. */
static void check_expired(struct world *w, int centre, struct store_seen *s,
                          const struct view_target *was)
{
    const struct handed *h = handed_of(w->oracle, centre, was->run, was->server, false);
    const char *name = w->iis[was->server].name;
    sqlite3_stmt *q = s->statements[Q_EXPIRED];
    sqlite3_bind_int64(q, 1, (sqlite3_int64)s->former.last_event);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)was->run);
    sqlite3_bind_text(q, 3, name, -1, SQLITE_STATIC);
    if (sqlite3_step(q) != SQLITE_ROW || sqlite3_column_int(q, 0) == 0)
        world_violate(w, "the time of others on %s is over, and nobody is told", name);
    sqlite3_reset(q);
    int64_t wall_ms = centre_wall_ms(w->centres[centre]);
    if (h && !h->seen_late && w->now_ms < h->since_ms + h->limit_ms &&
        wall_ms < h->since_wall_ms + (int64_t)h->limit_ms)
        world_violate(w, "%s is taken from those who hold it before their time", name);
}

void oracle_hold_left(struct world *w, int centre, const struct view_target *was,
                      const struct view_target *t)
{
    struct store_seen *s = &w->oracle->stores[centre];
    if (oracle_is_cloned(w, was->server))
        return;
    if (text_equal(t->state, "unknown"))
        check_expired(w, centre, s, was);
    else if (!is_over(w, centre, was))
        world_violate(w, "%s was %s in the hands of others, and became %s by nobody's word",
                      w->iis[was->server].name, was->state, t->state);
    else if (!is_anew(w, centre, was) && !was_aborted(s, was->run))
        oracle_word_given_back(w, s, was);
}

/* The gate opens when it is given back. */
uint64_t oracle_hold_gate_ms(struct world *w, int centre, const struct view_target *t)
{
    const struct handed *h = handed_of(w->oracle, centre, t->run, t->server, false);
    bool cycled = text_equal(t->action, "cycle") && h && w->booted_ms[t->server] > h->since_ms;
    return cycled ? w->booted_ms[t->server] : h ? h->word_ms : 0;
}

/* What is theirs is not put back, however late they are. */
void oracle_hold_ready(struct world *w, int centre, int line)
{
    struct store_seen *s = &w->oracle->stores[centre];
    int server = world_machine(line);
    if (!s->valid || oracle_is_cloned(w, server))
        return;
    for (size_t i = 0; i < s->view.target_count; i++) {
        const struct view_target *t = &s->view.targets[i];
        if (t->server == server && in_their_hands(t) && t->holds && !is_over(w, centre, t))
            world_violate(w, "%s is put back, and it is in the hands of others",
                          w->iis[server].name);
    }
}

/* ---- nobody's hands ---- */

/* Nothing is begun on a server in maintenance, whatever it is. */
void oracle_hands_off(struct world *w, int centre, const struct view_target *t, const char *what)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    int64_t until_ms = s->former.servers[t->server].maintenance_until_ms;
    if (until_ms > centre_wall_ms(w->centres[centre]) && !s->reopened)
        world_violate(w, "%s is %s, and it is in maintenance", w->iis[t->server].name, what);
}

/* ---- a second person ---- */

void oracle_check_approval(struct world *w, int centre, const struct view_run *was,
                           const struct view_run *is)
{
    if (!strstr(was->causes, "approval") || strstr(is->causes, "approval"))
        return;
    bool given_up = text_equal(is->state, "aborting") || view_run_ended(is);
    if (!given_up && w->oracle->stores[centre].approved[is->id % APPROVED_KEPT] != is->id)
        world_violate(w, "run %" PRIu64 " goes on, and nobody has approved it", is->id);
}

/* ---- what is over is told in time ---- */

static bool is_able(const struct world *w, int centre)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    const struct centre *c = w->centres[centre];
    return s->valid && centre_up(c) && !centre_frozen(c) && !centre_asleep(c) &&
           w->now_ms > s->attached_ms + LATE_MS &&
           (!s->failed_ms || w->now_ms > s->failed_ms + LATE_MS);
}

static void check_late(struct world *w, int centre, int64_t wall_ms)
{
    const struct view *v = &w->oracle->stores[centre].view;
    for (size_t i = 0; i < v->target_count; i++) {
        const struct view_target *t = &v->targets[i];
        if (!view_by_others(t->action) || !text_equal(t->state, "acting"))
            continue;
        const struct handed *h = handed_of(w->oracle, centre, t->run, t->server, false);
        if (h && wall_ms > h->since_wall_ms + (int64_t)h->limit_ms + LATE_MS &&
            !is_over(w, centre, t))
            world_violate(w, "%s is in the hands of others for longer than their time",
                          w->iis[t->server].name);
    }
}

static void check_unapproved(struct world *w, const struct view *v, int64_t wall_ms)
{
    for (size_t i = 0; i < v->run_count; i++) {
        const struct view_run *r = &v->runs[i];
        if (text_equal(r->state, "running") && strstr(r->causes, "approval") &&
            wall_ms > r->approve_until_ms + LATE_MS)
            world_violate(w, "run %" PRIu64 " waits for a word whose time is over", r->id);
    }
}

static void look_at(struct world *w, int centre)
{
    struct store_seen *s = &w->oracle->stores[centre];
    if (!is_able(w, centre)) {
        s->able_since_ms = 0;
        return;
    }
    if (!s->able_since_ms)
        s->able_since_ms = w->now_ms;
    if (w->now_ms < s->able_since_ms + LATE_MS)
        return;
    int64_t wall_ms = centre_wall_ms(w->centres[centre]);
    bool jumped = wall_ms < s->wall_ms || wall_ms > s->wall_ms + LATE_MS;
    s->wall_ms = wall_ms;
    if (jumped) {
        s->able_since_ms = w->now_ms;
        return;
    }
    check_late(w, centre, wall_ms);
    check_unapproved(w, &s->view, wall_ms);
    for (size_t i = 0; i < w->servers; i++)
        if (s->view.servers[i].maintenance_until_ms &&
            wall_ms > s->view.servers[i].maintenance_until_ms + LATE_MS)
            world_violate(w, "the maintenance of %s is over, and nobody is told", w->iis[i].name);
}

void oracle_hold_look(struct world *w)
{
    for (int k = 0; k < CENTRES_MAX; k++)
        if (w->centres[k])
            look_at(w, k);
}

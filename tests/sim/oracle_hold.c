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

static struct handed *handed_of(struct oracle *o, uint64_t run, int server, bool make)
{
    for (size_t i = 0; i < o->handed_count; i++)
        if (o->handed[i].run == run && o->handed[i].server == server)
            return &o->handed[i];
    if (!make)
        return NULL;
    o->handed = must_realloc(o->handed, o->handed_count + 1, sizeof(*o->handed));
    struct handed *h = &o->handed[o->handed_count++];
    *h = (struct handed){.run = run, .server = server};
    return h;
}

/* Nothing here is sure of numbers of runs once a store forgot some. */
static bool is_sure(const struct world *w)
{
    return !w->oracle->copied;
}

void oracle_given_back(struct world *w, uint64_t run, int server)
{
    const struct view_target *t = target_of(&w->oracle->stores[0].view, run, server);
    if (!t || (!text_equal(t->state, "acting") && !text_equal(t->state, "unknown")))
        return; /* it is out of their hands already */
    struct handed *h = handed_of(w->oracle, run, server, true);
    h->word_ms = h->word_ms > h->since_ms ? h->word_ms : w->now_ms;
}

void oracle_aborted(struct world *w, uint64_t run)
{
    const struct view *v = &w->oracle->stores[0].view;
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].run == run && view_by_others(v->targets[i].action))
            oracle_given_back(w, run, v->targets[i].server);
}

bool oracle_hold_has_word(struct world *w, const struct view_target *t)
{
    const struct handed *h = handed_of(w->oracle, t->run, t->server, false);
    return view_by_others(t->action) && h && h->word_ms;
}

void oracle_approved(struct world *w, uint64_t run)
{
    w->oracle->approved[run % APPROVED_KEPT] = run;
}

/* ---- handed over ---- */

/* They work on it from now on: it must be out of rotation, and its time begins. */
void oracle_hold_handed(struct world *w, int centre, const struct view_target *t)
{
    const struct lb_line *line = &w->lb.lines[t->server];
    const struct view_run *r = oracle_run_of(&w->oracle->stores[centre].view, t->run);
    struct handed *h = handed_of(w->oracle, t->run, t->server, true);
    *h = (struct handed){.run = t->run,
                         .server = t->server,
                         .since_ms = w->now_ms,
                         .since_wall_ms = centre_wall_ms(w->centres[centre]),
                         .seen_late = w->oracle->stores[centre].reopened,
                         .limit_ms = r ? r->limit_ms : 0};
    bool lb_told = w->now_ms > w->oracle->lb_away_ms + EVIDENCE_MS;
    if (is_sure(w) && lb_told && line->admin == BALANCER_READY && line->up &&
        w->now_ms > line->changed_ms + EVIDENCE_MS)
        world_violate(w, "%s is handed to others, and it is in rotation", w->iis[t->server].name);
}

/* ---- and left ---- */

static bool was_aborted(const struct store_seen *s, uint64_t run)
{
    const struct view_run *r = oracle_run_of(&s->view, run);
    return r && (text_equal(r->state, "aborting") || text_equal(r->state, "aborted"));
}

/* Somebody said that it is over: by word, or by starting the machine anew where that was waited for
 * (it may have been on its way when the server was taken). */
static bool is_over(struct world *w, const struct store_seen *s, const struct view_target *was)
{
    const struct handed *h = handed_of(w->oracle, was->run, was->server, false);
    uint64_t booted_ms = w->booted_ms[was->server];
    uint64_t taken_ms = w->oracle->pools[was->unit].taken_ms[0];
    bool anew = text_equal(was->action, "cycle") && booted_ms && booted_ms + EVIDENCE_MS > taken_ms;
    return anew || (h && h->word_ms) || was_aborted(s, was->run);
}

/* Its time must be over, by one clock or the other. */
static void check_expired(struct world *w, int centre, struct store_seen *s,
                          const struct view_target *was)
{
    const struct handed *h = handed_of(w->oracle, was->run, was->server, false);
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
    if (!is_sure(w) || oracle_is_cloned(w, was->server))
        return;
    if (text_equal(t->state, "unknown"))
        check_expired(w, centre, s, was);
    else if (!is_over(w, s, was))
        world_violate(w, "%s was %s in the hands of others, and became %s by nobody's word",
                      w->iis[was->server].name, was->state, t->state);
}

/* The gate opens when it is given back. */
uint64_t oracle_hold_gate_ms(struct world *w, const struct view_target *t)
{
    const struct handed *h = handed_of(w->oracle, t->run, t->server, false);
    bool cycled = text_equal(t->action, "cycle") && h && w->booted_ms[t->server] > h->since_ms;
    return cycled ? w->booted_ms[t->server] : h ? h->word_ms : 0;
}

/* What is theirs is not put back, however late they are. */
void oracle_hold_ready(struct world *w, int line)
{
    struct store_seen *s = &w->oracle->stores[0];
    if (!is_sure(w) || !s->valid || oracle_is_cloned(w, line))
        return;
    for (size_t i = 0; i < s->view.target_count; i++) {
        const struct view_target *t = &s->view.targets[i];
        if (t->server == line && view_by_others(t->action) && t->holds &&
            (text_equal(t->state, "acting") || text_equal(t->state, "unknown")) &&
            !is_over(w, s, t))
            world_violate(w, "%s is put back, and it is in the hands of others", w->iis[line].name);
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

void oracle_check_approval(struct world *w, const struct view_run *was, const struct view_run *is)
{
    if (!is_sure(w) || !strstr(was->causes, "approval") || strstr(is->causes, "approval"))
        return;
    bool given_up = text_equal(is->state, "aborting") || view_run_ended(is);
    if (!given_up && w->oracle->approved[is->id % APPROVED_KEPT] != is->id)
        world_violate(w, "run %" PRIu64 " goes on, and nobody has approved it", is->id);
}

/* ---- what is over is told in time ---- */

static bool is_able(const struct world *w, const struct store_seen *s)
{
    return s->valid && centre_up(w->centres[0]) && !centre_frozen(w->centres[0]) &&
           !centre_asleep(w->centres[0]) && w->now_ms > s->attached_ms + LATE_MS &&
           (!s->failed_ms || w->now_ms > s->failed_ms + LATE_MS) && is_sure(w);
}

static void check_late(struct world *w, const struct store_seen *s, int64_t wall_ms)
{
    for (size_t i = 0; i < s->view.target_count; i++) {
        const struct view_target *t = &s->view.targets[i];
        if (!view_by_others(t->action) || !text_equal(t->state, "acting"))
            continue;
        const struct handed *h = handed_of(w->oracle, t->run, t->server, false);
        if (h && wall_ms > h->since_wall_ms + (int64_t)h->limit_ms + LATE_MS && !is_over(w, s, t))
            world_violate(w, "%s is in the hands of others for longer than their time",
                          w->iis[t->server].name);
    }
}

static void check_unapproved(struct world *w, const struct store_seen *s, int64_t wall_ms)
{
    for (size_t i = 0; i < s->view.run_count; i++) {
        const struct view_run *r = &s->view.runs[i];
        if (text_equal(r->state, "running") && strstr(r->causes, "approval") &&
            wall_ms > r->approve_until_ms + LATE_MS)
            world_violate(w, "run %" PRIu64 " waits for a word whose time is over", r->id);
    }
}

void oracle_hold_look(struct world *w)
{
    const struct store_seen *s = &w->oracle->stores[0];
    if (!is_able(w, s)) {
        w->oracle->able_since_ms = 0;
        return;
    }
    if (!w->oracle->able_since_ms)
        w->oracle->able_since_ms = w->now_ms;
    if (w->now_ms < w->oracle->able_since_ms + LATE_MS)
        return;
    int64_t wall_ms = centre_wall_ms(w->centres[0]);
    if (wall_ms < w->oracle->wall_ms || wall_ms > w->oracle->wall_ms + LATE_MS) {
        w->oracle->able_since_ms = w->now_ms; /* that clock has jumped */
        w->oracle->wall_ms = wall_ms;
        return;
    }
    w->oracle->wall_ms = wall_ms;
    check_late(w, s, wall_ms);
    check_unapproved(w, s, wall_ms);
    for (size_t i = 0; i < w->servers; i++)
        if (s->view.servers[i].maintenance_until_ms &&
            wall_ms > s->view.servers[i].maintenance_until_ms + LATE_MS)
            world_violate(w, "the maintenance of %s is over, and nobody is told", w->iis[i].name);
}

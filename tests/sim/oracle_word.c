/* oracle_word.c - see oracle.h: what people say stands in the audit trail, and what happens to a
 * run is an event: in the same transaction as what it brings, which is the one between two views.
 */
#include "tests/sim/oracle_impl.h"

#include "common/text.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

/* Silence, the store's trouble and the fence are found anew by every start: those may come and go
 * without a word. */
static const char *const kept_causes[] = {"person", "unknown",  "failures",
                                          "canary", "approval", "window"};
#define KEPT_CAUSES (sizeof(kept_causes) / sizeof(kept_causes[0]))

bool oracle_is_paused(const char *causes)
{
    for (size_t i = 0; i < KEPT_CAUSES; i++)
        if (strstr(causes, kept_causes[i]))
            return true;
    return false;
}

static bool same_causes(const char *was, const char *is)
{
    for (size_t i = 0; i < KEPT_CAUSES; i++)
        if (!strstr(was, kept_causes[i]) != !strstr(is, kept_causes[i]))
            return false;
    return true;
}

/* action NULL: any */
static bool has_word(const struct view *v, const char *action, const char *object)
{
    for (size_t i = 0; i < v->word_count; i++)
        if ((!action || text_equal(v->words[i].action, action)) &&
            text_equal(v->words[i].object, object))
            return true;
    return false;
}

static void want_word(struct world *w, const struct view *v, const char *action, const char *object)
{
    if (!has_word(v, action, object))
        world_violate(w, "a person's %s of %s without its row in the audit trail", action, object);
}

/* ---- runs ---- */

static bool has_run_event(struct store_seen *s, uint64_t run)
{
    sqlite3_stmt *q = s->statements[Q_RUN_EVENT];
    sqlite3_bind_int64(q, 1, (sqlite3_int64)s->former.last_event);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)run);
    bool found = sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int(q, 0) > 0;
    sqlite3_reset(q);
    return found;
}

static bool went(const char *cause, const struct view_run *was, const struct view_run *is)
{
    return strstr(was->causes, cause) && !strstr(is->causes, cause);
}

/* Only a person ends what waits for one. */
static void check_run_words(struct world *w, int centre, const struct view_run *was,
                            const struct view_run *is)
{
    const struct view *v = &w->oracle->stores[centre].view;
    char object[80];
    bool aborts = text_equal(is->state, "aborting");
    bool goes_on = !view_run_ended(is) && !aborts;
    /* Nobody has approved it in time: that ends it by itself. */
    bool unapproved = strstr(was->causes, "approval") &&
                      centre_wall_ms(w->centres[centre]) >= is->approve_until_ms;
    text_format(object, sizeof(object), "run %" PRIu64, is->id);
    if (aborts && !text_equal(was->state, "aborting") && !unapproved)
        want_word(w, v, "run.abort", object);
    if (went("person", is, was) && !view_run_ended(is))
        want_word(w, v, "run.pause", object);
    if (goes_on &&
        (went("person", was, is) || went("canary", was, is) || went("failures", was, is)))
        want_word(w, v, "run.resume", object);
    if (goes_on && went("approval", was, is))
        want_word(w, v, "run.approve", object);
}

static void check_run(struct world *w, int centre, const struct view_run *r)
{
    struct store_seen *s = &w->oracle->stores[centre];
    const struct view_run *was = oracle_run_of(&s->former, r->id);
    char object[80];
    text_format(object, sizeof(object), "run %" PRIu64, r->id);
    if (!was && !has_word(&s->view, NULL, object))
        world_violate(w, "run %" PRIu64 " began without a row in the audit trail", r->id);
    if (!was || (text_equal(was->state, r->state) && same_causes(was->causes, r->causes)))
        return;
    oracle_check_approval(w, centre, was, r);
    if (!has_run_event(s, r->id))
        world_violate(w, "run %" PRIu64 " went from %s '%s' to %s '%s' without an event", r->id,
                      was->state, was->causes, r->state, r->causes);
    check_run_words(w, centre, was, r);
}

/* By a tool that gives it back, or by a person who settles it. */
void oracle_word_given_back(struct world *w, struct store_seen *s, const struct view_target *was)
{
    char object[80];
    text_format(object, sizeof(object), "run %" PRIu64 " %s", was->run, w->iis[was->server].name);
    if (!has_word(&s->view, "run.resolve", object))
        want_word(w, &s->view, "hold.release", object);
}

void oracle_word_settled(struct world *w, struct store_seen *s, const struct view_target *was)
{
    char object[80];
    text_format(object, sizeof(object), "run %" PRIu64 " %s", was->run, w->iis[was->server].name);
    want_word(w, &s->view, "run.resolve", object);
}

/* ---- servers ---- */

/* A span that a person gave: begun, ended by a person, or over. */
static void check_span(struct world *w, const struct view *v, int64_t was_ms, int64_t is_ms,
                       const char *const actions[3], const char *server)
{
    if (was_ms == is_ms)
        return;
    if (is_ms)
        want_word(w, v, actions[0], server);
    else if (!has_word(v, actions[1], server))
        want_word(w, v, actions[2], server);
}

static void check_server(struct world *w, const struct store_seen *s, size_t at)
{
    static const char *const declared[] = {"server.declare-out", "server.release",
                                           "server.declare-out-ended"};
    static const char *const maintenance[] = {"server.maintenance-on", "server.maintenance-off",
                                              "server.maintenance-ended"};
    const struct view_server *was = &s->former.servers[at], *is = &s->view.servers[at];
    const char *name = w->iis[at].name;
    check_span(w, &s->view, was->declared_until_ms, is->declared_until_ms, declared, name);
    check_span(w, &s->view, was->maintenance_until_ms, is->maintenance_until_ms, maintenance, name);
    bool other =
        !wire_id_is_zero(&was->incarnation) && !wire_id_equal(&was->incarnation, &is->incarnation);
    if (other || (was->blocked && !is->blocked))
        want_word(w, &s->view, "server.release", name);
}

static void check_takeover(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < v->word_count; i++)
        if (text_equal(v->words[i].action, "takeover"))
            return;
    world_violate(w, "a freeze ended without a takeover in the audit trail");
}

void oracle_word_look(struct world *w, int centre)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    for (size_t i = 0; i < s->view.run_count; i++)
        check_run(w, centre, &s->view.runs[i]);
    for (size_t i = 0; i < w->servers; i++)
        check_server(w, s, i);
    if (s->former.frozen && !s->view.frozen)
        check_takeover(w, &s->view);
}

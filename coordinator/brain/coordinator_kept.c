/* What is to stay stopped: pools, and the web services of servers (their pool is "").
 *
 * `pool stop` sets autoStart to false and stops the pool, `service stop --stay` disables WAS; what
 * could bring them back is another hand, a restored configuration, or a restart that reads an older
 * one. So what was wanted is kept here, by whom and why, and every whole report of that server is
 * held against it: after a restart of WAS and after a boot it is told that it is still stopped, and
 * an alarm is raised when it is not. It stands until it is stopped again or a run starts it, which
 * is the word that ends the wish.
 */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"

#include <string.h>

#define GRACE_MS 10000 /* what was seen before it was stopped may come that late */

static struct kept *find(const struct coordinator *c, const char *server, const char *pool)
{
    for (size_t i = 0; i < c->kept_count; i++) {
        struct kept *k = &c->kept[i];
        if (text_equal_nocase(k->row.server, server) && text_equal_nocase(k->row.pool, pool)) {
            return k;
        }
    }
    return NULL;
}

static struct kept *add(struct coordinator *c, const struct kept_pool *row)
{
    struct kept *k = find(c, row->server, row->pool);
    if (!k) {
        c->kept = must_realloc(c->kept, c->kept_count + 1, sizeof *c->kept);
        k = &c->kept[c->kept_count++];
    }
    *k = (struct kept){.row = *row};
    return k;
}

static void load_one(void *arg, const struct kept_pool *row)
{
    add(arg, row);
}

enum error_code kept_load(struct coordinator *c, struct error *err)
{
    return store_load_kept(c->spec.store, load_one, c, err);
}

/* ---- what runs say ---- */

enum wish { WISH_NONE, WISH_STOPPED, WISH_STARTED };

/* What its agent refused changed nothing: who took them down is told as before. */
static bool starts_services(const struct rollout *r, const struct rollout_target *t)
{
    bool asked = r->action == ROLLOUT_SERVICE_START ||
                 (r->action == ROLLOUT_SERVICE_RECOVER && r->options.enable);
    bool begun = t->outcome == OUTCOME_DONE || t->outcome == OUTCOME_FAILED ||
                 t->outcome == OUTCOME_INTERRUPTED;
    return asked && (t->state == TARGET_NOTHING || (target_state_ended(t->state) && begun));
}

/* Stopped as soon as the gate has seen them down, whatever the balancer makes of it. Where they
 * were down already, and nobody has said so, this is the word; else who took them down stays. */
static enum wish wish_of_services(const struct coordinator *c, const struct rollout *r,
                                  const struct rollout_change *change)
{
    const struct rollout_target *t = &change->target;
    bool says = t->outcome == OUTCOME_DONE ||
                (t->outcome == OUTCOME_NOTHING && !kept_services(c, t->server));
    if (r->action == ROLLOUT_SERVICE_STOP && change->from == TARGET_GATING &&
        t->state != TARGET_FAILED && says) {
        return WISH_STOPPED;
    }
    return starts_services(r, t) ? WISH_STARTED : WISH_NONE;
}

static enum wish wish_of(const struct coordinator *c, const struct rollout *r,
                         const struct rollout_change *change)
{
    const struct rollout_target *t = &change->target;
    if (!change->target_changed || change->from == t->state) {
        return WISH_NONE;
    }
    if (!t->pool[0]) {
        return wish_of_services(c, r, change);
    }
    bool had_nothing = t->state == TARGET_NOTHING;
    if (r->action == ROLLOUT_STOP && !r->options.keep_autostart &&
        (t->state == TARGET_DONE || had_nothing)) {
        return WISH_STOPPED;
    }
    bool begins = r->action == ROLLOUT_START && (t->state == TARGET_ACTING || had_nothing);
    return begins ? WISH_STARTED : WISH_NONE;
}

static uint32_t was_pid(const struct fleet_server *s)
{
    const struct service *was = fleet_service(s, "WAS");
    return was ? was->pid : 0;
}

static struct kept_pool row_of_stop(const struct coordinator *c, const struct rollout *r,
                                    const struct rollout_target *t)
{
    const struct fleet_server *s = fleet_find(c->fleet, t->server);
    struct kept_pool row = {.run = r->id, .since_wall_ms = c->wall_ms};
    text_copy(row.server, sizeof row.server, t->server);
    text_copy(row.pool, sizeof row.pool, t->pool);
    text_copy(row.actor, sizeof row.actor, r->actor);
    text_copy(row.reason, sizeof row.reason, r->reason);
    row.found_down = !t->pool[0] && t->outcome == OUTCOME_NOTHING;
    row.boot = s ? s->boot : (struct wire_id){{0}};
    row.was_pid = s ? was_pid(s) : 0;
    return row;
}

enum error_code kept_write(struct coordinator *c, const struct rollout *r,
                           const struct rollout_change *change, struct error *err)
{
    const struct rollout_target *t = &change->target;
    switch (wish_of(c, r, change)) {
    case WISH_STOPPED: {
        const struct kept_pool row = row_of_stop(c, r, t);
        return store_save_kept(c->spec.store, &row, err);
    }
    case WISH_STARTED:
        return find(c, t->server, t->pool) ? store_drop_kept(c->spec.store, t->server, t->pool, err)
                                           : ERR_NONE;
    case WISH_NONE:
        break;
    }
    return ERR_NONE;
}

static void forget(struct coordinator *c, struct kept *k)
{
    *k = c->kept[--c->kept_count];
}

void kept_mirror(struct coordinator *c, const struct rollout *r,
                 const struct rollout_change *change, bool saved)
{
    struct kept *k = NULL;
    switch (wish_of(c, r, change)) {
    case WISH_STOPPED: {
        const struct kept_pool row = row_of_stop(c, r, &change->target);
        add(c, &row)->unsaved = !saved;
        break;
    }
    case WISH_STARTED:
        k = find(c, change->target.server, change->target.pool);
        if (k && saved) {
            forget(c, k);
        } else if (k) {
            k->unsaved = k->dropped = true;
        }
        break;
    case WISH_NONE:
        break;
    }
}

enum error_code kept_write_unsaved(struct coordinator *c, struct error *err)
{
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < c->kept_count && code == ERR_NONE; i++) {
        const struct kept *k = &c->kept[i];
        if (k->unsaved) {
            code = k->dropped ? store_drop_kept(c->spec.store, k->row.server, k->row.pool, err)
                              : store_save_kept(c->spec.store, &k->row, err);
        }
    }
    return code;
}

void kept_saved(struct coordinator *c)
{
    for (size_t i = c->kept_count; i-- > 0;) {
        c->kept[i].unsaved = false;
        if (c->kept[i].dropped) {
            forget(c, &c->kept[i]);
        }
    }
}

/* ---- what servers say ---- */

static void tell(struct coordinator *c, const struct kept *k, const char *kind, const char *text)
{
    const struct event event = {.kind = kind,
                                .run = k->row.run,
                                .server = k->row.server,
                                .pool = k->row.pool,
                                .text = text};
    event_add(c, &event);
}

/* Row and event as one; if they cannot be saved it is looked at again with the next report. */
static void turn_to(struct coordinator *c, struct kept *k, const struct kept_pool *row,
                    const char *kind, const char *text)
{
    struct error err;
    const struct waiting before = events_waiting(c);
    tell(c, k, kind, text);
    enum error_code code = store_begin(c->spec.store, &err);
    code = code != ERR_NONE ? code : store_save_kept(c->spec.store, row, &err);
    if (events_commit(c, code, &before, &err) == ERR_NONE) {
        k->row = *row;
        log_info(kind, LOG_TEXT("server", row->server), LOG_TEXT("pool", row->pool),
                 LOG_TEXT("text", text));
    }
}

/* What has happened to the server since it was last seen stopped there. */
static const char *cause_of(const struct kept_pool *row, const struct fleet_server *s, uint32_t pid)
{
    if (!wire_id_is_zero(&row->boot) && !wire_id_equal(&row->boot, &s->boot)) {
        return "a reboot";
    }
    return row->was_pid && pid && row->was_pid != pid ? "a restart of WAS" : NULL;
}

/* What a report says of it. */
struct standing {
    bool stopped, runs, by_itself; /* by_itself: the next restart starts it */
};

static struct standing pool_stands(const struct pool *pool)
{
    bool stopped = pool->state == POOL_STATE_STOPPED;
    return (struct standing){.stopped = stopped && !pool->auto_start,
                             .runs = pool->state == POOL_STATE_STARTED ||
                                     pool->state == POOL_STATE_STARTING,
                             .by_itself = stopped && pool->auto_start};
}

static struct standing services_stand(const struct fleet_server *s)
{
    const struct service *was = fleet_service(s, "WAS"), *web = fleet_service(s, "W3SVC");
    if (!was || !web) {
        return (struct standing){0};
    }
    bool down = was->state == SVC_STOPPED, disabled = was->start == SVC_START_DISABLED;
    return (struct standing){.stopped = down && disabled,
                             .runs = was->state == SVC_RUNNING && web->state == SVC_RUNNING,
                             .by_itself = down && !disabled && was->start != SVC_START_UNKNOWN};
}

static const char *back_words(const struct kept_pool *row, const struct standing *is)
{
    if (!row->pool[0]) {
        return is->runs ? "its web services run again"
                        : "WAS is enabled again: the next restart starts the web services";
    }
    return is->runs ? "it runs again" : "its autoStart is on again: the next restart starts it";
}

static void came_back(struct coordinator *c, struct kept *k, struct kept_pool *row,
                      const struct standing *is, const char *cause)
{
    char text[900];
    row->back_wall_ms = c->wall_ms;
    text_format(row->back_how, sizeof row->back_how, "%s%s%s", back_words(row, is),
                cause ? ", after " : "", cause ? cause : "");
    if (row->pool[0]) {
        text_format(
            text, sizeof text,
            "%s, though run %llu stopped it to stay stopped (%.100s: %.300s); `farmhand pool "
            "stop %s --on %s` stops it again, `pool start` ends the wish",
            row->back_how, (unsigned long long)row->run, row->actor, row->reason, row->pool,
            row->server);
        turn_to(c, k, row, "pool.came-back", text);
        return;
    }
    text_format(
        text, sizeof text,
        "%s, though run %llu %s (%.100s: %.300s); `farmhand service stop --stay --on %s` takes "
        "them down again, `service start` ends the wish",
        row->back_how, (unsigned long long)row->run,
        row->found_down ? "had them stay down" : "took them down to stay down", row->actor,
        row->reason, row->server);
    turn_to(c, k, row, "services.came-back", text);
}

static void look_at(struct coordinator *c, struct kept *k, const struct fleet_server *s,
                    const struct standing *is)
{
    char text[160];
    struct kept_pool row = k->row;
    bool of_pool = row.pool[0] != '\0';
    uint32_t pid = of_pool ? was_pid(s) : 0; /* while they are down WAS has none */
    const char *cause = cause_of(&row, s, pid);
    row.boot = s->boot;
    row.was_pid = pid ? pid : row.was_pid;
    if ((is->runs || is->by_itself) && !row.back_wall_ms) {
        came_back(c, k, &row, is, cause);
    } else if (is->stopped && row.back_wall_ms) {
        row.back_wall_ms = 0;
        row.back_how[0] = '\0';
        turn_to(c, k, &row, of_pool ? "pool.stopped-again" : "services.stopped-again",
                of_pool ? "it is stopped again, and stays so"
                        : "its web services are down again, and stay so");
    } else if (is->stopped && cause) {
        row.checked_wall_ms = c->wall_ms;
        text_format(text, sizeof text, "still stopped after %s", cause);
        turn_to(c, k, &row, of_pool ? "pool.still-stopped" : "services.still-stopped", text);
    }
}

/* While a run has it in hand, or had it a moment ago, its states are the run's. */
static bool is_in_hand(const struct coordinator *c, const struct kept *k)
{
    const struct lease *l = lease_find(c, k->row.server, k->row.pool);
    int64_t since_ms = c->wall_ms - k->row.since_wall_ms;
    return (l && l->owner == LEASE_RUN) || (since_ms >= 0 && since_ms < GRACE_MS);
}

void kept_look(struct coordinator *c, const struct fleet_server *s)
{
    for (size_t i = 0; i < c->kept_count && !c->store_trouble[0]; i++) {
        struct kept *k = &c->kept[i];
        struct standing is = {0};
        if (k->dropped || k->unsaved || !text_equal_nocase(k->row.server, s->name) ||
            is_in_hand(c, k)) {
            continue;
        }
        const struct pool *pool = k->row.pool[0] ? fleet_pool(s, k->row.pool) : NULL;
        if (pool) {
            is = pool_stands(pool);
        } else if (!k->row.pool[0]) {
            is = services_stand(s);
        }
        look_at(c, k, s, &is);
    }
}

const struct kept_pool *kept_services(const struct coordinator *c, const char *server)
{
    const struct kept *k = find(c, server, "");
    return k && !k->dropped ? &k->row : NULL;
}

/* ---- for views ---- */

size_t coordinator_kept_count(const struct coordinator *c)
{
    return c->kept_count;
}

const struct kept_pool *coordinator_kept_at(const struct coordinator *c, size_t index)
{
    must(index < c->kept_count);
    return &c->kept[index].row;
}

/* What people say of servers: declared out, released, gone from the list. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/text.h"

/* The server's row and what a person said about it, as one. */
static enum error_code save_server(struct coordinator *c, const struct fleet_server *s,
                                   const char *action, const char *actor, const char *reason,
                                   struct error *err)
{
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct waiting before = events_waiting(c);
    /* What ran out was still so until now. */
    audit_of_server(was, fleet_find(c->fleet, s->name), 0);
    word_add(c, actor, action, 0, s->name, reason, was, audit_of_server(is, s, c->wall_ms));
    enum error_code code = store_begin(c->spec.store, err);
    code = code != ERR_NONE ? code : write_server(c, s, err);
    return events_commit(c, code, &before, err);
}

enum error_code begin_word(struct coordinator *c, const char *server, const char *reason,
                           struct fleet_server **out, struct error *err)
{
    *out = fleet_find(c->fleet, server);
    if (!*out) {
        return error_set(err, ERR_NOT_FOUND,
                         "no server '%s': `farmhand server list` shows their names", server);
    }
    enum error_code code = check_reason(reason, err);
    return code != ERR_NONE ? code : check_writable(c, err);
}

enum error_code coordinator_declare_out(struct coordinator *c, const char *server, uint64_t for_ms,
                                        const char *actor, const char *reason, uint64_t now_ms,
                                        int64_t wall_ms, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct fleet_server *s;
    enum error_code code = begin_word(c, server, reason, &s, err);
    if (code == ERR_NONE && (for_ms < 1000 || for_ms > 366ull * 86400000)) {
        code = error_set(err, ERR_INVALID, "for how long? between 1s and 366d");
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct fleet_server told = *s;
    told.declared_out_until_ms = wall_ms + (int64_t)for_ms;
    text_copy(told.declared_out_reason, sizeof told.declared_out_reason, reason);
    text_copy(told.declared_out_by, sizeof told.declared_out_by, actor);
    code = save_server(c, &told, "server.declare-out", actor, reason, err);
    if (code == ERR_NONE) {
        *s = told;
        fleet_tick_one(c->fleet, s, now_ms, wall_ms, fleet_told, c);
        runs_drive(c);
    }
    return code;
}

/* Tells it as loudly as a person's word: from here on the server spends the budget again. */
void declared_out_expire(struct coordinator *c)
{
    for (size_t i = 0; i < fleet_count(c->fleet) && !c->store_trouble[0]; i++) {
        struct fleet_server *s = fleet_at(c->fleet, i);
        if (s->declared_out_until_ms == 0 || s->declared_out_until_ms > c->wall_ms) {
            continue;
        }
        char reason[512];
        text_format(reason, sizeof reason,
                    "its time ran out, it counts in the budget again; %.120s had said: %.255s",
                    s->declared_out_by, s->declared_out_reason);
        struct fleet_server told = *s;
        told.declared_out_until_ms = 0;
        struct error err;
        if (save_server(c, &told, "server.declare-out-ended", "coordinator", reason, &err) ==
            ERR_NONE) {
            s->declared_out_until_ms = 0;
            log_warn("declare_out_ended", LOG_TEXT("server", s->name), LOG_TEXT("why", reason));
        }
    }
}

/* Before the release takes effect: what the former journal was asked to do is unknown from here on,
 * and does not leave for the new one. Of two machines with copies of one journal, the one that is
 * left need not be the one that heard it. */
static void leave_former_journal(struct coordinator *c, const struct fleet_server *s)
{
    if (!s->quarantined) {
        return;
    }
    for (size_t i = 0; i < c->run_count; i++) {
        struct rollout *r = c->runs[i];
        for (size_t k = 0; k < r->target_count; k++) {
            if (!text_equal_nocase(r->targets[k].server, s->name)) {
                continue;
            }
            struct rollout_change change;
            rollout_on_new_journal(r, k, c->now_ms, &change);
            runs_apply(c, r, &change);
            session_forget(c, s->name, &r->targets[k].command);
        }
    }
}

enum error_code coordinator_release(struct coordinator *c, const char *server, const char *actor,
                                    const char *reason, uint64_t now_ms, int64_t wall_ms,
                                    struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct fleet_server *s;
    enum error_code code = begin_word(c, server, reason, &s, err);
    struct incident *apart = code == ERR_NONE ? remedies_apart(c, s->name) : NULL;
    if (apart && !s->quarantined && s->declared_out_until_ms <= wall_ms) {
        return remedies_release(c, apart, actor, reason, err);
    }
    if (code == ERR_NONE && !s->quarantined && s->declared_out_until_ms <= wall_ms) {
        code = error_set(err, ERR_STATE, "%s is neither in quarantine nor declared out", s->name);
    }
    if (code != ERR_NONE) {
        return code;
    }
    leave_former_journal(c, s);
    struct fleet_server told = *s;
    fleet_release(&told);
    code = save_server(c, &told, "server.release", actor, reason, err);
    if (code == ERR_NONE) {
        fleet_release(s);
        s->stored = true;
        fleet_tick_one(c->fleet, s, now_ms, wall_ms, fleet_told, c);
        runs_drive(c);
    }
    return code;
}

/* ---- those that left ---- */

/* An open run that has not ended with it; 0: none. */
static uint64_t run_with(const struct coordinator *c, const char *server)
{
    for (size_t i = 0; i < c->run_count; i++) {
        const struct rollout *r = c->runs[i];
        for (size_t k = 0; k < r->target_count && !run_state_ended(r->state); k++) {
            if (text_equal_nocase(r->targets[k].server, server) &&
                !target_state_ended(r->targets[k].state)) {
                return r->id;
            }
        }
    }
    return 0;
}

/* A row of its own: one that never joined, or was held when it was removed, goes by this alone. */
static enum error_code save_drop(struct coordinator *c, const struct fleet_server *s,
                                 const char *actor, const char *reason, struct error *err)
{
    char was[AUDIT_WORDS_MAX];
    const struct waiting before = events_waiting(c);
    word_add(c, actor, "server.unlist", 0, s->name, reason, audit_of_server(was, s, c->wall_ms),
             "not in the list of servers");
    enum error_code code = store_begin(c->spec.store, err);
    code = code != ERR_NONE ? code : store_drop_server(c->spec.store, s->name, err);
    return events_commit(c, code, &before, err);
}

enum error_code coordinator_drop_server(struct coordinator *c, const char *server,
                                        const char *actor, const char *reason, uint64_t now_ms,
                                        int64_t wall_ms, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct fleet_server *s = fleet_find(c->fleet, server);
    if (!s) {
        return error_set(err, ERR_NOT_FOUND, "no server '%.100s'", server);
    }
    const char *holder = coordinator_holder(c, s->name, NULL);
    uint64_t run = run_with(c, s->name);
    if (holder || run) {
        char text[64];
        text_format(text, sizeof text, "run %llu", (unsigned long long)run);
        return error_set(
            err, ERR_BUSY,
            "%s still has it: it stays listed, and counts as silent, until that is over "
            "and it is removed once more",
            holder ? holder : text);
    }
    enum error_code code = check_writable(c, err);
    code = code != ERR_NONE ? code : save_drop(c, s, actor, reason, err);
    if (code != ERR_NONE) {
        return code;
    }
    fleet_remove(c->fleet, s);
    c->grouped = SIZE_MAX; /* no number of servers: all groups are made anew */
    c->turn++;
    return ERR_NONE;
}

/* Servers that a person asked everybody to keep their hands off, until a moment. Runs, holds and
 * whatever else wants to begin something there skip them; what is in hand is finished. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/text.h"

#define LONGEST_MS (366ull * 86400000)

static void install(struct fleet_server *s, const struct store_maintenance *m)
{
    s->maintenance_until_ms = m->until_ms;
    text_copy(s->maintenance_reason, sizeof s->maintenance_reason, m->reason);
    text_copy(s->maintenance_by, sizeof s->maintenance_by, m->by);
}

static void load_one(void *arg, const struct store_maintenance *m)
{
    struct coordinator *c = arg;
    install(fleet_add(c->fleet, m->server), m);
}

enum error_code maintenance_load(struct coordinator *c, struct error *err)
{
    return store_load_maintenance(c->spec.store, load_one, c, err);
}

static enum error_code save(struct coordinator *c, const struct store_maintenance *m,
                            const char *action, const char *actor, const char *reason,
                            struct error *err)
{
    const struct waiting before = events_waiting(c);
    const struct fleet_server *s = fleet_find(c->fleet, m->server);
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    word_add(c, actor, action, 0, m->server, reason,
             audit_of_maintenance(was, s->maintenance_until_ms, s->maintenance_by,
                                  s->maintenance_reason),
             audit_of_maintenance(is, m->until_ms, m->by, m->reason));
    const struct event event = {.kind = "server.maintenance",
                                .server = m->server,
                                .actor = actor,
                                .text = reason,
                                .from = m->until_ms ? "off" : "on",
                                .to = m->until_ms ? "on" : "off"};
    event_add(c, &event);
    enum error_code code = store_begin(c->spec.store, err);
    code = code != ERR_NONE ? code : store_save_maintenance(c->spec.store, m, err);
    return events_commit(c, code, &before, err);
}

enum error_code coordinator_maintenance(struct coordinator *c, const char *server, uint64_t for_ms,
                                        const char *actor, const char *reason, uint64_t now_ms,
                                        int64_t wall_ms, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct fleet_server *s;
    enum error_code code = begin_word(c, server, reason, &s, err);
    if (code == ERR_NONE && for_ms && (for_ms < 1000 || for_ms > LONGEST_MS)) {
        code = error_set(err, ERR_INVALID, "for how long? between 1s and 366d");
    }
    if (code == ERR_NONE && !for_ms && s->maintenance_until_ms <= wall_ms) {
        code = error_set(err, ERR_STATE, "%s is not in maintenance", s->name);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct store_maintenance m = {.until_ms = for_ms ? wall_ms + (int64_t)for_ms : 0};
    text_copy(m.server, sizeof m.server, s->name);
    text_copy(m.reason, sizeof m.reason, reason);
    text_copy(m.by, sizeof m.by, actor);
    code = save(c, &m, for_ms ? "server.maintenance-on" : "server.maintenance-off", actor, reason,
                err);
    if (code == ERR_NONE) {
        install(s, &m);
        runs_drive(c);
    }
    return code;
}

/* Told as loudly as a person's word: from here on runs take the server again. */
void maintenance_expire(struct coordinator *c)
{
    for (size_t i = 0; i < fleet_count(c->fleet) && !c->store_trouble[0]; i++) {
        struct fleet_server *s = fleet_at(c->fleet, i);
        if (s->maintenance_until_ms == 0 || s->maintenance_until_ms > c->wall_ms) {
            continue;
        }
        char reason[512];
        text_format(reason, sizeof reason,
                    "its time ran out, runs take it again; %.120s had said: %.255s",
                    s->maintenance_by, s->maintenance_reason);
        struct store_maintenance m = {0};
        text_copy(m.server, sizeof m.server, s->name);
        struct error err;
        if (save(c, &m, "server.maintenance-ended", "coordinator", reason, &err) == ERR_NONE) {
            install(s, &m);
            log_warn("maintenance_ended", LOG_TEXT("server", s->name), LOG_TEXT("why", reason));
        }
    }
}

/* What people say of incidents and of servers in quarantine. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/text.h"

static enum error_code find_open(struct coordinator *c, uint64_t id, struct incident **out,
                                 struct error *err)
{
    *out = incident_by_id(c, id);
    return *out ? ERR_NONE
                : error_set(err, ERR_NOT_FOUND, "no open incident %llu: `farmhand incident list`",
                            (unsigned long long)id);
}

static enum error_code begin(struct coordinator *c, uint64_t id, const char *reason,
                             struct incident **out, struct error *err)
{
    enum error_code code = find_open(c, id, out, err);
    code = code != ERR_NONE ? code : check_reason(reason, err);
    return code != ERR_NONE ? code : check_writable(c, err);
}

static enum error_code end(struct coordinator *c, struct remedy_change *change, const char *actor,
                           const char *action, const char *reason, struct error *err)
{
    char object[WIRE_NAME_MAX + 32], was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct waiting before = events_waiting(c);
    if (change->opens) { /* it has no number yet */
        text_copy(object, sizeof object, change->incident.server);
    } else {
        text_format(object, sizeof object, "incident %llu on %s",
                    (unsigned long long)change->incident.id, change->incident.server);
    }
    const struct incident *known = change->opens ? NULL : incident_by_id(c, change->incident.id);
    word_add(c, actor, action, 0, object, reason,
             known ? audit_of_incident(was, known) : "in rotation",
             change->closes ? "closed" : audit_of_incident(is, &change->incident));
    if (change->effect != REMEDY_NOTHING) {
        uint64_t run;
        char said[INCIDENT_TEXT_MAX];
        struct plan_request q = remedies_request(c, change, said, sizeof said);
        q.actor = actor;
        q.reason = reason;
        enum error_code code = runs_begin(c, &q, change, &run, err);
        if (code != ERR_NONE) {
            events_undo(c, &before);
        }
        return code;
    }
    if (!remedies_save(c, change, err)) {
        events_undo(c, &before);
        return err->code;
    }
    remedies_install(c, change);
    remedies_drive(c);
    return ERR_NONE;
}

enum error_code coordinator_approve_incident(struct coordinator *c, uint64_t id, const char *actor,
                                             const char *reason, uint64_t now_ms, int64_t wall_ms,
                                             struct error *err)
{
    struct incident *n;
    struct remedy_change change;
    turn_begin(c, now_ms, wall_ms);
    enum error_code code = begin(c, id, reason, &n, err);
    code = code != ERR_NONE ? code
                            : remedy_approve(c->remedy, n, actor, reason, wall_ms, &change, err);
    return code != ERR_NONE ? code : end(c, &change, actor, "incident.approve", reason, err);
}

enum error_code coordinator_dismiss_incident(struct coordinator *c, uint64_t id, const char *actor,
                                             const char *reason, uint64_t now_ms, int64_t wall_ms,
                                             struct error *err)
{
    struct incident *n;
    struct remedy_change change;
    turn_begin(c, now_ms, wall_ms);
    enum error_code code = begin(c, id, reason, &n, err);
    if (code == ERR_NONE && leasing_taker(c, id)) {
        code =
            error_set(err, ERR_STATE,
                      "incident %llu is in the hands of run %llu over the whole of %s: wait for "
                      "it, or abort it",
                      (unsigned long long)id, (unsigned long long)leasing_taker(c, id), n->server);
    }
    code = code != ERR_NONE
               ? code
               : remedy_dismiss(n, actor, reason, remedies_hold(c, n->id) || lease_is_lent(c, n),
                                wall_ms, &change, err);
    return code != ERR_NONE ? code : end(c, &change, actor, "incident.dismiss", reason, err);
}

/* In quarantine, or on its way there: its run may still wait for its turn. */
static const struct incident *quarantine_of(struct coordinator *c, const char *server)
{
    for (size_t i = 0; i < c->incident_count; i++) {
        const struct incident *n = &c->incidents[i];
        bool goes = text_equal(n->kind, "quarantine") && n->phase == INCIDENT_ACTING;
        if (goes && text_equal_nocase(n->server, server)) {
            return n;
        }
    }
    return remedies_apart(c, server);
}

enum error_code coordinator_quarantine(struct coordinator *c, const char *server, uint64_t for_ms,
                                       const char *actor, const char *reason, uint64_t now_ms,
                                       int64_t wall_ms, struct error *err)
{
    struct remedy_change change;
    struct fleet_server *s;
    char why[INCIDENT_TEXT_MAX] = "";
    turn_begin(c, now_ms, wall_ms);
    enum error_code code = begin_word(c, server, reason, &s, err);
    const struct incident *known = code == ERR_NONE ? quarantine_of(c, s->name) : NULL;
    if (known) {
        bool goes = known->phase == INCIDENT_ACTING;
        code = error_set(err, ERR_EXISTS, "%s is %s quarantine already (incident %llu)", s->name,
                         goes ? "on its way into" : "in", (unsigned long long)known->id);
    }
    if (code == ERR_NONE && !coordinator_may_take(c, s->name, now_ms, why, sizeof why)) {
        code = error_set(err, ERR_STATE, "%s cannot be taken out now: %.300s", s->name, why);
    }
    if (code != ERR_NONE) {
        return code;
    }
    remedy_quarantine(s->name, for_ms, actor, reason, wall_ms, &change);
    return end(c, &change, actor, "server.quarantine", reason, err);
}

struct incident *remedies_apart(struct coordinator *c, const char *server)
{
    for (size_t i = 0; i < c->incident_count; i++) {
        struct incident *n = &c->incidents[i];
        bool apart = n->phase == INCIDENT_QUARANTINED ||
                     (n->phase == INCIDENT_CALLED && remedies_hold(c, n->id));
        if (apart && text_equal_nocase(n->server, server)) {
            return n;
        }
    }
    return NULL;
}

enum error_code remedies_release(struct coordinator *c, struct incident *n, const char *actor,
                                 const char *reason, struct error *err)
{
    struct remedy_change change;
    enum error_code code = remedy_release(n, actor, reason, c->wall_ms, &change, err);
    return code != ERR_NONE ? code : end(c, &change, actor, "server.release", reason, err);
}

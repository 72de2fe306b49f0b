/* The rules of remediation are exchanged while incidents are open: one transaction has the audit
 * rows and what becomes of the incidents; only then the new ones hold. */
#include "coordinator/brain/coordinator_impl.h"

struct telling {
    struct coordinator *c;
    const char *actor, *reason;
};

static void tell_difference(void *arg, const char *what, const char *was, const char *is)
{
    const struct telling *t = arg;
    word_add(t->c, t->actor, "remediation.rules", 0, what, t->reason, was, is);
}

static enum error_code write_reconsidered(struct coordinator *c, const struct remedy_rule *rules,
                                          size_t count, struct error *err)
{
    enum error_code code = ERR_NONE;
    struct remedy_change change;
    for (size_t i = 0; i < c->incident_count && code == ERR_NONE; i++) {
        if (remedy_reconsider(c->remedy, rules, count, &c->incidents[i], c->wall_ms, &change)) {
            code = remedies_write(c, &change, err);
        }
    }
    return code;
}

static void install_reconsidered(struct coordinator *c, const struct remedy_rule *rules,
                                 size_t count)
{
    struct remedy_change change;
    for (size_t i = 0; i < c->incident_count; i++) { /* none of them closes */
        if (remedy_reconsider(c->remedy, rules, count, &c->incidents[i], c->wall_ms, &change)) {
            remedies_install(c, &change);
        }
    }
}

enum error_code coordinator_take_rules(struct coordinator *c, const struct remedy_rule *rules,
                                       size_t count, const struct remedy_guards *guards,
                                       const char *actor, const char *reason, uint64_t now_ms,
                                       int64_t wall_ms, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    enum error_code code = check_writable(c, err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct waiting before = events_waiting(c);
    struct telling telling = {c, actor, reason};
    remedy_differences(c->remedy, rules, count, guards, tell_difference, &telling);
    code = store_begin(c->spec.store, err);
    code = code != ERR_NONE ? code : write_reconsidered(c, rules, count, err);
    code = events_commit(c, code, &before, err);
    if (code != ERR_NONE) {
        return code;
    }
    install_reconsidered(c, rules, count);
    remedy_exchange(c->remedy, rules, count, guards, c->now_ms);
    remedies_drive(c);
    events_flush(c);
    return ERR_NONE;
}

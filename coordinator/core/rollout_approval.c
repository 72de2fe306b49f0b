/* A second person's word, before a run begins anything.
 *
 * A pause with a cause of its own: a resume does not remove it, its own starter never can, and it
 * expires by wall time, since it outlives restarts; the run then ends with nothing done. */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"

#include <string.h>

#define APPROVER_MAX 64 /* bytes of one name, NUL included */
#define ANYONE       "anyone"

/* The next name of the list into out; NULL: no more, or it is no name. */
static const char *next_name(const char *list, char out[APPROVER_MAX])
{
    while (*list == ',' || *list == ' ') {
        list++;
    }
    size_t len = strcspn(list, ", ");
    if (len == 0 || len >= APPROVER_MAX) {
        return NULL;
    }
    memcpy(out, list, len);
    out[len] = '\0';
    return list + len;
}

static bool name_ok(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".-_";
    name += *name == '@';
    return *name && name[strspn(name, letters)] == '\0';
}

enum error_code rollout_ask_approval(struct rollout *r, const char *approvers, uint64_t within_ms,
                                     int64_t wall_ms, struct error *err)
{
    char name[APPROVER_MAX], until[TEXT_TIME_MAX];
    const char *rest = approvers;
    bool other = false;
    for (const char *at; (at = next_name(rest, name)); rest = at) {
        if (!name_ok(name)) {
            return error_set(err, ERR_INVALID,
                             "approve_by: \"%s\" is nobody: expected names of users, @group, or "
                             "anyone, with commas between",
                             name);
        }
        other = other || !text_equal(name, r->actor);
    }
    if (rest[strspn(rest, ", ")] != '\0' || !other ||
        strlen(approvers) >= sizeof r->options.approve_by) {
        return error_set(err, ERR_INVALID,
                         "approve_by: expected at least one other person than %.100s, %zu bytes "
                         "at most",
                         r->actor, sizeof r->options.approve_by - 1);
    }
    text_copy(r->options.approve_by, sizeof r->options.approve_by, approvers);
    r->options.approve_until_ms = wall_ms + (int64_t)within_ms;
    r->pause_causes |= PAUSE_APPROVAL;
    text_format(r->why, sizeof r->why, "waits for the approval of %s (not %.100s's own), until %s",
                approvers, r->actor, text_format_time(until, r->options.approve_until_ms));
    return ERR_NONE;
}

enum error_code rollout_may_approve(const struct rollout *r, const char *actor,
                                    bool (*in_group)(void *ctx, const char *user,
                                                     const char *group),
                                    void *ctx, int64_t wall_ms, struct error *err)
{
    char name[APPROVER_MAX];
    const char *rest = r->options.approve_by;
    if (!(r->pause_causes & PAUSE_APPROVAL) || r->state != RUN_RUNNING) {
        return error_set(err, ERR_STATE, "run %llu waits for nobody's approval",
                         (unsigned long long)r->id);
    }
    if (wall_ms >= r->options.approve_until_ms) {
        return error_set(err, ERR_STATE, "the time to approve run %llu is over: start it anew",
                         (unsigned long long)r->id);
    }
    if (text_equal(actor, r->actor)) {
        return error_set(err, ERR_DENIED,
                         "%.100s started run %llu: somebody else has to approve it", actor,
                         (unsigned long long)r->id);
    }
    while ((rest = next_name(rest, name))) {
        if (text_equal(name, ANYONE) || text_equal(name, actor) ||
            (name[0] == '@' && in_group && in_group(ctx, actor, name + 1))) {
            return ERR_NONE;
        }
    }
    return error_set(err, ERR_DENIED, "run %llu is to be approved by %s, not by %.100s",
                     (unsigned long long)r->id, r->options.approve_by, actor);
}

void rollout_approve(const struct rollout *r, const char *actor, struct rollout_change *c)
{
    change_begin(r, c);
    c->any = c->run_changed = true; /* durable first: it begins something */
    change_pause(c, PAUSE_APPROVAL, false);
    text_format(c->why, sizeof c->why, "approved by %.100s", actor);
}

bool approval_turn(const struct rollout *r, struct rollout_change *c,
                   const struct rollout_view *view)
{
    if (!(r->pause_causes & PAUSE_APPROVAL) || r->state != RUN_RUNNING ||
        view->wall_ms < r->options.approve_until_ms) {
        return false;
    }
    c->any = c->run_changed = c->restoring = true;
    c->run_state = RUN_ABORTING;
    text_format(c->why, sizeof c->why, "nobody approved it in time (%s)", r->options.approve_by);
    return true;
}

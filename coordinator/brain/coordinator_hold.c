/* Holds of other tools: begun as runs, released by token or by name. What happens in between is the
 * run's own (rollout_hold.c). */
#include "coordinator/brain/coordinator_impl.h"

#include "common/sha256.h"
#include "common/text.h"

#include <string.h>

static void hash_token(const char *token, char out[ROLLOUT_KEY_MAX])
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 h;
    sha256_begin(&h);
    sha256_add(&h, token, strlen(token));
    sha256_end(&h, digest);
    sha256_hex(digest, out);
}

enum error_code coordinator_start_hold(struct coordinator *c, const struct plan_request *request,
                                       uint64_t now_ms, int64_t wall_ms, uint64_t *out_run,
                                       char token[HOLD_TOKEN_MAX], struct error *err)
{
    struct wire_id random;
    char fresh[HOLD_TOKEN_MAX], key[ROLLOUT_KEY_MAX];
    c->spec.ports.random_id(c->spec.ports.ctx, &random);
    text_to_hex(fresh, random.bytes, sizeof random.bytes);
    hash_token(fresh, key);
    struct plan_request q = *request;
    q.hold_key = key;
    enum error_code code = coordinator_start_run(c, &q, now_ms, wall_ms, out_run, err);
    if (code == ERR_NONE) {
        memcpy(token, fresh, sizeof fresh);
    }
    return code;
}

static struct rollout *find_hold(const struct coordinator *c, const struct hold_release *release)
{
    char key[ROLLOUT_KEY_MAX];
    hash_token(release->token, key);
    for (size_t i = 0; i < c->run_count; i++) {
        struct rollout *r = c->runs[i];
        if (r->action != ROLLOUT_HOLD || run_state_ended(r->state)) {
            continue;
        }
        bool by_token = release->token[0] && strcmp(key, r->hold_key) == 0;
        bool by_name =
            release->server[0] && text_equal_nocase(release->server, r->targets[0].server);
        if (by_token || by_name) {
            return r;
        }
    }
    return NULL;
}

const struct rollout *coordinator_find_hold(const struct coordinator *c,
                                            const struct hold_release *release)
{
    return find_hold(c, release);
}

/* Nobody has it yet, so nobody is asked for proof either: the run is given up. */
static enum error_code give_up(struct coordinator *c, struct rollout *r, const char *actor,
                               const char *reason, struct error *err)
{
    return coordinator_request(c, r->id, REQUEST_ABORT, actor, reason, c->now_ms, c->wall_ms, err);
}

static enum error_code give_back(struct coordinator *c, struct rollout *r, bool failed,
                                 const char *actor, const char *reason, struct error *err)
{
    struct rollout_change change;
    char what[ROLLOUT_STEP_MAX];
    text_format(what, sizeof what, "%s by %.100s: %.300s",
                failed ? "given back as failed" : "released", actor, reason);
    rollout_on_release(r, 0, failed, what, c->now_ms, &change);
    if (!change.any) {
        return error_set(err, ERR_STATE, "%s is given back already: `farmhand run show %llu`",
                         r->targets[0].server, (unsigned long long)r->id);
    }
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    word_add(c, actor, "hold.release", r->id, r->targets[0].server, reason,
             audit_of_target(was, &r->targets[0]),
             change.target_changed ? audit_of_target(is, &change.target) : "given back");
    runs_apply(c, r, &change); /* it only gives back: kept in memory if it cannot be saved */
    runs_drive(c);
    return ERR_NONE;
}

enum error_code coordinator_release_hold(struct coordinator *c, const struct hold_release *release,
                                         const char *actor, const char *reason, uint64_t now_ms,
                                         int64_t wall_ms, uint64_t *out_run, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    struct rollout *r = find_hold(c, release);
    enum error_code code = check_reason(reason, err);
    if (code == ERR_NONE && !r) {
        code = error_set(err, ERR_NOT_FOUND,
                         "nobody holds %.100s: `farmhand hold list` shows who holds what",
                         release->server[0] ? release->server : "a server by that token");
    }
    if (code != ERR_NONE) {
        return code;
    }
    *out_run = r->id;
    enum target_state state = r->targets[0].state;
    bool taken = state != TARGET_WAITING && state != TARGET_CHECKING && state != TARGET_DRAINING;
    return taken ? give_back(c, r, release->failed, actor, reason, err)
                 : give_up(c, r, actor, reason, err);
}

/* enrol_join.c - a server asks to join: let in, made to wait, or refused. See enrol.h. */
#include "coordinator/enrol/enrol_internal.h"

#include "common/text.h"
#include "coordinator/store/audit_words.h"
#include "proto/url.h"

#include <stdlib.h>
#include <string.h>

/* Everything about one request, looked up. */
struct asked {
    const struct enrol_request *request;
    char key[SHA256_HEX];
    struct join_right right;
    const struct member *member;   /* of that name; NULL: none */
    const struct joining *waiting; /* of that key; NULL: none */
};

static enum error_code check_token(const struct enrol *e, const char *text, struct join_right *out,
                                   struct error *err)
{
    struct join_token token;
    uint8_t hash[SHA256_BYTES];
    char id[MEMBER_ID_HEX], hex[SHA256_HEX];
    if (join_token_parse(text, &token, err))
        return ERR_DENIED;
    text_to_hex(id, token.id, sizeof(token.id));
    token_hash(token.secret, hash);
    sha256_hex(hash, hex);
    text_wipe(&token, sizeof(token));
    const struct join_right *right = enrol_find_right(e, id);
    if (!right || !token_equal(right->hash, hex, sizeof(hex)))
        return error_set(err, ERR_DENIED, "this coordinator never made that token");
    *out = *right;
    return ERR_NONE;
}

static enum error_code look_up(const struct enrol *e, const struct enrol_request *request,
                               struct asked *a, bool *wrong, struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    *a = (struct asked){.request = request};
    *wrong = false;
    enum error_code code = check_token(e, request->token, &a->right, err);
    *wrong = code == ERR_DENIED;
    code = code ? code : wire_check_server_name(request->name, err);
    code = code ? code : ca_request_read(request->request, hash, err);
    if (code)
        return code;
    sha256_hex(hash, a->key);
    a->member = enrol_find_member(e, request->name);
    a->waiting = enrol_find_joining(e, a->key);
    if (a->waiting && (!text_equal(a->waiting->token, a->right.id) ||
                       !text_equal_nocase(a->waiting->name, request->name)))
        return error_set(err, ERR_DENIED, "that key has asked already, in another way");
    return ERR_NONE;
}

/* Its certificate was made already, and the answer got lost. That costs no second use, and may come
 * when the token has expired or is used up; one that was revoked opens nothing, and who was
 * removed, or has another key since, is asked about like anybody else. */
static bool is_repeat(const struct asked *a)
{
    return enrol_is_in(a->member) && text_equal(a->member->key, a->key) &&
           text_equal(a->member->token, a->right.id) && a->right.revoked_ms == 0;
}

/* Why a person has to look at it; "": nobody has to. */
static void judge(const struct asked *a, char *why, size_t size)
{
    char at[TEXT_TIME_MAX];
    why[0] = '\0';
    if (enrol_is_in(a->member))
        text_format(why, size,
                    "a server called %.60s has joined already, on %s. If this is it after a "
                    "reinstallation, approve it: the former key is worth nothing from then on",
                    a->member->name, text_format_time(at, a->member->joined_ms));
    else if (!text_glob_match(a->right.names, a->request->name))
        text_format(why, size, "the token is for %.80s", a->right.names);
}

/* What it becomes, but for its certificate. A repeat takes nothing from whoever has the key and may
 * be at work with the certificate that came first: since_ms stays. */
static struct member member_of(const struct asked *a, int64_t wall_ms)
{
    struct member m = {.profile = a->right.profile, .joined_ms = wall_ms};
    if (is_repeat(a))
        return *a->member;
    text_copy(m.name, sizeof(m.name), a->request->name);
    text_copy(m.key, sizeof(m.key), a->key);
    text_copy(m.token, sizeof(m.token), a->right.id);
    text_copy(m.labels, sizeof(m.labels), a->right.labels);
    return m;
}

static enum error_code let_in(struct enrol *e, const struct asked *a, bool counts, int64_t wall_ms,
                              struct enrol_answer *out, struct error *err)
{
    bool repeat = is_repeat(a);
    struct join_right right = a->right;
    struct member m = member_of(a, wall_ms);
    struct ca_issued issued;
    enum error_code code = ca_sign(e->spec.ca, a->request->request, m.name, e->spec.life_ms,
                                   wall_ms, a->member ? a->member->issued_ms : 0, &issued, err);
    if (code)
        return code;
    m.issued_ms = issued.issued_wall_ms;
    m.since_ms = repeat ? m.since_ms : m.issued_ms;
    m.until_ms = issued.until_wall_ms;
    right.used += counts ? 1 : 0;
    char actor[MEMBER_WHO_MAX];
    text_format(actor, sizeof(actor), "token %s of %.80s", right.id, right.created_by);
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct enrol_word word = {.wall_ms = wall_ms,
                                    .actor = actor,
                                    .action = repeat ? "server.join-again" : "server.join",
                                    .object = m.name,
                                    .reason = a->request->address,
                                    .server = m.name,
                                    .before = audit_of_member(was, a->member),
                                    .after = audit_of_member(is, &m)};
    code = enrol_begin(e, err);
    code = code ? code : store_save_member(e->spec.store, &m, err);
    code = code || !counts ? code : store_save_join_right(e->spec.store, &right, err);
    code = code ? code : store_drop_joining(e->spec.store, a->key, err);
    code = enrol_end(e, code, &word, err);
    if (code) {
        free(issued.pem);
        return code;
    }
    enrol_drop_joining(e, a->key);
    enrol_put_right(e, &right);
    enrol_put_member(e, &m);
    if (!repeat)
        e->spec.cut(e->spec.ctx, m.name); /* whoever had that name with the former key */
    *out = (struct enrol_answer){.in = true, .issued = issued, .profile = right.profile};
    return ERR_NONE;
}

static enum error_code let_wait(struct enrol *e, const struct asked *a, const char *why,
                                int64_t wall_ms, struct enrol_answer *out, struct error *err)
{
    struct join_right right = a->right;
    struct joining j = {.asked_ms = wall_ms};
    char actor[MEMBER_WHO_MAX];
    if (e->joining_count >= ENROL_WAITING_MAX)
        return error_set(err, ERR_FULL, "%d servers wait already", ENROL_WAITING_MAX);
    text_copy(j.name, sizeof(j.name), a->request->name);
    text_copy(j.key, sizeof(j.key), a->key);
    text_copy(j.token, sizeof(j.token), right.id);
    text_copy(j.address, sizeof(j.address), a->request->address);
    text_copy(j.why, sizeof(j.why), why);
    right.used++;
    text_format(actor, sizeof(actor), "token %s of %.80s", right.id, right.created_by);
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    text_format(is, sizeof(is), "key %.16s waits for a person", j.key);
    const struct enrol_word word = {.wall_ms = wall_ms,
                                    .actor = actor,
                                    .action = "server.join-waits",
                                    .object = j.name,
                                    .reason = why,
                                    .server = j.name,
                                    .before = audit_of_member(was, a->member),
                                    .after = is};
    enum error_code code = enrol_begin(e, err);
    code = code ? code : store_save_joining(e->spec.store, &j, err);
    code = code ? code : store_save_join_right(e->spec.store, &right, err);
    code = enrol_end(e, code, &word, err);
    if (code)
        return code;
    enrol_put_joining(e, &j);
    enrol_put_right(e, &right);
    *out = (struct enrol_answer){.in = false};
    text_copy(out->why, sizeof(out->why), why);
    return ERR_NONE;
}

enum error_code enrol_join(struct enrol *e, const struct enrol_request *request, int64_t wall_ms,
                           struct enrol_answer *out, bool *wrong, struct error *err)
{
    struct asked a;
    char why[MEMBER_WHY_MAX], at[TEXT_TIME_MAX];
    enum error_code code = look_up(e, request, &a, wrong, err);
    if (code)
        return code;
    if (is_repeat(&a) && enrol_is_too_soon(e, a.member, wall_ms))
        return error_set(err, ERR_BUSY,
                         "%.80s got its certificate a moment ago: ask again in a minute",
                         a.member->name);
    if (is_repeat(&a) || (a.waiting && a.waiting->approved_ms != 0))
        return let_in(e, &a, false, wall_ms, out, err);
    if (a.waiting) {
        *out = (struct enrol_answer){.in = false};
        text_copy(out->why, sizeof(out->why), a.waiting->why);
        return ERR_NONE;
    }
    const char *spent = join_right_spent(&a.right, wall_ms);
    if (spent)
        return error_set(err, ERR_DENIED,
                         "the token %s (made on %s): `farmhand token create` makes "
                         "another",
                         spent, text_format_time(at, a.right.created_ms));
    judge(&a, why, sizeof(why));
    return why[0] ? let_wait(e, &a, why, wall_ms, out, err)
                  : let_in(e, &a, true, wall_ms, out, err);
}

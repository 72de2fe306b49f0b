/* operators.c - see operators.h. */
#include "coordinator/enrol/operators.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "coordinator/core/selector.h"
#include "coordinator/store/audit_words.h"

#include <stdlib.h>
#include <string.h>

#define FOR_MAX_MS     (366ULL * 24 * 60 * 60 * 1000)
#define OVERLAP_MAX_MS (30ULL * 24 * 60 * 60 * 1000)
#define OPERATORS_MAX  1000                          /* that are good for something */
#define CERTIFIED_MS   (90ULL * 24 * 60 * 60 * 1000) /* unless it is said how long */

struct operators {
    struct operators_spec spec;
    struct operator_right *items;
    size_t count;
};

static struct operator_right *find_id(const struct operators *o, const char *id)
{
    for (size_t i = 0; i < o->count; i++)
        if (text_equal(o->items[i].id, id))
            return &o->items[i];
    return NULL;
}

static void put(void *arg, const struct operator_right *right)
{
    struct operators *o = arg;
    struct operator_right *known = find_id(o, right->id);
    if (!known) {
        o->items = must_realloc(o->items, o->count + 1, sizeof(*o->items));
        known = &o->items[o->count++];
    }
    *known = *right;
}

enum error_code operators_open(const struct operators_spec *spec, struct operators **out,
                               struct error *err)
{
    struct operators *o = must_alloc(1, sizeof(*o));
    o->spec = *spec;
    enum error_code code = store_load_operators(spec->store, put, o, err);
    if (code)
        operators_close(o);
    else
        *out = o;
    return code;
}

void operators_close(struct operators *o)
{
    if (!o)
        return;
    free(o->items);
    free(o);
}

const char *operator_right_spent(const struct operator_right *right, int64_t wall_ms)
{
    if (right->revoked_ms != 0)
        return "was revoked";
    return right->expires_ms != 0 && wall_ms >= right->expires_ms ? "has expired" : NULL;
}

/* Those that ended are kept, since their keys are never certified again; they take nobody's place.
 */
static size_t count_good(const struct operators *o, int64_t wall_ms)
{
    size_t good = 0;
    for (size_t i = 0; i < o->count; i++)
        good += operator_right_spent(&o->items[i], wall_ms) == NULL;
    return good;
}

static const char *kind_of(const struct operator_right *right)
{
    return right->certificate ? "certificate" : "token";
}

/* ---- changes ---- */

/* What is written of a right, and told when it stands. */
struct change {
    const struct operator_right *right;
    const char *action, *actor, *reason;
};

/* Within a transaction. */
static enum error_code write_change(struct operators *o, const struct change *c, int64_t wall_ms,
                                    struct event *event, char text[900], struct error *err)
{
    char object[MEMBER_WHO_MAX + 32], was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct operator_right *right = c->right, *known = find_id(o, right->id);
    struct store *s = o->spec.store;
    text_format(object, sizeof(object), "%s (%s)", right->name, right->id);
    text_format(text, 900, "%s: %s, %s: %s", c->actor, c->action, object, c->reason);
    *event = (struct event){.wall_ms = wall_ms, .kind = "audit", .actor = c->actor, .text = text};
    const struct audit_row said = {
        .wall_ms = wall_ms,
        .actor = c->actor,
        .action = c->action,
        .object = object,
        .reason = c->reason,
        .before =
            known ? audit_of_operator(was, known, operator_right_spent(known, wall_ms)) : NULL,
        .after = audit_of_operator(is, right, operator_right_spent(right, wall_ms))};
    enum error_code code = store_save_operator(s, right, err);
    code = code ? code : store_add_audit(s, &said, err);
    return code ? code : store_add_event(s, event, err);
}

#define CHANGES_MAX 2 /* in one go */

static enum error_code save(struct operators *o, const struct change *changes, size_t count,
                            int64_t wall_ms, struct error *err)
{
    struct event events[CHANGES_MAX];
    char texts[CHANGES_MAX][900];
    struct store *s = o->spec.store;
    must(count <= CHANGES_MAX);
    enum error_code code = store_begin(s, err);
    for (size_t i = 0; !code && i < count; i++)
        code = write_change(o, &changes[i], wall_ms, &events[i], texts[i], err);
    code = code ? code : store_commit(s, err);
    if (code) {
        store_rollback(s);
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        put(o, changes[i].right);
        o->spec.event(o->spec.ctx, &events[i]);
    }
    return ERR_NONE;
}

/* former: the id of the one that this is to follow; NULL: none. */
static enum error_code check_wish(const struct operators *o, const struct operators_wish *w,
                                  const char *former, int64_t wall_ms, struct error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".-_@";
    size_t len = strlen(w->name);
    if (len == 0 || len > 64 || strspn(w->name, letters) != len)
        return error_set(err, ERR_INVALID,
                         "whose? A name of letters, digits, '.', '-', '_' and '@', 64 at most");
    if (w->for_ms > FOR_MAX_MS || (w->for_ms > 0 && w->for_ms < 1000))
        return error_set(err, ERR_INVALID, "expires: after 1s to 366d, or never");
    if (count_good(o, wall_ms) >= OPERATORS_MAX)
        return error_set(err, ERR_FULL, "there are %d already: revoke some", OPERATORS_MAX);
    for (size_t i = 0; i < o->count; i++)
        if (text_equal(o->items[i].name, w->name) && !operator_right_spent(&o->items[i], wall_ms) &&
            !(former && text_equal(o->items[i].id, former)))
            return error_set(err, ERR_EXISTS,
                             "%s has a %s %s, %s: %s it first, so that it is clear which one holds",
                             w->name, kind_of(&o->items[i]), former ? "beside that one" : "already",
                             o->items[i].id, former ? "revoke" : "renew or revoke");
    if (strlen(w->servers) >= sizeof(o->items[0].servers))
        return error_set(err, ERR_INVALID, "the selector is too long");
    return selector_check(w->servers, err);
}

static struct operator_right right_of(const struct operators_wish *w,
                                      const uint8_t id[TOKEN_ID_BYTES],
                                      const uint8_t hash[SHA256_BYTES], uint64_t for_ms,
                                      int64_t wall_ms)
{
    struct operator_right right = {.role = w->role,
                                   .created_ms = wall_ms,
                                   .expires_ms = for_ms ? wall_ms + (int64_t)for_ms : 0};
    text_to_hex(right.id, id, TOKEN_ID_BYTES);
    sha256_hex(hash, right.hash);
    text_copy(right.name, sizeof(right.name), w->name);
    text_copy(right.servers, sizeof(right.servers), w->servers);
    text_copy(right.created_by, sizeof(right.created_by), w->actor);
    return right;
}

static struct operator_right make_token(const struct operators_wish *w, int64_t wall_ms,
                                        char text[TOKEN_TEXT_MAX])
{
    struct operator_token token;
    uint8_t hash[SHA256_BYTES];
    must(os_random(&token, sizeof(token), NULL) == ERR_NONE);
    token_hash(token.secret, hash);
    operator_token_print(&token, text);
    struct operator_right right = right_of(w, token.id, hash, w->for_ms, wall_ms);
    text_wipe(&token, sizeof(token));
    return right;
}

enum error_code operators_create(struct operators *o, const struct operators_wish *w,
                                 int64_t wall_ms, char text[TOKEN_TEXT_MAX],
                                 const struct operator_right **out, struct error *err)
{
    enum error_code code = check_wish(o, w, NULL, wall_ms, err);
    if (code)
        return code;
    struct operator_right right = make_token(w, wall_ms, text);
    const struct change made = {&right, "operator.create", w->actor, w->reason};
    code = save(o, &made, 1, wall_ms, err);
    if (code == ERR_NONE)
        *out = find_id(o, right.id);
    else
        text_wipe(text, TOKEN_TEXT_MAX);
    return code;
}

static struct operator_right *find_key(const struct operators *o, const char *hash)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->items[i].certificate && text_equal(o->items[i].hash, hash))
            return &o->items[i];
    return NULL;
}

/* A key that was revoked is never certified again: its number would be another, its holder not. */
static enum error_code check_request(const struct operators *o, const char *request,
                                     uint8_t key[SHA256_BYTES], struct error *err)
{
    char hex[SHA256_HEX];
    if (!o->spec.ca)
        return error_set(err, ERR_UNAVAILABLE, "this coordinator has no CA: it makes tokens alone");
    enum error_code code = ca_request_read(request, key, err);
    if (code)
        return code;
    const struct operator_right *known = find_key(o, sha256_hex(key, hex));
    return known
               ? error_set(err, ERR_EXISTS,
                           "the key of that request has been certified already, for %s (%s): make "
                           "a new one with `farmhand operator request`",
                           known->name, known->id)
               : ERR_NONE;
}

static enum error_code make_certificate(const struct operators *o, const struct operators_wish *w,
                                        const char *request, int64_t wall_ms,
                                        struct operator_right *out, char **pem, struct error *err)
{
    uint8_t key[SHA256_BYTES], id[TOKEN_ID_BYTES];
    struct ca_issued issued;
    uint64_t for_ms = w->for_ms ? w->for_ms : CERTIFIED_MS;
    enum error_code code = check_request(o, request, key, err);
    code =
        code ? code : ca_sign_operator(o->spec.ca, request, w->name, for_ms, wall_ms, &issued, err);
    if (code)
        return code;
    must(os_random(id, sizeof(id), NULL) == ERR_NONE);
    *out = right_of(w, id, key, for_ms, wall_ms);
    out->certificate = true;
    *pem = issued.pem;
    return ERR_NONE;
}

enum error_code operators_certify(struct operators *o, const struct operators_wish *w,
                                  const char *request, int64_t wall_ms, char **pem,
                                  const struct operator_right **out, struct error *err)
{
    struct operator_right right;
    char *made_pem = NULL;
    enum error_code code = check_wish(o, w, NULL, wall_ms, err);
    code = code ? code : make_certificate(o, w, request, wall_ms, &right, &made_pem, err);
    if (code)
        return code;
    const struct change made = {&right, "operator.certify", w->actor, w->reason};
    code = save(o, &made, 1, wall_ms, err);
    if (code) {
        free(made_pem);
        return code;
    }
    *pem = made_pem;
    *out = find_id(o, right.id);
    return ERR_NONE;
}

/* ---- another in its place ---- */

static enum error_code unknown_id(const char *id, struct error *err)
{
    return error_set(
        err, ERR_NOT_FOUND,
        "no operator has a token or certificate %.40s: `farmhand operator list` shows them", id);
}

static enum error_code find_former(const struct operators *o, const struct operators_renewal *r,
                                   int64_t wall_ms, struct operator_right *out, struct error *err)
{
    const struct operator_right *known = find_id(o, r->id);
    if (!known)
        return unknown_id(r->id, err);
    const char *spent = operator_right_spent(known, wall_ms);
    if (spent)
        return error_set(err, ERR_DENIED,
                         "the %s of %s %s: make a new one with `farmhand operator create`",
                         kind_of(known), known->name, spent);
    if (r->overlap_ms > OVERLAP_MAX_MS)
        return error_set(err, ERR_INVALID, "for: the former is good for 30d more at most");
    *out = *known;
    return ERR_NONE;
}

static uint64_t life_of(const struct operator_right *right)
{
    return right->expires_ms ? (uint64_t)(right->expires_ms - right->created_ms) : 0;
}

static int64_t sooner(int64_t end_ms, int64_t other_ms)
{
    return end_ms != 0 && end_ms < other_ms ? end_ms : other_ms;
}

enum error_code operators_renew(struct operators *o, const struct operators_renewal *r,
                                int64_t wall_ms, char text[TOKEN_TEXT_MAX], char **pem,
                                const struct operator_right **out, struct error *err)
{
    struct operator_right former, right;
    char *made_pem = NULL;
    enum error_code code = find_former(o, r, wall_ms, &former, err);
    if (code)
        return code;
    const struct operators_wish w = {.name = former.name,
                                     .role = former.role,
                                     .servers = former.servers,
                                     .for_ms = r->for_ms ? r->for_ms : life_of(&former),
                                     .actor = r->actor,
                                     .reason = r->reason};
    code = check_wish(o, &w, former.id, wall_ms, err);
    if (!code && r->request[0] != '\0')
        code = make_certificate(o, &w, r->request, wall_ms, &right, &made_pem, err);
    else if (!code)
        right = make_token(&w, wall_ms, text);
    if (code)
        return code;
    former.expires_ms = sooner(former.expires_ms, wall_ms + (int64_t)r->overlap_ms);
    const char *how = made_pem ? "operator.certify" : "operator.create";
    const struct change both[] = {{&former, "operator.renew", r->actor, r->reason},
                                  {&right, how, r->actor, r->reason}};
    code = save(o, both, 2, wall_ms, err);
    if (code) {
        text_wipe(text, TOKEN_TEXT_MAX);
        free(made_pem);
        return code;
    }
    *pem = made_pem;
    *out = find_id(o, right.id);
    return ERR_NONE;
}

enum error_code operators_revoke(struct operators *o, const char *id, const char *actor,
                                 const char *reason, int64_t wall_ms, struct error *err)
{
    const struct operator_right *known = find_id(o, id);
    if (!known)
        return unknown_id(id, err);
    struct operator_right right = *known;
    if (right.revoked_ms == 0)
        right.revoked_ms = wall_ms;
    const struct change ended = {&right, "operator.revoke", actor, reason};
    return save(o, &ended, 1, wall_ms, err);
}

/* ---- who is it ---- */

static enum error_code take(const struct operator_right *right, int64_t wall_ms,
                            const struct operator_right **out, struct error *err)
{
    const char *spent = operator_right_spent(right, wall_ms);
    *out = right;
    return spent ? error_set(err, ERR_DENIED, "the %s of %s %s", kind_of(right), right->name, spent)
                 : ERR_NONE;
}

enum error_code operators_find(const struct operators *o, const char *text, int64_t wall_ms,
                               const struct operator_right **out, bool *wrong, struct error *err)
{
    struct operator_token token;
    uint8_t hash[SHA256_BYTES];
    char id[MEMBER_ID_HEX], hex[SHA256_HEX];
    *wrong = true;
    if (operator_token_parse(text, &token, err))
        return ERR_DENIED;
    text_to_hex(id, token.id, sizeof(token.id));
    token_hash(token.secret, hash);
    text_wipe(&token, sizeof(token));
    sha256_hex(hash, hex);
    const struct operator_right *right = find_id(o, id);
    if (!right || right->certificate || !token_equal(right->hash, hex, sizeof(hex)))
        return error_set(err, ERR_DENIED, "this coordinator never made that token");
    *wrong = false;
    return take(right, wall_ms, out, err);
}

enum error_code operators_find_certificate(const struct operators *o, const uint8_t *der,
                                           size_t len, int64_t wall_ms,
                                           const struct operator_right **out, bool *wrong,
                                           struct error *err)
{
    char name[CA_NAME_MAX], hex[SHA256_HEX];
    uint8_t key[SHA256_BYTES];
    *wrong = true;
    if (!o->spec.ca)
        return error_set(err, ERR_DENIED, "this coordinator has no CA: a token is needed");
    if (ca_operator_read(o->spec.ca, der, len, wall_ms, name, key, err))
        return ERR_DENIED;
    *wrong = false; /* of our CA: nobody guessed */
    const struct operator_right *right = find_key(o, sha256_hex(key, hex));
    if (!right || !text_equal(right->name, name))
        return error_set(err, ERR_DENIED,
                         "the certificate of %s is not known here: was this coordinator put back "
                         "from a backup?",
                         name);
    return take(right, wall_ms, out, err);
}

/* ---- views ---- */

size_t operators_count(const struct operators *o)
{
    return o->count;
}

const struct operator_right *operators_at(const struct operators *o, size_t index)
{
    must(index < o->count);
    return &o->items[index];
}

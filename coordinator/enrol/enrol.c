/* enrol.c - see enrol.h. */
#include "coordinator/enrol/enrol.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "coordinator/core/fleet.h"
#include "coordinator/store/audit_words.h"
#include "proto/url.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FOR_MAX_MS (366ULL * 24 * 60 * 60 * 1000)
#define USES_MAX   100000
/* A name gets so many certificates and no more, whatever it asks for: each is signed, synced to the
 * disk and a row of the audit trail for good. Agents ask at two thirds of the life, and hours apart
 * if no answer comes. */
#define RENEW_EVERY_MS 60000

struct enrol {
    struct enrol_spec spec;
    struct join_right *rights;
    size_t right_count;
    struct member *members;
    size_t member_count;
    struct joining *joining;
    size_t joining_count;
};

/* ---- what is in memory ---- */

static struct join_right *right_find(const struct enrol *e, const char *id)
{
    for (size_t i = 0; i < e->right_count; i++)
        if (text_equal(e->rights[i].id, id))
            return &e->rights[i];
    return NULL;
}

static struct member *member_find(const struct enrol *e, const char *name)
{
    for (size_t i = 0; i < e->member_count; i++)
        if (text_equal_nocase(e->members[i].name, name))
            return &e->members[i];
    return NULL;
}

static struct joining *joining_find(const struct enrol *e, const char *key)
{
    for (size_t i = 0; i < e->joining_count; i++)
        if (text_equal(e->joining[i].key, key))
            return &e->joining[i];
    return NULL;
}

static void put_right(void *arg, const struct join_right *right)
{
    struct enrol *e = arg;
    struct join_right *known = right_find(e, right->id);
    if (!known) {
        e->rights = must_realloc(e->rights, e->right_count + 1, sizeof(*e->rights));
        known = &e->rights[e->right_count++];
    }
    *known = *right;
}

static void put_member(void *arg, const struct member *member)
{
    struct enrol *e = arg;
    struct member *known = member_find(e, member->name);
    if (!known) {
        e->members = must_realloc(e->members, e->member_count + 1, sizeof(*e->members));
        known = &e->members[e->member_count++];
    }
    *known = *member;
    if (member->removed_ms != 0) {
        members_forbid(e->spec.members, member->name);
        return;
    }
    members_allow(e->spec.members, member->name, member->since_ms);
    e->spec.joined(e->spec.ctx, member);
}

static void put_joining(void *arg, const struct joining *joining)
{
    struct enrol *e = arg;
    struct joining *known = joining_find(e, joining->key);
    if (!known) {
        e->joining = must_realloc(e->joining, e->joining_count + 1, sizeof(*e->joining));
        known = &e->joining[e->joining_count++];
    }
    *known = *joining;
}

static void drop_joining(struct enrol *e, const char *key)
{
    struct joining *j = joining_find(e, key);
    if (!j)
        return;
    e->joining_count--;
    memmove(j, j + 1, (size_t)(e->joining + e->joining_count - j) * sizeof(*j));
}

enum error_code enrol_open(const struct enrol_spec *spec, struct enrol **out, struct error *err)
{
    struct enrol *e = must_alloc(1, sizeof(*e));
    e->spec = *spec;
    enum error_code code = store_load_join_rights(spec->store, put_right, e, err);
    code = code ? code : store_load_members(spec->store, put_member, e, err);
    code = code ? code : store_load_joining(spec->store, put_joining, e, err);
    if (code)
        enrol_close(e);
    else
        *out = e;
    return code;
}

void enrol_close(struct enrol *e)
{
    if (!e)
        return;
    free(e->rights);
    free(e->members);
    free(e->joining);
    free(e);
}

/* ---- one change: rows, audit and event in one transaction ---- */

struct word {
    int64_t wall_ms;
    const char *actor, *action, *object, *reason;
    const char *server; /* NULL: none */
    const char *before, *after;
};

static enum error_code begin(struct enrol *e, struct error *err)
{
    return store_begin(e->spec.store, err);
}

static enum error_code end(struct enrol *e, enum error_code code, const struct word *w,
                           struct error *err)
{
    char text[900];
    struct event event = {.wall_ms = w->wall_ms,
                          .kind = "audit",
                          .server = w->server,
                          .actor = w->actor,
                          .text = text};
    text_format(text, sizeof(text), "%s: %s, %s: %s", w->actor, w->action, w->object, w->reason);
    const struct audit_row said = {.wall_ms = w->wall_ms,
                                   .actor = w->actor,
                                   .action = w->action,
                                   .object = w->object,
                                   .reason = w->reason,
                                   .before = w->before,
                                   .after = w->after};
    code = code ? code : store_add_audit(e->spec.store, &said, err);
    code = code ? code : store_add_event(e->spec.store, &event, err);
    code = code ? code : store_commit(e->spec.store, err);
    if (code)
        store_rollback(e->spec.store);
    else
        e->spec.event(e->spec.ctx, &event);
    return code;
}

/* ---- tokens ---- */

const char *join_right_spent(const struct join_right *right, int64_t wall_ms)
{
    if (right->revoked_ms != 0)
        return "was revoked";
    if (wall_ms >= right->expires_ms)
        return "has expired";
    return right->used >= right->uses ? "is used up" : NULL;
}

static int check_label(const char *part, void *arg)
{
    const char *sign = strchr(part, '=');
    (void)arg;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".-_=";
    bool good = sign && sign != part && sign[1] && !strchr(sign + 1, '=') &&
                strspn(part, letters) == strlen(part);
    return good ? 0 : 1;
}

bool member_labels_ok(const char *labels)
{
    return labels[0] == '\0' || text_split(labels, ',', check_label, NULL) == 0;
}

static enum error_code check_wish(const struct enrol *e, const struct enrol_wish *w,
                                  int64_t wall_ms, struct error *err)
{
    size_t good = 0;
    for (size_t i = 0; i < e->right_count; i++)
        good += join_right_spent(&e->rights[i], wall_ms) == NULL;
    if (w->names[0] == '\0' || strlen(w->names) >= WIRE_NAME_MAX)
        return error_set(err, ERR_INVALID,
                         "for which servers? A name or a glob, such as web* (at most %d bytes)",
                         WIRE_NAME_MAX - 1);
    if (strlen(w->labels) >= MEMBER_LABELS_MAX || !member_labels_ok(w->labels))
        return error_set(err, ERR_INVALID,
                         "labels: expected KEY=VALUE with commas between, such as farm=web,zone=a");
    if (w->uses < 1 || w->uses > USES_MAX)
        return error_set(err, ERR_INVALID, "uses: from 1 to %d", USES_MAX);
    if (w->for_ms < 1000 || w->for_ms > FOR_MAX_MS)
        return error_set(err, ERR_INVALID, "expires: after 1s to 366d");
    if (good >= ENROL_TOKENS_MAX)
        return error_set(err, ERR_FULL, "there are %d tokens already: revoke some",
                         ENROL_TOKENS_MAX);
    return ERR_NONE;
}

enum error_code enrol_create(struct enrol *e, const struct enrol_wish *w, int64_t wall_ms,
                             char text[TOKEN_TEXT_MAX], const struct join_right **out,
                             struct error *err)
{
    struct join_token token = {.profile = w->profile};
    struct join_right right = {.profile = w->profile,
                               .uses = w->uses,
                               .created_ms = wall_ms,
                               .expires_ms = wall_ms + (int64_t)w->for_ms};
    uint8_t hash[SHA256_BYTES];
    enum error_code code = check_wish(e, w, wall_ms, err);
    if (code)
        return code;
    ca_fingerprint(e->spec.ca, token.ca);
    must(os_random(token.id, sizeof(token.id), NULL) == ERR_NONE);
    must(os_random(token.secret, sizeof(token.secret), NULL) == ERR_NONE);
    token_hash(token.secret, hash);
    text_to_hex(right.id, token.id, sizeof(token.id));
    sha256_hex(hash, right.hash);
    text_copy(right.names, sizeof(right.names), w->names);
    text_copy(right.labels, sizeof(right.labels), w->labels);
    text_copy(right.created_by, sizeof(right.created_by), w->actor);
    char is[AUDIT_WORDS_MAX];
    const struct word word = {.wall_ms = wall_ms,
                              .actor = w->actor,
                              .action = "token.create",
                              .object = right.id,
                              .reason = w->reason,
                              .after = audit_of_join_right(is, &right, NULL)};
    code = begin(e, err);
    code = code ? code : store_save_join_right(e->spec.store, &right, err);
    code = end(e, code, &word, err);
    if (code == ERR_NONE) {
        join_token_print(&token, text);
        put_right(e, &right);
        *out = right_find(e, right.id);
    }
    text_wipe(&token, sizeof(token));
    return code;
}

enum error_code enrol_revoke(struct enrol *e, const char *id, const char *actor, const char *reason,
                             int64_t wall_ms, struct error *err)
{
    const struct join_right *known = right_find(e, id);
    if (!known)
        return error_set(err, ERR_NOT_FOUND,
                         "there is no token %.40s: `farmhand token list` shows them", id);
    struct join_right right = *known;
    if (right.revoked_ms == 0)
        right.revoked_ms = wall_ms;
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct word word = {
        .wall_ms = wall_ms,
        .actor = actor,
        .action = "token.revoke",
        .object = right.id,
        .reason = reason,
        .before = audit_of_join_right(was, known, join_right_spent(known, wall_ms)),
        .after = audit_of_join_right(is, &right, join_right_spent(&right, wall_ms))};
    enum error_code code = begin(e, err);
    code = code ? code : store_save_join_right(e->spec.store, &right, err);
    code = end(e, code, &word, err);
    if (code == ERR_NONE)
        put_right(e, &right);
    return code;
}

/* ---- joining ---- */

/* Everything about one request, looked up. */
struct asked {
    const struct enrol_request *request;
    char key[SHA256_HEX];
    struct join_right right;
    const struct member *member;   /* of that name; NULL: none */
    const struct joining *waiting; /* of that key; NULL: none */
};

/* Its name goes to commands of balancers as a word of its own, where "-f" would be an option, and
 * "all" is every server in a selector. */
static enum error_code check_name(const char *name, struct error *err)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (!fleet_name_ok(name) || !strchr(first, name[0]) || text_equal_nocase(name, "all") ||
        text_equal_nocase(name, WIRE_COORDINATOR_NAME))
        return error_set(
            err, ERR_INVALID,
            "\"%.80s\" cannot be a server's name: letters, digits, '.', '-' and '_' "
            "only, a letter or digit first, and neither all nor " WIRE_COORDINATOR_NAME,
            name);
    return ERR_NONE;
}

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
    const struct join_right *right = right_find(e, id);
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
    code = code ? code : check_name(request->name, err);
    code = code ? code : ca_request_read(request->request, hash, err);
    if (code)
        return code;
    sha256_hex(hash, a->key);
    a->member = member_find(e, request->name);
    a->waiting = joining_find(e, a->key);
    if (a->waiting && (!text_equal(a->waiting->token, a->right.id) ||
                       !text_equal_nocase(a->waiting->name, request->name)))
        return error_set(err, ERR_DENIED, "that key has asked already, in another way");
    return ERR_NONE;
}

static bool is_in(const struct member *m)
{
    return m && m->removed_ms == 0;
}

/* Its certificate was made already, and the answer got lost. */
static bool is_repeat(const struct asked *a)
{
    return is_in(a->member) && text_equal(a->member->key, a->key) &&
           text_equal(a->member->token, a->right.id);
}

/* Why a person has to look at it; "": nobody has to. */
static void judge(const struct asked *a, char *why, size_t size)
{
    char at[TEXT_TIME_MAX];
    why[0] = '\0';
    if (is_in(a->member))
        text_format(why, size,
                    "a server called %.60s has joined already, on %s. If this is it after a "
                    "reinstallation, approve it: the former key is worth nothing from then on",
                    a->member->name, text_format_time(at, a->member->joined_ms));
    else if (!text_glob_match(a->right.names, a->request->name))
        text_format(why, size, "the token is for %.80s", a->right.names);
}

static enum error_code let_in(struct enrol *e, const struct asked *a, bool counts, int64_t wall_ms,
                              struct enrol_answer *out, struct error *err)
{
    struct join_right right = a->right;
    struct member m = {.profile = right.profile, .joined_ms = wall_ms};
    struct ca_issued issued;
    text_copy(m.name, sizeof(m.name), a->request->name);
    text_copy(m.key, sizeof(m.key), a->key);
    text_copy(m.token, sizeof(m.token), right.id);
    text_copy(m.labels, sizeof(m.labels), right.labels);
    enum error_code code =
        ca_sign(e->spec.ca, a->request->request, m.name, e->spec.life_ms, wall_ms, &issued, err);
    if (code)
        return code;
    m.since_ms = issued.issued_wall_ms;
    m.until_ms = issued.until_wall_ms;
    right.used += counts ? 1 : 0;
    char actor[MEMBER_WHO_MAX];
    text_format(actor, sizeof(actor), "token %s of %.80s", right.id, right.created_by);
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct word word = {.wall_ms = wall_ms,
                              .actor = actor,
                              .action = "server.join",
                              .object = m.name,
                              .reason = a->request->address,
                              .server = m.name,
                              .before = audit_of_member(was, a->member),
                              .after = audit_of_member(is, &m)};
    code = begin(e, err);
    code = code ? code : store_save_member(e->spec.store, &m, err);
    code = code || !counts ? code : store_save_join_right(e->spec.store, &right, err);
    code = code ? code : store_drop_joining(e->spec.store, a->key, err);
    code = end(e, code, &word, err);
    if (code) {
        free(issued.pem);
        return code;
    }
    drop_joining(e, a->key);
    put_right(e, &right);
    put_member(e, &m);
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
    const struct word word = {.wall_ms = wall_ms,
                              .actor = actor,
                              .action = "server.join-waits",
                              .object = j.name,
                              .reason = why,
                              .server = j.name,
                              .before = audit_of_member(was, a->member),
                              .after = is};
    enum error_code code = begin(e, err);
    code = code ? code : store_save_joining(e->spec.store, &j, err);
    code = code ? code : store_save_join_right(e->spec.store, &right, err);
    code = end(e, code, &word, err);
    if (code)
        return code;
    put_joining(e, &j);
    put_right(e, &right);
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

/* ---- members ---- */

/* Since the last one was issued, which its end tells; short lives are those of tests. */
static bool is_too_soon(const struct enrol *e, const struct member *m, int64_t wall_ms)
{
    int64_t since_ms = wall_ms - (m->until_ms - (int64_t)e->spec.life_ms);
    uint64_t every_ms =
        e->spec.life_ms / 20 < RENEW_EVERY_MS ? e->spec.life_ms / 20 : RENEW_EVERY_MS;
    return since_ms >= 0 && (uint64_t)since_ms < every_ms;
}

enum error_code enrol_renew(struct enrol *e, const char *name, const char *request, int64_t wall_ms,
                            struct ca_issued *out, struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    const struct member *known = member_find(e, name);
    if (!is_in(known))
        return error_set(err, ERR_DENIED, "%.80s is no member of the farm", name);
    if (is_too_soon(e, known, wall_ms))
        return error_set(err, ERR_BUSY, "%.80s got its last certificate a moment ago", name);
    struct member m = *known;
    struct ca_issued issued;
    enum error_code code = ca_request_read(request, hash, err);
    code =
        code ? code : ca_sign(e->spec.ca, request, m.name, e->spec.life_ms, wall_ms, &issued, err);
    if (code)
        return code;
    sha256_hex(hash, m.key);
    m.until_ms = issued.until_wall_ms;
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct word word = {.wall_ms = wall_ms,
                              .actor = m.name,
                              .action = "server.renew",
                              .object = m.name,
                              .reason = "by itself",
                              .server = m.name,
                              .before = audit_of_member(was, known),
                              .after = audit_of_member(is, &m)};
    code = begin(e, err);
    code = code ? code : store_save_member(e->spec.store, &m, err);
    code = end(e, code, &word, err);
    if (code) {
        free(issued.pem);
        return code;
    }
    *member_find(e, name) = m;
    *out = issued;
    return ERR_NONE;
}

/* The one that waits under that name; key "": there must be one alone. */
static enum error_code find_waiting(const struct enrol *e, const char *name, const char *key,
                                    struct joining *out, struct error *err)
{
    struct text keys = {0};
    size_t found = 0;
    for (size_t i = 0; i < e->joining_count; i++) {
        const struct joining *j = &e->joining[i];
        if (!text_equal_nocase(j->name, name) || !text_starts(j->key, key))
            continue;
        text_addf(&keys, "%s%.12s from %s", found ? ", " : "", j->key, j->address);
        *out = *j;
        found++;
    }
    enum error_code code = ERR_NONE;
    if (found == 0)
        code = error_set(err, ERR_NOT_FOUND,
                         "no server called %.80s waits: `farmhand server waiting` shows who does",
                         name);
    else if (found > 1)
        code = error_set(err, ERR_EXISTS, "%zu wait under that name; say which, with --key: %.300s",
                         found, text_get(&keys));
    text_reset(&keys);
    return code;
}

enum error_code enrol_approve(struct enrol *e, const char *name, const char *key, const char *actor,
                              const char *reason, int64_t wall_ms, struct error *err)
{
    struct joining j;
    enum error_code code = find_waiting(e, name, key, &j, err);
    if (code)
        return code;
    j.approved_ms = wall_ms;
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    text_format(was, sizeof(was), "key %.16s waits: %s", j.key, j.why);
    text_format(is, sizeof(is), "key %.16s may join", j.key);
    const struct word word = {.wall_ms = wall_ms,
                              .actor = actor,
                              .action = "server.approve",
                              .object = j.name,
                              .reason = reason,
                              .server = j.name,
                              .before = was,
                              .after = is};
    code = begin(e, err);
    code = code ? code : store_save_joining(e->spec.store, &j, err);
    code = end(e, code, &word, err);
    if (code == ERR_NONE)
        put_joining(e, &j);
    return code;
}

static enum error_code write_removal(struct enrol *e, const struct member *m, const char *name,
                                     struct error *err)
{
    enum error_code code = m ? store_save_member(e->spec.store, m, err) : ERR_NONE;
    for (size_t i = 0; i < e->joining_count && !code; i++)
        if (text_equal_nocase(e->joining[i].name, name))
            code = store_drop_joining(e->spec.store, e->joining[i].key, err);
    return code;
}

enum error_code enrol_remove(struct enrol *e, const char *name, const char *actor,
                             const char *reason, int64_t wall_ms, struct error *err)
{
    const struct member *known = member_find(e, name);
    struct member m = {0};
    size_t waiting = 0;
    for (size_t i = 0; i < e->joining_count; i++)
        waiting += text_equal_nocase(e->joining[i].name, name);
    if (!is_in(known) && waiting == 0)
        return error_set(err, ERR_NOT_FOUND, "%.80s has not joined, and does not wait to", name);
    if (is_in(known)) {
        m = *known;
        m.removed_ms = wall_ms;
    }
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct word word = {.wall_ms = wall_ms,
                              .actor = actor,
                              .action = "server.remove",
                              .object = name,
                              .reason = reason,
                              .server = name,
                              .before =
                                  is_in(known) ? audit_of_member(was, known) : "waits to join",
                              .after = audit_of_member(is, &m)};
    enum error_code code = begin(e, err);
    code = code ? code : write_removal(e, m.name[0] ? &m : NULL, name, err);
    code = end(e, code, &word, err);
    if (code)
        return code;
    for (size_t i = e->joining_count; i > 0; i--)
        if (text_equal_nocase(e->joining[i - 1].name, name))
            drop_joining(e, e->joining[i - 1].key);
    if (m.name[0])
        put_member(e, &m);
    e->spec.cut(e->spec.ctx, name);
    return ERR_NONE;
}

/* ---- views ---- */

size_t enrol_right_count(const struct enrol *e)
{
    return e->right_count;
}

const struct join_right *enrol_right_at(const struct enrol *e, size_t index)
{
    must(index < e->right_count);
    return &e->rights[index];
}

size_t enrol_member_count(const struct enrol *e)
{
    return e->member_count;
}

const struct member *enrol_member_at(const struct enrol *e, size_t index)
{
    must(index < e->member_count);
    return &e->members[index];
}

const struct member *enrol_member_find(const struct enrol *e, const char *name)
{
    return member_find(e, name);
}

size_t enrol_joining_count(const struct enrol *e)
{
    return e->joining_count;
}

const struct joining *enrol_joining_at(const struct enrol *e, size_t index)
{
    must(index < e->joining_count);
    return &e->joining[index];
}

/* enrol_tokens.c - tokens: made, revoked, and what is good for nothing any more. See enrol.h. */
#include "coordinator/enrol/enrol_internal.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "coordinator/store/audit_words.h"

#include <string.h>

#define FOR_MAX_MS (366ULL * 24 * 60 * 60 * 1000)
#define USES_MAX   100000

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
    const struct enrol_word word = {.wall_ms = wall_ms,
                                    .actor = w->actor,
                                    .action = "token.create",
                                    .object = right.id,
                                    .reason = w->reason,
                                    .after = audit_of_join_right(is, &right, NULL)};
    code = enrol_begin(e, err);
    code = code ? code : store_save_join_right(e->spec.store, &right, err);
    code = enrol_end(e, code, &word, err);
    if (code == ERR_NONE) {
        join_token_print(&token, text);
        enrol_put_right(e, &right);
        *out = enrol_find_right(e, right.id);
    }
    text_wipe(&token, sizeof(token));
    return code;
}

enum error_code enrol_revoke(struct enrol *e, const char *id, const char *actor, const char *reason,
                             int64_t wall_ms, struct error *err)
{
    const struct join_right *known = enrol_find_right(e, id);
    if (!known)
        return error_set(err, ERR_NOT_FOUND,
                         "there is no token %.40s: `farmhand token list` shows them", id);
    struct join_right right = *known;
    if (right.revoked_ms == 0)
        right.revoked_ms = wall_ms;
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct enrol_word word = {
        .wall_ms = wall_ms,
        .actor = actor,
        .action = "token.revoke",
        .object = right.id,
        .reason = reason,
        .before = audit_of_join_right(was, known, join_right_spent(known, wall_ms)),
        .after = audit_of_join_right(is, &right, join_right_spent(&right, wall_ms))};
    enum error_code code = enrol_begin(e, err);
    code = code ? code : store_save_join_right(e->spec.store, &right, err);
    code = enrol_end(e, code, &word, err);
    if (code == ERR_NONE)
        enrol_put_right(e, &right);
    return code;
}

/* enrol_members.c - those who joined or wait: renewal, approval, removal. See enrol.h. */
#include "coordinator/enrol/enrol_internal.h"

#include "common/text.h"
#include "coordinator/store/audit_words.h"

#include <stdlib.h>

/* A name gets so many certificates and no more, whatever it asks for: each is signed, synced to the
 * disk and a row of the audit trail for good. Agents ask at two thirds of the life, and hours apart
 * if no answer comes. */
#define RENEW_EVERY_MS 60000

/* Since the last one was issued, which its end tells; short lives are those of tests. */
bool enrol_is_too_soon(const struct enrol *e, const struct member *m, int64_t wall_ms)
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
    const struct member *known = enrol_find_member(e, name);
    if (!enrol_is_in(known))
        return error_set(err, ERR_DENIED, "%.80s is no member of the farm", name);
    if (enrol_is_too_soon(e, known, wall_ms))
        return error_set(err, ERR_BUSY, "%.80s got its last certificate a moment ago", name);
    struct member m = *known;
    struct ca_issued issued;
    enum error_code code = ca_request_read(request, hash, err);
    code = code ? code
                : ca_sign(e->spec.ca, request, m.name, e->spec.life_ms, wall_ms, m.issued_ms,
                          &issued, err);
    if (code)
        return code;
    sha256_hex(hash, m.key);
    m.until_ms = issued.until_wall_ms;
    m.issued_ms = issued.issued_wall_ms;
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct enrol_word word = {.wall_ms = wall_ms,
                                    .actor = m.name,
                                    .action = "server.renew",
                                    .object = m.name,
                                    .reason = "by itself",
                                    .server = m.name,
                                    .before = audit_of_member(was, known),
                                    .after = audit_of_member(is, &m)};
    code = enrol_begin(e, err);
    code = code ? code : store_save_member(e->spec.store, &m, err);
    code = enrol_end(e, code, &word, err);
    if (code) {
        free(issued.pem);
        return code;
    }
    *enrol_find_member(e, name) = m;
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
    const struct enrol_word word = {.wall_ms = wall_ms,
                                    .actor = actor,
                                    .action = "server.approve",
                                    .object = j.name,
                                    .reason = reason,
                                    .server = j.name,
                                    .before = was,
                                    .after = is};
    code = enrol_begin(e, err);
    code = code ? code : store_save_joining(e->spec.store, &j, err);
    code = enrol_end(e, code, &word, err);
    if (code == ERR_NONE)
        enrol_put_joining(e, &j);
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
    const struct member *known = enrol_find_member(e, name);
    struct member m = {0};
    size_t waiting = 0;
    for (size_t i = 0; i < e->joining_count; i++)
        waiting += text_equal_nocase(e->joining[i].name, name);
    if (!enrol_is_in(known) && waiting == 0)
        return error_set(err, ERR_NOT_FOUND, "%.80s has not joined, and does not wait to", name);
    if (enrol_is_in(known)) {
        m = *known;
        m.removed_ms = wall_ms;
    }
    char was[AUDIT_WORDS_MAX], is[AUDIT_WORDS_MAX];
    const struct enrol_word word = {.wall_ms = wall_ms,
                                    .actor = actor,
                                    .action = "server.remove",
                                    .object = name,
                                    .reason = reason,
                                    .server = name,
                                    .before = enrol_is_in(known) ? audit_of_member(was, known)
                                                                 : "waits to join",
                                    .after = audit_of_member(is, &m)};
    enum error_code code = enrol_begin(e, err);
    code = code ? code : write_removal(e, m.name[0] ? &m : NULL, name, err);
    code = enrol_end(e, code, &word, err);
    if (code)
        return code;
    for (size_t i = e->joining_count; i > 0; i--)
        if (text_equal_nocase(e->joining[i - 1].name, name))
            enrol_drop_joining(e, e->joining[i - 1].key);
    if (m.name[0])
        enrol_put_member(e, &m);
    e->spec.cut(e->spec.ctx, name);
    return ERR_NONE;
}

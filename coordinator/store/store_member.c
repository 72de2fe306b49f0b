/* store_member.c - who belongs to the farm. See store.h. */
#include "coordinator/store/store_internal.h"

#include "common/text.h"

/* ---- tokens ---- */

enum error_code store_save_join_right(struct store *s, const struct join_right *t,
                                      struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_SAVE_JOIN_RIGHT);
    bind_text(&b, t->id);
    bind_text(&b, t->hash);
    bind_text(&b, t->names);
    bind_text(&b, t->labels);
    bind_text(&b, profile_name(t->profile));
    bind_uint(&b, t->uses);
    bind_uint(&b, t->used);
    bind_int(&b, t->created_ms);
    bind_int(&b, t->expires_ms);
    bind_int(&b, t->revoked_ms);
    bind_text(&b, t->created_by);
    store_run_write(s, SQL_SAVE_JOIN_RIGHT);
    return store_tell(s, err);
}

enum error_code store_load_join_rights(struct store *s,
                                       void (*each)(void *arg, const struct join_right *t),
                                       void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_JOIN_RIGHTS, "join token", err);
    while (row_next(&r)) {
        struct join_right t = {0};
        row_text(&r, "id", t.id, sizeof(t.id));
        row_text(&r, "hash", t.hash, sizeof(t.hash));
        row_text(&r, "names", t.names, sizeof(t.names));
        row_text(&r, "labels", t.labels, sizeof(t.labels));
        ROW_WORD(&r, "profile", profile, &t.profile);
        t.uses = row_uint(&r, "uses", INT64_MAX);
        t.used = row_uint(&r, "used", INT64_MAX);
        t.created_ms = row_int(&r);
        t.expires_ms = row_int(&r);
        t.revoked_ms = row_int(&r);
        row_text(&r, "created_by", t.created_by, sizeof(t.created_by));
        if (!r.code)
            each(arg, &t);
    }
    return r.code;
}

/* ---- members ---- */

enum error_code store_save_member(struct store *s, const struct member *m, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_SAVE_MEMBER);
    bind_text(&b, m->name);
    bind_text(&b, m->key);
    bind_text(&b, m->token);
    bind_text(&b, m->labels);
    bind_text(&b, profile_name(m->profile));
    bind_int(&b, m->joined_ms);
    bind_int(&b, m->until_ms);
    bind_int(&b, m->removed_ms);
    bind_int(&b, m->since_ms);
    bind_int(&b, m->issued_ms);
    store_run_write(s, SQL_SAVE_MEMBER);
    return store_tell(s, err);
}

enum error_code store_load_members(struct store *s, void (*each)(void *arg, const struct member *m),
                                   void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_MEMBERS, "member", err);
    while (row_next(&r)) {
        struct member m = {0};
        row_text(&r, "name", m.name, sizeof(m.name));
        r.name = m.name;
        row_text(&r, "key", m.key, sizeof(m.key));
        row_text(&r, "token", m.token, sizeof(m.token));
        row_text(&r, "labels", m.labels, sizeof(m.labels));
        ROW_WORD(&r, "profile", profile, &m.profile);
        m.joined_ms = row_int(&r);
        m.until_ms = row_int(&r);
        m.removed_ms = row_int(&r);
        m.since_ms = row_int(&r);
        m.issued_ms = row_int(&r);
        if (!r.code)
            each(arg, &m);
    }
    return r.code;
}

/* ---- those that wait ---- */

enum error_code store_save_joining(struct store *s, const struct joining *j, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_SAVE_JOINING);
    bind_text(&b, j->key);
    bind_text(&b, j->name);
    bind_text(&b, j->token);
    bind_text(&b, j->address);
    bind_text(&b, j->why);
    bind_int(&b, j->asked_ms);
    bind_int(&b, j->approved_ms);
    store_run_write(s, SQL_SAVE_JOINING);
    return store_tell(s, err);
}

enum error_code store_drop_joining(struct store *s, const char *key, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_DROP_JOINING);
    bind_text(&b, key);
    store_run_write(s, SQL_DROP_JOINING);
    return store_tell(s, err);
}

enum error_code store_load_joining(struct store *s,
                                   void (*each)(void *arg, const struct joining *j), void *arg,
                                   struct error *err)
{
    struct row r = row_of(s, SQL_JOINING, "joining server", err);
    while (row_next(&r)) {
        struct joining j = {0};
        row_text(&r, "key", j.key, sizeof(j.key));
        row_text(&r, "name", j.name, sizeof(j.name));
        row_text(&r, "token", j.token, sizeof(j.token));
        row_text(&r, "address", j.address, sizeof(j.address));
        row_text(&r, "why", j.why, sizeof(j.why));
        j.asked_ms = row_int(&r);
        j.approved_ms = row_int(&r);
        if (!r.code)
            each(arg, &j);
    }
    return r.code;
}

/* ---- operators ---- */

static const char *const role_words[] = {"viewer", "operator", "admin"};

const char *role_name(enum role role)
{
    return (unsigned)role < ROLE_COUNT ? role_words[role] : "?";
}

bool role_parse(const char *word, enum role *out)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        if (text_equal(word, role_words[i])) {
            *out = (enum role)i;
            return true;
        }
    return false;
}

enum error_code store_save_operator(struct store *s, const struct operator_right *o,
                                    struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_SAVE_OPERATOR);
    bind_text(&b, o->id);
    bind_text(&b, o->hash);
    bind_text(&b, o->name);
    bind_text(&b, role_name(o->role));
    bind_text(&b, o->servers);
    bind_int(&b, o->created_ms);
    bind_int(&b, o->expires_ms);
    bind_int(&b, o->revoked_ms);
    bind_text(&b, o->created_by);
    bind_bool(&b, o->certificate);
    store_run_write(s, SQL_SAVE_OPERATOR);
    return store_tell(s, err);
}

enum error_code store_load_operators(struct store *s,
                                     void (*each)(void *arg, const struct operator_right *o),
                                     void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_OPERATORS, "operator", err);
    while (row_next(&r)) {
        struct operator_right o = {0};
        row_text(&r, "id", o.id, sizeof(o.id));
        row_text(&r, "hash", o.hash, sizeof(o.hash));
        row_text(&r, "name", o.name, sizeof(o.name));
        ROW_WORD(&r, "role", role, &o.role);
        row_text(&r, "servers", o.servers, sizeof(o.servers));
        o.created_ms = row_int(&r);
        o.expires_ms = row_int(&r);
        o.revoked_ms = row_int(&r);
        row_text(&r, "created_by", o.created_by, sizeof(o.created_by));
        o.certificate = row_bool(&r, "certificate");
        if (!r.code)
            each(arg, &o);
    }
    return r.code;
}

/* ---- servers that left ---- */

enum error_code store_drop_server(struct store *s, const char *name, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_DROP_SERVER);
    bind_text(&b, name);
    store_run_write(s, SQL_DROP_SERVER);
    return store_tell(s, err);
}

/* enrol.c - see enrol.h. What is in memory, and how a change of it is written. */
#include "coordinator/enrol/enrol_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is in memory ---- */

struct join_right *enrol_find_right(const struct enrol *e, const char *id)
{
    for (size_t i = 0; i < e->right_count; i++)
        if (text_equal(e->rights[i].id, id))
            return &e->rights[i];
    return NULL;
}

struct member *enrol_find_member(const struct enrol *e, const char *name)
{
    for (size_t i = 0; i < e->member_count; i++)
        if (text_equal_nocase(e->members[i].name, name))
            return &e->members[i];
    return NULL;
}

bool enrol_is_in(const struct member *m)
{
    return m && m->removed_ms == 0;
}

struct joining *enrol_find_joining(const struct enrol *e, const char *key)
{
    for (size_t i = 0; i < e->joining_count; i++)
        if (text_equal(e->joining[i].key, key))
            return &e->joining[i];
    return NULL;
}

void enrol_put_right(void *arg, const struct join_right *right)
{
    struct enrol *e = arg;
    struct join_right *known = enrol_find_right(e, right->id);
    if (!known) {
        e->rights = must_realloc(e->rights, e->right_count + 1, sizeof(*e->rights));
        known = &e->rights[e->right_count++];
    }
    *known = *right;
}

void enrol_put_member(void *arg, const struct member *member)
{
    struct enrol *e = arg;
    struct member *known = enrol_find_member(e, member->name);
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

void enrol_put_joining(void *arg, const struct joining *joining)
{
    struct enrol *e = arg;
    struct joining *known = enrol_find_joining(e, joining->key);
    if (!known) {
        e->joining = must_realloc(e->joining, e->joining_count + 1, sizeof(*e->joining));
        known = &e->joining[e->joining_count++];
    }
    *known = *joining;
}

void enrol_drop_joining(struct enrol *e, const char *key)
{
    struct joining *j = enrol_find_joining(e, key);
    if (!j)
        return;
    e->joining_count--;
    memmove(j, j + 1, (size_t)(e->joining + e->joining_count - j) * sizeof(*j));
}

enum error_code enrol_open(const struct enrol_spec *spec, struct enrol **out, struct error *err)
{
    struct enrol *e = must_alloc(1, sizeof(*e));
    e->spec = *spec;
    enum error_code code = store_load_join_rights(spec->store, enrol_put_right, e, err);
    code = code ? code : store_load_members(spec->store, enrol_put_member, e, err);
    code = code ? code : store_load_joining(spec->store, enrol_put_joining, e, err);
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

enum error_code enrol_begin(struct enrol *e, struct error *err)
{
    return store_begin(e->spec.store, err);
}

enum error_code enrol_end(struct enrol *e, enum error_code code, const struct enrol_word *w,
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
    return enrol_find_member(e, name);
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

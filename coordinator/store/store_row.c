/* store_row.c - rows in and out, for the files of the store. See store_internal.h. */
#include "coordinator/store/store_internal.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/core/words.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* ---- in ---- */

struct binding binding_of(struct store *s, enum schema_statement statement)
{
    return (struct binding){.db = s->db, .statement = (int)statement};
}

void bind_text(struct binding *b, const char *value)
{
    db_bind_text(b->db, b->statement, ++b->at, value);
}

void bind_uint(struct binding *b, uint64_t value)
{
    db_bind_uint(b->db, b->statement, ++b->at, value);
}

void bind_int(struct binding *b, int64_t value)
{
    db_bind_int(b->db, b->statement, ++b->at, value);
}

void bind_bool(struct binding *b, bool value)
{
    db_bind_int(b->db, b->statement, ++b->at, value ? 1 : 0);
}

void bind_id(struct binding *b, const struct wire_id *id)
{
    db_bind_blob(b->db, b->statement, ++b->at, id->bytes, sizeof(id->bytes));
}

void bind_reference(struct binding *b, uint64_t id)
{
    ++b->at;
    if (id != 0)
        db_bind_uint(b->db, b->statement, b->at, id);
}

/* ---- out ---- */

struct row row_of(struct store *s, enum schema_statement statement, const char *what,
                  struct error *err)
{
    return (struct row){.s = s, .statement = (int)statement, .what = what, .err = err};
}

bool row_next(struct row *r)
{
    bool got = false;
    if (!r->code)
        r->code = db_row(r->s->db, r->statement, &got, r->err);
    else
        db_reset(r->s->db, r->statement);
    r->at = 0;
    return got;
}

void row_bad(struct row *r, const char *column, const char *value)
{
    if (r->code)
        return;
    char id[24] = "";
    if (r->id != 0)
        text_format(id, sizeof(id), " %" PRIu64, r->id);
    r->code = error_set(r->err, ERR_CORRUPT,
                        "%s: %s%s%s%s: its %s is \"%.60s\", which means nothing here: the file was "
                        "changed by hand or is damaged; put a backup in its place",
                        r->s->path, r->what, id, r->name ? ", server " : "", r->name ? r->name : "",
                        column, value);
}

static void bad_number(struct row *r, const char *column, int64_t value)
{
    char text[24];
    text_format(text, sizeof(text), "%" PRId64, value);
    row_bad(r, column, text);
}

const char *row_word(struct row *r)
{
    const char *text = db_text(r->s->db, r->statement, r->at++);
    return text ? text : "";
}

void row_text(struct row *r, const char *column, char *out, size_t size_bytes)
{
    const char *text = row_word(r);
    if (!text_copy(out, size_bytes, text))
        row_bad(r, column, text);
}

int64_t row_int(struct row *r)
{
    return db_int(r->s->db, r->statement, r->at++);
}

uint64_t row_uint(struct row *r, const char *column, uint64_t max)
{
    int64_t value = row_int(r);
    if (value >= 0 && (uint64_t)value <= max)
        return (uint64_t)value;
    bad_number(r, column, value);
    return 0;
}

uint32_t row_u32(struct row *r, const char *column)
{
    return (uint32_t)row_uint(r, column, UINT32_MAX);
}

bool row_bool(struct row *r, const char *column)
{
    return row_uint(r, column, 1) == 1;
}

void row_id(struct row *r, const char *column, struct wire_id *out)
{
    size_t len = 0;
    const void *bytes = db_blob(r->s->db, r->statement, r->at++, &len);
    if (len == sizeof(out->bytes))
        memcpy(out->bytes, bytes, len);
    else
        row_bad(r, column, "not 16 bytes");
}

/* ---- lists ---- */

static char *dump_and_drop(json_t *list)
{
    char *text = json_dumps(list, JSON_COMPACT);
    must(text != NULL);
    json_decref(list);
    return text;
}

char *places_format(struct store *s, const struct balancer_entry *places, uint32_t count)
{
    must(count <= BALANCER_ENTRIES_MAX);
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        const struct balancer_entry *e = &places[i];
        json_t *item = json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I}", "balancer",
                                 e->balancer, "backend", e->backend, "name", e->name, "admin",
                                 balancer_admin_name(e->admin), "up", (int)e->up, "sessions",
                                 (json_int_t)e->sessions, "others", (json_int_t)e->others_serving,
                                 "life", (json_int_t)e->life);
        if (item) {
            json_array_append_new(list, item);
            continue;
        }
        json_decref(list);
        error_set(&s->first, ERR_INVALID,
                  "%s: a balancer, backend or server line has a name that "
                  "is not UTF-8: name it otherwise",
                  s->path);
        return NULL;
    }
    return dump_and_drop(list);
}

static bool read_place(json_t *item, struct balancer_entry *out)
{
    const char *balancer, *backend, *name, *admin;
    int up;
    json_int_t sessions, others, life = 0; /* older stores have none */
    if (json_unpack(item, "{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s?I}", "balancer", &balancer,
                    "backend", &backend, "name", &name, "admin", &admin, "up", &up, "sessions",
                    &sessions, "others", &others, "life", &life) != 0)
        return false;
    if (sessions < 0 || sessions > UINT32_MAX || others < 0 || others > UINT32_MAX)
        return false;
    out->up = up != 0;
    out->sessions = (uint32_t)sessions;
    out->others_serving = (uint32_t)others;
    out->life = life > 0 ? (uint64_t)life : 0;
    return text_copy(out->balancer, sizeof(out->balancer), balancer) &&
           text_copy(out->backend, sizeof(out->backend), backend) &&
           text_copy(out->name, sizeof(out->name), name) &&
           balancer_admin_parse(admin, &out->admin);
}

void row_places(struct row *r, struct balancer_entry *out, uint32_t *out_count)
{
    const char *text = row_word(r);
    json_t *list = json_loads(text, 0, NULL);
    bool good = json_is_array(list) && json_array_size(list) <= BALANCER_ENTRIES_MAX;
    for (size_t i = 0; good && i < json_array_size(list); i++)
        good = read_place(json_array_get(list, i), &out[i]);
    if (good)
        *out_count = (uint32_t)json_array_size(list);
    else
        row_bad(r, "places", text);
    json_decref(list);
}

/* [[4528,"1337"],...]: creation times are strings, since they use all 64 bits and JSON's numbers
 * have no sign to spare. Without creation times [4528,...]. */
char *workers_format(const uint32_t *pids, const uint64_t *created, uint32_t count)
{
    must(count <= ROLLOUT_BASELINE_MAX);
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_t *pid = json_integer((json_int_t)pids[i]);
        char text[24] = "";
        if (created)
            text_format(text, sizeof(text), "%" PRIu64, created[i]);
        json_array_append_new(list, created ? json_pack("[o, s]", pid, text) : pid);
    }
    return dump_and_drop(list);
}

static bool read_worker(json_t *item, uint32_t *pid, uint64_t *created)
{
    json_t *number = created ? json_array_get(item, 0) : item;
    json_int_t value = json_integer_value(number);
    if (!json_is_integer(number) || value < 0 || value > UINT32_MAX)
        return false;
    *pid = (uint32_t)value;
    if (!created)
        return true;
    const char *text = json_string_value(json_array_get(item, 1));
    return text && text_parse_u64(text, 0, UINT64_MAX, created);
}

void row_workers(struct row *r, const char *column, uint32_t *pids, uint64_t *created,
                 uint32_t *out_count)
{
    const char *text = row_word(r);
    json_t *list = json_loads(text, 0, NULL);
    bool good = json_is_array(list) && json_array_size(list) <= ROLLOUT_BASELINE_MAX;
    for (size_t i = 0; good && i < json_array_size(list); i++)
        good = read_worker(json_array_get(list, i), &pids[i], created ? &created[i] : NULL);
    if (good)
        *out_count = (uint32_t)json_array_size(list);
    else
        row_bad(r, column, text);
    json_decref(list);
}

/* desk_audit.c - the audit trail, to read. See desk.h. */
#include "coordinator/desk/desk_internal.h"

#include "common/text.h"

#define ROWS_DEFAULT 100
#define ROWS_MAX     1000

static void add_row(void *arg, const struct audit_row *row)
{
    char at[TEXT_TIME_MAX];
    json_array_append_new(
        arg, json_pack("{s:I, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "id", (json_int_t)row->id,
                       "at", text_format_time(at, row->wall_ms), "at_ms", (json_int_t)row->wall_ms,
                       "actor", row->actor, "origin", row->origin, "action", row->action, "object",
                       row->object, "reason", row->reason, "hash", row->hash));
}

void desk_get_audit(struct asking *a)
{
    static const char *const known[] = {"after", "limit", NULL};
    struct error err;
    uint64_t limit = ROWS_DEFAULT, last = 0, after = 0;
    if (!desk_only_args(a, known) || !desk_number_arg(a, "limit", 1, ROWS_MAX, &limit))
        return;
    enum error_code code = store_audit_last(a->desk->store, &last, &err);
    if (!code && !api_arg(a->request, "after")) /* the newest */
        after = last > limit ? last - limit : 0;
    else if (!code && !desk_number_arg(a, "after", 0, INT64_MAX, &after))
        return;
    json_t *rows = json_array();
    code = code ? code : store_load_audit(a->desk->store, after, limit, add_row, rows, &err);
    if (!code) {
        desk_answer(a, 200, json_pack("{s:o, s:I}", "rows", rows, "last", (json_int_t)last));
        return;
    }
    json_decref(rows);
    desk_refuse(a, &err);
}

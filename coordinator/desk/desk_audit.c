/* desk_audit.c - the audit trail, to read. See desk.h. */
#include "coordinator/desk/desk_internal.h"

#include "coordinator/notices/audit_view.h"

#define ROWS_DEFAULT 100
#define ROWS_MAX     1000

static void add_row(void *arg, const struct audit_row *row)
{
    json_array_append_new(arg, view_audit(row));
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

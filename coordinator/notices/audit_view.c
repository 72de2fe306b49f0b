/* audit_view.c - see audit_view.h. */
#include "coordinator/notices/audit_view.h"

#include "common/must.h"
#include "common/text.h"

json_t *view_audit(const struct audit_row *row)
{
    char at[TEXT_TIME_MAX];
    json_t *json =
        json_pack("{s:I, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id",
                  (json_int_t)row->id, "at", text_format_time(at, row->wall_ms), "at_ms",
                  (json_int_t)row->wall_ms, "actor", row->actor, "origin", row->origin, "action",
                  row->action, "object", row->object, "reason", row->reason, "before", row->before,
                  "after", row->after, "result", row->result, "hash", row->hash);
    must(json != NULL);
    return json;
}

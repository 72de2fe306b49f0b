/* audit_line.c - see audit_line.h. */
#include "coordinator/store/audit_line.h"

#include <inttypes.h>

static void add(struct text *out, const char *key, const char *value)
{
    struct text safe = {0};
    text_add_safe(&safe, value);
    text_addf(out, " %s=\"", key);
    for (const char *c = text_get(&safe); *c; c++) {
        if (*c == '"' || *c == '\\')
            text_add(out, "\\");
        text_add_bytes(out, c, 1);
    }
    text_add(out, "\"");
    text_reset(&safe);
}

void audit_line(struct text *out, const struct audit_row *row)
{
    char at[TEXT_TIME_MAX];
    text_addf(out, "farmhand audit row=%" PRIu64 " hash=%s at=%s", row->id, row->hash,
              text_format_time(at, row->wall_ms));
    add(out, "actor", row->actor);
    add(out, "origin", row->origin);
    add(out, "action", row->action);
    add(out, "object", row->object);
    add(out, "reason", row->reason);
    add(out, "before", row->before);
    add(out, "after", row->after);
    add(out, "result", row->result);
}

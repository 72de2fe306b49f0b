/* record.c - see record.h. */
#include "agent/record.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

struct record *record_new(const struct command *command)
{
    struct record *record = must_alloc(1, sizeof(*record));
    record->id = command->id;
    record->verb = command->verb;
    text_copy(record->pool, sizeof(record->pool), command->pool);
    record->keep_autostart = command->keep_autostart;
    record->start_idle = command->start_idle;
    record->probe = command->probe;
    record->limit_ms = command->limit_ms;
    record->enable = command->enable;
    record->force = command->force;
    record->worker_pid = command->worker_pid;
    record->worker_created = command->worker_created;
    text_copy(record->settings, sizeof(record->settings), command->settings ? command->settings : "");
    record->run = command->run;
    clean_text(record->actor, sizeof(record->actor), command->actor);
    clean_text(record->reason, sizeof(record->reason), command->reason);
    return record;
}

static void copy_workers(struct record *record, struct record_workers *list,
                         const struct record_workers *from)
{
    list->items = must_alloc(from->count, sizeof(*list->items));
    list->count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        list->items[i] = from->items[i];
        list->items[i].pool = record->pool;
    }
}

struct record *record_copy(const struct record *record)
{
    struct record *copy = must_alloc(1, sizeof(*copy));
    *copy = *record;
    copy_workers(copy, &copy->before, &record->before);
    copy_workers(copy, &copy->after, &record->after);
    record_tell_findings(copy);
    return copy;
}

void record_add_finding(struct record *record, const char *rung, const char *text)
{
    size_t used = strlen(record->findings), room = sizeof(record->findings) - used;
    if (strlen(rung) + strlen(text) + 3 <= room)
        text_format(record->findings + used, room, "%s %s\n", rung, text);
    record_tell_findings(record);
}

void record_tell_findings(struct record *record)
{
    text_copy(record->told, sizeof(record->told), record->findings);
    record->finding_count = 0;
    for (char *at = record->told; *at && record->finding_count < WIRE_FINDINGS_MAX;) {
        char *end = at + strcspn(at, "\n"), *blank = at + strcspn(at, " \n");
        bool last = *end == '\0';
        *end = '\0';
        if (blank < end) {
            *blank = '\0';
            record->finding_items[record->finding_count++] = (struct finding){at, blank + 1};
        }
        at = last ? end : end + 1;
    }
}

void record_free(struct record *record)
{
    if (!record)
        return;
    free(record->before.items);
    free(record->after.items);
    free(record);
}

void record_set_workers(struct record *record, struct record_workers *list,
                        const struct worker *workers, size_t count)
{
    free(list->items);
    list->items = must_alloc(count, sizeof(*list->items));
    list->count = 0;
    for (size_t i = 0; i < count && list->count < WIRE_WORKERS_MAX; i++) {
        if (!text_equal_nocase(workers[i].pool, record->pool))
            continue;
        list->items[list->count] = workers[i];
        list->items[list->count++].pool = record->pool;
    }
}

struct result record_result(const struct record *record)
{
    return (struct result){
        .id = record->id,
        .verb = record->verb,
        .pool = record->pool,
        .outcome = record->outcome,
        .cause = record->cause,
        .detail = record->detail,
        .findings = record->finding_items,
        .finding_count = record->finding_count,
        .proof =
            {
                .before = record->before.items,
                .before_count = record->before.count,
                .after = record->after.items,
                .after_count = record->after.count,
                .baseline_gone = record->baseline_gone,
                .orphaned = record->orphaned,
                .probed = record->probed,
                .probe_status = record->probe_status,
                .probe_ms = record->probe_ms,
                .gap_ms = record->gap_ms,
            },
        .elapsed_ms = record->elapsed_ms,
        .former = record->former_settings,
    };
}

/* One character of outside text into out; returns the bytes read, *len the bytes written. */
static size_t clean_one(const char *s, size_t left, char out[4], size_t *len)
{
    uint32_t c = 0;
    size_t count = text_utf8_next(s, left, &c);
    *len = 1;
    out[0] = count == 0 ? '?' : ' ';
    if (count == 0)
        return 1;
    bool control = c <= 0x20 || (c >= 0x7F && c <= 0x9F);
    if (control)
        return count;
    memcpy(out, s, count);
    *len = count;
    return count;
}

const char *clean_text(char *out, size_t size_bytes, const char *s)
{
    must(size_bytes > 0);
    size_t used = 0;
    size_t left = strlen(s);
    while (left > 0) {
        char one[4];
        size_t len;
        size_t count = clean_one(s, left, one, &len);
        if (used + len >= size_bytes)
            break;
        bool extra_blank = one[0] == ' ' && (used == 0 || out[used - 1] == ' ');
        if (!extra_blank) {
            memcpy(out + used, one, len);
            used += len;
        }
        s += count;
        left -= count;
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
    return out;
}

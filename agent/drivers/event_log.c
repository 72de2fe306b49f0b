/* event_log.c - see event_log.h. */
#include "agent/drivers/event_log.h"

#include "agent/drivers/iis_xml.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 512 /* of one element's text; what is longer is no name and no number */

void event_entries_add(struct event_entries *entries, const struct event_entry *entry)
{
    entries->items = must_realloc(entries->items, entries->count + 1, sizeof(*entry));
    entries->items[entries->count++] = *entry;
}

void event_entries_reset(struct event_entries *entries)
{
    free(entries->items);
    *entries = (struct event_entries){0};
}

/* ---- XML ---- */

enum value {
    VALUE_NONE,
    VALUE_ID,
    VALUE_RECORD,
    VALUE_POOL,
    VALUE_PID,
    VALUE_UNNAMED,
    VALUE_BINARY,
};

struct reading {
    struct event_entry entry;
    enum value value; /* of the element in hand */
    struct text text;
    size_t unnamed; /* Data without a name, so far */
    bool has_id, has_time;
};

/* <Data Name='AppPoolID'>: in this order of meaning where nothing is named. */
static enum value value_of_data(const char *const *attributes)
{
    const char *name = iis_xml_attribute(attributes, "Name");
    if (!name || !*name)
        return VALUE_UNNAMED;
    if (text_equal_nocase(name, "AppPoolID"))
        return VALUE_POOL;
    if (text_equal_nocase(name, "ProcessID"))
        return VALUE_PID;
    return VALUE_NONE;
}

/* 2026-11-22T20:13:23.1234567Z: with as many digits as it likes, we take three. */
static void read_time(struct reading *r, const char *const *attributes)
{
    char time[TEXT_TIME_MAX], digits[4] = "000";
    const char *given = iis_xml_attribute(attributes, "SystemTime");
    size_t len = given ? strcspn(given, ".") : 0;
    size_t more = given && given[len] ? strspn(given + len + 1, "0123456789") : 0;
    if (more > 0)
        memcpy(digits, given + len + 1, more < 3 ? more : 3);
    if (!given)
        return;
    if (more > 0)
        text_format(time, sizeof(time), "%.*s.%sZ", (int)len, given, digits);
    else
        text_copy(time, sizeof(time), given);
    r->has_time = text_parse_time(time, &r->entry.wall_ms);
}

static enum error_code on_begin(void *arg, size_t depth, const char *element,
                                const char *const *attributes, struct error *err)
{
    struct reading *r = arg;
    r->value = VALUE_NONE;
    text_reset(&r->text);
    if (depth == 0 && !text_equal(element, "Event"))
        return error_set(err, ERR_CORRUPT, "not an event of the event log");
    if (text_equal(element, "EventID"))
        r->value = VALUE_ID;
    else if (text_equal(element, "EventRecordID"))
        r->value = VALUE_RECORD;
    else if (text_equal(element, "TimeCreated"))
        read_time(r, attributes);
    else if (text_equal(element, "Data"))
        r->value = value_of_data(attributes);
    else if (text_equal(element, "Binary"))
        r->value = VALUE_BINARY;
    return ERR_NONE;
}

static enum error_code on_text(void *arg, const char *bytes, size_t len, struct error *err)
{
    struct reading *r = arg;
    (void)err;
    if (r->value != VALUE_NONE && r->text.len + len <= VALUE_MAX)
        text_add_bytes(&r->text, bytes, len);
    return ERR_NONE;
}

static uint32_t number_of(const char *text)
{
    uint64_t number = 0;
    text_parse_u64(text, 0, UINT32_MAX, &number);
    return (uint32_t)number;
}

static void take_unnamed(struct reading *r, const char *text)
{
    if (r->unnamed == 0)
        wire_clean_text(r->entry.pool, sizeof(r->entry.pool), text);
    if (r->unnamed == 1)
        r->entry.pid = number_of(text);
    r->unnamed++;
}

static enum error_code on_end(void *arg, size_t depth, const char *element, struct error *err)
{
    struct reading *r = arg;
    const char *text = text_get(&r->text);
    (void)depth, (void)element, (void)err;
    switch (r->value) {
    case VALUE_ID:
        r->entry.id = number_of(text);
        r->has_id = r->entry.id != 0;
        break;
    case VALUE_RECORD:
        text_parse_u64(text, 0, INT64_MAX, &r->entry.record);
        break;
    case VALUE_POOL:
        wire_clean_text(r->entry.pool, sizeof(r->entry.pool), text);
        break;
    case VALUE_PID:
        r->entry.pid = number_of(text);
        break;
    case VALUE_UNNAMED:
        take_unnamed(r, text);
        break;
    case VALUE_BINARY:
        r->entry.code = event_binary_code(text);
        break;
    case VALUE_NONE:
        break;
    }
    r->value = VALUE_NONE;
    text_reset(&r->text);
    return ERR_NONE;
}

enum error_code event_parse(const char *utf8, size_t len, struct event_entry *out,
                            struct error *err)
{
    struct reading reading = {0};
    const struct iis_xml_visitor visitor = {
        .begin = on_begin, .end = on_end, .text = on_text, .arg = &reading};
    enum error_code code = iis_xml_walk(utf8, len, &visitor, err);
    text_reset(&reading.text);
    if (code)
        return code;
    if (!reading.has_id || !reading.has_time)
        return error_set(err, ERR_CORRUPT, "an event without %s",
                         reading.has_id ? "a time" : "an id");
    *out = reading.entry;
    return ERR_NONE;
}

uint32_t event_binary_code(const char *hex)
{
    uint8_t bytes[4];
    char head[9];
    if (strlen(hex) < 8)
        return 0;
    memcpy(head, hex, 8);
    head[8] = '\0';
    for (char *c = head; *c; c++)
        *c = *c >= 'A' && *c <= 'F' ? (char)(*c - 'A' + 'a') : *c;
    if (!text_from_hex(head, bytes, sizeof(bytes)))
        return 0;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* ---- the ring ---- */

static bool has(const struct event_ring *ring, const struct event_entry *entry)
{
    for (size_t i = 0; i < ring->count; i++)
        if (ring->items[i].record == entry->record && ring->items[i].id == entry->id)
            return true;
    return false;
}

void event_ring_add(struct event_ring *ring, const struct event_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (has(ring, &entries->items[i]))
            continue;
        if (ring->count == WIRE_EVENTS_MAX)
            memmove(ring->items, ring->items + 1, --ring->count * sizeof(ring->items[0]));
        ring->items[ring->count++] = entries->items[i];
    }
}

/* IIS.md section 5: 5021 and 5057 name the identity, 5059 that follows them only says disabled. */
#define SAME_CASE_MS 60000

struct driver_verdict event_ring_verdict(const struct event_ring *ring, const char *pool)
{
    struct driver_verdict verdict = {0};
    int64_t newest_ms = 0;
    for (size_t i = ring->count; i > 0; i--) {
        const struct event_entry *entry = &ring->items[i - 1];
        bool identity = entry->id == 5021 || entry->id == 5057;
        if (!text_equal_nocase(entry->pool, pool) ||
            !(identity || entry->id == 5002 || entry->id == 5059))
            continue;
        if (verdict.event != 0 && newest_ms - entry->wall_ms > SAME_CASE_MS)
            break;
        if (verdict.event == 0)
            newest_ms = entry->wall_ms;
        if (verdict.event == 0 || (identity && !verdict.identity))
            verdict.event = entry->id;
        verdict.identity = verdict.identity || identity;
        verdict.rapid_fail = verdict.rapid_fail || entry->id == 5002;
    }
    return verdict;
}

/* The event log: entries as Windows renders them, the lab's, the last of them, the bookmark. */
#include "agent/drivers/bookmark.h"
#include "agent/drivers/event_log.h"
#include "agent/drivers/scm.h"
#include "common/text.h"
#include "proto/events.h"
#include "tests/unit/drivers_tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* In the form that EvtRender gives: one line, single quotes. */
#define HEAD(provider, id, record, time)                                                           \
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"                \
    "<Provider Name='" provider "' Guid='{524B5D04-133C-4A62-8362-64E8EDB9CE40}' "                 \
    "EventSourceName='WAS'/><EventID Qualifiers='32768'>" id "</EventID><Version>0</Version>"      \
    "<Level>2</Level><Task>0</Task><Opcode>0</Opcode><Keywords>0x80000000000000</Keywords>"        \
    "<TimeCreated SystemTime='" time "'/><EventRecordID>" record "</EventRecordID>"                \
    "<Correlation/><Execution ProcessID='0' ThreadID='0'/><Channel>System</Channel>"               \
    "<Computer>WEB01</Computer><Security/></System>"

static const char rapid_fail[] =
    HEAD("Microsoft-Windows-WAS", "5002", "48211",
         "2026-11-22T20:13:23.123456700Z") "<EventData><Data Name='AppPoolID'>Shop</Data>"
                                           "</EventData></Event>";
static const char identity[] =
    HEAD("Microsoft-Windows-WAS", "5057", "48212",
         "2026-11-22T20:13:23.5Z") "<EventData><Data Name='AppPoolID'>B\xC3\xBCro &amp; "
                                   "S\xC3\xB6hne</Data><Binary>6D000780</Binary></EventData>"
                                   "</Event>";
static const char crash[] =
    HEAD("Microsoft-Windows-WAS", "5011", "48213",
         "2026-11-22T20:13:24.0000000Z") "<EventData><Data Name='AppPoolID'>Shop</Data>"
                                         "<Data Name='ProcessID'>4528</Data>"
                                         "<Binary>6D000780AABB</Binary></EventData></Event>";
static const char unnamed[] =
    HEAD("W3SVC-WP", "2280", "7",
         "2026-11-22T20:13:25.1Z") "<EventData><Data>Shop</Data><Data>4528</Data><Data>C:\\x.dll"
                                   "</Data></EventData></Event>";

static struct event_entry parse(const char *xml)
{
    struct event_entry entry;
    struct error err;
    if (event_parse(xml, strlen(xml), &entry, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    return entry;
}

static void entries_are_read_as_windows_renders_them(void **state)
{
    (void)state;
    int64_t when;
    struct event_entry entry = parse(rapid_fail);
    assert_true(text_parse_time("2026-11-22T20:13:23.123Z", &when));
    assert_int_equal(entry.id, 5002);
    assert_int_equal(entry.record, 48211);
    assert_int_equal(entry.wall_ms, when);
    assert_string_equal(entry.pool, "Shop");
    assert_int_equal(entry.pid, 0);
    assert_int_equal(entry.code, 0);
    entry = parse(identity);
    assert_string_equal(entry.pool, "B\xC3\xBCro & S\xC3\xB6hne");
    assert_int_equal(entry.code, 0x8007006Du);
    entry = parse(crash);
    assert_int_equal(entry.pid, 4528);
    assert_int_equal(entry.code, 0x8007006Du);
    entry = parse(unnamed);
    assert_string_equal(entry.pool, "Shop");
    assert_int_equal(entry.pid, 4528);
}

static void what_is_no_entry_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "<Event/>",
        "<Other/>",
        "not xml",
        "<Event><System><EventID>5002</EventID></System></Event>",
        "<Event><System><EventID>x</EventID><TimeCreated "
        "SystemTime='2026-11-22T20:13:23Z'/></System></Event>",
        "<Event><System><EventID>5002</EventID><TimeCreated "
        "SystemTime='gestern'/></System></Event>",
        "<!DOCTYPE x [<!ENTITY e 'e'>]><Event><System><EventID>5002</EventID></System></Event>",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct event_entry entry = {.id = 77};
        if (event_parse(bad[i], strlen(bad[i]), &entry, NULL) != ERR_CORRUPT)
            fail_msg("%s", bad[i]);
        assert_int_equal(entry.id, 77);
    }
    /* cut off anywhere, it is no entry */
    for (size_t len = 0; len + 1 < sizeof(crash) - 1; len++) {
        struct event_entry entry;
        assert_int_equal(event_parse(crash, len, &entry, NULL), ERR_CORRUPT);
    }
}

static void code_of_the_binary_is_little_endian(void **state)
{
    (void)state;
    assert_int_equal(event_binary_code("6D000780"), 0x8007006Du);
    assert_int_equal(event_binary_code("05000000"), 5);
    assert_int_equal(event_binary_code("0500"), 0);
    assert_int_equal(event_binary_code("zz000780"), 0);
    assert_int_equal(event_binary_code(""), 0);
}

static void every_event_of_the_list_is_known(void **state)
{
    (void)state;
    static const struct {
        uint32_t id;
        enum event_kind kind;
    } cases[] = {{5002, EVENT_RAPID_FAIL},   {5021, EVENT_IDENTITY},    {5057, EVENT_IDENTITY},
                 {5059, EVENT_CANNOT_START}, {5009, EVENT_CRASH},       {5011, EVENT_CRASH},
                 {5010, EVENT_HANG},         {5012, EVENT_START_LIMIT}, {5013, EVENT_STOP_LIMIT},
                 {5079, EVENT_RECYCLED},     {5186, EVENT_IDLE},        {5189, EVENT_CONFIG},
                 {1007, EVENT_LISTENER},     {4242, EVENT_OTHER}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(event_kind_of(cases[i].id), cases[i].kind);
    assert_string_equal(event_words(4242), "");
    assert_string_equal(event_kind_name(EVENT_RAPID_FAIL), "rapid-fail");
    assert_string_equal(event_kind_name((enum event_kind)77), "?");
}

static void ring_keeps_the_latest_once(void **state)
{
    (void)state;
    struct event_ring ring = {.count = 0};
    for (uint64_t record = 1; record <= WIRE_EVENTS_MAX + 3; record++) {
        struct event_entry entry = {.record = record, .id = 5002};
        struct event_entries entries = {&entry, 1};
        event_ring_add(&ring, &entries);
        event_ring_add(&ring, &entries); /* told twice */
    }
    assert_int_equal(ring.count, WIRE_EVENTS_MAX);
    assert_int_equal(ring.items[0].record, 4);
    assert_int_equal(ring.items[WIRE_EVENTS_MAX - 1].record, WIRE_EVENTS_MAX + 3);
    struct event_entry other = {.record = 10, .id = 2280}; /* another log counts for itself */
    struct event_entries entries = {&other, 1};
    event_ring_add(&ring, &entries);
    assert_int_equal(ring.items[WIRE_EVENTS_MAX - 1].id, 2280);
}

static void events_of_the_lab_are_read_from_where_it_stood(void **state)
{
    (void)state;
    static const char lines[] =
        "{\"id\":5002,\"provider\":\"Microsoft-Windows-WAS\",\"data\":{\"AppPoolID\":\"Shop\","
        "\"ProcessID\":0},\"wall_ms\":1000,\"boot_ms\":1}\n"
        "rubbish\n"
        "{\"id\":5172,\"data\":{\"AppPoolID\":null,\"ProcessID\":7},\"wall_ms\":2000}\n"
        "{\"id\":5186,\"wall_ms\":3000"; /* being written */
    struct event_entries entries = {0};
    scm_lab_parse_events(lines, sizeof(lines) - 1, 0, &entries);
    assert_int_equal(entries.count, 2);
    assert_string_equal(entries.items[0].pool, "Shop");
    assert_int_equal(entries.items[0].wall_ms, 1000);
    assert_string_equal(entries.items[1].pool, "");
    assert_int_equal(entries.items[1].record, 3);
    event_entries_reset(&entries);
    scm_lab_parse_events(lines, sizeof(lines) - 1, 1, &entries);
    assert_int_equal(entries.count, 1);
    event_entries_reset(&entries);
    scm_lab_parse_events(lines, sizeof(lines) - 1, 3, &entries);
    assert_int_equal(entries.count, 0);
    scm_lab_parse_events(lines, sizeof(lines) - 1, 99, &entries); /* another log */
    assert_int_equal(entries.count, 2);
    event_entries_reset(&entries);
}

static void bookmark_outlives_its_owner(void **state)
{
    (void)state;
    char *folder = tool_folder_new();
    struct bookmark *mark = bookmark_new(folder);
    assert_null(bookmark_read(mark));
    bookmark_write(mark, "<BookmarkList/>");
    bookmark_free(mark);
    mark = bookmark_new(folder);
    char *text = bookmark_read(mark);
    assert_string_equal(text, "<BookmarkList/>");
    free(text);
    bookmark_free(mark);
    tool_folder_remove(folder);
    mark = bookmark_new(folder = NULL); /* in memory alone */
    bookmark_write(mark, "7");
    text = bookmark_read(mark);
    assert_string_equal(text, "7");
    free(text);
    bookmark_free(mark);
    mark = bookmark_new("/nonexistent/folder"); /* cannot be written: kept while it lives */
    bookmark_write(mark, "8");
    text = bookmark_read(mark);
    assert_string_equal(text, "8");
    free(text);
    bookmark_free(mark);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_read_as_windows_renders_them),
        cmocka_unit_test(what_is_no_entry_is_refused),
        cmocka_unit_test(code_of_the_binary_is_little_endian),
        cmocka_unit_test(every_event_of_the_list_is_known),
        cmocka_unit_test(ring_keeps_the_latest_once),
        cmocka_unit_test(events_of_the_lab_are_read_from_where_it_stood),
        cmocka_unit_test(bookmark_outlives_its_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

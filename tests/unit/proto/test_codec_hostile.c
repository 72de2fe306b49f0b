/* Bytes that nobody of ours wrote: cut, flipped, too many, too deep, and every bound passed by one.
 * The seed of the random loops is printed; FARMHAND_SEED sets it. */
#include "fields.h"

#include "common/must.h"
#include "proto/arena.h"
#include "proto/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define FLIPS 20000

struct bytes {
    uint8_t *data;
    size_t len;
};

static struct bytes sample(enum agent_message_kind kind, uint64_t pattern)
{
    struct fill fill = {.pattern = pattern, .array_count = 3};
    struct agent_message m;
    struct bytes b;
    fill_agent(&fill, kind, &m);
    must(codec_encode_agent(&m, &b.data, &b.len, NULL) == ERR_NONE);
    fill_reset(&fill);
    return b;
}

static struct bytes command_sample(void)
{
    struct fill fill = {.pattern = 1, .array_count = 3};
    struct coordinator_message m;
    struct bytes b;
    fill_coordinator(&fill, COORDINATOR_COMMAND, &m);
    must(codec_encode_coordinator(&m, &b.data, &b.len, NULL) == ERR_NONE);
    fill_reset(&fill);
    return b;
}

static enum error_code try_agent(const uint8_t *data, size_t len, struct error *err)
{
    struct agent_message *m = NULL;
    enum error_code code = codec_decode_agent(data, len, &m, err);
    assert_int_equal(code == ERR_NONE, m != NULL); /* untouched on failure */
    codec_free_agent(m);
    return code;
}

static enum error_code try_coordinator(const uint8_t *data, size_t len)
{
    struct coordinator_message *m = NULL;
    enum error_code code = codec_decode_coordinator(data, len, &m, NULL);
    assert_int_equal(code == ERR_NONE, m != NULL);
    codec_free_coordinator(m);
    return code;
}

/* A copy of exactly that length, so that AddressSanitizer sees the first byte read too many. */
static uint8_t *exact(const uint8_t *data, size_t len)
{
    uint8_t *copy = must_alloc(1, len ? len : 1);
    memcpy(copy, data, len);
    return copy;
}

static void message_cut_anywhere_is_survived(void **state)
{
    (void)state;
    for (int kind = AGENT_LISTEN; kind <= AGENT_RENEW; kind++) {
        struct bytes b = sample((enum agent_message_kind)kind, 1);
        for (size_t len = 0; len < b.len; len++) {
            uint8_t *cut = exact(b.data, len);
            assert_int_not_equal(try_agent(cut, len, NULL), ERR_NONE); /* its body comes last */
            free(cut);
        }
        free(b.data);
    }
    struct bytes b = command_sample();
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = exact(b.data, len);
        try_coordinator(cut, len);
        free(cut);
    }
    free(b.data);
}

static void flipped_bits_are_survived(void **state)
{
    const char *given = getenv("FARMHAND_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    (void)state;
    print_message("FARMHAND_SEED=%u\n", seed);
    for (int i = 0; i < FLIPS; i++) {
        int kind = AGENT_LISTEN + i % 7;
        bool command = kind > AGENT_RENEW;
        struct bytes b = command ? command_sample() : sample((enum agent_message_kind)kind, 1);
        for (int flips = 1 + rand_r(&seed) % 8; flips > 0; flips--)
            b.data[(size_t)rand_r(&seed) % b.len] ^= (uint8_t)(1u << rand_r(&seed) % 8);
        if (command)
            try_coordinator(b.data, b.len);
        else
            try_agent(b.data, b.len, NULL);
        free(b.data);
    }
}

/* ---- by hand: a tag is field number * 8 + wire type ---- */

#define TAG_LEN(field) ((field)*8 + 2)

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

static void nested_groups_are_refused(void **state)
{
    uint8_t deep[20000];
    struct error err = {0};
    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        deep[i] = 15 * 8 + 3;                    /* start of a group */
        deep[sizeof(deep) - 1 - i] = 15 * 8 + 4; /* and its end */
    }
    assert_int_equal(try_agent(deep, sizeof(deep), &err), ERR_CORRUPT);
}

/* report { state { what{} what{} ... } }; count 0: as many as a whole message holds. */
static struct bytes many_empty(unsigned field, size_t count)
{
    struct bytes b = {must_alloc(1, WIRE_MESSAGE_MAX), 0};
    uint8_t tag[4];
    size_t tag_len = put_varint(tag, TAG_LEN(field));
    size_t inner = (count ? count : (WIRE_MESSAGE_MAX - 16) / (tag_len + 1)) * (tag_len + 1);
    uint8_t head[8];
    size_t head_len = 0;
    head[head_len++] = TAG_LEN(1); /* state */
    head_len += put_varint(head + head_len, inner);
    b.data[b.len++] = 1 * 8; /* version */
    b.data[b.len++] = WIRE_VERSION;
    b.len += put_varint(b.data + b.len, TAG_LEN(17)); /* report */
    b.len += put_varint(b.data + b.len, head_len + inner);
    memcpy(b.data + b.len, head, head_len);
    b.len += head_len;
    for (size_t i = 0; i < inner; i += tag_len + 1) {
        memcpy(b.data + b.len, tag, tag_len);
        b.len += tag_len + 1;
    }
    return b;
}

static void megabyte_of_empty_parts_stays_under_the_cap(void **state)
{
    static const unsigned fields[] = {2, 9, 10, 16, 17, 18}; /* the lists of a state */
    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct error err = {0};
        struct bytes b = many_empty(fields[i], 0);
        assert_int_equal(try_agent(b.data, b.len, &err), ERR_NOMEM);
        if (!strstr(err.text, "unpack to more than 8388608"))
            fail_msg("%s", err.text);
        free(b.data);
    }
}

static void one_too_many_is_told_by_name(void **state)
{
    static const struct {
        unsigned field;
        size_t max;
        const char *text;
    } lists[] = {{2, WIRE_WORKERS_MAX, "report: state: workers: 4001 of them, at most 4000"},
                 {9, WIRE_POOLS_MAX, "report: state: figures: 2001 of them, at most 2000"},
                 {10, WIRE_EVENTS_MAX, "report: state: events: 33 of them, at most 32"},
                 {16, WIRE_SERVICES_MAX, "report: state: services: 65 of them, at most 64"},
                 {17, WIRE_POOLS_MAX, "report: state: pools: 2001 of them, at most 2000"},
                 {18, WIRE_SITES_MAX, "report: state: sites: 4001 of them, at most 4000"}};
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct error err = {0};
        struct bytes b = many_empty(lists[i].field, lists[i].max + 1);
        assert_int_equal(try_agent(b.data, b.len, &err), ERR_NOMEM);
        assert_string_equal(err.text, lists[i].text);
        free(b.data);
    }
}

static void largest_honest_report_fits(void **state)
{
    struct agent_message m;
    struct fill fill = {.pattern = 0};
    (void)state;
    while (fill_reset(&fill), fill.array_count = 1, fill_agent(&fill, AGENT_REPORT, &m),
           !m.report.state.whole)
        fill.pattern++;
    struct pool *pools = fill_take(&fill, WIRE_POOLS_MAX * sizeof(*pools));
    struct worker *workers = fill_take(&fill, WIRE_WORKERS_MAX * sizeof(*workers));
    struct site *sites = fill_take(&fill, WIRE_SITES_MAX * sizeof(*sites));
    for (size_t i = 0; i < WIRE_POOLS_MAX; i++)
        pools[i] = m.report.state.pools[0];
    for (size_t i = 0; i < WIRE_WORKERS_MAX; i++)
        workers[i] = m.report.state.workers[0];
    for (size_t i = 0; i < WIRE_SITES_MAX; i++)
        sites[i] = m.report.state.sites[0];
    struct pool_figures *figures = fill_take(&fill, WIRE_POOLS_MAX * sizeof(*figures));
    struct server_event *events = fill_take(&fill, WIRE_EVENTS_MAX * sizeof(*events));
    for (size_t i = 0; i < WIRE_POOLS_MAX; i++)
        figures[i] = m.report.state.figures[0];
    for (size_t i = 0; i < WIRE_EVENTS_MAX; i++)
        events[i] = m.report.state.events[0];
    m.report.state.figures = figures;
    m.report.state.figure_count = WIRE_POOLS_MAX;
    m.report.state.events = events;
    m.report.state.event_count = WIRE_EVENTS_MAX;
    m.report.state.pools = pools;
    m.report.state.pool_count = WIRE_POOLS_MAX;
    m.report.state.workers = workers;
    m.report.state.worker_count = WIRE_WORKERS_MAX;
    m.report.state.sites = sites;
    m.report.state.site_count = WIRE_SITES_MAX;
    struct bytes b;
    struct error err = {0};
    if (codec_encode_agent(&m, &b.data, &b.len, &err) != ERR_NONE ||
        try_agent(b.data, b.len, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    free(b.data);
    fill_reset(&fill);
}

static void longer_than_a_message_is_refused(void **state)
{
    struct error err = {0};
    uint8_t *data = must_alloc(1, WIRE_MESSAGE_MAX + 1);
    (void)state;
    assert_int_equal(try_agent(data, WIRE_MESSAGE_MAX + 1, &err), ERR_NOMEM);
    assert_string_equal(err.text, "message: 1048577 bytes, at most 1048576");
    free(data);
}

static void newer_version_is_told(void **state)
{
    struct bytes b = sample(AGENT_LISTEN, 1);
    struct error err = {0};
    (void)state;
    assert_int_equal(b.data[0], 1 * 8); /* version comes first */
    b.data[1] = WIRE_VERSION + 1;
    assert_int_equal(try_agent(b.data, b.len, &err), ERR_NEWER);
    b.data[1] = 0;
    assert_int_equal(try_agent(b.data, b.len, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "version: missing");
    free(b.data);
}

/* Finds the text in the encoded message and puts other bytes of the same length there. */
static void refuses_name(const char *bytes, const char *why)
{
    struct agent_message m = {.agent = "@@@@", .kind = AGENT_LISTEN};
    struct bytes b;
    struct error err = {0};
    m.incarnation.bytes[0] = m.boot.bytes[0] = 1;
    must(codec_encode_agent(&m, &b.data, &b.len, NULL) == ERR_NONE);
    uint8_t *at = memmem(b.data, b.len, "@@@@", 4);
    memcpy(at, bytes, 4);
    assert_int_equal(try_agent(b.data, b.len, &err), ERR_CORRUPT);
    assert_string_equal(err.text, why);
    free(b.data);
}

static void text_that_is_none_is_refused(void **state)
{
    (void)state;
    refuses_name("ab\0d", "agent: a NUL inside");
    refuses_name("abc\0", "agent: a NUL inside");
    refuses_name("ab\nd", "agent: control characters or not UTF-8");
    refuses_name("\x1b[2J", "agent: control characters or not UTF-8");
    refuses_name("a\xc2\x9b"
                 "d",
                 "agent: control characters or not UTF-8"); /* CSI of C1 */
    refuses_name("ab\xc3\x28", "agent: control characters or not UTF-8");
    refuses_name("a\xed\xa0\x80", "agent: control characters or not UTF-8"); /* surrogate */
    refuses_name("\xf4\x90\x80\x80", "agent: control characters or not UTF-8");
    refuses_name("\xf0\x80\x80\xaf", "agent: control characters or not UTF-8"); /* overlong */
    refuses_name("abc\xe2", "agent: control characters or not UTF-8");          /* cut */
}

/* ---- every bound, by one, from the table of fields ---- */

struct walk {
    struct agent_message *agent;
    struct coordinator_message *coordinator;
};

static void expect_refused(const struct walk *w, const char *name)
{
    uint8_t *data = NULL;
    size_t len;
    struct error err = {0};
    enum error_code code = w->agent ? codec_encode_agent(w->agent, &data, &len, &err)
                                    : codec_encode_coordinator(w->coordinator, &data, &len, &err);
    if (code != ERR_INVALID)
        fail_msg("%s passed its bound by one and was taken", name);
    if (!strstr(err.text, name))
        fail_msg("%s passed its bound; the text says: %s", name, err.text);
}

static void walk_bounds(const struct walk *w, const struct shape *shape, char *base);

static void exceed_number(const struct walk *w, const struct field *f, char *at)
{
    bool bounded = f->kind == FIELD_ENUM || (f->kind == FIELD_I32) ||
                   (f->kind == FIELD_U32 && f->max != UINT32_MAX) || f->kind == FIELD_I64;
    if (!bounded)
        return;
    uint64_t old = 0;
    memcpy(&old, at, f->size);
    int64_t below = f->min - 1, above = f->max == INT64_MAX ? 0 : f->max + 1;
    if (f->kind != FIELD_U32) {
        memcpy(at, &below, f->size);
        expect_refused(w, f->name);
    }
    if (f->max != INT64_MAX) {
        memcpy(at, &above, f->size);
        expect_refused(w, f->name);
    }
    memcpy(at, &old, f->size);
}

static void exceed_text(const struct walk *w, const struct field *f, const char **at)
{
    const char *old = *at;
    static char text[WIRE_PIECE_MAX + 1];
    memset(text, 0, sizeof(text));
    memset(text, 'x', (size_t)f->max + 1);
    *at = text;
    expect_refused(w, f->name);
    *at = "a\tb";
    expect_refused(w, f->name);
    *at = "a\x80";
    expect_refused(w, f->name);
    *at = old;
}

static void exceed_array(const struct walk *w, const struct field *f, char *base)
{
    char **items = (void *)(base + f->offset);
    size_t *count = (void *)(base + f->count_offset), old = *count;
    char told[128];
    snprintf(told, sizeof(told), "%s: %zu of them", f->name, (size_t)f->max + 1);
    *count = (size_t)f->max + 1;
    expect_refused(w, told);
    *count = old;
    for (size_t i = 0; i < *count; i++)
        walk_bounds(w, f->shape, *items + i * f->shape->size);
}

static void walk_bounds(const struct walk *w, const struct shape *shape, char *base)
{
    for (const struct field *f = shape->fields; f->kind != FIELD_END; f++) {
        char *at = base + f->offset;
        if (f->kind == FIELD_TEXT)
            exceed_text(w, f, (void *)at);
        else if (f->kind == FIELD_STRUCT)
            walk_bounds(w, f->shape, at);
        else if (f->kind == FIELD_ARRAY)
            exceed_array(w, f, base);
        else
            exceed_number(w, f, at);
    }
}

static void every_bound_is_kept_to_the_last(void **state)
{
    (void)state;
    for (int kind = AGENT_LISTEN; kind <= AGENT_RENEW; kind++) {
        struct agent_message m;
        struct fill fill = {.pattern = 0, .array_count = 2};
        fill_agent(&fill, (enum agent_message_kind)kind, &m);
        if (kind == AGENT_REPORT && !m.report.state.whole) {
            m.report.state.whole = true;
            m.report.state.service_count = m.report.state.pool_count = 2;
            m.report.state.site_count = 2;
        }
        struct walk w = {.agent = &m};
        walk_bounds(&w, &agent_shape, (char *)&m);
        walk_bounds(&w, agent_body_shape(m.kind), agent_body(&m));
        fill_reset(&fill);
    }
    struct coordinator_message c;
    struct fill fill = {.pattern = 0};
    fill_coordinator(&fill, COORDINATOR_COMMAND, &c);
    struct walk w = {.coordinator = &c};
    walk_bounds(&w, &coordinator_shape, (char *)&c);
    c.kind = (enum coordinator_message_kind)(COORDINATOR_CERTIFICATE + 1);
    expect_refused(&w, "kind");
    fill_reset(&fill);
}

static void refused_without(struct agent_message *m, const char *name)
{
    struct walk w = {.agent = m};
    expect_refused(&w, name);
}

static void required_parts_are_required(void **state)
{
    struct agent_message m = {.agent = "web01", .kind = AGENT_RESULT};
    (void)state;
    refused_without(&m, "incarnation: missing");
    m.incarnation.bytes[0] = 1;
    refused_without(&m, "boot: missing");
    m.boot.bytes[0] = 1;
    refused_without(&m, "result: id: missing");
    m.result.id = (struct command_id){.fence = {.number = 1}, .seq = 1};
    refused_without(&m, "result: outcome: missing");
    m.kind = (enum agent_message_kind)9;
    refused_without(&m, "kind: 9 is none of this version's");
    m.kind = AGENT_REPORT;
    struct pool nameless = {0};
    m.report.state = (struct state){.pools = &nameless, .pool_count = 1};
    refused_without(&m, "whole: false");
    m.report.state.whole = true;
    refused_without(&m, "report: state: pools[0]: name: missing");
}

static void arena_keeps_its_cap(void **state)
{
    struct arena arena;
    size_t taken = 0;
    (void)state;
    arena_init(&arena, 100000);
    while (arena_take(&arena, 100))
        taken += 100;
    assert_true(arena.exhausted);
    assert_true(taken > 80000 && arena.taken_bytes <= 100000);
    arena_reset(&arena);
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_null(arena_take(&arena, 100001));
    arena_reset(&arena);
    uint8_t *piece = arena_take(&arena, 60000);
    assert_non_null(piece);
    assert_int_equal(piece[59999], 0);
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_cut_anywhere_is_survived),
        cmocka_unit_test(flipped_bits_are_survived),
        cmocka_unit_test(nested_groups_are_refused),
        cmocka_unit_test(megabyte_of_empty_parts_stays_under_the_cap),
        cmocka_unit_test(one_too_many_is_told_by_name),
        cmocka_unit_test(largest_honest_report_fits),
        cmocka_unit_test(longer_than_a_message_is_refused),
        cmocka_unit_test(newer_version_is_told),
        cmocka_unit_test(text_that_is_none_is_refused),
        cmocka_unit_test(every_bound_is_kept_to_the_last),
        cmocka_unit_test(required_parts_are_required),
        cmocka_unit_test(arena_keeps_its_cap),
    };
    return cmocka_run_group_tests_name("codec_hostile", tests, NULL, NULL);
}

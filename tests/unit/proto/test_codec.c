/* Round trips, bounds and hostile bytes through the codec. */
#include "fields.h"

#include "common/must.h"
#include "proto/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATTERNS 8

static const enum agent_message_kind agent_kinds[] = {
    AGENT_LISTEN, AGENT_REPORT, AGENT_PROGRESS, AGENT_RESULT, AGENT_OBSERVATION, AGENT_RENEW};
static const enum coordinator_message_kind coordinator_kinds[] = {
    COORDINATOR_NOTHING,     COORDINATOR_COMMAND,      COORDINATOR_ACK,
    COORDINATOR_QUARANTINED, COORDINATOR_RESEND_WHOLE, COORDINATOR_CERTIFICATE};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct bytes {
    uint8_t *data;
    size_t len;
};

static struct bytes encode_agent(const struct agent_message *m)
{
    struct bytes b;
    struct error err = {0};
    if (codec_encode_agent(m, &b.data, &b.len, &err) != ERR_NONE)
        fail_msg("encode: %s", err.text);
    return b;
}

static struct bytes encode_coordinator(const struct coordinator_message *m)
{
    struct bytes b;
    struct error err = {0};
    if (codec_encode_coordinator(m, &b.data, &b.len, &err) != ERR_NONE)
        fail_msg("encode: %s", err.text);
    return b;
}

static void round_trip_agent(const struct agent_message *m)
{
    struct bytes b = encode_agent(m);
    struct agent_message *back = NULL;
    struct error err = {0};
    const char *differs = NULL;
    if (codec_decode_agent(b.data, b.len, &back, &err) != ERR_NONE)
        fail_msg("decode: %s", err.text);
    if (!agents_equal(m, back, &differs))
        fail_msg("kind %d: field %s did not come back", m->kind, differs);
    codec_free_agent(back);
    free(b.data);
}

static void round_trip_coordinator(const struct coordinator_message *m)
{
    struct bytes b = encode_coordinator(m);
    struct coordinator_message *back = NULL;
    struct error err = {0};
    const char *differs = NULL;
    if (codec_decode_coordinator(b.data, b.len, &back, &err) != ERR_NONE)
        fail_msg("decode: %s", err.text);
    if (!coordinators_equal(m, back, &differs))
        fail_msg("kind %d: field %s did not come back", m->kind, differs);
    codec_free_coordinator(back);
    free(b.data);
}

static void tables_know_every_field(void **state)
{
    (void)state;
    for (size_t i = 0; all_shapes[i]; i++) {
        size_t gap = 0;
        if (!fields_cover(all_shapes[i], &gap))
            fail_msg("struct %s: no field in the table at byte %zu", all_shapes[i]->name, gap);
    }
}

static void every_agent_field_comes_back(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(agent_kinds); k++) {
        for (uint64_t pattern = 0; pattern < PATTERNS; pattern++) {
            struct fill fill = {.pattern = pattern, .array_count = 3};
            struct agent_message m;
            fill_agent(&fill, agent_kinds[k], &m);
            round_trip_agent(&m);
            fill_reset(&fill);
        }
    }
}

static void every_coordinator_field_comes_back(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(coordinator_kinds); k++) {
        for (uint64_t pattern = 0; pattern < PATTERNS; pattern++) {
            struct fill fill = {.pattern = pattern, .array_count = 3};
            struct coordinator_message m;
            fill_coordinator(&fill, coordinator_kinds[k], &m);
            round_trip_coordinator(&m);
            fill_reset(&fill);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_know_every_field),
        cmocka_unit_test(every_agent_field_comes_back),
        cmocka_unit_test(every_coordinator_field_comes_back),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}

/* fuzz_coordinator.c - any bytes as what a coordinator answers: refused, or a message that survives
 * the way back. */
#include "fuzz.h"

#include "common/must.h"
#include "proto/codec.h"
#include "tests/unit/proto/fields.h"

#include <stdlib.h>

#define PATTERNS 4

static const enum coordinator_message_kind kinds[] = {
    COORDINATOR_NOTHING,     COORDINATOR_COMMAND,      COORDINATOR_ACK,
    COORDINATOR_QUARANTINED, COORDINATOR_RESEND_WHOLE, COORDINATOR_CERTIFICATE};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What was taken must encode, and decode to the same. */
static void there_and_back(const struct coordinator_message *m)
{
    struct coordinator_message *again = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    const char *differs = NULL;
    must(codec_encode_coordinator(m, &bytes, &len, NULL) == ERR_NONE);
    must(codec_decode_coordinator(bytes, len, &again, NULL) == ERR_NONE);
    must(coordinators_equal(m, again, &differs));
    codec_free_coordinator(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct coordinator_message *m = NULL;
    struct error err = {0};
    if (codec_decode_coordinator(data, size, &m, &err) == ERR_NONE)
        there_and_back(m);
    else
        must(!m && err.text[0]);
    codec_free_coordinator(m);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    struct coordinator_message m;
    uint8_t *bytes = NULL;
    if (n >= KINDS * PATTERNS)
        return NULL;
    struct fill fill = {.pattern = n / KINDS, .array_count = 2};
    fill_coordinator(&fill, kinds[n % KINDS], &m);
    must(codec_encode_coordinator(&m, &bytes, size, NULL) == ERR_NONE);
    fill_reset(&fill);
    return bytes;
}

/* fuzz_agent.c - any bytes as what an agent says: refused, or a message that survives the way back.
 */
#include "fuzz.h"

#include "common/must.h"
#include "proto/codec.h"
#include "tests/unit/proto/fields.h"

#include <stdlib.h>

#define PATTERNS 4

static const enum agent_message_kind kinds[] = {AGENT_LISTEN, AGENT_REPORT,      AGENT_PROGRESS,
                                                AGENT_RESULT, AGENT_OBSERVATION, AGENT_RENEW};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What was taken must encode, and decode to the same. */
static void there_and_back(const struct agent_message *m)
{
    struct agent_message *again = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    const char *differs = NULL;
    must(codec_encode_agent(m, &bytes, &len, NULL) == ERR_NONE);
    must(codec_decode_agent(bytes, len, &again, NULL) == ERR_NONE);
    must(agents_equal(m, again, &differs));
    codec_free_agent(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_message *m = NULL;
    struct error err = {0};
    if (codec_decode_agent(data, size, &m, &err) == ERR_NONE)
        there_and_back(m);
    else
        must(!m && err.text[0]);
    codec_free_agent(m);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    struct agent_message m;
    uint8_t *bytes = NULL;
    if (n >= KINDS * PATTERNS)
        return NULL;
    struct fill fill = {.pattern = n / KINDS, .array_count = 2};
    fill_agent(&fill, kinds[n % KINDS], &m);
    must(codec_encode_agent(&m, &bytes, size, NULL) == ERR_NONE);
    fill_reset(&fill);
    return bytes;
}

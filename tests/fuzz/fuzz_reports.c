/* fuzz_reports.c - messages that decode, from an agent that was taken over, to a whole coordinator.
 *
 * An input is messages one after the other: a byte whose server it is and how honest it is about
 * itself, two bytes of length, and the bytes of its message. Name, incarnation and boot are made
 * those of that server, unless the byte says otherwise, as the link would see to by its
 * certificate.
 *
 * Whatever it says, the coordinator stands, answers the others, and begins no run by itself.
 */
#include "fuzz.h"

#include "common/must.h"
#include "proto/codec.h"
#include "tests/fuzz/world.h"
#include "tests/unit/proto/fields.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGES_MAX 16
#define HEAD         3
#define PATTERNS     4

#define KEEP_ITSELF 4u  /* bits of the first byte: other incarnation and boot than before */
#define RUN_AFTER   8u  /* time goes by after it */
#define RUN_BEFORE  16u /* a run is begun before it */

static struct world world;

static void make_plausible(struct agent_message *m, uint8_t how)
{
    const struct farm_agent *a = &world.farm.agents[how & 3 % WORLD_SERVERS];
    m->agent = a->name;
    if (how & KEEP_ITSELF)
        return;
    memset(&m->incarnation, 0, sizeof(m->incarnation));
    memset(&m->boot, 0, sizeof(m->boot));
    m->incarnation.bytes[0] = a->incarnation;
    m->boot.bytes[0] = a->boot;
    m->start_no = a->start_no;
}

static void begin_run(void)
{
    struct error err;
    if (coordinator_run_count(world.farm.brain) == 0)
        (void)farm_try_recycle(&world.farm, "all", &err);
    world_run(&world, 200);
}

static void take(uint8_t how, const uint8_t *bytes, size_t len)
{
    struct agent_message *m = NULL;
    if (codec_decode_agent(bytes, len, &m, NULL) != ERR_NONE)
        return;
    if (how & RUN_BEFORE)
        begin_run();
    size_t runs = coordinator_run_count(world.farm.brain);
    make_plausible(m, how);
    const struct coordinator_peer peer = {.pipe = (how & 3u) + 1, .len = 1};
    coordinator_on_agent(world.farm.brain, m, &peer, "192.0.2.7", world.farm.now_ms,
                         world_wall_ms(&world));
    must(coordinator_run_count(world.farm.brain) <= runs);
    if (how & RUN_AFTER)
        world_run(&world, 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world_begin(&world);
    for (int n = 0; size > HEAD && n < MESSAGES_MAX; n++) {
        size_t len = (size_t)data[1] << 8 | data[2];
        len = len < size - HEAD ? len : size - HEAD;
        take(data[0], data + HEAD, len);
        data += HEAD + len;
        size -= HEAD + len;
    }
    return 0;
}

static const enum agent_message_kind kinds[] = {AGENT_LISTEN, AGENT_REPORT,      AGENT_PROGRESS,
                                                AGENT_RESULT, AGENT_OBSERVATION, AGENT_RENEW};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* One of each kind, in every pattern. */
uint8_t *fuzz_seed(size_t n, size_t *size)
{
    struct agent_message m;
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (n >= KINDS * PATTERNS)
        return NULL;
    struct fill fill = {.pattern = n / KINDS, .array_count = 2};
    fill_agent(&fill, kinds[n % KINDS], &m);
    must(codec_encode_agent(&m, &bytes, &len, NULL) == ERR_NONE && len <= UINT16_MAX);
    fill_reset(&fill);
    uint8_t *seed = must_alloc(len + HEAD, 1);
    seed[0] = (uint8_t)(RUN_AFTER | (n % 2 ? RUN_BEFORE : 0) | n % WORLD_SERVERS);
    seed[1] = (uint8_t)(len >> 8);
    seed[2] = (uint8_t)len;
    memcpy(seed + HEAD, bytes, len);
    free(bytes);
    *size = len + HEAD;
    return seed;
}

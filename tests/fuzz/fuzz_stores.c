/* fuzz_stores.c - a coordinator's state.db, or an agent's journal, that was changed on the disk.
 *
 * Each is refused, healed, or served from: a program that starts on it and goes on for a while must
 * not die, whatever stands in it. The first byte says which, damage.h reads the rest. */
#include "fuzz.h"

#include "agent/agent.h"
#include "agent/journal.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/store/audit_chain.h"
#include "tests/fuzz/damage.h"
#include "tests/fuzz/world.h"
#include "tests/sim/vfs.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_CENTRE  "empty/centre.db"
#define KEPT_JOURNAL "empty/journal.db"
#define WALL_MS      INT64_C(1790000000000)
#define RUN_MS       20000
#define STEP_MS      250

static struct world world;

/* ---- what is damaged ---- */

static void write_record(struct journal *j, uint64_t seq, enum verb verb, bool ends)
{
    struct error err = {0};
    const struct command command = {.id = {.fence = {.number = 5}, .seq = seq},
                                    .verb = verb,
                                    .pool = "Shop",
                                    .limit_ms = 60000,
                                    .run = 7,
                                    .actor = "anna",
                                    .reason = "leak"};
    struct record *r = record_new(&command);
    struct journal_write write = {
        .kind = JOURNAL_RECEIVED, .fence = command.id.fence, .id = r->id, .record = r};
    must(journal_write(j, &write, WALL_MS, &err) == ERR_NONE);
    write.kind = JOURNAL_BEGUN;
    must(journal_write(j, &write, WALL_MS, &err) == ERR_NONE);
    r->state = RECORD_ENDED;
    r->outcome = OUTCOME_DONE;
    write.kind = JOURNAL_ENDED;
    if (ends)
        must(journal_write(j, &write, WALL_MS, &err) == ERR_NONE);
    record_free(r);
}

static void make_journal(void)
{
    struct error err = {0};
    struct journal *j = NULL;
    struct agent_memory memory;
    const struct journal_write fence = {.kind = JOURNAL_FENCE, .fence = {.number = 5}};
    const struct journal_write healthy = {.kind = JOURNAL_HEALTHY, .healthy = "WAS\nW3SVC\n"};
    must(journal_open(KEPT_JOURNAL, NULL, &j, &err) == ERR_NONE);
    must(journal_start(j, WALL_MS, 3600000, &memory, &err) == ERR_NONE);
    journal_memory_reset(&memory);
    must(journal_write(j, &fence, WALL_MS, &err) == ERR_NONE);
    must(journal_write(j, &healthy, WALL_MS, &err) == ERR_NONE);
    write_record(j, 1, VERB_RECYCLE, true);
    write_record(j, 2, VERB_STOP, true);
    write_record(j, 3, VERB_SERVICE_RECOVER, false);
    journal_close(j);
    vfs_keep(KEPT_JOURNAL);
}

/* In the middle of a run, with a server that was declared out. */
static void make_templates(void)
{
    struct error err = {0};
    world_begin(&world);
    (void)farm_recycle(&world.farm, "all");
    must(coordinator_declare_out(world.farm.brain, "web02", 60000, "anna", "a test",
                                 world.farm.now_ms, world_wall_ms(&world), &err) == ERR_NONE);
    world_run(&world, 900);
    make_journal();
    store_close(world.farm.store); /* folds its log into the file; the brain does not look again */
    vfs_keep("centre/state.db");
}

/* ---- an agent ---- */

#define WRITES_MAX 64

struct writes {
    enum error_code codes[WRITES_MAX];
    size_t count;
};

static void hand(struct agent *a, struct journal *j, const struct agent_event *event,
                 uint64_t now_ms, struct writes *w)
{
    struct error err = {0};
    struct agent_effects effects = agent_handle(a, event, now_ms);
    for (size_t i = 0; i < effects.count; i++)
        if (effects.items[i].kind == EFFECT_JOURNAL && w->count < WRITES_MAX)
            w->codes[w->count++] = journal_write(j, &effects.items[i].journal, WALL_MS, &err);
}

/* What it writes is written, in order; nothing else answers it. */
static void tick(struct agent *a, struct journal *j, uint64_t now_ms)
{
    struct agent_event event = {.kind = AGENT_EVENT_TICK};
    struct writes w = {.count = 0};
    hand(a, j, &event, now_ms, &w);
    for (size_t i = 0; i < w.count; i++) {
        event = (struct agent_event){.kind = AGENT_EVENT_JOURNALED, .code = w.codes[i]};
        hand(a, j, &event, now_ms, &w);
    }
}

static void start_agent(const char *path)
{
    static const struct agent_settings settings = {
        .name = "web01", .heartbeat_ms = 5000, .beat_ms = 1000, .look_every_ms = 1000};
    struct error err = {0};
    struct journal *j = NULL;
    struct agent_memory memory;
    const struct wire_id boot = {{3}};
    if (journal_open(path, NULL, &j, &err) != ERR_NONE)
        return;
    if (journal_start(j, WALL_MS + 1000, 3600000, &memory, &err) == ERR_NONE) {
        struct agent *a = agent_new(&settings, &memory, &boot, 1000);
        journal_memory_reset(&memory);
        for (uint64_t now_ms = 1000; now_ms < 1000 + RUN_MS; now_ms += STEP_MS)
            tick(a, j, now_ms);
        agent_free(a);
    }
    journal_close(j);
}

/* ---- a coordinator ---- */

static void on_reply(void *ctx, const struct coordinator_peer *to,
                     const struct coordinator_message *message)
{
    (void)ctx, (void)to, (void)message;
}

static void on_close(void *ctx, uint32_t pipe)
{
    (void)ctx, (void)pipe;
}

static void on_random(void *ctx, struct wire_id *out)
{
    (void)ctx;
    memset(out, 7, sizeof(*out));
}

static void on_event(void *ctx, const struct event *event)
{
    (void)ctx, (void)event;
}

static void on_joined(void *ctx, const struct member *m)
{
    (void)ctx, (void)m;
}

static void on_cut(void *ctx, const char *name)
{
    (void)ctx, (void)name;
}

static void open_people(struct store *store)
{
    struct error err = {0};
    struct enrol *enrol = NULL;
    struct operators *operators = NULL;
    struct members *members = members_new();
    const struct enrol_spec spec = {.store = store,
                                    .members = members,
                                    .life_ms = 1000,
                                    .event = on_event,
                                    .joined = on_joined,
                                    .cut = on_cut};
    const struct operators_spec people = {.store = store, .event = on_event};
    if (enrol_open(&spec, &enrol, &err) == ERR_NONE)
        enrol_close(enrol);
    if (operators_open(&people, &operators, &err) == ERR_NONE)
        operators_close(operators);
    members_free(members);
}

static void run_brain(struct store *store, struct fence fence)
{
    struct error err = {0};
    struct coordinator *c = NULL;
    struct coordinator_spec spec = {.store = store,
                                    .fence = fence,
                                    .ports = {.reply = on_reply,
                                              .close_pipe = on_close,
                                              .random_id = on_random,
                                              .event = on_event},
                                    .silent_after_ms = 3000,
                                    .settle_ms = 1000,
                                    .budget = {.max_out = {1, false}},
                                    .defaults = {.batch = 1, .limit_ms = 10000},
                                    .now_ms = 1000,
                                    .wall_ms = WALL_MS};
    rollout_policies(&spec.defaults, ON_FAILURE_STOP, 0);
    if (coordinator_open(&spec, &c, &err) != ERR_NONE)
        return;
    for (uint64_t now_ms = 1000; now_ms < 1000 + RUN_MS; now_ms += STEP_MS)
        coordinator_on_time(c, now_ms, WALL_MS + (int64_t)now_ms);
    coordinator_close(c);
}

static void start_centre(const char *path)
{
    struct error err = {0};
    struct store *store = NULL;
    struct fence fence;
    const struct store_spec spec = {.path = path, .instance = {{9}}, .wall_ms = WALL_MS};
    if (store_open(&spec, &store, &fence, &err) != ERR_NONE)
        return;
    open_people(store);
    run_brain(store, fence);
    store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    if (!made)
        make_templates();
    made = true;
    if (size < 2)
        return 0;
    vfs_reset(1);
    bool agent = data[0] % 2;
    const char *path = agent ? "web01/journal.db" : "other/state.db";
    vfs_put_kept(agent ? KEPT_JOURNAL : "centre/state.db", path);
    damage_file(path, data + 1, size - 1);
    if (agent)
        start_agent(path);
    else
        start_centre(path);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    static const char *const seeds[] = {"\0\1\1\0\0\0\0\0",
                                        "\1\1\1\0\0\0\0\0",
                                        "\0\0\1\2\3\4\5\6\7\10",
                                        "\1\0\1\2\3\4\5\6\7\10",
                                        "\0\1\1\7\3\1\0\11\1\7\4\0\2\0\0\1\2\3\4\5",
                                        "\1\1\1\2\3\0\0\11\1\1\4\0\2\0\0\1\2\3\4\5",
                                        "\0\1\0\3\5\1\2\3\4\0\1\1",
                                        "\1\1\0\3\1\1\2\3\4\0\1\1"};
    static const size_t sizes[] = {8, 8, 10, 10, 20, 20, 12, 12};
    if (n >= sizeof(sizes) / sizeof(sizes[0]))
        return NULL;
    uint8_t *copy = malloc(sizes[n]);
    *size = sizes[n];
    return copy ? memcpy(copy, seeds[n], sizes[n]) : NULL;
}

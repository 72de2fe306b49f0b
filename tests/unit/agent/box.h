/* box.h - a server of the tests' own: one pool, scripted, on virtual time.
 *
 * Stands where a driver would: a call goes in, its result comes out, with how long it took. What
 * the pool does follows simple rules (a recycle brings new workers after start_ms and ends the old
 * ones after drain_ms); any answer can be replaced by a scripted one.
 */
#ifndef FARMHAND_TESTS_UNIT_AGENT_BOX_H
#define FARMHAND_TESTS_UNIT_AGENT_BOX_H

#include "agent/call.h"

#define BOX_WORKERS  16
#define BOX_SCRIPTS  64
#define BOX_FOR_EVER UINT64_MAX

struct box_worker {
    uint32_t pid;
    uint64_t born_ms, dies_ms;
};

/* The next call of that kind answers this instead of acting. */
struct box_script {
    enum call_kind kind;
    enum error_code code;
    bool and_acts; /* it is done all the same */
};

struct box {
    struct pool pool;
    bool shared_config;
    struct box_worker workers[BOX_WORKERS];
    size_t worker_count;
    uint32_t next_pid;
    uint64_t start_ms, drain_ms; /* of a worker */
    uint64_t tool_ms, stop_ms;   /* how long calls take */
    int32_t probe_status;        /* 0: refused */
    bool nothing_to_probe;
    char settings[WIRE_TEXT_MAX]; /* as setting.h writes them; "": none can be told */
    bool changed;
    struct box_script scripts[BOX_SCRIPTS];
    size_t script_count;
    unsigned acts[CALL_COUNT]; /* what was really done, by kind */
    /* what results point into */
    struct worker seen[BOX_WORKERS];
    struct pool seen_pool;
    struct service services[2];
    /* the event log, where it can be read; age_ms here is when it happened */
    bool events_known;
    struct server_event events[4], seen_events[4];
    size_t event_count;
};

/* A started AlwaysRunning pool "Shop" with overlap and one worker, pid 100. */
void box_init(struct box *b);
void box_add_worker(struct box *b, uint32_t pid, uint64_t born_ms);
void box_clear_workers(struct box *b);
void box_script(struct box *b, enum call_kind kind, enum error_code code);
void box_script_done(struct box *b, enum call_kind kind, enum error_code code);

/* What the call takes, in ms; its result is as of the end of that time. */
uint64_t box_duration(const struct box *b, const struct call *call);
void box_call(struct box *b, const struct call *call, uint64_t now_ms, struct call_result *out);

/* "Started, 100 101": for transcripts. */
const char *box_text(const struct box *b, uint64_t now_ms, char *out, size_t size);

#endif

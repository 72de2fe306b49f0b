/* faults.h - how each fault begins and ends; storm.c has the table of them and draws the plan.
 *
 * Inside chaos. A fault holds what it disturbs until it is over, so that no two undo each other;
 * faults of different things overlap.
 */
#ifndef E2E_CHAOS_FAULTS_H
#define E2E_CHAOS_FAULTS_H

#include "tests/e2e/chaos/chaos.h"

/* What a fault disturbs. */
#define COORDINATOR 1u
#define DISK        2u
#define BALANCER    4u
#define AGENT(i)    (16u << (i))
#define LINK(i)     (256u << (i))
#define LINKS       (256u * CHAOS_ALL)

enum kind {
    KIND_COORDINATOR_KILLED,
    KIND_COORDINATOR_STOPPED,
    KIND_AGENT_KILLED,
    KIND_AGENT_STOPPED,
    KIND_LINK_CUT,
    KIND_LINK_HELD,
    KIND_LINK_SLOW,
    KIND_LINKS_CUT,
    KIND_BALANCER_RESTARTED,
    KIND_BALANCER_RELOADED,
    KIND_DISK_FULL,
    KIND_STORE_REPLACED,
    KIND_SECOND_COORDINATOR,
};
#define KIND_COUNT 13

struct fault {
    enum kind kind;
    unsigned gap_ms, length_ms, server, choice;
    uint64_t end_ms, begun_ms;
};

/* A store as it was once. */
struct copy {
    char path[160];
    uint64_t fence;
};

#define ACTIVE_MAX 16
#define COPIES_MAX 256

struct storm {
    struct chaos *c;
    struct fault active[ACTIVE_MAX];
    unsigned active_count, busy; /* what is disturbed now */
    struct copy copies[COPIES_MAX];
    unsigned copy_count, lost_count, second_count, phase;
    unsigned done[KIND_COUNT];
    uint64_t tried_ms; /* the last start of the coordinator */
    bool wants_dead;   /* it is meant to be down */
    struct farm second;
};

void fault_start_coordinator(struct storm *s);
void fault_kill_coordinator(struct storm *s);
void fault_state_path(const struct chaos *c, const char *suffix, char out[160]);
void fault_set_links(struct storm *s, enum proxy_mode mode);
void fault_next_phase(struct storm *s, const char *word); /* the visitors count "WORD-N" apart */
void fault_fill_disk(struct storm *s);

void begin_coordinator_killed(struct storm *s, struct fault *f);
void end_coordinator_killed(struct storm *s, struct fault *f);
void begin_coordinator_stopped(struct storm *s, struct fault *f);
void end_coordinator_stopped(struct storm *s, struct fault *f);
void begin_agent_killed(struct storm *s, struct fault *f);
void end_agent_killed(struct storm *s, struct fault *f);
void begin_agent_stopped(struct storm *s, struct fault *f);
void end_agent_stopped(struct storm *s, struct fault *f);
void begin_link_cut(struct storm *s, struct fault *f);
void begin_link_held(struct storm *s, struct fault *f);
void begin_link_slow(struct storm *s, struct fault *f);
void end_link(struct storm *s, struct fault *f);
void begin_links_cut(struct storm *s, struct fault *f);
void end_links_cut(struct storm *s, struct fault *f);
void begin_balancer_restarted(struct storm *s, struct fault *f);
void end_balancer_restarted(struct storm *s, struct fault *f);
void begin_balancer_reloaded(struct storm *s, struct fault *f);
void end_balancer_reloaded(struct storm *s, struct fault *f);
void begin_disk_full(struct storm *s, struct fault *f);
void end_disk_full(struct storm *s, struct fault *f);
void begin_store_replaced(struct storm *s, struct fault *f);
void end_store_replaced(struct storm *s, struct fault *f);
void begin_second(struct storm *s, struct fault *f);
void end_second(struct storm *s, struct fault *f);
bool is_over_store_replaced(struct storm *s, const struct fault *f);

#endif

/* sbox.h - a server of the tests' own with services: WAS, W3SVC, a dependent, two pools, on virtual
 * time.
 *
 * Stands where a driver would. Services go through their pending states in the time they are given;
 * what is wrong is set by the test in plain fields. Starting W3SVC starts WAS. A guardian is only
 * remembered here: the tests let it act with sbox_guardian_acts.
 */
#ifndef FARMHAND_TESTS_UNIT_AGENT_SBOX_H
#define FARMHAND_TESTS_UNIT_AGENT_SBOX_H

#include "agent/call.h"

#define SBOX_STUCK UINT64_MAX

enum { SBOX_WAS, SBOX_WEB, SBOX_TCP, SBOX_OTHER, SBOX_SERVICES };

struct sbox_service {
    const char *name;
    enum service_state state;
    enum service_start start;
    uint64_t until_ms;                         /* a pending state ends then */
    uint64_t stop_takes, start_takes;          /* SBOX_STUCK: for ever */
    enum error_code stop_answer, start_answer; /* not ERR_NONE: refused that way */
    uint32_t host;                             /* of its process while it is not stopped */
    unsigned stops, starts;                    /* orders that were taken */
};

struct sbox_pool {
    const char *name;
    enum pool_state state;
    bool auto_start, site, dies; /* dies: it is stopped again a second after each start */
    uint64_t dies_ms;
    uint32_t event; /* what the event log says of it */
    unsigned starts;
};

struct sbox {
    struct sbox_service services[SBOX_SERVICES]; /* OTHER is nobody's business */
    struct sbox_pool pools[2];
    bool stranger;        /* OTHER lives in WAS's process */
    const char *on_death; /* of WAS: a failure action; NULL: none */
    bool silent;          /* no site answers */
    bool silent_heals;    /* until WAS was stopped once */
    bool manager_down;    /* the services cannot be read */
    bool appcmd_hangs;
    bool no_events;
    bool no_guardian;
    enum error_code kill_answer;
    const char *barred;
    unsigned orphans; /* workers that a killed host leaves behind */
    unsigned left;    /* of these, alive now */
    bool guarded;
    char guarded_services[256];
    uint64_t guard_within_ms;
    unsigned kills, worker_kills, guards;
    /* what results point into */
    struct service seen[SBOX_SERVICES];
    struct service_need needs[4];
    struct pool seen_pools[2];
    struct worker seen_workers[16];
};

void sbox_init(struct sbox *b); /* healthy: WAS, W3SVC and NetTcpActivator run */
void sbox_all_stopped(struct sbox *b);
/* Makes the call; returns when it is over, in ms. */
uint64_t sbox_call(struct sbox *b, const struct call *call, uint64_t now_ms,
                   struct call_result *out);
void sbox_let(struct sbox *b, uint64_t now_ms); /* pending states that are over end */
bool sbox_serves(const struct sbox *b);
void sbox_guardian_acts(struct sbox *b, uint64_t now_ms);

#endif

/* oracle_impl.h - shared by oracle.c and oracle_store.c alone. */
#ifndef FARMHAND_TESTS_SIM_ORACLE_IMPL_H
#define FARMHAND_TESTS_SIM_ORACLE_IMPL_H

#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#define RESULTS_KEPT 32

#define BUDGET 1 /* servers that may be out at one time: as centre.c tells the brain */

/* What was done to one server for one run. */
struct act {
    uint64_t run;
    int server;
    uint32_t times, resolved;
    bool tried;  /* the order was given, done or not */
    bool person; /* somebody settled it */
    struct command_id last;
    uint64_t begun_ms, acted_ms;
    struct iis_worker before[IIS_WORKERS];
    size_t before_count;
    bool proved; /* a newer worker answered a probe that was asked after the act */
};

struct server_seen {
    struct wire_id incarnation;
    uint64_t said_fence, act_fence;
    bool journal_lost;
    uint64_t reported_ms[CENTRES_MAX];       /* a report reached that coordinator */
    struct command_id results[RESULTS_KEPT]; /* the last that ended, as heard */
    struct command_id nothing;               /* the last that had nothing to do */
    struct command_id durable; /* the last one that left; its record was durable then */
    uint64_t result_no;
    uint64_t acted_ms;
    bool out_by_act;     /* recycled by us, and no newer worker has served since */
    uint64_t probed_ms;  /* a probe that was asked then passed */
    uint64_t drained_ms; /* by us */
    bool taken;          /* in service when we drained it: it counts as taken out by us */
    bool well;
    uint64_t changed_ms, unwell_ms; /* of well; when it was last not */
};

struct sqlite3;
struct sqlite3_stmt;

struct store_seen {
    struct sqlite3 *db;
    struct sqlite3_stmt *statements[8];
    struct view view, former;
    bool valid;
    uint64_t syncs;
    uint64_t attached_ms;
};

struct oracle {
    struct act *acts;
    size_t act_count;
    uint64_t act_total;
    struct server_seen servers[SERVERS_MAX];
    struct store_seen stores[CENTRES_MAX];
    bool restored;           /* a store was put back from a copy: it cannot know everything */
    bool twins;              /* two stores give numbers to runs: they tell none apart any more */
    struct fence fences[32]; /* whose number is whose */
    size_t fence_count;
    uint64_t lb_away_ms;
};

#define EVIDENCE_MS 2500 /* a server is taken on evidence no older than this */

struct act *oracle_act(struct oracle *o, uint64_t run, int server, bool make);

/* oracle_store.c */
void oracle_check_owners(struct world *w);
bool oracle_is_target(struct world *w, uint64_t run, int server);
void oracle_tell_open(struct world *w, int centre);

#endif

/* fleet.h - who is alive, since when, and what is known of each server. Pure.
 *
 * Fed with decoded agent messages and times; keeps per server the newest whole state and the newest
 * figures, drops what is older than it has (boot, start_no, seq), and tells what changed. Silence
 * is not being down: a server is *out* with certainty only when a fresh report says so, and
 * unknown (which the budget counts as out) when it is silent.
 */
#ifndef FARMHAND_COORDINATOR_FLEET_H
#define FARMHAND_COORDINATOR_FLEET_H

#include "coordinator/balancer/balancer.h"
#include "coordinator/core/rollout.h"
#include "coordinator/core/selector.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fleet;

struct fleet_spec {
    uint64_t silent_after_ms;
    uint64_t settle_until_ms; /* nothing is concluded before (boot clock) */
    void (*free_message)(struct agent_message *message);
    /* Where would (server, pool) stand in rotation; pool "": all of the server. NULL: nowhere. */
    size_t (*map)(void *ctx, const char *server, const char *pool, struct balancer_entry *out,
                  size_t max);
    void *map_ctx;
};

/* CPU share of one worker, from two readings of its processor time. */
struct fleet_figure {
    uint32_t pid;
    uint64_t created;
    uint32_t cpu_permille; /* of one processor; may pass 1000 */
    uint64_t first_ms;     /* this worker was first told of at */
};

/* What the patrol of probes last saw of a pool; -1: not known. */
struct fleet_probe {
    char pool[WIRE_NAME_MAX];
    int64_t failures;  /* in a row */
    int64_t oldest_ms; /* of its executing requests */
    int64_t executing;
    char offline[160]; /* taken off line by its own people: which applications; "": not */
    uint64_t asked_ms, seen_ms;
};

struct fleet_server {
    const struct fleet_spec *spec; /* of its fleet; lent */
    char name[WIRE_NAME_MAX];
    const struct selector_label *labels; /* from the configuration; lent, for good */
    size_t label_count;

    bool seen;
    struct wire_id incarnation; /* approved; zero: none yet */
    struct wire_id asking;      /* the journal that waits for approval while quarantined */
    struct wire_id boot, former_boot;
    uint64_t start_no;
    uint64_t seq;             /* of the newest report */
    struct fence agent_fence; /* highest it said it accepted */
    uint64_t heard_ms;        /* last message taken, boot clock */
    uint64_t state_ms;        /* last report taken */
    uint64_t whole_ms;
    char services_down[64]; /* what the whole report says: which service is down; "": none */
    bool services_seen_up;  /* an answer since says that both run */
    char pool_seen_up[WIRE_NAME_MAX]; /* the same of a pool; "": none */
    struct agent_message *whole;      /* newest whole report, owned by fleet; NULL: none */
    struct agent_message *latest;     /* newest report if it was not whole, else NULL */
    struct fleet_figure *figures;
    size_t figure_count;
    struct fleet_probe *probes; /* owned */
    size_t probe_count;
    char address[64];

    bool quarantined;
    char quarantine_why[160];
    char blocked_why[160]; /* two machines spoke: until released, whoever else speaks; "": no */
    int64_t declared_out_until_ms; /* wall; 0: not */
    char declared_out_reason[256];
    char declared_out_by[128];

    /* Nobody is to touch it until then. It says nothing about whether it serves. */
    int64_t maintenance_until_ms; /* wall; 0: not */
    char maintenance_reason[256];
    char maintenance_by[128];

    enum presence presence; /* as of the last fleet_tick */

    /* Places in rotation as the balancer last said. */
    struct balancer_entry places[BALANCER_ENTRIES_MAX];
    size_t place_count;
    uint64_t places_ms;      /* 0: never read */
    uint64_t places_life_ms; /* until the next reading is due: that old they count, 10 s at least */

    void *session; /* the coordinator's own, not looked at here */
    bool stored;   /* the same: the approved journal stands in the store */
    bool touched;  /* waits to be told by fleet_each_touched */
};

struct fleet *fleet_new(const struct fleet_spec *spec);
void fleet_free(struct fleet *f);

/* Adds if missing (from configuration or store). labels must outlive the fleet. */
struct fleet_server *fleet_add(struct fleet *f, const char *name);
/* Not any more: it is found no longer; its struct stays until fleet_free. */
void fleet_remove(struct fleet *f, struct fleet_server *s);
struct fleet_server *fleet_find(const struct fleet *f, const char *name); /* NULL: none */
size_t fleet_count(const struct fleet *f);
struct fleet_server *fleet_at(const struct fleet *f, size_t index); /* by name, ascending */

enum fleet_hearing {
    FLEET_TAKEN,
    FLEET_OLD,         /* overtaken by one we have: dropped */
    FLEET_NEW_JOURNAL, /* another incarnation than the approved: now quarantined */
    FLEET_QUARANTINED, /* is in quarantine: state is taken, nothing is trusted */
    FLEET_WANT_WHOLE,  /* taken, but we have no whole state of this start: ask for one */
};

/* What changed with a message or with time, in words for history. Lent for the call. */
struct fleet_change {
    const char *kind; /* "server.presence", "pool.state", "worker.changed", "service.state",
                       "pool.event" */
    const char *server, *pool, *from, *to, *text;
};
typedef void fleet_on_change(void *arg, const struct fleet_change *change);

/* Identity and order are checked for every kind; a REPORT (and only that) is owned by the fleet
 * from here on, whatever is returned. *first: the server was never seen before. The name must be a
 * valid one (see wire_server_name_ok). An agent's first journal is approved as it comes. */
enum fleet_hearing fleet_hear(struct fleet *f, struct agent_message *message, uint64_t now_ms,
                              bool *first, fleet_on_change *changed, void *arg);

/* Two machines speak under this name: neither is trusted until fleet_release. */
void fleet_block(struct fleet_server *s, const char *why);
bool fleet_is_blocked(const struct fleet_server *s);

/* Is it in maintenance? Then `why` says until when, by whose word and why. */
bool fleet_in_maintenance(const struct fleet_server *s, int64_t wall_ms, char *why,
                          size_t why_size);

/* Approves the journal that asks (after quarantine). */
void fleet_release(struct fleet_server *s);

/* What the balancer said. all: these are all places of the server; else some of them. */
void fleet_note_places(struct fleet_server *s, const struct balancer_entry *entries, size_t count,
                       bool all, uint64_t now_ms);

/* Something of this server changed that bears on whether it is out, or whose it is. What happens in
 * this module is noted here by itself; places, and who holds it, by the caller. */
void fleet_touch(struct fleet *f, struct fleet_server *s);
/* Those that were touched since the last call; false: all may have been, none is told. */
bool fleet_each_touched(struct fleet *f, void (*each)(void *arg, struct fleet_server *s),
                        void *arg);

/* A suspended machine woke up: nothing that is known is fresh any more. */
void fleet_forget_freshness(struct fleet *f);

/* Presence by time; call at least every second. */
void fleet_tick(struct fleet *f, uint64_t now_ms, int64_t wall_ms, fleet_on_change *changed,
                void *arg);
/* The same for one server, as soon as something came from it. */
void fleet_tick_one(struct fleet *f, struct fleet_server *s, uint64_t now_ms, int64_t wall_ms,
                    fleet_on_change *changed, void *arg);

/* The newest state, NULL if none. pools, sites, services from the whole one, workers and host from
 * the newest. */
const struct state *fleet_whole(const struct fleet_server *s);
const struct state *fleet_latest(const struct fleet_server *s);
const struct pool *fleet_pool(const struct fleet_server *s, const char *pool);
const struct service *fleet_service(const struct fleet_server *s, const char *name);

/* What an answer to a question found running is not down any more, though the newest whole report,
 * which may be seconds older, says so: else a server that came up by itself would be taken for
 * nothing, as one that is out already. What it found down the next report tells. */
void fleet_observed(struct fleet *f, struct fleet_server *s, const struct observation *seen);

/* Does this server count as out of service for `pool` (NULL or "": as a whole), and why? Down,
 * silent, pool not serving, out of rotation by the last reading (see places_life_ms), in whichever
 * of its places. A pool that is stopped with autoStart off was stopped on purpose and does not
 * count, nor does a place where no other pool stands. */
bool fleet_is_out(const struct fleet_server *s, const char *pool, uint64_t now_ms, char *why,
                  size_t why_size);

/* Of one that counts as out: does `pool` serve there all the same (NULL or "": anything)? A place
 * of it is ready and up, and what is out is another. Then taking it takes something away. */
bool fleet_serves_still(const struct fleet_server *s, const char *pool, uint64_t now_ms);

/* Its places in rotation have not been read for longer than they count (or never): whether it is in
 * rotation is not known. Not asked of a server that has no place; false if none of them would be
 * missed, since what stands there was stopped on purpose. */
bool fleet_is_dark(const struct fleet_server *s, const char *pool, uint64_t now_ms, char *why,
                   size_t why_size);

/* Since its process began, as its agent tells it; else as long as it was seen here. */
uint64_t fleet_worker_age_ms(const struct fleet_server *s, const struct worker *w, uint64_t now_ms);

/* A fresh agent says that WAS or W3SVC does not run. */
bool fleet_services_down(const struct fleet_server *s);

/* True when so many fell silent within a short time that the cause is on our side: more than half
 * of those that were fresh, and at least 3. */
bool fleet_mass_silence(const struct fleet *f);

#endif

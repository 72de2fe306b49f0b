/* iis.h - one pool of a simulated machine's web server, its workers, and what calls of the driver
 * see and do. Workers come and go by virtual time alone; nothing here is scheduled. A machine has
 * one pool, "Shop", or a second one beside it, "Api".
 */
#ifndef FARMHAND_TESTS_SIM_IIS_H
#define FARMHAND_TESTS_SIM_IIS_H

#include "agent/call.h"
#include "proto/messages.h"
#include "tests/sim/rng.h"

#define IIS_WORKERS 24
#define IIS_NEVER   UINT64_MAX
#define IIS_POOLS   2
#define IIS_EVENTS  12

#define IIS_SETTINGS    6
#define IIS_SETTING_MAX 16

extern const char *const iis_pool_names[IIS_POOLS];
/* What may be set of a pool; those with "[" are of its application, whose name comes behind it. */
extern const char *const iis_setting_names[IIS_SETTINGS];

struct iis_worker {
    uint32_t pid;
    uint64_t created_ms;
    uint64_t up_ms;       /* answers from then on */
    uint64_t stopping_ms; /* no new request from then on */
    uint64_t dies_ms;
    int status;  /* what it answers */
    bool heavy;  /* it has leaked */
    bool orphan; /* the host of WAS has died, and it has not */
};

/* A worker that ended unasked: event 5009 or 5011 of WAS, which counts towards rapid-fail. */
struct iis_end {
    uint64_t at_ms, record;
    uint32_t pid;
};

struct iis {
    char name[16];
    struct pool pool;    /* its state is as of the last iis_now */
    bool was_up, web_up; /* without WAS nothing runs, without W3SVC nobody is answered */
    struct iis_worker workers[IIS_WORKERS];
    size_t worker_count;
    uint32_t first_pid, next_pid;
    uint64_t startup_ms, drain_ms, tool_ms;
    int next_status;    /* of workers started from now on */
    bool powered_off;   /* its machine is */
    bool off_by_others; /* its pool was stopped, not by us */
    bool stubborn;      /* workers ignore their stop until the shutdown limit */
    char settings[IIS_SETTINGS][IIS_SETTING_MAX];
    char own_settings[IIS_SETTINGS][IIS_SETTING_MAX]; /* as its owner has set them */
    bool changed;      /* configuration or services, since the last beat */
    bool rapid_failed; /* rapid-fail protection stopped the pool */
    bool killed_off;   /* it did, and the worker that was one too many was killed by us */
    struct iis_end ends[IIS_EVENTS]; /* a ring */
    uint64_t end_count;
    /* The next act of a driver's call ends with this, done or not. */
    enum error_code next_error;
    bool error_but_done;
    /* lent by iis_fill */
    struct worker seen[2 * IIS_WORKERS];
    struct pool seen_pools[2];
    struct server_event seen_events[2 * IIS_EVENTS];
};

/* pool: one of iis_pool_names */
void iis_init(struct iis *s, const char *name, size_t pool, struct rng *rng, uint64_t now_ms);
/* From now on too many ends within a minute stop the pool. */
void iis_protect(struct iis *s);
/* Brings workers and the pool's state up to date. */
void iis_now(struct iis *s, uint64_t now_ms);
/* How long a call takes (a stop takes as long as iis_is_stopping says so). */
uint64_t iis_call_ms(struct iis *s, const struct call *call, struct rng *rng);
/* Carries out what acts; true: it was really done. */
bool iis_act(struct iis *s, const struct call *call, uint64_t now_ms, enum error_code *code);
bool iis_stop_is_over(struct iis *s, uint64_t now_ms);
/* "preloadEnabled[Shop/]": as a driver names it, and as it is written in a text of settings. */
void iis_setting_name(const struct iis *s, size_t at, char *out, size_t size);
/* NULL: it is not in the text. Else *out is its value there. */
const char *iis_setting_in(const struct iis *s, size_t at, const char *text, char *out,
                           size_t size);
bool iis_is_as_its_owner_set_it(const struct iis *s);
/* What a reading call sees now; points into s. other: the machine's other pool, if it is seen too.
 */
void iis_fill(struct iis *s, struct iis *other, uint64_t now_ms, struct call_result *out);
/* The worker that a new request meets; NULL: nobody. */
const struct iis_worker *iis_serving(struct iis *s, uint64_t now_ms);
bool iis_serves(struct iis *s, uint64_t now_ms); /* well, or would on demand */
bool iis_lives(struct iis *s, uint32_t pid, uint64_t created_ms, uint64_t now_ms);
/* Workers that no WAS knows of. */
size_t iis_orphans(struct iis *s, uint64_t now_ms);

/* As the machine's services stand now (scm.h). WAS that comes up starts what is to start. */
void iis_services(struct iis *s, bool was_up, bool web_up, uint64_t now_ms);
/* WAS stops; gives back when the last worker will be gone. stuck: that will not come. */
uint64_t iis_end_workers(struct iis *s, bool stuck, uint64_t now_ms);
/* The process of WAS is gone: so are its workers, but for those that hang. */
void iis_host_died(struct iis *s, uint64_t now_ms);
/* false: it is none of its orphans */
bool iis_end_orphan(struct iis *s, uint32_t pid, uint64_t created_ms, uint64_t now_ms);

/* What others do to it. */
void iis_crash_worker(struct iis *s, uint64_t now_ms);
void iis_own_recycle(struct iis *s, uint64_t now_ms);
void iis_foreign_stop(struct iis *s, uint64_t now_ms);
void iis_hang(struct iis *s, uint64_t now_ms); /* workers answer nothing any more */
void iis_leak(struct iis *s, uint64_t now_ms); /* they have far too much memory */
/* Workers that live answer so from now on. */
void iis_answers(struct iis *s, int status);
void iis_end_orphans(struct iis *s, uint64_t now_ms);
void iis_power_off(struct iis *s, uint64_t now_ms);
/* The machine boots; its services, and with them the pools, start by scm_power_on. */
void iis_power_on(struct iis *s);
void iis_mend(struct iis *s, uint64_t now_ms); /* a person makes it serve again, if it should */

#endif

/* was.h - the inside of lab-was: http.sys, WAS and W3SVC of one server, one thread, one loop.
 *
 *   sites.c     which site, application and pool a request is for (applicationHost.config)
 *   http_sys.c  listening sockets, connections, requests, 503s; outlives workers, not the process
 *   pool.c      states, queues, rotation, rapid-fail protection
 *   worker.c    one w3wp.exe: start, ready, ping, idle, stop, end
 *   rpc.c       what appcmd asks
 *   main.c      the two services, the children, the configuration when it changes
 *
 * Pool:    STOPPED --start--> STARTED --stop--> STOPPING --last worker gone--> STOPPED
 *          STARTED --rapid fail, identity--> STOPPED (app_offline)
 * Worker:  STARTING --READY--> WARMING --pages answered--> RUNNING <--> SUSPENDED
 *          any --stop, recycle, idle--> draining until the process has ended
 *          any --process ended unasked--> failure of the pool
 */
#ifndef LAB_WAS_H
#define LAB_WAS_H

#include "tests/lab/base/frame.h"
#include "tests/lab/base/hosted.h"
#include "tests/lab/base/http.h"
#include "tests/lab/base/iisconf.h"
#include "tests/lab/base/settings.h"
#include "tests/lab/base/stream.h"
#include "tests/lab/base/truth.h"

#define CRASHES_KEPT 64
#define WARM_PAGES   16
#define SERVICES_MAX 8

struct was;
struct pool;
struct worker;
struct conn;
struct call;

struct request {
    struct request *next, *previous; /* in the pool's queue, or inside a worker */
    struct conn *conn;               /* NULL: the client has left, or a warm-up */
    struct pool *pool;
    struct worker *worker; /* NULL while queued */
    uint64_t id, arrived_ms;
    bool warm_up, cacheable;
    char method[16], target[HTTP_TARGET_MAX];
    char *payload; /* as the worker gets it */
    size_t payload_len;
};

struct request_list {
    struct request *first, *last;
    size_t count;
};
void list_add(struct request_list *list, struct request *r);
void list_remove(struct request_list *list, struct request *r);
void request_free(struct request *r);

enum pool_state { POOL_STARTING, POOL_STARTED, POOL_STOPPING, POOL_STOPPED, POOL_UNKNOWN };
const char *pool_state_name(enum pool_state state);

struct pool {
    struct pool *next;
    struct was *was;
    struct pool_settings set;
    enum pool_state state;
    bool app_offline; /* why it is STOPPED: failures, not an administrator */
    bool in_config;   /* seen at the last reading */
    struct request_list queue;
    struct worker *workers;
    struct tally_pool *tally;
    uint64_t crashes[CRASHES_KEPT]; /* times, newest first */
    size_t crash_count;
    uint64_t arrived;
};

enum worker_state { WORKER_STARTING, WORKER_WARMING, WORKER_RUNNING, WORKER_SUSPENDED };

struct worker {
    struct worker *next;
    struct pool *pool;
    struct lab_id id;
    enum worker_state state;
    bool draining;   /* gets nothing new, was told to end */
    bool orphaned;   /* no longer in the pool's list; only its end is waited for */
    const char *how; /* why it will have ended; NULL: nobody asked */
    struct worker *successor, *predecessor; /* while one replaces the other */
    struct stream stream;
    struct request_list inside;
    struct tally_worker *tally;
    uint64_t last_given_ms, last_active_ms, served;
    unsigned warm_left;
    struct loop_timer limit, ping, pong, idle, period, wake;
};

struct app {
    char path[256], pool[IIS_NAME_MAX], root[LAB_PATH_MAX];
    bool preload;
    char *pages[WARM_PAGES];
    size_t page_count;
};

struct site {
    struct site *next;
    char name[256];
    unsigned id;
    bool started;
    struct binding *bindings;
    size_t binding_count;
    struct app *apps;
    size_t app_count;
};

struct listener {
    struct listener *next;
    struct was *was;
    int fd; /* -1: refused by a fault */
    char address[64];
    unsigned port;
    bool wanted;
};

struct cached {
    char target[256], pool[IIS_NAME_MAX];
    uint64_t until_ms;
    char *bytes;
    size_t len;
};

struct was {
    const char *dir;
    const char *name;
    struct loop *loop;
    struct settings *settings;
    struct tally *tally;
    struct hosted hosted;
    struct hosted_service
        services[SERVICES_MAX]; /* [0] WAS, [1] W3SVC, then guests of the same process */
    bool was_on, web_on, web_stopping, was_stopping;
    struct iisconf conf;
    struct pool *pools;
    struct worker *orphans;
    struct site *sites;
    struct listener *listeners;
    struct conn *conns;
    struct cached cache[8];
    size_t cache_at;
    struct call *calls; /* appcmd's, rpc.c */
    int rpc_fd;
    uint64_t next_id;
    uint64_t threads; /* requests one worker takes at once, unless the pool says otherwise */
    struct loop_timer look_timer;
};

/* sites.c */
void sites_read(struct was *w); /* from w->conf */
void sites_reset(struct was *w);
const struct app *sites_find(struct was *w, const struct listener *at, const char *host,
                             const char *target);
/* Calls each preloaded page of the pool. */
void sites_warm_pages(struct was *w, const char *pool,
                      void (*each)(const char *page, const char *root, void *arg), void *arg);

/* http_sys.c */
void http_open_listeners(struct was *w);  /* to what the sites need; opens and closes */
void http_close_listeners(struct was *w); /* and every connection that waits for nothing */
void http_answer(struct request *r, int status, const char *head, size_t head_len, const char *body,
                 size_t body_len); /* frees r */
void http_reject(struct request *r, enum reject reason);
void http_lose(struct request *r); /* its worker is gone: the client sees a reset */

/* pool.c */
void pools_read(struct was *w); /* from w->conf: new, changed, removed pools */
struct pool *pool_find(struct was *w, const char *name);
void pool_submit(struct pool *p, struct request *r);
void pool_pump(struct pool *p);
unsigned pool_recycle(struct pool *p, struct worker *only, const char *by, unsigned event);
void pool_start(struct pool *p);
void pool_stop(struct pool *p, const char *how); /* workers end as `how` */
void pool_failed(struct pool *p);                /* one more failure of a worker */
void pool_offline(struct pool *p, unsigned event);
void pool_worker_ready(struct worker *worker);
void pool_worker_gone(struct pool *p, bool demand); /* after its removal */
enum pool_state pool_shown_state(const struct pool *p);
bool pools_idle(const struct was *w); /* no worker is left */

/* worker.c */
struct worker *worker_start(struct pool *p); /* NULL: could not; the pool was told */
void worker_give(struct worker *worker, struct request *r);
bool worker_can_take(const struct worker *worker);
void worker_stop(struct worker *worker, const char *how);
void worker_ended(struct was *w, const struct lab_end *end); /* a child has ended */
void workers_weigh(struct was *w);                           /* periodicRestart/@privateMemory */

/* rpc.c */
bool rpc_open(struct was *w, struct error *err);
void rpc_look(struct was *w); /* something changed: answer those who wait */

/* main.c */
void was_read_config(struct was *w);
void was_changed(struct was *w); /* a pool or worker has gone: a stop may be complete */

#endif

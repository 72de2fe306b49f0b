/* rig.h - a server that a driver is tried on: the contract tests are the same for every driver, the
 * rig knows how its world is set up, disturbed, and asked what was really done.
 *
 * One rig per program, given by rig_open. All calls block; what goes wrong in a rig itself ends the
 * program with a message, since no test can say anything then.
 */
#ifndef TESTS_CONTRACT_RIG_H
#define TESTS_CONTRACT_RIG_H

#include "agent/driver.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Faults of the world below a driver. Those of tools are for drivers that start some. */
enum disturbance {
    TOOL_HANGS,
    TOOL_SLOW,     /* two seconds */
    TOOL_HALF,     /* output cut in the middle */
    TOOL_MARK,     /* output begins with a byte-order mark */
    TOOL_CRLF,     /* lines end as on Windows */
    TOOL_HUGE,     /* 64 MB of output */
    TOOL_EMPTY,    /* no output, success */
    TOOL_NOTHING,  /* no output, "nothing matched" */
    TOOL_GARBAGE,  /* random bytes */
    TOOL_WIDE,     /* UTF-16 */
    LANGUAGE_OEM,  /* another language, in an OEM code page */
    LANGUAGE_ANSI, /* in an ANSI code page */
    LANGUAGE_WIDE, /* in UTF-16 */
    LANGUAGE_UTF8,
    ACCESS_DENIED,
    CONFIG_LOCKED, /* another process writes the configuration */
    CONFIG_BROKEN,
    MANAGER_DOWN,      /* what starts and stops pools does not run (WAS) */
    MANAGER_HANGS,     /* it runs and does not answer */
    NO_REQUEST_LIST,   /* the feature that lists requests is missing, and says so */
    NO_REQUEST_ANSWER, /* it is missing, and the list is empty */
    POOL_FAILS,        /* the pool answers 500 */
    SITE_GONE,         /* its port is closed */
    WORKER_STAYS,      /* its worker ignores its stop for a long time */
    IDLE_REFUSED,      /* recycling a pool without a worker is refused */
    SERVICE_STAYS,     /* the host service hangs in its stop for ever */
    SERVICE_REFUSES,   /* the front service refuses its stop: in transition */
    SERVICE_DENIED,    /* services may not be changed */
    SERVICE_FAILS,     /* the host service ends while it starts */
    SERVICES_LOCKED,   /* another process holds the service manager */
    CONFIG_HELD,       /* another agent or tool of ours changes the configuration */
};
#define DISTURBANCE_COUNT 31

/* What was really done to a pool, counted by the world itself. */
struct rig_acts {
    uint32_t recycles, starts, stops;
};

struct rig_service_acts {
    uint32_t starts, stops, died;
};

/* The services of a world. `front` and `dependent` cannot run without `base`; `front` lives in the
 * process of `base`, and so does `lodger` when it runs (where the world can have several in one:
 * shares_process), which depends on neither and is stopped at the beginning. */
struct rig_services {
    const char *base, *front, *dependent, *lodger;
};

struct rig {
    const struct rig_ops *ops;
    struct driver *driver;
    const char *pool;   /* started, with one worker that always runs, and a probe that passes */
    const char *garden; /* started, with garden_size workers; NULL: this world has none */
    uint32_t garden_size;
    const char *idle;    /* started, without a worker; NULL */
    const char *odd;     /* started, with a name of blanks, signs and letters beyond ASCII */
    const char *foreign; /* the same, with quotes and letters of no European code page; NULL */
    struct rig_services services; /* base NULL: this world has none */
    bool shares_process;
    uint64_t stop_limit_ms;       /* after which a worker that ignores its stop is killed */
    bool memory_tells;            /* the rig itself never held the secret in its memory */
};

struct rig_ops {
    const char *driver;

    /* Everything as at the beginning: undisturbed, started, settled; a fresh driver. */
    void (*reset)(struct rig *rig);

    /* false: this world has no such thing. */
    bool (*disturb)(struct rig *rig, enum disturbance what);

    struct rig_acts (*acts)(struct rig *rig, const char *pool);

    struct rig_service_acts (*service_acts)(struct rig *rig, const char *service);

    /* Starts a request that runs for `ms` in the pool, and returns when it is executing. */
    void (*request)(struct rig *rig, uint32_t ms);

    /* Whether a secret of this world stands in the text. */
    bool (*tells_secret)(struct rig *rig, const char *text);
    /* The same for all memory of this process; the text says where, free() it. NULL: nowhere. */
    char *(*secret_in_memory)(struct rig *rig);

    void (*close)(struct rig *rig);
};

struct rig *rig_open(void);

#endif

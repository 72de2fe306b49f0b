/* call.h - one thing asked of the worker thread, and what came of it, as plain structs.
 *
 * The pure code (agent, recipes) says what it wants to be called and gets the answer as an event;
 * worker.c makes the call. Both sides know this file and driver.h alone.
 */
#ifndef FARMHAND_AGENT_CALL_H
#define FARMHAND_AGENT_CALL_H

#include "agent/driver.h"
#include "common/error.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>

enum call_kind {
    CALL_NONE,
    CALL_BEAT, /* cheap: workers, whether anything else changed, host figures */
    CALL_LOOK, /* everything, and host figures */
    CALL_LOOK_POOL,
    CALL_RECYCLE,
    CALL_START,
    CALL_STOP,
    CALL_SET_AUTOSTART,
    CALL_PROBE,
    CALL_REQUESTS,
    CALL_OFFLINE,
    /* of services; `service` names one */
    CALL_SERVICES,
    CALL_SERVICE_START,
    CALL_SERVICE_STOP,
    CALL_SERVICE_WAIT,
    CALL_SERVICE_HOST,
    CALL_SERVICE_KILL_HOST,
    CALL_SERVICE_SET_START,
    /* of one pool, or of orphans */
    CALL_VERDICT,
    CALL_WORKER_KILL,
    /* of the guardian (agent/guardian.h) */
    CALL_GUARD,
    CALL_GUARD_END,
    /* of one pool's settings (agent/setting.h) */
    CALL_SETTINGS,
    CALL_CONFIGURE,
    /* of a dump (agent/dumps.h) */
    CALL_DUMP,
    CALL_PIECE,
};
#define CALL_COUNT       26
#define CALL_PIECE_BYTES ((WIRE_PIECE_MAX - 1) / 2)
#define CALL_FILE_MAX    64

struct call {
    enum call_kind kind;
    char pool[WIRE_NAME_MAX]; /* "" where none is meant */
    uint64_t timeout_ms;      /* 0: the driver's own limit for that call */
    bool on;                  /* SET_AUTOSTART */
    char service[WIRE_NAME_MAX];
    enum service_state state; /* SERVICE_WAIT: RUNNING or STOPPED */
    enum service_start start; /* SERVICE_SET_START */
    uint32_t pid;             /* SERVICE_KILL_HOST, WORKER_KILL: a process, with */
    uint64_t created;         /* its creation time */
    char file[CALL_FILE_MAX]; /* DUMP, PIECE: its name, without a folder */
    uint64_t offset;          /* PIECE */
    const char *services;     /* GUARD: to be started, one a line; lent while the call runs */
    const char *settings;     /* CONFIGURE: "name=value;..."; lent while the call runs */
    uint64_t within_ms;       /* GUARD: how long the guardian waits for the end to be told */
};

/* Counters as common/os.h gives them; all 0 when they could not be read. */
struct call_host {
    uint64_t cpu_busy_ms, cpu_total_ms;
    uint64_t memory_total_bytes, memory_available_bytes;
    uint64_t uptime_ms;
    uint32_t processors;
};

/* Owned by the shell, which releases it (worker_result_free) after the event was handled; pure code
 * only reads it. The view is empty and the probe zero where the call gives none, or failed. */
struct call_result {
    struct call call;
    enum error_code code;
    char text[ERROR_TEXT_MAX]; /* of the failure, as it came: not fit for the wire yet */
    struct driver_view view;
    bool changed; /* BEAT: pools, sites or services may differ from the last look */
    struct driver_probe probe;
    struct driver_requests requests; /* REQUESTS */
    uint64_t bytes; /* DUMP, PIECE: of the whole file */
    char *piece;    /* PIECE: in hex; owned */
    struct driver_host lodgers;    /* SERVICE_HOST */
    struct driver_verdict verdict; /* VERDICT */
    struct call_host host;         /* BEAT, LOOK */
    char settings[WIRE_TEXT_MAX];  /* SETTINGS */
};

/* "recycle", "look-pool", ...: for logs and sentences. */
const char *call_name(enum call_kind kind);
/* False for what only reads. */
bool call_acts(enum call_kind kind);

#endif

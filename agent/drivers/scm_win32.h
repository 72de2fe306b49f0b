/* scm_win32.h - what the files of the Windows back end share; nobody else includes it.
 *
 *   scm_win32.c        the table: requests within deadlines, what comes of them
 *   scm_calls_win32.c  one request, on a thread of its own: the calls of the service manager
 */
#ifndef FARMHAND_AGENT_DRIVERS_SCM_WIN32_H
#define FARMHAND_AGENT_DRIVERS_SCM_WIN32_H

#include "agent/drivers/guard_win32.h"
#include "agent/drivers/scm.h"

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>

enum scm_request_kind {
    SCM_REQUEST_OURS, /* scm_rows_keep_ours, with start types */
    SCM_REQUEST_ALL,  /* every service, without */
    SCM_REQUEST_ONE,
    SCM_REQUEST_START,
    SCM_REQUEST_STOP,
    SCM_REQUEST_SET_START,
    SCM_REQUEST_AWAIT,
};

struct scm_request {
    struct guard_call call;
    enum scm_request_kind kind;
    wchar_t *name;               /* ONE and the acts */
    char utf8[WIRE_NAME_MAX];    /* the same, for texts and comparisons */
    enum service_start start;    /* SET_START */
    enum service_state state;    /* AWAIT: the one that is left */
    uint64_t deadline_ms;        /* of clock_boot_ms, for what waits by itself */
    struct scm_rows rows;        /* OURS, ALL, ONE */
    bool needs_given;            /* OURS: rows.needs came with the request, they are fresh enough */
    char culprit[WIRE_NAME_MAX]; /* START, STOP: the other service that stands in the way; "" */
};

/* guard_call's functions. `run` gives back a Win32 code. */
uint32_t scm_request_run(struct guard_call *call);
void scm_request_release(struct guard_call *call);

#endif

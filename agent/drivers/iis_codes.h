/* iis_codes.h - what an exit code of appcmd means, in one table.
 *
 * appcmd ends with the Win32 code of a FACILITY_WIN32 HRESULT, otherwise with the whole HRESULT,
 * unsigned. Its messages are in the system's language, so nothing is ever decided by them. The same
 * code means different things to different verbs: 1062 is a success for stop. Pure.
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_CODES_H
#define FARMHAND_AGENT_DRIVERS_IIS_CODES_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum iis_verb { IIS_LIST, IIS_LIST_REQUESTS, IIS_RECYCLE, IIS_START, IIS_STOP, IIS_SET };
#define IIS_VERB_COUNT 6

enum iis_repeat {
    IIS_REPEAT_NEVER,
    IIS_REPEAT_LOCKED, /* another process holds the configuration: back off until the deadline */
    IIS_REPEAT_BROKEN, /* the call to WAS broke: once, after a second (reads alone) */
};

struct iis_code {
    enum error_code result; /* in the sense of agent/driver.h; ERR_NONE: done, or nothing matched */
    enum iis_repeat repeat;
    bool ask_service;   /* 50: WAS is stopped or we are not elevated; the service tells which */
    const char *advice; /* what it means and what to do, for the error's text */
};

/* Never NULL: a code that is not in the table is a failure of which nothing more is known. */
const struct iis_code *iis_code_find(uint32_t exit_code, enum iis_verb verb);
bool iis_code_is_known(uint32_t exit_code, enum iis_verb verb);

/* 0x80070425 -> 1061; anything that is not a FACILITY_WIN32 failure stays as it is. */
uint32_t iis_code_of_hresult(uint32_t hresult);

/* The number after "hresult:" in a text answer, "ERROR ( hresult:80070425, message:...". false:
 * there is none. */
bool iis_code_in_text(const char *text, uint32_t *out_code);

/* When to try again. `wait_ms` is set and true given if `repeat` allows one more try before
 * deadline_ms; start with a zeroed struct. Pure: times are handed in (clock_boot_ms). */
struct iis_retry {
    unsigned tries;
};
bool iis_retry_next(struct iis_retry *retry, enum iis_repeat repeat, uint64_t now_ms,
                    uint64_t deadline_ms, uint64_t *wait_ms);

const char *iis_verb_name(enum iis_verb verb); /* "list", "recycle", ... for texts */
bool iis_verb_acts(enum iis_verb verb);

#endif

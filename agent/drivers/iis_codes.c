/* iis_codes.c - see iis_codes.h. */
#include "agent/drivers/iis_codes.h"

#include <stdlib.h>
#include <string.h>

#define READS (1u << IIS_LIST | 1u << IIS_LIST_REQUESTS)
#define ACTS  (1u << IIS_RECYCLE | 1u << IIS_START | 1u << IIS_STOP | 1u << IIS_SET)
#define ALL   (READS | ACTS)

/* The first row that fits code and verb counts. Sources: Microsoft's "System Error Codes", the
 * documented exit codes of appcmd, and reports of people who met them. */
static const struct {
    uint32_t code;
    unsigned verbs;
    struct iis_code means;
} table[] = {
    {0, ALL, {ERR_NONE, IIS_REPEAT_NEVER, false, "done"}},
    {1, READS, {ERR_NONE, IIS_REPEAT_NEVER, false, "nothing matched"}},
    {1,
     ACTS,
     {ERR_INVALID, IIS_REPEAT_NEVER, false, "appcmd did not understand the command and helped"}},
    {5,
     ALL,
     {ERR_DENIED, IIS_REPEAT_NEVER, false,
      "access denied: run the agent as LocalSystem or elevated"}},
    {13,
     ALL,
     {ERR_CORRUPT, IIS_REPEAT_NEVER, false,
      "the configuration of IIS is broken: repair applicationHost.config"}},
    {32,
     ALL,
     {ERR_BUSY, IIS_REPEAT_LOCKED, false, "the configuration file is in use by another process"}},
    /* Without the Request Monitor feature, a list of requests is not supported either. */
    {50,
     1u << IIS_LIST_REQUESTS,
     {ERR_UNAVAILABLE, IIS_REPEAT_NEVER, false,
      "requests cannot be listed: WAS is stopped, or the Request Monitor feature is missing"}},
    {50, ALL, {ERR_UNAVAILABLE, IIS_REPEAT_NEVER, true, "WAS is not running"}},
    {87, ALL, {ERR_INVALID, IIS_REPEAT_NEVER, false, "appcmd refused the arguments"}},
    /* For a pool never "is already so": a name or a binding that is taken. */
    {183, ALL, {ERR_IO, IIS_REPEAT_NEVER, false, "a name or binding exists already"}},
    /* WAIT_TIMEOUT: of a stop or start that waits */
    {258,
     ALL,
     {ERR_TIMEOUT, IIS_REPEAT_NEVER, false,
      "WAS did not finish in time: look whether it was done"}},
    {1056, 1u << IIS_START, {ERR_EXISTS, IIS_REPEAT_NEVER, false, "it is already started"}},
    {1056, ALL, {ERR_STATE, IIS_REPEAT_NEVER, false, "it is already started"}},
    {1061, ALL, {ERR_BUSY, IIS_REPEAT_NEVER, false, "it is changing state: try again"}},
    {1062, 1u << IIS_STOP, {ERR_EXISTS, IIS_REPEAT_NEVER, false, "it is already stopped"}},
    {1062, ALL, {ERR_STATE, IIS_REPEAT_NEVER, false, "it is stopped: start it"}},
    {1168, ALL, {ERR_NOT_FOUND, IIS_REPEAT_NEVER, false, "no such object: check the name"}},
    {1726, READS, {ERR_UNAVAILABLE, IIS_REPEAT_BROKEN, false, "the call to WAS broke"}},
    {1726,
     ACTS,
     {ERR_IO, IIS_REPEAT_NEVER, false, "the call to WAS broke: look whether it was done"}},
    {2147549190u, READS, {ERR_UNAVAILABLE, IIS_REPEAT_BROKEN, false, "the call to WAS broke"}},
    {2147549190u,
     ACTS,
     {ERR_IO, IIS_REPEAT_NEVER, false, "the call to WAS broke: look whether it was done"}},
    {4312,
     ALL,
     {ERR_STATE, IIS_REPEAT_NEVER, false, "WAS does not know the pool yet, or it has no worker"}},
};

static const struct iis_code unknown = {
    ERR_IO, IIS_REPEAT_NEVER, false,
    "look the code up with `certutil -error`, and look whether it was done"};

uint32_t iis_code_of_hresult(uint32_t hresult)
{
    return (hresult & 0xFFFF0000u) == 0x80070000u ? hresult & 0xFFFFu : hresult;
}

const struct iis_code *iis_code_find(uint32_t exit_code, enum iis_verb verb)
{
    uint32_t code = iis_code_of_hresult(exit_code);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].code == code && table[i].verbs & 1u << verb)
            return &table[i].means;
    return &unknown;
}

bool iis_code_is_known(uint32_t exit_code, enum iis_verb verb)
{
    return iis_code_find(exit_code, verb) != &unknown;
}

bool iis_code_in_text(const char *text, uint32_t *out_code)
{
    static const char mark[] = "hresult:";
    const char *at = strstr(text, mark);
    if (!at)
        return false;
    at += sizeof(mark) - 1;
    if (strspn(at, "0123456789abcdefABCDEF") != 8)
        return false;
    *out_code = iis_code_of_hresult((uint32_t)strtoul(at, NULL, 16));
    return true;
}

/* 250 ms, doubled up to 4 s: a commit of another process takes well under a second. */
static uint64_t back_off_ms(unsigned tries)
{
    return tries >= 4 ? 4000 : 250u << tries;
}

bool iis_retry_next(struct iis_retry *retry, enum iis_repeat repeat, uint64_t now_ms,
                    uint64_t deadline_ms, uint64_t *wait_ms)
{
    if (repeat == IIS_REPEAT_NEVER || (repeat == IIS_REPEAT_BROKEN && retry->tries > 0))
        return false;
    uint64_t wait = repeat == IIS_REPEAT_BROKEN ? 1000 : back_off_ms(retry->tries);
    if (now_ms + wait >= deadline_ms)
        return false;
    retry->tries++;
    *wait_ms = wait;
    return true;
}

const char *iis_verb_name(enum iis_verb verb)
{
    switch (verb) {
    case IIS_LIST:
        return "list";
    case IIS_LIST_REQUESTS:
        return "list request";
    case IIS_RECYCLE:
        return "recycle";
    case IIS_START:
        return "start";
    case IIS_STOP:
        return "stop";
    case IIS_SET:
        return "set";
    }
    return "?";
}

bool iis_verb_acts(enum iis_verb verb)
{
    return (ACTS & 1u << verb) != 0;
}

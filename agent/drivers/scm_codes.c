/* scm_codes.c - see scm_codes.h. */
#include "agent/drivers/scm_codes.h"

#include <inttypes.h>
#include <stddef.h>

#define QUERY  (1u << SCM_QUERY)
#define START  (1u << SCM_START)
#define STOP   (1u << SCM_STOP)
#define CONFIG (1u << SCM_CONFIG)
#define ACTS   (START | STOP | CONFIG)
#define ALL    (QUERY | ACTS)

/* The first row that fits code and act counts. */
static const struct {
    uint32_t code;
    unsigned acts;
    struct scm_code means;
} table[] = {
    {0, ALL, {ERR_NONE, "done"}},
    {2, START, {ERR_STATE, "its program is not there: repair the installation"}},
    {3, START, {ERR_STATE, "its program is not there: repair the installation"}},
    {5, ALL, {ERR_DENIED, "access denied: run the agent as LocalSystem or elevated"}},
    {87, ALL, {ERR_INVALID, "the service manager refused the arguments"}},
    {123, ALL, {ERR_NOT_FOUND, "no service can have that name"}},
    {1051, STOP, {ERR_STATE, "other services that depend on it run still: stop them first"}},
    {1052, STOP, {ERR_STATE, "it takes no stop: nobody but its process can end it"}},
    {1053, ACTS, {ERR_TIMEOUT, "it did not answer in time: look whether it was done"}},
    {1054, START, {ERR_IO, "the system could not make a thread for it"}},
    {1055, QUERY, {ERR_UNAVAILABLE, "the service manager is locked by somebody else"}},
    {1055, ACTS, {ERR_BUSY, "the service manager is locked by somebody else: try again"}},
    {1056, START, {ERR_EXISTS, "it is already running"}},
    {1057, START, {ERR_STATE, "the account that it runs as is invalid: correct it"}},
    {1058, START, {ERR_STATE, "it is disabled, or what it needs is: enable it first"}},
    {1059, START | CONFIG, {ERR_STATE, "it depends on itself: correct its dependencies"}},
    {1060, ALL, {ERR_NOT_FOUND, "there is no such service"}},
    {1061, ACTS, {ERR_BUSY, "it cannot take that now, since it is changing state: wait"}},
    {1062, STOP, {ERR_EXISTS, "it is already stopped"}},
    {1066, START, {ERR_IO, "it ended with an error of its own: see its event log"}},
    {1067, START, {ERR_IO, "its process ended unexpectedly: see the event log"}},
    /* As W3SVC while WAS is stopping: it may well go through a moment later. */
    {1068, START, {ERR_BUSY, "what it depends on did not start: look at that one"}},
    {1069, START, {ERR_STATE, "its logon failed: correct account and password, do not repeat"}},
    {1070, START, {ERR_TIMEOUT, "it hangs while it starts: look whether it was done"}},
    {1072, ALL, {ERR_STATE, "it is marked for deletion: close what holds it, or restart Windows"}},
    {1075, START, {ERR_STATE, "it depends on a service that is not there: repair that"}},
    {1079, START, {ERR_STATE, "its account differs from that of its process: correct it"}},
    {1115, ACTS, {ERR_STATE, "the machine is shutting down"}},
    {1115, QUERY, {ERR_UNAVAILABLE, "the machine is shutting down"}},
    {1722, ALL, {ERR_UNAVAILABLE, "the service manager cannot be reached"}},
    {1726, QUERY, {ERR_UNAVAILABLE, "the call to the service manager broke"}},
    {1726, ACTS, {ERR_IO, "the call to the service manager broke: look whether it was done"}},
};

static const struct scm_code unknown_read = {ERR_UNAVAILABLE, "the service manager did not answer"};
static const struct scm_code unknown_act = {
    ERR_IO, "look the code up with `net helpmsg`, and look whether it was done"};

static uint32_t bare(uint32_t code)
{
    return (code & 0xFFFF0000u) == 0x80070000u ? code & 0xFFFFu : code;
}

const struct scm_code *scm_code_find(uint32_t code, enum scm_act act)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].code == bare(code) && table[i].acts & 1u << act)
            return &table[i].means;
    return act == SCM_QUERY ? &unknown_read : &unknown_act;
}

bool scm_code_is_known(uint32_t code, enum scm_act act)
{
    const struct scm_code *means = scm_code_find(code, act);
    return means != &unknown_read && means != &unknown_act;
}

enum error_code scm_code_error(uint32_t code, enum scm_act act, const char *name, struct error *err)
{
    const struct scm_code *means = scm_code_find(code, act);
    if (means->result == ERR_NONE)
        return ERR_NONE;
    if (!name)
        return error_set(err, means->result, "the service manager: code %" PRIu32 ": %s",
                         bare(code), means->advice);
    return error_set(err, means->result, "service %s: code %" PRIu32 ": %s", name, bare(code),
                     means->advice);
}

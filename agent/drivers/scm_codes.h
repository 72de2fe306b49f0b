/* scm_codes.h - what a code of the service control manager means, in one table.
 *
 * The same code means different things to different acts: 1062 is a success for stop. Source:
 * Microsoft's "System Error Codes (1000-1299)" and the pages of StartServiceW and ControlService;
 * IIS.md section 4. Pure.
 */
#ifndef FARMHAND_AGENT_DRIVERS_SCM_CODES_H
#define FARMHAND_AGENT_DRIVERS_SCM_CODES_H

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>

enum scm_act { SCM_QUERY, SCM_START, SCM_STOP, SCM_CONFIG };
#define SCM_ACT_COUNT 4

struct scm_code {
    enum error_code result; /* in the sense of agent/driver.h */
    const char *advice;     /* what it means and what to do */
};

/* `code` as Win32 gives it, or as HRESULT (80070425 is 1061). Never NULL: a code that is not in the
 * table is a failure of which nothing more is known. */
const struct scm_code *scm_code_find(uint32_t code, enum scm_act act);
bool scm_code_is_known(uint32_t code, enum scm_act act);

/* ERR_NONE for 0, else "service NAME: code N: advice". name may be NULL. */
enum error_code scm_code_error(uint32_t code, enum scm_act act, const char *name,
                               struct error *err);

#endif

/* iis_appcmd.h - one call of appcmd: within a deadline, repeated where that is safe, its exit code
 * translated.
 *
 * Objects are named as `/apppool.name:NAME` in an argument vector, so that no name is ever taken
 * for a switch. What appcmd prints is quoted in an error only for acts, cut and cleaned: a list may
 * hold a password or the addresses of visitors. Blocks.
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_APPCMD_H
#define FARMHAND_AGENT_DRIVERS_IIS_APPCMD_H

#include "agent/drivers/iis.h"
#include "agent/drivers/iis_codes.h"
#include "agent/drivers/iis_parse.h"
#include "agent/drivers/scm.h"
#include "common/error.h"

#include <stddef.h>
#include <stdint.h>

struct iis_appcmd {
    const struct iis_settings *settings;
    struct scm *scm; /* asked whether WAS runs, where the exit code leaves it open */
};

#define IIS_ARGS_MAX 6

struct iis_answer {
    char *utf8; /* NUL-terminated */
    size_t len;
    uint32_t exit_code; /* 0, or 1 where nothing matched */
};
void iis_answer_reset(struct iis_answer *answer); /* overwrites first */

/* args: what follows the path, NULL-terminated, at most IIS_ARGS_MAX. deadline_ms is of
 * clock_boot_ms. out may be NULL for acts. The codes are those of agent/driver.h; texts begin with
 * "appcmd VERB". */
enum error_code iis_appcmd_run(const struct iis_appcmd *appcmd, enum iis_verb verb,
                               const char *const *args, uint64_t deadline_ms,
                               struct iis_answer *out, struct error *err);

/* A failure that was told inside an XML answer; `exit_code` is the answer's. ERR_NONE: there was
 * none (or only "nothing matched"). */
enum error_code iis_appcmd_failure(const struct iis_appcmd *appcmd,
                                   const struct iis_failure *failure, uint32_t exit_code,
                                   struct error *err);

/* "/apppool.name:NAME" for args; free() it. NULL and ERR_NOT_FOUND for a name that no pool can have
 * (empty, too long, control characters, or one that appcmd would take for a search). */
char *iis_appcmd_pool_argument(const char *pool, struct error *err);

#endif

/* home_win32.h - the agent's directory on Windows: made, judged, put right, taken away. */
#ifndef FARMHAND_AGENT_HOME_WIN32_H
#define FARMHAND_AGENT_HOME_WIN32_H

#include "agent/home.h"
#include "common/error.h"

#include <stdbool.h>

const char *home_root(void); /* %ProgramData%\Farmhand */

/* After ERR_NONE `root` is there, and only SYSTEM and Administrators can read and write in it.
 * *changed (may be NULL): what was found and put right, or NULL. ERR_DENIED: it is not to be
 * believed; the text says why and what to do. Blocks on the disk. */
enum error_code home_secure(const char *root, const char **changed, struct error *err);

/* Deletes `root` with all that is in it, its logs only if !keep_logs. Links are taken away, not
 * followed. ERR_NONE also where it is not there. */
enum error_code home_purge(const char *root, bool keep_logs, struct error *err);

#endif

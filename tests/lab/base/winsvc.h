/* winsvc.h - what the lab asks Windows' service manager, and what it does in its place
 * where Wine's leaves something out. Names are UTF-8. Codes are Win32's.
 */
#ifndef LAB_BASE_WINSVC_H
#define LAB_BASE_WINSVC_H

#include "tests/lab/base/settings.h"

#include <stddef.h>
#include <stdint.h>

struct winsvc_row {
    unsigned state, checkpoint, wait_hint_ms, exit_code, start_type, type;
    uint32_t pid;
    bool accepts_stop;
};

unsigned winsvc_query(const char *name, struct winsvc_row *out);
/* Makes it, or brings it up to date. depends: names between blanks; command: the whole command
 * line; start_type: SERVICE_AUTO_START, ... */
unsigned winsvc_install(const char *name, const char *display, const char *command,
                        const char *depends, unsigned start_type);
/* depends: as at winsvc_install, since Wine 8 forgets them with every change of anything. */
unsigned winsvc_set_start_type(const char *name, const char *depends, unsigned start_type);
unsigned winsvc_start(const char *name); /* tries again while another start is under way */
unsigned winsvc_stop(const char *name);
/* Says that it has stopped, as the manager itself would whose service's process has died; Wine's
 * does not notice. */
unsigned winsvc_say_stopped(const char *name, unsigned exit_code);

/* Starts what the service depends on, and waits until it runs: 0, or 1068. Drivers are left alone.
 * Blocks as long as those are pending. */
unsigned winsvc_start_needed(const char *name);
/* Whether a service of the lab that runs or starts depends on it. */
bool winsvc_needed(const struct settings *settings, const char *name);
/* The service stops: what it depends on accepts to be stopped from now on, unless others need it.
 */
void winsvc_release(const struct settings *settings, const char *name);
/* The names it depends on, between blanks. */
void winsvc_depends(const char *name, char *out, size_t size_bytes);

#endif

/* privileges_win32.h - which of LocalSystem's privileges the agent's service has: those it uses.
 *
 * One list, for two who keep it. The service manager takes it from the service's entry, from the
 * next start on (service_setup_win32.h); and the service itself takes all others away from its
 * process as it starts, since an MSI, or a person with `sc`, makes an entry without them. What it
 * starts (appcmd, the guardian) has no more than it has.
 */
#ifndef FARMHAND_AGENT_PRIVILEGES_WIN32_H
#define FARMHAND_AGENT_PRIVILEGES_WIN32_H

#include "common/error.h"

#include <stddef.h>
#include <wchar.h>

struct privilege {
    const wchar_t *name;
    const char *use; /* a phrase: what would not work without it */
};
#define PRIVILEGES 3
extern const struct privilege privileges[PRIVILEGES];

/* Their names one after the other, each with its NUL, and one more: as SERVICE_CONFIG_REQUIRED_
 * PRIVILEGES_INFO takes them. Static. */
wchar_t *privileges_list(void);

/* Takes all others away from this process, for good; *removed: so many. ERR_*: it could not. */
enum error_code privileges_keep(size_t *removed, struct error *err);

#endif

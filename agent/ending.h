/* ending.h - how long an agent that is told to stop still waits, and for what. Pure.
 *
 * An act in hand (appcmd, the service manager) is never cut off lightly: it is waited for, up to a
 * limit that fits what the system grants a service. Then results are told for a moment. What lasts
 * longer is left to the guardian, or to the next start.
 */
#ifndef FARMHAND_AGENT_ENDING_H
#define FARMHAND_AGENT_ENDING_H

#include "agent/call.h"

#include <stdbool.h>
#include <stdint.h>

#define ENDING_FLUSH_MS    2000  /* results are told for that long, from the last act on */
#define ENDING_STOP_MS     20000 /* systemd grants 90 s, an installer of Windows about 30 s */
#define ENDING_SHUTDOWN_MS 50000 /* of the 60 s that a preshutdown has (service_setup_win32.c) */
#define ENDING_STEP_MS     1000  /* the system hears from us that often */

struct ending {
    bool begun, acting;
    uint64_t since_ms, acted_ms;
};

/* Whether a call under way changes something, or awaits a change: worth to be waited for. */
bool ending_waits_for(enum call_kind kind);

void ending_begin(struct ending *ending, uint64_t now_ms);
/* acting: such a call is under way. quiet: nothing is left to be told. shutdown: the machine goes. */
bool ending_is_over(struct ending *ending, bool acting, bool quiet, bool shutdown, uint64_t now_ms);
/* When to look again at the latest; UINT64_MAX before it begins. */
uint64_t ending_wake_ms(const struct ending *ending, uint64_t now_ms);

#endif

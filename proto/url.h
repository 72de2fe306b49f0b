/* url.h - where agents and coordinator may meet while nothing proves who is who. Pure.
 *
 * Whoever speaks as the coordinator owns the farm, so without TLS, which this version does not have
 * yet, both sides stay on the machine they run on.
 */
#ifndef FARMHAND_PROTO_URL_H
#define FARMHAND_PROTO_URL_H

#include "common/error.h"

#include <stdbool.h>

/* Accepts tcp://127.0.0.0/8:PORT and tcp://[::1]:PORT (addresses, not names, since a name may come
 * to mean another machine), and ipc:///ABSOLUTE/PATH. PORT is 1 to 65535, or 0 ("any") where
 * any_port. Everything else is ERR_INVALID or ERR_DENIED (understood, but leaves the machine), and
 * the text says what to write instead. */
enum error_code wire_check_url(const char *url, bool any_port, struct error *err);

#endif

/* url.h - where agents and coordinator may meet. Pure.
 *
 * Whoever speaks as the coordinator owns the farm, so they prove to each other who they are, by
 * TLS. Without it both sides stay on the machine they run on, and their configurations have to say
 * so in words (WIRE_WITHOUT_TLS).
 */
#ifndef FARMHAND_PROTO_URL_H
#define FARMHAND_PROTO_URL_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

/* The name on the coordinator's certificate, wherever it runs: agents ask for it whatever host they
 * dial. Reserved: no agent is called so. */
#define WIRE_COORDINATOR_NAME "farmhand-coordinator"

/* The word that both configurations must hold for a url without TLS. */
#define WIRE_WITHOUT_TLS "loopback-only"

/* Accepts tls+tcp://HOST:PORT (a name or an address; an IPv6 address in brackets),
 * tcp://127.0.0.0/8:PORT and tcp://[::1]:PORT (addresses, not names, since a name may come to mean
 * another machine), and ipc:///ABSOLUTE/PATH. PORT is 1 to 65535, or 0 ("any") where any_port.
 * Everything else is ERR_INVALID or ERR_DENIED (understood, but leaves the machine without TLS),
 * and the text says what to write instead. */
enum error_code wire_check_url(const char *url, bool any_port, struct error *err);
/* Of an accepted one: is it over TLS? */
bool wire_url_has_tls(const char *url);
/* The host of an accepted tls+tcp:// or tcp:// url, without brackets; false: it does not fit. */
bool wire_url_host(const char *url, char *out, size_t size_bytes);

/* What a server may be called, wherever it is named: wire_server_name_ok(), a letter or digit first
 * (the name goes to balancers' commands as a word, and "-f" would be an option), and neither "all",
 * which is every server in a selector, nor the coordinator's. ERR_INVALID with the rule. */
enum error_code wire_check_server_name(const char *name, struct error *err);

#endif

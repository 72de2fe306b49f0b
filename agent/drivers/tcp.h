/* tcp.h - whether somebody accepts a connection, for pools that do not speak HTTP. */
#ifndef FARMHAND_AGENT_DRIVERS_TCP_H
#define FARMHAND_AGENT_DRIVERS_TCP_H

#include "common/error.h"

#include <stdint.h>

/* Connects and closes again. host: an address, or "localhost"; no name is looked up, since that
 * cannot be bounded in time (ERR_INVALID). Blocks up to timeout_ms (> 0). ERR_UNREACHABLE: refused,
 * no way there; ERR_TIMEOUT. */
enum error_code tcp_connect(const char *host, uint16_t port, uint64_t timeout_ms,
                            uint32_t *out_elapsed_ms, struct error *err);

#endif

/* iis_probe.h - what is asked of a pool to see whether it answers, and what counts as an answer.
 *
 * From the pool's section of the configuration, or from the bindings of a site whose root
 * application is in the pool. All but iis_probe_run is pure.
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_PROBE_H
#define FARMHAND_AGENT_DRIVERS_IIS_PROBE_H

#include "agent/drivers/iis.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of "http/127.0.0.1:80:,https/[::1]:443:shop.example", as appcmd prints them. */
struct iis_binding {
    char scheme[16];
    char ip[64]; /* "*" or an address, an IPv6 one without its brackets */
    uint16_t port;
    char host[256]; /* "": any */
};

/* The next binding of *cursor, which moves on; false at the end. One that is not of the shape
 * "ip:port:host" (net.tcp, msmq) is passed over. */
bool iis_binding_next(const char **cursor, struct iis_binding *out);

struct iis_target {
    char url[1024];
    char connect_to[300]; /* "host:port"; "" with an http target: where the URL leads */
    bool tcp_only;
    bool unique;
    const struct iis_probe *expect; /* NULL: what holds without a section */
};

/* The section for this pool: its own name before "*"; NULL: none. */
const struct iis_probe *iis_probe_find(const struct iis_settings *settings, const char *pool);

/* ERR_NOT_FOUND: the pool has nothing to probe (the text says why). */
enum error_code iis_probe_target(const struct iis_settings *settings, const char *pool,
                                 const struct site *sites, size_t site_count,
                                 struct iis_target *out, struct error *err);

/* Whether the section needs the sites to find its target. */
bool iis_probe_needs_sites(const struct iis_probe *probe);

bool iis_probe_status_passes(const struct iis_probe *probe, int status);

/* "200", "200-399": an expectation of status. */
bool iis_probe_parse_status(const char *word, int *out_first, int *out_last);

/* "host:port" or "[v6]:port" taken apart. */
bool iis_probe_parse_address(const char *s, char *host, size_t host_size, uint16_t *out_port);

/* The address that a tcp_only probe of this URL connects to. */
bool iis_probe_url_address(const char *url, char *out, size_t size_bytes);

/* Asks. A fresh connection, never from a cache. Whatever came of it is in *out; only a tcp_only
 * target without an address is an error (ERR_INVALID). Blocks up to timeout_ms (> 0). */
enum error_code iis_probe_run(const struct iis_target *target, uint64_t timeout_ms,
                              struct driver_probe *out, struct error *err);

#endif

/* iis_config.h - which configuration this server reads, and whether it changed.
 *
 * A server may share its configuration with others: redirection.config beside
 * applicationHost.config then names a folder, often on a file server. One `set` there changes every
 * server, so what is reported is an identity that is equal on all that share. The password that
 * redirection.config may hold is never kept. Blocks on local files (and, where shared, on looking
 * at the shared one).
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_CONFIG_H
#define FARMHAND_AGENT_DRIVERS_IIS_CONFIG_H

#include "common/error.h"
#include "common/os.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>

struct iis_config {
    char identity[WIRE_NAME_MAX]; /* "share:" + the folder, or "host:" + host name + path */
    bool shared;
};

/* config: path of applicationHost.config. ERR_*: redirection.config is there but cannot be read;
 * *out then says shared, with an identity of this host's own, so that nobody dares a `set`. */
enum error_code iis_config_read(const char *config, struct iis_config *out, struct error *err);

/* Changes when the configuration does: of both files, and of the shared one where there is one. */
struct iis_config_stamp {
    struct os_file_id own, redirection, shared;
};
struct iis_config_stamp iis_config_stamp(const char *config);
bool iis_config_stamp_equal(const struct iis_config_stamp *a, const struct iis_config_stamp *b);

/* The folder that redirection.config's text names; *out is NULL where redirection is off, else
 * free() it. (For iis_config_read, and tests.) */
enum error_code iis_config_parse(const char *bytes, size_t len, char **out, struct error *err);

#endif

/* iisconf.h - applicationHost.config: where it is, what it says, how it is changed.
 *
 * The file may be the server's own or, by redirection.config, one that several servers share.
 * Effective values of a pool: its own attribute, else applicationPoolDefaults, else the schema's.
 */
#ifndef LAB_BASE_IISCONF_H
#define LAB_BASE_IISCONF_H

#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/schema.h"
#include "tests/lab/base/xml.h"

#include "common/os.h"

#define IIS_NAME_MAX 72

struct iisconf {
    char path[LAB_PATH_MAX]; /* of the file in force */
    struct os_file_id id;    /* as it was read */
    struct xml *root;
};

/* ERR_CORRUPT: not XML, or without the sections that IIS needs. reset it in any case. */
enum error_code iisconf_read(struct iisconf *c, const char *server_dir, struct error *err);
void iisconf_reset(struct iisconf *c);
/* True if the file is not the one that was read. */
bool iisconf_stale(const struct iisconf *c, const char *server_dir);
/* Writes it back. ERR_BUSY: somebody else has changed it meanwhile, or is writing it now. */
enum error_code iisconf_commit(struct iisconf *c, struct error *err);

struct xml *iisconf_first_pool(const struct iisconf *c); /* then xml_next() */
struct xml *iisconf_pool(const struct iisconf *c, const char *name);
struct xml *iisconf_first_site(const struct iisconf *c);

/* The effective value, lent until the tree changes. */
const char *iisconf_value(const struct iisconf *c, const struct xml *pool,
                          const struct schema_attribute *a);

struct pool_settings {
    char name[IIS_NAME_MAX], user[128];
    bool auto_start, always_running, overlaps, rotates_on_change, suspends, pings;
    bool rapid_fail, orphans, tcp_level, specific_user;
    uint64_t queue_length, max_processes, max_crashes;
    uint64_t idle_ms, shutdown_ms, startup_ms, ping_interval_ms, ping_response_ms;
    uint64_t fail_interval_ms, period_ms, period_requests, private_kb;
    uint64_t rotation_mark; /* changes with every setting that recycles the pool at once */
};
void iisconf_pool_settings(const struct iisconf *c, const struct xml *pool,
                           struct pool_settings *out);

/* "127.0.0.1:18081:host" or "*:80:"; an empty host is "". `star` stands in for "*". */
struct binding {
    char address[64];
    unsigned port;
    char host[256];
};
bool iisconf_binding(const char *information, const char *star, struct binding *out);

#endif

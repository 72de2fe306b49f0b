/* settings.h - the agent's configuration file: what may stand in it, and what holds without it.
 *
 * Sections: [agent], [allow], [keepalive], [services], [iis], [probe POOL]. The commented sample is
 * deploy/agent.conf.sample. Blocks on reading the file.
 */
#ifndef FARMHAND_AGENT_SETTINGS_H
#define FARMHAND_AGENT_SETTINGS_H

#include "agent/agent.h"
#include "agent/drivers/iis.h"
#include "agent/dumps.h"
#include "agent/identity.h"
#include "common/config.h"
#include "common/error.h"
#include "common/log.h"

#include <stdint.h>

enum settings_plain { SETTINGS_TLS, SETTINGS_LOOPBACK_ONLY };
#define SETTINGS_NO_PROFILE (-1)

struct settings {
    /* [agent] */
    char *name;        /* the host's name where the file gives none */
    char *coordinator; /* url, see proto/url.h; NULL: the one of the identity */
    char *data_dir;
    uint64_t heartbeat_ms, beat_ms, look_every_ms;
    uint64_t reconnect_min_ms, reconnect_max_ms;
    int log_level;   /* enum log_level */
    bool named;      /* `name` stood in the file */
    int without_tls; /* enum settings_plain */
    int profile; /* enum profile; SETTINGS_NO_PROFILE: not said, and no verbs are listed either */
    /* [allow] */
    struct config_list verbs, pools;
    uint64_t cool_down_ms, max_per_hour;
    bool dumps; /* of workers, when an incident asks for one */
    uint64_t dumps_kept, dump_max_bytes, dump_free_bytes, dump_wait_ms;
    /* [keepalive] */
    char *keepalive; /* the path; NULL: none */
    /* [services]: recovery and restart */
    uint64_t service_stop_ms, dependent_ms, service_start_ms, site_ms, silent_ms;
    /* [iis], [probe POOL] */
    struct iis_settings iis;
};

/* Reads and checks everything that can be checked without acting. All errors of the file, one line
 * each, go to `report` (may be NULL); err says how many and the first. */
enum error_code settings_read(const char *path, struct settings *out,
                              void (*report)(void *arg, const char *line), void *arg,
                              struct error *err);
/* The same from a string (tests). */
enum error_code settings_parse(const char *content, const char *name, struct settings *out,
                               void (*report)(void *arg, const char *line), void *arg,
                               struct error *err);
void settings_reset(struct settings *settings);

/* What joining left (NULL: this machine has joined no farm) where the file says nothing: name,
 * coordinator, profile. ERR_STATE: nobody says who the coordinator is, or TLS has no certificate.
 * ERR_INVALID: the file calls this server otherwise than its certificate does. */
enum error_code settings_apply(struct settings *settings, const struct identity *identity,
                               struct error *err);

/* As the heart wants them; lent from `settings`. */
struct agent_settings settings_for_agent(const struct settings *settings);
struct dumps_spec settings_for_dumps(const struct settings *settings); /* lent from the settings */

#endif

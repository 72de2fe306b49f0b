#include "tests/lab/base/iisconf.h"

#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (8u << 20)

static struct xml *load(const char *path, struct error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    if (os_read_file(path, FILE_MAX_BYTES, &bytes, &len, err) != ERR_NONE)
        return NULL;
    struct xml *root = xml_parse(bytes, len, err);
    if (!root)
        error_wrap(err, "%s", path);
    free(bytes);
    return root;
}

/* The shared file that redirection.config names, or the server's own. */
static void locate(const char *server_dir, char out[LAB_PATH_MAX])
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/redirection.config", server_dir);
    struct xml *root = load(path, NULL);
    const struct xml *redirection = xml_child(root, "configurationRedirection");
    const char *enabled = xml_get(redirection, "enabled"), *to = xml_get(redirection, "path");
    bool shared = enabled && to && text_equal_nocase(enabled, "true");
    text_format(out, LAB_PATH_MAX, "%s/applicationHost.config", shared ? to : server_dir);
    xml_free(root);
}

enum error_code iisconf_read(struct iisconf *c, const char *server_dir, struct error *err)
{
    *c = (struct iisconf){0};
    locate(server_dir, c->path);
    enum error_code code = os_file_id(c->path, &c->id, err);
    if (code != ERR_NONE)
        return code;
    c->root = load(c->path, err);
    if (!c->root)
        return ERR_CORRUPT;
    if (!xml_path(c->root, "system.applicationHost/applicationPools"))
        return error_set(err, ERR_CORRUPT, "%s: no system.applicationHost/applicationPools",
                         c->path);
    return ERR_NONE;
}

void iisconf_reset(struct iisconf *c)
{
    xml_free(c->root);
    *c = (struct iisconf){0};
}

bool iisconf_stale(const struct iisconf *c, const char *server_dir)
{
    char path[LAB_PATH_MAX];
    struct os_file_id id = {0};
    locate(server_dir, path);
    if (os_file_id(path, &id, NULL) != ERR_NONE)
        return false;
    return strcmp(path, c->path) != 0 || memcmp(&id, &c->id, sizeof id) != 0;
}

enum error_code iisconf_commit(struct iisconf *c, struct error *err)
{
    char lock[LAB_PATH_MAX + 16];
    struct text out = {0};
    struct os_file_id id = {0};
    snprintf(lock, sizeof lock, "%s.lock", c->path);
    int lock_fd = lab_os_try_lock(lock);
    if (lock_fd < 0)
        return error_set(err, ERR_BUSY, "%s is being written", c->path);
    enum error_code code = os_file_id(c->path, &id, err);
    if (code == ERR_NONE && memcmp(&id, &c->id, sizeof id) != 0)
        code = error_set(err, ERR_BUSY, "%s has changed on disk", c->path);
    if (code == ERR_NONE) {
        xml_write(c->root, &out);
        code = os_write_file(c->path, out.data, out.len, 0644, err);
    }
    if (code == ERR_NONE)
        os_file_id(c->path, &c->id, NULL);
    text_reset(&out);
    lab_os_unlock(lock_fd);
    return code;
}

struct xml *iisconf_first_pool(const struct iisconf *c)
{
    return xml_path(c->root, "system.applicationHost/applicationPools/add");
}

struct xml *iisconf_pool(const struct iisconf *c, const char *name)
{
    struct xml *pool = iisconf_first_pool(c);
    while (pool && !text_equal_nocase(xml_get(pool, "name"), name))
        pool = xml_next(pool);
    return pool;
}

struct xml *iisconf_first_site(const struct iisconf *c)
{
    return xml_path(c->root, "system.applicationHost/sites/site");
}

const char *iisconf_value(const struct iisconf *c, const struct xml *pool,
                          const struct schema_attribute *a)
{
    const struct xml *defaults =
        xml_path(c->root, "system.applicationHost/applicationPools/applicationPoolDefaults");
    const char *value = xml_get(xml_path(pool, a->element), a->name);
    if (!value)
        value = xml_get(xml_path(defaults, a->element), a->name);
    return value ? value : a->otherwise;
}

static const char *value_of(const struct iisconf *c, const struct xml *pool, const char *path)
{
    const struct schema_attribute *a = schema_find(path);
    must(a != NULL);
    return iisconf_value(c, pool, a);
}

static bool yes(const struct iisconf *c, const struct xml *pool, const char *path)
{
    return text_equal_nocase(value_of(c, pool, path), "true");
}

static bool reads(const struct iisconf *c, const struct xml *pool, const char *path,
                  const char *word)
{
    return text_equal_nocase(value_of(c, pool, path), word);
}

static uint64_t number(const struct iisconf *c, const struct xml *pool, const char *path)
{
    const struct schema_attribute *a = schema_find(path);
    uint64_t out = 0;
    must(a != NULL);
    if (!text_parse_u64(iisconf_value(c, pool, a), a->min, a->max, &out))
        text_parse_u64(a->otherwise, a->min, a->max, &out);
    return out;
}

static uint64_t span(const struct iisconf *c, const struct xml *pool, const char *path)
{
    uint64_t ms = 0;
    if (!schema_parse_span(value_of(c, pool, path), &ms))
        schema_parse_span(schema_find(path)->otherwise, &ms);
    return ms;
}

/* FNV-1a over all values whose change recycles the pool. */
static uint64_t rotation_mark(const struct iisconf *c, const struct xml *pool)
{
    uint64_t mark = 14695981039346656037u;
    for (size_t i = 0; i < SCHEMA_POOL_COUNT; i++) {
        if (!SCHEMA_POOL[i].rotates)
            continue;
        const char *v = iisconf_value(c, pool, &SCHEMA_POOL[i]);
        do
            mark = (mark ^ (unsigned char)*v) * 1099511628211u;
        while (*v++);
    }
    return mark;
}

void iisconf_pool_settings(const struct iisconf *c, const struct xml *pool,
                           struct pool_settings *out)
{
    *out = (struct pool_settings){
        .auto_start = yes(c, pool, "autoStart"),
        .always_running = reads(c, pool, "startMode", "AlwaysRunning"),
        .overlaps = !yes(c, pool, "recycling.disallowOverlappingRotation"),
        .rotates_on_change = !yes(c, pool, "recycling.disallowRotationOnConfigChange"),
        .suspends = reads(c, pool, "processModel.idleTimeoutAction", "Suspend"),
        .pings = yes(c, pool, "processModel.pingingEnabled"),
        .rapid_fail = yes(c, pool, "failure.rapidFailProtection"),
        .orphans = yes(c, pool, "failure.orphanWorkerProcess"),
        .tcp_level = reads(c, pool, "failure.loadBalancerCapabilities", "TcpLevel"),
        .specific_user = reads(c, pool, "processModel.identityType", "SpecificUser"),
        .queue_length = number(c, pool, "queueLength"),
        .max_processes = number(c, pool, "processModel.maxProcesses"),
        .max_crashes = number(c, pool, "failure.rapidFailProtectionMaxCrashes"),
        .idle_ms = span(c, pool, "processModel.idleTimeout"),
        .shutdown_ms = span(c, pool, "processModel.shutdownTimeLimit"),
        .startup_ms = span(c, pool, "processModel.startupTimeLimit"),
        .ping_interval_ms = span(c, pool, "processModel.pingInterval"),
        .ping_response_ms = span(c, pool, "processModel.pingResponseTime"),
        .fail_interval_ms = span(c, pool, "failure.rapidFailProtectionInterval"),
        .period_ms = span(c, pool, "recycling.periodicRestart.time"),
        .period_requests = number(c, pool, "recycling.periodicRestart.requests"),
        .private_kb = number(c, pool, "recycling.periodicRestart.privateMemory"),
        .rotation_mark = rotation_mark(c, pool),
    };
    if (out->max_processes == 0)
        out->max_processes = 1; /* 0 means one per NUMA node: this machine has one */
    text_copy(out->name, sizeof out->name, xml_get(pool, "name") ? xml_get(pool, "name") : "");
    text_copy(out->user, sizeof out->user, value_of(c, pool, "processModel.userName"));
}

bool iisconf_binding(const char *information, const char *star, struct binding *out)
{
    const char *first = strchr(information, ':');
    const char *second = first ? strchr(first + 1, ':') : NULL;
    char port[16] = "";
    uint64_t number = 0;
    if (!second || second - first > 6)
        return false;
    snprintf(port, sizeof port, "%.*s", (int)(second - first - 1), first + 1);
    if (!text_parse_u64(port, 1, 65535, &number))
        return false;
    bool any = first == information || (*information == '*' && first == information + 1);
    if (any)
        text_copy(out->address, sizeof out->address, star);
    else
        text_format(out->address, sizeof out->address, "%.*s", (int)(first - information),
                    information);
    out->port = (unsigned)number;
    return text_copy(out->host, sizeof out->host, second + 1);
}

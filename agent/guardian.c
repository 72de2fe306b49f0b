/* guardian.c - see guardian.h: orders, and the agent's side of them. */
#include "agent/guardian.h"

#include "common/os.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD      "farmhand guardian 1"
#define ORDER_MAX ((size_t)64 * 1024)
#define PATH_ROOM 4096

/* ---- the file: a line per value, the name before the first blank ---- */

struct reading {
    struct guardian_order *order;
    size_t line;
    bool wrong;
};

static const char *value_of(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncmp(line, name, len) == 0 && line[len] == ' ' ? line + len + 1 : NULL;
}

static bool add_service(struct guardian_order *order, const char *name)
{
    size_t used = strlen(order->services);
    return text_format(order->services + used, sizeof(order->services) - used, "%s%s",
                       used ? "\n" : "", name);
}

static bool take_line(struct guardian_order *o, const char *line)
{
    const char *value;
    uint64_t number = 0;
    if ((value = value_of(line, "id")))
        return text_copy(o->id, sizeof(o->id), value);
    if ((value = value_of(line, "backend")))
        return text_copy(o->backend, sizeof(o->backend), value);
    if ((value = value_of(line, "tool")))
        return text_copy(o->tool, sizeof(o->tool), value);
    if ((value = value_of(line, "service")))
        return add_service(o, value);
    if ((value = value_of(line, "within")))
        return text_parse_u64(value, 0, UINT64_MAX, &o->within_ms);
    if ((value = value_of(line, "grace")))
        return text_parse_u64(value, 0, UINT64_MAX, &o->grace_ms);
    if ((value = value_of(line, "created")))
        return text_parse_u64(value, 0, UINT64_MAX, &o->agent_created);
    if ((value = value_of(line, "agent"))) {
        bool good = text_parse_u64(value, 1, UINT32_MAX, &number);
        o->agent_pid = (uint32_t)number;
        return good;
    }
    return false;
}

static int on_line(const char *line, void *arg)
{
    struct reading *r = arg;
    if (r->line++ == 0)
        r->wrong = !text_equal(line, HEAD);
    else if (*line && !take_line(r->order, line))
        r->wrong = true;
    return r->wrong;
}

enum error_code guardian_read(const char *path, struct guardian_order *out, struct error *err)
{
    struct guardian_order order = {.id = ""};
    struct reading r = {.order = &order};
    char *text;
    size_t len;
    enum error_code code = os_read_file(path, ORDER_MAX, &text, &len, err);
    if (code != ERR_NONE)
        return code;
    text_split(text, '\n', on_line, &r);
    free(text);
    if (r.wrong || order.agent_pid == 0 || order.backend[0] == '\0')
        return error_set(err, ERR_CORRUPT, "%s is no order for a guardian (line %zu)", path,
                         r.line);
    *out = order;
    return ERR_NONE;
}

static int write_service(const char *line, void *arg)
{
    if (*line)
        text_addf(arg, "service %s\n", line);
    return 0;
}

enum error_code guardian_write(const char *path, const struct guardian_order *o, struct error *err)
{
    struct text t = {0};
    text_addf(&t,
              HEAD "\nid %s\nagent %" PRIu32 "\ncreated %" PRIu64 "\nwithin %" PRIu64
                   "\ngrace %" PRIu64 "\n",
              o->id, o->agent_pid, o->agent_created, o->within_ms, o->grace_ms);
    text_addf(&t, "backend %s\n", o->backend);
    if (o->tool[0])
        text_addf(&t, "tool %s\n", o->tool);
    text_split(o->services, '\n', write_service, &t);
    enum error_code code = os_write_file(path, text_get(&t), t.len, 0600, err);
    text_reset(&t);
    return code;
}

/* ---- the agent's side ---- */

static enum error_code path_in(const struct guardian_spec *spec, const char *name,
                               char out[PATH_ROOM], struct error *err)
{
    if (text_format(out, PATH_ROOM, "%s/%s", spec->data_dir, name))
        return ERR_NONE;
    return error_set(err, ERR_INVALID, "data_dir %s is too long a path", spec->data_dir);
}

static enum error_code fill_order(const struct guardian_spec *spec, const char *services,
                                  uint64_t within_ms, struct guardian_order *o, struct error *err)
{
    uint8_t id[16];
    struct os_process self;
    enum error_code code = os_random(id, sizeof(id), err);
    if (code == ERR_NONE)
        code = os_process_find((uint32_t)getpid(), &self, err);
    if (code != ERR_NONE)
        return code;
    *o = (struct guardian_order){.agent_pid = self.pid,
                                 .agent_created = self.created,
                                 .within_ms = within_ms,
                                 .grace_ms = GUARDIAN_GRACE_MS};
    text_to_hex(o->id, id, sizeof(id));
    text_copy(o->backend, sizeof(o->backend), spec->backend);
    if (!text_copy(o->tool, sizeof(o->tool), spec->tool ? spec->tool : ""))
        return error_set(err, ERR_INVALID, "the service tool's path is too long");
    text_copy(o->services, sizeof(o->services), services);
    return ERR_NONE;
}

enum error_code guardian_arm(const struct guardian_spec *spec, const char *services,
                             uint64_t within_ms, struct error *err)
{
    char order_path[PATH_ROOM], done_path[PATH_ROOM];
    struct guardian_order order;
    enum error_code code = path_in(spec, "guardian.order", order_path, err);
    if (code == ERR_NONE)
        code = path_in(spec, "guardian.done", done_path, err);
    if (code == ERR_NONE)
        code = fill_order(spec, services, within_ms, &order, err);
    if (code == ERR_NONE)
        code = os_remove_file(done_path, err);
    if (code == ERR_NONE)
        code = guardian_write(order_path, &order, err);
    if (code == ERR_NONE)
        code = guardian_start(order_path, &order, err);
    if (code != ERR_NONE)
        os_remove_file(order_path, NULL);
    return code;
}

enum error_code guardian_end(const struct guardian_spec *spec, char *told, size_t size_bytes,
                             struct error *err)
{
    char order_path[PATH_ROOM], done_path[PATH_ROOM];
    char *text = NULL;
    size_t len;
    enum error_code code = path_in(spec, "guardian.order", order_path, err);
    if (code == ERR_NONE)
        code = path_in(spec, "guardian.done", done_path, err);
    if (code == ERR_NONE)
        code = os_remove_file(order_path, err);
    if (code != ERR_NONE)
        return code;
    told[0] = '\0';
    if (os_read_file(done_path, ORDER_MAX, &text, &len, NULL) == ERR_NONE) {
        text_copy(told, size_bytes, text);
        free(text);
        os_remove_file(done_path, NULL);
    }
    return ERR_NONE;
}

/* parts.c - see parts.h. */
#include "tests/farm/farm/parts.h"

#include "tests/farm/farm/ask.h"
#include "tests/farm/farm/proc.h"
#include "tests/farm/farm/programs.h"

#include "common/must.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATE_LIMIT_MS 30000
#define UP_LIMIT_MS     60000
#define READY_LIMIT_MS  40000
#define AGENT_STOP_MS   30000  /* an act in hand may end */
#define WINE_LIMIT_MS   180000 /* a Windows boots, four at a time */

void parts_agent_name(char out[32], unsigned index)
{
    char name[FARM_NAME_MAX];
    farm_server_name(name, index);
    text_format(out, 32, "agent-%s", name);
}

/* --- lab servers --- */

/* What one job needs to keep alive while it runs. */
struct server_paths {
    char tool[PATH_MAX], wine[PATH_MAX], prefix[PATH_MAX];
    char dir[PATH_MAX], config[PATH_MAX], lab[PATH_MAX];
    char name[FARM_NAME_MAX], port[16];
};

static enum error_code fill_paths(const struct farm *f, unsigned index, struct server_paths *p,
                                  struct error *err)
{
    farm_server_name(p->name, index);
    farm_path(p->prefix, f, "wine/%s", p->name);
    farm_server_path(p->dir, f, "servers/%s", p->name);
    farm_server_path(p->config, f, "conf/%s.config", p->name);
    farm_server_path(p->lab, f, "conf/%s.lab", p->name);
    text_format(p->port, sizeof(p->port), "%u", farm_port_server(f, index));
    enum error_code code = ERR_NONE;
    if (f->windows)
        code = programs_find(PROGRAM_WINE, p->wine, err);
    if (code == ERR_NONE)
        code = programs_find(f->windows ? PROGRAM_WINDOWS_LAB_SC : PROGRAM_LAB_SC, p->tool, err);
    return code;
}

/* lab-sc with that verb, in the server's own Windows where it has one. There the power plug is that
 * of Wine: nothing of it is left. */
static void fill_job(const struct farm *f, const struct server_paths *p, const char *verb,
                     struct proc_job *job)
{
    size_t at = 0;
    bool ends = strcmp(verb, "down") == 0 || strcmp(verb, "crash") == 0;
    *job = (struct proc_job){.argv = {NULL}};
    text_format(job->name, sizeof(job->name), "lab-%s", p->name);
    if (f->windows) {
        job->argv[at++] = p->wine;
        job->argv[at++] = ends ? "--end" : "--in";
        job->argv[at++] = p->prefix;
    }
    if (f->windows && ends)
        return;
    job->argv[at++] = p->tool;
    job->argv[at++] = verb;
    job->argv[at++] = p->dir;
    if (strcmp(verb, "create") != 0)
        return;
    const char *const more[] = {"--name",   p->name,   "--port", p->port,
                                "--config", p->config, "--lab",  p->lab};
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        job->argv[at++] = more[i];
}

static enum error_code servers_do(const struct farm *f, unsigned first, unsigned count,
                                  const char *verb, unsigned limit_ms, struct error *err)
{
    struct server_paths *paths = must_alloc(count, sizeof(*paths));
    struct proc_job *jobs = must_alloc(count, sizeof(*jobs));
    enum error_code code = ERR_NONE;
    for (unsigned i = 0; i < count && code == ERR_NONE; i++) {
        code = fill_paths(f, first + i, &paths[i], err);
        fill_job(f, &paths[i], verb, &jobs[i]);
    }
    if (code == ERR_NONE)
        code = proc_run_all(f, jobs, count, f->windows ? WINE_LIMIT_MS : limit_ms, err);
    free(jobs);
    free(paths);
    return code;
}

enum error_code parts_create_servers(const struct farm *f, struct error *err)
{
    return servers_do(f, 0, f->servers, "create", CREATE_LIMIT_MS, err);
}

enum error_code parts_start_servers(const struct farm *f, struct error *err)
{
    return servers_do(f, 0, f->servers, "up", UP_LIMIT_MS, err);
}

enum error_code parts_stop_servers(const struct farm *f, struct error *err)
{
    return servers_do(f, 0, f->servers, "down", UP_LIMIT_MS, err);
}

enum error_code parts_server(const struct farm *f, unsigned index, const char *verb,
                             struct error *err)
{
    return servers_do(f, index, 1, verb, UP_LIMIT_MS, err);
}

/* --- processes --- */

enum error_code parts_start_coordinator(const struct farm *f, struct error *err)
{
    char tool[PATH_MAX], config[PATH_MAX];
    enum error_code code = programs_find(PROGRAM_COORDINATOR, tool, err);
    farm_path(config, f, "conf/coordinator.conf");
    const char *argv[] = {tool, "--config", config, NULL};
    return code != ERR_NONE ? code : proc_start(f, "coordinator", argv, err);
}

/* With its server's boot id; whoever may not mount has this machine's, which no reboot of a server
 * changes. */
static enum error_code start_agent_booted(const struct farm *f, const char *server,
                                          const char *name, const char *const *argv,
                                          struct error *err)
{
    char boot_id[PATH_MAX];
    struct error why = {0};
    farm_server_path(boot_id, f, "servers/%s/boot_id", server);
    enum error_code code = proc_start_booted(f, name, argv, boot_id, &why);
    return code == ERR_DENIED ? proc_start(f, name, argv, err)
           : code == ERR_NONE ? code
                              : error_set(err, code, "%s", why.text);
}

enum error_code parts_start_agent(const struct farm *f, unsigned index, struct error *err)
{
    char wine[PATH_MAX], prefix[PATH_MAX], tool[PATH_MAX], config[PATH_MAX];
    char server[FARM_NAME_MAX], name[32];
    enum error_code code =
        programs_find(f->windows ? PROGRAM_WINDOWS_AGENT : PROGRAM_AGENT, tool, err);
    if (code == ERR_NONE && f->windows)
        code = programs_find(PROGRAM_WINE, wine, err);
    farm_server_name(server, index);
    farm_path(prefix, f, "wine/%s", server);
    farm_server_path(config, f, "conf/%s.agent", server);
    parts_agent_name(name, index);
    const char *argv[] = {wine, "--in", prefix, tool, "--config", config, NULL};
    if (code != ERR_NONE)
        return code;
    return f->windows ? proc_start(f, name, argv, err)
                      : start_agent_booted(f, server, name, argv + 3, err);
}

enum error_code parts_reboot(const struct farm *f, unsigned index, struct error *err)
{
    char name[32];
    parts_agent_name(name, index);
    proc_stop(f, name, AGENT_STOP_MS);
    enum error_code code = parts_server(f, index, "down", err);
    if (code == ERR_NONE)
        code = parts_server(f, index, "up", err);
    return code != ERR_NONE ? code : parts_start_agent(f, index, err);
}

enum error_code parts_start_balancer(const struct farm *f, struct error *err)
{
    char tool[PATH_MAX], config[PATH_MAX];
    enum error_code code = programs_find(PROGRAM_HAPROXY, tool, err);
    farm_path(config, f, "conf/haproxy.cfg");
    const char *argv[] = {tool, "-db", "-f", config, NULL};
    return code != ERR_NONE ? code : proc_start(f, "haproxy", argv, err);
}

enum error_code parts_reload_balancer(const struct farm *f, struct error *err)
{
    char tool[PATH_MAX], config[PATH_MAX], socket[108], pid[16];
    enum error_code code = programs_find(PROGRAM_HAPROXY, tool, err);
    farm_path(config, f, "conf/haproxy.cfg");
    farm_socket(socket, f, "haproxy");
    text_format(pid, sizeof(pid), "%d", (int)proc_pid(f, "haproxy"));
    const char *argv[] = {tool, "-db", "-f", config, "-x", socket, "-sf", pid, NULL};
    if (code == ERR_NONE)
        code = proc_rename(f, "haproxy", "haproxy-old", err);
    return code != ERR_NONE ? code : proc_start(f, "haproxy", argv, err);
}

enum error_code parts_start_visitors(const struct farm *f, struct error *err)
{
    char tool[PATH_MAX], to[32], rate[16], slow[32], socket[108], out[PATH_MAX];
    enum error_code code = programs_find(PROGRAM_VISITORS, tool, err);
    unsigned port = f->balancer ? farm_port_front(f) : farm_port_server(f, 0);
    text_format(to, sizeof(to), "127.0.0.1:%u", port);
    text_format(rate, sizeof(rate), "%u", f->rate);
    farm_socket(socket, f, "visitors");
    farm_path(out, f, "visitors.json");
    text_format(slow, sizeof(slow), "1:/slow?ms=%u", f->slow_ms ? f->slow_ms : 60);
    const char *argv[] = {tool,
                          "--to",
                          to,
                          "--rate",
                          rate,
                          "--path",
                          "18:/",
                          "--path",
                          "3:/slow?ms=60",
                          "--path",
                          "6:/api/orders",
                          "--path",
                          slow,
                          "--socket",
                          socket,
                          "--out",
                          out,
                          NULL};
    return code != ERR_NONE ? code : proc_start(f, "visitors", argv, err);
}

enum error_code parts_start_guard(const struct farm *f, int pid, struct error *err)
{
    char tool[PATH_MAX], number[16];
    enum error_code code = programs_find(PROGRAM_FARM, tool, err);
    text_format(number, sizeof(number), "%d", pid);
    const char *argv[] = {tool, "guard", "--dir", f->dir, number, NULL};
    return code != ERR_NONE ? code : proc_start(f, "guard", argv, err);
}

/* --- readiness --- */

struct waiting {
    const struct farm *f;
    struct error last; /* why not yet */
    unsigned ready;
    const char *dead; /* the part that ended while it was waited for */
    bool again;       /* an agent was started a second time */
    char name[32];
};

static bool has_ended(struct waiting *w, const char *name)
{
    if (proc_pid(w->f, name))
        return false;
    text_copy(w->name, sizeof(w->name), name);
    w->dead = w->name;
    return true;
}

/* Wine 8 has lost a program at its very start, before it said a word (seen once, on a machine that
 * was busy). One per farm is started again, as the service manager of a real Windows would, and
 * what is known of its end is shown. */
static bool started_again(struct waiting *w, unsigned index)
{
    if (!w->f->windows || w->again)
        return false;
    w->again = true;
    proc_show_log(w->f, w->dead, 15);
    fprintf(stderr, "farm: %s ended while it started; it is started again\n", w->dead);
    if (parts_start_agent(w->f, index, &w->last) != ERR_NONE)
        return false;
    w->dead = NULL;
    return true;
}

static bool any_ended(struct waiting *w)
{
    char name[32];
    if (has_ended(w, "coordinator"))
        return true;
    for (unsigned i = 0; i < w->f->servers; i++) {
        parts_agent_name(name, i);
        if (has_ended(w, name) && !started_again(w, i))
            return true;
    }
    return false;
}

static unsigned count_fresh(json_t *answer)
{
    size_t i;
    json_t *server;
    unsigned fresh = 0;
    json_array_foreach(json_object_get(answer, "servers"), i, server)
    {
        const char *presence = json_string_value(json_object_get(server, "presence"));
        fresh += presence && strcmp(presence, "fresh") == 0;
    }
    return fresh;
}

static bool is_settled(const struct farm *f, struct error *err)
{
    json_t *status = ask_coordinator(f, "/v1/status", err);
    json_t *coordinator = json_object_get(status, "coordinator");
    bool settled = coordinator && !json_is_true(json_object_get(coordinator, "settling"));
    json_decref(status);
    return settled;
}

static bool agents_ready(void *arg)
{
    struct waiting *w = arg;
    if (any_ended(w))
        return true;
    json_t *answer = ask_coordinator(w->f, "/v1/servers", &w->last);
    w->ready = count_fresh(answer);
    json_decref(answer);
    return w->ready == w->f->servers && is_settled(w->f, &w->last);
}

enum error_code parts_wait_agents(const struct farm *f, struct error *err)
{
    struct waiting w = {.f = f};
    enum error_code code =
        proc_poll(agents_ready, &w, READY_LIMIT_MS, "the coordinator knows every agent", err);
    if (code == ERR_NONE && w.dead) {
        proc_show_log(f, w.dead, 15);
        return error_set(err, ERR_STATE, "%s ended while the farm was starting", w.dead);
    }
    if (code == ERR_TIMEOUT) {
        proc_show_log(f, "coordinator", 15);
        return error_set(
            err, code, "only %u of %u agents are known to the coordinator after %u s%s%s", w.ready,
            f->servers, READY_LIMIT_MS / 1000, w.last.code ? ": " : "", w.last.text);
    }
    return code;
}

static void count_up(void *arg, const char *backend, const char *server, const char *status,
                     const char *sessions)
{
    struct waiting *w = arg;
    (void)backend;
    (void)server;
    (void)sessions;
    w->ready += strcmp(status, "UP") == 0;
}

static bool balancer_ready(void *arg)
{
    struct waiting *w = arg;
    w->ready = 0;
    if (has_ended(w, "haproxy"))
        return true;
    return ask_balancer(w->f, count_up, w, &w->last) == ERR_NONE && w->ready == 2 * w->f->servers;
}

enum error_code parts_wait_balancer(const struct farm *f, struct error *err)
{
    struct waiting w = {.f = f};
    enum error_code code =
        proc_poll(balancer_ready, &w, READY_LIMIT_MS, "the balancer finds every server up", err);
    if (code == ERR_TIMEOUT || w.dead)
        proc_show_log(f, "haproxy", 15);
    if (code == ERR_NONE && w.dead)
        return error_set(err, ERR_STATE, "haproxy ended while the farm was starting");
    if (code == ERR_TIMEOUT)
        return error_set(err, code, "the balancer finds only %u of %u server lines up after %u s",
                         w.ready, 2 * f->servers, READY_LIMIT_MS / 1000);
    return code;
}

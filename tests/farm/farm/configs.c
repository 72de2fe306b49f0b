/* configs.c - see configs.h. */
#include "tests/farm/farm/configs.h"

#include "tests/farm/farm/ini.h"

#include "common/os.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

/* --- one lab server --- */

struct pool_config {
    const char *name;
    const char *path; /* of its application */
    const char *attributes;
    const char *process_model; /* its attributes */
    const char *inside;        /* further elements */
    bool preload;
};

/* Reports runs under an account, so that its password is there to be leaked: tests look for it. */
static const struct pool_config pools[] = {
    {"Shop", "/", "autoStart=\"true\" startMode=\"AlwaysRunning\"",
     "idleTimeout=\"00:00:00\" shutdownTimeLimit=\"00:00:10\" startupTimeLimit=\"00:00:10\"",
     "<recycling disallowOverlappingRotation=\"false\"><periodicRestart time=\"00:00:00\" />"
     "</recycling>",
     true},
    {"Api", "/api", "autoStart=\"true\" startMode=\"OnDemand\"",
     "idleTimeout=\"00:00:00\" shutdownTimeLimit=\"00:00:10\"",
     "<recycling><periodicRestart time=\"00:00:00\" /></recycling>", false},
    {"Reports", "/reports", "autoStart=\"true\" startMode=\"OnDemand\"",
     "identityType=\"SpecificUser\" userName=\"SHOP\\reports\" password=\"" CONFIGS_PASSWORD "\"",
     "", false},
    {"Old", "/old", "autoStart=\"false\" startMode=\"OnDemand\"", "", "", false},
    {CONFIGS_ODD_XML, "/odd", "autoStart=\"true\" startMode=\"AlwaysRunning\"",
     "idleTimeout=\"00:00:00\" shutdownTimeLimit=\"00:00:10\"", "", false},
};

/* The last one is there on Windows alone. */
static size_t pool_count(const struct farm *f)
{
    return sizeof(pools) / sizeof(pools[0]) - (f->windows ? 0 : 1);
}

static void add_pools(struct text *out, const struct farm *f, unsigned garden)
{
    text_add(out, "    <applicationPools>\n");
    for (size_t i = 0; i < pool_count(f); i++)
        text_addf(out,
                  "      <add name=\"%s\" managedRuntimeVersion=\"v4.0\" %s>"
                  "<processModel maxProcesses=\"%u\" %s />%s</add>\n",
                  pools[i].name, pools[i].attributes, i == 0 ? garden : 1, pools[i].process_model,
                  pools[i].inside);
    text_add(out, "    </applicationPools>\n");
}

static void add_site(struct text *out, const struct farm *f, unsigned port)
{
    text_add(out, "    <sites>\n"
                  "      <site name=\"Shop\" id=\"1\" serverAutoStart=\"true\">\n");
    for (size_t i = 0; i < pool_count(f); i++)
        text_addf(out,
                  "        <application path=\"%s\" applicationPool=\"%s\" preloadEnabled=\"%s\">"
                  "<virtualDirectory path=\"/\" physicalPath=\"sites/Shop\" /></application>\n",
                  pools[i].path, pools[i].name, pools[i].preload ? "true" : "false");
    text_addf(out,
              "        <bindings><binding protocol=\"http\""
              " bindingInformation=\"127.0.0.1:%u:\" /></bindings>\n"
              "      </site>\n"
              "    </sites>\n",
              port);
}

static enum error_code write_host_config(const struct farm *f, unsigned index, const char *path,
                                         unsigned garden, struct error *err)
{
    struct text out = {0};
    text_add(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<configuration>\n"
                   "  <system.applicationHost>\n");
    add_pools(&out, f, garden);
    add_site(&out, f, farm_port_server(f, index));
    text_add(&out, "  </system.applicationHost>\n"
                   "</configuration>\n");
    enum error_code code = os_write_file(path, text_get(&out), out.len, 0644, err);
    text_reset(&out);
    return code;
}

/* Applies those meant for everybody (no NAME) or for this server. */
static enum error_code apply(struct ini *ini, const char *const *list, size_t count,
                             const char *server, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *colon = strchr(list[i], ':');
        const char *sign = strchr(list[i], '=');
        const char *assignment = list[i];
        if (colon && (!sign || colon < sign)) {
            size_t len = (size_t)(colon - list[i]);
            if (strlen(server) != len || strncmp(server, list[i], len) != 0)
                continue;
            assignment = colon + 1;
        }
        enum error_code code = ini_override(ini, assignment, err);
        if (code != ERR_NONE)
            return code;
    }
    return ERR_NONE;
}

static enum error_code write_lab(const char *name, const char *path,
                                 const struct configs_overrides *o, struct error *err)
{
    struct ini *ini = ini_new();
    ini_set(ini, "server", "name", "%s", name);
    ini_set(ini, "server", "appcmd_delay_ms", "130-280");
    ini_set(ini, "server", "worker_start_ms", "80");
    ini_set(ini, "pool Shop", "worker_start_ms", "400");
    enum error_code code = apply(ini, o->lab, o->lab_count, name, err);
    if (code == ERR_NONE)
        code = ini_write(ini, path, err);
    ini_free(ini);
    return code;
}

/* --- the agent of one server --- */

static void fill_agent(struct ini *ini, const struct farm *f, unsigned index, const char *name)
{
    unsigned port = farm_port_server(f, index);
    ini_set(ini, "agent", "name", "%s", name);
    if (!f->tls) { /* else joining tells it */
        ini_set(ini, "agent", "coordinator", "tcp://127.0.0.1:%u", farm_port_coordinator(f));
        ini_set(ini, "agent", "without_tls", "loopback-only");
    }
    char path[PATH_MAX];
    const char *exe = f->windows ? ".exe" : "";
    farm_server_path(path, f, "agents/%s", name);
    ini_set(ini, "agent", "data_dir", "%s", path);
    ini_set(ini, "agent", "heartbeat", "1s");
    ini_set(ini, "agent", "beat", "250ms");
    ini_set(ini, "agent", "look_every", "30s");
    ini_set(ini, "agent", "reconnect_min", "250ms");
    ini_set(ini, "agent", "reconnect_max", "1s");
    ini_set(ini, "allow", "verbs", "recycle, start, stop, set");
    ini_set(ini, "allow", "pools", "*");
    ini_set(ini, "allow", "cool_down", "1s");
    ini_set(ini, "allow", "max_per_hour", "1000");
    farm_server_path(path, f, "servers/%s", name);
    ini_set(ini, "iis", "appcmd", "%s/inetsrv/appcmd%s", path, exe);
    ini_set(ini, "iis", "worker", "%s/inetsrv/w3wp.exe", path);
    ini_set(ini, "iis", "service_backend", f->windows ? "windows" : "lab");
    if (!f->windows)
        ini_set(ini, "iis", "service_tool", "%s/inetsrv/sc", path);
    ini_set(ini, "iis", "config", "%s/applicationHost.config", path);
    ini_set(ini, "probe Shop", "url", "http://127.0.0.1:%u/health", port);
    ini_set(ini, "probe Api", "url", "http://127.0.0.1:%u/api/health", port);
    ini_set(ini, "probe Reports", "url", "http://127.0.0.1:%u/reports/health", port);
    ini_set(ini, "probe Old", "url", "http://127.0.0.1:%u/old/health", port);
}

static enum error_code write_agent(const struct farm *f, unsigned index, const char *name,
                                   const char *path, const struct configs_overrides *o,
                                   struct error *err)
{
    struct ini *ini = ini_new();
    fill_agent(ini, f, index, name);
    enum error_code code = apply(ini, o->agent, o->agent_count, name, err);
    if (code == ERR_NONE)
        code = ini_write(ini, path, err);
    ini_free(ini);
    return code;
}

static enum error_code write_server(const struct farm *f, unsigned index,
                                    const struct configs_overrides *o, struct error *err)
{
    char name[FARM_NAME_MAX], path[PATH_MAX];
    farm_server_name(name, index);
    farm_path(path, f, "conf/%s.config", name);
    enum error_code code = write_host_config(f, index, path, o->garden, err);
    farm_path(path, f, "conf/%s.lab", name);
    if (code == ERR_NONE)
        code = write_lab(name, path, o, err);
    farm_path(path, f, "conf/%s.agent", name);
    if (code == ERR_NONE)
        code = write_agent(f, index, name, path, o, err);
    return code;
}

/* --- the coordinator --- */

static void fill_coordinator(struct ini *ini, const struct farm *f)
{
    char socket[108], section[64], name[FARM_NAME_MAX];
    farm_socket(socket, f, "farmhand");
    ini_set(ini, "coordinator", "listen", "%stcp://127.0.0.1:%u", f->tls ? "tls+" : "",
            farm_port_coordinator(f));
    if (f->tls) {
        ini_set(ini, "coordinator", "https", "127.0.0.1:0");
        ini_set(ini, "coordinator", "address", "127.0.0.1");
    } else {
        ini_set(ini, "coordinator", "without_tls", "loopback-only");
    }
    ini_set(ini, "coordinator", "socket", "%s", socket);
    ini_set(ini, "coordinator", "data_dir", "%s/coordinator", f->dir);
    ini_set(ini, "coordinator", "silent_after", "4s");
    ini_set(ini, "coordinator", "settle", "2s");
    ini_set(ini, "budget", "max_out", "1");
    ini_set(ini, "defaults", "soak", "1s");
    ini_set(ini, "defaults", "limit", "1m");
    ini_set(ini, "defaults", "gate_passes", "3");
    ini_set(ini, "defaults", "gate_min", "1s");
    ini_set(ini, "defaults", "gate_deadline", "20s");
    ini_set(ini, "defaults", "gate_interval", "300ms");
    ini_set(ini, "defaults", "drain_limit", "20s");
    for (unsigned i = 0; i < f->servers; i++) {
        farm_server_name(name, i);
        text_format(section, sizeof(section), "server %s", name);
        ini_set(ini, section, "labels", "farm=web, zone=%c", i % 2 ? 'b' : 'a');
    }
    if (!f->balancer)
        return;
    farm_socket(socket, f, "haproxy");
    ini_set(ini, "haproxy lb1", "address", "%s", socket);
    ini_set(ini, "haproxy lb1", "timeout", "3s");
    ini_set(ini, "backend shop", "balancers", "lb1");
    ini_set(ini, "backend shop", "pools", "Shop");
    ini_set(ini, "backend shop", "name", "{server}");
    ini_set(ini, "backend api", "balancers", "lb1");
    ini_set(ini, "backend api", "pools", "Api");
    ini_set(ini, "backend api", "name", "{server}");
}

static enum error_code write_coordinator(const struct farm *f, const struct configs_overrides *o,
                                         struct error *err)
{
    char path[PATH_MAX];
    struct ini *ini = ini_new();
    fill_coordinator(ini, f);
    farm_path(path, f, "conf/coordinator.conf");
    enum error_code code = apply(ini, o->coordinator, o->coordinator_count, "", err);
    if (code == ERR_NONE)
        code = ini_write(ini, path, err);
    ini_free(ini);
    return code;
}

/* --- the balancer --- */

static void add_backend(struct text *out, const struct farm *f, const char *name,
                        const char *health)
{
    char server[FARM_NAME_MAX];
    text_addf(out,
              "\nbackend %s\n"
              "    balance roundrobin\n"
              "    option httpchk\n"
              "    http-check send meth GET uri %s ver HTTP/1.1 hdr Host shop.example\n"
              "    http-check expect status 200\n"
              "    default-server check inter 250ms fall 2 rise 2\n",
              name, health);
    for (unsigned i = 0; i < f->servers; i++) {
        farm_server_name(server, i);
        text_addf(out, "    server %s 127.0.0.1:%u\n", server, farm_port_server(f, i));
    }
}

static enum error_code write_haproxy(const struct farm *f, struct error *err)
{
    char path[PATH_MAX], socket[108];
    struct text out = {0};
    farm_socket(socket, f, "haproxy");
    text_addf(&out,
              "# The farm's balancer. Nothing here hides a lost request: no retry, no redispatch.\n"
              "global\n"
              "    stats socket %s mode 600 level admin expose-fd listeners\n"
              "    stats timeout 1m\n"
              "    maxconn 4000\n"
              "    nbthread 1\n"
              "\ndefaults\n"
              "    mode http\n"
              "    retries 0\n"
              "    no option redispatch\n"
              "    timeout connect 2s\n"
              "    timeout client 60s\n"
              "    timeout server 30s\n"
              "    timeout queue 2s\n"
              "    timeout check 1s\n"
              "\nfrontend visitors\n"
              "    bind 127.0.0.1:%u\n"
              "    use_backend api if { path_beg /api }\n"
              "    default_backend shop\n"
              "\nfrontend stats\n"
              "    bind 127.0.0.1:%u\n"
              "    stats enable\n"
              "    stats uri /\n"
              "    stats refresh 1s\n",
              socket, farm_port_front(f), farm_port_stats(f));
    add_backend(&out, f, "shop", "/health");
    add_backend(&out, f, "api", "/api/health");
    farm_path(path, f, "conf/haproxy.cfg");
    enum error_code code = os_write_file(path, text_get(&out), out.len, 0644, err);
    text_reset(&out);
    return code;
}

enum error_code configs_write(const struct farm *f, const struct configs_overrides *o,
                              struct error *err)
{
    enum error_code code = ERR_NONE;
    for (unsigned i = 0; i < f->servers && code == ERR_NONE; i++)
        code = write_server(f, i, o, err);
    if (code == ERR_NONE)
        code = write_coordinator(f, o, err);
    if (code == ERR_NONE)
        code = write_haproxy(f, err);
    return code;
}

/* rig_iis.c - the iis driver on a lab server (tests/lab/LAB.md). */
#include "agent/drivers/iis.h"
#include "agent/drivers/tcp.h"
#include "common/clock.h"
#include "common/http.h"
#include "common/must.h"
#include "common/os.h"
#include "common/process.h"
#include "common/text.h"
#include "tests/contract/rig.h"
#include "tests/contract/rig_iis_os.h"
#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/socket.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS            3
#define SETTLE_MS        20000
#define SECRET_BACKWARDS "1y-nrob-tsrif-eht-fo-terces"

/* Workers are killed 4 s after they were told to stop. Names in the order of the ports. */
static const char config_text[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<configuration><system.applicationHost><applicationPools>\n"
    "<add name=\"Shop\" startMode=\"AlwaysRunning\">"
    "<processModel identityType=\"SpecificUser\" userName=\"FARM\\shop\" password=\"@SECRET@\" "
    "idleTimeout=\"00:00:00\" shutdownTimeLimit=\"00:00:08\" /></add>\n"
    "<add name=\"Garden\" startMode=\"AlwaysRunning\">"
    "<processModel maxProcesses=\"3\" idleTimeout=\"00:00:00\" shutdownTimeLimit=\"00:00:04\" />"
    "</add>\n"
    "<add name=\"Idle\" />\n"
    "<add name=\"B\xC3\xBCro &amp; S\xC3\xB6hne, (Q4) /x\" startMode=\"AlwaysRunning\" />\n"
    "<add name=\"&quot;\xE5\x95\x86\xE5\xBA\x97&quot; 7\" startMode=\"AlwaysRunning\" />\n"
    "<applicationPoolDefaults><processModel identityType=\"ApplicationPoolIdentity\" />"
    "</applicationPoolDefaults></applicationPools>\n"
    "<sites>"
    "<site name=\"Shop\" id=\"1\"><application path=\"/\" applicationPool=\"Shop\" "
    "preloadEnabled=\"true\"><virtualDirectory path=\"/\" physicalPath=\"sites/Shop\" />"
    "</application><application path=\"/idle\" applicationPool=\"Idle\">"
    "<virtualDirectory path=\"/\" physicalPath=\"sites/Idle\" /></application>"
    "<bindings><binding protocol=\"http\" bindingInformation=\"127.0.0.1:%u:\" "
    "/></bindings></site>\n"
    "<site name=\"Garden\" id=\"2\"><application path=\"/\" applicationPool=\"Garden\">"
    "<virtualDirectory path=\"/\" physicalPath=\"sites/Garden\" /></application>"
    "<bindings><binding protocol=\"http\" bindingInformation=\"127.0.0.1:%u:\" "
    "/></bindings></site>\n"
    "<site name=\"B\xC3\xBCro\" id=\"3\"><application path=\"/\" "
    "applicationPool=\"B\xC3\xBCro &amp; S\xC3\xB6hne, (Q4) /x\">"
    "<virtualDirectory path=\"/\" physicalPath=\"sites/Odd\" /></application>"
    "<bindings><binding protocol=\"http\" bindingInformation=\"127.0.0.1:%u:\" "
    "/></bindings></site>\n"
    "</sites></system.applicationHost></configuration>\n";

static const char lab_text[] = "[server]\n"
                               "name = contract\n"
                               "appcmd_delay_ms = 5\n"
                               "worker_start_ms = 30\n"
                               "[service NetTcpActivator]\n"
                               "start = auto\n"
                               "depends = WAS\n"
                               "[service Lodger]\n"
                               "start = demand\n"
                               "host = iissvcs\n";

struct rig_iis {
    struct rig rig;
    char *folder, *server;
    char *sc, *appcmd;
    uint16_t ports[PORTS];
    int visitor; /* the connection of a request under way; -1: none */
    struct iis_settings settings;
};

static void sleep_ms(unsigned ms)
{
    lab_os_sleep_ms(ms);
}

static char *join(const char *folder, const char *name)
{
    struct text path = {0};
    text_addf(&path, "%s/%s", folder, name);
    return text_take(&path);
}

#define START_TRIES 5

/* Wine on a busy machine now and then fails to start a process ("Internal error"): the world that a
 * driver is tried on must not end by that. */
static enum error_code run_or_try_again(const struct process_call *call, struct process_result *out,
                                        struct error *err)
{
    enum error_code code = process_run(call, out, err);
    for (int i = 1; code == ERR_IO && i < START_TRIES; i++) {
        sleep_ms(300);
        code = process_run(call, out, err);
    }
    return code;
}

/* Runs a program; its output where asked for. Gives back its whole exit code. */
static uint32_t run(const char *const *argv, char **output)
{
    struct process_call call = {.argv = argv,
                                .timeout_ms = 60000,
                                .output_max_bytes = 1 << 20,
                                .exit_fd_env = "FARMHAND_EXIT_FD"};
    struct process_result result;
    struct error err;
    if (run_or_try_again(&call, &result, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    if (output)
        *output = result.output;
    else
        free(result.output);
    return result.exit_code;
}

#define RUN(output, ...) run((const char *const[]){__VA_ARGS__, NULL}, output)

static json_t *run_json(const char *program, const char *a, const char *b)
{
    char *output;
    const char *argv[] = {program, a, b, NULL};
    run(argv, &output);
    json_t *answer = json_loads(output, 0, NULL);
    free(output);
    must(answer != NULL);
    return answer;
}

/* ---- building the server ---- */

/* All at once, so that no two are the same. */
static void choose_ports(uint16_t ports[PORTS])
{
    int fds[PORTS];
    for (size_t i = 0; i < PORTS; i++) {
        fds[i] = socket_listen_tcp("127.0.0.1", 0, NULL);
        must(fds[i] >= 0);
        ports[i] = (uint16_t)socket_port(fds[i]);
    }
    for (size_t i = 0; i < PORTS; i++)
        socket_close(fds[i]);
}

static char *write_file(const char *folder, const char *name, const char *content)
{
    char *path = join(folder, name);
    must(os_write_file(path, content, strlen(content), 0644, NULL) == ERR_NONE);
    return path;
}

static char *write_config(struct rig_iis *r)
{
    struct text text = {0};
    text_addf(&text, config_text, r->ports[0], r->ports[1], r->ports[2]);
    char *raw = write_file(r->folder, "raw.config", text_get(&text));
    char *done = join(r->folder, "done.config");
    rig_iis_put_secret(raw, done, SECRET_BACKWARDS);
    text_reset(&text);
    free(raw);
    return done;
}

static void create_server(struct rig_iis *r)
{
    char folder[LAB_PATH_MAX];
    must(lab_os_temp("farmhand contract ", folder, NULL));
    r->folder = must_copy(folder);
    r->server = join(r->folder, "web01");
    choose_ports(r->ports);
    char *config = write_config(r);
    char *lab = write_file(r->folder, "lab.conf", lab_text);
    must(RUN(NULL, LAB_PROGRAMS "/lab-sc" LAB_EXE, "create", r->server, "--config", config, "--lab",
             lab) == 0);
    free(config);
    free(lab);
    r->sc = join(r->server, "inetsrv/sc" LAB_EXE);
    r->appcmd = join(r->server, "inetsrv/appcmd" LAB_EXE);
}

static void open_driver(struct rig_iis *r)
{
    struct error err;
    if (iis_open(&r->settings, &r->rig.driver, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

static void fill_settings(struct rig_iis *r)
{
    iis_settings_init(&r->settings);
    r->settings.appcmd = must_copy(r->appcmd);
    r->settings.worker = join(r->server, "inetsrv/w3wp.exe");
    r->settings.config = join(r->server, "applicationHost.config");
    r->settings.service_tool = must_copy(r->sc);
    while (!text_equal(scm_names[r->settings.service_backend], rig_iis_backend)) {
        r->settings.service_backend++;
        must(scm_names[r->settings.service_backend] != NULL);
    }
    r->settings.services_every_ms = 1;
}

/* ---- back to the beginning ---- */

/* In an answer of `sc --json query`; -1: there is none. */
static json_int_t service_number(const json_t *answer, const char *name, const char *key)
{
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(answer, "services"), i, service)
    {
        if (text_equal(json_string_value(json_object_get(service, "name")), name))
            return json_integer_value(json_object_get(service, key));
    }
    return -1;
}

static bool service_is(struct rig_iis *r, const char *name, int state)
{
    json_t *answer = run_json(r->sc, "--json", "query");
    bool is = service_number(answer, name, "state") == state;
    json_decref(answer);
    return is;
}

static void wait_service(struct rig_iis *r, const char *name, int state)
{
    uint64_t deadline = clock_boot_ms() + SETTLE_MS;
    while (!service_is(r, name, state)) {
        must(clock_boot_ms() < deadline);
        sleep_ms(20);
    }
}

static const char *pool_word(const json_t *pool, const char *key)
{
    return json_string_value(json_object_get(pool, key));
}

/* In an answer of `lab-sc counters`: with as many workers as it should have, all of them ready. */
static bool pool_is_settled(const json_t *pool)
{
    const char *name = pool_word(pool, "name");
    json_t *worker, *workers = json_object_get(pool, "workers");
    size_t i, want = text_equal(name, "Garden") ? 3 : text_equal(name, "Idle") ? 0 : 1;
    bool fits = json_array_size(workers) == want && text_equal(pool_word(pool, "state"), "Started");
    json_array_foreach(workers, i, worker)
    {
        fits &= text_equal(pool_word(worker, "state"), "Running");
    }
    return fits;
}

static bool is_settled(struct rig_iis *r)
{
    json_t *answer = run_json(r->sc, "counters", NULL);
    size_t good = 0, i;
    json_t *pool;
    json_array_foreach(json_object_get(answer, "pools"), i, pool)
    {
        good += pool_is_settled(pool);
    }
    json_decref(answer);
    return good == 5;
}

/* The lab looks at its faults a few times a second. */
static void wait_port(uint16_t port, bool open)
{
    uint64_t deadline = clock_boot_ms() + SETTLE_MS;
    uint32_t elapsed;
    while ((tcp_connect("127.0.0.1", port, 1000, &elapsed, NULL) == ERR_NONE) != open) {
        must(clock_boot_ms() < deadline);
        sleep_ms(20);
    }
}

static void start_pool(struct rig_iis *r, const char *pool)
{
    struct text name = {0};
    text_addf(&name, "/apppool.name:%s", pool);
    RUN(NULL, r->appcmd, "set", "apppool", name.data, "/autoStart:true");
    RUN(NULL, r->appcmd, "start", "apppool", name.data);
    text_reset(&name);
}

/* The file holds the secret that must not be found in our memory: one buffer, and wiped. */
static bool some_do_not_start(const struct rig_iis *r)
{
    char config[32768];
    size_t len = 0;
    must(os_read_at(r->settings.config, 0, config, sizeof(config) - 1, &len, NULL) == ERR_NONE);
    must(len < sizeof(config) - 1);
    config[len] = '\0';
    bool some = strstr(config, "autoStart=\"false\"") != NULL;
    text_wipe(config, sizeof(config));
    return some;
}

/* What a test left stopped, or told not to start by itself. Idle has to lose its worker, where it
 * got one. A program takes long to start on some systems: only what is amiss is put right. True:
 * nothing was. */
static bool reset_pools(struct rig_iis *r)
{
    bool all = some_do_not_start(r);
    json_t *answer = run_json(r->sc, "counters", NULL);
    size_t i, good = 0;
    json_t *pool;
    json_array_foreach(json_object_get(answer, "pools"), i, pool)
    {
        const char *name = pool_word(pool, "name");
        good += pool_is_settled(pool);
        bool idles = text_equal(name, r->rig.idle);
        bool has_workers = json_array_size(json_object_get(pool, "workers")) > 0;
        if (idles && has_workers)
            RUN(NULL, r->appcmd, "stop", "apppool", "/apppool.name:Idle");
        if (all || (idles && has_workers) || !text_equal(pool_word(pool, "state"), "Started"))
            start_pool(r, name);
    }
    json_decref(answer);
    return !all && good == 5;
}

static void end_visitor(struct rig_iis *r)
{
    if (r->visitor >= 0)
        socket_abort(r->visitor);
    r->visitor = -1;
}

static bool services_are_settled(struct rig_iis *r)
{
    const struct rig_services *s = &r->rig.services;
    if (!rig_iis_knows_needs(s->front) || !rig_iis_knows_needs(s->dependent))
        return false;
    json_t *a = run_json(r->sc, "--json", "query");
    bool settled =
        service_number(a, s->base, "start_type") == 3 && service_number(a, s->base, "state") == 4 &&
        service_number(a, s->front, "start_type") == 2 &&
        service_number(a, s->front, "state") == 4 &&
        service_number(a, s->dependent, "start_type") == 2 &&
        service_number(a, s->dependent, "state") == 4 && service_number(a, s->lodger, "state") == 1;
    json_decref(a);
    return settled;
}

/* A service that a fault holds in its stop is let go by the end of the fault. */
static void reset_services(struct rig_iis *r)
{
    const struct rig_services *services = &r->rig.services;
    if (services_are_settled(r))
        return;
    RUN(NULL, r->sc, "config", services->base, "start=", "demand");
    RUN(NULL, r->sc, "config", services->front, "start=", "auto");
    RUN(NULL, r->sc, "config", services->dependent, "start=", "auto");
    RUN(NULL, r->sc, "stop", services->lodger);
    wait_service(r, services->lodger, 1);
    while (!service_is(r, services->front, 4)) {
        RUN(NULL, r->sc, "start", services->front);
        sleep_ms(20);
    }
    RUN(NULL, r->sc, "start", services->dependent);
    wait_service(r, services->dependent, 4);
}

static void iis_reset(struct rig *rig)
{
    struct rig_iis *r = (struct rig_iis *)rig;
    end_visitor(r);
    rig_iis_hold_config(false);
    must(RUN(NULL, r->sc, "fault", "all", "off") == 0);
    reset_services(r);
    bool settled = reset_pools(r);
    uint64_t deadline = clock_boot_ms() + SETTLE_MS;
    while (!settled && !is_settled(r)) {
        must(clock_boot_ms() < deadline);
        sleep_ms(20);
    }
    wait_port(r->ports[0], true);
    rig->driver->ops->close(rig->driver);
    open_driver(r);
}

/* ---- disturbing and asking ---- */

struct fault {
    const char *name, *scope, *value;
};

static struct fault fault_of(enum disturbance what)
{
    switch (what) {
    case TOOL_HANGS:
        return (struct fault){"appcmd-hangs", NULL, NULL};
    case TOOL_SLOW:
        return (struct fault){"appcmd-slow", NULL, "400"};
    case TOOL_HALF:
        return (struct fault){"appcmd-output", NULL, "half"};
    case TOOL_MARK:
        return (struct fault){"appcmd-output", NULL, "bom"};
    case TOOL_CRLF:
        return (struct fault){"appcmd-output", NULL, "crlf"};
    case TOOL_HUGE:
        return (struct fault){"appcmd-output", NULL, "huge"};
    case TOOL_EMPTY:
        return (struct fault){"appcmd-output", NULL, "empty"};
    case TOOL_NOTHING:
        return (struct fault){"appcmd-output", NULL, "nomatch1"};
    case TOOL_GARBAGE:
        return (struct fault){"appcmd-output", NULL, "garbage"};
    case TOOL_WIDE:
        return (struct fault){"appcmd-output", NULL, "utf16"};
    case LANGUAGE_OEM:
        return (struct fault){"appcmd-language", NULL, "de-cp850"};
    case LANGUAGE_ANSI:
        return (struct fault){"appcmd-language", NULL, "de-cp1252"};
    case LANGUAGE_WIDE:
        return (struct fault){"appcmd-language", NULL, "de-utf16"};
    case LANGUAGE_UTF8:
        return (struct fault){"appcmd-language", NULL, "de-utf8"};
    case ACCESS_DENIED:
        return (struct fault){"access-denied", NULL, NULL};
    case CONFIG_LOCKED:
        return (struct fault){"config-locked", NULL, NULL};
    case CONFIG_BROKEN:
        return (struct fault){"config-broken", NULL, NULL};
    case CONFIG_HELD:
    case MANAGER_DOWN:
        return (struct fault){NULL, NULL, NULL};
    case MANAGER_HANGS:
        return (struct fault){"was-hangs", NULL, NULL};
    case NO_REQUEST_LIST:
        return (struct fault){"no-request-monitor", NULL, "50"};
    case NO_REQUEST_ANSWER:
        return (struct fault){"no-request-monitor", NULL, "empty"};
    case POOL_FAILS:
        return (struct fault){"worker-500", "Shop", "all"};
    case SITE_GONE:
        return (struct fault){"site-refuses", "Shop", NULL};
    case WORKER_STAYS:
        return (struct fault){"worker-ignores-stop", "Shop", NULL};
    case IDLE_REFUSED:
        return (struct fault){"recycle-idle-4312", NULL, NULL};
    case SERVICE_STAYS:
        return (struct fault){"was-stuck", NULL, NULL};
    case SERVICE_REFUSES:
        return (struct fault){"service-refuses-stop", "W3SVC", NULL};
    case SERVICE_DENIED:
        return (struct fault){"service-denied", NULL, NULL};
    case SERVICE_FAILS:
        return (struct fault){"service-start-fails", "WAS", "1066"};
    case SERVICES_LOCKED:
        return (struct fault){"scm-error", "start", "1055"};
    }
    abort();
}

static bool iis_disturb(struct rig *rig, enum disturbance what)
{
    struct rig_iis *r = (struct rig_iis *)rig;
    if (!rig_iis_can(what))
        return false;
    if (what == CONFIG_HELD)
        return rig_iis_hold_config(true);
    if (what == MANAGER_DOWN) {
        RUN(NULL, r->sc, "stop", "W3SVC");
        wait_service(r, "W3SVC", 1);
        RUN(NULL, r->sc, "stop", "NetTcpActivator");
        wait_service(r, "NetTcpActivator", 1);
        RUN(NULL, r->sc, "stop", "WAS");
        wait_service(r, "WAS", 1);
        return true;
    }
    struct fault fault = fault_of(what);
    const char *argv[10] = {r->sc, "fault", fault.name, "on"};
    size_t count = 4;
    if (fault.scope) {
        argv[count++] = "--scope";
        argv[count++] = fault.scope;
    }
    if (fault.value) {
        argv[count++] = "--value";
        argv[count++] = fault.value;
    }
    must(run(argv, NULL) == 0);
    if (what == SITE_GONE)
        wait_port(r->ports[0], false);
    return true;
}

static uint32_t counted(const json_t *pool, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(pool, key));
}

static struct rig_acts iis_acts(struct rig *rig, const char *pool)
{
    struct rig_iis *r = (struct rig_iis *)rig;
    json_t *truth = run_json(r->sc, "truth", NULL);
    const json_t *row = json_object_get(json_object_get(truth, "pools"), pool);
    struct rig_acts acts = {counted(row, "recycles"), counted(row, "starts"),
                            counted(row, "stops")};
    json_decref(truth);
    return acts;
}

static struct rig_service_acts iis_service_acts(struct rig *rig, const char *service)
{
    struct rig_iis *r = (struct rig_iis *)rig;
    json_t *truth = run_json(r->sc, "truth", NULL);
    const json_t *row = json_object_get(json_object_get(truth, "services"), service);
    struct rig_service_acts acts = {counted(row, "starts"), counted(row, "stops"),
                                    counted(row, "died")};
    json_decref(truth);
    return acts;
}

static uint64_t active(struct rig_iis *r)
{
    json_t *answer = run_json(r->sc, "counters", NULL);
    json_t *shop = json_array_get(json_object_get(answer, "pools"), 0);
    uint64_t count = (uint64_t)json_integer_value(json_object_get(shop, "active"));
    json_decref(answer);
    return count;
}

static void iis_request(struct rig *rig, uint32_t ms)
{
    struct rig_iis *r = (struct rig_iis *)rig;
    char request[128];
    end_visitor(r);
    text_format(request, sizeof(request), "GET /slow?ms=%u HTTP/1.1\r\nHost: localhost\r\n\r\n",
                ms);
    r->visitor = socket_connect_tcp(r->ports[0], NULL);
    must(r->visitor >= 0 && socket_put(r->visitor, request, strlen(request)));
    uint64_t deadline = clock_boot_ms() + SETTLE_MS;
    while (active(r) == 0) {
        must(clock_boot_ms() < deadline);
        sleep_ms(10);
    }
}

static bool iis_tells_secret(struct rig *rig, const char *text)
{
    (void)rig;
    static const char backwards[] = SECRET_BACKWARDS;
    size_t len = sizeof(backwards) - 1;
    for (; strlen(text) >= len; text++) {
        size_t same = 0;
        while (same < len && text[same] == backwards[len - 1 - same])
            same++;
        if (same == len)
            return true;
    }
    return false;
}

static char *iis_secret_in_memory(struct rig *rig)
{
    (void)rig;
    return rig_iis_memory_find(SECRET_BACKWARDS);
}

/* ---- life ---- */

static void iis_rig_close(struct rig *rig)
{
    struct rig_iis *r = (struct rig_iis *)rig;
    end_visitor(r);
    rig->driver->ops->close(rig->driver);
    RUN(NULL, r->sc, "down", r->server);
    rig_iis_stopped();
    lab_os_remove(r->folder);
    iis_settings_reset(&r->settings);
    free(r->folder);
    free(r->server);
    free(r->sc);
    free(r->appcmd);
    free(r);
}

static const struct rig_ops ops = {
    .driver = "iis",
    .reset = iis_reset,
    .disturb = iis_disturb,
    .acts = iis_acts,
    .service_acts = iis_service_acts,
    .request = iis_request,
    .tells_secret = iis_tells_secret,
    .secret_in_memory = iis_secret_in_memory,
    .close = iis_rig_close,
};

struct rig *rig_open(void)
{
    struct rig_iis *r = must_alloc(1, sizeof(*r));
    http_start();
    r->visitor = -1;
    create_server(r);
    rig_iis_start(LAB_PROGRAMS "/lab-sc" LAB_EXE, r->server);
    fill_settings(r);
    r->rig = (struct rig){
        .ops = &ops,
        .pool = "Shop",
        .garden = "Garden",
        .garden_size = 3,
        .idle = "Idle",
        .odd = "B\xC3\xBCro & S\xC3\xB6hne, (Q4) /x",
        .foreign = "\"\xE5\x95\x86\xE5\xBA\x97\" 7",
        .services = {"WAS", "W3SVC", "NetTcpActivator", "Lodger"},
        .shares_process = rig_iis_shares_process,
        .stop_limit_ms = 8000, /* a call more must have its time within it */
        .memory_tells = rig_iis_memory_tells,
    };
    open_driver(r);
    return &r->rig;
}

/* doctor_gather.c - see doctor_run.h: the facts, from the driver and the link to the coordinator.
 */
#include "agent/doctor_run.h"
#include "agent/identity.h"
#include "agent/join_http.h"
#include "agent/join_tls.h"
#include "agent/link.h"
#include "agent/services.h"
#include "common/clock.h"
#include "common/os.h"
#include "proto/url.h"

#include <inttypes.h>
#include <stdlib.h>

#define LOOK_MS    60000
#define CONNECT_MS 5000
#define POLL_MS    10
#define PROBES_MAX 200 /* a server with more pools than that is asked for the first */

static void add(struct doctor_facts *f, const char *key, const char *value)
{
    doctor_facts_add(f, "", key, value);
}

static void add_number(struct doctor_facts *f, const char *pool, const char *key, uint64_t number)
{
    char text[24];
    text_format(text, sizeof(text), "%" PRIu64, number);
    doctor_facts_add(f, pool, key, text);
}

static void on_fact(void *arg, const char *pool, const char *key, const char *value)
{
    doctor_facts_add(arg, pool, key, value);
}

/* ---- services ---- */

static void service_facts(struct doctor_facts *f, const struct driver_view *view)
{
    struct services_graph graph = {view->services, view->service_count, view->needs,
                                   view->need_count};
    struct text dependents = {0};
    char key[64];
    add(f, "services.known", view->services_known ? "yes" : "no");
    for (size_t i = 0; view->services_known && i < view->service_count; i++) {
        const struct service *service = &view->services[i];
        if (services_depends(&graph, service->name, "WAS"))
            text_addf(&dependents, "%s%s", dependents.len ? ", " : "", service->name);
        if (!text_equal_nocase(service->name, "WAS") && !text_equal_nocase(service->name, "W3SVC"))
            continue;
        text_format(key, sizeof(key), "%s.state", service->name);
        add(f, key, service_state_name(service->state));
        text_format(key, sizeof(key), "%s.start", service->name);
        add(f, key, service_start_name(service->start));
    }
    if (dependents.len > 0)
        add(f, "dependents", text_get(&dependents));
    text_reset(&dependents);
}

static void barred_facts(struct doctor_facts *f, struct driver *d)
{
    struct driver_view view;
    if (!d->ops->services || d->ops->services(d, LOOK_MS, &view, NULL) != ERR_NONE)
        return;
    add(f, "barred", view.barred ? view.barred : "");
    driver_view_reset(&view);
}

static void host_facts(struct doctor_facts *f, struct driver *d)
{
    struct driver_host host;
    struct error err;
    char strangers[WIRE_TEXT_MAX];
    struct text lodgers = {0};
    enum error_code code =
        d->ops->service_host ? d->ops->service_host(d, "WAS", LOOK_MS, &host, &err) : ERR_NOT_FOUND;
    if (code == ERR_NOT_FOUND)
        return;
    if (code) {
        add(f, "host.error", err.text);
        return;
    }
    if (host.pid == 0)
        return;
    for (size_t i = 0; i < host.lodger_count; i++)
        text_addf(&lodgers, "%s%s", i ? ", " : "", host.lodgers[i].service);
    services_judge_host(&host, strangers, sizeof(strangers));
    add_number(f, "", "host.pid", host.pid);
    add(f, "host.lodgers", text_get(&lodgers));
    add(f, "host.strangers", strangers);
    text_reset(&lodgers);
}

/* ---- pools ---- */

static void probe_facts(struct doctor_facts *f, struct driver *d, const char *pool, bool warm)
{
    struct driver_probe probe;
    struct error err;
    if (!warm) {
        doctor_facts_add(f, pool, "probe", "skipped");
        return;
    }
    enum error_code code = d->ops->probe(d, pool, 0, &probe, &err);
    if (code == ERR_NOT_FOUND) {
        doctor_facts_add(f, pool, "probe", "none");
        return;
    }
    doctor_facts_add(f, pool, "probe", !code && probe.passed ? "passed" : "failed");
    doctor_facts_add(f, pool, "probe.detail", code ? err.text : probe.detail);
}

static void pool_facts(struct doctor_facts *f, struct driver *d, const struct driver_view *view)
{
    for (size_t i = 0; i < view->pool_count; i++) {
        const struct pool *pool = &view->pools[i];
        size_t workers = 0;
        for (size_t k = 0; k < view->worker_count; k++)
            workers += text_equal_nocase(view->workers[k].pool, pool->name);
        doctor_facts_add(f, pool->name, "state", pool_state_name(pool->state));
        if (view->workers_known)
            add_number(f, pool->name, "workers", workers);
        if (i < PROBES_MAX)
            probe_facts(f, d, pool->name, workers > 0);
    }
}

static void request_facts(struct doctor_facts *f, struct driver *d, const struct driver_view *view)
{
    uint32_t count;
    struct error err;
    if (view->pool_count == 0)
        return;
    if (d->ops->requests(d, view->pools[0].name, 0, &count, &err) == ERR_NONE)
        add_number(f, "", "requests", count);
    else
        add(f, "requests.error", err.text);
}

static void event_facts(struct doctor_facts *f, const struct driver_view *view)
{
    struct text seen = {0};
    add(f, "events", view->events_known ? "yes" : "no");
    for (size_t i = 0; i < view->event_count; i++)
        text_addf(&seen, "%s%" PRIu32 "%s", i ? " " : "", view->events[i].id,
                  view->events[i].pool[0] ? "" : " without a pool");
    if (seen.len > 0)
        add(f, "answer.events", text_get(&seen));
    text_reset(&seen);
}

static void look_facts(struct doctor_facts *f, struct driver *d)
{
    struct driver_view view;
    struct error err;
    struct text counts = {0};
    if (d->ops->look(d, LOOK_MS, &view, &err) != ERR_NONE) {
        add(f, "look.error", err.text);
        return;
    }
    text_addf(&counts, "%zu pools, %zu sites, %zu services, %zu workers", view.pool_count,
              view.site_count, view.service_count, view.worker_count);
    add(f, "look.counts", text_get(&counts));
    add(f, "look.trouble", view.trouble ? view.trouble : "");
    add(f, "config.shared", view.config_shared ? "yes" : "no");
    add_number(f, "", "figures", view.figure_count);
    service_facts(f, &view);
    event_facts(f, &view);
    pool_facts(f, d, &view);
    request_facts(f, d, &view);
    driver_view_reset(&view);
    text_reset(&counts);
}

/* ---- the rest ---- */

static void on_link(void *arg, const struct agent_link_event *event)
{
    (void)arg, (void)event; /* its state is asked instead */
}

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* The coordinator dated the certificate by its own clock: one that comes from the future tells that
 * ours is behind. */
static void certificate_facts(struct doctor_facts *f, const struct identity *identity)
{
    struct identity_cert cert;
    struct error err;
    int64_t now_ms = clock_wall_ms();
    if (identity_check(identity, &cert, &err) != ERR_NONE) {
        add(f, "certificate.error", err.text);
        return;
    }
    if (now_ms < cert.from_ms)
        add_number(f, "", "clock.behind_s", (uint64_t)(cert.from_ms - now_ms) / 1000);
    if (now_ms >= cert.until_ms)
        add(f, "certificate.error", "its time is over");
    else
        add_number(f, "", "certificate.days", (uint64_t)(cert.until_ms - now_ms) / DAY_MS);
    add(f, "certificate.late", now_ms >= identity_renew_ms(&cert) ? "yes" : "no");
}

/* The coordinator's HTTPS tells its time with any answer; nothing is asked of it but that. Whole
 * seconds: half a one is added. */
static void clock_facts(struct doctor_facts *f, const struct identity *identity)
{
    struct join_where where;
    uint8_t ca[SHA256_BYTES];
    char request[512], number[24], *reply = NULL, *ca_pem = NULL;
    size_t len;
    int64_t theirs_ms, began_ms = clock_wall_ms();
    if (!identity->https || join_where_parse(identity->https, &where, NULL) != ERR_NONE ||
        join_fingerprint(identity->ca_pem, ca, NULL) != ERR_NONE)
        return;
    text_format(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                where.host);
    if (join_exchange(where.host, where.port, ca, request, &reply, &len, &ca_pem, NULL) != ERR_NONE)
        return;
    if (join_reply_date(reply, &theirs_ms)) {
        int64_t ours_ms = began_ms + (clock_wall_ms() - began_ms) / 2;
        text_format(number, sizeof(number), "%" PRId64, (ours_ms - theirs_ms - 500) / 1000);
        add(f, "clock.ahead_s", number);
    }
    free(reply);
    free(ca_pem);
}

/* Where, and as whom; false: said why not. */
static bool link_spec_of(struct doctor_facts *f, const struct settings *settings,
                         struct agent_link_spec *spec)
{
    static struct identity identity;
    static struct agent_link_tls tls;
    struct error err;
    enum error_code code = identity_read(settings->data_dir, &identity, &err);
    spec->url = settings->coordinator;
    if (!spec->url && code == ERR_NONE)
        spec->url = identity.coordinator;
    if (spec->url)
        add(f, "coordinator.url", spec->url);
    if (spec->url && !wire_url_has_tls(spec->url))
        return true;
    if (code != ERR_NONE) {
        add(f, "coordinator.error",
            code == ERR_NOT_FOUND ? "this server has joined no farm: farmhand-agent join"
                                  : err.text);
        return false;
    }
    certificate_facts(f, &identity);
    clock_facts(f, &identity);
    tls = (struct agent_link_tls){
        .ca_pem = identity.ca_pem, .cert_pem = identity.cert_pem, .key_pem = identity.key_pem};
    spec->tls = &tls;
    return true;
}

/* Up to the greeting of the transport: nothing is said, so that no server appears anywhere. The
 * link is never closed, since that may hang, and the process ends soon. */
static void coordinator_facts(struct doctor_facts *f, const struct settings *settings)
{
    static struct agent_link *link;
    struct agent_link_spec spec = {
        .reconnect_min_ms = 100, .reconnect_max_ms = 500, .on_event = on_link};
    struct error err;
    uint64_t began = clock_boot_ms();
    if (!link_spec_of(f, settings, &spec))
        return;
    if (agent_link_open(&spec, &link, &err) != ERR_NONE) {
        add(f, "coordinator.error", err.text);
        return;
    }
    while (agent_link_state(link) != AGENT_LINK_STATE_UP) {
        if (clock_boot_ms() - began >= CONNECT_MS) {
            add(f, "coordinator.error", "no connection within 5 s");
            return;
        }
        clock_sleep_ms(POLL_MS);
    }
    add_number(f, "", "coordinator.ms", clock_boot_ms() - began);
}

static void data_dir_facts(struct doctor_facts *f, const struct settings *settings)
{
    struct os_file_id id;
    struct error err;
    add(f, "data_dir.path", settings->data_dir);
    if (os_file_id(settings->data_dir, &id, &err) != ERR_NONE)
        add(f, "data_dir.error", err.text);
    else if (id.modified_ns == 0)
        add(f, "data_dir.error", "no such directory");
}

void doctor_gather(const struct settings *settings, struct driver *driver, struct doctor_facts *out)
{
    data_dir_facts(out, settings);
    if (driver->ops->facts)
        driver->ops->facts(driver, LOOK_MS, on_fact, out, NULL);
    look_facts(out, driver);
    barred_facts(out, driver);
    host_facts(out, driver);
    coordinator_facts(out, settings);
}

/* iis_facts.c - see iis_driver.h: what doctor wants to know of IIS, as text; reads only.
 *
 * Of a pool's configuration only what stands in the list below is told: /config prints the password
 * of the pool's identity too.
 */
#include "agent/drivers/iis_driver.h"
#include "agent/drivers/iis_xml.h"
#include "agent/drivers/scm_facts.h"
#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>

struct facts {
    struct iis *iis;
    uint64_t deadline_ms;
    driver_each_fact *each;
    void *arg;
};

static void tell(const struct facts *f, const char *pool, const char *key, const char *value)
{
    f->each(f->arg, pool, key, value);
}

/* ---- the configuration of pools ---- */

static const struct {
    const char *element, *attribute, *key;
} shown[] = {
    {"add", "autoStart", "autoStart"},
    {"add", "startMode", "startMode"},
    {"add", "queueLength", "queueLength"},
    {"processModel", "identityType", "processModel.identityType"},
    {"processModel", "idleTimeout", "processModel.idleTimeout"},
    {"processModel", "idleTimeoutAction", "processModel.idleTimeoutAction"},
    {"processModel", "maxProcesses", "processModel.maxProcesses"},
    {"processModel", "shutdownTimeLimit", "processModel.shutdownTimeLimit"},
    {"processModel", "startupTimeLimit", "processModel.startupTimeLimit"},
    {"processModel", "pingingEnabled", "processModel.pingingEnabled"},
    {"recycling", "disallowOverlappingRotation", "recycling.disallowOverlappingRotation"},
    {"recycling", "logEventOnRecycle", "recycling.logEventOnRecycle"},
    {"periodicRestart", "time", "recycling.periodicRestart.time"},
    {"periodicRestart", "requests", "recycling.periodicRestart.requests"},
    {"periodicRestart", "memory", "recycling.periodicRestart.memory"},
    {"periodicRestart", "privateMemory", "recycling.periodicRestart.privateMemory"},
    {"failure", "loadBalancerCapabilities", "failure.loadBalancerCapabilities"},
    {"failure", "rapidFailProtection", "failure.rapidFailProtection"},
    {"failure", "orphanWorkerProcess", "failure.orphanWorkerProcess"},
};

struct pool_reading {
    const struct facts *facts;
    char pool[WIRE_NAME_MAX];
};

static enum error_code pool_element(void *arg, size_t depth, const char *element,
                                    const char *const *attributes, struct error *err)
{
    struct pool_reading *r = arg;
    (void)depth, (void)err;
    if (text_equal_nocase(element, "APPPOOL")) {
        const char *name = iis_xml_attribute(attributes, "APPPOOL.NAME");
        wire_clean_text(r->pool, sizeof(r->pool), name ? name : "");
        return ERR_NONE;
    }
    for (size_t i = 0; r->pool[0] != '\0' && i < sizeof(shown) / sizeof(shown[0]); i++) {
        const char *value = text_equal_nocase(element, shown[i].element)
                                ? iis_xml_attribute(attributes, shown[i].attribute)
                                : NULL;
        if (value)
            tell(r->facts, r->pool, shown[i].key, value);
    }
    return ERR_NONE;
}

/* ---- applications without preload ---- */

struct app_reading {
    struct text off[WIRE_POOLS_MAX / 4]; /* of the pool of the same index */
    char *pools[WIRE_POOLS_MAX / 4];
    size_t count;
    char pool[WIRE_NAME_MAX], app[WIRE_NAME_MAX];
};

static void add_off(struct app_reading *r)
{
    size_t i = 0;
    while (i < r->count && !text_equal_nocase(r->pools[i], r->pool))
        i++;
    if (i == sizeof(r->pools) / sizeof(r->pools[0]))
        return;
    if (i == r->count)
        r->pools[r->count++] = must_copy(r->pool);
    text_addf(&r->off[i], "%s%s", r->off[i].len ? ", " : "", r->app);
}

/* Where the attribute does not come, nothing is known, and nothing is told. */
static enum error_code app_element(void *arg, size_t depth, const char *element,
                                   const char *const *attributes, struct error *err)
{
    struct app_reading *r = arg;
    (void)depth, (void)err;
    if (text_equal_nocase(element, "APP")) {
        const char *pool = iis_xml_attribute(attributes, "APPPOOL.NAME");
        const char *name = iis_xml_attribute(attributes, "APP.NAME");
        wire_clean_text(r->pool, sizeof(r->pool), pool ? pool : "");
        wire_clean_text(r->app, sizeof(r->app), name ? name : "");
    } else if (text_equal_nocase(element, "application") && r->pool[0] != '\0') {
        const char *preload = iis_xml_attribute(attributes, "preloadEnabled");
        if (preload && text_equal_nocase(preload, "false"))
            add_off(r);
    }
    return ERR_NONE;
}

static void tell_apps(const struct facts *f, struct app_reading *r)
{
    for (size_t i = 0; i < r->count; i++) {
        tell(f, r->pools[i], "preload.off", text_get(&r->off[i]));
        text_reset(&r->off[i]);
        free(r->pools[i]);
    }
}

/* ---- calls ---- */

static enum error_code ask(const struct facts *f, enum iis_verb verb, const char *const *args,
                           struct iis_answer *answer, struct error *err)
{
    struct iis_appcmd appcmd = iis_appcmd_of(f->iis);
    return iis_appcmd_run(&appcmd, verb, args, f->deadline_ms, answer, err);
}

/* False: appcmd gives no answer at all, so nothing more is asked of it. */
static bool pool_facts(const struct facts *f)
{
    const char *const args[] = {"list", "apppool", "/xml", "/config:*", NULL};
    struct pool_reading reading = {.facts = f};
    const struct iis_xml_visitor visitor = {.begin = pool_element, .arg = &reading};
    struct iis_answer answer = {0};
    struct error err;
    char ms[24];
    uint64_t began = clock_boot_ms();
    bool good = ask(f, IIS_LIST, args, &answer, &err) == ERR_NONE;
    if (good && answer.len > 0)
        good = iis_xml_walk(answer.utf8, answer.len, &visitor, &err) == ERR_NONE;
    if (!good) {
        tell(f, "", "appcmd.error", err.text);
    } else {
        text_format(ms, sizeof(ms), "%" PRIu64, clock_boot_ms() - began);
        tell(f, "", "appcmd.ms", ms);
    }
    iis_answer_reset(&answer);
    return good;
}

static void app_facts(const struct facts *f)
{
    const char *const args[] = {"list", "app", "/xml", "/config:*", NULL};
    struct app_reading *reading = must_alloc(1, sizeof(*reading));
    const struct iis_xml_visitor visitor = {.begin = app_element, .arg = reading};
    struct iis_answer answer = {0};
    if (ask(f, IIS_LIST, args, &answer, NULL) == ERR_NONE && answer.len > 0)
        iis_xml_walk(answer.utf8, answer.len, &visitor, NULL);
    tell_apps(f, reading);
    iis_answer_reset(&answer);
    free(reading);
}

/* ---- answers to what no source settled ---- */

static enum error_code request_element(void *arg, size_t depth, const char *element,
                                       const char *const *attributes, struct error *err)
{
    struct text *names = arg;
    (void)depth, (void)err;
    for (; names->len == 0 && text_equal_nocase(element, "REQUEST") && attributes[0];
         attributes += 2)
        text_addf(names, "%s%s", names->len ? " " : "", attributes[0]);
    return ERR_NONE;
}

/* The names alone: the values are visitors'. */
static void request_facts(const struct facts *f)
{
    const char *const args[] = {"list", "request", "/xml", NULL};
    struct text names = {0}, told = {0};
    const struct iis_xml_visitor visitor = {.begin = request_element, .arg = &names};
    struct iis_answer answer = {0};
    struct error err;
    if (ask(f, IIS_LIST_REQUESTS, args, &answer, &err) != ERR_NONE) {
        tell(f, "", "answer.request_list", err.text);
        return;
    }
    if (answer.len > 0)
        iis_xml_walk(answer.utf8, answer.len, &visitor, NULL);
    text_addf(&told, "exit %" PRIu32 ", %zu bytes", answer.exit_code, answer.len);
    tell(f, "", "answer.request_list", text_get(&told));
    if (names.len > 0)
        tell(f, "", "answer.request_attributes", text_get(&names));
    text_reset(&names);
    text_reset(&told);
    iis_answer_reset(&answer);
}

static void no_match_facts(const struct facts *f)
{
    const char *const args[] = {"list", "apppool", "/apppool.name:farmhand asks for nothing",
                                "/xml", NULL};
    struct iis_answer answer = {0};
    struct error err;
    struct text told = {0};
    if (ask(f, IIS_LIST, args, &answer, &err) == ERR_NONE)
        text_addf(&told, "exit %" PRIu32 ", %zu bytes", answer.exit_code, answer.len);
    else
        text_add(&told, err.text);
    tell(f, "", "answer.no_match", text_get(&told));
    text_reset(&told);
    iis_answer_reset(&answer);
}

enum error_code iis_facts(struct driver *d, uint64_t timeout_ms, driver_each_fact *each, void *arg,
                          struct error *err)
{
    struct iis *iis = iis_of(d);
    struct facts f = {iis, iis_deadline(timeout_ms, iis->settings->appcmd_timeout_ms), each, arg};
    struct os_file_id id;
    struct error here;
    (void)err;
    tell(&f, "", "appcmd.path", iis->settings->appcmd);
    if (os_file_id(iis->settings->worker, &id, &here) != ERR_NONE)
        tell(&f, "", "worker.error", here.text);
    else if (id.size_bytes == 0 && id.modified_ns == 0)
        tell(&f, "", "worker.error", "there is no such file");
    if (pool_facts(&f)) {
        app_facts(&f);
        request_facts(&f);
        no_match_facts(&f);
    }
    scm_facts(iis->settings->appcmd, each, arg);
    return ERR_NONE;
}

/* iis_facts.c - see iis_driver.h: what doctor wants to know of IIS, as text; reads only.
 *
 * Of a pool's configuration only what stands in the list below is told: /config prints the password
 * of the pool's identity too.
 */
#include "agent/drivers/iis_facts.h"
#include "agent/drivers/iis_driver.h"
#include "agent/drivers/iis_xml.h"
#include "agent/drivers/scm_facts.h"
#include "common/clock.h"
#include "common/os.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>

void iis_facts_tell(const struct iis_facts *f, const char *pool, const char *key, const char *value)
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
    const struct iis_facts *facts;
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
            iis_facts_tell(r->facts, r->pool, shown[i].key, value);
    }
    return ERR_NONE;
}

/* ---- calls ---- */

enum error_code iis_facts_ask(const struct iis_facts *f, enum iis_verb verb,
                              const char *const *args, struct iis_answer *answer, struct error *err)
{
    struct iis_appcmd appcmd = iis_appcmd_of(f->iis);
    return iis_appcmd_run(&appcmd, verb, args, f->deadline_ms, answer, err);
}

/* False: appcmd gives no answer at all, so nothing more is asked of it. */
static bool pool_facts(const struct iis_facts *f)
{
    const char *const args[] = {"list", "apppool", "/xml", "/config:*", NULL};
    struct pool_reading reading = {.facts = f};
    const struct iis_xml_visitor visitor = {.begin = pool_element, .arg = &reading};
    struct iis_answer answer = {0};
    struct error err;
    char ms[24];
    uint64_t began = clock_boot_ms();
    bool good = iis_facts_ask(f, IIS_LIST, args, &answer, &err) == ERR_NONE;
    if (good && answer.len > 0)
        good = iis_xml_walk(answer.utf8, answer.len, &visitor, &err) == ERR_NONE;
    if (!good) {
        iis_facts_tell(f, "", "appcmd.error", err.text);
    } else {
        text_format(ms, sizeof(ms), "%" PRIu64, clock_boot_ms() - began);
        iis_facts_tell(f, "", "appcmd.ms", ms);
    }
    iis_answer_reset(&answer);
    return good;
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
static void request_facts(const struct iis_facts *f)
{
    const char *const args[] = {"list", "request", "/xml", NULL};
    struct text names = {0}, told = {0};
    const struct iis_xml_visitor visitor = {.begin = request_element, .arg = &names};
    struct iis_answer answer = {0};
    struct error err;
    if (iis_facts_ask(f, IIS_LIST_REQUESTS, args, &answer, &err) != ERR_NONE) {
        iis_facts_tell(f, "", "answer.request_list", err.text);
        return;
    }
    if (answer.len > 0)
        iis_xml_walk(answer.utf8, answer.len, &visitor, NULL);
    text_addf(&told, "exit %" PRIu32 ", %zu bytes", answer.exit_code, answer.len);
    iis_facts_tell(f, "", "answer.request_list", text_get(&told));
    if (names.len > 0)
        iis_facts_tell(f, "", "answer.request_attributes", text_get(&names));
    text_reset(&names);
    text_reset(&told);
    iis_answer_reset(&answer);
}

static void no_match_facts(const struct iis_facts *f)
{
    const char *const args[] = {"list", "apppool", "/apppool.name:farmhand asks for nothing",
                                "/xml", NULL};
    struct iis_answer answer = {0};
    struct error err;
    struct text told = {0};
    if (iis_facts_ask(f, IIS_LIST, args, &answer, &err) == ERR_NONE)
        text_addf(&told, "exit %" PRIu32 ", %zu bytes", answer.exit_code, answer.len);
    else
        text_add(&told, err.text);
    iis_facts_tell(f, "", "answer.no_match", text_get(&told));
    text_reset(&told);
    iis_answer_reset(&answer);
}

enum error_code iis_facts(struct driver *d, uint64_t timeout_ms, driver_each_fact *each, void *arg,
                          struct error *err)
{
    struct iis *iis = iis_of(d);
    struct iis_facts f = {iis, iis_deadline(timeout_ms, iis->settings->appcmd_timeout_ms), each,
                          arg};
    struct os_file_id id;
    struct error here;
    (void)err;
    iis_facts_tell(&f, "", "appcmd.path", iis->settings->appcmd);
    if (os_file_id(iis->settings->worker, &id, &here) != ERR_NONE)
        iis_facts_tell(&f, "", "worker.error", here.text);
    else if (id.size_bytes == 0 && id.modified_ns == 0)
        iis_facts_tell(&f, "", "worker.error", "there is no such file");
    if (pool_facts(&f)) {
        iis_facts_apps(&f);
        request_facts(&f);
        no_match_facts(&f);
    }
    scm_facts(iis->settings->appcmd, each, arg);
    return ERR_NONE;
}

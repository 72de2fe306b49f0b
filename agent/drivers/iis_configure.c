/* iis_configure.c - see iis_driver.h: the settings of a pool that may be changed, told and changed.
 *
 * Only what stands in the list below is told or touched: /config prints the password of the pool's
 * identity too. IIS may recycle a pool at once when one of these changes, so a set is disruptive.
 */
#include "agent/drivers/iis_codes.h"
#include "agent/drivers/iis_driver.h"
#include "agent/drivers/iis_xml.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define PRELOAD  "preloadEnabled"
#define WARM_UP  "doAppInitAfterRestart"
#define SECTION  "/section:system.webServer/applicationInitialization"
#define APPS_MAX 32 /* asked for their section, a call each */

static const struct {
    const char *element, *attribute, *name;
} may_change[] = {
    {"add", "startMode", "startMode"},
    {"processModel", "idleTimeout", "processModel.idleTimeout"},
    {"processModel", "startupTimeLimit", "processModel.startupTimeLimit"},
    {"recycling", "disallowOverlappingRotation", "recycling.disallowOverlappingRotation"},
};
#define MAY_CHANGE (sizeof(may_change) / sizeof(may_change[0]))

struct reading {
    struct text settings;
    const char *pool;
    bool ours;               /* within the pool that was asked for */
    char app[WIRE_NAME_MAX]; /* "": none, or one whose name cannot stand in a text */
    char *apps[APPS_MAX];    /* of this pool */
    size_t app_count;
};

static void add(struct reading *r, const char *name, const char *app, const char *value)
{
    if (strpbrk(value, ";[]") || !wire_text_is_clean(value))
        return;
    text_addf(&r->settings, "%s%s", r->settings.len ? ";" : "", name);
    if (app)
        text_addf(&r->settings, "[%s]", app);
    text_addf(&r->settings, "=%s", value);
}

static enum error_code pool_element(void *arg, size_t depth, const char *element,
                                    const char *const *attributes, struct error *err)
{
    struct reading *r = arg;
    (void)depth, (void)err;
    if (text_equal_nocase(element, "APPPOOL")) {
        const char *name = iis_xml_attribute(attributes, "APPPOOL.NAME");
        r->ours = name && text_equal_nocase(name, r->pool);
        return ERR_NONE;
    }
    for (size_t i = 0; r->ours && i < MAY_CHANGE; i++) {
        const char *value = text_equal_nocase(element, may_change[i].element)
                                ? iis_xml_attribute(attributes, may_change[i].attribute)
                                : NULL;
        if (value)
            add(r, may_change[i].name, NULL, value);
    }
    return ERR_NONE;
}

static enum error_code app_element(void *arg, size_t depth, const char *element,
                                   const char *const *attributes, struct error *err)
{
    struct reading *r = arg;
    (void)depth, (void)err;
    if (text_equal_nocase(element, "APP")) {
        const char *pool = iis_xml_attribute(attributes, "APPPOOL.NAME");
        const char *name = iis_xml_attribute(attributes, "APP.NAME");
        bool ours = pool && name && text_equal_nocase(pool, r->pool) && !strpbrk(name, ";[]=") &&
                    wire_text_is_clean(name);
        if (!ours || !text_copy(r->app, sizeof(r->app), name))
            r->app[0] = '\0';
    } else if (text_equal_nocase(element, "application") && r->app[0]) {
        const char *preload = iis_xml_attribute(attributes, PRELOAD);
        if (preload)
            add(r, PRELOAD, r->app, preload);
        if (r->app_count < APPS_MAX && r->app[0] != '/' && r->app[0] != '-')
            r->apps[r->app_count++] = must_copy(r->app); /* else it would be taken for a switch */
    }
    return ERR_NONE;
}

static enum error_code section_element(void *arg, size_t depth, const char *element,
                                       const char *const *attributes, struct error *err)
{
    struct reading *r = arg;
    const char *value = iis_xml_attribute(attributes, WARM_UP);
    (void)depth, (void)element, (void)err;
    if (value)
        add(r, WARM_UP, r->app, value);
    return ERR_NONE;
}

static enum error_code walk(struct iis *iis, const char *const *args, uint64_t deadline_ms,
                            const struct iis_xml_visitor *visitor, struct error *err)
{
    struct iis_appcmd appcmd = iis_appcmd_of(iis);
    struct iis_answer answer = {0};
    enum error_code code = iis_appcmd_run(&appcmd, IIS_LIST, args, deadline_ms, &answer, err);
    if (code == ERR_NONE && answer.len > 0)
        code = iis_xml_walk(answer.utf8, answer.len, visitor, err);
    iis_answer_reset(&answer);
    return code;
}

/* A server without Application Initialization does not know the section: there is nothing to tell.
 */
static enum error_code read_sections(struct iis *iis, struct reading *r, uint64_t deadline_ms,
                                     struct error *err)
{
    const struct iis_xml_visitor visitor = {.begin = section_element, .arg = r};
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < r->app_count && code == ERR_NONE; i++) {
        const char *const args[] = {"list", "config", r->apps[i], SECTION, "/xml", NULL};
        text_copy(r->app, sizeof(r->app), r->apps[i]);
        code = walk(iis, args, deadline_ms, &visitor, err);
        if (code == ERR_INVALID || code == ERR_NOT_FOUND)
            code = ERR_NONE;
    }
    return code;
}

enum error_code iis_pool_settings(struct driver *d, const char *pool, uint64_t timeout_ms,
                                  char *out, size_t size_bytes, struct error *err)
{
    struct iis *iis = iis_of(d);
    uint64_t deadline_ms = iis_deadline(timeout_ms, 2 * iis->settings->appcmd_timeout_ms);
    char *argument = iis_appcmd_pool_argument(pool, err);
    struct reading r = {.pool = pool};
    if (!argument)
        return ERR_NOT_FOUND;
    const char *const pools[] = {"list", "apppool", argument, "/xml", "/config:*", NULL};
    const char *const apps[] = {"list", "app", argument, "/xml", "/config:*", NULL};
    const struct iis_xml_visitor of_pool = {.begin = pool_element, .arg = &r};
    const struct iis_xml_visitor of_apps = {.begin = app_element, .arg = &r};
    enum error_code code = walk(iis, pools, deadline_ms, &of_pool, err);
    if (code == ERR_NONE && r.settings.len == 0)
        code = error_set(err, ERR_NOT_FOUND, "pool %s: appcmd tells none of its settings", pool);
    code = code ? code : walk(iis, apps, deadline_ms, &of_apps, err);
    code = code ? code : read_sections(iis, &r, deadline_ms, err);
    if (code == ERR_NONE && !text_copy(out, size_bytes, text_get(&r.settings)))
        code = error_set(err, ERR_FULL, "pool %s: more settings than can be told", pool);
    for (size_t i = 0; i < r.app_count; i++)
        free(r.apps[i]);
    text_reset(&r.settings);
    free(argument);
    return code;
}

/* ---- changing ---- */

struct changing {
    struct iis *iis;
    const char *pool;
    uint64_t deadline_ms;
};

static enum error_code set_app(const struct changing *c, const char *app, const char *value,
                               struct error *err)
{
    struct text name = {0}, preload = {0};
    struct iis_appcmd appcmd = iis_appcmd_of(c->iis);
    text_addf(&name, "/app.name:%s", app);
    text_addf(&preload, "/" PRELOAD ":%s", value);
    const char *const args[] = {"set", "app", text_get(&name), text_get(&preload), NULL};
    enum error_code code = iis_appcmd_run(&appcmd, IIS_SET, args, c->deadline_ms, NULL, err);
    text_reset(&name);
    text_reset(&preload);
    return code;
}

/* In applicationHost.config, not in the web.config of the application, which belongs to those who
 * deploy it. */
static enum error_code set_section(const struct changing *c, const char *app, const char *value,
                                   struct error *err)
{
    struct text change = {0};
    struct iis_appcmd appcmd = iis_appcmd_of(c->iis);
    if (app[0] == '/' || app[0] == '-')
        return error_set(err, ERR_INVALID, "the name of %s would be taken for a switch", app);
    text_addf(&change, "/" WARM_UP ":%s", value);
    const char *const args[] = {"set", "config", app, SECTION, text_get(&change), "/commit:apphost",
                                NULL};
    enum error_code code = iis_appcmd_run(&appcmd, IIS_SET, args, c->deadline_ms, NULL, err);
    text_reset(&change);
    return code;
}

static enum error_code set_pool(const struct changing *c, const char *name, const char *value,
                                struct error *err)
{
    struct text change = {0};
    struct iis_appcmd appcmd = iis_appcmd_of(c->iis);
    char *argument = iis_appcmd_pool_argument(c->pool, err);
    if (!argument)
        return ERR_NOT_FOUND;
    text_addf(&change, "/%s:%s", name, value);
    const char *const args[] = {"set", "apppool", argument, text_get(&change), NULL};
    enum error_code code = iis_appcmd_run(&appcmd, IIS_SET, args, c->deadline_ms, NULL, err);
    text_reset(&change);
    free(argument);
    return code;
}

static int set_one(const char *part, void *arg, struct error *err)
{
    const struct changing *c = arg;
    char name[WIRE_NAME_MAX];
    const char *equals = strrchr(part, '='), *bracket = strchr(part, '[');
    if (!equals || (size_t)(equals - part) >= sizeof(name))
        return (int)error_set(err, ERR_INVALID, "%s is no setting", part);
    memcpy(name, part, (size_t)(equals - part));
    name[equals - part] = '\0';
    if (bracket && equals[-1] == ']') {
        name[equals - part - 1] = '\0';
        if (text_starts(name, PRELOAD "["))
            return (int)set_app(c, name + strlen(PRELOAD "["), equals + 1, err);
        if (text_starts(name, WARM_UP "["))
            return (int)set_section(c, name + strlen(WARM_UP "["), equals + 1, err);
    }
    for (size_t i = 0; i < MAY_CHANGE; i++)
        if (text_equal_nocase(name, may_change[i].name))
            return (int)set_pool(c, may_change[i].name, equals + 1, err);
    return (int)error_set(err, ERR_INVALID, "%s is none of the settings that may be changed", name);
}

struct each {
    const struct changing *changing;
    struct error *err;
};

static int each_part(const char *part, void *arg)
{
    const struct each *e = arg;
    return set_one(part, (void *)e->changing, e->err);
}

enum error_code iis_pool_configure(struct driver *d, const char *pool, const char *settings,
                                   uint64_t timeout_ms, struct error *err)
{
    struct iis *iis = iis_of(d);
    const struct changing changing = {
        iis, pool, iis_deadline(timeout_ms, 4 * iis->settings->appcmd_timeout_ms)};
    struct each each = {&changing, err};
    return (enum error_code)text_split(settings, ';', each_part, &each);
}

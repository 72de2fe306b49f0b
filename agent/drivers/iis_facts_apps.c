/* iis_facts_apps.c - see iis_facts.h: applications, as far as a recycle of their pool is concerned.
 *
 * What appcmd does not tell here (an old one, a feature that is not installed) is not known, and
 * nothing is told of it.
 */
#include "agent/drivers/iis_defaults.h"
#include "agent/drivers/iis_facts.h"
#include "agent/drivers/iis_xml.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <stdlib.h>

#define APPS_MAX  1000
#define WARM_MAX  40 /* applications that are asked for their warm-up, a call each */
#define LIST_ARGS "list", "app", "/xml", "/config:*"

struct app {
    char name[WIRE_NAME_MAX], pool[WIRE_NAME_MAX];
    bool preload_known, preload;
};
struct apps {
    struct app *items;
    size_t count;
};

/* ---- which there are ---- */

static enum error_code app_element(void *arg, size_t depth, const char *element,
                                   const char *const *attributes, struct error *err)
{
    struct apps *apps = arg;
    (void)depth, (void)err;
    if (text_equal_nocase(element, "APP") && apps->count < APPS_MAX) {
        const char *pool = iis_xml_attribute(attributes, "APPPOOL.NAME");
        const char *name = iis_xml_attribute(attributes, "APP.NAME");
        struct app *app = &apps->items[apps->count++];
        wire_clean_text(app->pool, sizeof(app->pool), pool ? pool : "");
        wire_clean_text(app->name, sizeof(app->name), name ? name : "");
    } else if (text_equal_nocase(element, "application") && apps->count > 0) {
        struct app *app = &apps->items[apps->count - 1];
        const char *preload = iis_xml_attribute(attributes, "preloadEnabled");
        app->preload_known = preload != NULL;
        app->preload = preload && text_equal_nocase(preload, "true");
    }
    return ERR_NONE;
}

/* One call whose answer is walked. False: no answer that can be read. */
static bool walk(const struct iis_facts *f, const char *const *args,
                 enum error_code (*begin)(void *, size_t, const char *, const char *const *,
                                          struct error *),
                 void *arg, struct error *err)
{
    const struct iis_xml_visitor visitor = {.begin = begin, .arg = arg};
    struct iis_answer answer = {0};
    bool good = iis_facts_ask(f, IIS_LIST, args, &answer, err) == ERR_NONE;
    if (good && answer.len > 0)
        good = iis_xml_walk(answer.utf8, answer.len, &visitor, err) == ERR_NONE;
    iis_answer_reset(&answer);
    return good;
}

/* ---- telling, a fact a pool ---- */

/* Those of the applications that `is` holds for, joined, for each pool that has some. */
static void tell_those(const struct iis_facts *f, const struct apps *apps, const char *key,
                       const bool *is)
{
    for (size_t i = 0; i < apps->count; i++) {
        struct text names = {0};
        bool told = false;
        for (size_t k = 0; k < apps->count; k++) {
            if (!is[k] || !text_equal_nocase(apps->items[k].pool, apps->items[i].pool))
                continue;
            told |= k < i; /* with an earlier one of this pool */
            text_addf(&names, "%s%s", names.len ? ", " : "", apps->items[k].name);
        }
        if (is[i] && !told && apps->items[i].pool[0] != '\0')
            iis_facts_tell(f, apps->items[i].pool, key, text_get(&names));
        text_reset(&names);
    }
}

static void preload_facts(const struct iis_facts *f, const struct apps *apps, bool *is)
{
    for (size_t i = 0; i < apps->count; i++)
        is[i] = apps->items[i].preload_known && !apps->items[i].preload;
    tell_those(f, apps, "preload.off", is);
}

/* ---- warm-up: the section applicationInitialization of each application ---- */

struct warm_up {
    bool seen, after_restart;
    size_t pages;
};

static enum error_code warm_element(void *arg, size_t depth, const char *element,
                                    const char *const *attributes, struct error *err)
{
    struct warm_up *warm = arg;
    (void)depth, (void)element, (void)err;
    const char *after = iis_xml_attribute(attributes, "doAppInitAfterRestart");
    if (after) {
        warm->seen = true;
        warm->after_restart = text_equal_nocase(after, "true");
    }
    warm->pages += iis_xml_attribute(attributes, "initializationPage") != NULL;
    return ERR_NONE;
}

static bool ask_warm_up(const struct iis_facts *f, const char *app, struct warm_up *warm,
                        struct error *err)
{
    const char *const args[] = {
        "list", "config", app, "/section:system.webServer/applicationInitialization", "/xml", NULL};
    *warm = (struct warm_up){0};
    return walk(f, args, warm_element, warm, err);
}

/* Only those that are preloaded: the others are cold anyway, and told so. */
static void warm_up_facts(const struct iis_facts *f, const struct apps *apps, bool *is)
{
    size_t asked = 0;
    struct error err;
    for (size_t i = 0; i < apps->count; i++) {
        struct warm_up warm;
        is[i] = false;
        /* a name that begins like a switch would be taken for one */
        if (!apps->items[i].preload || asked++ >= WARM_MAX || apps->items[i].name[0] == '/' ||
            apps->items[i].name[0] == '-')
            continue;
        if (!ask_warm_up(f, apps->items[i].name, &warm, &err)) {
            iis_facts_tell(f, "", "warmup.error", err.text);
            return;
        }
        is[i] = warm.seen && (warm.pages == 0 || !warm.after_restart);
    }
    tell_those(f, apps, "warmup.off", is);
}

/* ---- app_offline.htm ---- */

struct vdirs {
    const struct apps *apps;
    bool *is;
};

static bool is_offline(const char *folder)
{
    struct os_file_id id;
    struct text path = {0};
    char *expanded = iis_default_expand(folder);
    text_addf(&path, "%s/app_offline.htm", expanded);
    bool there = os_file_id(text_get(&path), &id, NULL) == ERR_NONE && id.modified_ns != 0;
    text_reset(&path);
    free(expanded);
    return there;
}

static enum error_code vdir_element(void *arg, size_t depth, const char *element,
                                    const char *const *attributes, struct error *err)
{
    struct vdirs *vdirs = arg;
    const char *app = iis_xml_attribute(attributes, "APP.NAME");
    const char *path = iis_xml_attribute(attributes, "path");
    const char *folder = iis_xml_attribute(attributes, "physicalPath");
    (void)depth, (void)err;
    if (!text_equal_nocase(element, "VDIR") || !app || !folder ||
        !text_equal(path ? path : "/", "/"))
        return ERR_NONE;
    for (size_t i = 0; i < vdirs->apps->count; i++)
        if (text_equal_nocase(vdirs->apps->items[i].name, app))
            vdirs->is[i] = is_offline(folder);
    return ERR_NONE;
}

/* False: they cannot be listed. */
static bool find_offline(const struct iis_facts *f, const struct apps *apps, bool *is,
                         struct error *err)
{
    static const char *const args[] = {"list", "vdir", "/xml", NULL};
    struct vdirs vdirs = {apps, is};
    for (size_t i = 0; i < apps->count; i++)
        is[i] = false;
    return walk(f, args, vdir_element, &vdirs, err);
}

static void tell_offline(void *arg, const char *pool, const char *key, const char *value)
{
    (void)pool, (void)key;
    text_add(arg, value);
}

enum error_code iis_offline(struct driver *d, const char *pool, uint64_t timeout_ms, char *out,
                            size_t size_bytes, struct error *err)
{
    static const char *const args[] = {"list", "app", "/xml", NULL};
    struct iis *iis = iis_of(d);
    struct text names = {0};
    const struct iis_facts f = {.iis = iis,
                                .deadline_ms =
                                    iis_deadline(timeout_ms, iis->settings->appcmd_timeout_ms),
                                .each = tell_offline,
                                .arg = &names};
    struct apps apps = {.items = must_alloc(APPS_MAX, sizeof(*apps.items))};
    bool *is = must_alloc(APPS_MAX, sizeof(*is));
    bool known = walk(&f, args, app_element, &apps, err) && find_offline(&f, &apps, is, err);
    for (size_t i = 0; i < apps.count && known; i++)
        is[i] = is[i] && text_equal_nocase(apps.items[i].pool, pool);
    if (known) {
        tell_those(&f, &apps, "offline", is);
        text_copy(out, size_bytes, text_get(&names));
    }
    text_reset(&names);
    free(is);
    free(apps.items);
    return known ? ERR_NONE : err->code;
}

/* ---- together ---- */

void iis_facts_apps(const struct iis_facts *f)
{
    static const char *const args[] = {LIST_ARGS, NULL};
    struct apps apps = {.items = must_alloc(APPS_MAX, sizeof(*apps.items))};
    bool *is = must_alloc(APPS_MAX, sizeof(*is));
    if (walk(f, args, app_element, &apps, NULL)) {
        preload_facts(f, &apps, is);
        warm_up_facts(f, &apps, is);
        if (find_offline(f, &apps, is, NULL))
            tell_those(f, &apps, "offline", is);
    }
    free(is);
    free(apps.items);
}

#include "tests/lab/was/was.h"

#include "tests/lab/base/words.h"

#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_page(struct app *app, const char *page)
{
    char target[HTTP_TARGET_MAX];
    bool root = strcmp(app->path, "/") == 0;
    if (app->page_count == WARM_PAGES)
        return;
    snprintf(target, sizeof target, "%s%s", root ? "" : app->path, page);
    app->pages[app->page_count++] = must_copy(target);
}

/* <location path="Shop/api"><system.webServer><applicationInitialization><add initializationPage>:
 * besides the application's own root, which preloadEnabled asks for. */
static void read_pages(const struct iisconf *c, const struct site *site, struct app *app)
{
    char location[512];
    snprintf(location, sizeof location, "%s%s", site->name,
             strcmp(app->path, "/") == 0 ? "" : app->path);
    add_page(app, "/");
    for (struct xml *l = xml_child(c->root, "location"); l; l = xml_next(l)) {
        const char *path = xml_get(l, "path");
        if (!path || !text_equal_nocase(path, location))
            continue;
        struct xml *page = xml_path(l, "system.webServer/applicationInitialization/add");
        for (; page; page = xml_next(page)) {
            if (xml_get(page, "initializationPage"))
                add_page(app, xml_get(page, "initializationPage"));
        }
    }
}

static void read_app(struct was *w, struct site *site, const struct xml *node)
{
    const struct xml *defaults = xml_path(w->conf.root, "system.applicationHost/sites/"
                                                        "applicationDefaults");
    site->apps = must_realloc(site->apps, site->app_count + 1, sizeof *site->apps);
    struct app *app = &site->apps[site->app_count++];
    *app = (struct app){0};
    const char *path = xml_get(node, "path"), *pool = xml_get(node, "applicationPool");
    const char *preload = xml_get(node, "preloadEnabled");
    if (!pool)
        pool = xml_get(defaults, "applicationPool");
    if (!preload)
        preload = xml_get(defaults, "preloadEnabled");
    text_copy(app->path, sizeof app->path, path ? path : "/");
    text_copy(app->pool, sizeof app->pool, pool ? pool : "DefaultAppPool");
    app->preload = preload && text_equal_nocase(preload, "true");
    const char *root = xml_get(xml_child(node, "virtualDirectory"), "physicalPath");
    if (root && *root == '/')
        text_copy(app->root, sizeof app->root, root);
    else
        text_format(app->root, sizeof app->root, "%s/%s", w->dir, root ? root : "sites");
    if (app->preload)
        read_pages(&w->conf, site, app);
}

static void read_binding(struct was *w, struct site *site, const struct xml *node)
{
    const char *information = xml_get(node, "bindingInformation");
    const char *protocol = xml_get(node, "protocol");
    const char *star = settings_get(w->settings, "server", NULL, "address");
    struct binding b;
    if (!information || !protocol || !text_equal_nocase(protocol, "http"))
        return;
    if (!iisconf_binding(information, star ? star : "127.0.0.1", &b)) {
        truth_event(w->dir, 1007, NULL, 0);
        return;
    }
    site->bindings = must_realloc(site->bindings, site->binding_count + 1, sizeof *site->bindings);
    site->bindings[site->binding_count++] = b;
}

static struct site *read_site(struct was *w, const struct xml *node)
{
    struct site *site = must_alloc(1, sizeof *site);
    const char *name = xml_get(node, "name"), *id = xml_get(node, "id");
    const char *start = xml_get(node, "serverAutoStart");
    uint64_t number = 0;
    text_copy(site->name, sizeof site->name, name ? name : "");
    if (id)
        text_parse_u64(id, 0, UINT32_MAX, &number);
    site->id = (unsigned)number;
    site->started = !start || text_equal_nocase(start, "true");
    for (struct xml *b = xml_path(node, "bindings/binding"); b; b = xml_next(b))
        read_binding(w, site, b);
    for (struct xml *a = xml_child(node, "application"); a; a = xml_next(a))
        read_app(w, site, a);
    return site;
}

void sites_reset(struct was *w)
{
    for (struct site *s = w->sites, *next; s; s = next) {
        next = s->next;
        for (size_t i = 0; i < s->app_count; i++) {
            for (size_t k = 0; k < s->apps[i].page_count; k++)
                free(s->apps[i].pages[k]);
        }
        free(s->apps);
        free(s->bindings);
        free(s);
    }
    w->sites = NULL;
}

void sites_read(struct was *w)
{
    sites_reset(w);
    struct site **end = &w->sites;
    for (struct xml *node = iisconf_first_site(&w->conf); node; node = xml_next(node)) {
        *end = read_site(w, node);
        end = &(*end)->next;
    }
}

static bool matches(const struct site *site, const struct listener *at, const char *host,
                    bool named)
{
    for (size_t i = 0; i < site->binding_count; i++) {
        const struct binding *b = &site->bindings[i];
        if (b->port != at->port || strcmp(b->address, at->address) != 0)
            continue;
        if (named ? *b->host && text_equal_nocase(b->host, host) : !*b->host)
            return true;
    }
    return false;
}

/* The application with the longest path that is the target's beginning. */
static const struct app *find_app(const struct site *site, const char *target)
{
    const struct app *best = NULL;
    size_t best_len = 0;
    for (size_t i = 0; i < site->app_count; i++) {
        const struct app *app = &site->apps[i];
        size_t len = strcmp(app->path, "/") == 0 ? 0 : strlen(app->path);
        if (!words_same(app->path, target, len) || !strchr("/?", target[len]))
            continue;
        if (!best || len > best_len) {
            best = app;
            best_len = len;
        }
    }
    return best;
}

const struct app *sites_find(struct was *w, const struct listener *at, const char *host,
                             const char *target)
{
    for (int named = 1; named >= 0; named--) {
        for (const struct site *s = w->sites; s; s = s->next) {
            if (s->started && matches(s, at, host, named))
                return find_app(s, target);
        }
    }
    return NULL;
}

void sites_warm_pages(struct was *w, const char *pool,
                      void (*each)(const char *page, const char *root, void *arg), void *arg)
{
    for (const struct site *s = w->sites; s; s = s->next) {
        for (size_t i = 0; i < s->app_count; i++) {
            const struct app *app = &s->apps[i];
            bool ours = app->preload && text_equal_nocase(app->pool, pool);
            for (size_t k = 0; ours && k < app->page_count; k++)
                each(app->pages[k], app->root, arg);
        }
    }
}

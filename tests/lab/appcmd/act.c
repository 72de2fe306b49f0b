/* act.c - appcmd recycle | start | stop | set apppool, set app, set config. */
#include "tests/lab/appcmd/appcmd.h"

#include <stdio.h>
#include <string.h>

/* The name as it is written in the configuration; "" and a said error if it is not there. */
static unsigned find_pool(struct appcmd *a, struct iisconf *c, struct xml **pool)
{
    const char *name = appcmd_pool_name(a);
    struct error err = {0};
    if (!name)
        return say_error(a, WIN32_INVALID_PARAMETER,
                         "Must specify the APPPOOL object with identifier or /apppool.name.");
    if (iisconf_read(c, a->dir, &err) != ERR_NONE || fault_on(a->settings, "config-broken", NULL))
        return say_hresult(a, WIN32_INVALID_DATA);
    *pool = iisconf_pool(c, name);
    return *pool ? WIN32_OK : say_unknown(a, "APPPOOL", name);
}

static unsigned check_options(struct appcmd *a)
{
    static const char *const allowed[] = {"apppool.name", "xml", "wait", "timeout"};
    for (size_t i = 0; i < a->option_count; i++) {
        bool ok = false;
        for (size_t k = 0; k < sizeof allowed / sizeof *allowed; k++)
            ok |= text_equal_nocase(a->options[i].name, allowed[k]);
        if (!ok)
            return say_error(a, WIN32_INVALID_PARAMETER,
                             "Parameter '%s' is not supported by this command.",
                             a->options[i].name);
    }
    return WIN32_OK;
}

unsigned appcmd_act(struct appcmd *a)
{
    struct iisconf c = {0};
    struct xml *pool = NULL;
    uint64_t timeout_ms = 0;
    const char *timeout = appcmd_option(a, "timeout");
    unsigned code = check_options(a);
    if (!code && timeout && !text_parse_u64(timeout, 0, UINT32_MAX, &timeout_ms))
        code = say_error(a, WIN32_INVALID_PARAMETER, "The value of /timeout is not a number.");
    if (!code)
        code = find_pool(a, &c, &pool);
    if (!code) {
        json_t *answer =
            wire_call(a,
                      json_pack("{s:s, s:s, s:I}", "op", a->verb, "pool", xml_get(pool, "name"),
                                "timeout_ms", (json_int_t)timeout_ms),
                      &code);
        json_decref(answer);
        if (code)
            say_hresult(a, code);
        else
            say_done(a, xml_get(pool, "name"));
    }
    iisconf_reset(&c);
    return code;
}

static unsigned set_one(struct appcmd *a, struct xml *pool, const struct option *o)
{
    const struct schema_attribute *attribute = schema_find(o->name);
    char value[512], element[64], *slash;
    if (!attribute)
        return say_error(a, WIN32_INVALID_PARAMETER,
                         "Unknown attribute \"%s\". Replace with -? for help.", o->name);
    if (!schema_normal(attribute, o->value, value, sizeof value))
        return say_hresult(a, WIN32_INVALID_DATA);
    snprintf(element, sizeof element, "%s", attribute->element);
    for (char *at = element; at && *at; at = slash ? slash + 1 : NULL) {
        slash = strchr(at, '/');
        if (slash)
            *slash = '\0';
        pool = xml_make(pool, at);
    }
    xml_set(pool, attribute->name, value);
    return WIN32_OK;
}

static unsigned commit(struct appcmd *a, struct iisconf *c)
{
    struct error err = {0};
    unsigned ignored;
    lab_os_sleep_ms(a->delay_ms); /* between reading and writing: here two of them collide */
    if (fault_on(a->settings, "config-locked", NULL))
        return say_hresult(a, WIN32_SHARING_VIOLATION);
    enum error_code code = iisconf_commit(c, &err);
    if (code == ERR_BUSY)
        return say_hresult(a, WIN32_SHARING_VIOLATION);
    if (code != ERR_NONE)
        return say_hresult(a, code == ERR_DENIED ? WIN32_ACCESS_DENIED : WIN32_INVALID_DATA);
    json_decref(wire_call(a, json_pack("{s:s}", "op", "reload"), &ignored));
    return WIN32_OK;
}

/* "Default Web Site/api" */
static struct xml *find_app(const struct iisconf *c, const char *name)
{
    char full[512];
    for (struct xml *site = iisconf_first_site(c); site; site = xml_next(site))
        for (struct xml *app = xml_child(site, "application"); app; app = xml_next(app)) {
            const char *path = xml_get(app, "path"), *of = xml_get(site, "name");
            snprintf(full, sizeof full, "%s%s", of ? of : "", path ? path : "/");
            if (text_equal_nocase(full, name))
                return app;
        }
    return NULL;
}

static unsigned set_app(struct appcmd *a)
{
    struct iisconf c = {0};
    struct error err = {0};
    const char *name = a->identifier ? a->identifier : appcmd_option(a, "app.name");
    const char *preload = appcmd_option(a, "preloadEnabled");
    unsigned code = WIN32_OK;
    if (!name || !preload ||
        !(text_equal_nocase(preload, "true") || text_equal_nocase(preload, "false")))
        code =
            say_error(a, WIN32_INVALID_PARAMETER,
                      "Must specify the APP object with identifier or /app.name, and what to set.");
    if (!code && iisconf_read(&c, a->dir, &err) != ERR_NONE)
        code = say_hresult(a, WIN32_INVALID_DATA);
    struct xml *app = code ? NULL : find_app(&c, name);
    if (!code && !app)
        code = say_unknown(a, "APP", name);
    if (!code) {
        xml_set(app, "preloadEnabled", text_equal_nocase(preload, "true") ? "true" : "false");
        code = commit(a, &c);
    }
    if (!code)
        text_addf(&a->out, "APP object \"%s\" changed\n", name);
    iisconf_reset(&c);
    return code;
}

/* <location path="Shop/api">, made if it is not there; the root of a site has its bare name. */
static struct xml *location_of(struct iisconf *c, const char *app)
{
    char path[512];
    text_copy(path, sizeof path, app);
    size_t len = strlen(path);
    if (len > 0 && path[len - 1] == '/')
        path[len - 1] = '\0';
    for (struct xml *l = xml_child(c->root, "location"); l; l = xml_next(l)) {
        const char *of = xml_get(l, "path");
        if (of && text_equal_nocase(of, path))
            return l;
    }
    struct xml *made = xml_add(c->root, "location");
    xml_set(made, "path", path);
    return made;
}

static void set_section(struct iisconf *c, const char *app, const char *after)
{
    struct xml *server = xml_make(location_of(c, app), "system.webServer");
    xml_set(xml_make(server, "applicationInitialization"), "doAppInitAfterRestart",
            text_equal_nocase(after, "true") ? "true" : "false");
}

/* set config APP /section:system.webServer/applicationInitialization /doAppInitAfterRestart:true
 * /commit:apphost; without the last it would go into the application's own web.config. */
static unsigned set_config(struct appcmd *a)
{
    struct iisconf c = {0};
    struct error err = {0};
    const char *section = appcmd_option(a, "section"), *commits = appcmd_option(a, "commit");
    const char *after = appcmd_option(a, "doAppInitAfterRestart");
    unsigned code = WIN32_OK;
    if (!section || !text_equal_nocase(section, "system.webServer/applicationInitialization"))
        code = say_error(a, WIN32_INVALID_PARAMETER, "Unknown config section \"%s\".",
                         section ? section : "");
    else if (!a->identifier || !after || !commits || !text_equal_nocase(commits, "apphost"))
        code = say_error(a, WIN32_INVALID_PARAMETER,
                         "The lab sets doAppInitAfterRestart of an "
                         "application, with /commit:apphost, alone.");
    else if (!text_equal_nocase(after, "true") && !text_equal_nocase(after, "false"))
        code = say_hresult(a, WIN32_INVALID_DATA);
    if (!code && iisconf_read(&c, a->dir, &err) != ERR_NONE)
        code = say_hresult(a, WIN32_INVALID_DATA);
    if (!code && !find_app(&c, a->identifier))
        code = say_unknown(a, "APP", a->identifier);
    if (!code) {
        set_section(&c, a->identifier, after);
        code = commit(a, &c);
    }
    if (!code)
        text_addf(
            &a->out,
            "Applied configuration changes to section \"%s\" for \"MACHINE/WEBROOT/APPHOST/%s\" "
            "at configuration commit path \"MACHINE/WEBROOT/APPHOST\"\n",
            section, a->identifier);
    iisconf_reset(&c);
    return code;
}

unsigned appcmd_set(struct appcmd *a)
{
    if (strcmp(a->object, "config") == 0)
        return set_config(a);
    if (strcmp(a->object, "app") == 0)
        return set_app(a);
    struct iisconf c = {0};
    struct xml *pool = NULL;
    size_t changes = 0;
    unsigned code = find_pool(a, &c, &pool);
    for (size_t i = 0; !code && i < a->option_count; i++) {
        const struct option *o = &a->options[i];
        if (text_equal_nocase(o->name, "apppool.name") || text_equal_nocase(o->name, "xml"))
            continue;
        code = set_one(a, pool, o);
        changes++;
    }
    if (!code && !changes)
        code = say_error(a, WIN32_INVALID_PARAMETER, "Nothing to set was given.");
    if (!code)
        code = commit(a, &c);
    if (!code)
        text_addf(&a->out,
                  a->german ? "APPPOOL-Objekt \"%s\" wurde geändert\n"
                            : "APPPOOL object \"%s\" changed\n",
                  xml_get(pool, "name"));
    iisconf_reset(&c);
    return code;
}

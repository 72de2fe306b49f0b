/* list.c - appcmd list apppool | wp | site | app | request; vdir and config are in folders.c. */
#include "tests/lab/appcmd/appcmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void open_list(struct appcmd *a)
{
    if (a->xml)
        text_add(&a->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<appcmd>\n");
}

static unsigned close_list(struct appcmd *a, size_t count)
{
    if (a->xml)
        text_add(&a->out, "</appcmd>\n");
    return count ? WIN32_OK : WIN32_NOTHING;
}

static void attribute(struct appcmd *a, const char *name, const char *value)
{
    text_addf(&a->out, " %s=\"", name);
    xml_escape(&a->out, value);
    text_add(&a->out, "\"");
}

/* The object with that name in WAS's answer; NULL: WAS is down or does not know it. */
static const json_t *known(const json_t *state, const char *list, const char *name)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(state, list), i, o)
    {
        if (text_equal_nocase(json_string_value(json_object_get(o, "name")), name))
            return o;
    }
    return NULL;
}

static const char *state_of(const json_t *state, const char *list, const char *name)
{
    const char *word = json_string_value(json_object_get(known(state, list, name), "state"));
    return word ? word : "Unknown";
}

static bool wanted(const struct appcmd *a, const char *option, const char *value)
{
    const char *asked = appcmd_option(a, option);
    return !asked || text_equal_nocase(asked, value);
}

/* Attributes of one element (path below <add>), in the schema's order, defaults included. */
static void config_attributes(struct appcmd *a, const struct iisconf *c, const struct xml *pool,
                              const char *element)
{
    for (size_t i = 0; i < SCHEMA_POOL_COUNT; i++) {
        if (strcmp(SCHEMA_POOL[i].element, element) == 0)
            attribute(a, SCHEMA_POOL[i].name, iisconf_value(c, pool, &SCHEMA_POOL[i]));
    }
}

static void schedule(struct appcmd *a, const struct xml *pool)
{
    struct xml *entry = xml_path(pool, "recycling/periodicRestart/schedule/add");
    text_add(&a->out, "                    <schedule>\n");
    for (; entry; entry = xml_next(entry))
        text_addf(&a->out, "                        <add value=\"%s\" />\n",
                  xml_get(entry, "value") ? xml_get(entry, "value") : "");
    text_add(&a->out, "                    </schedule>\n");
}

static void config(struct appcmd *a, const struct iisconf *c, const struct xml *pool)
{
    text_add(&a->out, "        <add");
    attribute(a, "name", xml_get(pool, "name"));
    config_attributes(a, c, pool, "");
    text_add(&a->out, ">\n            <processModel");
    config_attributes(a, c, pool, "processModel");
    text_add(&a->out, " />\n            <recycling");
    config_attributes(a, c, pool, "recycling");
    text_add(&a->out, ">\n                <periodicRestart");
    config_attributes(a, c, pool, "recycling/periodicRestart");
    text_add(&a->out, ">\n");
    schedule(a, pool);
    text_add(&a->out, "                </periodicRestart>\n            </recycling>\n"
                      "            <failure");
    config_attributes(a, c, pool, "failure");
    text_add(&a->out, " />\n            <cpu");
    config_attributes(a, c, pool, "cpu");
    text_add(&a->out, " />\n        </add>\n");
}

static void print_pool(struct appcmd *a, const struct iisconf *c, const struct xml *pool,
                       const char *state)
{
    const char *name = xml_get(pool, "name");
    const char *version = iisconf_value(c, pool, schema_find("managedRuntimeVersion"));
    const char *mode = iisconf_value(c, pool, schema_find("managedPipelineMode"));
    bool full = appcmd_option(a, "config") || appcmd_option(a, "text");
    if (!a->xml) {
        text_addf(&a->out, "APPPOOL \"%s\" (MgdVersion:%s,MgdMode:%s,state:%s)\n", name, version,
                  mode, state);
        if (full)
            config(a, c, pool);
        return;
    }
    text_add(&a->out, "    <APPPOOL");
    attribute(a, "APPPOOL.NAME", name);
    attribute(a, "PipelineMode", mode);
    attribute(a, "RuntimeVersion", version);
    attribute(a, "state", state);
    text_add(&a->out, full ? ">\n" : " />\n");
    if (!full)
        return;
    config(a, c, pool);
    text_add(&a->out, "    </APPPOOL>\n");
}

static unsigned list_pools(struct appcmd *a, const struct iisconf *c, const json_t *state)
{
    size_t count = 0;
    const char *only = appcmd_pool_name(a);
    for (const struct xml *pool = iisconf_first_pool(c); pool; pool = xml_next(pool)) {
        const char *name = xml_get(pool, "name");
        if (!name || (only && !text_equal_nocase(only, name)))
            continue;
        const char *word = state_of(state, "pools", name);
        if (!wanted(a, "state", word))
            continue;
        print_pool(a, c, pool, word);
        count++;
    }
    return close_list(a, count);
}

static void print_worker(struct appcmd *a, const char *pool, const json_t *worker)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)json_integer_value(json_object_get(worker, "pid")));
    if (!a->xml) {
        text_addf(&a->out, "WP \"%s\" (applicationPool:%s)\n", pid, pool);
        return;
    }
    text_add(&a->out, "    <WP");
    attribute(a, "WP.NAME", pid);
    attribute(a, "APPPOOL.NAME", pool);
    text_add(&a->out, " />\n");
}

static unsigned list_workers(struct appcmd *a, const json_t *state)
{
    size_t i, k, count = 0;
    json_t *pool, *worker;
    json_array_foreach(json_object_get(state, "pools"), i, pool)
    {
        const char *name = json_string_value(json_object_get(pool, "name"));
        if (!wanted(a, "apppool.name", name))
            continue;
        json_array_foreach(json_object_get(pool, "workers"), k, worker)
        {
            print_worker(a, name, worker);
            count++;
        }
    }
    return close_list(a, count);
}

static void bindings_of(const struct xml *site, struct text *out)
{
    struct xml *b = xml_path(site, "bindings/binding");
    for (bool first = true; b; b = xml_next(b), first = false)
        text_addf(out, "%s%s/%s", first ? "" : ",", xml_get(b, "protocol"),
                  xml_get(b, "bindingInformation"));
}

static void print_site(struct appcmd *a, const struct xml *site, const char *state)
{
    struct text bindings = {0};
    const char *name = xml_get(site, "name"), *id = xml_get(site, "id");
    bindings_of(site, &bindings);
    if (!a->xml) {
        text_addf(&a->out, "SITE \"%s\" (id:%s,bindings:%s,state:%s)\n", name, id,
                  text_get(&bindings), state);
    } else {
        text_add(&a->out, "    <SITE");
        attribute(a, "SITE.NAME", name);
        attribute(a, "SITE.ID", id ? id : "0");
        attribute(a, "bindings", text_get(&bindings));
        attribute(a, "state", state);
        text_add(&a->out, " />\n");
    }
    text_reset(&bindings);
}

static unsigned list_sites(struct appcmd *a, const struct iisconf *c, const json_t *state)
{
    size_t count = 0;
    const char *only = a->identifier ? a->identifier : appcmd_option(a, "site.name");
    for (const struct xml *site = iisconf_first_site(c); site; site = xml_next(site)) {
        const char *name = xml_get(site, "name");
        if (!name || (only && !text_equal_nocase(only, name)))
            continue;
        print_site(a, site, state_of(state, "sites", name));
        count++;
    }
    return close_list(a, count);
}

static void print_app(struct appcmd *a, const char *site, const struct xml *app)
{
    char full[512];
    const char *path = xml_get(app, "path"), *pool = xml_get(app, "applicationPool");
    pool = pool ? pool : "DefaultAppPool";
    snprintf(full, sizeof full, "%s%s", site, path ? path : "/");
    if (!a->xml) {
        text_addf(&a->out, "APP \"%s\" (applicationPool:%s)\n", full, pool);
        return;
    }
    text_add(&a->out, "    <APP");
    attribute(a, "path", path ? path : "/");
    attribute(a, "APP.NAME", full);
    attribute(a, "APPPOOL.NAME", pool);
    attribute(a, "SITE.NAME", site);
    if (!appcmd_option(a, "config")) {
        text_add(&a->out, " />\n");
        return;
    }
    const char *preload = xml_get(app, "preloadEnabled");
    text_add(&a->out, ">\n        <application");
    attribute(a, "path", path ? path : "/");
    attribute(a, "applicationPool", pool);
    attribute(a, "preloadEnabled", preload ? preload : "false");
    text_add(&a->out, " />\n    </APP>\n");
}

static unsigned list_apps(struct appcmd *a, const struct iisconf *c)
{
    size_t count = 0;
    for (const struct xml *site = iisconf_first_site(c); site; site = xml_next(site)) {
        const char *name = xml_get(site, "name");
        for (const struct xml *app = xml_child(site, "application"); name && app;
             app = xml_next(app)) {
            const char *pool = xml_get(app, "applicationPool");
            if (!wanted(a, "site.name", name) ||
                !wanted(a, "apppool.name", pool ? pool : "DefaultAppPool"))
                continue;
            print_app(a, name, app);
            count++;
        }
    }
    return close_list(a, count);
}

static void print_request(struct appcmd *a, const json_t *r)
{
    char id[32], time[32];
    unsigned long long number = (unsigned long long)json_integer_value(json_object_get(r, "id"));
    const char *verb = json_string_value(json_object_get(r, "verb"));
    const char *url = json_string_value(json_object_get(r, "url"));
    snprintf(id, sizeof id, "70000007%08llx", number & 0xffffffff);
    snprintf(time, sizeof time, "%lld", (long long)json_integer_value(json_object_get(r, "ms")));
    if (!a->xml) {
        text_addf(&a->out,
                  "REQUEST \"%s\" (url:%s %s, time:%s msec, client:localhost, "
                  "stage:ExecuteRequestHandler, module:ManagedPipelineHandler)\n",
                  id, verb, url, time);
        return;
    }
    text_add(&a->out, "    <REQUEST");
    attribute(a, "REQUEST.NAME", id);
    attribute(a, "Url", url);
    attribute(a, "Verb", verb);
    attribute(a, "TimeElapsed", time);
    attribute(a, "APPPOOL.NAME", json_string_value(json_object_get(r, "pool")));
    text_add(&a->out, " />\n");
}

/* A server without the feature Request Monitor: an error, or an empty list that means nothing. */
static unsigned no_monitor(struct appcmd *a, const char *how)
{
    uint64_t code = WIN32_NOT_SUPPORTED;
    if (strcmp(how, "empty") == 0) {
        open_list(a);
        return close_list(a, 0);
    }
    text_parse_u64(how, 1, UINT32_MAX, &code);
    return say_hresult(a, (unsigned)code);
}

static unsigned list_requests(struct appcmd *a)
{
    const char *how = fault_value(a->settings, "no-request-monitor", NULL, "empty");
    uint64_t elapsed = 0;
    const char *text = appcmd_option(a, "elapsed");
    unsigned code;
    size_t i, count = 0;
    json_t *r;
    if (how)
        return no_monitor(a, how);
    if (text && !text_parse_u64(text, 0, UINT32_MAX, &elapsed))
        return say_error(a, WIN32_INVALID_PARAMETER, "The value of /elapsed is not a number.");
    json_t *answer = wire_call(
        a, json_pack("{s:s, s:I}", "op", "requests", "elapsed_ms", (json_int_t)elapsed), &code);
    if (!answer)
        return say_hresult(a, code);
    open_list(a);
    json_array_foreach(json_object_get(answer, "requests"), i, r)
    {
        const char *pool = json_string_value(json_object_get(r, "pool"));
        if (!wanted(a, "apppool.name", pool))
            continue;
        print_request(a, r);
        count++;
    }
    json_decref(answer);
    return close_list(a, count);
}

static unsigned list_from_config(struct appcmd *a, const json_t *state)
{
    struct iisconf c;
    struct error err = {0};
    unsigned code;
    if (iisconf_read(&c, a->dir, &err) != ERR_NONE ||
        fault_on(a->settings, "config-broken", NULL)) {
        iisconf_reset(&c);
        return say_hresult(a, WIN32_INVALID_DATA);
    }
    open_list(a);
    if (strcmp(a->object, "apppool") == 0)
        code = list_pools(a, &c, state);
    else if (strcmp(a->object, "site") == 0)
        code = list_sites(a, &c, state);
    else if (strcmp(a->object, "vdir") == 0)
        code = close_list(a, appcmd_list_vdirs(a, &c));
    else if (strcmp(a->object, "config") == 0)
        code = appcmd_list_config(a, &c);
    else
        code = list_apps(a, &c);
    iisconf_reset(&c);
    return code;
}

unsigned appcmd_list(struct appcmd *a)
{
    unsigned code;
    if (strcmp(a->object, "request") == 0)
        return list_requests(a);
    json_t *state = wire_call(a, json_pack("{s:s}", "op", "state"), &code);
    if (strcmp(a->object, "wp") == 0) {
        if (!state)
            return say_hresult(a, code);
        open_list(a);
        code = list_workers(a, state);
    } else if (code == WIN32_RPC_FAILED) {
        code = say_hresult(a, code);
    } else {
        code = list_from_config(a, state);
    }
    json_decref(state);
    return code;
}

/* fuzz_appcmd.c - any bytes as what appcmd, the event log and HAProxy print.
 *
 * The first byte of an input says what it is: p pools, r roots, s sites, q requests, c
 * redirection.config, e an event, t a text answer, h HAProxy's. The rest is in whatever encoding.
 * What is taken fits the wire; what is refused adds nothing, and the reason holds no password.
 */
#include "fuzz.h"

#include "agent/drivers/event_log.h"
#include "agent/drivers/iis_codes.h"
#include "agent/drivers/iis_config.h"
#include "agent/drivers/iis_decode.h"
#include "agent/drivers/iis_parse.h"
#include "common/must.h"
#include "coordinator/balancer/haproxy.h"

#include <stdlib.h>
#include <string.h>

#define SECRET "hunter2" /* stands as password in the corpus */

static void check_error(const struct error *err)
{
    must(err->text[0] && !strstr(err->text, SECRET));
}

static void check_name(const char *name)
{
    must(name[0] && strlen(name) < WIRE_NAME_MAX && wire_text_is_clean(name));
}

static void check_rows(const struct view *v)
{
    must(v->pool_count <= WIRE_POOLS_MAX && v->site_count <= WIRE_SITES_MAX);
    for (size_t i = 0; i < v->pool_count; i++)
        check_name(v->pools[i].name);
    for (size_t i = 0; i < v->site_count; i++) {
        check_name(v->sites[i].name);
        must(wire_text_is_clean(v->sites[i].bindings) && wire_text_is_clean(v->sites[i].pool));
    }
}

static void pools_or_sites(const char *text, size_t len, bool sites)
{
    struct view view;
    struct iis_failure failure = {0};
    struct iis_roots roots = {0};
    struct error err = {0};
    view_init(&view);
    enum error_code code = sites ? iis_parse_sites(text, len, &roots, &view, &failure, &err)
                                 : iis_parse_pools(text, len, &view, &failure, &err);
    if (code) {
        check_error(&err);
        must(view.pool_count == 0 && view.site_count == 0);
    }
    check_rows(&view);
    view_reset(&view);
    iis_roots_reset(&roots);
}

static void roots(const char *text, size_t len)
{
    struct iis_roots found = {0};
    struct iis_failure failure = {0};
    struct error err = {0};
    if (iis_parse_roots(text, len, &found, &failure, &err) == ERR_NONE)
        must(iis_roots_pool(&found, "Default Web Site") != NULL);
    else
        check_error(&err);
    iis_roots_reset(&found);
}

static void each_request(const struct iis_request *request, void *arg)
{
    must(request->id && request->url && request->client && request->stage && request->module);
    (*(uint32_t *)arg)++;
}

static void requests(const char *text, size_t len)
{
    struct error err = {0};
    uint32_t told = 0, count = 0;
    if (iis_parse_requests(text, len, each_request, &told, &count, &err) == ERR_NONE)
        must(told == count);
    else
        check_error(&err);
}

static void config(const char *text, size_t len)
{
    struct error err = {0};
    char *folder = NULL;
    if (iis_config_parse(text, len, &folder, &err) != ERR_NONE)
        check_error(&err);
    free(folder);
}

static void event(const char *text, size_t len)
{
    struct event_entry entry;
    struct error err = {0};
    if (event_parse(text, len, &entry, &err) == ERR_NONE)
        must(strlen(entry.pool) < sizeof(entry.pool));
    else
        check_error(&err);
}

static void haproxy(const char *text)
{
    struct haproxy_server *servers = NULL;
    size_t count = 0;
    struct error err = {0};
    if (haproxy_parse(text, "shop", &servers, &count, &err) != ERR_NONE)
        must(err.text[0] && !servers);
    for (size_t i = 0; i < count && servers; i++)
        must(strlen(servers[i].name) < HAPROXY_NAME_MAX);
    free(servers);
}

static void read_as(char what, const char *text, size_t len)
{
    uint32_t code;
    switch (what) {
    case 'p':
    case 's':
        pools_or_sites(text, len, what == 's');
        break;
    case 'r':
        roots(text, len);
        break;
    case 'q':
        requests(text, len);
        break;
    case 'c':
        config(text, len);
        break;
    case 'e':
        event(text, len);
        break;
    case 't':
        (void)iis_code_in_text(text, &code);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = NULL, *raw;
    size_t len = 0;
    struct error err = {0};
    if (size == 0)
        return 0;
    raw = must_alloc(size, 1);
    memcpy(raw, data + 1, size - 1);
    if (data[0] == 'h')
        haproxy(raw);
    else if (iis_decode_on(raw, size - 1, NULL, "CP850", "CP1252", &text, &len, &err) == ERR_NONE)
        read_as((char)data[0], text, len);
    else
        check_error(&err);
    iis_wipe_free(text, len);
    free(raw);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    static const char *const seeds[] = {"p<appcmd></appcmd>",
                                        "tERROR ( hresult:80070425, message:x )"};
    if (n >= sizeof(seeds) / sizeof(seeds[0]))
        return NULL;
    *size = strlen(seeds[n]);
    return (uint8_t *)must_copy(seeds[n]);
}

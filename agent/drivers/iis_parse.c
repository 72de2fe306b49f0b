/* iis_parse.c - see iis_parse.h. */
#include "agent/drivers/iis_parse.h"

#include "agent/drivers/iis_codes.h"
#include "agent/drivers/iis_xml.h"
#include "common/must.h"

#include <stdlib.h>
#include <string.h>

/* ---- what all answers share ---- */

static bool is_blank(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r\n", s[i]))
            return false;
    return true;
}

static const char *given(const char *const *attributes, const char *name)
{
    const char *value = iis_xml_attribute(attributes, name);
    return value ? value : "";
}

/* hresult="0x80070032" or "80070032" */
static void note_failure(struct iis_failure *failure, const char *const *attributes)
{
    const char *digits = given(attributes, "hresult");
    if (text_starts(digits, "0x") || text_starts(digits, "0X"))
        digits += 2;
    failure->told = true;
    if (strlen(digits) == 8 && strspn(digits, "0123456789abcdefABCDEF") == 8)
        failure->code = iis_code_of_hresult((uint32_t)strtoul(digits, NULL, 16));
}

/* True if the element is a matter of the frame (root, ERROR) and not of the rows. */
static bool is_frame(size_t depth, const char *element, const char *const *attributes,
                     struct iis_failure *failure, enum error_code *code, struct error *err)
{
    if (depth == 0 && !text_equal_nocase(element, "appcmd")) {
        *code = error_set(err, ERR_CORRUPT, "the answer is XML, but not of appcmd");
        return true;
    }
    if (depth == 1 && text_equal_nocase(element, "ERROR")) {
        note_failure(failure, attributes);
        return true;
    }
    return depth == 0;
}

/* ---- values ---- */

/* Whole digits before one of `stops` or the end; false: none, or too many. */
static bool take_number(const char **s, const char *stops, uint64_t max, uint64_t *out)
{
    char digits[12] = {0};
    size_t len = strspn(*s, "0123456789");
    if (len == 0 || len >= sizeof(digits) || ((*s)[len] != '\0' && !strchr(stops, (*s)[len])))
        return false;
    memcpy(digits, *s, len);
    *s += len;
    return text_parse_u64(digits, 0, max, out);
}

/* .fffffff: parts of a second, the first three count. */
static bool take_fraction(const char *s, uint64_t *out_ms)
{
    size_t len = strspn(s, "0123456789");
    if (len == 0 || len > 7 || s[len] != '\0')
        return false;
    uint64_t ms = 0;
    for (size_t i = 0; i < 3; i++)
        ms = ms * 10 + (i < len ? (uint64_t)(s[i] - '0') : 0);
    *out_ms = ms;
    return true;
}

bool iis_parse_span(const char *s, uint64_t *out_ms)
{
    uint64_t days = 0, hours, minutes, seconds, ms = 0;
    const char *dot = strchr(s, '.');
    const char *colon = strchr(s, ':');
    if (dot && colon && dot < colon) {
        if (!take_number(&s, ".", 20000000, &days))
            return false;
        s++;
    }
    if (!take_number(&s, ":", 23, &hours) || *s++ != ':')
        return false;
    if (!take_number(&s, ":", 59, &minutes) || *s++ != ':')
        return false;
    if (!take_number(&s, ".", 59, &seconds))
        return false;
    if (*s == '.' && !take_fraction(s + 1, &ms))
        return false;
    *out_ms = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + ms;
    return true;
}

static bool parse_bool(const char *s, bool *out)
{
    bool yes = text_equal_nocase(s, "true") || text_equal(s, "1");
    if (!yes && !text_equal_nocase(s, "false") && !text_equal(s, "0"))
        return false;
    *out = yes;
    return true;
}

static bool parse_u32(const char *s, uint32_t *out)
{
    uint64_t value;
    if (!text_parse_u64(s, 0, UINT32_MAX, &value))
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool parse_start_mode(const char *s, enum start_mode *out)
{
    bool always = text_equal_nocase(s, "AlwaysRunning") || text_equal(s, "1");
    if (!always && !text_equal_nocase(s, "OnDemand") && !text_equal(s, "0"))
        return false;
    *out = always ? START_MODE_ALWAYS_RUNNING : START_MODE_ON_DEMAND;
    return true;
}

static enum pool_state parse_pool_state(const char *s)
{
    static const struct {
        const char *word;
        enum pool_state state;
    } states[] = {{"Starting", POOL_STATE_STARTING},
                  {"Started", POOL_STATE_STARTED},
                  {"Stopping", POOL_STATE_STOPPING},
                  {"Stopped", POOL_STATE_STOPPED}};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (text_equal_nocase(s, states[i].word))
            return states[i].state;
    return POOL_STATE_UNKNOWN;
}

/* ---- pools ---- */

enum value_kind { VALUE_BOOL, VALUE_NOT, VALUE_U32, VALUE_SPAN, VALUE_START_MODE };

/* Where each setting stands and where it goes; depth 2 is the <add> of the pool itself, depth 3 its
 * children. VALUE_NOT: a boolean that is kept the other way round. */
static const struct {
    const char *element, *attribute;
    enum value_kind kind;
    size_t offset;
} pool_values[] = {
    {"add", "autoStart", VALUE_BOOL, offsetof(struct pool, auto_start)},
    {"add", "startMode", VALUE_START_MODE, offsetof(struct pool, start_mode)},
    {"add", "queueLength", VALUE_U32, offsetof(struct pool, queue_length)},
    {"processModel", "maxProcesses", VALUE_U32, offsetof(struct pool, max_processes)},
    {"processModel", "idleTimeout", VALUE_SPAN, offsetof(struct pool, idle_timeout_ms)},
    {"processModel", "shutdownTimeLimit", VALUE_SPAN, offsetof(struct pool, shutdown_limit_ms)},
    {"processModel", "startupTimeLimit", VALUE_SPAN, offsetof(struct pool, startup_limit_ms)},
    {"recycling", "disallowOverlappingRotation", VALUE_NOT, offsetof(struct pool, overlap)},
    {"failure", "orphanWorkerProcess", VALUE_BOOL, offsetof(struct pool, orphans)},
    {"failure", "rapidFailProtection", VALUE_BOOL, offsetof(struct pool, rapid_fail)},
    {"failure", "rapidFailProtectionMaxCrashes", VALUE_U32,
     offsetof(struct pool, rapid_fail_crashes)},
    {"failure", "rapidFailProtectionInterval", VALUE_SPAN,
     offsetof(struct pool, rapid_fail_interval_ms)},
};

struct pool_walk {
    struct view *out;
    struct iis_failure *failure;
    struct pool row; /* the defaults of IIS's schema until something else is read */
    char *name;
    bool configured;
};

static bool set_value(enum value_kind kind, const char *value, void *field)
{
    switch (kind) {
    case VALUE_BOOL:
        return parse_bool(value, field);
    case VALUE_NOT: {
        bool not_so;
        if (!parse_bool(value, &not_so))
            return false;
        *(bool *)field = !not_so;
        return true;
    }
    case VALUE_U32:
        return parse_u32(value, field);
    case VALUE_SPAN:
        return iis_parse_span(value, field);
    case VALUE_START_MODE:
        return parse_start_mode(value, field);
    }
    return false;
}

static enum error_code read_values(struct pool *row, const char *element,
                                   const char *const *attributes, struct error *err)
{
    for (size_t i = 0; i < sizeof(pool_values) / sizeof(pool_values[0]); i++) {
        if (!text_equal_nocase(element, pool_values[i].element))
            continue;
        const char *value = iis_xml_attribute(attributes, pool_values[i].attribute);
        if (value && !set_value(pool_values[i].kind, value, (char *)row + pool_values[i].offset))
            return error_set(err, ERR_CORRUPT, "a pool's %s/%s cannot be understood",
                             pool_values[i].element, pool_values[i].attribute);
    }
    return ERR_NONE;
}

static enum error_code begin_pool(struct pool_walk *w, const char *const *attributes,
                                  struct error *err)
{
    const char *name = iis_xml_attribute(attributes, "APPPOOL.NAME");
    if (!name)
        return error_set(err, ERR_CORRUPT, "an APPPOOL has no APPPOOL.NAME");
    free(w->name);
    w->name = must_copy(name);
    w->configured = false;
    w->row = (struct pool){
        .name = w->name,
        .state = parse_pool_state(given(attributes, "state")),
        .auto_start = true,
        .start_mode = START_MODE_ON_DEMAND,
        .overlap = true,
        .max_processes = 1,
        .queue_length = 1000,
        .queued = -1,
        .startup_limit_ms = 90 * 1000,
        .shutdown_limit_ms = 90 * 1000,
        .idle_timeout_ms = 20 * 60 * 1000,
        .rapid_fail = true,
        .rapid_fail_crashes = 5,
        .rapid_fail_interval_ms = 5 * 60 * 1000,
    };
    return ERR_NONE;
}

static enum error_code pool_begin(void *arg, size_t depth, const char *element,
                                  const char *const *attributes, struct error *err)
{
    struct pool_walk *w = arg;
    enum error_code code = ERR_NONE;
    if (is_frame(depth, element, attributes, w->failure, &code, err))
        return code;
    if (depth == 1 && text_equal_nocase(element, "APPPOOL"))
        return begin_pool(w, attributes, err);
    bool own = depth == 2 && text_equal_nocase(element, "add");
    bool child = depth == 3 && !text_equal_nocase(element, "add");
    if (!w->name || (!own && !child))
        return ERR_NONE;
    w->configured |= own;
    return read_values(&w->row, element, attributes, err);
}

static enum error_code pool_end(void *arg, size_t depth, const char *element, struct error *err)
{
    (void)element;
    struct pool_walk *w = arg;
    if (depth != 1 || !w->name)
        return ERR_NONE;
    if (!w->configured)
        return error_set(err, ERR_CORRUPT, "an APPPOOL came without its configuration");
    view_add_pool(w->out, &w->row);
    free(w->name);
    w->name = NULL;
    return ERR_NONE;
}

enum error_code iis_parse_pools(const char *utf8, size_t len, struct view *out,
                                struct iis_failure *failure, struct error *err)
{
    *failure = (struct iis_failure){0};
    if (is_blank(utf8, len))
        return ERR_NONE;
    struct pool_walk w = {.out = out, .failure = failure};
    struct iis_xml_visitor visitor = {.begin = pool_begin, .end = pool_end, .arg = &w};
    size_t before = out->pool_count, left_out_before = out->left_out;
    enum error_code code = iis_xml_walk(utf8, len, &visitor, err);
    if (code) {
        out->pool_count = before;
        out->left_out = left_out_before;
    }
    free(w.name);
    return code;
}

/* ---- sites and their root applications ---- */

void iis_roots_reset(struct iis_roots *roots)
{
    hold_free(roots->hold);
    free(roots->rows);
    *roots = (struct iis_roots){0};
}

const char *iis_roots_pool(struct iis_roots *roots, const char *site)
{
    for (size_t i = 0; i < roots->count; i++) {
        size_t at = (roots->next + i) % roots->count;
        if (!text_equal(roots->rows[at].site, site))
            continue;
        roots->next = at + 1;
        return roots->rows[at].pool;
    }
    return "";
}

struct roots_walk {
    struct iis_roots *out;
    struct iis_failure *failure;
};

static void add_root(struct iis_roots *roots, const char *site, const char *pool)
{
    if (roots->count == roots->room) {
        roots->room = roots->room ? roots->room * 2 : 16;
        roots->rows = must_realloc(roots->rows, roots->room, sizeof(roots->rows[0]));
    }
    roots->rows[roots->count++] = (struct iis_root){
        .site = hold_copy(roots->hold, site),
        .pool = hold_copy(roots->hold, pool),
    };
}

static enum error_code root_begin(void *arg, size_t depth, const char *element,
                                  const char *const *attributes, struct error *err)
{
    struct roots_walk *w = arg;
    enum error_code code = ERR_NONE;
    if (is_frame(depth, element, attributes, w->failure, &code, err))
        return code;
    if (depth != 1 || !text_equal_nocase(element, "APP"))
        return ERR_NONE;
    const char *site = iis_xml_attribute(attributes, "SITE.NAME");
    const char *pool = iis_xml_attribute(attributes, "APPPOOL.NAME");
    if (!site || !pool)
        return error_set(err, ERR_CORRUPT, "an APP has no SITE.NAME or no APPPOOL.NAME");
    if (text_equal(given(attributes, "path"), "/"))
        add_root(w->out, site, pool);
    return ERR_NONE;
}

enum error_code iis_parse_roots(const char *utf8, size_t len, struct iis_roots *out,
                                struct iis_failure *failure, struct error *err)
{
    *failure = (struct iis_failure){0};
    if (is_blank(utf8, len))
        return ERR_NONE;
    out->hold = hold_new();
    struct roots_walk w = {out, failure};
    struct iis_xml_visitor visitor = {.begin = root_begin, .arg = &w};
    enum error_code code = iis_xml_walk(utf8, len, &visitor, err);
    if (code)
        iis_roots_reset(out);
    return code;
}

struct site_walk {
    struct iis_roots *roots;
    struct view *out;
    struct iis_failure *failure;
};

static enum error_code site_begin(void *arg, size_t depth, const char *element,
                                  const char *const *attributes, struct error *err)
{
    struct site_walk *w = arg;
    enum error_code code = ERR_NONE;
    if (is_frame(depth, element, attributes, w->failure, &code, err))
        return code;
    if (depth != 1 || !text_equal_nocase(element, "SITE"))
        return ERR_NONE;
    struct site row = {
        .name = iis_xml_attribute(attributes, "SITE.NAME"),
        .bindings = given(attributes, "bindings"),
        .started = text_equal_nocase(given(attributes, "state"), "Started"),
    };
    if (!row.name || !parse_u32(given(attributes, "SITE.ID"), &row.id))
        return error_set(err, ERR_CORRUPT, "a SITE has no SITE.NAME or no SITE.ID");
    row.pool = iis_roots_pool(w->roots, row.name);
    view_add_site(w->out, &row);
    return ERR_NONE;
}

enum error_code iis_parse_sites(const char *utf8, size_t len, struct iis_roots *roots,
                                struct view *out, struct iis_failure *failure, struct error *err)
{
    *failure = (struct iis_failure){0};
    if (is_blank(utf8, len))
        return ERR_NONE;
    struct site_walk w = {roots, out, failure};
    struct iis_xml_visitor visitor = {.begin = site_begin, .arg = &w};
    size_t before = out->site_count, left_out_before = out->left_out;
    enum error_code code = iis_xml_walk(utf8, len, &visitor, err);
    if (code) {
        out->site_count = before;
        out->left_out = left_out_before;
    }
    return code;
}

/* ---- requests ---- */

/* Cuts `mark` and what follows it off the end of s, and gives back what followed; "" if the mark is
 * not there. The last one counts: a URL may hold anything. */
static const char *cut_last(char *s, const char *mark)
{
    char *last = NULL;
    for (char *at = strstr(s, mark); at; at = strstr(at + 1, mark))
        last = at;
    if (!last)
        return "";
    *last = '\0';
    return last + strlen(mark);
}

static uint64_t leading_number(const char *s)
{
    uint64_t value = 0;
    take_number(&s, " ", UINT64_MAX, &value);
    return value;
}

/* REQUEST "ID" (url:GET /x, time:1 msec, client:c, stage:s, module:m); line is taken apart. */
static bool parse_request(char *line, struct iis_request *out)
{
    static const char head[] = "REQUEST \"";
    size_t len = strlen(line);
    if (!text_starts(line, head) || line[len - 1] != ')')
        return false;
    line[len - 1] = '\0';
    char *id = line + strlen(head);
    char *open = strstr(id, "\" (");
    if (!open)
        return false;
    *open = '\0';
    char *inner = open + strlen("\" (");
    out->id = id;
    out->module = cut_last(inner, ", module:");
    out->stage = cut_last(inner, ", stage:");
    out->client = cut_last(inner, ", client:");
    const char *time = cut_last(inner, ", time:");
    out->elapsed_ms = leading_number(time);
    out->url = text_starts(inner, "url:") ? inner + strlen("url:") : inner;
    return time[0] != '\0';
}

struct request_walk {
    void (*each)(const struct iis_request *request, void *arg);
    void *arg;
    uint32_t count;
};

static int on_line(const char *part, void *arg)
{
    struct request_walk *w = arg;
    if (part[0] == '\0')
        return 0;
    char *line = must_copy(part);
    struct iis_request request;
    bool good = parse_request(line, &request);
    if (good && w->each)
        w->each(&request, w->arg);
    w->count += good;
    free(line);
    return good ? 0 : 1;
}

enum error_code iis_parse_requests(const char *utf8, size_t len,
                                   void (*each)(const struct iis_request *request, void *arg),
                                   void *arg, uint32_t *out_count, struct error *err)
{
    must(utf8[len] == '\0');
    struct request_walk w = {each, arg, 0};
    if (text_split(utf8, '\n', on_line, &w) != 0)
        return error_set(err, ERR_CORRUPT, "line %u of the answer is no request", w.count + 1);
    *out_count = w.count;
    return ERR_NONE;
}

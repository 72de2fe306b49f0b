#include "tests/lab/base/settings.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/line.h"
#include "tests/lab/base/words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (1u << 20)

struct entry {
    char *kind, *name, *key, *value; /* name NULL: the section has none */
};

struct settings {
    char dir[LAB_PATH_MAX];
    struct entry *entries;
    size_t count;
    json_t *faults; /* faults.json as last read: an array */
    struct os_file_id seen;
    char *lent;
};

static const char *const FAULTS[] = {
    "worker-ignores-stop", "worker-hangs",        "worker-leaks",      "worker-burns",
    "worker-crashes",      "worker-cannot-start", "worker-slow-start", "worker-cold",
    "worker-slow",         "worker-500",          "identity-fails",    "kernel-cache",
    "site-refuses",        "was-stuck",           "was-hangs",         "service-refuses-stop",
    "service-start-fails", "service-slow-start",  "service-slow-stop", "service-denied",
    "reboot-pending",      "shutting-down",       "scm-error",         "appcmd-slow",
    "appcmd-hangs",        "appcmd-output",       "appcmd-language",   "appcmd-error",
    "access-denied",       "config-locked",       "config-broken",     "no-request-monitor",
    "recycle-idle-4312",   "start-started-ok",
};

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return s;
}

static void add(struct settings *s, const char *kind, const char *name, const char *key,
                const char *value)
{
    s->entries = must_realloc(s->entries, s->count + 1, sizeof *s->entries);
    s->entries[s->count++] =
        (struct entry){must_copy(kind), must_copy(name), must_copy(key), must_copy(value)};
}

/* "pool My Pool" -> kind "pool", name "My Pool". */
static bool section(char *line, char **kind, char **name)
{
    char *end = strchr(line, ']');
    if (!end || end[1])
        return false;
    *end = '\0';
    *kind = trim(line + 1);
    char *blank = strchr(*kind, ' ');
    *name = blank ? trim(blank + 1) : NULL;
    if (blank)
        *blank = '\0';
    return **kind != '\0';
}

static enum error_code parse(struct settings *s, const char *path, char *text, struct error *err)
{
    char *rest = text, *line, *kind = NULL, *name = NULL;
    for (int number = 1; (line = words_next(&rest, "\n")); number++) {
        char *comment = strpbrk(line, ";#");
        if (comment)
            *comment = '\0';
        line = trim(line);
        if (!*line)
            continue;
        char *equals = strchr(line, '=');
        if (*line == '[') {
            if (!section(line, &kind, &name))
                return error_set(err, ERR_INVALID, "%s:%d: expected [KIND NAME]", path, number);
            add(s, kind, name, "", "");
        } else if (!equals || !kind) {
            return error_set(err, ERR_INVALID, "%s:%d: expected key = value below a [section]",
                             path, number);
        } else {
            *equals = '\0';
            add(s, kind, name, trim(line), trim(equals + 1));
        }
    }
    return ERR_NONE;
}

struct settings *settings_open(const char *server_dir, struct error *err)
{
    char path[LAB_PATH_MAX + 16], *text = NULL;
    struct settings *s = must_alloc(1, sizeof *s);
    text_copy(s->dir, sizeof s->dir, server_dir);
    snprintf(path, sizeof path, "%s/lab.conf", server_dir);
    enum error_code code = os_read_file(path, FILE_MAX_BYTES, &text, NULL, err);
    if (code == ERR_NONE)
        code = parse(s, path, text, err);
    free(text);
    if (code == ERR_NONE || code == ERR_NOT_FOUND)
        return s;
    settings_close(s);
    return NULL;
}

void settings_close(struct settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->entries[i].kind);
        free(s->entries[i].name);
        free(s->entries[i].key);
        free(s->entries[i].value);
    }
    free(s->entries);
    free(s->lent);
    json_decref(s->faults);
    free(s);
}

const char *settings_dir(const struct settings *s)
{
    return s->dir;
}

static bool same(const char *a, const char *b)
{
    return (!a && !b) || (a && b && text_equal_nocase(a, b));
}

const char *settings_get(const struct settings *s, const char *kind, const char *name,
                         const char *key)
{
    for (size_t i = s->count; i-- > 0;) {
        const struct entry *e = &s->entries[i];
        if (same(e->kind, kind) && same(e->name, name) && same(e->key, key))
            return e->value;
    }
    return NULL;
}

uint64_t settings_number(const struct settings *s, const char *pool, const char *key,
                         uint64_t otherwise)
{
    const char *text = pool ? settings_get(s, "pool", pool, key) : NULL;
    if (!text)
        text = settings_get(s, "server", NULL, key);
    uint64_t number = otherwise;
    if (text)
        text_parse_u64(text, 0, UINT64_MAX, &number);
    return number;
}

void settings_each(const struct settings *s, const char *kind,
                   void (*each)(const char *name, void *arg), void *arg)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct entry *e = &s->entries[i];
        if (same(e->kind, kind) && e->name && !*e->key)
            each(e->name, arg);
    }
}

static void look_again(struct settings *s)
{
    char path[LAB_PATH_MAX + 16];
    struct os_file_id id = {0};
    snprintf(path, sizeof path, "%s/faults.json", s->dir);
    if (os_file_id(path, &id, NULL) != ERR_NONE)
        id = (struct os_file_id){0};
    if (s->faults && memcmp(&id, &s->seen, sizeof id) == 0)
        return;
    json_t *now = line_load(path);
    json_decref(s->faults);
    s->faults = json_is_array(now) ? now : json_array();
    if (s->faults != now)
        json_decref(now);
    s->seen = id;
}

static bool timed_out(const json_t *fault)
{
    json_int_t until = json_integer_value(json_object_get(fault, "until_ms"));
    return until && (uint64_t)until <= clock_boot_ms();
}

/* The entry for exactly this scope that is in force; NULL if there is none. */
static json_t *find_switched(struct settings *s, const char *fault, const char *scope)
{
    json_t *f;
    size_t i;
    json_array_foreach(s->faults, i, f)
    {
        if (same(json_string_value(json_object_get(f, "name")), fault) &&
            same(json_string_value(json_object_get(f, "scope")), scope) && !timed_out(f))
            return f;
    }
    return NULL;
}

/* From lab.conf: [fault NAME SCOPE]. */
static bool find_configured(const struct settings *s, const char *fault, const char *scope,
                            const char **value)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s%s", fault, scope ? " " : "", scope ? scope : "");
    if (!settings_get(s, "fault", name, ""))
        return false;
    *value = settings_get(s, "fault", name, "value");
    return true;
}

const char *fault_value(struct settings *s, const char *fault, const char *scope,
                        const char *otherwise)
{
    look_again(s);
    for (int exact = scope ? 1 : 0; exact >= 0; exact--) {
        const char *at = exact ? scope : NULL, *value = NULL;
        json_t *f = find_switched(s, fault, at);
        if (f && !json_is_true(json_object_get(f, "on")))
            return NULL;
        if (f)
            value = json_string_value(json_object_get(f, "value"));
        else if (!find_configured(s, fault, at, &value))
            continue;
        free(s->lent);
        s->lent = must_copy(value ? value : otherwise ? otherwise : "");
        return s->lent;
    }
    return NULL;
}

bool fault_on(struct settings *s, const char *fault, const char *scope)
{
    return fault_value(s, fault, scope, NULL) != NULL;
}

bool fault_number(struct settings *s, const char *fault, const char *scope, uint64_t otherwise,
                  uint64_t *out)
{
    const char *value = fault_value(s, fault, scope, "");
    if (!value)
        return false;
    *out = otherwise;
    text_parse_u64(value, 0, UINT64_MAX, out);
    return true;
}

static bool known(const char *fault)
{
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
        if (strcmp(FAULTS[i], fault) == 0)
            return true;
    }
    return false;
}

static void drop_old(json_t *faults, const char *fault, const char *scope)
{
    for (size_t i = json_array_size(faults); i-- > 0;) {
        json_t *f = json_array_get(faults, i);
        bool same_name = same(json_string_value(json_object_get(f, "name")), fault);
        bool same_scope = same(json_string_value(json_object_get(f, "scope")), scope);
        if (timed_out(f) || (same_name && same_scope))
            json_array_remove(faults, i);
    }
}

enum error_code fault_switch(const char *server_dir, const char *fault, const char *scope,
                             const char *value, bool on, uint64_t seconds, struct error *err)
{
    bool all = strcmp(fault, "all") == 0 && !on;
    if (!all && !known(fault))
        return error_set(err, ERR_INVALID, "no such fault: %s (LAB.md lists them)", fault);
    struct settings *s = settings_open(server_dir, err);
    if (!s)
        return ERR_INVALID;
    look_again(s);
    drop_old(s->faults, fault, scope);
    if (all)
        json_array_clear(s->faults);
    else
        json_array_append_new(
            s->faults, json_pack("{s:s, s:s?, s:s?, s:b, s:I}", "name", fault, "scope", scope,
                                 "value", value, "on", on, "until_ms",
                                 (json_int_t)(seconds ? clock_boot_ms() + seconds * 1000 : 0)));
    char path[LAB_PATH_MAX + 16], *text = json_dumps(s->faults, JSON_INDENT(1));
    snprintf(path, sizeof path, "%s/faults.json", server_dir);
    enum error_code code = os_write_file(path, text, strlen(text), 0644, err);
    free(text);
    settings_close(s);
    return code;
}

static void list_configured(const char *name, void *arg)
{
    json_t *list = arg;
    char fault[256], *blank;
    text_copy(fault, sizeof fault, name);
    if ((blank = strchr(fault, ' ')))
        *blank = '\0';
    json_array_append_new(list, json_pack("{s:s, s:s?, s:s}", "name", fault, "scope",
                                          blank ? trim(blank + 1) : NULL, "from", "lab.conf"));
}

json_t *fault_list(struct settings *s)
{
    look_again(s);
    json_t *list = json_array(), *f;
    size_t i;
    settings_each(s, "fault", list_configured, list);
    for (i = json_array_size(list); i-- > 0;) {
        f = json_array_get(list, i);
        if (find_switched(s, json_string_value(json_object_get(f, "name")),
                          json_string_value(json_object_get(f, "scope"))))
            json_array_remove(list, i);
    }
    json_array_foreach(s->faults, i, f)
    {
        if (json_is_true(json_object_get(f, "on")) && !timed_out(f))
            json_array_append(list, f);
    }
    return list;
}

/* config.c - see config.h: lines, sections and errors. Values are in config_value.c. */
#include "common/config.h"

#include "common/config_value.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES  ((size_t)1 << 20)
#define SHOWN_MAX_BYTES 80 /* of a value or name, in an error */

/* A section header that was met. */
struct met {
    char *header;
    unsigned line;
};

struct reader {
    const char *name;
    const struct config_schema *schema;
    void *target;
    void (*report)(void *arg, const char *line);
    void *report_arg;
    unsigned line; /* of the file, from 1 */
    size_t errors;
    struct text first; /* error */
    struct met *met;
    size_t met_count;
    const char *section; /* of the table; NULL before the first and in one that was refused */
    void *fields;        /* of the section; NULL with it */
    unsigned *given;     /* per key of the table: its line in this section, 0: not yet */
};

/* ---- errors ---- */

/* One error; `expected`, or NULL, is the key whose expectation is added. */
static void complain_of(struct reader *r, unsigned line, const struct config_key *expected,
                        const char *fmt, va_list args)
{
    struct text text = {0};
    text_addf(&text, "%s:%u: ", r->name, line);
    text_vaddf(&text, fmt, args);
    if (expected)
        config_add_expected(expected, &text);
    if (r->report)
        r->report(r->report_arg, text.data);
    if (r->errors++ == 0)
        r->first = text;
    else
        text_reset(&text);
}

FORMAT_PRINTF(3, 4) static void complain(struct reader *r, unsigned line,
                                                           const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    complain_of(r, line, NULL, fmt, args);
    va_end(args);
}

/* The text ends where the expectation of the key goes on. */
FORMAT_PRINTF(4, 5) static void
complain_key(struct reader *r, unsigned line, const struct config_key *key, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    complain_of(r, line, key, fmt, args);
    va_end(args);
}

/* ---- sections ---- */

/* "backend *" takes "backend shop": *name is then "shop". */
static bool header_fits(const char *section, const char *header, const char **name)
{
    size_t len = strlen(section);
    *name = NULL;
    if (len < 2 || strcmp(section + len - 2, " *") != 0)
        return strcmp(section, header) == 0;
    len -= 2;
    if (strncmp(section, header, len) != 0 || header[len] != ' ')
        return false;
    *name = header + len + strspn(header + len, " ");
    return true;
}

static const char *find_section(const struct config_schema *schema, const char *header,
                                const char **name)
{
    for (size_t i = 0; i < schema->key_count; i++)
        if (header_fits(schema->keys[i].section, header, name))
            return schema->keys[i].section;
    return NULL;
}

/* The sections, or the keys of one, that the table knows: "[listen], [backend NAME]". */
static void list_sections(const struct config_schema *schema, struct text *out)
{
    for (size_t i = 0; i < schema->key_count; i++) {
        const char *section = schema->keys[i].section;
        bool named_before = false;
        for (size_t j = 0; j < i; j++)
            named_before |= strcmp(schema->keys[j].section, section) == 0;
        size_t len = strlen(section);
        bool has_name = len > 2 && strcmp(section + len - 2, " *") == 0;
        if (!named_before)
            text_addf(out, "%s[%.*s%s]", out->len ? ", " : "", (int)(has_name ? len - 2 : len),
                      section, has_name ? " NAME" : "");
    }
}

static void list_keys(const struct config_schema *schema, const char *section, struct text *out)
{
    for (size_t i = 0; i < schema->key_count; i++)
        if (strcmp(schema->keys[i].section, section) == 0)
            text_addf(out, "%s%s", out->len ? ", " : "", schema->keys[i].key);
}

static void close_section(struct reader *r)
{
    const struct config_schema *schema = r->schema;
    const struct met *met = r->met_count ? &r->met[r->met_count - 1] : NULL;
    for (size_t i = 0; r->section && i < schema->key_count; i++) {
        const struct config_key *key = &schema->keys[i];
        if (key->required && r->given[i] == 0 && strcmp(key->section, r->section) == 0)
            complain_key(r, met->line, key, "[%s] lacks the key %s: expected ", met->header,
                         key->key);
    }
    memset(r->given, 0, schema->key_count * sizeof(*r->given));
    r->section = NULL;
    r->fields = NULL;
}

static const struct met *find_met(const struct reader *r, const char *header)
{
    for (size_t i = 0; i < r->met_count; i++)
        if (strcmp(r->met[i].header, header) == 0)
            return &r->met[i];
    return NULL;
}

static void enter_section(struct reader *r, const char *section, const char *name)
{
    struct error err = {.text = "refused"};
    r->fields = r->schema->section(r->target, section, name, &err);
    if (r->fields)
        r->section = section;
    else
        complain(r, r->line, "[%s]: %s", r->met[r->met_count - 1].header, err.text);
}

/* Keys below a header that is refused are passed over: one mistake, one error. */
static void open_section(struct reader *r, const char *header)
{
    close_section(r);
    char shown[SHOWN_MAX_BYTES];
    text_copy(shown, sizeof(shown), header);
    const struct met *before = find_met(r, header);
    unsigned before_line = before ? before->line : 0;
    const char *name = NULL;
    const char *section = find_section(r->schema, header, &name);
    r->met = must_realloc(r->met, r->met_count + 1, sizeof(*r->met));
    r->met[r->met_count++] = (struct met){.header = must_copy(header), .line = r->line};
    if (before_line)
        complain(r, r->line, "[%s] was given before, on line %u", shown, before_line);
    else if (section)
        enter_section(r, section, name);
    else {
        struct text known = {0};
        list_sections(r->schema, &known);
        complain(r, r->line, "unknown section [%s]: expected one of %s", shown, text_get(&known));
        text_reset(&known);
    }
}

/* ---- keys ---- */

static size_t find_key(const struct reader *r, const char *name)
{
    const struct config_schema *schema = r->schema;
    for (size_t i = 0; i < schema->key_count; i++)
        if (strcmp(schema->keys[i].section, r->section) == 0 &&
            strcmp(schema->keys[i].key, name) == 0)
            return i;
    return schema->key_count;
}

static void unknown_key(struct reader *r, const char *name)
{
    char shown[SHOWN_MAX_BYTES];
    text_copy(shown, sizeof(shown), name);
    struct text known = {0};
    list_keys(r->schema, r->section, &known);
    complain(r, r->line, "unknown key %s in [%s]: expected one of %s", shown,
             r->met[r->met_count - 1].header, text_get(&known));
    text_reset(&known);
}

/* What the key's own check says about the value, which is in its field already. */
static void check_value(struct reader *r, const struct config_key *key, const char *name,
                        const char *value)
{
    struct error err = {0};
    const struct config_list *list = (const void *)((const char *)r->fields + key->offset);
    bool parts = key->type == CONFIG_LIST;
    for (size_t i = 0; key->check && i < (parts ? list->count : 1); i++)
        if (key->check(parts ? list->items[i] : value, &err))
            complain(r, r->line, "%s: %s", name, err.text);
}

static void set_key(struct reader *r, const char *name, const char *value)
{
    size_t at = find_key(r, name);
    if (at == r->schema->key_count) {
        unknown_key(r, name);
        return;
    }
    const struct config_key *key = &r->schema->keys[at];
    char shown[SHOWN_MAX_BYTES];
    text_copy(shown, sizeof(shown), value);
    if (r->given[at])
        complain(r, r->line, "%s was given before, on line %u", name, r->given[at]);
    else if (!*value)
        complain_key(r, r->line, key, "%s has no value: expected ", name);
    else if (!config_set(key, r->fields, value))
        complain_key(r, r->line, key, "%s = %s: expected ", name, shown);
    else
        check_value(r, key, name, value);
    if (!r->given[at])
        r->given[at] = r->line;
}

/* ---- lines ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static char *trim(char *s)
{
    while (is_blank(*s))
        s++;
    size_t len = strlen(s);
    while (len > 0 && is_blank(s[len - 1]))
        len--;
    s[len] = '\0';
    return s;
}

static void cut_comment(char *s)
{
    for (char *c = s; *c; c++) {
        if (*c != ';' || c == s || !is_blank(c[-1]))
            continue;
        *c = '\0';
        return;
    }
}

static void read_header(struct reader *r, char *line)
{
    size_t len = strlen(line);
    char *header = NULL;
    if (line[len - 1] == ']') {
        line[len - 1] = '\0';
        header = trim(line + 1);
    }
    if (header && *header) {
        open_section(r, header);
        return;
    }
    close_section(r);
    complain(r, r->line, "a section is written as [name] on a line of its own");
}

static void read_pair(struct reader *r, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals || equals == line) {
        complain(r, r->line, "expected [section] or key = value");
        return;
    }
    *equals = '\0';
    if (r->section)
        set_key(r, trim(line), trim(equals + 1));
    else if (r->met_count == 0)
        complain(r, r->line, "%.*s stands before the first [section]", SHOWN_MAX_BYTES, trim(line));
}

static void read_line(struct reader *r, char *line)
{
    if (!text_is_utf8(line, strlen(line))) {
        complain(r, r->line, "this line is not UTF-8 text: save the file as UTF-8");
        return;
    }
    line = trim(line);
    if (*line == '\0' || *line == ';' || *line == '#')
        return;
    cut_comment(line);
    line = trim(line);
    if (text_has_control(line))
        complain(r, r->line, "there is a control character on this line: remove it");
    else if (*line == '[')
        read_header(r, line);
    else
        read_pair(r, line);
}

/* Changes content: every line is ended by a NUL. */
static void read_lines(struct reader *r, char *content)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    if (text_starts(content, byte_order_mark))
        content += strlen(byte_order_mark);
    for (char *line = content; line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        r->line++;
        read_line(r, line);
        line = end ? end + 1 : NULL;
    }
    close_section(r);
}

static void check_missing_sections(struct reader *r)
{
    const struct config_schema *schema = r->schema;
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct config_key *key = &schema->keys[i];
        bool named = strchr(key->section, '*') != NULL;
        if (key->required && !named && !find_met(r, key->section))
            complain_key(r, r->line, key, "the section [%s] with the key %s is missing: expected ",
                         key->section, key->key);
    }
}

static enum error_code conclude(struct reader *r, struct error *err)
{
    if (r->errors == 0)
        return ERR_NONE;
    if (r->errors == 1)
        return error_set(err, ERR_INVALID, "%s", r->first.data);
    return error_set(err, ERR_INVALID, "%s holds %zu errors; the first: %s", r->name, r->errors,
                     r->first.data);
}

enum error_code config_parse(const char *content, const char *name,
                             const struct config_schema *schema, void *target,
                             void (*report)(void *arg, const char *line), void *arg,
                             struct error *err)
{
    struct reader r = {
        .name = name, .schema = schema, .target = target, .report = report, .report_arg = arg};
    r.given = must_alloc(schema->key_count, sizeof(*r.given));
    char *copy = must_copy(content);
    read_lines(&r, copy);
    check_missing_sections(&r);
    enum error_code code = conclude(&r, err);
    for (size_t i = 0; i < r.met_count; i++)
        free(r.met[i].header);
    free(r.met);
    free(r.given);
    free(copy);
    text_reset(&r.first);
    return code;
}

enum error_code config_read(const char *path, const struct config_schema *schema, void *target,
                            void (*report)(void *arg, const char *line), void *arg,
                            struct error *err)
{
    char *content = NULL;
    size_t len = 0;
    enum error_code code = os_read_file(path, FILE_MAX_BYTES, &content, &len, err);
    if (code) {
        error_wrap(err, "cannot read the configuration");
        return code;
    }
    if (strlen(content) != len)
        code =
            error_set(err, ERR_INVALID, "%s holds NUL bytes: it is not a text file in UTF-8", path);
    else
        code = config_parse(content, path, schema, target, report, arg, err);
    free(content);
    return code;
}

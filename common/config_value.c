/* config_value.c - see config_value.h, and config_release of config.h. */
#include "common/config_value.h"

#include "common/must.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void *field_of(const struct config_key *key, void *fields)
{
    return (char *)fields + key->offset;
}

static bool within(const struct config_key *key, uint64_t value)
{
    bool limited = key->min != 0 || key->max != 0;
    return !limited || (value >= key->min && value <= key->max);
}

static bool set_number(const struct config_key *key, void *fields, bool parsed, uint64_t value)
{
    if (!parsed || !within(key, value))
        return false;
    *(uint64_t *)field_of(key, fields) = value;
    return true;
}

static bool set_bool(const struct config_key *key, void *fields, const char *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!text_equal_nocase(value, words[i]))
            continue;
        *(bool *)field_of(key, fields) = i % 2 == 1;
        return true;
    }
    return false;
}

static bool set_choice(const struct config_key *key, void *fields, const char *value)
{
    for (int i = 0; key->choices[i]; i++) {
        if (!text_equal_nocase(value, key->choices[i]))
            continue;
        *(int *)field_of(key, fields) = i;
        return true;
    }
    return false;
}

static void set_text(const struct config_key *key, void *fields, const char *value)
{
    char **field = field_of(key, fields);
    free(*field);
    *field = must_copy(value);
}

static void free_list(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){0};
}

static int add_part(const char *part, void *arg)
{
    struct config_list *list = arg;
    if (!*part)
        return 1;
    list->items = must_realloc(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = must_copy(part);
    return 0;
}

static bool set_list(const struct config_key *key, void *fields, const char *value)
{
    struct config_list list = {0};
    if (text_split(value, ',', add_part, &list) != 0) {
        free_list(&list);
        return false;
    }
    free_list(field_of(key, fields));
    *(struct config_list *)field_of(key, fields) = list;
    return true;
}

bool config_set(const struct config_key *key, void *fields, const char *value)
{
    uint64_t number = 0;
    bool parsed;
    switch (key->type) {
    case CONFIG_TEXT:
        set_text(key, fields, value);
        return true;
    case CONFIG_BOOL:
        return set_bool(key, fields, value);
    case CONFIG_UINT:
        parsed = text_parse_u64(value, 0, UINT64_MAX, &number);
        return set_number(key, fields, parsed, number);
    case CONFIG_DURATION:
        parsed = text_parse_duration(value, &number);
        return set_number(key, fields, parsed, number);
    case CONFIG_SIZE:
        parsed = text_parse_size(value, &number);
        return set_number(key, fields, parsed, number);
    case CONFIG_LIST:
        return set_list(key, fields, value);
    case CONFIG_CHOICE:
        return set_choice(key, fields, value);
    }
    must(!"a type that is in the table and not in the enum");
    return false;
}

static const char *type_in_words(enum config_type type)
{
    switch (type) {
    case CONFIG_TEXT:
        return "a text";
    case CONFIG_BOOL:
        return "yes or no";
    case CONFIG_UINT:
        return "a number";
    case CONFIG_DURATION:
        return "a duration such as 250ms, 30s, 5m or 2h";
    case CONFIG_SIZE:
        return "a size in bytes such as 4096, 64K or 10M";
    case CONFIG_LIST:
        return "names with commas between them";
    case CONFIG_CHOICE:
        return "one of";
    }
    return "another value";
}

static void add_limit(const struct config_key *key, uint64_t limit, struct text *out)
{
    char duration[TEXT_DURATION_MAX];
    if (key->type == CONFIG_DURATION)
        text_add(out, text_format_duration(duration, limit));
    else
        text_addf(out, "%" PRIu64, limit);
}

void config_add_expected(const struct config_key *key, struct text *out)
{
    text_add(out, key->expected ? key->expected : type_in_words(key->type));
    if (key->expected)
        return;
    for (size_t i = 0; key->type == CONFIG_CHOICE && key->choices[i]; i++)
        text_addf(out, "%s %s", i > 0 ? "," : "", key->choices[i]);
    if (key->min == 0 && key->max == 0)
        return;
    text_add(out, ", from ");
    add_limit(key, key->min, out);
    text_add(out, " to ");
    add_limit(key, key->max, out);
}

void config_release(const struct config_schema *schema, const char *section, void *fields)
{
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct config_key *key = &schema->keys[i];
        if (strcmp(key->section, section) != 0)
            continue;
        if (key->type == CONFIG_TEXT) {
            char **field = field_of(key, fields);
            free(*field);
            *field = NULL;
        } else if (key->type == CONFIG_LIST) {
            free_list(field_of(key, fields));
        }
    }
}

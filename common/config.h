/* config.h - configuration files, read against a table of what may stand in them.
 *
 * INI: [section] lines, `key = value` lines, comments from `;` or `#` at the start of a line and
 * from ` ;` within one. UTF-8, at most 1 MiB. Not by inih, which cuts long lines and section names
 * silently and tells the line of the first error only. Unknown sections and keys, wrong types,
 * impossible values, sections and keys given twice and missing required keys are errors that name
 * file, line, and what was expected. All errors of a file are collected, not the first alone, so
 * that an operator mends it in one go. Blocks on reading the file. Knows nothing of what the keys
 * mean.
 */
#ifndef FARMHAND_COMMON_CONFIG_H
#define FARMHAND_COMMON_CONFIG_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
    CONFIG_TEXT, /* char *: allocated (a default too: must_copy), never empty, NULL while unset */
    CONFIG_BOOL, /* bool: yes|no|true|false|on|off */
    CONFIG_UINT, /* uint64_t, within [min, max] */
    CONFIG_DURATION, /* uint64_t in ms, "30s", within [min, max] in ms */
    CONFIG_SIZE,     /* uint64_t in bytes, "64K", "10M", within [min, max] */
    CONFIG_LIST,     /* struct config_list: parts between commas, trimmed, none empty */
    CONFIG_CHOICE,   /* int: index into `choices` (NULL-terminated) */
};

struct config_list {
    char **items;
    size_t count;
};

/* One key. `section` may be "backend *": a section with a name, one struct per name. */
struct config_key {
    const char *section;
    const char *key;
    enum config_type type;
    size_t offset; /* of the field in the section's struct */
    bool required;
    uint64_t min, max;          /* for UINT, DURATION, SIZE; both 0: no limits */
    const char *const *choices; /* for CHOICE */
    const char *expected;       /* in words, for the error: "a duration such as 30s, 1s to 1h" */
    /* More than the type says, or NULL: TEXT whole, LIST part by part. Fills err on refusal; the
     * line is told with it. */
    enum error_code (*check)(const char *value, struct error *err);
};

struct config_schema {
    const struct config_key *keys;
    size_t key_count;
    /* The struct that holds the fields of this section. `name` is NULL for a plain section, else
     * the part after the blank in "[backend shop]"; `section` is the string of the table, so
     * "backend *". Called once per section met, in order. NULL: refused, with err filled. */
    void *(*section)(void *target, const char *section, const char *name, struct error *err);
};

/* Reads `path` into target. Fields not named in the file keep what they hold (defaults first).
 * On failure target may be filled in part and is released as after success; err->text says how many
 * errors there are and the first; every error, one line each with file:line, goes to `report` if
 * not NULL. */
enum error_code config_read(const char *path, const struct config_schema *schema, void *target,
                            void (*report)(void *arg, const char *line), void *arg,
                            struct error *err);

/* The same from a string (tests, and files that came another way); name stands for the path. */
enum error_code config_parse(const char *content, const char *name,
                             const struct config_schema *schema, void *target,
                             void (*report)(void *arg, const char *line), void *arg,
                             struct error *err);

/* Frees the TEXT and LIST fields of one section's struct and sets them to NULL and 0; `section` as
 * in the table. */
void config_release(const struct config_schema *schema, const char *section, void *fields);

#endif

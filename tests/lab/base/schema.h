/* schema.h - the attributes of an application pool: their names, types, defaults and bounds.
 *
 * Source: IIS.md section 3, which follows Microsoft's IIS_schema.xml. The order is the one in
 * which appcmd prints them.
 */
#ifndef LAB_BASE_SCHEMA_H
#define LAB_BASE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schema_type { SCHEMA_TEXT, SCHEMA_BOOL, SCHEMA_UINT, SCHEMA_SPAN, SCHEMA_ENUM, SCHEMA_FLAGS };

struct schema_attribute {
    const char *element; /* "" is <add> itself; "recycling/periodicRestart" */
    const char *name;
    enum schema_type type;
    const char *otherwise; /* the default, as printed */
    uint64_t min, max;     /* SCHEMA_UINT */
    const char *words;     /* SCHEMA_ENUM, SCHEMA_FLAGS: "OnDemand AlwaysRunning" */
    bool rotates;          /* a change recycles the pool at once */
};

extern const struct schema_attribute SCHEMA_POOL[];
extern const size_t SCHEMA_POOL_COUNT;

/* path as on appcmd's command line: "autoStart", "processModel.idleTimeout"; NULL: none such. */
const struct schema_attribute *schema_find(const char *path);
/* The value as it is printed and stored ("True" -> "true", "29:00:00" -> "1.05:00:00"); false: the
 * value is not of that type or out of bounds. */
bool schema_normal(const struct schema_attribute *a, const char *value, char *out,
                   size_t size_bytes);

/* "[d.]hh:mm:ss". */
bool schema_parse_span(const char *text, uint64_t *out_ms);
void schema_format_span(char out[32], uint64_t ms);

#endif

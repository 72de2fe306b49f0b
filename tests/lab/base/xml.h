/* xml.h - a small tree over expat: read, look up, change, write again.
 *
 * Comments and the order of elements survive; white space between elements is laid out anew.
 */
#ifndef LAB_BASE_XML_H
#define LAB_BASE_XML_H

#include "common/error.h"
#include "common/text.h"

struct xml_attribute {
    char *name, *value;
};

struct xml {
    char *name; /* NULL: a comment, its words in `content` */
    char *content;
    struct xml_attribute *attributes;
    size_t attribute_count;
    struct xml *first, *last, *next, *parent;
};

struct xml *xml_parse(const char *bytes, size_t len, struct error *err); /* NULL: ERR_CORRUPT */
void xml_free(struct xml *node);
void xml_write(const struct xml *root, struct text *out); /* with declaration */

/* NULL where it is missing; a NULL node is allowed. Names of attributes compare exactly. */
struct xml *xml_child(const struct xml *node, const char *name);
struct xml *xml_path(const struct xml *node, const char *path); /* "a/b/c" */
struct xml *xml_next(const struct xml *node);                   /* next sibling of that name */
const char *xml_get(const struct xml *node, const char *attribute);
void xml_set(struct xml *node, const char *attribute, const char *value);
struct xml *xml_make(struct xml *node, const char *name); /* the child, made if missing */
struct xml *xml_add(struct xml *node, const char *name);        /* one more */
void xml_escape(struct text *out, const char *value);     /* for use inside double quotes */

#endif

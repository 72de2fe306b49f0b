#include "tests/lab/base/xml.h"

#include "common/must.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct xml *append(struct xml *parent, const char *name)
{
    struct xml *node = must_alloc(1, sizeof *node);
    node->name = must_copy(name);
    node->parent = parent;
    if (!parent)
        return node;
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    return node;
}

static void start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct xml **at = user;
    struct xml *node = append(*at, name);
    for (; *attributes; attributes += 2)
        xml_set(node, attributes[0], attributes[1]);
    *at = node;
}

static void end(void *user, const XML_Char *name)
{
    struct xml **at = user;
    (void)name;
    if ((*at)->parent)
        *at = (*at)->parent;
}

static void comment(void *user, const XML_Char *words)
{
    struct xml **at = user;
    if (*at)
        append(*at, NULL)->content = must_copy(words);
}

static void characters(void *user, const XML_Char *bytes, int len)
{
    struct xml **at = user;
    if (!*at)
        return;
    size_t old = (*at)->content ? strlen((*at)->content) : 0;
    (*at)->content = must_realloc((*at)->content, old + (size_t)len + 1, 1);
    memcpy((*at)->content + old, bytes, (size_t)len);
    (*at)->content[old + (size_t)len] = '\0';
}

struct xml *xml_parse(const char *bytes, size_t len, struct error *err)
{
    struct xml *at = NULL;
    XML_Parser parser = XML_ParserCreate(NULL);
    must(parser != NULL);
    XML_SetUserData(parser, &at);
    XML_SetElementHandler(parser, start, end);
    XML_SetCommentHandler(parser, comment);
    XML_SetCharacterDataHandler(parser, characters);
    bool ok = XML_Parse(parser, bytes, (int)len, 1) == XML_STATUS_OK;
    while (at && at->parent)
        at = at->parent;
    if (!ok) {
        error_set(err, ERR_CORRUPT, "line %lu: %s", XML_GetCurrentLineNumber(parser),
                  XML_ErrorString(XML_GetErrorCode(parser)));
        xml_free(at);
        at = NULL;
    }
    XML_ParserFree(parser);
    return at;
}

void xml_free(struct xml *node)
{
    if (!node)
        return;
    for (struct xml *child = node->first, *next; child; child = next) {
        next = child->next;
        xml_free(child);
    }
    for (size_t i = 0; i < node->attribute_count; i++) {
        free(node->attributes[i].name);
        free(node->attributes[i].value);
    }
    free(node->attributes);
    free(node->name);
    free(node->content);
    free(node);
}

void xml_escape(struct text *out, const char *value)
{
    for (; *value; value++) {
        switch (*value) {
        case '&':
            text_add(out, "&amp;");
            break;
        case '<':
            text_add(out, "&lt;");
            break;
        case '>':
            text_add(out, "&gt;");
            break;
        case '"':
            text_add(out, "&quot;");
            break;
        default:
            text_add_bytes(out, value, 1);
        }
    }
}

static bool only_blanks(const char *s)
{
    return !s || s[strspn(s, " \t\r\n")] == '\0';
}

static void write_node(const struct xml *node, int depth, struct text *out)
{
    text_addf(out, "%*s", depth * 4, "");
    if (!node->name) {
        text_addf(out, "<!--%s-->\n", node->content);
        return;
    }
    text_addf(out, "<%s", node->name);
    for (size_t i = 0; i < node->attribute_count; i++) {
        text_addf(out, " %s=\"", node->attributes[i].name);
        xml_escape(out, node->attributes[i].value);
        text_add(out, "\"");
    }
    if (!node->first && only_blanks(node->content)) {
        text_add(out, " />\n");
        return;
    }
    text_add(out, ">");
    if (!only_blanks(node->content))
        xml_escape(out, node->content);
    else
        text_add(out, "\n");
    for (const struct xml *child = node->first; child; child = child->next)
        write_node(child, depth + 1, out);
    text_addf(out, "%*s</%s>\n", only_blanks(node->content) ? depth * 4 : 0, "", node->name);
}

void xml_write(const struct xml *root, struct text *out)
{
    text_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    write_node(root, 0, out);
}

static struct xml *named(struct xml *node, const char *name)
{
    while (node && !(node->name && strcmp(node->name, name) == 0))
        node = node->next;
    return node;
}

struct xml *xml_child(const struct xml *node, const char *name)
{
    return node ? named(node->first, name) : NULL;
}

struct xml *xml_path(const struct xml *node, const char *path)
{
    char part[128];
    struct xml *at = (struct xml *)(uintptr_t)node;
    while (at && *path) {
        size_t len = strcspn(path, "/");
        snprintf(part, sizeof part, "%.*s", (int)len, path);
        at = xml_child(at, part);
        path += len + (path[len] == '/');
    }
    return at;
}

struct xml *xml_next(const struct xml *node)
{
    return node ? named(node->next, node->name) : NULL;
}

const char *xml_get(const struct xml *node, const char *attribute)
{
    for (size_t i = 0; node && i < node->attribute_count; i++) {
        if (strcmp(node->attributes[i].name, attribute) == 0)
            return node->attributes[i].value;
    }
    return NULL;
}

void xml_set(struct xml *node, const char *attribute, const char *value)
{
    for (size_t i = 0; i < node->attribute_count; i++) {
        if (strcmp(node->attributes[i].name, attribute) != 0)
            continue;
        free(node->attributes[i].value);
        node->attributes[i].value = must_copy(value);
        return;
    }
    size_t count = node->attribute_count + 1;
    node->attributes = must_realloc(node->attributes, count, sizeof *node->attributes);
    node->attributes[node->attribute_count++] =
        (struct xml_attribute){must_copy(attribute), must_copy(value)};
}

struct xml *xml_make(struct xml *node, const char *name)
{
    struct xml *child = xml_child(node, name);
    return child ? child : append(node, name);
}

struct xml *xml_add(struct xml *node, const char *name)
{
    return append(node, name);
}

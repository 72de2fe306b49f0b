/* iis_xml.h - walks an XML document of a stranger: whole, within bounds, without tricks.
 *
 * Over expat. A document type is refused, so no entity can grow; so are more than IIS_XML_DEPTH
 * levels, more than IIS_XML_ELEMENTS elements and anything that is not one whole document. Every
 * buffer of the parser is overwritten before it is freed, since /config prints passwords. The text
 * of an error holds names of elements at most, never content. Does not block.
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_XML_H
#define FARMHAND_AGENT_DRIVERS_IIS_XML_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

#define IIS_XML_DEPTH    32
#define IIS_XML_ELEMENTS 500000

struct iis_xml_visitor {
    /* An element begins. depth: 0 for the root. attributes: name, value, ..., NULL, lent for the
     * call. Anything but ERR_NONE ends the walk with it; err is for its text. */
    enum error_code (*begin)(void *arg, size_t depth, const char *element,
                             const char *const *attributes, struct error *err);
    /* Text of the element in hand, in pieces; may be NULL. Not terminated, lent for the call. */
    enum error_code (*text)(void *arg, const char *bytes, size_t len, struct error *err);
    /* An element ends; may be NULL. */
    enum error_code (*end)(void *arg, size_t depth, const char *element, struct error *err);
    void *arg;
};

/* utf8: as iis_decode gives it; whatever encoding the document declares, it is UTF-8. ERR_CORRUPT:
 * cut off, not XML, or refused; what was told to the visitor before that does not count. */
enum error_code iis_xml_walk(const char *utf8, size_t len, const struct iis_xml_visitor *visitor,
                             struct error *err);

/* The value of an attribute, NULL if it is not there; ASCII case is ignored. */
const char *iis_xml_attribute(const char *const *attributes, const char *name);

#endif

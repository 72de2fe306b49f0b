/* iis_xml.c - see iis_xml.h. */
#include "agent/drivers/iis_xml.h"

#include "common/text.h"

#include <expat.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory that is overwritten before it is freed ---- */

struct piece {
    size_t size;
    max_align_t bytes[];
};

static void *piece_alloc(size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    struct piece *piece = malloc(sizeof(*piece) + size);
    if (!piece)
        return NULL;
    piece->size = size;
    return piece->bytes;
}

static struct piece *piece_of(void *bytes)
{
    return (struct piece *)((char *)bytes - offsetof(struct piece, bytes));
}

static void piece_free(void *bytes)
{
    if (!bytes)
        return;
    struct piece *piece = piece_of(bytes);
    text_wipe(piece->bytes, piece->size);
    free(piece);
}

static void *piece_realloc(void *bytes, size_t size)
{
    void *grown = piece_alloc(size);
    if (!grown || !bytes)
        return grown;
    size_t old = piece_of(bytes)->size;
    memcpy(grown, bytes, old < size ? old : size);
    piece_free(bytes);
    return grown;
}

/* ---- the walk ---- */

struct walk {
    const struct iis_xml_visitor *visitor;
    XML_Parser parser;
    size_t depth, elements;
    enum error_code code;
    struct error *err;
};

static void stop(struct walk *w, enum error_code code)
{
    if (w->code == ERR_NONE)
        w->code = code;
    XML_StopParser(w->parser, XML_FALSE);
}

static void XMLCALL on_begin(void *arg, const XML_Char *element, const XML_Char **attributes)
{
    struct walk *w = arg;
    if (w->code != ERR_NONE)
        return;
    if (w->depth >= IIS_XML_DEPTH || w->elements++ >= IIS_XML_ELEMENTS) {
        stop(w, error_set(w->err, ERR_CORRUPT, "the document is too deep or too large"));
        return;
    }
    const struct iis_xml_visitor *v = w->visitor;
    enum error_code code =
        v->begin(v->arg, w->depth++, element, (const char *const *)attributes, w->err);
    if (code)
        stop(w, code);
}

static void XMLCALL on_end(void *arg, const XML_Char *element)
{
    struct walk *w = arg;
    if (w->code != ERR_NONE)
        return;
    w->depth--;
    enum error_code code =
        w->visitor->end ? w->visitor->end(w->visitor->arg, w->depth, element, w->err) : ERR_NONE;
    if (code)
        stop(w, code);
}

static void XMLCALL on_text(void *arg, const XML_Char *bytes, int len)
{
    struct walk *w = arg;
    if (w->code != ERR_NONE)
        return;
    enum error_code code = w->visitor->text(w->visitor->arg, bytes, (size_t)len, w->err);
    if (code)
        stop(w, code);
}

static void XMLCALL on_document_type(void *arg, const XML_Char *name, const XML_Char *system_id,
                                     const XML_Char *public_id, int has_internal)
{
    (void)name, (void)system_id, (void)public_id, (void)has_internal;
    struct walk *w = arg;
    stop(w, error_set(w->err, ERR_CORRUPT, "the document has a document type, which is refused"));
}

static enum error_code broken(struct walk *w)
{
    enum XML_Error error = XML_GetErrorCode(w->parser);
    if (error == XML_ERROR_NO_MEMORY)
        return error_set(w->err, ERR_NOMEM, "no memory to read the document");
    return error_set(w->err, ERR_CORRUPT, "not a whole XML document: %s in line %lu",
                     XML_ErrorString(error), (unsigned long)XML_GetCurrentLineNumber(w->parser));
}

enum error_code iis_xml_walk(const char *utf8, size_t len, const struct iis_xml_visitor *visitor,
                             struct error *err)
{
    static const XML_Memory_Handling_Suite memory = {piece_alloc, piece_realloc, piece_free};
    if (len > INT_MAX)
        return error_set(err, ERR_NOMEM, "a document of %zu bytes is too large", len);
    struct walk w = {.visitor = visitor, .err = err};
    w.parser = XML_ParserCreate_MM("UTF-8", &memory, NULL);
    if (!w.parser)
        return error_set(err, ERR_NOMEM, "no memory for an XML parser");
    XML_SetUserData(w.parser, &w);
    XML_SetElementHandler(w.parser, on_begin, on_end);
    if (visitor->text)
        XML_SetCharacterDataHandler(w.parser, on_text);
    XML_SetStartDoctypeDeclHandler(w.parser, on_document_type);
    enum XML_Status status = XML_Parse(w.parser, utf8, (int)len, XML_TRUE);
    if (status != XML_STATUS_OK && w.code == ERR_NONE)
        w.code = broken(&w);
    XML_ParserFree(w.parser);
    return w.code;
}

const char *iis_xml_attribute(const char *const *attributes, const char *name)
{
    for (; attributes[0]; attributes += 2)
        if (text_equal_nocase(attributes[0], name))
            return attributes[1];
    return NULL;
}

/* iis_decode.c - see iis_decode.h. */
#include "agent/drivers/iis_decode.h"

#include "common/codepage.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define DECLARATION_MAX 200 /* bytes at the start in which an XML declaration is looked for */

void iis_wipe_free(char *bytes, size_t len)
{
    if (bytes)
        text_wipe(bytes, len);
    free(bytes);
}

bool iis_code_page_known(const char *code_page)
{
    return codepage_known(code_page);
}

static bool keep(const char *bytes, size_t len, char **out, size_t *out_len)
{
    if (!text_is_utf8(bytes, len))
        return false;
    char *copy = must_alloc(len + 1, 1);
    memcpy(copy, bytes, len);
    *out = copy;
    *out_len = len;
    return true;
}

/* NULL: neither a mark nor zero bytes as UTF-16 has them. *skip: bytes of the mark. */
static const char *marked_encoding(const unsigned char *bytes, size_t len, size_t *skip)
{
    *skip = 2;
    if (len >= 2 && bytes[0] == 0xFF && bytes[1] == 0xFE)
        return "UTF-16LE";
    if (len >= 2 && bytes[0] == 0xFE && bytes[1] == 0xFF)
        return "UTF-16BE";
    *skip = 0;
    if (len >= 2 && bytes[0] != 0 && bytes[1] == 0)
        return "UTF-16LE";
    if (len >= 2 && bytes[0] == 0 && bytes[1] != 0)
        return "UTF-16BE";
    return NULL;
}

/* The name in encoding="..." of an XML declaration at the start. */
static bool declared_encoding(const char *bytes, size_t len, char *out, size_t size)
{
    char head[DECLARATION_MAX + 1] = {0};
    memcpy(head, bytes, len < DECLARATION_MAX ? len : DECLARATION_MAX);
    const char *end = text_starts(head, "<?xml") ? strstr(head, "?>") : NULL;
    const char *at = end ? strstr(head, "encoding=") : NULL;
    if (!at || at > end)
        return false;
    at += strlen("encoding=");
    const char *close = *at == '"' || *at == '\'' ? strchr(at + 1, *at) : NULL;
    if (!close || close > end || (size_t)(close - at) > size)
        return false;
    memcpy(out, at + 1, (size_t)(close - at - 1));
    out[close - at - 1] = '\0';
    return true;
}

/* Latin, Greek and Cyrillic, as the code pages of one byte have them. */
static bool is_letter(uint32_t c)
{
    bool latin = c >= 0xC0 && c <= 0x24F && c != 0xD7 && c != 0xF7;
    return latin || (c >= 0x386 && c <= 0x3CE) || (c >= 0x401 && c <= 0x45F);
}

static size_t letters(const char *utf8, size_t len)
{
    size_t count = 0;
    while (len > 0) {
        uint32_t c = 0;
        size_t step = text_utf8_next(utf8, len, &c);
        must(step > 0);
        count += is_letter(c);
        utf8 += step;
        len -= step;
    }
    return count;
}

/* The pages to choose from. */
struct pages {
    const char *told; /* by the settings; NULL */
    const char *consoles, *programs;
};

/* An umlaut of one code page is a quotation mark or a frame in the other. A tie goes to the
 * consoles' page: it is the one that appcmd writes in. Where both are the same, as in East Asia,
 * there is nothing to choose. */
static bool convert_guessed(const char *bytes, size_t len, const struct pages *pages, char **out,
                            size_t *out_len)
{
    char *oem = NULL, *ansi = NULL;
    size_t oem_len = 0, ansi_len = 0;
    bool oem_fits = codepage_to_utf8(pages->consoles, bytes, len, &oem, &oem_len);
    bool ansi_fits = !text_equal(pages->consoles, pages->programs) &&
                     codepage_to_utf8(pages->programs, bytes, len, &ansi, &ansi_len);
    if (ansi_fits && (!oem_fits || letters(ansi, ansi_len) > letters(oem, oem_len))) {
        iis_wipe_free(oem, oem_len);
        *out = ansi;
        *out_len = ansi_len;
        return true;
    }
    iis_wipe_free(ansi, ansi_len);
    if (!oem_fits)
        return false;
    *out = oem;
    *out_len = oem_len;
    return true;
}

static bool decode_bytes(const char *bytes, size_t len, const struct pages *pages, char **out,
                         size_t *out_len)
{
    if (keep(bytes, len, out, out_len))
        return true;
    if (memchr(bytes, 0, len))
        return false;
    char declared[32];
    if (declared_encoding(bytes, len, declared, sizeof(declared)) &&
        !text_equal_nocase(declared, "utf-8") &&
        codepage_to_utf8(declared, bytes, len, out, out_len))
        return true;
    if (pages->told)
        return codepage_to_utf8(pages->told, bytes, len, out, out_len);
    return convert_guessed(bytes, len, pages, out, out_len);
}

enum error_code iis_decode_on(const char *bytes, size_t len, const char *code_page,
                              const char *consoles, const char *programs, char **out,
                              size_t *out_len, struct error *err)
{
    const struct pages pages = {.told = code_page,
                                .consoles = *consoles ? consoles : "CP850",
                                .programs = *programs ? programs : "WINDOWS-1252"};
    size_t skip = 0;
    const char *wide = marked_encoding((const unsigned char *)bytes, len, &skip);
    if (wide) {
        if (codepage_to_utf8(wide, bytes + skip, len - skip, out, out_len))
            return ERR_NONE;
        return error_set(err, ERR_CORRUPT, "the answer looks like %s and is not", wide);
    }
    if (len >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
        skip = 3;
    if (decode_bytes(bytes + skip, len - skip, &pages, out, out_len))
        return ERR_NONE;
    return error_set(err, ERR_CORRUPT,
                     "the answer fits no encoding: name its code page as [iis] code_page");
}

enum error_code iis_decode(const char *bytes, size_t len, const char *code_page, char **out,
                           size_t *out_len, struct error *err)
{
    char consoles[16], programs[16];
    codepage_of_consoles(consoles);
    codepage_of_programs(programs);
    return iis_decode_on(bytes, len, code_page, consoles, programs, out, out_len, err);
}

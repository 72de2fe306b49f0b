/* codepage_win32.c - see codepage.h.
 *
 * Through UTF-16, as Windows converts. Code pages are asked to refuse what they do not have;
 * single-byte ones that map every byte to something (CP437, CP850) refuse nothing, as they should.
 */
#include "common/codepage.h"

#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define UTF16LE 1200 /* known to Windows by number, but not to MultiByteToWideChar */
#define UTF16BE 1201

/* 0: no such name. */
static UINT number_of(const char *name)
{
    static const char *const starts[] = {"CP", "WINDOWS-", "IBM", ""};
    uint64_t number;
    if (text_equal_nocase(name, "UTF-8"))
        return CP_UTF8;
    if (text_equal_nocase(name, "UTF-16LE"))
        return UTF16LE;
    if (text_equal_nocase(name, "UTF-16BE"))
        return UTF16BE;
    if (text_equal_nocase(name, "ISO-8859-1"))
        return 28591;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        size_t len = strlen(starts[i]);
        char head[16] = "";
        if (strlen(name) > len)
            text_copy(head, len + 1, name);
        if (text_equal_nocase(head, starts[i]) && text_parse_u64(name + len, 1, 65535, &number))
            return (UINT)number;
    }
    return 0;
}

bool codepage_known(const char *name)
{
    UINT number = number_of(name);
    return number == UTF16LE || number == UTF16BE || (number != 0 && IsValidCodePage(number));
}

/* Of the system, not of this process: its manifest says UTF-8, and GetOEMCP would tell that. */
#define PAGES L"SYSTEM\\CurrentControlSet\\Control\\Nls\\CodePage"

static void name_page(const wchar_t *which, char out[16])
{
    wchar_t number[8] = L"";
    DWORD bytes = sizeof(number);
    out[0] = '\0';
    if (RegGetValueW(HKEY_LOCAL_MACHINE, PAGES, which, RRF_RT_REG_SZ, NULL, number, &bytes) ==
        ERROR_SUCCESS)
        text_format(out, 16, "CP%ls", number);
}

void codepage_of_consoles(char out[16])
{
    name_page(L"OEMCP", out);
}

void codepage_of_programs(char out[16])
{
    name_page(L"ACP", out);
}

static wchar_t *from_utf16(const char *bytes, size_t len, bool big, size_t *units)
{
    if (len % 2 != 0)
        return NULL;
    wchar_t *wide = must_alloc(len / 2 + 1, sizeof(*wide));
    for (size_t i = 0; i < len / 2; i++) {
        unsigned char low = (unsigned char)bytes[2 * i + big];
        unsigned char high = (unsigned char)bytes[2 * i + !big];
        wide[i] = (wchar_t)(high << 8 | low);
    }
    *units = len / 2;
    return wide;
}

static wchar_t *from_bytes(UINT number, const char *bytes, size_t len, size_t *units)
{
    if (len > INT_MAX)
        return NULL;
    wchar_t *wide = must_alloc(len + 1, sizeof(*wide)); /* a byte is one unit at most */
    int made = len == 0 ? 0
                        : MultiByteToWideChar(number, MB_ERR_INVALID_CHARS, bytes, (int)len, wide,
                                              (int)len);
    if (made == 0 && len > 0) {
        text_wipe(wide, len * sizeof(*wide));
        free(wide);
        return NULL;
    }
    *units = (size_t)made;
    return wide;
}

bool codepage_to_utf8(const char *name, const char *bytes, size_t len, char **out, size_t *out_len)
{
    UINT number = number_of(name);
    size_t units = 0;
    if (!codepage_known(name))
        return false;
    wchar_t *wide = number == UTF16LE || number == UTF16BE
                        ? from_utf16(bytes, len, number == UTF16BE, &units)
                        : from_bytes(number, bytes, len, &units);
    if (!wide)
        return false;
    bool has_nul = wmemchr(wide, L'\0', units) != NULL;
    char *utf8 = has_nul ? NULL : sys_utf8_len(wide, units);
    text_wipe(wide, units * sizeof(*wide));
    free(wide);
    if (!utf8)
        return false;
    *out = utf8;
    *out_len = strlen(utf8);
    return true;
}

/* codepage_posix.c - see codepage.h. */
#include "common/codepage.h"

#include "common/must.h"
#include "common/text.h"

#include <iconv.h>
#include <stdlib.h>

bool codepage_known(const char *name)
{
    iconv_t converter = iconv_open("UTF-8", name);
    if (converter == (iconv_t)-1)
        return false;
    iconv_close(converter);
    return true;
}

void codepage_of_consoles(char out[16])
{
    out[0] = '\0';
}

void codepage_of_programs(char out[16])
{
    out[0] = '\0';
}

/* At most 4 bytes of UTF-8 come of one byte or of one unit of UTF-16, so one buffer is enough and
 * no copy is left behind by growing. */
bool codepage_to_utf8(const char *name, const char *bytes, size_t len, char **out, size_t *out_len)
{
    iconv_t converter = iconv_open("UTF-8", name);
    if (converter == (iconv_t)-1)
        return false;
    size_t size = 4 * len + 1;
    char *buffer = must_alloc(size, 1);
    char *in = (char *)bytes;
    char *to = buffer;
    size_t in_left = len;
    size_t room = size - 1;
    bool good = iconv(converter, &in, &in_left, &to, &room) == 0 && in_left == 0;
    iconv_close(converter);
    size_t made = size - 1 - room;
    if (!good || !text_is_utf8(buffer, made)) {
        text_wipe(buffer, size);
        free(buffer);
        return false;
    }
    *out = buffer;
    *out_len = made;
    return true;
}

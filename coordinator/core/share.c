/* share.c - see share.h. */
#include "coordinator/core/share.h"

#include "common/text.h"

#include <string.h>

bool share_parse(const char *text, struct share *out)
{
    char digits[SHARE_TEXT_MAX];
    uint64_t number;
    size_t len = strlen(text);
    bool percent = len > 0 && text[len - 1] == '%';
    if (!text_copy(digits, sizeof digits, text)) {
        return false;
    }
    digits[len - (percent ? 1 : 0)] = '\0';
    if (!text_parse_u64(digits, 0, percent ? 100 : SHARE_NUMBER_MAX, &number)) {
        return false;
    }
    *out = (struct share){.number = (uint32_t)number, .percent = percent};
    return true;
}

const char *share_format(char out[SHARE_TEXT_MAX], struct share share)
{
    text_format(out, SHARE_TEXT_MAX, "%u%s", share.number, share.percent ? "%" : "");
    return out;
}

uint32_t share_of(struct share share, size_t total)
{
    return share.percent ? (uint32_t)((uint64_t)total * share.number / 100) : share.number;
}

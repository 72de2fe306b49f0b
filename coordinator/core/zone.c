/* zone.c - see zone.h. */
#include "coordinator/core/zone.h"

#include "common/must.h"
#include "common/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 44
#define DAY_S        86400
#define FOOTER_MAX   128

/* One end of daylight saving time: when, in local time of before the change. */
struct rule {
    char kind;            /* 'M': week day of a month; 'J': day 1..365, no leap day; 'D': 0..365 */
    int month, week, day; /* 'M': 1..12, 1..5 (5: the last), 0..6; else day alone */
    int32_t time_s;       /* after midnight; may be below 0 or above a day */
};

/* The footer: what holds after the last transition. */
struct posix {
    bool given, has_dst;
    int32_t std_s, dst_s; /* ahead of UTC */
    struct rule begin, end;
};

struct zone {
    int64_t *at_s; /* ascending */
    int32_t *offset_s;
    size_t count;
    int32_t first_s; /* before the first transition */
    struct posix posix;
};

/* ---- the footer ---- */

static bool take_number(const char **s, int max, int *out)
{
    int n = 0;
    if (!isdigit((unsigned char)**s)) {
        return false;
    }
    for (; isdigit((unsigned char)**s); (*s)++) {
        n = n * 10 + (**s - '0');
        if (n > max) {
            return false;
        }
    }
    *out = n;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **s, int32_t *out)
{
    int h, m = 0, sec = 0, sign = 1;
    if (**s == '+' || **s == '-') {
        sign = *(*s)++ == '-' ? -1 : 1;
    }
    if (!take_number(s, 167, &h)) {
        return false;
    }
    if (**s == ':' && (++*s, !take_number(s, 59, &m))) {
        return false;
    }
    if (**s == ':' && (++*s, !take_number(s, 59, &sec))) {
        return false;
    }
    *out = sign * (h * 3600 + m * 60 + sec);
    return true;
}

static bool take_name(const char **s)
{
    const char *begin = *s;
    if (**s == '<') {
        const char *end = strchr(*s, '>');
        *s = end ? end + 1 : *s;
        return end != NULL;
    }
    while (isalpha((unsigned char)**s)) {
        (*s)++;
    }
    return *s - begin >= 3;
}

static bool take_rule(const char **s, struct rule *r)
{
    bool good;
    if (*(*s)++ != ',') {
        return false;
    }
    r->time_s = 2 * 3600;
    if (**s == 'M') {
        r->kind = *(*s)++;
        good = take_number(s, 12, &r->month) && *(*s)++ == '.' && take_number(s, 5, &r->week) &&
               *(*s)++ == '.' && take_number(s, 6, &r->day) && r->month >= 1 && r->week >= 1;
    } else if (**s == 'J') {
        r->kind = *(*s)++;
        good = take_number(s, 365, &r->day) && r->day >= 1;
    } else {
        r->kind = 'D';
        good = take_number(s, 365, &r->day);
    }
    return good && (**s != '/' || (++*s, take_time(s, &r->time_s)));
}

static bool parse_posix(const char *s, struct posix *p)
{
    int32_t west;
    if (!*s) {
        return true; /* the last transition holds for good */
    }
    p->given = true;
    if (!take_name(&s) || !take_time(&s, &west)) {
        return false;
    }
    p->std_s = -west;
    if (!*s) {
        return true;
    }
    p->has_dst = true;
    p->dst_s = p->std_s + 3600;
    if (!take_name(&s)) {
        return false;
    }
    if (*s && *s != ',') {
        if (!take_time(&s, &west)) {
            return false;
        }
        p->dst_s = -west;
    }
    return take_rule(&s, &p->begin) && take_rule(&s, &p->end) && !*s;
}

/* ---- days ---- */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first of January. */
static int64_t year_begin(int64_t year)
{
    int64_t y = year - 1;
    return 365 * (year - 1970) + (y / 4 - 1969 / 4) - (y / 100 - 1969 / 100) +
           (y / 400 - 1969 / 400);
}

static int64_t year_of(int64_t day)
{
    int64_t year = 1970 + day / 366;
    while (year_begin(year + 1) <= day) {
        year++;
    }
    while (year_begin(year) > day) {
        year--;
    }
    return year;
}

static const int month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

/* Day of that year, from 0, on which the rule falls. */
static int rule_day(const struct rule *r, int64_t year)
{
    if (r->kind == 'J') {
        return r->day - 1 + (is_leap(year) && r->day >= 60 ? 1 : 0);
    }
    if (r->kind == 'D') {
        return r->day;
    }
    int first = 0, length = month_days[r->month - 1];
    for (int m = 0; m < r->month - 1; m++) {
        first += month_days[m] + (m == 1 && is_leap(year));
    }
    length += r->month == 2 && is_leap(year);
    int64_t week_day = (year_begin(year) + first + 4) % 7; /* 1970 began on a Thursday */
    int day = (int)((r->day - week_day + 7) % 7) + (r->week - 1) * 7;
    return first + (day >= length ? day - 7 : day);
}

static int64_t rule_local_s(const struct rule *r, int64_t year)
{
    return (year_begin(year) + rule_day(r, year)) * DAY_S + r->time_s;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int32_t posix_offset(const struct posix *p, int64_t utc_s)
{
    if (!p->has_dst) {
        return p->std_s;
    }
    int64_t year = year_of(floor_div(utc_s + p->std_s, DAY_S));
    int64_t begin = rule_local_s(&p->begin, year) - p->std_s;
    int64_t end = rule_local_s(&p->end, year) - p->dst_s;
    bool dst = begin < end ? utc_s >= begin && utc_s < end : utc_s >= begin || utc_s < end;
    return dst ? p->dst_s : p->std_s;
}

/* ---- the file ---- */

static uint64_t big_endian(const uint8_t *p, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

struct header {
    uint64_t utc, std, leap, times, types, chars;
};

static bool read_header(const uint8_t *p, size_t len, struct header *h)
{
    if (len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0 || p[4] < '2') {
        return false;
    }
    *h = (struct header){big_endian(p + 20, 4), big_endian(p + 24, 4), big_endian(p + 28, 4),
                         big_endian(p + 32, 4), big_endian(p + 36, 4), big_endian(p + 40, 4)};
    return true;
}

static uint64_t body_bytes(const struct header *h, uint64_t time_bytes)
{
    return h->times * (time_bytes + 1) + h->types * 6 + h->chars + h->leap * (time_bytes + 4) +
           h->std + h->utc;
}

static bool read_times(struct zone *z, const struct header *h, const uint8_t *p)
{
    const uint8_t *index = p + h->times * 8, *types = index + h->times;
    z->count = h->times;
    z->at_s = must_alloc(z->count + 1, sizeof *z->at_s);
    z->offset_s = must_alloc(z->count + 1, sizeof *z->offset_s);
    z->first_s = (int32_t)big_endian(types, 4);
    for (size_t i = 0; i < z->count; i++) {
        if (index[i] >= h->types) {
            return false;
        }
        z->at_s[i] = (int64_t)big_endian(p + i * 8, 8);
        z->offset_s[i] = (int32_t)big_endian(types + index[i] * 6u, 4);
        if ((i && z->at_s[i] < z->at_s[i - 1]) || z->offset_s[i] < -26 * 3600 ||
            z->offset_s[i] > 26 * 3600) {
            return false;
        }
    }
    return true;
}

static bool read_footer(struct zone *z, const uint8_t *p, size_t len)
{
    char footer[FOOTER_MAX];
    const uint8_t *end = len > 1 && p[0] == '\n' ? memchr(p + 1, '\n', len - 1) : NULL;
    size_t size = end ? (size_t)(end - p) - 1 : 0;
    if (!end || size >= sizeof footer) {
        return false;
    }
    memcpy(footer, p + 1, size);
    footer[size] = '\0';
    return parse_posix(footer, &z->posix);
}

/* The second half of the file, with 64 bits a time. */
static bool read_zone(struct zone *z, const uint8_t *p, size_t len)
{
    struct header h;
    if (!read_header(p, len, &h)) {
        return false;
    }
    uint64_t skip = HEADER_BYTES + body_bytes(&h, 4);
    if (skip > len || !read_header(p + skip, len - skip, &h)) {
        return false;
    }
    p += skip + HEADER_BYTES;
    len -= skip + HEADER_BYTES;
    uint64_t body = body_bytes(&h, 8);
    return h.types > 0 && body <= len && read_times(z, &h, p) &&
           read_footer(z, p + body, len - body);
}

enum error_code zone_parse(const void *bytes, size_t len, struct zone **out, struct error *err)
{
    struct zone *z = must_alloc(1, sizeof *z);
    if (!read_zone(z, bytes, len)) {
        zone_free(z);
        return error_set(err, ERR_CORRUPT, "not a compiled time zone of version 2 or later");
    }
    *out = z;
    return ERR_NONE;
}

void zone_free(struct zone *z)
{
    if (z) {
        free(z->at_s);
        free(z->offset_s);
        free(z);
    }
}

int32_t zone_offset_s(const struct zone *z, int64_t utc_s)
{
    if (!z) {
        return 0;
    }
    if (z->count == 0 || utc_s >= z->at_s[z->count - 1]) {
        int32_t last = z->count ? z->offset_s[z->count - 1] : z->first_s;
        return z->posix.given ? posix_offset(&z->posix, utc_s) : last;
    }
    size_t low = 0, high = z->count; /* the first transition after it is in [low, high] */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (z->at_s[middle] <= utc_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low ? z->offset_s[low - 1] : z->first_s;
}

int64_t zone_to_utc_s(const struct zone *z, int64_t local_s)
{
    int64_t early = local_s - zone_offset_s(z, local_s - DAY_S);
    int64_t late = local_s - zone_offset_s(z, local_s + DAY_S);
    if (early + zone_offset_s(z, early) == local_s) {
        return early;
    }
    if (late + zone_offset_s(z, late) == local_s) {
        return late;
    }
    /* Clocks skip it: with the offset from before, `early` is past the jump by as much as local_s
     * is past the skipped hour's begin. Walk back to the jump. */
    int64_t low = late, high = early;
    while (low + 1 < high) {
        int64_t middle = low + (high - low) / 2;
        bool before = zone_offset_s(z, middle) == zone_offset_s(z, low);
        *(before ? &low : &high) = middle;
    }
    return high;
}

bool zone_name_ok(const char *name)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    size_t len = strlen(name);
    return len > 0 && len < 64 && strspn(name, plain) == len && name[0] != '/' &&
           name[len - 1] != '/' && !strstr(name, "//");
}

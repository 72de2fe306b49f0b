/* text_number.c - see text.h: numbers, durations, times and hexadecimal. */
#include "common/text.h"

#include "common/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Reads the digits at s; false if there are none or they do not fit. */
static bool read_digits(const char *s, const char **end, uint64_t *out)
{
    uint64_t value = 0;
    const char *at = s;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *end = at;
    *out = value;
    return at != s;
}

bool text_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
    const char *end;
    uint64_t value;
    if (!read_digits(s, &end, &value) || *end || value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool text_parse_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
    bool negative = *s == '-';
    const char *end;
    uint64_t size;
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    if (!read_digits(s + negative, &end, &size) || *end || size > limit)
        return false;
    int64_t value = negative ? (int64_t)(0 - size) : (int64_t)size;
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

/* ---- durations ---- */

#define MS_SECOND UINT64_C(1000)
#define MS_MINUTE (60 * MS_SECOND)
#define MS_HOUR   (60 * MS_MINUTE)
#define MS_DAY    (24 * MS_HOUR)

bool text_parse_duration(const char *s, uint64_t *out_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {
        {"ms", 1}, {"s", MS_SECOND}, {"m", MS_MINUTE}, {"h", MS_HOUR}, {"d", MS_DAY},
    };
    const char *unit;
    uint64_t count;
    if (!read_digits(s, &unit, &count))
        return false;
    if (count == 0 && *unit == '\0') {
        *out_ms = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(unit, units[i].name) != 0 || count > UINT64_MAX / units[i].ms)
            continue;
        *out_ms = count * units[i].ms;
        return true;
    }
    return false;
}

bool text_parse_size(const char *s, uint64_t *out_bytes)
{
    static const char units[] = "KMG";
    const char *unit;
    uint64_t count;
    if (!read_digits(s, &unit, &count))
        return false;
    unsigned shift = 0;
    if (*unit) {
        const char *at = strchr(units, *unit);
        if (!at || unit[1])
            return false;
        shift = 10 * (unsigned)(at - units + 1);
    }
    if (count > UINT64_MAX >> shift)
        return false;
    *out_bytes = count << shift;
    return true;
}

/* "3m10s", or "3m" where the smaller part is zero. */
static void format_two(char out[TEXT_DURATION_MAX], uint64_t big, char big_unit, uint64_t small,
                       char small_unit)
{
    if (small == 0)
        snprintf(out, TEXT_DURATION_MAX, "%" PRIu64 "%c", big, big_unit);
    else
        snprintf(out, TEXT_DURATION_MAX, "%" PRIu64 "%c%02u%c", big, big_unit, (unsigned)small,
                 small_unit);
}

const char *text_format_duration(char out[TEXT_DURATION_MAX], uint64_t ms)
{
    if (ms == 0)
        snprintf(out, TEXT_DURATION_MAX, "0s");
    else if (ms < MS_SECOND)
        snprintf(out, TEXT_DURATION_MAX, "%ums", (unsigned)ms);
    else if (ms < 10 * MS_SECOND && ms % MS_SECOND >= 100)
        snprintf(out, TEXT_DURATION_MAX, "%u.%us", (unsigned)(ms / MS_SECOND),
                 (unsigned)(ms % MS_SECOND / 100));
    else if (ms < MS_MINUTE)
        snprintf(out, TEXT_DURATION_MAX, "%us", (unsigned)(ms / MS_SECOND));
    else if (ms < MS_HOUR)
        format_two(out, ms / MS_MINUTE, 'm', ms % MS_MINUTE / MS_SECOND, 's');
    else if (ms < MS_DAY)
        format_two(out, ms / MS_HOUR, 'h', ms % MS_HOUR / MS_MINUTE, 'm');
    else
        format_two(out, ms / MS_DAY, 'd', ms % MS_DAY / MS_HOUR, 'h');
    return out;
}

/* ---- times: the proleptic Gregorian calendar, by hand since gmtime_r and timegm are not
 * everywhere. A year is counted from March, so that the leap day is its last. ---- */

#define DAYS_400_YEARS     146097
#define DAYS_TO_1970_MARCH 719468 /* from 0000-03-01 to 1970-01-01 */

static int64_t days_of_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_400_YEARS + day_of_era - DAYS_TO_1970_MARCH;
}

static void date_of_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += DAYS_TO_1970_MARCH;
    int64_t era = (days >= 0 ? days : days - (DAYS_400_YEARS - 1)) / DAYS_400_YEARS;
    int64_t day_of_era = days - era * DAYS_400_YEARS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int from_march = (int)((5 * day_of_year + 2) / 153);
    *day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

#define WALL_FIRST INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define WALL_LAST  INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

const char *text_format_time(char out[TEXT_TIME_MAX], int64_t wall_ms)
{
    if (wall_ms < WALL_FIRST)
        wall_ms = WALL_FIRST;
    if (wall_ms > WALL_LAST)
        wall_ms = WALL_LAST;
    int64_t days = wall_ms / (int64_t)MS_DAY - (wall_ms % (int64_t)MS_DAY < 0);
    unsigned ms = (unsigned)(wall_ms - days * (int64_t)MS_DAY);
    int64_t year;
    int month, day;
    date_of_days(days, &year, &month, &day);
    snprintf(out, TEXT_TIME_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000,
             (unsigned)month % 100, (unsigned)day % 100, ms / 3600000 % 24, ms / 60000 % 60,
             ms / 1000 % 60, ms % 1000);
    return out;
}

/* Matches s against a shape in which 'd' is any digit; everything else stands for itself. */
static bool has_shape(const char *s, const char *shape)
{
    for (; *shape; s++, shape++)
        if (*shape == 'd' ? *s < '0' || *s > '9' : *s != *shape)
            return false;
    return *s == '\0';
}

static int number_at(const char *s, size_t digits)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (s[i] - '0');
    return value;
}

static bool is_date(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= lengths[month - 1] + (month == 2 && leap);
}

bool text_parse_time(const char *s, int64_t *wall_ms)
{
    bool fraction = has_shape(s, "dddd-dd-ddTdd:dd:dd.dddZ");
    if (!fraction && !has_shape(s, "dddd-dd-ddTdd:dd:ddZ"))
        return false;
    int year = number_at(s, 4), month = number_at(s + 5, 2), day = number_at(s + 8, 2);
    int hour = number_at(s + 11, 2), minute = number_at(s + 14, 2), second = number_at(s + 17, 2);
    if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t seconds = days_of_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *wall_ms = seconds * 1000 + (fraction ? number_at(s + 20, 3) : 0);
    return true;
}

/* ---- hexadecimal ---- */

void text_to_hex(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool text_from_hex(const char *hex, uint8_t *out, size_t len)
{
    if (strlen(hex) != 2 * len)
        return false;
    for (size_t i = 0; i < 2 * len; i++)
        if (digit_value(hex[i]) < 0)
            return false;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(digit_value(hex[2 * i]) << 4 | digit_value(hex[2 * i + 1]));
    return true;
}

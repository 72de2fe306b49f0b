/* desk_body.c - see desk_body.h. */
#include "coordinator/desk/desk_body.h"

#include "common/text.h"

#include <inttypes.h>
#include <string.h>

static enum error_code wrong(const char *where, const struct field *f, struct error *err)
{
    const char *what = f->expected;
    char range[96];
    if (f->kind == FIELD_U32 || f->kind == FIELD_U64) {
        text_format(range, sizeof(range), "a number from %" PRIu64 " to %" PRIu64, f->min, f->max);
        what = range;
    } else if (f->kind == FIELD_SHARE) {
        text_format(range, sizeof(range),
                    "a number from %" PRIu64 " to %" PRIu64 ", or a text such as \"20%%\"", f->min,
                    f->max);
        what = range;
    } else if (!what) {
        what = f->kind == FIELD_BOOL ? "true or false"
                                     : (f->kind == FIELD_TEXT ? "a text" : "an object");
    }
    return error_set(err, ERR_INVALID, "%s%s: expected %s", where, f->name, what);
}

static bool take_number(const struct field *f, const json_t *value, uint64_t *out)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < f->min ||
        (uint64_t)number > f->max)
        return false;
    *out = (uint64_t)number;
    return true;
}

/* A text with a NUL inside would be cut where C ends it. */
static bool take_text(const json_t *value, const char **out)
{
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return false;
    *out = json_string_value(value);
    return true;
}

/* 5 or "20%". */
static bool take_share(const struct field *f, const json_t *value)
{
    struct share share = {0};
    uint64_t number;
    const char *word;
    if (take_number(f, value, &number))
        share.number = (uint32_t)number;
    else if (!take_text(value, &word) || !share_parse(word, &share) || !share.percent ||
             share.number < f->min)
        return false;
    *(struct share *)f->out = share;
    return true;
}

/* 3, "10%" or "3,1/wave". */
static bool take_limits(const struct field *f, const json_t *value)
{
    uint64_t number;
    const char *word;
    char text[SHARE_TEXT_MAX];
    struct field any = {.max = SHARE_NUMBER_MAX};
    if (take_number(&any, value, &number)) {
        text_format(text, sizeof(text), "%" PRIu64, number);
        return f->parse(text, f->out);
    }
    return take_text(value, &word) && f->parse(word, f->out);
}

static bool take_field(const struct field *f, json_t *value)
{
    const char *word;
    uint64_t number;
    switch (f->kind) {
    case FIELD_TEXT:
        return take_text(value, f->out);
    case FIELD_BOOL:
        *(bool *)f->out = json_is_true(value);
        return json_is_boolean(value);
    case FIELD_U32:
        if (!take_number(f, value, &number))
            return false;
        *(uint32_t *)f->out = (uint32_t)number;
        return true;
    case FIELD_U64:
        return take_number(f, value, f->out);
    case FIELD_WORD:
        return take_text(value, &word) && f->parse(word, f->out);
    case FIELD_OBJECT:
        *(json_t **)f->out = value;
        return json_is_object(value);
    case FIELD_SHARE:
        return take_share(f, value);
    case FIELD_LIMITS:
        return take_limits(f, value);
    }
    return false;
}

enum error_code take_object(json_t *object, const char *where, const struct field *fields,
                            size_t count, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (i < count && !text_equal(fields[i].name, key))
            i++;
        if (i == count)
            return error_set(err, ERR_INVALID, "%s%.60s: there is no such field: see API.md", where,
                             key);
        if (!take_field(&fields[i], value))
            return wrong(where, &fields[i], err);
    }
    return ERR_NONE;
}

enum error_code want_reason(const char *reason, struct error *err)
{
    if (!reason[strspn(reason, " \t")])
        return error_set(err, ERR_INVALID, "a reason is required: say why");
    if (strlen(reason) > 255 || !wire_text_is_clean(reason))
        return error_set(err, ERR_INVALID, "the reason: at most 255 bytes, no control characters");
    return ERR_NONE;
}

/* The body's values are lent from *out_body, which the caller drops. */
enum error_code take_body(struct asking *a, const struct field *fields, size_t count,
                          json_t **out_body, struct error *err)
{
    json_error_t at;
    const struct api_request *r = a->request;
    const char *text = r->body_len > 0 ? r->body : "{}";
    json_t *body = json_loads(text, JSON_REJECT_DUPLICATES, &at);
    *out_body = body;
    if (!body)
        return error_set(err, ERR_INVALID, "the body is not JSON: line %d, column %d: %.100s",
                         at.line, at.column, at.text);
    if (!json_is_object(body))
        return error_set(err, ERR_INVALID, "the body is not a JSON object");
    return take_object(body, "", fields, count, err);
}

/* response.c - see response.h. One line at a time until the body, then counted bytes. */
#include "tests/farm/visitors/response.h"

#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum part { PART_STATUS, PART_HEADERS, PART_BODY, PART_CHUNK_SIZE, PART_CHUNK_END, PART_TRAILERS };

void response_begin(struct response *r)
{
    memset(r, 0, sizeof(*r));
}

static void read_status(struct response *r, const char *line)
{
    int minor, status;
    if (sscanf(line, "HTTP/1.%1d %3d", &minor, &status) != 2 || status < 100 || status > 599) {
        r->state = RESPONSE_BROKEN;
        return;
    }
    r->status = status;
    r->close = minor == 0;
    r->part = PART_HEADERS;
}

static void read_header(struct response *r, char *line)
{
    char *value = strchr(line, ':');
    if (!value) {
        r->state = RESPONSE_BROKEN;
        return;
    }
    *value++ = '\0';
    value += strspn(value, " \t");
    if (strcasecmp(line, "content-length") == 0) {
        r->sized = true;
        if (!text_parse_u64(value, 0, UINT64_MAX, &r->left))
            r->state = RESPONSE_BROKEN;
    } else if (strcasecmp(line, "transfer-encoding") == 0) {
        r->chunked = strcasestr(value, "chunked") != NULL;
    } else if (strcasecmp(line, "connection") == 0) {
        r->close = strcasestr(value, "close") != NULL;
    } else if (strcasecmp(line, "x-lab-server") == 0) {
        text_copy(r->server, sizeof(r->server), value);
    }
}

/* The empty line after the headers: what comes next, if anything. */
static void end_headers(struct response *r)
{
    if (r->status < 200) { /* 100 Continue and the like: the real answer follows */
        response_begin(r);
        return;
    }
    bool bodiless = r->status == 204 || r->status == 304;
    if (bodiless || (r->sized && r->left == 0 && !r->chunked))
        r->state = RESPONSE_WHOLE;
    else
        r->part = r->chunked ? PART_CHUNK_SIZE : PART_BODY;
}

static void read_chunk_size(struct response *r, const char *line)
{
    char *end;
    r->left = strtoull(line, &end, 16);
    if (end == line)
        r->state = RESPONSE_BROKEN;
    else
        r->part = r->left > 0 ? PART_BODY : PART_TRAILERS;
}

static void read_line(struct response *r, char *line)
{
    switch ((enum part)r->part) {
    case PART_STATUS:
        read_status(r, line);
        return;
    case PART_HEADERS:
        if (line[0] == '\0')
            end_headers(r);
        else
            read_header(r, line);
        return;
    case PART_CHUNK_SIZE:
        read_chunk_size(r, line);
        return;
    case PART_CHUNK_END:
        r->part = PART_CHUNK_SIZE;
        return;
    case PART_TRAILERS:
        if (line[0] == '\0')
            r->state = RESPONSE_WHOLE;
        return;
    case PART_BODY:
        return;
    }
}

/* Takes one byte of a line; a whole line is read without its CR LF. */
static void take_line_byte(struct response *r, char byte)
{
    if (byte != '\n') {
        if (r->line_len + 1 >= sizeof(r->line))
            r->state = RESPONSE_BROKEN;
        else
            r->line[r->line_len++] = byte;
        return;
    }
    if (r->line_len > 0 && r->line[r->line_len - 1] == '\r')
        r->line_len--;
    r->line[r->line_len] = '\0';
    r->line_len = 0;
    read_line(r, r->line);
}

/* How many of the bytes belong to the body. */
static size_t take_body(struct response *r, size_t len)
{
    if (!r->sized && !r->chunked)
        return len; /* until the connection ends */
    size_t taken = len < r->left ? len : (size_t)r->left;
    r->left -= taken;
    if (r->left == 0 && r->chunked)
        r->part = PART_CHUNK_END;
    else if (r->left == 0)
        r->state = RESPONSE_WHOLE;
    return taken;
}

enum response_state response_feed(struct response *r, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && r->state == RESPONSE_MORE) {
        if (r->part == PART_BODY)
            at += take_body(r, len - at);
        else
            take_line_byte(r, bytes[at++]);
    }
    if (at < len && r->state == RESPONSE_WHOLE)
        r->state = RESPONSE_BROKEN; /* nobody asked for more */
    return r->state;
}

enum response_state response_end(struct response *r)
{
    if (r->state != RESPONSE_MORE)
        return r->state;
    bool until_end = r->part == PART_BODY && !r->sized && !r->chunked;
    r->state = until_end ? RESPONSE_WHOLE : RESPONSE_CUT;
    return r->state;
}

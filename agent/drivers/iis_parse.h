/* iis_parse.h - appcmd's answers, from UTF-8 (iis_decode.h) to rows.
 *
 * XML answers: order of attributes is free, unknown elements and attributes are ignored, nothing at
 * all is "none". Of /config:* only what is named here is looked at: the password that stands beside
 * it is never copied. Requests are read in text form, since sources disagree about their XML.
 * Pure. On failure nothing was added; the text of an error holds no value of the answer.
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_PARSE_H
#define FARMHAND_AGENT_DRIVERS_IIS_PARSE_H

#include "agent/drivers/view.h"
#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An <ERROR> among the rows: appcmd failed, and says so inside its XML. */
struct iis_failure {
    bool told;
    uint32_t code; /* Win32 code or HRESULT as in iis_codes.h; 0: none was given */
};

/* `list apppool /xml /config:*`: every pool with its settings; missing ones are the defaults of
 * IIS. A pool without its settings (asked without /config) or with a value that cannot be read is
 * ERR_CORRUPT, since what a recycle does to it would be a guess. queued is -1. */
enum error_code iis_parse_pools(const char *utf8, size_t len, struct view *out,
                                struct iis_failure *failure, struct error *err);

/* Root applications ("/") of sites and the pools they are in. */
struct iis_roots {
    struct hold *hold;
    struct iis_root {
        const char *site, *pool;
    } * rows;
    size_t count, room;
    size_t next; /* where the next search begins: both lists come in the same order */
};
void iis_roots_reset(struct iis_roots *roots);
const char *iis_roots_pool(struct iis_roots *roots, const char *site); /* "": none */

/* `list app /xml`. Start with a zeroed *out; release with iis_roots_reset, after a failure too. */
enum error_code iis_parse_roots(const char *utf8, size_t len, struct iis_roots *out,
                                struct iis_failure *failure, struct error *err);

/* `list site /xml`. */
enum error_code iis_parse_sites(const char *utf8, size_t len, struct iis_roots *roots,
                                struct view *out, struct iis_failure *failure, struct error *err);

/* One executing request; strings are lent for the call. */
struct iis_request {
    const char *id;
    const char *url; /* with the method: "GET /a,b?c" */
    uint64_t elapsed_ms;
    const char *client, *stage, *module; /* "" where not told */
};

/* `list request`, in text form. each may be NULL. ERR_CORRUPT: a line is no request. */
enum error_code iis_parse_requests(const char *utf8, size_t len,
                                   void (*each)(const struct iis_request *request, void *arg),
                                   void *arg, uint32_t *out_count, struct error *err);

/* "[d.]hh:mm:ss[.fffffff]", "1.05:00:00"; false leaves *out_ms untouched. */
bool iis_parse_span(const char *s, uint64_t *out_ms);

#endif

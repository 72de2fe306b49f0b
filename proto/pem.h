/* pem.h - PEM (RFC 7468) cut apart and put together; nothing of what is inside is looked at. Pure.
 */
#ifndef FARMHAND_PROTO_PEM_H
#define FARMHAND_PROTO_PEM_H

#include "common/text.h"

#include <stdbool.h>

#define PEM_CERTIFICATE "CERTIFICATE"
#define PEM_REQUEST     "CERTIFICATE REQUEST"

/* The n-th block (from 0) under that label: its base64 without line ends. False: there is none, or
 * it is none. On success out holds nothing but it. */
bool pem_inside(const char *pem, const char *label, size_t n, struct text *out);
/* The whole block with its lines, added to out. */
void pem_add(struct text *out, const char *label, const char *inside);

#endif

/* ini.h - a configuration file in the making: sections in order, values replaced in place.
 *
 * So that whoever starts a farm can change any value of the files written for it.
 */
#ifndef FARM_FARM_INI_H
#define FARM_FARM_INI_H

#include "common/error.h"

#include <stdbool.h>

struct ini;

struct ini *ini_new(void);
void ini_free(struct ini *ini);
/* Adds the section and key, or replaces the value. */
void ini_set(struct ini *ini, const char *section, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* "SECTION.KEY=VALUE"; the last dot before the sign divides, so "backend shop.pools=*" works. */
enum error_code ini_override(struct ini *ini, const char *assignment, struct error *err);
enum error_code ini_write(const struct ini *ini, const char *path, struct error *err);

#endif

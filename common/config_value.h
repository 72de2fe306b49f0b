/* config_value.h - one value of a configuration file, from text into its field. Inside of
 * config.h: nobody else includes this. Does not block.
 */
#ifndef FARMHAND_COMMON_CONFIG_VALUE_H
#define FARMHAND_COMMON_CONFIG_VALUE_H

#include "common/config.h"
#include "common/text.h"

/* Sets the key's field in `fields`; false, with the field untouched, if the text is not a value of
 * its type and within its limits. */
bool config_set(const struct config_key *key, void *fields, const char *value);

/* Adds what the key takes, in words: `expected` of the table, or made of type and limits. */
void config_add_expected(const struct config_key *key, struct text *out);

#endif

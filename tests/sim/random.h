/* random.h - see random.c. */
#ifndef FARMHAND_TESTS_SIM_RANDOM_H
#define FARMHAND_TESTS_SIM_RANDOM_H

#include "common/error.h"

#include <stddef.h>
#include <stdint.h>

void random_begin(uint64_t seed);
enum error_code __wrap_os_random(void *out, size_t len, struct error *err);

#endif

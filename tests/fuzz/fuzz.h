/* fuzz.h - what a fuzzer and its driver agree on.
 *
 * A fuzzer is one file with LLVMFuzzerTestOneInput (libFuzzer's entry) and fuzz_seed. With gcc it
 * is linked with driver.c, which mutates the seeds at random from a printed number, for some
 * seconds; with clang it may be linked with -fsanitize=fuzzer instead.
 */
#ifndef FARMHAND_TESTS_FUZZ_H
#define FARMHAND_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The n-th valid input, malloc'ed; NULL: there are no more. */
uint8_t *fuzz_seed(size_t n, size_t *size);

#endif

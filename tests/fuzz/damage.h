/* damage.h - an SQLite file that somebody, or a failing disk, has changed.
 *
 * The input says how: bytes of the file anywhere, values of rows (of any type: the tables are no
 * longer STRICT in what is written), triggers, rows that are gone or there twice. The file lies in
 * tests/sim/vfs.h. */
#ifndef FARMHAND_FUZZ_DAMAGE_H
#define FARMHAND_FUZZ_DAMAGE_H

#include <stddef.h>
#include <stdint.h>

void damage_file(const char *path, const uint8_t *data, size_t size);

#endif

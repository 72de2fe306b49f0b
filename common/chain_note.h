/* chain_note.h - a witness of a chain, kept where the chain is not: number and hash of a row, one
 * line of a file. Whoever can write the chain can make it anew, or cut off its end; not so that the
 * row of a note that he cannot write still stands there with the hash that it had.
 */
#ifndef FARMHAND_COMMON_CHAIN_NOTE_H
#define FARMHAND_COMMON_CHAIN_NOTE_H

#include "common/error.h"
#include "common/sha256.h"

#include <stdbool.h>
#include <stdint.h>

struct chain_note {
    uint64_t id; /* 0: there was no row yet */
    char hash[SHA256_HEX];
};

/* *there: there is such a file; never where path is NULL. ERR_CORRUPT: it holds something else. */
enum error_code chain_note_read(const char *path, struct chain_note *out, bool *there,
                                struct error *err);
/* path NULL: nothing is written. */
enum error_code chain_note_write(const char *path, uint64_t id, const char hash[SHA256_HEX],
                                 struct error *err);
/* What the row of that number and hash says of it. NULL: nothing against it. */
const char *chain_note_look(const struct chain_note *note, uint64_t id,
                            const char hash[SHA256_HEX]);
/* After all rows: ERR_CORRUPT if the last one is before the one that was noted in `path`. */
enum error_code chain_note_reached(const struct chain_note *note, uint64_t last, const char *path,
                                   struct error *err);

#endif

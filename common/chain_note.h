/* chain_note.h - a witness of a chain, kept where the chain is not: number and hash of a row, one
 * line of a file. Whoever can write the chain can make it anew, or cut off its end; not so that the
 * row of a note that he cannot write still stands there with the hash that it had.
 */
#ifndef FARMHAND_COMMON_CHAIN_NOTE_H
#define FARMHAND_COMMON_CHAIN_NOTE_H

#include "common/error.h"
#include "common/sha256.h"

#include <stdint.h>

struct chain_note {
    uint64_t id; /* 0: there was no row yet */
    char hash[SHA256_HEX];
};

/* ERR_NOT_FOUND: there is no such file; ERR_CORRUPT: it holds something else. */
enum error_code chain_note_read(const char *path, struct chain_note *out, struct error *err);
enum error_code chain_note_write(const char *path, const struct chain_note *note,
                                 struct error *err);
/* What the row of that number and hash says of it. NULL: nothing against it. */
const char *chain_note_look(const struct chain_note *note, uint64_t id,
                            const char hash[SHA256_HEX]);

#endif

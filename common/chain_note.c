/* chain_note.c - see chain_note.h. */
#include "common/chain_note.h"

#include "common/os.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_BYTES_MAX 128

/* "812 HASH"; spoils line. */
static bool parse(char *line, struct chain_note *out)
{
    static const char hex[] = "0123456789abcdef";
    char *blank = strchr(line, ' ');
    line[strcspn(line, "\r\n")] = '\0';
    if (!blank)
        return false;
    *blank = '\0';
    return text_parse_u64(line, 0, INT64_MAX, &out->id) &&
           strspn(blank + 1, hex) == SHA256_HEX - 1 &&
           text_copy(out->hash, sizeof(out->hash), blank + 1);
}

enum error_code chain_note_read(const char *path, struct chain_note *out, bool *there,
                                struct error *err)
{
    char *line = NULL;
    struct chain_note note;
    *there = false;
    if (!path)
        return ERR_NONE;
    enum error_code code = os_read_file(path, NOTE_BYTES_MAX, &line, NULL, err);
    if (code == ERR_NOT_FOUND)
        return ERR_NONE;
    if (code == ERR_NONE && !parse(line, &note))
        code = error_set(
            err, ERR_CORRUPT,
            "%s: expected number and hash of a row, as `audit verify --note` writes it", path);
    *there = code == ERR_NONE;
    if (*there)
        *out = note;
    free(line);
    return code;
}

enum error_code chain_note_write(const char *path, uint64_t id, const char hash[SHA256_HEX],
                                 struct error *err)
{
    char line[NOTE_BYTES_MAX];
    if (!path)
        return ERR_NONE;
    text_format(line, sizeof(line), "%" PRIu64 " %s\n", id, hash);
    return os_write_file(path, line, strlen(line), 0600, err);
}

const char *chain_note_look(const struct chain_note *note, uint64_t id, const char hash[SHA256_HEX])
{
    return id != note->id || text_equal(hash, note->hash)
               ? NULL
               : "it had another hash when it was noted: the trail was made anew since";
}

enum error_code chain_note_reached(const struct chain_note *note, uint64_t last, const char *path,
                                   struct error *err)
{
    if (note->id <= last)
        return ERR_NONE;
    return error_set(err, ERR_CORRUPT,
                     "the last rows are missing: row %" PRIu64 " is the last one there, and row "
                     "%" PRIu64 " was when %s was written",
                     last, note->id, path);
}

/* dumps.c - see dumps.h. */
#include "agent/dumps.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 600
#define LIST_BYTES 8192 /* of the file that says which were made, in order */

bool dumps_is_call(enum call_kind kind)
{
    return kind == CALL_DUMP || kind == CALL_PIECE;
}

/* A name from the network never leads anywhere else. */
static bool is_plain(const char *name)
{
    return name[0] && name[0] != '.' &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")];
}

static enum error_code path_of(const struct dumps_spec *spec, const char *name, char *out,
                               struct error *err)
{
    if (!is_plain(name))
        return error_set(err, ERR_INVALID, "'%.80s' cannot be the name of a dump", name);
    return text_format(out, PATH_BYTES, "%s/dumps/%s", spec->data_dir, name)
               ? ERR_NONE
               : error_set(err, ERR_INVALID, "data_dir: the path is too long");
}

/* ---- at most so many, the oldest out first ---- */

struct keeping {
    const struct dumps_spec *spec;
    size_t drop; /* so many of the oldest */
    struct text left;
};

static int keep_or_drop(const char *name, void *arg)
{
    struct keeping *k = arg;
    char path[PATH_BYTES];
    if (!is_plain(name))
        return 0;
    if (k->drop == 0) {
        text_addf(&k->left, "%s\n", name);
        return 0;
    }
    k->drop--;
    if (path_of(k->spec, name, path, NULL) == ERR_NONE)
        os_remove_file(path, NULL);
    return 0;
}

static int count_one(const char *name, void *arg)
{
    *(size_t *)arg += is_plain(name);
    return 0;
}

/* Room for one more, which is named in the list before it is made: one that a power cut leaves half
 * written is dropped in its turn. */
static enum error_code make_room(const struct dumps_spec *spec, const char *name, struct error *err)
{
    char list[PATH_BYTES], *content = NULL;
    size_t len = 0, count = 0;
    struct keeping k = {.spec = spec};
    text_format(list, sizeof(list), "%s/dumps", spec->data_dir);
    enum error_code code = os_make_dir(list, 0700, err);
    text_format(list, sizeof(list), "%s/dumps/list", spec->data_dir);
    if (code || os_read_file(list, LIST_BYTES, &content, &len, NULL) != ERR_NONE)
        content = must_copy("");
    text_split(content, '\n', count_one, &count);
    k.drop = count + 1 > spec->kept ? count + 1 - spec->kept : 0;
    text_split(content, '\n', keep_or_drop, &k);
    text_addf(&k.left, "%s\n", name);
    if (!code)
        code = os_write_file(list, text_get(&k.left), k.left.len, 0600, err);
    text_reset(&k.left);
    free(content);
    return code;
}

static enum error_code make(const struct dumps_spec *spec, struct driver *driver,
                            const struct call *call, uint64_t *bytes, struct error *err)
{
    char path[PATH_BYTES];
    if (!spec->allowed)
        return error_set(err, ERR_DENIED,
                         "no dump was made: this server's agent.conf does not say dumps = yes");
    if (!driver->ops->worker_dump)
        return error_set(err, ERR_UNAVAILABLE, "the driver %s makes no dumps", driver->ops->name);
    enum error_code code = path_of(spec, call->file, path, err);
    code = code ? code : make_room(spec, call->file, err);
    return code ? code
                : driver->ops->worker_dump(driver, call->pool, call->pid, call->created, path,
                                           &spec->limits, bytes, err);
}

/* ---- in pieces ---- */

static enum error_code read_piece(const struct dumps_spec *spec, const struct call *call,
                                  struct call_result *out, struct error *err)
{
    char path[PATH_BYTES];
    struct os_file_id id;
    uint8_t *bytes;
    enum error_code code = path_of(spec, call->file, path, err);
    code = code ? code : os_file_id(path, &id, err);
    if (code)
        return code;
    if (id.size_bytes == 0)
        return error_set(err, ERR_NOT_FOUND,
                         "the dump %s is not there any more: newer ones took its place",
                         call->file);
    bytes = must_alloc(CALL_PIECE_BYTES, 1);
    size_t got = 0;
    code = os_read_at(path, call->offset, bytes, CALL_PIECE_BYTES, &got, err);
    if (code) {
        free(bytes);
        return code;
    }
    out->piece = must_alloc(2 * got + 1, 1);
    text_to_hex(out->piece, bytes, got);
    out->bytes = id.size_bytes;
    free(bytes);
    return ERR_NONE;
}

struct call_result *dumps_call(const struct dumps_spec *spec, struct driver *driver,
                               const struct call *call)
{
    struct error err = {0};
    struct call_result *result = must_alloc(1, sizeof(*result));
    result->call = *call;
    if (call->kind == CALL_DUMP)
        result->code = make(spec, driver, call, &result->bytes, &err);
    else
        result->code = read_piece(spec, call, result, &err);
    if (result->code != ERR_NONE)
        text_copy(result->text, sizeof(result->text), err.text);
    return result;
}

/* join_key.c - see join_key.h. */
#include "agent/join_key.h"

#include "common/keypair.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX  65536
#define PATH_MAX_ 4096
#define REQUEST   "-----BEGIN CERTIFICATE REQUEST"

void join_key_reset(struct join_key *k)
{
    if (k->key_pem)
        text_wipe(k->key_pem, strlen(k->key_pem));
    free(k->key_pem);
    free(k->request_pem);
    *k = (struct join_key){0};
}

static enum error_code path_in(const char *data_dir, char path[PATH_MAX_], struct error *err)
{
    return text_format(path, PATH_MAX_, "%s/joining", data_dir)
               ? ERR_NONE
               : error_set(err, ERR_INVALID, "data_dir %s is too long a path", data_dir);
}

/* Whose attempt it is; key and request follow. */
static void add_head(struct text *out, const char *name, const char *token)
{
    text_addf(out, "name = %s\ntoken = %s\n", name, token);
}

static bool parse(const char *text, const char *head, struct join_key *out)
{
    const char *request = strstr(text, REQUEST);
    if (!text_starts(text, head) || !request)
        return false;
    struct text key = {0};
    const char *begin = text + strlen(head);
    text_add_bytes(&key, begin, (size_t)(request - begin));
    struct join_key k = {.key_pem = text_take(&key), .request_pem = must_copy(request)};
    if (!keypair_is_one(k.key_pem, k.request_pem)) {
        join_key_reset(&k);
        return false;
    }
    *out = k;
    return true;
}

/* false: none of that attempt is kept. */
static bool find(const char *path, const char *head, struct join_key *out)
{
    char *text = NULL;
    size_t len = 0;
    if (os_read_file(path, FILE_MAX, &text, &len, NULL) != ERR_NONE)
        return false;
    bool found = parse(text, head, out);
    text_wipe(text, len);
    free(text);
    return found;
}

static enum error_code make(const char *path, const char *head, const char *name,
                            struct join_key *out, struct error *err)
{
    struct join_key k = {0};
    struct text file = {0};
    enum error_code code = keypair_make(name, &k.key_pem, &k.request_pem, err);
    if (code)
        return code;
    text_addf(&file, "%s%s%s", head, k.key_pem, k.request_pem);
    code = os_write_file(path, text_get(&file), file.len, 0600, err);
    text_wipe(file.data, file.len);
    text_reset(&file);
    if (code)
        join_key_reset(&k);
    else
        *out = k;
    return code;
}

enum error_code join_key_take(const char *data_dir, const char *name, const char *token,
                              struct join_key *out, struct error *err)
{
    char path[PATH_MAX_];
    struct text head = {0};
    enum error_code code = path_in(data_dir, path, err);
    if (code)
        return code;
    add_head(&head, name, token);
    if (!find(path, text_get(&head), out))
        code = make(path, text_get(&head), name, out, err);
    text_reset(&head);
    return code;
}

enum error_code join_key_drop(const char *data_dir, struct error *err)
{
    char path[PATH_MAX_];
    enum error_code code = path_in(data_dir, path, err);
    return code ? code : os_remove_file(path, err);
}

/* identity.c - see identity.h: the file. Keys are in identity_key.c. */
#include "agent/identity.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "proto/pem.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX  65536
#define PATH_MAX_ 4096
#define KEY_LABEL "EC PRIVATE KEY"

void identity_reset(struct identity *id)
{
    if (id->key_pem)
        text_wipe(id->key_pem, strlen(id->key_pem));
    free(id->name);
    free(id->coordinator);
    free(id->https);
    free(id->key_pem);
    free(id->cert_pem);
    free(id->ca_pem);
    *id = (struct identity){0};
}

/* The value of "word = value" on a line of its own; NULL: there is none. To be freed. */
static char *find_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *line = text; *line && !text_starts(line, "-----");) {
        size_t line_len = strcspn(line, "\r\n");
        if (line_len > len + 3 && strncmp(line, word, len) == 0 &&
            strncmp(line + len, " = ", 3) == 0) {
            char *value = must_alloc(line_len - len - 2, 1);
            memcpy(value, line + len + 3, line_len - len - 3);
            return value;
        }
        line += line_len;
        line += strspn(line, "\r\n");
    }
    return NULL;
}

/* The n-th block as PEM of its own; NULL: there is none. */
static char *find_block(const char *text, const char *label, size_t n)
{
    struct text inside = {0}, pem = {0};
    if (!pem_inside(text, label, n, &inside))
        return NULL;
    pem_add(&pem, label, text_get(&inside));
    text_wipe(inside.data, inside.len);
    text_reset(&inside);
    return text_take(&pem);
}

enum error_code identity_parse(const char *text, struct identity *out, struct error *err)
{
    struct identity id = {.name = find_word(text, "name"),
                          .coordinator = find_word(text, "coordinator"),
                          .https = find_word(text, "https"),
                          .key_pem = find_block(text, KEY_LABEL, 0),
                          .cert_pem = find_block(text, PEM_CERTIFICATE, 0),
                          .ca_pem = find_block(text, PEM_CERTIFICATE, 1)};
    char *profile = find_word(text, "profile");
    bool known = profile && profile_parse(profile, &id.profile);
    free(profile);
    const char *missing = !id.name          ? "name"
                          : !id.coordinator ? "coordinator"
                          : !known          ? "profile"
                          : !id.key_pem     ? "the key"
                          : !id.cert_pem    ? "the certificate"
                          : !id.ca_pem      ? "the CA's certificate"
                                            : NULL;
    if (!missing) {
        *out = id;
        return ERR_NONE;
    }
    identity_reset(&id);
    return error_set(err, ERR_CORRUPT, "%s is missing: join the farm again", missing);
}

enum error_code identity_read(const char *data_dir, struct identity *out, struct error *err)
{
    char path[PATH_MAX_], *text = NULL;
    size_t len = 0;
    if (!text_format(path, sizeof(path), "%s/identity", data_dir))
        return error_set(err, ERR_INVALID, "data_dir %s is too long a path", data_dir);
    enum error_code code = os_read_file(path, FILE_MAX, &text, &len, err);
    if (code == ERR_NONE && (code = identity_parse(text, out, err)) != ERR_NONE)
        error_wrap(err, "%s", path);
    if (text)
        text_wipe(text, len);
    free(text);
    return code;
}

enum error_code identity_write(const char *data_dir, const struct identity *id, struct error *err)
{
    char path[PATH_MAX_];
    struct text out = {0};
    if (!text_format(path, sizeof(path), "%s/identity", data_dir))
        return error_set(err, ERR_INVALID, "data_dir %s is too long a path", data_dir);
    text_addf(&out, "name = %s\ncoordinator = %s\nprofile = %s\n", id->name, id->coordinator,
              profile_name(id->profile));
    if (id->https)
        text_addf(&out, "https = %s\n", id->https);
    text_add(&out, id->key_pem);
    text_add(&out, id->cert_pem);
    text_add(&out, id->ca_pem);
    enum error_code code = os_write_file(path, text_get(&out), out.len, 0600, err);
    text_wipe(out.data, out.len);
    text_reset(&out);
    return code;
}

int64_t identity_renew_ms(const struct identity_cert *cert)
{
    return cert->from_ms + (cert->until_ms - cert->from_ms) / 3 * 2;
}

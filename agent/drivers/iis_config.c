/* iis_config.c - see iis_config.h. */
#include "agent/drivers/iis_config.h"

#include "agent/drivers/iis_decode.h"
#include "agent/drivers/iis_xml.h"
#include "common/must.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REDIRECTION_MAX ((size_t)256 * 1024)
#define HOST_MAX        128

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

/* `name` in the folder of `file`. */
static char *beside(const char *file, const char *name)
{
    size_t len = strlen(file);
    while (len > 0 && !is_separator(file[len - 1]))
        len--;
    struct text path = {0};
    text_add_bytes(&path, file, len);
    text_add(&path, name);
    return text_take(&path);
}

static char *inside(const char *folder, const char *name)
{
    struct text path = {0};
    text_addf(&path, "%s%c%s", folder, strchr(folder, '\\') ? '\\' : '/', name);
    return text_take(&path);
}

/* ---- redirection.config ---- */

struct redirection {
    char *folder;
};

static enum error_code on_element(void *arg, size_t depth, const char *element,
                                  const char *const *attributes, struct error *err)
{
    struct redirection *r = arg;
    if (depth != 1 || !text_equal(element, "configurationRedirection"))
        return ERR_NONE;
    const char *enabled = iis_xml_attribute(attributes, "enabled");
    const char *path = iis_xml_attribute(attributes, "path");
    if (!enabled || text_equal_nocase(enabled, "false"))
        return ERR_NONE;
    if (!text_equal_nocase(enabled, "true") || !path || path[0] == '\0')
        return error_set(err, ERR_CORRUPT,
                         "configurationRedirection is on, but names no folder as its path");
    free(r->folder);
    r->folder = must_copy(path);
    return ERR_NONE;
}

enum error_code iis_config_parse(const char *bytes, size_t len, char **out, struct error *err)
{
    char *utf8 = NULL;
    size_t utf8_len = 0;
    struct redirection r = {0};
    struct iis_xml_visitor visitor = {.begin = on_element, .arg = &r};
    enum error_code code = iis_decode(bytes, len, NULL, &utf8, &utf8_len, err);
    if (!code)
        code = iis_xml_walk(utf8, utf8_len, &visitor, err);
    iis_wipe_free(utf8, utf8_len);
    if (code) {
        free(r.folder);
        return code;
    }
    *out = r.folder;
    return ERR_NONE;
}

static enum error_code read_redirection(const char *config, char **folder, struct error *err)
{
    char *path = beside(config, "redirection.config");
    char *bytes = NULL;
    size_t len = 0;
    struct error here;
    *folder = NULL;
    enum error_code code = os_read_file(path, REDIRECTION_MAX, &bytes, &len, &here);
    if (!code)
        code = iis_config_parse(bytes, len, folder, &here);
    else if (code == ERR_NOT_FOUND)
        code = ERR_NONE;
    if (code)
        error_set(err, code, "%s: %s", path, here.text);
    iis_wipe_free(bytes, len);
    free(path);
    return code;
}

/* ---- identity ---- */

/* Windows' paths do not care for case or for the kind of slash; a path of Linux does. */
static void normalize(char *folder)
{
    size_t len = strlen(folder);
    bool windows = strchr(folder, '\\') || (len > 1 && folder[1] == ':');
    for (char *c = folder; windows && *c; c++) {
        if (*c == '/')
            *c = '\\';
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    while (len > 1 && is_separator(folder[len - 1]))
        folder[--len] = '\0';
}

/* FNV-1a, so that names too long for the wire stay different when they are cut. */
static uint64_t digest(const char *s)
{
    uint64_t hash = 14695981039346656037u;
    for (; *s; s++)
        hash = (hash ^ (unsigned char)*s) * 1099511628211u;
    return hash;
}

static void set_identity(struct iis_config *out, const char *kind, const char *name)
{
    char clean[WIRE_NAME_MAX * 2];
    struct text whole = {0};
    text_addf(&whole, "%s:%s", kind, name);
    wire_clean_text(clean, sizeof(clean), text_get(&whole));
    if (!text_equal(clean, text_get(&whole)) || strlen(clean) >= WIRE_NAME_MAX) {
        clean[WIRE_NAME_MAX - 20] = '\0';
        char kept[WIRE_NAME_MAX];
        wire_clean_text(kept, WIRE_NAME_MAX - 18, clean);
        text_format(out->identity, sizeof(out->identity), "%s#%016" PRIx64, kept,
                    digest(text_get(&whole)));
    } else {
        text_copy(out->identity, sizeof(out->identity), clean);
    }
    text_reset(&whole);
}

static void set_own_identity(struct iis_config *out, const char *config)
{
    char host[HOST_MAX];
    if (os_hostname(host, sizeof(host), NULL) != ERR_NONE)
        text_copy(host, sizeof(host), "?");
    struct text name = {0};
    text_addf(&name, "%s:%s", host, config);
    set_identity(out, "host", text_get(&name));
    text_reset(&name);
}

enum error_code iis_config_read(const char *config, struct iis_config *out, struct error *err)
{
    char *folder;
    enum error_code code = read_redirection(config, &folder, err);
    if (folder) {
        normalize(folder);
        set_identity(out, "share", folder);
    } else {
        set_own_identity(out, config);
    }
    out->shared = folder != NULL || code != ERR_NONE;
    free(folder);
    return code;
}

/* ---- changes ---- */

/* A file that cannot be looked at is all zero, as one that is not there. */
static struct os_file_id look_at(char *path)
{
    struct os_file_id id = {0};
    if (os_file_id(path, &id, NULL) != ERR_NONE)
        id = (struct os_file_id){0};
    free(path);
    return id;
}

struct iis_config_stamp iis_config_stamp(const char *config)
{
    char *folder = NULL;
    struct iis_config_stamp stamp = {
        .own = look_at(must_copy(config)),
        .redirection = look_at(beside(config, "redirection.config")),
    };
    if (stamp.redirection.inode != 0 || stamp.redirection.modified_ns != 0)
        read_redirection(config, &folder, NULL);
    if (folder)
        stamp.shared = look_at(inside(folder, "applicationHost.config"));
    free(folder);
    return stamp;
}

static bool same_file(const struct os_file_id *a, const struct os_file_id *b)
{
    return a->modified_ns == b->modified_ns && a->size_bytes == b->size_bytes &&
           a->inode == b->inode;
}

bool iis_config_stamp_equal(const struct iis_config_stamp *a, const struct iis_config_stamp *b)
{
    return same_file(&a->own, &b->own) && same_file(&a->redirection, &b->redirection) &&
           same_file(&a->shared, &b->shared);
}

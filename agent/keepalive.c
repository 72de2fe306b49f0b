/* keepalive.c - see keepalive.h. */
#include "agent/keepalive.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

static const char fresh[] = "in rotation\n";

static char *aside_of(const char *path)
{
    struct text t = {0};
    text_addf(&t, "%s.drained", path);
    return text_take(&t);
}

enum error_code keepalive_look(const char *path, bool *present, struct error *err)
{
    struct os_file_id id;
    enum error_code code = os_file_id(path, &id, err);
    if (code != ERR_NONE)
        return error_wrap(err, "keep-alive file");
    *present = id.modified_ns != 0 || id.size_bytes != 0 || id.inode != 0;
    return ERR_NONE;
}

enum error_code keepalive_remove(const char *path, struct error *err)
{
    bool present = false;
    enum error_code code = keepalive_look(path, &present, err);
    if (code != ERR_NONE || !present)
        return code;
    char *aside = aside_of(path);
    code = os_move_file(path, aside, err);
    free(aside);
    return code == ERR_NONE ? code : error_wrap(err, "taking the keep-alive file away");
}

enum error_code keepalive_put(const char *path, struct error *err)
{
    bool present = false, kept = false;
    enum error_code code = keepalive_look(path, &present, err);
    if (code != ERR_NONE || present)
        return code;
    char *aside = aside_of(path);
    code = keepalive_look(aside, &kept, err);
    if (code == ERR_NONE && kept)
        code = os_move_file(aside, path, err);
    else if (code == ERR_NONE)
        code = os_write_file(path, fresh, strlen(fresh), 0644, err);
    free(aside);
    return code == ERR_NONE ? code : error_wrap(err, "putting the keep-alive file back");
}

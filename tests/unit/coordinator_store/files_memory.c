/* files_memory.c - see files_memory.h. The stores begin as copies of empty ones that were migrated
 * once, which saves most of the time of a test. */
#include "tests/unit/coordinator_store/files_memory.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/store/history.h"
#include "coordinator/store/store.h"

#include <stdio.h>

#define KEPT_STATE   "empty/state.db"
#define KEPT_HISTORY "empty/history.db"

static void check(enum error_code code, const struct error *err)
{
    if (code)
        fprintf(stderr, "%s\n", err->text);
    must(!code);
}

static void keep_templates(void)
{
    struct error err = {0};
    struct store *store;
    struct history *history;
    struct fence fence;
    const struct store_spec spec = {.path = KEPT_STATE, .instance = {{1}}, .wall_ms = 1};
    vfs_register();
    vfs_reset(1);
    check(store_open(&spec, &store, &fence, &err), &err);
    store_close(store);
    check(history_open(KEPT_HISTORY, &history, &err), &err);
    history_close(history);
    vfs_keep(KEPT_STATE);
    vfs_keep(KEPT_HISTORY);
    vfs_reset(1);
}

void files_open(struct files *f)
{
    static bool kept;
    if (!kept)
        keep_templates();
    kept = true;
    text_copy(f->dir, sizeof(f->dir), FILES_DISK);
    vfs_put_kept(KEPT_STATE, files_path(f, "state.db"));
    vfs_put_kept(KEPT_HISTORY, files_path(f, "history.db"));
}

void files_close(struct files *f)
{
    (void)f;
}

const char *files_path(const struct files *f, const char *name)
{
    static char path[FILES_PATH_MAX + 64];
    must(text_format(path, sizeof(path), "%s/%s", f->dir, name));
    return path;
}

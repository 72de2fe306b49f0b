/* vfs.c - see vfs.h: what SQLite calls. */
#include "tests/sim/vfs_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

/* ---- trouble ---- */

static bool is_dead(const struct handle *h)
{
    return h->epoch != h->disk->epoch;
}

static int trouble_of(const struct disk *d, int failure)
{
    switch (d->trouble) {
    case VFS_FINE:
        return SQLITE_OK;
    case VFS_FULL:
        return failure == SQLITE_IOERR_FSYNC ? SQLITE_OK : SQLITE_FULL;
    case VFS_READ_ONLY:
    case VFS_BROKEN:
        return failure;
    }
    return failure;
}

/* What the next write or sync meets. */
static int meet_trouble(struct handle *h, int failure)
{
    struct disk *d = h->disk;
    if (is_dead(h))
        return failure;
    bool counted_down = d->fail_after > 0 && --d->fail_after == 0;
    int rc = counted_down ? failure : trouble_of(d, failure);
    d->failures += rc != SQLITE_OK;
    return rc;
}

/* ---- a file's methods ---- */

static int x_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int x_read(sqlite3_file *file, void *out, int amount, sqlite3_int64 at)
{
    struct handle *h = (struct handle *)file;
    const struct file *f = file_find(h->name);
    if (is_dead(h) || !f)
        return SQLITE_IOERR_READ;
    size_t have = (size_t)at < f->now.len ? f->now.len - (size_t)at : 0;
    size_t len = have < (size_t)amount ? have : (size_t)amount;
    if (len)
        memcpy(out, f->now.data + at, len);
    if (len == (size_t)amount)
        return SQLITE_OK;
    memset((uint8_t *)out + len, 0, (size_t)amount - len);
    return SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *file, const void *data, int amount, sqlite3_int64 at)
{
    struct handle *h = (struct handle *)file;
    int rc = meet_trouble(h, SQLITE_IOERR_WRITE);
    if (rc != SQLITE_OK)
        return rc;
    file_write(file_make(h->name), (size_t)at, data, (size_t)amount);
    return SQLITE_OK;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *h = (struct handle *)file;
    int rc = meet_trouble(h, SQLITE_IOERR_TRUNCATE);
    if (rc != SQLITE_OK)
        return rc;
    file_truncate(file_make(h->name), (size_t)size);
    return SQLITE_OK;
}

static bool dies_here(const struct handle *h, bool before)
{
    return vfs_all.hook && !is_dead(h) && vfs_all.hook(vfs_all.arg, h->disk->name, before);
}

static int x_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct handle *h = (struct handle *)file;
    if (dies_here(h, true))
        return SQLITE_IOERR_FSYNC;
    int rc = meet_trouble(h, SQLITE_IOERR_FSYNC);
    if (rc != SQLITE_OK)
        return rc;
    file_sync(file_make(h->name));
    h->disk->syncs++;
    return dies_here(h, false) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int x_size(sqlite3_file *file, sqlite3_int64 *out)
{
    struct handle *h = (struct handle *)file;
    const struct file *f = file_find(h->name);
    if (is_dead(h))
        return SQLITE_IOERR_FSTAT;
    *out = f ? (sqlite3_int64)f->now.len : 0;
    return SQLITE_OK;
}

/* A dead process must not fold its log into the file or delete it as it closes. */
static int x_lock(sqlite3_file *file, int level)
{
    (void)level;
    return is_dead((struct handle *)file) ? SQLITE_IOERR_LOCK : SQLITE_OK;
}

static int x_unlock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int x_check_lock(sqlite3_file *file, int *out)
{
    (void)file;
    *out = 0;
    return SQLITE_OK;
}

static int x_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int x_sector(sqlite3_file *file)
{
    (void)file;
    return SECTOR;
}

/* As SQLite's own VFS on Linux: a write harms no bytes beside it. Without it the log is padded, and
 * the padding is not synced. */
static int x_traits(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int x_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    struct handle *h = (struct handle *)file;
    if (is_dead(h) || page >= SHM_PAGES)
        return SQLITE_IOERR_SHMMAP;
    struct file *f = file_make(h->name);
    f->shm_users += !h->uses_shm;
    h->uses_shm = true;
    if (!f->shm[page] && extend)
        f->shm[page] = must_alloc(1, (size_t)size);
    *out = f->shm[page];
    return SQLITE_OK;
}

static int x_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    (void)offset;
    (void)n;
    (void)flags;
    return is_dead((struct handle *)file) ? SQLITE_IOERR_SHMLOCK : SQLITE_OK;
}

static void x_shm_barrier(sqlite3_file *file)
{
    (void)file;
}

static int x_shm_unmap(sqlite3_file *file, int and_delete)
{
    (void)and_delete;
    struct handle *h = (struct handle *)file;
    struct file *f = file_find(h->name);
    if (h->uses_shm && !is_dead(h) && f && --f->shm_users == 0)
        shm_bury(f);
    h->uses_shm = false;
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_lock,
    .xFileControl = x_control,
    .xSectorSize = x_sector,
    .xDeviceCharacteristics = x_traits,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

/* ---- the file system's methods ---- */

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    struct handle *h = (struct handle *)file;
    memset(h, 0, sizeof(*h));
    text_copy(h->name, sizeof(h->name), name ? name : "scratch/unnamed");
    h->disk = disk_of(h->name);
    h->epoch = h->disk->epoch;
    bool there = file_find(h->name) != NULL;
    if (!there && (h->disk->trouble != VFS_FINE || !(flags & SQLITE_OPEN_CREATE)))
        return SQLITE_CANTOPEN;
    file_make(h->name);
    h->base.pMethods = &methods;
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    (void)sync_dir;
    for (size_t i = 0; i < vfs_all.file_count; i++)
        if (text_equal(vfs_all.files[i]->name, name)) {
            file_drop(i);
            return SQLITE_OK;
        }
    return SQLITE_IOERR_DELETE_NOENT;
}

static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    (void)flags;
    const struct file *f = file_find(name);
    *out = f && (flags != SQLITE_ACCESS_EXISTS || f->now.len > 0);
    return SQLITE_OK;
}

static int v_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return text_copy(out, (size_t)size, name) ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int v_random(sqlite3_vfs *vfs, int len, char *out)
{
    (void)vfs;
    for (int i = 0; i < len; i++)
        out[i] = (char)rng_next(&vfs_all.rng);
    return len;
}

static int v_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int v_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    *out = 2460000.5;
    return SQLITE_OK;
}

static int v_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return 0;
}

void vfs_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 1,
        .szOsFile = sizeof(struct handle),
        .mxPathname = NAME_BYTES - 1,
        .zName = VFS_NAME,
        .xOpen = v_open,
        .xDelete = v_delete,
        .xAccess = v_access,
        .xFullPathname = v_path,
        .xRandomness = v_random,
        .xSleep = v_sleep,
        .xCurrentTime = v_time,
        .xGetLastError = v_error,
    };
    if (!vfs_all.registered)
        must(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
    vfs_all.registered = true;
}

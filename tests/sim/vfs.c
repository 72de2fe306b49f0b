/* vfs.c - see vfs.h. */
#include "tests/sim/vfs.h"

#include "common/must.h"
#include "common/text.h"
#include "tests/sim/rng.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX  256
#define DISKS_MAX  64
#define SECTOR     512
#define SHM_PAGES  64
#define NAME_BYTES 128

struct bytes {
    uint8_t *data;
    size_t len, cap;
};

/* A write or truncation since the last sync. */
struct unsynced {
    bool truncates;
    size_t at, len;
    size_t data; /* where its bytes begin in its file's log */
};

struct file {
    char name[NAME_BYTES];
    bool kept; /* a template */
    struct bytes now, durable;
    struct unsynced *pending;
    size_t pending_count, pending_cap;
    struct bytes log;     /* what they wrote, one after the other */
    void *shm[SHM_PAGES]; /* shared by the handles of one life of its disk */
    size_t shm_users;
};

struct disk {
    char name[32];
    enum vfs_trouble trouble;
    uint32_t fail_after;
    uint64_t epoch, syncs;
};

struct handle {
    sqlite3_file base;
    char name[NAME_BYTES];
    struct disk *disk;
    uint64_t epoch;
    bool uses_shm;
};

static struct {
    struct file *files[FILES_MAX];
    size_t file_count;
    struct file *spares[FILES_MAX]; /* dropped: their memory serves the next file */
    size_t spare_count;
    struct disk disks[DISKS_MAX];
    size_t disk_count;
    vfs_on_sync *hook;
    void *arg;
    struct rng rng;
    bool registered;
    void **graves; /* shared memory that dead handles may still look at */
    size_t grave_count;
} all;

/* ---- bytes ---- */

static void bytes_room(struct bytes *b, size_t len)
{
    if (len <= b->cap)
        return;
    b->cap = len < 65536 ? 65536 : 2 * len;
    b->data = must_realloc(b->data, b->cap, 1);
}

static void bytes_size(struct bytes *b, size_t len)
{
    bytes_room(b, len);
    if (len > b->len)
        memset(b->data + b->len, 0, len - b->len);
    b->len = len;
}

static void bytes_write(struct bytes *b, size_t at, const void *data, size_t len)
{
    if (at > b->len)
        bytes_size(b, at);
    bytes_room(b, at + len);
    memcpy(b->data + at, data, len);
    b->len = at + len > b->len ? at + len : b->len;
}

static void bytes_set(struct bytes *b, const struct bytes *from)
{
    b->len = 0;
    if (from->len)
        bytes_write(b, 0, from->data, from->len);
}

/* ---- files and disks ---- */

static struct disk *disk_find(const char *name)
{
    for (size_t i = 0; i < all.disk_count; i++)
        if (text_equal(all.disks[i].name, name))
            return &all.disks[i];
    must(all.disk_count < DISKS_MAX);
    struct disk *d = &all.disks[all.disk_count++];
    *d = (struct disk){.epoch = 1};
    text_copy(d->name, sizeof(d->name), name);
    return d;
}

static struct disk *disk_of(const char *path)
{
    char name[32];
    size_t len = strcspn(path, "/");
    must(len < sizeof(name));
    memcpy(name, path, len);
    name[len] = '\0';
    return disk_find(name);
}

static bool on_disk(const struct file *f, const char *disk)
{
    size_t len = strlen(disk);
    return strncmp(f->name, disk, len) == 0 && f->name[len] == '/';
}

static struct file *file_find(const char *name)
{
    for (size_t i = 0; i < all.file_count; i++)
        if (text_equal(all.files[i]->name, name))
            return all.files[i];
    return NULL;
}

static struct file *file_make(const char *name)
{
    struct file *f = file_find(name);
    if (f)
        return f;
    must(all.file_count < FILES_MAX);
    f = all.spare_count ? all.spares[--all.spare_count] : must_alloc(1, sizeof(*f));
    text_copy(f->name, sizeof(f->name), name);
    all.files[all.file_count++] = f;
    return f;
}

static void pending_forget(struct file *f)
{
    f->pending_count = 0;
    f->log.len = 0;
}

static void shm_bury(struct file *f)
{
    for (size_t i = 0; i < SHM_PAGES; i++) {
        if (!f->shm[i])
            continue;
        all.graves = must_realloc(all.graves, all.grave_count + 1, sizeof(*all.graves));
        all.graves[all.grave_count++] = f->shm[i];
        f->shm[i] = NULL;
    }
    f->shm_users = 0;
}

static void file_drop(size_t at)
{
    struct file *f = all.files[at];
    shm_bury(f);
    pending_forget(f);
    f->now.len = f->durable.len = 0;
    f->kept = false;
    all.files[at] = all.files[--all.file_count];
    must(all.spare_count < FILES_MAX);
    all.spares[all.spare_count++] = f;
}

static void pending_add(struct file *f, struct unsynced u)
{
    if (f->pending_count == f->pending_cap) {
        f->pending_cap = f->pending_cap ? 2 * f->pending_cap : 16;
        f->pending = must_realloc(f->pending, f->pending_cap, sizeof(*f->pending));
    }
    f->pending[f->pending_count++] = u;
}

static void apply(const struct file *f, struct bytes *b, const struct unsynced *u)
{
    if (u->truncates)
        bytes_size(b, u->at);
    else
        bytes_write(b, u->at, f->log.data + u->data, u->len);
}

static void file_sync(struct file *f)
{
    for (size_t i = 0; i < f->pending_count; i++)
        apply(f, &f->durable, &f->pending[i]);
    pending_forget(f);
}

/* What the disk holds after its machine died: of each write since the sync all, nothing, or a part
 * that ends at a sector. */
static void file_crash(struct file *f, struct rng *rng)
{
    for (size_t i = 0; i < f->pending_count; i++) {
        struct unsynced u = f->pending[i];
        uint64_t fate = rng_between(rng, 0, 3);
        if (fate == 0 && !u.truncates && u.len > SECTOR)
            u.len = SECTOR * rng_between(rng, 1, u.len / SECTOR);
        if (fate <= 1)
            apply(f, &f->durable, &u);
    }
    pending_forget(f);
    bytes_set(&f->now, &f->durable);
    shm_bury(f);
}

/* ---- trouble ---- */

static bool is_dead(const struct handle *h)
{
    return h->epoch != h->disk->epoch;
}

/* What the next write or sync meets. */
static int trouble_of(struct handle *h, int failure)
{
    struct disk *d = h->disk;
    if (is_dead(h))
        return failure;
    if (d->fail_after > 0 && --d->fail_after == 0)
        return failure;
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
    int rc = trouble_of(h, SQLITE_IOERR_WRITE);
    if (rc != SQLITE_OK)
        return rc;
    struct file *f = file_make(h->name);
    struct unsynced u = {.at = (size_t)at, .len = (size_t)amount, .data = f->log.len};
    bytes_write(&f->log, f->log.len, data, u.len);
    apply(f, &f->now, &u);
    pending_add(f, u);
    return SQLITE_OK;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *h = (struct handle *)file;
    int rc = trouble_of(h, SQLITE_IOERR_TRUNCATE);
    if (rc != SQLITE_OK)
        return rc;
    struct file *f = file_make(h->name);
    struct unsynced u = {.truncates = true, .at = (size_t)size};
    apply(f, &f->now, &u);
    pending_add(f, u);
    return SQLITE_OK;
}

static bool dies_here(const struct handle *h, bool before)
{
    return all.hook && !is_dead(h) && all.hook(all.arg, h->disk->name, before);
}

static int x_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct handle *h = (struct handle *)file;
    if (dies_here(h, true))
        return SQLITE_IOERR_FSYNC;
    int rc = trouble_of(h, SQLITE_IOERR_FSYNC);
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
    for (size_t i = 0; i < all.file_count; i++)
        if (text_equal(all.files[i]->name, name)) {
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
        out[i] = (char)rng_next(&all.rng);
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
    if (!all.registered)
        must(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
    all.registered = true;
}

/* ---- what the simulator does to disks ---- */

void vfs_reset(uint64_t seed)
{
    for (size_t i = all.file_count; i-- > 0;)
        if (!all.files[i]->kept)
            file_drop(i);
    for (size_t i = 0; i < all.grave_count; i++)
        free(all.graves[i]);
    free(all.graves);
    all.graves = NULL;
    all.grave_count = 0;
    all.disk_count = 0;
    all.hook = NULL;
    all.rng = rng_of(seed, 77);
    sqlite3_randomness(0, NULL);
}

void vfs_set_trouble(const char *disk, enum vfs_trouble trouble)
{
    disk_find(disk)->trouble = trouble;
}

void vfs_fail_after(const char *disk, uint32_t operations)
{
    disk_find(disk)->fail_after = operations;
}

void vfs_crash(const char *disk, uint64_t chance)
{
    struct rng rng = rng_of(chance, 5);
    disk_find(disk)->epoch++;
    for (size_t i = 0; i < all.file_count; i++)
        if (on_disk(all.files[i], disk))
            file_crash(all.files[i], &rng);
}

void vfs_watch(vfs_on_sync *hook, void *arg)
{
    all.hook = hook;
    all.arg = arg;
}

uint64_t vfs_syncs(const char *disk)
{
    return disk_find(disk)->syncs;
}

bool vfs_is_synced(const char *disk)
{
    for (size_t i = 0; i < all.file_count; i++)
        if (on_disk(all.files[i], disk) && all.files[i]->pending_count > 0)
            return false;
    return true;
}

void vfs_wipe(const char *disk)
{
    for (size_t i = all.file_count; i-- > 0;)
        if (on_disk(all.files[i], disk))
            file_drop(i);
}

void vfs_copy(const char *from, const char *to, bool durable)
{
    vfs_wipe(to);
    size_t count = all.file_count;
    for (size_t i = 0; i < count; i++) {
        const struct file *f = all.files[i];
        if (!on_disk(f, from))
            continue;
        char name[NAME_BYTES];
        text_format(name, sizeof(name), "%s%s", to, f->name + strlen(from));
        struct file *copy = file_make(name);
        bytes_set(&copy->durable, durable ? &f->durable : &f->now);
        bytes_set(&copy->now, &copy->durable);
    }
}

static void copy_file(const char *from, const char *to, bool keep)
{
    const struct file *f = file_find(from);
    must(f);
    struct file *copy = file_make(to);
    copy->kept = keep;
    bytes_set(&copy->durable, &f->now);
    bytes_set(&copy->now, &f->now);
}

void vfs_keep(const char *path)
{
    char name[NAME_BYTES];
    text_format(name, sizeof(name), "kept/%s", path);
    copy_file(path, name, true);
}

void vfs_put_kept(const char *kept_path, const char *path)
{
    char name[NAME_BYTES];
    text_format(name, sizeof(name), "kept/%s", kept_path);
    copy_file(name, path, false);
}

void vfs_end(void)
{
    vfs_reset(0);
    while (all.file_count > 0)
        file_drop(all.file_count - 1);
    while (all.spare_count > 0) {
        struct file *f = all.spares[--all.spare_count];
        free(f->pending);
        free(f->log.data);
        free(f->now.data);
        free(f->durable.data);
        free(f);
    }
}

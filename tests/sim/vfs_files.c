/* vfs_files.c - see vfs.h: what lies on the disks, and what the simulator does to them. */
#include "tests/sim/vfs_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

struct vfs_all vfs_all;

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
    for (size_t i = 0; i < vfs_all.disk_count; i++)
        if (text_equal(vfs_all.disks[i].name, name))
            return &vfs_all.disks[i];
    must(vfs_all.disk_count < DISKS_MAX);
    struct disk *d = &vfs_all.disks[vfs_all.disk_count++];
    *d = (struct disk){.epoch = 1};
    text_copy(d->name, sizeof(d->name), name);
    return d;
}

struct disk *disk_of(const char *path)
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

struct file *file_find(const char *name)
{
    for (size_t i = 0; i < vfs_all.file_count; i++)
        if (text_equal(vfs_all.files[i]->name, name))
            return vfs_all.files[i];
    return NULL;
}

struct file *file_make(const char *name)
{
    struct file *f = file_find(name);
    if (f)
        return f;
    must(vfs_all.file_count < FILES_MAX);
    f = vfs_all.spare_count ? vfs_all.spares[--vfs_all.spare_count] : must_alloc(1, sizeof(*f));
    text_copy(f->name, sizeof(f->name), name);
    vfs_all.files[vfs_all.file_count++] = f;
    return f;
}

static void pending_forget(struct file *f)
{
    f->pending_count = 0;
    f->log.len = 0;
}

void shm_bury(struct file *f)
{
    for (size_t i = 0; i < SHM_PAGES; i++) {
        if (!f->shm[i])
            continue;
        vfs_all.graves =
            must_realloc(vfs_all.graves, vfs_all.grave_count + 1, sizeof(*vfs_all.graves));
        vfs_all.graves[vfs_all.grave_count++] = f->shm[i];
        f->shm[i] = NULL;
    }
    f->shm_users = 0;
}

void file_drop(size_t at)
{
    struct file *f = vfs_all.files[at];
    shm_bury(f);
    pending_forget(f);
    f->now.len = f->durable.len = 0;
    f->kept = false;
    vfs_all.files[at] = vfs_all.files[--vfs_all.file_count];
    must(vfs_all.spare_count < FILES_MAX);
    vfs_all.spares[vfs_all.spare_count++] = f;
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

void file_sync(struct file *f)
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

void file_write(struct file *f, size_t at, const void *data, size_t len)
{
    struct unsynced u = {.at = at, .len = len, .data = f->log.len};
    bytes_write(&f->log, f->log.len, data, len);
    apply(f, &f->now, &u);
    pending_add(f, u);
}

void file_truncate(struct file *f, size_t size)
{
    struct unsynced u = {.truncates = true, .at = size};
    apply(f, &f->now, &u);
    pending_add(f, u);
}

/* ---- what the simulator does to disks ---- */

void vfs_reset(uint64_t seed)
{
    for (size_t i = vfs_all.file_count; i-- > 0;)
        if (!vfs_all.files[i]->kept)
            file_drop(i);
    for (size_t i = 0; i < vfs_all.grave_count; i++)
        free(vfs_all.graves[i]);
    free(vfs_all.graves);
    vfs_all.graves = NULL;
    vfs_all.grave_count = 0;
    vfs_all.disk_count = 0;
    vfs_all.hook = NULL;
    vfs_all.rng = rng_of(seed, 77);
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
    for (size_t i = 0; i < vfs_all.file_count; i++)
        if (on_disk(vfs_all.files[i], disk))
            file_crash(vfs_all.files[i], &rng);
}

void vfs_watch(vfs_on_sync *hook, void *arg)
{
    vfs_all.hook = hook;
    vfs_all.arg = arg;
}

uint64_t vfs_syncs(const char *disk)
{
    return disk_find(disk)->syncs;
}

uint64_t vfs_failures(const char *disk)
{
    return disk_find(disk)->failures;
}

bool vfs_is_synced(const char *disk)
{
    for (size_t i = 0; i < vfs_all.file_count; i++)
        if (on_disk(vfs_all.files[i], disk) && vfs_all.files[i]->pending_count > 0)
            return false;
    return true;
}

void vfs_wipe(const char *disk)
{
    for (size_t i = vfs_all.file_count; i-- > 0;)
        if (on_disk(vfs_all.files[i], disk))
            file_drop(i);
}

void vfs_copy(const char *from, const char *to, bool durable)
{
    vfs_wipe(to);
    size_t count = vfs_all.file_count;
    for (size_t i = 0; i < count; i++) {
        const struct file *f = vfs_all.files[i];
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
    while (vfs_all.file_count > 0)
        file_drop(vfs_all.file_count - 1);
    while (vfs_all.spare_count > 0) {
        struct file *f = vfs_all.spares[--vfs_all.spare_count];
        free(f->pending);
        free(f->log.data);
        free(f->now.data);
        free(f->durable.data);
        free(f);
    }
}
